-- Secured packets, short messages and scripts: octets in, octets out.  These
-- functions see no table.  Those of SCP80 take keys in the clear, and nobody
-- may call any of them unless it is granted.

CREATE FUNCTION smsr.scp80_command(spi bytea, kic bytea, kid bytea, tar bytea, cntr bigint,
		kic_key bytea, kid_key bytea, data bytea, bearer text DEFAULT 'sms') RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_scp80_command'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 500;
REVOKE EXECUTE ON FUNCTION smsr.scp80_command(bytea, bytea, bytea, bytea, bigint, bytea, bytea, bytea, text) FROM PUBLIC;
COMMENT ON FUNCTION smsr.scp80_command(bytea, bytea, bytea, bytea, bigint, bytea, bytea, bytea, text) IS
	'Command packet from CPL on (bearer sms) or from CPI on (bearer cat_tp): SPI 2 octets, KIc, KID 1, TAR 3, counter 0 to 2^40-1; an empty key where SPI needs none (TS 102 225 clause 5.1, TS 31.115 clause 4.2)';

CREATE FUNCTION smsr.scp80_response(spi2 bytea, kic bytea, kid bytea, tar bytea, cntr bigint, status int,
		kic_key bytea, kid_key bytea, data bytea, bearer text DEFAULT 'sms') RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_scp80_response'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 500;
REVOKE EXECUTE ON FUNCTION smsr.scp80_response(bytea, bytea, bytea, bytea, bigint, int, bytea, bytea, bytea, text) FROM PUBLIC;
COMMENT ON FUNCTION smsr.scp80_response(bytea, bytea, bytea, bytea, bigint, int, bytea, bytea, bytea, text) IS
	'Response packet as a card sends it, from RPL or RPI on: SPI2, KIc, KID 1 octet each, status 0 to 255 (TS 102 225 clause 5.2, TS 31.115 clause 4.3)';

CREATE FUNCTION smsr.scp80_open_command(packet bytea, kic_key bytea, kid_key bytea, bearer text DEFAULT 'sms',
		OUT spi bytea, OUT kic bytea, OUT kid bytea, OUT tar bytea, OUT cntr bigint,
		OUT authentic boolean, OUT data bytea)
	AS 'MODULE_PATHNAME', 'smsr_scp80_open_command'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 500;
REVOKE EXECUTE ON FUNCTION smsr.scp80_open_command(bytea, bytea, bytea, text) FROM PUBLIC;
COMMENT ON FUNCTION smsr.scp80_open_command(bytea, bytea, bytea, text) IS
	'Deciphers a command packet and verifies its RC or CC; where that fails, authentic is false and data NULL (TS 102 225 clause 5.1)';

CREATE FUNCTION smsr.scp80_open_response(packet bytea, spi2 bytea, kic bytea, kid bytea,
		kic_key bytea, kid_key bytea, bearer text DEFAULT 'sms',
		OUT tar bytea, OUT cntr bigint, OUT status int, OUT authentic boolean, OUT data bytea)
	AS 'MODULE_PATHNAME', 'smsr_scp80_open_response'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 500;
REVOKE EXECUTE ON FUNCTION smsr.scp80_open_response(bytea, bytea, bytea, bytea, bytea, bytea, text) FROM PUBLIC;
COMMENT ON FUNCTION smsr.scp80_open_response(bytea, bytea, bytea, bytea, bytea, bytea, text) IS
	'Deciphers a response packet and verifies its RC or CC, with SPI2, KIc and KID of the command it answers; where that fails or the card left it out, authentic is false, data NULL and the rest a claim (TS 102 225 clause 5.2)';

CREATE FUNCTION smsr.sms_segment_count(length int) RETURNS int
	AS 'MODULE_PATHNAME', 'smsr_sms_segment_count'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.sms_segment_count(int) IS 'How many short messages a packet of so many octets takes, with references of 8 bits (3GPP TS 23.040)';

CREATE FUNCTION smsr.sms_segments(packet bytea, cpi int DEFAULT 112, reference int DEFAULT 0,
		reference_bits int DEFAULT 8) RETURNS SETOF bytea
	AS 'MODULE_PATHNAME', 'smsr_sms_segments'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10 ROWS 3;
REVOKE EXECUTE ON FUNCTION smsr.sms_segments(bytea, int, int, int) FROM PUBLIC;
COMMENT ON FUNCTION smsr.sms_segments(bytea, int, int, int) IS
	'TP-UD of each short message for a packet, header first, in order: cpi 112 (70) for a command, 113 (71) for a response; reference 0 to 255 of 8 bits or to 65535 of 16 (TS 23.040 clause 9.2.3.24, TS 31.115 clause 4)';

CREATE FUNCTION smsr.sms_reassemble(segments bytea[]) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_sms_reassemble'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
REVOKE EXECUTE ON FUNCTION smsr.sms_reassemble(bytea[]) FROM PUBLIC;
COMMENT ON FUNCTION smsr.sms_reassemble(bytea[]) IS
	'The packet in the TP-UDs of all its short messages, in any order and without their headers (TS 23.040 clause 9.2.3.24)';

CREATE FUNCTION smsr.script(c_apdus bytea[], indefinite boolean DEFAULT false) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_script'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
REVOKE EXECUTE ON FUNCTION smsr.script(bytea[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION smsr.script(bytea[], boolean) IS
	'Command scripting template of C-APDUs in expanded format, of definite length for SMS or of indefinite length for HTTPS (TS 102 226 clause 5.2)';

CREATE FUNCTION smsr.script_relayed(data bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_script_relayed'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
REVOKE EXECUTE ON FUNCTION smsr.script_relayed(bytea) FROM PUBLIC;
COMMENT ON FUNCTION smsr.script_relayed(bytea) IS
	'Command scripting template, of definite length, around command TLVs that somebody else made and secured: each whole, and not looked at (ES3.SendData of SGP.02)';

CREATE FUNCTION smsr.script_response(data bytea, OUT executed int, OUT r_apdus bytea[])
	AS 'MODULE_PATHNAME', 'smsr_script_response'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
REVOKE EXECUTE ON FUNCTION smsr.script_response(bytea) FROM PUBLIC;
COMMENT ON FUNCTION smsr.script_response(bytea) IS
	'Response scripting template: how many commands the card says it executed, and its R-APDUs, each data and SW (TS 102 226 clause 5.2)';

CREATE FUNCTION smsr.script_compact(c_apdus bytea[]) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_script_compact'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
REVOKE EXECUTE ON FUNCTION smsr.script_compact(bytea[]) FROM PUBLIC;
COMMENT ON FUNCTION smsr.script_compact(bytea[]) IS
	'C-APDUs back to back, compact format (TS 102 226 clause 5.1)';

CREATE FUNCTION smsr.script_compact_response(response bytea, OUT executed int, OUT sw bytea, OUT data bytea)
	AS 'MODULE_PATHNAME', 'smsr_script_compact_response'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
REVOKE EXECUTE ON FUNCTION smsr.script_compact_response(bytea) FROM PUBLIC;
COMMENT ON FUNCTION smsr.script_compact_response(bytea) IS
	'Response in compact format: how many commands were executed, SW (2 octets) and data of the last one (TS 102 226 clause 5.1)';
