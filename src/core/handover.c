/*
 * handover.c
 *		The change of SM-SR as rows: the first row that fits a handover and an
 *		event says what becomes of it (SGP.02 clause 3.8, procedure of 32 steps).
 *
 * Subject and reason codes are those of facts with confidence "medium"; they
 * stand in this table and nowhere else.
 */
#include "handover.h"

#include <stddef.h>

#include "names.h"

#define G(stage)	(1u << (stage))
#define E(event)	(1u << (event))
#define SAME		(-1)

/* SR1, and SR2 can not have it yet: it has no receipt */
#define BEFORE_RECEIPT	(G(HANDOVER_OFFERED) | G(HANDOVER_AUTHENTICATING) | \
						 G(HANDOVER_CHALLENGED) | G(HANDOVER_ESTABLISHING))
#define AT_CARD			(G(HANDOVER_AUTHENTICATING) | G(HANDOVER_ESTABLISHING))
#define MAY_BE_GONE		(G(HANDOVER_PASSED_ON) | G(HANDOVER_ASKED_AGAIN) | G(HANDOVER_UNCERTAIN))
#define GIVING			(BEFORE_RECEIPT | MAY_BE_GONE)
/* SR2 */
#define AWAITING		(G(HANDOVER_AWAITING_CHALLENGE) | G(HANDOVER_AWAITING_RECEIPT))
#define COMMITTED		(G(HANDOVER_FINALISING) | G(HANDOVER_ADDRESSING))
#define ANY_STAGE		((1u << HANDOVER_STAGES) - 1)

typedef bool (*Condition) (const Handover *from, const HandoverEvent *ev);

typedef struct Row
{
	HandoverSide side;
	unsigned	stages;
	unsigned	events;
	Condition	when;
	int			stage;
	unsigned	effects;
	ProcedureStatus status;
	const char *subject;
	const char *reason;
	const char *because;
} Row;

static bool
always(const Handover *from, const HandoverEvent *ev)
{
	(void) from;
	(void) ev;
	return true;
}

static bool
known(const Handover *from, const HandoverEvent *ev)
{
	return ev->known || handover_committed(from->stage);
}

static bool
addressed(const Handover *from, const HandoverEvent *ev)
{
	(void) from;
	return ev->addressed;
}

static bool
warned(const Handover *from, const HandoverEvent *ev)
{
	return from->warned || ev->kind != HANDOVER_CARD_DONE;
}

#define ANSWER		HANDOVER_ANSWER
#define ANSWERED	(HANDOVER_ANSWER_OFFER | HANDOVER_FINISH)
#define END			HANDOVER_FINISH

