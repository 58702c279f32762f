/*
 * put_key.c
 *		PUT KEY: a key set that replaces another, or is added.
 */
#include "put_key.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define CLA				0x80
#define INS_PUT_KEY		0xD8
#define SEVERAL_KEYS	0x80	/* in P2 */
#define MAX_LC			255
#define KCV_LEN			3
#define MAX_PSK			64
#define MAX_BLOCK		16

static bool
hash_prefix(const EVP_MD *hash, SmsrBytes key, uint8_t kcv[KCV_LEN], SmsrError *error)
{
	uint8_t		digest[EVP_MAX_MD_SIZE];
	bool		ok = EVP_Digest(key.data, key.len, digest, NULL, hash, NULL) == 1;

	if (ok)
		memcpy(kcv, digest, KCV_LEN);
	OPENSSL_cleanse(digest, sizeof(digest));
	if (ok)
		return true;
	ERR_clear_error();
	return smsr_fail(error, SMSR_CRYPTO, "key check value", 0, "libcrypto to do it");
}

/* len: KCV_LEN, or 0 for a key that has none */
static bool
check_value(const PutKey *command, size_t i, uint8_t kcv[KCV_LEN], size_t *len, SmsrError *error)
{
	*len = KCV_LEN;
	if (command->key_type[i] != KEY_TYPE_PSK)
		return key_check_value(command->key_type[i], command->key[i], kcv, error);
	switch (command->psk_check)
	{
		case PSK_CHECK_NONE:
			break;
		case PSK_CHECK_SHA1:
			return hash_prefix(EVP_sha1(), command->key[i], kcv, error);
		case PSK_CHECK_SHA256:
			return hash_prefix(EVP_sha256(), command->key[i], kcv, error);
	}
	*len = 0;
	return true;
}

static bool
check_command(const PutKey *command, uint8_t kek_type, SmsrError *error)
{
	if (command->count < 1 || command->count > PUT_KEY_MAX_KEYS)
		return smsr_fail(error, SMSR_BAD_VALUE, "keys", 0, "1 to 3 of them");
	if (command->old_kvn > 0x7F || command->kvn < 1 || command->kvn > 0x7F)
		return smsr_fail(error, SMSR_BAD_VALUE, "key version number", 0, "01 to 7F");
	if (command->key_id < 1 || command->key_id > 0x80 - command->count)
		return smsr_fail(error, SMSR_BAD_VALUE, "key identifier", 0, "01 to 7F for each key");
	if (kek_type != KEY_TYPE_AES && kek_type != KEY_TYPE_DES)
		return smsr_fail(error, SMSR_UNSUPPORTED, "type of wrapping key", 0, "80 (DES) or 88 (AES)");
	for (size_t i = 0; i < command->count; i++)
	{
		switch (command->key_type[i])
		{
			case KEY_TYPE_AES:
				/* a key is not to be had by who breaks a weaker one */
				if (kek_type == KEY_TYPE_DES)
					return smsr_fail(error, SMSR_BAD_VALUE, "type of wrapping key", 0, "88 (AES) for AES keys");
				break;
			case KEY_TYPE_DES:
				break;
			case KEY_TYPE_PSK:
				if (command->key[i].len < 16 || command->key[i].len > MAX_PSK)
					return smsr_fail(error, SMSR_BAD_LENGTH, "PSK", 0, "16 to 64 octets");
				break;
			default:
				return smsr_fail(error, SMSR_UNSUPPORTED, "key type", 0, "80 (DES), 85 (PSK) or 88 (AES)");
		}
	}
	return true;
}

