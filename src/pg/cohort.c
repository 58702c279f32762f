/*
 * cohort.c
 *		A campaign's cohort: the rows of somebody's SELECT, read with that one's
 *		rights and without any trace.
 *
 * The query runs in a subtransaction that is read-only and is always rolled
 * back.  Read-only: the server refuses whatever writes to a table that lasts,
 * draws from a sequence or changes an object, also in functions that the query
 * calls, and says so.  But there are ways around that (RESET
 * transaction_read_only; temporary tables and large objects in PostgreSQL 15),
 * so what counts is that all of it is undone.  That something was written
 * shows in a transaction id, which only writers get: then, too, it is an error.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pg/types.h"
#include "storage/latch.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

PG_FUNCTION_INFO_V1(smsr_read_cohort);
PG_FUNCTION_INFO_V1(smsr_cohort_plan);

/* Columns that are given out, in order; the first is the number of the row. */
enum
{
	OUT_N, OUT_EID, OUT_ICCID, OUT_ARGUMENTS, OUT_TIME_ZONE, OUT_WAVE, OUT_COLUMNS
};

/* What a column of the query is for: one of OUT_*, or an argument. */
#define IS_ARGUMENT		OUT_COLUMNS

typedef struct CohortColumn
{
	int			is;
	char	   *name;
	Oid			type;
	bool		convert;		/* text, for the type's input function */
	FmgrInfo	input;
	Oid			input_param;
} CohortColumn;

typedef struct CohortReceiver
{
	DestReceiver pub;
	Tuplestorestate *store;
	TupleDesc	desc;			/* of what is given out */
	MemoryContext row_context;
	int64		most;
	ArrayType  *argument_names;
	bool		needs_iccid;
	bool		has_arguments;	/* in columns of their own */
	int			columns;
	CohortColumn *column;
	int64		rows;
	const char *reading;		/* the column that is being read */
} CohortReceiver;

typedef struct Reading
{
	const char *query;
	CohortReceiver *receiver;	/* NULL: the plan is wanted */
	char	   *plan;
	TupleDesc	columns;
} Reading;

static TimeoutId cohort_timeout = MAX_TIMEOUTS;
static volatile sig_atomic_t too_slow = false;

static void
stop_query(void)
{
	too_slow = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

/* ---- the columns ---- */

static bool
is_argument(const CohortReceiver *self, const char *name)
{
	Datum	   *names;
	int			count;

	deconstruct_array(self->argument_names, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &count);
	for (int i = 0; i < count; i++)
		if (strcmp(TextDatumGetCString(names[i]), name) == 0)
			return true;
	return false;
}

static int
meaning_of(const CohortReceiver *self, const char *name)
{
	if (strcmp(name, "eid") == 0)
		return OUT_EID;
	if (strcmp(name, "iccid") == 0)
		return OUT_ICCID;
	if (strcmp(name, "arguments") == 0)
		return OUT_ARGUMENTS;
	if (strcmp(name, "time_zone") == 0)
		return OUT_TIME_ZONE;
	if (strcmp(name, "wave") == 0)
		return OUT_WAVE;
	if (is_argument(self, name))
		return IS_ARGUMENT;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("the cohort has a column \"%s\", which means nothing", name),
			 errdetail("Columns are eid, iccid, arguments or the function's arguments by name, time_zone and wave.")));
}

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static void
wrong_type(const char *name, Oid type, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of the cohort has type %s", name, format_type_be(type)),
			 errdetail("Expected is %s.", expected)));
}

static void
check_type(const CohortReceiver *self, CohortColumn *column)
{
	Oid			type = column->type;
	Oid			of_eid = TupleDescAttr(self->desc, OUT_EID)->atttypid;
	Oid			of_iccid = TupleDescAttr(self->desc, OUT_ICCID)->atttypid;

	switch (column->is)
	{
		case OUT_EID:
		case OUT_ICCID:
			{
				Oid			wanted = column->is == OUT_EID ? of_eid : of_iccid;

				column->convert = type != wanted;
				if (column->convert)
				{
					Oid			function;

					if (!is_text(type))
						wrong_type(column->name, type, psprintf("%s or text", format_type_be(wanted)));
					getTypeInputInfo(wanted, &function, &column->input_param);
					fmgr_info(function, &column->input);
				}
				break;
			}
		case OUT_ARGUMENTS:
			if (type != JSONBOID)
				wrong_type(column->name, type, "jsonb");
			break;
		case OUT_TIME_ZONE:
			if (!is_text(type))
				wrong_type(column->name, type, "text");
			break;
		case OUT_WAVE:
			if (!is_integer(type))
				wrong_type(column->name, type, "a whole number");
			break;
		default:
			if (!is_text(type) && !is_integer(type) && type != BOOLOID && type != BYTEAOID)
				wrong_type(column->name, type, "text, a whole number, boolean or bytea");
	}
}

