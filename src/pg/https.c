/*
 * https.c
 *		SQL face of what stands in an administration session over HTTPS: the
 *		trigger, the texts of its headers and URIs, scripts without a length, and
 *		which way a command goes.
 *
 * What a card or a gateway sent and can not be read is a fault in the result and
 * never an error: it comes from outside, and a row of a log is the answer to it.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/htup_details.h"
#include "core/admin_http.h"
#include "core/bearer.h"
#include "core/platform_command.h"
#include "core/psk_identity.h"
#include "core/script.h"
#include "core/session_trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "pg/report.h"
#include "pg/row.h"
#include "pg/types.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(smsr_admin_protocol);
PG_FUNCTION_INFO_V1(smsr_admin_script_type);
PG_FUNCTION_INFO_V1(smsr_read_psk_identity);
PG_FUNCTION_INFO_V1(smsr_read_admin_from);
PG_FUNCTION_INFO_V1(smsr_read_admin_uri);
PG_FUNCTION_INFO_V1(smsr_read_script_status);
PG_FUNCTION_INFO_V1(smsr_admin_target);
PG_FUNCTION_INFO_V1(smsr_script_indefinite);
PG_FUNCTION_INFO_V1(smsr_session_trigger);
PG_FUNCTION_INFO_V1(smsr_choose_bearer);
PG_FUNCTION_INFO_V1(smsr_platform_commands);

#define MAX_TRIGGER		4096

static SmsrBytes
octets_of(const void *varlena)
{
	return smsr_bytes(VARDATA_ANY(varlena), VARSIZE_ANY_EXHDR(varlena));
}

static SmsrBytes
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? smsr_bytes(NULL, 0) : octets_of(PG_GETARG_TEXT_PP(n));
}

static Datum
bytes_datum(SmsrBytes octets)
{
	bytea	   *result = palloc(VARHDRSZ + octets.len);

	SET_VARSIZE(result, VARHDRSZ + octets.len);
	if (octets.len > 0)
		memcpy(VARDATA(result), octets.data, octets.len);
	return PointerGetDatum(result);
}

static Datum
eid_datum(const uint8 *eid)
{
	uint8	   *copy = palloc(EID_LEN);

	memcpy(copy, eid, EID_LEN);
	return PointerGetDatum(copy);
}

static Datum
fault_datum(const SmsrError *error)
{
	return CStringGetTextDatum(psprintf("%s: %s at character %zu, expected %s", error->field,
										smsr_error_name(error->code), error->offset + 1, error->expected));
}

Datum
smsr_admin_protocol(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(ADMIN_PROTOCOL));
}

Datum
smsr_admin_script_type(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(ADMIN_SCRIPT_TYPE));
}

/* (identity text, OUT eid, OUT isdr_aid, OUT kvn, OUT key_id, OUT fault) */
Datum
smsr_read_psk_identity(PG_FUNCTION_ARGS)
{
	PskIdentity identity;
	SmsrError	error = {0};
	Datum		values[5] = {0};
	bool		nulls[5] = {true, true, true, true, true};

	bool		good = psk_identity_read(text_arg(fcinfo, 0), &identity, &error);

	if (good && !eid_check(identity.eid, &error))
	{
		good = false;
		error.offset = 2 * (PSK_IDENTITY_EID + error.offset);
	}
	if (good)
	{
		values[0] = eid_datum(identity.eid);
		values[1] = smsr_aid_get_datum(&identity.isdr);
		values[2] = Int32GetDatum(identity.kvn);
		values[3] = Int32GetDatum(identity.key_id);
		memset(nulls, false, 4);
	}
	else
	{
		values[4] = fault_datum(&error);
		nulls[4] = false;
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* (header text, OUT eid, OUT aid, OUT fault) */
Datum
smsr_read_admin_from(PG_FUNCTION_ARGS)
{
	AdminAgent	agent;
	SmsrError	error = {0};
	Datum		values[3] = {0};
	bool		nulls[3] = {true, true, true};

	if (admin_from_read(text_arg(fcinfo, 0), &agent, &error))
	{
		values[0] = eid_datum(agent.eid);
		values[1] = smsr_aid_get_datum(&agent.aid);
		memset(nulls, false, 2);
	}
	else
	{
		values[2] = fault_datum(&error);
		nulls[2] = false;
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* (uri text, OUT path, OUT notification, OUT script, OUT fault) */
Datum
smsr_read_admin_uri(PG_FUNCTION_ARGS)
{
	const SmsrBytes uri = text_arg(fcinfo, 0);
	SmsrWriter	notification = smsr_writer(palloc(uri.len / 2 + 1), uri.len / 2 + 1);
	AdminUri	read;
	SmsrError	error = {0};
	Datum		values[4] = {0};
	bool		nulls[4] = {true, true, true, true};

	if (admin_uri_read(uri, &read, &notification, &error))
	{
		values[0] = PointerGetDatum(cstring_to_text_with_len((const char *) read.path.data, (int) read.path.len));
		nulls[0] = false;
		nulls[1] = notification.len == 0;
		if (!nulls[1])
			values[1] = bytes_datum(smsr_written(&notification));
		nulls[2] = read.script == 0;
		values[2] = Int64GetDatum(read.script);
	}
	else
	{
		values[3] = fault_datum(&error);
		nulls[3] = false;
	}
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* (header text): what it says, in the one spelling there is; NULL: it is none */
Datum
smsr_read_script_status(PG_FUNCTION_ARGS)
{
	AdminScriptStatus status;
	SmsrError	error;

	if (!admin_script_status_read(text_arg(fcinfo, 0), &status, &error))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(admin_script_status_text(status)));
}

/* (aid smsr.aid) */
Datum
smsr_admin_target(PG_FUNCTION_ARGS)
{
	const SmsrAid aid = PG_GETARG_AID(0);
	uint8		target[ADMIN_TARGET_MAX];
	SmsrWriter	w = smsr_writer(target, sizeof(target));

	if (!admin_target_write(&aid, &w))
		elog(ERROR, "an AID does not fit X-Admin-Targeted-Application");
	PG_RETURN_TEXT_P(cstring_to_text_with_len((const char *) w.data, (int) w.len));
}

/* (script bytea) */
Datum
smsr_script_indefinite(PG_FUNCTION_ARGS)
{
	const SmsrBytes script = octets_of(PG_GETARG_BYTEA_PP(0));
	/* its header is two octets or more, and becomes two; two more at its end */
	SmsrWriter	w = smsr_writer(palloc(script.len + 2), script.len + 2);
	SmsrError	error = {0};

	if (!script_write_indefinite(script, &w, &error))
		smsr_report(&error, "script");
	PG_RETURN_DATUM(bytes_datum(smsr_written(&w)));
}

static int
int_arg(FunctionCallInfo fcinfo, int n, const char *name, int least, int most)
{
	const int	value = PG_GETARG_INT32(n);

	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be %d to %d", name, least, most)));
	return value;
}

/*
 * (bearer bytea, buffer_size int, access_name text, login text, password text,
 * port int, address inet, psk_identity text, kvn int, key_id int, retries int,
 * retry_delay interval, failure_report bytea, host text, agent_id text, uri text)
 */
Datum
smsr_session_trigger(PG_FUNCTION_ARGS)
{
	SessionTrigger t;
	uint8		octets[MAX_TRIGGER];
	SmsrWriter	w = smsr_writer(octets, sizeof(octets));
	SmsrError	error = {0};

	memset(&t, 0, sizeof(t));
	t.connection.bearer = text_arg(fcinfo, 0);
	if (!PG_ARGISNULL(1))
		t.connection.buffer_size = (uint16) int_arg(fcinfo, 1, "buffer_size", 1, 65535);
	t.connection.access_name = text_arg(fcinfo, 2);
	if (PG_ARGISNULL(3) != PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("login and password go together")));
	t.connection.has_login = !PG_ARGISNULL(3);
	t.connection.login = text_arg(fcinfo, 3);
	t.connection.password = text_arg(fcinfo, 4);
	if (!PG_ARGISNULL(5))
	{
		t.connection.has_port = true;
		t.connection.protocol = TRANSPORT_TCP_CLIENT;
		t.connection.port = (uint16) int_arg(fcinfo, 5, "port", 1, 65535);
	}
	if (!PG_ARGISNULL(6))
	{
		inet	   *address = PG_GETARG_INET_PP(6);

		if (ip_bits(address) != ip_maxbits(address))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("address must be one of a host, without a network mask")));
		t.connection.address_len = (size_t) ip_addrsize(address);
		memcpy(t.connection.address, ip_addr(address), t.connection.address_len);
	}
	if (!PG_ARGISNULL(7))
	{
		if (PG_ARGISNULL(8) || PG_ARGISNULL(9))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("kvn and key_id must not be null where there is a psk_identity")));
		t.psk_identity = text_arg(fcinfo, 7);
		t.kvn = (uint8) int_arg(fcinfo, 8, "kvn", 1, 127);
		t.key_id = (uint8) int_arg(fcinfo, 9, "key_id", 1, 127);
	}
	if (!PG_ARGISNULL(10))
	{
		Interval   *delay = PG_ARGISNULL(11) ? NULL : PG_GETARG_INTERVAL_P(11);

		if (delay != NULL && (delay->month != 0 || delay->day != 0 || delay->time < 0 ||
							  delay->time >= INT64CONST(100) * USECS_PER_HOUR))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("retry_delay must be less than 100 hours, and not in days or months")));
		t.has_retry = true;
		t.retries = (uint16) int_arg(fcinfo, 10, "retries", 0, 65535);
		t.retry_delay = delay == NULL ? 0 : (uint32) (delay->time / USECS_PER_SEC);
		t.failure_report = text_arg(fcinfo, 12);
	}
	else if (!PG_ARGISNULL(11) || !PG_ARGISNULL(12))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("retries must not be null where there is a retry_delay or a failure_report")));
	t.host = text_arg(fcinfo, 13);
	t.agent_id = text_arg(fcinfo, 14);
	t.uri = text_arg(fcinfo, 15);
	if (!session_trigger_write(&t, &w, &error))
		smsr_report_build(&error, "session trigger");
	PG_RETURN_DATUM(bytes_datum(smsr_written(&w)));
}

