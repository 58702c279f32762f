/*
 * test_procedure.c
 *		Every operation with every event: rules that hold for all of them, and
 *		the procedures of SGP.02 step by step.
 */
#include "core/es5.h"
#include "core/notification.h"
#include "core/procedure.h"
#include "core/scp80.h"
#include "procedure_steps.h"
#include "tap.h"

#include <string.h>

/* ---- all operations, all events ---- */

typedef void (*Check) (const Operation *op, const ProcedureEvent *ev, const ProcedureResult *r);

static const uint8_t por_statuses[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 255};
static const uint16_t words[] = {0, 0x9000, 0x6101, 0x6581, 0x6985, 0x69E1, 0x6A80, 0x6A82, 0x6A84, 0x6A88, 0x6310, 0x9485, 0xFFFF};
static const uint8_t types[] = {0, 1, 2, 3, 4, 5, 6, 255};

static bool
about_keys(ProcedureStep step)
{
	return step == STEP_NONE || step == STEP_PUT_KEY || step == STEP_KEY_INFO || step == STEP_PROVE;
}

static long
for_each_event(const Operation *op, Check check)
{
	long		count = 0;
	ProcedureEvent ev;
	ProcedureResult r;

#define TRY() \
	do { r = procedure(op, &ev); check(op, &ev, &r); count++; } while (0)

	/* about a profile, or about a key set */
	for (int facts = 0; facts < (op->function != PROC_ROTATE_KEYS ? 64 : about_keys(op->step) ? 128 : 1); facts++)
		for (int attempts = 0; attempts < 3; attempts++)
			for (int card = 0; card < (op->step == STEP_AUDIT ? PROFILE_STATES : 1); card++)
			{
				memset(&ev, 0, sizeof(ev));
				ev.attempts = attempts;
				ev.card_state = (ProfileState) card;
				ev.target_enabled = facts & 1;
				ev.target_gone = facts & 2;
				ev.auto_delete = facts & 4;
				ev.card_fallback = facts & 8;
				ev.card_left_gone = facts & 16;
				ev.names_target = facts & 32;
				ev.executed = facts & 8;
				ev.more_chunks = facts & 16;
				if (op->function == PROC_ROTATE_KEYS)
				{
					ev.keys_replace = facts & 1;
					ev.keys_pending = facts & 2;
					ev.keys_mute = facts & 4;
					ev.keys_match = facts & 8;
					ev.keys_differ = facts & 16;
					ev.keys_told = facts & 32;
					ev.keys_there = facts & 64;
				}
				ev.kind = EVENT_POR;
				/* two of the facts are not about an answer */
				for (size_t s = 0; ((facts & 33) == 0 || op->function == PROC_ROTATE_KEYS) && s < sizeof(por_statuses); s++)
				{
					ev.por_status = por_statuses[s];
					for (ev.resyncs = 0; ev.resyncs <= PROCEDURE_MAX_RESYNCS; ev.resyncs += PROCEDURE_MAX_RESYNCS)
						/* a packet that was not accepted has no R-APDUs */
						for (size_t w = 0; w < (ev.por_status == 0 ? sizeof(words) / sizeof(words[0]) : 1); w++)
						{
							ev.sw = words[w];
							TRY();
						}
				}
				if (card > 0)
					continue;
				ev.kind = EVENT_NOTIFICATION;
				for (size_t t = 0; t < sizeof(types); t++)
				{
					ev.type = types[t];
					TRY();
				}
				for (int kind = 0; kind < PROCEDURE_EVENTS; kind++)
					if (kind != EVENT_POR && kind != EVENT_NOTIFICATION)
					{
						ev.kind = (ProcedureEventKind) kind;
						TRY();
					}
			}
	return count;
}

/* whether there is such a step with this in doubt */
static bool
asks(int function, int step, int doubt)
{
	if (function == PROC_ROTATE_KEYS)
		return doubt == STEP_NONE || doubt == STEP_PUT_KEY;
	return doubt == STEP_NONE || step == STEP_AUDIT;
}

static long
for_all(Check check)
{
	long		count = 0;
	Operation	op;

	for (int function = 0; function < PROCEDURE_FUNCTIONS; function++)
		for (int step = 0; step < PROCEDURE_STEPS; step++)
			for (int stage = 0; stage < PROCEDURE_STAGES; stage++)
				/* only where something is asked it is in doubt: see procedure_reachable */
				for (int doubt = 0; doubt < PROCEDURE_STEPS; doubt++)
					for (int flags = 0; flags < (asks(function, step, doubt) ? 4 : 0); flags++)
					{
						op.function = (ProcedureFunction) function;
						op.step = (ProcedureStep) step;
						op.stage = (ProcedureStage) stage;
						op.doubt = (ProcedureStep) doubt;
						op.failed = flags & 1;
						op.warned = flags & 2;
						count += for_each_event(&op, check);
					}
	return count;
}

static const char *broken;

#define rule(condition, words) \
	do { if (!(condition)) broken = (words); } while (0)

static bool
same(const Operation *a, const Operation *b)
{
	return a->function == b->function && a->step == b->step && a->stage == b->stage &&
		a->doubt == b->doubt && a->failed == b->failed && a->warned == b->warned;
}

/* may be executed twice, and no audit shows it */
static bool
repeatable(ProcedureStep step)
{
	return step == STEP_SET_EMERGENCY || step == STEP_UNSET_EMERGENCY || step == STEP_ADDRESSING ||
		step == STEP_AUTHENTICATE || step == STEP_FINALISE || step == STEP_MANAGE;
}

#define KEY_EFFECTS (EFFECT_ADOPT_KEYS | EFFECT_FORGET_KEYS | EFFECT_REVOKE_KEYS | EFFECT_VACATE_KEYS)

/* no audit shows what became of it */
static bool
unseen(ProcedureStep step)
{
	return repeatable(step) || step == STEP_RELAY || step == STEP_ESTABLISH || step == STEP_PACKAGE;
}

