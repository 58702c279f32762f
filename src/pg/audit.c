/*
 * audit.c
 *		The audit trail: digests of records, records made ready to be stored, and
 *		the trigger that lets nobody change them.
 *
 * doc/audit.md says byte by byte what a digest is made of.  Times are
 * microseconds since 1970, texts UTF-8: no setting of a session or encoding of a
 * database changes a digest.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "core/audit_chain.h"
#include "core/eid.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "pg/audit.h"
#include "pg/report.h"
#include "pg/types.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(smsr_audit_digest);
PG_FUNCTION_INFO_V1(smsr_audit_link);
PG_FUNCTION_INFO_V1(smsr_audit_prepared);
PG_FUNCTION_INFO_V1(smsr_audit_linked);
PG_FUNCTION_INFO_V1(smsr_append_only);

#define MICROSECONDS_1970_TO_2000 \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef enum FieldKind
{
	FIELD_EID,
	FIELD_ICCID,
	FIELD_AID,
	FIELD_TIME,
	FIELD_NUMBER,
	FIELD_OCTETS,
	FIELD_TEXT,
	FIELD_NAME,
	FIELD_JSON
} FieldKind;

typedef struct Field
{
	const char *name;
	FieldKind	kind;
} Field;

/*
 * What a digest is over, in this order: all columns of smsr.audit_trail but
 * those that say where in its chain the record stands.
 */
static const Field fields[] = {
	{"eid", FIELD_EID},
	{"chain_party", FIELD_TEXT},
	{"recorded_at", FIELD_TIME},
	{"smsr_id", FIELD_TEXT},
	{"operation_date", FIELD_TIME},
	{"operation_type", FIELD_OCTETS},
	{"function", FIELD_TEXT},
	{"operation_id", FIELD_NUMBER},
	{"requester_id", FIELD_TEXT},
	{"requested_by", FIELD_NAME},
	{"reason", FIELD_TEXT},
	{"approved_by", FIELD_TEXT},
	{"status", FIELD_TEXT},
	{"subject_code", FIELD_TEXT},
	{"reason_code", FIELD_TEXT},
	{"isdp_aid", FIELD_AID},
	{"iccid", FIELD_ICCID},
	{"imei", FIELD_TEXT},
	{"meid", FIELD_TEXT},
	{"details", FIELD_JSON},
};

#define FIELDS			((int) lengthof(fields))
/* The chain, and what says whose it is */
#define FIELD_CHAIN_EID		0
#define FIELD_CHAIN_PARTY	1
#define FIELD_RECORDED_AT	2
#define FIELD_SMSR_ID		3
#define FIELD_REQUESTER_ID	8

/* Where things are in a row; looked up once a query. */
typedef struct TrailShape
{
	Oid			type;
	TupleDesc	desc;
	int			field[lengthof(fields)];	/* index into values */
	int			number;
	int			hash;
} TrailShape;

/* ---- libcrypto ---- */

AuditHasher *
audit_hasher(void)
{
	static AuditHasher hasher;

	if (hasher.ctx == NULL && !audit_hasher_open(&hasher))
		smsr_report_crypto("SHA-256");
	return &hasher;
}

bytea *
audit_hash_bytea(const uint8 *hash)
{
	bytea	   *result = palloc(VARHDRSZ + AUDIT_HASH_LEN);

	SET_VARSIZE(result, VARHDRSZ + AUDIT_HASH_LEN);
	memcpy(VARDATA(result), hash, AUDIT_HASH_LEN);
	return result;
}

const uint8 *
audit_get_hash(Datum datum)
{
	bytea	   *hash = DatumGetByteaPP(datum);

	if (VARSIZE_ANY_EXHDR(hash) != AUDIT_HASH_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a hash must have %d octets", AUDIT_HASH_LEN)));
	return (const uint8 *) VARDATA_ANY(hash);
}

int64
audit_time(TimestampTz at)
{
	/* the tables have no infinite ones */
	return TIMESTAMP_NOT_FINITE(at) ? at : at + MICROSECONDS_1970_TO_2000;
}

/* ---- shape ---- */

static int
find_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i;
	}
	elog(ERROR, "there is no column \"%s\"", name);
}

