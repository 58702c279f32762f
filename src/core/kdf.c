/*
 * kdf.c
 *		Keys from a secret.
 */
#include "kdf.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

static bool
crypto_failed(SmsrError *error, const char *field)
{
	ERR_clear_error();
	return smsr_fail(error, SMSR_CRYPTO, field, 0, "libcrypto to do it");
}

static const char *
cipher_name(size_t key_len)
{
	switch (key_len)
	{
		case 16:
			return "AES-128-CBC";
		case 24:
			return "AES-192-CBC";
		case 32:
			return "AES-256-CBC";
		default:
			return NULL;
	}
}

/* A checksum's context without a key, or NULL; freeing it cleanses it. */
static EVP_MAC_CTX *
new_cmac(void)
{
	EVP_MAC    *mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
	EVP_MAC_CTX *ctx = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);

	EVP_MAC_free(mac);
	return ctx;
}

static bool
run_cmac(EVP_MAC_CTX *ctx, SmsrBytes key, const SmsrBytes *pieces, size_t count,
		 uint8_t mac[KDF_MAC_LEN])
{
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER,
										 (char *) (uintptr_t) cipher_name(key.len), 0),
		OSSL_PARAM_construct_end()
	};
	size_t		len;
	bool		ok = EVP_MAC_init(ctx, key.data, key.len, params) == 1;

	for (size_t i = 0; ok && i < count; i++)
		ok = pieces[i].len == 0 || EVP_MAC_update(ctx, pieces[i].data, pieces[i].len) == 1;
	return ok && EVP_MAC_final(ctx, mac, &len, KDF_MAC_LEN) == 1 && len == KDF_MAC_LEN;
}

static bool
check_key(SmsrBytes key, SmsrError *error)
{
	if (cipher_name(key.len) == NULL)
		return smsr_fail(error, SMSR_BAD_LENGTH, "AES key", 0, "16, 24 or 32 octets");
	return true;
}

bool
kdf_cmac(SmsrBytes key, const SmsrBytes *pieces, size_t count, uint8_t mac[KDF_MAC_LEN],
		 SmsrError *error)
{
	EVP_MAC_CTX *ctx;
	bool		ok;

	if (!check_key(key, error))
		return false;
	ctx = new_cmac();
	ok = ctx != NULL && run_cmac(ctx, key, pieces, count, mac);
	EVP_MAC_CTX_free(ctx);
	return ok || crypto_failed(error, "CMAC");
}

bool
kdf_counter(SmsrBytes key, SmsrBytes before, size_t counter_len, SmsrBytes after,
			uint8_t *out, size_t out_len, SmsrError *error)
{
	const size_t blocks = (out_len + KDF_MAC_LEN - 1) / KDF_MAC_LEN;
	uint8_t		block[KDF_MAC_LEN];
	EVP_MAC_CTX *ctx;
	bool		ok;

	if (!check_key(key, error))
		return false;
	if (counter_len < 1 || counter_len > 4)
		return smsr_fail(error, SMSR_BAD_LENGTH, "counter", 0, "1 to 4 octets");
	if (counter_len < 4 && blocks >> (8 * counter_len) != 0)
		return smsr_fail(error, SMSR_TOO_LONG, "derived key", 0, "no more blocks than the counter can count");

	ctx = new_cmac();
	ok = ctx != NULL;
	for (size_t i = 1; ok && i <= blocks; i++)
	{
		const size_t done = (i - 1) * KDF_MAC_LEN;
		const uint8_t counter[4] = {(uint8_t) (i >> 24), (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i};
		const SmsrBytes pieces[] = {
			before, smsr_bytes(counter + 4 - counter_len, counter_len), after
		};

		ok = run_cmac(ctx, key, pieces, 3, block);
		if (ok)
			memcpy(out + done, block, out_len - done < sizeof(block) ? out_len - done : sizeof(block));
	}
	EVP_MAC_CTX_free(ctx);
	OPENSSL_cleanse(block, sizeof(block));
	if (ok)
		return true;
	OPENSSL_cleanse(out, out_len);
	return crypto_failed(error, "derived key");
}

bool
kdf_x963(SmsrBytes secret, SmsrBytes shared_info, uint8_t *out, size_t out_len, SmsrError *error)
{
	EVP_MD	   *sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t		hash[KDF_HASH_LEN];
	bool		ok = sha256 != NULL && ctx != NULL;

	for (size_t done = 0; ok && done < out_len; done += KDF_HASH_LEN)
	{
		const uint32_t i = (uint32_t) (done / KDF_HASH_LEN + 1);
		const uint8_t counter[4] = {(uint8_t) (i >> 24), (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i};

		ok = EVP_DigestInit_ex2(ctx, sha256, NULL) == 1 &&
			EVP_DigestUpdate(ctx, secret.data, secret.len) == 1 &&
			EVP_DigestUpdate(ctx, counter, sizeof(counter)) == 1 &&
			EVP_DigestUpdate(ctx, shared_info.data, shared_info.len) == 1 &&
			EVP_DigestFinal_ex(ctx, hash, NULL) == 1;
		if (ok)
			memcpy(out + done, hash, out_len - done < sizeof(hash) ? out_len - done : sizeof(hash));
	}
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(sha256);
	OPENSSL_cleanse(hash, sizeof(hash));
	if (ok)
		return true;
	OPENSSL_cleanse(out, out_len);
	return crypto_failed(error, "derived key");
}
