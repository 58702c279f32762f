-- Whole procedures, from a call to its end, with a card played by SQL.
\set ECHO none
\i sql/card.psql
\set ECHO all

-- ---- EnableProfile ----

SELECT card.reset();
SELECT * FROM card.profiles WHERE card = 1;
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT card.operation(:op);
-- the first message is what TS 23.040 says of one: UDH and nothing else
SELECT * FROM card.take();
SELECT n, tar, encode(script, 'hex') AS script FROM card.received;
SELECT substr(tp_uds[1], 1, 3) AS udh, substr(packet, 1, 10) AS header, length(tp_uds[1]) FROM card.received;
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{a1}');
SELECT card.take();
SELECT card.answer();
SELECT card.operation(:op);
-- the card has said that it will: nothing is known to have changed
SELECT * FROM card.profiles WHERE card = 1;
SELECT count(*) FROM smsr.notice;
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- the confirmation goes to where the card is now
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.notices;
SELECT operation_type, status, subject_code, right(iccid::text, 4) AS iccid, requester_id FROM smsr.audit_trail ORDER BY position;
SELECT what, outcome, detail, decoded FROM smsr.timeline(card.eid());
SELECT notification_type, notification_sequence, last_seen_at IS NOT NULL AS seen FROM smsr.euicc WHERE eid = card.eid();
SELECT counter FROM smsr.keyset WHERE eid = card.eid();


-- the notification before the answer: it says more
SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT card.operation(:op);
-- the answer to what is no longer awaited is kept, and that is all
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.messages;

-- the card rolls back
SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(3, 1, '10', '49000009000010');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.notices;

-- it does so after all when it has said the contrary: the confirmation did not come
SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT card.notify(3, 2, '10', '49000009000010');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.notices;

