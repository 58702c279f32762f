/*
 * key_check.c
 *		What a card key may be, and whether it is the key that was meant.
 */
#include "key_check.h"

#include <string.h>

#include <openssl/crypto.h>

bool
key_type_fits(const char *set, int index, uint8_t key_type, uint8_t set_key_type)
{
	if (strcmp(set, "SCP81") == 0)
		return index == 1 ? key_type == KEY_TYPE_PSK :
			key_type == KEY_TYPE_AES || key_type == KEY_TYPE_DES;
	return (key_type == KEY_TYPE_AES || key_type == KEY_TYPE_DES) &&
		(set_key_type == 0 || key_type == set_key_type);
}

bool
key_len_fits(uint8_t key_type, size_t len)
{
	if (key_type == KEY_TYPE_PSK)
		return len >= 16 && len <= 64;
	return len == 16 || len == 24 || (len == 32 && key_type == KEY_TYPE_AES);
}

KeyCheck
key_check(uint8_t key_type, SmsrBytes key, const uint8_t *stated, bool authenticated,
		  uint8_t check_value[KEY_CHECK_VALUE_LEN])
{
	uint8_t		zeros[KEY_CHECK_VALUE_LEN];

	memset(check_value, 0, KEY_CHECK_VALUE_LEN);
	if (key_type == KEY_TYPE_PSK)
		return KEY_CHECK_RIGHT;
	if (!key_check_value(key_type, key, check_value, NULL))
		return KEY_CHECK_IMPOSSIBLE;
	if (stated == NULL)
		return authenticated ? KEY_CHECK_RIGHT : KEY_CHECK_MISSING;
	if (CRYPTO_memcmp(stated, check_value, KEY_CHECK_VALUE_LEN) == 0)
		return KEY_CHECK_RIGHT;
	if (key_type == KEY_TYPE_AES && key_check_value_zeros(key, zeros, NULL) &&
		CRYPTO_memcmp(stated, zeros, KEY_CHECK_VALUE_LEN) == 0)
		return KEY_CHECK_ZEROS;
	return KEY_CHECK_WRONG;
}

bool
wrap_mode_authenticates(WrapMode mode)
{
	return mode == WRAP_AES_KW || mode == WRAP_AES_KWP;
}
