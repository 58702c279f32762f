/*
 * eis_keys.c
 *		The key sets of an EIS's ISD-R: unwrapped under the EUM's transport key,
 *		checked, and sealed, without a key ever leaving locked memory.  What is
 *		not sealed is listed, with the reason: nothing that stands there is lost
 *		without a word.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/key_check.h"
#include "pg/eis.h"
#include "pg/guc.h"
#include "pg/keystore.h"
#include "pg/secure.h"
#include "pg/transport_key.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define KEYS			3
#define MAX_KEYS		128		/* keys and certificates of a set, by Annex E */
#define MAX_CA_ID		16
#define MAX_CERTIFICATE	4096
#define MAX_COUNTER		INT64CONST(0xFFFFFFFFFF)

static const char *const types[] = {"SCP03", "SCP80", "SCP81", "TokenGeneration", "ReceiptVerification", "CA"};

/* One key set on its way in. */
typedef struct Keyset
{
	int64		kvn;
	const char *type;
	int64		counter;
	bool		has_counter;
	uint8		key_type;		/* of its first key */
	KeysetKeys	keys;			/* in locked memory */
	int			count;			/* highest index that is there with a value */
	uint8		check_values[KEYS * KEY_CHECK_VALUE_LEN];	/* zero where a key has none */

	/* what stands there and is not sealed */
	int			bare;			/* keys without a value */
	int			bare_count;		/* the highest index of these, of those up to KEYS */
	const char *apart;			/* why its values are not taken; NULL: they are */
	int			apart_keys;
	int			certificate_count;
	Datum		certificate_index[MAX_KEYS];
	Datum		ca_id[MAX_KEYS];
	Datum		certificate[MAX_KEYS];
} Keyset;

/* Types that an SM-SR secures something with. */
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

/*
 * Of a set that is for tokens, receipts or certificates: whether a key is one
 * that is sealed as others are.  GlobalPlatform has them of RSA and of elliptic
 * curves, in several components, too.
 */
static bool
is_symmetric(EisReader *r, xmlNodePtr node)
{
	xmlNodePtr	component = NULL;
	uint8		key_type;
	const char *type;

	for (xmlNodePtr child = node->children; child != NULL; child = child->next)
	{
		if (!eis_is(r, child, "KeyComponent"))
			continue;
		if (component != NULL)
			return false;
		component = child;
	}
	type = component == NULL ? NULL : eis_attribute(r, component, "type");
	return type == NULL || eis_hex(type, &key_type, 1) != 1 ||
		key_type == KEY_TYPE_AES || key_type == KEY_TYPE_DES;
}

static bool
has_value(EisReader *r, xmlNodePtr node)
{
	for (xmlNodePtr child = node->children; child != NULL; child = child->next)
	{
		const char *value = eis_is(r, child, "KeyComponent") ? eis_attribute(r, child, "value") : NULL;

		if (value != NULL && value[0] != '\0')
			return true;
	}
	return false;
}

/* A key that is named and does not come: its check value is that of the one that will. */
static bool
read_bare_key(EisReader *r, xmlNodePtr node, int64 index, Keyset *keyset)
{
	const char *kcv = eis_attribute(r, node, "kcv");

	if (keyset->bare_count >= index && index <= KEYS)
		return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "keys without values must stand in order");
	if (kcv != NULL && kcv[0] != '\0' &&
		eis_hex(kcv, keyset->check_values + (index - 1) * KEY_CHECK_VALUE_LEN, KEY_CHECK_VALUE_LEN) != KEY_CHECK_VALUE_LEN)
		return eis_reject(r, node, SUBJECT_ISD_R, REASON_INVALID, "attribute kcv must be 3 octets in hexadecimal");
	keyset->bare++;
	keyset->bare_count = (int) index;
	return true;
}

