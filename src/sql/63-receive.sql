-- What the air brings.  Nothing here raises for it, and nothing of it is lost:
-- each message is kept with what became of it.

CREATE FUNCTION smsr.record_in(p_at timestamptz, p_originator text, p_octets bytea, p_outcome text, p_detail text,
		p_eid smsr.eid DEFAULT NULL, p_operation bigint DEFAULT NULL, p_step text DEFAULT NULL,
		p_cntr bigint DEFAULT NULL, p_script bytea DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr.message (at, direction, eid, operation_id, step, address, cntr, outcome, detail, octets, script)
		VALUES (coalesce(p_at, clock_timestamp()), 'in', p_eid, p_operation, p_step, p_originator, p_cntr, p_outcome, p_detail,
			p_octets, p_script);
		RETURN p_outcome;
	END $$;
COMMENT ON FUNCTION smsr.record_in(timestamptz, text, bytea, text, text, smsr.eid, bigint, text, bigint, bytea) IS 'Keep a received message with what became of it and when it came (NULL: now); returns that';

-- Which eUICCs a message may be of; only its keys will tell.  Those that have
-- the number, and where nobody has it the ones that are switching to a profile
-- whose number nobody told us.  Both are bounded: a stranger costs a few tries.
CREATE FUNCTION smsr.plausible(originator text) RETURNS SETOF smsr.eid
	LANGUAGE plpgsql STABLE ROWS 1
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN QUERY SELECT DISTINCT p.eid FROM smsr.profile p WHERE p.msisdn = originator LIMIT 8;
		IF FOUND THEN
			RETURN;
		END IF;
		RETURN QUERY SELECT w.eid
			FROM (SELECT o.eid, o.isdp_aid, o.stage_at FROM smsr.operation o
				WHERE o.stage = 'notification' ORDER BY o.stage_at DESC LIMIT 200) w
				JOIN smsr.profile p ON p.eid = w.eid AND p.isdp_aid = w.isdp_aid
			WHERE p.msisdn IS NULL
			ORDER BY w.stage_at DESC LIMIT 8;
	END $$;
COMMENT ON FUNCTION smsr.plausible(text) IS 'eUICCs that a message from this number may be of, at most eight: those of the number, else those that await a notification of a profile without one';

-- Whoever sends under keys that were made here, and went to the card alone, has them.
CREATE FUNCTION smsr.hear_keyset(p_eid smsr.eid, p_sd_aid smsr.aid, p_kvn smallint, p_state text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		op_id bigint;
	BEGIN
		IF p_state <> 'pending' OR p_sd_aid IS DISTINCT FROM (SELECT e.isdr_aid FROM smsr.euicc e WHERE e.eid = p_eid) THEN
			RETURN;
		END IF;
		SELECT o.id INTO op_id FROM smsr.operation o
			WHERE o.eid = p_eid AND o.function = 'rotate_keys' AND o.kvn = p_kvn AND o.status IS NULL AND o.stage = 'sending';
		IF FOUND THEN
			PERFORM smsr.handle_event(p_eid, op_id, 'proven');
		ELSE
			PERFORM smsr.adopt_keyset(p_eid, p_kvn, NULL);
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.hear_keyset(smsr.eid, smsr.aid, smallint, text) IS 'Something authentic came under this key set: if it was pending, it is proven';

CREATE FUNCTION smsr.receive_response(received_at timestamptz, originator text, tp_ud bytea, packet bytea) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c record;
		r record;
		plain record;
		told text;
		tried int := 0;
	BEGIN
		-- the card answers from the number it has now: any profile's of the eUICC that was asked
		FOR c IN
			SELECT o.*, k.key_type, k.sealed
			FROM smsr.plausible(originator) m (eid)
				JOIN smsr.outbound o ON o.eid = m.eid AND o.packet IS NOT NULL
				JOIN smsr.keyset k ON k.eid = o.eid AND k.sd_aid = o.sd_aid AND k.kvn = o.kvn
			WHERE k.state IN ('pending', 'active', 'retiring')
				AND smsr.keyset_opens(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed)
			ORDER BY o.id
			LIMIT 16
		LOOP
			tried := tried + 1;
			r := smsr.unseal_response(c.eid, c.sd_aid, c.kvn, c.key_type, c.sealed,
				substring((smsr.peek_command(c.packet)).spi FROM 2 FOR 1), packet);
			IF r.tar IS DISTINCT FROM smsr.packet_tar(c.trigger, c.target_aid, c.sd_aid) THEN
				CONTINUE;
			ELSIF r.authentic AND r.cntr = c.cntr THEN
				told := CASE WHEN c.trigger IS NULL THEN smsr.handle_event(c.eid, c.operation_id, 'por', r.status, r.data)
					ELSE smsr.trigger_answered(c.id, r.status) END;
				PERFORM smsr.contact(c.eid);
				RETURN smsr.record_in(received_at, originator, tp_ud, 'answer', format('status %s: %s',
						lpad(to_hex(r.status), 2, '0'), told), c.eid, c.operation_id, c.step, r.cntr, r.data);
			ELSIF NOT r.secured AND plain IS NULL AND r.cntr IN (0, c.cntr) AND c.trigger IS NULL THEN
				SELECT c.eid, c.operation_id, c.step, r.status, r.cntr INTO plain;
			END IF;
		END LOOP;
		IF plain IS NOT NULL THEN
			told := smsr.handle_event(plain.eid, plain.operation_id, 'por_unauthenticated', plain.status);
			RETURN smsr.record_in(received_at, originator, tp_ud, 'unauthenticated answer', format('status %s: %s',
					lpad(to_hex(plain.status), 2, '0'), told), plain.eid, plain.operation_id, plain.step, plain.cntr);
		END IF;
		-- to a packet that is no more: whose, at least
		FOR c IN
			SELECT k.*
			FROM smsr.plausible(originator) m (eid)
				JOIN smsr.keyset k ON k.eid = m.eid AND k.type = 'SCP80'
			WHERE k.state IN ('pending', 'active', 'retiring')
				AND smsr.keyset_opens(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed)
			LIMIT 16
		LOOP
			r := smsr.unseal_response(c.eid, c.sd_aid, c.kvn, c.key_type, c.sealed,
				substring(decode(smsr.setting('spi'), 'hex') FROM 2 FOR 1), packet);
			IF r.authentic THEN
				PERFORM smsr.hear_keyset(c.eid, c.sd_aid, c.kvn, c.state);
				PERFORM smsr.contact(c.eid);
				RETURN smsr.record_in(received_at, originator, tp_ud, 'late answer', format('status %s',
						lpad(to_hex(r.status), 2, '0')), c.eid, NULL, NULL, r.cntr, r.data);
			END IF;
		END LOOP;
		RETURN smsr.record_in(received_at, originator, tp_ud, 'unknown answer',
			CASE WHEN tried = 0 THEN 'nothing awaits an answer from this number' ELSE 'no key opens it' END);
	END $$;
COMMENT ON FUNCTION smsr.receive_response(timestamptz, text, bytea, bytea) IS 'A response packet (PoR): find the command it answers by number, key and counter, and tell its operation';

CREATE FUNCTION smsr.receive_notification(received_at timestamptz, originator text, tp_ud bytea, packet bytea) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c record;
		opened record;
	BEGIN
		FOR c IN
			SELECT k.*
			FROM smsr.plausible(originator) m (eid)
				JOIN smsr.euicc e ON e.eid = m.eid
				JOIN smsr.keyset k ON k.eid = e.eid AND k.sd_aid = e.isdr_aid AND k.type = 'SCP80'
			WHERE k.state IN ('pending', 'active', 'retiring')
				AND smsr.keyset_opens(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed)
			ORDER BY k.eid, k.kvn DESC
			LIMIT 16
		LOOP
			opened := smsr.unseal_command(c.eid, c.sd_aid, c.kvn, c.key_type, c.sealed, packet);
			IF opened.authentic THEN
				PERFORM smsr.hear_keyset(c.eid, c.sd_aid, c.kvn, c.state);
				EXIT;
			END IF;
		END LOOP;
		IF opened IS NULL THEN
			RETURN smsr.record_in(received_at, originator, tp_ud, 'unknown originator', 'no eUICC with keys has this number');
		ELSIF opened.authentic IS NOT TRUE THEN
			RETURN smsr.record_in(received_at, originator, tp_ud, 'unauthenticated notification', 'no key opens it');
		END IF;
		IF opened.tar IS DISTINCT FROM smsr.aid_tar(c.sd_aid) THEN
			RETURN smsr.record_in(received_at, originator, tp_ud, 'not for the SM-SR', 'it is of another application of the card',
				c.eid, NULL, NULL, NULL, opened.data);
		END IF;
		RETURN smsr.hear_notification(received_at, originator, tp_ud, c.eid, opened.data);
	END $$;
COMMENT ON FUNCTION smsr.receive_notification(timestamptz, text, bytea, bytea) IS 'A card-originated command packet: authenticate it, and hear what it says';

CREATE FUNCTION smsr.hear_notification(received_at timestamptz, originator text, octets bytea, p_eid smsr.eid, data bytea) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		n record;
		card smsr.euicc;
		op smsr.operation;
		told text;
		event text;
		awaited boolean;
	BEGIN
		SELECT * INTO n FROM smsr.read_notification(data);
		IF n.fault IS NOT NULL THEN
			RETURN smsr.record_in(received_at, originator, octets, 'unreadable notification', n.fault, p_eid, NULL, NULL, NULL, data);
		ELSIF n.eid IS DISTINCT FROM p_eid THEN
			RETURN smsr.record_in(received_at, originator, octets, 'contradictory notification',
				'it names another EID than the one whose keys secured it', p_eid, NULL, NULL, NULL, data);
		END IF;

		SELECT * INTO card FROM smsr.euicc e WHERE e.eid = p_eid;
		SELECT * INTO op FROM smsr.operation o
			WHERE o.eid = p_eid AND o.status IS NULL AND o.exclusive AND o.stage <> 'waiting';
		event := CASE WHEN card.notification_type = n.type AND card.notification_sequence = n.sequence
			THEN 'notification_again' ELSE 'notification' END;
		-- some cards tell a disable by 02: but before the answer to it, of an enable that has
		-- expired it is that one's
		IF n.type = 2 AND op.step = 'disable' AND op.stage = 'sending' AND smsr.too_late(p_eid, n.type, n.isdp_aid) THEN
			op := NULL;
		END IF;
		awaited := op.id IS NOT NULL AND smsr.awaits(op, n.type, n.isdp_aid);
		IF event = 'notification' AND (smsr.overtaken(n.sequence, card.notification_sequence, card.notification_at)
			OR (NOT awaited AND smsr.heard_before(p_eid, data)))
		THEN
			-- what the card said since counts; should its numbers have begun anew, the audit tells
			PERFORM smsr.confirm_again(p_eid, n.sequence);
			PERFORM smsr.start_own(p_eid, 'audit_eis', NULL, 'an overtaken notification');
			RETURN smsr.record_in(received_at, originator, octets, 'notification overtaken',
				format('type %s, sequence %s after %s', n.type, n.sequence, card.notification_sequence),
				p_eid, op.id, NULL, NULL, data);
		END IF;
		IF event = 'notification' AND (n.sequence - card.notification_sequence) & 65535 BETWEEN 2 AND 1000 THEN
			INSERT INTO smsr.discrepancy (eid, isdp_aid, operation_id, what, eis_said, card_said)
				VALUES (p_eid, n.isdp_aid, op.id, 'notifications missed',
					'sequence ' || card.notification_sequence, 'sequence ' || n.sequence);
		END IF;
		-- a card that has changed profiles has begun anew, whatever connection is still to be seen
		IF originator <> 'https' AND event = 'notification' THEN
			PERFORM smsr.close_session(p_eid, 'the card notified by short message', true);
		END IF;
		PERFORM smsr.contact(p_eid);
		UPDATE smsr.euicc SET notification_type = n.type, notification_sequence = n.sequence,
				notification_confirmed = CASE event WHEN 'notification' THEN true ELSE notification_confirmed END,
				notification_at = now(),
				imei = coalesce(encode(n.imei, 'hex'), imei), meid = coalesce(encode(n.meid, 'hex'), meid)
			WHERE eid = p_eid;

		IF event = 'notification_again' THEN
			-- processed once, confirmed every time
			IF op.sequence = n.sequence AND op.step = 'confirm' THEN
				told := smsr.handle_event(p_eid, op.id, event);
			ELSIF NOT card.notification_confirmed THEN
				told := 'not confirmed: the operation it belongs to is over';
			ELSE
				told := smsr.confirm_again(p_eid, n.sequence);
			END IF;
			RETURN smsr.record_in(received_at, originator, octets, 'notification repeated', told, p_eid, op.id, NULL, NULL, data);
		END IF;

		IF op.id IS NOT NULL THEN
			told := smsr.handle_event(p_eid, op.id, event, NULL, NULL, n.type, n.sequence, n.isdp_aid);
		ELSE
			told := smsr.spontaneous(p_eid, n.type, n.sequence, n.isdp_aid);
		END IF;
		PERFORM smsr.record_audit(p_eid, NULL, op.id, p_isdp_aid => n.isdp_aid,
			p_iccid => (SELECT p.iccid FROM smsr.profile p WHERE p.eid = p_eid AND p.isdp_aid = n.isdp_aid),
			p_operation_type => '\x00'::bytea || decode(lpad(to_hex(n.type), 2, '0'), 'hex'),
			p_imei => encode(n.imei, 'hex'), p_meid => encode(n.meid, 'hex'));
		-- of an ISD-P that the EIS does not know nobody knows the number, but this came from it
		UPDATE smsr.outbound b SET destination = p.msisdn, mno_id = smsr.carriers(b.bearer, b.trigger, b.destination, b.mno_id, p.mno_id),
				due_at = CASE b.due_at WHEN 'infinity' THEN now() ELSE b.due_at END
			FROM smsr.profile p
			WHERE b.eid = p_eid AND b.destination IS NULL AND p.eid = p_eid AND p.msisdn = originator;
		RETURN smsr.record_in(received_at, originator, octets, 'notification', format('type %s, sequence %s: %s', n.type, n.sequence, told),
			p_eid, op.id, NULL, NULL, data);
	END $$;
COMMENT ON FUNCTION smsr.hear_notification(timestamptz, text, bytea, smsr.eid, bytea) IS 'What an eUICC says of its own accord, authentic, in a short message (octets) or a session: if it is a default notification, process it once and have it confirmed every time';

CREATE FUNCTION smsr.awaits(op smsr.operation, p_type int, p_named smsr.aid) RETURNS boolean
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT 'spontaneous' <> ALL (r.effects)
			FROM smsr.procedure(op.function, op.step, op.stage, op.doubt, op.failed, op.warned, 'notification',
				notification_type => p_type, names_target => p_named = op.isdp_aid) r);
	END $$;
COMMENT ON FUNCTION smsr.awaits(smsr.operation, int, smsr.aid) IS 'Whether a notification is what an operation waits for, not news of something else';

-- A notification has no counter: whoever has heard one can send it again, much later.
CREATE FUNCTION smsr.heard_before(p_eid smsr.eid, p_data bytea) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT EXISTS (SELECT FROM smsr.message m
				WHERE m.eid = p_eid AND m.direction = 'in' AND m.outcome = 'notification' AND m.script = p_data));
	END $$;
