-- Update packages over HTTPS: chunks that short messages do not carry, one after the
-- other in a session, and a session that breaks before, in and behind one.
\set ECHO none
\i sql/card.psql
\i sql/https.psql
\set ECHO all
\pset null -
SELECT card.reset_https();
INSERT INTO smsr.party (oid, kind, name) SELECT e.eum_id, 'EUM', 'EUM' FROM smsr.euicc e WHERE e.eid = card.eid() ON CONFLICT DO NOTHING;
SELECT smsr.load_platform_package(e.eum_id, 'patch', '3', ARRAY(SELECT card.tlv('86', decode(repeat(lpad(to_hex(n), 2, '0'), 3000), 'hex'))
	FROM generate_series(1, 4) n)) AS package FROM smsr.euicc e WHERE e.eid = card.eid() \gset
CREATE VIEW card.updates AS
	SELECT u.first, u.chunks, u.carried_out, u.in_doubt, u.state, u.because FROM smsr.platform_update u ORDER BY u.operation_id;
-- which chunk the card was given last, by an octet of it, and how long the script is
CREATE FUNCTION card.given() RETURNS text LANGUAGE sql AS $$
	SELECT format('%s octets, chunk %s', length(e.script), get_byte(e.script, 100)) FROM card.exchange(1) e
$$;

-- ---- in one session ----

SELECT smsr.update_platform(card.eid(), :'package') AS op \gset
SELECT * FROM card.waiting;
SELECT count(*) FROM card.take();
SELECT card.open();
SELECT card.given();
SELECT card.https_answer();
SELECT card.given();
SELECT card.https_answer();
-- the connection breaks behind the third: the card posts its answer again and is given
-- the fourth, once more
SELECT card.given();
SELECT card.https_answer();
SELECT card.resume('b');
SELECT card.given();
SELECT card.https_answer(session => 'b');
SELECT * FROM card.updates;
SELECT chunk, to_hex(sw) AS sw, carried_out FROM smsr.platform_result ORDER BY chunk;

-- ---- broken off ----

SELECT card.reset_https();
DELETE FROM smsr.platform_result;
SELECT smsr.update_platform(card.eid(), :'package') AS op \gset
SELECT card.open();
SELECT card.https_answer();
SELECT card.given();
SELECT card.gone();
-- it never had the second chunk, and says so by repeating what it posted: given again
SELECT card.resume('b');
SELECT card.given();
SELECT card.gone();
-- this time it remembers nothing: whether it had the chunk, nobody knows
SELECT card.open(session => 'c');
SELECT * FROM card.updates;
SELECT card.try(format('SELECT smsr.resume_platform_update(card.eid(), %s, 4)', :op));
SELECT smsr.resume_platform_update(card.eid(), :op, 2) > :op AS goes_on;
SELECT card.open(session => 'd');
SELECT card.given();
SELECT card.https_answer('6A80');
SELECT * FROM card.updates;
-- what is no answer to be read
SELECT smsr.resume_platform_update(card.eid(), max(operation_id), 2) > :op AS goes_on FROM smsr.platform_update;
SELECT card.open(session => 'e');
SELECT card.https_answer(status => 'security-error');
SELECT state, because FROM card.updates;
SELECT * FROM card.faults();
DELETE FROM smsr.platform_package;
DELETE FROM smsr.platform_result;
\set ECHO none
\i sql/card_end.psql
