/*
 * test_chain.c
 *		CI and EUM in X.509, on each curve and across two: what is a chain, and
 *		what makes it none.
 */
#include "core/chain.h"
#include "pki.h"

#include <string.h>

#include <openssl/err.h>

typedef struct Authorities
{
	Curve		curve;
	EVP_PKEY   *ci;
	EVP_PKEY   *eum;
	bool		by_name;
} Authorities;

static void
odd_eum(const Authorities *a, PkiOdd odd, const char *expected, const char *what)
{
	PkiOdd		good = {.by_name = a->by_name};
	ChainKey	key;
	SmsrError	error = {0};

	odd.by_name = a->by_name;
	ok(!chain_verify_eum(pki_x509("EUM", a->eum, "CI", a->ci, odd), pki_x509("CI", a->ci, "CI", NULL, good),
						 PKI_NOW, &key, &error) &&
	   error.code != SMSR_CRYPTO && error.field != NULL && strcmp(error.field, "EUM certificate") == 0 &&
	   strcmp(error.expected, expected) == 0,
	   "%s: an EUM %s (%s)", curve_name(a->curve), what, error.expected ? error.expected : "");
}

static void
odd_ci(const Authorities *a, PkiOdd odd, const char *expected, const char *what)
{
	PkiOdd		good = {.by_name = a->by_name};
	SmsrBytes	ci;
	ChainKey	key;
	SmsrError	error;

	odd.by_name = a->by_name;
	ci = pki_x509("CI", a->ci, "CI", NULL, odd);
	for (int alone = 0; alone < 2; alone++)
	{
		error = (SmsrError) {0};
		ok(!(alone ? chain_read_ci(ci, PKI_NOW, &key, &error) :
			 chain_verify_eum(pki_x509("EUM", a->eum, "CI", a->ci, good), ci, PKI_NOW, &key, &error)) &&
		   error.field != NULL && strcmp(error.field, "CI certificate") == 0 &&
		   strcmp(error.expected, expected) == 0,
		   "%s: a CI %s (%s)", curve_name(a->curve), what, error.expected ? error.expected : "");
	}
}