COMMENT ON FUNCTION smsr.heard_before(smsr.eid, bytea) IS 'Whether this very notification, sequence number and all, was processed before';

CREATE FUNCTION smsr.confirm_again(p_eid smsr.eid, p_sequence int) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		under_way bigint;
	BEGIN
		SELECT o.id INTO under_way FROM smsr.operation o
			WHERE o.eid = p_eid AND o.status IS NULL AND NOT o.exclusive AND o.sequence = p_sequence
			ORDER BY o.id LIMIT 1;
		IF FOUND THEN
			RETURN smsr.handle_event(p_eid, under_way, 'notification_again');
		END IF;
		PERFORM smsr.start_own(p_eid, 'confirm_notification', p_sequence, 'confirmed again');
		RETURN 'confirmed again';
	END $$;
COMMENT ON FUNCTION smsr.confirm_again(smsr.eid, int) IS 'Confirm a notification that was processed before: the confirmation under way sooner, or a new one';

-- Numbers wrap, and start anew when a card is reset, so only a small step back
-- within a day is taken for the network's doing.
CREATE FUNCTION smsr.overtaken(p_sequence int, p_last int, p_last_at timestamptz) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN coalesce((p_last - p_sequence) & 65535 BETWEEN 1 AND 16 AND p_last_at > now() - interval '1 day', false);
COMMENT ON FUNCTION smsr.overtaken(int, int, timestamptz) IS 'Whether a notification is older than the last one that was processed: the network brought them out of order';

