/*
 * sealing.c
 *		Keys at rest and on their way in: AES-256-GCM blobs bound to their place,
 *		RFC 3394 / RFC 5649 wrapping, and key check values.
 */
#include "sealing.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "aid.h"
#include "eid.h"

#define HEADER_LEN		(1 + 4 + SEALING_NONCE_LEN)
#define KEYSET_KEYS		3
#define KEY_MAX_LEN		64		/* a PSK; card keys end at 32 */
#define BLOCK_LEN		16
#define DES3_LEN		24
#define KCV_LEN			3

static const char aad_label[] = "SMSRK1";

/* label, storage key id, EID, length and octets of the SD AID, KVN, key type */
#define AAD_MAX_LEN		(sizeof(aad_label) - 1 + 4 + EID_LEN + 1 + AID_MAX_LEN + 2)

struct Sealing
{
	uint32_t	sek_id;
	EVP_CIPHER *gcm;
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
};

static bool
crypto_failed(SmsrError *error, const char *what)
{
	return smsr_fail(error, SMSR_CRYPTO, what, 0, "libcrypto to do it");
}

/* ---- sealed blobs ---- */

Sealing *
sealing_new(void)
{
	Sealing    *s = OPENSSL_zalloc(sizeof(Sealing));

	if (s == NULL)
		return NULL;
	s->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	s->seal = EVP_CIPHER_CTX_new();
	s->open = EVP_CIPHER_CTX_new();
	if (s->gcm == NULL || s->seal == NULL || s->open == NULL)
	{
		sealing_free(s);
		return NULL;
	}
	return s;
}

void
sealing_free(Sealing *s)
{
	if (s == NULL)
		return;
	/* these cleanse their key schedules */
	EVP_CIPHER_CTX_free(s->seal);
	EVP_CIPHER_CTX_free(s->open);
	EVP_CIPHER_free(s->gcm);
	OPENSSL_free(s);
}

bool
sealing_set_key(Sealing *s, uint32_t sek_id, const uint8_t key[SEALING_KEY_LEN], SmsrError *error)
{
	s->sek_id = 0;
	if (sek_id == 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "storage key id", 0, "1 or more");
	if (EVP_EncryptInit_ex2(s->seal, s->gcm, key, NULL, NULL) != 1 ||
		EVP_DecryptInit_ex2(s->open, s->gcm, key, NULL, NULL) != 1)
		return crypto_failed(error, "storage key");
	s->sek_id = sek_id;
	return true;
}

void
sealing_forget(Sealing *s)
{
	s->sek_id = 0;
	/* these cleanse their key schedules */
	EVP_CIPHER_CTX_reset(s->seal);
	EVP_CIPHER_CTX_reset(s->open);
}

uint32_t
sealing_key_id(const Sealing *s)
{
	return s->sek_id;
}

bool
sealing_check_value(const uint8_t key[SEALING_KEY_LEN], uint8_t check_value[SEALING_CHECK_VALUE_LEN])
{
	uint8_t		mac[EVP_MAX_BLOCK_LENGTH];
	size_t		len = 0;

	if (EVP_Q_mac(NULL, "CMAC", NULL, "AES-256-CBC", NULL, key, SEALING_KEY_LEN,
				  (const unsigned char *) "check", 5, mac, sizeof(mac), &len) == NULL)
		return false;
	memcpy(check_value, mac, SEALING_CHECK_VALUE_LEN);
	OPENSSL_cleanse(mac, sizeof(mac));
	return true;
}

bool
sealing_blob_key_id(SmsrBytes blob, uint32_t *sek_id, SmsrError *error)
{
	if (blob.len < SEALING_OVERHEAD)
		return smsr_fail(error, SMSR_TRUNCATED, "sealed key set", blob.len,
						 "a header, a nonce and a tag");
	if (blob.data[0] != SEALING_VERSION)
		return smsr_fail(error, SMSR_UNSUPPORTED, "version of sealed key set", 0, "01");
	*sek_id = get_u32(blob.data + 1);
	if (*sek_id == 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "storage key id", 1, "1 or more");
	return true;
}

