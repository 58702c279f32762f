/*
 * named_key.c
 *		Keys that are no card's: transport keys, master keys, and the components
 *		of either while they come in.
 *
 * Each is sealed like a card key, in a place made of its own row: in place of
 * the EID stand 16 octets of a digest of name and variant, in place of the AID
 * what kind of key it is, and its number is the key version.  A blob that is
 * moved to another row, or whose mode or scheme is changed, does not open.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "core/diversification.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pg/guc.h"
#include "pg/kek.h"
#include "pg/key_file.h"
#include "pg/keystore.h"
#include "pg/logging.h"
#include "pg/named_key.h"
#include "pg/report.h"
#include "pg/secret.h"
#include "pg/secure.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define CHECK_VALUE_LEN		3
#define MIN_LEN				16
#define DES_MASTER_LEN		16	/* both schemes of triple DES take two keys */

PG_FUNCTION_INFO_V1(smsr_seal_key);
PG_FUNCTION_INFO_V1(smsr_seal_key_file);
PG_FUNCTION_INFO_V1(smsr_combine_key);
PG_FUNCTION_INFO_V1(smsr_reseal_key);

typedef struct NamedKind
{
	const char *name;
	const char *domain;
	const char *what;			/* in errors */
} NamedKind;

static const NamedKind kinds[] = {
	{"transport", NAMED_TRANSPORT_KEY, "transport key"},
	{"master", NAMED_MASTER_KEY, "master key"},
	{"component", NAMED_KEY_COMPONENT, "key component"},
};

/* A key's row, as arguments name it. */
typedef struct NamedKey
{
	const NamedKind *kind;
	char	   *name;
	char	   *variant;
	int16		number;
} NamedKey;

/* ---- places ---- */

static const NamedKind *
find_kind(const char *name)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("kind of key must be \"transport\", \"master\" or \"component\"")));
}

static uint8
transport_key_type(const char *name)
{
	WrapMode	mode;

	if (!wrap_mode_parse(name, &mode) || mode == WRAP_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wrap mode \"%s\" has no transport key", name),
				 errhint("Modes with a key are \"aes-kw\", \"aes-kwp\", \"aes-cbc-zero-iv\", \"aes-ecb-pkcs7\" and \"3des-ecb\".")));
	return mode == WRAP_3DES_ECB ? KEY_TYPE_DES : KEY_TYPE_AES;
}

static uint8
master_key_type(const char *name)
{
	Diversification scheme;

	if (!diversification_parse(name, &scheme))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("diversification scheme \"%s\" is not known", name),
				 errhint("Schemes are \"visa2\", \"emv-cps11\", \"kdf3\" and \"eid-cmac\".")));
	return diversification_key_type(scheme);
}

/* A component's variant is the kind and the variant of the whole key. */
static uint8
key_type(const char *domain, const char *variant)
{
	const char *space = strchr(variant, ' ');

	if (strcmp(domain, NAMED_MASTER_KEY) == 0)
		return master_key_type(variant);
	if (strcmp(domain, NAMED_TRANSPORT_KEY) == 0)
		return transport_key_type(variant);
	if (space != NULL)
		return key_type(find_kind(pnstrdup(variant, space - variant))->domain, space + 1);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("variant of a component must be a kind of key and its variant")));
}

void
named_key_place(const char *domain, const char *name, const char *variant, uint8 number,
				NamedKeyPlace *place)
{
	StringInfoData row;
	size_t		len;

	StaticAssertStmt(NAMED_KEY_DIGEST_LEN >= EVP_MAX_MD_SIZE, "room for a digest");

	initStringInfo(&row);
	appendBinaryStringInfo(&row, name, strlen(name) + 1);
	appendStringInfoString(&row, variant);
	if (EVP_Q_digest(NULL, "SHA256", NULL, row.data, row.len, place->digest, &len) != 1)
		smsr_report_crypto("SHA-256");
	pfree(row.data);
	place->place.eid = place->digest;
	place->place.sd_aid = smsr_bytes(domain, strlen(domain));
	place->place.kvn = number;
	place->place.key_type = key_type(domain, variant);
}

