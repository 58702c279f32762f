-- What it says, in full.

CREATE FUNCTION smsr.decode(data bytea, kind text DEFAULT NULL) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'smsr_decode'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.decode(bytea, text) IS 'A short message, packet, script, APDU or notification in readable form, without keys; kind forces how it is read';