/* What a blob is bound to: moved to another row, it does not open. */
static bool
place_aad(uint32_t sek_id, const SealingPlace *place, SmsrWriter *aad, SmsrError *error)
{
	if (place->sd_aid.len < AID_MIN_LEN || place->sd_aid.len > AID_MAX_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "security domain AID", 0, "5 to 16 octets");
	put_bytes(aad, aad_label, sizeof(aad_label) - 1);
	put_u32(aad, sek_id);
	put_bytes(aad, place->eid, EID_LEN);
	put_u8(aad, (uint8_t) place->sd_aid.len);
	put_bytes(aad, place->sd_aid.data, place->sd_aid.len);
	put_u8(aad, place->kvn);
	put_u8(aad, place->key_type);
	return true;
}

bool
sealing_seal(Sealing *s, const SealingPlace *place,
			 const uint8_t nonce[SEALING_NONCE_LEN],
			 SmsrBytes plain, SmsrWriter *out, SmsrError *error)
{
	uint8_t		aad_octets[AAD_MAX_LEN];
	SmsrWriter	aad = smsr_writer(aad_octets, sizeof(aad_octets));
	size_t		start = out->len;
	uint8_t    *text;
	int			len;

	if (s->sek_id == 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "storage key", 0, "a key that is set");
	if (plain.len > KEYSET_MAX_LEN)
		return smsr_fail(error, SMSR_TOO_LONG, "key set", 0, "99 octets at most");
	if (!place_aad(s->sek_id, place, &aad, error))
		return false;

	put_u8(out, SEALING_VERSION);
	put_u32(out, s->sek_id);
	put_bytes(out, nonce, SEALING_NONCE_LEN);
	put_zero(out, plain.len + SEALING_TAG_LEN);
	if (out->overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "sealed key set", 0, "room for it");

	text = out->data + start + HEADER_LEN;
	if (EVP_EncryptInit_ex2(s->seal, NULL, NULL, nonce, NULL) != 1 ||
		EVP_EncryptUpdate(s->seal, NULL, &len, aad.data, (int) aad.len) != 1 ||
		EVP_EncryptUpdate(s->seal, text, &len, plain.data, (int) plain.len) != 1 ||
		EVP_EncryptFinal_ex(s->seal, text + plain.len, &len) != 1 ||
		EVP_CIPHER_CTX_ctrl(s->seal, EVP_CTRL_AEAD_GET_TAG, SEALING_TAG_LEN,
							text + plain.len) != 1)
	{
		OPENSSL_cleanse(text, plain.len);
		out->len = start;
		return crypto_failed(error, "sealing");
	}
	return true;
}

