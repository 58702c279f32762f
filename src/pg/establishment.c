/*
 * establishment.c
 *		SQL face of core's key establishment (ES5.EstablishISDRKeySet), for both
 *		servers of a change of SM-SR.
 *
 * Two private keys pass through here, each sealed in a place of its own: this
 * SM-SR's, whose place is made of its certificate, and the ephemeral one of an
 * establishment, which opens for its eUICC and key version alone.  In place of
 * the AID stands a text that no AID begins with.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/certificate.h"
#include "core/chain.h"
#include "core/establishment.h"
#include "core/key_check.h"
#include "core/script.h"
#include "pg/key_file.h"
#include "pg/keystore.h"
#include "pg/logging.h"
#include "pg/report.h"
#include "pg/row.h"
#include "pg/secure.h"
#include "pg/types.h"

PG_FUNCTION_INFO_V1(smsr_off_card_certificate);
PG_FUNCTION_INFO_V1(smsr_ecasd_curve);
PG_FUNCTION_INFO_V1(smsr_seal_own_key_file);
PG_FUNCTION_INFO_V1(smsr_reseal_own_key);
PG_FUNCTION_INFO_V1(smsr_reseal_ephemeral_key);
PG_FUNCTION_INFO_V1(smsr_certificate_commands);
PG_FUNCTION_INFO_V1(smsr_key_set_commands);
PG_FUNCTION_INFO_V1(smsr_finalise_commands);
PG_FUNCTION_INFO_V1(smsr_read_challenge);
PG_FUNCTION_INFO_V1(smsr_read_receipt);
PG_FUNCTION_INFO_V1(smsr_prepare_key_set);
PG_FUNCTION_INFO_V1(smsr_conclude_key_set);

#define KEY_SET_KEY_LEN		16	/* AES-128, the least that SGP.02 allows, and a PSK as long; every card has it */
#define MAX_COMMANDS_LEN	4096
#define MAX_COLUMNS			5

/* Cards that differ from these are not known yet: then this asks for the platform. */
static const EstablishmentProfile *
profile_of_card(void)
{
	return &establishment_default;
}

static SmsrBytes
octets_arg(FunctionCallInfo fcinfo, int n)
{
	bytea	   *octets;

	if (PG_ARGISNULL(n))
		return smsr_bytes(NULL, 0);
	octets = PG_GETARG_BYTEA_PP(n);
	return smsr_bytes(VARDATA_ANY(octets), VARSIZE_ANY_EXHDR(octets));
}

static Datum
octets_datum(const void *data, size_t len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	if (len > 0)
		memcpy(VARDATA(result), data, len);
	return PointerGetDatum(result);
}

/* SGP.02 clause 2.2.5.1 */
static bool
is_psk_version(int32 kvn)
{
	return kvn >= 0x40 && kvn <= 0x4F;
}

