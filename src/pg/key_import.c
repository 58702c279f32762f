/*
 * key_import.c
 *		Key sets that do not come with an EIS: derived from a master key, or
 *		wrapped under the transport key of the eUICC's EUM.
 *
 * A line that is wrong is no ereport: one bad line must not end a batch.  It is
 * a reason, which never quotes what stood there: that may be a key.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "core/eid.h"
#include "core/key_check.h"
#include "fmgr.h"
#include "funcapi.h"
#include "pg/keystore.h"
#include "pg/named_key.h"
#include "pg/report.h"
#include "pg/secure.h"
#include "pg/transport_key.h"
#include "pg/types.h"
#include "utils/builtins.h"

#define KEYS		3

PG_FUNCTION_INFO_V1(smsr_try_eid);
PG_FUNCTION_INFO_V1(smsr_derive_keyset);
PG_FUNCTION_INFO_V1(smsr_unwrap_keyset);
PG_FUNCTION_INFO_V1(smsr_keyset_fault);

/* One line on its way to a row of smsr.keyset. */
typedef struct ImportLine
{
	const uint8 *eid;
	SmsrAid		sd_aid;
	int16		kvn;
	const char *type;
	const char *reason;			/* NULL: nothing is wrong */

	uint8		stated[KEYS * KEY_CHECK_VALUE_LEN];
	int			stated_count;	/* check values that were delivered */

	uint8		key_type[KEYS];
	KeysetKeys	keys;			/* in locked memory */
	int			count;
	uint8		check_values[KEYS * KEY_CHECK_VALUE_LEN];
} ImportLine;

static bool
refuse(ImportLine *line, const char *reason)
{
	if (line->reason == NULL)
		line->reason = reason;
	return false;
}

/* ---- text ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Octets of the hexadecimal digits at *text, up to a space or the end, which
 * *text is moved behind; -1 if they are none or more than room.
 */
static int
next_octets(const char **text, uint8 *octets, int room)
{
	const char *p = *text;
	int			len = 0;

	while (*p == ' ')
		p++;
	for (; *p != '\0' && *p != ' '; p += 2)
	{
		int			high = hex_digit(p[0]);
		int			low = high < 0 ? -1 : hex_digit(p[1]);

		if (low < 0 || len == room)
			return -1;
		octets[len++] = (uint8) (high << 4 | low);
	}
	while (*p == ' ')
		p++;
	*text = p;
	return len;
}

static const char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* Delivered check values: three octets each, spaces or none between them. */
static bool
read_stated(ImportLine *line, const char *text)
{
	int			len = 0;

	while (text != NULL && *text != '\0')
	{
		int			more = next_octets(&text, line->stated + len, (int) sizeof(line->stated) - len);

		if (more < 0)
			return refuse(line, "check_values must be at most three times 3 octets in hexadecimal");
		len += more;
	}
	if (len % KEY_CHECK_VALUE_LEN != 0)
		return refuse(line, "check_values must be at most three times 3 octets in hexadecimal");
	line->stated_count = len / KEY_CHECK_VALUE_LEN;
	return true;
}

/* ---- checks ---- */

static bool
check_keys(ImportLine *line, bool authenticated)
{
	if (line->stated_count > line->count)
		return refuse(line, "there are more check values than keys");
	for (int i = 0; i < line->count; i++)
	{
		const uint8 *stated = i < line->stated_count ? line->stated + i * KEY_CHECK_VALUE_LEN : NULL;

		switch (key_check(line->key_type[i], line->keys.key[i], stated, authenticated,
						  line->check_values + i * KEY_CHECK_VALUE_LEN))
		{
			case KEY_CHECK_RIGHT:
				break;
			case KEY_CHECK_MISSING:
				return refuse(line, "a check value is missing, and the wrap mode does not tell a wrong key");
			case KEY_CHECK_ZEROS:
				return refuse(line, "check values were computed over octets 00, GlobalPlatform wants 01 (Amendment D)");
			case KEY_CHECK_WRONG:
				return refuse(line, "check value is not that of the key");
			case KEY_CHECK_IMPOSSIBLE:
				return refuse(line, "length of a key does not fit its type");
		}
	}
	return true;
}

