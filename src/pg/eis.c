/*
 * eis.c
 *		smsr.read_eis(): an EIS document (SGP.02 Annex E) as rows of the inventory.
 *
 * The result has the rows in the tables' own types, so that one statement can
 * insert those of a whole batch, or an element and a reason.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/iccid.h"
#include "core/lifecycle.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "pg/eis.h"
#include "pg/eum_signature.h"
#include "pg/guc.h"
#include "pg/types.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define MAX_MEMORY			INT64CONST(0x7FFFFFFFFFFF)
#define MAX_NAME			100	/* String100 of Annex E */
#define MAX_TARS			16

/* A row type that the result has a column of, or an array of. */
typedef struct Shape
{
	Oid			type;
	TupleDesc	desc;
} Shape;

/* Looked up once a query. */
typedef struct Shapes
{
	TupleDesc	reading;
	Shape		euicc;
	Shape		part;
	Shape		domain;
	Shape		profile;
	Shape		keyset;
	Shape		listed;
	Shape		record;
} Shapes;

PG_FUNCTION_INFO_V1(smsr_read_eis);
PG_FUNCTION_INFO_V1(smsr_read_handed_eis);
PG_FUNCTION_INFO_V1(smsr_read_signed);
PG_FUNCTION_INFO_V1(smsr_blank_eis);

/* ---- the signed part ---- */

static bool
read_aid(EisReader *r, EisRow *row, const char *column, xmlNodePtr node)
{
	SmsrAid		aid;

	if (!eis_read_aid(r, node, &aid))
		return false;
	eis_set(row, column, smsr_aid_get_datum(&aid));
	return true;
}

static void
read_time(EisReader *r, EisRow *row, const char *column, xmlNodePtr node)
{
	TimestampTz time;

	if (eis_read_time(r, node, &time))
		eis_set(row, column, TimestampTzGetDatum(time));
}

static void
read_bool(EisReader *r, EisRow *row, const char *column, xmlNodePtr node)
{
	bool		value;

	if (eis_read_bool(r, node, &value))
		eis_set(row, column, BoolGetDatum(value));
}

static void
read_memory(EisReader *r, EisRow *row, const char *column, xmlNodePtr node)
{
	int64		octets;

	if (eis_read_number(r, node, MAX_MEMORY, &octets))
		eis_set(row, column, Int64GetDatum(octets));
}

/* A text column by the reader of its type. */
static void
read_text(EisReader *r, EisRow *row, const char *column, xmlNodePtr node,
		  bool (*read) (EisReader *, xmlNodePtr, char **))
{
	char	   *value;

	if (read(r, node, &value))
		eis_set_text(row, column, value);
}

static bool
read_name(EisReader *r, xmlNodePtr node, char **value)
{
	return eis_read_string(r, node, MAX_NAME, value);
}

/* The EID first: every reject after it names it. */
static bool
read_eid(EisReader *r, xmlNodePtr node)
{
	char	   *text;
	SmsrError	error;

	if (node == NULL || (text = eis_text(r, node)) == NULL)
		return false;
	/* nothing but digits is repeated: it could be anything */
	if (strlen(text) <= EID_DIGITS + 8 && strspn(text, "0123456789") == strlen(text))
		r->eid_text = text;
	if (eid_parse(text, strlen(text), r->eid, &error))
		return true;
	return eis_reject(r, node, SUBJECT_EID, REASON_INVALID, "%s: expected %s", error.field, error.expected);
}

static void
read_capabilities(EisReader *r, xmlNodePtr node, EisRow *row)
{
	read_bool(r, row, "cattp_support", eis_need(r, node, "CattpSupport"));
	read_text(r, row, "cattp_version", eis_find(r, node, "CattpVersion"), eis_read_version);
	read_bool(r, row, "http_support", eis_need(r, node, "HttpSupport"));
	read_text(r, row, "http_version", eis_find(r, node, "HttpVersion"), eis_read_version);
	read_text(r, row, "secure_packet_version", eis_need(r, node, "SecurePacketVersion"), eis_read_version);
	read_text(r, row, "remote_provisioning_version", eis_need(r, node, "RemoteProvisioningVersion"),
			  eis_read_version);
}

