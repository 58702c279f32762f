/*
 * fuzz_sealing.c
 *		Blobs, key sets and wrapped keys of somebody else's: none opens that was
 *		not sealed, nothing is released of what does not open, and what was
 *		sealed or wrapped comes back.
 */
#include "fuzz.h"

#include "core/sealing.h"

static const uint8_t key[SEALING_KEY_LEN] = {1, 2, 3};
static const uint8_t eid[16] = {0x89};
static const uint8_t aid[16] = {0xA0};

static void
open_blob(Sealing *s, const SealingPlace *place, SmsrBytes input)
{
	uint8_t    *copy = malloc(input.len + 5);
	SmsrWriter	plain = heap_writer(KEYSET_MAX_LEN);
	SmsrError	error;

	property(!sealing_open(s, place, input, &plain, &error));
	explained(error, input.len);
	property(plain.len == 0);

	/* past the header, too */
	memcpy(copy, "\x01\0\0\0\x07", 5);
	if (input.len > 0)
		memcpy(copy + 5, input.data, input.len);
	property(!sealing_open(s, place, smsr_bytes(copy, input.len + 5), &plain, &error));
	explained(error, input.len + 5);
	property(plain.len == 0);
	free(plain.data);
	free(copy);
}

static void
round_trip(Sealing *s, const SealingPlace *place, SmsrBytes input)
{
	static const uint8_t nonce[SEALING_NONCE_LEN] = {9};
	SmsrWriter	blob = heap_writer(input.len + SEALING_OVERHEAD);
	SmsrWriter	plain = heap_writer(input.len);
	SmsrError	error;

	if (sealing_seal(s, place, nonce, input, &blob, &error))
	{
		property(sealing_open(s, place, smsr_written(&blob), &plain, &error));
		property(same_bytes(smsr_written(&plain), input));
	}
	else
		property(input.len > KEYSET_MAX_LEN && blob.len == 0);
	free(plain.data);
	free(blob.data);
}

static void
read_keyset(SmsrBytes input)
{
	KeysetKeys	keys;
	SmsrWriter	again = heap_writer(input.len);
	SmsrError	error;

	if (!keyset_read(input, &keys, &error))
		explained(error, input.len);
	else if (keyset_write(&keys, &again, &error))
		property(same_bytes(smsr_written(&again), input));
	free(again.data);
}

static void
unwrap(WrapMode mode, SmsrBytes kek, SmsrBytes input)
{
	SmsrWriter	plain = heap_writer(KEYSET_MAX_LEN);
	SmsrWriter	again = heap_writer(KEYSET_MAX_LEN + 16);
	SmsrError	error;

	if (!key_unwrap(mode, kek, input, &plain, &error))
	{
		explained(error, input.len);
		property(plain.len == 0);
	}
	else
	{
		property(key_wrap(mode, kek, smsr_written(&plain), &again, &error));
		/* padding that was not needed is not written again */
		property(same_bytes(smsr_written(&again), input) ||
				 (mode == WRAP_AES_ECB_PKCS7 && again.len + 16 == input.len));
	}
	free(again.data);
	free(plain.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Sealing *s;
	SmsrBytes	input = smsr_bytes(data, size);
	SealingPlace place = {eid, smsr_bytes(aid, sizeof(aid)), 1, KEY_TYPE_AES};
	SmsrError	error;
	uint8_t		choice = take_u8(&input);

	if (s == NULL)
	{
		s = sealing_new();
		property(s != NULL && sealing_set_key(s, 7, key, &error));
	}
	open_blob(s, &place, input);
	round_trip(s, &place, input);
	read_keyset(input);
	for (int mode = WRAP_NONE; mode < WRAP_MODES; mode++)
		unwrap((WrapMode) mode, smsr_bytes(key, 8 * (choice % 5)), input);
	return 0;
}
