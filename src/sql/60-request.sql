-- From a call to a queued command.  One path for one eUICC and for a million:
-- smsr.request() is set-based, the functions for people call it with arrays of one.

CREATE FUNCTION smsr.setting_seconds(name text) RETURNS double precision
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT extract(epoch FROM smsr.setting(name)::interval)::double precision);
	END $$;
COMMENT ON FUNCTION smsr.setting_seconds(text) IS 'A parameter of this extension that is a time, in seconds, whatever unit it is written in';

CREATE FUNCTION smsr.retry_interval(attempts int) RETURNS interval
	AS 'MODULE_PATHNAME', 'smsr_retry_interval'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.retry_interval(int) IS 'How long to wait for an answer after so many sendings: doubling, bounded, with a tenth of jitter either way';

CREATE TYPE smsr.refusal AS (
	state text,
	subject_code text,
	reason_code text,
	because text
);
COMMENT ON TYPE smsr.refusal IS 'A verdict: the state that follows, or subject and reason of the refusal (SGP.02 clause 5.1.6.6)';

CREATE FUNCTION smsr.judge(function text, profile_state text, fallback boolean, pol2 text[],
		enabled_state text, enabled_pol2 text[], required_memory bigint, remaining_memory bigint,
		emergency boolean, provisioning_version text)
	RETURNS smsr.refusal
	AS 'MODULE_PATHNAME', 'smsr_judge'
	LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.judge(text, text, boolean, text[], text, text[], bigint, bigint, boolean, text)
	IS 'Whether a function may be begun on a profile: its life cycle, POL2, memory in octets, smsr.delete_enabled, and the SGP.02 version of the eUICC. NULL: nothing to judge';

-- Of one candidate more than there are AIDs in use, one is free.  An AID whose
-- create or delete is in doubt may still be on the card.
CREATE FUNCTION smsr.free_isdp_aid(p_eid smsr.eid) RETURNS smsr.aid
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (WITH used AS MATERIALIZED (
				SELECT p.isdp_aid FROM smsr.profile p WHERE p.eid = p_eid
				UNION
				SELECT o.isdp_aid FROM smsr.operation o
				WHERE o.eid = p_eid AND o.isdp_aid IS NOT NULL AND (o.status IS NULL OR o.status = 'EXPIRED')
			)
			SELECT c.isdp_aid
			FROM (SELECT smsr.isdp_aid(t::int) AS isdp_aid
				FROM generate_series(16, least(65535, 16 + (SELECT count(*) FROM used))) t) c
			WHERE c.isdp_aid NOT IN (SELECT u.isdp_aid FROM used u)
			ORDER BY c.isdp_aid
			LIMIT 1);
	END $$;
COMMENT ON FUNCTION smsr.free_isdp_aid(smsr.eid) IS 'The first ISD-P AID (SGP.02 Annex H) that is neither in the EIS nor left in doubt by an operation';

CREATE FUNCTION smsr.validity(requested interval) RETURNS interval
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF requested IS NULL THEN
			RETURN make_interval(secs => smsr.setting_seconds('default_validity'));
		END IF;
		IF requested <= interval '0' OR requested > interval '366 days' THEN
			RAISE EXCEPTION 'validity must be more than nothing and at most 366 days'
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', requested);
		END IF;
		RETURN requested;
	END $$;
COMMENT ON FUNCTION smsr.validity(interval) IS 'The validity period of a call: what was asked, checked, or smsr.default_validity';

CREATE FUNCTION smsr.ring() RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		PERFORM pg_notify('smsr_sms', '');
	END $$;
COMMENT ON FUNCTION smsr.ring() IS 'The doorbell: gateways that listen on smsr_sms look at the queue sooner; the queue is the truth';

