-- The functions of ES1, ES3 and ES4, for one eUICC each.  SECURITY DEFINER: a
-- party may call them and touch no table; who it is, smsr.requester() tells.

CREATE FUNCTION smsr.request_one(function text, eid smsr.eid, iccid smsr.iccid, validity interval, call_id text, arguments jsonb)
	RETURNS bigint
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
		SELECT r.operation_id FROM smsr.request(function, ARRAY[eid],
			CASE WHEN iccid IS NOT NULL THEN ARRAY[iccid] END, validity,
			CASE WHEN call_id IS NOT NULL THEN ARRAY[call_id] END,
			CASE WHEN arguments IS NOT NULL THEN ARRAY[arguments] END) r
	$$;
COMMENT ON FUNCTION smsr.request_one(text, smsr.eid, smsr.iccid, interval, text, jsonb) IS 'smsr.request() for one eUICC';

CREATE FUNCTION smsr.create_isdp(eid smsr.eid, iccid smsr.iccid, mno_id text, required_memory int,
		more_to_do boolean DEFAULT false, validity interval DEFAULT NULL, call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF mno_id IS NULL OR mno_id !~ '^[0-2](\.(0|[1-9][0-9]*))+$' THEN
			RAISE EXCEPTION 'mno_id must be an object identifier' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF required_memory IS NULL OR required_memory < 0 THEN
			RAISE EXCEPTION 'required_memory must be a number of octets, not below 0' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		RETURN smsr.request_one('create_isdp', eid, iccid, validity, call_id,
			jsonb_build_object('mno_id', mno_id, 'required_memory', required_memory, 'more_to_do', coalesce(more_to_do, false)));
	END $$;
COMMENT ON FUNCTION smsr.create_isdp(smsr.eid, smsr.iccid, text, int, boolean, interval, text)
	IS 'ES3.CreateISDP: make an ISD-P for a profile of this operator; required_memory in octets; returns the operation''s id';

CREATE FUNCTION smsr.enable_profile(eid smsr.eid, iccid smsr.iccid, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT smsr.request_one('enable_profile', eid, iccid, validity, call_id, NULL) $$;
COMMENT ON FUNCTION smsr.enable_profile(smsr.eid, smsr.iccid, interval, text)
	IS 'ES3 and ES4 EnableProfile; returns the operation''s id at once, its row tells how it ends';

CREATE FUNCTION smsr.disable_profile(eid smsr.eid, iccid smsr.iccid, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT smsr.request_one('disable_profile', eid, iccid, validity, call_id, NULL) $$;
COMMENT ON FUNCTION smsr.disable_profile(smsr.eid, smsr.iccid, interval, text)
	IS 'ES3 and ES4 DisableProfile; returns the operation''s id at once, its row tells how it ends';

CREATE FUNCTION smsr.delete_profile(eid smsr.eid, iccid smsr.iccid, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op_id bigint := smsr.request_one('delete_profile', eid, iccid, validity, call_id, NULL);
	BEGIN
		PERFORM smsr.give_up_download(eid, op_id);
		RETURN op_id;
	END $$;
COMMENT ON FUNCTION smsr.delete_profile(smsr.eid, smsr.iccid, interval, text)
	IS 'ES3 and ES4 DeleteProfile; returns the operation''s id at once, its row tells how it ends';

CREATE FUNCTION smsr.delete_isdp(eid smsr.eid, iccid smsr.iccid, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT smsr.delete_profile(eid, iccid, validity, call_id) $$;
COMMENT ON FUNCTION smsr.delete_isdp(smsr.eid, smsr.iccid, interval, text)
	IS 'ES3.DeleteISDP: what smsr.delete_profile() does, by the name that an SM-DP knows';

-- What the ISD-P verifies is kept as hexadecimal digits: jsonb has no octets.
CREATE FUNCTION smsr.master_delete(eid smsr.eid, iccid smsr.iccid, sd_provider_id bytea, sd_image_number bytea,
		application_provider_id bytea, token_id bytea, delete_token bytea,
		validity interval DEFAULT NULL, call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
		SELECT smsr.request_one('master_delete', eid, iccid, validity, call_id,
			jsonb_build_object('sd_provider_id', encode(sd_provider_id, 'hex'),
				'sd_image_number', encode(sd_image_number, 'hex'),
				'application_provider_id', encode(application_provider_id, 'hex'),
				'token_id', encode(token_id, 'hex'), 'delete_token', encode(delete_token, 'hex')))
	$$;
COMMENT ON FUNCTION smsr.master_delete(smsr.eid, smsr.iccid, bytea, bytea, bytea, bytea, bytea, interval, text)
	IS 'ES5.MasterDelete (SGP.02 clause 4.1.1.6): delete a disabled profile whatever POL1 and POL2 say, with a token that its ISD-P verifies; returns the operation''s id';

CREATE FUNCTION smsr.set_fallback_attribute(eid smsr.eid, iccid smsr.iccid, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT smsr.request_one('set_fallback_attribute', eid, iccid, validity, call_id, NULL) $$;
COMMENT ON FUNCTION smsr.set_fallback_attribute(smsr.eid, smsr.iccid, interval, text)
	IS 'Give the fall-back attribute to a profile, and so take it from the one that has it; returns the operation''s id';

CREATE FUNCTION smsr.set_emergency_profile_attribute(eid smsr.eid, iccid smsr.iccid, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT smsr.request_one('set_emergency_profile_attribute', eid, iccid, validity, call_id, NULL) $$;
COMMENT ON FUNCTION smsr.set_emergency_profile_attribute(smsr.eid, smsr.iccid, interval, text)
	IS 'Make a disabled profile the emergency profile, instead of the one that is; for eUICCs of SGP.02 v3.2 and later. Returns the operation''s id';

CREATE FUNCTION smsr.unset_emergency_profile_attribute(eid smsr.eid, iccid smsr.iccid, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT smsr.request_one('unset_emergency_profile_attribute', eid, iccid, validity, call_id, NULL) $$;
COMMENT ON FUNCTION smsr.unset_emergency_profile_attribute(smsr.eid, smsr.iccid, interval, text)
	IS 'Take the emergency attribute from the profile that has it, while it is not enabled; for eUICCs of SGP.02 v3.2 and later. Returns the operation''s id';

-- Made and secured by the SM-DP with keys of the ISD-P's that are not known here.
CREATE FUNCTION smsr.update_connectivity_parameters(eid smsr.eid, iccid smsr.iccid, parameters bytea,
		validity interval DEFAULT NULL, call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
		SELECT smsr.request_one('update_connectivity_parameters', eid, iccid, validity, call_id,
			jsonb_build_object('commands', encode(parameters, 'hex')))
	$$;
COMMENT ON FUNCTION smsr.update_connectivity_parameters(smsr.eid, smsr.iccid, bytea, interval, text)
	IS 'ES3.UpdateConnectivityParameters: hand command TLVs (22, or SCP03t''s 84 to 88) that the SM-DP secured to the profile''s ISD-P, unchanged; response_data of the operation is the answer. Returns the operation''s id';

CREATE FUNCTION smsr.update_smsr_addressing(eid smsr.eid, sms_address text, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
		SELECT smsr.request_one('update_smsr_addressing', eid, NULL, validity, call_id,
			jsonb_build_object('sms_address', sms_address))
	$$;
COMMENT ON FUNCTION smsr.update_smsr_addressing(smsr.eid, text, interval, text)
	IS 'ES5.UpdateSMSRAddressingParameters (SGP.02 clause 4.1.1.10): the number that the card sends its short messages to, with + if it is international; returns the operation''s id';

CREATE FUNCTION smsr.audit_eis(eid smsr.eid, iccids text[] DEFAULT NULL, validity interval DEFAULT NULL, call_id text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
		SELECT smsr.request_one('audit_eis', eid, NULL, validity, call_id,
			CASE WHEN iccids IS NOT NULL THEN jsonb_build_object('iccids', to_jsonb(iccids::smsr.iccid[]::text[])) END)
	$$;
COMMENT ON FUNCTION smsr.audit_eis(smsr.eid, text[], interval, text)
	IS 'ES3 and ES4 AuditEIS: ask the card for the state of its ISD-Ps and let the EIS follow. All are asked for; iccids says whose state the caller wants. Returns the operation''s id';

-- Functions that change the EIS alone.  They are operations too, finished at once.
CREATE FUNCTION smsr.local_operation(p_function text, p_eid smsr.eid, p_iccid smsr.iccid, p_call_id text, p_arguments jsonb,
		p_event text DEFAULT NULL, OUT id bigint, OUT proceed boolean, OUT isdp_aid smsr.aid)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		me text := smsr.require_requester();
		may record;
		target smsr.profile;
		verdict smsr.refusal;
		barred boolean := false;
	BEGIN
		IF p_eid IS NULL OR (p_iccid IS NULL AND p_function <> 'update_eis_additional_properties') THEN
			RAISE EXCEPTION 'eid and iccid must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		IF length(p_call_id) NOT BETWEEN 1 AND 255 THEN
			RAISE EXCEPTION 'call_id must have 1 to 255 characters' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM smsr.check_here(me, ARRAY[p_eid]);
		-- nobody holds the row of an eUICC that is none of his business; whoever is to
		-- hold its chain holds its row
		may := smsr.authorise(me, p_function, p_eid, p_iccid, p_arguments);
		IF may.allowed IS TRUE OR may.subject_code = '8.2.1' THEN
			PERFORM FROM smsr.euicc e WHERE e.eid = p_eid FOR NO KEY UPDATE;
			IF NOT FOUND THEN
				verdict := ROW(NULL, '8.1.1', '3.9', 'the EID is not registered here');
			END IF;
			may := smsr.authorise(me, p_function, p_eid, p_iccid, p_arguments);
		END IF;
		id := (smsr.known_calls(me, ARRAY[p_eid], ARRAY[p_call_id]))[1];
		IF id IS NOT NULL THEN
			proceed := false;
			RETURN;
		END IF;
		IF may.allowed IS TRUE THEN
			SELECT * INTO target FROM smsr.profile p WHERE p.eid = p_eid AND p.iccid = p_iccid;
		END IF;
		IF may.allowed IS NOT TRUE THEN
			verdict := ROW(NULL, may.subject_code, may.reason_code, may.because);
			barred := may.subject_code IS DISTINCT FROM '8.2.1';
		ELSIF verdict.subject_code IS NULL AND smsr.leaving(p_eid) THEN
			verdict := ROW(NULL, '1.2', '4.4', 'the eUICC is being handed over to another SM-SR');
		ELSIF verdict.subject_code IS NULL AND p_iccid IS NOT NULL AND target.isdp_aid IS NULL THEN
			verdict := ROW(NULL, '8.2.1', '3.9', 'the eUICC has no such profile');
		ELSIF verdict.subject_code IS NULL AND p_event IS NOT NULL THEN
			verdict := smsr.judge(p_event, target.state, target.fallback_attribute, target.pol2,
				NULL, NULL, NULL, NULL, target.emergency_attribute, NULL);
			IF verdict.subject_code IS NULL AND p_event = 'profile_download_completed' THEN
				verdict := smsr.incomplete_download(target);
			END IF;
		END IF;
		id := smsr.next_id();
		proceed := verdict.subject_code IS NULL;
		isdp_aid := target.isdp_aid;
		INSERT INTO smsr.operation (id, eid, function, requester_id, call_id, iccid, isdp_aid, arguments, stage, exclusive,
				status, subject_code, reason_code, message, expires_at, finished_at)
			VALUES (local_operation.id, p_eid, p_function, me, p_call_id, p_iccid, target.isdp_aid, p_arguments, 'finished', false,
				CASE WHEN proceed THEN 'EXECUTED_SUCCESS' ELSE 'FAILED' END,
				verdict.subject_code, verdict.reason_code, verdict.because, now(), clock_timestamp());
		PERFORM smsr.record_audit(CASE WHEN NOT barred THEN p_eid END, p_function, local_operation.id, me,
			CASE WHEN proceed THEN 'EXECUTED_SUCCESS' ELSE 'FAILED' END,
			verdict.subject_code, verdict.reason_code, target.isdp_aid, p_iccid,
			CASE WHEN barred THEN jsonb_build_object('eid', p_eid::text) END);
	END $$;
COMMENT ON FUNCTION smsr.local_operation(text, smsr.eid, smsr.iccid, text, jsonb, text)
	IS 'Record a function that asks nothing of the card, refused or to be carried out by the caller in this transaction';

CREATE FUNCTION smsr.check_subscription_address(msisdn text, imsi text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF ltrim(msisdn, '+') !~ '^[0-9]{1,20}$' THEN
			RAISE EXCEPTION 'msisdn must be 1 to 20 digits' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF imsi !~ '^[0-9]{5,15}$' THEN
			RAISE EXCEPTION 'imsi must be 5 to 15 digits' USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.check_subscription_address(text, text) IS 'Refuses an MSISDN or IMSI that is none; NULL is one that is not given';

CREATE FUNCTION smsr.profile_download_completed(eid smsr.eid, iccid smsr.iccid, profile_type text DEFAULT NULL,
		msisdn text DEFAULT NULL, imsi text DEFAULT NULL, pol2 smsr.pol2 DEFAULT NULL,
		validity interval DEFAULT NULL, call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		op record;
	BEGIN
		PERFORM smsr.check_subscription_address(msisdn, imsi);
		op := smsr.local_operation('profile_download_completed', eid, iccid, call_id,
			jsonb_strip_nulls(jsonb_build_object('profile_type', profile_type, 'msisdn', msisdn, 'imsi', imsi, 'pol2', to_jsonb(pol2))),
			'profile_download_completed');
		IF op.proceed THEN
			UPDATE smsr.profile p SET state = 'Disabled', changed_at = now(),
					profile_type = coalesce(profile_download_completed.profile_type, p.profile_type),
					msisdn = coalesce(ltrim(profile_download_completed.msisdn, '+'), p.msisdn),
					imsi = coalesce(profile_download_completed.imsi, p.imsi),
					pol2 = coalesce(profile_download_completed.pol2, p.pol2)
				WHERE p.eid = profile_download_completed.eid AND p.isdp_aid = op.isdp_aid;
			PERFORM smsr.tell(p.eid, 'HandleProfileDownloaded', p, op.id)
				FROM smsr.profile p WHERE p.eid = profile_download_completed.eid AND p.isdp_aid = op.isdp_aid;
		END IF;
		RETURN op.id;
	END $$;
COMMENT ON FUNCTION smsr.profile_download_completed(smsr.eid, smsr.iccid, text, text, text, smsr.pol2, interval, text)
	IS 'ES3.ProfileDownloadCompleted: the profile is Disabled now, with its subscription address and POL2; no card traffic';

CREATE FUNCTION smsr.update_policy_rules(eid smsr.eid, iccid smsr.iccid, pol2 smsr.pol2,
		validity interval DEFAULT NULL, call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		op record;
	BEGIN
		IF pol2 IS NULL THEN
			RAISE EXCEPTION 'pol2 must not be null' USING ERRCODE = 'null_value_not_allowed',
				HINT = 'An empty array lifts all restrictions.';
		END IF;
		IF NOT smsr.second_person('update_policy_rules', format('POL2 %s of profile %s on eUICC %s', pol2, iccid, eid),
				jsonb_build_array(eid::text, iccid::text, pol2, call_id)) THEN
			RETURN NULL;
		END IF;
		op := smsr.local_operation('update_policy_rules', eid, iccid, call_id, jsonb_build_object('pol2', to_jsonb(pol2)));
		IF op.proceed THEN
			UPDATE smsr.profile p SET pol2 = update_policy_rules.pol2, changed_at = now()
				WHERE p.eid = update_policy_rules.eid AND p.isdp_aid = op.isdp_aid;
			PERFORM smsr.tell(p.eid, 'HandlePOL2Updated', p, op.id)
				FROM smsr.profile p WHERE p.eid = update_policy_rules.eid AND p.isdp_aid = op.isdp_aid;
		END IF;
		RETURN op.id;
	END $$;
COMMENT ON FUNCTION smsr.update_policy_rules(smsr.eid, smsr.iccid, smsr.pol2, interval, text)
	IS 'ES3 and ES4 UpdatePolicyRules: replace POL2 of a profile; an empty array means no restriction. NULL if it waits for a second person';

CREATE FUNCTION smsr.update_subscription_address(eid smsr.eid, iccid smsr.iccid, msisdn text, imsi text DEFAULT NULL,
		validity interval DEFAULT NULL, call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		op record;
	BEGIN
		IF msisdn IS NULL AND imsi IS NULL THEN
			RAISE EXCEPTION 'msisdn or imsi must be given' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		PERFORM smsr.check_subscription_address(msisdn, imsi);
		op := smsr.local_operation('update_subscription_address', eid, iccid, call_id,
			jsonb_strip_nulls(jsonb_build_object('msisdn', msisdn, 'imsi', imsi)));
		IF op.proceed THEN
			UPDATE smsr.profile p SET changed_at = now(),
					msisdn = coalesce(ltrim(update_subscription_address.msisdn, '+'), p.msisdn),
					imsi = coalesce(update_subscription_address.imsi, p.imsi)
				WHERE p.eid = update_subscription_address.eid AND p.isdp_aid = op.isdp_aid;
			UPDATE smsr.outbound o SET destination = p.msisdn,
					due_at = CASE WHEN o.due_at = 'infinity' AND p.msisdn IS NOT NULL THEN now() ELSE o.due_at END
				FROM smsr.profile p
				WHERE p.eid = update_subscription_address.eid AND p.isdp_aid = op.isdp_aid AND p.state = 'Enabled'
					AND o.eid = p.eid;
		END IF;
		RETURN op.id;
	END $$;
COMMENT ON FUNCTION smsr.update_subscription_address(smsr.eid, smsr.iccid, text, text, interval, text)
	IS 'ES3 and ES4 UpdateSubscriptionAddress: MSISDN (E.164, with or without +) and IMSI of a profile; what is not given stays';

CREATE FUNCTION smsr.update_eis_additional_properties(eid smsr.eid, properties jsonb,
		validity interval DEFAULT NULL, call_id text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		op record;
	BEGIN
		IF properties IS NULL OR jsonb_typeof(properties) <> 'object'
				OR EXISTS (SELECT FROM jsonb_each(properties) p WHERE p.key = '' OR jsonb_typeof(p.value) NOT IN ('string', 'null')) THEN
			RAISE EXCEPTION 'properties must be a JSON object of strings' USING ERRCODE = 'invalid_parameter_value',
				HINT = 'A property whose value is null is removed.';
		END IF;
		op := smsr.local_operation('update_eis_additional_properties', eid, NULL, call_id, properties);
		IF op.proceed THEN
			UPDATE smsr.euicc e SET additional_properties = nullif(jsonb_strip_nulls(coalesce(e.additional_properties, '{}') || properties), '{}')
				WHERE e.eid = update_eis_additional_properties.eid;
		END IF;
		RETURN op.id;
	END $$;
COMMENT ON FUNCTION smsr.update_eis_additional_properties(smsr.eid, jsonb, interval, text)
	IS 'ES1.UpdateEISAdditionalProperties: add, replace and (null) remove properties of an EIS, by its EUM';
