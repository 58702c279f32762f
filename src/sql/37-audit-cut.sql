-- How old months of the audit trail go: only what a sealed checkpoint covers and
-- what was sound when it went.  What stays of them is the checkpoints, the heads,
-- and where each chain goes on; verification begins there.

CREATE TABLE smsr.audit_start (
	eid smsr.eid,
	chain_party text,
	number int NOT NULL CHECK (number > 0),
	position bigint,
	hash bytea NOT NULL CHECK (length(hash) = 32),
	cut bigint,
	UNIQUE NULLS NOT DISTINCT (eid, chain_party, number),
	CHECK (eid IS NULL OR chain_party IS NULL)
);
COMMENT ON TABLE smsr.audit_start IS 'Where chains go on: of each run of records of a chain that were dropped together, the last';
COMMENT ON COLUMN smsr.audit_start.number IS 'Of the record that was dropped; as position and hash';
COMMENT ON COLUMN smsr.audit_start.position IS 'NULL if it was dropped on another shard';
COMMENT ON COLUMN smsr.audit_start.cut IS 'Which of smsr.audit_cut dropped it; NULL: one of another shard';

CREATE TABLE smsr.audit_cut (
	id bigint PRIMARY KEY CHECK (id > 0),
	made_at timestamptz NOT NULL CHECK (isfinite(made_at)),
	checkpoint bigint NOT NULL,
	checkpoint_hash bytea NOT NULL CHECK (length(checkpoint_hash) = 32),
	last_position bigint NOT NULL,
	dropped bigint NOT NULL CHECK (dropped >= 0),
	kept bigint NOT NULL CHECK (kept >= 0),
	kept_digest bytea NOT NULL CHECK (length(kept_digest) = 32),
	starts bigint NOT NULL CHECK (starts >= 0),
	starts_digest bytea NOT NULL CHECK (length(starts_digest) = 32),
	previous bytea CHECK (length(previous) = 32),
	hash bytea NOT NULL CHECK (length(hash) = 32),
	CHECK ((previous IS NULL) = (id = 1))
);
COMMENT ON TABLE smsr.audit_cut IS 'Each time old months of the audit trail were dropped: up to which checkpoint records are not all there any more, and what was kept; the newest counts';
COMMENT ON COLUMN smsr.audit_cut.checkpoint IS 'All that was dropped it covers, or one before it; with those after it verification begins';
COMMENT ON COLUMN smsr.audit_cut.last_position IS 'That of the checkpoint';
COMMENT ON COLUMN smsr.audit_cut.dropped IS 'Records that went';
COMMENT ON COLUMN smsr.audit_cut.kept IS 'Records up to last_position that stayed; younger months have some of them';
COMMENT ON COLUMN smsr.audit_cut.kept_digest IS 'SHA-256 over position and hash of these in order, as that of a checkpoint';
COMMENT ON COLUMN smsr.audit_cut.starts_digest IS 'SHA-256 over the rows of smsr.audit_start that are of this shard';
COMMENT ON COLUMN smsr.audit_cut.hash IS 'SHA-256 over the columns before this one; the trail''s record of the cut has it, and a checkpoint covers that';

DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['audit_start', 'audit_cut'] LOOP
		EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON smsr.%I
			FOR EACH ROW EXECUTE FUNCTION smsr.append_only()', t);
		EXECUTE format('ALTER TABLE smsr.%I ENABLE ALWAYS TRIGGER append_only', t);
		EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON smsr.%I
			EXECUTE FUNCTION smsr.append_only()', t);
		EXECUTE format('ALTER TABLE smsr.%I ENABLE ALWAYS TRIGGER append_only_truncate', t);
	END LOOP;
END $$;
COMMENT ON TRIGGER append_only ON smsr.audit_start IS 'Only smsr.drop_audit_trail() removes what it has moved on';
COMMENT ON TRIGGER append_only_truncate ON smsr.audit_start IS 'Where a chain goes on is not forgotten';
COMMENT ON TRIGGER append_only ON smsr.audit_cut IS 'What was dropped and what was kept then is not changed';
COMMENT ON TRIGGER append_only_truncate ON smsr.audit_cut IS 'What was dropped is not forgotten';

-- ---- what they hash to ----

CREATE FUNCTION smsr.audit_start_digest(start smsr.audit_start) RETURNS bytea
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN sha256(convert_to(format(E'smsr audit start 1\n%s\n%s\n%s\n%s\n%s', start.eid, start.chain_party, start.number,
			start.position, encode(start.hash, 'hex')), 'UTF8'));
	END $$;
