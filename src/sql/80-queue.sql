-- Looking at what waits to be sent, and at how fast it goes.

CREATE VIEW smsr.queue WITH (security_invoker = true) AS
	SELECT l.id AS lane_id, l.tenant, l.campaign_id, l.priority, coalesce(s.weight, 1) AS weight,
		CASE WHEN NOT l.open THEN 'closed'
			WHEN l.windows IS NULL THEN 'open'
			WHEN t.local IS NULL THEN 'time zone unknown'
			WHEN smsr.window_open(l.windows, t.local) THEN 'open'
			ELSE 'outside its windows' END AS state,
		CASE WHEN l.open AND l.windows IS NOT NULL AND NOT smsr.window_open(l.windows, t.local)
			THEN smsr.window_opens(l.windows, t.local) AT TIME ZONE l.time_zone END AS opens_at,
		coalesce(q.queued, 0) AS queued, coalesce(q.under_way, 0) AS under_way, coalesce(q.nowhere, 0) AS nowhere,
		coalesce(q.for_sessions, 0) AS for_sessions, q.oldest,
		l.time_zone, l.windows
	FROM smsr.lane l
		LEFT JOIN smsr.tenant_share s ON s.tenant = l.tenant
		LEFT JOIN (SELECT o.lane_id,
				count(*) FILTER (WHERE o.attempts = 0 AND o.mno_id IS NOT NULL) AS queued,
				count(*) FILTER (WHERE o.attempts > 0) AS under_way,
				count(*) FILTER (WHERE o.attempts = 0 AND o.mno_id IS NULL AND o.bearer = 'sms') AS nowhere,
				count(*) FILTER (WHERE o.attempts = 0 AND o.mno_id IS NULL AND o.bearer = 'https') AS for_sessions,
				min(o.due_at) FILTER (WHERE o.due_at <= now()) AS oldest
			FROM smsr.outbound o GROUP BY o.lane_id) q ON q.lane_id = l.id
		CROSS JOIN LATERAL (SELECT smsr.local_time(now(), l.time_zone) AS local) t
	WHERE l.id <= 2 OR q.lane_id IS NOT NULL OR l.campaign_id IS NOT NULL;
COMMENT ON VIEW smsr.queue IS 'The lanes: whose, how urgent, whether anything may leave now, and how many packets wait; counts all of smsr.outbound';
COMMENT ON COLUMN smsr.queue.state IS 'open, closed (paused or ended), outside its windows, or time zone unknown: then nothing leaves';
COMMENT ON COLUMN smsr.queue.opens_at IS 'When its next window begins; NULL if it is open or closed';
COMMENT ON COLUMN smsr.queue.queued IS 'Packets that nobody has taken yet';
COMMENT ON COLUMN smsr.queue.under_way IS 'Packets that a gateway has, or that wait for the card''s answer or to be sent again';
COMMENT ON COLUMN smsr.queue.nowhere IS 'Packets of cards of which nobody knows where they are';
COMMENT ON COLUMN smsr.queue.for_sessions IS 'Packets of cards that have a session open, or open one by themselves';
COMMENT ON COLUMN smsr.queue.oldest IS 'Since when the one that is next has been due';

CREATE VIEW smsr.bind_rate WITH (security_invoker = true) AS
	SELECT g.gateway, l.per_second AS limit_per_second,
		round(coalesce(c.last, 0) / 10.0, 1) AS last_10_seconds,
		round(coalesce(c.minute, 0) / 60.0, 1) AS last_minute,
		round(coalesce(c.ten, 0) / 600.0, 1) AS last_10_minutes,
		round(coalesce(c.busy, 0), 1) AS when_busy,
		round(coalesce(c.most, 0) / 10.0, 1) AS most,
		c.last_at
	FROM (SELECT r.gateway FROM smsr.route r UNION SELECT b.gateway FROM smsr.gateway_limit b UNION SELECT n.gateway FROM smsr.bind_count n) g
		LEFT JOIN smsr.gateway_limit l ON l.gateway = g.gateway
		-- slots that are over: the present one is not full yet
		LEFT JOIN (SELECT s.gateway, max(s.slot) + interval '10 s' AS last_at, max(s.messages) AS most, avg(s.messages) / 10.0 AS busy,
				sum(s.messages) FILTER (WHERE s.slot >= t.slot - interval '10 s') AS last,
				sum(s.messages) FILTER (WHERE s.slot >= t.slot - interval '1 minute') AS minute,
				sum(s.messages) FILTER (WHERE s.slot >= t.slot - interval '10 minutes') AS ten
			FROM (SELECT b.gateway, b.slot, sum(b.messages) AS messages FROM smsr.bind_count b GROUP BY 1, 2) s,
				(SELECT date_bin('10 s', now(), 'epoch') AS slot) t
			WHERE s.slot < t.slot AND s.slot >= t.slot - interval '1 hour'
			GROUP BY s.gateway) c ON c.gateway = g.gateway;
COMMENT ON VIEW smsr.bind_rate IS 'Short messages a second that the SMSC of each bind has accepted of late';
COMMENT ON COLUMN smsr.bind_rate.limit_per_second IS 'What smsr.set_gateway_limit() allows; NULL: no limit';
COMMENT ON COLUMN smsr.bind_rate.when_busy IS 'Mean over those ten seconds of the last hour in which it carried anything: what a forecast may go by';
COMMENT ON COLUMN smsr.bind_rate.most IS 'The most of any ten seconds of the last hour';
COMMENT ON COLUMN smsr.bind_rate.last_at IS 'End of the last ten seconds in which it carried anything';
