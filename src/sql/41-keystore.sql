-- The keystore: storage keys, transport keys, and packets under sealed keys.
-- Nothing here takes or returns a key in the clear.

CREATE FUNCTION smsr.storage_key_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'smsr_storage_key_changed'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION smsr.storage_key_changed() IS 'Makes backends forget the storage keys that they have unwrapped';

CREATE TRIGGER storage_key_changed
	AFTER INSERT OR UPDATE OR DELETE ON smsr.storage_key
	FOR EACH STATEMENT EXECUTE FUNCTION smsr.storage_key_changed();
-- always: an applying replica's backends have caches, too
ALTER TABLE smsr.storage_key ENABLE ALWAYS TRIGGER storage_key_changed;
COMMENT ON TRIGGER storage_key_changed ON smsr.storage_key IS 'A cached storage key is right only as long as its row stands';

CREATE FUNCTION smsr.new_storage_key(OUT wrapped bytea, OUT check_value bytea, OUT kek text)
	AS 'MODULE_PATHNAME', 'smsr_new_storage_key'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.new_storage_key() IS 'A random storage key, wrapped under the KEK';

CREATE FUNCTION smsr.create_storage_key() RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	key smsr.storage_key;
BEGIN
	IF NOT smsr.key_act('create_storage_key', 'a new storage key') THEN
		RETURN NULL;
	END IF;
	LOCK TABLE smsr.storage_key IN SHARE ROW EXCLUSIVE MODE;
	UPDATE smsr.storage_key SET state = 'retiring' WHERE state = 'active';
	INSERT INTO smsr.storage_key (id, wrapped, check_value, kek, approval_id)
		SELECT coalesce((SELECT max(k.id) FROM smsr.storage_key AS k), 0) + 1, n.wrapped, n.check_value, n.kek,
			smsr.used_approval('create_storage_key')
		FROM smsr.new_storage_key() AS n
		RETURNING * INTO key;
	PERFORM smsr.record_key_act('create_storage_key', jsonb_build_object('storage_key', key.id,
		'check_value', encode(key.check_value, 'hex'), 'kek', key.kek));
	RETURN key.id;
END
$$;
COMMENT ON FUNCTION smsr.create_storage_key() IS 'Creates the storage key that seals from now on; what the former one sealed still opens, until smsr.reseal_keys() has sealed it again. NULL: it waits for a second person';

CREATE FUNCTION smsr.keystore_status(OUT provider text, OUT kek text, OUT kek_problem text,
		OUT former_provider text, OUT former_kek text, OUT former_kek_problem text,
		OUT active_storage_key int, OUT storage_keys int, OUT to_rewrap int, OUT kek_visits bigint)
	AS 'MODULE_PATHNAME', 'smsr_keystore_status'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp;
COMMENT ON FUNCTION smsr.keystore_status() IS 'Whether the KEK is there and opens the active storage key (kek_problem is NULL then); the same of the former KEK; how many storage keys there are and how many are not wrapped under the current KEK; how often this backend went to the KEK for them';

CREATE FUNCTION smsr.check_logging() RETURNS TABLE (setting text, value text, advice text)
	AS 'MODULE_PATHNAME', 'smsr_check_logging'
	LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 5;
COMMENT ON FUNCTION smsr.check_logging() IS 'Parameters of this session that could show keys on their way in, wrapped or clear, in the server''s log or statistics; no row is best';

CREATE FUNCTION smsr.seal_key(kind text, name text, variant text, number smallint, wrapped bytea, expected bytea,
		OUT sealed bytea, OUT check_value bytea)
	AS 'MODULE_PATHNAME', 'smsr_seal_key'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.seal_key(text, text, text, smallint, bytea, bytea) IS 'Seals a transport key, a master key or a component of one that comes wrapped under the KEK: by RFC 5649, or where that is in a token by AES-GCM (nonce, ciphertext, tag); expected, if it is not NULL, is its check value';

CREATE FUNCTION smsr.seal_key_file(kind text, name text, variant text, number smallint, path text, OUT sealed bytea, OUT check_value bytea)
	AS 'MODULE_PATHNAME', 'smsr_seal_key_file'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.seal_key_file(text, text, text, smallint, text) IS 'The same of a key that stands in a file on the server: in any for a superuser, else below smsr.key_directory';

CREATE FUNCTION smsr.combine_key(kind text, name text, variant text, number smallint, ceremony bigint, components bytea[],
		OUT sealed bytea, OUT check_value bytea)
	AS 'MODULE_PATHNAME', 'smsr_combine_key'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.combine_key(text, text, text, smallint, bigint, bytea[]) IS 'Seals the key that the sealed components of a ceremony make (exclusive or); NULL if that is nothing but zeros';

CREATE FUNCTION smsr.next_transport_key_id(eum_id text) RETURNS smallint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	key_id smallint;
BEGIN
	LOCK TABLE smsr.transport_key IN SHARE ROW EXCLUSIVE MODE;
	SELECT coalesce(max(t.id), 0) + 1 INTO key_id
		FROM smsr.transport_key AS t
		WHERE t.eum_id = next_transport_key_id.eum_id;
	RETURN key_id;
