/*
 * window.h
 *	  Requests that the SMSC has not answered yet, by sequence number.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct WindowEntry
{
	uint32_t	sequence;		/* 0: free */
	int64_t		sms_id;
	int64_t		claimed_at;
	int64_t		sent_at;
	uint64_t	end;			/* where the PDU ends in the stream of octets sent */
} WindowEntry;

typedef struct Window
{
	WindowEntry *entries;
	uint32_t	mask;
	size_t		limit;
	size_t		count;
	uint32_t	next;			/* sequence number to be used next */
	uint32_t	oldest;			/* nothing before it is in the window */
} Window;

extern void window_init(Window *window, size_t limit);
extern void window_free(Window *window);

/* a sequence number for a request that is not kept here */
extern uint32_t window_sequence(Window *window);

/* the caller sees to it that count < limit */
extern WindowEntry *window_add(Window *window, int64_t sms_id, int64_t claimed_at, int64_t now);
extern bool window_take(Window *window, uint32_t sequence, WindowEntry *entry);
extern WindowEntry *window_oldest(Window *window);
extern void window_restart(Window *window);

#endif							/* WINDOW_H */
