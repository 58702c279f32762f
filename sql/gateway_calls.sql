-- The calls of a gateway: what it is given, and what it reports.
\set ECHO none
\i sql/card.psql
\set ECHO all
CREATE VIEW card.queue AS
	SELECT e.n AS card, o.step, right(o.destination, 3) AS destination, o.gateway, o.attempts, o.cntr, o.segments, o.accepted, o.smsc_id,
		CASE WHEN o.due_at = 'infinity' THEN 'held' WHEN o.due_at <= clock_timestamp() THEN 'now'
			WHEN o.due_at < clock_timestamp() + interval '10 s' THEN 'in seconds' WHEN o.due_at < clock_timestamp() + interval '35 s' THEN 'leased'
			WHEN o.due_at < clock_timestamp() + interval '70 s' THEN 'in a minute' ELSE 'later' END AS due
	FROM smsr.outbound o JOIN card.euicc e USING (eid) ORDER BY o.id;
-- several short messages: a script that asks for more than any of ours
CREATE FUNCTION card.make_long(of_card int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
	UPDATE smsr.outbound SET script = smsr.script(ARRAY[decode(repeat('80CAFF2100', 50), 'hex')]) WHERE eid = card.eid(of_card)
$$;

-- ---- claimed, and claimed again ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2), validity => '1 hour') AS op \gset
SELECT eid, destination, tp_pid, tp_dcs, substr(tp_ud, 1, 13) AS header, validity BETWEEN '59 minutes' AND '1 hour' AS validity
	FROM smsr.claim_sms('a', 10);
SELECT * FROM card.queue;
SELECT * FROM card.take('a');
SELECT * FROM card.take('b');
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take('b', lease => '1 minute');
SELECT * FROM card.queue;
-- the wait for an answer begins when the SMSC has it, and doubles
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
SELECT * FROM card.queue;
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take('b');
SELECT count(DISTINCT packet), count(*) FROM card.received;
SELECT n, min(smsr.retry_interval(n)) >= '54 s'::interval * least(power(2, n - 1), 60) AND max(smsr.retry_interval(n)) <= '66 s'::interval * least(power(2, n - 1), 60) AS doubled
	FROM generate_series(1, 12) n, generate_series(1, 20) GROUP BY n ORDER BY n;
-- messages that are no more, that never were
SELECT smsr.sms_submitted('{32,64,-1}', '{x,y,z}');
SELECT smsr.sms_submitted('{}', '{}');
SELECT smsr.sms_refused(32, 'x', false);
SELECT smsr.release_sms('{32,64}');
-- other coding, as some SMSCs want it
UPDATE smsr.outbound SET due_at = now();
SET smsr.tp_pid = 0;
SET smsr.tp_dcs = 4;
SELECT tp_pid, tp_dcs FROM smsr.claim_sms('a', 10);
RESET smsr.tp_pid;
RESET smsr.tp_dcs;
-- what has run out is not sent any more, even if nobody has said so yet
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
UPDATE smsr.outbound SET expires_at = now(), due_at = now();
SELECT * FROM card.take();
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT smsr.tick();

-- ---- whom for ----

SELECT card.reset();
UPDATE smsr.profile SET mno_id = '1.3.6.1.4.1.99999.4' WHERE eid = card.eid(2);
INSERT INTO smsr.route VALUES ('1.3.6.1.4.1.99999.3', 'north'), ('1.3.6.1.4.1.99999.3', 'north-2');
SELECT count(*) FROM smsr.request('audit_eis', ARRAY[card.eid(), card.eid(2)]);
SELECT * FROM card.take('south');
SELECT * FROM card.take('south');
SELECT * FROM card.take('north-2');
UPDATE smsr.outbound SET due_at = now();
INSERT INTO smsr.route VALUES ('1.3.6.1.4.1.99999.4', 'south');
SELECT * FROM card.take('north');
SELECT * FROM card.take('south');
-- a card that has changed its operator is reached by that one's
SELECT card.reset();
UPDATE smsr.profile SET mno_id = '1.3.6.1.4.1.99999.4' WHERE eid = card.eid() AND iccid = card.iccid(2);
INSERT INTO smsr.route VALUES ('1.3.6.1.4.1.99999.3', 'north'), ('1.3.6.1.4.1.99999.4', 'south');
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take('south');
SELECT * FROM card.take('north');
SELECT card.answer();
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take('north');
SELECT * FROM card.take('south');

-- ---- how many ----

