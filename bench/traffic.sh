# Messages both ways, through SQL alone and through gateway and cards.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2154,SC2034

# After what needs the simulated cards: it switches profiles that they do not.

# Seconds of the statements in table receive_batch, each its own transaction.
receive_batches() {
	query "VACUUM ANALYZE smsr.outbound, smsr.operation, smsr.euicc, smsr.profile, smsr.audit_head" # as autovacuum does
	query "CHECKPOINT"
	{
		echo "SET jit = off; SET max_parallel_workers_per_gather = 0;"
		printf '%s\n' '\timing on'
		query "SELECT format('SELECT cardinality(smsr.receive_sms(originators, tp_uds)) FROM receive_batch WHERE n = %s;', n)
			FROM receive_batch ORDER BY n"
	} | timed | awk '{ s += $1 } END { print s / 1000 }'
}

# Cards that answer at once, and well: the last packet of each, and in the first
# phase what comes of the switch.  Batches of a thousand messages.
receive_answers() {
	query "SET client_min_messages = warning; DROP TABLE IF EXISTS receive_batch;
		CREATE UNLOGGED TABLE receive_batch AS
		WITH card AS (
			SELECT (row_number() OVER (ORDER BY o.eid) - 1) / (1000 / $1) AS n, o.eid, p.msisdn AS here, t.msisdn AS there,
				smsr.scp80_response(substring(decode(smsr.setting('spi'), 'hex') FROM 2), '\x22', '\x22', '\x000001', o.cntr, 0,
					k.kic, k.kid, '\xab0780010123029000') AS answer,
				smsr.scp80_command('\x0600', '\x22', '\x22', '\x000001', 0, k.kic, k.kid,
					'\xe12b4c10' || decode(o.eid::text, 'hex') || '\x4d01024e02' ||
					decode(lpad(to_hex((coalesce(e.notification_sequence, 0) + 1) & 65535), 4, '0'), 'hex') || '\x2f10' || r.isdp_aid::bytea) AS notification
			FROM smsr.outbound o JOIN receive_key k USING (eid) JOIN smsr.euicc e USING (eid)
				JOIN smsr.operation r ON r.eid = o.eid AND r.id = o.operation_id
				JOIN smsr.profile p ON p.eid = o.eid AND p.state = 'Enabled'
				JOIN smsr.profile t ON t.eid = o.eid AND t.isdp_aid = r.isdp_aid
		)
		SELECT c.n, array_agg(m.originator ORDER BY m.part, c.eid) AS originators, array_agg(m.tp_ud ORDER BY m.part, c.eid) AS tp_uds
		FROM card c CROSS JOIN LATERAL (
			SELECT 1 AS part, c.here AS originator, s AS tp_ud FROM smsr.sms_segments(c.answer, 113) s
			UNION ALL SELECT 2, c.there, s FROM smsr.sms_segments(c.notification, 112) s WHERE $1 = 2) m
		GROUP BY c.n"
}

