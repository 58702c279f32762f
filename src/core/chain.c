/*
 * chain.c
 *		From a certificate up to the CI.
 */
#include "chain.h"

#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <openssl/x509_vfy.h>

#define TAG_SEQUENCE	0x30
#define TAG_BIT_STRING	0x03

/* FRP256v1 by name; libcrypto knows no number for it. */
#define FRP_OID			"1.2.250.1.223.101.256.1"

static bool
crypto_failed(SmsrError *error)
{
	ERR_clear_error();
	return smsr_fail(error, SMSR_CRYPTO, "X.509 certificate", 0, "libcrypto to do it");
}

/* The outer structure of a certificate: what is signed, and the signature. */
typedef struct SignedOctets
{
	SmsrBytes	tbs;
	SmsrBytes	signature;
} SignedOctets;

static bool
read_sequence(TlvReader *r, const char *field, SmsrTlv *tlv, SmsrError *error)
{
	if (!tlv_read_minimal(r, field, tlv, error))
		return false;
	if (tlv->tag != TAG_SEQUENCE)
		return smsr_fail(error, SMSR_BAD_VALUE, field, tlv->offset, "a SEQUENCE");
	return true;
}

/*
 * From the octets received: what libcrypto would code again need not be what
 * was signed.
 */
static bool
read_signed(SmsrBytes der, const char *field, SignedOctets *octets, SmsrError *error)
{
	TlvReader	r = tlv_reader(der);
	SmsrTlv		tlv;

	if (!read_sequence(&r, field, &tlv, error))
		return false;
	if (!tlv_at_end(&r))
		return smsr_fail(error, SMSR_BAD_LENGTH, field, r.pos, "nothing more");
	r = tlv_inside(&r, tlv.value);
	if (!read_sequence(&r, field, &tlv, error))
		return false;
	octets->tbs = smsr_bytes(der.data + tlv.offset, r.pos - tlv.offset);
	if (!read_sequence(&r, field, &tlv, error) ||
		!tlv_read_minimal(&r, field, &tlv, error))
		return false;
	if (tlv.tag != TAG_BIT_STRING || tlv.value.len < 1 || tlv.value.data[0] != 0)
		return smsr_fail(error, SMSR_BAD_VALUE, field, tlv.offset, "a signature in a BIT STRING of whole octets");
	octets->signature = smsr_bytes(tlv.value.data + 1, tlv.value.len - 1);
	if (!tlv_at_end(&r))
		return smsr_fail(error, SMSR_BAD_LENGTH, field, r.pos, "nothing more");
	return true;
}

static X509 *
read_x509(SmsrBytes der, const char *field, SignedOctets *octets, SmsrError *error)
{
	const unsigned char *p = der.data;
	X509	   *x;

	if (!read_signed(der, field, octets, error))
		return NULL;
	x = d2i_X509(NULL, &p, (long) der.len);
	if (x == NULL)
	{
		ERR_clear_error();
		smsr_fail(error, SMSR_BAD_VALUE, field, 0, "a certificate of X.509 in DER");
	}
	return x;
}

/* Domain parameters: a curve by its name, or FRP256v1 spelt out. */
static bool
read_domain(const X509_ALGOR *algorithm, Curve *curve)
{
	const ASN1_OBJECT *name;
	const void *value;
	int			type;

	X509_ALGOR_get0(&name, &type, &value, algorithm);
	if (OBJ_obj2nid(name) != NID_X9_62_id_ecPublicKey)
		return false;
	if (type == V_ASN1_OBJECT)
	{
		char		oid[sizeof(FRP_OID)];

		switch (OBJ_obj2nid(value))
		{
			case NID_X9_62_prime256v1:
				*curve = CURVE_P256;
				return true;
			case NID_brainpoolP256r1:
				*curve = CURVE_BRAINPOOL;
				return true;
			default:
				*curve = CURVE_FRP;
				return OBJ_obj2txt(oid, sizeof(oid), value, 1) == (int) strlen(FRP_OID) &&
					strcmp(oid, FRP_OID) == 0;
		}
	}
	if (type == V_ASN1_SEQUENCE)
	{
		const ASN1_STRING *sequence = value;
		const unsigned char *p = ASN1_STRING_get0_data(sequence);
		EC_GROUP   *group = d2i_ECPKParameters(NULL, &p, ASN1_STRING_length(sequence));
		bool		frp = group != NULL && curve_group(CURVE_FRP) != NULL &&
			EC_GROUP_cmp(group, curve_group(CURVE_FRP), NULL) == 0;

		EC_GROUP_free(group);
		*curve = CURVE_FRP;
		return frp;
	}
	return false;
}

