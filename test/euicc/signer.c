/*
 * signer.c
 *		The EUM of simulated fleets, and the CI above it.
 */
#include "signer.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "core/tlv.h"
#include "identity.h"

#define CI_NAME		SIGNER_CI
#define EUM_NAME	"smsr-fleet EUM"

typedef struct Holder
{
	const char *name;
	long		serial;
	const char *basic_constraints;
	const char *key_usage;
	const char *alternative_name;	/* or NULL */
} Holder;

static const Holder CI = {CI_NAME, 1, "critical,CA:TRUE", "critical,keyCertSign,cRLSign", NULL};
static const Holder EUM = {
	EUM_NAME, 2, "critical,CA:TRUE,pathlen:0", "critical,digitalSignature,keyCertSign", "RID:" OID_EUM
};

static void
need(bool ok)
{
	if (!ok)
		abort();
}

void
signer_key(const char *name, uint8_t private_key[CURVE_PRIVATE_LEN], uint8_t point[CURVE_POINT_LEN])
{
	const EC_GROUP *group = curve_group(CURVE_P256);
	EC_POINT   *public_key = EC_POINT_new(group);
	BIGNUM	   *scalar;
	unsigned	len;

	/* a digest is below the group's order but for one in 2^32 */
	need(EVP_Digest(name, strlen(name), private_key, &len, EVP_sha256(), NULL) == 1);
	private_key[0] &= 0x7F;
	scalar = BN_bin2bn(private_key, CURVE_PRIVATE_LEN, NULL);
	need(public_key != NULL && scalar != NULL &&
		 EC_POINT_mul(group, public_key, scalar, NULL, NULL, NULL) == 1 &&
		 EC_POINT_point2oct(group, public_key, POINT_CONVERSION_UNCOMPRESSED, point,
							CURVE_POINT_LEN, NULL) == CURVE_POINT_LEN);
	EC_POINT_free(public_key);
	BN_free(scalar);
}

/* ---- certificates ---- */

static EVP_PKEY *
make_pkey(const char *name)
{
	uint8_t		private_key[CURVE_PRIVATE_LEN];
	uint8_t		point[CURVE_POINT_LEN];
	OSSL_PARAM_BLD *list = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY   *pkey = NULL;
	OSSL_PARAM *params;
	BIGNUM	   *scalar;

	signer_key(name, private_key, point);
	scalar = BN_bin2bn(private_key, sizeof private_key, NULL);
	need(list != NULL && scalar != NULL &&
		 OSSL_PARAM_BLD_push_utf8_string(list, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
		 OSSL_PARAM_BLD_push_BN(list, OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1 &&
		 OSSL_PARAM_BLD_push_octet_string(list, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1);
	params = OSSL_PARAM_BLD_to_param(list);
	need(params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		 EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(list);
	EVP_PKEY_CTX_free(ctx);
	BN_free(scalar);
	return pkey;
}

static void
set_name(X509_NAME *name, const char *common_name)
{
	need(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *) "Simulated", -1, -1, 0) == 1 &&
		 X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *) common_name, -1, -1, 0) == 1);
}

