-- Campaigns from the SELECT to the result, with a fleet that is played by SQL.
\set ECHO none
\i sql/fleet.psql
\set ECHO all

SELECT fleet.make(300);

-- ---- created: read, frozen, nothing sent ----

SELECT smsr.create_campaign('to the second', 'enable_profile', 'SELECT p.eid, p.iccid FROM smsr.profile p WHERE p.state = ''Disabled'' ORDER BY p.iccid::text',
	'{"waves": "canary 10, then 20%, then rest", "reason": "contract ends", "ticket": "T-1"}') AS c \gset
SELECT name, function, party_id, state, members, wave, rerun_of, undo_of, plan ~ '^Sort' AS plan,
	cohort_digest = sha256(cohort::bytea) AS cohort, members_digest = smsr.members_digest(id) AS digest FROM smsr.campaign;
SELECT wave, members, released FROM smsr.campaign_wave ORDER BY wave;
SELECT first, last, next, wave, tenant, priority, time_zone, windows, open
	FROM smsr.campaign_stretch JOIN smsr.lane ON id = lane_id ORDER BY first;
SELECT n, line, wave, right(eid::text, 5) AS eid, iccid, arguments FROM smsr.campaign_member WHERE n IN (1, 10, 11, 70, 71, 300) ORDER BY n;
SELECT count(*) FROM smsr.operation;
-- frozen
UPDATE smsr.campaign_member SET wave = 1;
DELETE FROM smsr.campaign_member;
SELECT smsr.tick();
SELECT * FROM fleet.progress;

-- ---- waves ----

SELECT smsr.start_campaign(:c);
SELECT smsr.start_campaign(:c);
SELECT smsr.tick();
SELECT * FROM fleet.progress;
SELECT count(*), min(reason) AS reason, min(requested_by) = current_user AS by FROM smsr.operation;
SELECT fleet.send(), fleet.finish(9);
SELECT smsr.tick();
-- the last of the canary is awaited
SELECT * FROM fleet.progress;
SELECT fleet.finish();
SELECT smsr.tick();
SELECT * FROM fleet.progress;
SELECT fleet.send(), fleet.finish();
SELECT smsr.tick();
SELECT fleet.send(), fleet.finish();
SELECT smsr.tick();
SELECT * FROM fleet.progress;
SELECT state, status, attempts, count(*), count(DISTINCT operation_id) AS operations FROM smsr.campaign_result GROUP BY 1, 2, 3;
SELECT sum(released) AS released, sum(succeeded) AS succeeded, sum(failed) AS failed FROM smsr.campaign_pace;
SELECT operation_type, function, status, details ->> 'campaign' AS campaign, details ->> 'ticket' AS ticket, details ->> 'succeeded' AS succeeded
	FROM smsr.audit_trail WHERE operation_id = :c ORDER BY position;
SELECT count(*) FROM smsr.campaign_end;
SELECT count(*) FROM smsr.campaign_running;

-- ---- pause, resume: lanes, and what has left goes on ----

SELECT smsr.create_campaign('back', 'enable_profile', 'SELECT p.eid, p.iccid FROM smsr.profile p WHERE p.state = ''Disabled'' ORDER BY p.iccid::text',
	'{"backlog": 40, "max_failure_rate": 0.5}') AS c \gset
SELECT smsr.start_campaign(:c);
-- ahead of the claims by so many, not by all
SELECT smsr.tick(), smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'back';
SELECT fleet.send(15);
SELECT smsr.tick();
SELECT smsr.pause_campaign(:c, 'the operator asks');
SELECT smsr.pause_campaign(:c);
SELECT fleet.send() AS sent, fleet.finish() AS ended;
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'back';
SELECT smsr.resume_campaign(:c);
SELECT fleet.send(), fleet.finish(), smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'back';

-- ---- cancel: what was never claimed ends, the rest goes on ----

