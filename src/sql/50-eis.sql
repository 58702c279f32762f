-- EIS documents: into the inventory, and out of it again.

CREATE TYPE smsr.eis_reading AS (
	eid text,
	element text,
	reason text,
	subject_code text,
	reason_code text,
	euicc smsr.euicc,
	part smsr.euicc_signed,
	domains smsr.euicc_security_domain[],
	profiles smsr.profile[],
	keysets smsr.keyset[],
	listed smsr.keyset_listed[],
	records smsr.audit_trail[]
);
COMMENT ON TYPE smsr.eis_reading IS 'What an EIS document says: rows of the inventory with sealed keys, or the element and the reason for which it is refused';

CREATE FUNCTION smsr.read_eis(document text) RETURNS smsr.eis_reading
	AS 'MODULE_PATHNAME', 'smsr_read_eis'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION smsr.read_eis(text) IS 'Reads an EIS document (SGP.02 Annex E): key values are unwrapped under the EUM''s transport key, checked and sealed';

CREATE FUNCTION smsr.blank_eis(document text) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_blank_eis'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.blank_eis(text) IS 'The document without its key values; also if it is not XML at all';

-- A volatile function is called once a row: OFFSET 0 keeps it from being
-- flattened into each place that uses a column of its result.
CREATE FUNCTION smsr.register_documents(documents text[])
	RETURNS TABLE (line int, eid text, element text, reason text, subject_code text, reason_code text)
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
	WITH reading AS MATERIALIZED (
		SELECT d.line::int AS line, r.*,
			row_number() OVER (PARTITION BY r.eid, r.reason IS NULL ORDER BY d.line) AS occurrence
		FROM unnest(documents) WITH ORDINALITY AS d (document, line),
			LATERAL smsr.read_eis(coalesce(d.document, '')) AS r
	), new_euicc AS (
		INSERT INTO smsr.euicc (eid, eum_id, smsr_id, production_date, platform_type, platform_version,
				isdp_loadfile_aid, isdp_module_aid, isdr_aid, cattp_support, cattp_version,
				http_support, http_version, secure_packet_version, remote_provisioning_version,
				remaining_memory, available_memory, last_audit_at, additional_properties)
			SELECT e.eid, e.eum_id, e.smsr_id, e.production_date, e.platform_type, e.platform_version,
				e.isdp_loadfile_aid, e.isdp_module_aid, e.isdr_aid, e.cattp_support, e.cattp_version,
				e.http_support, e.http_version, e.secure_packet_version, e.remote_provisioning_version,
				e.remaining_memory, e.available_memory, e.last_audit_at, e.additional_properties
			FROM reading AS r, LATERAL (SELECT (r.euicc).*) AS e
			WHERE r.reason IS NULL AND r.occurrence = 1
				-- nor between two shards
				AND NOT EXISTS (SELECT FROM smsr.move AS v WHERE v.eid = e.eid AND v.stage IN ('gone', 'arrived'))
			ON CONFLICT (eid) DO NOTHING
			RETURNING eid
	), registered AS MATERIALIZED (
		SELECT r.*
		FROM reading AS r JOIN new_euicc AS n ON n.eid = (r.euicc).eid
		WHERE r.reason IS NULL AND r.occurrence = 1
	), new_part AS (
		INSERT INTO smsr.euicc_signed (eid, signed_info, signature, namespaces,
				verified_at, verified_by, eum_certificate)
			SELECT p.eid, p.signed_info, p.signature, p.namespaces,
				p.verified_at, p.verified_by, p.eum_certificate
			FROM registered AS r, LATERAL (SELECT (r.part).*) AS p
	), new_domain AS (
		INSERT INTO smsr.euicc_security_domain (eid, role, aid, tars, sin, sdin)
			SELECT d.eid, d.role, d.aid, d.tars, d.sin, d.sdin
			FROM registered AS r, unnest(r.domains) AS d
	), new_profile AS (
		INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, smdp_id, state, fallback_attribute,
				emergency_attribute, msisdn, imsi, profile_type, allocated_memory, free_memory, pol2)
			SELECT p.eid, p.isdp_aid, p.iccid, p.mno_id, p.smdp_id, p.state, p.fallback_attribute,
				p.emergency_attribute, p.msisdn, p.imsi, p.profile_type, p.allocated_memory, p.free_memory, p.pol2
			FROM registered AS r, unnest(r.profiles) AS p
	), new_keyset AS (
		INSERT INTO smsr.keyset (eid, sd_aid, kvn, type, key_type, counter, first_counter, check_values, sealed)
			SELECT k.eid, k.sd_aid, k.kvn, k.type, k.key_type, k.counter, k.counter, k.check_values, k.sealed
			FROM registered AS r, unnest(r.keysets) AS k
	), new_listed AS (
		INSERT INTO smsr.keyset_listed (eid, sd_aid, kvn, type, state, because, counter, keys, check_values,
				certificate_indexes, ca_ids, certificates)
			SELECT k.eid, k.sd_aid, k.kvn, k.type, k.state, k.because, k.counter, k.keys, k.check_values,
				k.certificate_indexes, k.ca_ids, k.certificates
			FROM registered AS r, unnest(r.listed) AS k
	), recorded AS MATERIALIZED (
		-- what the eUICC brought with it first, under its own dates
		SELECT smsr.record_audit(array_agg(t))
			FROM registered AS r, unnest(r.records ||
				smsr.audit_entry((r.euicc).eid, 'register_eis', NULL, smsr.requester(), 'EXECUTED_SUCCESS',
					p_details => (SELECT jsonb_build_object('listed', jsonb_agg(format('%s %s %s', k.kvn, k.type, k.state) ORDER BY k.kvn))
						FROM unnest(r.listed) AS k HAVING count(*) > 0))) AS t
	)
	SELECT r.line, r.eid,
		CASE WHEN r.reason IS NOT NULL THEN r.element
			WHEN n.line IS NULL THEN 'EumSignedInfo/Eid' END,
		CASE WHEN r.reason IS NOT NULL THEN r.reason
			WHEN n.line IS NULL THEN 'eUICC is already registered' END,
		CASE WHEN r.reason IS NOT NULL THEN r.subject_code
			WHEN n.line IS NULL THEN '8.1.1' END,
		CASE WHEN r.reason IS NOT NULL THEN r.reason_code
			WHEN n.line IS NULL THEN '3.3' END
	FROM reading AS r LEFT JOIN registered AS n ON n.line = r.line
		CROSS JOIN recorded
	ORDER BY r.line