-- SGP.02: after the validity period of the function that caused it, a success
-- is not confirmed, so that the card rolls back and the EXPIRED given is true.
-- Only while it can be that function's: until the card has told something else,
-- and for a day at most, which no card's repetitions outlast.
CREATE FUNCTION smsr.too_late(p_eid smsr.eid, p_type int, p_named smsr.aid) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT p_type IN (2, 5) AND coalesce((
				SELECT o.status = 'EXPIRED' AND o.finished_at > now() - interval '1 day'
					AND ((p_type = 2 AND o.function = 'enable_profile' AND o.isdp_aid = p_named)
						OR (o.function IN ('disable_profile', 'delete_profile') AND o.isdp_aid <> p_named
							AND 'disable' IN (o.step, o.doubt)))
					AND NOT EXISTS (SELECT FROM smsr.audit_trail a
						WHERE a.eid = p_eid AND a.recorded_at > o.finished_at AND get_byte(a.operation_type, 0) = 0)
					AND (e.last_audit_at IS NULL OR e.last_audit_at < o.finished_at
						OR (p.state = 'Enabled') = (o.function = 'enable_profile'))
				FROM smsr.operation o
					JOIN smsr.euicc e ON e.eid = o.eid
					LEFT JOIN smsr.profile p ON p.eid = o.eid AND p.isdp_aid = o.isdp_aid
				WHERE o.eid = p_eid AND o.exclusive AND o.status IS NOT NULL
					AND o.function IN ('enable_profile', 'disable_profile', 'delete_profile')
				ORDER BY o.id DESC LIMIT 1), false));
	END $$;
