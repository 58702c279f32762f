/*
 * crt.h
 *		The control reference template A6 of a key establishment (GlobalPlatform
 *		Card Specification Amendment A clause 4.8, scenario #3).
 *
 * Signature and receipt are over its octets, and in a change of SM-SR two
 * servers build it apart: so there is one way to write what it says, and what
 * would be written in another way is refused.
 */
#ifndef SMSR_CRT_H
#define SMSR_CRT_H

#include "bytes.h"
#include "error.h"
#include "tlv.h"

#define CRT_MAX_ID_LEN		16	/* HostID, SIN, SDIN */
#define CRT_MAX_LEN			80
#define CRT_MAX_KEY_LEN		32
#define CRT_MAX_KEYS		3

/* Scenario parameter, Amendment A table 4-20 */
#define CRT_DELETE_KEYS		0x01	/* the key sets that are there are deleted */
#define CRT_WITH_DR			0x02	/* the card puts a random of its own into the derivation */
#define CRT_WITH_IDS		0x04	/* HostID, SIN and SDIN go into it */
#define CRT_CERTIFICATE		0x08	/* a certificate went before: always, in SGP.02 */

/* Key usage qualifier, tag 95 */
#define CRT_USAGE_CHANNEL	0x10	/* three keys of a secure channel */
#define CRT_USAGE_BASE		0x5C	/* one key */

typedef struct Crt
{
	uint8_t		parameter;		/* 90, CRT_... */
	uint8_t		usage;			/* 95 */
	bool		has_access;
	uint8_t		access;			/* 96 */
	uint8_t		key_type;		/* 80: KEY_TYPE_AES or KEY_TYPE_PSK */
	uint8_t		key_len;		/* 81 */
	uint8_t		key_id;			/* 82: of the first key */
	uint8_t		kvn;			/* 83 */
	uint8_t		counter_len;	/* 91: 0, 2, 3, 5 or 8 octets */
	uint64_t	counter;		/* their number; 0 if there are none */
	SmsrBytes	sdin;			/* 45; only with CRT_WITH_IDS, as is the next */
	SmsrBytes	host_id;		/* 84 */
} Crt;

/* Appends tag A6; nothing if it is refused. */
extern bool crt_write(const Crt *crt, SmsrWriter *w, SmsrError *error);

/* What is written for crt is octet for octet what was read. */
extern bool crt_read(SmsrBytes octets, Crt *crt, SmsrError *error);

/* 3 for the keys of a secure channel, or 1 */
extern size_t crt_key_count(const Crt *crt);

#endif							/* SMSR_CRT_H */
