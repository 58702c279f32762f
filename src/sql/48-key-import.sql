-- Key sets that do not come with an EIS: from files, wrapped, or derived from a
-- master key that is used for nothing else.

-- ---- master keys ----

CREATE FUNCTION smsr.check_new_master_key(p_name text, p_scheme text) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	IF p_name IS NULL OR p_name = '' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a master key must have a name';
	ELSIF p_scheme IS NULL OR p_scheme NOT IN ('visa2', 'emv-cps11', 'kdf3', 'eid-cmac') THEN
		RAISE invalid_parameter_value USING MESSAGE = 'scheme must be visa2, emv-cps11, kdf3 or eid-cmac';
	ELSIF EXISTS (SELECT FROM smsr.master_key m WHERE m.name = p_name) THEN
		RAISE unique_violation USING
			MESSAGE = format('there is a master key "%s" already', p_name),
			HINT = 'A name is never given twice, not even after smsr.destroy_master_key().';
	END IF;
END
$$;
COMMENT ON FUNCTION smsr.check_new_master_key(text, text) IS 'An error unless a master key of this name and scheme can be added';

CREATE FUNCTION smsr.add_master_key(p_function text, p_name text, p_scheme text, p_sealed bytea, p_check_value bytea,
		p_custodians name[] DEFAULT ARRAY[smsr.caller()], p_ceremony bigint DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	INSERT INTO smsr.master_key (name, scheme, sealed, check_value, custodians, approval_id, ceremony_id)
		VALUES (p_name, p_scheme, p_sealed, p_check_value, p_custodians, smsr.used_approval(p_function), p_ceremony);
	PERFORM smsr.record_key_act(p_function, jsonb_strip_nulls(jsonb_build_object('master_key', p_name, 'scheme', p_scheme,
		'check_value', encode(p_check_value, 'hex'), 'ceremony', p_ceremony, 'custodians', p_custodians)));
END
$$;
COMMENT ON FUNCTION smsr.add_master_key(text, text, text, bytea, bytea, name[], bigint) IS 'Keep a sealed master key, and record who brought it';

CREATE FUNCTION smsr.import_master_key(name text, scheme text, wrapped bytea, check_value bytea) RETURNS bytea
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	key record;
BEGIN
	PERFORM smsr.check_new_master_key(name, scheme);
	IF wrapped IS NULL OR check_value IS NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a master key comes wrapped, with its check value';
	END IF;
	SELECT k.* INTO key FROM smsr.seal_key('master', name, scheme, 1::smallint, wrapped, check_value) AS k;
	IF NOT smsr.key_act('import_master_key',
			format('master key %s, scheme %s, check value %s', name, scheme, encode(check_value, 'hex')),
			jsonb_build_array(name, scheme, encode(sha256(wrapped), 'hex'), encode(check_value, 'hex'))) THEN
		RETURN NULL;
	END IF;
	PERFORM smsr.add_master_key('import_master_key', name, scheme, key.sealed, key.check_value);
	RETURN key.check_value;
END
$$;
COMMENT ON FUNCTION smsr.import_master_key(text, text, bytea, bytea) IS 'Adds a master key, wrapped under the KEK (by RFC 5649, or by AES-GCM in a token), with its check value. NULL: it waits for a second person';

CREATE FUNCTION smsr.import_master_key_file(name text, scheme text, path text) RETURNS bytea
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	key record;
BEGIN
	PERFORM smsr.check_new_master_key(name, scheme);
	IF path IS NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = 'path must be that of a file';
	END IF;
	SELECT k.* INTO key FROM smsr.seal_key_file('master', name, scheme, 1::smallint, path) AS k;
	IF NOT smsr.key_act('import_master_key_file',
			format('master key %s, scheme %s, check value %s', name, scheme, encode(key.check_value, 'hex')),
			jsonb_build_array(name, scheme, path, encode(key.check_value, 'hex'))) THEN
		RETURN NULL;
	END IF;
	PERFORM smsr.add_master_key('import_master_key_file', name, scheme, key.sealed, key.check_value);
	RETURN key.check_value;
END
$$;
COMMENT ON FUNCTION smsr.import_master_key_file(text, text, text) IS 'Adds a master key from a file on the server, by the rules of smsr.import_transport_key_file(); returns its check value. NULL: it waits for a second person';

CREATE FUNCTION smsr.destroy_master_key(name text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	key smsr.master_key;
BEGIN
	SELECT m.* INTO key FROM smsr.master_key AS m
		WHERE m.name = destroy_master_key.name AND m.destroyed_at IS NULL FOR UPDATE;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('there is no master key "%s"', name);
	END IF;
	IF NOT smsr.key_act('destroy_master_key', format('master key %s is deleted', name), to_jsonb(name)) THEN
		RETURN false;
	END IF;
	UPDATE smsr.master_key AS m SET sealed = NULL, destroyed_at = now() WHERE m.name = key.name;
	PERFORM smsr.record_key_act('destroy_master_key', jsonb_build_object('master_key', key.name,
		'check_value', encode(key.check_value, 'hex'), 'derived', key.derived));
	RETURN true;
END
$$;
COMMENT ON FUNCTION smsr.destroy_master_key(text) IS 'Forget a master key once its batch is imported; what was derived from it stays, and so does the record of it. False: it waits for a second person';

-- ---- the inbox ----

CREATE FUNCTION smsr.try_eid(text) RETURNS smsr.eid
	AS 'MODULE_PATHNAME', 'smsr_try_eid'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.try_eid(text) IS 'The EID that a text is; NULL if it is none';

CREATE FUNCTION smsr.keyset_type(kvn int) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN kvn BETWEEN 1 AND 15 THEN 'SCP80' WHEN kvn BETWEEN 48 AND 63 THEN 'SCP03'
		WHEN kvn BETWEEN 64 AND 79 THEN 'SCP81' END;
END
$$;
COMMENT ON FUNCTION smsr.keyset_type(int) IS 'The protocol that a key version is of (SGP.02 clause 2.2.5.1); NULL: none';

CREATE FUNCTION smsr.derive_keyset(eid smsr.eid, sd_aid smsr.aid, kvn smallint, type text, master text, scheme text, master_sealed bytea,
		kdd text, key_length text, delivered text, OUT key_type smallint, OUT check_values bytea, OUT sealed bytea, OUT reason text)
	AS 'MODULE_PATHNAME', 'smsr_derive_keyset'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 2000;
COMMENT ON FUNCTION smsr.derive_keyset(smsr.eid, smsr.aid, smallint, text, text, text, bytea, text, text, text)
	IS 'A card''s key set from a sealed master key, sealed; reason says why there is none';

CREATE FUNCTION smsr.unwrap_keyset(eid smsr.eid, sd_aid smsr.aid, kvn smallint, type text, eum_id text,
		keys text, key_types text, delivered text, OUT key_type smallint, OUT check_values bytea, OUT sealed bytea, OUT reason text)
	AS 'MODULE_PATHNAME', 'smsr_unwrap_keyset'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 2000;
COMMENT ON FUNCTION smsr.unwrap_keyset(smsr.eid, smsr.aid, smallint, text, text, text, text, text)
	IS 'A card''s key set from values that are wrapped under its EUM''s transport key, sealed; reason says why there is none';

CREATE FUNCTION smsr.import_key_lines(p_lines smsr.key_inbox[], OUT imported bigint, OUT rejected bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	approval bigint := smsr.used_approval('import_keys');
BEGIN
	WITH known AS MATERIALIZED (
		SELECT i.*, smsr.try_eid(i.eid) AS card, e.eid IS NOT NULL AS registered, e.isdr_aid, e.eum_id,
			CASE WHEN i.kvn ~ '^[0-9]{1,3}$' THEN i.kvn::smallint END AS version,
			coalesce(i.type, l.type, smsr.keyset_type(CASE WHEN i.kvn ~ '^[0-9]{1,3}$' THEN i.kvn::int END)) AS set_type,
			l.type AS listed_type,
			-- what the EIS says of them, where it says it of every key
			CASE WHEN l.check_values <> '' AND (SELECT bool_and(substr(l.check_values, 3 * n + 1, 3) <> '\x000000')
					FROM generate_series(0, length(l.check_values) / 3 - 1) AS n)
				THEN encode(l.check_values, 'hex') END AS listed_values,
			CASE WHEN i.counter IS NULL THEN coalesce(l.counter, 0) WHEN i.counter ~ '^[0-9]{1,13}$' THEN i.counter::bigint ELSE -1 END AS start,
			m.name AS master_name, m.scheme, m.sealed AS master_sealed
		FROM unnest(p_lines) AS i
			LEFT JOIN smsr.euicc AS e ON e.eid = smsr.try_eid(i.eid)
			LEFT JOIN smsr.master_key AS m ON m.name = i.master
			LEFT JOIN smsr.keyset_listed AS l ON l.eid = e.eid AND l.sd_aid = e.isdr_aid
				AND l.kvn = CASE WHEN i.kvn ~ '^[0-9]{1,3}$' THEN i.kvn::smallint END AND l.state = 'awaited'
	), judged AS MATERIALIZED (
		SELECT k.*, CASE
				WHEN k.card IS NULL THEN 'eid is not an EID'
				WHEN NOT k.registered THEN 'eUICC is not registered'
				WHEN k.version IS NULL OR k.version NOT BETWEEN 1 AND 127 THEN 'kvn must be 1 to 127'
				WHEN k.set_type IS NULL THEN 'type is missing, and kvn does not tell it'
				WHEN k.set_type NOT IN ('SCP80', 'SCP03', 'SCP81') THEN 'type must be SCP80, SCP03 or SCP81'
				WHEN k.listed_type <> k.set_type THEN 'type is not the one that the EIS says'
				WHEN k.listed_values IS NOT NULL AND nullif(translate(k.check_values, ' ', ''), '') IS NOT NULL
						AND NOT starts_with(k.listed_values, lower(translate(k.check_values, ' ', '')))
					THEN 'check_values are not those of the EIS'
				WHEN k.set_type = 'SCP80' AND k.version > 15 THEN 'kvn of an SCP80 key set must be 1 to 15'
				WHEN k.start NOT BETWEEN 0 AND 1099511627775 THEN 'counter must be 0 to 1099511627775'
				WHEN num_nonnulls(k.master, k.keys) <> 1 THEN 'either master or keys must be given'
				WHEN k.master IS NOT NULL AND k.master_name IS NULL THEN 'there is no such master key'
				WHEN k.master IS NOT NULL AND k.master_sealed IS NULL THEN 'the master key was destroyed'
				WHEN o.eid IS NOT NULL THEN 'eUICC has a key set of this kvn'
				WHEN row_number() OVER (PARTITION BY k.card, k.version ORDER BY k.line) > 1
					THEN 'eUICC and kvn stand in an earlier line' END AS refusal
		FROM known AS k
			LEFT JOIN smsr.keyset AS o ON o.eid = k.card AND o.sd_aid = k.isdr_aid AND o.kvn = k.version
	-- each function once a line: a set-returning source is not flattened
	), made AS MATERIALIZED (
		SELECT j.*, d.key_type, d.check_values AS computed, d.sealed, d.reason
		FROM judged AS j, LATERAL smsr.derive_keyset(j.card, j.isdr_aid, j.version, j.set_type, j.master_name, j.scheme,
			j.master_sealed, j.kdd, j.key_length, coalesce(j.listed_values, j.check_values)) AS d
		WHERE j.refusal IS NULL AND j.master IS NOT NULL
		UNION ALL
		SELECT j.*, u.key_type, u.check_values, u.sealed, u.reason
		FROM judged AS j, LATERAL smsr.unwrap_keyset(j.card, j.isdr_aid, j.version, j.set_type, j.eum_id,
			j.keys, j.key_types, coalesce(j.listed_values, j.check_values)) AS u
		WHERE j.refusal IS NULL AND j.master IS NULL
		UNION ALL
		SELECT j.*, NULL, NULL, NULL, j.refusal FROM judged AS j WHERE j.refusal IS NOT NULL
	), new_keyset AS (
		INSERT INTO smsr.keyset (eid, sd_aid, kvn, type, key_type, counter, first_counter, check_values, sealed, origin, approval_id, state)
			SELECT m.card, m.isdr_aid, m.version, m.set_type, m.key_type, m.start, m.start, m.computed, m.sealed, 'import', approval,
				-- keys that nobody has said to be right must not take the place of those that the card is reached by
				CASE WHEN m.master IS NOT NULL AND coalesce(length(replace(coalesce(m.listed_values, m.check_values), ' ', '')), 0) < 18
						AND EXISTS (SELECT FROM smsr.keyset AS k WHERE k.eid = m.card AND k.sd_aid = m.isdr_aid AND k.type = m.set_type AND k.state = 'active')
					THEN 'pending' ELSE 'active' END
			FROM made AS m WHERE m.reason IS NULL
			ORDER BY m.card, m.version
			ON CONFLICT (eid, sd_aid, kvn) DO NOTHING
			RETURNING eid, kvn, type, check_values
	-- not by a join: nothing is known of how many these are, and it would be a loop in a loop
	), told AS MATERIALIZED (
		SELECT t.card, t.version, max(t.line) AS line, max(t.eid) AS eid, max(t.kvn) AS kvn, max(t.type) AS type, max(t.set_type) AS set_type,
			max(t.master) AS master, max(t.kdd) AS kdd, max(t.check_values) AS check_values, max(t.stored) AS stored
		FROM (SELECT m.card, m.version, m.line, m.eid, m.kvn, m.type, m.set_type, m.master, m.kdd, m.check_values, NULL::text AS stored
				FROM made AS m WHERE m.reason IS NULL
			UNION ALL
			SELECT k.eid, k.kvn, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, encode(k.check_values, 'hex') FROM new_keyset AS k) AS t
		GROUP BY 1, 2
	), counted AS (
		UPDATE smsr.master_key AS m SET derived = m.derived + c.n
		FROM (SELECT t.master, count(*) AS n FROM told AS t WHERE t.stored IS NOT NULL GROUP BY 1) AS c
		WHERE m.name = c.master
	-- what was awaited is there; certificates that stood beside it stay
	), come AS (
		DELETE FROM smsr.keyset_listed AS l USING told AS t
		WHERE t.stored IS NOT NULL AND l.eid = t.card AND l.kvn = t.version AND l.state = 'awaited' AND l.certificates = '{}'
	), come_with AS (
		UPDATE smsr.keyset_listed AS l SET state = 'public', keys = 0, check_values = '' FROM told AS t
		WHERE t.stored IS NOT NULL AND l.eid = t.card AND l.kvn = t.version AND l.state = 'awaited' AND l.certificates <> '{}'
	), recorded AS MATERIALIZED (
		SELECT smsr.record_audit(array_agg(smsr.audit_entry(t.card, 'import_keys', p_operation_id => approval,
			p_requester => smsr.setting('smsr_id'), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_strip_nulls(jsonb_build_object('kvn', t.version, 'type', t.set_type, 'check_values', t.stored,
				'master_key', t.master))) ORDER BY t.card, t.version))
		FROM told AS t WHERE t.stored IS NOT NULL
		HAVING count(*) > 0
	), reject AS (
		INSERT INTO smsr.key_reject AS r (line, eid, kvn, type, master, kdd, check_values, reason)
			SELECT m.line, m.eid, m.kvn, m.type, m.master, m.kdd, m.check_values, m.reason FROM made AS m WHERE m.reason IS NOT NULL
			UNION ALL
			SELECT t.line, t.eid, t.kvn, t.type, t.master, t.kdd, t.check_values, 'eUICC has a key set of this kvn'
			FROM told AS t WHERE t.stored IS NULL
			ON CONFLICT (line) DO UPDATE SET eid = excluded.eid, kvn = excluded.kvn, type = excluded.type, master = excluded.master,
				kdd = excluded.kdd, check_values = excluded.check_values, reason = excluded.reason,
				rejected_at = excluded.rejected_at, rejected_by = excluded.rejected_by
			RETURNING 1
	)
	SELECT (SELECT count(*) FROM new_keyset), (SELECT count(*) FROM reject) INTO imported, rejected
		FROM (SELECT 1) AS one LEFT JOIN recorded ON true;
END
$$;
COMMENT ON FUNCTION smsr.import_key_lines(smsr.key_inbox[]) IS 'Key sets of these lines, each made, checked, sealed and stored, or rejected with the reason, all in one statement';

CREATE FUNCTION smsr.import_keys(OUT imported bigint, OUT rejected bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	-- bounds the memory that the lines take
	batch_size CONSTANT int := 5000;
	lines smsr.key_inbox[];
	-- what this transaction has deleted is still to be stepped over
	last bigint := -9223372036854775808;
	n bigint;
	digest bytea;
	batch record;
BEGIN
	-- what is approved is what is here: nobody adds a line meanwhile
	LOCK TABLE smsr.key_inbox IN SHARE ROW EXCLUSIVE MODE;
	SELECT count(*), sha256(coalesce(string_agg(sha256(convert_to(i::text, 'UTF8')), '' ORDER BY i.line), ''))
		INTO n, digest FROM smsr.key_inbox AS i;
	IF NOT smsr.key_act('import_keys', format('%s key sets, SHA-256 %s', n, encode(digest, 'hex')),
			jsonb_build_array(n, encode(digest, 'hex'))) THEN
		RETURN;
	END IF;
	imported := 0;
	rejected := 0;
	LOOP
		WITH taken AS (
			DELETE FROM smsr.key_inbox AS i
			USING (SELECT o.line FROM smsr.key_inbox AS o WHERE o.line > last ORDER BY o.line LIMIT batch_size) AS next
			WHERE i.line = next.line
			RETURNING i.*
		)
		SELECT array_agg(t::smsr.key_inbox), max(t.line) INTO lines, last FROM taken AS t;
		EXIT WHEN lines IS NULL;
		batch := smsr.import_key_lines(lines);
		imported := imported + batch.imported;
		rejected := rejected + batch.rejected;
	END LOOP;
	PERFORM smsr.record_key_act('import_keys', jsonb_build_object('imported', imported, 'rejected', rejected,
		'digest', encode(digest, 'hex')));
END
$$;
COMMENT ON FUNCTION smsr.import_keys() IS 'Imports the key sets in smsr.key_inbox and empties it; what is refused is in smsr.key_reject, and stops nothing. NULL: it waits for a second person';

-- ---- are they the ones? ----

CREATE FUNCTION smsr.keyset_fault(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, check_values bytea, sealed bytea) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_keyset_fault'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION smsr.keyset_fault(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea)
	IS 'What is wrong with a sealed key set: it does not open in its place, or its keys have other check values; NULL: nothing';

CREATE FUNCTION smsr.check_key_values(eids smsr.eid[] DEFAULT NULL)
	RETURNS TABLE (eid smsr.eid, kvn smallint, line bigint, what text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT k.eid, k.kvn, NULL::bigint, f.fault
	FROM smsr.keyset AS k, LATERAL smsr.keyset_fault(k.eid, k.sd_aid, k.kvn, k.key_type, k.check_values, k.sealed) AS f (fault)
	WHERE (eids IS NULL OR k.eid = ANY (eids)) AND f.fault IS NOT NULL;
	RETURN QUERY
	SELECT d.card, d.version, d.line, CASE WHEN d.stated IS NULL THEN 'check values must be three octets each, in hexadecimal'
			WHEN k.eid IS NULL THEN 'there is no such key set'
			ELSE 'check values are not those that were delivered' END
	FROM (SELECT i.line, smsr.try_eid(i.eid) AS card, CASE WHEN i.kvn ~ '^[0-9]{1,3}$' THEN i.kvn::smallint END AS version,
				CASE WHEN i.check_values ~ '^\s*([0-9A-Fa-f]{6}\s*)+$' THEN decode(regexp_replace(i.check_values, '\s', '', 'g'), 'hex') END AS stated
			FROM smsr.key_inbox AS i
			WHERE i.check_values IS NOT NULL AND i.master IS NULL AND i.keys IS NULL) AS d
		LEFT JOIN smsr.euicc AS e ON e.eid = d.card
		LEFT JOIN smsr.keyset AS k ON k.eid = d.card AND k.sd_aid = e.isdr_aid AND k.kvn = d.version
	WHERE (eids IS NULL OR d.card = ANY (eids))
		AND (d.stated IS NULL OR k.eid IS NULL OR substr(k.check_values, 1, length(d.stated)) <> d.stated);
END
$$;
COMMENT ON FUNCTION smsr.check_key_values(smsr.eid[]) IS 'What is wrong with the check values of these eUICCs'' key sets, or of all: computed from the sealed keys, and compared with those delivered in lines of smsr.key_inbox that have neither keys nor a master key; no row is best';
