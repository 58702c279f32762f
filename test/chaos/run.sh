#!/bin/bash
# Chaos: calls of every kind while messages are lost, doubled, late, overtaken
# and altered, cards are off, networks go, and gateways and the server are
# killed; and while limits of binds change, a brake halts a campaign, and old
# months are dropped.  Then peace, and what must hold whatever happened.  Prints TAP.
#
#   test/chaos/run.sh                       about 40 seconds
#   SEED=7 CARDS=100 SECONDS_=30 test/chaos/run.sh      30 seconds of trouble
#   SEED=7 MINUTES=10 test/chaos/run.sh     seeds 7, 8 ... for ten minutes, then a summary
#
# Everything is drawn from SEED: who is called for what and when, which faults
# are on and who dies.  What meets in the end also follows the machine's clock.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

SEED=${SEED:-1}
CARDS=${CARDS:-40}
SECONDS_=${SECONDS_:-20}
LOADS=${LOADS:-2}

# One seed after the other, each with a server of its own.
if [[ -n ${MINUTES:-} ]]; then
	seed=$SEED
	report=$(mktemp)
	trap 'rm -f "$report"' EXIT
	while ((SECONDS < MINUTES * 60)); do
		MINUTES='' SEED=$seed SECONDS_=${SECONDS_:-20} test/chaos/run.sh | tee -a "$report" || true
		[[ ! -d log/chaos ]] || { rm -rf "log/chaos-$seed"; mv log/chaos "log/chaos-$seed"; }
		seed=$((seed + 1))
	done
	echo "# seeds $SEED to $((seed - 1)), $CARDS cards and $SECONDS_ s of trouble each," \
		"$(grep -c '^ok ' "$report" || true) checks held, $(grep -c '^not ok ' "$report" || true) did not"
	sed -n 's/^not ok [0-9]* - /# did not hold: /p' "$report" | sort | uniq -c
	if grep -q '^not ok ' "$report" || (($(grep -c '^1\.\.' "$report") != seed - SEED)); then
		exit 1
	fi
	exit 0
fi

smsr_name='chaos'
# shellcheck source=scripts/stack.sh
. scripts/stack.sh

# ---- TAP ----

# shellcheck source=test/e2e/tap.sh
. test/e2e/tap.sh

# none QUERY DESCRIPTION: no row
none() {
	local rows
	rows=$(sql "$1")
	if [[ -z $rows ]]; then
		ok 1 "$2"
	else
		ok 0 "$2"
		head -n 20 <<<"$rows" | sed 's/^/# /'
	fi
}

# ---- the parts, and their deaths ----

declare -a gateways=('' '')
declare -A done_to=()
count() { done_to[$1]=$((${done_to[$1]:-0} + 1)); }

# gateway N NAME: gateway N, whose binds are called NAMEnorth and NAMEsouth
gateway_start() {
	local n=$1 name=$2 bind port
	{
		cat <<-CONF
			[gateway]
			database = host=$PGHOST port=$PGPORT dbname=$PGDATABASE user=demo_gateway
			poll_interval = 200ms
			tick_interval = 300ms
			lease = 2s
			database_reconnect_min = 50ms
			database_reconnect_max = 300ms
			statistics_interval = 0
		CONF
		for bind in north south; do
			port=${bind}_port
			cat <<-CONF
				[bind $name$bind]
				host = 127.0.0.1
				port = ${!port}
				system_id = $bind
				password = secret
				source = 491700000000
				window = 50
				response_timeout = 3s
				reconnect_min = 50ms
				reconnect_max = 500ms
				throttle_min = 50ms
				throttle_max = 500ms
			CONF
		done
		# the cards know one address
		((n)) || cat <<-CONF
			[https cards]
			address = 127.0.0.1
			port = $https_port
			handshake_timeout = 2s
			request_timeout = 3s
			idle_timeout = 5s
		CONF
	} >"$work/gateway$n.conf"
	chmod 600 "$work/gateway$n.conf"
	"$gateway" --config "$work/gateway$n.conf" >>"$logs/gateway$n.log" 2>&1 &
	gateways[n]=$!
	# the pid is disowned lest bash tell of each death
	disown "${gateways[n]}"
}

# gateway_end N SIGNAL
gateway_end() {
	local pid=${gateways[$1]} i
	[[ -n $pid ]] || return 0
	gateways[$1]=''
	kill "-$2" "$pid" 2>/dev/null || return 0
	for ((i = 0; i < 200; i++)); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.05
	done
	kill -KILL "$pid" 2>/dev/null || true
}

