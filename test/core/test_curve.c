/*
 * test_curve.c
 *		ECDSA and ECKA on the three curves, and what is no key on them.
 */
#include "core/curve.h"
#include "tap.h"

#include <string.h>

#include <openssl/err.h>

typedef struct Pair
{
	uint8_t		private_key[CURVE_PRIVATE_LEN];
	uint8_t		point[CURVE_POINT_LEN];
} Pair;

static SmsrBytes
private_of(const Pair *pair)
{
	return smsr_bytes(pair->private_key, CURVE_PRIVATE_LEN);
}

static SmsrBytes
point_of(const Pair *pair)
{
	return smsr_bytes(pair->point, CURVE_POINT_LEN);
}

static const char *const orders[] = {
	"FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551",
	"A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7",
	"F1FD178C0B3AD58F10126DE8CE42435B53DC67E140D2BF941FFDD459C6D655E1"
};

static void
curve_as_it_should(Curve curve)
{
	const char *name = curve_name(curve);
	SmsrBytes	pieces[] = {hex("0102"), hex(""), hex("03")};
	SmsrBytes	whole = hex("010203");
	Pair		a;
	Pair		b;
	uint8_t		signature[CURVE_SIGNATURE_LEN];
	uint8_t		secret_a[CURVE_SECRET_LEN];
	uint8_t		secret_b[CURVE_SECRET_LEN];
	SmsrError	error;

	succeeds(curve_generate(curve, a.private_key, a.point, &error) &&
			 curve_generate(curve, b.private_key, b.point, &error), &error, "%s: key pairs", name);
	ok(memcmp(a.private_key, b.private_key, CURVE_PRIVATE_LEN) != 0, "%s: not twice the same", name);
	succeeds(curve_check_point(curve, point_of(&a), &error), &error, "%s: its point", name);

	succeeds(curve_sign(curve, private_of(&a), pieces, 3, signature, &error), &error, "%s: sign", name);
	succeeds(curve_verify(curve, point_of(&a), &whole, 1, smsr_bytes(signature, sizeof(signature)), &error),
			 &error, "%s: verify, however it is cut", name);
	fails(curve_verify(curve, point_of(&a), pieces, 2, smsr_bytes(signature, sizeof(signature)), &error),
		  &error, SMSR_BAD_VALUE, "signature", 0, "%s: over other octets", name);
	fails(curve_verify(curve, point_of(&b), &whole, 1, smsr_bytes(signature, sizeof(signature)), &error),
		  &error, SMSR_BAD_VALUE, "signature", 0, "%s: by another key", name);
	for (size_t len = 0; len < CURVE_SIGNATURE_LEN; len += 21)
		fails(curve_verify(curve, point_of(&a), &whole, 1, copy_of(smsr_bytes(signature, len)), &error),
			  &error, SMSR_BAD_LENGTH, "signature", 0, "%s: of %zu octets", name, len);
	memset(signature, 0, sizeof(signature));
	fails(curve_verify(curve, point_of(&a), &whole, 1, smsr_bytes(signature, sizeof(signature)), &error),
		  &error, SMSR_BAD_VALUE, "signature", 0, "%s: of zeros", name);
	memset(signature, 0xFF, sizeof(signature));
	fails(curve_verify(curve, point_of(&a), &whole, 1, smsr_bytes(signature, sizeof(signature)), &error),
		  &error, SMSR_BAD_VALUE, "signature", 0, "%s: beyond the order", name);

	succeeds(curve_agree(curve, private_of(&a), point_of(&b), secret_a, &error) &&
			 curve_agree(curve, private_of(&b), point_of(&a), secret_b, &error), &error, "%s: agree", name);
	ok(memcmp(secret_a, secret_b, sizeof(secret_a)) == 0, "%s: on the same", name);
	ok(ERR_peek_error() == 0, "%s: nothing is left in libcrypto's queue", name);
}

