/*
 * procedure.c
 *		SQL face of core's two pure functions, procedure and lifecycle, and the
 *		trigger that asks lifecycle before a profile's state is written.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "core/lifecycle.h"
#include "core/procedure.h"
#include "pg/judge.h"
#include "pg/row.h"

PG_FUNCTION_INFO_V1(smsr_procedure);
PG_FUNCTION_INFO_V1(smsr_procedure_exclusive);
PG_FUNCTION_INFO_V1(smsr_packet_target);
PG_FUNCTION_INFO_V1(smsr_resync_distance);
PG_FUNCTION_INFO_V1(smsr_lifecycle);
PG_FUNCTION_INFO_V1(smsr_judge);
PG_FUNCTION_INFO_V1(smsr_profile_guard);

static _Noreturn void
bad_name(const char *what, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown %s \"%s\"", what, name)));
}

static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static bool
bool_arg(FunctionCallInfo fcinfo, int n)
{
	return !PG_ARGISNULL(n) && PG_GETARG_BOOL(n);
}

static int
int_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? 0 : PG_GETARG_INT32(n);
}

static ProfileState
state_arg(FunctionCallInfo fcinfo, int n)
{
	return smsr_profile_state(text_arg(fcinfo, n));
}

static uint8_t
pol2_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? 0 : smsr_pol2_mask(PG_GETARG_DATUM(n));
}

static void
put_verdict(const LifecycleVerdict *verdict, Datum *values, bool *nulls)
{
	smsr_row_text(values, nulls, 0, profile_state_name(verdict->state));
	smsr_row_text(values, nulls, 1, verdict->subject);
	smsr_row_text(values, nulls, 2, verdict->reason);
	smsr_row_text(values, nulls, 3, verdict->because);
}

Datum
smsr_procedure(PG_FUNCTION_ARGS)
{
	char	   *function = text_arg(fcinfo, 0);
	char	   *step = text_arg(fcinfo, 1);
	char	   *stage = text_arg(fcinfo, 2);
	char	   *doubt = text_arg(fcinfo, 3);
	char	   *event = text_arg(fcinfo, 6);
	Operation	op = {0};
	ProcedureEvent ev = {0};
	ProcedureResult result;
	Datum		values[10];
	bool		nulls[10] = {0};
	Datum		names[PROCEDURE_EFFECTS];
	int			effects = 0;

	if (function == NULL || !procedure_function_parse(function, &op.function))
		bad_name("function", function ? function : "NULL");
	if (step != NULL && !procedure_step_parse(step, &op.step))
		bad_name("step", step);
	if (stage == NULL || !procedure_stage_parse(stage, &op.stage))
		bad_name("stage", stage ? stage : "NULL");
	if (doubt != NULL && !procedure_step_parse(doubt, &op.doubt))
		bad_name("step in doubt", doubt);
	op.failed = bool_arg(fcinfo, 4);
	op.warned = bool_arg(fcinfo, 5);
	if (event == NULL || !procedure_event_parse(event, &ev.kind))
		bad_name("event", event ? event : "NULL");
	ev.por_status = (uint8_t) int_arg(fcinfo, 7);
	ev.sw = (uint16_t) int_arg(fcinfo, 8);
	ev.resyncs = int_arg(fcinfo, 9);
	ev.type = (uint8_t) int_arg(fcinfo, 10);
	ev.names_target = bool_arg(fcinfo, 11);
	ev.attempts = int_arg(fcinfo, 12);
	ev.target_enabled = bool_arg(fcinfo, 13);
	ev.target_gone = bool_arg(fcinfo, 14);
	ev.auto_delete = bool_arg(fcinfo, 15);
	ev.card_state = state_arg(fcinfo, 16);
	ev.card_fallback = bool_arg(fcinfo, 17);
	ev.card_left_gone = bool_arg(fcinfo, 18);
	ev.keys_pending = bool_arg(fcinfo, 19);
	ev.keys_replace = bool_arg(fcinfo, 20);
	ev.keys_mute = bool_arg(fcinfo, 21);
	ev.keys_match = bool_arg(fcinfo, 22);
	ev.keys_differ = bool_arg(fcinfo, 23);
	ev.keys_told = bool_arg(fcinfo, 24);
	ev.keys_there = bool_arg(fcinfo, 25);
	ev.executed = bool_arg(fcinfo, 26);
	ev.more_chunks = bool_arg(fcinfo, 27);

	result = procedure(&op, &ev);

	smsr_row_text(values, nulls, 0, procedure_step_name(result.operation.step));
	smsr_row_text(values, nulls, 1, procedure_stage_name(result.operation.stage));
	smsr_row_text(values, nulls, 2, procedure_step_name(result.operation.doubt));
	values[3] = BoolGetDatum(result.operation.failed);
	values[4] = BoolGetDatum(result.operation.warned);
	for (int bit = 0; bit < PROCEDURE_EFFECTS; bit++)
		if (result.effects & (1u << bit))
			names[effects++] = CStringGetTextDatum(procedure_effect_name(bit));
	values[5] = PointerGetDatum(construct_array(names, effects, TEXTOID, -1, false,
												TYPALIGN_INT));
	smsr_row_text(values, nulls, 6, procedure_status_name(result.status));
	smsr_row_text(values, nulls, 7, result.subject);
	smsr_row_text(values, nulls, 8, result.reason);
	smsr_row_text(values, nulls, 9, result.because);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

Datum
smsr_procedure_exclusive(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ProcedureFunction function;

	if (!procedure_function_parse(name, &function))
		bad_name("function", name);
	PG_RETURN_BOOL(procedure_exclusive(function));
}

/* The ISD-P, if the step's packet is for it; NULL: it is for the ISD-R. */
Datum
smsr_packet_target(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ProcedureStep step;

	if (!procedure_step_parse(name, &step))
		bad_name("step", name);
	if (!procedure_for_isdp(step))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(1));
}

