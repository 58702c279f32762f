# A tenant with SQL of its own, which may create what it likes in a schema of
# its own, tries to see, guess or hold up what is another's.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('tenant');
$node->init;
$node->append_conf('postgresql.conf', "lock_timeout = '2s'\nautovacuum = off\n");
$node->start;

my $mine = '1.3.6.1.4.1.99999.3';
my $theirs = '1.3.6.1.4.1.99999.4';
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION smsr;
SELECT smsr.install_roles();
CREATE ROLE tenant LOGIN;
CREATE ROLE rival LOGIN;
CREATE ROLE admin LOGIN;
CREATE ROLE pool LOGIN;
GRANT smsr_administrator TO admin;
GRANT tenant, rival TO pool;
SELECT smsr.register_party('$mine', 'MNO', 'North Mobile', 'tenant');
SELECT smsr.register_party('$theirs', 'MNO', 'South Mobile', 'rival');
CREATE SCHEMA own AUTHORIZATION tenant;
GRANT CREATE, TEMPORARY ON DATABASE postgres TO tenant;
CREATE FUNCTION eid(n int) RETURNS smsr.eid LANGUAGE sql AS \$\$
	SELECT d || lpad((98 - (d || '00')::numeric % 97)::text, 2, '0') FROM (SELECT '890010120123412340' || lpad(n::text, 12, '0')) AS v (d)
\$\$;
CREATE FUNCTION aid(n int) RETURNS smsr.aid LANGUAGE sql AS \$\$
	SELECT ('A0000005591010FFFFFFFF89' || lpad(upper(to_hex(n)), 6, '0') || '00')::smsr.aid
\$\$;
-- 1 to 10 are the tenant's, 11 to 210 the rival's
INSERT INTO smsr.euicc (eid, eum_id, smsr_id, production_date, platform_type, platform_version,
	isdp_loadfile_aid, isdp_module_aid, isdr_aid, cattp_support, http_support,
	secure_packet_version, remote_provisioning_version, remaining_memory, available_memory)
SELECT eid(n), '1.3.6.1.4.1.99999.1', '1.3.6.1.4.1.99999.9', now(), 'type', '1.0',
	aid(13), aid(14), aid(1), false, false, '12.0.0', '3.2.0', 500000, 500000
FROM generate_series(1, 210) AS n;
INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, smdp_id, profile_type, state, msisdn)
SELECT eid(n), aid(16), ('894400000000' || lpad(n::text, 6, '0') || '0')::smsr.iccid, CASE WHEN n <= 10 THEN '$mine' ELSE '$theirs' END,
	'1.3.6.1.4.1.99999.2', 'meter', 'Disabled', CASE WHEN n <= 10 THEN '4911' ELSE '4922' END || n
FROM generate_series(1, 210) AS n;
SELECT smsr.maintain(2);
ANALYZE;
SQL
my %eid = map { $_ => $node->safe_psql('postgres', "SELECT eid($_)") } 1, 11, 211;
my ($own, $foreign, $unknown) = @eid{ 1, 11, 211 };
my $foreign_iccid = $node->safe_psql('postgres', "SELECT iccid FROM smsr.profile WHERE eid = '$foreign'");
# Something of the rival's is under way, and is not the tenant's to know of.
$node->safe_psql('postgres', "SELECT smsr.enable_profile('$foreign', '$foreign_iccid', call_id => 'rival-secret')",
	extra_params => [ '-U', 'rival' ]);

sub as
{
	my ($role, $sql) = @_;
	my ($out, $err) = ('', '');
	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 0, on_error_die => 0,
		extra_params => [ '-U', $role ]);
	return ($out, $err);
}

# Nothing of the rival's may stand anywhere in what comes back.
sub blind
{
	my ($name, $sql) = @_;
	my ($out, $err) = as('tenant', $sql);
	# what the statement itself said is no news
	(my $news = $err) =~ s/^(?:.*LINE \d+:.*|.*CONTEXT:.*)$//mg;
	unlike("$out\n$news", qr/4922|rival-secret|89440000000000002|South/, "$name: nothing of another's is seen");
	return ($out, $err);
}

