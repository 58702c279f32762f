/*
 * test_model.c
 *		A card, a network that loses, repeats and reorders, and the real
 *		procedure: every interleaving up to bounded budgets.
 *
 * The card is SGP.02's as far as a switch goes: it executes a command once
 * (its counter sees to that), switches, notifies until it is confirmed, and
 * rolls back when it is not.  What is relayed to an ISD-P it executes as often
 * as it is sealed.  The shell here does with effects what the
 * database does.  What must hold is said in judge().
 *
 * In a second set of walks the operation's commands go in HTTPS sessions, which
 * break at any point: no counter keeps the card from executing one twice there,
 * so all depends on what is delivered again and what is not.
 */
#include "core/es5.h"
#include "core/notification.h"
#include "core/procedure.h"
#include "core/scp80.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* profile 0 is enabled at first and has the fall-back attribute; 1 is the other */
#define FALLBACK	0
#define OTHER		1

#define MAX_MESSAGES	2		/* under way at a time, both directions */
#define MAX_ATTEMPTS	2		/* sendings of one packet */
#define MAX_PACKETS		5		/* counters that are used up */
#define MAX_REPEATS		1		/* of a notification by the card, each */
#define MAX_BREAKS		2		/* of sessions */
#define CHUNKS			2		/* of an update package */

typedef enum MessageKind
{
	NOTHING,
	COMMAND,					/* step, counter, sequence */
	ANSWER,						/* counter, por status, sw, and for audits the card's state */
	NOTICE						/* type, sequence, profile */
} MessageKind;

typedef struct Message
{
	uint8_t		kind;
	uint8_t		step;
	uint8_t		counter;
	uint8_t		status;
	uint16_t	sw;
	uint8_t		type;
	uint8_t		sequence;
	uint8_t		profile;		/* NOTICE: enabled now; ANSWER of an audit likewise */
} Message;

