-- Profile download over HTTPS: pieces go into the session that the card has, which
-- is held while more is to come, and each is carried out at most once, however
-- sessions break.
\set ECHO none
\i sql/card.psql
\i sql/https.psql
\set ECHO all
SELECT card.reset_https();
CREATE FUNCTION card.sd(last int DEFAULT 18) RETURNS smsr.aid LANGUAGE sql AS $$
	SELECT smsr.isdp_aid(last)
$$;
-- the n-th piece: enciphered octets are like any others
CREATE FUNCTION card.piece(n int, octets int DEFAULT 16) RETURNS bytea LANGUAGE sql AS $$
	SELECT decode('8683' || lpad(to_hex(octets), 6, '0'), 'hex') || int2send(n::int2)
		|| decode(left(repeat(md5(n::text), octets / 16 + 1), 2 * octets - 4), 'hex')
$$;
CREATE FUNCTION card.send(n int, more boolean DEFAULT true, octets int DEFAULT 16) RETURNS bigint LANGUAGE sql AS $$
	SELECT smsr.send_data(card.eid(), card.sd(), card.piece(n, octets), more)
$$;
-- an ISD-P, made over SMS
CREATE FUNCTION card.made() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	op bigint := smsr.create_isdp(card.eid(), '89490000000090000305', '1.3.6.1.4.1.99999.3', 250000, true);
BEGIN
	PERFORM card.take();
	PERFORM card.answer('9000', '\x00');
	RETURN (SELECT right(o.isdp_aid::text, 8) || ' ' || o.status FROM smsr.operation o WHERE o.id = op);
END $$;
-- what the ISD-P has been given, in order: it does as it is told, each time
CREATE TABLE card.carried_out (n int GENERATED ALWAYS AS IDENTITY, data bytea);
CREATE FUNCTION card.carry_out() RETURNS void LANGUAGE sql AS $$
	INSERT INTO card.carried_out (data) SELECT substring(e.script FROM 3 FOR length(e.script) - 4) FROM card.exchange(1) e WHERE e.target IS NOT NULL
