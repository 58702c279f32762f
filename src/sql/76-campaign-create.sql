-- From a SELECT to a frozen cohort.

CREATE FUNCTION smsr.read_cohort(query text, search_path text, most bigint, seconds float8, argument_names text[], needs_iccid boolean)
	RETURNS TABLE (n int, eid smsr.eid, iccid smsr.iccid, arguments jsonb, time_zone text, wave int)
	AS 'MODULE_PATHNAME', 'smsr_read_cohort'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10000;
COMMENT ON FUNCTION smsr.read_cohort(text, text, bigint, float8, text[], boolean)
	IS 'The rows of a SELECT, read with the rights of whoever calls in a read-only subtransaction that is rolled back, columns by name; whatever is not a cohort is an error';

CREATE FUNCTION smsr.cohort_plan(query text, search_path text, seconds float8, OUT plan text, OUT columns text[])
	AS 'MODULE_PATHNAME', 'smsr_cohort_plan'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION smsr.cohort_plan(text, text, float8) IS 'What EXPLAIN would show of a cohort''s query to whoever calls, who need not be let see it, and the names of its columns';

CREATE FUNCTION smsr.argument_names(function text) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE function
			WHEN 'create_isdp' THEN '{mno_id,required_memory,more_to_do}'::text[]
			WHEN 'master_delete' THEN '{sd_provider_id,sd_image_number,application_provider_id,token_id,delete_token}'
			WHEN 'update_connectivity_parameters' THEN '{commands}'
			WHEN 'update_smsr_addressing' THEN '{sms_address}'
			WHEN 'rotate_keys' THEN '{kvn}'
			WHEN 'audit_eis' THEN '{iccids}'
			ELSE '{}' END;
	END;
COMMENT ON FUNCTION smsr.argument_names(text) IS 'Names of the arguments that operations of a function keep, which may be columns of a cohort';

CREATE FUNCTION smsr.arguments_fault(function text, arguments jsonb) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		unknown text;
		fault text;
		script bytea;
	BEGIN
		SELECT k INTO unknown FROM jsonb_object_keys(arguments) k WHERE k <> ALL (smsr.argument_names(function)) ORDER BY k LIMIT 1;
		IF FOUND THEN
			RETURN format('%s has no argument "%s"', function, unknown);
		END IF;
		IF function = 'create_isdp' THEN
			IF (arguments ->> 'mno_id' ~ '^[0-2](\.(0|[1-9][0-9]*))+$') IS NOT TRUE THEN
				RETURN 'mno_id must be an object identifier';
			ELSIF (CASE jsonb_typeof(arguments -> 'required_memory') WHEN 'number' THEN
					(arguments ->> 'required_memory')::numeric BETWEEN 0 AND 2147483647 AND (arguments ->> 'required_memory') !~ '[^0-9]' END) IS NOT TRUE THEN
				RETURN 'required_memory must be a number of octets, not below 0';
			END IF;
		ELSIF function = 'rotate_keys' THEN
			IF arguments ? 'kvn' AND (CASE jsonb_typeof(arguments -> 'kvn') WHEN 'number'
					THEN (arguments ->> 'kvn')::numeric IN (SELECT generate_series(1, 15)) END) IS NOT TRUE THEN
				RETURN 'kvn, the version of the new key set, must be between 1 and 15';
			END IF;
		ELSIF function IN ('master_delete', 'update_smsr_addressing', 'update_connectivity_parameters') THEN
			-- built once for nothing, as smsr.request_for() does
			BEGIN
				SELECT smsr.es5_script(s.step, smsr.isdp_aid(16), NULL, NULL, arguments, NULL) INTO script
					FROM smsr.procedure(function, NULL, 'waiting', NULL, false, false, 'start') s;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS fault = MESSAGE_TEXT;
				RETURN fault;
			END;
			-- as smsr.claim_sms() counts
			IF smsr.sms_segment_count(length(script) + 45) > smsr.setting('max_segments')::int THEN
				RETURN 'the command takes more short messages than smsr.max_segments';
			END IF;
		END IF;
		RETURN NULL;
	END $$;
COMMENT ON FUNCTION smsr.arguments_fault(text, jsonb) IS 'What is wrong with the arguments of a call; NULL if nothing is';

