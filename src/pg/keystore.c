/*
 * keystore.c
 *		Card keys, sealed at rest and opened for as long as a call takes.
 *
 * Storage keys are unwrapped when a blob first names one, and stay in locked
 * memory.  After that a blob costs one pass of GCM and no look at a table, a file
 * or a token; the key schedule, which is libcrypto's, lives for a transaction.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "core/aid.h"
#include "core/eid.h"
#include "pg/keystore.h"
#include "pg/logging.h"
#include "pg/report.h"
#include "pg/secure.h"
#include "pg/storage_key.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* smsr.storage_key */
#define Anum_storage_key_id				1
#define Anum_storage_key_wrapped		2
#define Anum_storage_key_check_value	3
#define Anum_storage_key_state			4
#define Anum_storage_key_kek			5

typedef struct StorageKey
{
	uint32		id;				/* 0: the slot is free */
	Sealing    *sealing;		/* has the key within a transaction only */
} StorageKey;

/* Two while one is being retired; more only after several rotations. */
static StorageKey cache[SECURE_STORAGE_KEYS];
static int	next_victim;

/* How often this backend went to the KEK for them */
static int64 kek_visits;

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
		if (cache[i].id == 0)
			continue;
		sealing_forget(cache[i].sealing);
		OPENSSL_cleanse(secure_kept_storage_key(i), SEALING_KEY_LEN);
		cache[i].id = 0;
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

static bool
collect_storage_key(HeapTuple row, TupleDesc desc, void *arg)
{
	StorageKeys *keys = arg;
	bool		isnull;
	StorageKeyRow *key;
	bytea	   *wrapped;
	bytea	   *check_value;
	char	   *state;

	if (keys->count == keys->room)
	{
		keys->room *= 2;
		keys->rows = repalloc(keys->rows, keys->room * sizeof(StorageKeyRow));
	}
	key = &keys->rows[keys->count++];
	memset(key, 0, sizeof(*key));
	key->id = DatumGetInt32(heap_getattr(row, Anum_storage_key_id, desc, &isnull));
	wrapped = DatumGetByteaPP(heap_getattr(row, Anum_storage_key_wrapped, desc, &isnull));
	check_value = DatumGetByteaPP(heap_getattr(row, Anum_storage_key_check_value, desc, &isnull));
	state = TextDatumGetCString(heap_getattr(row, Anum_storage_key_state, desc, &isnull));
	key->active = strcmp(state, "active") == 0;
	key->retired = strcmp(state, "retired") == 0;
	strlcpy(key->kek, TextDatumGetCString(heap_getattr(row, Anum_storage_key_kek, desc, &isnull)), KEK_NAME_SIZE);
	key->wrapped_len = Min(VARSIZE_ANY_EXHDR(wrapped), KEK_WRAPPED_MAX_LEN);
	memcpy(key->wrapped, VARDATA_ANY(wrapped), key->wrapped_len);
	memcpy(key->check_value, VARDATA_ANY(check_value), SEALING_CHECK_VALUE_LEN);
	return true;
}

void
storage_keys_read(StorageKeys *keys)
{
	Oid			relid = keystore_table("storage_key");

	keys->count = 0;
	keys->room = 8;
	keys->rows = palloc(keys->room * sizeof(StorageKeyRow));
	watch_storage_key(relid);
	keystore_scan(relid, collect_storage_key, keys);
}

const StorageKeyRow *
storage_key_row(const StorageKeys *keys, uint32 id)
{
	for (int i = 0; i < keys->count; i++)
	{
		if (id != 0 ? keys->rows[i].id == id : keys->rows[i].active)
			return &keys->rows[i];
	}
	return NULL;
}

/* ---- unwrapping ---- */

