/*
 * fuzz_procedure.c
 *		Octets as events, one after the other, into one operation and into the
 *		profiles of one eUICC.
 *
 * The tests of core walk every operation with every event; here the past counts:
 * what was sent, dropped, followed and asked before.  The shell keeps as much of
 * that as the database does.
 */
#include "fuzz.h"

#include "core/es5.h"
#include "core/lifecycle.h"
#include "core/notification.h"
#include "core/procedure.h"
#include "core/scp80.h"

/* ---- one operation ---- */

typedef struct Shell
{
	Operation	op;
	bool		packet;			/* there is one, and no more than one */
	int			attempts;		/* of it */
	int			resyncs;		/* of its step */
	int			ended;
	ProcedureStatus status;
	bool		followed;		/* a notification or an audit spoke of the target */
	bool		target_enabled; /* and this is what the last of them said */
	bool		carried_out;	/* the chunk that this event answers */
	bool		mended;			/* an audit had to move the counter: sending anew is safe */
	unsigned	sent;			/* steps whose command was sent */
	unsigned	done;			/* effects there were */
	bool		target_gone;
	bool		replaces;		/* a key set that takes another one's place */
} Shell;

static const uint16_t words[] = {
	0, SW_OK, 0x6101, SW_MEMORY_FAILURE, SW_CONDITIONS, SW_POL1, SW_WRONG_DATA, SW_NOT_FOUND,
	SW_NO_MEMORY, SW_REFERENCE_NOT_FOUND, 0x6310, 0xFFFF, SW_OK, SW_OK, SW_OK, SW_OK
};

/* steps that must not be executed twice */
#define CHANGES	(1u << STEP_CREATE | 1u << STEP_ENABLE | 1u << STEP_DISABLE | 1u << STEP_DELETE | \
				 1u << STEP_SET_FALLBACK | 1u << STEP_MASTER_DELETE | 1u << STEP_AUTO_DELETE | \
				 1u << STEP_RELAY | 1u << STEP_ESTABLISH | 1u << STEP_PACKAGE)

/* What a gateway, a card and the database may say at this point. */
static bool
next_event(Shell *s, SmsrBytes *input, ProcedureEvent *ev)
{
	uint8_t		kind = take_u8(input);
	uint8_t		code = take_u8(input);
	uint8_t		facts = take_u8(input);
	uint8_t		card = take_u8(input);

	memset(ev, 0, sizeof(*ev));
	if ((kind & 0x0F) >= PROCEDURE_EVENTS)
	{
		if (s->packet && s->attempts < 100)
			s->attempts++;
		return false;
	}
	ev->kind = (ProcedureEventKind) (kind & 0x0F);
	/* a PoR answers what was sent; a late one may come at any time */
	if (ev->kind == EVENT_POR && s->attempts == 0)
		s->attempts = 1;
	/* only what was delivered is lost */
	if (ev->kind == EVENT_LOST && (!s->packet || s->attempts == 0))
		return false;
	if (ev->kind == EVENT_POR)
	{
		ev->por_status = (kind & 0x10) != 0 ? code & 0x0F : SCP80_POR_OK;
		ev->sw = ev->por_status == SCP80_POR_OK ? words[code & 0x0F] : 0;
	}
	ev->type = code & 0x07;
	ev->attempts = s->attempts;
	ev->resyncs = s->resyncs;
	ev->names_target = facts & 0x01;
	ev->target_enabled = facts & 0x02;
	ev->target_gone = facts & 0x04;
	ev->auto_delete = facts & 0x08;
	ev->card_fallback = facts & 0x10;
	ev->card_left_gone = facts & 0x20;
	ev->card_state = (ProfileState) (card % PROFILE_STATES);
	ev->keys_pending = card & 0x01;
	ev->keys_replace = s->replaces;
	ev->keys_mute = card & 0x04;
	ev->keys_match = card & 0x08;
	ev->keys_differ = card & 0x10;
	ev->keys_told = card & 0x20;
	ev->keys_there = card & 0x40;
	ev->executed = facts & 0x40;
	ev->more_chunks = facts & 0x80;
	return true;
}

static bool
same(const Operation *a, const Operation *b)
{
	return a->function == b->function && a->step == b->step && a->stage == b->stage &&
		a->doubt == b->doubt && a->failed == b->failed && a->warned == b->warned;
}

