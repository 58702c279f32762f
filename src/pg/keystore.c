/*
 * keystore.c
 *		Card keys, sealed at rest and opened for as long as a call takes.
 *
 * A storage key is unwrapped when a blob first names it; what stays is the key
 * schedule in libcrypto's context.  After that a blob costs one pass of GCM and
 * no look at a table.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "core/aid.h"
#include "core/eid.h"
#include "funcapi.h"
#include "pg/guc.h"
#include "pg/key_file.h"
#include "pg/keystore.h"
#include "pg/report.h"
#include "pg/secure.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define CHECK_VALUE_LEN		3
#define WRAPPED_MAX_LEN		(SEALING_KEY_LEN + 8)

/* smsr.storage_key */
#define Anum_storage_key_id				1
#define Anum_storage_key_wrapped		2
#define Anum_storage_key_check_value	3
#define Anum_storage_key_state			4

typedef struct StorageKey
{
	uint32		id;				/* 0: the slot is free */
	Sealing    *sealing;
} StorageKey;

/* Two while one is being retired; more only after several rotations. */
static StorageKey cache[4];
static int	next_victim;

/* The active key's id; 0: not looked up yet */
static uint32 active_id;

/*
 * What is cached by id is right as long as the row does not change.  A trigger
 * on smsr.storage_key sends a relcache invalidation for that, which a backend
 * gets back when its own transaction aborts; DROP and TRUNCATE send theirs.
 */
static bool cache_stale;
static Oid	watched_relid;

static void
storage_key_changed(Datum arg, Oid relid)
{
	/* may come in the middle of anything: only leave word */
	if (relid == InvalidOid || relid == watched_relid)
		cache_stale = true;
}

static void
watch_storage_key(Oid relid)
{
	static bool registered;

	watched_relid = relid;
	if (registered)
		return;
	CacheRegisterRelcacheCallback(storage_key_changed, (Datum) 0);
	registered = true;
}

static void
drop_stale_keys(void)
{
	if (!cache_stale)
		return;
	for (int i = 0; i < (int) lengthof(cache); i++)
	{
		sealing_free(cache[i].sealing);
		cache[i] = (StorageKey) {0};
	}
	active_id = 0;
	cache_stale = false;
}

/* ---- tables ---- */

Oid
keystore_table(const char *name)
{
	Oid			relid = get_relname_relid(name, get_namespace_oid("smsr", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"smsr.%s\" does not exist", name)));
	return relid;
}

void
keystore_scan(Oid relid, KeyRowVisitor visit, void *arg)
{
	Relation	rel = table_open(relid, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (!visit(row, RelationGetDescr(rel), arg))
			break;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

typedef struct StorageKeyRow
{
	uint32		wanted;			/* 0: the active one */
	uint32		id;				/* 0: there is none */
	int			wrapped_len;
	uint8		wrapped[WRAPPED_MAX_LEN];
	uint8		check_value[CHECK_VALUE_LEN];
} StorageKeyRow;

static bool
is_active(HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	text	   *state = DatumGetTextPP(heap_getattr(row, Anum_storage_key_state, desc, &isnull));

	return VARSIZE_ANY_EXHDR(state) == 6 && memcmp(VARDATA_ANY(state), "active", 6) == 0;
}

static bool
find_storage_key(HeapTuple row, TupleDesc desc, void *arg)
{
	StorageKeyRow *found = arg;
	bool		isnull;
	uint32		id = DatumGetInt32(heap_getattr(row, Anum_storage_key_id, desc, &isnull));
	bytea	   *wrapped;
	bytea	   *check_value;

	if (found->wanted != 0 ? id != found->wanted : !is_active(row, desc))
		return true;

	wrapped = DatumGetByteaPP(heap_getattr(row, Anum_storage_key_wrapped, desc, &isnull));
	check_value = DatumGetByteaPP(heap_getattr(row, Anum_storage_key_check_value, desc, &isnull));
	found->id = id;
	found->wrapped_len = Min(VARSIZE_ANY_EXHDR(wrapped), WRAPPED_MAX_LEN);
	memcpy(found->wrapped, VARDATA_ANY(wrapped), found->wrapped_len);
	memcpy(found->check_value, VARDATA_ANY(check_value), CHECK_VALUE_LEN);
	return false;
}

static bool
read_storage_key(uint32 wanted, StorageKeyRow *row)
{
	Oid			relid = keystore_table("storage_key");

	memset(row, 0, sizeof(*row));
	row->wanted = wanted;
	watch_storage_key(relid);
	keystore_scan(relid, find_storage_key, row);
	return row->id != 0;
}

/* ---- the KEK and the storage keys ---- */

SmsrBytes
keystore_kek(void)
{
	uint8	   *kek = secure_memory()->kek;

	if (smsr_kek_file == NULL || smsr_kek_file[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no key encryption key"),
				 errhint("Set smsr.kek_file to the path of a file with 32 random octets, outside the data directory.")));
	return smsr_bytes(kek, key_file_read(smsr_kek_file, "key encryption key",
										 SEALING_KEY_LEN, kek));
}

/* AES-CMAC(key, "check"), as much of it as a check value takes. */
static bool
storage_key_check_value(const uint8 *key, uint8 *check_value)
{
	uint8		mac[EVP_MAX_BLOCK_LENGTH];
	size_t		len = 0;
	bool		ok = EVP_Q_mac(NULL, "CMAC", NULL, "AES-256-CBC", NULL, key, SEALING_KEY_LEN,
							   (const unsigned char *) "check", 5, mac, sizeof(mac), &len) != NULL;

	memcpy(check_value, mac, CHECK_VALUE_LEN);
	OPENSSL_cleanse(mac, sizeof(mac));
	return ok;
}

static void
unwrap_storage_key(const StorageKeyRow *row, uint8 *key)
{
	SmsrWriter	out = smsr_writer(key, SEALING_KEY_LEN);
	uint8		check_value[CHECK_VALUE_LEN];
	SmsrError	error;
	bool		ok;

	ok = key_unwrap(WRAP_AES_KWP, keystore_kek(), smsr_bytes(row->wrapped, row->wrapped_len),
					&out, &error) &&
		out.len == SEALING_KEY_LEN &&
		storage_key_check_value(key, check_value) &&
		CRYPTO_memcmp(check_value, row->check_value, CHECK_VALUE_LEN) == 0;
	OPENSSL_cleanse(secure_memory()->kek, SEALING_KEY_LEN);
	if (!ok)
	{
		OPENSSL_cleanse(key, SEALING_KEY_LEN);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key encryption key does not open storage key %u", row->id),
				 errhint("Point smsr.kek_file to the file that was in use when the storage key was created.")));
	}
}

