-- Keys above card keys are replaced: the KEK by wrapping a few rows again, a
-- storage key by sealing again, in batches, what it has sealed.

CREATE FUNCTION smsr.rewrap_storage_key(id int, OUT wrapped bytea, OUT kek text)
	AS 'MODULE_PATHNAME', 'smsr_rewrap_storage_key'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.rewrap_storage_key(int) IS 'A storage key, opened with the current or the former KEK and wrapped under the current one';

CREATE FUNCTION smsr.rewrap_storage_keys() RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	n int;
	kek text;
BEGIN
	IF NOT smsr.key_act('rewrap_storage_keys', 'every storage key under the current KEK') THEN
		RETURN NULL;
	END IF;
	LOCK TABLE smsr.storage_key IN SHARE ROW EXCLUSIVE MODE;
	UPDATE smsr.storage_key AS s SET wrapped = r.wrapped, kek = r.kek
		FROM (SELECT k.id, w.wrapped, w.kek
			FROM smsr.storage_key AS k, LATERAL smsr.rewrap_storage_key(k.id) AS w) AS r
		WHERE r.id = s.id;
	GET DIAGNOSTICS n = ROW_COUNT;
	SELECT max(s.kek) INTO kek FROM smsr.storage_key AS s;
	PERFORM smsr.record_key_act('rewrap_storage_keys', jsonb_build_object('storage_keys', n, 'kek', kek));
	RETURN n;
END
$$;
COMMENT ON FUNCTION smsr.rewrap_storage_keys() IS 'Wraps every storage key under the current KEK, after which the former one opens nothing any more; returns how many. NULL: it waits for a second person';

