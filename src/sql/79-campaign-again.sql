-- A campaign made of another: its failed members again, or what it did taken back.

CREATE FUNCTION smsr.derive_campaign(c smsr.campaign, p_name text, p_function text, p_cohort text, p_options jsonb,
		p_rerun_of bigint, p_undo_of bigint, p_ns int[], p_iccids smsr.iccid[]) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET work_mem = '128MB'
	AS $$
	DECLARE
		o smsr.campaign_options := smsr.read_campaign_options(p_options, c.options);
		made bigint;
	BEGIN
		IF coalesce(cardinality(p_ns), 0) = 0 THEN
			RAISE EXCEPTION 'there is nothing to do' USING ERRCODE = 'no_data_found';
		END IF;
		made := smsr.new_campaign(p_name, p_function, c.party_id, p_cohort, NULL, NULL, o, p_rerun_of, p_undo_of);
		WITH planned AS (
			SELECT array_agg(w.upto + 1 ORDER BY w.wave) AS beyond FROM smsr.waves(o.waves, cardinality(p_ns)) w
		), cut AS (
			SELECT m.eid, u.iccid, m.arguments, u.place::int, width_bucket(u.place, p.beyond) + 1 AS in_wave,
				CASE WHEN o.windows IS NOT NULL THEN coalesce(m.time_zone, o.time_zone) ELSE m.time_zone END AS zone
			FROM unnest(p_ns, p_iccids) WITH ORDINALITY u (n, iccid, place)
				JOIN smsr.campaign_member m ON m.campaign_id = c.id AND m.n = u.n
				CROSS JOIN planned p
		)
		INSERT INTO smsr.campaign_member (campaign_id, n, line, eid, iccid, arguments, time_zone, wave)
			SELECT made, row_number() OVER (ORDER BY cut.in_wave, CASE WHEN o.windows IS NOT NULL THEN cut.zone END, cut.place),
				cut.place, cut.eid, cut.iccid, CASE WHEN p_function = c.function THEN cut.arguments END, cut.zone, cut.in_wave
			FROM cut;
		PERFORM smsr.freeze_campaign(made);
		RETURN made;
	END $$;
COMMENT ON FUNCTION smsr.derive_campaign(smsr.campaign, text, text, text, jsonb, bigint, bigint, int[], smsr.iccid[]) IS 'A campaign of members of another, in that order and with these ICCIDs; its options, with what is given instead';

CREATE FUNCTION smsr.rerun_campaign(campaign bigint, name text, options jsonb DEFAULT '{}') RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_variable
	DECLARE
		c smsr.campaign := smsr.own_campaign(campaign, ARRAY['halted', 'finished', 'cancelled']);
		ns int[];
		iccids smsr.iccid[];
	BEGIN
		SELECT array_agg(m.n ORDER BY m.n), array_agg(m.iccid ORDER BY m.n) INTO ns, iccids
			FROM smsr.campaign_outcome o JOIN smsr.campaign_member m ON m.campaign_id = o.campaign_id AND m.n = o.n
			WHERE o.campaign_id = c.id AND o.status IN ('FAILED', 'EXPIRED');
		RETURN smsr.derive_campaign(c, name, c.function, format('failed members of campaign %s', c.name), options, c.id, NULL, ns, iccids);
	END $$;
COMMENT ON FUNCTION smsr.rerun_campaign(bigint, text, jsonb) IS 'A new campaign of those members of one that have failed, with its options but for those given; returns its id';

-- The one place where inverses stand: of what has none, why.
CREATE FUNCTION smsr.inverse_function(function text, OUT inverse text, OUT because text)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE function WHEN 'enable_profile' THEN 'enable_profile' WHEN 'disable_profile' THEN 'enable_profile'
				WHEN 'set_fallback_attribute' THEN 'set_fallback_attribute'
				WHEN 'set_emergency_profile_attribute' THEN 'set_emergency_profile_attribute'
				WHEN 'unset_emergency_profile_attribute' THEN 'set_emergency_profile_attribute' END,
			CASE function WHEN 'create_isdp' THEN 'An ISD-P can be deleted, but what was loaded into it since goes with it: that is a campaign of delete_profile.'
				WHEN 'delete_profile' THEN 'What was deleted is gone from the card.'
				WHEN 'master_delete' THEN 'What was deleted is gone from the card.'
				WHEN 'audit_eis' THEN 'It changed nothing on the card.'
				WHEN 'rotate_keys' THEN 'Keys that were replaced are not to be used again.'
				WHEN 'update_smsr_addressing' THEN 'What the card had before is not known.'
				WHEN 'update_connectivity_parameters' THEN 'What the card had before is not known.' END;
	END;
