#!/bin/bash
# make bench: speed and size as ratios to what the same machine does without
# smsr in the same run, absolute figures beside them.
#
#   make bench                 all of it, a few minutes
#   make bench SCALE=0.1       a quick trial; the figures mean less
#   make bench ONLY="packets"  some of: packets register rotation campaign claim enables guard memory receive import router plan calls
#   make bench ONLY="receive" RECEIVED=1000000   so many messages received
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

SCALE=${SCALE:-1}
all=(packets register rotation campaign claim enables guard memory receive import router plan calls)
read -ra only <<<"${ONLY:-${all[*]}}"

scripts/install-deps.sh test
smsr_name='bench'
# shellcheck source=scripts/stack.sh
. scripts/stack.sh

times() { awk -v n="$1" -v scale="$SCALE" 'BEGIN { v = int(n * scale); print v < 1 ? 1 : v }'; }
divide() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b == 0 ? 0 : a / b }'; }
group() {
	LC_ALL=C awk -v n="$1" 'BEGIN {
		s = sprintf("%.0f", n)
		while (length(s) > 3) { r = " " substr(s, length(s) - 2) r; s = substr(s, 1, length(s) - 3) }
		print s r
	}'
}

heading() { printf '\n%s\n' "$1"; }
figure() { printf '    %-58s %12s %s\n' "$1" "$(group "$2")" "$3"; }

missed=0
# verdict RATIO ">="|"<=" TARGET TEXT
verdict() {
	local met
	met=$(awk -v r="$1" -v op="$2" -v t="$3" 'BEGIN { print (op == ">=" ? r >= t : op == "<" ? r < t : r <= t) ? "met" : "missed" }')
	[[ $met == met ]] || missed=$((missed + 1))
	printf '    %-58s %12s     design %s %s: %s\n' "$4" "$1" "$2" "$3" "$met"
}

query() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

# Seconds that a statement takes, its commit included; the best of $2 (1).
seconds() {
	local best='' i t
	for ((i = 0; i < ${2:-1}; i++)); do
		t=$(psql -XAtq -v ON_ERROR_STOP=1 -c "SET jit = off" -c "SET max_parallel_workers_per_gather = 0" \
			-c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1)
		best=$(awk -v a="${best:-$t}" -v b="$t" 'BEGIN { print (a < b ? a : b) }')
	done
	awk -v ms="$best" 'BEGIN { print ms / 1000 }'
}

# The same rows and bytes into a table of the same shape and indexes, without
# triggers: what PostgreSQL alone takes.  plain_insert TABLE CONDITION
plain_insert() {
	query "SET client_min_messages = warning; DROP TABLE IF EXISTS plain;
		CREATE TABLE plain (LIKE smsr.$1 INCLUDING ALL); CHECKPOINT"
	seconds "INSERT INTO plain SELECT * FROM smsr.$1 ${2:+WHERE $2}"
}

# ---- packets ----

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
	sql=$(awk -v n="$n" -v s="$time" 'BEGIN { print n / s }')
	figure "libcrypto alone, in C" "$bare" "packets/s"
	figure "smsr.scp80_command() over a table of keys" "$sql" "packets/s"
	verdict "$(divide "$sql" "$bare")" ">=" 0.5 "SQL to C"
	query "DROP TABLE packet_keys"

	registered
	n=$(query "SELECT count(*) FROM smsr.keyset WHERE type = 'SCP80'")
	best_of sealed 200000
	time=$(seconds "SELECT sum(length(smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1621', '\x000001', r,
		'\x$(printf '5a%.0s' {1..64})'))) FROM smsr.keyset, generate_series(1, 5) AS r WHERE type = 'SCP80'" 3)
	sql=$(awk -v n="$n" -v s="$time" 'BEGIN { print 5 * n / s }')
	figure "libcrypto alone, unsealing the keys first (GCM)" "$bare" "packets/s"
	figure "smsr.seal_command() over smsr.keyset" "$sql" "packets/s"
	verdict "$(divide "$sql" "$bare")" ">=" 0.5 "SQL to C"
}