/* The row, with sealed keys or with a reason; wipes them. */
static Datum
line_row(FunctionCallInfo fcinfo, ImportLine *line)
{
	TupleDesc	desc;
	Datum		values[4] = {0};
	bool		nulls[4] = {true, true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (line->reason != NULL)
	{
		values[3] = CStringGetTextDatum(line->reason);
		nulls[3] = false;
	}
	else
	{
		int			len = line->count * KEY_CHECK_VALUE_LEN;
		bytea	   *check_values = palloc(VARHDRSZ + len);

		SET_VARSIZE(check_values, VARHDRSZ + len);
		memcpy(VARDATA(check_values), line->check_values, len);
		values[0] = Int16GetDatum(line->key_type[0]);
		values[1] = PointerGetDatum(check_values);
		values[2] = PointerGetDatum(keystore_seal(line->eid, smsr_bytes(line->sd_aid.octets, line->sd_aid.len),
												  (uint8) line->kvn, line->key_type[0], &line->keys));
		nulls[0] = nulls[1] = nulls[2] = false;
	}
	secure_wipe();
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

static void
need_args(FunctionCallInfo fcinfo, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d of a key set must not be null", i + 1)));
	}
}

/* eid, sd_aid, kvn and type at the head of an argument list, the first needed of which are not null */
static ImportLine
line_args(FunctionCallInfo fcinfo, int needed)
{
	ImportLine	line = {0};

	need_args(fcinfo, needed);
	line.eid = PG_GETARG_EID(0);
	line.sd_aid = PG_GETARG_AID(1);
	line.kvn = PG_GETARG_INT16(2);
	line.type = text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (line.kvn < 1 || line.kvn > 127)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("kvn must be 1 to 127")));
	return line;
}

/* ---- derived ---- */

static bool
read_key_length(ImportLine *line, const char *text, size_t master_len, size_t *len)
{
	*len = master_len;
	if (text == NULL)
		return true;
	if (strcmp(text, "16") != 0 && strcmp(text, "24") != 0 && strcmp(text, "32") != 0)
		return refuse(line, "key_length must be 16, 24 or 32");
	*len = (size_t) atoi(text);
	return true;
}

static bool
derive(ImportLine *line, Diversification scheme, SmsrBytes master, const char *kdd, const char *key_length)
{
	DiversifiedKeys *derived = &secure_memory()->derived;
	uint8		octets[DIVERSIFICATION_KDD_LEN];
	SmsrBytes	source = smsr_bytes(line->eid, EID_LEN);
	size_t		len;
	SmsrError	error;

	if (strcmp(line->type, "SCP81") == 0)
		return refuse(line, "keys for SCP81 can not be derived");
	if (!read_key_length(line, key_length, master.len, &len))
		return false;
	if (scheme == DIVERSIFY_EID)
	{
		if (kdd != NULL)
			return refuse(line, "scheme eid-cmac goes by the EID, and kdd must not be given");
	}
	else
	{
		if (len != master.len)
			return refuse(line, "scheme makes keys as long as the master key");
		if (kdd == NULL || next_octets(&kdd, octets, sizeof(octets)) != sizeof(octets) || *kdd != '\0')
			return refuse(line, "kdd must be 10 octets in hexadecimal");
		source = smsr_bytes(octets, sizeof(octets));
	}
	if (!diversify(scheme, master, source, (uint8) line->kvn, len, derived, &error))
		smsr_report_build(&error, "derived key set");
	line->count = KEYS;
	for (int i = 0; i < KEYS; i++)
	{
		line->key_type[i] = diversification_key_type(scheme);
		line->keys.key[i] = smsr_bytes(derived->key[i], derived->len);
	}
	/* a wrong check value is a wrong kdd: without one there is nothing to tell */
	return check_keys(line, true);
}

