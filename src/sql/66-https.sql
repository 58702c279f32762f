-- What a gateway asks for cards that open a session over HTTPS (SGP.02 clause
-- 2.4.4, GlobalPlatform Amendment B), and what is to have them open one.
--
-- There is no protection against repetition in a session as the counter is one in
-- a packet: a script that was delivered and not answered has an unknown fate, and
-- the card's next word tells.  It answers; or it repeats the request which the
-- script was the answer to, so that the script never arrived and is delivered again;
-- or it does neither, and the script is lost to us.  smsr.https_session says which
-- script that is; an answer is bound to its script by the URI that it is sent to.
--
-- Every function here runs with the eUICC's row locked by its caller, but those at
-- the end, which a gateway calls.

CREATE TYPE smsr.https_response AS (
	status int,
	headers jsonb,
	body bytea,
	hold interval
);
COMMENT ON TYPE smsr.https_response IS 'What a gateway is to answer a card''s request';
COMMENT ON COLUMN smsr.https_response.headers IS 'Header fields by name, as they are to be written';
COMMENT ON COLUMN smsr.https_response.hold IS 'Not NULL: there is nothing to say yet; smsr.https_next() may be asked for so long';

-- ---- bearers ----

CREATE FUNCTION smsr.can_https(p_eid smsr.eid) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN EXISTS (SELECT FROM smsr.euicc e JOIN smsr.keyset k ON k.eid = e.eid AND k.sd_aid = e.isdr_aid
			WHERE e.eid = p_eid AND e.http_support AND k.type = 'SCP81' AND k.state = 'active');
	END $$;
COMMENT ON FUNCTION smsr.can_https(smsr.eid) IS 'Whether an eUICC can open a session: its EIS says so, and its ISD-R has a key set for it';

CREATE FUNCTION smsr.calls_in(p_eid smsr.eid) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN EXISTS (SELECT FROM smsr.https_polls)
			AND EXISTS (SELECT FROM smsr.euicc e
				JOIN smsr.https_polls p ON (p.eum_id IS NULL OR p.eum_id = e.eum_id)
					AND (p.platform_type IS NULL OR p.platform_type = e.platform_type)
					AND (p.platform_version IS NULL OR p.platform_version = e.platform_version)
					AND (p.first IS NULL OR e.eid BETWEEN p.first AND p.last)
				WHERE e.eid = p_eid);
	END $$;
COMMENT ON FUNCTION smsr.calls_in(smsr.eid) IS 'Whether an eUICC opens sessions by itself (smsr.https_polls)';

CREATE FUNCTION smsr.https_trigger(p_eid smsr.eid) RETURNS bytea
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN coalesce((SELECT smsr.session_trigger(bearer => e.bearer, buffer_size => e.buffer_size, access_name => e.access_name, port => e.port,
				address => e.address, retries => e.retries, retry_delay => e.retry_delay, failure_report => e.failure_report,
				-- the identity as TLS shows it, in digits: whether a card would rather have the octets
				-- that they stand for is open
				psk_identity => k.identity, kvn => k.kvn::int, key_id => k.key_id,
				host => e.host, agent_id => e.agent_id, uri => e.uri)
			FROM smsr.https_endpoint e
				LEFT JOIN LATERAL (SELECT smsr.psk_identity(i.eid, i.sd_aid, i.kvn) AS identity, i.kvn, 1 AS key_id
					FROM smsr.keyset i JOIN smsr.euicc c ON c.eid = i.eid AND c.isdr_aid = i.sd_aid
					WHERE i.eid = p_eid AND i.type = 'SCP81' AND i.state = 'active' ORDER BY i.kvn DESC LIMIT 1) k ON e.names_key
			WHERE e.mno_id IN ('*', (SELECT p.mno_id FROM smsr.profile p WHERE p.eid = p_eid AND p.state = 'Enabled'))
			ORDER BY e.mno_id = '*' LIMIT 1), smsr.session_trigger());
	END $$;
COMMENT ON FUNCTION smsr.https_trigger(smsr.eid) IS 'What has a card open a session (GlobalPlatform Amendment B clause 3.7): as smsr.https_endpoint says, or as the card has it stored';

