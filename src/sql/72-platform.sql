-- Platform management: what this SM-SR asks the ISD-R of a card in commands of
-- GlobalPlatform, and update packages of EUMs that it brings to their cards.  A
-- package is octets here: its chunks are delivered in order, one at a time, each
-- once.  Where one is refused, or nobody knows what became of it, the update ends
-- at a chunk's boundary, and a person says from where it goes on.

-- Whoever calls has checked the arguments.
CREATE FUNCTION smsr.request_platform(p_function text, p_eid smsr.eid, p_arguments jsonb, p_validity interval, p_call_id text,
		p_octets int) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_caller(p_function);
		may record;
		card smsr.euicc;
		package smsr.platform_package;
		verdict smsr.refusal;
		waits boolean;
		next record;
		op_id bigint;
	BEGIN
		IF length(p_call_id) NOT BETWEEN 1 AND 255 THEN
			RAISE EXCEPTION 'call_id must have 1 to 255 characters' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM smsr.check_here(me, ARRAY[p_eid]);
		may := smsr.authorise(me, p_function, p_eid);
		-- nobody holds the row of an eUICC that is none of his business
		IF may.allowed IS TRUE THEN
			SELECT e.* INTO card FROM smsr.euicc e WHERE e.eid = p_eid FOR NO KEY UPDATE;
		END IF;
		op_id := (smsr.known_calls(me, ARRAY[p_eid], ARRAY[p_call_id]))[1];
		IF op_id IS NOT NULL THEN
			RETURN op_id;
		END IF;
		SELECT * INTO package FROM smsr.platform_package p WHERE p.sha256 = decode(p_arguments ->> 'package', 'hex');
		IF may.allowed IS NOT TRUE THEN
			verdict := ROW(NULL, may.subject_code, may.reason_code, may.because);
		ELSIF card.eid IS NULL THEN
			verdict := ROW(NULL, '8.1.1', '3.9', 'the EID is not registered here');
		ELSIF smsr.leaving(p_eid) THEN
			verdict := ROW(NULL, '1.2', '4.4', 'the eUICC is being handed over to another SM-SR');
		ELSIF package.withdrawn_at IS NOT NULL THEN
			verdict := ROW(NULL, '1.6', '1.2', 'the package was withdrawn');
		ELSIF package.eum_id <> card.eum_id THEN
			verdict := ROW(NULL, '8.1', '3.10', 'the package is another EUM''s');
		ELSIF package.platform_type <> card.platform_type OR package.platform_version <> card.platform_version THEN
			verdict := ROW(NULL, '8.1', '3.10', 'the package is for another platform');
		ELSIF smsr.sms_segment_count(p_octets + 45) > smsr.setting('max_segments')::int
				AND NOT (card.http_support AND EXISTS (SELECT FROM smsr.keyset k
					WHERE k.eid = p_eid AND k.sd_aid = card.isdr_aid AND k.type = 'SCP81' AND k.state = 'active')) THEN
			verdict := ROW(NULL, '8.1', '3.2', format('it takes %s short messages, smsr.max_segments is %s, and the eUICC can not open a session',
				smsr.sms_segment_count(p_octets + 45), smsr.setting('max_segments')));
		END IF;
		IF verdict.subject_code IS NULL AND NOT smsr.second_person(p_function, format('%s of %s', p_function, p_eid),
				p_arguments || jsonb_build_object('eid', p_eid::text)) THEN
			RETURN NULL;
		END IF;

		-- an operation that runs, or a move to another shard: the call goes along
		waits := EXISTS (SELECT FROM smsr.operation r WHERE r.eid = p_eid AND r.status IS NULL AND r.exclusive AND r.stage <> 'waiting')
			OR EXISTS (SELECT FROM smsr.move v WHERE v.eid = p_eid AND v.stage = 'closed');
		op_id := smsr.next_id();
		SELECT * INTO next FROM smsr.procedure(p_function, NULL, 'waiting', NULL, false, false, 'start');
		INSERT INTO smsr.operation (id, eid, function, requester_id, requested_by, reason, call_id, arguments, lane_id, step, stage,
				exclusive, status, subject_code, reason_code, message, expires_at, finished_at)
			SELECT op_id, p_eid, p_function, me, smsr.caller(), nullif(smsr.setting('reason'), ''), p_call_id, p_arguments, smsr.lane_of(me),
				CASE WHEN NOT r.refused AND NOT waits THEN next.step END,
				CASE WHEN r.refused THEN 'finished' WHEN waits THEN 'waiting' ELSE next.stage END,
				smsr.procedure_exclusive(p_function), CASE WHEN r.refused THEN 'FAILED' END,
				verdict.subject_code, verdict.reason_code, verdict.because,
				now() + smsr.validity(p_validity), CASE WHEN r.refused THEN clock_timestamp() END
			FROM (SELECT verdict.subject_code IS NOT NULL) r (refused);
		IF verdict.subject_code IS NOT NULL THEN
			-- what is refused to a stranger is no part of the eUICC's own chain
			PERFORM smsr.record_audit(CASE WHEN may.allowed THEN p_eid END, p_function, op_id, me, 'FAILED',
				verdict.subject_code, verdict.reason_code,
				p_details => CASE WHEN may.allowed IS NOT TRUE THEN jsonb_build_object('eid', p_eid::text) END,
				p_requested_by => smsr.caller(), p_reason => nullif(smsr.setting('reason'), ''));
		ELSIF NOT waits THEN
			PERFORM smsr.queue_packet(p_eid, op_id, smsr.lane_of(me));
			PERFORM smsr.ring();
		END IF;
		RETURN op_id;
	END $$;
