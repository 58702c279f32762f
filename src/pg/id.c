/*
 * id.c
 *		Ids that no other shard gives.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

#include "pg/guc.h"

/* Room for 1,024 shards in the low bits: the range of smsr.shard. */
#define SHARD_BITS	10

PG_FUNCTION_INFO_V1(smsr_next_id);

Datum
smsr_next_id(PG_FUNCTION_ARGS)
{
	Oid			schema = get_namespace_oid("smsr", false);
	Oid			sequence = get_relname_relid("id_seq", schema);

	if (!OidIsValid(sequence))
		elog(ERROR, "sequence \"smsr.id_seq\" is missing");
	/* whoever may call this function may have an id: the sequence is ours */
	PG_RETURN_INT64((nextval_internal(sequence, false) << SHARD_BITS) | smsr_shard);
}
