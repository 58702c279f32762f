/*
 * trust.h
 *		Whom this SM-SR trusts: certificate issuers, and what EUMs' certificates
 *		come to under them.
 */
#ifndef SMSR_TRUST_H
#define SMSR_TRUST_H

#include <openssl/evp.h>

#include "core/chain.h"
#include "datatype/timestamp.h"

#define FINGERPRINT_LEN		32	/* SHA-256 */
#define CERTIFICATES_MAX	8	/* in one document */
#define OID_TEXT_MAX		256
#define NAME_TEXT_MAX		512

/* An EUM's certificate that a trusted CI has issued. */
typedef struct EumCertificate
{
	uint8		fingerprint[FINGERPRINT_LEN];
	char		eum_id[OID_TEXT_MAX];	/* whose it is; "": nobody says */
	ChainKey	key;
	EVP_PKEY   *pkey;			/* the same for libcrypto; NULL: on a curve that it has no name for */
	TimestampTz valid_from;		/* its time and the CI's, both */
	TimestampTz valid_until;
	char		ci[NAME_TEXT_MAX];	/* the CI's subject and serial number */
} EumCertificate;

typedef struct TrustProblem
{
	const char *reason;
	bool		expired;
	const char *expected;		/* in place of a reason: what core had expected */
} TrustProblem;

extern const char *trust_problem_text(const TrustProblem *problem);

/*
 * The certificate that a document came with: ders[0 .. count - 1] are
 * certificates in DER, in any order; none of them: the one that smsr.trust_eum()
 * has of this EUM.  NULL if no trusted CI stands behind it now; *problem says
 * why.  The result stands until the next call.
 */
extern const EumCertificate *trust_find_eum(const char *eum_id, const SmsrBytes *ders,
											int count, TrustProblem *problem);

#endif							/* SMSR_TRUST_H */