static void
read_signed_info(EisReader *r, xmlNodePtr node, EisRow *row)
{
	if (!read_eid(r, eis_need(r, node, "Eid")) ||
		!eis_read_oid(r, eis_need(r, node, "Eum-id"), &r->eum_id))
		return;
	eis_set(row, "eid", PointerGetDatum(r->eid));
	eis_set_text(row, "eum_id", r->eum_id);
	read_time(r, row, "production_date", eis_need(r, node, "ProductionDate"));
	read_text(r, row, "platform_type", eis_need(r, node, "PlatformType"), read_name);
	read_text(r, row, "platform_version", eis_need(r, node, "PlatformVersion"), eis_read_version);
	read_aid(r, row, "isdp_loadfile_aid", eis_need(r, node, "Isd-p-loadfile-aid"));
	read_aid(r, row, "isdp_module_aid", eis_need(r, node, "Isd-p-module-aid"));
	read_capabilities(r, eis_need(r, node, "EuiccCapabilities"), row);
}

/* ---- what else it holds ---- */

static Datum
octets_datum(const uint8 *octets, int len)
{
	bytea	   *value = palloc(VARHDRSZ + len);

	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), octets, len);
	return PointerGetDatum(value);
}

static Datum
part_text(EisReader *r, const EisPart *part)
{
	int			len = (int) (part->end - part->start);
	char	   *octets = pnstrdup(r->octets + part->start, len);
	char	   *text = pg_any_to_server(octets, len, PG_UTF8);

	return CStringGetTextDatum(text);
}

/*
 * The very octets, with the declarations that they need to mean anything, and
 * what proves them.
 */
