-- Old months of the audit trail go, and what stays is verified from there on.
\set ECHO none
\i sql/card.psql
SET timezone = 'UTC';
CREATE FUNCTION card.a(n int) RETURNS smsr.eid LANGUAGE sql AS $$
	SELECT (d || lpad((98 - (d || '00')::numeric % 97)::text, 2, '0'))::smsr.eid
	FROM (SELECT '890010120123412340' || lpad(n::text, 12, '0')) AS v(d)
$$;
CREATE FUNCTION card.record(n int, number int) RETURNS void LANGUAGE sql AS $$
	SELECT smsr.record_audit(card.a(n), 'audit_eis', p_status => 'EXECUTED_SUCCESS', p_details => jsonb_build_object('number', number))
$$;
CREATE FUNCTION card.unlock() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t regclass;
BEGIN
	FOR t IN SELECT DISTINCT tgrelid::regclass FROM pg_trigger WHERE tgfoid = 'smsr.append_only'::regproc AND tgparentid = 0
	LOOP
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', t);
	END LOOP;
END $$;
CREATE FUNCTION card.lock() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT tgrelid::regclass AS rel, tgname FROM pg_trigger WHERE tgfoid = 'smsr.append_only'::regproc AND tgparentid = 0
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.rel, t.tgname);
	END LOOP;