# kill -9 of the postmaster; its children notice, and a new one takes over
server_crash() {
	local pid i
	pid=$(head -n 1 "$data/postmaster.pid")
	kill -KILL "$pid"
	for ((i = 0; i < 200; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.02
	done
	for ((i = 0; i < 50; i++)); do
		sleep 0.2
		if as_owner "$pgbin/pg_ctl" --pgdata="$data" --wait --silent --log="$logs/postgres.log" start >>"$logs/restart.log" 2>&1; then
			return 0
		fi
	done
	tail -n 20 "$logs/postgres.log" >&2
	return 1
}

# kill -9 of one backend that is at work, which takes all of them down
backend_crash() {
	local pid
	pid=$(sql "SELECT pid FROM pg_stat_activity WHERE usename = 'demo_gateway' ORDER BY (state = 'active') DESC, random() LIMIT 1") || return 0
	[[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null || true
}

up() {
	local i
	for ((i = 0; i < 100; i++)); do
		if sql 'SELECT 1' >/dev/null 2>&1; then return 0; fi
		sleep 0.1
	done
	return 1
}

# ---- the calls ----

# Calls FIRST, FIRST + STRIDE ... until the file $work/peace is there.  A batch
# whose connection breaks is called again: the call_ids make that safe.  What
# was answered is written down here, outside of the server.
load() {
	local n=$1 stride=$2 batch=10
	trap - EXIT
	while [[ ! -e $work/peace ]]; do
		if psql -XAtq -v ON_ERROR_STOP=1 -F ' ' >"$work/answers.$1" 2>>"$logs/load.log" <<-SQL; then
			SELECT format('SELECT %s, * FROM chaos.call($SEED, %s)', i, i)
				FROM generate_series($n, $n + $stride * ($batch - 1), $stride) i \gexec
		SQL
			n=$((n + stride * batch))
			sleep 0.5
		else
			sleep 0.2
		fi
		# without the last line if it may be torn
		grep -E '^[0-9]+ [0-9]+ [0-9]{32}$' "$work/answers.$1" >>"$logs/answered" || true
	done
}

# ---- the trouble ----

# Not all at once: what one fault hides another shows.
weathers=(
	'loss=0.1'
	'loss=0.35'
	'duplicate=0.4'
	'duplicate=0.2 reorder=0.4'
	'delay=0-800'
	'delay=0-4000'
	'delay=1500-9000'
	'bit_error=0.1'
	'refuse=0.3'
	'refuse=0.2 refuse_with=invalid_address'
	'no_por=0.3'
	'loss=0.1 duplicate=0.1 reorder=0.2 delay=0-1000 bit_error=0.02 refuse=0.05 no_por=0.05'
	'off=0.3 off_time=1.5'
	'off=0.2 off_time=1 off_policy=drop'
	'mo_loss=0.6'
	'mt_loss=0.5'
	'rate=20'
	'fallback_per_hour=200'
	'https_break=0.4'
	'https_break=0.2 https_forget=0.2'
	'https_stall=0.2 https_stall_time=2 https_wrong_key=0.1'
	'https_break=0.2 loss=0.2 duplicate=0.1 delay=0-1000'
)
fair='loss=0 duplicate=0 reorder=0 delay=0-0 bit_error=0 refuse=0 refuse_with=mix no_por=0 off=0 off_policy=queue fallback_per_hour=0 disconnect_every=0 rate=0 https_break=0 https_stall=0 https_wrong_key=0 https_forget=0'

tell_fleet() { fleet_ctl "$@" >/dev/null 2>&1 || true; }

# limit BIND: another one, or none
limit() {
	local per_second=(NULL 5 6 10 20) ahead=("0" "0" "700 ms")
	count 'limit of a bind'
	sql "SELECT smsr.set_gateway_limit('$1', ${per_second[RANDOM % 5]}, '${ahead[RANDOM % 3]}')" >/dev/null 2>&1 || true
}

# What lies before this month, whoever is at it; the audit trail's needs a checkpoint.
drop_old() {
	count 'old months dropped'
	sql "SELECT smsr.take_checkpoint()" >/dev/null 2>&1 || true
	sql "SELECT smsr.drop_audit_trail(date_trunc('month', now()))" >/dev/null 2>&1 || true
	sql "SELECT smsr.drop_history('message', date_trunc('month', now()))" >/dev/null 2>&1 || true
	sql "SELECT smsr.drop_history('operation_history', date_trunc('month', now()))" >/dev/null 2>&1 || true
	sql "SELECT smsr.prune_notices()" >/dev/null 2>&1 || true
}

resume_halted() {
	count 'halted campaign resumed'
	sql "SELECT smsr.resume_campaign(id) FROM smsr.campaign WHERE state = 'halted'" >/dev/null 2>&1 || true
}

trouble() {
	local card=$((1 + RANDOM % CARDS)) n=$((RANDOM % 2)) what=$((RANDOM % 29)) weather=$((RANDOM % ${#weathers[@]}))
	# shellcheck disable=SC2086
	if ((RANDOM % 3 == 0)); then
		tell_fleet faults $fair ${weathers[weather]}
		count "weather"
	fi
	case $what in
		0 | 1 | 2)
			count 'gateway killed'
			gateway_end "$n" KILL
			gateway_start "$n" "$([[ $n == 0 ]] || ((RANDOM % 2)) || echo second-)"
			;;
		3)
			count 'gateway stopped'
			gateway_end "$n" TERM
			gateway_start "$n" ''
			;;
		4)
			count 'one gateway less'
			gateway_end 1 KILL
			;;
		5 | 6)
			count 'server killed'
			server_crash
			;;
		7)
			count 'backend killed'
			backend_crash
			;;
		8)
			count 'SMSC disconnects'
			tell_fleet disconnect
			;;
		9)
			count 'SMSC outage'
			tell_fleet outage 1
			;;
		10 | 11)
			count 'fall-back'
			tell_fleet fallback "$card"
			;;
		12 | 13)
			count 'card off'
			tell_fleet off "$card"
			;;
		14 | 15)
			count 'card on'
			tell_fleet on "$card"
			;;
		16)
			count 'POL1'
			tell_fleet pol1 "$card" "0000$((10 + n))" $((RANDOM % 8))
			;;
		17)
			count 'no network for a profile'
			tell_fleet reach "$card" 000011 "$( ((n)) && echo on || echo off)"
			;;
		18)
			count 'card registers anew'
			tell_fleet attach "$card"
			;;
		20)
			count 'KEK gone for a while'
			as_owner mv "$work/kek" "$work/kek.away"
			server_crash
			sleep 1.5
			as_owner mv "$work/kek.away" "$work/kek"
			;;
		21)
			count 'campaigns paused'
			sql "SELECT smsr.pause_campaign(id) FROM smsr.campaign WHERE state = 'running'" >/dev/null 2>&1 || true
			;;
		22)
			count 'campaigns resumed'
			sql "SELECT smsr.resume_campaign(id) FROM smsr.campaign WHERE state = 'paused'" >/dev/null 2>&1 || true
			;;
		23 | 24 | 25)
			limit "$([[ $n == 0 ]] || echo second-)$( ((RANDOM % 2)) && echo north || echo south)"
			;;
		26)
			count 'checkpoint'
			sql "SELECT smsr.take_checkpoint()" >/dev/null 2>&1 || true
			;;
		27)
			drop_old
			;;
		28)
			resume_halted
			;;
		19)
			count 'gateway held for longer than its lease'
			if [[ -n ${gateways[n]} ]]; then
				kill -STOP "${gateways[n]}" 2>/dev/null || true
				sleep 2.5
				kill -CONT "${gateways[n]}" 2>/dev/null || true
			fi
			;;
	esac
}

