-- Carrying out what core's handover decided.  Every function here runs with the
-- eUICC's rows locked (smsr.lock_handover()).

CREATE FUNCTION smsr.lock_handover(p_eid smsr.eid) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		PERFORM FROM smsr.euicc e WHERE e.eid = p_eid FOR NO KEY UPDATE;
		PERFORM FROM smsr.handover h WHERE h.eid = p_eid FOR UPDATE;
		PERFORM FROM smsr.outbound o WHERE o.eid = p_eid ORDER BY o.id FOR UPDATE;
	END $$;
COMMENT ON FUNCTION smsr.lock_handover(smsr.eid) IS 'One writer at a time of an eUICC that changes its SM-SR, registered here or not';

CREATE FUNCTION smsr.lock_handovers(eids smsr.eid[], wait boolean) RETURNS smsr.eid[]
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		ready smsr.eid[] := smsr.lock_cards(eids, wait);
		mine smsr.eid[];
	BEGIN
		IF wait AND clock_timestamp() - statement_timestamp() < current_setting('lock_timeout')::interval THEN
			PERFORM FROM smsr.handover h WHERE h.eid = ANY (ARRAY(SELECT unnest(ready))) ORDER BY h.eid FOR UPDATE;
			RETURN ready;
		END IF;
		mine := ARRAY(SELECT h.eid FROM smsr.handover h WHERE h.eid = ANY (ARRAY(SELECT unnest(ready))) FOR UPDATE SKIP LOCKED);
		RETURN ARRAY(SELECT u.eid FROM unnest(ready) u (eid)
			WHERE u.eid IN (SELECT unnest(mine)) OR NOT EXISTS (SELECT FROM smsr.handover h WHERE h.eid = u.eid));
	END $$;
COMMENT ON FUNCTION smsr.lock_handovers(smsr.eid[], boolean) IS 'Take eUICCs, registered here or not, as smsr.lock_cards() does, and what is under way between SM-SRs about them. Returns which';

CREATE FUNCTION smsr.taken_from(p_eid smsr.eid, p_peer text) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		-- it may have gone on to a third one since, but not back
		RETURN EXISTS (SELECT FROM smsr.handover h
				WHERE h.eid = p_eid AND h.side = 'takes' AND h.peer_id = p_peer AND h.stage IN ('finalising', 'addressing'))
			OR coalesce((SELECT p.side = 'takes' FROM smsr.handover_past p
				WHERE p.eid = p_eid AND p.peer_id = p_peer AND p.moved
				ORDER BY p.ended_at DESC LIMIT 1), false)
				AND NOT EXISTS (SELECT FROM smsr.handover h WHERE h.eid = p_eid AND h.side = 'gives' AND h.peer_id = p_peer);
	END $$;
COMMENT ON FUNCTION smsr.taken_from(smsr.eid, text) IS 'Whether this SM-SR took the eUICC over from that one, the last time that it passed between the two';

-- ES7: everything but key values, with the audit trail.
CREATE FUNCTION smsr.eis_to_hand_over(p_eid smsr.eid) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		eis smsr.eis_writing;
		card smsr.euicc;
	BEGIN
		SELECT e.* INTO card FROM smsr.euicc e WHERE e.eid = p_eid;
		eis.euicc := card;
		SELECT s INTO eis.part FROM smsr.euicc_signed s WHERE s.eid = p_eid;
		eis.domains := ARRAY(SELECT d FROM smsr.euicc_security_domain d WHERE d.eid = p_eid);
		eis.profiles := ARRAY(SELECT p FROM smsr.profile p WHERE p.eid = p_eid AND p.iccid IS NOT NULL ORDER BY p.isdp_aid);
		-- of every version that the card may have, so that the new one is another
		eis.keysets := ARRAY(SELECT jsonb_populate_record(k, '{"counter": 0, "check_values": null, "sealed": null}')
			FROM smsr.keyset k WHERE k.eid = p_eid AND k.sd_aid = card.isdr_aid ORDER BY k.kvn);
		eis.listed := smsr.listed_keysets(card);
		eis.records := smsr.audit_records(p_eid, smsr.setting('smsr_id'), 'OWN');
		RETURN smsr.write_view('OWN', eis)::text;
	END $$;
COMMENT ON FUNCTION smsr.eis_to_hand_over(smsr.eid) IS 'The EIS of an eUICC as another SM-SR gets it (ES7.HandoverEUICC): all of it with the audit trail, key sets without keys';

