-- What EIS were like: versions of rows that are no more.  A version is valid from
-- when its row came to be as it was (changed_at) until it was replaced or removed,
-- that instant not included.  Rows that are inserted cost nothing here.

CREATE TABLE smsr.profile_history (
	eid smsr.eid NOT NULL,
	isdp_aid smsr.aid NOT NULL,
	until timestamptz NOT NULL,
	version jsonb NOT NULL
) PARTITION BY RANGE (until);
CREATE TABLE smsr.profile_history_default PARTITION OF smsr.profile_history DEFAULT;
-- as those of smsr.message: each partition's own
CREATE INDEX profile_history_default_eid ON smsr.profile_history_default (eid, until);
COMMENT ON TABLE smsr.profile_history IS 'Versions of rows of smsr.profile that are no more; only ever inserted into, by triggers';
COMMENT ON TABLE smsr.profile_history_default IS 'Versions that ended at a time for which no partition was made';
COMMENT ON COLUMN smsr.profile_history.until IS 'When the version ended: the time of the transaction that replaced or removed it';
COMMENT ON COLUMN smsr.profile_history.version IS 'The row, by names of columns, so that it can still be read when the table has others';

CREATE TABLE smsr.euicc_history (
	eid smsr.eid NOT NULL,
	until timestamptz NOT NULL,
	gone boolean NOT NULL DEFAULT false,
	version jsonb NOT NULL,
	signed jsonb,
	domains jsonb
) PARTITION BY RANGE (until);
CREATE TABLE smsr.euicc_history_default PARTITION OF smsr.euicc_history DEFAULT;
CREATE INDEX euicc_history_default_eid ON smsr.euicc_history_default (eid, until);
COMMENT ON TABLE smsr.euicc_history IS 'Versions of rows of smsr.euicc that are no more; only ever inserted into, by triggers';
COMMENT ON TABLE smsr.euicc_history_default IS 'Versions that ended at a time for which no partition was made';
COMMENT ON COLUMN smsr.euicc_history.gone IS 'Whether the eUICC left with it; what it was all along is kept then: signed and domains';
COMMENT ON COLUMN smsr.euicc_history.signed IS 'Its row of smsr.euicc_signed';
COMMENT ON COLUMN smsr.euicc_history.domains IS 'Its rows of smsr.euicc_security_domain';

-- History binds its owner, too, as the audit trail does; old months of it go with
-- their partitions.
DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['profile_history', 'euicc_history'] LOOP
		EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON smsr.%I
			FOR EACH ROW EXECUTE FUNCTION smsr.append_only()', t);
		EXECUTE format('ALTER TABLE smsr.%I ENABLE ALWAYS TRIGGER append_only', t);
	END LOOP;
	FOREACH t IN ARRAY ARRAY['profile_history', 'profile_history_default', 'euicc_history', 'euicc_history_default'] LOOP
		EXECUTE format('COMMENT ON TRIGGER append_only ON smsr.%I IS ''No version is changed or deleted''', t);
		EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON smsr.%I
			EXECUTE FUNCTION smsr.append_only()', t);
		EXECUTE format('ALTER TABLE smsr.%I ENABLE ALWAYS TRIGGER append_only_truncate', t);
		EXECUTE format('COMMENT ON TRIGGER append_only_truncate ON smsr.%I IS ''No version is deleted''', t);
	END LOOP;
END $$;

-- ---- since when a row is as it is ----

CREATE FUNCTION smsr.stamp_version() RETURNS trigger
	AS 'MODULE_PATHNAME', 'smsr_stamp_version'
	LANGUAGE C;
COMMENT ON FUNCTION smsr.stamp_version() IS 'Keeps changed_at: the time of the transaction that last changed the row, always after that of the version before; columns that are named as arguments do not count';

CREATE TRIGGER profile_stamp BEFORE UPDATE ON smsr.profile
	FOR EACH ROW EXECUTE FUNCTION smsr.stamp_version();
COMMENT ON TRIGGER profile_stamp ON smsr.profile IS 'Versions of a row follow each other in time, and a change of nothing is none';

-- What becomes of every message that comes in is no change of the EIS, and an update
-- of nothing else does not even ask: there is no other that occurs as often.
DO $$
DECLARE
	aside CONSTANT name[] := '{last_seen_at,last_audit_at,notification_type,notification_sequence,notification_confirmed,notification_at}';
