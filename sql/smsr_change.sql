-- The change of SM-SR: what operators and SM-SRs call, by roles of their own, what
-- they are refused, and what a carrier sees.
\set ECHO none
\i sql/card.psql
SET client_min_messages = warning;
-- a card whose ECASD has a certificate
\set eis `cat test/eis/signed/signed.xml`
UPDATE card.euicc SET document = :'eis' WHERE n = 1;
SELECT count(*) AS reset FROM card.reset() \gset
-- and one whose ECASD has none
UPDATE smsr.euicc_signed SET signed_info = replace(signed_info, 'Ecasd', 'Other') WHERE eid = card.eid(2);
-- an SM-SR's certificate of the simulated fleet, valid until the year 9999
\set certificate 7f2181c09301014204464c43495f20035352589501885f2404999912317319c80102c914c3e5a6140ed11555d3ab3b1b5bb8ad79dce4b37c7f4946b04104737dd5b89648a72083c69929e1108b2fd5ed52f36dc5778e6d86f895fe9395df6e86e95842e0618a41bfefe0b74ffd50f4f5999ca36062d294774b6c0686d27ff001005f37406548afa0b22a1a498fca12d20972bb0b0add3e306474376e8cf2e2d5ef4ae9eb372ca9fb1ec33813394b42125315fd8ffbdf2239db789c35d1cd2afde12e3bbe
SELECT card.in_directory('umask 077; echo 0ebae164e777cc3adafbce1a6574ac8a6a925fe50916768fa0262ea4f73c86ec > sr.key; echo 0fbae164e777cc3adafbce1a6574ac8a6a925fe50916768fa0262ea4f73c86ec > other.key') AS written \gset
\set ECHO all
\set VERBOSITY terse
\set SHOW_CONTEXT never
\pset null '(null)'

CREATE ROLE regress_smsr_mno;
CREATE ROLE regress_smsr_rival;
CREATE ROLE regress_smsr_third;
CREATE ROLE regress_smsr_peer;
CREATE ROLE regress_smsr_other;
CREATE ROLE regress_smsr_carrier;
DO $$
DECLARE
	r name;
	f regprocedure;
BEGIN
	FOREACH r IN ARRAY '{regress_smsr_mno,regress_smsr_rival,regress_smsr_third,regress_smsr_peer,regress_smsr_other}'::name[]
	LOOP
		EXECUTE format('GRANT USAGE ON SCHEMA smsr, card TO %I', r);
		EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA card TO %I', r);
		FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'smsr'::regnamespace AND p.prosecdef
		LOOP
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', f, r);
		END LOOP;
	END LOOP;
END $$;
SELECT smsr.bind_role('1.3.6.1.4.1.99999.3', 'regress_smsr_mno');
SELECT smsr.register_party('1.3.6.1.4.1.99999.4', 'MNO', 'rival', 'regress_smsr_rival');
SELECT smsr.register_party('1.3.6.1.4.1.99999.5', 'MNO', 'third', 'regress_smsr_third');
SELECT smsr.register_party('1.3.6.1.4.1.99999.19', 'SM-SR', 'peer', 'regress_smsr_peer');
SELECT smsr.register_party('1.3.6.1.4.1.99999.29', 'SM-SR', 'other', 'regress_smsr_other');
SELECT smsr.grant_carrier('regress_smsr_carrier');
GRANT USAGE ON SCHEMA card TO regress_smsr_carrier;

-- how a call ended, for whoever made it
CREATE FUNCTION card.ended(of bigint) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
	SELECT concat_ws(', ', function, coalesce(status, stage), nullif(concat_ws('/', subject_code, reason_code), ''), message)
	FROM smsr.operation WHERE id = of
$$;
CREATE FUNCTION card.handover(n int DEFAULT 1) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
	SELECT coalesce((SELECT concat_ws(' ', h.side, h.stage) FROM smsr.handover h WHERE h.eid = card.eid(n)), 'none')
