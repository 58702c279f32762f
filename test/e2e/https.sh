#!/bin/bash
# End to end over HTTPS: sessions that cards open, and profiles downloaded through
# them, with faults on and everything killed in the middle.  Prints TAP.
#
#   test/e2e/https.sh
#   SEED=7 DOWNLOADS=20 OCTETS=500000 test/e2e/https.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

SEED=${SEED:-1}
DOWNLOADS=${DOWNLOADS:-2}
OCTETS=${OCTETS:-200000}
CARDS=$((DOWNLOADS + 4))
mno=1.3.6.1.4.1.99999.3
smsr_name='e2e-https'
# shellcheck source=scripts/stack.sh
. scripts/stack.sh
# shellcheck source=test/e2e/tap.sh
. test/e2e/tap.sh

# The EID of card N, and an ICCID that it does not have yet.
eid_of() { sql "SELECT eid FROM smsr.euicc ORDER BY eid OFFSET $(($1 - 1)) LIMIT 1"; }
iccid_of() { sql "SELECT card.iccid FROM (SELECT base || (10 - sum % 10) % 10 AS iccid FROM (
	SELECT base, sum(CASE WHEN i % 2 = 1 THEN CASE WHEN 2 * d > 9 THEN 2 * d - 9 ELSE 2 * d END ELSE d END)
	FROM (SELECT '8949070' || lpad('$1', 11, '7') AS base) b, LATERAL (SELECT i, substr(reverse(base), i, 1)::int AS d FROM generate_series(1, 18) i) s
	GROUP BY base) t) card"; }

# what the cards say of their downloads, into e2e.card
downloads() {
	fleet_ctl downloads | grep -v '^ok$' | awk -F '\t' -v OFS='\t' '{ $8 = "\\\\x" $8; print }' >"$work/downloads.tsv"
	sql 'TRUNCATE e2e.card'
	psql -Xq -v ON_ERROR_STOP=1 -c "\\copy e2e.card from '$work/downloads.tsv'"
}

server_crash() {
	local pid i
	sql CHECKPOINT >/dev/null
	pid=$(head -n 1 "$data/postmaster.pid")
	kill -KILL "$pid"
	for ((i = 0; i < 50; i++)); do
		sleep 0.2
		if as_owner "$pgbin/pg_ctl" --pgdata="$data" --wait --silent --log="$logs/postgres.log" start >>"$logs/restart.log" 2>&1; then
			return 0
		fi
	done
	return 1
}

# Until CONDITION is true of the database, at most SECONDS.
until_true() {
	local i
	for ((i = 0; i < $1 * 10; i++)); do
		[[ $(sql "SELECT $2" 2>/dev/null) != t ]] || return 0
		sleep 0.1
	done
	return 1
}

agree() {
	stack_cards
	is "$(sql "${stack_differences}")" '' "$1: the database and the cards agree"
}

stack_database "fsync = off" "smsr.retry_initial = '1s'" "smsr.retry_max = '2s'" "smsr.https_session_timeout = '5s'"
stack_https
stack_eis "$CARDS" --seed "$SEED" --https
stack_fleet "$CARDS" --seed "$SEED" --https --https-server "127.0.0.1:$https_port" --https-retries 20 --https-retry-delay 0.1 \
	--https-timeout 2 --notify https --personalize-operator 1 --refresh 0.05 --attach 0.5 --repeat 1 --tries 10
gateway_lease=3s
https_settings='idle_timeout = 20s'
stack_gateway
psql -Xq -v ON_ERROR_STOP=1 -c "\\copy smsr.eis_inbox (document) from '$work/eis.copy'"
sql "SELECT smsr.register_inbox()" >/dev/null
is "$(sql "SELECT count(*) FROM smsr.euicc WHERE http_support")" "$CARDS" 'all cards are registered, and can open sessions'
is "$(sql "SELECT count(*) FROM smsr.keyset WHERE type = 'SCP81'")" "$CARDS" 'each has a key for them'
psql -Xq -v ON_ERROR_STOP=1 -f test/e2e/profile.sql

