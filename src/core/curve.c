/*
 * curve.c
 *		The elliptic curves of SGP.02: ECDSA with plain signatures, and ECKA.
 */
#include "curve.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define FIELD_LEN		32
#define UNCOMPRESSED	0x04

/* A signature in DER: two INTEGERs with a sign octet each in a SEQUENCE. */
#define MAX_DER			(2 + 2 * (2 + 1 + FIELD_LEN))

#define DOMAIN_COUNT	8		/* parameters of a domain, at most */

typedef struct CurveDomain
{
	const char *name;
	const char *group;			/* libcrypto's name; NULL: parameters below */
	uint8_t		reference;
	uint8_t		order[FIELD_LEN];
} CurveDomain;

static const CurveDomain domains[] = {
	[CURVE_P256] = {"P-256", "prime256v1", 0x00, {
			0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
			0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51
	}},
	[CURVE_BRAINPOOL] = {"brainpoolP256r1", "brainpoolP256r1", 0x03, {
			0xA9, 0xFB, 0x57, 0xDB, 0xA1, 0xEE, 0xA9, 0xBC, 0x3E, 0x66, 0x0A, 0x90, 0x9D, 0x83, 0x8D, 0x71,
			0x8C, 0x39, 0x7A, 0xA3, 0xB5, 0x61, 0xA6, 0xF7, 0x90, 0x1E, 0x0E, 0x82, 0x97, 0x48, 0x56, 0xA7
	}},
	[CURVE_FRP] = {"FRP256v1", NULL, 0x40, {
			0xF1, 0xFD, 0x17, 0x8C, 0x0B, 0x3A, 0xD5, 0x8F, 0x10, 0x12, 0x6D, 0xE8, 0xCE, 0x42, 0x43, 0x5B,
			0x53, 0xDC, 0x67, 0xE1, 0x40, 0xD2, 0xBF, 0x94, 0x1F, 0xFD, 0xD4, 0x59, 0xC6, 0xD6, 0x55, 0xE1
	}},
};

/*
 * FRP256v1, which libcrypto does not know: JORF no. 0241 of 16 October 2011,
 * "avis relatif aux parametres de courbes elliptiques".  a = p - 3, h = 1.
 */
static const uint8_t frp_p[FIELD_LEN] = {
	0xF1, 0xFD, 0x17, 0x8C, 0x0B, 0x3A, 0xD5, 0x8F, 0x10, 0x12, 0x6D, 0xE8, 0xCE, 0x42, 0x43, 0x5B,
	0x39, 0x61, 0xAD, 0xBC, 0xAB, 0xC8, 0xCA, 0x6D, 0xE8, 0xFC, 0xF3, 0x53, 0xD8, 0x6E, 0x9C, 0x03
};
static const uint8_t frp_a[FIELD_LEN] = {
	0xF1, 0xFD, 0x17, 0x8C, 0x0B, 0x3A, 0xD5, 0x8F, 0x10, 0x12, 0x6D, 0xE8, 0xCE, 0x42, 0x43, 0x5B,
	0x39, 0x61, 0xAD, 0xBC, 0xAB, 0xC8, 0xCA, 0x6D, 0xE8, 0xFC, 0xF3, 0x53, 0xD8, 0x6E, 0x9C, 0x00
};
static const uint8_t frp_b[FIELD_LEN] = {
	0xEE, 0x35, 0x3F, 0xCA, 0x54, 0x28, 0xA9, 0x30, 0x0D, 0x4A, 0xBA, 0x75, 0x4A, 0x44, 0xC0, 0x0F,
	0xDF, 0xEC, 0x0C, 0x9A, 0xE4, 0xB1, 0xA1, 0x80, 0x30, 0x75, 0xED, 0x96, 0x7B, 0x7B, 0xB7, 0x3F
};
static const uint8_t frp_generator[CURVE_POINT_LEN] = {
	UNCOMPRESSED,
	0xB6, 0xB3, 0xD4, 0xC3, 0x56, 0xC1, 0x39, 0xEB, 0x31, 0x18, 0x3D, 0x47, 0x49, 0xD4, 0x23, 0x95,
	0x8C, 0x27, 0xD2, 0xDC, 0xAF, 0x98, 0xB7, 0x01, 0x64, 0xC9, 0x7A, 0x2D, 0xD9, 0x8F, 0x5C, 0xFF,
	0x61, 0x42, 0xE0, 0xF7, 0xC8, 0xB2, 0x04, 0x91, 0x1F, 0x92, 0x71, 0xF0, 0xF3, 0xEC, 0xEF, 0x8C,
	0x27, 0x01, 0xC3, 0x07, 0xE8, 0xE4, 0xC9, 0xE1, 0x83, 0x11, 0x5A, 0x15, 0x54, 0x06, 0x2C, 0xFB
};