static bool
read_key(X509 *x, const char *field, ChainKey *key, SmsrError *error)
{
	X509_PUBKEY *spki = X509_get_X509_PUBKEY(x);
	const ASN1_OCTET_STRING *identifier = X509_get0_subject_key_id(x);
	X509_ALGOR *algorithm;
	const unsigned char *point;
	int			len;

	if (spki == NULL || X509_PUBKEY_get0_param(NULL, &point, &len, &algorithm, spki) != 1)
		return crypto_failed(error);
	if (!read_domain(algorithm, &key->curve))
	{
		ERR_clear_error();
		return smsr_fail(error, SMSR_UNSUPPORTED, field, 0,
						 "a key on P-256, brainpoolP256r1 or FRP256v1");
	}
	if (!curve_check_point(key->curve, smsr_bytes(point, (size_t) len), NULL))
		return smsr_fail(error, SMSR_BAD_VALUE, field, 0, "a key that is an uncompressed point of its curve");
	memcpy(key->point, point, CURVE_POINT_LEN);

	if (identifier == NULL || ASN1_STRING_length(identifier) < 1 ||
		ASN1_STRING_length(identifier) > CHAIN_KEY_IDENTIFIER_LEN)
		return smsr_fail(error, SMSR_BAD_VALUE, field, 0, "a subject key identifier of 1 to 32 octets");
	key->identifier_len = (size_t) ASN1_STRING_length(identifier);
	memcpy(key->identifier, ASN1_STRING_get0_data(identifier), key->identifier_len);
	return true;
}

/* What a certificate must say of itself so that it may sign others. */
static bool
check_authority(X509 *x, const char *field, time_t at, SmsrError *error)
{
	const uint32_t flags = X509_get_extension_flags(x);

	if ((flags & EXFLAG_INVALID) != 0)
		return smsr_fail(error, SMSR_BAD_VALUE, field, 0, "well-formed extensions");
	if ((flags & EXFLAG_CRITICAL) != 0)
		return smsr_fail(error, SMSR_UNSUPPORTED, field, 0, "no critical extension that nobody knows");
	/* version 3 with basicConstraints, not one of the older forms */
	/*
	 * Certificate policies: which one SGP.02 wants of whom is not established,
	 * so none is asked for.  This is the one place where it would be.
	 */
	if (X509_check_ca(x) != 1 || (X509_get_key_usage(x) & KU_KEY_CERT_SIGN) == 0)
		return smsr_fail(error, SMSR_BAD_VALUE, field, 0, "a CA that may sign certificates");
	if (X509_cmp_time(X509_get0_notBefore(x), &at) != -1)
		return smsr_fail(error, SMSR_BAD_VALUE, field, 0, "a time that has come (notBefore)");
	if (X509_cmp_time(X509_get0_notAfter(x), &at) != 1)
		return smsr_fail(error, SMSR_BAD_VALUE, field, 0, "a time that is not over (notAfter)");
	return true;
}

/* Names and key identifiers: does the one say that the other issued it? */
static bool
check_issued(X509 *x, X509 *issuer, const char *field, SmsrError *error)
{
	const ASN1_OCTET_STRING *own = X509_get0_authority_key_id(x);
	const ASN1_OCTET_STRING *its = X509_get0_subject_key_id(issuer);

	if (X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(issuer)) != 0)
		return smsr_fail(error, SMSR_BAD_VALUE, field, 0, "the CI's name as the issuer's");
	if (own != NULL && (its == NULL || ASN1_OCTET_STRING_cmp(own, its) != 0))
		return smsr_fail(error, SMSR_BAD_VALUE, field, 0,
						 "the CI's subject key identifier as the authority key identifier");
	return true;
}

static bool
check_ci(X509 *ci, time_t at, ChainKey *key, SmsrError *error)
{
	return read_key(ci, "CI certificate", key, error) &&
		check_authority(ci, "CI certificate", at, error) &&
		check_issued(ci, ci, "CI certificate", error);
}

bool
chain_read_ci(SmsrBytes ci, int64_t at, ChainKey *key, SmsrError *error)
{
	SignedOctets octets;
	X509	   *x = read_x509(ci, "CI certificate", &octets, error);
	bool		ok = x != NULL && check_ci(x, (time_t) at, key, error);

	X509_free(x);
	return ok;
}

