/*
 * put_key.c
 *		Card key sets that are made here and brought to the card by PUT KEY: keys
 *		stand in the clear in locked memory alone, and the command that carries
 *		them in the packet alone.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "access/htup_details.h"
#include "core/put_key.h"
#include "core/script.h"
#include "fmgr.h"
#include "funcapi.h"
#include "pg/guc.h"
#include "pg/keystore.h"
#include "pg/packet_keys.h"
#include "pg/report.h"
#include "pg/secure.h"
#include "pg/types.h"
#include "utils/builtins.h"

#define KCV_LEN		3
#define DEK			2			/* index of the key that wraps others */

/* script around one C-APDU of at most this */
#define MAX_APDU	261
#define MAX_SCRIPT	(MAX_APDU + 8)

PG_FUNCTION_INFO_V1(smsr_new_keyset);
PG_FUNCTION_INFO_V1(smsr_put_key_script);
PG_FUNCTION_INFO_V1(smsr_put_key_seals);
PG_FUNCTION_INFO_V1(smsr_seal_put_key);
PG_FUNCTION_INFO_V1(smsr_put_key_answer);

/* eid, sd_aid, and from argument n on kvn, key_type, sealed; NULL if it does not open */
static const KeysetKeys *
open_args(FunctionCallInfo fcinfo, int n)
{
	SmsrAid		sd_aid = PG_GETARG_AID(1);
	bytea	   *sealed = PG_GETARG_BYTEA_PP(n + 2);

	return keystore_try_open(PG_GETARG_EID(0), smsr_bytes(sd_aid.octets, sd_aid.len),
							 (uint8) PG_GETARG_INT16(n), (uint8) PG_GETARG_INT16(n + 1),
							 smsr_bytes(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed)));
}

/*
 * The command for the set at argument n, which stands in memory of its own: the
 * set that wraps it is opened next.  False if it does not open or is not whole.
 */
static bool
command_args(FunctionCallInfo fcinfo, int n, bool replaces, PutKey *command)
{
	const KeysetKeys *keys = open_args(fcinfo, n);
	SecureMemory *memory = secure_memory();

	if (keys == NULL)
		return false;
	*command = (PutKey) {
		.old_kvn = replaces ? (uint8) PG_GETARG_INT16(n) : 0,
		.kvn = (uint8) PG_GETARG_INT16(n), .key_id = 1, .count = PUT_KEY_MAX_KEYS,
		.form = (PutKeyForm) smsr_put_key_form
	};
	for (int i = 0; i < PUT_KEY_MAX_KEYS; i++)
	{
		if (keys->key[i].len == 0 || keys->key[i].len > KEYSET_MAX_LEN)
			return false;
		command->key_type[i] = (uint8) PG_GETARG_INT16(n + 1);
		memcpy(memory->unwrapped[i], keys->key[i].data, keys->key[i].len);
		command->key[i] = smsr_bytes(memory->unwrapped[i], keys->key[i].len);
		/* 24 octets are no whole blocks of AES: only the other form has room for them */
		if (command->key_type[i] == KEY_TYPE_AES && keys->key[i].len % 16 != 0)
			command->form = PUT_KEY_WITH_LENGTH;
	}
	return true;
}

static bytea *
script_of(SmsrBytes apdu)
{
	bytea	   *script = palloc(VARHDRSZ + MAX_SCRIPT);
	SmsrWriter	out = smsr_writer(VARDATA(script), MAX_SCRIPT);
	SmsrError	error;

	if (!script_write(&apdu, 1, false, &out, &error))
		smsr_report_build(&error, "script");
	SET_VARSIZE(script, VARHDRSZ + out.len);
	return script;
}

/*
 * (eid, sd_aid, like_kvn, key_type, like_sealed, kvn, OUT sealed, OUT check_values):
 * three random keys, each as long as that of the set that will bring them, which
 * must be able to.  NULLs if it is not.
 */
