#!/bin/bash
# make demo: a server of its own, 1,000 simulated cards, the gateway between
# them, and every function that changes a card, chosen by SQL queries.  The
# campaign's course is drawn at the end.
#
#   make demo              1,000 cards
#   make demo CARDS=5000
#   make demo PLOT=doc/campaign.svg      where the drawing goes
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

CARDS=${CARDS:-1000}
if [[ ! $CARDS =~ ^[0-9]+$ ]] || ((CARDS < 10)); then
	echo "CARDS is a number, 10 or more." >&2
	exit 2
fi

if [[ -t 1 ]]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'
	width=$(tput cols 2>/dev/null || echo 80)
else
	bold='' dim='' green='' plain=''
	width=130
fi
PLOT=$(realpath -m "${PLOT:-log/demo/campaign.svg}")

say() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
note() { printf '%s%s%s\n' "$dim" "$1" "$plain"; }

scripts/install-deps.sh demo
smsr_name='demo'
# shellcheck source=scripts/stack.sh
. scripts/stack.sh

# Show a statement as one would type it, then run it.
sql() {
	local line prompt='smsr=# '
	while IFS= read -r line; do
		printf '%s%s%s%s\n' "$green" "$prompt" "$plain" "$line"
		prompt='smsr-# '
	done <<<"$1"
	psql -X -q -v ON_ERROR_STOP=1 -P footer=off \
		-P format=wrapped -P columns=$((width - 2)) -c "$1" | sed '/^$/d; s/^/  /'
}

# Follow the operations of a function until none is open.
follow() {
	local function=$1 total open done_ started=$EPOCHREALTIME width=40 filled bar last=-1
	while :; do
		read -r total open < <(psql -XAtq -F ' ' -c \
			"SELECT count(*), count(*) FILTER (WHERE status IS NULL) FROM smsr.operation WHERE function = '$function'")
		done_=$((total - open))
		filled=$((total ? width * done_ / total : width))
		printf -v bar '%*s' "$filled" ''
		bar=${bar// /#}
		if [[ -t 1 ]]; then
			printf '\r  %-16s [%-*s] %d of %d ' "$function" "$width" "$bar" "$done_" "$total"
		elif ((open == 0 || SECONDS - last >= 5)); then
			printf '  %-16s [%-*s] %d of %d\n' "$function" "$width" "$bar" "$done_" "$total"
			last=$SECONDS
		fi
		((open)) || break
		if awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { exit !(b - a > 100) }'; then
			printf '\n'
			echo "The operations have not come to an end in 100 seconds." >&2
			psql -X -c "SELECT function, stage, step, count(*) FROM smsr.operation WHERE status IS NULL GROUP BY 1, 2, 3" >&2
			exit 1
		fi
		sleep 0.2
	done
	[[ ! -t 1 ]] || printf '\n'
}

# Follow a campaign until it is over or halts; what it was like meanwhile goes
# into $work/campaign.dat for the plot.
campaign_began=
follow_campaign() {
	local name=$1 state because wave bar done_ failed running waiting percent expected shown last=-1 width=30 end=$((SECONDS + 100))
	campaign_began=${campaign_began:-$EPOCHREALTIME}
	while :; do
		IFS='|' read -r state because wave bar percent done_ failed running waiting expected < <(psql -XAtq -c \
			"SELECT state, because, wave || '/' || waves, bar, percent, done, failed, running, waiting,
				date_trunc('second', expected_at - now()) FROM smsr.campaign_progress WHERE name = '$name'")
		awk -v a="$campaign_began" -v b="$EPOCHREALTIME" -v row="$done_ $failed $running $waiting $state" \
			'BEGIN { printf "%.2f %s\n", b - a, row }' >>"$work/campaign.dat"
		printf -v shown '  wave %-4s [%-*s] %5s %%  %d done, %d failed, %d under way, %d to come%s' "$wave" "$width" "$bar" "$percent" \
			"$done_" "$failed" "$running" "$waiting" "${expected:+, $expected left}"
		if [[ -t 1 ]]; then
			printf '\r%s  ' "$shown"
		elif [[ $state != running ]] || ((SECONDS - last >= 2)); then
			printf '%s\n' "$shown"
			last=$SECONDS
		fi
		[[ $state == running ]] || break
		if ((SECONDS > end)); then
			echo "The campaign has not come to an end in 100 seconds." >&2
			exit 1
		fi
		sleep 0.15
	done
	[[ ! -t 1 ]] || printf '\n'
	[[ $state != halted ]] || note "It halted: $because."
	[[ $state == finished ]]
}

say "A server of its own, the extension, $CARDS simulated cards and the gateway between them"
note "Building. All of it lives in a temporary directory and goes with it."
started=$SECONDS
# shellcheck disable=SC2119
stack_database
stack_eis "$CARDS"
stack_fleet "$CARDS" --auto-personalize --refresh 0.1
stack_gateway
note "Ready after $((SECONDS - started)) s: PostgreSQL $(psql -XAtc 'SHOW server_version'), fsync $(psql -XAtc 'SHOW fsync')."

say "Register the fleet: one EIS document a line, signed, as the EUM sends them"
printf '%s\n' "  $(head -c 150 "$work/eis.copy")..."
sql "\\copy smsr.eis_inbox (document) from '$work/eis.copy'"
sql "SELECT * FROM smsr.register_inbox();"
sql "SELECT verified_by, count(*) FROM smsr.euicc_signed GROUP BY 1;"
sql "SELECT p.mno_id, m.name, p.state, p.fallback_attribute, count(*)
FROM smsr.profile p JOIN smsr.party m ON m.oid = p.mno_id
GROUP BY 1, 2, 3, 4 ORDER BY 1;"

say "Create: an ISD-P for a new profile of the first operator, on every eUICC"
sql "SELECT count(*) AS requested
FROM (SELECT array_agg(eid) AS eids,
             array_agg(('894907' || lpad(row_number::text, 13, '0'))::smsr.iccid) AS iccids,
             array_agg(jsonb_build_object('mno_id', '1.3.6.1.4.1.99999.3',
                                          'required_memory', 40000)) AS arguments
      FROM (SELECT eid, row_number() OVER (ORDER BY eid) FROM smsr.euicc) AS e) AS chosen,
     smsr.request('create_isdp', eids, iccids, arguments => chosen.arguments);"
follow create_isdp
note "The SM-DP fills the ISD-Ps (the simulated cards do it themselves) and says that it is done:"
sql "SELECT count(smsr.profile_download_completed(p.eid, p.iccid, 'data only',
                 (f.msisdn::bigint + 2)::text, (f.imsi::bigint + 2)::text))
