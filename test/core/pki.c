/*
 * pki.c
 *		A CI, an EUM and an ECASD for the tests, made with libcrypto alone.
 */
#include "pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* FRP256v1, typed once more */
static const char *const frp[] = {
	OSSL_PKEY_PARAM_EC_P, "F1FD178C0B3AD58F10126DE8CE42435B3961ADBCABC8CA6DE8FCF353D86E9C03",
	OSSL_PKEY_PARAM_EC_A, "F1FD178C0B3AD58F10126DE8CE42435B3961ADBCABC8CA6DE8FCF353D86E9C00",
	OSSL_PKEY_PARAM_EC_B, "EE353FCA5428A9300D4ABA754A44C00FDFEC0C9AE4B1A1803075ED967B7BB73F",
	OSSL_PKEY_PARAM_EC_ORDER, "F1FD178C0B3AD58F10126DE8CE42435B53DC67E140D2BF941FFDD459C6D655E1",
	OSSL_PKEY_PARAM_EC_COFACTOR, "01"
};
static const char frp_g[] = "04"
"B6B3D4C356C139EB31183D4749D423958C27D2DCAF98B70164C97A2DD98F5CFF"
"6142E0F7C8B204911F9271F0F3ECEF8C2701C307E8E4C9E183115A1554062CFB";

static void
must(bool condition)
{
	if (!condition)
	{
		printf("Bail out! libcrypto fails the test's own work\n");
		exit(1);
	}
}

EVP_PKEY *
pki_key(Curve curve)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM	   *numbers[5] = {NULL};
	OSSL_PARAM *params;
	EVP_PKEY   *key = NULL;
	SmsrBytes	g = hex(frp_g);

	if (curve == CURVE_FRP)
	{
		must(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_EC_FIELD_TYPE, "prime-field", 0));
		must(OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_EC_GENERATOR, g.data, g.len));
		for (int i = 0; i < 5; i++)
			must(BN_hex2bn(&numbers[i], frp[2 * i + 1]) && OSSL_PARAM_BLD_push_BN(build, frp[2 * i], numbers[i]));
	}
	else
		must(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
											 curve == CURVE_P256 ? "P-256" : "brainpoolP256r1", 0));
	params = OSSL_PARAM_BLD_to_param(build);
	must(EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_params(ctx, params) == 1 &&
		 EVP_PKEY_generate(ctx, &key) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	for (int i = 0; i < 5; i++)
		BN_free(numbers[i]);
	return key;
}

SmsrBytes
pki_point(EVP_PKEY *key)
{
	uint8_t    *point = scratch(CURVE_POINT_LEN);
	size_t		len;

	must(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, CURVE_POINT_LEN, &len) == 1);
	return smsr_bytes(point, len);
}

SmsrBytes
pki_private(EVP_PKEY *key)
{
	uint8_t    *number = scratch(CURVE_PRIVATE_LEN);
	BIGNUM	   *bn = NULL;

	must(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &bn) == 1);
	must(BN_bn2binpad(bn, number, CURVE_PRIVATE_LEN) == CURVE_PRIVATE_LEN);
	BN_free(bn);
	return smsr_bytes(number, CURVE_PRIVATE_LEN);
}

SmsrBytes
pki_sign(EVP_PKEY *key, SmsrBytes message)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t		der[80];
	const uint8_t *p = der;
	size_t		len = sizeof(der);
	uint8_t    *plain = scratch(64);
	ECDSA_SIG  *signature;

	must(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		 EVP_DigestSign(ctx, der, &len, message.data, message.len) == 1);
	signature = d2i_ECDSA_SIG(NULL, &p, (long) len);
	BN_bn2binpad(ECDSA_SIG_get0_r(signature), plain, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(signature), plain + 32, 32);
	ECDSA_SIG_free(signature);
	EVP_MD_CTX_free(ctx);
	return smsr_bytes(plain, 64);
}

SmsrBytes
pki_agree(EVP_PKEY *key, EVP_PKEY *peer)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t    *secret = scratch(32);
	size_t		len = 32;

	must(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
		 EVP_PKEY_derive(ctx, secret, &len) == 1 && len == 32);
	EVP_PKEY_CTX_free(ctx);
	return smsr_bytes(secret, len);
}

SmsrBytes
pki_sha256(SmsrBytes message)
{
	uint8_t    *hash = scratch(32);

	must(EVP_Digest(message.data, message.len, hash, NULL, EVP_sha256(), NULL) == 1);
	return smsr_bytes(hash, 32);
}

SmsrBytes
pki_cmac(SmsrBytes key, SmsrBytes message)
{
	uint8_t    *mac = scratch(16);
	size_t		len;

	must(EVP_Q_mac(NULL, "CMAC", NULL, key.len == 16 ? "AES-128-CBC" : key.len == 24 ? "AES-192-CBC" : "AES-256-CBC",
				   NULL, key.data, key.len, message.data, message.len, mac, 16, &len) != NULL);
	return smsr_bytes(mac, len);
}

SmsrBytes
join(const SmsrBytes *pieces, size_t count)
{
	SmsrWriter	w = writer(4096);

	for (size_t i = 0; i < count; i++)
		put_bytes(&w, pieces[i].data, pieces[i].len);
	must(!w.overflow);
	return copy_of(smsr_written(&w));
}

SmsrBytes
object(const char *tag, SmsrBytes value)
{
	SmsrBytes	length;

