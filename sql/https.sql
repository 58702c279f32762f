-- Sessions over HTTPS: what opens them, what goes in them, and what becomes of
-- scripts when they break.  The cards are played by SQL, TLS and HTTP are the gateway's.
\set ECHO none
\i sql/card.psql
\i sql/https.psql
\set ECHO all

-- ---- keys for TLS ----

SELECT card.reset_https();
SELECT smsr.https_psk(card.identity()) = psk AS same FROM card.psk WHERE card = 1;
SELECT smsr.https_psk(lower(card.identity())) = psk AS same FROM card.psk WHERE card = 1;
-- for anything else there is a key all the same, another each time
CREATE VIEW stranger AS
	SELECT what, identity FROM (VALUES
		('another version', card.identity(1, 65)),
		('another key of the set', overlay(card.identity() PLACING '02' FROM 85 FOR 2)),
		('another ISD-R', overlay(card.identity() PLACING 'FF' FROM 43 FOR 2)),
		('an EID that is not here', replace(card.identity(), '90000151', '90000345')),
		('an EID whose check digits are wrong', replace(card.identity(), '90000151', '90000152')),
		('too short', left(card.identity(), 88)), ('nothing', ''), ('NULL', NULL), ('nonsense', 'x''; DROP TABLE'),
		('one that is long', repeat(card.identity(), 1000))) v (what, identity);
SELECT what, length(a) AS octets, a <> b AS differ, EXISTS (SELECT FROM card.psk WHERE psk IN (a, b)) AS known
	FROM stranger, LATERAL (SELECT smsr.https_psk(identity) AS a OFFSET 0) a, LATERAL (SELECT smsr.https_psk(identity) AS b OFFSET 0) b;
BEGIN;
UPDATE smsr.keyset SET state = 'revoked' WHERE kvn = 64;
SELECT smsr.https_psk(card.identity()) = psk AS same FROM card.psk WHERE card = 1;
ROLLBACK;
-- a key set in another's row does not open
BEGIN;
UPDATE smsr.keyset k SET sealed = (SELECT sealed FROM smsr.keyset WHERE eid = card.eid(2) AND kvn = 64) WHERE eid = card.eid() AND kvn = 64;
SELECT smsr.https_psk(card.identity()) IN (SELECT psk FROM card.psk) AS known;
ROLLBACK;

-- ---- a card calls in ----

-- nothing waits
SELECT card.open();
SELECT * FROM card.sessions;
SELECT * FROM card.log;
-- an audit waits that was to go by short message: the session takes it, and what follows
SELECT card.reset_https();
SELECT smsr.audit_eis(card.eid()) > 0 AS asked, smsr.set_fallback_attribute(card.eid(), card.iccid(2)) > 0 AS waits;
SELECT * FROM card.waiting;
SELECT card.open();
SELECT * FROM card.waiting;
-- and no gateway has it
SELECT * FROM card.take();
SELECT card.https_answer('9000', card.isdp('10', '3F', true) || card.isdp('11', '1F'));
SELECT card.https_answer();
SELECT * FROM card.operations;
SELECT * FROM card.profiles WHERE card = 1;
SELECT * FROM card.log;

-- ---- a change of profiles ----

-- the session ends at once, so that the card can go on
SELECT card.reset_https();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) > 0 AS asked;
SELECT card.open();
SELECT card.https_answer();
SELECT * FROM card.sessions;
-- its notification comes in the first request of the next one, and is confirmed there
SELECT card.https_notify(2, 1, '11', 'b');
SELECT * FROM card.profiles WHERE card = 1;
SELECT card.https_answer('9000', '');
SELECT * FROM card.operations;
SELECT * FROM card.log;
-- the notification in a short message says that the session is over, whatever is to be seen of it
SELECT card.reset_https();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) > 0 AS asked;
SELECT card.open();
SELECT card.notify(2, 1, '11', '49000009000011');
SELECT * FROM card.sessions;
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.operations;
-- its late answer is none any more
SELECT card.https_answer();
-- a confirmation that was given in a session which broke goes by short message
SELECT card.reset_https();
SELECT card.https_notify(1, 1, '10');
SELECT card.gone();
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.operations;
-- the same notification again is confirmed again
SELECT card.https_notify(1, 1, '10', 'b');
SELECT card.https_answer();
SELECT * FROM card.operations;
SELECT * FROM card.log;

-- ---- sessions that break ----