END
$$;
COMMENT ON FUNCTION smsr.next_transport_key_id(text) IS 'The id of an EUM''s next transport key; nobody else gives one until the transaction ends';

CREATE FUNCTION smsr.import_transport_key(eum_id text, mode text, wrapped bytea DEFAULT NULL, check_value bytea DEFAULT NULL) RETURNS smallint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	key_id smallint;
	key record;
BEGIN
	IF (mode = 'none') IS DISTINCT FROM (wrapped IS NULL) OR (mode = 'none') IS DISTINCT FROM (check_value IS NULL) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'mode none has no transport key, every other mode has a wrapped one with its check value';
	END IF;
	key_id := smsr.next_transport_key_id(eum_id);
	-- before anybody is asked: there is no point in approving what does not open
	IF mode = 'none' THEN
		SELECT NULL::bytea AS sealed INTO key;
	ELSE
		SELECT k.sealed INTO key FROM smsr.seal_key('transport', eum_id, mode, key_id, wrapped, check_value) AS k;
	END IF;
	IF NOT smsr.key_act('import_transport_key',
			format('transport key of EUM %s, mode %s, check value %s', eum_id, mode, coalesce(encode(check_value, 'hex'), 'none')),
			jsonb_build_array(eum_id, mode, encode(sha256(wrapped), 'hex'), encode(check_value, 'hex'))) THEN
		RETURN NULL;
	END IF;
	PERFORM smsr.add_transport_key('import_transport_key', eum_id, key_id, mode, key.sealed, check_value);
	RETURN key_id;
END
$$;
COMMENT ON FUNCTION smsr.import_transport_key(text, text, bytea, bytea) IS 'Adds a transport key of an EUM, wrapped under the KEK (by RFC 5649, or by AES-GCM in a token), with its key check value; mode none: key values come in clear. Former keys stay valid until their valid_until. NULL: it waits for a second person';

CREATE FUNCTION smsr.import_transport_key_file(eum_id text, mode text, path text) RETURNS smallint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	key_id smallint := smsr.next_transport_key_id(eum_id);
	key record;
BEGIN
	SELECT k.* INTO key FROM smsr.seal_key_file('transport', eum_id, mode, key_id, path) AS k;
	-- what is approved is this key, whatever the file holds by then
	IF NOT smsr.key_act('import_transport_key_file',
			format('transport key of EUM %s, mode %s, check value %s', eum_id, mode, encode(key.check_value, 'hex')),
			jsonb_build_array(eum_id, mode, path, encode(key.check_value, 'hex'))) THEN
		RETURN NULL;
	END IF;
	PERFORM smsr.add_transport_key('import_transport_key_file', eum_id, key_id, mode, key.sealed, key.check_value);
	RETURN key_id;
END
$$;
COMMENT ON FUNCTION smsr.import_transport_key_file(text, text, text) IS 'Adds a transport key of an EUM from a file on the server that only the server''s user can read: 16, 24 or 32 octets, or their hexadecimal digits; for others than superusers, one below smsr.key_directory. NULL: it waits for a second person';

