/*
 * test_schedule_model.c
 *		Simulated weeks of a fleet (schedule_world), and what must hold in them.
 *
 * SMSR_MODEL_RUNS=n in the environment: n worlds instead of a few.
 */
#include "schedule_world.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- windows by hand ---- */

static bool
at_night(int day, int minute)
{
	(void) day;
	return minute >= 22 * 60 || minute < 4 * 60;
}

static bool
on_weekends(int day, int minute)
{
	return day >= 5 || (day == 0 && minute < 90);
}

static bool
twice_a_week(int day, int minute)
{
	return (day == 1 && minute >= 23 * 60 + 50) || (day == 2 && minute < 10) || (day == 4 && minute >= 120 && minute < 150);
}

static bool
always(int day, int minute)
{
	(void) day;
	(void) minute;
	return true;
}

static int
runs(int usual)
{
	const char *wanted = getenv("SMSR_MODEL_RUNS");

	return wanted != NULL ? atoi(wanted) : usual;
}

TEST_SUITE(schedule_weeks)
{
	for (int n = 0; n < runs(1); n++)
	{
		World	   *w = world_make((uint64_t) n);
		int64_t		began = w->now;
		long		over_limit = 0;
		uint32_t	not_ended = 0;

		w->calls = w->outages = true;
		w->tenant_limit[1] = 7;
		w->tenant_limit[2] = 12;
		/* one that goes well, one that must be stopped, two that just fit */
		world_add_campaign(w, 0, 0, 2, 15000, "canary 50, then 5%, then rest", "22:00-04:00", at_night, 0.02, 0.1, began + DAY);
		world_add_campaign(w, 1, 1, 1, 10000, "canary 100, then rest", "Sat-Sun 00:00-24:00, Mon 00:00-01:30", on_weekends, 0.3, 0.1, began + DAY);
		world_add_campaign(w, 2, 2, 3, 20000, "1%, 30% each", "Tue 23:50-00:10, Fri 02:00-02:30", twice_a_week, 0.01, 0.1, began + 2 * DAY);
		world_add_campaign(w, 3, 3, 3, 8000, "2000 each", "00:00-24:00", always, 0.05, 0.2, began + 3 * DAY);
		for (uint32_t t = 0; t < TENANTS; t++)
			world_at(w, w->now + dice(60) * SECOND, CALL, t);
		world_at(w, w->now, RATES, 0);
		for (int i = 0; i < 40; i++)
			world_at(w, w->now + DAY + dice(20 * 24 * 60) * MINUTE, PAUSE, dice(CAMPAIGNS));
		world_run(w, began + 8 * WEEK, 0);
		world_finish(w);

		printf("# world %d: %.1f weeks, %ld claims, %ld messages; campaigns ended %u %u %u %u, failed %u %u %u %u\n", n,
			   (double) (w->now - began) / WEEK, w->claims, w->messages, w->campaign[0].ended, w->campaign[1].ended, w->campaign[2].ended,
			   w->campaign[3].ended, w->campaign[0].failed, w->campaign[1].failed, w->campaign[2].failed, w->campaign[3].failed);
		for (int b = 0; b < BINDS; b++)
			over_limit += w->bind_watch[b].over;
		for (int t = 0; t < TENANTS; t++)
			over_limit += w->tenant_watch[t].over;
		ok(over_limit == 0, "no second with more than a bind or a tenant may");
		ok(w->disagreed == 0, "what a pace says it grants it grants");
		ok(w->outside == 0, "no message outside of its window");
		ok(w->paused == 0, "no first attempt during a pause or a halt");
		ok(w->early == 0, "none of a wave that has not begun");
		ok(w->twice == 0, "nothing ends twice");
		for (int i = 0; i < CAMPAIGNS; i++)
		{
			Campaign   *c = &w->campaign[i];

			for (uint32_t k = 0; k < c->released; k++)
				not_ended += !w->op[c->first + k].ended && w->op[c->first + k].attempts > 0;
			if (i == 1)
				ok(c->halted && c->released == 100 && c->failed <= 40, "the bad one is halted by its canaries (%u failed)", c->failed);
			else
				ok(c->done && c->ended == c->count, "campaign %d comes to its end", i);
		}
		ok(not_ended == 0, "what has begun has ended");
		/* those of the class of the answers are few: they wait for a place in the second */
		ok(w->calls_sent > 10000, "%ld single calls, %.2f s mean wait", w->calls_sent, w->waited / (double) w->calls_sent);
		world_end(w);
	}
}

/*
 * Four tenants whose campaigns would fill everything, of weights 1 to 4, while
 * people go on calling.
 */
