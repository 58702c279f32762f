/*
 * card_facts.c
 *		What calls for many eUICCs are decided by, read in one walk.
 *
 * A join that looks up each eUICC by an index goes down from the root each time,
 * and that is most of what such a look-up costs.  Calls for many are often for
 * neighbours, or for all there are: then the next row of the index is the next one
 * wanted.  So the indexes are walked along, and gone down only where the way would
 * be longer.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/types.h"

PG_FUNCTION_INFO_V1(smsr_card_facts);

/* With fewer no walk is begun. */
#define WALK_FROM		64
/* Rows that are passed over before the index is gone down again, at most. */
#define PATIENCE_MAX	8

/* The rows of a table in order of eUICCs, by an index that begins with eid. */
typedef struct Walk
{
	Relation	table;
	Relation	index;
	IndexScanDesc scan;
	ScanKeyData key;
	TupleTableSlot *slot;		/* the next row that was not asked for yet */
	AttrNumber	eid;
	bool		exact;			/* rows of one eUICC at a time */
	bool		begun;
	bool		there;			/* whether slot has a row */
	int			patience;
} Walk;

static AttrNumber
column(Relation table, const char *name)
{
	AttrNumber	number = get_attnum(RelationGetRelid(table), name);

	if (number == InvalidAttrNumber)
		elog(ERROR, "column \"%s\" of table \"%s\" is missing", name, RelationGetRelationName(table));
	return number;
}

/* index NULL: the primary key's */
static void
walk_open(Walk *walk, const char *table, const char *index, bool exact)
{
	Oid			schema = get_namespace_oid("smsr", false);
	Oid			oid = get_relname_relid(table, schema);
	StrategyNumber strategy = exact ? BTEqualStrategyNumber : BTGreaterEqualStrategyNumber;
	Oid			type;

	if (!OidIsValid(oid))
		elog(ERROR, "table \"smsr.%s\" is missing", table);
	walk->table = table_open(oid, AccessShareLock);
	oid = index != NULL ? get_relname_relid(index, schema) : RelationGetPrimaryKeyIndex(walk->table);
	if (!OidIsValid(oid))
		elog(ERROR, "an index of table \"smsr.%s\" is missing", table);
	walk->index = index_open(oid, AccessShareLock);
	walk->eid = column(walk->table, "eid");
	if (walk->index->rd_index->indkey.values[0] != walk->eid)
		elog(ERROR, "index \"%s\" does not begin with eid", RelationGetRelationName(walk->index));
	type = walk->index->rd_opcintype[0];
	ScanKeyEntryInitialize(&walk->key, 0, 1, strategy, InvalidOid, InvalidOid,
						   get_opcode(get_opfamily_member(walk->index->rd_opfamily[0], type, type, strategy)),
						   (Datum) 0);
	walk->slot = table_slot_create(walk->table, NULL);
#if PG_VERSION_NUM >= 180000
	walk->scan = index_beginscan(walk->table, walk->index, GetActiveSnapshot(), NULL, 1, 0);
#else
	walk->scan = index_beginscan(walk->table, walk->index, GetActiveSnapshot(), 1, 0);
#endif
	walk->exact = exact;
	walk->begun = false;
	walk->there = false;
	walk->patience = 1;
}

/* The locks stay until the end of the transaction, as those of any statement. */
static void
walk_close(Walk *walk)
{
	index_endscan(walk->scan);
	ExecDropSingleTupleTableSlot(walk->slot);
	index_close(walk->index, NoLock);
	table_close(walk->table, NoLock);
}

static Datum
value(TupleTableSlot *slot, AttrNumber column)
{
	bool		null;

	return slot_getattr(slot, column, &null);
}

static void
walk_next(Walk *walk)
{
	walk->there = index_getnext_slot(walk->scan, ForwardScanDirection, walk->slot);
}

static int
walk_compare(Walk *walk, const uint8 *eid)
{
	return memcmp(DatumGetEid(value(walk->slot, walk->eid)), eid, EID_LEN);
}

/*
 * To the first row of an eUICC: whether there is one.  eUICCs come in their order;
 * one that comes again is gone back to.
 */
