-- Campaigns on a router: one on each shard that has members, under one name.

CREATE FUNCTION smsr.router_campaign(cluster name, function regprocedure, way text) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $generator$
	DECLARE
		p pg_proc := (SELECT x FROM pg_proc x WHERE x.oid = function);
		made CONSTANT boolean := way = 'campaign made';
		-- a new one, under a name of its own
		named CONSTANT boolean := 'name' = ANY (p.proargnames[1:p.pronargs]);
		nothing CONSTANT boolean := p.prorettype = 'void'::regtype;
		-- the id of a campaign is a shard's own, its name is not
		arguments CONSTANT text := CASE WHEN made THEN pg_get_function_arguments(function)
			ELSE replace(pg_get_function_arguments(function), 'campaign bigint', 'campaign text') END;
		names CONSTANT text[] := p.proargnames[1:p.pronargs];
		types CONSTANT text[] := ARRAY(SELECT CASE WHEN NOT made AND i = 1 THEN 'text' ELSE format_type(t, NULL) END
			FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u (t, i) ORDER BY u.i);
		signature CONSTANT text := array_to_string(types || 'text'::text, ', ');
		roles CONSTANT text := (SELECT string_agg(quote_ident(f.role_name), ', ' ORDER BY f.role_name)
			FROM smsr.shipped_functions() f WHERE f.function_name = p.proname AND f.role_name <> 'smsr_gateway');
		call text;
	BEGIN
		IF way = 'campaign rows' THEN
			RETURN format($sql$
CREATE FUNCTION smsr.%1$I(%2$s) RETURNS %3$s
	LANGUAGE plproxy
	AS $$
	CLUSTER %4$L; RUN ON ALL; SELECT (x.f).* FROM (SELECT smsr.%1$I(k."id") AS f FROM smsr.campaign k WHERE k."name" = $1 OFFSET 0) x;
	$$;
COMMENT ON FUNCTION smsr.%1$I(text) IS %5$L;
GRANT EXECUTE ON FUNCTION smsr.%1$I(text) TO %6$s;
$sql$, p.proname, arguments, pg_get_function_result(function), cluster, obj_description(function, 'pg_proc') || '. On a router: rows of each shard', roles);
		END IF;
		call := (SELECT string_agg(CASE WHEN i = 1 AND NOT made THEN 'c."id"' ELSE '$' || i + 1 END, ', ' ORDER BY i) FROM generate_series(1, p.pronargs) i);
		call := format(CASE WHEN made THEN 'SELECT smsr.%I(%s) FROM pg_catalog.set_config(''smsr.reason'', coalesce($%s, ''''), true)'
			WHEN nothing THEN 'SELECT coalesce(smsr.%I(%s)::text, '''') FROM (SELECT k."id" FROM smsr.campaign k, pg_catalog.set_config(''smsr.reason'', coalesce($%s, ''''), true) WHERE k."name" = $2 OFFSET 0) c'
			ELSE 'SELECT smsr.%I(%s) FROM (SELECT k."id" FROM smsr.campaign k, pg_catalog.set_config(''smsr.reason'', coalesce($%s, ''''), true) WHERE k."name" = $2 OFFSET 0) c' END,
			p.proname, call, p.pronargs + 2);
		RETURN format($sql$
CREATE FUNCTION smsr_router.%1$I(at_place int, %2$s, call_reason text) RETURNS SETOF %3$s
	LANGUAGE plproxy
	AS $$
	CLUSTER %4$L; RUN ON at_place; %5$s;
	$$;
COMMENT ON FUNCTION smsr_router.%1$I(int, %6$s) IS 'What stands behind the function of schema smsr, on one shard';
CREATE FUNCTION smsr.%1$I(%7$s, call_reason text DEFAULT current_setting('smsr.reason', true)) RETURNS TABLE (shard int, outcome %3$s)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	AS $$
	#variable_conflict use_variable
	DECLARE
		one int;
		none boolean := true;
		fault text;
		state text;
	BEGIN
		PERFORM smsr_router.all_there();
		FOR one IN SELECT n FROM smsr_router.numbers() n ORDER BY n LOOP
			shard := one;
			BEGIN
				FOR outcome IN SELECT r FROM smsr_router.%1$I(smsr_router.place_of_shard(one), %8$s, call_reason) r LOOP
					none := false;
					RETURN NEXT;
				END LOOP;
			EXCEPTION WHEN %9$s THEN
				GET STACKED DIAGNOSTICS fault = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
				%10$s
			END;
		END LOOP;
		IF none THEN
			RAISE EXCEPTION '%%', coalesce(fault, 'no shard has such a campaign of yours') USING ERRCODE = coalesce(state, 'P0002');
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.%1$I(%6$s) IS %11$L;
GRANT EXECUTE ON FUNCTION smsr.%1$I(%6$s), smsr_router.%1$I(int, %6$s) TO %12$s;
$sql$,
			p.proname, (SELECT string_agg(format('%I %s', n, t), ', ' ORDER BY i) FROM unnest(names, types) WITH ORDINALITY u (n, t, i)),
			CASE WHEN nothing THEN 'text' ELSE format_type(p.prorettype, NULL) END, cluster, call, signature, arguments,
			(SELECT string_agg(quote_ident(n), ', ' ORDER BY i) FROM unnest(names) WITH ORDINALITY u (n, i)),
			CASE WHEN named THEN 'no_data_found OR unique_violation' ELSE 'object_not_in_prerequisite_state' END,
			-- of one that was made before, or is where it is to be, this call is the rest
			CASE WHEN named THEN $sql$IF state <> 'P0002' AND NOT EXISTS (SELECT FROM smsr_router.has_campaign(smsr_router.place_of_shard(one), name)) THEN
					RAISE;
				END IF;$sql$ ELSE 'NULL;' END,
			obj_description(function, 'pg_proc') || '. On a router: by its name, on each shard that has members of it',
			roles);
	END $generator$;