static void
cohort_startup(DestReceiver *dest, int operation, TupleDesc typeinfo)
{
	CohortReceiver *self = (CohortReceiver *) dest;
	bool		have[IS_ARGUMENT + 1] = {false};

	self->columns = typeinfo->natts;
	self->column = palloc0(sizeof(CohortColumn) * Max(typeinfo->natts, 1));
	for (int i = 0; i < typeinfo->natts; i++)
	{
		CohortColumn *column = &self->column[i];

		column->name = pstrdup(NameStr(TupleDescAttr(typeinfo, i)->attname));
		column->type = getBaseType(TupleDescAttr(typeinfo, i)->atttypid);
		column->is = meaning_of(self, column->name);
		for (int j = 0; j < i; j++)
			if (strcmp(self->column[j].name, column->name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("the cohort has two columns \"%s\"", column->name)));
		check_type(self, column);
		have[column->is] = true;
	}
	if (!have[OUT_EID])
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the cohort has no column \"eid\"")));
	if (self->needs_iccid && !have[OUT_ICCID])
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the cohort has no column \"iccid\", which the function needs")));
	if (!self->needs_iccid && have[OUT_ICCID])
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the cohort has a column \"iccid\", but the function is about no profile")));
	if (have[OUT_ARGUMENTS] && have[IS_ARGUMENT])
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("the cohort has arguments both in a column \"arguments\" and in columns of their own")));
	self->has_arguments = have[IS_ARGUMENT];
}

/* ---- the rows ---- */

static int64
integer_value(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

static void
push_argument(JsonbParseState **state, const CohortColumn *column, Datum value)
{
	JsonbValue	key;
	JsonbValue	json;

	key.type = jbvString;
	key.val.string.val = column->name;
	key.val.string.len = strlen(column->name);
	pushJsonbValue(state, WJB_KEY, &key);
	if (is_text(column->type))
	{
		text	   *t = DatumGetTextPP(value);

		json.type = jbvString;
		json.val.string.val = VARDATA_ANY(t);
		json.val.string.len = VARSIZE_ANY_EXHDR(t);
	}
	else if (column->type == BOOLOID)
	{
		json.type = jbvBool;
		json.val.boolean = DatumGetBool(value);
	}
	else if (column->type == BYTEAOID)
	{
		/* as the functions for people keep octets: jsonb has none */
		bytea	   *b = DatumGetByteaPP(value);
		int			len = VARSIZE_ANY_EXHDR(b);

		json.type = jbvString;
		json.val.string.val = palloc(len * 2 + 1);
		json.val.string.len = (int) hex_encode(VARDATA_ANY(b), len, json.val.string.val);
	}
	else
	{
		json.type = jbvNumeric;
		json.val.numeric = int64_to_numeric(integer_value(column->type, value));
	}
	pushJsonbValue(state, WJB_VALUE, &json);
}

static void
read_column(const CohortReceiver *self, CohortColumn *column, Datum value,
			Datum *values, bool *nulls, JsonbParseState **arguments)
{
	switch (column->is)
	{
		case IS_ARGUMENT:
			push_argument(arguments, column, value);
			return;
		case OUT_EID:
		case OUT_ICCID:
			if (column->convert)
				value = InputFunctionCall(&column->input, TextDatumGetCString(value),
										  column->input_param, -1);
			break;
		case OUT_ARGUMENTS:
			if (!JB_ROOT_IS_OBJECT(DatumGetJsonbP(value)))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("arguments must be an object")));
			break;
		case OUT_WAVE:
			{
				int64		wave = integer_value(column->type, value);

				if (wave < 1 || wave > PG_INT16_MAX)
					ereport(ERROR,
							(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							 errmsg("a wave is a number from 1 to %d, not " INT64_FORMAT, PG_INT16_MAX, wave)));
				value = Int32GetDatum((int32) wave);
				break;
			}
	}
	values[column->is] = value;
	nulls[column->is] = false;
}

