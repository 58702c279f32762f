-- What the second person says.

CREATE FUNCTION smsr.approve(id bigint, because text DEFAULT NULL) RETURNS int
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		a smsr.approval := smsr.approval_of(approve.id);
		eids smsr.eid[];
		n int;
	BEGIN
		UPDATE smsr.approval SET decision = 'approved', decided_by = smsr.caller(), decided_session = session_user,
				decided_at = clock_timestamp(), decided_because = approve.because
			WHERE id = a.id;
		PERFORM smsr.record_audit(NULL, 'approve', p_operation_id => a.id, p_requester => a.party_id,
			p_details => jsonb_strip_nulls(jsonb_build_object('function', a.function, 'because', approve.because)));
		SELECT array_agg(o.eid ORDER BY o.eid) INTO eids FROM smsr.operation o
			WHERE o.approval_id = a.id AND o.stage = 'held' AND o.status IS NULL;
		PERFORM FROM smsr.euicc e WHERE e.eid = ANY (eids) ORDER BY e.eid FOR NO KEY UPDATE;
		UPDATE smsr.operation o SET stage = 'waiting', exclusive = smsr.procedure_exclusive(o.function), stage_at = now()
			WHERE o.eid = ANY (eids) AND o.approval_id = a.id AND o.stage = 'held' AND o.status IS NULL;
		GET DIAGNOSTICS n = ROW_COUNT;
		PERFORM smsr.start_approved(a.id);
		RETURN n + smsr.campaign_decided(a.id, true, approve.because);
	END $$;
COMMENT ON FUNCTION smsr.approve(bigint, text) IS 'Say yes, as a second person, to a call that waits: by the approval''s id or that of one of its operations. Operations and campaigns go on by themselves, other calls are to be repeated; returns for how many eUICCs';

CREATE FUNCTION smsr.reject(id bigint, because text DEFAULT NULL) RETURNS int
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		a smsr.approval := smsr.approval_of(reject.id);
		eids smsr.eid[];
		gone smsr.operation[];
	BEGIN
		UPDATE smsr.approval SET decision = 'rejected', decided_by = smsr.caller(), decided_session = session_user,
				decided_at = clock_timestamp(), decided_because = reject.because
			WHERE id = a.id;
		PERFORM smsr.record_audit(NULL, 'reject', p_operation_id => a.id, p_requester => a.party_id,
			p_details => jsonb_strip_nulls(jsonb_build_object('function', a.function, 'because', reject.because)));
		SELECT array_agg(o.eid ORDER BY o.eid) INTO eids FROM smsr.operation o
			WHERE o.approval_id = a.id AND o.stage = 'held' AND o.status IS NULL;
		PERFORM FROM smsr.euicc e WHERE e.eid = ANY (eids) ORDER BY e.eid FOR NO KEY UPDATE;
		WITH ended AS (
			UPDATE smsr.operation o SET stage = 'finished', status = 'FAILED', subject_code = '1.6', reason_code = '3.8',
					message = 'rejected by a second person', finished_at = clock_timestamp()
				WHERE o.eid = ANY (eids) AND o.approval_id = a.id AND o.stage = 'held' AND o.status IS NULL
				RETURNING o.*
		)
		SELECT array_agg(e) INTO gone FROM ended e;
		PERFORM smsr.record_ends(gone);
		RETURN coalesce(cardinality(gone), 0) + smsr.campaign_decided(a.id, false, reject.because);
	END $$;
COMMENT ON FUNCTION smsr.reject(bigint, text) IS 'Say no, as a second person, to a call that waits; its operations end as FAILED, a campaign is cancelled. Returns for how many eUICCs';