static Datum
read_parts(EisReader *r, xmlNodePtr signed_info, SmsrEumSignature policy, const Shape *shape)
{
	const EumCertificate *eum;
	EisRow		row = eis_row(shape->desc);
	xmlNodePtr	signature = eis_find(r, r->root, "EumSignature");
	const EisPart *part = eis_part(r, signed_info);

	if (part == NULL)
		return (Datum) 0;
	eis_set(&row, "eid", PointerGetDatum(r->eid));
	eis_set(&row, "signed_info", part_text(r, part));
	eis_set_text(&row, "namespaces", eis_root_namespaces(r));
	if (signature != NULL)
	{
		part = eis_part(r, signature);
		if (part == NULL)
			return (Datum) 0;
		eis_set(&row, "signature", part_text(r, part));
	}
	if (!eum_signature_verify(r, signed_info, policy, &eum))
		return (Datum) 0;
	if (eum != NULL)
	{
		eis_set(&row, "verified_at", TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
		eis_set_text(&row, "verified_by", eum->ci);
		eis_set(&row, "eum_certificate", octets_datum(eum->fingerprint, FINGERPRINT_LEN));
	}
	return eis_row_datum(&row);
}

static void
read_octets(EisReader *r, EisRow *row, const char *column, xmlNodePtr node)
{
	bytea	   *value;

	if (eis_read_octets(r, node, 1, 16, &value))
		eis_set(row, column, PointerGetDatum(value));
}

static Datum
read_domain(EisReader *r, xmlNodePtr node, const char *role, const Shape *shape, SmsrAid *aid)
{
	EisRow		row = eis_row(shape->desc);
	xmlNodePtr	role_node = eis_find(r, node, "Role");
	Datum		tars[MAX_TARS];
	int			count = 0;
	char	   *text;

	if (!eis_read_aid(r, eis_need(r, node, "Aid"), aid))
		return (Datum) 0;
	if (role_node != NULL && (text = eis_text(r, role_node)) != NULL && strcmp(text, role) != 0)
		eis_invalid(r, role_node, role);
	for (xmlNodePtr tar = node->children; tar != NULL; tar = tar->next)
	{
		bytea	   *octets;

		if (!eis_is(r, tar, "Tar") || !eis_read_octets(r, tar, 3, 3, &octets))
			continue;
		if (count == MAX_TARS)
		{
			eis_reject(r, tar, SUBJECT_EIS, REASON_TOO_LONG, "there must be %d TARs or less", MAX_TARS);
			break;
		}
		tars[count++] = PointerGetDatum(octets);
	}

	eis_set(&row, "eid", PointerGetDatum(r->eid));
	eis_set_text(&row, "role", role);
	eis_set(&row, "aid", smsr_aid_get_datum(aid));
	eis_set(&row, "tars", PointerGetDatum(construct_array(tars, count, BYTEAOID, -1, false, TYPALIGN_INT)));
	read_octets(r, &row, "sin", eis_find(r, node, "Sin"));
	read_octets(r, &row, "sdin", eis_find(r, node, "Sdin"));
	return eis_row_datum(&row);
}

/* AdditionalProperties: keys and values, as attributes or as elements. */
static void
read_properties(EisReader *r, xmlNodePtr node, EisRow *row)
{
	StringInfoData json;
	bool		first = true;

	if (node == NULL)
		return;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (xmlNodePtr property = node->children; property != NULL; property = property->next)
	{
		const char *key;
		const char *value;
		xmlNodePtr	element;

		if (!eis_is(r, property, "Property"))
			continue;
		key = eis_attribute(r, property, "key");
		value = eis_attribute(r, property, "value");
		if (key == NULL && (element = eis_need(r, property, "Key")) != NULL)
			key = eis_text(r, element);
		if (value == NULL && (element = eis_need(r, property, "Value")) != NULL)
			value = eis_text(r, element);
		if (key == NULL || value == NULL)
			return;
		if (!eis_storable(r, property, key) || !eis_storable(r, property, value))
			return;
		if (!first)
			appendStringInfoChar(&json, ',');
		first = false;
		escape_json(&json, key);
		appendStringInfoChar(&json, ':');
		escape_json(&json, value);
	}
	appendStringInfoChar(&json, '}');
	eis_set(row, "additional_properties", DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* ---- profiles ---- */

/* What must not stand twice on an eUICC. */
typedef struct Uniqueness
{
	List	   *aids;			/* of SmsrAid */
	List	   *iccids;
	bool		enabled;
	bool		fallback;
} Uniqueness;

static bool
check_unique(EisReader *r, xmlNodePtr node, Uniqueness *seen, const SmsrAid *aid, const uint8 *iccid,
			 bool enabled, bool fallback)
{
	ListCell   *cell;

	foreach(cell, seen->aids)
	{
		if (aid_compare(lfirst(cell), aid) == 0)
			return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "another profile has the same Isd-p-aid");
	}
	foreach(cell, seen->iccids)
	{
		if (memcmp(lfirst(cell), iccid, ICCID_LEN) == 0)
			return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "another profile has the same Iccid");
	}
	if (enabled && seen->enabled)
		return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "another profile is Enabled");
	if (fallback && seen->fallback)
		return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "another profile has the FallbackAttribute");
	seen->aids = lappend(seen->aids, memcpy(palloc(sizeof(SmsrAid)), aid, sizeof(SmsrAid)));
	seen->iccids = lappend(seen->iccids, memcpy(palloc(ICCID_LEN), iccid, ICCID_LEN));
	seen->enabled |= enabled;
	seen->fallback |= fallback;
	return true;
}

static bool
read_state(EisReader *r, xmlNodePtr node, ProfileState *state)
{
	char	   *text;

	if (node == NULL || (text = eis_text(r, node)) == NULL)
		return false;
	return (profile_state_parse(text, state) && *state != PROFILE_ABSENT) ||
		eis_invalid(r, node, "Created, Disabled or Enabled");
}

