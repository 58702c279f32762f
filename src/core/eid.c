/*
 * eid.c
 *		EID: 32 decimal digits, 16 octets of BCD, most significant digit first
 *		(SGP.02 clause 2.2.2).
 */
#include "eid.h"

/* The number modulo 97, two digits at a time. */
static unsigned
mod97(const uint8_t eid[EID_LEN])
{
	unsigned	rest = 0;

	for (int i = 0; i < EID_LEN; i++)
		rest = (rest * 100 + (eid[i] >> 4) * 10u + (eid[i] & 0x0F)) % 97;
	return rest;
}

/* Offsets of errors count octets of EID, or digits where scale is 2. */
static bool
check(const uint8_t eid[EID_LEN], size_t scale, SmsrError *error)
{
	for (size_t i = 0; i < EID_LEN; i++)
	{
		if (eid[i] >> 4 > 9 || (eid[i] & 0x0F) > 9)
			return smsr_fail(error, SMSR_BAD_VALUE, "EID", i * scale,
							 "decimal digits");
	}
	/* the industry identifier of telecommunication, ITU-T E.118 */
	if (eid[0] != 0x89)
		return smsr_fail(error, SMSR_BAD_VALUE, "EID", 0, "89");
	if (mod97(eid) != 1)
		return smsr_fail(error, SMSR_BAD_VALUE, "check digits of EID",
						 15 * scale, "ISO/IEC 7064 MOD 97-10");
	return true;
}

bool
eid_parse(const char *text, size_t len, uint8_t eid[EID_LEN], SmsrError *error)
{
	if (len != EID_DIGITS)
		return smsr_fail(error, SMSR_BAD_LENGTH, "EID", 0, "32 digits");
	for (size_t i = 0; i < EID_DIGITS; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return smsr_fail(error, SMSR_BAD_VALUE, "EID", i, "a decimal digit");
		if (i % 2 == 0)
			eid[i / 2] = (uint8_t) ((text[i] - '0') << 4);
		else
			eid[i / 2] |= (uint8_t) (text[i] - '0');
	}
	return check(eid, 2, error);
}

bool
eid_check(const uint8_t eid[EID_LEN], SmsrError *error)
{
	return check(eid, 1, error);
}

void
eid_format(const uint8_t eid[EID_LEN], char text[EID_DIGITS + 1])
{
	for (int i = 0; i < EID_LEN; i++)
	{
		text[2 * i] = "0123456789ABCDEF"[eid[i] >> 4];
		text[2 * i + 1] = "0123456789ABCDEF"[eid[i] & 0x0F];
	}
	text[EID_DIGITS] = '\0';
}

void
eid_set_check_digits(uint8_t eid[EID_LEN])
{
	unsigned	digits;

	eid[EID_LEN - 1] = 0;
	digits = 98 - mod97(eid);
	eid[EID_LEN - 1] = (uint8_t) (digits / 10 << 4 | digits % 10);
}