BEGIN
	EXECUTE (SELECT format('CREATE TRIGGER euicc_stamp BEFORE UPDATE OF %s ON smsr.euicc FOR EACH ROW EXECUTE FUNCTION smsr.stamp_version(%s)',
			string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attname <> ALL (aside)),
			(SELECT string_agg(quote_literal(s), ', ') FROM unnest(aside) s))
		FROM pg_attribute a WHERE a.attrelid = 'smsr.euicc'::regclass AND a.attnum > 0 AND NOT a.attisdropped);
END $$;
COMMENT ON TRIGGER euicc_stamp ON smsr.euicc IS 'Versions of the EIS follow each other in time; what is only heard of the card makes none';

-- ---- keeping what is replaced or removed ----

CREATE FUNCTION smsr.row_version(record) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'smsr_row_version'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.row_version(record) IS 'A row as to_jsonb() writes it, in less than half the time where a statement has many of one table';

-- A row that this very transaction has made has not been a version of anything.
-- Rows of a transaction with a later time than ours ended at once.
-- No nested loop: the plan is made once, often for one row, and used for a million.
CREATE FUNCTION smsr.keep_profiles() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	SET enable_nestloop = off
	AS $$
	BEGIN
		IF TG_OP = 'UPDATE' THEN
			INSERT INTO smsr.profile_history (eid, isdp_aid, until, version)
				SELECT o.eid, o.isdp_aid, coalesce(n.changed_at, greatest(now(), o.changed_at + interval '1 microsecond')), smsr.row_version(o)
				FROM old_rows o LEFT JOIN new_rows n ON n.eid = o.eid AND n.isdp_aid = o.isdp_aid
				WHERE n.changed_at IS DISTINCT FROM o.changed_at;
		ELSIF TG_OP = 'DELETE' THEN
			INSERT INTO smsr.profile_history (eid, isdp_aid, until, version)
				SELECT o.eid, o.isdp_aid, greatest(now(), o.changed_at + interval '1 microsecond'), smsr.row_version(o)
				FROM old_rows o
				WHERE o.changed_at <> now();
		ELSE
			INSERT INTO smsr.profile_history (eid, isdp_aid, until, version)
				SELECT o.eid, o.isdp_aid, greatest(now(), o.changed_at + interval '1 microsecond'), smsr.row_version(o)
				FROM smsr.profile o
				WHERE o.changed_at <> now();
		END IF;
		RETURN NULL;
	END $$;
COMMENT ON FUNCTION smsr.keep_profiles() IS 'Keeps in smsr.profile_history what a statement has replaced or removed; what a transaction itself has written is no version';

CREATE TRIGGER profile_keep_updated AFTER UPDATE ON smsr.profile
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION smsr.keep_profiles();
COMMENT ON TRIGGER profile_keep_updated ON smsr.profile IS 'Old versions are history';
CREATE TRIGGER profile_keep_deleted AFTER DELETE ON smsr.profile
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION smsr.keep_profiles();
COMMENT ON TRIGGER profile_keep_deleted ON smsr.profile IS 'Profiles that are removed are history, also those that leave with their eUICC';
CREATE TRIGGER profile_keep_truncated BEFORE TRUNCATE ON smsr.profile
	FOR EACH STATEMENT EXECUTE FUNCTION smsr.keep_profiles();
COMMENT ON TRIGGER profile_keep_truncated ON smsr.profile IS 'There is no way around history';

CREATE FUNCTION smsr.keep_euicc() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		INSERT INTO smsr.euicc_history (eid, until, version) VALUES (OLD.eid, NEW.changed_at, to_jsonb(OLD));
		RETURN NULL;
	END $$;
COMMENT ON FUNCTION smsr.keep_euicc() IS 'Keeps in smsr.euicc_history the version of an EIS that an UPDATE has replaced';

-- Not by statement: most updates of this table are of a card that has been heard
-- of, and those need not gather rows for it.
CREATE TRIGGER euicc_keep_updated AFTER UPDATE ON smsr.euicc
	FOR EACH ROW WHEN (OLD.changed_at IS DISTINCT FROM NEW.changed_at) EXECUTE FUNCTION smsr.keep_euicc();
COMMENT ON TRIGGER euicc_keep_updated ON smsr.euicc IS 'Old versions are history; smsr.stamp_version() has told what is one';

