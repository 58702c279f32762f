-- What the air brings: notifications, answers, and what is neither.  Nothing of
-- it raises, nothing of it is lost, and what is not authentic changes nothing.
\set ECHO none
\i sql/card.psql
\set ECHO all

-- ---- notifications that nobody awaits ----

-- first network attachment
SELECT card.reset();
SELECT card.notify(1, 1, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.operations;
SELECT operation_type, status, right(iccid::text, 4) AS iccid FROM smsr.audit_trail ORDER BY position;
-- fall-back: the EIS follows, and no rule deletes what was left
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.update_policy_rules(card.eid(), card.iccid(2), '{DISABLE/Auto-Delete}') > 0 AS done;
SELECT card.notify(5, 2, '10', '49000009000010');
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.take();
SELECT * FROM card.notices;
SELECT * FROM card.profiles WHERE card = 1;
-- POL1 may delete with any confirmation
SELECT card.notify(5, 3, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.answer('9000', card.tlv('80', card.tlv('4F', card.aid('11'))));
SELECT * FROM card.profiles WHERE card = 1;
-- a type that no version known here has: confirmed, and looked into
SELECT card.reset();
SELECT card.notify(66, 1, '11', '49000009000010');
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.take();
SELECT * FROM card.take();
SELECT * FROM card.operations;
-- while something else is under way it is no answer to that
SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.notify(1, 1, '10', '49000009000010');
SELECT card.notify(5, 2, '10', '49000009000010');
SELECT card.operation(:op);
SELECT * FROM card.operations;
SELECT * FROM card.take();
SELECT * FROM card.take();

-- ---- repeated ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT packet AS confirmation FROM card.last(1) \gset
-- the confirmation is late or lost: at once, the same octets
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT packet = :'confirmation' AS same FROM card.last(1);
SELECT card.answer();
SELECT card.operation(:op);
-- it is all over, and it is confirmed again; nothing else happens again
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.operations;
SELECT * FROM card.notices;
SELECT operation_type, status FROM smsr.audit_trail ORDER BY position;
-- 0 comes after 65535
UPDATE smsr.euicc SET notification_sequence = 65534;
SELECT card.notify(5, 65535, '10', '49000009000010');
SELECT card.notify(1, 0, '10', '49000009000010');
SELECT notification_type, notification_sequence FROM smsr.euicc WHERE eid = card.eid();
SELECT count(*) FROM smsr.operation WHERE function = 'confirm_notification' AND status IS NULL;
-- an old one sent once more by somebody who has heard it: the EIS stays, the card is asked
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT card.enabled(1, 2);
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.take();
SELECT * FROM card.take();
SELECT * FROM card.operations;
-- nor after a month
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT card.enabled(1, 2);
UPDATE smsr.euicc SET notification_at = now() - interval '1 month';
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.profiles WHERE card = 1;
-- numbers that begin anew are no replay
SELECT card.notify(2, 0, '11', '49000009000011');
SELECT * FROM card.profiles WHERE card = 1;

-- ---- after the validity period ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2), validity => '1 hour') AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT card.operation(:op);
-- not confirmed, so that the card goes back and the EXPIRED is true; where it is now is true as well
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.take();
SELECT outcome, detail FROM card.messages WHERE direction = 'in';
SELECT card.notify(3, 2, '10', '49000009000010');
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.take();
SELECT * FROM card.operations;
-- what was never sent can not have happened, and a fall-back long after a disable that the card has not done is one
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.disable_profile(card.eid(), card.iccid(2)) AS op \gset
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT card.notify(5, 2, '10', '49000009000010');
SELECT * FROM card.take();
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.disable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '1F', true), card.isdp('11', '3F')]);
SELECT card.notify(5, 2, '10', '49000009000010');
SELECT * FROM card.take();

