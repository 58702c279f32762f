/*
 * pace.c
 *		At most so many short messages in any second.
 */
#include "pace.h"

#include <string.h>

#include "blob.h"

#define STATE_LETTER	'P'
#define STATE_VERSION	1

void
pace_init(Pace *pace)
{
	pace->last = INT64_MIN;
	pace->entries = 0;
}

/* As much of the clock's advance as can be believed. */
static uint64_t
advance(Pace *pace, int64_t now)
{
	uint64_t	passed = 0;

	/* differences of any two times fit without a sign */
	if (now >= pace->last)
		passed = (uint64_t) now - (uint64_t) pace->last;
	else if ((uint64_t) pace->last - (uint64_t) now <= (uint64_t) PACE_HOLD)
		return 0;
	pace->last = now;
	return passed;
}

static void
grow_older(Pace *pace, uint64_t passed)
{
	size_t		kept = 0;

	while (kept < pace->entries && passed < (uint64_t) PACE_SECOND &&
		   pace->entry[kept].age + passed < (uint64_t) PACE_SECOND)
		pace->entry[kept++].age += (uint32_t) passed;
	pace->entries = kept;
}

static uint32_t
sum(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/*
 * Room for one more: the older of two neighbours counts from now on as if it had
 * been granted with the newer.  The pair is that where this costs least, in
 * messages times the time that they count longer.
 */
static void
merge(Pace *pace)
{
	size_t		best = 1;
	uint64_t	least = UINT64_MAX;

	for (size_t i = 1; i < pace->entries; i++)
	{
		const PaceEntry *older = &pace->entry[i];
		uint64_t	cost = (uint64_t) (older->age - older[-1].age) * older->count;

		if (cost < least)
		{
			least = cost;
			best = i;
		}
	}
	pace->entry[best - 1].count = sum(pace->entry[best - 1].count, pace->entry[best].count);
	memmove(&pace->entry[best], &pace->entry[best + 1],
			(pace->entries - best - 1) * sizeof(PaceEntry));
	pace->entries--;
}

uint32_t
pace_take(Pace *pace, uint32_t limit, int64_t now, uint32_t wanted)
{
	uint32_t	used = 0;
	uint32_t	granted = wanted;

	grow_older(pace, advance(pace, now));
	if (limit != PACE_UNLIMITED)
	{
		for (size_t i = 0; i < pace->entries; i++)
			used = sum(used, pace->entry[i].count);
		if (granted > (limit > used ? limit - used : 0))
			granted = limit > used ? limit - used : 0;
	}
	if (granted == 0)
		return 0;
	if (pace->entries > 0 && pace->entry[0].age == 0)
	{
		pace->entry[0].count = sum(pace->entry[0].count, granted);
		return granted;
	}
	if (pace->entries == PACE_ENTRIES)
		merge(pace);
	memmove(&pace->entry[1], &pace->entry[0], pace->entries * sizeof(PaceEntry));
	pace->entry[0] = (PaceEntry) {0, granted};
	pace->entries++;
	return granted;
}

/* ---- state: last, then age and count of each entry ---- */

bool
pace_read(SmsrBytes state, Pace *pace, SmsrError *error)
{
	SmsrBytes	in;

	pace_init(pace);
	if (state.len == 0)
		return true;
	if (!blob_open(state, STATE_LETTER, STATE_VERSION, &in, error))
		return false;
	if (in.len < 8 || in.len % 8 != 0 || in.len > 8 + 8 * PACE_ENTRIES)
		return smsr_fail(error, SMSR_BAD_LENGTH, "entries", 2, "a time and at most 128 entries of 8 octets");
	pace->last = (int64_t) get_u64(in.data);
	for (size_t at = 8; at < in.len; at += 8)
	{
		PaceEntry	entry = {get_u32(in.data + at), get_u32(in.data + at + 4)};

		if (entry.age >= PACE_SECOND ||
			(pace->entries > 0 && entry.age <= pace->entry[pace->entries - 1].age))
			return smsr_fail(error, SMSR_BAD_VALUE, "age", at + 2, "more than that before it, and less than a second");
		if (entry.count == 0)
			return smsr_fail(error, SMSR_BAD_VALUE, "count", at + 6, "a message or more");
		pace->entry[pace->entries++] = entry;
	}
	return true;
}

void
pace_write(const Pace *pace, SmsrWriter *w)
{
	size_t		begin = blob_begin(w, STATE_LETTER, STATE_VERSION);

	put_u64(w, (uint64_t) pace->last);
	for (size_t i = 0; i < pace->entries; i++)
	{
		put_u32(w, pace->entry[i].age);
		put_u32(w, pace->entry[i].count);
	}
	blob_end(w, begin);
}
