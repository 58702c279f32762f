/*
 * decode.c
 *		What travels between SM-SR and card, in readable JSON: which kind it is,
 *		short messages, notifications.
 */
#include "decode.h"

#include <string.h>

#include "decode_parts.h"
#include "names.h"
#include "notification.h"
#include "script.h"
#include "sms.h"
#include "tlv.h"

#define TAG_NOTIFICATION	0xE1

/* the longest user data of a report, TS 23.040 clause 9.2.2.1a */
#define MAX_TP_UD	159

static const char *const kind_names[DECODE_KINDS] = {
	NULL, "tp_ud", "command_packet", "response_packet", "script", "apdu",
	"notification", "compact_response"
};

bool
decode_kind_parse(const char *name, DecodeKind *kind)
{
	int			i = name_index(kind_names, DECODE_KINDS, name);

	if (i < 0)
		return false;
	*kind = (DecodeKind) i;
	return true;
}

/* ---- what all share ---- */

void
decode_fault(Decoder *d, SmsrBytes part, const SmsrError *error)
{
	json_open_object(&d->json, "fault");
	json_string(&d->json, "what", smsr_error_name(error->code));
	json_string(&d->json, "field", error->field);
	json_number(&d->json, "offset", (size_t) (part.data - d->start) + error->offset);
	json_string(&d->json, "expected", error->expected);
	json_close(&d->json);
}

void
decode_aid(Decoder *d, const char *key, const SmsrAid *aid)
{
	if (aid->len > 0)
		json_hex(&d->json, key, smsr_bytes(aid->octets, aid->len));
}

void
decode_length(Decoder *d, const char *key, size_t len)
{
	json_number(&d->json, key, len);
}

static void
decode_octets(Decoder *d, SmsrBytes data)
{
	json_string(&d->json, "kind", "octets");
	decode_length(d, "length", data.len);
}

/* ---- notifications ---- */

static const char *
notification_name(uint8_t type)
{
	switch (type)
	{
		case NOTIFICATION_FIRST_ATTACH:
			return "eUICC declaration, first network attachment";
		case NOTIFICATION_CHANGE_SUCCEEDED:
			return "profile change succeeded";
		case NOTIFICATION_CHANGE_FAILED:
			return "profile change failed, rolled back";
		case NOTIFICATION_VOID:
			return "void";
		case NOTIFICATION_FALL_BACK:
			return "profile change after fall-back";
		default:
			return "unknown";
	}
}

/*
 * TS 24.008 clause 10.5.1.4: the digits in swapped nibbles behind one that
 * says that this is an IMEI.  As they stand if they are not coded so.
 */
static void
decode_imei(Decoder *d, const uint8_t octets[8])
{
	char		digits[16];

	for (int i = 1; i < 16; i++)
	{
		uint8_t		digit = (i & 1) != 0 ? octets[i / 2] >> 4 : octets[i / 2] & 0x0F;

		if (digit > 9 || (octets[0] & 0x07) != 0x02)
		{
			json_hex(&d->json, "imei", smsr_bytes(octets, 8));
			return;
		}
		digits[i - 1] = (char) ('0' + digit);
	}
	digits[15] = '\0';
	json_string(&d->json, "imei", digits);
}

static void
decode_notification(Decoder *d, SmsrBytes data)
{
	Notification n;
	SmsrError	error;

	json_string(&d->json, "kind", "notification");
	if (!notification_read(data, &n, &error))
	{
		decode_length(d, "length", data.len);
		decode_fault(d, data, &error);
		return;
	}
	json_hex(&d->json, "eid", smsr_bytes(n.eid, EID_LEN));
	if (!eid_check(n.eid, &error))
		json_bool(&d->json, "eid_valid", false);
	json_number(&d->json, "type", n.type);
	json_string(&d->json, "type_name", notification_name(n.type));
	json_number(&d->json, "sequence", n.sequence);
	decode_aid(d, "enabled", &n.enabled);
	if (n.has_imei)
		decode_imei(d, n.imei);
	if (n.has_meid)
		json_hex(&d->json, "meid", smsr_bytes(n.meid, sizeof(n.meid)));
}

/* One object of this tag and nothing after it. */
static bool
is_template(SmsrBytes data, uint32_t tag)
{
	TlvReader	r = tlv_reader(data);
	SmsrTlv		tlv;

	return tlv_read(&r, "template", &tlv, NULL) && tlv.tag == tag && tlv_at_end(&r);
}

/* ---- short messages ---- */

