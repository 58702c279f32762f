/*
 * row.c
 *		Results that are rows.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "pg/row.h"

TupleDesc
smsr_row_type(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(flinfo->fn_mcxt);
		TupleDesc	desc;

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		flinfo->fn_extra = BlessTupleDesc(desc);
		MemoryContextSwitchTo(before);
	}
	return flinfo->fn_extra;
}

Datum
smsr_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	return HeapTupleGetDatum(heap_form_tuple(smsr_row_type(fcinfo), values, nulls));
}

void
smsr_row_text(Datum *values, bool *nulls, int n, const char *text)
{
	nulls[n] = text == NULL;
	values[n] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}
