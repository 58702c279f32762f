-- What requests are decided by: smsr.card_facts() against a join.
\set ECHO none
\i sql/fleet.psql
\set ECHO all
SELECT fleet.make(400);
-- of some there is no profile that is enabled, of some three or none at all
UPDATE smsr.profile SET state = 'Disabled' WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(5, 400, 10) g);
DELETE FROM smsr.profile WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(7, 400, 10) g);
INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state, pol2)
	SELECT fleet.eid(g), smsr.isdp_aid(40), fleet.iccid(g, 3), '1.3.6.1.4.1.99999.4', 'Disabled', '{DELETE/Not-Allowed}'
	FROM generate_series(3, 400, 10) g;
INSERT INTO smsr.profile (eid, isdp_aid, state) SELECT fleet.eid(g), smsr.isdp_aid(41), 'Disabled' FROM generate_series(2, 400, 20) g;
-- what runs, what waits and what is over
INSERT INTO smsr.operation (eid, function, requester_id, stage, exclusive, status, finished_at, expires_at)
	SELECT fleet.eid(g), 'audit_eis', '1.3.6.1.4.1.99999.3', s.stage, s.exclusive, s.status, s.finished_at, now() + interval '1 day'
	FROM generate_series(1, 400) g JOIN (VALUES (0, 'sending', true, NULL, NULL::timestamptz), (1, 'waiting', true, NULL, NULL),
		(2, 'finished', true, 'EXECUTED_SUCCESS', now()), (3, 'sending', false, NULL, NULL), (0, 'waiting', true, NULL, NULL))
		s (n, stage, exclusive, status, finished_at) ON s.n = g % 9;
-- entries of the index whose rows are gone, also several of one eUICC and beside one that is not
DO $$
BEGIN
	FOR i IN 1 .. 3 LOOP
		INSERT INTO smsr.operation (eid, function, requester_id, stage, expires_at)
			SELECT fleet.eid(g), 'audit_eis', '1.3.6.1.4.1.99999.3', 'sending', now() + interval '1 day' FROM generate_series(4, 400, 9) g;
		UPDATE smsr.operation SET stage = 'finished', status = 'EXECUTED_SUCCESS', finished_at = now()
			WHERE status IS NULL AND stage = 'sending' AND eid IN (SELECT fleet.eid(g) FROM generate_series(4, 400, 9) g);
	END LOOP;
END $$;
UPDATE smsr.operation SET function = 'rotate_keys', requester_id = '1.3.6.1.4.1.99999.4' WHERE stage = 'sending' AND eid IN (SELECT fleet.eid(g) FROM generate_series(0, 400, 27) g);