COMMENT ON FUNCTION smsr.too_late(smsr.eid, int, smsr.aid) IS 'Whether a notification reports the success of an operation that has already been given up as EXPIRED';

CREATE FUNCTION smsr.receive_one(originator text, tp_ud bytea, received_at timestamptz DEFAULT NULL) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		h record;
		parts bytea[];
		packet bytea;
		state text;
		about text;
	BEGIN
		IF smsr.goes_astray(originator, tp_ud, received_at) THEN
			RETURN 'for another shard';
		END IF;
		h := smsr.sms_header(tp_ud);
		IF h.total > 1 THEN
			INSERT INTO smsr.inbound_part (originator, reference, total, sequence, tp_ud)
				VALUES (receive_one.originator, h.reference, h.total, h.sequence, receive_one.tp_ud)
				ON CONFLICT ON CONSTRAINT inbound_part_pkey DO UPDATE SET tp_ud = excluded.tp_ud, received_at = now();
			SELECT array_agg(i.tp_ud) INTO parts FROM smsr.inbound_part i
				WHERE i.originator = receive_one.originator AND i.reference = h.reference AND i.total = h.total;
			IF cardinality(parts) < h.total THEN
				RETURN smsr.record_in(received_at, originator, tp_ud, 'part', format('%s of %s', h.sequence, h.total));
			END IF;
			DELETE FROM smsr.inbound_part i
				WHERE i.originator = receive_one.originator AND i.reference = h.reference AND i.total = h.total;
			SELECT coalesce(max(smsr.sms_cpi(p)), 0) INTO h.cpi FROM unnest(parts) p;
		ELSE
			parts := ARRAY[tp_ud];
		END IF;
		packet := smsr.sms_reassemble(parts);
		CASE h.cpi
			WHEN 113 THEN
				RETURN smsr.receive_response(received_at, originator, tp_ud, packet);
			WHEN 112 THEN
				RETURN smsr.receive_notification(received_at, originator, tp_ud, packet);
			ELSE
				RETURN smsr.record_in(received_at, originator, tp_ud, 'not for the SM-SR', 'its header names no secured packet');
		END CASE;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, about = MESSAGE_TEXT;
		IF state = '55P03' THEN
			RETURN NULL;
		END IF;
		-- what another attempt may mend is the gateway's to repeat; what the air brought is kept
		IF left(state, 2) IN ('08', '25', '40', '42', '53', '54', '55', '57', '58', 'F0', 'XX') THEN
			RAISE;
		END IF;
		RETURN smsr.record_in(received_at, originator, tp_ud, CASE WHEN left(state, 2) = '22' THEN 'unreadable' ELSE 'not processed' END,
			format('%s (%s)', about, state));
	END $$;
