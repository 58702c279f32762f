/*
 * schedule.c
 *		SQL face of what the scheduler is made of: window, pace, share, wave, brake
 *		and forecast.  No table, no clock.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "core/brake.h"
#include "core/forecast.h"
#include "core/pace.h"
#include "core/share.h"
#include "core/wave.h"
#include "core/window.h"
#include "pg/report.h"
#include "pg/row.h"

PG_FUNCTION_INFO_V1(smsr_window_open);
PG_FUNCTION_INFO_V1(smsr_window_opens);
PG_FUNCTION_INFO_V1(smsr_window_closes);
PG_FUNCTION_INFO_V1(smsr_windows_fault);
PG_FUNCTION_INFO_V1(smsr_valid_windows);
PG_FUNCTION_INFO_V1(smsr_pace);
PG_FUNCTION_INFO_V1(smsr_priority_weights);
PG_FUNCTION_INFO_V1(smsr_share);
PG_FUNCTION_INFO_V1(smsr_share_settle);
PG_FUNCTION_INFO_V1(smsr_waves);
PG_FUNCTION_INFO_V1(smsr_waves_fault);
PG_FUNCTION_INFO_V1(smsr_valid_waves);
PG_FUNCTION_INFO_V1(smsr_brake);
PG_FUNCTION_INFO_V1(smsr_brake_lately);
PG_FUNCTION_INFO_V1(smsr_failure_bounds);
PG_FUNCTION_INFO_V1(smsr_forecast);

/* PostgreSQL counts from a Saturday, 2000-01-01, a week here from Monday. */
#define SATURDAY		(5 * USECS_PER_DAY)
#define USECS_PER_WEEK	(7 * USECS_PER_DAY)

/* A forecast looks at every part each time that one of them opens or closes. */
#define MAX_PARTS		1000

static void
not_null(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/* A value that core would not have */
static _Noreturn void
bad_value(const SmsrError *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must be %s", error->field, error->expected)));
}

/* The same of the element of an array */
static _Noreturn void
bad_element(const SmsrError *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must be %s", error->field, error->expected),
			 errdetail("It is the one of element %zu.", error->offset + 1)));
}

static _Noreturn void
bad_text(const SmsrError *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s", error->field),
			 errdetail_internal("%s", smsr_text_error_detail(error))));
}

static _Noreturn void
bad_state(const SmsrError *error, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid state of %s: %s at octet %zu", what, error->field, error->offset),
			 errdetail_internal("%s", smsr_error_detail(error)),
			 errhint("NULL is the state of which nothing is known yet.")));
}

static SmsrBytes
state_arg(FunctionCallInfo fcinfo, int n)
{
	bytea	   *state;

	if (PG_ARGISNULL(n))
		return smsr_bytes(NULL, 0);
	state = PG_GETARG_BYTEA_PP(n);
	return smsr_bytes(VARDATA_ANY(state), VARSIZE_ANY_EXHDR(state));
}

/* Room behind a header of PostgreSQL's, and what is written there as a bytea */
static SmsrWriter
bytea_writer(size_t cap)
{
	return smsr_writer((char *) palloc(VARHDRSZ + cap) + VARHDRSZ, cap);
}

static Datum
written_bytea(const SmsrWriter *w)
{
	bytea	   *octets = (bytea *) (w->data - VARHDRSZ);

	Assert(!w->overflow);
	SET_VARSIZE(octets, VARHDRSZ + w->len);
	return PointerGetDatum(octets);
}

/* ---- arrays side by side ---- */

typedef struct Column
{
	Datum	   *value;
	bool	   *null;
	int			count;
} Column;

static Column
column_arg(FunctionCallInfo fcinfo, int n, const char *name, Oid type)
{
	ArrayType  *array;
	Column		column;
	int16		len;
	bool		by_value;
	char		align;

	not_null(fcinfo, n, name);
	array = PG_GETARG_ARRAYTYPE_P(n);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must have one dimension", name)));
	get_typlenbyvalalign(type, &len, &by_value, &align);
	deconstruct_array(array, type, len, by_value, align, &column.value, &column.null, &column.count);
	return column;
}

