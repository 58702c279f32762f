/*
 * eis_keys.c
 *		The key sets of an EIS's ISD-R: unwrapped under the EUM's transport key,
 *		checked, and sealed, without a key ever leaving locked memory.
 */
#include "postgres.h"

#include "core/key_check.h"
#include "pg/eis.h"
#include "pg/keystore.h"
#include "pg/secure.h"
#include "pg/transport_key.h"
#include "utils/builtins.h"

#define KEYS			3
#define MAX_COUNTER		INT64CONST(0xFFFFFFFFFF)

static const char *const types[] = {"SCP03", "SCP80", "SCP81", "TokenGeneration", "ReceiptVerification", "CA"};

/* One key set on its way in. */
typedef struct Keyset
{
	int64		kvn;
	const char *type;
	int64		counter;
	uint8		key_type;		/* of its first key */
	KeysetKeys	keys;			/* in locked memory */
	int			count;			/* highest index that is there */
	uint8		check_values[KEYS * KEY_CHECK_VALUE_LEN];	/* zero where a key has none */
} Keyset;

/* Types that an SM-SR secures something with; the others stay with the EUM. */
static bool
is_secure_channel(const char *type)
{
	return strncmp(type, "SCP", 3) == 0;
}

/* SGP.02 clause 2.2.5.1 gives each protocol its key versions. */
static const char *
type_of_version(int64 kvn)
{
	if (kvn <= 0x0F)
		return "SCP80";
	if (kvn >= 0x30 && kvn <= 0x3F)
		return "SCP03";
	if (kvn >= 0x40 && kvn <= 0x4F)
		return "SCP81";
	return NULL;
}

static bool
read_type(EisReader *r, xmlNodePtr node, Keyset *keyset)
{
	xmlNodePtr	type = eis_find(r, node, "Type");
	char	   *text;

	keyset->type = type_of_version(keyset->kvn);
	if (type == NULL)
		return keyset->type != NULL ||
			eis_reject(r, node, SUBJECT_EIS, REASON_MISSING, "Type is missing, and Version does not tell it");
	if ((text = eis_text(r, type)) == NULL)
		return false;
	for (size_t i = 0; i < lengthof(types); i++)
	{
		if (strcmp(text, types[i]) == 0)
		{
			keyset->type = types[i];
			return strcmp(text, "SCP80") != 0 || keyset->kvn <= 0x0F ||
				eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "Version of an SCP80 key set must be 1 to 15");
		}
	}
	return eis_invalid(r, type, "SCP03, SCP80, SCP81, TokenGeneration, ReceiptVerification or CA");
}

static bool
check_key(EisReader *r, xmlNodePtr node, uint8 key_type, SmsrBytes key, WrapMode mode, uint8 *check_value)
{
	const char *kcv = eis_attribute(r, node, "kcv");
	bool		is_stated = key_type != KEY_TYPE_PSK && kcv != NULL && kcv[0] != '\0';
	uint8		stated[KEY_CHECK_VALUE_LEN];

	if (is_stated && eis_hex(kcv, stated, KEY_CHECK_VALUE_LEN) != KEY_CHECK_VALUE_LEN)
		return eis_reject(r, node, SUBJECT_ISD_R, REASON_INVALID, "attribute kcv must be 3 octets in hexadecimal");
	switch (key_check(key_type, key, is_stated ? stated : NULL, wrap_mode_authenticates(mode), check_value))
	{
		case KEY_CHECK_RIGHT:
			return true;
		case KEY_CHECK_MISSING:
			return eis_reject(r, node, SUBJECT_ISD_R, REASON_MISSING, "attribute kcv is missing");
		case KEY_CHECK_ZEROS:
			return eis_reject(r, node, SUBJECT_ISD_R, REASON_NOT_VERIFIED,
							  "key check value was computed over octets 00, GlobalPlatform wants 01 (Amendment D)");
		case KEY_CHECK_WRONG:
			return eis_reject(r, node, SUBJECT_ISD_R, REASON_NOT_VERIFIED, "key check value is wrong for the unwrapped key");
		case KEY_CHECK_IMPOSSIBLE:
			break;
	}
	return eis_reject(r, node, SUBJECT_ISD_R, REASON_UNSUPPORTED, "key check value can not be computed");
}