TEST_SUITE(schedule_overload)
{
	for (int n = 0; n < runs(1); n++)
	{
		World	   *w = world_make(100 + (uint64_t) n);
		long		over_limit = 0;
		double		worst = 0;
		long		all = 0;

		w->calls = true;
		for (int i = 0; i < CAMPAIGNS; i++)
			world_add_campaign(w, i, i, 3, 60000, "rest", "00:00-24:00", always, 0.02, 0.1, w->now);
		for (uint32_t t = 0; t < TENANTS; t++)
			world_at(w, w->now, CALL, t);
		world_run(w, w->now + 2 * HOUR, 0);
		for (int i = 0; i < CAMPAIGNS; i++)
			all += w->of_campaign[i];
		for (int i = 0; i < CAMPAIGNS; i++)
			worst = fmax(worst, fabs((double) w->of_campaign[i] / (double) all / ((1 + i) / 10.0) - 1));
		for (int b = 0; b < BINDS; b++)
			over_limit += w->bind_watch[b].over;
		printf("# overload %d: %ld messages in 2 h of 288000; of campaigns %ld %ld %ld %ld; answers wait at most %.1f s, single calls %.1f s, %.2f s in the mean\n",
			   n, w->messages, w->of_campaign[0], w->of_campaign[1], w->of_campaign[2], w->of_campaign[3],
			   (double) w->worst_answer / SECOND, (double) w->worst_call / SECOND, w->waited / (double) w->calls_sent);
		ok(over_limit == 0 && w->messages <= 288040 && w->messages > 240000, "not more than may leave, and as much as claims every quarter of a second can take");
		ok(worst < 0.002, "tenants get what their weights say, to %.2f %%", worst * 100);
		ok(w->worst_answer < 3 * SECOND, "answers wait for %.1f s at most", (double) w->worst_answer / SECOND);
		ok(w->worst_call < 4 * SECOND, "single calls for %.1f s", (double) w->worst_call / SECOND);
		world_end(w);
	}
}

