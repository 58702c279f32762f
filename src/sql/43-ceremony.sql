-- Keys that come in components: as many people as there are components, none of
-- whom ever has the key.  Each hands over a file on the server, or what is
-- wrapped under the KEK, and compares a check value; the rest is exclusive or.

CREATE FUNCTION smsr.open_key_ceremony(p_kind text, p_name text, p_variant text, p_components int, p_check_value bytea,
		p_validity interval) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	ceremony bigint;
BEGIN
	IF p_components IS NULL OR p_components NOT BETWEEN 2 AND 8 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'components must be 2 to 8';
	ELSIF p_check_value IS NULL OR length(p_check_value) <> 3 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'check_value must have 3 octets';
	ELSIF p_validity IS NULL OR p_validity <= interval '0' OR p_validity > interval '30 days' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'validity must be more than nothing and at most 30 days';
	END IF;
	INSERT INTO smsr.key_ceremony (kind, name, variant, components, check_value, begun_by, expires_at)
		VALUES (p_kind, p_name, p_variant, p_components, p_check_value, smsr.caller(), now() + p_validity)
		RETURNING id INTO ceremony;
	PERFORM smsr.record_key_act('begin_key_ceremony', jsonb_build_object('ceremony', ceremony, 'kind', p_kind, 'name', p_name,
		'variant', p_variant, 'components', p_components, 'check_value', encode(p_check_value, 'hex')));
	RETURN ceremony;
END
$$;
COMMENT ON FUNCTION smsr.open_key_ceremony(text, text, text, int, bytea, interval) IS 'Open a ceremony for a key of either kind, and record that';

CREATE FUNCTION smsr.begin_key_ceremony(eum_id text, mode text, components int, check_value bytea, validity interval DEFAULT '1 day')
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	IF eum_id IS NULL OR eum_id = '' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'eum_id must be the OID of an EUM';
	ELSIF mode IS NULL OR mode NOT IN ('aes-kw', 'aes-kwp', 'aes-cbc-zero-iv', 'aes-ecb-pkcs7', '3des-ecb') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'mode must be one that has a transport key',
			HINT = 'Modes are aes-kw, aes-kwp, aes-cbc-zero-iv, aes-ecb-pkcs7 and 3des-ecb.';
	END IF;
	RETURN smsr.open_key_ceremony('transport', eum_id, mode, components, check_value, validity);
END
$$;
COMMENT ON FUNCTION smsr.begin_key_ceremony(text, text, int, bytea, interval) IS 'Begin the entry of an EUM''s transport key in so many components, each by another person; check_value is that of the whole key. Returns the number of the ceremony';

CREATE FUNCTION smsr.begin_master_key_ceremony(name text, scheme text, components int, check_value bytea, validity interval DEFAULT '1 day')
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	PERFORM smsr.check_new_master_key(name, scheme);
	RETURN smsr.open_key_ceremony('master', name, scheme, components, check_value, validity);
END
$$;
COMMENT ON FUNCTION smsr.begin_master_key_ceremony(text, text, int, bytea, interval) IS 'Begin the entry of a master key in so many components, each by another person; check_value is that of the whole key. Returns the number of the ceremony';

