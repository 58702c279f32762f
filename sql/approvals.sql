-- Four eyes: what waits for a second person, who that may be, and what then happens.
\set ECHO none
\i sql/card.psql
\set ECHO all
\set VERBOSITY terse

CREATE ROLE regress_smsr_second NOLOGIN;
CREATE ROLE regress_smsr_anna SUPERUSER;
CREATE ROLE regress_smsr_bert SUPERUSER;
-- neither an administrator nor asked
CREATE ROLE regress_smsr_carl IN ROLE regress_smsr_second;
GRANT USAGE ON SCHEMA smsr TO regress_smsr_carl;
GRANT EXECUTE ON FUNCTION smsr.approve(bigint, text), smsr.reject(bigint, text) TO regress_smsr_carl;
CREATE ROLE regress_smsr_dora;
GRANT USAGE ON SCHEMA smsr TO regress_smsr_dora;
GRANT EXECUTE ON FUNCTION smsr.approve(bigint, text) TO regress_smsr_dora;
CREATE FUNCTION card.held() RETURNS bigint LANGUAGE sql AS $$
	SELECT max(id) FROM smsr.approval WHERE decision IS NULL
$$;
GRANT USAGE ON SCHEMA card TO regress_smsr_carl, regress_smsr_dora;
-- ---- rules ----

SELECT smsr.set_approval_rule('describe', 'regress_smsr_second');
SELECT smsr.set_approval_rule('master_delete', 'regress_smsr_nobody');
SELECT smsr.set_approval_rule('master_delete', 'regress_smsr_second', -1);
SELECT smsr.set_approval_rule('master_delete', 'regress_smsr_second', 0, '1.2.3');
SELECT smsr.remove_approval_rule('master_delete', 'regress_smsr_second');
SELECT smsr.set_approval_rule('enable_profile', 'regress_smsr_second', 1);
SELECT smsr.set_approval_rule('set_fallback_attribute', 'regress_smsr_second');
SELECT smsr.approver_roles('enable_profile', smsr.setting('smsr_id'), 1);
SELECT smsr.approver_roles('enable_profile', smsr.setting('smsr_id'), 2);
SELECT smsr.approver_roles('set_fallback_attribute', '1.3.6.1.4.1.99999.3', 1);

-- ---- operations: below the size, above it ----

SELECT card.reset();
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT count(*) FROM smsr.request('enable_profile', ARRAY[card.eid(1)], ARRAY[card.iccid(2, 1)]);
SELECT stage, approval_id IS NULL AS free FROM smsr.operation;
RESET SESSION AUTHORIZATION;
SELECT card.reset();
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT count(*) FROM smsr.request('enable_profile', ARRAY[card.eid(1), card.eid(2)], ARRAY[card.iccid(2, 1), card.iccid(2, 2)],
	call_ids => '{a,b}');
SELECT * FROM card.operations;
-- the same calls again are the same operations, and ask nobody anew
SELECT count(*) FROM smsr.request('enable_profile', ARRAY[card.eid(1), card.eid(2)], ARRAY[card.iccid(2, 1), card.iccid(2, 2)],
	call_ids => '{a,b}');
SELECT function, what, euiccs, approver_roles, requested_by, session_by, decision FROM smsr.approval;
SELECT * FROM card.take();
-- nothing else is held up
SELECT smsr.audit_eis(card.eid(1)) AS op \gset
SELECT * FROM card.take();
SELECT w.what, regexp_replace(w.says, '[0-9]{4,}', 'N', 'g') AS says FROM smsr.operation o, smsr.why(o.id) w
	WHERE o.stage = 'held' AND o.eid = card.eid(1) AND w.what = 'awaited' ORDER BY 1;
SELECT regexp_replace(smsr.unstick(o.id), '[0-9]+', 'N') FROM smsr.operation o WHERE o.stage = 'held' AND o.eid = card.eid(1);

-- who may not: the one who called, in that role or in another of the same login; who is not asked
SELECT regexp_replace(card.try(format('SELECT smsr.approve(%s)', card.held())), 'approval [0-9]+', 'approval N', 'g');
SET ROLE regress_smsr_bert;
SELECT regexp_replace(card.try(format('SELECT smsr.approve(%s)', card.held())), 'approval [0-9]+', 'approval N', 'g');
RESET ROLE;
SELECT card.held() AS held \gset
RESET SESSION AUTHORIZATION;
GRANT SELECT ON ALL TABLES IN SCHEMA card TO regress_smsr_dora, regress_smsr_carl;
SET SESSION AUTHORIZATION regress_smsr_dora;
SELECT regexp_replace(card.try('SELECT smsr.approve(' || :'held' || ')'), 'approval [0-9]+', 'approval N', 'g');
RESET SESSION AUTHORIZATION;
SELECT stage, count(*) FROM smsr.operation GROUP BY 1 ORDER BY 1;

-- who may: then they go on, the one whose card is busy in its turn
SET SESSION AUTHORIZATION regress_smsr_carl;
SELECT smsr.approve(:held, 'CHG-1');
SELECT regexp_replace(card.try('SELECT smsr.approve(' || :'held' || ')'), 'approval [0-9]+', 'approval N', 'g');
RESET SESSION AUTHORIZATION;
SELECT * FROM card.operations;
SELECT * FROM card.take();
SELECT decision, decided_by, decided_session, decided_because, requested_by FROM smsr.approval;
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')]);
SELECT * FROM card.operations;
SELECT function, status, requester_id, requested_by, details - 'approvers' AS details FROM smsr.audit_trail
	WHERE eid IS NULL AND function IN ('ask_approval', 'approve') ORDER BY position;

