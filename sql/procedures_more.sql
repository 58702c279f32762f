-- Procedures beside those of every day, from a call to its end, with a card
-- played by SQL: MasterDelete, the emergency attribute, the SM-SR's address,
-- and what is relayed to an ISD-P.
\set ECHO none
\i sql/card.psql
CREATE FUNCTION card.master_delete(profile int, call_id text DEFAULT NULL, card int DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
	SELECT smsr.master_delete(card.eid(card), card.iccid(profile, card), '\x2B0601', '\x0102', '\xA000000559', '\x07',
		'\x000102030405060708090A0B0C0D0E0F', call_id => master_delete.call_id)
$$;
CREATE VIEW card.attributes AS
	SELECT e.n AS card, right(p.iccid::text, 4) AS iccid, p.state, p.fallback_attribute AS fallback, p.emergency_attribute AS emergency
	FROM smsr.profile p JOIN card.euicc e USING (eid) ORDER BY 1, p.isdp_aid;
\set ECHO all

-- ---- MasterDelete ----

SELECT card.reset();
-- neither POL2 nor POL1 counts
UPDATE smsr.profile SET pol2 = '{DELETE/Not-Allowed}' WHERE eid = card.eid() AND iccid = card.iccid(2);
SELECT card.operation(smsr.delete_profile(card.eid(), card.iccid(2)));
SELECT card.master_delete(2) AS op \gset
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer('9000', '\x00');
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
SELECT remaining_memory FROM smsr.euicc WHERE eid = card.eid();
SELECT * FROM card.notices;
SELECT operation_type, status, subject_code, right(iccid::text, 4) AS iccid FROM smsr.audit_trail ORDER BY position;
-- the token is kept with the operation, and nobody who looks at it is shown it
SELECT arguments FROM smsr.operation WHERE id = :op;
SELECT count(*) FROM smsr.why(:op) w WHERE w::text ~* '0001020304|2b0601|a000000559';
SELECT what, outcome, detail, decoded FROM smsr.timeline(card.eid());

-- refused before anything is sent: the fall-back profile, an enabled one, none
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT card.operation(card.master_delete(1));
SELECT card.operation(card.master_delete(2));
SELECT card.operation(smsr.master_delete(card.eid(), '89490000000090000305', '\x01', '\x01', '\x01', '\x01', '\x01'));
SELECT card.operation(smsr.master_delete('89001012012341234012345678901224', card.iccid(2), '\x01', '\x01', '\x01', '\x01', '\x01'));
SELECT * FROM card.take();

-- what can not be sent is no operation, also where it would wait for its turn
SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT card.try('SELECT smsr.master_delete(card.eid(), card.iccid(2), ''\x01'', ''\x01'', ''\x01'', ''\x01'', NULL)');
SELECT card.try('SELECT smsr.master_delete(card.eid(), card.iccid(2), ''\x'', ''\x01'', ''\x01'', ''\x01'', ''\x01'')');
SELECT card.try('SELECT smsr.master_delete(card.eid(), NULL, ''\x01'', ''\x01'', ''\x01'', ''\x01'', ''\x01'')');
-- a token of 219 octets, with one octet of each of the others, fills a command
SELECT card.try('SELECT smsr.master_delete(card.eid(), card.iccid(2), ''\x01'', ''\x01'', ''\x01'', ''\x01'', decode(repeat(''00'', 220), ''hex''))');
SELECT card.operation(smsr.master_delete(card.eid(), card.iccid(2), '\x01', '\x01', '\x01', '\x01', decode(repeat('00', 219), 'hex')));
SELECT card.try('SELECT smsr.request(''master_delete'', ARRAY[card.eid()], ARRAY[card.iccid(2)])');
SELECT card.try('SELECT smsr.request(''master_delete'', ARRAY[card.eid()], ARRAY[card.iccid(2)], arguments => ARRAY[''{}''::jsonb])');
SELECT card.try('SELECT smsr.request(''master_delete'', ARRAY[card.eid()], ARRAY[card.iccid(2)], arguments => ARRAY[
	''{"sd_provider_id": "01", "sd_image_number": "01", "application_provider_id": "01", "token_id": "1", "delete_token": "01"}''::jsonb])');
