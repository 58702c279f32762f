-- Messages received, many at once.  What nearly all are, answers that are awaited
-- and notifications that are awaited, is told by two queries, whose results
-- smsr.handle_events() carries out; all else goes one by one, in order.
--
-- OFFSET 0: each message looks up its own rows, by their keys, whatever the
-- statistics say of tables that are empty in one hour and full in the next.

-- What an event that is carried out with others may lead to.
CREATE FUNCTION smsr.plain_effects(effects text[]) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN effects <@ '{drop_packet,follow,drop_deleted,add_target,remove_target,remove_left,move_fallback,set_emergency,unset_emergency,send,audit,finish}'::text[];
COMMENT ON FUNCTION smsr.plain_effects(text[]) IS 'Whether smsr.handle_events() knows all of these effects';

CREATE FUNCTION smsr.read_answers(ns int[], eids smsr.eid[], originators text[], tp_uds bytea[]) RETURNS smsr.event[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		sessions CONSTANT boolean := EXISTS (SELECT FROM smsr.https_session h WHERE h.state = 'open');
	BEGIN
		RETURN (SELECT array_agg(ROW(m.n, m.eid, o.id, 'por', m.originator, m.octets, (a.opened).data, b.step, b.cntr, (a.opened).status,
				d.deleted, NULL, NULL, NULL, NULL, NULL, NULL, NULL, o.ctid, b.ctid, v.others,
				r.step, r.stage, r.doubt, r.failed, r.warned, r.effects, r.status, r.subject_code, r.reason_code, r.because,
				CASE WHEN r.effects = '{}' AND r.stage = o.stage AND r.because IS NULL THEN 'not awaited'
					ELSE coalesce(r.because, r.status, r.stage) END)::smsr.event)
			FROM unnest(ns, eids, originators, tp_uds) m (n, eid, originator, octets)
				-- whether a card opens a session shows when it does
				CROSS JOIN LATERAL (SELECT i.ctid, i.* FROM smsr.outbound i
					WHERE i.eid = m.eid AND i.packet IS NOT NULL AND i.trigger IS NULL OFFSET 0) b
				CROSS JOIN LATERAL (SELECT smsr.open_answer(i.eid, i.sd_aid, i.kvn, i.key_type, i.sealed, b.packet, b.cntr,
						coalesce(b.target_aid, b.sd_aid), m.octets) AS opened
					FROM smsr.keyset i
					WHERE i.eid = m.eid AND i.sd_aid = b.sd_aid AND i.kvn = b.kvn
						AND i.state IN ('pending', 'active', 'retiring') OFFSET 0) a
				CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM smsr.outbound i
					WHERE i.eid = m.eid AND i.packet IS NOT NULL AND i.id <> b.id) AS others OFFSET 0) v
				CROSS JOIN LATERAL (SELECT i.ctid, i.* FROM smsr.operation i WHERE i.eid = m.eid AND i.id = b.operation_id OFFSET 0) o
				LEFT JOIN LATERAL (SELECT i.isdp_aid FROM smsr.profile i
					WHERE i.eid = o.eid AND i.isdp_aid = o.isdp_aid AND o.step = 'confirm' OFFSET 0) t ON true
				LEFT JOIN LATERAL (SELECT i.isdp_aid, i.pol2, i.fallback_attribute, i.state FROM smsr.profile i
					WHERE i.eid = o.eid AND i.isdp_aid = o.left_aid OFFSET 0) l ON true
				CROSS JOIN LATERAL (SELECT CASE o.step WHEN 'confirm' THEN smsr.read_deleted((a.opened).data) ELSE '{}' END AS deleted) d
				CROSS JOIN LATERAL (SELECT smsr.procedure(o.function, o.step, o.stage, o.doubt, o.failed, o.warned, 'por',
					por_status => (a.opened).status, sw => (a.opened).sw, resyncs => b.resyncs::int, attempts => b.attempts::int,
					target_gone => t.isdp_aid IS NULL OR t.isdp_aid = ANY (d.deleted),
					auto_delete => l.isdp_aid IS NOT NULL AND l.isdp_aid <> ALL (d.deleted)
						AND l.pol2 @> '{DISABLE/Auto-Delete}' AND NOT l.fallback_attribute AND l.state = 'Disabled') AS row OFFSET 0) p
				CROSS JOIN LATERAL (SELECT (p.row).* OFFSET 0) r
			WHERE (a.opened).status IS NOT NULL
				-- two of one counter are told apart where all keys are tried
				AND NOT (v.others AND EXISTS (SELECT FROM smsr.outbound i
					WHERE i.eid = m.eid AND i.packet IS NOT NULL AND i.id <> b.id AND i.cntr = b.cntr))
				AND o.status IS NULL AND o.stage IN ('sending', 'notification')
				AND o.step IN ('create', 'enable', 'disable', 'delete', 'set_fallback', 'master_delete', 'set_emergency',
					'unset_emergency', 'confirm', 'auto_delete')
				AND smsr.plain_effects(r.effects)
				AND NOT (sessions AND EXISTS (SELECT FROM smsr.https_session h WHERE h.eid = m.eid AND h.state = 'open'))
				AND (SELECT count(*) FROM smsr.unknown_outcome w WHERE w.eid = m.eid) = 0);
	END $$;