static void
read_subscription_address(EisReader *r, xmlNodePtr node, EisRow *row)
{
	xmlNodePtr	msisdn = eis_find(r, node, "Msisdn");
	xmlNodePtr	imsi = eis_find(r, node, "Imsi");
	char	   *text;

	if (msisdn != NULL && (text = eis_text(r, msisdn)) != NULL && text[0] != '\0')
	{
		/* E.164 with or without +: it is stored without */
		text += text[0] == '+';
		if (strlen(text) > 20 || strspn(text, "0123456789") != strlen(text) || text[0] == '\0')
			eis_invalid(r, msisdn, "1 to 20 digits, with or without a +");
		else
			eis_set_text(row, "msisdn", text);
	}
	if (imsi != NULL && (text = eis_text(r, imsi)) != NULL && text[0] != '\0' &&
		eis_read_digits(r, imsi, 5, 15, &text))
		eis_set_text(row, "imsi", text);
}

static void
read_pol2(EisReader *r, xmlNodePtr node, EisRow *row)
{
	Datum		rules[POL2_RULES];
	uint8		seen = 0;
	int			count = 0;

	for (xmlNodePtr rule = node != NULL ? node->children : NULL; rule != NULL; rule = rule->next)
	{
		xmlNodePtr	subject;
		xmlNodePtr	action;
		xmlNodePtr	qualification;
		char	   *name;
		char	   *text;
		uint8		bit;

		if (!eis_is(r, rule, "Rule"))
			continue;
		subject = eis_need(r, rule, "Subject");
		action = eis_need(r, rule, "Action");
		qualification = eis_need(r, rule, "Qualification");
		if (!eis_ok(r) || (text = eis_text(r, subject)) == NULL)
			return;
		if (strcmp(text, "PROFILE") != 0)
		{
			eis_invalid(r, subject, "PROFILE");
			return;
		}
		if ((text = eis_text(r, action)) == NULL || (name = eis_text(r, qualification)) == NULL)
			return;
		name = psprintf("%s/%s", text, name);
		if (!pol2_rule_parse(name, &bit))
		{
			eis_invalid(r, rule, "ENABLE, DISABLE or DELETE with Not-Allowed or Auto-Delete");
			return;
		}
		if ((seen & bit) == 0)
			rules[count++] = CStringGetTextDatum(name);
		seen |= bit;
	}
	eis_set(row, "pol2", PointerGetDatum(construct_array(rules, count, TEXTOID, -1, false, TYPALIGN_INT)));
}

static Datum
read_profile(EisReader *r, xmlNodePtr node, const Shape *shape, Uniqueness *seen)
{
	EisRow		row = eis_row(shape->desc);
	SmsrAid		aid;
	uint8	   *iccid = palloc(ICCID_LEN);
	ProfileState state;
	bool		fallback = false;
	bool		emergency = false;
	xmlNodePtr	emergency_node = eis_find(r, node, "EmergencyAttribute");

	if (!eis_read_iccid(r, eis_need(r, node, "Iccid"), iccid) ||
		!eis_read_aid(r, eis_need(r, node, "Isd-p-aid"), &aid) ||
		!read_state(r, eis_need(r, node, "State"), &state) ||
		!eis_read_bool(r, eis_need(r, node, "FallbackAttribute"), &fallback) ||
		(emergency_node != NULL && !eis_read_bool(r, emergency_node, &emergency)) ||
		!check_unique(r, node, seen, &aid, iccid, state == PROFILE_ENABLED, fallback))
		return (Datum) 0;

	eis_set(&row, "eid", PointerGetDatum(r->eid));
	eis_set(&row, "isdp_aid", smsr_aid_get_datum(&aid));
	eis_set(&row, "iccid", PointerGetDatum(iccid));
	eis_set_text(&row, "state", profile_state_name(state));
	eis_set(&row, "fallback_attribute", BoolGetDatum(fallback));
	eis_set(&row, "emergency_attribute", BoolGetDatum(emergency));
	read_text(r, &row, "mno_id", eis_need(r, node, "Mno-id"), eis_read_oid);
	read_text(r, &row, "smdp_id", eis_find(r, node, "Smdp-id"), eis_read_oid);
	read_text(r, &row, "profile_type", eis_find(r, node, "ProfileType"), read_name);
	read_memory(r, &row, "allocated_memory", eis_find(r, node, "AllocatedMemory"));
	read_memory(r, &row, "free_memory", eis_find(r, node, "FreeMemory"));
	read_subscription_address(r, eis_find(r, node, "SubscriptionAddress"), &row);
	read_pol2(r, eis_find(r, node, "pol2"), &row);
	return eis_row_datum(&row);
}