-- by an operation's id; a person who says no
SELECT card.reset();
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT smsr.set_fallback_attribute(card.eid(1), card.iccid(2)) AS op \gset
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_smsr_carl;
SELECT smsr.reject(:op, 'not today');
RESET SESSION AUTHORIZATION;
SELECT card.operation(:op);
SELECT status, subject_code, reason_code FROM smsr.audit_trail WHERE operation_id = :op;
SELECT * FROM card.take();

-- nobody says anything: it expires, and nothing has left
SELECT card.reset();
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT smsr.set_fallback_attribute(card.eid(1), card.iccid(2), validity => '1 ms') AS op \gset
RESET SESSION AUTHORIZATION;
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT count(*) FROM smsr.unknown_outcome;
SELECT approval_id AS held FROM smsr.operation WHERE id = :op \gset
SET SESSION AUTHORIZATION regress_smsr_carl;
SELECT regexp_replace(card.try('SELECT smsr.approve(' || :'held' || ')'), 'approval [0-9]+', 'approval N', 'g');
RESET SESSION AUTHORIZATION;

-- what is approved is judged by how things are then
SELECT card.reset();
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT count(*) FROM smsr.request('enable_profile', ARRAY[card.eid(1), card.eid(2)], ARRAY[card.iccid(2, 1), card.iccid(2, 2)]);
SELECT card.held() AS held \gset
RESET SESSION AUTHORIZATION;
UPDATE smsr.profile SET pol2 = '{DISABLE/Not-Allowed}' WHERE eid = card.eid(2) AND state = 'Enabled';
SET SESSION AUTHORIZATION regress_smsr_carl;
SELECT smsr.approve(:held);
RESET SESSION AUTHORIZATION;
SELECT * FROM card.operations;
SELECT status, subject_code, reason_code FROM smsr.audit_trail WHERE eid = card.eid(2) AND function = 'enable_profile';

-- what is relayed is for the ISD-P then too
SELECT card.reset();
SELECT smsr.set_approval_rule('update_connectivity_parameters', 'regress_smsr_second');
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT smsr.update_connectivity_parameters(card.eid(1), card.iccid(2), '\x8500') AS op \gset
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM smsr.outbound;
SET SESSION AUTHORIZATION regress_smsr_carl;
SELECT smsr.approve(:op);
RESET SESSION AUTHORIZATION;
SELECT * FROM card.take();
SELECT encode(tar, 'hex') AS tar FROM card.last(1);
SELECT card.answer();
SELECT card.operation(:op);
SELECT smsr.remove_approval_rule('update_connectivity_parameters', 'regress_smsr_second');

-- ---- calls that act at once: approved, they are repeated ----

SELECT smsr.set_approval_rule('update_policy_rules', 'regress_smsr_second');
SELECT card.reset();
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT smsr.update_policy_rules(card.eid(1), card.iccid(2), '{DELETE/Not-Allowed}') IS NULL AS waits;
SELECT smsr.update_policy_rules(card.eid(1), card.iccid(2), '{DELETE/Not-Allowed}') IS NULL AS waits;
SELECT count(*) FROM smsr.approval WHERE function = 'update_policy_rules';
SELECT card.held() AS held \gset
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_smsr_carl;
SELECT smsr.approve(:held);
RESET SESSION AUTHORIZATION;
-- another's call, or another call, is not what was approved
SELECT smsr.update_policy_rules(card.eid(1), card.iccid(2), '{DELETE/Not-Allowed}') IS NULL AS waits;
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT smsr.update_policy_rules(card.eid(1), card.iccid(2), '{}') IS NULL AS waits;
SELECT pol2 FROM smsr.profile WHERE eid = card.eid(1) AND iccid = card.iccid(2);
SELECT smsr.update_policy_rules(card.eid(1), card.iccid(2), '{DELETE/Not-Allowed}') IS NULL AS waits;
SELECT pol2 FROM smsr.profile WHERE eid = card.eid(1) AND iccid = card.iccid(2);
-- once
SELECT smsr.update_policy_rules(card.eid(1), card.iccid(2), '{DELETE/Not-Allowed}') IS NULL AS waits;
RESET SESSION AUTHORIZATION;

-- ---- a rule for rules ----

SELECT smsr.set_approval_rule('set_approval_rule', 'regress_smsr_second');
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT smsr.remove_approval_rule('set_approval_rule', 'regress_smsr_second');
SELECT count(*) FROM smsr.approval_rule WHERE function = 'set_approval_rule';
SELECT card.held() AS held \gset
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_smsr_carl;
SELECT smsr.approve(:held);
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT smsr.remove_approval_rule('set_approval_rule', 'regress_smsr_second');
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM smsr.approval_rule WHERE function = 'set_approval_rule';

-- a role that is not there any more has no members: closed
SELECT card.reset();
CREATE ROLE regress_smsr_gone;
SELECT smsr.set_approval_rule('audit_eis', 'regress_smsr_gone');
DROP ROLE regress_smsr_gone;
SET SESSION AUTHORIZATION regress_smsr_anna;
SELECT smsr.audit_eis(card.eid(1)) AS op \gset
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_smsr_bert;
SELECT regexp_replace(card.try('SELECT smsr.approve(' || :'op' || ')'), 'approval [0-9]+', 'approval N', 'g');
RESET SESSION AUTHORIZATION;

DELETE FROM smsr.approval_rule;
DELETE FROM smsr.approval;
DROP OWNED BY regress_smsr_anna, regress_smsr_bert, regress_smsr_carl, regress_smsr_dora, regress_smsr_second;
DROP ROLE regress_smsr_anna, regress_smsr_bert, regress_smsr_carl, regress_smsr_dora, regress_smsr_second;
\set ECHO none
\i sql/card_end.psql
