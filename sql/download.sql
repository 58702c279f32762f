-- Profile download (SGP.02 clause 3.1) over SMS: pieces in order, one at a time,
-- never twice, and what becomes of them when it breaks.
\set ECHO none
\i sql/card.psql
\set ECHO all
SELECT card.reset();
CREATE FUNCTION card.piece(n int, octets int DEFAULT 16) RETURNS bytea LANGUAGE sql AS $$
	SELECT card.tlv('86', decode(repeat(lpad(to_hex(n), 2, '0'), octets), 'hex'))
$$;
CREATE FUNCTION card.sd(last text DEFAULT '12') RETURNS smsr.aid LANGUAGE sql AS $$
	SELECT encode(card.aid(last), 'hex')::smsr.aid
$$;
CREATE FUNCTION card.send(n int, more boolean DEFAULT true, call_id text DEFAULT NULL, isdp text DEFAULT '12', card int DEFAULT 1, octets int DEFAULT 16)
	RETURNS bigint LANGUAGE sql AS $$
		SELECT smsr.send_data(card.eid(card), card.sd(isdp), card.piece(n, octets), more, call_id => send.call_id)
	$$;
CREATE FUNCTION card.got() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(encode(substring(r.script FROM 5 FOR 1), 'hex'), ' ' ORDER BY r.n) FROM card.received r WHERE r.tar = '\x000012'
$$;
CREATE VIEW card.pieces AS
	SELECT o.arguments ->> 'octets' AS octets, (o.arguments ->> 'more_to_do')::boolean AS more, o.step, coalesce(o.status, o.stage) AS stands,
		concat_ws('/', o.subject_code, o.reason_code) AS codes, o.message, encode(o.response_data, 'hex') AS response
	FROM smsr.operation o WHERE o.function = 'send_data' ORDER BY o.id;
CREATE VIEW card.downloads AS
	SELECT right(d.iccid::text, 4) AS iccid, d.pieces, d.octets, d.waiting_pieces AS waiting, d.waiting_octets, d.state, d.because, d.abandoned
	FROM smsr.downloads d ORDER BY 1;
-- an ISD-P, made by who asks now
CREATE FUNCTION card.made(iccid smsr.iccid DEFAULT '89490000000090000305', more boolean DEFAULT true, card int DEFAULT 1) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	op bigint := smsr.create_isdp(card.eid(card), iccid, '1.3.6.1.4.1.99999.3', 20000, more);
BEGIN
	PERFORM card.take();
	PERFORM card.answer('9000', '\x00', card);
	RETURN (SELECT right(o.isdp_aid::text, 8) || ' ' || o.status FROM smsr.operation o WHERE o.id = op);
END $$;

-- ---- from beginning to end ----

SELECT card.made();
SELECT * FROM card.downloads;
-- key establishment in C-APDUs, then SCP03t
SELECT smsr.send_data(card.eid(), card.sd(), '\x220A80E28900053A01020102', true) AS op \gset
SELECT sd_aid, target_aid FROM smsr.outbound;
SELECT arguments FROM smsr.operation WHERE id = :op;
SELECT * FROM card.downloads;
SELECT * FROM card.take();
SELECT encode(script, 'hex') AS script, encode(tar, 'hex') AS tar FROM card.last(1);
SELECT card.answer('9000', '\x8510000102030405060708090A0B0C0D0E0F');
SELECT card.operation(:op);
SELECT encode(smsr.operation_response(:op), 'hex');
-- three at once: one is under way, and the others wait in their order
SELECT card.operation(card.send(1)), card.operation(card.send(2)), card.operation(card.send(3, false));
SELECT count(*) FROM smsr.send_data_piece;
SELECT * FROM card.downloads;
SELECT smsr.profile_download_completed(card.eid(), '89490000000090000305') AS early \gset
SELECT card.operation(:early);
SELECT * FROM card.take();
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.take();
SELECT card.operation(smsr.profile_download_completed(card.eid(), '89490000000090000305'));
SELECT card.answer();
SELECT card.got();
SELECT * FROM card.pieces;
SELECT count(*) FROM smsr.send_data_piece;
SELECT * FROM card.downloads;
SELECT card.operation(smsr.profile_download_completed(card.eid(), '89490000000090000305', 'type', '49000009000099'));
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.downloads;
SELECT * FROM card.notices;
SELECT operation_type, function, status, right(iccid::text, 4) AS iccid FROM smsr.audit_trail WHERE function LIKE '%d%' ORDER BY position;
-- what SM-DP and ISD-P have to say to each other later
SELECT card.operation(card.send(9, false));
SELECT * FROM card.take();
SELECT card.answer();