/* What holds for each event alone; test_procedure.c has these for all of them. */
static void
always_true(const Operation *op, const ProcedureEvent *ev, const ProcedureResult *r)
{
	const bool	finish = (r->effects & EFFECT_FINISH) != 0;

	property(r->operation.function == op->function);
	property((r->status != STATUS_RUNNING) == finish);
	property((r->operation.stage == STAGE_FINISHED) == (finish || op->stage == STAGE_FINISHED));
	property(r->effects < 1u << PROCEDURE_EFFECTS);
	if (r->status > STATUS_SUCCESS)
		property(r->subject != NULL && r->reason != NULL && r->because != NULL);
	else
		property(r->subject == NULL && r->reason == NULL);
	property(!((r->effects & EFFECT_FOLLOW) && (r->effects & EFFECT_SPONTANEOUS)));
	if (r->effects & (EFFECT_FOLLOW | EFFECT_SPONTANEOUS))
		property(ev->kind == EVENT_NOTIFICATION);
	if (r->effects & (EFFECT_ADD_TARGET | EFFECT_REMOVE_TARGET | EFFECT_REMOVE_LEFT | EFFECT_MOVE_FALLBACK |
					  EFFECT_SET_EMERGENCY | EFFECT_UNSET_EMERGENCY | EFFECT_DROP_DELETED | EFFECT_FOLLOW_AUDIT))
		property(ev->kind == EVENT_POR && ev->por_status == SCP80_POR_OK);
	if (ev->kind == EVENT_POR_UNAUTHENTICATED)
		property(same(op, &r->operation) && (r->effects & ~(unsigned) EFFECT_RETRY_LATER) == 0);
	if (op->stage == STAGE_FINISHED)
	{
		property(same(op, &r->operation) && r->effects == 0);
		return;
	}
	if (ev->kind == EVENT_NOTIFICATION)
		property(r->effects & (EFFECT_FOLLOW | EFFECT_SPONTANEOUS));
	if (ev->kind == EVENT_DEADLINE)
		property(finish);
	if (op->stage == STAGE_WAITING)
		property(r->operation.stage != STAGE_WAITING || (r->effects & ~(unsigned) EFFECT_SPONTANEOUS) == 0);
}

/* One packet at a time, and what is awaited is under way. */
static void
carry_packet(Shell *s, const ProcedureResult *r)
{
	const unsigned step = 1u << r->operation.step;

	if (r->effects & (EFFECT_HASTEN | EFFECT_RETRY_LATER | EFFECT_RESYNC))
		property(s->packet && !(r->effects & (EFFECT_DROP_PACKET | EFFECT_SEND)));
	if (r->effects & EFFECT_RESYNC)
	{
		property(s->resyncs < PROCEDURE_MAX_RESYNCS && (s->sent & CHANGES & step) == 0);
		s->resyncs++;
		s->attempts = 0;
	}
	if (r->effects & EFFECT_DROP_PACKET)
		s->packet = false;
	if (r->effects & EFFECT_SEND)
	{
		property(!s->packet);
		/* a second time only what the card can not have had, and a chunk behind another one */
		if (step == 1u << STEP_PACKAGE)
			property(!(s->sent & step) || s->carried_out);
		else if (s->sent & CHANGES & step)
			property(s->mended && step != 1u << STEP_RELAY && step != 1u << STEP_ESTABLISH);
		s->sent |= step;
		s->packet = true;
	}
	if (!s->packet || (r->effects & EFFECT_SEND))
	{
		s->attempts = 0;
		s->resyncs = 0;
	}
	property(s->packet == (r->operation.stage == STAGE_SENDING));
}

