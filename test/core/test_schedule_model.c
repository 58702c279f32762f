/*
 * test_schedule_model.c
 *		Simulated weeks of a fleet: tenants, binds whose rates change, single calls
 *		and campaigns with waves, brakes, windows in three time zones, retries and
 *		pauses, all scheduled by window, pace, share, wave, brake and forecast as the
 *		database does it, and watched by a second book-keeping that shares no code
 *		with them.
 *
 * SMSR_MODEL_RUNS=n in the environment: n worlds instead of a few.
 */
#include "core/brake.h"
#include "core/forecast.h"
#include "core/pace.h"
#include "core/share.h"
#include "core/wave.h"
#include "core/window.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND		INT64_C(1000000)
#define MINUTE		(60 * SECOND)
#define HOUR		(60 * MINUTE)
#define DAY			(24 * HOUR)
#define WEEK		(7 * DAY)

#define TENANTS		4			/* of customers; two more are answers and repeats */
#define BINDS		2
#define ZONES		3
#define CAMPAIGNS	4
#define LANES		(2 + TENANTS + CAMPAIGNS * ZONES)
#define ANSWERS		0
#define REPEATS		1
#define SINGLES		2			/* the first tenant's */
#define MAX_ATTEMPTS 4
#define NEVER		INT64_MAX
#define RING		1024		/* minutes that a forecast may know of */

static uint64_t seed;

static uint32_t
dice(uint32_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t) ((seed >> 32) * sides >> 32);
}

static bool
chance(double p)
{
	return dice(1u << 30) < p * (1u << 30);
}

/* ---- what the world is made of ---- */

typedef struct Op
{
	int8_t		campaign;		/* -1: a single call */
	int8_t		zone;
	int8_t		tenant;
	uint8_t		parts;			/* short messages of its packet */
	uint8_t		left;			/* of them to be handed out yet */
	uint8_t		attempts;
	bool		ended;
	bool		confirming;		/* the card has answered; the confirmation is sent */
	int64_t		queued;
} Op;

typedef struct Queue
{
	uint32_t   *op;
	size_t		first;
	size_t		end;
	size_t		cap;
	uint64_t	messages;		/* that wait in it */
} Queue;

typedef enum EventKind
{
	ANSWERED,
	UNANSWERED,
	CALL,
	PAUSE,
	RESUME,
	RATES
} EventKind;

typedef struct Event
{
	int64_t		at;
	EventKind	kind;
	uint32_t	what;
} Event;

typedef struct Campaign
{
	int			tenant;
	bool		(*open) (int day, int minute);	/* the same, by hand */
	Windows		windows;
	double		failing;		/* share of cards that will fail */
	double		threshold;
	uint32_t	first;			/* its ops */
	uint32_t	count;
	Wave	   *wave;
	size_t		waves;
	size_t		next_wave;
	uint32_t	released;
	uint32_t	ended;
	uint32_t	failed;
	uint32_t	upto;			/* all there were when the wave ends */
	bool		started;
	bool		paused;
	bool		halted;
	bool		done;
	int64_t		last_message;	/* when its last first attempt left */
	int64_t		starts;
	/* what a forecast is made of, and what came of it */
	uint32_t	minute_sent[RING];
	int64_t		minute;
	size_t		minutes;
	size_t		minutes_each;	/* of an interval */
	int			forecasts;
	struct
	{
		int64_t		at;
		Forecast	f;
	}			said[200];
} Campaign;

/* The last second's grants, and the worst there was */
typedef struct Watch
{
	struct
	{
		int64_t		at;
		uint32_t	n;
	}			log[4096];
	size_t		first;
	size_t		end;
	uint64_t	sum;
	long		over;
} Watch;