bool
sealing_open(Sealing *s, const SealingPlace *place, SmsrBytes blob,
			 SmsrWriter *plain, SmsrError *error)
{
	uint8_t		aad_octets[AAD_MAX_LEN];
	SmsrWriter	aad = smsr_writer(aad_octets, sizeof(aad_octets));
	uint8_t		tag[SEALING_TAG_LEN];
	size_t		start = plain->len;
	size_t		text_len;
	uint8_t    *text;
	uint32_t	sek_id;
	int			len;

	if (!sealing_blob_key_id(blob, &sek_id, error))
		return false;
	if (sek_id != s->sek_id)
		return smsr_fail(error, SMSR_BAD_VALUE, "storage key id", 1, "the key that is set");
	text_len = blob.len - SEALING_OVERHEAD;
	if (text_len > KEYSET_MAX_LEN)
		return smsr_fail(error, SMSR_TOO_LONG, "sealed key set", 0, "99 octets at most");
	if (!place_aad(sek_id, place, &aad, error))
		return false;

	put_zero(plain, text_len);
	if (plain->overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "key set", 0, "room for it");

	text = plain->data + start;
	/* libcrypto wants a tag that it may write to */
	memcpy(tag, blob.data + HEADER_LEN + text_len, SEALING_TAG_LEN);
	if (EVP_DecryptInit_ex2(s->open, NULL, NULL, blob.data + 5, NULL) != 1 ||
		EVP_DecryptUpdate(s->open, NULL, &len, aad.data, (int) aad.len) != 1 ||
		EVP_DecryptUpdate(s->open, text, &len, blob.data + HEADER_LEN, (int) text_len) != 1 ||
		EVP_CIPHER_CTX_ctrl(s->open, EVP_CTRL_AEAD_SET_TAG, SEALING_TAG_LEN, tag) != 1)
	{
		OPENSSL_cleanse(text, text_len);
		plain->len = start;
		return crypto_failed(error, "opening a sealed key set");
	}
	if (EVP_DecryptFinal_ex(s->open, text + text_len, &len) != 1)
	{
		/* nothing of what does not verify leaves here */
		OPENSSL_cleanse(text, text_len);
		plain->len = start;
		return smsr_fail(error, SMSR_BAD_VALUE, "tag", HEADER_LEN + text_len,
						 "a blob of this very place");
	}
	return true;
}

/* ---- the keys inside ---- */

bool
keyset_write(const KeysetKeys *keys, SmsrWriter *out, SmsrError *error)
{
	size_t		start = out->len;

	for (int i = 0; i < KEYSET_KEYS; i++)
	{
		if (keys->key[i].len > KEY_MAX_LEN)
			return smsr_fail(error, SMSR_TOO_LONG, "key", (size_t) i, "64 octets at most");
		put_u8(out, (uint8_t) keys->key[i].len);
		put_bytes(out, keys->key[i].data, keys->key[i].len);
	}
	if (out->overflow || out->len - start > KEYSET_MAX_LEN)
	{
		OPENSSL_cleanse(out->data + start, out->len - start);
		out->len = start;
		return smsr_fail(error, SMSR_TOO_LONG, "key set", 0, "99 octets at most");
	}
	return true;
}

bool
keyset_read(SmsrBytes plain, KeysetKeys *keys, SmsrError *error)
{
	size_t		pos = 0;

	for (int i = 0; i < KEYSET_KEYS; i++)
	{
		if (pos >= plain.len)
			return smsr_fail(error, SMSR_TRUNCATED, "key set", pos, "three keys");
		keys->key[i].len = plain.data[pos++];
		if (keys->key[i].len > plain.len - pos)
			return smsr_fail(error, SMSR_BAD_LENGTH, "key", pos - 1, "the octets that follow");
		keys->key[i].data = plain.data + pos;
		pos += keys->key[i].len;
	}
	if (pos != plain.len)
		return smsr_fail(error, SMSR_BAD_LENGTH, "key set", pos, "three keys and no more");
	return true;
}

/* ---- wrapping ---- */

/*
 * The ciphers of wrapping and check values, by block cipher, by key length and
 * by mode.  Fetched when first asked for and kept: a fetch costs more than the
 * key it unwraps.
 */
typedef enum RawMode
{
	RAW_ECB,
	RAW_CBC,
	RAW_KW,
	RAW_KWP
} RawMode;

