-- Parties: who is whose role, what each may do, what operators grant, and what
-- explain_policy() says of it.
\set ECHO none
\i sql/card.psql
\set ECHO all
SET client_min_messages = warning;
\set VERBOSITY terse
DELETE FROM smsr.party;

CREATE ROLE regress_smsr_mno;
CREATE ROLE regress_smsr_rival;
CREATE ROLE regress_smsr_smdp;
CREATE ROLE regress_smsr_m2m;
CREATE ROLE regress_smsr_nobody;
CREATE ROLE regress_smsr_super SUPERUSER;
DO $$
DECLARE
	r name;
	f regprocedure;
BEGIN
	FOREACH r IN ARRAY '{regress_smsr_mno,regress_smsr_rival,regress_smsr_smdp,regress_smsr_m2m,regress_smsr_nobody}'::name[]
	LOOP
		EXECUTE format('GRANT USAGE ON SCHEMA smsr, card TO %I', r);
		EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA card TO %I', r);
		FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'smsr'::regnamespace AND p.prosecdef
		LOOP
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', f, r);
		END LOOP;
	END LOOP;
END $$;
-- what became of a call, read by who may read it
CREATE FUNCTION card.ended(of bigint) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT card.operation(of) $$;

-- ---- registering and binding ----

SELECT smsr.register_party('1.3.6.1.4.1.99999.3', 'MNO', 'operator', 'regress_smsr_mno');
SELECT smsr.register_party('1.3.6.1.4.1.99999.4', 'MNO', 'rival', 'regress_smsr_rival');
SELECT smsr.register_party('1.3.6.1.4.1.99999.2', 'SM-DP', 'preparer', 'regress_smsr_smdp');
SELECT smsr.register_party('1.3.6.1.4.1.99999.5', 'M2M-SP', 'service', 'regress_smsr_m2m');
SELECT smsr.register_party('99999', 'MNO', 'no');
SELECT smsr.register_party('1.3.6.1.4.1.99999.6', 'BANK', 'no');
SELECT smsr.register_party('1.3.6.1.4.1.99999.6', 'MNO', '');
SELECT smsr.register_party(smsr.setting('smsr_id'), 'SM-SR', 'we');
SELECT smsr.register_party('1.3.6.1.4.1.99999.3', 'MNO', 'again');
SELECT smsr.bind_role('1.3.6.1.4.1.99999.9', 'regress_smsr_nobody');
SELECT smsr.bind_role('1.3.6.1.4.1.99999.3', 'regress_smsr_missing');
SELECT smsr.bind_role('1.3.6.1.4.1.99999.3', 'regress_smsr_rival');
SELECT smsr.bind_role('1.3.6.1.4.1.99999.3', 'regress_smsr_super');
SELECT role_name, party_id FROM smsr.party_role ORDER BY 1;

-- who is who: by the role in force, whatever was logged in
SELECT smsr.requester() = smsr.setting('smsr_id') AS own;
SET ROLE regress_smsr_mno;
SELECT smsr.requester();
SET ROLE regress_smsr_nobody;
SELECT smsr.requester();
SELECT smsr.enable_profile('89049032001000000100000090000151', '8949000000090000118');
SELECT smsr.get_plma();
RESET ROLE;
-- at once, also for sessions that are open
SELECT smsr.bind_role('1.3.6.1.4.1.99999.3', 'regress_smsr_nobody');
SET ROLE regress_smsr_nobody;
SELECT smsr.requester();
RESET ROLE;
SELECT smsr.unbind_role('regress_smsr_nobody');
SELECT smsr.unbind_role('regress_smsr_nobody');
SET ROLE regress_smsr_nobody;
SELECT smsr.requester();
-- not for parties
SET ROLE regress_smsr_mno;
SELECT smsr.register_party('1.3.6.1.4.1.99999.7', 'MNO', 'mine');
SELECT smsr.bind_role('1.3.6.1.4.1.99999.4', 'regress_smsr_mno');
SELECT smsr.unbind_role('regress_smsr_rival');
SELECT smsr.pin_eid_range('89049032001000000100000090000151', '89049032001000000100000090000151', '1.3.6.1.4.1.99999.3');
SELECT smsr.set_approval_rule('*', 'regress_smsr_mno');
RESET ROLE;
SELECT function, requester_id, requested_by, status, subject_code, reason_code FROM smsr.audit_trail
	WHERE eid IS NULL AND requested_by = 'regress_smsr_mno' ORDER BY position;