static void
same_count(const Column *column, const char *name, const Column *first, const char *first_name)
{
	if (column->count != first->count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s and %s must have the same number of elements", first_name, name)));
}

static void
no_nulls(const Column *column, const char *name)
{
	for (int i = 0; i < column->count; i++)
	{
		if (column->null[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not contain nulls", name),
					 errdetail("It is element %d.", i + 1)));
	}
}

/* ---- windows ---- */

static void
windows_of(text *windows, Windows *parsed)
{
	SmsrError	error;

	if (!windows_parse(VARDATA_ANY(windows), VARSIZE_ANY_EXHDR(windows), parsed, &error))
		bad_text(&error);
}

/* Microseconds since Monday 00:00 */
static int64
time_of_week(Timestamp local)
{
	int64		usecs;

	if (TIMESTAMP_NOT_FINITE(local))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("local time must be finite")));
	usecs = local % USECS_PER_WEEK + SATURDAY;
	return (usecs % USECS_PER_WEEK + USECS_PER_WEEK) % USECS_PER_WEEK;
}

static int
minute_of_week(Timestamp local)
{
	return (int) (time_of_week(local) / USECS_PER_MINUTE);
}

/* The beginning of the minute that is so many after that of local. */
static Datum
minutes_on(Timestamp local, int minutes)
{
	Timestamp	result;

	if (minutes == 0)
		return TimestampGetDatum(local);
	result = local - time_of_week(local) % USECS_PER_MINUTE + minutes * USECS_PER_MINUTE;
	if (!IS_VALID_TIMESTAMP(result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return TimestampGetDatum(result);
}

/* Without windows it is always open. */
Datum
smsr_window_open(PG_FUNCTION_ARGS)
{
	Windows		windows;
	int			minute;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	minute = minute_of_week(PG_GETARG_TIMESTAMP(1));
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(true);
	windows_of(PG_GETARG_TEXT_PP(0), &windows);
	PG_RETURN_BOOL(windows_open(&windows, minute));
}

Datum
smsr_window_opens(PG_FUNCTION_ARGS)
{
	Windows		windows;
	Timestamp	local;
	int			minute;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	local = PG_GETARG_TIMESTAMP(1);
	minute = minute_of_week(local);
	if (PG_ARGISNULL(0))
		PG_RETURN_TIMESTAMP(local);
	windows_of(PG_GETARG_TEXT_PP(0), &windows);
	/* what can be parsed opens some time */
	return minutes_on(local, windows_until_open(&windows, minute));
}

Datum
smsr_window_closes(PG_FUNCTION_ARGS)
{
	Windows		windows;
	Timestamp	local;
	int			minute;
	int			until;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	local = PG_GETARG_TIMESTAMP(1);
	minute = minute_of_week(local);
	if (PG_ARGISNULL(0))
		PG_RETURN_TIMESTAMP(DT_NOEND);
	windows_of(PG_GETARG_TEXT_PP(0), &windows);
	until = windows_until_closed(&windows, minute);
	if (until < 0)
		PG_RETURN_TIMESTAMP(DT_NOEND);
	return minutes_on(local, until);
}

Datum
smsr_windows_fault(PG_FUNCTION_ARGS)
{
	text	   *text_arg = PG_GETARG_TEXT_PP(0);
	Windows		windows;
	SmsrError	error;

	if (windows_parse(VARDATA_ANY(text_arg), VARSIZE_ANY_EXHDR(text_arg), &windows, &error))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(smsr_text_error_detail(&error)));
}

Datum
smsr_valid_windows(PG_FUNCTION_ARGS)
{
	text	   *text_arg = PG_GETARG_TEXT_PP(0);
	Windows		windows;

	PG_RETURN_BOOL(windows_parse(VARDATA_ANY(text_arg), VARSIZE_ANY_EXHDR(text_arg), &windows, NULL));
}

/* ---- pace ---- */

Datum
smsr_pace(PG_FUNCTION_ARGS)
{
	Pace		pace;
	SmsrError	error;
	SmsrWriter	next;
	int32		limit;
	int32		wanted;
	TimestampTz now;
	const Interval *ahead;
	Datum		values[2];
	bool		nulls[2] = {0};

	not_null(fcinfo, 2, "now");
	not_null(fcinfo, 3, "wanted");
	/* no limit is not a limit of nothing */
	limit = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT32(1);
	now = PG_GETARG_TIMESTAMPTZ(2);
	wanted = PG_GETARG_INT32(3);
	not_null(fcinfo, 4, "ahead");
	ahead = PG_GETARG_INTERVAL_P(4);
	if (ahead->month != 0 || ahead->day != 0 || ahead->time < 0 || ahead->time > PACE_MAX_AHEAD)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ahead must be between 0 and 10 seconds")));
	if (limit < 0 && !PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("per_second must be 0 or more, or null for no limit")));
	if (wanted < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wanted must be 0 or more")));
	if (TIMESTAMP_NOT_FINITE(now))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("now must be finite")));
	if (!pace_read(state_arg(fcinfo, 0), &pace, &error))
		bad_state(&error, "a pace");
	values[0] = Int32GetDatum((int32) pace_take(&pace, limit < 0 ? PACE_UNLIMITED : (uint32) limit,
												now, ahead->time, (uint32) wanted));
	next = bytea_writer(PACE_STATE_MAX);
	pace_write(&pace, &next);
	values[1] = written_bytea(&next);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* ---- shares ---- */

