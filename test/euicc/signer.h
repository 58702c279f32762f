/*
 * signer.h
 *		The EUM of simulated fleets, and the CI above it.
 *
 * Their keys follow from nothing but this program: everybody has them.  A
 * database that trusts this CI believes whatever a simulated fleet says.
 */
#ifndef FLEET_SIGNER_H
#define FLEET_SIGNER_H

#include <stdio.h>

#include "core/curve.h"

#define SIGNER_CI			"smsr-fleet CI" /* name that its key follows from */
#define SIGNER_KEY_ID_LEN	20	/* SHA-1 of the public key (RFC 5280 clause 4.2.1.2) */

/* A key pair on P-256 that follows from a name. */
extern void signer_key(const char *name, uint8_t private_key[CURVE_PRIVATE_LEN],
					   uint8_t point[CURVE_POINT_LEN]);

/* The EUM's certificate (X.509, DER) in base64, and its subject key identifier */
extern const char *signer_certificate(void);
extern const uint8_t *signer_key_id(void);

/* By the EUM: ECDSA with SHA-256, r and s */
extern void signer_sign(const SmsrBytes *pieces, size_t count, uint8_t signature[CURVE_SIGNATURE_LEN]);

/*
 * A certificate of an SM-SR (tag 7F21) that this CI signed, and its private key,
 * both as hexadecimal digits; they follow from its name.
 */
extern bool signer_write_smsr(const char *name, FILE *certificate, FILE *key);

/* The CI's certificate in PEM; false if out can not be written. */
extern bool signer_write_ci(FILE *out);

#endif							/* FLEET_SIGNER_H */