static bool
put_key_block(SmsrBytes key, PutKeyForm form, uint8_t kek_type, SmsrBytes kek, SmsrWriter *w,
			  SmsrError *error)
{
	const size_t block = kek_type == KEY_TYPE_AES ? 16 : 8;
	const size_t padded_len = (key.len + block - 1) / block * block;
	const size_t prefix = form == PUT_KEY_WITH_LENGTH ? 1 : 0;
	uint8_t		padded[MAX_PSK + MAX_BLOCK] = {0};
	bool		ok;

	if (form == PUT_KEY_BARE && padded_len != key.len)
		return smsr_fail(error, SMSR_BAD_LENGTH, "key", 0,
						 "whole blocks of the wrapping key's cipher in the bare form");
	put_u8(w, (uint8_t) (prefix + padded_len));
	if (prefix > 0)
		put_u8(w, (uint8_t) key.len);
	if (kek.len == 0)
	{
		put_bytes(w, padded, padded_len);
		return true;
	}
	memcpy(padded, key.data, key.len);
	ok = key_wrap(kek_type == KEY_TYPE_AES ? WRAP_AES_CBC_ZERO_IV : WRAP_3DES_ECB, kek,
				  smsr_bytes(padded, padded_len), w, error);
	OPENSSL_cleanse(padded, sizeof(padded));
	return ok;
}

/* kek of no octets: blank */
static bool
write_command(const PutKey *command, uint8_t kek_type, SmsrBytes kek, SmsrWriter *w, SmsrError *error)
{
	uint8_t		data[MAX_LC];
	SmsrWriter	d = smsr_writer(data, sizeof(data));

	if (!check_command(command, kek_type, error))
		return false;
	put_u8(&d, command->kvn);
	for (size_t i = 0; i < command->count; i++)
	{
		uint8_t		kcv[KCV_LEN];
		size_t		kcv_len;

		/* first, because it is what knows which lengths a key may have */
		if (!check_value(command, i, kcv, &kcv_len, error))
			return false;
		put_u8(&d, command->key_type[i]);
		if (!put_key_block(command->key[i], command->form, kek_type, kek, &d, error))
			return false;
		put_u8(&d, (uint8_t) kcv_len);
		put_bytes(&d, kcv, kcv_len);
	}
	/* header, Lc, Le */
	if (d.overflow || w->overflow || d.len + 6 > w->cap - w->len)
		return smsr_fail(error, SMSR_TOO_LONG, "PUT KEY", 0, "keys that fit one command, and room for it");
	put_u8(w, CLA);
	put_u8(w, INS_PUT_KEY);
	put_u8(w, command->old_kvn);
	put_u8(w, (uint8_t) (command->key_id | (command->count > 1 ? SEVERAL_KEYS : 0)));
	put_u8(w, (uint8_t) d.len);
	put_bytes(w, data, d.len);
	put_u8(w, 0x00);
	return true;
}

bool
put_key_write(const PutKey *command, uint8_t kek_type, SmsrBytes kek, SmsrWriter *w, SmsrError *error)
{
	if (kek.len == 0)
		return smsr_fail(error, SMSR_BAD_LENGTH, "wrapping key", 0, "a key");
	return write_command(command, kek_type, kek, w, error);
}

bool
put_key_write_blank(const PutKey *command, SmsrWriter *w, SmsrError *error)
{
	/* as wide as the keys' own cipher has it: they are wrapped under one of their kind */
	return write_command(command, command->count > 0 && command->key_type[0] == KEY_TYPE_DES ? KEY_TYPE_DES : KEY_TYPE_AES,
						 smsr_bytes(NULL, 0), w, error);
}

