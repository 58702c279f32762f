-- What people do with a campaign.  All of it is quick, whatever the size: what
-- there is to do for each member, smsr.tick() does (78).

-- A campaign's lanes are open while it runs: closed, nothing of it is claimed,
-- however much waits there.
CREATE FUNCTION smsr.set_campaign_state(p_id bigint, p_state text, p_because text, p_act text, p_details jsonb DEFAULT NULL)
	RETURNS smsr.campaign
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign;
	BEGIN
		UPDATE smsr.campaign x SET state = p_state, because = p_because, next_at = now(),
				started_at = CASE WHEN p_state = 'running' THEN coalesce(x.started_at, now()) ELSE x.started_at END,
				ended_at = CASE WHEN p_state IN ('cancelled', 'finished') THEN clock_timestamp() END,
				forecast_at = NULL, forecast_expected = NULL, forecast_earliest = NULL, forecast_latest = NULL
			WHERE x.id = p_id RETURNING * INTO c;
		UPDATE smsr.lane l SET open = (p_state = 'running') WHERE l.campaign_id = p_id AND l.open <> (p_state = 'running');
		PERFORM smsr.record_campaign(p_act, c, jsonb_strip_nulls(jsonb_build_object('because', p_because)) || coalesce(p_details, '{}'));
		RETURN c;
	END $$;
COMMENT ON FUNCTION smsr.set_campaign_state(bigint, text, text, text, jsonb) IS 'A campaign is in another state from now on; its lanes with it, and the audit trail has it';