SELECT card.try('SELECT smsr.request(''master_delete'', ARRAY[card.eid()], ARRAY[card.iccid(2)], arguments => ARRAY[
	''{"sd_provider_id": "01", "sd_image_number": "xy", "application_provider_id": "01", "token_id": "01", "delete_token": "01"}''::jsonb])');
SELECT card.try('SELECT smsr.request(''master_delete'', ''{}'', ''{}'')');
SELECT count(*) FROM smsr.operation;

-- by the card
SELECT card.reset();
CREATE FUNCTION card.try_master_delete(sw text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	op bigint := card.master_delete(2);
BEGIN
	PERFORM card.take();
	PERFORM card.answer(sw);
	RETURN card.operation(op);
END $$;
SELECT sw, card.try_master_delete(sw) FROM unnest('{6A80,6581}'::text[]) sw;
SELECT card.try_master_delete('6985');
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '1F', true), card.isdp('11', '3F')]);
SELECT * FROM card.profiles WHERE card = 1;
-- not found: the ISD-P, or the key that the token is for
SELECT card.reset();
SELECT card.try_master_delete('6A88');
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')]);
SELECT * FROM card.operations;
SELECT card.try_master_delete('6A88');
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true)]);
SELECT * FROM card.operations;
SELECT * FROM card.profiles WHERE card = 1;

-- the answer was lost: the outcome is unknown until the card has been asked
SELECT card.reset();
SELECT card.master_delete(2) AS op \gset
SELECT * FROM card.take();
SELECT smsr.unstick(:op);
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true)]);
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
-- and so when it was not answered in time
SELECT card.reset();
SELECT card.master_delete(2) AS op \gset
SELECT * FROM card.take();
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT function, step FROM smsr.unknown_outcome;
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')]);
SELECT * FROM card.profiles WHERE card = 1;
SELECT function, step FROM smsr.unknown_outcome;

-- judged again when its turn has come, with the arguments it was called with
SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS first \gset
SELECT card.master_delete(2, 'a') AS op \gset
SELECT card.master_delete(2, 'a') = :op AS same;
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.answer('6A80');
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer('9000', '\x00');
SELECT card.operation(:op);

-- of many in one call, each has its own token
SELECT card.reset();
SELECT card.operation(operation_id) FROM smsr.request('master_delete', ARRAY[card.eid(), card.eid(2)],
	ARRAY[card.iccid(2), card.iccid(2, 2)], arguments => ARRAY[
		'{"sd_provider_id": "01", "sd_image_number": "02", "application_provider_id": "03", "token_id": "04", "delete_token": "AA"}',
		'{"sd_provider_id": "05", "sd_image_number": "06", "application_provider_id": "07", "token_id": "08", "delete_token": "BB"}'::jsonb]);
SELECT * FROM card.take() ORDER BY card;
SELECT card, right(encode(script, 'hex'), 42) AS script FROM card.received ORDER BY card;
SELECT card.answer('9000', '\x00', 1), card.answer('9000', '\x00', 2);
SELECT * FROM card.profiles;

-- ---- SetEmergencyProfileAttribute ----

-- not before v3.2
SELECT card.reset();
SELECT card.operation(smsr.set_emergency_profile_attribute(card.eid(), card.iccid(2)));
SELECT version, (smsr.judge('set_emergency_profile_attribute', 'Disabled', false, '{}', 'Enabled', '{}', NULL, NULL, false, version)).*
	FROM unnest('{3.1.9,3.2.0,3.10.0,4.0.0,10.0.0,2.9.9,3,3.,3.x.0,.4,-4.0.0,v4.2,"",NULL}'::text[]) version;
