-- The change of SM-SR for those who want it: operators (ES4), and whoever runs
-- this SM-SR.

CREATE FUNCTION smsr.off_card_certificate(certificate bytea, ci bytea,
		OUT curve text, OUT valid_until int, OUT authority_key bytea, OUT fault text)
	AS 'MODULE_PATHNAME', 'smsr_off_card_certificate'
	LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.off_card_certificate(bytea, bytea) IS 'An SM-SR''s certificate (tag 7F21), checked by itself, or under its issuer''s X.509 certificate; valid_until is the number YYYYMMDD';

CREATE FUNCTION smsr.smsr_certificate_problem(certificate bytea) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c record := smsr.off_card_certificate(certificate, NULL);
		ci record;
		fault text := c.fault;
	BEGIN
		IF fault IS NOT NULL OR c.authority_key IS NULL THEN
			RETURN fault;
		END IF;
		-- of an issuer that we do not know, the card may know the key
		FOR ci IN SELECT t.certificate FROM smsr.trusted_certificate t WHERE t.role = 'CI' AND t.key_id = c.authority_key
		LOOP
			fault := (smsr.off_card_certificate(certificate, ci.certificate)).fault;
			EXIT WHEN fault IS NULL;
		END LOOP;
		RETURN fault;
	END $$;
COMMENT ON FUNCTION smsr.smsr_certificate_problem(bytea) IS 'Why a certificate can not be an SM-SR''s now; NULL if it can. The signature is checked if its issuer is a CI that is trusted here';

CREATE FUNCTION smsr.seal_own_key_file(certificate bytea, path text) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_seal_own_key_file'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.seal_own_key_file(bytea, text) IS 'The private key in a file on the server, 32 octets or 64 hexadecimal digits, sealed for its certificate; an error if it is another one''s';

CREATE FUNCTION smsr.import_own_certificate(certificate bytea, key_path text) RETURNS bytea
	LANGUAGE plpgsql VOLATILE STRICT
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c record := smsr.off_card_certificate(certificate, NULL);
		problem text := smsr.smsr_certificate_problem(certificate);
		print bytea := sha256(certificate);
	BEGIN
		IF problem IS NOT NULL THEN
			RAISE EXCEPTION 'certificate is not that of an SM-SR' USING ERRCODE = 'invalid_parameter_value', DETAIL = format('%s.', problem);
		END IF;
		INSERT INTO smsr.own_certificate (fingerprint, certificate, curve, valid_until, sealed, imported_by)
			VALUES (print, import_own_certificate.certificate, c.curve, to_date(c.valid_until::text, 'YYYYMMDD'),
				smsr.seal_own_key_file(import_own_certificate.certificate, key_path), coalesce(smsr.caller(), session_user))
			ON CONFLICT ON CONSTRAINT own_certificate_pkey DO UPDATE SET sealed = excluded.sealed,
				imported_at = now(), imported_by = excluded.imported_by;
		PERFORM smsr.record_audit(NULL, 'import_own_certificate', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('fingerprint', encode(print, 'hex'), 'valid_until', c.valid_until));
		RETURN print;
	END $$;
COMMENT ON FUNCTION smsr.import_own_certificate(bytea, text) IS 'The certificate (CERT.SR.ECDSA, tag 7F21) that this SM-SR shows to cards from now on, and its private key from a file on the server; returns the certificate''s fingerprint';