CREATE FUNCTION smsr.add_transport_key(p_function text, p_eum_id text, p_id smallint, p_mode text, p_sealed bytea, p_check_value bytea,
		p_custodians name[] DEFAULT ARRAY[smsr.caller()], p_ceremony bigint DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	INSERT INTO smsr.transport_key (eum_id, id, mode, sealed, check_value, custodians, approval_id, ceremony_id)
		VALUES (p_eum_id, p_id, p_mode, p_sealed, p_check_value, p_custodians, smsr.used_approval(p_function), p_ceremony);
	PERFORM smsr.record_key_act(p_function, jsonb_strip_nulls(jsonb_build_object('eum_id', p_eum_id, 'transport_key', p_id,
		'mode', p_mode, 'check_value', encode(p_check_value, 'hex'), 'ceremony', p_ceremony, 'custodians', p_custodians)));
END
$$;
COMMENT ON FUNCTION smsr.add_transport_key(text, text, smallint, text, bytea, bytea, name[], bigint) IS 'Keep a sealed transport key, and record who brought it';

CREATE FUNCTION smsr.expire_transport_key(eum_id text, id smallint, at timestamptz DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	PERFORM FROM smsr.transport_key AS t
		WHERE t.eum_id = expire_transport_key.eum_id AND t.id = expire_transport_key.id AND t.valid_until > now() FOR UPDATE;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('EUM %s has no transport key %s that is valid', eum_id, id);
	ELSIF at < now() THEN
		RAISE invalid_parameter_value USING MESSAGE = 'at must not be in the past';
	END IF;
	IF NOT smsr.key_act('expire_transport_key', format('transport key %s of EUM %s ends %s', id, eum_id, coalesce(at::text, 'now')),
			jsonb_build_array(eum_id, id, at)) THEN
		RETURN false;
	END IF;
	UPDATE smsr.transport_key AS t SET valid_until = coalesce(at, now())
		WHERE t.eum_id = expire_transport_key.eum_id AND t.id = expire_transport_key.id;
	PERFORM smsr.record_key_act('expire_transport_key', jsonb_build_object('eum_id', eum_id, 'transport_key', id));
	RETURN true;
END
$$;
COMMENT ON FUNCTION smsr.expire_transport_key(text, smallint, timestamptz) IS 'End the time of an EUM''s transport key: what is wrapped under it is refused from then on. False: it waits for a second person';

-- Packets under sealed keys.  eid, sd_aid, kvn, key_type and sealed are a row
-- of smsr.keyset; KIc and KID follow from its version and key lengths.

CREATE FUNCTION smsr.keyset_opens(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_keyset_opens'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION smsr.keyset_opens(smsr.eid, smsr.aid, smallint, smallint, bytea) IS 'Whether packets can be secured under a sealed key set; false for one that was altered or moved. A missing KEK is an error all the same';

CREATE FUNCTION smsr.seal_command(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea,
		spi bytea, tar bytea, cntr bigint, data bytea, bearer text DEFAULT 'sms') RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_seal_command'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION smsr.seal_command(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, bytea, bigint, bytea, text) IS 'Command packet under a sealed key set (TS 102 225 clause 5.1)';

CREATE FUNCTION smsr.unseal_response(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea,
		spi2 bytea, packet bytea, bearer text DEFAULT 'sms',
		OUT tar bytea, OUT cntr bigint, OUT status int, OUT secured boolean, OUT authentic boolean, OUT data bytea)
	AS 'MODULE_PATHNAME', 'smsr_unseal_response'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION smsr.unseal_response(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, bytea, text) IS 'Opens a response packet under a sealed key set; data is NULL unless it is authentic';

CREATE FUNCTION smsr.unseal_command(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea,
		packet bytea, bearer text DEFAULT 'sms',
		OUT spi bytea, OUT tar bytea, OUT cntr bigint, OUT authentic boolean, OUT data bytea)
	AS 'MODULE_PATHNAME', 'smsr_unseal_command'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION smsr.unseal_command(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, text) IS 'Opens a command packet that a card sent, such as a notification; authentic only if a cryptographic checksum under this very key set says so';

CREATE FUNCTION smsr.open_answer(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea,
		command bytea, cntr bigint, target smsr.aid, tp_ud bytea, OUT status int, OUT data bytea, OUT sw int)
	AS 'MODULE_PATHNAME', 'smsr_open_answer'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION smsr.open_answer(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, bigint, smsr.aid, bytea) IS 'The authentic answer in a short message that stands alone to a command of this counter, and the status word of its last R-APDU (0: none). NULL for anything else, and for a key set that does not open';

CREATE FUNCTION smsr.open_notification(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea, tp_ud bytea,
		OUT type int, OUT sequence int, OUT isdp_aid smsr.aid, OUT imei bytea, OUT meid bytea, OUT data bytea)
	AS 'MODULE_PATHNAME', 'smsr_open_notification'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION smsr.open_notification(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea) IS 'The authentic default notification of this very eUICC in a short message that stands alone. NULL for anything else, and for a key set that does not open';

CREATE FUNCTION smsr.peek_command(packet bytea, OUT spi bytea, OUT kic bytea, OUT kid bytea, OUT tar bytea)
	AS 'MODULE_PATHNAME', 'smsr_peek_command'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.peek_command(bytea) IS 'The clear header of a command packet: which keys it needs; nothing in it is authentic';

CREATE FUNCTION smsr.sms_header(tp_ud bytea, OUT cpi int, OUT reference int, OUT total int, OUT sequence int)
	AS 'MODULE_PATHNAME', 'smsr_sms_header'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.sms_header(bytea) IS 'User data header of a short message: 112 command or 113 response packet (NULL: neither, or not the first segment), and which segment; reference is NULL for a message that stands alone';

REVOKE ALL ON FUNCTION
	smsr.storage_key_changed(),
	smsr.new_storage_key(),
	smsr.create_storage_key(),
	smsr.keystore_status(),
	smsr.seal_key(text, text, text, smallint, bytea, bytea),
	smsr.seal_key_file(text, text, text, smallint, text),
	smsr.combine_key(text, text, text, smallint, bigint, bytea[]),
	smsr.add_transport_key(text, text, smallint, text, bytea, bytea, name[], bigint),
	smsr.expire_transport_key(text, smallint, timestamptz),
	smsr.next_transport_key_id(text),
	smsr.import_transport_key(text, text, bytea, bytea),
	smsr.import_transport_key_file(text, text, text),
	smsr.keyset_opens(smsr.eid, smsr.aid, smallint, smallint, bytea),
	smsr.seal_command(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, bytea, bigint, bytea, text),
	smsr.unseal_response(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, bytea, text),
	smsr.unseal_command(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, text),
	smsr.open_answer(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, bigint, smsr.aid, bytea),
	smsr.open_notification(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea),
	smsr.peek_command(bytea),
	smsr.sms_header(bytea)
FROM PUBLIC;