static void
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX	ctx;

	if (value == NULL)
		return;
	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	need(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static X509 *
make_certificate(const Holder *holder, X509 *issuer)
{
	X509	   *certificate = X509_new();
	EVP_PKEY   *pkey = make_pkey(holder->name);
	EVP_PKEY   *issuer_key = make_pkey(CI_NAME);

	need(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
		 ASN1_INTEGER_set(X509_get_serialNumber(certificate), holder->serial) == 1 &&
		 ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "20240101000000Z") == 1 &&
		 ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
		 X509_set_pubkey(certificate, pkey) == 1);
	set_name(X509_get_subject_name(certificate), holder->name);
	set_name(X509_get_issuer_name(certificate), CI_NAME);
	if (issuer == NULL)
		issuer = certificate;
	add_extension(certificate, issuer, NID_basic_constraints, holder->basic_constraints);
	add_extension(certificate, issuer, NID_key_usage, holder->key_usage);
	add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
	add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
	add_extension(certificate, issuer, NID_subject_alt_name, holder->alternative_name);
	need(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(issuer_key);
	return certificate;
}

/* ---- the EUM, made when it is first asked for ---- */

static struct
{
	bool		ready;
	uint8_t		private_key[CURVE_PRIVATE_LEN];
	uint8_t		point[CURVE_POINT_LEN];
	uint8_t		key_id[SIGNER_KEY_ID_LEN];
	char		certificate[2048];
} eum;

static void
make_eum(void)
{
	X509	   *ci;
	X509	   *certificate;
	const ASN1_OCTET_STRING *key_id;
	unsigned char *der = NULL;
	int			len;

	if (eum.ready)
		return;
	ci = make_certificate(&CI, NULL);
	certificate = make_certificate(&EUM, ci);
	key_id = X509_get0_subject_key_id(certificate);
	len = i2d_X509(certificate, &der);
	need(key_id != NULL && ASN1_STRING_length(key_id) == SIGNER_KEY_ID_LEN &&
		 len > 0 && (size_t) (len + 2) / 3 * 4 < sizeof eum.certificate);
	memcpy(eum.key_id, ASN1_STRING_get0_data(key_id), SIGNER_KEY_ID_LEN);
	EVP_EncodeBlock((unsigned char *) eum.certificate, der, len);
	signer_key(EUM_NAME, eum.private_key, eum.point);
	eum.ready = true;
	OPENSSL_free(der);
	X509_free(certificate);
	X509_free(ci);
}

const char *
signer_certificate(void)
{
	make_eum();
	return eum.certificate;
}

const uint8_t *
signer_key_id(void)
{
	make_eum();
	return eum.key_id;
}

void
signer_sign(const SmsrBytes *pieces, size_t count, uint8_t signature[CURVE_SIGNATURE_LEN])
{
	make_eum();
	need(curve_sign(CURVE_P256, smsr_bytes(eum.private_key, CURVE_PRIVATE_LEN), pieces, count,
					signature, NULL));
}

bool
signer_write_ci(FILE *out)
{
	X509	   *ci = make_certificate(&CI, NULL);
	bool		ok = PEM_write_X509(out, ci) == 1 && fflush(out) == 0;

	X509_free(ci);
	return ok;
}

static void
write_hex(FILE *out, const uint8_t *octets, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", octets[i]);
	fputc('\n', out);
}

bool
signer_write_smsr(const char *name, FILE *certificate, FILE *key)
{
	static const uint8_t head[] = {
		0x93, 1, 1,				/* serial number */
		0x42, 4, 'F', 'L', 'C', 'I',
	};
	static const uint8_t middle[] = {
		0x95, 1, 0x88,			/* signature verification */
		0x5F, 0x24, 4, 0x99, 0x99, 0x12, 0x31,
		0x73, 3 + 2 + SIGNER_KEY_ID_LEN, 0xC8, 1, 2, 0xC9, SIGNER_KEY_ID_LEN,
	};
	uint8_t		ci_private[CURVE_PRIVATE_LEN];
	uint8_t		ci_point[CURVE_POINT_LEN];
	uint8_t		private_key[CURVE_PRIVATE_LEN];
	uint8_t		point[CURVE_POINT_LEN];
	uint8_t		signature[CURVE_SIGNATURE_LEN];
	uint8_t		body[512];
	uint8_t		whole[600];
	SmsrWriter	w = smsr_writer(body, sizeof body);
	SmsrWriter	out = smsr_writer(whole, sizeof whole);
	X509	   *ci = make_certificate(&CI, NULL);
	const ASN1_OCTET_STRING *key_id = X509_get0_subject_key_id(ci);
	SmsrBytes	signed_part;
	size_t		len = strlen(name);

	need(key_id != NULL && ASN1_STRING_length(key_id) == SIGNER_KEY_ID_LEN && len >= 1);
	signer_key(name, private_key, point);
	signer_key(CI_NAME, ci_private, ci_point);
	put_bytes(&w, head, sizeof head);
	put_tlv(&w, 0x5F20, name, len < 16 ? len : 16);
	put_bytes(&w, middle, sizeof middle);
	put_bytes(&w, ASN1_STRING_get0_data(key_id), SIGNER_KEY_ID_LEN);
	put_tlv_header(&w, 0x7F49, 2 + sizeof point + 3);
	put_tlv(&w, 0xB0, point, sizeof point);
	put_tlv(&w, 0xF0, "", 1);	/* P-256 */
	signed_part = smsr_written(&w);
	need(curve_sign(CURVE_P256, smsr_bytes(ci_private, sizeof ci_private), &signed_part, 1, signature, NULL));
	put_tlv(&w, 0x5F37, signature, sizeof signature);
	put_tlv(&out, 0x7F21, w.data, w.len);
	need(!w.overflow && !out.overflow);
	X509_free(ci);
	write_hex(certificate, out.data, out.len);
	write_hex(key, private_key, sizeof private_key);
	return fflush(certificate) == 0 && fflush(key) == 0;
}
