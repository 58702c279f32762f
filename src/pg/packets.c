/*
 * packets.c
 *		Secured packets, short messages and scripts as SQL functions: octets in,
 *		octets out, keys as arguments, no table.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "core/scp80.h"
#include "core/script.h"
#include "core/sms.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pg/report.h"
#include "pg/row.h"
#include "pg/secure.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(smsr_scp80_command);
PG_FUNCTION_INFO_V1(smsr_scp80_response);
PG_FUNCTION_INFO_V1(smsr_scp80_open_command);
PG_FUNCTION_INFO_V1(smsr_scp80_open_response);
PG_FUNCTION_INFO_V1(smsr_sms_segment_count);
PG_FUNCTION_INFO_V1(smsr_sms_segments);
PG_FUNCTION_INFO_V1(smsr_sms_reassemble);
PG_FUNCTION_INFO_V1(smsr_script);
PG_FUNCTION_INFO_V1(smsr_script_relayed);
PG_FUNCTION_INFO_V1(smsr_script_response);
PG_FUNCTION_INFO_V1(smsr_script_compact);
PG_FUNCTION_INFO_V1(smsr_script_compact_response);

/* No packet or script comes near; what is longer is not even detoasted. */
#define MAX_ARGUMENT	(1024 * 1024)

/* Room for tag and length of each APDU and of the template around them. */
#define TLV_OVERHEAD	8

/* ---- arguments ---- */

static void
check_size(Datum datum, const char *name)
{
	if (toast_raw_datum_size(datum) - VARHDRSZ > MAX_ARGUMENT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid argument \"%s\": too long", name),
				 errdetail("Expected no more than %d octets.", MAX_ARGUMENT)));
}

/* The octets of a bytea where they stand: keys are not copied. */
static SmsrBytes
get_octets(Datum datum, const char *name)
{
	struct varlena *value;

	check_size(datum, name);
	value = PG_DETOAST_DATUM_PACKED(datum);
	return smsr_bytes(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static const uint8 *
get_fixed_octets(Datum datum, const char *name, size_t len)
{
	SmsrBytes	octets = get_octets(datum, name);

	if (octets.len != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid argument \"%s\": %zu octets", name, octets.len),
				 errdetail_plural("Expected %zu octet.", "Expected %zu octets.", len, len)));
	return octets.data;
}

static int64
get_number(int64 value, const char *name, int64 max)
{
	if (value < 0 || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid argument \"%s\": %lld", name, (long long) value),
				 errdetail("Expected 0 to %lld.", (long long) max)));
	return value;
}

static Scp80Bearer
get_bearer(Datum datum)
{
	SmsrBytes	name = get_octets(datum, "bearer");

	if (name.len == 3 && memcmp(name.data, "sms", 3) == 0)
		return SCP80_SMS;
	if (name.len == 6 && memcmp(name.data, "cat_tp", 6) == 0)
		return SCP80_CAT_TP;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid argument \"%s\": unknown bearer", "bearer"),
			 errdetail("Expected \"sms\" or \"cat_tp\".")));
}

/* spi is both octets of it, or SPI2 alone for a response. */
static void
get_header(FunctionCallInfo fcinfo, bool command, Scp80Header *header)
{
	memset(header, 0, sizeof(*header));
	if (command)
	{
		const uint8 *spi = get_fixed_octets(PG_GETARG_DATUM(0), "spi", 2);

		header->spi1 = spi[0];
		header->spi2 = spi[1];
	}
	else
		header->spi2 = *get_fixed_octets(PG_GETARG_DATUM(0), "spi2", 1);
	header->kic = *get_fixed_octets(PG_GETARG_DATUM(1), "kic", 1);
	header->kid = *get_fixed_octets(PG_GETARG_DATUM(2), "kid", 1);
	memcpy(header->tar, get_fixed_octets(PG_GETARG_DATUM(3), "tar", SCP80_TAR_LEN),
		   SCP80_TAR_LEN);
	header->cntr = get_number(PG_GETARG_INT64(4), "cntr", SCP80_MAX_CNTR);
}

static Scp80Keys
get_keys(Datum kic_key, Datum kid_key)
{
	return (Scp80Keys)
	{
		get_octets(kic_key, "kic_key"), get_octets(kid_key, "kid_key")
	};
}

