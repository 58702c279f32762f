-- Where the EIS may not be the card's truth.

CREATE INDEX operation_expired ON smsr.operation (eid, finished_at) WHERE status = 'EXPIRED';

-- An operation that expired after its command may have left: until an audit or
-- a notification tells, nobody knows what the card did.
CREATE VIEW smsr.unknown_outcome WITH (security_invoker = true) AS
	SELECT o.eid, o.id AS operation_id, o.function, o.step, o.isdp_aid, o.finished_at AS since
	FROM smsr.operation o JOIN smsr.euicc e ON e.eid = o.eid
	WHERE o.status = 'EXPIRED' AND o.exclusive AND o.function <> 'audit_eis'
		AND (o.message LIKE 'not sent in time;%') IS NOT TRUE
		-- what an audit does not show is not asked
		AND o.step NOT IN ('addressing', 'set_emergency', 'unset_emergency', 'relay', 'authenticate', 'establish', 'finalise', 'put_key', 'key_info', 'prove', 'manage', 'package')
		AND (e.last_audit_at IS NULL OR e.last_audit_at < o.finished_at);
COMMENT ON VIEW smsr.unknown_outcome IS 'Operations that expired with an unknown outcome, and the card has not been heard on it since';

CREATE VIEW smsr.drift WITH (security_invoker = true) AS
	SELECT u.eid, u.isdp_aid, 'unknown outcome of ' || u.function AS what, NULL::text AS eis_says, NULL::text AS card_says,
		u.since, d.doing
	FROM smsr.unknown_outcome u
		LEFT JOIN LATERAL (
			SELECT CASE o.stage WHEN 'waiting' THEN 'an audit waits for its turn' ELSE 'an audit is under way' END AS doing
			FROM smsr.operation o
			WHERE o.eid = u.eid AND o.status IS NULL AND o.function = 'audit_eis' ORDER BY o.id LIMIT 1) d ON true
	UNION ALL
	SELECT p.eid, p.isdp_aid, 'an ISD-P that nobody has claimed', p.state, p.state, p.changed_at, NULL
	FROM smsr.profile p
	WHERE p.iccid IS NULL
	UNION ALL
	SELECT d.eid, d.isdp_aid, d.what, d.eis_said, d.card_said, d.found_at, 'the EIS has followed the card'
	FROM smsr.discrepancy d
	WHERE d.found_at > now() - interval '7 days';
COMMENT ON VIEW smsr.drift IS 'Where card and EIS disagree or may, since when, and what is being done: unknown outcomes, unclaimed ISD-Ps, and what audits of the last seven days corrected';