static bool
walk_to(Walk *walk, const uint8 *eid, bool again)
{
	if (walk->begun && !walk->exact && !again)
	{
		int			steps = 0;

		while (walk->there && walk_compare(walk, eid) < 0 && steps < walk->patience)
		{
			walk_next(walk);
			steps++;
		}
		/* behind the last row there is nothing */
		if (!walk->there)
			return false;
		if (walk_compare(walk, eid) >= 0)
		{
			if (steps == walk->patience && steps < PATIENCE_MAX)
				walk->patience++;
			return walk_compare(walk, eid) == 0;
		}
		if (walk->patience > 1)
			walk->patience /= 2;
	}
	walk->key.sk_argument = PointerGetDatum(eid);
	index_rescan(walk->scan, &walk->key, 1, NULL, 0);
	walk->begun = true;
	walk_next(walk);
	return walk->there && walk_compare(walk, eid) == 0;
}

/* ---- */

typedef struct Wanted
{
	const uint8 *eid;
	const uint8 *iccid;			/* NULL: none */
	int			n;
} Wanted;

static int
wanted_compare(const void *a, const void *b)
{
	const Wanted *one = a;
	const Wanted *other = b;
	int			order = memcmp(one->eid, other->eid, EID_LEN);

	return order != 0 ? order : (one->n > other->n) - (one->n < other->n);
}

/* Elements of an array of values of a length, by reference; none if the array is NULL. */
static int
elements(FunctionCallInfo fcinfo, int arg, int length, Datum **values, bool **nulls)
{
	ArrayType  *array;
	int			count;

	if (PG_ARGISNULL(arg))
		return 0;
	array = PG_GETARG_ARRAYTYPE_P(arg);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, false, TYPALIGN_CHAR, values, nulls, &count);
	return count;
}

/* The arguments, in order of eUICCs. */
static Wanted *
wanted_args(FunctionCallInfo fcinfo, int *count)
{
	Datum	   *eids = NULL;
	Datum	   *iccids = NULL;
	bool	   *no_eid = NULL;
	bool	   *no_iccid = NULL;
	int			iccid_count = elements(fcinfo, 1, ICCID_LEN, &iccids, &no_iccid);
	Wanted	   *wanted;

	*count = elements(fcinfo, 0, EID_LEN, &eids, &no_eid);
	wanted = palloc(Max(*count, 1) * sizeof(Wanted));
	for (int i = 0; i < *count; i++)
	{
		if (no_eid[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("eids must not contain null")));
		wanted[i] = (Wanted) {DatumGetEid(eids[i]), i < iccid_count && !no_iccid[i] ? DatumGetIccid(iccids[i]) : NULL, i};
	}
	qsort(wanted, *count, sizeof(Wanted), wanted_compare);
	return wanted;
}

static bool
same_eid(const Wanted *a, const Wanted *b)
{
	return memcmp(a->eid, b->eid, EID_LEN) == 0;
}

/* Columns of the tables, in the order of those of the result. */
#define EUICC_COLUMNS	5
#define TARGET_COLUMNS	5
#define ENABLED_COLUMNS	4
#define RESULT_COLUMNS	(1 + EUICC_COLUMNS + TARGET_COLUMNS + ENABLED_COLUMNS + 2)

static void
take(TupleTableSlot *slot, const AttrNumber *columns, int count, Datum *values, bool *nulls)
{
	for (int i = 0; i < count; i++)
		values[i] = slot_getattr(slot, columns[i], &nulls[i]);
}

static void
columns_of(Relation table, const char *const *names, int count, AttrNumber *columns)
{
	for (int i = 0; i < count; i++)
		columns[i] = column(table, names[i]);
}

static bool
is_enabled(Datum state)
{
	text	   *name = DatumGetTextPP(state);

	return VARSIZE_ANY_EXHDR(name) == 7 && memcmp(VARDATA_ANY(name), "Enabled", 7) == 0;
}

/*
 * A row for each element of eids, in their order.  Tables are read as the calling
 * statement sees them, and without asking for rights: whoever may call this may
 * know.
 */