bool
put_key_check_response(const PutKey *command, SmsrBytes data, SmsrError *error)
{
	uint8_t		kcv[PUT_KEY_MAX_KEYS][KCV_LEN];
	size_t		kcv_len[PUT_KEY_MAX_KEYS];
	size_t		known = 0;
	size_t		pos = 1;
	bool		all;

	if (!check_command(command, KEY_TYPE_AES, error))
		return false;
	for (size_t i = 0; i < command->count; i++)
	{
		if (!check_value(command, i, kcv[i], &kcv_len[i], error))
			return false;
		known += kcv_len[i];
	}
	/* for a key that was sent without one the card may say one, or nothing */
	all = data.len == 1 + command->count * KCV_LEN;
	if (!all && data.len != 1 + known)
		return smsr_fail(error, data.len < 1 + known ? SMSR_TRUNCATED : SMSR_BAD_LENGTH, "PUT KEY response",
						 data.len, "a key version number, and 3 octets of check value for each key");
	if (data.data[0] != command->kvn)
		return smsr_fail(error, SMSR_BAD_VALUE, "key version number", 0, "that of the command");
	for (size_t i = 0; i < command->count; i++)
	{
		if (kcv_len[i] > 0 && memcmp(data.data + pos, kcv[i], KCV_LEN) != 0)
			return smsr_fail(error, SMSR_BAD_VALUE, "key check value", pos, "that of the key");
		pos += all ? KCV_LEN : kcv_len[i];
	}
	return true;
}

/* One key of a data field, from its type on; its check value is compared by the caller. */
static bool
read_key(SmsrBytes data, size_t *pos, uint8_t kek_type, SmsrBytes kek, SmsrWriter *room,
		 uint8_t *type, SmsrBytes *key, SmsrBytes *kcv, SmsrError *error)
{
	const size_t block = kek_type == KEY_TYPE_AES ? 16 : 8;
	const size_t start = room->len;
	size_t		len;
	size_t		key_len;

	if (data.len - *pos < 3 || data.data[*pos + 1] > data.len - *pos - 3)
		return smsr_fail(error, SMSR_TRUNCATED, "key", *pos, "type, length, block and check value");
	*type = data.data[*pos];
	len = data.data[*pos + 1];
	*pos += 2;
	key_len = len;
	if (len % block == 1)
	{
		key_len = data.data[(*pos)++];
		len--;
	}
	if (len == 0 || len % block != 0 || key_len > len || key_len + block <= len)
		return smsr_fail(error, SMSR_BAD_LENGTH, "key block", *pos, "whole blocks of the wrapping key's cipher");
	if (!key_unwrap(kek_type == KEY_TYPE_AES ? WRAP_AES_CBC_ZERO_IV : WRAP_3DES_ECB, kek,
					smsr_bytes(data.data + *pos, len), room, error))
		return false;
	*key = smsr_bytes(room->data + start, key_len);
	*pos += len;
	len = data.data[(*pos)++];
	if ((len != 0 && len != KCV_LEN) || len > data.len - *pos)
		return smsr_fail(error, SMSR_BAD_LENGTH, "key check value", *pos, "no or 3 octets");
	*kcv = smsr_bytes(data.data + *pos, len);
	*pos += len;
	return true;
}

bool
put_key_read(SmsrBytes data, uint8_t kek_type, SmsrBytes kek, SmsrWriter *room,
			 PutKey *command, SmsrError *error)
{
	size_t		pos = 1;

	*command = (PutKey) {0};
	if (data.len == 0)
		return smsr_fail(error, SMSR_TRUNCATED, "key version number", 0, "an octet");
	command->kvn = data.data[0];
	while (pos < data.len)
	{
		const size_t at = pos;
		const size_t i = command->count;
		uint8_t		known[KCV_LEN];
		SmsrBytes	kcv = {NULL, 0};

		if (i == PUT_KEY_MAX_KEYS)
			return smsr_fail(error, SMSR_TOO_LONG, "keys", pos, "1 to 3 of them");
		if (!read_key(data, &pos, kek_type, kek, room, &command->key_type[i], &command->key[i], &kcv, error))
			return false;
		if (kcv.len > 0 && command->key_type[i] != KEY_TYPE_PSK &&
			(!key_check_value(command->key_type[i], command->key[i], known, error) ||
			 memcmp(kcv.data, known, KCV_LEN) != 0))
			return smsr_fail(error, SMSR_BAD_VALUE, "key check value", at, "that of the key");
		command->count++;
	}
	if (command->count == 0)
		return smsr_fail(error, SMSR_TRUNCATED, "keys", pos, "1 to 3 of them");
	return true;
}