SELECT card.reset();
SELECT count(*) FROM smsr.request('audit_eis', ARRAY[card.eid(), card.eid(2)]);
SELECT card, cntr FROM card.take(max_messages => 1);
SELECT card, cntr FROM card.take(max_messages => 1);
SELECT card, cntr FROM card.take(max_messages => 1);
SELECT card.reset();
SELECT count(*) FROM smsr.request('audit_eis', ARRAY[card.eid(), card.eid(2)]);
SELECT card.make_long(1), card.make_long(2);
SELECT count(*) FROM smsr.claim_sms('a', 2);
SELECT count(DISTINCT eid), count(*) FROM smsr.claim_sms('a', 5);
SELECT count(DISTINCT eid), count(*) FROM smsr.claim_sms('a', 5);
SELECT count(*) FROM smsr.claim_sms('a', 5);
SELECT * FROM card.queue;

-- ---- in parts ----

SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT card.make_long();
SELECT card, destination, cntr FROM card.take();
SELECT substr(u, 1, 3) AS header, get_byte(u, 3) = get_byte((card.last(1)).tp_uds[1], 3) AS same_reference, substr(u, 5, 2) AS part
	FROM unnest((card.last(1)).tp_uds) u;
SELECT sms_ids[1] AS part1, sms_ids[2] AS part2, sms_ids[3] AS part3 FROM card.last(1) \gset
SELECT smsr.sms_submitted(ARRAY[:part1, :part3], '{s1,s3}');
SELECT * FROM card.queue;
SELECT smsr.sms_refused(:part2, 'throttled', true);
SELECT * FROM card.queue;
-- only what is missing, and then all of it
UPDATE smsr.outbound SET due_at = now();
SELECT sms_id = :part2 AS second, tp_ud = (card.last(1)).tp_uds[2] AS same FROM smsr.claim_sms('b', 10);
SELECT smsr.sms_submitted(ARRAY[:part2], '{s2}');
SELECT * FROM card.queue;
UPDATE smsr.outbound SET due_at = now();
SELECT count(*), bool_and(tp_ud = ANY ((card.last(1)).tp_uds)) AS same FROM smsr.claim_sms('b', 10);
SELECT * FROM card.queue;
-- the SMSC refuses all three for good: the copy it has taken may arrive all the same
SELECT smsr.sms_refused(id, 'unknown subscriber', false) FROM unnest(ARRAY[:part1, :part2, :part3]) id;
SELECT card.operation(:op);
SELECT * FROM card.queue;

-- ---- refused ----

SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'throttled', true);
SELECT * FROM card.queue;
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'unknown subscriber', false);
SELECT card.operation(:op);
SELECT direction, attempts, outcome, detail FROM card.messages;
-- twice told is not twice refused
SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'unknown subscriber', false);
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'unknown subscriber', false);
SELECT card.operation(:op);
SELECT * FROM card.queue;
-- a refusal of what the SMSC has accepted since
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'unknown subscriber', false);
SELECT card.operation(:op);
-- a confirmation and an audit are wanted all the same
SELECT card.reset();
SELECT card.notify(1, 1, '10', '49000009000010');
SELECT * FROM card.take();
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'unknown subscriber', false);
SELECT * FROM card.operations;
SELECT * FROM card.queue;

-- ---- handed back ----

SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT smsr.release_sms((card.last(1)).sms_ids);
SELECT smsr.release_sms((card.last(1)).sms_ids);
SELECT * FROM card.queue;
SELECT * FROM card.take();
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
SELECT smsr.release_sms((card.last(1)).sms_ids);
SELECT * FROM card.queue;
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
SELECT smsr.release_sms((card.last(1)).sms_ids || (card.last(1)).sms_ids);
SELECT * FROM card.queue;
SELECT count(DISTINCT packet), count(*) FROM card.received;

-- ---- delivery reports ----

SELECT card.reset();
SELECT smsr.delete_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT * FROM card.take();
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
UPDATE smsr.outbound SET due_at = now() + interval '1 hour';
SELECT smsr.sms_delivery_report('s1', 'DELIVRD');
SELECT due FROM card.queue;
SELECT smsr.sms_delivery_report('s1', 'ENROUTE');
SELECT due FROM card.queue;
SELECT smsr.sms_delivery_report('s1', 'undeliv');
SELECT due FROM card.queue;
SELECT smsr.sms_delivery_report('s2', 'DELIVRD');
SELECT smsr.sms_delivery_report(repeat('s', 100000), repeat('D', 100000));
SELECT card.operation(:op);
SELECT direction, step, outcome, length(detail) FROM card.messages;

-- ---- nobody knows where ----

SELECT card.reset();
UPDATE smsr.profile SET msisdn = NULL WHERE eid = card.eid();
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT * FROM card.queue;
SELECT * FROM card.take();
SELECT card.operation(smsr.update_subscription_address(card.eid(), card.iccid(2), '+49000009000011'));
SELECT * FROM card.take();
SELECT card.operation(smsr.update_subscription_address(card.eid(), card.iccid(1), '+49000009000014'));
SELECT * FROM card.take();
-- and it moves with its number
SELECT card.operation(smsr.update_subscription_address(card.eid(), card.iccid(1), '49000009000015'));
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();

