-- What a gateway takes.  SECURITY DEFINER: a gateway's role may call this function
-- and read nothing.  No plan here may rest on statistics, which are of another hour:
-- a queue is empty when they are taken and full when it is claimed from.  So nothing
-- but nested loops over indexes, and rows that were locked are found by their place.

CREATE FUNCTION smsr.sms_needed(script bytea, packet bytea, segments int, accepted int) RETURNS int
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	-- header, check field and padding add at most 45 octets to the script; of a packet
	-- that was taken in part only the rest goes.  What no short messages ever carry
	-- counts as very many, so that whoever has one of those stops nobody else
	RETURN CASE WHEN packet IS NULL THEN smsr.sms_segment_count(least(length(script) OPERATOR(pg_catalog.+) 45, 30000))
		WHEN accepted OPERATOR(pg_catalog.=) ((1 OPERATOR(pg_catalog.<<) segments) OPERATOR(pg_catalog.-) 1) THEN segments
		ELSE segments OPERATOR(pg_catalog.-) bit_count(accepted::bit(32))::int END;
COMMENT ON FUNCTION smsr.sms_needed(bytea, bytea, int, int) IS 'How many short messages a packet of smsr.outbound takes when it is sent next, at most. Inlined';

-- The ISD-R has the agent that opens sessions.
CREATE FUNCTION smsr.packet_tar(trigger bytea, target_aid smsr.aid, sd_aid smsr.aid) RETURNS bytea
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN smsr.aid_tar(CASE WHEN trigger IS NULL THEN coalesce(target_aid, sd_aid) ELSE sd_aid END);
COMMENT ON FUNCTION smsr.packet_tar(bytea, smsr.aid, smsr.aid) IS 'TAR of the packet of a row of smsr.outbound: of whom the command is for, of the ISD-R for what opens a session. Inlined';

-- What a claim is to take from where: of each operator's part of a lane, which is
-- what the index of the queue is in order of, so many packets; and the accounts that
-- are to be settled by what it then took.
CREATE TYPE smsr.claim_plan AS (
	at timestamptz,
	capacity int,
	per_second int,
	ahead interval,
	mno_ids text[],
	lane_ids bigint[],
	packets int[],
	ranks int[],
	longest int[],
	limited text[],
	accounts bigint[],
	tenants text[],
	priorities int[],
	weights int[],
	grants int[],
	share bytea,
	limits text[],
	allowances int[],
	allowed int[],
	tenant_shares bytea[]
);
COMMENT ON TYPE smsr.claim_plan IS 'What smsr.plan_claim() decides';
COMMENT ON COLUMN smsr.claim_plan.capacity IS 'Short messages that may be taken; 0: none';
COMMENT ON COLUMN smsr.claim_plan.per_second IS 'The bind''s limit; NULL: none';
COMMENT ON COLUMN smsr.claim_plan.ahead IS 'For how long the bind is given messages beforehand';
COMMENT ON COLUMN smsr.claim_plan.packets IS 'How many of this operator in this lane; so ranks, longest and limited are of each of these';
COMMENT ON COLUMN smsr.claim_plan.ranks IS 'Who goes first: the priority; before all, below 0, who is granted a part of a packet only';
COMMENT ON COLUMN smsr.claim_plan.longest IS 'Most short messages that a packet may take there';
COMMENT ON COLUMN smsr.claim_plan.limited IS 'The tenant, if it has a limit';
COMMENT ON COLUMN smsr.claim_plan.accounts IS 'Lanes that have something due; so tenants, priorities, weights, grants and allowed are of each of these';
COMMENT ON COLUMN smsr.claim_plan.share IS 'State of the bind''s shares if all grants are used; NULL: not kept, nobody had to stand back';
COMMENT ON COLUMN smsr.claim_plan.limits IS 'Tenants that have a limit; so allowances and tenant_shares are of each of these';
COMMENT ON COLUMN smsr.claim_plan.allowed IS 'What the limit of the lane''s tenant leaves to it';

