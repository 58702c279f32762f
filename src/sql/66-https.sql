-- What a gateway asks for cards that open a session over HTTPS (SGP.02 clause
-- 2.4.4, GlobalPlatform Amendment B), and what is to have them open one.

-- Whether the card opens a session shows when it does.  The same trigger again does
-- no harm, so its counter is its only concern.
CREATE FUNCTION smsr.trigger_answered(p_packet bigint, p_status int) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		packet smsr.outbound;
	BEGIN
		SELECT * INTO packet FROM smsr.outbound o WHERE o.id = p_packet;
		IF p_status = 2 AND packet.attempts <= 1 AND packet.resyncs < 4 THEN
			PERFORM smsr.resync(packet);
			RETURN 'the card''s counter is ahead of ours';
		END IF;
		INSERT INTO smsr.message (direction, eid, operation_id, step, address, gateway, attempts, cntr, outcome, detail, sent_at, octets, script)
			VALUES ('out', packet.eid, packet.operation_id, packet.step, packet.destination, packet.gateway, packet.attempts, packet.cntr,
				'answered', 'a session is awaited', packet.sent_at, packet.packet, packet.trigger);
		-- its fate is known: should another be needed, it is under another counter
		UPDATE smsr.outbound o SET packet = NULL, cntr = NULL, kvn = NULL, accepted = 0, segments = 0, smsc_id = NULL,
				due_at = CASE WHEN o.mno_id IS NULL THEN o.due_at ELSE now() + smsr.retry_interval(o.attempts) END
			WHERE o.id = p_packet;
		RETURN CASE WHEN p_status IN (0, 2) THEN 'a session is awaited' ELSE 'the card refused to open a session' END;
	END $$;
COMMENT ON FUNCTION smsr.trigger_answered(bigint, int) IS 'The card has answered what was to have it open a session, with a status of TS 102 225: that is no answer to the command that waits for the session';
