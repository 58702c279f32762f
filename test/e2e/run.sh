#!/bin/bash
# End to end: the database, the gateway, a network that loses, doubles, reorders
# and delays, and simulated cards.  Prints TAP.
#
#   test/e2e/run.sh            about a minute and a half
#   SEED=7 test/e2e/run.sh     other cards, other accidents
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

SEED=${SEED:-1}
smsr_name='e2e'
# shellcheck source=scripts/stack.sh
. scripts/stack.sh

# shellcheck source=test/e2e/tap.sh
. test/e2e/tap.sh

# request FUNCTION CONDITION: a campaign over the profiles that meet it
request() {
	sql "SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
			FROM smsr.profile WHERE $2) AS chosen, smsr.request('$1', eids, iccids) WHERE eids IS NOT NULL"
}

agree() {
	stack_cards
	is "$(sql "${stack_differences}")" '' "$1: the database and the cards agree"
}

# What a lost packet, a crash or a retry must never lead to.
invariants() {
	is "$(fleet_ctl commands | awk -F '\t' 'NF >= 6 && $5 > 0')" '' "$1: no card executed a counter twice"
	stack_card_keys
	is "$(sql "SELECT k.eid FROM smsr.keyset k JOIN card_keys c USING (eid, kvn)
		WHERE k.type = 'SCP80' AND k.counter < c.counter")" '' "$1: no card is ahead of the counters here"
	is "$(sql "SELECT o.id, count(a.*) FROM smsr.operation o
			LEFT JOIN smsr.audit_trail a ON a.eid = o.eid AND a.operation_id = o.id AND a.status IS NOT NULL
		WHERE o.function <> 'confirm_notification' GROUP BY 1 HAVING count(a.*) <> 1")" '' \
		"$1: each operation ended once, with one record in the audit trail"
	is "$(sql "SELECT count(*) FROM smsr.outbound")" 0 "$1: no packet is left over"
}

stack_database "fsync = off" "smsr.retry_initial = '1s'" "smsr.retry_max = '3s'"
CARDS=100
stack_eis "$CARDS" --seed "$SEED"
stack_fleet "$CARDS" --seed "$SEED" --auto-personalize --refresh 0.05 --attach 1 --repeat 2 --tries 10
gateway_lease=3s
stack_gateway

# ---- the fleet is registered ----

psql -Xq -v ON_ERROR_STOP=1 -c "\\copy smsr.eis_inbox (document) from '$work/eis.copy'"
sql "SELECT smsr.register_inbox()" >/dev/null
is "$(sql "SELECT count(*) FROM smsr.euicc")" "$CARDS" 'all cards are registered'
is "$(sql "SELECT count(*) FROM smsr.eis_reject")" 0 'and no document was refused'
is "$(sql "SELECT count(*) FROM smsr.eis_inbox")" 0 'and the inbox is empty'
agree 'registered'

# ---- each function once, on a network without faults ----

read -r eid < <(sql "SELECT eid FROM smsr.euicc ORDER BY eid LIMIT 1")
first=$(sql "SELECT iccid FROM smsr.profile WHERE eid = '$eid' AND state = 'Enabled'")
second=$(sql "SELECT iccid FROM smsr.profile WHERE eid = '$eid' AND state = 'Disabled'")
third=89490700000000000017

