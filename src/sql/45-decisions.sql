-- What core decides, callable from SQL.  Internal: the functions of the SM-SR
-- below are made of these.

CREATE FUNCTION smsr.lifecycle(profile_state text, fallback boolean, pol2 text[],
		enabled_state text, enabled_pol2 text[], event text, emergency boolean DEFAULT false,
		OUT state text, OUT subject_code text, OUT reason_code text, OUT because text)
	AS 'MODULE_PATHNAME', 'smsr_lifecycle'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.lifecycle(text, boolean, text[], text, text[], text, boolean)
	IS 'The new state of a profile after an event, or SGP.02''s subject and reason for a refusal; NULL state: no such ISD-P';

CREATE FUNCTION smsr.procedure(function text, current_step text, current_stage text, current_doubt text,
		has_failed boolean, has_warned boolean, event text,
		por_status int DEFAULT NULL, sw int DEFAULT NULL, resyncs int DEFAULT NULL,
		notification_type int DEFAULT NULL, names_target boolean DEFAULT NULL,
		attempts int DEFAULT NULL, target_enabled boolean DEFAULT NULL,
		target_gone boolean DEFAULT NULL, auto_delete boolean DEFAULT NULL,
		card_state text DEFAULT NULL, card_fallback boolean DEFAULT NULL,
		card_left_gone boolean DEFAULT NULL,
		keys_pending boolean DEFAULT NULL, keys_replace boolean DEFAULT NULL, keys_mute boolean DEFAULT NULL,
		keys_match boolean DEFAULT NULL, keys_differ boolean DEFAULT NULL,
		keys_told boolean DEFAULT NULL, keys_there boolean DEFAULT NULL,
		executed boolean DEFAULT NULL, more_chunks boolean DEFAULT NULL,
		OUT step text, OUT stage text, OUT doubt text, OUT failed boolean, OUT warned boolean,
		OUT effects text[], OUT status text, OUT subject_code text, OUT reason_code text, OUT because text)
	AS 'MODULE_PATHNAME', 'smsr_procedure'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.procedure(text, text, text, text, boolean, boolean, text, int, int, int, int, boolean, int, boolean, boolean, boolean, text, boolean, boolean,
	boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean)
	IS 'What becomes of an operation at an event: its new step and stage, and the effects to carry out, in order';

CREATE FUNCTION smsr.procedure_exclusive(function text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_procedure_exclusive'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.procedure_exclusive(text) IS 'Whether operations of this function run one at a time on an eUICC';

CREATE FUNCTION smsr.packet_target(step text, isdp_aid smsr.aid) RETURNS smsr.aid
	AS 'MODULE_PATHNAME', 'smsr_packet_target'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.packet_target(text, smsr.aid) IS 'The security domain whose TAR a step''s packet carries: the ISD-P for what is relayed to it, NULL for what is for the ISD-R';

CREATE FUNCTION smsr.resync_distance(resyncs int) RETURNS bigint
	AS 'MODULE_PATHNAME', 'smsr_resync_distance'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.resync_distance(int) IS 'How far a counter is moved ahead on the n-th resynchronisation, counted from 0';

CREATE FUNCTION smsr.es5_script(step text, isdp_aid smsr.aid, loadfile_aid smsr.aid, module_aid smsr.aid,
		arguments jsonb, sequence int) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_es5_script'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION smsr.es5_script(text, smsr.aid, smsr.aid, smsr.aid, jsonb, int)
	IS 'Expanded command script of one step (SGP.02 clause 4.1.1); arguments of the operation, sequence of the notification to confirm. An argument that is missing or wrong is an error';

CREATE FUNCTION smsr.read_response(data bytea, OUT executed int, OUT sw int, OUT response bytea,
		OUT bad_format int, OUT fault text)
	AS 'MODULE_PATHNAME', 'smsr_read_response'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_response(bytea) IS 'A response script: commands executed, status word and data of the last; what can not be read is a fault, not an error';

CREATE FUNCTION smsr.read_audit(data bytea, OUT isdp_aid smsr.aid, OUT state text, OUT fallback boolean,
		OUT allocated_memory bigint, OUT remaining_memory bigint) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'smsr_read_audit'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 4;
COMMENT ON FUNCTION smsr.read_audit(bytea) IS 'The ISD-Ps that an audit''s response script names; memory in octets';

CREATE FUNCTION smsr.audit_complete(data bytea) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_audit_complete'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.audit_complete(bytea) IS 'Whether an ISD-P that the audit''s answer does not name is not on the card';

CREATE FUNCTION smsr.read_resources(data bytea) RETURNS bigint
	AS 'MODULE_PATHNAME', 'smsr_read_resources'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_resources(bytea) IS 'Free non-volatile memory in octets, from an audit''s response script; NULL if it says nothing';

CREATE FUNCTION smsr.read_deleted(data bytea) RETURNS smsr.aid[]
	AS 'MODULE_PATHNAME', 'smsr_read_deleted'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_deleted(bytea) IS 'ISD-Ps that the card deleted for POL1, from its answer to a confirmation';

CREATE FUNCTION smsr.read_key_versions(data bytea) RETURNS int[]
	AS 'MODULE_PATHNAME', 'smsr_read_key_versions'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_key_versions(bytea) IS 'Versions of the key sets that a card says it has (GlobalPlatform key information); NULL if its response script does not say';

CREATE FUNCTION smsr.read_notification(data bytea, OUT eid smsr.eid, OUT type int, OUT sequence int,
		OUT isdp_aid smsr.aid, OUT imei bytea, OUT meid bytea, OUT fault text)
	AS 'MODULE_PATHNAME', 'smsr_read_notification'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_notification(bytea) IS 'A default notification (SGP.02 clause 4.1.1.11); the fault if it can not be read';

CREATE FUNCTION smsr.profile_guard() RETURNS trigger
	AS 'MODULE_PATHNAME', 'smsr_profile_guard'
	LANGUAGE C;
COMMENT ON FUNCTION smsr.profile_guard() IS 'Refuses an UPDATE of a profile''s state that no event of the life cycle leads to';

CREATE TRIGGER profile_guard BEFORE UPDATE OF state ON smsr.profile
	FOR EACH ROW EXECUTE FUNCTION smsr.profile_guard();
COMMENT ON TRIGGER profile_guard ON smsr.profile IS 'No impossible state, whoever writes; not on INSERT, so that a restore is free';
