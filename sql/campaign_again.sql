-- Rehearsed, run, run again, and taken back.
\set ECHO none
\i sql/fleet.psql
SELECT fleet.make(40) \gset
-- every way in which one may not be ready
UPDATE smsr.profile SET pol2 = '{DISABLE/Not-Allowed}' WHERE eid IN (fleet.eid(1), fleet.eid(2)) AND state = 'Enabled';
UPDATE smsr.profile SET pol2 = '{ENABLE/Not-Allowed}' WHERE eid = fleet.eid(3) AND state = 'Disabled';
SELECT smsr.follow_enabled(fleet.eid(4), smsr.isdp_aid(17), NULL) \gset
DELETE FROM smsr.keyset WHERE eid = fleet.eid(5);
UPDATE smsr.profile SET msisdn = NULL WHERE eid = fleet.eid(6);
SELECT smsr.audit_eis(fleet.eid(7)) \gset
UPDATE smsr.euicc SET last_seen_at = NULL WHERE eid = fleet.eid(8);
UPDATE smsr.euicc SET remaining_memory = 10 WHERE eid = fleet.eid(9);
\set ECHO all

-- ---- rehearsed ----

SELECT smsr.create_campaign('move', 'enable_profile', 'SELECT eid, iccid FROM smsr.profile WHERE isdp_aid = smsr.isdp_aid(17) ORDER BY eid::text',
	'{"max_failure_rate": 1, "attempts": 1, "waves": "20, then rest"}') AS c \gset
SELECT verdict, subject_code, reason_code, because, members, messages FROM smsr.rehearse(:c);
SELECT smsr.create_campaign('make', 'create_isdp', 'SELECT eid, ''8949000009000000001'' AS iccid, ''1.3.6.1.4.1.99999.3'' AS mno_id, 5000 AS required_memory FROM smsr.euicc') AS m \gset
SELECT verdict, subject_code, reason_code, because, members, messages FROM smsr.rehearse(:m);
-- it changes nothing: not one transaction id was taken
BEGIN READ ONLY;
SELECT count(*) > 1 AS told FROM smsr.rehearse(:c);
COMMIT;
-- and it is what comes
SELECT smsr.start_campaign(:c);
SELECT smsr.tick();
SELECT fleet.send() AS sent, fleet.finish() AS ended;
SELECT smsr.tick();
SELECT smsr.tick();
SELECT verdict, members FROM smsr.rehearse(:c);
SELECT o.stage, o.status, o.subject_code, o.reason_code, o.message, b.due_at = 'infinity' AS held, count(*)
	FROM smsr.operation o LEFT JOIN smsr.outbound b ON b.eid = o.eid AND b.operation_id = o.id WHERE o.campaign_id = :c GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5;
SELECT smsr.cancel_campaign(:c);
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'move';
SELECT verdict, members, messages, expected FROM smsr.rehearse(:c) WHERE verdict = 'all';

-- ---- the failed ones in one call ----

UPDATE smsr.profile SET pol2 = '{}';
UPDATE smsr.euicc SET remaining_memory = 100000;
SELECT smsr.rerun_campaign(:c, 'move');
SELECT smsr.rerun_campaign(:c, 'move again', '{"waves": "1, then rest", "reason": "POL2 is gone"}') AS again \gset
SELECT name, function, cohort, rerun_of = :c AS rerun, undo_of, members, (options).reason, (options).waves, (options).attempts FROM smsr.campaign WHERE id = :again;
SELECT n, line, wave, right(eid::text, 5) AS eid FROM smsr.campaign_member WHERE campaign_id = :again ORDER BY n;
SELECT smsr.rerun_campaign(:again, 'too early');
SELECT smsr.start_campaign(:again);
SELECT smsr.tick();
SELECT fleet.send() AS sent, fleet.finish() AS ended;
SELECT smsr.tick();
SELECT fleet.send() AS sent, fleet.finish() AS ended;
SELECT smsr.tick();
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'move again';
SELECT smsr.cancel_campaign(:again);

-- ---- taken back: what was done, where it is still so ----

