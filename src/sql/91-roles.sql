-- The roles that are shipped: what each may call, and which rows and columns it
-- sees.  Roles are the cluster's and not the database's, so the script makes
-- none: smsr.install_roles() does, and makes grants and policies anew each time.

-- What the policies below ask, once a query: an eUICC's row costs them a comparison.
CREATE FUNCTION smsr.plma_operators() RETURNS text[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN ARRAY(SELECT DISTINCT m.mno_id FROM smsr.plma m WHERE m.m2m_sp_id = smsr.requester());
	END $$;
COMMENT ON FUNCTION smsr.plma_operators() IS 'Operators that have authorised the calling party by a PLMA';

CREATE FUNCTION smsr.plma_profiles() RETURNS text[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		-- an object identifier has no space: the two are told apart
		RETURN ARRAY(SELECT m.mno_id || ' ' || m.profile_type FROM smsr.plma m WHERE m.m2m_sp_id = smsr.requester());
	END $$;
COMMENT ON FUNCTION smsr.plma_profiles() IS 'Profiles that the calling party is authorised for by a PLMA: operator and profile type, a space between them';

-- As numbers: of those there are ranges to add and subtract.
CREATE FUNCTION smsr.pinned_eids() RETURNS nummultirange
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT range_agg(numrange(r.first::text::numeric, r.last::text::numeric, '[]'))
			FROM smsr.eid_range r WHERE r.party_id = smsr.requester());
	END $$;
COMMENT ON FUNCTION smsr.pinned_eids() IS 'EIDs that are pinned to the calling party, as numbers; NULL: none';

CREATE FUNCTION smsr.hidden_eids() RETURNS nummultirange
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		friends text[] := smsr.requester() || smsr.plma_operators();
	BEGIN
		RETURN (SELECT range_agg(a.eids) - coalesce(range_agg(a.eids) FILTER (WHERE a.party_id = ANY (friends)), '{}')
			FROM (SELECT r.party_id, numrange(r.first::text::numeric, r.last::text::numeric, '[]') AS eids
				FROM smsr.eid_range r) AS a);
	END $$;
COMMENT ON FUNCTION smsr.hidden_eids() IS 'EIDs that are pinned to others, neither to the calling party nor to an operator that has authorised it, as numbers; NULL: none';

CREATE FUNCTION smsr.guard_plans() RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_guard_plans'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.guard_plans() IS 'True. Stands in the policies of tenants, so that the library is there when a query of theirs is planned: EXPLAIN is then refused, whose row counts tell of rows that policies hide';

-- ---- what a tenant reads with SELECT *: the columns that are its business ----

CREATE VIEW smsr.my_profile WITH (security_invoker = true) AS
	SELECT p.eid, p.isdp_aid, p.iccid, p.mno_id, p.smdp_id, p.state, p.fallback_attribute, p.emergency_attribute,
		p.msisdn, p.imsi, p.profile_type, p.allocated_memory, p.free_memory, p.pol2, p.changed_at
	FROM smsr.profile p;
COMMENT ON VIEW smsr.my_profile IS 'Profiles of the calling party: its own as operator, those that it made as SM-DP, those that a PLMA names';

-- Led by the profiles: the policy of smsr.euicc alone has no index to begin with.
CREATE VIEW smsr.my_euicc WITH (security_invoker = true) AS
	SELECT e.eid, e.eum_id, e.smsr_id, e.production_date, e.platform_type, e.platform_version,
		e.cattp_support, e.cattp_version, e.http_support, e.http_version,
		e.secure_packet_version, e.remote_provisioning_version,
		e.remaining_memory, e.available_memory, e.registered_at, e.additional_properties
	FROM smsr.euicc e
	WHERE e.eid IN (
		SELECT p.eid FROM smsr.profile p
		UNION ALL
		SELECT m.eid FROM smsr.euicc m
		WHERE m.eum_id = (SELECT smsr.requester()) AND (SELECT EXISTS (SELECT FROM smsr.party y WHERE y.kind = 'EUM'))
		UNION ALL
		SELECT m.eid FROM smsr.eid_range r JOIN smsr.euicc m ON m.eid BETWEEN r.first AND r.last);
COMMENT ON VIEW smsr.my_euicc IS 'eUICCs that the calling party has to do with: a profile there, its own make as EUM, or pinned to it';

CREATE VIEW smsr.my_operation WITH (security_invoker = true) AS
	SELECT o.id, o.eid, o.function, o.requester_id, o.requested_by, o.call_id, o.iccid, o.isdp_aid, o.arguments,
		o.stage, o.status, o.subject_code, o.reason_code, o.message, o.requested_at, o.expires_at, o.finished_at
	FROM smsr.operation o
	UNION ALL
	SELECT h.id, h.eid, h.function, h.requester_id, h.requested_by, h.call_id, h.iccid, h.isdp_aid, h.arguments,
		h.stage, h.status, h.subject_code, h.reason_code, h.message, h.requested_at, h.expires_at, h.finished_at
	FROM smsr.operation_history h;
COMMENT ON VIEW smsr.my_operation IS 'Operations that the calling party has requested';

CREATE VIEW smsr.my_notice WITH (security_invoker = true) AS
	SELECT n.position, n.id, n.eid, n.kind, n.iccid, n.mno_id, n.details, n.created_at
	FROM smsr.notice n;
COMMENT ON VIEW smsr.my_notice IS 'What the calling party is told or to be told; to take its turn at them is smsr.fetch_notices()''s';

-- ---- who may call what, a row a function name ----

CREATE FUNCTION smsr.shipped_functions(OUT role_name name, OUT function_name name) RETURNS SETOF record
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN QUERY
		SELECT l.r::name, f::name
		FROM (VALUES
			-- of parties: what each is allowed there is smsr.authorise()'s to say
			('{smsr_tenant,smsr_administrator}'::text[], '{register_eis,register_many,request,create_isdp,send_data,profile_download_completed,enable_profile,
				disable_profile,delete_profile,delete_isdp,set_fallback_attribute,set_emergency_profile_attribute,
				unset_emergency_profile_attribute,update_connectivity_parameters,audit_eis,
				prepare_smsr_change,smsr_change,update_policy_rules,update_subscription_address,update_eis_additional_properties,
				set_plma,get_plma,set_onc,get_onc,fetch_notices,ack_notices,notice_channel,explain_policy,
				get_eis,audited_eis,operation_response,eis_at}'::text[]),
			-- campaigns; a key officer's are rotations
			('{smsr_tenant,smsr_administrator,smsr_key_officer}', '{create_campaign,rehearse,start_campaign,pause_campaign,resume_campaign,cancel_campaign,
				rerun_campaign,undo_campaign}'),
			('{smsr_administrator,smsr_auditor}', '{members_digest}'),
			('{smsr_administrator}', '{forget_campaign}'),
			-- asked by the rule of a table that they write to
			('{smsr_administrator}', '{session_trigger}'),
			-- what the policies and the views of tenants ask
			('{smsr_tenant}', '{caller,requester,plma_operators,plma_profiles,pinned_eids,hidden_eids,guard_plans}'),
			('{smsr_tenant}', '{handover_euicc,authenticate_smsr,create_additional_key_set,peer_answer}'),
			('{smsr_administrator}', '{plan_handover,finalise_handover}'),
			-- over all shards
			('{smsr_administrator,smsr_auditor}', '{fleet_query}'),
			-- whoever carries says who has sent it
			('{smsr_gateway}', '{claim_peer_messages,receive_peer_message,receive_peer_messages}'),
			-- to say yes or no is for whom a rule names
			('{smsr_tenant,smsr_administrator,smsr_key_officer}', '{approve,reject}'),
			('{smsr_administrator}', '{manage_platform,update_platform,resume_platform_update,load_platform_package,withdraw_platform_package,
				master_delete,update_smsr_addressing,register_inbox,verify_eis,unstick,
				register_party,bind_role,unbind_role,pin_eid_range,unpin_eid_range,
				set_approval_rule,remove_approval_rule,set_gateway_limit,set_tenant_share,maintain,drop_history,drop_audit_trail,take_checkpoint}'),
			('{smsr_administrator,smsr_key_officer}', '{advance_counters,rotate_keys,mark_keyset,compromise_keys,establish_psk}'),
			-- a campaign of rotations; whatever else it asks for, a key officer acts for nobody
			('{smsr_key_officer}', '{request}'),
			-- files are those below smsr.key_directory
			('{smsr_key_officer}', '{create_storage_key,rewrap_storage_keys,reseal_keys,destroy_storage_key,
				import_transport_key,import_transport_key_file,expire_transport_key,begin_key_ceremony,begin_master_key_ceremony,enter_key_component,
				abort_key_ceremony,import_master_key,import_master_key_file,destroy_master_key,import_keys,
				check_logging,trust_ci,trust_eum,distrust,read_certificate}'),
			('{smsr_auditor,smsr_key_officer}', '{check_key_values,key_evidence}'),
			('{smsr_administrator,smsr_auditor,smsr_key_officer}', '{keystore_status,sealed_under,psk_identity}'),
			('{smsr_administrator,smsr_auditor}', '{why,timeline,describe,decode,caller,requester,setting,euicc_at,profiles_at,
				window_open,window_opens,local_time,
				audit_verify,verify_checkpoint,export_checkpoint,export_trail,export_cut,utc}')
		) AS g (roles, functions), unnest(g.roles) AS l (r), unnest(g.functions) AS f;
	END $$;
COMMENT ON FUNCTION smsr.shipped_functions() IS 'What smsr.install_roles() lets each role call, besides the gateway''s functions of smsr.grant_gateway()';

CREATE FUNCTION smsr.sealed_columns(OUT table_name name, OUT column_name name) RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN QUERY
		SELECT c.relname, a.attname
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p')
			AND (a.attname IN ('sealed', 'wrapped')
				-- an EIS that is not registered yet has key values, in clear if that EUM sends them so
				OR (c.relname, a.attname) IN (('eis_inbox', 'document'), ('key_inbox', 'keys'))
				-- whoever knows it can listen
				OR (c.relname, a.attname) = ('notice_cursor', 'channel'));
	END $$;
COMMENT ON FUNCTION smsr.sealed_columns() IS 'Columns that hold keys, sealed or not, or names that are worth as much: no role that is shipped reads them';

CREATE FUNCTION smsr.install_roles() RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		roles CONSTANT text := 'smsr_administrator, smsr_gateway, smsr_auditor, smsr_key_officer, smsr_tenant';
		shipped CONSTANT text[] := string_to_array(roles, ', ');
		me CONSTANT text := '(SELECT smsr.requester())';
		owner name := (SELECT pg_get_userbyid(e.extowner) FROM pg_extension e WHERE e.extname = 'smsr');
		one record;
	BEGIN
		IF NOT pg_has_role(owner, 'USAGE') THEN
			RAISE EXCEPTION 'roles are installed by the owner of the extension'
				USING ERRCODE = 'insufficient_privilege',
					HINT = format('Call smsr.install_roles() as a superuser or as role "%s".', owner);
		END IF;
		-- two at once would meet on the rows of the grants
		LOCK TABLE smsr.party_role IN SHARE ROW EXCLUSIVE MODE;

		FOR one IN
			SELECT s.name, s.purpose
			FROM (VALUES
				('smsr_administrator', 'smsr: acts for the SM-SR itself'),
				('smsr_gateway', 'smsr: carries short messages, reads nothing'),
				('smsr_auditor', 'smsr: reads everything but keys, changes nothing'),
				('smsr_key_officer', 'smsr: storage keys and transport keys'),
				('smsr_tenant', 'smsr: acts for the party that the member is bound to')) AS s (name, purpose)
			WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = s.name)
		LOOP
			BEGIN
				EXECUTE format('CREATE ROLE %I NOLOGIN', one.name);
				EXECUTE format('COMMENT ON ROLE %I IS %L', one.name, one.purpose);
			EXCEPTION
				WHEN duplicate_object OR unique_violation THEN
					NULL;		-- made for another database at this very moment
				WHEN insufficient_privilege THEN
					RAISE EXCEPTION 'role "%" is missing and cannot be made', one.name
						USING ERRCODE = 'insufficient_privilege',
							HINT = 'Call smsr.install_roles() as a superuser, or with CREATEROLE.';
			END;
		END LOOP;

		-- what a former version granted goes
		EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA smsr FROM %s', roles);
		EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA smsr FROM %s', roles);
		EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA smsr FROM %s', roles);
		EXECUTE format('GRANT USAGE ON SCHEMA smsr TO %s', roles);
		FOR one IN
			SELECT p.polname, p.polrelid::regclass AS of_table
			FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
			WHERE c.relnamespace = 'smsr'::regnamespace AND p.polname LIKE 'smsr\_%'
		LOOP
			EXECUTE format('DROP POLICY %I ON %s', one.polname, one.of_table);
		END LOOP;

		-- ---- functions ----
		PERFORM smsr.grant_gateway('smsr_gateway');
		FOR one IN
			SELECT f.role_name, p.oid::regprocedure AS signature
			FROM smsr.shipped_functions() f
				JOIN pg_proc p ON p.pronamespace = 'smsr'::regnamespace AND p.proname = f.function_name
		LOOP
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', one.signature, one.role_name);
		END LOOP;

		-- ---- administrators and auditors read everything, key officers what is about keys ----
		FOR one IN
			SELECT c.relname, c.relkind, c.oid::regclass AS name,
				'smsr_administrator, smsr_auditor' || CASE WHEN c.relname IN ('storage_key', 'storage_key_use', 'transport_key', 'keyset', 'keyset_listed', 'psk', 'incarnation',
						'master_key', 'key_ceremony', 'key_component', 'key_inbox', 'key_reject', 'trusted_certificate')
					THEN ', smsr_key_officer' ELSE '' END AS readers,
				(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
					WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
						AND a.attname NOT IN (SELECT s.column_name FROM smsr.sealed_columns() s WHERE s.table_name = c.relname)) AS columns
			FROM pg_class c
			WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
				AND c.relname NOT LIKE 'my\_%'
		LOOP
			EXECUTE format('GRANT SELECT (%s) ON %s TO %s', one.columns, one.name, one.readers);
			IF one.relkind <> 'v' THEN
				EXECUTE format('CREATE POLICY smsr_reader ON %s FOR SELECT TO %s USING (true)', one.name, one.readers);
			END IF;
		END LOOP;
		GRANT INSERT, DELETE ON smsr.eis_inbox TO smsr_administrator;
		CREATE POLICY smsr_administrator ON smsr.eis_inbox TO smsr_administrator USING (true) WITH CHECK (true);
		GRANT INSERT, DELETE ON smsr.key_inbox TO smsr_key_officer;
		CREATE POLICY smsr_key_officer ON smsr.key_inbox TO smsr_key_officer USING (true) WITH CHECK (true);
		GRANT INSERT, UPDATE, DELETE ON smsr.route, smsr.https_polls, smsr.https_endpoint TO smsr_administrator;
		CREATE POLICY smsr_administrator ON smsr.route TO smsr_administrator USING (true) WITH CHECK (true);
		CREATE POLICY smsr_administrator ON smsr.https_polls TO smsr_administrator USING (true) WITH CHECK (true);
		CREATE POLICY smsr_administrator ON smsr.https_endpoint TO smsr_administrator USING (true) WITH CHECK (true);

		-- ---- tenants: rows by policy, columns by grant ----
		FOR one IN
			SELECT v.name, v.columns, v.rows
			FROM (VALUES
				('profile', NULL, format('(mno_id OPERATOR(pg_catalog.=) %1$s OR smdp_id OPERATOR(pg_catalog.=) %1$s
					OR mno_id OPERATOR(pg_catalog.=) ANY ((SELECT smsr.plma_operators())::text[])
						AND (mno_id OPERATOR(pg_catalog.||) '' '' OPERATOR(pg_catalog.||) profile_type)
							OPERATOR(pg_catalog.=) ANY ((SELECT smsr.plma_profiles())::text[]))
					AND ((SELECT smsr.hidden_eids()) IS NULL
						OR (eid::text::numeric OPERATOR(pg_catalog.<@) (SELECT smsr.hidden_eids())) IS NOT TRUE)', me)),
				-- the policy of smsr.profile decides within this one
				('euicc', (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute a
						WHERE a.attrelid = 'smsr.my_euicc'::regclass AND a.attnum > 0),
					format('eum_id OPERATOR(pg_catalog.=) %s
						OR (SELECT smsr.pinned_eids()) IS NOT NULL AND eid::text::numeric OPERATOR(pg_catalog.<@) (SELECT smsr.pinned_eids())
						OR EXISTS (SELECT FROM smsr.profile p WHERE p.eid OPERATOR(pg_catalog.=) euicc.eid)', me)),
				('operation', (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute a
						WHERE a.attrelid = 'smsr.my_operation'::regclass AND a.attnum > 0),
					format('requester_id OPERATOR(pg_catalog.=) %s', me)),
				('operation_history', (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute a
						WHERE a.attrelid = 'smsr.my_operation'::regclass AND a.attnum > 0),
					format('requester_id OPERATOR(pg_catalog.=) %s', me)),
				('notice', (SELECT string_agg(quote_ident(a.attname), ', ') || ', party_id' FROM pg_attribute a
						WHERE a.attrelid = 'smsr.my_notice'::regclass AND a.attnum > 0),
					format('party_id OPERATOR(pg_catalog.=) %s', me)),
				('plma', NULL, format('mno_id OPERATOR(pg_catalog.=) %1$s OR m2m_sp_id OPERATOR(pg_catalog.=) %1$s', me)),
				('onc', NULL, format('mno_id OPERATOR(pg_catalog.=) %s', me)),
				('party', NULL, format('oid OPERATOR(pg_catalog.=) %s', me)),
				('eid_range', NULL, format('party_id OPERATOR(pg_catalog.=) %s', me))) AS v (name, columns, rows)
		LOOP
			EXECUTE format('GRANT SELECT %s ON smsr.%I TO smsr_tenant', '(' || one.columns || ')', one.name);
			EXECUTE format('CREATE POLICY smsr_tenant ON smsr.%I FOR SELECT TO smsr_tenant USING (smsr.guard_plans() AND (%s))',
				one.name, one.rows);
		END LOOP;
		GRANT SELECT ON smsr.my_profile, smsr.my_euicc, smsr.my_operation, smsr.my_notice TO smsr_tenant;

		-- ---- campaigns: whoever owns one sees it, but for the plan of its query ----
		FOR one IN
			SELECT c.oid::regclass AS name, c.relkind,
				(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
					WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (c.relname, a.attname) <> ('campaign', 'plan')) AS columns,
				-- the policy of smsr.campaign decides within the others
				CASE c.relname WHEN 'campaign' THEN format('party_id OPERATOR(pg_catalog.=) %s', me)
					ELSE 'campaign_id IN (SELECT k.id FROM smsr.campaign k)' END AS own,
				CASE c.relname WHEN 'campaign' THEN 'function OPERATOR(pg_catalog.=) ''rotate_keys'''
					ELSE 'campaign_id IN (SELECT k.id FROM smsr.campaign k)' END AS of_keys
			FROM pg_class c
			WHERE c.relnamespace = 'smsr'::regnamespace AND c.relname IN ('campaign', 'campaign_member', 'campaign_wave', 'campaign_running',
				'campaign_retry', 'campaign_outcome', 'campaign_reason', 'campaign_pace', 'campaign_progress', 'campaign_result')
		LOOP
			EXECUTE format('GRANT SELECT (%s) ON %s TO smsr_tenant, smsr_key_officer', one.columns, one.name);
			IF one.relkind = 'r' THEN
				EXECUTE format('CREATE POLICY smsr_tenant ON %s FOR SELECT TO smsr_tenant USING (smsr.guard_plans() AND (%s))', one.name, one.own);
				EXECUTE format('CREATE POLICY smsr_key_officer ON %s FOR SELECT TO smsr_key_officer USING (%s)', one.name, one.of_keys);
			END IF;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.install_roles() IS 'Make the roles smsr_administrator, smsr_gateway, smsr_auditor, smsr_key_officer and smsr_tenant if they are missing, and their grants and policies in this database anew; call it again after an upgrade, and after a restore: a dump leaves the policies of an extension''s tables out';

REVOKE ALL ON FUNCTION smsr.plma_operators(), smsr.plma_profiles(), smsr.pinned_eids(), smsr.hidden_eids(),
	smsr.guard_plans(), smsr.shipped_functions(), smsr.sealed_columns(), smsr.install_roles() FROM PUBLIC;