# ---- a card that calls in by itself ----

eid=$(eid_of 1)
sql "INSERT INTO smsr.https_polls (first, last) VALUES ('$eid', '$eid')"
off=$(sql "SELECT iccid FROM smsr.profile WHERE eid = '$eid' AND state = 'Disabled'")
op=$(sql "SELECT smsr.enable_profile('$eid', '$off')")
sleep 0.6
is "$(sql "SELECT count(*) FROM smsr.message WHERE eid = '$eid'")" 0 'what a card calls in for is not sent'
is "$(sql "SELECT bearer FROM smsr.outbound WHERE eid = '$eid'")" https 'but waits for its session'
fleet_ctl call "$eid" >/dev/null
all_end 15 'enable in a session'
is "$(ended "$op")" EXECUTED_SUCCESS 'a profile is enabled'
is "$(sql "SELECT count(*) FROM smsr.message WHERE eid = '$eid' AND direction = 'out' AND address <> 'https'")" 0 'and no short message was needed'
is "$(sql "SELECT string_agg(detail, ' ' ORDER BY at) FROM smsr.message WHERE eid = '$eid' AND direction = 'in' AND detail LIKE 'type %'" | cut -c 1-6)" \
	'type 2' 'nor for the notification of it'
agree 'enable in a session'

# ---- a profile, on a network without faults ----

eid=$(eid_of 2)
iccid=$(iccid_of 2)
op=$(sql "SELECT smsr.create_isdp('$eid', '$iccid', '$mno', 300000, true)")
all_end 15 'create'
is "$(ended "$op")" EXECUTED_SUCCESS 'an ISD-P is created'
started=$(sql 'SELECT clock_timestamp()')
isdp=$(sql "SELECT e2e.download('$eid', '$iccid', 'clean', $OCTETS)")
all_end 30 'download'
echo "# $OCTETS octets in $(sql "SELECT extract(epoch FROM max(finished_at) - '$started')::numeric(9, 2) FROM smsr.operation WHERE function = 'send_data'") s"
is "$(sql "SELECT string_agg(DISTINCT status, ' ') FROM smsr.operation WHERE function = 'send_data'")" EXECUTED_SUCCESS 'each piece is executed'
downloads
is "$(sql "SELECT state, elements, repeated, octets = length(e2e.profile('clean', $OCTETS)), digest = sha256(e2e.profile('clean', $OCTETS))
	FROM e2e.card WHERE eid = '$eid' AND isdp_aid = '$isdp'")" 'ended|12|0|t|t' 'and the card has every octet of it, once and in order'