typedef struct World
{
	int64_t		now;
	Op		   *op;
	uint32_t	ops;
	uint32_t	room;
	Queue		queue[LANES];
	ShareLane	lane[LANES];
	Event	   *heap;
	size_t		events;
	size_t		events_room;
	Campaign	campaign[CAMPAIGNS];
	Pace		bind[BINDS];
	uint32_t	bind_limit[BINDS];
	Watch		bind_watch[BINDS];
	Pace		tenant[TENANTS];
	uint32_t	tenant_limit[TENANTS];
	Watch		tenant_watch[TENANTS];
	uint8_t		share_state[BINDS][SHARE_STATE_MAX];
	size_t		share_len[BINDS];
	bool		calls;			/* single calls come in */
	bool		outages;
	/* what there was to complain about */
	long		outside;		/* messages outside of their window */
	long		paused;			/* first attempts during a pause */
	long		early;			/* of a wave that was not released */
	long		twice;			/* ends of what had ended */
	long		claims;
	long		messages;
	long		of_campaign[CAMPAIGNS];
	long		disagreed;		/* a pace that grants otherwise than it said */
	int64_t		worst_answer;	/* waiting for a place, answers and single calls */
	int64_t		worst_call;
	double		waited;
	long		calls_sent;
} World;

static const int zone_hours[ZONES] = {-5, 1, 9};

/* Monday 00:00 UTC is 0 */
static int64_t
local_time(int64_t now, int zone)
{
	return (now + zone_hours[zone] * HOUR + WEEK) % WEEK;
}

/* ---- events ---- */

