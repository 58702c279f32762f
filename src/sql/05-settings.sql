-- A parameter exists only in sessions that have loaded the library, which
-- current_setting() does not do and the call of a function of it does.

CREATE FUNCTION smsr.setting(name text) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_setting'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.setting(text) IS 'Value of a parameter of this extension, named without "smsr.", as current_setting() shows it; works in a new session too';