COMMENT ON FUNCTION smsr.inverse_function(text) IS 'The function that takes back what another did, or why there is none';

CREATE FUNCTION smsr.undo_campaign(campaign bigint, name text, options jsonb DEFAULT '{}') RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET work_mem = '128MB'
	AS $$
	#variable_conflict use_variable
	DECLARE
		c smsr.campaign := smsr.own_campaign(campaign, ARRAY['halted', 'finished', 'cancelled']);
		i record := smsr.inverse_function(c.function);
		ns int[];
		iccids smsr.iccid[];
		done int;
	BEGIN
		IF i.inverse IS NULL THEN
			RAISE EXCEPTION 'there is no inverse of %', c.function
				USING ERRCODE = 'feature_not_supported', DETAIL = i.because;
		END IF;
		-- what each member really did, and only where that is how it still is: nobody's
		-- later change is taken back with it
		WITH did AS MATERIALIZED (
			SELECT m.n, m.eid, m.iccid, p.state, p.fallback_attribute, p.emergency_attribute, r.left_aid, coalesce(r.requested_at, c.started_at) AS at
			FROM smsr.campaign_outcome o
				JOIN smsr.campaign_member m ON m.campaign_id = o.campaign_id AND m.n = o.n
				LEFT JOIN smsr.every_operation r ON r.eid = m.eid AND r.id = o.operation_id
				LEFT JOIN smsr.profile p ON p.eid = m.eid AND p.iccid = m.iccid
			WHERE o.campaign_id = c.id AND o.status IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING')
		), back AS (
			SELECT d.n, CASE c.function
				WHEN 'enable_profile' THEN CASE WHEN d.state = 'Enabled' THEN
					coalesce((SELECT p.iccid FROM smsr.profile p WHERE p.eid = d.eid AND p.isdp_aid = d.left_aid),
						(SELECT p.iccid FROM smsr.profiles_at(d.eid, c.started_at) h JOIN smsr.profile p ON p.eid = d.eid AND p.isdp_aid = h.isdp_aid
							WHERE d.left_aid IS NULL AND h.state = 'Enabled' AND p.iccid <> d.iccid)) END
				WHEN 'disable_profile' THEN CASE WHEN d.state = 'Disabled' THEN d.iccid END
				WHEN 'set_fallback_attribute' THEN CASE WHEN d.fallback_attribute THEN
					(SELECT p.iccid FROM smsr.profiles_at(d.eid, d.at) h JOIN smsr.profile p ON p.eid = d.eid AND p.isdp_aid = h.isdp_aid
						WHERE h.fallback_attribute AND p.iccid <> d.iccid) END
				WHEN 'set_emergency_profile_attribute' THEN CASE WHEN d.emergency_attribute THEN
					(SELECT p.iccid FROM smsr.profiles_at(d.eid, d.at) h JOIN smsr.profile p ON p.eid = d.eid AND p.isdp_aid = h.isdp_aid
						WHERE h.emergency_attribute AND p.iccid <> d.iccid LIMIT 1) END
				WHEN 'unset_emergency_profile_attribute' THEN CASE WHEN NOT d.emergency_attribute THEN d.iccid END
				END AS iccid
			FROM did d
		)
		SELECT count(*), array_agg(b.n ORDER BY b.n) FILTER (WHERE b.iccid IS NOT NULL),
				array_agg(b.iccid ORDER BY b.n) FILTER (WHERE b.iccid IS NOT NULL)
			INTO done, ns, iccids
			FROM back b;
		IF done > coalesce(cardinality(ns), 0) THEN
			RAISE NOTICE '% of % members are left out', done - coalesce(cardinality(ns), 0), done
				USING DETAIL = 'They are not as the campaign left them, or there is nothing that they could go back to.';
		END IF;
		RETURN smsr.derive_campaign(c, name, i.inverse, format('members of campaign %s, back to what they were before', c.name), options,
			NULL, c.id, ns, iccids);
	END $$;
COMMENT ON FUNCTION smsr.undo_campaign(bigint, text, jsonb) IS 'A new campaign that takes back what one really did, where there is an inverse and things are still as it left them; returns its id';