/* may not be executed twice, and an audit shows it */
static bool
changes(ProcedureStep step)
{
	return step == STEP_CREATE || step == STEP_ENABLE || step == STEP_DISABLE || step == STEP_DELETE ||
		step == STEP_SET_FALLBACK || step == STEP_MASTER_DELETE || step == STEP_AUTO_DELETE;
}

static bool
of_rotation(ProcedureStep step)
{
	return step == STEP_PUT_KEY || step == STEP_KEY_INFO || step == STEP_PROVE;
}

/* whether an operation of this function has this command at all */
static bool
has_command(const Operation *op)
{
	if (op->step == STEP_NONE)
		return false;
	if (op->step == STEP_CONFIRM)
		return true;
	return of_rotation(op->step) ? op->function == PROC_ROTATE_KEYS : op->function != PROC_CONFIRM_NOTIFICATION;
}

static void
always_true(const Operation *op, const ProcedureEvent *ev, const ProcedureResult *r)
{
	bool		finish = r->effects & EFFECT_FINISH;

	if (op->stage == STAGE_FINISHED)
	{
		rule(same(op, &r->operation) && r->effects == 0 && r->status == STATUS_RUNNING,
			 "what is finished stays as it is");
		return;
	}
	rule(r->operation.function == op->function, "an operation keeps its function");
	rule((r->status != STATUS_RUNNING) == finish, "a status comes with the end");
	rule((r->operation.stage == STAGE_FINISHED) == finish, "the end comes with a status");
	if (r->status > STATUS_SUCCESS)
		rule(r->subject != NULL && r->reason != NULL && r->because != NULL,
			 "what is not a success has subject, reason and words");
	if (r->status == STATUS_SUCCESS || r->status == STATUS_RUNNING)
		rule(r->subject == NULL && r->reason == NULL, "no codes where nothing failed");
	if (r->effects & EFFECT_SEND)
	{
		rule(r->operation.stage == STAGE_SENDING, "what is sent is awaited");
		rule(op->stage != STAGE_SENDING || (r->effects & EFFECT_DROP_PACKET),
			 "one packet of an operation at a time");
	}
	rule(!(finish && op->stage != STAGE_WAITING) || (r->effects & EFFECT_DROP_PACKET),
		 "no packet outlives its operation");
	rule(!(finish && (r->effects & EFFECT_SEND)), "nothing is sent at the end");
	rule(!(r->effects & KEY_EFFECTS) || (finish && op->function == PROC_ROTATE_KEYS), "key sets change at the end of a rotation");
	if (r->effects & EFFECT_ADOPT_KEYS)
		rule(((ev->kind == EVENT_POR && op->step == STEP_PROVE) || ev->kind == EVENT_PROVEN) && r->status == STATUS_SUCCESS,
			 "a key set is proven by what comes authentically under it");
	if (r->effects & (KEY_EFFECTS & ~EFFECT_ADOPT_KEYS))
		rule(op->step == STEP_PUT_KEY || op->step == STEP_KEY_INFO, "what may be on its way to be proven is kept");
	if (op->function == PROC_ROTATE_KEYS && op->step == STEP_PROVE && finish)
		rule((r->effects & EFFECT_ADOPT_KEYS) || ev->kind == EVENT_DEADLINE, "a proof only succeeds, or is late");
	rule(!((r->effects & EFFECT_FOLLOW) && (r->effects & EFFECT_SPONTANEOUS)),
		 "a notification is followed once");
	if (r->effects & (EFFECT_FOLLOW | EFFECT_SPONTANEOUS))
		rule(ev->kind == EVENT_NOTIFICATION, "the enabled profile changes by what the card says");
	if (r->effects & (EFFECT_ADD_TARGET | EFFECT_REMOVE_TARGET | EFFECT_REMOVE_LEFT | EFFECT_MOVE_FALLBACK |
					  EFFECT_SET_EMERGENCY | EFFECT_UNSET_EMERGENCY | EFFECT_DROP_DELETED | EFFECT_FOLLOW_AUDIT))
		rule(ev->kind == EVENT_POR && ev->por_status == SCP80_POR_OK,
			 "the EIS changes by an authentic answer alone");
	if (ev->kind == EVENT_POR_UNAUTHENTICATED)
		rule(same(op, &r->operation) && (r->effects & ~(unsigned) EFFECT_RETRY_LATER) == 0,
			 "an unauthenticated answer changes nothing");
	if (ev->kind == EVENT_NOTIFICATION)
		rule(r->effects & (EFFECT_FOLLOW | EFFECT_SPONTANEOUS), "no notification is lost");
	if (ev->kind == EVENT_DEADLINE)
		rule(finish, "a deadline ends every operation");
	if (ev->kind == EVENT_POR && op->stage == STAGE_SENDING && !op->failed && ev->por_status == SCP80_CNTR_LOW &&
		op->function != PROC_CONFIRM_NOTIFICATION)
		rule(r->status != STATUS_FAILED, "low is no failure: the card may have done it");
	if (r->effects & EFFECT_RESYNC)
		rule((op->step == STEP_AUDIT || op->step == STEP_CONFIRM || op->step == STEP_KEY_INFO || repeatable(op->step) ||
			  (op->step == STEP_PUT_KEY && ev->keys_replace)) && op->stage == STAGE_SENDING &&
			 ev->resyncs < PROCEDURE_MAX_RESYNCS,
			 "a counter is moved ahead with commands that may be executed twice, and not for ever");
	if (r->status == STATUS_EXPIRED && ev->attempts > 0 && op->stage != STAGE_WAITING &&
		op->function != PROC_AUDIT_EIS && op->function != PROC_CONFIRM_NOTIFICATION && op->function != PROC_ROTATE_KEYS)
		rule(!(r->effects & EFFECT_AUDIT) == unseen(op->step), "an unknown outcome is asked after, where an audit shows it");
	if (op->step == STEP_RELAY && op->stage == STAGE_SENDING)
		rule(!(r->effects & (EFFECT_SEND | EFFECT_RESYNC)) && r->operation.step == STEP_RELAY,
			 "what is relayed is sealed once");
	if (op->step == STEP_PACKAGE && (r->effects & EFFECT_SEND))
		rule(op->stage == STAGE_WAITING || (ev->kind == EVENT_POR && ev->executed && ev->more_chunks && sw_is_success(ev->sw)),
			 "a chunk is sent behind one that was carried out");
	if (ev->kind == EVENT_LOST && (op->stage != STAGE_SENDING || !has_command(op)))
		rule(same(op, &r->operation) && r->effects == 0, "only what is under way is lost");
	else if (ev->kind == EVENT_LOST && unseen(op->step) && !repeatable(op->step))
		rule(r->status == STATUS_EXPIRED && !(r->effects & EFFECT_SEND), "what is lost and must not be repeated is left at that");
	else if (ev->kind == EVENT_LOST)
	{
		rule(!finish && (r->effects & EFFECT_SEND) && (r->effects & EFFECT_DROP_PACKET), "what is lost has a packet in its place");
		if (changes(op->step))
			rule(r->operation.step == STEP_AUDIT && r->operation.doubt == op->step, "a change that is lost is asked after");
		else if (op->step == STEP_PUT_KEY && !ev->keys_replace)
			rule(r->operation.step == STEP_KEY_INFO, "so are keys");
		else
			rule(r->operation.step == op->step && r->operation.doubt == op->doubt, "what may be executed twice is sent again");
	}
	rule(!unseen(r->operation.doubt) || unseen(op->doubt), "no audit is asked about what it does not show");
	if (r->operation.stage == STAGE_NOTIFICATION && op->stage != STAGE_NOTIFICATION)
		rule(r->operation.step == STEP_ENABLE || r->operation.step == STEP_DISABLE,
			 "only a switch is notified");
}

