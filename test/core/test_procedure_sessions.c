/*
 * test_procedure_sessions.c
 *		Sessions that break, and the procedures that came with them: an SM-DP's own
 *		scripts, questions to a platform, update packages.
 */
#include "core/es5.h"
#include "core/notification.h"
#include "core/procedure.h"
#include "core/scp80.h"
#include "procedure_steps.h"
#include "tap.h"

TEST_SUITE(procedure_lost)
{
	static const ProcedureFunction relayed[] = {PROC_UPDATE_CONNECTIVITY, PROC_SEND_DATA, PROC_CREATE_KEY_SET, PROC_UPDATE_PLATFORM};
	Operation	op = started(PROC_CREATE_ISDP, (ProcedureEvent) {0});
	ProcedureResult r = feed(&op, PLAIN(EVENT_LOST));

	ok(op.step == STEP_AUDIT && op.doubt == STEP_CREATE && r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND), "lost: a create is asked after");
	r = feed(&op, PLAIN(EVENT_LOST));
	ok(op.step == STEP_AUDIT && op.doubt == STEP_CREATE && r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND), "lost: the question is asked again");
	r = feed(&op, POR(.sw = SW_OK, .card_state = PROFILE_CREATED));
	ok((r.effects & EFFECT_ADD_TARGET) && r.status == STATUS_SUCCESS, "lost: it was done");

	op = started(PROC_ENABLE_PROFILE, (ProcedureEvent) {0});
	(void) feed(&op, POR(.sw = SW_OK));
	r = feed(&op, PLAIN(EVENT_LOST));
	ok(r.effects == 0 && op.stage == STAGE_NOTIFICATION, "lost: nothing is that was answered");
	(void) feed(&op, NOTE(.type = NOTIFICATION_CHANGE_SUCCEEDED, .names_target = true));
	r = feed(&op, PLAIN(EVENT_LOST));
	ok(op.step == STEP_CONFIRM && r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND | EFFECT_AUDIT),
	   "lost: a confirmation is sent again, and what POL1 took is asked");
	r = feed(&op, POR(.sw = SW_CONDITIONS));
	ok(op.step == STEP_AUDIT && op.doubt == STEP_CONFIRM, "lost: the card had it before, so it is asked where it is");

	op = started(PROC_CONFIRM_NOTIFICATION, (ProcedureEvent) {0});
	r = feed(&op, PLAIN(EVENT_LOST));
	ok(op.step == STEP_CONFIRM && r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND | EFFECT_AUDIT), "lost: nobody's confirmation likewise");
	op = started(PROC_UPDATE_SMSR_ADDRESSING, (ProcedureEvent) {0});
	r = feed(&op, PLAIN(EVENT_LOST));
	ok(op.step == STEP_ADDRESSING && r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND), "lost: a setting is set again");

	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {0});
	r = feed(&op, PLAIN(EVENT_LOST));
	ok(op.step == STEP_KEY_INFO && op.doubt == STEP_NONE && (r.effects & EFFECT_SEND), "lost: keys are asked after");
	(void) feed(&op, POR(.sw = SW_OK, .keys_told = true));
	is_at(op, STEP_PUT_KEY, STAGE_SENDING, "lost: and put again where the card does not have them");
	op = started(PROC_ROTATE_KEYS, (ProcedureEvent) {.keys_replace = true});
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_LOST, .attempts = 1, .keys_replace = true});
	ok(op.step == STEP_PUT_KEY && (r.effects & EFFECT_SEND), "lost: in another one's place they are just put again");
	op.step = STEP_PROVE;
	r = feed(&op, PLAIN(EVENT_LOST));
	ok(op.step == STEP_PROVE && (r.effects & EFFECT_SEND), "lost: a proof is asked for again");

	for (int i = 0; i < 4; i++)
	{
		op = started(relayed[i], (ProcedureEvent) {0});
		r = feed(&op, PLAIN(EVENT_LOST));
		ok(ended(r, STATUS_EXPIRED, "8.1", "5.5") && r.effects == (EFFECT_DROP_PACKET | EFFECT_FINISH),
		   "lost: %s is never repeated", procedure_function_name(relayed[i]));
	}
}

