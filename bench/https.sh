# Sessions that cards open over HTTPS, and what comes through them.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2154,SC2034

# Cards with a key for sessions and an ISD-P that waits for its profile; they call in
# by themselves, so that no short message is measured.
https_cards() {
	local n=$1 first=90000001
	make -s build/https-peers PG_CONFIG="$PG_CONFIG"
	gcc -O2 -std=c11 -D_GNU_SOURCE -Wall -o "$work/bare_https" bench/bare_https.c -lssl -lcrypto
	stack_eis "$n" --https --first "$first"
	psql -Xq -v ON_ERROR_STOP=1 -c "\copy smsr.eis_inbox (document) from '$work/eis.copy'"
	query "SELECT smsr.register_inbox()" >/dev/null
	# what they have besides in clear
	"$fleet" eis --cards "$n" --https --first "$first" --wrap none --format xml-per-line |
		sed -n 's/.*<Eid>\([0-9]*\)<.*type="85" value="\([0-9A-F]*\)".*/8001028110\14F10A0000005591010FFFFFFFF8900000100820101830140\t\2/p' >"$work/identities"
	rm "$work/eis.copy"
	query "SET client_min_messages = warning; DROP TABLE IF EXISTS https_card; CREATE TABLE https_card AS
		SELECT row_number() OVER (ORDER BY eid) AS n, eid, 'A0000005591010FFFFFFFF8900009900'::smsr.aid AS isdp_aid
		FROM smsr.keyset WHERE type = 'SCP81'; ANALYZE https_card"
	if (($(query "SELECT count(*) FROM https_card") != n || $(wc -l <"$work/identities") != n)); then
		echo "Not all cards have a key for sessions" >&2
		return 1
	fi
	query "INSERT INTO smsr.https_polls (first, last) SELECT min(eid), max(eid) FROM https_card"
	query "INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state)
		SELECT eid, isdp_aid, bench_iccid(n), '1.3.6.1.4.1.99999.3', 'Created' FROM https_card"
	query "VACUUM ANALYZE"
}

# The gateway, for a database and with nothing but sessions to do.
https_gateway() {
	cat >"$work/gateway.conf" <<-CONF
		[gateway]
		database = host=$PGHOST port=$PGPORT dbname=$1 user=demo_gateway
		tick_interval = 0
		statistics_interval = 0

		[https cards]
		address = 127.0.0.1
		port = $https_port
	CONF
	chmod 600 "$work/gateway.conf"
	"$gateway" --config "$work/gateway.conf" >>"$logs/gateway.log" 2>&1 &
	gateway_pid=$!
	at_exit "stop_process $gateway_pid"
	# the first sessions come when it has its connections
	sleep 1
}

# A database that answers the same whoever asks: a script of $1 octets to each but
# the last of $2 requests.
https_constant() {
	createdb constant
	psql -Xq -d constant -v ON_ERROR_STOP=1 >/dev/null <<-SQL
		CREATE SCHEMA smsr;
		GRANT USAGE ON SCHEMA smsr TO demo_gateway;
		CREATE FUNCTION smsr.https_psk(identity text) RETURNS bytea LANGUAGE plpgsql STABLE
			AS \$\$ BEGIN RETURN '\\x$https_key'; END \$\$;
		CREATE FUNCTION smsr.https_request(identity text, method text, uri text, INOUT headers jsonb, INOUT body bytea,
				gateway text, session text, OUT status int, OUT hold interval) LANGUAGE plpgsql
			AS \$\$
			DECLARE
				n int := coalesce(substring(uri FROM 'script=([0-9]+)')::int, 0) + 1;
			BEGIN
				IF n < $2 THEN
					status := 200;
					headers := jsonb_build_object('Content-Type', 'application/vnd.globalplatform.card-content-mgt;version=1.0',
						'X-Admin-Protocol', 'globalplatform-remote-admin/1.0', 'X-Admin-Next-URI', '/gsma/adminagent?script=' || n,
						'X-Admin-Targeted-Application', '//aid/A000000559/1010FFFFFFFF8900009900');
					body := '\\xae80' || decode('86' || '82' || lpad(to_hex($1), 4, '0'), 'hex') || decode(repeat('5a', $1), 'hex') || '\\x0000';
				ELSE
					status := 204;
					headers := '{"X-Admin-Protocol": "globalplatform-remote-admin/1.0"}';
					body := NULL;
				END IF;
			END \$\$;
		CREATE FUNCTION smsr.https_next(identity text, gateway text, session text,
				OUT status int, OUT headers jsonb, OUT body bytea, OUT hold interval) LANGUAGE plpgsql
			AS \$\$ BEGIN status := 204; END \$\$;
		CREATE FUNCTION smsr.https_closed(identity text, gateway text, session text, reason text) RETURNS void LANGUAGE plpgsql
			AS \$\$ BEGIN END \$\$;
	SQL
}

