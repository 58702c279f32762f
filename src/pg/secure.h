/*
 * secure.h
 *		The one place in a backend where keys stand in the clear.
 */
#ifndef SMSR_SECURE_H
#define SMSR_SECURE_H

#include "core/diversification.h"
#include "core/sealing.h"

#define SECURE_SECRET_LEN		256 /* a key in digits, a PIN */
#define SECURE_STORAGE_KEYS		4	/* as many as a backend keeps unwrapped */

/*
 * One page, locked where the system allows it, that no core file shows and no
 * child inherits.  Members are valid until secure_wipe(), which the end of
 * every (sub)transaction calls too, so that an error leaves nothing behind.
 */
typedef struct SecureMemory
{
	uint8		kek[SEALING_KEY_LEN];
	uint8		storage_key[SECURE_STORAGE_KEYS][SEALING_KEY_LEN];
	uint8		transport_key[SEALING_KEY_LEN];
	uint8		secret[SECURE_SECRET_LEN];	/* on its way in */
	uint8		keyset[KEYSET_MAX_LEN]; /* what was opened last */
	uint8		wrapped[2 * KEYSET_MAX_LEN];	/* a key on its way in */
	uint8		unwrapped[3][KEYSET_MAX_LEN];	/* a set of them */
	DiversifiedKeys derived;	/* one that was made here */
} SecureMemory;

extern SecureMemory *secure_memory(void);
extern void secure_wipe(void);

#endif							/* SMSR_SECURE_H */