bool
curve_from_reference(uint8_t reference, Curve *curve)
{
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
	{
		if (domains[i].reference == reference)
		{
			*curve = (Curve) i;
			return true;
		}
	}
	return false;
}

uint8_t
curve_reference(Curve curve)
{
	return domains[curve].reference;
}

const char *
curve_name(Curve curve)
{
	return domains[curve].name;
}

bool
curve_parse(const char *name, Curve *curve)
{
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
	{
		if (strcmp(domains[i].name, name) == 0)
		{
			*curve = (Curve) i;
			return true;
		}
	}
	return false;
}

/* libcrypto may have left reasons behind that are nobody's but ours. */
static bool
crypto_failed(SmsrError *error, const char *field)
{
	ERR_clear_error();
	return smsr_fail(error, SMSR_CRYPTO, field, 0, "libcrypto to do it");
}

/* ---- keys as libcrypto wants them ---- */

/* Numbers in the order of this machine's octets, which OSSL_PARAM wants. */
static void
swap_native(uint8_t out[FIELD_LEN], const uint8_t in[FIELD_LEN])
{
	const uint16_t one = 1;
	uint8_t		first;

	memcpy(&first, &one, 1);
	for (size_t i = 0; i < FIELD_LEN; i++)
		out[i] = in[first == 1 ? FIELD_LEN - 1 - i : i];
}

typedef struct KeyParameters
{
	OSSL_PARAM	list[DOMAIN_COUNT + 2 + 1];
	size_t		count;
	uint8_t		p[FIELD_LEN];
	uint8_t		a[FIELD_LEN];
	uint8_t		b[FIELD_LEN];
	uint8_t		order[FIELD_LEN];
	uint8_t		cofactor[FIELD_LEN];
	uint8_t		private_key[FIELD_LEN];
} KeyParameters;

static void
add(KeyParameters *k, OSSL_PARAM parameter)
{
	k->list[k->count++] = parameter;
	k->list[k->count] = OSSL_PARAM_construct_end();
}

static void
add_number(KeyParameters *k, const char *name, uint8_t native[FIELD_LEN], const uint8_t octets[FIELD_LEN])
{
	swap_native(native, octets);
	add(k, OSSL_PARAM_construct_BN(name, native, FIELD_LEN));
}

static void
add_text(KeyParameters *k, const char *name, const char *text)
{
	add(k, OSSL_PARAM_construct_utf8_string(name, (char *) (uintptr_t) text, 0));
}

static void
add_octets(KeyParameters *k, const char *name, const uint8_t *octets, size_t len)
{
	add(k, OSSL_PARAM_construct_octet_string(name, (void *) (uintptr_t) octets, len));
}

static void
add_domain(KeyParameters *k, Curve curve)
{
	static const uint8_t one[FIELD_LEN] = {[FIELD_LEN - 1] = 1};

	k->count = 0;
	if (domains[curve].group != NULL)
	{
		add_text(k, OSSL_PKEY_PARAM_GROUP_NAME, domains[curve].group);
		return;
	}
	add_text(k, OSSL_PKEY_PARAM_EC_FIELD_TYPE, SN_X9_62_prime_field);
	add_number(k, OSSL_PKEY_PARAM_EC_P, k->p, frp_p);
	add_number(k, OSSL_PKEY_PARAM_EC_A, k->a, frp_a);
	add_number(k, OSSL_PKEY_PARAM_EC_B, k->b, frp_b);
	add_octets(k, OSSL_PKEY_PARAM_EC_GENERATOR, frp_generator, sizeof(frp_generator));
	add_number(k, OSSL_PKEY_PARAM_EC_ORDER, k->order, domains[curve].order);
	add_number(k, OSSL_PKEY_PARAM_EC_COFACTOR, k->cofactor, one);
}

/*
 * The key of the parameters, or NULL; libcrypto refuses a point that is not on
 * the curve.
 */