CREATE FUNCTION smsr.sealed_keyset_opens(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_sealed_keyset_opens'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION smsr.sealed_keyset_opens(smsr.eid, smsr.aid, smallint, smallint, bytea) IS 'Whether a sealed key set of any type opens in its place; false for one that was altered or moved';

CREATE FUNCTION smsr.reseal_keyset(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_reseal_keyset'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 500;
COMMENT ON FUNCTION smsr.reseal_keyset(smsr.eid, smsr.aid, smallint, smallint, bytea) IS 'The same key set under the active storage key; NULL if it does not open';

CREATE FUNCTION smsr.reseal_key(kind text, name text, variant text, number smallint, sealed bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_reseal_key'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.reseal_key(text, text, text, smallint, bytea) IS 'The same transport key, master key or component under the active storage key; NULL if it does not open';

-- Counts, for who may not read what they are counted by.
CREATE FUNCTION smsr.sealed_under(storage_key int, OUT key_sets bigint, OUT transport_keys bigint, OUT checkpoints bigint,
		OUT master_keys bigint, OUT components bigint, OUT private_keys bigint)
	LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	tag bytea := int4send(storage_key);
BEGIN
	key_sets := (SELECT count(*) FROM smsr.keyset AS k WHERE substr(k.sealed, 2, 4) = tag);
	transport_keys := (SELECT count(*) FROM smsr.transport_key AS t WHERE substr(t.sealed, 2, 4) = tag);
	checkpoints := (SELECT count(*) FROM smsr.audit_checkpoint AS c WHERE substr(c.seal, 2, 4) = tag);
	master_keys := (SELECT count(*) FROM smsr.master_key AS m WHERE substr(m.sealed, 2, 4) = tag);
	components := (SELECT count(*) FROM smsr.key_component AS c WHERE substr(c.sealed, 2, 4) = tag);
	private_keys := (SELECT count(*) FROM smsr.own_certificate AS c WHERE substr(c.sealed, 2, 4) = tag)
		+ (SELECT count(*) FROM smsr.handover AS h WHERE substr(h.sealed, 2, 4) = tag)
		+ (SELECT count(*) FROM smsr.establishment AS e WHERE substr(e.sealed, 2, 4) = tag);
END
$$;
COMMENT ON FUNCTION smsr.sealed_under(int) IS 'How much of each kind a storage key seals; nothing else of it';

CREATE VIEW smsr.storage_key_use WITH (security_invoker = true) AS
	SELECT s.id, s.state, s.kek, s.created_at,
		u.key_sets, u.transport_keys, u.checkpoints, u.master_keys, u.components, u.private_keys
	FROM smsr.storage_key AS s, LATERAL smsr.sealed_under(s.id) AS u;
COMMENT ON VIEW smsr.storage_key_use IS 'What each storage key seals: how far a rotation has come, and whether anything would be lost with a row of smsr.storage_key';

CREATE FUNCTION smsr.reseal_keys(max int DEFAULT 1000) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	-- the index, whatever it was said to hold when the table was last analysed
	SET enable_seqscan = off
	SET enable_bitmapscan = off
AS $$
DECLARE
	-- retired ones, too: who began before a rotation may commit after it
	former bytea[] := ARRAY(SELECT int4send(s.id) FROM smsr.storage_key AS s WHERE s.state <> 'active');
	n bigint;
	left_over bigint;
BEGIN
	IF max IS NULL OR max < 1 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'max must be 1 or more';
	END IF;

	-- what does not open stays as it is, and keeps nobody else from being sealed again
	UPDATE smsr.transport_key AS t SET sealed = r.sealed
		FROM (SELECT o.eum_id, o.id, smsr.reseal_key('transport', o.eum_id, o.mode, o.id, o.sealed) AS sealed
			FROM smsr.transport_key AS o
			WHERE substr(o.sealed, 2, 4) = ANY (former)
			LIMIT max FOR UPDATE SKIP LOCKED) AS r
		WHERE t.eum_id = r.eum_id AND t.id = r.id AND r.sealed IS NOT NULL;
	GET DIAGNOSTICS n = ROW_COUNT;
	-- few, so their number counts for nothing
	UPDATE smsr.master_key AS m SET sealed = r.sealed
		FROM (SELECT o.name, smsr.reseal_key('master', o.name, o.scheme, 1::smallint, o.sealed) AS sealed
			FROM smsr.master_key AS o
			WHERE substr(o.sealed, 2, 4) = ANY (former)
			FOR UPDATE SKIP LOCKED) AS r
		WHERE m.name = r.name AND r.sealed IS NOT NULL;
	UPDATE smsr.key_component AS c SET sealed = r.sealed
		FROM (SELECT o.ceremony_id, o.number, smsr.reseal_key('component', o.ceremony_id::text,
				y.kind || ' ' || y.variant, o.number, o.sealed) AS sealed
			FROM smsr.key_component AS o JOIN smsr.key_ceremony AS y ON y.id = o.ceremony_id
			WHERE substr(o.sealed, 2, 4) = ANY (former)
			FOR UPDATE OF o SKIP LOCKED) AS r
		WHERE c.ceremony_id = r.ceremony_id AND c.number = r.number AND r.sealed IS NOT NULL;

	UPDATE smsr.keyset AS k SET sealed = smsr.reseal_keyset(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed)
		WHERE k.ctid = ANY (ARRAY(SELECT o.ctid FROM smsr.keyset AS o
			WHERE substr(o.sealed, 2, 4) = ANY (former)
				AND smsr.sealed_keyset_opens(o.eid, o.sd_aid, o.kvn, o.key_type, o.sealed)
			LIMIT max - n FOR UPDATE SKIP LOCKED));

	UPDATE smsr.audit_checkpoint AS c SET seal = r.seal
		FROM (SELECT o.id, smsr.reseal_checkpoint(o.seal) AS seal
			FROM smsr.audit_checkpoint AS o
			WHERE substr(o.seal, 2, 4) = ANY (former)
			ORDER BY o.id LIMIT max FOR UPDATE SKIP LOCKED) AS r
		WHERE c.id = r.id AND r.seal IS NOT NULL;

	UPDATE smsr.own_certificate AS c SET sealed = r.sealed
		FROM (SELECT o.fingerprint, smsr.reseal_own_key(o.certificate, o.sealed) AS sealed
			FROM smsr.own_certificate AS o
			WHERE substr(o.sealed, 2, 4) = ANY (former)
			LIMIT max FOR UPDATE SKIP LOCKED) AS r
		WHERE c.fingerprint = r.fingerprint AND r.sealed IS NOT NULL;

	UPDATE smsr.handover AS h SET sealed = r.sealed
		FROM (SELECT o.eid, smsr.reseal_ephemeral_key(o.eid, o.kvn, o.sealed) AS sealed
			FROM smsr.handover AS o
			WHERE substr(o.sealed, 2, 4) = ANY (former)
			LIMIT max FOR UPDATE SKIP LOCKED) AS r
		WHERE h.eid = r.eid AND r.sealed IS NOT NULL;

	UPDATE smsr.establishment AS e SET sealed = r.sealed
		FROM (SELECT o.eid, smsr.reseal_ephemeral_key(o.eid, o.kvn, o.sealed) AS sealed
			FROM smsr.establishment AS o
			WHERE substr(o.sealed, 2, 4) = ANY (former)
			LIMIT max FOR UPDATE SKIP LOCKED) AS r
		WHERE e.eid = r.eid AND r.sealed IS NOT NULL;

	-- not to the end: a call must not cost more, the more calls are still to come
	SELECT count(*) INTO left_over
		FROM (SELECT FROM smsr.keyset AS k WHERE substr(k.sealed, 2, 4) = ANY (former) LIMIT 100 * max::bigint) AS l;
	left_over := left_over + (SELECT count(*) FROM smsr.transport_key AS t WHERE substr(t.sealed, 2, 4) = ANY (former))
		+ (SELECT count(*) FROM smsr.audit_checkpoint AS c WHERE substr(c.seal, 2, 4) = ANY (former))
		+ (SELECT count(*) FROM smsr.master_key AS m WHERE substr(m.sealed, 2, 4) = ANY (former))
		+ (SELECT count(*) FROM smsr.key_component AS c WHERE substr(c.sealed, 2, 4) = ANY (former))
		+ (SELECT count(*) FROM smsr.own_certificate AS c WHERE substr(c.sealed, 2, 4) = ANY (former))
		+ (SELECT count(*) FROM smsr.handover AS h WHERE substr(h.sealed, 2, 4) = ANY (former))
		+ (SELECT count(*) FROM smsr.establishment AS e WHERE substr(e.sealed, 2, 4) = ANY (former));

	-- not without need: it makes every backend open its storage keys anew
	IF left_over = 0 AND EXISTS (SELECT FROM smsr.storage_key AS s WHERE s.state = 'retiring') THEN
		UPDATE smsr.storage_key AS s SET state = 'retired'
			WHERE s.state = 'retiring' AND int4send(s.id) = ANY (former);
		PERFORM smsr.record_key_act('reseal_keys', jsonb_build_object('active',
			(SELECT s.id FROM smsr.storage_key AS s WHERE s.state = 'active')));
	END IF;
	RETURN left_over;
END
$$;
COMMENT ON FUNCTION smsr.reseal_keys(int) IS 'Seals up to so many key sets, and seals of checkpoints, again, under the active storage key, and returns how many are left under former ones (it counts to a hundred times max); call it until that is 0. A storage key that seals nothing any more becomes retired';

CREATE FUNCTION smsr.destroy_storage_key(id int) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	key smsr.storage_key_use;
BEGIN
	-- who has sealed something and not committed yet is waited for; last of all where claims write
	LOCK TABLE smsr.storage_key IN SHARE ROW EXCLUSIVE MODE;
	LOCK TABLE smsr.audit_checkpoint, smsr.transport_key, smsr.master_key, smsr.key_component, smsr.own_certificate, smsr.handover, smsr.establishment, smsr.keyset IN SHARE MODE;
	SELECT u.* INTO key FROM smsr.storage_key_use AS u WHERE u.id = destroy_storage_key.id;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('storage key %s does not exist', id);
	END IF;
	IF key.state <> 'retired' OR key.key_sets + key.transport_keys + key.master_keys + key.components + key.private_keys + key.checkpoints > 0 THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('storage key %s is still in use', id),
			DETAIL = format('It is %s and seals %s key sets, %s other keys and %s checkpoints.', key.state, key.key_sets,
				key.transport_keys + key.master_keys + key.components + key.private_keys, key.checkpoints),
			HINT = 'Call smsr.create_storage_key() for its successor, then smsr.reseal_keys() until that returns 0.';
	END IF;
	IF NOT smsr.key_act('destroy_storage_key', format('storage key %s is deleted', id), to_jsonb(id)) THEN
		RETURN;
	END IF;
	DELETE FROM smsr.storage_key AS s WHERE s.id = destroy_storage_key.id;
	PERFORM smsr.record_key_act('destroy_storage_key', jsonb_build_object('storage_key', id));
END
$$;
COMMENT ON FUNCTION smsr.destroy_storage_key(int) IS 'Deletes a retired storage key that seals nothing any more; what backups have that it sealed does not open after that';
