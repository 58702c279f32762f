/*
 * test_put_key.c
 *		PUT KEY: what goes to the card opens again, what comes back is compared,
 *		and what is no command is none.
 */
#include "core/put_key.h"
#include "pki.h"

#include <string.h>

#define KEK		"404142434445464748494A4B4C4D4E4F"
#define KEK_3	KEK "5051525354555657"

static PutKey
three(size_t len)
{
	return (PutKey) {
		.old_kvn = 0x01, .kvn = 0x02, .key_id = 0x01, .count = 3,
		.key_type = {KEY_TYPE_AES, KEY_TYPE_AES, KEY_TYPE_AES}, .key = {noise(len), noise(len), noise(len)}
	};
}

static SmsrBytes
answer_to(const PutKey *command)
{
	SmsrWriter	w = writer(10);
	SmsrError	error;

	put_u8(&w, command->kvn);
	for (size_t i = 0; i < command->count; i++)
	{
		uint8_t		kcv[3];

		if (key_check_value(command->key_type[i], command->key[i], kcv, &error))
			put_bytes(&w, kcv, 3);
	}
	return copy_of(smsr_written(&w));
}

/* The card's side: every key opens, and has its check value. */
static void
opens(const PutKey *command, uint8_t kek_type, const char *kek, const char *what)
{
	SmsrWriter	w = writer(300);
	SmsrBytes	apdu;
	size_t		pos = 6;
	bool		good = true;
	SmsrError	error;

	succeeds(put_key_write(command, kek_type, hex(kek), &w, &error), &error, "%s", what);
	apdu = smsr_written(&w);
	ok(apdu.len == 6u + apdu.data[4] && apdu.data[2] == command->old_kvn &&
	   apdu.data[3] == (command->key_id | (command->count > 1 ? 0x80 : 0)) &&
	   apdu.data[5] == command->kvn && apdu.data[apdu.len - 1] == 0, "%s: header", what);
	for (size_t i = 0; i < command->count && good; i++)
	{
		const size_t prefix = command->form == PUT_KEY_WITH_LENGTH;
		const size_t block = apdu.data[pos + 1];
		SmsrBytes	key = command->key[i];
		SmsrWriter	plain = writer(120);
		uint8_t		kcv[3];
		size_t		kcv_len = 0;

		good = apdu.data[pos] == command->key_type[i] && (prefix == 0 || apdu.data[pos + 2] == key.len) &&
			key_unwrap(kek_type == KEY_TYPE_AES ? WRAP_AES_CBC_ZERO_IV : WRAP_3DES_ECB, hex(kek),
					   smsr_bytes(apdu.data + pos + 2 + prefix, block - prefix), &plain, &error) &&
			plain.len >= key.len && memcmp(plain.data, key.data, key.len) == 0;
		for (size_t j = key.len; good && j < plain.len; j++)
			good = plain.data[j] == 0;
		pos += 2 + block;
		if (command->key_type[i] != KEY_TYPE_PSK)
		{
			key_check_value(command->key_type[i], key, kcv, &error);
			kcv_len = 3;
		}
		good = good && apdu.data[pos] == kcv_len && memcmp(apdu.data + pos + 1, kcv, kcv_len) == 0;
		pos += 1 + kcv_len;
	}
	ok(good && pos + 1 == apdu.len, "%s: opens", what);
}

static void
refused(PutKey command, uint8_t kek_type, const char *kek, SmsrErrorCode code, const char *field, const char *what)
{
	SmsrWriter	w = writer(300);
	SmsrError	error;

	fails(put_key_write(&command, kek_type, hex(kek), &w, &error), &error, code, field, 0, "%s", what);
	ok(w.len == 0, "%s: nothing is written", what);
}

