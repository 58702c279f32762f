/*
 * keyset_life.c
 *		SQL face of core's life of a key set, and the trigger that asks it before
 *		a key set's state is written.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "core/keyset_life.h"

PG_FUNCTION_INFO_V1(smsr_keyset_life);
PG_FUNCTION_INFO_V1(smsr_keyset_use);
PG_FUNCTION_INFO_V1(smsr_keyset_guard);

static KeysetState
state_named(const char *name)
{
	KeysetState state;

	if (name == NULL || !keyset_state_parse(name, &state))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown state of a key set \"%s\"", name ? name : "NULL"),
				 errhint("States are pending, active, retiring, revoked and compromised.")));
	return state;
}

/* (state, event): the new state, NULL if the event is not for this one */
Datum
smsr_keyset_life(PG_FUNCTION_ARGS)
{
	KeysetState from = state_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	KeysetEvent event;
	KeysetState to;

	if (!keyset_event_parse(name, &event))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown event of a key set \"%s\"", name)));
	if (!keyset_life(from, event, &to))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(keyset_state_name(to)));
}

/* (state, use): whether it is for this use, "send", "prove" or "receive" */
Datum
smsr_keyset_use(PG_FUNCTION_ARGS)
{
	KeysetState state = state_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char	   *use = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (strcmp(use, "send") == 0)
		PG_RETURN_BOOL(keyset_may_send(state, false));
	if (strcmp(use, "prove") == 0)
		PG_RETURN_BOOL(keyset_may_send(state, true));
	if (strcmp(use, "receive") == 0)
		PG_RETURN_BOOL(keyset_may_receive(state));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown use of a key set \"%s\"", use)));
}

/*
 * BEFORE UPDATE OF state on smsr.keyset: whoever writes, no state is written
 * that no event leads to.
 */
Datum
smsr_keyset_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	int			state;
	int			sealed;
	char	   *from;
	char	   *to;
	char	   *old_keys;
	char	   *new_keys;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("smsr.keyset_guard() must be fired BEFORE UPDATE FOR EACH ROW")));

	desc = RelationGetDescr(trigger->tg_relation);
	state = SPI_fnumber(desc, "state");
	sealed = SPI_fnumber(desc, "sealed");
	if (state <= 0 || sealed <= 0)
		elog(ERROR, "table \"%s\" has no column \"state\" or \"sealed\"",
			 RelationGetRelationName(trigger->tg_relation));
	from = SPI_getvalue(trigger->tg_trigtuple, desc, state);
	to = SPI_getvalue(trigger->tg_newtuple, desc, state);
	/* blobs, not keys */
	old_keys = SPI_getvalue(trigger->tg_trigtuple, desc, sealed);
	new_keys = SPI_getvalue(trigger->tg_newtuple, desc, sealed);
	if (!keyset_life_reachable(state_named(from), state_named(to),
							   old_keys == NULL || new_keys == NULL || strcmp(old_keys, new_keys) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key set can not go from state \"%s\" to \"%s\"", from, to),
				 errhint("Key sets change state through smsr.rotate_keys(), smsr.mark_keyset() and smsr.compromise_keys()."),
				 errtablecol(trigger->tg_relation, state)));
	return PointerGetDatum(trigger->tg_newtuple);
}
