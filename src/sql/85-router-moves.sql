-- What a router drives: moves between shards, and messages that came to the wrong
-- one.  For its owner, who comes to the shards as the owner of the extension.

CREATE FUNCTION smsr.router_remote(cluster name, name text, arguments text, result text, run_on text, statement text, comment text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $generator$
	BEGIN
		RETURN format(E'CREATE FUNCTION smsr_router.%s(%s) RETURNS %s\n\tLANGUAGE plproxy\n\tAS $$\n\tCLUSTER %L; RUN ON %s; %s;\n\t$$;\nCOMMENT ON FUNCTION smsr_router.%1$s IS %7$L;\n',
			name, arguments, result, cluster, run_on, statement, comment);
	END $generator$;
COMMENT ON FUNCTION smsr.router_remote(name, text, text, text, text, text, text) IS 'A function of a router that is nobody''s but its owner''s';

CREATE FUNCTION smsr.router_moves(cluster name, partitions int) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $generator$
	BEGIN
		RETURN smsr.router_remote(cluster, 'move_out', 'at_place int, move text, eids smsr.eid[], to_shard int', 'TABLE (eid smsr.eid, package jsonb, because text)',
				'at_place', 'SELECT "eid", "package", "because" FROM smsr.move_out($2, $3, $4)', 'smsr.move_out() of a shard')
			|| smsr.router_remote(cluster, 'move_in', 'at_place int, move text, packages jsonb[]', 'TABLE (eid smsr.eid, digest bytea)',
				'at_place', 'SELECT "eid", "digest" FROM smsr.move_in($2, $3)', 'smsr.move_in() of a shard')
			|| smsr.router_remote(cluster, 'move_gone', 'at_place int, move text, eids smsr.eid[], digests bytea[]', 'TABLE (eid smsr.eid, receipt text, because text)',
				'at_place', 'SELECT "eid", "receipt", "because" FROM smsr.move_gone($2, $3, $4)', 'smsr.move_gone() of a shard')
			|| smsr.router_remote(cluster, 'move_open', 'at_place int, move text, eids smsr.eid[], receipts text[]', 'TABLE (eid smsr.eid, because text)',
				'at_place', 'SELECT "eid", "because" FROM smsr.move_open($2, $3, $4)', 'smsr.move_open() of a shard')
			|| smsr.router_remote(cluster, 'move_confirmed', 'at_place int, move text, eids smsr.eid[]', 'int',
				'at_place', 'SELECT smsr.move_confirmed($2, $3)', 'smsr.move_confirmed() of a shard')
			|| smsr.router_remote(cluster, 'move_cancel', 'at_place int, move text, eids smsr.eid[]', 'TABLE (eid smsr.eid, because text)',
				'at_place', 'SELECT "eid", "because" FROM smsr.move_cancel($2, $3)', 'smsr.move_cancel() of a shard')
			|| smsr.router_remote(cluster, 'unfinished_moves', '', 'TABLE (shard int, eid smsr.eid, id text, side text, stage text, peer int)',
				'ALL', 'SELECT "shard", "eid", "id", "side", "stage", "peer" FROM smsr.unfinished_moves()', 'smsr.unfinished_moves() of all shards')
			|| smsr.router_remote(cluster, 'eids_of', 'at_place int, parts int[], after smsr.eid, most int', 'SETOF smsr.eid',
				'at_place', format('SELECT e."eid" FROM smsr.euicc e WHERE (smsr.eid_hash(e."eid") & %s) = ANY ($2) AND ($3 IS NULL OR e."eid" > $3) ORDER BY e."eid" LIMIT $4', partitions - 1),
				'eUICCs of partitions on a shard, in order')
			|| smsr.router_remote(cluster, 'claim_astray', 'at_place int, most int', 'TABLE (id bigint, originator text, tp_ud bytea, shard int, attempts int)',
				'at_place', 'SELECT "id", "originator", "tp_ud", "shard", "attempts" FROM smsr.claim_astray($2)', 'smsr.claim_astray() of a shard')
			|| smsr.router_remote(cluster, 'knows_numbers', 'originators text[]', 'TABLE (shard int, originator text)',
				'ALL', 'SELECT "shard", "originator" FROM smsr.knows_numbers($1)', 'smsr.knows_numbers() of all shards')
			|| smsr.router_remote(cluster, 'receive_astray', 'at_place int, ids bigint[], originators text[], tp_uds bytea[]', 'int',
				'at_place', 'SELECT smsr.receive_astray($2, $3, $4)', 'smsr.receive_astray() of a shard')
			|| smsr.router_remote(cluster, 'astray_done', 'at_place int, ids bigint[], shards int[]', 'int',
				'at_place', 'SELECT smsr.astray_done($2, $3)', 'smsr.astray_done() of a shard')
			|| replace($sql$
CREATE FUNCTION smsr_router.shard_of(eid smsr.eid) RETURNS int
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	BEGIN
		RETURN coalesce((SELECT x.shard FROM smsr_router.exception x WHERE x.eid = shard_of.eid),
			(SELECT p.shard FROM smsr_router.partition p WHERE p.number = smsr.eid_hash(shard_of.eid) & (@PARTITIONS@ - 1)));
	END $$;
COMMENT ON FUNCTION smsr_router.shard_of(smsr.eid) IS 'The number of the shard that the router looks for an eUICC on';

CREATE FUNCTION smsr_router.map_to(eids smsr.eid[], to_shard int) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr_router.exception AS x (eid, shard)
			SELECT u.eid, to_shard FROM unnest(eids) u (eid)
			ON CONFLICT (eid) DO UPDATE SET shard = excluded.shard;
		DELETE FROM smsr_router.exception x USING smsr_router.partition p
			WHERE x.eid = ANY (eids) AND p.number = smsr.eid_hash(x.eid) & (@PARTITIONS@ - 1) AND p.shard = x.shard;
	END $$;
COMMENT ON FUNCTION smsr_router.map_to(smsr.eid[], int) IS 'Look for these eUICCs on this shard from now on';

-- All steps of a move but the last, from wherever it has come to.
CREATE FUNCTION smsr_router.drive(move text, eids smsr.eid[], from_shard int, to_shard int) RETURNS TABLE (eid smsr.eid, because text)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		giver CONSTANT int := smsr_router.place_of_shard(from_shard);
		taker CONSTANT int := smsr_router.place_of_shard(to_shard);
		todo smsr.eid[] := eids;
		stays smsr.eid[] := '{}';
		reasons text[] := '{}';
		tries int := 0;
		packed record;
		kept record;
		left_now record;
	BEGIN
		WHILE todo <> '{}' LOOP
			tries := tries + 1;
			SELECT array_agg(o.eid) FILTER (WHERE o.package IS NOT NULL) AS eids, array_agg(o.package) FILTER (WHERE o.package IS NOT NULL) AS packages,
					array_agg(o.eid) FILTER (WHERE o.because IN ('gone', 'confirmed')) AS gone,
					coalesce(array_agg(o.eid) FILTER (WHERE o.package IS NULL AND o.because NOT IN ('gone', 'confirmed')), '{}') AS cannot,
					coalesce(array_agg(o.because) FILTER (WHERE o.package IS NULL AND o.because NOT IN ('gone', 'confirmed')), '{}') AS because
				INTO packed FROM smsr_router.move_out(giver, move, todo, to_shard) o;
			stays := stays || packed.cannot;
			reasons := reasons || packed.because;
			SELECT array_agg(i.eid) AS eids, array_agg(i.digest) AS digests INTO kept
				FROM smsr_router.move_in(taker, move, packed.packages) i WHERE packed.packages IS NOT NULL;
			-- those that are gone already give their receipts again
			SELECT array_agg(g.eid) FILTER (WHERE g.receipt IS NOT NULL) AS eids, array_agg(g.receipt) FILTER (WHERE g.receipt IS NOT NULL) AS receipts,
					coalesce(array_agg(g.eid) FILTER (WHERE g.receipt IS NULL), '{}') AS again, coalesce(array_agg(g.because) FILTER (WHERE g.receipt IS NULL), '{}') AS because
				INTO left_now
				FROM smsr_router.move_gone(giver, move, coalesce(kept.eids, '{}') || coalesce(packed.gone, '{}'),
					coalesce(kept.digests, '{}') || array_fill(NULL::bytea, ARRAY[coalesce(cardinality(packed.gone), 0)])) g;
			IF left_now.eids IS NOT NULL THEN
				PERFORM smsr_router.map_to(left_now.eids, to_shard);
				RETURN QUERY SELECT o.eid, o.because FROM smsr_router.move_open(taker, move, left_now.eids, left_now.receipts) o;
			END IF;
			-- what has changed since is packed again
			todo := left_now.again;
			IF tries = 5 THEN
				stays := stays || todo;
				reasons := reasons || left_now.because;
				todo := '{}';
			END IF;
		END LOOP;
		IF stays <> '{}' THEN
			PERFORM smsr_router.move_cancel(giver, move, stays);
			-- not before it is certain that they stay
			PERFORM smsr_router.move_cancel(taker, move, stays);
			RETURN QUERY SELECT u.eid, u.because FROM unnest(stays, reasons) u (eid, because);
		END IF;
	END $$;
COMMENT ON FUNCTION smsr_router.drive(text, smsr.eid[], int, int) IS 'Move eUICCs; because tells of each that stays why. May be called again with the same arguments after whatever happened';

CREATE FUNCTION smsr_router.move(eids smsr.eid[], to_shard int) RETURNS TABLE (eid smsr.eid, because text)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		id CONSTANT text := gen_random_uuid()::text;
		g record;
	BEGIN
		FOR g IN SELECT smsr_router.shard_of(u.eid) AS shard, array_agg(u.eid) AS eids FROM (SELECT DISTINCT unnest(eids) AS eid) u GROUP BY 1
		LOOP
			IF g.shard = to_shard THEN
				RETURN QUERY SELECT u.eid, 'it is there already' FROM unnest(g.eids) u (eid);
			ELSE
				RETURN QUERY SELECT d.eid, d.because FROM smsr_router.drive(id, g.eids, g.shard, to_shard) d;
			END IF;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr_router.move(smsr.eid[], int) IS 'Move eUICCs to a shard; because is NULL for those that are there now. If it does not come to its end, smsr_router.resume() goes on';

CREATE FUNCTION smsr_router.resume() RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	AS $$
	DECLARE
		g record;
		known smsr.eid[];
		n int := 0;
	BEGIN
		FOR g IN SELECT u.id, CASE u.side WHEN 'out' THEN u.shard ELSE u.peer END AS giver, CASE u.side WHEN 'out' THEN u.peer ELSE u.shard END AS taker,
				array_agg(DISTINCT u.eid) AS eids, array_agg(DISTINCT u.eid) FILTER (WHERE u.stage = 'arrived') AS arrived,
				array_agg(DISTINCT u.eid) FILTER (WHERE u.stage = 'gone') AS gone
			FROM smsr_router.unfinished_moves() u GROUP BY 1, 2, 3
		LOOP
			n := n + cardinality(g.eids);
			-- the map knows it since an earlier transaction: nobody will have to ask for the receipt again
			known := ARRAY(SELECT e FROM unnest(g.gone) e WHERE smsr_router.shard_of(e) = g.taker AND (e = ANY (g.arrived)) IS NOT TRUE);
			IF known <> '{}' THEN
				PERFORM smsr_router.move_confirmed(smsr_router.place_of_shard(g.giver), g.id, known);
			END IF;
			IF cardinality(known) < cardinality(g.eids) THEN
				PERFORM smsr_router.drive(g.id, ARRAY(SELECT e FROM unnest(g.eids) e WHERE e <> ALL (known)), g.giver, g.taker);
			END IF;
		END LOOP;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr_router.resume() IS 'Go on with all moves that have begun and are not over; returns how many eUICCs these were of. 0: there is none. For a timer, and after each move';

CREATE FUNCTION smsr_router.move_partitions(parts int[], to_shard int, after smsr.eid DEFAULT NULL, most int DEFAULT 500,
		OUT last smsr.eid, OUT moved int, OUT stayed int)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	AS $$
	DECLARE
		eids smsr.eid[];
	BEGIN
		eids := ARRAY(SELECT e FROM (SELECT s.number FROM smsr_router.shard s WHERE s.number <> to_shard) s,
				LATERAL smsr_router.eids_of(smsr_router.place_of_shard(s.number), parts, after, most) e ORDER BY e LIMIT most);
		last := eids[cardinality(eids)];
		SELECT count(*) FILTER (WHERE m.because IS NULL), count(*) FILTER (WHERE m.because IS NOT NULL) INTO moved, stayed
			FROM smsr_router.move(eids, to_shard) m WHERE eids <> '{}';
	END $$;
COMMENT ON FUNCTION smsr_router.move_partitions(int[], int, smsr.eid, int) IS 'Move eUICCs of partitions to a shard, so many at a time in order of their EIDs; last is what the next call begins after, NULL when it is through';

CREATE FUNCTION smsr_router.assign(parts int[], to_shard int) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	AS $$
	DECLARE
		s record;
		here smsr.eid[];
		elsewhere bigint := 0;
	BEGIN
		LOCK TABLE smsr_router.shard, smsr_router.partition IN SHARE ROW EXCLUSIVE MODE;
		-- what is still on other shards is an exception from now on
		FOR s IN SELECT h.number FROM smsr_router.shard h WHERE h.number <> to_shard ORDER BY h.number LOOP
			here := ARRAY(SELECT smsr_router.eids_of(smsr_router.place_of_shard(s.number), parts, NULL, NULL));
			elsewhere := elsewhere + cardinality(here);
			INSERT INTO smsr_router.exception (eid, shard) SELECT u, s.number FROM unnest(here) u
				ON CONFLICT (eid) DO UPDATE SET shard = excluded.shard;
		END LOOP;
		UPDATE smsr_router.partition p SET shard = to_shard WHERE p.number = ANY (parts);
		DELETE FROM smsr_router.exception x USING smsr_router.partition p
			WHERE p.number = ANY (parts) AND p.number = smsr.eid_hash(x.eid) & (@PARTITIONS@ - 1) AND p.shard = x.shard;
		PERFORM smsr_router.apply_map();
		RETURN elsewhere;
	END $$;
COMMENT ON FUNCTION smsr_router.assign(int[], int) IS 'Give partitions to a shard: what is registered from now on goes there. Their eUICCs that are elsewhere are found where they are; returns how many';

CREATE FUNCTION smsr_router.forward(most int DEFAULT 1000) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	AS $$
	DECLARE
		s record;
		g record;
		n int := 0;
		messages jsonb;
	BEGIN
		FOR s IN SELECT h.number, smsr_router.place_of_shard(h.number) AS place FROM smsr_router.shard h ORDER BY h.number LOOP
			SELECT jsonb_agg(to_jsonb(a)) INTO messages FROM smsr_router.claim_astray(s.place, most) a;
			CONTINUE WHEN messages IS NULL;
			FOR g IN
				WITH m AS MATERIALIZED (
					SELECT a.id, a.originator, a.tp_ud, a.shard, a.attempts
					FROM jsonb_to_recordset(messages) a (id bigint, originator text, tp_ud bytea, shard int, attempts int)
				), known AS MATERIALIZED (
					SELECT k.originator, min(k.shard) AS shard
					FROM smsr_router.knows_numbers(ARRAY(SELECT m.originator FROM m WHERE m.shard IS NULL)) k
					WHERE k.shard <> s.number GROUP BY 1
				)
				SELECT coalesce(m.shard, k.shard) AS shard, array_agg(m.id ORDER BY m.id) AS ids,
					array_agg(m.originator ORDER BY m.id) AS originators, array_agg(m.tp_ud ORDER BY m.id) AS tp_uds
				FROM m LEFT JOIN known k ON k.originator = m.originator
				-- a number may be told a moment later than the message comes
				WHERE coalesce(m.shard, k.shard) IS NOT NULL OR m.attempts > 2
				GROUP BY 1
			LOOP
				IF g.shard IS NOT NULL THEN
					PERFORM smsr_router.receive_astray(smsr_router.place_of_shard(g.shard), g.ids, g.originators, g.tp_uds);
				END IF;
				n := n + smsr_router.astray_done(s.place, g.ids, array_fill(g.shard, ARRAY[cardinality(g.ids)]));
			END LOOP;
		END LOOP;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr_router.forward(int) IS 'Bring messages that shards have received for others to these; returns how many. For a timer, every second';
$sql$, '@PARTITIONS@', partitions::text);
	END $generator$;
COMMENT ON FUNCTION smsr.router_moves(name, int) IS 'Functions of a router that drive moves and forward messages';
