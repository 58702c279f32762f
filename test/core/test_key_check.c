/*
 * test_key_check.c
 *		What a card key may be, and whether it is the key that was meant.
 */
#include "core/key_check.h"
#include "tap.h"

#define KEY		"404142434445464748494a4b4c4d4e4f"

static KeyCheck
check(uint8_t key_type, const char *key, const char *stated, bool authenticated, uint8_t check_value[3])
{
	return key_check(key_type, hex(key), stated == NULL ? NULL : hex(stated).data, authenticated, check_value);
}

TEST_SUITE(key_check)
{
	uint8_t		value[KEY_CHECK_VALUE_LEN];

	ok(key_type_fits("SCP80", 1, KEY_TYPE_AES, 0) && key_type_fits("SCP03", 3, KEY_TYPE_DES, KEY_TYPE_DES), "secure channels");
	ok(!key_type_fits("SCP80", 2, KEY_TYPE_DES, KEY_TYPE_AES), "two ciphers in one set");
	ok(!key_type_fits("SCP80", 1, KEY_TYPE_PSK, 0), "no PSK for packets");
	ok(key_type_fits("SCP81", 1, KEY_TYPE_PSK, 0) && !key_type_fits("SCP81", 1, KEY_TYPE_AES, 0), "first key for TLS");
	ok(key_type_fits("SCP81", 2, KEY_TYPE_AES, KEY_TYPE_PSK) && !key_type_fits("SCP81", 2, KEY_TYPE_PSK, KEY_TYPE_PSK), "its DEK");

	for (size_t len = 0; len <= 70; len++)
	{
		ok(key_len_fits(KEY_TYPE_AES, len) == (len == 16 || len == 24 || len == 32), "AES of %zu octets", len);
		ok(key_len_fits(KEY_TYPE_DES, len) == (len == 16 || len == 24), "DES of %zu octets", len);
		ok(key_len_fits(KEY_TYPE_PSK, len) == (len >= 16 && len <= 64), "PSK of %zu octets", len);
	}

	ok(check(KEY_TYPE_AES, KEY, "504A77", false, value) == KEY_CHECK_RIGHT, "AES");
	is_hex(smsr_bytes(value, sizeof(value)), "504a77", "its check value");
	ok(check(KEY_TYPE_DES, KEY, "8BAF47", false, value) == KEY_CHECK_RIGHT, "DES");
	ok(check(KEY_TYPE_AES, KEY, "8BAF47", true, value) == KEY_CHECK_WRONG, "wrong, whatever the wrap says");
	ok(check(KEY_TYPE_AES, "000102030405060708090a0b0c0d0e0f", "c6a13b", false, value) == KEY_CHECK_ZEROS, "over zeros");
	ok(check(KEY_TYPE_AES, KEY, NULL, true, value) == KEY_CHECK_RIGHT, "none, and none needed");
	is_hex(smsr_bytes(value, sizeof(value)), "504a77", "it is computed all the same");
	ok(check(KEY_TYPE_AES, KEY, NULL, false, value) == KEY_CHECK_MISSING, "none, and one needed");
	ok(check(KEY_TYPE_PSK, KEY, "000000", false, value) == KEY_CHECK_RIGHT, "a PSK has none");
	is_hex(smsr_bytes(value, sizeof(value)), "000000", "which is written as zeros");
	ok(check(KEY_TYPE_AES, "4041", NULL, true, value) == KEY_CHECK_IMPOSSIBLE, "no key");

	for (int i = WRAP_NONE; i < WRAP_MODES; i++)
		ok(wrap_mode_authenticates((WrapMode) i) == (i == WRAP_AES_KW || i == WRAP_AES_KWP), "%s", wrap_mode_name((WrapMode) i));
}
