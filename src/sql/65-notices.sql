-- For those who are told.  Each function is about the caller's own party and
-- takes no name of another; one consumer of a party at a time: whoever comes
-- second waits until the first one's transaction ends.

CREATE FUNCTION smsr.lock_notice_cursor() RETURNS smsr.notice_cursor
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_requester();
		mine smsr.notice_cursor;
	BEGIN
		SELECT * INTO mine FROM smsr.notice_cursor c WHERE c.party_id = me FOR NO KEY UPDATE;
		IF FOUND THEN
			RETURN mine;
		END IF;
		IF NOT EXISTS (SELECT FROM smsr.party y WHERE y.oid = me) THEN
			RAISE EXCEPTION 'this SM-SR has no notices of its own'
				USING ERRCODE = 'insufficient_privilege',
					HINT = 'Use a role that is bound to a party. What waits for whom is in smsr.notice_lag.';
		END IF;
		INSERT INTO smsr.notice_cursor (party_id) VALUES (me) ON CONFLICT (party_id) DO NOTHING;
		SELECT * INTO STRICT mine FROM smsr.notice_cursor c WHERE c.party_id = me FOR NO KEY UPDATE;
		RETURN mine;
	END $$;
COMMENT ON FUNCTION smsr.lock_notice_cursor() IS 'The cursor of the caller''s party, locked until the transaction ends; made if there is none';

CREATE FUNCTION smsr.fetch_notices(max_notices int DEFAULT 100, after bigint DEFAULT NULL)
	RETURNS TABLE ("position" bigint, id bigint, eid smsr.eid, kind text, iccid smsr.iccid, mno_id text,
		completed_at timestamptz, details jsonb)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	#variable_conflict use_column
	DECLARE
		mine smsr.notice_cursor;
		start bigint;
		kept bigint;
		had bigint;
		got bigint;
	BEGIN
		IF max_notices IS NULL OR max_notices NOT BETWEEN 1 AND 10000 THEN
			RAISE EXCEPTION 'max_notices must be between 1 and 10000' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF after < 0 THEN
			RAISE EXCEPTION 'after must not be negative' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		mine := smsr.lock_notice_cursor();
		start := coalesce(after, mine.acked_position);
		IF start > mine.last_position THEN
			RAISE EXCEPTION 'after must not be above %, the last position that was fetched', mine.last_position
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', after);
		END IF;
		IF start < mine.acked_position THEN
			SELECT coalesce(min(n.position) - 1, mine.acked_position) INTO kept
				FROM smsr.notice n WHERE n.party_id = mine.party_id AND n.position IS NOT NULL;
			IF start < kept THEN
				RAISE EXCEPTION 'notices up to position % are not kept any more', kept
					USING ERRCODE = 'invalid_parameter_value',
						DETAIL = format('They were asked for after %s, and were removed after smsr.notice_retention.', start),
						HINT = format('Replay what there is with after => %s.', kept);
			END IF;
		END IF;
		-- what has not been fetched before gets its positions now, behind all others
		SELECT count(*) INTO had
			FROM (SELECT FROM smsr.notice n WHERE n.party_id = mine.party_id AND n.position > start
				ORDER BY n.position LIMIT max_notices) n;
		WITH new AS MATERIALIZED (
			SELECT n.id, row_number() OVER (ORDER BY n.id) AS nth
			FROM (SELECT n.id FROM smsr.notice n WHERE n.party_id = mine.party_id AND n.position IS NULL
				ORDER BY n.id LIMIT max_notices - had) n
		)
		UPDATE smsr.notice n SET position = mine.last_position + new.nth
			FROM new WHERE n.party_id = mine.party_id AND n.id = new.id;
		GET DIAGNOSTICS got = ROW_COUNT;
		UPDATE smsr.notice_cursor c SET last_position = c.last_position + got, fetched_at = clock_timestamp()
			WHERE c.party_id = mine.party_id;
		RETURN QUERY SELECT n.position, n.id, n.eid, n.kind::text, n.iccid, n.mno_id, n.created_at, n.details
			FROM smsr.notice n
			WHERE n.party_id = mine.party_id AND n.position > start
			ORDER BY n.position LIMIT max_notices;
	END $$;
COMMENT ON FUNCTION smsr.fetch_notices(int, bigint)
	IS 'What the caller''s party is to be told, in order: from the first that it has not acknowledged, or after a position to see old ones again. What is not acknowledged comes again';

