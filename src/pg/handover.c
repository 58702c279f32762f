/*
 * handover.c
 *		SQL face of core's change of SM-SR.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "core/handover.h"
#include "pg/row.h"

PG_FUNCTION_INFO_V1(smsr_handover);

#define COLUMNS 8

static char *
name_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static _Noreturn void
bad_name(const char *what, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown %s \"%s\" of a handover", what, name == NULL ? "NULL" : name)));
}

/*
 * (side text, stage text, warned boolean, event text, known boolean, addressed boolean,
 * OUT expected boolean, OUT stage text, OUT warned boolean, OUT effects text[], OUT status text,
 * OUT subject_code text, OUT reason_code text, OUT because text)
 */
Datum
smsr_handover(PG_FUNCTION_ARGS)
{
	char	   *side = name_arg(fcinfo, 0);
	char	   *stage = name_arg(fcinfo, 1);
	char	   *event = name_arg(fcinfo, 3);
	Handover	from = {.stage = HANDOVER_NONE, .warned = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2)};
	HandoverEvent ev = {.known = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4),
	.addressed = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5)};
	HandoverResult result;
	TupleDesc	desc;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	Datum		effects[HANDOVER_EFFECTS];
	int			count = 0;

	if (side == NULL || !handover_side_parse(side, &from.side))
		bad_name("side", side);
	if (stage != NULL && !handover_stage_parse(stage, &from.stage))
		bad_name("stage", stage);
	if (event == NULL || !handover_event_parse(event, &ev.kind))
		bad_name("event", event);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	result = handover(&from, &ev);
	for (int bit = 0; bit < HANDOVER_EFFECTS; bit++)
	{
		if (result.effects & (1u << bit))
			effects[count++] = CStringGetTextDatum(handover_effect_name(bit));
	}
	values[0] = BoolGetDatum(result.expected);
	smsr_row_text(values, nulls, 1, handover_stage_name(result.handover.stage));
	values[2] = BoolGetDatum(result.handover.warned);
	values[3] = PointerGetDatum(construct_array(effects, count, TEXTOID, -1, false, TYPALIGN_INT));
	smsr_row_text(values, nulls, 4, procedure_status_name(result.status));
	smsr_row_text(values, nulls, 5, result.subject);
	smsr_row_text(values, nulls, 6, result.reason);
	smsr_row_text(values, nulls, 7, result.because);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
