-- What time should have brought about and could not: kept, shown, and in nobody
-- else's way.

CREATE TABLE smsr.tick_fault (
	id bigint NOT NULL DEFAULT smsr.next_id() PRIMARY KEY,
	what text NOT NULL,
	eid smsr.eid,
	operation_id bigint,
	fault text NOT NULL,
	sqlstate text NOT NULL,
	first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	times int NOT NULL DEFAULT 1,
	next_at timestamptz NOT NULL,
	UNIQUE NULLS NOT DISTINCT (what, eid, operation_id),
	CHECK (eid IS NOT NULL OR operation_id IS NULL)
);
COMMENT ON TABLE smsr.tick_fault IS 'Errors in smsr.tick(): what it is that failed; tried again at next_at, and gone when that succeeds';
COMMENT ON COLUMN smsr.tick_fault.what IS 'The event of an operation, handover for the end of a change of SM-SR, or the part of smsr.tick()';

CREATE FUNCTION smsr.note_fault(p_what text, p_eid smsr.eid, p_operation bigint, p_fault text, p_sqlstate text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr.tick_fault AS f (what, eid, operation_id, fault, sqlstate, next_at)
			VALUES (p_what, p_eid, p_operation, p_fault, p_sqlstate, now() + interval '10 s')
			ON CONFLICT (what, eid, operation_id) DO UPDATE SET fault = excluded.fault, sqlstate = excluded.sqlstate,
				last_at = clock_timestamp(), times = f.times + 1,
				next_at = now() + least(interval '10 s' * 2 ^ least(f.times, 9), interval '1 hour');
		RAISE WARNING 'smsr.tick(): % failed: %', p_what, p_fault;
	END $$;
COMMENT ON FUNCTION smsr.note_fault(text, smsr.eid, bigint, text, text) IS 'Keep an error of smsr.tick(), which is tried again later and later';

CREATE FUNCTION smsr.put_off(p_what text, p_eid smsr.eid, p_operation bigint) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN EXISTS (SELECT FROM smsr.tick_fault f
			WHERE f.what = p_what AND f.eid IS NOT DISTINCT FROM p_eid
				AND f.operation_id IS NOT DISTINCT FROM p_operation AND f.next_at > now());
	END $$;
COMMENT ON FUNCTION smsr.put_off(text, smsr.eid, bigint) IS 'Whether this failed in smsr.tick() and is to be tried again, but not yet';

-- All at once; if one fails, each by itself, and what fails then is put off.
CREATE FUNCTION smsr.handle_events(p_eids smsr.eid[], p_ids bigint[], p_event text) RETURNS int
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		n int := 0;
		fault text;
		state text;
	BEGIN
		BEGIN
			FOR i IN 1 .. coalesce(cardinality(p_ids), 0)
			LOOP
				PERFORM smsr.handle_event(p_eids[i], p_ids[i], p_event);
			END LOOP;
			n := coalesce(cardinality(p_ids), 0);
		EXCEPTION WHEN OTHERS THEN
			FOR i IN 1 .. cardinality(p_ids)
			LOOP
				BEGIN
					PERFORM smsr.handle_event(p_eids[i], p_ids[i], p_event);
					n := n + 1;
				EXCEPTION WHEN OTHERS THEN
					GET STACKED DIAGNOSTICS fault = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
					PERFORM smsr.note_fault(p_event, p_eids[i], p_ids[i], fault, state);
				END;
			END LOOP;
		END;
		-- what has succeeded since, or is over
		DELETE FROM smsr.tick_fault f
			WHERE f.what = p_event AND f.operation_id IS NOT NULL
				AND (f.next_at <= now() OR NOT EXISTS (SELECT FROM smsr.operation o
					WHERE o.eid = f.eid AND o.id = f.operation_id AND o.status IS NULL));
		RETURN n;
	END $$;
COMMENT ON FUNCTION smsr.handle_events(smsr.eid[], bigint[], text) IS 'smsr.handle_event() for each; one that fails stops no other. Returns how many did not fail';
