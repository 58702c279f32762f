/*
 * es5.c
 *		SQL face of core's ES5 commands, their answers, and notifications.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "core/address.h"
#include "core/es5.h"
#include "core/es5_answer.h"
#include "core/notification.h"
#include "core/platform_command.h"
#include "core/procedure.h"
#include "core/script.h"
#include "pg/report.h"
#include "pg/row.h"

/* No ES5 command that is built here comes near it. */
#define MAX_APDU	261

PG_FUNCTION_INFO_V1(smsr_es5_script);
PG_FUNCTION_INFO_V1(smsr_read_response);
PG_FUNCTION_INFO_V1(smsr_read_audit);
PG_FUNCTION_INFO_V1(smsr_audit_complete);
PG_FUNCTION_INFO_V1(smsr_read_resources);
PG_FUNCTION_INFO_V1(smsr_read_deleted);
PG_FUNCTION_INFO_V1(smsr_read_key_versions);
PG_FUNCTION_INFO_V1(smsr_read_notification);

static SmsrBytes
bytes_arg(FunctionCallInfo fcinfo, int n)
{
	bytea	   *arg = PG_GETARG_BYTEA_PP(n);

	return smsr_bytes(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg));
}

static Datum
bytes_datum(const void *data, size_t len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	if (len > 0)
		memcpy(VARDATA(result), data, len);
	return PointerGetDatum(result);
}

static SmsrAid
aid_arg(FunctionCallInfo fcinfo, int n, const char *field, const char *step)
{
	SmsrAid		aid;
	SmsrError	error = {0};

	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s is required for step \"%s\"", field, step)));
	if (!aid_from_bytes(bytes_arg(fcinfo, n), &aid, &error))
		smsr_report(&error, field);
	return aid;
}

/* An argument of the operation as text, jsonb as ->> has it. */
static char *
operation_argument(FunctionCallInfo fcinfo, const char *name, const char *step)
{
	JsonbValue	value = {.type = jbvNull};

	if (!PG_ARGISNULL(4) && JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(4)))
		(void) getKeyJsonValueFromContainer(&PG_GETARG_JSONB_P(4)->root, name, (int) strlen(name), &value);
	switch (value.type)
	{
		case jbvString:
			return pnstrdup(value.val.string.val, value.val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
		default:
			if (step != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("%s is required for step \"%s\"", name, step)));
			return NULL;
	}
}

