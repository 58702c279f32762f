/*
 * lock.c
 *		Locks between backends that nobody outside can take: an advisory lock
 *		is everybody's who can connect.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"

PG_FUNCTION_INFO_V1(smsr_try_lock);

/*
 * A lock on the schema, told from those of DDL by its sub-id, until the end of
 * the transaction.
 */
Datum
smsr_try_lock(PG_FUNCTION_ARGS)
{
	int32		number = PG_GETARG_INT32(0);
	LOCKTAG		tag;

	if (number < 1 || number > PG_UINT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of a lock must be between 1 and %d", PG_UINT16_MAX)));
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, NamespaceRelationId,
					   get_namespace_oid("smsr", false), number);
	PG_RETURN_BOOL(LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL);
}
