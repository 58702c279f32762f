-- A database that was restored, or a standby that was promoted, may not know of
-- counters that were used after the state it has.  It must not send under them.

CREATE TABLE smsr.incarnation (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	system_identifier bigint NOT NULL,
	timeline int NOT NULL,
	recorded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE smsr.incarnation IS 'The server that this database last sent from: if another one reads this, counters have to be advanced first';

CREATE FUNCTION smsr.server_incarnation(OUT system_identifier bigint, OUT timeline int)
	AS 'MODULE_PATHNAME', 'smsr_server_incarnation'
	LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.server_incarnation() IS 'System identifier and timeline of this server; both are new after a restore into another cluster, the timeline after a promotion or recovery to a point in time';

CREATE FUNCTION smsr.check_incarnation() RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		here record;
		there smsr.incarnation;
	BEGIN
		SELECT * INTO here FROM smsr.server_incarnation();
		SELECT * INTO there FROM smsr.incarnation;
		IF NOT FOUND THEN
			-- the first sending of all: of two gateways one waits, this once
			INSERT INTO smsr.incarnation (system_identifier, timeline)
				VALUES (here.system_identifier, here.timeline)
				ON CONFLICT DO NOTHING;
		ELSIF there.system_identifier <> here.system_identifier OR there.timeline <> here.timeline THEN
			RAISE EXCEPTION 'this database was restored or promoted since it last sent'
				USING ERRCODE = 'object_not_in_prerequisite_state',
					DETAIL = 'Counters may have been used that it does not know of.',
					HINT = 'Call smsr.advance_counters() once, then go on.';
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.check_incarnation() IS 'Refuses to send from a server that is not the one that sent last, until smsr.advance_counters() has been called';
