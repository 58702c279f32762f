-- How fast binds and tenants may go, and in which proportion: by administrators of
-- this SM-SR.  What is set holds from the next claim on.

CREATE FUNCTION smsr.check_limit(p_per_second int) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		-- the short messages of one packet leave together
		IF p_per_second < smsr.setting('max_segments')::int THEN
			RAISE EXCEPTION 'per_second must be % at least, or NULL for no limit', smsr.setting('max_segments')
				USING ERRCODE = 'invalid_parameter_value',
					DETAIL = format('It is %s; one packet may take as many short messages as smsr.max_segments says, and they leave within one second.', p_per_second),
					HINT = 'Where all commands are short, smsr.max_segments can be lowered.';
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.check_limit(int) IS 'Error if a limit is one under which some packets could never leave';

CREATE FUNCTION smsr.set_gateway_limit(gateway text, per_second int, ahead interval DEFAULT '0') RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF gateway IS NULL OR gateway = '' THEN
			RAISE EXCEPTION 'gateway must be named' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM smsr.check_limit(per_second);
		IF ahead IS NULL OR ahead NOT BETWEEN interval '0' AND interval '10 s' THEN
			RAISE EXCEPTION 'ahead must be between 0 and 10 seconds' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It is %s.', coalesce(ahead::text, 'null'));
		END IF;
		IF NOT smsr.own_only('set_gateway_limit') THEN
			RETURN false;
		END IF;
		-- no claim of this bind is under way
		INSERT INTO smsr.gateway_pace (gateway) VALUES (set_gateway_limit.gateway)
			ON CONFLICT ON CONSTRAINT gateway_pace_pkey DO UPDATE SET pace = smsr.gateway_pace.pace;
		IF per_second IS NULL THEN
			DELETE FROM smsr.gateway_limit l WHERE l.gateway = set_gateway_limit.gateway;
		ELSE
			INSERT INTO smsr.gateway_limit AS l (gateway, per_second, ahead, set_by)
				VALUES (set_gateway_limit.gateway, set_gateway_limit.per_second,
					make_interval(secs => extract(epoch FROM set_gateway_limit.ahead)::double precision), smsr.caller())
				ON CONFLICT ON CONSTRAINT gateway_limit_pkey
					DO UPDATE SET per_second = excluded.per_second, ahead = excluded.ahead, set_at = now(), set_by = excluded.set_by;
		END IF;
		PERFORM smsr.record_audit(NULL, 'set_gateway_limit', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('gateway', gateway, 'per_second', per_second)
				|| CASE WHEN ahead > interval '0' THEN jsonb_build_object('ahead', extract(epoch FROM ahead)) ELSE '{}' END);
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.set_gateway_limit(text, int, interval) IS 'From the next claim on a bind is given at most so many short messages in any second, whoever claims under its name; NULL: as many as it asks for. With ahead those of so much time to come, too: for a single gateway that spaces them itself. False: refused';

CREATE FUNCTION smsr.set_tenant_share(tenant text, weight int DEFAULT 1, per_second int DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF smsr.party_kind(tenant) IS NULL THEN
			RAISE EXCEPTION 'tenant must be the OID of a party, or this SM-SR''s own' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It is "%s".', tenant);
		ELSIF weight IS NULL OR weight NOT BETWEEN 1 AND 1000 THEN
			RAISE EXCEPTION 'weight must be between 1 and 1000' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM smsr.check_limit(per_second);
		IF NOT smsr.own_only('set_tenant_share') THEN
			RETURN false;
		END IF;
		INSERT INTO smsr.tenant_share AS s (tenant, weight, per_second, set_by)
			VALUES (set_tenant_share.tenant, set_tenant_share.weight, set_tenant_share.per_second, smsr.caller())
			ON CONFLICT ON CONSTRAINT tenant_share_pkey
				DO UPDATE SET weight = excluded.weight, per_second = excluded.per_second, set_at = now(), set_by = excluded.set_by;
		INSERT INTO smsr.tenant_pace (tenant) VALUES (set_tenant_share.tenant) ON CONFLICT ON CONSTRAINT tenant_pace_pkey DO NOTHING;
		PERFORM smsr.record_audit(NULL, 'set_tenant_share', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('tenant', tenant, 'weight', weight, 'per_second', per_second));
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.set_tenant_share(text, int, int) IS 'From the next claim on a tenant gets so many times what one of weight 1 gets in the same priority, and over all binds at most so many short messages in any second from its lanes; NULL: no limit. False: refused';
