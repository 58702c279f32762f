/*
 * eis_write.c
 *		smsr.write_eis(): rows of the inventory as an EIS document.
 *
 * The part that the EUM signed is repeated octet for octet, under the namespace
 * declarations that it came with; so the rest is written with whatever prefix
 * these leave for esim-messaging/3.  For whoever may not see all of that part it
 * is written from columns, and without a signature: what is left out of it could
 * not be verified.  Key values are not written, sealed or not.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "core/aid.h"
#include "core/iccid.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "pg/eis.h"
#include "pg/types.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/xml.h"

#define KCV_LEN		3

PG_FUNCTION_INFO_V1(smsr_write_eis);

typedef struct EisWriter
{
	StringInfoData out;
	const char *prefix;			/* with its colon, or empty */
} EisWriter;

/* ---- elements ---- */

static void
open_element(EisWriter *w, const char *name)
{
	appendStringInfo(&w->out, "<%s%s>", w->prefix, name);
}

static void
close_element(EisWriter *w, const char *name)
{
	appendStringInfo(&w->out, "</%s%s>", w->prefix, name);
}

static void
put_element(EisWriter *w, const char *name, const char *value)
{
	open_element(w, name);
	appendStringInfoString(&w->out, escape_xml(value));
	close_element(w, name);
}

/* Lines are for people: one for each thing below the root. */
static void
begin_line(EisWriter *w)
{
	appendStringInfoString(&w->out, "\n  ");
}

/* ---- columns; a NULL writes nothing ---- */

static void
put_text(EisWriter *w, const char *name, HeapTupleHeader row, const char *column)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, column, &isnull);

	if (!isnull)
		put_element(w, name, TextDatumGetCString(value));
}

static void
put_number(EisWriter *w, const char *name, HeapTupleHeader row, const char *column)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, column, &isnull);

	if (!isnull)
		put_element(w, name, psprintf(INT64_FORMAT, DatumGetInt64(value)));
}

static void
put_bool(EisWriter *w, const char *name, HeapTupleHeader row, const char *column)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, column, &isnull);

	if (!isnull)
		put_element(w, name, DatumGetBool(value) ? "true" : "false");
}

static void
put_octets(EisWriter *w, const char *name, const uint8 *octets, size_t len)
{
	open_element(w, name);
	for (size_t i = 0; i < len; i++)
		appendStringInfo(&w->out, "%02X", octets[i]);
	close_element(w, name);
}

static void
put_bytea(EisWriter *w, const char *name, HeapTupleHeader row, const char *column)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, column, &isnull);

	if (!isnull)
	{
		bytea	   *octets = DatumGetByteaPP(value);

		put_octets(w, name, (uint8 *) VARDATA_ANY(octets), VARSIZE_ANY_EXHDR(octets));
	}
}

static void
put_aid(EisWriter *w, const char *name, HeapTupleHeader row, const char *column)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, column, &isnull);

	if (!isnull)
	{
		SmsrAid		aid = smsr_datum_get_aid(value);

		put_octets(w, name, aid.octets, aid.len);
	}
}

/* In UTC, whatever the session's time zone is. */
static void
put_time(EisWriter *w, const char *name, HeapTupleHeader row, const char *column)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, column, &isnull);
	struct pg_tm tm;
	fsec_t		fsec;
	char		fraction[8] = "";

	if (isnull || TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(value)) ||
		timestamp2tm(DatumGetTimestampTz(value), NULL, &tm, &fsec, NULL, NULL) != 0)
		return;
	if (fsec != 0)
	{
		int			len = snprintf(fraction, sizeof(fraction), ".%06d", (int) fsec);

		while (fraction[len - 1] == '0')
			fraction[--len] = '\0';
	}
	put_element(w, name, psprintf("%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year, tm.tm_mon,
								  tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction));
}

/* ---- rows ---- */

