# Fleets: registered from documents, and synthetic ones of any size.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2154,SC2034

fleet_size=$(times 20000)
is_registered=

# The fleet is in the database; what that took is known to bench_register.
registered() {
	[[ -z $is_registered ]] || return 0
	is_registered=1
	stack_eis "$fleet_size"
	psql -Xq -v ON_ERROR_STOP=1 -c "\copy smsr.eis_inbox (document) from '$work/eis.copy'"
	rm "$work/eis.copy"
	query "VACUUM ANALYZE smsr.eis_inbox"
	query "CHECKPOINT"
	register_time=$(seconds "SELECT smsr.register_inbox()")
	if (($(query "SELECT count(*) FROM smsr.euicc") != fleet_size)); then
		echo "Not all of the fleet is registered:" >&2
		query "SELECT reason, count(*) FROM smsr.eis_reject GROUP BY 1 LIMIT 5" >&2
		return 1
	fi
	query "VACUUM ANALYZE"
}

inventory=(euicc euicc_signed euicc_security_domain profile keyset)

bench_register() {
	registered
	local table plain=0 t
	heading "Registration: $(group "$fleet_size") EIS documents, $(query "SELECT count(*) FROM smsr.profile" | { read -r n; group "$n"; }) profiles, fsync on"
	for table in "${inventory[@]}"; do
		t=$(plain_insert "$table")
		plain=$(sum "$plain" "$t")
	done
	figure "smsr.register_inbox(): XML in, verified, keys sealed" \
		"$(per_second "$fleet_size" "$register_time")" "eUICCs/s"
	figure "INSERT ... SELECT of the same rows, nothing else" \
		"$(per_second "$fleet_size" "$plain")" "eUICCs/s"
	ratio "times as long" "$register_time" "$plain"
}

inventory_key=

# As many eUICCs in all, synthetic ones beside the fleet.  What their EUM signed is read
# by none of the benches, and is most of the octets: they have none.  Keys of those that
# are sent to: bench_keys().
inventory_of() {
	local have
	registered
	if [[ -z $inventory_key ]]; then
		inventory_key=$(od -An -vtx1 -N16 /dev/urandom | tr -d ' \n')
		install -m 600 /dev/null "$work/inventory.key"
		printf '%s' "$inventory_key" >"$work/inventory.key"
		((EUID != 0)) || chown postgres: "$work/inventory.key"
		query "CREATE EXTENSION IF NOT EXISTS pgcrypto"
		psql -Xq -v ON_ERROR_STOP=1 -f bench/inventory.sql
		query "SELECT smsr.import_transport_key_file('bench', 'aes-cbc-zero-iv', '$work/inventory.key')" >/dev/null
	fi
	have=$(query "SELECT count(*) FROM smsr.euicc")
	(($1 > have)) || return 0
	query "SELECT bench_filler(1000000 + $have, $1 - $have)" >/dev/null
	query "VACUUM ANALYZE"
}
