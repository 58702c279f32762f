/*
 * storage_key.c
 *		Storage keys, as SQL sees them: made, wrapped under another KEK, and
 *		taken over from by the next one.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "pg/keystore.h"
#include "pg/report.h"
#include "pg/row.h"
#include "pg/secure.h"
#include "pg/storage_key.h"
#include "pg/types.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(smsr_new_storage_key);
PG_FUNCTION_INFO_V1(smsr_rewrap_storage_key);
PG_FUNCTION_INFO_V1(smsr_storage_key_changed);
PG_FUNCTION_INFO_V1(smsr_sealed_keyset_opens);
PG_FUNCTION_INFO_V1(smsr_reseal_keyset);
PG_FUNCTION_INFO_V1(smsr_keystore_status);

static bytea *
bytea_of(const void *octets, size_t len)
{
	bytea	   *value = palloc(VARHDRSZ + len);

	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), octets, len);
	return value;
}

/* ---- wrapping ---- */

/* (OUT wrapped bytea, OUT check_value bytea, OUT kek text) */
Datum
smsr_new_storage_key(PG_FUNCTION_ARGS)
{
	uint8	   *key = secure_memory()->storage_key[0];
	uint8		wrapped[KEK_WRAPPED_MAX_LEN];
	SmsrWriter	out = smsr_writer(wrapped, sizeof(wrapped));
	uint8		check_value[SEALING_CHECK_VALUE_LEN];
	char		kek[KEK_NAME_SIZE];
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	if (RAND_priv_bytes(key, SEALING_KEY_LEN) != 1 || !sealing_check_value(key, check_value))
		smsr_report_crypto("storage key");
	kek_wrap(KEK_STORAGE_KEY, smsr_bytes(key, SEALING_KEY_LEN), &out, kek);
	secure_wipe();

	values[0] = PointerGetDatum(bytea_of(wrapped, out.len));
	values[1] = PointerGetDatum(bytea_of(check_value, sizeof(check_value)));
	values[2] = CStringGetTextDatum(kek);
	return smsr_row(fcinfo, values, nulls);
}

/*
 * (id int, OUT wrapped bytea, OUT kek text): the same key under the current KEK.
 * Only what has been seen to open takes the place of what opens now.
 */
Datum
smsr_rewrap_storage_key(PG_FUNCTION_ARGS)
{
	StorageKeys keys;
	const StorageKeyRow *row;
	StorageKeyRow again;
	SmsrWriter	out = smsr_writer(again.wrapped, sizeof(again.wrapped));
	Datum		values[2];
	bool		nulls[2] = {false, false};

	storage_keys_read(&keys);
	row = PG_GETARG_INT32(0) > 0 ? storage_key_row(&keys, PG_GETARG_INT32(0)) : NULL;
	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("storage key %d does not exist", PG_GETARG_INT32(0))));

	again = *row;
	kek_wrap(KEK_STORAGE_KEY, smsr_bytes(storage_key_unwrap(row), SEALING_KEY_LEN), &out, again.kek);
	secure_wipe();
	again.wrapped_len = (int) out.len;
	(void) storage_key_unwrap(&again);
	secure_wipe();

	values[0] = PointerGetDatum(bytea_of(again.wrapped, again.wrapped_len));
	values[1] = CStringGetTextDatum(again.kek);
	return smsr_row(fcinfo, values, nulls);
}

/* Tell every backend that its cached storage keys may be wrong. */
Datum
smsr_storage_key_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						"smsr_storage_key_changed")));
	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}

/* ---- sealing again ---- */

/* eid, sd_aid, kvn and key_type at the head of an argument list */
static SealingPlace
place_args(FunctionCallInfo fcinfo, SmsrAid *sd_aid)
{
	*sd_aid = PG_GETARG_AID(1);
	return (SealingPlace)
	{
		PG_GETARG_EID(0), smsr_bytes(sd_aid->octets, sd_aid->len),
			(uint8) PG_GETARG_INT16(2), (uint8) PG_GETARG_INT16(3)
	};
}