static Sealing *
cache_storage_key(const StorageKeyRow *row)
{
	StorageKey *slot = &cache[next_victim];
	uint8	   *key = secure_memory()->storage_key;
	SmsrError	error;
	bool		ok;

	unwrap_storage_key(row, key);

	next_victim = (next_victim + 1) % lengthof(cache);
	slot->id = 0;
	if (slot->sealing == NULL)
		slot->sealing = sealing_new();
	ok = slot->sealing != NULL && sealing_set_key(slot->sealing, row->id, key, &error);
	OPENSSL_cleanse(key, SEALING_KEY_LEN);
	if (!ok)
		smsr_report_crypto("storage key");
	slot->id = row->id;
	return slot->sealing;
}

static Sealing *
cached_sealing(uint32 id)
{
	for (int i = 0; i < (int) lengthof(cache); i++)
	{
		if (cache[i].id == id)
			return cache[i].sealing;
	}
	return NULL;
}

static Sealing *
sealing_by_id(uint32 id)
{
	Sealing    *sealing;
	StorageKeyRow row;

	drop_stale_keys();
	sealing = cached_sealing(id);
	if (sealing != NULL)
		return sealing;
	if (!read_storage_key(id, &row))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("storage key %u does not exist", id),
				 errhint("Restore its row in smsr.storage_key from a backup.")));
	/* the look at the table may have brought news */
	drop_stale_keys();
	return cache_storage_key(&row);
}

static Sealing *
active_sealing(void)
{
	Sealing    *sealing = NULL;
	StorageKeyRow row;

	drop_stale_keys();
	if (active_id != 0)
		sealing = cached_sealing(active_id);
	if (sealing != NULL)
		return sealing;
	if (!read_storage_key(0, &row))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no active storage key"),
				 errhint("Call smsr.create_storage_key() once.")));
	drop_stale_keys();
	sealing = cached_sealing(row.id);
	if (sealing == NULL)
		sealing = cache_storage_key(&row);
	active_id = row.id;
	return sealing;
}

/* ---- blobs ---- */

bytea *
keystore_seal_secret(const SealingPlace *place, SmsrBytes secret)
{
	Sealing    *sealing = active_sealing();
	Size		size = VARHDRSZ + secret.len + SEALING_OVERHEAD;
	bytea	   *blob = palloc(size);
	SmsrWriter	out = smsr_writer(VARDATA(blob), size - VARHDRSZ);
	uint8		nonce[SEALING_NONCE_LEN];
	SmsrError	error;

	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		smsr_report_crypto("nonce");
	if (!sealing_seal(sealing, place, nonce, secret, &out, &error))
		smsr_report_build(&error, "sealed key set");
	SET_VARSIZE(blob, VARHDRSZ + out.len);
	return blob;
}

bool
keystore_open_secret(const SealingPlace *place, SmsrBytes blob, SmsrWriter *opened)
{
	uint32		id;
	SmsrError	error;

	if (!sealing_blob_key_id(blob, &id, &error))
		smsr_report(&error, "sealed key set");
	return sealing_open(sealing_by_id(id), place, blob, opened, &error);
}

bytea *
keystore_seal(const uint8 *eid, SmsrBytes sd_aid, uint8 kvn, uint8 key_type,
			  const KeysetKeys *keys)
{
	SealingPlace place = {eid, sd_aid, kvn, key_type};
	SmsrWriter	plain = smsr_writer(secure_memory()->keyset, KEYSET_MAX_LEN);
	SmsrError	error;
	bytea	   *blob;

	if (!keyset_write(keys, &plain, &error))
		smsr_report_build(&error, "key set");
	blob = keystore_seal_secret(&place, smsr_written(&plain));
	OPENSSL_cleanse(secure_memory()->keyset, KEYSET_MAX_LEN);
	return blob;
}

