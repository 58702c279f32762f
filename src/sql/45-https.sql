-- Sessions over HTTPS as core reads and writes them, callable from SQL.  Internal.
-- What comes from a card and can not be read is a fault in the result, no error.

CREATE FUNCTION smsr.read_psk_identity(identity text, OUT eid smsr.eid, OUT isdr_aid smsr.aid, OUT kvn int, OUT key_id int,
		OUT fault text)
	AS 'MODULE_PATHNAME', 'smsr_read_psk_identity'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_psk_identity(text) IS 'Whose key an identity names that a card''s TLS shows (SGP.02 clause 2.4.4, the contrary of smsr.psk_identity); the fault if it is none';

CREATE FUNCTION smsr.read_admin_from(header text, OUT eid smsr.eid, OUT aid smsr.aid, OUT fault text)
	AS 'MODULE_PATHNAME', 'smsr_read_admin_from'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_admin_from(text) IS 'Who says that it asks: the header X-Admin-From; the fault if it can not be read';

CREATE FUNCTION smsr.read_admin_uri(uri text, OUT path text, OUT notification bytea, OUT script bigint, OUT fault text)
	AS 'MODULE_PATHNAME', 'smsr_read_admin_uri'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_admin_uri(text) IS 'A request''s URI: its path, the notification that it brings as msg, and the script that it answers; the fault if it can not be read';

CREATE FUNCTION smsr.admin_protocol() RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_admin_protocol'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.admin_protocol() IS 'X-Admin-Protocol, of each request and its answer (SGP.02 clause 2.4.4)';

CREATE FUNCTION smsr.admin_script_type() RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_admin_script_type'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.admin_script_type() IS 'Content-Type of a script that a card is given';

CREATE FUNCTION smsr.read_script_status(header text) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_read_script_status'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_script_status(text) IS 'What became of a script: ok, unknown-application, not-a-security-domain or security-error (X-Admin-Script-Status); NULL if it is none of these';

CREATE FUNCTION smsr.admin_target(aid smsr.aid) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_admin_target'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.admin_target(smsr.aid) IS 'The security domain that a script is for, as X-Admin-Targeted-Application says it';

CREATE FUNCTION smsr.script_indefinite(script bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_script_indefinite'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.script_indefinite(bytea) IS 'A command script in the form without a length, as HTTPS has it (TS 102 226 clause 5.2.1.2); its commands as they are';

CREATE FUNCTION smsr.session_trigger(bearer bytea DEFAULT NULL, buffer_size int DEFAULT NULL, access_name text DEFAULT NULL,
		login text DEFAULT NULL, password text DEFAULT NULL, port int DEFAULT NULL, address inet DEFAULT NULL,
		psk_identity text DEFAULT NULL, kvn int DEFAULT NULL, key_id int DEFAULT NULL,
		retries int DEFAULT NULL, retry_delay interval DEFAULT NULL, failure_report bytea DEFAULT NULL,
		host text DEFAULT NULL, agent_id text DEFAULT NULL, uri text DEFAULT NULL) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_session_trigger'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.session_trigger(bytea, int, text, text, text, int, inet, text, int, int, int, interval, bytea, text, text, text)
	IS 'Secured data of a short message that has a card open a session (GlobalPlatform Amendment B clauses 3.7 and 3.8); for what is NULL the card takes what it has stored';

CREATE FUNCTION smsr.choose_bearer(fits_sms boolean, has_scp80 boolean, has_scp81 boolean, keys boolean DEFAULT false,
		confirms boolean DEFAULT false, relayed boolean DEFAULT false, in_session boolean DEFAULT false, polls boolean DEFAULT false,
		triggers bigint DEFAULT 0, opened bigint DEFAULT 0, packets bigint DEFAULT 0, answered bigint DEFAULT 0,
		OUT bearer text, OUT triggered boolean, OUT because text)
	AS 'MODULE_PATHNAME', 'smsr_choose_bearer'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.choose_bearer(boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean, bigint, bigint, bigint, bigint)
	IS 'Which way a command goes: sms, or https, in a session that a short message has the card open (triggered) or that it has or opens by itself; NULL: there is none. The counts are those of the kind of device, see smsr.bearer_record';

CREATE FUNCTION smsr.check_platform_commands(commands bytea) RETURNS void
	AS 'MODULE_PATHNAME', 'smsr_platform_commands'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.check_platform_commands(bytea) IS 'Nothing, if command TLVs are C-APDUs that platform management may send, those that ask and change nothing; else an error that names the offset';