$$;
CREATE FUNCTION card.do_it(sw text DEFAULT '9000', session text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM card.carry_out();
	RETURN card.https_answer(sw, session => do_it.session);
END $$;
CREATE VIEW card.pieces AS
	SELECT o.arguments ->> 'octets' AS octets, (o.arguments ->> 'more_to_do')::boolean AS more, o.step, coalesce(o.status, o.stage) AS stands,
		concat_ws('/', o.subject_code, o.reason_code) AS codes, o.message
	FROM smsr.operation o WHERE o.function = 'send_data' ORDER BY o.id;
CREATE VIEW card.download AS
	SELECT d.pieces, d.octets, d.waiting_pieces AS waiting, d.state, d.because FROM smsr.downloads d;
CREATE VIEW card.held AS SELECT state, hold > now() AS held FROM smsr.https_session;

-- ---- a session is called for, held, and let go ----

SELECT card.made();
SELECT card.send(1) AS op \gset
SELECT * FROM card.waiting;
SELECT * FROM card.take();
SELECT card.open();
SELECT target FROM card.exchange(1);
SELECT card.do_it();
SELECT * FROM card.held;
SELECT hold <= interval '20 s' AS held FROM card.exchange(1);
SELECT card.next();
SELECT card.operation(:op);
-- the next piece finds it there, and so does the one behind that
SELECT card.operation(card.send(2)), card.operation(card.send(3));
SELECT card.next();
-- asked twice, it is one script
SELECT card.next();
SELECT card.do_it();
SELECT card.do_it();
SELECT * FROM card.take();
-- an ISD-P that is made in it says as much of more as a piece does
SELECT smsr.create_isdp(card.eid(), '89490000000090000404', '1.3.6.1.4.1.99999.3', 100000, true) AS op \gset
SELECT card.next();
SELECT card.https_answer(data => '\x00');
SELECT card.operation(:op);
-- one that says nothing of more is the last
SELECT card.send(4, false) AS op \gset
SELECT card.next();
SELECT card.do_it();
SELECT * FROM card.held;
SELECT card.operation(smsr.profile_download_completed(card.eid(), '89490000000090000305'));
SELECT count(*) AS pieces, string_agg(encode(substring(data FROM 6 FOR 2), 'hex'), ' ' ORDER BY n) AS in_order FROM card.carried_out;
SELECT status, count(*) FROM smsr.operation WHERE function = 'send_data' GROUP BY 1;
SELECT outcome, count(*) FROM smsr.message WHERE address = 'https' GROUP BY 1 ORDER BY 1;

-- ---- 200 kB, called in a row: in order, each once, with one session ----

SELECT card.reset_https();
TRUNCATE card.carried_out RESTART IDENTITY;
SELECT card.made();
SELECT count(card.send(n, n < 100, 2000)) FROM generate_series(1, 100) n;
SELECT * FROM card.download;
SELECT * FROM card.take();
SELECT card.open();
DO $$
BEGIN
	WHILE (card.exchange(1)).status = 200 LOOP
		PERFORM card.do_it();
	END LOOP;
END $$;
SELECT status, next_uri FROM card.exchange(1);
SELECT count(*) AS pieces, sum(length(data)) AS octets,
	sha256(string_agg(data, ''::bytea ORDER BY n)) = (SELECT sha256(string_agg(card.piece(n, 2000), ''::bytea ORDER BY n)) FROM generate_series(1, 100) n) AS as_sent
	FROM card.carried_out;
SELECT * FROM card.download;
SELECT count(*) FROM smsr.send_data_piece;
SELECT count(*) FROM smsr.outbound;
-- a piece of 200 kB, of which the record keeps length and hash
SELECT card.send(101, false, 200000) AS op \gset
SELECT * FROM card.take();
SELECT card.open(session => 'b');
SELECT length(script) FROM card.exchange(1);
SELECT card.do_it();
SELECT data = card.piece(101, 200000) AS as_sent FROM card.carried_out ORDER BY n DESC LIMIT 1;
SELECT (arguments ->> 'octets')::int AS octets, arguments ->> 'sha256' = encode(sha256(card.piece(101, 200000)), 'hex') AS hash FROM smsr.operation WHERE id = :op;
SELECT max(length(script)) < 4096 AS short, count(*) FILTER (WHERE script IS NULL AND step = 'relay') AS long FROM smsr.message;
SELECT card.try('SELECT card.send(1, octets => 262144)');

-- ---- sessions break ----

SELECT card.reset_https();
TRUNCATE card.carried_out RESTART IDENTITY;
SELECT card.made();
SELECT count(card.send(n)) FROM generate_series(1, 4) n;
SELECT * FROM card.take();
SELECT card.open();
SELECT card.do_it();
-- the second is given, and never arrives: the card repeats itself, and gets it again
SELECT card.gone();
SELECT * FROM card.download;
SELECT card.resume('b');
SELECT card.do_it();
-- the third has arrived, and its answer has not: the card says it again
SELECT card.carry_out();
SELECT card.gone();
SELECT card.https_answer(session => 'c');
SELECT count(*) AS pieces, count(DISTINCT data) AS different FROM card.carried_out;
-- the fourth is given, and the card begins anew: nobody knows, and it is not given again
SELECT card.send(5), card.send(6) \gset ignored_
SELECT card.gone();
SELECT card.open(session => 'd');
SELECT * FROM card.pieces;
SELECT * FROM card.download;
SELECT * FROM card.held;
SELECT count(*) AS pieces, count(DISTINCT data) AS different FROM card.carried_out;
-- the SM-DP begins anew
SELECT card.send(7, false) AS op \gset
SELECT * FROM card.take();
SELECT card.open(session => 'e');
SELECT card.do_it();
SELECT * FROM card.download;

-- ---- nobody goes on: the session is let go ----

SELECT card.send(8) AS op \gset
SELECT * FROM card.take();
SELECT card.open(session => 'f');
SELECT card.do_it();
SELECT * FROM card.held;
-- the card can not wait for ever, and is told to ask again
UPDATE smsr.https_session SET request_at = now() - interval '21 s';
SELECT card.next();
SELECT card.post('/gsma/adminagent', session => 'f');
UPDATE smsr.https_session SET hold = now() - interval '1 s';
SELECT card.next();
SELECT * FROM card.held;
-- a piece that fails lets it go, too
SELECT card.send(9) AS op, card.send(10) AS behind \gset
SELECT * FROM card.take();
SELECT card.open(session => 'g');
SELECT card.https_answer(status => 'unknown-application');
SELECT card.operation(:op), card.operation(:behind);

-- ---- a broken download is cleared away in the session that there is ----

SELECT card.send(11) AS op, card.send(12) AS behind \gset
SELECT * FROM card.take();
SELECT card.open(session => 'h');
SELECT smsr.delete_isdp(card.eid(), '89490000000090000305') AS delete \gset
SELECT card.operation(:op), card.operation(:behind);
-- what the card answers to what was given up is nobody's; the deletion is next
SELECT card.do_it();
SELECT card.https_answer(data => '\x00');
SELECT card.operation(:delete);
SELECT count(*) FROM smsr.send_data_piece;
SELECT count(*) FROM smsr.downloads;
-- one that was to open a session for it, and has not, has had nothing of it
SELECT card.made();
SELECT smsr.send_data(card.eid(), card.sd(19), card.piece(13)) AS op \gset
SELECT * FROM card.take();
SELECT smsr.delete_isdp(card.eid(), '89490000000090000305') AS delete \gset
SELECT card.operation(:op);
SELECT * FROM card.waiting;
SELECT * FROM card.take();
SELECT card.answer(data => '\x00');
SELECT card.operation(:delete);

-- ---- who can open no session gets what short messages carry ----

SELECT card.reset_https();
SELECT card.made();
UPDATE smsr.euicc SET http_support = false;
SELECT card.operation(card.send(1, octets => 200)), card.operation(card.send(2, octets => 2000));
SELECT card.try('SELECT smsr.update_connectivity_parameters(card.eid(), ''89490000000090000305'', card.piece(3, 40000))');
SELECT card FROM card.take();
SELECT card.answer();

-- and one that can none any more, when something waits for it, stops nobody else
SELECT card.reset_https();
SELECT card.made();
SELECT card.send(1) AS op \gset
SELECT * FROM card.take();
SELECT card.open();
SELECT card.do_it();
SELECT card.send(2, octets => 200000) AS op \gset
UPDATE smsr.euicc SET http_support = false;
SELECT card.gone();
SELECT * FROM card.waiting;
SELECT smsr.audit_eis(card.eid(2)) AS other \gset
SELECT card, says FROM card.take();
SELECT detail FROM smsr.message WHERE outcome = 'not sent';
SELECT card.operation(:op);

SELECT card.faults();
\set ECHO none
\i sql/card_end.psql
