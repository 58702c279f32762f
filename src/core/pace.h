/*
 * pace.h
 *		At most so many short messages in any second.
 *
 * Pure: (state, limit, now, wanted) -> (granted, state').  A sliding window, not
 * a token bucket: a bucket of a second's tokens lets two seconds' worth through
 * within one.
 *
 * What is exact: take all the grants there were, each at the time of its call.
 * No half-open second [t, t + 1 s) holds more than the limit that was in force
 * at the last grant in it.  Nothing is approximated upwards: where two grants
 * share an entry of the state, they count as if both had been at the later one's
 * time.
 *
 * What it takes: calls one after the other, each with the state of the one
 * before (the row that keeps it is locked), and a clock that is read behind that
 * lock, not at the start of the transaction: the guarantee is of the times that
 * are given, and a time that is old by o makes the second 1 s - o long.  What is
 * granted has not left yet: who writes it up to d later may write in one second
 * what was granted in 1 s + d; he spaces it himself.
 *
 * Clocks: one that goes back by up to PACE_HOLD stands still until it has caught
 * up (a time that was read early, a step of NTP).  One that goes back further was
 * wrong before: what was granted keeps its age, no time has passed.  If only the
 * clock goes back, less is granted than the real time would allow, never more.
 * One that jumps ahead is believed: nothing here knows better.
 */
#ifndef SMSR_PACE_H
#define SMSR_PACE_H

#include "bytes.h"
#include "error.h"

#define PACE_SECOND		INT64_C(1000000)	/* microseconds */
#define PACE_HOLD		(60 * PACE_SECOND)
#define PACE_ENTRIES	128
#define PACE_STATE_MAX	(6 + 8 + 8 * PACE_ENTRIES)	/* octets */
#define PACE_UNLIMITED	UINT32_MAX

/* What was granted less than a second before the last call, newest first. */
typedef struct PaceEntry
{
	uint32_t	age;			/* microseconds before last, below PACE_SECOND */
	uint32_t	count;			/* messages, at least 1 */
} PaceEntry;

typedef struct Pace
{
	int64_t		last;			/* latest time there was, microseconds */
	size_t		entries;
	PaceEntry	entry[PACE_ENTRIES];	/* ages strictly ascend */
} Pace;

/* Nothing was granted yet. */
extern void pace_init(Pace *pace);

/* How many of the messages that are wanted may leave; they count from now on. */
extern uint32_t pace_take(Pace *pace, uint32_t limit, int64_t now, uint32_t wanted);

/* No octets are a state too: nothing was granted yet. */
extern bool pace_read(SmsrBytes state, Pace *pace, SmsrError *error);
extern void pace_write(const Pace *pace, SmsrWriter *w);

#endif							/* SMSR_PACE_H */
