# What memory and disk it takes, and what a call costs in a large inventory.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2154,SC2034

bench_memory() {
	registered
	local n before after rss table bytes=0 i
	heading "Memory and disk"
	# Ten rounds of the same statements: what grows is what a packet leaves behind.
	n=$(times 100000)
	read -r before after < <({
		echo "SET jit = off; SET max_parallel_workers_per_gather = 0;"
		for ((i = 0; i < 10; i++)); do
			printf "SELECT sum(length(smsr.scp80_command('\\\\x1621', '\\\\x12', '\\\\x12', '\\\\x000001', n,
				decode(md5(n::text), 'hex'), decode(md5(n::text), 'hex'), '\\\\x5a5a'))) > 0 AS it
				FROM generate_series(1, %s) AS n \\\\gset ignored_\n" $((n / 2))
			printf "SELECT sum(length(smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\\\\x1621', '\\\\x000001', r, '\\\\x5a5a'))) > 0 AS it
				FROM smsr.keyset, generate_series(1, %s) AS r WHERE type = 'SCP80' \\\\gset ignored_\n" $((n / 2 / fleet_size + 1))
			if ((i == 0 || i == 9)); then
				echo "SELECT substring(pg_read_file('/proc/self/status', 0, 8000) from 'RssAnon:\s+([0-9]+)');"
			fi
		done
	} | psql -XAtq -v ON_ERROR_STOP=1 | paste -sd ' ')
	n=$((n * 10))
	figure "a backend's own memory after a tenth of the packets" "$before" "kB"
	figure "and after all $(group "$n") packets" "$after" "kB"
	verdict "$(divide "$after" "$before")" "<=" 1.1 "after to before"

	clear_operations
	n=$(times 10000)
	query "UPDATE smsr.keyset SET counter = counter + 100000"
	stack_fleet 10 
	gateway_window=$n
	gateway_poll=50ms
	gateway_settings='batch = 1000'
	stack_gateway
	sleep 0.5
	# An SMSC that says nothing any more: all that is submitted is outstanding.
	kill -STOP "$fleet_pid"
	query "SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM (SELECT eid FROM smsr.euicc LIMIT $n) AS e) AS chosen,
		smsr.request('audit_eis', eids)" >/dev/null
	for ((i = 0; i < 100; i++)); do
		(($(query "SELECT count(*) FROM smsr.outbound WHERE packet IS NULL") > 0)) || break
		sleep 0.1
	done
	sleep 1
	n=$(query "SELECT count(*) FROM smsr.outbound WHERE attempts > 0")
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$gateway_pid/status")
	kill -CONT "$fleet_pid"
	stack_gateway_stop -KILL
	figure "smsr-gateway with $(group "$n") messages outstanding" "$rss" "kB"
	verdict "$(awk -v k="$rss" 'BEGIN { printf "%.1f", k / 1024 }')" "<" 32 "MB"
	clear_operations

	for table in "${inventory[@]}"; do
		psql -Xq -c "LOAD 'smsr'" -c "VACUUM FULL smsr.$table"
		bytes=$((bytes + $(query "SELECT pg_total_relation_size('smsr.$table')")))
	done
	verdict "$((bytes / fleet_size))" "<" 4096 "octets on disk an eUICC, two profiles, indexes included"
}

# Median milliseconds of the statements on standard input, each its own transaction
# and all of one session; the first third is left out.
median_of() {
	{
		printf '%s\n' "$1" '\timing on'
		cat
	} | timed |
		awk '{ t[NR] = $1 } END { for (i = int(NR / 3) + 1; i <= NR; i++) print t[i] }' | sort -n |
		awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] }'
}

