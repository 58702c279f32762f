/*
 * test_rotation.c
 *		A card that gets a new key set over a network that loses, repeats and
 *		reorders, and the real procedure: every interleaving up to bounded budgets.
 *
 * The shell does with effects what the database does.  What must hold whatever
 * happens: there is a key set that is active here and that the card has.
 */
#include "core/es5.h"
#include "core/procedure.h"
#include "core/scp80.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGES	2		/* under way at a time, both directions */
#define MAX_ATTEMPTS	2		/* sendings of one packet */
#define MAX_PACKETS		5		/* counters that are used up, each set */
#define ROTATIONS		2		/* the second goes on where the first one ended */

/* key sets by their place on the card */
#define OLD		0
#define NEW		1

/* keys in the new one's place on the card */
#define NOBODY	0
#define FOREIGN	1				/* whose keys are not known here */
#define OURS	2				/* of the first rotation; 3: of the second */

typedef enum MessageKind
{
	NOTHING,
	COMMAND,
	ANSWER
} MessageKind;

typedef struct Message
{
	uint8_t		kind;
	uint8_t		step;
	uint8_t		set;			/* that secures it */
	uint8_t		keys;			/* of that set, if it is the new one */
	uint8_t		puts;			/* PUT KEY: these keys */
	uint8_t		counter;
	uint8_t		status;
	uint8_t		there;			/* a set in the new one's place */
	uint16_t	sw;
} Message;

typedef enum OurState
{
	NOT_MADE,
	PENDING,
	ACTIVE,
	REVOKED
} OurState;

/* All octets are state: compared and hashed as such, so no padding is left unset. */
typedef struct World
{
	/* the card */
	uint8_t		on_card;		/* keys in the new one's place */
	uint8_t		card_counter[2];
	/* what kind of card */
	uint8_t		replace;		/* the new set takes a foreign one's place */
	uint8_t		tells;			/* it answers what key sets it has */
	uint8_t		mute;			/* it answers PUT KEY without a status word */
	uint8_t		full;			/* it refuses every key set */
	/* the SM-SR */
	uint8_t		state;			/* OurState of the new set; the old one is active until then */
	uint8_t		made;			/* its keys */
	uint8_t		forgotten[2];	/* keys that the card was said not to have */
	uint8_t		counter[2];
	uint8_t		step;
	uint8_t		stage;
	uint8_t		doubt;
	uint8_t		status;
	uint8_t		rotations;
	uint8_t		queued;
	uint8_t		packet;			/* counter of the packet under way; 0 none sealed */
	uint8_t		packet_set;
	uint8_t		attempts;
	uint8_t		resyncs;
	Message		messages[MAX_MESSAGES];
} World;

/* ---- the set of worlds ---- */

#define SLOTS (1u << 22)

static World *worlds;
static uint32_t *slots;
static uint32_t known;
static uint32_t room;
static const char *fault;

static uint64_t
hash(const World *w)
{
	const uint8_t *p = (const uint8_t *) w;
	uint64_t	h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < sizeof(World); i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211);
	return h ^ (h >> 29);
}

static int
compare_messages(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(Message));
}

static void
add(World *w)
{
	uint32_t	slot;

	/* the network keeps no order */
	qsort(w->messages, MAX_MESSAGES, sizeof(Message), compare_messages);
	slot = (uint32_t) hash(w) & (SLOTS - 1);
	while (slots[slot] != 0)
	{
		if (memcmp(&worlds[slots[slot] - 1], w, sizeof(World)) == 0)
			return;
		slot = (slot + 1) & (SLOTS - 1);
	}
	if (known >= room)
	{
		fault = "the walk did not fit its memory";
		return;
	}
	worlds[known++] = *w;
	slots[slot] = known;
}

static Message *
free_message(World *w)
{
	for (int i = 0; i < MAX_MESSAGES; i++)
		if (w->messages[i].kind == NOTHING)
			return &w->messages[i];
	return NULL;
}

/* ---- the card ---- */

static uint16_t
card_puts(World *w, uint8_t keys)
{
	if (w->full)
		return SW_NO_MEMORY;
	if (w->replace && w->on_card == NOBODY)
		return SW_REFERENCE_NOT_FOUND;
	if (!w->replace && w->on_card != NOBODY)
		return SW_WRONG_DATA;
	if (keys == w->forgotten[0] || keys == w->forgotten[1])
		fault = "the card takes keys that were forgotten";
	w->on_card = keys;
	w->card_counter[NEW] = 0;
	return SW_OK;
}