CREATE FUNCTION smsr.read_campaign_options(options jsonb, base smsr.campaign_options DEFAULT NULL) RETURNS smsr.campaign_options
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		o smsr.campaign_options;
		key text;
		fault text;
	BEGIN
		IF options IS NULL OR jsonb_typeof(options) <> 'object' THEN
			RAISE EXCEPTION 'options must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		-- IS NOT NULL would ask whether all of it is
		IF base IS DISTINCT FROM NULL THEN
			o := base;
		ELSE
			o.waves := 'rest';
			o.soak := '0';
			o.max_failure_rate := 0.1;
			o.confidence := 0.99;
			o.minimum := 20;
			o.priority := 2;
			o.time_zone := 'UTC';
			o.attempts := 3;
			o.retry_after := '10 min';
			o.backlog := 2000;
			o.most := 10000000;
			o.timeout := '1 min';
		END IF;
		FOR key IN SELECT k FROM jsonb_object_keys(options) k ORDER BY k
		LOOP
			IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = 'smsr.campaign_options'::regclass AND a.attname = key) THEN
				RAISE EXCEPTION 'a campaign has no option "%"', key
					USING ERRCODE = 'invalid_parameter_value',
						HINT = format('Options are %s.', (SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a
							WHERE a.attrelid = 'smsr.campaign_options'::regclass AND a.attnum > 0));
			END IF;
			BEGIN
				-- "all" is no number
				o := jsonb_populate_record(o, jsonb_build_object(key,
					CASE WHEN key = 'backlog' AND options ->> key = 'all' THEN 'null'::jsonb ELSE options -> key END));
			EXCEPTION WHEN data_exception THEN
				RAISE EXCEPTION 'option % can not be "%"', key, options ->> key
					USING ERRCODE = 'invalid_parameter_value', DETAIL = format('%s.', SQLERRM);
			END;
		END LOOP;
		-- what is wrong, the first of it
		fault := CASE
			WHEN length(concat_ws(', ', o.reason, o.ticket)) > 255 THEN 'reason and ticket must have at most 255 characters together'
			WHEN o.waves IS NOT NULL AND smsr.waves_fault(o.waves) IS NOT NULL THEN format('waves: %s', smsr.waves_fault(o.waves))
			WHEN (o.soak BETWEEN '0' AND '366 days') IS NOT TRUE THEN 'soak must be from 0 to 366 days'
			WHEN (o.max_failure_rate BETWEEN 0 AND 1) IS NOT TRUE THEN 'max_failure_rate must be from 0 to 1'
			WHEN (o.confidence >= 0.5 AND o.confidence < 1) IS NOT TRUE THEN 'confidence must be from 0.5 to below 1'
			WHEN (o.minimum > 0) IS NOT TRUE THEN 'minimum must be above 0'
			WHEN (o.priority BETWEEN 1 AND 3) IS NOT TRUE THEN 'priority must be 1, 2 or 3'
			WHEN o.windows IS NOT NULL AND smsr.windows_fault(o.windows) IS NOT NULL THEN format('windows: %s', smsr.windows_fault(o.windows))
			WHEN o.time_zone IS NULL THEN 'time_zone must not be null'
			WHEN (o.attempts BETWEEN 1 AND 100) IS NOT TRUE THEN 'attempts must be from 1 to 100'
			WHEN (o.retry_after BETWEEN '1 second' AND '30 days') IS NOT TRUE THEN 'retry_after must be from a second to 30 days'
			WHEN NOT (o.validity > '0' AND o.validity <= '366 days') THEN 'validity must be more than nothing and at most 366 days'
			WHEN o.backlog < 1 THEN 'backlog must be above 0, or all'
			WHEN (o.most BETWEEN 1 AND 100000000) IS NOT TRUE THEN 'most must be from 1 to 100000000'
			WHEN (o.timeout > '0' AND o.timeout <= '1 day') IS NOT TRUE THEN 'timeout must be more than nothing and at most a day'
			END;
		IF fault IS NOT NULL THEN
			RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value';
		END IF;
		RETURN o;
	END $$;
COMMENT ON FUNCTION smsr.read_campaign_options(jsonb, smsr.campaign_options) IS 'A campaign''s options from JSON, checked, with what was not given filled in, from others'' if there are any';

-- ---- what is wrong with a cohort that was read ----