Datum
smsr_new_keyset(PG_FUNCTION_ARGS)
{
	const KeysetKeys *like = open_args(fcinfo, 2);
	SecureMemory *memory = secure_memory();
	SmsrAid		sd_aid = PG_GETARG_AID(1);
	uint8		key_type = (uint8) PG_GETARG_INT16(3);
	const SealingPlace place = {PG_GETARG_EID(0), smsr_bytes(sd_aid.octets, sd_aid.len), (uint8) PG_GETARG_INT16(5), key_type};
	SmsrWriter	plain = smsr_writer(memory->keyset, KEYSET_MAX_LEN);
	KeysetKeys	keys;
	uint8		check_values[3 * KCV_LEN];
	bytea	   *check_values_value = palloc(VARHDRSZ + sizeof(check_values));
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};
	SmsrError	error;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (like != NULL && like->key[DEK].len > 0 && like->key[0].len > 0 && like->key[1].len > 0)
	{
		for (int i = 0; i < 3; i++)
		{
			keys.key[i] = smsr_bytes(memory->unwrapped[i], like->key[i].len);
			if (RAND_priv_bytes(memory->unwrapped[i], (int) keys.key[i].len) != 1)
				smsr_report_crypto("card keys");
			if (!key_check_value(key_type, keys.key[i], check_values + i * KCV_LEN, &error))
				smsr_report_build(&error, "card keys");
		}
		/* not keystore_seal(): these come in by no statement that could be logged */
		if (!keyset_write(&keys, &plain, &error))
			smsr_report_build(&error, "card keys");
		values[0] = PointerGetDatum(keystore_seal_secret(&place, smsr_written(&plain)));
		SET_VARSIZE(check_values_value, VARHDRSZ + sizeof(check_values));
		memcpy(VARDATA(check_values_value), check_values, sizeof(check_values));
		values[1] = PointerGetDatum(check_values_value);
		nulls[0] = nulls[1] = false;
	}
	keystore_wipe();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* (eid, sd_aid, kvn, key_type, sealed, replaces): the script with zeros for keys */
Datum
smsr_put_key_script(PG_FUNCTION_ARGS)
{
	PutKey		command;
	uint8		apdu[MAX_APDU];
	SmsrWriter	w = smsr_writer(apdu, sizeof(apdu));
	SmsrError	error;
	bool		opened = command_args(fcinfo, 2, PG_GETARG_BOOL(5), &command);
	bool		ok = opened && put_key_write_blank(&command, &w, &error);

	keystore_wipe();
	if (!opened)
		PG_RETURN_NULL();
	if (!ok)
		smsr_report_build(&error, "PUT KEY");
	PG_RETURN_BYTEA_P(script_of(smsr_written(&w)));
}

/* The command itself, wrapped under the DEK of the set at argument 2; NULL keys if it can not be. */
static const KeysetKeys *
write_wrapped(FunctionCallInfo fcinfo, int n, bool replaces, SmsrWriter *w)
{
	PutKey		command;
	const KeysetKeys *by;
	SmsrError	error;

	if (!command_args(fcinfo, n, replaces, &command))
		return NULL;
	by = open_args(fcinfo, 2);
	if (by == NULL || by->key[DEK].len == 0 ||
		!put_key_write(&command, (uint8) PG_GETARG_INT16(3), by->key[DEK], w, &error))
		return NULL;
	return by;
}

/*
 * (eid, sd_aid, kvn, key_type, sealed, new_kvn, new_key_type, new_sealed): whether
 * the one set can bring the other: what a batch asks of each row.
 */
Datum
smsr_put_key_seals(PG_FUNCTION_ARGS)
{
	uint8		apdu[MAX_APDU];
	SmsrWriter	w = smsr_writer(apdu, sizeof(apdu));
	bool		result = write_wrapped(fcinfo, 5, false, &w) != NULL;

	keystore_wipe();
	OPENSSL_cleanse(apdu, sizeof(apdu));
	PG_RETURN_BOOL(result);
}

/*
 * (eid, sd_aid, kvn, key_type, sealed, spi, tar, cntr, new_kvn, new_key_type,
 * new_sealed, replaces): the command packet.
 */
Datum
smsr_seal_put_key(PG_FUNCTION_ARGS)
{
	uint8		apdu[MAX_APDU];
	SmsrWriter	w = smsr_writer(apdu, sizeof(apdu));
	bool		wrapped = write_wrapped(fcinfo, 8, PG_GETARG_BOOL(11), &w) != NULL;
	bytea	   *script;
	Datum		packet;

	keystore_wipe();
	if (!wrapped)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("key set %d can not be brought to the card under key set %d",
						PG_GETARG_INT16(8), PG_GETARG_INT16(2))));
	script = script_of(smsr_written(&w));
	OPENSSL_cleanse(apdu, sizeof(apdu));
	packet = packet_keys_seal(fcinfo, smsr_bytes(VARDATA(script), VARSIZE(script) - VARHDRSZ), SCP80_SMS);
	OPENSSL_cleanse(VARDATA(script), VARSIZE(script) - VARHDRSZ);
	pfree(script);
	PG_RETURN_DATUM(packet);
}

/*
 * (eid, sd_aid, kvn, key_type, sealed, answer): whether the card has stored these
 * keys: its version and check values are those of the set.  NULL if it says none.
 */
Datum
smsr_put_key_answer(PG_FUNCTION_ARGS)
{
	bytea	   *answer = PG_GETARG_BYTEA_PP(5);
	SmsrBytes	data = smsr_bytes(VARDATA_ANY(answer), VARSIZE_ANY_EXHDR(answer));
	PutKey		command;
	SmsrError	error;
	bool		result;

	if (data.len == 0)
		PG_RETURN_NULL();
	result = command_args(fcinfo, 2, false, &command) && put_key_check_response(&command, data, &error);
	keystore_wipe();
	PG_RETURN_BOOL(result);
}