static uint8
kvn_arg(FunctionCallInfo fcinfo, int n)
{
	int32		kvn = PG_GETARG_INT32(n);

	if ((kvn < 1 || kvn > 15) && !is_psk_version(kvn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key version number must be 1 to 15 for SCP80, 64 to 79 for SCP81")));
	return (uint8) kvn;
}

/* What core found, in one line; an octet of what it looked at is never in it. */
static Datum
fault_datum(const SmsrError *error)
{
	return CStringGetTextDatum(psprintf("%s: %s", error->field, smsr_error_detail(error)));
}

static int64
now_unix(void)
{
	return (int64) (GetCurrentTransactionStartTimestamp() / USECS_PER_SEC) +
		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
}

/* ---- certificates ---- */

/*
 * (certificate bytea, ci bytea, OUT curve text, OUT valid_until date as YYYYMMDD,
 * OUT authority_key bytea, OUT fault text): an SM-SR's; ci is the issuer's X.509
 * certificate, NULL if only what it says itself is to be checked.
 */
Datum
smsr_off_card_certificate(PG_FUNCTION_ARGS)
{
	SmsrBytes	octets = octets_arg(fcinfo, 0);
	Certificate certificate;
	SmsrError	error = {0};
	Datum		values[4] = {0};
	bool		nulls[4] = {true, true, true, true};
	bool		good;

	good = PG_ARGISNULL(1) ?
		certificate_read(octets, &certificate, &error) &&
		certificate_check_off_card(&certificate, CERTIFICATE_SM_SR, now_unix(), &error) :
		chain_verify_off_card(octets, octets_arg(fcinfo, 1), CERTIFICATE_SM_SR, now_unix(), &certificate, &error);
	if (!good)
	{
		values[3] = fault_datum(&error);
		nulls[3] = false;
	}
	else
	{
		values[0] = CStringGetTextDatum(curve_name(certificate.curve));
		values[1] = Int32GetDatum((int32) certificate.expiry);
		nulls[0] = nulls[1] = false;
		nulls[2] = certificate.authority_key.data == NULL;
		if (!nulls[2])
			values[2] = octets_datum(certificate.authority_key.data, certificate.authority_key.len);
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* (certificate bytea, eid smsr.eid, OUT curve text, OUT fault text) */
Datum
smsr_ecasd_curve(PG_FUNCTION_ARGS)
{
	Certificate certificate;
	SmsrError	error = {0};
	Datum		values[2] = {0};
	bool		nulls[2] = {false, false};

	if (certificate_read(octets_arg(fcinfo, 0), &certificate, &error) &&
		certificate_check_ecasd(&certificate, PG_GETARG_EID(1), now_unix(), &error))
	{
		values[0] = CStringGetTextDatum(curve_name(certificate.curve));
		nulls[1] = true;
	}
	else
	{
		values[1] = fault_datum(&error);
		nulls[0] = true;
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

static void
need_certificate(SmsrBytes octets, const char *what, Certificate *certificate)
{
	SmsrError	error = {0};

	if (!certificate_read(octets, certificate, &error))
		smsr_report(&error, what);
}

/* ---- places of private keys ---- */

typedef struct PrivatePlace
{
	uint8		digest[EVP_MAX_MD_SIZE];
	SealingPlace place;
} PrivatePlace;

static void
own_place(SmsrBytes certificate, PrivatePlace *place)
{
	static const char domain[] = "smsr own key";
	size_t		len;

	if (EVP_Q_digest(NULL, "SHA256", NULL, certificate.data, certificate.len, place->digest, &len) != 1)
		smsr_report_crypto("SHA-256");
	place->place = (SealingPlace) {
		.eid = place->digest,
		.sd_aid = smsr_bytes(domain, sizeof(domain) - 1),
		.key_type = KEY_TYPE_AES
	};
}

static void
ephemeral_place(const uint8 *eid, uint8 kvn, SealingPlace *place)
{
	static const char domain[] = "smsr handover";

	*place = (SealingPlace) {
		.eid = eid,
		.sd_aid = smsr_bytes(domain, sizeof(domain) - 1),
		.kvn = kvn,
		.key_type = KEY_TYPE_AES
	};
}

/* The private key in locked memory, until secure_wipe(). */
static SmsrBytes
open_private(const SealingPlace *place, SmsrBytes blob, const char *what)
{
	SmsrWriter	out = smsr_writer(secure_memory()->transport_key, CURVE_PRIVATE_LEN);

	if (!keystore_open_secret(place, blob, &out) || out.len != CURVE_PRIVATE_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s does not open", what),
				 errhint("Its row was altered, or the storage key that sealed it is gone.")));
	return smsr_written(&out);
}

/* (certificate bytea, path text): the private key in a file on the server, sealed */
Datum
smsr_seal_own_key_file(PG_FUNCTION_ARGS)
{
	static const uint8 probe[] = "smsr own key";
	uint8	   *key = secure_memory()->transport_key;
	SmsrBytes	octets = octets_arg(fcinfo, 0);
	SmsrBytes	piece = smsr_bytes(probe, sizeof(probe));
	uint8		signature[CURVE_SIGNATURE_LEN];
	Certificate certificate;
	PrivatePlace place;
	bytea	   *sealed;
	SmsrError	error = {0};

	/* it tells what is in the server's files */
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to read a private key from a file")));
	need_certificate(octets, "certificate", &certificate);
	StaticAssertStmt(KEY_FILE_MAX_LEN == CURVE_PRIVATE_LEN, "a key file holds a private key");
	(void) key_file_read(text_to_cstring(PG_GETARG_TEXT_PP(1)), "private key", CURVE_PRIVATE_LEN, key);
	if (!curve_sign(certificate.curve, smsr_bytes(key, CURVE_PRIVATE_LEN), &piece, 1, signature, &error) ||
		!curve_verify(certificate.curve, certificate.point, &piece, 1,
					  smsr_bytes(signature, sizeof(signature)), &error))
	{
		secure_wipe();
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("private key does not belong to the certificate"),
				 errdetail("The certificate has a public key on %s.", curve_name(certificate.curve))));
	}
	own_place(octets, &place);
	sealed = keystore_seal_secret(&place.place, smsr_bytes(key, CURVE_PRIVATE_LEN));
	secure_wipe();
	PG_RETURN_BYTEA_P(sealed);
}

static Datum
resealed(FunctionCallInfo fcinfo, const SealingPlace *place, SmsrBytes blob)
{
	bytea	   *sealed = keystore_reseal(place, blob);

	if (sealed == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(sealed);
}

/* (certificate bytea, sealed bytea) */
Datum
smsr_reseal_own_key(PG_FUNCTION_ARGS)
{
	PrivatePlace place;

	own_place(octets_arg(fcinfo, 0), &place);
	return resealed(fcinfo, &place.place, octets_arg(fcinfo, 1));
}

/* (eid smsr.eid, kvn int, sealed bytea) */
Datum
smsr_reseal_ephemeral_key(PG_FUNCTION_ARGS)
{
	SealingPlace place;

	ephemeral_place(PG_GETARG_EID(0), kvn_arg(fcinfo, 1), &place);
	return resealed(fcinfo, &place, octets_arg(fcinfo, 2));
}

/* ---- commands, each a C-APDU in tag 22 as an expanded script has it ---- */

static void
put_blocks(SmsrBytes data, bool last, size_t first, SmsrWriter *out)
{
	SmsrError	error = {0};

	for (size_t i = 0; i < establishment_blocks(data.len); i++)
	{
		uint8		apdu[300];
		SmsrWriter	w = smsr_writer(apdu, sizeof(apdu));

		if (!establishment_write_block(profile_of_card(), data, last, first, i, &w, &error))
			smsr_report_build(&error, "STORE DATA");
		put_tlv(out, SCRIPT_C_APDU, w.data, w.len);
	}
}

static SmsrBytes
certificate_data(SmsrBytes certificate, uint8 *room, size_t cap)
{
	SmsrWriter	w = smsr_writer(room, cap);
	SmsrError	error = {0};

	if (!establishment_write_certificate(certificate, &w, &error))
		smsr_report_build(&error, "certificate");
	return smsr_written(&w);
}

/* (certificate bytea): EstablishISDRKeySet, first command */
Datum
smsr_certificate_commands(PG_FUNCTION_ARGS)
{
	uint8		data[MAX_COMMANDS_LEN];
	uint8		commands[MAX_COMMANDS_LEN];
	SmsrWriter	out = smsr_writer(commands, sizeof(commands));

	put_blocks(certificate_data(octets_arg(fcinfo, 0), data, sizeof(data)), false, 0, &out);
	if (out.overflow)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("certificate is too long")));
	PG_RETURN_DATUM(octets_datum(out.data, out.len));
}

static EstablishmentRequest
key_set_request(uint8 parameter, uint8 kvn, int64 counter, SmsrBytes host_id)
{
	if (counter < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("initial sequence counter must not be negative")));
	return (EstablishmentRequest) {
		.parameter = parameter,
		.key_type = is_psk_version(kvn) ? KEY_TYPE_PSK : KEY_TYPE_AES,
		.key_len = KEY_SET_KEY_LEN,
		.kvn = kvn,
		.counter = (uint64) counter,
		.host_id = host_id
	};
}

/*
 * (certificate bytea, ecasd bytea, kvn int, counter bigint, parameter int, host_id bytea,
 * ephemeral_public_key bytea, signature bytea): the second command, by the server
 * that has the card and none of the secrets.  The CRT is what its own profile
 * makes of the arguments: if the other made another one the card refuses the signature.
 */
Datum
smsr_key_set_commands(PG_FUNCTION_ARGS)
{
	uint8		room[MAX_COMMANDS_LEN];
	uint8		data[ESTABLISHMENT_COMMAND_LEN];
	uint8		commands[MAX_COMMANDS_LEN];
	SmsrBytes	first = certificate_data(octets_arg(fcinfo, 0), room, sizeof(room));
	SmsrBytes	point = octets_arg(fcinfo, 6);
	SmsrBytes	signature = octets_arg(fcinfo, 7);
	EstablishmentRequest request;
	Establishment establishment = {0};
	Certificate ecasd;
	SmsrWriter	crt = smsr_writer(establishment.crt, sizeof(establishment.crt));
	SmsrWriter	w = smsr_writer(data, sizeof(data));
	SmsrWriter	out = smsr_writer(commands, sizeof(commands));
	SmsrError	error = {0};

	need_certificate(octets_arg(fcinfo, 1), "ECASD certificate", &ecasd);
	if (!curve_check_point(ecasd.curve, point, &error))
		smsr_report(&error, "ephemeral public key");
	if (signature.len != CURVE_SIGNATURE_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("signature must have %d octets", CURVE_SIGNATURE_LEN)));
	if (PG_GETARG_INT32(4) & (CRT_DELETE_KEYS | CRT_WITH_IDS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scenario parameter must neither delete keys nor include identifiers"),
				 errdetail("The keys of the SM-SR that has the eUICC stay until it is handed over.")));
	request = key_set_request((uint8) PG_GETARG_INT32(4), kvn_arg(fcinfo, 2), PG_GETARG_INT64(3), octets_arg(fcinfo, 5));
	if (!establishment_write_crt(profile_of_card(), &request, &crt, &error))
		smsr_report_build(&error, "CRT");
	establishment.crt_len = crt.len;
	establishment.curve = ecasd.curve;
	memcpy(establishment.point, point.data, CURVE_POINT_LEN);
	if (!establishment_write_command(profile_of_card(), &establishment, signature, &w, &error))
		smsr_report_build(&error, "key set command");
	put_blocks(smsr_written(&w), true, establishment_blocks(first.len), &out);
	PG_RETURN_DATUM(octets_datum(out.data, out.len));
}

