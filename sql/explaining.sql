-- Why an operation is where it is, what can safely be done about it, where card
-- and EIS may differ, and a server that is not the one that sent last.
\set ECHO none
\i sql/card.psql
-- without times and ids
CREATE FUNCTION card.why(of bigint) RETURNS TABLE (what text, says text) LANGUAGE sql AS $$
	SELECT w.what, regexp_replace(regexp_replace(w.says, '\d{4}-\d\d-\d\d [0-9:.]+[+-]\d\d', 'TIME', 'g'), '(operation) \d+', '\1 ID')
	FROM smsr.why(of) w WHERE w.what NOT IN ('next sending', 'until')
$$;
CREATE VIEW card.drift AS
	SELECT e.n AS card, right(d.isdp_aid::text, 4) AS isdp, d.what, d.eis_says, d.card_says, d.doing
	FROM smsr.drift d JOIN card.euicc e USING (eid) ORDER BY e.n, d.since, 2, 3;
SET datestyle = ISO;
\set SHOW_CONTEXT never
\set ECHO all

-- ---- why, at each stage ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT smsr.audit_eis(card.eid()) AS behind \gset
SELECT * FROM card.why(:op);
SELECT * FROM card.why(:behind);
SELECT * FROM card.take();
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
SELECT * FROM card.why(:op);
SELECT card.answer();
SELECT * FROM card.why(:op);
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.why(:op);
SELECT count(*) FROM smsr.why(1);

-- ---- the next safe step ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT smsr.audit_eis(card.eid()) AS behind \gset
SELECT card.take();
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
SELECT count(*) FROM card.take();
-- sent: the same octets again, now
SELECT smsr.unstick(:op);
SELECT * FROM card.take();
SELECT count(DISTINCT packet), count(*) FROM card.received;
SELECT smsr.unstick(:behind);
SELECT card.answer();
SELECT card.operation(:op);
-- accepted, and no notification: the card is asked
SELECT smsr.unstick(:op);
SELECT card.operation(:op);
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '1F', true), card.isdp('11', '3F')]);
SELECT card.operation(:op), (SELECT doubt FROM smsr.operation WHERE id = :op);
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT smsr.unstick(:op);
SELECT smsr.unstick(1);
-- nobody knows where the card is
SELECT card.reset();
UPDATE smsr.profile SET msisdn = NULL WHERE eid = card.eid();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT smsr.unstick(:op);
SELECT says FROM smsr.why(:op) WHERE what = 'awaited';
-- time is over, and nobody has ticked
UPDATE smsr.operation SET expires_at = now() - interval '1 s' WHERE id = :op;
SELECT smsr.unstick(:op);
SELECT card.operation(:op);

-- ---- a notification that is awaited for long is asked after ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT card.take();
SELECT card.answer();
SELECT smsr.tick();
SELECT card.operation(:op);
UPDATE smsr.operation SET stage_at = now() - interval '2 hours' WHERE id = :op;
SELECT smsr.tick();
SELECT card.operation(:op);

-- ---- drift ----

SELECT card.reset();
SELECT * FROM card.drift;
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT card.take();
UPDATE smsr.operation SET expires_at = now() - interval '1 s' WHERE id = :op;
SELECT smsr.tick();
-- the outcome is unknown, and the card is going to be asked
SELECT * FROM card.drift;
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '1F', true), card.isdp('11', '3F'), card.isdp('12', '1F')]);
-- it had done it, and has an ISD-P that nobody has claimed
SELECT * FROM card.drift;
SELECT * FROM card.profiles WHERE card = 1;
-- an unknown outcome whose audit expired too is asked after when the card is next heard of
SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT card.take();
UPDATE smsr.operation SET expires_at = now() - interval '2 s' WHERE id = :op;
SELECT smsr.tick();
UPDATE smsr.operation SET expires_at = now() - interval '1 s' WHERE status IS NULL;
SELECT smsr.tick();
SELECT * FROM card.drift;
SELECT card.notify(5, 9, '10', '49000009000010');
SELECT * FROM card.drift;
SELECT * FROM card.take();

-- notifications that never came are seen by the number of the next
SELECT card.reset();
SELECT card.notify(5, 1, '10', '49000009000010');
SELECT card.notify(1, 2, '10', '49000009000010');
SELECT card.notify(1, 5, '10', '49000009000010');
SELECT * FROM card.drift;

-- ---- delete after a create of which nobody knows the outcome ----

SELECT card.reset();
SELECT smsr.create_isdp(card.eid(), '8949000000090000999', '1.3.6.1.4.1.99999.3', 1000) AS op \gset
SELECT card.take();
UPDATE smsr.operation SET expires_at = now() - interval '1 s' WHERE id = :op;
SELECT smsr.tick();
-- it waits for the audit, which finds the ISD-P
SELECT smsr.delete_profile(card.eid(), '8949000000090000999') AS delete \gset
SELECT card.operation(:delete);
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F'), card.isdp('12', '07')]);
SELECT right(isdp_aid::text, 4) AS isdp, iccid, mno_id, smdp_id, state FROM smsr.profile WHERE eid = card.eid() ORDER BY 1;
SELECT * FROM card.take();
SELECT card.answer('9000', '\x00');
SELECT card.operation(:delete);
SELECT * FROM card.profiles WHERE card = 1;
-- and if it does not: there is nothing to delete
SELECT card.reset();
SELECT smsr.create_isdp(card.eid(), '8949000000090000999', '1.3.6.1.4.1.99999.3', 1000) AS op \gset
SELECT card.take();
UPDATE smsr.operation SET expires_at = now() - interval '1 s' WHERE id = :op;
SELECT smsr.tick();
SELECT smsr.delete_profile(card.eid(), '8949000000090000999') AS delete \gset
SELECT card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')]);
SELECT card.operation(:delete);

-- ---- what is held goes out when the card is heard of ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT card.take();
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{s1}');
UPDATE smsr.outbound SET sent_at = now() - interval '1 hour', due_at = now() + interval '1 hour';
SELECT count(*) FROM card.take();
SELECT card.notify(1, 1, '10', '49000009000010');
SELECT * FROM card.take() WHERE says LIKE 'EnableProfile%';

-- ---- another server ----

SELECT card.reset();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT counter FROM smsr.keyset WHERE eid = card.eid();
UPDATE smsr.incarnation SET timeline = timeline + 1;
SELECT * FROM card.take();
UPDATE smsr.incarnation SET timeline = timeline - 1, system_identifier = system_identifier + 1;
SELECT * FROM card.take();
SELECT smsr.advance_counters(1000);
SELECT * FROM card.take();
SELECT smsr.advance_counters(0);

\set ECHO none
\i sql/card_end.psql