static void
report_unwrapped(const StorageKeyRow *row, bool tried)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("key encryption key does not open storage key %u", row->id),
			 errdetail("It is wrapped under %s, and smsr.kek_provider is \"%s\".", row->kek, kek_provider(KEK_CURRENT)),
			 tried ? errhint("Configure the key that was in use when the storage key was wrapped, if not as the current one, then as the former one (smsr.former_kek_provider).") :
			 errhint("Configure that key as the former one (smsr.former_kek_provider) as long as storage keys are wrapped under it.")));
}

/*
 * Unwrap the first row, or fail, and of the others those that come with it: in
 * one visit to the KEK.  key[i] of locked memory has the key of row i.
 */
static void
unwrap_storage_keys(const StorageKeyRow *const *rows, int count, bool *unwrapped)
{
	KekSlot		slots[KEK_SLOTS];
	int			candidates = kek_candidates(rows[0]->kek, slots);
	KekItem		items[SECURE_STORAGE_KEYS];

	for (int slot = 0; slot < candidates; slot++)
	{
		for (int i = 0; i < count; i++)
			items[i] = (KekItem) {
			smsr_bytes(rows[i]->wrapped, rows[i]->wrapped_len),
				smsr_writer(secure_memory()->storage_key[i], SEALING_KEY_LEN), false
		};
		kek_unwrap(slots[slot], KEK_STORAGE_KEY, items, count);
		for (int i = 0; i < count; i++)
		{
			uint8		check_value[SEALING_CHECK_VALUE_LEN];

			unwrapped[i] = items[i].opened && items[i].key.len == SEALING_KEY_LEN &&
				sealing_check_value(secure_memory()->storage_key[i], check_value) &&
				CRYPTO_memcmp(check_value, rows[i]->check_value, SEALING_CHECK_VALUE_LEN) == 0;
		}
		if (unwrapped[0])
			return;
	}
	OPENSSL_cleanse(secure_memory()->storage_key, sizeof(secure_memory()->storage_key));
	report_unwrapped(rows[0], candidates > 0);
}

uint8 *
storage_key_unwrap(const StorageKeyRow *row)
{
	bool		unwrapped;

	unwrap_storage_keys(&row, 1, &unwrapped);
	return secure_memory()->storage_key[0];
}

/* ---- the cache ---- */

static StorageKey *
cached_storage_key(uint32 id)
{
	for (int i = 0; i < (int) lengthof(cache); i++)
	{
		if (cache[i].id == id)
			return &cache[i];
	}
	return NULL;
}

/* The end of a transaction: what is in locked memory is enough to go on. */
static void
forget_schedules(void)
{
	for (int i = 0; i < (int) lengthof(cache); i++)
	{
		if (cache[i].sealing != NULL && sealing_key_id(cache[i].sealing) != 0)
			sealing_forget(cache[i].sealing);
	}
}

static Sealing *
cached_sealing(uint32 id)
{
	StorageKey *slot = cached_storage_key(id);
	SmsrError	error;

	if (slot == NULL)
		return NULL;
	if (sealing_key_id(slot->sealing) != id &&
		!sealing_set_key(slot->sealing, id, secure_kept_storage_key(slot - cache), &error))
		smsr_report_crypto("storage key");
	return slot->sealing;
}

/* Where a key may go: a free place, or another key's if it must. */
static StorageKey *
place_for_storage_key(bool must)
{
	StorageKey *slot = cached_storage_key(0);

	if (slot == NULL && must)
	{
		slot = &cache[next_victim];
		next_victim = (next_victim + 1) % lengthof(cache);
	}
	return slot;
}

static void
cache_storage_key(StorageKey *slot, uint32 id, const uint8 *key)
{
	static bool registered;

	if (!registered)
		secure_at_end(forget_schedules);
	registered = true;
	if (slot->sealing == NULL)
		slot->sealing = sealing_new();
	if (slot->sealing == NULL)
		smsr_report_crypto("storage key");
	sealing_forget(slot->sealing);
	memcpy(secure_kept_storage_key(slot - cache), key, SEALING_KEY_LEN);
	slot->id = id;
}

