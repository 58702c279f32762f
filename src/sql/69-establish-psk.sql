-- A key set for SCP81 that this SM-SR and a card of its own agree on by scenario
-- #3 (ES5.EstablishISDRKeySet), over the key set for SCP80 that they have.  The
-- call is one operation; what the card is asked for it are two more, whose ends
-- lead on.  The commit point is the card's receipt.

CREATE FUNCTION smsr.psk_identity(eid smsr.eid, isdr_aid smsr.aid, kvn int, key_id int DEFAULT 1) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_psk_identity'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.psk_identity(smsr.eid, smsr.aid, int, int) IS 'The identity under which a card''s TLS shows its key (SGP.02 clause 2.4.4): no secret';

CREATE VIEW smsr.psk WITH (security_invoker = true) AS
	SELECT k.eid, k.kvn, k.state, k.origin, k.created_at, smsr.psk_identity(k.eid, k.sd_aid, k.kvn) AS identity
	FROM smsr.keyset AS k
	WHERE k.type = 'SCP81';
COMMENT ON VIEW smsr.psk IS 'Key sets for SCP81 by the identity that cards show; never the key';

-- A version that neither stands here nor may have been left on the card.
CREATE FUNCTION smsr.next_psk_kvn(p_eid smsr.eid, p_sd_aid smsr.aid, p_wanted int) RETURNS smallint
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT n.kvn FROM generate_series(64, 79) AS n (kvn)
			WHERE (p_wanted IS NULL OR n.kvn = p_wanted)
				AND NOT EXISTS (SELECT FROM smsr.keyset k WHERE k.eid = p_eid AND k.sd_aid = p_sd_aid AND k.kvn = n.kvn)
				AND NOT EXISTS (SELECT FROM smsr.keyset_listed l WHERE l.eid = p_eid AND l.sd_aid = p_sd_aid AND l.kvn = n.kvn)
				AND (p_wanted IS NOT NULL OR NOT EXISTS (SELECT FROM smsr.operation o
					WHERE o.eid = p_eid AND o.function = 'establish_psk' AND o.status <> 'EXECUTED_SUCCESS' AND o.kvn = n.kvn))
			ORDER BY n.kvn LIMIT 1);
	END $$;
COMMENT ON FUNCTION smsr.next_psk_kvn(smsr.eid, smsr.aid, int) IS 'Version of the next SCP81 key set of a security domain, 64 to 79; NULL if the one that is wanted is in use';

CREATE FUNCTION smsr.ask_card_for_psk(p_eid smsr.eid, p_function text, p_commands bytea) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op_id bigint := smsr.next_id();
		next record := smsr.procedure(p_function, NULL, 'waiting', NULL, false, false, 'start');
		waits boolean := EXISTS (SELECT FROM smsr.operation r
			WHERE r.eid = p_eid AND r.status IS NULL AND r.exclusive AND r.stage <> 'waiting');
	BEGIN
		INSERT INTO smsr.operation (id, eid, function, requester_id, requested_by, reason, arguments, step, stage, expires_at)
			SELECT op_id, p_eid, p_function, o.requester_id, o.requested_by, o.reason,
				jsonb_build_object('commands', encode(p_commands, 'hex')),
				CASE WHEN NOT waits THEN next.step END, CASE WHEN waits THEN 'waiting' ELSE next.stage END, o.expires_at
			FROM smsr.establishment t JOIN smsr.operation o ON o.eid = t.eid AND o.id = t.operation_id
			WHERE t.eid = p_eid;
		UPDATE smsr.establishment t SET card_operation_id = op_id WHERE t.eid = p_eid;
		IF NOT waits THEN
			PERFORM smsr.queue_packet(p_eid, op_id);
			PERFORM smsr.ring();
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.ask_card_for_psk(smsr.eid, text, bytea) IS 'Send the card the next command of a key establishment, in an operation whose end leads on';

