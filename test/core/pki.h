/*
 * pki.h
 *		A CI, an EUM and an ECASD for the tests.  Made with libcrypto alone: what
 *		core says of them must not come from core.
 */
#ifndef SMSR_PKI_H
#define SMSR_PKI_H

#include "core/curve.h"
#include "tap.h"

#include <openssl/evp.h>

#define PKI_DAY		86400
#define PKI_NOW		INT64_C(1767225600)	/* 2026-01-01 00:00:00 UTC */

/* A new key; EVP_PKEY_free() ends its life. */
extern EVP_PKEY *pki_key(Curve curve);
extern SmsrBytes pki_point(EVP_PKEY *key);
extern SmsrBytes pki_private(EVP_PKEY *key);

/* r and s of 32 octets each */
extern SmsrBytes pki_sign(EVP_PKEY *key, SmsrBytes message);
extern SmsrBytes pki_agree(EVP_PKEY *key, EVP_PKEY *peer);
extern SmsrBytes pki_sha256(SmsrBytes message);
extern SmsrBytes pki_cmac(SmsrBytes key, SmsrBytes message);

extern SmsrBytes join(const SmsrBytes *pieces, size_t count);
#define joined(...) \
	join((const SmsrBytes[]) {__VA_ARGS__}, sizeof((const SmsrBytes[]) {__VA_ARGS__}) / sizeof(SmsrBytes))
/* tag, length in BER, value */
extern SmsrBytes object(const char *tag, SmsrBytes value);
/* one bit turned, in a copy */
extern SmsrBytes with_bit_turned(SmsrBytes octets, size_t bit);

/* What is odd about a certificate of X.509; nothing of it is a good one. */
typedef struct PkiOdd
{
	bool		no_ca;
	bool		no_key_cert_sign;
	bool		not_yet;
	bool		over;
	bool		other_issuer;
	bool		other_authority_key;
	bool		no_key_identifier;
	bool		unknown_critical;
	bool		by_name;		/* FRP256v1 by its object identifier */
	bool		sha384;
	EVP_PKEY   *claims;			/* whose identifier it has as the authority's */
} PkiOdd;

/* In DER; issuer_key NULL: by itself. */
extern SmsrBytes pki_x509(const char *name, EVP_PKEY *key, const char *issuer, EVP_PKEY *issuer_key, PkiOdd odd);
/* The subject key identifier that it has. */
extern SmsrBytes pki_key_identifier(EVP_PKEY *key);

/* Tag 7F21 around these objects and their signature. */
extern SmsrBytes pki_certificate(SmsrBytes objects, EVP_PKEY *signer);
/* The value of 7F49 */
extern SmsrBytes pki_public_key(Curve curve, EVP_PKEY *key);
extern SmsrBytes pki_ecasd(SmsrBytes eid, Curve curve, EVP_PKEY *key, EVP_PKEY *eum);
extern SmsrBytes pki_sm_sr(Curve curve, EVP_PKEY *key, EVP_PKEY *ci);

#endif							/* SMSR_PKI_H */
