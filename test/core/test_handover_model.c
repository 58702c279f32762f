/*
 * test_handover_model.c
 *		Two SM-SRs, a card, and a network that loses, doubles and reorders what
 *		they say: every interleaving of three attempts to hand an eUICC over.
 *
 * Whatever was ever sent may arrive at any later time, any number of times, or
 * never; so may what is on its way to the card, once.  Both servers ask until
 * they are answered, know a question that they have had by its id, and answer
 * it as before: that is how the database does it.  A server that crashes has
 * stored an event with all that it led to, or nothing of it, so a crash is a
 * message that has not arrived.  What must hold is said in judge().
 */
#include "core/handover.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define FRESH_OFFERS	3			/* HandoverEUICC that begins a change */
#define OFFERS		9			/* and with those that ask again; each has an id of its own */
#define RUNS		OFFERS		/* SR2's attempts at a key set: one an offer */
#define PREPARES	3
#define CHANGES		3

/* a question where it is answered */
#define UNSEEN		0
#define OPEN		1
#define GOOD		2
#define BAD			3

/* All octets are state: compared and hashed as such. */
typedef struct World
{
	/* bit n: run n's */
	uint16_t	key_set_asked;	/* by SR2 */
	uint16_t	keys;			/* on the card; bit 0: SR1's */
	uint16_t	certificate_sent;	/* to the card */
	uint16_t	certificate_done;
	uint16_t	key_set_sent;
	uint16_t	key_set_done;
	uint16_t	key_set_refused;
	/* SR1 */
	uint8_t		g_stage;
	uint8_t		g_has;			/* the EIS */
	uint8_t		g_offer;		/* the offer that is not answered; 0: none */
	uint8_t		g_offers;		/* made so far */
	uint8_t		g_changes;
	uint8_t		g_fresh;
	uint8_t		g_late;			/* the time of the last one is over */
	uint8_t		g_run;			/* whose command is at the card */
	uint8_t		challenge_of[RUNS + 1]; /* AuthenticateSMSR */
	uint8_t		receipt_of[RUNS + 1];	/* CreateAdditionalKeySet */
	/* SR2 */
	uint8_t		t_stage;
	uint8_t		t_warned;
	uint8_t		t_owns;
	uint8_t		t_prepares;
	uint8_t		t_offer;
	uint8_t		t_run;			/* whose ephemeral key it has; once it owns, whose key set */
	uint8_t		t_runs;
	uint8_t		t_finalised;	/* the command has left */
	uint8_t		taken[OFFERS + 1];
	/* the card */
	uint8_t		challenge;		/* of which run; 0: none */
} World;

#define SLOTS	(1u << 23)

static World *worlds;
static uint32_t *slots;
static uint32_t known;
static uint32_t room;
static const char *fault;

static uint32_t *
slot_of(const World *w)
{
	uint64_t	h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < sizeof(*w); i++)
		h = (h ^ ((const uint8_t *) w)[i]) * 0x100000001b3u;
	for (uint32_t at = (uint32_t) (h >> 32) & (SLOTS - 1);; at = (at + 1) & (SLOTS - 1))
		if (slots[at] == 0 || memcmp(&worlds[slots[at] - 1], w, sizeof(*w)) == 0)
			return &slots[at];
}

/* ---- what the database does with effects ---- */

