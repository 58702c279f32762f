-- What a gateway reports of outgoing messages.  SECURITY DEFINER: a gateway's role
-- may call these functions and read nothing.  No sequential scans: a queue is empty
-- when its statistics are taken and full when it is claimed from.

-- What has not left is its tenant's or its campaign's again: a pause holds it up, too.
CREATE FUNCTION smsr.lane_back(p_lane bigint, p_attempts int, p_accepted int, p_eid smsr.eid, p_operation bigint) RETURNS bigint
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	BEGIN
		RETURN CASE WHEN p_lane = 2 AND p_attempts <= 1 AND p_accepted = 0
			THEN coalesce((SELECT o.lane_id FROM smsr.operation o WHERE o.eid = p_eid AND o.id = p_operation), 1)
			ELSE p_lane END;
	END $$;
COMMENT ON FUNCTION smsr.lane_back(bigint, int, int, smsr.eid, bigint) IS 'The lane of a packet of which an attempt did not leave: its operation''s if that was the first, else the one that it is in';

CREATE FUNCTION smsr.sms_submitted(sms_ids bigint[], smsc_ids text[]) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		wait boolean;
		packets bigint[];
	BEGIN
		IF cardinality(sms_ids) IS DISTINCT FROM cardinality(smsc_ids) THEN
			RAISE EXCEPTION 'sms_ids and smsc_ids must have the same number of elements'
				USING ERRCODE = 'array_subscript_error';
		END IF;
		-- what can not be noted is as if the gateway had died: the same octets go again
		FOREACH wait IN ARRAY '{true,false}'::boolean[]
		LOOP
			BEGIN
				packets := smsr.lock_packets(ARRAY(SELECT i >> 5 FROM unnest(sms_ids) i), wait);
				WITH noted AS (
					UPDATE smsr.outbound o SET accepted = o.accepted | s.bits, smsc_id = s.smsc_id,
							sent_at = coalesce(o.sent_at, clock_timestamp()),
							due_at = CASE WHEN o.bearer = 'https' AND o.mno_id IS NULL THEN o.due_at	-- the card has called in since
								WHEN o.accepted | s.bits = (1 << o.segments) - 1
								THEN now() + smsr.retry_interval(o.attempts) ELSE o.due_at END
						FROM (SELECT i >> 5 AS id, bit_or(1 << (i & 31)::int) AS bits, (array_agg(c ORDER BY i DESC))[1] AS smsc_id
							FROM unnest(sms_ids, smsc_ids) u (i, c) GROUP BY 1) s
						WHERE o.id = s.id AND o.id = ANY (ARRAY(SELECT unnest(packets)))
						RETURNING o.gateway, bit_count(s.bits::bit(32))::int AS messages
				), known AS (
					SELECT n.gateway, sum(n.messages) AS messages FROM noted n WHERE n.gateway IS NOT NULL GROUP BY 1
				), tally AS (
					SELECT k.gateway, k.messages FROM known k
					UNION ALL
					-- whose card has answered already: of the bind that this connection speaks for most, or spoke last
					SELECT coalesce((SELECT k.gateway FROM known k ORDER BY k.messages DESC LIMIT 1),
						(SELECT b.gateway FROM smsr.bind_count b WHERE b.slot > now() - interval '1 minute' AND b.connection = pg_backend_pid()
							ORDER BY b.slot DESC LIMIT 1)), g.messages
					FROM (SELECT (SELECT count(*) FROM unnest(sms_ids) i WHERE i > 0) - coalesce((SELECT sum(n.messages) FROM noted n), 0) AS messages) g
					WHERE g.messages > 0
				), counted AS (
					INSERT INTO smsr.bind_count AS b (slot, gateway, connection, messages)
						SELECT date_bin('10 s', clock_timestamp(), 'epoch'), t.gateway, pg_backend_pid(), sum(t.messages)
						FROM tally t WHERE t.gateway IS NOT NULL GROUP BY t.gateway
						ON CONFLICT (slot, gateway, connection) DO UPDATE SET messages = b.messages + excluded.messages
						RETURNING b.slot, b.xmax = 0 AS first
				)
				-- once a slot; of what another is at the same time removing, nothing
				DELETE FROM smsr.bind_count b
					WHERE b.ctid = ANY (ARRAY(SELECT o.ctid FROM smsr.bind_count o
						WHERE o.slot < (SELECT min(c.slot) FROM counted c WHERE c.first) - interval '6 hours' FOR UPDATE SKIP LOCKED));
				-- a card that does not answer may be on another profile than the EIS has it,
				-- after a fall-back that was not heard or a restore: the same octets there too
				IF EXISTS (SELECT FROM smsr.outbound o WHERE o.id = ANY (ARRAY(SELECT unnest(packets))) AND o.attempts >= 3) THEN
					UPDATE smsr.outbound o SET destination = a.msisdn, mno_id = a.mno_id
						FROM smsr.profile a
						WHERE o.id = ANY (ARRAY(SELECT unnest(packets))) AND o.attempts >= 3
							AND o.accepted = (1 << o.segments) - 1 AND o.destination IS NOT NULL AND (o.bearer = 'sms' OR o.mno_id IS NOT NULL) AND a.eid = o.eid
							AND a.isdp_aid = (SELECT n.aids[1 + (o.attempts - 2) % cardinality(n.aids)]
								FROM (SELECT array_agg(p.isdp_aid ORDER BY p.state = 'Enabled' DESC, p.isdp_aid) AS aids
									FROM smsr.profile p
									WHERE p.eid = o.eid AND p.msisdn IS NOT NULL AND p.mno_id IS NOT NULL) n);
				END IF;
				RETURN;
			EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
				IF NOT wait THEN
					RAISE;
				END IF;
			END;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.sms_submitted(bigint[], text[]) IS 'The SMSC accepted these messages under these ids of its own; the wait for the card''s answer begins. After three sendings the card''s other numbers are tried in turn. One that another transaction holds is left out, and sent again, the same octets, when its lease ends';