COMMENT ON FUNCTION smsr.receive_one(text, bytea, timestamptz) IS 'One received message, its segments gathered; what can not be read is recorded as such. NULL, and nothing done, if it has to wait for another transaction';

CREATE FUNCTION smsr.sms_cpi(tp_ud bytea) RETURNS int
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT h.cpi FROM smsr.sms_header(tp_ud) h);
	END $$;
COMMENT ON FUNCTION smsr.sms_cpi(bytea) IS 'Which security header a short message has: 112 command packet, 113 response packet, 0 neither';

-- ---- whose eUICC somebody else has: kept, in order, until it is free ----

CREATE FUNCTION smsr.hold(p_originator text, p_octets bytea, p_eids smsr.eid[]) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		why CONSTANT text := 'another transaction has its eUICC';
	BEGIN
		INSERT INTO smsr.inbound_held (originator, tp_ud, eids, because)
			-- and of those that it goes behind: its number may be another eUICC's since
			SELECT p_originator, p_octets, ARRAY(SELECT unnest(p_eids) UNION
				SELECT unnest(h.eids) FROM smsr.inbound_held h WHERE h.originator = p_originator ORDER BY 1), why;
		RETURN 'held: ' || why;
	END $$;
COMMENT ON FUNCTION smsr.hold(text, bytea, smsr.eid[]) IS 'Keep a received message until smsr.tick() finds its eUICC free; returns that in words';

