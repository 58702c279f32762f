-- Why an operation is where it is, and what can safely be done about it.

CREATE FUNCTION smsr.why(p_operation bigint) RETURNS TABLE (what text, says text)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
		SELECT w.what, w.says
		FROM smsr.every_operation o
			LEFT JOIN smsr.outbound b ON b.eid = o.eid AND b.operation_id = o.id
			LEFT JOIN LATERAL (SELECT r.id, r.function FROM smsr.operation r
				WHERE r.eid = o.eid AND r.status IS NULL AND r.exclusive AND r.stage <> 'waiting') r ON true
			LEFT JOIN LATERAL (SELECT m.at, m.direction, m.outcome, m.detail FROM smsr.message m
				WHERE m.eid = o.eid AND m.operation_id = o.id ORDER BY m.at DESC LIMIT 1) m ON true
			CROSS JOIN LATERAL (VALUES
				(1, 'operation', format('%s of eUICC %s%s, called by %s at %s', o.function, o.eid,
					coalesce(', ICCID ' || o.iccid::text, ''), o.requester_id, o.requested_at)),
				(2, 'stage', CASE WHEN o.status IS NOT NULL THEN concat_ws(' ', o.status, o.subject_code, o.reason_code)
					ELSE concat_ws(' ', o.stage, 'of step ' || o.step, 'since ' || o.stage_at) END),
				(3, 'rule', o.message),
				(4, 'in doubt', 'whether the card carried out ' || o.doubt),
				(5, 'last event', format('%s: %s%s', m.at, m.outcome, coalesce(', ' || m.detail, ''))),
				(6, 'awaited', CASE
					WHEN o.status IS NOT NULL THEN NULL
					WHEN o.stage = 'held' THEN format('a second person: approval %s', o.approval_id)
					WHEN o.stage = 'waiting' THEN format('the end of operation %s, %s', r.id, r.function)
					WHEN o.stage = 'notification' THEN 'the notification of the eUICC'
					WHEN b.session IS NOT NULL THEN 'the answer of the card, in a session' || CASE WHEN b.mno_id IS NOT NULL THEN ' that it is to open once more' ELSE '' END
					WHEN b.bearer = 'https' AND b.mno_id IS NULL AND (b.trigger IS NULL OR b.destination IS NOT NULL) THEN 'a session that the card has open or opens by itself'
					WHEN b.bearer = 'https' AND b.attempts > 0 THEN format('a session of %s, called for %s times', b.destination, b.attempts)
					WHEN b.destination IS NULL THEN 'an address: no enabled profile of the eUICC has an MSISDN'
					WHEN b.attempts = 0 THEN 'a gateway that carries messages of ' || coalesce(b.mno_id, 'any operator')
					ELSE format('the answer of %s to counter %s, sent %s times', b.destination, b.cntr, b.attempts) END),
				(7, 'next sending', CASE WHEN b.due_at <> 'infinity' THEN b.due_at::text END),
				(8, 'until', CASE WHEN o.status IS NULL THEN o.expires_at::text END)) w (n, what, says)
		WHERE o.id = p_operation AND w.says IS NOT NULL AND w.says <> ': '
		ORDER BY w.n
	$$;
COMMENT ON FUNCTION smsr.why(bigint) IS 'Where an operation stands: the last event, the rule that decided, what is awaited, and until when';

CREATE FUNCTION smsr.unstick(p_operation bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op smsr.operation;
	BEGIN
		SELECT * INTO op FROM smsr.every_operation o WHERE o.id = p_operation;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'there is no operation %', p_operation USING ERRCODE = 'no_data_found';
		ELSIF op.status IS NOT NULL THEN
			RETURN 'nothing to do: it is finished';
		END IF;
		PERFORM FROM smsr.euicc e WHERE e.eid = op.eid FOR NO KEY UPDATE;
		PERFORM FROM smsr.outbound b WHERE b.eid = op.eid ORDER BY b.id FOR UPDATE;
		SELECT * INTO op FROM smsr.operation o WHERE o.eid = op.eid AND o.id = p_operation;
		IF op.status IS NOT NULL THEN
			RETURN 'nothing to do: it is finished';
		ELSIF op.expires_at <= now() THEN
			RETURN smsr.handle_event(op.eid, op.id, 'deadline');
		ELSIF op.stage = 'held' THEN
			RETURN format('it waits for approval %s', op.approval_id);
		ELSIF op.stage = 'waiting' THEN
			PERFORM smsr.start_next(op.eid);
			SELECT * INTO op FROM smsr.operation o WHERE o.eid = op.eid AND o.id = p_operation;
			RETURN CASE op.stage WHEN 'waiting' THEN 'it waits for its turn' ELSE 'begun' END;
		ELSIF EXISTS (SELECT FROM smsr.outbound b WHERE b.eid = op.eid AND b.operation_id = op.id AND b.destination IS NULL AND (b.bearer = 'sms' OR b.trigger IS NOT NULL)) THEN
			RETURN 'nobody knows where the card is: call smsr.update_subscription_address() for its enabled profile';
		END IF;
		RETURN smsr.handle_event(op.eid, op.id, 'ask');
	END $$;
COMMENT ON FUNCTION smsr.unstick(bigint) IS 'Take the next safe step with an operation, by rule: send the same packet again, or ask the card. Never sets a state. Returns what was done';