-- a table owner's code on somebody else's account is nobody's
SET ROLE regress_smsr_super;
CREATE TABLE card.trap (x int);
CREATE FUNCTION card.spring(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN CASE WHEN smsr.requester() IS NULL THEN 0 ELSE 1 END;
END $$;
CREATE MATERIALIZED VIEW card.sprung AS SELECT smsr.requester() IS NULL AS nobody WITH NO DATA;
REFRESH MATERIALIZED VIEW card.sprung;
SELECT * FROM card.sprung;
INSERT INTO card.trap VALUES (1);
CREATE INDEX ON card.trap (card.spring(x));
ALTER TABLE card.trap OWNER TO regress_smsr_mno;
RESET ROLE;
SET enable_seqscan = off;
SELECT count(*) AS "as nobody" FROM card.trap WHERE card.spring(x) = 0;
RESET enable_seqscan;

-- ---- who may do what ----

SELECT card.reset();
SET ROLE regress_smsr_mno;
SELECT smsr.enable_profile(card.eid(1), card.iccid(2)) AS op \gset
SELECT card.ended(:op);
SET ROLE regress_smsr_rival;
-- of another's card nothing is known: neither that it is there, nor that it is busy
SELECT card.ended(smsr.enable_profile(card.eid(1), card.iccid(2)));
SELECT card.ended(smsr.enable_profile('89049032001000000100000090000345', card.iccid(2)));
SELECT card.ended(smsr.audit_eis(card.eid(1)));
SELECT card.ended(smsr.create_isdp(card.eid(2), '8949000000090000999', '1.3.6.1.4.1.99999.4', 1000));
SELECT card.ended(smsr.update_policy_rules(card.eid(2), card.iccid(1, 2), '{}'));
SELECT card.ended(smsr.update_subscription_address(card.eid(2), card.iccid(1, 2), '491'));
SET ROLE regress_smsr_smdp;
SELECT card.ended(smsr.disable_profile(card.eid(2), card.iccid(1, 2)));
SELECT card.ended(smsr.delete_isdp(card.eid(2), '8949000000090000999'));
SELECT card.ended(smsr.update_smsr_addressing(card.eid(2), '+491'));
SET ROLE regress_smsr_m2m;
SELECT card.ended(smsr.disable_profile(card.eid(2), card.iccid(1, 2)));
RESET ROLE;
SELECT right(requester_id, 2) AS party, function, status, subject_code, reason_code FROM smsr.audit_trail
	WHERE (eid IS NOT NULL OR details ->> 'eid' IS NOT NULL) AND status = 'FAILED' ORDER BY position;

-- ---- PLMA and ONC ----

SET ROLE regress_smsr_mno;
SELECT smsr.set_plma('1.3.6.1.4.1.99999.5', 'sample', '{enable_profile,update_policy_rules}');
SELECT smsr.set_plma('1.3.6.1.4.1.99999.5', 'sample', '{enable_profile}', '{HandleNothing}');
SELECT smsr.set_plma('1.3.6.1.4.1.99999.2', 'sample', '{enable_profile}');
SELECT smsr.set_plma('1.3.6.1.4.1.99999.5', '', '{enable_profile}');
SELECT smsr.set_plma('1.3.6.1.4.1.99999.5', 'sample', '{enable_profile,get_eis}', '{HandleProfileEnabled}');
-- an operator decides for itself
SELECT smsr.set_plma('1.3.6.1.4.1.99999.5', 'sample', '{enable_profile}', mno_id => '1.3.6.1.4.1.99999.4');
SELECT mno_id, m2m_sp_id, profile_type, authorised, notifications FROM smsr.get_plma();
SET ROLE regress_smsr_m2m;
SELECT mno_id, m2m_sp_id, profile_type, authorised, notifications FROM smsr.get_plma();
SELECT smsr.set_plma('1.3.6.1.4.1.99999.4', 'sample', '{enable_profile}');
-- what is granted, and what is not
SELECT card.ended(smsr.enable_profile(card.eid(2), card.iccid(2, 2)));
SELECT card.ended(smsr.disable_profile(card.eid(2), card.iccid(1, 2)));
SELECT card.ended(smsr.audit_eis(card.eid(2)));
SELECT card.ended(smsr.update_policy_rules(card.eid(2), card.iccid(1, 2), '{}'));
SET ROLE regress_smsr_rival;
SELECT count(*) FROM smsr.get_plma();
SET ROLE regress_smsr_smdp;
SELECT count(*) FROM smsr.get_plma();
SELECT smsr.set_onc('sample', '{HandleProfileEnabled}');
SET ROLE regress_smsr_mno;
SELECT smsr.set_onc('sample', '{HandleNothing}');
SELECT smsr.set_onc('sample', '{HandleProfileEnabled}');
SELECT mno_id, profile_type, discarded FROM smsr.get_onc();
SELECT smsr.set_onc('sample', '{}');
SELECT count(*) FROM smsr.get_onc();
-- taken back, it is as if it had never been
SELECT smsr.set_plma('1.3.6.1.4.1.99999.5', 'sample', '{}');
SET ROLE regress_smsr_m2m;
SELECT card.ended(smsr.disable_profile(card.eid(2), card.iccid(1, 2)));
RESET ROLE;
SELECT smsr.set_plma('1.3.6.1.4.1.99999.5', 'sample', '{disable_profile}', mno_id => '1.3.6.1.4.1.99999.3');
SELECT smsr.set_plma('1.3.6.1.4.1.99999.5', 'sample', '{disable_profile}', mno_id => '1.3.6.1.4.1.99999.2');

-- ---- the fall-back attribute of another's profile ----

SELECT card.reset();
UPDATE smsr.profile SET mno_id = '1.3.6.1.4.1.99999.4' WHERE eid = card.eid(1) AND iccid = card.iccid(2);
SET ROLE regress_smsr_rival;
SELECT card.ended(smsr.set_fallback_attribute(card.eid(1), card.iccid(2)));
SET ROLE regress_smsr_mno;
SELECT smsr.set_plma('1.3.6.1.4.1.99999.4', 'sample', '{unset_fallback_attribute}');
SET ROLE regress_smsr_rival;
SELECT card.ended(smsr.set_fallback_attribute(card.eid(1), card.iccid(2)));
-- and no more than that
SELECT card.ended(smsr.disable_profile(card.eid(1), card.iccid(1)));
RESET ROLE;

-- ---- what waits is asked again when its turn comes ----

SELECT card.reset();
SET ROLE regress_smsr_mno;
SELECT smsr.audit_eis(card.eid(1)) AS ahead \gset
SELECT smsr.disable_profile(card.eid(1), card.iccid(1)) AS op \gset
SELECT card.ended(:op);
RESET ROLE;
UPDATE smsr.profile SET mno_id = '1.3.6.1.4.1.99999.4' WHERE eid = card.eid(1) AND iccid = card.iccid(1);
SELECT card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')]);
SELECT card.operation(:op);

-- ---- EID ranges ----

SELECT card.reset();
SELECT smsr.pin_eid_range(card.eid(2), card.eid(1), '1.3.6.1.4.1.99999.4');
SELECT smsr.pin_eid_range(card.eid(1), card.eid(1), '1.3.6.1.4.1.99999.5');
SELECT smsr.pin_eid_range(card.eid(1), card.eid(1), '1.3.6.1.4.1.99999.4');
SET ROLE regress_smsr_mno;
SELECT card.ended(smsr.disable_profile(card.eid(1), card.iccid(1)));
SELECT card.ended(smsr.audit_eis(card.eid(2)));
SET ROLE regress_smsr_smdp;
SELECT card.ended(smsr.create_isdp(card.eid(1), '8949000000090000999', '1.3.6.1.4.1.99999.4', 1000));
RESET ROLE;
SELECT smsr.pin_eid_range(card.eid(1), card.eid(1), '1.3.6.1.4.1.99999.2');
SET ROLE regress_smsr_smdp;
-- for an operator that the range is not for
SELECT card.ended(smsr.create_isdp(card.eid(1), '8949000000090000999', '1.3.6.1.4.1.99999.3', 1000));
SELECT card.ended(smsr.create_isdp(card.eid(1), '8949000000090000999', '1.3.6.1.4.1.99999.4', 1000));
RESET ROLE;
SELECT smsr.unpin_eid_range(card.eid(1), card.eid(1), '1.3.6.1.4.1.99999.3');
SELECT smsr.unpin_eid_range(card.eid(1), card.eid(1), '1.3.6.1.4.1.99999.2'), smsr.unpin_eid_range(card.eid(1), card.eid(1), '1.3.6.1.4.1.99999.4');
SET ROLE regress_smsr_mno;
SELECT allowed FROM smsr.explain_policy(card.eid(1), card.iccid(1), 'get_eis') e (rule, says, allowed) WHERE rule = 'verdict';
RESET ROLE;

-- ---- additional properties, by the EUM ----

SELECT smsr.register_party('1.3.6.1.4.1.99999.1', 'EUM', 'maker', 'regress_smsr_nobody');
SET ROLE regress_smsr_nobody;
SELECT card.ended(smsr.update_eis_additional_properties(card.eid(2), '{"a": "1", "b": "2"}'));
SELECT card.ended(smsr.update_eis_additional_properties(card.eid(2), '{"a": null, "c": "3"}'));
SELECT smsr.update_eis_additional_properties(card.eid(2), '{"a": 1}');
SELECT smsr.update_eis_additional_properties(card.eid(2), '[]');
SELECT card.ended(smsr.update_eis_additional_properties('89049032001000000100000090000345', '{"a": "1"}'));
SELECT card.ended(smsr.enable_profile(card.eid(2), card.iccid(2, 2)));
SET ROLE regress_smsr_mno;
SELECT card.ended(smsr.update_eis_additional_properties(card.eid(2), '{"a": "1"}'));
RESET ROLE;
SELECT additional_properties FROM smsr.euicc WHERE eid = card.eid(2);

-- ---- explain_policy ----

SELECT card.reset();
UPDATE smsr.profile SET pol2 = '{DISABLE/Not-Allowed}' WHERE eid = card.eid(1) AND iccid = card.iccid(1);
UPDATE smsr.profile SET mno_id = '1.3.6.1.4.1.99999.4', pol2 = '{DELETE/Not-Allowed,DISABLE/Auto-Delete}' WHERE eid = card.eid(1) AND iccid = card.iccid(2);
SELECT * FROM smsr.explain_policy(card.eid(1), card.iccid(2), 'enable_profile');
SELECT * FROM smsr.explain_policy(card.eid(1), card.iccid(2), 'delete_profile');
SELECT * FROM smsr.explain_policy(card.eid(1), card.iccid(2), 'describe');
SELECT * FROM smsr.explain_policy('89049032001000000100000090000345', NULL, 'audit_eis');
-- to the one who owns the target the other's rules are not shown, only that they forbid
SET ROLE regress_smsr_rival;
SELECT * FROM smsr.explain_policy(card.eid(1), card.iccid(2), 'enable_profile');
SELECT * FROM smsr.explain_policy(card.eid(1), card.iccid(1), 'disable_profile');
SELECT * FROM smsr.explain_policy(card.eid(2), card.iccid(1, 2), 'disable_profile');
RESET ROLE;
-- and it is what the call then meets
SET ROLE regress_smsr_rival;
SELECT card.ended(smsr.enable_profile(card.eid(1), card.iccid(2)));
RESET ROLE;
UPDATE smsr.profile SET pol2 = '{DISABLE/Auto-Delete}', fallback_attribute = false WHERE eid = card.eid(1) AND iccid = card.iccid(1);
SELECT * FROM smsr.explain_policy(card.eid(1), card.iccid(2), 'enable_profile');
SELECT card.ended(smsr.audit_eis(card.eid(1)));
SELECT rule, says, verdict FROM smsr.explain_policy(card.eid(1), card.iccid(2), 'enable_profile') WHERE rule IN ('turn', 'verdict');

-- ---- closed: a decision that can not be made is a refusal ----

SELECT card.reset();
ALTER TABLE smsr.plma RENAME TO plma_hidden;
SET ROLE regress_smsr_m2m;
SELECT * FROM smsr.explain_policy(card.eid(1), card.iccid(1), 'disable_profile');
\set VERBOSITY sqlstate
SELECT smsr.disable_profile(card.eid(1), card.iccid(1));
\set VERBOSITY terse
RESET ROLE;
ALTER TABLE smsr.plma_hidden RENAME TO plma;
SELECT count(*) FROM smsr.outbound;

DELETE FROM smsr.party;
DELETE FROM smsr.plma;
DELETE FROM smsr.onc;
DROP OWNED BY regress_smsr_mno, regress_smsr_rival, regress_smsr_smdp, regress_smsr_m2m, regress_smsr_nobody, regress_smsr_super;
DROP ROLE regress_smsr_mno, regress_smsr_rival, regress_smsr_smdp, regress_smsr_m2m, regress_smsr_nobody, regress_smsr_super;
\set ECHO none
\i sql/card_end.psql