/* All octets are state: compared and hashed as such, so no padding is left unset. */
typedef struct World
{
	/* the card */
	uint8_t		enabled;
	uint8_t		before;			/* where a roll-back leads */
	uint8_t		unconfirmed;	/* a switch whose confirmation is awaited */
	uint8_t		card_counter;
	uint8_t		sequence;		/* of its last notification */
	uint8_t		type;			/* of it; 0: none yet */
	uint8_t		owed;			/* that notification still has to be confirmed */
	uint8_t		repeats;
	uint8_t		executed;		/* how often the operation's own command was */
	uint8_t		refuses;		/* what is relayed */
	uint8_t		open;			/* it is in a session */
	uint8_t		breaks;
	/* the SM-SR */
	uint8_t		eis;			/* enabled per EIS */
	uint8_t		function;
	uint8_t		step;
	uint8_t		stage;
	uint8_t		doubt;
	uint8_t		failed;
	uint8_t		ended;			/* how many terminal statuses it got */
	uint8_t		status;
	uint8_t		audit;			/* a follow-up is queued */
	uint8_t		counter;
	uint8_t		packet;			/* counter of the packet under way; 0 none sealed */
	uint8_t		queued;			/* there is a packet */
	uint8_t		chunk;			/* of the package, that is sent or to be sent */
	uint8_t		attempts;
	uint8_t		confirming;		/* sequence of the operation's confirmation */
	uint8_t		seen_type;
	uint8_t		seen_sequence;
	uint8_t		own_confirm;	/* sequence of a confirmation of its own; 0 none */
	uint8_t		own_counter;
	uint8_t		own_attempts;
	uint8_t		unconfirmed_on_purpose;
	uint8_t		expired_once;
	uint8_t		by_session;		/* the operation's commands go in sessions */
	Message		messages[MAX_MESSAGES];
	Message		wire;			/* under way in the session; nothing: it is the SM-SR's turn */
	Message		posted;			/* what the card last posted; nothing: that it is there */
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

static void
notify(World *w, uint8_t type)
{
	w->sequence++;
	w->type = type;
	w->owed = 1;
	w->repeats = 0;
}

static void
card_says_again(World *w)
{
	Message    *m = free_message(w);

	if (m != NULL)
		*m = (Message) {.kind = NOTICE, .type = w->type, .sequence = w->sequence, .profile = w->enabled};
}

static Message
card_executes(World *w, Message command)
{
	Message		answer = {.kind = ANSWER, .counter = command.counter, .step = command.step, .profile = w->enabled, .sw = SW_OK};

	switch (command.step)
	{
		case STEP_ENABLE:
		case STEP_DISABLE:
			w->executed++;
			if (w->enabled == (command.step == STEP_ENABLE ? OTHER : FALLBACK))
				answer.sw = SW_CONDITIONS;
			else
			{
				w->before = w->enabled;
				w->enabled = command.step == STEP_ENABLE ? OTHER : FALLBACK;
				w->unconfirmed = 1;
				notify(w, command.step == STEP_ENABLE ? NOTIFICATION_CHANGE_SUCCEEDED : NOTIFICATION_FALL_BACK);
			}
			break;
		case STEP_RELAY:
			w->executed++;
			if (w->refuses)
				answer.sw = SW_WRONG_DATA;
			break;
		case STEP_PACKAGE:
			if (command.sequence != w->executed++)
				fault = "a chunk of a package twice, or out of its turn";
			if (w->refuses)
				answer.sw = SW_WRONG_DATA;
			break;
		case STEP_CONFIRM:
			if (w->owed && command.sequence == w->sequence)
			{
				w->owed = 0;
				w->unconfirmed = 0;
			}
			else
				answer.sw = SW_CONDITIONS;
			break;
		default:
			answer.profile = w->enabled;
	}
	return answer;
}

static void
card_receives(World *w, Message command)
{
	Message		answer = {.kind = ANSWER, .counter = command.counter, .step = command.step, .profile = w->enabled, .status = SCP80_CNTR_LOW};
	Message    *m;

	if (command.counter > w->card_counter)
	{
		w->card_counter = command.counter;
		answer = card_executes(w, command);
	}
	m = free_message(w);
	if (m != NULL)
		*m = answer;
}

static void
card_gives_up(World *w)
{
	w->owed = 0;
	if (w->unconfirmed)
	{
		w->unconfirmed = 0;
		w->enabled = w->before;
		notify(w, NOTIFICATION_CHANGE_FAILED);
	}
}

/* ---- the SM-SR ---- */

static void
happen(World *w, ProcedureEvent ev, const Message *from)
{
	Operation	op = {(ProcedureFunction) w->function, (ProcedureStep) w->step, (ProcedureStage) w->stage,
	(ProcedureStep) w->doubt, w->failed != 0, false};
	ProcedureResult r;

	ev.attempts = w->attempts;
	r = procedure(&op, &ev);
	w->step = (uint8_t) r.operation.step;
	w->stage = (uint8_t) r.operation.stage;
	w->doubt = (uint8_t) r.operation.doubt;
	w->failed = r.operation.failed;
	if (r.effects & EFFECT_DROP_PACKET)
		w->queued = w->packet = w->attempts = 0;
	if (r.effects & EFFECT_FOLLOW)
	{
		w->eis = from->profile;
		w->confirming = from->sequence;
	}
	if (r.effects & EFFECT_SPONTANEOUS)
	{
		w->eis = from->profile;
		w->own_confirm = from->sequence;
		w->own_counter = w->own_attempts = 0;
	}
	if (r.effects & EFFECT_FOLLOW_AUDIT)
		w->eis = from->profile;
	if (r.effects & EFFECT_SEND)
	{
		w->queued = 1;
		if (op.step == STEP_PACKAGE)
			w->chunk++;
	}
	if (r.effects & EFFECT_RESYNC)
		w->packet = w->attempts = 0;
	if (r.effects & EFFECT_AUDIT)
		w->audit = 1;
	if (r.effects & EFFECT_FINISH)
	{
		w->ended++;
		w->status = (uint8_t) r.status;
		w->expired_once |= r.status == STATUS_EXPIRED;
		if (w->function == PROC_UPDATE_CONNECTIVITY || w->function == PROC_SEND_DATA || w->function == PROC_UPDATE_PLATFORM)
		{
			if (r.status == STATUS_SUCCESS &&
				(w->refuses || w->executed != (w->function == PROC_UPDATE_PLATFORM ? CHUNKS : 1)))
				fault = "a success of what the ISD-P has not done";
			if (r.status == STATUS_FAILED && !w->refuses)
				fault = "a failure of what the ISD-P has done";
		}
		else if (r.status == STATUS_SUCCESS &&
				 (w->unconfirmed || w->enabled != (w->function == PROC_ENABLE_PROFILE ? OTHER : FALLBACK)))
			fault = "a success of what the card has not done for good";
	}
}

/* What SCP03t refuses, SendData brings all the same; bad format it does not. */
static void
server_receives(World *w, Message m)
{
	if (m.kind == ANSWER)
	{
		if (w->own_confirm && m.counter == w->own_counter)
		{
			w->own_confirm = w->own_counter = w->own_attempts = 0;
			return;
		}
		if (w->ended || !w->queued || m.counter != w->packet)
			return;				/* late: recorded, and that is all */
		happen(w, (ProcedureEvent) {
			.kind = EVENT_POR, .por_status = m.status, .sw = m.sw,
			.executed = m.sw == SW_OK, .more_chunks = w->chunk + 1 < CHUNKS,
			.card_state = m.profile == OTHER ? PROFILE_ENABLED : PROFILE_DISABLED
		}, &m);
		return;
	}
	if (m.type == w->seen_type && m.sequence == w->seen_sequence)
	{
		if (w->step == STEP_CONFIRM && !w->ended && w->confirming == m.sequence)
			happen(w, (ProcedureEvent) {.kind = EVENT_NOTIFICATION_AGAIN}, &m);
		else if (!w->own_confirm && !w->unconfirmed_on_purpose)
		{
			w->own_confirm = m.sequence;
			w->own_counter = w->own_attempts = 0;
		}
		return;
	}
	/* an older one that was overtaken says nothing any more */
	if (m.sequence < w->seen_sequence)
		return;
	w->seen_type = m.type;
	w->seen_sequence = m.sequence;
	w->unconfirmed_on_purpose = 0;
	if (!w->ended)
		happen(w, (ProcedureEvent) {.kind = EVENT_NOTIFICATION, .type = m.type, .names_target = m.profile == OTHER}, &m);
	else
	{
		w->eis = m.profile;
		if (w->expired_once && m.type != NOTIFICATION_CHANGE_FAILED)
			w->unconfirmed_on_purpose = 1;
		else
		{
			w->own_confirm = m.sequence;
			w->own_counter = w->own_attempts = 0;
		}
	}
}

/* ---- what must hold where nothing is under way any more ---- */

static void
judge(const World *w)
{
	bool		quiet = !w->owed && !w->unconfirmed;

	if (w->ended > 1)
		fault = "an operation ended twice";
	if (w->executed > (w->function == PROC_UPDATE_PLATFORM ? CHUNKS : 1))
		fault = "a card executed a command twice";
	for (int i = 0; i < MAX_MESSAGES; i++)
		quiet = quiet && w->messages[i].kind == NOTHING;
	if (!quiet || !w->ended)
		return;
	quiet = quiet && w->wire.kind == NOTHING;
	if (!quiet)
		return;
	/* all that was sent has arrived or is lost, and no timer of the card runs */
	if (w->status == STATUS_FAILED && w->function == PROC_ENABLE_PROFILE && w->enabled == OTHER)
		fault = "a failure of what the card has done";
	if (w->seen_sequence == w->sequence && w->eis != w->enabled)
		fault = "the EIS is not what the card last said";
	if (w->eis != w->enabled && !w->audit && w->seen_sequence == w->sequence)
		fault = "EIS and card differ, and nobody is going to ask";
}

/* ---- every next world ---- */

static uint8_t
sequence_of(const World *w)
{
	return w->step == STEP_CONFIRM ? w->confirming : w->step == STEP_PACKAGE ? w->chunk : 0;
}

/* The operation's script that is outstanding, or a new one, goes out. */
static void
deliver(World *w)
{
	w->wire = (Message) {.kind = COMMAND, .step = w->step, .counter = w->packet, .sequence = sequence_of(w)};
}

/* What may happen in a session, and to it. */
static void
in_session(const World *from)
{
	const Message nothing = {0};
	World		w;

	if (!from->open)
	{
		/* the card has forgotten what was: its first post, whatever is outstanding */
		w = *from;
		w.open = 1;
		w.posted = nothing;
		if (!w.ended && w.packet != 0)
			happen(&w, (ProcedureEvent) {.kind = EVENT_LOST}, NULL);
		add(&w);
		if (from->breaks == 0)
			return;
		/* or it goes on: what it posted last, once more */
		w = *from;
		w.open = 1;
		if (w.posted.kind == ANSWER && w.posted.counter == w.packet)
			server_receives(&w, w.posted);
		else if (!w.ended && w.packet != 0)
			deliver(&w);
		add(&w);
		return;
	}
	/* it may break whatever is under way */
	if (from->breaks < MAX_BREAKS)
	{
		w = *from;
		w.open = 0;
		w.breaks++;
		w.wire = nothing;
		add(&w);
	}
	w = *from;
	switch (w.wire.kind)
	{
		case COMMAND:
			w.wire = w.posted = card_executes(&w, w.wire);
			add(&w);
			break;
		case ANSWER:
			w.wire = nothing;
			server_receives(&w, w.posted);
			add(&w);
			break;
		default:
			if (!w.ended && w.queued && w.packet == 0 && w.counter < MAX_PACKETS)
			{
				w.packet = ++w.counter;
				w.attempts = 1;
				deliver(&w);
				add(&w);
			}
	}
}

static void
successors(const World *from)
{
	World		w;
	Message    *m;

	/* the network */
	for (int i = 0; i < MAX_MESSAGES; i++)
	{
		Message		message = from->messages[i];

		if (message.kind == NOTHING)
			continue;
		w = *from;
		memset(&w.messages[i], 0, sizeof(Message));
		add(&w);				/* lost */
		if (message.kind == COMMAND)
			card_receives(&w, message);
		else
			server_receives(&w, message);
		add(&w);				/* arrived */
		w = *from;
		if (message.kind == COMMAND)
			card_receives(&w, message);
		else
			server_receives(&w, message);
		add(&w);				/* arrived, and will once more */
	}
	if (from->by_session)
		in_session(from);
	/* the SM-SR sends, or sends again */
	if (!from->ended && from->queued && from->attempts < MAX_ATTEMPTS && !from->by_session)
	{
		w = *from;
		if (w.packet == 0)
			w.packet = ++w.counter;
		w.attempts++;
		m = free_message(&w);
		if (m != NULL && w.counter <= MAX_PACKETS)
		{
			*m = (Message) {.kind = COMMAND, .step = w.step, .counter = w.packet,
				.sequence = sequence_of(&w)};
			add(&w);
		}
	}
	if (from->own_confirm && from->own_attempts < MAX_ATTEMPTS)
	{
		w = *from;
		if (w.own_counter == 0)
			w.own_counter = ++w.counter;
		w.own_attempts++;
		m = free_message(&w);
		if (m != NULL && w.counter <= MAX_PACKETS)
		{
			*m = (Message) {.kind = COMMAND, .step = STEP_CONFIRM, .counter = w.own_counter, .sequence = w.own_confirm};
			add(&w);
		}
	}
	/* the card's timers */
	if (from->owed)
	{
		w = *from;
		if (w.repeats <= MAX_REPEATS)
		{
			w.repeats++;
			card_says_again(&w);
			add(&w);
		}
		else
		{
			card_gives_up(&w);
			add(&w);
		}
	}
	/* somebody is impatient */
	if (!from->ended && from->stage == STAGE_NOTIFICATION)
	{
		w = *from;
		happen(&w, (ProcedureEvent) {.kind = EVENT_ASK}, NULL);
		add(&w);
	}
	/* the validity period */
	if (!from->ended)
	{
		w = *from;
		happen(&w, (ProcedureEvent) {.kind = EVENT_DEADLINE}, NULL);
		add(&w);
	}
}

/*
 * Cards are as they should be, or refuse what is relayed; the counters agree, or
 * the card's is ahead.
 */
static void
walk(ProcedureFunction function, const char *name, int cards, bool by_session)
{
	World		start;
	uint32_t	statuses[5] = {0};

	memset(slots, 0, SLOTS * sizeof(slots[0]));
	memset(&start, 0, sizeof(start));
	known = 0;
	fault = NULL;
	start.function = (uint8_t) function;
	start.by_session = by_session;
	start.enabled = start.eis = start.before = function == PROC_ENABLE_PROFILE ? FALLBACK : OTHER;
	happen(&start, (ProcedureEvent) {.kind = EVENT_START}, NULL);
	for (int i = 0; i < cards; i++)
	{
		start.refuses = i & 1;
		start.card_counter = (uint8_t) (i & 2);
		add(&start);
	}
	for (uint32_t i = 0; i < known && fault == NULL; i++)
	{
		judge(&worlds[i]);
		if (worlds[i].ended)
			statuses[worlds[i].status]++;
		if (fault == NULL)
			successors(&worlds[i]);
	}
	ok(fault == NULL, "%s: %u worlds%s%s", name, known, fault ? ": " : "", fault ? fault : "");
	ok(statuses[STATUS_SUCCESS] > 0 && statuses[STATUS_FAILED] > 0 && statuses[STATUS_EXPIRED] > 0,
	   "%s: it succeeds, fails and expires somewhere", name);
}

TEST_SUITE(model)
{
	room = 3u << 20;
	worlds = calloc(room, sizeof(World));
	slots = calloc(SLOTS, sizeof(slots[0]));
	walk(PROC_ENABLE_PROFILE, "enable", 1, false);
	walk(PROC_DISABLE_PROFILE, "disable", 1, false);
	walk(PROC_UPDATE_CONNECTIVITY, "relay", 4, false);
	walk(PROC_SEND_DATA, "send data", 4, false);
	walk(PROC_UPDATE_PLATFORM, "package", 4, false);
	walk(PROC_ENABLE_PROFILE, "enable in sessions", 1, true);
	walk(PROC_DISABLE_PROFILE, "disable in sessions", 1, true);
	walk(PROC_UPDATE_CONNECTIVITY, "relay in sessions", 2, true);
	walk(PROC_SEND_DATA, "send data in sessions", 2, true);
	walk(PROC_UPDATE_PLATFORM, "package in sessions", 2, true);
	free(worlds);
	free(slots);
}
