/*
 * describe.c
 *		SQL face of core's describe.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "core/describe.h"

/* A card with a hundred ISD-Ps answers in less; the rest is cut. */
#define MAX_DESCRIPTION	8192

PG_FUNCTION_INFO_V1(smsr_describe);

Datum
smsr_describe(PG_FUNCTION_ARGS)
{
	bytea	   *data = PG_GETARG_BYTEA_PP(0);
	char	   *text = palloc(MAX_DESCRIPTION);
	SmsrWriter	out = smsr_writer(text, MAX_DESCRIPTION);

	describe(smsr_bytes(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data)), &out);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text, (int) out.len));
}