CREATE FUNCTION smsr.ack_notices(up_to bigint) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		mine smsr.notice_cursor;
	BEGIN
		IF up_to IS NULL THEN
			RAISE EXCEPTION 'up_to must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		mine := smsr.lock_notice_cursor();
		IF up_to < mine.acked_position THEN
			RAISE EXCEPTION 'up_to must not be below %, which is acknowledged already', mine.acked_position
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', up_to),
					HINT = 'smsr.fetch_notices(after => ...) gives old notices again and leaves the cursor where it is.';
		END IF;
		IF up_to > mine.last_position THEN
			RAISE EXCEPTION 'up_to must not be above %, the last position that was fetched', mine.last_position
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', up_to);
		END IF;
		UPDATE smsr.notice_cursor c SET acked_position = up_to, acked_at = clock_timestamp()
			WHERE c.party_id = mine.party_id;
		RETURN up_to - mine.acked_position;
	END $$;
COMMENT ON FUNCTION smsr.ack_notices(bigint)
	IS 'The caller''s party has done what there was to do about its notices up to this position; returns how many that are. The same position again is no error';

CREATE FUNCTION smsr.notice_channel() RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		mine smsr.notice_cursor := smsr.lock_notice_cursor();
	BEGIN
		-- LISTEN asks nobody for permission: the name, 122 random bits, is the permission
		IF mine.channel IS NULL THEN
			mine.channel := 'smsr_notice_' || replace(gen_random_uuid()::text, '-', '');
			UPDATE smsr.notice_cursor c SET channel = mine.channel WHERE c.party_id = mine.party_id;
		END IF;
		RETURN mine.channel;
	END $$;
COMMENT ON FUNCTION smsr.notice_channel() IS 'Where to LISTEN for new notices of the caller''s party; from the first call on it is notified, without payload';

CREATE VIEW smsr.notice_lag WITH (security_invoker = true) AS
	SELECT y.oid AS party_id, y.name, EXISTS (SELECT FROM smsr.party_role r WHERE r.party_id = y.oid) AS connected,
		new.n + seen.n AS waiting, seen.n AS fetched, least(new.oldest, seen.oldest) AS oldest,
		c.fetched_at, c.acked_at, coalesce(c.removed, 0) AS removed, c.removed_at
	FROM smsr.party y
		LEFT JOIN smsr.notice_cursor c ON c.party_id = y.oid
		CROSS JOIN LATERAL (SELECT count(*) AS n, min(n.created_at) AS oldest FROM smsr.notice n
			WHERE n.party_id = y.oid AND n.position IS NULL) new
		CROSS JOIN LATERAL (SELECT count(*) AS n, min(n.created_at) AS oldest FROM smsr.notice n
			WHERE n.party_id = y.oid AND n.position > c.acked_position) seen;
COMMENT ON VIEW smsr.notice_lag IS 'How far each party is behind with its notices';
COMMENT ON COLUMN smsr.notice_lag.connected IS 'Whether a role is bound to the party: without one nobody can fetch';
COMMENT ON COLUMN smsr.notice_lag.waiting IS 'Notices that it has not acknowledged';
COMMENT ON COLUMN smsr.notice_lag.fetched IS 'How many of these it has fetched';
COMMENT ON COLUMN smsr.notice_lag.removed IS 'Notices that it has never acknowledged and that were not kept any longer';