/* (kvn int): FinaliseISDRhandover, all keys of this version stay and no others */
Datum
smsr_finalise_commands(PG_FUNCTION_ARGS)
{
	const uint8 kvn = kvn_arg(fcinfo, 0);
	const Es5KeyRange own = {kvn, 1, is_psk_version(kvn) ? 1 : 3};
	uint8		apdu[64];
	uint8		commands[80];
	SmsrWriter	w = smsr_writer(apdu, sizeof(apdu));
	SmsrWriter	out = smsr_writer(commands, sizeof(commands));

	establishment_write_finalise(profile_of_card(), &own, 1, NULL, 0, &w);
	put_tlv(&out, SCRIPT_C_APDU, w.data, w.len);
	PG_RETURN_DATUM(octets_datum(out.data, out.len));
}

/* ---- answers ---- */

/* (response bytea, OUT challenge bytea, OUT fault text): data of the first command's answer */
Datum
smsr_read_challenge(PG_FUNCTION_ARGS)
{
	SmsrBytes	challenge;
	SmsrError	error = {0};
	Datum		values[2] = {0};
	bool		nulls[2] = {false, false};

	if (establishment_read_challenge(profile_of_card(), octets_arg(fcinfo, 0), &challenge, &error))
	{
		values[0] = octets_datum(challenge.data, challenge.len);
		nulls[1] = true;
	}
	else
	{
		values[1] = fault_datum(&error);
		nulls[0] = true;
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* (response bytea, OUT derivation_random bytea, OUT receipt bytea): either NULL if it is not there */
Datum
smsr_read_receipt(PG_FUNCTION_ARGS)
{
	TlvReader	r = tlv_reader(octets_arg(fcinfo, 0));
	SmsrTlv		tlv;
	SmsrError	error = {0};
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	while (r.pos < r.len && tlv_read(&r, "answer", &tlv, &error))
	{
		int			n = tlv.tag == 0x85 ? 0 : tlv.tag == 0x86 ? 1 : -1;

		if (n >= 0)
		{
			values[n] = octets_datum(tlv.value.data, tlv.value.len);
			nulls[n] = false;
		}
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* ---- the server that takes the eUICC ---- */

/*
 * (eid smsr.eid, ecasd bytea, certificate bytea, sealed bytea, kvn int, counter bigint,
 * challenge bytea, OUT crt bytea, OUT point bytea, OUT signature bytea, OUT sealed bytea)
 */
Datum
smsr_prepare_key_set(PG_FUNCTION_ARGS)
{
	const uint8 *eid = PG_GETARG_EID(0);
	SmsrBytes	own = octets_arg(fcinfo, 2);
	uint8		kvn = kvn_arg(fcinfo, 4);
	EstablishmentRequest request = key_set_request(0, kvn, PG_GETARG_INT64(5), smsr_bytes(NULL, 0));
	uint8		signature[CURVE_SIGNATURE_LEN];
	Establishment *establishment = &secure_memory()->establishment;
	Certificate ecasd;
	Certificate certificate;
	PrivatePlace place;
	SealingPlace ephemeral;
	SmsrError	error = {0};
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};
	bool		good;

	need_certificate(octets_arg(fcinfo, 1), "ECASD certificate", &ecasd);
	need_certificate(own, "certificate of this SM-SR", &certificate);
	own_place(own, &place);
	ephemeral_place(eid, kvn, &ephemeral);

	good = establishment_prepare(profile_of_card(), &request, ecasd.curve, establishment, &error);
	if (good)
	{
		values[0] = octets_datum(establishment->crt, establishment->crt_len);
		values[1] = octets_datum(establishment->point, CURVE_POINT_LEN);
		values[3] = PointerGetDatum(keystore_seal_secret(&ephemeral, smsr_bytes(establishment->private_key, CURVE_PRIVATE_LEN)));
		good = establishment_sign(profile_of_card(), establishment, octets_arg(fcinfo, 6), certificate.curve,
								  open_private(&place.place, octets_arg(fcinfo, 3), "private key of this SM-SR"),
								  signature, &error);
	}
	secure_wipe();
	if (!good)
		smsr_report_build(&error, "key set");
	values[2] = octets_datum(signature, sizeof(signature));
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/*
 * (eid smsr.eid, sd_aid smsr.aid, kvn int, ecasd bytea, crt bytea, sealed bytea,
 * derivation_random bytea, receipt bytea, OUT sealed bytea, OUT check_values bytea, OUT fault text)
 */
Datum
smsr_conclude_key_set(PG_FUNCTION_ARGS)
{
	const uint8 *eid = PG_GETARG_EID(0);
	SmsrAid		sd_aid = PG_GETARG_AID(1);
	uint8		kvn = kvn_arg(fcinfo, 2);
	SmsrBytes	crt = octets_arg(fcinfo, 4);
	SmsrBytes	dr = octets_arg(fcinfo, 6);
	SmsrBytes	receipt = octets_arg(fcinfo, 7);
	uint8		answer[128];
	SmsrWriter	w = smsr_writer(answer, sizeof(answer));
	SecureMemory *memory = secure_memory();
	Establishment *establishment = &memory->establishment;
	EstablishedKeys *keys = &memory->established;
	KeysetKeys	set = {0};
	Certificate ecasd;
	SealingPlace ephemeral;
	SmsrError	error = {0};
	Datum		values[3] = {0};
	bool		nulls[3] = {true, true, true};
	uint8		check_values[3 * 3];
	bool		good;

	need_certificate(octets_arg(fcinfo, 3), "ECASD certificate", &ecasd);
	if (crt.len > sizeof(establishment->crt))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("CRT of a handover was altered")));
	ephemeral_place(eid, kvn, &ephemeral);
	establishment->curve = ecasd.curve;
	establishment->crt_len = crt.len;
	memcpy(establishment->crt, crt.data, crt.len);
	if (dr.len > 0)
		put_tlv(&w, 0x85, dr.data, dr.len);
	put_tlv(&w, 0x86, receipt.data, receipt.len);
	memcpy(establishment->private_key, open_private(&ephemeral, octets_arg(fcinfo, 5), "ephemeral key of a handover").data,
		   CURVE_PRIVATE_LEN);

	good = !w.overflow &&
		establishment_conclude(profile_of_card(), establishment, ecasd.point, smsr_bytes(NULL, 0),
							   smsr_written(&w), keys, &error);
	if (good)
	{
		for (size_t i = 0; i < keys->count && i < 3; i++)
		{
			set.key[i] = smsr_bytes(keys->key[i], keys->len);
			/* the receipt has proven them */
			if (key_check(keys->key_type, set.key[i], NULL, true, check_values + i * 3) != KEY_CHECK_RIGHT)
				smsr_report_crypto("key check value");
		}
		values[0] = PointerGetDatum(keystore_seal(eid, smsr_bytes(sd_aid.octets, sd_aid.len), kvn, keys->key_type, &set));
		values[1] = octets_datum(check_values, keys->count * 3);
		nulls[0] = nulls[1] = !good;
	}
	secure_wipe();
	if (!good)
	{
		values[2] = fault_datum(&error);
		nulls[2] = false;
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}
