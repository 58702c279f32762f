-- What tables and functions stand on.

CREATE SEQUENCE smsr.id_seq;
COMMENT ON SEQUENCE smsr.id_seq IS 'Local part of ids; smsr.next_id() makes it unique across shards';

CREATE FUNCTION smsr.next_id() RETURNS bigint
	AS 'MODULE_PATHNAME', 'smsr_next_id'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION smsr.next_id() IS 'An id that no other shard gives: a local sequence and, in the low ten bits, smsr.shard';

CREATE FUNCTION smsr.next_ids(count int) RETURNS bigint[]
	AS 'MODULE_PATHNAME', 'smsr_next_ids'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION smsr.next_ids(int) IS 'As many ids as are asked, ascending';

CREATE FUNCTION smsr.try_lock(number int) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_try_lock'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION smsr.try_lock(int) IS 'Take a lock until the end of the transaction, or false: 1 smsr.tick(), 2 a bind''s first row in smsr.gateway_pace. Not an advisory lock, which anybody who can connect could hold';

CREATE FUNCTION smsr.pol2_ok(rules text[]) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_pol2_ok'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.pol2_ok(text[]) IS 'Whether each element is a POL2 rule, written Action/Qualification';

CREATE DOMAIN smsr.pol2 AS text[] CHECK (smsr.pol2_ok(VALUE));
COMMENT ON DOMAIN smsr.pol2 IS 'POL2: ENABLE|DISABLE|DELETE / Not-Allowed|Auto-Delete, for example {DISABLE/Not-Allowed} (SGP.02 clause 3.3)';

-- The one place where kinds of notices stand.  Those of deleted, disabled and
-- enabled and of the change of SM-SR are SGP.02 v3's; of the others, which came
-- with v4, the spelling is not established and may have to change here.
CREATE DOMAIN smsr.notice_kind AS text CHECK (VALUE IN (
	'HandleProfileDownloaded', 'HandleProfileEnabled', 'HandleProfileDisabled', 'HandleProfileDeleted',
	'HandlePOL2Updated', 'HandlePLMASetting', 'HandleFallBackAttributeSet', 'HandleFallBackAttributeUnset',
	'HandleEmergencyProfileAttributeSet', 'HandleEmergencyProfileAttributeUnset', 'HandleSMSRChange',
	-- none of SGP.02's
	'NoticesRemoved'));
COMMENT ON DOMAIN smsr.notice_kind IS 'What a notice is about: the name of a Handle..Notification of ES3 and ES4, without its last word; NoticesRemoved: that others were not kept any longer';