	if (value.len < 128)
		length = copy_of(smsr_bytes(&(uint8_t) {(uint8_t) value.len}, 1));
	else if (value.len < 256)
		length = copy_of(smsr_bytes((uint8_t[]) {0x81, (uint8_t) value.len}, 2));
	else
		length = copy_of(smsr_bytes((uint8_t[]) {0x82, (uint8_t) (value.len >> 8), (uint8_t) value.len}, 3));
	return joined(hex(tag), length, value);
}

SmsrBytes
with_bit_turned(SmsrBytes octets, size_t bit)
{
	SmsrBytes	altered = copy_of(octets);

	((uint8_t *) altered.data)[bit / 8] ^= (uint8_t) (1 << bit % 8);
	return altered;
}

/* ---- X.509 ---- */

SmsrBytes
pki_key_identifier(EVP_PKEY *key)
{
	return smsr_bytes(pki_sha256(pki_point(key)).data, 20);
}

static X509_NAME *
name_of(const char *name)
{
	X509_NAME  *n = X509_NAME_new();

	must(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *) name, -1, -1, 0) == 1);
	return n;
}

static void
add_extension(X509 *x, int nid, int critical, SmsrBytes der)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	ASN1_OCTET_STRING_set(value, der.data, (int) der.len);
	extension = X509_EXTENSION_create_by_NID(NULL, nid, critical, value);
	must(extension != NULL && X509_add_ext(x, extension, -1) == 1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
}

static void
name_the_curve(X509 *x, EVP_PKEY *key)
{
	SmsrBytes	point = pki_point(key);
	unsigned char *copy = OPENSSL_memdup(point.data, point.len);

	must(X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x), OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
								OBJ_txt2obj("1.2.250.1.223.101.256.1", 1), copy, (int) point.len) == 1);
}

SmsrBytes
pki_x509(const char *name, EVP_PKEY *key, const char *issuer, EVP_PKEY *issuer_key, PkiOdd odd)
{
	X509	   *x = X509_new();
	X509_NAME  *subject_name = name_of(name);
	X509_NAME  *issuer_name = name_of(odd.other_issuer ? "Somebody" : issuer);
	SmsrBytes	authority = pki_key_identifier(issuer_key != NULL ? issuer_key : key);
	unsigned char *der = NULL;
	SmsrBytes	result;
	int			len;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	ASN1_TIME_set(X509_getm_notBefore(x), PKI_NOW + (odd.not_yet ? 1 : -1) * PKI_DAY);
	ASN1_TIME_set(X509_getm_notAfter(x), PKI_NOW + (odd.over ? -1 : 1) * PKI_DAY);
	X509_set_subject_name(x, subject_name);
	X509_set_issuer_name(x, issuer_name);
	X509_NAME_free(subject_name);
	X509_NAME_free(issuer_name);
	must(X509_set_pubkey(x, key) == 1);
	if (odd.by_name)
		name_the_curve(x, key);

	add_extension(x, NID_basic_constraints, 1, odd.no_ca ? hex("3000") : hex("30030101FF"));
	add_extension(x, NID_key_usage, 1, odd.no_key_cert_sign ? hex("03020780") : hex("03020106"));
	if (!odd.no_key_identifier)
		add_extension(x, NID_subject_key_identifier, 0, object("04", pki_key_identifier(key)));
	if (odd.claims != NULL)
		authority = pki_key_identifier(odd.claims);
	if (odd.other_authority_key)
		authority = with_bit_turned(authority, 0);
	add_extension(x, NID_authority_key_identifier, 0, object("30", object("80", authority)));
	if (odd.unknown_critical)
		add_extension(x, NID_netscape_comment, 1, hex("0500"));

	must(X509_sign(x, issuer_key != NULL ? issuer_key : key, odd.sha384 ? EVP_sha384() : EVP_sha256()) > 0);
	len = i2d_X509(x, &der);
	must(len > 0);
	result = copy_of(smsr_bytes(der, (size_t) len));
	OPENSSL_free(der);
	X509_free(x);
	return result;
}

/* ---- tag 7F21 ---- */

SmsrBytes
pki_certificate(SmsrBytes objects, EVP_PKEY *signer)
{
	return object("7F21", joined(objects, object("5F37", pki_sign(signer, objects))));
}

SmsrBytes
pki_public_key(Curve curve, EVP_PKEY *key)
{
	const uint8_t references[] = {0x00, 0x03, 0x40};

	return joined(object("B0", pki_point(key)), object("F0", smsr_bytes(&references[curve], 1)));
}

SmsrBytes
pki_ecasd(SmsrBytes eid, Curve curve, EVP_PKEY *key, EVP_PKEY *eum)
{
	return pki_certificate(joined(hex("930101"), hex("42052B0601040A"), object("5F20", eid), hex("95020080"),
								  hex("5F250420240101"), hex("5F240420491231"), object("45", eid),
								  object("73", joined(hex("C003030100"), hex("C10401020304"),
													  object("C9", pki_key_identifier(eum)))),
								  object("7F49", pki_public_key(curve, key))), eum);
}

SmsrBytes
pki_sm_sr(Curve curve, EVP_PKEY *key, EVP_PKEY *ci)
{
	return pki_certificate(joined(hex("930110"), hex("42052B0601040A"), hex("5F20052B0601040B"), hex("950188"),
								  hex("5F250420240101"), hex("5F240420491231"),
								  object("73", joined(hex("C80102"), object("C9", pki_key_identifier(ci)))),
								  object("7F49", pki_public_key(curve, key))), ci);
}