static void
report_unopened(const SealingPlace *place)
{
	char		eid[EID_DIGITS + 1];
	char		sd_aid[2 * AID_MAX_LEN + 1] = "";
	SmsrAid		aid;

	eid_format(place->eid, eid);
	if (aid_from_bytes(place->sd_aid, &aid, NULL))
		aid_format(&aid, sd_aid);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("sealed key set does not open in this place"),
			 errdetail("EID %s, security domain %s, key version %d, key type %02X.",
					   eid, sd_aid, place->kvn, place->key_type),
			 errhint("It was altered, or belongs to another row of smsr.keyset.")));
}

const KeysetKeys *
keystore_try_open(const uint8 *eid, SmsrBytes sd_aid, uint8 kvn, uint8 key_type, SmsrBytes blob)
{
	static KeysetKeys keys;		/* only says where in locked memory they are */
	SealingPlace place = {eid, sd_aid, kvn, key_type};
	SmsrWriter	plain = smsr_writer(secure_memory()->keyset, KEYSET_MAX_LEN);
	uint32		id;
	SmsrError	error;

	if (!sealing_blob_key_id(blob, &id, &error) ||
		!sealing_open(sealing_by_id(id), &place, blob, &plain, &error) ||
		!keyset_read(smsr_written(&plain), &keys, &error))
		return NULL;
	return &keys;
}

const KeysetKeys *
keystore_open(const uint8 *eid, SmsrBytes sd_aid, uint8 kvn, uint8 key_type, SmsrBytes blob)
{
	SealingPlace place = {eid, sd_aid, kvn, key_type};
	const KeysetKeys *keys = keystore_try_open(eid, sd_aid, kvn, key_type, blob);

	if (keys == NULL)
		report_unopened(&place);
	return keys;
}

void
keystore_wipe(void)
{
	secure_wipe();
}

/* ---- SQL ---- */

PG_FUNCTION_INFO_V1(smsr_new_storage_key);
PG_FUNCTION_INFO_V1(smsr_storage_key_changed);
PG_FUNCTION_INFO_V1(smsr_keystore_status);

/* 32 random octets, wrapped under the KEK, and their check value. */
Datum
smsr_new_storage_key(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	uint8	   *key = secure_memory()->storage_key;
	bytea	   *wrapped = palloc(VARHDRSZ + WRAPPED_MAX_LEN);
	bytea	   *check_value = palloc(VARHDRSZ + CHECK_VALUE_LEN);
	SmsrWriter	out = smsr_writer(VARDATA(wrapped), WRAPPED_MAX_LEN);
	Datum		values[2];
	bool		nulls[2] = {false, false};
	SmsrError	error;
	bool		ok;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	ok = RAND_priv_bytes(key, SEALING_KEY_LEN) == 1 &&
		key_wrap(WRAP_AES_KWP, keystore_kek(), smsr_bytes(key, SEALING_KEY_LEN), &out, &error) &&
		storage_key_check_value(key, (uint8 *) VARDATA(check_value));
	secure_wipe();
	if (!ok)
		smsr_report_crypto("storage key");

	SET_VARSIZE(wrapped, VARHDRSZ + out.len);
	SET_VARSIZE(check_value, VARHDRSZ + CHECK_VALUE_LEN);
	values[0] = PointerGetDatum(wrapped);
	values[1] = PointerGetDatum(check_value);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
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

static bool
count_storage_key(HeapTuple row, TupleDesc desc, void *arg)
{
	(*(int32 *) arg)++;
	return true;
}

/* What is wrong with the KEK: NULL if nothing. */
static const char *
kek_problem(const StorageKeyRow *row)
{
	MemoryContext context = CurrentMemoryContext;
	const char *volatile problem = NULL;

	/* no subtransaction: what runs here holds nothing but a file, and closes it */
	PG_TRY();
	{
		if (row->id != 0)
			unwrap_storage_key(row, secure_memory()->storage_key);
		else
			(void) keystore_kek();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		problem = CopyErrorData()->message;
		FlushErrorState();
	}
	PG_END_TRY();
	secure_wipe();
	return problem;
}

/* Provider, problem of the KEK if any, active storage key, number of them. */
Datum
smsr_keystore_status(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	int32		count = 0;
	StorageKeyRow row = {0};
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};
	const char *problem;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	keystore_scan(keystore_table("storage_key"), count_storage_key, &count);
	(void) read_storage_key(0, &row);
	problem = kek_problem(&row);

	values[0] = CStringGetTextDatum("file");
	if (problem != NULL)
		values[1] = CStringGetTextDatum(problem);
	else
		nulls[1] = true;
	if (row.id != 0)
		values[2] = Int32GetDatum(row.id);
	else
		nulls[2] = true;
	values[3] = Int32GetDatum(count);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
