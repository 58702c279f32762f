/*
 * certificate.h
 *		Certificates in GlobalPlatform's own format, tag 7F21 (Card Specification
 *		Amendment E clause 4.2, SGP.02 clause 2.3.2): CERT.SR.ECDSA,
 *		CERT.DP.ECDSA and CERT.ECASD.ECKA.
 *
 * What is read points into the octets received; nothing is coded again, because
 * the signature is over the octets as they stand.
 */
#ifndef SMSR_CERTIFICATE_H
#define SMSR_CERTIFICATE_H

#include "bytes.h"
#include "curve.h"
#include "error.h"
#include "tlv.h"

#define CERTIFICATE_TAG		0x7F21

/* Whose it is: tag C8 in the discretionary data */
typedef enum CertificateRole
{
	CERTIFICATE_NO_ROLE = 0,	/* no C8: the certificate of an ECASD */
	CERTIFICATE_SM_DP = 1,
	CERTIFICATE_SM_SR = 2
} CertificateRole;

typedef struct Certificate
{
	SmsrBytes	signed_part;	/* from tag 93 to the end of tag 7F49 */
	SmsrBytes	serial;			/* 93 */
	SmsrBytes	issuer;			/* 42: the CI, or the EUM of an ECASD */
	SmsrBytes	subject;		/* 5F20: the EID of an ECASD */
	SmsrBytes	usage;			/* 95 */
	uint32_t	effective;		/* 5F25 as the number YYYYMMDD; 0 if there is none */
	uint32_t	expiry;			/* 5F24 */
	SmsrBytes	image;			/* 45; len 0 if there is none */
	SmsrBytes	discretionary;	/* 73, all of it */
	uint8_t		role;			/* 73/C8, a CertificateRole or what nobody knows */
	SmsrBytes	c0;				/* 73/C0; data is NULL if there is none, as of the next two */
	SmsrBytes	c1;				/* 73/C1 */
	SmsrBytes	authority_key;	/* 73/C9: subject key identifier of who signed */
	Curve		curve;			/* 7F49/F0 */
	SmsrBytes	point;			/* 7F49/B0 */
	SmsrBytes	signature;		/* 5F37 */
} Certificate;

/* Every object once, the lengths minimal, nothing behind: or refused. */
extern bool certificate_read(SmsrBytes octets, Certificate *certificate, SmsrError *error);

/* The signature is by this key, the CI's or the EUM's. */
extern bool certificate_verify(const Certificate *certificate, Curve curve, SmsrBytes point,
							   SmsrError *error);

/*
 * What can be said of a certificate without its signer's: the usage, the role,
 * the day (at: seconds since 1970), the point on its curve; for an ECASD, that
 * it is the one of this eUICC.
 */
extern bool certificate_check_off_card(const Certificate *certificate, CertificateRole role,
									   int64_t at, SmsrError *error);
extern bool certificate_check_ecasd(const Certificate *certificate, const uint8_t eid[16],
									int64_t at, SmsrError *error);

/*
 * Tag C9 against the subject key identifier of who signed.  Certificates made
 * before SGP.02 v3 have no C9: nothing to compare.
 */
extern bool certificate_check_authority(const Certificate *certificate, SmsrBytes key_identifier,
										SmsrError *error);

/* The day of a time, UTC, as the number YYYYMMDD; 0 outside the years 1 to 9999. */
extern uint32_t certificate_day(int64_t at);

/*
 * A public key as the value of tag 7F49 has it: B0 the point, F0 the key
 * parameter reference.  The point is not checked here.
 */
extern bool public_key_read(TlvReader *r, Curve *curve, SmsrBytes *point, SmsrError *error);
extern void public_key_write(SmsrWriter *w, Curve curve, SmsrBytes point);

#endif							/* SMSR_CERTIFICATE_H */
