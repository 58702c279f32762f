/*
 * sealing.h
 *		Keys at rest and on their way in: AES-256-GCM blobs bound to their place,
 *		RFC 3394 / RFC 5649 wrapping, and key check values.
 *
 * The contexts are libcrypto's, fetched once; sealing_new() alone allocates.
 * Every function cleanses what it used and no longer needs.
 */
#ifndef SMSR_SEALING_H
#define SMSR_SEALING_H

#include "bytes.h"
#include "error.h"

#define SEALING_KEY_LEN		32
#define SEALING_NONCE_LEN	12
#define SEALING_TAG_LEN		16
#define SEALING_CHECK_VALUE_LEN	3
/* version 01, storage key id (4), nonce, ciphertext, tag */
#define SEALING_OVERHEAD	(1 + 4 + SEALING_NONCE_LEN + SEALING_TAG_LEN)
#define SEALING_VERSION		0x01

/* The longest set: KIc, KID and DEK of 32 octets, each with its length. */
#define KEYSET_MAX_LEN		(3 * 33)

/* Where a blob belongs; goes into the associated data, so that it opens nowhere else. */
typedef struct SealingPlace
{
	const uint8_t *eid;			/* 16 octets */
	SmsrBytes	sd_aid;			/* 5 .. 16 octets */
	uint8_t		kvn;
	uint8_t		key_type;		/* 0x88 AES, 0x80 DES, 0x85 PSK */
} SealingPlace;

typedef struct Sealing Sealing;

extern Sealing *sealing_new(void);
extern void sealing_free(Sealing *s);

/* The storage key (SEK) that the following calls use; id is kept in each blob. */
extern bool sealing_set_key(Sealing *s, uint32_t sek_id, const uint8_t key[SEALING_KEY_LEN], SmsrError *error);

/* Leave no key in the contexts, whose memory is libcrypto's; sealing_set_key() goes on. */
extern void sealing_forget(Sealing *s);
extern uint32_t sealing_key_id(const Sealing *s);	/* 0 if none is set */

/*
 * The first octets of AES-CMAC(key, "check"), to tell a wrong key before
 * anything is opened with it.  For storage keys and what wraps them.
 */
extern bool sealing_check_value(const uint8_t key[SEALING_KEY_LEN],
								uint8_t check_value[SEALING_CHECK_VALUE_LEN]);

/* The storage key id that a blob names; false if it is no blob. */
extern bool sealing_blob_key_id(SmsrBytes blob, uint32_t *sek_id, SmsrError *error);

/* nonce: SEALING_NONCE_LEN random octets of the caller's */
extern bool sealing_seal(Sealing *s, const SealingPlace *place,
						 const uint8_t nonce[SEALING_NONCE_LEN],
						 SmsrBytes plain, SmsrWriter *out, SmsrError *error);
/* false, SMSR_BAD_VALUE on "tag", when the blob was altered or moved */
extern bool sealing_open(Sealing *s, const SealingPlace *place, SmsrBytes blob,
						 SmsrWriter *plain, SmsrError *error);

/*
 * The keys of a set inside one blob: each key is its length (1) and its value;
 * index 1 KIc, 2 KID, 3 DEK.  A missing key has length 0.
 */
typedef struct KeysetKeys
{
	SmsrBytes	key[3];
} KeysetKeys;

extern bool keyset_write(const KeysetKeys *keys, SmsrWriter *out, SmsrError *error);
extern bool keyset_read(SmsrBytes plain, KeysetKeys *keys, SmsrError *error);

/* Wrapping under a transport key or the KEK (facts of RFC 3394, RFC 5649) */
typedef enum WrapMode
{
	WRAP_NONE,
	WRAP_AES_KW,
	WRAP_AES_KWP,
	WRAP_AES_CBC_ZERO_IV,
	WRAP_3DES_ECB,
	WRAP_AES_ECB_PKCS7			/* SGP.02 clause 3.9; keys of whole blocks may come bare */
} WrapMode;

#define WRAP_MODES	(WRAP_AES_ECB_PKCS7 + 1)

extern bool wrap_mode_parse(const char *name, WrapMode *mode);	/* "none", "aes-kw" ... */
extern const char *wrap_mode_name(WrapMode mode);
extern bool key_wrap(WrapMode mode, SmsrBytes kek, SmsrBytes plain, SmsrWriter *out, SmsrError *error);
extern bool key_unwrap(WrapMode mode, SmsrBytes kek, SmsrBytes wrapped, SmsrWriter *out, SmsrError *error);

/* GlobalPlatform key types that have a check value */
#define KEY_TYPE_DES	0x80
#define KEY_TYPE_PSK	0x85
#define KEY_TYPE_AES	0x88

/*
 * Key check value, 3 octets: AES over 01^16 (Amendment D), 3DES over 00^8.
 * A PSK has none (facts: no agreed rule): false, SMSR_UNSUPPORTED.
 */
extern bool key_check_value(uint8_t key_type, SmsrBytes key, uint8_t kcv[3], SmsrError *error);
/* AES-ECB over zeros, the wrong KCV that some vendors send; to name it in an error. */
extern bool key_check_value_zeros(SmsrBytes key, uint8_t kcv[3], SmsrError *error);

#endif							/* SMSR_SEALING_H */
