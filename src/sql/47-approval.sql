-- Four eyes: what waits for a second person, and what that person says.

CREATE TABLE smsr.approval_rule (
	function text NOT NULL,
	party_id text NOT NULL DEFAULT '*',
	above int NOT NULL DEFAULT 0 CHECK (above >= 0),
	approver_role name NOT NULL,
	set_at timestamptz NOT NULL DEFAULT now(),
	set_by name NOT NULL,
	PRIMARY KEY (function, party_id, approver_role)
);
COMMENT ON TABLE smsr.approval_rule IS 'Which calls wait for a second person; where several rules apply, each asks for its own';
COMMENT ON COLUMN smsr.approval_rule.function IS 'A function''s name, or * for all that involve the card';
COMMENT ON COLUMN smsr.approval_rule.party_id IS 'Whose calls; * for everybody''s';
COMMENT ON COLUMN smsr.approval_rule.above IS 'Calls for more eUICCs than this; 0: every call';
COMMENT ON COLUMN smsr.approval_rule.approver_role IS 'Role that the second person must be a member of';

CREATE TABLE smsr.approval (
	id bigint PRIMARY KEY DEFAULT smsr.next_id(),
	function text NOT NULL,
	party_id text NOT NULL,
	requested_by name NOT NULL,
	session_by name NOT NULL,
	reason text,
	what text NOT NULL,
	digest bytea,
	euiccs int NOT NULL,
	approver_roles name[] NOT NULL,
	requested_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	decision text CHECK (decision IN ('approved', 'rejected')),
	decided_by name,
	decided_session name,
	decided_at timestamptz,
	decided_because text,
	used_at timestamptz,
	CHECK ((decision IS NULL) = (decided_at IS NULL)),
	CHECK (decided_by <> requested_by AND decided_session <> session_by)
);
CREATE INDEX approval_digest ON smsr.approval (digest) WHERE digest IS NOT NULL;
COMMENT ON TABLE smsr.approval IS 'Calls that wait, or waited, for a second person';
COMMENT ON COLUMN smsr.approval.session_by IS 'Who was logged in: two roles of one login are one person';
COMMENT ON COLUMN smsr.approval.digest IS 'SHA-256 of function and arguments of a call that is to be repeated once it is approved; NULL for operations, which go on by themselves';

-- NULL: nobody has to be asked.
CREATE FUNCTION smsr.approver_roles(p_function text, p_party text, p_count int) RETURNS name[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT array_agg(DISTINCT r.approver_role ORDER BY r.approver_role)
			FROM smsr.approval_rule r
			WHERE r.function IN (p_function, CASE WHEN p_function IN (SELECT smsr.card_functions()) THEN '*' END)
				AND r.party_id IN ('*', p_party) AND p_count > r.above);
	END $$;
COMMENT ON FUNCTION smsr.approver_roles(text, text, int) IS 'The roles, of each of which a second person must be a member, for a call of this function for so many eUICCs; NULL if none';

CREATE FUNCTION smsr.card_functions() RETURNS SETOF text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT unnest(ARRAY['create_isdp', 'enable_profile', 'disable_profile', 'delete_profile', 'master_delete',
			'set_fallback_attribute', 'set_emergency_profile_attribute', 'unset_emergency_profile_attribute',
			'update_connectivity_parameters', 'update_smsr_addressing', 'rotate_keys', 'audit_eis']);
	END;
COMMENT ON FUNCTION smsr.card_functions() IS 'The functions that involve the card, as smsr.request() takes them';