sub refused
{
	my ($name, $sql, $why) = @_;
	my ($out, $err) = blind($name, $sql);
	like($err, $why // qr/permission denied|must be (?:owner|superuser|member)|must have admin option/, "$name: refused");
	return;
}

sub same
{
	my ($name, $sql, $expected) = @_;
	my ($out, $err) = blind($name, $sql);
	is($out, $expected, $name) or diag($err);
	return;
}

# The test itself can see: the words that it looks for are there.
like($node->safe_psql('postgres', 'SELECT string_agg(msisdn, $$,$$) FROM smsr.profile'), qr/4922/, 'the rival has profiles');
same('its own', 'SELECT count(*) FROM smsr.my_profile', 10);
same('its own eUICCs', 'SELECT count(*) FROM smsr.my_euicc', 10);
same('its own operations', 'SELECT count(*) FROM smsr.my_operation', 0);

# ---- reading ----

my @tables = split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') ORDER BY 1
SQL
for my $table (@tables)
{
	blind("SELECT of $table", "SELECT * FROM $table");
	blind("COPY of $table", "COPY $table TO STDOUT; COPY (SELECT * FROM $table) TO STDOUT; COPY (SELECT t.* FROM $table t) TO STDOUT");
	blind("row of $table", "SELECT t FROM $table t");
	blind("json of $table", "SELECT to_jsonb(t) FROM $table t; SELECT row_to_json(t) FROM $table t; TABLE $table");
	refused("writing to $table", "INSERT INTO $table DEFAULT VALUES; DELETE FROM $table; TRUNCATE $table; LOCK TABLE $table IN EXCLUSIVE MODE",
		qr/permission denied|cannot (?:change|open|insert)|is not a table/);
}
refused('what other operators call', 'SELECT left_aid, response_data FROM smsr.operation');
blind('table_to_xml', "SELECT table_to_xml('smsr.profile', true, false, ''); SELECT query_to_xml('SELECT * FROM smsr.profile', true, false, '')");
blind('schema_to_xml', "SELECT schema_to_xml('smsr', true, false, '')");

# ---- functions of its own that tell what they are given ----

$node->safe_psql('postgres', <<'SQL', extra_params => [ '-U', 'tenant' ]);
CREATE FUNCTION own.tell(v text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 0.0000001 AS $$
	BEGIN RAISE NOTICE 'saw %', v; RETURN true; END $$;
CREATE FUNCTION own.tell_eq(a text, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0000001 AS $$
	BEGIN RAISE NOTICE 'saw % %', a, b; RETURN true; END $$;
CREATE OPERATOR own.= (LEFTARG = text, RIGHTARG = text, FUNCTION = own.tell_eq);
CREATE OPERATOR own.@@@ (LEFTARG = text, RIGHTARG = text, FUNCTION = own.tell_eq, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE FUNCTION own.requester() RETURNS text LANGUAGE sql AS $$ SELECT '1.3.6.1.4.1.99999.4' $$;
CREATE TABLE own.party_role (role_name name, party_id text);
CREATE TABLE own.probe (v text);
INSERT INTO own.probe SELECT '4922' || n FROM generate_series(1, 300) n;
ANALYZE own.probe;
SQL
my ($out, $err) = blind('a function that tells', 'SELECT count(*) FROM smsr.profile WHERE own.tell(msisdn)');
is($out, 10, 'it is called for what the tenant sees');
is(() = $err =~ /saw/g, 10, 'and for nothing else');
for my $table (qw(profile my_profile euicc my_euicc operation my_operation notice my_notice plma onc party eid_range))
{
	blind("telling rows of $table", "SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM smsr.$table t WHERE own.tell(t::text)");
}
blind('telling joins', "SELECT count(*) FROM smsr.profile p JOIN smsr.profile q ON own.tell_eq(p.msisdn, q.msisdn)");
blind('telling operators', "SELECT count(*) FROM smsr.profile p, own.probe o WHERE p.msisdn OPERATOR(own.\@\@\@) o.v AND o.v NOT LIKE '4922%'");
blind('a view', 'CREATE VIEW own.v AS SELECT * FROM smsr.profile WHERE own.tell(msisdn); SELECT * FROM own.v');
blind('a view that claims to bar', 'CREATE VIEW own.w WITH (security_barrier) AS SELECT * FROM smsr.profile; SELECT * FROM own.w WHERE own.tell(msisdn)');
blind('casts that fail', "SELECT (msisdn || 'x')::int FROM smsr.profile WHERE mno_id = '$theirs'");
blind('division by zero', "SELECT 1 / (length(msisdn) - length(msisdn)) FROM smsr.profile WHERE msisdn LIKE '4922%'");
refused('functions that are leakproof', 'ALTER FUNCTION own.tell(text) LEAKPROOF', qr/only superuser can define a leakproof function/);
same('operators of its own', 'SET search_path = own, pg_catalog, smsr; SELECT count(*) FROM smsr.profile', 10);
same('aggregates', "SELECT coalesce(max(msisdn) FILTER (WHERE mno_id = '$theirs'), 'none') FROM smsr.profile", 'none');

# ---- who it is ----

same('names before ours', "SET search_path = own, pg_temp, smsr, pg_catalog; CREATE TEMP TABLE party_role (role_name name, party_id text);
	INSERT INTO pg_temp.party_role VALUES ('tenant', '$theirs'); INSERT INTO own.party_role VALUES ('tenant', '$theirs');
	SELECT count(*) FROM smsr.profile", 10);
$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION shadow() RETURNS SETOF text LANGUAGE sql AS \$\$
	SELECT format('CREATE TEMP TABLE %I AS TABLE smsr.%I WITH NO DATA', relname, relname) FROM pg_class
	WHERE relnamespace = 'smsr'::regnamespace AND relkind IN ('r', 'p') AND has_table_privilege('tenant', oid, 'SELECT')
	UNION ALL SELECT format('CREATE TEMP TABLE IF NOT EXISTS %I (eid text, role_name name, party_id text, mno_id text, oid text, kind text)', relname)
	FROM pg_class WHERE relnamespace = 'smsr'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
\$\$;
GRANT EXECUTE ON FUNCTION shadow() TO tenant;
SQL
same('every table shadowed', "SET client_min_messages = error; SELECT format('%s', s) FROM shadow() s \\gexec
	INSERT INTO pg_temp.party_role (role_name, party_id) VALUES ('tenant', '$theirs');
	SET search_path = pg_temp, smsr;
	SELECT (SELECT o.message FROM smsr.my_operation o WHERE o.id = f.id)
	FROM smsr.enable_profile('$foreign', '$foreign_iccid') f (id) \\gset
	SELECT string_agg(DISTINCT message, '') FROM smsr.my_operation WHERE eid = '$foreign'", 'the EID is not registered here');
for my $setting ('role = rival', 'role = postgres', 'role = smsr_administrator', 'session_authorization = rival',
	"smsr.smsr_id = '$mine'", "smsr.kek_file = '/tmp/x'", 'session_replication_role = replica')
{
	refused("SET $setting", "SET $setting; SELECT count(*) FROM smsr.profile", qr/permission denied|cannot be changed/);
}
refused('row_security = off', 'SET row_security = off; SELECT count(*) FROM smsr.profile', qr/would be affected by row-level security/);
refused('a placeholder before the library is loaded', "SET smsr.smsr_id = '$mine'; SELECT smsr.requester() AS r", qr/cannot be changed|permission denied/);
refused('becoming an administrator', 'GRANT smsr_administrator TO tenant');
refused('becoming the rival', 'GRANT rival TO tenant');
refused('binding itself', "SELECT smsr.bind_role('$theirs', 'tenant')");
same('the group of tenants is nobody', 'SET ROLE smsr_tenant; SELECT count(*) FROM smsr.profile', 0);

# ---- what stands behind ----

my @internal = split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT format('SELECT smsr.%I(%s)', p.proname, (SELECT string_agg(format('(SELECT NULL::%s)', format_type(t, NULL)), ', ' ORDER BY n)
	FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u (t, n)))
FROM pg_proc p
WHERE p.pronamespace = 'smsr'::regnamespace AND p.prokind = 'f' AND p.provolatile = 'v' AND p.prorettype <> 'trigger'::regtype
	AND NOT has_function_privilege('tenant', p.oid, 'EXECUTE')
SQL
cmp_ok(scalar(@internal), '>', 30, 'internal functions are found');
{
	my (undef, $all) = as('tenant', join(";\n", @internal));
	my @refusals = $all =~ /ERROR:  permission denied for function/g;
	is(scalar(@refusals), scalar(@internal), 'none of the functions that write and are not its own is callable')
		or diag(join "\n", grep { /ERROR/ && !/permission denied for function/ } split /\n/, $all);
}
refused('a trigger', 'CREATE FUNCTION own.t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
	CREATE TRIGGER t BEFORE UPDATE ON smsr.profile FOR EACH ROW EXECUTE FUNCTION own.t()');
refused('a rule', 'CREATE RULE r AS ON SELECT TO smsr.profile DO INSTEAD NOTHING');
refused('a policy', 'CREATE POLICY p ON smsr.profile USING (true)');
refused('no more row level security', 'ALTER TABLE smsr.profile DISABLE ROW LEVEL SECURITY');
refused('a comment', "COMMENT ON TABLE smsr.profile IS 'x'");
refused('an event trigger', 'CREATE FUNCTION own.e() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
	CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION own.e()', qr/permission denied to create event trigger/);
refused('a function in the schema', 'CREATE FUNCTION smsr.requester(x int) RETURNS text LANGUAGE sql AS $$ SELECT 1::text $$');
refused('another body for a function', 'CREATE OR REPLACE FUNCTION smsr.requester() RETURNS text LANGUAGE sql AS $$ SELECT 1::text $$');
refused('a cast', 'CREATE CAST (smsr.eid AS int) WITH INOUT');
refused('a foreign key', 'CREATE TABLE own.fk (eid smsr.eid REFERENCES smsr.euicc)');
refused('inheritance', 'CREATE TABLE own.heir () INHERITS (smsr.profile)');
refused('a partition', "CREATE TABLE own.part PARTITION OF smsr.message FOR VALUES FROM ('2001-01-01') TO ('2002-01-01')");
refused('statistics', 'CREATE STATISTICS own.s ON mno_id, msisdn FROM smsr.profile');
refused('a program', "COPY own.probe FROM PROGRAM 'id'", qr/permission denied to COPY|must be superuser or have privileges/);
refused('a file', "COPY own.probe FROM '/etc/passwd'; SELECT pg_read_file('/etc/passwd'); SELECT lo_import('/etc/passwd')",
	qr/permission denied|must be superuser/);
for my $sequence (split /\n/, $node->safe_psql('postgres', "SELECT oid::regclass FROM pg_class WHERE relnamespace = 'smsr'::regnamespace AND relkind = 'S'"))
{
	refused("nextval of $sequence", "SELECT nextval('$sequence'); SELECT currval('$sequence'); SELECT setval('$sequence', 1); SELECT last_value FROM $sequence");
	same("pg_sequences of $sequence", "SELECT coalesce(last_value::text, 'hidden') FROM pg_sequences WHERE format('%I.%I', schemaname, sequencename) = '$sequence'", 'hidden');
}

# ---- other ways to learn what is there ----

same('pg_stats', "SELECT count(*) FROM pg_stats WHERE schemaname = 'smsr'", 0);
refused('pg_statistic', 'SELECT * FROM pg_statistic');
blind('statements of others', 'SELECT query FROM pg_stat_activity');
# in a session of its own each: the library must be there in time
for my $what ('', 'ANALYZE', 'ANALYZE, BUFFERS', 'COSTS OFF', 'VERBOSE, SETTINGS')
{
	for my $query ("SELECT * FROM smsr.profile WHERE msisdn = '491'", "SELECT * FROM smsr.profile WHERE mno_id = '$theirs'",
		"SELECT * FROM smsr.my_euicc", "SELECT 1 FROM smsr.operation", "CREATE TABLE own.x AS SELECT * FROM smsr.profile",
		"SELECT 1 WHERE EXISTS (SELECT FROM smsr.euicc)")
	{
		my (undef, $said) = blind("EXPLAIN ($what) $query", "EXPLAIN " . ($what ? "($what) " : '') . $query);
		like($said, qr/permission denied/, "EXPLAIN ($what) $query: refused");
	}
}
refused('EXPLAIN of a prepared statement', 'PREPARE q AS SELECT * FROM smsr.profile; EXECUTE q; EXPLAIN ANALYZE EXECUTE q', qr/permission denied to explain/);
refused('EXPLAIN in a function', 'DO $$ DECLARE l text; BEGIN FOR l IN EXECUTE $q$EXPLAIN ANALYZE SELECT * FROM smsr.profile$q$ LOOP RAISE NOTICE $q$%$q$, l; END LOOP; END $$',
	qr/permission denied to explain/);
refused('a printed plan', "SET client_min_messages = log; SET debug_print_plan = on; SELECT 1 FROM smsr.profile WHERE mno_id = '$theirs'", qr/permission denied to print/);
same('a plan of its own', 'EXPLAIN (COSTS OFF) SELECT * FROM own.party_role', 'Seq Scan on party_role');
like((as('admin', 'EXPLAIN SELECT * FROM smsr.profile'))[0], qr/Seq Scan on profile/, 'administrators see plans');

# A refused call is the same for what is another's and for what is not there.
for my $call ('enable_profile(%s, %s)', 'disable_profile(%s, %s)', 'delete_profile(%s, %s)', 'set_fallback_attribute(%s, %s)',
	'update_policy_rules(%s, %s, $${}$$)', 'update_subscription_address(%s, %s, $$4917$$)')
{
	my %told;
	for my $eid ($foreign, $unknown)
	{
		my $sql = sprintf("SELECT set_config('own.id', smsr.$call\::text, false) \\gset\n
			SELECT to_jsonb(o) - '{id,eid,requested_at,expires_at,finished_at}'::text[] FROM smsr.my_operation o WHERE id = current_setting('own.id')::bigint",
			"'$eid'", "'$foreign_iccid'");
		$told{$eid} = join '', as('tenant', $sql);
		$told{$eid} =~ s/$eid//g;
	}
	like($told{$foreign}, qr/8\.1\.1/, "$call is refused");
	is($told{$foreign}, $told{$unknown}, "$call tells nothing of what is there");
}

# ---- what is kept from one role to the next ----

($out, $err) = as('pool', <<'SQL');
SET ROLE rival;
PREPARE mine AS SELECT count(*) FROM smsr.profile;
EXECUTE mine; EXECUTE mine; EXECUTE mine; EXECUTE mine; EXECUTE mine; EXECUTE mine; EXECUTE mine;
SET ROLE tenant;
EXECUTE mine;
SQL
is($out, join("\n", (200) x 7, 10), 'a prepared plan is the plan of whoever executes it');
($out, $err) = as('pool', <<'SQL');
SET plan_cache_mode = force_generic_plan;
CREATE TEMP TABLE t (n int);
CREATE FUNCTION pg_temp.mine() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM smsr.profile); END $$;
SET ROLE rival;
SELECT pg_temp.mine();
SET ROLE tenant;
SELECT pg_temp.mine();
RESET ROLE;
SELECT pg_temp.mine();
SQL
is($out, "200\n10\n0", 'so is the plan within a function; the login of a pool, which is no party\'s, sees nothing');
($out, $err) = as('pool', <<'SQL');
SET ROLE rival;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT count(*) FROM smsr.profile;
DECLARE d CURSOR FOR SELECT count(*) FROM smsr.profile;
SET LOCAL ROLE tenant;
FETCH ALL FROM d;
COMMIT;
SET ROLE tenant;
FETCH ALL FROM c;
SQL
is($out, "10\n10", 'a cursor reads for whoever reads from it first');

# ---- others run the tenant's code ----

$node->safe_psql('postgres', <<"SQL", extra_params => [ '-U', 'tenant' ]);
CREATE FUNCTION own.as_me() RETURNS text LANGUAGE sql SECURITY DEFINER AS \$\$ SELECT concat_ws(' ', current_user, smsr.requester()) \$\$;
CREATE FUNCTION own.mine() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS \$\$ SELECT count(*) FROM smsr.profile \$\$;
CREATE TABLE own.log (what text);
CREATE FUNCTION own.in_index(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS \$\$
	BEGIN
		RETURN coalesce(smsr.requester(), 'nobody') || ' ' || coalesce(smsr.caller(), 'nobody');
	END \$\$;
CREATE TABLE own.trap (v text);
INSERT INTO own.trap VALUES ('x');
CREATE INDEX spring ON own.trap (own.in_index(v));
CREATE MATERIALIZED VIEW own.m AS SELECT coalesce(smsr.requester(), 'nobody') AS who;
GRANT USAGE ON SCHEMA own TO rival, admin;
SQL
is((as('tenant', 'SELECT own.as_me()'))[0], "tenant $mine", 'the tenant calls its function');
is((as('rival', 'SELECT own.as_me()'))[0], "tenant $theirs", 'whoever calls another\'s function acts as himself: definer functions lend no party');
is((as('rival', 'SELECT own.mine()'))[0], 200, 'and reads what is his');
$node->safe_psql('postgres', 'SET client_min_messages = error; ANALYZE own.trap; REINDEX TABLE own.trap; REFRESH MATERIALIZED VIEW own.m; CLUSTER own.trap USING spring');
is($node->safe_psql('postgres', 'SELECT who FROM own.m'), 'nobody', 'a materialized view that a superuser refreshes acts for nobody');
is($node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT histogram_bounds::text IS NULL AND most_common_vals::text IS NULL OR coalesce(most_common_vals::text, histogram_bounds::text)
	LIKE $$%nobody%$$ FROM pg_stats WHERE tablename = $$spring$$ UNION ALL SELECT true LIMIT 1'), 't', 'nor does an index that one builds or analyzes');

# ---- holding others up ----

{
	my ($in, $said, $complaint) = ('', '', '');
	my $holder = IPC::Run::start([ 'psql', '-XAtq', '-U', 'tenant', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$said, '2>', \$complaint, IPC::Run::timeout(60));
	$in = <<"SQL";
BEGIN;
SELECT smsr.enable_profile('$foreign', '$foreign_iccid');
SELECT smsr.update_policy_rules('$foreign', '$foreign_iccid', '{}');
SELECT pg_advisory_xact_lock(hashtext('smsr.tick')), pg_advisory_xact_lock(hashtext('smsr.incarnation'));
SELECT 'held';
SQL
	$holder->pump until $said =~ /held/;
	my ($rc, $o, $e) = $node->psql('postgres', "SELECT smsr.disable_profile('$foreign', '$foreign_iccid') > 0", extra_params => [ '-U', 'rival' ]);
	is($o, 't', 'a refused call in an open transaction keeps nobody from his own eUICC') or diag($e);
	$node->safe_psql('postgres', "UPDATE smsr.operation SET expires_at = now() - interval '1 s' WHERE status IS NULL");
	cmp_ok($node->safe_psql('postgres', 'SELECT smsr.tick()'), '>', 0, 'no lock that a tenant can take stops the clock');
	$in = "ROLLBACK;\n\\q\n";
	$holder->finish;
}
refused('locks on rows', 'SELECT * FROM smsr.profile FOR UPDATE');
blind('what others hold', 'SELECT * FROM pg_locks');
blind('large objects', 'SELECT lo_create(0) > 0; SELECT * FROM pg_largeobject_metadata');

# The doorbell of gateways rings for everybody; a party's own has a name that nobody guesses.
my $channel = (as('rival', 'SELECT smsr.notice_channel()'))[0];
like($channel, qr/^smsr_notice_[0-9a-f]{32}$/, 'a party has a channel of its own');
unlike((as('tenant', 'SELECT * FROM smsr.notice_cursor; SELECT pg_listening_channels()'))[0], qr/\Q$channel\E/, 'whose name others do not see');

# ---- and all of it was recorded ----

is($node->safe_psql('postgres', "SELECT count(*) > 10 AND bool_and(requester_id = '$mine') FROM smsr.audit_trail WHERE requested_by = 'tenant' AND status = 'FAILED'"),
	't', 'the audit trail has every refused call');

$node->stop;
done_testing();
