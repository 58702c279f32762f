-- What operators do while it runs: limits of binds, a campaign that its brake halts,
-- checkpoints, and old months that are dropped.  And the second books of it.

-- ---- limits ----

-- Each claim under a limit: when by its account, how much, and how much it may.
CREATE TABLE chaos.paced (xid xid8, gateway text, at bigint, per_second int, ahead float8, PRIMARY KEY (xid, gateway, at));
CREATE TABLE chaos.claimed (xid xid8, gateway text, messages int);

-- A claim holds its bind's account until it is over, and so does who sets the limit:
-- what stands there is what the claim went by.  Microseconds stand behind two octets.
CREATE FUNCTION chaos.keep_pace() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	AS $$
	BEGIN
		INSERT INTO chaos.paced
			SELECT pg_current_xact_id(), NEW.gateway, ('x' || encode(substr(NEW.pace, 3, 8), 'hex'))::bit(64)::bigint,
				l.per_second, extract(epoch FROM l.ahead)
			FROM smsr.gateway_limit l WHERE l.gateway = NEW.gateway
			ON CONFLICT DO NOTHING;
		RETURN NULL;
	END $$;
CREATE TRIGGER keep_pace AFTER UPDATE ON smsr.gateway_pace FOR EACH ROW
	WHEN (NEW.pace IS DISTINCT FROM OLD.pace) EXECUTE FUNCTION chaos.keep_pace();

-- The parts of its packet that no SMSC has accepted yet
CREATE FUNCTION chaos.keep_claim() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	AS $$
	BEGIN
		INSERT INTO chaos.claimed VALUES (pg_current_xact_id(), NEW.gateway, NEW.segments - bit_count(NEW.accepted::bit(32)));
		RETURN NULL;
	END $$;
CREATE TRIGGER keep_claim AFTER UPDATE ON smsr.outbound FOR EACH ROW
	WHEN (NEW.attempts > OLD.attempts AND NEW.gateway IS NOT NULL) EXECUTE FUNCTION chaos.keep_claim();

-- The second that ends with each of them.  With time ahead it holds what has its place
-- in so much more, at the largest limit that was set meanwhile.
CREATE VIEW chaos.seconds AS
	SELECT c.gateway, c.at, c.messages, c.per_second, c.ahead,
		sum(c.messages) OVER second AS in_second,
		CASE WHEN c.ahead = 0 THEN c.per_second
			ELSE max(c.per_second) OVER second * ceil(1 + max(c.ahead) OVER second) END AS most
	FROM (SELECT p.*, (SELECT coalesce(sum(m.messages), 0) FROM chaos.claimed m WHERE m.xid = p.xid AND m.gateway = p.gateway) AS messages
		FROM chaos.paced p) c
	WHERE c.messages > 0
	WINDOW second AS (PARTITION BY c.gateway ORDER BY c.at RANGE BETWEEN 999999 PRECEDING AND CURRENT ROW);

-- ---- histories ----

-- The months before: of each history some, and of every other card's audit trail the beginning.
SELECT smsr.make_partition(h, '2020-01-01') FROM unnest('{message,operation_history,audit_trail}'::name[]) h;
INSERT INTO smsr.message (at, direction, outcome) SELECT '2020-01-10', 'out', 'lost' FROM generate_series(1, 100);
INSERT INTO smsr.operation_history (id, eid, function, requester_id, stage, failed, warned, exclusive, status, requested_at, expires_at, stage_at, finished_at)
	SELECT c.n, c.eid, 'audit_eis', '1.3.6.1.4.1.99999.3', 'finished', false, false, true, 'EXECUTED_SUCCESS', '2020-01-10', '2020-01-11', '2020-01-10', '2020-01-10'
	FROM chaos.card c;
-- for a party that nobody knows any more
INSERT INTO smsr.notice (party_id, eid, kind, created_at)
	SELECT '1.3.6.1.4.1.99999.77', c.eid, 'HandleProfileEnabled', '2020-01-10' FROM chaos.card c;

DO $$
DECLARE
	t record;
	r smsr.audit_trail;
	before bytea;
	of smsr.eid;
BEGIN
	FOR t IN SELECT DISTINCT tgrelid::regclass AS rel FROM pg_trigger WHERE tgfoid = 'smsr.append_only'::regproc AND tgparentid = 0 LOOP
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', t.rel);
	END LOOP;
	UPDATE smsr.audit_trail a SET recorded_at = '2020-01-10'
		WHERE a.number = 1 AND a.eid IN (SELECT c.eid FROM chaos.card c WHERE c.n % 2 = 0);
	-- the digest of a record has its time, and the chain that
	FOR of IN SELECT c.eid FROM chaos.card c WHERE c.n % 2 = 0 LOOP
		before := NULL;
		FOR r IN SELECT * FROM smsr.audit_trail a WHERE a.eid = of ORDER BY a.number LOOP
			before := smsr.audit_link(before, r.number, smsr.audit_digest(r));
			UPDATE smsr.audit_trail a SET hash = before WHERE a.eid = of AND a.number = r.number;
		END LOOP;
		UPDATE smsr.audit_head h SET hash = before WHERE h.eid = of;
	END LOOP;
	FOR t IN SELECT tgrelid::regclass AS rel, tgname FROM pg_trigger WHERE tgfoid = 'smsr.append_only'::regproc AND tgparentid = 0 LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.rel, t.tgname);
	END LOOP;
END $$;

-- What is left of those months
CREATE VIEW chaos.old AS
	SELECT 'message' AS history, count(*) FROM smsr.message WHERE at < '2021-01-01'
	UNION ALL SELECT 'operation_history', count(*) FROM smsr.operation_history WHERE finished_at < '2021-01-01'
	UNION ALL SELECT 'notice', count(*) FROM smsr.notice WHERE created_at < '2021-01-01'
	UNION ALL SELECT 'audit_trail', count(*) FROM smsr.audit_trail WHERE recorded_at < '2021-01-01';