TEST_SUITE(put_key)
{
	PutKey		command;
	SmsrBytes	data;
	SmsrWriter	w;
	SmsrError	error;

	for (size_t len = 16; len <= 32; len += 8)
	{
		command = three(len);
		opens(&command, KEY_TYPE_AES, KEK, "three AES keys");
		opens(&command, KEY_TYPE_AES, KEK_3, "under an AES-192 key");
		command.count = 1;
		opens(&command, KEY_TYPE_AES, KEK, "one of them");
		command.form = PUT_KEY_BARE;
		if (len % 16 == 0)
			opens(&command, KEY_TYPE_AES, KEK, "bare");
		else
			refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_LENGTH, "key", "24 octets, bare");
	}
	command = (PutKey) {
		.kvn = 0x02, .key_id = 0x01, .count = 2, .key_type = {KEY_TYPE_DES, KEY_TYPE_DES},
		.key = {noise(16), noise(24)}, .form = PUT_KEY_BARE
	};
	opens(&command, KEY_TYPE_DES, KEK, "DES keys under a DES key");
	for (size_t len = 16; len <= 64; len++)
	{
		command = (PutKey) {
			.kvn = 0x40, .key_id = 0x01, .count = 2, .key_type = {KEY_TYPE_PSK, KEY_TYPE_AES},
			.key = {noise(len), noise(16)}
		};
		opens(&command, KEY_TYPE_AES, KEK, "a PSK and its DEK");
	}
	command.psk_check = PSK_CHECK_SHA1;
	command.count = 1;
	command.key[0] = hex("616263616263616263616263616263616263");
	w = writer(300);
	succeeds(put_key_write(&command, KEY_TYPE_AES, hex(KEK), &w, &error), &error, "a PSK with a hash");
	is_hex(smsr_bytes(w.data + w.len - 5, 5), "03 5AFEC2 00", "which is its SHA-1's");
	data = pki_sha256(command.key[0]);
	command.psk_check = PSK_CHECK_SHA256;
	w = writer(300);
	put_key_write(&command, KEY_TYPE_AES, hex(KEK), &w, &error);
	ok(w.len > 5 && w.data[w.len - 5] == 3 && memcmp(w.data + w.len - 4, data.data, 3) == 0, "which is its SHA-256's");

	/* what is none */
	command = three(16);
	command.count = 0;
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_VALUE, "keys", "no key");
	command.count = 4;
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_VALUE, "keys", "four keys");
	command = three(16);
	command.kvn = 0;
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_VALUE, "key version number", "to version 0");
	command.kvn = 0x80;
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_VALUE, "key version number", "to version 80");
	command = three(16);
	command.old_kvn = 0x80;
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_VALUE, "key version number", "from version 80");
	command = three(16);
	command.key_id = 0;
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_VALUE, "key identifier", "key 0");
	command.key_id = 0x7E;
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_VALUE, "key identifier", "keys up to 80");
	command = three(16);
	refused(command, KEY_TYPE_DES, KEK, SMSR_BAD_VALUE, "type of wrapping key", "AES under DES");
	refused(command, KEY_TYPE_PSK, KEK, SMSR_UNSUPPORTED, "type of wrapping key", "AES under a PSK");
	refused(command, KEY_TYPE_AES, "00", SMSR_BAD_LENGTH, "wrapping key", "under a short key");
	command.key_type[2] = 0x87;
	refused(command, KEY_TYPE_AES, KEK, SMSR_UNSUPPORTED, "key type", "another type");
	command = three(16);
	command.key[1] = noise(17);
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_LENGTH, "AES key", "17 octets");
	command = three(16);
	command.key_type[0] = KEY_TYPE_PSK;
	command.key[0] = noise(65);
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_LENGTH, "PSK", "a long PSK");
	command.key[0] = noise(15);
	refused(command, KEY_TYPE_AES, KEK, SMSR_BAD_LENGTH, "PSK", "a short PSK");
	command = (PutKey) {
		.kvn = 0x40, .key_id = 0x01, .count = 3, .key_type = {KEY_TYPE_PSK, KEY_TYPE_PSK, KEY_TYPE_PSK},
		.key = {noise(64), noise(64), noise(64)}
	};
	opens(&command, KEY_TYPE_AES, KEK, "as much as there can be");
	w = writer(70);
	fails(put_key_write(&command, KEY_TYPE_AES, hex(KEK), &w, &error), &error, SMSR_TOO_LONG, "PUT KEY", 0, "no room");

	/* the answer */
	command = three(16);
	data = answer_to(&command);
	succeeds(put_key_check_response(&command, data, &error), &error, "its answer");
	for (size_t bit = 0; bit < 8 * data.len; bit++)
		ok(!put_key_check_response(&command, with_bit_turned(data, bit), &error) &&
		   strcmp(error.field, bit < 8 ? "key version number" : "key check value") == 0 && error.offset <= bit / 8,
		   "not with bit %zu turned", bit);
	for (size_t len = 0; len < data.len; len++)
		fails(put_key_check_response(&command, copy_of(smsr_bytes(data.data, len)), &error), &error,
			  SMSR_TRUNCATED, "PUT KEY response", len, "not %zu octets of it", len);
	fails(put_key_check_response(&command, joined(data, hex("00")), &error), &error,
		  SMSR_BAD_LENGTH, "PUT KEY response", data.len + 1, "nor more");
	command.key_type[0] = KEY_TYPE_PSK;
	data = answer_to(&command);
	succeeds(put_key_check_response(&command, data, &error), &error, "without a check value of the PSK");
	data = joined(smsr_bytes(data.data, 1), hex("AABBCC"), smsr_bytes(data.data + 1, 6));
	succeeds(put_key_check_response(&command, data, &error), &error, "with one of the card's own");
	fails(put_key_check_response(&command, with_bit_turned(data, 8 * 4), &error), &error,
		  SMSR_BAD_VALUE, "key check value", 4, "the others count");
}