is "$(sql 'SELECT * FROM e2e.wrong')" '' 'as it is told'
is "$(sql "SELECT count(DISTINCT session) FROM smsr.https_session WHERE eid = '$eid'")" 1 'in a session'
op=$(sql "SELECT smsr.profile_download_completed(p.eid, p.iccid, 'test', e2e.msisdn(p.eid, p.isdp_aid)) FROM smsr.profile p
	WHERE p.eid = '$eid' AND p.iccid = '$iccid'")
is "$(ended "$op")" EXECUTED_SUCCESS 'the download is complete'
agree 'download'
op=$(sql "SELECT smsr.enable_profile('$eid', '$iccid')")
all_end 15 'enable what was downloaded'
is "$(ended "$op")" EXECUTED_SUCCESS 'and the profile can be enabled'

clean=$eid

# ---- a card that carries a piece out, is cut off and knows of nothing when it comes back ----

forgetful=$(eid_of $((DOWNLOADS + 3)))
iccid=$(iccid_of $((DOWNLOADS + 3)))
sql "SELECT smsr.create_isdp('$forgetful', '$iccid', '$mno', 300000)" >/dev/null
all_end 15 'create on another card'
fleet_ctl faults https_forget=1 >/dev/null
fleet_ctl break "$forgetful" after=5 >/dev/null
isdp=$(sql "SELECT e2e.download('$forgetful', '$iccid', 'forgotten', 30000)")
all_end 30 'cut off'
fleet_ctl faults https_forget=0 >/dev/null
is "$(sql "SELECT string_agg(o.status, ' ' ORDER BY p.n) FROM e2e.piece p JOIN smsr.operation o ON o.eid = p.eid AND o.id = p.operation_id WHERE p.eid = '$forgetful'")" \
	'EXECUTED_SUCCESS EXECUTED_SUCCESS EXECUTED_SUCCESS EXECUTED_SUCCESS EXPIRED FAILED FAILED' 'what became of a piece is unknown, and nothing is sent behind it'
downloads
is "$(sql "SELECT repeated, octets FROM e2e.card WHERE eid = '$forgetful' AND isdp_aid = '$isdp'")" '0|16000' 'it is on the card, and was not sent again'
is "$(sql 'SELECT * FROM e2e.wrong')" '' 'as it is told'
sql "SELECT smsr.delete_profile('$forgetful', '$iccid')" >/dev/null
all_end 15 'it is cleared away'

# ---- several, while sessions break and everything is killed ----

fleet_ctl faults loss=0.05 duplicate=0.05 delay=0-100 https_break=0.25 https_forget=0.03 https_stall=0.03 https_stall_time=1 >/dev/null
for ((i = 1; i <= DOWNLOADS; i++)); do
	iccid=$(iccid_of $((2 + i)))
	sql "SELECT smsr.create_isdp('$(eid_of $((2 + i)))', '$iccid', '$mno', 300000, true)" >/dev/null
	iccids[i]=$iccid
done
all_end 40 'create with faults'
# a call whose end is unknown was not for nothing: an audit tells
sql "SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.unknown_outcome) u, smsr.request('audit_eis', eids) WHERE eids IS NOT NULL" >/dev/null
all_end 40 'audit'

# how many of those that are under way have ended well
pieces_done() {
	echo "(SELECT count(*) FROM smsr.operation o JOIN e2e.piece p ON p.eid = o.eid AND p.operation_id = o.id WHERE p.eid NOT IN ('$clean', '$forgetful') AND o.status LIKE 'EXECUTED%')"
}

# how many of the profiles are downloaded
complete() { sql "SELECT count(*) FROM smsr.profile WHERE iccid = ANY ('{$(IFS=,; echo "${iccids[*]}")}') AND state = 'Disabled'"; }

begin_download() {
	local i=$1 round=$2 eid
	eid=$(eid_of $((2 + i)))
	sql "SELECT e2e.download('$eid', '${iccids[i]}', 'round $round $eid', $OCTETS, '30 s')" >/dev/null
}
rounds=0
while ((rounds < 6)); do
	rounds=$((rounds + 1))
	for ((i = 1; i <= DOWNLOADS; i++)); do
		state=$(sql "SELECT state FROM smsr.profile WHERE iccid = '${iccids[i]}'")
		if [[ -z $state ]]; then
			sql "SELECT smsr.create_isdp('$(eid_of $((2 + i)))', '${iccids[i]}', '$mno', 300000, true)" >/dev/null
			finished 30 || true
			state=$(sql "SELECT state FROM smsr.profile WHERE iccid = '${iccids[i]}'")
		fi
		[[ $state != Created ]] || begin_download "$i" "$rounds"
	done
	if ((rounds == 1)); then
		until_true 20 "$(pieces_done) >= 8" || true
		echo "# the gateway is killed after $(sql "SELECT $(pieces_done)") of $(sql "SELECT count(*) FROM e2e.piece WHERE eid NOT IN ('$clean', '$forgetful')") pieces"
		stack_gateway_stop -KILL
		stack_gateway
		until_true 20 "$(pieces_done) >= 25" || true
		echo "# the server is killed after $(sql "SELECT $(pieces_done)")"
		server_crash
	elif ((rounds == 3)); then
		fleet_ctl faults loss=0 duplicate=0 delay=0 https_break=0 https_stall=0 https_forget=0 >/dev/null
	fi
	all_end 60 "download with faults, round $rounds"
	downloads
	is "$(sql 'SELECT * FROM e2e.wrong')" '' "round $rounds: each piece is on its card at most once, in order, and where it is told to be"
	sql "SELECT string_agg(format('%s %s', n, s), ', ') FROM (SELECT o.status || coalesce(': ' || o.message, '') AS s, count(*) AS n
		FROM e2e.piece p JOIN smsr.operation o ON o.eid = p.eid AND o.id = p.operation_id WHERE p.eid NOT IN ('$clean', '$forgetful') GROUP BY 1) t" | sed 's/^/# /'
	# what is whole is whole; what broke is cleared away and begun anew
	sql "SELECT smsr.profile_download_completed(p.eid, p.iccid, 'test', e2e.msisdn(p.eid, p.isdp_aid))
		FROM smsr.profile p JOIN e2e.card c USING (eid, isdp_aid)
		WHERE p.state = 'Created' AND c.state = 'ended' AND NOT EXISTS (SELECT FROM e2e.piece i JOIN smsr.operation o ON o.eid = i.eid AND o.id = i.operation_id
			WHERE i.eid = p.eid AND i.isdp_aid = p.isdp_aid AND o.status NOT LIKE 'EXECUTED%')" >/dev/null
	[[ $(complete) != "$DOWNLOADS" ]] || break
	sql "SELECT smsr.delete_profile(eid, iccid) FROM smsr.profile WHERE state = 'Created'" >/dev/null
	all_end 30 "round $rounds: what broke is cleared away"
