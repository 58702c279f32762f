-- Rotation of card keys: a new key set is made and sealed here, brought to the
-- card by PUT KEY under the one in use, and in use itself once the card has
-- proven it.

CREATE FUNCTION smsr.put_key_script_of(p_eid smsr.eid, p_kvn smallint) RETURNS bytea
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT smsr.put_key_script(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, k.replaces IS NOT NULL)
			FROM smsr.euicc e JOIN smsr.keyset k ON k.eid = e.eid AND k.sd_aid = e.isdr_aid
			WHERE e.eid = p_eid AND k.kvn = p_kvn AND k.state = 'pending');
	END $$;
COMMENT ON FUNCTION smsr.put_key_script_of(smsr.eid, smallint) IS 'smsr.put_key_script() of a pending key set of an ISD-R';

CREATE FUNCTION smsr.put_key_answer_of(p_eid smsr.eid, p_kvn smallint, p_answer bytea) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT smsr.put_key_answer(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, p_answer)
			FROM smsr.euicc e JOIN smsr.keyset k ON k.eid = e.eid AND k.sd_aid = e.isdr_aid
			WHERE e.eid = p_eid AND k.kvn = p_kvn AND k.state = 'pending');
	END $$;
COMMENT ON FUNCTION smsr.put_key_answer_of(smsr.eid, smallint, bytea) IS 'smsr.put_key_answer() of a pending key set of an ISD-R';