TEST_SUITE(procedure_exhaustive)
{
	long		count;

	broken = NULL;
	count = for_all(always_true);
	ok(broken == NULL, "%ld operations with their events: %s", count, broken ? broken : "every rule holds");
	ok(count > 1000000, "the walk is as long as it should be");
}

/* ---- what can be reached from the beginning, and only by being sent to ---- */

#define STATES (PROCEDURE_FUNCTIONS * PROCEDURE_STEPS * PROCEDURE_STAGES * PROCEDURE_STEPS * 4)

static bool seen[STATES];
static Operation queue[STATES];
static int	queued;

static int
index_of(const Operation *op)
{
	return (((((int) op->function * PROCEDURE_STEPS + (int) op->step) * PROCEDURE_STAGES + (int) op->stage) *
			 PROCEDURE_STEPS + (int) op->doubt) * 2 + op->failed) * 2 + op->warned;
}

static void
reach(const Operation *op, const ProcedureEvent *ev, const ProcedureResult *r)
{
	/* a PoR or a refusal needs a packet, and a packet that left has attempts */
	if ((ev->kind == EVENT_POR || ev->kind == EVENT_REFUSED || ev->kind == EVENT_POR_UNAUTHENTICATED || ev->kind == EVENT_LOST) &&
		(op->stage != STAGE_SENDING || (ev->kind != EVENT_REFUSED && ev->attempts == 0)))
		return;
	if (!seen[index_of(&r->operation)])
	{
		seen[index_of(&r->operation)] = true;
		queue[queued++] = r->operation;
	}
}

TEST_SUITE(procedure_reachable)
{
	bool		rules_hold = true;

	memset(seen, 0, sizeof(seen));
	queued = 0;
	for (int function = 0; function < PROCEDURE_FUNCTIONS; function++)
	{
		Operation	op = {(ProcedureFunction) function, STEP_NONE, STAGE_WAITING, STEP_NONE, false, false};

		seen[index_of(&op)] = true;
		queue[queued++] = op;
	}
	for (int i = 0; i < queued; i++)
	{
		Operation	op = queue[i];

		(void) for_each_event(&op, reach);
		if (op.stage == STAGE_FINISHED)
			continue;
		if (op.stage == STAGE_NOTIFICATION && op.step != STEP_ENABLE && op.step != STEP_DISABLE)
			rules_hold = false;
		if (op.step == STEP_AUDIT && op.function != PROC_AUDIT_EIS && op.doubt == STEP_NONE)
			rules_hold = false;
		if (op.step != STEP_AUDIT && op.doubt != STEP_NONE &&
			!(op.function == PROC_ROTATE_KEYS && op.doubt == STEP_PUT_KEY && (op.step == STEP_PUT_KEY || op.step == STEP_KEY_INFO)))
			rules_hold = false;
		if (op.function == PROC_ROTATE_KEYS && (op.stage == STAGE_NOTIFICATION ||
												(op.step != STEP_NONE && op.step != STEP_PUT_KEY && op.step != STEP_KEY_INFO && op.step != STEP_PROVE)))
			rules_hold = false;
		if (op.failed && op.step != STEP_CONFIRM)
			rules_hold = false;
		if (op.step == STEP_NONE && op.stage != STAGE_WAITING)
			rules_hold = false;
	}
	ok(rules_hold, "every reachable operation makes sense");
	ok(queued > 40 && queued < 200, "%d operations can be reached", queued);
}

/* ---- the procedures ---- */