/* What it may end with, after all that was. */
static void
judge(const Shell *s, const ProcedureEvent *ev)
{
	const bool	done = s->status == STATUS_SUCCESS || s->status == STATUS_WITHWARNING;

	property(s->ended == 1 && !s->packet);
	if (s->op.failed)
		property(!done);
	if (s->status == STATUS_SUCCESS)
		property(!s->op.warned);
	if (s->status == STATUS_EXPIRED)
		property(ev->kind == EVENT_DEADLINE || ev->kind == EVENT_LOST);
	if (!done)
	{
		property(!(s->done & EFFECT_ADOPT_KEYS));
		return;
	}
	property(s->sent != 0);
	switch (s->op.function)
	{
		case PROC_ENABLE_PROFILE:
			property(s->followed && s->target_enabled);
			break;
		case PROC_DISABLE_PROFILE:
			property(s->followed && !s->target_enabled);
			break;
		case PROC_CREATE_ISDP:
			property(s->done & EFFECT_ADD_TARGET);
			break;
		case PROC_DELETE_PROFILE:
			property((s->done & EFFECT_REMOVE_TARGET) || s->target_gone);
			break;
		case PROC_SET_FALLBACK_ATTRIBUTE:
			property(s->done & EFFECT_MOVE_FALLBACK);
			break;
		case PROC_MASTER_DELETE:
			property(s->done & EFFECT_REMOVE_TARGET);
			break;
		case PROC_SET_EMERGENCY_ATTRIBUTE:
			property(s->done & EFFECT_SET_EMERGENCY);
			break;
		case PROC_UNSET_EMERGENCY_ATTRIBUTE:
			property(s->done & EFFECT_UNSET_EMERGENCY);
			break;
		case PROC_UPDATE_CONNECTIVITY:
		case PROC_AUTHENTICATE_SMSR:
		case PROC_CREATE_KEY_SET:
		case PROC_FINALISE_HANDOVER:
		case PROC_UPDATE_SMSR_ADDRESSING:
			/* no audit shows it: only the card's own word will do */
			property(ev->kind == EVENT_POR && sw_is_success(ev->sw));
			break;
		case PROC_SEND_DATA:
			property(ev->kind == EVENT_POR && ev->executed);
			break;
		case PROC_MANAGE:
			property(ev->kind == EVENT_POR && ev->executed && (sw_is_success(ev->sw) || ev->sw == SW_MORE_DATA));
			break;
		case PROC_UPDATE_PLATFORM:
			property(ev->kind == EVENT_POR && ev->executed && sw_is_success(ev->sw) && !ev->more_chunks);
			break;
		case PROC_ROTATE_KEYS:
			property((s->done & EFFECT_ADOPT_KEYS) && (ev->kind == EVENT_PROVEN || s->op.step == STEP_PROVE));
			break;
		case PROC_AUDIT_EIS:
			property(s->done & EFFECT_FOLLOW_AUDIT);
			break;
		case PROC_CONFIRM_NOTIFICATION:
			break;
	}
}

static void
feed(Shell *s, const ProcedureEvent *ev)
{
	const Operation before = s->op;
	ProcedureResult r = procedure(&s->op, ev);

	always_true(&before, ev, &r);
	/* the audit's answer decides with the resyncs that the audit took */
	if (before.step == STEP_AUDIT && ev->kind == EVENT_POR)
		s->mended = s->resyncs > 0;
	s->carried_out = before.step == STEP_PACKAGE && ev->kind == EVENT_POR && ev->executed && sw_is_success(ev->sw);
	carry_packet(s, &r);
	s->op = r.operation;
	s->done |= r.effects;
	if (r.effects & EFFECT_FOLLOW)
	{
		s->followed = true;
		s->target_enabled = ev->names_target;
	}
	/* behind the confirmation the switch is done, wherever the card went later */
	if ((r.effects & EFFECT_FOLLOW_AUDIT) && before.doubt != STEP_AUTO_DELETE)
	{
		s->followed = true;
		s->target_enabled = ev->card_state == PROFILE_ENABLED;
	}
	if ((r.effects & EFFECT_DROP_DELETED) && ev->target_gone)
		s->target_gone = true;
	if (r.effects & EFFECT_FINISH)
	{
		s->ended++;
		s->status = r.status;
		judge(s, ev);
	}
	property(s->ended == (s->op.stage == STAGE_FINISHED));
}

static void
operate(SmsrBytes input)
{
	Shell		s = {0};
	ProcedureEvent ev;

	s.op.function = (ProcedureFunction) (take_u8(&input) % PROCEDURE_FUNCTIONS);
	s.replaces = input.len & 1;
	s.op.stage = STAGE_WAITING;
	while (input.len > 0)
	{
		if (next_event(&s, &input, &ev))
			feed(&s, &ev);
	}
	/* nothing lasts longer than its validity period, and its end is not its last event */
	for (int i = 0; i < 2; i++)
	{
		ev = (ProcedureEvent) {.kind = EVENT_DEADLINE,.attempts = s.attempts};
		feed(&s, &ev);
	}
	property(s.ended == 1);
}