COMMENT ON FUNCTION smsr.read_answers(int[], smsr.eid[], text[], bytea[]) IS 'Those messages, at most one an eUICC, that are an answer to a command under way, of a card that has no session, and lead to nothing but plain effects';

CREATE FUNCTION smsr.read_notifications(ns int[], eids smsr.eid[], originators text[], tp_uds bytea[]) RETURNS smsr.event[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		sessions CONSTANT boolean := EXISTS (SELECT FROM smsr.https_session h WHERE h.state = 'open');
	BEGIN
		RETURN (SELECT array_agg(ROW(m.n, m.eid, o.id, 'notification', m.originator, m.octets, c.data, NULL, NULL, NULL,
				'{}', c.type, c.sequence, c.isdp_aid, f.isdp_aid IS DISTINCT FROM c.isdp_aid, nullif(f.isdp_aid, c.isdp_aid),
				encode(c.imei, 'hex'), encode(c.meid, 'hex'), o.ctid, b.place, b.others,
				r.step, r.stage, r.doubt, r.failed, r.warned, r.effects, r.status, r.subject_code, r.reason_code, r.because,
				coalesce(r.because, r.status, r.stage))::smsr.event)
			FROM unnest(ns, eids, originators, tp_uds) m (n, eid, originator, octets)
				CROSS JOIN LATERAL (SELECT i.isdr_aid, i.notification_type, i.notification_sequence, i.notification_at
					FROM smsr.euicc i WHERE i.eid = m.eid OFFSET 0) e
				-- one at most: the packet names the version of its key set
				CROSS JOIN LATERAL (SELECT i.state, smsr.open_notification(i.eid, i.sd_aid, i.kvn, i.key_type, i.sealed, m.octets) AS opened
					FROM smsr.keyset i
					WHERE i.eid = m.eid AND i.sd_aid = e.isdr_aid AND i.type = 'SCP80'
						AND i.state IN ('pending', 'active', 'retiring') OFFSET 0) k
				CROSS JOIN LATERAL (SELECT (k.opened).* OFFSET 0) c
				CROSS JOIN LATERAL (SELECT i.ctid, i.* FROM smsr.operation i
					WHERE i.eid = m.eid AND i.status IS NULL AND i.exclusive AND i.stage <> 'waiting' OFFSET 0) o
				CROSS JOIN LATERAL (SELECT i.msisdn FROM smsr.profile i
					WHERE i.eid = m.eid AND i.isdp_aid = c.isdp_aid OFFSET 0) t
				LEFT JOIN LATERAL (SELECT i.isdp_aid FROM smsr.profile i WHERE i.eid = m.eid AND i.state = 'Enabled' OFFSET 0) f ON true
				CROSS JOIN LATERAL (SELECT (array_agg(i.ctid) FILTER (WHERE i.operation_id = o.id))[1] AS place,
						bool_or(i.operation_id <> o.id) AS others
					FROM smsr.outbound i WHERE i.eid = m.eid OFFSET 0) b
				CROSS JOIN LATERAL (SELECT smsr.procedure(o.function, o.step, o.stage, o.doubt, o.failed, o.warned, 'notification',
					notification_type => c.type, names_target => c.isdp_aid = o.isdp_aid) AS row OFFSET 0) p
				CROSS JOIN LATERAL (SELECT (p.row).* OFFSET 0) r
			-- keys that are still to be proven are another matter
			WHERE c.type IS NOT NULL AND k.state <> 'pending' AND o.stage IN ('sending', 'notification') AND t.msisdn IS NOT NULL
				AND (e.notification_type = c.type AND e.notification_sequence = c.sequence) IS NOT TRUE
				-- nor one that came too late, after others or before some
				AND NOT (c.type = 2 AND o.step = 'disable' AND o.stage = 'sending')
				AND ((c.sequence - e.notification_sequence) & 65535 BETWEEN 2 AND 1000) IS NOT TRUE
				AND smsr.overtaken(c.sequence, e.notification_sequence, e.notification_at) IS NOT TRUE
				AND 'follow' = ANY (r.effects) AND smsr.plain_effects(r.effects)
				AND NOT (sessions AND EXISTS (SELECT FROM smsr.https_session h WHERE h.eid = m.eid AND h.state = 'open'))
				AND (SELECT count(*) FROM smsr.unknown_outcome w WHERE w.eid = m.eid) = 0);
	END $$;
COMMENT ON FUNCTION smsr.read_notifications(int[], smsr.eid[], text[], bytea[]) IS 'Those messages, at most one an eUICC, that are a notification which the eUICC''s operation awaits, of a profile that has a number, and the next after the last';

-- The records of notifications come after those of what they have led to.
CREATE FUNCTION smsr.receive_plain(ns int[], eids smsr.eid[], originators text[], tp_uds bytea[]) RETURNS smsr.event[]
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		events smsr.event[] := coalesce(smsr.read_answers(ns, eids, originators, tp_uds), '{}');
		rest record;
	BEGIN
		IF cardinality(events) < cardinality(ns) THEN
			SELECT array_agg(u.n) AS ns, array_agg(u.eid) AS eids, array_agg(u.o) AS originators, array_agg(u.t) AS tp_uds INTO rest
				FROM unnest(ns, eids, originators, tp_uds) u (n, eid, o, t)
				WHERE u.n NOT IN (SELECT e.n FROM unnest(events) e);
			events := events || coalesce(smsr.read_notifications(rest.ns, rest.eids, rest.originators, rest.tp_uds), '{}');
		END IF;
		IF events = '{}' THEN
			RETURN events;
		END IF;
		PERFORM smsr.handle_events(events);
		PERFORM smsr.record_audit(ARRAY(SELECT smsr.audit_entry(e.eid, NULL, e.operation_id, p_isdp_aid => e.named,
				p_iccid => p.iccid, p_operation_type => '\x00'::bytea || decode(lpad(to_hex(e.notification_type), 2, '0'), 'hex'),
				p_imei => e.imei, p_meid => e.meid)
			FROM unnest(events) e
				CROSS JOIN LATERAL (SELECT i.iccid FROM smsr.profile i WHERE i.eid = e.eid AND i.isdp_aid = e.named OFFSET 0) p
			WHERE e.event = 'notification'));
		RETURN events;
	END $$;
COMMENT ON FUNCTION smsr.receive_plain(int[], smsr.eid[], text[], bytea[]) IS 'Process, of messages that are of one eUICC each, those that are plain; returns which';

-- Fewer are sooner done one by one.
CREATE FUNCTION smsr.batch_from() RETURNS int
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN 2;
COMMENT ON FUNCTION smsr.batch_from() IS 'How many messages received are worth the statements of a batch';

CREATE FUNCTION smsr.receive_batch(ns int[], eids smsr.eid[], originators text[], tp_uds bytea[], moved boolean, all_free boolean, ready smsr.eid[])
	RETURNS smsr.event[]
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		fit record;
		state text;
		about text;
	BEGIN
		IF all_free AND NOT moved THEN
			RETURN smsr.receive_plain(ns, eids, originators, tp_uds);
		END IF;
		-- whose number is still the eUICC's alone, and those that are not behind others
		SELECT array_agg(u.n) AS ns, array_agg(u.eid) AS eids, array_agg(u.o) AS originators, array_agg(u.t) AS tp_uds INTO fit
			FROM unnest(ns, eids, originators, tp_uds) u (n, eid, o, t)
			WHERE (SELECT bool_and(p.eid = u.eid) FROM smsr.profile p WHERE p.msisdn = u.o)
				AND (all_free OR (u.eid = ANY (ready) AND NOT EXISTS (SELECT FROM smsr.inbound_held h
					WHERE h.originator = u.o OR h.eids && ARRAY[u.eid])));
		IF fit.ns IS NULL THEN
			RETURN '{}';
		END IF;
		RETURN smsr.receive_plain(fit.ns, fit.eids, fit.originators, fit.tp_uds);
	EXCEPTION WHEN OTHERS THEN
		-- one of them is to blame: alone it is found, and the others go through
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, about = MESSAGE_TEXT;
		RAISE LOG 'a batch of % messages received is taken apart: % (%)', cardinality(ns), about, state;
		RETURN '{}';
	END $$;
COMMENT ON FUNCTION smsr.receive_batch(int[], smsr.eid[], text[], bytea[], boolean, boolean, smsr.eid[]) IS 'The same of those whose number is still theirs, if some may have moved, and whose eUICC is free, as for smsr.receive_in_turn(); if any fails nothing is done';
