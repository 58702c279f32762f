/*
 * script.h
 *		Remote APDU formats of TS 102 226: expanded (clause 5.2) and compact
 *		(clause 5.1).
 */
#ifndef SMSR_SCRIPT_H
#define SMSR_SCRIPT_H

#include "bytes.h"
#include "error.h"
#include "tlv.h"

#define SCRIPT_COMMAND				0xAA
#define SCRIPT_COMMAND_INDEFINITE	0xAE
#define SCRIPT_RESPONSE				0xAB
#define SCRIPT_RESPONSE_INDEFINITE	0xAF
#define SCRIPT_C_APDU				0x22
#define SCRIPT_R_APDU				0x23
#define SCRIPT_EXECUTED				0x80
#define SCRIPT_IMMEDIATE_ACTION		0x81
#define SCRIPT_ERROR_ACTION			0x82
#define SCRIPT_CHAINING				0x83
#define SCRIPT_BAD_FORMAT			0x90

/* Command script of count C-APDUs. */
extern bool script_write(const SmsrBytes *c_apdus, size_t count, bool indefinite,
						 SmsrWriter *out, SmsrError *error);

/*
 * Command script around command TLVs that somebody else made and secured
 * (ES3.SendData and UpdateConnectivityParameters of SGP.02): at least one, each
 * whole; what they are is between their maker and the ISD-P, and not looked at.
 */
extern bool script_write_relayed(SmsrBytes commands, SmsrWriter *out, SmsrError *error);

/*
 * A command script of either form in the one without a length, as HTTPS has it
 * (TS 102 226 clause 5.2.1.2); its objects as they are.
 */
extern bool script_write_indefinite(SmsrBytes script, SmsrWriter *out, SmsrError *error);

/* Response script, as a card writes it: R-APDUs are data and SW together. */
extern bool script_write_response(const SmsrBytes *r_apdus, size_t count,
								  bool indefinite, SmsrWriter *out,
								  SmsrError *error);

/*
 * Walk a command or a response script: open, then next until it returns false
 * with error->code SMSR_OK (the end) or another code (a fault).
 */
typedef struct ScriptReader
{
	TlvReader	tlvs;
	uint8_t		template;		/* one of the four template tags */
	bool		indefinite;
} ScriptReader;

extern bool script_open(SmsrBytes script, ScriptReader *reader, SmsrError *error);
extern bool script_next(ScriptReader *reader, SmsrTlv *tlv, SmsrError *error);

/* What a response script says, without its R-APDUs' values. */
typedef struct ScriptResponse
{
	int			executed;		/* as the card says; the number of R-APDUs if it
								 * says nothing */
	int			r_apdus;		/* how many R-APDUs are in it */
	uint16_t	sw;				/* of the last R-APDU; 0 if there is none */
	SmsrBytes	last;			/* data of the last R-APDU, without SW */
	int			bad_format;		/* 0, or the octet of tag 90 */
	int			chaining_error; /* 0, or the octet of tag 83 */
	int			immediate_action;	/* 0, or the first octet of tag 81 */
} ScriptResponse;

extern bool script_read_response(SmsrBytes script, ScriptResponse *response,
								 SmsrError *error);

/* Compact response: number executed, SW of the last, its data. */
extern bool script_read_compact(SmsrBytes data, int *executed, uint16_t *sw,
								SmsrBytes *response, SmsrError *error);

/* One compact command script of C-APDUs back to back. */
extern bool script_write_compact(const SmsrBytes *c_apdus, size_t count,
								 SmsrWriter *out, SmsrError *error);

#endif							/* SMSR_SCRIPT_H */
