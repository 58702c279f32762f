-- An eUICC goes to another shard: the steps, as 39-move.sql has them.

-- One text for one content, whatever the session shows dates in.
CREATE FUNCTION smsr.move_packages(move text, eids smsr.eid[]) RETURNS TABLE (eid smsr.eid, package jsonb)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	SET timezone = 'UTC'
	SET datestyle = 'ISO'
	SET intervalstyle = 'postgres'
	SET bytea_output = 'hex'
	SET extra_float_digits = 1
	AS $$
	#variable_conflict use_column
	BEGIN
		RETURN QUERY EXECUTE (
			SELECT format($sql$
				SELECT v.eid, jsonb_build_object('eid', v.eid::text, 'move', v.id, 'from', smsr.setting('shard')::int,
					'version', (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'smsr'),
					'commitment', encode(sha256(convert_to(v.receipt, 'UTF8')), 'hex'), 'parties', to_jsonb(v.parties),
					'rows', r.rows)
				FROM smsr.move v JOIN (SELECT x.eid, jsonb_object_agg(x.name, x.rows) AS rows FROM (%s) x GROUP BY x.eid) r ON r.eid = v.eid
				WHERE v.eid = ANY ($1) AND v.id = $2 AND v.side = 'out' AND v.stage = 'closed'$sql$,
				string_agg(format('SELECT t.eid, %1$L AS name, jsonb_agg(to_jsonb(t)%2$s ORDER BY to_jsonb(t)::text) AS rows FROM smsr.%1$I t WHERE t.eid = ANY ($1) GROUP BY t.eid',
					m.table_name, CASE m.table_name WHEN 'audit_trail' THEN ' - ''position''' END), ' UNION ALL ')
				|| $sql$ UNION ALL SELECT p.eid, 'inbound_part', jsonb_agg(to_jsonb(i) ORDER BY to_jsonb(i)::text)
					FROM smsr.profile p JOIN smsr.inbound_part i ON i.originator = p.msisdn WHERE p.eid = ANY ($1) GROUP BY p.eid$sql$)
			FROM smsr.move_rules() m WHERE m.rule IN ('moves', 'is copied'))
			USING eids, move;
	END $$;
COMMENT ON FUNCTION smsr.move_packages(text, smsr.eid[]) IS 'All that there is of eUICCs that are closed, each as one value; keys are sealed in it as they are in smsr.keyset';

CREATE FUNCTION smsr.move_digest(package jsonb) RETURNS bytea
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN sha256(convert_to(package::text, 'UTF8'));
	END $$;
COMMENT ON FUNCTION smsr.move_digest(jsonb) IS 'SHA-256 of a package';

CREATE FUNCTION smsr.move_obstacle(p_eid smsr.eid) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN CASE
			WHEN NOT EXISTS (SELECT FROM smsr.euicc e WHERE e.eid = p_eid) THEN 'the EID is not registered here'
			WHEN EXISTS (SELECT FROM smsr.handover h WHERE h.eid = p_eid) THEN 'a change of SM-SR is under way'
			WHEN EXISTS (SELECT FROM smsr.establishment h WHERE h.eid = p_eid) THEN 'keys are being agreed on with the card'
			WHEN EXISTS (SELECT FROM smsr.operation o WHERE o.eid = p_eid AND o.status IS NULL AND o.stage = 'held') THEN 'a call waits for a second person'
			WHEN EXISTS (SELECT FROM smsr.operation o WHERE o.eid = p_eid AND o.status IS NULL AND o.stage <> 'waiting') THEN 'an operation is under way'
			WHEN EXISTS (SELECT FROM smsr.outbound o WHERE o.eid = p_eid) THEN 'a packet is under way'
			WHEN EXISTS (SELECT FROM smsr.https_session h WHERE h.eid = p_eid AND h.state = 'open') THEN 'the card has a session open'
			WHEN EXISTS (SELECT FROM smsr.campaign_member m JOIN smsr.campaign c ON c.id = m.campaign_id
				WHERE m.eid = p_eid AND c.state NOT IN ('finished', 'cancelled')
					AND NOT EXISTS (SELECT FROM smsr.campaign_outcome o WHERE o.campaign_id = m.campaign_id AND o.n = m.n)) THEN 'a campaign is not through with it'
			WHEN EXISTS (SELECT FROM smsr.peer_message p WHERE p.eid = p_eid AND p.due_at IS NOT NULL) THEN 'a message to another SM-SR is under way' END;
	END $$;