op=$(sql "SELECT smsr.create_isdp('$eid', '$third', '1.3.6.1.4.1.99999.3', 40000)")
all_end 15 'create'
is "$(ended "$op")" EXECUTED_SUCCESS 'an ISD-P is created'
is "$(sql "SELECT state FROM smsr.profile WHERE eid = '$eid' AND iccid = '$third'")" Created 'it is Created'
op=$(sql "SELECT smsr.enable_profile('$eid', '$third')")
is "$(ended "$op" | cut -d' ' -f1-2)" 'FAILED 8.2.1' 'before its download has ended it can not be enabled'
op=$(sql "SELECT smsr.profile_download_completed(p.eid, p.iccid, 'test', (f.msisdn::bigint + 2)::text, (f.imsi::bigint + 2)::text)
	FROM smsr.profile p JOIN smsr.profile f ON f.eid = p.eid AND f.iccid = '$first' WHERE p.eid = '$eid' AND p.iccid = '$third'")
is "$(ended "$op")" EXECUTED_SUCCESS 'its download is completed'
agree 'create'

op=$(sql "SELECT smsr.enable_profile('$eid', '$second', call_id => 'once')")
again=$(sql "SELECT smsr.enable_profile('$eid', '$second', call_id => 'once')")
is "$again" "$op" 'the same call_id gives the same operation'
waiting=$(sql "SELECT smsr.enable_profile('$eid', '$third')")
all_end 15 'enable'
is "$(ended "$op")" EXECUTED_SUCCESS 'a profile is enabled'
is "$(ended "$waiting")" EXECUTED_SUCCESS 'a call that had to wait is carried out after it'
is "$(sql "SELECT iccid FROM smsr.profile WHERE eid = '$eid' AND state = 'Enabled'")" "$third" 'the last call decides'
agree 'enable'

op=$(sql "SELECT smsr.disable_profile('$eid', '$third')")
all_end 15 'disable'
is "$(ended "$op")" EXECUTED_SUCCESS 'a profile is disabled'
is "$(sql "SELECT iccid FROM smsr.profile WHERE eid = '$eid' AND state = 'Enabled'")" "$first" 'the card is on its fall-back profile'
agree 'disable'
op=$(sql "SELECT smsr.disable_profile('$eid', '$first')")
is "$(ended "$op" | cut -d' ' -f1)" FAILED 'the fall-back profile can not be disabled'

op=$(sql "SELECT smsr.set_fallback_attribute('$eid', '$second')")
all_end 15 'fall-back attribute'
is "$(ended "$op")" EXECUTED_SUCCESS 'the fall-back attribute is moved'
agree 'fall-back attribute'

op=$(sql "SELECT smsr.delete_profile('$eid', '$third')")
all_end 15 'delete'
is "$(ended "$op")" EXECUTED_SUCCESS 'a disabled profile is deleted'
agree 'delete'
op=$(sql "SELECT smsr.delete_profile('$eid', '$first')")
all_end 15 'delete an enabled profile'
is "$(ended "$op")" EXECUTED_SUCCESS 'an enabled profile is disabled and deleted'
agree 'delete an enabled profile'

op=$(sql "SELECT smsr.audit_eis('$eid')")
all_end 15 'audit'
is "$(ended "$op")" EXECUTED_SUCCESS 'the card is asked what it has'
agree 'audit'

# ---- what a card of SGP.02 v4 has, and what is only handed on ----

eid4=$(sql "SELECT eid FROM smsr.euicc ORDER BY eid OFFSET 3 LIMIT 1")
off=$(sql "SELECT iccid FROM smsr.profile WHERE eid = '$eid4' AND state = 'Disabled'")
sql "UPDATE smsr.euicc SET remote_provisioning_version = '4.2.0' WHERE eid = '$eid4'"
op=$(sql "SELECT smsr.set_emergency_profile_attribute('$eid4', '$off')")
all_end 15 'emergency attribute'
is "$(ended "$op") $(fleet_ctl card "$eid4" | grep -c 'emergency=yes')" 'EXECUTED_SUCCESS 1' 'the emergency attribute is set'
op=$(sql "SELECT smsr.unset_emergency_profile_attribute('$eid4', '$off')")
all_end 15 'no emergency attribute'
is "$(ended "$op") $(fleet_ctl card "$eid4" | grep -c 'emergency=yes')" 'EXECUTED_SUCCESS 0' 'and taken away'
op=$(sql "SELECT smsr.update_connectivity_parameters('$eid4', '$off', '\\x220C84E288000701020304050607'::bytea || '\\x220484E20001'::bytea)")
all_end 15 'connectivity parameters'
is "$(ended "$op")" EXECUTED_SUCCESS 'connectivity parameters are handed to the ISD-P'
is "$(sql "SELECT encode(response_data, 'hex') FROM smsr.operation WHERE id = $op")" ab0b8001022302900023029000 'whose answer is kept'
is "$(fleet_ctl commands "$eid4" | awk '$2 == "relayed" { print $3, $4 }' | tr '\n' ' ')" '000011 9000 000011 9000 ' 'and which executed each of them once'

# ---- refusals and policy ----

op=$(sql "SELECT smsr.enable_profile('89001012012341234012345678901224', '$first')")
is "$(ended "$op")" 'FAILED 8.1.1 3.9' 'an EID that is not registered is refused'
op=$(sql "SELECT smsr.enable_profile('$eid', '89490700000000000025')")
is "$(ended "$op")" 'FAILED 8.2.1 3.9' 'and so is an ICCID that the card does not have'

eid2=$(sql "SELECT eid FROM smsr.euicc ORDER BY eid OFFSET 1 LIMIT 1")
on=$(sql "SELECT iccid FROM smsr.profile WHERE eid = '$eid2' AND state = 'Enabled'")
off=$(sql "SELECT iccid FROM smsr.profile WHERE eid = '$eid2' AND state = 'Disabled'")
sql "SELECT smsr.update_policy_rules('$eid2', '$on', '{DISABLE/Not-Allowed}')" >/dev/null
op=$(sql "SELECT smsr.enable_profile('$eid2', '$off')")
is "$(ended "$op")" 'FAILED 8.2.3 3.8' 'POL2 of the enabled profile forbids another to be enabled'
sql "SELECT smsr.update_policy_rules('$eid2', '$on', '{}')" >/dev/null
op=$(sql "SELECT smsr.enable_profile('$eid2', '$off')")
all_end 15 'POL2'
is "$(ended "$op")" EXECUTED_SUCCESS 'and lifted, does not'
sql "SELECT smsr.update_policy_rules('$eid2', '$off', '{DISABLE/Auto-Delete}')" >/dev/null
op=$(sql "SELECT smsr.disable_profile('$eid2', '$off')")
all_end 15 'POL2 auto-delete'
is "$(sql "SELECT count(*) FROM smsr.profile WHERE eid = '$eid2' AND iccid = '$off'")" 0 'POL2 deletes a profile when it is disabled'
agree 'POL2'

# ---- the card decides by itself ----

eid3=$(sql "SELECT eid FROM smsr.euicc ORDER BY eid OFFSET 2 LIMIT 1")
op=$(sql "SELECT smsr.enable_profile(eid, iccid) FROM smsr.profile WHERE eid = '$eid3' AND state = 'Disabled'")
all_end 15 'before the fall-back'
fleet_ctl fallback "$eid3" >/dev/null
sleep 1
all_end 15 'fall-back'
is "$(sql "SELECT fallback_attribute FROM smsr.profile WHERE eid = '$eid3' AND state = 'Enabled'")" t 'the EIS follows a fall-back that nobody asked for'
agree 'fall-back'
invariants 'without faults'

# ---- now with losses, duplicates, delays, and a gateway that dies ----

fleet_ctl faults loss=0.05 duplicate=0.05 reorder=0.1 delay=0-150 refuse=0.03 >/dev/null
requested=$(request enable_profile "state = 'Disabled' AND eid <> '$eid'")
ok $((requested >= 50)) "a campaign over $requested cards"
sleep 0.7
stack_gateway_stop -KILL
stack_gateway
sleep 1
fleet_ctl outage 2 >/dev/null
all_end 40 'enable with faults'
requested=$(request disable_profile "state = 'Enabled' AND NOT fallback_attribute AND eid <> '$eid'")
sleep 0.5
stack_gateway_stop -TERM
stack_gateway
all_end 40 'disable with faults'
fleet_ctl faults loss=0 duplicate=0 reorder=0 delay=0 refuse=0 >/dev/null
sleep 3
all_end 20 'the end of the faults'
agree 'with faults'
invariants 'with faults'
is "$(sql "SELECT string_agg(DISTINCT status, ' ') FROM smsr.operation
	WHERE function IN ('enable_profile', 'disable_profile') AND requested_at > now() - interval '2 minutes'
		AND status NOT IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING')
		AND subject_code NOT IN ('8.1.1', '8.2.1', '8.2.3')")" '' 'and what was asked was done'
echo "# $(sql "SELECT string_agg(format('%s %s %s', n, function, status), ', ') FROM
	(SELECT function, status, count(*) AS n FROM smsr.operation GROUP BY 1, 2 ORDER BY 1, 2) AS s")"
echo "# $(fleet_ctl stats | grep -E '^(mt_lost|mo_lost|counter_low|rollbacks|notifications)=' | tr '\n' ' ')"

is "$(grep -c -i -E 'panic|fatal|sanitizer' "$logs/gateway.log" || true)" 0 'the gateway has nothing terrible in its log'

# ---- card keys are rotated, while messages are lost and the server is killed ----

fleet_ctl faults loss=0.1 duplicate=0.1 reorder=0.1 delay=0-500 no_por=0.05 >/dev/null
sql "SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS all_of_them, smsr.request('rotate_keys', eids, validity => '45 s')" >/dev/null
sleep 2
# what has been acknowledged is on disk: these settings are the test's own
sql 'CHECKPOINT' >/dev/null
kill -KILL "$(head -n 1 "$data/postmaster.pid")"
for ((i = 0; i < 50; i++)); do
	sleep 0.2
	if as_owner "$pgbin/pg_ctl" --pgdata="$data" --wait --silent --log="$logs/postgres.log" start >>"$logs/restart.log" 2>&1; then break; fi
done
echo "# killed at $(sql "SELECT string_agg(format('%s %s', n, s), ', ' ORDER BY s) FROM
	(SELECT coalesce(status, step, stage) AS s, count(*) AS n FROM smsr.operation WHERE function = 'rotate_keys' GROUP BY 1) AS t")"
all_end 150 'rotation'
rotated_ok() {
	sql "SELECT e.eid FROM smsr.euicc e WHERE NOT EXISTS (SELECT FROM smsr.keyset k JOIN card_keys c USING (eid, kvn)
		WHERE k.eid = e.eid AND k.state = 'active' AND encode(k.check_values, 'hex') = c.check_values)"
}
fleet_ctl faults loss=0 duplicate=0 reorder=0 delay=0-0 no_por=0 >/dev/null
stack_card_keys
is "$(rotated_ok)" '' 'rotation: each card has the key set that is active here'
sql "SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.keyset WHERE state = 'pending') AS open, smsr.request('rotate_keys', eids) WHERE eids IS NOT NULL" >/dev/null
all_end 60 'rotation, what was left open'
stack_card_keys
is "$(rotated_ok)" '' 'rotation: each card has the key set that is active here, again'
is "$(sql "SELECT count(*) FROM smsr.keyset WHERE state = 'pending'")" 0 'rotation: nothing is left open'
is "$(sql "SELECT count(*) FROM smsr.keyset WHERE state = 'active' AND kvn <> 2")" "$CARDS" 'rotation: each has a new one'
before=$(sql "SELECT max(id) FROM smsr.operation")
request enable_profile "state = 'Disabled' AND iccid IS NOT NULL AND msisdn IS NOT NULL
	AND (eid, isdp_aid) IN (SELECT DISTINCT ON (eid) eid, isdp_aid FROM smsr.profile WHERE state = 'Disabled' AND iccid IS NOT NULL AND msisdn IS NOT NULL ORDER BY eid, isdp_aid)" >/dev/null
all_end 60 'enabled under the new keys'
is "$(sql "SELECT function, status, subject_code, message, count(*) FROM smsr.operation
	WHERE id > $before AND status NOT LIKE 'EXECUTED%' AND subject_code NOT IN ('8.2.1', '8.2.2', '8.2.3') GROUP BY 1, 2, 3, 4")" '' 'and all of them were'
agree 'rotation'
invariants 'rotation'

# The new keys are on the cards, and nowhere else: in no log, table, file of the
# server's, in whatever case or coding.
sql CHECKPOINT >/dev/null
awk -F '\t' '$2 != 2 { print $5; print $6; print $7 }' "$work/card_keys.tsv" >"$work/new_keys"
hunt "$work/new_keys" "$data" "$logs" >"$work/leaks"
is "$(wc -l <"$work/new_keys")" "$((3 * CARDS))" 'there are keys to look for'
is "$(cat "$work/leaks")" '' 'and they are in no file of the server and in no log'

stack_gateway_stop
is "$(grep -c -E 'PANIC|TRAP|terminated by signal' "$logs/postgres.log" || true)" 0 'nor has the server'
echo "1..$tests"
((failed == 0))