# ---- afterwards ----

# Until no call is open and nothing is on its way; false if that takes too long.
settled() {
	local i quiet=0 end=$((SECONDS + $1))
	while ((SECONDS < end)); do
		if [[ $(sql "SELECT count(*) FROM smsr.operation WHERE status IS NULL") == 0 &&
			$(fleet_ctl stats | grep -c -E '^(changing|in_transit|queued|cards_with_waiting)=0$') == 4 ]]; then
			((++quiet < 3)) || return 0
		else
			quiet=0
		fi
		sleep 0.2
	done
	sql "SELECT o.id, o.eid, function, stage, step, doubt, expires_at - now(), b.due_at - now(), b.attempts, b.destination
		FROM smsr.operation o LEFT JOIN smsr.outbound b ON b.operation_id = o.id WHERE status IS NULL LIMIT 10" | sed 's/^/# open: /'
	fleet_ctl stats | grep -E '^(changing|in_transit|queued|cards_with_waiting)=' | sed 's/^/# /'
	return 1
}

# Until no campaign is under way; those that were paused go on, and those that
# halted, after as long as shows that they had.
campaigns_end() {
	local end=$((SECONDS + $1))
	while ((SECONDS < end)); do
		sql "SELECT smsr.resume_campaign(c.id) FROM smsr.campaign c WHERE c.state = 'paused' OR c.state = 'halted'
			AND (SELECT max(a.recorded_at) FROM smsr.audit_trail a WHERE a.operation_id = c.id AND a.function = 'halt_campaign') < now() - interval '1 s'" >/dev/null
		[[ $(sql "SELECT count(*) FROM smsr.campaign WHERE state NOT IN ('finished', 'cancelled')") != 0 ]] || return 0
		sleep 0.5
	done
	sql "SELECT * FROM smsr.campaign_progress" | sed 's/^/# /'
	return 1
}

