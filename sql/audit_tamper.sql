-- What a superuser does to the audit trail with its triggers out of the way is
-- found, and named.
\set ECHO none
\i sql/card.psql
\set ECHO all
CREATE FUNCTION pg_temp.eid(n int) RETURNS smsr.eid LANGUAGE sql AS $$
	SELECT (d || lpad((98 - (d || '00')::numeric % 97)::text, 2, '0'))::smsr.eid
	FROM (SELECT '890010120123412340' || lpad(n::text, 12, '0')) AS v(d)
$$;
CREATE FUNCTION pg_temp.record(n int, function text) RETURNS void LANGUAGE sql AS $$
	SELECT smsr.record_audit(pg_temp.eid(n), function, p_status => 'EXECUTED_SUCCESS', p_details => jsonb_build_object('of', n))
$$;
CREATE FUNCTION pg_temp.unlock() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t regclass;
BEGIN
	FOR t IN SELECT DISTINCT tgrelid::regclass FROM pg_trigger WHERE tgfoid = 'smsr.append_only'::regproc AND tgparentid = 0
	LOOP
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', t);
	END LOOP;
END $$;
CREATE VIEW pg_temp.found AS
	SELECT right(eid::text, 4) AS eid, number, audit_position AS position, what FROM smsr.audit_verify();
