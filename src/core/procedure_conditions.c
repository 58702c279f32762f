/*
 * procedure_conditions.c
 *		What rows of procedure.c ask about an operation and an event.
 */
#include "procedure_conditions.h"

#include "es5.h"
#include "notification.h"
#include "scp80.h"

bool
when_always(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	(void) ev;
	return true;
}

bool
when_target_enabled(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->target_enabled;
}

/* the answer is on its way: TS 31.115 two-step answers, "more time" */
bool
when_por_unfinished(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->por_status == SCP80_MORE_TIME ||
		ev->por_status == SCP80_RESPONSE_BY_SUBMIT ||
		ev->por_status == SCP80_RESPONSE_BY_USSD;
}

/*
 * Only for commands that may be executed twice: a network that doubles a
 * message makes a card say "low" of a command that it has just executed.
 */
bool
when_por_low_first(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->por_status == SCP80_CNTR_LOW && ev->attempts <= 1 &&
		ev->resyncs < PROCEDURE_MAX_RESYNCS;
}

/* 06 may stand for any of 01 to 05, so it may be "low" */
bool
when_por_low(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->por_status == SCP80_CNTR_LOW || ev->por_status == SCP80_UNIDENTIFIED_ERROR;
}

bool
when_por_low_again(const Operation *op, const ProcedureEvent *ev)
{
	return ev->attempts > 1 && when_por_low(op, ev);
}

bool
when_por_blocked(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->por_status == SCP80_CNTR_BLOCKED;
}

bool
when_por_memory(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->por_status == SCP80_INSUFFICIENT_MEMORY;
}

bool
when_por_error(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->por_status != SCP80_POR_OK;
}

bool
when_sw_ok(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return sw_is_success(ev->sw);
}

bool
when_sw_none(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->sw == 0;
}

bool
when_sw_pol1(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->sw == SW_POL1;
}

bool
when_sw_gone(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->sw == SW_REFERENCE_NOT_FOUND || ev->sw == SW_NOT_FOUND;
}

bool
when_sw_conditions(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->sw == SW_CONDITIONS;
}

bool
when_sw_memory(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->sw == SW_NO_MEMORY;
}

bool
when_nothing_in_doubt(const Operation *op, const ProcedureEvent *ev)
{
	(void) ev;
	return op->doubt == STEP_NONE;
}

/* GET STATUS answers 6A88 when what it was asked for is not on the card */
bool
when_audit_told(const Operation *op, const ProcedureEvent *ev)
{
	return sw_is_success(ev->sw) || when_sw_gone(op, ev);
}

bool
when_audit_told_no_doubt(const Operation *op, const ProcedureEvent *ev)
{
	return op->doubt == STEP_NONE && when_audit_told(op, ev);
}

/* the audit shows that the command in doubt was carried out */
static bool
audit_shows_done(const Operation *op, const ProcedureEvent *ev)
{
	if (!when_audit_told(op, ev))
		return false;
	switch (op->doubt)
	{
		case STEP_CREATE:
			return ev->card_state != PROFILE_ABSENT;
		case STEP_ENABLE:
			return ev->card_state == PROFILE_ENABLED;
		case STEP_DISABLE:
			return ev->card_state == PROFILE_DISABLED;
		case STEP_DELETE:
		case STEP_MASTER_DELETE:
			return ev->card_state == PROFILE_ABSENT;
		case STEP_SET_FALLBACK:
			return ev->card_fallback;
		case STEP_AUTO_DELETE:
			return ev->card_left_gone;
		case STEP_CONFIRM:
			if (op->function == PROC_ENABLE_PROFILE)
				return ev->card_state == PROFILE_ENABLED;
			/* POL1 may have taken it with the confirmation */
			return ev->card_state == PROFILE_DISABLED || ev->card_state == PROFILE_ABSENT;
		default:
			return false;
	}
}

#define DONE_IN_DOUBT(name, step) \
bool \
name(const Operation *op, const ProcedureEvent *ev) \
{ \
	return op->doubt == (step) && audit_shows_done(op, ev); \
}

