/*
 * key_check.h
 *		What a card key may be, and whether it is the key that was meant: for keys
 *		of an EIS and of import files alike.
 */
#ifndef SMSR_KEY_CHECK_H
#define SMSR_KEY_CHECK_H

#include "bytes.h"
#include "sealing.h"

#define KEY_CHECK_VALUE_LEN	3

/*
 * Whether a key of this type may stand at index (1 to 3) of a set for "SCP80",
 * "SCP03" or "SCP81".  set_key_type is that of the set's other keys, 0: none yet.
 */
extern bool key_type_fits(const char *set, int index, uint8_t key_type, uint8_t set_key_type);
extern bool key_len_fits(uint8_t key_type, size_t len);

typedef enum KeyCheck
{
	KEY_CHECK_RIGHT,
	KEY_CHECK_MISSING,			/* and it is needed */
	KEY_CHECK_ZEROS,			/* computed over octets 00, which some vendors do */
	KEY_CHECK_WRONG,
	KEY_CHECK_IMPOSSIBLE		/* the key has none: its length or type is wrong */
} KeyCheck;

/*
 * Compute a key's check value into check_value and compare it with the stated
 * one, if there is one (stated NULL: none came).  A PSK has none that everybody
 * agrees on: zeros, and right.  authenticated: the key came in a form that says
 * as much as a check value would.
 */
extern KeyCheck key_check(uint8_t key_type, SmsrBytes key, const uint8_t *stated, bool authenticated,
						  uint8_t check_value[KEY_CHECK_VALUE_LEN]);

/* Whether a wrap mode notices a wrong key or an altered one. */
extern bool wrap_mode_authenticates(WrapMode mode);

#endif							/* SMSR_KEY_CHECK_H */