CREATE FUNCTION smsr.offer_of(p_eid smsr.eid, p_until timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN jsonb_build_object('eis', smsr.eis_to_hand_over(p_eid),
			-- of one that is uncertain the time is over, and the question is not
			'validity', greatest(1, extract(epoch FROM least(p_until, now() + smsr.validity(NULL)) - now()))::bigint);
	END $$;
COMMENT ON FUNCTION smsr.offer_of(smsr.eid, timestamptz) IS 'Arguments of HandoverEUICC for an eUICC, and a time by which it is to be over';

CREATE FUNCTION smsr.read_handed_eis(document text, proven boolean) RETURNS smsr.eis_reading
	AS 'MODULE_PATHNAME', 'smsr_read_handed_eis'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION smsr.read_handed_eis(text, boolean) IS 'Reads an EIS that another SM-SR hands over: verified as smsr.read_eis() does unless it was before, its key sets without keys';

CREATE FUNCTION smsr.own_key(OUT certificate bytea, OUT sealed bytea) RETURNS record
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		SELECT c.certificate, c.sealed INTO own_key.certificate, own_key.sealed
			FROM smsr.own_certificate c
			WHERE c.valid_until >= (now() AT TIME ZONE 'UTC')::date
			ORDER BY c.imported_at DESC, c.fingerprint LIMIT 1;
	END $$;
COMMENT ON FUNCTION smsr.own_key() IS 'The certificate that this SM-SR shows to cards now, and its sealed private key; NULL if there is none that is valid';

-- An operation of the change itself: it waits for what runs, and keeps the rest waiting.
CREATE FUNCTION smsr.start_for_handover(p_eid smsr.eid, p_function text, p_requester text, p_arguments jsonb, p_expires_at timestamptz)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op_id bigint := smsr.next_id();
		next record := smsr.procedure(p_function, NULL, 'waiting', NULL, false, false, 'start');
		waits boolean := EXISTS (SELECT FROM smsr.operation r
			WHERE r.eid = p_eid AND r.status IS NULL AND r.exclusive AND r.stage <> 'waiting');
	BEGIN
		INSERT INTO smsr.operation (id, eid, function, requester_id, arguments, step, stage, expires_at)
			VALUES (op_id, p_eid, p_function, p_requester, p_arguments, CASE WHEN NOT waits THEN next.step END,
				CASE WHEN waits THEN 'waiting' ELSE next.stage END, p_expires_at);
		UPDATE smsr.handover h SET card_operation_id = op_id WHERE h.eid = p_eid;
		IF NOT waits THEN
			PERFORM smsr.queue_packet(p_eid, op_id);
			PERFORM smsr.ring();
		END IF;
		RETURN op_id;
	END $$;
COMMENT ON FUNCTION smsr.start_for_handover(smsr.eid, text, text, jsonb, timestamptz) IS 'Send the card a command that a change of SM-SR needs; returns the operation''s id, whose end is an event of the change';

CREATE FUNCTION smsr.handover_to_card(p_eid smsr.eid) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		h smsr.handover;
		a jsonb;
	BEGIN
		SELECT * INTO h FROM smsr.handover x WHERE x.eid = p_eid;
		CASE h.stage
			WHEN 'authenticating' THEN
				PERFORM smsr.start_for_handover(p_eid, 'authenticate_smsr', h.peer_id,
					jsonb_build_object('commands', encode(smsr.certificate_commands(h.certificate), 'hex')), h.expires_at);
			WHEN 'establishing' THEN
				SELECT m.arguments INTO a FROM smsr.peer_message m
					WHERE m.eid = p_eid AND m.peer_id = h.peer_id AND m.direction = 'in' AND m.id = h.question_id;
				PERFORM smsr.start_for_handover(p_eid, 'create_additional_key_set', h.peer_id,
					jsonb_build_object('commands', encode(smsr.key_set_commands_for(h, a), 'hex')), h.expires_at);
			WHEN 'finalising' THEN
				PERFORM smsr.start_for_handover(p_eid, 'finalise_handover', smsr.setting('smsr_id'),
					jsonb_build_object('commands', encode(smsr.finalise_commands(h.kvn), 'hex')), h.expires_at);
			WHEN 'addressing' THEN
				PERFORM smsr.start_for_handover(p_eid, 'update_smsr_addressing', smsr.setting('smsr_id'),
					jsonb_build_object('sms_address', smsr.setting('sms_address')), h.expires_at);
		END CASE;
	END $$;
COMMENT ON FUNCTION smsr.handover_to_card(smsr.eid) IS 'Send the card the command that the stage of a change of SM-SR says';

CREATE FUNCTION smsr.key_set_commands_for(h smsr.handover, a jsonb) RETURNS bytea
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF a ->> 'ecc_key_length' IS DISTINCT FROM 'ECC-256' THEN
			RAISE EXCEPTION 'ecc_key_length must be ECC-256' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF (a ->> 'key_version_number')::int NOT BETWEEN 1 AND 15 THEN
			RAISE EXCEPTION 'key version number of an SCP80 key set must be 1 to 15' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		RETURN smsr.key_set_commands(h.certificate, h.ecasd, (a ->> 'key_version_number')::int,
			coalesce((a ->> 'initial_sequence_counter')::bigint, 0), (a ->> 'scenario_parameter')::int,
			decode(a ->> 'host_id', 'hex'), decode(a ->> 'ephemeral_public_key', 'hex'), decode(a ->> 'signature', 'hex'));
	END $$;
COMMENT ON FUNCTION smsr.key_set_commands_for(smsr.handover, jsonb) IS 'Commands of EstablishISDRKeySet from the arguments of CreateAdditionalKeySet; what is wrong with them is an error';

-- The commit: rows as smsr.register_documents() makes them, and the one key set
-- that nobody else has.
CREATE FUNCTION smsr.take_over(h smsr.handover, p_sealed bytea, p_check_values bytea) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		r smsr.eis_reading := smsr.read_handed_eis(h.document, false);
	BEGIN
		-- verified it was when it was accepted: whoever has lost our trust since changes nothing
		IF r.reason IS NOT NULL THEN
			r := smsr.read_handed_eis(h.document, true);
		END IF;
		IF r.reason IS NOT NULL THEN
			RAISE EXCEPTION 'EIS that was accepted can not be read: %', r.reason USING ERRCODE = 'internal_error';
		END IF;
		INSERT INTO smsr.euicc (eid, eum_id, smsr_id, production_date, platform_type, platform_version,
				isdp_loadfile_aid, isdp_module_aid, isdr_aid, cattp_support, cattp_version,
				http_support, http_version, secure_packet_version, remote_provisioning_version,
				remaining_memory, available_memory, last_audit_at, additional_properties)
			SELECT e.eid, e.eum_id, e.smsr_id, e.production_date, e.platform_type, e.platform_version,
				e.isdp_loadfile_aid, e.isdp_module_aid, e.isdr_aid, e.cattp_support, e.cattp_version,
				e.http_support, e.http_version, e.secure_packet_version, e.remote_provisioning_version,
				e.remaining_memory, e.available_memory, e.last_audit_at, e.additional_properties
			FROM (SELECT (r.euicc).*) e;
		INSERT INTO smsr.euicc_signed SELECT (r.part).*;
		INSERT INTO smsr.euicc_security_domain SELECT d.* FROM unnest(r.domains) d;
		INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, smdp_id, state, fallback_attribute,
				emergency_attribute, msisdn, imsi, profile_type, allocated_memory, free_memory, pol2)
			SELECT p.eid, p.isdp_aid, p.iccid, p.mno_id, p.smdp_id, p.state, p.fallback_attribute,
				p.emergency_attribute, p.msisdn, p.imsi, p.profile_type, p.allocated_memory, p.free_memory, p.pol2
			FROM unnest(r.profiles) p;
		INSERT INTO smsr.keyset (eid, sd_aid, kvn, type, key_type, counter, check_values, sealed, origin)
			VALUES (h.eid, (r.euicc).isdr_aid, h.kvn, 'SCP80', 136, 0, p_check_values, p_sealed, 'SM-SR change');
		PERFORM smsr.record_audit(r.records || smsr.audit_entry(h.eid, 'create_additional_key_set', NULL, smsr.setting('smsr_id'),
			'EXECUTED_SUCCESS', p_details => jsonb_build_object('smsr_id', h.peer_id, 'kvn', h.kvn)));
	END $$;
