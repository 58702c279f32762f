/*
 * sealed_packets.c
 *		Secured packets under keys that stay in the keystore, and the clear parts
 *		of packets that tell which keys to take.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "core/notification.h"
#include "core/scp80.h"
#include "core/script.h"
#include "core/sms.h"
#include "fmgr.h"
#include "funcapi.h"
#include "pg/keystore.h"
#include "pg/packet_keys.h"
#include "pg/report.h"
#include "pg/row.h"
#include "pg/secure.h"
#include "pg/types.h"
#include "utils/builtins.h"

/* low nibbles of KIc and KID, TS 102 225 clauses 5.1.2 and 5.1.3 */
#define ALGORITHM_3DES_2	0x05
#define ALGORITHM_3DES_3	0x09
#define ALGORITHM_AES		0x02

/* the key versions that a packet can name: its nibble, but not "unspecified" */
#define KVN_MIN		0x01
#define KVN_MAX		0x0F

PG_FUNCTION_INFO_V1(smsr_keyset_opens);
PG_FUNCTION_INFO_V1(smsr_seal_command);
PG_FUNCTION_INFO_V1(smsr_unseal_response);
PG_FUNCTION_INFO_V1(smsr_unseal_command);
PG_FUNCTION_INFO_V1(smsr_open_answer);
PG_FUNCTION_INFO_V1(smsr_open_notification);
PG_FUNCTION_INFO_V1(smsr_peek_command);
PG_FUNCTION_INFO_V1(smsr_sms_header);

static Scp80 *scp80;

static void
forget_keys(void)
{
	scp80_forget(scp80);
}

static Scp80 *
contexts(void)
{
	if (scp80 == NULL)
	{
		scp80 = scp80_new();
		if (scp80 == NULL)
			smsr_report_crypto("ciphers of TS 102 225");
		secure_at_end(forget_keys);
	}
	return scp80;
}

/* ---- arguments ---- */

static SmsrBytes
bytes_arg(FunctionCallInfo fcinfo, int n)
{
	bytea	   *value = PG_GETARG_BYTEA_PP(n);

	return smsr_bytes(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static SmsrBytes
bytes_arg_of(FunctionCallInfo fcinfo, int n, size_t len, const char *name)
{
	SmsrBytes	value = bytes_arg(fcinfo, n);

	if (value.len != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have %zu octets, not %zu", name, len, value.len)));
	return value;
}

static Scp80Bearer
bearer_arg(FunctionCallInfo fcinfo, int n)
{
	text	   *name = PG_GETARG_TEXT_PP(n);
	size_t		len = VARSIZE_ANY_EXHDR(name);

	if (len == 3 && memcmp(VARDATA_ANY(name), "sms", 3) == 0)
		return SCP80_SMS;
	if (len == 6 && memcmp(VARDATA_ANY(name), "cat_tp", 6) == 0)
		return SCP80_CAT_TP;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("bearer \"%s\" is not known", text_to_cstring(name)),
			 errhint("Known bearers are \"sms\" and \"cat_tp\".")));
}

static uint8
algorithm(uint8 key_type, size_t key_len)
{
	if (key_type == KEY_TYPE_AES)
		return ALGORITHM_AES;
	if (key_type == KEY_TYPE_DES)
		return key_len == 24 ? ALGORITHM_3DES_3 : ALGORITHM_3DES_2;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("keys of type %02X do not secure packets", key_type),
			 errhint("Packets take keys of type 88 (AES) or 80 (DES).")));
}

/* What eid, sd_aid, kvn, key_type and sealed at the head of an argument list say. */
typedef struct PacketKeys
{
	Scp80Keys	keys;
	uint8		kic;
	uint8		kid;
} PacketKeys;

static void
set_keys(PacketKeys *packet_keys, const KeysetKeys *keyset, int kvn, int key_type)
{
	packet_keys->keys.kic = keyset->key[0];
	packet_keys->keys.kid = keyset->key[1];
	packet_keys->kic = (uint8) (kvn << 4 | algorithm((uint8) key_type, keyset->key[0].len));
	packet_keys->kid = (uint8) (kvn << 4 | algorithm((uint8) key_type, keyset->key[1].len));
}

