/*
 * error.c
 *		What a function of core says when its input is wrong.
 */
#include "error.h"

bool
smsr_fail(SmsrError *error, SmsrErrorCode code, const char *field,
		  size_t offset, const char *expected)
{
	if (error != NULL)
	{
		error->code = code;
		error->field = field;
		error->offset = offset;
		error->expected = expected;
	}
	return false;
}

const char *
smsr_error_name(SmsrErrorCode code)
{
	switch (code)
	{
		case SMSR_OK:
			return "ok";
		case SMSR_TRUNCATED:
			return "truncated";
		case SMSR_BAD_LENGTH:
			return "bad length";
		case SMSR_BAD_VALUE:
			return "bad value";
		case SMSR_UNSUPPORTED:
			return "unsupported";
		case SMSR_TOO_LONG:
			return "too long";
		case SMSR_CRYPTO:
			return "cryptographic library failed";
	}
	return "unknown error";
}