Datum
smsr_priority_weights(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < SHARE_PRIORITIES; i++)
	{
		Datum		values[2] = {Int32GetDatum(i), Int32GetDatum((int32) share_priority_weight(i))};
		bool		nulls[2] = {0};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Arguments 1 to 5: ids, tenants, priorities, weights, and what last says. */
static ShareLane *
lanes_arg(FunctionCallInfo fcinfo, const char *last, int *count)
{
	Column		ids = column_arg(fcinfo, 1, "lane_ids", INT8OID);
	Column		tenants = column_arg(fcinfo, 2, "tenants", TEXTOID);
	Column		priorities = column_arg(fcinfo, 3, "priorities", INT4OID);
	Column		weights = column_arg(fcinfo, 4, "weights", INT4OID);
	Column		numbers = column_arg(fcinfo, 5, last, INT4OID);
	ShareLane  *lanes;

	same_count(&tenants, "tenants", &ids, "lane_ids");
	same_count(&priorities, "priorities", &ids, "lane_ids");
	same_count(&weights, "weights", &ids, "lane_ids");
	same_count(&numbers, last, &ids, "lane_ids");
	no_nulls(&ids, "lane_ids");
	no_nulls(&priorities, "priorities");
	no_nulls(&weights, "weights");
	no_nulls(&numbers, last);
	*count = ids.count;
	lanes = palloc0(Max(ids.count, 1) * sizeof(ShareLane));
	for (int i = 0; i < ids.count; i++)
	{
		/* what is nobody's is a tenant too */
		text	   *tenant = tenants.null[i] ? NULL : DatumGetTextPP(tenants.value[i]);

		lanes[i].id = DatumGetInt64(ids.value[i]);
		lanes[i].tenant = tenant == NULL ? 0 :
			share_tenant(smsr_bytes(VARDATA_ANY(tenant), VARSIZE_ANY_EXHDR(tenant)));
		lanes[i].priority = DatumGetInt32(priorities.value[i]);
		/* what is negative is refused there too */
		lanes[i].weight = (uint32) DatumGetInt32(weights.value[i]);
		lanes[i].extra = DatumGetInt32(numbers.value[i]);
	}
	return lanes;
}

static _Noreturn void
share_failed(const SmsrError *error)
{
	static const char *const of_lanes[] = {"priority", "weight", "extra"};

	if (strcmp(error->field, "capacity") == 0)
		bad_value(error);
	if (strcmp(error->field, "lane") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lane_ids must name %s", error->expected),
				 errdetail("It is element %zu.", error->offset + 1)));
	for (int i = 0; i < (int) lengthof(of_lanes); i++)
	{
		if (strcmp(error->field, of_lanes[i]) == 0)
			bad_element(error);
	}
	bad_state(error, "a share");
}

