/*
 * backoff.h
 *	  Waiting longer after each failure, and never in step with others.
 */
#ifndef BACKOFF_H
#define BACKOFF_H

#include <stdint.h>
#include <stdlib.h>

typedef struct Backoff
{
	int64_t		delay;			/* 0: nothing has failed yet */
} Backoff;

static inline void
backoff_init(Backoff *backoff)
{
	backoff->delay = 0;
}

static inline void
backoff_reset(Backoff *backoff)
{
	backoff->delay = 0;
}

/* three quarters to five quarters of a delay that doubles */
static inline int64_t
backoff_next(Backoff *backoff, int64_t least, int64_t most)
{
	backoff->delay = backoff->delay == 0 ? least : backoff->delay * 2;
	if (backoff->delay > most)
		backoff->delay = most;
	return backoff->delay * 3 / 4 + random() % (backoff->delay / 2 + 1);
}

#endif							/* BACKOFF_H */
