/*
 * identity.h
 *		Who a card is: everything that follows from the seed and its number.
 *
 * The simulator and the EIS it writes share these rules, so that a database
 * filled from one knows the other's cards.
 */
#ifndef FLEET_IDENTITY_H
#define FLEET_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/curve.h"
#include "core/eid.h"
#include "core/iccid.h"

#define KEY_LEN			16		/* AES-128, the least SGP.02 allows */
#define KEYS			3		/* KIc, KID, DEK */
#define FLEET_KVN		2
#define FIRST_TAR		0x0010
#define CARD_MEMORY		600000	/* octets for profiles */
#define PROFILE_MEMORY	50000	/* of each profile that is there at the start */
#define MAX_SERIAL		99999999

#define OID_EUM			"1.3.6.1.4.1.99999.1"
#define OID_EUM_OCTETS	"2B06010401868D1F01"	/* the same in DER, without tag and length */
#define OID_SMDP		"1.3.6.1.4.1.99999.2"
#define OID_OPERATOR	"1.3.6.1.4.1.99999.%u"	/* 3 for the first operator */
#define OID_SMSR		"1.3.6.1.4.1.99999.9"

/* 890490320010, six digits of the seed, twelve of the serial number, check digits */
extern void identity_eid(uint64_t seed, uint64_t serial, uint8_t eid[EID_LEN]);
extern bool identity_serial(uint64_t seed, const uint8_t eid[EID_LEN], uint64_t *serial);
extern void identity_keys(uint64_t seed, uint64_t serial, uint8_t keys[KEYS][KEY_LEN]);
/* The same of a batch whose keys follow from a master key, as doc/keys.md has scheme eid-cmac */
extern void identity_derived_keys(const uint8_t master[KEY_LEN], const uint8_t eid[EID_LEN],
								  uint8_t kvn, uint8_t keys[KEYS][KEY_LEN]);
/* The key for TLS, of cards that are made with one; no master key has a part in it */
extern void identity_psk(uint64_t seed, uint64_t serial, uint8_t key[KEY_LEN]);
/* The ECASD's key pair on P-256, for key establishment */
extern void identity_ecasd_key(uint64_t seed, uint64_t serial, uint8_t private_key[CURVE_PRIVATE_LEN],
							   uint8_t point[CURVE_POINT_LEN]);
extern void identity_iccid(uint64_t seed, uint64_t serial, uint16_t tar, uint8_t iccid[ICCID_LEN]);

/* 49, eight digits of the serial number, five of the TAR counted from 000010 */
extern uint64_t identity_msisdn(uint64_t serial, uint16_t tar);
extern uint64_t identity_imsi(uint64_t serial, uint16_t tar, unsigned owner);
extern void identity_imei(uint64_t serial, uint8_t imei[8]);

/* The operator (0-based) that owns the profile at this TAR, unless told otherwise. */
extern unsigned identity_operator(uint16_t tar, unsigned operators);

#endif							/* FLEET_IDENTITY_H */