-- Those that nothing runs before, all in one statement; the others' turns come
-- as every operation's do.
CREATE FUNCTION smsr.start_approved(p_approval bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		refused smsr.operation[];
	BEGIN
		WITH first AS MATERIALIZED (
			SELECT DISTINCT ON (o.eid) o.*
			FROM smsr.operation o
			WHERE o.approval_id = p_approval AND o.stage = 'waiting' AND o.status IS NULL
				AND NOT EXISTS (SELECT FROM smsr.operation r WHERE r.eid = o.eid AND r.status IS NULL
					AND (r.exclusive AND r.stage <> 'waiting' OR r.stage = 'waiting' AND r.id < o.id))
			ORDER BY o.eid, o.id
		), numbered AS MATERIALIZED (
			SELECT f.*, row_number() OVER (ORDER BY f.eid) AS n FROM first f
		), asked AS MATERIALIZED (
			SELECT n.requester_id, n.function, array_agg(n.eid ORDER BY n.n) AS eids, array_agg(n.iccid ORDER BY n.n) AS iccids,
				array_agg(n.arguments ORDER BY n.n) AS arguments
			FROM numbered n GROUP BY n.requester_id, n.function
		), judged AS MATERIALIZED (
			SELECT n.eid, n.id, n.function, n.arguments, n.expires_at, p.state, c.msisdn, c.mno_id,
				e.isdr_aid, e.isdp_loadfile_aid, e.isdp_module_aid,
				CASE WHEN n.function = 'create_isdp' THEN smsr.free_isdp_aid(n.eid) ELSE p.isdp_aid END AS isdp_aid,
				CASE WHEN z.allowed IS NOT TRUE
					THEN ROW(NULL, coalesce(z.subject_code, '1.2'), coalesce(z.reason_code, '4.2'), z.because)::smsr.refusal
					WHEN h.eid IS NOT NULL THEN ROW(NULL, '1.2', '4.4', 'the eUICC is being handed over to another SM-SR')::smsr.refusal
					ELSE smsr.judge(n.function, p.state, p.fallback_attribute, p.pol2,
						c.state, c.pol2, (n.arguments ->> 'required_memory')::bigint, e.remaining_memory,
						p.emergency_attribute, e.remote_provisioning_version) END AS refusal
			FROM numbered n
				CROSS JOIN asked a
				LEFT JOIN LATERAL smsr.authorise_all(a.requester_id, a.function, a.eids, a.iccids, a.arguments) z ON z.n = n.n
				JOIN smsr.euicc e ON e.eid = n.eid
				LEFT JOIN smsr.handover h ON h.eid = n.eid AND h.side = 'gives'
				LEFT JOIN smsr.profile p ON p.eid = n.eid AND p.iccid = n.iccid
				LEFT JOIN smsr.profile c ON c.eid = n.eid AND c.state = 'Enabled'
		), begun AS (
			UPDATE smsr.operation o SET step = s.step, stage = s.stage, stage_at = now(), isdp_aid = j.isdp_aid
			FROM judged j CROSS JOIN LATERAL smsr.procedure(j.function, NULL, 'waiting', NULL, false, false,
				'start', target_enabled => j.state = 'Enabled') s
			WHERE o.eid = j.eid AND o.id = j.id AND (j.refusal).subject_code IS NULL
			RETURNING o.eid, o.id, o.step, o.lane_id, j.isdp_aid, j.isdr_aid, j.isdp_loadfile_aid, j.isdp_module_aid, j.arguments,
				j.msisdn, j.mno_id, j.expires_at
		), queued AS (
			INSERT INTO smsr.outbound (eid, operation_id, step, sd_aid, target_aid, script, destination, mno_id, lane_id, due_at, expires_at)
			SELECT b.eid, b.id, b.step, b.isdr_aid, smsr.packet_target(b.step, b.isdp_aid),
				smsr.es5_script(b.step, b.isdp_aid, b.isdp_loadfile_aid, b.isdp_module_aid, b.arguments, NULL),
				b.msisdn, b.mno_id, coalesce(b.lane_id, 1), CASE WHEN b.msisdn IS NULL THEN 'infinity' ELSE now() END, b.expires_at
			FROM begun b
			ORDER BY b.id
		), ended AS (
			UPDATE smsr.operation o SET stage = 'finished', status = 'FAILED', subject_code = (j.refusal).subject_code,
					reason_code = (j.refusal).reason_code, message = (j.refusal).because, finished_at = clock_timestamp()
			FROM judged j
			WHERE o.eid = j.eid AND o.id = j.id AND (j.refusal).subject_code IS NOT NULL
			RETURNING o.*
		)
		SELECT array_agg(e) INTO refused FROM ended e;
		PERFORM smsr.set_bearers(array_agg(o.eid), array_agg(o.id))
			FROM smsr.operation o
			WHERE o.approval_id = p_approval AND o.status IS NULL AND o.stage = 'sending'
			HAVING bool_or(smsr.bearers_matter(o.function));
		PERFORM smsr.record_ends(refused);
		PERFORM smsr.start_next(f.eid)
			FROM (SELECT o.requester_id, array_agg(o.eid) AS eids
				FROM smsr.operation o
				WHERE o.approval_id = p_approval AND o.function = 'rotate_keys' AND o.status IS NULL GROUP BY 1) c
				CROSS JOIN LATERAL smsr.begin_rotations(c.requester_id, c.eids) f (eid);
		PERFORM smsr.ring();
	END $$;
COMMENT ON FUNCTION smsr.start_approved(bigint) IS 'Begin the operations of an approval that was given, wherever nothing else runs or waits before them; they are judged as things are now';

CREATE FUNCTION smsr.record_ends(operations smsr.operation[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		PERFORM smsr.record_audit(array_agg(smsr.audit_entry(o.eid, o.function, o.id, o.requester_id, o.status,
				o.subject_code, o.reason_code, o.isdp_aid, o.iccid,
				p_requested_by => o.requested_by, p_reason => o.reason) ORDER BY o.eid, o.id))
			FROM unnest(operations) o
			HAVING count(*) > 0;
	END $$;
COMMENT ON FUNCTION smsr.record_ends(smsr.operation[]) IS 'The audit trail''s records of operations that have ended';

CREATE FUNCTION smsr.set_approval_rule(function text, approver_role name, above int DEFAULT 0, party_id text DEFAULT '*')
	RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF function IS NULL OR function <> '*' AND function NOT IN (SELECT smsr.approvable_functions()) THEN
			RAISE EXCEPTION 'function "%" can not be made to wait', function USING ERRCODE = 'invalid_parameter_value',
				HINT = format('Functions are * and %s.', (SELECT string_agg(f, ', ' ORDER BY f) FROM smsr.approvable_functions() f));
		END IF;
		IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = approver_role) THEN
			RAISE EXCEPTION 'approver_role must be a role; there is no "%"', approver_role USING ERRCODE = 'undefined_object';
		END IF;
		IF party_id IS NULL OR party_id <> '*' AND smsr.party_kind(party_id) IS NULL THEN
			RAISE EXCEPTION 'party_id must be * or that of a party' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF above IS NULL OR above < 0 THEN
			RAISE EXCEPTION 'above must be a number of eUICCs, not below 0' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF NOT smsr.own_only('set_approval_rule') OR NOT smsr.second_person('set_approval_rule', format('%s waits for %s', function, approver_role),
				jsonb_build_array('set', function, approver_role, above, party_id)) THEN
			RETURN false;
		END IF;
		INSERT INTO smsr.approval_rule AS r (function, party_id, above, approver_role, set_by)
			VALUES (set_approval_rule.function, set_approval_rule.party_id, set_approval_rule.above,
				set_approval_rule.approver_role, smsr.caller())
			ON CONFLICT ON CONSTRAINT approval_rule_pkey
				DO UPDATE SET above = excluded.above, set_at = now(), set_by = excluded.set_by;
		PERFORM smsr.record_audit(NULL, 'set_approval_rule', p_requester => smsr.requester(),
			p_details => jsonb_build_object('function', function, 'party_id', party_id, 'above', above, 'approver_role', approver_role));
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.set_approval_rule(text, name, int, text) IS 'From now on, calls of a function (* for all that involve the card) for more than so many eUICCs wait for a second person of a role; of one party, or of all. False: this call itself waits';

CREATE FUNCTION smsr.remove_approval_rule(function text, approver_role name, party_id text DEFAULT '*') RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF NOT smsr.own_only('set_approval_rule') OR NOT smsr.second_person('set_approval_rule', format('%s does not wait for %s any more', function, approver_role),
				jsonb_build_array('remove', function, approver_role, party_id)) THEN
			RETURN false;
		END IF;
		DELETE FROM smsr.approval_rule r WHERE r.function = remove_approval_rule.function
			AND r.approver_role = remove_approval_rule.approver_role AND r.party_id = remove_approval_rule.party_id;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'there is no such rule' USING ERRCODE = 'no_data_found';
		END IF;
		PERFORM smsr.record_audit(NULL, 'remove_approval_rule', p_requester => smsr.requester(),
			p_details => jsonb_build_object('function', function, 'party_id', party_id, 'approver_role', approver_role));
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.remove_approval_rule(text, name, text) IS 'Take a rule back; where a rule is for set_approval_rule, a second person must say yes to that too';

CREATE FUNCTION smsr.approvable_functions() RETURNS SETOF text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT smsr.card_functions()
		UNION ALL
		SELECT unnest(ARRAY['update_policy_rules', 'set_approval_rule', 'register_party', 'bind_role', 'pin_eid_range',
			'set_plma', 'mark_keyset', 'compromise_keys', 'establish_psk', 'create_storage_key', 'import_transport_key', 'import_transport_key_file', 'advance_counters',
			'rewrap_storage_keys', 'destroy_storage_key', 'import_master_key', 'import_master_key_file', 'destroy_master_key',
			'import_keys', 'expire_transport_key', 'drop_audit_trail', 'manage_platform', 'update_platform', 'load_platform_package']);
	END;
COMMENT ON FUNCTION smsr.approvable_functions() IS 'The functions that a rule can make wait for a second person';