/* The elements of a bytea[], and how many octets they are together. */
static SmsrBytes *
get_octet_strings(Datum datum, const char *name, int *count, size_t *total)
{
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	SmsrBytes  *strings;

	check_size(datum, name);
	array = DatumGetArrayTypeP(datum);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("invalid argument \"%s\": %d dimensions", name, ARR_NDIM(array)),
				 errdetail("Expected one dimension.")));
	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, count);

	strings = palloc(Max(*count, 1) * sizeof(SmsrBytes));
	*total = 0;
	for (int i = 0; i < *count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("invalid argument \"%s\": element %d is null", name, i + 1)));

		/* a compressed element may be longer than the array it stands in */
		strings[i] = get_octets(elements[i], name);
		*total += strings[i].len;
		if (*total > MAX_ARGUMENT)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid argument \"%s\": too long", name),
					 errdetail("Expected no more than %d octets.", MAX_ARGUMENT)));
	}
	return strings;
}

/* ---- results ---- */

/* A bytea that a writer fills; the length is set when it is done. */
static bytea *
new_octets(size_t cap, SmsrWriter *w)
{
	bytea	   *result = palloc(VARHDRSZ + cap);

	*w = smsr_writer(VARDATA(result), cap);
	return result;
}

static Datum
finish_octets(bytea *result, const SmsrWriter *w)
{
	SET_VARSIZE(result, VARHDRSZ + w->len);
	return PointerGetDatum(result);
}

static Datum
octets_datum(const void *data, size_t len)
{
	SmsrWriter	w;
	bytea	   *result = new_octets(len, &w);

	put_bytes(&w, data, len);
	return finish_octets(result, &w);
}

/* ---- secured packets ---- */

/* Fetching contexts of libcrypto takes as long as building a packet. */
static Scp80 *scp80;

static void
forget_keys(void)
{
	scp80_forget(scp80);
}

static Scp80 *
get_scp80(void)
{
	if (scp80 == NULL)
	{
		scp80 = scp80_new();
		if (scp80 == NULL)
			smsr_report_crypto("its contexts");
		secure_at_end(forget_keys);
	}
	return scp80;
}

/* KIc, KID and keys are arguments where they are no octets of the packet. */
static _Noreturn void
report_open(const SmsrError *error, bool command)
{
	const char *what = command ? "SCP80 command packet" : "SCP80 response packet";
	bool		argument = strncmp(error->field, "key for", 7) == 0;

	if (!command)
		argument = argument ||
			strcmp(error->field, "SPI2") == 0 ||
			strcmp(error->field, "KIc") == 0 ||
			strcmp(error->field, "KID") == 0;

	if (argument)
		smsr_report_open(error, what);
	smsr_report(error, what);
}

Datum
smsr_scp80_command(PG_FUNCTION_ARGS)
{
	Scp80Keys	keys = get_keys(PG_GETARG_DATUM(5), PG_GETARG_DATUM(6));
	SmsrBytes	data = get_octets(PG_GETARG_DATUM(7), "data");
	Scp80Bearer bearer = get_bearer(PG_GETARG_DATUM(8));
	Scp80Header header;
	SmsrWriter	w;
	bytea	   *packet;
	SmsrError	error;

	get_header(fcinfo, true, &header);
	packet = new_octets(data.len + SCP80_OVERHEAD, &w);
	if (!scp80_seal_command(get_scp80(), bearer, &header, &keys, data, &w, &error))
		smsr_report_build(&error, "SCP80 command packet");
	return finish_octets(packet, &w);
}

Datum
smsr_scp80_response(PG_FUNCTION_ARGS)
{
	uint8		status = get_number(PG_GETARG_INT32(5), "status", 255);
	Scp80Keys	keys = get_keys(PG_GETARG_DATUM(6), PG_GETARG_DATUM(7));
	SmsrBytes	data = get_octets(PG_GETARG_DATUM(8), "data");
	Scp80Bearer bearer = get_bearer(PG_GETARG_DATUM(9));
	Scp80Header header;
	SmsrWriter	w;
	bytea	   *packet;
	SmsrError	error;

	get_header(fcinfo, false, &header);
	packet = new_octets(data.len + SCP80_OVERHEAD, &w);
	if (!scp80_seal_response(get_scp80(), bearer, &header, &keys, status, data,
							 &w, &error))
		smsr_report_build(&error, "SCP80 response packet");
	return finish_octets(packet, &w);
}

