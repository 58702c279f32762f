/*
 * psk_identity.c
 *		The identity of a card's key for TLS, as text.
 */
#include "postgres.h"

#include "core/psk_identity.h"
#include "fmgr.h"
#include "pg/types.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(smsr_psk_identity);

/* (eid smsr.eid, isdr_aid smsr.aid, kvn int, key_id int) */
Datum
smsr_psk_identity(PG_FUNCTION_ARGS)
{
	PskIdentity identity = {.isdr = PG_GETARG_AID(1)};
	int32		kvn = PG_GETARG_INT32(2);
	int32		key_id = PG_GETARG_INT32(3);
	uint8		text[PSK_IDENTITY_LEN];
	SmsrWriter	w = smsr_writer(text, sizeof(text));

	if (kvn < 1 || kvn > 127 || key_id < 1 || key_id > 127)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("kvn and key_id must be 1 to 127")));
	memcpy(identity.eid, PG_GETARG_EID(0), sizeof(identity.eid));
	identity.kvn = (uint8) kvn;
	identity.key_id = (uint8) key_id;
	psk_identity_write(&identity, &w);
	if (w.overflow)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("AID of an ISD-R must have 16 octets")));
	PG_RETURN_TEXT_P(cstring_to_text_with_len((char *) text, (int) w.len));
}
