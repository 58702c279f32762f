/*
 * psk_identity.h
 *		The identity by which a card's TLS finds its key (SGP.02 clause 2.4.4,
 *		table 4): EID, ISD-R and the key's numbers, as hexadecimal text.
 */
#ifndef SMSR_PSK_IDENTITY_H
#define SMSR_PSK_IDENTITY_H

#include "aid.h"
#include "bytes.h"
#include "error.h"

#define PSK_IDENTITY_LEN	90
#define PSK_IDENTITY_EID	5	/* octets in front of the EID, two digits each */

typedef struct PskIdentity
{
	uint8_t		eid[16];
	SmsrAid		isdr;			/* 16 octets */
	uint8_t		key_id;
	uint8_t		kvn;
} PskIdentity;

/* overflow if there is no room, or if the AID is of another length */
extern void psk_identity_write(const PskIdentity *identity, SmsrWriter *w);

/* Digits in either case, all else as it has to be. */
extern bool psk_identity_read(SmsrBytes text, PskIdentity *identity, SmsrError *error);

#endif							/* SMSR_PSK_IDENTITY_H */