COMMENT ON FUNCTION smsr.move_obstacle(smsr.eid) IS 'Why an eUICC cannot move now; NULL: it can';

-- ---- the steps ----

CREATE FUNCTION smsr.move_out(move text, eids smsr.eid[], to_shard int) RETURNS TABLE (eid smsr.eid, package jsonb, because text)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		mine smsr.eid[];
		fresh smsr.eid[];
	BEGIN
		IF to_shard IS NULL OR to_shard NOT BETWEEN 0 AND 1023 OR to_shard = smsr.setting('shard')::int THEN
			RAISE EXCEPTION 'to_shard must be the number of another shard' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		-- whoever changes an eUICC holds its row; one that somebody sits on is for the next time
		mine := ARRAY(SELECT e.eid FROM smsr.euicc e WHERE e.eid = ANY (eids) ORDER BY e.eid FOR NO KEY UPDATE SKIP LOCKED);
		WITH closed AS (
			INSERT INTO smsr.move (eid, id, side, stage, peer, parties, receipt)
			SELECT e.eid, move_out.move, 'out', 'closed', to_shard,
				ARRAY(SELECT DISTINCT u FROM smsr.profile p, unnest(ARRAY[p.mno_id, p.smdp_id, e.eum_id]) u WHERE p.eid = e.eid AND u IS NOT NULL ORDER BY u),
				gen_random_uuid()::text
			FROM smsr.euicc e
			WHERE e.eid = ANY (mine) AND smsr.move_obstacle(e.eid) IS NULL
			ON CONFLICT DO NOTHING
			RETURNING eid
		)
		SELECT array_agg(c.eid ORDER BY c.eid) INTO fresh FROM closed c;
		-- in the chain before it is packed: the old shard's ends with it
		PERFORM smsr.record_audit(ARRAY(SELECT smsr.audit_entry(f, 'move_out', NULL, smsr.setting('smsr_id'), 'EXECUTED_SUCCESS',
				p_details => jsonb_build_object('move', move, 'to', to_shard)) FROM unnest(fresh) f));
		RETURN QUERY
		SELECT u.eid, k.package,
			CASE WHEN k.package IS NULL THEN coalesce(
				(SELECT v.stage FROM smsr.move v WHERE v.eid = u.eid AND v.id = move_out.move AND v.side = 'out' AND v.stage <> 'closed'),
				(SELECT 'move ' || v.id || ' is under way' FROM smsr.move v WHERE v.eid = u.eid AND v.stage IN ('closed', 'arrived') AND v.id <> move_out.move),
				smsr.move_obstacle(u.eid), 'another transaction has it') END
		FROM unnest(eids) u (eid) LEFT JOIN smsr.move_packages(move, mine) k ON k.eid = u.eid
		ORDER BY u.eid;
	END $$;
COMMENT ON FUNCTION smsr.move_out(text, smsr.eid[], int) IS 'First step of a move, on the old shard: close eUICCs on which nothing runs, and pack them; because tells why not, or how far this move has come already';