settles() { if settled "$1"; then ok 1 "$2"; else ok 0 "$2"; fi; }

# What the cards executed into chaos.executed, what they know of themselves into
# chaos.heard.
testimony() {
	local eid
	stack_cards >/dev/null
	: >"$work/executed.tsv"
	: >"$work/sequence.tsv"
	for eid in $(sql 'SELECT eid FROM chaos.card'); do
		fleet_ctl commands "$eid" | awk -v eid="$eid" -F '\t' -v OFS='\t' 'NF >= 5 { print eid, NR, $1, $2, $3, $4, $5, (NF > 5 ? $6 : 0) }' >>"$work/executed.tsv"
		fleet_ctl card "$eid" | awk -v eid="$eid" -F '=' -v OFS='\t' '$1 == "sequence" { print eid, $2 }' >>"$work/sequence.tsv"
	done
	psql -Xq -v ON_ERROR_STOP=1 <<-SQL
		SET client_min_messages = warning;
		DROP VIEW IF EXISTS chaos.done;
		DROP TABLE IF EXISTS chaos.executed, chaos.sequence;
		CREATE TABLE chaos.executed (eid smsr.eid, n int, cntr bigint, kind text, tar text, sw text, kvn int, script bigint);
		CREATE TABLE chaos.sequence (eid smsr.eid, sequence int);
		\copy chaos.executed from '$work/executed.tsv'
		\copy chaos.sequence from '$work/sequence.tsv'
		-- of a session's command the card knows the script, else the counter
		CREATE VIEW chaos.done AS
			SELECT x.*, m.operation_id, m.step FROM chaos.executed x
				JOIN (SELECT DISTINCT eid, cntr, operation_id, step FROM smsr.message
					WHERE direction = 'out' AND cntr IS NOT NULL AND octets IS NOT NULL) m ON m.eid = x.eid AND m.cntr = x.cntr AND x.kvn < 64
			UNION ALL
			SELECT x.*, s.operation_id, s.step FROM chaos.executed x JOIN chaos.script s ON s.eid = x.eid AND s.id = x.script AND x.kvn >= 64;
	SQL
}

# Where card and EIS disagree.  Of an ISD-P whose CreateISDP expired the card
# knows more than the EIS, which only an operator could tell.
differences="SELECT coalesce(c.eid, p.eid) AS eid, coalesce(c.isdp_aid, p.isdp_aid) AS isdp_aid,
		c.state AS on_card, p.state AS in_database, c.fallback_attribute AS f1, p.fallback_attribute AS f2, c.msisdn AS m1, p.msisdn AS m2
	FROM cards c FULL JOIN smsr.profile p ON p.eid = c.eid AND p.isdp_aid = c.isdp_aid
	WHERE p.state IS DISTINCT FROM c.state
		OR p.fallback_attribute IS DISTINCT FROM c.fallback_attribute
		OR (p.iccid IS NOT NULL AND (p.msisdn IS DISTINCT FROM c.msisdn OR p.iccid IS DISTINCT FROM coalesce(c.iccid, p.iccid)))"