static bool
read_key(EisReader *r, xmlNodePtr node, const TransportKey *transport, SmsrBytes kek, Keyset *keyset)
{
	SecureMemory *memory = secure_memory();
	xmlNodePtr	index_node = eis_need(r, node, "Index");
	xmlNodePtr	component = eis_need(r, node, "KeyComponent");
	const char *type;
	const char *value;
	int64		index;
	uint8		key_type;
	int			len;
	SmsrWriter	out;
	SmsrError	error;

	if (component == NULL || !eis_read_number(r, index_node, 127, &index))
		return false;
	if (index < 1 || index > KEYS)
		return eis_invalid(r, index_node, "1, 2 or 3");
	if (keyset->keys.key[index - 1].len > 0)
		return eis_reject(r, index_node, SUBJECT_EIS, REASON_INVALID, "key stands twice in its set");

	type = eis_attribute(r, component, "type");
	if (type == NULL || eis_hex(type, &key_type, 1) != 1)
		return eis_reject(r, component, SUBJECT_EIS, REASON_INVALID, "attribute type must be an octet in hexadecimal");
	if (!key_type_fits(keyset->type, (int) index, key_type, keyset->key_type))
		return eis_reject(r, component, SUBJECT_ISD_R, REASON_UNSUPPORTED,
						  "key type does not fit a key set for %s", keyset->type);

	value = eis_attribute(r, component, "value");
	len = value == NULL ? -1 : eis_hex(value, memory->wrapped, sizeof(memory->wrapped));
	if (len <= 0)
		return eis_reject(r, component, SUBJECT_EIS, REASON_INVALID, "attribute value must be octets in hexadecimal");
	out = smsr_writer(memory->unwrapped[index - 1], KEYSET_MAX_LEN);
	if (!key_unwrap(transport->mode, kek, smsr_bytes(memory->wrapped, len), &out, &error))
		return eis_reject(r, component, SUBJECT_ISD_R, REASON_NOT_VERIFIED,
						  "value does not unwrap under transport key %d of the EUM (%s): %s",
						  transport->id, wrap_mode_name(transport->mode), smsr_error_name(error.code));
	if (!key_len_fits(key_type, out.len))
		return eis_reject(r, component, SUBJECT_ISD_R, REASON_INVALID,
						  "length of the unwrapped key does not fit its type");

	if (keyset->key_type == 0 || index == 1)
		keyset->key_type = key_type;
	keyset->count = Max(keyset->count, (int) index);
	keyset->keys.key[index - 1] = smsr_written(&out);
	return check_key(r, node, key_type, smsr_written(&out), transport->mode,
					 keyset->check_values + (index - 1) * KEY_CHECK_VALUE_LEN);
}

static bool
read_keyset(EisReader *r, xmlNodePtr node, const TransportKey *transport, SmsrBytes kek, Keyset *keyset)
{
	xmlNodePtr	version = eis_need(r, node, "Version");
	xmlNodePtr	cntr = eis_find(r, node, "Cntr");

	if (!eis_read_number(r, version, 127, &keyset->kvn))
		return false;
	if (keyset->kvn < 1)
		return eis_invalid(r, version, "1 to 127");
	if (!read_type(r, node, keyset))
		return false;
	if (!is_secure_channel(keyset->type))
		return true;
	if (cntr != NULL && !eis_read_number(r, cntr, MAX_COUNTER, &keyset->counter))
		return false;

	for (xmlNodePtr key = node->children; key != NULL; key = key->next)
	{
		if (eis_is(r, key, "Key") && !read_key(r, key, transport, kek, keyset))
			return false;
	}
	if (keyset->count > 0 && keyset->keys.key[0].len == 0)
		return eis_reject(r, node, SUBJECT_EIS, REASON_MISSING, "key with Index 1 is missing");
	if (keyset->count > 0 && keyset->keys.key[1].len == 0 && strcmp(keyset->type, "SCP80") == 0)
		return eis_reject(r, node, SUBJECT_EIS, REASON_MISSING, "key with Index 2 is missing");
	return eis_ok(r);
}