COMMENT ON FUNCTION smsr.request_platform(text, smsr.eid, jsonb, interval, text, int)
	IS 'One operation of platform management, whose longest script has so many octets; NULL while a second person is awaited';

-- ---- questions ----

CREATE FUNCTION smsr.manage_platform(eid smsr.eid, commands bytea[], validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		script bytea;
	BEGIN
		IF eid IS NULL OR coalesce(cardinality(commands), 0) = 0 OR array_position(commands, NULL) IS NOT NULL THEN
			RAISE EXCEPTION 'eid must not be null, and commands must be one or more' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		-- behind the header of the template are the command TLVs
		script := smsr.script(commands);
		script := substr(script, CASE WHEN get_byte(script, 1) < 128 THEN 3 ELSE 3 + (get_byte(script, 1) & 127) END);
		PERFORM smsr.check_platform_commands(script);
		RETURN smsr.request_platform('manage_platform', eid, jsonb_build_object('commands', encode(script, 'hex')), validity, call_id,
			length(script) + 4);
	END $$;
COMMENT ON FUNCTION smsr.manage_platform(smsr.eid, bytea[], interval, text)
	IS 'Ask a card''s ISD-R in commands of GlobalPlatform that change nothing (GET STATUS, GET DATA); the answer is response_data of the operation, see smsr.script_response(). Returns the operation''s id; NULL while a second person is awaited';

-- ---- packages ----

CREATE FUNCTION smsr.load_platform_package(eum_id text, name text, version text, chunks bytea[],
		platform_type text DEFAULT NULL, platform_version text DEFAULT NULL) RETURNS bytea
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		digest bytea;
		known smsr.platform_package;
		chunk bytea;
	BEGIN
		IF eum_id IS NULL OR name IS NULL OR version IS NULL OR coalesce(cardinality(chunks), 0) = 0 OR array_ndims(chunks) > 1
				OR array_position(chunks, NULL) IS NOT NULL THEN
			RAISE EXCEPTION 'eum_id, name and version must not be null, and chunks must be one or more' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		IF NOT EXISTS (SELECT FROM smsr.party p WHERE p.oid = load_platform_package.eum_id AND p.kind = 'EUM') THEN
			RAISE EXCEPTION 'eum_id must be that of an EUM that is registered' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		FOREACH chunk IN ARRAY chunks LOOP
			-- built once for nothing: what is no sequence of TLVs is said now
			PERFORM smsr.script_relayed(chunk);
		END LOOP;
		SELECT sha256(string_agg(decode(lpad(to_hex(length(c)), 8, '0'), 'hex') || c, ''::bytea ORDER BY n)) INTO digest
			FROM unnest(chunks) WITH ORDINALITY u (c, n);
		IF NOT smsr.own_only('load_platform_package') THEN
			RETURN NULL;
		END IF;
		SELECT * INTO known FROM smsr.platform_package p
			WHERE p.sha256 = digest OR (p.eum_id = load_platform_package.eum_id AND p.name = load_platform_package.name AND p.version = load_platform_package.version)
			ORDER BY p.sha256 = digest DESC LIMIT 1;
		IF known.sha256 = digest AND (known.eum_id, known.name, known.version) = (load_platform_package.eum_id, load_platform_package.name, load_platform_package.version)
				AND (known.platform_type, known.platform_version) IS NOT DISTINCT FROM (load_platform_package.platform_type, load_platform_package.platform_version) THEN
			RETURN digest;
		ELSIF FOUND THEN
			RAISE EXCEPTION 'a package is loaded once' USING ERRCODE = 'unique_violation',
				DETAIL = format('There is "%s", version "%s", of %s, with %s.', known.name, known.version, known.eum_id,
					CASE WHEN known.sha256 = digest THEN 'the same octets' ELSE 'other octets' END);
		END IF;
		IF NOT smsr.second_person('load_platform_package', format('%s %s of %s', name, version, eum_id),
				jsonb_build_object('eum_id', eum_id, 'name', name, 'version', version, 'sha256', encode(digest, 'hex'),
					'platform_type', platform_type, 'platform_version', platform_version)) THEN
			RETURN NULL;
		END IF;
		INSERT INTO smsr.platform_package (sha256, eum_id, name, version, platform_type, platform_version, chunks, octets, loaded_by)
			SELECT digest, load_platform_package.eum_id, load_platform_package.name, load_platform_package.version,
				load_platform_package.platform_type, load_platform_package.platform_version, count(*), sum(length(c)), smsr.caller()
			FROM unnest(load_platform_package.chunks) c;
		INSERT INTO smsr.platform_chunk (sha256, n, commands) SELECT digest, n, c FROM unnest(load_platform_package.chunks) WITH ORDINALITY u (c, n);
		PERFORM smsr.record_audit(NULL, 'load_platform_package', p_requester => smsr.requester(), p_details =>
			jsonb_build_object('eum_id', eum_id, 'name', name, 'version', version, 'sha256', encode(digest, 'hex')));
		RETURN digest;
	END $$;
COMMENT ON FUNCTION smsr.load_platform_package(text, text, text, bytea[], text, text)
	IS 'Load an update package of an EUM, for its eUICCs or those of one platform: chunks of command TLVs, each for a script of its own. Once; the same again changes nothing. Returns its SHA-256, by which updates name it; NULL while a second person is awaited';

CREATE FUNCTION smsr.withdraw_platform_package(package bytea) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF NOT smsr.own_only('withdraw_platform_package') THEN
			RETURN false;
		END IF;
		UPDATE smsr.platform_package p SET withdrawn_at = now() WHERE p.sha256 = package AND p.withdrawn_at IS NULL;
		IF NOT FOUND THEN
			RETURN false;
		END IF;
		PERFORM smsr.record_audit(NULL, 'withdraw_platform_package', p_requester => smsr.requester(),
			p_details => jsonb_build_object('sha256', encode(package, 'hex')));
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.withdraw_platform_package(bytea) IS 'From now on no update with this package begins; false: there is none that could';

-- ---- updates ----

CREATE FUNCTION smsr.update_platform(eid smsr.eid, package bytea, validity interval DEFAULT NULL, call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF eid IS NULL THEN
			RAISE EXCEPTION 'eid must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		RETURN smsr.update_platform_from(eid, package, 1, NULL, validity, call_id);
	END $$;
COMMENT ON FUNCTION smsr.update_platform(smsr.eid, bytea, interval, text)
	IS 'Bring an update package, by its SHA-256, to a card, chunk by chunk; answers stand in smsr.platform_result. Returns the operation''s id; NULL while a second person is awaited';

CREATE FUNCTION smsr.update_platform_from(p_eid smsr.eid, p_package bytea, p_chunk int, p_resumes bigint, p_validity interval, p_call_id text)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		package smsr.platform_package;
		longest int;
	BEGIN
		SELECT * INTO package FROM smsr.platform_package p WHERE p.sha256 = p_package;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'there is no such package' USING ERRCODE = 'undefined_object',
				HINT = 'It is named by the SHA-256 that smsr.load_platform_package() returns; see smsr.platform_package.';
		END IF;
		SELECT max(length(c.commands)) + 4 INTO longest FROM smsr.platform_chunk c WHERE c.sha256 = p_package AND c.n >= p_chunk;
		RETURN smsr.request_platform('update_platform', p_eid, jsonb_strip_nulls(jsonb_build_object('package', encode(p_package, 'hex'),
			'name', package.name, 'version', package.version, 'first', p_chunk, 'chunks', package.chunks, 'resumes', p_resumes)),
			p_validity, p_call_id, longest);
	END $$;
COMMENT ON FUNCTION smsr.update_platform_from(smsr.eid, bytea, int, bigint, interval, text) IS 'An update that begins at a chunk, after an operation that it resumes, or NULL';

CREATE FUNCTION smsr.resume_platform_update(eid smsr.eid, operation_id bigint, from_chunk int, validity interval DEFAULT NULL,
		call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		u smsr.platform_update;
		position int;
	BEGIN
		IF NOT smsr.own_only('update_platform') THEN
			RETURN NULL;
		END IF;
		SELECT * INTO u FROM smsr.platform_update p WHERE p.eid = resume_platform_update.eid AND p.operation_id = resume_platform_update.operation_id;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'the eUICC has no such update' USING ERRCODE = 'undefined_object', HINT = 'See smsr.platform_update.';
		ELSIF u.state NOT IN ('FAILED', 'EXPIRED') THEN
			RAISE EXCEPTION 'the update is not one that has come to a halt' USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('It is %s.', u.state);
		END IF;
		position := u.first + u.carried_out;
		IF (from_chunk = position OR u.in_doubt AND from_chunk = position + 1 AND from_chunk <= u.chunks) IS NOT TRUE THEN
			RAISE EXCEPTION 'from_chunk must be %', CASE WHEN u.in_doubt AND position < u.chunks
					THEN format('%s, or %s if the card has carried out chunk %s', position, position + 1, position) ELSE position::text END
				USING ERRCODE = 'invalid_parameter_value',
					DETAIL = format('%s of %s chunks are known to be carried out.', position - 1, u.chunks);
		END IF;
		RETURN smsr.update_platform_from(resume_platform_update.eid, (SELECT decode(o.arguments ->> 'package', 'hex') FROM smsr.operation o
			WHERE o.eid = resume_platform_update.eid AND o.id = resume_platform_update.operation_id), from_chunk,
			resume_platform_update.operation_id, resume_platform_update.validity, resume_platform_update.call_id);
	END $$;
COMMENT ON FUNCTION smsr.resume_platform_update(smsr.eid, bigint, int, interval, text)
	IS 'Go on with an update that has come to a halt, from a chunk that a person names: the one that was refused or is in doubt, or the one behind it where the person knows that the card has carried it out. Returns a new operation''s id; NULL while a second person is awaited';