-- Of functions that are not here the command always fits short messages.
CREATE FUNCTION smsr.bearers_matter(function text) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN function IN ('update_connectivity_parameters', 'send_data', 'manage_platform', 'update_platform')
			OR EXISTS (SELECT FROM smsr.https_session s WHERE s.state = 'open')
			OR EXISTS (SELECT FROM smsr.https_polls)
			OR EXISTS (SELECT FROM smsr.bearer_record r WHERE r.part = -1 AND r.answered < r.packets);
	END $$;
COMMENT ON FUNCTION smsr.bearers_matter(text) IS 'Whether smsr.set_bearers() may have anything to do for new commands of a function; most often not, and then nothing more is looked up for any of them';

CREATE FUNCTION smsr.set_bearers(p_eids smsr.eid[], p_operations bigint[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		WITH chosen AS MATERIALIZED (
			SELECT o.ctid AS place, o.eid, b.triggered OR NOT f.fits AND NOT f.polls AS triggered, b.triggered AS called
			FROM unnest(p_eids, p_operations) u (eid, operation_id)
				CROSS JOIN LATERAL (SELECT i.ctid, i.* FROM smsr.outbound i
					WHERE i.eid = u.eid AND i.operation_id = u.operation_id AND i.attempts = 0 AND i.bearer = 'sms' OFFSET 0) o
				CROSS JOIN LATERAL (SELECT i.* FROM smsr.euicc i WHERE i.eid = o.eid OFFSET 0) e
				CROSS JOIN LATERAL (SELECT
					smsr.sms_needed(o.script, NULL, 0, 0) <= smsr.setting('max_segments')::int AS fits,
					EXISTS (SELECT FROM smsr.https_session i WHERE i.eid = o.eid AND i.state = 'open') AS open,
					EXISTS (SELECT FROM smsr.keyset k WHERE k.eid = o.eid AND k.sd_aid = o.sd_aid AND k.type = 'SCP80' AND k.state = 'active') AS scp80,
					e.http_support AND EXISTS (SELECT FROM smsr.keyset k
						WHERE k.eid = o.eid AND k.sd_aid = o.sd_aid AND k.type = 'SCP81' AND k.state = 'active') AS scp81,
					smsr.calls_in(o.eid) AS polls OFFSET 0) f
				LEFT JOIN LATERAL (SELECT sum(i.triggers)::bigint AS triggers, sum(i.opened)::bigint AS opened,
						sum(i.packets)::bigint AS packets, sum(i.answered)::bigint AS answered
					FROM smsr.bearer_record i
					WHERE i.eum_id = e.eum_id AND i.platform_type = e.platform_type AND i.platform_version = e.platform_version) r ON f.scp81
				CROSS JOIN LATERAL smsr.choose_bearer(f.fits, f.scp80, f.scp81 OR f.open, keys => o.step IN ('put_key', 'key_info', 'prove'),
					confirms => o.step = 'confirm', relayed => o.step IN ('relay', 'package'), in_session => f.open, polls => f.polls,
					triggers => r.triggers, opened => r.opened, packets => r.packets, answered => r.answered) b
			-- what can go no way waits for one: smsr.claim_sms() says why it does not go
			WHERE b.bearer = 'https'
		)
		UPDATE smsr.outbound o SET bearer = 'https', trigger = CASE WHEN c.triggered THEN smsr.https_trigger(c.eid) END,
				mno_id = CASE WHEN c.called THEN o.mno_id END
			FROM chosen c
			WHERE o.ctid = c.place;
	END $$;
COMMENT ON FUNCTION smsr.set_bearers(smsr.eid[], bigint[]) IS 'Which way the commands of operations go that have just been queued (smsr.choose_bearer): into a session that their card has, or opens by itself, or is to be called for; else by short message';

-- A sample: to count each answer would cost every answer something.
CREATE FUNCTION smsr.weigh_bearers() RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		n int;
	BEGIN
		DELETE FROM smsr.bearer_record r WHERE r.part = -1;
		INSERT INTO smsr.bearer_record AS r (eum_id, platform_type, platform_version, part, packets, answered)
			SELECT e.eum_id, e.platform_type, e.platform_version, -1, count(*), count(*) FILTER (WHERE o.status <> 'EXPIRED')
			FROM (SELECT i.eid, i.status FROM smsr.operation i
					WHERE i.finished_at > now() - interval '7 days' AND i.step IS NOT NULL
						AND NOT EXISTS (SELECT FROM smsr.message m WHERE m.eid = i.eid AND m.operation_id = i.id AND m.address = 'https')
					ORDER BY i.finished_at DESC LIMIT 10000) o
				JOIN smsr.euicc e ON e.eid = o.eid
			-- of others there is nothing to choose
			WHERE (e.eum_id, e.platform_type, e.platform_version) IN (SELECT k.eum_id, k.platform_type, k.platform_version
				FROM smsr.bearer_record k WHERE k.opened > 0)
			GROUP BY 1, 2, 3;
		GET DIAGNOSTICS n = ROW_COUNT;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.weigh_bearers() IS 'How many of the calls that ended of late, without a session, were answered, for each kind of device that has opened a session; returns of how many kinds';

CREATE FUNCTION smsr.count_bearer(p_eid smsr.eid, p_triggers int, p_opened int) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr.bearer_record AS r (eum_id, platform_type, platform_version, part, triggers, opened)
			SELECT e.eum_id, e.platform_type, e.platform_version, pg_backend_pid() % 16, p_triggers, p_opened
			FROM smsr.euicc e WHERE e.eid = p_eid
			ON CONFLICT (eum_id, platform_type, platform_version, part) DO UPDATE SET
				triggers = r.triggers + excluded.triggers, opened = r.opened + excluded.opened, last_at = now();
		RETURN FOUND;
	END $$;
COMMENT ON FUNCTION smsr.count_bearer(smsr.eid, int, int) IS 'So many short messages were to have a card open a session, and so many sessions it opened upon them; false: there is no such eUICC any more';

-- Whether the card opens a session shows when it does.  The same trigger again does
-- no harm, so its counter is its only concern.
CREATE FUNCTION smsr.trigger_answered(p_packet bigint, p_status int) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		packet smsr.outbound;
	BEGIN
		SELECT * INTO packet FROM smsr.outbound o WHERE o.id = p_packet;
		IF p_status = 2 AND packet.attempts <= 1 AND packet.resyncs < 4 THEN
			PERFORM smsr.resync(packet);
			RETURN 'the card''s counter is ahead of ours';
		END IF;
		PERFORM smsr.end_trigger(packet, 'answered');
		UPDATE smsr.outbound o SET due_at = now() + smsr.retry_interval(o.attempts)
			WHERE o.id = p_packet AND o.mno_id IS NOT NULL;
		RETURN CASE WHEN p_status IN (0, 2) THEN 'a session is awaited' ELSE 'the card refused to open a session' END;
	END $$;
COMMENT ON FUNCTION smsr.trigger_answered(bigint, int) IS 'The card has answered what was to have it open a session, with a status of TS 102 225: that is no answer to the command that waits for the session';

CREATE FUNCTION smsr.end_trigger(packet smsr.outbound, p_outcome text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF packet.packet IS NULL THEN
			RETURN;
		END IF;
		INSERT INTO smsr.message (direction, eid, operation_id, step, address, gateway, attempts, cntr, outcome, detail, sent_at, octets, script)
			VALUES ('out', packet.eid, packet.operation_id, packet.step, packet.destination, packet.gateway, packet.attempts, packet.cntr,
				CASE WHEN packet.attempts = 0 THEN 'not sent' ELSE p_outcome END, 'to open a session', packet.sent_at, packet.packet,
				coalesce(packet.trigger, packet.script));
		-- its fate is known: should another be needed, it is under another counter
		UPDATE smsr.outbound o SET packet = NULL, cntr = NULL, kvn = NULL, gateway = NULL, accepted = 0, segments = 0, smsc_id = NULL
			WHERE o.id = packet.id;
	END $$;
COMMENT ON FUNCTION smsr.end_trigger(smsr.outbound, text) IS 'What was to have a card open a session has done so, or will not: its story goes to smsr.message';

-- ---- the packets of a card that has a session ----

CREATE FUNCTION smsr.take_packets(p_eid smsr.eid) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		packet smsr.outbound;
		triggers int := 0;
	BEGIN
		FOR packet IN
			SELECT * FROM smsr.outbound o
			WHERE o.eid = p_eid AND (o.mno_id IS NOT NULL OR o.bearer = 'sms')
				AND (o.bearer = 'https' OR o.attempts = 0 AND o.accepted = 0 AND o.step NOT IN ('put_key', 'key_info', 'prove'))
			ORDER BY o.id
		LOOP
			IF packet.bearer = 'https' AND packet.session IS NULL THEN
				triggers := triggers + packet.attempts;
			END IF;
			PERFORM smsr.end_trigger(packet, 'answered by a session');
			UPDATE smsr.outbound o SET bearer = 'https', mno_id = NULL,
					-- when it would have been sent again
					due_at = CASE WHEN packet.attempts > 0 THEN now() ELSE o.due_at END
				WHERE o.id = packet.id;
		END LOOP;
		IF triggers > 0 THEN
			PERFORM smsr.count_bearer(p_eid, triggers, 1);
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.take_packets(smsr.eid) IS 'Everything that waits to be sent to a card goes into the session that it has; what has left in short messages alone stays there';

-- What is left when a session is over goes by short message if it can, or has one sent
-- that opens the next session.
CREATE FUNCTION smsr.release_packets(p_eid smsr.eid) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		home smsr.profile;
		packet smsr.outbound;
		polls boolean;
	BEGIN
		IF NOT EXISTS (SELECT FROM smsr.outbound o WHERE o.eid = p_eid AND o.bearer = 'https') THEN
			RETURN;
		END IF;
		SELECT * INTO home FROM smsr.profile p WHERE p.eid = p_eid AND p.state = 'Enabled';
		polls := smsr.calls_in(p_eid);
		FOR packet IN SELECT * FROM smsr.outbound o WHERE o.eid = p_eid AND o.bearer = 'https' ORDER BY o.id
		LOOP
			IF packet.session IS NULL THEN
				-- it has not left: as if it were queued now
				UPDATE smsr.outbound o SET bearer = 'sms', trigger = NULL, attempts = 0, destination = home.msisdn, mno_id = home.mno_id,
						due_at = CASE WHEN home.msisdn IS NULL THEN 'infinity' WHEN o.due_at = 'infinity' THEN now() ELSE o.due_at END
					WHERE o.id = packet.id;
				PERFORM smsr.set_bearers(ARRAY[p_eid], ARRAY[packet.operation_id]);
			ELSIF packet.step = 'confirm' OR NOT polls AND (packet.step = 'audit' OR NOT smsr.can_https(p_eid)) THEN
				-- it may be given twice, and the card has a clock running; or nobody can have the card come back
				PERFORM smsr.handle_event(p_eid, packet.operation_id, 'lost');
			ELSIF NOT polls THEN
				-- the card may come back by itself
				UPDATE smsr.outbound o SET trigger = coalesce(o.trigger, smsr.https_trigger(p_eid)), destination = home.msisdn, mno_id = home.mno_id,
						due_at = CASE WHEN home.msisdn IS NULL THEN 'infinity' ELSE now() + smsr.retry_interval(1) END
					WHERE o.id = packet.id;
			END IF;
		END LOOP;
		PERFORM smsr.ring();
	END $$;
COMMENT ON FUNCTION smsr.release_packets(smsr.eid) IS 'The card has no session any more: what it was not given, and what it was given and has not answered';

CREATE FUNCTION smsr.close_session(p_eid smsr.eid, p_because text, gone boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		UPDATE smsr.https_session s SET state = 'closed', because = p_because, hold = NULL, last_at = now(),
				former = CASE WHEN gone THEN (s.session || s.former)[1:8] ELSE s.former END
			WHERE s.eid = p_eid AND s.state = 'open';
		IF FOUND THEN
			PERFORM smsr.release_packets(p_eid);
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.close_session(smsr.eid, text, boolean) IS 'The session that a card has open is over; gone: nothing is believed any more that comes in it';

-- ---- what a request says ----

CREATE FUNCTION smsr.https_refusal(p_eid smsr.eid, p_status int, p_outcome text, p_detail text, p_octets bytea DEFAULT NULL) RETURNS smsr.https_response
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		PERFORM smsr.record_in(NULL, 'https', p_octets, p_outcome, p_detail, p_eid);
		RETURN ROW(p_status, jsonb_build_object('Connection', 'close') || CASE WHEN p_status = 405 THEN '{"Allow": "POST"}' ELSE '{}' END::jsonb,
			NULL, NULL)::smsr.https_response;
	END $$;
COMMENT ON FUNCTION smsr.https_refusal(smsr.eid, int, text, text, bytea) IS 'Keep a request that is refused, with the reason, and refuse it';

CREATE FUNCTION smsr.answer_script(p_eid smsr.eid, p_script bigint, p_status text, p_body bytea) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		packet smsr.outbound;
		told text;
	BEGIN
		SELECT * INTO packet FROM smsr.outbound o WHERE o.eid = p_eid AND o.id = p_script AND o.session IS NOT NULL;
		IF NOT FOUND THEN
			PERFORM smsr.record_in(NULL, 'https', NULL, 'answer repeated', 'nothing awaits it any more', p_eid, p_script => p_body);
			RETURN false;
		END IF;
		UPDATE smsr.https_session s SET script_id = NULL, script_request = NULL, script_uri = NULL WHERE s.eid = p_eid AND s.script_id = p_script;
		-- should it have to be given again it is not at once
		UPDATE smsr.outbound o SET due_at = now() + smsr.retry_interval(o.attempts) WHERE o.id = p_script;
		told := smsr.handle_event(p_eid, packet.operation_id, 'por',
			-- as a packet's answer says it (TS 102 225): unknown application, insufficient security level
			CASE p_status WHEN 'ok' THEN 0 WHEN 'security-error' THEN 10 ELSE 9 END, nullif(p_body, ''));
		UPDATE smsr.outbound o SET session = NULL WHERE o.id = p_script;
		PERFORM smsr.contact(p_eid);
		PERFORM smsr.record_in(NULL, 'https', NULL, 'answer', format('%s: %s', p_status, told), p_eid, packet.operation_id, packet.step,
			p_script => p_body);
		-- the card changes profiles when the session is over
		RETURN EXISTS (SELECT FROM smsr.operation o WHERE o.eid = p_eid AND o.id = packet.operation_id AND o.stage = 'notification');
	END $$;
COMMENT ON FUNCTION smsr.answer_script(smsr.eid, bigint, text, bytea) IS 'A card''s answer to a script, once; true: the session must end for the card to go on';

-- ---- what it is answered ----

CREATE FUNCTION smsr.end_of_session(p_eid smsr.eid, p_because text) RETURNS smsr.https_response
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		PERFORM smsr.close_session(p_eid, p_because);
		RETURN ROW(204, jsonb_build_object('X-Admin-Protocol', smsr.admin_protocol()), NULL, NULL)::smsr.https_response;
	END $$;
COMMENT ON FUNCTION smsr.end_of_session(smsr.eid, text) IS 'The card is to close the session';

CREATE FUNCTION smsr.next_script(p_eid smsr.eid) RETURNS smsr.https_response
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		s smsr.https_session;
		packet smsr.outbound;
		longest interval;
	BEGIN
		SELECT * INTO s FROM smsr.https_session h WHERE h.eid = p_eid;
		-- what it was given and never had comes first, whatever is closed since
		SELECT * INTO packet FROM smsr.outbound o WHERE o.eid = p_eid AND o.id = s.script_id AND o.session IS NOT NULL;
		IF NOT FOUND THEN
			SELECT o.* INTO packet
				FROM smsr.outbound o
					LEFT JOIN smsr.operation p ON p.eid = o.eid AND p.id = o.operation_id
					JOIN smsr.lane l ON l.id = CASE o.lane_id WHEN 2 THEN coalesce(p.lane_id, 1) ELSE o.lane_id END
				WHERE o.eid = p_eid AND o.bearer = 'https' AND o.session IS NULL AND (o.due_at <= now() OR o.due_at = 'infinity') AND o.expires_at > now()
					AND smsr.lane_open(l.open, l.windows, l.time_zone, now())
				ORDER BY o.step <> 'confirm', l.priority, o.id
				LIMIT 1;
		END IF;
		IF FOUND THEN
			UPDATE smsr.https_session h SET script_id = packet.id, script_request = h.requests, script_uri = h.request_uri WHERE h.eid = p_eid;
			UPDATE smsr.outbound o SET session = s.session, gateway = s.gateway, sent_at = clock_timestamp(), attempts = o.attempts + 1,
					lane_id = CASE WHEN o.lane_id <> 1 THEN 2 ELSE 1 END
				WHERE o.id = packet.id AND (packet.session IS DISTINCT FROM s.session OR s.script_request IS DISTINCT FROM s.requests);
			RETURN ROW(200, jsonb_strip_nulls(jsonb_build_object('X-Admin-Protocol', smsr.admin_protocol(),
					'X-Admin-Next-URI', format('%s?script=%s', s.uri, packet.id),
					'X-Admin-Targeted-Application', smsr.admin_target(packet.target_aid),
					'Content-Type', smsr.admin_script_type())),
				smsr.script_indefinite(packet.script), NULL)::smsr.https_response;
		END IF;
		IF s.hold > clock_timestamp() THEN
			longest := make_interval(secs => smsr.setting_seconds('https_hold')) - (clock_timestamp() - s.request_at);
			IF longest > interval '0' THEN
				RETURN ROW(NULL, NULL, NULL, least(longest, s.hold - clock_timestamp()))::smsr.https_response;
			END IF;
			-- a card waits for an answer only for so long: it may ask again
			RETURN ROW(204, jsonb_build_object('X-Admin-Protocol', smsr.admin_protocol(), 'X-Admin-Next-URI', s.uri), NULL, NULL)::smsr.https_response;
		END IF;
		RETURN smsr.end_of_session(p_eid, 'nothing was left to do');
	END $$;
COMMENT ON FUNCTION smsr.next_script(smsr.eid) IS 'What a card''s last request is answered: the script that is next, or to ask again, or the end; or nothing yet';

-- ---- what a gateway calls ----

CREATE FUNCTION smsr.https_psk(identity text) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_https_psk'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp;
COMMENT ON FUNCTION smsr.https_psk(text) IS 'The key for TLS of a card that shows this identity (SGP.02 clause 2.4.4). One that nobody has, and no error, for an identity that is unknown or none: the handshake fails as with a wrong key';

-- Which session it is: the gateway's connection, or of a request by hand itself.
CREATE FUNCTION smsr.https_request(identity text, method text, uri text, headers jsonb, body bytea,
		gateway text DEFAULT NULL, session text DEFAULT NULL) RETURNS smsr.https_response
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		token CONSTANT text := CASE WHEN session IS NULL THEN 'request ' || smsr.next_id() ELSE concat_ws(' ', gateway, session) END;
		who record;
		agent record;
		here record;
		status text;
		resumes CONSTANT boolean := coalesce(lower(headers ->> 'x-admin-resume') = 'true', false);
		s smsr.https_session;
		packet smsr.outbound;
		begins boolean;
		again boolean;
		heard text;
		ends boolean := false;
	BEGIN
		PERFORM smsr.check_incarnation();
		SELECT i.eid, i.kvn, k.eid IS NOT NULL AS known INTO who
			FROM smsr.read_psk_identity(identity) i
				LEFT JOIN smsr.keyset k ON k.eid = i.eid AND k.sd_aid = i.isdr_aid AND k.kvn = i.kvn AND i.key_id = 1
					AND k.type = 'SCP81' AND k.state IN ('pending', 'active', 'retiring')
			WHERE i.fault IS NULL;
		IF who.known IS NOT TRUE THEN
			RETURN smsr.https_refusal(NULL, 403, 'unknown identity', 'no key set that is in use has the identity of the session');
		ELSIF smsr.lock_cards(ARRAY[who.eid], true) = '{}' THEN
			RETURN smsr.https_refusal(who.eid, 409, 'for another shard', 'the eUICC is on its way to another shard');
		END IF;

		-- what can not be read changes nothing
		IF method IS DISTINCT FROM 'POST' THEN
			RETURN smsr.https_refusal(who.eid, 405, 'unreadable request', 'its method is not POST', body);
		ELSIF length(body) > 65536 THEN
			RETURN smsr.https_refusal(who.eid, 413, 'unreadable request', format('its body has %s octets', length(body)));
		ELSIF headers ->> 'x-admin-protocol' IS DISTINCT FROM smsr.admin_protocol() THEN
			RETURN smsr.https_refusal(who.eid, 400, 'unreadable request', 'X-Admin-Protocol is not ' || smsr.admin_protocol(), body);
		END IF;
		SELECT * INTO agent FROM smsr.read_admin_from(headers ->> 'x-admin-from');
		IF agent.fault IS NOT NULL AND NOT EXISTS (SELECT FROM smsr.https_endpoint e WHERE e.agent_id = headers ->> 'x-admin-from') THEN
			RETURN smsr.https_refusal(who.eid, 400, 'unreadable request', agent.fault, body);
		ELSIF agent.eid <> who.eid THEN
			RETURN smsr.https_refusal(who.eid, 403, 'contradictory request', 'X-Admin-From has another EID than the one whose key the session is under', body);
		END IF;
		SELECT * INTO here FROM smsr.read_admin_uri(uri);
		-- the card is told to go on there: it stands in a header
		IF here.fault IS NOT NULL OR coalesce(here.path, '') !~ '^/[!-~]{0,254}$' THEN
			RETURN smsr.https_refusal(who.eid, 400, 'unreadable request', coalesce(here.fault, 'its URI is no path'), body);
		END IF;
		status := headers ->> 'x-admin-script-status';
		IF here.script IS NOT NULL THEN
			-- some leave out what is no news
			status := coalesce(status, CASE WHEN length(body) > 0 THEN 'ok' END);
			IF smsr.read_script_status(status) IS NULL THEN
				RETURN smsr.https_refusal(who.eid, 400, 'unreadable request', 'X-Admin-Script-Status is none', body);
			END IF;
		END IF;

		SELECT * INTO s FROM smsr.https_session h WHERE h.eid = who.eid;
		IF token = ANY (s.former) THEN
			RETURN smsr.https_refusal(who.eid, 409, 'request in a former session', 'another session has taken its place', body);
		END IF;
		begins := s.eid IS NULL OR s.session <> token OR s.state <> 'open';
		-- on the gateway's side it is the first of a connection; on the card's the same again
		again := s.script_uri = uri AND (resumes OR here.script IS NOT NULL);
		IF begins THEN
			INSERT INTO smsr.https_session AS h (eid, session, gateway, kvn, uri, request_uri)
				VALUES (who.eid, token, https_request.gateway, who.kvn, here.path, https_request.uri)
				ON CONFLICT (eid) DO UPDATE SET session = excluded.session, gateway = excluded.gateway, kvn = excluded.kvn, uri = excluded.uri,
					state = 'open', began_at = now(), because = NULL, requests = 0,
					former = CASE WHEN h.session <> excluded.session THEN (h.session || h.former)[1:8] ELSE h.former END;
			PERFORM smsr.record_in(NULL, 'https', NULL, 'session', format('%s, under key set %s%s', here.path, who.kvn, CASE WHEN resumes THEN ', resumed' END), who.eid);
		END IF;
		UPDATE smsr.https_session h SET requests = h.requests + 1, request_at = clock_timestamp(), last_at = clock_timestamp(),
				request_uri = https_request.uri
			WHERE h.eid = who.eid;

		BEGIN
			IF here.script IS NOT NULL THEN
				ends := smsr.answer_script(who.eid, here.script, status, body);
			ELSIF here.notification IS NOT NULL THEN
				heard := smsr.hear_notification(NULL, 'https', NULL, who.eid, here.notification);
			ELSIF begins THEN
				PERFORM smsr.contact(who.eid);
			END IF;
		EXCEPTION WHEN data_exception THEN
			GET STACKED DIAGNOSTICS heard = MESSAGE_TEXT;
			RETURN smsr.https_refusal(who.eid, 400, 'unreadable', heard, coalesce(body, here.notification));
		END;
		-- what it has been given and says nothing of
		SELECT o.* INTO packet FROM smsr.outbound o WHERE o.eid = who.eid AND o.session IS NOT NULL;
		IF FOUND AND again IS NOT TRUE THEN
			UPDATE smsr.https_session h SET script_id = NULL, script_request = NULL, script_uri = NULL WHERE h.eid = who.eid;
			heard := smsr.handle_event(who.eid, packet.operation_id, 'lost');
		END IF;
		IF ends THEN
			RETURN smsr.end_of_session(who.eid, 'the card changes profiles');
		END IF;
		PERFORM smsr.take_packets(who.eid);
		RETURN smsr.next_script(who.eid);
	END $$;
COMMENT ON FUNCTION smsr.https_request(text, text, text, jsonb, bytea, text, text)
	IS 'A request of a card, in the session that its TLS has proven to be of this identity: header fields by their names in lower case, body NULL if there is none. What it is answered; hold: nothing yet, then smsr.https_next() tells. Never raises for what a card sends';

CREATE FUNCTION smsr.https_next(identity text, gateway text, session text) RETURNS smsr.https_response
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		who record;
		s smsr.https_session;
	BEGIN
		PERFORM smsr.check_incarnation();
		SELECT i.eid INTO who FROM smsr.read_psk_identity(identity) i;
		IF who.eid IS NOT NULL AND smsr.lock_cards(ARRAY[who.eid], false) = '{}' THEN
			-- somebody has its row at this moment
			RETURN ROW(NULL, NULL, NULL, interval '1 second')::smsr.https_response;
		END IF;
		SELECT * INTO s FROM smsr.https_session h WHERE h.eid = who.eid;
		IF s.session IS DISTINCT FROM concat_ws(' ', gateway, session) OR s.state <> 'open' THEN
			RETURN ROW(204, jsonb_build_object('X-Admin-Protocol', smsr.admin_protocol()), NULL, NULL)::smsr.https_response;
		END IF;
		IF s.last_at < now() - interval '10 seconds' THEN
			UPDATE smsr.https_session h SET last_at = clock_timestamp() WHERE h.eid = s.eid;
		END IF;
		PERFORM smsr.take_packets(s.eid);
		RETURN smsr.next_script(s.eid);
	END $$;
COMMENT ON FUNCTION smsr.https_next(text, text, text) IS 'What a request that is held is answered now; it may be asked at any time and any number of times until it says what';

CREATE FUNCTION smsr.https_closed(identity text, gateway text, session text, reason text) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		who record;
	BEGIN
		SELECT i.eid INTO who FROM smsr.read_psk_identity(identity) i;
		IF who.eid IS NULL OR smsr.lock_cards(ARRAY[who.eid], true) = '{}' THEN
			RETURN;
		END IF;
		IF EXISTS (SELECT FROM smsr.https_session h
				WHERE h.eid = who.eid AND h.session = concat_ws(' ', https_closed.gateway, https_closed.session) AND h.state = 'open') THEN
			PERFORM smsr.close_session(who.eid, left(coalesce(reason, 'the connection is closed'), 255), true);
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.https_closed(text, text, text, text) IS 'A session''s connection is gone: what was to go in it goes another way';

CREATE FUNCTION smsr.https_tick() RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		eids smsr.eid[];
	BEGIN
		eids := ARRAY(SELECT h.eid FROM smsr.https_session h
			WHERE h.state = 'open' AND h.last_at < now() - make_interval(secs => smsr.setting_seconds('https_session_timeout'))
			ORDER BY h.last_at LIMIT 1000);
		eids := smsr.lock_cards(eids, false);
		PERFORM smsr.close_session(h.eid, 'nothing was heard of it')
			FROM smsr.https_session h
			WHERE h.eid = ANY (ARRAY(SELECT unnest(eids))) AND h.state = 'open'
				AND h.last_at < now() - make_interval(secs => smsr.setting_seconds('https_session_timeout'));
		-- one that a script was given in is needed for as long as that is under way
		DELETE FROM smsr.https_session h
			WHERE h.ctid = ANY (ARRAY(SELECT o.ctid FROM smsr.https_session o
				WHERE o.state = 'closed' AND o.last_at < now() - interval '1 day'
					AND NOT EXISTS (SELECT FROM smsr.outbound b WHERE b.eid = o.eid AND b.session IS NOT NULL)
				ORDER BY o.last_at LIMIT 1000 FOR UPDATE SKIP LOCKED));
		RETURN cardinality(eids);
	END $$;
COMMENT ON FUNCTION smsr.https_tick() IS 'End sessions of which nothing was heard for smsr.https_session_timeout: their gateway may have died; returns how many';

-- The one place where stands how long a gateway's call waits for what another
-- transaction holds, at any one row: long enough for another gateway's, short
-- enough that somebody who sits on a row holds up nobody else.  And none of these is
-- compiled: where they forbid sequential scans, one that there must be looks so dear
-- that it would be, at each call.
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOREACH f IN ARRAY ARRAY['smsr.claim_sms(text, int, interval)', 'smsr.sms_submitted(bigint[], text[])',
		'smsr.sms_refused(bigint, text, boolean)', 'smsr.release_sms(bigint[])', 'smsr.sms_delivery_report(text, text)',
		'smsr.receive_sms(text[], bytea[])', 'smsr.tick()', 'smsr.https_request(text, text, text, jsonb, bytea, text, text)',
		'smsr.https_next(text, text, text)', 'smsr.https_closed(text, text, text, text)']::regprocedure[]
	LOOP
		EXECUTE pg_catalog.format('ALTER FUNCTION %s SET lock_timeout = %L', f, '1s');
		EXECUTE pg_catalog.format('ALTER FUNCTION %s SET jit = off', f);
	END LOOP;
END $$;