/* The rows of a column that is an array of them, by a function for each. */
static void
put_rows(EisWriter *w, HeapTupleHeader eis, const char *column, void *arg,
		 void (*put) (EisWriter *, HeapTupleHeader, void *))
{
	bool		isnull;
	Datum		value = GetAttributeByName(eis, column, &isnull);
	ArrayType  *array;
	Datum	   *rows;
	bool	   *nulls;
	int			count;

	if (isnull)
		return;
	array = DatumGetArrayTypeP(value);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE, &rows, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			put(w, DatumGetHeapTupleHeader(rows[i]), arg);
	}
}

static void
put_pol2(EisWriter *w, HeapTupleHeader row)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, "pol2", &isnull);
	Datum	   *rules;
	int			count = 0;

	if (!isnull)
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &rules, NULL, &count);
	open_element(w, "pol2");
	for (int i = 0; i < count; i++)
	{
		char	   *action = TextDatumGetCString(rules[i]);
		char	   *qualification = strchr(action, '/');

		if (qualification == NULL)
			continue;			/* the domain has none such */
		*qualification++ = '\0';
		open_element(w, "Rule");
		put_element(w, "Subject", "PROFILE");
		put_element(w, "Action", action);
		put_element(w, "Qualification", qualification);
		close_element(w, "Rule");
	}
	close_element(w, "pol2");
}

static void
put_profile(EisWriter *w, HeapTupleHeader row, void *arg)
{
	bool		isnull;
	Datum		iccid = GetAttributeByName(row, "iccid", &isnull);
	Datum		emergency;
	char		digits[ICCID_DIGITS + 1];

	/* an ISD-P that nobody has claimed is no profile of the EIS */
	if (isnull)
		return;
	iccid_format(DatumGetIccid(iccid), digits);

	begin_line(w);
	open_element(w, "ProfileInfo");
	put_element(w, "Iccid", digits);
	put_aid(w, "Isd-p-aid", row, "isdp_aid");
	put_text(w, "Mno-id", row, "mno_id");
	put_bool(w, "FallbackAttribute", row, "fallback_attribute");
	/* documents of before version 4 do not have it */
	emergency = GetAttributeByName(row, "emergency_attribute", &isnull);
	if (!isnull && DatumGetBool(emergency))
		put_element(w, "EmergencyAttribute", "true");
	open_element(w, "SubscriptionAddress");
	put_text(w, "Msisdn", row, "msisdn");
	put_text(w, "Imsi", row, "imsi");
	close_element(w, "SubscriptionAddress");
	put_text(w, "State", row, "state");
	put_text(w, "Smdp-id", row, "smdp_id");
	put_text(w, "ProfileType", row, "profile_type");
	put_number(w, "AllocatedMemory", row, "allocated_memory");
	put_number(w, "FreeMemory", row, "free_memory");
	put_pol2(w, row);
	close_element(w, "ProfileInfo");
}

/* Of each key that it is there, and its check value. */
static void
put_keys(EisWriter *w, HeapTupleHeader row)
{
	static const uint8 none[KCV_LEN];
	bool		isnull;
	Datum		value = GetAttributeByName(row, "check_values", &isnull);
	bytea	   *check_values = isnull ? NULL : DatumGetByteaPP(value);

	for (size_t i = 0; check_values != NULL && (i + 1) * KCV_LEN <= VARSIZE_ANY_EXHDR(check_values); i++)
	{
		const uint8 *kcv = (uint8 *) VARDATA_ANY(check_values) + i * KCV_LEN;

		appendStringInfo(&w->out, "<%sKey", w->prefix);
		if (memcmp(kcv, none, KCV_LEN) != 0)
			appendStringInfo(&w->out, " kcv=\"%02X%02X%02X\"", kcv[0], kcv[1], kcv[2]);
		appendStringInfoChar(&w->out, '>');
		put_element(w, "Index", psprintf("%zu", i + 1));
		close_element(w, "Key");
	}
}

static void
put_keyset(EisWriter *w, HeapTupleHeader row, void *arg)
{
	bool		isnull;
	Datum		kvn = GetAttributeByName(row, "kvn", &isnull);

	open_element(w, "Keyset");
	put_element(w, "Version", psprintf("%d", DatumGetInt16(kvn)));
	put_text(w, "Type", row, "type");
	put_number(w, "Cntr", row, "counter");
	put_keys(w, row);
	close_element(w, "Keyset");
}

