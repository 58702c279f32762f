/*
 * fuzz_establishment.c
 *		What the other side of a key establishment may send: a template that is
 *		read is written the same, a command's parts are in it, and no answer
 *		gives keys without the receipt.
 *
 * The first octet says what the rest is.
 */
#include "fuzz.h"

#include "core/establishment.h"
#include "core/psk_identity.h"
#include "core/put_key.h"

static void
template(SmsrBytes input)
{
	SmsrWriter	again = heap_writer(input.len);
	Crt			crt;
	SmsrError	error;

	if (!crt_read(input, &crt, &error))
		explained(error, input.len);
	else
	{
		property(crt_write(&crt, &again, &error));
		property(same_bytes(smsr_written(&again), input));
		property(crt_key_count(&crt) <= CRT_MAX_KEYS && crt.key_len <= CRT_MAX_KEY_LEN);
	}
	free(again.data);
}

static void
command(SmsrBytes input)
{
	static const uint8_t challenge[16];
	EstablishmentCommand c;
	SmsrError	error;

	if (!establishment_read_command(input, &c, &error))
	{
		explained(error, input.len);
		return;
	}
	property(c.signed_part.data == input.data &&
			 c.signed_part.len + 3 + CURVE_SIGNATURE_LEN == input.len);
	property(c.point.len == CURVE_POINT_LEN && c.signature.len == CURVE_SIGNATURE_LEN);
	property(c.point.data + c.point.len <= input.data + c.signed_part.len);
	/* by a key of the sender's, but over another challenge */
	if (!establishment_verify_command(&c, smsr_bytes(challenge, sizeof(challenge)),
									  c.has_curve ? c.curve : CURVE_P256, c.point, &error))
		explained(error, input.len);
}

static void
answer(SmsrBytes input, bool with_dr)
{
	/* the private keys of both sides are 1: the secret is the generator's x */
	static const uint8_t generator[CURVE_POINT_LEN] = {
		0x04,
		0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47, 0xF8, 0xBC, 0xE6, 0xE5, 0x63, 0xA4, 0x40, 0xF2,
		0x77, 0x03, 0x7D, 0x81, 0x2D, 0xEB, 0x33, 0xA0, 0xF4, 0xA1, 0x39, 0x45, 0xD8, 0x98, 0xC2, 0x96,
		0x4F, 0xE3, 0x42, 0xE2, 0xFE, 0x1A, 0x7F, 0x9B, 0x8E, 0xE7, 0xEB, 0x4A, 0x7C, 0x0F, 0x9E, 0x16,
		0x2B, 0xCE, 0x33, 0x57, 0x6B, 0x31, 0x5E, 0xCE, 0xCB, 0xB6, 0x40, 0x68, 0x37, 0xBF, 0x51, 0xF5
	};
	const EstablishmentRequest request = {
		.parameter = with_dr ? CRT_WITH_DR : 0, .key_type = KEY_TYPE_AES, .key_len = 16, .kvn = 1
	};
	Establishment e = {.curve = CURVE_P256, .private_key = {[CURVE_PRIVATE_LEN - 1] = 1}};
	SmsrWriter	crt = smsr_writer(e.crt, sizeof(e.crt));
	EstablishedKeys keys = {0};
	static const EstablishedKeys none;
	SmsrError	error;

	property(establishment_write_crt(&establishment_default, &request, &crt, &error));
	e.crt_len = crt.len;
	property(!establishment_conclude(&establishment_default, &e, smsr_bytes(generator, sizeof(generator)),
									 smsr_bytes(NULL, 0), input, &keys, &error));
	explained(error, input.len);
	property(memcmp(&keys, &none, sizeof(keys)) == 0);
}

static void
challenge(SmsrBytes input)
{
	for (int form = CHALLENGE_EITHER; form <= CHALLENGE_BARE; form++)
	{
		EstablishmentProfile profile = establishment_default;
		SmsrBytes	rc;
		SmsrError	error;

		profile.challenge = (ChallengeForm) form;
		if (establishment_read_challenge(&profile, input, &rc, &error))
			property((rc.len == 16 || rc.len == 32) && rc.data >= input.data &&
					 rc.data + rc.len == input.data + input.len);
		else
			explained(error, input.len);
	}
}

static void
put_key_answer(SmsrBytes input)
{
	static const uint8_t key[16] = {1};
	const PutKey c = {
		.kvn = 1, .key_id = 1, .count = 2, .key_type = {KEY_TYPE_PSK, KEY_TYPE_AES},
		.key = {smsr_bytes(key, sizeof(key)), smsr_bytes(key, sizeof(key))}
	};
	SmsrError	error;

	if (put_key_check_response(&c, input, &error))
		property((input.len == 4 || input.len == 7) && input.data[0] == 1);
	else
		explained(error, input.len);
}

/* what a card would make of it */
static void
put_key_data(SmsrBytes input, uint8_t type)
{
	static const uint8_t kek[16] = {2};
	uint8_t		room[300];
	SmsrWriter	w = smsr_writer(room, sizeof(room));
	PutKey		c;
	SmsrError	error;

	if (put_key_read(input, type, smsr_bytes(kek, sizeof(kek)), &w, &c, &error))
	{
		property(c.count >= 1 && c.count <= PUT_KEY_MAX_KEYS && !w.overflow);
		for (size_t i = 0; i < c.count; i++)
			property(c.key[i].data >= room && c.key[i].data + c.key[i].len <= room + w.len);
	}
	else
		explained(error, input.len);
}

static void
identity(SmsrBytes input)
{
	char		text[PSK_IDENTITY_LEN];
	SmsrWriter	w = smsr_writer(text, sizeof(text));
	PskIdentity i;
	SmsrError	error;

	if (!psk_identity_read(input, &i, &error))
	{
		explained(error, input.len);
		return;
	}
	psk_identity_write(&i, &w);
	property(!w.overflow && w.len == input.len);
	for (size_t n = 0; n < w.len; n++)
		property(((uint8_t) text[n] | 0x20) == (input.data[n] | 0x20));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);

	switch (take_u8(&input) % 8)
	{
		case 0:
			template(input);
			break;
		case 1:
			command(input);
			break;
		case 2:
			answer(input, false);
			break;
		case 3:
			answer(input, true);
			break;
		case 4:
			challenge(input);
			break;
		case 5:
			put_key_answer(input);
			break;
		case 7:
			put_key_data(input, input.len % 2 ? KEY_TYPE_AES : KEY_TYPE_DES);
			break;
		default:
			identity(input);
			break;
	}
	return 0;
}