# Sessions of the first $3 cards, each to its end: sets $https_seconds.
https_run() {
	local port=$1 identities=$2 sessions=$3 parallel=$4 said done_of failed
	said=$(build/https-peers --port "$port" --identities "$identities" --sessions "$sessions" --parallel "$parallel" --follow --timeout 600)
	read -r _ done_of _ failed _ < <(echo "$said")
	if ((done_of != sessions || failed > 0)); then
		echo "Not all sessions came to their end: $said" >&2
		return 1
	fi
	https_seconds=$(sed -n 's/.* seconds \([0-9.]*\).*/\1/p' <<<"$said")
}

# OpenSSL alone, the gateway with a constant, all of it: sets three times.
# $1 sessions, $2 at once, $3 octets a script, $4 scripts each
https_three() {
	local sessions=$1 parallel=$2 octets=$3 scripts=$4 bare
	sed "s/\t.*/\t$https_key/" "$work/identities" >"$work/constant"
	coproc BARE { exec "$work/bare_https" "$https_key" "$octets" $((scripts + 1)); }
	bare=$BARE_PID
	read -r port <&"${BARE[0]}"
	https_run "$port" "$work/constant" "$sessions" "$parallel"
	https_alone=$https_seconds
	kill "$bare"
	wait "$bare" 2>/dev/null || true
	https_constant "$octets" $((scripts + 1))
	https_gateway constant
	https_run "$https_port" "$work/constant" "$sessions" "$parallel"
	https_simple=$https_seconds
	stack_gateway_stop
	dropdb constant
	https_gateway "$PGDATABASE"
	https_run "$https_port" "$work/identities" "$sessions" "$parallel"
	https_whole=$https_seconds
	stack_gateway_stop
}

bench_https() {
	registered
	local n k pieces left
	n=$(times 2000)
	k=$(times 20)
	clear_operations
	stack_https
	https_key=$(od -An -vtx1 -N16 /dev/urandom | tr -d ' \n')
	query "CREATE OR REPLACE FUNCTION bench_iccid(n bigint) RETURNS smsr.iccid LANGUAGE sql AS \$\$
		SELECT (base || (10 - sum % 10) % 10)::smsr.iccid
		FROM (SELECT base, sum(CASE WHEN i % 2 = 1 THEN CASE WHEN 2 * d > 9 THEN 2 * d - 9 ELSE 2 * d END ELSE d END)
			FROM (SELECT '894907' || lpad(n::text, 12, '0') AS base) b,
				LATERAL (SELECT i, substr(reverse(base), i, 1)::int AS d FROM generate_series(1, 18) i) digits
			GROUP BY base) sums (base, sum) \$\$"
	https_cards "$n"

	heading "Sessions over HTTPS: handshake, a script of 1 000 octets, its answer, the end; $(group "$n") cards, 50 at once, fsync on"
	query "SELECT count(smsr.send_data(eid, isdp_aid, '\x868203e8' || decode(repeat('5a', 1000), 'hex'))) FROM https_card" >/dev/null
	query "CHECKPOINT"
	https_three "$n" 50 1000 1
	left=$(query "SELECT count(*) FROM smsr.operation WHERE status IS DISTINCT FROM 'EXECUTED_SUCCESS'")
	if ((left > 0)); then
		query "SELECT status, message, count(*) FROM smsr.operation GROUP BY 1, 2" >&2
		return 1
	fi
	figure "OpenSSL alone, in C, always the same answer" "$(per_second "$n" "$https_alone")" "sessions/s"
	figure "smsr-gateway, from a database always the same answer" "$(per_second "$n" "$https_simple")" "sessions/s"
	figure "smsr-gateway and smsr" "$(per_second "$n" "$https_whole")" "sessions/s"
	ratio "smsr to the constant" "$https_simple" "$https_whole"
	clear_operations

	# pieces of 8 000 octets, as an SM-DP makes them
	pieces=25
	heading "Profiles of 200 000 octets to $k cards at once, $pieces calls of send_data each, fsync on"
	query "SELECT count(smsr.send_data(eid, isdp_aid, '\x86821f40' || decode(repeat(lpad(to_hex(p), 2, '0'), 8000), 'hex'), p < $pieces))
		FROM (SELECT * FROM https_card WHERE n <= $k) c, generate_series(1, $pieces) p" >/dev/null
	head -n "$k" "$work/identities" >"$work/some" && mv "$work/some" "$work/identities"
	query "CHECKPOINT"
	https_three "$k" "$k" 8000 "$pieces"
	left=$(query "SELECT count(*) FROM smsr.operation WHERE status IS DISTINCT FROM 'EXECUTED_SUCCESS'")
	if ((left > 0)); then
		query "SELECT status, message, count(*) FROM smsr.operation GROUP BY 1, 2" >&2
		return 1
	fi
	figure "OpenSSL alone" "$(per_second $((k * 200)) "$https_alone")" "kB/s"
	figure "smsr-gateway, from a database always the same answer" "$(per_second $((k * 200)) "$https_simple")" "kB/s"
	figure "smsr-gateway and smsr" "$(per_second $((k * 200)) "$https_whole")" "kB/s"
	ratio "smsr to the constant" "$https_simple" "$https_whole"
	query "DROP TABLE https_card"
	clear_operations
}
