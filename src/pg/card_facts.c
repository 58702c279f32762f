/*
 * card_facts.c
 *		What calls for many eUICCs are decided by, read in one walk, and the decision.
 *
 * A join that looks up each eUICC by an index goes down from the root each time,
 * and that is most of what such a look-up costs.  Calls for many are often for
 * neighbours, or for all there are: then the next row of the index is the next one
 * wanted.  So the indexes are walked along, and gone down only where the way would
 * be longer.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/judge.h"
#include "pg/row.h"
#include "pg/types.h"

PG_FUNCTION_INFO_V1(smsr_card_facts);
PG_FUNCTION_INFO_V1(smsr_unregistered);

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
	TupleTableSlot *slot;		/* the next row that was not asked for yet; of entries, no more than room for one */
	AttrNumber	eid;
	bool		exact;			/* rows of one eUICC at a time */
	bool		entries;		/* of the index: rows are looked at where they are wanted */
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
walk_open(Walk *walk, const char *table, const char *index, bool exact, bool entries)
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
	walk->scan->xs_want_itup = entries;
	walk->exact = exact;
	walk->entries = entries;
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
	if (walk->entries)
		walk->there = index_getnext_tid(walk->scan, ForwardScanDirection) != NULL;
	else
		walk->there = index_getnext_slot(walk->scan, ForwardScanDirection, walk->slot);
}

