-- Carrying out what core's procedure decided, for many eUICCs at once: each kind of
-- effect by one statement over all that have it.  What stands here does to the rows
-- what smsr.handle_event() does one event at a time; effects that are rare are left
-- to the same functions.  No eUICC occurs twice, and all are locked by the caller.
--
-- Rows are found from the events, each by its key (OFFSET 0), and then changed by
-- their place: a plan is made once and must not depend on how many rows a queue had
-- by then.  Without sequential scans a place is looked up and nothing else.

CREATE TYPE smsr.event AS (
	n int,
	eid smsr.eid,
	operation_id bigint,
	event text,
	originator text,
	octets bytea,
	data bytea,
	packet_step text,
	cntr bigint,
	por_status int,
	deleted smsr.aid[],
	notification_type int,
	sequence int,
	named smsr.aid,
	moves boolean,
	former smsr.aid,
	imei text,
	meid text,
	operation_place tid,
	packet_place tid,
	others boolean,
	step text,
	stage text,
	doubt text,
	failed boolean,
	warned boolean,
	effects text[],
	status text,
	subject_code text,
	reason_code text,
	because text,
	told text
);
COMMENT ON TYPE smsr.event IS 'A message received, n-th of its batch, with what core decided upon it: an authentic answer (por) or a notification that its operation awaits';
COMMENT ON COLUMN smsr.event.moves IS 'Whether the ISD-P that a notification names is not the one that the EIS has as enabled; that is former, NULL if there is none';
COMMENT ON COLUMN smsr.event.operation_place IS 'Where the operation''s row is, until it is updated';
COMMENT ON COLUMN smsr.event.packet_place IS 'Where the row of its packet is; NULL if there is none';
COMMENT ON COLUMN smsr.event.others IS 'Whether other packets to the eUICC are under way';
COMMENT ON COLUMN smsr.event.told IS 'What became of it, for the record';

