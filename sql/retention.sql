-- Operations that have ended move to their history, and old months are dropped.
\set ECHO none
\i sql/card.psql
SET timezone = 'UTC';
SET datestyle = ISO;
CREATE FUNCTION card.ended(number int, eid smsr.eid, ended timestamptz, status text, message text, call_id text) RETURNS bigint
	LANGUAGE sql AS $$
	INSERT INTO smsr.operation (id, eid, function, requester_id, call_id, stage, status, subject_code, message, requested_at, expires_at, stage_at, finished_at)
		VALUES (number, eid, 'enable_profile', '1.3.6.1.4.1.99999.9', call_id,
			CASE WHEN status IS NULL THEN 'waiting' ELSE 'finished' END, status, CASE WHEN status <> 'EXECUTED_SUCCESS' THEN '1.6' END, message,
			ended - interval '1 hour', ended + interval '1 day', ended, CASE WHEN status IS NOT NULL THEN ended END)
		RETURNING id
$$;
CREATE VIEW card.where AS
	SELECT o.id, to_char(o.finished_at, 'YYYY-MM') AS month, o.status, o.tableoid::regclass::text AS stands
	FROM (SELECT tableoid, * FROM smsr.operation UNION ALL SELECT tableoid, * FROM smsr.operation_history) o
	WHERE o.id < 1000;
DO $$ BEGIN PERFORM card.reset(); END $$;
-- what other tests have left
CREATE FUNCTION card.forget(history regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', history);
	EXECUTE format('TRUNCATE ONLY %s', history);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only', history);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only_truncate', history);
END $$;
SELECT card.forget('smsr.euicc_history_default'), card.forget('smsr.profile_history_default') \gset
\set VERBOSITY terse
\set ECHO all

-- ---- what moves, and what does not ----

SELECT card.ended(n, card.eid(), at::timestamptz, status, message, call) FROM (VALUES
	(1, '2020-01-10 12:00Z', 'EXECUTED_SUCCESS', NULL, 'first'),
	(2, '2020-02-10 12:00Z', 'FAILED', 'no', NULL),
	-- whether the card did it is not known
	(3, '2020-02-11 12:00Z', 'EXPIRED', NULL, NULL),
	(4, '2020-02-12 12:00Z', 'EXPIRED', 'not sent in time; nothing has left', NULL),
	(5, '2020-01-31 23:59:59.9Z', 'EXECUTED_WITHWARNING', NULL, NULL),
	(6, '2020-02-13 12:00Z', NULL, NULL, NULL)) v (n, at, status, message, call);
-- of one that has gone nobody will tell
SELECT card.ended(7, '89049032001000000100000000000156', '2020-03-01 00:00Z', 'EXPIRED', NULL, NULL);
SELECT card.ended(8, card.eid(), now() - interval '29 days', 'EXECUTED_SUCCESS', NULL, 'of late');
SELECT smsr.move_operations(1);
SELECT * FROM card.where WHERE id < 8 ORDER BY id;
SET timezone = 'Asia/Tokyo';
SELECT smsr.move_operations();
SET timezone = 'UTC';
SELECT id, status, stands FROM card.where ORDER BY id;
SELECT smsr.move_operations();
SELECT count(*), count(DISTINCT id) FROM smsr.every_operation WHERE id < 1000;
-- once the card was asked, that one too
UPDATE smsr.euicc SET last_audit_at = now() WHERE eid = card.eid();
SELECT smsr.move_operations();
SET smsr.recent_operations = '28 d';
SELECT smsr.move_operations();
RESET smsr.recent_operations;
SELECT id, status, replace(stands, to_char(now() - interval '29 days', 'YYYYMM'), 'OF LATE') AS stands FROM card.where ORDER BY id;
-- it is read as before
SELECT what, says FROM smsr.why(2) WHERE what = 'stage';
SELECT smsr.unstick(2);
SELECT what, outcome FROM smsr.timeline(card.eid()) WHERE operation_id = 1;
SELECT id, status FROM smsr.my_operation WHERE id < 1000 ORDER BY id;

-- ---- the same call gives the same operation ----

SELECT smsr.enable_profile(card.eid(), card.iccid(2), call_id => 'of late');
SELECT eid = card.eid() AS same, operation_id = 8 AS known
	FROM smsr.request('audit_eis', ARRAY[card.eid(), card.eid()], call_ids => ARRAY['of late', 'new']);
SELECT smsr.update_subscription_address(card.eid(), card.iccid(2), '491', call_id => 'of late') = 8 AS known;
-- not for ever
SELECT smsr.enable_profile(card.eid(), card.iccid(2), call_id => 'first') > 1000 AS new;

-- ---- what has ended is not changed ----

UPDATE smsr.operation_history SET status = 'FAILED' WHERE id = 1;
DELETE FROM smsr.operation_history;
TRUNCATE smsr.operation_history;
TRUNCATE smsr.operation_history_202001;

-- ---- old months go ----

SELECT smsr.drop_history('audit_trail', '2020-02-01Z');
SELECT smsr.drop_history('operation_history', date_trunc('month', now()) + interval '1 second');
SELECT smsr.drop_history(NULL, now());
SELECT smsr.drop_history('operation_history', '2020-01-31Z');
SELECT smsr.drop_history('operation_history', '2020-02-01Z');
SELECT id FROM smsr.every_operation WHERE id < 1000 ORDER BY id;
-- by default nothing goes
SELECT smsr.keep_retentions();
INSERT INTO smsr.euicc_history (eid, until, version) VALUES (card.eid(), '2020-01-01', '{}');
INSERT INTO smsr.profile_history (eid, isdp_aid, until, version) VALUES
	(card.eid(), smsr.isdp_aid(16), '2020-01-01', '{}'), (card.eid(), smsr.isdp_aid(16), now(), '{}');
SET smsr.operation_retention = '365 d';
SET smsr.history_retention = '365 d';
SELECT count(*) FROM smsr.maintain(0);
SELECT id FROM smsr.every_operation WHERE id < 1000 ORDER BY id;
-- the default partition as a whole, or not
SELECT (SELECT count(*) FROM smsr.euicc_history) AS euicc, (SELECT count(*) FROM smsr.profile_history) AS profile;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'smsr.euicc_history_default'::regclass ORDER BY 1;
DELETE FROM smsr.profile_history;
SELECT function, status, details - 'before' AS details FROM smsr.audit_trail WHERE function = 'drop_history' ORDER BY position;

\set ECHO none
RESET smsr.operation_retention;
RESET smsr.history_retention;
SELECT card.forget('smsr.profile_history_default') \gset
SELECT format('DROP TABLE %s', inhrelid::regclass) FROM pg_inherits
	WHERE inhparent = 'smsr.operation_history'::regclass AND inhrelid <> 'smsr.operation_history_default'::regclass \gexec
\i sql/card_end.psql