/* ---- the profiles of one eUICC ---- */

#define PROFILES	4

static int
enabled_one(const LifecycleProfile *profiles)
{
	int			found = -1;

	for (int i = 0; i < PROFILES; i++)
	{
		if (profiles[i].state != PROFILE_ENABLED)
			continue;
		property(found < 0);
		found = i;
	}
	return found;
}

/* What an event of a party may not get past. */
static void
allowed(const LifecycleProfile *p, const LifecycleProfile *enabled, LifecycleEvent event)
{
	switch (event)
	{
		case ASK_ENABLE:
			property(p->state == PROFILE_DISABLED && !(p->pol2 & POL2_ENABLE_NOT_ALLOWED));
			property(enabled->state != PROFILE_ENABLED || !(enabled->pol2 & POL2_DISABLE_NOT_ALLOWED));
			break;
		case ASK_DISABLE:
			property(p->state == PROFILE_ENABLED && !p->fallback && !(p->pol2 & POL2_DISABLE_NOT_ALLOWED));
			break;
		case ASK_DELETE:
			property(p->state != PROFILE_ABSENT && !p->fallback && !(p->pol2 & POL2_DELETE_NOT_ALLOWED));
			property(p->state != PROFILE_ENABLED || !(p->pol2 & POL2_DISABLE_NOT_ALLOWED));
			break;
		case ASK_MASTER_DELETE:
			property(p->state == PROFILE_DISABLED && !p->fallback);
			break;
		case ASK_UNSET_EMERGENCY:
			property(p->emergency && p->state != PROFILE_ENABLED && p->state != PROFILE_ABSENT);
			break;
		case ASK_UPDATE_CONNECTIVITY:
			property(p->state != PROFILE_ABSENT);
			break;
		default:
			break;
	}
}

static void
live(SmsrBytes input)
{
	static const LifecycleProfile none = {.state = PROFILE_ABSENT};
	LifecycleProfile profiles[PROFILES] = {{.state = PROFILE_ENABLED,.fallback = true}};

	while (input.len > 0)
	{
		uint8_t		what = take_u8(&input);
		LifecycleProfile *p = &profiles[what % PROFILES];
		LifecycleEvent event = (LifecycleEvent) ((what & 0x3F) / PROFILES % LIFECYCLE_EVENTS);
		int			at = enabled_one(profiles);
		const LifecycleProfile enabled = at < 0 ? none : profiles[at];
		LifecycleVerdict v;

		if ((what & 0xC0) == 0xC0)
			p->pol2 = take_u8(&input) & ((1 << POL2_RULES) - 1);
		v = lifecycle(p, &enabled, event);
		property((v.subject == NULL) == (v.reason == NULL) && (v.subject == NULL) == (v.because == NULL));
		property(lifecycle_reachable(p->state, v.state));
		if (v.subject != NULL)
		{
			property(v.state == p->state);
			continue;
		}
		allowed(p, &enabled, event);
		switch (event)
		{
			case ASK_SET_FALLBACK:
				property(v.state == p->state && !p->emergency);
				for (int i = 0; i < PROFILES; i++)
					profiles[i].fallback = &profiles[i] == p;
				break;
			case ASK_SET_EMERGENCY:
				property(v.state == p->state && !p->fallback);
				for (int i = 0; i < PROFILES; i++)
					profiles[i].emergency = &profiles[i] == p;
				break;
			case ASK_UNSET_EMERGENCY:
				property(v.state == p->state);
				p->emergency = false;
				break;
			case CARD_ENABLED:
				/* what is left is disabled, whatever its POL2 */
				if (at >= 0 && &profiles[at] != p)
				{
					LifecycleVerdict left = lifecycle(&profiles[at], &enabled, CARD_DISABLED);

					property(left.subject == NULL && left.state == PROFILE_DISABLED);
					profiles[at].state = left.state;
				}
				p->state = v.state;
				property(enabled_one(profiles) == (int) (p - profiles));
				break;
			case ASK_DOWNLOAD_COMPLETED:
			case CARD_CREATED:
			case CARD_DISABLED:
				p->state = v.state;
				break;
			case CARD_DELETED:
				*p = none;
				break;
			default:
				/* only asked: the card has not said that it happened */
				break;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);

	if (take_u8(&input) & 1)
		live(input);
	else
		operate(input);
	return 0;
}
