-- Parties and what concerns them: by administrators of this SM-SR.  Functions
-- that touch no eUICC have no operation; their records stand in the audit
-- trail's chain of the SM-SR itself.

CREATE FUNCTION smsr.register_party(oid text, kind text, name text, role_name name DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF oid IS NULL OR oid !~ '^[0-2]([.](0|[1-9][0-9]*))+$' THEN
			RAISE EXCEPTION 'oid must be an object identifier' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It is "%s".', oid), HINT = 'An object identifier is numbers joined by dots, such as 1.3.6.1.4.1.99999.3.';
		ELSIF oid = smsr.setting('smsr_id') THEN
			RAISE EXCEPTION 'oid must not be that of this SM-SR' USING ERRCODE = 'invalid_parameter_value';
		ELSIF kind IS NULL OR kind NOT IN ('EUM', 'SM-DP', 'MNO', 'M2M-SP', 'SM-SR') THEN
			RAISE EXCEPTION 'kind must be EUM, SM-DP, MNO, M2M-SP or SM-SR' USING ERRCODE = 'invalid_parameter_value';
		ELSIF name IS NULL OR name = '' THEN
			RAISE EXCEPTION 'name must not be empty' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF NOT smsr.own_only('register_party') OR NOT smsr.second_person('register_party', format('%s %s, %s', kind, oid, name),
				jsonb_build_array(oid, kind, name, role_name)) THEN
			RETURN false;
		END IF;
		INSERT INTO smsr.party (oid, kind, name) VALUES (register_party.oid, register_party.kind, register_party.name)
			ON CONFLICT ON CONSTRAINT party_pkey DO NOTHING;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'party % is already registered', oid USING ERRCODE = 'unique_violation';
		END IF;
		PERFORM smsr.record_audit(NULL, 'register_party', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('oid', oid, 'kind', kind, 'name', name));
		IF role_name IS NOT NULL THEN
			PERFORM smsr.bind(oid, role_name);
		END IF;
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.register_party(text, text, text, name) IS 'Make a party known, by OID; kind is EUM, SM-DP, MNO, M2M-SP or SM-SR; role_name: the first database role that acts for it. False: it waits for a second person';

CREATE FUNCTION smsr.bind(p_oid text, p_role name) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF NOT EXISTS (SELECT FROM smsr.party p WHERE p.oid = p_oid) THEN
			RAISE EXCEPTION 'there is no party %', coalesce(p_oid, 'null') USING ERRCODE = 'no_data_found';
		ELSIF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = p_role) THEN
			RAISE EXCEPTION 'role_name must be a role; there is no "%"', p_role USING ERRCODE = 'undefined_object';
		ELSIF smsr.is_administrator(p_role) THEN
			-- and what a party may do, a role that may do anything is not to be narrowed to by mistake
			RAISE EXCEPTION 'role "%" is an administrator of this SM-SR and can not act for a party', p_role
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		INSERT INTO smsr.party_role (role_name, party_id, bound_by) VALUES (p_role, p_oid, smsr.caller())
			ON CONFLICT ON CONSTRAINT party_role_pkey DO NOTHING;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'role "%" already acts for a party', p_role USING ERRCODE = 'unique_violation';
		END IF;
		IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'smsr_tenant') THEN
			EXECUTE format('GRANT smsr_tenant TO %I', p_role);
		END IF;
		PERFORM smsr.record_audit(NULL, 'bind_role', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('oid', p_oid, 'role_name', p_role));
	END $$;
COMMENT ON FUNCTION smsr.bind(text, name) IS 'Let a role act for a party; it becomes a member of smsr_tenant';

CREATE FUNCTION smsr.bind_role(oid text, role_name name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF NOT smsr.own_only('bind_role') OR NOT smsr.second_person('bind_role', format('role %s acts for %s', role_name, oid),
				jsonb_build_array('bind', oid, role_name)) THEN
			RETURN false;
		END IF;
		PERFORM smsr.bind(oid, role_name);
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.bind_role(text, name) IS 'Let a database role act for a party, with what smsr_tenant may do. False: it waits for a second person';

CREATE FUNCTION smsr.unbind_role(role_name name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		bound smsr.party_role;
	BEGIN
		IF NOT smsr.own_only('unbind_role') THEN
			RETURN false;
		END IF;
		DELETE FROM smsr.party_role r WHERE r.role_name = unbind_role.role_name RETURNING * INTO bound;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'role "%" acts for no party', role_name USING ERRCODE = 'no_data_found';
		END IF;
		IF (SELECT count(*) FROM pg_roles r WHERE r.rolname IN ('smsr_tenant', unbind_role.role_name)) = 2 THEN
			EXECUTE format('REVOKE smsr_tenant FROM %I', role_name);
		END IF;
		PERFORM smsr.record_audit(NULL, 'unbind_role', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('oid', bound.party_id, 'role_name', role_name));
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.unbind_role(name) IS 'A role acts for its party no more; at once, also for sessions that are open';

CREATE FUNCTION smsr.pin_eid_range(first smsr.eid, last smsr.eid, party_id text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF first IS NULL OR last IS NULL OR last < first THEN
			RAISE EXCEPTION 'first and last must be EIDs, the first not after the last' USING ERRCODE = 'invalid_parameter_value';
		ELSIF smsr.party_kind(party_id) IS NULL OR smsr.party_kind(party_id) NOT IN ('MNO', 'SM-DP') THEN
			RAISE EXCEPTION 'party_id must be that of an operator or an SM-DP' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It is "%s".', party_id);
		END IF;
		IF NOT smsr.own_only('pin_eid_range') OR NOT smsr.second_person('pin_eid_range', format('%s to %s for %s', first, last, party_id),
				jsonb_build_array(first::text, last::text, party_id)) THEN
			RETURN false;
		END IF;
		INSERT INTO smsr.eid_range (first, last, party_id)
			VALUES (pin_eid_range.first, pin_eid_range.last, pin_eid_range.party_id)
			ON CONFLICT ON CONSTRAINT eid_range_pkey DO NOTHING;
		PERFORM smsr.record_audit(NULL, 'pin_eid_range', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('first', first::text, 'last', last::text, 'party_id', party_id));
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.pin_eid_range(smsr.eid, smsr.eid, text) IS 'eUICCs whose EIDs are in this range, both ends included, are for this party and others that the range is pinned to: no other operator or SM-DP sees or uses them. False: it waits for a second person';

CREATE FUNCTION smsr.unpin_eid_range(first smsr.eid, last smsr.eid, party_id text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF NOT smsr.own_only('unpin_eid_range') OR NOT smsr.second_person('pin_eid_range', format('no more %s to %s for %s', first, last, party_id),
				jsonb_build_array('unpin', first::text, last::text, party_id)) THEN
			RETURN false;
		END IF;
		DELETE FROM smsr.eid_range r WHERE r.first = unpin_eid_range.first AND r.last = unpin_eid_range.last
			AND r.party_id = unpin_eid_range.party_id;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'this range is not pinned to %', party_id USING ERRCODE = 'no_data_found';
		END IF;
		PERFORM smsr.record_audit(NULL, 'unpin_eid_range', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('first', first::text, 'last', last::text, 'party_id', party_id));
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.unpin_eid_range(smsr.eid, smsr.eid, text) IS 'Take smsr.pin_eid_range() back for one party';
