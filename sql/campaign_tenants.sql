-- Campaigns of parties: what each may plan, sees and may stop.
\set ECHO none
\i sql/fleet.psql
SELECT smsr.install_roles() AS installed \gset
CREATE ROLE regress_smsr_north IN ROLE smsr_tenant;
CREATE ROLE regress_smsr_south IN ROLE smsr_tenant;
CREATE ROLE regress_smsr_admin IN ROLE smsr_administrator;
INSERT INTO smsr.party_role (role_name, party_id, bound_by) VALUES
	('regress_smsr_north', '1.3.6.1.4.1.99999.3', current_user), ('regress_smsr_south', '1.3.6.1.4.1.99999.4', current_user);
SELECT fleet.make(20), fleet.make(10, '1.3.6.1.4.1.99999.4', 21) AS made, fleet.eid(21) AS souths \gset
GRANT USAGE ON SCHEMA fleet TO PUBLIC;
\set ECHO all

-- ---- with the caller's rights and policies ----

SET ROLE regress_smsr_north;
SELECT smsr.create_campaign('all that I see', 'enable_profile', 'SELECT eid, iccid FROM smsr.profile WHERE state = ''Disabled''') > 0 AS made;
SELECT smsr.create_campaign('by the view', 'audit_eis', 'SELECT DISTINCT eid FROM smsr.my_profile', '{"max_failure_rate": 1}') AS north \gset
-- by constants: South's eUICC, and none, look the same
SELECT smsr.create_campaign('foreign', 'audit_eis', format('SELECT %L AS eid', :'souths'));
SELECT smsr.create_campaign('foreign', 'audit_eis', format('SELECT %L AS eid', fleet.eid(99)));
SELECT smsr.create_campaign('foreign', 'enable_profile', format('SELECT %L AS eid, %L AS iccid', fleet.eid(1), fleet.iccid(21, 2)));
-- what a party of its kind may not do at all, and what it may not read
SELECT smsr.create_campaign('foreign', 'create_isdp', format('SELECT %L AS eid, ''8949000009000000001'' AS iccid, ''1.2'' AS mno_id, 1 AS required_memory', fleet.eid(1)));
SELECT smsr.create_campaign('foreign', 'audit_eis', 'SELECT eid FROM smsr.keyset');
SELECT smsr.create_campaign('foreign', 'audit_eis', 'SELECT eid FROM smsr.read_cohort(''SELECT eid FROM smsr.euicc'', '''', 10, 10, ''{}'', false)');
-- who asks is who calls, also within
SELECT smsr.create_campaign('who', 'audit_eis', 'SELECT eid FROM (SELECT DISTINCT eid FROM smsr.profile) p WHERE smsr.caller() = ''regress_smsr_north'' AND current_user = ''regress_smsr_north''') > 0 AS made;
SELECT name, party_id, created_by, members FROM smsr.campaign ORDER BY id;
SELECT smsr.start_campaign(:north);
RESET ROLE;

-- ---- whose it is not ----

SET ROLE regress_smsr_south;
SELECT smsr.create_campaign('by the view', 'audit_eis', 'SELECT DISTINCT eid FROM smsr.my_profile') > 0 AS made;
SELECT name, party_id, created_by, members FROM smsr.campaign ORDER BY id;
SELECT name, members FROM smsr.campaign_progress;
SELECT count(*) FROM smsr.campaign_result;
SELECT count(*) FROM smsr.campaign_member;
SELECT count(*) FROM smsr.campaign_wave;
SELECT fleet.try(format('SELECT smsr.%s(%s)', f, :north)) IN (format('P0002: there is no campaign %s', :north)) AS none
	FROM (VALUES ('start_campaign'), ('pause_campaign'), ('resume_campaign'), ('cancel_campaign')) v (f);
SELECT plan FROM smsr.campaign;
SELECT count(*) FROM smsr.campaign_end;
SELECT smsr.campaign_tick();
RESET ROLE;

-- ---- authority is that of the moment of release ----

UPDATE smsr.profile SET mno_id = '1.3.6.1.4.1.99999.4' WHERE eid = fleet.eid(1);
SELECT smsr.tick(), smsr.tick();
SET ROLE regress_smsr_north;
SELECT state, status, subject_code, reason_code, message, count(*) FROM smsr.campaign_result WHERE campaign_id = :north GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2;
SELECT requester_id, requested_by, count(*) FROM smsr.my_operation GROUP BY 1, 2;
RESET ROLE;
SELECT tenant, priority FROM smsr.lane WHERE campaign_id = :north;

-- ---- whoever runs the SM-SR can stop anybody's, and start his own ----

SET ROLE regress_smsr_admin;
SELECT smsr.pause_campaign(:north, 'congestion');
SELECT name, party_id, state, because FROM smsr.campaign_progress ORDER BY id;
SELECT smsr.start_campaign(id) FROM smsr.campaign WHERE name = 'all that I see';
SELECT smsr.cancel_campaign(:north);
SELECT plan IS NOT NULL AS planned FROM smsr.campaign WHERE id = :north;
RESET ROLE;
SELECT function, chain_party, requester_id, requested_by FROM smsr.audit_trail WHERE operation_id = :north ORDER BY position;
DROP OWNED BY regress_smsr_north, regress_smsr_south, regress_smsr_admin;
DROP ROLE regress_smsr_north, regress_smsr_south, regress_smsr_admin;

\set ECHO none
\i sql/fleet_end.psql