static void
chains(const Authorities *a)
{
	const char *name = curve_name(a->curve);
	PkiOdd		good = {.by_name = a->by_name};
	SmsrBytes	ci = pki_x509("CI", a->ci, "CI", NULL, good);
	SmsrBytes	eum = pki_x509("EUM", a->eum, "CI", a->ci, good);
	EVP_PKEY   *other = pki_key(a->curve);
	ChainKey	key;
	SmsrError	error;
	int			taken = 0;

	succeeds(chain_read_ci(ci, PKI_NOW, &key, &error), &error, "%s: a CI", name);
	ok(key.curve == a->curve && memcmp(key.point, pki_point(a->ci).data, 65) == 0 &&
	   key.identifier_len == 20 && memcmp(key.identifier, pki_key_identifier(a->ci).data, 20) == 0,
	   "%s: its key and identifier", name);
	succeeds(chain_verify_eum(eum, ci, PKI_NOW, &key, &error), &error, "%s: an EUM under it", name);
	ok(key.curve == a->curve && memcmp(key.point, pki_point(a->eum).data, 65) == 0 &&
	   key.identifier_len == 20 && memcmp(key.identifier, pki_key_identifier(a->eum).data, 20) == 0,
	   "%s: its key and identifier", name);

	fails(chain_verify_eum(eum, ci, PKI_NOW + PKI_DAY + 1, &key, &error), &error,
		  SMSR_BAD_VALUE, "CI certificate", 0, "%s: not after their time", name);
	fails(chain_verify_eum(eum, ci, PKI_NOW - PKI_DAY - 1, &key, &error), &error,
		  SMSR_BAD_VALUE, "CI certificate", 0, "%s: not before it", name);

	odd_eum(a, (PkiOdd) {.no_ca = true}, "a CA that may sign certificates", "that is no CA");
	odd_eum(a, (PkiOdd) {.no_key_cert_sign = true}, "a CA that may sign certificates", "that may not sign certificates");
	odd_eum(a, (PkiOdd) {.not_yet = true}, "a time that has come (notBefore)", "of tomorrow");
	odd_eum(a, (PkiOdd) {.over = true}, "a time that is not over (notAfter)", "of yesterday");
	odd_eum(a, (PkiOdd) {.other_issuer = true}, "the CI's name as the issuer's", "of another issuer");
	odd_eum(a, (PkiOdd) {.other_authority_key = true},
			"the CI's subject key identifier as the authority key identifier", "of another key");
	odd_eum(a, (PkiOdd) {.no_key_identifier = true}, "a subject key identifier of 1 to 32 octets", "without identifier");
	odd_eum(a, (PkiOdd) {.unknown_critical = true}, "no critical extension that nobody knows", "that has more to say");
	odd_ci(a, (PkiOdd) {.no_ca = true}, "a CA that may sign certificates", "that is none");
	odd_ci(a, (PkiOdd) {.no_key_cert_sign = true}, "a CA that may sign certificates", "that may not sign certificates");
	odd_ci(a, (PkiOdd) {.over = true}, "a time that is not over (notAfter)", "of yesterday");
	odd_ci(a, (PkiOdd) {.other_issuer = true}, "the CI's name as the issuer's", "that another issued");
	odd_ci(a, (PkiOdd) {.no_key_identifier = true}, "a subject key identifier of 1 to 32 octets", "without identifier");

	/* the same names and identifiers, another key's signature */
	error = (SmsrError) {0};
	ok(!chain_verify_eum(pki_x509("EUM", a->eum, "CI", other, (PkiOdd) {.by_name = a->by_name, .claims = a->ci}),
						 ci, PKI_NOW, &key, &error) &&
	   error.code == SMSR_BAD_VALUE && strcmp(error.expected, "a signature by the CI") == 0,
	   "%s: by another CI of that name", name);
	eum = copy_of(eum);
	for (size_t bit = 8 * (eum.len - 30); bit < 8 * eum.len; bit++)
	{
		if (chain_verify_eum(with_bit_turned(eum, bit), ci, PKI_NOW, &key, &error))
			taken++;
	}
	for (size_t bit = 0; bit < 8 * (eum.len - 30); bit += 5)
	{
		if (chain_verify_eum(with_bit_turned(eum, bit), ci, PKI_NOW, &key, &error))
			taken++;
	}
	ok(taken == 0, "%s: altered ones are none", name);

	fails(chain_verify_eum(joined(eum, hex("00")), ci, PKI_NOW, &key, &error), &error,
		  SMSR_BAD_LENGTH, "EUM certificate", eum.len, "%s: more behind it", name);
	fails(chain_verify_eum(hex(""), ci, PKI_NOW, &key, &error), &error,
		  SMSR_TRUNCATED, "EUM certificate", 0, "%s: nothing", name);
	fails(chain_verify_eum(object("30", joined(hex("3000"), hex("3000"), hex("030100"))), ci, PKI_NOW, &key, &error),
		  &error, SMSR_BAD_VALUE, "EUM certificate", 0, "%s: empty in the right places", name);
	ok(ERR_peek_error() == 0, "%s: nothing is left in libcrypto's queue", name);
	EVP_PKEY_free(other);
}

TEST_SUITE(chain)
{
	ChainKey	key;
	SmsrError	error;
	PkiOdd		good = {0};

	for (Curve curve = CURVE_P256; curve <= CURVE_FRP; curve++)
	{
		Authorities a = {curve, pki_key(curve), pki_key(curve), false};

		chains(&a);
		if (curve == CURVE_FRP)
		{
			a.by_name = true;
			chains(&a);
			fails(chain_verify_eum(pki_x509("EUM", a.eum, "CI", a.ci, (PkiOdd) {.sha384 = true}),
								   pki_x509("CI", a.ci, "CI", NULL, good), PKI_NOW, &key, &error), &error,
				  SMSR_UNSUPPORTED, "EUM certificate", 0, "%s: another hash", curve_name(curve));
		}
		EVP_PKEY_free(a.ci);
		EVP_PKEY_free(a.eum);
	}

	/* a CI on one curve, EUMs on others */
	for (Curve ci_curve = CURVE_P256; ci_curve <= CURVE_FRP; ci_curve++)
	{
		for (Curve curve = CURVE_P256; curve <= CURVE_FRP; curve++)
		{
			EVP_PKEY   *ci = pki_key(ci_curve);
			EVP_PKEY   *eum = pki_key(curve);

			succeeds(chain_verify_eum(pki_x509("EUM", eum, "CI", ci, good), pki_x509("CI", ci, "CI", NULL, good),
									  PKI_NOW, &key, &error) && key.curve == curve, &error,
					 "%s under %s", curve_name(curve), curve_name(ci_curve));
			EVP_PKEY_free(ci);
			EVP_PKEY_free(eum);
		}
	}
}
