/*
 * curve.h
 *		The elliptic curves of SGP.02, all of 256 bits: NIST P-256,
 *		brainpoolP256r1 and FRP256v1; ECDSA with plain signatures, and ECKA.
 *
 * A key is octets.  What libcrypto makes of it is gone, and cleansed, when a
 * function returns.
 */
#ifndef SMSR_CURVE_H
#define SMSR_CURVE_H

#include "bytes.h"
#include "error.h"

#include <openssl/ec.h>

#define CURVE_PRIVATE_LEN	32
#define CURVE_POINT_LEN		65	/* 04, X, Y: uncompressed, the only form of SGP.02 */
#define CURVE_SIGNATURE_LEN	64	/* r, s, each with its leading zeros */
#define CURVE_SECRET_LEN	32

typedef enum Curve
{
	CURVE_P256,
	CURVE_BRAINPOOL,			/* brainpoolP256r1 */
	CURVE_FRP					/* FRP256v1 */
} Curve;

/*
 * The key parameter reference of tag F0: 00 and 03 of the GlobalPlatform Card
 * Specification, 40 of SGP.02.  Curves of other lengths have one too, but SGP.02
 * has no use for them: false.
 */
extern bool curve_from_reference(uint8_t reference, Curve *curve);
extern uint8_t curve_reference(Curve curve);
extern const char *curve_name(Curve curve);

/* The curve of a name, "P-256", "brainpoolP256r1" or "FRP256v1". */
extern bool curve_parse(const char *name, Curve *curve);

/*
 * Its domain parameters, for whom needs them of libcrypto's kind; NULL if
 * libcrypto failed.  Kept, never freed.
 */
extern const EC_GROUP *curve_group(Curve curve);

/* The point is uncompressed and on the curve: then of its prime order, too. */
extern bool curve_check_point(Curve curve, SmsrBytes point, SmsrError *error);

/* A new key pair. */
extern bool curve_generate(Curve curve, uint8_t private_key[CURVE_PRIVATE_LEN],
						   uint8_t point[CURVE_POINT_LEN], SmsrError *error);

/*
 * ECDSA with SHA-256 over the pieces (BSI TR-03111 clause 5.2.1: plain format).
 * A signature that is not this key's is SMSR_BAD_VALUE on "signature".
 */
extern bool curve_sign(Curve curve, SmsrBytes private_key, const SmsrBytes *pieces, size_t count,
					   uint8_t signature[CURVE_SIGNATURE_LEN], SmsrError *error);
extern bool curve_verify(Curve curve, SmsrBytes point, const SmsrBytes *pieces, size_t count,
						 SmsrBytes signature, SmsrError *error);
/* The same for a signature in DER, as X.509 has it. */
extern bool curve_verify_der(Curve curve, SmsrBytes point, SmsrBytes message,
							 SmsrBytes signature, SmsrError *error);

/*
 * ECKA (BSI TR-03111 clause 4.3.1): the x-coordinate, with its leading zeros.
 */
extern bool curve_agree(Curve curve, SmsrBytes private_key, SmsrBytes point,
						uint8_t secret[CURVE_SECRET_LEN], SmsrError *error);

#endif							/* SMSR_CURVE_H */