COMMENT ON FUNCTION smsr.audit_start_digest(smsr.audit_start) IS 'SHA-256 over where a chain goes on; doc/audit.md has the octets';

CREATE FUNCTION smsr.audit_cut_hash(cut smsr.audit_cut) RETURNS bytea
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN sha256(convert_to(format(E'smsr audit cut 1\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s', cut.id, smsr.utc(cut.made_at),
			cut.checkpoint, encode(cut.checkpoint_hash, 'hex'), cut.last_position, cut.dropped, cut.kept, encode(cut.kept_digest, 'hex'),
			cut.starts, encode(cut.starts_digest, 'hex'), encode(cut.previous, 'hex')), 'UTF8'));
	END $$;
COMMENT ON FUNCTION smsr.audit_cut_hash(smsr.audit_cut) IS 'SHA-256 over a cut; doc/audit.md has the octets';

CREATE FUNCTION smsr.audit_starts(OUT starts bigint, OUT digest bytea)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		-- in an order that no collation changes
		SELECT count(*), coalesce(smsr.audit_fold(d.number, d.digest ORDER BY d.digest), sha256('')) INTO starts, digest
			FROM (SELECT s.number, smsr.audit_start_digest(s) AS digest FROM smsr.audit_start s WHERE s.cut IS NOT NULL) d;
	END $$;
COMMENT ON FUNCTION smsr.audit_starts() IS 'How many chains'' records were dropped here, and a digest over where they go on';

CREATE FUNCTION smsr.export_cut() RETURNS SETOF text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN QUERY SELECT json_strip_nulls(json_build_object('cut', c.id, 'made_at', smsr.utc(c.made_at), 'checkpoint', c.checkpoint,
				'checkpoint_hash', encode(c.checkpoint_hash, 'hex'), 'last_position', c.last_position, 'dropped', c.dropped,
				'kept', c.kept, 'kept_digest', encode(c.kept_digest, 'hex'), 'starts', c.starts,
				'starts_digest', encode(c.starts_digest, 'hex'), 'previous', encode(c.previous, 'hex'), 'hash', encode(c.hash, 'hex')))::text
			FROM smsr.audit_cut c ORDER BY c.id;
		RETURN QUERY SELECT json_strip_nulls(json_build_object('start', s.number, 'eid', s.eid, 'chain_party', s.chain_party,
				'position', s.position, 'hash', encode(s.hash, 'hex'), 'of', s.cut))::text
			FROM smsr.audit_start s ORDER BY s.eid, s.chain_party, s.number;
	END $$;
COMMENT ON FUNCTION smsr.export_cut() IS 'What was dropped of the audit trail and where its chains go on, as lines of JSON: scripts/verify-audit-trail.pl needs them with the trail and its checkpoints';

-- ---- whether they are what they were ----