-- The script never arrived: the card repeats the request that it was the answer to
SELECT card.reset_https();
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) > 0 AS asked;
SELECT card.open();
SELECT card.gone();
SELECT * FROM card.waiting;
SELECT card.resume('b');
SELECT * FROM card.waiting;
SELECT card.https_answer();
SELECT * FROM card.operations;
-- it arrived, and the answer was lost: the card repeats that
SELECT card.reset_https();
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) > 0 AS asked;
SELECT card.open();
SELECT card.gone();
SELECT card.https_answer(session => 'b');
SELECT * FROM card.operations;
-- and once more: nothing of it counts twice, and what it did not hear is said again
SELECT smsr.audit_eis(card.eid()) > 0 AS asked;
SELECT card.resume('c');
SELECT card.https_answer('9000', card.isdp('10', '3F') || card.isdp('11', '1F', true));
SELECT * FROM card.operations;
-- the next script was the answer to an answer, and did not arrive
SELECT card.reset_https();
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) > 0 AS asked, smsr.audit_eis(card.eid()) > 0 AS asked;
SELECT card.open();
SELECT card.https_answer();
SELECT card.resume('b');
SELECT card.https_answer('9000', card.isdp('10', '3F') || card.isdp('11', '1F', true));
SELECT * FROM card.operations;
SELECT * FROM card.log;
-- the card begins anew and says nothing: it may have carried out the command
SELECT card.reset_https();
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) > 0 AS asked;
SELECT card.open();
SELECT card.gone();
SELECT card.open(session => 'b');
SELECT * FROM card.operations;
SELECT * FROM card.waiting;
-- a command that may be given twice is
SELECT card.reset_https();
SELECT smsr.audit_eis(card.eid()) > 0 AS asked;
SELECT card.open();
SELECT card.open(session => 'b');
SELECT card.https_answer('9000', card.isdp('10', '3F', true) || card.isdp('11', '1F'));
SELECT * FROM card.operations;
-- so it is in one connection, where the card must have had it
SELECT card.reset_https();
SELECT smsr.audit_eis(card.eid()) > 0 AS asked;
SELECT card.open();
SELECT card.open();
SELECT outcome, detail FROM card.log;
-- a gateway may ask for the answer again; that is no second delivery
SELECT card.next();
SELECT card.next();
SELECT * FROM card.waiting;

-- ---- one session a card ----

SELECT card.reset_https();
SELECT smsr.audit_eis(card.eid()) > 0 AS asked;
SELECT card.open();
SELECT card.open(session => 'b');
-- the former session's requests are refused, its end is no end
SELECT card.open();
SELECT card.next(session => 'a');
SELECT smsr.https_closed(card.identity(), 'g', 'a', 'late');
SELECT * FROM card.sessions;
-- another gateway's connection of the same name is another
SELECT card.post('/gsma/adminagent', session => 'b', gateway => 'h');
SELECT card.post('/gsma/adminagent', session => 'b', gateway => 'g');
-- without a name each request is one of its own
SELECT card.reset_https();
SELECT smsr.audit_eis(card.eid()) > 0 AS asked;
SELECT card.post('/gsma/adminagent', session => NULL);
SELECT card.https_answer('9000', card.isdp('10', '3F', true) || card.isdp('11', '1F'));
SELECT * FROM card.operations;
-- two cards have nothing to do with each other
SELECT card.reset_https();
SELECT smsr.audit_eis(card.eid()) > 0 AS asked, smsr.audit_eis(card.eid(2)) > 0 AS asked;
SELECT card.open(1), card.open(2);
SELECT * FROM card.waiting;
-- one answers the other's script: that is not awaited from it
SELECT card.post((card.exchange(2)).next_uri, '{"x-admin-script-status": "ok"}', card.https_script('\x9000'));
SELECT * FROM card.operations;
SELECT * FROM card.waiting;

-- ---- what a card may say wrong ----

SELECT card.reset_https();
SELECT smsr.audit_eis(card.eid()) > 0 AS asked;
SELECT card.post('/gsma/adminagent', method => 'GET');
SELECT card.post('/gsma/adminagent', '{"x-admin-protocol": null}');
SELECT card.post('/gsma/adminagent', '{"x-admin-protocol": "globalplatform-remote-admin/2.0"}');
SELECT card.post('/gsma/adminagent', '{"x-admin-from": "anybody"}');
SELECT card.post('/gsma/adminagent', jsonb_build_object('x-admin-from',
	format('//se-id/eid/%s;//aa-id/aid/A000000559/1010FFFFFFFF8900000100', card.eid(2))));
