/*
 * cipher.c
 *		The block ciphers of TS 102 225 and the checksums made of them.
 *
 * Fetching an algorithm costs more than a packet, so it happens once; a packet
 * costs one key schedule for each of its keys.
 */
#include "cipher.h"

#include <string.h>

#include <openssl/crypto.h>

/* Octets of input that a checksum hands to libcrypto at once. */
#define MAC_CHUNK	512

static EVP_CIPHER_CTX *
open_context(const char *name)
{
	static const uint8_t zero[EVP_MAX_KEY_LENGTH] = {0};
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	/* the context holds a reference of its own to the cipher */
	if (cipher == NULL || ctx == NULL ||
		EVP_CipherInit_ex2(ctx, cipher, zero, zero, 1, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(ctx, 0) != 1)
	{
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_CIPHER_free(cipher);
	return ctx;
}

bool
ciphers_open(Ciphers *ciphers)
{
	/*
	 * Single DES lives in the legacy provider, which may be absent; DES-EDE3
	 * with three times the same key is the same permutation.
	 */
	ciphers->des_cbc = open_context("DES-EDE3-CBC");
	ciphers->des_ecb = open_context("DES-EDE3");
	ciphers->aes_cbc[0] = open_context("AES-128-CBC");
	ciphers->aes_cbc[1] = open_context("AES-192-CBC");
	ciphers->aes_cbc[2] = open_context("AES-256-CBC");
	if (ciphers->des_cbc != NULL && ciphers->des_ecb != NULL &&
		ciphers->aes_cbc[0] != NULL && ciphers->aes_cbc[1] != NULL &&
		ciphers->aes_cbc[2] != NULL)
		return true;
	ciphers_close(ciphers);
	return false;
}

void
ciphers_close(Ciphers *ciphers)
{
	EVP_CIPHER_CTX_free(ciphers->des_cbc);
	EVP_CIPHER_CTX_free(ciphers->des_ecb);
	for (int i = 0; i < 3; i++)
		EVP_CIPHER_CTX_free(ciphers->aes_cbc[i]);
	memset(ciphers, 0, sizeof(*ciphers));
}

void
ciphers_forget(Ciphers *ciphers)
{
	static const uint8_t zero[EVP_MAX_KEY_LENGTH] = {0};
	EVP_CIPHER_CTX *const contexts[] = {
		ciphers->des_cbc, ciphers->des_ecb,
		ciphers->aes_cbc[0], ciphers->aes_cbc[1], ciphers->aes_cbc[2]
	};

	if (!ciphers->keyed)
		return;
	/* a schedule of zeros takes every octet of the one before */
	for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++)
		(void) EVP_CipherInit_ex2(contexts[i], NULL, zero, zero, 1, NULL);
	ciphers->keyed = false;
}

size_t
cipher_block(CipherAlgorithm algorithm)
{
	if (algorithm == CIPHER_NONE)
		return 0;
	return algorithm == CIPHER_AES ? 16 : 8;
}

const char *
cipher_key_expected(CipherAlgorithm algorithm, size_t key_len)
{
	switch (algorithm)
	{
		case CIPHER_NONE:
			break;
		case CIPHER_DES:
		case CIPHER_DES_ECB:
			return key_len == 8 ? NULL : "8 octets for DES";
		case CIPHER_3DES_2:
			return key_len == 16 ? NULL : "16 octets for triple DES with two keys";
		case CIPHER_3DES_3:
			return key_len == 24 ? NULL : "24 octets for triple DES with three keys";
		case CIPHER_AES:
			return key_len == 16 || key_len == 24 || key_len == 32 ? NULL :
				"16, 24 or 32 octets for AES";
	}
	return NULL;
}

/* The context of the algorithm with this key in it and IV zero, or NULL. */
static EVP_CIPHER_CTX *
keyed(Ciphers *ciphers, CipherAlgorithm algorithm, SmsrBytes key, bool encipher)
{
	static const uint8_t iv[CIPHER_MAX_BLOCK] = {0};
	uint8_t		ede3[24];
	EVP_CIPHER_CTX *ctx;
	int			ok;

	ciphers->keyed = true;
	if (algorithm == CIPHER_AES)
	{
		ctx = ciphers->aes_cbc[key.len / 8 - 2];
		ok = EVP_CipherInit_ex2(ctx, NULL, key.data, iv, encipher, NULL);
		return ok == 1 ? ctx : NULL;
	}

	memcpy(ede3, key.data, 8);
	memcpy(ede3 + 8, key.data + (key.len > 8 ? 8 : 0), 8);
	memcpy(ede3 + 16, key.data + (key.len > 16 ? 16 : 0), 8);
	ctx = algorithm == CIPHER_DES_ECB ? ciphers->des_ecb : ciphers->des_cbc;
	ok = EVP_CipherInit_ex2(ctx, NULL, ede3, iv, encipher, NULL);
	OPENSSL_cleanse(ede3, sizeof(ede3));
	return ok == 1 ? ctx : NULL;
}

static bool
run(EVP_CIPHER_CTX *ctx, uint8_t *data, size_t len)
{
	int			out_len = 0;

	return EVP_CipherUpdate(ctx, data, &out_len, data, (int) len) == 1 &&
		(size_t) out_len == len;
}

bool
cipher_run(Ciphers *ciphers, CipherAlgorithm algorithm, SmsrBytes key,
		   bool encipher, uint8_t *data, size_t len)
{
	EVP_CIPHER_CTX *ctx = keyed(ciphers, algorithm, key, encipher);

	return ctx != NULL && run(ctx, data, len);
}

static void
xor_block(uint8_t *block, const uint8_t *with)
{
	for (int i = 0; i < CIPHER_MAX_BLOCK; i++)
		block[i] ^= with[i];
}

/* NIST SP 800-38B clause 6.1: multiplication by x, without a branch on the key */
static void
double_block(uint8_t *block)
{
	uint8_t		carry = (uint8_t) -(block[0] >> 7);

	for (int i = 0; i < CIPHER_MAX_BLOCK - 1; i++)
		block[i] = (uint8_t) (block[i] << 1 | block[i + 1] >> 7);
	block[15] = (uint8_t) (block[15] << 1) ^ (carry & 0x87);
}

bool
cipher_mac(Ciphers *ciphers, CipherAlgorithm algorithm, SmsrBytes key,
		   const SmsrBytes *pieces, size_t count, uint8_t mac[CIPHER_MAX_BLOCK])
{
	const bool	cmac = algorithm == CIPHER_AES;
	const size_t block = cipher_block(algorithm);
	EVP_CIPHER_CTX *ctx = keyed(ciphers, algorithm, key, true);
	uint8_t		chunk[MAC_CHUNK];
	uint8_t		subkey[CIPHER_MAX_BLOCK] = {0};
	size_t		used = 0;
	bool		first = true;
	bool		ok = ctx != NULL;

	/*
	 * One key schedule does for a CMAC: enciphering zero gives L and leaves L
	 * in the chain, and L in the first block takes it out again.
	 */
	if (ok && cmac)
		ok = run(ctx, subkey, CIPHER_MAX_BLOCK);

	for (size_t i = 0; ok && i < count; i++)
	{
		const uint8_t *from = pieces[i].data;
		size_t		left = pieces[i].len;

		while (ok && left > 0)
		{
			size_t		n;

			/* a full chunk waits until it is known not to be the last */
			if (used == MAC_CHUNK)
			{
				if (first && cmac)
					xor_block(chunk, subkey);
				first = false;
				ok = run(ctx, chunk, used);
				used = 0;
			}
			n = left < MAC_CHUNK - used ? left : MAC_CHUNK - used;
			memcpy(chunk + used, from, n);
			used += n;
			from += n;
			left -= n;
		}
	}

	if (ok)
	{
		const size_t rest = used % block;
		const bool	whole = used > 0 && rest == 0;

		if (!whole)
		{
			memset(chunk + used, 0, block - rest);
			if (cmac)
				chunk[used] = 0x80;
			used += block - rest;
		}
		if (cmac)
		{
			if (first)
				xor_block(chunk, subkey);
			double_block(subkey);
			if (!whole)
				double_block(subkey);
			xor_block(chunk + used - block, subkey);
		}
		ok = run(ctx, chunk, used);
		if (ok)
			memcpy(mac, chunk + used - block, block);
	}

	OPENSSL_cleanse(chunk, sizeof(chunk));
	OPENSSL_cleanse(subkey, sizeof(subkey));
	return ok;
}
