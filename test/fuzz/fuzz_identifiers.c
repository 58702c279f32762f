/*
 * fuzz_identifiers.c
 *		Reading whatever comes as EID, ICCID or AID; what was read and written
 *		again reads the same.
 */
#include "fuzz.h"

#include <strings.h>

#include "core/aid.h"
#include "core/eid.h"
#include "core/iccid.h"

static void
eid(const char *text, size_t len)
{
	uint8_t		octets[EID_LEN];
	char		again[EID_DIGITS + 1];
	SmsrError	error;

	if (eid_parse(text, len, octets, &error))
	{
		property(eid_check(octets, &error));
		eid_format(octets, again);
		property(strlen(again) == len && memcmp(text, again, len) == 0);
	}
	else
		explained(error, len);

	if (len >= EID_LEN)
	{
		memcpy(octets, text, EID_LEN);
		if (eid_check(octets, &error))
		{
			eid_format(octets, again);
			property(eid_parse(again, strlen(again), octets, &error));
		}
		else
			explained(error, EID_LEN);
		for (int i = 0; i < EID_LEN - 1; i++)
			octets[i] = (uint8_t) ((octets[i] >> 4) % 10 << 4 | (octets[i] & 0x0F) % 10);
		octets[0] = 0x89;
		eid_set_check_digits(octets);
		property(eid_check(octets, &error));
	}
}

static void
iccid(const char *text, size_t len)
{
	uint8_t		octets[ICCID_LEN];
	char		again[ICCID_DIGITS + 1];
	SmsrError	error;

	if (iccid_parse(text, len, octets, &error))
	{
		property(iccid_check(octets, &error));
		iccid_format(octets, again);
		property(strlen(again) <= len && memcmp(text, again, strlen(again)) == 0);
		(void) iccid_luhn_ok(octets);
	}
	else
		explained(error, len);

	if (len >= ICCID_LEN)
	{
		memcpy(octets, text, ICCID_LEN);
		(void) iccid_luhn_ok(octets);
		iccid_format(octets, again);
		property(iccid_check(octets, &error) ==
				 iccid_parse(again, strlen(again), octets, &error));
	}
}

static void
aid(const char *text, size_t len)
{
	SmsrAid		value;
	SmsrAid		second;
	char		again[2 * AID_MAX_LEN + 1];
	uint8_t		tar[3];
	SmsrError	error;

	if (aid_parse(text, len, &value, &error))
	{
		aid_format(&value, again);
		property(strlen(again) == len && strncasecmp(text, again, len) == 0);
		property(aid_parse(again, len, &second, &error) && aid_compare(&value, &second) == 0);
		property(aid_tar(&value, tar) == (value.len == AID_MAX_LEN));
	}
	else
		explained(error, len);

	if (aid_from_bytes(smsr_bytes(text, len), &value, &error))
	{
		property(value.len == len && memcmp(value.octets, text, len) == 0);
		second = value;
		second.octets[len - 1] ^= 1;
		property(aid_compare(&value, &second) == -aid_compare(&second, &value) &&
				 aid_compare(&value, &second) != 0);
	}
	else
		explained(error, len);

	if (len >= 3)
	{
		uint32_t	number = get_u24((const uint8_t *) text);

		if (aid_isdp(number, &value, &error))
			property(aid_tar(&value, tar) && get_u24(tar) == number);
		else
			explained(error, 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	eid((const char *) data, size);
	iccid((const char *) data, size);
	aid((const char *) data, size);
	return 0;
}
