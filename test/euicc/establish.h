/*
 * establish.h
 *		A card agrees on keys with an SM-SR, and forgets those of another
 *		(SGP.02 clauses 4.1.1.8 and 4.1.1.9).
 */
#ifndef FLEET_ESTABLISH_H
#define FLEET_ESTABLISH_H

#include "fleet.h"

/* In the log, behind KIND_RELAYED */
#define KIND_AUTHENTICATE	0x81
#define KIND_ESTABLISH		0x82
#define KIND_FINALISE		0x83

/*
 * False if the C-APDU is none of these three.  Else it is executed: data of the
 * answer to out, its status word to *sw, what it was to *kind.
 */
extern bool establish_execute(Fleet *fleet, Card *card, SmsrBytes apdu, SmsrWriter *out,
							  uint16_t *sw, uint8_t *kind);

#define FIRST_PSK_KVN		0x40
#define LAST_PSK_KVN		0x4F

/* A set of this version has one key: the PSK of TLS. */
extern bool is_psk_version(uint8_t kvn);

/* The key set of this version; NULL if the card has none. */
extern KeySet *card_key_set(const Card *card, uint8_t kvn);

#endif							/* FLEET_ESTABLISH_H */
