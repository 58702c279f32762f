/*
 * test_wave.c
 *		Plans of waves: what can be read, where what can not goes wrong, and that
 *		the waves of any cohort are all of it.
 */
#include "core/wave.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

static const struct
{
	const char *text;
	int64_t		total;
	const char *waves;			/* kind and size of each */
}			readable[] =
{
	{"canary 100, then 10%, then rest", 12345, "c100 s1235 r11010"},
	{"canary 100, then 10%, then rest", 100, "c100"},
	{"canary 100, then 10%, then rest", 101, "c100 s1"},
	{"canary 100, then 10%, then rest", 99, "c99"},
	{"canary 100, then 10%, then rest", 0, ""},
	{"100, 1000, rest", 5000, "s100 s1000 r3900"},
	{"100 then 1000 then rest", 1100, "s100 s1000"},
	{"rest", 1, "r1"},
	{"REST", 7, "r7"},
	{" Canary\t1%\n,THEN 25% Each ", 1000, "c10 e250 e250 e250 e240"},
	{"100%", 77, "s77"},
	{"100.0000%", 77, "s77"},
	{"50%, 50% each", 77, "s39 e38"},
	{"33.3%each", 1000, "e333 e333 e333 e1"},
	{"33.3333%, 33.3333%, rest", 3000000, "s999999 s999999 r1000002"},
	{"0.0001%, rest", 1, "s1"},
	{"0.0001%, rest", 1000000, "s1 r999999"},
	{"0.0001%, rest", 1000001, "s2 r999999"},
	{"10 %, rest", 100, "s10 r90"},
	{"0007, rest", 10, "s7 r3"},
	{"1000000000000, rest", INT64_C(1000000000000), "s1000000000000"},
	{"99.9999%, rest", INT64_C(1000000000000), "s999999000000 r1000000"},
	{"canary 5,canary 5,then rest", 20, "c5 c5 r10"},
};

static const struct
{
	const char *text;
	size_t		offset;
}			unreadable[] =
{
	{"", 0}, {" ", 1}, {",", 0}, {"then", 0}, {"then rest", 0}, {"canary", 6}, {"canary rest", 7}, {"canary, rest", 6}, {"10", 2},
	{"10%", 3}, {"99.9999%", 8}, {"canary 5", 8}, {"10, 10% ", 8}, {"0, rest", 0}, {"0%, rest", 0}, {"0.0000%, rest", 0}, {"101%, rest", 0},
	{"100.0001%, rest", 0}, {"1.5, rest", 0}, {"1.%, rest", 2}, {".5%, rest", 0}, {"1.00001%, rest", 6}, {"1000000000001, rest", 0},
	{"99999999999999999999, rest", 0}, {"-5, rest", 0}, {"rest, 5", 6}, {"rest rest", 5}, {"rest, rest", 6}, {"5 each, rest", 8},
	{"5 each each", 7}, {"canary 5 each", 9}, {"rest each", 5}, {"5,, rest", 2}, {"5 then then rest", 7}, {"5, then, rest", 7},
	{"5 6, rest", 2}, {"five, rest", 0}, {"restful", 0}, {"5, rest,", 8}, {"5, rest then", 12}, {"5, thenrest", 3}, {"5 eachrest", 2},
	{"10%%, rest", 3}, {"canary10, rest\x80", 14}, {"5;rest", 1},
};

static void
describe(const Wave *wave, size_t count, char *text, size_t cap)
{
	size_t		len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count && len < cap; i++)
		len += (size_t) snprintf(text + len, cap - len, "%s%c%lld", i > 0 ? " " : "",
								 wave_kind_name(wave[i].kind)[0], (long long) wave[i].size);
}