static bool
looks_like_tp_ud(SmsrBytes data)
{
	SmsHeader	header;

	return data.len <= MAX_TP_UD && sms_read(data, &header, NULL) &&
		(header.cpi != 0 || header.concatenated);
}

static void
decode_tp_ud(Decoder *d, SmsrBytes tp_ud)
{
	SmsHeader	header;
	SmsrError	error;
	bool		command;

	json_string(&d->json, "kind", "tp_ud");
	decode_length(d, "length", tp_ud.len);
	if (!sms_read(tp_ud, &header, &error))
	{
		decode_fault(d, tp_ud, &error);
		return;
	}
	if (header.concatenated)
	{
		json_open_object(&d->json, "concatenation");
		json_number(&d->json, "reference", header.reference);
		json_number(&d->json, "reference_bits", header.reference_bits);
		json_number(&d->json, "total", header.total);
		json_number(&d->json, "sequence", header.sequence);
		json_close(&d->json);
	}
	if (header.cpi != 0)
		json_hex_number(&d->json, "security_header", header.cpi, 2);

	command = header.cpi == SMS_IEI_COMMAND;
	json_open_object(&d->json, "packet");
	if (header.cpi == 0)
	{
		/* of a later short message nobody knows what it continues */
		json_string(&d->json, "kind", header.concatenated ? "continuation" : "octets");
		decode_length(d, "length", header.payload.len);
	}
	else if (header.total == 1)
		decode_packet(d, header.payload, command, SCP80_SMS);
	else
		decode_first_segment(d, header.payload, command);
	json_close(&d->json);
}

/* ---- which kind it is ---- */

void
decode_content(Decoder *d, SmsrBytes data)
{
	const uint8_t tag = data.len > 0 ? data.data[0] : 0;

	if (tag == SCRIPT_COMMAND || tag == SCRIPT_COMMAND_INDEFINITE ||
		tag == SCRIPT_RESPONSE || tag == SCRIPT_RESPONSE_INDEFINITE)
		decode_script(d, data);
	else if (is_template(data, TAG_NOTIFICATION))
		decode_notification(d, data);
	else if (looks_like_trigger(data))
		decode_trigger(d, data);
	else if (looks_like_answer(data))
		decode_answer(d, data);
	else if (looks_like_apdu(data))
		decode_apdu(d, data);
	else if (tag == TAG_NOTIFICATION)
		decode_notification(d, data);
	else
		decode_octets(d, data);
}

/*
 * No two of these fit the same octets: a user data header is shorter than a
 * packet whose CPL begins like it, CHL and RHL have no length in common, and
 * content begins with octets that would be lengths beyond its own.
 */
static void
decode_any(Decoder *d, SmsrBytes data)
{
	if (looks_like_tp_ud(data))
	{
		decode_tp_ud(d, data);
		return;
	}
	for (int i = 0; i < 4; i++)
	{
		bool		command = (i & 1) == 0;
		Scp80Bearer bearer = i < 2 ? SCP80_SMS : SCP80_CAT_TP;

		if (looks_like_packet(data, command, bearer))
		{
			decode_packet(d, data, command, bearer);
			return;
		}
	}
	decode_content(d, data);
}

/* Which dialect a packet is in that is said to be one: CAT_TP's if it fits. */
static Scp80Bearer
bearer_of(SmsrBytes packet, bool command)
{
	return looks_like_packet(packet, command, SCP80_CAT_TP) ? SCP80_CAT_TP : SCP80_SMS;
}

void
decode(SmsrBytes data, DecodeKind kind, SmsrWriter *out)
{
	Decoder		decoder = {.start = NULL};
	Decoder    *d = &decoder;

	/* nothing may be NULL, from which no offset can be counted */
	if (data.len == 0)
		data = smsr_bytes("", 0);
	d->start = data.data;
	json_begin(&d->json, out);
	switch (kind)
	{
		case DECODE_TP_UD:
			decode_tp_ud(d, data);
			break;
		case DECODE_COMMAND_PACKET:
			decode_packet(d, data, true, bearer_of(data, true));
			break;
		case DECODE_RESPONSE_PACKET:
			decode_packet(d, data, false, bearer_of(data, false));
			break;
		case DECODE_SCRIPT:
			decode_script(d, data);
			break;
		case DECODE_APDU:
			decode_apdu(d, data);
			break;
		case DECODE_NOTIFICATION:
			decode_notification(d, data);
			break;
		case DECODE_COMPACT_RESPONSE:
			decode_compact_response(d, data);
			break;
		case DECODE_ANY:
			decode_any(d, data);
			break;
	}
	json_end(&d->json);
}
