-- Looking at it.

CREATE FUNCTION smsr.describe(data bytea) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_describe'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.describe(bytea) IS 'A command script, response script or notification in words';

CREATE FUNCTION smsr.timeline(p_eid smsr.eid)
	RETURNS TABLE (at timestamptz, what text, operation_id bigint, outcome text, detail text, decoded text)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
		SELECT t.at, t.what, t.operation_id, t.outcome, t.detail, t.decoded
		FROM (
			SELECT o.requested_at AS at, 0 AS n, 'call ' || o.function AS what, o.id AS operation_id, NULL AS outcome,
				concat_ws(' ', 'by', o.requester_id, 'ICCID ' || o.iccid::text) AS detail, NULL AS decoded
			FROM smsr.every_operation o WHERE o.eid = p_eid
			UNION ALL
			SELECT coalesce(m.sent_at, m.at), 1,
				CASE m.direction WHEN 'out' THEN 'command ' ELSE 'message ' END || CASE WHEN m.address = 'https' THEN 'in a session'
					ELSE CASE m.direction WHEN 'out' THEN 'to ' ELSE 'from ' END || coalesce(m.address, '?') END,
				m.operation_id, m.outcome,
				concat_ws(', ', m.step, 'counter ' || m.cntr, 'sent ' || m.attempts || ' times', m.detail),
				smsr.describe(m.script)
			FROM smsr.message m WHERE m.eid = p_eid
			UNION ALL
			SELECT h.received_at, 1, 'message from ' || h.originator, NULL, 'held', h.because, NULL
			FROM smsr.inbound_held h WHERE h.eids @> ARRAY[p_eid]
			UNION ALL
			SELECT coalesce(b.sent_at, b.due_at), 1, CASE WHEN b.session IS NOT NULL THEN 'command in a session'
					WHEN b.bearer = 'https' THEN 'command for a session' ELSE 'command to ' || coalesce(b.destination, '?') END, b.operation_id,
				CASE WHEN b.attempts = 0 THEN 'queued' ELSE 'under way' END,
				concat_ws(', ', b.step, 'counter ' || b.cntr, 'sent ' || b.attempts || ' times'), smsr.describe(b.script)
			FROM smsr.outbound b WHERE b.eid = p_eid
			UNION ALL
			SELECT o.finished_at, 2, 'end of ' || o.function, o.id, o.status,
				concat_ws(' ', o.subject_code, o.reason_code, o.message), NULL
			FROM smsr.every_operation o WHERE o.eid = p_eid AND o.finished_at IS NOT NULL
		) t
		ORDER BY t.at, t.n, t.operation_id
	$$;
COMMENT ON FUNCTION smsr.timeline(smsr.eid) IS 'All that happened with an eUICC, in order: calls, packets in words, answers, ends';