CREATE FUNCTION smsr.check_time_zones(p_campaign bigint, p_zones text[]) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		bad text;
	BEGIN
		-- their list is read from files
		IF array_remove(p_zones, NULL) <> '{}' THEN
			SELECT z INTO bad FROM unnest(p_zones) z WHERE z NOT IN (SELECT t.name FROM pg_timezone_names t) ORDER BY z LIMIT 1;
			IF FOUND THEN
				RAISE EXCEPTION 'row % of the cohort, column "time_zone": there is no time zone "%"',
					(SELECT min(m.line) FROM smsr.campaign_member m WHERE m.campaign_id = p_campaign AND m.time_zone = bad), bad
					USING ERRCODE = 'invalid_parameter_value';
			END IF;
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.check_time_zones(bigint, text[]) IS 'An error for a time zone in a cohort that there is not';

CREATE FUNCTION smsr.check_arguments(p_campaign bigint, p_function text) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		bad record;
	BEGIN
		SELECT f.fault, f.line INTO bad
			FROM (SELECT smsr.arguments_fault(p_function, a.arguments) AS fault, a.line
				FROM (SELECT m.arguments, min(m.line) AS line FROM smsr.campaign_member m
					WHERE m.campaign_id = p_campaign GROUP BY m.arguments) a) f
			WHERE f.fault IS NOT NULL
			ORDER BY f.line LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION 'row % of the cohort, arguments: %', bad.line, bad.fault USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.check_arguments(bigint, text) IS 'An error for arguments in a cohort that the function can not be called with';

-- What is somebody else's is not there.  What a party may not do with what is its
-- own stays in the cohort: smsr.rehearse() tells, and the operation is refused.
CREATE FUNCTION smsr.check_members(p_campaign bigint, p_function text, p_party text) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		eids smsr.eid[];
		lines int[];
		line int;
		bad record;
	BEGIN
		IF smsr.party_kind(p_party) = 'OWN' THEN
			-- along the index, and of no more at a time than memory has room for
			FOR since IN 1 .. (SELECT max(m.n) FROM smsr.campaign_member m WHERE m.campaign_id = p_campaign) BY 1000000
			LOOP
				SELECT array_agg(m.eid), array_agg(m.line) INTO eids, lines
					FROM smsr.campaign_member m WHERE m.campaign_id = p_campaign AND m.n BETWEEN since AND since + 999999;
				SELECT least(line, min(lines[u.place])) INTO line FROM smsr.unregistered(eids) u (place);
			END LOOP;
			IF line IS NOT NULL THEN
				RAISE EXCEPTION 'row % of the cohort, column "eid": the EID is not registered here', line
					USING ERRCODE = 'invalid_parameter_value';
			END IF;
		ELSE
			WITH asked AS MATERIALIZED (
				SELECT array_agg(m.line ORDER BY m.n) AS lines, array_agg(m.eid ORDER BY m.n) AS eids,
					array_agg(m.iccid ORDER BY m.n) AS iccids, array_agg(m.arguments ORDER BY m.n) AS arguments
				FROM smsr.campaign_member m WHERE m.campaign_id = p_campaign
			)
			SELECT a.lines[z.n] AS line, CASE WHEN z.subject_code = '8.2.1' THEN 'iccid' ELSE 'eid' END AS field,
				coalesce(z.because, 'the decision could not be made') AS because
				INTO bad
				FROM asked a CROSS JOIN LATERAL smsr.authorise_all(p_party, p_function, a.eids, a.iccids, a.arguments) z
				WHERE z.allowed IS NOT TRUE AND (coalesce(z.reason_code, '') NOT IN ('1.2') OR z.subject_code = '1.1')
				ORDER BY 1 LIMIT 1;
			IF FOUND THEN
				RAISE EXCEPTION 'row % of the cohort, column "%": %', bad.line, bad.field, bad.because
					USING ERRCODE = 'insufficient_privilege';
			END IF;
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.check_members(bigint, text, text) IS 'An error for an eUICC or profile in a cohort that is not there, or is none of the party''s business';

-- ---- the cohort is frozen ----

