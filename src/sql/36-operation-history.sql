-- Operations that have ended.  smsr.operation is what is at hand and what ended
-- of late, so it stays small however old the database is; smsr.maintain() moves the
-- rest here.  Whoever asks for one that may have ended long ago asks
-- smsr.every_operation.

CREATE TABLE smsr.operation_history (LIKE smsr.operation) PARTITION BY RANGE (finished_at);
ALTER TABLE smsr.operation_history ALTER finished_at SET NOT NULL;
CREATE TABLE smsr.operation_history_default PARTITION OF smsr.operation_history DEFAULT;
-- as those of smsr.message: each partition's own
CREATE INDEX operation_history_default_eid ON smsr.operation_history_default (eid, id);
CREATE INDEX operation_history_default_id ON smsr.operation_history_default (id);
CREATE INDEX operation_history_default_call_id ON smsr.operation_history_default (eid, requester_id, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX operation_history_default_requester ON smsr.operation_history_default (requester_id, id);
CREATE INDEX operation_history_default_campaign ON smsr.operation_history_default (campaign_id, id) WHERE campaign_id IS NOT NULL;
CREATE INDEX operation_history_default_finished ON smsr.operation_history_default USING brin (finished_at);
COMMENT ON TABLE smsr.operation_history IS 'Operations that ended longer ago than smsr.recent_operations, as they stood in smsr.operation; only ever inserted into';
COMMENT ON TABLE smsr.operation_history_default IS 'Operations that ended at a time for which no partition was made';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON smsr.operation_history
	FOR EACH ROW EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.operation_history ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON smsr.operation_history
	EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.operation_history ENABLE ALWAYS TRIGGER append_only_truncate;
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON smsr.operation_history_default
	EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.operation_history_default ENABLE ALWAYS TRIGGER append_only_truncate;
COMMENT ON TRIGGER append_only ON smsr.operation_history IS 'What has ended is not changed';
COMMENT ON TRIGGER append_only ON smsr.operation_history_default IS 'What has ended is not changed';
COMMENT ON TRIGGER append_only_truncate ON smsr.operation_history IS 'What has ended is not deleted';
COMMENT ON TRIGGER append_only_truncate ON smsr.operation_history_default IS 'What has ended is not deleted';

CREATE VIEW smsr.every_operation WITH (security_invoker = true) AS
	SELECT * FROM smsr.operation
	UNION ALL
	SELECT * FROM smsr.operation_history;
COMMENT ON VIEW smsr.every_operation IS 'Operations, whenever they ended: smsr.operation and smsr.operation_history';

-- In order of their ends, so that an interrupted or a small step leaves no holes.
-- What expired with a doubt stays until the card has told: it keeps ISD-P AIDs from
-- being given again, and an audit may find what it made.
CREATE FUNCTION smsr.move_operations(max_operations int DEFAULT 10000) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET timezone = 'UTC'
	AS $$
	DECLARE
		eids smsr.eid[];
		ids bigint[];
		months date[];
		moved bigint;
	BEGIN
		SELECT array_agg(c.eid), array_agg(c.id), array_agg(DISTINCT date_trunc('month', c.finished_at)::date)
			INTO eids, ids, months
			FROM (SELECT o.eid, o.id, o.finished_at
				FROM smsr.operation o
				WHERE o.finished_at < now() - make_interval(secs => smsr.setting_seconds('recent_operations'))
					AND (o.status <> 'EXPIRED' OR o.message LIKE 'not sent in time;%'
						OR NOT EXISTS (SELECT FROM smsr.euicc e
							WHERE e.eid = o.eid AND (e.last_audit_at IS NULL OR e.last_audit_at <= o.finished_at)))
					-- the other SM-SR is still to be told what the card answered
					AND NOT EXISTS (SELECT FROM smsr.handover h WHERE h.eid = o.eid)
				ORDER BY o.finished_at
				LIMIT max_operations) c;
		-- a month of which an eUICC that came from another shard has brought some stays there
		PERFORM smsr.make_partition('operation_history', m) FROM unnest(months) m
			WHERE NOT EXISTS (SELECT FROM smsr.operation_history_default d
				WHERE d.finished_at >= m AND d.finished_at < m + interval '1 month');
		-- one that somebody else has moved meanwhile is not there any more
		WITH gone AS (
			DELETE FROM smsr.operation o USING unnest(eids, ids) u (eid, id)
			WHERE o.eid = u.eid AND o.id = u.id
			RETURNING o.*
		)
		INSERT INTO smsr.operation_history SELECT * FROM gone;
		GET DIAGNOSTICS moved = ROW_COUNT;
		RETURN moved;
	END $$;
COMMENT ON FUNCTION smsr.move_operations(int) IS 'Move up to so many operations that ended longer ago than smsr.recent_operations to smsr.operation_history, the oldest first; returns how many. smsr.maintain() does it';

-- ---- how long histories are kept ----

-- The audit trail is not among them: what goes of that must be covered by a
-- checkpoint, and something stays of it (37-audit-cut.sql).
CREATE FUNCTION smsr.retentions(OUT history name, OUT setting text) RETURNS SETOF record
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN QUERY VALUES ('message'::name, 'message_retention'), ('operation_history', 'operation_retention'),
			('profile_history', 'history_retention'), ('euicc_history', 'history_retention');
	END $$;
COMMENT ON FUNCTION smsr.retentions() IS 'Histories whose old months can be dropped, and the parameter that says how long each is kept';

CREATE FUNCTION smsr.drop_months(p_history name, p_before timestamptz) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET timezone = 'UTC'
	AS $$
	DECLARE
		dropped text[] := '{}';
		part record;
		key text := regexp_replace(pg_get_partkeydef(format('smsr.%I', p_history)::regclass), '^RANGE \((.*)\)$', '\1');
		pattern text := p_history || '_default';
		last timestamptz;
	BEGIN
		FOR part IN
			SELECT c.relname
			FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = format('smsr.%I', p_history)::regclass AND c.relname ~ ('^' || p_history || '_[0-9]{6}$')
				AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= p_before
			ORDER BY c.relname
		LOOP
			EXECUTE format('DROP TABLE smsr.%I', part.relname);
			dropped := dropped || part.relname::text;
		END LOOP;
		-- the default partition has the months before smsr.maintain() was first called
		EXECUTE format('SELECT max(%s) FROM smsr.%I', key, pattern) INTO last;
		IF last < p_before THEN
			EXECUTE format('ALTER TABLE smsr.%I DISABLE TRIGGER USER', pattern);
			EXECUTE format('TRUNCATE smsr.%I', pattern);
			FOR part IN SELECT t.tgname FROM pg_trigger t
				WHERE t.tgrelid = format('smsr.%I', pattern)::regclass AND NOT t.tgisinternal
			LOOP
				EXECUTE format('ALTER TABLE smsr.%I ENABLE ALWAYS TRIGGER %I', pattern, part.tgname);
			END LOOP;
			dropped := dropped || pattern::text;
		END IF;
		IF dropped <> '{}' THEN
			PERFORM smsr.record_audit(NULL, 'drop_history', p_requester => smsr.requester(), p_status => 'EXECUTED_SUCCESS',
				p_details => jsonb_build_object('history', p_history, 'before', p_before, 'dropped', to_jsonb(dropped)));
		END IF;
		RETURN cardinality(dropped);
	END $$;
COMMENT ON FUNCTION smsr.drop_months(name, timestamptz) IS 'Drop those partitions of a history that end by then, and empty its default partition if nothing in it is younger; recorded. Returns how many';

CREATE FUNCTION smsr.drop_history(history name, before timestamptz) RETURNS int
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	-- whoever reads the history stops this for a moment, and this stops him for no longer
	SET lock_timeout = '1s'
	AS $$
	BEGIN
		IF history IS NULL OR before IS NULL THEN
			RAISE EXCEPTION 'history and before must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		IF history NOT IN (SELECT r.history FROM smsr.retentions() r) THEN
			RAISE EXCEPTION '"%" is no history whose months can be dropped', history
				USING ERRCODE = 'invalid_parameter_value',
					HINT = CASE history WHEN 'audit_trail' THEN 'smsr.drop_audit_trail() drops those of the audit trail. ' ELSE '' END
						|| format('Those are %s.', (SELECT string_agg(r.history, ', ' ORDER BY r.history) FROM smsr.retentions() r));
		END IF;
		IF before > date_trunc('month', now()) THEN
			RAISE EXCEPTION 'before must not be later than the beginning of this month'
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', before);
		END IF;
		IF NOT smsr.own_only('drop_history') THEN
			RETURN NULL;
		END IF;
		RETURN smsr.drop_months(history, before);
	END $$;
COMMENT ON FUNCTION smsr.drop_history(name, timestamptz) IS 'Drop the months of a history (message, operation_history, profile_history, euicc_history) that lie before a time, for good; for administrators, recorded in the audit trail. Returns how many partitions';

CREATE FUNCTION smsr.keep_retentions() RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	SET lock_timeout = '1s'
	AS $$
	DECLARE
		r record;
		dropped int := 0;
	BEGIN
		-- first: nothing is recorded yet that somebody else would wait for
		dropped := smsr.keep_audit_retention();
		FOR r IN SELECT s.history, smsr.setting_seconds(s.setting) AS seconds FROM smsr.retentions() s LOOP
			IF r.seconds >= 0 THEN
				BEGIN
					dropped := dropped + smsr.drop_months(r.history,
						least(now() - make_interval(secs => r.seconds), date_trunc('month', now())));
				EXCEPTION WHEN lock_not_available THEN
					RAISE WARNING 'old months of % are kept until the next time: somebody is reading it', r.history;
				END;
			END IF;
		END LOOP;
		RETURN dropped;
	END $$;
COMMENT ON FUNCTION smsr.keep_retentions() IS 'Drop what smsr.audit_retention, smsr.message_retention, smsr.operation_retention and smsr.history_retention say; returns how many partitions';