END $$;
-- the past: when a record was recorded, and its chain with it
CREATE FUNCTION card.at(of smsr.eid, party text, at_number int, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r smsr.audit_trail;
	before bytea;
BEGIN
	UPDATE smsr.audit_trail t SET recorded_at = at
		WHERE t.eid IS NOT DISTINCT FROM of AND t.chain_party IS NOT DISTINCT FROM party AND t.number = at_number;
	FOR r IN SELECT * FROM smsr.audit_trail t WHERE t.eid IS NOT DISTINCT FROM of AND t.chain_party IS NOT DISTINCT FROM party ORDER BY number
	LOOP
		before := smsr.audit_link(before, r.number, smsr.audit_digest(r));
		UPDATE smsr.audit_trail t SET hash = before
			WHERE t.eid IS NOT DISTINCT FROM of AND t.chain_party IS NOT DISTINCT FROM party AND t.number = r.number;
	END LOOP;
	UPDATE smsr.audit_head h SET hash = before WHERE h.eid IS NOT DISTINCT FROM of AND h.chain_party IS NOT DISTINCT FROM party;
END $$;
CREATE VIEW card.found AS
	SELECT right(eid::text, 4) AS eid, right(chain_party, 2) AS party, number, audit_position AS position, what FROM smsr.audit_verify();
CREATE VIEW card.left AS
	SELECT right(eid::text, 4) AS eid, right(chain_party, 2) AS party, number, to_char(recorded_at, 'YYYY-MM') AS month
	FROM smsr.audit_trail WHERE recorded_at < '2021-01-01';
CREATE VIEW card.goes_on AS
	SELECT right(eid::text, 4) AS eid, right(chain_party, 2) AS party, number, position, cut FROM smsr.audit_start;
SELECT card.forget_audit_trail() AS forgotten \gset
\set VERBOSITY default
\set SHOW_CONTEXT never
\set ECHO all

SELECT smsr.make_partition('audit_trail', m::date) FROM unnest('{2020-01-01,2020-02-01,2020-03-01}'::date[]) m;
SELECT smsr.make_partition('audit_trail', date_trunc('month', now())::date) AS present;
-- chains that end in January, that go on, that begin later, and one in which a clock was set back
SELECT count(card.record(c, n)) FROM (VALUES (1, 1), (2, 1), (1, 2), (3, 1), (2, 2), (3, 2), (2, 3), (3, 3), (1, 3), (3, 4), (1, 4), (4, 1)) v (c, n);
SELECT smsr.record_audit(NULL, 'get_eis', p_requester => '1.3.6.1.4.1.99999.30', p_status => 'FAILED') FROM generate_series(1, 2);
BEGIN;
SELECT card.unlock();
SELECT card.at(card.a(c), NULL, n, m::timestamptz) FROM (VALUES (1, 1, '2020-01-02'), (1, 2, '2020-01-03'), (1, 3, '2020-02-02'),
	(2, 1, '2020-01-04'), (2, 2, '2020-01-05'), (2, 3, '2020-01-31 23:59:59.999999'),
	(3, 1, '2020-01-05'), (3, 2, '2020-02-01'), (3, 3, '2020-01-31'), (3, 4, '2020-02-03')) v (c, n, m);
UPDATE smsr.audit_trail SET chain_party = '1.3.6.1.4.1.99999.30' WHERE function = 'get_eis';
UPDATE smsr.audit_head SET chain_party = '1.3.6.1.4.1.99999.30' WHERE eid IS NULL;
SELECT card.at(NULL, '1.3.6.1.4.1.99999.30', 1, '2020-01-07');
SELECT card.lock();
COMMIT;
SELECT * FROM card.left ORDER BY 1, 2, 3;
SELECT * FROM card.found;

-- ---- when nothing goes ----

SELECT smsr.drop_history('audit_trail', '2020-02-01Z');
SELECT smsr.drop_audit_trail(NULL);
SELECT smsr.drop_audit_trail(date_trunc('month', now()) + interval '1 second');
SELECT smsr.drop_audit_trail('2020-01-31Z');
-- nobody has said what it was
SELECT smsr.drop_audit_trail('2020-02-01Z');
-- or nobody who has the KEK
BEGIN;
UPDATE smsr.storage_key SET state = 'retired';
SELECT smsr.take_checkpoint();
SELECT smsr.drop_audit_trail('2020-02-01Z');
ROLLBACK;
SELECT smsr.take_checkpoint();
SELECT card.record(1, 5);
SELECT smsr.take_checkpoint();
-- it is not what it was
BEGIN;
SELECT card.unlock();
UPDATE smsr.audit_trail SET status = 'FAILED' WHERE eid = card.a(2) AND number = 2;
SELECT smsr.drop_audit_trail('2020-02-01Z');
ROLLBACK;
BEGIN;
SELECT card.unlock();
DELETE FROM smsr.audit_trail WHERE position = 8;
SELECT smsr.drop_audit_trail('2020-02-01Z');
ROLLBACK;
BEGIN;
UPDATE smsr.storage_key SET wrapped = set_byte(wrapped, 5, get_byte(wrapped, 5) # 1);
SELECT smsr.drop_audit_trail('2020-02-01Z');
ROLLBACK;
-- others may record what it has not seen
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT smsr.drop_audit_trail('2020-02-01Z');
ROLLBACK;
SELECT count(*) FROM card.left;
SELECT smsr.export_checkpoint(1) AS anchor, smsr.export_checkpoint(2) AS younger \gset

-- ---- January goes, after a second person has said so ----

CREATE ROLE regress_smsr_eyes;
INSERT INTO smsr.approval_rule (function, approver_role, set_by) VALUES ('drop_audit_trail', 'regress_smsr_eyes', 'x');
SELECT smsr.drop_audit_trail('2020-02-01Z');
SELECT function, what, approver_roles FROM smsr.approval;
-- a setting is no second person
SET smsr.audit_retention = '365 d';
SELECT smsr.keep_retentions();
UPDATE smsr.approval SET decision = 'approved', decided_by = 'regress_smsr_eyes', decided_session = 'somebody', decided_at = now();
SELECT smsr.drop_audit_trail('2020-02-01Z');
SELECT smsr.drop_audit_trail('2020-02-01Z') IS NULL AS again;
DELETE FROM smsr.approval;
DELETE FROM smsr.approval_rule;
RESET smsr.audit_retention;
SELECT * FROM card.left ORDER BY 1, 2, 3;
SELECT * FROM card.goes_on ORDER BY 1, 2, 3;
SELECT id, checkpoint, last_position, dropped, kept, starts FROM smsr.audit_cut;
SELECT function, status, approved_by, details - 'hash' AS details FROM smsr.audit_trail WHERE function IN ('drop_audit_trail', 'take_checkpoint') ORDER BY position;
SELECT * FROM card.found;
-- a chain of which nothing is left goes on
SELECT card.record(2, 4), card.record(2, 5);
SELECT right(eid::text, 4) AS eid, number FROM smsr.audit_head WHERE eid = card.a(2);
SELECT * FROM card.found;
-- what was taken away
SELECT sound, regexp_replace(what, 'at .*', 'at ..') AS what FROM smsr.verify_checkpoint(:'anchor');
SELECT * FROM smsr.verify_checkpoint(:'younger');
SELECT sound, regexp_replace(what, 'at .*', 'at ..') AS what FROM smsr.verify_checkpoint(replace(:'anchor', '"records":14', '"records":13'));
-- without a database
\pset tuples_only on
\pset format unaligned
\o |scripts/verify-audit-trail.pl
SELECT smsr.export_trail() UNION ALL SELECT smsr.export_checkpoint(id) FROM smsr.audit_checkpoint UNION ALL SELECT smsr.export_cut();
\o
-- and it misses what is not there
\o |scripts/verify-audit-trail.pl
SELECT l FROM smsr.export_trail() l WHERE l NOT LIKE '%"position":9,%' UNION ALL SELECT smsr.export_checkpoint(id) FROM smsr.audit_checkpoint UNION ALL SELECT smsr.export_cut();
\o
\o |scripts/verify-audit-trail.pl
SELECT smsr.export_trail() UNION ALL SELECT smsr.export_checkpoint(id) FROM smsr.audit_checkpoint UNION ALL SELECT l FROM smsr.export_cut() l WHERE l NOT LIKE '{"start":3,%';
\o
\pset tuples_only off
\pset format aligned

-- ---- what a superuser does now ----

-- a month by hand
BEGIN;
DROP TABLE smsr.audit_trail_202002;
SELECT * FROM card.found;
SELECT sound FROM smsr.verify_checkpoint(:'anchor');
ROLLBACK;
-- one record that was kept
BEGIN;
SELECT card.unlock();
DELETE FROM smsr.audit_trail WHERE eid = card.a(1) AND number = 3;
SELECT * FROM card.found;
-- and says that it had been dropped
UPDATE smsr.audit_start s SET number = 3, hash = (SELECT h.hash FROM smsr.audit_head h WHERE h.eid = s.eid) WHERE eid = card.a(1);
SELECT * FROM card.found;
ROLLBACK;
-- a whole chain, and what is left of another
BEGIN;
SELECT card.unlock();
DELETE FROM smsr.audit_start WHERE eid = card.a(2);
SELECT * FROM card.found;
ROLLBACK;
BEGIN;
SELECT card.unlock();
DELETE FROM smsr.audit_trail WHERE eid = card.a(2);
DELETE FROM smsr.audit_head WHERE eid = card.a(2);
SELECT * FROM card.found;
ROLLBACK;
BEGIN;
SELECT card.unlock();
DELETE FROM smsr.audit_trail WHERE eid = card.a(2);
UPDATE smsr.audit_head h SET number = 3, hash = sha256('') WHERE eid = card.a(2);
SELECT * FROM card.found;
ROLLBACK;
-- what has gone comes back otherwise: as the first, and as the last of them
BEGIN;
SELECT card.unlock();
INSERT INTO smsr.audit_trail (eid, number, recorded_at, smsr_id, operation_date, operation_type, hash)
	SELECT r.eid, 1, r.recorded_at, r.smsr_id, r.operation_date, r.operation_type, smsr.audit_digest(r)
	FROM jsonb_populate_record(NULL::smsr.audit_trail, jsonb_build_object('eid', card.a(3), 'recorded_at', now(), 'smsr_id', '1.2',
		'operation_date', '2020-01-05T00:00Z', 'operation_type', '\x0100')) r;
SELECT eid, party, number, what FROM card.found;
ROLLBACK;
BEGIN;
SELECT card.unlock();
INSERT INTO smsr.audit_trail (eid, number, recorded_at, smsr_id, operation_date, operation_type, hash)
	SELECT s.eid, s.number, now(), '1.2', now(), '\x0100', s.hash FROM smsr.audit_start s WHERE eid = card.a(2);
SELECT eid, party, number, what FROM card.found;
ROLLBACK;
-- a cut that nobody made, one that is not there any more, one that is another
BEGIN;
SELECT card.unlock();
INSERT INTO smsr.audit_cut SELECT n.* FROM smsr.audit_cut c, jsonb_populate_record(c, jsonb_build_object('id', 2, 'previous', c.hash)) n;
UPDATE smsr.audit_cut c SET hash = smsr.audit_cut_hash(c) WHERE id = 2;
SELECT * FROM card.found;
ROLLBACK;
BEGIN;
SELECT card.unlock();
DELETE FROM smsr.audit_cut;
SELECT count(*) AS faults, count(*) FILTER (WHERE what = 'cut 1: missing') AS named FROM card.found;
ROLLBACK;
BEGIN;
SELECT card.unlock();
UPDATE smsr.audit_cut SET kept = kept - 1;
SELECT * FROM card.found;
UPDATE smsr.audit_cut c SET hash = smsr.audit_cut_hash(c);
SELECT * FROM card.found;
ROLLBACK;
-- the whole of it by hand, all anew, but for a seal
BEGIN;
SELECT card.unlock();
DELETE FROM smsr.audit_trail WHERE recorded_at < '2020-03-01' AND eid = card.a(1);
UPDATE smsr.audit_start s SET number = 3, hash = '\x00' || substr(hash, 2) WHERE eid = card.a(1);
INSERT INTO smsr.audit_cut SELECT n.* FROM smsr.audit_cut c, smsr.audit_starts() s,
	jsonb_populate_record(c, jsonb_build_object('id', 2, 'previous', c.hash, 'starts', s.starts, 'starts_digest', s.digest, 'kept', c.kept - 1,
		'kept_digest', (SELECT smsr.audit_fold(t.position, t.hash ORDER BY t.position) FROM smsr.audit_trail t WHERE t.position <= c.last_position))) n;
UPDATE smsr.audit_cut c SET hash = smsr.audit_cut_hash(c) WHERE id = 2;
SELECT smsr.record_audit(NULL, 'drop_audit_trail', p_details => jsonb_build_object('cut', 2, 'hash', encode(hash, 'hex'))) FROM smsr.audit_cut WHERE id = 2;
SELECT eid, party, number, what FROM card.found;
ROLLBACK;
-- with the triggers in place
UPDATE smsr.audit_start SET number = 9;
DELETE FROM smsr.audit_start;
TRUNCATE smsr.audit_start;
UPDATE smsr.audit_cut SET dropped = 0;
DELETE FROM smsr.audit_cut;
TRUNCATE smsr.audit_cut;
SELECT count(*) AS triggers, bool_and(tgenabled = 'A') AS always FROM pg_trigger
	WHERE tgrelid IN ('smsr.audit_start'::regclass, 'smsr.audit_trail_default'::regclass, 'smsr.audit_cut'::regclass);

-- ---- by setting ----

SELECT smsr.keep_retentions();
SET smsr.audit_retention = '365 d';
SET smsr.maintain_checkpoint = on;
SELECT max(id) AS before FROM smsr.audit_checkpoint \gset
-- February and an empty March go; of the default partition nothing is there
SELECT count(smsr.maintain(0)), count(*) FROM (VALUES (1)) v;
SELECT max(id) - :before AS checkpoints FROM smsr.audit_checkpoint;
SELECT * FROM card.left;
SELECT * FROM card.goes_on ORDER BY 1, 2, 3;
SELECT id, dropped, starts FROM smsr.audit_cut ORDER BY id;
SELECT * FROM card.found;
SELECT smsr.keep_retentions();
-- what comes late, from another shard, is in the default partition
BEGIN;
SELECT card.record(4, 2);
SELECT card.unlock();
SELECT card.at(card.a(4), NULL, 2, '2020-05-01');
SELECT card.lock();
COMMIT;
SELECT smsr.keep_retentions();
SELECT smsr.take_checkpoint() IS NOT NULL AS covered;
SELECT smsr.keep_retentions();
SELECT * FROM card.goes_on WHERE cut = 3;
SELECT count(*) FROM smsr.audit_trail_default;
SELECT card.record(4, 3);
SELECT * FROM card.found;
\pset tuples_only on
\pset format unaligned
\o |scripts/verify-audit-trail.pl
SELECT smsr.export_trail() UNION ALL SELECT smsr.export_checkpoint(id) FROM smsr.audit_checkpoint UNION ALL SELECT smsr.export_cut();
\o

\set ECHO none
RESET smsr.audit_retention;
RESET smsr.maintain_checkpoint;
DROP ROLE regress_smsr_eyes;
SELECT format('DROP TABLE smsr.audit_trail_%s', to_char(now(), 'YYYYMM')) \gexec
\i sql/card_end.psql