-- What was begun as every operation is gets its key set and its script here, and
-- its first step, if an earlier rotation has left one open.
CREATE FUNCTION smsr.begin_rotations(p_requester text, p_eids smsr.eid[]) RETURNS SETOF smsr.eid
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		made smsr.keyset[];
		refused record;
	BEGIN
		WITH asked AS MATERIALIZED (
			SELECT o.eid, o.id, e.isdr_aid AS sd_aid, (o.arguments ->> 'kvn')::int AS wanted, o.requested_by, o.approval_id
			FROM smsr.operation o JOIN smsr.euicc e ON e.eid = o.eid
			WHERE o.eid = ANY (p_eids) AND o.function = 'rotate_keys' AND o.requester_id = p_requester
				AND o.status IS NULL AND o.stage = 'sending' AND o.kvn IS NULL
		), known AS MATERIALIZED (
			SELECT a.*, p.kvn AS pending, p.replaces, u.kvn AS used_kvn, u.key_type, u.sealed, u.type,
				CASE WHEN p.kvn IS NULL THEN smsr.next_kvn(a.eid, a.sd_aid, a.wanted)
					WHEN a.wanted IS NULL OR a.wanted = p.kvn THEN p.kvn END AS kvn
			FROM asked a
				LEFT JOIN LATERAL (SELECT k.* FROM smsr.keyset k
					WHERE k.eid = a.eid AND k.sd_aid = a.sd_aid AND k.type = 'SCP80' AND k.state = 'pending'
					ORDER BY k.kvn LIMIT 1) p ON true
				LEFT JOIN LATERAL (SELECT k.* FROM smsr.keyset k
					WHERE k.eid = a.eid AND k.sd_aid = a.sd_aid AND k.type = 'SCP80' AND k.state = 'active'
						AND k.counter < 1099511627775
					ORDER BY k.kvn DESC LIMIT 1) u ON true
		), sealed AS MATERIALIZED (
			SELECT k.*, n.sealed AS new_sealed, n.check_values
			FROM known k
				LEFT JOIN LATERAL smsr.new_keyset(k.eid, k.sd_aid, k.used_kvn, k.key_type, k.sealed, k.kvn) n
					ON k.pending IS NULL AND k.kvn IS NOT NULL AND k.used_kvn IS NOT NULL
		), stored AS (
			INSERT INTO smsr.keyset AS s (eid, sd_aid, kvn, type, key_type, check_values, state, sealed, origin, custodian, approval_id)
			SELECT n.eid, n.sd_aid, n.kvn, n.type, n.key_type, n.check_values, 'pending', n.new_sealed, 'rotation', n.requested_by, n.approval_id
			FROM sealed n WHERE n.new_sealed IS NOT NULL
			ON CONFLICT (eid, sd_aid, kvn) DO UPDATE SET type = excluded.type, key_type = excluded.key_type, counter = 0,
				check_values = excluded.check_values, state = 'pending', sealed = excluded.sealed, state_at = now(),
				replaces = s.state, first_counter = 0, origin = excluded.origin, created_at = now(),
				custodian = excluded.custodian, approval_id = excluded.approval_id
			RETURNING s.*
		), begun AS (
			UPDATE smsr.operation o SET kvn = n.kvn, step = p.step, doubt = p.doubt
			FROM sealed n CROSS JOIN LATERAL smsr.procedure('rotate_keys', NULL, 'waiting', NULL, false, false, 'start',
				keys_pending => n.pending IS NOT NULL, keys_replace => n.replaces IS NOT NULL, keys_mute => n.used_kvn IS NULL) p
			WHERE o.eid = n.eid AND o.id = n.id AND n.kvn IS NOT NULL AND (n.pending IS NOT NULL OR n.new_sealed IS NOT NULL)
		)
		SELECT array_agg(s ORDER BY s.eid) INTO made FROM stored s;

		PERFORM smsr.record_audit(array_agg(smsr.keyset_entry(k, k.replaces, o.id, NULL) ORDER BY k.eid))
			FROM unnest(made) k
				JOIN smsr.operation o ON o.eid = k.eid AND o.function = 'rotate_keys' AND o.status IS NULL AND o.stage = 'sending'
			HAVING count(*) > 0;
		UPDATE smsr.outbound b SET step = o.step,
				script = CASE o.step WHEN 'put_key' THEN smsr.put_key_script_of(o.eid, o.kvn)
					ELSE smsr.es5_script(o.step, NULL, NULL, NULL, NULL, NULL) END
			FROM smsr.operation o
			WHERE o.eid = ANY (p_eids) AND o.function = 'rotate_keys' AND o.requester_id = p_requester
				AND o.status IS NULL AND o.stage = 'sending' AND o.kvn IS NOT NULL
				AND b.eid = o.eid AND b.operation_id = o.id AND b.script = '';

		FOR refused IN
			SELECT o.eid, o.id,
				EXISTS (SELECT FROM smsr.keyset k WHERE k.eid = o.eid AND k.sd_aid = e.isdr_aid
					AND k.kvn = (o.arguments ->> 'kvn')::int AND k.state NOT IN ('revoked', 'compromised')) AS taken,
				EXISTS (SELECT FROM smsr.keyset k WHERE k.eid = o.eid AND k.sd_aid = e.isdr_aid
					AND k.type = 'SCP80' AND k.state = 'pending') AS pending
			FROM smsr.operation o JOIN smsr.euicc e ON e.eid = o.eid
			WHERE o.eid = ANY (p_eids) AND o.function = 'rotate_keys' AND o.requester_id = p_requester
				AND o.status IS NULL AND o.stage = 'sending' AND o.kvn IS NULL
			ORDER BY o.eid
		LOOP
			PERFORM smsr.drop_packet(refused.eid, refused.id, 'not sent', NULL);
			IF refused.taken OR refused.pending THEN
				PERFORM smsr.finish(refused.eid, refused.id, 'FAILED', '8.4', '3.3', CASE WHEN refused.taken
					THEN 'the ISD-R has a key set of this version' ELSE 'the ISD-R has a key set that is not proven: rotate without a version' END);
			ELSE
				PERFORM smsr.finish(refused.eid, refused.id, 'FAILED', '8.4', '3.9',
					'the ISD-R has no active SCP80 key set with a DEK that opens');
			END IF;
			RETURN NEXT refused.eid;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.begin_rotations(text, smsr.eid[]) IS 'Give the rotations of these eUICCs that have just been begun their key sets, pending, before anything is sent; returns the eUICCs whose rotation can not be';