static void
open_keys(FunctionCallInfo fcinfo, PacketKeys *packet_keys)
{
	SmsrAid		sd_aid = PG_GETARG_AID(1);
	int16		kvn = PG_GETARG_INT16(2);
	int16		key_type = PG_GETARG_INT16(3);

	if (kvn < KVN_MIN || kvn > KVN_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key version %d is none of SCP80", kvn),
				 errhint("SCP80 has key versions %d to %d.", KVN_MIN, KVN_MAX)));

	set_keys(packet_keys,
			 keystore_open(PG_GETARG_EID(0), smsr_bytes(sd_aid.octets, sd_aid.len),
						   (uint8) kvn, (uint8) key_type, bytes_arg(fcinfo, 4)),
			 kvn, key_type);
}

static bool
packet_key_ok(int key_type, size_t len)
{
	return key_type == KEY_TYPE_AES ? len == 16 || len == 24 || len == 32 : len == 16 || len == 24;
}

/*
 * The same of a key set under which packets may not be secured at all: false
 * then, so that one altered blob is set aside and stops no batch.
 */
static bool
try_open_keys(FunctionCallInfo fcinfo, PacketKeys *packet_keys)
{
	SmsrAid		sd_aid = PG_GETARG_AID(1);
	int16		kvn = PG_GETARG_INT16(2);
	int16		key_type = PG_GETARG_INT16(3);
	const KeysetKeys *keys;

	if (kvn < KVN_MIN || kvn > KVN_MAX || (key_type != KEY_TYPE_AES && key_type != KEY_TYPE_DES))
		return false;
	keys = keystore_try_open(PG_GETARG_EID(0), smsr_bytes(sd_aid.octets, sd_aid.len),
							 (uint8) kvn, (uint8) key_type, bytes_arg(fcinfo, 4));
	if (keys == NULL || !packet_key_ok(key_type, keys->key[0].len) ||
		!packet_key_ok(key_type, keys->key[1].len))
		return false;
	set_keys(packet_keys, keys, kvn, key_type);
	return true;
}

/* ---- results ---- */

static Datum
bytea_datum(SmsrBytes octets)
{
	bytea	   *value = palloc(VARHDRSZ + octets.len);

	SET_VARSIZE(value, VARHDRSZ + octets.len);
	if (octets.len > 0)
		memcpy(VARDATA(value), octets.data, octets.len);
	return PointerGetDatum(value);
}

/* ---- under sealed keys ---- */

/* What a batch asks of each row. */
Datum
smsr_keyset_opens(PG_FUNCTION_ARGS)
{
	PacketKeys	keys;
	bool		result = try_open_keys(fcinfo, &keys);

	keystore_wipe();
	PG_RETURN_BOOL(result);
}

Datum
packet_keys_seal(FunctionCallInfo fcinfo, SmsrBytes data, Scp80Bearer bearer)
{
	SmsrBytes	spi = bytes_arg_of(fcinfo, 5, 2, "spi");
	SmsrBytes	tar = bytes_arg_of(fcinfo, 6, SCP80_TAR_LEN, "tar");
	int64		cntr = PG_GETARG_INT64(7);
	Scp80Header header;
	PacketKeys	keys;
	Size		cap = data.len + SCP80_OVERHEAD;
	bytea	   *packet = palloc(VARHDRSZ + cap);
	SmsrWriter	out = smsr_writer(VARDATA(packet), cap);
	SmsrError	error;
	bool		ok;

	if (cntr < 0 || cntr > (int64) SCP80_MAX_CNTR)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("counter is out of range"),
				 errdetail("A counter has five octets.")));

	open_keys(fcinfo, &keys);
	header.spi1 = spi.data[0];
	header.spi2 = spi.data[1];
	header.kic = keys.kic;
	header.kid = keys.kid;
	memcpy(header.tar, tar.data, SCP80_TAR_LEN);
	header.cntr = (uint64) cntr;

	ok = scp80_seal_command(contexts(), bearer, &header, &keys.keys, data, &out, &error);
	keystore_wipe();
	if (!ok)
		smsr_report_build(&error, "command packet");
	SET_VARSIZE(packet, VARHDRSZ + out.len);
	PG_RETURN_BYTEA_P(packet);
}

Datum
smsr_seal_command(PG_FUNCTION_ARGS)
{
	return packet_keys_seal(fcinfo, bytes_arg(fcinfo, 8), bearer_arg(fcinfo, 9));
}