SELECT fleet.send(10);
SELECT smsr.cancel_campaign(:c, 'no more');
SELECT fleet.send();
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'back';
SELECT fleet.finish();
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'back';
SELECT state, status, subject_code, reason_code, message, count(*) FROM smsr.campaign_result WHERE campaign_id = :c GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2;
SELECT status, message, count(*) FROM smsr.operation WHERE campaign_id = :c GROUP BY 1, 2 ORDER BY 1, 2;
SELECT outcome, detail, count(*) FROM smsr.message WHERE operation_id IN (SELECT id FROM smsr.operation WHERE campaign_id = :c) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM smsr.operation o WHERE o.campaign_id = :c AND o.status IS NOT NULL
	AND 1 <> (SELECT count(*) FROM smsr.audit_trail a WHERE a.eid = o.eid AND a.operation_id = o.id);
SELECT smsr.resume_campaign(:c);
SELECT smsr.cancel_campaign(:c);

-- ---- the brake ----

SELECT smsr.create_campaign('bad', 'enable_profile', 'SELECT p.eid, p.iccid FROM smsr.profile p WHERE p.state = ''Disabled'' ORDER BY p.iccid::text',
	'{"waves": "100 each", "backlog": 30, "max_failure_rate": 0.1}') AS c \gset
SELECT smsr.start_campaign(:c);
SELECT smsr.tick();
SELECT fleet.send(10), fleet.finish(each => 2);
SELECT smsr.tick();
-- too few to be sure
SELECT * FROM fleet.progress WHERE name = 'bad';
SELECT fleet.send(20), fleet.finish(each => 2);
SELECT smsr.tick();
-- sure of more than a tenth: nothing more leaves
SELECT * FROM fleet.progress WHERE name = 'bad';
SELECT fleet.send();
SELECT failed_by_reason FROM smsr.campaign_progress WHERE name = 'bad';
SELECT function, details ->> 'because' AS because, details ->> 'failed' AS failed, details ->> 'ended' AS ended
	FROM smsr.audit_trail WHERE operation_id = :c ORDER BY position;
-- whoever resumes has seen it: it counts anew, and a wave that ended badly is the last
SELECT smsr.resume_campaign(:c, 'the batch was known');
SELECT fleet.send() AS sent, fleet.finish() AS ended, smsr.tick();
SELECT fleet.send() AS sent, fleet.finish() AS ended, smsr.tick();
SELECT fleet.send() AS sent, fleet.finish() AS ended, smsr.tick();
SELECT fleet.send() AS sent, fleet.finish() AS ended, smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'bad';
SELECT smsr.resume_campaign(:c);
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'bad';
SELECT smsr.cancel_campaign(:c);
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'bad';

-- in a large wave what ended of late is judged by itself
BEGIN;
SELECT smsr.create_campaign('late', 'audit_eis', 'SELECT eid FROM smsr.euicc ORDER BY eid LIMIT 6') AS c \gset
SELECT smsr.start_campaign(:c);
UPDATE smsr.campaign SET wave = 1 WHERE id = :c;
UPDATE smsr.campaign_wave SET members = 500000, released = 400200, succeeded = 400040, failed = 60 WHERE campaign_id = :c;
INSERT INTO smsr.campaign_pace VALUES (:c, now() - interval '1 hour', 0, 400000, 0), (:c, now() - interval '11 s', 0, 40, 60);
SELECT smsr.brake_campaign(c) FROM smsr.campaign c WHERE id = :c;
SELECT state, because FROM smsr.campaign WHERE id = :c;
SELECT details - 'digest' AS details FROM smsr.audit_trail WHERE operation_id = :c AND function = 'halt_campaign';
-- whoever resumes has seen that, too
SELECT smsr.resume_campaign(:c);
UPDATE smsr.campaign_wave SET succeeded = succeeded + 10 WHERE campaign_id = :c;
INSERT INTO smsr.campaign_pace VALUES (:c, now(), 0, 10, 0);
SELECT smsr.brake_campaign(c) FROM smsr.campaign c WHERE id = :c;
ROLLBACK;

-- ---- again, where that helps ----