CREATE FUNCTION smsr.establish_psk(eid smsr.eid, kvn int DEFAULT NULL, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		me text := smsr.require_caller('establish_psk');
		args jsonb := CASE WHEN establish_psk.kvn IS NOT NULL THEN jsonb_build_object('kvn', establish_psk.kvn) END;
		op_id bigint;
		card smsr.euicc;
		ecasd bytea;
		own bytea;
		version smallint;
		subject text;
		reason text;
		because text;
	BEGIN
		IF establish_psk.eid IS NULL OR establish_psk.kvn NOT BETWEEN 64 AND 79 THEN
			RAISE EXCEPTION 'eid must be given, and kvn be 64 to 79' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF NOT smsr.own_only('establish_psk') THEN
			RETURN NULL;
		END IF;
		SELECT e.* INTO card FROM smsr.euicc e WHERE e.eid = establish_psk.eid FOR NO KEY UPDATE;
		SELECT o.id INTO op_id FROM smsr.operation o
			WHERE o.eid = establish_psk.eid AND o.requester_id = me AND o.call_id = establish_psk.call_id;
		IF FOUND THEN
			RETURN op_id;
		END IF;
		own := (SELECT k.certificate FROM smsr.own_key() k);
		ecasd := (SELECT smsr.ecasd_certificate(s.signed_info) FROM smsr.euicc_signed s WHERE s.eid = card.eid);
		version := smsr.next_psk_kvn(card.eid, card.isdr_aid, establish_psk.kvn);
		SELECT v.subject, v.reason, v.because INTO subject, reason, because
			FROM (VALUES
				(1, card.eid IS NULL, '8.1.1', '3.9', 'the EID is not registered here'),
				(2, smsr.leaving(card.eid), '1.2', '4.4', 'the eUICC is being handed over to another SM-SR'),
				(3, EXISTS (SELECT FROM smsr.establishment t WHERE t.eid = card.eid), '1.2', '4.4', 'another key establishment is under way'),
				(4, own IS NULL, '8.5.3', '3.7', 'this SM-SR has no valid certificate'),
				(5, ecasd IS NULL, '8.5.2', '6.1', 'the EIS has no certificate of the ECASD'),
				(6, version IS NULL, '8.4', '3.3', 'the ISD-R has a key set of this version, or no version is left'),
				(7, NOT EXISTS (SELECT FROM smsr.keyset k WHERE k.eid = card.eid AND k.sd_aid = card.isdr_aid AND k.type = 'SCP80' AND k.state = 'active'),
					'8.4', '3.9', 'the ISD-R has no active SCP80 key set to send under')) AS v (n, holds, subject, reason, because)
			WHERE v.holds ORDER BY v.n LIMIT 1;
		IF subject IS NULL THEN
			because := (smsr.ecasd_curve(ecasd, card.eid)).fault;
			IF because IS NOT NULL THEN
				subject := '8.5.2';
				reason := '6.1';
				because := 'the ECASD''s certificate: ' || because;
			END IF;
		END IF;
		IF subject IS NULL AND NOT smsr.second_person('establish_psk', format('a key set for SCP81 of eUICC %s', card.eid), jsonb_build_array(card.eid::text, establish_psk.kvn)) THEN
			RETURN NULL;
		END IF;
		op_id := smsr.next_id();
		INSERT INTO smsr.operation (id, eid, function, requester_id, call_id, arguments, approval_id, kvn, stage, exclusive, expires_at)
			VALUES (op_id, establish_psk.eid, 'establish_psk', me, establish_psk.call_id, args, smsr.used_approval('establish_psk'),
				CASE WHEN subject IS NULL THEN version END, 'peer', false, now() + smsr.validity(establish_psk.validity));
		IF subject IS NOT NULL THEN
			PERFORM smsr.finish(establish_psk.eid, op_id, 'FAILED', subject, reason, because);
			RETURN op_id;
		END IF;
		INSERT INTO smsr.establishment (eid, operation_id, stage, kvn, certificate, ecasd)
			VALUES (card.eid, op_id, 'authenticating', version, own, ecasd);
		PERFORM smsr.ask_card_for_psk(card.eid, 'authenticate_smsr', smsr.certificate_commands(own));
		RETURN op_id;
	END $$;
COMMENT ON FUNCTION smsr.establish_psk(smsr.eid, int, interval, text)
	IS 'Agree with the card on a key set for SCP81 (ES5.EstablishISDRKeySet), under this version, 64 to 79, or the next one that is free. For administrators and key officers. Returns the operation''s id; NULL if it waits for a second person';

-- Runs with the eUICC's row locked, where smsr.finish() ends what the card was asked.
CREATE FUNCTION smsr.establishment_card_ended(op smsr.operation) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		t smsr.establishment;
		call smsr.operation;
		isdr smsr.aid;
		answer record;
		made record;
		fault text;
	BEGIN
		SELECT * INTO t FROM smsr.establishment x WHERE x.eid = op.eid AND x.card_operation_id = op.id;
		IF NOT FOUND THEN
			RETURN;
		END IF;
		IF op.status NOT IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING') THEN
			DELETE FROM smsr.establishment x WHERE x.eid = op.eid;
			PERFORM smsr.finish(t.eid, t.operation_id, op.status, op.subject_code, op.reason_code, op.message);
			RETURN;
		END IF;
		SELECT r.* INTO answer FROM smsr.read_response(op.response_data) r;
		IF t.stage = 'authenticating' THEN
			SELECT c.challenge, c.fault INTO made FROM smsr.read_challenge(answer.response) c;
			fault := made.fault;
			IF fault IS NULL THEN
				SELECT p.* INTO made FROM smsr.own_certificate o,
					LATERAL smsr.prepare_key_set(t.eid, t.ecasd, o.certificate, o.sealed, t.kvn, 0, made.challenge) p
					WHERE o.certificate = t.certificate;
				IF FOUND THEN
					UPDATE smsr.establishment x SET stage = 'establishing', crt = made.crt, sealed = made.sealed WHERE x.eid = t.eid;
					-- 08: a certificate goes before, nothing is deleted
					PERFORM smsr.ask_card_for_psk(t.eid, 'create_additional_key_set', smsr.key_set_commands(t.certificate, t.ecasd, t.kvn, 0, 8,
						NULL, made.ephemeral_public_key, made.signature));
					RETURN;
				END IF;
				fault := 'the certificate that the card was shown is not ours any more';
			END IF;
		ELSE
			isdr := (SELECT e.isdr_aid FROM smsr.euicc e WHERE e.eid = t.eid);
			SELECT * INTO call FROM smsr.operation o WHERE o.eid = t.eid AND o.id = t.operation_id;
			SELECT k.* INTO made FROM smsr.read_receipt(answer.response) r,
				LATERAL smsr.conclude_key_set(t.eid, isdr, t.kvn, t.ecasd, t.crt, t.sealed, r.derivation_random, coalesce(r.receipt, '')) k;
			fault := made.fault;
			IF fault IS NULL THEN
				INSERT INTO smsr.keyset (eid, sd_aid, kvn, type, key_type, check_values, sealed, origin, custodian, approval_id)
					VALUES (t.eid, isdr, t.kvn, 'SCP81', 133, made.check_values, made.sealed, 'establishment', call.requested_by, call.approval_id);
			END IF;
		END IF;
		DELETE FROM smsr.establishment x WHERE x.eid = t.eid;
		PERFORM smsr.finish(t.eid, t.operation_id, CASE WHEN fault IS NULL THEN 'EXECUTED_SUCCESS' ELSE 'FAILED' END,
			CASE WHEN fault IS NOT NULL THEN '8.4' END, CASE WHEN fault IS NOT NULL THEN '6.1' END, fault);
	END $$;
COMMENT ON FUNCTION smsr.establishment_card_ended(smsr.operation) IS 'What a key establishment asked the card has ended, in one way or another: the next command, or the key set, if the card''s receipt proves that it has it';
