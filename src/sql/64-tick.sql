-- Time as an event.

CREATE FUNCTION smsr.tick() RETURNS int
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		eids smsr.eid[];
		ids bigint[];
		done int := 0;
		faults CONSTANT boolean := EXISTS (SELECT FROM smsr.tick_fault);
		part text;
		fault text;
		state text;
	BEGIN
		-- one ticker at a time is enough, and two must not meet on the same operations
		IF NOT smsr.try_lock(1) THEN
			RETURN 0;
		END IF;
		-- an answer that came before the deadline counts
		IF EXISTS (SELECT FROM smsr.inbound_held) THEN
			PERFORM smsr.receive_held(1000);
		END IF;
		-- in the order of their indexes: by any other, all operations there ever were might be read
		SELECT array_agg(d.eid ORDER BY d.eid, d.id), array_agg(d.id ORDER BY d.eid, d.id) INTO eids, ids
			FROM (SELECT p.eid, p.id
				FROM smsr.operation p JOIN smsr.euicc e ON e.eid = p.eid
				WHERE p.finished_at IS NULL AND p.expires_at <= now() AND p.stage <> 'peer'
					AND NOT (faults AND smsr.put_off('deadline', p.eid, p.id))
				ORDER BY p.expires_at
				LIMIT 1000
				FOR NO KEY UPDATE OF e SKIP LOCKED) d;
		-- whose packets a gateway has at this moment is for the next time
		SELECT array_agg(u.eid), array_agg(u.id) INTO eids, ids
			FROM unnest(eids, ids) u (eid, id)
			WHERE u.eid IN (SELECT unnest(smsr.lock_cards(eids, false)));
		done := smsr.handle_events(eids, ids, 'deadline');
		-- a notification that has been awaited for long is asked after
		SELECT array_agg(d.eid ORDER BY d.eid, d.id), array_agg(d.id ORDER BY d.eid, d.id) INTO eids, ids
			FROM (SELECT p.eid, p.id
				FROM smsr.operation p JOIN smsr.euicc e ON e.eid = p.eid
				WHERE p.status IS NULL AND p.stage = 'notification'
					AND p.stage_at < now() - make_interval(secs => smsr.setting_seconds('retry_max'))
					AND NOT (faults AND smsr.put_off('ask', p.eid, p.id))
				ORDER BY p.stage_at
				LIMIT 1000
				FOR NO KEY UPDATE OF e SKIP LOCKED) d;
		SELECT array_agg(u.eid), array_agg(u.id) INTO eids, ids
			FROM unnest(eids, ids) u (eid, id)
			WHERE u.eid IN (SELECT unnest(smsr.lock_cards(eids, false)));
		PERFORM smsr.handle_events(eids, ids, 'ask');
		-- each a thing of its own: none is in the way of the others
		FOREACH part IN ARRAY ARRAY['handover_tick', 'end_grace', 'campaign_tick', 'download_tick', 'https_tick']
		LOOP
			CONTINUE WHEN faults AND smsr.put_off(part, NULL, NULL);
			BEGIN
				CASE part
					WHEN 'handover_tick' THEN done := done + smsr.handover_tick();
					WHEN 'end_grace' THEN PERFORM smsr.end_grace();
					WHEN 'campaign_tick' THEN PERFORM smsr.campaign_tick();
					WHEN 'download_tick' THEN PERFORM smsr.download_tick();
					WHEN 'https_tick' THEN PERFORM smsr.https_tick();
				END CASE;
				IF faults THEN
					DELETE FROM smsr.tick_fault f WHERE f.what = part AND f.eid IS NULL;
				END IF;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS fault = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
				PERFORM smsr.note_fault(part, NULL, NULL, fault, state);
			END;
		END LOOP;
		-- parts whose rest never came; they stand in smsr.message all the same
		DELETE FROM smsr.inbound_part i
			WHERE i.ctid = ANY (ARRAY(SELECT p.ctid FROM smsr.inbound_part p
				WHERE p.received_at < now() - interval '1 hour' FOR UPDATE SKIP LOCKED));
		RETURN done;
	END $$;
COMMENT ON FUNCTION smsr.tick() IS 'Carry out what time has brought about, and held messages whose eUICC is free again; call it every second. Waits for nobody. Returns how many operations came to their deadline';

CREATE FUNCTION smsr.maintain(months_ahead int DEFAULT 2) RETURNS int
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		made int;
	BEGIN
		-- before anything is held that somebody who is recording may wait for
		IF smsr.setting('maintain_checkpoint')::boolean THEN
			PERFORM smsr.take_checkpoint();
		END IF;
		SELECT count(*) FILTER (WHERE smsr.make_partition(h.history, m::date)) INTO made
			FROM unnest(ARRAY['message', 'audit_trail', 'profile_history', 'euicc_history', 'operation_history']) h (history),
				generate_series(date_trunc('month', now()) + interval '1 month',
					date_trunc('month', now()) + make_interval(months => months_ahead), interval '1 month') m;
		-- a million a call: whoever calls it daily has done with what ended in a day
		FOR i IN 1 .. 100 LOOP
			EXIT WHEN smsr.move_operations() = 0;
		END LOOP;
		PERFORM smsr.keep_retentions();
		PERFORM smsr.prune_notices();
		PERFORM smsr.prune_peer_messages();
		PERFORM smsr.expire_key_ceremonies();
		PERFORM smsr.weigh_bearers();
		RETURN made;
	END $$;
COMMENT ON FUNCTION smsr.maintain(int) IS 'Make the coming months'' partitions of messages, audit trail and histories, move operations that have long ended to their history, drop the months that the settings say, take a checkpoint if smsr.maintain_checkpoint is on, and remove old notices and messages between SM-SRs; call it daily. Returns how many partitions were made';

CREATE FUNCTION smsr.advance_counters(distance bigint DEFAULT 1048576) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		n bigint;
	BEGIN
		IF distance IS NULL OR distance < 1 OR distance > 1099511627775 THEN
			RAISE EXCEPTION 'distance must be between 1 and 1099511627775' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF NOT smsr.key_act('advance_counters', format('every counter by %s', distance), to_jsonb(distance)) THEN
			RETURN NULL;
		END IF;
		UPDATE smsr.keyset SET counter = least(counter + distance, 1099511627775) WHERE type = 'SCP80';
		GET DIAGNOSTICS n = ROW_COUNT;
		INSERT INTO smsr.incarnation AS i (system_identifier, timeline)
			SELECT s.system_identifier, s.timeline FROM smsr.server_incarnation() s
			ON CONFLICT (one) DO UPDATE SET system_identifier = excluded.system_identifier,
				timeline = excluded.timeline, recorded_at = now();
		PERFORM smsr.record_key_act('advance_counters', jsonb_build_object('distance', distance, 'key_sets', n));
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.advance_counters(bigint) IS 'After a restore from a backup: move every SCP80 counter ahead of whatever was used since; returns how many key sets. NULL: it waits for a second person';
