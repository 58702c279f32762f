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

	while (kept < pace->entries && passed < (uint64_t) (PACE_SECOND + PACE_MAX_AHEAD) &&
		   pace->entry[kept].age + (int64_t) passed < PACE_SECOND)
		pace->entry[kept++].age += (int32_t) passed;
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

/* They count from so much later than the last call on, which is no earlier than any other. */
static void
add(Pace *pace, int32_t later, uint32_t count)
{
	if (pace->entries > 0 && pace->entry[0].age == -later)
	{
		pace->entry[0].count = sum(pace->entry[0].count, count);
		return;
	}
	if (pace->entries == PACE_ENTRIES)
		merge(pace);
	memmove(&pace->entry[1], &pace->entry[0], pace->entries * sizeof(PaceEntry));
	pace->entry[0] = (PaceEntry) {-later, count};
	pace->entries++;
}

/*
 * What counts in the second that ends so much later, and the oldest of it, whose
 * place is the next to be free.
 */
static uint32_t
used_at(const Pace *pace, int32_t later, int32_t *oldest)
{
	uint32_t	used = 0;

	for (size_t i = 0; i < pace->entries && pace->entry[i].age + later < PACE_SECOND; i++)
	{
		used = sum(used, pace->entry[i].count);
		*oldest = pace->entry[i].age;
	}
	return used;
}

uint32_t
pace_take(Pace *pace, uint32_t limit, int64_t now, int64_t ahead, uint32_t wanted)
{
	uint32_t	granted = 0;
	int64_t		later;

	grow_older(pace, advance(pace, now));
	/* what was granted ahead comes first */
	later = pace->entries > 0 && pace->entry[0].age < 0 ? -pace->entry[0].age : 0;
	while (granted < wanted && limit > 0 && (later <= ahead || limit == PACE_UNLIMITED))
	{
		int32_t		oldest = 0;
		uint32_t	used = used_at(pace, (int32_t) later, &oldest);
		uint32_t	room = limit == PACE_UNLIMITED ? UINT32_MAX : limit > used ? limit - used : 0;

		if (room > wanted - granted)
			room = wanted - granted;
		if (room > 0)
			add(pace, (int32_t) later, room);
		granted += room;
		if (granted < wanted)
			later = PACE_SECOND - (room > 0 && used == 0 ? -later : oldest);
	}
	return granted;
}

/* ---- state: last, then age (two's complement) and count of each entry ---- */

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
		PaceEntry	entry = {(int32_t) get_u32(in.data + at), get_u32(in.data + at + 4)};

		if (entry.age >= PACE_SECOND || entry.age < -PACE_MAX_AHEAD ||
			(pace->entries > 0 && entry.age <= pace->entry[pace->entries - 1].age))
			return smsr_fail(error, SMSR_BAD_VALUE, "age", at + 2, "more than that before it, less than a second, and at most 10 s ahead");
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
		put_u32(w, (uint32_t) pace->entry[i].age);
		put_u32(w, pace->entry[i].count);
	}
	blob_end(w, begin);
}