SELECT card.post('/gsma/adminagent?msg=E');
SELECT card.post('/gsma/adminagent?script=x');
SELECT card.post('/gsma/adminagent?script=99999999999999999999999');
SELECT card.post('/gsma/adminagent?script=1');
SELECT card.post('/gsma/adminagent?script=1', '{"x-admin-script-status": "well"}');
SELECT card.post('/gsma/adminagent', '{}', decode(repeat('00', 65537), 'hex'));
SELECT card.post('');
SELECT card.post(NULL);
SELECT (smsr.https_request(NULL, NULL, NULL, NULL, NULL)).status;
SELECT (smsr.https_request(identity, 'POST', '/', '{}', NULL)).status FROM stranger;
-- what cards were told to call themselves they may
BEGIN;
INSERT INTO smsr.https_endpoint (mno_id, agent_id) VALUES ('*', 'anybody');
SELECT card.post('/gsma/adminagent', '{"x-admin-from": "anybody"}');
ROLLBACK;
-- nothing of it has opened a session, all of it is kept
SELECT * FROM card.sessions;
SELECT outcome, detail, count(*) FROM card.log WHERE direction = 'in' GROUP BY 1, 2 ORDER BY 1, 2;
-- these are heard, and what they bring is not
SELECT card.post('/gsma/adminagent?msg=E100');
SELECT card.post('/gsma/adminagent?msg=' || encode(card.notification(1, 1, card.aid('10'), card.eid(2)), 'hex'), session => 'b');
SELECT card.post((card.exchange(1)).next_uri, '{"x-admin-script-status": "ok"}', '\x00', session => 'b');
SELECT * FROM card.operations;
-- a card that will not
SELECT card.reset_https();
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) > 0 AS asked;
SELECT card.open();
SELECT card.https_answer(status => 'security-error');
SELECT * FROM card.operations;
SELECT smsr.audit_eis(card.eid()) > 0 AS asked;
SELECT card.open(session => 'b');
SELECT card.https_answer(status => 'unknown-application');
-- it is asked again, but not at once
SELECT * FROM card.waiting;
SELECT * FROM card.sessions;

-- ---- what fits no short messages ----

