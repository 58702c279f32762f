-- Who may call what.  Values of the types are everybody's; all else is granted by name.

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA smsr FROM PUBLIC;

DO $$
DECLARE
	f regprocedure;
	t regclass;
BEGIN
	-- what stands behind operators, casts and indexes of the types reads and writes nothing
	FOR f IN
		SELECT o.oprcode FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
			WHERE p.pronamespace = 'smsr'::regnamespace
		UNION
		SELECT c.castfunc FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
			WHERE p.pronamespace = 'smsr'::regnamespace
		UNION
		-- of a cast from text that is folded into a constant
		SELECT p.oid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_proc p ON p.oid IN (t.typinput, t.typoutput)
			WHERE p.pronamespace = 'smsr'::regnamespace
		UNION
		SELECT unnest(ARRAY['smsr.pol2_ok(text[])', 'smsr.eid_hash(smsr.eid)', 'smsr.aid_tar(smsr.aid)',
			'smsr.isdp_aid(int)', 'smsr.iccid_luhn_ok(smsr.iccid)']::regprocedure[])
	LOOP
		EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', f);
	END LOOP;
	-- Default deny, for the owner too: what a role sees of a table it sees by a
	-- policy.  None is made here: they are for roles, which are the cluster's and
	-- made, with the policies, by smsr.install_roles().
	FOR t IN
		SELECT c.oid FROM pg_catalog.pg_class c
		WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p')
		ORDER BY c.oid
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
		EXECUTE pg_catalog.format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
	END LOOP;
	-- a dump carries the data of every table, the counters of every sequence
	FOR t IN
		SELECT c.oid FROM pg_catalog.pg_class c
		WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'S')
		ORDER BY c.oid
	LOOP
		-- two lanes come with the extension
		PERFORM pg_catalog.pg_extension_config_dump(t, CASE t WHEN 'smsr.lane'::regclass THEN 'WHERE id > 2' ELSE '' END);
	END LOOP;
END $$;

CREATE FUNCTION smsr.grant_gateway(role_name name) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		f regprocedure;
	BEGIN
		EXECUTE format('GRANT USAGE ON SCHEMA smsr TO %I', role_name);
		FOREACH f IN ARRAY ARRAY[
			'smsr.claim_sms(text, int, interval)'::regprocedure,
			'smsr.sms_submitted(bigint[], text[])'::regprocedure,
			'smsr.sms_refused(bigint, text, boolean)'::regprocedure,
			'smsr.release_sms(bigint[])'::regprocedure,
			'smsr.sms_delivery_report(text, text)'::regprocedure,
			'smsr.receive_sms(text, bytea)'::regprocedure,
			'smsr.receive_sms(text[], bytea[])'::regprocedure,
			'smsr.receive_sms(text, text)'::regprocedure,
			'smsr.https_psk(text)'::regprocedure,
			'smsr.https_request(text, text, text, jsonb, bytea, text, text)'::regprocedure,
			'smsr.https_next(text, text, text)'::regprocedure,
			'smsr.https_closed(text, text, text, text)'::regprocedure,
			'smsr.tick()'::regprocedure]
		LOOP
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', f, role_name);
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.grant_gateway(name) IS 'Let a role be a gateway: it may call the gateway''s functions and read nothing else';
REVOKE EXECUTE ON FUNCTION smsr.grant_gateway(name) FROM PUBLIC;
