/*
 * window.c
 *	  Requests that the SMSC has not answered yet, by sequence number.
 *
 * Sequence numbers count up, so their low bits index a table that is at least
 * twice as large as the window; a number whose slot is still taken by a very old
 * request is passed over.
 */
#include "window.h"
#include "memory.h"
#include "smpp.h"

#include <stdlib.h>
#include <string.h>

void
window_init(Window *window, size_t limit)
{
	uint32_t	slots = 16;

	while (slots < 2 * limit)
		slots *= 2;
	memset(window, 0, sizeof(*window));
	window->entries = memory_new(slots * sizeof(WindowEntry));
	window->mask = slots - 1;
	window->limit = limit;
	window->next = window->oldest = 1;
}

void
window_free(Window *window)
{
	free(window->entries);
	window->entries = NULL;
}

static uint32_t
following(uint32_t sequence)
{
	return sequence >= SMPP_SEQUENCE_LAST ? 1 : sequence + 1;
}

uint32_t
window_sequence(Window *window)
{
	uint32_t	sequence = window->next;

	window->next = following(sequence);
	return sequence;
}

WindowEntry *
window_add(Window *window, int64_t sms_id, int64_t claimed_at, int64_t now)
{
	WindowEntry *entry;

	while (window->entries[window->next & window->mask].sequence != 0)
		window->next = following(window->next);
	if (window->count == 0)
		window->oldest = window->next;
	entry = &window->entries[window->next & window->mask];
	entry->sequence = window_sequence(window);
	entry->sms_id = sms_id;
	entry->claimed_at = claimed_at;
	entry->sent_at = now;
	entry->end = 0;
	window->count++;
	return entry;
}

bool
window_take(Window *window, uint32_t sequence, WindowEntry *entry)
{
	WindowEntry *slot = &window->entries[sequence & window->mask];

	if (sequence == 0 || slot->sequence != sequence)
		return false;
	*entry = *slot;
	slot->sequence = 0;
	window->count--;
	return true;
}

WindowEntry *
window_oldest(Window *window)
{
	if (window->count == 0)
		return NULL;
	while (window->entries[window->oldest & window->mask].sequence != window->oldest)
		window->oldest = following(window->oldest);
	return &window->entries[window->oldest & window->mask];
}

/* A new session counts from 1 again. */
void
window_restart(Window *window)
{
	memset(window->entries, 0, ((size_t) window->mask + 1) * sizeof(WindowEntry));
	window->count = 0;
	window->next = window->oldest = 1;
}
