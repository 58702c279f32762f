-- A stand-in for the smsr extension: the functions that the gateway calls, with
-- their signatures, over tables that a test can fill and read.

DROP SCHEMA IF EXISTS smsr CASCADE;
CREATE SCHEMA smsr;
CREATE DOMAIN smsr.eid AS text;

-- what tests turn
CREATE TABLE smsr.knob (name text PRIMARY KEY, value text);

CREATE TABLE smsr.outbox (
	sms_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	gateway     text,                               -- NULL: any
	eid         smsr.eid NOT NULL DEFAULT '89001012012341234012345678901224',
	destination text NOT NULL,
	tp_pid      int NOT NULL DEFAULT 127,
	tp_dcs      int NOT NULL DEFAULT 246,
	tp_ud       bytea NOT NULL,
	validity    interval,
	state       text NOT NULL DEFAULT 'queued',     -- queued, claimed, submitted, refused
	lease_until timestamptz,
	claimed_by  text,
	claims      int NOT NULL DEFAULT 0,
	releases    int NOT NULL DEFAULT 0,
	not_before  timestamptz NOT NULL DEFAULT '-infinity',
	smsc_id     text,
	reason      text,
	temporary   int NOT NULL DEFAULT 0,
	report      text
);
CREATE INDEX ON smsr.outbox (sms_id) WHERE state IN ('queued', 'claimed');
CREATE INDEX ON smsr.outbox (smsc_id);

CREATE TABLE smsr.inbox (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at         timestamptz NOT NULL DEFAULT clock_timestamp(),
	originator text NOT NULL,
	tp_ud      bytea NOT NULL
);

CREATE TABLE smsr.report (at timestamptz DEFAULT clock_timestamp(), smsc_id text, state text, known boolean);
CREATE TABLE smsr.claim_log (at timestamptz DEFAULT clock_timestamp(), gateway text, asked int, got int);
CREATE TABLE smsr.tick_log (at timestamptz DEFAULT clock_timestamp());

CREATE FUNCTION smsr.knob(name text) RETURNS text LANGUAGE sql STABLE
	AS 'SELECT k.value FROM smsr.knob k WHERE k.name = $1';

CREATE FUNCTION smsr.claim_sms(gateway text, max_messages int, lease interval DEFAULT '30 s')
RETURNS TABLE (sms_id bigint, eid smsr.eid, destination text, tp_pid int, tp_dcs int, tp_ud bytea, validity interval)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
	n int;
BEGIN
	-- packets of so many messages are given out whole
	IF max_messages < smsr.knob('packet')::int THEN
		RETURN;
	END IF;
	RETURN QUERY
	WITH due AS (
		SELECT o.sms_id FROM smsr.outbox o
		WHERE (o.state = 'queued' OR o.state = 'claimed' AND o.lease_until < now())
		  AND (o.gateway IS NULL OR o.gateway = claim_sms.gateway) AND o.not_before <= now()
		ORDER BY o.sms_id LIMIT least(max_messages, smsr.knob('at_most')::int) FOR UPDATE SKIP LOCKED
	), claimed AS (
		UPDATE smsr.outbox o
		SET state = 'claimed', lease_until = now() + lease, claimed_by = claim_sms.gateway, claims = claims + 1
		FROM due WHERE o.sms_id = due.sms_id
		RETURNING o.*
	)
	SELECT c.sms_id, c.eid, c.destination, c.tp_pid, c.tp_dcs, c.tp_ud, c.validity FROM claimed c ORDER BY c.sms_id;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF smsr.knob('log_claims') IS NOT NULL THEN
		INSERT INTO smsr.claim_log (gateway, asked, got) VALUES (claim_sms.gateway, max_messages, n);
	END IF;
END $$;

CREATE FUNCTION smsr.sms_submitted(sms_ids bigint[], smsc_ids text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	IF smsr.knob('poison_submitted')::bigint = ANY (sms_ids) THEN
		RAISE EXCEPTION 'poisoned';
	END IF;
	UPDATE smsr.outbox o SET state = 'submitted', smsc_id = u.s
	FROM unnest(sms_ids, smsc_ids) AS u(i, s) WHERE o.sms_id = u.i;
END $$;

CREATE FUNCTION smsr.sms_refused(sms_id bigint, reason text, temporary boolean) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
	UPDATE smsr.outbox o
	SET state = CASE WHEN $3 THEN 'queued' ELSE 'refused' END, reason = $2,
	    temporary = o.temporary + $3::int,
	    not_before = now() + coalesce(smsr.knob('retry')::interval, '100 ms')
	WHERE o.sms_id = $1
$$;

CREATE FUNCTION smsr.sms_delivery_report(smsc_id text, state text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	IF smsr.knob('reports_fail') IS NOT NULL THEN
		RAISE EXCEPTION 'no reports today';
	END IF;
	UPDATE smsr.outbox o SET report = $2 WHERE o.smsc_id = $1;
	INSERT INTO smsr.report (smsc_id, state, known) VALUES ($1, $2, FOUND);
	RETURN 'noted';
END $$;

CREATE FUNCTION smsr.receive_sms(originator text, tp_ud bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	IF $1 = smsr.knob('poison') THEN
		RAISE EXCEPTION 'poisoned';
	ELSIF $1 = smsr.knob('held') THEN
		RAISE EXCEPTION 'canceling statement due to lock timeout' USING ERRCODE = 'lock_not_available';
	END IF;
	INSERT INTO smsr.inbox (originator, tp_ud) VALUES ($1, $2);
	RETURN 'stored';
END $$;

CREATE FUNCTION smsr.receive_sms(originators text[], tp_uds bytea[]) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
	answer text[];
BEGIN
	SELECT array_agg(smsr.receive_sms(u.o, u.d) ORDER BY u.n) INTO answer
	FROM unnest(originators, tp_uds) WITH ORDINALITY AS u(o, d, n);
	PERFORM pg_sleep(smsr.knob('receive_delay')::float8);
	RETURN answer;
END $$;

CREATE FUNCTION smsr.release_sms(sms_ids bigint[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
	n int;
BEGIN
	UPDATE smsr.outbox o SET state = 'queued', lease_until = NULL, releases = releases + 1
	WHERE o.sms_id = ANY (sms_ids) AND o.state = 'claimed';
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;

CREATE FUNCTION smsr.tick() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	INSERT INTO smsr.tick_log DEFAULT VALUES;
	RETURN 0;
END $$;

CREATE FUNCTION smsr.ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NOTIFY smsr_sms;
	RETURN NULL;
END $$;
CREATE TRIGGER ring AFTER INSERT ON smsr.outbox FOR EACH STATEMENT EXECUTE FUNCTION smsr.ring();

-- fails at commit, after the statement has returned its rows
CREATE FUNCTION smsr.refuse_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	IF smsr.knob('refuse_commit') IS NOT NULL THEN
		RAISE EXCEPTION 'not at commit';
	END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT ON smsr.inbox
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION smsr.refuse_commit();

-- the gateway's role calls these functions and reads nothing
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'smsr_gateway') THEN
		CREATE ROLE smsr_gateway LOGIN;
	END IF;
END $$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA smsr FROM PUBLIC;
GRANT USAGE ON SCHEMA smsr TO smsr_gateway;
GRANT EXECUTE ON FUNCTION smsr.claim_sms, smsr.sms_submitted, smsr.sms_refused, smsr.sms_delivery_report,
	smsr.receive_sms(text, bytea), smsr.receive_sms(text[], bytea[]), smsr.release_sms, smsr.tick TO smsr_gateway;