-- Inserts what a package has; what is here from an earlier stay is not inserted twice.
CREATE FUNCTION smsr.move_unpack(packages jsonb[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET timezone = 'UTC'
	AS $$
	DECLARE
		m record;
		fork record;
	BEGIN
		-- a chain that was here before goes on; one that has grown here by itself cannot
		SELECT h.eid, h.number INTO fork
			FROM unnest(packages) k JOIN smsr.audit_head h ON h.eid = (k ->> 'eid')::smsr.eid
			WHERE NOT EXISTS (SELECT FROM jsonb_populate_recordset(NULL::smsr.audit_trail, k -> 'rows' -> 'audit_trail') a
					WHERE a.number = h.number AND a.hash = h.hash)
				-- there, it may have been dropped meanwhile
				AND NOT EXISTS (SELECT FROM jsonb_populate_recordset(NULL::smsr.audit_start, k -> 'rows' -> 'audit_start') a
					WHERE a.number > h.number OR a.number = h.number AND a.hash = h.hash) LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION 'the audit trail of eUICC % has records here that it has not where it comes from', fork.eid
				USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Its last one here has number %s.', fork.number);
		END IF;
		FOR m IN SELECT r.table_name, r.rule,
				(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
					WHERE a.attrelid = format('smsr.%I', r.table_name)::regclass AND a.attnum > 0 AND NOT a.attisdropped
						AND (r.table_name, a.attname) NOT IN (('audit_trail', 'position'), ('audit_start', 'position'), ('audit_start', 'cut'))) AS columns,
				CASE r.table_name WHEN 'audit_trail' THEN 'o.eid = n.eid AND o.number = n.number'
					WHEN 'audit_start' THEN 'o.eid = n.eid AND o.number = n.number'
					WHEN 'euicc_history' THEN 'o.eid = n.eid AND o.until = n.until AND o.gone = n.gone'
					WHEN 'profile_history' THEN 'o.eid = n.eid AND o.isdp_aid = n.isdp_aid AND o.until = n.until'
					WHEN 'operation_history' THEN 'o.eid = n.eid AND o.id = n.id'
					WHEN 'handover_step' THEN 'o.eid = n.eid AND o.id = n.id' END AS same
			FROM smsr.move_rules() WITH ORDINALITY r (table_name, rule, n) WHERE r.rule IN ('moves', 'is copied') ORDER BY r.n
		LOOP
			EXECUTE format('INSERT INTO smsr.%1$I (%2$s) SELECT %2$s FROM unnest($1) k, jsonb_populate_recordset(NULL::smsr.%1$I, k -> ''rows'' -> %1$L) n%3$s%4$s',
				m.table_name, m.columns, CASE WHEN m.same IS NOT NULL THEN format(' WHERE NOT EXISTS (SELECT FROM smsr.%I o WHERE %s)', m.table_name, m.same) END,
				CASE m.table_name WHEN 'audit_trail' THEN ' ORDER BY n.eid, n.number' END) USING packages;
		END LOOP;
		-- a lane is each shard's own; of campaigns nothing open moves
		UPDATE smsr.operation o SET lane_id = smsr.lane_of(o.requester_id)
			WHERE o.status IS NULL AND o.lane_id IS NOT NULL AND o.eid IN (SELECT (k ->> 'eid')::smsr.eid FROM unnest(packages) k);
		INSERT INTO smsr.audit_head AS h (eid, number, hash, recorded_at)
			SELECT DISTINCT ON (a.eid) a.eid, a.number, a.hash, a.recorded_at
			FROM unnest(packages) k, jsonb_populate_recordset(NULL::smsr.audit_trail, k -> 'rows' -> 'audit_trail') a
			ORDER BY a.eid, a.number DESC
			ON CONFLICT (eid, chain_party) DO UPDATE SET number = excluded.number, hash = excluded.hash, recorded_at = excluded.recorded_at
				WHERE h.number < excluded.number;
		INSERT INTO smsr.inbound_part
			SELECT n.* FROM unnest(packages) k, jsonb_populate_recordset(NULL::smsr.inbound_part, k -> 'rows' -> 'inbound_part') n
			ON CONFLICT DO NOTHING;
		IF EXISTS (SELECT FROM unnest(packages) k JOIN smsr.keyset s ON s.eid = (k ->> 'eid')::smsr.eid
				WHERE NOT smsr.sealed_keyset_opens(s.eid, s.sd_aid, s.kvn, s.key_type, s.sealed)) THEN
			RAISE EXCEPTION 'keys came that do not open here' USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'The shards must have the KEK and the storage keys in common.';
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.move_unpack(jsonb[]) IS 'Insert what packages have of their eUICCs';

CREATE FUNCTION smsr.move_in(move text, packages jsonb[]) RETURNS TABLE (eid smsr.eid, digest bytea)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		fresh jsonb[];
		other record;
	BEGIN
		SELECT k ->> 'eid' AS eid, k ->> 'version' AS version INTO other FROM unnest(packages) k
			WHERE k ->> 'move' IS DISTINCT FROM move OR (k ->> 'from')::int = smsr.setting('shard')::int
				OR k ->> 'version' IS DISTINCT FROM (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'smsr') LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION 'package of eUICC % is of another move, of this shard or of another version', other.eid
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Its version is %s.', other.version);
		END IF;
		-- the same step twice: what is done is done, what is still packed is packed anew
		fresh := ARRAY(SELECT k FROM unnest(packages) k WHERE NOT EXISTS (SELECT FROM smsr.move v
			WHERE v.eid = (k ->> 'eid')::smsr.eid AND v.id = move_in.move AND v.side = 'in' AND (v.stage = 'done' OR v.package = k)));
		SELECT e.eid INTO other FROM unnest(fresh) k JOIN smsr.euicc e ON e.eid = (k ->> 'eid')::smsr.eid LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION 'eUICC % is registered here already', other.eid USING ERRCODE = 'unique_violation';
		END IF;
		-- it is tried, so that what leaves the old shard does open here
		BEGIN
			PERFORM smsr.move_unpack(fresh);
			RAISE EXCEPTION USING ERRCODE = 'SM001';
		EXCEPTION WHEN SQLSTATE 'SM001' THEN
			NULL;
		END;
		INSERT INTO smsr.move AS v (eid, id, side, stage, peer, parties, package)
			SELECT (k ->> 'eid')::smsr.eid, move_in.move, 'in', 'arrived', (k ->> 'from')::int, ARRAY(SELECT jsonb_array_elements_text(k -> 'parties')), k
			FROM unnest(fresh) k
			ON CONFLICT (eid, id, side) DO UPDATE SET package = excluded.package, stage = 'arrived', stage_at = now();
		RETURN QUERY
		SELECT (k ->> 'eid')::smsr.eid, smsr.move_digest(k) FROM unnest(packages) k ORDER BY 1;
	END $$;
COMMENT ON FUNCTION smsr.move_in(text, jsonb[]) IS 'Second step of a move, on the new shard: keep the packages, once it is seen that they can be unpacked';

CREATE FUNCTION smsr.move_gone(move text, eids smsr.eid[], digests bytea[]) RETURNS TABLE (eid smsr.eid, receipt text, because text)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		mine smsr.eid[];
		leaving smsr.eid[];
		m record;
	BEGIN
		IF cardinality(eids) IS DISTINCT FROM cardinality(digests) THEN
			RAISE EXCEPTION 'eids and digests must have the same number of elements' USING ERRCODE = 'array_subscript_error';
		END IF;
		mine := ARRAY(SELECT e.eid FROM smsr.euicc e WHERE e.eid = ANY (eids) ORDER BY e.eid FOR UPDATE SKIP LOCKED);
		leaving := ARRAY(SELECT k.eid FROM smsr.move_packages(move, mine) k JOIN unnest(eids, digests) u (eid, digest) ON u.eid = k.eid
			WHERE smsr.move_digest(k.package) = u.digest AND smsr.move_obstacle(k.eid) IS NULL ORDER BY k.eid);
		IF leaving <> '{}' THEN
			DELETE FROM smsr.inbound_part i USING smsr.profile p WHERE p.eid = ANY (leaving) AND i.originator = p.msisdn;
			INSERT INTO smsr.moved_number AS n (msisdn, eid, shard)
				SELECT DISTINCT ON (p.msisdn) p.msisdn, p.eid, v.peer FROM smsr.profile p JOIN smsr.move v ON v.eid = p.eid AND v.id = move_gone.move AND v.side = 'out'
				WHERE p.eid = ANY (leaving) AND p.msisdn IS NOT NULL
				ON CONFLICT (msisdn) DO UPDATE SET eid = excluded.eid, shard = excluded.shard;
			-- smsr.euicc last, and what hangs on it by itself: history keeps it together
			FOR m IN SELECT r.table_name FROM smsr.move_rules() WITH ORDINALITY r (table_name, rule, n)
				WHERE r.rule = 'moves' AND NOT EXISTS (SELECT FROM pg_constraint k
					WHERE k.conrelid = format('smsr.%I', r.table_name)::regclass AND k.confrelid = 'smsr.euicc'::regclass AND k.confdeltype = 'c')
				ORDER BY r.n DESC
			LOOP
				EXECUTE format('DELETE FROM smsr.%I t WHERE t.eid = ANY ($1)', m.table_name) USING leaving;
			END LOOP;
			UPDATE smsr.move v SET stage = 'gone', stage_at = now() WHERE v.eid = ANY (leaving) AND v.id = move_gone.move AND v.side = 'out';
		END IF;
		RETURN QUERY
		SELECT u.eid, CASE WHEN v.stage IN ('gone', 'confirmed') THEN v.receipt END,
			CASE WHEN v.stage IN ('gone', 'confirmed') THEN NULL WHEN v.stage = 'closed' THEN coalesce(smsr.move_obstacle(u.eid),
					CASE WHEN u.eid = ANY (mine) THEN 'it has changed since it was packed' ELSE 'another transaction has it' END)
				ELSE coalesce(v.stage, 'this move has not begun here') END
		FROM unnest(eids) u (eid) LEFT JOIN smsr.move v ON v.eid = u.eid AND v.id = move_gone.move AND v.side = 'out'
		ORDER BY u.eid;
	END $$;
COMMENT ON FUNCTION smsr.move_gone(text, smsr.eid[], bytea[]) IS 'Third step of a move, on the old shard: if the packages that have arrived are still what the eUICCs are, these are here no longer. Returns the receipts; because tells why not, and then it is to be packed again';

CREATE FUNCTION smsr.move_open(move text, eids smsr.eid[], receipts text[]) RETURNS TABLE (eid smsr.eid, because text)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		opened smsr.eid[];
		packages jsonb[];
	BEGIN
		IF cardinality(eids) IS DISTINCT FROM cardinality(receipts) THEN
			RAISE EXCEPTION 'eids and receipts must have the same number of elements' USING ERRCODE = 'array_subscript_error';
		END IF;
		SELECT array_agg(v.eid), array_agg(v.package) INTO opened, packages
			FROM (SELECT i.eid, i.package, u.receipt FROM unnest(eids, receipts) u (eid, receipt)
					JOIN smsr.move i ON i.eid = u.eid AND i.id = move_open.move AND i.side = 'in' AND i.stage = 'arrived'
				ORDER BY i.eid FOR UPDATE OF i) v
			WHERE encode(sha256(convert_to(v.receipt, 'UTF8')), 'hex') = v.package ->> 'commitment';
		IF opened IS NOT NULL THEN
			PERFORM smsr.move_unpack(packages);
			UPDATE smsr.move v SET stage = 'done', stage_at = now(), package = NULL
				WHERE v.eid = ANY (opened) AND v.id = move_open.move AND v.side = 'in';
			DELETE FROM smsr.moved_number n WHERE n.eid = ANY (opened);
			PERFORM smsr.record_audit(ARRAY(SELECT smsr.audit_entry((k ->> 'eid')::smsr.eid, 'move_in', NULL, smsr.setting('smsr_id'), 'EXECUTED_SUCCESS',
				p_details => jsonb_build_object('move', move, 'from', k -> 'from')) FROM unnest(packages) k));
			PERFORM smsr.start_next(o) FROM unnest(opened) o;
			PERFORM smsr.ring();
		END IF;
		RETURN QUERY
		SELECT u.eid, CASE v.stage WHEN 'done' THEN NULL WHEN 'arrived' THEN 'the receipt is not the one that belongs to the package'
			ELSE coalesce(v.stage, 'no package has arrived') END
		FROM unnest(eids) u (eid) LEFT JOIN smsr.move v ON v.eid = u.eid AND v.id = move_open.move AND v.side = 'in'
		ORDER BY u.eid;
	END $$;
COMMENT ON FUNCTION smsr.move_open(text, smsr.eid[], text[]) IS 'Fourth step of a move, on the new shard: for its receipt a package is opened, and the eUICC is here; what waited begins. because tells why not';

CREATE FUNCTION smsr.move_confirmed(move text, eids smsr.eid[]) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		n int;
	BEGIN
		UPDATE smsr.move v SET stage = 'confirmed', stage_at = now()
			WHERE v.eid = ANY (eids) AND v.id = move_confirmed.move AND v.side = 'out' AND v.stage = 'gone';
		GET DIAGNOSTICS n = ROW_COUNT;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.move_confirmed(text, smsr.eid[]) IS 'Last step of a move, on the old shard: it is known to be done; returns of how many eUICCs that is news';

CREATE FUNCTION smsr.move_cancel(move text, eids smsr.eid[]) RETURNS TABLE (eid smsr.eid, because text)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		stays smsr.eid[];
	BEGIN
		PERFORM FROM smsr.euicc e WHERE e.eid = ANY (eids) ORDER BY e.eid FOR NO KEY UPDATE;
		WITH cancelled AS (
			-- without the receipt no package of it is ever opened
			UPDATE smsr.move v SET stage = 'cancelled', stage_at = now(), receipt = NULL
				WHERE v.eid = ANY (eids) AND v.id = move_cancel.move AND v.side = 'out' AND v.stage = 'closed'
				RETURNING v.eid
		)
		SELECT array_agg(c.eid ORDER BY c.eid) INTO stays FROM cancelled c;
		PERFORM smsr.record_audit(ARRAY(SELECT smsr.audit_entry(s, 'move_cancel', NULL, smsr.setting('smsr_id'), 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('move', move)) FROM unnest(stays) s));
		PERFORM smsr.start_next(s) FROM unnest(stays) s;
		-- on the new shard: a package that was never opened
		UPDATE smsr.move v SET stage = 'dropped', stage_at = now(), package = NULL
			WHERE v.eid = ANY (eids) AND v.id = move_cancel.move AND v.side = 'in' AND v.stage = 'arrived';
		RETURN QUERY
		SELECT u.eid, CASE WHEN v.stage IN ('cancelled', 'dropped') THEN NULL ELSE coalesce(v.stage, 'this move has not begun here') END
		FROM unnest(eids) u (eid) LEFT JOIN smsr.move v ON v.eid = u.eid AND v.id = move_cancel.move
		ORDER BY u.eid;
	END $$;
COMMENT ON FUNCTION smsr.move_cancel(text, smsr.eid[]) IS 'Give up a move: on the old shard, which goes on with eUICCs that are not gone, and after that on the new one, which throws their packages away. because tells of those for which it is too late';

CREATE FUNCTION smsr.unfinished_moves() RETURNS TABLE (shard int, eid smsr.eid, id text, side text, stage text, peer int)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	BEGIN
		RETURN QUERY SELECT smsr.setting('shard')::int, v.eid, v.id, v.side, v.stage, v.peer FROM smsr.move v
			WHERE v.stage IN ('closed', 'gone', 'arrived') ORDER BY v.id, v.eid;
	END $$;
COMMENT ON FUNCTION smsr.unfinished_moves() IS 'Moves that have begun here and are not over: whoever drives them goes on from here';

-- A program that comes to a shard by an old map hears so, and nothing is done.
CREATE FUNCTION smsr.check_here(me text, eids smsr.eid[]) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		elsewhere record;
	BEGIN
		IF NOT EXISTS (SELECT FROM smsr.move) THEN
			RETURN;
		END IF;
		SELECT v.eid, v.peer, v.stage INTO elsewhere
			FROM unnest(eids) u (eid) JOIN smsr.move v ON v.eid = u.eid AND v.stage IN ('gone', 'confirmed', 'arrived')
			WHERE NOT EXISTS (SELECT FROM smsr.euicc e WHERE e.eid = v.eid)
				AND (me = smsr.setting('smsr_id') OR me = ANY (v.parties))
			ORDER BY v.began_at DESC LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION 'eUICC % is moving between this shard and shard %', elsewhere.eid, elsewhere.peer
				USING ERRCODE = 'object_in_use', HINT = 'Call again in a moment, by way of the router. Nothing of this call was done here.';
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.check_here(text, smsr.eid[]) IS 'An error, for those whose business it is, if one of these eUICCs is on another shard';

-- ---- messages that came to the wrong shard ----

CREATE FUNCTION smsr.goes_astray(p_originator text, p_tp_ud bytea, p_received_at timestamptz) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		there int;
	BEGIN
		SELECT n.shard INTO there FROM smsr.moved_number n WHERE n.msisdn = p_originator;
		IF NOT FOUND AND smsr.setting('forward_unknown') <> 'on' OR EXISTS (SELECT smsr.plausible(p_originator)) THEN
			RETURN false;
		END IF;
		INSERT INTO smsr.astray (originator, tp_ud, received_at, shard)
			VALUES (p_originator, p_tp_ud, coalesce(p_received_at, clock_timestamp()), there);
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.goes_astray(text, bytea, timestamptz) IS 'Whether a received message is for another shard, and then it is kept to be sent there: its number is of an eUICC that has moved, or of none here and smsr.forward_unknown is on';

CREATE FUNCTION smsr.claim_astray(most int DEFAULT 1000, lease interval DEFAULT '30 s')
	RETURNS TABLE (id bigint, originator text, tp_ud bytea, received_at timestamptz, shard int, attempts int)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	BEGIN
		RETURN QUERY
		WITH due AS (
			SELECT a.id FROM smsr.astray a WHERE a.due_at <= now() ORDER BY a.due_at, a.id LIMIT most FOR UPDATE SKIP LOCKED
		), leased AS (
			UPDATE smsr.astray a SET due_at = now() + lease, attempts = a.attempts + 1 FROM due d WHERE a.id = d.id
			RETURNING a.id, a.originator, a.tp_ud, a.received_at, a.shard, a.attempts
		)
		SELECT l.id, l.originator, l.tp_ud, l.received_at, l.shard, l.attempts FROM leased l ORDER BY l.id;
	END $$;
COMMENT ON FUNCTION smsr.claim_astray(int, interval) IS 'Messages to be sent to other shards, in order, for the time of the lease; a shard that is NULL is one of those whose smsr.knows_numbers() says so';

CREATE FUNCTION smsr.knows_numbers(originators text[]) RETURNS TABLE (shard int, originator text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	BEGIN
		RETURN QUERY SELECT smsr.setting('shard')::int, u.originator
			FROM (SELECT DISTINCT unnest(originators)) u (originator) WHERE EXISTS (SELECT smsr.plausible(u.originator));
	END $$;
COMMENT ON FUNCTION smsr.knows_numbers(text[]) IS 'Those numbers that eUICCs of this shard may send from';

CREATE FUNCTION smsr.receive_astray(ids bigint[], originators text[], tp_uds bytea[]) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		fresh bigint[];
		numbers text[];
		contents bytea[];
	BEGIN
		IF cardinality(ids) IS DISTINCT FROM cardinality(originators) OR cardinality(ids) IS DISTINCT FROM cardinality(tp_uds) THEN
			RAISE EXCEPTION 'ids, originators and tp_uds must have the same number of elements' USING ERRCODE = 'array_subscript_error';
		END IF;
		DELETE FROM smsr.astray_seen s WHERE s.at < now() - interval '1 day';
		WITH seen AS (
			INSERT INTO smsr.astray_seen (id) SELECT DISTINCT i FROM unnest(ids) i ON CONFLICT DO NOTHING RETURNING id
		)
		SELECT array_agg(s.id) INTO fresh FROM seen s;
		SELECT array_agg(u.o ORDER BY u.i), array_agg(u.t ORDER BY u.i) INTO numbers, contents
			FROM unnest(ids, originators, tp_uds) u (i, o, t) WHERE u.i = ANY (fresh);
		IF numbers IS NOT NULL THEN
			PERFORM smsr.receive_sms(numbers, contents);
		END IF;
		RETURN coalesce(cardinality(fresh), 0);
	END $$;
COMMENT ON FUNCTION smsr.receive_astray(bigint[], text[], bytea[]) IS 'Messages that another shard received, by their ids there: processed here, once; returns how many are new';

CREATE FUNCTION smsr.astray_done(ids bigint[], shards int[]) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		n int;
	BEGIN
		WITH done AS (
			DELETE FROM smsr.astray a USING unnest(ids, shards) u (id, shard) WHERE a.id = u.id
			RETURNING a.originator, a.tp_ud, a.received_at, u.shard
		), told AS MATERIALIZED (
			INSERT INTO smsr.message (at, direction, address, outcome, detail, octets)
			SELECT d.received_at, 'in', d.originator, CASE WHEN d.shard IS NULL THEN 'unknown originator' ELSE 'for another shard' END,
				CASE WHEN d.shard IS NULL THEN 'no eUICC of any shard has this number' ELSE 'sent to shard ' || d.shard END, d.tp_ud
			FROM done d
		)
		SELECT count(*) INTO n FROM done;
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.astray_done(bigint[], int[]) IS 'These messages are with those shards, or (NULL) nobody''s; returns how many that is news of';
