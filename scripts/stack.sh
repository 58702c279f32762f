# shellcheck shell=bash
# What the demo, the end-to-end test and the bench stand on: a throwaway server
# with smsr, a simulated fleet whose EIS it knows, and the gateway in between.
# All of it is local: a Unix socket for SQL, 127.0.0.1 for SMPP.
#
#   stack_database [setting...]      server, extension, keys, parties, roles
#   stack_eis CARDS [option...]      the fleet's EIS documents, in $work/eis.copy
#   stack_fleet CARDS [option...]    the simulated cards
#   stack_https                      where cards open sessions: sets $https_port
#   stack_gateway                    with HTTPS, if there is a $https_port
#   stack_gateway_stop [signal]
#   stack_cards                      the cards' truth into table cards
#   stack_card_keys                  their key sets into table card_keys
#   $stack_differences               a query: what cards and database disagree on

# shellcheck source=scripts/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

stack_eum=1.3.6.1.4.1.99999.1
fleet="$smsr_root/build/smsr-fleet"
gateway="$smsr_root/build/smsr-gateway"
gateway_pid=
fleet_pid=

stack_database() {
	smsr_build all build/smsr-gateway build/smsr-fleet
	make_work
	make_kek
	cluster_start "smsr.kek_file = '$work/kek'" "$@"
	as_owner sh -c "umask 077; od -An -vtx1 -N16 /dev/urandom | tr -d ' \n' >'$work/transport.key'"
	psql -XAtq -v ON_ERROR_STOP=1 -v ci="$("$fleet" ci)" >/dev/null <<-SQL
		CREATE EXTENSION smsr;
		SELECT smsr.trust_ci(convert_to(:'ci', 'UTF8'), 'simulated fleet');
		SELECT smsr.create_storage_key();
		SELECT smsr.import_transport_key_file('$stack_eum', 'aes-kw', '$work/transport.key');
		INSERT INTO smsr.party (oid, kind, name) VALUES
			('$stack_eum', 'EUM', 'Example Cards'),
			('1.3.6.1.4.1.99999.2', 'SM-DP', 'Example Downloads'),
			('1.3.6.1.4.1.99999.3', 'MNO', 'North Mobile'),
			('1.3.6.1.4.1.99999.4', 'MNO', 'South Mobile');
		INSERT INTO smsr.party_role (role_name, party_id, bound_by) VALUES
			('north_mobile', '1.3.6.1.4.1.99999.3', current_user),
			('south_mobile', '1.3.6.1.4.1.99999.4', current_user);
		INSERT INTO smsr.route (mno_id, gateway) VALUES
			('1.3.6.1.4.1.99999.3', 'north'),
			('1.3.6.1.4.1.99999.4', 'south');
		CREATE ROLE demo_gateway LOGIN;
		SELECT smsr.grant_gateway('demo_gateway');
	SQL
}

# Keys are wrapped as an EUM wraps them.  The key file is the server's: only
# its owner may read it.
stack_eis() {
	local cards=$1
	shift
	as_owner cat "$work/transport.key" >"$work/transport.key.eum"
	"$fleet" eis --cards "$cards" --wrap aes-kw --transport-key-file "$work/transport.key.eum" \
		--format copy --output "$work/eis.copy" "$@"
	rm "$work/transport.key.eum"
}

stack_fleet() {
	local cards=$1 i
	shift
	rm -f "$work/fleet.port"
	"$fleet" run --cards "$cards" --smsc 0:north:secret --smsc 0:south:secret \
		--control "$work/fleet.sock" --port-file "$work/fleet.port" "$@" \
		>"$logs/fleet.log" 2>&1 &
	fleet_pid=$!
	# shellcheck disable=SC2064
	at_exit "stop_process $fleet_pid"
	for ((i = 0; i < 200; i++)); do
		[[ ! -e $work/fleet.port ]] || break
		kill -0 "$fleet_pid" 2>/dev/null || break
		sleep 0.05
	done
	if [[ ! -e $work/fleet.port ]]; then
		cat "$logs/fleet.log" >&2
		return 1
	fi
	IFS=, read -r north_port south_port < <(sed -n 's/.*smpp=\([0-9,]*\).*/\1/p' "$work/fleet.port")
}