static void
card_receives(World *w, Message command)
{
	Message		answer = {.kind = ANSWER, .step = command.step, .set = command.set, .keys = command.keys,
	.puts = command.puts, .counter = command.counter};
	Message    *m;

	/* what it can not authenticate it drops */
	if (command.set == NEW && w->on_card != command.keys)
		return;
	if (command.counter <= w->card_counter[command.set])
		answer.status = SCP80_CNTR_LOW;
	else
	{
		w->card_counter[command.set] = command.counter;
		answer.sw = SW_OK;
		if (command.step == STEP_PUT_KEY)
		{
			answer.sw = card_puts(w, command.puts);
			if (w->mute)
				answer.sw = 0;
		}
		else if (!w->tells)
			answer.sw = SW_REFERENCE_NOT_FOUND;
		answer.there = w->on_card != NOBODY;
	}
	m = free_message(w);
	if (m != NULL)
		*m = answer;
}

/* ---- the SM-SR ---- */

static void
forget(World *w)
{
	/* where it replaces, it may be put by a copy all the same, and nobody needs it */
	if (!w->replace)
	{
		if (w->on_card == w->made)
			fault = "what the card has is forgotten";
		w->forgotten[w->rotations - 1] = w->made;
	}
	w->state = NOT_MADE;
}

static void
happen(World *w, ProcedureEvent ev)
{
	Operation	op = {PROC_ROTATE_KEYS, (ProcedureStep) w->step, (ProcedureStage) w->stage,
	(ProcedureStep) w->doubt, false, false};
	ProcedureResult r;

	ev.attempts = w->attempts;
	ev.resyncs = w->resyncs;
	ev.keys_replace = w->replace;
	r = procedure(&op, &ev);
	w->step = (uint8_t) r.operation.step;
	w->stage = (uint8_t) r.operation.stage;
	w->doubt = (uint8_t) r.operation.doubt;
	if (r.effects & EFFECT_DROP_PACKET)
		w->queued = w->packet = w->attempts = w->resyncs = 0;
	if (r.effects & EFFECT_ADOPT_KEYS)
	{
		if (w->on_card != w->made)
			fault = "keys are adopted that the card does not have";
		w->state = ACTIVE;
	}
	if (r.effects & (EFFECT_FORGET_KEYS | EFFECT_VACATE_KEYS))
		forget(w);
	if (r.effects & EFFECT_REVOKE_KEYS)
	{
		if (w->on_card == w->made)
			fault = "what the card has is revoked";
		w->state = REVOKED;
	}
	if (r.effects & EFFECT_SEND)
		w->queued = 1;
	if (r.effects & EFFECT_RESYNC)
	{
		w->packet = w->attempts = 0;
		w->resyncs++;
		w->counter[OLD] += 2;
	}
	if (r.effects & EFFECT_FINISH)
	{
		if (w->status != STATUS_RUNNING)
			fault = "an operation ended twice";
		w->status = (uint8_t) r.status;
		if ((r.status == STATUS_SUCCESS) != (w->state == ACTIVE))
			fault = "a success is that the new set is active, and nothing else is";
		if (r.status == STATUS_FAILED && w->state == PENDING)
			fault = "a failure leaves nothing open";
	}
}

static void
rotate(World *w)
{
	ProcedureEvent start = {.kind = EVENT_START, .keys_pending = w->state == PENDING};

	w->rotations++;
	w->step = STEP_NONE;
	w->stage = STAGE_WAITING;
	w->doubt = STEP_NONE;
	w->status = STATUS_RUNNING;
	/* as the database does: what is pending is put again, else there are new keys */
	if (w->state != PENDING)
		w->made = (uint8_t) (OURS + w->rotations - 1);
	happen(w, start);
	w->state = PENDING;
}

static void
server_receives(World *w, Message m)
{
	if (w->status != STATUS_RUNNING || !w->queued || m.counter != w->packet || m.set != w->packet_set ||
		(m.set == NEW && m.keys != w->made))
		return;					/* late: recorded, and that is all */
	happen(w, (ProcedureEvent) {
		.kind = EVENT_POR, .por_status = m.status, .sw = m.sw,
		.keys_match = m.sw == SW_OK && m.puts == w->made,
		.keys_differ = m.sw == SW_OK && m.puts != w->made,
		.keys_told = m.sw == SW_OK && m.step != STEP_PUT_KEY, .keys_there = m.there
	});
}

/* ---- what must hold, in every world ---- */

static void
judge(const World *w)
{
	if (w->state == ACTIVE && w->on_card != w->made)
		fault = "no key set is active here that the card has";
}

/* ---- every next world ---- */