SELECT smsr.create_campaign('again', 'audit_eis', 'SELECT eid FROM smsr.euicc ORDER BY eid LIMIT 6',
	'{"attempts": 2, "retry_after": "1 hour", "max_failure_rate": 1}') AS c \gset
SELECT smsr.start_campaign(:c);
SELECT smsr.tick();
SELECT fleet.send(), fleet.finish(each => 3, status => 'EXPIRED', subject => '1.6', reason => '5.3', message => 'the card did not answer in time');
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'again';
SELECT n, attempt, at - now() BETWEEN interval '59 min' AND interval '1 hour' AS in_an_hour, status FROM smsr.campaign_retry ORDER BY n;
SELECT smsr.tick();
SELECT count(*) FROM smsr.operation WHERE campaign_id = :c;
UPDATE smsr.campaign_retry SET at = now();
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'again';
SELECT fleet.send(), fleet.finish(each => 2, status => 'EXPIRED', subject => '1.6', reason => '5.3', message => 'the card did not answer in time');
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'again';
SELECT n, state, attempts, status FROM smsr.campaign_result WHERE campaign_id = :c ORDER BY n;
-- what the card refuses, it refuses again; what it took back it may take
SELECT status, subject_code, reason_code, smsr.failure_passes(status, subject_code, reason_code)
	FROM (VALUES ('EXPIRED', '1.6', '5.3'), ('FAILED', '8.2.1', '4.2'), ('FAILED', '8.2.1', '1.2'), ('FAILED', '8.4', '4.2'),
		('FAILED', '8.1', '5.1'), ('EXECUTED_SUCCESS', NULL, NULL)) f (status, subject_code, reason_code);

-- ---- an eUICC that is in use comes later; one that is busy waits its turn ----

SELECT smsr.enable_profile(fleet.eid(1), (SELECT iccid FROM smsr.profile WHERE eid = fleet.eid(1) AND state = 'Disabled')) AS op \gset
SELECT smsr.create_campaign('busy', 'disable_profile', 'SELECT eid, iccid FROM smsr.profile WHERE state = ''Enabled'' ORDER BY eid LIMIT 2', '{}') AS c \gset
SELECT smsr.start_campaign(:c);
SELECT smsr.tick();
SELECT r.n, o.stage, o.exclusive FROM smsr.campaign_running r JOIN smsr.operation o ON o.id = r.operation_id AND o.eid = r.eid ORDER BY r.n;
SELECT smsr.cancel_campaign(:c);
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'busy';
SELECT fleet.send(), fleet.finish();

-- ---- windows, each in its device's time zone ----

SELECT smsr.create_campaign('night', 'audit_eis', format(
	'SELECT eid, wave, time_zone FROM (VALUES (%L::smsr.eid, 2, %L), (%L, 1, %L), (%L, 1, NULL), (%L, 1, %L)) v (eid, wave, time_zone)',
		fleet.eid(1), 'Asia/Tokyo', fleet.eid(2), 'Europe/Berlin', fleet.eid(3), fleet.eid(4), 'Europe/Berlin'),
	'{"windows": "01:00-05:00", "time_zone": "America/New_York", "priority": 3}') AS c \gset
SELECT n, line, right(eid::text, 5) AS eid, wave, time_zone FROM smsr.campaign_member WHERE campaign_id = :c ORDER BY n;
SELECT s.wave, s.first, s.last, l.time_zone, l.windows, l.priority, l.open FROM smsr.campaign_stretch s JOIN smsr.lane l ON l.id = s.lane_id
	WHERE s.campaign_id = :c ORDER BY s.first;
SELECT smsr.start_campaign(:c);
-- now is within the windows of one of the zones alone
UPDATE smsr.lane SET windows = CASE time_zone WHEN 'Europe/Berlin' THEN '00:00-24:00'
	ELSE (SELECT string_agg(d, ',') FROM unnest(ARRAY['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']) WITH ORDINALITY u (d, i)
		WHERE i = 1 + (extract(isodow FROM now() AT TIME ZONE time_zone)::int + 2) % 7) || ' 01:00-02:00' END
	WHERE campaign_id = :c;