-- ---- the same call twice, and what is no call ----

SELECT card.reset();
SELECT card.made();
SELECT card.send(1, call_id => 'one') AS op \gset
SELECT card.send(2, call_id => 'one') = :op AS same;
SELECT * FROM card.take();
SELECT card.answer();
SELECT card.send(1, call_id => 'one') = :op AS same;
SELECT count(*) FROM smsr.operation WHERE function = 'send_data';
SELECT card.operation(card.send(1, isdp => '13'));
SELECT card.operation(smsr.send_data(card.eid(), (SELECT isdr_aid FROM smsr.euicc WHERE eid = card.eid()), '\x8500'));
SELECT card.operation(smsr.send_data('89001012012341234012345678901224', card.sd(), '\x8500'));
SELECT data, card.try(format('SELECT smsr.send_data(card.eid(), card.sd(), %L)', decode(data, 'hex')))
	FROM unnest('{"",22,2205A0A40000,2204A0A4000086,2280A0A400000000,1FFFFFFF00,NULL}'::text[]) data;
SELECT card.try('SELECT smsr.send_data(card.eid(), NULL, ''\x8500'')');
SELECT card.try('SELECT smsr.send_data(card.eid(), card.sd(), ''\x8500'', call_id => '''')');
SELECT card.try('SELECT smsr.send_data(card.eid(), card.sd(), ''\x8500'', validity => ''-1 s'')');
-- more than short messages carry, and more than one call may have
SELECT card.operation(card.send(1, octets => 615)), card.operation(card.send(1, octets => 616));
SET smsr.max_send_data = 100;
SELECT card.try('SELECT card.send(1, octets => 99)');
-- and no more than so much waits for one card
SELECT count(smsr.send_data(card.eid(), card.sd(), card.piece(n, 90))) FROM generate_series(1, 20) n;
SELECT stands, codes, message, count(*) FROM card.pieces WHERE octets = '92' GROUP BY 1, 2, 3;
RESET smsr.max_send_data;
-- it is no campaign's, and no approval's
SELECT card.try('SELECT smsr.request(''send_data'', ARRAY[card.eid()])') LIKE '22023: unknown function%' AS refused;
SELECT card.try('SELECT smsr.create_campaign(''c'', ''send_data'', ''SELECT 1'')') LIKE '%unknown function%' AS refused;

-- ---- a piece fails ----

SELECT card.reset();
SELECT card.made();
SELECT count(card.send(n)) FROM generate_series(1, 4) n;
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.take();
SELECT card.refuse(9);
SELECT * FROM card.take();
SELECT * FROM card.pieces;
SELECT * FROM card.downloads;
SELECT count(*) FROM smsr.send_data_piece;
SELECT card.operation(smsr.profile_download_completed(card.eid(), '89490000000090000305'));
-- the SM-DP begins anew
SELECT card.operation(card.send(5, false));
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.downloads;
-- an SMSC that does not take it
SELECT card.send(6), card.send(7) \gset ignored_
SELECT * FROM card.take();
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'unknown number', false);
SELECT * FROM card.pieces WHERE codes <> '' OFFSET 2;
-- what the ISD-P thinks of it is the SM-DP's to read
SELECT card.send(8) AS op \gset
SELECT * FROM card.take();
SELECT card.answer('6985');
SELECT card.operation(:op), encode(smsr.operation_response(:op), 'hex') AS response;
-- but what nobody executed is no success
SELECT card.send(8) AS op \gset
SELECT * FROM card.take();
SELECT card.say(113, card.response('\xAB0690010100'), '49000009000010');
SELECT card.operation(:op);

-- ---- its answer is lost: never again, in any form ----

SELECT card.reset();
SELECT card.made();
SELECT card.send(1) AS op, card.send(2) AS behind \gset
SELECT smsr.audit_eis(card.eid()) AS audit \gset
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT smsr.unstick(:op);
SELECT * FROM card.take();
SELECT count(DISTINCT packet) AS packets, count(*) AS sendings FROM card.received WHERE tar = '\x000012';
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT * FROM card.pieces;
SELECT * FROM card.downloads;
SELECT card.answer();
-- what is no piece goes on, and the SM-DP may hear by it that the card has all
SELECT * FROM card.take();
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F'), card.isdp('12', '1F')]);
SELECT card.operation(smsr.profile_download_completed(card.eid(), '89490000000090000305'));
SELECT * FROM smsr.unknown_outcome;

-- its turn does not come in time
SELECT card.reset();
SELECT card.made();
SELECT smsr.audit_eis(card.eid()) AS first, card.send(1) AS op, card.send(2) AS behind \gset
UPDATE smsr.operation SET expires_at = now() WHERE id = :op;
SELECT smsr.tick();
SELECT * FROM card.pieces;
SELECT * FROM card.downloads;

-- ---- a broken download is cleared away, whatever waits ----

SELECT card.reset();
SELECT card.made();
SELECT count(card.send(n)) FROM generate_series(1, 3) n;
SELECT smsr.delete_isdp(card.eid(), '89490000000090000305') AS op \gset
SELECT * FROM card.pieces;
SELECT * FROM card.downloads;
SELECT card.operation(card.send(4));
SELECT * FROM card.take();
SELECT card.answer('9000', '\x00');
SELECT card.operation(:op);
SELECT * FROM card.notices;
SELECT card.operation(card.send(5));
-- of one that has left nobody knows; its answer comes late
SELECT card.made();
SELECT count(card.send(n)) FROM generate_series(1, 3) n;
SELECT * FROM card.take();
SELECT card.response(card.r_script('\x9000')) AS late \gset
SELECT smsr.delete_profile(card.eid(), '89490000000090000305') AS op \gset
SELECT card.say(113, :'late', '49000009000010');
SELECT * FROM card.pieces OFFSET 5;
SELECT * FROM card.take();
SELECT card.answer('9000', '\x00');
SELECT card.operation(:op);
SELECT count(*) FROM smsr.send_data_piece;
-- other ISD-Ps' pieces are another matter, and so is a profile that is complete
SELECT card.made(), card.made('89490000000090000404');
SELECT card.operation(card.send(1)), card.operation(card.send(2, isdp => '13'));
SELECT card.operation(smsr.delete_isdp(card.eid(), '89490000000090000404'));
SELECT * FROM card.pieces OFFSET 8;
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.take();
SELECT card.answer('9000', '\x00');
SELECT card.operation(card.send(1, isdp => '11')), card.operation(smsr.delete_profile(card.eid(), card.iccid(2)));
SELECT * FROM card.take();

-- ---- nobody goes on with it ----

SELECT card.reset();
SELECT card.made();
SELECT what, about, cardinality(eids) FROM smsr.incident WHERE what LIKE 'downloads%';
UPDATE smsr.profile SET created_at = now() - interval '25 h' WHERE state = 'Created';
SELECT * FROM card.downloads;
SELECT what, about, cardinality(eids) FROM smsr.incident WHERE what LIKE 'downloads%';
SELECT smsr.tick();
SELECT count(*) FROM smsr.operation WHERE status IS NULL;
SET smsr.download_abandoned_after = '26 h';
SELECT abandoned FROM card.downloads;
RESET smsr.download_abandoned_after;
-- one that goes on is not
SELECT card.send(1) AS op \gset
SELECT * FROM card.take();
SELECT abandoned FROM card.downloads;
SELECT card.answer();
SELECT abandoned FROM card.downloads;
UPDATE smsr.operation SET finished_at = now() - interval '25 h' WHERE id = :op;
ALTER SYSTEM SET smsr.delete_abandoned = on;
SELECT pg_reload_conf() AS reloaded \gset
\! until [ "$(psql -XAtqc 'SHOW smsr.delete_abandoned' postgres)" = on ]; do sleep 0.1; done
SELECT smsr.tick();
SELECT function, stage, requester_id, requested_by, reason FROM smsr.operation WHERE status IS NULL;
SELECT smsr.tick();
SELECT count(*) FROM smsr.operation WHERE status IS NULL;
SELECT * FROM card.take();
SELECT card.answer('6A80');
-- not again and again
SELECT smsr.tick();
SELECT function, status FROM smsr.operation WHERE function = 'delete_profile';
SELECT * FROM smsr.tick_fault;
ALTER SYSTEM RESET smsr.delete_abandoned;
SELECT pg_reload_conf() AS reloaded \gset

SELECT card.reset();

\set ECHO none
\i sql/card_end.psql
