/*
 * error.h
 *		What a function of core says when its input is wrong.
 *
 * Core never allocates, logs or jumps: a function returns false and fills an
 * SmsrError, and whoever called it turns that into words.
 */
#ifndef SMSR_ERROR_H
#define SMSR_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum SmsrErrorCode
{
	SMSR_OK = 0,
	SMSR_TRUNCATED,				/* the input ends before the field does */
	SMSR_BAD_LENGTH,			/* a length that is wrong, or that lies */
	SMSR_BAD_VALUE,				/* a value the field can not have */
	SMSR_UNSUPPORTED,			/* reserved or proprietary: nobody says what it means */
	SMSR_TOO_LONG,				/* the result does not fit its format or buffer */
	SMSR_CRYPTO					/* libcrypto failed: never caused by the input */
} SmsrErrorCode;

typedef struct SmsrError
{
	SmsrErrorCode code;
	const char *field;			/* static; the field as its document calls it */
	size_t		offset;			/* octets from the start of the input */
	const char *expected;		/* static; what should have stood there */
} SmsrError;

/* Fill *error and return false, so that a caller can "return smsr_fail(..)". */
extern bool smsr_fail(SmsrError *error, SmsrErrorCode code, const char *field,
					  size_t offset, const char *expected);

/* One static word per code, for people: "truncated", "bad length" ... */
extern const char *smsr_error_name(SmsrErrorCode code);

#endif							/* SMSR_ERROR_H */