CREATE FUNCTION smsr.ask_approval(p_id bigint, p_function text, p_party text, p_what text, p_digest bytea, p_count int,
		p_roles name[], p_expires_at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr.approval (id, function, party_id, requested_by, session_by, reason, what, digest, euiccs,
				approver_roles, expires_at)
			VALUES (p_id, p_function, p_party, smsr.caller(), session_user, nullif(smsr.setting('reason'), ''), p_what, p_digest,
				p_count, p_roles, p_expires_at);
		PERFORM smsr.record_audit(NULL, 'ask_approval', p_operation_id => p_id, p_requester => p_party,
			p_details => jsonb_build_object('function', p_function, 'what', p_what, 'euiccs', p_count, 'approvers', p_roles));
		RAISE NOTICE 'waits for approval %', p_id
			USING DETAIL = format('By a second person, a member of %s.', array_to_string(p_roles, ' and of ')),
				HINT = format('SELECT smsr.approve(%s);', p_id);
	END $$;
COMMENT ON FUNCTION smsr.ask_approval(bigint, text, text, text, bytea, int, name[], timestamptz) IS 'Note that a call waits for a second person';

-- For functions that act at once: the first call asks, the same call again, once
-- that is approved, acts.  Arguments are not kept, they may be worth hiding.
CREATE FUNCTION smsr.second_person(p_function text, p_what text, p_arguments jsonb DEFAULT NULL, p_count int DEFAULT 1,
		p_party text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := coalesce(p_party, smsr.require_caller(p_function));
		roles name[] := smsr.approver_roles(p_function, me, p_count);
		call_digest bytea;
		known smsr.approval;
	BEGIN
		IF roles IS NULL THEN
			RETURN true;
		END IF;
		call_digest := sha256(convert_to(concat_ws(E'\x1f', p_function, me, smsr.caller(), p_arguments::text), 'UTF8'));
		SELECT * INTO known FROM smsr.approval a
			WHERE a.digest = call_digest AND a.used_at IS NULL AND a.expires_at > now() AND a.decision IS DISTINCT FROM 'rejected'
				-- what was approved under other rules is not what these ask for
				AND a.approver_roles @> roles
			ORDER BY a.id DESC LIMIT 1;
		-- once, if two repeat the call; what is undecided is not held, or the second person waited for it
		IF known.decision = 'approved' THEN
			UPDATE smsr.approval a SET used_at = now() WHERE a.id = known.id AND a.used_at IS NULL;
			IF FOUND THEN
				RETURN true;
			END IF;
			known := NULL;
		END IF;
		IF known.id IS NULL THEN
			PERFORM smsr.ask_approval(smsr.next_id(), p_function, me, p_what, call_digest, p_count, roles,
				now() + smsr.validity(NULL));
		ELSE
			RAISE NOTICE 'waits for approval %', known.id;
		END IF;
		RETURN false;
	END $$;
COMMENT ON FUNCTION smsr.second_person(text, text, jsonb, int, text)
	IS 'Whether a call may go on: no rule asks for a second person, or one has approved this very call. If not, it is noted that it waits';

-- Which approval a number means: its own, or that of an operation or campaign.
CREATE FUNCTION smsr.approval_of(p_id bigint) RETURNS smsr.approval
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		a smsr.approval;
		me name := smsr.caller();
		role name;
	BEGIN
		SELECT * INTO a FROM smsr.approval x WHERE x.id = p_id
			OR x.id = (SELECT o.approval_id FROM smsr.every_operation o WHERE o.id = p_id)
			OR x.id = (SELECT c.approval_id FROM smsr.campaign c WHERE c.id = p_id);
		-- to whom it is not to be decided by, it is not there
		IF FOUND THEN
			FOREACH role IN ARRAY a.approver_roles
			LOOP
				-- closed: a role that is not there has no members
				IF (SELECT pg_has_role(me, r.oid, 'USAGE') FROM pg_roles r WHERE r.rolname = role) IS NOT TRUE THEN
					a := NULL;
					EXIT;
				END IF;
			END LOOP;
		END IF;
		IF a.id IS NULL THEN
			RAISE EXCEPTION 'there is no approval % for role "%" to give', p_id, coalesce(me, 'none')
				USING ERRCODE = 'insufficient_privilege';
		END IF;
		-- not before: nobody holds, or waits for, what is not his to decide
		SELECT * INTO STRICT a FROM smsr.approval x WHERE x.id = a.id FOR UPDATE;
		IF me = a.requested_by OR session_user = a.session_by THEN
			RAISE EXCEPTION 'approval % must be given by another person than the one who called', a.id
				USING ERRCODE = 'insufficient_privilege',
					DETAIL = format('Role "%s" called, logged in as "%s".', a.requested_by, a.session_by);
		ELSIF a.decision IS NOT NULL THEN
			RAISE EXCEPTION 'approval % was already decided: %', a.id, a.decision
				USING ERRCODE = 'object_not_in_prerequisite_state';
		ELSIF a.expires_at <= now() THEN
			RAISE EXCEPTION 'approval % has expired', a.id USING ERRCODE = 'object_not_in_prerequisite_state';
		END IF;
		RETURN a;
	END $$;
COMMENT ON FUNCTION smsr.approval_of(bigint) IS 'The undecided approval of this id, or of the operation of this id, if the caller is who may decide it; an error otherwise';

-- ---- what is done to keys: of this SM-SR, whoever its key officer is ----

CREATE FUNCTION smsr.key_act(p_function text, p_what text, p_arguments jsonb DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN smsr.second_person(p_function, p_what, p_arguments, p_party => smsr.setting('smsr_id'));
	END $$;
COMMENT ON FUNCTION smsr.key_act(text, text, jsonb) IS 'smsr.second_person() for what is done to keys: a key officer acts for this SM-SR and is no party';

CREATE FUNCTION smsr.used_approval(p_function text) RETURNS bigint
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT max(a.id) FROM smsr.approval a
			WHERE a.function = p_function AND a.used_at = now() AND a.requested_by = smsr.caller());
	END $$;
COMMENT ON FUNCTION smsr.used_approval(text) IS 'The approval that let the calling transaction go on; NULL: no rule asked for one';

CREATE FUNCTION smsr.record_key_act(p_function text, p_details jsonb, p_status text DEFAULT 'EXECUTED_SUCCESS') RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		approval bigint := smsr.used_approval(p_function);
	BEGIN
		PERFORM smsr.record_audit(NULL, p_function, p_operation_id => approval, p_requester => smsr.setting('smsr_id'),
			p_status => p_status, p_details => p_details,
			p_approved_by => (SELECT a.decided_by FROM smsr.approval a WHERE a.id = approval)::text);
	END $$;
COMMENT ON FUNCTION smsr.record_key_act(text, jsonb, text) IS 'Record in this SM-SR''s own chain what was done to keys, and who approved it; never a key';
