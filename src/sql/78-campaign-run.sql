-- Campaigns, carried on by smsr.tick(): a bounded piece of each at a time, all of
-- it set-based.  A piece is a transaction's: cut off anywhere, it was not begun.

-- The one place where stands which failures pass: to try again helps where the
-- card was not reached, or went back by itself, and nowhere else.
CREATE FUNCTION smsr.failure_passes(status text, subject_code text, reason_code text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT coalesce(status = 'EXPIRED'
			-- the card rolled the change back: it found no network under the new profile
			OR status = 'FAILED' AND subject_code = '8.2.1' AND reason_code = '4.2', false);
	END;
COMMENT ON FUNCTION smsr.failure_passes(text, text, text) IS 'Whether an operation that ended so may be worth another attempt';

-- A failed attempt may have been carried out after all, as an audit showed since:
-- the next is then refused for the very state that was wanted.
CREATE FUNCTION smsr.done_before(p_function text, p_eid smsr.eid, p_iccid smsr.iccid, p_subject text, p_reason text) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		p smsr.profile;
	BEGIN
		IF p_subject IS DISTINCT FROM '8.2.1' OR p_reason NOT IN ('1.2', '3.9', '3.3') THEN
			RETURN false;
		END IF;
		SELECT * INTO p FROM smsr.profile x WHERE x.eid = p_eid AND x.iccid = p_iccid;
		RETURN CASE p_function
			WHEN 'enable_profile' THEN coalesce(p.state = 'Enabled', false)
			WHEN 'disable_profile' THEN coalesce(p.state = 'Disabled', false)
			WHEN 'create_isdp' THEN p.isdp_aid IS NOT NULL
			WHEN 'set_fallback_attribute' THEN coalesce(p.fallback_attribute, false)
			WHEN 'delete_profile' THEN p.isdp_aid IS NULL
			WHEN 'master_delete' THEN p.isdp_aid IS NULL
			ELSE false END;
	END $$;
COMMENT ON FUNCTION smsr.done_before(text, smsr.eid, smsr.iccid, text, text) IS 'Whether a repeated call was refused because what it asks is so already';

CREATE FUNCTION smsr.count_campaign(p_campaign bigint, p_released int, p_succeeded int, p_failed int) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr.campaign_pace AS p (campaign_id, at, released, succeeded, failed)
			VALUES (p_campaign, to_timestamp(floor(extract(epoch FROM now()) / 10) * 10), p_released, p_succeeded, p_failed)
			ON CONFLICT (campaign_id, at) DO UPDATE SET released = p.released + excluded.released,
				succeeded = p.succeeded + excluded.succeeded, failed = p.failed + excluded.failed;
	END $$;
COMMENT ON FUNCTION smsr.count_campaign(bigint, int, int, int) IS 'So many members more in these ten seconds';

-- ---- what has ended ----

CREATE FUNCTION smsr.drain_campaign(c smsr.campaign, p_most int) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		drained int;
		good int;
		bad int;
	BEGIN
		WITH heard AS MATERIALIZED (
			DELETE FROM smsr.campaign_end e
			WHERE e.ctid = ANY (ARRAY(SELECT x.ctid FROM smsr.campaign_end x WHERE x.campaign_id = c.id
				LIMIT p_most FOR UPDATE SKIP LOCKED))
			RETURNING *
		), known AS MATERIALIZED (
			DELETE FROM smsr.campaign_running r
			USING heard h
			WHERE r.campaign_id = c.id AND r.operation_id = h.operation_id
			RETURNING r.n, r.eid, r.operation_id, r.attempt, h.status, h.subject_code, h.reason_code, h.message, h.ended_at
		), settled AS MATERIALIZED (
			SELECT k.n, k.operation_id, k.attempt, m.wave, k.ended_at, d.before, k.subject_code, k.reason_code,
				CASE WHEN d.before THEN 'EXECUTED_WITHWARNING' ELSE k.status END AS status,
				CASE WHEN d.before THEN 'an earlier attempt did it after all' ELSE k.message END AS message,
				k.attempt < (c.options).attempts AND c.state <> 'cancelling' AND NOT d.before
					AND smsr.failure_passes(k.status, k.subject_code, k.reason_code) AS again
			FROM known k JOIN smsr.campaign_member m ON m.campaign_id = c.id AND m.n = k.n
				CROSS JOIN LATERAL (SELECT k.attempt > 1 AND k.status = 'FAILED'
					AND smsr.done_before(c.function, k.eid, m.iccid, k.subject_code, k.reason_code)) d (before)
		), repeated AS (
			INSERT INTO smsr.campaign_retry (campaign_id, n, wave, attempt, at, operation_id, status, subject_code, reason_code, message)
			SELECT c.id, s.n, s.wave, s.attempt, now() + least((c.options).retry_after * 2 ^ (s.attempt - 1), interval '30 days'),
				s.operation_id, s.status, s.subject_code, s.reason_code, s.message
			FROM settled s WHERE s.again
		), ended AS (
			INSERT INTO smsr.campaign_outcome (campaign_id, n, operation_id, attempts, status, subject_code, reason_code, message, ended_at)
			SELECT c.id, s.n, s.operation_id, s.attempt, s.status, s.subject_code, s.reason_code, s.message, s.ended_at
			FROM settled s WHERE NOT s.again
			ORDER BY s.n
		), reasons AS (
			INSERT INTO smsr.campaign_reason AS r (campaign_id, status, subject_code, reason_code, message, members)
			SELECT c.id, s.status, s.subject_code, s.reason_code, s.message, count(*)
			FROM settled s WHERE NOT s.again
			GROUP BY s.status, s.subject_code, s.reason_code, s.message
			ON CONFLICT (campaign_id, status, subject_code, reason_code, message) DO UPDATE SET members = r.members + excluded.members
		), counted AS (
			UPDATE smsr.campaign_wave w SET succeeded = w.succeeded + s.succeeded, warned = w.warned + s.warned,
				failed = w.failed + s.failed, expired = w.expired + s.expired, again = w.again + s.again
			FROM (SELECT s.wave, count(*) FILTER (WHERE s.again) AS again,
					count(*) FILTER (WHERE NOT s.again AND s.status = 'EXECUTED_SUCCESS') AS succeeded,
					count(*) FILTER (WHERE NOT s.again AND s.status = 'EXECUTED_WITHWARNING') AS warned,
					count(*) FILTER (WHERE NOT s.again AND s.status = 'FAILED') AS failed,
					count(*) FILTER (WHERE NOT s.again AND s.status = 'EXPIRED') AS expired
				FROM settled s GROUP BY s.wave) s
			WHERE w.campaign_id = c.id AND w.wave = s.wave
		)
		SELECT (SELECT count(*) FROM heard), count(*) FILTER (WHERE s.status LIKE 'EXECUTED%'),
				count(*) FILTER (WHERE s.status NOT LIKE 'EXECUTED%' AND NOT s.again)
			INTO drained, good, bad FROM settled s;
		IF good + bad > 0 THEN
			PERFORM smsr.count_campaign(c.id, 0, good, bad);
		END IF;
		RETURN drained;
	END $$;
COMMENT ON FUNCTION smsr.drain_campaign(smsr.campaign, int) IS 'Take note of operations that have ended: their members are done, or to be tried again; returns how many';

-- ---- what is sent ----

CREATE FUNCTION smsr.campaign_waiting(p_campaign bigint, p_most int) RETURNS int
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	BEGIN
		-- the queue's index begins with the operator: one look for each
		RETURN (WITH RECURSIVE mno (id) AS (
				(SELECT o.mno_id FROM smsr.outbound o WHERE o.mno_id IS NOT NULL ORDER BY o.mno_id LIMIT 1)
				UNION ALL
				SELECT n.mno_id FROM mno m CROSS JOIN LATERAL (
					SELECT o.mno_id FROM smsr.outbound o WHERE o.mno_id > m.id ORDER BY o.mno_id LIMIT 1) n
			)
			SELECT count(*)
			FROM (SELECT FROM mno m CROSS JOIN smsr.lane l CROSS JOIN LATERAL (
					SELECT FROM smsr.outbound o
					-- what has no number is not in the way of what has
					WHERE o.mno_id = m.id AND o.lane_id = l.id AND o.due_at < 'infinity'
					LIMIT p_most) w
				WHERE l.campaign_id = p_campaign
				LIMIT p_most) w);
	END $$;
COMMENT ON FUNCTION smsr.campaign_waiting(bigint, int) IS 'How many packets of a campaign wait to be claimed for the first time, counted up to so many';

CREATE FUNCTION smsr.lane_opens(p_lane smsr.lane) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF p_lane.windows IS NULL THEN
			RETURN now();
		END IF;
		RETURN greatest(smsr.window_opens(p_lane.windows, now() AT TIME ZONE p_lane.time_zone) AT TIME ZONE p_lane.time_zone, now());
	END $$;
COMMENT ON FUNCTION smsr.lane_opens(smsr.lane) IS 'When the windows of a lane are next open: now if they are';

-- From members to operations.  Whose eUICC another transaction has is left for
-- another time: smsr.tick() waits for nobody.
CREATE FUNCTION smsr.release_members(c smsr.campaign, p_ns int[], p_attempts int[], p_lanes bigint[], fresh_only boolean) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		free smsr.eid[];
		ns int[];
		waves smallint[];
		attempts int[];
		lanes bigint[];
		eids smsr.eid[];
		iccids smsr.iccid[];
		arguments jsonb[];
		ids bigint[];
	BEGIN
		SELECT array_agg(m.n), array_agg(m.wave), array_agg(m.attempt), array_agg(m.lane), array_agg(m.eid), array_agg(m.iccid), array_agg(m.arguments)
			INTO ns, waves, attempts, lanes, eids, iccids, arguments
			FROM (SELECT x.*, u.attempt, u.lane FROM unnest(p_ns, p_attempts, p_lanes) u (n, attempt, lane)
				-- each by its key: a hash would be of all members, in each piece anew
				CROSS JOIN LATERAL (SELECT y.* FROM smsr.campaign_member y WHERE y.campaign_id = c.id AND y.n = u.n OFFSET 0) x
				ORDER BY x.n) m;
		free := smsr.lock_cards(eids, false);
		IF cardinality(free) < cardinality(eids) THEN
			-- whose turn it was and who is in use
			INSERT INTO smsr.campaign_retry AS r (campaign_id, n, wave, attempt, at)
				SELECT c.id, u.n, u.wave, u.attempt, now() + interval '5 s'
				FROM unnest(ns, waves, attempts, eids) u (n, wave, attempt, eid)
				WHERE u.eid NOT IN (SELECT unnest(free))
				ON CONFLICT (campaign_id, n) DO UPDATE SET at = excluded.at;
			SELECT array_agg(u.n), array_agg(u.attempt), array_agg(u.lane), array_agg(u.eid), array_agg(u.iccid), array_agg(u.arguments)
				INTO ns, attempts, lanes, eids, iccids, arguments
				FROM (SELECT * FROM unnest(ns, attempts, lanes, eids, iccids, arguments) WITH ORDINALITY x (n, attempt, lane, eid, iccid, arguments, place)
					WHERE x.eid IN (SELECT unnest(free)) ORDER BY x.place) u;
		END IF;
		IF fresh_only IS NOT TRUE THEN
			DELETE FROM smsr.campaign_retry r WHERE r.campaign_id = c.id AND r.n = ANY (ARRAY(SELECT unnest(ns)));
		END IF;
		IF ns IS NOT NULL THEN
			ids := smsr.request_for(c.party_id, c.created_by,
				nullif(concat_ws(', ', (c.options).reason, (c.options).ticket), ''), c.function, eids,
				CASE WHEN smsr.needs_iccid(c.function) THEN iccids END, (c.options).validity, NULL,
				CASE WHEN array_position(arguments, NULL) IS NULL OR cardinality(array_remove(arguments, NULL)) > 0 THEN arguments END,
				lanes, c.id);
			INSERT INTO smsr.campaign_running (campaign_id, operation_id, eid, n, attempt)
				SELECT c.id, u.id, u.eid, u.n, u.attempt + 1
				FROM (SELECT unnest(ids) AS id, unnest(eids) AS eid, unnest(ns) AS n, unnest(attempts) AS attempt OFFSET 0) u;
		END IF;
		-- what waits for its next attempt is told by the table
		IF fresh_only IS NOT TRUE OR coalesce(cardinality(ns), 0) < cardinality(p_ns) THEN
			UPDATE smsr.campaign_wave w SET again = (SELECT count(*) FROM smsr.campaign_retry r WHERE r.campaign_id = c.id AND r.wave = w.wave),
					retries = w.retries + (SELECT count(*) FROM unnest(p_ns, p_attempts) u (n, attempt)
						JOIN smsr.campaign_member m ON m.campaign_id = c.id AND m.n = u.n AND m.wave = w.wave
						WHERE u.attempt > 0 AND u.n = ANY (ns))
				WHERE w.campaign_id = c.id AND w.wave IN (SELECT unnest(waves));
		END IF;
		RETURN coalesce(cardinality(ns), 0);
	END $$;
COMMENT ON FUNCTION smsr.release_members(smsr.campaign, int[], int[], bigint[], boolean) IS 'Make operations of these members, each in its lane; those whose eUICC is in use come later. fresh_only: none was released before. Returns how many';

CREATE FUNCTION smsr.release_campaign(c smsr.campaign, p_most int) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		room int := p_most;
		left_stretches int;
		piece record;
		ns int[] := '{}';
		attempts int[] := '{}';
		lanes bigint[] := '{}';
		fresh int := 0;
	BEGIN
		IF (c.options).backlog IS NOT NULL THEN
			room := least(room, (c.options).backlog - smsr.campaign_waiting(c.id, (c.options).backlog));
		END IF;
		IF room <= 0 THEN
			RETURN 0;
		END IF;
		-- those whose window is closed by now wait for the next
		WITH due AS MATERIALIZED (
			SELECT r.n, r.attempt, l.id AS lane, smsr.lane_opens(l) AS opens
			FROM (SELECT * FROM smsr.campaign_retry x WHERE x.campaign_id = c.id AND x.at <= now() ORDER BY x.at LIMIT room) r
				CROSS JOIN LATERAL (SELECT s.lane_id FROM smsr.campaign_stretch s
					WHERE s.campaign_id = c.id AND s.first <= r.n ORDER BY s.first DESC LIMIT 1) s
				JOIN smsr.lane l ON l.id = s.lane_id
		), later AS (
			UPDATE smsr.campaign_retry r SET at = d.opens FROM due d
			WHERE r.campaign_id = c.id AND r.n = d.n AND d.opens > now()
		)
		SELECT array_agg(d.n), array_agg(d.attempt), array_agg(d.lane) INTO ns, attempts, lanes
			FROM due d WHERE d.opens <= now();
		room := room - coalesce(cardinality(ns), 0);
		SELECT count(*) INTO left_stretches FROM smsr.campaign_stretch s JOIN smsr.lane l ON l.id = s.lane_id
			WHERE s.campaign_id = c.id AND s.wave = c.wave AND s.next <= s.last AND smsr.lane_opens(l) <= now();
		-- evenly, and what one has not others may have
		FOR piece IN
			SELECT s.first, s.next, s.lane_id, s.last - s.next + 1 AS size
			FROM smsr.campaign_stretch s JOIN smsr.lane l ON l.id = s.lane_id
			WHERE s.campaign_id = c.id AND s.wave = c.wave AND s.next <= s.last AND smsr.lane_opens(l) <= now()
			ORDER BY s.last - s.next, s.first
		LOOP
			piece.size := least(piece.size, ceil(room::float8 / left_stretches)::int);
			CONTINUE WHEN piece.size <= 0;
			ns := ns || ARRAY(SELECT generate_series(piece.next, piece.next + piece.size - 1));
			attempts := attempts || array_fill(0, ARRAY[piece.size]);
			lanes := lanes || array_fill(piece.lane_id, ARRAY[piece.size]);
			UPDATE smsr.campaign_stretch s SET next = s.next + piece.size WHERE s.campaign_id = c.id AND s.first = piece.first;
			room := room - piece.size;
			fresh := fresh + piece.size;
			left_stretches := left_stretches - 1;
		END LOOP;
		IF coalesce(cardinality(ns), 0) = 0 THEN
			RETURN 0;
		END IF;
		IF fresh > 0 THEN
			UPDATE smsr.campaign_wave w SET released = w.released + fresh WHERE w.campaign_id = c.id AND w.wave = c.wave;
			PERFORM smsr.count_campaign(c.id, fresh, 0, 0);
		END IF;
		RETURN smsr.release_members(c, ns, attempts, lanes, fresh = cardinality(ns));
	END $$;
COMMENT ON FUNCTION smsr.release_campaign(smsr.campaign, int) IS 'Release what is due of a campaign, as far as its backlog and windows leave room, at most so many members; returns how many';

-- ---- what is taken back ----

-- Whatever was claimed once has left for all that anybody knows, and has its lane
-- no more.
CREATE FUNCTION smsr.recall_members(c smsr.campaign, p_most int) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		ids bigint[];
		eids smsr.eid[];
		gone smsr.operation[];
		n int;
	BEGIN
		SELECT array_agg(r.operation_id), array_agg(r.eid) INTO ids, eids
			FROM (SELECT r.operation_id, r.eid FROM smsr.campaign_running r
					JOIN smsr.operation o ON o.eid = r.eid AND o.id = r.operation_id
				WHERE r.campaign_id = c.id AND o.status IS NULL
					AND (o.stage = 'waiting' OR EXISTS (SELECT FROM smsr.outbound b JOIN smsr.lane l ON l.id = b.lane_id
						WHERE b.eid = o.eid AND b.operation_id = o.id AND b.attempts = 0 AND l.campaign_id = c.id))
				LIMIT p_most) r;
		eids := smsr.lock_cards(eids, false);
		-- of a rotation more is to be taken back than a packet: its deadline does that
		IF c.function = 'rotate_keys' THEN
			PERFORM smsr.handle_event(o.eid, o.id, 'deadline')
				FROM smsr.operation o
				WHERE o.eid = ANY (ARRAY(SELECT unnest(eids))) AND o.id = ANY (ARRAY(SELECT unnest(ids))) AND o.status IS NULL
					AND (o.stage = 'waiting' OR EXISTS (SELECT FROM smsr.outbound b JOIN smsr.lane l ON l.id = b.lane_id
						WHERE b.eid = o.eid AND b.operation_id = o.id AND b.attempts = 0 AND l.campaign_id = c.id));
			RETURN coalesce(cardinality(ids), 0);
		END IF;
		WITH dropped AS MATERIALIZED (
			DELETE FROM smsr.outbound b USING smsr.lane l
			WHERE b.eid = ANY (ARRAY(SELECT unnest(eids))) AND b.operation_id = ANY (ARRAY(SELECT unnest(ids)))
				AND b.attempts = 0 AND l.id = b.lane_id AND l.campaign_id = c.id
			RETURNING b.*
		), told AS (
			INSERT INTO smsr.message (direction, eid, operation_id, step, address, attempts, cntr, outcome, detail, octets, script)
			SELECT 'out', d.eid, d.operation_id, d.step, d.destination, 0, d.cntr, 'not sent', 'cancelled with its campaign', d.packet, d.script
			FROM dropped d
		), ended AS (
			UPDATE smsr.operation o SET stage = 'finished', status = 'FAILED', subject_code = '1.6', reason_code = '3.8',
					message = 'cancelled with its campaign', finished_at = clock_timestamp()
			WHERE o.eid = ANY (ARRAY(SELECT unnest(eids))) AND o.id = ANY (ARRAY(SELECT unnest(ids))) AND o.status IS NULL
				AND (o.stage = 'waiting' OR o.id IN (SELECT d.operation_id FROM dropped d))
			RETURNING o.*
		)
		SELECT array_agg(e) INTO gone FROM ended e;
		PERFORM smsr.record_ends(gone);
		WITH known AS MATERIALIZED (
			DELETE FROM smsr.campaign_running r USING unnest(gone) g
			WHERE r.campaign_id = c.id AND r.operation_id = g.id
			RETURNING r.n, r.operation_id, r.attempt
		), stored AS (
			INSERT INTO smsr.campaign_outcome (campaign_id, n, operation_id, attempts, status, subject_code, reason_code, message, ended_at)
			SELECT c.id, k.n, k.operation_id, k.attempt, 'CANCELLED', '1.6', '3.8', 'cancelled with its campaign', clock_timestamp()
			FROM known k
		), counted AS (
			UPDATE smsr.campaign_wave w SET cancelled = w.cancelled + s.members
			FROM (SELECT m.wave, count(*) AS members FROM known k JOIN smsr.campaign_member m ON m.campaign_id = c.id AND m.n = k.n GROUP BY 1) s
			WHERE w.campaign_id = c.id AND w.wave = s.wave
		)
		SELECT count(*) INTO n FROM known;
		PERFORM smsr.start_next(w.eid)
			FROM (SELECT DISTINCT g.eid FROM unnest(gone) g JOIN smsr.operation o ON o.eid = g.eid
				WHERE o.status IS NULL AND o.stage = 'waiting') w;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.recall_members(smsr.campaign, int) IS 'End operations of a campaign that is cancelled and whose packet was never claimed; returns how many';

CREATE FUNCTION smsr.give_up_retries(c smsr.campaign) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		WITH gone AS MATERIALIZED (
			DELETE FROM smsr.campaign_retry r WHERE r.campaign_id = c.id RETURNING *
		), stored AS (
			INSERT INTO smsr.campaign_outcome (campaign_id, n, operation_id, attempts, status, subject_code, reason_code, message, ended_at)
			SELECT c.id, g.n, g.operation_id, g.attempt, coalesce(g.status, 'CANCELLED'), g.subject_code, g.reason_code,
				coalesce(g.message, 'cancelled with its campaign'), clock_timestamp()
			FROM gone g
		), reasons AS (
			INSERT INTO smsr.campaign_reason AS r (campaign_id, status, subject_code, reason_code, message, members)
			SELECT c.id, g.status, g.subject_code, g.reason_code, g.message, count(*)
			FROM gone g WHERE g.status IS NOT NULL
			GROUP BY g.status, g.subject_code, g.reason_code, g.message
			ON CONFLICT (campaign_id, status, subject_code, reason_code, message) DO UPDATE SET members = r.members + excluded.members
		)
		UPDATE smsr.campaign_wave w SET again = 0, cancelled = w.cancelled + s.cancelled,
				failed = w.failed + s.failed, expired = w.expired + s.expired
			FROM (SELECT g.wave, count(*) FILTER (WHERE g.status IS NULL) AS cancelled,
					count(*) FILTER (WHERE g.status = 'FAILED') AS failed, count(*) FILTER (WHERE g.status = 'EXPIRED') AS expired
				FROM gone g GROUP BY g.wave) s
			WHERE w.campaign_id = c.id AND w.wave = s.wave;
	END $$;
COMMENT ON FUNCTION smsr.give_up_retries(smsr.campaign) IS 'What was to be tried again ends as its last attempt did: its campaign is cancelled';

-- ---- how it goes on ----

-- The wave that is under way now; NULL: the campaign is over, or waits.
CREATE FUNCTION smsr.advance_wave(c smsr.campaign) RETURNS smallint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		w smsr.campaign_wave;
		following smallint;
		bad int;
	BEGIN
		SELECT * INTO w FROM smsr.campaign_wave x WHERE x.campaign_id = c.id AND x.wave = c.wave;
		IF FOUND AND w.succeeded + w.warned + w.failed + w.expired + w.cancelled < w.members THEN
			RETURN w.wave;
		END IF;
		SELECT min(x.wave) INTO following FROM smsr.campaign_wave x WHERE x.campaign_id = c.id AND (c.wave IS NULL OR x.wave > c.wave);
		IF w.wave IS NOT NULL AND w.ended_at IS NULL THEN
			UPDATE smsr.campaign_wave x SET ended_at = now() WHERE x.campaign_id = c.id AND x.wave = w.wave
				RETURNING * INTO w;
			bad := w.failed + w.expired;
			-- all of it is known: no confidence is asked for
			IF following IS NOT NULL AND bad > (c.options).max_failure_rate * w.members THEN
				PERFORM smsr.set_campaign_state(c.id, 'halted', format('wave %s ended with %s of %s failed', w.wave, bad, w.members), 'halt_campaign');
				RETURN NULL;
			END IF;
		END IF;
		IF following IS NULL THEN
			PERFORM smsr.set_campaign_state(c.id, 'finished', NULL, 'end_campaign',
				(SELECT jsonb_build_object('succeeded', sum(x.succeeded + x.warned), 'failed', sum(x.failed + x.expired))
					FROM smsr.campaign_wave x WHERE x.campaign_id = c.id));
			RETURN NULL;
		ELSIF w.ended_at + (c.options).soak > now() THEN
			RETURN NULL;
		END IF;
		UPDATE smsr.campaign_wave x SET started_at = now() WHERE x.campaign_id = c.id AND x.wave = following;
		-- a wave is judged by itself
		UPDATE smsr.campaign x SET wave = following, braked_ended = y.ended, braked_failed = y.failed
			FROM (SELECT sum(v.succeeded + v.warned + v.failed + v.expired) AS ended, sum(v.failed + v.expired) AS failed
				FROM smsr.campaign_wave v WHERE v.campaign_id = c.id) y
			WHERE x.id = c.id;
		RETURN following;
	END $$;
COMMENT ON FUNCTION smsr.advance_wave(smsr.campaign) IS 'End the wave that is over, begin the next when its time has come, halt or finish the campaign; returns the wave under way, NULL if none is';

CREATE FUNCTION smsr.brake_campaign(c smsr.campaign) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		since int;
		bad int;
		lately record;
	BEGIN
		SELECT sum(w.succeeded + w.warned + w.failed + w.expired) - c.braked_ended, sum(w.failed + w.expired) - c.braked_failed
			INTO since, bad
			FROM smsr.campaign_wave w WHERE w.campaign_id = c.id;
		IF since > 0 AND smsr.brake(bad, since, (c.options).max_failure_rate, (c.options).confidence, (c.options).minimum) THEN
			PERFORM smsr.set_campaign_state(c.id, 'halted', format('%s of %s failed in wave %s', bad, since, c.wave), 'halt_campaign',
				jsonb_build_object('failed', bad, 'ended', since));
			RETURN true;
		END IF;
		-- a fault that begins late in a large wave: of what ended since it was resumed
		SELECT b.* INTO lately
			FROM (SELECT array_agg(p.failed::bigint ORDER BY p.at) AS failed, array_agg(p.ended::bigint ORDER BY p.at) AS ended
				FROM (SELECT n.at, n.failed, n.succeeded + n.failed AS ended, sum(n.succeeded + n.failed) OVER (ORDER BY n.at DESC) AS upto
					FROM (SELECT x.at, x.succeeded, x.failed FROM smsr.campaign_pace x
						WHERE x.campaign_id = c.id AND x.succeeded + x.failed > 0 ORDER BY x.at DESC LIMIT 1000) n) p
				WHERE p.upto <= since) r
				CROSS JOIN LATERAL smsr.brake_lately(r.failed, r.ended,
					(SELECT w.members FROM smsr.campaign_wave w WHERE w.campaign_id = c.id AND w.wave = c.wave),
					(c.options).max_failure_rate, (c.options).confidence, (c.options).minimum) b
			WHERE r.failed IS NOT NULL;
		IF lately.halt THEN
			PERFORM smsr.set_campaign_state(c.id, 'halted',
				format('%s of the last %s failed in wave %s', lately.of_failed, lately.of_ended, c.wave), 'halt_campaign',
				jsonb_build_object('failed', lately.of_failed, 'ended', lately.of_ended));
			RETURN true;
		END IF;
		RETURN false;
	END $$;
COMMENT ON FUNCTION smsr.brake_campaign(smsr.campaign) IS 'Halt a campaign if too many fail, of the wave or of what ended of late; whether it does';

-- At the rate at which members have ended while it ran and a window was open, hours
-- back: in it is whatever slows them, also that nothing ended.  Intervals are as long
-- as makes 36 of them, so that they reach over many changes of a bind's rate.
CREATE FUNCTION smsr.forecast_campaign(c smsr.campaign) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		rates float8[];
		seconds float8;
		parts record;
		expected float8;
		earliest float8;
		latest float8;
		soaks interval;
	BEGIN
		SELECT array_agg(r.rate ORDER BY r.n), max(r.seconds) INTO rates, seconds
			FROM (SELECT i.n, sum(i.ended)::float8 / max(i.seconds) AS rate, max(i.seconds) AS seconds
				FROM (SELECT s.ended, s.each * 10 AS seconds, (s.place - s.slots % s.each) / s.each AS n, s.place >= s.slots % s.each AS full
					FROM (SELECT p.ended, p.place, p.slots, ceil(p.slots / 36.0)::int AS each
						FROM (SELECT p.succeeded + p.failed AS ended, row_number() OVER (ORDER BY p.at) - 1 AS place, count(*) OVER () AS slots
							FROM smsr.campaign_pace p
							-- the last ten seconds are not over, and before the first end nothing could
							WHERE p.campaign_id = c.id AND p.at < now() - interval '10 s'
								AND p.at >= (SELECT min(f.at) FROM smsr.campaign_pace f
									WHERE f.campaign_id = c.id AND f.at >= now() - interval '6 hours' AND f.succeeded + f.failed > 0)) p) s) i
				WHERE i.full
				GROUP BY i.n) r;
		IF rates IS NOT NULL THEN
			SELECT array_agg(l.members) || w.under_way AS members, array_agg(l.windows) || NULL::text AS windows,
					array_agg(coalesce(now() AT TIME ZONE l.time_zone, now() AT TIME ZONE 'UTC')) || now() AT TIME ZONE 'UTC' AS local,
					w.soaks
				INTO parts
				FROM (SELECT n.windows, n.time_zone, sum(s.last - s.next + 1)::bigint AS members
						FROM smsr.campaign_stretch s JOIN smsr.lane n ON n.id = s.lane_id WHERE s.campaign_id = c.id GROUP BY n.id) l,
					(SELECT sum(v.released - v.succeeded - v.warned - v.failed - v.expired - v.cancelled) AS under_way,
							count(*) FILTER (WHERE v.wave > c.wave) * (c.options).soak AS soaks
						FROM smsr.campaign_wave v WHERE v.campaign_id = c.id) w
				GROUP BY w.under_way, w.soaks;
			SELECT f.expected, f.earliest, f.latest INTO expected, earliest, latest
				FROM smsr.forecast(parts.members, parts.windows, parts.local, rates, seconds) f;
			soaks := parts.soaks;
		END IF;
		UPDATE smsr.campaign x SET forecast_at = now(), forecast_expected = now() + expected * interval '1 s' + soaks,
				forecast_earliest = now() + earliest * interval '1 s' + soaks, forecast_latest = now() + latest * interval '1 s' + soaks
			WHERE x.id = c.id;
	END $$;
COMMENT ON FUNCTION smsr.forecast_campaign(smsr.campaign) IS 'Note when a campaign will be over, at its rate in the last six hours as far as it ran and a window was open';

CREATE FUNCTION smsr.step_campaign(p_id bigint, p_most int) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign;
		n int;
	BEGIN
		-- who acts upon it at this moment goes first
		SELECT * INTO c FROM smsr.campaign x WHERE x.id = p_id AND x.state IN ('running', 'paused', 'halted', 'cancelling')
			FOR UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			RETURN 0;
		END IF;
		n := smsr.drain_campaign(c, 2 * p_most);
		IF c.state = 'cancelling' THEN
			n := n + smsr.recall_members(c, p_most);
			PERFORM smsr.give_up_retries(c);
			IF NOT EXISTS (SELECT FROM smsr.campaign_running r WHERE r.campaign_id = c.id) THEN
				PERFORM smsr.set_campaign_state(c.id, 'cancelled', c.because, 'end_campaign');
			END IF;
		ELSIF c.state = 'running' AND NOT (n > 0 AND smsr.brake_campaign(c)) THEN
			c.wave := smsr.advance_wave(c);
			IF c.wave IS NOT NULL THEN
				-- ten seconds in which nothing happens, though it might have, count too
				INSERT INTO smsr.campaign_pace (campaign_id, at, released, succeeded, failed)
					SELECT c.id, to_timestamp(floor(extract(epoch FROM now()) / 10) * 10), 0, 0, 0
					WHERE EXISTS (SELECT FROM smsr.campaign_stretch s JOIN smsr.lane l ON l.id = s.lane_id
						WHERE s.campaign_id = c.id AND s.next <= s.last AND smsr.lane_open(l.open, l.windows, l.time_zone, now()))
					ON CONFLICT (campaign_id, at) DO NOTHING;
				n := n + smsr.release_campaign(c, p_most);
				IF c.forecast_at IS NULL OR c.forecast_at < now() - interval '10 s' THEN
					PERFORM smsr.forecast_campaign(c);
				END IF;
			END IF;
		END IF;
		UPDATE smsr.campaign x SET looked_at = now() WHERE x.id = p_id;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.step_campaign(bigint, int) IS 'Carry a campaign on by a piece of at most so many members; returns how many it was';

CREATE FUNCTION smsr.campaign_tick(most int DEFAULT 2000) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		ids bigint[];
		one bigint;
		n int := 0;
		fault text;
	BEGIN
		SELECT array_agg(c.id ORDER BY c.looked_at NULLS FIRST, c.id) INTO ids
			FROM smsr.campaign c
			WHERE c.state IN ('running', 'cancelling', 'halted', 'paused') AND c.next_at <= now()
				AND (c.state IN ('running', 'cancelling') OR EXISTS (SELECT FROM smsr.campaign_end e WHERE e.campaign_id = c.id));
		FOREACH one IN ARRAY coalesce(ids, '{}')
		LOOP
			BEGIN
				-- each its part of what may be done at once
				n := n + smsr.step_campaign(one, greatest(most / cardinality(ids), 100));
			EXCEPTION
				WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
					-- somebody holds what it needs: the others do not wait for that each second
					UPDATE smsr.campaign c SET next_at = now() + interval '10 s'
						WHERE c.id = (SELECT x.id FROM smsr.campaign x WHERE x.id = one FOR UPDATE SKIP LOCKED);
				WHEN OTHERS THEN
					GET STACKED DIAGNOSTICS fault = MESSAGE_TEXT;
					PERFORM smsr.set_campaign_state(c.id, 'halted', format('it can not go on: %s', fault), 'halt_campaign')
						FROM smsr.campaign c WHERE c.id = one AND c.state = 'running';
					-- not again each second, whatever its state
					UPDATE smsr.campaign c SET next_at = now() + interval '1 min' WHERE c.id = one;
			END;
		END LOOP;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.campaign_tick(int) IS 'Carry on all campaigns, each by its part of so many members; one that can not go on halts and is in nobody''s way. Returns how many members';