Datum
smsr_share(PG_FUNCTION_ARGS)
{
	SmsrBytes	state = state_arg(fcinfo, 0);
	int			count;
	ShareLane  *lanes = lanes_arg(fcinfo, "backlog", &count);
	Datum	   *grants = palloc(Max(count, 1) * sizeof(Datum));
	SmsrWriter	next;
	SmsrError	error;
	Datum		values[2];
	bool		nulls[2] = {0};

	not_null(fcinfo, 6, "capacity");
	for (int i = 0; i < count; i++)
	{
		if (lanes[i].extra < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("backlog must be 0 or more"),
					 errdetail("It is the one of element %d.", i + 1)));
		lanes[i].backlog = (uint32) lanes[i].extra;
	}
	next = bytea_writer(share_most(count, state.len));
	/* a capacity below 0 is one above what it may be */
	if (!share(state, lanes, count, (uint32) PG_GETARG_INT32(6), palloc(share_room(count, state.len) + 1),
			   &next, &error))
		share_failed(&error);
	for (int i = 0; i < count; i++)
		grants[i] = Int32GetDatum((int32) lanes[i].grant);
	values[0] = PointerGetDatum(construct_array(grants, count, INT4OID, 4, true, TYPALIGN_INT));
	values[1] = written_bytea(&next);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

Datum
smsr_share_settle(PG_FUNCTION_ARGS)
{
	SmsrBytes	state = state_arg(fcinfo, 0);
	int			count;
	ShareLane  *lanes = lanes_arg(fcinfo, "extra", &count);
	SmsrWriter	next;
	SmsrError	error;

	next = bytea_writer(share_most(count, state.len));
	if (!share_settle(state, lanes, count, palloc(share_room(count, state.len) + 1), &next, &error))
		share_failed(&error);
	PG_RETURN_DATUM(written_bytea(&next));
}

/* ---- waves and brakes ---- */

