/*
 * audit_checkpoint.c
 *		What checkpoints of the audit trail need of C: one hash over all records of
 *		a range, waiting until a range can not grow any more, and seals.
 */
#include "postgres.h"

#include "core/audit_chain.h"
#include "core/eid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pg/audit.h"
#include "pg/keystore.h"
#include "pg/report.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(smsr_audit_fold_add);
PG_FUNCTION_INFO_V1(smsr_audit_fold_end);
PG_FUNCTION_INFO_V1(smsr_wait_for_recorders);
PG_FUNCTION_INFO_V1(smsr_checkpoint_hash);
PG_FUNCTION_INFO_V1(smsr_seal_checkpoint);
PG_FUNCTION_INFO_V1(smsr_reseal_checkpoint);
PG_FUNCTION_INFO_V1(smsr_checkpoint_seal_opens);

/* ---- the aggregate ---- */

static void
close_hasher(void *arg)
{
	audit_hasher_close(arg);
}

/* libcrypto's context goes with the memory of the aggregate. */
static AuditHasher *
new_hasher(MemoryContext context)
{
	AuditHasher *h = MemoryContextAllocZero(context, sizeof(AuditHasher));
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));

	if (!audit_hasher_open(h))
		smsr_report_crypto("SHA-256");
	callback->func = close_hasher;
	callback->arg = h;
	MemoryContextRegisterResetCallback(context, callback);
	audit_range_begin(h);
	return h;
}

Datum
smsr_audit_fold_add(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	AuditHasher *h;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "smsr_audit_fold_add called in non-aggregate context");
	h = PG_ARGISNULL(0) ? new_hasher(context) : (AuditHasher *) PG_GETARG_POINTER(0);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("position and hash must not be null")));
	audit_range_add(h, PG_GETARG_INT64(1), audit_get_hash(PG_GETARG_DATUM(2)));
	PG_RETURN_POINTER(h);
}

Datum
smsr_audit_fold_end(PG_FUNCTION_ARGS)
{
	uint8		digest[AUDIT_HASH_LEN];

	if (PG_ARGISNULL(0))
	{
		/* of nothing */
		audit_range_begin(audit_hasher());
		if (!audit_end(audit_hasher(), digest))
			smsr_report_crypto("SHA-256");
	}
	else if (!audit_end((AuditHasher *) PG_GETARG_POINTER(0), digest))
		smsr_report_crypto("SHA-256");
	PG_RETURN_BYTEA_P(audit_hash_bytea(digest));
}

/* ---- a range that can not grow ---- */

/*
 * Whoever records has first written to smsr.audit_head, and holds its lock on
 * that table until the end of his transaction.  So after those are gone who
 * hold one now, no position below any that was given before can come any more.
 * New ones need not wait, as they would for LOCK TABLE.
 */
Datum
smsr_wait_for_recorders(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, keystore_table("audit_head"));
	WaitForLockers(tag, ShareLock, false);
	PG_RETURN_VOID();
}

/* ---- hash and seal ---- */

static SmsrBytes
octets_arg(Datum datum)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(datum);

	return smsr_bytes(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* id, taken_at, smsr_id, first_position, last_position, records, digest, previous */
Datum
smsr_checkpoint_hash(PG_FUNCTION_ARGS)
{
	AuditHasher *h = audit_hasher();
	uint8		hash[AUDIT_HASH_LEN];

	for (int i = 0; i < 7; i++)
	{
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	}
	audit_begin(h, AUDIT_CHECKPOINT_LABEL);
	audit_field_number(h, "id", PG_GETARG_INT64(0));
	audit_field_number(h, "taken_at", audit_time(PG_GETARG_TIMESTAMPTZ(1)));
	audit_field(h, "smsr_id", octets_arg(PG_GETARG_DATUM(2)));	/* ASCII */
	audit_field_number(h, "first_position", PG_GETARG_INT64(3));
	audit_field_number(h, "last_position", PG_GETARG_INT64(4));
	audit_field_number(h, "records", PG_GETARG_INT64(5));
	audit_field(h, "digest", octets_arg(PG_GETARG_DATUM(6)));
	if (!PG_ARGISNULL(7))
		audit_field(h, "previous", octets_arg(PG_GETARG_DATUM(7)));
	if (!audit_end(h, hash))
		smsr_report_crypto("SHA-256");
	PG_RETURN_BYTEA_P(audit_hash_bytea(hash));
}

/*
 * A seal is a blob like a sealed key set's, with the hash as its secret, in a
 * place that no key set has: whoever can not open the storage key makes none.
 */
static const uint8 no_eid[EID_LEN];
static const char domain[] = "smsr checkpoint";

static const SealingPlace seal_place = {
	no_eid, {(const uint8_t *) domain, sizeof(domain) - 1}, 0, 0
};

Datum
smsr_seal_checkpoint(PG_FUNCTION_ARGS)
{
	const uint8 *hash = audit_get_hash(PG_GETARG_DATUM(0));

	PG_RETURN_BYTEA_P(keystore_seal_secret(&seal_place, smsr_bytes(hash, AUDIT_HASH_LEN)));
}

Datum
smsr_reseal_checkpoint(PG_FUNCTION_ARGS)
{
	bytea	   *resealed = keystore_reseal(&seal_place, octets_arg(PG_GETARG_DATUM(0)));

	if (resealed == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(resealed);
}

Datum
smsr_checkpoint_seal_opens(PG_FUNCTION_ARGS)
{
	const uint8 *hash = audit_get_hash(PG_GETARG_DATUM(0));
	uint8		octets[KEYSET_MAX_LEN];
	SmsrWriter	opened = smsr_writer(octets, sizeof(octets));
	bool		ok = keystore_open_secret(&seal_place, octets_arg(PG_GETARG_DATUM(1)), &opened) &&
		opened.len == AUDIT_HASH_LEN && memcmp(octets, hash, AUDIT_HASH_LEN) == 0;

	keystore_wipe();
	PG_RETURN_BOOL(ok);
}
