/*
 * cipher.h
 *		The block ciphers of TS 102 225 clauses 5.1.2 and 5.1.3 and the
 *		cryptographic checksums made of them, on contexts that are kept.
 */
#ifndef SMSR_CIPHER_H
#define SMSR_CIPHER_H

#include "bytes.h"
#include "error.h"

#include <openssl/evp.h>

#define CIPHER_MAX_BLOCK	16

typedef enum CipherAlgorithm
{
	CIPHER_NONE = 0,
	CIPHER_DES,					/* 8 octets of key, CBC */
	CIPHER_DES_ECB,				/* 8, deprecated */
	CIPHER_3DES_2,				/* 16, outer CBC */
	CIPHER_3DES_3,				/* 24, outer CBC */
	CIPHER_AES					/* 16, 24 or 32, CBC */
} CipherAlgorithm;

typedef struct Ciphers
{
	EVP_CIPHER_CTX *des_cbc;
	EVP_CIPHER_CTX *des_ecb;
	EVP_CIPHER_CTX *aes_cbc[3]; /* 128, 192, 256 */
	bool		keyed;			/* whether one of them may have a key */
} Ciphers;

/* The only allocation; false if libcrypto lacks one of them. */
extern bool ciphers_open(Ciphers *ciphers);
extern void ciphers_close(Ciphers *ciphers);

/*
 * Leave no key in the contexts, whose memory is libcrypto's.  It costs as much
 * as some packets, so it is for the end of a batch.
 */
extern void ciphers_forget(Ciphers *ciphers);

/* 8 or 16; 0 for CIPHER_NONE */
extern size_t cipher_block(CipherAlgorithm algorithm);

/* NULL if a key of this length will do, or what was expected. */
extern const char *cipher_key_expected(CipherAlgorithm algorithm, size_t key_len);

/*
 * Encipher or decipher in place, IV zero, len a multiple of the block.  The
 * key's length must have been checked, here and below.  False means that
 * libcrypto failed.
 */
extern bool cipher_run(Ciphers *ciphers, CipherAlgorithm algorithm, SmsrBytes key,
					   bool encipher, uint8_t *data, size_t len);

/*
 * The last block of the chain over the pieces: CBC-MAC with padding method 1
 * of ISO/IEC 9797-1 for DES, CMAC (NIST SP 800-38B) for AES.
 */
extern bool cipher_mac(Ciphers *ciphers, CipherAlgorithm algorithm, SmsrBytes key,
					   const SmsrBytes *pieces, size_t count,
					   uint8_t mac[CIPHER_MAX_BLOCK]);

#endif							/* SMSR_CIPHER_H */