# What a call costs must not depend on how many eUICCs there are.  The same number
# of eUICCs is called upon each time, spread over all of them and read once before by
# the session that calls.
bench_calls() {
	local size sizes names i last
	# as a gateway's, which lives for months and has seen every page
	local warm="SET jit = off; SELECT count(c), count(k), count(h), count(d) FROM called JOIN smsr.euicc c USING (eid)
		JOIN smsr.keyset k USING (eid) JOIN smsr.audit_head h USING (eid) JOIN smsr.profile d USING (eid);"
	local -A first now
	names=("a single enable_profile()" "a claim of 100 messages" "one response received" "profiles of one eUICC, as a tenant")
	heading "What a call costs in a small and in a large inventory: medians, warm, fsync on"
	registered
	query "SELECT smsr.install_roles()"
	query "SELECT smsr.bind_role('1.3.6.1.4.1.99999.3', 'bench_tenant') FROM (SELECT) s" >/dev/null 2>&1 ||
		query "CREATE ROLE bench_tenant; SELECT smsr.bind_role('1.3.6.1.4.1.99999.3', 'bench_tenant')" >/dev/null
	sizes=("$(times 10000)" "$(times 1000000)")
	[[ $SCALE != 1 ]] || sizes+=(5000000)
	# those of the fleet count, too
	((sizes[0] >= fleet_size + 2000)) || sizes[0]=$((fleet_size + 2000))
	for size in "${sizes[@]}"; do
		inventory_of "$size"
		clear_operations
		query "VACUUM ANALYZE smsr.operation, smsr.outbound, smsr.message"
		query "SET client_min_messages = warning; DROP TABLE IF EXISTS called; CREATE TABLE called AS
			SELECT row_number() OVER (ORDER BY e.eid) AS n, e.eid, p.iccid, e.msisdn
			FROM (SELECT bench_eid(1000000 + $fleet_size + g * (($size - $fleet_size) / 2000)) AS eid FROM generate_series(0, 1999) g) s
				JOIN smsr.profile e ON e.eid = s.eid AND e.state = 'Enabled'
				JOIN smsr.profile p ON p.eid = s.eid AND p.state = 'Disabled';
			ANALYZE called"
		query "SELECT bench_keys(array_agg(eid), '$inventory_key') FROM called" >/dev/null
		query "VACUUM ANALYZE smsr.keyset"
		# A page that is changed for the first time after a checkpoint is logged whole, and in
		# a large inventory each eUICC has pages of its own: they are changed before
		query "CHECKPOINT"
		query "BEGIN; SELECT count(*) FROM (SELECT FROM called c JOIN smsr.euicc e USING (eid) JOIN smsr.keyset k USING (eid)
			JOIN smsr.audit_head h USING (eid) FOR NO KEY UPDATE OF e, k, h) s; ROLLBACK" >/dev/null
		now[0]=$(query "SELECT format('SELECT smsr.enable_profile(%L, %L);', eid, iccid) FROM called WHERE n <= 600 ORDER BY md5(n::text)" |
			median_of "$warm")
		query "SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids FROM called WHERE n > 600) c,
			smsr.request('enable_profile', eids, iccids)" >/dev/null
		now[1]=$(for ((i = 0; i < 18; i++)); do echo "SELECT count(*) FROM smsr.claim_sms('north', 100, '1 h');"; done | median_of "$warm")
		now[2]=$(query "SELECT format('SELECT smsr.receive_sms(%L, %L::bytea);', o.destination, bench_answer(o.eid, o.cntr))
				FROM smsr.outbound o WHERE o.cntr IS NOT NULL ORDER BY md5(o.id::text) LIMIT 900" |
			median_of "$warm")
		if (($(query "SELECT count(*) FROM smsr.operation WHERE stage = 'notification'") < 900)); then
			query "SELECT stage, status, message, count(*) FROM smsr.operation GROUP BY 1, 2, 3" >&2
			return 1
		fi
		now[3]=$(query "SELECT format('SELECT count(*) FROM smsr.my_profile WHERE eid = %L;', eid) FROM called WHERE n <= 900 ORDER BY md5(n::text)" |
			median_of "SET ROLE bench_tenant; SET jit = off;")
		for i in "${!names[@]}"; do
			first[$i]=${first[$i]:-${now[$i]}}
			printf '    %-58s %12s ms\n' "$(group "$size"): ${names[$i]}" "${now[$i]}"
		done
	done
	for i in "${!names[@]}"; do
		verdict "$(divide "${now[$i]}" "${first[$i]}")" "<=" 1.2 "${names[$i]}: largest to smallest"
	done
	query "DROP TABLE called"
	clear_operations
}
