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

-- Operations that end as they begin.  What is refused to a party stands in that
-- one's chain, and holds up nobody else.
CREATE FUNCTION smsr.note_ended(ops smsr.operation[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		own CONSTANT text := smsr.setting('smsr_id');
	BEGIN
		INSERT INTO smsr.operation (id, eid, function, requester_id, call_id, arguments, stage, exclusive,
				status, subject_code, reason_code, message, expires_at, finished_at)
			SELECT o.id, o.eid, o.function, o.requester_id, o.call_id, o.arguments, 'finished', false,
				CASE WHEN o.subject_code IS NULL THEN 'EXECUTED_SUCCESS' ELSE 'FAILED' END,
				o.subject_code, o.reason_code, o.message, now(), clock_timestamp()
			FROM unnest(ops) o;
		PERFORM smsr.record_audit(array_agg(smsr.audit_entry(CASE WHEN o.subject_code IS NULL OR o.requester_id = own THEN o.eid END,
				o.function, o.id, o.requester_id, CASE WHEN o.subject_code IS NULL THEN 'EXECUTED_SUCCESS' ELSE 'FAILED' END,
				o.subject_code, o.reason_code,
				p_details => CASE WHEN o.subject_code IS NOT NULL AND o.requester_id <> own THEN jsonb_build_object('eid', o.eid::text) END)
				ORDER BY o.id))
			FROM unnest(ops) o;
	END $$;
COMMENT ON FUNCTION smsr.note_ended(smsr.operation[]) IS 'Operations that end as they begin: refused, or done if there is no subject; and their audit records';

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
		own boolean := coalesce(smsr.party_kind(me) = 'OWN', false);
		may record := smsr.authorise(me, 'prepare_smsr_change');
		until timestamptz := now() + smsr.validity(validity);
		problem smsr.refusal;
	BEGIN
		IF eids IS NULL OR array_position(eids, NULL) IS NOT NULL OR cardinality(call_ids) <> cardinality(eids) THEN
			RAISE EXCEPTION 'eids must not be null, and call_ids be as many' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		-- what is the same for all of them
		IF may.allowed IS NOT TRUE THEN
			problem := (NULL, may.subject_code, may.reason_code, may.because);
		ELSIF smsr.peer_problem(current_smsr_id) IS NOT NULL THEN
			problem := (NULL, '8.7', '3.9', smsr.peer_problem(current_smsr_id));
		ELSIF (SELECT k.certificate FROM smsr.own_key() k) IS NULL THEN
			problem := (NULL, '8.5.3', '3.7', 'this SM-SR has no valid certificate');
		END IF;
		-- nobody holds what another one has prepared
		PERFORM FROM smsr.handover x WHERE x.eid = ANY (eids) AND x.requester_id = me ORDER BY x.eid FOR UPDATE;

		RETURN QUERY
		WITH asked AS MATERIALIZED (
			SELECT a.*, o.id AS known_id, row_number() OVER (PARTITION BY a.eid, o.id IS NULL ORDER BY a.n) AS nth
			FROM (SELECT u.*, smsr.next_id() AS id FROM unnest(eids, call_ids) WITH ORDINALITY u (eid, call_id, n)) a
				CROSS JOIN LATERAL (SELECT (smsr.known_calls(me, ARRAY[a.eid], ARRAY[a.call_id]))[1] AS id) o
		), judged AS MATERIALIZED (
			SELECT a.*, h.id AS handover_id, h.stage AS stage_before,
				smsr.handover('takes', CASE WHEN h.side = 'takes' THEN h.stage END, h.warned, 'prepare', e.eid IS NOT NULL, false) AS v,
				-- whose business an eUICC is not gets the answer that he would get were it not here
				e.eid IS NOT NULL AND NOT own AND z.allowed IS NOT TRUE AS foreign_here,
				-- of what is here there is nothing else than that another one was told of his success
				CASE WHEN e.eid IS NULL THEN coalesce(h.side = 'takes' AND h.requester_id <> me, false)
					ELSE EXISTS (SELECT FROM smsr.operation x WHERE x.eid = a.eid AND x.function = 'prepare_smsr_change'
						AND x.status = 'EXECUTED_SUCCESS' AND x.requester_id <> me AND (x.arguments ->> 'until')::timestamptz > now())
					END AS others
			FROM asked a
				LEFT JOIN smsr.euicc e ON e.eid = a.eid
				LEFT JOIN smsr.handover h ON h.eid = a.eid
				LEFT JOIN smsr.authorise_all(me, 'get_eis', CASE WHEN own THEN '{}' ELSE eids END,
					array_fill(NULL::smsr.iccid, ARRAY[CASE WHEN own THEN 0 ELSE cardinality(eids) END])) z ON z.n = a.n
			WHERE a.known_id IS NULL
		), decided AS MATERIALIZED (
			SELECT j.*, (problem).subject_code IS NULL AND NOT j.foreign_here AND NOT (j.others AND (j.v).status <> 'FAILED') AS heard,
				CASE WHEN (problem).subject_code IS NOT NULL THEN problem
					WHEN (j.foreign_here OR (j.v).status <> 'FAILED') AND j.others
						THEN ROW(NULL, '1.2', '4.4', 'another operator has prepared it')::smsr.refusal
					WHEN (j.v).status = 'FAILED' AND NOT j.foreign_here
						THEN ROW(NULL, (j.v).subject_code, (j.v).reason_code, (j.v).because)::smsr.refusal END AS refusal
			FROM judged j
		), prepared AS (
			INSERT INTO smsr.handover AS h (eid, id, side, stage, peer_id, requester_id, expires_at)
			SELECT d.eid, d.id, 'takes', (d.v).stage, current_smsr_id, me, until
			FROM decided d WHERE d.heard AND (d.refusal).subject_code IS NULL AND d.nth = 1
			ORDER BY d.eid
			ON CONFLICT ON CONSTRAINT handover_pkey DO UPDATE SET stage = excluded.stage, peer_id = excluded.peer_id,
				expires_at = excluded.expires_at
		), stepped AS (
			INSERT INTO smsr.handover_step (eid, handover_id, side, peer_id, event, stage_before, stage_after, effects,
				status, subject_code, reason_code, because)
			SELECT d.eid, coalesce(d.handover_id, d.id), 'takes', current_smsr_id, 'prepare', d.stage_before, (d.v).stage, (d.v).effects,
				(d.v).status, (d.refusal).subject_code, (d.refusal).reason_code, (d.refusal).because
			FROM decided d WHERE d.heard AND d.nth = 1
			ORDER BY d.n
		), noted AS MATERIALIZED (
			SELECT smsr.note_ended(array_agg(jsonb_populate_record(NULL::smsr.operation, jsonb_build_object('id', d.id, 'eid', d.eid,
				'function', 'prepare_smsr_change', 'requester_id', me, 'call_id', d.call_id,
				'arguments', jsonb_build_object('current_smsr_id', current_smsr_id, 'until', until),
				'subject_code', (d.refusal).subject_code, 'reason_code', (d.refusal).reason_code,
				'message', (d.refusal).because)) ORDER BY d.n))
			FROM decided d
		)
		SELECT a.eid, coalesce(a.known_id, a.id)
		FROM asked a CROSS JOIN noted	-- one row, and a volatile call that must be made
		ORDER BY a.n;
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
		again smsr.eid[];
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

		-- asked again after an unknown end
		again := ARRAY(SELECT x.eid FROM smsr.handover x
			WHERE x.eid = ANY (concerned) AND x.side = 'gives' AND x.peer_id = target_smsr_id AND x.stage = 'uncertain');

		RETURN QUERY
		WITH asked AS MATERIALIZED (
			SELECT a.*, o.id AS known_id, row_number() OVER (PARTITION BY a.eid, o.id IS NULL ORDER BY a.n) AS nth
			FROM (SELECT u.*, smsr.next_id() AS id, smsr.next_id() AS handover_id, smsr.next_id() AS offer_id
					FROM unnest(eids, call_ids) WITH ORDINALITY u (eid, call_id, n)) a
				CROSS JOIN LATERAL (SELECT (smsr.known_calls(me, ARRAY[a.eid], ARRAY[a.call_id]))[1] AS id) o
		), judged AS MATERIALIZED (
			SELECT a.n, a.eid, a.call_id, a.id, coalesce(h.id, a.handover_id) AS handover_id, a.offer_id,
				h.stage AS stage_before, v.stage AS stage_after, v.effects, v.status, v.because,
				CASE WHEN z.allowed IS NOT TRUE THEN ROW(NULL, coalesce(z.subject_code, '1.2'), coalesce(z.reason_code, '4.2'),
						coalesce(z.because, 'the decision could not be made'))::smsr.refusal
					WHEN e.eid IS NULL THEN ROW(NULL, '8.1.1', '3.9', 'the EID is not registered here')::smsr.refusal
					WHEN problem IS NOT NULL THEN ROW(NULL, '8.7', '3.9', problem)::smsr.refusal
					WHEN a.nth = 1 AND v.status = 'FAILED' THEN ROW(NULL, v.subject_code, v.reason_code, v.because)::smsr.refusal
					WHEN a.nth > 1 OR h.side = 'takes' OR h.peer_id <> target_smsr_id
						OR EXISTS (SELECT FROM smsr.operation r WHERE r.eid = a.eid AND r.status IS NULL AND r.stage <> 'held'
							AND r.function NOT IN ('confirm_notification', 'smsr_change'))
						THEN ROW(NULL, '1.2', '4.4', 'another operation is under way')::smsr.refusal END AS refusal,
				z.allowed AND a.nth = 1 AND e.eid IS NOT NULL AND problem IS NULL AND v.status = 'FAILED' AS refused_by_core,
				CASE WHEN z.allowed THEN smsr.ecasd_certificate(s.signed_info) END AS ecasd
			FROM asked a
				LEFT JOIN smsr.authorise_all(me, 'smsr_change', eids, array_fill(NULL::smsr.iccid, ARRAY[cardinality(eids)])) z ON z.n = a.n
				LEFT JOIN smsr.euicc e ON e.eid = a.eid
				LEFT JOIN smsr.euicc_signed s ON s.eid = a.eid
				LEFT JOIN smsr.handover h ON h.eid = a.eid
				CROSS JOIN LATERAL smsr.handover('gives', CASE WHEN h.side = 'gives' THEN h.stage END, h.warned, 'change', false, false) v
			WHERE a.known_id IS NULL
		), decided AS MATERIALIZED (
			SELECT j.eid, j.id, j.handover_id, j.offer_id, j.call_id, j.n, j.stage_before, j.stage_after, j.effects, j.status, j.because, j.ecasd, j.refused_by_core,
				CASE WHEN (j.refusal).subject_code IS NOT NULL THEN j.refusal
					WHEN j.ecasd IS NULL THEN ROW(NULL, '8.5.2', '3.7', 'the EIS has no certificate of the ECASD')::smsr.refusal END AS refusal
			FROM judged j
		), fresh AS MATERIALIZED (
			SELECT d.* FROM decided d WHERE (d.refusal).subject_code IS NULL AND d.stage_before IS NULL
		), opened AS (
			INSERT INTO smsr.operation (id, eid, function, requester_id, call_id, arguments, stage, exclusive, expires_at)
			SELECT d.id, d.eid, 'smsr_change', me, d.call_id, args, 'peer', false, until
			FROM decided d WHERE (d.refusal).subject_code IS NULL ORDER BY d.n
		), given AS (
			INSERT INTO smsr.handover (eid, id, side, stage, peer_id, requester_id, operation_id, offer_id, expires_at, ecasd)
			SELECT f.eid, f.handover_id, 'gives', f.stage_after, target_smsr_id, me, f.id, f.offer_id, until, f.ecasd
			FROM fresh f ORDER BY f.eid
		), offered AS (
			INSERT INTO smsr.peer_message (eid, peer_id, direction, id, function, arguments, due_at)
			SELECT f.eid, target_smsr_id, 'out', f.offer_id, 'handover_euicc', smsr.offer_of(f.eid, until), now()
			FROM fresh f ORDER BY f.n
		), stepped AS (
			INSERT INTO smsr.handover_step (eid, handover_id, side, peer_id, event, stage_before, stage_after, effects,
				status, subject_code, reason_code, because)
			SELECT d.eid, d.handover_id, 'gives', target_smsr_id, 'change', d.stage_before, d.stage_after, d.effects,
				d.status, (d.refusal).subject_code, (d.refusal).reason_code, d.because
			FROM decided d WHERE d.refused_by_core OR ((d.refusal).subject_code IS NULL AND d.stage_before IS NULL)
			ORDER BY d.n
		), noted AS MATERIALIZED (
			SELECT smsr.note_ended(array_agg(jsonb_populate_record(NULL::smsr.operation, jsonb_build_object('id', d.id, 'eid', d.eid,
				'function', 'smsr_change', 'requester_id', me, 'call_id', d.call_id, 'arguments', args,
				'subject_code', (d.refusal).subject_code, 'reason_code', (d.refusal).reason_code,
				'message', (d.refusal).because)) ORDER BY d.n))
			FROM decided d WHERE (d.refusal).subject_code IS NOT NULL
		)
		SELECT a.eid, coalesce(a.known_id, a.id)
		FROM asked a CROSS JOIN noted	-- one row, and a volatile call that must be made
		ORDER BY a.n;

		PERFORM smsr.handover_event(o.eid, 'gives', 'change', jsonb_populate_record(NULL::smsr.handover, jsonb_build_object(
				'eid', o.eid, 'peer_id', target_smsr_id, 'requester_id', me, 'operation_id', o.id, 'expires_at', until)))
			FROM smsr.operation o
			WHERE o.eid = ANY (again) AND o.function = 'smsr_change' AND o.status IS NULL;
		PERFORM smsr.ring_peers();
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
			'smsr.receive_peer_messages(text, jsonb[])'::regprocedure, 'smsr.receive_peer_message(text, jsonb)'::regprocedure]
		LOOP
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', f, role_name);
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.grant_carrier(name) IS 'Let a role carry messages between this SM-SR and others: it says who sent them, so it must have authenticated them; it reads nothing else';