invariants() {
	none "SELECT id, function, stage FROM smsr.operation WHERE status IS NULL OR finished_at IS NULL" 'every operation has a terminal status'
	none "SELECT o.id, o.function, o.status, count(a.*) FROM smsr.operation o
			LEFT JOIN smsr.audit_trail a ON a.eid = o.eid AND a.operation_id = o.id AND a.status IS NOT NULL
		WHERE o.function <> 'confirm_notification' GROUP BY 1, 2, 3
		HAVING count(a.*) <> 1 OR min(a.status) <> o.status" 'and exactly one record of its end in the audit trail'
	local calls
	calls=$(sql "SELECT count(DISTINCT n) FROM chaos.answered")
	ok $((calls >= enough)) 'there were enough calls to tell anything'
	((calls >= enough)) || echo "# $calls"
	none "SELECT a.n, a.id FROM chaos.answered a WHERE NOT EXISTS (SELECT FROM smsr.operation o WHERE o.id = a.id AND o.eid = a.eid)" \
		'no call that was answered is lost'
	none "SELECT n, count(DISTINCT id) FROM chaos.answered GROUP BY 1 HAVING count(DISTINCT id) > 1" \
		'and the same call_id gave the same operation every time'
	if [[ -z $(fleet_ctl commands | awk -F '\t' 'NF >= 6 && $5 > 0') ]]; then
		ok 1 'no card executed two packets under one counter'
	else
		ok 0 'no card executed two packets under one counter'
	fi
	none "SELECT eid, cntr, count(DISTINCT octets) FROM smsr.message WHERE direction = 'out' AND octets IS NOT NULL
		GROUP BY 1, 2 HAVING count(DISTINCT octets) > 1" 'no counter left the house in two packets'
	none "SELECT x.eid, x.cntr, x.kind FROM chaos.executed x
		WHERE NOT EXISTS (SELECT FROM chaos.done d WHERE d.eid = x.eid AND d.n = x.n)" \
		'no card executed what is not in the record of what was sent'
	none "SELECT d.operation_id, d.step, d.eid, string_agg(DISTINCT format('%s/%s', d.kvn, d.cntr), ' ') FROM chaos.done d
		WHERE d.step NOT IN ('audit', 'confirm') AND d.sw IN ('9000', '9100')
		GROUP BY 1, 2, 3 HAVING count(DISTINCT (d.kvn, d.cntr)) > 1" 'no card carried out one step of one operation twice'
	none "SELECT k.eid, k.counter, c.counter FROM smsr.keyset k JOIN (SELECT DISTINCT eid, counter FROM cards) c USING (eid)
		WHERE k.type = 'SCP80' AND k.counter < c.counter" 'no card is ahead of the counters here'
	none "SELECT eid, count(*) FROM smsr.profile WHERE state = 'Enabled' GROUP BY 1 HAVING count(*) <> 1
		UNION ALL SELECT eid, 0 FROM smsr.euicc e WHERE NOT EXISTS (SELECT FROM smsr.profile p WHERE p.eid = e.eid AND p.state = 'Enabled')" \
		'each card has one enabled profile'
	# Or that another call's packet had done, which came late, or an earlier one,
	# as an audit showed; or, of a disable, that a fall-back had, in between.
	none "WITH done AS (SELECT x.eid, x.operation_id, o.status, x.kind, x.tar FROM chaos.done x
			JOIN smsr.operation o ON o.eid = x.eid AND o.id = x.operation_id
			WHERE x.sw = '9000')
		SELECT o.id, o.eid, o.function, o.isdp_aid, o.message FROM smsr.operation o
		WHERE o.status LIKE 'EXECUTED%' AND o.function IN ('create_isdp', 'enable_profile', 'disable_profile', 'delete_profile', 'set_fallback_attribute')
			AND o.subject_code IS DISTINCT FROM '8.3.1'
			AND NOT EXISTS (SELECT FROM done d
				WHERE d.eid = o.eid AND d.tar = substr(o.isdp_aid::text, 25, 6)
					AND (d.operation_id = o.id OR (d.status = 'EXPIRED' AND o.function <> 'create_isdp'))
					AND (d.kind = CASE o.function WHEN 'create_isdp' THEN 'create' WHEN 'set_fallback_attribute' THEN 'set_fallback'
							ELSE replace(o.function, '_profile', '') END
						-- POL1 took it when it was disabled
						OR (o.function = 'delete_profile' AND d.kind = 'disable')))
			AND NOT (o.function = 'set_fallback_attribute' AND EXISTS (SELECT FROM smsr.message m
				WHERE m.eid = o.eid AND m.operation_id = o.id AND m.direction = 'in' AND m.step = 'audit' AND m.outcome = 'answer'))
			AND NOT (o.function = 'disable_profile' AND EXISTS (SELECT FROM smsr.message m
				WHERE m.eid = o.eid AND m.operation_id = o.id AND m.direction = 'in' AND m.detail LIKE 'type 5,%'))" \
		'no operation succeeded that the card did not carry out'
	none "SELECT o.id, o.eid, o.function, o.status, o.subject_code, o.reason_code, o.message, x.kind, x.cntr FROM smsr.operation o
			JOIN chaos.done x ON x.eid = o.eid AND x.operation_id = o.id AND x.sw = '9000'
		WHERE (o.status = 'FAILED' AND x.step IN ('create', 'delete', 'set_fallback') AND x.kind = x.step)
			-- what may still come after a switch is that the card goes back
			OR (o.status = 'FAILED' AND x.step IN ('enable', 'disable') AND x.kind = x.step
				AND o.message NOT IN ('the card rolled the change back', 'the audit shows that the card did not do it',
					'the card is not where it was asked to be')
				AND NOT EXISTS (SELECT FROM smsr.message l WHERE l.eid = o.eid AND l.operation_id = o.id AND l.direction = 'out' AND l.step = 'delete'))
			OR (o.status = 'EXPIRED' AND o.message ~ 'nothing was (done|sent)' AND x.kind NOT IN ('confirm', 'get_status', 'get_resources'))
			OR (o.status = 'EXPIRED' AND o.message ~ 'nothing was deleted' AND x.kind = 'delete')" \
		'none was given up as not done that the card did'
	local delivered
	delivered=$(fleet_ctl stats | sed -n 's/^mo_delivered=//p')
	none "SELECT count(*), $delivered FROM smsr.message WHERE direction = 'in' AND address <> 'https' AND octets IS NOT NULL HAVING count(*) < $delivered" \
		'every message that was acknowledged is in the record'
	none "SELECT id, eid, step FROM smsr.outbound" 'no packet is left over'
	none "SELECT c.name, m.n FROM smsr.campaign c JOIN smsr.campaign_member m ON m.campaign_id = c.id
			LEFT JOIN smsr.campaign_outcome o ON o.campaign_id = m.campaign_id AND o.n = m.n
		WHERE o.n IS NULL AND (c.state = 'finished' OR EXISTS (SELECT FROM smsr.operation p WHERE p.eid = m.eid AND p.campaign_id = c.id))" \
		'each member of a campaign has its result, unless it was cancelled before its turn'
	none "SELECT o.campaign_id, o.n, o.status, p.status FROM smsr.campaign_outcome o
			JOIN smsr.campaign_member m ON m.campaign_id = o.campaign_id AND m.n = o.n
			LEFT JOIN smsr.operation p ON p.eid = m.eid AND p.id = o.operation_id
		WHERE CASE WHEN o.status = 'CANCELLED' THEN coalesce(p.message, '') NOT IN ('', 'cancelled with its campaign')
			WHEN o.message = 'an earlier attempt did it after all' THEN p.status <> 'FAILED'
			ELSE o.status IS DISTINCT FROM p.status END" 'which is that of its last operation'
	none "SELECT m.campaign_id, m.n, count(*), max(o.attempts) FROM smsr.campaign_outcome o
			JOIN smsr.campaign_member m ON m.campaign_id = o.campaign_id AND m.n = o.n
			JOIN smsr.operation p ON p.eid = m.eid AND p.campaign_id = m.campaign_id
		GROUP BY 1, 2 HAVING count(*) <> max(o.attempts)" 'and none had other operations than it was tried'
	none "SELECT w.campaign_id, w.wave, w.members, w.released, e.ended FROM smsr.campaign_wave w JOIN smsr.campaign c ON c.id = w.campaign_id
			CROSS JOIN LATERAL (SELECT w.succeeded + w.warned + w.failed + w.expired + w.cancelled) e (ended)
		WHERE e.ended <> CASE c.state WHEN 'finished' THEN w.members ELSE w.released END OR w.again <> 0
		UNION ALL SELECT campaign_id, 0, 0, 0, n FROM smsr.campaign_running UNION ALL SELECT campaign_id, 0, 0, 0, n FROM smsr.campaign_retry
		UNION ALL SELECT campaign_id, 0, 0, 0, 0 FROM smsr.campaign_end" 'and the campaigns have counted them'
	none "SELECT gateway, at, per_second, ahead, in_second, most FROM chaos.seconds WHERE in_second > most" \
		'in no second more was claimed for a bind than its limit of that time'
	# or nothing of it was seen
	none "SELECT count(*), count(*) FILTER (WHERE in_second > most - 5) FROM chaos.seconds
		HAVING count(*) < 20 OR count(*) FILTER (WHERE in_second > most - 5) < 1" 'and there were claims that a limit held back'
	none "SELECT c.state FROM smsr.campaign c WHERE c.name = 'braked' AND NOT EXISTS (SELECT FROM smsr.audit_trail h
			JOIN smsr.audit_trail r ON r.operation_id = h.operation_id AND r.function = 'resume_campaign' AND r.recorded_at > h.recorded_at
			WHERE h.operation_id = c.id AND h.function = 'halt_campaign' AND (h.details ->> 'failed')::int >= 8)" \
		'a brake halts the campaign that fails, and it is resumed'
	# a tick may have begun before the resumption that it saw, and have waited a second for a row
	none "SELECT o.id, o.eid, o.requested_at, h.at, h.until FROM smsr.operation o
			JOIN (SELECT a.operation_id, a.function, a.recorded_at AS at, lead(a.recorded_at) OVER (PARTITION BY a.operation_id ORDER BY a.recorded_at, a.position) AS until
				FROM smsr.audit_trail a WHERE a.eid IS NULL AND a.function IN ('halt_campaign', 'resume_campaign')) h ON h.operation_id = o.campaign_id
		WHERE h.function = 'halt_campaign' AND o.requested_at > h.at AND o.requested_at < h.until - interval '1500 ms'" \
		'and while it stands nothing of it is released'
	none "SELECT * FROM chaos.old WHERE count > 0" 'old months are gone'
	none "SELECT d.details ->> 'history', count(*) FROM smsr.audit_trail d WHERE d.function = 'drop_history' AND d.status = 'EXECUTED_SUCCESS'
			GROUP BY 1 HAVING count(*) <> 1
		UNION ALL SELECT 'audit_trail', count(*) FROM smsr.audit_cut HAVING count(*) <> 1" 'and went once each'
	none "SELECT * FROM smsr.audit_verify()" 'the audit trail is sound from there on'
	none "SELECT outcome, detail, count(*) FROM smsr.message WHERE direction = 'in' AND outcome = 'not processed' GROUP BY 1, 2" \
		'nothing that came in failed to be processed'
}

