-- Profile download (SGP.02 clause 3.1): an ISD-P is made (smsr.create_isdp()), the
-- SM-DP sends it key establishment and the profile in pieces, and reports the end
-- (smsr.profile_download_completed()).  What a piece says is between SM-DP and
-- ISD-P: here it is octets, delivered once, in order, one at a time.
--
-- A piece whose fate is unknown is not sent again in any other form: the secure
-- channel that its maker has with the ISD-P would break.  So what waits behind it
-- is not sent either, and the SM-DP begins anew.

-- How much may wait for one card, in calls of the largest size.
CREATE FUNCTION smsr.most_send_data_waiting() RETURNS bigint
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN 16 * smsr.setting('max_send_data')::bigint;
	END $$;
COMMENT ON FUNCTION smsr.most_send_data_waiting() IS 'Most octets of pieces that may wait for one eUICC: as many as 16 calls of smsr.max_send_data have';

CREATE FUNCTION smsr.send_data(eid smsr.eid, sd_aid smsr.aid, data bytea, more_to_do boolean DEFAULT false,
		validity interval DEFAULT NULL, call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		me text := smsr.require_requester();
		most CONSTANT int := smsr.setting('max_send_data')::int;
		may record;
		card smsr.euicc;
		target smsr.profile;
		enabled smsr.profile;
		verdict smsr.refusal;
		barred boolean := false;
		waits boolean;
		script bytea;
		next record;
		op_id bigint;
	BEGIN
		IF send_data.eid IS NULL OR send_data.sd_aid IS NULL OR send_data.data IS NULL THEN
			RAISE EXCEPTION 'eid, sd_aid and data must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		IF length(send_data.data) > most THEN
			RAISE EXCEPTION 'data is longer than smsr.max_send_data' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It has %s octets, smsr.max_send_data is %s.', length(send_data.data), most);
		END IF;
		IF length(send_data.call_id) NOT BETWEEN 1 AND 255 THEN
			RAISE EXCEPTION 'call_id must have 1 to 255 characters' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		-- built once for nothing: what is no sequence of TLVs is said now
		script := smsr.script_relayed(send_data.data);
		PERFORM smsr.check_here(me, ARRAY[send_data.eid]);

		-- nobody holds the row of an eUICC that is none of his business; whoever has it
		-- is alone, so that pieces are in the order of their calls
		SELECT p.* INTO target FROM smsr.profile p WHERE p.eid = send_data.eid AND p.isdp_aid = send_data.sd_aid;
		may := smsr.authorise(me, 'send_data', send_data.eid, target.iccid);
		IF may.allowed IS TRUE OR may.subject_code = '8.2.1' THEN
			SELECT e.* INTO card FROM smsr.euicc e WHERE e.eid = send_data.eid FOR NO KEY UPDATE;
			SELECT p.* INTO target FROM smsr.profile p WHERE p.eid = send_data.eid AND p.isdp_aid = send_data.sd_aid;
			may := smsr.authorise(me, 'send_data', send_data.eid, target.iccid);
		END IF;
		op_id := (smsr.known_calls(me, ARRAY[send_data.eid], ARRAY[send_data.call_id]))[1];
		IF op_id IS NOT NULL THEN
			RETURN op_id;
		END IF;
		SELECT p.* INTO enabled FROM smsr.profile p WHERE p.eid = send_data.eid AND p.state = 'Enabled';
		waits := EXISTS (SELECT FROM smsr.operation r WHERE r.eid = send_data.eid AND r.status IS NULL AND r.exclusive AND r.stage <> 'waiting')
			-- on its way to another shard: the call goes along
			OR EXISTS (SELECT FROM smsr.move v WHERE v.eid = send_data.eid AND v.stage = 'closed');
		IF may.allowed IS NOT TRUE THEN
			barred := may.subject_code IS DISTINCT FROM '8.2.1';
			verdict := ROW(NULL, may.subject_code, may.reason_code, may.because);
		ELSIF card.eid IS NULL THEN
			verdict := ROW(NULL, '8.1.1', '3.9', 'the EID is not registered here');
		ELSIF smsr.leaving(send_data.eid) THEN
			verdict := ROW(NULL, '1.2', '4.4', 'the eUICC is being handed over to another SM-SR');
		ELSIF target.iccid IS NULL THEN
			verdict := ROW(NULL, '8.2.1', '3.9', NULL);
		ELSIF EXISTS (SELECT FROM smsr.operation o WHERE o.eid = send_data.eid AND o.status IS NULL
				AND o.function = 'delete_profile' AND o.iccid = target.iccid AND o.stage <> 'held') THEN
			verdict := ROW(NULL, '8.3.1', '4.4', 'the ISD-P is being deleted');
		ELSIF smsr.sms_needed(script, NULL, 0, 0) > smsr.setting('max_segments')::int AND NOT smsr.can_https(send_data.eid) THEN
			verdict := ROW(NULL, '8.1', '3.2', 'the data takes more short messages than smsr.max_segments, and the eUICC can not open a session');
		ELSIF waits AND length(send_data.data) + coalesce((SELECT sum(length(d.data)) FROM smsr.send_data_piece d WHERE d.eid = send_data.eid), 0)
				> smsr.most_send_data_waiting() THEN
			verdict := ROW(NULL, '1.2', '4.4', 'too much data waits for this eUICC');
		ELSE
			verdict := smsr.judge('send_data', target.state, target.fallback_attribute, target.pol2,
				enabled.state, enabled.pol2, NULL, NULL, target.emergency_attribute, card.remote_provisioning_version);
		END IF;
		-- it was named by its AID, and to whoever has not made it there is none
		IF verdict.subject_code = '8.2.1' AND verdict.reason_code = '3.9' THEN
			verdict := ROW(NULL, '8.3.1', '3.9', 'the eUICC has no such ISD-P');
		END IF;

		op_id := smsr.next_id();
		SELECT * INTO next FROM smsr.procedure('send_data', NULL, 'waiting', NULL, false, false, 'start');
		INSERT INTO smsr.operation (id, eid, function, requester_id, call_id, iccid, isdp_aid, arguments, lane_id, step, stage,
				exclusive, status, subject_code, reason_code, message, expires_at, finished_at)
			SELECT op_id, send_data.eid, 'send_data', me, send_data.call_id,
				-- the operation is the caller's to read: it names no profile that is not
				CASE WHEN may.allowed THEN target.iccid END, CASE WHEN may.allowed THEN target.isdp_aid END,
				jsonb_build_object('sd_aid', send_data.sd_aid::text, 'octets', length(send_data.data), 'sha256', encode(sha256(send_data.data), 'hex'),
					'more_to_do', coalesce(send_data.more_to_do, false)),
				smsr.lane_of(me), CASE WHEN NOT r.refused AND NOT waits THEN next.step END,
				CASE WHEN r.refused THEN 'finished' WHEN waits THEN 'waiting' ELSE next.stage END,
				smsr.procedure_exclusive('send_data'), CASE WHEN r.refused THEN 'FAILED' END,
				verdict.subject_code, verdict.reason_code, verdict.because,
				now() + smsr.validity(send_data.validity), CASE WHEN r.refused THEN clock_timestamp() END
			FROM (SELECT verdict.subject_code IS NOT NULL) r (refused);
		IF verdict.subject_code IS NOT NULL THEN
			PERFORM smsr.record_audit(CASE WHEN NOT barred THEN send_data.eid END, 'send_data', op_id, me, 'FAILED',
				verdict.subject_code, verdict.reason_code, CASE WHEN may.allowed THEN target.isdp_aid END,
				CASE WHEN may.allowed THEN target.iccid END, CASE WHEN barred THEN jsonb_build_object('eid', send_data.eid::text) END,
				p_requested_by => smsr.caller(), p_reason => nullif(smsr.setting('reason'), ''));
			RETURN op_id;
		END IF;
		INSERT INTO smsr.send_data_piece (eid, operation_id, data) VALUES (send_data.eid, op_id, send_data.data);
		IF NOT waits THEN
			PERFORM smsr.queue_packet(send_data.eid, op_id, smsr.lane_of(me));
			PERFORM smsr.ring();
		END IF;
		RETURN op_id;
	END $$;
COMMENT ON FUNCTION smsr.send_data(smsr.eid, smsr.aid, bytea, boolean, interval, text)
	IS 'ES3.SendData: hand command TLVs (22, or SCP03t''s 84 to 88) that the SM-DP made for its ISD-P to it, unchanged, once and in the order of the calls; more_to_do: the card''s session is kept for the next one. response_data of the operation is the answer. Returns the operation''s id';

-- Runs with the eUICC's row locked, where smsr.finish() ends a step of a download.
CREATE FUNCTION smsr.download_step_ended(op smsr.operation) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		-- the session that the card has is kept for what is still to come, or not any longer
		UPDATE smsr.https_session s SET hold = CASE WHEN op.status IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING')
					AND (op.arguments ->> 'more_to_do')::boolean
				THEN now() + make_interval(secs => smsr.setting_seconds('more_to_do_timeout')) END
			WHERE s.eid = op.eid AND s.state = 'open';
		IF op.function <> 'send_data' THEN
			RETURN;
		END IF;
		DELETE FROM smsr.send_data_piece d WHERE d.eid = op.eid AND d.operation_id = op.id;
		IF op.status NOT IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING') THEN
			PERFORM smsr.give_up_pieces(op.eid, op.iccid, CASE
				WHEN op.status = 'FAILED' THEN 'a piece before it failed: nothing of this one was sent'
				WHEN op.step IS NULL OR op.message LIKE 'not sent in time;%' THEN 'a piece before it was not sent in time: nor was this one'
				ELSE 'what became of a piece before it is unknown: nothing of this one was sent' END);
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.download_step_ended(smsr.operation) IS 'A step of a download has ended: its data is forgotten, and if the card does not have it, what waits behind it ends too';

CREATE FUNCTION smsr.give_up_pieces(p_eid smsr.eid, p_iccid smsr.iccid, p_because text) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		ended smsr.operation[];
	BEGIN
		WITH given_up AS (
			UPDATE smsr.operation o SET stage = 'finished', status = 'FAILED', subject_code = '1.6', reason_code = '4.5',
					message = p_because, finished_at = clock_timestamp()
				WHERE o.eid = p_eid AND o.iccid = p_iccid AND o.function = 'send_data' AND o.status IS NULL AND o.stage = 'waiting'
				RETURNING o.*
		), forgotten AS (
			DELETE FROM smsr.send_data_piece d USING given_up g WHERE d.eid = g.eid AND d.operation_id = g.id
		)
		SELECT array_agg(g) INTO ended FROM given_up g;
		PERFORM smsr.record_ends(ended);
		RETURN coalesce(cardinality(ended), 0);
	END $$;
COMMENT ON FUNCTION smsr.give_up_pieces(smsr.eid, smsr.iccid, text) IS 'End all pieces for a profile that wait: none of them has been sent. Returns how many';

-- Whoever clears a broken download away waits for none of its pieces.
CREATE FUNCTION smsr.give_up_download(p_eid smsr.eid, p_delete bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		target smsr.profile;
		op smsr.operation;
		left_us boolean;
	BEGIN
		SELECT p.* INTO target FROM smsr.operation o JOIN smsr.profile p ON p.eid = o.eid AND p.iccid = o.iccid
			WHERE o.eid = p_eid AND o.id = p_delete AND o.status IS NULL AND o.stage = 'waiting' AND p.state = 'Created';
		IF NOT FOUND THEN
			RETURN;
		END IF;
		PERFORM smsr.give_up_pieces(p_eid, target.iccid, 'its ISD-P is to be deleted: nothing of it was sent');
		SELECT o.* INTO op FROM smsr.operation o
			WHERE o.eid = p_eid AND o.iccid = target.iccid AND o.function = 'send_data' AND o.status IS NULL AND o.exclusive;
		IF NOT FOUND THEN
			RETURN;
		END IF;
		-- of what is for a session only the call to open one has gone by short message
		SELECT CASE b.bearer WHEN 'https' THEN b.session IS NOT NULL ELSE b.attempts > 0 END INTO left_us
			FROM smsr.outbound b WHERE b.eid = p_eid AND b.operation_id = op.id FOR UPDATE;
		PERFORM smsr.drop_packet(p_eid, op.id, 'superseded', 'its ISD-P is to be deleted');
		IF left_us IS NOT TRUE THEN
			PERFORM smsr.finish(p_eid, op.id, 'FAILED', '1.6', '4.5', 'its ISD-P is to be deleted: nothing of it was sent');
		ELSE
			PERFORM smsr.finish(p_eid, op.id, 'EXPIRED', '1.6', '4.5', 'its ISD-P is to be deleted: what became of it is unknown');
		END IF;
		PERFORM smsr.start_next(p_eid);
	END $$;
COMMENT ON FUNCTION smsr.give_up_download(smsr.eid, bigint) IS 'If a deletion waits that is of an ISD-P whose download is not complete: end what was sent or is to be sent to it, so that the deletion is next';

CREATE FUNCTION smsr.incomplete_download(target smsr.profile) RETURNS smsr.refusal
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		last smsr.operation;
	BEGIN
		SELECT o.* INTO last FROM smsr.operation o
			WHERE o.eid = target.eid AND o.iccid = target.iccid AND o.function = 'send_data' AND o.requested_at >= target.created_at
				AND (o.status IS NULL OR o.step IS NOT NULL OR o.status = 'EXPIRED')
			ORDER BY o.status IS NULL DESC, o.id DESC LIMIT 1;
		RETURN CASE
			WHEN last.id IS NULL THEN NULL
			WHEN last.status IS NULL THEN ROW(NULL, '1.2', '4.4', 'pieces of the profile are under way')::smsr.refusal
			-- of one whose fate is unknown the SM-DP may have heard by an audit
			WHEN last.status = 'FAILED' THEN ROW(NULL, '8.2.1', '1.2', 'the last piece of the profile failed')::smsr.refusal END;
	END $$;
COMMENT ON FUNCTION smsr.incomplete_download(smsr.profile) IS 'Why the download of a profile can not be complete; NULL: it may be, which only its SM-DP knows';

CREATE FUNCTION smsr.download_tick() RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		eids smsr.eid[];
		iccids smsr.iccid[];
	BEGIN
		IF smsr.setting('delete_abandoned') <> 'on' THEN
			RETURN 0;
		END IF;
		SELECT array_agg(d.eid), array_agg(d.iccid) INTO eids, iccids
			FROM (SELECT a.eid, a.iccid
				FROM smsr.downloads a JOIN smsr.euicc e ON e.eid = a.eid
				WHERE a.abandoned
				LIMIT 100
				FOR NO KEY UPDATE OF e SKIP LOCKED) d;
		IF eids IS NULL THEN
			RETURN 0;
		END IF;
		PERFORM smsr.request_for(smsr.setting('smsr_id'), NULL, 'abandoned download', 'delete_profile', eids, iccids, NULL, NULL, NULL);
		RETURN cardinality(eids);
	END $$;
COMMENT ON FUNCTION smsr.download_tick() IS 'Ask for the deletion of ISD-Ps whose download was abandoned, if smsr.delete_abandoned says so; returns of how many';
