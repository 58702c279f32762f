-- What a party sees of an EIS, now and at an instant (SGP.02 Annex E; GetEIS and
-- AuditEIS of ES3 and ES4).  Everybody reads by these functions alone.

CREATE TYPE smsr.eis_writing AS (
	part smsr.euicc_signed,
	euicc smsr.euicc,
	profiles smsr.profile[],
	domains smsr.euicc_security_domain[],
	keysets smsr.keyset[],
	listed smsr.keyset_listed[],
	properties text[],
	records smsr.audit_trail[]
);
COMMENT ON TYPE smsr.eis_writing IS 'Rows to make an EIS document of; whoever may not see some of it, be it a row or a column, is given NULL in its place';

CREATE FUNCTION smsr.write_eis(eis smsr.eis_writing) RETURNS xml
	AS 'MODULE_PATHNAME', 'smsr_write_eis'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.write_eis(smsr.eis_writing) IS 'Writes an EIS document in the esim-messaging/3 form, without key values: the signed part in the very octets that were received or, if that is not given, what else is known of it and no signature';

-- An M2M service provider sees what is under a PLMA that has the very function, as
-- long as the operator itself may.
CREATE FUNCTION smsr.sees_profile(party text, kind text, function text, profile smsr.profile) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN coalesce(CASE kind
			WHEN 'OWN' THEN true
			WHEN 'MNO' THEN profile.mno_id = party
			WHEN 'SM-DP' THEN profile.smdp_id = party
			WHEN 'M2M-SP' THEN EXISTS (SELECT FROM smsr.plma a
				WHERE a.m2m_sp_id = party AND a.mno_id = profile.mno_id AND a.profile_type = profile.profile_type
					AND a.authorised @> ARRAY[function])
				AND NOT smsr.pinned_away(profile.eid, profile.mno_id)
			END, false);
	END $$;
COMMENT ON FUNCTION smsr.sees_profile(text, text, text, smsr.profile) IS 'Whether a party of this kind is shown a profile: its operator, the SM-DP that made it, an M2M service provider that the operator has authorised';

-- What Annex E's table has exactly is not established: this is the one place where
-- it is decided which parts of an EIS are for whom.  Nobody is given key values.
CREATE FUNCTION smsr.write_view(kind text, eis smsr.eis_writing) RETURNS xml
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		card smsr.euicc := eis.euicc;
	BEGIN
		eis.properties := ARRAY(SELECT x FROM jsonb_each_text(card.additional_properties) j (key, value),
				unnest(ARRAY[j.key, j.value]) WITH ORDINALITY u (x, i) ORDER BY j.key, i);
		IF card.additional_properties IS NULL THEN
			eis.properties := NULL;
		END IF;
		IF kind IS DISTINCT FROM 'OWN' THEN
			-- a counter and check values are of use only to whoever has the keys
			eis.keysets := ARRAY(SELECT jsonb_populate_record(k, '{"counter": null, "check_values": null, "sealed": null}')
				FROM unnest(eis.keysets) k);
			eis.listed := ARRAY(SELECT jsonb_populate_record(l, '{"counter": null, "check_values": null}') FROM unnest(eis.listed) l);
		END IF;
		IF kind IS NULL OR kind NOT IN ('OWN', 'SM-DP') THEN
			eis.part := NULL;
			eis.domains := NULL;
			eis.keysets := NULL;
			eis.listed := NULL;
			card.isdp_loadfile_aid := NULL;
			card.isdp_module_aid := NULL;
			card.isdr_aid := NULL;
		END IF;
		eis.euicc := card;
		RETURN smsr.write_eis(eis);
	END $$;
COMMENT ON FUNCTION smsr.write_view(text, smsr.eis_writing) IS 'Writes of an EIS what a party of this kind is shown (SGP.02 Annex E): operators and M2M service providers no ECASD, ISD-R and AIDs of load file and module; nobody else than this SM-SR counters and check values';

