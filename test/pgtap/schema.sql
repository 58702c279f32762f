-- What holds for every object of the extension.  The checks go over the
-- catalogues, so that a new object is checked without a new line here.

\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on

BEGIN;
SELECT no_plan();

SET client_min_messages = warning;

-- ---- the members of the extension ----

CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS object
	FROM pg_depend d
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE e.extname = 'smsr' AND d.deptype = 'e';

CREATE TEMP VIEW routine AS
	SELECT p.*, p.oid::regprocedure AS signature, l.lanname AS language
	FROM pg_proc p
	JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
	JOIN pg_language l ON l.oid = p.prolang;

CREATE TEMP VIEW relation AS
	SELECT c.*, c.oid::regclass AS name
	FROM pg_class c
	JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;

SELECT cmp_ok((SELECT count(*) FROM routine), '>', 20::bigint, 'the members of the extension are found');

-- ---- comments ----

SELECT is_empty($$
	SELECT object FROM member
	WHERE obj_description(objid, classid::regclass::name) IS NULL
	ORDER BY object
$$, 'every object has a comment');

SELECT is_empty($$
	SELECT object, obj_description(objid, classid::regclass::name) FROM member
	WHERE obj_description(objid, classid::regclass::name) ~ '(^\s|\s$|\.$|TODO|FIXME)'
	ORDER BY object
$$, 'comments are neither padded nor end in a period');

-- ---- the audit trail's types ----

CREATE TEMP TABLE own_type AS
	SELECT m[1] AS function, m[2] AS type
	FROM pg_proc p, regexp_matches(pg_get_functiondef(p.oid), $r$WHEN '(\w+)'(?:::text)? THEN '\\x(ff\w\w)'$r$, 'g') m
	WHERE p.oid = 'smsr.operation_type(text)'::regprocedure;
SELECT cmp_ok((SELECT count(*) FROM own_type), '>', 40::bigint, 'the types of our own are found');
SELECT is_empty('SELECT type, array_agg(function) FROM own_type GROUP BY type HAVING count(*) > 1 OR type = ''ffff''',
	'no two functions have one of them');

-- ---- dump and restore ----

SELECT is_empty($$
	SELECT r.name FROM relation r
	WHERE r.relkind IN ('r', 'S') AND r.relpersistence = 'p'
		AND r.oid <> ALL (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'smsr')
	ORDER BY 1
$$, 'the rows of every table and the state of every sequence are dumped');

SELECT is_empty($$
	SELECT name FROM relation WHERE relkind IN ('r', 'p') AND relpersistence <> 'p' ORDER BY 1
$$, 'no table is unlogged');

-- A trigger that fired while rows are restored would judge them out of order.
SELECT is_empty($$
	SELECT t.tgrelid::regclass, t.tgname FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid
	WHERE NOT t.tgisinternal AND (t.tgtype & 4) <> 0 AND (t.tgtype & 2) <> 0
	ORDER BY 1, 2
$$, 'no trigger fires before INSERT');

-- ---- who may call what ----

CREATE ROLE smsr_pgtap_nobody;

-- What a type, an operator, an index or a cast calls has to be callable by
-- whoever uses those; they are found through what they serve.
CREATE TEMP VIEW serves_a_type AS
	SELECT unnest(ARRAY[typinput, typoutput, typreceive, typsend, typmodin, typmodout, typanalyze]::oid[]) AS oid FROM pg_type
	UNION SELECT oprcode FROM pg_operator
	UNION SELECT amproc FROM pg_amproc
	UNION SELECT castfunc FROM pg_cast
	UNION SELECT tgfoid FROM pg_trigger;

-- Whoever casts to a domain or writes to a table runs the function in its CHECK.
CREATE TEMP VIEW serves_a_check AS
	SELECT d.refobjid AS oid FROM pg_depend d
	WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_proc'::regclass;

CREATE TEMP TABLE for_everybody (signature text PRIMARY KEY);
INSERT INTO for_everybody VALUES
	('smsr.aid_tar(smsr.aid)'),
	('smsr.eid_hash(smsr.eid)'),
	('smsr.iccid_luhn_ok(smsr.iccid)'),
	('smsr.isdp_aid(integer)'),
	('max(smsr.eid)'),
	('max(smsr.iccid)'),
	('min(smsr.eid)'),
	('min(smsr.iccid)'),
	('smsr.version()');

