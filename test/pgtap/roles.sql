-- The roles that smsr.install_roles() makes.  The checks go over the catalogues,
-- so that a new function or table is checked, too.

\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on

BEGIN;
SELECT no_plan();

SET client_min_messages = warning;

SELECT lives_ok('SELECT smsr.install_roles()', 'roles are installed');

CREATE ROLE smsr_pgtap_nobody;
CREATE TEMP VIEW shipped AS
	SELECT oid, rolname FROM pg_roles
	WHERE rolname IN ('smsr_administrator', 'smsr_gateway', 'smsr_auditor', 'smsr_key_officer', 'smsr_tenant');
CREATE TEMP VIEW granted AS
	SELECT s.rolname, p.oid, p.oid::regprocedure AS signature, p.prosecdef, p.provolatile, p.proconfig
	FROM shipped s JOIN pg_proc p ON p.pronamespace = 'smsr'::regnamespace AND has_function_privilege(s.oid, p.oid, 'EXECUTE')
	WHERE NOT has_function_privilege('smsr_pgtap_nobody', p.oid, 'EXECUTE');

SELECT results_eq($$SELECT rolname::text COLLATE "C" FROM shipped ORDER BY 1$$,
	$$VALUES ('smsr_administrator' COLLATE "C"), ('smsr_auditor'), ('smsr_gateway'), ('smsr_key_officer'), ('smsr_tenant')$$, 'five of them');
SELECT is_empty($$
	SELECT r.rolname FROM pg_roles r JOIN shipped USING (rolname)
	WHERE r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls OR r.rolreplication
$$, 'none of which logs in or may anything by itself');
SELECT is_empty('SELECT m.roleid::regrole, m.member::regrole FROM pg_auth_members m
	WHERE m.roleid IN (SELECT oid FROM shipped) OR m.member IN (SELECT oid FROM shipped)', 'nor is a member of another');

-- ---- a second time, everything is made anew and is the same ----

CREATE TEMP VIEW given AS
	SELECT format('%s %s', p.oid::regprocedure, p.proacl) AS what FROM pg_proc p WHERE p.pronamespace = 'smsr'::regnamespace
	UNION ALL
	SELECT format('%s %s', c.oid::regclass, c.relacl) FROM pg_class c WHERE c.relnamespace = 'smsr'::regnamespace
	UNION ALL
	SELECT format('%s.%s %s', a.attrelid::regclass, a.attname, a.attacl) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
	WHERE c.relnamespace = 'smsr'::regnamespace AND a.attnum > 0
	UNION ALL
	SELECT format('%s %s %s %s %s', schemaname, tablename, policyname, roles, qual) FROM pg_policies WHERE schemaname = 'smsr';
CREATE TEMP TABLE before AS SELECT * FROM given;
GRANT SELECT ON smsr.keyset TO smsr_tenant;
GRANT EXECUTE ON FUNCTION smsr.handle_event TO smsr_tenant;
SELECT lives_ok('SELECT smsr.install_roles()', 'roles are installed again');
SELECT bag_eq('SELECT what FROM given', 'SELECT what FROM before', 'with the same grants and policies, and what else was granted is gone');

-- ---- functions ----

SELECT is_empty($$
	SELECT f.function_name FROM smsr.shipped_functions() f
	WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = 'smsr'::regnamespace AND p.proname = f.function_name)
$$, 'every function that a role is to call exists');
SELECT cmp_ok((SELECT count(*) FROM granted WHERE rolname = 'smsr_tenant'), '>', 20::bigint, 'grants are found');
SELECT is_empty($$
	SELECT rolname, signature FROM granted
	WHERE provolatile = 'v' AND signature::text <> 'smsr.receive_sms(text,text)'	-- a literal's way to the one of octets
		AND NOT (prosecdef AND 'search_path=pg_catalog, smsr, pg_temp' = ANY (proconfig))
	ORDER BY 1, 2
$$, 'what writes and is granted is SECURITY DEFINER, its search_path pinned');
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace = 'smsr'::regnamespace AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
		AND NOT EXISTS (SELECT FROM granted g WHERE g.oid = p.oid)
		-- tables and settings read on behalf of a caller, called by others alone
		AND p.proname NOT IN ('requester')
	ORDER BY 1
$$, 'and what is SECURITY DEFINER is granted to some role');
SELECT is_empty($$
	SELECT rolname, signature FROM granted g
	WHERE rolname = 'smsr_auditor' AND g.provolatile = 'v' AND signature::text NOT IN ('smsr.keystore_status()')
$$, 'an auditor calls nothing that writes');

-- ---- tables ----