-- what POL1 took is in the answer to the confirmation
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.enable_profile(card.eid(), card.iccid(1)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 2, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.answer('9000', card.tlv('80', card.tlv('4F', card.aid('11'))));
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
SELECT remaining_memory FROM smsr.euicc WHERE eid = card.eid();
SELECT * FROM card.notices;

-- POL2: the profile that is left is to be deleted
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.update_policy_rules(card.eid(), card.iccid(2), '{DISABLE/Auto-Delete}') > 0 AS done;
SELECT smsr.enable_profile(card.eid(), card.iccid(1)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 2, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer('9000', '\x00');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.notices;
-- what the card will not delete is a warning: the switch stands
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.update_policy_rules(card.eid(), card.iccid(2), '{DISABLE/Auto-Delete}') > 0 AS done;
SELECT smsr.enable_profile(card.eid(), card.iccid(1)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 2, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.take();
SELECT card.answer('69E1');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- the fall-back profile is never deleted for a rule
SELECT card.reset();
SELECT smsr.update_policy_rules(card.eid(), card.iccid(1), '{DISABLE/Auto-Delete}') > 0 AS done;
SELECT card.enabled(2, 1);
SELECT * FROM card.profiles WHERE card = 1;
-- POL1 was quicker than POL2
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.update_policy_rules(card.eid(), card.iccid(2), '{DISABLE/Auto-Delete}') > 0 AS done;
SELECT smsr.enable_profile(card.eid(), card.iccid(1)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 2, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.answer('9000', card.tlv('80', card.tlv('4F', card.aid('11'))));
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;

-- ---- refusals ----

SELECT card.reset();
SELECT card.operation(smsr.enable_profile('89001012012341234012345678901224', card.iccid(2)));
SELECT card.operation(smsr.enable_profile(card.eid(), card.iccid(2, 2)));
SELECT card.operation(smsr.enable_profile(card.eid(), card.iccid(1)));
SELECT card.operation(smsr.disable_profile(card.eid(), card.iccid(2)));
SELECT card.operation(smsr.disable_profile(card.eid(), card.iccid(1)));
SELECT card.operation(smsr.delete_profile(card.eid(), card.iccid(1)));
SELECT card.operation(smsr.delete_profile(card.eid(), '89490000000090000305'));
SELECT card.operation(smsr.set_fallback_attribute(card.eid(), '89490000000090000305'));
SELECT card.operation(smsr.create_isdp(card.eid(), card.iccid(2), '1.3.6.1.4.1.99999.3', 1000));
SELECT card.operation(smsr.create_isdp(card.eid(), '89490000000090000305', '1.3.6.1.4.1.99999.3', 500001));
SELECT card.operation(smsr.audit_eis('89001012012341234012345678901224'));
-- by POL2: of the profile that would be left, and of the one that is meant
UPDATE smsr.profile SET pol2 = '{DISABLE/Not-Allowed}' WHERE eid = card.eid() AND iccid = card.iccid(1);
SELECT card.operation(smsr.enable_profile(card.eid(), card.iccid(2)));
UPDATE smsr.profile SET pol2 = '{ENABLE/Not-Allowed,DELETE/Not-Allowed}' WHERE eid = card.eid() AND iccid = card.iccid(2);
UPDATE smsr.profile SET pol2 = '{}' WHERE eid = card.eid() AND iccid = card.iccid(1);
SELECT card.operation(smsr.enable_profile(card.eid(), card.iccid(2)));
SELECT card.operation(smsr.delete_profile(card.eid(), card.iccid(2)));
SELECT card.reset();
SELECT card.enabled(2, 1);
UPDATE smsr.profile SET pol2 = '{DISABLE/Not-Allowed}' WHERE eid = card.eid() AND iccid = card.iccid(2);
SELECT card.operation(smsr.disable_profile(card.eid(), card.iccid(2)));
SELECT card.operation(smsr.delete_profile(card.eid(), card.iccid(2)));
UPDATE smsr.profile SET pol2 = '{}' WHERE eid = card.eid() AND iccid = card.iccid(2);
SET smsr.delete_enabled = 'refuse';
SELECT card.operation(smsr.delete_profile(card.eid(), card.iccid(2)));
RESET smsr.delete_enabled;
SELECT * FROM card.take();
-- by the card
SELECT card.reset();
CREATE FUNCTION card.try_enable(sw text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	op bigint := smsr.enable_profile(card.eid(), card.iccid(2));
BEGIN
	PERFORM card.take();
	PERFORM card.answer(sw);
	RETURN card.operation(op);
END $$;
SELECT sw, card.try_enable(sw) FROM unnest('{69E1,6A80,6A84,6581,6100}'::text[]) sw;
SELECT card.reset();
-- one that shows another state than the EIS is looked into
SELECT card.try_enable('6985');
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '1F', true), card.isdp('11', '3F')]);
SELECT * FROM card.operations;
SELECT * FROM card.profiles WHERE card = 1;
-- an answer without a word about the command: the card is asked what it did
SELECT card.reset();
SELECT smsr.update_policy_rules(card.eid(), card.iccid(1), '{DISABLE/Auto-Delete}') > 0 AS done;
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.say(113, card.response('\xAB03800101'), '49000009000010');
SELECT card.operation(:op);
-- not at once: a card that has just been told to switch is still where it was
SELECT * FROM card.take();
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '1F'), card.isdp('11', '3F', true)]);
SELECT card.operation(:op);
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT card.answer();
-- the rule of the profile that was left holds all the same
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.answer('9000', '\x00');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- a part of the truth is none: what is not named may still be there
SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.say(113, card.response('\xAB03800101'), '49000009000010');
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true)], '6310', resources_sw => '6A88');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;

-- ---- DisableProfile ----

SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.disable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer();
SELECT card.notify(5, 2, '10', '49000009000010');
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- some cards call it 02
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.disable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 2, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
-- the fall-back profile finds no network: the card is back where it was
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.disable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(3, 2, '11', '49000009000011');
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;

-- ---- DeleteProfile ----

SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer('9000', '\x00');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
SELECT remaining_memory FROM smsr.euicc WHERE eid = card.eid();
SELECT * FROM card.notices;
-- it was gone already
SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer('6A88');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- POL1 forbids it: it stays
SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer('69E1');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- an enabled profile is disabled first, within the same operation
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(5, 2, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.answer('9000', '\x00');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.notices;
-- and if POL1 takes it at the disabling, there is nothing left to do
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(5, 2, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.answer('9000', card.tlv('80', card.tlv('4F', card.aid('11'))));
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;

-- ---- CreateISDP, and what the SM-DP does afterwards ----

SELECT card.reset();
SELECT smsr.create_isdp(card.eid(), '89490000000090000305', '1.3.6.1.4.1.99999.3', 30000) AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT * FROM card.profiles WHERE card = 1;
SELECT card.answer('9000', '\x00');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
SELECT mno_id, smdp_id, allocated_memory, pol2 FROM smsr.profile WHERE iccid = '89490000000090000305';
SELECT remaining_memory FROM smsr.euicc WHERE eid = card.eid();
SELECT isdp_aid FROM smsr.operation WHERE id = :op;
SELECT card.operation(smsr.enable_profile(card.eid(), '89490000000090000305'));
SELECT smsr.profile_download_completed(card.eid(), '89490000000090000305', 'sample', '+49000009000012', '262010009000012', '{DELETE/Not-Allowed}') AS op \gset
SELECT card.operation(:op);
SELECT card.operation(smsr.profile_download_completed(card.eid(), '89490000000090000305'));
SELECT state, profile_type, msisdn, imsi, pol2 FROM smsr.profile WHERE iccid = '89490000000090000305';
SELECT card.operation(smsr.update_subscription_address(card.eid(), '89490000000090000305', '49000009000013'));
SELECT card.operation(smsr.update_subscription_address(card.eid(), '89490000000090000305', NULL, '262010009000013'));
SELECT card.operation(smsr.update_policy_rules(card.eid(), '89490000000090000305', '{}'));
SELECT state, profile_type, msisdn, imsi, pol2 FROM smsr.profile WHERE iccid = '89490000000090000305';
SELECT card.operation(smsr.update_policy_rules(card.eid(), '89490000000090000404', '{}'));
SELECT card.operation(smsr.update_subscription_address('89001012012341234012345678901224', '89490000000090000404', '1'));
SELECT * FROM card.notices;
-- the next one gets the next AID; what is not on the card after all gives its AID back
SELECT smsr.create_isdp(card.eid(), '89490000000090000404', '1.3.6.1.4.1.99999.3', 0) AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer('6A84');
SELECT card.operation(:op);
SELECT remaining_memory FROM smsr.euicc WHERE eid = card.eid();
SELECT smsr.delete_profile(card.eid(), '89490000000090000305') AS op \gset
SELECT * FROM card.take();
SELECT card.answer('9000', '\x00');
SELECT smsr.create_isdp(card.eid(), '89490000000090000404', '1.3.6.1.4.1.99999.3', 100) AS op \gset
SELECT * FROM card.take();
-- an AID that is left in doubt is not used again
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')]);
SELECT smsr.create_isdp(card.eid(), '89490000000090000503', '1.3.6.1.4.1.99999.3', 100) AS op \gset
SELECT * FROM card.take();

-- ---- SetFallBackAttribute ----

SELECT card.reset();
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT * FROM card.profiles WHERE card = 1;
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;

-- ---- AuditEIS ----

-- the EIS follows: another profile is enabled, one is unknown, one is gone
SELECT card.reset();
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.audit(ARRAY[card.isdp('11', '3F'), card.isdp('15', '07', true)], free => 123456);
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
SELECT remaining_memory, last_audit_at IS NOT NULL AS audited FROM smsr.euicc WHERE eid = card.eid();
SELECT * FROM card.notices;
-- more is to come: what is not named may still be there
SELECT card.reset();
SELECT smsr.audit_eis(card.eid(), '{8949000000090000118}') AS op \gset
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('11', '1F')], '6310');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- an empty list, or none: a card that could say so has a profile
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT card.audit('{}', '6A88');
SELECT card.operation(:op);
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT card.audit('{}');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- a card that has no FF21 answers 6A88 to that, which is not about its ISD-Ps
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('11', '1F')], '6310', resources_sw => '6A88');
SELECT card.operation(:op);
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')], resources_sw => '6A88');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- it refuses, it says nothing that can be read
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT card.audit('{}', '6982', resources_sw => '6982');
SELECT card.operation(:op);
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT card.say(113, card.response('\xAB03800102'), '49000009000010');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;