UPDATE smsr.euicc SET remote_provisioning_version = '4.2.0';
-- not for the fall-back profile, nor an enabled one, nor what is none
SELECT card.operation(smsr.set_emergency_profile_attribute(card.eid(), '89490000000090000305'));
SELECT card.operation(smsr.set_emergency_profile_attribute('89001012012341234012345678901224', card.iccid(2)));
SELECT card.enabled(2, 1);
SELECT card.operation(smsr.set_emergency_profile_attribute(card.eid(), card.iccid(1)));
SELECT card.operation(smsr.set_emergency_profile_attribute(card.eid(), card.iccid(2)));
SELECT * FROM card.take();
SELECT card.try('SELECT smsr.set_emergency_profile_attribute(card.eid(), NULL)');

SELECT card.reset();
UPDATE smsr.euicc SET remote_provisioning_version = '4.2.0';
SELECT smsr.set_emergency_profile_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT * FROM card.attributes WHERE card = 1;
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.attributes WHERE card = 1;
SELECT operation_type, status, right(iccid::text, 4) AS iccid FROM smsr.audit_trail ORDER BY position;
-- never both attributes on one profile
SELECT card.operation(smsr.set_fallback_attribute(card.eid(), card.iccid(2)));
-- at most one has it: it moves
INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state, msisdn)
	VALUES (card.eid(), smsr.isdp_aid(18), '89490000000090000305', '1.3.6.1.4.1.99999.3', 'Disabled', '49000009000012');
SELECT smsr.set_emergency_profile_attribute(card.eid(), '89490000000090000305') AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.attributes WHERE card = 1;
-- the card refuses
SELECT smsr.set_emergency_profile_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer('6A80');
SELECT card.operation(:op);
SELECT * FROM card.attributes WHERE card = 1;
-- no audit shows the attribute, and it may be set twice: it is set again
SELECT smsr.set_emergency_profile_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT smsr.unstick(:op);
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.attributes WHERE card = 1;
-- judged again when its turn has come
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS first \gset
SELECT smsr.set_emergency_profile_attribute(card.eid(), '89490000000090000305') AS op \gset
UPDATE smsr.euicc SET remote_provisioning_version = '3.1.0';
SELECT * FROM card.take();
SELECT card.answer('6A80');
SELECT card.operation(:op);

-- ---- UnsetEmergencyProfileAttribute ----

-- only of the profile that has it, and not while it is enabled
SELECT card.reset();
SELECT card.operation(smsr.unset_emergency_profile_attribute(card.eid(), card.iccid(2)));
UPDATE smsr.euicc SET remote_provisioning_version = '4.2.0';
SELECT card.operation(smsr.unset_emergency_profile_attribute(card.eid(), card.iccid(2)));
SELECT card.operation(smsr.unset_emergency_profile_attribute(card.eid(), '89490000000090000305'));
SELECT card.operation(smsr.unset_emergency_profile_attribute('89001012012341234012345678901224', card.iccid(2)));
SELECT card.try('SELECT smsr.unset_emergency_profile_attribute(card.eid(), NULL)');
SELECT state, (smsr.judge('unset_emergency_profile_attribute', state, false, '{}', 'Enabled', '{}', NULL, NULL, true, '3.2.0')).*
	FROM unnest('{NULL,Created,Disabled,Enabled}'::text[]) state;