CREATE FUNCTION smsr.freeze_campaign(p_campaign bigint) RETURNS smsr.campaign
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	-- its members are too new for statistics: they would be sorted for one group
	SET enable_sort = off
	AS $$
	DECLARE
		c smsr.campaign;
		stretches smsr.campaign_stretch[];
		zones text[];
		windowed boolean;
		argued boolean;
	BEGIN
		SELECT * INTO c FROM smsr.campaign x WHERE x.id = p_campaign;
		windowed := (c.options).windows IS NOT NULL;
		-- all that has to be known of the members, in one look
		SELECT array_agg((c.id, s.first, s.last, s.first, s.wave, 0)::smsr.campaign_stretch ORDER BY s.first), array_agg(s.time_zone ORDER BY s.first),
				sum(s.argued) > 0
			INTO stretches, zones, argued
			FROM (SELECT m.wave, m.time_zone, min(m.n) AS first, max(m.n) AS last, count(m.arguments) AS argued
				FROM smsr.campaign_member m WHERE m.campaign_id = c.id GROUP BY m.wave, m.time_zone) s;
		PERFORM smsr.check_time_zones(c.id, zones);
		IF argued OR smsr.argument_names(c.function) <> '{}' THEN
			PERFORM smsr.check_arguments(c.id, c.function);
		END IF;
		-- one lane for each time zone, closed until it is started
		INSERT INTO smsr.lane (tenant, priority, campaign_id, time_zone, windows, open)
			SELECT DISTINCT c.party_id, (c.options).priority, c.id, CASE WHEN windowed THEN z END, (c.options).windows, false
			FROM unnest(zones) z;
		-- without windows the rows of a wave are as the query had them, whatever their time zones
		INSERT INTO smsr.campaign_stretch (campaign_id, first, last, next, wave, lane_id)
			SELECT c.id, min(s.first), max(s.last), min(s.first), s.wave, l.id
			FROM unnest(stretches, zones) s (campaign_id, first, last, next, wave, lane_id, time_zone)
				JOIN smsr.lane l ON l.campaign_id = c.id AND (NOT windowed OR l.time_zone = s.time_zone)
			GROUP BY s.wave, l.id;
		INSERT INTO smsr.campaign_wave (campaign_id, wave, members)
			SELECT s.campaign_id, s.wave, sum(s.last - s.first + 1)
			FROM smsr.campaign_stretch s WHERE s.campaign_id = c.id GROUP BY 1, 2;
		UPDATE smsr.campaign SET members_digest = smsr.members_digest(c.id),
				members = (SELECT sum(w.members) FROM smsr.campaign_wave w WHERE w.campaign_id = c.id)
			WHERE id = c.id RETURNING * INTO c;
		PERFORM smsr.record_campaign('create_campaign', c, jsonb_strip_nulls(jsonb_build_object(
			'cohort', encode(c.cohort_digest, 'hex'), 'rerun_of', c.rerun_of, 'undo_of', c.undo_of)));
		RETURN c;
	END $$;
COMMENT ON FUNCTION smsr.freeze_campaign(bigint) IS 'Lanes, waves and digest of a campaign whose members are there; an error for arguments or time zones that can not be';