SELECT is_empty($$
	SELECT signature FROM routine
	WHERE has_function_privilege('smsr_pgtap_nobody', oid, 'EXECUTE')
		AND oid NOT IN (SELECT oid FROM serves_a_type WHERE oid IS NOT NULL)
		AND oid NOT IN (SELECT oid FROM serves_a_check WHERE oid IS NOT NULL)
		AND signature::text NOT IN (SELECT signature FROM for_everybody)
	ORDER BY 1
$$, 'PUBLIC may call nothing but what is listed');

SELECT is_empty($$
	SELECT name FROM relation
	WHERE relkind IN ('r', 'p', 'v', 'm')
		AND has_table_privilege('smsr_pgtap_nobody', oid, 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER')
	ORDER BY 1
$$, 'PUBLIC may touch no table');

SELECT is_empty($$
	SELECT name FROM relation
	WHERE CASE relkind WHEN 'S' THEN has_sequence_privilege('smsr_pgtap_nobody', oid, 'USAGE,SELECT,UPDATE') END
	ORDER BY 1
$$, 'PUBLIC may touch no sequence');

SELECT ok(NOT has_schema_privilege('smsr_pgtap_nobody', 'smsr', 'CREATE'), 'PUBLIC may create nothing in the schema');

-- ---- what functions find is what was meant ----

CREATE TEMP VIEW pinned AS
	SELECT r.oid, substr(s.setting, length('search_path=') + 1) AS path
	FROM routine r, unnest(r.proconfig) AS s(setting)
	WHERE s.setting LIKE 'search\_path=%';

SELECT is_empty($$
	SELECT r.signature, p.path FROM routine r LEFT JOIN pinned p USING (oid)
	WHERE r.prosecdef AND (p.path IS NULL OR p.path !~ '(^|, )"?pg_temp"?$')
	ORDER BY 1
$$, 'every SECURITY DEFINER function pins search_path, pg_temp last');

SELECT is_empty($$
	SELECT r.signature FROM routine r LEFT JOIN pinned p USING (oid)
	WHERE r.language IN ('sql', 'plpgsql') AND r.prosqlbody IS NULL AND p.path IS NULL
	ORDER BY 1
$$, 'every function in SQL or PL/pgSQL pins search_path or was bound when it was created');

SELECT is_empty($$
	SELECT r.signature, p.path FROM routine r JOIN pinned p USING (oid)
	WHERE p.path ~ '(^|, )"?(public|\$user)"?(,|$)'
	ORDER BY 1
$$, 'no pinned search_path has a schema that others may write to');

SELECT is_empty($$
	SELECT signature FROM routine
	WHERE prosecdef AND has_function_privilege('smsr_pgtap_nobody', oid, 'EXECUTE')
		AND signature::text NOT IN (SELECT signature FROM for_everybody)
	ORDER BY 1
$$, 'PUBLIC may call no SECURITY DEFINER function');

-- ---- partitions that are made are like the others ----

CREATE TEMP VIEW history AS
	SELECT p.relname AS history, d.oid AS pattern, n.oid AS made, n.oid::regclass AS name
	FROM pg_class p
		JOIN pg_class d ON d.relnamespace = p.relnamespace AND d.relname = p.relname || '_default'
		JOIN pg_inherits i ON i.inhparent = p.oid JOIN pg_class n ON n.oid = i.inhrelid AND n.oid <> d.oid
	WHERE p.relnamespace = 'smsr'::regnamespace AND p.relkind = 'p';

SELECT is(smsr.maintain(2), 2 * (SELECT count(*)::int FROM relation WHERE relkind = 'p'), 'a partition of each history is made for each month');
SELECT is(smsr.maintain(2), 0, 'once');
SELECT is_empty($$
	SELECT h.name, count(i.*) FROM history h LEFT JOIN pg_index i ON i.indrelid = h.made GROUP BY h.name, h.pattern
	HAVING count(i.*) <> (SELECT count(*) FROM pg_index d WHERE d.indrelid = h.pattern)
$$, 'with the indexes of the default partition');
SELECT is_empty($$
	SELECT h.name, t.tgname, t.tgtype, t.tgenabled, t.tgfoid FROM history h JOIN pg_trigger t ON t.tgrelid = h.pattern
	EXCEPT SELECT h.name, t.tgname, t.tgtype, t.tgenabled, t.tgfoid FROM history h JOIN pg_trigger t ON t.tgrelid = h.made
$$, 'with its triggers');
SELECT is((SELECT count(DISTINCT tgrelid)::int FROM pg_trigger t JOIN history h ON h.made = t.tgrelid WHERE t.tgtype & 32 <> 0), 8,
	'what is append-only is so in every partition, also for TRUNCATE');
DROP VIEW history;

-- ---- rows are for whom a policy names ----

SELECT is_empty($$
	SELECT name FROM relation WHERE relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY 1
$$, 'row level security is enabled on every table and partition, and forced');

-- they are for roles, which the script can not make
SELECT is_empty($$
	SELECT r.name, p.polname FROM pg_policy p JOIN relation r ON r.oid = p.polrelid ORDER BY 1, 2
$$, 'CREATE EXTENSION makes no policy');

SELECT is_empty($$
	SELECT name FROM relation
	WHERE relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
	ORDER BY 1
$$, 'every view reads with the rights of whoever asks');

SELECT ok(smsr.maintain(3) > 0, 'partitions are made');
SELECT is_empty($$
	SELECT c.oid::regclass FROM pg_class c
	WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
	ORDER BY 1
$$, 'and row level security with them');

-- ---- labels ----

SELECT is_empty($$
	SELECT signature FROM routine WHERE language = 'c' AND provolatile = 'v' AND proparallel = 's' ORDER BY 1
$$, 'no volatile C function claims to be parallel safe');

SELECT is_empty($$
	SELECT signature FROM routine
	WHERE proleakproof AND (language <> 'c' OR provolatile <> 'i' OR NOT proisstrict)
	ORDER BY 1
$$, 'what is leakproof is strict, immutable C');

PREPARE label(text) AS
	SELECT provolatile::text || proparallel::text || CASE WHEN proisstrict THEN ' strict' ELSE '' END
	FROM routine WHERE proname = $1;

SELECT results_eq(format('EXECUTE label(%L)', f), ARRAY['is strict'], f || ' is immutable, parallel safe and strict')
FROM unnest(ARRAY['scp80_command', 'scp80_response', 'scp80_open_command', 'scp80_open_response',
	'sms_segments', 'sms_reassemble', 'script', 'script_response', 'pol2_ok']) AS f;

-- ---- the types ----

SELECT results_eq(
	format($$SELECT typlen, typbyval FROM pg_type WHERE oid = 'smsr.%s'::regtype$$, t),
	format('VALUES (%s::smallint, false)', length),
	format('smsr.%s has its size on disk', t))
FROM (VALUES ('eid', 16)) AS v(t, length);

SELECT is_empty($$
	SELECT t.typname, o.oprname FROM pg_operator o
	JOIN pg_type t ON t.oid = o.oprleft AND o.oprleft = o.oprright
	JOIN pg_proc p ON p.oid = o.oprcode
	WHERE t.oid IN ('smsr.eid'::regtype, 'smsr.iccid'::regtype, 'smsr.aid'::regtype)
		AND o.oprname IN ('=', '<>', '<', '<=', '>', '>=')
		AND NOT p.proleakproof
	ORDER BY 1, 2
$$, 'comparison is leakproof, so that an index serves below row level security');

SELECT results_eq($$
	SELECT t.typname::text COLLATE "C", count(*) FROM pg_operator o JOIN pg_type t ON t.oid = o.oprleft AND o.oprleft = o.oprright
	WHERE t.oid IN ('smsr.eid'::regtype, 'smsr.iccid'::regtype, 'smsr.aid'::regtype)
		AND o.oprname IN ('=', '<>', '<', '<=', '>', '>=') GROUP BY 1 ORDER BY 1
$$, $$VALUES ('aid' COLLATE "C", 6::bigint), ('eid', 6), ('iccid', 6)$$, 'each type has the six comparisons');

SELECT is_empty($$
	SELECT t.typname, a.amname FROM pg_type t CROSS JOIN pg_am a
	WHERE t.oid IN ('smsr.eid'::regtype, 'smsr.iccid'::regtype, 'smsr.aid'::regtype) AND a.amname IN ('btree', 'hash')
		AND NOT EXISTS (SELECT FROM pg_opclass c WHERE c.opcintype = t.oid AND c.opcmethod = a.oid AND c.opcdefault)
	ORDER BY 1, 2
$$, 'each type can be indexed by btree and hash');

SELECT is_empty($$
	SELECT t.typname FROM pg_type t
	WHERE t.oid IN ('smsr.eid'::regtype, 'smsr.iccid'::regtype, 'smsr.aid'::regtype)
		AND NOT EXISTS (
			SELECT FROM pg_amproc p JOIN pg_opfamily f ON f.oid = p.amprocfamily JOIN pg_am a ON a.oid = f.opfmethod
			WHERE a.amname = 'hash' AND p.amproclefttype = t.oid AND p.amprocnum = 2)
	ORDER BY 1
$$, 'each type can be the key of a hash partition');

-- ---- rules that are in the schema and not only in code ----

SELECT is_empty($$
	SELECT name FROM relation r
	WHERE relkind = 'r' AND NOT relispartition
		AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indisprimary)
		AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indisunique AND i.indnullsnotdistinct)
	ORDER BY 1