/* ---- audit trail ---- */

static Datum
read_record(EisReader *r, xmlNodePtr node, const Shape *shape)
{
	EisRow		row = eis_row(shape->desc);
	xmlNodePtr	status = eis_find(r, node, "OperationExecutionStatus");
	xmlNodePtr	code = eis_find(r, status, "StatusCodeData");
	xmlNodePtr	iccid_node = eis_find(r, node, "Iccid");
	uint8	   *iccid = palloc(ICCID_LEN);
	bytea	   *type;

	eis_set(&row, "eid", PointerGetDatum(r->eid));
	read_text(r, &row, "smsr_id", eis_need(r, node, "Smsr-id"), eis_read_oid);
	read_time(r, &row, "operation_date", eis_need(r, node, "OperationDate"));
	if (eis_read_octets(r, eis_need(r, node, "OperationType"), 2, 2, &type))
		eis_set(&row, "operation_type", PointerGetDatum(type));
	read_text(r, &row, "requester_id", eis_find(r, node, "RequesterId"), eis_read_oid);
	read_text(r, &row, "status", eis_find(r, status, "Status"), read_name);
	read_text(r, &row, "subject_code", eis_find(r, code, "Subject"), read_name);
	read_text(r, &row, "reason_code", eis_find(r, code, "Reason"), read_name);
	read_aid(r, &row, "isdp_aid", eis_find(r, node, "Isd-p-aid"));
	if (eis_read_iccid(r, iccid_node, iccid))
		eis_set(&row, "iccid", PointerGetDatum(iccid));
	read_text(r, &row, "imei", eis_find(r, node, "Imei"), read_name);
	read_text(r, &row, "meid", eis_find(r, node, "MeId"), read_name);
	return eis_row_datum(&row);
}

/* ---- the document ---- */

static Datum
array_of(const List *rows, const Shape *shape)
{
	Datum	   *datums = palloc((list_length(rows) + 1) * sizeof(Datum));
	ListCell   *cell;
	int			count = 0;

	foreach(cell, rows)
		datums[count++] = PointerGetDatum(lfirst(cell));
	return PointerGetDatum(construct_array(datums, count, shape->type, -1, false, TYPALIGN_DOUBLE));
}

