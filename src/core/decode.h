/*
 * decode.h
 *		What travels between SM-SR and card, in readable JSON.
 */
#ifndef SMSR_DECODE_H
#define SMSR_DECODE_H

#include "bytes.h"

typedef enum DecodeKind
{
	DECODE_ANY,					/* recognised by content */
	DECODE_TP_UD,
	DECODE_COMMAND_PACKET,
	DECODE_RESPONSE_PACKET,
	DECODE_SCRIPT,
	DECODE_APDU,
	DECODE_NOTIFICATION,
	DECODE_COMPACT_RESPONSE
} DecodeKind;

#define DECODE_KINDS	8

/* "tp_ud", "command_packet" ...; false for what is none. */
extern bool decode_kind_parse(const char *name, DecodeKind *kind);

/*
 * Write one JSON object into out.  Nothing is an error: what can not be read
 * is told in the object, as "fault" with field, offset and what was expected.
 * What does not fit into out is left out, and the object says "cut".
 *
 * Shown is what a packet is about.  Not shown are keys, not even enciphered
 * ones, check fields, and data whose meaning is unknown here, for that may be a
 * key too: of those the length is told.
 */
extern void decode(SmsrBytes data, DecodeKind kind, SmsrWriter *out);

#endif							/* SMSR_DECODE_H */