static void
giver(World *w, HandoverEventKind kind, int run)
{
	Handover	from = {HANDOVER_GIVES, (HandoverStage) w->g_stage, false};
	HandoverResult r = handover(&from, &(HandoverEvent) {.kind = kind});
	uint8_t    *question = kind == HANDOVER_AUTHENTICATE ? &w->challenge_of[run] :
		kind == HANDOVER_CREATE_KEY_SET ? &w->receipt_of[run] : NULL;

	if (!r.expected)
		return;
	if (question != NULL)
	{
		*question = r.status == STATUS_FAILED ? BAD : OPEN;
		if (r.status == STATUS_FAILED)
			return;
		w->g_run = (uint8_t) run;
	}
	if (r.effects & HANDOVER_GIVE_UP)
		w->g_has = 0;
	if (kind == HANDOVER_NOT_TAKEN)
		w->g_offer = 0;
	if (r.effects & HANDOVER_ASK_TAKE && w->g_offer == 0)
	{
		if (w->g_offers == OFFERS)
			fault = "more offers than there is room for";
		else
			w->g_offer = ++w->g_offers;
	}
	if (r.effects & HANDOVER_TO_CARD)
	{
		if (r.handover.stage == HANDOVER_AUTHENTICATING)
			w->certificate_sent |= (uint16_t) (1 << run);
		else
			w->key_set_sent |= (uint16_t) (1 << run);
	}
	if (r.effects & HANDOVER_ANSWER)
	{
		if (w->g_stage == HANDOVER_AUTHENTICATING)
			w->challenge_of[w->g_run] = r.status == STATUS_FAILED ? BAD : GOOD;
		else
			w->receipt_of[w->g_run] = r.status == STATUS_FAILED ? BAD : GOOD;
	}
	w->g_stage = (uint8_t) r.handover.stage;
	if (w->g_stage == HANDOVER_NONE)
	{
		w->g_offer = 0;
		for (int n = 1; n <= RUNS; n++)
		{
			if (w->challenge_of[n] == OPEN)
				w->challenge_of[n] = BAD;
			if (w->receipt_of[n] == OPEN)
				w->receipt_of[n] = BAD;
		}
	}
}

static void
taker(World *w, HandoverEventKind kind, int offer)
{
	Handover	from = {HANDOVER_TAKES, (HandoverStage) w->t_stage, w->t_warned};
	HandoverResult r = handover(&from, &(HandoverEvent) {.kind = kind, .known = w->t_owns, .addressed = true});
	uint8_t		answer = r.status == STATUS_SUCCESS || r.status == STATUS_WITHWARNING ? GOOD : BAD;

	if (!r.expected)
		return;
	if (offer != 0)
		w->taken[offer] = OPEN;
	if (r.effects & HANDOVER_DROP)
	{
		if (offer != 0 && w->t_offer != 0)
			w->taken[w->t_offer] = BAD;
	}
	if (r.effects & HANDOVER_ANSWER_OFFER)
	{
		if (offer != 0)
			w->taken[offer] = answer;
		if (r.effects & HANDOVER_FINISH && w->t_offer != 0)
			w->taken[w->t_offer] = answer;
	}
	if (r.effects & HANDOVER_TAKE)
		w->t_owns = 1;
	if (r.effects & HANDOVER_ASK_AUTHENTICATE)
	{
		w->t_run = ++w->t_runs;
		w->t_offer = (uint8_t) offer;
	}
	if (r.effects & HANDOVER_ASK_KEY_SET)
		w->key_set_asked |= (uint16_t) (1 << w->t_run);
	if (r.effects & HANDOVER_TO_CARD)
		w->t_finalised = 1;
	if (w->t_stage != r.handover.stage && r.handover.stage == HANDOVER_NONE)
		w->t_offer = 0;
	w->t_stage = (uint8_t) r.handover.stage;
	w->t_warned = r.handover.warned && w->t_stage != HANDOVER_NONE;
}

/* ---- what may happen next ---- */

typedef void (*Visit) (const World *w, void *arg);

#define HAPPENS(what) \
	do { \
		World		w = *from; \
		what; \
		visit(&w, arg); \
	} while (0)

static void
card_does(World *w, int run, bool key_set)
{
	if (!key_set)
	{
		w->certificate_sent &= (uint16_t) ~(1 << run);
		w->certificate_done |= (uint16_t) (1 << run);
		w->challenge = (uint8_t) run;
		return;
	}
	w->key_set_sent &= (uint16_t) ~(1 << run);
	if (w->challenge == run)
	{
		w->key_set_done |= (uint16_t) (1 << run);
		w->keys |= (uint16_t) (1 << run);
	}
	else
		w->key_set_refused |= (uint16_t) (1 << run);
	w->challenge = 0;
}

