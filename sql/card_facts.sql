-- What requests are decided by: smsr.card_facts() against a join.
\set ECHO none
\i sql/fleet.psql
\set ECHO all
SELECT fleet.make(400);
-- of some there is no profile that is enabled, of some three or none at all
UPDATE smsr.profile SET state = 'Disabled' WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(5, 400, 10) g);
DELETE FROM smsr.profile WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(7, 400, 10) g);
INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state, pol2)
	SELECT fleet.eid(g), smsr.isdp_aid(40), fleet.iccid(g, 3), '1.3.6.1.4.1.99999.4', 'Disabled', '{DELETE/Not-allowed}'
	FROM generate_series(3, 400, 10) g;
INSERT INTO smsr.profile (eid, isdp_aid, state) SELECT fleet.eid(g), smsr.isdp_aid(41), 'Disabled' FROM generate_series(2, 400, 20) g;
-- what runs, what waits and what is over
INSERT INTO smsr.operation (eid, function, requester_id, stage, exclusive, status, finished_at, expires_at)
	SELECT fleet.eid(g), 'audit_eis', '1.3.6.1.4.1.99999.3', s.stage, s.exclusive, s.status, s.finished_at, now() + interval '1 day'
	FROM generate_series(1, 400) g JOIN (VALUES (0, 'sending', true, NULL, NULL::timestamptz), (1, 'waiting', true, NULL, NULL),
		(2, 'finished', true, 'EXECUTED_SUCCESS', now()), (3, 'sending', false, NULL, NULL), (0, 'waiting', true, NULL, NULL))
		s (n, stage, exclusive, status, finished_at) ON s.n = g % 9;

CREATE FUNCTION fleet.facts_differ(eids smsr.eid[], iccids smsr.iccid[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (
		SELECT u.n, e.eid IS NOT NULL AS registered, e.isdr_aid, e.isdp_loadfile_aid, e.isdp_module_aid, e.remaining_memory, e.remote_provisioning_version,
			p.isdp_aid, p.state, p.fallback_attribute, p.emergency_attribute, p.pol2, c.state AS enabled, c.pol2 AS enabled_pol2, c.msisdn, c.mno_id,
			EXISTS (SELECT FROM smsr.operation o WHERE o.eid = u.eid AND o.status IS NULL AND o.exclusive AND o.stage <> 'waiting') AS running,
			row_number() OVER (PARTITION BY u.eid ORDER BY u.n) > 1 AS again
		FROM unnest(eids, iccids) WITH ORDINALITY u (eid, iccid, n)
			LEFT JOIN smsr.euicc e ON e.eid = u.eid
			LEFT JOIN smsr.profile p ON p.eid = u.eid AND p.iccid = u.iccid
			LEFT JOIN smsr.profile c ON c.eid = u.eid AND c.state = 'Enabled'
		ORDER BY u.n) j
	FULL JOIN (SELECT * FROM smsr.card_facts(eids, iccids) WITH ORDINALITY
			f (registered, isdr, loadfile, module, memory, version, aid, state, fallback, emergency, pol2, enabled, enabled_pol2, msisdn, mno, running, again, n)) f ON f.n = j.n
	WHERE (j.registered, j.isdr_aid, j.isdp_loadfile_aid, j.isdp_module_aid, j.remaining_memory, j.remote_provisioning_version, j.isdp_aid, j.state,
			j.fallback_attribute, j.emergency_attribute, j.pol2, j.enabled, j.enabled_pol2, j.msisdn, j.mno_id, j.running, j.again)
		IS DISTINCT FROM (f.registered, f.isdr, f.loadfile, f.module, f.memory, f.version, f.aid, f.state,
			f.fallback, f.emergency, f.pol2, f.enabled, f.enabled_pol2, f.msisdn, f.mno, f.running, f.again)
$$;
-- EIDs in some order, some of them of nobody, with an ICCID of the first, second or third profile, of no profile, or none
CREATE FUNCTION fleet.facts_differ(cards int[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT fleet.facts_differ(array_agg(fleet.eid(c) ORDER BY n), array_agg(CASE WHEN n % 7 < 5 THEN fleet.iccid(c, (n % 7)::int) END ORDER BY n))
	FROM unnest(cards) WITH ORDINALITY u (c, n)
$$;

SELECT count(*), count(*) FILTER (WHERE registered) AS registered, count(state) AS profiles, count(enabled_state) AS enabled,
		count(*) FILTER (WHERE running) AS running, count(*) FILTER (WHERE again) AS again
	FROM (SELECT array_agg(fleet.eid(g) ORDER BY g) AS eids, array_agg(fleet.iccid(g, 2) ORDER BY g) AS iccids FROM generate_series(1, 500) g) c,
		smsr.card_facts(eids, iccids);
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
SELECT fleet.facts_differ(ARRAY(SELECT fleet.eid(g) FROM generate_series(1, 100) g), ARRAY(SELECT fleet.iccid(g, 1) FROM generate_series(1, 50) g)),
	fleet.facts_differ(ARRAY(SELECT fleet.eid(g) FROM generate_series(1, 100) g), NULL);
SELECT count(*) FROM smsr.card_facts('{}', NULL);
SELECT count(*) FROM smsr.card_facts(NULL, NULL);
SELECT count(*) FROM smsr.card_facts(ARRAY[fleet.eid(1), NULL], NULL);
-- as the statement sees the tables: what it began with, and what is its own transaction's
BEGIN;
DELETE FROM smsr.euicc WHERE eid IN (SELECT fleet.eid(g) FROM generate_series(1, 400, 3) g);
SELECT count(*) FILTER (WHERE registered) AS registered, fleet.facts_differ(ARRAY(SELECT generate_series(1, 400)))
	FROM (SELECT array_agg(fleet.eid(g)) AS eids FROM generate_series(1, 400) g) c, smsr.card_facts(eids, NULL) GROUP BY 2;
ROLLBACK;
-- whoever may call it may know, so nobody may
SELECT count(*) FROM pg_roles r WHERE r.rolname LIKE 'smsr%' AND has_function_privilege(r.oid, 'smsr.card_facts(smsr.eid[],smsr.iccid[])', 'EXECUTE') AND NOT r.rolsuper;
\set ECHO none
\i sql/fleet_end.psql
