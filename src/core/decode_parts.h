/*
 * decode_parts.h
 *		What the files of decode share: each function writes members into the
 *		object that is open.
 */
#ifndef SMSR_DECODE_PARTS_H
#define SMSR_DECODE_PARTS_H

#include "aid.h"
#include "decode.h"
#include "error.h"
#include "json.h"
#include "scp80.h"

typedef struct Decoder
{
	Json		json;
	const uint8_t *start;		/* of the whole input: offsets count from here */
} Decoder;

/* A fault that was found while part was read; its offset counts from there. */
extern void decode_fault(Decoder *d, SmsrBytes part, const SmsrError *error);
extern void decode_aid(Decoder *d, const char *key, const SmsrAid *aid);
extern void decode_length(Decoder *d, const char *key, size_t len);

/* decode.c: secured data, which is never a packet */
extern void decode_content(Decoder *d, SmsrBytes data);

/* decode_packet.c */
extern bool looks_like_packet(SmsrBytes data, bool command, Scp80Bearer bearer);
extern void decode_packet(Decoder *d, SmsrBytes packet, bool command, Scp80Bearer bearer);
/* The first short message of several: no more than its header can be read. */
extern void decode_first_segment(Decoder *d, SmsrBytes packet, bool command);

/* decode_apdu.c */
extern bool looks_like_apdu(SmsrBytes apdu);
extern void decode_apdu(Decoder *d, SmsrBytes apdu);
/* OPEN CHANNEL's objects (TS 102 223), of a PUSH or of a trigger */
extern void decode_channel(Decoder *d, const char *key, SmsrBytes objects);

/* decode_script.c */
extern void decode_script(Decoder *d, SmsrBytes script);
extern bool looks_like_answer(SmsrBytes r_apdu);
extern void decode_answer(Decoder *d, SmsrBytes r_apdu);
extern void decode_compact_response(Decoder *d, SmsrBytes data);
extern bool looks_like_trigger(SmsrBytes data);
extern void decode_trigger(Decoder *d, SmsrBytes data);

#endif							/* SMSR_DECODE_PARTS_H */