static void
successors(const World *from, bool operators, Visit visit, void *arg)
{
	if (operators)
	{
		if (from->t_prepares < PREPARES)
			HAPPENS(w.t_prepares++; taker(&w, HANDOVER_PREPARE, 0));
		if (from->g_has && from->g_changes < CHANGES && (from->g_stage != HANDOVER_NONE || from->g_fresh < FRESH_OFFERS))
			HAPPENS(w.g_changes++; w.g_late = 0; w.g_fresh += w.g_stage == HANDOVER_NONE; giver(&w, HANDOVER_CHANGE, 0));
	}
	/* what SR1 asked, and the answers */
	for (int o = 1; o <= from->g_offers; o++)
	{
		if (from->taken[o] == UNSEEN)
		{
			HAPPENS(taker(&w, HANDOVER_OFFER, o));
			HAPPENS(taker(&w, HANDOVER_BAD_OFFER, o));
		}
		if (from->taken[o] >= GOOD && from->g_offer == o)
			HAPPENS(giver(&w, from->taken[o] == GOOD ? HANDOVER_TAKEN : HANDOVER_NOT_TAKEN, 0));
	}
	/* what SR2 asked, and the answers */
	for (int r = 1; r <= from->t_runs; r++)
	{
		if (from->challenge_of[r] == UNSEEN)
			HAPPENS(giver(&w, HANDOVER_AUTHENTICATE, r));
		if (from->key_set_asked & (1 << r) && from->receipt_of[r] == UNSEEN)
			HAPPENS(giver(&w, HANDOVER_CREATE_KEY_SET, r));
		if (r != from->t_run)
			continue;
		if (from->challenge_of[r] >= GOOD && from->t_stage == HANDOVER_AWAITING_CHALLENGE)
			HAPPENS(taker(&w, from->challenge_of[r] == GOOD ? HANDOVER_CHALLENGE : HANDOVER_DECLINED, 0));
		if (from->receipt_of[r] >= GOOD && from->t_stage == HANDOVER_AWAITING_RECEIPT)
			HAPPENS(taker(&w, from->receipt_of[r] == GOOD ? HANDOVER_RECEIPT : HANDOVER_DECLINED, 0));
	}
	/* the card, under SR1's keys */
	for (int r = 1; r <= from->t_runs && from->keys & 1; r++)
	{
		if (from->certificate_sent & (1 << r))
			HAPPENS(card_does(&w, r, false));
		if (from->key_set_sent & (1 << r))
			HAPPENS(card_does(&w, r, true));
	}
	/* its answers to SR1, or none in time */
	if (from->g_stage == HANDOVER_AUTHENTICATING || from->g_stage == HANDOVER_ESTABLISHING)
	{
		uint16_t	done = from->g_stage == HANDOVER_AUTHENTICATING ? from->certificate_done : from->key_set_done;

		if (done & (1 << from->g_run))
			HAPPENS(giver(&w, HANDOVER_CARD_DONE, 0));
		HAPPENS(giver(&w, HANDOVER_CARD_FAILED, 0));
	}
	/* the card, under SR2's keys */
	if (from->t_finalised && from->keys & (1 << from->t_run))
		HAPPENS(w.keys = (uint16_t) (1 << w.t_run));
	if (handover_committed((HandoverStage) from->t_stage))
	{
		if (!(from->keys & 1))
			HAPPENS(taker(&w, HANDOVER_CARD_DONE, 0));
		HAPPENS(taker(&w, HANDOVER_CARD_FAILED, 0));
	}
	/* time */
	if (from->g_stage != HANDOVER_NONE && !from->g_late)
		HAPPENS(w.g_late = 1; giver(&w, HANDOVER_DEADLINE, 0));
	if (from->t_stage != HANDOVER_NONE)
		HAPPENS(taker(&w, HANDOVER_DEADLINE, 0));
}