TEST_SUITE(waves)
{
	Wave	   *wave = scratch(WAVES_MAX * sizeof(Wave));
	size_t		count;
	WavePlan	plan;
	SmsrError	error;
	char		longest[WAVES_MAX_LEN + 1];
	char		text[200];

	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
	{
		SmsrBytes	octets = copy_of(smsr_bytes(readable[i].text, strlen(readable[i].text)));

		if (!succeeds(waves_parse((const char *) octets.data, octets.len, &plan, &error) &&
					  waves_of(&plan, readable[i].total, wave, &count, &error), &error, "\"%s\"", readable[i].text))
			continue;
		describe(wave, count, text, sizeof(text));
		ok(strcmp(text, readable[i].waves) == 0, "\"%s\" of %lld: %s", readable[i].text, (long long) readable[i].total, text);
	}
	for (size_t i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++)
	{
		SmsrBytes	octets = copy_of(smsr_bytes(unreadable[i].text, strlen(unreadable[i].text)));

		fails(waves_parse((const char *) octets.data, octets.len, &plan, &error), &error,
			  SMSR_BAD_VALUE, "waves", unreadable[i].offset, "\"%s\"", unreadable[i].text);
	}
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, "rest", 4);
	succeeds(waves_parse(longest, WAVES_MAX_LEN, &plan, &error), &error, "as long as may be");
	fails(waves_parse(longest, WAVES_MAX_LEN + 1, &plan, &error), &error, SMSR_TOO_LONG, "waves", WAVES_MAX_LEN, "longer");
	for (int i = 0; i < WAVES_MAX_STEPS; i++)
		memcpy(longest + 2 * i, "1,", 2);
	memcpy(longest + 2 * (WAVES_MAX_STEPS - 1), "rest", 4);
	succeeds(waves_parse(longest, 2 * WAVES_MAX_STEPS + 2, &plan, &error), &error, "a hundred waves");
	memcpy(longest + 2 * (WAVES_MAX_STEPS - 1), "1,rest", 6);
	fails(waves_parse(longest, 2 * WAVES_MAX_STEPS + 4, &plan, &error), &error, SMSR_TOO_LONG, "waves", 2 * WAVES_MAX_STEPS, "one more");

	waves_parse("1 each", 6, &plan, &error);
	ok(waves_of(&plan, WAVES_MAX, wave, &count, &error) && count == WAVES_MAX, "as many waves as there may be");
	fails(waves_of(&plan, WAVES_MAX + 1, wave, &count, &error), &error, SMSR_TOO_LONG, "waves", 0, "more");
	fails(waves_of(&plan, -1, wave, &count, &error), &error, SMSR_BAD_VALUE, "total", 0, "a cohort of less than nobody");
	fails(waves_of(&plan, INT64_C(1000000000001), wave, &count, &error), &error, SMSR_BAD_VALUE, "total", 0, "a cohort of more than there are");
	ok(strcmp(wave_kind_name(WAVE_CANARY), "canary") == 0 && strcmp(wave_kind_name(WAVE_REST), "rest") == 0 &&
	   wave_kind_name((WaveKind) 4) == NULL, "kinds by name");
}

/* Percents against rationals: the least number that is not less than the percent. */
TEST_SUITE(waves_model)
{
	Wave	   *wave = scratch(WAVES_MAX * sizeof(Wave));
	int			wrong = 0;
	int			short_of = 0;

	for (int n = 0; n < 3000; n++)
	{
		const uint8_t *dice = noise(16).data;
		unsigned	millionths = 1 + (dice[0] | dice[1] << 8 | dice[2] << 16) % 999999u;
		int64_t		total = 1 + (int64_t) ((uint64_t) (dice[3] | dice[4] << 8 | dice[5] << 16) << (dice[6] % 12));
		char		text[60];
		size_t		count;
		int64_t		sum = 0;
		WavePlan	plan;
		SmsrError	error;

		snprintf(text, sizeof(text), "%u.%04u%%, %u, rest", millionths / 10000, millionths % 10000, 1 + dice[7]);
		if (!waves_parse(text, strlen(text), &plan, &error) || !waves_of(&plan, total, wave, &count, &error))
		{
			wrong++;
			continue;
		}
		/* size - 1 < total * millionths / 10^6 <= size */
		wrong += (double) wave[0].size - 1 >= (double) total * millionths / 1e6 ||
			(double) wave[0].size < (double) total * millionths / 1e6 - 1e-3;
		for (size_t i = 0; i < count; i++)
		{
			short_of += wave[i].size < 1;
			sum += wave[i].size;
		}
		short_of += sum != total;
	}
	ok(wrong == 0, "3000 cohorts: percents are rounded up");
	ok(short_of == 0, "and their waves are all of them, nobody twice, none of nobody");
}
