/*
 * transport_key.c
 *		How an EUM wraps the key values of the EIS it sends.
 *
 * A transport key is sealed like a card key, in a place made of its own row: in
 * place of the EID stand 16 octets of a digest of EUM and mode, in place of the
 * AID a text that no AID begins with, and its id is the key version.  A blob
 * that is moved to another EUM, or whose mode is changed, does not open.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pg/kek.h"
#include "pg/key_file.h"
#include "pg/keystore.h"
#include "pg/logging.h"
#include "pg/report.h"
#include "pg/secure.h"
#include "pg/transport_key.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define CHECK_VALUE_LEN		3
#define MIN_LEN				16

/* smsr.transport_key */
#define Anum_transport_key_eum_id		1
#define Anum_transport_key_id			2
#define Anum_transport_key_mode			3
#define Anum_transport_key_sealed		4
#define Anum_transport_key_valid_from	6
#define Anum_transport_key_valid_until	7

PG_FUNCTION_INFO_V1(smsr_seal_transport_key);
PG_FUNCTION_INFO_V1(smsr_seal_transport_key_file);
PG_FUNCTION_INFO_V1(smsr_reseal_transport_key);

typedef struct TransportPlace
{
	uint8		digest[EVP_MAX_MD_SIZE];
	SealingPlace place;
} TransportPlace;

static uint8
key_type(WrapMode mode)
{
	return mode == WRAP_3DES_ECB ? KEY_TYPE_DES : KEY_TYPE_AES;
}

static void
make_place(const char *eum_id, int16 id, WrapMode mode, TransportPlace *place)
{
	static const char domain[] = "smsr transport";
	StringInfoData row;
	size_t		len;

	initStringInfo(&row);
	appendBinaryStringInfo(&row, eum_id, strlen(eum_id) + 1);
	appendStringInfoString(&row, wrap_mode_name(mode));
	if (EVP_Q_digest(NULL, "SHA256", NULL, row.data, row.len, place->digest, &len) != 1)
		smsr_report_crypto("SHA-256");
	pfree(row.data);
	place->place.eid = place->digest;
	place->place.sd_aid = smsr_bytes(domain, sizeof(domain) - 1);
	place->place.kvn = (uint8) id;
	place->place.key_type = key_type(mode);
}

/* ---- reading ---- */

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
	TransportPlace place;

	if (key->mode == WRAP_NONE)
		return smsr_bytes(memory, 0);
	make_place(eum_id, key->id, key->mode, &place);
	if (!keystore_open_secret(&place.place, smsr_bytes(key->sealed, key->sealed_len), &out))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("transport key %d of EUM %s does not open", key->id, eum_id),
				 errhint("Its row in smsr.transport_key was altered: import the key again.")));
	return smsr_written(&out);
}

/* ---- import ---- */

static WrapMode
mode_arg(FunctionCallInfo fcinfo, int n)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(n));
	WrapMode	mode;

	if (!wrap_mode_parse(name, &mode) || mode == WRAP_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wrap mode \"%s\" has no transport key", name),
				 errhint("Modes with a key are \"aes-kw\", \"aes-kwp\", \"aes-cbc-zero-iv\" and \"3des-ecb\".")));
	return mode;
}

static int16
id_arg(FunctionCallInfo fcinfo, int n)
{
	int16		id = PG_GETARG_INT16(n);

	if (id < 1 || id > 255)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("id of a transport key must be 1 to 255")));
	return id;
}

static bytea *
seal_transport_key(const char *eum_id, int16 id, WrapMode mode, SmsrBytes key)
{
	TransportPlace place;

	logging_warn_of_import();
	make_place(eum_id, id, mode, &place);
	return keystore_seal_secret(&place.place, key);
}

/* (eum_id text, id smallint, mode text, wrapped bytea, check_value bytea) */
Datum
smsr_seal_transport_key(PG_FUNCTION_ARGS)
{
	int16		id = id_arg(fcinfo, 1);
	WrapMode	mode = mode_arg(fcinfo, 2);
	bytea	   *wrapped = PG_GETARG_BYTEA_PP(3);
	bytea	   *expected = PG_GETARG_BYTEA_PP(4);
	KekItem		item = {
		smsr_bytes(VARDATA_ANY(wrapped), VARSIZE_ANY_EXHDR(wrapped)),
		smsr_writer(secure_memory()->transport_key, SEALING_KEY_LEN), false
	};
	SmsrBytes	key;
	uint8		check_value[CHECK_VALUE_LEN];
	bytea	   *sealed;
	SmsrError	error;

	kek_unwrap(KEK_CURRENT, KEK_TRANSPORT_KEY, &item, 1);
	if (!item.opened)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("wrapped transport key does not open under the key encryption key"),
				 errhint("A KEK in a file or from a command wraps by RFC 5649, one in a token by AES-GCM: nonce (12 octets), ciphertext, tag (16).")));
	key = smsr_written(&item.key);
	if (!key_check_value(key_type(mode), key, check_value, &error))
		smsr_report(&error, "transport key");
	if (VARSIZE_ANY_EXHDR(expected) != CHECK_VALUE_LEN ||
		CRYPTO_memcmp(check_value, VARDATA_ANY(expected), CHECK_VALUE_LEN) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("check value of the transport key is wrong")));

	sealed = seal_transport_key(text_to_cstring(PG_GETARG_TEXT_PP(0)), id, mode, key);
	secure_wipe();
	PG_RETURN_BYTEA_P(sealed);
}

/* (eum_id text, id smallint, mode text, path text, OUT sealed bytea, OUT check_value bytea) */
Datum
smsr_seal_transport_key_file(PG_FUNCTION_ARGS)
{
	int16		id = id_arg(fcinfo, 1);
	WrapMode	mode = mode_arg(fcinfo, 2);
	uint8	   *key = secure_memory()->transport_key;
	bytea	   *check_value = palloc(VARHDRSZ + CHECK_VALUE_LEN);
	TupleDesc	desc;
	SmsrBytes	octets;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	SmsrError	error;

	/* it tells what is in the server's files */
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to read a transport key from a file")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	octets = smsr_bytes(key, key_file_read(text_to_cstring(PG_GETARG_TEXT_PP(3)),
										   "transport key", MIN_LEN, key));
	SET_VARSIZE(check_value, VARHDRSZ + CHECK_VALUE_LEN);
	if (!key_check_value(key_type(mode), octets, (uint8 *) VARDATA(check_value), &error))
		smsr_report(&error, "transport key");

	values[0] = PointerGetDatum(seal_transport_key(text_to_cstring(PG_GETARG_TEXT_PP(0)),
												   id, mode, octets));
	values[1] = PointerGetDatum(check_value);
	secure_wipe();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ---- sealing again ---- */

/* (eum_id text, id smallint, mode text, sealed bytea): the same under the active storage key, or NULL */
Datum
smsr_reseal_transport_key(PG_FUNCTION_ARGS)
{
	bytea	   *sealed = PG_GETARG_BYTEA_PP(3);
	bytea	   *resealed;
	TransportPlace place;

	make_place(text_to_cstring(PG_GETARG_TEXT_PP(0)), id_arg(fcinfo, 1), mode_arg(fcinfo, 2), &place);
	resealed = keystore_reseal(&place.place, smsr_bytes(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed)));
	if (resealed == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(resealed);
}