CREATE FUNCTION smsr.receive_held(most int) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		h smsr.inbound_held;
		ready smsr.eid[];
		cards smsr.eid[];
		about text;
		n int := 0;
	BEGIN
		ready := smsr.lock_cards(ARRAY(SELECT DISTINCT unnest(b.eids) FROM smsr.inbound_held b), false, most);
		FOR h IN
			SELECT b.* FROM smsr.inbound_held b
			WHERE b.eids = '{}' OR b.id IN (SELECT w.id FROM (SELECT i.id, unnest(i.eids) AS eid FROM smsr.inbound_held i) w
				WHERE w.eid IN (SELECT unnest(ready)))
			ORDER BY b.id
			LIMIT most
		LOOP
			-- the number may have moved since
			cards := ARRAY(SELECT smsr.plausible(h.originator));
			IF NOT cards <@ ready THEN
				ready := ready || smsr.lock_cards(cards, false);
			END IF;
			CONTINUE WHEN NOT cards <@ ready OR EXISTS (SELECT FROM smsr.inbound_held b
				WHERE b.id < h.id AND (b.originator = h.originator OR b.eids && h.eids));
			BEGIN
				IF smsr.receive_one(h.originator, h.tp_ud, h.received_at) IS NOT NULL THEN
					DELETE FROM smsr.inbound_held b WHERE b.id = h.id;
					n := n + 1;
				END IF;
			EXCEPTION WHEN OTHERS THEN
				-- what a gateway would repeat; deadlines do not wait for it
				GET STACKED DIAGNOSTICS about = MESSAGE_TEXT;
				UPDATE smsr.inbound_held b SET because = about WHERE b.id = h.id AND b.because <> about;
			END;
		END LOOP;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.receive_held(int) IS 'Process held messages whose eUICCs are free, those of one eUICC or number in order, at most so many; returns how many';

