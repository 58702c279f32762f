/*
 * pol2.c
 *		What the domain smsr.pol2 accepts.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/lifecycle.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(smsr_pol2_ok);

Datum
smsr_pol2_ok(PG_FUNCTION_ARGS)
{
	ArrayType  *rules = PG_GETARG_ARRAYTYPE_P(0);
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(rules, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		uint8		rule;

		if (nulls[i] || !pol2_rule_parse(TextDatumGetCString(elements[i]), &rule))
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}