/*
 * Unwrap a storage key for as long as the backend lives, and, because a visit to
 * the KEK may mean a token or a command, all others that are in use: a backend
 * goes there once.
 */
static Sealing *
open_storage_keys(const StorageKeys *keys, const StorageKeyRow *wanted)
{
	const StorageKeyRow *rows[SECURE_STORAGE_KEYS] = {wanted};
	bool		unwrapped[SECURE_STORAGE_KEYS];
	int			count = 1;

	StaticAssertStmt(lengthof(cache) == SECURE_STORAGE_KEYS, "room to unwrap all that are kept");

	for (int i = 0; i < keys->count && count < (int) lengthof(rows); i++)
	{
		const StorageKeyRow *row = &keys->rows[i];

		if (row != wanted && !row->retired && cached_storage_key(row->id) == NULL &&
			strcmp(row->kek, wanted->kek) == 0)
			rows[count++] = row;
	}

	unwrap_storage_keys(rows, count, unwrapped);
	kek_visits++;
	for (int i = 0; i < count; i++)
	{
		StorageKey *slot = unwrapped[i] ? place_for_storage_key(i == 0) : NULL;

		if (slot != NULL)
			cache_storage_key(slot, rows[i]->id, secure_memory()->storage_key[i]);
	}
	OPENSSL_cleanse(secure_memory()->storage_key, sizeof(secure_memory()->storage_key));
	return cached_sealing(wanted->id);
}

/* id 0: the active one */
static Sealing *
look_up_sealing(uint32 id, uint32 *found)
{
	StorageKeys keys;
	const StorageKeyRow *row;
	Sealing    *sealing;

	storage_keys_read(&keys);
	row = storage_key_row(&keys, id);
	if (row == NULL && id != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("storage key %u does not exist", id),
				 errhint("Restore its row in smsr.storage_key from a backup.")));
	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no active storage key"),
				 errhint("Call smsr.create_storage_key() once.")));
	*found = row->id;
	/* the look at the table may have brought news */
	drop_stale_keys();
	sealing = cached_sealing(row->id);
	if (sealing == NULL)
		sealing = open_storage_keys(&keys, row);
	pfree(keys.rows);
	return sealing;
}

static Sealing *
sealing_by_id(uint32 id)
{
	Sealing    *sealing;

	drop_stale_keys();
	sealing = cached_sealing(id);
	return sealing != NULL ? sealing : look_up_sealing(id, &id);
}

static Sealing *
active_sealing(void)
{
	Sealing    *sealing = NULL;
	uint32		id;

	drop_stale_keys();
	if (active_id != 0)
		sealing = cached_sealing(active_id);
	if (sealing == NULL)
	{
		sealing = look_up_sealing(0, &id);
		active_id = id;
	}
	return sealing;
}

int64
keystore_kek_visits(void)
{
	return kek_visits;
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

	logging_warn_of_import();
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

bytea *
keystore_reseal(const SealingPlace *place, SmsrBytes blob)
{
	SecureMemory *memory = secure_memory();
	SmsrWriter	plain = smsr_writer(memory->keyset, KEYSET_MAX_LEN);
	SmsrWriter	again = smsr_writer(memory->wrapped, KEYSET_MAX_LEN);
	bytea	   *resealed;

	if (!keystore_open_secret(place, blob, &plain))
		return NULL;
	resealed = keystore_seal_secret(place, smsr_written(&plain));

	/* the old blob goes: be sure of the new one */
	if (!keystore_open_secret(place, smsr_bytes(VARDATA(resealed), VARSIZE(resealed) - VARHDRSZ), &again) ||
		again.len != plain.len || CRYPTO_memcmp(again.data, plain.data, plain.len) != 0)
		smsr_report_crypto("sealing again");
	secure_wipe();
	return resealed;
}

void
keystore_wipe(void)
{
	secure_wipe();
}