static bool
bool_arg(FunctionCallInfo fcinfo, int n)
{
	return !PG_ARGISNULL(n) && PG_GETARG_BOOL(n);
}

static int64
count_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? 0 : PG_GETARG_INT64(n);
}

/* (eight facts, four counts, OUT bearer text, OUT triggered boolean, OUT because text) */
Datum
smsr_choose_bearer(PG_FUNCTION_ARGS)
{
	const BearerFacts facts = {
		.fits_sms = bool_arg(fcinfo, 0),
		.has_scp80 = bool_arg(fcinfo, 1),
		.has_scp81 = bool_arg(fcinfo, 2),
		.keys = bool_arg(fcinfo, 3),
		.confirms = bool_arg(fcinfo, 4),
		.relayed = bool_arg(fcinfo, 5),
		.in_session = bool_arg(fcinfo, 6),
		.polls = bool_arg(fcinfo, 7),
		.sessions = {count_arg(fcinfo, 8), count_arg(fcinfo, 9)},
		.packets = {count_arg(fcinfo, 10), count_arg(fcinfo, 11)}
	};
	const BearerChoice choice = bearer_choose(&facts);
	Datum		values[3];
	bool		nulls[3] = {choice.bearer == BEARER_NONE};

	values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(choice.bearer == BEARER_SMS ? "sms" : "https");
	values[1] = BoolGetDatum(choice.bearer == BEARER_HTTPS_TRIGGER);
	values[2] = CStringGetTextDatum(choice.because);
	PG_RETURN_DATUM(smsr_row(fcinfo, values, nulls));
}

/* (commands bytea): an error unless each may be sent */
Datum
smsr_platform_commands(PG_FUNCTION_ARGS)
{
	SmsrError	error = {0};

	if (!platform_script_check(octets_of(PG_GETARG_BYTEA_PP(0)), &error))
		smsr_report(&error, "commands");
	PG_RETURN_VOID();
}
