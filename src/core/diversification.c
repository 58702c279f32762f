/*
 * diversification.c
 *		The keys of a card from a master key.
 */
#include "diversification.h"

#include <string.h>

#include <openssl/crypto.h>

#include "kdf.h"

#define KEYS		3
#define DES_LEN		16
#define EID_OCTETS	16

/* What keeps this scheme's keys apart from any other's */
static const uint8_t eid_label[] = {'P', 'G', 'S', 'M', 'S', 'R', '-', 'O', 'T', 'A', 0x00};

static const char *const names[] = {
	[DIVERSIFY_VISA2] = "visa2",
	[DIVERSIFY_EMV_CPS11] = "emv-cps11",
	[DIVERSIFY_KDF3] = "kdf3",
	[DIVERSIFY_EID] = "eid-cmac",
};

bool
diversification_parse(const char *name, Diversification *scheme)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (strcmp(names[i], name) == 0)
		{
			*scheme = (Diversification) i;
			return true;
		}
	}
	return false;
}

const char *
diversification_name(Diversification scheme)
{
	return names[scheme];
}

uint8_t
diversification_key_type(Diversification scheme)
{
	return scheme == DIVERSIFY_VISA2 || scheme == DIVERSIFY_EMV_CPS11 ? KEY_TYPE_DES : KEY_TYPE_AES;
}

static bool
aes_len_ok(size_t len)
{
	return len == 16 || len == 24 || len == 32;
}

static bool
check_lengths(Diversification scheme, SmsrBytes master, SmsrBytes source, size_t key_len, SmsrError *error)
{
	if (diversification_key_type(scheme) == KEY_TYPE_DES)
	{
		if (master.len != DES_LEN)
			return smsr_fail(error, SMSR_BAD_LENGTH, "master key", 0, "16 octets");
	}
	else if (!aes_len_ok(master.len))
		return smsr_fail(error, SMSR_BAD_LENGTH, "master key", 0, "16, 24 or 32 octets");

	if (scheme != DIVERSIFY_EID)
	{
		if (source.len != DIVERSIFICATION_KDD_LEN)
			return smsr_fail(error, SMSR_BAD_LENGTH, "key diversification data", 0, "10 octets");
		return true;
	}
	if (source.len != EID_OCTETS)
		return smsr_fail(error, SMSR_BAD_LENGTH, "EID", 0, "16 octets");
	if (!aes_len_ok(key_len))
		return smsr_fail(error, SMSR_BAD_LENGTH, "key length", 0, "16, 24 or 32");
	return true;
}

/* Both halves of the key: six octets of the card, F0 or 0F, the key's number. */
static bool
diversify_des(SmsrBytes master, const uint8_t card[6], uint8_t number, uint8_t out[DES_LEN], SmsrError *error)
{
	uint8_t		block[DES_LEN];
	SmsrWriter	w = smsr_writer(out, DES_LEN);

	memcpy(block, card, 6);
	block[6] = 0xF0;
	block[7] = number;
	memcpy(block + 8, card, 6);
	block[14] = 0x0F;
	block[15] = number;
	return key_wrap(WRAP_3DES_ECB, master, smsr_bytes(block, sizeof(block)), &w, error);
}

static bool
diversify_one(Diversification scheme, SmsrBytes master, SmsrBytes source, uint8_t kvn, uint8_t number,
			  uint8_t *out, size_t len, SmsrError *error)
{
	const uint8_t *kdd = source.data;
	uint8_t		card[6];
	uint8_t		buffer[sizeof(eid_label) + EID_OCTETS + 4];
	SmsrWriter	w = smsr_writer(buffer, sizeof(buffer));

	switch (scheme)
	{
		case DIVERSIFY_VISA2:
			memcpy(card, kdd, 2);
			memcpy(card + 2, kdd + 4, 4);
			return diversify_des(master, card, number, out, error);
		case DIVERSIFY_EMV_CPS11:
			return diversify_des(master, kdd + 4, number, out, error);
		case DIVERSIFY_KDF3:
			put_zero(&w, 3);
			put_u8(&w, number);
			put_u8(&w, 0x00);
			put_bytes(&w, kdd, source.len);
			return kdf_counter(master, smsr_bytes(NULL, 0), 1, smsr_written(&w), out, len, error);
		case DIVERSIFY_EID:
			put_bytes(&w, eid_label, sizeof(eid_label));
			put_bytes(&w, source.data, source.len);
			put_u8(&w, kvn);
			put_u8(&w, number);
			put_u16(&w, (uint16_t) (len * 8));
			return kdf_counter(master, smsr_bytes(NULL, 0), 4, smsr_written(&w), out, len, error);
	}
	return smsr_fail(error, SMSR_UNSUPPORTED, "diversification", 0, "a scheme that is known");
}

bool
diversify(Diversification scheme, SmsrBytes master, SmsrBytes source, uint8_t kvn,
		  size_t key_len, DiversifiedKeys *keys, SmsrError *error)
{
	bool		ok = true;

	if (!check_lengths(scheme, master, source, key_len, error))
		return false;
	keys->len = scheme == DIVERSIFY_EID ? key_len : master.len;
	for (uint8_t i = 0; ok && i < KEYS; i++)
		ok = diversify_one(scheme, master, source, kvn, i + 1, keys->key[i], keys->len, error);
	if (!ok)
		OPENSSL_cleanse(keys, sizeof(*keys));
	return ok;
}