static SmsrBytes
octets_argument(FunctionCallInfo fcinfo, const char *name, const char *step)
{
	char	   *digits = operation_argument(fcinfo, name, step);
	size_t		len = strlen(digits);
	uint8_t    *octets;

	/* the value is not repeated: what stands in an error stands in a log */
	if (len == 0 || len % 2 != 0 || strspn(digits, "0123456789abcdefABCDEF") != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be one octet or more, as hexadecimal digits", name)));
	octets = palloc(len / 2);
	(void) hex_decode(digits, len, (char *) octets);
	return smsr_bytes(octets, len / 2);
}

/*
 * The script of one step.  An audit is two commands: the state of all ISD-Ps,
 * then the card's resources.
 */
Datum
smsr_es5_script(PG_FUNCTION_ARGS)
{
	char	   *name;
	ProcedureStep step;
	uint8_t		apdu[2][MAX_APDU];
	SmsrWriter	w[2] = {smsr_writer(apdu[0], MAX_APDU), smsr_writer(apdu[1], MAX_APDU)};
	SmsrBytes	apdus[2];
	int			count = 1;
	char	   *value;
	Es5DeleteToken token;
	uint8_t		digits[ADDRESS_MAX_LEN];
	SmsrWriter	address = smsr_writer(digits, sizeof(digits));
	SmsrAid		isdp;
	SmsrAid		loadfile;
	SmsrAid		module;
	uint8_t		script[2 * MAX_APDU + 16];
	SmsrWriter	out = smsr_writer(script, sizeof(script));
	SmsrBytes	relayed;
	SmsrError	error = {0};

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("step must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!procedure_step_parse(name, &step))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown step \"%s\"", name)));
	/* of what is relayed too: without an ISD-P it would go to the ISD-R */
	if (step != STEP_AUDIT && step != STEP_CONFIRM && step != STEP_ADDRESSING &&
		step != STEP_AUTHENTICATE && step != STEP_ESTABLISH && step != STEP_FINALISE &&
		step != STEP_PUT_KEY && step != STEP_KEY_INFO && step != STEP_PROVE &&
		step != STEP_MANAGE && step != STEP_PACKAGE)
		isdp = aid_arg(fcinfo, 1, "ISD-P AID", name);
	switch (step)
	{
		case STEP_CREATE:
			loadfile = aid_arg(fcinfo, 2, "ISD-P load file AID", name);
			module = aid_arg(fcinfo, 3, "ISD-P module AID", name);
			value = operation_argument(fcinfo, "required_memory", NULL);
			es5_write_create_isdp(&w[0], &loadfile, &module, &isdp,
								  value == NULL ? 0 : (uint32_t) pg_strtoint32(value));
			break;
		case STEP_ENABLE:
			es5_write_enable(&w[0], &isdp);
			break;
		case STEP_DISABLE:
			es5_write_disable(&w[0], &isdp);
			break;
		case STEP_DELETE:
		case STEP_AUTO_DELETE:
			es5_write_delete(&w[0], &isdp);
			break;
		case STEP_SET_FALLBACK:
			es5_write_set_fallback(&w[0], &isdp);
			break;
		case STEP_MASTER_DELETE:
			token = (Es5DeleteToken) {
				octets_argument(fcinfo, "sd_provider_id", name),
				octets_argument(fcinfo, "sd_image_number", name),
				octets_argument(fcinfo, "application_provider_id", name),
				octets_argument(fcinfo, "token_id", name),
				octets_argument(fcinfo, "delete_token", name)
			};
			es5_write_master_delete(&w[0], &isdp, &token);
			if (w[0].overflow)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("delete_token and what it refers to are too long for one command")));
			break;
		case STEP_SET_EMERGENCY:
			es5_write_set_emergency(&w[0], &isdp);
			break;
		case STEP_UNSET_EMERGENCY:
			es5_write_unset_emergency(&w[0], &isdp);
			break;
		case STEP_RELAY:
		case STEP_AUTHENTICATE:
		case STEP_ESTABLISH:
		case STEP_FINALISE:
		case STEP_MANAGE:
		case STEP_PACKAGE:
			relayed = octets_argument(fcinfo, "commands", name);
			if (step == STEP_MANAGE && !platform_script_check(relayed, &error))
				smsr_report(&error, "commands");
			out = smsr_writer(palloc(relayed.len + 8), relayed.len + 8);
			if (!script_write_relayed(relayed, &out, &error))
				smsr_report(&error, "commands");
			PG_RETURN_DATUM(bytes_datum(out.data, out.len));
		case STEP_ADDRESSING:
			value = operation_argument(fcinfo, "sms_address", name);
			if (!address_write(value, strlen(value), &address, &error))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid sms_address: \"%s\"", value),
						 errdetail_internal("%s", smsr_text_error_detail(&error))));
			es5_write_addressing_sms(&w[0], smsr_written(&address));
			break;
		case STEP_PUT_KEY:
			/* its keys are not for a row of a table: see smsr.put_key_script() */
			PG_RETURN_DATUM(bytes_datum(NULL, 0));
		case STEP_KEY_INFO:
		case STEP_PROVE:
			es5_write_get_key_info(&w[0]);
			break;
		case STEP_AUDIT:
			es5_write_get_status(&w[0], NULL);
			es5_write_get_resources(&w[1]);
			count = 2;
			break;
		case STEP_CONFIRM:
			if (PG_ARGISNULL(5) || PG_GETARG_INT32(5) < 0 || PG_GETARG_INT32(5) > 0xFFFF)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("sequence number of a notification must be between 0 and 65535")));
			es5_write_confirm(&w[0], (uint16_t) PG_GETARG_INT32(5));
			break;
		case STEP_NONE:
			break;
	}
	for (int i = 0; i < count; i++)
	{
		if (w[i].overflow)
			elog(ERROR, "command of step \"%s\" does not fit an APDU", name);
		apdus[i] = smsr_written(&w[i]);
	}
	if (!script_write(apdus, count, false, &out, &error))
		smsr_report(&error, "script");
	PG_RETURN_DATUM(bytes_datum(out.data, out.len));
}