static bool
read_key(EisReader *r, xmlNodePtr node, const TransportKey *transport, SmsrBytes kek, Keyset *keyset)
{
	SecureMemory *memory = secure_memory();
	xmlNodePtr	index_node = eis_need(r, node, "Index");
	xmlNodePtr	component;
	const char *type;
	const char *value;
	int64		index;
	uint8		key_type;
	int			len;
	SmsrWriter	out;
	SmsrError	error;

	if (!eis_read_number(r, index_node, 127, &index))
		return false;
	if (!is_secure_channel(keyset->type) && (index < 1 || index > KEYS || !is_symmetric(r, node)))
	{
		keyset->apart = "its keys are of a kind that is not sealed here";
		keyset->apart_keys++;
		return true;
	}
	if (index < 1 || index > KEYS)
		return eis_invalid(r, index_node, "1, 2 or 3");
	if (keyset->keys.key[index - 1].len > 0)
		return eis_reject(r, index_node, SUBJECT_EIS, REASON_INVALID, "key stands twice in its set");
	/* nobody waits for those of other sets */
	if ((smsr_eis_without_keys == SMSR_EIS_WITHOUT_KEYS_ACCEPT || !is_secure_channel(keyset->type)) && !has_value(r, node))
		return read_bare_key(r, node, index, keyset);

	if ((component = eis_need(r, node, "KeyComponent")) == NULL)
		return false;
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
read_certificate(EisReader *r, xmlNodePtr node, Keyset *keyset)
{
	int			n = keyset->certificate_count;
	int64		index;
	bytea	   *ca_id;
	bytea	   *value;

	if (n == MAX_KEYS)
		return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "there are more than %d certificates", MAX_KEYS);
	if (!eis_read_number(r, eis_need(r, node, "Index"), 127, &index) ||
		!eis_read_octets(r, eis_need(r, node, "CaId"), 1, MAX_CA_ID, &ca_id) ||
		!eis_read_octets(r, eis_need(r, node, "Value"), 1, MAX_CERTIFICATE, &value))
		return false;
	keyset->certificate_index[n] = Int16GetDatum((int16) index);
	keyset->ca_id[n] = PointerGetDatum(ca_id);
	keyset->certificate[n] = PointerGetDatum(value);
	keyset->certificate_count++;
	return true;
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
	if (cntr != NULL && !eis_read_number(r, cntr, MAX_COUNTER, &keyset->counter))
		return false;
	keyset->has_counter = cntr != NULL;

	for (xmlNodePtr child = node->children; child != NULL; child = child->next)
	{
		if (eis_is(r, child, "Key") && !read_key(r, child, transport, kek, keyset))
			return false;
		if (eis_is(r, child, "Certificate") && !read_certificate(r, child, keyset))
			return false;
	}
	if (keyset->apart != NULL)
	{
		keyset->apart_keys += keyset->bare + keyset->count;
		keyset->count = 0;
		memset(keyset->check_values, 0, sizeof(keyset->check_values));
		return eis_ok(r);
	}
	if (keyset->count > 0 && keyset->bare > 0)
		return eis_reject(r, node, SUBJECT_EIS, REASON_MISSING, "some keys have values and some have not");
	if (keyset->count > 0 && keyset->keys.key[0].len == 0)
		return eis_reject(r, node, SUBJECT_EIS, REASON_MISSING, "key with Index 1 is missing");
	if (keyset->count > 0 && keyset->keys.key[1].len == 0 && strcmp(keyset->type, "SCP80") == 0)
		return eis_reject(r, node, SUBJECT_EIS, REASON_MISSING, "key with Index 2 is missing");
	return eis_ok(r);
}

static Datum
check_values_datum(const Keyset *keyset, int count)
{
	bytea	   *check_values = palloc(VARHDRSZ + count * KEY_CHECK_VALUE_LEN);

	SET_VARSIZE(check_values, VARHDRSZ + count * KEY_CHECK_VALUE_LEN);
	memcpy(VARDATA(check_values), keyset->check_values, count * KEY_CHECK_VALUE_LEN);
	return PointerGetDatum(check_values);
}

static Datum
keyset_row(EisReader *r, const SmsrAid *isdr_aid, Datum isdr_aid_datum, const Keyset *keyset, TupleDesc desc)
{
	EisRow		row = eis_row(desc);

	eis_set(&row, "eid", PointerGetDatum(r->eid));
	eis_set(&row, "sd_aid", isdr_aid_datum);
	eis_set(&row, "kvn", Int16GetDatum((int16) keyset->kvn));
	eis_set_text(&row, "type", keyset->type);
	eis_set(&row, "key_type", Int16GetDatum(keyset->key_type));
	eis_set(&row, "counter", Int64GetDatum(keyset->counter));
	eis_set(&row, "check_values", check_values_datum(keyset, keyset->count));
	eis_set(&row, "sealed",
			PointerGetDatum(keystore_seal(r->eid, smsr_bytes(isdr_aid->octets, isdr_aid->len),
										  (uint8) keyset->kvn, keyset->key_type, &keyset->keys)));
	return eis_row_datum(&row);
}