# ---- register ----

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
		plain=$(awk -v a="$plain" -v b="$t" 'BEGIN { print a + b }')
	done
	figure "smsr.register_inbox(): XML in, verified, keys sealed" \
		"$(awk -v n="$fleet_size" -v s="$register_time" 'BEGIN { print n / s }')" "eUICCs/s"
	figure "INSERT ... SELECT of the same rows, nothing else" \
		"$(awk -v n="$fleet_size" -v s="$plain" 'BEGIN { print n / s }')" "eUICCs/s"
	printf '    %-58s %12s\n' "times as long" "$(divide "$register_time" "$plain")"
}

# ---- rotation ----

bench_rotation() {
	registered
	local n plain t i
	n=$(query "SELECT count(*) FROM smsr.keyset")
	heading "Key sets unsealed, and sealed again with the check that they open, one core"
	gcc -O2 -std=c11 -D_GNU_SOURCE -Wall -o "$work/bare_scp80" bench/bare_scp80.c -lcrypto
	best_of unseal 500000
	t=$(seconds "SELECT count(*) FILTER (WHERE smsr.sealed_keyset_opens(eid, sd_aid, kvn, key_type, sealed)) FROM smsr.keyset, generate_series(1, 5)" 3)
	figure "libcrypto alone, unsealing (GCM)" "$bare" "key sets/s"
	figure "smsr.sealed_keyset_opens()" "$(awk -v n="$n" -v s="$t" 'BEGIN { print 5 * n / s }')" "key sets/s"
	printf '    %-58s %12s\n' "SQL to C" "$(awk -v n="$n" -v s="$t" -v b="$bare" 'BEGIN { printf "%.2f", 5 * n / s / b }')"
	best_of reseal 200000
	t=$(seconds "SELECT count(smsr.reseal_keyset(eid, sd_aid, kvn, key_type, sealed)) FROM smsr.keyset, generate_series(1, 5)" 3)
	figure "libcrypto alone, unsealing, sealing, unsealing" "$bare" "key sets/s"
	figure "smsr.reseal_keyset()" "$(awk -v n="$n" -v s="$t" 'BEGIN { print 5 * n / s }')" "key sets/s"
	printf '    %-58s %12s\n' "SQL to C" "$(awk -v n="$n" -v s="$t" -v b="$bare" 'BEGIN { printf "%.2f", 5 * n / s / b }')"

	heading "A new storage key for $(group "$n") key sets, and a new KEK, fsync on"
	query "SET client_min_messages = warning; DROP TABLE IF EXISTS plain; CREATE TABLE plain (LIKE smsr.keyset INCLUDING ALL);
		INSERT INTO plain SELECT * FROM smsr.keyset; CHECKPOINT"
	plain=$(seconds "UPDATE plain SET sealed = set_byte(sealed, 4, 2)")
	query "SELECT smsr.create_storage_key(); CHECKPOINT" >/dev/null
	t=$({
		printf '%s\n' '\timing on'
		for ((i = 0; i <= n; i += 1000)); do echo "SELECT smsr.reseal_keys(1000);"; done
	} | psql -XAtq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | awk '{ s += $1 } END { print s / 1000 }')
	if (($(query "SELECT smsr.reseal_keys(1000)") != 0)); then
		echo "Not all key sets are sealed again" >&2
		return 1
	fi
	figure "smsr.reseal_keys(), 1000 a call" "$(awk -v n="$n" -v s="$t" 'BEGIN { print n / s }')" "key sets/s"
	figure "UPDATE of the same rows in one statement, nothing else" "$(awk -v n="$n" -v s="$plain" 'BEGIN { print n / s }')" "key sets/s"
	printf '    %-58s %12s\n' "times as long" "$(divide "$t" "$plain")"
	plain=$(seconds "SELECT smsr.rewrap_storage_keys()")
	printf '    %-58s %12s ms\n' "smsr.rewrap_storage_keys(), whatever the fleet's size" "$(awk -v s="$plain" 'BEGIN { printf "%.1f", s * 1000 }')"
	query "VACUUM ANALYZE smsr.keyset"
}

