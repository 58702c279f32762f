/*
 * schedule_world.h
 *		A simulated fleet: tenants, binds whose rates change, single calls and
 *		campaigns with waves, brakes, windows in three time zones, retries and pauses,
 *		all scheduled by window, pace, share, wave, brake and forecast as the database
 *		does it, and watched by a second book-keeping that shares no code with them.
 */
#ifndef SCHEDULE_WORLD_H
#define SCHEDULE_WORLD_H

#include "core/brake.h"
#include "core/forecast.h"
#include "core/pace.h"
#include "core/share.h"
#include "core/wave.h"
#include "core/window.h"

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
#define SLOT		(10 * SECOND)
#define SLOTS		2160		/* that a forecast looks back on: six hours */
#define FORECAST_RATES	36		/* intervals of them, at most */

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
	struct
	{
		int64_t		at;
		uint32_t	sent;
	}			slot[SLOTS];	/* in which it could send */
	size_t		slots;
	size_t		slots_least;	/* before it is asked, 0: it is not, and nobody waits for its end */
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

/* The same numbers each time. */
extern void dice_seed(uint64_t value);
extern uint32_t dice(uint32_t sides);
extern bool chance(double p);

/* Nothing happens in it yet: campaigns and single calls are added. */
extern World *world_make(uint64_t number);

/* Its plan of waves and its windows as texts, and the windows once more by hand: open. */
extern void world_add_campaign(World *w, int i, int tenant, int priority, uint32_t count,
							   const char *plan_text, const char *windows_text, bool (*open) (int, int),
							   double failing, double threshold, int64_t starts);

/* Something is to happen. */
extern void world_at(World *w, int64_t when, EventKind kind, uint32_t what);

/* Until all campaigns are over, or the time is up. */
extern void world_run(World *w, int64_t until, int forecasts_per_million);

/* No more calls: what is under way comes to its end. */
extern void world_finish(World *w);
extern void world_end(World *w);

/* The second book: n messages leave now, and it complains of a second with more than limit. */
extern void watch_grant(Watch *log, int64_t now, uint32_t n, uint32_t limit);

#endif							/* SCHEDULE_WORLD_H */
