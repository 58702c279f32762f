-- What a gateway calls concerns everybody's eUICCs, and anybody who has to do with
-- one can hold its row for as long as he keeps a transaction open.  So nothing here
-- waits for long: with wait, whoever has to wait for longer than lock_timeout gets
-- lock_not_available and tries again without, which takes what is free.
--
-- Whoever holds a packet of an eUICC, or the head of its audit chain, holds the
-- eUICC's row as well, gateways' own calls excepted: who has that has all of it.
--
-- Arrays are asked by a subquery: a plan that depended on their lengths would be
-- made anew at each call.

CREATE FUNCTION smsr.lock_cards(eids smsr.eid[], wait boolean, most int DEFAULT NULL) RETURNS smsr.eid[]
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	DECLARE
		cards smsr.eid[];
		packets bigint[];
	BEGIN
		-- nobody has one that is on its way to another shard
		IF EXISTS (SELECT FROM smsr.move v WHERE v.stage = 'closed') THEN
			eids := ARRAY(SELECT u.eid FROM unnest(eids) u (eid)
				WHERE NOT EXISTS (SELECT FROM smsr.move v WHERE v.eid = u.eid AND v.stage = 'closed'));
		END IF;
		-- all rows in order, so that two gateways never wait for each other
		IF wait AND clock_timestamp() - statement_timestamp() < current_setting('lock_timeout')::interval THEN
			PERFORM FROM smsr.euicc e WHERE e.eid = ANY (ARRAY(SELECT unnest(eids))) ORDER BY e.eid FOR NO KEY UPDATE;
			PERFORM FROM smsr.outbound o WHERE o.eid = ANY (ARRAY(SELECT unnest(eids))) ORDER BY o.id FOR UPDATE;
			RETURN eids;
		END IF;
		cards := ARRAY(SELECT e.eid FROM smsr.euicc e WHERE e.eid = ANY (ARRAY(SELECT unnest(eids))) ORDER BY e.eid LIMIT most FOR NO KEY UPDATE SKIP LOCKED);
		packets := ARRAY(SELECT o.id FROM smsr.outbound o WHERE o.eid = ANY (ARRAY(SELECT unnest(cards))) FOR UPDATE SKIP LOCKED);
		-- one that has left since can be held by nobody
		RETURN ARRAY(SELECT u.eid FROM unnest(eids) u (eid)
			WHERE (u.eid IN (SELECT unnest(cards)) OR NOT EXISTS (SELECT FROM smsr.euicc e WHERE e.eid = u.eid))
				AND NOT EXISTS (SELECT FROM smsr.outbound o WHERE o.eid = u.eid AND o.id NOT IN (SELECT unnest(packets))));
	END $$;
COMMENT ON FUNCTION smsr.lock_cards(smsr.eid[], boolean, int) IS 'Take the rows of eUICCs and of their packets: all of them, or lock_not_available after a while; without wait those that are free, at most so many. Returns which';

CREATE FUNCTION smsr.lock_packets(ids bigint[], wait boolean) RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	AS $$
	BEGIN
		-- a statement of many calls waits once
		IF wait AND clock_timestamp() - statement_timestamp() < current_setting('lock_timeout')::interval THEN
			PERFORM FROM smsr.outbound o WHERE o.id = ANY (ARRAY(SELECT unnest(ids))) ORDER BY o.id FOR UPDATE;
			RETURN ids;
		END IF;
		RETURN ARRAY(SELECT o.id FROM smsr.outbound o WHERE o.id = ANY (ARRAY(SELECT unnest(ids))) FOR UPDATE SKIP LOCKED);
	END $$;
COMMENT ON FUNCTION smsr.lock_packets(bigint[], boolean) IS 'Take the rows of packets: all of them, or lock_not_available after a while; without wait those that are free. Returns which';
