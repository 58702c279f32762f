-- Key establishment with a card (ES5.EstablishISDRKeySet), as core does it; keys
-- are sealed before they leave C.

CREATE FUNCTION smsr.certificate_commands(certificate bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_certificate_commands'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.certificate_commands(bytea) IS 'EstablishISDRKeySet, first command: an SM-SR''s certificate, as command TLVs';

CREATE FUNCTION smsr.key_set_commands(certificate bytea, ecasd bytea, kvn int, counter bigint, scenario_parameter int, host_id bytea,
		ephemeral_public_key bytea, signature bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_key_set_commands'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.key_set_commands(bytea, bytea, int, bigint, int, bytea, bytea, bytea) IS 'EstablishISDRKeySet, second command, behind the one that showed this certificate; a CRT that would delete keys is an error';

CREATE FUNCTION smsr.finalise_commands(kvn int) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_finalise_commands'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.finalise_commands(int) IS 'FinaliseISDRhandover: the keys of this version stay, all others go';

CREATE FUNCTION smsr.read_challenge(response bytea, OUT challenge bytea, OUT fault text)
	AS 'MODULE_PATHNAME', 'smsr_read_challenge'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_challenge(bytea) IS 'The card''s random challenge, from its answer to the first command';

CREATE FUNCTION smsr.read_receipt(response bytea, OUT derivation_random bytea, OUT receipt bytea)
	AS 'MODULE_PATHNAME', 'smsr_read_receipt'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_receipt(bytea) IS 'The card''s receipt, and its part of the derivation if there is one, from its answer to the second command';

CREATE FUNCTION smsr.ecasd_curve(certificate bytea, eid smsr.eid, OUT curve text, OUT fault text)
	AS 'MODULE_PATHNAME', 'smsr_ecasd_curve'
	LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.ecasd_curve(bytea, smsr.eid) IS 'The curve of an ECASD''s key; the fault if the certificate is not this eUICC''s, or not valid';

CREATE FUNCTION smsr.prepare_key_set(eid smsr.eid, ecasd bytea, certificate bytea, own_sealed bytea, kvn int, counter bigint, challenge bytea,
		OUT crt bytea, OUT ephemeral_public_key bytea, OUT signature bytea, OUT sealed bytea)
	AS 'MODULE_PATHNAME', 'smsr_prepare_key_set'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.prepare_key_set(smsr.eid, bytea, bytea, bytea, int, bigint, bytea) IS 'What CreateAdditionalKeySet asks for: a new key pair, its private half sealed, and CRT, public half and challenge signed with this SM-SR''s key';

CREATE FUNCTION smsr.conclude_key_set(eid smsr.eid, sd_aid smsr.aid, kvn int, ecasd bytea, crt bytea, ephemeral_sealed bytea,
		derivation_random bytea, receipt bytea, OUT sealed bytea, OUT check_values bytea, OUT fault text)
	AS 'MODULE_PATHNAME', 'smsr_conclude_key_set'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.conclude_key_set(smsr.eid, smsr.aid, int, bytea, bytea, bytea, bytea, bytea) IS 'The key set that was agreed on, sealed, if the card''s receipt proves that it has it; else the fault';

CREATE FUNCTION smsr.reseal_own_key(certificate bytea, sealed bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_reseal_own_key'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.reseal_own_key(bytea, bytea) IS 'The private key of a certificate of ours under the active storage key; NULL if it does not open';

CREATE FUNCTION smsr.reseal_ephemeral_key(eid smsr.eid, kvn int, sealed bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_reseal_ephemeral_key'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.reseal_ephemeral_key(smsr.eid, int, bytea) IS 'The ephemeral private key of a handover under the active storage key; NULL if it does not open';

CREATE FUNCTION smsr.handover(side text, current_stage text, has_warned boolean, event text, known boolean, addressed boolean,
		OUT expected boolean, OUT stage text, OUT warned boolean, OUT effects text[],
		OUT status text, OUT subject_code text, OUT reason_code text, OUT because text)
	AS 'MODULE_PATHNAME', 'smsr_handover'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.handover(text, text, boolean, text, boolean, boolean) IS 'What becomes of a change of SM-SR at an event: its new stage, and the effects to carry out, in order; stage NULL: none is under way';