static TrailShape *
find_shape(FunctionCallInfo fcinfo, Oid type)
{
	TrailShape *shape = fcinfo->flinfo->fn_extra;
	MemoryContext old;

	if (shape != NULL && shape->type == type)
		return shape;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	shape = palloc0(sizeof(TrailShape));
	shape->type = type;
	shape->desc = BlessTupleDesc(lookup_rowtype_tupdesc_copy(type, -1));
	for (int i = 0; i < FIELDS; i++)
		shape->field[i] = find_column(shape->desc, fields[i].name);
	shape->number = find_column(shape->desc, "number");
	shape->hash = find_column(shape->desc, "hash");
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = shape;
	return shape;
}

/* A row of the array's element type as values and NULLs. */
static void
deform(const TrailShape *shape, Datum row, Datum *values, bool *nulls)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	HeapTupleData tuple = {0};

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_data = header;
	heap_deform_tuple(&tuple, shape->desc, values, nulls);
}

/* ---- digest ---- */

static void
add_text(AuditHasher *h, const char *name, char *text, int len)
{
	char	   *utf8 = text;

	if (GetDatabaseEncoding() != PG_SQL_ASCII && GetDatabaseEncoding() != PG_UTF8)
	{
		utf8 = pg_server_to_any(text, len, PG_UTF8);
		if (utf8 != text)
			len = strlen(utf8);
	}
	audit_field(h, name, smsr_bytes(utf8, len));
}

static void
add_field(AuditHasher *h, const Field *field, Datum value)
{
	switch (field->kind)
	{
		case FIELD_EID:
			audit_field(h, field->name, smsr_bytes(DatumGetEid(value), EID_LEN));
			break;
		case FIELD_ICCID:
			audit_field(h, field->name, smsr_bytes(DatumGetIccid(value), ICCID_LEN));
			break;
		case FIELD_AID:
			{
				SmsrAid		aid = smsr_datum_get_aid(value);

				audit_field(h, field->name, smsr_bytes(aid.octets, aid.len));
				break;
			}
		case FIELD_TIME:
			audit_field_number(h, field->name, audit_time(DatumGetTimestampTz(value)));
			break;
		case FIELD_NUMBER:
			audit_field_number(h, field->name, DatumGetInt64(value));
			break;
		case FIELD_OCTETS:
			{
				bytea	   *octets = DatumGetByteaPP(value);

				audit_field(h, field->name, smsr_bytes(VARDATA_ANY(octets), VARSIZE_ANY_EXHDR(octets)));
				break;
			}
		case FIELD_TEXT:
			{
				text	   *words = DatumGetTextPP(value);

				add_text(h, field->name, VARDATA_ANY(words), VARSIZE_ANY_EXHDR(words));
				break;
			}
		case FIELD_NAME:
			{
				char	   *name = NameStr(*DatumGetName(value));

				add_text(h, field->name, name, strlen(name));
				break;
			}
		case FIELD_JSON:
			{
				Jsonb	   *json = DatumGetJsonbP(value);
				char	   *words = JsonbToCString(NULL, &json->root, VARSIZE(json));

				add_text(h, field->name, words, strlen(words));
				break;
			}
	}
}

static void
digest_values(const TrailShape *shape, const Datum *values, const bool *nulls, uint8 *digest)
{
	AuditHasher *h = audit_hasher();

	audit_begin(h, AUDIT_RECORD_LABEL);
	for (int i = 0; i < FIELDS; i++)
	{
		int			column = shape->field[i];

		if (!nulls[column])
			add_field(h, &fields[i], values[column]);
	}
	if (!audit_end(h, digest))
		smsr_report_crypto("SHA-256");
}

Datum
smsr_audit_digest(PG_FUNCTION_ARGS)
{
	Datum		row = PG_GETARG_DATUM(0);
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	TrailShape *shape = find_shape(fcinfo, HeapTupleHeaderGetTypeId(header));
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];
	uint8		digest[AUDIT_HASH_LEN];

	deform(shape, row, values, nulls);
	digest_values(shape, values, nulls, digest);
	PG_RETURN_BYTEA_P(audit_hash_bytea(digest));
}

