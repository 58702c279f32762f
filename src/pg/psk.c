/*
 * psk.c
 *		The key under which a card's TLS session is opened: the one key that leaves
 *		the keystore in the clear, for the gateway, which has TLS.
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "core/psk_identity.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "pg/keystore.h"
#include "pg/types.h"
#include "utils/memutils.h"

/* of a set that comes by key establishment, and the least that SGP.02 allows */
#define DECOY_LEN	16

/* key identifier of the PSK in its set, GlobalPlatform Amendment B */
#define PSK_KEY_ID	1

PG_FUNCTION_INFO_V1(smsr_https_psk);

/* What a result is, until the memory that it stands in is freed. */
typedef struct ClearKey
{
	MemoryContextCallback callback;
	bytea	   *value;
} ClearKey;

static void
cleanse(void *arg)
{
	ClearKey   *key = arg;

	OPENSSL_cleanse(key->value, VARSIZE(key->value));
}

static bytea *
clear_key(const void *octets, size_t len)
{
	bytea	   *value = palloc(VARHDRSZ + len);
	ClearKey   *key = palloc(sizeof(ClearKey));

	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), octets, len);
	key->value = value;
	key->callback.func = cleanse;
	key->callback.arg = key;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &key->callback);
	return value;
}

/* In keystore memory; NULL if there is none that is in use and opens. */
static const KeysetKeys *
find_keys(const PskIdentity *identity)
{
	static SPIPlanPtr plan = NULL;
	const SmsrAid *aid = &identity->isdr;
	Datum		args[3] = {PointerGetDatum(identity->eid), smsr_aid_get_datum(aid), Int16GetDatum(identity->kvn)};
	HeapTuple	row;
	Datum		sealed;
	bytea	   *blob;
	bool		isnull;

	if (plan == NULL)
	{
		/* the function's search_path is pinned */
		Oid			types[3] = {TypenameGetTypid("eid"), TypenameGetTypid("aid"), INT2OID};

		plan = SPI_prepare("SELECT k.key_type, k.sealed FROM smsr.keyset k"
						   " WHERE k.eid = $1 AND k.sd_aid = $2 AND k.kvn = $3 AND k.type = 'SCP81'"
						   " AND k.state IN ('pending', 'active', 'retiring')", 3, types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not plan: %s", SPI_result_code_string(SPI_result));
	}
	if (SPI_execute_plan(plan, args, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read smsr.keyset");
	if (SPI_processed == 0)
		return NULL;
	row = SPI_tuptable->vals[0];
	sealed = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);
	blob = DatumGetByteaPP(sealed);
	return keystore_try_open(identity->eid, smsr_bytes(aid->octets, aid->len), identity->kvn,
							 (uint8) DatumGetInt16(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull)),
							 smsr_bytes(VARDATA_ANY(blob), VARSIZE_ANY_EXHDR(blob)));
}

/*
 * (identity text)
 *
 * A key that nobody has for whatever is none, an unknown one, one that is out of
 * use: whoever tries identities must not learn which there are, so the handshake
 * has to fail as it does with a wrong key.
 *
 * The key's copy here is wiped as soon as the statement is through with it; the
 * one in the message to the client stands in the connection's buffer until other
 * messages have taken its place.
 */
Datum
smsr_https_psk(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	const KeysetKeys *keys = NULL;
	uint8		decoy[DECOY_LEN];
	bytea	   *result;

	if (!pg_strong_random(decoy, sizeof(decoy)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make a random key")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (!PG_ARGISNULL(0))
	{
		text	   *digits = PG_GETARG_TEXT_PP(0);
		PskIdentity identity;
		SmsrError	error = {0};

		if (psk_identity_read(smsr_bytes(VARDATA_ANY(digits), VARSIZE_ANY_EXHDR(digits)), &identity, &error) &&
			identity.key_id == PSK_KEY_ID)
			keys = find_keys(&identity);
	}
	MemoryContextSwitchTo(caller);
	result = keys != NULL && keys->key[0].len > 0 ? clear_key(keys->key[0].data, keys->key[0].len)
		: clear_key(decoy, sizeof(decoy));
	keystore_wipe();
	SPI_finish();
	PG_RETURN_BYTEA_P(result);
}
