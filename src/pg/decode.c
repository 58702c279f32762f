/*
 * decode.c
 *		SQL face of core's decode.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "core/decode.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(smsr_decode);

/* What is longer is not even detoasted: nothing of a card's comes near. */
#define MAX_INPUT	(1024 * 1024)

/* An object of a script takes a hundred octets of JSON and more. */
#define MAX_OUTPUT	(1024 * 1024)
#define OUTPUT_FACTOR	128

static DecodeKind
get_kind(FunctionCallInfo fcinfo, int argno)
{
	DecodeKind	kind = DECODE_ANY;
	char	   *name;

	if (PG_ARGISNULL(argno))
		return kind;
	name = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (!decode_kind_parse(name, &kind))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid argument \"kind\": \"%s\"", name),
				 errdetail("Expected tp_ud, command_packet, response_packet, script, apdu, notification, compact_response or NULL.")));
	return kind;
}

static Datum
text_to_jsonb(const char *text)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}

Datum
smsr_decode(PG_FUNCTION_ARGS)
{
	DecodeKind	kind = get_kind(fcinfo, 1);
	Size		len;
	Size		room;
	bytea	   *data;
	char	   *text;
	SmsrWriter	out;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	len = toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ;
	if (len > MAX_INPUT)
		PG_RETURN_DATUM(text_to_jsonb(psprintf("{\"kind\": \"octets\", \"length\": %zu}", len)));

	data = PG_GETARG_BYTEA_PP(0);
	room = Min(1024 + len * OUTPUT_FACTOR, MAX_OUTPUT);
	text = palloc(room + 1);
	out = smsr_writer(text, room);
	decode(smsr_bytes(VARDATA_ANY(data), len), kind, &out);
	text[out.len] = '\0';
	PG_RETURN_DATUM(text_to_jsonb(text));
}