CREATE FUNCTION smsr.sms_refused(sms_id bigint, reason text, temporary boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		wait boolean;
		got boolean;
		o smsr.outbound;
		held boolean;
	BEGIN
		IF sms_id IS NULL OR temporary IS NULL THEN
			RAISE EXCEPTION 'sms_id and temporary must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		FOREACH wait IN ARRAY '{true,false}'::boolean[]
		LOOP
			BEGIN
				-- only an end that may come of it concerns the eUICC
				IF temporary THEN
					got := smsr.lock_packets(ARRAY[sms_id >> 5], wait) <> '{}';
				ELSE
					got := smsr.lock_cards(ARRAY(SELECT b.eid FROM smsr.outbound b WHERE b.id = sms_id >> 5), wait) <> '{}';
				END IF;
				SELECT * INTO o FROM smsr.outbound b WHERE b.id = sms_id >> 5;
				IF NOT FOUND THEN
					RETURN;
				END IF;
				-- the attempt that was refused did not leave: only those before it may have.
				-- One attempt, however many of its parts are refused, and however often that is told
				held := got AND o.gateway IS NOT NULL AND (o.accepted >> (sms_id & 31)::int) & 1 = 0;
				IF held THEN
					UPDATE smsr.outbound b SET attempts = greatest(b.attempts - 1, 0), gateway = NULL,
							lane_id = smsr.lane_back(b.lane_id, b.attempts, b.accepted, b.eid, b.operation_id),
							due_at = now() + CASE WHEN temporary THEN interval '5 s' ELSE smsr.retry_interval(b.attempts - 1) END
						WHERE b.id = o.id;
				END IF;
				INSERT INTO smsr.message (direction, eid, operation_id, step, address, gateway, attempts, cntr, outcome, detail)
					VALUES ('out', o.eid, o.operation_id, o.step, o.destination, o.gateway, greatest(o.attempts - held::int, 0), o.cntr,
						CASE WHEN temporary THEN 'refused for now' ELSE 'refused' END,
						-- then its lease ends, and it is refused again
						CASE WHEN got THEN reason ELSE concat_ws(', ', reason, 'not followed: another transaction has its eUICC') END);
				IF held AND NOT temporary THEN
					PERFORM smsr.handle_event(o.eid, o.operation_id, 'refused');
				END IF;
				RETURN;
			EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
				IF NOT wait THEN
					RAISE;
				END IF;
			END;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.sms_refused(bigint, text, boolean) IS 'The SMSC would not take a message: for now (it is offered again in seconds), or for good. If another transaction holds it, that is kept and its lease ends it';

CREATE FUNCTION smsr.release_sms(sms_ids bigint[]) RETURNS int
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		wait boolean;
		packets bigint[];
		n int;
	BEGIN
		IF sms_ids IS NULL THEN
			RAISE EXCEPTION 'sms_ids must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		FOREACH wait IN ARRAY '{true,false}'::boolean[]
		LOOP
			BEGIN
				packets := smsr.lock_packets(ARRAY(SELECT i >> 5 FROM unnest(sms_ids) i), wait);
				-- once: an attempt that was handed back or refused is not counted any more
				UPDATE smsr.outbound o SET due_at = now(), attempts = greatest(o.attempts - 1, 0), gateway = NULL,
						lane_id = smsr.lane_back(o.lane_id, o.attempts, o.accepted, o.eid, o.operation_id)
					WHERE o.id = ANY (ARRAY(SELECT unnest(packets))) AND o.accepted = 0 AND o.gateway IS NOT NULL;
				GET DIAGNOSTICS n = ROW_COUNT;
				RETURN n;
			EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
				IF NOT wait THEN
					RAISE;
				END IF;
			END;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.release_sms(bigint[]) IS 'Hand back messages that were claimed and never written to an SMSC; returns how many packets are free again. One that another transaction holds is free when its lease ends';

CREATE FUNCTION smsr.sms_delivery_report(smsc_id text, state text) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		wait boolean;
		o smsr.outbound;
		failed boolean := coalesce(upper(state) IN ('EXPIRED', 'DELETED', 'UNDELIV', 'REJECTD'), false);
	BEGIN
		SELECT b.* INTO o FROM smsr.outbound b WHERE b.smsc_id = sms_delivery_report.smsc_id ORDER BY b.id LIMIT 1;
		INSERT INTO smsr.message (direction, eid, operation_id, step, address, cntr, outcome, detail)
			VALUES ('in', o.eid, o.operation_id, o.step, o.destination, o.cntr, 'delivery report',
				format('%s for %s', left(state, 20), left(sms_delivery_report.smsc_id, 65)));
		-- a report says that the card's device took the message, not what the card did
		IF o.id IS NOT NULL AND failed THEN
			FOREACH wait IN ARRAY '{true,false}'::boolean[]
			LOOP
				BEGIN
					IF smsr.lock_packets(ARRAY[o.id], wait) <> '{}' THEN
						UPDATE smsr.outbound b SET due_at = least(b.due_at, now() + smsr.retry_interval(b.attempts))
							WHERE b.id = o.id AND b.destination IS NOT NULL;
					END IF;
					EXIT;
				EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
					IF NOT wait THEN
						RAISE;
					END IF;
				END;
			END LOOP;
		END IF;
		RETURN CASE WHEN o.id IS NULL THEN 'nothing awaits it' WHEN failed THEN 'not delivered'
			WHEN upper(state) = 'DELIVRD' THEN 'delivered' ELSE 'not known yet' END;
	END $$;
COMMENT ON FUNCTION smsr.sms_delivery_report(text, text) IS 'A delivery receipt: recorded, and a failed delivery shortens the wait; never proof of what the card did';
