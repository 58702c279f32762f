/*
 * test_pace.c
 *		Paces against a log of everything that was ever granted: never one message
 *		more than the limit in any second, and none less where the state is exact.
 */
#include "core/pace.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "core/blob.h"

#define SECOND	PACE_SECOND

/* Everything that was granted, by a clock that never lies. */
typedef struct Log
{
	size_t		count;
	struct
	{
		int64_t		at;
		uint32_t	n;
	}			grant[60000];
} Log;

static void
note(Log *log, int64_t at, uint32_t n)
{
	if (n == 0)
		return;
	if (log->count == sizeof(log->grant) / sizeof(log->grant[0]))
		abort();
	log->grant[log->count].at = at;
	log->grant[log->count++].n = n;
}

/* Messages in so much time that ends with this one, which is the last there was */
static uint64_t
last_of(const Log *log, int64_t at, int64_t time)
{
	uint64_t	n = 0;

	for (size_t i = log->count; i > 0 && log->grant[i - 1].at > at - time; i--)
		n += log->grant[i - 1].n;
	return n;
}

static uint64_t
last_second(const Log *log, int64_t at)
{
	return last_of(log, at, SECOND);
}

/* As a table does: octets between two calls */
static void
store(Pace *pace, size_t *longest)
{
	uint8_t		octets[PACE_STATE_MAX];
	SmsrWriter	w = smsr_writer(octets, sizeof(octets));
	Pace		again;
	SmsrError	error;

	pace_write(pace, &w);
	if (w.overflow || !pace_read(smsr_written(&w), &again, &error) || again.last != pace->last ||
		again.entries != pace->entries ||
		memcmp(again.entry, pace->entry, pace->entries * sizeof(PaceEntry)) != 0)
		abort();
	if (longest != NULL && w.len > *longest)
		*longest = w.len;
	*pace = again;
}

/* ---- every short history ---- */

#define DEPTH	5

static const int64_t steps[] = {0, 1, 499999, 500000, 999999, 1000000, 1000001};
static const uint32_t wants[] = {1, 2, 5};

typedef struct Walk
{
	uint32_t	limit;
	int64_t		at[DEPTH];
	uint32_t	granted[DEPTH];
	long		histories;
	long		over;
	long		under;
} Walk;

static uint32_t
free_places(const Walk *walk, int depth, int64_t at)
{
	uint32_t	used = 0;

	for (int i = 0; i < depth; i++)
		if (walk->at[i] > at - SECOND)
			used += walk->granted[i];
	return used < walk->limit ? walk->limit - used : 0;
}

static void
walk_on(Walk *walk, const Pace *before, int depth, int64_t at)
{
	if (depth == DEPTH)
	{
		walk->histories++;
		return;
	}
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++)
		for (size_t n = 0; n < sizeof(wants) / sizeof(wants[0]); n++)
		{
			Pace		pace = *before;
			int64_t		now = at + steps[s];
			uint32_t	places = free_places(walk, depth, now);
			uint32_t	granted = pace_take(&pace, walk->limit, now, 0, wants[n]);

			walk->over += granted > places || granted > wants[n];
			walk->under += granted < places && granted < wants[n];
			walk->at[depth] = now;
			walk->granted[depth] = granted;
			walk_on(walk, &pace, depth + 1, now);
		}
}

TEST_SUITE(pace_histories)
{
	for (uint32_t limit = 0; limit <= 4; limit++)
	{
		Walk		walk = {.limit = limit};
		Pace		pace;

		pace_init(&pace);
		walk_on(&walk, &pace, 0, 12345);
		ok(walk.over == 0, "%u a second, %ld histories: never more than there is room for", limit, walk.histories);
		ok(walk.under == 0, "%u a second: and never less", limit);
	}
}

/* ---- long histories of calls at random ---- */

