-- What a campaign would come to, as things are now.  Judged by what judges each
-- operation when it is released: smsr.authorise_all() and smsr.judge().

CREATE FUNCTION smsr.refusal_kind(subject_code text, reason_code text, authorised boolean) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE WHEN authorised IS NOT TRUE THEN 'not authorised'
			WHEN subject_code IN ('8.2.2', '8.2.3') THEN 'denied by policy'
			WHEN subject_code = '8.2.1' THEN 'wrong state'
			WHEN subject_code = '8.1' AND reason_code = '4.8' THEN 'too little memory'
			ELSE 'refused' END;
	END;
COMMENT ON FUNCTION smsr.refusal_kind(text, text, boolean) IS 'In a word what a refusal by SGP.02''s subject and reason is about';

-- The one place where stands how many messages follow the first of an operation
-- that goes well: the confirmation of a notification, the proof of new keys.
CREATE FUNCTION smsr.messages_to_follow(function text) RETURNS int
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE WHEN function IN ('enable_profile', 'disable_profile', 'rotate_keys') THEN 1 ELSE 0 END;
	END;
COMMENT ON FUNCTION smsr.messages_to_follow(text) IS 'How many messages follow the first of an operation that goes well';

CREATE FUNCTION smsr.sms_rates(OUT rates float8[], OUT seconds int)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		-- as many intervals as of a campaign under way
		SELECT array_agg(r.rate ORDER BY r.n), max(r.seconds) INTO rates, seconds
			FROM (SELECT (s.place - s.slots % s.each) / s.each AS n, sum(s.messages)::float8 / (10 * s.each) AS rate, 10 * s.each AS seconds
				FROM (SELECT b.*, ceil(b.slots / 36.0)::int AS each
					FROM (SELECT sum(x.messages) AS messages, row_number() OVER (ORDER BY x.slot) - 1 AS place, count(*) OVER () AS slots
						FROM smsr.bind_count x
						WHERE x.slot >= now() - interval '6 hours' AND x.slot < date_bin('10 s', now(), 'epoch')
						GROUP BY x.slot) b) s
				WHERE s.place >= s.slots % s.each
				GROUP BY 1, s.each) r;
		IF rates IS NULL THEN
			-- nothing was carried of late: what they are allowed
			SELECT array_agg(l.rate) INTO rates FROM (SELECT sum(g.per_second)::float8 AS rate FROM smsr.gateway_limit g) l WHERE l.rate > 0;
			seconds := 10;
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.sms_rates() IS 'Short messages a second of all binds together in intervals of so many seconds, 36 at most, of those ten seconds of the last six hours in which any were carried; what they are allowed if none were; NULL: nobody knows';