TEST_SUITE(procedure_send_data)
{
	Operation	op = started(PROC_SEND_DATA, (ProcedureEvent) {0});
	ProcedureResult r = feed(&op, POR(.executed = true));

	/* SCP03t is answered in words that are no R-APDUs */
	ok(ended(r, STATUS_SUCCESS, NULL, NULL) && r.effects == (EFFECT_DROP_PACKET | EFFECT_FINISH), "send data: executed is enough");
	op = started(PROC_SEND_DATA, (ProcedureEvent) {0});
	ends(feed(&op, POR(.executed = true, .sw = SW_WRONG_DATA)), STATUS_SUCCESS, NULL, NULL, "send data: what the words mean is the SM-DP's to read");
	op = started(PROC_SEND_DATA, (ProcedureEvent) {0});
	ends(feed(&op, POR(.sw = SW_OK)), STATUS_FAILED, "8.4", "4.2", "send data: bad format, so not all was executed");
	op = started(PROC_SEND_DATA, (ProcedureEvent) {0});
	r = feed(&op, POR(.por_status = SCP80_CNTR_LOW));
	ok(op.step == STEP_RELAY && r.effects == 0, "send data: low leads to nothing");
	ends(feed(&op, POR(.por_status = SCP80_TAR_UNKNOWN)), STATUS_FAILED, "8.4", "4.2", "send data: the card has no such ISD-P");
}

TEST_SUITE(procedure_platform)
{
	Operation	op = started(PROC_MANAGE, (ProcedureEvent) {0});
	ProcedureResult r;

	is_at(op, STEP_MANAGE, STAGE_SENDING, "manage: sent");
	ends(feed(&op, POR(.executed = true, .sw = SW_OK)), STATUS_SUCCESS, NULL, NULL, "manage: answered");
	op = started(PROC_MANAGE, (ProcedureEvent) {0});
	ends(feed(&op, POR(.executed = true, .sw = SW_MORE_DATA)), STATUS_SUCCESS, NULL, NULL, "manage: there is more to ask for");
	op = started(PROC_MANAGE, (ProcedureEvent) {0});
	ends(feed(&op, POR(.executed = true, .sw = SW_REFERENCE_NOT_FOUND)), STATUS_FAILED, "8.4", "4.2", "manage: refused");
	op = started(PROC_MANAGE, (ProcedureEvent) {0});
	ends(feed(&op, POR(.sw = SW_OK)), STATUS_FAILED, "8.4", "4.2", "manage: not all was understood");
	op = started(PROC_MANAGE, (ProcedureEvent) {0});
	r = feed(&op, POR(.por_status = SCP80_CNTR_LOW));
	ok(r.effects == EFFECT_RESYNC, "manage: a question may be asked twice");
	r = feed(&op, PLAIN(EVENT_LOST));
	ok(op.step == STEP_MANAGE && r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND), "manage: and is, when it was lost");
	r = feed(&op, PLAIN(EVENT_DEADLINE));
	ok(ended(r, STATUS_EXPIRED, "1.6", "5.3") && !(r.effects & EFFECT_AUDIT), "manage: not answered in time");

	op = started(PROC_UPDATE_PLATFORM, (ProcedureEvent) {0});
	is_at(op, STEP_PACKAGE, STAGE_SENDING, "package: the first chunk");
	for (int i = 0; i < 3; i++)
	{
		r = feed(&op, POR(.executed = true, .sw = SW_OK, .more_chunks = true));
		ok(op.step == STEP_PACKAGE && op.stage == STAGE_SENDING && r.effects == (EFFECT_DROP_PACKET | EFFECT_SEND), "package: the next");
	}
	ends(feed(&op, POR(.executed = true, .sw = SW_OK)), STATUS_SUCCESS, NULL, NULL, "package: the last");
	op = started(PROC_UPDATE_PLATFORM, (ProcedureEvent) {0});
	ends(feed(&op, POR(.executed = true, .sw = SW_CONDITIONS, .more_chunks = true)), STATUS_FAILED, "8.4", "4.2", "package: none behind one that was refused");
	op = started(PROC_UPDATE_PLATFORM, (ProcedureEvent) {0});
	ends(feed(&op, POR(.sw = SW_OK, .more_chunks = true)), STATUS_FAILED, "8.4", "4.2", "package: nor behind one that was not understood");
	op = started(PROC_UPDATE_PLATFORM, (ProcedureEvent) {0});
	ends(feed(&op, POR(.por_status = SCP80_TAR_UNKNOWN, .more_chunks = true)), STATUS_FAILED, "8.4", "4.2", "package: nor behind one that did not arrive");
	op = started(PROC_UPDATE_PLATFORM, (ProcedureEvent) {0});
	r = feed(&op, POR(.por_status = SCP80_CNTR_LOW, .more_chunks = true));
	ok(op.step == STEP_PACKAGE && r.effects == 0, "package: low leads to nothing");
	r = feed(&op, (ProcedureEvent) {.kind = EVENT_DEADLINE});
	ok(strstr(r.because, "no chunk is in doubt") != NULL, "package: not sent in time");
}