static const char *const aes_names[][3] = {
	[RAW_ECB] = {"AES-128-ECB", "AES-192-ECB", "AES-256-ECB"},
	[RAW_CBC] = {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"},
	[RAW_KW] = {"AES-128-WRAP", "AES-192-WRAP", "AES-256-WRAP"},
	[RAW_KWP] = {"AES-128-WRAP-PAD", "AES-192-WRAP-PAD", "AES-256-WRAP-PAD"},
};

static EVP_CIPHER *aes_ciphers[4][3];
static EVP_CIPHER *des3_cipher;
static EVP_CIPHER_CTX *raw_ctx;

static EVP_CIPHER *
fetched(EVP_CIPHER **slot, const char *name)
{
	if (*slot == NULL)
		*slot = EVP_CIPHER_fetch(NULL, name, NULL);
	return *slot;
}

/*
 * One pass of a cipher over whole blocks with a zero IV, or of a key wrap.
 * out has room for in.len and two blocks.
 */
static bool
raw_cipher(EVP_CIPHER *cipher, const uint8_t *key, bool encrypt, bool wraps,
		   SmsrBytes in, uint8_t *out, size_t *out_len)
{
	static const uint8_t zero_iv[BLOCK_LEN];
	int			len = 0;
	int			last = 0;
	bool		ok;

	if (raw_ctx == NULL)
		raw_ctx = EVP_CIPHER_CTX_new();
	if (cipher == NULL || raw_ctx == NULL)
		return false;
	if (wraps)
		EVP_CIPHER_CTX_set_flags(raw_ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);

	/* a wrap has its own IV by default, and no padding of ours */
	ok = EVP_CipherInit_ex2(raw_ctx, cipher, key, wraps ? NULL : zero_iv, encrypt, NULL) == 1 &&
		(wraps || EVP_CIPHER_CTX_set_padding(raw_ctx, 0) == 1) &&
		EVP_CipherUpdate(raw_ctx, out, &len, in.data, (int) in.len) == 1 &&
		(wraps || EVP_CipherFinal_ex(raw_ctx, out + len, &last) == 1);
	*out_len = (size_t) (len + last);
	/* the key schedule goes with it */
	EVP_CIPHER_CTX_reset(raw_ctx);
	if (!ok)
		ERR_clear_error();
	return ok && len > 0;
}

static EVP_CIPHER *
aes_cipher(RawMode mode, size_t key_len)
{
	size_t		i = key_len / 8 - 2;

	return fetched(&aes_ciphers[mode][i], aes_names[mode][i]);
}

static bool
aes_key_len_ok(size_t len)
{
	return len == 16 || len == 24 || len == 32;
}

/* 3DES with two keys is K1 | K2 | K1. */
static void
des3_key(SmsrBytes key, uint8_t full[DES3_LEN])
{
	memcpy(full, key.data, key.len);
	if (key.len == 16)
		memcpy(full + 16, key.data, 8);
}

static const char *const wrap_names[] = {
	[WRAP_NONE] = "none",
	[WRAP_AES_KW] = "aes-kw",
	[WRAP_AES_KWP] = "aes-kwp",
	[WRAP_AES_CBC_ZERO_IV] = "aes-cbc-zero-iv",
	[WRAP_3DES_ECB] = "3des-ecb",
	[WRAP_AES_ECB_PKCS7] = "aes-ecb-pkcs7",
};

bool
wrap_mode_parse(const char *name, WrapMode *mode)
{
	for (size_t i = 0; i < sizeof(wrap_names) / sizeof(wrap_names[0]); i++)
	{
		if (strcmp(name, wrap_names[i]) == 0)
		{
			*mode = (WrapMode) i;
			return true;
		}
	}
	return false;
}

const char *
wrap_mode_name(WrapMode mode)
{
	return wrap_names[mode];
}

/* Lengths that a mode takes; the KEK's first, because its owner can mend it. */
static bool
wrap_lengths_ok(WrapMode mode, size_t kek_len, size_t len, bool wrapped, SmsrError *error)
{
	const char *field = wrapped ? "wrapped key" : "key";
	bool		ok = false;

	if (mode == WRAP_3DES_ECB)
	{
		if (kek_len != 16 && kek_len != DES3_LEN)
			return smsr_fail(error, SMSR_BAD_LENGTH, "wrapping key", 0, "16 or 24 octets");
	}
	else if (mode != WRAP_NONE && !aes_key_len_ok(kek_len))
		return smsr_fail(error, SMSR_BAD_LENGTH, "wrapping key", 0, "16, 24 or 32 octets");

	if (len > KEYSET_MAX_LEN)
		return smsr_fail(error, SMSR_TOO_LONG, field, 0, "99 octets at most");
	switch (mode)
	{
		case WRAP_NONE:
			ok = len > 0;
			break;
		case WRAP_AES_KW:
			ok = len % 8 == 0 && len >= (wrapped ? 24 : 16);
			break;
		case WRAP_AES_KWP:
			ok = wrapped ? len % 8 == 0 && len >= 16 : len > 0;
			break;
		case WRAP_AES_CBC_ZERO_IV:
			ok = len > 0 && len % BLOCK_LEN == 0;
			break;
		case WRAP_3DES_ECB:
			ok = len > 0 && len % 8 == 0;
			break;
		case WRAP_AES_ECB_PKCS7:
			ok = len > 0 && len % (wrapped ? BLOCK_LEN : 8) == 0;
			break;
	}
	return ok || smsr_fail(error, SMSR_BAD_LENGTH, field, 0, "a length that the wrap mode can have");
}

/*
 * PKCS #7 "when padding is needed" (SGP.02 clause 3.9) does not say what a key of
 * whole blocks looks like: some pad it by a block more, some leave it bare.  So
 * padding is what looks like it and has the 8 or 16 octets that an AES or DES key
 * can need, with which no key ends by chance; it is written only where needed.
 */

static SmsrBytes
pkcs7_pad(SmsrBytes in, uint8_t padded[KEYSET_MAX_LEN + BLOCK_LEN])
{
	size_t		pad = BLOCK_LEN - in.len % BLOCK_LEN;

	if (pad == BLOCK_LEN)
		return in;
	memcpy(padded, in.data, in.len);
	memset(padded + in.len, (int) pad, pad);
	return smsr_bytes(padded, in.len + pad);
}

static size_t
pkcs7_unpadded_len(const uint8_t *data, size_t len)
{
	size_t		pad = data[len - 1];

	if ((pad != BLOCK_LEN / 2 && pad != BLOCK_LEN) || pad >= len)
		return len;
	for (size_t i = len - pad; i < len; i++)
	{
		if (data[i] != pad)
			return len;
	}
	return len - pad;
}

/*
 * RFC 3394 goes through the key in halves of a block that libcrypto leaves on its
 * stack: take the frames that were below the caller's.
 */
__attribute__((noinline))
static void
cleanse_stack(void)
{
	uint8_t		frames[4096];

	OPENSSL_cleanse(frames, sizeof(frames));
}

static bool
wrap(WrapMode mode, SmsrBytes kek, bool encrypt, SmsrBytes in, SmsrWriter *out, SmsrError *error)
{
	uint8_t		result[KEYSET_MAX_LEN + 2 * BLOCK_LEN];
	uint8_t		des3[DES3_LEN];
	uint8_t		padded[KEYSET_MAX_LEN + BLOCK_LEN];
	size_t		result_len = 0;
	bool		ok = false;

	if (!wrap_lengths_ok(mode, kek.len, in.len, !encrypt, error))
		return false;
	switch (mode)
	{
		case WRAP_NONE:
			put_bytes(out, in.data, in.len);
			return !out->overflow ||
				smsr_fail(error, SMSR_TOO_LONG, "key", 0, "room for it");
		case WRAP_AES_KW:
		case WRAP_AES_KWP:
			ok = raw_cipher(aes_cipher(mode == WRAP_AES_KW ? RAW_KW : RAW_KWP, kek.len),
							kek.data, encrypt, true, in, result, &result_len);
			break;
		case WRAP_AES_CBC_ZERO_IV:
			ok = raw_cipher(aes_cipher(RAW_CBC, kek.len), kek.data, encrypt, false,
							in, result, &result_len);
			break;
		case WRAP_3DES_ECB:
			des3_key(kek, des3);
			ok = raw_cipher(fetched(&des3_cipher, "DES-EDE3-ECB"), des3, encrypt, false,
							in, result, &result_len);
			OPENSSL_cleanse(des3, sizeof(des3));
			break;
		case WRAP_AES_ECB_PKCS7:
			ok = raw_cipher(aes_cipher(RAW_ECB, kek.len), kek.data, encrypt, false,
							encrypt ? pkcs7_pad(in, padded) : in, result, &result_len);
			if (ok && !encrypt)
				result_len = pkcs7_unpadded_len(result, result_len);
			OPENSSL_cleanse(padded, sizeof(padded));
			break;
	}
	if (ok)
		put_bytes(out, result, result_len);
	OPENSSL_cleanse(result, sizeof(result));
	cleanse_stack();
	if (ok && out->overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "key", 0, "room for it");
	if (ok)
		return true;
	/* only a wrap with an integrity check can fail because of its input */
	if (!encrypt && (mode == WRAP_AES_KW || mode == WRAP_AES_KWP))
		return smsr_fail(error, SMSR_BAD_VALUE, "wrapped key", 0,
						 "a key wrapped under this wrapping key");
	return crypto_failed(error, "key wrapping");
}

bool
key_wrap(WrapMode mode, SmsrBytes kek, SmsrBytes plain, SmsrWriter *out, SmsrError *error)
{
	return wrap(mode, kek, true, plain, out, error);
}

bool
key_unwrap(WrapMode mode, SmsrBytes kek, SmsrBytes wrapped, SmsrWriter *out, SmsrError *error)
{
	return wrap(mode, kek, false, wrapped, out, error);
}

/* ---- key check values ---- */

static bool
aes_check_value(SmsrBytes key, uint8_t filler, uint8_t kcv[KCV_LEN], SmsrError *error)
{
	uint8_t		block[BLOCK_LEN];
	uint8_t		result[3 * BLOCK_LEN];
	size_t		len;

	if (!aes_key_len_ok(key.len))
		return smsr_fail(error, SMSR_BAD_LENGTH, "AES key", 0, "16, 24 or 32 octets");
	memset(block, filler, sizeof(block));
	if (!raw_cipher(aes_cipher(RAW_ECB, key.len), key.data, true, false,
					smsr_bytes(block, sizeof(block)), result, &len))
		return crypto_failed(error, "key check value");
	memcpy(kcv, result, KCV_LEN);
	OPENSSL_cleanse(result, sizeof(result));
	return true;
}

bool
key_check_value(uint8_t key_type, SmsrBytes key, uint8_t kcv[3], SmsrError *error)
{
	static const uint8_t zeros[8];
	uint8_t		des3[DES3_LEN];
	uint8_t		result[3 * BLOCK_LEN];
	size_t		len;
	bool		ok;

	switch (key_type)
	{
		case KEY_TYPE_AES:
			return aes_check_value(key, 0x01, kcv, error);
		case KEY_TYPE_DES:
			if (key.len != 16 && key.len != DES3_LEN)
				return smsr_fail(error, SMSR_BAD_LENGTH, "DES key", 0, "16 or 24 octets");
			des3_key(key, des3);
			ok = raw_cipher(fetched(&des3_cipher, "DES-EDE3-ECB"), des3, true, false,
							smsr_bytes(zeros, sizeof(zeros)), result, &len);
			OPENSSL_cleanse(des3, sizeof(des3));
			if (!ok)
				return crypto_failed(error, "key check value");
			memcpy(kcv, result, KCV_LEN);
			OPENSSL_cleanse(result, sizeof(result));
			return true;
		default:
			return smsr_fail(error, SMSR_UNSUPPORTED, "key type", 0, "80 (DES) or 88 (AES)");
	}
}

bool
key_check_value_zeros(SmsrBytes key, uint8_t kcv[3], SmsrError *error)
{
	return aes_check_value(key, 0x00, kcv, error);
}