FROM smsr.profile p JOIN smsr.profile f ON f.eid = p.eid AND f.fallback_attribute
WHERE p.state = 'Created';"

say "A campaign: enable the new profiles; some cards of the second wave will refuse"
# of its first half every other card: POL1 of the profile in use forbids to leave it
second=$((CARDS / 5))
((second >= 80)) || second=80
pol1() {
	local eid
	for eid in $(psql -XAtc "SELECT eid FROM smsr.euicc ORDER BY eid OFFSET 20 LIMIT $((second / 2))" | awk 'NR % 2'); do
		fleet_ctl pol1 "$eid" 000010 "$1" >/dev/null
	done
}
pol1 1
sql "SELECT smsr.create_campaign('move', 'enable_profile',
  'SELECT eid, iccid FROM smsr.profile
   WHERE profile_type = ''data only'' AND state = ''Disabled'' ORDER BY eid',
  '{\"waves\": \"canary 20, then $second, then rest\", \"soak\": \"1 s\", \"backlog\": 60,
    \"max_failure_rate\": 0.2, \"reason\": \"the contract ends\", \"ticket\": \"OPS-1\"}') AS campaign;"
sql "SELECT r.verdict, r.because, r.members, r.messages
FROM smsr.campaign c, smsr.rehearse(c.id) r WHERE c.name = 'move';"
sql "SELECT smsr.start_campaign(id) FROM smsr.campaign WHERE name = 'move';"
until follow_campaign move; do
	sql "SELECT failed_by_reason FROM smsr.campaign_progress WHERE name = 'move';"
	note "POL1 is lifted, and on it goes:"
	pol1 0
	sql "SELECT smsr.resume_campaign(id, 'POL1 is lifted') FROM smsr.campaign WHERE name = 'move';"