Datum
smsr_unseal_response(PG_FUNCTION_ARGS)
{
	uint8		spi2 = bytes_arg_of(fcinfo, 5, 1, "spi2").data[0];
	SmsrBytes	packet = bytes_arg(fcinfo, 6);
	Scp80Bearer bearer = bearer_arg(fcinfo, 7);
	SmsrWriter	scratch = smsr_writer(palloc(packet.len + 1), packet.len);
	Scp80Response response;
	PacketKeys	keys;
	SmsrError	error;
	Datum		values[6];
	bool		nulls[6] = {false};
	bool		ok;

	open_keys(fcinfo, &keys);
	ok = scp80_open_response(contexts(), bearer, spi2, keys.kic, keys.kid, &keys.keys,
							 packet, &scratch, &response, &error);
	keystore_wipe();
	if (!ok)
		smsr_report(&error, "response packet");

	values[0] = bytea_datum(smsr_bytes(response.tar, SCP80_TAR_LEN));
	values[1] = Int64GetDatum((int64) response.cntr);
	values[2] = Int32GetDatum(response.status);
	values[3] = BoolGetDatum(response.secured);
	values[4] = BoolGetDatum(response.authentic);
	values[5] = (Datum) 0;
	if (response.authentic)
		values[5] = bytea_datum(response.data);
	else
		nulls[5] = true;
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/*
 * Core calls a packet authentic that asks for no check, and checks by the
 * algorithm that the packet names.  Here only a checksum under the key that was
 * asked for will do.
 */
static bool
command_authentic(const Scp80Command *command, const PacketKeys *keys)
{
	return command->authentic &&
		(command->header.spi1 & SPI1_CHECK_MASK) == SPI1_CHECK_CC &&
		command->header.kid == keys->kid &&
		((command->header.spi1 & SPI1_CIPHER) == 0 || command->header.kic == keys->kic);
}

Datum
smsr_unseal_command(PG_FUNCTION_ARGS)
{
	SmsrBytes	packet = bytes_arg(fcinfo, 5);
	Scp80Bearer bearer = bearer_arg(fcinfo, 6);
	SmsrWriter	scratch = smsr_writer(palloc(packet.len + 1), packet.len);
	Scp80Command command;
	PacketKeys	keys;
	SmsrError	error;
	uint8		spi[2];
	Datum		values[5];
	bool		nulls[5] = {false};
	bool		ok;

	open_keys(fcinfo, &keys);
	ok = scp80_open_command(contexts(), bearer, &keys.keys, packet, &scratch, &command, &error);
	keystore_wipe();
	if (!ok)
		smsr_report(&error, "command packet");

	command.authentic = command_authentic(&command, &keys);

	spi[0] = command.header.spi1;
	spi[1] = command.header.spi2;
	values[0] = bytea_datum(smsr_bytes(spi, sizeof(spi)));
	values[1] = bytea_datum(smsr_bytes(command.header.tar, SCP80_TAR_LEN));
	values[2] = Int64GetDatum((int64) command.header.cntr);
	values[3] = BoolGetDatum(command.authentic);
	values[4] = (Datum) 0;
	if (command.authentic)
		values[4] = bytea_datum(command.data);
	else
		nulls[4] = true;
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* ---- whole short messages: NULL for whatever is not just what is asked for ---- */

/* The packet of a message that stands alone. */
static bool
read_alone(SmsrBytes tp_ud, uint8 cpi, SmsrBytes *packet)
{
	SmsHeader	header;
	SmsrError	error;

	if (!sms_read(tp_ud, &header, &error) || header.cpi != cpi || header.total > 1)
		return false;
	*packet = header.payload;
	return true;
}

/*
 * The answer to a command that was sealed under these keys and this counter,
 * for the security domain whose AID comes next.
 */
Datum
smsr_open_answer(PG_FUNCTION_ARGS)
{
	SmsrBytes	command = bytes_arg(fcinfo, 5);
	int64		cntr = PG_GETARG_INT64(6);
	SmsrAid		target = PG_GETARG_AID(7);
	SmsrBytes	packet;
	SmsrWriter	scratch;
	Scp80Header header;
	Scp80Response response;
	ScriptResponse script;
	PacketKeys	keys;
	uint8		tar[SCP80_TAR_LEN];
	SmsrError	error;
	Datum		values[3];
	bool		nulls[3] = {false};
	bool		ok;

	if (!read_alone(bytes_arg(fcinfo, 8), SMS_IEI_RESPONSE, &packet) ||
		!aid_tar(&target, tar) ||
		!scp80_peek_command(SCP80_SMS, command, &header, &error))
		PG_RETURN_NULL();
	scratch = smsr_writer(palloc(packet.len + 1), packet.len);
	ok = try_open_keys(fcinfo, &keys) &&
		scp80_open_response(contexts(), SCP80_SMS, header.spi2, keys.kic, keys.kid, &keys.keys,
							packet, &scratch, &response, &error);
	keystore_wipe();
	if (!ok || !response.authentic || (int64) response.cntr != cntr ||
		memcmp(response.tar, tar, SCP80_TAR_LEN) != 0)
		PG_RETURN_NULL();

	values[0] = Int32GetDatum(response.status);
	values[1] = bytea_datum(response.data);
	values[2] = Int32GetDatum(script_read_response(response.data, &script, &error) ? script.sw : 0);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* A notification of this eUICC under the keys of its ISD-R. */
Datum
smsr_open_notification(PG_FUNCTION_ARGS)
{
	const uint8 *eid = PG_GETARG_EID(0);
	SmsrAid		sd_aid = PG_GETARG_AID(1);
	SmsrBytes	packet;
	SmsrWriter	scratch;
	Scp80Command command;
	Notification n = {0};
	PacketKeys	keys;
	uint8		tar[SCP80_TAR_LEN];
	SmsrError	error;
	Datum		values[6];
	bool		nulls[6] = {false};
	bool		ok;

	if (!read_alone(bytes_arg(fcinfo, 5), SMS_IEI_COMMAND, &packet) || !aid_tar(&sd_aid, tar))
		PG_RETURN_NULL();
	scratch = smsr_writer(palloc(packet.len + 1), packet.len);
	ok = try_open_keys(fcinfo, &keys) &&
		scp80_open_command(contexts(), SCP80_SMS, &keys.keys, packet, &scratch, &command, &error) &&
		command_authentic(&command, &keys);
	keystore_wipe();
	if (!ok || memcmp(command.header.tar, tar, SCP80_TAR_LEN) != 0 ||
		!notification_read(command.data, &n, &error) || memcmp(n.eid, eid, EID_LEN) != 0)
		PG_RETURN_NULL();

	values[0] = Int32GetDatum(n.type);
	values[1] = Int32GetDatum(n.sequence);
	values[2] = smsr_aid_get_datum(&n.enabled);
	values[3] = bytea_datum(smsr_bytes(n.imei, sizeof(n.imei)));
	nulls[3] = !n.has_imei;
	values[4] = bytea_datum(smsr_bytes(n.meid, sizeof(n.meid)));
	nulls[4] = !n.has_meid;
	values[5] = bytea_datum(command.data);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* ---- clear parts ---- */

Datum
smsr_peek_command(PG_FUNCTION_ARGS)
{
	SmsrBytes	packet = bytes_arg(fcinfo, 0);
	Scp80Header header;
	SmsrError	error;
	uint8		spi[2];
	Datum		values[4];
	bool		nulls[4] = {false};

	if (!scp80_peek_command(SCP80_SMS, packet, &header, &error))
		smsr_report(&error, "command packet");

	spi[0] = header.spi1;
	spi[1] = header.spi2;
	values[0] = bytea_datum(smsr_bytes(spi, sizeof(spi)));
	values[1] = bytea_datum(smsr_bytes(&header.kic, 1));
	values[2] = bytea_datum(smsr_bytes(&header.kid, 1));
	values[3] = bytea_datum(smsr_bytes(header.tar, SCP80_TAR_LEN));
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

Datum
smsr_sms_header(PG_FUNCTION_ARGS)
{
	SmsHeader	header;
	SmsrError	error;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (!sms_read(bytes_arg(fcinfo, 0), &header, &error))
		smsr_report(&error, "short message");

	values[0] = Int32GetDatum(header.cpi);
	values[1] = Int32GetDatum(header.reference);
	values[2] = Int32GetDatum(header.total);
	values[3] = Int32GetDatum(header.sequence);
	nulls[0] = header.cpi == 0;
	nulls[1] = !header.concatenated;
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}