$$, 'every table but the partitioned histories has a primary key, or one whose value may be none');

CREATE FUNCTION pg_temp.some_eid(n int) RETURNS smsr.eid LANGUAGE sql AS $$
	SELECT (d || lpad((98 - (d || '00')::numeric % 97)::text, 2, '0'))::smsr.eid
	FROM (SELECT '890010120123412340' || lpad(n::text, 12, '0')) AS v(d)
$$;
CREATE FUNCTION pg_temp.some_aid(n int) RETURNS smsr.aid LANGUAGE sql AS $$
	SELECT ('A0000005591010FFFFFFFF89' || lpad(upper(to_hex(n)), 6, '0') || '00')::smsr.aid
$$;

INSERT INTO smsr.euicc (eid, eum_id, smsr_id, production_date, platform_type, platform_version,
	isdp_loadfile_aid, isdp_module_aid, isdr_aid, cattp_support, http_support,
	secure_packet_version, remote_provisioning_version, remaining_memory, available_memory)
SELECT pg_temp.some_eid(n), '1.3.6.1.4.1.1', '1.3.6.1.4.1.2', now(), 'type', '1.0',
	pg_temp.some_aid(13), pg_temp.some_aid(14), pg_temp.some_aid(1), false, false, '12.0.0', '3.2.0', 500000, 500000
