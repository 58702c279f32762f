/*
 * pace.h
 *		At most so many short messages in any second.
 *
 * Pure: (state, limit, now, wanted) -> (granted, state').  A sliding window, not
 * a token bucket: a bucket of a second's tokens lets two seconds' worth through
 * within one.
 *
 * What is exact: each message that is granted has a time, that of its call, or
 * where the caller may take some ahead, the earliest at which there is room, at
 * most so much later.  No half-open second [t, t + 1 s) holds more of these times
 * than the limit that was in force at the last grant in it.  Nothing is
 * approximated upwards: where two grants share an entry of the state, they count
 * as if both had been at the later one's time.
 *
 * Ahead is for who calls seldom and spaces what he is given himself: in the order
 * of the grants, and between any two at least 1 / limit.  Then no second holds
 * more than the limit of what he writes, by the spacing alone; and while there is
 * enough to be granted he is never without, if he calls at least every ahead.
 * (At a call at t at least limit (t + ahead - t0) were granted since the first at
 * t0, in seconds, and until the next one at most limit (ahead + t - t0) are
 * written.)  More than limit (1 + ahead) at hand he has no use for.  Two who space for
 * themselves under one state may together write in one second what has times in
 * 1 s + ahead: ahead is for one.
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
#define PACE_MAX_AHEAD	(10 * PACE_SECOND)
#define PACE_ENTRIES	128
#define PACE_STATE_MAX	(6 + 8 + 8 * PACE_ENTRIES)	/* octets */
#define PACE_UNLIMITED	UINT32_MAX

/* What was granted for later than a second before the last call, newest first. */
typedef struct PaceEntry
{
	int32_t		age;			/* microseconds before last, below PACE_SECOND; ahead: below 0 */
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

/*
 * How many of the messages that are wanted may leave, those ahead among them:
 * they count from their times on.  0 <= ahead <= PACE_MAX_AHEAD.
 */
extern uint32_t pace_take(Pace *pace, uint32_t limit, int64_t now, int64_t ahead, uint32_t wanted);

/* No octets are a state too: nothing was granted yet. */
extern bool pace_read(SmsrBytes state, Pace *pace, SmsrError *error);
extern void pace_write(const Pace *pace, SmsrWriter *w);

#endif							/* SMSR_PACE_H */
