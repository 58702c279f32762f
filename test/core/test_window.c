/*
 * test_window.c
 *		Windows against a second reading of the same text: every minute of the
 *		week, and every distance to the next edge.
 */
#include "core/window.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

#define SUNDAY	(6 * DAY_MINUTES)

typedef struct Span
{
	unsigned	days;			/* bits, Monday is 1 */
	int			from;
	int			to;				/* before from: of the next day */
} Span;

/* Open if it is less than the length of a span after the beginning of one. */
static bool
open_by_spans(const Span *span, size_t count, int minute)
{
	for (size_t i = 0; i < count; i++)
	{
		int			length = (span[i].to - span[i].from + DAY_MINUTES - 1) % DAY_MINUTES + 1;

		for (int day = 0; day < 7; day++)
			if ((span[i].days >> day & 1) &&
				(minute - day * DAY_MINUTES - span[i].from + 2 * WEEK_MINUTES) % WEEK_MINUTES < length)
				return true;
	}
	return false;
}

static int
first_difference(const Windows *w, const Span *span, size_t count)
{
	for (int m = 0; m < WEEK_MINUTES; m++)
		if (windows_open(w, m) != open_by_spans(span, count, m))
			return m;
	return -1;
}

/* Walked minute by minute, backwards from two weeks on. */
static bool
edges_right(const Windows *w)
{
	int			until[2] = {-1, -1};
	bool		right = true;

	for (int m = 2 * WEEK_MINUTES - 1; m >= 0; m--)
	{
		bool		open = windows_open(w, m % WEEK_MINUTES);

		if (until[!open] >= 0)
			until[!open]++;
		until[open] = 0;
		if (m < WEEK_MINUTES)
			right = right && windows_until_open(w, m) == until[1] && windows_until_closed(w, m) == until[0];
	}
	return right;
}

#define H(hour, minute)	((hour) * 60 + (minute))
#define EVERY	0x7F

static const struct
{
	const char *text;
	Span		span[6];
	size_t		count;
}			readable[] =
{
	{"Mon-Fri 01:00-05:00, Sat,Sun 00:00-24:00, 22:00-04:00",
	{{0x1F, H(1, 0), H(5, 0)}, {0x60, 0, DAY_MINUTES}, {EVERY, H(22, 0), H(4, 0)}}, 3},
	{"00:00-24:00", {{EVERY, 0, DAY_MINUTES}}, 1},
	{"00:00-00:01", {{EVERY, 0, 1}}, 1},
	{"23:59-00:00", {{EVERY, H(23, 59), 0}}, 1},
	{"23:59-24:00", {{EVERY, H(23, 59), 0}}, 1},
	{"00:01-00:00", {{EVERY, 1, 0}}, 1},
	{"12:01-12:00", {{EVERY, H(12, 1), H(12, 0)}}, 1},
	{"sun 23:59-00:01", {{0x40, H(23, 59), 1}}, 1},
	{"SUN 23:59-00:01,mON 00:01-00:02", {{0x40, H(23, 59), 1}, {0x01, 1, 2}}, 2},
	{"Sun 12:01-12:00", {{0x40, H(12, 1), H(12, 0)}}, 1},
	{"Fri-Mon 08:00-09:00", {{0x71, H(8, 0), H(9, 0)}}, 1},
	{"Sat-Tue 08:00-09:00", {{0x63, H(8, 0), H(9, 0)}}, 1},
	{"Tue-Mon 08:00-09:00", {{EVERY, H(8, 0), H(9, 0)}}, 1},
	{"Wed-Wed 08:00-09:00", {{0x04, H(8, 0), H(9, 0)}}, 1},
	{"Mon,Wed-Thu , Sun\t08:00 - 09:00\n10:00-11:30 , 23:00-24:00",
	{{0x4D, H(8, 0), H(9, 0)}, {0x4D, H(10, 0), H(11, 30)}, {EVERY, H(23, 0), 0}}, 3},
	{"Mon 08:00-09:0010:00-11:00", {{0x01, H(8, 0), H(9, 0)}, {0x01, H(10, 0), H(11, 0)}}, 2},
	{" Mon08:00-09:00 ", {{0x01, H(8, 0), H(9, 0)}}, 1},
	/* over, beside and in one another */
	{"Mon 08:00-10:00, Mon 09:00-11:00, Mon 11:00-12:00, Mon 08:30-08:40",
	{{0x01, H(8, 0), H(12, 0)}}, 1},
};

static const struct
{
	const char *text;
	size_t		offset;
}			unreadable[] =
{
	{"", 0}, {" ", 1}, {",", 0}, {"Mon", 3}, {"Mon,", 4}, {"Mon-", 4}, {"Mon-01:00-02:00", 4}, {"Mo 01:00-02:00", 0},
	{"Mo", 0}, {"Mond 01:00-02:00", 3}, {"Mon Tue 01:00-02:00", 4}, {"M\xF6n 01:00-02:00", 0}, {"daily 01:00-02:00", 0},
	{"1:00-02:00", 0}, {"01:0-02:00", 0}, {"01:00", 5}, {"01:00-", 6}, {"01:00-2:00", 6}, {"01.00-02:00", 0},
	{"01:00 02:00", 6}, {"01:00-02:00-03:00", 11}, {"24:00-02:00", 0}, {"Mon 24:00-24:00", 4}, {"01:60-02:00", 0},
	{"01:00-02:60", 6}, {"01:00-24:01", 6}, {"25:00-02:00", 0}, {"99:99-99:99", 0}, {"01:00-01:00", 6}, {"00:00-00:00", 6},
	{"01:00-02:00,", 12}, {"01:00-02:00,,03:00-04:00", 12}, {"01:00-02:00;", 11}, {"01:00-02:00 Mon 01:00-02:00", 12},
	{"01:00-02:00 ,Mon", 16}, {"-01:00-02:00", 0},
};