static Datum
keyset_row(EisReader *r, const SmsrAid *isdr_aid, Datum isdr_aid_datum, const Keyset *keyset, TupleDesc desc)
{
	EisRow		row = eis_row(desc);
	bytea	   *check_values = palloc(VARHDRSZ + keyset->count * KEY_CHECK_VALUE_LEN);

	SET_VARSIZE(check_values, VARHDRSZ + keyset->count * KEY_CHECK_VALUE_LEN);
	memcpy(VARDATA(check_values), keyset->check_values, keyset->count * KEY_CHECK_VALUE_LEN);

	eis_set(&row, "eid", PointerGetDatum(r->eid));
	eis_set(&row, "sd_aid", isdr_aid_datum);
	eis_set(&row, "kvn", Int16GetDatum((int16) keyset->kvn));
	eis_set_text(&row, "type", keyset->type);
	eis_set(&row, "key_type", Int16GetDatum(keyset->key_type));
	eis_set(&row, "counter", Int64GetDatum(keyset->counter));
	eis_set(&row, "check_values", PointerGetDatum(check_values));
	eis_set(&row, "sealed",
			PointerGetDatum(keystore_seal(r->eid, smsr_bytes(isdr_aid->octets, isdr_aid->len),
										  (uint8) keyset->kvn, keyset->key_type, &keyset->keys)));
	return eis_row_datum(&row);
}

static List *
read_under(EisReader *r, xmlNodePtr isdr, const SmsrAid *isdr_aid, Datum isdr_aid_datum,
		   TupleDesc desc, const TransportKey *transport)
{
	SmsrBytes	kek = transport_key_open(r->eum_id, transport);
	bool		seen[128] = {false};
	List	   *rows = NIL;

	for (xmlNodePtr node = isdr->children; node != NULL; node = node->next)
	{
		Keyset		keyset = {0};

		if (!eis_is(r, node, "Keyset"))
			continue;
		if (!read_keyset(r, node, transport, kek, &keyset))
			return NIL;
		if (keyset.count == 0)
			continue;
		if (seen[keyset.kvn])
		{
			eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "key version stands twice");
			return NIL;
		}
		seen[keyset.kvn] = true;
		rows = lappend(rows, DatumGetPointer(keyset_row(r, isdr_aid, isdr_aid_datum, &keyset, desc)));
	}
	if (rows == NIL)
		eis_reject(r, isdr, SUBJECT_EIS, REASON_MISSING, "there is no key set with keys");
	return rows;
}

/*
 * An EUM that changes its transport key may have documents under the former one
 * under way: the newest valid one is tried first, and it is the one that a
 * reject speaks of.
 */
List *
eis_read_keysets(EisReader *r, xmlNodePtr isdr, const SmsrAid *isdr_aid, Datum isdr_aid_datum, TupleDesc desc)
{
	TransportKey transport[TRANSPORT_KEYS_MAX];
	int			count = transport_keys_read(r->eum_id, transport);
	EisReject	first = {0};
	List	   *rows = NIL;

	if (count == 0)
	{
		eis_reject(r, eis_find(r, eis_find(r, r->root, "EumSignedInfo"), "Eum-id"),
				   SUBJECT_REQUESTER, REASON_UNKNOWN, "no transport key for EUM %s", r->eum_id);
		return NIL;
	}
	for (int i = 0; i < count; i++)
	{
		rows = read_under(r, isdr, isdr_aid, isdr_aid_datum, desc, &transport[i]);
		if (eis_ok(r))
			break;
		if (first.reason == NULL)
			first = r->reject;
		r->reject = (EisReject) {0};
	}
	secure_wipe();
	if (rows == NIL)
		r->reject = first;
	return rows;
}

List *
eis_list_keysets(EisReader *r, xmlNodePtr isdr, Datum isdr_aid_datum, TupleDesc desc)
{
	List	   *rows = NIL;

	for (xmlNodePtr node = isdr->children; node != NULL; node = node->next)
	{
		Keyset		keyset = {0};
		xmlNodePtr	version;
		EisRow		row;

		if (!eis_is(r, node, "Keyset"))
			continue;
		version = eis_need(r, node, "Version");
		if (!eis_read_number(r, version, 127, &keyset.kvn))
			return NIL;
		if (keyset.kvn < 1)
		{
			eis_invalid(r, version, "1 to 127");
			return NIL;
		}
		if (!read_type(r, node, &keyset))
			return NIL;
		row = eis_row(desc);
		eis_set(&row, "eid", PointerGetDatum(r->eid));
		eis_set(&row, "sd_aid", isdr_aid_datum);
		eis_set(&row, "kvn", Int16GetDatum((int16) keyset.kvn));
		eis_set_text(&row, "type", keyset.type);
		rows = lappend(rows, DatumGetPointer(eis_row_datum(&row)));
	}
	return rows;
}