CREATE FUNCTION smsr.rotate_keys(eid smsr.eid, kvn int DEFAULT NULL, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
		SELECT smsr.request_one('rotate_keys', eid, NULL, validity, call_id,
			CASE WHEN kvn IS NOT NULL THEN jsonb_build_object('kvn', kvn) END)
	$$;
COMMENT ON FUNCTION smsr.rotate_keys(smsr.eid, int, interval, text)
	IS 'Bring a new SCP80 key set to the ISD-R by PUT KEY, under this version or the next one that is free, and use it once the card has proven it; an earlier rotation that was left open is finished first. For administrators and key officers. Returns the operation''s id';

CREATE FUNCTION smsr.end_grace() RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		k record;
		n int := 0;
	BEGIN
		FOR k IN
			SELECT s.eid, s.sd_aid, s.kvn
			FROM smsr.keyset s JOIN smsr.euicc e ON e.eid = s.eid
			WHERE s.state = 'retiring' AND s.state_at <= now() - make_interval(secs => smsr.setting_seconds('retire_keys_after'))
				-- what is under way is answered under it
				AND NOT EXISTS (SELECT FROM smsr.outbound b WHERE b.eid = s.eid AND b.sd_aid = s.sd_aid AND b.kvn = s.kvn)
			ORDER BY s.state_at
			LIMIT 1000
			FOR NO KEY UPDATE OF e SKIP LOCKED
		LOOP
			PERFORM smsr.move_keyset(k.eid, k.sd_aid, k.kvn, 'grace_over');
			n := n + 1;
		END LOOP;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.end_grace() IS 'Revoke key sets that have been retiring for smsr.retire_keys_after and that no packet under way needs; returns how many';

CREATE FUNCTION smsr.mark_keyset(eid smsr.eid, kvn int, state text, because text, sd_aid smsr.aid DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		event text := CASE mark_keyset.state WHEN 'active' THEN 'taken_back' WHEN 'revoked' THEN 'revoke'
			WHEN 'compromised' THEN 'compromise' END;
		domain smsr.aid;
		k smsr.keyset;
		led text;
	BEGIN
		IF event IS NULL THEN
			RAISE EXCEPTION 'state must be active, revoked or compromised' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF coalesce(because, '') = '' THEN
			RAISE EXCEPTION 'because must be given' USING ERRCODE = 'invalid_parameter_value',
				HINT = 'It stands in the audit trail.';
		END IF;
		IF NOT smsr.own_only('mark_keyset') OR NOT smsr.second_person('mark_keyset', format('key set %s of eUICC %s %s', kvn, eid, mark_keyset.state),
				jsonb_build_array(eid::text, kvn, mark_keyset.state, sd_aid::text)) THEN
			RETURN NULL;
		END IF;
		SELECT coalesce(mark_keyset.sd_aid, e.isdr_aid) INTO domain FROM smsr.euicc e WHERE e.eid = mark_keyset.eid FOR NO KEY UPDATE;
		SELECT * INTO k FROM smsr.keyset s WHERE s.eid = mark_keyset.eid AND s.sd_aid = domain AND s.kvn = mark_keyset.kvn;
		IF k.kvn IS NULL THEN
			RAISE EXCEPTION 'eUICC % has no key set %', mark_keyset.eid, mark_keyset.kvn USING ERRCODE = 'no_data_found';
		END IF;
		led := smsr.keyset_life(k.state, event);
		IF led IS NULL THEN
			RAISE EXCEPTION 'key set can not go from state "%" to "%"', k.state, mark_keyset.state
				USING ERRCODE = 'object_not_in_prerequisite_state';
		END IF;
		-- nobody cuts a card off by a slip; what is compromised is out of use in any case
		IF led = 'revoked' AND k.state = 'active' AND NOT EXISTS (SELECT FROM smsr.keyset o
				WHERE o.eid = k.eid AND o.sd_aid = k.sd_aid AND o.type = k.type AND o.state = 'active' AND o.kvn <> k.kvn) THEN
			RAISE EXCEPTION 'key set % is the only active one', k.kvn
				USING ERRCODE = 'object_not_in_prerequisite_state',
					DETAIL = 'Without it nothing can be sent to the card.',
					HINT = 'Rotate first, or mark it as compromised.';
		END IF;
		led := smsr.move_keyset(k.eid, k.sd_aid, k.kvn, event, NULL, because);
		IF event = 'taken_back' THEN
			PERFORM smsr.move_keyset(o.eid, o.sd_aid, o.kvn, 'superseded', NULL, because)
				FROM smsr.keyset o
				WHERE o.eid = k.eid AND o.sd_aid = k.sd_aid AND o.type = k.type AND o.state = 'active' AND o.kvn <> k.kvn;
		ELSIF led = 'compromised' THEN
			PERFORM smsr.fall_back_on(k.eid, k.sd_aid, k.type, because);
		END IF;
		RETURN led;
	END $$;
COMMENT ON FUNCTION smsr.mark_keyset(smsr.eid, int, text, text, smsr.aid)
	IS 'Say of a key set, of the ISD-R unless another security domain is named, that it is revoked or compromised, or that one that is retiring is active again. Returns its state; NULL if it waits for a second person';

-- A set that was superseded is still on the card: better than none.
CREATE FUNCTION smsr.fall_back_on(p_eid smsr.eid, p_sd_aid smsr.aid, p_type text, p_because text) RETURNS smallint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		spare smallint;
	BEGIN
		SELECT k.kvn INTO spare FROM smsr.keyset k
			WHERE k.eid = p_eid AND k.sd_aid = p_sd_aid AND k.type = p_type AND k.state IN ('active', 'retiring')
			ORDER BY k.state, k.kvn DESC LIMIT 1;
		PERFORM smsr.move_keyset(p_eid, p_sd_aid, spare, 'taken_back', NULL, p_because);
		RETURN spare;
	END $$;
COMMENT ON FUNCTION smsr.fall_back_on(smsr.eid, smsr.aid, text, text) IS 'The version of the key set that is used from now on: an active one, else one that was retiring and is active again; NULL if there is none';

CREATE FUNCTION smsr.compromise_keys(eids smsr.eid[], because text, kvn int DEFAULT NULL)
	RETURNS TABLE (eid smsr.eid, compromised smallint[], usable smallint)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		card smsr.euicc;
		k smsr.keyset;
	BEGIN
		IF eids IS NULL OR array_position(eids, NULL) IS NOT NULL OR coalesce(because, '') = '' THEN
			RAISE EXCEPTION 'eids and because must be given' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		IF NOT smsr.own_only('compromise_keys') OR NOT smsr.second_person('compromise_keys', format('key sets of %s eUICCs are compromised', cardinality(eids)),
				jsonb_build_array(to_jsonb(eids::text[]), kvn, because), cardinality(eids)) THEN
			RETURN;
		END IF;
		FOR card IN SELECT e.* FROM smsr.euicc e WHERE e.eid = ANY (eids) ORDER BY e.eid FOR NO KEY UPDATE
		LOOP
			compromised := '{}';
			FOR k IN SELECT s.* FROM smsr.keyset s
				WHERE s.eid = card.eid AND s.sd_aid = card.isdr_aid AND s.type = 'SCP80'
					AND CASE WHEN compromise_keys.kvn IS NULL THEN s.state = 'active' ELSE s.kvn = compromise_keys.kvn END
				ORDER BY s.kvn
			LOOP
				PERFORM smsr.move_keyset(k.eid, k.sd_aid, k.kvn, 'compromise', NULL, because);
				compromised := compromised || k.kvn;
			END LOOP;
			IF cardinality(compromised) > 0 THEN
				eid := card.eid;
				usable := smsr.fall_back_on(card.eid, card.isdr_aid, 'SCP80', because);
				RETURN NEXT;
			END IF;
		END LOOP;
		PERFORM smsr.record_audit(NULL, 'compromise_keys', p_requester => smsr.setting('smsr_id'),
			p_details => jsonb_strip_nulls(jsonb_build_object('euiccs', cardinality(eids), 'kvn', kvn, 'because', because)));
	END $$;
COMMENT ON FUNCTION smsr.compromise_keys(smsr.eid[], text, int)
	IS 'Others may have the SCP80 key set of this version, or without one the active one, of these eUICCs'' ISD-Rs: nothing is sent under it any more, and nothing believed. A row for each, with the version that is used from now on: a rotation under it puts new keys in the other''s place. NULL: there is none';
