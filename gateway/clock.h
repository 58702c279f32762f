/*
 * clock.h
 *	  Time as the gateway uses it: milliseconds that never go backwards.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

/* "no deadline", for the functions that say when they next need the CPU */
#define CLOCK_NEVER INT64_MAX

static inline int64_t
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t
clock_earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

#endif							/* CLOCK_H */