TEST_SUITE(procedure_enable)
{
	Operation	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	ProcedureResult r;

	is_at(op, STEP_ENABLE, STAGE_SENDING, "enable: the command is sent");
	r = feed(&op, POR(.sw = SW_OK));
	is_at(op, STEP_ENABLE, STAGE_NOTIFICATION, "enable: 9000 is no success yet");
	ok(!(r.effects & EFFECT_FOLLOW), "enable: 9000 does not touch the EIS");
	r = feed(&op, NOTE(.type = NOTIFICATION_CHANGE_SUCCEEDED, .names_target = true));
	ok(r.effects == (EFFECT_DROP_PACKET | EFFECT_FOLLOW | EFFECT_SEND), "enable: the EIS follows, the confirmation is sent");
	is_at(op, STEP_CONFIRM, STAGE_SENDING, "enable: confirming");
	r = feed(&op, PLAIN(EVENT_NOTIFICATION_AGAIN));
	ok(r.effects == EFFECT_HASTEN, "enable: a duplicate hastens the confirmation");
	r = feed(&op, POR(.sw = SW_OK));
	ends(r, STATUS_SUCCESS, NULL, NULL, "enable: success");
	ok(r.effects & EFFECT_DROP_DELETED, "enable: what POL1 took is dropped");

	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	(void) feed(&op, NOTE(.type = NOTIFICATION_CHANGE_SUCCEEDED, .names_target = true));
	is_at(op, STEP_CONFIRM, STAGE_SENDING, "enable: the notification overtakes the PoR");
	r = feed(&op, POR(.sw = SW_OK, .auto_delete = true));
	is_at(op, STEP_AUTO_DELETE, STAGE_SENDING, "enable: POL2's automatic delete");
	r = feed(&op, POR(.sw = SW_CONDITIONS));
	ends(r, STATUS_WITHWARNING, "8.4", "4.2", "enable: the automatic delete failed");

	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	(void) feed(&op, POR(.sw = SW_OK));
	(void) feed(&op, NOTE(.type = NOTIFICATION_CHANGE_FAILED));
	is_at(op, STEP_CONFIRM, STAGE_SENDING, "enable: a roll-back is confirmed");
	r = feed(&op, POR(.sw = SW_OK, .auto_delete = true));
	ends(r, STATUS_FAILED, "8.2.1", "4.2", "enable: rolled back, and nothing is deleted for it");

	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	r = feed(&op, NOTE(.type = NOTIFICATION_FALL_BACK));
	ok(r.effects == EFFECT_SPONTANEOUS, "enable: a fall-back before the PoR is not its own");
	is_at(op, STEP_ENABLE, STAGE_SENDING, "enable: and it goes on");

	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	ends(feed(&op, POR(.sw = SW_POL1)), STATUS_FAILED, "8.2.2", "3.8", "enable: POL1");
	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_REFERENCE_NOT_FOUND));
	ends(r, STATUS_FAILED, "8.3.1", "3.9", "enable: unknown ISD-P");
	ok(r.effects & EFFECT_AUDIT, "enable: the EIS believed in it, so the card is asked");

	/* the answer was lost, the card says "low" */
	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_POR, .attempts = 2, .por_status = SCP80_CNTR_LOW});
	ok(op.step == STEP_AUDIT && op.doubt == STEP_ENABLE && (r.effects & EFFECT_SEND), "enable: outcome unknown, asking");
	r = feed(&op, POR(.sw = SW_OK, .card_state = PROFILE_ENABLED));
	is_at(op, STEP_ENABLE, STAGE_NOTIFICATION, "enable: done after all, its notification is awaited");
	op.step = STEP_AUDIT, op.stage = STAGE_SENDING, op.doubt = STEP_ENABLE;
	r = feed(&op, POR(.sw = SW_OK, .card_state = PROFILE_DISABLED));
	ends(r, STATUS_FAILED, "8.4", "4.2", "enable: not done");
	ok(r.effects & EFFECT_FOLLOW_AUDIT, "enable: the EIS follows the audit");

	/* our counter is behind, which the audit finds out and mends */
	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_POR, .attempts = 1, .por_status = SCP80_CNTR_LOW});
	ok(op.step == STEP_AUDIT && op.doubt == STEP_ENABLE, "enable: low at first may be a doubled message");
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_POR, .attempts = 1, .por_status = SCP80_CNTR_LOW});
	ok(r.effects == EFFECT_RESYNC && op.step == STEP_AUDIT, "enable: the audit moves the counter ahead");
	r = feed(&op, POR(.sw = SW_OK, .card_state = PROFILE_DISABLED, .resyncs = 1));
	ok(op.step == STEP_ENABLE && op.stage == STAGE_SENDING && (r.effects & EFFECT_SEND) && op.doubt == STEP_NONE,
	   "enable: never executed, so it is sent anew");

	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_DEADLINE});
	ends(r, STATUS_EXPIRED, "1.6", "5.3", "enable: never sent, expired");
	ok(!(r.effects & EFFECT_AUDIT), "enable: and nobody needs to be asked");
}

TEST_SUITE(procedure_disable_delete)
{
	Operation	op = started(PROC_DISABLE_PROFILE, (ProcedureEvent) {0});
	ProcedureResult r;

	(void) feed(&op, POR(.sw = SW_OK));
	(void) feed(&op, NOTE(.type = NOTIFICATION_FALL_BACK));
	is_at(op, STEP_CONFIRM, STAGE_SENDING, "disable: 05 with the fall-back profile is its success");
	ends(feed(&op, POR(.sw = SW_OK)), STATUS_SUCCESS, NULL, NULL, "disable: success");

	op = started(PROC_DELETE_PROFILE, (ProcedureEvent) {.target_enabled = true});
	(void) feed(&op, POR(.sw = SW_OK));
	(void) feed(&op, NOTE(.type = NOTIFICATION_FALL_BACK));
	(void) feed(&op, POR(.sw = SW_OK));
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_DEADLINE});
	ends(r, STATUS_EXPIRED, "1.6", "5.3", "delete: disabled, and no time left");
	ok(strstr(r.because, "nothing was done") == NULL, "delete: so it is not said that nothing was done");

	op = started(PROC_DISABLE_PROFILE, (ProcedureEvent) {0});
	(void) feed(&op, POR(.sw = SW_OK));
	(void) feed(&op, NOTE(.type = NOTIFICATION_CHANGE_SUCCEEDED));
	ok(!op.failed && op.step == STEP_CONFIRM, "disable: 02 is taken for it too");

	op = started(PROC_DISABLE_PROFILE, (ProcedureEvent) {0});
	(void) feed(&op, POR(.sw = SW_OK));
	(void) feed(&op, NOTE(.type = NOTIFICATION_CHANGE_FAILED, .names_target = true));
	ends(feed(&op, POR(.sw = SW_OK)), STATUS_FAILED, "8.2.1", "4.2", "disable: rolled back");

	op = started(PROC_DELETE_PROFILE, (ProcedureEvent) {0});
	is_at(op, STEP_DELETE, STAGE_SENDING, "delete: of a disabled profile at once");
	r = feed(&op, POR(.sw = SW_OK));
	ok((r.effects & EFFECT_REMOVE_TARGET) && r.status == STATUS_SUCCESS, "delete: removed and done");
	op = started(PROC_DELETE_PROFILE, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_REFERENCE_NOT_FOUND));
	ok((r.effects & EFFECT_REMOVE_TARGET) && r.status == STATUS_WITHWARNING, "delete: was gone already");
	op = started(PROC_DELETE_PROFILE, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_CONDITIONS));
	ok(!(r.effects & EFFECT_REMOVE_TARGET) && r.status == STATUS_FAILED, "delete: a refusal removes nothing");

	op = started(PROC_DELETE_PROFILE, (ProcedureEvent) {.target_enabled = true});
	is_at(op, STEP_DISABLE, STAGE_SENDING, "delete: of the enabled profile disables it first");
	(void) feed(&op, POR(.sw = SW_OK));
	(void) feed(&op, NOTE(.type = NOTIFICATION_FALL_BACK));
	r = feed(&op, POR(.sw = SW_OK));
	is_at(op, STEP_DELETE, STAGE_SENDING, "delete: then deletes");
	op.step = STEP_CONFIRM;
	ends(feed(&op, POR(.sw = SW_OK, .target_gone = true)), STATUS_SUCCESS, NULL, NULL,
		 "delete: POL1 took it at the confirmation");
}

