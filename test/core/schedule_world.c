/*
 * schedule_world.c
 *		A simulated fleet and its scheduling.
 */
#include "schedule_world.h"

#include <stdlib.h>
#include <string.h>

static uint64_t seed;

void
dice_seed(uint64_t value)
{
	seed = value;
}

uint32_t
dice(uint32_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t) ((seed >> 32) * sides >> 32);
}

bool
chance(double p)
{
	return dice(1u << 30) < p * (1u << 30);
}

static const int zone_hours[ZONES] = {-5, 1, 9};

/* Monday 00:00 UTC is 0 */
static int64_t
local_time(int64_t now, int zone)
{
	return (now + zone_hours[zone] * HOUR + WEEK) % WEEK;
}

/* ---- events ---- */

void
world_at(World *w, int64_t when, EventKind kind, uint32_t what)
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

void
watch_grant(Watch *log, int64_t now, uint32_t n, uint32_t limit)
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
		world_at(w, w->now + SECOND + dice(20) * SECOND, ANSWERED, id);
	else
		world_at(w, w->now + (MINUTE << op->attempts), UNANSWERED, id);
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
		c->slot[(c->slots - 1) % SLOTS].sent += grant;
	}
}

/* Ten seconds in which a campaign could send count, whether it does or not. */
static void
count_slots(World *w)
{
	for (int i = SINGLES + TENANTS; i < LANES; i++)
	{
		Campaign   *c = &w->campaign[(i - SINGLES - TENANTS) / ZONES];

		if (c->slots > 0 && c->slot[(c->slots - 1) % SLOTS].at == w->now / SLOT)
			continue;
		if (w->queue[i].messages == 0 || !lane_open(w, i))
			continue;
		c->slot[c->slots % SLOTS].at = w->now / SLOT;
		c->slot[c->slots++ % SLOTS].sent = 0;
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
	count_slots(w);
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
			watch_grant(&w->tenant_watch[t], w->now, of_tenant[t], w->tenant_limit[t]);
		}
	if (taken > 0)
	{
		w->disagreed += pace_take(&w->bind[bind], w->bind_limit[bind], w->now, 0, taken) != taken;
		watch_grant(&w->bind_watch[bind], w->now, taken, w->bind_limit[bind]);
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
			world_at(w, w->now + SECOND + dice(40) * SECOND, CALL, e.what);
			break;
		case PAUSE:
			w->campaign[e.what].paused = true;
			world_at(w, w->now + 20 * MINUTE + dice(60) * MINUTE, RESUME, e.what);
			break;
		case RESUME:
			w->campaign[e.what].paused = false;
			break;
		case RATES:
			for (int b = 0; b < BINDS; b++)
				w->bind_limit[b] = w->outages && dice(10) == 0 ? 0 : 10 + dice(30);
			if (w->calls)
				world_at(w, w->now + 10 * MINUTE + dice(50) * MINUTE, RATES, 0);
			break;
	}
}

/*
 * As smsr.forecast_campaign() has it: what waits of each zone, at the rates of the
 * last six hours, in intervals as long as makes 36 of them.
 */
static void
forecast_now(World *w, Campaign *c)
{
	ForecastPart part[ZONES] = {{0}};
	double		rate[FORECAST_RATES] = {0};
	size_t		first = c->slots > SLOTS ? c->slots - SLOTS : 0;
	size_t		last = c->slots;
	size_t		each;
	size_t		rates;
	SmsrError	error;

	/* those that are not over, and older ones */
	while (last > first && c->slot[(last - 1) % SLOTS].at == w->now / SLOT)
		last--;
	while (first < last && c->slot[first % SLOTS].at < (w->now - 6 * HOUR) / SLOT)
		first++;
	if (c->forecasts == 200 || last - first < c->slots_least)
		return;
	each = (last - first + FORECAST_RATES - 1) / FORECAST_RATES;
	rates = (last - first) / each;
	for (size_t i = 0; i < rates * each; i++)
		rate[rates - 1 - i / each] += (double) c->slot[(last - 1 - i) % SLOTS].sent / (10.0 * (double) each);
	for (int z = 0; z < ZONES; z++)
	{
		part[z].messages = (double) w->queue[SINGLES + TENANTS + (int) (c - w->campaign) * ZONES + z].messages;
		part[z].windows = &c->windows;
		part[z].second = (double) local_time(w->now, z) / SECOND;
	}
	if (!forecast(part, ZONES, rate, rates, 10.0 * (double) each, 0, 0.9, &c->said[c->forecasts].f, &error))
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
		if (w->campaign[i].starts < NEVER && !w->campaign[i].done && !w->campaign[i].halted && !(i == 1 && w->campaign[0].slots_least > 0))
			return false;
	return true;
}

void
world_run(World *w, int64_t until, int forecasts_per_million)
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
			if (w->campaign[i].slots_least > 0 && w->campaign[i].next_wave == w->campaign[i].waves && dice(1000000) < (uint32_t) forecasts_per_million)
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

void
world_finish(World *w)
{
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
}

World *
world_make(uint64_t number)
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

void
world_add_campaign(World *w, int i, int tenant, int priority, uint32_t count, const char *plan_text, const char *windows_text,
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

void
world_end(World *w)
{
	for (int i = 0; i < LANES; i++)
		free(w->queue[i].op);
	for (int i = 0; i < CAMPAIGNS; i++)
		free(w->campaign[i].wave);
	free(w->heap);
	free(w->op);
	free(w);
}