static int
by_size(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/*
 * Forecasts at random moments, and when the last first attempt then left.  How
 * many lie within their bounds takes many worlds to tell: those of one share its
 * luck.
 */
TEST_SUITE(schedule_forecast)
{
	static const struct
	{
		const char *name;
		const char *windows;
		bool		(*open) (int, int);
		bool		changing;
		size_t		slots;			/* of ten seconds, seen at least */
		uint32_t	members;		/* at least, and up to twice as many */
		int			worlds;
		double		median;			/* of the error, at most, of the time that was left */
		double		most;			/* nine of ten are within */
		double		within;			/* of the bounds of 0.9, at least */
		double		mostly;			/* and at most */
		double		width;			/* of these, at most, of the time that was left, in the median */
	}			kinds[] =
	{
		{"steady binds, always open", "00:00-24:00", always, false, 192, 40000, 4, 0.005, 0.02, 0.87, 0.97, 0.014},
		{"steady binds, at night", "22:00-04:00", at_night, false, 30, 40000, 1, 0.02, 0.05, 0, 1, 0.01},
		{"binds that change, always open", "00:00-24:00", always, true, 192, 40000, 24, 0.15, 0.4, 0.85, 1, 1},
		{"binds that change, hours long", "00:00-24:00", always, true, 360, 120000, 2, 0.15, 0.4, 0.85, 1, 1},
		{"binds that change, at night", "22:00-04:00", at_night, true, 30, 40000, 1, 0.02, 0.05, 0, 1, 0.01},
	};

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
	{
		double	   *error = scratch(200 * 100 * sizeof(double));
		double	   *width = scratch(200 * 100 * sizeof(double));
		size_t		count = 0;
		size_t		within = 0;
		size_t		early = 0;

		for (int n = 0; n < runs(kinds[k].worlds); n++)
		{
			World	   *w = world_make(1000 + 100 * k + (uint64_t) n);
			Campaign   *c = &w->campaign[0];

			w->calls = true;
			world_add_campaign(w, 0, 0, 2, kinds[k].members + dice(kinds[k].members), "rest", kinds[k].windows, kinds[k].open, 0.02, 0.1, w->now + dice(24 * 60) * MINUTE);
			world_add_campaign(w, 1, 1, 3, 400000, "rest", "00:00-24:00", always, 0.02, 0.1, w->now);
			c->slots_least = kinds[k].slots;
			for (uint32_t t = 0; t < TENANTS; t++)
				world_at(w, w->now, CALL, t);
			if (kinds[k].changing)
				world_at(w, w->now, RATES, 0);
			world_run(w, w->now + 8 * WEEK, 1500);
			for (int i = 0; i < c->forecasts && count < 200 * 100; i++)
			{
				double		left = (double) (c->last_message - c->said[i].at) / SECOND;

				/* the last minutes are everybody's */
				if (left < 600)
					continue;
				width[count] = (c->said[i].f.latest - c->said[i].f.earliest) / left;
				error[count++] = fabs(c->said[i].f.expected - left) / left;
				within += left >= c->said[i].f.earliest && left <= c->said[i].f.latest;
				early += left < c->said[i].f.earliest;
			}
			world_end(w);
		}
		qsort(error, count, sizeof(double), by_size);
		qsort(width, count, sizeof(double), by_size);
		if (!ok(count > 20, "%s: %zu forecasts", kinds[k].name, count))
			continue;
		printf("# %s: %zu forecasts, error %.1f %% in the median, %.1f %% at the 90th, %.2f within the bounds of 0.9, %.2f earlier, "
			   "these %.1f %% apart in the median\n",
			   kinds[k].name, count, error[count / 2] * 100, error[count * 9 / 10] * 100, (double) within / (double) count,
			   (double) early / (double) count, width[count / 2] * 100);
		ok(error[count * 9 / 10] <= kinds[k].most, "%s: of %.1f %% in nine of ten", kinds[k].name, error[count * 9 / 10] * 100);
		ok((double) within >= kinds[k].within * (double) count && (double) within <= kinds[k].mostly * (double) count, "%s: within the bounds in %.2f", kinds[k].name, (double) within / (double) count);
		ok(width[count / 2] <= kinds[k].width, "%s: bounds %.1f %% apart in the median", kinds[k].name, width[count / 2] * 100);
		ok(error[count / 2] <= kinds[k].median, "%s: an error of %.1f %% in the median", kinds[k].name, error[count / 2] * 100);
	}
}

/*
 * A gateway that asks about once a second for all it may have and writes what it
 * has been given evenly.  The SMSC counts what is written.
 */
typedef struct Spaced
{
	double		through;		/* of the limit, while there is enough to do */
	long		over;			/* seconds in which more is written */
} Spaced;

static Spaced
space(uint32_t limit, int64_t ahead, int64_t least, int64_t most)
{
	const int64_t gap = (SECOND + limit - 1) / limit;
	Spaced		result = {0};
	Watch	   *written = scratch(sizeof(Watch));
	Pace		pace;
	uint64_t	waiting = 0;
	uint64_t	count = 0;
	int64_t		end = HOUR;
	int64_t		asks = 0;
	int64_t		writes = 0;

	pace_init(&pace);
	while (asks < end)
	{
		/* until the next time it asks it writes, later than it might now and then */
		int64_t		next = asks + least + (int64_t) dice((uint32_t) (most - least) + 1);

		/* more it has no use for */
		if (waiting < limit + limit * (uint64_t) ahead / SECOND)
			waiting += pace_take(&pace, limit, asks, ahead, (uint32_t) (limit + limit * (uint64_t) ahead / SECOND - waiting));
		if (writes < asks)
			writes = asks;
		for (; waiting > 0 && writes < next; waiting--, writes += gap + (chance(0.001) ? gap * dice(3) : 0))
		{
			watch_grant(written, writes, 1, limit);
			count++;
		}
		asks = next;
	}
	result.over = written->over;
	result.through = (double) count / ((double) limit * (double) end / SECOND);
	return result;
}

TEST_SUITE(schedule_ahead)
{
	static const struct
	{
		uint32_t	limit;
		int64_t		ahead;
		int64_t		least;		/* time between two claims */
		int64_t		most;
		double		through;
	}			kinds[] =
	{
		{10, 0, SECOND, SECOND + SECOND / 50, 0.9},
		{40, 0, SECOND - SECOND / 50, SECOND + SECOND / 50, 0.4},
		{10, SECOND + SECOND / 50, SECOND - SECOND / 50, SECOND + SECOND / 50, 0.99},
		{40, SECOND + SECOND / 50, SECOND - SECOND / 50, SECOND + SECOND / 50, 0.99},
		{150, SECOND + SECOND / 2, SECOND / 2, SECOND + SECOND / 2, 0.99},
		{40, 10 * SECOND, SECOND / 2, 10 * SECOND, 0.99},
	};

	dice_seed(4711);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
	{
		Spaced		s = space(kinds[k].limit, kinds[k].ahead, kinds[k].least, kinds[k].most);

		printf("# %u a second, claimed every %.2f to %.2f s, %.2f s ahead: %.3f of it\n", kinds[k].limit,
			   (double) kinds[k].least / SECOND, (double) kinds[k].most / SECOND, (double) kinds[k].ahead / SECOND, s.through);
		ok(s.over == 0, "%u a second, %.2f s ahead: no second in which more is written", kinds[k].limit, (double) kinds[k].ahead / SECOND);
		ok(s.through >= kinds[k].through && s.through <= 1.001, "%.3f of the limit is used", s.through);
	}
}