DONE_IN_DOUBT(when_created_after_all, STEP_CREATE)
DONE_IN_DOUBT(when_enabled_after_all, STEP_ENABLE)
DONE_IN_DOUBT(when_disabled_after_all, STEP_DISABLE)
DONE_IN_DOUBT(when_deleted_after_all, STEP_DELETE)
DONE_IN_DOUBT(when_master_deleted_after_all, STEP_MASTER_DELETE)
DONE_IN_DOUBT(when_fallback_after_all, STEP_SET_FALLBACK)
DONE_IN_DOUBT(when_auto_deleted_after_all, STEP_AUTO_DELETE)

/*
 * The audit's own counter had to be moved ahead, so the card can not have taken
 * the command, and now that it has taken the audit it never will: safe to send.
 */
bool
when_never_reached(const Operation *op, const ProcedureEvent *ev)
{
	if (op->doubt == STEP_NONE || ev->resyncs == 0 || !when_audit_told(op, ev))
		return false;
	/* nothing is left to be confirmed where the card went back in the meantime */
	return op->doubt != STEP_CONFIRM || audit_shows_done(op, ev);
}

bool
when_auto_delete_not_done(const Operation *op, const ProcedureEvent *ev)
{
	return op->doubt == STEP_AUTO_DELETE && when_audit_told(op, ev);
}

/* the card had the confirmation and is where it was asked to be */
bool
when_confirmed_after_all(const Operation *op, const ProcedureEvent *ev)
{
	return op->doubt == STEP_CONFIRM && ev->resyncs == 0 && audit_shows_done(op, ev);
}

bool
when_confirmed_and_gone(const Operation *op, const ProcedureEvent *ev)
{
	return when_confirmed_after_all(op, ev) && ev->card_state == PROFILE_ABSENT;
}

bool
when_confirmed_and_auto_delete(const Operation *op, const ProcedureEvent *ev)
{
	return when_confirmed_after_all(op, ev) && ev->auto_delete && !ev->card_left_gone;
}

bool
when_rolled_back_in_doubt(const Operation *op, const ProcedureEvent *ev)
{
	return op->doubt == STEP_CONFIRM && when_audit_told(op, ev);
}

/* the card did not say that it took the confirmation: it may have gone back before */
bool
when_confirmation_in_doubt(const Operation *op, const ProcedureEvent *ev)
{
	return !op->failed && (ev->por_status != SCP80_POR_OK || !sw_is_success(ev->sw));
}

bool
when_rolled_back(const Operation *op, const ProcedureEvent *ev)
{
	(void) ev;
	return op->failed;
}

bool
when_target_gone(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->target_gone;
}

bool
when_auto_delete(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->auto_delete;
}

/*
 * Which switch a notification reports: of the step at hand, of the one that an
 * audit asks about, or of the one whose confirmation is under way.
 */
static ProcedureStep
switching(const Operation *op)
{
	ProcedureStep step = op->step == STEP_AUDIT ? op->doubt : op->step;

	if (step == STEP_CONFIRM)
		return op->function == PROC_ENABLE_PROFILE ? STEP_ENABLE :
			op->function == PROC_CONFIRM_NOTIFICATION ? STEP_NONE : STEP_DISABLE;
	return step;
}

bool
when_switched_as_asked(const Operation *op, const ProcedureEvent *ev)
{
	if (switching(op) == STEP_ENABLE)
		return ev->type == NOTIFICATION_CHANGE_SUCCEEDED && ev->names_target;
	/* facts: 05 on a disable by one reading, 02 by another; both are accepted */
	if (switching(op) == STEP_DISABLE)
		return (ev->type == NOTIFICATION_FALL_BACK ||
				ev->type == NOTIFICATION_CHANGE_SUCCEEDED) && !ev->names_target;
	return false;
}

/*
 * Only once the card has accepted the command: before that a roll-back or a
 * fall-back is news of something older, and the command's fate is still open.
 */