Datum
smsr_resync_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) procedure_resync_distance(PG_GETARG_INT32(0)));
}

Datum
smsr_lifecycle(PG_FUNCTION_ARGS)
{
	LifecycleProfile profile = {state_arg(fcinfo, 0), bool_arg(fcinfo, 1), pol2_arg(fcinfo, 2),
	bool_arg(fcinfo, 6)};
	LifecycleProfile enabled = {state_arg(fcinfo, 3), false, pol2_arg(fcinfo, 4), false};
	char	   *name = text_arg(fcinfo, 5);
	LifecycleEvent event;
	LifecycleVerdict verdict;
	Datum		values[4];
	bool		nulls[4] = {0};

	if (name == NULL || !lifecycle_event_parse(name, &event))
		bad_name("life cycle event", name ? name : "NULL");
	verdict = lifecycle(&profile, &enabled, event);
	put_verdict(&verdict, values, nulls);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

Datum
smsr_judge(PG_FUNCTION_ARGS)
{
	char	   *name = text_arg(fcinfo, 0);
	LifecycleProfile profile = {state_arg(fcinfo, 1), bool_arg(fcinfo, 2), pol2_arg(fcinfo, 3),
	bool_arg(fcinfo, 8)};
	LifecycleProfile enabled = {state_arg(fcinfo, 4), false, pol2_arg(fcinfo, 5), false};
	LifecycleEvent event;
	JudgeFacts	facts = {0};
	LifecycleVerdict verdict;
	Datum		values[4];
	bool		nulls[4] = {0};

	/* a function that no life cycle knows, an audit, may always be begun */
	if (name == NULL || !lifecycle_event_parse(name, &event))
		PG_RETURN_NULL();
	facts.memory_known = !PG_ARGISNULL(6) && !PG_ARGISNULL(7);
	if (facts.memory_known)
	{
		facts.required_memory = PG_GETARG_INT64(6);
		facts.remaining_memory = PG_GETARG_INT64(7);
	}
	facts.version = text_arg(fcinfo, 9);
	verdict = smsr_judgement(event, &profile, &enabled, &facts);
	put_verdict(&verdict, values, nulls);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/*
 * BEFORE UPDATE on smsr.profile: whoever writes, no state is written that no
 * event leads to.  Not on INSERT: a restore
 * brings rows back in any state.
 */
Datum
smsr_profile_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	int			column;
	char	   *old_name;
	char	   *new_name;
	ProfileState from = PROFILE_ABSENT;
	ProfileState to = PROFILE_ABSENT;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("smsr.profile_guard() must be fired BEFORE UPDATE FOR EACH ROW")));

	desc = RelationGetDescr(trigger->tg_relation);
	column = SPI_fnumber(desc, "state");
	if (column <= 0)
		elog(ERROR, "table \"%s\" has no column \"state\"",
			 RelationGetRelationName(trigger->tg_relation));
	old_name = SPI_getvalue(trigger->tg_trigtuple, desc, column);
	new_name = SPI_getvalue(trigger->tg_newtuple, desc, column);
	if (old_name != NULL)
		(void) profile_state_parse(old_name, &from);
	if (new_name == NULL || !profile_state_parse(new_name, &to))
		bad_name("profile state", new_name ? new_name : "NULL");
	if (!lifecycle_reachable(from, to))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("profile can not go from state \"%s\" to \"%s\"", old_name, new_name),
				 errhint("Profiles change state through the functions of the extension."),
				 errtablecol(trigger->tg_relation, column)));
	return PointerGetDatum(trigger->tg_newtuple);
}
