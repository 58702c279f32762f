-- The gateway's whole vocabulary, outgoing half.  SECURITY DEFINER: a gateway's
-- role may call these functions and read nothing.  No sequential scans: a queue
-- is empty when its statistics are taken and full when it is claimed from.

CREATE FUNCTION smsr.claim_sms(gateway text, max_messages int, lease interval DEFAULT '30 s')
	RETURNS TABLE (sms_id bigint, eid smsr.eid, destination text, tp_pid int, tp_dcs int, tp_ud bytea, validity interval)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	SET work_mem = '32MB'
	AS $$
	#variable_conflict use_column
	DECLARE
		spi bytea := decode(smsr.setting('spi'), 'hex');
		pid int := smsr.setting('tp_pid');
		dcs int := smsr.setting('tp_dcs');
		most_segments int := smsr.setting('max_segments');
	BEGIN
		IF gateway IS NULL OR gateway = '' OR max_messages IS NULL OR max_messages < 1 OR max_messages > 100000 THEN
			RAISE EXCEPTION 'gateway must be named and max_messages be between 1 and 100000'
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF lease IS NULL OR lease <= interval '0' OR lease > interval '1 day' THEN
			RAISE EXCEPTION 'lease must be more than nothing and at most a day' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM smsr.check_incarnation();
		RETURN QUERY
		WITH RECURSIVE mno (id, lane_id) AS (
			(SELECT o.mno_id, o.lane_id FROM smsr.outbound o WHERE o.mno_id IS NOT NULL
				ORDER BY o.mno_id, o.lane_id LIMIT 1)
			UNION ALL
			SELECT n.mno_id, n.lane_id
			FROM mno m CROSS JOIN LATERAL (
				SELECT o.mno_id, o.lane_id FROM smsr.outbound o WHERE (o.mno_id, o.lane_id) > (m.id, m.lane_id)
				ORDER BY o.mno_id, o.lane_id LIMIT 1) n
		), due AS MATERIALIZED (
			SELECT q.*
			FROM mno m JOIN smsr.lane l ON l.id = m.lane_id AND l.open
				CROSS JOIN LATERAL (
				SELECT o.* FROM smsr.outbound o
				WHERE o.mno_id = m.id AND o.lane_id = m.lane_id AND o.due_at <= now() AND o.expires_at > now()
				ORDER BY o.due_at LIMIT max_messages
				FOR UPDATE SKIP LOCKED) q
			WHERE NOT EXISTS (SELECT FROM smsr.route r WHERE r.mno_id = m.id)
				OR EXISTS (SELECT FROM smsr.route r WHERE r.mno_id = m.id AND r.gateway = claim_sms.gateway)
			ORDER BY l.priority, q.due_at
			LIMIT max_messages
		), fresh AS MATERIALIZED (
			-- a counter is one per key set: of two new packets to one card, one waits for
			-- the next claim; not a confirmation, for which the card has a clock running
			SELECT DISTINCT ON (d.eid) d.id, d.eid, d.operation_id, d.step, d.lane_id, d.destination, d.due_at,
				d.expires_at, d.gateway, d.attempts, d.sd_aid, coalesce(d.target_aid, d.sd_aid) AS target_aid, d.script, k.kvn
			FROM due d
				CROSS JOIN LATERAL (SELECT k.sd_aid, k.kvn FROM smsr.keyset k
					WHERE k.eid = d.eid AND k.sd_aid = d.sd_aid AND k.type = 'SCP80'
						-- under what is active; a proof under what is to be proven
						AND CASE d.step WHEN 'prove' THEN k.state IN ('pending', 'active') AND k.kvn = (SELECT p.kvn
								FROM smsr.operation p WHERE p.eid = d.eid AND p.id = d.operation_id)
							ELSE k.state = 'active' END
						AND k.counter < 1099511627775 AND smsr.aid_tar(coalesce(d.target_aid, d.sd_aid)) IS NOT NULL
						AND CASE d.step WHEN 'put_key' THEN EXISTS (SELECT FROM smsr.operation p
									JOIN smsr.keyset n ON n.eid = p.eid AND n.sd_aid = d.sd_aid AND n.kvn = p.kvn AND n.state = 'pending'
								WHERE p.eid = d.eid AND p.id = d.operation_id AND smsr.put_key_seals(k.eid, k.sd_aid, k.kvn, k.key_type,
									k.sealed, n.kvn, n.key_type, n.sealed))
							ELSE smsr.keyset_opens(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed) END
					ORDER BY k.kvn DESC LIMIT 1) k
			WHERE d.packet IS NULL
				-- header, check field and padding add at most 45 octets to the script
				AND smsr.sms_segment_count(length(d.script) + 45) <= most_segments
			ORDER BY d.eid, d.step <> 'confirm', d.id
		), free AS MATERIALIZED (
			-- a rotation, or another gateway that sends to the same card, is not waited for
			SELECT f.* FROM fresh f
				CROSS JOIN LATERAL (SELECT FROM smsr.keyset k
					WHERE k.eid = f.eid AND k.sd_aid = f.sd_aid AND k.kvn = f.kvn
						-- as it is by now
						AND k.state IN ('pending', 'active') FOR NO KEY UPDATE SKIP LOCKED) k
		), again AS MATERIALIZED (
			-- not under keys that are out of use: what comes under them is not believed
			SELECT d.id FROM due d
			WHERE d.packet IS NOT NULL AND EXISTS (SELECT FROM smsr.keyset k
				WHERE k.eid = d.eid AND k.sd_aid = d.sd_aid AND k.kvn = d.kvn AND k.state IN ('pending', 'active', 'retiring'))
		), unsendable AS (
			-- out of the way of the others, and visible
			UPDATE smsr.outbound o SET due_at = now() + interval '1 hour'
			WHERE o.id = ANY (ARRAY(SELECT d.id FROM due d
				WHERE CASE WHEN d.packet IS NULL THEN d.eid NOT IN (SELECT f.eid FROM fresh f)
					ELSE d.id NOT IN (SELECT a.id FROM again a) END))
			RETURNING o.packet IS NOT NULL AS had_packet, o.eid, o.operation_id, o.step, o.destination, o.script
		), explained AS (
			INSERT INTO smsr.message (direction, eid, operation_id, step, address, gateway, outcome, detail)
			SELECT 'out', u.eid, u.operation_id, u.step, u.destination, claim_sms.gateway, 'not sent',
				CASE WHEN u.had_packet THEN 'the key set that secures it was revoked or compromised'
					WHEN smsr.sms_segment_count(length(u.script) + 45) > most_segments
					THEN 'it takes more short messages than smsr.max_segments'
					ELSE 'ISD-R has no active SCP80 key set that opens and whose counter is not at its end' END
			FROM unsendable u
		), counted AS (
			UPDATE smsr.keyset k SET counter = k.counter + 1
			FROM free f
			WHERE k.eid = f.eid AND k.sd_aid = f.sd_aid AND k.kvn = f.kvn
			RETURNING f.id, f.eid, f.operation_id, f.step, f.lane_id, f.destination, f.due_at,
				f.expires_at, f.gateway, f.attempts, f.sd_aid, f.script,
				0 AS have, k.kvn, k.counter AS cntr,
				CASE f.step WHEN 'put_key' THEN (SELECT smsr.seal_put_key(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, spi,
							smsr.aid_tar(f.target_aid), k.counter, n.kvn, n.key_type, n.sealed, n.replaces IS NOT NULL)
						FROM smsr.operation p
							JOIN smsr.keyset n ON n.eid = p.eid AND n.sd_aid = f.sd_aid AND n.kvn = p.kvn AND n.state = 'pending'
						WHERE p.eid = f.eid AND p.id = f.operation_id)
					ELSE smsr.seal_command(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, spi,
						smsr.aid_tar(f.target_aid), k.counter, f.script) END AS packet
		), ready AS (
			SELECT * FROM counted
			UNION ALL
			-- of a packet that was taken in part the rest, else all of it again
			SELECT d.id, d.eid, d.operation_id, d.step, d.lane_id, d.destination, d.due_at,
				d.expires_at, d.gateway, d.attempts, d.sd_aid, d.script,
				CASE WHEN d.accepted = (1 << d.segments) - 1 THEN 0 ELSE d.accepted END, d.kvn, d.cntr, d.packet
			FROM due d WHERE d.id IN (SELECT a.id FROM again a)
		), counted_out AS (
			SELECT r.*, smsr.sms_segment_count(length(r.packet)) AS parts
			FROM ready r
		), taken AS MATERIALIZED (
			SELECT c.*, sum(c.parts) OVER (ORDER BY c.due_at, c.id) <= max_messages AS fits
			FROM counted_out c
		), leased AS (
			-- an update, row by row over the primary key: a join would be planned by what
			-- the statistics say of a queue, and those are of another hour
			INSERT INTO smsr.outbound AS o (id, eid, operation_id, step, lane_id, due_at, expires_at, gateway, attempts, accepted,
				segments, sd_aid, kvn, cntr, script, packet)
			SELECT t.id, t.eid, t.operation_id, t.step, CASE WHEN t.fits AND t.lane_id <> 1 THEN 2 ELSE t.lane_id END,
				CASE WHEN t.fits THEN now() + lease ELSE t.due_at END, t.expires_at,
				CASE WHEN t.fits THEN claim_sms.gateway ELSE t.gateway END, t.attempts + t.fits::int, t.have,
				t.parts, t.sd_aid, t.kvn, t.cntr, t.script, t.packet
			FROM taken t
			ON CONFLICT (id) DO UPDATE SET lane_id = excluded.lane_id, due_at = excluded.due_at, gateway = excluded.gateway, attempts = excluded.attempts,
				accepted = excluded.accepted, segments = excluded.segments, kvn = excluded.kvn, cntr = excluded.cntr,
				packet = excluded.packet
		)
		SELECT (t.id << 5) | (s.n - 1), t.eid, t.destination, pid, dcs, s.part, greatest(t.expires_at - now(), interval '0')
		FROM taken t CROSS JOIN LATERAL smsr.sms_segments(t.packet, 112, ((t.id >> 10) & 255)::int) WITH ORDINALITY s (part, n)
		WHERE t.fits AND (t.have >> (s.n - 1)::int) & 1 = 0
		ORDER BY t.due_at, t.id, s.n;
	END $$;