# ---- campaign ----

clear_operations() {
	query "TRUNCATE smsr.operation, smsr.outbound, smsr.message, smsr.notice, smsr.campaign, smsr.campaign_member, smsr.campaign_wave,
		smsr.campaign_stretch, smsr.campaign_running, smsr.campaign_pace; DELETE FROM smsr.lane WHERE campaign_id IS NOT NULL"
}

bench_campaign() {
	registered
	local n asked plain claimed
	heading "A campaign in one statement: enable a profile on every eUICC, fsync on"
	clear_operations
	query "CHECKPOINT"
	asked=$(seconds "SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
		FROM smsr.profile WHERE state = 'Disabled') AS chosen, smsr.request('enable_profile', eids, iccids)")
	n=$(query "SELECT count(*) FROM smsr.outbound")
	plain=$(awk -v a="$(plain_insert operation)" -v b="$(plain_insert outbound)" 'BEGIN { print a + b }')
	figure "smsr.request('enable_profile', ...)" "$(awk -v n="$n" -v s="$asked" 'BEGIN { print n / s }')" "operations/s"
	figure "INSERT ... SELECT of the same rows" "$(awk -v n="$n" -v s="$plain" 'BEGIN { print n / s }')" "operations/s"
	verdict "$(divide "$asked" "$plain")" "<=" 3 "times as long"
	query "VACUUM ANALYZE smsr.operation, smsr.outbound, smsr.keyset"
	query "CHECKPOINT"
	claimed=$(seconds "SELECT count(*) FROM smsr.claim_sms('north', 100000)")
	# it writes a message and a counter for each
	plain=$(awk -v a="$(plain_insert outbound)" -v b="$(plain_insert keyset "type = 'SCP80'")" 'BEGIN { print a + b }')
	figure "smsr.claim_sms(): keys unsealed, packets sealed and kept" "$(awk -v n="$n" -v s="$claimed" 'BEGIN { print n / s }')" "messages/s"
	figure "INSERT ... SELECT of the rows and octets that it writes" "$(awk -v n="$n" -v s="$plain" 'BEGIN { print n / s }')" "messages/s"
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
	} | psql -XAtq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | awk '{ s += $1 } END { print s / 1000 }')
	if (($(query "SELECT count(*) FROM smsr.outbound") != n)); then
		echo "Not all members are queued" >&2
		return 1
	fi
	plain_queue=$(awk -v a="$(plain_insert operation)" -v b="$(plain_insert outbound)" -v c="$(plain_insert campaign_running)" 'BEGIN { print a + b + c }')
	figure "smsr.create_campaign(): read, checked, frozen" "$(awk -v n="$n" -v s="$planned" 'BEGIN { print n / s }')" "members/s"
	figure "INSERT ... SELECT of the same members" "$(awk -v n="$n" -v s="$plain_plan" 'BEGIN { print n / s }')" "members/s"
	verdict "$(divide "$planned" "$plain_plan")" "<=" 2 "times as long"
	figure "released, 2000 a transaction: judged, operations and packets" "$(awk -v n="$n" -v s="$released" 'BEGIN { print n / s }')" "members/s"
	figure "INSERT ... SELECT of the same rows" "$(awk -v n="$n" -v s="$plain_queue" 'BEGIN { print n / s }')" "members/s"
	verdict "$(divide "$(awk -v a="$planned" -v b="$released" 'BEGIN { print a + b }')" "$(awk -v a="$plain_plan" -v b="$plain_queue" 'BEGIN { print a + b }')")" \
		"<=" 2 "times as long, planning and queueing"
}

