-- Carrying out what core's procedure decided.  Every function here runs with
-- the eUICC's row locked by its caller.

CREATE FUNCTION smsr.carriers(bearer text, trigger bytea, destination text, mno_id text, operator text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	-- one that has a number and no operator is kept for a session
	RETURN CASE WHEN bearer OPERATOR(pg_catalog.=) 'sms' OR trigger IS NOT NULL AND (mno_id IS NOT NULL OR destination IS NULL) THEN operator END;
COMMENT ON FUNCTION smsr.carriers(text, bytea, text, text, text) IS 'mno_id of a row of smsr.outbound when its card is with an operator now: that, unless the row is kept for a session. Inlined';

-- The one place where the EIS learns which profile is enabled.
CREATE FUNCTION smsr.follow_enabled(p_eid smsr.eid, p_aid smsr.aid, p_operation bigint) RETURNS smsr.aid
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		former smsr.profile;
		present smsr.profile;
	BEGIN
		SELECT * INTO former FROM smsr.profile p WHERE p.eid = p_eid AND p.state = 'Enabled';
		IF former.isdp_aid = p_aid THEN
			RETURN NULL;
		END IF;
		IF former.isdp_aid IS NOT NULL THEN
			UPDATE smsr.profile SET state = 'Disabled', changed_at = now()
				WHERE eid = p_eid AND isdp_aid = former.isdp_aid;
			PERFORM smsr.tell(p_eid, 'HandleProfileDisabled', former, p_operation);
		END IF;
		UPDATE smsr.profile SET state = 'Enabled', changed_at = now()
			WHERE eid = p_eid AND isdp_aid = p_aid
			RETURNING * INTO present;
		IF NOT FOUND THEN
			-- the card names an ISD-P that the EIS does not have: an audit will tell more
			INSERT INTO smsr.profile (eid, isdp_aid, state) VALUES (p_eid, p_aid, 'Enabled')
				RETURNING * INTO present;
		END IF;
		PERFORM smsr.tell(p_eid, 'HandleProfileEnabled', present, p_operation);
		-- what is on its way must go where the card is now
		UPDATE smsr.outbound SET destination = present.msisdn, mno_id = smsr.carriers(bearer, trigger, destination, mno_id, present.mno_id),
				due_at = CASE WHEN present.msisdn IS NULL THEN 'infinity'
					WHEN due_at = 'infinity' THEN now() ELSE due_at END
			WHERE eid = p_eid;
		RETURN former.isdp_aid;
	END $$;
COMMENT ON FUNCTION smsr.follow_enabled(smsr.eid, smsr.aid, bigint)
	IS 'Make the EIS say what the card says: this ISD-P is enabled; returns the one that was, or NULL if nothing changed';

CREATE FUNCTION smsr.remove_profile(p_eid smsr.eid, p_aid smsr.aid, p_operation bigint) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		gone smsr.profile;
	BEGIN
		DELETE FROM smsr.profile WHERE eid = p_eid AND isdp_aid = p_aid RETURNING * INTO gone;
		IF NOT FOUND THEN
			RETURN false;
		END IF;
		UPDATE smsr.euicc SET remaining_memory = least(available_memory,
				remaining_memory + coalesce(gone.allocated_memory, 0))
			WHERE eid = p_eid;
		PERFORM smsr.tell(p_eid, 'HandleProfileDeleted', gone, p_operation);
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.remove_profile(smsr.eid, smsr.aid, bigint) IS 'The ISD-P is not on the card any more: drop it from the EIS, credit its memory, tell its owner';

-- Fall-back and emergency attribute: one profile of an eUICC has it.
CREATE FUNCTION smsr.give_fallback(p_eid smsr.eid, p_aid smsr.aid, p_operation bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		changed smsr.profile;
	BEGIN
		FOR changed IN UPDATE smsr.profile SET fallback_attribute = false, changed_at = now()
			WHERE eid = p_eid AND fallback_attribute AND isdp_aid IS DISTINCT FROM p_aid
			RETURNING *
		LOOP
			PERFORM smsr.tell(p_eid, 'HandleFallBackAttributeUnset', changed, p_operation);
		END LOOP;
		FOR changed IN UPDATE smsr.profile SET fallback_attribute = true, changed_at = now()
			WHERE eid = p_eid AND NOT fallback_attribute AND isdp_aid = p_aid
			RETURNING *
		LOOP
			PERFORM smsr.tell(p_eid, 'HandleFallBackAttributeSet', changed, p_operation);
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.give_fallback(smsr.eid, smsr.aid, bigint)
	IS 'This ISD-P has the fall-back attribute and no other; NULL: none has it. Those who lost and got it are told';

CREATE FUNCTION smsr.give_emergency(p_eid smsr.eid, p_aid smsr.aid, p_operation bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		changed smsr.profile;
	BEGIN
		FOR changed IN UPDATE smsr.profile SET emergency_attribute = false, changed_at = now()
			WHERE eid = p_eid AND emergency_attribute AND isdp_aid IS DISTINCT FROM p_aid
			RETURNING *
		LOOP
			PERFORM smsr.tell(p_eid, 'HandleEmergencyProfileAttributeUnset', changed, p_operation);
		END LOOP;
		FOR changed IN UPDATE smsr.profile SET emergency_attribute = true, changed_at = now()
			WHERE eid = p_eid AND NOT emergency_attribute AND isdp_aid = p_aid
			RETURNING *
		LOOP
			PERFORM smsr.tell(p_eid, 'HandleEmergencyProfileAttributeSet', changed, p_operation);
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.give_emergency(smsr.eid, smsr.aid, bigint)
	IS 'This ISD-P has the emergency attribute and no other; NULL: none has it. Those who lost and got it are told';

CREATE FUNCTION smsr.add_profile(p_eid smsr.eid, op smsr.operation) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		memory bigint := (op.arguments ->> 'required_memory')::bigint;
		added boolean;
	BEGIN
		INSERT INTO smsr.profile AS p (eid, isdp_aid, iccid, mno_id, smdp_id, state, allocated_memory)
			VALUES (p_eid, op.isdp_aid, op.iccid, op.arguments ->> 'mno_id', op.requester_id, 'Created', memory)
			ON CONFLICT (eid, isdp_aid) DO UPDATE SET iccid = op.iccid, mno_id = op.arguments ->> 'mno_id',
				smdp_id = op.requester_id, allocated_memory = coalesce(p.allocated_memory, memory)
			RETURNING xmax = 0 INTO added;
		IF added THEN
			UPDATE smsr.euicc SET remaining_memory = greatest(0, remaining_memory - coalesce(memory, 0))
				WHERE eid = p_eid;
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.add_profile(smsr.eid, smsr.operation) IS 'The card has the ISD-P of a create_isdp: state Created, its memory taken';

-- Rule 9: the EIS follows what the card says, here all of it.
CREATE FUNCTION smsr.follow_audit(p_eid smsr.eid, data bytea, p_operation bigint) RETURNS smsr.aid
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		isdp record;
		made smsr.operation;
		enabled smsr.aid;
		former smsr.aid;
		holder smsr.aid;
		changed smsr.profile;
		free bigint := smsr.read_resources(data);
	BEGIN
		INSERT INTO smsr.discrepancy (eid, isdp_aid, operation_id, what, eis_said, card_said)
			SELECT p_eid, coalesce(a.isdp_aid, p.isdp_aid), p_operation, d.what, d.eis_said, d.card_said
			FROM smsr.read_audit(data) a
				FULL JOIN (SELECT * FROM smsr.profile WHERE eid = p_eid) p ON p.isdp_aid = a.isdp_aid
				CROSS JOIN LATERAL (VALUES
					('not in the EIS', p.isdp_aid IS NULL, NULL, a.state),
					('not on the card', a.isdp_aid IS NULL AND smsr.audit_complete(data), p.state, NULL),
					-- a download that the SM-DP has yet to report is no contradiction
					('state', a.state <> p.state AND NOT (p.state = 'Created' AND a.state = 'Disabled'), p.state, a.state),
					('fall-back attribute', a.fallback <> p.fallback_attribute,
						p.fallback_attribute::text, a.fallback::text)) d (what, holds, eis_said, card_said)
			WHERE d.holds;
		FOR isdp IN SELECT * FROM smsr.read_audit(data) a
		LOOP
			-- an ISD-P that a create_isdp was given up for is that call's after all
			SELECT * INTO made FROM smsr.operation o
				WHERE o.eid = p_eid AND o.status = 'EXPIRED' AND o.function = 'create_isdp' AND o.isdp_aid = isdp.isdp_aid
					AND NOT EXISTS (SELECT FROM smsr.profile p WHERE p.eid = p_eid
						AND (p.iccid = o.iccid OR (p.isdp_aid = o.isdp_aid AND p.iccid IS NOT NULL)))
				ORDER BY o.id DESC LIMIT 1;
			INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, smdp_id, state, allocated_memory, free_memory)
				VALUES (p_eid, isdp.isdp_aid, made.iccid, made.arguments ->> 'mno_id',
					CASE WHEN made.id IS NOT NULL THEN made.requester_id END,
					CASE isdp.state WHEN 'Enabled' THEN 'Disabled' ELSE isdp.state END,
					coalesce(isdp.allocated_memory, (made.arguments ->> 'required_memory')::bigint), isdp.remaining_memory)
				ON CONFLICT (eid, isdp_aid) DO UPDATE SET
					iccid = coalesce(smsr.profile.iccid, excluded.iccid),
					mno_id = coalesce(smsr.profile.mno_id, excluded.mno_id),
					smdp_id = coalesce(smsr.profile.smdp_id, excluded.smdp_id),
					allocated_memory = coalesce(excluded.allocated_memory, smsr.profile.allocated_memory),
					free_memory = coalesce(excluded.free_memory, smsr.profile.free_memory);
			IF isdp.state = 'Enabled' THEN
				enabled := isdp.isdp_aid;
			END IF;
			IF isdp.fallback THEN
				holder := isdp.isdp_aid;
			END IF;
		END LOOP;
		IF enabled IS NOT NULL THEN
			former := smsr.follow_enabled(p_eid, enabled, p_operation);
		END IF;
		FOR changed IN UPDATE smsr.profile p SET state = 'Disabled', changed_at = now()
			FROM smsr.read_audit(data) a
			WHERE p.eid = p_eid AND p.isdp_aid = a.isdp_aid AND a.state = 'Disabled' AND p.state = 'Enabled'
			RETURNING p.*
		LOOP
			PERFORM smsr.tell(p_eid, 'HandleProfileDisabled', changed, p_operation);
		END LOOP;
		IF smsr.audit_complete(data) THEN
			PERFORM smsr.remove_profile(p_eid, p.isdp_aid, p_operation)
				FROM smsr.profile p
				WHERE p.eid = p_eid AND p.isdp_aid NOT IN (SELECT a.isdp_aid FROM smsr.read_audit(data) a);
		END IF;
		-- one holds the attribute: if the card names it, nobody else does
		IF holder IS NOT NULL THEN
			PERFORM smsr.give_fallback(p_eid, holder, p_operation);
		ELSIF EXISTS (SELECT FROM smsr.read_audit(data) a JOIN smsr.profile p ON p.isdp_aid = a.isdp_aid
				WHERE p.eid = p_eid AND p.fallback_attribute) THEN
			PERFORM smsr.give_fallback(p_eid, NULL, p_operation);
		END IF;
		UPDATE smsr.euicc SET last_audit_at = now(),
				remaining_memory = least(coalesce(free, remaining_memory), available_memory)
			WHERE eid = p_eid;
		RETURN former;
	END $$;
COMMENT ON FUNCTION smsr.follow_audit(smsr.eid, bytea, bigint)
	IS 'Make the EIS say what an audit''s answer says: states, fall-back attribute, memory; ISD-Ps unknown to the EIS appear without an ICCID. Returns the ISD-P that is not the enabled one any more, or NULL';

-- Of what is relayed the operation has length and hash: whole profiles are not for the
-- record.  4096 octets are more than short messages carry.
CREATE FUNCTION smsr.recorded_script(script bytea) RETURNS bytea
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE WHEN length(script) OPERATOR(pg_catalog.<=) 4096 THEN script END;
COMMENT ON FUNCTION smsr.recorded_script(bytea) IS 'What smsr.message keeps of a script: all of it, or nothing if it is long. Inlined';

CREATE FUNCTION smsr.drop_packet(p_eid smsr.eid, p_operation bigint, p_outcome text, p_detail text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		WITH gone AS (
			DELETE FROM smsr.outbound o WHERE o.eid = p_eid AND o.operation_id = p_operation RETURNING *
		), counted AS MATERIALIZED (
			SELECT count(smsr.count_bearer(g.eid, g.attempts, 0)) FROM gone g
				WHERE g.bearer = 'https' AND g.session IS NULL AND g.mno_id IS NOT NULL AND g.attempts > 0
		)
		INSERT INTO smsr.message (direction, eid, operation_id, step, address, gateway, attempts, cntr,
			outcome, detail, sent_at, octets, script)
		SELECT 'out', g.eid, g.operation_id, g.step, CASE WHEN g.session IS NULL THEN g.destination ELSE 'https' END, g.gateway, g.attempts, g.cntr,
			CASE WHEN g.attempts = 0 THEN 'not sent' ELSE p_outcome END, p_detail, g.sent_at,
			-- whoever gets hold of the old keys would have the new ones from it
			CASE WHEN g.step <> 'put_key' THEN g.packet END,
			smsr.recorded_script(CASE WHEN g.packet IS NOT NULL THEN coalesce(g.trigger, g.script) ELSE g.script END)
		FROM gone g CROSS JOIN counted;
	END $$;
COMMENT ON FUNCTION smsr.drop_packet(smsr.eid, bigint, text, text) IS 'An operation''s packet is done: its story goes to smsr.message';

CREATE FUNCTION smsr.queue_packet(p_eid smsr.eid, p_operation bigint, p_lane bigint DEFAULT 1) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr.outbound (eid, operation_id, step, sd_aid, target_aid, script, destination, mno_id, lane_id, due_at, expires_at)
		SELECT o.eid, o.id, o.step, e.isdr_aid, smsr.packet_target(o.step, o.isdp_aid),
			CASE WHEN o.step = 'put_key' THEN coalesce(smsr.put_key_script_of(o.eid, o.kvn), '')
				WHEN o.step = 'package' THEN smsr.package_script(o.eid, o.id, o.arguments)
				WHEN o.function = 'send_data' THEN smsr.script_relayed((SELECT d.data FROM smsr.send_data_piece d
					WHERE d.eid = o.eid AND d.operation_id = o.id))
				ELSE smsr.es5_script(o.step, CASE o.step WHEN 'auto_delete' THEN o.left_aid ELSE o.isdp_aid END,
					e.isdp_loadfile_aid, e.isdp_module_aid, o.arguments, o.sequence) END,
			p.msisdn, p.mno_id, p_lane,
			CASE WHEN p.msisdn IS NULL THEN 'infinity'
				-- a card changes profiles a while after it has said that it will: asked at
				-- once, it would truly name the old one
				WHEN o.step = 'audit' AND o.doubt IN ('enable', 'disable')
					THEN now() + least(smsr.retry_interval(1), greatest(o.expires_at - now(), interval '0') / 2)
				ELSE now() END, o.expires_at
		FROM smsr.operation o
			JOIN smsr.euicc e ON e.eid = o.eid
			LEFT JOIN smsr.profile p ON p.eid = o.eid AND p.state = 'Enabled'
		WHERE o.eid = p_eid AND o.id = p_operation;
		IF smsr.bearers_matter((SELECT o.function FROM smsr.operation o WHERE o.eid = p_eid AND o.id = p_operation)) THEN
			PERFORM smsr.set_bearers(ARRAY[p_eid], ARRAY[p_operation]);
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.queue_packet(smsr.eid, bigint, bigint)
	IS 'Queue, in a lane, the command of an operation''s step, by the bearer that it is for; it is sealed when a gateway claims it. Held while nobody knows where the card is';

CREATE FUNCTION smsr.leaving(p_eid smsr.eid) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN EXISTS (SELECT FROM smsr.handover h WHERE h.eid = p_eid AND h.side = 'gives');
	END $$;
COMMENT ON FUNCTION smsr.leaving(smsr.eid) IS 'Whether the eUICC is being handed over to another SM-SR: until that is over, or given up, nothing else is done with it';

-- An operation of the SM-SR's own: an audit, or a confirmation that no call awaits.
CREATE FUNCTION smsr.start_own(p_eid smsr.eid, p_function text, p_sequence int, p_why text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op_id bigint := smsr.next_id();
		expiry timestamptz := now() + smsr.validity(NULL);
		next record;
		waits boolean := smsr.procedure_exclusive(p_function) AND EXISTS (SELECT FROM smsr.operation r
			WHERE r.eid = p_eid AND r.status IS NULL AND r.exclusive AND r.stage <> 'waiting');
	BEGIN
		-- one audit in the queue answers every question that is asked before it is sent
		IF p_function = 'audit_eis' THEN
			SELECT o.id INTO op_id FROM smsr.operation o
				WHERE o.eid = p_eid AND o.status IS NULL AND o.stage = 'waiting' AND o.function = 'audit_eis'
				LIMIT 1;
			IF FOUND THEN
				RETURN op_id;
			END IF;
			op_id := smsr.next_id();
		END IF;
		SELECT * INTO next FROM smsr.procedure(p_function, NULL, 'waiting', NULL, false, false, 'start');
		INSERT INTO smsr.operation (id, eid, function, requester_id, step, stage, exclusive, sequence, message, expires_at)
			VALUES (op_id, p_eid, p_function, smsr.setting('smsr_id'),
				CASE WHEN NOT waits THEN next.step END, CASE WHEN waits THEN 'waiting' ELSE next.stage END,
				smsr.procedure_exclusive(p_function), p_sequence, p_why, expiry);
		IF NOT waits THEN
			PERFORM smsr.queue_packet(p_eid, op_id);
			PERFORM smsr.ring();
		END IF;
		RETURN op_id;
	END $$;
COMMENT ON FUNCTION smsr.start_own(smsr.eid, text, int, text) IS 'Begin an audit or a confirmation on the SM-SR''s own account; returns the operation''s id';

CREATE FUNCTION smsr.finish(p_eid smsr.eid, p_id bigint, p_status text, p_subject text, p_reason text, p_message text)
	RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op smsr.operation;
	BEGIN
		UPDATE smsr.operation SET stage = 'finished', status = p_status, subject_code = p_subject,
				reason_code = p_reason, finished_at = clock_timestamp(),
				-- of an operation of our own it says why there is one; else it is about a step that is over
				message = coalesce(p_message, CASE WHEN function IN ('audit_eis', 'confirm_notification') THEN message END)
			WHERE eid = p_eid AND id = p_id AND status IS NULL
			RETURNING * INTO op;
		IF NOT FOUND THEN
			RETURN;
		END IF;
		IF op.function <> 'confirm_notification' THEN
			PERFORM smsr.record_audit(p_eid, op.function, op.id, op.requester_id, p_status, p_subject, p_reason,
				op.isdp_aid, op.iccid, p_requested_by => op.requested_by, p_reason => op.reason);
		END IF;
		IF op.campaign_id IS NOT NULL THEN
			INSERT INTO smsr.campaign_end (campaign_id, eid, operation_id, status, subject_code, reason_code, message)
				VALUES (op.campaign_id, op.eid, op.id, op.status, op.subject_code, op.reason_code, op.message);
		END IF;
		IF op.function IN ('authenticate_smsr', 'create_additional_key_set', 'finalise_handover', 'update_smsr_addressing') THEN
			PERFORM smsr.handover_card_ended(op);
			PERFORM smsr.establishment_card_ended(op);
		ELSIF op.function IN ('create_isdp', 'send_data') THEN
			PERFORM smsr.download_step_ended(op);
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.finish(smsr.eid, bigint, text, text, text, text) IS 'Give an operation its one terminal status, and the audit trail its record';

-- The next in line, if the eUICC is free.  What waited is judged now, not when it was asked.
CREATE FUNCTION smsr.start_next(p_eid smsr.eid) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op smsr.operation;
		card smsr.euicc;
		target smsr.profile;
		enabled smsr.profile;
		verdict smsr.refusal;
		may record;
		next record;
	BEGIN
		LOOP
			IF EXISTS (SELECT FROM smsr.operation r
					WHERE r.eid = p_eid AND r.status IS NULL AND r.exclusive AND r.stage <> 'waiting')
				-- on its way to another shard, where it begins
				OR EXISTS (SELECT FROM smsr.move v WHERE v.eid = p_eid AND v.stage = 'closed') THEN
				RETURN;
			END IF;
			SELECT * INTO op FROM smsr.operation o
				WHERE o.eid = p_eid AND o.status IS NULL AND o.stage = 'waiting'
				-- our own questions first: what follows is to be judged by what the card says
				ORDER BY (o.function = 'audit_eis' AND o.requester_id = smsr.setting('smsr_id')) DESC, o.id LIMIT 1;
			IF NOT FOUND THEN
				RETURN;
			END IF;
			IF op.expires_at <= now() THEN
				PERFORM smsr.handle_event(p_eid, op.id, 'deadline');
				CONTINUE;
			END IF;
			target := NULL;
			SELECT * INTO target FROM smsr.profile p WHERE p.eid = p_eid AND p.iccid = op.iccid;
			SELECT * INTO enabled FROM smsr.profile p WHERE p.eid = p_eid AND p.state = 'Enabled';
			SELECT * INTO card FROM smsr.euicc e WHERE e.eid = p_eid;
			IF op.function NOT IN ('audit_eis', 'authenticate_smsr', 'create_additional_key_set') AND smsr.leaving(p_eid) THEN
				PERFORM smsr.finish(p_eid, op.id, 'FAILED', '1.2', '4.4', 'the eUICC is being handed over to another SM-SR');
				CONTINUE;
			END IF;
			-- a profile may have changed hands since it was asked
			may := smsr.authorise(op.requester_id, op.function, p_eid, op.iccid, op.arguments);
			IF may.allowed IS NOT TRUE THEN
				PERFORM smsr.finish(p_eid, op.id, 'FAILED', may.subject_code, may.reason_code, may.because);
				CONTINUE;
			END IF;
			IF op.function NOT IN ('audit_eis', 'rotate_keys') THEN
				verdict := smsr.judge(op.function, target.state, target.fallback_attribute, target.pol2,
					enabled.state, enabled.pol2, (op.arguments ->> 'required_memory')::bigint,
					card.remaining_memory, target.emergency_attribute, card.remote_provisioning_version);
				IF verdict.subject_code IS NOT NULL THEN
					PERFORM smsr.finish(p_eid, op.id, 'FAILED', verdict.subject_code, verdict.reason_code, verdict.because);
					CONTINUE;
				END IF;
			END IF;
			SELECT * INTO next FROM smsr.procedure(op.function, NULL, 'waiting', NULL, false, false, 'start',
				target_enabled => target.state = 'Enabled');
			UPDATE smsr.operation SET step = next.step, stage = next.stage, stage_at = now(),
					isdp_aid = CASE WHEN function = 'create_isdp' THEN smsr.free_isdp_aid(p_eid) ELSE target.isdp_aid END
				WHERE eid = p_eid AND id = op.id;
			PERFORM smsr.queue_packet(p_eid, op.id, coalesce(op.lane_id, 1));
			IF op.function = 'rotate_keys' AND EXISTS (SELECT FROM smsr.begin_rotations(op.requester_id, ARRAY[p_eid])) THEN
				CONTINUE;
			END IF;
			PERFORM smsr.ring();
			RETURN;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.start_next(smsr.eid) IS 'Begin the operation that has waited longest on this eUICC, if nothing runs there';

CREATE FUNCTION smsr.handle_event(p_eid smsr.eid, p_operation bigint, p_event text,
		p_por_status int DEFAULT NULL, p_data bytea DEFAULT NULL,
		p_type int DEFAULT NULL, p_sequence int DEFAULT NULL, p_named smsr.aid DEFAULT NULL)
	RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op smsr.operation;
		packet smsr.outbound;
		target smsr.profile;
		former smsr.profile;
		answer record;
		next record;
		effect text;
		word int;
		deleted smsr.aid[] := '{}';
		card_state text;
		card_fallback boolean;
		complete boolean;
		left_now smsr.aid;
		heard text;
		keys_same boolean;
		versions int[];
		executed boolean;
		chunk int;
		chunks int;
	BEGIN
		SELECT * INTO op FROM smsr.operation o WHERE o.eid = p_eid AND o.id = p_operation;
		IF op.id IS NULL OR op.status IS NOT NULL THEN
			RETURN 'late: the operation is finished';
		ELSIF op.stage = 'peer' THEN
			RETURN CASE op.function WHEN 'establish_psk' THEN 'what it asks the card is an operation of its own'
				ELSE 'another SM-SR is awaited' END;
		END IF;
		SELECT * INTO packet FROM smsr.outbound o WHERE o.eid = p_eid AND o.operation_id = p_operation;
		SELECT * INTO target FROM smsr.profile p WHERE p.eid = p_eid AND p.isdp_aid = op.isdp_aid;
		SELECT * INTO former FROM smsr.profile p WHERE p.eid = p_eid AND p.isdp_aid = op.left_aid;

		IF op.step = 'package' THEN
			chunk := smsr.package_position(p_eid, p_operation, op.arguments);
			chunks := (op.arguments ->> 'chunks')::int;
		END IF;
		IF p_event = 'por' AND p_data IS NOT NULL THEN
			SELECT * INTO answer FROM smsr.read_response(p_data);
			word := answer.sw;
			-- not where some commands were not, whatever the last that was has answered
			executed := answer.fault IS NULL AND answer.bad_format = 0;
			IF op.step = 'confirm' THEN
				deleted := smsr.read_deleted(p_data);
			ELSIF op.step = 'audit' THEN
				complete := smsr.audit_complete(p_data);
				-- what GET DATA was answered says nothing about the ISD-Ps
				word := CASE WHEN complete THEN x'9000'::int ELSE x'6310'::int END;
				SELECT a.state, a.fallback INTO card_state, card_fallback
					FROM smsr.read_audit(p_data) a WHERE a.isdp_aid = op.isdp_aid;
			ELSIF op.step = 'put_key' THEN
				keys_same := smsr.put_key_answer_of(p_eid, op.kvn, answer.response);
			ELSIF op.step = 'key_info' THEN
				versions := smsr.read_key_versions(p_data);
			ELSIF op.step = 'relay' AND NOT executed THEN
				word := NULL;
			END IF;
		END IF;

		-- what is held for a second person is to core one that waits
		SELECT * INTO next FROM smsr.procedure(op.function, op.step,
			CASE op.stage WHEN 'held' THEN 'waiting' ELSE op.stage END, op.doubt, op.failed, op.warned, p_event,
			por_status => p_por_status, sw => word, resyncs => packet.resyncs::int,
			notification_type => p_type, names_target => p_named = op.isdp_aid,
			attempts => CASE WHEN packet.bearer = 'https' AND packet.session IS NULL THEN 0 ELSE packet.attempts END::int,
			target_gone => target.isdp_aid IS NULL OR target.isdp_aid = ANY (deleted),
			auto_delete => former.isdp_aid IS NOT NULL AND former.isdp_aid <> ALL (deleted)
				AND former.pol2 @> '{DISABLE/Auto-Delete}' AND NOT former.fallback_attribute
				AND former.state = 'Disabled',
			card_state => card_state, card_fallback => card_fallback,
			card_left_gone => complete AND NOT EXISTS (SELECT FROM smsr.read_audit(p_data) a WHERE a.isdp_aid = op.left_aid),
			keys_replace => op.kvn IS NOT NULL AND EXISTS (SELECT FROM smsr.keyset k
				WHERE k.eid = p_eid AND k.sd_aid = packet.sd_aid AND k.kvn = op.kvn AND k.replaces IS NOT NULL),
			keys_match => keys_same, keys_differ => NOT keys_same,
			keys_told => versions IS NOT NULL, keys_there => op.kvn = ANY (versions),
			executed => executed, more_chunks => chunk < chunks);
		IF op.step = 'package' THEN
			IF p_event = 'por' AND 'drop_packet' = ANY (next.effects) THEN
				INSERT INTO smsr.platform_result (eid, operation_id, chunk, por_status, sw, carried_out, response)
					VALUES (p_eid, p_operation, chunk, p_por_status, nullif(word, 0), next.because IS NULL, p_data);
			END IF;
			next.because := next.because || format(' (chunk %s of %s)', chunk, chunks);
		END IF;

		UPDATE smsr.operation SET step = next.step, stage = CASE WHEN next.status IS NULL THEN next.stage ELSE stage END,
				stage_at = CASE WHEN next.step IS DISTINCT FROM step OR next.stage <> stage THEN now() ELSE stage_at END,
				doubt = next.doubt, failed = next.failed, warned = next.warned,
				message = coalesce(next.because, message),
				sequence = CASE WHEN 'follow' = ANY (next.effects) THEN p_sequence ELSE sequence END,
				-- what an audit or a confirmation is answered names ISD-Ps of others than the requester's
				response_data = CASE WHEN p_event = 'por' AND p_data IS NOT NULL
						AND (op.function IN ('audit_eis', 'confirm_notification') OR op.step NOT IN ('audit', 'confirm', 'auto_delete'))
					THEN p_data ELSE response_data END
			WHERE eid = p_eid AND id = p_operation;

		FOREACH effect IN ARRAY next.effects
		LOOP
			CASE effect
				WHEN 'drop_packet' THEN
					PERFORM smsr.drop_packet(p_eid, p_operation,
						CASE p_event WHEN 'por' THEN 'answered' WHEN 'lost' THEN 'lost with its session' WHEN 'notification' THEN 'overtaken by its notification'
							WHEN 'deadline' THEN 'expired' WHEN 'ask' THEN 'superseded'
							WHEN 'proven' THEN 'overtaken by a proof' ELSE p_event END, next.because);
				WHEN 'follow' THEN
					left_now := smsr.follow_enabled(p_eid, p_named, p_operation);
					UPDATE smsr.operation SET left_aid = coalesce(left_aid, left_now)
						WHERE eid = p_eid AND id = p_operation;
				WHEN 'spontaneous' THEN
					heard := smsr.spontaneous(p_eid, p_type, p_sequence, p_named);
				WHEN 'drop_deleted' THEN
					PERFORM smsr.remove_profile(p_eid, d, p_operation) FROM unnest(deleted) d;
				WHEN 'follow_audit' THEN
					left_now := smsr.follow_audit(p_eid, p_data, p_operation);
					IF op.doubt IN ('enable', 'disable') THEN
						UPDATE smsr.operation SET left_aid = coalesce(left_aid, left_now)
							WHERE eid = p_eid AND id = p_operation;
					END IF;
				WHEN 'add_target' THEN
					PERFORM smsr.add_profile(p_eid, op);
				WHEN 'remove_target' THEN
					PERFORM smsr.remove_profile(p_eid, op.isdp_aid, p_operation);
				WHEN 'remove_left' THEN
					PERFORM smsr.remove_profile(p_eid, op.left_aid, p_operation);
				WHEN 'move_fallback' THEN
					PERFORM smsr.give_fallback(p_eid, op.isdp_aid, p_operation);
				WHEN 'set_emergency' THEN
					PERFORM smsr.give_emergency(p_eid, op.isdp_aid, p_operation);
				WHEN 'unset_emergency' THEN
					PERFORM smsr.give_emergency(p_eid, NULL, p_operation);
				WHEN 'adopt_keys' THEN
					PERFORM smsr.adopt_keyset(p_eid, op.kvn, p_operation);
				WHEN 'forget_keys', 'revoke_keys', 'vacate_keys' THEN
					PERFORM smsr.give_up_keyset(p_eid, op.kvn, effect, p_operation, next.because);
				WHEN 'resync' THEN
					PERFORM smsr.resync(packet);
				WHEN 'send' THEN
					PERFORM smsr.queue_packet(p_eid, p_operation);
					IF p_event = 'ask' THEN
						-- the card has had its time
						UPDATE smsr.outbound SET due_at = now()
							WHERE eid = p_eid AND operation_id = p_operation AND destination IS NOT NULL;
					END IF;
					PERFORM smsr.ring();
				WHEN 'hasten' THEN
					UPDATE smsr.outbound SET due_at = now() WHERE id = packet.id AND destination IS NOT NULL;
				WHEN 'retry_later' THEN
					UPDATE smsr.outbound SET due_at = least(due_at, now() + smsr.retry_interval(1))
						WHERE id = packet.id AND destination IS NOT NULL;
				WHEN 'audit' THEN
					PERFORM smsr.start_own(p_eid, 'audit_eis', NULL, next.because);
				WHEN 'finish' THEN
					PERFORM smsr.finish(p_eid, p_operation,
						CASE WHEN next.status = 'EXECUTED_SUCCESS' AND next.warned THEN 'EXECUTED_WITHWARNING' ELSE next.status END,
						next.subject_code, next.reason_code, next.because);
			END CASE;
		END LOOP;
		IF op.exclusive AND next.status IS NOT NULL THEN
			PERFORM smsr.start_next(p_eid);
		END IF;
		RETURN CASE WHEN next.effects = '{}' AND next.stage = op.stage AND next.because IS NULL THEN 'not awaited'
			ELSE coalesce(heard, next.because, next.status, next.stage) END;
	END $$;
COMMENT ON FUNCTION smsr.handle_event(smsr.eid, bigint, text, int, bytea, int, int, smsr.aid)
	IS 'Feed one event to an operation and carry out what core decides; returns what became of it, for the record';

CREATE FUNCTION smsr.resync(packet smsr.outbound) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr.message (direction, eid, operation_id, step, address, gateway, attempts, cntr,
				outcome, detail, sent_at, octets, script)
			VALUES ('out', packet.eid, packet.operation_id, packet.step, packet.destination, packet.gateway,
				packet.attempts, packet.cntr, 'answered', 'the card''s counter is ahead of ours', packet.sent_at,
				CASE WHEN packet.step <> 'put_key' THEN packet.packet END, coalesce(packet.trigger, packet.script));
		UPDATE smsr.keyset SET counter = least(counter + smsr.resync_distance(packet.resyncs), 1099511627775)
			WHERE eid = packet.eid AND sd_aid = packet.sd_aid AND kvn = packet.kvn;
		UPDATE smsr.outbound SET packet = NULL, cntr = NULL, kvn = NULL, attempts = 0, accepted = 0,
				sent_at = NULL, resyncs = resyncs + 1, due_at = now()
			WHERE id = packet.id;
		PERFORM smsr.ring();
	END $$;
COMMENT ON FUNCTION smsr.resync(smsr.outbound) IS 'Move the counter ahead and send the same command anew: an audit, or a confirmation, which a card may execute twice (TS 102 225 status 02)';

CREATE FUNCTION smsr.spontaneous(p_eid smsr.eid, p_type int, p_sequence int, p_named smsr.aid) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		late boolean := smsr.too_late(p_eid, p_type, p_named);
	BEGIN
		IF p_type IN (1, 2, 3, 5) THEN
			PERFORM smsr.follow_enabled(p_eid, p_named, NULL);
		END IF;
		IF late THEN
			UPDATE smsr.euicc SET notification_confirmed = false WHERE eid = p_eid;
			RETURN 'not confirmed: its operation had expired, the card will go back';
		END IF;
		PERFORM smsr.start_own(p_eid, 'confirm_notification', p_sequence, format('notification of type %s', p_type));
		IF p_type NOT IN (1, 2, 3, 5) OR NOT EXISTS (SELECT FROM smsr.profile p
				WHERE p.eid = p_eid AND p.isdp_aid = p_named AND p.iccid IS NOT NULL) THEN
			PERFORM smsr.start_own(p_eid, 'audit_eis', NULL, format('notification of type %s', p_type));
		END IF;
		RETURN 'spontaneous';
	END $$;
COMMENT ON FUNCTION smsr.spontaneous(smsr.eid, int, int, smsr.aid)
	IS 'A notification that no operation awaits: the EIS follows, it is confirmed unless it is too late, and what is not understood is audited';

-- The card has just been heard of: what was held or waits for its next turn goes
-- out now, and what is unknown about it is asked.
CREATE FUNCTION smsr.contact(p_eid smsr.eid) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		UPDATE smsr.euicc SET last_seen_at = now() WHERE eid = p_eid;
		UPDATE smsr.outbound o SET due_at = now()
			WHERE o.eid = p_eid AND o.destination IS NOT NULL AND o.due_at > now()
				AND o.sent_at < now() - make_interval(secs => smsr.setting_seconds('retry_initial'));
		IF EXISTS (SELECT FROM smsr.unknown_outcome u WHERE u.eid = p_eid)
				AND NOT EXISTS (SELECT FROM smsr.operation o
					WHERE o.eid = p_eid AND o.status IS NULL AND o.function = 'audit_eis') THEN
			PERFORM smsr.start_own(p_eid, 'audit_eis', NULL, 'an outcome is unknown');
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.contact(smsr.eid) IS 'Something authentic was received from this eUICC: hold nothing back any longer';
