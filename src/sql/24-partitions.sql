-- Histories are partitioned by time, in months.  Each has a default partition, and
-- that is the pattern: indexes are each partition's own, because one on the parent
-- would be there before a restore creates that of the partition.

CREATE FUNCTION smsr.make_partition(history name, month date) RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT
	SET search_path = pg_catalog, smsr, pg_temp
	-- whoever makes it: months of one time zone leave no gaps
	SET timezone = 'UTC'
	AS $$
	DECLARE
		pattern regclass := format('smsr.%I', history || '_default')::regclass;
		made text := format('smsr.%I', history || '_' || to_char(month, 'YYYYMM'));
		truncation record;
	BEGIN
		IF to_regclass(made) IS NOT NULL THEN
			RETURN false;
		END IF;
		EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', made, pattern);
		EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', made);
		-- triggers for rows come with the parent, these do not
		FOR truncation IN
			SELECT t.tgname, t.tgfoid::regproc AS function
			FROM pg_trigger t WHERE t.tgrelid = pattern AND NOT t.tgisinternal AND t.tgtype & 32 <> 0
		LOOP
			EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %s EXECUTE FUNCTION %s()', truncation.tgname, made, truncation.function);
			EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', made, truncation.tgname);
		END LOOP;
		EXECUTE format('ALTER TABLE smsr.%I ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
			history, made, month, (month + interval '1 month')::date);
		RETURN true;
	END $$;
COMMENT ON FUNCTION smsr.make_partition(name, date) IS 'Make the partition of a history for the month that begins then, like its default partition; false if it is there';