TEST_SUITE(procedure_others)
{
	Operation	op = started(PROC_CREATE_ISDP, (ProcedureEvent) {0});
	ProcedureResult r = feed(&op, POR(.sw = SW_OK));

	ok((r.effects & EFFECT_ADD_TARGET) && r.status == STATUS_SUCCESS, "create: the ISD-P exists");
	op = started(PROC_CREATE_ISDP, (ProcedureEvent) {0});
	ends(feed(&op, POR(.sw = SW_NO_MEMORY)), STATUS_FAILED, "8.1", "4.8", "create: no memory");
	op = started(PROC_CREATE_ISDP, (ProcedureEvent) {0});
	(void) feed(&op, POR(.sw = 0));
	ok(op.step == STEP_AUDIT && op.doubt == STEP_CREATE, "create: an answer without a word is asked after");
	r = feed(&op, POR(.sw = SW_OK, .card_state = PROFILE_CREATED));
	ok((r.effects & EFFECT_ADD_TARGET) && r.status == STATUS_SUCCESS, "create: it was done");

	op = started(PROC_SET_FALLBACK_ATTRIBUTE, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_OK));
	ok((r.effects & EFFECT_MOVE_FALLBACK) && r.status == STATUS_SUCCESS, "set fall-back: moved");

	op = started(PROC_AUDIT_EIS, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_OK));
	ok((r.effects & EFFECT_FOLLOW_AUDIT) && r.status == STATUS_SUCCESS, "audit: the EIS follows");
	op = started(PROC_AUDIT_EIS, (ProcedureEvent) {0});
	ends(feed(&op, POR(.sw = SW_WRONG_DATA)), STATUS_FAILED, "8.4", "4.2", "audit: refused");

	op = started(PROC_CONFIRM_NOTIFICATION, (ProcedureEvent) {0});
	is_at(op, STEP_CONFIRM, STAGE_SENDING, "confirmation: sent");
	r = feed(&op, POR(.sw = SW_OK));
	ok((r.effects & EFFECT_DROP_DELETED) && r.status == STATUS_SUCCESS, "confirmation: taken");

	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	ends(feed(&op, (ProcedureEvent) {.kind = EVENT_REFUSED}), STATUS_FAILED, "8.1", "5.1", "refused before anything left");
	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	r = feed(&op, PLAIN(EVENT_REFUSED));
	ok(r.status == STATUS_RUNNING, "refused, but an earlier copy may arrive: goes on");
	ok(procedure_resync_distance(0) == 256 && procedure_resync_distance(3) == UINT64_C(1) << 32 &&
	   procedure_resync_distance(99) == UINT64_C(1) << 32, "resynchronisation is bounded");
}

TEST_SUITE(procedure_master_delete)
{
	Operation	op = started(PROC_MASTER_DELETE, (ProcedureEvent) {0});
	ProcedureResult r;

	is_at(op, STEP_MASTER_DELETE, STAGE_SENDING, "master delete: sent at once");
	r = feed(&op, POR(.sw = SW_OK));
	ok((r.effects & EFFECT_REMOVE_TARGET) && r.status == STATUS_SUCCESS, "master delete: removed and done");
	op = started(PROC_MASTER_DELETE, (ProcedureEvent) {.target_enabled = true});
	is_at(op, STEP_MASTER_DELETE, STAGE_SENDING, "master delete: never disables");

	op = started(PROC_MASTER_DELETE, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_CONDITIONS));
	ends(r, STATUS_FAILED, "8.2.1", "1.2", "master delete: not Disabled, or the fall-back profile");
	ok(r.effects == (EFFECT_DROP_PACKET | EFFECT_AUDIT | EFFECT_FINISH), "master delete: the EIS believed otherwise, so the card is asked");
	op = started(PROC_MASTER_DELETE, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_WRONG_DATA));
	ends(r, STATUS_FAILED, "8.4", "4.2", "master delete: refused");
	ok(!(r.effects & EFFECT_REMOVE_TARGET), "master delete: and nothing removed");

	/* not found: the ISD-P, or what the token is for */
	for (int i = 0; i < 2; i++)
	{
		op = started(PROC_MASTER_DELETE, (ProcedureEvent) {0});
		r = feed(&op, POR(.sw = i ? SW_NOT_FOUND : SW_REFERENCE_NOT_FOUND));
		ok(op.step == STEP_AUDIT && op.doubt == STEP_MASTER_DELETE && !(r.effects & EFFECT_REMOVE_TARGET),
		   "master delete: not found, so the card is asked");
	}
	r = feed(&op, POR(.sw = SW_OK, .card_state = PROFILE_DISABLED));
	ends(r, STATUS_FAILED, "8.4", "4.2", "master delete: it is still there");
	ok(!(r.effects & EFFECT_REMOVE_TARGET), "master delete: and stays");

	op = started(PROC_MASTER_DELETE, (ProcedureEvent) {0});
	(void) feed(&op, (ProcedureEvent) {.kind = EVENT_POR, .attempts = 2, .por_status = SCP80_CNTR_LOW});
	ok(op.step == STEP_AUDIT && op.doubt == STEP_MASTER_DELETE, "master delete: outcome unknown, asking");
	r = feed(&op, POR(.sw = SW_OK));
	ok((r.effects & EFFECT_REMOVE_TARGET) && r.status == STATUS_SUCCESS, "master delete: done after all");
	op = started(PROC_MASTER_DELETE, (ProcedureEvent) {0});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_DEADLINE, .attempts = 1});
	ends(r, STATUS_EXPIRED, "1.6", "5.3", "master delete: not answered in time");
	ok(r.effects & EFFECT_AUDIT, "master delete: so the card is asked");
}