CREATE FUNCTION smsr.update_operations(events smsr.event[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		ended smsr.operation[];
		n bigint;
	BEGIN
		WITH updated AS (
			UPDATE smsr.operation o SET step = e.step, stage = CASE WHEN e.status IS NULL THEN e.stage ELSE 'finished' END,
					stage_at = CASE WHEN e.step IS DISTINCT FROM o.step OR e.stage <> o.stage THEN now() ELSE o.stage_at END,
					doubt = e.doubt, failed = e.failed, warned = e.warned,
					-- of an operation of our own it says why there is one; else it is about a step that is over
					message = coalesce(e.because, CASE WHEN e.status IS NULL OR o.function IN ('audit_eis', 'confirm_notification')
						THEN o.message END),
					sequence = CASE WHEN 'follow' = ANY (e.effects) THEN e.sequence ELSE o.sequence END,
					left_aid = CASE WHEN 'follow' = ANY (e.effects) THEN coalesce(o.left_aid, e.former) ELSE o.left_aid END,
					response_data = CASE WHEN e.event = 'por'
							AND (o.function IN ('audit_eis', 'confirm_notification') OR o.step NOT IN ('audit', 'confirm', 'auto_delete'))
						THEN e.data ELSE o.response_data END,
					status = CASE WHEN e.status = 'EXECUTED_SUCCESS' AND e.warned THEN 'EXECUTED_WITHWARNING' ELSE e.status END,
					subject_code = e.subject_code, reason_code = e.reason_code,
					finished_at = CASE WHEN e.status IS NOT NULL THEN clock_timestamp() END
				FROM unnest(events) e
				WHERE o.ctid = e.operation_place
				RETURNING CASE WHEN o.status IS NOT NULL THEN o END AS ended
		)
		SELECT count(*), array_agg(u.ended) FILTER (WHERE u.ended IS DISTINCT FROM NULL) INTO n, ended FROM updated u;
		IF n <> cardinality(events) THEN
			RAISE EXCEPTION 'an operation was changed by somebody who does not have its eUICC' USING ERRCODE = 'serialization_failure';
		END IF;
		IF ended IS NULL THEN
			RETURN;
		END IF;
		PERFORM smsr.record_audit(ARRAY(SELECT smsr.audit_entry(o.eid, o.function, o.id, o.requester_id, o.status,
				o.subject_code, o.reason_code, o.isdp_aid, o.iccid, p_requested_by => o.requested_by, p_reason => o.reason)
			FROM unnest(ended) o WHERE o.function <> 'confirm_notification'));
		INSERT INTO smsr.campaign_end (campaign_id, eid, operation_id, status, subject_code, reason_code, message)
			SELECT o.campaign_id, o.eid, o.id, o.status, o.subject_code, o.reason_code, o.message
			FROM unnest(ended) o WHERE o.campaign_id IS NOT NULL;
	END $$;
COMMENT ON FUNCTION smsr.update_operations(smsr.event[]) IS 'Write what became of operations; those that ended get what smsr.finish() gives them';

CREATE FUNCTION smsr.drop_packets(events smsr.event[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		WITH gone AS (
			DELETE FROM smsr.outbound o
				USING unnest(events) e
				WHERE o.ctid = e.packet_place AND 'drop_packet' = ANY (e.effects)
				RETURNING o.eid, o.operation_id, o.step, CASE WHEN o.session IS NULL THEN o.destination ELSE 'https' END, o.gateway, o.attempts, o.cntr,
					CASE WHEN o.attempts = 0 THEN 'not sent' WHEN e.event = 'por' THEN 'answered' ELSE 'overtaken by its notification' END,
					e.because, o.sent_at,
					CASE WHEN o.step <> 'put_key' THEN o.packet END,
					CASE WHEN o.packet IS NOT NULL THEN coalesce(o.trigger, o.script) ELSE o.script END
		)
		INSERT INTO smsr.message (direction, eid, operation_id, step, address, gateway, attempts, cntr,
			outcome, detail, sent_at, octets, script)
		SELECT 'out', g.* FROM gone g;
	END $$;
COMMENT ON FUNCTION smsr.drop_packets(smsr.event[]) IS 'Packets of events are done: smsr.drop_packet() for many';

CREATE FUNCTION smsr.follow_notifications(events smsr.event[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		changed smsr.profile[];
		operations bigint[];
	BEGIN
		WITH updated AS (
			UPDATE smsr.profile p SET state = 'Disabled', changed_at = now()
				FROM (SELECT u.operation_id, w.place FROM unnest(events) u
					CROSS JOIN LATERAL (SELECT i.ctid AS place FROM smsr.profile i
						WHERE i.eid = u.eid AND i.isdp_aid = u.former OFFSET 0) w
					WHERE u.moves AND 'follow' = ANY (u.effects) OFFSET 0) e
				WHERE p.ctid = e.place
				RETURNING p, e.operation_id
		)
		SELECT array_agg(u.p), array_agg(u.operation_id) INTO changed, operations FROM updated u;
		PERFORM smsr.tell_all('HandleProfileDisabled', changed, operations);
		WITH updated AS (
			UPDATE smsr.profile p SET state = 'Enabled', changed_at = now()
				FROM (SELECT u.operation_id, w.place FROM unnest(events) u
					CROSS JOIN LATERAL (SELECT i.ctid AS place FROM smsr.profile i
						WHERE i.eid = u.eid AND i.isdp_aid = u.named OFFSET 0) w
					WHERE u.moves AND 'follow' = ANY (u.effects) OFFSET 0) e
				WHERE p.ctid = e.place
				RETURNING p, e.operation_id
		)
		SELECT array_agg(u.p), array_agg(u.operation_id) INTO changed, operations FROM updated u;
		PERFORM smsr.tell_all('HandleProfileEnabled', changed, operations);
		-- what is on its way must go where the card is now
		UPDATE smsr.outbound o SET destination = e.msisdn, mno_id = smsr.carriers(o.bearer, o.trigger, o.destination, o.mno_id, e.mno_id),
				due_at = CASE WHEN o.due_at = 'infinity' THEN now() ELSE o.due_at END
			FROM (SELECT u.msisdn, u.mno_id, w.place FROM unnest(changed) u
				CROSS JOIN LATERAL (SELECT i.ctid AS place FROM smsr.outbound i WHERE i.eid = u.eid OFFSET 0) w OFFSET 0) e
			WHERE o.ctid = e.place;
	END $$;
COMMENT ON FUNCTION smsr.follow_notifications(smsr.event[]) IS 'smsr.follow_enabled() for many, each naming an ISD-P that the EIS has, with a number';

CREATE FUNCTION smsr.queue_packets(events smsr.event[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr.outbound (eid, operation_id, step, sd_aid, target_aid, script, destination, mno_id, lane_id, due_at, expires_at)
		SELECT o.eid, o.id, o.step, c.isdr_aid, smsr.packet_target(o.step, o.isdp_aid),
			smsr.es5_script(o.step, CASE o.step WHEN 'auto_delete' THEN o.left_aid ELSE o.isdp_aid END,
				c.isdp_loadfile_aid, c.isdp_module_aid, o.arguments, o.sequence),
			p.msisdn, p.mno_id, 1,
			CASE WHEN p.msisdn IS NULL THEN 'infinity'
				WHEN o.step = 'audit' AND o.doubt IN ('enable', 'disable')
					THEN now() + least(smsr.retry_interval(1), greatest(o.expires_at - now(), interval '0') / 2)
				ELSE now() END, o.expires_at
		FROM unnest(events) e
			CROSS JOIN LATERAL (SELECT i.* FROM smsr.operation i WHERE i.eid = e.eid AND i.id = e.operation_id OFFSET 0) o
			CROSS JOIN LATERAL (SELECT i.* FROM smsr.euicc i WHERE i.eid = e.eid OFFSET 0) c
			LEFT JOIN LATERAL (SELECT i.msisdn, i.mno_id FROM smsr.profile i WHERE i.eid = e.eid AND i.state = 'Enabled' OFFSET 0) p ON true
		WHERE 'send' = ANY (e.effects);
		IF FOUND THEN
			PERFORM smsr.ring();
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.queue_packets(smsr.event[]) IS 'smsr.queue_packet() for many, of steps that a batch may lead to';

CREATE FUNCTION smsr.contact_cards(events smsr.event[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		waited_long CONSTANT timestamptz := now() - make_interval(secs => smsr.setting_seconds('retry_initial'));
	BEGIN
		UPDATE smsr.euicc c SET last_seen_at = now(),
				notification_type = CASE e.event WHEN 'notification' THEN e.notification_type ELSE c.notification_type END,
				notification_sequence = CASE e.event WHEN 'notification' THEN e.sequence ELSE c.notification_sequence END,
				notification_confirmed = CASE e.event WHEN 'notification' THEN true ELSE c.notification_confirmed END,
				notification_at = CASE e.event WHEN 'notification' THEN now() ELSE c.notification_at END
			FROM (SELECT u.event, u.notification_type, u.sequence, w.place FROM unnest(events) u
				CROSS JOIN LATERAL (SELECT i.ctid AS place FROM smsr.euicc i WHERE i.eid = u.eid OFFSET 0) w OFFSET 0) e
			WHERE c.ctid = e.place;
		-- what is a change of the EIS, and seldom comes
		UPDATE smsr.euicc c SET imei = coalesce(e.imei, c.imei), meid = coalesce(e.meid, c.meid)
			FROM (SELECT u.imei, u.meid, w.place FROM unnest(events) u
				CROSS JOIN LATERAL (SELECT i.ctid AS place FROM smsr.euicc i
					WHERE i.eid = u.eid AND (i.imei IS DISTINCT FROM coalesce(u.imei, i.imei)
						OR i.meid IS DISTINCT FROM coalesce(u.meid, i.meid)) OFFSET 0) w
				WHERE u.imei IS NOT NULL OR u.meid IS NOT NULL OFFSET 0) e
			WHERE c.ctid = e.place;
		UPDATE smsr.outbound o SET due_at = now()
			FROM (SELECT w.place FROM unnest(events) u
				CROSS JOIN LATERAL (SELECT i.ctid AS place FROM smsr.outbound i
					WHERE i.eid = u.eid AND i.destination IS NOT NULL AND i.due_at > now()
						AND i.sent_at < waited_long OFFSET 0) w
				WHERE u.others OFFSET 0) e
			WHERE o.ctid = e.place;
	END $$;
COMMENT ON FUNCTION smsr.contact_cards(smsr.event[]) IS 'smsr.contact() for many whose outcomes are all known, and what a notification says of the card';

CREATE FUNCTION smsr.handle_events(events smsr.event[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		occurring text[] := ARRAY(SELECT unnest(d.effects) FROM (SELECT DISTINCT e.effects FROM unnest(events) e) d);
		e smsr.event;
		op smsr.operation;
	BEGIN
		IF 'drop_packet' = ANY (occurring) THEN
			PERFORM smsr.drop_packets(events);
		END IF;
		PERFORM smsr.update_operations(events);
		IF 'follow' = ANY (occurring) THEN
			PERFORM smsr.follow_notifications(events);
		END IF;
		-- what is rare, as for one
		IF occurring && '{drop_deleted,add_target,remove_target,remove_left,move_fallback,set_emergency,unset_emergency}' THEN
			FOREACH e IN ARRAY ARRAY(SELECT r FROM unnest(events) r
				WHERE r.effects && '{add_target,remove_target,remove_left,move_fallback,set_emergency,unset_emergency}'
					OR ('drop_deleted' = ANY (r.effects) AND r.deleted <> '{}'))
			LOOP
				SELECT * INTO op FROM smsr.operation o WHERE o.eid = e.eid AND o.id = e.operation_id;
				IF 'drop_deleted' = ANY (e.effects) THEN
					PERFORM smsr.remove_profile(e.eid, d, e.operation_id) FROM unnest(e.deleted) d;
				END IF;
				IF 'add_target' = ANY (e.effects) THEN
					PERFORM smsr.add_profile(e.eid, op);
				END IF;
				IF 'remove_target' = ANY (e.effects) THEN
					PERFORM smsr.remove_profile(e.eid, op.isdp_aid, e.operation_id);
				END IF;
				IF 'remove_left' = ANY (e.effects) THEN
					PERFORM smsr.remove_profile(e.eid, op.left_aid, e.operation_id);
				END IF;
				IF 'move_fallback' = ANY (e.effects) THEN
					PERFORM smsr.give_fallback(e.eid, op.isdp_aid, e.operation_id);
				END IF;
				IF 'set_emergency' = ANY (e.effects) THEN
					PERFORM smsr.give_emergency(e.eid, op.isdp_aid, e.operation_id);
				END IF;
				IF 'unset_emergency' = ANY (e.effects) THEN
					PERFORM smsr.give_emergency(e.eid, NULL, e.operation_id);
				END IF;
			END LOOP;
		END IF;
		IF 'send' = ANY (occurring) THEN
			PERFORM smsr.queue_packets(events);
		END IF;
		IF 'audit' = ANY (occurring) THEN
			PERFORM smsr.start_own(u.eid, 'audit_eis', NULL, u.because) FROM unnest(events) u WHERE 'audit' = ANY (u.effects);
		END IF;
		-- not of a confirmation on our own account, which nothing waits for
		IF 'finish' = ANY (occurring) THEN
			PERFORM smsr.start_next(u.eid)
				FROM unnest(events) u
				WHERE u.status IS NOT NULL AND EXISTS (SELECT FROM smsr.operation w
					WHERE w.eid = u.eid AND w.stage = 'waiting' AND w.status IS NULL)
					AND NOT EXISTS (SELECT FROM smsr.operation w
						WHERE w.eid = u.eid AND w.id = u.operation_id AND NOT w.exclusive);
		END IF;
		PERFORM smsr.contact_cards(events);
		INSERT INTO smsr.message (direction, eid, operation_id, step, address, cntr, outcome, detail, octets, script)
			SELECT 'in', u.eid, u.operation_id, u.packet_step, u.originator, u.cntr,
				CASE u.event WHEN 'por' THEN 'answer' ELSE u.event END,
				CASE u.event WHEN 'por' THEN format('status %s: %s', lpad(to_hex(u.por_status), 2, '0'), u.told)
					ELSE format('type %s, sequence %s: %s', u.notification_type, u.sequence, u.told) END,
				u.octets, u.data
			FROM unnest(events) u;
	END $$;
COMMENT ON FUNCTION smsr.handle_events(smsr.event[]) IS 'Carry out what core decided upon messages received, of one eUICC each, and keep the messages: smsr.handle_event() and what follows it for many';