FROM generate_series(1, 3) AS n;

INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state, fallback_attribute)
VALUES (pg_temp.some_eid(1), pg_temp.some_aid(16), '8944000000000000016', '1.3.6.1.4.1.3', 'Enabled', true),
	(pg_temp.some_eid(1), pg_temp.some_aid(17), '8944000000000000024', '1.3.6.1.4.1.3', 'Disabled', false);

PREPARE second_enabled AS
	INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state)
	VALUES (pg_temp.some_eid(1), pg_temp.some_aid(18), '8944000000000000032', '1.3.6.1.4.1.3', 'Enabled');
PREPARE second_fallback AS
	INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state, fallback_attribute)
	VALUES (pg_temp.some_eid(1), pg_temp.some_aid(18), '8944000000000000032', '1.3.6.1.4.1.3', 'Disabled', true);
PREPARE same_iccid AS
	INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state)
	VALUES (pg_temp.some_eid(1), pg_temp.some_aid(18), '8944000000000000016', '1.3.6.1.4.1.3', 'Disabled');
PREPARE impossible_state AS
	INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state)
	VALUES (pg_temp.some_eid(1), pg_temp.some_aid(18), '8944000000000000032', '1.3.6.1.4.1.3', 'Asleep');
PREPARE impossible_pol2 AS
	UPDATE smsr.profile SET pol2 = '{SLEEP/Not-Allowed}' WHERE eid = pg_temp.some_eid(1);
PREPARE back_to_created AS
	UPDATE smsr.profile SET state = 'Created' WHERE eid = pg_temp.some_eid(1) AND isdp_aid = pg_temp.some_aid(17);

SELECT throws_ok('second_enabled', '23505', NULL, 'an eUICC has one enabled profile');
SELECT throws_ok('second_fallback', '23505', NULL, 'an eUICC has one fall-back profile');
SELECT throws_ok('same_iccid', '23505', NULL, 'an ICCID is on an eUICC once');
SELECT throws_ok('impossible_state', '23514', NULL, 'a profile is Created, Disabled or Enabled');
SELECT throws_ok('impossible_pol2', '23514', NULL, 'POL2 has no rule that SGP.02 does not know');
SELECT throws_ok('back_to_created', '55000', NULL, 'no UPDATE writes a change that the life cycle does not have');

INSERT INTO smsr.operation (eid, function, requester_id, stage, expires_at)
VALUES (pg_temp.some_eid(2), 'enable_profile', '1.3.6.1.4.1.3', 'sending', now() + interval '1 hour');
PREPARE second_running AS
	INSERT INTO smsr.operation (eid, function, requester_id, stage, expires_at)
	VALUES (pg_temp.some_eid(2), 'disable_profile', '1.3.6.1.4.1.3', 'sending', now() + interval '1 hour');
PREPARE second_waiting AS
	INSERT INTO smsr.operation (eid, function, requester_id, stage, expires_at)
	VALUES (pg_temp.some_eid(2), 'disable_profile', '1.3.6.1.4.1.3', 'waiting', now() + interval '1 hour');