static void
read_document(EisReader *r, const Shapes *shapes, EisRow *reading)
{
	EisRow		euicc = eis_row(shapes->euicc.desc);
	xmlNodePtr	signed_info;
	xmlNodePtr	isdr;
	xmlNodePtr	ecasd;
	xmlNodePtr	trail;
	SmsrAid		aid;
	Uniqueness	seen = {0};
	List	   *domains = NIL;
	List	   *profiles = NIL;
	List	   *records = NIL;
	EisKeysets	read = {NIL, NIL};
	Datum		part;
	Datum		isdr_aid;
	char	   *smsr_id;

	if (!eis_parse(r))
		return;
	signed_info = eis_need(r, r->root, "EumSignedInfo");
	read_signed_info(r, signed_info, &euicc);
	if (!eis_ok(r))
		return;

	read_memory(r, &euicc, "remaining_memory", eis_need(r, r->root, "RemainingMemory"));
	read_memory(r, &euicc, "available_memory", eis_need(r, r->root, "AvailableMemoryForProfiles"));
	read_time(r, &euicc, "last_audit_at", eis_find(r, r->root, "LastAuditDate"));
	read_properties(r, eis_find(r, r->root, "AdditionalProperties"), &euicc);
	/* whoever managed it so far, now we do */
	(void) eis_read_oid(r, eis_find(r, r->root, "Smsr-id"), &smsr_id);
	eis_set_text(&euicc, "smsr_id", smsr_smsr_id);

	part = read_parts(r, signed_info, r->proven ? SMSR_EUM_SIGNATURE_UNCHECKED : smsr_eum_signature, &shapes->part);
	ecasd = eis_need(r, signed_info, "Ecasd");
	isdr = eis_need(r, r->root, "Isd-r");
	if (!eis_ok(r))
		return;
	domains = lappend(domains, DatumGetPointer(read_domain(r, ecasd, "ECASD", &shapes->domain, &aid)));
	domains = lappend(domains, DatumGetPointer(read_domain(r, isdr, "ISD-R", &shapes->domain, &aid)));
	trail = eis_find(r, r->root, "AuditTrail");
	if (!eis_ok(r))
		return;
	isdr_aid = smsr_aid_get_datum(&aid);
	eis_set(&euicc, "isdr_aid", isdr_aid);

	for (xmlNodePtr node = r->root->children; node != NULL && eis_ok(r); node = node->next)
	{
		if (eis_is(r, node, "ProfileInfo"))
			profiles = lappend(profiles, DatumGetPointer(read_profile(r, node, &shapes->profile, &seen)));
	}
	for (xmlNodePtr node = trail != NULL ? trail->children : NULL; node != NULL && eis_ok(r); node = node->next)
	{
		if (eis_is(r, node, "Record"))
			records = lappend(records, DatumGetPointer(read_record(r, node, &shapes->record)));
	}
	if (!eis_ok(r))
		return;
	/* last, because it is the dear part */
	if (r->handed)
		read.keysets = eis_list_keysets(r, isdr, isdr_aid, shapes->keyset.desc);
	else
		eis_read_keysets(r, isdr, &aid, isdr_aid, shapes->keyset.desc, shapes->listed.desc, &read);
	if (!eis_ok(r))
		return;

	eis_set(reading, "euicc", eis_row_datum(&euicc));
	eis_set(reading, "part", part);
	eis_set(reading, "domains", array_of(domains, &shapes->domain));
	eis_set(reading, "profiles", array_of(profiles, &shapes->profile));
	eis_set(reading, "keysets", array_of(read.keysets, &shapes->keyset));
	eis_set(reading, "listed", array_of(read.listed, &shapes->listed));
	eis_set(reading, "records", array_of(records, &shapes->record));
}

/* What was signed alone, whatever smsr.eum_signature says. */
static void
read_signed_document(EisReader *r, const Shapes *shapes, EisRow *reading)
{
	EisRow		euicc = eis_row(shapes->euicc.desc);
	xmlNodePtr	signed_info;
	Datum		part;

	if (!eis_parse(r))
		return;
	signed_info = eis_need(r, r->root, "EumSignedInfo");
	read_signed_info(r, signed_info, &euicc);
	if (!eis_ok(r))
		return;
	part = read_parts(r, signed_info, SMSR_EUM_SIGNATURE_REQUIRE, &shapes->part);
	if (eis_ok(r))
		eis_set(reading, "part", part);
}

static Shape
find_shape(TupleDesc reading, const char *column)
{
	for (int i = 0; i < reading->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(reading, i);
		Oid			element = get_element_type(attribute->atttypid);
		Oid			type = OidIsValid(element) ? element : attribute->atttypid;

		if (strcmp(NameStr(attribute->attname), column) == 0)
			return (Shape) {type, lookup_rowtype_tupdesc_copy(type, -1)};
	}
	elog(ERROR, "there is no column \"%s\"", column);
}