SELECT is_empty($$
	SELECT s.rolname, c.oid::regclass FROM shipped s, pg_class c
	WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p', 'v')
		AND (has_table_privilege(s.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
			OR has_any_column_privilege(s.oid, c.oid, 'INSERT, UPDATE, REFERENCES'))
		AND (s.rolname, c.relname) NOT IN (('smsr_administrator', 'eis_inbox'), ('smsr_administrator', 'route'),
			('smsr_administrator', 'https_polls'), ('smsr_administrator', 'https_endpoint'), ('smsr_key_officer', 'key_inbox'))
$$, 'no role writes to a table, but administrators to the inbox and to where messages and sessions go, key officers to theirs');
SELECT is_empty($$
	SELECT s.rolname, c.table_name, c.column_name FROM shipped s, smsr.sealed_columns() c
	WHERE has_column_privilege(s.oid, 'smsr.' || c.table_name, c.column_name::text, 'SELECT')
$$, 'no role reads a key, sealed or not');
SELECT set_has('SELECT * FROM smsr.sealed_columns()',
	$$VALUES ('keyset'::name, 'sealed'::name), ('storage_key', 'wrapped'), ('transport_key', 'sealed'), ('eis_inbox', 'document')$$,
	'where keys are is known');
SELECT is_empty($$
	SELECT s.rolname, c.oid::regclass FROM shipped s, pg_class c
	WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND c.relname NOT LIKE 'my\_%'
		AND s.rolname IN ('smsr_administrator', 'smsr_auditor')
		AND NOT (has_any_column_privilege(s.oid, c.oid, 'SELECT')
			AND (c.relkind = 'v' OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND s.oid = ANY (p.polroles) AND p.polcmd = 'r')))
$$, 'administrators and auditors read every table and view');
-- a view that is granted may still stand on what is not
INSERT INTO smsr.storage_key (id, wrapped, check_value, state, kek) VALUES (999, '\x00', '\x010203', 'retired', 'none');
SET ROLE smsr_auditor;
SELECT lives_ok(format('SELECT * FROM %s', c.oid::regclass), format('an auditor reads %s', c.oid::regclass))
	FROM pg_class c WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE 'my\_%' ORDER BY c.relname;
SET ROLE smsr_administrator;
SELECT lives_ok(format('SELECT * FROM %s', c.oid::regclass), format('an administrator reads %s', c.oid::regclass))
	FROM pg_class c WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE 'my\_%' ORDER BY c.relname;
SET ROLE smsr_key_officer;
SELECT results_eq('SELECT id, key_sets, private_keys FROM smsr.storage_key_use WHERE id = 999', 'VALUES (999, 0::bigint, 0::bigint)',
	'a key officer sees how far a rotation has come');
SET ROLE smsr_tenant;
SELECT throws_ok('SELECT * FROM smsr.storage_key_use', '42501', NULL, 'a tenant sees nothing of it');
RESET ROLE;
SELECT is_empty($$
	SELECT s.rolname, c.oid::regclass FROM shipped s, pg_class c
	WHERE c.relnamespace = 'smsr'::regnamespace AND c.relispartition AND has_any_column_privilege(s.oid, c.oid, 'SELECT')
$$, 'through the parents of partitions alone');
SELECT is_empty($$
	SELECT s.rolname, c.oid::regclass FROM shipped s, pg_class c
	WHERE c.relnamespace = 'smsr'::regnamespace
		AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(s.oid, c.oid, 'USAGE, SELECT, UPDATE') END
$$, 'nobody asks a sequence');
SELECT results_eq($$
	SELECT DISTINCT c.relname::text COLLATE "C" FROM pg_class c
	WHERE c.relnamespace = 'smsr'::regnamespace AND has_any_column_privilege('smsr_tenant', c.oid, 'SELECT') AND c.relkind <> 'v' ORDER BY 1
$$, $$SELECT DISTINCT p.tablename::text COLLATE "C" FROM pg_policies p WHERE p.schemaname = 'smsr' AND 'smsr_tenant' = ANY (p.roles) ORDER BY 1$$,
	'tenants read what a policy of theirs is about, and nothing else');
SELECT is_empty($$
	SELECT tablename, policyname FROM pg_policies
	WHERE schemaname = 'smsr' AND 'smsr_tenant' = ANY (roles)
		AND (cmd <> 'SELECT' OR roles <> '{smsr_tenant}' OR qual NOT LIKE '(smsr.guard_plans() AND %')
$$, 'each of those policies lets read alone, and guards the plan');
SELECT is_empty($$SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'smsr' AND 'public' = ANY (roles)$$,
	'no policy is everybody''s');

-- ---- who installs them ----

CREATE ROLE smsr_pgtap_creator CREATEROLE;
GRANT USAGE ON SCHEMA smsr TO smsr_pgtap_creator;
GRANT EXECUTE ON FUNCTION smsr.install_roles() TO smsr_pgtap_creator;
SET ROLE smsr_pgtap_creator;
SELECT throws_ok('SELECT smsr.install_roles()', '42501', 'roles are installed by the owner of the extension', 'roles are installed by the owner');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
