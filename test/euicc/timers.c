/*
 * timers.c
 *		A binary heap, the earliest on top.
 */
#include "timers.h"

#include "memory.h"

static int
before(const Timer *a, const Timer *b)
{
	return a->when != b->when ? a->when < b->when : a->order < b->order;
}

void
timers_free(Timers *timers)
{
	free(timers->heap);
	*timers = (Timers) {0};
}

void
timer_add(Timers *timers, uint64_t when, TimerCall call, void *object, uint32_t number)
{
	Timer		timer = {when, timers->order++, call, object, number};
	size_t		i;

	if (timers->count == timers->cap)
		timers->heap = grow(timers->heap, &timers->cap, sizeof(Timer));
	for (i = timers->count++; i > 0; i = (i - 1) / 2)
	{
		if (!before(&timer, &timers->heap[(i - 1) / 2]))
			break;
		timers->heap[i] = timers->heap[(i - 1) / 2];
	}
	timers->heap[i] = timer;
}

uint64_t
timers_next(const Timers *timers)
{
	return timers->count > 0 ? timers->heap[0].when : UINT64_MAX;
}

int
timers_take(Timers *timers, uint64_t now, Timer *timer)
{
	Timer		last;
	size_t		i = 0;

	if (timers->count == 0 || timers->heap[0].when > now)
		return 0;
	*timer = timers->heap[0];
	last = timers->heap[--timers->count];
	for (;;)
	{
		size_t		child = 2 * i + 1;

		if (child >= timers->count)
			break;
		if (child + 1 < timers->count &&
			before(&timers->heap[child + 1], &timers->heap[child]))
			child++;
		if (!before(&timers->heap[child], &last))
			break;
		timers->heap[i] = timers->heap[child];
		i = child;
	}
	timers->heap[i] = last;
	return 1;
}