Datum
smsr_scp80_open_command(PG_FUNCTION_ARGS)
{
	SmsrBytes	packet = get_octets(PG_GETARG_DATUM(0), "packet");
	Scp80Keys	keys = get_keys(PG_GETARG_DATUM(1), PG_GETARG_DATUM(2));
	Scp80Bearer bearer = get_bearer(PG_GETARG_DATUM(3));
	SmsrWriter	scratch;
	Scp80Command command;
	uint8		spi[2];
	Datum		values[7] = {0};
	bool		nulls[7] = {false};
	SmsrError	error;

	new_octets(packet.len, &scratch);
	if (!scp80_open_command(get_scp80(), bearer, &keys, packet, &scratch,
							&command, &error))
		report_open(&error, true);

	spi[0] = command.header.spi1;
	spi[1] = command.header.spi2;
	values[0] = octets_datum(spi, 2);
	values[1] = octets_datum(&command.header.kic, 1);
	values[2] = octets_datum(&command.header.kid, 1);
	values[3] = octets_datum(command.header.tar, SCP80_TAR_LEN);
	values[4] = Int64GetDatum((int64) command.header.cntr);
	values[5] = BoolGetDatum(command.authentic);
	if (command.authentic)
		values[6] = octets_datum(command.data.data, command.data.len);
	else
		nulls[6] = true;
	return smsr_row(fcinfo, values, nulls);
}

Datum
smsr_scp80_open_response(PG_FUNCTION_ARGS)
{
	SmsrBytes	packet = get_octets(PG_GETARG_DATUM(0), "packet");
	uint8		spi2 = *get_fixed_octets(PG_GETARG_DATUM(1), "spi2", 1);
	uint8		kic = *get_fixed_octets(PG_GETARG_DATUM(2), "kic", 1);
	uint8		kid = *get_fixed_octets(PG_GETARG_DATUM(3), "kid", 1);
	Scp80Keys	keys = get_keys(PG_GETARG_DATUM(4), PG_GETARG_DATUM(5));
	Scp80Bearer bearer = get_bearer(PG_GETARG_DATUM(6));
	SmsrWriter	scratch;
	Scp80Response response;
	Datum		values[5] = {0};
	bool		nulls[5] = {false};
	SmsrError	error;

	new_octets(packet.len, &scratch);
	if (!scp80_open_response(get_scp80(), bearer, spi2, kic, kid, &keys, packet,
							 &scratch, &response, &error))
		report_open(&error, false);

	values[0] = octets_datum(response.tar, SCP80_TAR_LEN);
	values[1] = Int64GetDatum((int64) response.cntr);
	values[2] = Int32GetDatum(response.status);
	values[3] = BoolGetDatum(response.authentic);
	if (response.authentic)
		values[4] = octets_datum(response.data.data, response.data.len);
	else
		nulls[4] = true;
	return smsr_row(fcinfo, values, nulls);
}

/* ---- short messages ---- */

/* What is cut up, between one call and the next. */
typedef struct Segmentation
{
	SmsrBytes	packet;
	uint8		cpi;
	uint16		reference;
	int			reference_bits;
} Segmentation;

static Segmentation *
start_segmentation(FunctionCallInfo fcinfo)
{
	SmsrBytes	packet = get_octets(PG_GETARG_DATUM(0), "packet");
	Segmentation *s = palloc(sizeof(Segmentation) + packet.len);

	/* the argument lives for one call only */
	if (packet.len > 0)
		memcpy(s + 1, packet.data, packet.len);
	s->packet = smsr_bytes(s + 1, packet.len);
	s->cpi = get_number(PG_GETARG_INT32(1), "cpi", 255);
	s->reference = get_number(PG_GETARG_INT32(2), "reference", 65535);
	s->reference_bits = PG_GETARG_INT32(3);
	return s;
}

static Datum
write_segment(const Segmentation *s, size_t index)
{
	SmsrWriter	w;
	bytea	   *tp_ud = new_octets(SMS_MAX_UD, &w);
	SmsrError	error;

	if (!sms_segment(s->packet, s->cpi, s->reference, s->reference_bits, index,
					 &w, &error))
		smsr_report_build(&error, "short messages");
	return finish_octets(tp_ud, &w);
}

Datum
smsr_sms_segment_count(PG_FUNCTION_ARGS)
{
	int32		length = PG_GETARG_INT32(0);
	size_t		count = length < 0 ? 0 : sms_segment_count((size_t) length, 8);

	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("packet of %d octets does not fit concatenated short messages", length)));
	PG_RETURN_INT32((int32) count);
}

Datum
smsr_sms_segments(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	Datum		segment;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		Segmentation *s;

		funcctx = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		s = start_segmentation(fcinfo);
		/* no count for what can not be split: the first segment tells why */
		funcctx->max_calls = Max(sms_segment_count(s->packet.len, s->reference_bits), 1);
		funcctx->user_fctx = s;
		MemoryContextSwitchTo(old);
	}

	CHECK_FOR_INTERRUPTS();
	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr >= funcctx->max_calls)
		SRF_RETURN_DONE(funcctx);

	/* not inside the macro, which counts before it evaluates */
	segment = write_segment(funcctx->user_fctx, funcctx->call_cntr);
	SRF_RETURN_NEXT(funcctx, segment);
}