-- The beginning again, so that what is kept has no hole.  The party is told, by one
-- notice however often; and a party that is fetching at the moment has time until the
-- next call: nobody waits for it.
CREATE FUNCTION smsr.prune_unacknowledged(p_cutoff timestamptz) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		party record;
		gone record;
		pruned bigint := 0;
		parties jsonb := '{}';
	BEGIN
		-- a party that has never fetched has no cursor to lock
		INSERT INTO smsr.notice_cursor (party_id)
			SELECT y.oid FROM smsr.party y
			WHERE EXISTS (SELECT FROM smsr.notice n WHERE n.party_id = y.oid AND n.created_at < p_cutoff)
			ON CONFLICT (party_id) DO NOTHING;
		FOR party IN
			SELECT c.party_id, c.acked_position FROM smsr.notice_cursor c
			WHERE EXISTS (SELECT FROM smsr.notice n WHERE n.party_id = c.party_id AND n.created_at < p_cutoff
				AND (n.position IS NULL OR n.position > c.acked_position) AND n.kind <> 'NoticesRemoved')
			ORDER BY c.party_id FOR NO KEY UPDATE SKIP LOCKED
		LOOP
			WITH waiting AS (
				-- in the order in which they are fetched; all up to one that is not old
				SELECT n.id, n.kind, n.created_at, n.position, n.details,
					bool_and(n.created_at < p_cutoff OR n.kind = 'NoticesRemoved') OVER (ORDER BY n.position NULLS LAST, n.id) AS old
				FROM smsr.notice n
				WHERE n.party_id = party.party_id AND (n.position IS NULL OR n.position > party.acked_position)
			), removed AS (
				DELETE FROM smsr.notice n USING waiting w
				WHERE n.party_id = party.party_id AND n.id = w.id AND w.old
				RETURNING w.kind, w.created_at, w.position, w.details
			)
			SELECT count(*) FILTER (WHERE r.kind <> 'NoticesRemoved') AS n,
					coalesce(sum((r.details ->> 'removed')::bigint) FILTER (WHERE r.kind = 'NoticesRemoved'), 0) AS told,
					min(coalesce((r.details ->> 'first_at')::timestamptz, r.created_at)) AS first_at,
					max(coalesce((r.details ->> 'last_at')::timestamptz, r.created_at)) AS last_at
				INTO gone FROM removed r;
			CONTINUE WHEN gone.n + gone.told = 0;
			-- behind what is kept, as all new ones are
			PERFORM smsr.tell_party(party.party_id, 'NoticesRemoved', jsonb_build_object('removed', gone.n + gone.told,
				'first_at', smsr.utc(gone.first_at), 'last_at', smsr.utc(gone.last_at)));
			UPDATE smsr.notice_cursor c SET removed = c.removed + gone.n, removed_at = clock_timestamp()
				WHERE c.party_id = party.party_id AND gone.n > 0;
			pruned := pruned + gone.n;
			parties := parties || jsonb_build_object(party.party_id, gone.n);
		END LOOP;
		IF pruned > 0 THEN
			PERFORM smsr.record_audit(NULL, 'prune_notices', p_requester => smsr.setting('smsr_id'), p_status => 'EXECUTED_SUCCESS',
				p_details => jsonb_build_object('before', p_cutoff, 'parties', parties));
		END IF;
		RETURN pruned;
	END $$;
COMMENT ON FUNCTION smsr.prune_unacknowledged(timestamptz) IS 'Remove notices that nobody has acknowledged and that are older; each party is told how many, by a notice, and the audit trail has it. Returns how many';

-- A replay must not find holes, so what goes is always the beginning.
CREATE FUNCTION smsr.prune_notices() RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		cutoff timestamptz := now() - make_interval(secs => smsr.setting_seconds('notice_retention'));
		pruned bigint;
		ownerless bigint;
	BEGIN
		WITH kept AS MATERIALIZED (
			SELECT c.party_id, coalesce(
				(SELECT k.position FROM smsr.notice k
				WHERE k.party_id = c.party_id AND k.position <= c.acked_position AND k.created_at >= cutoff
				ORDER BY k.position LIMIT 1), c.acked_position + 1) AS keep_from
			FROM smsr.notice_cursor c
		)
		DELETE FROM smsr.notice n
			USING kept k
			WHERE n.party_id = k.party_id AND n.position < k.keep_from;
		GET DIAGNOSTICS pruned = ROW_COUNT;
		DELETE FROM smsr.notice n
			WHERE n.created_at < cutoff AND NOT EXISTS (SELECT FROM smsr.party y WHERE y.oid = n.party_id);
		GET DIAGNOSTICS ownerless = ROW_COUNT;
		IF smsr.setting_seconds('unread_notice_retention') >= 0 THEN
			pruned := pruned + smsr.prune_unacknowledged(now() - make_interval(secs => smsr.setting_seconds('unread_notice_retention')));
		END IF;
		RETURN pruned + ownerless;
	END $$;
COMMENT ON FUNCTION smsr.prune_notices()
	IS 'Remove what was acknowledged and is older than smsr.notice_retention, what is as old and for a party that is not registered any more, and what nobody has acknowledged for smsr.unread_notice_retention; returns how many';