static void
judge(const World *w)
{
	bool		free_here = w->g_has && w->g_stage == HANDOVER_NONE;

	if (free_here && w->t_owns)
		fault = "two SM-SRs have the eUICC";
	else if (!w->g_has && !w->t_owns)
		fault = "nobody has the eUICC";
	else if (w->t_owns && !(w->keys & (1 << w->t_run)))
		fault = "SR2 has the eUICC, and the card not its keys";
	else if (!w->t_owns && !(w->keys & 1))
		fault = "SR1 has the eUICC, and the card not its keys";
	else if (w->t_owns && handover_locked((HandoverStage) w->g_stage) && w->g_stage != HANDOVER_PASSED_ON &&
			 w->g_stage != HANDOVER_ASKED_AGAIN && w->g_stage != HANDOVER_UNCERTAIN)
		fault = "SR2 has the eUICC, and SR1 would take it back when its time is over";
}

static bool
settled(const World *w)
{
	return w->g_stage == HANDOVER_NONE && w->g_has + w->t_owns == 1 &&
		(w->t_stage == HANDOVER_NONE || w->t_stage == HANDOVER_PREPARED);
}

static void
add(const World *w, void *arg)
{
	uint32_t   *slot = slot_of(w);

	(void) arg;
	if (*slot != 0 || fault != NULL)
		return;
	if (known == room)
	{
		fault = "more worlds than there is room for";
		return;
	}
	worlds[known] = *w;
	*slot = ++known;
}

typedef struct Way
{
	const uint8_t *ends;
	bool		found;
} Way;

static void
follow(const World *w, void *arg)
{
	Way		   *way = arg;

	way->found = way->found || way->ends[*slot_of(w) - 1];
}

/*
 * Worlds from which nothing that may happen leads to an end; without the
 * operators, so that nobody has to come and help.
 */
static uint32_t
count_endless(void)
{
	uint8_t    *ends = calloc(known, 1);
	uint32_t	endless = 0;
	bool		changed = true;

	while (changed)
	{
		changed = false;
		for (uint32_t i = known; i-- > 0;)
		{
			Way			way = {ends, false};

			if (ends[i])
				continue;
			if (settled(&worlds[i]))
				way.found = true;
			else
				successors(&worlds[i], false, follow, &way);
			ends[i] = way.found;
			changed |= way.found;
		}
	}
	for (uint32_t i = 0; i < known; i++)
		endless += !ends[i];
	free(ends);
	return endless;
}

TEST_SUITE(handover_model)
{
	World		start;
	uint32_t	taken = 0,
				kept = 0,
				again = 0;

	room = 4u << 20;
	worlds = calloc(room, sizeof(World));
	slots = calloc(SLOTS, sizeof(slots[0]));
	memset(&start, 0, sizeof(start));
	start.g_has = 1;
	start.keys = 1;
	add(&start, NULL);
	for (uint32_t i = 0; i < known && fault == NULL; i++)
	{
		World		w = worlds[i];

		judge(&w);
		taken += settled(&w) && w.t_owns;
		kept += settled(&w) && w.g_has && w.g_offers > 0;
		again += settled(&w) && w.t_owns && w.g_fresh == FRESH_OFFERS;
		if (fault == NULL)
			successors(&w, true, add, NULL);
	}
	ok(fault == NULL, "%u worlds%s%s", known, fault ? ": " : "", fault ? fault : "");
	ok(taken > 0 && kept > 0 && again > 0, "it is handed over, kept, and handed over at the last attempt somewhere");
	if (fault == NULL)
		ok(count_endless() == 0, "from everywhere it ends, with one owner");
	free(worlds);
	free(slots);
}
