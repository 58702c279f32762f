-- More than one machine: every shard is a database like this one, and a router, a
-- database with PL/Proxy, has the functions that programs call.  This file writes
-- the router's SQL out of the catalog; doc/scale-out.md tells how to use it.
--
-- The router has not the extension, but its types out of its library, under their
-- names: what programs write fits both, values are checked where they come in, go
-- on as octets, and the hash is the shards' own.  The extension's functions and
-- tables would have the very names, be empty, and be mistaken for the fleet.
--
-- Names are written in full: types are printed by what the search path leaves out.

CREATE FUNCTION smsr.router_routes(OUT function regprocedure, OUT way text) RETURNS SETOF record
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	BEGIN
		RETURN QUERY
		SELECT p.oid::regprocedure, CASE WHEN l.name IS NOT NULL THEN l.way
			WHEN t.first = 'smsr.eid'::regtype AND p.pronargs > p.pronargdefaults THEN 'card'
			WHEN t.first = 'smsr.eid'::regtype AND p.proretset THEN 'card or all'
			WHEN t.cards AND p.pronargs > p.pronargdefaults THEN 'cards' END
		FROM pg_catalog.pg_proc p
			CROSS JOIN LATERAL (SELECT p.proargtypes[0] AS first, 'smsr.eid[]'::regtype = ANY (p.proargtypes) AS cards) t
			LEFT JOIN (VALUES
				-- what is the same everywhere is said everywhere, and asked anywhere
				('register_party', 'everywhere'), ('bind_role', 'everywhere'), ('unbind_role', 'everywhere'),
				('pin_eid_range', 'everywhere'), ('unpin_eid_range', 'everywhere'), ('set_plma', 'everywhere'), ('set_onc', 'everywhere'),
				('set_approval_rule', 'everywhere'), ('remove_approval_rule', 'everywhere'),
				('get_plma', 'anywhere'), ('get_onc', 'anywhere'), ('requester', 'anywhere'),
				('decode', 'anywhere'), ('describe', 'anywhere'), ('utc', 'anywhere'),
				-- of the one shard that has it
				('operation_response', 'operation'), ('audited_eis', 'operation'), ('why', 'operation'), ('unstick', 'operation'),
				('approve', 'id'), ('reject', 'id'), ('register_eis', 'document'),
				('fetch_notices', 'notices'), ('ack_notices', 'acknowledged'),
				('create_campaign', 'campaign made'), ('start_campaign', 'campaign'), ('pause_campaign', 'campaign'),
				('resume_campaign', 'campaign'), ('cancel_campaign', 'campaign'), ('rerun_campaign', 'campaign'),
				('undo_campaign', 'campaign'), ('rehearse', 'campaign rows'),
				-- rows of all shards
				('audit_verify', 'all rows'), ('fleet_query', 'all rows')) AS l (name, way) ON l.name = p.proname
		WHERE p.pronamespace = 'smsr'::regnamespace
			AND p.proname IN (SELECT f.function_name FROM smsr.shipped_functions() f WHERE f.role_name <> 'smsr_gateway')
		ORDER BY p.proname, p.oid::regprocedure::text;
	END $$;
COMMENT ON FUNCTION smsr.router_routes() IS 'Which functions a router has, and how each finds its shards: what is about an eUICC by its first argument or an array of EIDs, the rest by name; NULL: it is not on the router';

CREATE FUNCTION smsr.router_relations(OUT relation regclass, OUT columns text, OUT definitions text, OUT readers text, OUT by_card boolean) RETURNS SETOF record
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	BEGIN
		RETURN QUERY
		SELECT c.oid::regclass,
			string_agg('"' || a.attname || '"', ', ' ORDER BY a.attnum),
			string_agg('"' || a.attname || '" ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum),
			CASE WHEN c.relname LIKE 'my\_%' THEN 'smsr_tenant' WHEN c.relname LIKE 'campaign%' THEN 'smsr_administrator, smsr_auditor, smsr_tenant, smsr_key_officer'
				ELSE 'smsr_administrator, smsr_auditor' END,
			bool_or(a.attname = 'eid' AND a.atttypid = 'smsr.eid'::regtype)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'v')
			AND (c.relname IN ('euicc', 'profile', 'operation', 'drift', 'unknown_outcome', 'downloads', 'campaign_progress', 'campaign_result')
				OR c.relname LIKE 'my\_%' AND c.relkind = 'v')
			-- a row that lacks what nobody may read would be another type
			AND c.relname NOT IN (SELECT s.table_name FROM smsr.sealed_columns() s)
		GROUP BY c.oid
		ORDER BY c.relname;
	END $$;
COMMENT ON FUNCTION smsr.router_relations() IS 'Tables and views that a router shows over all shards, their columns, who reads them there, and whether by EID';

-- ---- its parts ----