static int
walk_compare(Walk *walk, const uint8 *eid)
{
	Datum		here;
	bool		null;

	if (walk->entries)
		here = index_getattr(walk->scan->xs_itup, 1, walk->scan->xs_itupdesc, &null);
	else
		here = value(walk->slot, walk->eid);
	return memcmp(DatumGetEid(here), eid, EID_LEN);
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

/*
 * Whether an eUICC has a row, in a walk along entries.  Most entries may be of rows
 * that are gone: what is passed over is not looked up.
 */
static bool
walk_finds(Walk *walk, const uint8 *eid)
{
	bool		found = walk_to(walk, eid, false);

	while (found && !index_fetch_heap(walk->scan, walk->slot))
	{
		walk_next(walk);
		found = walk->there && walk_compare(walk, eid) == 0;
	}
	return found;
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

/* eids and iccids, if the function has any, by number of the argument; in order of eUICCs. */
static Wanted *
wanted_args(FunctionCallInfo fcinfo, int eid_arg, int iccid_arg, int *count)
{
	Datum	   *eids = NULL;
	Datum	   *iccids = NULL;
	bool	   *no_eid = NULL;
	bool	   *no_iccid = NULL;
	int			iccid_count = iccid_arg < 0 ? 0 : elements(fcinfo, iccid_arg, ICCID_LEN, &iccids, &no_iccid);
	Wanted	   *wanted;

	*count = elements(fcinfo, eid_arg, EID_LEN, &eids, &no_eid);
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

/* Columns that are given out, in order. */
enum
{
	OUT_PLACE, OUT_EID, OUT_ICCID, OUT_REGISTERED, OUT_ISDR_AID, OUT_LOADFILE_AID, OUT_MODULE_AID,
	OUT_ISDP_AID, OUT_ENABLED, OUT_MSISDN, OUT_MNO_ID, OUT_RUNNING, OUT_AGAIN,
	OUT_SUBJECT, OUT_REASON, OUT_BECAUSE, OUT_COLUMNS
};

/* And those that it is made of: what is given out as it is first. */
#define EUICC_GIVEN		3
#define EUICC_COLUMNS	5
#define ENABLED_GIVEN	2

static const char *const euicc_names[EUICC_COLUMNS] =
{"isdr_aid", "isdp_loadfile_aid", "isdp_module_aid", "remaining_memory", "remote_provisioning_version"};
static const char *const enabled_names[ENABLED_GIVEN] = {"msisdn", "mno_id"};

typedef struct ProfileColumns
{
	AttrNumber	isdp_aid;
	AttrNumber	iccid;
	AttrNumber	state;
	AttrNumber	fallback;
	AttrNumber	emergency;
	AttrNumber	pol2;
} ProfileColumns;

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

static ProfileState
state_of(TupleTableSlot *slot, const ProfileColumns *columns)
{
	return smsr_profile_state(TextDatumGetCString(value(slot, columns->state)));
}

/* A profile as the life cycle looks at it; an empty slot: none. */
static LifecycleProfile
profile_of(TupleTableSlot *slot, const ProfileColumns *columns)
{
	if (TTS_EMPTY(slot))
		return (LifecycleProfile) {0};
	return (LifecycleProfile) {
		state_of(slot, columns),
		DatumGetBool(value(slot, columns->fallback)),
		smsr_pol2_mask(value(slot, columns->pol2)),
		DatumGetBool(value(slot, columns->emergency))
	};
}

/*
 * A row for each element of eids, in their order.  Tables are read as the calling
 * statement sees them, and without asking for rights: whoever may call this may
 * know.
 */
Datum
smsr_card_facts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	LifecycleEvent event;

	/* a function that no life cycle knows, an audit, may always be begun */
	bool		judged = !PG_ARGISNULL(0) && lifecycle_event_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)), &event);
	int			count;
	Wanted	   *wanted = wanted_args(fcinfo, 1, 2, &count);
	Datum	   *required = NULL;
	bool	   *none_required = NULL;
	int			required_count = 0;
	bool		exact = count < WALK_FROM;
	bool		in_order = true;
	bool		is_running = false;
	HeapTuple  *rows;
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "facts of a card", ALLOCSET_SMALL_SIZES);
	MemoryContext before = CurrentMemoryContext;
	Walk		euicc;
	Walk		profile;
	Walk		running;
	TupleTableSlot *target;
	TupleTableSlot *enabled;
	AttrNumber	euicc_columns[EUICC_COLUMNS];
	AttrNumber	enabled_columns[ENABLED_GIVEN];
	ProfileColumns columns;

	InitMaterializedSRF(fcinfo, 0);
	if (rsinfo->setDesc->natts != OUT_COLUMNS)
		elog(ERROR, "smsr.card_facts() must have %d columns", OUT_COLUMNS);
	if (!PG_ARGISNULL(3))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  &required, &none_required, &required_count);
	for (int i = 0; i < count; i++)
		in_order = in_order && wanted[i].n == i;
	rows = in_order ? NULL : palloc(count * sizeof(HeapTuple));

	walk_open(&euicc, "euicc", NULL, exact, false);
	walk_open(&profile, "profile", NULL, exact, false);
	walk_open(&running, "operation", "operation_one_running", exact, true);
	target = table_slot_create(profile.table, NULL);
	enabled = table_slot_create(profile.table, NULL);
	columns_of(euicc.table, euicc_names, EUICC_COLUMNS, euicc_columns);
	columns_of(profile.table, enabled_names, ENABLED_GIVEN, enabled_columns);
	columns = (ProfileColumns) {
		column(profile.table, "isdp_aid"), column(profile.table, "iccid"), column(profile.table, "state"),
		column(profile.table, "fallback_attribute"), column(profile.table, "emergency_attribute"), column(profile.table, "pol2")
	};

	for (int i = 0; i < count; i++)
	{
		const Wanted *w = &wanted[i];
		bool		again = i > 0 && same_eid(&wanted[i - 1], w);
		JudgeFacts	facts = {0};
		Datum		values[OUT_COLUMNS];
		bool		nulls[OUT_COLUMNS];
		bool		found;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(row_context);
		memset(nulls, true, sizeof(nulls));
		values[OUT_PLACE] = Int32GetDatum(w->n + 1);
		values[OUT_EID] = PointerGetDatum(w->eid);
		nulls[OUT_PLACE] = nulls[OUT_EID] = false;
		values[OUT_ICCID] = PointerGetDatum(w->iccid);
		nulls[OUT_ICCID] = w->iccid == NULL;

		found = walk_to(&euicc, w->eid, again);
		values[OUT_REGISTERED] = BoolGetDatum(found);
		nulls[OUT_REGISTERED] = false;
		if (found)
		{
			take(euicc.slot, euicc_columns, EUICC_GIVEN, &values[OUT_ISDR_AID], &nulls[OUT_ISDR_AID]);
			facts.memory_known = w->n < required_count && !none_required[w->n];
			if (facts.memory_known)
				facts.required_memory = DatumGetInt64(required[w->n]);
		}

		for (found = walk_to(&profile, w->eid, again); found;
			 walk_next(&profile), found = profile.there && walk_compare(&profile, w->eid) == 0)
		{
			bool		no_number;
			Datum		iccid = slot_getattr(profile.slot, columns.iccid, &no_number);

			if (w->iccid != NULL && !no_number && memcmp(DatumGetIccid(iccid), w->iccid, ICCID_LEN) == 0)
				ExecCopySlot(target, profile.slot);
			if (is_enabled(value(profile.slot, columns.state)))
				ExecCopySlot(enabled, profile.slot);
		}
		if (!TTS_EMPTY(target))
		{
			take(target, &columns.isdp_aid, 1, &values[OUT_ISDP_AID], &nulls[OUT_ISDP_AID]);
			values[OUT_ENABLED] = BoolGetDatum(is_enabled(value(target, columns.state)));
			nulls[OUT_ENABLED] = false;
		}
		if (!TTS_EMPTY(enabled))
			take(enabled, enabled_columns, ENABLED_GIVEN, &values[OUT_MSISDN], &nulls[OUT_MSISDN]);

		is_running = again ? is_running : walk_finds(&running, w->eid);
		values[OUT_RUNNING] = BoolGetDatum(is_running);
		values[OUT_AGAIN] = BoolGetDatum(again);
		nulls[OUT_RUNNING] = nulls[OUT_AGAIN] = false;

		/* not before: what an index scan allocates is to stay */
		MemoryContextSwitchTo(row_context);
		if (judged)
		{
			LifecycleProfile about = profile_of(target, &columns);
			LifecycleProfile other = profile_of(enabled, &columns);
			/* of what it takes the place of no more counts, as in smsr.judge() */
			LifecycleProfile instead_of = {other.state, false, other.pol2, false};
			LifecycleVerdict verdict;

			if (DatumGetBool(values[OUT_REGISTERED]))
			{
				facts.remaining_memory = DatumGetInt64(value(euicc.slot, euicc_columns[EUICC_GIVEN]));
				facts.version = TextDatumGetCString(value(euicc.slot, euicc_columns[EUICC_GIVEN + 1]));
			}
			verdict = smsr_judgement(event, &about, &instead_of, &facts);
			if (verdict.subject != NULL)
			{
				smsr_row_text(values, nulls, OUT_SUBJECT, verdict.subject);
				smsr_row_text(values, nulls, OUT_REASON, verdict.reason);
				smsr_row_text(values, nulls, OUT_BECAUSE, verdict.because);
			}
		}

		MemoryContextSwitchTo(before);
		if (in_order)
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		else
			rows[w->n] = heap_form_tuple(rsinfo->setDesc, values, nulls);
		ExecClearTuple(target);
		ExecClearTuple(enabled);
	}
	for (int i = 0; !in_order && i < count; i++)
		tuplestore_puttuple(rsinfo->setResult, rows[i]);

	MemoryContextDelete(row_context);
	ExecDropSingleTupleTableSlot(target);
	ExecDropSingleTupleTableSlot(enabled);
	walk_close(&running);
	walk_close(&profile);
	walk_close(&euicc);
	return (Datum) 0;
}

/* Places of eids, from 1, of which there is no eUICC; in no order. */
Datum
smsr_unregistered(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			count;
	Wanted	   *wanted = wanted_args(fcinfo, 0, -1, &count);
	Walk		euicc;
	bool		found = false;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	walk_open(&euicc, "euicc", NULL, count < WALK_FROM, true);
	for (int i = 0; i < count; i++)
	{
		Datum		place = Int32GetDatum(wanted[i].n + 1);
		bool		null = false;

		CHECK_FOR_INTERRUPTS();
		if (i == 0 || !same_eid(&wanted[i - 1], &wanted[i]))
			found = walk_finds(&euicc, wanted[i].eid);
		if (!found)
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &place, &null);
	}
	walk_close(&euicc);
	return (Datum) 0;
}