$$;
-- what a carrier has seen, and answers in a peer's name
CREATE TABLE card.letter (n int GENERATED ALWAYS AS IDENTITY, peer_id text, message jsonb);
GRANT ALL ON card.letter TO regress_smsr_carrier;
CREATE FUNCTION card.letters() RETURNS TABLE (peer text, about text) LANGUAGE sql AS $$
	WITH new AS (INSERT INTO card.letter (peer_id, message) SELECT * FROM smsr.claim_peer_messages('regress', 100) RETURNING *)
	SELECT right(n.peer_id, 2), concat_ws(' ', n.message ->> 'function', CASE WHEN n.message ? 'id' THEN 'asks for' ELSE 'answers' END,
		(SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(coalesce(n.message -> 'arguments', n.message -> 'answer')) k))
	FROM new n
$$;
CREATE FUNCTION card.reply(answer jsonb, peer text DEFAULT '1.3.6.1.4.1.99999.19') RETURNS text LANGUAGE sql AS $$
	SELECT smsr.receive_peer_message(peer, jsonb_build_object('reply_to', l.message ->> 'id', 'eid', l.message ->> 'eid',
		'function', l.message ->> 'function', 'answer', answer))
	FROM card.letter l WHERE l.message ? 'id' ORDER BY l.n DESC LIMIT 1
$$;

-- ---- a certificate of our own ----

SELECT card.try('SELECT smsr.import_own_certificate(''\x7f2100'', ''/nowhere'')');
SELECT card.try(format('SELECT smsr.import_own_certificate(%L, %L)', '\x' || :'certificate', path || '/other.key')) FROM card.directory;
SELECT card.try(format('SELECT smsr.import_own_certificate(%L, %L)', '\x' || overlay(:'certificate' PLACING '00' FROM 420), path || '/sr.key')) FROM card.directory;
SET ROLE regress_smsr_mno;
-- without one nothing is prepared
SELECT card.ended(smsr.prepare_smsr_change(card.eid(1), '1.3.6.1.4.1.99999.19'));
RESET ROLE;
SELECT smsr.import_own_certificate(decode(:'certificate', 'hex'), path || '/sr.key') = sha256(decode(:'certificate', 'hex')) AS imported FROM card.directory;

-- ---- ES4.PrepareSMSRChange ----

SELECT card.try('SELECT smsr.prepare_smsr_change(NULL::smsr.eid[], ''1.3.6.1.4.1.99999.19'')');
SELECT card.try('SELECT smsr.prepare_smsr_change(ARRAY[card.eid(1)], ''1.3.6.1.4.1.99999.19'', call_ids => ''{a,b}'')');
SELECT card.try('SELECT smsr.prepare_smsr_change(ARRAY[card.eid(1)], ''1.3.6.1.4.1.99999.19'', ''0 s'')');
SET ROLE regress_smsr_peer;
SELECT card.ended(smsr.prepare_smsr_change(card.eid(1), '1.3.6.1.4.1.99999.29'));
SET ROLE regress_smsr_mno;
SELECT card.ended(smsr.prepare_smsr_change(card.eid(1), '1.3.6.1.4.1.99999.9999'));
SELECT card.ended(smsr.prepare_smsr_change(card.eid(1), '1.3.6.1.4.1.99999.4'));
-- who has a profile there knows it
SELECT card.ended(smsr.prepare_smsr_change(card.eid(1), '1.3.6.1.4.1.99999.19'));
-- who has none is told nothing: as of an EID that is not here, and nothing comes of it
SET ROLE regress_smsr_rival;
SELECT e AS eid, card.ended(operation_id) FROM smsr.prepare_smsr_change(ARRAY[card.eid(1), '89049032001000000100000090000345'], '1.3.6.1.4.1.99999.19') p (e, operation_id);
SELECT e AS eid, card.ended(operation_id) FROM smsr.prepare_smsr_change(ARRAY[card.eid(1), '89049032001000000100000090000345'], '1.3.6.1.4.1.99999.19') p (e, operation_id);
SET ROLE regress_smsr_third;
SELECT e AS eid, card.ended(operation_id) FROM smsr.prepare_smsr_change(ARRAY[card.eid(1), '89049032001000000100000090000345'], '1.3.6.1.4.1.99999.19') p (e, operation_id);
RESET ROLE;
SELECT eid, side, stage, right(requester_id, 1) AS requester FROM smsr.handover ORDER BY eid;
SELECT card.ended(smsr.prepare_smsr_change(card.eid(1), '1.3.6.1.4.1.99999.19')) AS we_know;
-- a call is known again, and twice in one call is one preparation
SELECT count(DISTINCT operation_id) FROM (SELECT * FROM smsr.prepare_smsr_change(ARRAY['89049032001000000100000090000442', '89049032001000000100000090000442']::smsr.eid[], '1.3.6.1.4.1.99999.19', call_ids => '{a,b}')
	UNION ALL SELECT * FROM smsr.prepare_smsr_change(ARRAY['89049032001000000100000090000442']::smsr.eid[], '1.3.6.1.4.1.99999.19', call_ids => '{a}')) p;