SELECT * FROM card.take();
-- the card does it
UPDATE smsr.profile SET emergency_attribute = true WHERE iccid IN (card.iccid(2), card.iccid(2, 2));
UPDATE smsr.euicc SET remote_provisioning_version = '3.1.0' WHERE eid = card.eid(2);
SELECT card.operation(smsr.unset_emergency_profile_attribute(card.eid(2), card.iccid(2, 2)));
SELECT smsr.unset_emergency_profile_attribute(card.eid(), card.iccid(2), call_id => 'a') AS op \gset
SELECT smsr.unset_emergency_profile_attribute(card.eid(), card.iccid(2), call_id => 'a') = :op AS same;
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script, encode(tar, 'hex') AS tar FROM card.last(1);
SELECT * FROM card.attributes;
SELECT card.answer();
SELECT card.operation(:op);
-- of this card's profile and no other's; its owner is told
SELECT * FROM card.attributes;
SELECT kind, right(iccid::text, 4) AS iccid FROM smsr.notice ORDER BY id;
SELECT operation_type, status, right(iccid::text, 4) AS iccid FROM smsr.audit_trail WHERE operation_id = :op;
-- and it may have the other attribute
SELECT card.operation(smsr.set_fallback_attribute(card.eid(), card.iccid(2)));
SELECT * FROM card.take();
SELECT card.answer();
-- the card refuses
UPDATE smsr.profile SET emergency_attribute = true, fallback_attribute = false WHERE eid = card.eid() AND iccid = card.iccid(2);
SELECT smsr.unset_emergency_profile_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer('6A80');
SELECT card.operation(:op);
SELECT * FROM card.attributes WHERE card = 1;
-- no answer: no audit shows the attribute
SELECT smsr.unset_emergency_profile_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT count(*) FROM smsr.unknown_outcome;
SELECT * FROM card.attributes WHERE card = 1;
-- judged again when its turn has come: it is enabled then
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS first \gset
SELECT smsr.unset_emergency_profile_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);

-- ---- UpdateConnectivityParameters ----

-- what the SM-DP secured for the ISD-P goes to it as it came, under the ISD-R's keys
SELECT card.reset();
CREATE FUNCTION card.relay(commands bytea, profile int DEFAULT 2, call_id text DEFAULT NULL, card int DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
	SELECT smsr.update_connectivity_parameters(card.eid(card), card.iccid(profile, card), commands, call_id => relay.call_id)
$$;
CREATE VIEW card.relayed AS
	SELECT function, status, concat_ws('/', subject_code, reason_code) AS codes, message, encode(response_data, 'hex') AS response
	FROM smsr.operation ORDER BY id;
\set secured '''\\x221684E28800100102030405060708090A0B0C0D0E0F1011'''
SELECT card.relay(:secured) AS op \gset
SELECT sd_aid, target_aid FROM smsr.outbound;
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script, encode(tar, 'hex') AS tar FROM card.last(1);
-- an answer of another application of the card is none to it
SELECT card.say(113, card.response(card.r_script('\x9000'), tar => '\x000001'), '49000009000010');
SELECT card.say(113, card.response(card.r_script('\x9000'), tar => '\x000010'), '49000009000010');
SELECT card.operation(:op);
SELECT card.answer('9000', '\xCAFE');
SELECT * FROM card.relayed;
SELECT operation_type, status, right(iccid::text, 4) AS iccid, isdp_aid FROM smsr.audit_trail ORDER BY position;
-- nothing that the EIS knows has changed
SELECT * FROM card.profiles WHERE card = 1;
SELECT outcome, detail, decoded FROM smsr.timeline(card.eid()) WHERE what LIKE 'command%';
-- a profile in any state, and what comes in the meantime is for the ISD-R as ever
SELECT card.operation(card.relay(:secured, 1));
SELECT card.operation(smsr.audit_eis(card.eid()));
SELECT * FROM card.take();
SELECT encode(tar, 'hex') AS tar FROM card.last(1);
SELECT card.answer();
SELECT * FROM card.take();
SELECT encode(tar, 'hex') AS tar FROM card.last(1);
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')]);
INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, state)
	VALUES (card.eid(), smsr.isdp_aid(18), '89490000000090000305', '1.3.6.1.4.1.99999.3', 'Created');
SELECT card.operation(smsr.update_connectivity_parameters(card.eid(), '89490000000090000305', :secured));
SELECT * FROM card.take();
SELECT encode(tar, 'hex') AS tar FROM card.last(1);
SELECT card.answer();
-- but there must be one
SELECT card.operation(smsr.update_connectivity_parameters(card.eid(), '89490000000090000404', :secured));
SELECT card.operation(smsr.update_connectivity_parameters('89001012012341234012345678901224', card.iccid(2), :secured));
SELECT card.try('SELECT smsr.update_connectivity_parameters(card.eid(), NULL, ''\x2204A0A40000'')');
SELECT * FROM card.take();