/* ---- arguments and results ---- */

/* kind, name, variant and number at the head of an argument list */
static NamedKey
key_args(FunctionCallInfo fcinfo, NamedKeyPlace *place)
{
	NamedKey	key;

	for (int i = 0; i < 4; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("kind, name, variant and number of a key must not be null")));
	}
	key.kind = find_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	key.name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	key.variant = text_to_cstring(PG_GETARG_TEXT_PP(2));
	key.number = PG_GETARG_INT16(3);
	if (key.number < 1 || key.number > 255)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("id of a %s must be 1 to 255", key.kind->what)));
	named_key_place(key.kind->domain, key.name, key.variant, (uint8) key.number, place);
	return key;
}

static void
compute_check_value(const NamedKey *key, const NamedKeyPlace *place, SmsrBytes octets,
					uint8 check_value[CHECK_VALUE_LEN])
{
	const char *space = strchr(key->variant, ' ');
	Diversification scheme;
	SmsrError	error;

	/* a wrap mode is no scheme */
	if (diversification_parse(space != NULL ? space + 1 : key->variant, &scheme) &&
		diversification_key_type(scheme) == KEY_TYPE_DES && octets.len != DES_MASTER_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s for scheme \"%s\" must have 16 octets", key->kind->what, diversification_name(scheme))));
	if (!key_check_value(place->place.key_type, octets, check_value, &error))
		smsr_report(&error, key->kind->what);
}

/* (OUT sealed bytea, OUT check_value bytea); wipes the key */
static Datum
sealed_row(FunctionCallInfo fcinfo, const NamedKeyPlace *place, SmsrBytes octets,
		   const uint8 check_value[CHECK_VALUE_LEN])
{
	bytea	   *value = palloc(VARHDRSZ + CHECK_VALUE_LEN);
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	logging_warn_of_import();
	SET_VARSIZE(value, VARHDRSZ + CHECK_VALUE_LEN);
	memcpy(VARDATA(value), check_value, CHECK_VALUE_LEN);
	values[0] = PointerGetDatum(keystore_seal_secret(&place->place, octets));
	values[1] = PointerGetDatum(value);
	secure_wipe();
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* ---- in one piece, or a component ---- */

/* (kind text, name text, variant text, number smallint, wrapped bytea, expected bytea) */
Datum
smsr_seal_key(PG_FUNCTION_ARGS)
{
	NamedKeyPlace place;
	NamedKey	key = key_args(fcinfo, &place);
	bytea	   *wrapped;
	KekItem		item;
	SmsrBytes	octets;
	uint8		check_value[CHECK_VALUE_LEN];

	if (PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("wrapped %s must not be null", key.kind->what)));
	wrapped = PG_GETARG_BYTEA_PP(4);
	item = (KekItem) {
		smsr_bytes(VARDATA_ANY(wrapped), VARSIZE_ANY_EXHDR(wrapped)),
		smsr_writer(secure_memory()->transport_key, SEALING_KEY_LEN), false
	};
	kek_unwrap(KEK_CURRENT, KEK_TRANSPORT_KEY, &item, 1);
	if (!item.opened)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("wrapped %s does not open under the key encryption key", key.kind->what),
				 errhint("A KEK in a file or from a command wraps by RFC 5649, one in a token by AES-GCM: nonce (12 octets), ciphertext, tag (16).")));
	octets = smsr_written(&item.key);
	compute_check_value(&key, &place, octets, check_value);
	if (!PG_ARGISNULL(5))
	{
		bytea	   *expected = PG_GETARG_BYTEA_PP(5);

		if (VARSIZE_ANY_EXHDR(expected) != CHECK_VALUE_LEN ||
			CRYPTO_memcmp(check_value, VARDATA_ANY(expected), CHECK_VALUE_LEN) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("check value of the %s is wrong", key.kind->what)));
	}
	PG_RETURN_DATUM(sealed_row(fcinfo, &place, octets, check_value));
}

