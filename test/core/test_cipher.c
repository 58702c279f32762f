/*
 * test_cipher.c
 *		Ciphers, checksums and redundancy checks by themselves.
 */
#include "tap.h"

#include <string.h>

#include "core/cipher.h"
#include "core/crc.h"

static const char *
mac_of(Ciphers *ciphers, CipherAlgorithm algorithm, SmsrBytes key,
	   const SmsrBytes *pieces, size_t count, SmsrBytes *mac)
{
	uint8_t    *octets = scratch(CIPHER_MAX_BLOCK);

	*mac = smsr_bytes(octets, cipher_block(algorithm));
	return cipher_mac(ciphers, algorithm, key, pieces, count, octets) ? NULL : "failed";
}

/* NIST SP 800-38B, examples of appendix D */
static void
test_cmac(Ciphers *ciphers)
{
	static const char message[] =
		"6BC1BEE22E409F96E93D7E117393172A AE2D8A571E03AC9C9EB76FAC45AF8E51"
		"30C81C46A35CE411E5FBC1191A0A52EF F69F2445DF4F9B17AD2B417BE66C3710";
	static const struct
	{
		const char *key;
		size_t		len;
		const char *mac;
	}			examples[] =
	{
		{"2B7E151628AED2A6ABF7158809CF4F3C", 0, "BB1D6929E95937287FA37D129B756746"},
		{"2B7E151628AED2A6ABF7158809CF4F3C", 16, "070A16B46B4D4144F79BDD9DD04A287C"},
		{"2B7E151628AED2A6ABF7158809CF4F3C", 40, "DFA66747DE9AE63030CA32611497C827"},
		{"2B7E151628AED2A6ABF7158809CF4F3C", 64, "51F0BEBF7E3B9D92FC49741779363CFE"},
		{"8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B", 40,
		"8A1DE5BE2EB31AAD089A82E6EE908B0E"},
		{"603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4", 40,
		"AAF3D8F1DE5640C232F5B169B9C911E6"},
	};
	SmsrBytes	mac;

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
	{
		SmsrBytes	piece = hex(message);

		piece.len = examples[i].len;
		mac_of(ciphers, CIPHER_AES, hex(examples[i].key), &piece, 1, &mac);
		is_hex(mac, examples[i].mac, "CMAC, example %zu", i + 1);
	}
}

/*
 * Around the size in which input is handed on, and however it is cut: libcrypto's
 * own CMAC must agree.
 */
static void
test_cmac_lengths(Ciphers *ciphers)
{
	EVP_MAC    *fetched = EVP_MAC_fetch(NULL, "CMAC", NULL);
	OSSL_PARAM	params[] = {
		OSSL_PARAM_utf8_string("cipher", (char *) "AES-128-CBC", 0), OSSL_PARAM_END
	};
	SmsrBytes	key = noise(16);
	SmsrBytes	message = noise(1100);
	int			different = 0;

	for (size_t len = 0; len <= message.len; len++)
	{
		EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(fetched);
		const size_t cut = len / 2;
		const SmsrBytes pieces[] = {
			smsr_bytes(message.data, cut), smsr_bytes(NULL, 0),
			smsr_bytes(message.data + cut, len - cut)
		};
		uint8_t		expected[16];
		uint8_t		got[CIPHER_MAX_BLOCK];
		size_t		got_len;

		if (EVP_MAC_init(ctx, key.data, key.len, params) != 1 ||
			EVP_MAC_update(ctx, message.data, len) != 1 ||
			EVP_MAC_final(ctx, expected, &got_len, sizeof(expected)) != 1 ||
			!cipher_mac(ciphers, CIPHER_AES, key, pieces, 3, got) ||
			memcmp(expected, got, sizeof(expected)) != 0)
			different++;
		EVP_MAC_CTX_free(ctx);
	}
	ok(different == 0, "CMAC of 0 to 1100 octets is that of libcrypto");
	EVP_MAC_free(fetched);
}