# ---- claim ----

# Median milliseconds of claims of 100 messages, each its own transaction.
claim_latency() {
	local i
	{
		printf '%s\n' '\timing on'
		for ((i = 0; i < 40; i++)); do
			echo "SELECT count(*) FROM smsr.claim_sms('north', 100, '1 h');"
		done
	} | psql -XAtq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 30 | sort -n | sed -n 15p
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
	local queued lanes wanted first last
	heading "A claim of 100 messages while more and more are queued, fsync on"
	clear_operations
	query "SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS chosen, smsr.request('audit_eis', eids)" >/dev/null
	query "CREATE TABLE template AS SELECT row_number() OVER (ORDER BY eid) - 1 AS n, * FROM smsr.outbound; CREATE INDEX ON template (n)"
	for lanes in 1 300; do
		clear_operations
		queued=0
		first=''
		last=''
		for wanted in 5000 "$(times 100000)" "$(times 1000000)" "$(times 4000000)"; do
			((wanted > queued)) || continue
			queue_up "$lanes" "$queued" "$wanted"
			queued=$wanted
			last=$(claim_latency)
			first=${first:-$last}
			printf '    %-58s %12s ms\n' "median with $(group "$queued") queued in $lanes lane$( ((lanes == 1)) || echo s)" "$last"
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

# ---- receive ----

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
	} | psql -XAtq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | awk '{ s += $1 } END { print s / 1000 }'
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
	local rounds messages=0 time=0 plain=0 i phase since table condition
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
			time=$(awk -v a="$time" -v b="$(receive_batches)" 'BEGIN { print a + b }')
		done
		if [[ $(query "SELECT count(*) FROM smsr.operation WHERE status = 'EXECUTED_SUCCESS'") != "$fleet_size" ]]; then
			echo "Not all enables ended well:" >&2
			query "SELECT stage, status, message, count(*) FROM smsr.operation GROUP BY 1, 2, 3" >&2
			return 1
		fi
		messages=$((messages + $(query "SELECT count(*) FROM smsr.message WHERE direction = 'in'")))
		# the versions of rows that it writes: of an operation and an eUICC one each message
		for table in operation operation operation euicc euicc euicc profile message_default \
			"profile_history_default until > '$since'" notice "audit_trail_default recorded_at > '$since'" audit_head audit_head; do
			read -r table condition <<<"$table"
			plain=$(awk -v a="$plain" -v b="$(plain_insert "$table" "$condition")" 'BEGIN { print a + b }')
		done
		# a confirmation queued: as many rows as there were
		query "SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS chosen, smsr.request('audit_eis', eids)" >/dev/null
		plain=$(awk -v a="$plain" -v b="$(plain_insert outbound)" 'BEGIN { print a + b }')
	done
	query "DROP TABLE receive_key, receive_batch"
	clear_operations
	figure "smsr.receive_sms(): $(group "$messages") messages" "$(awk -v n="$messages" -v s="$time" 'BEGIN { print n / s }')" "messages/s"
	figure "INSERT ... SELECT of the rows that it writes" "$(awk -v n="$messages" -v s="$plain" 'BEGIN { print n / s }')" "messages/s"
	verdict "$(divide "$time" "$plain")" "<=" 3 "times as long"
}

# ---- enables ----