CREATE FUNCTION smsr.router_types() RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	DECLARE
		types oid[] := ARRAY(SELECT t.oid FROM pg_type t
			WHERE t.typnamespace = 'smsr'::regnamespace AND t.typtype = 'b' AND t.typcategory <> 'A' ORDER BY t.oid);
		functions oid[];
		out text[];
	BEGIN
		-- what values of the types, and the checks of domains, need: everybody's, and all of it C
		SELECT array_agg(DISTINCT f) INTO functions
			FROM (SELECT unnest(ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend]::oid[]) AS f FROM pg_type t WHERE t.oid = ANY (types)
				UNION SELECT o.oprcode FROM pg_operator o WHERE o.oprleft = ANY (types) OR o.oprright = ANY (types)
				UNION SELECT c.castfunc FROM pg_cast c WHERE c.castsource = ANY (types) OR c.casttarget = ANY (types)
				UNION SELECT p.amproc FROM pg_amproc p WHERE p.amproclefttype = ANY (types)
				UNION SELECT 'smsr.eid_hash(smsr.eid)'::regprocedure
				UNION SELECT d.refobjid FROM pg_depend d JOIN pg_constraint k ON k.oid = d.objid
					WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_proc'::regclass
						AND k.contypid IN (SELECT t.oid FROM pg_type t WHERE t.typnamespace = 'smsr'::regnamespace)) n
				JOIN pg_proc p ON p.oid = n.f
			WHERE p.pronamespace = 'smsr'::regnamespace;

		out := ARRAY(SELECT format('CREATE TYPE %s;', format_type(t, NULL)) FROM unnest(types) t)
			|| ARRAY(SELECT pg_get_functiondef(f) || ';' FROM unnest(functions) f JOIN pg_proc p ON p.oid = f
				WHERE p.oid IN (SELECT unnest(ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend]::oid[]) FROM pg_type t WHERE t.oid = ANY (types))
				ORDER BY f)
			|| ARRAY(SELECT format('CREATE TYPE %s (INPUT = %s, OUTPUT = %s, RECEIVE = %s, SEND = %s, INTERNALLENGTH = %s, ALIGNMENT = %s, STORAGE = %s);',
					format_type(t.oid, NULL), t.typinput, t.typoutput, t.typreceive, t.typsend,
					CASE t.typlen WHEN -1 THEN 'VARIABLE' ELSE t.typlen::text END,
					CASE t.typalign WHEN 'c' THEN 'char' WHEN 's' THEN 'int2' WHEN 'i' THEN 'int4' ELSE 'double' END,
					CASE t.typstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'x' THEN 'extended' ELSE 'main' END)
				FROM pg_type t WHERE t.oid = ANY (types) ORDER BY t.oid)
			|| ARRAY(SELECT pg_get_functiondef(f) || ';' FROM unnest(functions) f
				WHERE f NOT IN (SELECT unnest(ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend]::oid[]) FROM pg_type t WHERE t.oid = ANY (types))
				ORDER BY f)
			|| ARRAY(SELECT format('COMMENT ON FUNCTION %s IS %L;', f::regprocedure, obj_description(f, 'pg_proc')) FROM unnest(functions) f ORDER BY f)
			|| ARRAY(SELECT format('COMMENT ON TYPE %s IS %L;', format_type(t, NULL), obj_description(t, 'pg_type')) FROM unnest(types) t)
			|| ARRAY(SELECT format('CREATE OPERATOR %s.%s (FUNCTION = %s, LEFTARG = %s, RIGHTARG = %s%s%s%s%s%s%s); COMMENT ON OPERATOR %1$s.%2$s (%4$s, %5$s) IS %12$L;',
					o.oprnamespace::regnamespace, o.oprname, o.oprcode, format_type(o.oprleft, NULL), format_type(o.oprright, NULL),
					', COMMUTATOR = OPERATOR(' || c.oprnamespace::regnamespace || '.' || c.oprname || ')',
					', NEGATOR = OPERATOR(' || n.oprnamespace::regnamespace || '.' || n.oprname || ')',
					CASE WHEN o.oprrest <> 0 THEN ', RESTRICT = ' || o.oprrest END, CASE WHEN o.oprjoin <> 0 THEN ', JOIN = ' || o.oprjoin END,
					CASE WHEN o.oprcanhash THEN ', HASHES' END, CASE WHEN o.oprcanmerge THEN ', MERGES' END,
					obj_description(o.oid, 'pg_operator'))
				FROM pg_operator o LEFT JOIN pg_operator c ON c.oid = o.oprcom LEFT JOIN pg_operator n ON n.oid = o.oprnegate
				WHERE o.oprleft = ANY (types) OR o.oprright = ANY (types) ORDER BY o.oid)
			|| ARRAY(SELECT format('CREATE OPERATOR CLASS smsr.%I %s FOR TYPE %s USING %I AS %s;', k.opcname, CASE WHEN k.opcdefault THEN 'DEFAULT' END,
					format_type(k.opcintype, NULL), m.amname, concat_ws(', ',
					(SELECT string_agg(format('OPERATOR %s %s', a.amopstrategy, a.amopopr::regoperator), ', ' ORDER BY a.amopstrategy)
						FROM pg_amop a WHERE a.amopfamily = k.opcfamily AND a.amoplefttype = k.opcintype AND a.amoprighttype = k.opcintype),
					(SELECT string_agg(format('FUNCTION %s %s', a.amprocnum, a.amproc::regprocedure), ', ' ORDER BY a.amprocnum)
						FROM pg_amproc a WHERE a.amprocfamily = k.opcfamily AND a.amproclefttype = k.opcintype)))
				FROM pg_opclass k JOIN pg_am m ON m.oid = k.opcmethod WHERE k.opcintype = ANY (types) ORDER BY k.oid)
			|| ARRAY(SELECT format('CREATE CAST (%s AS %s) %s%s;', format_type(c.castsource, NULL), format_type(c.casttarget, NULL),
					CASE c.castmethod WHEN 'i' THEN 'WITH INOUT' WHEN 'b' THEN 'WITHOUT FUNCTION' ELSE 'WITH FUNCTION ' || c.castfunc::regprocedure END,
					CASE c.castcontext WHEN 'i' THEN ' AS IMPLICIT' WHEN 'a' THEN ' AS ASSIGNMENT' ELSE '' END)
				FROM pg_cast c WHERE c.castsource = ANY (types) OR c.casttarget = ANY (types) ORDER BY c.oid)
			|| ARRAY(SELECT format('CREATE DOMAIN %s AS %s %s; COMMENT ON DOMAIN %1$s IS %4$L;', format_type(t.oid, NULL), format_type(t.typbasetype, t.typtypmod),
					(SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname) FROM pg_constraint k WHERE k.contypid = t.oid),
					obj_description(t.oid, 'pg_type'))
				FROM pg_type t WHERE t.typnamespace = 'smsr'::regnamespace AND t.typtype = 'd' ORDER BY t.oid)
			-- rows that functions return, of tables that are not shown
			|| ARRAY(SELECT format('CREATE TYPE %s AS (%s); COMMENT ON TYPE %1$s IS %3$L;', c.oid::regclass,
					(SELECT string_agg('"' || a.attname || '" ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
						FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
					obj_description(c.oid, 'pg_class'))
				FROM pg_class c
				WHERE c.oid NOT IN (SELECT r.relation FROM smsr.router_relations() r)
					AND c.reltype IN (SELECT coalesce(nullif(e.typelem, 0), e.oid)
						FROM smsr.router_routes() r JOIN pg_proc p ON p.oid = r.function,
							unnest(p.prorettype || coalesce(p.proallargtypes, p.proargtypes::oid[])) u JOIN pg_type e ON e.oid = u
						WHERE r.way IS NOT NULL)
				ORDER BY c.oid);
		RETURN array_to_string(out, E'\n');
	END $$;
COMMENT ON FUNCTION smsr.router_types() IS 'The types of this extension, for a router: out of the library, with their operators, casts and domains';

-- Where an eUICC is: in one of so many partitions by its hash, and each partition
-- on a shard.  What has been moved alone, or is being moved, stands in an exception
-- of its own.  PL/Proxy's partitions are these, and behind them one for each shard
-- by its number, so that a shard can be named that has no partition.
CREATE FUNCTION smsr.router_placement(cluster name, shards text[], partitions int) RETURNS text
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
	AS $generator$
	BEGIN
		RETURN replace(replace($sql$
CREATE TABLE smsr_router.shard (
	number int PRIMARY KEY CHECK (number >= 0 AND number < @PARTITIONS@),
	conninfo text NOT NULL CHECK (conninfo !~ '(user|password|passfile)\s*=')
);
COMMENT ON TABLE smsr_router.shard IS 'The shards by their numbers (smsr.shard there), and where they are; who connects, and with what password, is for user mappings to say';
CREATE TABLE smsr_router.partition (
	number int PRIMARY KEY CHECK (number >= 0 AND number < @PARTITIONS@),
	shard int NOT NULL REFERENCES smsr_router.shard
);
CREATE INDEX partition_shard ON smsr_router.partition (shard);
COMMENT ON TABLE smsr_router.partition IS 'Which shard has the eUICCs whose hash ends in this number';
CREATE TABLE smsr_router.exception (
	eid smsr.eid PRIMARY KEY,
	shard int NOT NULL REFERENCES smsr_router.shard
);
COMMENT ON TABLE smsr_router.exception IS 'eUICCs that are on another shard than their partition';

CREATE FUNCTION smsr_router.place_of_shard(shard bigint) RETURNS int
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $f$
	BEGIN
		IF NOT EXISTS (SELECT FROM smsr_router.shard s WHERE s.number = place_of_shard.shard) THEN
			RAISE EXCEPTION 'there is no shard %', shard USING ERRCODE = 'undefined_object';
		END IF;
		RETURN @PARTITIONS@ + shard;
	END $f$;
COMMENT ON FUNCTION smsr_router.place_of_shard(bigint) IS 'Where PL/Proxy finds a shard by its number';

CREATE FUNCTION smsr_router.numbers() RETURNS SETOF int
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $f$
	BEGIN
		RETURN QUERY SELECT s.number FROM smsr_router.shard s;
	END $f$;
COMMENT ON FUNCTION smsr_router.numbers() IS 'The numbers of the shards';

CREATE FUNCTION smsr_router.all_there() RETURNS SETOF int
	LANGUAGE plproxy
	AS $f$
	CLUSTER @CLUSTER@; RUN ON ALL; SELECT 1;
	$f$;
COMMENT ON FUNCTION smsr_router.all_there() IS 'An error if a shard does not answer';

CREATE FUNCTION smsr_router.place(eid smsr.eid) RETURNS int
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $f$
	DECLARE
		elsewhere int := (SELECT x.shard FROM smsr_router.exception x WHERE x.eid = place.eid);
	BEGIN
		-- of what is no EID some shard will say so
		RETURN coalesce(@PARTITIONS@ + elsewhere, smsr.eid_hash(eid) & (@PARTITIONS@ - 1), 0);
	END $f$;
COMMENT ON FUNCTION smsr_router.place(smsr.eid) IS 'Where PL/Proxy finds an eUICC';

CREATE FUNCTION smsr_router.places(eid smsr.eid) RETURNS SETOF int
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $f$
	BEGIN
		RETURN QUERY SELECT CASE WHEN eid IS NULL THEN n ELSE smsr_router.place(eid) END
			FROM generate_series(0, CASE WHEN eid IS NULL THEN 2 * @PARTITIONS@ - 1 ELSE 0 END) n;
	END $f$;
COMMENT ON FUNCTION smsr_router.places(smsr.eid) IS 'Where PL/Proxy finds an eUICC, or without one all of them';

-- whatever else stands in it: a document that names two EIDs is of no eUICC
CREATE FUNCTION smsr_router.place_of_document(eis xml) RETURNS int
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan
	AS $f$
	DECLARE
		eids text[];
	BEGIN
		SELECT array_agg(DISTINCT btrim(e::text, E' \t\r\n')) INTO eids
			FROM unnest(xpath('//*[translate(local-name(), "EID-", "eid") = "eid"]/text()', eis)) e;
		IF cardinality(eids) > 1 THEN
			RAISE EXCEPTION 'EIS is refused: it names several EIDs' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		RETURN smsr_router.place(eids[1]::smsr.eid);
	END $f$;
COMMENT ON FUNCTION smsr_router.place_of_document(xml) IS 'Where PL/Proxy finds the eUICC that an EIS is of';

CREATE FUNCTION smsr_router.apply_map() RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	AS $f$
	DECLARE
		options text;
	BEGIN
		LOCK TABLE smsr_router.shard, smsr_router.partition IN SHARE ROW EXCLUSIVE MODE;
		IF (SELECT count(*) FROM smsr_router.partition) <> @PARTITIONS@ THEN
			RAISE EXCEPTION 'a partition has no shard' USING ERRCODE = 'object_not_in_prerequisite_state';
		END IF;
		SELECT string_agg(format('%s p%s %L', CASE WHEN h.name IS NULL THEN 'ADD' ELSE 'SET' END, w.place, w.conninfo), ', ' ORDER BY w.place)
			INTO options
			FROM (SELECT p.number AS place, s.conninfo FROM smsr_router.partition p JOIN smsr_router.shard s ON s.number = p.shard
				UNION ALL
				-- numbers that are no shard's: PL/Proxy wants a power of 2
				SELECT @PARTITIONS@ + n, coalesce((SELECT s.conninfo FROM smsr_router.shard s WHERE s.number = n),
					(SELECT s.conninfo FROM smsr_router.shard s ORDER BY s.number LIMIT 1))
				FROM generate_series(0, @PARTITIONS@ - 1) n) w
				LEFT JOIN (SELECT o.option_name AS name, o.option_value AS value
					FROM pg_foreign_server f, pg_options_to_table(f.srvoptions) o WHERE f.srvname = @CLUSTER@) h ON h.name = 'p' || w.place
			WHERE h.value IS DISTINCT FROM w.conninfo;
		IF options IS NOT NULL THEN
			EXECUTE format('ALTER SERVER %I OPTIONS (%s)', @CLUSTER@, options);
		END IF;
	END $f$;
COMMENT ON FUNCTION smsr_router.apply_map() IS 'Tell PL/Proxy what smsr_router.shard and smsr_router.partition say now';

CREATE FUNCTION smsr_router.faults() RETURNS SETOF text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $f$
	BEGIN
		RETURN QUERY
		SELECT CASE WHEN m.umuser = 0 THEN format('the user mapping of PUBLIC lets everybody in%s', ' as ' || o.option_value)
				ELSE format('role "%s" comes to the shards as "%s"', m.usename, o.option_value) END
			FROM pg_user_mappings m LEFT JOIN LATERAL pg_options_to_table(m.umoptions) o ON o.option_name = 'user'
			WHERE m.srvname = @CLUSTER@ AND (m.umuser = 0 OR o.option_value <> m.usename)
		UNION ALL
		SELECT format('role "%s" may define functions in schema %s', r.rolname, n.nspname)
			FROM pg_namespace n, pg_roles r
			WHERE n.nspname IN ('smsr', 'smsr_router') AND NOT r.rolsuper AND r.oid <> n.nspowner AND has_schema_privilege(r.oid, n.oid, 'CREATE');
	END $f$;
COMMENT ON FUNCTION smsr_router.faults() IS 'What lets somebody be somebody else on the shards; nothing, if all is well';
$sql$, '@PARTITIONS@', partitions::text), '@CLUSTER@', quote_literal(cluster))
		|| format(E'\nINSERT INTO smsr_router.shard (number, conninfo) VALUES %s;\n',
			(SELECT string_agg(format('(%s, %L)', n - 1, s), ', ' ORDER BY n) FROM unnest(shards) WITH ORDINALITY u (s, n)))
		|| format(E'INSERT INTO smsr_router.partition (number, shard) SELECT n, n %% %s FROM generate_series(0, %s) n;\n',
			cardinality(shards), partitions - 1)
		|| E'DO $$ BEGIN PERFORM smsr_router.apply_map(); END $$;\n';
	END $generator$;
COMMENT ON FUNCTION smsr.router_placement(name, text[], int) IS 'Tables and functions of a router that say where an eUICC is';

-- A function of the router, out of the shards' own.  What changes something takes
-- the reason of the call along, which a session of the router has as a setting.
CREATE FUNCTION smsr.router_function(cluster name, function regprocedure, way text) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $generator$
	DECLARE
		p pg_proc := (SELECT x FROM pg_proc x WHERE x.oid = function);
		arguments CONSTANT text := pg_get_function_arguments(function);
		result CONSTANT text := coalesce(pg_get_function_result(function), 'record');
		names CONSTANT text[] := coalesce((SELECT array_agg(n.name ORDER BY n.i) FROM unnest(p.proargnames[1:p.pronargs]) WITH ORDINALITY n (name, i)), '{}');
		types CONSTANT text[] := ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u (t, i) ORDER BY u.i);
		arrays CONSTANT text[] := ARRAY(SELECT n FROM unnest(names, types) WITH ORDINALITY u (n, t, i) WHERE t LIKE '%[]' ORDER BY i);
		signature text := array_to_string(types, ', ');
		reasoned CONSTANT boolean := p.provolatile = 'v' AND way <> 'anywhere';
		-- the function itself, or what stands behind it, which has one argument more in front, or other defaults
		head text;
		inner_head text;
		body text;
		inner_body text;
		call text;
		passed text;
		of_name CONSTANT text := format('%I.%I', 'smsr', p.proname);
	BEGIN
		head := concat_ws(', ', nullif(arguments, ''), CASE WHEN reasoned THEN 'call_reason text DEFAULT current_setting(''smsr.reason'', true)' END);
		-- $1 and on: a name in the statement would be taken for the argument of that name
		call := (SELECT coalesce(string_agg('$' || i + CASE WHEN way IN ('operation', 'everywhere') THEN 1 ELSE 0 END, ', ' ORDER BY i), '') FROM generate_series(1, p.pronargs) i);
		IF reasoned THEN
			call := format(CASE WHEN p.proretset OR p.prorettype = 'record'::regtype
					THEN 'SELECT (x.f).* FROM (SELECT %s(%s) AS f FROM pg_catalog.set_config(''smsr.reason'', coalesce($%s, ''''), true) OFFSET 0) x'
					ELSE 'SELECT %s(%s) FROM pg_catalog.set_config(''smsr.reason'', coalesce($%s, ''''), true)' END,
				of_name, call, p.pronargs + 1 + CASE WHEN way IN ('operation', 'everywhere') THEN 1 ELSE 0 END);
		ELSE
			call := format('SELECT * FROM %s(%s)', of_name, call);
		END IF;
		-- as the public one is called from inside
		passed := concat_ws(', ', (SELECT string_agg(quote_ident(n), ', ' ORDER BY i) FROM unnest(names) WITH ORDINALITY u (n, i)),
			CASE WHEN reasoned THEN 'call_reason' END);
		inner_head := format('%s%s', (SELECT string_agg(format('%I %s', n, t), ', ' ORDER BY i) FROM unnest(names, types) WITH ORDINALITY u (n, t, i)),
			CASE WHEN reasoned THEN ', call_reason text' END);

		CASE way
			WHEN 'card' THEN body := format('RUN ON smsr_router.place(%I);', names[1]);
			WHEN 'card or all' THEN body := format('RUN ON smsr_router.places(%I);', names[1]);
			WHEN 'document' THEN body := format('RUN ON smsr_router.place_of_document(%I);', names[1]);
			WHEN 'id' THEN body := 'RUN ON smsr_router.place_of_shard(' || quote_ident(names[1]) || ' & 1023);';
			WHEN 'anywhere' THEN body := 'RUN ON ANY;';
			WHEN 'all rows' THEN body := 'RUN ON ALL;';
			WHEN 'cards' THEN
				inner_body := format('SPLIT %s; RUN ON smsr_router.place(eids);', array_to_string(arrays, ', '));
				-- arrays that are left out become as long as the others
				body := format(E'\t#variable_conflict use_column\n\tDECLARE\n\t\tcards CONSTANT int := cardinality(eids);\n\tBEGIN\n'
					'\t\tIF cards IS NULL THEN\n\t\t\tRAISE EXCEPTION ''eids must not be null'' USING ERRCODE = ''null_value_not_allowed'';\n\t\tEND IF;\n%s'
					'\t\tRETURN QUERY %s;\n\tEND',
					(SELECT string_agg(format(E'\t\tIF cardinality(%1$I) <> cards THEN\n\t\t\tRAISE EXCEPTION ''eids and %1$s must have the same number of elements'' USING ERRCODE = ''array_subscript_error'';\n\t\tEND IF;\n', a), '')
						FROM unnest(arrays) a WHERE a <> 'eids'),
					format(CASE WHEN result = 'TABLE(eid smsr.eid, operation_id bigint)'
						-- in the order of the call
						THEN 'SELECT a.eid, r.operation_id FROM (SELECT u.eid, u.n, row_number() OVER (PARTITION BY u.eid ORDER BY u.n) AS k FROM unnest(eids) WITH ORDINALITY u (eid, n)) a '
							'JOIN (SELECT f.eid, f.operation_id, row_number() OVER (PARTITION BY f.eid ORDER BY f.n) AS k FROM smsr_router.%I(%s) WITH ORDINALITY f (eid, operation_id, n)) r '
							'ON r.eid = a.eid AND r.k = a.k ORDER BY a.n'
						ELSE 'SELECT f.* FROM smsr_router.%I(%s) f' END,
						p.proname, concat_ws(', ', (SELECT string_agg(CASE WHEN n = ANY (arrays) AND n <> 'eids'
								THEN format('coalesce(%I.%I, array_fill(NULL::%s, ARRAY[cards]))', p.proname, n, left(t, -2))
								ELSE quote_ident(p.proname) || '.' || quote_ident(n) END, ', ' ORDER BY i)
							FROM unnest(names, types) WITH ORDINALITY u (n, t, i)),
							CASE WHEN reasoned THEN quote_ident(p.proname) || '.call_reason' END)));
			-- one after the other, if all are there; what is done on some already is then done on all
			WHEN 'everywhere' THEN
				inner_body := 'RUN ON at_place;';
				inner_head := 'at_place int, ' || inner_head;
				body := format(E'\tDECLARE\n\t\tone int;\n\t\tsaid boolean;\n\t\tanswer boolean := false;\n\t\tdone_before int := 0;\n\tBEGIN\n'
					'\t\tPERFORM smsr_router.all_there();\n'
					'\t\tFOR one IN SELECT n FROM smsr_router.numbers() n ORDER BY n LOOP\n'
					'\t\t\tBEGIN\n\t\t\t\tsaid := smsr_router.%I(smsr_router.place_of_shard(one), %s);\n\t\t\t\tanswer := answer OR said IS TRUE;\n'
					'\t\t\tEXCEPTION WHEN unique_violation THEN\n\t\t\t\tdone_before := done_before + 1;\n'
					'\t\t\t\tIF done_before = (SELECT count(*) FROM smsr_router.numbers()) THEN\n\t\t\t\t\tRAISE;\n\t\t\t\tEND IF;\n\t\t\tEND;\n'
					'\t\tEND LOOP;\n\t\tRETURN answer;\n\tEND', p.proname, passed);
			WHEN 'operation' THEN
				inner_body := 'RUN ON at_place;';
				inner_head := 'at_place int, ' || inner_head;
				body := format(E'\tBEGIN\n\t\t%s smsr_router.%I(coalesce((SELECT smsr_router.place(o) FROM smsr_router.eid_of_operation(%3$I) o LIMIT 1),\n'
					'\t\t\tsmsr_router.place_of_shard(%3$I & 1023)), %4$s);\n\tEND',
					CASE WHEN p.proretset THEN 'RETURN QUERY SELECT * FROM' ELSE 'RETURN' END, p.proname, names[1], passed);
			-- positions count each shard's, so the shard's number goes with them
			WHEN 'notices' THEN
				head := 'max_notices int DEFAULT 100';
				call := 'SELECT f."position" << 10 | f."id" & 1023, ' || (SELECT string_agg('f."' || n || '"', ', ' ORDER BY i)
						FROM unnest(p.proargnames[p.pronargs + 2:]) WITH ORDINALITY u (n, i))
					|| ' FROM smsr.fetch_notices($1) f';
				signature := 'int';
				body := 'RUN ON ALL;';
			WHEN 'acknowledged' THEN
				body := format('RUN ON smsr_router.place_of_shard(%1$I & 1023);', names[1]);
				call := 'SELECT smsr.ack_notices($1 >> 10)';
				head := arguments;
		END CASE;

		RETURN concat_ws(E'\n',
			CASE WHEN inner_body IS NOT NULL THEN
				format(E'CREATE FUNCTION smsr_router.%I(%s) RETURNS %s\n\tLANGUAGE plproxy\n\tAS $$\n\tCLUSTER %L; %s %s;\n\t$$;\nCOMMENT ON FUNCTION smsr_router.%1$I(%7$s) IS ''What stands behind the function of schema smsr'';',
					p.proname, inner_head, result,
					cluster, inner_body, call,
					concat_ws(', ', CASE WHEN way IN ('operation', 'everywhere') THEN 'int' END, nullif(array_to_string(types, ', '), ''), CASE WHEN reasoned THEN 'text' END)) END,
			format(E'CREATE FUNCTION %s(%s) RETURNS %s\n\tLANGUAGE %s\n%s;\nCOMMENT ON FUNCTION %1$s(%6$s) IS %7$L;',
				of_name, head, result, CASE WHEN inner_body IS NULL THEN 'plproxy' ELSE 'plpgsql VOLATILE' END,
				CASE WHEN inner_body IS NULL THEN format(E'\tAS $$\n\tCLUSTER %L; %s %s;\n\t$$', cluster, body, call)
					ELSE format(E'\tSET search_path = pg_catalog, pg_temp\n\tAS $$\n%s $$', body) END,
				concat_ws(', ', nullif(signature, ''), CASE WHEN reasoned AND way NOT IN ('notices', 'acknowledged') THEN 'text' END),
				obj_description(function, 'pg_proc')),
			(SELECT string_agg(format('GRANT EXECUTE ON FUNCTION smsr.%I(%s) TO %s;%s', p.proname,
					concat_ws(', ', nullif(signature, ''), CASE WHEN reasoned AND way NOT IN ('notices', 'acknowledged') THEN 'text' END), g.roles,
					CASE WHEN inner_body IS NOT NULL THEN format(' GRANT EXECUTE ON FUNCTION smsr_router.%I(%s) TO %s;', p.proname,
						concat_ws(', ', CASE WHEN way IN ('operation', 'everywhere') THEN 'int' END, nullif(array_to_string(types, ', '), ''), CASE WHEN reasoned THEN 'text' END), g.roles) END), E'\n')
				FROM (SELECT string_agg(quote_ident(f.role_name), ', ' ORDER BY f.role_name) AS roles
					FROM smsr.shipped_functions() f WHERE f.function_name = p.proname AND f.role_name <> 'smsr_gateway') g)) || E'\n';
	END $generator$;
COMMENT ON FUNCTION smsr.router_function(name, regprocedure, text) IS 'A function of a router, with what stands behind it, comment and grants';

CREATE FUNCTION smsr.router_relation(cluster name, relation regclass, columns text, definitions text, readers text, by_card boolean) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $generator$
	DECLARE
		short CONSTANT name := (SELECT c.relname FROM pg_class c WHERE c.oid = relation);
		comment CONSTANT text := obj_description(relation, 'pg_class');
	BEGIN
		RETURN format(E'CREATE FUNCTION smsr_router.all_%1$s() RETURNS TABLE (%2$s)\n\tLANGUAGE plproxy ROWS 1000000\n\tAS $$\n\tCLUSTER %3$L; RUN ON ALL; SELECT %4$s FROM smsr.%1$I;\n\t$$;\n'
				'COMMENT ON FUNCTION smsr_router.all_%1$s() IS ''Rows of all shards'';\n'
				'CREATE VIEW smsr.%1$I WITH (security_invoker = true) AS SELECT * FROM smsr_router.all_%1$s();\n'
				'COMMENT ON VIEW smsr.%1$I IS %5$L;\n'
				'GRANT EXECUTE ON FUNCTION smsr_router.all_%1$s() TO %6$s;\nGRANT SELECT ON smsr.%1$I TO %6$s;\n',
				short, definitions, cluster, columns, comment || '; of all shards, and all of it each time: smsr.' || short || '_of(eid) asks one', readers)
			|| CASE WHEN by_card THEN
				format(E'CREATE FUNCTION smsr.%1$s_of(of_eid smsr.eid) RETURNS SETOF smsr.%1$I\n\tLANGUAGE plproxy ROWS 10\n\tAS $$\n\tCLUSTER %3$L; RUN ON smsr_router.place(of_eid); SELECT %4$s FROM smsr.%1$I WHERE "eid" = $1;\n\t$$;\n'
				'COMMENT ON FUNCTION smsr.%1$s_of(smsr.eid) IS ''Rows of smsr.%1$s of one eUICC'';\n'
				'GRANT EXECUTE ON FUNCTION smsr.%1$s_of(smsr.eid) TO %6$s;\n', short, definitions, cluster, columns, comment, readers) ELSE '' END;
	END $generator$;
COMMENT ON FUNCTION smsr.router_relation(name, regclass, text, text, text, boolean) IS 'A view of a router over all shards, and the same for one eUICC';

CREATE FUNCTION smsr.router_sql(shards text[], cluster name DEFAULT 'smsr', partitions int DEFAULT 256) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $generator$
	DECLARE
		roles CONSTANT text := 'smsr_administrator, smsr_auditor, smsr_key_officer, smsr_tenant';
	BEGIN
		IF coalesce(cardinality(shards), 0) = 0 OR array_position(shards, NULL) IS NOT NULL OR array_ndims(shards) > 1 THEN
			RAISE EXCEPTION 'shards must be connection strings, one a shard in the order of smsr.shard' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF partitions IS NULL OR partitions NOT IN (16, 32, 64, 128, 256, 512, 1024) OR partitions < cardinality(shards) THEN
			RAISE EXCEPTION 'partitions must be a power of 2 from 16 to 1024, and not fewer than shards' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		RETURN concat_ws(E'\n',
			'-- A router over ' || cardinality(shards) || ' shards of smsr ' || (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'smsr')
				|| ', written by smsr.router_sql(). For a database of its own, as a superuser.',
			'BEGIN;', 'SET LOCAL client_min_messages = warning;',
			'CREATE SCHEMA smsr;', 'COMMENT ON SCHEMA smsr IS ''What programs call and look at: the SM-SR over all its shards'';',
			'CREATE SCHEMA smsr_router;', 'COMMENT ON SCHEMA smsr_router IS ''Where eUICCs are, and what stands behind schema smsr'';',
			'CREATE EXTENSION IF NOT EXISTS plproxy;',
			-- whatever this session makes in it
			'ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;',
			(SELECT string_agg(format('DO $$ BEGIN CREATE ROLE %s NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;', r), E'\n')
				FROM unnest(string_to_array(roles, ', ')) r),
			format('GRANT USAGE ON SCHEMA smsr, smsr_router TO %s;', roles),
			smsr.router_types(),
			format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA smsr TO PUBLIC;'),
			format('CREATE SERVER %I FOREIGN DATA WRAPPER plproxy OPTIONS (p0 ''none'');', cluster),
			format('GRANT USAGE ON FOREIGN SERVER %I TO %s;', cluster, roles),
			smsr.router_placement(cluster, shards, partitions),
			format('GRANT EXECUTE ON FUNCTION smsr_router.numbers(), smsr_router.all_there(), smsr_router.place(smsr.eid), smsr_router.places(smsr.eid), smsr_router.place_of_shard(bigint), smsr_router.place_of_document(xml) TO %s;', roles),
			smsr.router_moves(cluster, partitions),
			(SELECT string_agg(smsr.router_relation(cluster, r.relation, r.columns, r.definitions, r.readers, r.by_card), E'\n') FROM smsr.router_relations() r),
			format(E'CREATE FUNCTION smsr_router.eid_of_operation(operation_id bigint) RETURNS SETOF smsr.eid\n\tLANGUAGE plproxy\n\tAS $$\n\tCLUSTER %L; RUN ON ALL; SELECT "eid" FROM smsr.every_operation WHERE "id" = $1;\n\t$$;', cluster),
			'COMMENT ON FUNCTION smsr_router.eid_of_operation(bigint) IS ''Whose an operation is, as far as the caller may know'';',
			format('GRANT EXECUTE ON FUNCTION smsr_router.eid_of_operation(bigint) TO %s;', roles),
			(SELECT string_agg(smsr.router_function(cluster, r.function, r.way), E'\n' ORDER BY r.function::text) FROM smsr.router_routes() r WHERE r.way NOT LIKE 'campaign%'),
			smsr.router_campaigns(cluster),
			format(E'CREATE FUNCTION smsr.register_eis(documents xml[], call_reason text DEFAULT current_setting(''smsr.reason'', true)) RETURNS SETOF smsr.eid\n\tLANGUAGE plproxy\n\tAS $$\n\tCLUSTER %L; SPLIT documents; RUN ON smsr_router.place_of_document(documents);\n'
				'\tSELECT r.r FROM pg_catalog.set_config(''smsr.reason'', coalesce($2, ''''), true), LATERAL smsr.register_many($1) r(r);\n\t$$;', cluster),
			'COMMENT ON FUNCTION smsr.register_eis(xml[], text) IS ''Registers many eUICCs: on each shard its share, all or nothing'';',
			'GRANT EXECUTE ON FUNCTION smsr.register_eis(xml[], text) TO smsr_administrator, smsr_tenant;',
			'-- not here, but on the shards: ' || (SELECT string_agg(DISTINCT p.proname, ', ' ORDER BY p.proname)
				FROM smsr.router_routes() r JOIN pg_proc p ON p.oid = r.function WHERE r.way IS NULL),
			'ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;',
			'COMMIT;') || E'\n';
	END $generator$;
COMMENT ON FUNCTION smsr.router_sql(text[], name, int) IS 'SQL that makes an empty database a router over these shards, given by their connection strings in the order of smsr.shard from 0; partitions is what the fleet can be divided into at most';

CREATE FUNCTION smsr.fleet_query(query text) RETURNS SETOF jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF query IS NULL THEN
			RAISE EXCEPTION 'query must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		RETURN QUERY EXECUTE format('SELECT to_jsonb(q) FROM (%s) q', query);
	END $$;
COMMENT ON FUNCTION smsr.fleet_query(text) IS 'Rows of a SELECT as JSON, made with the caller''s own rights; on a router those of every shard: what is to be counted is counted there';