$$;
COMMENT ON FUNCTION smsr.register_documents(text[]) IS 'Registers EIS documents (ES1.RegisterEIS), all in one statement; one row each, whose reason is NULL if it went in';

CREATE FUNCTION smsr.check_registered(p_eid text, p_element text, p_reason text, p_subject_code text, p_reason_code text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	IF p_reason IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = CASE WHEN p_reason_code = '3.3' THEN 'unique_violation' ELSE 'invalid_parameter_value' END,
			MESSAGE = concat_ws(': ', 'EIS is refused', p_element, p_reason),
			DETAIL = format('EID %s, subject %s, reason %s.', coalesce(p_eid, 'unknown'), p_subject_code, p_reason_code);
	END IF;
END
$$;
COMMENT ON FUNCTION smsr.check_registered(text, text, text, text, text) IS 'Error if a document was refused, of what smsr.register_documents() says of it';

-- In a plan for one call the document would be a constant, which auto_explain and
-- debug_print_plan show, however it came: plans of these two are for any.
CREATE FUNCTION smsr.register_eis(eis xml) RETURNS smsr.eid
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	result record;
	eums text[];
BEGIN
	-- whatever else stands in it: a document that names two EUMs is nobody's
	SELECT array_agg(DISTINCT e::text) INTO eums FROM unnest(xpath('//*[translate(local-name(), "EUMID-", "eumid") = "eumid"]/text()', eis)) AS e;
	IF NOT smsr.permit('register_eis', p_arguments => jsonb_build_object('eum_id',
			CASE WHEN cardinality(eums) = 1 THEN btrim(eums[1], E' \t\r\n') END)) THEN
		RETURN NULL;
	END IF;
	SELECT r.* INTO STRICT result FROM smsr.register_documents(ARRAY[eis::text]) AS r;
	PERFORM smsr.check_registered(result.eid, result.element, result.reason, result.subject_code, result.reason_code);
	RETURN result.eid::smsr.eid;
END
$$;
COMMENT ON FUNCTION smsr.register_eis(xml) IS 'Registers an eUICC by its EIS (ES1.RegisterEIS, SGP.02 clause 5.2.1), called by its EUM; key values come wrapped under the EUM''s transport key. NULL: refused';

-- Many in one statement: planning alone takes longer than what one document needs.
CREATE FUNCTION smsr.register_many(documents xml[]) RETURNS SETOF smsr.eid
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	-- as that of register_inbox()
	batch_size CONSTANT int := 1000;
	texts text[];
	eums text[];
	maker text;
	own text[];
	result record;
BEGIN
	FOR at IN 1 .. cardinality(documents) BY batch_size LOOP
		SELECT array_agg(d.document::text ORDER BY d.n), array_agg(e.eum ORDER BY d.n) INTO texts, eums
			FROM unnest(documents[at : at + batch_size - 1]) WITH ORDINALITY AS d (document, n)
				CROSS JOIN LATERAL (SELECT CASE WHEN count(DISTINCT i::text) = 1 THEN btrim(min(i::text), E' \t\r\n') END AS eum
					FROM unnest(xpath('//*[translate(local-name(), "EUMID-", "eumid") = "eumid"]/text()', d.document)) AS i) AS e
			WHERE d.document IS NOT NULL;
		FOR maker IN SELECT DISTINCT u FROM unnest(eums) AS u ORDER BY u LOOP
			own := ARRAY(SELECT t.document FROM unnest(texts, eums) WITH ORDINALITY AS t (document, eum, n)
				WHERE t.eum IS NOT DISTINCT FROM maker ORDER BY t.n);
			IF NOT smsr.permit('register_eis', p_arguments => jsonb_build_object('eum_id', maker)) THEN
				RETURN QUERY SELECT NULL::smsr.eid FROM unnest(own);
				CONTINUE;
			END IF;
			FOR result IN SELECT r.* FROM smsr.register_documents(own) AS r ORDER BY r.line LOOP
				PERFORM smsr.check_registered(result.eid, result.element, result.reason, result.subject_code, result.reason_code);
				RETURN NEXT result.eid::smsr.eid;
			END LOOP;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION smsr.register_many(xml[]) IS 'Registers eUICCs by their EIS, all or, if one of them is refused for what it says, none; NULL for each whose EUM the caller may not act for';

CREATE FUNCTION smsr.register_inbox(OUT registered bigint, OUT rejected bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	-- bounds the memory that the documents and their readings take
	batch_size CONSTANT int := 1000;
	lines bigint[];
	documents text[];
	batch_registered bigint;
	batch_rejected bigint;
BEGIN
	registered := 0;
	rejected := 0;
	LOOP
		WITH batch AS (
			DELETE FROM smsr.eis_inbox AS i
			USING (
				SELECT o.line FROM smsr.eis_inbox AS o
				ORDER BY o.line LIMIT batch_size
				FOR UPDATE SKIP LOCKED
			) AS next
			WHERE i.line = next.line
			RETURNING i.line, i.document
		)
		SELECT array_agg(b.line ORDER BY b.line), array_agg(b.document ORDER BY b.line)
			INTO lines, documents FROM batch AS b;
		EXIT WHEN lines IS NULL;

		WITH result AS MATERIALIZED (
			SELECT * FROM smsr.register_documents(documents)
		), reject AS (
			INSERT INTO smsr.eis_reject (line, eid, element, reason, subject_code, reason_code, document)
				SELECT lines[r.line], r.eid, r.element, r.reason, r.subject_code, r.reason_code,
					smsr.blank_eis(documents[r.line])
				FROM result AS r WHERE r.reason IS NOT NULL
				ON CONFLICT (line) DO UPDATE SET
					eid = excluded.eid, element = excluded.element, reason = excluded.reason,
					subject_code = excluded.subject_code, reason_code = excluded.reason_code,
					rejected_at = excluded.rejected_at, document = excluded.document
		)
		SELECT count(*) FILTER (WHERE r.reason IS NULL), count(r.reason)
			INTO batch_registered, batch_rejected FROM result AS r;
		registered := registered + batch_registered;
		rejected := rejected + batch_rejected;
	END LOOP;
END
$$;
COMMENT ON FUNCTION smsr.register_inbox() IS 'Registers the EIS documents in smsr.eis_inbox and empties it; what is refused is in smsr.eis_reject, and stops nothing';

CREATE FUNCTION smsr.read_signed(part smsr.euicc_signed) RETURNS smsr.eis_reading
	AS 'MODULE_PATHNAME', 'smsr_read_signed'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 5000;
COMMENT ON FUNCTION smsr.read_signed(smsr.euicc_signed) IS 'Verifies the EUM''s signature of what is kept of an EIS, whatever smsr.eum_signature says; the result has the part and its proof, or the reason';

CREATE FUNCTION smsr.verify_eis(eids smsr.eid[])
	RETURNS TABLE (eid smsr.eid, element text, reason text, subject_code text, reason_code text)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH reading AS MATERIALIZED (
		SELECT s.eid AS of, r.*
		FROM smsr.euicc_signed AS s, LATERAL smsr.read_signed(s) AS r
		WHERE s.eid = ANY (eids)
	), proven AS (
		UPDATE smsr.euicc_signed AS s
			SET verified_at = (r.part).verified_at, verified_by = (r.part).verified_by,
				eum_certificate = (r.part).eum_certificate
			FROM reading AS r
			WHERE s.eid = r.of AND r.reason IS NULL
	)
	SELECT r.of, r.element, r.reason, r.subject_code, r.reason_code FROM reading AS r ORDER BY r.of;
END
$$;
COMMENT ON FUNCTION smsr.verify_eis(smsr.eid[]) IS 'Verifies the EUM''s signatures of eUICCs that are registered, under those who are trusted now; one row each, whose reason is NULL if it is good, and then its proof is kept';

REVOKE ALL ON FUNCTION
	smsr.read_eis(text),
	smsr.read_signed(smsr.euicc_signed),
	smsr.verify_eis(smsr.eid[]),
	smsr.blank_eis(text),
	smsr.register_documents(text[]),
	smsr.register_eis(xml),
	smsr.register_inbox()
FROM PUBLIC;