static void
test_des(Ciphers *ciphers)
{
	/* FIPS 81 appendix C and ISO/IEC 9797-1 annex B.2.3 */
	SmsrBytes	key = hex("0123456789ABCDEF");
	SmsrBytes	text = hex("4E6F77206973207468652074696D6520666F7220616C6C20");
	SmsrBytes	twice = hex("0123456789ABCDEF0123456789ABCDEF");
	SmsrBytes	mac;
	SmsrBytes	other;
	uint8_t    *buffer = scratch(text.len);

	memcpy(buffer, text.data, text.len);
	ok(cipher_run(ciphers, CIPHER_DES_ECB, key, true, buffer, text.len), "DES-ECB");
	is_hex(smsr_bytes(buffer, text.len), "3FA40E8A984D48156A271787AB8883F9893D51EC4B563B53",
		   "FIPS 81's example");
	ok(cipher_run(ciphers, CIPHER_DES_ECB, key, false, buffer, text.len) &&
	   memcmp(buffer, text.data, text.len) == 0, "and back");

	mac_of(ciphers, CIPHER_DES, key, &text, 1, &mac);
	is_hex(mac, "70A30640CC76DD8B", "DES CBC-MAC, whole blocks get no padding");
	text.len -= 3;
	mac_of(ciphers, CIPHER_DES, key, &text, 1, &mac);
	mac_of(ciphers, CIPHER_3DES_2, twice, &text, 1, &other);
	ok(memcmp(mac.data, other.data, 8) == 0,
	   "triple DES with the same key twice is DES, padding too");
}

static void
test_run(Ciphers *ciphers)
{
	static const struct
	{
		CipherAlgorithm algorithm;
		size_t		key_len;
	}			all[] =
	{
		{CIPHER_DES, 8}, {CIPHER_DES_ECB, 8}, {CIPHER_3DES_2, 16}, {CIPHER_3DES_3, 24},
		{CIPHER_AES, 16}, {CIPHER_AES, 24}, {CIPHER_AES, 32},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
	{
		SmsrBytes	key = noise(all[i].key_len);
		SmsrBytes	text = noise(4096);
		uint8_t    *buffer = scratch(text.len);

		memcpy(buffer, text.data, text.len);
		ok(cipher_run(ciphers, all[i].algorithm, key, true, buffer, text.len) &&
		   memcmp(buffer, text.data, text.len) != 0 &&
		   cipher_run(ciphers, all[i].algorithm, key, false, buffer, text.len) &&
		   memcmp(buffer, text.data, text.len) == 0,
		   "algorithm %d with %zu octets of key, there and back", (int) all[i].algorithm,
		   all[i].key_len);
		ok(cipher_key_expected(all[i].algorithm, all[i].key_len) == NULL,
		   "which is a right length for it");
		ok(cipher_key_expected(all[i].algorithm, all[i].key_len + 1) != NULL,
		   "one more is not");
	}
	ok(cipher_key_expected(CIPHER_AES, 0) != NULL, "AES wants a key");
}

TEST_SUITE(cipher)
{
	Ciphers		ciphers;

	if (!ok(ciphers_open(&ciphers), "libcrypto has all that is needed"))
		return;
	test_cmac(&ciphers);
	test_cmac_lengths(&ciphers);
	test_des(&ciphers);
	test_run(&ciphers);
	ciphers_close(&ciphers);
}

TEST_SUITE(crc)
{
	/* the example of TS 102 225, whole and in pieces */
	const SmsrBytes whole = hex("0102030405");
	const SmsrBytes pieces[] = {hex("0102"), smsr_bytes(NULL, 0), hex("030405")};
	const SmsrBytes check = smsr_bytes("123456789", 9);

	ok(crc16(&whole, 1) == 0x22EC, "CRC-16");
	ok(crc16(pieces, 3) == 0x22EC, "CRC-16 in pieces");
	ok(crc32_ieee(&whole, 1) == 0x470B99F4, "CRC-32");
	ok(crc32_ieee(pieces, 3) == 0x470B99F4, "CRC-32 in pieces");
	ok(crc16(&check, 1) == 0x906E, "CRC-16's check value");
	ok(crc32_ieee(&check, 1) == 0xCBF43926, "CRC-32's check value");
	ok(crc16(NULL, 0) == 0x0000 && crc32_ieee(NULL, 0) == 0, "of nothing");
}