SELECT event, stage_before, stage_after, status, concat_ws('/', subject_code, reason_code) AS codes FROM smsr.handover_step
	WHERE eid IN ('89049032001000000100000090000345', '89049032001000000100000090000442') ORDER BY eid, id;

-- ---- the plan, and ES4.SMSRChange ----

SELECT e.n AS card, ready, obstacles FROM smsr.plan_handover('SELECT eid FROM card.euicc', '1.3.6.1.4.1.99999.19') JOIN card.euicc e USING (eid) ORDER BY 1;
SELECT ready, obstacles FROM smsr.plan_handover(ARRAY['89049032001000000100000090000345']::smsr.eid[], '1.3.6.1.4.1.99999.4');
SELECT card.try('SELECT smsr.plan_handover(''WITH d AS (DELETE FROM smsr.euicc RETURNING eid) SELECT eid FROM d'', ''1.2'')');
SET ROLE regress_smsr_mno;
SELECT card.try('SELECT smsr.plan_handover(ARRAY[card.eid(1)], ''1.3.6.1.4.1.99999.19'')');
SELECT card.try('SELECT smsr.smsr_change(NULL::smsr.eid[], ''1.3.6.1.4.1.99999.19'')');
SELECT card.ended(smsr.smsr_change(card.eid(1), '1.3.6.1.4.1.99999.9999'));
SET ROLE regress_smsr_rival;
SELECT e AS eid, card.ended(operation_id) FROM smsr.smsr_change(ARRAY[card.eid(1), '89049032001000000100000090000345'], '1.3.6.1.4.1.99999.19') p (e, operation_id);
SET ROLE regress_smsr_mno;
-- card 2's EIS has no certificate
SELECT e.n AS card, card.ended(operation_id) FROM smsr.smsr_change(ARRAY[card.eid(1), card.eid(2), card.eid(1)], '1.3.6.1.4.1.99999.19', call_ids => '{a,a,b}') p
	JOIN card.euicc e USING (eid) ORDER BY operation_id;
SELECT card.ended(smsr.smsr_change(card.eid(1), '1.3.6.1.4.1.99999.19', call_id => 'a')) AS the_same;
SELECT card.ended(smsr.smsr_change(card.eid(1), '1.3.6.1.4.1.99999.19', call_id => 'c')) AS another;
SELECT card.ended(smsr.enable_profile(card.eid(1), card.iccid(2))) AS locked;
SELECT card.ended(smsr.enable_profile(card.eid(2), card.iccid(2, 2))) AS not_locked;
RESET ROLE;
SELECT card.handover(1), card.handover(2);

-- ---- ES7, by the peer's own role: who it is handed over to, and who not ----

