/*
 * row_version.c
 *		A row as jsonb, as to_jsonb() has it, for histories.
 *
 * to_jsonb() looks up for each column of each row how its type is written.  Here
 * that is looked up once a statement, and the keys are in their order from the
 * beginning.  What is of a rarer type is left to to_jsonb().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(smsr_row_version);

typedef enum ColumnKind
{
	COLUMN_BOOL,
	COLUMN_INT2,
	COLUMN_INT4,
	COLUMN_INT8,
	COLUMN_TIME,
	COLUMN_TEXT,
	COLUMN_TEXTS,
	COLUMN_OUTPUT,				/* what its output function says */
	COLUMN_OTHER				/* what to_jsonb() says */
} ColumnKind;

typedef struct RowColumn
{
	int			at;
	JsonbValue	key;
	ColumnKind	kind;
	FmgrInfo	function;
} RowColumn;

typedef struct RowShape
{
	Oid			type;
	int32		typmod;
	TupleDesc	desc;
	int			columns;
	RowColumn	column[FLEXIBLE_ARRAY_MEMBER];
} RowShape;

static ColumnKind
column_kind(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return COLUMN_BOOL;
		case INT2OID:
			return COLUMN_INT2;
		case INT4OID:
			return COLUMN_INT4;
		case INT8OID:
			return COLUMN_INT8;
		case TIMESTAMPTZOID:
			return COLUMN_TIME;
		case TEXTOID:
			return COLUMN_TEXT;
		case TEXTARRAYOID:
			return COLUMN_TEXTS;
		default:
			break;
	}
	/* smsr.eid and its like: no other than plain octets, which nothing casts to json */
	if (get_typtype(type) == TYPTYPE_BASE && type >= FirstNormalObjectId && get_typlen(type) > 0)
		return COLUMN_OUTPUT;
	return COLUMN_OTHER;
}

/* The order of keys in jsonb: by length, then by octets. */
static int
by_key(const void *a, const void *b)
{
	const JsonbValue *x = &((const RowColumn *) a)->key;
	const JsonbValue *y = &((const RowColumn *) b)->key;

	if (x->val.string.len != y->val.string.len)
		return x->val.string.len < y->val.string.len ? -1 : 1;
	return memcmp(x->val.string.val, y->val.string.val, x->val.string.len);
}

static RowShape *
row_shape(FunctionCallInfo fcinfo, HeapTupleHeader row)
{
	RowShape   *shape = fcinfo->flinfo->fn_extra;
	Oid			type = HeapTupleHeaderGetTypeId(row);
	int32		typmod = HeapTupleHeaderGetTypMod(row);
	MemoryContext before;
	TupleDesc	desc;

	if (shape != NULL && shape->type == type && shape->typmod == typmod)
		return shape;

	before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	desc = lookup_rowtype_tupdesc_copy(type, typmod);
	shape = palloc0(offsetof(RowShape, column) + desc->natts * sizeof(RowColumn));
	shape->type = type;
	shape->typmod = typmod;
	shape->desc = desc;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Oid			base = getBaseType(att->atttypid);
		RowColumn  *column = &shape->column[shape->columns];

		if (att->attisdropped)
			continue;
		column->at = i;
		column->key.type = jbvString;
		column->key.val.string.val = NameStr(att->attname);
		column->key.val.string.len = (int) strlen(NameStr(att->attname));
		column->kind = column_kind(base);
		if (column->kind == COLUMN_OUTPUT)
		{
			Oid			output;
			bool		varlena;

			getTypeOutputInfo(base, &output, &varlena);
			fmgr_info(output, &column->function);
		}
		else if (column->kind == COLUMN_OTHER || column->kind == COLUMN_TEXTS)
		{
			Node	   *argument = (Node *) makeNullConst(att->atttypid, att->atttypmod, att->attcollation);

			fmgr_info(F_TO_JSONB, &column->function);
			fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
													 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
							   &column->function);
		}
		shape->columns++;
	}
	qsort(shape->column, shape->columns, sizeof(RowColumn), by_key);
	MemoryContextSwitchTo(before);
	fcinfo->flinfo->fn_extra = shape;
	return shape;
}

static JsonbValue
string_value(char *string, int len)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = string;
	value.val.string.len = len;
	return value;
}

static JsonbValue
text_value(Datum datum)
{
	text	   *string = DatumGetTextPP(datum);

	return string_value(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
}

static JsonbValue
integer_value(int64 integer)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = int64_to_numeric(integer);
	return value;
}

/* What to_jsonb() says of a value of the column. */
static JsonbValue
other_value(RowColumn *column, Datum datum)
{
	Jsonb	   *jsonb = DatumGetJsonbP(FunctionCall1(&column->function, datum));
	JsonbValue	value = {.type = jbvBinary};

	value.val.binary.data = &jsonb->root;
	value.val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	return value;
}

static void
push_texts(JsonbParseState **state, ArrayType *array)
{
	Datum	   *texts;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &count);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	value = {.type = jbvNull};

		if (!nulls[i])
			value = text_value(texts[i]);
		pushJsonbValue(state, WJB_ELEM, &value);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static void
push_column(JsonbParseState **state, RowColumn *column, Datum datum)
{
	JsonbValue	value = {0};
	char	   *string;

	switch (column->kind)
	{
		case COLUMN_BOOL:
			value.type = jbvBool;
			value.val.boolean = DatumGetBool(datum);
			break;
		case COLUMN_INT2:
			value = integer_value(DatumGetInt16(datum));
			break;
		case COLUMN_INT4:
			value = integer_value(DatumGetInt32(datum));
			break;
		case COLUMN_INT8:
			value = integer_value(DatumGetInt64(datum));
			break;
		case COLUMN_TIME:
			string = JsonEncodeDateTime(NULL, datum, TIMESTAMPTZOID, NULL);
			value = string_value(string, (int) strlen(string));
			break;
		case COLUMN_TEXT:
			value = text_value(datum);
			break;
		case COLUMN_TEXTS:
			if (ARR_NDIM(DatumGetArrayTypeP(datum)) <= 1)
			{
				push_texts(state, DatumGetArrayTypeP(datum));
				return;
			}
			value = other_value(column, datum);
			break;
		case COLUMN_OUTPUT:
			string = OutputFunctionCall(&column->function, datum);
			value = string_value(string, (int) strlen(string));
			break;
		case COLUMN_OTHER:
			value = other_value(column, datum);
			break;
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

Datum
smsr_row_version(PG_FUNCTION_ARGS)
{
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
	RowShape   *shape = row_shape(fcinfo, row);
	HeapTupleData tuple = {0};
	JsonbParseState *state = NULL;
	Datum	   *values = palloc(shape->desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(shape->desc->natts * sizeof(bool));

	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	tuple.t_data = row;
	heap_deform_tuple(&tuple, shape->desc, values, nulls);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < shape->columns; i++)
	{
		RowColumn  *column = &shape->column[i];

		pushJsonbValue(&state, WJB_KEY, &column->key);
		if (nulls[column->at])
		{
			JsonbValue	value = {.type = jbvNull};

			pushJsonbValue(&state, WJB_VALUE, &value);
		}
		else
			push_column(&state, column, values[column->at]);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