bool
when_switched_otherwise(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->type == NOTIFICATION_CHANGE_FAILED ||
		ev->type == NOTIFICATION_CHANGE_SUCCEEDED ||
		ev->type == NOTIFICATION_FALL_BACK;
}

/* while the confirmation is under way: the card went back in the meantime */
bool
when_went_back(const Operation *op, const ProcedureEvent *ev)
{
	return when_switched_otherwise(op, ev) &&
		(op->step == STEP_CONFIRM || op->doubt == STEP_CONFIRM);
}

bool
when_executed(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->executed;
}

bool
when_chunk_done(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->executed && sw_is_success(ev->sw);
}

bool
when_chunk_done_and_more(const Operation *op, const ProcedureEvent *ev)
{
	return ev->more_chunks && when_chunk_done(op, ev);
}

/* 6310: GET STATUS has more to tell, in answer to another question */
bool
when_asked_and_told(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->executed && (sw_is_success(ev->sw) || ev->sw == SW_MORE_DATA);
}

bool
when_never_sent(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->attempts == 0;
}

/* ---- conditions of a new key set ---- */

bool
when_keys_to_prove(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->keys_pending && ev->keys_mute;
}

bool
when_keys_to_ask(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->keys_pending && !ev->keys_replace;
}

bool
when_keys_replace(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->keys_replace;
}

/*
 * What takes the place of a set that is out of use may be put twice: the card
 * has the same keys under the same number afterwards.  No question would tell
 * more, since it names a set of that number before and after.
 */
bool
when_put_again_low_first(const Operation *op, const ProcedureEvent *ev)
{
	return ev->keys_replace && when_por_low_first(op, ev);
}

bool
when_put_again_low(const Operation *op, const ProcedureEvent *ev)
{
	return ev->keys_replace && when_por_low_again(op, ev);
}

bool
when_put_again_later(const Operation *op, const ProcedureEvent *ev)
{
	return ev->keys_replace && when_por_low(op, ev);
}

/* where no question tells more, or none was answered: only a proof will */
bool
when_put_untold(const Operation *op, const ProcedureEvent *ev)
{
	return when_sw_none(op, ev) && (ev->keys_replace || op->doubt != STEP_NONE);
}

/* an earlier copy may have been taken, though this one was not */
bool
when_put_error_again(const Operation *op, const ProcedureEvent *ev)
{
	return !ev->keys_replace && op->doubt == STEP_NONE && ev->attempts > 1 && when_por_error(op, ev);
}

bool
when_put_error_in_doubt(const Operation *op, const ProcedureEvent *ev)
{
	return op->doubt != STEP_NONE && when_por_error(op, ev);
}

bool
when_keys_match(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return sw_is_success(ev->sw) && ev->keys_match;
}

bool
when_keys_differ(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return sw_is_success(ev->sw) && ev->keys_differ;
}

bool
when_put_in_doubt(const Operation *op, const ProcedureEvent *ev)
{
	(void) ev;
	return op->doubt != STEP_NONE;
}

bool
when_nothing_to_replace(const Operation *op, const ProcedureEvent *ev)
{
	return ev->keys_replace && when_sw_gone(op, ev);
}

/* a refusal that has nothing to do with the number */
bool
when_keys_refused(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->keys_replace || ev->sw == SW_ALGORITHM || ev->sw == SW_CHECK_VALUE ||
		ev->sw == SW_MEMORY_FAILURE;
}

bool
when_keys_there(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->keys_told && ev->keys_there;
}

/* the card had the command and said nothing to it, or it was put in the dark */
bool
when_keys_not_stored(const Operation *op, const ProcedureEvent *ev)
{
	return ev->keys_told && op->doubt != STEP_NONE;
}

bool
when_keys_told(const Operation *op, const ProcedureEvent *ev)
{
	(void) op;
	return ev->keys_told;
}

bool
when_never_put(const Operation *op, const ProcedureEvent *ev)
{
	return ev->attempts == 0 && op->doubt == STEP_NONE;
}