SET ROLE regress_smsr_other;
SELECT smsr.peer_answer(card.eid(1), smsr.authenticate_smsr(card.eid(1), decode(:'certificate', 'hex')));
SELECT smsr.peer_answer(card.eid(1), smsr.create_additional_key_set(card.eid(1), 3, 0, 'ECC-256', 8, NULL, '\x04', '\x00'));
SET ROLE regress_smsr_mno;
SELECT smsr.authenticate_smsr(card.eid(1), decode(:'certificate', 'hex'));
SET ROLE regress_smsr_peer;
SELECT smsr.peer_answer(card.eid(1), smsr.create_additional_key_set(card.eid(1), 3, 0, 'ECC-256', 8, NULL, '\x04', '\x00')) AS too_early;
SELECT smsr.peer_answer(card.eid(1), smsr.authenticate_smsr(card.eid(1), '\x7f2100')) AS no_certificate;
SELECT smsr.authenticate_smsr(card.eid(1), decode(:'certificate', 'hex'), 77001) AS asked;
SELECT smsr.authenticate_smsr(card.eid(1), decode(:'certificate', 'hex'), 77001) AS asked_again;
SELECT smsr.peer_answer(card.eid(1), 77001) AS not_yet;
RESET ROLE;
SELECT card.handover();
SELECT card, destination, cntr FROM card.take();
SELECT card.answer('9000', card.tlv('85', '\x000102030405060708090a0b0c0d0e0f'));
SELECT card.handover();
SET ROLE regress_smsr_other;
SELECT smsr.peer_answer(card.eid(1), 77001) AS not_his;
SET ROLE regress_smsr_peer;
SELECT smsr.peer_answer(card.eid(1), 77001);
-- ours is no version for theirs
SELECT smsr.peer_answer(card.eid(1), smsr.create_additional_key_set(card.eid(1), 2, 0, 'ECC-256', 8, NULL, '\x04', '\x00'));
SELECT smsr.peer_answer(card.eid(1), smsr.create_additional_key_set(card.eid(1), 3, 0, 'ECC-512', 8, NULL, '\x04', '\x00'));
-- nor may it have the card delete what is there
SELECT smsr.peer_answer(card.eid(1), smsr.create_additional_key_set(card.eid(1), 3, 0, 'ECC-256', 3, NULL, substr(decode(:'certificate', 'hex'), position('\x04737d'::bytea IN decode(:'certificate', 'hex')), 65),
	decode(repeat('11', 64), 'hex')));
SELECT smsr.create_additional_key_set(card.eid(1), 3, 0, 'ECC-256', 8, NULL, substr(decode(:'certificate', 'hex'), position('\x04737d'::bytea IN decode(:'certificate', 'hex')), 65),
	decode(repeat('11', 64), 'hex'), 77002) AS asked;
RESET ROLE;
SELECT card.handover();
SELECT card, destination, cntr FROM card.take();
SELECT card.answer('9000', card.tlv('86', '\x0f0e0d0c0b0a09080706050403020100'));
SELECT card.handover();
SET ROLE regress_smsr_peer;
SELECT smsr.peer_answer(card.eid(1), 77002);

-- ---- the carrier: what is between SM-SRs, and nothing else ----