/* The card's side, of both forms; and of no octet other than those that were written. */
TEST_SUITE(put_key_card)
{
	static const size_t lengths[] = {16, 24, 32};
	SmsrError	error;

	for (int form = PUT_KEY_WITH_LENGTH; form <= PUT_KEY_BARE; form++)
		for (int i = 0; i < 3; i++)
		{
			PutKey		command = three(lengths[i]);
			SmsrWriter	w = writer(300);
			SmsrWriter	room = writer(200);
			SmsrBytes	data;
			PutKey		got;
			int			accepted = 0;

			command.form = (PutKeyForm) form;
			if (form == PUT_KEY_BARE && lengths[i] % 16 != 0)
				continue;
			put_key_write(&command, KEY_TYPE_AES, hex(KEK), &w, &error);
			data = copy_of(smsr_bytes(w.data + 5, w.len - 6));
			succeeds(put_key_read(data, KEY_TYPE_AES, hex(KEK), &room, &got, &error), &error, "form %d, %zu octets", form, lengths[i]);
			ok(got.kvn == command.kvn && got.count == 3, "its version and count");
			for (int k = 0; k < 3; k++)
				ok(got.key_type[k] == KEY_TYPE_AES && got.key[k].len == lengths[i] &&
				   memcmp(got.key[k].data, command.key[k].data, lengths[i]) == 0, "key %d", k + 1);
			for (size_t len = 0; len < data.len; len++)
			{
				room.len = 0;
				/* whole keys of it are a command of fewer */
				if (put_key_read(copy_of(smsr_bytes(data.data, len)), KEY_TYPE_AES, hex(KEK), &room, &got, &error))
					accepted++;
			}
			ok(accepted == 2, "no beginning of it but whole keys");
			accepted = 0;
			for (size_t bit = 8; bit < data.len * 8; bit++)
			{
				room.len = 0;
				accepted += put_key_read(with_bit_turned(data, bit), KEY_TYPE_AES, hex(KEK), &room, &got, &error) &&
					(got.count == 3 && memcmp(got.key[0].data, command.key[0].data, 16) != 0);
			}
			ok(accepted == 0, "a bit in it makes no other keys");
		}
}

TEST_SUITE(put_key_blank)
{
	PutKey		command = three(16);
	SmsrWriter	w = writer(300);
	SmsrWriter	blank = writer(300);
	SmsrError	error;
	size_t		same = 0;

	put_key_write(&command, KEY_TYPE_AES, hex(KEK), &w, &error);
	succeeds(put_key_write_blank(&command, &blank, &error), &error, "blank");
	ok(blank.len == w.len, "of the same length");
	for (size_t i = 0; i < w.len; i++)
		same += blank.data[i] == w.data[i];
	/* header, Lc, KVN, three times type, two lengths and a check value with its own, Le */
	ok(same >= 4 + 1 + 1 + 3 * 7 + 1 && same <= 4 + 1 + 1 + 3 * 7 + 1 + 3, "and the same but for the keys");
	for (int k = 0; k < 3; k++)
		for (int i = 0; i < 16; i++)
			if (blank.data[6 + 23 * k + 3 + i] != 0)
				same = 0;
	ok(same > 0, "where zeros stand");
	fails(put_key_write(&command, KEY_TYPE_AES, smsr_bytes(NULL, 0), &w, &error), &error, SMSR_BAD_LENGTH, "wrapping key", 0,
		  "never by a missing key");
	command = three(24);
	command.key_type[0] = command.key_type[1] = command.key_type[2] = KEY_TYPE_DES;
	w.len = blank.len = 0;
	put_key_write(&command, KEY_TYPE_DES, hex(KEK_3), &w, &error);
	put_key_write_blank(&command, &blank, &error);
	ok(blank.len == w.len && w.len > 0, "3DES: of the same length");
}
