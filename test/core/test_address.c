/*
 * test_address.c
 */
#include "tap.h"

#include <string.h>

#include "core/address.h"

TEST_SUITE(address)
{
	static const struct
	{
		const char *text;
		const char *digits;
	}			good[] =
	{
		{"+4917222334455", "0D91947122324354F5"},
		{"+491722233445", "0C91947122324354"},
		{"491722233445", "0C81947122324354"},
		{"12", "028121"},
		{"7", "0181F7"},
		{"+0", "0191F0"},
		{"12345678901234567890", "148121436587092143658709"},
	};
	static const struct
	{
		const char *text;
		SmsrErrorCode code;
		size_t		offset;
	}			bad[] =
	{
		{"", SMSR_BAD_LENGTH, 0},
		{"+", SMSR_BAD_LENGTH, 1},
		{"123456789012345678901", SMSR_BAD_LENGTH, 0},
		{"+123456789012345678901", SMSR_BAD_LENGTH, 1},
		{"+49 172", SMSR_BAD_VALUE, 3},
		{"++49", SMSR_BAD_VALUE, 1},
		{"49A", SMSR_BAD_VALUE, 2},
		{"*100#", SMSR_BAD_VALUE, 0},
		{"49\xB2", SMSR_BAD_VALUE, 2},
	};
	SmsrWriter	w = writer(ADDRESS_MAX_LEN);
	SmsrError	error;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		w.len = 0;
		succeeds(address_write(good[i].text, strlen(good[i].text), &w, &error), &error, "%s", good[i].text);
		is_hex(smsr_written(&w), good[i].digits, "%s: count, type, swapped digits", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		w.len = 0;
		fails(address_write(bad[i].text, strlen(bad[i].text), &w, &error), &error, bad[i].code,
			  "address", bad[i].offset, "\"%s\" is none", bad[i].text);
		ok(w.len == 0, "and nothing is written");
	}
	w = writer(ADDRESS_MAX_LEN - 1);
	fails(address_write("12345678901234567890", 20, &w, &error), &error, SMSR_TOO_LONG, "address", 0, "no room");
}