-- ---- one after the other ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS first \gset
SELECT smsr.enable_profile(card.eid(), card.iccid(1)) AS second \gset
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS third \gset
SELECT smsr.enable_profile(card.eid(2), card.iccid(2, 2)) AS other \gset
SELECT card.operation(op) FROM unnest(ARRAY[:first, :second, :third, :other]) op;
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT card.answer();
-- the second was impossible when it was asked
SELECT card.operation(op) FROM unnest(ARRAY[:first, :second, :third]) op;
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 2, '10', '49000009000010');
SELECT * FROM card.take();
UPDATE smsr.profile SET pol2 = '{DELETE/Not-Allowed}' WHERE eid = card.eid() AND iccid = card.iccid(2);
SELECT card.answer();
-- and the third was possible
SELECT card.operation(op) FROM unnest(ARRAY[:first, :second, :third]) op;
-- of many in one call for one eUICC the first that is possible is begun
SELECT card.reset();
SELECT card.operation(operation_id) FROM smsr.request('enable_profile', ARRAY[card.eid(), card.eid(), card.eid(2)],
	ARRAY[card.iccid(1), card.iccid(2), card.iccid(2, 2)]);
SELECT card.faults();
SELECT card.operation(id) FROM smsr.operation ORDER BY id;

-- ---- call_id ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2), call_id => 'a') AS op \gset
SELECT smsr.enable_profile(card.eid(), card.iccid(2), call_id => 'a') = :op AS same;
-- of another eUICC, and without one, it is another
SELECT smsr.enable_profile(card.eid(2), card.iccid(2, 2), call_id => 'a') = :op AS same;
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) = :op AS same;
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT card.answer();
SELECT smsr.enable_profile(card.eid(), card.iccid(2), call_id => 'a') = :op AS same;
SELECT smsr.update_policy_rules(card.eid(), card.iccid(2), '{}', call_id => 'b') AS op \gset
SELECT smsr.update_policy_rules(card.eid(), card.iccid(2), '{DELETE/Not-Allowed}', call_id => 'b') = :op AS same;
SELECT pol2 FROM smsr.profile WHERE eid = card.eid() AND iccid = card.iccid(2);
-- another party's is another call
CREATE ROLE regress_smsr_party;
INSERT INTO smsr.party_role (role_name, party_id, bound_by) VALUES ('regress_smsr_party', '1.3.6.1.4.1.99999.3', current_user);
GRANT USAGE ON SCHEMA smsr TO regress_smsr_party;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA smsr TO regress_smsr_party;
GRANT ALL ON ALL TABLES IN SCHEMA smsr TO regress_smsr_party;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA smsr TO regress_smsr_party;
SET ROLE regress_smsr_party;
SELECT smsr.enable_profile('89049032001000000100000090000151', '8949000000090000118', call_id => 'a') AS op \gset
RESET ROLE;
SELECT requester_id, call_id, status FROM smsr.operation WHERE id = :op;
DROP OWNED BY regress_smsr_party;
DROP ROLE regress_smsr_party;
DELETE FROM smsr.party_role WHERE role_name = 'regress_smsr_party';
SELECT card.reset();

\set ECHO none
\i sql/card_end.psql
