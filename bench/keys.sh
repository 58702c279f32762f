# Packets and key sets: what C and SQL take for what libcrypto does.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2154,SC2034

best_of() {
	local best=0 i rate
	for i in 1 2 3; do
		read -r rate last < <("$work/bare_scp80" "$@")
		best=$(awk -v a="$best" -v b="$rate" 'BEGIN { print (a > b ? a : b) }')
	done
	bare=$best
}

bench_packets() {
	local n bare sql time
	n=$(times 500000)
	heading "Secured packets: 64 octets of data, AES-128, other keys each time, one core"
	gcc -O2 -std=c11 -D_GNU_SOURCE -Wall -o "$work/bare_scp80" bench/bare_scp80.c -lcrypto
	best_of plain "$n"
	query "CREATE UNLOGGED TABLE packet_keys AS
		SELECT n, decode(repeat('11', 12) || lpad(to_hex(n), 8, '0'), 'hex') AS kic,
			decode(repeat('22', 12) || lpad(to_hex(n), 8, '0'), 'hex') AS kid
		FROM generate_series(0, $n - 1) AS n"
	query "VACUUM ANALYZE packet_keys"
	sql=$(query "SELECT encode(smsr.scp80_command('\x1621', '\x12', '\x12', '\x000001', n, kic, kid,
		decode(repeat('5a', 64), 'hex')), 'hex') FROM packet_keys WHERE n = $n - 1")
	if [[ $sql != "$last" ]]; then
		echo "The packets differ, so the comparison means nothing:" >&2
		printf '  libcrypto alone %s\n  SQL             %s\n' "$last" "$sql" >&2
		return 1
	fi
	time=$(seconds "SELECT sum(length(smsr.scp80_command('\x1621', '\x12', '\x12', '\x000001', n, kic, kid,
		'\x$(printf '5a%.0s' {1..64})'))) FROM packet_keys" 3)
	sql=$(per_second "$n" "$time")
	figure "libcrypto alone, in C" "$bare" "packets/s"
	figure "smsr.scp80_command() over a table of keys" "$sql" "packets/s"
	verdict "$(divide "$sql" "$bare")" ">=" 0.5 "SQL to C"
	query "DROP TABLE packet_keys"

	registered
	n=$(query "SELECT count(*) FROM smsr.keyset WHERE type = 'SCP80'")
	best_of sealed 200000
	time=$(seconds "SELECT sum(length(smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1621', '\x000001', r,
		'\x$(printf '5a%.0s' {1..64})'))) FROM smsr.keyset, generate_series(1, 5) AS r WHERE type = 'SCP80'" 3)
	sql=$(per_second $((5 * n)) "$time")
	figure "libcrypto alone, unsealing the keys first (GCM)" "$bare" "packets/s"
	figure "smsr.seal_command() over smsr.keyset" "$sql" "packets/s"
	verdict "$(divide "$sql" "$bare")" ">=" 0.5 "SQL to C"
}

