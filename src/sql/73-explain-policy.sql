-- The chain of rules that a call would meet, without making it.

CREATE FUNCTION smsr.explain_policy(eid smsr.eid, iccid smsr.iccid, function text)
	RETURNS TABLE (rule text, says text, verdict text)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		me text := smsr.require_requester();
		kind text := smsr.party_kind(me);
		may record;
		card smsr.euicc;
		target smsr.profile;
		enabled smsr.profile;
		judged smsr.refusal;
		-- what the life cycle calls an event
		event text := explain_policy.function;
		running text;
		roles name[];
		refused text;
	BEGIN
		IF event IS NULL OR event NOT IN (SELECT r.function FROM smsr.authority_rules() r) THEN
			RAISE EXCEPTION 'unknown function "%"', event USING ERRCODE = 'invalid_parameter_value';
		END IF;
		may := smsr.authorise(me, event, explain_policy.eid, explain_policy.iccid);
		RETURN QUERY VALUES ('authority', format('%s as %s: %s', me, coalesce(kind, 'nobody'), coalesce(may.because, 'allowed')),
			CASE WHEN may.allowed IS TRUE THEN 'goes on' ELSE format('refused %s %s', may.subject_code, may.reason_code) END);
		IF may.allowed IS NOT TRUE THEN
			-- no more, or it would tell of what is not the caller's
			RETURN QUERY VALUES ('verdict', may.because, format('refused %s %s', may.subject_code, may.reason_code));
			RETURN;
		END IF;
		SELECT * INTO card FROM smsr.euicc e WHERE e.eid = explain_policy.eid;
		IF NOT FOUND THEN
			RETURN QUERY VALUES ('verdict', 'the EID is not registered here', 'refused 8.1.1 3.9');
			RETURN;
		END IF;
		SELECT * INTO target FROM smsr.profile p WHERE p.eid = explain_policy.eid AND p.iccid = explain_policy.iccid;
		SELECT * INTO enabled FROM smsr.profile p WHERE p.eid = explain_policy.eid AND p.state = 'Enabled';
		IF target.isdp_aid IS NOT NULL THEN
			RETURN QUERY VALUES ('profile', concat_ws(', ', target.state, CASE WHEN target.fallback_attribute THEN 'fall-back attribute' END,
				CASE WHEN target.emergency_attribute THEN 'emergency attribute' END), NULL);
			RETURN QUERY VALUES ('POL2 of the profile', coalesce(nullif(array_to_string(target.pol2, ', '), ''), 'no rule'),
				CASE WHEN event IN ('disable_profile', 'delete_profile') AND target.pol2 @> '{DISABLE/Not-Allowed}' AND target.state = 'Enabled'
						OR event = 'delete_profile' AND target.pol2 @> '{DELETE/Not-Allowed}' THEN 'forbids'
					WHEN event = 'disable_profile' AND target.pol2 @> '{DISABLE/Auto-Delete}' AND NOT target.fallback_attribute
						THEN 'deletes it afterwards' END);
		END IF;
		IF event = 'enable_profile' AND enabled.isdp_aid IS NOT NULL AND enabled.isdp_aid IS DISTINCT FROM target.isdp_aid THEN
			RETURN QUERY VALUES ('POL2 of the profile that is enabled',
				CASE WHEN kind = 'OWN' OR enabled.mno_id = me OR enabled.smdp_id = me
					THEN coalesce(nullif(array_to_string(enabled.pol2, ', '), ''), 'no rule')
					ELSE 'another party''s' END,
				CASE WHEN enabled.pol2 @> '{DISABLE/Not-Allowed}' THEN 'forbids'
					WHEN (kind = 'OWN' OR enabled.mno_id = me OR enabled.smdp_id = me)
						AND enabled.pol2 @> '{DISABLE/Auto-Delete}' AND NOT enabled.fallback_attribute THEN 'deletes that one afterwards' END);
		END IF;
		IF event IN (SELECT smsr.card_functions()) AND event NOT IN ('audit_eis', 'update_smsr_addressing') THEN
			judged := smsr.judge(event, target.state, target.fallback_attribute, target.pol2, enabled.state, enabled.pol2,
				CASE WHEN event = 'create_isdp' THEN 0 END, card.remaining_memory, target.emergency_attribute,
				card.remote_provisioning_version);
			refused := CASE WHEN judged.subject_code IS NOT NULL THEN format('refused %s %s', judged.subject_code, judged.reason_code) END;
			RETURN QUERY VALUES ('life cycle and POL2', coalesce(judged.because, 'allowed'), coalesce(refused, 'goes on'));
			IF event IN ('enable_profile', 'disable_profile', 'delete_profile') THEN
				RETURN QUERY VALUES ('POL1', 'is on the card alone', 'the card may still refuse: 8.2.2 3.8');
			END IF;
		ELSIF target.isdp_aid IS NULL AND explain_policy.iccid IS NOT NULL THEN
			refused := 'refused 8.2.1 3.9';
			judged.because := 'the eUICC has no such profile';
		END IF;
		roles := smsr.approver_roles(event, me, 1);
		IF refused IS NULL AND roles IS NOT NULL THEN
			RETURN QUERY VALUES ('approval', format('a second person, a member of %s', array_to_string(roles, ' and of ')), 'waits');
		END IF;
		IF refused IS NULL AND event IN (SELECT smsr.card_functions()) AND EXISTS (SELECT FROM smsr.operation r
				WHERE r.eid = explain_policy.eid AND r.status IS NULL AND r.exclusive) THEN
			RETURN QUERY VALUES ('turn', 'another operation is under way', 'waits');
		END IF;
		RETURN QUERY VALUES ('verdict', judged.because, coalesce(refused, 'allowed'));
	END $$;
COMMENT ON FUNCTION smsr.explain_policy(smsr.eid, smsr.iccid, text)
	IS 'What a call of this function would meet now, rule by rule, and the verdict; of others'' profiles only what the call itself would show. POL1 is on the card and not known here';