bench_receive() {
	registered
	local rounds messages=0 time=0 plain=0 i phase version since table condition
	rounds=$(awk -v n="${RECEIVED:-$(times 120000)}" -v fleet="$fleet_size" 'BEGIN { r = int(n / fleet / 3 + 0.999); print r < 1 ? 1 : r }')
	heading "Answers and notifications of complete enables, in batches of 1 000, fsync on"
	clear_operations
	"$fleet" eis --cards "$fleet_size" --wrap none --format copy --output "$work/eis.copy"
	query "CREATE TABLE receive_document (document text)"
	psql -Xq -v ON_ERROR_STOP=1 -c "\copy receive_document from '$work/eis.copy'"
	rm "$work/eis.copy"
	query "CREATE TABLE receive_key AS SELECT substring(document FROM '<Eid>([0-9]+)')::smsr.eid AS eid,
			decode(k[1], 'hex') AS kic, decode(k[2], 'hex') AS kid
		FROM (SELECT document, ARRAY(SELECT (regexp_matches(substring(document FROM '<Isd-r>.*'), 'type=\"88\" value=\"([0-9A-F]+)\"', 'g'))[1]) AS k
			FROM receive_document) d;
		DROP TABLE receive_document; CREATE UNIQUE INDEX ON receive_key (eid); ANALYZE receive_key"
	for ((i = 0; i < rounds; i++)); do
		query "TRUNCATE smsr.operation, smsr.outbound, smsr.message, smsr.notice"
		since=$(query "SELECT clock_timestamp()")
		query "SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
			FROM smsr.profile WHERE state = 'Disabled') AS chosen, smsr.request('enable_profile', eids, iccids)" >/dev/null
		for phase in 2 1; do
			query "SELECT smsr.sms_submitted(array_agg(sms_id), array_agg(sms_id::text)) FROM (
				SELECT sms_id FROM smsr.claim_sms('north', 100000) UNION ALL SELECT sms_id FROM smsr.claim_sms('south', 100000)) AS c
				HAVING count(*) > 0" >/dev/null
			receive_answers "$phase"
			time=$(sum "$time" "$(receive_batches)")
			# two versions of an operation are open ones, which stand in other indexes than that which has ended
			for ((version = 0; version < phase; version++)); do
				plain=$(sum "$plain" "$(plain_insert operation)")
			done
		done
		if [[ $(query "SELECT count(*) FROM smsr.operation WHERE status = 'EXECUTED_SUCCESS'") != "$fleet_size" ]]; then
			echo "Not all enables ended well:" >&2
			query "SELECT stage, status, message, count(*) FROM smsr.operation GROUP BY 1, 2, 3" >&2
			return 1
		fi
		messages=$((messages + $(query "SELECT count(*) FROM smsr.message WHERE direction = 'in'")))
		# the other versions of rows that it writes: of an eUICC one each message
		for table in euicc euicc euicc profile message_default \
			"profile_history_default until > '$since'" notice "audit_trail_default recorded_at > '$since'" audit_head audit_head; do
			read -r table condition <<<"$table"
			plain=$(sum "$plain" "$(plain_insert "$table" "$condition")")
		done
		# a confirmation queued: as many rows as there were
		query "SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS chosen, smsr.request('audit_eis', eids)" >/dev/null
		plain=$(sum "$plain" "$(plain_insert outbound)")
	done
	query "DROP TABLE receive_key, receive_batch"
	clear_operations
	figure "smsr.receive_sms(): $(group "$messages") messages" "$(per_second "$messages" "$time")" "messages/s"
	figure "INSERT ... SELECT of the rows that it writes" "$(per_second "$messages" "$plain")" "messages/s"
	verdict "$(divide "$time" "$plain")" "<=" 3 "times as long"
}

# $1 cards and a gateway; they go on as they are from one run_enables to the next.
start_enables() {
	clear_operations
	# the fleet is new: its cards are as they were delivered
	query "UPDATE smsr.keyset SET counter = 0;
		UPDATE smsr.profile p SET state = 'Disabled' WHERE p.state = 'Enabled'
			AND EXISTS (SELECT FROM smsr.profile f WHERE f.eid = p.eid AND f.isdp_aid < p.isdp_aid);
		UPDATE smsr.profile p SET state = 'Enabled' WHERE p.state = 'Disabled'
			AND NOT EXISTS (SELECT FROM smsr.profile f WHERE f.eid = p.eid AND f.isdp_aid < p.isdp_aid);
		UPDATE smsr.euicc SET notification_type = NULL, notification_sequence = NULL, notification_at = NULL WHERE notification_type IS NOT NULL"
	stack_fleet "$1" --auto-personalize --refresh 0
	gateway_window=1000
	stack_gateway
	sleep 1
}

stop_enables() {
	stack_gateway_stop
	fleet_ctl quit >/dev/null || true
}

# Complete enables of $1 cards: sets rate.
run_enables() {
	local n=$1 count
	clear_operations
	count=$(query "SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
		FROM (SELECT eid, iccid FROM smsr.profile WHERE state = 'Disabled' ORDER BY eid LIMIT $n) AS p) AS chosen,
		smsr.request('enable_profile', eids, iccids)")
	for ((i = 0; i < 1200; i++)); do
		[[ $(query "SELECT count(*) FROM smsr.operation WHERE status IS NULL") != 0 ]] || break
		sleep 0.25
	done
	if [[ $(query "SELECT count(*) FROM smsr.operation WHERE status = 'EXECUTED_SUCCESS'") != "$count" ]]; then
		echo "Not all enables ended well:" >&2
		query "SELECT status, subject_code, reason_code, message, count(*) FROM smsr.operation GROUP BY 1, 2, 3, 4" >&2
		return 1
	fi
	rate=$(query "SELECT round(count(*) / extract(epoch FROM max(finished_at) - min(requested_at))) FROM smsr.operation")
}

