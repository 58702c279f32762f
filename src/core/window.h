/*
 * window.h
 *		Maintenance windows: when in the week messages may leave.
 *
 * Pure.  The time is local and the caller's: whoever calls turns an instant into
 * the time on the wall of the device's time zone, so that summer time is his
 * business, and a week here always has 10080 minutes.  A minute of the week is
 * counted from Monday 00:00 (ISO 8601: Monday is the first day).
 *
 *		windows	= entry { "," entry }
 *		entry	= [ days ] times { times }
 *		days	= day [ "-" day ] { "," day [ "-" day ] }
 *		times	= HH:MM "-" HH:MM
 *		day		= Mon Tue Wed Thu Fri Sat Sun, in any case
 *
 * 'Mon-Fri 01:00-05:00, Sat,Sun 00:00-24:00, 22:00-04:00'.  An entry without
 * days is for every day.  Times that end before they begin end on the next day
 * and belong to the day on which they begin: Sun 22:00-04:00 ends on Monday.
 * Days may go over Sunday too: Fri-Mon.  What is open is the union; the minute
 * of the end is closed.  The whole day is 00:00-24:00; times that end when they
 * begin are refused, because nobody knows whether all or nothing is meant.
 */
#ifndef SMSR_WINDOW_H
#define SMSR_WINDOW_H

#include "error.h"

#define DAY_MINUTES		1440
#define WEEK_MINUTES	(7 * DAY_MINUTES)
#define WINDOWS_MAX_LEN	1000	/* characters */

/* A bit a minute of the week, least significant first. */
typedef struct Windows
{
	uint64_t	open[(WEEK_MINUTES + 63) / 64];
} Windows;

/* What is parsed is open somewhere.  Offsets of errors count characters. */
extern bool windows_parse(const char *text, size_t len, Windows *windows, SmsrError *error);

/* minute is 0 .. WEEK_MINUTES - 1 */
extern bool windows_open(const Windows *windows, int minute);

/*
 * Minutes from the beginning of this one to the beginning of the next that is
 * open, or closed; 0 if this one is, -1 if there is none.
 */
extern int	windows_until_open(const Windows *windows, int minute);
extern int	windows_until_closed(const Windows *windows, int minute);

#endif							/* SMSR_WINDOW_H */
