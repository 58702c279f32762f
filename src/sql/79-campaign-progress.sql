-- Looking at campaigns.  Nothing here counts members: smsr.tick() has.

CREATE VIEW smsr.campaign_progress WITH (security_invoker = true) AS
	SELECT c.id, c.name, c.function, c.party_id, c.state, c.because,
		c.wave, w.waves,
		repeat('#', b.ended) || repeat('=', b.sent - b.ended) || repeat('.', 30 - b.sent) AS bar,
		round(100.0 * (w.done + w.failed + w.cancelled) / c.members, 1) AS percent,
		c.members, w.done, w.warned, w.failed, w.cancelled,
		w.released - w.done - w.failed - w.cancelled - w.again AS running,
		w.again, c.members - w.released AS waiting, w.retries,
		round(r.ended / 60.0, 1) AS per_second,
		CASE WHEN c.state = 'running' THEN c.forecast_expected END AS expected_at,
		CASE WHEN c.state = 'running' THEN c.forecast_earliest END AS earliest_at,
		CASE WHEN c.state = 'running' THEN c.forecast_latest END AS latest_at,
		f.reasons AS failed_by_reason,
		c.created_at, c.started_at, c.ended_at
	FROM smsr.campaign c
		CROSS JOIN LATERAL (SELECT count(*) AS waves, sum(v.released) AS released, sum(v.succeeded + v.warned) AS done,
				sum(v.warned) AS warned, sum(v.failed + v.expired) AS failed, sum(v.cancelled) AS cancelled,
				sum(v.again) AS again, sum(v.retries) AS retries
			FROM smsr.campaign_wave v WHERE v.campaign_id = c.id) w
		CROSS JOIN LATERAL (SELECT ((w.done + w.failed + w.cancelled) * 30 / c.members)::int AS ended,
			(w.released * 30 / c.members)::int AS sent) b
		CROSS JOIN LATERAL (SELECT coalesce(sum(p.succeeded + p.failed), 0) AS ended
			FROM smsr.campaign_pace p WHERE p.campaign_id = c.id AND p.at >= now() - interval '60 s') r
		CROSS JOIN LATERAL (SELECT jsonb_object_agg(concat_ws(' ', q.status, q.subject_code, q.reason_code, q.message), q.members
				ORDER BY q.members DESC) AS reasons
			FROM smsr.campaign_reason q WHERE q.campaign_id = c.id AND q.status IN ('FAILED', 'EXPIRED')) f;
COMMENT ON VIEW smsr.campaign_progress IS 'How far campaigns are: a row each, as cheap with a million members as with ten';
COMMENT ON COLUMN smsr.campaign_progress.bar IS '# has ended, = is under way, . waits';
COMMENT ON COLUMN smsr.campaign_progress.done IS 'Ended well, warned included';
COMMENT ON COLUMN smsr.campaign_progress.running IS 'Operations queued or under way';
COMMENT ON COLUMN smsr.campaign_progress.again IS 'Members that wait for another attempt';
COMMENT ON COLUMN smsr.campaign_progress.waiting IS 'Members that have not been released';
COMMENT ON COLUMN smsr.campaign_progress.per_second IS 'Members that ended, over the last minute';
COMMENT ON COLUMN smsr.campaign_progress.expected_at IS 'When the last will have ended, at the rates of the last six hours; between earliest_at and latest_at with a confidence of 0.9';

CREATE VIEW smsr.campaign_result WITH (security_invoker = true) AS
	SELECT m.campaign_id, m.n, m.line, m.wave, m.eid, m.iccid, m.arguments, m.time_zone,
		CASE WHEN o.status IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING') THEN 'done'
			WHEN o.status = 'CANCELLED' THEN 'cancelled'
			WHEN o.status IS NOT NULL THEN 'failed'
			WHEN r.n IS NOT NULL THEN 'running'
			WHEN a.n IS NOT NULL THEN 'again'
			WHEN c.state = 'cancelled' THEN 'cancelled'
			ELSE 'waiting' END AS state,
		coalesce(o.attempts, r.attempt, a.attempt, 0) AS attempts,
		coalesce(o.operation_id, r.operation_id, a.operation_id) AS operation_id,
		coalesce(o.status, a.status) AS status, coalesce(o.subject_code, a.subject_code) AS subject_code,
		coalesce(o.reason_code, a.reason_code) AS reason_code, coalesce(o.message, a.message) AS message, o.ended_at
	FROM smsr.campaign_member m
		JOIN smsr.campaign c ON c.id = m.campaign_id
		LEFT JOIN smsr.campaign_outcome o ON o.campaign_id = m.campaign_id AND o.n = m.n
		LEFT JOIN smsr.campaign_running r ON r.campaign_id = m.campaign_id AND r.n = m.n
		LEFT JOIN smsr.campaign_retry a ON a.campaign_id = m.campaign_id AND a.n = m.n;
COMMENT ON VIEW smsr.campaign_result IS 'What has become of each member of campaigns; ask for one campaign at a time';
COMMENT ON COLUMN smsr.campaign_result.state IS 'waiting, running, again (another attempt is to come), done, failed or cancelled (nothing was sent)';
