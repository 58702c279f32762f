-- What parties are to be told: an outbox in the transaction of what happened.

CREATE TABLE smsr.notice (
	party_id text NOT NULL,
	id bigint NOT NULL DEFAULT smsr.next_id(),
	eid smsr.eid,
	kind smsr.notice_kind NOT NULL,
	iccid smsr.iccid,
	mno_id text,
	operation_id bigint,
	details jsonb,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	position bigint CHECK (position > 0),
	PRIMARY KEY (party_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX notice_new ON smsr.notice (party_id, id) WHERE position IS NULL;
CREATE UNIQUE INDEX notice_position ON smsr.notice (party_id, position) WHERE position IS NOT NULL;
COMMENT ON TABLE smsr.notice IS 'What parties are to be told (Handle..Notification of ES3 and ES4), one row a party and event, kept until it was acknowledged and is old';
COMMENT ON COLUMN smsr.notice.id IS 'Given while the eUICC''s row is locked, so in the order in which things happened to one eUICC; those of different eUICCs are committed in any order';
COMMENT ON COLUMN smsr.notice.eid IS 'NULL if it is not about an eUICC';
COMMENT ON COLUMN smsr.notice.position IS 'Place in what the party is told, counted without gaps; given when it is first fetched, so that nothing that was committed late lies behind a cursor';

CREATE TABLE smsr.notice_cursor (
	party_id text PRIMARY KEY,
	last_position bigint NOT NULL DEFAULT 0,
	acked_position bigint NOT NULL DEFAULT 0,
	fetched_at timestamptz,
	acked_at timestamptz,
	channel text UNIQUE,
	removed bigint NOT NULL DEFAULT 0,
	removed_at timestamptz,
	CHECK (acked_position BETWEEN 0 AND last_position)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE smsr.notice_cursor IS 'How far each party has fetched and acknowledged its notices';
COMMENT ON COLUMN smsr.notice_cursor.removed IS 'Notices that were removed without having been acknowledged (smsr.unread_notice_retention)';
COMMENT ON COLUMN smsr.notice_cursor.channel IS 'Where NOTIFY is its doorbell; NULL: it has never asked for one. Whoever knows the name can listen, so nobody else is to know';

-- One statement: a switch of profiles tells two or three times, and a batch of
-- switches no oftener.  It runs with the eUICCs' rows locked by its caller.
CREATE FUNCTION smsr.tell_all(p_kind text, p_profiles smsr.profile[], p_operations bigint[], p_details jsonb DEFAULT NULL)
	RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		bells bigint;
	BEGIN
		WITH about AS MATERIALIZED (
			-- not an ISD-P that nobody owns yet
			SELECT p.eid, p.iccid, p.mno_id, p.smdp_id, p.profile_type, p.unnest AS operation_id, p.ordinality AS n
			FROM ROWS FROM (unnest(p_profiles), unnest(p_operations)) WITH ORDINALITY p
			WHERE p.mno_id IS NOT NULL
		), concerned AS (
			-- the owner: itself if it is connected, else by the SM-DP that made the ISD-P
			SELECT p.*, CASE WHEN EXISTS (SELECT FROM smsr.party_role r WHERE r.party_id = p.mno_id)
					THEN p.mno_id ELSE p.smdp_id END AS party_id, NULL AS authorised_by
			FROM about p
			WHERE NOT EXISTS (SELECT FROM smsr.onc c
				WHERE c.mno_id = p.mno_id AND c.profile_type = p.profile_type AND p_kind = ANY (c.discarded))
			UNION ALL
			-- whom the owner has authorised: what the owner discards for itself they get all the same
			SELECT p.*, m.m2m_sp_id, m.mno_id
			FROM about p JOIN smsr.plma m ON m.mno_id = p.mno_id AND m.profile_type = p.profile_type AND p_kind = ANY (m.notifications)
		), told AS (
			INSERT INTO smsr.notice (party_id, eid, kind, iccid, mno_id, operation_id, details)
			SELECT d.party_id, d.eid, p_kind, d.iccid, d.mno_id, d.operation_id, p_details
			FROM (SELECT DISTINCT c.n, c.party_id, c.eid, c.iccid, c.mno_id, c.operation_id
				FROM concerned c JOIN smsr.party y ON y.oid = c.party_id
				-- who asked for it has its answer; an audit brings about nothing that was asked for
				WHERE c.party_id IS DISTINCT FROM (SELECT o.requester_id FROM smsr.operation o
						WHERE o.eid = c.eid AND o.id = c.operation_id AND o.function <> 'audit_eis')
					-- an EID in a range is there for the parties of the range alone; who is authorised by one of them is with it
					AND (NOT EXISTS (SELECT FROM smsr.eid_range r WHERE r.first <= c.eid AND r.last >= c.eid)
						OR EXISTS (SELECT FROM smsr.eid_range r
							WHERE r.first <= c.eid AND r.last >= c.eid AND r.party_id = coalesce(c.authorised_by, c.party_id)))) d
			RETURNING notice.party_id
		)
		SELECT count(pg_notify(u.channel, '')) INTO bells
		FROM told t JOIN smsr.notice_cursor u ON u.party_id = t.party_id
		WHERE u.channel IS NOT NULL;
	END $$;
COMMENT ON FUNCTION smsr.tell_all(text, smsr.profile[], bigint[], jsonb)
	IS 'Queue notices about profiles, by reason of an operation each, for their operators, or for the SM-DP if the operator is not connected, and for those whose PLMA lists it; not for who asked for it, nor what the operator''s ONC discards';

CREATE FUNCTION smsr.tell(p_eid smsr.eid, p_kind text, p_profile smsr.profile, p_operation bigint, p_details jsonb DEFAULT NULL)
	RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		PERFORM smsr.tell_all(p_kind, ARRAY[p_profile], ARRAY[p_operation], p_details);
	END $$;
COMMENT ON FUNCTION smsr.tell(smsr.eid, text, smsr.profile, bigint, jsonb) IS 'smsr.tell_all() about one';

CREATE FUNCTION smsr.tell_party(p_party text, p_kind text, p_details jsonb DEFAULT NULL, p_mno_id text DEFAULT NULL)
	RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		bells bigint;
	BEGIN
		WITH told AS (
			INSERT INTO smsr.notice (party_id, kind, mno_id, details)
			SELECT y.oid, p_kind, p_mno_id, p_details FROM smsr.party y WHERE y.oid = p_party
			RETURNING notice.party_id
		)
		SELECT count(pg_notify(u.channel, '')) INTO bells
		FROM told t JOIN smsr.notice_cursor u ON u.party_id = t.party_id
		WHERE u.channel IS NOT NULL;
	END $$;
COMMENT ON FUNCTION smsr.tell_party(text, text, jsonb, text) IS 'Queue a notice that is about no eUICC for one party, if it is registered';