-- Before its other rows go.  One that this transaction has changed before is kept
-- all the same, for what else is kept with it: the version before it is found first.
CREATE FUNCTION smsr.keep_gone_euicc() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		leaving smsr.eid;
	BEGIN
		IF TG_OP = 'DELETE' THEN
			leaving := OLD.eid;
		END IF;
		INSERT INTO smsr.euicc_history (eid, until, gone, version, signed, domains)
			SELECT e.eid, CASE WHEN e.changed_at > now() THEN e.changed_at + interval '1 microsecond' ELSE now() END,
				true, to_jsonb(e),
				(SELECT to_jsonb(s) FROM smsr.euicc_signed s WHERE s.eid = e.eid),
				(SELECT jsonb_agg(to_jsonb(d) ORDER BY d.role) FROM smsr.euicc_security_domain d WHERE d.eid = e.eid)
			FROM smsr.euicc e
			WHERE e.eid = leaving OR leaving IS NULL;
		RETURN OLD;
	END $$;
COMMENT ON FUNCTION smsr.keep_gone_euicc() IS 'Keeps in smsr.euicc_history an eUICC that leaves, with what the EUM signed and its security domains';

CREATE TRIGGER euicc_keep_deleted BEFORE DELETE ON smsr.euicc
	FOR EACH ROW EXECUTE FUNCTION smsr.keep_gone_euicc();
COMMENT ON TRIGGER euicc_keep_deleted ON smsr.euicc IS 'History survives the eUICC';
CREATE TRIGGER euicc_keep_truncated BEFORE TRUNCATE ON smsr.euicc
	FOR EACH STATEMENT EXECUTE FUNCTION smsr.keep_gone_euicc();
COMMENT ON TRIGGER euicc_keep_truncated ON smsr.euicc IS 'There is no way around history';

-- ---- as of an instant ----

CREATE FUNCTION smsr.euicc_at(eid smsr.eid, at timestamptz, OUT card smsr.euicc, OUT part smsr.euicc_signed,
		OUT domains smsr.euicc_security_domain[])
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		old smsr.euicc_history;
	BEGIN
		SELECT h.* INTO old FROM smsr.euicc_history h
			WHERE h.eid = euicc_at.eid AND h.until > at AND (h.version ->> 'registered_at')::timestamptz <= at
			ORDER BY h.until, h.gone LIMIT 1;
		IF FOUND THEN
			card := jsonb_populate_record(NULL::smsr.euicc, old.version);
			IF NOT old.gone THEN
				SELECT h.* INTO old FROM smsr.euicc_history h
					WHERE h.eid = euicc_at.eid AND h.until >= old.until AND h.gone
					ORDER BY h.until LIMIT 1;
			END IF;
			IF old.gone THEN
				part := jsonb_populate_record(NULL::smsr.euicc_signed, old.signed);
				domains := ARRAY(SELECT d FROM jsonb_populate_recordset(NULL::smsr.euicc_security_domain, old.domains) d);
				RETURN;
			END IF;
		ELSE
			SELECT e.* INTO card FROM smsr.euicc e WHERE e.eid = euicc_at.eid AND e.registered_at <= at;
			IF NOT FOUND THEN
				RETURN;
			END IF;
		END IF;
		-- of those that are here: nothing ever changes them
		SELECT s.* INTO part FROM smsr.euicc_signed s WHERE s.eid = euicc_at.eid;
		domains := ARRAY(SELECT d FROM smsr.euicc_security_domain d WHERE d.eid = euicc_at.eid ORDER BY d.role);
	END $$;
COMMENT ON FUNCTION smsr.euicc_at(smsr.eid, timestamptz) IS 'The rows of an eUICC as they were at an instant, also of one that has left since; NULL if it was not registered then';

CREATE FUNCTION smsr.profiles_at(eid smsr.eid, at timestamptz) RETURNS SETOF smsr.profile
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN QUERY
		SELECT r.*
		FROM (SELECT DISTINCT ON (v.isdp_aid) v.isdp_aid, v.version
			FROM (SELECT h.isdp_aid, h.until, h.version FROM smsr.profile_history h
					WHERE h.eid = profiles_at.eid AND h.until > at AND (h.version ->> 'created_at')::timestamptz <= at
				UNION ALL
				SELECT p.isdp_aid, 'infinity', to_jsonb(p) FROM smsr.profile p
					WHERE p.eid = profiles_at.eid AND p.created_at <= at) v
			ORDER BY v.isdp_aid, v.until) w,
			jsonb_populate_record(NULL::smsr.profile, w.version) r
		ORDER BY r.isdp_aid;
	END $$;
COMMENT ON FUNCTION smsr.profiles_at(smsr.eid, timestamptz) IS 'The profiles of an eUICC as they were at an instant, also of one that has left since';