static void
at(World *w, int64_t when, EventKind kind, uint32_t what)
{
	size_t		i = w->events++;

	if (w->events > w->events_room)
	{
		w->events_room = w->events_room * 2 + 1024;
		w->heap = realloc(w->heap, w->events_room * sizeof(Event));
	}
	for (; i > 0 && w->heap[(i - 1) / 2].at > when; i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = (Event) {when, kind, what};
}

static Event
next_event(World *w)
{
	Event		top = w->heap[0];
	Event		last = w->heap[--w->events];
	size_t		i = 0;

	for (size_t child; (child = 2 * i + 1) < w->events; i = child)
	{
		if (child + 1 < w->events && w->heap[child + 1].at < w->heap[child].at)
			child++;
		if (last.at <= w->heap[child].at)
			break;
		w->heap[i] = w->heap[child];
	}
	w->heap[i] = last;
	return top;
}

/* ---- queues ---- */

static int
lane_of(const Op *op)
{
	return op->campaign < 0 ? SINGLES + op->tenant : SINGLES + TENANTS + op->campaign * ZONES + op->zone;
}

static void
enqueue(World *w, int lane, uint32_t op)
{
	Queue	   *q = &w->queue[lane];

	if (q->end == q->cap)
	{
		if (q->first > 0)
			memmove(q->op, q->op + q->first, (q->end - q->first) * sizeof(uint32_t));
		q->end -= q->first;
		q->first = 0;
		if (q->end * 2 >= q->cap)
		{
			q->cap = q->cap * 2 + 256;
			q->op = realloc(q->op, q->cap * sizeof(uint32_t));
		}
	}
	q->op[q->end++] = op;
	w->op[op].left = w->op[op].parts;
	w->op[op].queued = w->now;
	q->messages += w->op[op].parts;
}

static uint32_t
new_op(World *w, int campaign, int zone, int tenant)
{
	if (w->ops == w->room)
	{
		w->room = w->room * 2 + 4096;
		w->op = realloc(w->op, w->room * sizeof(Op));
	}
	w->op[w->ops] = (Op) {
		.campaign = (int8_t) campaign, .zone = (int8_t) zone, .tenant = (int8_t) tenant, .parts = (uint8_t) (1 + dice(3) / 2)
	};
	return w->ops++;
}

/* ---- the second book ---- */

static void
watch(Watch *log, int64_t now, uint32_t n, uint32_t limit)
{
	while (log->first < log->end && log->log[log->first % 4096].at <= now - SECOND)
		log->sum -= log->log[log->first++ % 4096].n;
	if (log->end - log->first == 4096)
		abort();
	log->log[log->end % 4096].at = now;
	log->log[log->end++ % 4096].n = n;
	log->sum += n;
	log->over += log->sum > limit;
}

/* ---- a claim, as the database does it ---- */

static uint32_t
could_take(const Pace *pace, uint32_t limit, int64_t now, uint64_t wanted)
{
	Pace		copy = *pace;

	return pace_take(&copy, limit, now, 0, wanted > 10000 ? 10000 : (uint32_t) wanted);
}

static bool
lane_open(const World *w, int lane)
{
	const Campaign *c;
	int			i = lane - SINGLES - TENANTS;

	if (i < 0)
		return true;
	c = &w->campaign[i / ZONES];
	return !c->paused && !c->halted && windows_open(&c->windows, (int) (local_time(w->now, i % ZONES) / MINUTE));
}

static void
leave(World *w, uint32_t id, bool first_attempt)
{
	Op		   *op = &w->op[id];
	Campaign   *c = op->campaign < 0 ? NULL : &w->campaign[op->campaign];
	double		answers = 0.93;

	op->attempts++;
	if (c != NULL && first_attempt)
	{
		int64_t		minute = local_time(w->now, op->zone) / MINUTE;

		w->outside += !c->open((int) (minute / 1440), (int) (minute % 1440));
		w->paused += c->paused || c->halted;
		w->early += id - c->first >= c->released;
		c->last_message = w->now;
	}
	if (chance(answers))
		at(w, w->now + SECOND + dice(20) * SECOND, ANSWERED, id);
	else
		at(w, w->now + (MINUTE << op->attempts), UNANSWERED, id);
}

static void
take(World *w, int lane, uint32_t grant)
{
	Queue	   *q = &w->queue[lane];

	q->messages -= grant;
	w->messages += grant;
	for (uint32_t left = grant; left > 0;)
	{
		uint32_t	id = q->op[q->first];
		Op		   *op = &w->op[id];
		uint32_t	n = op->left < left ? op->left : left;

		op->left = (uint8_t) (op->left - n);
		left -= n;
		if (op->left > 0)
			break;
		q->first++;
		if (lane == ANSWERS && w->now - op->queued > w->worst_answer)
			w->worst_answer = w->now - op->queued;
		if (lane >= SINGLES && lane < SINGLES + TENANTS)
		{
			if (w->now - op->queued > w->worst_call)
				w->worst_call = w->now - op->queued;
			w->waited += (double) (w->now - op->queued) / SECOND;
			w->calls_sent++;
		}
		leave(w, id, lane >= SINGLES);
	}
	if (lane >= SINGLES + TENANTS)
	{
		Campaign   *c = &w->campaign[(lane - SINGLES - TENANTS) / ZONES];

		w->of_campaign[c - w->campaign] += grant;
		/* what a forecast knows of its rate: whole minutes, as long as it sends */
		if (w->now / MINUTE != c->minute)
		{
			c->minute = w->now / MINUTE;
			c->minutes++;
			c->minute_sent[c->minutes % RING] = 0;
		}
		c->minute_sent[c->minutes % RING] += grant;
	}
}

/* Returns how many messages left. */
static uint32_t
claim(World *w, int bind)
{
	static uint8_t room[SHARE_STATE_MAX * 8];
	static uint8_t next[SHARE_STATE_MAX];
	SmsrWriter	out;
	uint64_t	waiting = 0;
	uint32_t	taken = 0;
	uint32_t	of_tenant[TENANTS] = {0};
	uint32_t	allowed[TENANTS];
	bool		settles = false;
	SmsrError	error;

	w->claims++;
	for (int t = 0; t < TENANTS; t++)
		allowed[t] = could_take(&w->tenant[t], w->tenant_limit[t], w->now, 10000);
	for (int i = 0; i < LANES; i++)
	{
		uint64_t	n = lane_open(w, i) ? w->queue[i].messages : 0;
		int			t = (int) w->lane[i].tenant;

		if (t < TENANTS && n > allowed[t])
			n = allowed[t];
		w->lane[i].backlog = n > 10000 ? 10000 : (uint32_t) n;
		waiting += w->lane[i].backlog;
	}
	if (waiting == 0)
		return 0;
	out = smsr_writer(next, sizeof(next));
	if (!share(smsr_bytes(w->share_state[bind], w->share_len[bind]), w->lane, LANES,
			   could_take(&w->bind[bind], w->bind_limit[bind], w->now, waiting), room, &out, &error))
		abort();
	for (int i = 0; i < LANES; i++)
	{
		int			t = (int) w->lane[i].tenant;
		uint32_t	n = w->lane[i].grant;

		/* a tenant with several lanes may have been granted more than it may */
		if (t < TENANTS && of_tenant[t] + n > allowed[t])
			n = allowed[t] - of_tenant[t];
		w->lane[i].extra = (int32_t) n - (int32_t) w->lane[i].grant;
		settles = settles || w->lane[i].extra != 0;
		if (t < TENANTS)
			of_tenant[t] += n;
		taken += n;
		if (n > 0)
			take(w, i, n);
	}
	memcpy(w->share_state[bind], next, out.len);
	w->share_len[bind] = out.len;
	if (settles)
	{
		out = smsr_writer(next, sizeof(next));
		if (!share_settle(smsr_bytes(w->share_state[bind], w->share_len[bind]), w->lane, LANES, room, &out, &error))
			abort();
		memcpy(w->share_state[bind], next, out.len);
		w->share_len[bind] = out.len;
	}
	for (int t = 0; t < TENANTS; t++)
		if (of_tenant[t] > 0)
		{
			w->disagreed += pace_take(&w->tenant[t], w->tenant_limit[t], w->now, 0, of_tenant[t]) != of_tenant[t];
			watch(&w->tenant_watch[t], w->now, of_tenant[t], w->tenant_limit[t]);
		}
	if (taken > 0)
	{
		w->disagreed += pace_take(&w->bind[bind], w->bind_limit[bind], w->now, 0, taken) != taken;
		watch(&w->bind_watch[bind], w->now, taken, w->bind_limit[bind]);
	}
	return taken;
}

/* ---- campaigns ---- */

static void
release(World *w, Campaign *c)
{
	Wave	   *wave;

	if (c->next_wave == c->waves)
	{
		c->done = true;
		return;
	}
	wave = &c->wave[c->next_wave++];
	c->upto += (uint32_t) wave->size;
	for (; c->released < c->upto; c->released++)
		enqueue(w, lane_of(&w->op[c->first + c->released]), c->first + c->released);
}

static void
finish(World *w, uint32_t id, bool failed)
{
	Op		   *op = &w->op[id];
	Campaign   *c;
	bool		halt;
	SmsrError	error;

	w->twice += op->ended;
	op->ended = true;
	if (op->campaign < 0)
		return;
	c = &w->campaign[op->campaign];
	c->ended++;
	c->failed += failed;
	if (!brake(c->failed, c->ended, c->threshold, 0.99, 20, &halt, &error))
		abort();
	if (halt)
		c->halted = true;
	else if (c->ended == c->upto && !c->halted)
		release(w, c);
}

static void
happens(World *w, Event e)
{
	Op		   *op = &w->op[e.what];

	switch (e.kind)
	{
		case ANSWERED:
			if (op->confirming)
				finish(w, e.what, false);
			else if (op->campaign >= 0 && chance(w->campaign[op->campaign].failing))
				finish(w, e.what, true);
			else
			{
				op->confirming = true;
				op->attempts = 0;
				enqueue(w, ANSWERS, e.what);
			}
			break;
		case UNANSWERED:
			if (op->attempts >= MAX_ATTEMPTS)
				finish(w, e.what, !op->confirming);
			else
				enqueue(w, REPEATS, e.what);
			break;
		case CALL:
			if (!w->calls)
				break;
			enqueue(w, SINGLES + (int) e.what, new_op(w, -1, 0, (int) e.what));
			at(w, w->now + SECOND + dice(40) * SECOND, CALL, e.what);
			break;
		case PAUSE:
			w->campaign[e.what].paused = true;
			at(w, w->now + 20 * MINUTE + dice(60) * MINUTE, RESUME, e.what);
			break;
		case RESUME:
			w->campaign[e.what].paused = false;
			break;
		case RATES:
			for (int b = 0; b < BINDS; b++)
				w->bind_limit[b] = w->outages && dice(10) == 0 ? 0 : 10 + dice(30);
			if (w->calls)
				at(w, w->now + 10 * MINUTE + dice(50) * MINUTE, RATES, 0);
			break;
	}
}

/*
 * As a campaign's progress has it: what waits of each zone, at the rates of the
 * last intervals, of so many minutes in which any was sent.
 */
static void
forecast_now(World *w, Campaign *c)
{
	ForecastPart part[ZONES] = {{0}};
	double		rate[60];
	size_t		rates = 0;
	size_t		minutes = c->minutes_each;
	SmsrError	error;

	/* neither the minute that is not over, nor the first, which began somewhere */
	if (c->forecasts == 200 || c->minutes < 3 * minutes + 2)
		return;
	for (size_t i = 1; rates < 60 && i + minutes < c->minutes && i + minutes < RING; i += minutes)
	{
		rate[rates] = 0;
		for (size_t k = i; k < i + minutes; k++)
			rate[rates] += c->minute_sent[(c->minutes - k) % RING] / (60.0 * (double) minutes);
		rates++;
	}
	for (int z = 0; z < ZONES; z++)
	{
		part[z].messages = (double) w->queue[SINGLES + TENANTS + (int) (c - w->campaign) * ZONES + z].messages;
		part[z].windows = &c->windows;
		part[z].second = (double) local_time(w->now, z) / SECOND;
	}
	if (!forecast(part, ZONES, rate, rates, 60.0 * (double) minutes, 0, 0.9, &c->said[c->forecasts].f, &error))
		abort();
	c->said[c->forecasts++].at = w->now;
}

/* ---- time ---- */

static int64_t
next_opening(const World *w)
{
	int64_t		soonest = NEVER;

	for (int i = SINGLES + TENANTS; i < LANES; i++)
	{
		const Campaign *c = &w->campaign[(i - SINGLES - TENANTS) / ZONES];
		int64_t		local = local_time(w->now, (i - SINGLES - TENANTS) % ZONES);
		int			until;

		if (w->queue[i].messages == 0 || c->paused || c->halted)
			continue;
		until = windows_until_open(&c->windows, (int) (local / MINUTE));
		if (until > 0 && w->now - local % MINUTE + until * MINUTE < soonest)
			soonest = w->now - local % MINUTE + until * MINUTE;
	}
	return soonest;
}

static bool
over(const World *w)
{
	for (int i = 0; i < CAMPAIGNS; i++)
		if (w->campaign[i].starts < NEVER && !w->campaign[i].done && !w->campaign[i].halted && !(i == 1 && w->campaign[0].minutes_each))
			return false;
	return true;
}

/* Until all campaigns are over, or the time is up. */
static void
run(World *w, int64_t until, int forecasts_per_million)
{
	int64_t		next_claim[BINDS] = {0};

	while (w->now < until && !over(w))
	{
		bool		busy = false;

		for (int i = 0; i < CAMPAIGNS; i++)
			if (!w->campaign[i].started && w->campaign[i].starts <= w->now)
			{
				w->campaign[i].started = true;
				release(w, &w->campaign[i]);
			}
		while (w->events > 0 && w->heap[0].at <= w->now)
			happens(w, next_event(w));
		for (int b = 0; b < BINDS; b++)
			if (next_claim[b] <= w->now)
			{
				busy = claim(w, b) > 0 || busy;
				next_claim[b] = w->now + 150000 + dice(200000);
			}
			else
				busy = true;
		for (int i = 0; i < CAMPAIGNS && busy; i++)
			if (w->campaign[i].next_wave == w->campaign[i].waves && dice(1000000) < (uint32_t) forecasts_per_million)
				forecast_now(w, &w->campaign[i]);
		for (int i = 0; i < LANES && !busy; i++)
			busy = w->queue[i].messages > 0 && lane_open(w, i);
		if (busy)
			w->now += 30000 + dice(70000);
		else
		{
			int64_t		next = next_opening(w);

			if (w->events > 0 && w->heap[0].at < next)
				next = w->heap[0].at;
			for (int i = 0; i < CAMPAIGNS; i++)
				if (!w->campaign[i].started && w->campaign[i].starts < next)
					next = w->campaign[i].starts;
			if (next == NEVER)
				break;
			w->now = next > w->now ? next : w->now + 1;
		}
	}
}

static World *
make_world(uint64_t number)
{
	World	   *w = calloc(1, sizeof(World));

	seed = UINT64_C(88172645463325252) + number * UINT64_C(0x9E3779B97F4A7C15);
	w->now = 3 * DAY + 5 * HOUR;
	w->lane[ANSWERS] = (ShareLane) {.id = 1, .tenant = TENANTS, .priority = 0, .weight = 1};
	w->lane[REPEATS] = (ShareLane) {.id = 2, .tenant = TENANTS + 1, .priority = 1, .weight = 1};
	/* of campaigns that there are none of */
	for (int i = SINGLES + TENANTS; i < LANES; i++)
		w->lane[i] = (ShareLane) {.id = 90 + i, .weight = 1};
	for (int t = 0; t < TENANTS; t++)
	{
		w->lane[SINGLES + t] = (ShareLane) {.id = 10 + t, .tenant = (uint64_t) t, .priority = 2, .weight = 1 + (uint32_t) t};
		pace_init(&w->tenant[t]);
		w->tenant_limit[t] = PACE_UNLIMITED;
	}
	for (int b = 0; b < BINDS; b++)
	{
		pace_init(&w->bind[b]);
		w->bind_limit[b] = 20;
	}
	for (int i = 0; i < CAMPAIGNS; i++)
		w->campaign[i].starts = NEVER;
	return w;
}

static void
add_campaign(World *w, int i, int tenant, int priority, uint32_t count, const char *plan_text, const char *windows_text,
			 bool (*open) (int, int), double failing, double threshold, int64_t starts)
{
	Campaign   *c = &w->campaign[i];
	WavePlan	plan;
	SmsrError	error;

	*c = (Campaign) {
		.tenant = tenant, .open = open, .failing = failing, .threshold = threshold,
		.first = w->ops, .count = count, .starts = starts, .wave = calloc(WAVES_MAX, sizeof(Wave))
	};
	if (!windows_parse(windows_text, strlen(windows_text), &c->windows, &error) ||
		!waves_parse(plan_text, strlen(plan_text), &plan, &error) ||
		!waves_of(&plan, count, c->wave, &c->waves, &error))
		abort();
	for (int z = 0; z < ZONES; z++)
		w->lane[SINGLES + TENANTS + i * ZONES + z] = (ShareLane) {
			.id = 100 + i * ZONES + z, .tenant = (uint64_t) tenant, .priority = priority, .weight = 1 + (uint32_t) tenant
		};
	for (uint32_t n = 0; n < count; n++)
		new_op(w, i, (int) dice(ZONES), tenant);
}

static void
end_world(World *w)
{
	for (int i = 0; i < LANES; i++)
		free(w->queue[i].op);
	for (int i = 0; i < CAMPAIGNS; i++)
		free(w->campaign[i].wave);
	free(w->heap);
	free(w->op);
	free(w);
}

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
		World	   *w = make_world((uint64_t) n);
		int64_t		began = w->now;
		long		over_limit = 0;
		uint32_t	not_ended = 0;

		w->calls = w->outages = true;
		w->tenant_limit[1] = 7;
		w->tenant_limit[2] = 12;
		/* one that goes well, one that must be stopped, two that just fit */
		add_campaign(w, 0, 0, 2, 15000, "canary 50, then 5%, then rest", "22:00-04:00", at_night, 0.02, 0.1, began + DAY);
		add_campaign(w, 1, 1, 1, 10000, "canary 100, then rest", "Sat-Sun 00:00-24:00, Mon 00:00-01:30", on_weekends, 0.3, 0.1, began + DAY);
		add_campaign(w, 2, 2, 3, 20000, "1%, 30% each", "Tue 23:50-00:10, Fri 02:00-02:30", twice_a_week, 0.01, 0.1, began + 2 * DAY);
		add_campaign(w, 3, 3, 3, 8000, "2000 each", "00:00-24:00", always, 0.05, 0.2, began + 3 * DAY);
		for (uint32_t t = 0; t < TENANTS; t++)
			at(w, w->now + dice(60) * SECOND, CALL, t);
		at(w, w->now, RATES, 0);
		for (int i = 0; i < 40; i++)
			at(w, w->now + DAY + dice(20 * 24 * 60) * MINUTE, PAUSE, dice(CAMPAIGNS));
		run(w, began + 8 * WEEK, 0);
		/* what is under way comes to its end */
		w->calls = false;
		while (w->events > 0)
		{
			if (w->heap[0].at > w->now)
				w->now = w->heap[0].at;
			happens(w, next_event(w));
			for (int b = 0; b < BINDS; b++)
			{
				w->bind_limit[b] = 40;
				claim(w, b);
			}
		}
		for (int i = 0; i < 1000; i++)
		{
			w->now += SECOND;
			while (w->events > 0 && w->heap[0].at <= w->now)
				happens(w, next_event(w));
			for (int b = 0; b < BINDS; b++)
				claim(w, b);
		}

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
		end_world(w);
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
		World	   *w = make_world(100 + (uint64_t) n);
		long		over_limit = 0;
		double		worst = 0;
		long		all = 0;

		w->calls = true;
		for (int i = 0; i < CAMPAIGNS; i++)
			add_campaign(w, i, i, 3, 60000, "rest", "00:00-24:00", always, 0.02, 0.1, w->now);
		for (uint32_t t = 0; t < TENANTS; t++)
			at(w, w->now, CALL, t);
		run(w, w->now + 2 * HOUR, 0);
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
		end_world(w);
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
		size_t		minutes;
		int			worlds;
		double		median;		/* of the error, at most, of the time that was left */
		double		most;		/* nine of ten are within */
		double		within;		/* of the bounds of 0.9, at least */
	}			kinds[] =
	{
		{"steady binds, always open", "00:00-24:00", always, false, 1, 1, 0.005, 0.02, 0.9},
		{"steady binds, at night", "22:00-04:00", at_night, false, 1, 1, 0.02, 0.05, 0},
		{"binds that change, always open", "00:00-24:00", always, true, 10, 4, 0.15, 0.6, 0.5},
		{"binds that change, at night", "22:00-04:00", at_night, true, 10, 1, 0.02, 0.05, 0},
	};

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
	{
		double	   *error = scratch(200 * 100 * sizeof(double));
		size_t		count = 0;
		size_t		within = 0;
		size_t		early = 0;

		for (int n = 0; n < runs(kinds[k].worlds); n++)
		{
			World	   *w = make_world(1000 + 100 * k + (uint64_t) n);
			Campaign   *c = &w->campaign[0];

			w->calls = true;
			add_campaign(w, 0, 0, 2, 40000 + dice(40000), "rest", kinds[k].windows, kinds[k].open, 0.02, 0.1, w->now + dice(24 * 60) * MINUTE);
			add_campaign(w, 1, 1, 3, 400000, "rest", "00:00-24:00", always, 0.02, 0.1, w->now);
			c->minutes_each = w->campaign[1].minutes_each = kinds[k].minutes;
			for (uint32_t t = 0; t < TENANTS; t++)
				at(w, w->now, CALL, t);
			if (kinds[k].changing)
				at(w, w->now, RATES, 0);
			run(w, w->now + 8 * WEEK, 1500);
			for (int i = 0; i < c->forecasts && count < 200 * 100; i++)
			{
				double		left = (double) (c->last_message - c->said[i].at) / SECOND;

				/* the last minutes are everybody's */
				if (left < 600)
					continue;
				error[count++] = fabs(c->said[i].f.expected - left) / left;
				within += left >= c->said[i].f.earliest && left <= c->said[i].f.latest;
				early += left < c->said[i].f.earliest;
			}
			end_world(w);
		}
		qsort(error, count, sizeof(double), by_size);
		if (!ok(count > 20, "%s: %zu forecasts", kinds[k].name, count))
			continue;
		printf("# %s: %zu forecasts, error %.1f %% in the median, %.1f %% at the 90th, %.2f within the bounds of 0.9, %.2f earlier\n",
			   kinds[k].name, count, error[count / 2] * 100, error[count * 9 / 10] * 100, (double) within / (double) count,
			   (double) early / (double) count);
		ok(error[count * 9 / 10] <= kinds[k].most, "%s: of %.1f %% in nine of ten", kinds[k].name, error[count * 9 / 10] * 100);
		ok((double) within >= kinds[k].within * (double) count, "%s: within the bounds in %.2f", kinds[k].name, (double) within / (double) count);
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
			watch(written, writes, 1, limit);
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

	seed = 4711;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
	{
		Spaced		s = space(kinds[k].limit, kinds[k].ahead, kinds[k].least, kinds[k].most);

		printf("# %u a second, claimed every %.2f to %.2f s, %.2f s ahead: %.3f of it\n", kinds[k].limit,
			   (double) kinds[k].least / SECOND, (double) kinds[k].most / SECOND, (double) kinds[k].ahead / SECOND, s.through);
		ok(s.over == 0, "%u a second, %.2f s ahead: no second in which more is written", kinds[k].limit, (double) kinds[k].ahead / SECOND);
		ok(s.through >= kinds[k].through && s.through <= 1.001, "%.3f of the limit is used", s.through);
	}
}