/*
 * (eid, sd_aid, kvn, type, master text, scheme text, master_sealed bytea, kdd text,
 * key_length text, delivered text)
 */
Datum
smsr_derive_keyset(PG_FUNCTION_ARGS)
{
	ImportLine	line = line_args(fcinfo, 7);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(4));
	char	   *scheme_name = text_to_cstring(PG_GETARG_TEXT_PP(5));
	bytea	   *sealed = PG_GETARG_BYTEA_PP(6);
	SmsrWriter	master = smsr_writer(secure_memory()->transport_key, SEALING_KEY_LEN);
	Diversification scheme;
	NamedKeyPlace place;

	named_key_place(NAMED_MASTER_KEY, name, scheme_name, 1, &place);
	if (!diversification_parse(scheme_name, &scheme) ||
		!keystore_open_secret(&place.place, smsr_bytes(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed)), &master))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("master key \"%s\" does not open", name),
				 errhint("Its row in smsr.master_key was altered: import the key again.")));
	if (read_stated(&line, text_arg(fcinfo, 9)))
		derive(&line, scheme, smsr_written(&master), text_arg(fcinfo, 7), text_arg(fcinfo, 8));
	PG_RETURN_DATUM(line_row(fcinfo, &line));
}

/* ---- wrapped ---- */

/* One type for all, one each, or the usual ones. */
static bool
read_key_types(ImportLine *line, const char *text)
{
	uint8		types[KEYS];
	int			count = 0;

	while (text != NULL && *text != '\0')
	{
		if (count == KEYS || next_octets(&text, types + count, 1) != 1)
			return refuse(line, "key_types must be an octet for each key, in hexadecimal");
		count++;
	}
	if (count > 1 && count != line->count)
		return refuse(line, "key_types must be one, or as many as there are keys");
	for (int i = 0; i < line->count; i++)
	{
		uint8		usual = strcmp(line->type, "SCP81") == 0 && i == 0 ? KEY_TYPE_PSK : KEY_TYPE_AES;

		line->key_type[i] = count == 0 ? usual : types[count == 1 ? 0 : i];
		if (!key_type_fits(line->type, i + 1, line->key_type[i], i == 0 ? 0 : line->key_type[0]))
			return refuse(line, "a key type does not fit the type of the key set");
	}
	return true;
}

static bool
unwrap_under(ImportLine *line, WrapMode mode, SmsrBytes kek, const char *keys, const char *key_types)
{
	SecureMemory *memory = secure_memory();

	line->count = 0;
	while (*keys != '\0')
	{
		SmsrWriter	out;
		int			len;

		if (line->count == KEYS)
			return refuse(line, "keys must be at most three");
		len = next_octets(&keys, memory->wrapped, sizeof(memory->wrapped));
		if (len <= 0)
			return refuse(line, "keys must be in hexadecimal, a space between them");
		out = smsr_writer(memory->unwrapped[line->count], KEYSET_MAX_LEN);
		if (!key_unwrap(mode, kek, smsr_bytes(memory->wrapped, len), &out, NULL))
			return refuse(line, "a key does not unwrap under the transport key of the EUM");
		line->keys.key[line->count++] = smsr_written(&out);
	}
	if (line->count == 0 || (line->count == 1 && strcmp(line->type, "SCP80") == 0))
		return refuse(line, "a key is missing");
	if (!read_key_types(line, key_types))
		return false;
	for (int i = 0; i < line->count; i++)
	{
		if (!key_len_fits(line->key_type[i], line->keys.key[i].len))
			return refuse(line, "length of a key does not fit its type");
	}
	return check_keys(line, wrap_mode_authenticates(mode));
}

