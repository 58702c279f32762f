-- Whether the audit trail is what was recorded: checkpoints over all chains,
-- verification, and what an auditor takes away.

CREATE TABLE smsr.audit_checkpoint (
	id bigint PRIMARY KEY CHECK (id > 0),
	taken_at timestamptz NOT NULL CHECK (isfinite(taken_at)),
	smsr_id text NOT NULL,
	first_position bigint NOT NULL,
	last_position bigint NOT NULL,
	records bigint NOT NULL CHECK (records >= 0),
	digest bytea NOT NULL CHECK (length(digest) = 32),
	previous bytea CHECK (length(previous) = 32),
	hash bytea NOT NULL CHECK (length(hash) = 32),
	seal bytea,
	CHECK ((previous IS NULL) = (id = 1))
);
COMMENT ON TABLE smsr.audit_checkpoint IS 'What the audit trail was at a moment: each covers the records since the one before it and hangs on that';
COMMENT ON COLUMN smsr.audit_checkpoint.id IS 'From 1 without a gap';
COMMENT ON COLUMN smsr.audit_checkpoint.last_position IS 'No record up to here can come later: whoever was recording had ended';
COMMENT ON COLUMN smsr.audit_checkpoint.digest IS 'SHA-256 over position and hash of all records of the range in order';
COMMENT ON COLUMN smsr.audit_checkpoint.previous IS 'Hash of the checkpoint before it';
COMMENT ON COLUMN smsr.audit_checkpoint.hash IS 'SHA-256 over the columns before this one; doc/audit.md has the octets';
COMMENT ON COLUMN smsr.audit_checkpoint.seal IS 'The hash under a storage key, which nobody makes without the KEK; NULL while there is no storage key';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON smsr.audit_checkpoint
	FOR EACH ROW EXECUTE FUNCTION smsr.append_only('seal');
ALTER TABLE smsr.audit_checkpoint ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON smsr.audit_checkpoint
	EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.audit_checkpoint ENABLE ALWAYS TRIGGER append_only_truncate;
COMMENT ON TRIGGER append_only ON smsr.audit_checkpoint IS 'No checkpoint is changed or deleted; it may be sealed again, under another storage key';
COMMENT ON TRIGGER append_only_truncate ON smsr.audit_checkpoint IS 'No checkpoint is deleted';

CREATE FUNCTION smsr.audit_fold_add(state internal, place bigint, hash bytea) RETURNS internal
	AS 'MODULE_PATHNAME', 'smsr_audit_fold_add'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.audit_fold_add(internal, bigint, bytea) IS 'One record more for smsr.audit_fold()';

