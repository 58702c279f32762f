-- Messages received in batches are processed as they would be one by one: the
-- same random traffic is fed both ways, from the same state, and all tables that
-- come of it are compared.
\set ECHO none
\i sql/card.psql
\i sql/traffic.psql
\set ECHO all

-- answers good, bad, doubled, late and in the clear, notifications awaited and not,
-- again, overtaken, with gaps, of other ISD-Ps, of strangers, under other keys
SELECT card.more(10);
SELECT card.reset();
SELECT r.seed, d.line FROM generate_series(1, 2) r (seed) CROSS JOIN LATERAL card.differences(r.seed, 5) d (line);
-- that was no accident: much of this has come up, and much of it went by batches
SELECT count(DISTINCT outcome) > 7 AS varied FROM card.tally;
SELECT sum(alone) < 0.8 * sum(one_by_one) AS batched FROM card.tally;

-- ---- what chance seldom brings, of two cards at a time ----

CREATE FUNCTION card.together(cpi int, originator text, packet1 bytea, packet2 bytea) RETURNS text[] LANGUAGE sql AS $$
	SELECT smsr.receive_sms(array_agg(replace(originator, 'n', c.n::text)), array_agg(s))
	FROM (VALUES (1, packet1), (2, packet2)) c (n, packet), smsr.sms_segments(c.packet, cpi, 7) s
$$;
CREATE FUNCTION card.all_answer(data bytea, originator text) RETURNS text[] LANGUAGE sql AS $$
	SELECT card.together(113, originator, card.response(data, 0, 1), card.response(data, 0, 2))
$$;
CREATE FUNCTION card.all_notify(type int, sequence int, aid text, originator text) RETURNS text[] LANGUAGE sql AS $$
	SELECT card.together(112, originator, card.secure(card.notification(type, sequence, card.aid(aid), card.eid(1)), 1),
		card.secure(card.notification(type, sequence, card.aid(aid), card.eid(2)), 2))
$$;
DELETE FROM card.euicc WHERE n > 2;
-- an outcome is unknown, and the question was not answered: the next sign of life has it asked again
SELECT card.reset();
SELECT count(*) FROM smsr.request('enable_profile', ARRAY[card.eid(1), card.eid(2)], ARRAY[card.iccid(2, 1), card.iccid(2, 2)]);
SELECT count(*) FROM card.take();
UPDATE smsr.operation SET expires_at = now();
SELECT smsr.tick();
UPDATE smsr.operation SET expires_at = now();
SELECT smsr.tick();
SELECT count(*) FROM smsr.unknown_outcome;
SELECT count(*) FROM smsr.request('enable_profile', ARRAY[card.eid(1), card.eid(2)], ARRAY[card.iccid(2, 1), card.iccid(2, 2)]);
SELECT count(*) FROM card.take();
SELECT card.all_answer(card.r_script('\x9000'), '490000090000n0');
SELECT card, function, stage, status FROM card.operations WHERE status IS NULL;
-- POL1 takes what was to be deleted with the confirmation of its disable
SELECT card.reset();
SELECT card.enabled(2, 1, 1), card.enabled(2, 1, 2);
SELECT count(*) FROM smsr.request('delete_profile', ARRAY[card.eid(1), card.eid(2)], ARRAY[card.iccid(2, 1), card.iccid(2, 2)]);
SELECT card, says FROM card.take();
SELECT card.all_answer(card.r_script('\x9000'), '490000090000n1');
SELECT card.all_notify(5, 2, '10', '490000090000n0');
SELECT card, says FROM card.take();
SELECT card.all_answer(card.r_script(card.tlv('80', card.tlv('4F', card.aid('11'))) || '\x9000'::bytea), '490000090000n0');
SELECT * FROM card.operations WHERE function = 'delete_profile';
SELECT * FROM card.profiles;
SELECT * FROM card.notices;
-- what a card says of its device is a version of the EIS where it is another than before
SELECT card.reset();
SELECT count(*) FROM smsr.request('enable_profile', ARRAY[card.eid(1), card.eid(2)], ARRAY[card.iccid(2, 1), card.iccid(2, 2)]);
SELECT card, says FROM card.take();
SELECT card.all_answer(card.r_script('\x9000'), '490000090000n0');
UPDATE smsr.euicc SET imei = '1032547698103254' WHERE eid = card.eid(1);
SELECT clock_timestamp() AS since \gset
SELECT card.together(112, '490000090000n1', card.secure(with_imei.of_card[1], 1), card.secure(with_imei.of_card[2], 2))
FROM (SELECT array_agg(card.tlv('E1', substr(card.notification(2, 2, card.aid('11'), card.eid(n)), 3) || card.tlv('14', '\x1032547698103254')) ORDER BY n) AS of_card
	FROM generate_series(1, 2) n) with_imei;
SELECT n, imei, meid, notification_type AS type, notification_sequence AS sequence,
	(SELECT count(*) FROM smsr.euicc_history h WHERE h.eid = c.eid AND h.until >= :'since') AS versions
FROM smsr.euicc c JOIN card.euicc e ON c.eid = card.eid(e.n) ORDER BY n;
SELECT outcome, count(*) FROM smsr.message WHERE direction = 'in' GROUP BY 1 ORDER BY 1;
\set ECHO none
\i sql/card_end.psql