CREATE FUNCTION smsr.receive_in_turn(originator text, tp_ud bytea, all_free boolean, ready smsr.eid[]) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		mine smsr.eid[];
		outcome text;
	BEGIN
		IF tp_ud IS NULL THEN
			RETURN smsr.record_in(NULL, originator, NULL, 'unreadable', 'no user data');
		END IF;
		IF NOT all_free THEN
			mine := ARRAY(SELECT smsr.plausible(originator));
		END IF;
		-- what is behind others stays behind them
		IF all_free OR (mine <@ ready AND NOT EXISTS (SELECT FROM smsr.inbound_held h
				WHERE h.originator = receive_in_turn.originator OR h.eids && mine)) THEN
			outcome := smsr.receive_one(originator, tp_ud);
		END IF;
		RETURN coalesce(outcome, smsr.hold(originator, tp_ud, ARRAY(SELECT smsr.plausible(originator))));
	END $$;
COMMENT ON FUNCTION smsr.receive_in_turn(text, bytea, boolean, smsr.eid[]) IS 'Process one of a batch of messages, or hold it if not all are free and its eUICCs are not ready or earlier ones of them are held';

CREATE FUNCTION smsr.receive_sms(originators text[], tp_uds bytea[]) RETURNS text[]
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	-- what a gateway's session has after some calls it has from the first
	SET plan_cache_mode = force_generic_plan
	AS $$
	DECLARE
		results text[];
		numbers text[];
		contents bytea[];
		sole smsr.eid[];
		cards smsr.eid[];
		ready smsr.eid[];
		total int;
		-- somebody sits on an eUICC: one wait for him was enough
		some_held boolean := EXISTS (SELECT FROM smsr.inbound_held);
		all_free boolean;
		-- a number may have become another's, or nobody's, by what came before
		moved boolean := false;
		first int := 1;
		last int;
		turn record;
		e record;
		i int;
	BEGIN
		IF cardinality(originators) IS DISTINCT FROM cardinality(tp_uds) THEN
			RAISE EXCEPTION 'originators and tp_uds must have the same number of elements'
				USING ERRCODE = 'array_subscript_error';
		END IF;
		numbers := ARRAY(SELECT ltrim(coalesce(o, ''), '+') FROM unnest(originators) o);
		contents := ARRAY(SELECT unnest(tp_uds));
		total := cardinality(numbers);
		results := array_fill(NULL::text, ARRAY[total]);
		-- nearly every number is that of one eUICC
		sole := ARRAY(SELECT (SELECT q.eid FROM (SELECT p.eid FROM smsr.profile p WHERE p.msisdn = u.number LIMIT 1) q
				WHERE NOT EXISTS (SELECT FROM smsr.profile p WHERE p.msisdn = u.number AND p.eid <> q.eid))
			FROM unnest(numbers) u (number));
		cards := array_remove(ARRAY(SELECT unnest(sole) UNION ALL
			SELECT smsr.plausible(u.number) FROM unnest(numbers, sole) u (number, eid) WHERE u.eid IS NULL), NULL);
		BEGIN
			ready := smsr.lock_cards(cards, NOT some_held);
		EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
			ready := smsr.lock_cards(cards, false);
		END;
		all_free := NOT some_held AND cardinality(ready) = cardinality(cards);
		WHILE first <= total
		LOOP
			-- a stranger's message may be of any card: all before it come before it, and all after it after it
			last := first;
			WHILE last <= total AND sole[last] IS NOT NULL AND contents[last] IS NOT NULL
			LOOP
				last := last + 1;
			END LOOP;
			-- the first of each eUICC together, then the second of each that has two ...
			FOR turn IN
				SELECT array_agg(q.n) AS ns, array_agg(q.eid) AS eids, array_agg(q.number) AS numbers, array_agg(q.content) AS contents
				FROM (SELECT u.n::int AS n, u.eid, u.number, u.content, row_number() OVER (PARTITION BY u.eid ORDER BY u.n) AS turn
					FROM unnest(sole, numbers, contents) WITH ORDINALITY u (eid, number, content, n)
					WHERE u.n >= first AND u.n < last
					ORDER BY turn, u.n) q
				GROUP BY q.turn ORDER BY q.turn
			LOOP
				IF cardinality(turn.ns) >= smsr.batch_from() THEN
					FOR e IN SELECT r.n, r.event, r.effects, r.deleted
						FROM unnest(smsr.receive_batch(turn.ns, turn.eids, turn.numbers, turn.contents, moved, all_free, ready)) r
					LOOP
						results[e.n] := CASE e.event WHEN 'por' THEN 'answer' ELSE e.event END;
						moved := moved OR e.effects && '{remove_target,remove_left}' OR e.deleted <> '{}';
					END LOOP;
				END IF;
				-- and what is not plain
				FOREACH i IN ARRAY turn.ns
				LOOP
					CONTINUE WHEN results[i] IS NOT NULL;
					results[i] := smsr.receive_in_turn(numbers[i], contents[i], all_free, ready);
					all_free := all_free AND results[i] NOT LIKE 'held:%';
					moved := true;
				END LOOP;
			END LOOP;
			IF last <= total THEN
				results[last] := smsr.receive_in_turn(numbers[last], contents[last], all_free, ready);
				all_free := all_free AND results[last] NOT LIKE 'held:%';
				moved := true;
			END IF;
			first := last + 1;
		END LOOP;
		RETURN results;
	END $$;
COMMENT ON FUNCTION smsr.receive_sms(text[], bytea[]) IS 'Received short messages, originator in E.164 digits and TP-UD with its header; what became of each, in order: "held: ..." if another transaction has its eUICC. Never raises for what the air brings';

CREATE FUNCTION smsr.receive_sms(originator text, tp_ud bytea) RETURNS text
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT (smsr.receive_sms(ARRAY[originator], ARRAY[tp_ud]))[1] $$;
COMMENT ON FUNCTION smsr.receive_sms(text, bytea) IS 'One received short message; what became of it';

-- Literals without a type would fit neither better than the other.
CREATE FUNCTION smsr.receive_sms(originator text, tp_ud text) RETURNS text
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$ SELECT smsr.receive_sms(originator, tp_ud::bytea) $$;
COMMENT ON FUNCTION smsr.receive_sms(text, text) IS 'The same for literals and untyped parameters: TP-UD as \x and hexadecimal digits';