CREATE FUNCTION pg_temp.relink(of smsr.eid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r smsr.audit_trail;
	before bytea;
BEGIN
	FOR r IN SELECT * FROM smsr.audit_trail t WHERE t.eid = of ORDER BY number
	LOOP
		before := smsr.audit_link(before, r.number, smsr.audit_digest(r));
		UPDATE smsr.audit_trail t SET hash = before WHERE t.eid = of AND t.number = r.number;
	END LOOP;
	UPDATE smsr.audit_head h SET hash = before WHERE h.eid = of;
END $$;

SELECT card.forget_audit_trail() AS forgotten \gset
-- a month's partition, so that the records are not all in the default one
SELECT smsr.make_partition('audit_trail', date_trunc('month', now())::date);
SELECT smsr.make_partition('audit_trail', date_trunc('month', now())::date);
SELECT format('smsr.audit_trail_%s', to_char(now(), 'YYYYMM')) AS partition \gset
SELECT count(*) AS triggers, bool_and(tgenabled = 'A') AS always FROM pg_trigger WHERE tgrelid = :'partition'::regclass;
-- of an empty trail
SELECT smsr.take_checkpoint();
SELECT count(pg_temp.record(n % 3 + 1, f)) FROM unnest('{create_isdp,enable_profile,disable_profile,audit_eis,delete_profile}'::text[]) WITH ORDINALITY u (f, m),
	generate_series(1, 3) n;
SELECT smsr.record_audit(NULL, 'register_party');
SELECT smsr.take_checkpoint();
SELECT count(pg_temp.record(n, 'audit_eis')) FROM generate_series(2, 4) n;
SELECT smsr.take_checkpoint();
SELECT count(pg_temp.record(n, 'audit_eis')) FROM generate_series(3, 5) n;
SELECT id, first_position, last_position, records, seal IS NOT NULL AS sealed FROM smsr.audit_checkpoint ORDER BY id;
SELECT * FROM pg_temp.found;
-- of the time from one record to another
SELECT v.* FROM smsr.audit_trail a, smsr.audit_trail b, smsr.audit_verify(a.recorded_at, b.recorded_at) v
WHERE (a.eid, a.number) = (pg_temp.eid(2), 3) AND (b.eid, b.number) = (pg_temp.eid(1), 4);
SELECT smsr.export_checkpoint(2) AS anchor \gset
SELECT * FROM smsr.verify_checkpoint(:'anchor');

-- ---- records ----

-- changed
BEGIN;
SELECT pg_temp.unlock();
UPDATE smsr.audit_trail SET status = 'FAILED' WHERE eid = pg_temp.eid(2) AND number = 3;
UPDATE smsr.audit_trail SET recorded_at = recorded_at + interval '1 us' WHERE eid IS NULL AND number = 2;
UPDATE smsr.audit_trail SET details = details || '{"more": 1}' WHERE eid = pg_temp.eid(5);
SELECT * FROM pg_temp.found;
SELECT * FROM smsr.verify_checkpoint(:'anchor');
ROLLBACK;
-- with a hash that fits
BEGIN;
SELECT pg_temp.unlock();
UPDATE smsr.audit_trail t SET status = 'FAILED' WHERE eid = pg_temp.eid(2) AND number = 3;
UPDATE smsr.audit_trail t SET hash = smsr.audit_link((SELECT hash FROM smsr.audit_trail b WHERE b.eid = t.eid AND b.number = 2), 3, smsr.audit_digest(t))
	WHERE eid = pg_temp.eid(2) AND number = 3;
SELECT * FROM pg_temp.found;
ROLLBACK;
-- given to another eUICC
BEGIN;
SELECT pg_temp.unlock();
UPDATE smsr.audit_trail SET eid = pg_temp.eid(9) WHERE eid = pg_temp.eid(5);
SELECT * FROM pg_temp.found;
ROLLBACK;
-- deleted
BEGIN;
SELECT pg_temp.unlock();
DELETE FROM smsr.audit_trail WHERE eid = pg_temp.eid(1) AND number = 2 OR eid = pg_temp.eid(2) AND number = 1
	OR eid = pg_temp.eid(3) AND number BETWEEN 2 AND 4;
SELECT * FROM pg_temp.found;
SELECT * FROM smsr.verify_checkpoint(:'anchor');
ROLLBACK;
-- the newest ones deleted
BEGIN;
SELECT pg_temp.unlock();
DELETE FROM smsr.audit_trail WHERE eid = pg_temp.eid(3) AND number >= 6 OR eid = pg_temp.eid(4) AND number = 2;
SELECT * FROM pg_temp.found;
SELECT right(eid::text, 4) AS eid, number, what FROM smsr.audit_verify(now() - interval '1 day', now() + interval '1 day');
ROLLBACK;
-- and their heads set back
BEGIN;
SELECT pg_temp.unlock();
DELETE FROM smsr.audit_trail WHERE eid = pg_temp.eid(2) AND number = 6;
UPDATE smsr.audit_head h SET number = 5, hash = (SELECT t.hash FROM smsr.audit_trail t WHERE t.eid = h.eid AND number = 5) WHERE h.eid = pg_temp.eid(2);
SELECT * FROM pg_temp.found;
ROLLBACK;
-- inserted: beside another, and at the end, with a hash that fits
BEGIN;
SELECT pg_temp.unlock();
INSERT INTO smsr.audit_trail (eid, number, recorded_at, smsr_id, operation_date, operation_type, hash)
	VALUES (pg_temp.eid(2), 3, now() - interval '2 months', '1.2', now(), '\x0100', sha256(''));
INSERT INTO smsr.audit_trail (eid, number, position, recorded_at, smsr_id, operation_date, operation_type, hash)
	SELECT r.eid, r.number, r.position, r.recorded_at, r.smsr_id, r.operation_date, r.operation_type, smsr.audit_link(t.hash, r.number, smsr.audit_digest(r))
	FROM smsr.audit_trail t, LATERAL (SELECT t.eid, t.number + 1 AS number, t.position + 100 AS position, now() AS recorded_at, '1.2' AS smsr_id,
		now() AS operation_date, '\x0100'::bytea AS operation_type) v,
		LATERAL jsonb_populate_record(NULL::smsr.audit_trail, to_jsonb(v)) r
	WHERE t.eid = pg_temp.eid(1) AND t.number = 5;
SELECT eid, number, what FROM pg_temp.found;
ROLLBACK;
-- a chain that nobody has recorded
BEGIN;
SELECT pg_temp.unlock();
INSERT INTO smsr.audit_trail (eid, number, position, recorded_at, smsr_id, operation_date, operation_type, hash)
	SELECT pg_temp.eid(7), 1, 5, now(), '1.2', now(), '\x0100', sha256('');
SELECT * FROM pg_temp.found;
ROLLBACK;
-- reordered: two numbers exchanged, two positions
BEGIN;
SELECT pg_temp.unlock();
DO $$
DECLARE
	i regclass;
BEGIN
	FOR i IN SELECT indexrelid FROM pg_index WHERE indrelid = ANY (ARRAY(SELECT relid FROM pg_partition_tree('smsr.audit_trail'))) AND indisunique
		AND indrelid <> 'smsr.audit_trail_default'::regclass
	LOOP
		EXECUTE format('DROP INDEX %s', i);
	END LOOP;
END $$;
UPDATE smsr.audit_trail SET number = 7 - number WHERE eid = pg_temp.eid(2) AND number IN (3, 4);
UPDATE smsr.audit_trail SET position = 27 - position WHERE eid = pg_temp.eid(1) AND number IN (2, 3);
SELECT * FROM pg_temp.found;
ROLLBACK;
-- emptied: a partition, and one dropped
BEGIN;
SELECT pg_temp.unlock();
TRUNCATE :partition;
SELECT * FROM pg_temp.found;
ROLLBACK;
BEGIN;
DROP TABLE :partition;
SELECT count(*) FROM pg_temp.found;
SELECT * FROM smsr.verify_checkpoint(:'anchor');
ROLLBACK;

-- ---- whole chains ----

BEGIN;
SELECT pg_temp.unlock();
DELETE FROM smsr.audit_trail WHERE eid = pg_temp.eid(1);
SELECT * FROM pg_temp.found;
-- with its head: only a checkpoint knows that there was one
DELETE FROM smsr.audit_head WHERE eid = pg_temp.eid(1);
SELECT * FROM pg_temp.found;
ROLLBACK;
-- heads alone
BEGIN;
SELECT pg_temp.unlock();
DELETE FROM smsr.audit_head WHERE eid = pg_temp.eid(1);
UPDATE smsr.audit_head SET hash = sha256('') WHERE eid = pg_temp.eid(2);
UPDATE smsr.audit_head SET number = number - 1 WHERE eid = pg_temp.eid(3);
UPDATE smsr.audit_head SET number = number + 1 WHERE eid = pg_temp.eid(4);
SELECT * FROM pg_temp.found;
ROLLBACK;
-- written anew and consistently, head and all
BEGIN;
SELECT pg_temp.unlock();
UPDATE smsr.audit_trail SET requested_by = 'somebody' WHERE eid = pg_temp.eid(2) AND number = 2;
SELECT pg_temp.relink(pg_temp.eid(2));
SELECT * FROM pg_temp.found;
SELECT * FROM smsr.verify_checkpoint(:'anchor');
ROLLBACK;

-- ---- chains of parties ----

BEGIN;
CREATE ROLE regress_smsr_nobody;
CREATE FUNCTION public.refused(party int, function text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	SELECT smsr.record_audit(NULL, function, p_requester => '1.3.6.1.4.1.99999.' || party, p_status => 'FAILED')
$$;
SET LOCAL ROLE regress_smsr_nobody;
SELECT count(public.refused(n % 2 + 30, 'get_eis')) FROM generate_series(1, 6) n;
RESET ROLE;
CREATE VIEW pg_temp.found_of AS
	SELECT right(eid::text, 4) AS eid, right(chain_party, 2) AS party, number, what FROM smsr.audit_verify();
SELECT chain_party, number FROM smsr.audit_head WHERE eid IS NULL ORDER BY chain_party;
SELECT * FROM pg_temp.found_of;
SELECT pg_temp.unlock();
SAVEPOINT sound;
-- changed, deleted, and the head of one
UPDATE smsr.audit_trail SET status = 'EXECUTED_SUCCESS' WHERE chain_party = '1.3.6.1.4.1.99999.30' AND number = 2;
DELETE FROM smsr.audit_trail WHERE chain_party = '1.3.6.1.4.1.99999.31' AND number = 3;
SELECT * FROM pg_temp.found_of;
ROLLBACK TO sound;
DELETE FROM smsr.audit_head WHERE chain_party = '1.3.6.1.4.1.99999.30';
UPDATE smsr.audit_head SET hash = sha256('') WHERE chain_party = '1.3.6.1.4.1.99999.31';
SELECT * FROM pg_temp.found_of;
ROLLBACK TO sound;
-- given to another party, to the SM-SR's own chain, to an eUICC
UPDATE smsr.audit_trail SET chain_party = '1.3.6.1.4.1.99999.32' WHERE chain_party = '1.3.6.1.4.1.99999.30';
UPDATE smsr.audit_head SET chain_party = '1.3.6.1.4.1.99999.32' WHERE chain_party = '1.3.6.1.4.1.99999.30';
UPDATE smsr.audit_trail SET chain_party = NULL, eid = pg_temp.eid(8) WHERE chain_party = '1.3.6.1.4.1.99999.31';
UPDATE smsr.audit_head SET chain_party = NULL, eid = pg_temp.eid(8) WHERE chain_party = '1.3.6.1.4.1.99999.31';
SELECT * FROM pg_temp.found_of;
ROLLBACK TO sound;
DELETE FROM smsr.audit_trail WHERE eid IS NULL AND chain_party IS NULL;
DELETE FROM smsr.audit_head WHERE eid IS NULL AND chain_party IS NULL;
UPDATE smsr.audit_trail SET chain_party = NULL WHERE chain_party = '1.3.6.1.4.1.99999.30';
UPDATE smsr.audit_head SET chain_party = NULL WHERE chain_party = '1.3.6.1.4.1.99999.30';
SELECT * FROM pg_temp.found_of;
ROLLBACK TO sound;
-- two parties' exchanged, heads and all
UPDATE smsr.audit_trail SET chain_party = '1.3.6.1.4.1.99999.x' || right(chain_party, 2) WHERE chain_party LIKE '%.3_';
UPDATE smsr.audit_trail SET chain_party = CASE right(chain_party, 2) WHEN '30' THEN '1.3.6.1.4.1.99999.31' ELSE '1.3.6.1.4.1.99999.30' END
	WHERE chain_party LIKE '%.x__';
UPDATE smsr.audit_head h SET hash = (SELECT t.hash FROM smsr.audit_trail t WHERE t.chain_party = h.chain_party ORDER BY t.number DESC LIMIT 1)
	WHERE h.chain_party LIKE '%.3_';
SELECT * FROM pg_temp.found_of;
ROLLBACK;

-- ---- checkpoints ----

-- one deleted, the newest deleted
BEGIN;
SELECT pg_temp.unlock();
DELETE FROM smsr.audit_checkpoint WHERE id = 2;
SELECT * FROM pg_temp.found;
SELECT * FROM smsr.verify_checkpoint(:'anchor');
ROLLBACK;
BEGIN;
SELECT pg_temp.unlock();
DELETE FROM smsr.audit_checkpoint WHERE id >= 2;
SELECT * FROM pg_temp.found;
ROLLBACK;
-- forged, with and without a hash that fits, with no seal, and all of them anew
BEGIN;
SELECT pg_temp.unlock();
UPDATE smsr.audit_checkpoint SET digest = sha256('') WHERE id = 2;
SELECT * FROM pg_temp.found;
UPDATE smsr.audit_checkpoint SET hash = smsr.checkpoint_hash(id, taken_at, smsr_id, first_position, last_position, records, digest, previous) WHERE id = 2;
SELECT * FROM pg_temp.found;
UPDATE smsr.audit_checkpoint SET seal = NULL WHERE id = 2;
SELECT * FROM pg_temp.found;
ROLLBACK;
-- a chain anew, checkpoints anew but for their seals, the record of them, too
BEGIN;
SELECT pg_temp.unlock();
UPDATE smsr.audit_trail SET requested_by = 'somebody' WHERE eid = pg_temp.eid(4) AND number = 1;
SELECT pg_temp.relink(pg_temp.eid(4));
UPDATE smsr.audit_checkpoint c SET digest = (SELECT smsr.audit_fold(t.position, t.hash ORDER BY t.position)
	FROM smsr.audit_trail t WHERE t.position BETWEEN c.first_position AND c.last_position) WHERE id = 3;
UPDATE smsr.audit_checkpoint SET hash = smsr.checkpoint_hash(id, taken_at, smsr_id, first_position, last_position, records, digest, previous) WHERE id = 3;
SELECT * FROM pg_temp.found;
SELECT smsr.export_checkpoint(3) AS forged \gset
ROLLBACK;
-- an anchor that is not ours
SELECT * FROM smsr.verify_checkpoint(:'forged');
SELECT * FROM smsr.verify_checkpoint(replace(:'anchor', '"records":1', '"records":2'));
SELECT * FROM smsr.verify_checkpoint('{}');
SELECT * FROM smsr.verify_checkpoint('[');
SELECT * FROM smsr.verify_checkpoint('{"checkpoint":"x"}');
-- nobody changes one with the triggers in place; a rotation seals them again
UPDATE smsr.audit_checkpoint SET records = 0;
UPDATE smsr.audit_checkpoint SET seal = NULL;
DELETE FROM smsr.audit_checkpoint;
TRUNCATE smsr.audit_checkpoint;
SELECT smsr.create_storage_key();
SELECT state, checkpoints FROM smsr.storage_key_use ORDER BY id;
UPDATE smsr.storage_key SET state = 'retired' WHERE id = 1;
SELECT smsr.destroy_storage_key(1);
UPDATE smsr.storage_key SET state = 'retiring' WHERE id = 1;
SELECT smsr.reseal_keys();
SELECT state, checkpoints FROM smsr.storage_key_use ORDER BY id;
SELECT smsr.destroy_storage_key(1);
SELECT * FROM pg_temp.found;
-- a forged one is not sealed
BEGIN;
SELECT pg_temp.unlock();
UPDATE smsr.audit_checkpoint SET seal = set_byte(seal, 40, get_byte(seal, 40) # 1) WHERE id = 2;
SELECT smsr.create_storage_key();
SELECT smsr.reseal_keys();
SELECT * FROM pg_temp.found;
ROLLBACK;
-- without the KEK nobody can say
BEGIN;
UPDATE smsr.storage_key SET wrapped = set_byte(wrapped, 5, get_byte(wrapped, 5) # 1);
SELECT * FROM pg_temp.found;
ROLLBACK;
-- when others may commit what it has not seen
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT smsr.take_checkpoint();
ROLLBACK;
SELECT * FROM pg_temp.found;

DROP TABLE :partition;
SELECT card.forget_audit_trail() AS forgotten \gset
\set ECHO none
\i sql/card_end.psql