static const Row rows[] = {
	/* ---- SR1: gives ---- */

	/* the operator asks */
	{HANDOVER_GIVES, G(HANDOVER_NONE), E(HANDOVER_CHANGE), always,
	HANDOVER_OFFERED, HANDOVER_ASK_TAKE, STATUS_RUNNING, NULL, NULL, NULL},
	/* whoever asks again after an unknown end has SR2 asked again: it knows */
	{HANDOVER_GIVES, G(HANDOVER_UNCERTAIN), E(HANDOVER_CHANGE), always,
		HANDOVER_PASSED_ON, HANDOVER_ASK_TAKE, STATUS_RUNNING, NULL, NULL,
	"the other SM-SR is asked whether it has the eUICC"},
	{HANDOVER_GIVES, GIVING, E(HANDOVER_CHANGE), always,
		SAME, 0, STATUS_FAILED, "1.2", "4.4",
	"the eUICC is being handed over"},

	/*
	 * SR2 asks.  It may do so anew after it has begun anew, as long as no receipt
	 * has left: a challenge is only good for the key set that is signed over it.
	 */
	{HANDOVER_GIVES, G(HANDOVER_OFFERED) | G(HANDOVER_CHALLENGED), E(HANDOVER_AUTHENTICATE), always,
	HANDOVER_AUTHENTICATING, HANDOVER_TO_CARD, STATUS_RUNNING, NULL, NULL, NULL},
	{HANDOVER_GIVES, G(HANDOVER_CHALLENGED), E(HANDOVER_CREATE_KEY_SET), always,
	HANDOVER_ESTABLISHING, HANDOVER_TO_CARD, STATUS_RUNNING, NULL, NULL, NULL},
	{HANDOVER_GIVES, G(HANDOVER_OFFERED), E(HANDOVER_CREATE_KEY_SET), always,
		SAME, 0, STATUS_FAILED, "1.6", "3.5",
	"the SM-SR has not authenticated itself to the card"},
	{HANDOVER_GIVES, GIVING, E(HANDOVER_AUTHENTICATE) | E(HANDOVER_CREATE_KEY_SET), always,
		SAME, 0, STATUS_FAILED, "1.2", "4.4",
	"another question about the eUICC is not answered yet"},
	{HANDOVER_GIVES, ANY_STAGE, E(HANDOVER_AUTHENTICATE) | E(HANDOVER_CREATE_KEY_SET), always,
		SAME, 0, STATUS_FAILED, "8.1.1", "3.9",
	"the EID is not being handed over"},

	/* the card answers */
	{HANDOVER_GIVES, G(HANDOVER_AUTHENTICATING), E(HANDOVER_CARD_DONE), always,
	HANDOVER_CHALLENGED, ANSWER, STATUS_RUNNING, NULL, NULL, NULL},
	{HANDOVER_GIVES, G(HANDOVER_ESTABLISHING), E(HANDOVER_CARD_DONE), always,
		HANDOVER_PASSED_ON, ANSWER, STATUS_RUNNING, NULL, NULL,
	"the receipt is passed on: only the other SM-SR can tell who has the eUICC"},
	/* without its receipt a key set is nobody's: SR1's own stays in use */
	{HANDOVER_GIVES, AT_CARD, E(HANDOVER_CARD_FAILED), always,
		HANDOVER_OFFERED, ANSWER, STATUS_FAILED, NULL, NULL,
	"the card did not do it, or not in time"},

	/* SR2's last word; that it has the eUICC is true whenever it is said */
	{HANDOVER_GIVES, GIVING, E(HANDOVER_TAKEN), always,
	HANDOVER_NONE, HANDOVER_GIVE_UP | END, STATUS_SUCCESS, NULL, NULL, NULL},
	/*
	 * That it has not is true of the moment in which it was said.  If an older offer
	 * reached it after the one that it answers, it may since have asked for the
	 * receipt that is on its way now.  It drops what it had begun when it hears of
	 * one more offer: the answer to that one is final.
	 */
	{HANDOVER_GIVES, G(HANDOVER_PASSED_ON) | G(HANDOVER_UNCERTAIN), E(HANDOVER_NOT_TAKEN), always,
		HANDOVER_ASKED_AGAIN, HANDOVER_ASK_TAKE, STATUS_RUNNING, NULL, NULL,
	"the other SM-SR had not taken the eUICC: asked again, now that it may have the receipt"},
	{HANDOVER_GIVES, GIVING, E(HANDOVER_NOT_TAKEN), always,
		HANDOVER_NONE, END, STATUS_FAILED, NULL, NULL,
	"the other SM-SR did not take the eUICC: it stays here"},

	{HANDOVER_GIVES, BEFORE_RECEIPT, E(HANDOVER_DEADLINE), always,
		HANDOVER_NONE, END, STATUS_EXPIRED, "1.6", "5.3",
	"the other SM-SR did not take the eUICC in time: it stays here"},
	{HANDOVER_GIVES, G(HANDOVER_PASSED_ON) | G(HANDOVER_ASKED_AGAIN), E(HANDOVER_DEADLINE), always,
		HANDOVER_UNCERTAIN, END, STATUS_EXPIRED, "1.6", "5.3",
	"the other SM-SR may have the eUICC: it stays locked until that one is heard"},

	/* ---- SR2: takes ---- */

	{HANDOVER_TAKES, ANY_STAGE, E(HANDOVER_PREPARE), known,
		SAME, 0, STATUS_FAILED, "8.1.1", "3.3",
	"the EID is registered here already"},
	{HANDOVER_TAKES, AWAITING | COMMITTED, E(HANDOVER_PREPARE), always,
		SAME, 0, STATUS_FAILED, "1.2", "4.4",
	"the eUICC is being taken over"},
	{HANDOVER_TAKES, ANY_STAGE, E(HANDOVER_PREPARE), always,
	HANDOVER_PREPARED, ANSWER, STATUS_SUCCESS, NULL, NULL, NULL},

	/* SR1 has not heard, or has forgotten, that it is over */
	{HANDOVER_TAKES, ANY_STAGE, E(HANDOVER_OFFER) | E(HANDOVER_BAD_OFFER), known,
		SAME, HANDOVER_ANSWER_OFFER, STATUS_WITHWARNING, "8.1.1", "3.3",
	"the eUICC is managed here already"},
	{HANDOVER_TAKES, G(HANDOVER_PREPARED), E(HANDOVER_OFFER), always,
	HANDOVER_AWAITING_CHALLENGE, HANDOVER_ASK_AUTHENTICATE, STATUS_RUNNING, NULL, NULL, NULL},
	/*
	 * SR1 began anew.  A receipt that is still on its way is for a key which is
	 * gone now: it can not commit any more.
	 */
	{HANDOVER_TAKES, AWAITING, E(HANDOVER_OFFER), always,
		HANDOVER_AWAITING_CHALLENGE, HANDOVER_DROP | HANDOVER_ASK_AUTHENTICATE, STATUS_RUNNING, NULL, NULL,
	"the eUICC is offered anew: what had begun is dropped"},
	{HANDOVER_TAKES, AWAITING, E(HANDOVER_BAD_OFFER), always,
		HANDOVER_NONE, HANDOVER_DROP | ANSWERED, STATUS_FAILED, NULL, NULL,
	"what is offered does not verify"},
	{HANDOVER_TAKES, G(HANDOVER_PREPARED), E(HANDOVER_BAD_OFFER), always,
		SAME, HANDOVER_ANSWER_OFFER, STATUS_FAILED, NULL, NULL,
	"what is offered does not verify"},
	{HANDOVER_TAKES, ANY_STAGE, E(HANDOVER_OFFER) | E(HANDOVER_BAD_OFFER), always,
		SAME, HANDOVER_ANSWER_OFFER, STATUS_FAILED, "8.1.1", "3.9",
	"no operator has prepared the change for this EID"},

	{HANDOVER_TAKES, G(HANDOVER_AWAITING_CHALLENGE), E(HANDOVER_CHALLENGE), always,
	HANDOVER_AWAITING_RECEIPT, HANDOVER_ASK_KEY_SET, STATUS_RUNNING, NULL, NULL, NULL},
	/* the commit point */
	{HANDOVER_TAKES, G(HANDOVER_AWAITING_RECEIPT), E(HANDOVER_RECEIPT), always,
		HANDOVER_FINALISING, HANDOVER_DROP | HANDOVER_TAKE | HANDOVER_TO_CARD, STATUS_RUNNING, NULL, NULL,
	"the card has the new keys: the eUICC is managed here"},
	{HANDOVER_TAKES, G(HANDOVER_AWAITING_RECEIPT), E(HANDOVER_BAD_RECEIPT), always,
		HANDOVER_NONE, HANDOVER_DROP | ANSWERED, STATUS_FAILED, "8.4", "6.1",
	"the receipt does not prove that the card has the new keys"},
	{HANDOVER_TAKES, AWAITING, E(HANDOVER_DECLINED), always,
		HANDOVER_NONE, HANDOVER_DROP | ANSWERED, STATUS_FAILED, NULL, NULL,
	"the other SM-SR or the card refused"},
	{HANDOVER_TAKES, AWAITING, E(HANDOVER_DEADLINE), always,
		HANDOVER_NONE, HANDOVER_DROP | ANSWERED, STATUS_EXPIRED, "1.6", "5.3",
	"the other SM-SR or the card did not answer in time"},
	{HANDOVER_TAKES, G(HANDOVER_PREPARED), E(HANDOVER_DEADLINE), always,
		HANDOVER_NONE, 0, STATUS_EXPIRED, "1.6", "5.3",
	"the eUICC was not offered in time"},

	/* committed: warnings at most */
	{HANDOVER_TAKES, G(HANDOVER_FINALISING), E(HANDOVER_CARD_DONE) | E(HANDOVER_CARD_FAILED), addressed,
	HANDOVER_ADDRESSING, HANDOVER_TO_CARD, STATUS_RUNNING, NULL, NULL, NULL},
	{HANDOVER_TAKES, COMMITTED, E(HANDOVER_CARD_DONE) | E(HANDOVER_CARD_FAILED) | E(HANDOVER_DEADLINE), warned,
		HANDOVER_NONE, ANSWERED | HANDOVER_TELL, STATUS_WITHWARNING, "8.4", "4.2",
	"the eUICC is taken over, but the card was not told all of it"},
	{HANDOVER_TAKES, COMMITTED, E(HANDOVER_CARD_DONE), always,
	HANDOVER_NONE, ANSWERED | HANDOVER_TELL, STATUS_SUCCESS, NULL, NULL, NULL},
};