CREATE FUNCTION fleet.facts_differ(function text, eids smsr.eid[], iccids smsr.iccid[], required bigint[] DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (
		SELECT u.n::int, u.eid, u.iccid, e.eid IS NOT NULL AS registered, e.isdr_aid, e.isdp_loadfile_aid, e.isdp_module_aid,
			p.isdp_aid, p.state = 'Enabled' AS enabled, c.msisdn, c.mno_id,
			EXISTS (SELECT FROM smsr.operation o WHERE o.eid = u.eid AND o.status IS NULL AND o.exclusive AND o.stage <> 'waiting') AS running,
			row_number() OVER (PARTITION BY u.eid ORDER BY u.n) > 1 AS again, (v.v).subject_code, (v.v).reason_code, (v.v).because
		FROM unnest(eids, iccids, required) WITH ORDINALITY u (eid, iccid, required, n)
			LEFT JOIN smsr.euicc e ON e.eid = u.eid
			LEFT JOIN smsr.profile p ON p.eid = u.eid AND p.iccid = u.iccid
			LEFT JOIN smsr.profile c ON c.eid = u.eid AND c.state = 'Enabled'
			CROSS JOIN LATERAL (SELECT smsr.judge(facts_differ.function, p.state, p.fallback_attribute, p.pol2, c.state, c.pol2,
				u.required, e.remaining_memory, p.emergency_attribute, e.remote_provisioning_version) AS v) v
		ORDER BY u.n) j
	FULL JOIN smsr.card_facts(function, eids, iccids, required) f ON f.place = j.n
	WHERE (j.n, j.eid, j.iccid, j.registered, j.isdr_aid, j.isdp_loadfile_aid, j.isdp_module_aid, j.isdp_aid, j.enabled, j.msisdn, j.mno_id, j.running, j.again,
			j.subject_code, j.reason_code, j.because) IS DISTINCT FROM f
$$;
-- EIDs in some order, some of them of nobody, with an ICCID of the first, second or third profile, of no profile, or none
CREATE FUNCTION fleet.facts_differ(cards int[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT fleet.facts_differ('enable_profile', array_agg(fleet.eid(c) ORDER BY n), array_agg(CASE WHEN n % 7 < 5 THEN fleet.iccid(c, (n % 7)::int) END ORDER BY n))
	FROM unnest(cards) WITH ORDINALITY u (c, n)
$$;

SELECT count(*), count(*) FILTER (WHERE registered) AS registered, count(isdp_aid) AS profiles, count(mno_id) AS enabled,
		count(*) FILTER (WHERE running) AS running, count(*) FILTER (WHERE again) AS again, count(subject_code) AS refused
	FROM (SELECT array_agg(fleet.eid(g) ORDER BY g) AS eids, array_agg(fleet.iccid(g, 2) ORDER BY g) AS iccids FROM generate_series(1, 500) g) c,
		smsr.card_facts('enable_profile', eids, iccids, NULL);
SELECT what, fleet.facts_differ(cards) FROM (VALUES
	('all, in order', ARRAY(SELECT generate_series(1, 400))),
	('and beyond both ends', ARRAY(SELECT generate_series(0, 500))),
	('backwards', ARRAY(SELECT generate_series(500, 0, -1))),
	('few', ARRAY(SELECT generate_series(20, 60, 2))),
	('far from each other', ARRAY(SELECT g FROM generate_series(1, 500) g WHERE g % 6 = 1)),
	('near, then far, then near', ARRAY(SELECT g FROM generate_series(1, 500) g WHERE g % 100 < 15 OR g % 23 = 0)),
	('shuffled', ARRAY(SELECT g FROM generate_series(0, 450) g ORDER BY md5(g::text))),
	('again and again', ARRAY(SELECT g % 90 * 5 FROM generate_series(0, 400) g ORDER BY md5(g::text))),
	('one, many times', ARRAY(SELECT 13 FROM generate_series(1, 100))),
	('the last, twice', ARRAY(SELECT least(g, 400) FROM generate_series(1, 402) g)),
	('one', '{200}'), ('twice', '{203,203}')) c (what, cards);
-- fewer ICCIDs than EIDs, and none
SELECT fleet.facts_differ('audit_eis', ARRAY(SELECT fleet.eid(g) FROM generate_series(1, 100) g), ARRAY(SELECT fleet.iccid(g, 1) FROM generate_series(1, 50) g)),
	fleet.facts_differ('audit_eis', ARRAY(SELECT fleet.eid(g) FROM generate_series(1, 100) g), NULL);
SELECT count(*) FROM smsr.card_facts('enable_profile', '{}', NULL, NULL);
SELECT count(*) FROM smsr.card_facts('enable_profile', NULL, NULL, NULL);
SELECT count(*) FROM smsr.card_facts('enable_profile', ARRAY[fleet.eid(1), NULL], NULL, NULL);
-- judged as smsr.judge() does: every function, every kind of profile
UPDATE smsr.profile SET emergency_attribute = true WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(4, 400, 10) g) AND isdp_aid = smsr.isdp_aid(17);
UPDATE smsr.profile SET fallback_attribute = false WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(1, 400, 3) g);
UPDATE smsr.profile SET pol2 = '{DISABLE/Not-Allowed}' WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(1, 400, 4) g) AND state = 'Enabled';
UPDATE smsr.profile SET pol2 = '{DELETE/Not-Allowed,ENABLE/Not-Allowed}' WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(1, 400, 6) g) AND state = 'Disabled';
UPDATE smsr.euicc SET remaining_memory = 1000 WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(1, 400, 7) g);
UPDATE smsr.euicc SET remote_provisioning_version = '3.2.0' WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(1, 400, 2) g);
SELECT f.function, j.differ, j.refusals, j.refused > 0 AS refused FROM smsr.card_functions() f (function)
	CROSS JOIN LATERAL (SELECT fleet.facts_differ(f.function, eids, iccids, required) AS differ,
			count(DISTINCT (c.subject_code, c.reason_code, c.because)) FILTER (WHERE c.subject_code IS NOT NULL) AS refusals,
			count(*) FILTER (WHERE c.subject_code IS NOT NULL) AS refused
		FROM (SELECT array_agg(fleet.eid(g)) AS eids, array_agg(fleet.iccid(g, 1 + g % 4)) AS iccids,
				array_agg(CASE WHEN g % 3 > 0 THEN g % 3 * 1000 END) AS required FROM generate_series(1, 410) g) x,
			smsr.card_facts(f.function, eids, iccids, required) c
		GROUP BY eids, iccids, required) j
	ORDER BY 1;