static Datum *
elements_of(HeapTupleHeader row, const char *column, Oid type, int16 len, bool by_value, char align, int *count)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, column, &isnull);
	Datum	   *elements = NULL;

	*count = 0;
	if (!isnull)
		deconstruct_array(DatumGetArrayTypeP(value), type, len, by_value, align, &elements, NULL, count);
	return elements;
}

/*
 * A set whose keys are not here, or what stands in it beside keys that are:
 * with these it is one and the same to whoever reads it.
 */
static void
put_listed(EisWriter *w, HeapTupleHeader row, void *arg)
{
	int			indexes_count;
	int			ca_count;
	int			count;
	Datum	   *indexes = elements_of(row, "certificate_indexes", INT2OID, 2, true, TYPALIGN_SHORT, &indexes_count);
	Datum	   *ca_ids = elements_of(row, "ca_ids", BYTEAOID, -1, false, TYPALIGN_INT, &ca_count);
	Datum	   *values = elements_of(row, "certificates", BYTEAOID, -1, false, TYPALIGN_INT, &count);
	bool		isnull;
	Datum		kvn = GetAttributeByName(row, "kvn", &isnull);

	open_element(w, "Keyset");
	put_element(w, "Version", psprintf("%d", DatumGetInt16(kvn)));
	put_text(w, "Type", row, "type");
	put_number(w, "Cntr", row, "counter");
	put_keys(w, row);
	for (int i = 0; i < count && i < indexes_count && i < ca_count; i++)
	{
		bytea	   *ca_id = DatumGetByteaPP(ca_ids[i]);
		bytea	   *value = DatumGetByteaPP(values[i]);

		open_element(w, "Certificate");
		put_element(w, "Index", psprintf("%d", DatumGetInt16(indexes[i])));
		put_octets(w, "CaId", (uint8 *) VARDATA_ANY(ca_id), VARSIZE_ANY_EXHDR(ca_id));
		put_octets(w, "Value", (uint8 *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
		close_element(w, "Certificate");
	}
	close_element(w, "Keyset");
}

/* The ECASD stands in the signed part. */
static void
put_isdr(EisWriter *w, HeapTupleHeader row, void *arg)
{
	bool		isnull;
	Datum		role = GetAttributeByName(row, "role", &isnull);
	Datum		tars;

	if (isnull || strcmp(TextDatumGetCString(role), "ISD-R") != 0)
		return;
	begin_line(w);
	open_element(w, "Isd-r");
	put_aid(w, "Aid", row, "aid");
	tars = GetAttributeByName(row, "tars", &isnull);
	if (!isnull)
	{
		Datum	   *elements;
		int			count;

		deconstruct_array(DatumGetArrayTypeP(tars), BYTEAOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
		for (int i = 0; i < count; i++)
		{
			bytea	   *tar = DatumGetByteaPP(elements[i]);

			put_octets(w, "Tar", (uint8 *) VARDATA_ANY(tar), VARSIZE_ANY_EXHDR(tar));
		}
	}
	put_bytea(w, "Sin", row, "sin");
	put_bytea(w, "Sdin", row, "sdin");
	put_text(w, "Role", row, "role");
	put_rows(w, arg, "keysets", NULL, put_keyset);
	put_rows(w, arg, "listed", NULL, put_listed);
	close_element(w, "Isd-r");
}

/* One record of the audit trail; codes stand where the reader looks for them. */
static void
put_record(EisWriter *w, HeapTupleHeader row, void *arg)
{
	bool		isnull;
	Datum		value;
	char		digits[ICCID_DIGITS + 1];

	open_element(w, "Record");
	value = GetAttributeByName(row, "eid", &isnull);
	if (!isnull)
		put_octets(w, "Eid", DatumGetEid(value), EID_LEN);
	put_text(w, "Smsr-id", row, "smsr_id");
	put_time(w, "OperationDate", row, "operation_date");
	put_bytea(w, "OperationType", row, "operation_type");
	put_text(w, "RequesterId", row, "requester_id");
	(void) GetAttributeByName(row, "status", &isnull);
	if (!isnull)
	{
		open_element(w, "OperationExecutionStatus");
		put_text(w, "Status", row, "status");
		(void) GetAttributeByName(row, "subject_code", &isnull);
		if (!isnull)
		{
			open_element(w, "StatusCodeData");
			put_text(w, "Subject", row, "subject_code");
			put_text(w, "Reason", row, "reason_code");
			close_element(w, "StatusCodeData");
		}
		close_element(w, "OperationExecutionStatus");
	}
	put_aid(w, "Isd-p-aid", row, "isdp_aid");
	value = GetAttributeByName(row, "iccid", &isnull);
	if (!isnull)
	{
		iccid_format(DatumGetIccid(value), digits);
		put_element(w, "Iccid", digits);
	}
	put_text(w, "Imei", row, "imei");
	put_text(w, "MeId", row, "meid");
	close_element(w, "Record");
}

static void
put_records(EisWriter *w, HeapTupleHeader eis)
{
	bool		isnull;

	(void) GetAttributeByName(eis, "records", &isnull);
	if (isnull)
		return;
	begin_line(w);
	open_element(w, "AuditTrail");
	put_rows(w, eis, "records", NULL, put_record);
	close_element(w, "AuditTrail");
}

static void
put_properties(EisWriter *w, HeapTupleHeader eis)
{
	bool		isnull;
	Datum		value = GetAttributeByName(eis, "properties", &isnull);
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	begin_line(w);
	open_element(w, "AdditionalProperties");
	for (int i = 0; i + 1 < count; i += 2)
	{
		open_element(w, "Property");
		put_element(w, "key", TextDatumGetCString(elements[i]));
		put_element(w, "value", nulls[i + 1] ? "" : TextDatumGetCString(elements[i + 1]));
		close_element(w, "Property");
	}
	close_element(w, "AdditionalProperties");
}

/* ---- the document ---- */

/* The prefix that the declarations bind to a namespace, with its colon; NULL: none. */
static char *
bound_prefix(const char *namespaces, const char *name)
{
	const char *uri = strstr(namespaces, psprintf("=\"%s\"", name));
	const char *start;

	if (uri == NULL)
		uri = strstr(namespaces, psprintf("='%s'", name));
	if (uri == NULL)
		return NULL;
	for (start = uri; start > namespaces && start[-1] != ' ' && start[-1] != ':'; start--)
		;
	if (start > namespaces && start[-1] == ':')
		return psprintf("%.*s:", (int) (uri - start), start);
	return pstrdup("");
}

static void
open_root(EisWriter *w, const char *namespaces)
{
	const char *prefix = bound_prefix(namespaces, EIS_NAMESPACE_3);
	const char *declaration = "";

	if (prefix == NULL && namespaces[0] == '\0')
	{
		prefix = "";
		declaration = " xmlns=\"" EIS_NAMESPACE_3 "\"";
	}
	else if (prefix == NULL)
	{
		char	   *name = pstrdup("es");

		while (strstr(namespaces, psprintf(" xmlns:%s=", name)) != NULL)
			name = psprintf("%ss", name);
		prefix = psprintf("%s:", name);
		declaration = psprintf(" xmlns:%s=\"%s\"", name, EIS_NAMESPACE_3);
	}
	w->prefix = prefix;
	appendStringInfo(&w->out, "<%sEis%s%s>", prefix, namespaces, declaration);
}

static void
put_verbatim(EisWriter *w, HeapTupleHeader part, const char *column)
{
	bool		isnull;
	Datum		value = GetAttributeByName(part, column, &isnull);

	if (isnull)
		return;
	begin_line(w);
	appendStringInfoString(&w->out, TextDatumGetCString(value));
}

/* EumSignedInfo from columns: whatever of them is given, never the ECASD. */
static void
put_reduced_info(EisWriter *w, HeapTupleHeader euicc)
{
	bool		isnull;
	Datum		eid = GetAttributeByName(euicc, "eid", &isnull);

	begin_line(w);
	open_element(w, "EumSignedInfo");
	if (!isnull)
		put_octets(w, "Eid", DatumGetEid(eid), EID_LEN);
	put_text(w, "Eum-id", euicc, "eum_id");
	put_time(w, "ProductionDate", euicc, "production_date");
	put_text(w, "PlatformType", euicc, "platform_type");
	put_text(w, "PlatformVersion", euicc, "platform_version");
	put_aid(w, "Isd-p-loadfile-aid", euicc, "isdp_loadfile_aid");
	put_aid(w, "Isd-p-module-aid", euicc, "isdp_module_aid");
	open_element(w, "EuiccCapabilities");
	put_bool(w, "CattpSupport", euicc, "cattp_support");
	put_text(w, "CattpVersion", euicc, "cattp_version");
	put_bool(w, "HttpSupport", euicc, "http_support");
	put_text(w, "HttpVersion", euicc, "http_version");
	put_text(w, "SecurePacketVersion", euicc, "secure_packet_version");
	put_text(w, "RemoteProvisioningVersion", euicc, "remote_provisioning_version");
	close_element(w, "EuiccCapabilities");
	close_element(w, "EumSignedInfo");
}

static HeapTupleHeader
get_row(HeapTupleHeader eis, const char *column)
{
	bool		isnull;
	Datum		value = GetAttributeByName(eis, column, &isnull);

	return isnull ? NULL : DatumGetHeapTupleHeader(value);
}

/*
 * A document of what was signed and nothing more, its root in the namespace
 * that it had: what is verified again must mean what it meant.
 */
char *
eis_signed_document(HeapTupleHeader part)
{
	EisWriter	w = {.prefix = NULL};
	bool		isnull;
	Datum		value = GetAttributeByName(part, "namespaces", &isnull);
	char	   *namespaces = isnull ? "" : TextDatumGetCString(value);

	w.prefix = bound_prefix(namespaces, EIS_NAMESPACE_3);
	if (w.prefix == NULL)
		w.prefix = bound_prefix(namespaces, EIS_NAMESPACE_1);
	if (w.prefix == NULL)
		w.prefix = "";
	initStringInfo(&w.out);
	appendStringInfo(&w.out, "<%sEis%s>", w.prefix, namespaces);
	put_verbatim(&w, part, "signed_info");
	put_verbatim(&w, part, "signature");
	appendStringInfo(&w.out, "</%sEis>", w.prefix);
	return w.out.data;
}

Datum
smsr_write_eis(PG_FUNCTION_ARGS)
{
	HeapTupleHeader eis = PG_GETARG_HEAPTUPLEHEADER(0);
	HeapTupleHeader part = get_row(eis, "part");
	HeapTupleHeader euicc = get_row(eis, "euicc");
	char	   *namespaces = "";
	EisWriter	w;

	if (part != NULL)
	{
		bool		isnull;
		Datum		value = GetAttributeByName(part, "namespaces", &isnull);

		if (!isnull)
			namespaces = TextDatumGetCString(value);
	}

	initStringInfo(&w.out);
	open_root(&w, namespaces);
	if (part != NULL)
	{
		put_verbatim(&w, part, "signed_info");
		put_verbatim(&w, part, "signature");
	}
	else if (euicc != NULL)
		put_reduced_info(&w, euicc);
	if (euicc != NULL)
	{
		bool		isnull;

		begin_line(&w);
		put_number(&w, "RemainingMemory", euicc, "remaining_memory");
		begin_line(&w);
		put_number(&w, "AvailableMemoryForProfiles", euicc, "available_memory");
		(void) GetAttributeByName(euicc, "last_audit_at", &isnull);
		if (!isnull)
		{
			begin_line(&w);
			put_time(&w, "LastAuditDate", euicc, "last_audit_at");
		}
		begin_line(&w);
		put_text(&w, "Smsr-id", euicc, "smsr_id");
	}
	put_rows(&w, eis, "profiles", NULL, put_profile);
	put_rows(&w, eis, "domains", eis, put_isdr);
	put_records(&w, eis);
	put_properties(&w, eis);
	appendStringInfo(&w.out, "\n</%sEis>", w.prefix);
	PG_RETURN_XML_P((xmltype *) cstring_to_text_with_len(w.out.data, w.out.len));
}