static EVP_PKEY *
make_key(const KeyParameters *k, int selection)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY   *key = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &key, selection, (OSSL_PARAM *) (uintptr_t) k->list) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *
public_key(Curve curve, SmsrBytes point, SmsrError *error)
{
	KeyParameters k;
	EVP_PKEY   *key;

	if (point.len != CURVE_POINT_LEN)
	{
		smsr_fail(error, SMSR_BAD_LENGTH, "public key", 0, "65 octets");
		return NULL;
	}
	if (point.data[0] != UNCOMPRESSED)
	{
		smsr_fail(error, SMSR_BAD_VALUE, "public key", 0, "an uncompressed point, which begins with 04");
		return NULL;
	}
	/* so that what fails below is the point */
	if (curve_group(curve) == NULL)
	{
		crypto_failed(error, "curve");
		return NULL;
	}
	add_domain(&k, curve);
	add_octets(&k, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.len);
	key = make_key(&k, EVP_PKEY_PUBLIC_KEY);
	if (key == NULL)
	{
		ERR_clear_error();
		smsr_fail(error, SMSR_BAD_VALUE, "public key", 0, "a point on the curve");
	}
	return key;
}

/* 1 to order - 1, found out without a branch on it */
static bool
private_key_in_range(const CurveDomain *domain, const uint8_t *private_key)
{
	unsigned int any = 0;
	unsigned int borrow = 0;

	for (size_t i = FIELD_LEN; i > 0; i--)
	{
		unsigned int difference = (unsigned int) private_key[i - 1] - domain->order[i - 1] - borrow;

		any |= private_key[i - 1];
		borrow = (difference >> 8) & 1;
	}
	return any != 0 && borrow == 1;
}

static EVP_PKEY *
private_key_of(Curve curve, SmsrBytes private_key, SmsrError *error)
{
	KeyParameters k;
	EVP_PKEY   *key;

	if (private_key.len != CURVE_PRIVATE_LEN)
	{
		smsr_fail(error, SMSR_BAD_LENGTH, "private key", 0, "32 octets");
		return NULL;
	}
	if (!private_key_in_range(&domains[curve], private_key.data))
	{
		smsr_fail(error, SMSR_BAD_VALUE, "private key", 0, "a number from 1 to below the curve's order");
		return NULL;
	}
	add_domain(&k, curve);
	add_number(&k, OSSL_PKEY_PARAM_PRIV_KEY, k.private_key, private_key.data);
	key = make_key(&k, EVP_PKEY_KEYPAIR);
	OPENSSL_cleanse(&k, sizeof(k));
	if (key == NULL)
		crypto_failed(error, "private key");
	return key;
}

const EC_GROUP *
curve_group(Curve curve)
{
	static EC_GROUP *groups[sizeof(domains) / sizeof(domains[0])];

	if (groups[curve] == NULL)
	{
		KeyParameters k;

		add_domain(&k, curve);
		groups[curve] = EC_GROUP_new_from_params(k.list, NULL, NULL);
	}
	return groups[curve];
}

bool
curve_check_point(Curve curve, SmsrBytes point, SmsrError *error)
{
	/* the cofactor is 1 on all three: what is on the curve is of its order */
	EVP_PKEY   *key = public_key(curve, point, error);

	EVP_PKEY_free(key);
	return key != NULL;
}

bool
curve_generate(Curve curve, uint8_t private_key[CURVE_PRIVATE_LEN],
			   uint8_t point[CURVE_POINT_LEN], SmsrError *error)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY   *key = NULL;
	KeyParameters k;
	uint8_t		native[FIELD_LEN];
	OSSL_PARAM	number[] = {
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof(native)),
		OSSL_PARAM_construct_end()
	};
	size_t		point_len = 0;
	bool		ok;

	add_domain(&k, curve);
	ok = ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 &&
		EVP_PKEY_CTX_set_params(ctx, k.list) == 1 &&
		EVP_PKEY_generate(ctx, &key) == 1 &&
		EVP_PKEY_get_params(key, number) == 1 && number[0].return_size == sizeof(native) &&
		EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, CURVE_POINT_LEN, &point_len) == 1 &&
		point_len == CURVE_POINT_LEN;
	if (ok)
		swap_native(private_key, native);
	OPENSSL_cleanse(native, sizeof(native));
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
	return ok || crypto_failed(error, "key pair");
}

/* ---- ECDSA ---- */