-- a disable has been sent since; 02 may be a card's word for it, but this is the enable's, and stays unconfirmed
SELECT card.reset();
SELECT card.enabled(2, 1);
SELECT smsr.enable_profile(card.eid(), card.iccid(1), validity => '1 hour') AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT smsr.disable_profile(card.eid(), card.iccid(2)) AS other \gset
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT function, stage FROM smsr.operation WHERE status IS NULL ORDER BY stage;
SELECT * FROM card.take();
UPDATE smsr.operation SET expires_at = now() WHERE function = 'audit_eis';
SELECT smsr.tick();
SELECT card.operation(:op), card.operation(:other);
SELECT * FROM card.take();
SELECT card.notify(2, 2, '10', '49000009000010');
SELECT outcome, detail FROM card.messages WHERE direction = 'in' AND detail LIKE 'type 2, sequence 2%';
SELECT card.operation(:other);
SELECT function, status FROM smsr.operation WHERE function = 'confirm_notification';
-- what the card is asked to do once more when it is back
SELECT card.notify(3, 3, '11', '49000009000011');
SELECT card.operation(:other);

-- ---- notifications that are none ----

SELECT card.reset();
CREATE FUNCTION card.arrive(what text, packet bytea, originator text DEFAULT '49000009000011') RETURNS text LANGUAGE sql AS $$
	SELECT format('%s: %s', what, array_to_string(card.say(112, packet, originator), ', '))
$$;
CREATE TABLE card.content AS SELECT card.notification(2, 1, card.aid('11'), card.eid()) AS data;
SELECT card.arrive('not secured', smsr.scp80_command('\x0000', '\x00', '\x00', '\x000001', 0, '', '', data)) FROM card.content;
SELECT card.arrive('a checksum that anybody can compute', smsr.scp80_command('\x0100', '\x22', '\x21', '\x000001', 0, '', '', data)) FROM card.content;
SELECT card.arrive('ciphered only', smsr.scp80_command('\x0400', '\x22', '\x22', '\x000001', 0, kic, '', data)) FROM card.content, card.euicc WHERE n = 1;
SELECT card.arrive('another card''s keys', card.secure(data, 2)) FROM card.content;
SELECT card.arrive('another key set', smsr.scp80_command('\x0600', '\x32', '\x32', '\x000001', 0, kic, kid, data)) FROM card.content, card.euicc WHERE n = 1;
SELECT card.arrive('another application of the card', smsr.scp80_command('\x0600', '\x22', '\x22', '\xB20100', 0, kic, kid, data)) FROM card.content, card.euicc WHERE n = 1;
SELECT card.arrive('another EID', card.secure(card.notification(2, 1, card.aid('11'), card.eid(2))));
SELECT card.arrive('no EID at all', card.secure(set_byte(data, 6, 17))) FROM card.content;
SELECT card.arrive('from a number that nobody has', card.secure(data), '49000009000099') FROM card.content;
SELECT card.arrive('a command of ours come back', smsr.scp80_command('\x1639', '\x22', '\x22', '\x000001', 1, kic, kid, '\xAA022200')) FROM card.euicc WHERE n = 1;
SELECT card.arrive('cut short', card.secure(substr(data, 1, 20))) FROM card.content;
SELECT card.arrive('empty', card.secure(''));
SELECT card.arrive('without sequence number', card.secure(card.tlv('E1', card.tlv('4C', decode(card.eid()::text, 'hex')) || card.tlv('4D', '\x02') || card.tlv('2F', card.aid('11')))));
UPDATE smsr.keyset SET state = 'compromised' WHERE eid = card.eid();
SELECT card.arrive('under keys that are not to be trusted any more', card.secure(data)) FROM card.content;
-- what no event leads to
ALTER TABLE smsr.keyset DISABLE TRIGGER keyset_guard;
UPDATE smsr.keyset SET state = 'active' WHERE eid = card.eid();
ALTER TABLE smsr.keyset ENABLE TRIGGER keyset_guard;
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.take();
SELECT address, outcome, detail FROM card.messages;
SELECT card.reset();
-- checked but not ciphered, with what the terminal told the card, and in the other tag for the AID
SELECT card.arrive('in the clear', card.secure(card.tlv('E1', card.tlv('4C', decode(card.eid()::text, 'hex')) || card.tlv('4D', '\x02')
	|| card.tlv('4E', '\x0001') || card.tlv('AF', card.aid('11')) || card.tlv('14', '\x1032547698103254') || card.tlv('99', '\x00')), 1, '\x0200'));
SELECT * FROM card.profiles WHERE card = 1;
SELECT imei, meid FROM smsr.euicc WHERE eid = card.eid();
SELECT operation_type, imei FROM smsr.audit_trail ORDER BY position;
-- an ISD-P that the EIS does not know: the card is there, wherever that is, and is asked at the number it wrote from
SELECT card.reset();
SELECT card.notify(2, 1, '77', '49000009000011');
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.take();
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '1F', true), card.isdp('11', '3F')]);
SELECT * FROM card.profiles WHERE card = 1;

