/*
 * bare_scp80.c
 *		What libcrypto alone takes for secured packets: the yardstick of
 *		smsr.scp80_command() and smsr.seal_command().
 *
 * The same calls in the same order, contexts reused and keyed anew for each
 * packet, and nothing else: AES-128 CMAC (RFC 4493) over one CBC context, then
 * CBC of the ciphered part; with "sealed", an AES-256-GCM open of the key set
 * first.  Shares no code with src/core, so that the last packet, which it
 * prints, also tells whether both mean the same.
 *
 *		bare_scp80 plain|sealed COUNT
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DATA_LEN	64
#define CLEAR_LEN	10			/* CPL CHL SPI KIc KID TAR */
#define HEAD_LEN	16			/* and CNTR, PCNTR */
#define CC_LEN		8
#define PADDING		2
#define PACKET_LEN	(HEAD_LEN + CC_LEN + DATA_LEN + PADDING)
#define KEYS_LEN	51			/* three keys of 16, each with its length */
#define BLOB_LEN	(1 + 4 + 12 + KEYS_LEN + 16)
#define AAD_LEN		(6 + 4 + 16 + 1 + 16 + 2)

static const uint8_t zero[16];

static void
check(int ok, const char *what)
{
	if (ok != 1)
	{
		fprintf(stderr, "bare_scp80: libcrypto failed: %s\n", what);
		exit(1);
	}
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
double_block(uint8_t *b)
{
	uint8_t		carry = (uint8_t) -(b[0] >> 7);

	for (int i = 0; i < 15; i++)
		b[i] = (uint8_t) (b[i] << 1 | b[i + 1] >> 7);
	b[15] = (uint8_t) (b[15] << 1) ^ (carry & 0x87);
}

/* Key n, the same as the bench makes in SQL: 16 times the n-th octets. */
static void
make_key(uint32_t n, uint8_t first, uint8_t key[16])
{
	memset(key, first, 16);
	key[12] = (uint8_t) (n >> 24);
	key[13] = (uint8_t) (n >> 16);
	key[14] = (uint8_t) (n >> 8);
	key[15] = (uint8_t) n;
}

static void
build(EVP_CIPHER_CTX *cbc, const uint8_t *kic, const uint8_t *kid, uint64_t cntr,
	  const uint8_t *data, uint8_t *packet)
{
	static const uint8_t clear[CLEAR_LEN] = {
		0, PACKET_LEN - 2, HEAD_LEN - 3 + CC_LEN, 0x16, 0x21, 0x12, 0x12, 0, 0, 1
	};
	uint8_t		chain[96];
	uint8_t		subkey[16] = {0};
	int			len;

	memcpy(packet, clear, CLEAR_LEN);
	for (int i = 0; i < 5; i++)
		packet[CLEAR_LEN + i] = (uint8_t) (cntr >> (8 * (4 - i)));
	packet[HEAD_LEN - 1] = PADDING;
	memcpy(packet + HEAD_LEN + CC_LEN, data, DATA_LEN);
	memset(packet + PACKET_LEN - PADDING, 0, PADDING);

	/* CMAC over all but the CC: 82 octets, padded to 96 */
	check(EVP_CipherInit_ex2(cbc, NULL, kid, zero, 1, NULL), "KID");
	check(EVP_CipherUpdate(cbc, subkey, &len, subkey, 16), "subkey");
	memcpy(chain, packet, HEAD_LEN);
	memcpy(chain + HEAD_LEN, packet + HEAD_LEN + CC_LEN, DATA_LEN + PADDING);
	memset(chain + 82, 0, sizeof(chain) - 82);
	chain[82] = 0x80;
	for (int i = 0; i < 16; i++)
		chain[i] ^= subkey[i];
	double_block(subkey);
	double_block(subkey);
	for (int i = 0; i < 16; i++)
		chain[80 + i] ^= subkey[i];
	check(EVP_CipherUpdate(cbc, chain, &len, chain, sizeof(chain)), "CMAC");
	memcpy(packet + HEAD_LEN, chain + 80, CC_LEN);

	check(EVP_CipherInit_ex2(cbc, NULL, kic, zero, 1, NULL), "KIc");
	check(EVP_CipherUpdate(cbc, packet + CLEAR_LEN, &len, packet + CLEAR_LEN, PACKET_LEN - CLEAR_LEN), "CBC");
}

/* A blob's keys, its tag checked: GCM under the key that the context has. */
static void
unseal(EVP_CIPHER_CTX *open, const uint8_t *aad, uint8_t *row, uint8_t *keys)
{
	int			len;

	check(EVP_DecryptInit_ex2(open, NULL, NULL, row + 5, NULL), "open");
	check(EVP_DecryptUpdate(open, NULL, &len, aad, AAD_LEN), "open");
	check(EVP_DecryptUpdate(open, keys, &len, row + 17, KEYS_LEN), "open");
	check(EVP_CIPHER_CTX_ctrl(open, EVP_CTRL_AEAD_SET_TAG, 16, row + 17 + KEYS_LEN), "open");
	check(EVP_DecryptFinal_ex(open, keys + KEYS_LEN, &len), "open");
}

/* The same keys under another nonce, and opened once more, as a rotation does. */
static void
seal_again(EVP_CIPHER_CTX *seal, EVP_CIPHER_CTX *open, const uint8_t *aad, uint8_t *row, uint8_t *keys)
{
	int			len;

	check(RAND_bytes(row + 5, 12), "nonce");
	check(EVP_EncryptInit_ex2(seal, NULL, NULL, row + 5, NULL), "seal");
	check(EVP_EncryptUpdate(seal, NULL, &len, aad, AAD_LEN), "seal");
	check(EVP_EncryptUpdate(seal, row + 17, &len, keys, KEYS_LEN), "seal");
	check(EVP_EncryptFinal_ex(seal, row + 17 + KEYS_LEN, &len), "seal");
	check(EVP_CIPHER_CTX_ctrl(seal, EVP_CTRL_AEAD_GET_TAG, 16, row + 17 + KEYS_LEN), "seal");
	unseal(open, aad, row, keys);
}

int
main(int argc, char **argv)
{
	int			unsealing = argc == 3 && strcmp(argv[1], "unseal") == 0;
	int			sealing = argc == 3 && strcmp(argv[1], "reseal") == 0;
	int			sealed = unsealing || sealing || (argc == 3 && strcmp(argv[1], "sealed") == 0);
	uint32_t	count = argc == 3 ? (uint32_t) atol(argv[2]) : 0;
	EVP_CIPHER *aes = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
	EVP_CIPHER *gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	EVP_CIPHER_CTX *cbc = EVP_CIPHER_CTX_new();
	EVP_CIPHER_CTX *open = EVP_CIPHER_CTX_new();
	EVP_CIPHER_CTX *seal = EVP_CIPHER_CTX_new();
	uint8_t		storage_key[32] = {7};
	uint8_t		aad[AAD_LEN] = "SMSRK1";
	uint8_t		data[DATA_LEN];
	uint8_t		packet[PACKET_LEN];
	uint8_t    *rows;
	size_t		row_len = sealed ? BLOB_LEN : 32;
	double		started;
	int			len;

	if (count == 0 || (!sealed && strcmp(argv[1], "plain") != 0))
	{
		fputs("usage: bare_scp80 plain|sealed|unseal|reseal COUNT\n", stderr);
		return 2;
	}
	memset(data, 0x5A, sizeof(data));
	check(aes != NULL && gcm != NULL && cbc != NULL && open != NULL && seal != NULL, "fetch");
	memset(packet, 0, sizeof(packet));
	check(EVP_CipherInit_ex2(cbc, aes, zero, zero, 1, NULL), "CBC");
	check(EVP_CIPHER_CTX_set_padding(cbc, 0), "CBC");

	rows = malloc(count * row_len);
	check(rows != NULL, "memory");
	for (uint32_t n = 0; n < count; n++)
	{
		uint8_t    *row = rows + n * row_len;

		if (!sealed)
		{
			make_key(n, 0x11, row);
			make_key(n, 0x22, row + 16);
			continue;
		}
		row[0] = 1;
		memset(row + 1, 0, 16);
		memcpy(row + 13, &n, sizeof(n));	/* nonce */
		for (int i = 0; i < 3; i++)
		{
			row[17 + 17 * i] = 16;
			make_key(n, (uint8_t) (0x11 * (i + 1)), row + 18 + 17 * i);
		}
		check(EVP_EncryptInit_ex2(open, gcm, storage_key, row + 5, NULL), "seal");
		check(EVP_EncryptUpdate(open, NULL, &len, aad, sizeof(aad)), "seal");
		check(EVP_EncryptUpdate(open, row + 17, &len, row + 17, KEYS_LEN), "seal");
		check(EVP_EncryptFinal_ex(open, row + 17 + KEYS_LEN, &len), "seal");
		check(EVP_CIPHER_CTX_ctrl(open, EVP_CTRL_AEAD_GET_TAG, 16, row + 17 + KEYS_LEN), "seal");
	}
	if (sealed)
	{
		check(EVP_DecryptInit_ex2(open, gcm, storage_key, NULL, NULL), "open");
		check(EVP_EncryptInit_ex2(seal, gcm, storage_key, NULL, NULL), "seal");
	}

	started = now();
	for (uint32_t n = 0; n < count; n++)
	{
		uint8_t    *row = rows + n * row_len;
		uint8_t		keys[KEYS_LEN];

		if (!sealed)
			build(cbc, row, row + 16, n, data, packet);
		else
		{
			unseal(open, aad, row, keys);
			if (sealing)
				seal_again(seal, open, aad, row, keys);
			else if (!unsealing)
				build(cbc, keys + 1, keys + 18, n, data, packet);
		}
	}
	/* packets a second, and the last packet */
	printf("%.0f ", count / (now() - started));
	for (int i = 0; i < PACKET_LEN; i++)
		printf("%02x", packet[i]);
	putchar('\n');

	free(rows);
	EVP_CIPHER_CTX_free(cbc);
	EVP_CIPHER_CTX_free(open);
	EVP_CIPHER_CTX_free(seal);
	EVP_CIPHER_free(aes);
	EVP_CIPHER_free(gcm);
	return 0;
}
