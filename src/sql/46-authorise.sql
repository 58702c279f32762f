-- Who may do what.  Core's table decides (src/core/authority.c), here its facts
-- are gathered, for one eUICC or for a million in a statement.

CREATE FUNCTION smsr.pinned_away(p_eid smsr.eid, p_party text, p_mno_id text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT count(*) > 0 AND (bool_or(r.party_id = p_party) IS NOT TRUE
				OR (p_mno_id IS NOT NULL AND bool_or(r.party_id = p_mno_id) IS NOT TRUE))
			FROM smsr.eid_range r WHERE r.first <= p_eid AND r.last >= p_eid);
	END $$;
COMMENT ON FUNCTION smsr.pinned_away(smsr.eid, text, text) IS 'Whether an EID is in a range that is for others than this party, or than the operator that a profile is to be made for';

CREATE FUNCTION smsr.authorise_all(party text, function text, eids smsr.eid[], iccids smsr.iccid[], arguments jsonb[] DEFAULT NULL)
	RETURNS TABLE (n bigint, allowed boolean, subject_code text, reason_code text, because text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		kind text := smsr.party_kind(authorise_all.party);
		any_ranges boolean := EXISTS (SELECT FROM smsr.eid_range);
		attribute text := CASE function WHEN 'set_fallback_attribute' THEN 'unset_fallback_attribute'
			WHEN 'set_emergency_profile_attribute' THEN 'unset_emergency_profile_attribute' END;
	BEGIN
		RETURN QUERY
		WITH decided AS MATERIALIZED (
			SELECT a.n, smsr.authority(function, kind,
				known => e.eid IS NOT NULL,
				pinned_away => any_ranges AND CASE kind
					WHEN 'EUM' THEN false
					WHEN 'OWN' THEN false
					-- those who have a part in it were asked
					WHEN 'SM-SR' THEN false
					-- whom an operator has authorised may do what that operator may
					WHEN 'M2M-SP' THEN p.mno_id IS NOT NULL AND smsr.pinned_away(a.eid, p.mno_id)
					ELSE smsr.pinned_away(a.eid, authorise_all.party, a.arguments ->> 'mno_id') END,
				-- of what is not registered yet, the document says so
				eum => CASE function WHEN 'register_eis' THEN a.arguments ->> 'eum_id' ELSE e.eum_id END = authorise_all.party,
				has => CASE kind
					WHEN 'MNO' THEN EXISTS (SELECT FROM smsr.profile x WHERE x.eid = a.eid AND x.mno_id = authorise_all.party)
					WHEN 'SM-DP' THEN EXISTS (SELECT FROM smsr.profile x WHERE x.eid = a.eid AND x.smdp_id = authorise_all.party)
					WHEN 'SM-SR' THEN EXISTS (SELECT FROM smsr.handover h
						WHERE h.eid = a.eid AND h.side = 'gives' AND h.peer_id = authorise_all.party)
					WHEN 'M2M-SP' THEN EXISTS (SELECT FROM smsr.profile x
						JOIN smsr.plma m ON m.mno_id = x.mno_id AND m.profile_type = x.profile_type
						WHERE x.eid = a.eid AND m.m2m_sp_id = authorise_all.party
							AND NOT (any_ranges AND smsr.pinned_away(a.eid, x.mno_id))) END,
				profile => p.isdp_aid IS NOT NULL,
				owner => p.mno_id = authorise_all.party,
				maker => p.smdp_id = authorise_all.party,
				plma => kind = 'M2M-SP' AND EXISTS (SELECT FROM smsr.plma m
					WHERE m.m2m_sp_id = authorise_all.party AND m.mno_id = p.mno_id AND m.profile_type = p.profile_type),
				granted => kind = 'M2M-SP' AND EXISTS (SELECT FROM smsr.profile x
					JOIN smsr.plma m ON m.mno_id = x.mno_id AND m.profile_type = x.profile_type
					WHERE x.eid = a.eid AND (a.iccid IS NULL OR x.iccid = a.iccid)
						AND m.m2m_sp_id = authorise_all.party AND function = ANY (m.authorised)
						AND NOT (any_ranges AND smsr.pinned_away(a.eid, x.mno_id))),
				holder_ok => attribute IS NULL OR h.isdp_aid IS NULL OR h.mno_id = authorise_all.party OR h.mno_id = p.mno_id
					OR EXISTS (SELECT FROM smsr.plma m
						WHERE m.mno_id = h.mno_id AND m.profile_type = h.profile_type
							AND m.m2m_sp_id = authorise_all.party AND attribute = ANY (m.authorised))) AS v
			FROM unnest(eids, iccids, authorise_all.arguments) WITH ORDINALITY a (eid, iccid, arguments, n)
				LEFT JOIN smsr.euicc e ON kind <> 'OWN' AND e.eid = a.eid
				LEFT JOIN smsr.profile p ON kind <> 'OWN' AND p.eid = a.eid AND p.iccid = a.iccid
				-- whose attribute would be taken away
				LEFT JOIN LATERAL (SELECT x.isdp_aid, x.mno_id, x.profile_type FROM smsr.profile x
					WHERE attribute IS NOT NULL AND kind <> 'OWN' AND x.eid = a.eid
						AND CASE function WHEN 'set_fallback_attribute' THEN x.fallback_attribute ELSE x.emergency_attribute END
					LIMIT 1) h ON true
		)
		SELECT d.n, (d.v).allowed, (d.v).subject_code, (d.v).reason_code, (d.v).because
		FROM decided d;
	END $$;
COMMENT ON FUNCTION smsr.authorise_all(text, text, smsr.eid[], smsr.iccid[], jsonb[])
	IS 'The one decision who may do what, for arrays: one row an element, in no order. Whatever is not allowed true is refused, with SGP.02''s subject and reason';

CREATE FUNCTION smsr.authorise(party text, function text, eid smsr.eid DEFAULT NULL, iccid smsr.iccid DEFAULT NULL,
		arguments jsonb DEFAULT NULL, OUT allowed boolean, OUT subject_code text, OUT reason_code text, OUT because text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		SELECT a.allowed, a.subject_code, a.reason_code, a.because
			INTO authorise.allowed, authorise.subject_code, authorise.reason_code, authorise.because
			FROM smsr.authorise_all(authorise.party, authorise.function, ARRAY[authorise.eid],
				ARRAY[authorise.iccid], ARRAY[authorise.arguments]) a;
		IF allowed IS NOT TRUE AND subject_code IS NULL THEN
			RAISE EXCEPTION 'no decision';
		END IF;
	EXCEPTION WHEN OTHERS THEN
		-- closed: what a decision needs could not be read
		allowed := false;
		subject_code := '1.2';
		reason_code := '4.2';
		because := format('the decision could not be made (%s)', SQLSTATE);
	END $$;
COMMENT ON FUNCTION smsr.authorise(text, text, smsr.eid, smsr.iccid, jsonb)
	IS 'Whether a party may call a function on an eUICC and profile; refused, with SGP.02''s subject and reason, whenever it is not allowed or the decision can not be made';

-- For functions that do not make an operation: a refusal is told by a warning,
-- since an error would take its audit record back.
CREATE FUNCTION smsr.permit(p_function text, p_eid smsr.eid DEFAULT NULL, p_iccid smsr.iccid DEFAULT NULL,
		p_arguments jsonb DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_requester();
		v record := smsr.authorise(me, p_function, p_eid, p_iccid, p_arguments);
	BEGIN
		IF v.allowed IS TRUE THEN
			RETURN true;
		END IF;
		PERFORM smsr.refuse(p_function, p_eid, p_iccid, me, v.subject_code, v.reason_code, v.because);
		RETURN false;
	END $$;
COMMENT ON FUNCTION smsr.permit(text, smsr.eid, smsr.iccid, jsonb)
	IS 'Whether the caller may; if not, the refusal is in the audit trail and told by a warning';

CREATE FUNCTION smsr.refuse(p_function text, p_eid smsr.eid, p_iccid smsr.iccid, p_requester text,
		p_subject text, p_reason_code text, p_because text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		-- what is refused to a stranger is no part of the eUICC's own chain: he would hold
		-- it.  Whoever holds that has the eUICC's row: those pass it by who wait for nobody
		IF p_subject = '8.2.1' THEN
			PERFORM FROM smsr.euicc e WHERE e.eid = p_eid FOR NO KEY UPDATE;
		END IF;
		PERFORM smsr.record_audit(CASE WHEN p_subject = '8.2.1' THEN p_eid END, p_function, p_requester => p_requester,
			p_status => 'FAILED', p_subject => p_subject, p_reason_code => p_reason_code, p_iccid => p_iccid,
			p_details => CASE WHEN p_subject <> '8.2.1' THEN jsonb_build_object('eid', p_eid::text) END);
		RAISE WARNING '% is refused: %', p_function, p_because
			USING ERRCODE = '01000', DETAIL = format('Subject %s, reason %s.', p_subject, p_reason_code);
	END $$;
COMMENT ON FUNCTION smsr.refuse(text, smsr.eid, smsr.iccid, text, text, text, text)
	IS 'Refuse a call that makes no operation: an audit record, and a warning with SGP.02''s subject and reason';

CREATE FUNCTION smsr.own_only(p_function text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_caller(p_function);
	BEGIN
		IF smsr.party_kind(me) = 'OWN' THEN
			RETURN true;
		END IF;
		PERFORM smsr.refuse(p_function, NULL, NULL, me, '1.1', '1.2', 'it is for administrators of this SM-SR');
		RETURN false;
	END $$;
COMMENT ON FUNCTION smsr.own_only(text) IS 'Whether the caller acts for this SM-SR itself; if not, the refusal is in the audit trail and told by a warning';
