/*
 * iccid.c
 *		ICCID: 19 or 20 decimal digits (ITU-T E.118), kept as 10 octets of BCD,
 *		most significant digit first, with F as filler of the 19-digit form.
 */
#include "iccid.h"

#define FILLER	0x0F

static unsigned
digit(const uint8_t iccid[ICCID_LEN], size_t i)
{
	return i % 2 == 0 ? iccid[i / 2] >> 4 : iccid[i / 2] & 0x0F;
}

static size_t
digit_count(const uint8_t iccid[ICCID_LEN])
{
	return digit(iccid, ICCID_DIGITS - 1) == FILLER ? ICCID_DIGITS - 1 : ICCID_DIGITS;
}

bool
iccid_parse(const char *text, size_t len, uint8_t iccid[ICCID_LEN], SmsrError *error)
{
	if (len != ICCID_DIGITS && len != ICCID_DIGITS - 1)
		return smsr_fail(error, SMSR_BAD_LENGTH, "ICCID", 0, "19 or 20 digits");
	for (size_t i = 0; i < ICCID_DIGITS; i++)
	{
		uint8_t		value;

		if (i == ICCID_DIGITS - 1 && (i == len || text[i] == 'F' || text[i] == 'f'))
			value = FILLER;
		else if (text[i] >= '0' && text[i] <= '9')
			value = (uint8_t) (text[i] - '0');
		else
			return smsr_fail(error, SMSR_BAD_VALUE, "ICCID", i, "a decimal digit");

		if (i % 2 == 0)
			iccid[i / 2] = (uint8_t) (value << 4);
		else
			iccid[i / 2] |= value;
	}
	return true;
}

bool
iccid_check(const uint8_t iccid[ICCID_LEN], SmsrError *error)
{
	size_t		count = digit_count(iccid);

	for (size_t i = 0; i < count; i++)
	{
		if (digit(iccid, i) > 9)
			return smsr_fail(error, SMSR_BAD_VALUE, "ICCID", i / 2,
							 "decimal digits, F only after the 19th");
	}
	return true;
}

void
iccid_format(const uint8_t iccid[ICCID_LEN], char text[ICCID_DIGITS + 1])
{
	size_t		count = digit_count(iccid);

	for (size_t i = 0; i < count; i++)
		text[i] = "0123456789ABCDEF"[digit(iccid, i)];
	text[count] = '\0';
}

bool
iccid_luhn_ok(const uint8_t iccid[ICCID_LEN])
{
	size_t		count = digit_count(iccid);
	unsigned	sum = 0;

	for (size_t i = 0; i < count; i++)
	{
		unsigned	d = digit(iccid, count - 1 - i);

		if (i % 2 == 1)
			d = 2 * d > 9 ? 2 * d - 9 : 2 * d;
		sum += d;
	}
	return sum % 10 == 0;
}