static void
successors(const World *from)
{
	World		w;
	Message    *m;

	for (int i = 0; i < MAX_MESSAGES; i++)
	{
		Message		message = from->messages[i];

		if (message.kind == NOTHING)
			continue;
		w = *from;
		memset(&w.messages[i], 0, sizeof(Message));
		add(&w);				/* lost */
		for (int copies = 0; copies < 2; copies++)
		{
			/* arrived, or arrived and will once more */
			w = *from;
			if (copies == 0)
				memset(&w.messages[i], 0, sizeof(Message));
			if (message.kind == COMMAND)
				card_receives(&w, message);
			else
				server_receives(&w, message);
			add(&w);
		}
	}
	if (from->status == STATUS_RUNNING && from->queued && from->attempts < MAX_ATTEMPTS)
	{
		w = *from;
		w.packet_set = w.step == STEP_PROVE ? NEW : OLD;
		if (w.packet == 0)
			w.packet = ++w.counter[w.packet_set];
		w.attempts++;
		m = free_message(&w);
		if (m != NULL && w.packet <= MAX_PACKETS)
		{
			*m = (Message) {.kind = COMMAND, .step = w.step, .set = w.packet_set, .counter = w.packet,
				.keys = w.packet_set == NEW ? w.made : 0, .puts = w.step == STEP_PUT_KEY ? w.made : 0};
			add(&w);
		}
	}
	if (from->status == STATUS_RUNNING)
	{
		static const ProcedureEventKind others[] = {
			EVENT_DEADLINE, EVENT_ASK, EVENT_POR_UNAUTHENTICATED, EVENT_NOTIFICATION, EVENT_REFUSED
		};

		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		{
			w = *from;
			happen(&w, (ProcedureEvent) {.kind = others[i]});
			add(&w);
		}
	}
	/* somebody rotates again: over what is pending, or with new keys */
	else if (from->rotations < ROTATIONS && (from->state == PENDING || from->state == NOT_MADE))
	{
		w = *from;
		rotate(&w);
		add(&w);
	}
}

static void
walk(World start, const char *name, bool succeeds)
{
	uint32_t	statuses[ROTATIONS + 1][5] = {{0}};

	memset(slots, 0, SLOTS * sizeof(slots[0]));
	known = 0;
	fault = NULL;
	rotate(&start);
	add(&start);
	for (uint32_t i = 0; i < known && fault == NULL; i++)
	{
		judge(&worlds[i]);
		statuses[worlds[i].rotations][worlds[i].status]++;
		if (fault == NULL)
			successors(&worlds[i]);
	}
	ok(fault == NULL, "%s: %u worlds%s%s", name, known, fault ? ": " : "", fault ? fault : "");
	ok((statuses[1][STATUS_SUCCESS] > 0) == succeeds && (statuses[2][STATUS_SUCCESS] > 0) == succeeds,
	   "%s: it %s, the first time and the second", name, succeeds ? "succeeds somewhere" : "never succeeds");
	ok(statuses[1][STATUS_EXPIRED] > 0 && statuses[1][STATUS_WITHWARNING] == 0, "%s: it expires somewhere", name);
}

TEST_SUITE(rotation_model)
{
	room = 3u << 20;
	worlds = calloc(room, sizeof(World));
	slots = calloc(SLOTS, sizeof(slots[0]));
	walk((World) {.tells = 1}, "added", true);
	walk((World) {0}, "added, to a card that does not tell its key sets", true);
	walk((World) {.tells = 1, .card_counter = {2}}, "added, the card's counter is ahead", true);
	walk((World) {.card_counter = {2}}, "added, it is ahead and does not tell", true);
	walk((World) {.tells = 1, .mute = 1}, "added, without a status word", true);
	walk((World) {.mute = 1}, "added, without a status word, and it does not tell", true);
	walk((World) {.tells = 1, .full = 1}, "to a card without memory", false);
	walk((World) {.tells = 1, .on_card = FOREIGN}, "added, but the card has one of this number", false);
	walk((World) {.on_card = FOREIGN}, "added, but it has, and does not tell", false);
	walk((World) {.tells = 1, .replace = 1, .on_card = FOREIGN}, "in another one's place", true);
	walk((World) {.tells = 1, .replace = 1, .on_card = FOREIGN, .mute = 1}, "in another one's place, without a status word", true);
	walk((World) {.replace = 1, .on_card = FOREIGN, .card_counter = {2}}, "in another one's place, the counter is ahead", true);
	walk((World) {.replace = 1}, "in another one's place, where none is", false);
	free(worlds);
	free(slots);
}
