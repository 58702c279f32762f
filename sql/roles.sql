-- What row level security costs: the plans of tenants.  A superuser's session may
-- see them; tenants themselves may not (test/t/070_tenant.pl).
\set VERBOSITY terse
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
LOAD 'smsr';
SELECT smsr.install_roles();
SELECT rolname FROM pg_roles WHERE rolname LIKE 'smsr\_%' ORDER BY rolname COLLATE "C";
CREATE ROLE regress_smsr_mno;
SELECT smsr.register_party('1.3.6.1.4.1.99999.203', 'MNO', 'North Mobile', 'regress_smsr_mno');

CREATE FUNCTION some_eid(n int) RETURNS smsr.eid LANGUAGE sql AS $$
	SELECT d || lpad((98 - (d || '00')::numeric % 97)::text, 2, '0')
	FROM (SELECT '890010120123412340' || lpad(n::text, 12, '0')) AS v (d)
$$;
CREATE FUNCTION some_aid(n int) RETURNS smsr.aid LANGUAGE sql AS $$
	SELECT ('A0000005591010FFFFFFFF89' || lpad(upper(to_hex(n)), 6, '0') || '00')::smsr.aid
$$;
-- one of a hundred is the tenant's
INSERT INTO smsr.euicc (eid, eum_id, smsr_id, production_date, platform_type, platform_version,
	isdp_loadfile_aid, isdp_module_aid, isdr_aid, cattp_support, http_support,
	secure_packet_version, remote_provisioning_version, remaining_memory, available_memory)
SELECT some_eid(n), '1.3.6.1.4.1.99999.1', '1.3.6.1.4.1.99999.9', now(), 'type', '1.0',
	some_aid(13), some_aid(14), some_aid(1), false, false, '12.0.0', '3.2.0', 500000, 500000
FROM generate_series(1, 10000) AS n;
INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, smdp_id, profile_type, state, msisdn)
SELECT some_eid(n), some_aid(16), ('894400000000' || lpad(n::text, 6, '0') || '0')::smsr.iccid,
	'1.3.6.1.4.1.99999.203' || CASE WHEN n % 100 > 0 THEN '.' || n % 100 ELSE '' END,
	'1.3.6.1.4.1.99999.202.' || n % 10, 'meter', 'Disabled', '49' || n
FROM generate_series(1, 10000) AS n;
INSERT INTO smsr.operation (eid, function, requester_id, stage, status, finished_at, expires_at)
SELECT p.eid, 'audit_eis', p.mno_id, 'finished', 'EXECUTED_SUCCESS', now(), now() FROM smsr.profile p;
INSERT INTO smsr.notice (party_id, eid, kind)
SELECT p.mno_id, p.eid, 'HandleProfileEnabled' FROM smsr.profile p;
VACUUM ANALYZE smsr.euicc, smsr.profile, smsr.operation, smsr.notice, smsr.party, smsr.plma, smsr.eid_range;
SELECT some_eid(100) AS mine, some_eid(101) AS theirs, some_eid(10001) AS nobodys \gset

SET ROLE regress_smsr_mno;
SELECT count(*) FROM smsr.my_profile;
SELECT count(*) FROM smsr.my_euicc;
SELECT count(*) FROM smsr.my_operation;
SELECT count(*) FROM smsr.my_notice;
SELECT eid = :'mine' AS mine, count(*) FROM smsr.my_profile WHERE eid IN (:'mine', :'theirs', :'nobodys') GROUP BY 1;

-- the fleet: an index for each reason for which a profile may be the tenant's
EXPLAIN (COSTS OFF) SELECT eid, state FROM smsr.profile;
-- one of them: by the key, whoever owns it
EXPLAIN (COSTS OFF) SELECT eid, state FROM smsr.profile WHERE eid = :'mine';
EXPLAIN (COSTS OFF) SELECT eid, state FROM smsr.my_profile WHERE iccid = '8944000000000001000';
EXPLAIN (COSTS OFF) SELECT eid, state FROM smsr.my_profile WHERE msisdn = '49100';
EXPLAIN (COSTS OFF) SELECT eid FROM smsr.euicc WHERE eid = :'mine';
EXPLAIN (COSTS OFF) SELECT id, status FROM smsr.my_operation WHERE eid = :'mine';
EXPLAIN (COSTS OFF) SELECT id, status FROM smsr.my_operation;
EXPLAIN (COSTS OFF) SELECT id, kind FROM smsr.my_notice;

-- led by the profiles; the eUICCs are not scanned
SET enable_hashjoin = off;
SET enable_mergejoin = off;
CREATE FUNCTION pg_temp.scans(query text) RETURNS TABLE (scan text, how_often bigint) LANGUAGE plpgsql AS $$
DECLARE
	line text;
	scans text[];
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		IF line ~ 'Scan' AND line !~ 'never executed' THEN
			scans := scans || substring(line FROM '->  (.*Scan.*) \(actual');
		END IF;
	END LOOP;
	RETURN QUERY SELECT s COLLATE "C", count(*) FROM unnest(scans) s GROUP BY 1 ORDER BY 1;
END $$;
SELECT * FROM pg_temp.scans('SELECT eid FROM smsr.my_euicc');
RESET ROLE;

DROP FUNCTION some_eid, some_aid;
TRUNCATE smsr.euicc CASCADE;
TRUNCATE smsr.operation, smsr.notice;
DELETE FROM smsr.party WHERE oid = '1.3.6.1.4.1.99999.203';
DROP OWNED BY regress_smsr_mno, smsr_administrator, smsr_gateway, smsr_auditor, smsr_key_officer, smsr_tenant;
DROP ROLE regress_smsr_mno, smsr_administrator, smsr_gateway, smsr_auditor, smsr_key_officer, smsr_tenant;