/* libcrypto's own walk, with the CI as the only certificate that it trusts. */
static bool
verify_by_store(X509 *eum, X509 *ci, time_t at, SmsrError *error)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int			verdict = -1;
	int			reason = X509_V_ERR_UNSPECIFIED;

	if (store != NULL && ctx != NULL && X509_STORE_add_cert(store, ci) == 1 &&
		X509_STORE_CTX_init(ctx, store, eum, NULL) == 1)
	{
		param = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_time(param, at);
		/* a path up to the CI, not to wherever something is trusted */
		X509_VERIFY_PARAM_clear_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
		X509_VERIFY_PARAM_set_depth(param, 1);
		verdict = X509_verify_cert(ctx);
		reason = X509_STORE_CTX_get_error(ctx);
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	if (verdict < 0)
		return crypto_failed(error);
	if (verdict == 0)
	{
		ERR_clear_error();
		return smsr_fail(error, SMSR_BAD_VALUE, "EUM certificate",
						 0, reason == X509_V_ERR_CERT_SIGNATURE_FAILURE ?
						 "a signature by the CI" : "a certificate that this CI issued");
	}
	return true;
}

/* The signature alone; names, times and constraints have been checked. */
static bool
verify_by_hand(X509 *eum, const SignedOctets *octets, const ChainKey *ci, SmsrError *error)
{
	const X509_ALGOR *outer;

	X509_get0_signature(NULL, &outer, eum);
	if (OBJ_obj2nid(outer->algorithm) != NID_ecdsa_with_SHA256 ||
		X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(eum)) != 0)
		return smsr_fail(error, SMSR_UNSUPPORTED, "EUM certificate", 0, "ecdsa-with-SHA256");
	if (!curve_verify_der(ci->curve, smsr_bytes(ci->point, CURVE_POINT_LEN), octets->tbs,
						  octets->signature, error))
	{
		if (error != NULL && error->code == SMSR_CRYPTO)
			return false;
		return smsr_fail(error, SMSR_BAD_VALUE, "EUM certificate", 0, "a signature by the CI");
	}
	return true;
}

bool
chain_verify_eum(SmsrBytes eum, SmsrBytes ci, int64_t at, ChainKey *key, SmsrError *error)
{
	const time_t when = (time_t) at;
	SignedOctets octets;
	SignedOctets ci_octets;
	ChainKey	ci_key;
	X509	   *ci_x509 = read_x509(ci, "CI certificate", &ci_octets, error);
	X509	   *x = NULL;
	bool		ok = ci_x509 != NULL &&
		(x = read_x509(eum, "EUM certificate", &octets, error)) != NULL &&
		check_ci(ci_x509, when, &ci_key, error) &&
		read_key(x, "EUM certificate", key, error) &&
		check_authority(x, "EUM certificate", when, error) &&
		check_issued(x, ci_x509, "EUM certificate", error);

	/* libcrypto refuses a chain with a curve in it that has no name there */
	if (ok && ci_key.curve != CURVE_FRP && key->curve != CURVE_FRP)
		ok = verify_by_store(x, ci_x509, when, error);
	else if (ok)
		ok = verify_by_hand(x, &octets, &ci_key, error);
	X509_free(x);
	X509_free(ci_x509);
	return ok;
}

/* ---- what stands under them ---- */

static bool
verify_under(const Certificate *certificate, const ChainKey *key, SmsrError *error)
{
	return certificate_check_authority(certificate, smsr_bytes(key->identifier, key->identifier_len),
									   error) &&
		certificate_verify(certificate, key->curve, smsr_bytes(key->point, CURVE_POINT_LEN), error);
}

bool
chain_verify_ecasd(SmsrBytes octets, SmsrBytes eum, SmsrBytes ci, const uint8_t eid[16],
				   int64_t at, Certificate *certificate, SmsrError *error)
{
	ChainKey	key;

	return certificate_read(octets, certificate, error) &&
		chain_verify_eum(eum, ci, at, &key, error) &&
		verify_under(certificate, &key, error) &&
		certificate_check_ecasd(certificate, eid, at, error);
}

bool
chain_verify_off_card(SmsrBytes octets, SmsrBytes ci, CertificateRole role,
					  int64_t at, Certificate *certificate, SmsrError *error)
{
	ChainKey	key;

	return certificate_read(octets, certificate, error) &&
		chain_read_ci(ci, at, &key, error) &&
		verify_under(certificate, &key, error) &&
		certificate_check_off_card(certificate, role, at, error);
}