-- ---- answers, by status ----

CREATE FUNCTION card.try_status(status int, secured boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	op bigint;
	told text;
BEGIN
	PERFORM card.reset();
	op := smsr.delete_profile(card.eid(), card.iccid(2));
	PERFORM card.take();
	PERFORM smsr.sms_submitted((card.last(1)).sms_ids, '{a1}');
	UPDATE smsr.outbound SET due_at = now() + interval '1 day';
	told := card.refuse(status, 1, secured);
	RETURN format('%s; %s; due %s', told, card.operation(op), (SELECT string_agg(CASE WHEN due_at <= now() THEN 'now'
		WHEN due_at < now() + interval '2 minutes' THEN 'in a minute' ELSE 'much later' END || CASE WHEN packet IS NULL THEN ', not sealed' ELSE '' END, ', ') FROM smsr.outbound));
END $$;
SELECT lpad(to_hex(s), 2, '0') AS status, card.try_status(s, true) FROM unnest('{1,2,3,4,5,6,7,8,9,10,11,12,13,255}'::int[]) s;
SELECT lpad(to_hex(s), 2, '0') AS status, card.try_status(s, false) FROM unnest('{0,1,2,3,4,5,6,7,8,9,10,11,12,13,255}'::int[]) s;
-- an answer that anybody could have sent makes us look again sooner: the same octets
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
SELECT count(DISTINCT packet) FROM card.received;

-- the counter is behind: a new packet with a higher one, and the command is done once
SELECT card.reset();
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT * FROM card.take();
SELECT counter FROM smsr.keyset WHERE eid = card.eid();
SELECT card.refuse(2);
SELECT card.operation(:op);
SELECT direction, attempts, cntr, outcome, detail FROM card.messages;
-- the counter is at its end: nothing can be sent any more
SELECT card.reset();
UPDATE smsr.keyset SET counter = 1099511627774 WHERE eid = card.eid();
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')]);
SELECT card.operation(:op);
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
SELECT card.operation(:op);
SELECT counter FROM smsr.keyset WHERE eid = card.eid();

-- low on a re-transmission: the card has had it; it is asked what it did
SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT packet AS first FROM card.last(1) \gset
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
SELECT packet = :'first' AS same FROM card.last(1);
SELECT card.refuse(2);
SELECT card.operation(:op);
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
-- its answers to the audit come twice; the second is an answer to nothing
SELECT card.response(card.r_script(card.isdp('10', '1F', true) || card.isdp('11', '3F') || '\x9000'::bytea, '\x6A88')) AS answer \gset
SELECT card.say(113, :'answer', '49000009000011');
SELECT card.say(113, :'answer', '49000009000011');
SELECT card.operation(:op);
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);

-- ---- answers that are none ----

SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT smsr.delete_profile(card.eid(2), card.iccid(2, 2)) AS other \gset
SELECT * FROM card.take();
SELECT card.r_script('\x009000') AS done \gset
CREATE FUNCTION card.reply(what text, packet bytea, originator text DEFAULT '49000009000010') RETURNS text LANGUAGE sql AS $$
	SELECT format('%s: %s', what, array_to_string(card.say(113, packet, originator), ', '))