/* The newest transport key is tried first, and is the one that a reason speaks of. */
static void
unwrap_line(ImportLine *line, const char *eum_id, const char *keys, const char *key_types)
{
	TransportKey transport[TRANSPORT_KEYS_MAX];
	int			count = transport_keys_read(eum_id, transport);
	const char *first = NULL;

	if (count == 0)
	{
		refuse(line, "there is no transport key of the eUICC's EUM");
		return;
	}
	for (int i = 0; i < count; i++)
	{
		/* a file is no secured channel: nothing comes in clear */
		if (transport[i].mode == WRAP_NONE)
			refuse(line, "keys in files must be wrapped, and the EUM's transport key is of mode none");
		else if (unwrap_under(line, transport[i].mode, transport_key_open(eum_id, &transport[i]), keys, key_types))
			return;
		if (first == NULL)
			first = line->reason;
		line->reason = NULL;
	}
	line->reason = first;
}

/* (eid, sd_aid, kvn, type, eum_id text, keys text, key_types text, delivered text) */
Datum
smsr_unwrap_keyset(PG_FUNCTION_ARGS)
{
	ImportLine	line = line_args(fcinfo, 6);

	if (read_stated(&line, text_arg(fcinfo, 7)))
		unwrap_line(&line, text_arg(fcinfo, 4), text_arg(fcinfo, 5), text_arg(fcinfo, 6));
	PG_RETURN_DATUM(line_row(fcinfo, &line));
}

/* ---- what is there ---- */

Datum
smsr_try_eid(PG_FUNCTION_ARGS)
{
	text	   *digits = PG_GETARG_TEXT_PP(0);
	uint8	   *eid = palloc(EID_LEN);

	if (!eid_parse(VARDATA_ANY(digits), VARSIZE_ANY_EXHDR(digits), eid, NULL))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(eid);
}

/* The other keys of a set for TLS than its first are AES or DES, and the row does not say which. */
static bool
check_value_is(uint8 set_type, int index, SmsrBytes key, const uint8 *stated)
{
	uint8		computed[KEY_CHECK_VALUE_LEN];

	if (key.len == 0 || (set_type == KEY_TYPE_PSK && index == 0))
		return true;
	if (set_type != KEY_TYPE_PSK)
		return key_check(set_type, key, stated, false, computed) == KEY_CHECK_RIGHT;
	return key_check(KEY_TYPE_AES, key, stated, false, computed) == KEY_CHECK_RIGHT ||
		key_check(KEY_TYPE_DES, key, stated, false, computed) == KEY_CHECK_RIGHT;
}

/* (eid, sd_aid, kvn smallint, key_type smallint, check_values bytea, sealed bytea) */
Datum
smsr_keyset_fault(PG_FUNCTION_ARGS)
{
	SmsrAid		sd_aid;
	uint8		key_type;
	bytea	   *stated = PG_ARGISNULL(4) ? NULL : PG_GETARG_BYTEA_PP(4);
	bytea	   *sealed;
	const KeysetKeys *keys;
	bool		right = true;

	need_args(fcinfo, 4);
	if (PG_ARGISNULL(5))
		PG_RETURN_TEXT_P(cstring_to_text("key set does not open in its place"));
	sd_aid = PG_GETARG_AID(1);
	key_type = (uint8) PG_GETARG_INT16(3);
	sealed = PG_GETARG_BYTEA_PP(5);
	keys = keystore_try_open(PG_GETARG_EID(0), smsr_bytes(sd_aid.octets, sd_aid.len), (uint8) PG_GETARG_INT16(2), key_type,
							 smsr_bytes(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed)));
	if (keys == NULL)
		PG_RETURN_TEXT_P(cstring_to_text("key set does not open in its place"));
	for (int i = 0; i < KEYS; i++)
	{
		if (stated != NULL && (i + 1) * KEY_CHECK_VALUE_LEN <= (int) VARSIZE_ANY_EXHDR(stated))
			right = check_value_is(key_type, i, keys->key[i],
								   (uint8 *) VARDATA_ANY(stated) + i * KEY_CHECK_VALUE_LEN) && right;
	}
	keystore_wipe();
	if (!right)
		PG_RETURN_TEXT_P(cstring_to_text("check values are not those of the keys"));
	PG_RETURN_NULL();
}