TEST_SUITE(procedure_settings)
{
	static const struct
	{
		ProcedureFunction function;
		ProcedureStep step;
		unsigned	effects;
		const char *name;
	}			settings[] =
	{
		{PROC_SET_EMERGENCY_ATTRIBUTE, STEP_SET_EMERGENCY, EFFECT_SET_EMERGENCY, "set emergency"},
		{PROC_UNSET_EMERGENCY_ATTRIBUTE, STEP_UNSET_EMERGENCY, EFFECT_UNSET_EMERGENCY, "unset emergency"},
		{PROC_UPDATE_SMSR_ADDRESSING, STEP_ADDRESSING, 0, "addressing"},
	};

	for (int i = 0; i < 3; i++)
	{
		const char *name = settings[i].name;
		Operation	op = started(settings[i].function, (ProcedureEvent) {0});
		ProcedureResult r;

		ok(op.step == settings[i].step && op.stage == STAGE_SENDING, "%s: the command is sent", name);
		r = feed(&op, POR(.sw = SW_OK));
		ok(r.status == STATUS_SUCCESS && r.effects == (EFFECT_DROP_PACKET | settings[i].effects | EFFECT_FINISH),
		   "%s: done", name);

		op = started(settings[i].function, (ProcedureEvent) {0});
		r = feed(&op, POR(.por_status = SCP80_CNTR_LOW));
		ok(r.effects == EFFECT_RESYNC && op.step == settings[i].step, "%s: may be done twice, so the counter is moved ahead", name);
		r = feed(&op, (ProcedureEvent) {.kind = EVENT_POR, .attempts = 2, .por_status = SCP80_CNTR_LOW});
		ok(r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND) && op.step == settings[i].step, "%s: the answer was lost, set again", name);
		r = feed(&op, POR(.sw = 0));
		ok(r.effects == EFFECT_RETRY_LATER, "%s: an answer without a word is none", name);
		r = feed(&op, (ProcedureEvent) {.kind = EVENT_DEADLINE, .attempts = 2});
		ok(ended(r, STATUS_EXPIRED, "1.6", "5.3") && !(r.effects & EFFECT_AUDIT), "%s: no audit would tell", name);

		op = started(settings[i].function, (ProcedureEvent) {0});
		r = feed(&op, POR(.sw = SW_REFERENCE_NOT_FOUND));
		ok(i < 2 ? ended(r, STATUS_FAILED, "8.3.1", "3.9") : ended(r, STATUS_FAILED, "8.4", "4.2"), "%s: not found", name);
		op = started(settings[i].function, (ProcedureEvent) {0});
		r = feed(&op, POR(.sw = SW_CONDITIONS));
		ok(i < 2 ? ended(r, STATUS_FAILED, "8.2.1", "1.2") : ended(r, STATUS_FAILED, "8.4", "4.2"), "%s: refused", name);
		op = started(settings[i].function, (ProcedureEvent) {0});
		r = feed(&op, POR(.por_status = SCP80_CNTR_BLOCKED));
		ok(ended(r, STATUS_FAILED, "8.4", "4.2"), "%s: the counter is blocked", name);
	}
}

