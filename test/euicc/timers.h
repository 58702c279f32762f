/*
 * timers.h
 *		What is to happen later: a heap of calls.
 *
 * Nothing is ever taken out before its time: an owner that changed its mind
 * passes a number and compares it when it is called.
 */
#ifndef FLEET_TIMERS_H
#define FLEET_TIMERS_H

#include <stddef.h>
#include <stdint.h>

typedef void (*TimerCall) (void *context, void *object, uint32_t number);

typedef struct Timer
{
	uint64_t	when;			/* microseconds */
	uint64_t	order;			/* of two at one time, the earlier set comes first */
	TimerCall	call;
	void	   *object;
	uint32_t	number;
} Timer;

typedef struct Timers
{
	Timer	   *heap;
	size_t		count;
	size_t		cap;
	uint64_t	order;
} Timers;

extern void timers_free(Timers *timers);
extern void timer_add(Timers *timers, uint64_t when, TimerCall call,
					  void *object, uint32_t number);

/* When the next is due; UINT64_MAX if there is none. */
extern uint64_t timers_next(const Timers *timers);

/* Take the first one out if it is due. */
extern int	timers_take(Timers *timers, uint64_t now, Timer *timer);

#endif							/* FLEET_TIMERS_H */