CREATE FUNCTION smsr.audit_verify_cut()
	RETURNS TABLE (eid smsr.eid, chain_party text, number int, audit_position bigint, what text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		newest smsr.audit_cut;
		stand record;
		kept record;
	BEGIN
		SELECT * INTO newest FROM smsr.audit_cut c ORDER BY c.id DESC LIMIT 1;
		-- what the trail says was cut
		RETURN QUERY
		SELECT NULL::smsr.eid, NULL::text, NULL::int, t.position, format('cut %s: missing', t.details ->> 'cut')
		FROM smsr.audit_trail t
		WHERE t.eid IS NULL AND t.function = 'drop_audit_trail' AND (t.details ->> 'cut')::bigint > coalesce(newest.id, 0);
		IF newest.id IS NULL THEN
			RETURN;
		END IF;
		RETURN QUERY
		SELECT NULL::smsr.eid, NULL::text, NULL::int, NULL::bigint, format('cut %s: %s', c.id, x.what)
		FROM (SELECT c AS row, c.*, lag(c.id) OVER w AS before_id, lag(c.hash) OVER w AS before_hash
				FROM smsr.audit_cut c WINDOW w AS (ORDER BY c.id)) c
			CROSS JOIN LATERAL (VALUES
				(CASE WHEN c.hash <> smsr.audit_cut_hash(c.row) THEN 'changed: its content and hash do not belong together' END),
				(CASE WHEN coalesce(c.before_id, 0) <> c.id - 1 OR c.previous IS DISTINCT FROM c.before_hash
					THEN 'it does not hang on the one before it' END),
				(CASE WHEN NOT EXISTS (SELECT FROM smsr.audit_checkpoint k WHERE k.id = c.checkpoint AND k.hash = c.checkpoint_hash
						AND k.last_position = c.last_position)
					THEN format('checkpoint %s is not the one that it was made by', c.checkpoint) END)) x (what)
		WHERE x.what IS NOT NULL
		ORDER BY c.id;
		SELECT t.position, t.details ->> 'hash' AS hash INTO stand
			FROM smsr.audit_trail t
			WHERE t.eid IS NULL AND t.function = 'drop_audit_trail' AND (t.details ->> 'cut')::bigint = newest.id
			ORDER BY t.details ->> 'hash' = encode(newest.hash, 'hex') DESC LIMIT 1;
		SELECT count(*) AS records, coalesce(smsr.audit_fold(t.position, t.hash ORDER BY t.position), sha256('')) AS digest INTO kept
			FROM smsr.audit_trail t WHERE t.position <= newest.last_position;
		RETURN QUERY
		SELECT NULL::smsr.eid, NULL::text, NULL::int, stand.position, format('cut %s: %s', newest.id, x.what)
		FROM smsr.audit_starts() s
			CROSS JOIN LATERAL (VALUES
				(CASE WHEN stand.position IS NULL THEN 'forged: it is not in the trail'
					WHEN stand.hash IS DISTINCT FROM encode(newest.hash, 'hex') THEN 'forged: another one was recorded when it was made' END),
				-- whose seal nobody makes without the KEK
				(CASE WHEN stand.position > (SELECT coalesce(max(k.last_position), 0) FROM smsr.audit_checkpoint k)
					THEN 'no checkpoint covers its record' END),
				(CASE WHEN kept.records <> newest.kept OR kept.digest <> newest.kept_digest
					THEN format('records at positions up to %s are not what was kept: %s of %s are there',
						newest.last_position, kept.records, newest.kept) END),
				(CASE WHEN s.starts <> newest.starts OR s.digest <> newest.starts_digest
					THEN 'where chains go on is not what was kept' END)) x (what)
		WHERE x.what IS NOT NULL;
		-- of a chain that was dropped as a whole its head is what there is
		RETURN QUERY
		SELECT s.eid, s.chain_party, s.number, s.position, CASE WHEN h.number IS NULL THEN 'the chain has no head'
			ELSE 'the chain''s head was changed: it has another hash than the last record' END
		FROM smsr.audit_start s
			LEFT JOIN LATERAL (SELECT h.number, h.hash FROM smsr.audit_head h WHERE h.eid = s.eid
				UNION ALL
				SELECT h.number, h.hash FROM smsr.audit_head h WHERE s.eid IS NULL AND h.eid IS NULL
					AND h.chain_party IS NOT DISTINCT FROM s.chain_party) h ON true
		WHERE h.number IS NULL OR h.number = s.number AND h.hash <> s.hash
		ORDER BY 1, 2, 3;
		-- what was dropped does not come back
		RETURN QUERY
		SELECT DISTINCT t.eid, t.chain_party, t.number, t.position, 'inserted: records after it have been dropped'
		FROM smsr.audit_start s CROSS JOIN LATERAL (
			SELECT t.* FROM smsr.audit_trail t WHERE t.eid = s.eid AND t.number <= s.number
			UNION ALL
			SELECT t.* FROM smsr.audit_trail t WHERE s.eid IS NULL AND t.eid IS NULL AND t.number <= s.number
				AND t.chain_party IS NOT DISTINCT FROM s.chain_party) t
		WHERE t.position > s.position OR t.number = s.number
		ORDER BY 1, 2, 3, 4;
	END $$;
COMMENT ON FUNCTION smsr.audit_verify_cut() IS 'What is wrong with what is left of months that were dropped: the newest cut, what was kept then, where chains go on';

-- ---- dropping ----

CREATE FUNCTION smsr.cut_audit_trail(p_before timestamptz, p_approved_by text DEFAULT NULL) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET timezone = 'UTC'
	AS $$
	DECLARE
		until CONSTANT timestamptz := date_trunc('month', p_before);
		parts text[];
		going oid[];
		part text;
		n bigint;
		last bigint;
		records bigint := 0;
		covering smsr.audit_checkpoint;
		former smsr.audit_cut;
		made smsr.audit_cut;
		fault record;
	BEGIN
		-- none is taken meanwhile; and before what it waits for is locked here
		LOCK TABLE smsr.audit_checkpoint IN SHARE ROW EXCLUSIVE MODE;
		parts := ARRAY(SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = 'smsr.audit_trail'::regclass AND c.relname ~ '^audit_trail_[0-9]{6}$'
				AND to_date(right(c.relname, 6), 'YYYYMM') < until
			ORDER BY c.relname);
		-- the months before smsr.maintain() was first called, and what came from other shards
		IF (SELECT max(t.recorded_at) FROM smsr.audit_trail_default t) < until THEN
			parts := parts || 'audit_trail_default'::text;
		END IF;
		IF parts = '{}' THEN
			RETURN 0;
		END IF;
		-- nothing is written there any more but what comes from another shard
		FOREACH part IN ARRAY parts LOOP
			EXECUTE format('LOCK TABLE smsr.%I IN SHARE MODE', part);
			EXECUTE format('SELECT count(*), greatest(max(t.position), $1) FROM smsr.%I t', part) INTO n, last USING last;
			records := records + n;
		END LOOP;
		going := ARRAY(SELECT format('smsr.%I', p)::regclass::oid FROM unnest(parts) p);

		IF records > 0 THEN
			SELECT * INTO former FROM smsr.audit_cut c ORDER BY c.id DESC LIMIT 1;
			SELECT * INTO covering FROM smsr.audit_checkpoint c
				WHERE c.last_position >= last AND c.id >= coalesce(former.checkpoint, 1) ORDER BY c.id LIMIT 1;
			IF NOT FOUND THEN
				RAISE EXCEPTION 'no checkpoint covers the audit trail before %', until
					USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'smsr.take_checkpoint() takes one.';
			ELSIF covering.seal IS NULL THEN
				RAISE EXCEPTION 'checkpoint %, which covers the audit trail before %, is not sealed', covering.id, until
					USING ERRCODE = 'object_not_in_prerequisite_state',
						HINT = 'With a storage key (smsr.create_storage_key()) smsr.take_checkpoint() seals those that it takes from then on.';
			END IF;
			SELECT v.* INTO fault FROM (
				SELECT * FROM smsr.audit_verify_chains('-infinity', until)
				UNION ALL SELECT * FROM smsr.audit_verify_checkpoints('-infinity', covering.taken_at)
				UNION ALL SELECT * FROM smsr.audit_verify_cut()) v LIMIT 1;
			IF FOUND THEN
				RAISE EXCEPTION 'the audit trail before % is not sound, and is kept', until
					USING ERRCODE = 'object_not_in_prerequisite_state',
						DETAIL = CASE WHEN fault.number IS NULL THEN format('%s.', fault.what)
							ELSE format('Chain of %s, record %s: %s.', coalesce(fault.eid::text, fault.chain_party, 'the SM-SR'), fault.number, fault.what) END,
						HINT = 'smsr.audit_verify() names all that is wrong.';
			END IF;
			-- those whose next record goes, too, are no ends any more
			ALTER TABLE smsr.audit_start DISABLE TRIGGER append_only;
			DELETE FROM smsr.audit_start s USING smsr.audit_trail t
				WHERE t.recorded_at < until AND t.tableoid = ANY (going) AND t.eid = s.eid AND t.number = s.number + 1;
			DELETE FROM smsr.audit_start s USING smsr.audit_trail t
				WHERE t.recorded_at < until AND t.tableoid = ANY (going) AND t.eid IS NULL AND s.eid IS NULL
					AND t.chain_party IS NOT DISTINCT FROM s.chain_party AND t.number = s.number + 1;
			ALTER TABLE smsr.audit_start ENABLE ALWAYS TRIGGER append_only;
			-- of each run of records that go, the last
			made.id := coalesce(former.id, 0) + 1;
			INSERT INTO smsr.audit_start (eid, chain_party, number, position, hash, cut)
				SELECT g.eid, g.chain_party, g.number, g.position, g.hash, made.id
				FROM (SELECT t.eid, t.chain_party, t.number, t.position, t.hash,
						lead(t.number) OVER (PARTITION BY t.eid, t.chain_party ORDER BY t.number) AS next
					FROM smsr.audit_trail t WHERE t.recorded_at < until AND t.tableoid = ANY (going)) g
				WHERE g.next IS DISTINCT FROM g.number + 1;
			SELECT count(*), coalesce(smsr.audit_fold(t.position, t.hash ORDER BY t.position), sha256('')) INTO made.kept, made.kept_digest
				FROM smsr.audit_trail t WHERE t.position <= covering.last_position AND NOT (t.recorded_at < until AND t.tableoid = ANY (going));
			SELECT s.starts, s.digest INTO made.starts, made.starts_digest FROM smsr.audit_starts() s;
			made.made_at := clock_timestamp();
			made.checkpoint := covering.id;
			made.checkpoint_hash := covering.hash;
			made.last_position := covering.last_position;
			made.dropped := records;
			made.previous := former.hash;
			made.hash := smsr.audit_cut_hash(made);
			INSERT INTO smsr.audit_cut SELECT made.*;
		END IF;

		-- those who are recording end, and new ones wait: from here on it is short
		LOCK TABLE smsr.audit_head IN SHARE ROW EXCLUSIVE MODE;
		FOREACH part IN ARRAY parts LOOP
			IF part = 'audit_trail_default' THEN
				ALTER TABLE smsr.audit_trail_default DISABLE TRIGGER append_only_truncate;
				TRUNCATE smsr.audit_trail_default;
				ALTER TABLE smsr.audit_trail_default ENABLE ALWAYS TRIGGER append_only_truncate;
			ELSE
				EXECUTE format('DROP TABLE smsr.%I', part);
			END IF;
		END LOOP;
		PERFORM smsr.record_audit(NULL, 'drop_audit_trail', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
			p_approved_by => p_approved_by,
			p_details => jsonb_strip_nulls(jsonb_build_object('before', p_before, 'dropped', to_jsonb(parts), 'records', records,
				'cut', made.id, 'hash', encode(made.hash, 'hex'), 'checkpoint', made.checkpoint)));
		-- it covers that record, so that nobody forges a cut without the KEK
		IF made.id IS NOT NULL THEN
			PERFORM smsr.take_checkpoint();
		END IF;
		RETURN cardinality(parts);
	END $$;
COMMENT ON FUNCTION smsr.cut_audit_trail(timestamptz, text) IS 'Drop the months of the audit trail that end by then, if a sealed checkpoint covers them and all in them is sound; recorded, and a checkpoint is taken. Returns how many partitions';

CREATE FUNCTION smsr.drop_audit_trail(before timestamptz) RETURNS int
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	-- less than deadlock_timeout: whoever records is not the one to be given up
	SET lock_timeout = '500ms'
	AS $$
	BEGIN
		IF before IS NULL THEN
			RAISE EXCEPTION 'before must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		IF before > date_trunc('month', now()) THEN
			RAISE EXCEPTION 'before must not be later than the beginning of this month'
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', before);
		END IF;
		IF NOT smsr.own_only('drop_audit_trail')
			OR NOT smsr.second_person('drop_audit_trail', format('the audit trail before %s is dropped', before), to_jsonb(before)) THEN
			RETURN NULL;
		END IF;
		RETURN smsr.cut_audit_trail(before, (SELECT a.decided_by::text FROM smsr.approval a
			WHERE a.id = smsr.used_approval('drop_audit_trail')));
	END $$;
COMMENT ON FUNCTION smsr.drop_audit_trail(timestamptz) IS 'Drop the months of the audit trail that lie before a time, for good, if a sealed checkpoint covers them and they are sound; verification begins at that checkpoint then. For administrators, recorded. Returns how many partitions; NULL: refused, or it waits for a second person';

CREATE FUNCTION smsr.keep_audit_retention() RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET lock_timeout = '500ms'
	AS $$
	DECLARE
		seconds double precision := smsr.setting_seconds('audit_retention');
		dropped int := 0;
	BEGIN
		IF seconds < 0 THEN
			RETURN 0;
		ELSIF smsr.approver_roles('drop_audit_trail', smsr.setting('smsr_id'), 1) IS NOT NULL THEN
			RAISE WARNING 'old months of the audit trail are kept: a rule asks for a second person'
				USING HINT = 'smsr.drop_audit_trail() drops them, once that is approved.';
			RETURN 0;
		END IF;
		BEGIN
			dropped := smsr.cut_audit_trail(least(now() - make_interval(secs => seconds), date_trunc('month', now())));
		EXCEPTION
			WHEN lock_not_available THEN
				RAISE WARNING 'old months of audit_trail are kept until the next time: somebody is reading it, or recording';
			WHEN object_not_in_prerequisite_state THEN
				RAISE WARNING 'old months of audit_trail are kept: %', SQLERRM;
		END;
		RETURN dropped;
	END $$;
COMMENT ON FUNCTION smsr.keep_audit_retention() IS 'Drop what smsr.audit_retention says, unless a rule asks for a second person for that; returns how many partitions';
