/*
 * kdf.h
 *		Keys from a secret, and the checksum that is the means: AES-CMAC
 *		(NIST SP 800-38B), the counter mode of NIST SP 800-108 over it, and the
 *		key derivation function of ANSI X9.63.
 *
 * For what happens once for a card.  Packets have contexts that are kept:
 * cipher.h.
 */
#ifndef SMSR_KDF_H
#define SMSR_KDF_H

#include "bytes.h"
#include "error.h"

#define KDF_MAC_LEN		16
#define KDF_HASH_LEN	32

extern bool kdf_cmac(SmsrBytes key, const SmsrBytes *pieces, size_t count,
					 uint8_t mac[KDF_MAC_LEN], SmsrError *error);

/*
 * SP 800-108 clause 5.1 with CMAC: block i is the MAC over before, the counter
 * in counter_len octets (1 to 4), after.  out_len octets of the blocks.
 */
extern bool kdf_counter(SmsrBytes key, SmsrBytes before, size_t counter_len, SmsrBytes after,
						uint8_t *out, size_t out_len, SmsrError *error);

/* X9.63 with SHA-256 (BSI TR-03111 clause 4.3.3): H(secret, counter, shared info). */
extern bool kdf_x963(SmsrBytes secret, SmsrBytes shared_info, uint8_t *out, size_t out_len,
					 SmsrError *error);

#endif							/* SMSR_KDF_H */