static void
keys_that_are_none(Curve curve)
{
	const char *name = curve_name(curve);
	Pair		a;
	uint8_t		octets[CURVE_SECRET_LEN] = {0};
	SmsrBytes	number = smsr_bytes(octets, sizeof(octets));
	SmsrBytes	message = hex("00");
	uint8_t		secret[CURVE_SECRET_LEN];
	uint8_t		signature[CURVE_SIGNATURE_LEN];
	SmsrBytes	altered;
	SmsrError	error;

	curve_generate(curve, a.private_key, a.point, &error);
	fails(curve_agree(curve, number, point_of(&a), secret, &error), &error,
		  SMSR_BAD_VALUE, "private key", 0, "%s: zero is no private key", name);
	octets[31] = 1;
	succeeds(curve_agree(curve, number, point_of(&a), secret, &error), &error, "%s: 1 is one", name);
	ok(memcmp(secret, a.point + 1, sizeof(secret)) == 0, "%s: and gives the point itself", name);
	memcpy(octets, hex(orders[curve]).data, sizeof(octets));
	fails(curve_agree(curve, number, point_of(&a), secret, &error), &error,
		  SMSR_BAD_VALUE, "private key", 0, "%s: the order is none", name);
	fails(curve_sign(curve, number, &message, 1, signature, &error), &error,
		  SMSR_BAD_VALUE, "private key", 0, "%s: not for signing either", name);
	octets[31]--;
	succeeds(curve_agree(curve, number, point_of(&a), secret, &error), &error, "%s: one less is one", name);
	ok(memcmp(secret, a.point + 1, sizeof(secret)) == 0, "%s: and gives the same x", name);
	memset(octets, 0xFF, sizeof(octets));
	fails(curve_agree(curve, number, point_of(&a), secret, &error), &error,
		  SMSR_BAD_VALUE, "private key", 0, "%s: beyond the order", name);
	fails(curve_agree(curve, smsr_bytes(octets, 31), point_of(&a), secret, &error), &error,
		  SMSR_BAD_LENGTH, "private key", 0, "%s: 31 octets", name);

	for (size_t len = 0; len < CURVE_POINT_LEN; len += 16)
		fails(curve_check_point(curve, copy_of(smsr_bytes(a.point, len)), &error), &error,
			  SMSR_BAD_LENGTH, "public key", 0, "%s: a point of %zu octets", name, len);
	for (uint8_t form = 0; form < 8; form++)
	{
		altered = copy_of(point_of(&a));
		((uint8_t *) altered.data)[0] = form;
		if (form != 4)
			fails(curve_check_point(curve, altered, &error), &error,
				  SMSR_BAD_VALUE, "public key", 0, "%s: form %02X", name, form);
	}
	for (size_t bit = 8; bit < 8 * CURVE_POINT_LEN; bit += 37)
	{
		altered = copy_of(point_of(&a));
		((uint8_t *) altered.data)[bit / 8] ^= (uint8_t) (1 << bit % 8);
		fails(curve_agree(curve, private_of(&a), altered, secret, &error), &error,
			  SMSR_BAD_VALUE, "public key", 0, "%s: not on the curve, bit %zu", name, bit);
	}
	for (Curve other = CURVE_P256; other <= CURVE_FRP; other++)
	{
		if (other != curve)
			fails(curve_check_point(other, point_of(&a), &error), &error,
				  SMSR_BAD_VALUE, "public key", 0, "%s: not a point of %s", name, curve_name(other));
	}
	ok(ERR_peek_error() == 0, "%s: nothing is left in libcrypto's queue", name);
}

TEST_SUITE(curve)
{
	Curve		curve;
	int			references = 0;

	for (int reference = 0; reference < 256; reference++)
	{
		if (curve_from_reference((uint8_t) reference, &curve))
		{
			references++;
			ok(curve_reference(curve) == reference, "reference %02X", (unsigned) reference);
		}
	}
	ok(references == 3, "three references");
	ok(curve_parse("brainpoolP256r1", &curve) && curve == CURVE_BRAINPOOL, "a curve by its name");
	ok(!curve_parse("P-384", &curve), "a curve that nobody uses here");

	for (curve = CURVE_P256; curve <= CURVE_FRP; curve++)
	{
		curve_as_it_should(curve);
		keys_that_are_none(curve);
	}
}