/* A row of smsr.keyset_listed: a set as it stands there, without its keys. */
static Datum
listed_row(EisReader *r, Datum isdr_aid_datum, Keyset *keyset, TupleDesc desc)
{
	EisRow		row = eis_row(desc);
	const char *state = "public";
	const char *because = keyset->apart;

	if (because != NULL || (keyset->bare > 0 && !is_secure_channel(keyset->type)))
	{
		state = "apart";
		if (because == NULL)
			because = "its keys did not come with the EIS";
	}
	else if (keyset->count == 0 && is_secure_channel(keyset->type))
		state = "awaited";

	eis_set(&row, "eid", PointerGetDatum(r->eid));
	eis_set(&row, "sd_aid", isdr_aid_datum);
	eis_set(&row, "kvn", Int16GetDatum((int16) keyset->kvn));
	eis_set_text(&row, "type", keyset->type);
	eis_set_text(&row, "state", state);
	if (because != NULL)
		eis_set_text(&row, "because", because);
	if (keyset->has_counter)
		eis_set(&row, "counter", Int64GetDatum(keyset->counter));
	eis_set(&row, "keys", Int16GetDatum((int16) (keyset->apart != NULL ? keyset->apart_keys : keyset->bare)));
	eis_set(&row, "check_values", check_values_datum(keyset, keyset->apart != NULL ? 0 : keyset->bare_count));
	eis_set(&row, "certificate_indexes",
			PointerGetDatum(construct_array(keyset->certificate_index, keyset->certificate_count, INT2OID, 2, true, TYPALIGN_SHORT)));
	eis_set(&row, "ca_ids",
			PointerGetDatum(construct_array(keyset->ca_id, keyset->certificate_count, BYTEAOID, -1, false, TYPALIGN_INT)));
	eis_set(&row, "certificates",
			PointerGetDatum(construct_array(keyset->certificate, keyset->certificate_count, BYTEAOID, -1, false, TYPALIGN_INT)));
	return eis_row_datum(&row);
}

/* transport NULL: no key of the document has a value */
static bool
read_under(EisReader *r, xmlNodePtr isdr, const SmsrAid *isdr_aid, Datum isdr_aid_datum,
		   TupleDesc desc, TupleDesc listed_desc, const TransportKey *transport, EisKeysets *read)
{
	SmsrBytes	kek = transport != NULL ? transport_key_open(r->eum_id, transport) : smsr_bytes(NULL, 0);
	bool		seen[128] = {false};
	bool		usable = false;
	bool		awaited = false;

	read->keysets = read->listed = NIL;
	for (xmlNodePtr node = isdr->children; node != NULL; node = node->next)
	{
		Keyset	   *keyset;

		if (!eis_is(r, node, "Keyset"))
			continue;
		keyset = palloc0(sizeof(Keyset));
		if (!read_keyset(r, node, transport, kek, keyset))
			return false;
		if (seen[keyset->kvn])
			return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID, "key version stands twice");
		seen[keyset->kvn] = true;
		if (keyset->count > 0)
			read->keysets = lappend(read->keysets, DatumGetPointer(keyset_row(r, isdr_aid, isdr_aid_datum, keyset, desc)));
		if (keyset->count == 0 || keyset->certificate_count > 0)
			read->listed = lappend(read->listed, DatumGetPointer(listed_row(r, isdr_aid_datum, keyset, listed_desc)));
		if (is_secure_channel(keyset->type))
		{
			usable = usable || keyset->count > 0;
			awaited = awaited || keyset->count == 0;
		}
		pfree(keyset);
	}
	if (!usable && !(awaited && smsr_eis_without_keys == SMSR_EIS_WITHOUT_KEYS_ACCEPT))
		return eis_reject(r, isdr, SUBJECT_EIS, REASON_MISSING, "there is no key set with keys");
	return true;
}

static bool
has_values(EisReader *r, xmlNodePtr isdr)
{
	for (xmlNodePtr node = isdr->children; node != NULL; node = node->next)
	{
		if (!eis_is(r, node, "Keyset"))
			continue;
		for (xmlNodePtr key = node->children; key != NULL; key = key->next)
		{
			if (eis_is(r, key, "Key") && has_value(r, key))
				return true;
		}
	}
	return false;
}

/*
 * An EUM that changes its transport key may have documents under the former one
 * under way: the newest valid one is tried first, and it is the one that a
 * reject speaks of.
 */
void
eis_read_keysets(EisReader *r, xmlNodePtr isdr, const SmsrAid *isdr_aid, Datum isdr_aid_datum,
				 TupleDesc desc, TupleDesc listed_desc, EisKeysets *read)
{
	TransportKey transport[TRANSPORT_KEYS_MAX];
	int			count = transport_keys_read(r->eum_id, transport);
	EisReject	first = {0};

	if (smsr_eis_without_keys == SMSR_EIS_WITHOUT_KEYS_ACCEPT && !has_values(r, isdr))
	{
		(void) read_under(r, isdr, isdr_aid, isdr_aid_datum, desc, listed_desc, NULL, read);
		return;
	}
	if (count == 0)
	{
		eis_reject(r, eis_find(r, eis_find(r, r->root, "EumSignedInfo"), "Eum-id"),
				   SUBJECT_REQUESTER, REASON_UNKNOWN, "no transport key for EUM %s", r->eum_id);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		if (read_under(r, isdr, isdr_aid, isdr_aid_datum, desc, listed_desc, &transport[i], read))
			break;
		if (first.reason == NULL)
			first = r->reject;
		r->reject = (EisReject) {0};
		if (i + 1 == count)
			r->reject = first;
	}
	secure_wipe();
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
