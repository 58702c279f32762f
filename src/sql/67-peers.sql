-- What SM-SRs say to each other (ES7): kept here, shipped by a carrier, a SOAP
-- front end or whatever the two agree on.  A message is JSON: a question has id,
-- eid, function and arguments; an answer has reply_to, eid and answer.

CREATE FUNCTION smsr.ring_peers() RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		PERFORM pg_notify('smsr_peers', '');
	END $$;
COMMENT ON FUNCTION smsr.ring_peers() IS 'The doorbell: carriers that listen on smsr_peers look at the queue sooner; the queue is the truth';

CREATE FUNCTION smsr.ask_peer(p_eid smsr.eid, p_peer text, p_function text, p_arguments jsonb) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		new_id bigint;
	BEGIN
		INSERT INTO smsr.peer_message (eid, peer_id, direction, function, arguments, due_at)
			VALUES (p_eid, p_peer, 'out', p_function, p_arguments, now())
			RETURNING id INTO new_id;
		PERFORM smsr.ring_peers();
		RETURN new_id;
	END $$;
COMMENT ON FUNCTION smsr.ask_peer(smsr.eid, text, text, jsonb) IS 'Ask another SM-SR, until it answers or the question is closed; returns the question''s id';

CREATE FUNCTION smsr.close_questions(p_eid smsr.eid, p_peer text, p_but bigint DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		UPDATE smsr.peer_message m SET closed = true, due_at = NULL
			WHERE m.eid = p_eid AND m.peer_id = p_peer AND m.direction = 'out' AND NOT m.closed AND m.id IS DISTINCT FROM p_but;
	END $$;
COMMENT ON FUNCTION smsr.close_questions(smsr.eid, text, bigint) IS 'Nobody waits for the answers to our questions any more, but for one; what still comes is not heard';

CREATE FUNCTION smsr.answer_peer(p_eid smsr.eid, p_peer text, p_id bigint, p_status text, p_subject text, p_reason_code text,
		p_because text, p_result jsonb DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		UPDATE smsr.peer_message m SET answered_at = clock_timestamp(), due_at = now(), closed = true,
				answer = jsonb_strip_nulls(jsonb_build_object('status', p_status, 'subject_code', p_subject,
					'reason_code', p_reason_code, 'message', p_because)) || coalesce(p_result, '{}')
			WHERE m.eid = p_eid AND m.peer_id = p_peer AND m.direction = 'in' AND m.id = p_id AND m.answer IS NULL;
		PERFORM smsr.ring_peers();
	END $$;
COMMENT ON FUNCTION smsr.answer_peer(smsr.eid, text, bigint, text, text, text, text, jsonb) IS 'Answer a question of another SM-SR, once and for all';

CREATE FUNCTION smsr.claim_peer_messages(carrier text, max_messages int, lease interval DEFAULT '30 s')
	RETURNS TABLE (peer_id text, message jsonb)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	BEGIN
		IF carrier IS NULL OR carrier = '' OR max_messages IS NULL OR max_messages NOT BETWEEN 1 AND 10000 THEN
			RAISE EXCEPTION 'carrier must be named and max_messages be between 1 and 10000'
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF lease IS NULL OR lease <= interval '0' OR lease > interval '1 day' THEN
			RAISE EXCEPTION 'lease must be more than nothing and at most a day' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		RETURN QUERY
		WITH due AS MATERIALIZED (
			SELECT m.eid, m.peer_id, m.direction, m.id
			FROM smsr.peer_message m
			WHERE m.due_at <= now()
			ORDER BY m.due_at, m.id
			LIMIT max_messages
			FOR UPDATE SKIP LOCKED
		)
		UPDATE smsr.peer_message m SET attempts = m.attempts + 1, carrier = claim_peer_messages.carrier,
				-- an answer is sent once each time that it is asked for
				due_at = CASE m.direction WHEN 'out' THEN now() + greatest(lease, smsr.retry_interval(m.attempts + 1)) END
			FROM due d
			WHERE m.eid = d.eid AND m.peer_id = d.peer_id AND m.direction = d.direction AND m.id = d.id
			RETURNING m.peer_id, CASE m.direction
				WHEN 'out' THEN jsonb_build_object('id', m.id::text, 'eid', m.eid::text, 'function', m.function, 'arguments', m.arguments)
				ELSE jsonb_build_object('reply_to', m.id::text, 'eid', m.eid::text, 'function', m.function, 'answer', m.answer) END;
	END $$;
COMMENT ON FUNCTION smsr.claim_peer_messages(text, int, interval) IS 'Questions and answers for a carrier to take to other SM-SRs. A question is offered again, after the lease at the earliest, until its answer is there; an answer each time that it is asked for';

-- A question from a peer: heard once, answered as often as it comes.
CREATE FUNCTION smsr.hear_question(p_from text, p_id bigint, p_eid smsr.eid, p_function text, p_arguments jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		before smsr.peer_message;
		may record;
		state text;
		about text;
	BEGIN
		SELECT * INTO before FROM smsr.peer_message m
			WHERE m.eid = p_eid AND m.peer_id = p_from AND m.direction = 'in' AND m.id = p_id;
		IF FOUND THEN
			IF before.answer IS NULL THEN
				RETURN 'heard before';
			END IF;
			UPDATE smsr.peer_message m SET due_at = now()
				WHERE m.eid = p_eid AND m.peer_id = p_from AND m.direction = 'in' AND m.id = p_id;
			PERFORM smsr.ring_peers();
			RETURN 'answered again';
		END IF;
		INSERT INTO smsr.peer_message (eid, peer_id, direction, id, function, arguments)
			VALUES (p_eid, p_from, 'in', p_id, p_function, p_arguments);
		may := smsr.authorise(p_from, p_function, p_eid);
		IF may.allowed IS NOT TRUE THEN
			PERFORM smsr.record_audit(NULL, p_function, p_requester => p_from, p_status => 'FAILED',
				p_subject => may.subject_code, p_reason_code => may.reason_code, p_details => jsonb_build_object('eid', p_eid::text));
			PERFORM smsr.answer_peer(p_eid, p_from, p_id, 'FAILED', may.subject_code, may.reason_code, may.because);
			RETURN 'refused: ' || may.because;
		END IF;
		BEGIN
			CASE p_function
				WHEN 'handover_euicc' THEN
					RETURN smsr.hear_offer(p_from, p_id, p_eid, p_arguments);
				WHEN 'authenticate_smsr' THEN
					RETURN smsr.hear_certificate(p_from, p_id, p_eid, p_arguments);
				WHEN 'create_additional_key_set' THEN
					RETURN smsr.hear_key_set(p_from, p_id, p_eid, p_arguments);
			END CASE;
		EXCEPTION WHEN data_exception OR null_value_not_allowed THEN
			-- what the peer sent can not be read: that is its affair, and its answer
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, about = MESSAGE_TEXT;
			PERFORM smsr.answer_peer(p_eid, p_from, p_id, 'FAILED', '1.6', '2.1', about);
			RETURN format('refused: %s (%s)', about, state);
		END;
	END $$;
COMMENT ON FUNCTION smsr.hear_question(text, bigint, smsr.eid, text, jsonb) IS 'A question of ES7 from another SM-SR, the first time or again; returns what became of it';

CREATE FUNCTION smsr.hear_answer(p_from text, p_id bigint, p_eid smsr.eid, p_answer jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		q smsr.peer_message;
		h smsr.handover;
		good boolean := coalesce(p_answer ->> 'status' IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING'), false);
	BEGIN
		UPDATE smsr.peer_message m SET answer = p_answer, answered_at = clock_timestamp(), due_at = NULL
			WHERE m.eid = p_eid AND m.peer_id = p_from AND m.direction = 'out' AND m.id = p_id
				AND m.answer IS NULL AND NOT m.closed
			RETURNING * INTO q;
		IF NOT FOUND THEN
			RETURN 'not awaited';
		END IF;
		UPDATE smsr.peer_message m SET closed = true
			WHERE m.eid = p_eid AND m.peer_id = p_from AND m.direction = 'out' AND m.id = p_id;
		SELECT * INTO h FROM smsr.handover x WHERE x.eid = p_eid AND x.peer_id = p_from;
		IF h.side = 'gives' AND h.offer_id = p_id THEN
			RETURN smsr.handover_event(p_eid, 'gives', CASE WHEN good THEN 'taken' ELSE 'not_taken' END, p_data => p_answer);
		ELSIF h.side = 'takes' AND h.question_id = p_id THEN
			IF NOT good THEN
				RETURN smsr.handover_event(p_eid, 'takes', 'declined', p_data => p_answer);
			END IF;
			RETURN CASE q.function WHEN 'authenticate_smsr' THEN smsr.hear_challenge(h, p_answer)
				ELSE smsr.hear_receipt(h, p_answer) END;
		END IF;
		RETURN 'not awaited';
	END $$;
COMMENT ON FUNCTION smsr.hear_answer(text, bigint, smsr.eid, jsonb) IS 'The answer to a question of ours; the first one counts, and none to a question that is closed';

-- What is no message is nobody's; NULL.
CREATE FUNCTION smsr.peer_message_eid(message jsonb) RETURNS smsr.eid
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		reply boolean := message ? 'reply_to';
	BEGIN
		IF jsonb_typeof(message) IS DISTINCT FROM 'object'
			OR (message ->> (CASE WHEN reply THEN 'reply_to' ELSE 'id' END) !~ '^[1-9][0-9]{0,17}$') IS NOT FALSE
			OR (CASE WHEN reply THEN jsonb_typeof(message -> 'answer') IS DISTINCT FROM 'object'
				ELSE coalesce(message ->> 'function', '') NOT IN ('handover_euicc', 'authenticate_smsr', 'create_additional_key_set')
					OR jsonb_typeof(message -> 'arguments') IS DISTINCT FROM 'object' END)
		THEN
			RETURN NULL;
		END IF;
		RETURN (message ->> 'eid')::smsr.eid;
	EXCEPTION WHEN data_exception THEN
		RETURN NULL;
	END $$;
COMMENT ON FUNCTION smsr.peer_message_eid(jsonb) IS 'Which eUICC a message of another SM-SR is about; NULL if it is neither a question nor an answer';

CREATE FUNCTION smsr.hear_message(p_from text, p_eid smsr.eid, p_message jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		state text;
		about text;
	BEGIN
		RETURN CASE WHEN p_message ? 'reply_to'
			THEN smsr.hear_answer(p_from, (p_message ->> 'reply_to')::bigint, p_eid, p_message -> 'answer')
			ELSE smsr.hear_question(p_from, (p_message ->> 'id')::bigint, p_eid, p_message ->> 'function', p_message -> 'arguments') END;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, about = MESSAGE_TEXT;
		-- what the server could not do now, the carrier repeats; what it can not do with
		-- this message holds up no other one, and its question comes again
		IF state = '55P03' OR left(state, 2) IN ('08', '40', '53', '57', '58') THEN
			RAISE;
		END IF;
		RAISE WARNING 'message of SM-SR % about eUICC % is not processed: %', p_from, p_eid, about USING ERRCODE = '01000';
		RETURN format('not processed: %s (%s)', about, state);
	END $$;
COMMENT ON FUNCTION smsr.hear_message(text, smsr.eid, jsonb) IS 'One message of another SM-SR, whose eUICC is locked: done with all that it leads to, or not at all';

CREATE FUNCTION smsr.receive_peer_messages(from_party text, messages jsonb[]) RETURNS text[]
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		wait boolean;
		ready smsr.eid[];
		about smsr.eid[];
		results text[];
	BEGIN
		IF smsr.party_kind(from_party) IS DISTINCT FROM 'SM-SR' THEN
			RAISE EXCEPTION 'from_party must be a registered SM-SR' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		about := ARRAY(SELECT smsr.peer_message_eid(m) FROM unnest(messages) WITH ORDINALITY u (m, n) ORDER BY n);
		-- what somebody sits on is as if it had been lost: the others are heard
		FOREACH wait IN ARRAY '{true,false}'::boolean[]
		LOOP
			BEGIN
				results := '{}';
				ready := smsr.lock_handovers(ARRAY(SELECT DISTINCT e FROM unnest(about) e WHERE e IS NOT NULL), wait);
				FOR i IN 1 .. coalesce(cardinality(messages), 0)
				LOOP
					results[i] := CASE WHEN about[i] IS NULL THEN 'refused: neither a question nor an answer'
						WHEN about[i] = ANY (ready) THEN smsr.hear_message(from_party, about[i], messages[i])
						ELSE 'not now: another transaction has its eUICC' END;
				END LOOP;
				RETURN results;
			EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
				IF NOT wait THEN
					RAISE;
				END IF;
			END;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.receive_peer_messages(text, jsonb[]) IS 'Messages of another SM-SR, whom the carrier has authenticated; each may be delivered any number of times. Returns what became of each. One whose eUICC another transaction has is left out: its question will come again';

CREATE FUNCTION smsr.receive_peer_message(from_party text, message jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF smsr.peer_message_eid(message) IS NULL THEN
			RAISE EXCEPTION 'message is neither a question nor an answer' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'A question has id, eid, function and arguments, an answer has reply_to, eid and answer.';
		END IF;
		RETURN (smsr.receive_peer_messages(from_party, ARRAY[message]))[1];
	END $$;
COMMENT ON FUNCTION smsr.receive_peer_message(text, jsonb) IS 'The same for one message; what is none is an error';

CREATE FUNCTION smsr.peer_answer(eid smsr.eid, message_id bigint) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT m.answer FROM smsr.peer_message m
			WHERE m.eid = peer_answer.eid AND m.peer_id = smsr.require_requester() AND m.direction = 'in' AND m.id = message_id);
	END $$;
COMMENT ON FUNCTION smsr.peer_answer(smsr.eid, bigint) IS 'The answer to a question that the calling SM-SR asked under this id; NULL: not yet, or it asked no such question';

-- The functions of ES7 for an SM-SR that calls them with a role of its own.

CREATE FUNCTION smsr.ask_here(p_eid smsr.eid, p_function text, p_message_id bigint, p_arguments jsonb) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_requester();
		number bigint := coalesce(p_message_id, smsr.next_id());
	BEGIN
		IF p_eid IS NULL THEN
			RAISE EXCEPTION 'eid must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		IF smsr.party_kind(me) IS DISTINCT FROM 'SM-SR' THEN
			-- this SM-SR itself is no peer of its own
			PERFORM smsr.refuse(p_function, p_eid, NULL, me, '1.1', '1.2', 'this function is for other SM-SRs');
			RETURN NULL;
		END IF;
		-- nobody holds the row of an eUICC that is none of his business
		IF (EXISTS (SELECT FROM smsr.handover h WHERE h.eid = p_eid AND h.peer_id = me) OR smsr.taken_from(p_eid, me))
			AND smsr.lock_handovers(ARRAY[p_eid], true) = '{}'
		THEN
			RAISE EXCEPTION 'eUICC % is held by another transaction', p_eid
				USING ERRCODE = 'lock_not_available', HINT = 'Ask again under the same id.';
		END IF;
		PERFORM smsr.hear_question(me, number, p_eid, p_function, jsonb_strip_nulls(p_arguments));
		RETURN number;
	END $$;
COMMENT ON FUNCTION smsr.ask_here(smsr.eid, text, bigint, jsonb) IS 'A question of ES7 by a function call; returns the id under which smsr.peer_answer() has the answer';

CREATE FUNCTION smsr.handover_euicc(eid smsr.eid, eis xml, validity interval DEFAULT NULL, message_id bigint DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN smsr.ask_here(eid, 'handover_euicc', message_id, jsonb_build_object('eis', eis::text,
			'validity', extract(epoch FROM smsr.validity(validity))::bigint));
	END $$;
COMMENT ON FUNCTION smsr.handover_euicc(smsr.eid, xml, interval, bigint) IS 'ES7.HandoverEUICC: offer an eUICC with its EIS; answered when it is taken over, or not. Returns the id for smsr.peer_answer()';

CREATE FUNCTION smsr.authenticate_smsr(eid smsr.eid, certificate bytea, message_id bigint DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN smsr.ask_here(eid, 'authenticate_smsr', message_id, jsonb_build_object('certificate', encode(certificate, 'hex')));
	END $$;
COMMENT ON FUNCTION smsr.authenticate_smsr(smsr.eid, bytea, bigint) IS 'ES7.AuthenticateSMSR: show the card a certificate (tag 7F21) and be told its challenge; of an eUICC that is being handed over to the caller. Returns the id for smsr.peer_answer()';

CREATE FUNCTION smsr.create_additional_key_set(eid smsr.eid, key_version_number int, initial_sequence_counter bigint,
		ecc_key_length text, scenario_parameter int, host_id bytea, ephemeral_public_key bytea, signature bytea,
		message_id bigint DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN smsr.ask_here(eid, 'create_additional_key_set', message_id, jsonb_build_object(
			'key_version_number', key_version_number, 'initial_sequence_counter', initial_sequence_counter,
			'ecc_key_length', ecc_key_length, 'scenario_parameter', scenario_parameter, 'host_id', encode(host_id, 'hex'),
			'ephemeral_public_key', encode(ephemeral_public_key, 'hex'), 'signature', encode(signature, 'hex')));
	END $$;
COMMENT ON FUNCTION smsr.create_additional_key_set(smsr.eid, int, bigint, text, int, bytea, bytea, bytea, bigint) IS 'ES7.CreateAdditionalKeySet: have the card agree on a key set with the caller, to whom it is being handed over; the answer has the receipt. Returns the id for smsr.peer_answer()';

-- They wait at a row as long as a gateway's calls do.
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOREACH f IN ARRAY ARRAY['smsr.receive_peer_message(text, jsonb)', 'smsr.receive_peer_messages(text, jsonb[])',
		'smsr.handover_euicc(smsr.eid, xml, interval, bigint)', 'smsr.authenticate_smsr(smsr.eid, bytea, bigint)',
		'smsr.create_additional_key_set(smsr.eid, int, bigint, text, int, bytea, bytea, bytea, bigint)']::regprocedure[]
	LOOP
		EXECUTE (SELECT pg_catalog.format('ALTER FUNCTION %s SET lock_timeout = %L', f, pg_catalog.split_part(c, '=', 2))
			FROM pg_catalog.pg_proc p, pg_catalog.unnest(p.proconfig) c
			WHERE p.oid = 'smsr.tick()'::regprocedure AND pg_catalog.starts_with(c, 'lock_timeout='));
	END LOOP;
END $$;

CREATE FUNCTION smsr.prune_peer_messages() RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		cutoff timestamptz := now() - make_interval(secs => smsr.setting_seconds('peer_message_retention'));
		pruned bigint;
	BEGIN
		-- a question that is not known any more is heard anew, and refused: none is under way
		DELETE FROM smsr.peer_message m
			WHERE m.ctid = ANY (ARRAY(SELECT d.ctid FROM smsr.peer_message d
				WHERE d.due_at IS NULL AND d.closed AND coalesce(d.answered_at, d.asked_at) < cutoff
					AND NOT EXISTS (SELECT FROM smsr.handover h WHERE h.eid = d.eid)
				FOR UPDATE SKIP LOCKED));
		GET DIAGNOSTICS pruned = ROW_COUNT;
		RETURN pruned;
	END $$;
COMMENT ON FUNCTION smsr.prune_peer_messages() IS 'Delete messages between SM-SRs that are done with for longer than smsr.peer_message_retention, and whose eUICC is in no change; returns how many. smsr.maintain() calls it';