CREATE FUNCTION smsr.active_keysets(card smsr.euicc) RETURNS smsr.keyset[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN ARRAY(SELECT k FROM smsr.keyset k
			WHERE k.eid = card.eid AND k.sd_aid = card.isdr_aid AND k.state = 'active' ORDER BY k.kvn);
	END $$;
COMMENT ON FUNCTION smsr.active_keysets(smsr.euicc) IS 'Key sets of an eUICC''s ISD-R that are in use';

CREATE FUNCTION smsr.listed_keysets(card smsr.euicc) RETURNS smsr.keyset_listed[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN ARRAY(SELECT l FROM smsr.keyset_listed l
			WHERE l.eid = card.eid AND l.sd_aid = card.isdr_aid
				-- a version stands in a document once
				AND NOT EXISTS (SELECT FROM smsr.keyset k WHERE k.eid = l.eid AND k.sd_aid = l.sd_aid AND k.kvn = l.kvn)
			ORDER BY l.kvn);
	END $$;
COMMENT ON FUNCTION smsr.listed_keysets(smsr.euicc) IS 'Key sets of an eUICC''s ISD-R that its EIS has and whose keys are not here';

-- ---- now ----

CREATE FUNCTION smsr.get_eis(eid smsr.eid) RETURNS xml
	LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_requester();
		my_kind text := smsr.party_kind(me);
		eis smsr.eis_writing;
		card smsr.euicc;
	BEGIN
		IF NOT smsr.permit('get_eis', eid) THEN
			RETURN NULL;
		END IF;
		SELECT e.* INTO card FROM smsr.euicc e WHERE e.eid = get_eis.eid;
		eis.profiles := ARRAY(SELECT p FROM smsr.profile p
			WHERE p.eid = card.eid AND smsr.sees_profile(me, my_kind, 'get_eis', p) ORDER BY p.isdp_aid);
		IF card.eid IS NULL OR (my_kind = 'M2M-SP' AND eis.profiles = '{}') THEN
			PERFORM smsr.refuse('get_eis', eid, NULL, me, '8.1.1', '3.9', 'the EID is not registered here');
			RETURN NULL;
		END IF;
		eis.keysets := smsr.active_keysets(card);
		eis.listed := smsr.listed_keysets(card);
		card.last_audit_at := NULL;
		eis.euicc := card;
		SELECT s INTO eis.part FROM smsr.euicc_signed s WHERE s.eid = card.eid;
		eis.domains := ARRAY(SELECT d FROM smsr.euicc_security_domain d WHERE d.eid = card.eid);
		RETURN smsr.write_view(my_kind, eis);
	END $$;
COMMENT ON FUNCTION smsr.get_eis(smsr.eid) IS 'The EIS of an eUICC (ES3 and ES4 GetEIS) as far as it is the caller''s to see: never keys, the audit trail and the date of the last audit. NULL, with a warning, if it is refused';

-- ---- the result of an audit ----

CREATE FUNCTION smsr.audit_records(eid smsr.eid, party text, kind text) RETURNS smsr.audit_trail[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		found smsr.audit_trail[];
	BEGIN
		-- profiles are sold, and AIDs given again: it is the time that tells whose it was
		WITH version AS MATERIALIZED (
			SELECT p.isdp_aid, p.iccid, p.changed_at AS since, 'infinity'::timestamptz AS until,
					smsr.sees_profile(party, kind, 'audit_eis', p) AS mine
				FROM smsr.profile p WHERE p.eid = audit_records.eid
			UNION ALL
			SELECT p.isdp_aid, p.iccid, p.changed_at, h.until, smsr.sees_profile(party, kind, 'audit_eis', p)
				FROM smsr.profile_history h, jsonb_populate_record(NULL::smsr.profile, h.version) p
				WHERE h.eid = audit_records.eid
		), judged AS (
			SELECT r AS record, r.number, r.requester_id, coalesce(CASE WHEN r.iccid IS NOT NULL
					-- the end of a deletion is recorded when the profile is gone
					THEN (SELECT v.mine FROM version v WHERE v.iccid = r.iccid AND v.since <= r.operation_date
						ORDER BY v.since DESC LIMIT 1)
					ELSE (SELECT v.mine FROM version v WHERE v.isdp_aid = r.isdp_aid AND v.since <= r.operation_date
							AND r.operation_date < v.until
						ORDER BY v.since DESC LIMIT 1) END, false) AS own
			FROM smsr.audit_trail r
			WHERE r.eid = audit_records.eid
		)
		SELECT array_agg(CASE WHEN kind = 'OWN' OR j.own THEN j.record
				-- a refused request may have named what is another party's
				ELSE jsonb_populate_record(j.record, '{"isdp_aid": null}') END ORDER BY j.number)
			INTO found
			FROM judged j
			WHERE kind = 'OWN' OR j.own OR j.requester_id = party;
		RETURN found;
	END $$;
COMMENT ON FUNCTION smsr.audit_records(smsr.eid, text, text) IS 'Records of an eUICC''s audit trail that are about a party''s own requests, or about profiles that were its own at the time; for this SM-SR all';

CREATE FUNCTION smsr.audited_eis(operation_id bigint) RETURNS xml
	LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_requester();
		my_kind text := smsr.party_kind(me);
		audit smsr.operation;
		verdict record;
		eis smsr.eis_writing;
		card smsr.euicc;
	BEGIN
		SELECT o.* INTO audit FROM smsr.every_operation o
			WHERE o.id = audited_eis.operation_id AND o.function = 'audit_eis' AND (o.requester_id = me OR my_kind = 'OWN');
		IF NOT FOUND THEN
			PERFORM smsr.refuse('audited_eis', NULL, NULL, me, '1.6', '3.9', 'the party has no such audit');
			RETURN NULL;
		END IF;
		-- not yet, or never: the operation says so
		IF audit.status IS NULL OR audit.status NOT IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING') THEN
			RETURN NULL;
		END IF;
		SELECT a.* INTO verdict FROM smsr.authorise(me, 'audit_eis', audit.eid) a;
		IF verdict.allowed IS NOT TRUE THEN
			PERFORM smsr.refuse('audited_eis', audit.eid, NULL, me, verdict.subject_code, verdict.reason_code, verdict.because);
			RETURN NULL;
		END IF;
		SELECT e.* INTO card FROM smsr.euicc e WHERE e.eid = audit.eid;
		IF NOT FOUND THEN
			PERFORM smsr.refuse('audited_eis', audit.eid, NULL, me, '8.1.1', '3.9', 'the EID is not registered here');
			RETURN NULL;
		END IF;
		eis.keysets := smsr.active_keysets(card);
		eis.listed := smsr.listed_keysets(card);
		eis.euicc := card;
		SELECT s INTO eis.part FROM smsr.euicc_signed s WHERE s.eid = card.eid;
		eis.domains := ARRAY(SELECT d FROM smsr.euicc_security_domain d WHERE d.eid = card.eid);
		eis.profiles := ARRAY(SELECT p FROM smsr.profile p
			WHERE p.eid = card.eid AND smsr.sees_profile(me, my_kind, 'audit_eis', p)
				AND (audit.arguments ? 'iccids' AND audit.arguments -> 'iccids' ? p.iccid::text) IS NOT FALSE
			ORDER BY p.isdp_aid);
		eis.records := smsr.audit_records(card.eid, me, my_kind);
		RETURN smsr.write_view(my_kind, eis);
	END $$;
COMMENT ON FUNCTION smsr.audited_eis(bigint) IS 'The result of an AuditEIS of the caller''s (ES3, ES4): its view of the EIS with the date of the last audit, and the audit trail of its own profiles and requests. NULL if the audit has not ended well; with a warning if it is refused';

CREATE FUNCTION smsr.operation_response(operation_id bigint) RETURNS bytea
	LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_requester();
		mine boolean := smsr.party_kind(me) = 'OWN';
		response bytea;
	BEGIN
		-- an audit's answer names every ISD-P on the card
		SELECT o.response_data INTO response FROM smsr.every_operation o
			WHERE o.id = operation_response.operation_id AND (mine OR (o.requester_id = me AND o.function <> 'audit_eis'));
		IF NOT FOUND THEN
			PERFORM smsr.refuse('operation_response', NULL, NULL, me, '1.6', '3.9',
				'the party has no such operation with a response');
		END IF;
		RETURN response;
	END $$;
COMMENT ON FUNCTION smsr.operation_response(bigint) IS 'EuiccResponseData: what the card answered to the command of the caller''s own operation; of an audit see smsr.audited_eis(). NULL if it has not answered; with a warning if there is nothing of the kind for the caller';

-- ---- at an instant ----

-- Key sets are left out: what their counters were is not kept.
CREATE FUNCTION smsr.eis_at(eid smsr.eid, at timestamptz) RETURNS xml
	LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.require_requester();
		my_kind text := smsr.party_kind(me);
		verdict record;
		past record := smsr.euicc_at(eid, at);
		eis smsr.eis_writing;
		card smsr.euicc := past.card;
	BEGIN
		eis.part := past.part;
		eis.domains := past.domains;
		eis.profiles := ARRAY(SELECT p FROM smsr.profiles_at(eid, at) p
			WHERE card.eid IS NOT NULL AND smsr.sees_profile(me, my_kind, 'get_eis', p));
		-- whose it was then decides, and who may see its EID at all now
		SELECT a.* INTO verdict FROM smsr.authority('get_eis', my_kind, known => card.eid IS NOT NULL,
			pinned_away => my_kind <> 'M2M-SP' AND smsr.pinned_away(eid, me), eum => NULL, has => cardinality(eis.profiles) > 0,
			profile => NULL, owner => NULL, maker => NULL, plma => NULL, granted => cardinality(eis.profiles) > 0,
			holder_ok => NULL) a;
		IF verdict.allowed IS NOT TRUE THEN
			PERFORM smsr.refuse('eis_at', eid, NULL, me, verdict.subject_code, verdict.reason_code, verdict.because);
			RETURN NULL;
		END IF;
		IF card.eid IS NULL THEN
			PERFORM smsr.refuse('eis_at', eid, NULL, me, '8.1.1', '3.9', 'the EID was not registered here then');
			RETURN NULL;
		END IF;
		card.last_audit_at := NULL;
		eis.euicc := card;
		RETURN smsr.write_view(my_kind, eis);
	END $$;
COMMENT ON FUNCTION smsr.eis_at(smsr.eid, timestamptz) IS 'smsr.get_eis() of an instant, also of an eUICC that has left since: profiles are shown to whoever was party to them then. No key sets. NULL, with a warning, if it was not registered then or it is refused';