CREATE FUNCTION smsr.refused_operation(p_eid smsr.eid, p_function text, p_requester text, p_call_id text, p_arguments jsonb,
		p_subject text, p_reason_code text, p_because text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op_id bigint := smsr.next_id();
		own boolean := coalesce(smsr.party_kind(p_requester) = 'OWN', false);
	BEGIN
		INSERT INTO smsr.operation (id, eid, function, requester_id, call_id, arguments, stage, exclusive,
				status, subject_code, reason_code, message, expires_at, finished_at)
			VALUES (op_id, p_eid, p_function, p_requester, p_call_id, p_arguments, 'finished', false,
				CASE WHEN p_subject IS NULL THEN 'EXECUTED_SUCCESS' ELSE 'FAILED' END,
				p_subject, p_reason_code, p_because, now(), clock_timestamp());
		-- what is refused to a party stands in that one's chain, and holds up nobody else
		PERFORM smsr.record_audit(CASE WHEN p_subject IS NULL OR own THEN p_eid END, p_function, op_id, p_requester,
			CASE WHEN p_subject IS NULL THEN 'EXECUTED_SUCCESS' ELSE 'FAILED' END, p_subject, p_reason_code,
			p_details => CASE WHEN p_subject IS NOT NULL AND NOT own THEN jsonb_build_object('eid', p_eid::text) END);
		RETURN op_id;
	END $$;
COMMENT ON FUNCTION smsr.refused_operation(smsr.eid, text, text, text, jsonb, text, text, text) IS 'An operation that ends as it begins: refused, or done if there is no subject';

CREATE FUNCTION smsr.peer_problem(p_peer text) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN CASE WHEN p_peer IS NULL OR smsr.party_kind(p_peer) IS DISTINCT FROM 'SM-SR' THEN 'the other SM-SR is not known here' END;
	END $$;
COMMENT ON FUNCTION smsr.peer_problem(text) IS 'Why an eUICC can not be handed over to, or taken over from, this party; NULL if it can';

CREATE FUNCTION smsr.prepare_smsr_change(eids smsr.eid[], current_smsr_id text, validity interval DEFAULT NULL, call_ids text[] DEFAULT NULL)
	RETURNS TABLE (eid smsr.eid, operation_id bigint)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		me text := smsr.require_requester();
		may record := smsr.authorise(me, 'prepare_smsr_change');
		until timestamptz := now() + smsr.validity(validity);
		args jsonb := jsonb_build_object('current_smsr_id', current_smsr_id);
		one record;
		new smsr.handover;
		h smsr.handover;
		op bigint;
		told text;
	BEGIN
		IF eids IS NULL OR array_position(eids, NULL) IS NOT NULL OR cardinality(call_ids) <> cardinality(eids) THEN
			RAISE EXCEPTION 'eids must not be null, and call_ids be as many' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM FROM smsr.handover x WHERE x.eid = ANY (eids) ORDER BY x.eid FOR UPDATE;
		FOR one IN SELECT u.e, u.c, u.n, (SELECT o.id FROM smsr.operation o
				WHERE o.eid = u.e AND o.requester_id = me AND o.call_id = u.c) AS known_id
			FROM unnest(eids, call_ids) WITH ORDINALITY u (e, c, n) ORDER BY u.n
		LOOP
			eid := one.e;
			operation_id := one.known_id;
			IF operation_id IS NOT NULL THEN
				RETURN NEXT;
				CONTINUE;
			END IF;
			SELECT * INTO h FROM smsr.handover x WHERE x.eid = one.e;
			IF may.allowed IS NOT TRUE THEN
				operation_id := smsr.refused_operation(one.e, 'prepare_smsr_change', me, one.c, args, may.subject_code, may.reason_code, may.because);
			ELSIF smsr.peer_problem(current_smsr_id) IS NOT NULL THEN
				operation_id := smsr.refused_operation(one.e, 'prepare_smsr_change', me, one.c, args, '8.7', '3.9', smsr.peer_problem(current_smsr_id));
			ELSIF (SELECT k.certificate FROM smsr.own_key() k) IS NULL THEN
				operation_id := smsr.refused_operation(one.e, 'prepare_smsr_change', me, one.c, args, '8.5.3', '3.7', 'this SM-SR has no valid certificate');
			ELSIF h.side = 'takes' AND h.stage = 'prepared' AND h.requester_id <> me THEN
				operation_id := smsr.refused_operation(one.e, 'prepare_smsr_change', me, one.c, args, '1.2', '4.4', 'another operator has prepared it');
			ELSE
				new := NULL;
				new.eid := one.e;
				new.id := smsr.next_id();
				new.side := 'takes';
				new.peer_id := current_smsr_id;
				new.requester_id := me;
				new.began_at := now();
				new.expires_at := until;
				told := smsr.handover_event(one.e, 'takes', 'prepare', new,
					p_known => EXISTS (SELECT FROM smsr.euicc e WHERE e.eid = one.e) OR h.side = 'gives');
				operation_id := CASE WHEN told LIKE 'refused: %' THEN (SELECT smsr.refused_operation(one.e, 'prepare_smsr_change', me,
						one.c, args, s.subject_code, s.reason_code, s.because)
						FROM smsr.handover_step s WHERE s.eid = one.e ORDER BY s.id DESC LIMIT 1)
					ELSE smsr.refused_operation(one.e, 'prepare_smsr_change', me, one.c, args, NULL, NULL, NULL) END;
			END IF;
			RETURN NEXT;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.prepare_smsr_change(smsr.eid[], text, interval, text[]) IS 'ES4.PrepareSMSRChange for many: let that SM-SR hand these eUICCs over to this one, within the validity period';

CREATE FUNCTION smsr.prepare_smsr_change(eid smsr.eid, current_smsr_id text, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT r.operation_id FROM smsr.prepare_smsr_change(ARRAY[eid], current_smsr_id, validity, CASE WHEN call_id IS NOT NULL THEN ARRAY[call_id] END) r $$;
COMMENT ON FUNCTION smsr.prepare_smsr_change(smsr.eid, text, interval, text) IS 'ES4.PrepareSMSRChange: let that SM-SR hand the eUICC over to this one; returns the operation''s id';

CREATE FUNCTION smsr.smsr_change(eids smsr.eid[], target_smsr_id text, validity interval DEFAULT NULL, call_ids text[] DEFAULT NULL)
	RETURNS TABLE (eid smsr.eid, operation_id bigint)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		me text := smsr.require_requester();
		until timestamptz := now() + smsr.validity(validity);
		args jsonb := jsonb_build_object('target_smsr_id', target_smsr_id);
		problem text := smsr.peer_problem(target_smsr_id);
		concerned smsr.eid[];
		one record;
		new smsr.handover;
		h smsr.handover;
		step record;
	BEGIN
		IF eids IS NULL OR array_position(eids, NULL) IS NOT NULL OR cardinality(call_ids) <> cardinality(eids) THEN
			RAISE EXCEPTION 'eids must not be null, and call_ids be as many' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF NOT smsr.second_person('smsr_change', format('%s eUICCs to %s', cardinality(eids), target_smsr_id),
				jsonb_build_array(to_jsonb(eids::text[]), target_smsr_id, to_jsonb(call_ids)), cardinality(eids)) THEN
			RETURN;
		END IF;
		-- nobody holds the row of an eUICC that is none of his business
		SELECT array_agg(u.e) INTO concerned
			FROM unnest(eids) WITH ORDINALITY u (e, n)
				JOIN smsr.authorise_all(me, 'smsr_change', eids, array_fill(NULL::smsr.iccid, ARRAY[cardinality(eids)])) z ON z.n = u.n
			WHERE z.allowed;
		PERFORM FROM smsr.euicc e WHERE e.eid = ANY (concerned) ORDER BY e.eid FOR NO KEY UPDATE;
		PERFORM FROM smsr.handover x WHERE x.eid = ANY (concerned) ORDER BY x.eid FOR UPDATE;
		FOR one IN
			SELECT u.e, u.c, z.*, (SELECT o.id FROM smsr.operation o WHERE o.eid = u.e AND o.requester_id = me AND o.call_id = u.c) AS known_id,
				EXISTS (SELECT FROM smsr.euicc x WHERE x.eid = u.e) AS registered,
				EXISTS (SELECT FROM smsr.operation o WHERE o.eid = u.e AND o.status IS NULL AND o.stage <> 'held'
					AND o.function NOT IN ('confirm_notification', 'smsr_change')) AS busy
			FROM unnest(eids, call_ids) WITH ORDINALITY u (e, c, n)
				LEFT JOIN smsr.authorise_all(me, 'smsr_change', eids, array_fill(NULL::smsr.iccid, ARRAY[cardinality(eids)])) z ON z.n = u.n
			ORDER BY u.n
		LOOP
			eid := one.e;
			operation_id := one.known_id;
			IF operation_id IS NOT NULL THEN
				RETURN NEXT;
				CONTINUE;
			END IF;
			SELECT * INTO h FROM smsr.handover x WHERE x.eid = one.e;
			IF one.allowed IS NOT TRUE THEN
				operation_id := smsr.refused_operation(one.e, 'smsr_change', me, one.c, args, coalesce(one.subject_code, '1.2'),
					coalesce(one.reason_code, '4.2'), coalesce(one.because, 'the decision could not be made'));
			ELSIF NOT one.registered THEN
				operation_id := smsr.refused_operation(one.e, 'smsr_change', me, one.c, args, '8.1.1', '3.9', 'the EID is not registered here');
			ELSIF problem IS NOT NULL THEN
				operation_id := smsr.refused_operation(one.e, 'smsr_change', me, one.c, args, '8.7', '3.9', problem);
			ELSIF one.busy OR h.side = 'takes' OR h.peer_id <> target_smsr_id THEN
				operation_id := smsr.refused_operation(one.e, 'smsr_change', me, one.c, args, '1.2', '4.4', 'another operation is under way');
			ELSE
				new := NULL;
				new.eid := one.e;
				new.id := smsr.next_id();
				new.side := 'gives';
				new.peer_id := target_smsr_id;
				new.requester_id := me;
				new.operation_id := smsr.next_id();
				new.began_at := now();
				new.expires_at := until;
				new.ecasd := (SELECT smsr.ecasd_certificate(s.signed_info) FROM smsr.euicc_signed s WHERE s.eid = one.e);
				IF new.ecasd IS NULL THEN
					operation_id := smsr.refused_operation(one.e, 'smsr_change', me, one.c, args, '8.5.2', '3.7', 'the EIS has no certificate of the ECASD');
					RETURN NEXT;
					CONTINUE;
				END IF;
				operation_id := new.operation_id;
				INSERT INTO smsr.operation (id, eid, function, requester_id, call_id, arguments, stage, exclusive, expires_at)
					VALUES (new.operation_id, one.e, 'smsr_change', me, one.c, args, 'peer', false, until);
				IF smsr.handover_event(one.e, 'gives', 'change', new) LIKE 'refused: %' THEN
					SELECT s.* INTO step FROM smsr.handover_step s WHERE s.eid = one.e ORDER BY s.id DESC LIMIT 1;
					PERFORM smsr.finish(one.e, new.operation_id, 'FAILED', step.subject_code, step.reason_code, step.because);
				END IF;
			END IF;
			RETURN NEXT;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.smsr_change(smsr.eid[], text, interval, text[]) IS 'ES4.SMSRChange for many: hand these eUICCs over to another SM-SR, which their operator has prepared there. A refusal is an operation that FAILED; nothing if it waits for a second person';

CREATE FUNCTION smsr.smsr_change(eid smsr.eid, target_smsr_id text, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT r.operation_id FROM smsr.smsr_change(ARRAY[eid], target_smsr_id, validity, CASE WHEN call_id IS NOT NULL THEN ARRAY[call_id] END) r $$;
COMMENT ON FUNCTION smsr.smsr_change(smsr.eid, text, interval, text) IS 'ES4.SMSRChange: hand the eUICC over to another SM-SR; returns the operation''s id, its row tells how it ends. Repeated after an unknown end it asks the other SM-SR whether it has the eUICC';

CREATE FUNCTION smsr.plan_handover(eids smsr.eid[], target_smsr_id text) RETURNS TABLE (eid smsr.eid, ready boolean, obstacles text[])
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		problem text := smsr.peer_problem(target_smsr_id);
	BEGIN
		IF smsr.party_kind(smsr.require_requester()) IS DISTINCT FROM 'OWN' THEN
			RAISE EXCEPTION 'plan_handover is for administrators of this SM-SR' USING ERRCODE = 'insufficient_privilege';
		END IF;
		RETURN QUERY
		SELECT p.eid, cardinality(p.found) = 0, p.found
		FROM (SELECT u.eid, array_remove(ARRAY[
				problem,
				CASE WHEN e.eid IS NULL THEN 'the EID is not registered here' END,
				CASE WHEN h.eid IS NOT NULL THEN format('a change of SM-SR is under way: %s, %s', h.side, h.stage) END,
				CASE WHEN e.eid IS NOT NULL AND c.certificate IS NULL THEN 'the EIS has no certificate of the ECASD' END,
				CASE WHEN c.certificate IS NOT NULL THEN 'the ECASD''s certificate: ' || (smsr.ecasd_curve(c.certificate, u.eid)).fault END,
				(SELECT format('%s operations are under way or wait', count(*)) FROM smsr.operation o
					WHERE o.eid = u.eid AND o.status IS NULL AND o.function <> 'smsr_change' HAVING count(*) > 0),
				CASE WHEN e.eid IS NOT NULL AND NOT EXISTS (SELECT FROM smsr.profile x WHERE x.eid = u.eid AND x.state = 'Enabled' AND x.msisdn IS NOT NULL)
					THEN 'nobody knows where the card is: no enabled profile has a number' END,
				CASE WHEN e.eid IS NOT NULL AND NOT EXISTS (SELECT FROM smsr.keyset k WHERE k.eid = u.eid AND k.sd_aid = e.isdr_aid
					AND k.type = 'SCP80' AND k.state = 'active') THEN 'ISD-R has no active SCP80 key set' END,
				(SELECT format('%s profiles have no ICCID and would be left out', count(*)) FROM smsr.profile x
					WHERE x.eid = u.eid AND x.iccid IS NULL HAVING count(*) > 0)], NULL) AS found
			FROM (SELECT DISTINCT i FROM unnest(eids) i) u (eid)
				LEFT JOIN smsr.euicc e ON e.eid = u.eid
				LEFT JOIN smsr.handover h ON h.eid = u.eid
				LEFT JOIN smsr.euicc_signed s ON s.eid = u.eid
				LEFT JOIN LATERAL (SELECT smsr.ecasd_certificate(s.signed_info) AS certificate OFFSET 0) c ON true) p
		ORDER BY p.eid;
	END $$;
COMMENT ON FUNCTION smsr.plan_handover(smsr.eid[], text) IS 'What stands in the way of handing these eUICCs over to another SM-SR, before anything moves; a row each';

CREATE FUNCTION smsr.plan_handover(query text, target_smsr_id text) RETURNS TABLE (eid smsr.eid, ready boolean, obstacles text[])
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		found smsr.eid[];
	BEGIN
		-- with the caller's own rights, and read-only as every STABLE function is
		EXECUTE format('SELECT array_agg(q.e) FROM (%s) q (e)', query) INTO found;
		RETURN QUERY SELECT * FROM smsr.plan_handover(coalesce(found, '{}'), target_smsr_id);
	END $$;
COMMENT ON FUNCTION smsr.plan_handover(text, text) IS 'The same for the EIDs that a query of one column names';

CREATE FUNCTION smsr.finalise_handover(eid smsr.eid) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		kvn int;
	BEGIN
		IF NOT smsr.own_only('finalise_handover') THEN
			RETURN NULL;
		END IF;
		PERFORM smsr.lock_handover(eid);
		SELECT max(k.kvn) INTO kvn FROM smsr.keyset k JOIN smsr.euicc e USING (eid)
			WHERE e.eid = finalise_handover.eid AND k.sd_aid = e.isdr_aid AND k.type = 'SCP80' AND k.state = 'active';
		IF kvn IS NULL THEN
			RAISE EXCEPTION 'eUICC % is not registered with an active SCP80 key set', eid USING ERRCODE = 'no_data_found';
		END IF;
		RETURN smsr.start_for_handover(eid, 'finalise_handover', smsr.setting('smsr_id'),
			jsonb_build_object('commands', encode(smsr.finalise_commands(kvn), 'hex')), now() + smsr.validity(NULL));
	END $$;
COMMENT ON FUNCTION smsr.finalise_handover(smsr.eid) IS 'ES5.FinaliseISDRhandover once more, after a change of SM-SR that ended with a warning: the card deletes all keys of its ISD-R but those of our key set; returns the operation''s id';

CREATE FUNCTION smsr.grant_carrier(role_name name) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		f regprocedure;
	BEGIN
		EXECUTE format('GRANT USAGE ON SCHEMA smsr TO %I', role_name);
		FOREACH f IN ARRAY ARRAY['smsr.claim_peer_messages(text, int, interval)'::regprocedure,
			'smsr.receive_peer_message(text, jsonb)'::regprocedure]
		LOOP
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', f, role_name);
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.grant_carrier(name) IS 'Let a role carry messages between this SM-SR and others: it says who sent them, so it must have authenticated them; it reads nothing else';
