-- What operators grant and want to hear of: PLMA and ONC (SGP.02 v3.2 on, ES4A).

CREATE FUNCTION smsr.set_plma(m2m_sp_id text, profile_type text, authorised text[], notifications text[] DEFAULT '{}',
		mno_id text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		operator text := coalesce(mno_id, smsr.require_requester());
		granted jsonb;
	BEGIN
		IF NOT smsr.operator_call('set_plma', operator) THEN
			RETURN false;
		END IF;
		IF smsr.party_kind(m2m_sp_id) IS NULL OR smsr.party_kind(m2m_sp_id) NOT IN ('M2M-SP', 'MNO') OR m2m_sp_id = operator THEN
			RAISE EXCEPTION 'm2m_sp_id must be that of an M2M service provider or of another operator' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It is "%s".', m2m_sp_id);
		ELSIF profile_type IS NULL OR profile_type = '' THEN
			RAISE EXCEPTION 'profile_type must not be empty' USING ERRCODE = 'invalid_parameter_value';
		ELSIF authorised IS NULL OR array_position(authorised, NULL) IS NOT NULL OR NOT smsr.plma_ok(authorised) THEN
			RAISE EXCEPTION 'authorised must be functions that a PLMA can authorise' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It is %s.', authorised),
				HINT = 'They are get_eis, audit_eis, enable_profile, disable_profile, delete_profile, set_fallback_attribute, unset_fallback_attribute, set_emergency_profile_attribute, unset_emergency_profile_attribute and update_subscription_address; never update_policy_rules.';
		END IF;
		PERFORM smsr.check_notice_kinds('notifications', notifications);
		granted := jsonb_build_object('mno_id', operator, 'm2m_sp_id', m2m_sp_id, 'profile_type', profile_type,
			'authorised', authorised, 'notifications', notifications);
		IF NOT smsr.second_person('set_plma', format('PLMA of %s for %s, profiles %s', operator, m2m_sp_id, profile_type), granted) THEN
			RETURN false;
		END IF;
		IF authorised = '{}' AND notifications = '{}' THEN
			DELETE FROM smsr.plma p WHERE p.mno_id = operator AND p.m2m_sp_id = set_plma.m2m_sp_id
				AND p.profile_type = set_plma.profile_type;
		ELSE
			INSERT INTO smsr.plma (mno_id, m2m_sp_id, profile_type, authorised, notifications, set_by)
				VALUES (operator, set_plma.m2m_sp_id, set_plma.profile_type, set_plma.authorised, set_plma.notifications, smsr.caller())
				ON CONFLICT ON CONSTRAINT plma_pkey DO UPDATE SET authorised = excluded.authorised,
					notifications = excluded.notifications, set_at = now(), set_by = excluded.set_by;
		END IF;
		PERFORM smsr.record_audit(NULL, 'set_plma', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS', p_details => granted);
		PERFORM smsr.tell_party(m2m_sp_id, 'HandlePLMASetting', granted, operator);
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.set_plma(text, text, text[], text[], text)
	IS 'ES4A.SetPLMA: what a party may do with this operator''s profiles of a type, and the notices that it gets; two empty arrays take it back. mno_id is for administrators, who set it for an operator. False: refused, or it waits for a second person';

CREATE FUNCTION smsr.operator_call(p_function text, p_operator text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_requester();
	BEGIN
		IF NOT smsr.permit(p_function) THEN
			RETURN false;
		ELSIF smsr.party_kind(me) <> 'OWN' AND p_operator <> me THEN
			PERFORM smsr.refuse(p_function, NULL, NULL, me, '1.1', '1.2', 'an operator decides for itself alone');
			RETURN false;
		ELSIF smsr.party_kind(p_operator) IS DISTINCT FROM 'MNO' THEN
			RAISE EXCEPTION 'mno_id must be that of an operator' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It is "%s".', p_operator);
		END IF;
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.operator_call(text, text) IS 'Whether the caller may call a function on this operator''s behalf; if not, the refusal is recorded and told by a warning';

CREATE FUNCTION smsr.check_notice_kinds(p_field text, p_kinds text[]) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF p_kinds IS NULL OR array_position(p_kinds, NULL) IS NOT NULL THEN
			RAISE EXCEPTION '% must be kinds of notices, an empty array for none', p_field USING ERRCODE = 'null_value_not_allowed';
		END IF;
		PERFORM p_kinds::smsr.notice_kind[];
	EXCEPTION WHEN check_violation THEN
		RAISE EXCEPTION '% must be kinds of notices', p_field USING ERRCODE = 'invalid_parameter_value',
			DETAIL = format('It is %s.', p_kinds), HINT = 'HandleProfileEnabled is one; the domain smsr.notice_kind lists them.';
	END $$;
COMMENT ON FUNCTION smsr.check_notice_kinds(text, text[]) IS 'Refuses what is not an array of kinds of notices; names the field';

CREATE FUNCTION smsr.get_plma(of_m2m_sp text DEFAULT NULL, of_type text DEFAULT NULL)
	RETURNS TABLE (mno_id text, m2m_sp_id text, profile_type text, authorised text[], notifications text[], set_at timestamptz)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		me text := smsr.require_requester();
	BEGIN
		IF smsr.permit('get_plma') THEN
			RETURN QUERY SELECT p.mno_id, p.m2m_sp_id, p.profile_type, p.authorised, p.notifications::text[], p.set_at
				FROM smsr.plma p
				WHERE (smsr.party_kind(me) = 'OWN' OR p.mno_id = me OR p.m2m_sp_id = me)
					AND p.m2m_sp_id = coalesce(of_m2m_sp, p.m2m_sp_id)
					AND p.profile_type = coalesce(of_type, p.profile_type)
				ORDER BY p.mno_id, p.m2m_sp_id, p.profile_type;
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.get_plma(text, text) IS 'ES4A.GetPLMA: the authorisations that the caller has given or been given';

CREATE FUNCTION smsr.set_onc(profile_type text, discarded text[], mno_id text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		operator text := coalesce(mno_id, smsr.require_requester());
	BEGIN
		IF NOT smsr.operator_call('set_onc', operator) THEN
			RETURN false;
		END IF;
		IF profile_type IS NULL OR profile_type = '' THEN
			RAISE EXCEPTION 'profile_type must not be empty' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM smsr.check_notice_kinds('discarded', discarded);
		IF discarded = '{}' THEN
			DELETE FROM smsr.onc o WHERE o.mno_id = operator AND o.profile_type = set_onc.profile_type;
		ELSE
			INSERT INTO smsr.onc (mno_id, profile_type, discarded, set_by)
				VALUES (operator, set_onc.profile_type, set_onc.discarded, smsr.caller())
				ON CONFLICT ON CONSTRAINT onc_pkey DO UPDATE SET discarded = excluded.discarded, set_at = now(), set_by = excluded.set_by;
		END IF;
		PERFORM smsr.record_audit(NULL, 'set_onc', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('mno_id', operator, 'profile_type', profile_type, 'discarded', discarded));
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.set_onc(text, text[], text) IS 'ES4A.SetONC: the notices about its profiles of a type that an operator does not want; an empty array: it wants all. mno_id is for administrators. False: refused';

CREATE FUNCTION smsr.get_onc(of_type text DEFAULT NULL)
	RETURNS TABLE (mno_id text, profile_type text, discarded text[], set_at timestamptz)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		me text := smsr.require_requester();
	BEGIN
		IF smsr.permit('get_onc') THEN
			RETURN QUERY SELECT o.mno_id, o.profile_type, o.discarded::text[], o.set_at
				FROM smsr.onc o
				WHERE (smsr.party_kind(me) = 'OWN' OR o.mno_id = me) AND o.profile_type = coalesce(of_type, o.profile_type)
				ORDER BY o.mno_id, o.profile_type;
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.get_onc(text) IS 'ES4A.GetONC: which notices the calling operator does not want';