bench_rotation() {
	registered
	local n plain t i
	n=$(query "SELECT count(*) FROM smsr.keyset")
	heading "Key sets unsealed, and sealed again with the check that they open, one core"
	gcc -O2 -std=c11 -D_GNU_SOURCE -Wall -o "$work/bare_scp80" bench/bare_scp80.c -lcrypto
	best_of unseal 500000
	t=$(seconds "SELECT count(*) FILTER (WHERE smsr.sealed_keyset_opens(eid, sd_aid, kvn, key_type, sealed)) FROM smsr.keyset, generate_series(1, 5)" 3)
	figure "libcrypto alone, unsealing (GCM)" "$bare" "key sets/s"
	figure "smsr.sealed_keyset_opens()" "$(per_second $((5 * n)) "$t")" "key sets/s"
	ratio "SQL to C" "$(per_second $((5 * n)) "$t")" "$bare"
	best_of reseal 200000
	t=$(seconds "SELECT count(smsr.reseal_keyset(eid, sd_aid, kvn, key_type, sealed)) FROM smsr.keyset, generate_series(1, 5)" 3)
	figure "libcrypto alone, unsealing, sealing, unsealing" "$bare" "key sets/s"
	figure "smsr.reseal_keyset()" "$(per_second $((5 * n)) "$t")" "key sets/s"
	ratio "SQL to C" "$(per_second $((5 * n)) "$t")" "$bare"

	heading "A new storage key for $(group "$n") key sets, and a new KEK, fsync on"
	query "SET client_min_messages = warning; DROP TABLE IF EXISTS plain; CREATE TABLE plain (LIKE smsr.keyset INCLUDING ALL);
		INSERT INTO plain SELECT * FROM smsr.keyset; CHECKPOINT"
	plain=$(seconds "UPDATE plain SET sealed = set_byte(sealed, 4, 2)")
	query "SELECT smsr.create_storage_key(); CHECKPOINT" >/dev/null
	t=$({
		printf '%s\n' '\timing on'
		for ((i = 0; i <= n; i += 1000)); do echo "SELECT smsr.reseal_keys(1000);"; done
	} | timed | awk '{ s += $1 } END { print s / 1000 }')
	if (($(query "SELECT smsr.reseal_keys(1000)") != 0)); then
		echo "Not all key sets are sealed again" >&2
		return 1
	fi
	figure "smsr.reseal_keys(), 1000 a call" "$(per_second "$n" "$t")" "key sets/s"
	figure "UPDATE of the same rows in one statement, nothing else" "$(per_second "$n" "$plain")" "key sets/s"
	ratio "times as long" "$t" "$plain"
	plain=$(seconds "SELECT smsr.rewrap_storage_keys()")
	printf '    %-58s %12s ms\n' "smsr.rewrap_storage_keys(), whatever the fleet's size" "$(awk -v s="$plain" 'BEGIN { printf "%.1f", s * 1000 }')"
	query "VACUUM ANALYZE smsr.keyset"
}

# Last of these: what is imported are keys that no simulated card has.
bench_import() {
	registered
	local t plain
	heading "Import: a derived key set for each of $(group "$fleet_size") eUICCs, fsync on"
	install -m 600 /dev/null "$work/master"
	head -c 16 /dev/urandom >"$work/master"
	((EUID != 0)) || chown postgres: "$work/master"
	query "SET client_min_messages = error; SELECT smsr.import_master_key_file('bench', 'kdf3', '$work/master')" >/dev/null
	query "INSERT INTO smsr.key_inbox (eid, kvn, master, kdd)
		SELECT e.eid::text, '9', 'bench', right(e.eid::text, 20) FROM smsr.euicc AS e"
	query "VACUUM ANALYZE smsr.key_inbox"
	query "CHECKPOINT"
	t=$(seconds "SELECT smsr.import_keys()")
	if (($(query "SELECT count(*) FROM smsr.keyset WHERE kvn = 9") != fleet_size)); then
		query "SELECT reason, count(*) FROM smsr.key_reject GROUP BY 1 LIMIT 5" >&2
		return 1
	fi
	plain=$(plain_insert keyset "kvn = 9")
	figure "smsr.import_keys(): derived, sealed, recorded" "$(per_second "$fleet_size" "$t")" "key sets/s"
	figure "INSERT ... SELECT of the same rows, nothing else" "$(per_second "$fleet_size" "$plain")" "key sets/s"
	ratio "times as long" "$t" "$plain"
	query "VACUUM ANALYZE smsr.keyset"
	t=$(seconds "SELECT count(*) FROM smsr.check_key_values()" 3)
	figure "smsr.check_key_values(): opened, compared" "$(per_second "$(query 'SELECT count(*) FROM smsr.keyset')" "$t")" "key sets/s"
	t=$(seconds "SELECT count(*) FROM smsr.key_evidence()" 3)
	figure "smsr.key_evidence()" "$(per_second "$(query 'SELECT count(*) FROM smsr.keyset')" "$t")" "key sets/s"
}