Datum
smsr_waves(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	text	   *text_arg = PG_GETARG_TEXT_PP(0);
	WavePlan	plan;
	Wave	   *waves = palloc(WAVES_MAX * sizeof(Wave));
	size_t		count;
	int64		upto = 0;
	SmsrError	error;

	InitMaterializedSRF(fcinfo, 0);
	if (!waves_parse(VARDATA_ANY(text_arg), VARSIZE_ANY_EXHDR(text_arg), &plan, &error))
		bad_text(&error);
	if (!waves_of(&plan, PG_GETARG_INT64(1), waves, &count, &error))
		bad_value(&error);
	for (size_t i = 0; i < count; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {0};

		upto += waves[i].size;
		values[0] = Int32GetDatum((int32) i + 1);
		values[1] = CStringGetTextDatum(wave_kind_name(waves[i].kind));
		values[2] = Int64GetDatum(waves[i].size);
		values[3] = Int64GetDatum(upto);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
smsr_waves_fault(PG_FUNCTION_ARGS)
{
	text	   *text_arg = PG_GETARG_TEXT_PP(0);
	WavePlan	plan;
	SmsrError	error;

	if (waves_parse(VARDATA_ANY(text_arg), VARSIZE_ANY_EXHDR(text_arg), &plan, &error))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(smsr_text_error_detail(&error)));
}

Datum
smsr_valid_waves(PG_FUNCTION_ARGS)
{
	text	   *text_arg = PG_GETARG_TEXT_PP(0);
	WavePlan	plan;

	PG_RETURN_BOOL(waves_parse(VARDATA_ANY(text_arg), VARSIZE_ANY_EXHDR(text_arg), &plan, NULL));
}

Datum
smsr_brake(PG_FUNCTION_ARGS)
{
	SmsrError	error;
	bool		halt;

	if (!brake(PG_GETARG_INT64(0), PG_GETARG_INT64(1), PG_GETARG_FLOAT8(2), PG_GETARG_FLOAT8(3),
			   PG_GETARG_INT32(4), &halt, &error))
		bad_value(&error);
	PG_RETURN_BOOL(halt);
}

Datum
smsr_brake_lately(PG_FUNCTION_ARGS)
{
	Column		failed = column_arg(fcinfo, 0, "failed", INT8OID);
	Column		ended = column_arg(fcinfo, 1, "ended", INT8OID);
	BrakePiece *piece;
	BrakeVerdict verdict;
	SmsrError	error;
	Datum		values[3];
	bool		nulls[3] = {0};

	not_null(fcinfo, 2, "total");
	not_null(fcinfo, 3, "threshold");
	not_null(fcinfo, 4, "confidence");
	not_null(fcinfo, 5, "minimum");
	same_count(&ended, "ended", &failed, "failed");
	no_nulls(&failed, "failed");
	no_nulls(&ended, "ended");
	piece = palloc(Max(failed.count, 1) * sizeof(BrakePiece));
	for (int i = 0; i < failed.count; i++)
		piece[i] = (BrakePiece) {DatumGetInt64(failed.value[i]), DatumGetInt64(ended.value[i])};
	if (!brake_lately(piece, failed.count, PG_GETARG_INT64(2), PG_GETARG_FLOAT8(3), PG_GETARG_FLOAT8(4),
					  PG_GETARG_INT32(5), &verdict, &error))
	{
		if (strcmp(error.field, "failed") == 0 || strcmp(error.field, "ended") == 0)
			bad_element(&error);
		bad_value(&error);
	}
	values[0] = BoolGetDatum(verdict.halt);
	values[1] = Int64GetDatum(verdict.failed);
	values[2] = Int64GetDatum(verdict.ended);
	nulls[1] = nulls[2] = !verdict.halt;
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

Datum
smsr_failure_bounds(PG_FUNCTION_ARGS)
{
	SmsrError	error;
	FailureBounds bounds;
	Datum		values[2];
	bool		nulls[2] = {0};

	if (!failure_bounds(PG_GETARG_INT64(0), PG_GETARG_INT64(1), PG_GETARG_FLOAT8(2), &bounds, &error))
		bad_value(&error);
	values[0] = Float8GetDatum(bounds.lower);
	values[1] = Float8GetDatum(bounds.upper);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* ---- forecast ---- */

/* Never is NULL: no number of seconds is. */
static void
put_seconds(Datum *values, bool *nulls, int n, double seconds)
{
	nulls[n] = isinf(seconds);
	values[n] = Float8GetDatum(nulls[n] ? 0 : seconds);
}

Datum
smsr_forecast(PG_FUNCTION_ARGS)
{
	Column		messages = column_arg(fcinfo, 0, "messages", INT8OID);
	Column		windows = column_arg(fcinfo, 1, "windows", TEXTOID);
	Column		local = column_arg(fcinfo, 2, "local", TIMESTAMPOID);
	Column		rates = column_arg(fcinfo, 3, "rates", FLOAT8OID);
	ForecastPart *parts;
	double	   *rate;
	Forecast	result;
	SmsrError	error;
	Datum		values[3];
	bool		nulls[3] = {0};

	not_null(fcinfo, 4, "rate_seconds");
	not_null(fcinfo, 5, "spread");
	not_null(fcinfo, 6, "confidence");
	same_count(&windows, "windows", &messages, "messages");
	same_count(&local, "local", &messages, "messages");
	no_nulls(&messages, "messages");
	no_nulls(&local, "local");
	no_nulls(&rates, "rates");
	if (messages.count > MAX_PARTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("messages must have at most %d elements", MAX_PARTS)));
	parts = palloc0(Max(messages.count, 1) * sizeof(ForecastPart));
	for (int i = 0; i < messages.count; i++)
	{
		parts[i].messages = (double) DatumGetInt64(messages.value[i]);
		parts[i].second = (double) time_of_week(DatumGetTimestamp(local.value[i])) / USECS_PER_SEC;
		if (!windows.null[i])
		{
			Windows    *parsed = palloc(sizeof(Windows));

			windows_of(DatumGetTextPP(windows.value[i]), parsed);
			parts[i].windows = parsed;
		}
	}
	rate = palloc(Max(rates.count, 1) * sizeof(double));
	for (int i = 0; i < rates.count; i++)
		rate[i] = DatumGetFloat8(rates.value[i]);
	if (!forecast(parts, messages.count, rate, rates.count, PG_GETARG_FLOAT8(4), PG_GETARG_FLOAT8(5),
				  PG_GETARG_FLOAT8(6), &result, &error))
	{
		if (error.code != SMSR_BAD_LENGTH && (strcmp(error.field, "messages") == 0 || strcmp(error.field, "rates") == 0))
			bad_element(&error);
		bad_value(&error);
	}
	put_seconds(values, nulls, 0, result.expected);
	put_seconds(values, nulls, 1, result.earliest);
	put_seconds(values, nulls, 2, result.latest);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}