TEST_SUITE(procedure_relay)
{
	static const uint16_t failures[] = {0, 0x6310, SW_CONDITIONS, SW_POL1, SW_WRONG_DATA, SW_NOT_FOUND, SW_NO_MEMORY, SW_REFERENCE_NOT_FOUND};
	static const uint16_t successes[] = {SW_OK, 0x6110, 0x9F10};
	static const uint8_t perhaps[] = {SCP80_CNTR_LOW, SCP80_UNIDENTIFIED_ERROR};
	Operation	op;
	ProcedureResult r;

	for (size_t i = 0; i < sizeof(successes) / sizeof(successes[0]); i++)
	{
		op = started(PROC_UPDATE_CONNECTIVITY, (ProcedureEvent) {0});
		is_at(op, STEP_RELAY, STAGE_SENDING, "relay: sent");
		r = feed(&op, POR(.sw = successes[i]));
		ok(ended(r, STATUS_SUCCESS, NULL, NULL) && r.effects == (EFFECT_DROP_PACKET | EFFECT_FINISH), "relay: %04X is success", successes[i]);
	}
	/* what a word of the ISD-P means is not ours to say */
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
	{
		op = started(PROC_UPDATE_CONNECTIVITY, (ProcedureEvent) {0});
		r = feed(&op, POR(.sw = failures[i]));
		ok(ended(r, STATUS_FAILED, "8.4", "4.2") && r.effects == (EFFECT_DROP_PACKET | EFFECT_FINISH), "relay: %04X is none", failures[i]);
	}
	/* on the first sending or later, at any number of resynchronisations that there never are */
	for (size_t i = 0; i < 2; i++)
		for (int attempts = 1; attempts < 5; attempts++)
		{
			op = started(PROC_UPDATE_CONNECTIVITY, (ProcedureEvent) {0});
			r = feed(&op, (ProcedureEvent) {.kind = EVENT_POR, .attempts = attempts, .por_status = perhaps[i]});
			ok(op.step == STEP_RELAY && op.stage == STAGE_SENDING && op.doubt == STEP_NONE && r.effects == 0 && r.because != NULL,
			   "relay: status %02X on sending %d leads to nothing", perhaps[i], attempts);
			ends(feed(&op, POR(.sw = SW_OK)), STATUS_SUCCESS, NULL, NULL, "relay: and its answer still counts");
		}
	op = started(PROC_UPDATE_CONNECTIVITY, (ProcedureEvent) {0});
	ends(feed(&op, POR(.por_status = SCP80_TAR_UNKNOWN)), STATUS_FAILED, "8.4", "4.2", "relay: the card has no such ISD-P");
	op = started(PROC_UPDATE_CONNECTIVITY, (ProcedureEvent) {0});
	ends(feed(&op, POR(.por_status = SCP80_INSUFFICIENT_MEMORY)), STATUS_FAILED, "8.1", "4.8", "relay: no memory for the message");
	op = started(PROC_UPDATE_CONNECTIVITY, (ProcedureEvent) {0});
	r = feed(&op, PLAIN(EVENT_ASK));
	ok(r.effects == EFFECT_HASTEN, "relay: asked, the same octets again");
	r = feed(&op, PLAIN(EVENT_DEADLINE));
	ok(ended(r, STATUS_EXPIRED, "1.6", "5.3") && r.effects == (EFFECT_DROP_PACKET | EFFECT_FINISH), "relay: no answer, and no audit would tell");
	op = started(PROC_UPDATE_CONNECTIVITY, (ProcedureEvent) {0});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_DEADLINE});
	ok(strstr(r.because, "nothing was done") != NULL, "relay: never sent");
	op = started(PROC_UPDATE_CONNECTIVITY, (ProcedureEvent) {0});
	ends(feed(&op, (ProcedureEvent) {.kind = EVENT_REFUSED}), STATUS_FAILED, "8.1", "5.1", "relay: the SMSC's no is final before anything left");
	for (int step = 0; step < PROCEDURE_STEPS; step++)
		ok(procedure_for_isdp((ProcedureStep) step) == (step == STEP_RELAY), "whom step %d is for", step);
}

/* a confirmation in doubt, and the audit finds that our counter was behind */
TEST_SUITE(procedure_unconfirmed)
{
	Operation	op = {PROC_ENABLE_PROFILE, STEP_AUDIT, STAGE_SENDING, STEP_CONFIRM, false, false};
	ProcedureResult r = feed(&op, POR(.sw = SW_OK, .card_state = PROFILE_ENABLED, .resyncs = 1));

	ok(op.step == STEP_CONFIRM && (r.effects & EFFECT_SEND), "the confirmation never arrived: it is sent anew");
	op = (Operation) {PROC_ENABLE_PROFILE, STEP_AUDIT, STAGE_SENDING, STEP_CONFIRM, false, false};
	r = feed(&op, POR(.sw = SW_OK, .card_state = PROFILE_DISABLED, .resyncs = 1));
	ends(r, STATUS_FAILED, "8.2.1", "4.2", "it never arrived, and the card went back");
	op = (Operation) {PROC_ENABLE_PROFILE, STEP_AUDIT, STAGE_SENDING, STEP_CONFIRM, false, false};
	r = feed(&op, POR(.sw = SW_OK, .card_state = PROFILE_ENABLED));
	ends(r, STATUS_SUCCESS, NULL, NULL, "it arrived, only its answer was lost");
}

TEST_SUITE(procedure_ask)
{
	Operation	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	ProcedureResult r = feed(&op, (ProcedureEvent) {.kind = EVENT_ASK});

	ok(r.effects == EFFECT_HASTEN && op.step == STEP_ENABLE, "ask: what was sent is sent again");
	(void) feed(&op, POR(.sw = SW_OK));
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_ASK});
	ok(op.step == STEP_AUDIT && op.doubt == STEP_ENABLE && r.effects == EFFECT_SEND, "ask: where a notification is awaited, the card is asked");
	op.stage = STAGE_WAITING;
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_ASK});
	ok(r.effects == 0, "ask: what waits for its turn goes on waiting");
}

TEST_SUITE(procedure_names)
{
	ProcedureFunction function;
	ProcedureStep step;
	ProcedureStage stage;
	ProcedureEventKind event;

	for (int i = 0; i < PROCEDURE_FUNCTIONS; i++)
		ok(procedure_function_parse(procedure_function_name((ProcedureFunction) i), &function) && (int) function == i,
		   "function %d by name", i);
	for (int i = 1; i < PROCEDURE_STEPS; i++)
		ok(procedure_step_parse(procedure_step_name((ProcedureStep) i), &step) && (int) step == i, "step %d by name", i);
	for (int i = 0; i < PROCEDURE_STAGES; i++)
		ok(procedure_stage_parse(procedure_stage_name((ProcedureStage) i), &stage) && (int) stage == i, "stage %d by name", i);
	for (int i = 0; i < PROCEDURE_EVENTS; i++)
		ok(procedure_event_parse(procedure_event_name((ProcedureEventKind) i), &event) && (int) event == i, "event %d by name", i);
	for (int i = 0; i < PROCEDURE_EFFECTS; i++)
		ok(procedure_effect_name(i) != NULL, "effect %d has a name", i);
	ok(procedure_effect_name(PROCEDURE_EFFECTS) == NULL, "and there are no more");
}

/* ---- a new key set ---- */