/* NULL before the first record; NULL in its place otherwise is no link. */
Datum
smsr_audit_link(PG_FUNCTION_ARGS)
{
	int32		number;
	uint8		hash[AUDIT_HASH_LEN];

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	number = PG_GETARG_INT32(1);
	if (number < 1 || (number > 1 && PG_ARGISNULL(0)))
		PG_RETURN_NULL();
	if (!audit_link(audit_hasher(), number > 1 ? audit_get_hash(PG_GETARG_DATUM(0)) : NULL, number,
					audit_get_hash(PG_GETARG_DATUM(2)), hash))
		smsr_report_crypto("SHA-256");
	PG_RETURN_BYTEA_P(audit_hash_bytea(hash));
}

/* ---- records on their way in ---- */

/* Without an eUICC it is a party's, and without a party the SM-SR's own. */
typedef struct Chain
{
	const uint8 *eid;
	SmsrBytes	party;			/* data NULL: none */
} Chain;

typedef struct Entry
{
	Chain		chain;
	int			given;			/* place in the array that was given */
	Datum	   *values;
	bool	   *nulls;
} Entry;

static Chain
make_chain(Datum eid, bool no_eid, Datum party, bool no_party)
{
	Chain		chain = {0};

	if (!no_eid)
		chain.eid = DatumGetEid(eid);
	if (!no_party)
	{
		text	   *name = DatumGetTextPP(party);

		chain.party = smsr_bytes(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	}
	return chain;
}

/* Those of eUICCs in the order of smsr.eid, then parties', the SM-SR's last. */
static int
compare_chains(const Chain *a, const Chain *b)
{
	int			order;

	if (a->eid == NULL || b->eid == NULL)
		order = (a->eid == NULL) - (b->eid == NULL);
	else
		order = memcmp(a->eid, b->eid, EID_LEN);
	if (order != 0)
		return order;
	if (a->party.data == NULL || b->party.data == NULL)
		return (a->party.data == NULL) - (b->party.data == NULL);
	order = memcmp(a->party.data, b->party.data, Min(a->party.len, b->party.len));
	return order != 0 ? order : (a->party.len > b->party.len) - (a->party.len < b->party.len);
}

/* By chain, in the order given within. */
static int
compare_entries(const void *a, const void *b)
{
	const Entry *x = a;
	const Entry *y = b;
	int			order = compare_chains(&x->chain, &y->chain);

	return order != 0 ? order : x->given - y->given;
}

static void
set_value(Entry *entry, int column, Datum value)
{
	entry->values[column] = value;
	entry->nulls[column] = false;
}

static void
set_chain(const TrailShape *shape, Entry *entry)
{
	int			eid = shape->field[FIELD_CHAIN_EID];
	int			party = shape->field[FIELD_CHAIN_PARTY];

	entry->chain = make_chain(entry->values[eid], entry->nulls[eid], entry->values[party], entry->nulls[party]);
}

/*
 * A record without an eUICC goes to the chain of the party that calls, which
 * holds it until its transaction ends; of a caller that acts for nobody, to that
 * of the party for which it is done.  This SM-SR's own has no name.
 */
static void
choose_chain(const TrailShape *shape, Entry *entry, const Datum *defaults, const bool *no_default)
{
	int			party = shape->field[FIELD_CHAIN_PARTY];
	int			requester = shape->field[FIELD_REQUESTER_ID];
	int			own = shape->field[FIELD_SMSR_ID];

	entry->nulls[party] = true;
	if (!entry->nulls[shape->field[FIELD_CHAIN_EID]])
		return;
	if (!no_default[party])
		set_value(entry, party, defaults[party]);
	else if (!entry->nulls[requester])
		set_value(entry, party, entry->values[requester]);
	if (!entry->nulls[party] && !no_default[own] &&
		DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, entry->values[party], defaults[own])))
		entry->nulls[party] = true;
}

