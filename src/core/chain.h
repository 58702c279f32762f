/*
 * chain.h
 *		From a certificate up to the CI (SGP.02 clause 2.3.2): the CI and the EUMs
 *		have certificates of X.509, and under them stand those of tag 7F21.
 *
 * The CI's certificate is the anchor: the caller trusts it, because it was
 * configured.  Nothing else is trusted, and no certificate is looked up.
 * Revocation is not looked at: it is something to report, no reason for an
 * SM-SR to refuse.
 */
#ifndef SMSR_CHAIN_H
#define SMSR_CHAIN_H

#include "bytes.h"
#include "certificate.h"
#include "curve.h"
#include "error.h"

#define CHAIN_KEY_IDENTIFIER_LEN	32

/* The key of a CI or an EUM, with the identifier that what it signs bears. */
typedef struct ChainKey
{
	Curve		curve;
	uint8_t		point[CURVE_POINT_LEN];
	uint8_t		identifier[CHAIN_KEY_IDENTIFIER_LEN];	/* subject key identifier */
	size_t		identifier_len;
} ChainKey;

/*
 * The CI's key, from its X.509 certificate in DER: self-issued, a CA, valid at
 * this time (seconds since 1970).
 */
extern bool chain_read_ci(SmsrBytes ci, int64_t at, ChainKey *key, SmsrError *error);

/*
 * The EUM's key, after the EUM's certificate was found to be a CA's that this
 * CI signed and both to be valid at this time.  On FRP256v1, which libcrypto
 * refuses in X.509, the checks are core's own.
 */
extern bool chain_verify_eum(SmsrBytes eum, SmsrBytes ci, int64_t at, ChainKey *key, SmsrError *error);

/*
 * The whole way for the certificates of an eUICC and of a party: each reads it,
 * checks it with what is above it, and says what it is.
 */
extern bool chain_verify_ecasd(SmsrBytes octets, SmsrBytes eum, SmsrBytes ci, const uint8_t eid[16],
							   int64_t at, Certificate *certificate, SmsrError *error);
extern bool chain_verify_off_card(SmsrBytes octets, SmsrBytes ci, CertificateRole role,
								  int64_t at, Certificate *certificate, SmsrError *error);

#endif							/* SMSR_CHAIN_H */