$$;
SELECT card.reply('of another card', card.response(:'done', 0, 2, 1));
SELECT card.reply('to another packet', card.response(:'done', cntr => 2));
SELECT card.reply('of another application', card.response(:'done', tar => '\xB20100'));
SELECT card.reply('not secured', smsr.scp80_response('\x01', '\x22', '\x22', '\x000001', 1, 0, '', '', :'done'));
SELECT card.reply('a checksum that anybody can compute', smsr.scp80_response('\x05', '\x22', '\x21', '\x000001', 1, 0, '', '', :'done'));
SELECT card.reply('from a number that nobody has', card.response(:'done'), '49000009000099');
SELECT card.reply('from another card''s number', card.response(:'done'), '49000009000020');
SELECT card.reply('as a command', smsr.scp80_command('\x1639', '\x22', '\x22', '\x000001', 1, kic, kid, :'done')) FROM card.euicc WHERE n = 1;
SELECT card.arrive('with the header of a command', card.response(:'done'), '49000009000010');
SELECT card.operation(:op), card.operation(:other);
-- one octet of it altered, each in turn: never taken for the card's
CREATE TABLE card.altered AS
	SELECT i, smsr.receive_sms('49000009000010', set_byte(s, i, get_byte(s, i) # 1)) AS outcome
	FROM smsr.sms_segments(card.response(:'done'), 113) s, generate_series(0, length(s) - 1) i;
SELECT outcome, count(*), min(i), max(i) FROM card.altered GROUP BY outcome ORDER BY 3;
SELECT card.operation(:op);
SELECT count(*) = (SELECT count(*) FROM card.altered) + 9 AS all_kept FROM smsr.message WHERE direction = 'in';
-- and cut short at any length
SELECT DISTINCT smsr.receive_sms('49000009000010', substr(s, 1, i)) AS outcome
	FROM smsr.sms_segments(card.response(:'done'), 113) s, generate_series(0, length(s) - 1) i ORDER BY 1;
SELECT card.operation(:op);
-- the card's own may come from the number of any of its profiles, with or without +
SELECT card.reply('the true one', card.response(:'done'), '+49000009000011');
SELECT card.operation(:op);
SELECT card.reply('once more', card.response(:'done'));
SELECT card.reply('once more, from elsewhere', card.response(:'done'), '49000009000020');
-- two cards that say they have the same number are told apart by their keys
SELECT card.reset();
UPDATE smsr.profile SET msisdn = '49000009000010' WHERE msisdn = '49000009000020';
UPDATE smsr.profile SET msisdn = '49000009000011' WHERE msisdn = '49000009000021';
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT smsr.enable_profile(card.eid(2), card.iccid(2, 2)) AS other \gset
SELECT * FROM card.take();
SELECT card.answer(card => 2);
SELECT card.operation(:op), card.operation(:other);
SELECT card.notify(2, 1, '11', '49000009000011', 2);
SELECT card.answer();
SELECT card.notify(2, 9, '11', '49000009000011');
SELECT card.operation(:op), card.operation(:other);
SELECT * FROM card.take();

-- ---- in parts ----

CREATE FUNCTION card.in_parts(order_of int[], reference int DEFAULT 7) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	parts bytea[];
	op bigint;
	told text;
BEGIN
	PERFORM card.reset();
	op := smsr.audit_eis(card.eid());
	PERFORM card.take();
	SELECT array_agg(s ORDER BY n) INTO parts FROM smsr.sms_segments(card.response(card.r_script(
		card.isdp('10', '3F', true) || card.isdp('11', '1F') || card.isdp('12', '1F') || card.isdp('13', '1F') || card.isdp('14', '1F')
			|| card.isdp('15', '1F') || card.isdp('16', '1F') || card.isdp('17', '07') || card.isdp('18', '07') || card.isdp('19', '07') || '\x9000'::bytea, '\x6A88')), 113, reference) WITH ORDINALITY u (s, n);
	told := array_to_string(smsr.receive_sms(array_fill('49000009000010'::text, ARRAY[cardinality(order_of)]),
		ARRAY(SELECT parts[o] FROM unnest(order_of) WITH ORDINALITY u (o, n) ORDER BY n)), ', ');
	RETURN format('%s of %s; %s; %s profiles; %s left over', told, cardinality(parts),
		card.operation(op), (SELECT count(*) FROM smsr.profile WHERE eid = card.eid()), (SELECT count(*) FROM smsr.inbound_part));
END $$;
SELECT card.in_parts('{1,2,3}');
SELECT card.in_parts('{3,1,2}');
SELECT card.in_parts('{3,2,1}', 255);
SELECT card.in_parts('{1,1,3,3,2}');
SELECT card.in_parts('{1,3}');
-- from one number only: another's part is of another message
SELECT smsr.receive_sms('49000009000099', tp_ud) FROM smsr.inbound_part ORDER BY sequence LIMIT 1;
SELECT originator, count(*) FROM smsr.inbound_part GROUP BY 1 ORDER BY 1;
UPDATE smsr.inbound_part SET received_at = now() - interval '2 hours';
SELECT smsr.tick();
SELECT count(*) FROM smsr.inbound_part;
SELECT outcome, detail FROM card.messages WHERE direction = 'in';
-- headers that contradict themselves
SELECT u, smsr.receive_sms('49000009000010', u) FROM unnest(ARRAY['\x', '\x00', '\x05', '\x027000', '\x027100', '\x02710000', '\x050003070000',
	'\x05000307000000', '\x05000307020300', '\x05000307020000', '\x07000307020171', '\x0700030702017100', '\x0500030700017000',
	'\x06080400070201', '\xff', '\x03700100', '\x0271000000', '\x02710000ff', '\x0003010203']::bytea[]) u;

-- ---- anything ----

SELECT smsr.receive_sms(NULL, '\x0271000a'), smsr.receive_sms('', '\x0271000a'), smsr.receive_sms('+', '\x'), smsr.receive_sms(repeat('9', 1000), '\x'),
	smsr.receive_sms('49000009000010', NULL), smsr.receive_sms(NULL, NULL);
SELECT smsr.receive_sms('49000009000010', decode(repeat('00', 1048576), 'hex')), smsr.receive_sms('49000009000010', '\x027100'::bytea || decode(repeat('ff', 1048576), 'hex')),
	smsr.receive_sms('49000009000010', '\x027000'::bytea || decode(repeat('15', 1048576), 'hex'));
SELECT smsr.receive_sms('{}'::text[], '{}'::bytea[]), smsr.receive_sms(NULL::text[], NULL::bytea[]);
SELECT smsr.receive_sms(ARRAY['1', NULL, '3'], ARRAY['\x00', '\x00', NULL]::bytea[]);
SELECT card.try($$SELECT smsr.receive_sms(ARRAY['1'], ARRAY['\x00', '\x00']::bytea[])$$);
SELECT card.try($$SELECT smsr.receive_sms(NULL::text[], ARRAY['\x00']::bytea[])$$);
SELECT card.try($$SELECT smsr.receive_sms(ARRAY['1'], NULL::bytea[])$$);
SELECT card.try($$SELECT smsr.receive_sms(ARRAY[ARRAY['1', '2'], ARRAY['3', '4']], ARRAY['\x00', '\x00', '\x01', '\x02']::bytea[])$$);
SELECT card.reset();
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.take();
WITH noise AS (
	SELECT smsr.receive_sms('49000009000010', (ARRAY['\x027000', '\x027100', '\x0700030102017000', '\x050003010202', '']::bytea[])[1 + i % 5]
		|| substr(sha512(int4send(i)), 1, i % 65)) AS outcome
	FROM generate_series(1, 1000) i)
SELECT outcome, count(*) FROM noise GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM smsr.message WHERE direction = 'in' AND outcome IS NOT NULL;
SELECT card.operation(:op);
-- a key set that does not open is that card's misfortune
SELECT card.reset();
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT smsr.audit_eis(card.eid(2)) AS other \gset
SELECT * FROM card.take();
UPDATE smsr.keyset SET sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1) WHERE eid = card.eid();
SELECT smsr.receive_sms(ARRAY['49000009000010', '49000009000020'], ARRAY[
	smsr.sms_segments(card.response(card.r_script('\x6982'), 0, 1), 113), smsr.sms_segments(card.response(card.r_script('\x6982'), 0, 2), 113)]);
SELECT card.operation(:op), card.operation(:other);
SELECT outcome, detail FROM card.messages WHERE direction = 'in';
SELECT card.reset();

-- ---- a number that nobody told us, and one that is another's ----

UPDATE smsr.profile SET msisdn = NULL WHERE eid = card.eid() AND isdp_aid = card.aid('11')::smsr.aid;
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.notify(2, 1, '11', '4915550000');
SELECT card.operation(:op);
SELECT card.notify(2, 1, '11', '4915559999', 2);
SELECT outcome, detail FROM card.messages WHERE direction = 'in';
-- what is awaited by nobody is tried by nobody
UPDATE smsr.operation SET stage = 'sending' WHERE id = :op;
SELECT smsr.plausible('4915550001');
UPDATE smsr.profile SET msisdn = '49000009000020' WHERE eid = card.eid() AND isdp_aid = card.aid('11')::smsr.aid;
SELECT what, about, cardinality(eids) FROM smsr.incident ORDER BY 1, 2;
SELECT card.reset();

\set ECHO none
\i sql/card_end.psql