static Entry *
read_entries(const TrailShape *shape, ArrayType *array, int *count)
{
	int			natts = shape->desc->natts;
	Datum	   *rows;
	bool	   *row_nulls;
	Entry	   *entries;
	Datum	   *values;
	bool	   *nulls;

	deconstruct_array(array, shape->type, -1, false, TYPALIGN_DOUBLE, &rows, &row_nulls, count);
	entries = palloc_extended(*count * sizeof(Entry) + 1, MCXT_ALLOC_HUGE);
	values = palloc_extended(*count * natts * sizeof(Datum) + 1, MCXT_ALLOC_HUGE);
	nulls = palloc_extended(*count * natts * sizeof(bool) + 1, MCXT_ALLOC_HUGE);
	for (int i = 0; i < *count; i++)
	{
		Entry	   *entry = &entries[i];

		if (row_nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("records must not contain null")));
		entry->given = i;
		entry->values = values + (Size) i * natts;
		entry->nulls = nulls + (Size) i * natts;
		deform(shape, rows[i], entry->values, entry->nulls);
		set_chain(shape, entry);
	}
	return entries;
}

static Datum
write_entries(const TrailShape *shape, const Entry *entries, int count)
{
	Datum	   *rows = palloc_extended(count * sizeof(Datum) + 1, MCXT_ALLOC_HUGE);

	for (int i = 0; i < count; i++)
		rows[i] = HeapTupleGetDatum(heap_form_tuple(shape->desc, entries[i].values, entries[i].nulls));
	return PointerGetDatum(construct_array(rows, count, shape->type, -1, false, TYPALIGN_DOUBLE));
}

/*
 * Records in the order in which their chains are locked.  What is NULL is taken
 * from the second argument, recorded_at in any case; number counts the records
 * of a chain from 1, and hash is the digest.
 */
Datum
smsr_audit_prepared(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	TrailShape *shape = find_shape(fcinfo, ARR_ELEMTYPE(array));
	Datum		defaults[MaxHeapAttributeNumber];
	bool		no_default[MaxHeapAttributeNumber];
	Entry	   *entries;
	int			count;

	entries = read_entries(shape, array, &count);
	deform(shape, PG_GETARG_DATUM(1), defaults, no_default);
	for (int i = 0; i < count; i++)
	{
		for (int f = 0; f < FIELDS; f++)
		{
			int			column = shape->field[f];

			if (!no_default[column] && (entries[i].nulls[column] || f == FIELD_RECORDED_AT))
				set_value(&entries[i], column, defaults[column]);
		}
		choose_chain(shape, &entries[i], defaults, no_default);
		set_chain(shape, &entries[i]);
	}
	qsort(entries, count, sizeof(Entry), compare_entries);
	for (int i = 0, number = 0; i < count; i++)
	{
		uint8		digest[AUDIT_HASH_LEN];

		number = i > 0 && compare_chains(&entries[i - 1].chain, &entries[i].chain) == 0 ? number + 1 : 1;
		digest_values(shape, entries[i].values, entries[i].nulls, digest);
		set_value(&entries[i], shape->number, Int32GetDatum(number));
		set_value(&entries[i], shape->hash, PointerGetDatum(audit_hash_bytea(digest)));
	}
	PG_RETURN_DATUM(write_entries(shape, entries, count));
}

/* What the chain's first new record has become, from its row of smsr.audit_head. */
static void
read_head(Datum row, const Entry *entry, int32 *number, uint8 *hash)
{
	HeapTupleHeader head = DatumGetHeapTupleHeader(row);
	bool		no_eid;
	bool		no_party;
	bool		isnull;
	Datum		eid = GetAttributeByName(head, "eid", &no_eid);
	Datum		party = GetAttributeByName(head, "chain_party", &no_party);
	Chain		chain = make_chain(eid, no_eid, party, no_party);

	if (compare_chains(&chain, &entry->chain) != 0)
		elog(ERROR, "heads of audit chains are not in the order of their records");
	*number = DatumGetInt32(GetAttributeByName(head, "number", &isnull));
	memcpy(hash, audit_get_hash(GetAttributeByName(head, "hash", &isnull)), AUDIT_HASH_LEN);
}