CREATE FUNCTION smsr.rehearse(campaign bigint)
	RETURNS TABLE (verdict text, subject_code text, reason_code text, because text, members bigint, messages bigint,
		expected interval, earliest interval, latest interval)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET work_mem = '128MB'
	AS $$
	#variable_conflict use_column
	DECLARE
		c smsr.campaign := smsr.see_campaign(rehearse.campaign);
		own boolean := coalesce(smsr.party_kind(c.party_id) = 'OWN', false);
		seen record := smsr.sms_rates();
		step text;
		step_enabled text;
		answers jsonb;
		parts record;
		f record;
	BEGIN
		SELECT s.step INTO step FROM smsr.procedure(c.function, NULL, 'waiting', NULL, false, false, 'start', target_enabled => false) s;
		SELECT s.step INTO step_enabled FROM smsr.procedure(c.function, NULL, 'waiting', NULL, false, false, 'start', target_enabled => true) s;
		WITH asked AS MATERIALIZED (
			SELECT m.*, s.lane_id, row_number() OVER (ORDER BY m.n) AS place
			FROM smsr.campaign_stretch s JOIN smsr.campaign_member m ON m.campaign_id = s.campaign_id AND m.n BETWEEN s.next AND s.last
			WHERE s.campaign_id = c.id
		), authority AS MATERIALIZED (
			SELECT z.*
			FROM (SELECT array_agg(a.eid ORDER BY a.n) AS eids, array_agg(a.iccid ORDER BY a.n) AS iccids, array_agg(a.arguments ORDER BY a.n) AS arguments
					FROM asked a WHERE NOT own) u
				CROSS JOIN LATERAL smsr.authorise_all(c.party_id, c.function, u.eids, u.iccids, u.arguments) z
		), judged AS MATERIALIZED (
			SELECT a.n, a.lane_id, own OR z.allowed AS authorised, h.eid IS NOT NULL AS leaving,
				CASE WHEN NOT own AND z.allowed IS NOT TRUE THEN ROW(NULL, coalesce(z.subject_code, '1.2'), coalesce(z.reason_code, '4.2'),
						coalesce(z.because, 'the decision could not be made'))::smsr.refusal
					WHEN e.eid IS NULL THEN ROW(NULL, '8.1.1', '3.9', 'the EID is not registered here')::smsr.refusal
					WHEN h.eid IS NOT NULL THEN ROW(NULL, '1.2', '4.4', 'the eUICC is being handed over to another SM-SR')::smsr.refusal
					ELSE smsr.judge(c.function, p.state, p.fallback_attribute, p.pol2, k.state, k.pol2,
						(a.arguments ->> 'required_memory')::bigint, e.remaining_memory, p.emergency_attribute, e.remote_provisioning_version)
				END AS refusal,
				NOT EXISTS (SELECT FROM smsr.keyset y WHERE y.eid = a.eid AND y.sd_aid = e.isdr_aid AND y.type = 'SCP80' AND y.state = 'active') AS keyless,
				k.msisdn IS NULL AS numberless, e.last_seen_at IS NULL AS unheard,
				EXISTS (SELECT FROM smsr.operation r WHERE r.eid = a.eid AND r.status IS NULL AND r.exclusive AND r.stage <> 'waiting') AS busy,
				coalesce(smsr.sms_segment_count(45 + length(smsr.es5_script(CASE WHEN p.state = 'Enabled' THEN step_enabled ELSE step END,
					coalesce(p.isdp_aid, smsr.isdp_aid(16)), e.isdp_loadfile_aid, e.isdp_module_aid, a.arguments, NULL))), 1)
					+ smsr.messages_to_follow(c.function) AS messages
			FROM asked a
				LEFT JOIN smsr.euicc e ON e.eid = a.eid
				LEFT JOIN smsr.handover h ON h.eid = a.eid AND h.side = 'gives'
				LEFT JOIN smsr.profile p ON p.eid = a.eid AND p.iccid = a.iccid
				LEFT JOIN smsr.profile k ON k.eid = a.eid AND k.state = 'Enabled'
				LEFT JOIN authority z ON z.n = a.place
		), told AS MATERIALIZED (
			SELECT j.lane_id, v.verdict, CASE WHEN v.refused THEN (j.refusal).subject_code END AS subject_code,
				CASE WHEN v.refused THEN (j.refusal).reason_code END AS reason_code,
				CASE WHEN v.refused THEN (j.refusal).because
					ELSE CASE v.verdict WHEN 'no keys' THEN 'it has no active SCP80 key set: nothing can be sent'
						WHEN 'no number' THEN 'nobody knows where it is: sent when it is heard from'
						WHEN 'busy' THEN 'another operation runs: it waits for that, and is judged again then'
						WHEN 'never heard from' THEN 'sent, but it has never answered' END END AS because,
				CASE WHEN v.refused OR j.keyless THEN 0 ELSE j.messages END AS messages
			FROM judged j
				CROSS JOIN LATERAL (SELECT CASE
						WHEN (j.refusal).subject_code IS NOT NULL AND NOT (j.busy AND j.authorised AND NOT j.leaving)
							THEN smsr.refusal_kind((j.refusal).subject_code, (j.refusal).reason_code, j.authorised)
						WHEN j.keyless THEN 'no keys' WHEN j.numberless THEN 'no number' WHEN j.busy THEN 'busy'
						WHEN j.unheard THEN 'never heard from' ELSE 'eligible' END AS verdict,
					(j.refusal).subject_code IS NOT NULL AND NOT (j.busy AND j.authorised AND NOT j.leaving) AS refused) v
		)
		SELECT (SELECT jsonb_agg(to_jsonb(g) ORDER BY g.members DESC, g.verdict, g.subject_code, g.reason_code, g.because)
				FROM (SELECT t.verdict, t.subject_code, t.reason_code, t.because, count(*) AS members, sum(t.messages) AS messages
					FROM told t GROUP BY 1, 2, 3, 4) g) AS answers,
			array_agg(l.messages) AS messages, array_agg(l.windows) AS windows,
			array_agg(coalesce(now() AT TIME ZONE l.time_zone, now() AT TIME ZONE 'UTC')) AS local
			INTO parts
			FROM (SELECT n.windows, n.time_zone, sum(t.messages)::bigint AS messages
				FROM told t JOIN smsr.lane n ON n.id = t.lane_id GROUP BY n.id) l;
		IF seen.rates IS NOT NULL THEN
			SELECT * INTO f FROM smsr.forecast(parts.messages, parts.windows, parts.local, seen.rates, seen.seconds);
		ELSE
			SELECT NULL::float8 AS expected, NULL::float8 AS earliest, NULL::float8 AS latest INTO f;
		END IF;
		RETURN QUERY
			SELECT a.verdict, a.subject_code, a.reason_code, a.because, a.members, a.messages, NULL::interval, NULL::interval, NULL::interval
			FROM jsonb_to_recordset(parts.answers) a (verdict text, subject_code text, reason_code text, because text, members bigint, messages bigint);
		RETURN QUERY
			SELECT 'all', NULL, NULL, NULL, coalesce(sum(a.members), 0)::bigint, coalesce(sum(a.messages), 0)::bigint,
				make_interval(secs => round(f.expected)), make_interval(secs => round(f.earliest)), make_interval(secs => round(f.latest))
			FROM jsonb_to_recordset(parts.answers) a (members bigint, messages bigint);
	END $$;
COMMENT ON FUNCTION smsr.rehearse(bigint) IS 'What would become of a campaign''s members that have not been released, as things are now: how many are eligible, refused and why, or will wait; how many short messages, and how long those take at what the binds carry. Changes nothing';