COMMENT ON FUNCTION smsr.router_campaign(name, regprocedure, text) IS 'A function about campaigns, for a router';

CREATE FUNCTION smsr.router_campaigns(cluster name) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $generator$
	BEGIN
		RETURN smsr.router_remote(cluster, 'has_campaign', 'at_place int, campaign text', 'SETOF bigint', 'at_place',
				'SELECT k."id" FROM smsr.campaign k WHERE k."name" = $2', 'Whether a shard has a campaign of this name')
			|| (SELECT string_agg(smsr.router_campaign(cluster, r.function, r.way), '') FROM smsr.router_routes() r WHERE r.way LIKE 'campaign%')
			|| $sql$
CREATE VIEW smsr.campaign WITH (security_invoker = true) AS
	SELECT t.name, t.function, t.party_id, t.shards, t.state, t.because,
		repeat('#', (t.over * 30 / t.members)::int)
			|| repeat('=', ((t.members - t.waiting) * 30 / t.members)::int - (t.over * 30 / t.members)::int)
			|| repeat('.', 30 - ((t.members - t.waiting) * 30 / t.members)::int) AS bar,
		round(100.0 * t.over / t.members, 1) AS percent,
		t.members, t.done, t.warned, t.failed, t.cancelled, t.running, t.again, t.waiting, t.retries, t.per_second,
		t.expected_at, t.earliest_at, t.latest_at, t.created_at, t.started_at, t.ended_at
	FROM (SELECT p.name, p.function, p.party_id, count(*) AS shards, string_agg(DISTINCT p.state, ', ' ORDER BY p.state) AS state,
			string_agg(DISTINCT p.because, '; ' ORDER BY p.because) AS because,
			sum(p.members) AS members, sum(p.done) AS done, sum(p.warned) AS warned, sum(p.failed) AS failed, sum(p.cancelled) AS cancelled,
			sum(p.running) AS running, sum(p.again) AS again, sum(p.waiting) AS waiting, sum(p.retries) AS retries,
			sum(p.per_second) AS per_second, trunc(sum(p.done + p.failed + p.cancelled)) AS over,
			max(p.expected_at) AS expected_at, max(p.earliest_at) AS earliest_at, max(p.latest_at) AS latest_at,
			min(p.created_at) AS created_at, min(p.started_at) AS started_at,
			CASE WHEN bool_and(p.ended_at IS NOT NULL) THEN max(p.ended_at) END AS ended_at
		FROM smsr.campaign_progress p GROUP BY p.name, p.function, p.party_id) t;
COMMENT ON VIEW smsr.campaign IS 'How far campaigns are, over all shards; smsr.campaign_progress has a row a shard';
GRANT SELECT ON smsr.campaign TO smsr_administrator, smsr_auditor, smsr_tenant, smsr_key_officer;
GRANT EXECUTE ON FUNCTION smsr_router.has_campaign(int, text) TO smsr_administrator, smsr_tenant, smsr_key_officer;
$sql$;
	END $generator$;
COMMENT ON FUNCTION smsr.router_campaigns(name) IS 'What a router has of campaigns';
