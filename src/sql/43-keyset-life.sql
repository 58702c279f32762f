-- The life of card key sets: each change of state by core's table, and in the
-- audit trail.

CREATE FUNCTION smsr.keyset_life(state text, event text) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_keyset_life'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.keyset_life(text, text) IS 'The new state of a key set after an event; NULL if the event is not for this state';

CREATE FUNCTION smsr.keyset_use(state text, use text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_keyset_use'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.keyset_use(text, text) IS 'Whether a key set in this state serves to send, to prove it, or to receive';

CREATE FUNCTION smsr.keyset_guard() RETURNS trigger
	AS 'MODULE_PATHNAME', 'smsr_keyset_guard'
	LANGUAGE C;
COMMENT ON FUNCTION smsr.keyset_guard() IS 'Refuses an UPDATE of a key set''s state that no event leads to';

CREATE TRIGGER keyset_guard BEFORE UPDATE OF state ON smsr.keyset
	FOR EACH ROW EXECUTE FUNCTION smsr.keyset_guard();
COMMENT ON TRIGGER keyset_guard ON smsr.keyset IS 'No impossible state, whoever writes; not on INSERT, so that a restore is free';

-- ---- PUT KEY: keys stay sealed, or in a packet ----

CREATE FUNCTION smsr.new_keyset(eid smsr.eid, sd_aid smsr.aid, like_kvn smallint, key_type smallint, like_sealed bytea,
		kvn smallint, OUT sealed bytea, OUT check_values bytea)
	AS 'MODULE_PATHNAME', 'smsr_new_keyset'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION smsr.new_keyset(smsr.eid, smsr.aid, smallint, smallint, bytea, smallint) IS 'Three random keys, sealed, as long as those of the set that is to bring them to the card; NULL if that one does not open or has no DEK';

CREATE FUNCTION smsr.put_key_script(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea,
		replaces boolean) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_put_key_script'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION smsr.put_key_script(smsr.eid, smsr.aid, smallint, smallint, bytea, boolean) IS 'The command script that brings a key set to the card, with zeros in the place of its keys; NULL if it does not open';

CREATE FUNCTION smsr.put_key_seals(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea,
		new_kvn smallint, new_key_type smallint, new_sealed bytea) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_put_key_seals'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION smsr.put_key_seals(smsr.eid, smsr.aid, smallint, smallint, bytea, smallint, smallint, bytea) IS 'Whether the one key set can bring the other to the card: both open, and the DEK is there';

CREATE FUNCTION smsr.seal_put_key(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea,
		spi bytea, tar bytea, cntr bigint,
		new_kvn smallint, new_key_type smallint, new_sealed bytea, replaces boolean) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_seal_put_key'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION smsr.seal_put_key(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, bytea, bigint, smallint, smallint, bytea, boolean) IS 'Command packet under a sealed key set that brings another one to the card (GlobalPlatform Card Specification clause 11.8)';

CREATE FUNCTION smsr.put_key_answer(eid smsr.eid, sd_aid smsr.aid, kvn smallint, key_type smallint, sealed bytea,
		answer bytea) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_put_key_answer'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION smsr.put_key_answer(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea) IS 'Whether the card says that it has stored these very keys, by version and check values; NULL if it says none';

-- ---- changes of state ----

CREATE FUNCTION smsr.keyset_entry(k smsr.keyset, p_from text, p_operation bigint, p_because text) RETURNS smsr.audit_trail
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN smsr.audit_entry(k.eid, 'keyset_state', p_operation, smsr.setting('smsr_id'),
			p_details => jsonb_strip_nulls(jsonb_build_object('sd_aid', k.sd_aid::text, 'kvn', k.kvn, 'type', k.type,
				'from', p_from, 'to', k.state, 'check_values', encode(k.check_values, 'hex'), 'because', p_because)));
	END $$;
COMMENT ON FUNCTION smsr.keyset_entry(smsr.keyset, text, bigint, text) IS 'The audit trail''s record of a key set''s change of state';

CREATE FUNCTION smsr.move_keyset(p_eid smsr.eid, p_sd_aid smsr.aid, p_kvn smallint, p_event text,
		p_operation bigint DEFAULT NULL, p_because text DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		former text;
		k smsr.keyset;
	BEGIN
		SELECT s.state INTO former FROM smsr.keyset s
			WHERE s.eid = p_eid AND s.sd_aid = p_sd_aid AND s.kvn = p_kvn FOR UPDATE;
		IF smsr.keyset_life(former, p_event) IS NULL OR smsr.keyset_life(former, p_event) = former THEN
			RETURN former;
		END IF;
		UPDATE smsr.keyset s SET state = smsr.keyset_life(former, p_event), state_at = now(), replaces = NULL
			WHERE s.eid = p_eid AND s.sd_aid = p_sd_aid AND s.kvn = p_kvn
			RETURNING * INTO k;
		PERFORM smsr.record_audit(ARRAY[smsr.keyset_entry(k, former, p_operation, p_because)]);
		RETURN k.state;
	END $$;
COMMENT ON FUNCTION smsr.move_keyset(smsr.eid, smsr.aid, smallint, text, bigint, text) IS 'An event in the life of a key set; returns its state, which an event that is not for it leaves as it was';

CREATE FUNCTION smsr.adopt_keyset(p_eid smsr.eid, p_kvn smallint, p_operation bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		isdr smsr.aid := (SELECT e.isdr_aid FROM smsr.euicc e WHERE e.eid = p_eid);
	BEGIN
		IF smsr.move_keyset(p_eid, isdr, p_kvn, 'proven', p_operation) = 'active' THEN
			PERFORM smsr.move_keyset(p_eid, isdr, k.kvn, 'superseded', p_operation)
				FROM smsr.keyset k
				WHERE k.eid = p_eid AND k.sd_aid = isdr AND k.type = 'SCP80' AND k.state = 'active' AND k.kvn <> p_kvn
				ORDER BY k.kvn;
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.adopt_keyset(smsr.eid, smallint, bigint) IS 'The card has proven a key set: it is active, and what was is retiring';

-- Only a pending set is ever given up: what was active was proven.
CREATE FUNCTION smsr.give_up_keyset(p_eid smsr.eid, p_kvn smallint, p_effect text, p_operation bigint, p_because text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		k smsr.keyset;
	BEGIN
		SELECT s.* INTO k FROM smsr.keyset s JOIN smsr.euicc e ON e.eid = s.eid AND e.isdr_aid = s.sd_aid
			WHERE s.eid = p_eid AND s.kvn = p_kvn AND s.state = 'pending' FOR UPDATE OF s;
		IF NOT FOUND THEN
			RETURN;
		END IF;
		IF p_effect = 'revoke_keys' THEN
			PERFORM smsr.move_keyset(p_eid, k.sd_aid, p_kvn, 'given_up', p_operation, p_because);
			RETURN;
		END IF;
		-- under its number the card has what it had before, or nothing
		IF p_effect = 'forget_keys' AND k.replaces IS NOT NULL THEN
			PERFORM smsr.move_keyset(p_eid, k.sd_aid, p_kvn,
				CASE k.replaces WHEN 'compromised' THEN 'compromise' ELSE 'given_up' END, p_operation, p_because);
			RETURN;
		END IF;
		DELETE FROM smsr.keyset s WHERE s.eid = p_eid AND s.sd_aid = k.sd_aid AND s.kvn = p_kvn;
		k.state := 'deleted';
		PERFORM smsr.record_audit(ARRAY[smsr.keyset_entry(k, 'pending', p_operation, p_because)]);
	END $$;
COMMENT ON FUNCTION smsr.give_up_keyset(smsr.eid, smallint, text, bigint, text) IS 'The card does not have a pending key set: forget_keys, as before it was made; revoke_keys, its number is taken; vacate_keys, it is free';

-- Which number a new set gets: what is compromised is taken out of the card by
-- it; else a free one, for that can be asked about; else the one that has been
-- out of use for longest.
CREATE FUNCTION smsr.next_kvn(p_eid smsr.eid, p_sd_aid smsr.aid, p_wanted int) RETURNS smallint
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT n.kvn
			FROM generate_series(1, 15) AS n (kvn)
				LEFT JOIN smsr.keyset k ON k.eid = p_eid AND k.sd_aid = p_sd_aid AND k.kvn = n.kvn
			WHERE (k.kvn IS NULL OR k.state IN ('revoked', 'compromised')) AND (p_wanted IS NULL OR n.kvn = p_wanted)
			ORDER BY coalesce(k.state = 'compromised', false) DESC, k.kvn IS NOT NULL, k.state_at, n.kvn
			LIMIT 1);
	END $$;
COMMENT ON FUNCTION smsr.next_kvn(smsr.eid, smsr.aid, int) IS 'Version of the next SCP80 key set of a security domain, 1 to 15; NULL if the one that is wanted is in use';

REVOKE ALL ON FUNCTION
	smsr.new_keyset(smsr.eid, smsr.aid, smallint, smallint, bytea, smallint),
	smsr.put_key_script(smsr.eid, smsr.aid, smallint, smallint, bytea, boolean),
	smsr.put_key_seals(smsr.eid, smsr.aid, smallint, smallint, bytea, smallint, smallint, bytea),
	smsr.seal_put_key(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea, bytea, bigint, smallint, smallint, bytea, boolean),
	smsr.put_key_answer(smsr.eid, smsr.aid, smallint, smallint, bytea, bytea)
FROM PUBLIC;