TEST_SUITE(procedure_rotate_keys)
{
	Operation	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	ProcedureResult r;

	is_at(op, STEP_PUT_KEY, STAGE_SENDING, "rotate: the keys are sent");
	r = feed(&op, POR(.sw = SW_OK, .keys_match = true));
	is_at(op, STEP_PROVE, STAGE_SENDING, "rotate: 9000 is no proof yet");
	ok(r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND), "rotate: and changes no key set");
	r = feed(&op, POR(.por_status = SCP80_CNTR_LOW));
	ok(r.status == STATUS_SUCCESS && r.effects == (EFFECT_DROP_PACKET | EFFECT_ADOPT_KEYS | EFFECT_FINISH),
	   "rotate: whatever comes under the new keys proves them");

	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_OK, .keys_differ = true));
	ends(r, STATUS_FAILED, "8.4", "4.2", "rotate: the card stored other keys");
	ok(r.effects & EFFECT_REVOKE_KEYS, "rotate: which are of no use");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	(void) feed(&op, POR(.sw = SW_OK));
	is_at(op, STEP_PROVE, STAGE_SENDING, "rotate: a card that says nothing of the keys has to prove them");
	r = feed(&op, PLAIN(EVENT_POR_UNAUTHENTICATED));
	ok(r.effects == EFFECT_RETRY_LATER, "rotate: an answer of anybody's proves nothing");
	r = feed(&op, PLAIN(EVENT_REFUSED));
	ok(r.effects == EFFECT_RETRY_LATER, "rotate: nor does the SMSC end it");
	r = feed(&op, PLAIN(EVENT_DEADLINE));
	ends(r, STATUS_EXPIRED, "1.6", "5.3", "rotate: not proven in time");
	ok(r.effects == (EFFECT_DROP_PACKET | EFFECT_FINISH), "rotate: both sets stay as they are");

	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_PROVEN});
	ok(r.status == STATUS_SUCCESS && (r.effects & EFFECT_ADOPT_KEYS), "rotate: a notification under the new keys proves them too");

	/* the answer is lost */
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	(void) feed(&op, (ProcedureEvent) {.kind = EVENT_POR, .attempts = 2, .por_status = SCP80_CNTR_LOW});
	is_at(op, STEP_KEY_INFO, STAGE_SENDING, "rotate: outcome unknown, the card is asked under the old set");
	r = feed(&op, POR(.por_status = SCP80_CNTR_LOW));
	ok(r.effects == EFFECT_RESYNC, "rotate: a question may be asked again");
	r = feed(&op, POR(.por_status = SCP80_TAR_UNKNOWN));
	ok(r.effects == EFFECT_RETRY_LATER, "rotate: and again");
	(void) feed(&op, POR(.sw = SW_OK, .keys_told = true));
	is_at(op, STEP_PUT_KEY, STAGE_SENDING, "rotate: it does not have them, so they are put");
	op.step = STEP_KEY_INFO;
	(void) feed(&op, POR(.sw = SW_OK, .keys_told = true, .keys_there = true));
	is_at(op, STEP_PROVE, STAGE_SENDING, "rotate: it has a set of this number, which is to be proven");
	op.step = STEP_KEY_INFO;
	(void) feed(&op, POR(.por_status = SCP80_CNTR_BLOCKED));
	is_at(op, STEP_PROVE, STAGE_SENDING, "rotate: with the old one blocked the new one is tried");
	op.step = STEP_KEY_INFO;
	(void) feed(&op, POR(.sw = SW_REFERENCE_NOT_FOUND));
	ok(op.step == STEP_PUT_KEY && op.doubt == STEP_PUT_KEY, "rotate: it does not tell, so they are put in the dark");
	(void) feed(&op, POR(.sw = SW_WRONG_DATA));
	is_at(op, STEP_PROVE, STAGE_SENDING, "rotate: refused then, perhaps because it has them");

	/* refusals */
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_WRONG_DATA));
	ends(r, STATUS_FAILED, "8.4", "4.2", "rotate: refused");
	ok(r.effects & EFFECT_REVOKE_KEYS, "rotate: the number may be taken");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_NO_MEMORY));
	ends(r, STATUS_FAILED, "8.1", "4.8", "rotate: no memory");
	ok(r.effects & EFFECT_FORGET_KEYS, "rotate: so the card does not have them");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, POR(.sw = SW_CHECK_VALUE));
	ok(r.status == STATUS_FAILED && (r.effects & EFFECT_FORGET_KEYS), "rotate: a wrong check value");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, POR(.por_status = SCP80_CNTR_BLOCKED));
	ok(r.status == STATUS_FAILED && (r.effects & EFFECT_FORGET_KEYS), "rotate: the old one is blocked");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_POR, .attempts = 2, .por_status = SCP80_INSUFFICIENT_MEMORY});
	ok(op.step == STEP_KEY_INFO, "rotate: an error on the second copy says nothing of the first");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_DEADLINE});
	ok(r.status == STATUS_EXPIRED && (r.effects & EFFECT_FORGET_KEYS), "rotate: never sent");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_REFUSED});
	ok(ended(r, STATUS_FAILED, "8.1", "5.1") && (r.effects & EFFECT_FORGET_KEYS), "rotate: refused before anything left");

	/* in the place of another set */
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {.keys_replace = true});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_POR, .attempts = 2, .por_status = SCP80_CNTR_LOW, .keys_replace = true});
	ok(op.step == STEP_PUT_KEY && r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND), "replace: may be put twice");
	r = feed(&op, POR(.sw = SW_REFERENCE_NOT_FOUND, .keys_replace = true));
	ok(ended(r, STATUS_FAILED, "8.4", "3.9") && (r.effects & EFFECT_VACATE_KEYS), "replace: there is nothing in its place");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {.keys_replace = true});
	r = feed(&op, POR(.sw = SW_WRONG_DATA, .keys_replace = true));
	ok(r.status == STATUS_FAILED && (r.effects & EFFECT_FORGET_KEYS), "replace: refused, what was there is there");

	/* what an earlier rotation left open */
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {.keys_pending = true});
	is_at(op, STEP_KEY_INFO, STAGE_SENDING, "again: the card is asked whether it has them");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {.keys_pending = true, .keys_replace = true});
	is_at(op, STEP_PUT_KEY, STAGE_SENDING, "again: in another one's place they are just put");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {.keys_pending = true, .keys_mute = true});
	is_at(op, STEP_PROVE, STAGE_SENDING, "again: with no other set active they are tried");
}