# ---- the run ----

stack_database "fsync = off" "smsr.retry_initial = '1s'" "smsr.retry_max = '4s'" "smsr.default_validity = '20s'" \
	"restart_after_crash = on" "max_connections = 50"
stack_https
stack_eis "$CARDS" --seed "$SEED" --https
stack_fleet "$CARDS" --seed "$SEED" --https --https-server "127.0.0.1:$https_port" --https-poll 3 --https-retries 3 --https-retry-delay 0.3 --https-timeout 4 \
	--auto-personalize --personalize-operator 1 --refresh 0.05 --attach 0.5 --repeat 0.5 --tries 6
at_exit 'gateway_end 0 KILL; gateway_end 1 KILL'
psql -Xq -v ON_ERROR_STOP=1 -c "\\copy smsr.eis_inbox (document) from '$work/eis.copy'"
sql "SELECT smsr.register_inbox()" >/dev/null
sql "INSERT INTO smsr.route (mno_id, gateway) VALUES ('1.3.6.1.4.1.99999.3', 'second-north'), ('1.3.6.1.4.1.99999.4', 'second-south')"
psql -Xq -v ON_ERROR_STOP=1 -f test/chaos/calls.sql -f test/chaos/operator.sql >/dev/null

# One that changes cards, one that is cancelled in the middle, and one of which all
# are refused: its brake halts it again and again.
start_campaign() {
	sql "SELECT smsr.start_campaign(smsr.create_campaign('$1', '$2', '$3', '{\"waves\": \"${4:-25% each}\", \"max_failure_rate\": ${5:-1}, \"backlog\": 4,
		\"attempts\": 4, \"retry_after\": \"2 s\", \"validity\": \"5 s\", \"minimum\": 8, \"confidence\": 0.9}'))" >/dev/null
}
start_campaign enabled enable_profile "SELECT DISTINCT ON (eid) eid, iccid FROM smsr.profile WHERE NOT fallback_attribute ORDER BY eid, isdp_aid"
start_campaign braked delete_profile "SELECT eid, iccid FROM smsr.profile WHERE fallback_attribute ORDER BY eid" "canary 12, then rest" 0.3
start_campaign audited audit_eis "SELECT eid FROM smsr.euicc ORDER BY eid DESC"

