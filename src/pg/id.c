/*
 * id.c
 *		Ids that no other shard gives.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "pg/guc.h"

/* Room for 1,024 shards in the low bits: the range of smsr.shard. */
#define SHARD_BITS	10

PG_FUNCTION_INFO_V1(smsr_next_id);
PG_FUNCTION_INFO_V1(smsr_next_ids);

static Oid
id_sequence(void)
{
	Oid			schema = get_namespace_oid("smsr", false);
	Oid			sequence = get_relname_relid("id_seq", schema);

	if (!OidIsValid(sequence))
		elog(ERROR, "sequence \"smsr.id_seq\" is missing");
	return sequence;
}

/* Whoever may call these functions may have an id: the sequence is ours. */
static int64
next_id(Oid sequence)
{
	return (nextval_internal(sequence, false) << SHARD_BITS) | smsr_shard;
}

Datum
smsr_next_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(next_id(id_sequence()));
}

/* As many, ascending. */
Datum
smsr_next_ids(PG_FUNCTION_ARGS)
{
	int32		count = PG_GETARG_INT32(0);
	Oid			sequence = id_sequence();
	Datum	   *ids;

	if (count < 0 || (Size) count > MaxAllocSize / sizeof(Datum) - ARR_OVERHEAD_NONULLS(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("so many ids can not be given at once: %d", count)));
	ids = palloc(Max(count, 1) * sizeof(Datum));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ids[i] = Int64GetDatum(next_id(sequence));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(ids, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
