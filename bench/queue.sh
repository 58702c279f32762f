# The way out: requests, campaigns, claims.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2154,SC2034

# Every disabled profile of at most $1 eUICCs is enabled in one request: sets n.
measure_request() {
	local asked plain
	query "CHECKPOINT"
	asked=$(seconds "SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
		FROM (SELECT eid, iccid FROM smsr.profile WHERE state = 'Disabled' LIMIT $1) AS p) AS chosen,
		smsr.request('enable_profile', eids, iccids)")
	n=$(query "SELECT count(*) FROM smsr.outbound")
	plain=$(sum "$(plain_insert operation)" "$(plain_insert outbound)")
	figure "smsr.request('enable_profile', ...)" "$(per_second "$n" "$asked")" "operations/s"
	figure "INSERT ... SELECT of the same rows" "$(per_second "$n" "$plain")" "operations/s"
	verdict "$(divide "$asked" "$plain")" "<=" 2 "times as long"
}

bench_campaign() {
	registered
	local n plain claimed
	heading "A campaign in one statement: enable a profile on every eUICC, fsync on"
	clear_operations
	measure_request "$fleet_size"
	query "VACUUM ANALYZE smsr.operation, smsr.outbound, smsr.keyset"
	query "CHECKPOINT"
	claimed=$(seconds "SELECT count(*) FROM smsr.claim_sms('north', 100000)")
	# it writes a message and a counter for each
	plain=$(sum "$(plain_insert outbound)" "$(plain_insert keyset "type = 'SCP80'")")
	figure "smsr.claim_sms(): keys unsealed, packets sealed and kept" "$(per_second "$n" "$claimed")" "messages/s"
	figure "INSERT ... SELECT of the rows and octets that it writes" "$(per_second "$n" "$plain")" "messages/s"
	verdict "$(divide "$claimed" "$plain")" "<=" 3 "times as long"
	bench_planned
	clear_operations
}

# What smsr.tick() does in as many transactions as it takes.
bench_planned() {
	local n planned released plain_plan plain_queue i
	heading "A campaign by query: frozen, then released in pieces, fsync on"
	clear_operations
	query "CHECKPOINT"
	planned=$(seconds "SELECT smsr.create_campaign('bench', 'enable_profile', 'SELECT eid, iccid FROM smsr.profile WHERE state = ''Disabled''',
		'{\"backlog\": \"all\"}')")
	n=$(query "SELECT count(*) FROM smsr.campaign_member")
	plain_plan=$(plain_insert campaign_member)
	query "SELECT smsr.start_campaign(id) FROM smsr.campaign; CHECKPOINT" >/dev/null
	released=$({
		printf '%s\n' '\timing on'
		for ((i = 0; i < n; i += 2000)); do echo "SELECT smsr.campaign_tick();"; done
	} | timed | awk '{ s += $1 } END { print s / 1000 }')
	if (($(query "SELECT count(*) FROM smsr.outbound") != n)); then
		echo "Not all members are queued" >&2
		return 1
	fi
	plain_queue=$(sum "$(plain_insert operation)" "$(plain_insert outbound)" "$(plain_insert campaign_running)")
	figure "smsr.create_campaign(): read, checked, frozen" "$(per_second "$n" "$planned")" "members/s"
	figure "INSERT ... SELECT of the same members" "$(per_second "$n" "$plain_plan")" "members/s"
	verdict "$(divide "$planned" "$plain_plan")" "<=" 2 "times as long"
	figure "released, 2000 a transaction: judged, operations and packets" "$(per_second "$n" "$released")" "members/s"
	figure "INSERT ... SELECT of the same rows" "$(per_second "$n" "$plain_queue")" "members/s"
	verdict "$(divide "$(sum "$planned" "$released")" "$(sum "$plain_plan" "$plain_queue")")" \
		"<=" 2 "times as long, planning and queueing"
}

bench_plan() {
	local n
	n=$(times 1000000)
	inventory_of "$n"
	heading "Planning and queueing $(group "$n") enables in one request, fsync on"
	clear_operations
	measure_request "$n"
	query "DROP TABLE plain"
	clear_operations
}

# Median milliseconds of claims of 100 messages, each its own transaction; they leave
# so many fewer that are due.
claims_measured=40
claim_latency() {
	local i
	{
		printf '%s\n' '\timing on'
		for ((i = 0; i < claims_measured; i++)); do
			echo "SELECT count(*) FROM smsr.claim_sms('north', 100, '1 h');"
		done
	} | timed | tail -n 30 | sort -n | sed -n 15p
}

# Packets number $2 to $3 of a queue in $1 lanes, those of ten tenants; audits, as
# many a card as it takes.
queue_up() {
	query "INSERT INTO smsr.lane (tenant, priority, campaign_id)
		SELECT 'tenant ' || g % 10, 2, g FROM generate_series(1, $1) AS g ON CONFLICT (campaign_id, time_zone) WHERE campaign_id IS NOT NULL DO NOTHING"
	query "WITH lane AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM smsr.lane WHERE campaign_id <= $1)
		INSERT INTO smsr.outbound (eid, operation_id, step, destination, mno_id, lane_id, due_at, expires_at, sd_aid, script)
		SELECT t.eid, 0, t.step, t.destination, t.mno_id, l.id,
			now() - interval '1 hour' + g * interval '1 microsecond', t.expires_at, t.sd_aid, t.script
		FROM generate_series($2, $3 - 1) AS g JOIN template AS t ON t.n = g % $fleet_size JOIN lane AS l ON l.n = g % $1
		ORDER BY g"
	query "VACUUM ANALYZE smsr.outbound, smsr.keyset"
	query "CHECKPOINT"
}

bench_claim() {
	registered
	local queued claimed lanes wanted first last
	heading "A claim of 100 messages while more and more are queued, fsync on"
	clear_operations
	query "SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS chosen, smsr.request('audit_eis', eids)" >/dev/null
	query "CREATE TABLE template AS SELECT row_number() OVER (ORDER BY eid) - 1 AS n, * FROM smsr.outbound; CREATE INDEX ON template (n)"
	for lanes in 1 300; do
		clear_operations
		queued=0
		claimed=0
		first=''
		last=''
		for wanted in 5000 "$(times 100000)" "$(times 1000000)" "$(times 4000000)"; do
			((wanted > queued)) || continue
			# never fewer than it says, or of the smallest queue lanes would run empty
			claimed=$((claimed + 100 * claims_measured))
			queue_up "$lanes" "$queued" "$((wanted + claimed))"
			queued=$((wanted + claimed))
			last=$(claim_latency)
			first=${first:-$last}
			printf '    %-58s %12s ms\n' "median with $(group "$wanted") queued in $lanes lane$( ((lanes == 1)) || echo s)" "$last"
		done
		verdict "$(divide "$last" "$first")" "<=" 1.3 "with most to with fewest"
	done
	# with an account of shares and a limit that is out of reach: what they cost
	query "SELECT smsr.set_gateway_limit('north', 1000000)" >/dev/null
	printf '    %-58s %12s ms\n' "the same with a limit on the bind" "$(claim_latency)"
	query "SELECT smsr.set_gateway_limit('north', NULL)" >/dev/null
	query "DROP TABLE template; DELETE FROM smsr.lane WHERE campaign_id IS NOT NULL"
	clear_operations
}