PREPARE ended_without_status AS
	INSERT INTO smsr.operation (eid, function, requester_id, stage, expires_at, finished_at)
	VALUES (pg_temp.some_eid(3), 'disable_profile', '1.3.6.1.4.1.3', 'finished', now(), now());
PREPARE failed_without_reason AS
	INSERT INTO smsr.operation (eid, function, requester_id, stage, expires_at, finished_at, status)
	VALUES (pg_temp.some_eid(3), 'disable_profile', '1.3.6.1.4.1.3', 'finished', now(), now(), 'FAILED');
SELECT throws_ok('second_running', '23505', NULL, 'one operation at a time runs on an eUICC');
SELECT lives_ok('second_waiting', 'others may wait');
SELECT throws_ok('ended_without_status', '23514', NULL, 'an operation that is finished has a status');
SELECT throws_ok('failed_without_reason', '23514', NULL, 'an operation that failed says why');

-- ---- an eUICC moves to another shard with all that is its own ----

SELECT is_empty($$
	SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		AND a.atttypid IN ('smsr.eid'::regtype, 'smsr.eid[]'::regtype) AND c.relname NOT IN (SELECT m.table_name FROM smsr.move_rules() m)
$$, 'smsr.move_rules() says of every table with EIDs what becomes of its rows');

-- ---- versions of rows are what to_jsonb() has ----

SELECT is(smsr.row_version(r), to_jsonb(r), 'smsr.row_version() of ' || r.what)
FROM (SELECT 'values of all kinds' AS what, pg_temp.some_eid(1) AS eid, pg_temp.some_aid(1) AS aid, '8949010000000100000F'::smsr.iccid AS iccid,
	'{DISABLE/Auto-Delete}'::smsr.pol2 AS pol2, '{}'::text[] AS none, ARRAY['a', NULL, ''] AS some, ARRAY[['a', 'b'], ['c', NULL]] AS square,
	true AS yes, (-5)::smallint AS small, 70000 AS medium, -9000000000 AS large, 1.50 AS exact, 'NaN'::float8 AS inexact, NULL::int AS unknown,
	'{"b": [1, null, {}], "a": {}}'::jsonb AS document, '5'::jsonb AS scalar, '[]'::jsonb AS empty, '{"x" : 1}'::json AS text_document,
	now() AS at, 'infinity'::timestamptz AS ever, current_date AS day, interval '1 hour' AS span, '\x00ff'::bytea AS octets,
	ROW(1, 'a') AS pair, ARRAY[1, 2] AS numbers, '"\' AS "a ""key", 'ü' AS "ü") r;
SELECT is_empty('SELECT t.oid FROM pg_type t WHERE smsr.row_version(t) IS DISTINCT FROM to_jsonb(t)', 'smsr.row_version() of rows of one table');
SELECT is(smsr.row_version(ROW()), '{}', 'smsr.row_version() of a row without columns');

SELECT is_empty($$
	SELECT a.attname
	FROM pg_attribute a JOIN pg_trigger t ON t.tgrelid = a.attrelid AND t.tgname = 'euicc_stamp'
	WHERE a.attrelid = 'smsr.euicc'::regclass AND a.attnum > 0 AND NOT a.attisdropped
		AND a.attnum <> ALL (t.tgattr::int2[]) AND a.attname <> ALL (string_to_array(encode(t.tgargs, 'escape'), '\000'))
$$, 'a change of any column of an EIS makes a version, but for those that tell when the card was heard');

-- ---- the extension leaves as it came ----

SELECT is_empty($$SELECT oid FROM pg_roles WHERE rolname LIKE 'smsr%' AND rolname NOT LIKE 'smsr\_pgtap\_%'$$,
	'CREATE EXTENSION makes no role');
DROP VIEW pinned, relation, routine, member CASCADE;
DROP FUNCTION pg_temp.some_eid, pg_temp.some_aid;
SELECT lives_ok('DROP EXTENSION smsr', 'DROP EXTENSION needs no CASCADE');
SELECT is_empty($$
	SELECT c.oid::regclass::text FROM pg_class c WHERE relnamespace = 'smsr'::regnamespace
	UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'smsr'::regnamespace
	UNION ALL SELECT oid::regtype::text FROM pg_type WHERE typnamespace = 'smsr'::regnamespace
	UNION ALL SELECT oid::regoperator::text FROM pg_operator WHERE oprnamespace = 'smsr'::regnamespace
$$, 'DROP EXTENSION leaves nothing in the schema');
SELECT lives_ok('CREATE EXTENSION smsr', 'CREATE EXTENSION works again in the schema that is left');

SELECT * FROM finish();
ROLLBACK;