SET smsr.delete_enabled = 'refuse';
SELECT fleet.facts_differ('delete_profile', array_agg(fleet.eid(g)), array_agg(fleet.iccid(g, 1))) FROM generate_series(1, 400) g;
RESET smsr.delete_enabled;
-- as the statement sees the tables: what it began with, and what is its own transaction's
BEGIN;
DELETE FROM smsr.euicc WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(1, 400, 3) g);
SELECT count(*) FILTER (WHERE registered) AS registered, fleet.facts_differ(ARRAY(SELECT generate_series(1, 400)))
	FROM (SELECT array_agg(fleet.eid(g)) AS eids FROM generate_series(1, 400) g) c, smsr.card_facts('audit_eis', eids, NULL, NULL) GROUP BY 2;
ROLLBACK;
-- the parts of a request: neighbours together, in a part the order of the call
SELECT p FROM smsr.request_parts(ARRAY(SELECT fleet.eid(g) FROM unnest('{9,2,7,2,1,8}'::int[]) WITH ORDINALITY u (g, n) ORDER BY n), 3) WITH ORDINALITY x (p, n) ORDER BY n;
SELECT p FROM smsr.request_parts(ARRAY(SELECT fleet.eid(g) FROM generate_series(5, 1, -1) g), 5) p;
SELECT count(*) FROM smsr.request_parts('{}', 5);
SELECT smsr.request_parts(ARRAY[fleet.eid(1), NULL], 5);
SELECT smsr.request_parts(ARRAY[fleet.eid(1)], 0);
SELECT count(*), max(cardinality(p)), sum(cardinality(p)), bool_and(p = ARRAY(SELECT x FROM unnest(p) x ORDER BY x)) AS in_order
	FROM smsr.request_parts(ARRAY(SELECT fleet.eid(g % 300) FROM generate_series(1, 1000) g ORDER BY md5(g::text)), 64) p;
SELECT smsr.picked('{a,NULL,c}'::text[], '{3,1,2,1,9,0}'), smsr.picked(NULL::text[], '{1}'), smsr.picked('{}'::int[], '{1}'), smsr.picked('[4:6]={4,5,6}'::int[], '{1}'),
	smsr.picked('{1,2}'::int[], '{}');
SELECT smsr.picked('{{1,2},{3,4}}'::int[], '{1}');
CREATE FUNCTION fleet.pick(a text[]) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		a[2] := 'x';
		RETURN format('%s, then %s', smsr.picked(a, '{4,2,3}'), a);
	END $$;
SELECT fleet.pick('{a,b,NULL,d}');
-- ids by the number
SELECT cardinality(smsr.next_ids(0)), cardinality(smsr.next_ids(3)), smsr.next_ids(NULL);
SELECT bool_and(i > lag) AS ascending, count(DISTINCT i & 1023) AS shards FROM (SELECT i, lag(i, 1, 0::bigint) OVER (ORDER BY n) FROM unnest(smsr.next_ids(100)) WITH ORDINALITY u (i, n)) x;
SELECT smsr.next_ids(-1);
-- whoever may call it may know, so nobody may
SELECT count(*) FROM pg_roles r WHERE r.rolname LIKE 'smsr%' AND has_function_privilege(r.oid, 'smsr.card_facts(text,smsr.eid[],smsr.iccid[],bigint[])', 'EXECUTE') AND NOT r.rolsuper;
\set ECHO none
\i sql/fleet_end.psql
