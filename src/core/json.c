/*
 * json.c
 *		A writer of JSON whose text is well-formed wherever its room ends.
 */
#include "json.h"

#include <stdio.h>
#include <string.h>

/* kept free at the end, beside an octet for each that is open */
static const char cut[] = ",\"cut\":true";

#define CUT_LEN		(sizeof(cut) - 1)

/* Begin a member or element of len octets, which the caller then writes. */
static bool
begin(Json *json, const char *key, size_t len, size_t closing)
{
	size_t		room = json->out->cap - json->out->len;
	size_t		kept = CUT_LEN + (size_t) json->depth + closing;
	size_t		prefix = json->comma;

	if (json->full || json->skipped > 0)
		return false;
	if (key != NULL)
		prefix += strlen(key) + 3;
	if (kept > room || prefix > room - kept || len > room - kept - prefix)
	{
		json->full = true;
		return false;
	}
	if (json->comma)
		put_u8(json->out, ',');
	if (key != NULL)
	{
		put_u8(json->out, '"');
		put_bytes(json->out, key, strlen(key));
		put_u16(json->out, '"' << 8 | ':');
	}
	json->comma = true;
	return true;
}

static void
open_it(Json *json, const char *key, bool array)
{
	if (json->depth == JSON_MAX_DEPTH)
		json->full = true;
	if (!begin(json, key, 1, 1))
	{
		json->skipped++;
		return;
	}
	put_u8(json->out, array ? '[' : '{');
	json->arrays &= ~(UINT32_C(1) << json->depth);
	if (array)
		json->arrays |= UINT32_C(1) << json->depth;
	json->depth++;
	json->comma = false;
}

void
json_begin(Json *json, SmsrWriter *out)
{
	*json = (Json) {.out = out};
	if (out->cap - out->len < JSON_MIN_ROOM)
	{
		out->overflow = true;
		json->full = true;
		json->skipped = 1;
		return;
	}
	open_it(json, NULL, false);
}

void
json_end(Json *json)
{
	if (json->depth == 0)
		return;
	while (json->depth > 1)
	{
		json->skipped = 0;
		json_close(json);
	}
	if (json->full)
		put_bytes(json->out, cut + !json->comma, CUT_LEN - !json->comma);
	json->skipped = 0;
	json_close(json);
}

void
json_open_object(Json *json, const char *key)
{
	open_it(json, key, false);
}

void
json_open_array(Json *json, const char *key)
{
	open_it(json, key, true);
}

void
json_close(Json *json)
{
	if (json->skipped > 0)
	{
		json->skipped--;
		return;
	}
	json->depth--;
	put_u8(json->out, (json->arrays >> json->depth & 1) != 0 ? ']' : '}');
	json->comma = true;
}

/* Escaped in this many octets of JSON text. */
static size_t
escaped_len(uint8_t octet)
{
	if (octet == '"' || octet == '\\')
		return 2;
	return octet < 0x20 || octet > 0x7E ? 6 : 1;
}

static void
put_escaped(SmsrWriter *out, uint8_t octet)
{
	char		text[8];

	switch (escaped_len(octet))
	{
		case 1:
			put_u8(out, octet);
			break;
		case 2:
			put_u16(out, (uint16_t) ('\\' << 8 | octet));
			break;
		default:
			/* no jsonb can hold U+0000 */
			snprintf(text, sizeof(text), "\\u%04x", octet == 0 ? 0xFFFDu : octet);
			put_bytes(out, text, 6);
	}
}

static void
put_string(Json *json, const char *key, SmsrBytes value)
{
	size_t		len = 2;

	for (size_t i = 0; i < value.len; i++)
		len += escaped_len(value.data[i]);
	if (!begin(json, key, len, 0))
		return;
	put_u8(json->out, '"');
	for (size_t i = 0; i < value.len; i++)
		put_escaped(json->out, value.data[i]);
	put_u8(json->out, '"');
}

void
json_string(Json *json, const char *key, const char *value)
{
	put_string(json, key, smsr_bytes(value, strlen(value)));
}

void
json_number(Json *json, const char *key, uint64_t value)
{
	char		text[24];
	int			len = snprintf(text, sizeof(text), "%llu", (unsigned long long) value);

	if (begin(json, key, (size_t) len, 0))
		put_bytes(json->out, text, (size_t) len);
}

void
json_bool(Json *json, const char *key, bool value)
{
	const char *text = value ? "true" : "false";

	if (begin(json, key, strlen(text), 0))
		put_bytes(json->out, text, strlen(text));
}

static void
put_hex(Json *json, const char *key, const char *prefix, SmsrBytes value)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t		prefix_len = strlen(prefix);

	if (!begin(json, key, 2 + prefix_len + 2 * value.len, 0))
		return;
	put_u8(json->out, '"');
	put_bytes(json->out, prefix, prefix_len);
	for (size_t i = 0; i < value.len; i++)
	{
		put_u8(json->out, (uint8_t) digits[value.data[i] >> 4]);
		put_u8(json->out, (uint8_t) digits[value.data[i] & 0x0F]);
	}
	put_u8(json->out, '"');
}

void
json_hex(Json *json, const char *key, SmsrBytes value)
{
	put_hex(json, key, "", value);
}

void
json_hex_number(Json *json, const char *key, uint32_t value, int digits)
{
	char		text[12];

	snprintf(text, sizeof(text), "%0*lX", digits, (unsigned long) value);
	json_string(json, key, text);
}

void
json_text(Json *json, const char *key, SmsrBytes value)
{
	for (size_t i = 0; i < value.len; i++)
	{
		if (value.data[i] < 0x20 || value.data[i] > 0x7E)
		{
			put_hex(json, key, "0x", value);
			return;
		}
	}
	put_string(json, key, value);
}