Datum
smsr_sms_reassemble(PG_FUNCTION_ARGS)
{
	int			count;
	size_t		total;
	SmsrBytes  *segments = get_octet_strings(PG_GETARG_DATUM(0), "segments",
											 &count, &total);
	SmsrWriter	w;
	bytea	   *packet = new_octets(total, &w);
	uint8		cpi;
	SmsrError	error;

	if (!sms_reassemble(segments, count, &cpi, &w, &error))
		smsr_report(&error, "short message");
	return finish_octets(packet, &w);
}

/* ---- scripts ---- */

Datum
smsr_script(PG_FUNCTION_ARGS)
{
	int			count;
	size_t		total;
	SmsrBytes  *c_apdus = get_octet_strings(PG_GETARG_DATUM(0), "c_apdus",
											&count, &total);
	SmsrWriter	w;
	bytea	   *script = new_octets(total + TLV_OVERHEAD * ((size_t) count + 1), &w);
	SmsrError	error;

	if (!script_write(c_apdus, count, PG_GETARG_BOOL(1), &w, &error))
		smsr_report_build(&error, "command script");
	return finish_octets(script, &w);
}

/* What another party secured goes as it came, in a script of its own. */
Datum
smsr_script_relayed(PG_FUNCTION_ARGS)
{
	SmsrBytes	commands = get_octets(PG_GETARG_DATUM(0), "data");
	SmsrWriter	w;
	bytea	   *script = new_octets(commands.len + TLV_OVERHEAD, &w);
	SmsrError	error;

	if (!script_write_relayed(commands, &w, &error))
		smsr_report(&error, "data");
	return finish_octets(script, &w);
}

Datum
smsr_script_response(PG_FUNCTION_ARGS)
{
	SmsrBytes	data = get_octets(PG_GETARG_DATUM(0), "data");
	ScriptResponse response;
	ScriptReader reader;
	SmsrTlv		tlv;
	Datum	   *r_apdus;
	int			count = 0;
	Datum		values[2];
	bool		nulls[2] = {false};
	SmsrError	error;

	if (!script_read_response(data, &response, &error))
		smsr_report(&error, "response script");

	/* the second walk is over what the first one found to be sound */
	r_apdus = palloc(Max(response.r_apdus, 1) * sizeof(Datum));
	if (!script_open(data, &reader, &error))
		smsr_report(&error, "response script");
	while (count < response.r_apdus && script_next(&reader, &tlv, &error))
	{
		CHECK_FOR_INTERRUPTS();
		if (tlv.tag == SCRIPT_R_APDU)
			r_apdus[count++] = octets_datum(tlv.value.data, tlv.value.len);
	}

	values[0] = Int32GetDatum(response.executed);
	values[1] = PointerGetDatum(construct_array(r_apdus, count, BYTEAOID, -1,
												false, TYPALIGN_INT));
	return smsr_row(fcinfo, values, nulls);
}

Datum
smsr_script_compact(PG_FUNCTION_ARGS)
{
	int			count;
	size_t		total;
	SmsrBytes  *c_apdus = get_octet_strings(PG_GETARG_DATUM(0), "c_apdus",
											&count, &total);
	SmsrWriter	w;
	bytea	   *script = new_octets(total, &w);
	SmsrError	error;

	if (!script_write_compact(c_apdus, count, &w, &error))
		smsr_report_build(&error, "compact script");
	return finish_octets(script, &w);
}

Datum
smsr_script_compact_response(PG_FUNCTION_ARGS)
{
	SmsrBytes	response = get_octets(PG_GETARG_DATUM(0), "response");
	int			executed;
	uint16		sw;
	uint8		sw_octets[2];
	SmsrBytes	data;
	Datum		values[3];
	bool		nulls[3] = {false};
	SmsrError	error;

	if (!script_read_compact(response, &executed, &sw, &data, &error))
		smsr_report(&error, "compact response");

	sw_octets[0] = (uint8) (sw >> 8);
	sw_octets[1] = (uint8) sw;
	values[0] = Int32GetDatum(executed);
	values[1] = octets_datum(sw_octets, 2);
	values[2] = octets_datum(data.data, data.len);
	return smsr_row(fcinfo, values, nulls);
}
