-- Who may do what: the rules, and what becomes of facts that could not be read.
-- Every function with every kind under all facts is tested in core.

\a
SELECT * FROM smsr.authority_rules() WHERE kind <> 'OWN';
\a
-- this SM-SR itself may everything; some things nobody else
SELECT count(*), count(DISTINCT function), array_agg(DISTINCT needs) FROM smsr.authority_rules() WHERE kind = 'OWN';
SELECT function FROM smsr.authority_rules() GROUP BY function HAVING count(*) = 1 ORDER BY function;

-- ---- verdicts ----

CREATE TABLE asked (n int, what text, function text, kind text, known boolean, pinned_away boolean, eum boolean,
	has boolean, profile boolean, owner boolean, maker boolean, plma boolean, granted boolean, holder_ok boolean);
INSERT INTO asked VALUES
	(1, 'its operator', 'enable_profile', 'MNO', true, false, false, true, true, true, false, false, false, false),
	(2, 'another operator there', 'enable_profile', 'MNO', true, false, false, true, true, false, false, false, false, false),
	(3, 'no such profile', 'enable_profile', 'MNO', true, false, false, true, false, false, false, false, false, false),
	(4, 'an operator from elsewhere', 'enable_profile', 'MNO', true, false, false, false, true, false, false, false, false, false),
	(5, 'no such eUICC', 'enable_profile', 'MNO', false, false, false, false, false, false, false, false, false, false),
	(6, 'its operator, pinned away', 'enable_profile', 'MNO', true, true, false, true, true, true, false, false, false, false),
	(7, 'a PLMA', 'enable_profile', 'M2M-SP', true, false, false, true, true, false, false, true, true, false),
	(8, 'a PLMA for something else', 'enable_profile', 'M2M-SP', true, false, false, true, true, false, false, true, false, false),
	(9, 'the same, no profile named', 'audit_eis', 'M2M-SP', true, false, false, true, false, false, false, false, false, false),
	(10, 'a PLMA never lends POL2', 'update_policy_rules', 'M2M-SP', true, false, false, true, true, false, false, true, true, true),
	(11, 'any SM-DP may look', 'get_eis', 'SM-DP', true, false, false, false, false, false, false, false, false, false),
	(12, 'not audit', 'audit_eis', 'SM-DP', true, false, false, false, false, false, false, false, false, false),
	(13, 'its EUM', 'register_eis', 'EUM', false, false, true, false, false, false, false, false, false, false),
	(14, 'another EUM', 'register_eis', 'EUM', false, false, false, false, false, false, false, false, false, false),
	(15, 'the holder has not agreed', 'set_fallback_attribute', 'MNO', true, false, false, true, true, true, false, false, false, false),
	(16, 'a peer', 'get_eis', 'SM-SR', true, false, true, true, true, true, true, true, true, true),
	(17, 'this SM-SR', 'master_delete', 'OWN', false, true, false, false, false, false, false, false, false, false),
	(18, 'somebody else', 'master_delete', 'MNO', true, false, true, true, true, true, true, true, true, true),
	(19, 'no such function', 'destroy', 'OWN', true, false, true, true, true, true, true, true, true, true),
	(20, 'no such kind', 'get_eis', 'own', true, false, true, true, true, true, true, true, true, true),
	(21, 'empty names', '', '', true, false, true, true, true, true, true, true, true, true);
SELECT what, a.function, kind, v.*
FROM asked a, smsr.authority(a.function, kind, known, pinned_away, eum, has, profile, owner, maker, plma, granted, holder_ok) v
ORDER BY n;

-- ---- NULL: every fact in turn, of what is allowed with all ----

SELECT nothing, v.*
FROM unnest('{-,function,kind,known,pinned_away,has,profile,plma,granted,holder_ok}'::text[]) WITH ORDINALITY n (nothing, i),
	smsr.authority(CASE WHEN nothing <> 'function' THEN 'set_fallback_attribute' END,
		CASE WHEN nothing <> 'kind' THEN 'M2M-SP' END,
		CASE WHEN nothing <> 'known' THEN true END, CASE WHEN nothing <> 'pinned_away' THEN false END, NULL,
		CASE WHEN nothing <> 'has' THEN true END, CASE WHEN nothing <> 'profile' THEN true END, NULL, NULL,
		CASE WHEN nothing <> 'plma' THEN true END, CASE WHEN nothing <> 'granted' THEN true END,
		CASE WHEN nothing <> 'holder_ok' THEN true END) v
ORDER BY i;
SELECT kind, function, v.*
FROM (VALUES ('EUM', 'register_eis'), ('MNO', 'enable_profile'), ('SM-DP', 'enable_profile'), ('OWN', 'enable_profile')) r (kind, function),
	smsr.authority(function, kind, true, false, NULL, true, true, NULL, NULL, true, true, true) v;
SELECT * FROM smsr.authority(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- the same in a query's list as in its FROM, a row at a time and in a subquery
SELECT count(*), count(*) FILTER (WHERE (v).allowed) AS allowed, count(DISTINCT (v).because) AS refusals
FROM (SELECT smsr.authority(a.function, kind, known, pinned_away, eum, has, profile, owner, maker, plma, granted, holder_ok) AS v
	FROM asked a OFFSET 0) s;
SELECT provolatile, proparallel, proisstrict FROM pg_proc WHERE proname IN ('authority', 'authority_rules');
DROP TABLE asked;