-- one has been changed since, by somebody else; of one the former profile is gone
SELECT fleet.finish() \gset
SELECT smsr.follow_enabled(fleet.eid(10), smsr.isdp_aid(16), NULL) \gset
SELECT smsr.remove_profile(fleet.eid(11), smsr.isdp_aid(16), NULL) \gset
-- also when its operations are history
SET smsr.recent_operations = '0';
SELECT smsr.move_operations() > 0 AS moved;
RESET smsr.recent_operations;
SET client_min_messages = notice;
SELECT smsr.undo_campaign(:c, 'move back') AS undo \gset
SET client_min_messages = warning;
SELECT name, function, cohort, rerun_of, undo_of = :c AS undo, members FROM smsr.campaign WHERE id = :undo;
SELECT count(*), count(*) FILTER (WHERE p.state = 'Disabled' AND p.isdp_aid = smsr.isdp_aid(16)) AS former
	FROM smsr.campaign_member m JOIN smsr.profile p ON p.eid = m.eid AND p.iccid = m.iccid WHERE m.campaign_id = :undo;
SELECT smsr.start_campaign(:undo);
SELECT smsr.tick();
SELECT fleet.send() AS sent, fleet.finish() AS ended;
SELECT smsr.tick();
SELECT smsr.tick();
SELECT fleet.send() AS sent, fleet.finish() AS ended;
SELECT smsr.tick();
SELECT * FROM fleet.progress WHERE name = 'move back';
-- the fall-back attribute, by the history
SELECT smsr.create_campaign('fall-back', 'set_fallback_attribute', 'SELECT eid, iccid FROM smsr.profile WHERE isdp_aid = smsr.isdp_aid(17) ORDER BY eid LIMIT 3') AS f \gset
SELECT smsr.start_campaign(:f);
SELECT smsr.tick(), fleet.send();
SELECT smsr.give_fallback(r.eid, smsr.isdp_aid(17), r.operation_id), smsr.drop_packet(r.eid, r.operation_id, 'answered', NULL),
	smsr.finish(r.eid, r.operation_id, 'EXECUTED_SUCCESS', NULL, NULL, NULL) FROM smsr.campaign_running r WHERE r.campaign_id = :f;
SELECT smsr.tick();
SELECT smsr.undo_campaign(:f, 'fall-back back') AS undo \gset
SELECT p.fallback_attribute, p.isdp_aid = smsr.isdp_aid(16) AS former FROM smsr.campaign_member m JOIN smsr.profile p ON p.eid = m.eid AND p.iccid = m.iccid WHERE m.campaign_id = :undo;
-- disabled: enabled again
SELECT smsr.create_campaign('off', 'disable_profile', 'SELECT eid, iccid FROM smsr.profile WHERE state = ''Enabled'' AND NOT fallback_attribute AND eid <> fleet.eid(11) ORDER BY eid LIMIT 2') AS d \gset
SELECT smsr.start_campaign(:d);
SELECT smsr.tick(), fleet.send();
SELECT smsr.follow_enabled(r.eid, (SELECT p.isdp_aid FROM smsr.profile p WHERE p.eid = r.eid AND p.state = 'Disabled' ORDER BY p.isdp_aid LIMIT 1), r.operation_id) IS NOT NULL AS disabled,
	smsr.drop_packet(r.eid, r.operation_id, 'answered', NULL), smsr.finish(r.eid, r.operation_id, 'EXECUTED_SUCCESS', NULL, NULL, NULL)
	FROM smsr.campaign_running r WHERE r.campaign_id = :d;
SELECT smsr.tick();
SELECT smsr.undo_campaign(:d, 'on') AS undo \gset
SELECT function, members, members = (SELECT count(*) FROM smsr.campaign_member m JOIN smsr.campaign_member o USING (n, eid, iccid)
	WHERE m.campaign_id = :undo AND o.campaign_id = :d) AS same FROM smsr.campaign WHERE id = :undo;
-- nothing was done: nothing to take back
SELECT smsr.undo_campaign(:undo, 'too early');
SELECT smsr.create_campaign('nothing', 'enable_profile', 'SELECT eid, iccid FROM smsr.profile LIMIT 1') AS n \gset
SELECT smsr.cancel_campaign(:n);
SELECT smsr.undo_campaign(:n, 'nothing back');
SELECT smsr.rerun_campaign(:n, 'nothing again');
-- what has no inverse says why
SELECT f, i.inverse, i.because FROM smsr.card_functions() f CROSS JOIN LATERAL smsr.inverse_function(f) i ORDER BY f;
UPDATE smsr.campaign SET function = 'delete_profile' WHERE id = :c;
SELECT smsr.undo_campaign(:c, 'undeleted');

