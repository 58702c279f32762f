/*
 * identity.c
 *		EIDs, keys and numbers of simulated cards.
 */
#include "identity.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "signer.h"

static void
pack(const char *digits, uint8_t *out, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		out[i] = (uint8_t) ((digits[2 * i] - '0') << 4 | (digits[2 * i + 1] - '0'));
}

void
identity_eid(uint64_t seed, uint64_t serial, uint8_t eid[EID_LEN])
{
	char		digits[64];

	snprintf(digits, sizeof digits, "890490320010%06" PRIu64 "%012" PRIu64 "00",
			 seed % 1000000, serial % UINT64_C(1000000000000));
	pack(digits, eid, EID_LEN);
	eid_set_check_digits(eid);
}

bool
identity_serial(uint64_t seed, const uint8_t eid[EID_LEN], uint64_t *serial)
{
	char		digits[EID_DIGITS + 1];
	uint8_t		again[EID_LEN];

	eid_format(eid, digits);
	digits[30] = '\0';
	*serial = strtoull(digits + 18, NULL, 10);
	identity_eid(seed, *serial, again);
	return memcmp(eid, again, EID_LEN) == 0;
}

/* SHA-256 and not the Rng: keys of a rehearsal need not be guessable from each other. */
static void
hash_key(const char *text, uint8_t key[KEY_LEN])
{
	uint8_t		digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	memcpy(key, digest, KEY_LEN);
}

void
identity_keys(uint64_t seed, uint64_t serial, uint8_t keys[KEYS][KEY_LEN])
{
	char		text[96];

	for (int i = 0; i < KEYS; i++)
	{
		snprintf(text, sizeof text, "smsr-fleet key %d %" PRIu64 " %" PRIu64, i + 1, seed, serial);
		hash_key(text, keys[i]);
	}
}

void
identity_psk(uint64_t seed, uint64_t serial, uint8_t key[KEY_LEN])
{
	char		text[96];

	snprintf(text, sizeof text, "smsr-fleet psk %" PRIu64 " %" PRIu64, seed, serial);
	hash_key(text, key);
}

void
identity_derived_keys(const uint8_t master[KEY_LEN], const uint8_t eid[EID_LEN],
					  uint8_t kvn, uint8_t keys[KEYS][KEY_LEN])
{
	static const char label[] = "PGSMSR-OTA";

	for (int i = 0; i < KEYS; i++)
	{
		uint8_t		in[64] = {0, 0, 0, 1};
		size_t		n = 4;
		size_t		len;

		memcpy(in + n, label, sizeof label);	/* with the octet 00 behind it */
		n += sizeof label;
		memcpy(in + n, eid, EID_LEN);
		n += EID_LEN;
		in[n++] = kvn;
		in[n++] = (uint8_t) (i + 1);
		in[n++] = 0;
		in[n++] = 8 * KEY_LEN;
		if (EVP_Q_mac(NULL, "CMAC", NULL, "AES-128-CBC", NULL, master, KEY_LEN, in, n,
					  keys[i], KEY_LEN, &len) == NULL || len != KEY_LEN)
			abort();
	}
}

void
identity_ecasd_key(uint64_t seed, uint64_t serial, uint8_t private_key[CURVE_PRIVATE_LEN],
				   uint8_t point[CURVE_POINT_LEN])
{
	char		text[96];

	snprintf(text, sizeof text, "smsr-fleet ECASD %" PRIu64 " %" PRIu64, seed, serial);
	signer_key(text, private_key, point);
}

void
identity_iccid(uint64_t seed, uint64_t serial, uint16_t tar, uint8_t iccid[ICCID_LEN])
{
	char		digits[64];

	snprintf(digits, sizeof digits, "8949%02" PRIu64 "%08" PRIu64 "%05u0",
			 seed % 100, serial % (MAX_SERIAL + 1), (unsigned) (tar - FIRST_TAR));
	for (char check = '0'; check <= '9'; check++)
	{
		digits[19] = check;
		pack(digits, iccid, ICCID_LEN);
		if (iccid_luhn_ok(iccid))
			break;
	}
}

uint64_t
identity_msisdn(uint64_t serial, uint16_t tar)
{
	return UINT64_C(490000000000000) + serial % (MAX_SERIAL + 1) * 100000 +
		(unsigned) (tar - FIRST_TAR);
}

uint64_t
identity_imsi(uint64_t serial, uint16_t tar, unsigned owner)
{
	return UINT64_C(262000000000000) + (owner + 1) % 100 * UINT64_C(10000000000) +
		serial % (MAX_SERIAL + 1) * 100 + (unsigned) (tar - FIRST_TAR) % 100;
}

/* TS 102 223 clause 8.20: 15 digits nibble-swapped behind the type of identity (A). */
void
identity_imei(uint64_t serial, uint8_t imei[8])
{
	char		digits[32];

	snprintf(digits, sizeof digits, "35000000%06" PRIu64 "0", serial % 1000000);
	imei[0] = (uint8_t) ((digits[0] - '0') << 4 | 0xA);
	for (int i = 1; i < 8; i++)
		imei[i] = (uint8_t) ((digits[2 * i] - '0') << 4 | (digits[2 * i - 1] - '0'));
}

unsigned
identity_operator(uint16_t tar, unsigned operators)
{
	return (unsigned) (tar - FIRST_TAR) % operators;
}