/* Records of smsr_audit_prepared() with the numbers and hashes that they get. */
Datum
smsr_audit_linked(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *head_array = PG_GETARG_ARRAYTYPE_P(1);
	TrailShape *shape = find_shape(fcinfo, ARR_ELEMTYPE(array));
	uint8		hash[AUDIT_HASH_LEN];
	int32		number = 0;
	Datum	   *heads;
	Entry	   *entries;
	int			count;
	int			head_count;
	int			next = 0;

	entries = read_entries(shape, array, &count);
	deconstruct_array(head_array, ARR_ELEMTYPE(head_array), -1, false, TYPALIGN_DOUBLE,
					  &heads, NULL, &head_count);
	for (int i = 0; i < count; i++)
	{
		Entry	   *entry = &entries[i];

		if (DatumGetInt32(entry->values[shape->number]) == 1)
		{
			if (next == head_count)
				elog(ERROR, "an audit chain has no head");
			read_head(heads[next++], entry, &number, hash);
		}
		else if (!audit_link(audit_hasher(), hash, ++number,
							 audit_get_hash(entry->values[shape->hash]), hash))
			smsr_report_crypto("SHA-256");
		set_value(entry, shape->number, Int32GetDatum(number));
		set_value(entry, shape->hash, PointerGetDatum(audit_hash_bytea(hash)));
	}
	PG_RETURN_DATUM(write_entries(shape, entries, count));
}

/* ---- append-only ---- */

static Chain
chain_of_head(HeapTuple head, TupleDesc desc)
{
	bool		no_eid;
	bool		no_party;
	Datum		eid = heap_getattr(head, find_column(desc, "eid") + 1, desc, &no_eid);
	Datum		party = heap_getattr(head, find_column(desc, "chain_party") + 1, desc, &no_party);

	return make_chain(eid, no_eid, party, no_party);
}

/* Heads of chains move on, and nowhere else. */
static bool
moves_forward(const TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	int			number = find_column(desc, "number") + 1;
	Chain		old_chain = chain_of_head(trigger->tg_trigtuple, desc);
	Chain		new_chain = chain_of_head(trigger->tg_newtuple, desc);
	bool		isnull;

	if (compare_chains(&old_chain, &new_chain) != 0)
		return false;
	return DatumGetInt32(heap_getattr(trigger->tg_newtuple, number, desc, &isnull)) >
		DatumGetInt32(heap_getattr(trigger->tg_trigtuple, number, desc, &isnull));
}

/* A rotation of storage keys seals anew, and changes nothing else. */
static bool
only_seal_changes(const TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	int			seal = find_column(desc, "seal");

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		bool		old_null;
		bool		new_null;
		Datum		old_value = heap_getattr(trigger->tg_trigtuple, i + 1, desc, &old_null);
		Datum		new_value = heap_getattr(trigger->tg_newtuple, i + 1, desc, &new_null);

		if (old_null != new_null || (i == seal && new_null))
			return false;
		if (i != seal && !old_null &&
			!datum_image_eq(old_value, new_value, attribute->attbyval, attribute->attlen))
			return false;
	}
	return true;
}

static bool
may_change(const TriggerData *trigger)
{
	const Trigger *t = trigger->tg_trigger;

	if (t->tgnargs != 1)
		return false;
	return strcmp(t->tgargs[0], "forward") == 0 ? moves_forward(trigger) :
		strcmp(t->tgargs[0], "seal") == 0 && only_seal_changes(trigger);
}

/*
 * Refuses whatever it fires for; with the argument "forward" lets heads move on,
 * with "seal" checkpoints be sealed again.
 */
Datum
smsr_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "smsr_append_only")));
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && may_change(trigger))
		return PointerGetDatum(trigger->tg_newtuple);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" is only ever added to", RelationGetRelationName(trigger->tg_relation)),
			 errdetail("What it holds can not be changed, removed or emptied by anybody.")));
}
