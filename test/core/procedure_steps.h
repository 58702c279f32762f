/*
 * procedure_steps.h
 *		For tests that take an operation step by step through core's procedure.
 */
#ifndef SMSR_TEST_PROCEDURE_STEPS_H
#define SMSR_TEST_PROCEDURE_STEPS_H

#include "core/procedure.h"

#include <string.h>

static inline ProcedureResult
feed(Operation *op, ProcedureEvent ev)
{
	ProcedureResult r = procedure(op, &ev);

	*op = r.operation;
	return r;
}

static inline Operation
started(ProcedureFunction function, ProcedureEvent start)
{
	Operation	op = {function, STEP_NONE, STAGE_WAITING, STEP_NONE, false, false};

	start.kind = EVENT_START;
	(void) feed(&op, start);
	return op;
}

static inline bool
ended(ProcedureResult r, ProcedureStatus status, const char *subject, const char *reason)
{
	if (r.status != status)
		return false;
	if (subject == NULL)
		return r.subject == NULL && r.reason == NULL;
	return r.subject != NULL && strcmp(r.subject, subject) == 0 &&
		r.reason != NULL && strcmp(r.reason, reason) == 0;
}

#define POR(...)	((ProcedureEvent) {.kind = EVENT_POR, .attempts = 1, __VA_ARGS__})
#define NOTE(...)	((ProcedureEvent) {.kind = EVENT_NOTIFICATION, __VA_ARGS__})
#define PLAIN(k)	((ProcedureEvent) {.kind = (k), .attempts = 1})

#define is_at(op, want_step, want_stage, name) \
	ok((op).step == (want_step) && (op).stage == (want_stage), "%s", name)
#define ends(r, want, subject, reason, name) \
	ok(ended((r), (want), (subject), (reason)), "%s", name)

#endif							/* SMSR_TEST_PROCEDURE_STEPS_H */