static bool
cohort_receive(TupleTableSlot *slot, DestReceiver *dest)
{
	CohortReceiver *self = (CohortReceiver *) dest;
	MemoryContext before = MemoryContextSwitchTo(self->row_context);
	Datum		values[OUT_COLUMNS];
	bool		nulls[OUT_COLUMNS];
	JsonbParseState *arguments = NULL;

	MemoryContextReset(self->row_context);
	memset(nulls, true, sizeof(nulls));
	if (++self->rows > self->most)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the cohort has more than " INT64_FORMAT " rows", self->most),
				 errhint("The option most of the campaign says how many there may be.")));
	values[OUT_N] = Int32GetDatum((int32) self->rows);
	nulls[OUT_N] = false;

	slot_getallattrs(slot);
	if (self->has_arguments)
		pushJsonbValue(&arguments, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < self->columns; i++)
	{
		CohortColumn *column = &self->column[i];

		self->reading = column->name;
		if (!slot->tts_isnull[i])
			read_column(self, column, slot->tts_values[i], values, nulls, &arguments);
		else if (column->is == OUT_EID || column->is == OUT_WAVE ||
				 (column->is == OUT_ICCID && self->needs_iccid))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("it is null")));
	}
	if (self->has_arguments)
	{
		values[OUT_ARGUMENTS] = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&arguments, WJB_END_OBJECT, NULL)));
		nulls[OUT_ARGUMENTS] = false;
	}
	self->reading = NULL;
	tuplestore_putvalues(self->store, self->desc, values, nulls);
	MemoryContextSwitchTo(before);
	return true;
}

static void
cohort_nothing(DestReceiver *dest)
{
}

/* ---- the query ---- */

static void
not_one_select(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("the cohort must be one SELECT"),
			 errdetail("It is %s.", what)));
}

static Query *
analyse(const char *query)
{
	List	   *parsed = pg_parse_query(query);
	List	   *rewritten;
	RawStmt    *raw;
	SelectStmt *select;
	Query	   *tree;

	if (list_length(parsed) != 1)
		not_one_select(parsed == NIL ? "empty" : "several statements");
	raw = linitial_node(RawStmt, parsed);
	if (!IsA(raw->stmt, SelectStmt))
		not_one_select("another statement");
	select = (SelectStmt *) raw->stmt;
	while (select->op != SETOP_NONE)
		select = select->larg;
	if (select->intoClause != NULL)
		not_one_select("a SELECT INTO");
	rewritten = pg_analyze_and_rewrite_fixedparams(raw, query, NULL, 0, NULL);
	if (list_length(rewritten) != 1)
		not_one_select("rewritten into several statements");
	tree = linitial_node(Query, rewritten);
	if (tree->commandType != CMD_SELECT || tree->utilityStmt != NULL)
		not_one_select("another statement");
	if (tree->hasModifyingCTE)
		not_one_select("a SELECT whose WITH changes data");
	if (tree->rowMarks != NIL || tree->hasForUpdate)
		not_one_select("a SELECT that locks rows");
	return tree;
}

static void
run(Reading *reading)
{
	Query	   *tree = analyse(reading->query);
	PlannedStmt *plan = pg_plan_query(tree, reading->query, 0, NULL);
	QueryDesc  *desc;
	DestReceiver *dest = reading->receiver != NULL ? &reading->receiver->pub : None_Receiver;

	desc = CreateQueryDesc(plan, reading->query, GetActiveSnapshot(), InvalidSnapshot,
						   dest, NULL, NULL, 0);
	/* not as EXPLAIN asks: who is allowed to see the plan is not who makes it */
	ExecutorStart(desc, 0);
	if (reading->receiver != NULL)
		ExecutorRun(desc, ForwardScanDirection, 0, true);
	else
	{
		ExplainState *es = NewExplainState();

		es->format = EXPLAIN_FORMAT_TEXT;
		es->costs = true;
		ExplainBeginOutput(es);
		ExplainPrintPlan(es, desc);
		ExplainEndOutput(es);
		reading->plan = es->str->data;
		reading->columns = CreateTupleDescCopy(desc->tupDesc);
	}
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
}