HandoverResult
handover(const Handover *from, const HandoverEvent *event)
{
	HandoverResult result = {.handover = *from};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		const Row  *row = &rows[i];

		if (row->side != from->side || !(row->stages & G(from->stage)) ||
			!(row->events & E(event->kind)) || !row->when(from, event))
			continue;
		result.expected = true;
		result.effects = row->effects;
		result.status = row->status;
		result.subject = row->subject;
		result.reason = row->reason;
		result.because = row->because;
		if (row->stage != SAME)
			result.handover.stage = (HandoverStage) row->stage;
		if (event->kind == HANDOVER_CARD_FAILED && handover_committed(result.handover.stage))
			result.handover.warned = true;
		break;
	}
	return result;
}

bool
handover_committed(HandoverStage stage)
{
	return (G(stage) & COMMITTED) != 0;
}

bool
handover_locked(HandoverStage stage)
{
	return (G(stage) & GIVING) != 0;
}

/* ---- names ---- */

static const char *const side_names[HANDOVER_SIDES] = {"gives", "takes"};
static const char *const stage_names[HANDOVER_STAGES] = {
	NULL, "offered", "authenticating", "challenged", "establishing", "passed_on",
	"asked_again", "uncertain",
	"prepared", "awaiting_challenge", "awaiting_receipt", "finalising", "addressing"
};
static const char *const event_names[HANDOVER_EVENTS] = {
	"change", "authenticate", "create_key_set", "taken", "not_taken",
	"prepare", "offer", "bad_offer", "challenge", "receipt", "bad_receipt", "declined",
	"card_done", "card_failed", "deadline"
};
static const char *const effect_names[HANDOVER_EFFECTS] = {
	"drop", "take", "give_up", "ask_take", "ask_authenticate", "ask_key_set", "to_card",
	"answer", "answer_offer", "tell", "finish"
};

#define NAME_FUNCTIONS(noun, type, names, count) \
const char * \
handover_##noun##_name(type value) \
{ \
	return (unsigned) value < (count) ? names[value] : NULL; \
} \
bool \
handover_##noun##_parse(const char *name, type *value) \
{ \
	int			i = name_index(names, count, name); \
	if (i < 0) \
		return false; \
	*value = (type) i; \
	return true; \
}

NAME_FUNCTIONS(side, HandoverSide, side_names, HANDOVER_SIDES)
NAME_FUNCTIONS(stage, HandoverStage, stage_names, HANDOVER_STAGES)
NAME_FUNCTIONS(event, HandoverEventKind, event_names, HANDOVER_EVENTS)

const char *
handover_effect_name(int bit)
{
	return bit >= 0 && bit < HANDOVER_EFFECTS ? effect_names[bit] : NULL;
}