SELECT card.reset_https();
-- an SM-DP's command to its ISD-P, which nobody here looks into
CREATE FUNCTION long_operation(card int DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
	SELECT smsr.update_connectivity_parameters(card.eid(card), card.iccid(2, card), '\x86820384'::bytea || decode(repeat('5A', 900), 'hex'))
$$;
SELECT long_operation() > 0 AS asked;
SELECT * FROM card.waiting;
-- so a short message has the card open a session; its answer says no more than that it has heard
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.operations;
SELECT * FROM card.waiting;
SELECT card.open();
SELECT * FROM card.waiting;
SELECT card.https_answer();
SELECT * FROM card.operations;
SELECT * FROM card.log;
SELECT triggers, opened FROM smsr.bearer_record;
-- the session opens before the answer to what opened it has come
SELECT card.reset_https();
SELECT long_operation() > 0 AS asked;
SELECT * FROM card.take();
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{x}');
SELECT card.open();
SELECT card.answer();
SELECT * FROM card.waiting;
SELECT card.https_answer();
-- the SMSC's word of it comes later still
SELECT card.reset_https();
SELECT long_operation() > 0 AS asked;
SELECT * FROM card.take();
SELECT card.open();
SELECT smsr.sms_submitted((card.last(1)).sms_ids, '{x}');
SELECT smsr.sms_refused((card.last(1)).sms_ids[1], 'too late', false);
SELECT * FROM card.waiting;
SELECT card.gone();
SELECT * FROM card.waiting;
SELECT card.resume('b');
SELECT card.https_answer();
-- the same octets go again as long as nothing came of them, then others
SELECT card.reset_https();
SELECT long_operation() > 0 AS asked;
SELECT * FROM card.take();
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
SELECT count(DISTINCT packet) FROM card.received;
SELECT card.answer();
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
-- counter low on the first: the card's is ahead
SELECT card.reset_https();
SELECT long_operation() > 0 AS asked;
SELECT * FROM card.take();
SELECT card.refuse(2);
SELECT * FROM card.take();
SELECT card.answer();
SELECT * FROM card.log;
-- an answer that anybody could have sent changes nothing
SELECT card.reset_https();
SELECT long_operation() > 0 AS asked;
SELECT * FROM card.take();
SELECT card.refuse(9, secured => false);
SELECT * FROM card.waiting;
-- together with other messages
SELECT card.reset_https();
SELECT long_operation() > 0 AS asked, smsr.audit_eis(card.eid(2)) > 0 AS asked;
SELECT * FROM card.take();
SELECT smsr.receive_sms(array_agg(r.destination ORDER BY r.card), array_agg(s ORDER BY r.card))
	FROM card.received r, LATERAL smsr.sms_segments(card.response(CASE r.card WHEN 1 THEN '' ELSE card.r_script(card.isdp('10', '3F', true) || '\x9000') END, 0, r.card), 113, 7) s;
SELECT * FROM card.waiting;
SELECT card, function, step, stage, status FROM card.operations;
-- nobody comes: nothing has left, so nothing was done
SELECT card.reset_https();
SELECT long_operation() > 0 AS asked;
SELECT w.* FROM smsr.operation o, smsr.why(o.id) w WHERE w.what = 'awaited';
SELECT * FROM card.take();
SELECT regexp_replace(w.says, '\d{10,}', 'N') AS awaited FROM smsr.operation o, smsr.why(o.id) w WHERE w.what = 'awaited';
SELECT card.answer();
UPDATE smsr.operation SET expires_at = now();
SELECT smsr.tick();
SELECT * FROM card.operations;
SELECT triggers, opened FROM smsr.bearer_record;

-- what a card is told: by its operator, or for all, or nothing
SELECT card.reset_https();
INSERT INTO smsr.https_endpoint (mno_id, host, port, uri) VALUES ('*', 'smsr.example', 443, '/a'), ('1.3.6.1.4.1.99999.3', 'north.example', 8443, '/b');
SELECT long_operation() > 0 AS asked;
SELECT * FROM card.take();
SELECT encode(trigger, 'escape') AS trigger FROM smsr.outbound;
DELETE FROM smsr.https_endpoint WHERE mno_id <> '*';
SELECT encode(smsr.https_trigger(card.eid()), 'escape') AS trigger;
TRUNCATE smsr.https_endpoint;
SELECT encode(smsr.https_trigger(card.eid()), 'hex') AS trigger;
-- and, if that is wanted, under which key
INSERT INTO smsr.https_endpoint (mno_id, names_key) VALUES ('*', true);
SELECT encode(smsr.https_trigger(card.eid()), 'escape') AS trigger;
TRUNCATE smsr.https_endpoint;
SELECT card.try($$INSERT INTO smsr.https_endpoint (mno_id, address) VALUES ('*', '192.0.2.0/24')$$);
SELECT card.try($$INSERT INTO smsr.https_endpoint (mno_id, retries, retry_delay) VALUES ('*', 3, '5 months')$$);
SELECT card.try($$INSERT INTO smsr.https_endpoint (mno_id, host) VALUES ('*', repeat('x', 256))$$);
-- a card that can not open a session: it is said when the command is asked for
BEGIN;
UPDATE smsr.euicc SET http_support = false;
SELECT card.try('SELECT long_operation()');
ROLLBACK;
BEGIN;
UPDATE smsr.keyset SET state = 'revoked' WHERE type = 'SCP81';
SELECT card.try('SELECT long_operation()');
ROLLBACK;

-- ---- what worked before with devices of its kind ----

-- what is for an ISD-P goes in a session, however short; but not where none is ever opened
SELECT card.reset_https();
CREATE FUNCTION short_operation(card int DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
	SELECT smsr.update_connectivity_parameters(card.eid(card), card.iccid(2, card), '\x86025A5A')
$$;
SELECT short_operation() > 0 AS asked;
INSERT INTO smsr.bearer_record (eum_id, platform_type, platform_version, part, triggers, opened)
	SELECT eum_id, platform_type, platform_version, 3, 19, 0 FROM smsr.euicc WHERE eid = card.eid();
SELECT short_operation(2) > 0 AS asked;
SELECT * FROM card.waiting;
SELECT card.reset_https();
INSERT INTO smsr.bearer_record (eum_id, platform_type, platform_version, part, triggers, opened)
	SELECT eum_id, platform_type, platform_version, p, 12, 0 FROM smsr.euicc, generate_series(3, 4) p WHERE eid = card.eid();
SELECT short_operation() > 0 AS asked, long_operation(2) > 0 AS asked;
SELECT * FROM card.waiting;
SELECT what, about, eids FROM smsr.incident;
-- and where they open sessions and do not answer short messages, all goes there
SELECT card.reset_https();
INSERT INTO smsr.bearer_record (eum_id, platform_type, platform_version, part, triggers, opened)
	SELECT eum_id, platform_type, platform_version, 3, 30, 29 FROM smsr.euicc WHERE eid = card.eid();
SELECT count(smsr.audit_eis(card.eid())) FROM generate_series(1, 22);
UPDATE smsr.operation SET step = 'audit', stage = 'finished', status = 'EXPIRED', subject_code = '1.6', finished_at = now();
SELECT smsr.weigh_bearers();
SELECT part, triggers, opened, packets, answered FROM smsr.bearer_record ORDER BY part;
SELECT smsr.enable_profile(card.eid(2), card.iccid(2, 2)) > 0 AS asked;
SELECT * FROM card.waiting WHERE card = 2;
SELECT smsr.weigh_bearers();
TRUNCATE smsr.operation, smsr.outbound;

-- ---- while a session is open ----

SELECT card.reset_https();
SELECT card.open();
-- somebody has said that more is to come
SELECT smsr.audit_eis(card.eid()) > 0 AS asked;
SELECT card.open(session => 'b');
UPDATE smsr.https_session SET hold = now() + interval '1 hour';
SELECT card.https_answer('9000', card.isdp('10', '3F', true) || card.isdp('11', '1F'));
SELECT card.next();
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) > 0 AS asked;
SELECT * FROM card.waiting;
SELECT card.next();
SELECT card.https_answer();
-- a request does not wait for ever: the card may ask again
UPDATE smsr.https_session SET request_at = now() - interval '1 hour';
SELECT card.next();
SELECT card.post((card.exchange(1)).next_uri, session => 'b');
-- until the time is over
UPDATE smsr.https_session SET hold = now() - interval '1 s';
SELECT card.next();
SELECT * FROM card.sessions;
SELECT card.next();
-- keys go in packets alone
SELECT card.reset_https();
UPDATE smsr.https_session SET hold = now() + interval '1 hour';
SELECT count(*) FROM smsr.request('rotate_keys', ARRAY[card.eid()]);
SELECT card.open();
SELECT card, step, bearer FROM card.waiting;
-- a gateway has died: the time of its sessions ends, and what was in them goes on
SELECT card.reset_https();
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) > 0 AS asked, smsr.audit_eis(card.eid(2)) > 0 AS asked;
SELECT card.open(1), card.open(2);
SELECT smsr.tick();
UPDATE smsr.https_session SET last_at = now() - interval '1 hour';
SELECT smsr.tick();
SELECT * FROM card.sessions;
SELECT * FROM card.waiting;
SELECT card.open(session => 'a');
UPDATE smsr.outbound SET due_at = now() WHERE mno_id IS NOT NULL;
SELECT * FROM card.take();