COMMENT ON FUNCTION smsr.claim_sms(text, int, interval)
	IS 'Short messages for a gateway to submit, one row each, at most max_messages: new packets are sealed under a counter that is stored first, old ones are the same octets again. Held for the lease, then offered anew. validity is what is left of the operation''s';

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
				UPDATE smsr.outbound o SET accepted = o.accepted | s.bits, smsc_id = s.smsc_id,
						sent_at = coalesce(o.sent_at, clock_timestamp()),
						due_at = CASE WHEN o.accepted | s.bits = (1 << o.segments) - 1
							THEN now() + smsr.retry_interval(o.attempts) ELSE o.due_at END
					FROM (SELECT i >> 5 AS id, bit_or(1 << (i & 31)::int) AS bits, (array_agg(c ORDER BY i DESC))[1] AS smsc_id
						FROM unnest(sms_ids, smsc_ids) u (i, c) GROUP BY 1) s
					WHERE o.id = s.id AND o.id = ANY (ARRAY(SELECT unnest(packets)));
				-- a card that does not answer may be on another profile than the EIS has it,
				-- after a fall-back that was not heard or a restore: the same octets there too
				IF EXISTS (SELECT FROM smsr.outbound o WHERE o.id = ANY (ARRAY(SELECT unnest(packets))) AND o.attempts >= 3) THEN
					UPDATE smsr.outbound o SET destination = a.msisdn, mno_id = a.mno_id
						FROM smsr.profile a
						WHERE o.id = ANY (ARRAY(SELECT unnest(packets))) AND o.attempts >= 3
							AND o.accepted = (1 << o.segments) - 1 AND o.destination IS NOT NULL AND a.eid = o.eid
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
				UPDATE smsr.outbound o SET due_at = now(), attempts = greatest(o.attempts - 1, 0), gateway = NULL
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