/* What is said of a file tells what is in it: others than superusers have a directory of theirs. */
static void
permit_file(const char *path, const char *what)
{
	if (!InSecurityRestrictedOperation() && superuser_arg(GetOuterUserId()))
		return;
	if (smsr_key_directory[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("must be superuser to read a %s from a file", what),
				 errhint("Others can where smsr.key_directory names a directory for such files.")));
	if (!secret_file_is_below(path, smsr_key_directory))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("file with a %s is not below smsr.key_directory", what),
				 errdetail("There may be no such file, too.")));
}

/* (kind text, name text, variant text, number smallint, path text) */
Datum
smsr_seal_key_file(PG_FUNCTION_ARGS)
{
	NamedKeyPlace place;
	NamedKey	key = key_args(fcinfo, &place);
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(4));
	uint8	   *memory = secure_memory()->transport_key;
	SmsrBytes	octets;
	uint8		check_value[CHECK_VALUE_LEN];

	permit_file(path, key.kind->what);
	octets = smsr_bytes(memory, key_file_read(path, key.kind->what, MIN_LEN, memory));
	compute_check_value(&key, &place, octets, check_value);
	PG_RETURN_DATUM(sealed_row(fcinfo, &place, octets, check_value));
}

/* ---- of components ---- */

/* Exclusive or of all components into locked memory; whether any bit is set. */
static bool
combine(const NamedKey *key, const char *ceremony, ArrayType *array, SmsrBytes *whole)
{
	SecureMemory *memory = secure_memory();
	char	   *variant = psprintf("%s %s", key->kind->name, key->variant);
	Datum	   *blobs;
	bool	   *nulls;
	int			count;
	size_t		len = 0;
	uint8		any = 0;

	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT, &blobs, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		bytea	   *blob = nulls[i] ? NULL : DatumGetByteaPP(blobs[i]);
		SmsrWriter	opened = smsr_writer(memory->wrapped, SEALING_KEY_LEN);
		NamedKeyPlace place;

		named_key_place(NAMED_KEY_COMPONENT, ceremony, variant, (uint8) (i + 1), &place);
		if (blob == NULL ||
			!keystore_open_secret(&place.place, smsr_bytes(VARDATA_ANY(blob), VARSIZE_ANY_EXHDR(blob)), &opened))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("component %d of the key does not open", i + 1),
					 errhint("Its row in smsr.key_component was altered: abort the ceremony and begin another.")));
		if (i > 0 && opened.len != len)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("components of the key differ in length")));
		len = opened.len;
		for (size_t j = 0; j < len; j++)
			memory->transport_key[j] = (uint8) ((i > 0 ? memory->transport_key[j] : 0) ^ opened.data[j]);
	}
	for (size_t j = 0; j < len; j++)
		any |= memory->transport_key[j];
	*whole = smsr_bytes(memory->transport_key, len);
	return any != 0;
}

/* (kind text, name text, variant text, number smallint, ceremony bigint, components bytea[]) */
Datum
smsr_combine_key(PG_FUNCTION_ARGS)
{
	NamedKeyPlace place;
	NamedKey	key = key_args(fcinfo, &place);
	char	   *ceremony = psprintf(INT64_FORMAT, PG_GETARG_INT64(4));
	SmsrBytes	octets;
	uint8		check_value[CHECK_VALUE_LEN];

	if (!combine(&key, ceremony, PG_GETARG_ARRAYTYPE_P(5), &octets))
	{
		secure_wipe();
		PG_RETURN_NULL();
	}
	compute_check_value(&key, &place, octets, check_value);
	PG_RETURN_DATUM(sealed_row(fcinfo, &place, octets, check_value));
}

/* ---- sealing again ---- */

/* (kind text, name text, variant text, number smallint, sealed bytea): the same under the active storage key, or NULL */
Datum
smsr_reseal_key(PG_FUNCTION_ARGS)
{
	NamedKeyPlace place;
	bytea	   *sealed = PG_GETARG_BYTEA_PP(4);
	bytea	   *resealed;

	(void) key_args(fcinfo, &place);
	resealed = keystore_reseal(&place.place, smsr_bytes(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed)));
	if (resealed == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(resealed);
}