SET ROLE regress_smsr_carrier;
SELECT card.try('SELECT smsr.claim_peer_messages('''', 1)');
SELECT card.try('SELECT smsr.claim_peer_messages(''regress'', 0)');
SELECT card.try('SELECT smsr.claim_peer_messages(''regress'', 1, ''0 s'')');
SELECT card.try(format('SELECT smsr.receive_peer_message(''1.3.6.1.4.1.99999.4'', %L)', '{"reply_to": "1", "eid": "89049032001000000100000090000151", "answer": {}}'));
SELECT card.try(format('SELECT smsr.receive_peer_message(''1.3.6.1.4.1.99999.19'', %L)', m))
	FROM unnest('{"{}","[]","{\"id\": \"1\", \"eid\": \"1\"}","{\"id\": \"0\", \"eid\": \"89049032001000000100000090000151\", \"function\": \"handover_euicc\", \"arguments\": {}}"}'::text[]) m;
SELECT card.try('SELECT count(*) FROM smsr.euicc');
SELECT card.try('SELECT count(*) FROM smsr.peer_message');
SELECT * FROM card.letters() ORDER BY 1, 2;
SELECT * FROM card.letters() ORDER BY 1, 2;
-- one that is none holds up no other one; nor does one in another's name count
SELECT smsr.receive_peer_messages('1.3.6.1.4.1.99999.29', ARRAY['{}', jsonb_build_object('reply_to', l.message ->> 'id', 'eid', l.message ->> 'eid',
	'function', 'handover_euicc', 'answer', '{"status": "EXECUTED_SUCCESS"}'::jsonb)]) FROM card.letter l WHERE l.message ->> 'function' = 'handover_euicc' AND l.message ? 'id';
SELECT card.reply('{"status": "EXECUTED_WITHWARNING", "subject_code": "8.4", "reason_code": "4.2", "message": "the card was not told all of it"}');
SELECT card.reply('{"status": "FAILED"}') AS once_only;
RESET ROLE;
SELECT card.handover();
SELECT card.ended(id) FROM smsr.operation WHERE eid = card.eid(1) AND call_id = 'a';
SELECT count(*) AS eis, (SELECT count(*) > 0 FROM smsr.audit_trail WHERE eid = card.eid(1)) AS record,
	(SELECT concat_ws(' ', side, right(peer_id, 2), status, moved) FROM smsr.handover_past WHERE eid = card.eid(1)) AS past
	FROM smsr.euicc WHERE eid = card.eid(1);
SELECT side, event, stage_before, stage_after, status, concat_ws('/', subject_code, reason_code) AS codes, said_by FROM smsr.handover_step
	WHERE eid = card.eid(1) ORDER BY id;

-- ---- ES7.HandoverEUICC, by the peer's own role ----

SELECT card.eid(1) AS eid \gset
SET ROLE regress_smsr_peer;
-- what is here, what is not, what another one is to bring: an EID like any other
SELECT smsr.peer_answer(card.eid(2), smsr.handover_euicc(card.eid(2), :'eis')) AS here;
SELECT smsr.peer_answer(:'eid', smsr.handover_euicc(:'eid', :'eis')) AS not_here;
RESET ROLE;
SET ROLE regress_smsr_mno;
SELECT card.ended(smsr.prepare_smsr_change(:'eid'::smsr.eid, '1.3.6.1.4.1.99999.29'));
SET ROLE regress_smsr_peer;
SELECT smsr.peer_answer(:'eid', smsr.handover_euicc(:'eid', :'eis')) AS not_from_here;
RESET ROLE;
SET ROLE regress_smsr_mno;
SELECT card.ended(smsr.prepare_smsr_change(:'eid'::smsr.eid, '1.3.6.1.4.1.99999.19'));
SET ROLE regress_smsr_peer;
SELECT smsr.peer_answer(:'eid', smsr.handover_euicc(:'eid', '<Eis/>')) AS no_eis;
SELECT smsr.peer_answer('89049032001000000100000090000442', smsr.handover_euicc('89049032001000000100000090000442', :'eis')) AS of_another;
SELECT smsr.handover_euicc(:'eid', :'eis', '1 hour', 77003) AS asked;
SELECT smsr.peer_answer(:'eid', 77003) AS not_yet;
RESET ROLE;
SELECT card.handover();
SET ROLE regress_smsr_carrier;
SELECT * FROM card.letters() ORDER BY 1, 2;
SELECT card.reply('{"status": "EXECUTED_SUCCESS", "challenge": "000102030405060708090a0b0c0d0e0f"}');
SELECT * FROM card.letters() ORDER BY 1, 2;
SELECT card.reply('{"status": "EXECUTED_SUCCESS", "receipt": "000102030405060708090a0b0c0d0e0f"}');
SET ROLE regress_smsr_peer;
SELECT smsr.peer_answer(:'eid', 77003);
RESET ROLE;
SELECT card.handover();
SELECT count(*) AS eis FROM smsr.euicc WHERE eid = :'eid';

-- ---- what is done with goes ----

SELECT smsr.prune_peer_messages() AS young;
SET smsr.peer_message_retention = 0;
SELECT count(*) AS left_before FROM smsr.peer_message;
SELECT smsr.prune_peer_messages() > 0 AS pruned;
-- not what is to be told yet, nor of an eUICC in a change
SELECT direction, function, closed, due_at IS NULL AS sent, eid = '89049032001000000100000090000442' AS under_way FROM smsr.peer_message ORDER BY eid, id;
RESET smsr.peer_message_retention;

SET ROLE regress_smsr_mno;
SELECT smsr.finalise_handover(card.eid(2));
RESET ROLE;
SELECT card.try('SELECT smsr.finalise_handover(''89049032001000000100000090000345'')');

SELECT card.faults();
DELETE FROM smsr.party_role;
DROP OWNED BY regress_smsr_mno, regress_smsr_rival, regress_smsr_third, regress_smsr_peer, regress_smsr_other, regress_smsr_carrier;
DROP ROLE regress_smsr_mno, regress_smsr_rival, regress_smsr_third, regress_smsr_peer, regress_smsr_other, regress_smsr_carrier;
TRUNCATE smsr.handover, smsr.handover_past, smsr.peer_message;
DELETE FROM smsr.own_certificate;
\set ECHO none
\i sql/card_end.psql