-- What stays is who brought which component; the component does not.
CREATE FUNCTION smsr.end_key_ceremony(p_ceremony bigint, p_state text, p_because text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	UPDATE smsr.key_component SET sealed = NULL WHERE ceremony_id = p_ceremony;
	UPDATE smsr.key_ceremony SET state = p_state, ended_at = clock_timestamp(), because = p_because WHERE id = p_ceremony;
	PERFORM smsr.record_key_act('end_key_ceremony',
		jsonb_strip_nulls(jsonb_build_object('ceremony', p_ceremony, 'state', p_state, 'because', p_because)),
		CASE p_state WHEN 'done' THEN 'EXECUTED_SUCCESS' WHEN 'expired' THEN 'EXPIRED' ELSE 'FAILED' END);
END
$$;
COMMENT ON FUNCTION smsr.end_key_ceremony(bigint, text, text) IS 'End a ceremony in a state, without its components';

CREATE FUNCTION smsr.ceremony_to_enter(p_ceremony bigint) RETURNS smsr.key_ceremony
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	ceremony smsr.key_ceremony;
BEGIN
	SELECT * INTO ceremony FROM smsr.key_ceremony c WHERE c.id = p_ceremony FOR UPDATE;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = 'there is no such key ceremony';
	ELSIF ceremony.state <> 'open' THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('key ceremony has ended: %s', ceremony.state);
	END IF;
	RETURN ceremony;
END
$$;
COMMENT ON FUNCTION smsr.ceremony_to_enter(bigint) IS 'A ceremony that is open, locked; an error otherwise';

CREATE FUNCTION smsr.enter_key_component(ceremony bigint, path text DEFAULT NULL, wrapped bytea DEFAULT NULL) RETURNS bytea
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	c smsr.key_ceremony := smsr.ceremony_to_enter(ceremony);
	n smallint;
	component record;
BEGIN
	IF c.expires_at <= now() THEN
		-- no error: that would take back that it has ended
		PERFORM smsr.end_key_ceremony(c.id, 'expired');
		RAISE WARNING 'key ceremony has expired';
		RETURN NULL;
	ELSIF num_nonnulls(path, wrapped) <> 1 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a component is given by the path of its file, or wrapped under the KEK';
	ELSIF EXISTS (SELECT FROM smsr.key_component o WHERE o.ceremony_id = c.id
			AND (o.entered_by = smsr.caller() OR o.session_by = session_user)) THEN
		RAISE insufficient_privilege USING
			MESSAGE = 'each component must be entered by another person',
			DETAIL = 'This role or this login has entered one already.';
	END IF;
	n := (SELECT count(*) + 1 FROM smsr.key_component o WHERE o.ceremony_id = c.id);
	IF path IS NOT NULL THEN
		SELECT k.* INTO component FROM smsr.seal_key_file('component', c.id::text, c.kind || ' ' || c.variant, n, path) AS k;
	ELSE
		SELECT k.* INTO component FROM smsr.seal_key('component', c.id::text, c.kind || ' ' || c.variant, n, wrapped, NULL) AS k;
	END IF;
	IF EXISTS (SELECT FROM smsr.key_component o WHERE o.ceremony_id = c.id AND o.check_value = component.check_value) THEN
		RAISE unique_violation USING MESSAGE = 'this component has been entered already';
	ELSIF EXISTS (SELECT FROM smsr.key_component o WHERE o.ceremony_id = c.id AND length(o.sealed) <> length(component.sealed)) THEN
		RAISE data_exception USING MESSAGE = 'components of a key must be of the same length';
	END IF;
	INSERT INTO smsr.key_component (ceremony_id, number, sealed, check_value, entered_by, session_by)
		VALUES (c.id, n, component.sealed, component.check_value, smsr.caller(), session_user);
	PERFORM smsr.record_key_act('enter_key_component', jsonb_build_object('ceremony', c.id, 'component', n, 'components', c.components,
		'check_value', encode(component.check_value, 'hex')));
	IF n = c.components THEN
		PERFORM smsr.complete_key_ceremony(c);
	END IF;
	RETURN component.check_value;
END
$$;
COMMENT ON FUNCTION smsr.enter_key_component(bigint, text, bytea) IS 'Enter the next component of a key: a file on the server as smsr.import_transport_key_file() takes it, or wrapped under the KEK. Returns its check value, to be compared with the one on paper; with the last component the key is there, if its check value is right. NULL: the ceremony had expired';

CREATE FUNCTION smsr.complete_key_ceremony(c smsr.key_ceremony) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	people name[] := ARRAY(SELECT o.entered_by FROM smsr.key_component o WHERE o.ceremony_id = c.id ORDER BY o.number);
	number smallint := CASE c.kind WHEN 'transport' THEN smsr.next_transport_key_id(c.name) ELSE 1 END;
	key record;
BEGIN
	IF c.kind = 'master' AND EXISTS (SELECT FROM smsr.master_key m WHERE m.name = c.name) THEN
		PERFORM smsr.end_key_ceremony(c.id, 'failed', 'there is a master key of that name now');
		RAISE WARNING 'key ceremony has failed: there is a master key "%" now', c.name;
		RETURN;
	END IF;
	SELECT k.* INTO key FROM smsr.combine_key(c.kind, c.name, c.variant, number, c.id,
		ARRAY(SELECT o.sealed FROM smsr.key_component o WHERE o.ceremony_id = c.id ORDER BY o.number)) AS k;
	IF key.check_value IS DISTINCT FROM c.check_value THEN
		-- the components were what their owners compared: one of them is of another key
		PERFORM smsr.end_key_ceremony(c.id, 'failed', format('check value is %s and not %s',
			coalesce(encode(key.check_value, 'hex'), 'that of no key'), encode(c.check_value, 'hex')));
		RAISE WARNING 'key ceremony has failed: the components make another key'
			USING DETAIL = format('Its check value is %s and not %s.', coalesce(encode(key.check_value, 'hex'), 'that of no key'),
				encode(c.check_value, 'hex'));
		RETURN;
	END IF;
	IF c.kind = 'transport' THEN
		PERFORM smsr.add_transport_key('import_transport_key', c.name, number, c.variant, key.sealed, key.check_value, people, c.id);
	ELSE
		PERFORM smsr.add_master_key('import_master_key', c.name, c.variant, key.sealed, key.check_value, people, c.id);
	END IF;
	PERFORM smsr.end_key_ceremony(c.id, 'done');
END
$$;
COMMENT ON FUNCTION smsr.complete_key_ceremony(smsr.key_ceremony) IS 'All components are there: make the key of them if its check value is right, and forget them in any case';

CREATE FUNCTION smsr.abort_key_ceremony(ceremony bigint, because text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	c smsr.key_ceremony := smsr.ceremony_to_enter(ceremony);
BEGIN
	PERFORM smsr.end_key_ceremony(c.id, 'aborted', because);
END
$$;
COMMENT ON FUNCTION smsr.abort_key_ceremony(bigint, text) IS 'End a ceremony without a key; its components are forgotten';

CREATE FUNCTION smsr.expire_key_ceremonies() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	PERFORM smsr.end_key_ceremony(e.id, 'expired')
		FROM (SELECT c.id FROM smsr.key_ceremony c
			WHERE c.state = 'open' AND c.expires_at <= now()
			ORDER BY c.id FOR UPDATE SKIP LOCKED) AS e;
END
$$;
COMMENT ON FUNCTION smsr.expire_key_ceremonies() IS 'End the ceremonies whose time is over; part of smsr.maintain()';