CREATE FUNCTION smsr.new_campaign(p_name text, p_function text, p_party text, p_cohort text, p_search_path text, p_plan text,
		p_options smsr.campaign_options, p_rerun_of bigint DEFAULT NULL, p_undo_of bigint DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		made bigint;
	BEGIN
		IF p_name IS NULL OR length(p_name) NOT BETWEEN 1 AND 100 THEN
			RAISE EXCEPTION 'name must have 1 to 100 characters' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF p_function IS NULL OR p_function NOT IN (SELECT smsr.card_functions()) THEN
			RAISE EXCEPTION 'unknown function "%"', p_function
				USING ERRCODE = 'invalid_parameter_value',
					HINT = format('Functions that involve the card are %s.', (SELECT string_agg(f, ', ' ORDER BY f) FROM smsr.card_functions() f));
		END IF;
		IF EXISTS (SELECT FROM smsr.campaign c WHERE c.party_id = p_party AND c.name = p_name) THEN
			RAISE EXCEPTION 'there is a campaign "%" already', p_name USING ERRCODE = 'unique_violation';
		END IF;
		INSERT INTO smsr.campaign (name, function, party_id, cohort, search_path, plan, cohort_digest, rerun_of, undo_of, options)
			VALUES (p_name, p_function, p_party, p_cohort, p_search_path, p_plan, sha256(convert_to(p_cohort, 'UTF8')),
				p_rerun_of, p_undo_of, p_options)
			RETURNING id INTO made;
		RETURN made;
	END $$;
COMMENT ON FUNCTION smsr.new_campaign(text, text, text, text, text, text, smsr.campaign_options, bigint, bigint) IS 'A campaign without members; the caller adds and freezes them';

-- search_path as a default is the caller's: a name in the query means what it means there.
CREATE FUNCTION smsr.create_campaign(name text, function text, cohort text, options jsonb DEFAULT '{}',
		search_path text DEFAULT pg_catalog.current_setting('search_path')) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET work_mem = '128MB'
	AS $$
	#variable_conflict use_variable
	DECLARE
		me text := smsr.require_caller(function);
		o smsr.campaign_options := smsr.read_campaign_options(options);
		seconds float8 := extract(epoch FROM o.timeout);
		made bigint;
		rows bigint;
		fault record;
		duplicate text;
		columns text[];
		query_plan text;
	BEGIN
		IF cohort IS NULL OR search_path IS NULL THEN
			RAISE EXCEPTION 'cohort and search_path must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		SELECT p.plan, p.columns INTO query_plan, columns FROM smsr.cohort_plan(cohort, search_path, seconds) p;
		made := smsr.new_campaign(name, function, me, cohort, search_path, query_plan, o);
		BEGIN
			IF o.windows IS NULL AND 'wave' <> ALL (columns) THEN
				-- as the rows come
				WITH c AS MATERIALIZED (
					SELECT r.* FROM smsr.read_cohort(cohort, search_path, o.most, seconds, smsr.argument_names(function), smsr.needs_iccid(function)) r
				), planned AS MATERIALIZED (
					SELECT array_agg(w.upto + 1 ORDER BY w.wave) AS beyond FROM smsr.waves(o.waves, (SELECT count(*) FROM c)) w
				)
				INSERT INTO smsr.campaign_member (campaign_id, n, line, eid, iccid, arguments, time_zone, wave)
					SELECT made, c.n, c.n, c.eid, c.iccid, c.arguments, c.time_zone, 1 + width_bucket(c.n::bigint, p.beyond)
					FROM c CROSS JOIN planned p;
			ELSE
				WITH c AS MATERIALIZED (
					SELECT r.*, CASE WHEN o.windows IS NOT NULL THEN coalesce(r.time_zone, o.time_zone) ELSE r.time_zone END AS zone
					FROM smsr.read_cohort(cohort, search_path, o.most, seconds, smsr.argument_names(function), smsr.needs_iccid(function)) r
				), planned AS MATERIALIZED (
					SELECT array_agg(w.upto + 1 ORDER BY w.wave) AS beyond FROM smsr.waves(o.waves, (SELECT count(*) FROM c)) w
				), cut AS (
					SELECT c.*, coalesce(c.wave, 1 + width_bucket(c.n::bigint, p.beyond)) AS in_wave FROM c CROSS JOIN planned p
				)
				INSERT INTO smsr.campaign_member (campaign_id, n, line, eid, iccid, arguments, time_zone, wave)
					SELECT made, row_number() OVER (ORDER BY cut.in_wave, CASE WHEN o.windows IS NOT NULL THEN cut.zone END, cut.n),
						cut.n, cut.eid, cut.iccid, cut.arguments, cut.zone, cut.in_wave
					FROM cut;
			END IF;
			GET DIAGNOSTICS rows = ROW_COUNT;
		EXCEPTION WHEN unique_violation THEN
			-- what it says is about our table, not about the cohort
			duplicate := coalesce(substring(SQLERRM FROM 'campaign_member_once'), SQLERRM);
		END;
		IF duplicate = 'campaign_member_once' THEN
			SELECT min(d.n) AS n INTO fault
				FROM (SELECT r.n, r.eid, row_number() OVER (PARTITION BY r.eid, r.iccid ORDER BY r.n) > 1 AS second
					FROM smsr.read_cohort(cohort, search_path, o.most, seconds, smsr.argument_names(function), smsr.needs_iccid(function)) r) d
				WHERE d.second;
			RAISE EXCEPTION 'row % of the cohort, column "eid": it was there before', coalesce(fault.n::text, 'of some number')
				USING ERRCODE = 'unique_violation',
					DETAIL = CASE WHEN smsr.needs_iccid(function) THEN 'An EID may stand once with each ICCID.' ELSE 'An EID may stand once.' END;
		ELSIF duplicate IS NOT NULL THEN
			RAISE EXCEPTION '%', duplicate USING ERRCODE = 'unique_violation';
		ELSIF rows = 0 THEN
			RAISE EXCEPTION 'the cohort is empty' USING ERRCODE = 'no_data_found';
		END IF;
		PERFORM smsr.check_members(made, function, me);
		PERFORM smsr.freeze_campaign(made);
		RETURN made;
	END $$;
COMMENT ON FUNCTION smsr.create_campaign(text, text, text, jsonb, text)
	IS 'A campaign of one function for the rows of a SELECT (columns eid, iccid, arguments or the function''s arguments by name, time_zone, wave), read now with the rights of whoever calls and frozen. Nothing is sent before smsr.start_campaign(); returns its id';
