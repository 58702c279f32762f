/*
 * fuzz_decode.c
 *		Whatever comes is decoded into well-formed JSON, in whatever room; and
 *		what is shown of a PUT KEY does not depend on its keys.
 */
#include "fuzz.h"

#include "core/decode.h"
#include "core/scp80.h"
#include "core/script.h"
#include "core/sms.h"

#define ROOM	(256 * 1024)

/* ---- JSON as RFC 8259 has it, without blanks, fractions and signs ---- */

typedef struct Text
{
	const uint8_t *p;
	const uint8_t *end;
} Text;

static bool
accept(Text *t, const char *token)
{
	size_t		len = strlen(token);

	if ((size_t) (t->end - t->p) < len || memcmp(t->p, token, len) != 0)
		return false;
	t->p += len;
	return true;
}

static bool
is_hex_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
valid_string(Text *t)
{
	if (!accept(t, "\""))
		return false;
	while (t->p < t->end && *t->p != '"')
	{
		if (*t->p < 0x20 || *t->p > 0x7E)
			return false;
		if (*t->p++ != '\\')
			continue;
		if (accept(t, "u"))
		{
			if (t->end - t->p < 4 || memcmp(t->p, "0000", 4) == 0)
				return false;
			for (int i = 0; i < 4; i++)
			{
				if (!is_hex_digit(*t->p++))
					return false;
			}
		}
		else if (!accept(t, "\"") && !accept(t, "\\"))
			return false;
	}
	return accept(t, "\"");
}

static bool
valid_value(Text *t, int depth)
{
	bool		array = accept(t, "[");

	if (depth > 32)
		return false;
	if (array || accept(t, "{"))
	{
		const char *close = array ? "]" : "}";

		if (accept(t, close))
			return true;
		do
		{
			if (!array && (!valid_string(t) || !accept(t, ":")))
				return false;
			if (!valid_value(t, depth + 1))
				return false;
		} while (accept(t, ","));
		return accept(t, close);
	}
	if (t->p < t->end && *t->p >= '0' && *t->p <= '9')
	{
		if (accept(t, "0"))
			return true;
		while (t->p < t->end && *t->p >= '0' && *t->p <= '9')
			t->p++;
		return true;
	}
	return accept(t, "true") || accept(t, "false") || valid_string(t);
}

static void
well_formed(SmsrBytes json)
{
	Text		t = {json.data, json.data + json.len};

	property(json.len >= 2 && json.data[0] == '{');
	property(valid_value(&t, 1) && t.p == t.end);
}

/* ---- anything ---- */

static SmsrWriter
decoded(SmsrBytes input, DecodeKind kind, size_t room)
{
	SmsrWriter	w = heap_writer(room);

	decode(input, kind, &w);
	if (room < 16)
		property(w.overflow && w.len == 0);
	else
	{
		property(!w.overflow);
		well_formed(smsr_written(&w));
	}
	return w;
}

/* ---- PUT KEY ---- */

static void
put_key(SmsrWriter *w, uint8_t kvn, uint8_t p1, uint8_t types, uint8_t len, uint8_t secret)
{
	static const uint8_t known[] = {0x80, 0x82, 0x85, 0x88};
	uint8_t		buffer[255];
	SmsrWriter	data = smsr_writer(buffer, sizeof(buffer));

	put_u8(&data, kvn);
	for (int i = 0; i < 3; i++)
	{
		put_u8(&data, known[types >> (2 * i) & 3]);
		put_u8(&data, len);
		/* octets that would be types, lengths and templates elsewhere too */
		for (int j = 0; j < len; j++)
			put_u8(&data, (uint8_t) (secret ^ (j * 29)));
		if ((types & 0x40) != 0)
			put_u8(&data, 0);
		else
			put_u32(&data, 0x03504A77);
	}
	put_u32(w, (uint32_t) (0x80D80001 | p1 << 8));
	put_u8(w, (uint8_t) data.len);
	put_bytes(w, buffer, data.len);
}

/* The command as it is, in a script, in a packet in the clear, in its TP-UD. */
static SmsrWriter
wrapped(int layer, uint8_t kvn, uint8_t p1, uint8_t types, uint8_t len, uint8_t secret, size_t cut)
{
	static Scp80 *scp80;
	static const Scp80Header header = {.tar = {0, 0, 1}};
	static const Scp80Keys keys;
	SmsrWriter	w = heap_writer(512);
	SmsrWriter	inner = heap_writer(512);
	SmsrBytes	apdu;
	SmsrError	error;

	put_key(&w, kvn, p1, types, len, secret);
	for (int i = 1; i <= layer; i++)
	{
		SmsrWriter	t = inner;

		inner = w;
		w = t;
		w.len = 0;
		apdu = smsr_written(&inner);
		if (i == 1)
			property(script_write(&apdu, 1, false, &w, &error));
		else if (i == 2)
		{
			if (scp80 == NULL)
				scp80 = scp80_new();
			property(scp80_seal_command(scp80, SCP80_SMS, &header, &keys, apdu, &w, &error));
		}
		else
			property(sms_segment(apdu, SMS_IEI_COMMAND, 1, 8, 0, &w, &error));
	}
	free(inner.data);
	if (cut > 0 && w.len > cut)
		w.len -= cut;
	return w;
}

/*
 * Two commands that differ in nothing but their keys look alike.  Only as what
 * they are: somebody who forces another reading is told where it fails.
 */
static void
keys_stay_hidden(SmsrBytes input)
{
	static const DecodeKind kinds[] = {
		DECODE_APDU, DECODE_SCRIPT, DECODE_COMMAND_PACKET, DECODE_TP_UD
	};
	uint8_t		layer = take_u8(&input) & 3;
	uint8_t		kvn = take_u8(&input);
	uint8_t		p1 = take_u8(&input);
	uint8_t		types = take_u8(&input);
	uint8_t		len = take_u8(&input) % 40;
	uint8_t		cut = take_u8(&input);
	DecodeKind	kind = (take_u8(&input) & 1) != 0 ? kinds[layer] : DECODE_ANY;
	SmsrWriter	seen[2];

	for (int i = 0; i < 2; i++)
	{
		SmsrWriter	w = wrapped(layer, kvn, p1, types, len, i == 0 ? 0xAA : 0x55, cut);

		seen[i] = decoded(smsr_written(&w), kind, ROOM);
		free(w.data);
	}
	property(same_bytes(smsr_written(&seen[0]), smsr_written(&seen[1])));
	free(seen[0].data);
	free(seen[1].data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);
	uint8_t		kind = take_u8(&input) % (DECODE_KINDS + 1);
	uint8_t		room = take_u8(&input);

	if (kind == DECODE_KINDS)
		keys_stay_hidden(input);
	else
	{
		free(decoded(input, (DecodeKind) kind, ROOM).data);
		free(decoded(input, (DecodeKind) kind, (size_t) room * 4).data);
	}
	return 0;
}
