-- smsr.eid, smsr.iccid, smsr.aid and smsr.pol2.

-- An EID of this serial number, with its check digits.
CREATE FUNCTION pg_temp.make_eid(serial int) RETURNS text LANGUAGE sql AS $$
	SELECT base || lpad((98 - (base || '00')::numeric % 97)::text, 2, '0')
	FROM (SELECT '8904903200000000000000' || lpad(serial::text, 8, '0') AS base) AS x
$$;

-- What a statement fails with.
CREATE FUNCTION pg_temp.failure(statement text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END
$$;

-- A plan, where only part of it is the same everywhere.
CREATE FUNCTION pg_temp.plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || statement;
END
$$;

--
-- Text in and out
--
SELECT '89049032000000000000000000000163'::smsr.eid;
SELECT '8949000000000000005'::smsr.iccid, '8949000000000000005F'::smsr.iccid, '89490000000000000052'::smsr.iccid;
SELECT 'a000000151'::smsr.aid, 'A0000005591010FFFFFFFF8900001000'::smsr.aid;

SELECT type, input, f.*
FROM (VALUES
	('eid', ''),
	('eid', '8904903200000000000000000000016'),
	('eid', '890490320000000000000000000001630'),
	('eid', '8904903200000000000000000000016a'),
	('eid', '88049032000000000000000000000163'),
	('eid', '89049032000000000000000000000164'),
	('eid', ' 9049032000000000000000000000163'),
	('iccid', '894900000000000000'),
	('iccid', '894900000000000000521'),
	('iccid', '894900000000000000F'),
	('iccid', '8949-00000000000005'),
	('aid', 'A0000001'),
	('aid', 'A00000015'),
	('aid', 'A0000005591010FFFFFFFF890000100000'),
	('aid', 'A00000015x')) AS x (type, input),
	pg_temp.failure(format('SELECT %L::smsr.%s', input, type)) AS f;

-- and of the octets
SELECT type, input, f.*
FROM (VALUES
	('eid', '\x890490320000000000000000000001'),
	('eid', '\x89049032000000000000000000000164'),
	('eid', '\x8904903200000000000000000000016f'),
	('eid', '\x99049032000000000000000000000163'),
	('iccid', '\x89490000000000000005ff'),
	('iccid', '\x8949000000000000a052'),
	('aid', '\xa0000001'),
	('aid', '\xa0000005591010ffffffff890000100000')) AS x (type, input),
	pg_temp.failure(format('SELECT %L::bytea::smsr.%s', input, type)) AS f;

--
-- Casts
--
SELECT '\x89049032000000000000000000000163'::bytea::smsr.eid, '89049032000000000000000000000163'::smsr.eid::bytea;
SELECT '\x8949000000000000005f'::bytea::smsr.iccid, '8949000000000000005'::smsr.iccid::bytea;
SELECT '\xa000000151'::bytea::smsr.aid, 'A000000151'::smsr.aid::bytea, length('A000000151'::smsr.aid::bytea);
CREATE TEMP TABLE cast_test (eid smsr.eid, iccid smsr.iccid, aid smsr.aid, eid_text text, aid_octets bytea);
INSERT INTO cast_test
	SELECT t, '8949000000000000005'::text, 'a000000151'::text, t::smsr.eid, 'a000000151'::smsr.aid
	FROM (VALUES ('89049032000000000000000000000163'::text)) AS x (t);
SELECT * FROM cast_test;
-- text never turns into an identifier where nobody asked for it
SELECT * FROM cast_test WHERE eid = eid_text;

--
-- Functions of one value
--
-- zlib's crc32() of the octets: shards are chosen by it, it must never change
SELECT smsr.eid_hash('89049032000000000000000000000163');
SELECT smsr.iccid_luhn_ok('8949000000000000000'), smsr.iccid_luhn_ok('8949000000000000001'),
	smsr.iccid_luhn_ok('89490000000000000056'), smsr.iccid_luhn_ok('89490000000000000057');
SELECT smsr.aid_tar('A0000005591010FFFFFFFF8900001000'), smsr.aid_tar('A000000151');
SELECT smsr.isdp_aid(16), smsr.isdp_aid(65535), smsr.aid_tar(smsr.isdp_aid(4660));
SELECT n, f.* FROM unnest(ARRAY[-1, 0, 15, 65536, 16777232]) AS n, pg_temp.failure(format('SELECT smsr.isdp_aid(%s)', n)) AS f;

--
-- Order: that of digits and octets; a prefix sorts first
--
SELECT smsr.eid_cmp(a, b), a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt
FROM (SELECT pg_temp.make_eid(m)::smsr.eid AS a, pg_temp.make_eid(n)::smsr.eid AS b
	  FROM (VALUES (1, 2), (2, 2), (2, 1)) AS x (m, n)) AS y;
SELECT iccid FROM unnest('{8949000000000000006,8949000000000000005,89490000000000000052,89490000000000000060}'::smsr.iccid[]) AS iccid ORDER BY 1;
SELECT aid FROM unnest('{A000000151FF,FF00000001,A000000151,A00000015100,A000000150FFFF}'::smsr.aid[]) AS aid ORDER BY 1;
SELECT a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt
FROM (VALUES ('A000000151'::smsr.aid, 'A00000015100'::smsr.aid), ('A000000151', 'A000000151'), ('FF00000001', 'A000000151')) AS x (a, b);

--
-- Operators are found with any search path, and their catalog entries are whole
--
BEGIN;
SET LOCAL search_path = pg_catalog;
SELECT '89049032000000000000000000000163'::smsr.eid = '89049032000000000000000000000163',
	'89049032000000000000000000000163'::smsr.eid IN ('89049032000000000000000000000163'),
	'A000000151'::smsr.aid IS DISTINCT FROM 'A000000151';
COMMIT;
SELECT oprleft::regtype, count(*), bool_and(oprcom <> 0 AND oprnegate <> 0 AND oprrest <> 0 AND oprjoin <> 0) AS whole,
	array_agg(oprname ORDER BY oprname) FILTER (WHERE oprcanhash AND oprcanmerge) AS hashes_and_merges
FROM pg_operator WHERE oprleft = oprright AND oprleft::regtype::text ~ '^smsr\.' GROUP BY 1 ORDER BY 1::text;
SELECT proname, provolatile, proisstrict, proparallel, proleakproof
FROM pg_proc WHERE pronamespace = 'smsr'::regnamespace AND proname ~ '^(hash_)?(eid|iccid|aid)(_|$)'
ORDER BY proname COLLATE "C";
SELECT opcname, amname, opcdefault, amvalidate(pg_opclass.oid)
FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod
WHERE opcnamespace = 'smsr'::regnamespace ORDER BY 1, 2;
SELECT typname, typlen, typbyval, typalign, typstorage FROM pg_type
WHERE typnamespace = 'smsr'::regnamespace AND typname IN ('eid', 'iccid', 'aid') ORDER BY 1;

--
-- Indexes, joins, sorts, partitions
--
CREATE TABLE fleet (eid smsr.eid PRIMARY KEY, iccid smsr.iccid, aid smsr.aid);
INSERT INTO fleet
	SELECT pg_temp.make_eid(n)::smsr.eid, ('89490000000000' || lpad(n::text, 5, '0'))::smsr.iccid,
		smsr.isdp_aid(16 + n % 1000)
	FROM generate_series(1, 2000) AS n;
CREATE INDEX ON fleet (iccid);
CREATE INDEX ON fleet USING hash (aid);
ANALYZE fleet;

EXPLAIN (COSTS OFF) SELECT * FROM fleet WHERE eid = '89049032000000000000000000000163';
SELECT * FROM fleet WHERE eid = '89049032000000000000000000000163';
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM fleet WHERE aid = smsr.isdp_aid(17);
SELECT count(*) FROM fleet WHERE aid = smsr.isdp_aid(17);
EXPLAIN (COSTS OFF) SELECT count(*) FROM fleet WHERE iccid BETWEEN '8949000000000000005' AND '8949000000000000010';
SELECT count(*) FROM fleet WHERE iccid BETWEEN '8949000000000000005' AND '8949000000000000010';
RESET enable_seqscan;

SET enable_nestloop = off;
SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM fleet AS a JOIN fleet AS b USING (eid);
SELECT count(*) FROM fleet AS a JOIN fleet AS b USING (eid);
SELECT count(*) FROM fleet AS a JOIN fleet AS b USING (aid);
RESET enable_mergejoin;
SET enable_hashjoin = off;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM fleet AS a JOIN fleet AS b USING (iccid);
SELECT count(*) FROM fleet AS a JOIN fleet AS b USING (iccid);
RESET ALL;

SELECT count(*) FILTER (WHERE eid <= previous) AS out_of_order FROM
	(SELECT eid, lag(eid) OVER (ORDER BY eid) AS previous FROM fleet) AS x;
SELECT count(DISTINCT eid), count(DISTINCT iccid), count(DISTINCT aid) FROM fleet;
SELECT count(*) FROM (SELECT aid FROM fleet GROUP BY aid) AS x;

CREATE TABLE partitioned (eid smsr.eid PRIMARY KEY, n int) PARTITION BY HASH (eid);
CREATE TABLE partitioned_0 PARTITION OF partitioned FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE partitioned_1 PARTITION OF partitioned FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE partitioned_2 PARTITION OF partitioned FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE partitioned_3 PARTITION OF partitioned FOR VALUES WITH (MODULUS 4, REMAINDER 3);
INSERT INTO partitioned (eid) SELECT eid FROM fleet;
SELECT count(*) AS partitions, min(c) > 400 AND max(c) < 600 AS even
FROM (SELECT count(*) AS c FROM partitioned GROUP BY tableoid) AS x;
SELECT count(*) AS shards, min(c) > 400 AND max(c) < 600 AS even
FROM (SELECT count(*) AS c FROM fleet GROUP BY smsr.eid_hash(eid) & 3) AS x;
SELECT count(DISTINCT tableoid), count(*) FROM partitioned WHERE eid = '89049032000000000000000000000163';
SET enable_seqscan = off;
SELECT count(*) AS scans
FROM pg_temp.plan('SELECT * FROM partitioned WHERE eid = ''89049032000000000000000000000163''') AS line
WHERE line ~ 'Scan';
RESET enable_seqscan;

-- Leakproof operators are index conditions even below a row level policy.
CREATE ROLE regress_smsr_tenant;
GRANT SELECT ON fleet TO regress_smsr_tenant;
GRANT USAGE ON SCHEMA smsr TO regress_smsr_tenant;
ALTER TABLE fleet ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON fleet USING (pg_catalog.length(aid::text) = 32);
SET ROLE regress_smsr_tenant;
EXPLAIN (COSTS OFF) SELECT * FROM fleet WHERE eid = '89049032000000000000000000000163';
RESET ROLE;
DROP OWNED BY regress_smsr_tenant;
DROP ROLE regress_smsr_tenant;
ALTER TABLE fleet DISABLE ROW LEVEL SECURITY;

--
-- Binary COPY: there and back, and what is no identifier is refused
--
CREATE TEMP TABLE copied (LIKE fleet);
\copy fleet TO PROGRAM 'cat >"$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
\copy copied FROM PROGRAM 'cat "$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
SELECT count(*) FROM (TABLE copied EXCEPT TABLE fleet) AS x;
SELECT count(*) FROM copied;
CREATE TEMP TABLE octets (eid bytea, iccid bytea, aid bytea);
INSERT INTO octets VALUES ('\x89049032000000000000000000000164', NULL, NULL);
\copy octets TO PROGRAM 'cat >"$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
\copy copied FROM PROGRAM 'cat "$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
UPDATE octets SET eid = '\x890490320000000000000000000001';
\copy octets TO PROGRAM 'cat >"$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
\copy copied FROM PROGRAM 'cat "$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
UPDATE octets SET eid = '\x8904903200000000000000000000016300';
\copy octets TO PROGRAM 'cat >"$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
\copy copied FROM PROGRAM 'cat "$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
UPDATE octets SET eid = NULL, iccid = '\x894900000000000000f5';
\copy octets TO PROGRAM 'cat >"$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
\copy copied FROM PROGRAM 'cat "$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
UPDATE octets SET iccid = NULL, aid = '\xa0000005591010ffffffff890000100000';
\copy octets TO PROGRAM 'cat >"$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
\copy copied FROM PROGRAM 'cat "$PG_ABS_BUILDDIR/results/types.bin"' (FORMAT binary)
SELECT count(*) FROM copied;

--
-- smallest and largest
--
SELECT min(e), max(e) FROM unnest('{89001012012341234012345678901224,89049032001000000100000000000350}'::smsr.eid[]) AS e;
SELECT min(i), max(i) FROM unnest('{8949070000000000003,89490700000000000029,8901000000000000000}'::smsr.iccid[]) AS i;
SELECT max(e) FROM unnest('{}'::smsr.eid[]) AS e;

--
-- POL2
--
SELECT rules, smsr.pol2_ok(rules::text[])
FROM unnest(ARRAY['{}', '{DISABLE/Not-Allowed}', '{ENABLE/Not-Allowed,DELETE/Auto-Delete}', '{DISABLE/Sometimes}',
	'{disable/not-allowed}', '{NULL}', '{DISABLE/Not-Allowed,NULL}', NULL]) AS rules;
SELECT '{DISABLE/Not-Allowed}'::smsr.pol2;
SELECT '{DISABLE/Sometimes}'::smsr.pol2;

DROP TABLE fleet, partitioned;
