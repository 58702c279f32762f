/*
 * window.c
 *		Maintenance windows: read into a bit for each minute of the week.
 */
#include "window.h"

#include <string.h>

typedef struct Reader
{
	const char *text;
	size_t		len;
	size_t		at;
} Reader;

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static void
skip_blanks(Reader *r)
{
	while (r->at < r->len && blank(r->text[r->at]))
		r->at++;
}

/* The next character, blanks left out; 0 at the end. */
static char
peek(Reader *r)
{
	skip_blanks(r);
	return r->at < r->len ? r->text[r->at] : '\0';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
take(Reader *r, char c)
{
	if (peek(r) != c || r->at == r->len)
		return false;
	r->at++;
	return true;
}

static bool
read_day(Reader *r, int *day, SmsrError *error)
{
	static const char names[7][4] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

	skip_blanks(r);
	for (int i = 0; i < 7 && r->len - r->at >= 3; i++)
	{
		int			same = 0;

		while (same < 3 && (r->text[r->at + (size_t) same] | 0x20) == names[i][same])
			same++;
		if (same == 3)
		{
			r->at += 3;
			*day = i;
			return true;
		}
	}
	return smsr_fail(error, SMSR_BAD_VALUE, "windows", r->at,
					 "a day, Mon to Sun, or a time, HH:MM");
}

/* Days as bits, Monday is 1; a list ends where its next member is a time. */
static bool
read_days(Reader *r, unsigned *days, SmsrError *error)
{
	*days = 0;
	do
	{
		int			first;
		int			last;

		if (!read_day(r, &first, error))
			return false;
		last = first;
		if (take(r, '-') && !read_day(r, &last, error))
			return false;
		for (int day = first;; day = (day + 1) % 7)
		{
			*days |= 1u << day;
			if (day == last)
				break;
		}
	} while (take(r, ','));
	return true;
}

static bool
read_time(Reader *r, int *minute, SmsrError *error)
{
	const char *p;

	skip_blanks(r);
	p = r->text + r->at;
	if (r->len - r->at < 5 || !is_digit(p[0]) || !is_digit(p[1]) || p[2] != ':' ||
		!is_digit(p[3]) || !is_digit(p[4]))
		return smsr_fail(error, SMSR_BAD_VALUE, "windows", r->at, "a time, HH:MM");
	*minute = ((p[0] - '0') * 10 + p[1] - '0') * 60 + (p[3] - '0') * 10 + p[4] - '0';
	if (p[3] > '5' || *minute > DAY_MINUTES)
		return smsr_fail(error, SMSR_BAD_VALUE, "windows", r->at, "a time from 00:00 to 24:00");
	r->at += 5;
	return true;
}

/* From and to minutes of the week, to < from + a week: over Sunday if it must. */
static void
open_minutes(Windows *w, int from, int to)
{
	for (int m = from; m < to;)
	{
		int			minute = m % WEEK_MINUTES;
		uint64_t   *word = &w->open[minute / 64];

		/* whole words at once, but for the last, of which half is no minute */
		if (minute % 64 == 0 && to - m >= 64 && minute + 64 <= WEEK_MINUTES)
		{
			*word = UINT64_MAX;
			m += 64;
		}
		else
		{
			*word |= UINT64_C(1) << (minute % 64);
			m++;
		}
	}
}

static bool
read_times(Reader *r, unsigned days, Windows *w, SmsrError *error)
{
	size_t		start;
	int			from;
	int			to;

	skip_blanks(r);
	start = r->at;
	if (!read_time(r, &from, error))
		return false;
	if (from == DAY_MINUTES)
		return smsr_fail(error, SMSR_BAD_VALUE, "windows", start,
						 "a beginning before 24:00, which is 00:00 of the next day");
	if (!take(r, '-'))
		return smsr_fail(error, SMSR_BAD_VALUE, "windows", r->at, "\"-\" and a time, HH:MM");
	skip_blanks(r);
	start = r->at;
	if (!read_time(r, &to, error))
		return false;
	if (to == from)
		return smsr_fail(error, SMSR_BAD_VALUE, "windows", start,
						 "an end other than the beginning; a whole day is 00:00-24:00");
	if (to < from)
		to += DAY_MINUTES;
	for (int day = 0; day < 7; day++)
	{
		if (days >> day & 1)
			open_minutes(w, day * DAY_MINUTES + from, day * DAY_MINUTES + to);
	}
	return true;
}

bool
windows_parse(const char *text, size_t len, Windows *windows, SmsrError *error)
{
	Reader		r = {text, len, 0};

	memset(windows, 0, sizeof(*windows));
	if (len > WINDOWS_MAX_LEN)
		return smsr_fail(error, SMSR_TOO_LONG, "windows", WINDOWS_MAX_LEN, "at most 1000 characters");
	do
	{
		unsigned	days = 0x7F;

		if (!is_digit(peek(&r)) && !read_days(&r, &days, error))
			return false;
		do
		{
			if (!read_times(&r, days, windows, error))
				return false;
		} while (is_digit(peek(&r)));
	} while (take(&r, ','));
	if (r.at < r.len)
		return smsr_fail(error, SMSR_BAD_VALUE, "windows", r.at, "\",\", a time, or the end");
	return true;
}

bool
windows_open(const Windows *windows, int minute)
{
	return windows->open[minute / 64] >> (minute % 64) & 1;
}

/* Words that are all the other way are passed over at once. */
static int
until(const Windows *windows, int minute, bool open)
{
	uint64_t	opposite = open ? 0 : UINT64_MAX;

	for (int d = 0; d < WEEK_MINUTES;)
	{
		int			m = (minute + d) % WEEK_MINUTES;

		if (m % 64 == 0 && m + 64 <= WEEK_MINUTES && windows->open[m / 64] == opposite)
			d += 64;
		else if (windows_open(windows, m) == open)
			return d;
		else
			d++;
	}
	return -1;
}

int
windows_until_open(const Windows *windows, int minute)
{
	return until(windows, minute, true);
}

int
windows_until_closed(const Windows *windows, int minute)
{
	return until(windows, minute, false);
}