fleet_ctl() { "$fleet" ctl "$work/fleet.sock" "$@"; }

# A port that is free now; cards and gateway have to agree on it.
stack_https() {
	https_port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport')
}

stack_gateway() {
	cat >"$work/gateway.conf" <<-CONF
		[gateway]
		database = host=$PGHOST port=$PGPORT dbname=$PGDATABASE user=demo_gateway
		poll_interval = ${gateway_poll:-200ms}
		tick_interval = 500ms
		lease = ${gateway_lease:-10s}
		statistics_interval = 10s
		${gateway_settings:-}

		[bind north]
		host = 127.0.0.1
		port = $north_port
		system_id = north
		password = secret
		source = 491700000000
		window = ${gateway_window:-200}
		reconnect_min = 100ms
		throttle_min = 100ms

		[bind south]
		host = 127.0.0.1
		port = $south_port
		system_id = south
		password = secret
		source = 491700000000
		window = ${gateway_window:-200}
		reconnect_min = 100ms
		throttle_min = 100ms
	CONF
	[[ -z ${https_port:-} ]] || cat >>"$work/gateway.conf" <<-CONF

		[https cards]
		address = 127.0.0.1
		port = $https_port
		${https_settings:-}
	CONF
	chmod 600 "$work/gateway.conf"
	"$gateway" --config "$work/gateway.conf" >>"$logs/gateway.log" 2>&1 &
	gateway_pid=$!
	# shellcheck disable=SC2064
	at_exit "stop_process $gateway_pid"
}

stack_gateway_stop() {
	kill "${1:--TERM}" "$gateway_pid" 2>/dev/null || true
	wait "$gateway_pid" 2>/dev/null || true
}

# The truth, from the cards themselves.
stack_cards() {
	fleet_ctl dump >"$work/cards.tsv"
	psql -Xq -v ON_ERROR_STOP=1 <<-SQL
		SET client_min_messages = warning;
		DROP TABLE IF EXISTS cards;
		CREATE TABLE cards (eid smsr.eid, isdp_aid smsr.aid, iccid smsr.iccid, state text,
			fallback_attribute boolean, msisdn text, counter bigint);
		\copy cards from '$work/cards.tsv'
	SQL
}

# Their key sets, into table card_keys: by check values, the keys stay outside.
stack_card_keys() {
	fleet_ctl keys | grep -v '^ok$' >"$work/card_keys.tsv"
	cut -f 1-4 "$work/card_keys.tsv" | tr 'A-F' 'a-f' >"$work/card_check_values.tsv"
	psql -Xq -v ON_ERROR_STOP=1 <<-SQL
		SET client_min_messages = warning;
		DROP TABLE IF EXISTS card_keys;
		CREATE TABLE card_keys (eid smsr.eid, kvn int, counter bigint, check_values text);
		\copy card_keys from '$work/card_check_values.tsv'
	SQL
}

# A card does not know the ICCID and the number of a profile that was created
# over the air before its download; where it does, they count.
# shellcheck disable=SC2034
stack_differences="SELECT coalesce(c.eid, p.eid) AS eid, coalesce(c.isdp_aid, p.isdp_aid) AS isdp_aid,
       c.state AS on_card, p.state AS in_database
FROM cards c FULL JOIN smsr.profile p ON p.eid = c.eid AND p.isdp_aid = c.isdp_aid
WHERE p.state IS DISTINCT FROM c.state
   OR p.fallback_attribute IS DISTINCT FROM c.fallback_attribute
   OR p.msisdn IS DISTINCT FROM c.msisdn
   OR p.iccid IS DISTINCT FROM coalesce(c.iccid, p.iccid);"