/* What an error says of the cohort, in our words where they are clearer. */
static void
explain_error(ErrorData *error, const Reading *reading)
{
	const CohortReceiver *receiver = reading->receiver;

	if (too_slow && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
	{
		error->message = "the cohort query took too long";
		error->hint = "The option timeout of the campaign says how long it may take.";
		return;
	}
	if (error->sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION)
	{
		error->detail = psprintf("It ended with: %s.", error->message);
		error->message = "the cohort query must not write";
	}
	else if (receiver != NULL && receiver->reading != NULL)
		error->message = psprintf("row " INT64_FORMAT " of the cohort, column \"%s\": %s",
								  receiver->rows, receiver->reading, error->message);
	if (error->cursorpos > 0)
	{
		error->internalpos = error->cursorpos;
		error->internalquery = pstrdup(reading->query);
		error->cursorpos = 0;
	}
}

static void
run_without_trace(Reading *reading, const char *search_path, double seconds)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Oid			user;
	int			security;
	ErrorData  *volatile error = NULL;

	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("nobody calls within a security-restricted operation")));
	if (cohort_timeout == MAX_TIMEOUTS)
		cohort_timeout = RegisterTimeout(USER_TIMEOUT, stop_query);
	too_slow = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		XactReadOnly = true;
		GetUserIdAndSecContext(&user, &security);
		/* whoever it is keeps to what he is: no SET ROLE in there */
		SetUserIdAndSecContext(GetOuterUserId(), security | SECURITY_LOCAL_USERID_CHANGE);
		(void) set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		enable_timeout_after(cohort_timeout, Max((int) (seconds * 1000), 1));
		PushActiveSnapshot(GetTransactionSnapshot());
		run(reading);
		PopActiveSnapshot();
		disable_timeout(cohort_timeout, false);
		if (too_slow)
		{
			QueryCancelPending = false;
			ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("too late")));
		}
		if (!XactReadOnly || TransactionIdIsValid(GetCurrentTransactionIdIfAny()))
			ereport(ERROR,
					(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
					 errmsg("it wrote all the same")));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		disable_timeout(cohort_timeout, false);
		if (too_slow)
			QueryCancelPending = false;
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	/* user, security context, settings and read-write are as they were with it */
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL)
	{
		explain_error(error, reading);
		ReThrowError(error);
	}
}

Datum
smsr_read_cohort(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	CohortReceiver receiver = {0};
	Reading		reading = {0};

	InitMaterializedSRF(fcinfo, 0);
	receiver.pub.receiveSlot = cohort_receive;
	receiver.pub.rStartup = cohort_startup;
	receiver.pub.rShutdown = cohort_nothing;
	receiver.pub.rDestroy = cohort_nothing;
	receiver.pub.mydest = DestTuplestore;
	receiver.store = rsinfo->setResult;
	receiver.desc = rsinfo->setDesc;
	receiver.row_context = AllocSetContextCreate(CurrentMemoryContext, "row of a cohort",
												 ALLOCSET_DEFAULT_SIZES);
	receiver.most = PG_GETARG_INT64(2);
	receiver.argument_names = PG_GETARG_ARRAYTYPE_P(4);
	receiver.needs_iccid = PG_GETARG_BOOL(5);
	reading.query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	reading.receiver = &receiver;
	run_without_trace(&reading, text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_FLOAT8(3));
	MemoryContextDelete(receiver.row_context);
	return (Datum) 0;
}

/* The plan, and the names of the columns. */
Datum
smsr_cohort_plan(PG_FUNCTION_ARGS)
{
	Reading		reading = {0};
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	Datum	   *names;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	reading.query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	run_without_trace(&reading, text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_FLOAT8(2));
	names = palloc(sizeof(Datum) * Max(reading.columns->natts, 1));
	for (int i = 0; i < reading.columns->natts; i++)
		names[i] = CStringGetTextDatum(NameStr(TupleDescAttr(reading.columns, i)->attname));
	values[0] = CStringGetTextDatum(reading.plan);
	values[1] = PointerGetDatum(construct_array(names, reading.columns->natts, TEXTOID, -1, false, TYPALIGN_INT));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
