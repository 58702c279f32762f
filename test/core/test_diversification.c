/*
 * test_diversification.c
 *		Bounds of key derivation; what it computes is in the vectors.
 */
#include "core/diversification.h"
#include "core/kdf.h"
#include "core/psk_identity.h"
#include "tap.h"

#include <string.h>

static void
refused(Diversification scheme, size_t master, size_t source, size_t key_len, const char *field)
{
	DiversifiedKeys keys;
	SmsrError	error;

	fails(diversify(scheme, noise(master), noise(source), 1, key_len, &keys, &error), &error,
		  SMSR_BAD_LENGTH, field, 0, "%s: master of %zu octets, source of %zu, keys of %zu",
		  diversification_name(scheme), master, source, key_len);
}

TEST_SUITE(diversification)
{
	Diversification scheme;
	DiversifiedKeys keys;
	DiversifiedKeys other;
	SmsrBytes	master = noise(32);
	SmsrBytes	eid = noise(16);
	uint8_t		out[64];
	SmsrError	error;

	ok(!diversification_parse("visa3", &scheme) && !diversification_parse("", &scheme), "schemes that are none");
	for (scheme = DIVERSIFY_VISA2; scheme <= DIVERSIFY_EID; scheme++)
	{
		Diversification parsed;

		ok(diversification_parse(diversification_name(scheme), &parsed) && parsed == scheme, "%s",
		   diversification_name(scheme));
	}
	for (scheme = DIVERSIFY_VISA2; scheme <= DIVERSIFY_EMV_CPS11; scheme++)
	{
		ok(diversification_key_type(scheme) == KEY_TYPE_DES, "%s is DES", diversification_name(scheme));
		refused(scheme, 24, 10, 0, "master key");
		refused(scheme, 16, 16, 0, "key diversification data");
	}
	refused(DIVERSIFY_KDF3, 17, 10, 0, "master key");
	refused(DIVERSIFY_KDF3, 16, 9, 0, "key diversification data");
	refused(DIVERSIFY_EID, 8, 16, 16, "master key");
	refused(DIVERSIFY_EID, 16, 10, 16, "EID");
	refused(DIVERSIFY_EID, 16, 16, 20, "key length");

	succeeds(diversify(DIVERSIFY_EID, master, eid, 1, 24, &keys, &error), &error, "keys of another length");
	ok(keys.len == 24 && memcmp(keys.key[0], keys.key[1], 24) != 0, "of which each is its own");
	diversify(DIVERSIFY_EID, master, eid, 2, 24, &other, &error);
	ok(memcmp(keys.key[0], other.key[0], 24) != 0, "and each version's");

	fails(kdf_counter(noise(16), noise(1), 0, noise(1), out, sizeof(out), &error), &error,
		  SMSR_BAD_LENGTH, "counter", 0, "no counter");
	fails(kdf_counter(noise(16), noise(1), 5, noise(1), out, sizeof(out), &error), &error,
		  SMSR_BAD_LENGTH, "counter", 0, "a long counter");
	fails(kdf_counter(noise(15), noise(1), 1, noise(1), out, sizeof(out), &error), &error,
		  SMSR_BAD_LENGTH, "AES key", 0, "no key");
	fails(kdf_counter(noise(16), noise(1), 1, noise(1), scratch(256 * 16), 256 * 16, &error), &error,
		  SMSR_TOO_LONG, "derived key", 0, "more blocks than an octet counts");
	succeeds(kdf_counter(noise(16), noise(1), 1, noise(1), scratch(255 * 16), 255 * 16, &error), &error,
			 "as many as it counts");
	memset(out, 0xEE, sizeof(out));
	succeeds(kdf_x963(noise(32), noise(3), out, 33, &error), &error, "a part of a block");
	ok(out[33] == 0xEE && out[63] == 0xEE, "and no octet more");
}

static void
odd_identity(const char *text, SmsrErrorCode code, const char *field, size_t offset, const char *what)
{
	PskIdentity identity;
	SmsrError	error;

	fails(psk_identity_read(copy_of(smsr_bytes(text, strlen(text))), &identity, &error), &error,
		  code, field, offset, "%s", what);
}

TEST_SUITE(psk_identity)
{
#define EID_PART	"8110890010120123412340123456789012" "24"
#define AID_PART	"4F10A0000005591010FFFFFFFF8900000100"
	PskIdentity identity;
	SmsrWriter	w = writer(PSK_IDENTITY_LEN);
	const char *lower = "8001028110890010120123412340123456789012244f10a0000005591010ffffffff8900000100820101830140";
	SmsrError	error;

	succeeds(psk_identity_read(smsr_bytes(lower, strlen(lower)), &identity, &error), &error, "in lower case");
	psk_identity_write(&identity, &w);
	ok(w.len == PSK_IDENTITY_LEN && memcmp(w.data, "800102" EID_PART AID_PART "820101830140", w.len) == 0,
	   "is written in upper case");
	identity.isdr.len = 15;
	w = writer(PSK_IDENTITY_LEN);
	psk_identity_write(&identity, &w);
	ok(w.overflow && w.len == 0, "not with a short AID");
	identity.isdr.len = 16;
	w = writer(PSK_IDENTITY_LEN - 1);
	psk_identity_write(&identity, &w);
	ok(w.overflow, "not without room");

	odd_identity("", SMSR_BAD_LENGTH, "PSK identity", 0, "nothing");
	odd_identity("800102" EID_PART AID_PART "82010183014", SMSR_BAD_LENGTH, "PSK identity", 0, "89 digits");
	odd_identity("800102" EID_PART AID_PART "82010183014000", SMSR_BAD_LENGTH, "PSK identity", 0, "92 digits");
	odd_identity("800102" EID_PART AID_PART "82010183014g", SMSR_BAD_VALUE, "PSK identity", 89, "no digit");
	odd_identity("810102" EID_PART AID_PART "820101830140", SMSR_BAD_VALUE, "format of PSK identity", 0, "no format");
	odd_identity("800101" EID_PART AID_PART "820101830140", SMSR_UNSUPPORTED, "format of PSK identity", 0, "format 01");
	odd_identity("800102" AID_PART EID_PART "820101830140", SMSR_BAD_VALUE, "EID", 6, "another order");
	odd_identity("800102" EID_PART EID_PART "820101830140", SMSR_BAD_VALUE, "AID", 42, "two EIDs");
	odd_identity("800102" EID_PART AID_PART "830140820101", SMSR_BAD_VALUE, "key identifier", 78, "KVN first");
	odd_identity("800102" EID_PART AID_PART "820101840140", SMSR_BAD_VALUE, "key version number", 84, "no KVN");
}