# $1 cards and a gateway; they go on as they are from one run_enables to the next.
start_enables() {
	clear_operations
	query "UPDATE smsr.keyset SET counter = 0" # the fleet is new
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

# ---- guard: what row level security and the audit chain cost ----

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
	figure "profiles of one eUICC, as an operator under its policy" "$(awk -v s="$with" 'BEGIN { print 2000 / s }')" "queries/s"
	figure "the same WHERE on a table without policies" "$(awk -v s="$without" 'BEGIN { print 2000 / s }')" "queries/s"
	printf '    %-58s %12s\n' "times as long" "$(divide "$with" "$without")"
	with=$(lookups bench_operator "SELECT count(*), sum(allocated_memory) FROM smsr.profile WHERE state = ''Disabled'' AND ''%s'' <> ''''" 20)
	without=$(lookups bench_plain "SELECT count(*), sum(allocated_memory) FROM plain_profile WHERE state = ''Disabled'' AND mno_id = ''$mno'' AND ''%s'' <> ''''" 20)
	printf '    %-58s %12s\n' "a query over the operator's whole fleet, times as long" "$(divide "$with" "$without")"
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
	printf '    %-58s %12s\n' "times as long with the chain" "$(divide "$without" "$with")"
}

# ---- memory ----

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

# ---- import ----

# Last: what is imported here are keys that no simulated card has.
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
	figure "smsr.import_keys(): derived, sealed, recorded" "$(awk -v n="$fleet_size" -v s="$t" 'BEGIN { print n / s }')" "key sets/s"
	figure "INSERT ... SELECT of the same rows, nothing else" "$(awk -v n="$fleet_size" -v s="$plain" 'BEGIN { print n / s }')" "key sets/s"
	printf '    %-58s %12s\n' "times as long" "$(divide "$t" "$plain")"
	query "VACUUM ANALYZE smsr.keyset"
	t=$(seconds "SELECT count(*) FROM smsr.check_key_values()" 3)
	figure "smsr.check_key_values(): opened, compared" "$(awk -v n="$(query 'SELECT count(*) FROM smsr.keyset')" -v s="$t" 'BEGIN { print n / s }')" "key sets/s"
	t=$(seconds "SELECT count(*) FROM smsr.key_evidence()" 3)
	figure "smsr.key_evidence()" "$(awk -v n="$(query 'SELECT count(*) FROM smsr.keyset')" -v s="$t" 'BEGIN { print n / s }')" "key sets/s"
}

# ---- router ----

# Four shards and a router, a server each, beside the one database: on one machine
# they share its cores, so this is what a router costs, not what shards gain.
start_shards() {
	local i port settings
	for i in 0 1 2 3 router; do
		port=$((5441 + ${i/router/4}))
		as_owner "$pgbin/initdb" --pgdata="$work/shard$i" --auth=trust --username=postgres --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
		settings="listen_addresses = ''
			unix_socket_directories = '$work/socket'
			port = $port
			shared_buffers = '64MB'
			max_wal_size = '2GB'
			jit = off"
		[[ $i == router ]] || settings+="
			smsr.shard = $i
			smsr.kek_file = '$work/kek'"
		as_owner tee -a "$work/shard$i/postgresql.conf" <<<"$settings" >/dev/null
		at_exit "as_owner '$pgbin/pg_ctl' --pgdata='$work/shard$i' --mode=fast --wait --silent stop"
		as_owner "$pgbin/pg_ctl" --pgdata="$work/shard$i" --wait --silent --log="$logs/shard$i.log" start
		[[ $i == router ]] || psql -Xq -p "$port" -d postgres -v ON_ERROR_STOP=1 -v ci="$("$fleet" ci)" >/dev/null <<-SQL
			CREATE EXTENSION smsr;
			SELECT smsr.install_roles();
			COPY smsr.storage_key FROM '$work/storage_key.copy';
			COPY smsr.transport_key FROM '$work/transport_key.copy';
			SELECT smsr.trust_ci(convert_to(:'ci', 'UTF8'), 'simulated fleet');
			INSERT INTO smsr.party (oid, kind, name) VALUES ('$stack_eum', 'EUM', 'Example Cards');
		SQL
	done
}