done
is "$(complete)" "$DOWNLOADS" \
	"all profiles are downloaded in the end, in $rounds rounds"
fleet_ctl faults loss=0 duplicate=0 delay=0 https_break=0 https_stall=0 https_forget=0 >/dev/null
sql "SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) u, smsr.request('audit_eis', eids)" >/dev/null
fleet_ctl call "$(eid_of 1)" >/dev/null
all_end 30 'audit of all'
agree 'the end'
is "$(fleet_ctl commands | awk -F '\t' 'NF >= 6 && $5 > 0')" '' 'no card executed a counter twice'
is "$(sql "SELECT count(*) FROM smsr.outbound")" 0 'nothing is left over'
is "$(sql "SELECT count(*) FROM smsr.send_data_piece")" 0 'nor a piece of a profile'
echo "# $(fleet_ctl stats | grep -E '^(https_|segments|downloads|mt_lost)' | tr '\n' ' ')"
is "$(grep -c -i -E 'panic|sanitizer|assert' "$logs/gateway.log" || true)" 0 'the gateway has nothing terrible in its log'
stack_gateway_stop

# The keys of sessions are on the cards, and nowhere else; nor is a profile.
"$fleet" eis --cards "$CARDS" --seed "$SEED" --https --wrap none --format copy --output "$work/clear.copy"
grep -o 'type="85" value="[0-9A-F]*"' "$work/clear.copy" | sed 's/.*value="\(.*\)"/\1/' >"$work/psk"
rm "$work/clear.copy"
sql CHECKPOINT >/dev/null
hunt "$work/psk" "$data" "$logs" >"$work/leaks"
is "$(wc -l <"$work/psk")" "$CARDS" 'there are keys to look for'
is "$(cat "$work/leaks")" '' 'and they are in no file of the server and in no log'
is "$(grep -c -E 'PANIC|TRAP|terminated by signal' "$logs/postgres.log" || true)" 0 'the server has nothing terrible in its log'
is "$(grep -E 'ERROR' "$logs/postgres.log" | grep -v -E 'terminating connection|the database system is' | head -n 5)" '' 'nor an error'
echo "1..$tests"
((failed == 0))