bench_enables() {
	registered
	local n rate
	n=$(times 5000)
	heading "Complete enables through the gateway and $(group "$n") simulated cards, fsync on, $(nproc) cores for all"
	start_enables "$n"
	run_enables "$n"
	stop_enables
	figure "command, response, notification, confirmation, answer" "$rate" "enables/s"
	verdict "$rate" ">=" 1000 "enables/s"
}

# What row level security and the audit chain cost.

# Seconds for $3 (2,000) statements of one session, in a role; $2 has %s for an EID.
lookups() {
	{
		echo "SET ROLE $1; SET jit = off; SET max_parallel_workers_per_gather = 0;"
		echo "SELECT clock_timestamp() AS t0 \\gset"
		query "SELECT format('$2;', eid) FROM smsr.euicc ORDER BY eid LIMIT ${3:-2000}"
		echo "SELECT extract(epoch FROM clock_timestamp() - :'t0');"
	} | psql -XAtq -v ON_ERROR_STOP=1 | tail -n 1
}

bench_guard() {
	registered
	local n rate with without mno
	n=$(times 5000)
	heading "What row level security and the audit trail's chain cost"
	mno=$(query "SELECT mno_id FROM smsr.profile GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
	query "SELECT smsr.install_roles(); CREATE ROLE bench_operator; CREATE ROLE bench_plain;
		SELECT smsr.bind_role('$mno', 'bench_operator');
		CREATE TABLE plain_profile (LIKE smsr.profile INCLUDING ALL); INSERT INTO plain_profile SELECT * FROM smsr.profile;
		GRANT SELECT ON plain_profile TO bench_plain" >/dev/null
	query "VACUUM ANALYZE"
	with=$(lookups bench_operator "SELECT count(*) FROM smsr.profile WHERE eid = ''%s''")
	without=$(lookups bench_plain "SELECT count(*) FROM plain_profile WHERE eid = ''%s'' AND mno_id = ''$mno''")
	figure "profiles of one eUICC, as an operator under its policy" "$(per_second 2000 "$with")" "queries/s"
	figure "the same WHERE on a table without policies" "$(per_second 2000 "$without")" "queries/s"
	ratio "times as long" "$with" "$without"
	with=$(lookups bench_operator "SELECT count(*), sum(allocated_memory) FROM smsr.profile WHERE state = ''Disabled'' AND ''%s'' <> ''''" 20)
	without=$(lookups bench_plain "SELECT count(*), sum(allocated_memory) FROM plain_profile WHERE state = ''Disabled'' AND mno_id = ''$mno'' AND ''%s'' <> ''''" 20)
	ratio "a query over the operator's whole fleet, times as long" "$with" "$without"
	query "DROP TABLE plain_profile; SELECT smsr.unbind_role('bench_operator')" >/dev/null

	# the same enables, with records that are not chained, and with the chain
	query "CREATE TABLE kept AS SELECT pg_get_functiondef(oid) AS was FROM pg_proc
		WHERE oid = 'smsr.record_audit(smsr.eid,text,bigint,text,text,text,text,smsr.aid,smsr.iccid,jsonb,bytea,text,text,name,text,text)'::regprocedure"
	query "DO \$do\$ BEGIN EXECUTE (SELECT regexp_replace(was, 'AS \$function\$.*\$function\$', \$f\$AS \$function\$
		BEGIN
			INSERT INTO smsr.audit_trail (eid, number, recorded_at, smsr_id, operation_date, operation_type, function,
					operation_id, requester_id, requested_by, status, subject_code, reason_code, isdp_aid, iccid, imei, meid, hash)
				VALUES (p_eid, nextval('smsr.audit_position_seq'), clock_timestamp(), smsr.setting('smsr_id'), clock_timestamp(),
					coalesce(p_operation_type, smsr.operation_type(p_function)), p_function, p_operation_id, p_requester, p_requested_by,
					p_status, p_subject, p_reason_code, p_isdp_aid, p_iccid, p_imei, p_meid, decode(repeat('00', 32), 'hex'));
		END \$function\$\$f\$, 's') FROM kept); END \$do\$"
	start_enables "$n"
	run_enables "$n" # and once to warm up
	run_enables "$n"
	without=$rate
	query "DO \$do\$ BEGIN EXECUTE (SELECT was FROM kept); END \$do\$; DROP TABLE kept"
	run_enables "$n"
	with=$rate
	stop_enables
	figure "complete enables, records without a chain" "$without" "enables/s"
	figure "complete enables, records chained" "$with" "enables/s"
	ratio "times as long with the chain" "$without" "$with"
}
