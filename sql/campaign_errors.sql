-- Cohorts that are none: refused with the row and the column, and nothing is kept.
\set ECHO none
\i sql/fleet.psql
CREATE TABLE fleet.written (eid smsr.eid);
CREATE SEQUENCE fleet.drawn;
CREATE SEQUENCE fleet.named;
CREATE FUNCTION fleet.writes(smsr.eid) RETURNS smsr.eid LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO fleet.written VALUES ($1);
	RETURN $1;
END $$;
-- one that tries every way out
CREATE FUNCTION fleet.tries(smsr.eid, command text) RETURNS smsr.eid LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN $1;
END $$;
CREATE FUNCTION fleet.swallows(smsr.eid) RETURNS smsr.eid LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO fleet.written VALUES ($1);
	RETURN $1;
EXCEPTION WHEN OTHERS THEN
	RETURN $1;
END $$;
CREATE FUNCTION fleet.sleeps(smsr.eid) RETURNS smsr.eid LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(10);
	RETURN $1;
EXCEPTION WHEN query_canceled THEN
	RETURN $1;
END $$;
CREATE FUNCTION fleet.cohort(cohort text, function text DEFAULT 'audit_eis', options jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(fleet.try(format('SELECT ''made'' FROM (SELECT smsr.create_campaign(%L, %L, %L, %L)) c', 'made ' || nextval('fleet.named'), function, cohort, options)), '[0-9]{32}', 'EID', 'g')
$$;
SELECT smsr.lane_of(smsr.setting('smsr_id')) AS lane, fleet.make(5) AS made, fleet.eid(1) AS one, fleet.eid(99) AS unknown \gset
\set ECHO all

-- ---- not one SELECT ----

SELECT fleet.cohort(q) FROM (VALUES (''), ('  -- nothing'), ('SELECT'), ('SELEC eid FROM smsr.euicc'), ('SELECT eid FROM smsr.nothing'),
	('SELECT eid FROM smsr.euicc; SELECT eid FROM smsr.euicc'), ('SELECT eid FROM smsr.euicc; DELETE FROM smsr.euicc'),
	('DELETE FROM smsr.euicc RETURNING eid'), ('COPY smsr.euicc TO STDOUT'), ('DECLARE c CURSOR FOR SELECT eid FROM smsr.euicc'),
	('FETCH ALL FROM c'), ('EXPLAIN SELECT eid FROM smsr.euicc'), ('DO ''BEGIN END'''), ('CALL x()'), ('CREATE TABLE x AS SELECT eid FROM smsr.euicc'),
	('SELECT eid INTO x FROM smsr.euicc'), ('SELECT eid FROM smsr.euicc FOR UPDATE'),
	('SELECT eid FROM (SELECT eid FROM smsr.euicc FOR SHARE) x'), ('PREPARE x AS SELECT 1'),
	('WITH d AS (DELETE FROM smsr.euicc RETURNING eid) SELECT eid FROM d'), ('SELECT eid FROM smsr.euicc WHERE eid = $1'),
	('SELECT eid FROM smsr.euicc) x; DELETE FROM smsr.euicc; SELECT eid FROM (SELECT eid FROM smsr.euicc')) v (q);

-- ---- one that writes, by whatever it calls ----

SELECT fleet.cohort('SELECT fleet.writes(eid) AS eid FROM smsr.euicc');
SELECT fleet.cohort('SELECT eid FROM smsr.euicc WHERE nextval(''fleet.drawn'') > 0');
SELECT fleet.cohort('SELECT eid FROM smsr.euicc WHERE setval(''fleet.drawn'', 9) > 0');
SELECT fleet.cohort('SELECT eid FROM smsr.euicc WHERE smsr.audit_eis(eid) > 0');
SELECT fleet.cohort(format('SELECT fleet.tries(eid, %L) AS eid FROM smsr.euicc', c)) FROM (VALUES
	('SET transaction_read_only = off; INSERT INTO fleet.written VALUES (NULL)'), ('SET TRANSACTION READ WRITE; INSERT INTO fleet.written VALUES (NULL)'),
	('SELECT set_config(''transaction_read_only'', ''off'', false)'), ('RESET transaction_read_only; DELETE FROM smsr.euicc'),
	('COMMIT'), ('ROLLBACK'), ('SET ROLE regress_nobody'), ('CREATE TABLE fleet.x ()'), ('TRUNCATE smsr.profile CASCADE'), ('DROP SCHEMA fleet CASCADE'),
	('COPY fleet.written FROM PROGRAM ''echo'''), ('GRANT ALL ON SCHEMA fleet TO PUBLIC'), ('ALTER TABLE fleet.written ADD x int'),
	('LOCK TABLE fleet.written IN EXCLUSIVE MODE'), ('REFRESH MATERIALIZED VIEW fleet.v'), ('SELECT smsr.tick()')) v (c);
-- what read-only lets pass is found by its transaction id, and undone
CREATE TEMP TABLE mine (x int);
LISTEN fleet;
SELECT fleet.cohort(format('SELECT fleet.tries(eid, %L) AS eid FROM smsr.euicc', c)) FROM (VALUES
	('SELECT lo_create(0)'), ('INSERT INTO mine VALUES (1)'), ('SELECT set_config(''smsr.reason'', ''none'', false)'), ('NOTIFY fleet')) v (c);
SELECT count(*) FROM mine;
SELECT count(*) FROM pg_largeobject_metadata;
SHOW smsr.reason;
DROP TABLE mine;
-- a writer that hides its failure has not written
SELECT smsr.create_campaign('hides', 'audit_eis', 'SELECT fleet.swallows(eid) AS eid FROM smsr.euicc') > 0 AS made;
SELECT count(*) FROM fleet.written;
SHOW transaction_read_only;

-- ---- one that takes for ever ----

SELECT smsr.create_campaign('slow', 'audit_eis', 'SELECT eid FROM smsr.euicc, pg_sleep(60)', '{"timeout": "50 ms"}');
SELECT smsr.create_campaign('slow', 'audit_eis', 'SELECT fleet.sleeps(eid) AS eid FROM smsr.euicc LIMIT 1', '{"timeout": "50 ms"}');
SELECT smsr.create_campaign('slow', 'audit_eis', 'SELECT eid FROM smsr.euicc, generate_series(1, 20000) g, generate_series(1, 20000) h WHERE g + h < 0', '{"timeout": "50 ms"}');
SELECT fleet.cohort('SELECT eid FROM smsr.euicc', options => '{"most": 3}');
-- the session goes on as if nothing had been
SELECT pg_sleep(0.1);

-- ---- columns ----

SELECT fleet.cohort(q, f) FROM (VALUES ('SELECT iccid FROM smsr.profile', 'enable_profile'), ('SELECT eid FROM smsr.profile', 'enable_profile'),
	('SELECT eid, iccid FROM smsr.profile', 'audit_eis'), ('SELECT eid, eid FROM smsr.euicc', 'audit_eis'), ('SELECT * FROM smsr.euicc', 'audit_eis'),
	('SELECT 1 AS eid', 'audit_eis'), ('SELECT eid::bytea FROM smsr.euicc', 'audit_eis'), ('SELECT eid, iccid::bytea AS iccid FROM smsr.profile', 'enable_profile'),
	('SELECT eid, ''1'' AS wave FROM smsr.euicc', 'audit_eis'), ('SELECT eid, 1.5 AS wave FROM smsr.euicc', 'audit_eis'),
	('SELECT eid, 1 AS time_zone FROM smsr.euicc', 'audit_eis'), ('SELECT eid, ''{}'' AS arguments FROM smsr.euicc', 'audit_eis'),
	('SELECT eid, 1 AS required_memory FROM smsr.euicc', 'audit_eis'),
	('SELECT eid, iccid, 1.5 AS required_memory FROM smsr.profile', 'create_isdp'),
	('SELECT eid, iccid, 1 AS required_memory, ''{}''::jsonb AS arguments FROM smsr.profile', 'create_isdp')) v (q, f);

-- ---- rows ----

SELECT fleet.cohort(q, f) FROM (VALUES ('SELECT eid FROM smsr.euicc WHERE false', 'audit_eis'),
	('SELECT CASE WHEN g = 2 THEN NULL ELSE eid END AS eid FROM (SELECT eid, row_number() OVER (ORDER BY eid) AS g FROM smsr.euicc) e', 'audit_eis'),
	('SELECT eid, NULL::smsr.iccid AS iccid FROM smsr.euicc', 'enable_profile'), ('SELECT eid, NULL::int AS wave FROM smsr.euicc', 'audit_eis'),
	('SELECT unnest(ARRAY[''' || :'one' || ''', ''nonsense'']) AS eid', 'audit_eis'), ('SELECT ''' || :'one' || ''' AS eid, ''12'' AS iccid', 'enable_profile'),
	('SELECT eid, 0 AS wave FROM smsr.euicc', 'audit_eis'), ('SELECT eid, 100000 AS wave FROM smsr.euicc', 'audit_eis'),
	('SELECT eid FROM smsr.euicc UNION ALL SELECT min(eid) FROM smsr.euicc', 'audit_eis'), ('SELECT eid, ''8949000002000000001'' AS iccid FROM smsr.profile ORDER BY eid', 'enable_profile'),
	('SELECT unnest(ARRAY[''' || :'one' || ''', ''' || :'unknown' || ''']) AS eid', 'audit_eis'),
	('SELECT eid, CASE WHEN n > 2 THEN ''Mars/Olympus'' ELSE ''Europe/Berlin'' END AS time_zone FROM (SELECT eid, row_number() OVER (ORDER BY eid) AS n FROM smsr.euicc) e', 'audit_eis'),
	('SELECT eid, 1 / (n - 3) AS wave FROM (SELECT eid, row_number() OVER (ORDER BY eid) AS n FROM smsr.euicc) e', 'audit_eis')) v (q, f);

-- ---- arguments ----

SELECT fleet.cohort('SELECT eid, ''8949000009000000001'' AS iccid, ' || a || ' FROM smsr.euicc ORDER BY eid', 'create_isdp') FROM (VALUES
	('''1.2.3'' AS mno_id'), ('1 AS required_memory'), ('''x'' AS mno_id, 1 AS required_memory'), ('''1.2.3'' AS mno_id, -1 AS required_memory'),
	('''[]''::jsonb AS arguments'), ('NULL::jsonb AS arguments'), ('''{"mno_id": "1.2.3", "required_memory": 1, "colour": "red"}''::jsonb AS arguments'),
	('''{"mno_id": "1.2.3", "required_memory": "1"}''::jsonb AS arguments')) v (a);
SELECT fleet.cohort('SELECT eid, ' || a || ' FROM smsr.euicc ORDER BY eid', f) FROM (VALUES ('''none'' AS sms_address', 'update_smsr_addressing'),
	('NULL::jsonb AS arguments', 'update_smsr_addressing'), ('99 AS kvn', 'rotate_keys'), ('''{"x": 1}''::jsonb AS arguments', 'audit_eis')) v (a, f);

-- ---- function, name, options ----

SELECT fleet.cohort('SELECT eid FROM smsr.euicc', f) FROM (VALUES ('format_card'), ('update_policy_rules'), (NULL)) v (f);
SELECT fleet.try($$SELECT smsr.create_campaign(NULL, 'audit_eis', 'SELECT eid FROM smsr.euicc')$$);
SELECT fleet.try($$SELECT smsr.create_campaign('', 'audit_eis', 'SELECT eid FROM smsr.euicc')$$);
SELECT fleet.try($$SELECT smsr.create_campaign('x', 'audit_eis', NULL)$$);
SELECT fleet.try($$SELECT smsr.create_campaign('hides', 'audit_eis', 'SELECT eid FROM smsr.euicc')$$);
SELECT fleet.cohort('SELECT eid FROM smsr.euicc', options => o) FROM (VALUES ('[]'::jsonb), (NULL), ('{"colour": "red"}'), ('{"soak": "soon"}'), ('{"soak": "-1 s"}'),
	('{"waves": "half"}'), ('{"waves": "canary 100"}'), ('{"max_failure_rate": 2}'), ('{"confidence": 1}'), ('{"minimum": 0}'), ('{"priority": 0}'), ('{"priority": 70000}'),
	('{"windows": "25:00-26:00"}'), ('{"attempts": 0}'), ('{"retry_after": "0"}'), ('{"validity": "0"}'), ('{"backlog": 0}'), ('{"backlog": "some"}'),
	('{"most": 0}'), ('{"timeout": "0"}'), (jsonb_build_object('reason', repeat('x', 256))), ('{"time_zone": "Mars/Olympus", "windows": "01:00-02:00"}'), ('{"time_zone": null}')) v (o);

-- ---- nothing was kept ----

SELECT count(*), sum(members) AS members, (SELECT count(*) FROM smsr.campaign_member) AS stored, (SELECT count(*) FROM smsr.lane WHERE campaign_id IS NOT NULL) AS lanes,
	(SELECT count(*) FROM smsr.audit_trail WHERE function = 'create_campaign') AS recorded FROM smsr.campaign;
SELECT count(*) FROM smsr.euicc;
SELECT is_called FROM fleet.drawn;
SELECT fleet.try('SELECT smsr.' || f || '(1)') FROM (VALUES ('start_campaign'), ('pause_campaign'), ('resume_campaign'), ('cancel_campaign')) v (f);

-- ---- what is well formed, in other words ----

SELECT fleet.cohort(q, f) FROM (VALUES ('SELECT eid FROM smsr.euicc;', 'audit_eis'),
	('VALUES (1)', 'audit_eis'), ('(SELECT eid FROM smsr.euicc) -- all', 'audit_eis')) v (q, f);
CREATE TABLE fleet.eids AS SELECT eid::text FROM smsr.euicc;
SET search_path = fleet, public;
SELECT smsr.create_campaign('table', 'audit_eis', 'TABLE eids') > 0 AS made;
SELECT smsr.create_campaign('union', 'audit_eis', 'WITH a AS (TABLE eids) SELECT eid FROM a WHERE eid < ''89049032001000000100000000025'' UNION SELECT eid FROM a') > 0 AS made;
SELECT smsr.create_campaign('values', 'set_fallback_attribute', format('SELECT * FROM (VALUES (%L, %L)) v (eid, iccid)', fleet.eid(1), fleet.iccid(1, 2))) > 0 AS made;
SELECT smsr.create_campaign('isdp', 'create_isdp', 'SELECT eid, format(''89490000090000%s'', lpad(n::text, 5, ''0'')) AS iccid, ''1.3.6.1.4.1.99999.3'' AS mno_id, 1000 * n AS required_memory, n > 2 AS more_to_do
	FROM (SELECT eid, row_number() OVER (ORDER BY eid) AS n FROM eids) e') > 0 AS made;
SELECT name, search_path, members FROM smsr.campaign WHERE name NOT LIKE 'made %' ORDER BY id;
SELECT n, arguments FROM smsr.campaign_member m JOIN smsr.campaign c ON c.id = m.campaign_id WHERE name = 'isdp' ORDER BY n;
RESET search_path;

\set ECHO none
\i sql/fleet_end.psql
