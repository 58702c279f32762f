/*
 * key_file.c
 *		Keys that stand outside the database, as octets or as digits.
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "core/bytes.h"
#include "pg/key_file.h"
#include "pg/secret.h"
#include "pg/secure.h"

/* hexadecimal digits and CR LF */
#define TEXT_MAX_LEN	(2 * KEY_FILE_MAX_LEN + 2)

/* Length of the key that the digits at the start of text are; 0 if they are none. */
static int
read_hex(const uint8 *text, int len, uint8 *key)
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	if (len % 2 != 0 || len > 2 * KEY_FILE_MAX_LEN)
		return 0;
	for (int i = 0; i < len; i += 2)
	{
		int			high = hex_value(text[i]);
		int			low = hex_value(text[i + 1]);

		if (high < 0 || low < 0)
			return 0;
		key[i / 2] = (uint8) (high << 4 | low);
	}
	return len / 2;
}

static bool
key_len_ok(int len, int min_len)
{
	return len >= min_len && len <= KEY_FILE_MAX_LEN && len % 8 == 0;
}

/* The key that the octets of the secret in locked memory say, whose length is len; 0: none. */
static int
read_key(int len, int min_len, uint8 *key)
{
	uint8	   *text = secure_memory()->secret;
	int			key_len;

	StaticAssertStmt(TEXT_MAX_LEN < SECURE_SECRET_LEN, "room to see that a text is too long");

	/* digits first: 32 of them are an AES-128 key, or 32 octets of text */
	key_len = read_hex(text, len, key);
	if (!key_len_ok(key_len, min_len))
	{
		key_len = key_len_ok(len, min_len) ? len : 0;
		OPENSSL_cleanse(key, KEY_FILE_MAX_LEN);
		memcpy(key, text, key_len);
	}
	OPENSSL_cleanse(text, SECURE_SECRET_LEN);
	return key_len;
}

int
key_file_read(const char *path, const char *what, int min_len, uint8 *key)
{
	int			len = secret_from_file(path, what, secure_memory()->secret, SECURE_SECRET_LEN);
	int			key_len = read_key(len, min_len, key);

	if (key_len == 0 && min_len == KEY_FILE_MAX_LEN)
		secret_refuse_file(what, path, "does not hold a key",
						   "It must hold 32 octets, or 64 hexadecimal digits.");
	if (key_len == 0)
		secret_refuse_file(what, path, "does not hold a key",
						   "It must hold 16, 24 or 32 octets, or twice as many hexadecimal digits.");
	return key_len;
}

void
key_command_read(const char *command, const char *setting, uint8 *key)
{
	int			len = secret_from_command(command, setting, secure_memory()->secret, SECURE_SECRET_LEN);

	if (read_key(len, KEY_FILE_MAX_LEN, key) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the command in %s did not print a key", setting),
				 errhint("It must print 32 octets, or 64 hexadecimal digits, and nothing else.")));
}