Datum
smsr_card_facts(PG_FUNCTION_ARGS)
{
	static const char *const euicc_names[EUICC_COLUMNS] = {"isdr_aid", "isdp_loadfile_aid", "isdp_module_aid",
	"remaining_memory", "remote_provisioning_version"};
	static const char *const target_names[TARGET_COLUMNS] = {"isdp_aid", "state", "fallback_attribute",
	"emergency_attribute", "pol2"};
	static const char *const enabled_names[ENABLED_COLUMNS] = {"state", "pol2", "msisdn", "mno_id"};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			count;
	Wanted	   *wanted = wanted_args(fcinfo, &count);
	bool		exact = count < WALK_FROM;
	bool		in_order = true;
	HeapTuple  *rows;
	Walk		euicc;
	Walk		profile;
	Walk		running;
	TupleTableSlot *target;
	TupleTableSlot *enabled;
	AttrNumber	euicc_columns[EUICC_COLUMNS];
	AttrNumber	target_columns[TARGET_COLUMNS];
	AttrNumber	enabled_columns[ENABLED_COLUMNS];
	AttrNumber	iccid_column;

	InitMaterializedSRF(fcinfo, 0);
	if (rsinfo->setDesc->natts != RESULT_COLUMNS)
		elog(ERROR, "smsr.card_facts() must have %d columns", RESULT_COLUMNS);
	for (int i = 0; i < count; i++)
		in_order = in_order && wanted[i].n == i;
	rows = in_order ? NULL : palloc(count * sizeof(HeapTuple));

	walk_open(&euicc, "euicc", NULL, exact);
	walk_open(&profile, "profile", NULL, exact);
	/* of this index most entries are of rows that are gone: none is passed over */
	walk_open(&running, "operation", "operation_one_running", true);
	target = table_slot_create(profile.table, NULL);
	enabled = table_slot_create(profile.table, NULL);
	columns_of(euicc.table, euicc_names, EUICC_COLUMNS, euicc_columns);
	columns_of(profile.table, target_names, TARGET_COLUMNS, target_columns);
	columns_of(profile.table, enabled_names, ENABLED_COLUMNS, enabled_columns);
	iccid_column = column(profile.table, "iccid");

	for (int i = 0; i < count; i++)
	{
		const Wanted *w = &wanted[i];
		bool		again = i > 0 && same_eid(&wanted[i - 1], w);
		Datum		values[RESULT_COLUMNS];
		bool		nulls[RESULT_COLUMNS];
		bool		found;
		int			at = 0;

		CHECK_FOR_INTERRUPTS();
		memset(nulls, true, sizeof(nulls));
		found = walk_to(&euicc, w->eid, again);
		values[at] = BoolGetDatum(found);
		nulls[at++] = false;
		if (found)
			take(euicc.slot, euicc_columns, EUICC_COLUMNS, &values[at], &nulls[at]);
		at += EUICC_COLUMNS;

		for (found = walk_to(&profile, w->eid, again); found;
			 walk_next(&profile), found = profile.there && walk_compare(&profile, w->eid) == 0)
		{
			bool		no_number;
			Datum		iccid = slot_getattr(profile.slot, iccid_column, &no_number);

			if (w->iccid != NULL && !no_number && memcmp(DatumGetIccid(iccid), w->iccid, ICCID_LEN) == 0)
				ExecCopySlot(target, profile.slot);
			if (is_enabled(value(profile.slot, enabled_columns[0])))
				ExecCopySlot(enabled, profile.slot);
		}
		if (!TTS_EMPTY(target))
			take(target, target_columns, TARGET_COLUMNS, &values[at], &nulls[at]);
		at += TARGET_COLUMNS;
		if (!TTS_EMPTY(enabled))
			take(enabled, enabled_columns, ENABLED_COLUMNS, &values[at], &nulls[at]);
		at += ENABLED_COLUMNS;

		values[at] = BoolGetDatum(walk_to(&running, w->eid, again));
		nulls[at++] = false;
		values[at] = BoolGetDatum(again);
		nulls[at] = false;

		if (in_order)
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		else
			rows[w->n] = heap_form_tuple(rsinfo->setDesc, values, nulls);
		ExecClearTuple(target);
		ExecClearTuple(enabled);
	}
	for (int i = 0; !in_order && i < count; i++)
		tuplestore_puttuple(rsinfo->setResult, rows[i]);

	ExecDropSingleTupleTableSlot(target);
	ExecDropSingleTupleTableSlot(enabled);
	walk_close(&running);
	walk_close(&profile);
	walk_close(&euicc);
	return (Datum) 0;
}
