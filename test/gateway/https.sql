-- What the gateway's HTTPS server calls, beside stub.sql: each URI makes the
-- stand-in do one thing that the extension, or a database in trouble, may do.

DROP FUNCTION IF EXISTS smsr.https_psk, smsr.https_request, smsr.https_next, smsr.https_closed;

CREATE TABLE IF NOT EXISTS smsr.https_key (identity text PRIMARY KEY, key bytea NOT NULL);

CREATE TABLE smsr.https_call (
	n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at       timestamptz NOT NULL DEFAULT clock_timestamp(),
	call     text NOT NULL,                         -- psk, request, next, closed
	identity text,
	method   text,
	uri      text,
	headers  jsonb,
	body     bytea,
	gateway  text,
	session  text,
	reason   text
);
CREATE INDEX ON smsr.https_call (session);

-- what a held request is to be told; a row is a doorbell, too
CREATE TABLE smsr.https_say (uri text PRIMARY KEY, body bytea);
CREATE TRIGGER ring AFTER INSERT ON smsr.https_say FOR EACH STATEMENT EXECUTE FUNCTION smsr.ring();

CREATE FUNCTION smsr.https_psk(identity text) RETURNS bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	IF smsr.knob('https_quiet') IS NULL THEN
		INSERT INTO smsr.https_call (call, identity) VALUES ('psk', $1);
	END IF;
	PERFORM pg_sleep(smsr.knob('psk_delay')::float8);
	RETURN coalesce((SELECT k.key FROM smsr.https_key k WHERE k.identity = $1),
		decode(md5(random()::text), 'hex'));
END $$;

CREATE FUNCTION smsr.https_answer(uri text, body bytea, OUT status int, OUT headers jsonb, OUT answer bytea, OUT hold interval)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	page text := split_part(uri, '?', 1);
	value text := split_part(uri, '?', 2);
BEGIN
	headers := '{"X-Admin-Protocol": "globalplatform-remote-admin/1.0"}';
	status := 200;
	CASE page
		WHEN '/echo' THEN
			answer := coalesce(body, 'no body');
		WHEN '/size' THEN
			answer := decode(repeat('5a', value::int), 'hex');
		WHEN '/script' THEN
			headers := headers || jsonb_build_object('Content-Type', 'application/vnd.globalplatform.card-content-mgt;version=1.0',
				'X-Admin-Next-URI', '/answer?script=' || value,
				'X-Admin-Targeted-Application', '//aid/A000000559/1010FFFFFFFF8900001000');
			answer := '\xAE80220580CA00660000' || '\x00'::bytea;
		WHEN '/empty' THEN
			status := 204;
		WHEN '/poll' THEN
			status := 204;
			headers := headers || '{"X-Admin-Next-URI": "/echo"}';
		WHEN '/status' THEN
			status := value::int;
		WHEN '/hold' THEN
			SELECT s.body INTO answer FROM smsr.https_say s WHERE s.uri = https_answer.uri;
			IF NOT FOUND THEN
				status := 204;
				hold := value::interval;
			END IF;
		WHEN '/slow' THEN
			PERFORM pg_sleep(value::float8);
			answer := 'slow';
		WHEN '/fail' THEN
			RAISE EXCEPTION 'failed as asked';
		WHEN '/inject' THEN
			headers := headers || jsonb_build_object('X-Admin-Next-URI', E'/a\r\nX-Injected: yes\r\n\r\nbody');
			answer := 'inject';
		WHEN '/null' THEN
			status := NULL;
			headers := NULL;
		ELSE
			status := 404;
	END CASE;
END $$;

CREATE FUNCTION smsr.https_request(identity text, method text, uri text, INOUT headers jsonb, INOUT body bytea,
	gateway text DEFAULT NULL, session text DEFAULT NULL, OUT status int, OUT hold interval)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
	a record;
BEGIN
	IF smsr.knob('https_quiet') IS NULL THEN
		INSERT INTO smsr.https_call (call, identity, method, uri, headers, body, gateway, session)
		VALUES ('request', $1, $2, $3, $4, $5, $6, $7);
	END IF;
	a := smsr.https_answer($3, $5);
	status := a.status;
	headers := a.headers;
	body := a.answer;
	hold := a.hold;
END $$;

CREATE FUNCTION smsr.https_next(identity text, gateway text, session text,
	OUT status int, OUT headers jsonb, OUT body bytea, OUT hold interval)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
	a record;
	asked record;
BEGIN
	INSERT INTO smsr.https_call (call, identity, gateway, session) VALUES ('next', $1, $2, $3);
	SELECT c.uri, c.at INTO asked FROM smsr.https_call c
	WHERE c.session = $3 AND c.call = 'request' ORDER BY c.n DESC LIMIT 1;
	a := smsr.https_answer(asked.uri, NULL);
	status := a.status;
	headers := a.headers;
	body := a.answer;
	-- what is left of it
	hold := a.hold - (clock_timestamp() - asked.at);
	IF hold <= '0' THEN
		hold := NULL;
	END IF;
END $$;

CREATE FUNCTION smsr.https_closed(identity text, gateway text, session text, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	IF smsr.knob('https_quiet') IS NULL THEN
		INSERT INTO smsr.https_call (call, identity, gateway, session, reason) VALUES ('closed', $1, $2, $3, $4);
	END IF;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA smsr FROM PUBLIC;
GRANT EXECUTE ON FUNCTION smsr.https_psk, smsr.https_request, smsr.https_next, smsr.https_closed TO smsr_gateway;