RANDOM=$SEED
# what an SM-SR before this one has used
for ((i = 5; i <= CARDS; i += 5)); do fleet_ctl counter "$i" $((RANDOM * (RANDOM % 9))) >/dev/null; done
for ((i = 3; i <= CARDS; i += 7)); do tell_fleet pol1 "$i" 000011 4; done
gateway_start 0 ''
gateway_start 1 second-
: >"$logs/answered"
loads=()
for ((i = 1; i <= LOADS; i++)); do
	load "$i" "$LOADS" &
	loads+=($!)
	# shellcheck disable=SC2064
	at_exit "kill $! 2>/dev/null || true"
done
end=$((SECONDS + SECONDS_))
changed=$((SECONDS - 3))
# and on a slow machine until there were enough calls to tell anything
enough=$((SECONDS_ * 6))
while ((SECONDS < end)) || { ((SECONDS < end + 60)) && (($(cut -d ' ' -f 1 "$logs/answered" | sort -u | wc -l) < enough)); }; do
	trouble
	sleep "0.$((1 + RANDOM % 9))"
	if [[ -z ${cancelled:-} ]] && ((SECONDS > end - SECONDS_ / 2)); then
		cancelled=1
		sql "SELECT smsr.cancel_campaign(id) FROM smsr.campaign WHERE name = 'audited'" >/dev/null 2>&1 || true
		drop_old
	fi
	if ((SECONDS >= changed + 3)); then
		changed=$SECONDS
		for bind in north south; do limit "$( ((RANDOM % 3)) || echo second-)$bind"; done
		resume_halted
	fi
done
touch "$work/peace"
wait "${loads[@]}" || true
up

# ---- peace ----

