# More than one database.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2154,SC2034

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
	figure "smsr.register_eis() of all at once, by the router" "$(per_second "$n" "$t")" "eUICCs/s"
	if (($(psql -XAtq "${router[@]}" -c 'SELECT count(*) FROM smsr.euicc') != n)); then
		echo "Not all of the fleet is registered" >&2
		return 1
	fi
	for t in 5441 5442 5443 5444; do psql -Xq -p "$t" -d postgres -c 'VACUUM ANALYZE'; done

	one=$(calls "$PGPORT" "$PGDATABASE")
	many=$(calls 5445 postgres)
	figure "one call after another, 8 at a time: one database" "$one" "calls/s"
	figure "by the router" "$many" "calls/s"
	ratio "router to one database" "$many" "$one"
	t="SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM card) c, smsr.request('audit_eis', eids)"
	one=$(seconds "$t")
	many=$(PGPORT=5445 PGDATABASE=postgres seconds "$t")
	figure "one bulk call for all: one database" "$(per_second "$n" "$one")" "eUICCs/s"
	figure "by the router, split" "$(per_second "$n" "$many")" "eUICCs/s"
	ratio "router to one database" "$one" "$many"
	one=$(seconds "SELECT count(*) FROM smsr.operation WHERE status IS NULL" 3)
	many=$(PGPORT=5445 PGDATABASE=postgres seconds "SELECT sum((q ->> 'n')::int) FROM smsr.fleet_query('SELECT count(*) AS n FROM smsr.operation WHERE status IS NULL') q" 3)
	figure "counting what is open: one database" "$(awk -v s="$one" 'BEGIN { print s * 1e6 }')" "us"
	figure "smsr.fleet_query() of all shards" "$(awk -v s="$many" 'BEGIN { print s * 1e6 }')" "us"
	clear_operations
}
