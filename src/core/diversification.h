/*
 * diversification.h
 *		The keys of a card from a master key: for the import of batches whose
 *		files have no keys, and to check the check values that came with keys.
 *
 * Keys are never derived when a packet is sent: who has a master has a fleet.
 */
#ifndef SMSR_DIVERSIFICATION_H
#define SMSR_DIVERSIFICATION_H

#include "bytes.h"
#include "error.h"
#include "sealing.h"

#define DIVERSIFICATION_KDD_LEN		10	/* key diversification data */
#define DIVERSIFICATION_MAX_KEY		32

typedef enum Diversification
{
	DIVERSIFY_VISA2,			/* triple DES, 16 octets; legacy cards */
	DIVERSIFY_EMV_CPS11,		/* triple DES, 16 octets; EMV CPS 1.1 */
	DIVERSIFY_KDF3,				/* AES, GlobalPlatform Java Cards */
	DIVERSIFY_EID				/* AES over EID, KVN and KID: our own, no standard's */
} Diversification;

extern bool diversification_parse(const char *name, Diversification *scheme);	/* "visa2" ... */
extern const char *diversification_name(Diversification scheme);

/* The key type of what a scheme makes: KEY_TYPE_DES or KEY_TYPE_AES. */
extern uint8_t diversification_key_type(Diversification scheme);

/* Three keys of a set: KIc (or ENC), KID (or MAC), DEK. */
typedef struct DiversifiedKeys
{
	uint8_t		key[3][DIVERSIFICATION_MAX_KEY];
	size_t		len;
} DiversifiedKeys;

/*
 * source: the key diversification data, or for DIVERSIFY_EID the 16 octets of
 * the EID; kvn and key_len matter to DIVERSIFY_EID alone, the others make keys
 * as long as the master.  The caller cleanses *keys; a failure leaves nothing
 * there.
 */
extern bool diversify(Diversification scheme, SmsrBytes master, SmsrBytes source, uint8_t kvn,
					  size_t key_len, DiversifiedKeys *keys, SmsrError *error);

#endif							/* SMSR_DIVERSIFICATION_H */