COMMENT ON FUNCTION smsr.take_over(smsr.handover, bytea, bytea) IS 'The eUICC is ours: its EIS as it was handed over, its record, and the key set that was agreed on';

CREATE FUNCTION smsr.handover_result(h smsr.handover) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		response bytea := (SELECT r.response FROM smsr.operation o, smsr.read_response(o.response_data) r
			WHERE o.eid = h.eid AND o.id = h.card_operation_id);
	BEGIN
		RETURN CASE h.stage
			WHEN 'authenticating' THEN (SELECT jsonb_build_object('challenge', encode(c.challenge, 'hex')) FROM smsr.read_challenge(response) c)
			WHEN 'establishing' THEN (SELECT jsonb_strip_nulls(jsonb_build_object('derivation_random', encode(c.derivation_random, 'hex'),
				'receipt', encode(c.receipt, 'hex'))) FROM smsr.read_receipt(response) c) END;
	END $$;
COMMENT ON FUNCTION smsr.handover_result(smsr.handover) IS 'What the card answered, for the SM-SR that asked: its challenge, or its receipt';

CREATE FUNCTION smsr.handover_event(p_eid smsr.eid, p_side text, p_event text, p_new smsr.handover DEFAULT NULL,
		p_question bigint DEFAULT NULL, p_data jsonb DEFAULT NULL, p_known boolean DEFAULT false) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		h smsr.handover;
		was smsr.handover;
		next record;
		effect text;
		p smsr.profile;
		a jsonb;
		key record;
		told text;
		subject text;
		reason text;
		final text;
	BEGIN
		SELECT * INTO was FROM smsr.handover x WHERE x.eid = p_eid;
		IF was.side <> p_side THEN
			was := NULL;
		END IF;
		SELECT * INTO next FROM smsr.handover(p_side, was.stage, was.warned, p_event, p_known,
			smsr.setting('sms_address') <> '');
		IF NOT next.expected THEN
			RETURN 'not awaited';
		END IF;
		-- the peer's words, or the card's, where core has none of its own
		subject := coalesce(next.subject_code, p_data ->> 'subject_code', CASE WHEN next.status IN ('FAILED', 'EXPIRED') THEN '1.6' END);
		reason := coalesce(next.reason_code, p_data ->> 'reason_code', CASE WHEN next.status IN ('FAILED', 'EXPIRED') THEN '3.8' END);
		told := coalesce(CASE WHEN next.subject_code IS NULL THEN p_data ->> 'message' END, next.because);
		INSERT INTO smsr.handover_step (eid, handover_id, side, peer_id, event, stage_before, stage_after, effects,
				status, subject_code, reason_code, because)
			VALUES (p_eid, coalesce(was.id, p_new.id), p_side, coalesce(p_new.peer_id, was.peer_id), p_event, was.stage, next.stage,
				next.effects, next.status, CASE WHEN next.status <> 'EXECUTED_SUCCESS' THEN subject END,
				CASE WHEN next.status <> 'EXECUTED_SUCCESS' THEN reason END, told);
		IF next.status = 'FAILED' AND next.effects = '{}' THEN
			IF p_question IS NOT NULL THEN
				PERFORM smsr.answer_peer(p_eid, p_new.peer_id, p_question, 'FAILED', subject, reason, told);
			END IF;
			RETURN 'refused: ' || told;
		END IF;

		-- the row as it will be; what a new run needs comes with the event
		h := was;
		IF p_new.eid IS NOT NULL THEN
			IF h.eid IS NULL THEN
				h := p_new;
			ELSIF next.stage IS NOT NULL AND (next.stage <> was.stage OR p_event IN ('offer', 'prepare')) THEN
				h.peer_id := p_new.peer_id;
				h.requester_id := coalesce(p_new.requester_id, h.requester_id);
				h.operation_id := coalesce(p_new.operation_id, h.operation_id);
				h.expires_at := coalesce(p_new.expires_at, h.expires_at);
				h.document := coalesce(p_new.document, h.document);
				h.certificate := coalesce(p_new.certificate, h.certificate);
				h.ecasd := coalesce(p_new.ecasd, h.ecasd);
				h.kvn := coalesce(p_new.kvn, h.kvn);
			END IF;
		END IF;
		IF 'drop' = ANY (next.effects) THEN
			PERFORM smsr.close_questions(p_eid, was.peer_id);
			IF p_question IS NOT NULL AND was.offer_id IS NOT NULL THEN
				-- of two offers only the one that came last is good for anything
				PERFORM smsr.answer_peer(p_eid, was.peer_id, was.offer_id, 'FAILED', '1.6', '4.5', 'the eUICC was offered anew');
				h.offer_id := NULL;
			END IF;
			h.crt := NULL;
			h.ephemeral_public_key := NULL;
			h.sealed := NULL;
			h.question_id := NULL;
		END IF;
		IF p_event IN ('taken', 'not_taken') THEN
			h.offer_id := NULL;
		END IF;
		IF p_question IS NOT NULL AND next.stage IS NOT NULL AND next.stage IS DISTINCT FROM was.stage OR p_event = 'offer' AND 'ask_authenticate' = ANY (next.effects) THEN
			IF p_side = 'takes' THEN
				h.offer_id := p_question;
			ELSE
				h.question_id := p_question;
			END IF;
		END IF;
		h.warned := next.warned;
		IF next.stage IS NOT NULL THEN
			IF next.stage IS DISTINCT FROM was.stage THEN
				h.stage_at := now();
			END IF;
			-- its time is over once
			IF next.stage = 'uncertain' THEN
				h.expires_at := 'infinity';
			END IF;
			h.stage := next.stage;
			IF was.eid IS NULL THEN
				INSERT INTO smsr.handover SELECT h.*;
			ELSE
				UPDATE smsr.handover x SET (stage, warned, peer_id, requester_id, operation_id, offer_id, question_id, stage_at,
						expires_at, document, certificate, ecasd, kvn, crt, ephemeral_public_key, sealed) =
					(h.stage, h.warned, h.peer_id, h.requester_id, h.operation_id, h.offer_id, h.question_id, h.stage_at,
						h.expires_at, h.document, h.certificate, h.ecasd, h.kvn, h.crt, h.ephemeral_public_key, h.sealed)
					WHERE x.eid = p_eid;
			END IF;
		ELSIF was.eid IS NOT NULL THEN
			DELETE FROM smsr.handover x WHERE x.eid = p_eid;
		END IF;
		final := next.status;

		FOREACH effect IN ARRAY next.effects
		LOOP
			CASE effect
				WHEN 'drop' THEN
					NULL;		-- done above, with the row
				WHEN 'take' THEN
					PERFORM smsr.take_over(was, decode(p_data ->> 'sealed', 'hex'), decode(p_data ->> 'check_values', 'hex'));
					-- the time that the card needs is its own
					UPDATE smsr.handover x SET expires_at = greatest(x.expires_at, now() + interval '1 minute') WHERE x.eid = p_eid;
				WHEN 'give_up' THEN
					PERFORM smsr.drop_packet(p_eid, o.operation_id, 'superseded', 'the eUICC is handed over')
						FROM (SELECT DISTINCT b.operation_id FROM smsr.outbound b WHERE b.eid = p_eid) o;
					PERFORM smsr.finish(p_eid, o.id, 'FAILED', '8.1.1', '3.9', 'the eUICC is handed over')
						FROM smsr.operation o
						WHERE o.eid = p_eid AND o.status IS NULL AND o.id IS DISTINCT FROM was.operation_id;
					DELETE FROM smsr.euicc e WHERE e.eid = p_eid;
				WHEN 'ask_take' THEN
					UPDATE smsr.peer_message m SET due_at = now()
						WHERE m.eid = p_eid AND m.peer_id = h.peer_id AND m.direction = 'out' AND m.id = h.offer_id AND NOT m.closed;
					IF NOT FOUND THEN
						UPDATE smsr.handover x SET offer_id = smsr.ask_peer(p_eid, h.peer_id, 'handover_euicc', smsr.offer_of(p_eid, h.expires_at))
							WHERE x.eid = p_eid;
					END IF;
					PERFORM smsr.ring_peers();
				WHEN 'ask_authenticate' THEN
					UPDATE smsr.handover x SET question_id = smsr.ask_peer(p_eid, h.peer_id, 'authenticate_smsr',
							jsonb_build_object('certificate', (SELECT encode(k.certificate, 'hex') FROM smsr.own_key() k)))
						WHERE x.eid = p_eid;
				WHEN 'ask_key_set' THEN
					UPDATE smsr.handover x SET crt = k.crt, ephemeral_public_key = k.ephemeral_public_key, sealed = k.sealed,
							question_id = smsr.ask_peer(p_eid, h.peer_id, 'create_additional_key_set', jsonb_build_object(
								'key_version_number', h.kvn, 'initial_sequence_counter', 0, 'ecc_key_length', 'ECC-256',
								-- 08: a certificate goes before, nothing is deleted
								'scenario_parameter', 8,
								'ephemeral_public_key', encode(k.ephemeral_public_key, 'hex'), 'signature', encode(k.signature, 'hex')))
						FROM smsr.own_key() o, LATERAL smsr.prepare_key_set(p_eid, h.ecasd, o.certificate, o.sealed, h.kvn, 0,
							decode(p_data ->> 'challenge', 'hex')) k
						WHERE x.eid = p_eid;
				WHEN 'to_card' THEN
					PERFORM smsr.handover_to_card(p_eid);
				WHEN 'answer' THEN
					-- of a preparation the operation is the answer
					IF p_side = 'gives' THEN
						PERFORM smsr.answer_peer(p_eid, h.peer_id, h.question_id,
							CASE WHEN next.status = 'FAILED' THEN 'FAILED' ELSE 'EXECUTED_SUCCESS' END,
							CASE WHEN next.status = 'FAILED' THEN subject END, CASE WHEN next.status = 'FAILED' THEN reason END,
							CASE WHEN next.status = 'FAILED' THEN told END,
							CASE WHEN next.status IS DISTINCT FROM 'FAILED' THEN smsr.handover_result(was) END);
					END IF;
				WHEN 'answer_offer' THEN
					PERFORM smsr.answer_peer(p_eid, coalesce(p_new.peer_id, was.peer_id), q, next.status,
							CASE WHEN next.status <> 'EXECUTED_SUCCESS' THEN subject END,
							CASE WHEN next.status <> 'EXECUTED_SUCCESS' THEN reason END, told)
						FROM unnest(ARRAY[p_question, CASE WHEN 'finish' = ANY (next.effects) THEN was.offer_id END]) q
						WHERE q IS NOT NULL;
				WHEN 'tell' THEN
					FOR p IN SELECT DISTINCT ON (x.mno_id) x.* FROM smsr.profile x
						WHERE x.eid = p_eid AND x.mno_id IS NOT NULL ORDER BY x.mno_id, x.isdp_aid
					LOOP
						PERFORM smsr.tell(p_eid, 'HandleSMSRChange', p, NULL, jsonb_build_object('smsr_id', smsr.setting('smsr_id'),
							'former_smsr_id', was.peer_id));
					END LOOP;
				WHEN 'finish' THEN
					-- SR2's warning is about what it did; the eUICC is gone all the same
					IF p_event = 'taken' AND p_data ->> 'status' = 'EXECUTED_WITHWARNING' THEN
						final := 'EXECUTED_WITHWARNING';
						subject := coalesce(subject, '8.7');
						reason := coalesce(reason, '4.3');
					END IF;
					IF was.operation_id IS NOT NULL THEN
						PERFORM smsr.finish(p_eid, was.operation_id, final,
							CASE WHEN final <> 'EXECUTED_SUCCESS' THEN subject END,
							CASE WHEN final <> 'EXECUTED_SUCCESS' THEN reason END, told);
					ELSE
						PERFORM smsr.record_audit(p_eid, 'handover_euicc', p_requester => was.peer_id, p_status => final,
							p_subject => CASE WHEN final <> 'EXECUTED_SUCCESS' THEN subject END,
							p_reason_code => CASE WHEN final <> 'EXECUTED_SUCCESS' THEN reason END);
					END IF;
			END CASE;
		END LOOP;

		IF next.stage IS NULL AND was.eid IS NOT NULL THEN
			INSERT INTO smsr.handover_past (eid, id, side, peer_id, requester_id, operation_id, status, subject_code, reason_code,
					because, moved, began_at)
				VALUES (p_eid, was.id, p_side, was.peer_id, was.requester_id, was.operation_id, final,
					CASE WHEN final <> 'EXECUTED_SUCCESS' THEN subject END,
					CASE WHEN final <> 'EXECUTED_SUCCESS' THEN reason END, told,
					p_event = 'taken' OR was.stage IN ('finalising', 'addressing'), was.began_at);
			PERFORM smsr.close_questions(p_eid, was.peer_id);
			-- whoever still waits for an answer gets one
			PERFORM smsr.answer_peer(p_eid, was.peer_id, m.id, 'FAILED', '8.1.1', '3.9', 'the EID is not being handed over')
				FROM smsr.peer_message m
				WHERE m.eid = p_eid AND m.peer_id = was.peer_id AND m.direction = 'in' AND m.answer IS NULL;
			IF 'give_up' <> ALL (next.effects) AND p_side = 'gives' THEN
				PERFORM smsr.start_next(p_eid);
			END IF;
		END IF;
		RETURN coalesce(told, next.stage, final);
	END $$;
