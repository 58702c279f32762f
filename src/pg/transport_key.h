/*
 * transport_key.h
 *		How an EUM wraps the key values of the EIS it sends.
 */
#ifndef SMSR_TRANSPORT_KEY_H
#define SMSR_TRANSPORT_KEY_H

#include "core/sealing.h"

#define TRANSPORT_KEYS_MAX	4

/* A row of smsr.transport_key that is valid now. */
typedef struct TransportKey
{
	int16		id;
	WrapMode	mode;
	size_t		sealed_len;
	uint8		sealed[SEALING_KEY_LEN + SEALING_OVERHEAD];
} TransportKey;

/* The EUM's rows that are valid now, the newest first; returns how many. */
extern int	transport_keys_read(const char *eum_id, TransportKey keys[TRANSPORT_KEYS_MAX]);

/* The key in locked memory; empty for mode none. */
extern SmsrBytes transport_key_open(const char *eum_id, const TransportKey *key);

#endif							/* SMSR_TRANSPORT_KEY_H */