-- ---- when it will be over ----

SELECT smsr.create_campaign('long', 'audit_eis', 'SELECT eid FROM smsr.euicc', '{"backlog": 1}') AS l \gset
SELECT smsr.start_campaign(:l);
SELECT smsr.tick();
SELECT expected_at, earliest_at, latest_at FROM smsr.campaign_progress WHERE id = :l;
-- 2 a second for five minutes, and 40 to do
DELETE FROM smsr.campaign_pace WHERE campaign_id = :l;
INSERT INTO smsr.campaign_pace (campaign_id, at, released, succeeded, failed)
	SELECT :l, date_bin('10 s', now(), 'epoch') - i * interval '10 s', 0, 20, 0 FROM generate_series(2, 31) i;
UPDATE smsr.campaign SET forecast_at = NULL WHERE id = :l;
SELECT smsr.tick();
SELECT round(extract(epoch FROM expected_at - forecast_at)) AS seconds, earliest_at <= expected_at AS earliest, latest_at >= expected_at AS latest
	FROM smsr.campaign_progress JOIN (SELECT id, forecast_at FROM smsr.campaign) c USING (id) WHERE id = :l;
-- hours back: 4 a second for an hour before that, to which it may return; not what is older, nor what stood still
INSERT INTO smsr.campaign_pace (campaign_id, at, released, succeeded, failed)
	SELECT :l, date_bin('10 s', now(), 'epoch') - i * interval '10 s', 0, 40, 0 FROM generate_series(720, 1079) i
	UNION ALL SELECT :l, now() - interval '361 min', 0, 100000, 0;
UPDATE smsr.campaign SET forecast_at = NULL WHERE id = :l;
SELECT smsr.tick();
SELECT round(extract(epoch FROM expected_at - forecast_at)) AS seconds, round(extract(epoch FROM earliest_at - forecast_at)) AS earliest,
		round(extract(epoch FROM latest_at - forecast_at)) AS latest
	FROM smsr.campaign_progress JOIN (SELECT id, forecast_at FROM smsr.campaign) c USING (id) WHERE id = :l;
-- an outage counts: another hour in which it ran and nothing ended
INSERT INTO smsr.campaign_pace (campaign_id, at, released, succeeded, failed)
	SELECT :l, date_bin('10 s', now(), 'epoch') - i * interval '10 s', 0, 0, 0 FROM generate_series(300, 659) i;
UPDATE smsr.campaign SET forecast_at = NULL WHERE id = :l;
SELECT smsr.tick();
SELECT round(extract(epoch FROM expected_at - forecast_at)) AS seconds, round(extract(epoch FROM earliest_at - forecast_at)) AS earliest,
		round(extract(epoch FROM latest_at - forecast_at)) AS latest
	FROM smsr.campaign_progress JOIN (SELECT id, forecast_at FROM smsr.campaign) c USING (id) WHERE id = :l;
-- and before it begins: by what the binds have carried, 10 messages in each ten seconds
SELECT smsr.create_campaign('ahead', 'audit_eis', 'SELECT eid FROM smsr.euicc') AS h \gset
SELECT messages, expected IS NULL AS unknown FROM smsr.rehearse(:h) WHERE verdict = 'all';
INSERT INTO smsr.bind_count (slot, gateway, connection, messages)
	SELECT date_bin('10 s', now(), 'epoch') - i * interval '10 s', 'north', 1, 10 FROM generate_series(1, 30) i;
SELECT messages, expected, earliest <= expected AND expected <= latest AS between FROM smsr.rehearse(:h) WHERE verdict = 'all';
DELETE FROM smsr.bind_count;

-- ---- forgotten, once it is over ----

SELECT smsr.forget_campaign(:l);
SELECT smsr.forget_campaign(:again);
SELECT count(*) FROM smsr.campaign_member WHERE campaign_id = :again;
SELECT count(*) FROM smsr.campaign_outcome WHERE campaign_id = :again;
SELECT count(*) > 0 AS kept FROM smsr.every_operation WHERE campaign_id = :again;
SELECT function, operation_type, details ->> 'campaign' AS campaign, details ->> 'succeeded' AS succeeded FROM smsr.audit_trail
	WHERE operation_id = :again ORDER BY position DESC LIMIT 1;

\set ECHO none
\i sql/fleet_end.psql
