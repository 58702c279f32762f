/*
 * authority.c
 *		SQL face of core's authority.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "core/authority.h"
#include "pg/row.h"

PG_FUNCTION_INFO_V1(smsr_authority);
PG_FUNCTION_INFO_V1(smsr_authority_rules);

static AuthorityFunction
function_arg(FunctionCallInfo fcinfo, int n)
{
	text	   *name;

	if (PG_ARGISNULL(n))
		return MAY_UNKNOWN;
	name = PG_GETARG_TEXT_PP(n);
	return authority_function_parse(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

static AuthorityKind
kind_arg(FunctionCallInfo fcinfo, int n)
{
	text	   *name;

	if (PG_ARGISNULL(n))
		return PARTY_UNKNOWN;
	name = PG_GETARG_TEXT_PP(n);
	return authority_kind_parse(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/* A fact that is NULL could not be read: it is as if it spoke against. */
static bool
favourable_arg(FunctionCallInfo fcinfo, int n)
{
	return !PG_ARGISNULL(n) && PG_GETARG_BOOL(n);
}

static bool
adverse_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) || PG_GETARG_BOOL(n);
}

Datum
smsr_authority(PG_FUNCTION_ARGS)
{
	AuthorityFacts facts = {
		.known = favourable_arg(fcinfo, 2),
		.pinned_away = adverse_arg(fcinfo, 3),
		.eum = favourable_arg(fcinfo, 4),
		.has = favourable_arg(fcinfo, 5),
		.profile = favourable_arg(fcinfo, 6),
		.owner = favourable_arg(fcinfo, 7),
		.maker = favourable_arg(fcinfo, 8),
		.plma = favourable_arg(fcinfo, 9),
		.granted = favourable_arg(fcinfo, 10),
		.holder_ok = favourable_arg(fcinfo, 11)
	};
	AuthorityVerdict verdict = authority(function_arg(fcinfo, 0), kind_arg(fcinfo, 1), &facts);
	Datum		values[4];
	bool		nulls[4] = {0};

	values[0] = BoolGetDatum(verdict.allowed);
	smsr_row_text(values, nulls, 1, verdict.subject);
	smsr_row_text(values, nulls, 2, verdict.reason);
	smsr_row_text(values, nulls, 3, verdict.because);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

Datum
smsr_authority_rules(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (AuthorityFunction function = MAY_UNKNOWN + 1; function < AUTHORITY_FUNCTIONS; function++)
		for (AuthorityKind kind = PARTY_UNKNOWN + 1; kind < AUTHORITY_KINDS; kind++)
		{
			StringInfoData words;
			const char *need;
			Datum		values[3];
			bool		nulls[3] = {0};

			if (!authority_rule(function, kind))
				continue;
			initStringInfo(&words);
			for (int n = 0; (need = authority_need(function, kind, n)) != NULL; n++)
				appendStringInfo(&words, "%s%s", n == 0 ? "" : "; ", need);
			smsr_row_text(values, nulls, 0, authority_function_name(function));
			smsr_row_text(values, nulls, 1, authority_kind_name(kind));
			smsr_row_text(values, nulls, 2, words.len > 0 ? words.data : "nothing");
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	return (Datum) 0;
}