CREATE FUNCTION smsr.start_campaign(campaign bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign := smsr.own_campaign(campaign, ARRAY['planned', 'approval']);
		approvers name[];
		approval bigint;
	BEGIN
		IF c.state = 'approval' AND EXISTS (SELECT FROM smsr.approval a
				WHERE a.id = c.approval_id AND a.decision IS NULL AND a.expires_at > now()) THEN
			RAISE NOTICE 'waits for approval %', c.approval_id;
			RETURN c.state;
		END IF;
		approvers := smsr.approver_roles(c.function, c.party_id, c.members);
		IF approvers IS NOT NULL THEN
			approval := smsr.next_id();
			-- as a whole: who approves it approves the frozen members
			PERFORM smsr.ask_approval(approval, c.function, c.party_id,
				format('campaign %s: %s for %s eUICCs, members %s', c.name, c.function, c.members, encode(c.members_digest, 'hex')),
				NULL, c.members, approvers, now() + smsr.validity(NULL));
			UPDATE smsr.campaign SET state = 'approval', approval_id = approval WHERE id = c.id;
			RETURN 'approval';
		END IF;
		PERFORM smsr.set_campaign_state(c.id, 'running', NULL, 'start_campaign');
		RETURN 'running';
	END $$;
COMMENT ON FUNCTION smsr.start_campaign(bigint) IS 'Let a campaign begin: running, or approval if a rule asks for a second person, with whose yes it begins';

CREATE FUNCTION smsr.campaign_decided(p_approval bigint, p_yes boolean, p_because text) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign;
	BEGIN
		SELECT * INTO c FROM smsr.campaign x WHERE x.approval_id = p_approval AND x.state = 'approval' FOR UPDATE;
		IF NOT FOUND THEN
			RETURN 0;
		ELSIF p_yes THEN
			PERFORM smsr.set_campaign_state(c.id, 'running', NULL, 'start_campaign', jsonb_build_object('approval', p_approval));
		ELSE
			PERFORM smsr.set_campaign_state(c.id, 'cancelled', concat_ws(': ', 'rejected by a second person', p_because), 'cancel_campaign',
				jsonb_build_object('approval', p_approval));
		END IF;
		RETURN c.members;
	END $$;
COMMENT ON FUNCTION smsr.campaign_decided(bigint, boolean, text) IS 'A second person has decided about a campaign, if the approval is that of one: it begins, or is cancelled. Returns how many members it has';

CREATE FUNCTION smsr.pause_campaign(campaign bigint, because text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign := smsr.campaign_of(campaign, ARRAY['running']);
	BEGIN
		PERFORM smsr.set_campaign_state(c.id, 'paused', because, 'pause_campaign');
	END $$;
COMMENT ON FUNCTION smsr.pause_campaign(bigint, text) IS 'Nothing of a campaign is sent from now on that has not been claimed; what has been goes on to its own end';

CREATE FUNCTION smsr.resume_campaign(campaign bigint, because text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign := smsr.campaign_of(campaign, ARRAY['paused', 'halted']);
	BEGIN
		-- whoever resumes has seen what there is: the brake counts anew
		UPDATE smsr.campaign x SET braked_ended = w.ended, braked_failed = w.failed
			FROM (SELECT coalesce(sum(v.succeeded + v.warned + v.failed + v.expired), 0) AS ended,
					coalesce(sum(v.failed + v.expired), 0) AS failed
				FROM smsr.campaign_wave v WHERE v.campaign_id = c.id) w
			WHERE x.id = c.id;
		PERFORM smsr.set_campaign_state(c.id, 'running', NULL, 'resume_campaign', jsonb_strip_nulls(jsonb_build_object('because', because)));
	END $$;
COMMENT ON FUNCTION smsr.resume_campaign(bigint, text) IS 'Go on with a campaign that was paused or has halted; its brake counts failures from here on';

CREATE FUNCTION smsr.cancel_campaign(campaign bigint, because text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign := smsr.campaign_of(campaign, ARRAY['planned', 'approval', 'running', 'paused', 'halted']);
	BEGIN
		PERFORM smsr.set_campaign_state(c.id, CASE WHEN c.state IN ('planned', 'approval') THEN 'cancelled' ELSE 'cancelling' END,
			because, 'cancel_campaign');
	END $$;
COMMENT ON FUNCTION smsr.cancel_campaign(bigint, text) IS 'End a campaign: nothing is sent that has not been claimed, and smsr.tick() ends those operations; what has been claimed goes on to its own end';

CREATE FUNCTION smsr.forget_campaign(campaign bigint) RETURNS int
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign := smsr.campaign_of(campaign, ARRAY['cancelled', 'finished']);
	BEGIN
		-- it is whoever runs the SM-SR that decides how long things are kept
		IF smsr.require_requester() <> smsr.setting('smsr_id') THEN
			RAISE EXCEPTION 'campaign "%" is for administrators to forget', c.name USING ERRCODE = 'insufficient_privilege';
		END IF;
		PERFORM smsr.record_campaign('forget_campaign', c, (SELECT jsonb_build_object('succeeded', sum(w.succeeded + w.warned),
			'failed', sum(w.failed + w.expired), 'cancelled', sum(w.cancelled)) FROM smsr.campaign_wave w WHERE w.campaign_id = c.id));
		DELETE FROM smsr.campaign x WHERE x.id = c.id;
		DELETE FROM smsr.campaign_member x WHERE x.campaign_id = c.id;
		DELETE FROM smsr.campaign_outcome x WHERE x.campaign_id = c.id;
		DELETE FROM smsr.campaign_wave x WHERE x.campaign_id = c.id;
		DELETE FROM smsr.campaign_stretch x WHERE x.campaign_id = c.id;
		DELETE FROM smsr.campaign_reason x WHERE x.campaign_id = c.id;
		DELETE FROM smsr.campaign_pace x WHERE x.campaign_id = c.id;
		DELETE FROM smsr.campaign_end x WHERE x.campaign_id = c.id;
		DELETE FROM smsr.lane x WHERE x.campaign_id = c.id;
		RETURN c.members;
	END $$;
COMMENT ON FUNCTION smsr.forget_campaign(bigint) IS 'Remove a campaign that is over, with its members and their results; its operations and what the audit trail says of it stay. Returns how many members';