COMMENT ON FUNCTION smsr.handover_event(smsr.eid, text, text, smsr.handover, bigint, jsonb, boolean)
	IS 'Feed one event to a change of SM-SR and carry out what core decides; p_new: what a beginning is made of. Returns what became of it, for the record';

-- ---- what a peer asks and answers ----

CREATE FUNCTION smsr.ecasd_certificate(signed_info text) RETURNS bytea
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		found text[];
	BEGIN
		found := xpath('//*[translate(local-name(), "ECASD", "ecasd") = "ecasd"]//*[local-name() = "Certificate" or local-name() = "certificate"]/*[translate(local-name(), "V", "v") = "value"]/text()',
			xmlparse(CONTENT signed_info))::text[];
		RETURN decode(regexp_replace(found[1], '\s', '', 'g'), 'hex');
	END $$;
COMMENT ON FUNCTION smsr.ecasd_certificate(text) IS 'The ECASD''s certificate in an EIS''s signed part; NULL if there is none';

CREATE FUNCTION smsr.hear_offer(p_from text, p_id bigint, p_eid smsr.eid, a jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		h smsr.handover;
		new smsr.handover;
		r smsr.eis_reading;
		curve record;
		bad jsonb;
	BEGIN
		SELECT * INTO h FROM smsr.handover x WHERE x.eid = p_eid;
		new.eid := p_eid;
		new.id := smsr.next_id();
		new.side := 'takes';
		new.peer_id := p_from;
		IF smsr.taken_from(p_eid, p_from) THEN
			RETURN smsr.handover_event(p_eid, 'takes', 'offer', new, p_id, p_known => true);
		ELSIF EXISTS (SELECT FROM smsr.euicc e WHERE e.eid = p_eid) OR h.peer_id <> p_from THEN
			-- it is ours, or to come from somebody else: to this SM-SR it is an EID like any other
			SELECT jsonb_build_object('subject_code', c.subject_code, 'reason_code', c.reason_code, 'message', c.because) INTO bad
				FROM smsr.handover('takes', NULL, false, 'offer', false, false) c;
		END IF;
		IF bad IS NOT NULL THEN
			PERFORM smsr.answer_peer(p_eid, p_from, p_id, 'FAILED', bad ->> 'subject_code', bad ->> 'reason_code', bad ->> 'message');
			RETURN 'refused: ' || (bad ->> 'message');
		END IF;
		new.document := a ->> 'eis';
		new.requester_id := coalesce(h.requester_id, p_from);
		new.began_at := now();
		new.expires_at := now() + smsr.validity(make_interval(secs => (a ->> 'validity')::double precision));
		r := smsr.read_handed_eis(coalesce(new.document, ''), false);
		IF r.reason IS NOT NULL THEN
			bad := jsonb_build_object('subject_code', r.subject_code, 'reason_code', r.reason_code, 'message', concat_ws(': ', r.element, r.reason));
		ELSIF (r.euicc).eid <> p_eid THEN
			bad := '{"subject_code": "8.1.1", "reason_code": "2.1", "message": "the EIS is another eUICC''s"}';
		ELSE
			new.ecasd := smsr.ecasd_certificate((r.part).signed_info);
			SELECT * INTO curve FROM smsr.ecasd_curve(new.ecasd, p_eid);
			new.kvn := (SELECT v FROM generate_series(1, 15) v
				WHERE v NOT IN (SELECT k.kvn FROM unnest(r.keysets) k) ORDER BY v LIMIT 1);
			IF new.ecasd IS NULL OR curve.fault IS NOT NULL THEN
				bad := jsonb_build_object('subject_code', '8.5.2', 'reason_code', '6.1',
					'message', concat_ws(': ', 'the ECASD''s certificate', coalesce(curve.fault, 'there is none')));
			ELSIF new.kvn IS NULL THEN
				bad := '{"subject_code": "8.4", "reason_code": "3.3", "message": "no version is left for a key set"}';
			ELSIF (SELECT k.certificate FROM smsr.own_key() k) IS NULL THEN
				bad := '{"subject_code": "8.5.3", "reason_code": "3.7", "message": "this SM-SR has no valid certificate"}';
			END IF;
		END IF;
		RETURN smsr.handover_event(p_eid, 'takes', CASE WHEN bad IS NULL THEN 'offer' ELSE 'bad_offer' END, new, p_id, bad);
	END $$;
COMMENT ON FUNCTION smsr.hear_offer(text, bigint, smsr.eid, jsonb) IS 'HandoverEUICC: the EIS is verified as one that its EUM registers, and kept until the card''s receipt is there';

CREATE FUNCTION smsr.hear_certificate(p_from text, p_id bigint, p_eid smsr.eid, a jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		new smsr.handover;
		problem text;
	BEGIN
		new.eid := p_eid;
		new.peer_id := p_from;
		new.certificate := decode(a ->> 'certificate', 'hex');
		problem := CASE WHEN new.certificate IS NULL THEN 'there is none' ELSE smsr.smsr_certificate_problem(new.certificate) END;
		IF problem IS NOT NULL THEN
			PERFORM smsr.answer_peer(p_eid, p_from, p_id, 'FAILED', '8.5.3', '6.1', problem);
			RETURN 'refused: ' || problem;
		END IF;
		RETURN smsr.handover_event(p_eid, 'gives', 'authenticate', new, p_id);
	END $$;
COMMENT ON FUNCTION smsr.hear_certificate(text, bigint, smsr.eid, jsonb) IS 'AuthenticateSMSR: the certificate goes to the card, if it is an SM-SR''s at all';

CREATE FUNCTION smsr.hear_key_set(p_from text, p_id bigint, p_eid smsr.eid, a jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		new smsr.handover;
	BEGIN
		new.eid := p_eid;
		new.peer_id := p_from;
		-- a version that the ISD-R has is ours: the card would put theirs in its place
		IF EXISTS (SELECT FROM smsr.keyset k JOIN smsr.euicc e USING (eid)
				WHERE k.eid = p_eid AND k.sd_aid = e.isdr_aid AND k.kvn = (a ->> 'key_version_number')::int) THEN
			PERFORM smsr.answer_peer(p_eid, p_from, p_id, 'FAILED', '8.4', '3.3', 'the ISD-R has a key set of this version');
			RETURN 'refused: the ISD-R has a key set of this version';
		END IF;
		PERFORM smsr.key_set_commands_for(h, a) FROM smsr.handover h WHERE h.eid = p_eid AND h.stage = 'challenged';
		RETURN smsr.handover_event(p_eid, 'gives', 'create_key_set', new, p_id);
	END $$;
COMMENT ON FUNCTION smsr.hear_key_set(text, bigint, smsr.eid, jsonb) IS 'CreateAdditionalKeySet: the key set goes to the card';

CREATE FUNCTION smsr.hear_challenge(h smsr.handover, p_answer jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF coalesce(p_answer ->> 'challenge', '') !~ '^([0-9a-fA-F]{32}|[0-9a-fA-F]{64})$' THEN
			RETURN smsr.handover_event(h.eid, 'takes', 'declined',
				p_data => '{"subject_code": "8.4", "reason_code": "2.1", "message": "the answer has no challenge of 16 or 32 octets"}');
		END IF;
		RETURN smsr.handover_event(h.eid, 'takes', 'challenge', p_data => p_answer);
	END $$;
COMMENT ON FUNCTION smsr.hear_challenge(smsr.handover, jsonb) IS 'The answer to AuthenticateSMSR';

CREATE FUNCTION smsr.hear_receipt(h smsr.handover, p_answer jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		agreed record;
		isdr smsr.aid;
	BEGIN
		IF coalesce(p_answer ->> 'receipt', '') !~ '^[0-9a-fA-F]{32}$' OR coalesce(p_answer ->> 'derivation_random', '') !~ '^([0-9a-fA-F]{2}){0,32}$' THEN
			RETURN smsr.handover_event(h.eid, 'takes', 'bad_receipt');
		END IF;
		isdr := ((smsr.read_handed_eis(h.document, true)).euicc).isdr_aid;
		SELECT * INTO agreed FROM smsr.conclude_key_set(h.eid, isdr, h.kvn, h.ecasd, h.crt, h.sealed,
			decode(p_answer ->> 'derivation_random', 'hex'), decode(p_answer ->> 'receipt', 'hex'));
		IF agreed.fault IS NOT NULL THEN
			RETURN smsr.handover_event(h.eid, 'takes', 'bad_receipt');
		END IF;
		RETURN smsr.handover_event(h.eid, 'takes', 'receipt',
			p_data => jsonb_build_object('sealed', encode(agreed.sealed, 'hex'), 'check_values', encode(agreed.check_values, 'hex')));
	END $$;
COMMENT ON FUNCTION smsr.hear_receipt(smsr.handover, jsonb) IS 'The answer to CreateAdditionalKeySet: if its receipt verifies, the eUICC is ours';

-- ---- what the card and time say ----

CREATE FUNCTION smsr.handover_card_ended(op smsr.operation) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		h smsr.handover;
		done boolean := op.status IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING');
		fault text;
	BEGIN
		SELECT * INTO h FROM smsr.handover x WHERE x.eid = op.eid AND x.card_operation_id = op.id;
		IF NOT FOUND THEN
			RETURN;
		END IF;
		IF done AND h.stage IN ('authenticating', 'establishing') THEN
			fault := CASE WHEN smsr.handover_result(h) -> CASE h.stage WHEN 'authenticating' THEN 'challenge' ELSE 'receipt' END IS NULL
				THEN 'the card''s answer can not be read' END;
		END IF;
		PERFORM smsr.handover_event(op.eid, h.side, CASE WHEN done AND fault IS NULL THEN 'card_done' ELSE 'card_failed' END,
			p_data => jsonb_strip_nulls(jsonb_build_object('subject_code', coalesce(op.subject_code, '8.4'),
				'reason_code', coalesce(op.reason_code, '4.2'), 'message', coalesce(fault, op.message))));
	END $$;
COMMENT ON FUNCTION smsr.handover_card_ended(smsr.operation) IS 'What a change of SM-SR asked the card has ended, in one way or another';

CREATE FUNCTION smsr.handover_tick() RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		eids smsr.eid[];
		due record;
		done int := 0;
		faults CONSTANT boolean := EXISTS (SELECT FROM smsr.tick_fault f WHERE f.what = 'handover');
		fault text;
		state text;
	BEGIN
		-- whoever has it is about to change it, and the next tick is soon: what is held
		-- does not count among the thousand
		eids := ARRAY(SELECT h.eid FROM smsr.handover h JOIN smsr.euicc e USING (eid)
				WHERE h.expires_at <= now() AND NOT (faults AND smsr.put_off('handover', h.eid, NULL))
				ORDER BY h.expires_at LIMIT 1000 FOR UPDATE OF e, h SKIP LOCKED)
			|| ARRAY(SELECT h.eid FROM smsr.handover h
				WHERE h.expires_at <= now() AND NOT EXISTS (SELECT FROM smsr.euicc e WHERE e.eid = h.eid)
					AND NOT (faults AND smsr.put_off('handover', h.eid, NULL))
				ORDER BY h.expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED);
		IF eids = '{}' THEN
			RETURN 0;
		END IF;
		eids := smsr.lock_cards(eids, false);
		-- each by itself: one that fails stops no other
		FOR due IN SELECT x.eid, x.side FROM smsr.handover x WHERE x.eid = ANY (ARRAY(SELECT unnest(eids))) ORDER BY x.eid
		LOOP
			BEGIN
				PERFORM smsr.handover_event(due.eid, due.side, 'deadline');
				done := done + 1;
				IF faults THEN
					DELETE FROM smsr.tick_fault f WHERE f.what = 'handover' AND f.eid = due.eid;
				END IF;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS fault = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
				PERFORM smsr.note_fault('handover', due.eid, NULL, fault, state);
			END;
		END LOOP;
		RETURN done;
	END $$;
COMMENT ON FUNCTION smsr.handover_tick() IS 'Changes of SM-SR whose time is over, a thousand at a time; waits for nobody. Returns how many';
