-- What smsr.tick() can not do is in nobody's way, and is shown.
\set ECHO none
\i sql/card.psql
\set ECHO all
-- two cards whose audits have run out of time; the first's can not end
SELECT card.reset();
SELECT count(*) FROM smsr.request('audit_eis', ARRAY[card.eid(1), card.eid(2)]);
UPDATE smsr.operation SET expires_at = now() - interval '1 s' WHERE status IS NULL;
CREATE FUNCTION card.broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = 'SM001'; END $$;
SELECT format('CREATE TRIGGER broken BEFORE UPDATE ON smsr.operation FOR EACH ROW WHEN (new.eid::text = %L) EXECUTE FUNCTION card.broken()',
	card.eid(1)) \gexec
SELECT smsr.tick();
SELECT p.eid = card.eid(1) AS first, p.status FROM smsr.operation p ORDER BY 1 DESC;
SELECT what, eid = card.eid(1) AS first, operation_id = (SELECT id FROM smsr.operation WHERE eid = card.eid(1)) AS its_operation,
	fault, sqlstate, times, next_at - last_at < interval '11 s' AS soon FROM smsr.tick_fault;
SELECT what, about, eids = ARRAY[card.eid(1)] AS first FROM smsr.incident;
-- not again each second
SELECT smsr.tick();
SELECT times FROM smsr.tick_fault;
UPDATE smsr.tick_fault SET next_at = now();
SELECT smsr.tick();
SELECT times, next_at > now() + interval '15 s' AS later FROM smsr.tick_fault;
UPDATE smsr.tick_fault SET next_at = now(), times = 1000;
SELECT smsr.tick();
SELECT times, next_at <= now() + interval '1 hour' AS within_an_hour FROM smsr.tick_fault;
-- and when it can be done it is
DROP TRIGGER broken ON smsr.operation;
UPDATE smsr.tick_fault SET next_at = now();
SELECT smsr.tick();
SELECT p.eid = card.eid(1) AS first, p.status FROM smsr.operation p ORDER BY 1 DESC;
SELECT count(*) FROM smsr.tick_fault;

-- a part of it: the others are done
SELECT card.reset();
SELECT smsr.audit_eis(card.eid()) AS op \gset
UPDATE smsr.operation SET expires_at = now() - interval '1 s' WHERE status IS NULL;
ALTER FUNCTION smsr.end_grace() RENAME TO end_grace_kept;
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT what, eid, fault, times FROM smsr.tick_fault;
ALTER FUNCTION smsr.end_grace_kept() RENAME TO end_grace;
UPDATE smsr.tick_fault SET next_at = now();
SELECT smsr.tick();
SELECT count(*) FROM smsr.tick_fault;
SELECT * FROM card.faults();

\set ECHO none
\i sql/card_end.psql