-- ---- nobody answers: is the card where the EIS has it? ----

SELECT card.reset();
SELECT smsr.audit_eis(card.eid()) AS op \gset
CREATE FUNCTION card.once_more() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM card.take();
	PERFORM smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
	UPDATE smsr.outbound SET due_at = now();
	RETURN (SELECT format('%s times, counter %s, next to %s', attempts, cntr, destination) FROM smsr.outbound);
END $$;
SELECT card.once_more() FROM generate_series(1, 7);
SELECT count(DISTINCT packet) FROM card.received;
SELECT card.audit(ARRAY[card.isdp('10', '1F', true), card.isdp('11', '3F')]);
SELECT card.operation(:op);
SELECT * FROM card.profiles WHERE card = 1;
DROP FUNCTION card.once_more;

-- ---- one card's trouble is not another's ----

SELECT card.reset();
SELECT count(*) FROM smsr.request('audit_eis', ARRAY[card.eid(), card.eid(2)]);
UPDATE smsr.keyset SET state = 'revoked' WHERE eid = card.eid();
SELECT * FROM card.take(max_messages => 1);
SELECT * FROM card.take(max_messages => 1);
SELECT step, outcome, detail FROM card.messages;
SELECT card.reset();
SELECT count(*) FROM smsr.request('audit_eis', ARRAY[card.eid(), card.eid(2)]);
UPDATE smsr.keyset SET sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1) WHERE eid = card.eid();
SELECT * FROM card.take();
-- an older key set that opens before newer ones that do not, or that secure no packets
SELECT card.reset();
SELECT count(*) FROM smsr.request('audit_eis', ARRAY[card.eid(), card.eid(2)]);
INSERT INTO smsr.keyset (eid, sd_aid, kvn, type, key_type, sealed)
	SELECT eid, sd_aid, n.kvn, type, n.key_type, sealed FROM smsr.keyset, (VALUES (14, 136), (15, 99)) n (kvn, key_type) WHERE eid = card.eid();
SELECT * FROM card.take();
SELECT eid = card.eid() AS first, kvn, cntr, packet IS NOT NULL AS sealed FROM smsr.outbound ORDER BY eid;
SELECT eid = card.eid() AS first, kvn, counter FROM smsr.keyset WHERE eid IN (card.eid(), card.eid(2)) ORDER BY eid, kvn;
-- two packets for one card: each has its counter
SELECT card.reset();
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT card.notify(1, 1, '10', '49000009000010');
SELECT * FROM card.take();
SELECT * FROM card.take();
SELECT * FROM card.take();

-- ---- arguments ----

SELECT card.reset();
SELECT a, card.try(a) FROM unnest(ARRAY[
	$$SELECT smsr.claim_sms(NULL, 1)$$,
	$$SELECT smsr.claim_sms('', 1)$$,
	$$SELECT smsr.claim_sms('a', NULL)$$,
	$$SELECT smsr.claim_sms('a', 0)$$,
	$$SELECT smsr.claim_sms('a', -1)$$,
	$$SELECT smsr.claim_sms('a', 100001)$$,
	$$SELECT smsr.claim_sms('a', 1, NULL)$$,
	$$SELECT smsr.claim_sms('a', 1, '0 s')$$,
	$$SELECT smsr.claim_sms('a', 1, '-1 s')$$,
	$$SELECT smsr.claim_sms('a', 1, '300000 years')$$,
	$$SELECT smsr.sms_submitted('{1,2}', '{a}')$$,
	$$SELECT smsr.sms_submitted(NULL, '{a}')$$,
	$$SELECT smsr.sms_submitted('{1}', NULL)$$,
	$$SELECT smsr.sms_submitted('{NULL}', '{a}')$$,
	$$SELECT smsr.sms_submitted('{1}', '{NULL}')$$,
	$$SELECT smsr.sms_refused(NULL, 'x', true)$$,
	$$SELECT smsr.sms_refused(1, NULL, true)$$,
	$$SELECT smsr.sms_refused(1, 'x', NULL)$$,
	$$SELECT smsr.release_sms(NULL)$$,
	$$SELECT smsr.release_sms('{NULL}')$$,
	$$SELECT smsr.sms_delivery_report(NULL, 'DELIVRD')$$,
	$$SELECT smsr.sms_delivery_report('s1', NULL)$$,
	$$SELECT smsr.advance_counters(NULL)$$,
	$$SELECT smsr.advance_counters(0)$$,
	$$SELECT smsr.advance_counters(-1)$$]) a;
SELECT counter FROM smsr.keyset ORDER BY eid;
SELECT smsr.advance_counters(1000);
SELECT card.try($$SELECT smsr.advance_counters(9223372036854775807)$$);
SELECT counter FROM smsr.keyset ORDER BY eid;
SELECT card.reset();

\set ECHO none
\i sql/card_end.psql