-- ---- cards that call in by themselves ----

SELECT card.reset_https();
INSERT INTO smsr.https_polls (first, last) VALUES (card.eid(), card.eid());
SELECT smsr.audit_eis(card.eid()) > 0 AS asked, smsr.audit_eis(card.eid(2)) > 0 AS asked;
SELECT * FROM card.waiting;
SELECT * FROM card.take();
SELECT w.says FROM smsr.operation o, smsr.why(o.id) w WHERE w.what = 'awaited' AND o.eid = card.eid();
SELECT queued, under_way, for_sessions FROM smsr.queue WHERE lane_id > 2;
SELECT card.open();
SELECT w.says FROM smsr.operation o, smsr.why(o.id) w WHERE w.what = 'awaited' AND o.eid = card.eid();
SELECT what, outcome FROM smsr.timeline(card.eid()) WHERE outcome <> 'audit_eis';
SELECT card.gone();
SELECT * FROM card.waiting WHERE card = 1;
SELECT card.resume('b');
SELECT card.https_answer('9000', card.isdp('10', '3F', true) || card.isdp('11', '1F'));
-- its notifications are confirmed the way they came
SELECT card.notify(1, 1, '10', '49000009000010');
SELECT * FROM card.waiting WHERE card = 1;
SELECT * FROM card.take();
SELECT card.answer();
-- a change that it is asked for elsewhere does not change the way
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) > 0 AS asked;
SELECT smsr.update_subscription_address(card.eid(), card.iccid(1), '4900000900999') > 0 AS done;
SELECT * FROM card.waiting WHERE card = 1;
SELECT card.open(session => 'c');
SELECT card.https_answer();
SELECT card.https_notify(2, 2, '11', 'd');
SELECT card.https_answer();
SELECT card.operation(max(id)) FROM smsr.operation;

-- ---- lanes ----

-- what is paused is not given
SELECT card.reset_https();
SELECT smsr.audit_eis(card.eid()) > 0 AS asked;
UPDATE smsr.lane SET open = false WHERE id > 2;
SELECT card.open();
SELECT * FROM card.waiting;
UPDATE smsr.lane SET open = true;

SELECT card.faults();
DROP VIEW stranger;
\set ECHO none
\i sql/card_end.psql
