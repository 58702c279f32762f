-- Who may do what, as core decides it.  Internal: who asks gathers the facts.

CREATE FUNCTION smsr.authority(function text, kind text, known boolean, pinned_away boolean,
		eum boolean, has boolean, profile boolean, owner boolean, maker boolean,
		plma boolean, granted boolean, holder_ok boolean,
		OUT allowed boolean, OUT subject_code text, OUT reason_code text, OUT because text)
	AS 'MODULE_PATHNAME', 'smsr_authority'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.authority(text, text, boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean, boolean)
	IS 'Whether a party of this kind may call a function, or SGP.02''s subject and reason for the refusal; a fact that is NULL counts against the party';

CREATE FUNCTION smsr.authority_rules() RETURNS TABLE (function text, kind text, needs text)
	AS 'MODULE_PATHNAME', 'smsr_authority_rules'
	LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 75;
COMMENT ON FUNCTION smsr.authority_rules() IS 'The rules that smsr.authority() goes by: function, kind of party, and what has to hold; what is not listed is refused';