CREATE FUNCTION smsr.plan_claim(p_gateway text, p_most int, p_longest int) RETURNS smsr.claim_plan
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET plan_cache_mode = force_generic_plan
	SET enable_seqscan = off
	SET enable_mergejoin = off
	AS $$
	DECLARE
		plan smsr.claim_plan;
		bind smsr.gateway_pace;
		account smsr.tenant_pace;
		kept boolean := false;
		tenants text[];
		priorities int[];
		weights int[];
		parts float8[];			-- of the whole, by weight; NULL: nothing is due
		looks int[];			-- packets that are looked at
		counted int[];		-- packets that are due, as far as they were looked at
		messages int[];			-- short messages that they take
		heads timestamptz[];	-- since when the first of them is due
		waiting bigint;
		backlog int[];
		shared record;
		mine int[];
	BEGIN
		plan.capacity := p_most;
		IF EXISTS (SELECT FROM smsr.gateway_limit l WHERE l.gateway = p_gateway) THEN
			SELECT * INTO bind FROM smsr.gateway_pace g WHERE g.gateway = p_gateway FOR UPDATE SKIP LOCKED;
			kept := FOUND;
			IF NOT kept THEN
				-- another connection of the bind claims, and the limit is one
				BEGIN
					SELECT * INTO bind FROM smsr.gateway_pace g WHERE g.gateway = p_gateway FOR UPDATE;
					kept := FOUND;
				EXCEPTION WHEN lock_not_available THEN
					NULL;
				END;
			END IF;
			-- as it is behind the lock
			SELECT l.per_second, l.ahead INTO plan.per_second, plan.ahead FROM smsr.gateway_limit l WHERE l.gateway = p_gateway;
		END IF;
		plan.at := clock_timestamp();
		IF plan.per_second IS NOT NULL THEN
			plan.capacity := CASE WHEN kept THEN (smsr.pace(bind.pace, plan.per_second, plan.at, p_most, plan.ahead)).granted ELSE 0 END;
			IF plan.capacity = 0 THEN
				RETURN plan;
			END IF;
		END IF;

		WITH RECURSIVE operator (id) AS (
			(SELECT o.mno_id FROM smsr.outbound o WHERE o.mno_id IS NOT NULL ORDER BY o.mno_id LIMIT 1)
			UNION ALL
			SELECT (SELECT o.mno_id FROM smsr.outbound o WHERE o.mno_id > m.id ORDER BY o.mno_id LIMIT 1)
			FROM operator m WHERE m.id IS NOT NULL
		), part (mno_id, lane_id, due_at, expires_at, needed) AS (
			-- where a lane begins is what is due in it first
			SELECT m.id, h.* FROM operator m
				CROSS JOIN LATERAL (SELECT o.lane_id, o.due_at, o.expires_at, smsr.sms_needed(coalesce(o.trigger, o.script), o.packet, o.segments, o.accepted)
					FROM smsr.outbound o WHERE o.mno_id = m.id ORDER BY o.lane_id, o.due_at LIMIT 1) h
			WHERE NOT EXISTS (SELECT FROM smsr.route r WHERE r.mno_id = m.id)
				OR EXISTS (SELECT FROM smsr.route r WHERE r.mno_id = m.id AND r.gateway = p_gateway)
			UNION ALL
			SELECT p.mno_id, h.* FROM part p
				CROSS JOIN LATERAL (SELECT o.lane_id, o.due_at, o.expires_at, smsr.sms_needed(coalesce(o.trigger, o.script), o.packet, o.segments, o.accepted)
					FROM smsr.outbound o WHERE o.mno_id = p.mno_id AND o.lane_id > p.lane_id ORDER BY o.lane_id, o.due_at LIMIT 1) h
		), weighed AS (
			SELECT p.mno_id, p.lane_id, l.tenant, l.priority, coalesce(t.weight, 1) AS weight,
				w.weight * coalesce(t.weight, 1) / count(*) OVER (PARTITION BY l.tenant, l.priority)::float8 AS part,
				CASE WHEN t.per_second IS NOT NULL THEN l.tenant END AS limited,
				least(p_longest, plan.per_second, t.per_second) AS longest,
				p.due_at <= now() AS due, p.due_at <= now() AND p.expires_at > now() AS counts, p.due_at, p.needed
			FROM part p
				-- one by one: of most lanes there is nothing in the queue
				CROSS JOIN LATERAL (SELECT l.tenant, l.priority FROM smsr.lane l
					WHERE l.id = p.lane_id AND smsr.lane_open(l.open, l.windows, l.time_zone, plan.at) OFFSET 0) l
				JOIN smsr.priority_weights() w ON w.priority = l.priority
				LEFT JOIN smsr.tenant_share t ON t.tenant = l.tenant
		)
		SELECT array_agg(w.mno_id), array_agg(w.lane_id), array_agg(w.tenant), array_agg(w.priority), array_agg(w.weight),
				array_agg(CASE WHEN w.due THEN w.part / w.whole END), array_agg(w.limited), array_agg(w.longest),
				array_agg(w.counts::int), array_agg(CASE WHEN w.counts THEN w.needed ELSE 0 END), array_agg(CASE WHEN w.counts THEN w.due_at END),
				array_agg(DISTINCT w.limited ORDER BY w.limited) FILTER (WHERE w.limited IS NOT NULL)
			INTO plan.mno_ids, plan.lane_ids, tenants, priorities, weights, parts, plan.limited, plan.longest,
				counted, messages, heads, plan.limits
			FROM (SELECT *, sum(part) OVER () AS whole FROM weighed) w;
		IF plan.mno_ids IS NULL THEN
			plan.capacity := 0;
			RETURN plan;
		ELSIF cardinality(plan.mno_ids) = 1 AND plan.limits IS NULL THEN
			plan.packets := ARRAY[plan.capacity];
			plan.ranks := priorities;
			RETURN plan;
		END IF;

		-- How much is due where, as far as it may matter: twice a part's own part, and
		-- further where others leave more; one more than may be taken, to know that there is.
		-- Of many small parts the first packet is enough, which is known already
		looks := ARRAY(SELECT CASE WHEN u IS NULL THEN 0 WHEN 2 * plan.capacity * u <= 1 THEN 1
				ELSE least(plan.capacity, ceil(2 * plan.capacity * u))::int + 1 END
			FROM unnest(parts) WITH ORDINALITY p (u, n) ORDER BY n);
		LOOP
			SELECT array_agg(coalesce(q.counted, u.counted) ORDER BY u.n), array_agg(coalesce(q.messages, u.messages) ORDER BY u.n),
					array_agg(coalesce(q.head, u.head) ORDER BY u.n), sum(coalesce(q.messages, u.messages))
				INTO counted, messages, heads, waiting
				FROM unnest(plan.mno_ids, plan.lane_ids, looks, counted, messages, heads) WITH ORDINALITY u (mno_id, lane_id, look, counted, messages, head, n)
					LEFT JOIN LATERAL (SELECT count(*)::int AS counted, sum(d.needed)::int AS messages, min(d.due_at) AS head
						FROM (SELECT o.due_at, smsr.sms_needed(coalesce(o.trigger, o.script), o.packet, o.segments, o.accepted) AS needed
							FROM smsr.outbound o
							WHERE u.look > u.counted
								AND o.mno_id = u.mno_id AND o.lane_id = u.lane_id AND o.due_at <= now() AND o.expires_at > now()
							ORDER BY o.due_at LIMIT u.look) d
						HAVING u.look > u.counted) q ON true;
			EXIT WHEN waiting > plan.capacity;
			looks := ARRAY(SELECT CASE WHEN u.counted < u.look OR u.look > plan.capacity THEN 0 ELSE least(plan.capacity + 1, 8 * u.look) END
				FROM unnest(counted, looks) WITH ORDINALITY u (counted, look, n) ORDER BY u.n);
			EXIT WHEN 0 = ALL (looks);
		END LOOP;
		IF waiting IS NULL OR waiting = 0 THEN
			plan.capacity := 0;
			RETURN plan;
		END IF;
		SELECT array_agg(l.lane_id), array_agg(l.tenant), array_agg(l.priority), array_agg(l.weight), array_agg(l.messages)
			INTO plan.accounts, plan.tenants, plan.priorities, plan.weights, backlog
			FROM (SELECT u.lane_id, u.tenant, u.priority, u.weight, sum(u.messages)::int AS messages
				FROM unnest(plan.lane_ids, tenants, priorities, weights, messages) u (lane_id, tenant, priority, weight, messages)
				WHERE u.messages > 0
				GROUP BY 1, 2, 3, 4 ORDER BY 1) l;

		-- a tenant's own limit is shared out by its lanes first
		FOR i IN 1 .. coalesce(cardinality(plan.limits), 0)
		LOOP
			-- whose account another bind is at waits for the next claim
			SELECT * INTO account FROM smsr.tenant_pace p WHERE p.tenant = plan.limits[i] FOR UPDATE SKIP LOCKED;
			plan.allowances[i] := CASE WHEN FOUND THEN (SELECT (smsr.pace(account.pace, t.per_second, plan.at, plan.capacity)).granted
				FROM smsr.tenant_share t WHERE t.tenant = plan.limits[i]) END;
			mine := ARRAY(SELECT u.n FROM unnest(plan.tenants) WITH ORDINALITY u (tenant, n) WHERE u.tenant = plan.limits[i] ORDER BY u.n);
			SELECT s.grants, s.next INTO shared
				FROM (SELECT array_agg(plan.accounts[u]) AS accounts, array_agg(plan.tenants[u]) AS tenants, array_agg(plan.priorities[u]) AS priorities,
						array_agg(plan.weights[u]) AS weights, array_agg(backlog[u]) AS backlog FROM unnest(mine) u) m,
					smsr.share(account.share, m.accounts, m.tenants, m.priorities, m.weights, m.backlog, coalesce(plan.allowances[i], 0)) s
				WHERE mine <> '{}';
			plan.tenant_shares[i] := shared.next;
			FOR j IN 1 .. cardinality(mine)
			LOOP
				backlog[mine[j]] := shared.grants[j];
			END LOOP;
		END LOOP;
		plan.allowed := backlog;

		IF (SELECT sum(u) FROM unnest(backlog) u) <= plan.capacity THEN
			plan.grants := backlog;
		ELSE
			-- two connections of a bind without a limit: one of them has no memory
			IF NOT kept THEN
				SELECT * INTO bind FROM smsr.gateway_pace g WHERE g.gateway = p_gateway FOR UPDATE SKIP LOCKED;
				kept := FOUND;
				IF NOT kept AND smsr.try_lock(2) THEN
					-- nobody else is at it, so it is not waited for
					INSERT INTO smsr.gateway_pace (gateway) VALUES (p_gateway) ON CONFLICT (gateway) DO NOTHING;
					kept := FOUND;
				END IF;
			END IF;
			SELECT * INTO shared FROM smsr.share(bind.share, plan.accounts, plan.tenants, plan.priorities, plan.weights, backlog, plan.capacity);
			plan.grants := shared.grants;
			plan.share := CASE WHEN kept THEN shared.next END;
		END IF;

		-- Within a lane who waits longest.  The last packet may take more messages than are
		-- left of a grant: it goes all the same, or where one message at a time may go a
		-- long one would never; and first, the least urgent before all, which has been
		-- granted anything least often.  The account is settled by what it took.
		SELECT array_agg(d.mno_id ORDER BY d.n), array_agg(d.lane_id ORDER BY d.n), array_agg(d.packets ORDER BY d.n),
				array_agg(CASE WHEN d.packets * d.messages > d.budget * d.counted THEN -1 - d.priority ELSE d.priority END ORDER BY d.n),
				array_agg(d.longest ORDER BY d.n), array_agg(d.limited ORDER BY d.n)
			INTO plan.mno_ids, plan.lane_ids, plan.packets, plan.ranks, plan.longest, plan.limited
			FROM (SELECT b.*, ceil(b.budget * b.counted / b.messages)::bigint AS packets
				FROM (SELECT u.*, least(u.messages, plan.grants[u.account] - coalesce(sum(u.messages) OVER (PARTITION BY u.account ORDER BY u.head, u.n
							ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))::numeric AS budget
					-- accounts are the lanes that have anything, in their order
					FROM (SELECT x.*, dense_rank() OVER (ORDER BY x.lane_id)::int AS account
						FROM unnest(plan.mno_ids, plan.lane_ids, priorities, plan.longest, plan.limited, counted, messages, heads) WITH ORDINALITY
							x (mno_id, lane_id, priority, longest, limited, counted, messages, head, n)
						WHERE x.messages > 0) u) b
				WHERE b.budget > 0) d;
		IF plan.mno_ids IS NULL THEN
			plan.capacity := 0;
		END IF;
		RETURN plan;
	END $$;
COMMENT ON FUNCTION smsr.plan_claim(text, int, int) IS 'What a bind that has room for so many short messages is to take, of packets up to a length: by what is open, the limits of bind and tenants, and everybody''s share. The states that it rests on are locked until smsr.claim_sms() has settled them';

CREATE FUNCTION smsr.claim_sms(gateway text, max_messages int, lease interval DEFAULT '30 s')
	RETURNS TABLE (sms_id bigint, eid smsr.eid, destination text, tp_pid int, tp_dcs int, tp_ud bytea, validity interval)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_seqscan = off
	SET enable_hashjoin = off
	SET enable_mergejoin = off
	SET work_mem = '32MB'
	AS $$
	#variable_conflict use_column
	DECLARE
		spi bytea := decode(smsr.setting('spi'), 'hex');
		pid int := smsr.setting('tp_pid');
		dcs int := smsr.setting('tp_dcs');
		most_segments int := smsr.setting('max_segments');
		plan smsr.claim_plan;
		careful boolean := false;
	BEGIN
		IF gateway IS NULL OR gateway = '' OR max_messages IS NULL OR max_messages < 1 OR max_messages > 100000 THEN
			RAISE EXCEPTION 'gateway must be named and max_messages be between 1 and 100000'
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF lease IS NULL OR lease <= interval '0' OR lease > interval '1 day' THEN
			RAISE EXCEPTION 'lease must be more than nothing and at most a day' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM smsr.check_incarnation();
		-- Whether a key set opens is seen when a packet is sealed under it.  If one does not,
		-- nothing was taken, and all is done again with a look at each beforehand.  No row is
		-- returned before the last one is there (ORDER BY), so none comes twice.
		LOOP
			BEGIN
				plan := smsr.plan_claim(gateway, max_messages, most_segments);
				IF plan.capacity = 0 THEN
					RETURN;
				END IF;
				-- what passes from step to step is narrow, and the rest is fetched by place: to form
				-- rows is a good part of what a claim costs
				RETURN QUERY
				WITH due AS MATERIALIZED (
					SELECT q.*, g.lane_id AS account, g.rank, g.longest, g.limited
					FROM unnest(plan.mno_ids, plan.lane_ids, plan.packets, plan.ranks, plan.longest, plan.limited)
							g (mno_id, lane_id, packets, rank, longest, limited)
						-- it may have been closed since
						CROSS JOIN LATERAL (SELECT FROM smsr.lane l WHERE l.id = g.lane_id AND l.open OFFSET 0) l
						CROSS JOIN LATERAL (
						SELECT o.ctid AS place, o.id, o.eid, o.due_at, o.step = 'confirm' AS confirms, o.packet IS NOT NULL AS sealed,
							smsr.sms_needed(coalesce(o.trigger, o.script), o.packet, o.segments, o.accepted) AS needed
						FROM smsr.outbound o
						WHERE o.mno_id = g.mno_id AND o.lane_id = g.lane_id AND o.due_at <= now() AND o.expires_at > now()
						ORDER BY o.due_at LIMIT g.packets
						FOR UPDATE SKIP LOCKED) q
				), beyond AS MATERIALIZED (
					-- what a tenant's limit has no room for; what is behind does not overtake it
					SELECT w.place
					FROM (SELECT d.place, d.limited, sum(d.needed) OVER (PARTITION BY d.limited ORDER BY d.rank, d.due_at, d.id) AS upto
						FROM due d WHERE d.limited IS NOT NULL AND d.needed <= d.longest) w
						JOIN unnest(plan.limits, plan.allowances) u (tenant, allowance) ON u.tenant = w.limited
					WHERE w.upto > u.allowance
				), fresh AS MATERIALIZED (
					-- a counter is one per key set: of two new packets to one card, one waits for
					-- the next claim; not a confirmation, for which the card has a clock running
					SELECT DISTINCT ON (d.eid) d.place, d.id, d.due_at, d.account, d.rank, d.longest, k.place AS key_place
					FROM due d JOIN smsr.outbound o ON o.ctid = d.place
						LEFT JOIN LATERAL (SELECT k.ctid AS place FROM smsr.keyset k
							WHERE k.eid = o.eid AND k.sd_aid = o.sd_aid AND k.type = 'SCP80'
								-- under what is active; a proof under what is to be proven
								AND CASE o.step WHEN 'prove' THEN k.state IN ('pending', 'active') AND k.kvn = (SELECT p.kvn
										FROM smsr.operation p WHERE p.eid = o.eid AND p.id = o.operation_id)
									ELSE k.state = 'active' END
								AND k.counter < 1099511627775 AND smsr.packet_tar(o.trigger, o.target_aid, o.sd_aid) IS NOT NULL
								AND CASE o.step WHEN 'put_key' THEN EXISTS (SELECT FROM smsr.operation p
											JOIN smsr.keyset n ON n.eid = p.eid AND n.sd_aid = o.sd_aid AND n.kvn = p.kvn AND n.state = 'pending'
										WHERE p.eid = o.eid AND p.id = o.operation_id AND smsr.put_key_seals(k.eid, k.sd_aid, k.kvn, k.key_type,
											k.sealed, n.kvn, n.key_type, n.sealed))
									ELSE NOT careful OR smsr.keyset_opens(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed) END
							ORDER BY k.kvn DESC LIMIT 1) k ON d.needed <= d.longest
					WHERE NOT d.sealed AND (d.limited IS NULL OR d.place NOT IN (SELECT b.place FROM beyond b))
					ORDER BY d.eid, k.place IS NULL, NOT d.confirms, d.id
				), again AS MATERIALIZED (
					SELECT d.place, d.id, d.due_at, d.account, d.rank, d.longest, d.needed,
						-- of a packet that was taken in part the rest, else all of it again
						CASE WHEN o.accepted = (1 << o.segments) - 1 THEN 0 ELSE o.accepted END AS have, o.kvn, o.cntr, o.packet,
						-- not under keys that are out of use: what comes under them is not believed
						d.needed <= d.longest AND EXISTS (SELECT FROM smsr.keyset k
							WHERE k.eid = o.eid AND k.sd_aid = o.sd_aid AND k.kvn = o.kvn AND k.state IN ('pending', 'active', 'retiring')) AS sendable
					FROM due d JOIN smsr.outbound o ON o.ctid = d.place
					WHERE d.sealed AND (d.limited IS NULL OR d.place NOT IN (SELECT b.place FROM beyond b))
				), unsendable AS (
					-- out of the way of the others, and visible
					UPDATE smsr.outbound o SET due_at = now() + interval '1 hour'
					FROM (SELECT f.place, f.longest FROM fresh f WHERE f.key_place IS NULL
						UNION ALL
						SELECT a.place, a.longest FROM again a WHERE NOT a.sendable) d
					WHERE o.ctid = d.place
					RETURNING o.packet IS NOT NULL AS had_packet, o.eid, o.operation_id, o.step, o.destination, d.longest,
						smsr.sms_needed(coalesce(o.trigger, o.script), o.packet, o.segments, o.accepted) AS needed
				), explained AS (
					INSERT INTO smsr.message (direction, eid, operation_id, step, address, gateway, outcome, detail)
					SELECT 'out', u.eid, u.operation_id, u.step, u.destination, claim_sms.gateway, 'not sent',
						CASE WHEN u.needed > most_segments AND NOT u.had_packet THEN 'it takes more short messages than smsr.max_segments'
							WHEN u.needed > u.longest THEN 'it takes more short messages than the bind or the tenant may send in a second'
							WHEN u.had_packet THEN 'the key set that secures it was revoked or compromised'
							ELSE 'ISD-R has no active SCP80 key set that opens and whose counter is not at its end' END
					FROM unsendable u
				), counted AS (
					UPDATE smsr.keyset k SET counter = k.counter + 1
					FROM fresh f
						-- a rotation, or another gateway that sends to the same card, is not waited for
						CROSS JOIN LATERAL (SELECT FROM smsr.keyset l
							WHERE l.ctid = f.key_place
								-- as it is by now
								AND l.state IN ('pending', 'active') FOR NO KEY UPDATE SKIP LOCKED) l
						JOIN smsr.outbound o ON o.ctid = f.place
					WHERE k.ctid = f.key_place
					RETURNING f.place, f.id, f.due_at, f.account, f.rank, k.kvn, k.counter AS cntr,
						CASE o.step WHEN 'put_key' THEN (SELECT smsr.seal_put_key(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, spi,
									smsr.packet_tar(o.trigger, o.target_aid, o.sd_aid), k.counter, n.kvn, n.key_type, n.sealed, n.replaces IS NOT NULL)
								FROM smsr.operation p
									JOIN smsr.keyset n ON n.eid = p.eid AND n.sd_aid = o.sd_aid AND n.kvn = p.kvn AND n.state = 'pending'
								WHERE p.eid = o.eid AND p.id = o.operation_id)
							ELSE smsr.seal_command(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, spi,
								smsr.packet_tar(o.trigger, o.target_aid, o.sd_aid), k.counter, coalesce(o.trigger, o.script)) END AS packet
				), ready AS (
					SELECT c.place, c.id, c.due_at, c.account, c.rank, c.kvn, c.cntr, c.packet, 0 AS have,
						smsr.sms_segment_count(length(c.packet)) AS needed
					FROM counted c
					UNION ALL
					SELECT a.place, a.id, a.due_at, a.account, a.rank, a.kvn, a.cntr, a.packet, a.have, a.needed
					FROM again a WHERE a.sendable
				), taken AS (
					-- who does not fit is not overtaken: room for him comes only if nobody takes it
					SELECT r.place, r.due_at, r.account, r.rank, r.kvn, r.cntr, r.packet, r.have, r.needed,
						sum(r.needed) OVER (ORDER BY r.rank, r.due_at, r.id) <= plan.capacity AS fits
					FROM ready r
				), leased AS (
					UPDATE smsr.outbound o SET lane_id = CASE WHEN t.fits AND o.lane_id <> 1 THEN 2 ELSE o.lane_id END,
						due_at = CASE WHEN t.fits THEN now() + lease ELSE o.due_at END,
						gateway = CASE WHEN t.fits THEN claim_sms.gateway ELSE o.gateway END, attempts = o.attempts + t.fits::int,
						accepted = CASE WHEN t.fits THEN t.have ELSE o.accepted END,
						segments = smsr.sms_segment_count(length(t.packet)), kvn = t.kvn, cntr = t.cntr, packet = t.packet
					FROM taken t
					WHERE o.ctid = t.place
					RETURNING o.id, o.eid, o.destination, o.expires_at, t.packet, t.have, t.account, t.needed, t.rank, t.due_at, t.fits
				), used AS (
					SELECT l.account, sum(l.needed)::int AS messages FROM leased l WHERE l.fits GROUP BY 1
				), bind_settled AS (
					UPDATE smsr.gateway_pace g SET
						pace = CASE WHEN plan.per_second IS NULL THEN g.pace
							ELSE (SELECT p.next FROM smsr.pace(g.pace, plan.per_second, plan.at, coalesce((SELECT sum(u.messages)::int FROM used u), 0),
								plan.ahead) p) END,
						share = CASE WHEN plan.share IS NULL THEN g.share
							ELSE smsr.share_settle(plan.share, plan.accounts, plan.tenants, plan.priorities, plan.weights,
								-- accounts are in this order
								ARRAY(SELECT sum(x.messages)::int
									FROM (SELECT a.account, - a.granted AS messages FROM unnest(plan.accounts, plan.grants) a (account, granted)
										UNION ALL SELECT u.account, u.messages FROM used u) x
									GROUP BY x.account ORDER BY x.account)) END
					WHERE g.gateway = claim_sms.gateway AND (plan.per_second IS NOT NULL OR plan.share IS NOT NULL)
				), tenants_settled AS (
					UPDATE smsr.tenant_pace p SET pace = s.pace, share = s.share
					FROM (SELECT t.tenant, (SELECT n.next FROM smsr.pace(m.pace, h.per_second, plan.at, a.messages) n) AS pace,
							smsr.share_settle(t.share, a.accounts, a.tenants, a.priorities, a.weights, a.extra) AS share
						FROM unnest(plan.limits, plan.allowances, plan.tenant_shares) t (tenant, allowance, share)
							JOIN smsr.tenant_pace m ON m.tenant = t.tenant
							JOIN smsr.tenant_share h ON h.tenant = t.tenant
							CROSS JOIN LATERAL (SELECT array_agg(x.account) AS accounts, array_agg(x.tenant) AS tenants, array_agg(x.priority) AS priorities,
									array_agg(x.weight) AS weights, array_agg(coalesce(u.messages, 0) - x.allowed) AS extra, coalesce(sum(u.messages), 0)::int AS messages
								FROM unnest(plan.accounts, plan.tenants, plan.priorities, plan.weights, plan.allowed) x (account, tenant, priority, weight, allowed)
									LEFT JOIN used u ON u.account = x.account
								WHERE x.tenant = t.tenant) a
						-- not whose account another bind has
						WHERE t.allowance IS NOT NULL AND a.accounts IS NOT NULL) s
					WHERE p.tenant = s.tenant
				)
				SELECT (l.id << 5) | (s.n - 1), l.eid, l.destination, pid, dcs, s.part, greatest(l.expires_at - now(), interval '0')
				FROM leased l CROSS JOIN LATERAL smsr.sms_segments(l.packet, 112, ((l.id >> 10) & 255)::int) WITH ORDINALITY s (part, n)
				WHERE l.fits AND (l.have >> (s.n - 1)::int) & 1 = 0
				ORDER BY l.rank, l.due_at, l.id, s.n;
				RETURN;
			EXCEPTION WHEN data_corrupted OR invalid_parameter_value THEN
				IF careful THEN
					RAISE;
				END IF;
				careful := true;
			END;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.claim_sms(text, int, interval)
	IS 'Short messages for a gateway to submit, one row each, at most max_messages and what the limits of bind and tenants leave, from lanes that are open, to each tenant and priority its share: new packets are sealed under a counter that is stored first, old ones are the same octets again. Held for the lease, then offered anew. validity is what is left of the operation''s';