done
sql "SELECT name, state, members, done, failed, retries, ended_at - started_at AS took
FROM smsr.campaign_progress;"
note "The failed ones again, in one call:"
sql "SELECT smsr.start_campaign(smsr.rerun_campaign(id, 'move again', '{\"waves\": \"rest\"}'))
FROM smsr.campaign WHERE name = 'move';"
mv "$work/campaign.dat" "$work/move.dat"
follow_campaign 'move again'

say "Disable: every fourth of them; the cards fall back"
sql "SELECT count(*) AS requested
FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
      FROM smsr.profile
      WHERE profile_type = 'data only' AND state = 'Enabled'
        AND smsr.eid_hash(eid) % 4 = 0) AS chosen,
     smsr.request('disable_profile', eids, iccids);"
follow disable_profile

say "Delete: what the second operator has on cards that use another profile"
sql "SELECT count(*) AS requested
FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
      FROM smsr.profile
      WHERE mno_id = '1.3.6.1.4.1.99999.4' AND state = 'Disabled'
        AND NOT fallback_attribute) AS chosen,
     smsr.request('delete_profile', eids, iccids);"
follow delete_profile

say "Audit: ask all cards what they have"
sql "SELECT count(*) AS requested
FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS chosen,
     smsr.request('audit_eis', eids);"
follow audit_eis

say "One call for one eUICC, as a person makes it"
eid=$(psql -XAtc "SELECT eid FROM smsr.profile WHERE profile_type = 'data only' AND state = 'Disabled' ORDER BY eid LIMIT 1")
iccid=$(psql -XAtc "SELECT iccid FROM smsr.profile WHERE eid = '$eid' AND profile_type = 'data only'")
sql "SELECT smsr.enable_profile('$eid', '$iccid');"
while [[ $(psql -XAtc "SELECT count(*) FROM smsr.operation WHERE eid = '$eid' AND status IS NULL") != 0 ]]; do
	sleep 0.1
done
sql "SELECT id, function, status, finished_at - requested_at AS took
FROM smsr.operation WHERE eid = '$eid' ORDER BY requested_at DESC LIMIT 1;"
note "And what happened in between, from call to confirmation:"
sql "SELECT to_char(at, 'HH24:MI:SS.MS') AS at, what, outcome, decoded
FROM smsr.timeline('$eid')
WHERE operation_id = (SELECT max(id) FROM smsr.operation WHERE eid = '$eid');"

say "The inventory"
sql "SELECT m.name AS operator, p.profile_type, p.state, p.fallback_attribute AS fallback, count(*)
FROM smsr.profile p JOIN smsr.party m ON m.oid = p.mno_id
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3;"

say "Rates, durable: each step is committed to disk before the next"
sql "SELECT function, status, count(*),
       round(count(*) / extract(epoch FROM max(finished_at) - requested_at)) AS per_second,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY finished_at - requested_at) AS median
FROM smsr.operation
WHERE requester_id = '1.3.6.1.4.1.99999.9'
GROUP BY function, status, requested_at HAVING count(*) > 1
    AND function <> 'profile_download_completed'
ORDER BY requested_at;"

say "Do the database and the cards agree, to the last profile?"
sql "SELECT count(*) FILTER (WHERE status IS NULL) AS open, count(*) AS operations FROM smsr.operation;"
stack_cards
sql "SELECT count(*) AS profiles_on_cards FROM cards;"
sql "$stack_differences"
differences=$(psql -XAtqc "SELECT count(*) FROM (${stack_differences%;}) AS d")
if ((differences != 0)); then
	echo "$differences differences between the database and the cards." >&2
	exit 1
fi
printf '%s%s%s\n' "$green" "  0 differences." "$plain"
mkdir -p "$(dirname "$PLOT")"
gnuplot -e "data = '$work/move.dat'; drawing = '$PLOT'; members = $CARDS" demo/campaign.gnuplot
say "The campaign's course is drawn in $PLOT"
note "$((SECONDS - started)) s in all. Nothing else is left behind."