bool
curve_sign(Curve curve, SmsrBytes private_key, const SmsrBytes *pieces, size_t count,
		   uint8_t signature[CURVE_SIGNATURE_LEN], SmsrError *error)
{
	EVP_PKEY   *key = private_key_of(curve, private_key, error);
	EVP_MD_CTX *ctx;
	uint8_t		der[MAX_DER];
	const uint8_t *p = der;
	size_t		der_len = sizeof(der);
	ECDSA_SIG  *sig = NULL;
	bool		ok;

	if (key == NULL)
		return false;
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) == 1;
	for (size_t i = 0; ok && i < count; i++)
		ok = EVP_DigestSignUpdate(ctx, pieces[i].data, pieces[i].len) == 1;
	ok = ok && EVP_DigestSignFinal(ctx, der, &der_len) == 1 &&
		(sig = d2i_ECDSA_SIG(NULL, &p, (long) der_len)) != NULL &&
		BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, FIELD_LEN) == FIELD_LEN &&
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + FIELD_LEN, FIELD_LEN) == FIELD_LEN;
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok || crypto_failed(error, "signature");
}

/* der_len is 0 if libcrypto has no memory. */
static size_t
plain_to_der(const uint8_t *plain, uint8_t der[MAX_DER])
{
	ECDSA_SIG  *sig = ECDSA_SIG_new();
	BIGNUM	   *r = BN_bin2bn(plain, FIELD_LEN, NULL);
	BIGNUM	   *s = BN_bin2bn(plain + FIELD_LEN, FIELD_LEN, NULL);
	uint8_t    *p = der;
	int			len = 0;

	if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1)
		len = i2d_ECDSA_SIG(sig, &p);
	else
	{
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return len > 0 ? (size_t) len : 0;
}

static bool
verify(Curve curve, SmsrBytes point, const SmsrBytes *pieces, size_t count,
	   const uint8_t *der, size_t der_len, SmsrError *error)
{
	EVP_PKEY   *key = public_key(curve, point, error);
	EVP_MD_CTX *ctx;
	bool		ready;
	bool		valid;

	if (key == NULL)
		return false;
	ctx = EVP_MD_CTX_new();
	ready = ctx != NULL && EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) == 1;
	for (size_t i = 0; ready && i < count; i++)
		ready = EVP_DigestVerifyUpdate(ctx, pieces[i].data, pieces[i].len) == 1;
	valid = ready && EVP_DigestVerifyFinal(ctx, der, der_len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	if (!ready)
		return crypto_failed(error, "signature");
	if (!valid)
	{
		ERR_clear_error();
		return smsr_fail(error, SMSR_BAD_VALUE, "signature", 0, "one by this key over these octets");
	}
	return true;
}

bool
curve_verify(Curve curve, SmsrBytes point, const SmsrBytes *pieces, size_t count,
			 SmsrBytes signature, SmsrError *error)
{
	uint8_t		der[MAX_DER];
	size_t		der_len;

	if (signature.len != CURVE_SIGNATURE_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "signature", 0, "64 octets");
	der_len = plain_to_der(signature.data, der);
	if (der_len == 0)
		return crypto_failed(error, "signature");
	return verify(curve, point, pieces, count, der, der_len, error);
}

bool
curve_verify_der(Curve curve, SmsrBytes point, SmsrBytes message, SmsrBytes signature,
				 SmsrError *error)
{
	return verify(curve, point, &message, 1, signature.data, signature.len, error);
}

/* ---- ECKA ---- */

bool
curve_agree(Curve curve, SmsrBytes private_key, SmsrBytes point,
			uint8_t secret[CURVE_SECRET_LEN], SmsrError *error)
{
	EVP_PKEY   *peer = public_key(curve, point, error);
	EVP_PKEY   *own;
	EVP_PKEY_CTX *ctx = NULL;
	size_t		len = CURVE_SECRET_LEN;
	bool		ok = false;

	if (peer == NULL)
		return false;
	own = private_key_of(curve, private_key, error);
	if (own != NULL)
	{
		ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
		ok = (ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
			  EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
			  EVP_PKEY_derive(ctx, secret, &len) == 1 && len == CURVE_SECRET_LEN) ||
			crypto_failed(error, "shared secret");
	}
	if (!ok)
		OPENSSL_cleanse(secret, CURVE_SECRET_LEN);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(own);
	EVP_PKEY_free(peer);
	return ok;
}
