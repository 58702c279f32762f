/*
 * secure.h
 *		The one place in a backend where keys stand in the clear.
 */
#ifndef SMSR_SECURE_H
#define SMSR_SECURE_H

#include "core/diversification.h"
#include "core/establishment.h"
#include "core/sealing.h"

#define SECURE_SECRET_LEN		256 /* a key in digits, a PIN */
#define SECURE_STORAGE_KEYS		4	/* as many as a backend keeps unwrapped */

/*
 * One page, locked where the system allows it, that no core file shows and no
 * child inherits.  Members are valid until secure_wipe(), which the end of
 * every (sub)transaction calls too, so that an error leaves nothing behind.
 *
 * libcrypto computes with keys in memory of its own, on the heap: whoever keeps
 * a context there gives secure_at_end() a function that takes the key out of it
 * when the transaction ends, so that an idle backend has none outside this page.
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
	Establishment establishment;	/* its ephemeral private key */
	EstablishedKeys established;	/* and the keys that were agreed on */
} SecureMemory;

extern SecureMemory *secure_memory(void);
extern void secure_wipe(void);

/* Storage keys, for as long as the backend lives: in the same page, not wiped. */
extern uint8 *secure_kept_storage_key(int i);

/* What the end of every transaction calls, committed or not; it must not fail. */
extern void secure_at_end(void (*forget) (void));

/* Whether this backend may have a core file, from now on: smsr.core_files */
extern void secure_allow_core_files(bool allow);

#endif							/* SMSR_SECURE_H */