TEST_SUITE(windows)
{
	Windows		w;
	SmsrError	error;
	char		longest[WINDOWS_MAX_LEN + 1];
	SmsrBytes	octets;

	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
	{
		const char *text = readable[i].text;
		int			minute;

		octets = copy_of(smsr_bytes(text, strlen(text)));
		if (!succeeds(windows_parse((const char *) octets.data, octets.len, &w, &error), &error, "\"%s\"", text))
			continue;
		minute = first_difference(&w, readable[i].span, readable[i].count);
		ok(minute < 0, "\"%s\", every minute of the week (%d)", text, minute);
		ok(edges_right(&w), "\"%s\", and how far it is to the next edge", text);
	}
	for (size_t i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++)
	{
		const char *text = unreadable[i].text;

		octets = copy_of(smsr_bytes(text, strlen(text)));
		fails(windows_parse((const char *) octets.data, octets.len, &w, &error), &error,
			  SMSR_BAD_VALUE, "windows", unreadable[i].offset, "\"%s\"", text);
	}
	octets = copy_of(smsr_bytes("Mon 01:00-02:00\0, Tue 01:00-02:00", 33));
	fails(windows_parse((const char *) octets.data, octets.len, &w, &error), &error,
		  SMSR_BAD_VALUE, "windows", 15, "a zero octet is not the end");
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, "01:00-02:00", 11);
	succeeds(windows_parse(longest, WINDOWS_MAX_LEN, &w, &error), &error, "as long as may be");
	fails(windows_parse(longest, WINDOWS_MAX_LEN + 1, &w, &error), &error,
		  SMSR_TOO_LONG, "windows", WINDOWS_MAX_LEN, "longer");
}

TEST_SUITE(windows_edges)
{
	Windows		w = {{0}};
	SmsrError	error;

	ok(edges_right(&w) && windows_until_open(&w, 0) == -1, "never open");
	windows_parse("00:00-24:00", 11, &w, &error);
	ok(edges_right(&w) && windows_until_closed(&w, SUNDAY) == -1, "never closed");
	windows_parse("Sun 23:00-01:00", 15, &w, &error);
	ok(windows_until_open(&w, H(1, 0)) == SUNDAY + H(23, 0) - H(1, 0), "from the minute of the end to the next week's");
	ok(windows_until_closed(&w, WEEK_MINUTES - 1) == 61, "over Sunday midnight");
	ok(windows_until_closed(&w, 0) == 60, "what is left of it on Monday");
}

/* Texts that are made up, as their maker understands them. */
TEST_SUITE(windows_model)
{
	static const char *const names[] = {"Mon", "tue", "WED", "Thu", "Fri", "Sat", "Sun"};
	int			different = 0;
	int			edges = 0;

	for (int n = 0; n < 300; n++)
	{
		const uint8_t *dice = noise(64).data;
		Span		span[5];
		size_t		count = (size_t) (1 + dice[0] % 5);
		char		text[400];
		size_t		len = 0;
		Windows		w;
		SmsrError	error;

		for (size_t i = 0; i < count; i++)
		{
			const uint8_t *d = dice + 8 + 8 * i;

			/* edges of hours and of words of 64 minutes come up more often than not */
			span[i] = (Span) {d[0] & EVERY, d[1] % 24 * 60, d[2] % 24 * 60};
			if (d[3] & 1)
				span[i].from += d[4] % 60;
			if (d[3] & 2)
				span[i].to += d[4] % 60 + (d[5] & 1);
			if (span[i].to == span[i].from)
				span[i].to = span[i].from == 0 ? 1 : 0;
			if (i > 0)
				len += (size_t) snprintf(text + len, sizeof(text) - len, d[3] & 4 ? "," : " ,  ");
			for (int day = 0, listed = 0; day < 7; day++)
				if (span[i].days >> day & 1 && span[i].days != EVERY)
					len += (size_t) snprintf(text + len, sizeof(text) - len, "%s%s", listed++ ? "," : "", names[day]);
			if (span[i].days == 0)
				span[i].days = EVERY;
			len += (size_t) snprintf(text + len, sizeof(text) - len, " %02d:%02d-%02d:%02d", span[i].from / 60,
									 span[i].from % 60, span[i].to / 60, span[i].to % 60);
		}
		if (!windows_parse(text, len, &w, &error) || first_difference(&w, span, count) >= 0)
		{
			if (different++ == 0)
				printf("# %s\n", text);
		}
		else if (n % 10 == 0 && !edges_right(&w))
			edges++;
	}
	ok(different == 0, "300 texts, every minute of the week");
	ok(edges == 0, "30 of them, every distance to an edge");
}
