/*
 * cohort_digest.c
 *		One number for a frozen cohort: each member's digest is over that of the
 *		one before it, so that none can be changed, left out or moved.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "pg/audit.h"
#include "pg/secure.h"
#include "pg/types.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(smsr_add_member_digest);

#define MEMBER_LABEL	"smsr campaign member 1"

static void
add_text(AuditHasher *h, const char *name, const char *text, int len)
{
	audit_field(h, name, smsr_bytes((const uint8_t *) text, len));
}

/* (state, n, line, eid, iccid, arguments, time_zone, wave); state NULL: the first */
Datum
smsr_add_member_digest(PG_FUNCTION_ARGS)
{
	AuditHasher *h = audit_hasher();
	uint8		digest[AUDIT_HASH_LEN];

	audit_begin(h, MEMBER_LABEL);
	if (!PG_ARGISNULL(0))
		audit_field(h, "previous", smsr_bytes(audit_get_hash(PG_GETARG_DATUM(0)), AUDIT_HASH_LEN));
	if (!PG_ARGISNULL(1))
		audit_field_number(h, "n", PG_GETARG_INT32(1));
	if (!PG_ARGISNULL(2))
		audit_field_number(h, "line", PG_GETARG_INT32(2));
	if (!PG_ARGISNULL(3))
		audit_field(h, "eid", smsr_bytes(PG_GETARG_EID(3), EID_LEN));
	if (!PG_ARGISNULL(4))
		audit_field(h, "iccid", smsr_bytes(PG_GETARG_ICCID(4), ICCID_LEN));
	if (!PG_ARGISNULL(5))
	{
		Jsonb	   *jsonb = PG_GETARG_JSONB_P(5);
		char	   *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

		add_text(h, "arguments", text, strlen(text));
	}
	if (!PG_ARGISNULL(6))
	{
		text	   *zone = PG_GETARG_TEXT_PP(6);

		add_text(h, "time_zone", VARDATA_ANY(zone), VARSIZE_ANY_EXHDR(zone));
	}
	if (!PG_ARGISNULL(7))
		audit_field_number(h, "wave", PG_GETARG_INT16(7));
	if (!audit_end(h, digest))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("SHA-256 failed")));
	PG_RETURN_BYTEA_P(audit_hash_bytea(digest));
}