SELECT smsr.tick();
SELECT r.n, l.time_zone FROM smsr.campaign_running r JOIN smsr.operation o ON o.id = r.operation_id AND o.eid = r.eid JOIN smsr.lane l ON l.id = o.lane_id ORDER BY r.n;
SELECT * FROM fleet.progress WHERE name = 'night';
SELECT smsr.cancel_campaign(:c);

-- ---- with a second person's yes, as a whole ----

CREATE ROLE regress_smsr_second;
GRANT USAGE ON SCHEMA smsr TO regress_smsr_second;
GRANT EXECUTE ON FUNCTION smsr.approve(bigint, text), smsr.reject(bigint, text) TO regress_smsr_second;
SELECT smsr.set_approval_rule('audit_eis', 'regress_smsr_second', above => 2);
SELECT smsr.create_campaign('small', 'audit_eis', 'SELECT eid FROM smsr.euicc LIMIT 2') AS small,
	smsr.create_campaign('large', 'audit_eis', 'SELECT eid FROM smsr.euicc LIMIT 3') AS large,
	smsr.create_campaign('larger', 'audit_eis', 'SELECT eid FROM smsr.euicc LIMIT 4') AS larger \gset
SELECT smsr.start_campaign(:small);
SET client_min_messages = error;
SELECT smsr.start_campaign(:large), smsr.start_campaign(:larger);
SELECT smsr.tick();
SELECT state, count(*) FROM smsr.campaign WHERE name IN ('small', 'large', 'larger') GROUP BY 1 ORDER BY 1;
SELECT a.function, what LIKE 'campaign large: audit_eis for 3 eUICCs, members ' || encode(members_digest, 'hex') AS what, euiccs, approver_roles
	FROM smsr.approval a JOIN smsr.campaign c ON c.approval_id = a.id WHERE c.id = :large;
-- not by the one who asked
SELECT regexp_replace(fleet.try(format('SELECT smsr.approve(%s)', :large)), '[0-9]{6,}', 'n');
SELECT smsr.start_campaign(:large);
CREATE ROLE regress_smsr_login SUPERUSER;
SET SESSION AUTHORIZATION regress_smsr_login;
SET ROLE regress_smsr_second;
SELECT smsr.approve(:large, 'looks right');
SELECT smsr.reject(:larger, 'why four?');
RESET ROLE;
RESET SESSION AUTHORIZATION;
SELECT name, state, because FROM smsr.campaign WHERE name IN ('small', 'large', 'larger') ORDER BY name;
SELECT smsr.tick();
SELECT count(*) FROM smsr.campaign_running WHERE campaign_id = :large;
SELECT function, requested_by = 'regress_smsr_second' AS second, details ->> 'campaign' AS campaign, details ->> 'because' AS because
	FROM smsr.audit_trail WHERE details ->> 'campaign' IN ('large', 'larger') ORDER BY position;
DELETE FROM smsr.approval_rule;
DROP ROLE regress_smsr_login;
DROP OWNED BY regress_smsr_second;
DROP ROLE regress_smsr_second;

-- ---- one that can not go on halts, and is in nobody's way ----

SELECT smsr.create_campaign('broken', 'audit_eis', 'SELECT eid FROM smsr.euicc LIMIT 2') AS broken,
	smsr.create_campaign('sound', 'audit_eis', 'SELECT eid FROM smsr.euicc LIMIT 2') AS sound \gset
SELECT smsr.start_campaign(:broken), smsr.start_campaign(:sound);
UPDATE smsr.campaign SET function = 'nothing' WHERE id = :broken;
SELECT smsr.tick();
SELECT name, state, because FROM smsr.campaign WHERE id IN (:broken, :sound) ORDER BY name;
SELECT open, count(*) FROM smsr.lane WHERE campaign_id IN (:broken, :sound) GROUP BY open ORDER BY open;
SELECT count(*) FROM smsr.campaign_running WHERE campaign_id = :sound;

\set ECHO none
\i sql/fleet_end.psql