/*
 * What the secured data of a PoR says, without ever raising: an answer comes
 * from the air, and one that can not be read is an answer too.
 */
Datum
smsr_read_response(PG_FUNCTION_ARGS)
{
	ScriptResponse response = {0};
	SmsrError	error = {0};
	Datum		values[5];
	bool		nulls[5] = {0};

	if (script_read_response(bytes_arg(fcinfo, 0), &response, &error))
	{
		values[0] = Int32GetDatum(response.executed);
		values[1] = Int32GetDatum(response.sw);
		values[2] = bytes_datum(response.last.data, response.last.len);
		values[3] = Int32GetDatum(response.bad_format);
		nulls[4] = true;
	}
	else
	{
		values[0] = Int32GetDatum(0);
		values[1] = Int32GetDatum(0);
		nulls[2] = true;
		values[3] = Int32GetDatum(0);
		values[4] = CStringGetTextDatum(psprintf("%s: %s at octet %zu, expected %s",
												 error.field, smsr_error_name(error.code),
												 error.offset, error.expected));
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* Data and SW of the n-th R-APDU (0-based) in a response script. */
static bool
nth_r_apdu(SmsrBytes script, int n, SmsrBytes *data, uint16_t *sw)
{
	ScriptReader reader;
	SmsrTlv		tlv;
	SmsrError	error = {0};

	if (!script_open(script, &reader, &error))
		return false;
	while (script_next(&reader, &tlv, &error))
	{
		if (tlv.tag != SCRIPT_R_APDU || n-- > 0)
			continue;
		if (tlv.value.len < 2)
			return false;
		*data = smsr_bytes(tlv.value.data, tlv.value.len - 2);
		*sw = get_u16(tlv.value.data + tlv.value.len - 2);
		return true;
	}
	return false;
}

static const char *
lcs_state(uint8_t lcs)
{
	switch (lcs)
	{
		case ISDP_ENABLED:
			return "Enabled";
		case ISDP_DISABLED:
			return "Disabled";
		default:
			return "Created";	/* SELECTABLE and PERSONALIZED */
	}
}

/* The ISD-Ps of an audit's answer; what follows a fault in it is not returned. */
Datum
smsr_read_audit(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SmsrBytes	data;
	uint16_t	sw;
	TlvReader	reader;
	Es5Isdp		isdp;
	SmsrError	error = {0};

	InitMaterializedSRF(fcinfo, 0);
	if (!nth_r_apdu(bytes_arg(fcinfo, 0), 0, &data, &sw))
		return (Datum) 0;
	reader = tlv_reader(data);
	while (es5_next_isdp(&reader, &isdp, &error))
	{
		Datum		values[5];
		bool		nulls[5] = {0};

		CHECK_FOR_INTERRUPTS();
		if (isdp.aid.len == 0)
			continue;
		values[0] = bytes_datum(isdp.aid.octets, isdp.aid.len);
		values[1] = CStringGetTextDatum(lcs_state(isdp.lcs));
		values[2] = BoolGetDatum(isdp.fallback);
		values[3] = Int64GetDatum((int64) isdp.allocated);
		nulls[3] = !isdp.has_allocated;
		values[4] = Int64GetDatum((int64) isdp.remaining);
		nulls[4] = !isdp.has_remaining;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * Whether an audit's answer names every ISD-P there is, so that one it does not
 * name is not on the card: GET STATUS ended with 9000 (6310 says: more to come)
 * and could be read to its end.  A list without any is not believed, nor is
 * 6A88: it was a profile that carried the answer to us.
 */
Datum
smsr_audit_complete(PG_FUNCTION_ARGS)
{
	SmsrBytes	data;
	uint16_t	sw;
	TlvReader	reader;
	Es5Isdp		isdp;
	SmsrError	error = {0};
	int			count = 0;

	if (!nth_r_apdu(bytes_arg(fcinfo, 0), 0, &data, &sw) || sw != SW_OK)
		PG_RETURN_BOOL(false);
	reader = tlv_reader(data);
	while (es5_next_isdp(&reader, &isdp, &error))
	{
		CHECK_FOR_INTERRUPTS();
		count++;
	}
	PG_RETURN_BOOL(error.code == SMSR_OK && count > 0);
}

/* Free non-volatile memory of an audit's answer, or NULL. */
Datum
smsr_read_resources(PG_FUNCTION_ARGS)
{
	SmsrBytes	data;
	uint16_t	sw;
	Es5Resources resources;
	SmsrError	error = {0};

	if (!nth_r_apdu(bytes_arg(fcinfo, 0), 1, &data, &sw) ||
		!es5_read_resources(data, &resources, &error))
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) resources.free_nvm);
}

/* AIDs that the answer to a confirmation names as deleted for POL1. */
Datum
smsr_read_deleted(PG_FUNCTION_ARGS)
{
	SmsrBytes	data;
	uint16_t	sw;
	TlvReader	reader;
	SmsrAid		aid;
	SmsrError	error = {0};
	Oid			element = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
	ArrayBuildState *state = initArrayResult(element, CurrentMemoryContext, false);

	if (nth_r_apdu(bytes_arg(fcinfo, 0), 0, &data, &sw) &&
		es5_deleted_reader(data, &reader, &error))
		while (es5_next_deleted(&reader, &aid, &error))
			state = accumArrayResult(state, bytes_datum(aid.octets, aid.len), false,
									 element, CurrentMemoryContext);
	PG_RETURN_DATUM(makeArrayResult(state, CurrentMemoryContext));
}

/*
 * Versions of the key sets of three keys that a key information answer names;
 * NULL if it names none, or can not be read.
 */
Datum
smsr_read_key_versions(PG_FUNCTION_ARGS)
{
	SmsrBytes	data;
	uint16_t	sw;
	TlvReader	reader;
	Es5KeyInfo	key;
	SmsrError	error = {0};
	uint8_t		seen[256] = {0};	/* by version, a bit for each of keys 1 to 3 */
	Datum		versions[256];
	int			count = 0;

	if (!nth_r_apdu(bytes_arg(fcinfo, 0), 0, &data, &sw) || !sw_is_success(sw) ||
		!es5_key_info_reader(data, &reader, &error))
		PG_RETURN_NULL();
	while (es5_next_key_info(&reader, &key, &error))
	{
		CHECK_FOR_INTERRUPTS();
		if (key.id >= 1 && key.id <= 3)
			seen[key.kvn] |= (uint8_t) (1 << (key.id - 1));
	}
	if (error.code != SMSR_OK)
		PG_RETURN_NULL();
	for (int kvn = 0; kvn < 256; kvn++)
	{
		if (seen[kvn] == 7)
			versions[count++] = Int32GetDatum(kvn);
	}
	if (count == 0)
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(construct_array(versions, count, INT4OID, 4, true, TYPALIGN_INT));
}

/* A default notification; NULL columns and the reason if it can not be read. */
Datum
smsr_read_notification(PG_FUNCTION_ARGS)
{
	Notification n = {0};
	SmsrError	error = {0};
	Datum		values[7];
	bool		nulls[7] = {0};

	if (notification_read(bytes_arg(fcinfo, 0), &n, &error))
	{
		uint8_t    *eid = palloc(EID_LEN);
		SmsrError	ignored = {0};

		memcpy(eid, n.eid, EID_LEN);
		values[0] = PointerGetDatum(eid);
		/* an EID that is none identifies nobody */
		nulls[0] = !eid_check(eid, &ignored);
		values[1] = Int32GetDatum(n.type);
		values[2] = Int32GetDatum(n.sequence);
		values[3] = bytes_datum(n.enabled.octets, n.enabled.len);
		values[4] = bytes_datum(n.imei, sizeof(n.imei));
		nulls[4] = !n.has_imei;
		values[5] = bytes_datum(n.meid, sizeof(n.meid));
		nulls[5] = !n.has_meid;
		nulls[6] = true;
	}
	else
	{
		for (int i = 0; i < 6; i++)
			nulls[i] = true;
		values[6] = CStringGetTextDatum(psprintf("%s: %s at octet %zu, expected %s",
												 error.field, smsr_error_name(error.code),
												 error.offset, error.expected));
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}