# shellcheck disable=SC2086
fleet_ctl faults $fair >/dev/null
sql "SELECT smsr.set_gateway_limit(gateway, NULL) FROM smsr.gateway_limit" >/dev/null
drop_old
for ((i = 1; i <= CARDS; i++)); do
	tell_fleet on "$i"
	tell_fleet reach "$i" 000011 on
done
for i in 0 1; do
	if [[ -z ${gateways[i]} ]] || ! kill -0 "${gateways[i]}" 2>/dev/null; then gateway_start "$i" ''; fi
done
sql "SELECT chaos.complete()" >/dev/null
if campaigns_end 90; then ok 1 'campaigns come to an end'; else ok 0 'campaigns come to an end'; fi
settles 60 'all operations come to an end'
sql "CREATE TABLE chaos.answered (n int, id bigint, eid smsr.eid)"
psql -Xq -v ON_ERROR_STOP=1 -c "\\copy chaos.answered from '$logs/answered' (delimiter ' ')"
sql "SELECT chaos.complete()" >/dev/null
testimony
none "SELECT d.*, e.notification_sequence FROM ($differences) d
		JOIN smsr.euicc e ON e.eid = d.eid JOIN chaos.sequence s ON s.eid = d.eid
	WHERE coalesce(e.notification_sequence, 0) = s.sequence AND NOT EXISTS (SELECT FROM smsr.unknown_outcome u WHERE u.eid = d.eid)" \
	'the EIS is right about every card whose last word was heard and whose outcomes are known'
echo "# before the audit the EIS is wrong about $(sql "SELECT count(DISTINCT eid) FROM ($differences) d") of $CARDS cards;" \
	"unknown outcomes: $(sql 'SELECT count(*) FROM smsr.unknown_outcome')"

# every device is switched off and on again: where it is now, the card says itself
for ((i = 1; i <= CARDS; i++)); do tell_fleet attach "$i"; done
settles 30 'the cards that register anew are confirmed'
sql "SELECT count(smsr.audit_eis(eid)) FROM smsr.euicc" >/dev/null
settles 30 'all audits end'
sql "SELECT chaos.complete()" >/dev/null
testimony
none "$differences" 'after an audit of all the EIS is the truth of all cards'
none "SELECT eid, operation_id, function, since FROM smsr.unknown_outcome" 'and no outcome is unknown any more'
invariants
# a campaign may be over by the time that it is to be paused or cancelled
if grep -v -E 'terminating connection|the database system is|server closed|canceling statement|KEK|key encryption key|campaign "[a-z]+" is finished' \
	"$logs/postgres.log" | grep -E 'ERROR|PANIC|TRAP' >"$work/errors"; then
	ok 0 'the server reported no error'
	sort "$work/errors" | uniq -c | head -n 10 | sed 's/^/# /'
else
	ok 1 'the server reported no error'
fi
# what the server said at its own end the gateway repeats
if cat "$logs"/gateway?.log | grep -i -E 'panic|fatal|sanitizer|assert' | grep -v -E 'database|terminating connection' >"$work/errors"; then
	ok 0 'nor a gateway anything terrible'
	head -n 5 "$work/errors" | sed 's/^/# /'
else
	ok 1 'nor a gateway anything terrible'
fi

echo "# seed $SEED, $CARDS cards, $SECONDS_ s: $(sql "SELECT string_agg(format('%s %s %s', n, function, status), ', ') FROM
	(SELECT function, status, count(*) AS n FROM smsr.operation GROUP BY 1, 2 ORDER BY 1, 2) AS s")"
echo "# endings: $(sql "SELECT string_agg(format('%s %s', n, outcome), ', ') FROM
	(SELECT direction || ' ' || outcome AS outcome, count(*) AS n FROM smsr.message GROUP BY 1 ORDER BY 1) AS s")"
echo "# audits corrected: $(sql "SELECT coalesce(string_agg(format('%s %s', n, what), ', '), 'nothing') FROM
	(SELECT what, count(*) AS n FROM smsr.discrepancy GROUP BY 1 ORDER BY 1) AS s")"
echo "# trouble: $(for what in "${!done_to[@]}"; do printf '%s %s, ' "${done_to[$what]}" "$what"; done)"
echo "# fleet: $(fleet_ctl stats | grep -E '^(mt_|mo_|packets|unauthentic|counter_low|https_|switches|rollbacks|fallbacks|notifications|unconfirmed|pol1_deleted)' | tr '\n' ' ')"
# for whoever wants to know: smsr.timeline() of a card in it
((failed == 0)) || pg_dump -Fc --no-acl -f "$logs/chaos.dump"
echo "1..$tests"
((failed == 0))
