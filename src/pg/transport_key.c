/*
 * transport_key.c
 *		How an EUM wraps the key values of the EIS it sends: the rows of
 *		smsr.transport_key.  named_key.c seals them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "pg/keystore.h"
#include "pg/named_key.h"
#include "pg/secure.h"
#include "pg/transport_key.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* smsr.transport_key */
#define Anum_transport_key_eum_id		1
#define Anum_transport_key_id			2
#define Anum_transport_key_mode			3
#define Anum_transport_key_sealed		4
#define Anum_transport_key_valid_from	6
#define Anum_transport_key_valid_until	7

typedef struct TransportKeySearch
{
	const char *eum_id;
	size_t		eum_id_len;
	TimestampTz now;
	int			count;
	TransportKey *keys;
} TransportKeySearch;

static bool
collect_transport_key(HeapTuple row, TupleDesc desc, void *arg)
{
	TransportKeySearch *search = arg;
	bool		isnull;
	text	   *eum_id = DatumGetTextPP(heap_getattr(row, Anum_transport_key_eum_id, desc, &isnull));
	TimestampTz from = DatumGetTimestampTz(heap_getattr(row, Anum_transport_key_valid_from, desc, &isnull));
	TimestampTz until = DatumGetTimestampTz(heap_getattr(row, Anum_transport_key_valid_until, desc, &isnull));
	TransportKey key = {0};
	Datum		sealed;
	int			at;

	if (VARSIZE_ANY_EXHDR(eum_id) != search->eum_id_len ||
		memcmp(VARDATA_ANY(eum_id), search->eum_id, search->eum_id_len) != 0 ||
		search->now < from || search->now >= until)
		return true;

	key.id = DatumGetInt16(heap_getattr(row, Anum_transport_key_id, desc, &isnull));
	if (!wrap_mode_parse(TextDatumGetCString(heap_getattr(row, Anum_transport_key_mode, desc, &isnull)),
						 &key.mode))
		return true;
	sealed = heap_getattr(row, Anum_transport_key_sealed, desc, &isnull);
	if (!isnull)
	{
		bytea	   *blob = DatumGetByteaPP(sealed);

		key.sealed_len = Min(VARSIZE_ANY_EXHDR(blob), sizeof(key.sealed));
		memcpy(key.sealed, VARDATA_ANY(blob), key.sealed_len);
	}

	for (at = search->count; at > 0 && search->keys[at - 1].id < key.id; at--)
	{
		if (at < TRANSPORT_KEYS_MAX)
			search->keys[at] = search->keys[at - 1];
	}
	if (at < TRANSPORT_KEYS_MAX)
		search->keys[at] = key;
	if (search->count < TRANSPORT_KEYS_MAX)
		search->count++;
	return true;
}

int
transport_keys_read(const char *eum_id, TransportKey keys[TRANSPORT_KEYS_MAX])
{
	TransportKeySearch search = {eum_id, strlen(eum_id), GetCurrentTransactionStartTimestamp(), 0, keys};

	keystore_scan(keystore_table("transport_key"), collect_transport_key, &search);
	return search.count;
}

SmsrBytes
transport_key_open(const char *eum_id, const TransportKey *key)
{
	uint8	   *memory = secure_memory()->transport_key;
	SmsrWriter	out = smsr_writer(memory, SEALING_KEY_LEN);
	NamedKeyPlace place;

	if (key->mode == WRAP_NONE)
		return smsr_bytes(memory, 0);
	named_key_place(NAMED_TRANSPORT_KEY, eum_id, wrap_mode_name(key->mode), (uint8) key->id, &place);
	if (!keystore_open_secret(&place.place, smsr_bytes(key->sealed, key->sealed_len), &out))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("transport key %d of EUM %s does not open", key->id, eum_id),
				 errhint("Its row in smsr.transport_key was altered: import the key again.")));
	return smsr_written(&out);
}