static const Shapes *
find_shapes(FunctionCallInfo fcinfo)
{
	Shapes	   *shapes = fcinfo->flinfo->fn_extra;
	MemoryContext old;

	if (shapes != NULL)
		return shapes;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	shapes = palloc0(sizeof(Shapes));
	if (get_call_result_type(fcinfo, NULL, &shapes->reading) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	shapes->reading = BlessTupleDesc(shapes->reading);
	shapes->euicc = find_shape(shapes->reading, "euicc");
	shapes->part = find_shape(shapes->reading, "part");
	shapes->domain = find_shape(shapes->reading, "domains");
	shapes->profile = find_shape(shapes->reading, "profiles");
	shapes->keyset = find_shape(shapes->reading, "keysets");
	shapes->listed = find_shape(shapes->reading, "listed");
	shapes->record = find_shape(shapes->reading, "records");
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = shapes;
	return shapes;
}

/* The tree is libxml2's: no error may leave it behind. */
static void
read_and_free(EisReader *r, const Shapes *shapes, EisRow *reading,
			  void (*read) (EisReader *, const Shapes *, EisRow *))
{
	PG_TRY();
	{
		read(r, shapes, reading);
	}
	PG_CATCH();
	{
		eis_free(r);
		PG_RE_THROW();
	}
	PG_END_TRY();
	eis_free(r);
}

static void
set_octets(EisReader *r, char *octets)
{
	/* in a database without an encoding libxml2 sees whether it is UTF-8 */
	r->octets = GetDatabaseEncoding() == PG_SQL_ASCII ? octets :
		pg_server_to_any(octets, strlen(octets), PG_UTF8);
	r->len = strlen(r->octets);
}

static Datum
reading_datum(EisReader *r, EisRow reading)
{
	eis_set_text(&reading, "eid", r->eid_text);
	if (!eis_ok(r))
	{
		eis_set_text(&reading, "element", r->reject.element);
		eis_set_text(&reading, "reason", r->reject.reason);
		eis_set_text(&reading, "subject_code", r->reject.subject_code);
		eis_set_text(&reading, "reason_code", r->reject.reason_code);
	}
	return eis_row_datum(&reading);
}

static Datum
read_eis(FunctionCallInfo fcinfo, EisReader *r)
{
	Datum		document = PG_GETARG_DATUM(0);
	const Shapes *shapes = find_shapes(fcinfo);
	EisRow		reading = eis_row(shapes->reading);

	if (toast_raw_datum_size(document) - VARHDRSZ > EIS_MAX_LEN)
		eis_reject(r, NULL, SUBJECT_EIS, REASON_TOO_LONG, "document has more than %d octets", EIS_MAX_LEN);
	else
	{
		set_octets(r, TextDatumGetCString(document));
		read_and_free(r, shapes, &reading, read_document);
	}
	return reading_datum(r, reading);
}

Datum
smsr_read_eis(PG_FUNCTION_ARGS)
{
	return read_eis(fcinfo, palloc0(sizeof(EisReader)));
}

/* (document text, proven boolean): the same of what another SM-SR hands over */
Datum
smsr_read_handed_eis(PG_FUNCTION_ARGS)
{
	EisReader  *r = palloc0(sizeof(EisReader));

	r->handed = true;
	r->proven = PG_GETARG_BOOL(1);
	return read_eis(fcinfo, r);
}

/* The same of what is kept of a document, to verify it again. */
Datum
smsr_read_signed(PG_FUNCTION_ARGS)
{
	const Shapes *shapes = find_shapes(fcinfo);
	EisRow		reading = eis_row(shapes->reading);
	EisReader  *r = palloc0(sizeof(EisReader));

	set_octets(r, eis_signed_document(PG_GETARG_HEAPTUPLEHEADER(0)));
	read_and_free(r, shapes, &reading, read_signed_document);
	return reading_datum(r, reading);
}

/* What is kept of a rejected document: no key, and of garbage not much. */
Datum
smsr_blank_eis(PG_FUNCTION_ARGS)
{
	text	   *document = PG_GETARG_TEXT_PP(0);
	int			len = VARSIZE_ANY_EXHDR(document);

	if (len > EIS_MAX_LEN)
		len = pg_mbcliplen(VARDATA_ANY(document), len, EIS_MAX_LEN / 16);
	PG_RETURN_TEXT_P(eis_blank(VARDATA_ANY(document), len));
}