static SmsrBytes
sealed_arg(FunctionCallInfo fcinfo)
{
	bytea	   *sealed = PG_GETARG_BYTEA_PP(4);

	return smsr_bytes(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed));
}

/* (eid, sd_aid, kvn, key_type, sealed): whether it opens, and holds keys */
Datum
smsr_sealed_keyset_opens(PG_FUNCTION_ARGS)
{
	SmsrAid		sd_aid;
	SealingPlace place = place_args(fcinfo, &sd_aid);
	bool		result = keystore_try_open(place.eid, place.sd_aid, place.kvn, place.key_type,
										   sealed_arg(fcinfo)) != NULL;

	keystore_wipe();
	PG_RETURN_BOOL(result);
}

/* (eid, sd_aid, kvn, key_type, sealed): the same under the active storage key, or NULL */
Datum
smsr_reseal_keyset(PG_FUNCTION_ARGS)
{
	SmsrAid		sd_aid;
	SealingPlace place = place_args(fcinfo, &sd_aid);
	bytea	   *resealed = keystore_reseal(&place, sealed_arg(fcinfo));

	if (resealed == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(resealed);
}

/* ---- status ---- */

/* What is wrong with a KEK: NULL if nothing; its name where it has one. */
static const char *
kek_problem(KekSlot slot, const StorageKeyRow *row, char name[KEK_NAME_SIZE])
{
	MemoryContext context = CurrentMemoryContext;
	const char *volatile problem = NULL;

	name[0] = '\0';
	/* no subtransaction: what runs here holds nothing but a file or a token, and lets go of it */
	PG_TRY();
	{
		kek_check(slot, name);
		if (row != NULL)
			(void) storage_key_unwrap(row);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		problem = error->detail != NULL ? psprintf("%s (%s)", error->message, error->detail) : error->message;
		FlushErrorState();
	}
	PG_END_TRY();
	secure_wipe();
	return problem;
}

static void
text_or_null(const char *value, Datum *datum, bool *isnull)
{
	*isnull = value == NULL || value[0] == '\0';
	*datum = *isnull ? (Datum) 0 : CStringGetTextDatum(value);
}

/*
 * (OUT provider, kek, kek_problem, former_provider, former_kek,
 * former_kek_problem, active_storage_key, storage_keys, to_rewrap, kek_visits)
 */
Datum
smsr_keystore_status(PG_FUNCTION_ARGS)
{
	StorageKeys keys;
	const StorageKeyRow *active;
	Datum		values[10] = {0};
	bool		nulls[10] = {false};
	char		name[KEK_NAME_SIZE];
	char		former[KEK_NAME_SIZE];
	const char *problem;
	int			to_rewrap = 0;

	storage_keys_read(&keys);
	active = storage_key_row(&keys, 0);

	problem = kek_problem(KEK_CURRENT, active, name);
	values[0] = CStringGetTextDatum(kek_provider(KEK_CURRENT));
	text_or_null(name, &values[1], &nulls[1]);
	text_or_null(problem, &values[2], &nulls[2]);

	problem = kek_configured(KEK_FORMER) ? kek_problem(KEK_FORMER, NULL, former) : NULL;
	values[3] = CStringGetTextDatum(kek_provider(KEK_FORMER));
	text_or_null(kek_configured(KEK_FORMER) ? former : NULL, &values[4], &nulls[4]);
	text_or_null(problem, &values[5], &nulls[5]);

	nulls[6] = active == NULL;
	values[6] = Int32GetDatum(active != NULL ? active->id : 0);
	values[7] = Int32GetDatum(keys.count);
	for (int i = 0; i < keys.count; i++)
	{
		if (strcmp(keys.rows[i].kek, name) != 0)
			to_rewrap++;
	}
	nulls[8] = name[0] == '\0';
	values[8] = Int32GetDatum(to_rewrap);
	values[9] = Int64GetDatum(keystore_kek_visits());
	return smsr_row(fcinfo, values, nulls);
}