CREATE FUNCTION smsr.needs_iccid(function text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN function OPERATOR(pg_catalog.<>) ALL (ARRAY['update_smsr_addressing', 'rotate_keys', 'audit_eis']);
COMMENT ON FUNCTION smsr.needs_iccid(text) IS 'Whether a function that involves the card is about one of its profiles';

-- Whoever asks has the eUICC's row, or no business with it.  One statement: what is
-- moved to the history meanwhile is in the one or in the other.
CREATE FUNCTION smsr.known_calls(requester text, eids smsr.eid[], call_ids text[]) RETURNS bigint[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF call_ids IS NULL THEN
			RETURN NULL;
		END IF;
		RETURN ARRAY(SELECT coalesce(
				(SELECT o.id FROM smsr.operation o
					WHERE o.eid = u.eid AND o.requester_id = known_calls.requester AND o.call_id = u.call_id),
				-- for how long a call is known at least after its end: the one place where that
				-- stands, so that not every month there ever was is looked through
				(SELECT max(h.id) FROM smsr.operation_history h
					WHERE h.eid = u.eid AND h.requester_id = known_calls.requester AND h.call_id = u.call_id
						AND h.finished_at > now() - interval '92 days'))
			FROM unnest(eids, call_ids) WITH ORDINALITY u (eid, call_id, n)
			ORDER BY u.n);
	END $$;
COMMENT ON FUNCTION smsr.known_calls(text, smsr.eid[], text[]) IS 'The operations of calls that a party has made before, by call_id, if they are in smsr.operation or ended in the last 92 days: as many elements, NULL where there is none';

CREATE FUNCTION smsr.card_facts(function text, eids smsr.eid[], iccids smsr.iccid[], required_memory bigint[],
		OUT place int, OUT eid smsr.eid, OUT iccid smsr.iccid,
		OUT registered boolean, OUT isdr_aid smsr.aid, OUT isdp_loadfile_aid smsr.aid, OUT isdp_module_aid smsr.aid,
		OUT isdp_aid smsr.aid, OUT enabled boolean, OUT msisdn text, OUT mno_id text, OUT running boolean, OUT again boolean,
		OUT subject_code text, OUT reason_code text, OUT because text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'smsr_card_facts'
	LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION smsr.card_facts(text, smsr.eid[], smsr.iccid[], bigint[])
	IS 'What a call is decided by, a row for each element of eids, from place 1 on: what the EIS says of the eUICC, of the profile with that ICCID, and where the enabled one is reached; whether an exclusive operation runs, whether the EID stood before, and the refusal by smsr.judge(), if it is one. Whoever may call it may know';

CREATE FUNCTION smsr.unregistered(eids smsr.eid[]) RETURNS SETOF int
	AS 'MODULE_PATHNAME', 'smsr_unregistered'
	LANGUAGE C STABLE STRICT ROWS 10;
COMMENT ON FUNCTION smsr.unregistered(smsr.eid[]) IS 'Places of the elements of an array, from 1, that are no eUICC registered here, in no order. Whoever may call it may know';

CREATE FUNCTION smsr.request_parts(eids smsr.eid[], size int) RETURNS SETOF int[]
	AS 'MODULE_PATHNAME', 'smsr_request_parts'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION smsr.request_parts(smsr.eid[], int) IS 'Places of the elements of an array, from 1, in parts of that size: eUICCs that follow each other in one part, and in it as they stand in the array';

CREATE FUNCTION smsr.picked(elements anyarray, places int[]) RETURNS anyarray
	AS 'MODULE_PATHNAME', 'smsr_picked'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.picked(anyarray, int[]) IS 'The elements that stand at these places of an array, from 1; NULL where there is none';

-- What smsr.request() and campaigns stand on: who asks is an argument, so nobody is
-- granted it.
CREATE FUNCTION smsr.request_for(requester text, requested_by name, reason text,
		function text, eids smsr.eid[], iccids smsr.iccid[], validity interval, call_ids text[], arguments jsonb[],
		lane_ids bigint[] DEFAULT NULL, campaign bigint DEFAULT NULL)
	RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	-- One plan for good, by indexes, however long the arrays are and however small the
	-- tables were when it was made: one that depended on the arrays' length would be made
	-- anew at each call, which takes longer than the call
	SET plan_cache_mode = force_generic_plan
	SET enable_seqscan = off
	SET enable_hashjoin = off
	SET enable_mergejoin = off
	SET enable_material = off
	AS $$
	#variable_conflict use_column
	DECLARE
		n int := cardinality(eids);
		me text := request_for.requester;
		lane bigint := CASE WHEN lane_ids IS NULL THEN smsr.lane_of(me) END;
		own boolean := coalesce(smsr.party_kind(me) = 'OWN', false);
		expiry timestamptz := now() + smsr.validity(request_for.validity);
		needs_iccid boolean;
		is_exclusive boolean;
		approvers name[];
		approval bigint;
		longest int;
		-- what is worked on at a time: it stays in memory, however many are asked
		batch CONSTANT int := 10000;
		ids bigint[];
		concerned smsr.eid[] := eids;
		sessions CONSTANT boolean := smsr.bearers_matter(function);
		turns int[];
		part_eids smsr.eid[];
		part_iccids smsr.iccid[];
		part_call_ids text[];
		part_arguments jsonb[];
		part_lane_ids bigint[];
		part_ids bigint[];
		required bigint[];
		known bigint[];
		seconds boolean[];
		steps text[];
		stages text[];
		allowed boolean[];
		subjects text[];
		reasons text[];
		becauses text[];
		may_turns bigint[];
		done record;
	BEGIN
		IF function IS NULL OR function NOT IN (SELECT smsr.card_functions()) THEN
			RAISE EXCEPTION 'unknown function "%"', function
				USING ERRCODE = 'invalid_parameter_value',
					HINT = format('Functions that involve the card are %s.', (SELECT string_agg(f, ', ' ORDER BY f) FROM smsr.card_functions() f));
		END IF;
		needs_iccid := smsr.needs_iccid(function);
		is_exclusive := smsr.procedure_exclusive(function);
		IF eids IS NULL THEN
			RAISE EXCEPTION 'eids must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		IF array_ndims(eids) > 1 OR array_ndims(iccids) > 1 OR array_ndims(call_ids) > 1 OR array_ndims(arguments) > 1 THEN
			RAISE EXCEPTION 'eids, iccids, call_ids and arguments must have one dimension' USING ERRCODE = 'array_subscript_error';
		END IF;
		IF array_position(eids, NULL) IS NOT NULL THEN
			RAISE EXCEPTION 'eids must not contain null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		PERFORM smsr.check_here(me, eids);
		IF needs_iccid AND (iccids IS NULL OR array_position(iccids, NULL) IS NOT NULL) THEN
			RAISE EXCEPTION 'iccid must not be null for %', function USING ERRCODE = 'null_value_not_allowed';
		END IF;
		IF cardinality(iccids) <> n OR cardinality(call_ids) <> n OR cardinality(arguments) <> n OR cardinality(lane_ids) <> n THEN
			RAISE EXCEPTION 'eids, iccids, call_ids and arguments must have the same number of elements'
				USING ERRCODE = 'array_subscript_error';
		END IF;
		IF call_ids IS NOT NULL AND EXISTS (SELECT FROM unnest(call_ids) i WHERE length(i) NOT BETWEEN 1 AND 255) THEN
			RAISE EXCEPTION 'call_id must have 1 to 255 characters' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF function = 'rotate_keys' AND EXISTS (SELECT FROM unnest(arguments) a
				WHERE a ? 'kvn' AND CASE jsonb_typeof(a -> 'kvn') WHEN 'number'
					THEN (a ->> 'kvn')::numeric IN (SELECT generate_series(1, 15)) ELSE false END IS NOT TRUE) THEN
			RAISE EXCEPTION 'kvn, the version of the new key set, must be between 1 and 15' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF function = 'create_isdp' AND (n > 0 AND arguments IS NULL OR EXISTS (SELECT FROM unnest(arguments) a
				WHERE (a ->> 'mno_id' ~ '^[0-2](\.(0|[1-9][0-9]*))+$'
					AND CASE jsonb_typeof(a -> 'required_memory') WHEN 'number'
						THEN (a ->> 'required_memory')::numeric BETWEEN 0 AND 2147483647 AND (a ->> 'required_memory') !~ '[^0-9]' END) IS NOT TRUE)) THEN
			RAISE EXCEPTION 'arguments of create_isdp must have mno_id, an object identifier, and required_memory, a number of octets'
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		-- built once for nothing: what is wrong is said now, not when its turn has come
		IF n > 0 AND function IN ('master_delete', 'update_smsr_addressing', 'update_connectivity_parameters') THEN
			SELECT max(length(smsr.es5_script(s.step, smsr.isdp_aid(16), NULL, NULL, a, NULL))) INTO longest
				FROM smsr.procedure(function, NULL, 'waiting', NULL, false, false, 'start') s,
					unnest(coalesce(arguments, '{NULL}')) a;
			-- as smsr.claim_sms() counts
			IF smsr.sms_segment_count(least(longest + 45, 30000)) > smsr.setting('max_segments')::int
				-- a session has room for more
				AND (function <> 'update_connectivity_parameters' OR EXISTS (SELECT FROM unnest(eids) u WHERE NOT smsr.can_https(u))) THEN
				RAISE EXCEPTION 'the command takes more short messages than smsr.max_segments'
					USING ERRCODE = 'invalid_parameter_value',
						DETAIL = format('Its script of %s octets takes %s, smsr.max_segments is %s.', longest,
							smsr.sms_segment_count(least(longest + 45, 30000)), smsr.setting('max_segments'));
			END IF;
		END IF;
		IF call_ids IS NOT NULL AND EXISTS (SELECT FROM unnest(eids, call_ids) c (e, i) WHERE i IS NOT NULL GROUP BY e, i HAVING count(*) > 1) THEN
			RAISE EXCEPTION 'a call_id stands twice for the same eUICC in one request'
				USING ERRCODE = 'invalid_parameter_value';
		END IF;

		-- a campaign was approved as a whole
		IF campaign IS NULL THEN
			approvers := smsr.approver_roles(function, me, n);
		END IF;
		IF approvers IS NOT NULL THEN
			approval := smsr.next_id();
		END IF;

		-- one eUICC, one writer: whoever changes its operations holds its row; nobody
		-- holds that of an eUICC that is none of his business.  All of them before
		-- anything is recorded: what else two calls of a party share comes after.
		-- Those of a campaign are held by now, as smsr.lock_cards() takes them
		IF campaign IS NULL THEN
			IF NOT own THEN
				SELECT array_agg(eids[z.n]) INTO concerned
					FROM smsr.authorise_all(me, function, eids, iccids, request_for.arguments) z
					WHERE z.allowed OR z.subject_code = '8.2.1';
			END IF;
			PERFORM FROM smsr.euicc e
				WHERE e.eid = ANY (concerned) ORDER BY e.eid FOR NO KEY UPDATE;
		END IF;

		-- ids in the order of the call
		ids := smsr.next_ids(n);
		-- what is the same for all is not asked for each: how it begins, by the state of the
		-- profile
		SELECT array_agg(s.step ORDER BY t.n), array_agg(s.stage ORDER BY t.n) INTO steps, stages
			FROM unnest('{true,false,NULL}'::boolean[]) WITH ORDINALITY t (target_enabled, n)
				CROSS JOIN LATERAL smsr.procedure(function, NULL, 'waiting', NULL, false, false,
					'start', target_enabled => t.target_enabled) s;
		-- what is sent is sent in the order of the call
		FOR turns IN SELECT p FROM smsr.request_parts(eids, batch) p
		LOOP
			part_eids := smsr.picked(eids, turns);
			part_iccids := smsr.picked(iccids, turns);
			part_call_ids := smsr.picked(call_ids, turns);
			part_arguments := smsr.picked(arguments, turns);
			part_lane_ids := smsr.picked(lane_ids, turns);
			part_ids := smsr.picked(ids, turns);
			known := smsr.known_calls(me, part_eids, part_call_ids);
			-- again, now that nobody changes what it is decided by
			SELECT array_agg(z.n ORDER BY z.n), array_agg(z.allowed ORDER BY z.n),
					array_agg(z.subject_code ORDER BY z.n), array_agg(z.reason_code ORDER BY z.n), array_agg(z.because ORDER BY z.n)
				INTO may_turns, allowed, subjects, reasons, becauses
				FROM smsr.authorise_all(me, function, part_eids, part_iccids, part_arguments) z
				WHERE NOT own;
			IF NOT own AND may_turns IS DISTINCT FROM ARRAY(SELECT generate_series(1::bigint, cardinality(part_eids))) THEN
				RAISE EXCEPTION 'the decision could not be made' USING ERRCODE = 'internal_error';
			END IF;
			IF function = 'create_isdp' THEN
				required := ARRAY(SELECT (u.argument ->> 'required_memory')::bigint FROM unnest(part_arguments) WITH ORDINALITY u (argument, n) ORDER BY u.n);
			END IF;
			-- a call that is known is nobody's first
			seconds := CASE WHEN known IS NOT NULL THEN ARRAY(SELECT row_number() OVER (PARTITION BY u.eid, u.known_id IS NULL ORDER BY u.n) > 1
				FROM unnest(part_eids, known) WITH ORDINALITY u (eid, known_id, n) ORDER BY u.n) END;

			-- of what is stored of a decision, that which all steps ask first comes first
			WITH decided AS MATERIALIZED (
				SELECT j.known_id,
					j.registered AND NOT j.barred AND NOT j.leaving AND j.busy AS waits,
					NOT j.registered OR j.barred OR j.leaving OR (NOT j.busy AND (j.refusal).subject_code IS NOT NULL) AS refused,
					j.second, j.turn, j.id, j.eid, j.barred, j.iccid, j.call_id, j.arguments, j.lane_id, j.start,
					j.msisdn, j.mno_id, j.isdr_aid, j.isdp_loadfile_aid, j.isdp_module_aid, j.isdp_aid, j.refusal
				FROM (SELECT turns[a.place] AS turn, part_ids[a.place] AS id, a.eid, a.iccid, part_call_ids[a.place] AS call_id,
						part_arguments[a.place] AS arguments, coalesce(part_lane_ids[a.place], lane) AS lane_id, a.known_id,
						coalesce(seconds[a.place], a.again) AS second, a.registered, a.leaving,
						CASE WHEN a.enabled THEN 1 WHEN NOT a.enabled THEN 2 ELSE 3 END AS start,
						a.msisdn, a.mno_id, a.isdr_aid, a.isdp_loadfile_aid, a.isdp_module_aid,
						-- the operation is the caller's to read: it names no ISD-P that is not
						CASE WHEN a.known_id IS NOT NULL THEN NULL
							WHEN request_for.function = 'create_isdp' THEN smsr.free_isdp_aid(a.eid)
							WHEN own OR allowed[a.place] THEN a.isdp_aid END AS isdp_aid,
						-- on its way to another shard: the call goes along
						coalesce(seconds[a.place], a.again) OR a.running
							OR EXISTS (SELECT FROM smsr.move v WHERE v.stage = 'closed')
								AND (SELECT true FROM smsr.move i WHERE i.eid = a.eid AND i.stage = 'closed' LIMIT 1) IS TRUE AS busy,
						a.barred,
						CASE
							WHEN a.known_id IS NOT NULL THEN NULL
							WHEN NOT own AND allowed[a.place] IS NOT TRUE THEN ROW(NULL, coalesce(subjects[a.place], '1.2'), coalesce(reasons[a.place], '4.2'),
								coalesce(becauses[a.place], 'the decision could not be made'))::smsr.refusal
							WHEN NOT a.registered THEN ROW(NULL, '8.1.1', '3.9', 'the EID is not registered here')::smsr.refusal
							WHEN a.leaving THEN ROW(NULL, '1.2', '4.4', 'the eUICC is being handed over to another SM-SR')::smsr.refusal
							-- registered before its keys are there (smsr.eis_without_keys)
							WHEN EXISTS (SELECT FROM smsr.keyset_listed l WHERE l.state = 'awaited')
									AND (SELECT true FROM smsr.keyset_listed l WHERE l.eid = a.eid AND l.state = 'awaited' LIMIT 1)
									AND NOT EXISTS (SELECT FROM smsr.keyset k WHERE k.eid = a.eid AND k.sd_aid = a.isdr_aid AND k.type = 'SCP80' AND k.state = 'active')
								THEN ROW(NULL, '8.4', '3.9', 'the eUICC is registered without keys: they are to be imported first')::smsr.refusal
							WHEN a.subject_code IS NOT NULL THEN ROW(NULL, a.subject_code, a.reason_code, a.because)::smsr.refusal
						END AS refusal
					FROM (SELECT f.*, known[f.place] AS known_id,
							-- of most eUICCs nobody but their owner wants anything
							EXISTS (SELECT FROM smsr.handover) AND (SELECT true FROM smsr.handover i
								WHERE i.eid = f.eid AND i.side = 'gives' LIMIT 1) IS TRUE AS leaving,
							-- to a party that has nothing to do with it, an eUICC is neither there nor busy
							NOT own AND allowed[f.place] IS NOT TRUE AND subjects[f.place] IS DISTINCT FROM '8.2.1' AS barred
						FROM smsr.card_facts(request_for.function, part_eids, part_iccids, required) f
						OFFSET 0) a
					-- so that a judgement is made once, however often it is looked at
					OFFSET 0) j
			), stored AS (
				INSERT INTO smsr.operation (id, eid, function, requester_id, requested_by, reason, call_id, iccid, isdp_aid, arguments,
					approval_id, lane_id, campaign_id, step, stage, exclusive, status, subject_code, reason_code, message, expires_at, finished_at)
				SELECT d.id, d.eid, request_for.function, me, request_for.requested_by, request_for.reason, d.call_id, d.iccid,
					CASE WHEN request_for.function <> 'create_isdp' OR NOT (d.refused OR d.waits OR approval IS NOT NULL) THEN d.isdp_aid END,
					d.arguments,
					CASE WHEN NOT d.refused THEN approval END,
					d.lane_id, campaign,
					CASE WHEN NOT d.waits AND NOT d.refused AND approval IS NULL THEN steps[d.start] END,
					CASE WHEN d.refused THEN 'finished' WHEN approval IS NOT NULL THEN 'held' WHEN d.waits THEN 'waiting' ELSE stages[d.start] END,
					-- what is held holds up nobody
					is_exclusive AND (approval IS NULL OR d.refused),
					CASE WHEN d.refused THEN 'FAILED' END,
					CASE WHEN d.refused THEN (d.refusal).subject_code END,
					CASE WHEN d.refused THEN (d.refusal).reason_code END,
					CASE WHEN d.refused THEN (d.refusal).because END,
					expiry,
					CASE WHEN d.refused THEN clock_timestamp() END
				FROM decided d
				WHERE d.known_id IS NULL
			), queued AS (
				INSERT INTO smsr.outbound (eid, operation_id, step, sd_aid, target_aid, script, destination, mno_id, lane_id, due_at, expires_at)
				SELECT d.eid, d.id, steps[d.start], d.isdr_aid, smsr.packet_target(steps[d.start], d.isdp_aid),
					smsr.es5_script(steps[d.start], d.isdp_aid, d.isdp_loadfile_aid, d.isdp_module_aid,
						d.arguments, NULL),
					d.msisdn, d.mno_id, d.lane_id,
					CASE WHEN d.msisdn IS NULL THEN 'infinity' ELSE now() END, expiry
				FROM decided d
				WHERE approval IS NULL AND d.known_id IS NULL AND NOT d.waits AND NOT d.refused
			), recorded AS MATERIALIZED (
				-- what is refused to a stranger is no part of the eUICC's own chain: he would hold it
				SELECT smsr.record_audit(array_agg(smsr.audit_entry(CASE WHEN NOT d.barred THEN d.eid END, function, d.id, me, 'FAILED',
					(d.refusal).subject_code, (d.refusal).reason_code, d.isdp_aid, d.iccid,
					CASE WHEN d.barred THEN jsonb_build_object('eid', d.eid::text) END,
					p_requested_by => request_for.requested_by, p_reason => request_for.reason) ORDER BY d.turn))
				FROM decided d
				WHERE d.known_id IS NULL AND d.refused
			), told AS (
				INSERT INTO smsr.campaign_end (campaign_id, eid, operation_id, status, subject_code, reason_code, message)
				SELECT campaign, d.eid, d.id, 'FAILED', (d.refusal).subject_code, (d.refusal).reason_code, (d.refusal).because
				FROM decided d
				WHERE d.known_id IS NULL AND d.refused AND campaign IS NOT NULL
			)
			SELECT array_agg(d.turn) FILTER (WHERE d.known_id IS NOT NULL) AS known_turns,
					array_agg(d.known_id) FILTER (WHERE d.known_id IS NOT NULL) AS known_ids,
					-- what waits behind a call of this very request that was refused
					array_agg(DISTINCT d.eid) FILTER (WHERE d.second AND d.waits) AS behind
				INTO done
				FROM decided d
					CROSS JOIN recorded;	-- one row, and a volatile call that must be made
			IF sessions THEN
				PERFORM smsr.set_bearers(part_eids, part_ids);
			END IF;
			FOR k IN 1 .. coalesce(cardinality(done.known_turns), 0) LOOP
				ids[done.known_turns[k]] := done.known_ids[k];
			END LOOP;
			IF function = 'rotate_keys' THEN
				PERFORM smsr.start_next(f.eid) FROM (SELECT DISTINCT r.eid FROM smsr.begin_rotations(me, part_eids) r (eid)) f;
			END IF;
			PERFORM smsr.start_next(b) FROM unnest(done.behind) b;
		END LOOP;
		IF approval IS NOT NULL AND EXISTS (SELECT FROM smsr.operation o WHERE o.approval_id = approval) THEN
			PERFORM smsr.ask_approval(approval, function, me, format('%s for %s eUICCs', function, n), NULL, n, approvers, expiry);
		ELSIF n > 0 THEN
			PERFORM smsr.ring();
		END IF;
		RETURN ids;
	END $$;
COMMENT ON FUNCTION smsr.request_for(text, name, text, text, smsr.eid[], smsr.iccid[], interval, text[], jsonb[], bigint[], bigint)
	IS 'smsr.request() on behalf of a party: an operation for each element of eids; of a campaign, whose caller holds the eUICCs, then each call waits in the lane given for it, and no approval is asked';

CREATE FUNCTION smsr.request(function text, eids smsr.eid[], iccids smsr.iccid[] DEFAULT NULL,
		validity interval DEFAULT NULL, call_ids text[] DEFAULT NULL, arguments jsonb[] DEFAULT NULL)
	RETURNS TABLE (eid smsr.eid, operation_id bigint)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		ids bigint[] := smsr.request_for(smsr.require_caller(function), smsr.caller(), nullif(smsr.setting('reason'), ''),
			function, eids, iccids, validity, call_ids, arguments);
	BEGIN
		-- not in FROM, where each array would be put into a store of its own first
		RETURN QUERY SELECT unnest(eids), unnest(ids);
	END $$;
COMMENT ON FUNCTION smsr.request(text, smsr.eid[], smsr.iccid[], interval, text[], jsonb[])
	IS 'Call one function of SGP.02 for many eUICCs at once. A refusal is an operation that FAILED, with its codes; an operation behind another one waits. The same call_id gives the same operation again';