# calls PORT DATABASE: a call for one eUICC after another, how many a second
calls() {
	local -x PGPORT=$1 PGDATABASE=$2
	psql -XAtq -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS card' \
		-c "CREATE TABLE card AS SELECT (row_number() OVER ())::int AS n, eid, iccid FROM smsr.profile WHERE state = 'Disabled'" \
		-c 'ALTER TABLE card ADD PRIMARY KEY (n)' -c 'VACUUM ANALYZE card'
	cat >"$work/calls.sql" <<-SQL
		\set n random(1, $fleet_size)
		SELECT smsr.update_policy_rules(eid, iccid, '{}') FROM card WHERE n = :n
	SQL
	pgbench -n -M prepared -c 8 -j 2 -T "$(times 10)" -f "$work/calls.sql" | sed -n 's/^tps = \([0-9.]*\) .*/\1/p'
}

bench_router() {
	registered
	local n=$fleet_size one many t
	local -a router=(-p 5445 -d postgres)
	heading "A router and four shards against one database, all on this machine, $(group "$n") eUICCs, fsync on"
	rm -f "$work/storage_key.copy" "$work/transport_key.copy"
	query "COPY smsr.storage_key TO '$work/storage_key.copy'"
	query "COPY smsr.transport_key TO '$work/transport_key.copy'"
	start_shards
	psql -XAtq -c "SELECT smsr.router_sql(ARRAY(SELECT format('host=$work/socket port=%s dbname=postgres', 5441 + i) FROM generate_series(0, 3) i))" |
		psql -Xq "${router[@]}" -v ON_ERROR_STOP=1
	psql -Xq "${router[@]}" -c 'CREATE USER MAPPING FOR postgres SERVER smsr' -c 'CREATE TABLE document (document text)'
	stack_eis "$n"
	psql -Xq "${router[@]}" -c "\copy document from '$work/eis.copy'"
	rm "$work/eis.copy"
	t=$(PGPORT=5445 PGDATABASE=postgres seconds "SELECT count(*) FROM (SELECT smsr.register_eis(array_agg(xmlparse(document document))) FROM document) d")
	figure "smsr.register_eis() of all at once, by the router" "$(awk -v n="$n" -v s="$t" 'BEGIN { print n / s }')" "eUICCs/s"
	if (($(psql -XAtq "${router[@]}" -c 'SELECT count(*) FROM smsr.euicc') != n)); then
		echo "Not all of the fleet is registered" >&2
		return 1
	fi
	for t in 5441 5442 5443 5444; do psql -Xq -p "$t" -d postgres -c 'VACUUM ANALYZE'; done

	one=$(calls "$PGPORT" "$PGDATABASE")
	many=$(calls 5445 postgres)
	figure "one call after another, 8 at a time: one database" "$one" "calls/s"
	figure "by the router" "$many" "calls/s"
	printf '    %-58s %12s\n' "router to one database" "$(divide "$many" "$one")"
	t="SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM card) c, smsr.request('audit_eis', eids)"
	one=$(seconds "$t")
	many=$(PGPORT=5445 PGDATABASE=postgres seconds "$t")
	figure "one bulk call for all: one database" "$(awk -v n="$n" -v s="$one" 'BEGIN { print n / s }')" "eUICCs/s"
	figure "by the router, split" "$(awk -v n="$n" -v s="$many" 'BEGIN { print n / s }')" "eUICCs/s"
	printf '    %-58s %12s\n' "router to one database" "$(divide "$one" "$many")"
	one=$(seconds "SELECT count(*) FROM smsr.operation WHERE status IS NULL" 3)
	many=$(PGPORT=5445 PGDATABASE=postgres seconds "SELECT sum((q ->> 'n')::int) FROM smsr.fleet_query('SELECT count(*) AS n FROM smsr.operation WHERE status IS NULL') q" 3)
	figure "counting what is open: one database" "$(awk -v s="$one" 'BEGIN { print s * 1e6 }')" "us"
	figure "smsr.fleet_query() of all shards" "$(awk -v s="$many" 'BEGIN { print s * 1e6 }')" "us"
	clear_operations
}