static uint32_t
dice(void)
{
	static uint32_t state = 1;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

typedef struct Load
{
	const char *name;
	uint32_t	limit;
	uint32_t	most_wanted;
	int64_t		gap;			/* microseconds between two calls, at most */
	int			seconds;
	double		least;			/* of the limit that gets through, after the first second */
} Load;

TEST_SUITE(pace_load)
{
	/* of the last three the state can not keep every call: what that costs */
	static const Load loads[] = {
		{"a call a second, for all there is", 100, 1000, 2 * SECOND, 1000, 0.55},
		{"ten calls a second", 150, 1000, SECOND / 5, 500, 0.9},
		{"a hundred calls a second", 150, 5, SECOND / 50, 100, 0.97},
		{"a thousand calls a second", 150, 1, SECOND / 500, 30, 0.97},
		{"a thousand calls a second, at a higher limit", 900, 2, SECOND / 500, 30, 0.97},
		{"ten thousand calls a second", 5000, 3, SECOND / 5000, 10, 0.97},
	};
	Log		   *log = scratch(sizeof(Log));
	size_t		longest = 0;

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
	{
		const Load *load = &loads[i];
		int64_t		begin = INT64_C(800000000000000);
		int64_t		end = begin + load->seconds * SECOND;
		Pace		pace;
		uint64_t	granted = 0;
		int			over = 0;
		double		through;

		pace_init(&pace);
		log->count = 0;
		for (int64_t now = begin; now < end; now += dice() % (uint64_t) load->gap)
		{
			uint32_t	want = 1 + dice() % load->most_wanted;
			uint32_t	n = pace_take(&pace, load->limit, now, 0, want);

			store(&pace, &longest);
			note(log, now, n);
			over += last_second(log, now) > load->limit || n > want;
			granted += now >= begin + SECOND ? n : 0;
		}
		through = (double) granted / ((double) load->limit * (load->seconds - 1));
		ok(over == 0, "%s: no second with more than %u", load->name, load->limit);
		ok(through >= load->least && through <= 1, "%s: %.3f of the limit gets through", load->name, through);
	}
	ok(longest == PACE_STATE_MAX && longest < 2048, "the state stays within %d octets (%zu)", PACE_STATE_MAX, longest);
}

TEST_SUITE(pace_limit_changes)
{
	Log		   *log = scratch(sizeof(Log));
	Pace		pace;
	int64_t		now = 0;
	int			over = 0;
	bool		unlimited = false;

	pace_init(&pace);
	log->count = 0;
	for (int call = 0; call < 15000; call++)
	{
		uint32_t	limit = dice() % 50;
		uint32_t	want = dice() % 20;
		uint32_t	n;

		now += dice() % 60000;
		unlimited = dice() % 16 == 0;
		n = pace_take(&pace, unlimited ? PACE_UNLIMITED : limit, now, 0, want);
		over += unlimited ? n != want : n > 0 && last_second(log, now) + n > limit;
		note(log, now, n);
	}
	ok(over == 0, "a limit that changes holds at the last grant of any second");
	pace_init(&pace);
	ok(pace_take(&pace, PACE_UNLIMITED, 0, 0, UINT32_MAX) == UINT32_MAX &&
	   pace_take(&pace, PACE_UNLIMITED, 1, 0, UINT32_MAX) == UINT32_MAX &&
	   pace_take(&pace, PACE_UNLIMITED, 1, 0, 7) == 7 &&
	   pace_take(&pace, UINT32_MAX - 1, 2, 0, 7) == 0, "counts do not overflow");
	ok(pace_take(&pace, 0, SECOND * 5, 0, 7) == 0, "a limit of nothing");
}

/* ---- ahead: for who spaces what he is given ---- */

#define TIMES	20000

/* The time of each message, one by one */
typedef struct Times
{
	size_t		count;
	int64_t		at[TIMES];
} Times;

/* The earliest time of one more that is no earlier than any other */
static int64_t
next_time(const Times *times, uint32_t limit, int64_t now)
{
	int64_t		at = times->count > 0 && times->at[times->count - 1] > now ? times->at[times->count - 1] : now;

	/* the message that was limit messages before it must be a second away */
	if (times->count >= limit && times->at[times->count - limit] + SECOND > at)
		at = times->at[times->count - limit] + SECOND;
	return at;
}

TEST_SUITE(pace_ahead)
{
	static const int64_t gaps[] = {0, 1, 333333, 500000, 999999, 1000000, 1000001, 1700000, 4000000};
	Times	   *times = scratch(sizeof(Times));
	Log		   *log = scratch(sizeof(Log));
	size_t		longest = 0;
	long		calls = 0;
	long		otherwise = 0;
	int			over = 0;
	int			early = 0;
	Pace		pace;

	/* while the state knows each time exactly */
	for (int history = 0; history < 4000; history++)
	{
		uint32_t	limit = 1 + dice() % 6;
		int64_t		ahead = gaps[dice() % 9];
		int64_t		now = 777;

		times->count = 0;
		pace_init(&pace);
		for (int call = 0; call < 12; call++)
		{
			uint32_t	want = 1 + dice() % 12;
			uint32_t	expected = 0;
			int64_t		at;

			now += gaps[dice() % 8];
			while (expected < want && (at = next_time(times, limit, now)) <= now + ahead)
			{
				times->at[times->count++] = at;
				expected++;
			}
			otherwise += pace_take(&pace, limit, now, ahead, want) != expected;
			store(&pace, NULL);
			calls++;
		}
	}
	ok(otherwise == 0, "%ld calls grant what there is room for, message by message", calls);

	/* where it does not: of messages one by one, the time is in the newest entry */
	for (int history = 0; history < 6; history++)
	{
		int64_t		now = 0;

		pace_init(&pace);
		log->count = 0;
		for (int call = 0; call < 2000; call++)
		{
			uint32_t	limit = 700 + dice() % 50;
			int64_t		ahead = dice() % (uint32_t) PACE_MAX_AHEAD;
			int64_t		at = 0;

			now += dice() % 20000;
			for (uint32_t want = 1 + dice() % 40; want > 0 && pace_take(&pace, limit, now, ahead, 1) > 0; want--)
			{
				early += now - pace.entry[0].age < at || pace.entry[0].age > 0 || -pace.entry[0].age > ahead;
				at = now - pace.entry[0].age;
				note(log, at, 1);
				over += last_second(log, at) > limit;
			}
			store(&pace, &longest);
		}
	}
	ok(longest == PACE_STATE_MAX, "as many entries as there may be");
	ok(over == 0, "no second with more, however many share an entry");
	ok(early == 0, "times ascend, from now to what is ahead");
	pace_init(&pace);
	ok(pace_take(&pace, 3, 0, PACE_MAX_AHEAD, UINT32_MAX) == 33 && pace_take(&pace, 3, 0, PACE_MAX_AHEAD, 1) == 0 &&
	   pace_take(&pace, 3, 0, 0, 1) == 0 && pace_take(&pace, 3, PACE_SECOND, PACE_MAX_AHEAD, 9) == 3, "ten seconds ahead");
	ok(pace_take(&pace, 3, 11 * PACE_SECOND, 0, 9) == 0 && pace_take(&pace, 3, 12 * PACE_SECOND, 0, 9) == 3,
	   "and then nothing until it is over");
	ok(pace_take(&pace, PACE_UNLIMITED, 12 * PACE_SECOND, 0, UINT32_MAX) == UINT32_MAX &&
	   pace_take(&pace, UINT32_MAX - 1, 12 * PACE_SECOND, PACE_SECOND - 1, 5) == 0, "counts do not overflow");
}

/* ---- clocks that lie ---- */

typedef struct Lies
{
	int			over;			/* calls with more than the limit in the second before, by what was read */
	int			really_over;	/* and by the real time, in the second less how old a reading may be */
	double		through;
} Lies;

/*
 * The real time only goes on; what is read of it may be up to oldest old (a
 * transaction that waited), or the clock is set back again and again.  Never
 * ahead: who is told that time has passed believes it.
 */
static Lies
lies(int64_t oldest, int64_t furthest_back, Log *read, Log *real)
{
	Lies		result = {0};
	Pace		pace;
	int64_t		now = 0;
	int64_t		set_back = 0;
	uint64_t	granted = 0;

	pace_init(&pace);
	read->count = real->count = 0;
	for (int call = 0; call < 15000; call++)
	{
		uint32_t	n;
		int64_t		old = oldest > 0 && dice() % 2 ? dice() % oldest : 0;

		now += dice() % 20000;
		if (furthest_back > 0 && dice() % 500 == 0)
			set_back += dice() % furthest_back;
		n = pace_take(&pace, 30, now - set_back - old, 0, 1 + dice() % 3);
		store(&pace, NULL);
		note(read, pace.last, n);
		note(real, now, n);
		result.over += furthest_back == 0 && last_second(read, pace.last) > 30;
		if (oldest < SECOND)
			result.really_over += last_of(real, now, SECOND - oldest) > 30;
		granted += n;
	}
	result.through = (double) granted / (30.0 * (double) now / SECOND);
	return result;
}

TEST_SUITE(pace_clocks)
{
	static const struct
	{
		const char *name;
		int64_t		oldest;
		int64_t		back;
		double		least;
	}			clocks[] =
	{
		{"right", 0, 0, 0.97},
		{"read a tenth of a second early", SECOND / 10, 0, 0.97},
		{"read up to a minute early", PACE_HOLD, 0, 0.97},
		{"set back by less than a second", 0, SECOND, 0.85},
		{"set back by up to a minute", 0, PACE_HOLD, 0.1},
		{"set back by up to an hour", 0, 60 * PACE_HOLD, 0.6},
	};
	Log		   *read = scratch(sizeof(Log));
	Log		   *real = scratch(sizeof(Log));
	Pace		pace;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
	{
		Lies		l = lies(clocks[i].oldest, clocks[i].back, read, real);

		ok(l.over == 0, "%s: no second with more by what was read", clocks[i].name);
		ok(l.really_over == 0, "%s: nor in reality, but for how old it was", clocks[i].name);
		ok(l.through >= clocks[i].least && l.through < 1.01, "%s: %.2f gets through", clocks[i].name, l.through);
	}

	/* to the microsecond */
	pace_init(&pace);
	ok(pace_take(&pace, 1, 100 * SECOND, 0, 1) == 1 && pace_take(&pace, 1, 100 * SECOND - PACE_HOLD, 0, 1) == 0 &&
	   pace.last == 100 * SECOND, "a minute back: the clock stands still");
	ok(pace_take(&pace, 1, 100 * SECOND - PACE_HOLD - 1, 0, 1) == 0 && pace.last == 100 * SECOND - PACE_HOLD - 1 &&
	   pace.entry[0].age == 0, "more than a minute back: nothing has become older");
	ok(pace_take(&pace, 1, 101 * SECOND - PACE_HOLD - 2, 0, 1) == 0 && pace_take(&pace, 1, 101 * SECOND - PACE_HOLD - 1, 0, 1) == 1,
	   "and a second on it is over");
	pace_init(&pace);
	ok(pace_take(&pace, 1, INT64_MIN, 0, 1) == 1 && pace_take(&pace, 1, INT64_MAX, 0, 1) == 1 &&
	   pace_take(&pace, 1, INT64_MIN, 0, 1) == 0 && pace_take(&pace, 1, INT64_MIN + SECOND, 0, 1) == 1,
	   "from one end of time to the other");
}

/* ---- states ---- */

static SmsrBytes
state_of(const char *contents, uint8_t version)
{
	SmsrBytes	in = hex(contents);
	SmsrWriter	w = writer(in.len + BLOB_OVERHEAD);
	size_t		begin = blob_begin(&w, 'P', version);

	put_bytes(&w, in.data, in.len);
	blob_end(&w, begin);
	return smsr_written(&w);
}

TEST_SUITE(pace_state)
{
	Pace		pace;
	SmsrError	error;
	SmsrWriter	w = writer(PACE_STATE_MAX);
	SmsrBytes	state;
	int			taken = 0;
	char		many[32 + 16 * (PACE_ENTRIES + 1)] = "0000000000000005";

	succeeds(pace_read(smsr_bytes(NULL, 0), &pace, &error), &error, "no octets");
	ok(pace.entries == 0 && pace_take(&pace, 3, -5, 0, 9) == 3, "are a state in which nothing was granted");
	pace_take(&pace, 10, 7, 0, 2);
	pace_write(&pace, &w);
	is_hex(smsr_written(&w), "5001 0000000000000007 00000000 00000002 0000000C 00000003 3672FA11", "version 1");
	state = copy_of(smsr_written(&w));
	for (size_t bit = 0; bit < state.len * 8; bit++)
	{
		SmsrBytes	broken = copy_of(state);

		((uint8_t *) broken.data)[bit / 8] ^= (uint8_t) (1 << bit % 8);
		taken += pace_read(broken, &pace, &error);
	}
	ok(taken == 0, "with any one bit changed it is refused");
	for (size_t len = 1; len < state.len; len++)
		taken += pace_read(copy_of(smsr_bytes(state.data, len)), &pace, &error);
	ok(taken == 0, "with anything cut off it is refused");

	fails(pace_read(state_of("0000000000000000", 2), &pace, &error), &error, SMSR_UNSUPPORTED, "version", 1, "version 2");
	fails(pace_read(hex("53010000 0000"), &pace, &error), &error, SMSR_BAD_VALUE, "letter", 0, "a share's");
	fails(pace_read(hex("5001"), &pace, &error), &error, SMSR_TRUNCATED, "header", 2, "nothing behind the version");
	fails(pace_read(hex("5001 00000000"), &pace, &error), &error, SMSR_BAD_VALUE, "CRC-32", 2, "a wrong CRC");
	fails(pace_read(state_of("", 1), &pace, &error), &error, SMSR_BAD_LENGTH, "entries", 2, "no time");
	fails(pace_read(state_of("0000000000000000 00000000", 1), &pace, &error), &error, SMSR_BAD_LENGTH, "entries", 2, "half an entry");
	fails(pace_read(state_of("0000000000000000 000F4240 00000001", 1), &pace, &error), &error, SMSR_BAD_VALUE, "age", 10, "an age of a second");
	succeeds(pace_read(state_of("0000000000000000 000F423F 00000001", 1), &pace, &error), &error, "less than that");
	fails(pace_read(state_of("0000000000000000 FF67697F 00000001", 1), &pace, &error), &error, SMSR_BAD_VALUE, "age", 10, "more than ten seconds ahead");
	succeeds(pace_read(state_of("0000000000000000 FF676980 00000001", 1), &pace, &error), &error, "ten seconds ahead");
	fails(pace_read(state_of("0000000000000000 00000001 00000001 00000001 00000001", 1), &pace, &error), &error,
		  SMSR_BAD_VALUE, "age", 18, "an age twice");
	fails(pace_read(state_of("0000000000000000 00000002 00000001 00000001 00000001", 1), &pace, &error), &error,
		  SMSR_BAD_VALUE, "age", 18, "ages that descend");
	fails(pace_read(state_of("0000000000000000 00000001 00000000", 1), &pace, &error), &error, SMSR_BAD_VALUE, "count", 14, "an entry of nothing");
	for (int i = 0; i <= PACE_ENTRIES; i++)
	{
		for (int digit = 0; digit < 16; digit++)
			many[16 + 16 * i + digit] = digit == 7 ? "0123456789ABCDEF"[i % 16] : digit == 6 ? "0123456789ABCDEF"[i / 16] : digit == 15 ? '1' : '0';
		many[32 + 16 * i] = '\0';
		if (i == PACE_ENTRIES - 1)
			succeeds(pace_read(state_of(many, 1), &pace, &error), &error, "as many entries as there may be");
	}
	fails(pace_read(state_of(many, 1), &pace, &error), &error, SMSR_BAD_LENGTH, "entries", 2, "one more");
	w = writer(20);
	pace_read(state, &pace, &error);
	pace_write(&pace, &w);
	ok(w.overflow, "no room");
}