CREATE FUNCTION smsr.audit_fold_end(state internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_audit_fold_end'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.audit_fold_end(internal) IS 'The result of smsr.audit_fold()';

CREATE AGGREGATE smsr.audit_fold(place bigint, hash bytea) (
	SFUNC = smsr.audit_fold_add,
	STYPE = internal,
	FINALFUNC = smsr.audit_fold_end,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = RESTRICTED
);
COMMENT ON AGGREGATE smsr.audit_fold(bigint, bytea) IS 'SHA-256 over position and hash of records, to be given in order of position: what a checkpoint says of its range';

CREATE FUNCTION smsr.wait_for_recorders() RETURNS void
	AS 'MODULE_PATHNAME', 'smsr_wait_for_recorders'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION smsr.wait_for_recorders() IS 'Wait until every transaction has ended that has written to the audit trail; new ones go on meanwhile';

CREATE FUNCTION smsr.checkpoint_hash(id bigint, taken_at timestamptz, smsr_id text, first_position bigint,
		last_position bigint, records bigint, digest bytea, previous bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_checkpoint_hash'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.checkpoint_hash(bigint, timestamptz, text, bigint, bigint, bigint, bytea, bytea) IS 'Hash of a checkpoint';

-- Nobody's to call: it seals whatever hash it is given.
CREATE FUNCTION smsr.seal_checkpoint(hash bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_seal_checkpoint'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.seal_checkpoint(bytea) IS 'A checkpoint''s hash, sealed under the active storage key';

CREATE FUNCTION smsr.reseal_checkpoint(seal bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_reseal_checkpoint'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.reseal_checkpoint(bytea) IS 'The same seal under the active storage key; NULL if it does not open';

CREATE FUNCTION smsr.checkpoint_seal_opens(hash bytea, seal bytea) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_checkpoint_seal_opens'
	LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.checkpoint_seal_opens(bytea, bytea) IS 'Whether a seal is that of this hash. A missing KEK or storage key is an error';

CREATE FUNCTION smsr.take_checkpoint() RETURNS bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		former smsr.audit_checkpoint;
		made smsr.audit_checkpoint;
		given record;
	BEGIN
		-- what others commit while we wait must be seen afterwards
		IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
			RAISE EXCEPTION 'a checkpoint can not be taken in a transaction that is %', current_setting('transaction_isolation')
				USING ERRCODE = 'invalid_transaction_state', HINT = 'Begin one that is READ COMMITTED.';
		END IF;
		LOCK TABLE smsr.audit_checkpoint IN SHARE ROW EXCLUSIVE MODE;
		SELECT * INTO former FROM smsr.audit_checkpoint c ORDER BY c.id DESC LIMIT 1;
		SELECT s.last_value, s.is_called INTO given FROM smsr.audit_position_seq s;
		PERFORM smsr.wait_for_recorders();

		made.id := coalesce(former.id, 0) + 1;
		made.taken_at := clock_timestamp();
		made.smsr_id := smsr.setting('smsr_id');
		made.first_position := coalesce(former.last_position, 0) + 1;
		made.last_position := greatest(CASE WHEN given.is_called THEN given.last_value ELSE 0 END, made.first_position - 1);
		made.previous := former.hash;
		SELECT count(*), smsr.audit_fold(t.position, t.hash ORDER BY t.position)
			INTO made.records, made.digest
			FROM smsr.audit_trail t WHERE t.position BETWEEN made.first_position AND made.last_position;
		made.hash := smsr.checkpoint_hash(made.id, made.taken_at, made.smsr_id, made.first_position,
			made.last_position, made.records, made.digest, made.previous);
		IF EXISTS (SELECT FROM smsr.storage_key k WHERE k.state = 'active') THEN
			made.seal := smsr.seal_checkpoint(made.hash);
		END IF;
		INSERT INTO smsr.audit_checkpoint SELECT made.*;
		-- the last one is missed, too, if it is taken away
		PERFORM smsr.record_audit(NULL, 'take_checkpoint', p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_build_object('checkpoint', made.id, 'hash', encode(made.hash, 'hex')));
		RETURN made.id;
	END $$;
COMMENT ON FUNCTION smsr.take_checkpoint() IS 'Take a checkpoint over all records since the last one and seal it; returns its id. It waits for whoever is recording, nobody waits for it';

CREATE FUNCTION smsr.utc(at timestamptz) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
	END $$;
COMMENT ON FUNCTION smsr.utc(timestamptz) IS 'A time in UTC to the microsecond, whatever TimeZone and DateStyle are';

CREATE FUNCTION smsr.export_checkpoint(id bigint) RETURNS text
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT json_strip_nulls(json_build_object('checkpoint', c.id, 'taken_at', smsr.utc(c.taken_at),
				'smsr_id', c.smsr_id, 'first_position', c.first_position, 'last_position', c.last_position,
				'records', c.records, 'digest', encode(c.digest, 'hex'), 'previous', encode(c.previous, 'hex'),
				'hash', encode(c.hash, 'hex')))::text
			FROM smsr.audit_checkpoint c WHERE c.id = export_checkpoint.id);
	END $$;
COMMENT ON FUNCTION smsr.export_checkpoint(bigint) IS 'A checkpoint as one line of JSON, to be kept where nobody who can write to this database can; NULL if there is none';

CREATE FUNCTION smsr.export_trail(eid smsr.eid DEFAULT NULL, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity')
	RETURNS SETOF text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN QUERY SELECT json_strip_nulls(json_build_object('eid', t.eid, 'chain_party', t.chain_party,
				'number', t.number, 'position', t.position, 'recorded_at', smsr.utc(t.recorded_at), 'smsr_id', t.smsr_id, 'operation_date', smsr.utc(t.operation_date),
				'operation_type', encode(t.operation_type, 'hex'), 'function', t.function, 'operation_id', t.operation_id,
				'requester_id', t.requester_id, 'requested_by', t.requested_by, 'reason', t.reason,
				'approved_by', t.approved_by, 'status', t.status, 'subject_code', t.subject_code,
				'reason_code', t.reason_code, 'isdp_aid', t.isdp_aid, 'iccid', t.iccid, 'imei', t.imei, 'meid', t.meid,
				-- its very octets, which another writer of JSON would not hit
				'details', t.details::text, 'hash', encode(t.hash, 'hex')))::text
			FROM smsr.audit_trail t
			WHERE (export_trail.eid IS NULL OR t.eid = export_trail.eid)
				AND t.recorded_at >= since AND t.recorded_at <= until
			ORDER BY t.eid, t.chain_party, t.number;
	END $$;
COMMENT ON FUNCTION smsr.export_trail(smsr.eid, timestamptz, timestamptz) IS 'Records as lines of JSON, of one eUICC or of all; with the lines of checkpoints all that scripts/verify-audit-trail.pl needs';

-- What is wrong with a checkpoint's seal; NULL if nothing.
CREATE FUNCTION smsr.checkpoint_seal_fault(hash bytea, seal bytea) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN CASE WHEN NOT smsr.checkpoint_seal_opens(hash, seal) THEN 'forged: its seal is not of its content' END;
	EXCEPTION WHEN OTHERS THEN
		RETURN format('its seal can not be checked: %s', SQLERRM);
	END $$;
COMMENT ON FUNCTION smsr.checkpoint_seal_fault(bytea, bytea) IS 'What is wrong with a checkpoint''s seal, or why nobody can say; NULL if it is right';

CREATE FUNCTION smsr.audit_record_at(p_eid smsr.eid, p_party text, p_number int) RETURNS SETOF smsr.audit_trail
	LANGUAGE plpgsql STABLE ROWS 1
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		-- two ways, so that each has an index
		IF p_eid IS NULL THEN
			RETURN QUERY SELECT * FROM smsr.audit_trail t WHERE t.eid IS NULL AND t.number = p_number
				AND t.chain_party IS NOT DISTINCT FROM p_party;
			RETURN QUERY SELECT r.* FROM smsr.audit_start s, jsonb_populate_record(NULL::smsr.audit_trail, to_jsonb(s)) r
				WHERE s.eid IS NULL AND s.number = p_number AND s.chain_party IS NOT DISTINCT FROM p_party;
		ELSE
			RETURN QUERY SELECT * FROM smsr.audit_trail t WHERE t.eid = p_eid AND t.number = p_number
				AND t.chain_party IS NOT DISTINCT FROM p_party;
			RETURN QUERY SELECT r.* FROM smsr.audit_start s, jsonb_populate_record(NULL::smsr.audit_trail, to_jsonb(s)) r
				WHERE s.eid = p_eid AND s.number = p_number AND s.chain_party IS NOT DISTINCT FROM p_party;
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.audit_record_at(smsr.eid, text, int) IS 'The record of a number, or of one that was dropped what is kept of it: its position and hash; several only in a trail that was tampered with';

CREATE FUNCTION smsr.audit_number_before(p_eid smsr.eid, p_party text, p_number int) RETURNS int
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF p_eid IS NULL THEN
			RETURN greatest((SELECT max(t.number) FROM smsr.audit_trail t WHERE t.eid IS NULL AND t.number < p_number
					AND t.chain_party IS NOT DISTINCT FROM p_party),
				(SELECT max(s.number) FROM smsr.audit_start s WHERE s.eid IS NULL AND s.number < p_number
					AND s.chain_party IS NOT DISTINCT FROM p_party), 0);
		END IF;
		RETURN greatest((SELECT max(t.number) FROM smsr.audit_trail t WHERE t.eid = p_eid AND t.number < p_number
				AND t.chain_party IS NOT DISTINCT FROM p_party),
			(SELECT max(s.number) FROM smsr.audit_start s WHERE s.eid = p_eid AND s.number < p_number
				AND s.chain_party IS NOT DISTINCT FROM p_party), 0);
	END $$;
COMMENT ON FUNCTION smsr.audit_number_before(smsr.eid, text, int) IS 'The highest number below that one in a chain, dropped ones among them; 0 if there is none';

CREATE FUNCTION smsr.audit_verify_chains(since timestamptz, until timestamptz)
	RETURNS TABLE (eid smsr.eid, chain_party text, number int, audit_position bigint, what text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	BEGIN
		RETURN QUERY
		WITH seen AS (
			SELECT t.eid, t.chain_party, t.number, t.position, t.hash, smsr.audit_digest(t) AS digest
			FROM smsr.audit_trail t WHERE t.recorded_at >= since AND t.recorded_at <= until
		), beside AS (
			SELECT s.*, lag(s.number) OVER w AS before_number, lag(s.hash) OVER w AS before_hash,
				lag(s.position) OVER w AS before_position, lead(s.number) OVER w AS next_number
			FROM seen s WINDOW w AS (PARTITION BY s.eid, s.chain_party ORDER BY s.number, s.position)
		), odd AS (
			-- few in a sound trail: the first of each chain within the time asked for
			SELECT b.*, r.same, r.links, r.after_position, smsr.audit_number_before(b.eid, b.chain_party, b.number) AS number_before
			FROM beside b CROSS JOIN LATERAL (
				SELECT (SELECT count(*) FROM smsr.audit_record_at(b.eid, b.chain_party, b.number)) AS same,
					coalesce(bool_or(smsr.audit_link(p.hash, b.number, b.digest) = b.hash),
						b.number = 1 AND b.hash = b.digest) AS links,
					-- of the one it hangs on, if there are several
					coalesce(max(p.position) FILTER (WHERE smsr.audit_link(p.hash, b.number, b.digest) = b.hash), max(p.position)) AS after_position
				FROM (VALUES (1)) one LEFT JOIN smsr.audit_record_at(b.eid, b.chain_party, b.number - 1) p ON true) r
			WHERE (b.before_number IS NULL AND b.number > 1) OR b.before_number <> b.number - 1
				OR smsr.audit_link(b.before_hash, b.number, b.digest) IS DISTINCT FROM b.hash
				OR b.before_position >= b.position
		), wrong AS MATERIALIZED (
			SELECT o.*, count(*) OVER (PARTITION BY o.eid, o.chain_party) AS siblings,
				coalesce(o.eid::text, 'of ' || o.chain_party, '') AS chain
			FROM odd o
			WHERE NOT o.links OR o.same > 1 OR o.after_position >= o.position
		), heads AS (
			-- GROUP BY knows NULLs to be the same, a join does not
			SELECT u.eid, u.chain_party, coalesce(u.eid::text, 'of ' || u.chain_party, '') AS chain,
				max(u.tail) AS tail, (array_agg(u.tail_hash) FILTER (WHERE u.tail IS NOT NULL))[1] AS tail_hash,
				max(u.head) AS head, (array_agg(u.head_hash) FILTER (WHERE u.head IS NOT NULL))[1] AS head_hash,
				bool_or(u.concerned) AS concerned
			FROM (SELECT b.eid, b.chain_party, b.number AS tail, b.hash AS tail_hash, NULL::int AS head, NULL::bytea AS head_hash, true AS concerned
				FROM beside b WHERE b.next_number IS NULL
				UNION ALL
				SELECT h.eid, h.chain_party, NULL, NULL, h.number, h.hash, h.recorded_at >= since AND h.recorded_at <= until
				FROM smsr.audit_head h) u
			GROUP BY u.eid, u.chain_party
		), verdict AS (
			SELECT w.eid, w.chain_party, w.number, w.position, CASE
				WHEN w.same > 1 AND w.links THEN NULL	-- of the two it is the other
				WHEN w.same > 1 THEN 'inserted: there are several records of this number'
				WHEN w.links THEN 'reordered: its position is not after that of the record before it'
				WHEN w.number > 1 AND w.number_before < w.number - 1 THEN NULL	-- said of what is missing
				WHEN w.number > h.head THEN NULL	-- said of the head
				WHEN w.siblings <= 20 THEN (
					SELECT CASE WHEN bool_or(m.number = w.number) THEN NULL
						WHEN count(*) > 0 THEN format('reordered: it was recorded as number %s', min(m.number))
						WHEN w.number = 1 THEN 'changed: its content does not give its hash'
						ELSE 'changed: it does not follow from the record before it, unless that one was changed together with its hash' END
					FROM wrong m CROSS JOIN LATERAL (
						SELECT x.hash FROM wrong x WHERE x.chain = w.chain
						UNION
						SELECT x.hash FROM smsr.audit_record_at(w.eid, w.chain_party, m.number - 1) x) p
					WHERE m.chain = w.chain
						AND smsr.audit_link(p.hash, m.number, w.digest) = w.hash)
				ELSE 'changed: it does not follow from the record before it, unless that one was changed together with its hash' END AS what
			FROM wrong w LEFT JOIN heads h ON h.chain = w.chain
			UNION ALL
			SELECT o.eid, o.chain_party, o.number_before + 1, NULL, CASE WHEN o.number_before = o.number - 2 THEN 'missing'
				ELSE format('missing: records %s to %s', o.number_before + 1, o.number - 1) END
			FROM odd o WHERE o.number > 1 AND o.number_before < o.number - 1
			UNION ALL
			SELECT h.eid, h.chain_party, coalesce(h.tail, h.head), NULL, CASE
				WHEN h.head IS NULL THEN 'the chain has no head'
				WHEN h.tail = h.head THEN 'the chain''s head was changed: it has another hash than the last record'
				WHEN h.tail > h.head THEN format('inserted, or the chain''s head was changed: it ends with record %s', h.head)
				END
			FROM heads h
			WHERE h.head IS NULL OR h.tail > h.head OR (h.tail = h.head AND h.tail_hash <> h.head_hash)
			UNION ALL
			SELECT h.eid, h.chain_party, n.before + 1, NULL, CASE WHEN n.before = h.head - 1 THEN 'missing: the last record of the chain'
				ELSE format('missing: records %s to %s, the last of the chain', n.before + 1, h.head) END
			FROM heads h CROSS JOIN LATERAL (SELECT smsr.audit_number_before(h.eid, h.chain_party, h.head + 1) AS before) n
			WHERE h.concerned AND h.tail IS DISTINCT FROM h.head AND (h.tail < h.head OR h.tail IS NULL) AND n.before < h.head
		)
		SELECT v.eid, v.chain_party, v.number, v.position, v.what FROM verdict v WHERE v.what IS NOT NULL
		ORDER BY v.eid, v.chain_party, v.number, v.position;
	END $$;
COMMENT ON FUNCTION smsr.audit_verify_chains(timestamptz, timestamptz) IS 'What is wrong with the chains that have records of that time; those before and after serve to check the first and the last';

CREATE FUNCTION smsr.audit_verify_checkpoints(since timestamptz, until timestamptz)
	RETURNS TABLE (eid smsr.eid, chain_party text, number int, audit_position bigint, what text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		-- what up to there is kept smsr.audit_verify_cut() knows
		cut CONSTANT bigint := coalesce((SELECT u.checkpoint FROM smsr.audit_cut u ORDER BY u.id DESC LIMIT 1), 0);
	BEGIN
		RETURN QUERY
		WITH before AS (
			SELECT c.*, lag(c.id) OVER w AS before_id, lag(c.hash) OVER w AS before_hash,
				lag(c.last_position) OVER w AS before_position, lag(c.taken_at) OVER w AS before_taken_at,
				bool_or(c.seal IS NOT NULL) OVER w AS sealing
			FROM smsr.audit_checkpoint c WINDOW w AS (ORDER BY c.id)
		), chosen AS MATERIALIZED (
			SELECT *, row_number() OVER (ORDER BY b.first_position, b.id)::int AS bucket
			FROM before b
			WHERE b.taken_at >= since AND (b.before_taken_at IS NULL OR b.before_taken_at <= until)
		), found AS (
			-- one scan for all of them
			SELECT c.bucket, count(*) AS records,
				smsr.audit_fold(t.position, t.hash ORDER BY t.position) AS digest
			FROM (SELECT array_agg(c.first_position ORDER BY c.first_position) AS firsts, min(c.first_position) FILTER (WHERE c.id > cut) AS first,
					max(c.last_position) AS last FROM chosen c) e
				JOIN smsr.audit_trail t ON t.position BETWEEN e.first AND e.last
				JOIN chosen c ON c.bucket = width_bucket(t.position, e.firsts) AND t.position <= c.last_position AND c.id > cut
			GROUP BY c.bucket
		), verdict (id, last_position, what) AS (
			SELECT c.id, c.last_position, x.what
			FROM chosen c LEFT JOIN found f ON f.bucket = c.bucket
				CROSS JOIN LATERAL (VALUES
					(CASE WHEN c.hash <> smsr.checkpoint_hash(c.id, c.taken_at, c.smsr_id, c.first_position, c.last_position,
						c.records, c.digest, c.previous) THEN 'changed: its content and hash do not belong together' END),
					(CASE WHEN c.seal IS NOT NULL THEN smsr.checkpoint_seal_fault(c.hash, c.seal)
						WHEN c.sealing OR EXISTS (SELECT FROM smsr.storage_key k WHERE k.created_at < c.taken_at)
							THEN 'forged: it has no seal' END),
					(CASE WHEN coalesce(c.before_id, 0) = c.id - 1 AND (c.previous IS DISTINCT FROM c.before_hash
						OR c.first_position <> coalesce(c.before_position, 0) + 1) THEN 'it does not hang on the one before it' END),
					(CASE WHEN c.id > cut AND (coalesce(f.records, 0) <> c.records OR coalesce(f.digest, sha256('')) <> c.digest)
						THEN format('records at positions %s to %s are not what it covers: %s of %s are there',
							c.first_position, c.last_position, coalesce(f.records, 0), c.records) END)) x (what)
			UNION ALL
			SELECT coalesce(c.before_id, 0) + 1, NULL, CASE WHEN coalesce(c.before_id, 0) = c.id - 2 THEN 'missing'
				ELSE format('missing, and all up to %s', c.id - 1) END
			FROM chosen c WHERE coalesce(c.before_id, 0) < c.id - 1
			UNION ALL
			-- the records of them say which there were
			SELECT (t.details ->> 'checkpoint')::bigint, t.position,
				CASE WHEN c.id IS NULL THEN 'missing' ELSE 'forged: another one was recorded when it was taken' END
			FROM smsr.audit_trail t LEFT JOIN smsr.audit_checkpoint c ON c.id = (t.details ->> 'checkpoint')::bigint
			WHERE t.eid IS NULL AND t.function = 'take_checkpoint' AND t.recorded_at >= since AND t.recorded_at <= until
				AND encode(c.hash, 'hex') IS DISTINCT FROM t.details ->> 'hash'
				-- those between others are named above
				AND (c.id IS NOT NULL OR (t.details ->> 'checkpoint')::bigint > coalesce((SELECT max(m.id) FROM smsr.audit_checkpoint m), 0))
		)
		SELECT NULL::smsr.eid, NULL::text, NULL::int, v.last_position, format('checkpoint %s: %s', v.id, v.what)
		FROM verdict v WHERE v.what IS NOT NULL
		ORDER BY v.id, v.what;
	END $$;
COMMENT ON FUNCTION smsr.audit_verify_checkpoints(timestamptz, timestamptz) IS 'What is wrong with the checkpoints that cover that time, and with what they cover';

-- As the owner: who may see only some of the records would find others missing.
CREATE FUNCTION smsr.audit_verify(since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity')
	RETURNS TABLE (eid smsr.eid, chain_party text, number int, audit_position bigint, what text)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN QUERY SELECT * FROM smsr.audit_verify_chains(since, until);
		RETURN QUERY SELECT * FROM smsr.audit_verify_checkpoints(since, until);
		RETURN QUERY SELECT * FROM smsr.audit_verify_cut();
	END $$;
COMMENT ON FUNCTION smsr.audit_verify(timestamptz, timestamptz) IS 'What is wrong with the audit trail, of all times or of records recorded in that time: changed, missing, inserted, reordered records, heads and checkpoints; no row if it is sound. Where old months were dropped it begins at the checkpoint that covers them';

CREATE FUNCTION smsr.verify_checkpoint(line text, OUT sound boolean, OUT what text)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		given record;
		here smsr.audit_checkpoint;
		cut smsr.audit_cut;
		found record;
	BEGIN
		sound := false;
		BEGIN
			SELECT (j ->> 'checkpoint')::bigint AS id, (j ->> 'taken_at')::timestamptz AS taken_at, j ->> 'smsr_id' AS smsr_id,
				(j ->> 'first_position')::bigint AS first_position, (j ->> 'last_position')::bigint AS last_position,
				(j ->> 'records')::bigint AS records, decode(j ->> 'digest', 'hex') AS digest,
				decode(j ->> 'previous', 'hex') AS previous, decode(j ->> 'hash', 'hex') AS hash
				INTO given FROM (SELECT line::jsonb AS j) l;
		EXCEPTION WHEN data_exception THEN
			what := 'this is no line of smsr.export_checkpoint()';
			RETURN;
		END;
		IF given.hash IS NULL THEN
			what := 'this is no line of smsr.export_checkpoint()';
			RETURN;
		END IF;
		IF given.hash IS DISTINCT FROM smsr.checkpoint_hash(given.id, given.taken_at, given.smsr_id,
				given.first_position, given.last_position, given.records, given.digest, given.previous) THEN
			what := 'the line was changed: its content and hash do not belong together';
			RETURN;
		END IF;
		SELECT * INTO here FROM smsr.audit_checkpoint c WHERE c.id = given.id;
		-- records were dropped: what is left is that they were sound then
		SELECT * INTO cut FROM smsr.audit_cut u ORDER BY u.id DESC LIMIT 1;
		IF cut.checkpoint >= given.id THEN
			what := CASE WHEN here.id IS NULL THEN format('checkpoint %s is missing', given.id)
				WHEN here.hash <> given.hash THEN format('checkpoint %s is another one', given.id)
				ELSE coalesce((SELECT v.what FROM smsr.audit_verify_cut() v LIMIT 1),
					(SELECT v.what FROM smsr.audit_verify_checkpoints(here.taken_at, 'infinity') v LIMIT 1)) END;
			sound := what IS NULL;
			what := coalesce(what, format('records that it covers were dropped with cut %s, at %s', cut.id, smsr.utc(cut.made_at)));
			RETURN;
		END IF;
		SELECT count(*) AS records, smsr.audit_fold(t.position, t.hash ORDER BY t.position) AS digest,
				min(t.recorded_at) AS first, max(t.recorded_at) AS last INTO found
			FROM smsr.audit_trail t WHERE t.position BETWEEN given.first_position AND given.last_position;
		what := concat_ws('; ',
			CASE WHEN here.id IS NULL THEN format('checkpoint %s is missing', given.id)
				WHEN here.hash <> given.hash THEN format('checkpoint %s is another one', given.id) END,
			CASE WHEN found.records <> given.records OR found.digest <> given.digest
				THEN format('records at positions %s to %s are not what it covers: %s of %s are there',
					given.first_position, given.last_position, found.records, given.records)
				-- it is over their hashes: these must be of what they say
				WHEN EXISTS (SELECT FROM smsr.audit_verify_chains(found.first, found.last) v
						WHERE v.audit_position BETWEEN given.first_position AND given.last_position)
					THEN 'records do not give their hashes: smsr.audit_verify() names them' END);
		sound := what = '';
		what := nullif(what, '');
	END $$;
COMMENT ON FUNCTION smsr.verify_checkpoint(text) IS 'Whether a checkpoint that was exported is in the table, and its records are what they were; what tells what is not';