-- the last word decides, and the whole answer is kept for who can read it
SELECT card.reset();
CREATE FUNCTION card.try_relay(response bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	op bigint := card.relay('\x220484E28800220484E28801');
BEGIN
	PERFORM card.take();
	PERFORM card.say(113, card.response(response), '49000009000010');
	RETURN (SELECT concat_ws(', ', status, subject_code, reason_code, message, encode(response_data, 'hex')) FROM smsr.operation WHERE id = op);
END $$;
SELECT card.try_relay(card.r_script('\x9000', '\x9000'));
SELECT card.try_relay(card.r_script('\x9000', '\x6110'));
SELECT card.try_relay(card.r_script('\x9000', '\xAABB6982'));
SELECT card.try_relay(card.r_script('\x69E1'));
SELECT card.try_relay(card.r_script('\x6A88'));
-- the second was not executed, so the first one's word is not the last
SELECT card.try_relay('\xAB0A80010123029000900101');
SELECT card.try_relay('\xAB0A8001012302900090');
SELECT card.try_relay('\xAB03800100');
SELECT card.try_relay('\x019000');
SELECT card.try_relay('');
SELECT count(*) FROM smsr.outbound;

-- what is no sequence of TLVs, and what is too long, is no operation
SELECT commands, card.try(format('SELECT card.relay(%L)', decode(commands, 'hex')))
	FROM unnest('{"",22,2205A0A40000,2204A0A4000086,2280A0A400000000,1FFFFFFF00}'::text[]) commands;
SELECT card.try('SELECT card.relay(NULL)');
SELECT card.try('SELECT smsr.request(''update_connectivity_parameters'', ARRAY[card.eid()], ARRAY[card.iccid(2)])');
SELECT card.try('SELECT smsr.request(''update_connectivity_parameters'', ARRAY[card.eid()], ARRAY[card.iccid(2)], arguments => ARRAY[''{"commands": "86xx"}''::jsonb])');
SELECT card.try('SELECT smsr.request(''update_connectivity_parameters'', ARRAY[card.eid()], ARRAY[card.iccid(2)], arguments => ARRAY[''{"commands": 22}''::jsonb])');
SELECT n, card.try(format('SELECT card.operation(card.relay(%L))', '\x8682'::bytea || int2send(n::int2) || decode(repeat('00', n), 'hex')))
	FROM unnest('{615,616}'::int[]) n;
SELECT * FROM card.take();
SELECT length(script) AS octets, cardinality(tp_uds) AS messages FROM card.last(1);
SET smsr.max_segments = 1;
SELECT card.try(format('SELECT card.relay(%L)', card.tlv('86', decode(repeat('00', 100), 'hex'))));
SELECT card.operation(card.relay(card.tlv('86', decode(repeat('00', 80), 'hex'))));
RESET smsr.max_segments;
-- nor where one of many is
SELECT card.try(format('SELECT smsr.request(''update_connectivity_parameters'', ARRAY[card.eid(), card.eid(2)], ARRAY[card.iccid(2), card.iccid(2, 2)],
	arguments => ARRAY[''{"commands": "8500"}'', ''{"commands": "8501"}''::jsonb])'));
SELECT function, stage, count(*) FROM smsr.operation WHERE status IS NULL GROUP BY 1, 2 ORDER BY 1, 2;

-- the answer is lost: the same octets, never another counter, whatever the card says of it
SELECT card.reset();
SELECT card.relay(:secured) AS op \gset
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT card.operation(:op);
SELECT smsr.unstick(:op);
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT card.refuse(6);
SELECT card.refuse(2, secured => false);
SELECT card.operation(:op);
SELECT smsr.unstick(:op);
SELECT * FROM card.take();
SELECT count(DISTINCT packet) AS packets, count(*) AS sendings FROM card.received;
SELECT counter FROM smsr.keyset WHERE eid = card.eid() AND type = 'SCP80';
-- the real one may still come
SELECT card.answer();
SELECT card.operation(:op);
-- or it does not: nobody knows, and nobody can be asked
SELECT card.relay(:secured) AS op \gset
SELECT * FROM card.take();
SELECT card.refuse(2);
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT count(*) FROM smsr.unknown_outcome;
SELECT count(*) FROM smsr.outbound;
SELECT card.answer();
-- the card has no such application, no memory, or its SMSC takes nothing
SELECT card.relay(:secured) AS op \gset
SELECT * FROM card.take();
SELECT card.refuse(9);
SELECT card.relay(:secured) AS op \gset
SELECT * FROM card.take();
SELECT card.refuse(7);
SELECT card.relay(:secured) AS op \gset
SELECT * FROM card.take();
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'unknown number', false);
SELECT * FROM card.relayed;

-- waiting behind another one, and for many at once
SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS first \gset
SELECT card.operation(operation_id) FROM smsr.request('update_connectivity_parameters', ARRAY[card.eid(), card.eid(2)],
	ARRAY[card.iccid(2), card.iccid(1, 2)], arguments => ARRAY['{"commands": "8500"}', '{"commands": "2205A0A4000000"}'::jsonb]);
SELECT * FROM card.take() ORDER BY card;
SELECT card.answer('6A80');
SELECT * FROM card.take();
SELECT card, encode(tar, 'hex') AS tar, encode(script, 'hex') AS script FROM card.received ORDER BY n;
SELECT card.answer(), card.answer(card => 2);
SELECT function, status FROM smsr.operation ORDER BY id;

-- ---- UpdateSMSRAddressingParameters ----

SELECT card.reset();
SELECT smsr.update_smsr_addressing(card.eid(), '+4917222334455') AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer();
SELECT card.operation(:op);
SELECT operation_type, status, isdp_aid, iccid FROM smsr.audit_trail ORDER BY position;
SELECT arguments FROM smsr.operation WHERE id = :op;
SELECT smsr.update_smsr_addressing(card.eid(), '12345') AS op \gset
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(1);
SELECT card.answer('6A88');
SELECT card.operation(:op);
-- what is no address
SELECT address, card.try(format('SELECT smsr.update_smsr_addressing(card.eid(), %L)', address))
	FROM unnest('{NULL,"",+,"+49 172",++49,49x,123456789012345678901}'::text[]) address;
SELECT card.try('SELECT smsr.request(''update_smsr_addressing'', ARRAY[card.eid()])');
SELECT card.try('SELECT smsr.request(''update_smsr_addressing'', ARRAY[card.eid()], arguments => ARRAY[''[]''::jsonb])');
SELECT card.try('SELECT smsr.request(''update_smsr_addressing'', ARRAY[card.eid(), card.eid(2)], arguments => ARRAY[''{"sms_address": "1"}'', NULL::jsonb])');
SELECT card.operation(smsr.update_smsr_addressing('89001012012341234012345678901224', '+1'));
-- lost, and set again: the same number twice is the same number
SELECT card.reset();
SELECT smsr.update_smsr_addressing(card.eid(), '+4917222334455') AS op \gset
SELECT * FROM card.take();
SELECT smsr.unstick(:op);
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
-- the card's counter is ahead
SELECT smsr.update_smsr_addressing(card.eid(), '+4917222334455') AS op \gset
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT * FROM card.take();
-- no answer: nobody can be asked, and nothing else waits for it
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT count(*) FROM smsr.unknown_outcome;
SELECT count(*) FROM smsr.outbound;
-- for many at once, behind what runs there
SELECT smsr.enable_profile(card.eid(2), card.iccid(2, 2)) AS first \gset
SELECT card.operation(operation_id) FROM smsr.request('update_smsr_addressing', ARRAY[card.eid(), card.eid(2)],
	arguments => ARRAY['{"sms_address": "+1"}', '{"sms_address": "2"}'::jsonb]);
SELECT * FROM card.take() ORDER BY card;
SELECT card.answer('6A80', card => 2);
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script FROM card.last(2);
SELECT card.answer(), card.answer(card => 2);
SELECT function, status FROM smsr.operation ORDER BY id;
SELECT card.reset();

\set ECHO none
\i sql/card_end.psql
