/*
 * put_key.h
 *		PUT KEY (GlobalPlatform Card Specification clause 11.8, ETSI TS 102 226
 *		clause 8.2.1.5): a key set that replaces another, or is added.
 *
 * The wrapping key is the DEK of the key set that secures the packet around it;
 * SCP80 has no session keys, so it is the static one.
 */
#ifndef SMSR_PUT_KEY_H
#define SMSR_PUT_KEY_H

#include "bytes.h"
#include "error.h"
#include "sealing.h"

#define PUT_KEY_MAX_KEYS	3

/* How a key stands in its block: cards take one or the other. */
typedef enum PutKeyForm
{
	PUT_KEY_WITH_LENGTH,		/* its length, then it, padded and enciphered */
	PUT_KEY_BARE				/* enciphered: for lengths of whole cipher blocks */
} PutKeyForm;

/* The check value of a key for TLS, on which no two texts agree */
typedef enum PskCheckValue
{
	PSK_CHECK_NONE,				/* of no octets */
	PSK_CHECK_SHA1,				/* the first 3 octets of its hash */
	PSK_CHECK_SHA256
} PskCheckValue;

typedef struct PutKey
{
	uint8_t		old_kvn;		/* the set to be replaced; 00 adds one */
	uint8_t		kvn;
	uint8_t		key_id;			/* of the first key */
	size_t		count;
	uint8_t		key_type[PUT_KEY_MAX_KEYS]; /* KEY_TYPE_AES, KEY_TYPE_DES, KEY_TYPE_PSK */
	SmsrBytes	key[PUT_KEY_MAX_KEYS];
	PutKeyForm	form;
	PskCheckValue psk_check;
} PutKey;

/*
 * Appends the C-APDU, keys wrapped; nothing if it is refused.  kek_type is
 * KEY_TYPE_AES or KEY_TYPE_DES.
 */
extern bool put_key_write(const PutKey *command, uint8_t kek_type, SmsrBytes kek, SmsrWriter *w,
						  SmsrError *error);

/*
 * The same with zeros where the wrapped keys would stand: of the same length,
 * to be shown and kept where the command itself is not.
 */
extern bool put_key_write_blank(const PutKey *command, SmsrWriter *w, SmsrError *error);

/*
 * The data of the card's answer is that of this command: the KVN and the check
 * values of the keys.  What is SMSR_BAD_VALUE on "key check value" says that
 * the card stored something else.
 */
extern bool put_key_check_response(const PutKey *command, SmsrBytes data, SmsrError *error);

/*
 * The card's side: the keys that a command's data field (from the KVN on)
 * brings, unwrapped into room, in either form.  key_type, key and count are set;
 * SMSR_BAD_VALUE on "key check value" says that it is not the key's.
 */
extern bool put_key_read(SmsrBytes data, uint8_t kek_type, SmsrBytes kek, SmsrWriter *room,
						 PutKey *command, SmsrError *error);

#endif							/* SMSR_PUT_KEY_H */