# ---- a large inventory: last, it stays ----

inventory_key=

# As many eUICCs in all, synthetic ones beside the fleet.
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
	# what their EUM signed is read by none of these, and is most of the octets
	query "SELECT bench_inventory(1000000 + $have, $1 - $have, '$inventory_key', $1 <= 1000000)" >/dev/null
	query "VACUUM ANALYZE"
}

bench_plan() {
	local n asked plain
	n=$(times 1000000)
	inventory_of "$n"
	heading "Planning and queueing $(group "$n") enables in one request, fsync on"
	clear_operations
	query "CHECKPOINT"
	asked=$(seconds "SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
		FROM (SELECT eid, iccid FROM smsr.profile WHERE state = 'Disabled' LIMIT $n) AS p) AS chosen,
		smsr.request('enable_profile', eids, iccids)")
	n=$(query "SELECT count(*) FROM smsr.outbound")
	plain=$(awk -v a="$(plain_insert operation)" -v b="$(plain_insert outbound)" 'BEGIN { print a + b }')
	figure "smsr.request('enable_profile', ...)" "$(awk -v n="$n" -v s="$asked" 'BEGIN { print n / s }')" "operations/s"
	figure "INSERT ... SELECT of the same rows" "$(awk -v n="$n" -v s="$plain" 'BEGIN { print n / s }')" "operations/s"
	verdict "$(divide "$asked" "$plain")" "<=" 2 "times as long"
	query "DROP TABLE plain"
	clear_operations
}

# Median milliseconds of the statements on standard input, each its own transaction
# and all of one session; the first third is left out.
median_of() {
	{
		printf '%s\n' "$1" '\timing on'
		cat
	} | psql -XAtq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' |
		awk '{ t[NR] = $1 } END { for (i = int(NR / 3) + 1; i <= NR; i++) print t[i] }' | sort -n |
		awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] }'
}

# What a call costs must not depend on how many eUICCs there are.  The same number
# of eUICCs is called upon each time, spread over all of them and read once before.
bench_calls() {
	local size sizes names i last
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
		query "SELECT count(c), count(k), count(h), count(d) FROM called JOIN smsr.euicc c USING (eid) JOIN smsr.keyset k USING (eid)
			JOIN smsr.audit_head h USING (eid) JOIN smsr.profile d USING (eid)" >/dev/null
		query "CHECKPOINT"
		now[0]=$(query "SELECT format('SELECT smsr.enable_profile(%L, %L);', eid, iccid) FROM called WHERE n <= 600 ORDER BY md5(n::text)" |
			median_of "SET jit = off;")
		query "SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids FROM called WHERE n > 600) c,
			smsr.request('enable_profile', eids, iccids)" >/dev/null
		now[1]=$(for ((i = 0; i < 18; i++)); do echo "SELECT count(*) FROM smsr.claim_sms('north', 100, '1 h');"; done | median_of "SET jit = off;")
		now[2]=$(query "SELECT format('SELECT smsr.receive_sms(%L, %L::bytea);', o.destination, bench_answer(o.eid, o.cntr))
				FROM smsr.outbound o WHERE o.cntr IS NOT NULL ORDER BY md5(o.id::text) LIMIT 900" |
			median_of "SET jit = off;")
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

# ---- run ----

echo "$(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(date +%Y-%m-%d), scale $SCALE"
stack_database "shared_buffers = '256MB'" "max_wal_size = '4GB'" "work_mem = '64MB'" "jit = off"
echo "PostgreSQL $(query 'SHOW server_version'), fsync $(query 'SHOW fsync')"
for bench in "${all[@]}"; do
	[[ " ${only[*]} " != *" $bench "* ]] || "bench_$bench"
done
echo
if ((missed)); then
	echo "$missed of the design's targets missed, $SECONDS s in all"
else
	echo "All of the design's targets met, $SECONDS s in all"
fi
