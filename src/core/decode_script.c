/*
 * decode_script.c
 *		What secured data is, but for single commands: scripts and answers
 *		(TS 102 226 clause 5), SCP81 triggers (GlobalPlatform Amendment B).
 */
#include "decode_parts.h"

#include "es5.h"
#include "es5_answer.h"
#include "script.h"

#define TAG_CARD_RESOURCES_1	0xFF
#define TAG_C_APDU_CR			0xA2

/* ---- status words ---- */

static const struct
{
	uint16_t	sw;
	uint16_t	mask;
	const char *meaning;
}			meanings[] = {
	{SW_OK, 0xFFFF, "done"},
	{0x6100, 0xFF00, "done, more data can be fetched"},
	{0x9F00, 0xFF00, "done, more data can be fetched"},
	{0x9100, 0xFF00, "done, a proactive command waits"},
	{0x62F1, 0xFFFF, "answer truncated, the rest of the script was not executed"},
	{0x6310, 0xFFFF, "more data available"},
	{0x63C0, 0xFFF0, "verification failed, some tries are left"},
	{SW_MEMORY_FAILURE, 0xFFFF, "memory failure"},
	{0x6700, 0xFFFF, "wrong length"},
	{0x6982, 0xFFFF, "security status not satisfied"},
	{0x6983, 0xFFFF, "authentication method blocked"},
	{SW_CONDITIONS, 0xFFFF, "conditions not satisfied: the profile's state or the fall-back attribute"},
	{SW_POL1, 0xFFFF, "POL1 forbids it"},
	{SW_WRONG_DATA, 0xFFFF, "incorrect data"},
	{0x6A81, 0xFFFF, "function not supported"},
	{SW_NOT_FOUND, 0xFFFF, "application or file not found"},
	{SW_NO_MEMORY, 0xFFFF, "not enough memory"},
	{0x6A86, 0xFFFF, "incorrect P1 or P2"},
	{SW_REFERENCE_NOT_FOUND, 0xFFFF, "referenced data not found: unknown ISD-P"},
	{0x6B00, 0xFFFF, "wrong P1 or P2"},
	{0x6C00, 0xFF00, "wrong Le"},
	{0x6D00, 0xFFFF, "instruction not supported"},
	{0x6E00, 0xFFFF, "class not supported"},
	{0x6F00, 0xFFFF, "technical problem"},
	{0x9300, 0xFFFF, "busy with a proactive command"},
	{0x9484, 0xFFFF, "algorithm not supported"},
	{0x9485, 0xFFFF, "wrong key check value"},
};

static void
decode_sw(Decoder *d, uint16_t sw)
{
	json_hex_number(&d->json, "sw", sw, 4);
	json_bool(&d->json, "success", sw_is_success(sw) || sw >> 8 == 0x91);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
	{
		if ((sw & meanings[i].mask) == meanings[i].sw)
		{
			json_string(&d->json, "meaning", meanings[i].meaning);
			return;
		}
	}
}

/* ---- answers ---- */

static const char *
isdp_state(uint8_t lcs)
{
	switch (lcs)
	{
		case ISDP_SELECTABLE:
			return "selectable";
		case ISDP_PERSONALIZED:
			return "personalized";
		case ISDP_DISABLED:
			return "disabled";
		case ISDP_ENABLED:
			return "enabled";
		default:
			return "unknown";
	}
}

static void
decode_isdps(Decoder *d, SmsrBytes data)
{
	TlvReader	r = tlv_reader(data);
	Es5Isdp		isdp;
	SmsrError	error;

	json_open_array(&d->json, "isdps");
	while (es5_next_isdp(&r, &isdp, &error))
	{
		json_open_object(&d->json, NULL);
		decode_aid(d, "aid", &isdp.aid);
		json_hex_number(&d->json, "lcs", isdp.lcs, 2);
		json_string(&d->json, "state", isdp_state(isdp.lcs));
		json_bool(&d->json, "fallback", isdp.fallback);
		if (isdp.has_allocated)
			json_number(&d->json, "allocated_memory", isdp.allocated);
		if (isdp.has_remaining)
			json_number(&d->json, "remaining_memory", isdp.remaining);
		json_close(&d->json);
	}
	json_close(&d->json);
	if (error.code != SMSR_OK)
		decode_fault(d, data, &error);
}

static void
decode_resources(Decoder *d, SmsrBytes data)
{
	Es5Resources resources;
	SmsrError	error;

	if (!es5_read_resources(data, &resources, &error))
	{
		decode_fault(d, data, &error);
		return;
	}
	json_open_object(&d->json, "resources");
	json_number(&d->json, "applications", resources.applications);
	json_number(&d->json, "free_nvm", resources.free_nvm);
	json_number(&d->json, "free_ram", resources.free_ram);
	json_close(&d->json);
}

/* Whether data is a confirmation's answer from its first to its last octet. */
static bool
is_deleted_list(SmsrBytes data)
{
	TlvReader	r;
	SmsrAid		aid;
	SmsrError	error;

	if (data.len == 0 || !es5_deleted_reader(data, &r, NULL))
		return false;
	while (es5_next_deleted(&r, &aid, &error))
		;
	return error.code == SMSR_OK;
}

static void
decode_deleted(Decoder *d, SmsrBytes data)
{
	TlvReader	r;
	SmsrAid		aid;

	json_open_array(&d->json, "deleted");
	if (es5_deleted_reader(data, &r, NULL))
	{
		while (es5_next_deleted(&r, &aid, NULL))
			decode_aid(d, NULL, &aid);
	}
	json_close(&d->json);
}

static bool
is_isdp_list(SmsrBytes data)
{
	TlvReader	r = tlv_reader(data);
	Es5Isdp		isdp;
	SmsrError	error;

	if (data.len == 0)
		return false;
	while (es5_next_isdp(&r, &isdp, &error))
		;
	return error.code == SMSR_OK;
}

/* Data of whatever command: what begins like an answer of ES5, else its length. */
static void
decode_answer_data(Decoder *d, SmsrBytes data)
{
	decode_length(d, "data_length", data.len);
	if (data.len < 2)
		return;
	if (data.data[0] == 0xE3)
		decode_isdps(d, data);
	else if (data.data[0] == TAG_CARD_RESOURCES_1 && data.data[1] == 0x21)
		decode_resources(d, data);
	else if (is_deleted_list(data))
		decode_deleted(d, data);
}

/* SW alone, or behind data that only ES5 answers. */
bool
looks_like_answer(SmsrBytes r_apdu)
{
	SmsrBytes	data;
	Es5Resources resources;
	uint8_t		sw1;

	if (r_apdu.len < 2)
		return false;
	data = smsr_bytes(r_apdu.data, r_apdu.len - 2);
	sw1 = r_apdu.data[data.len];
	if ((sw1 < 0x61 || sw1 > 0x6F) && (sw1 < 0x90 || sw1 > 0x9F))
		return false;
	return data.len == 0 || is_isdp_list(data) || is_deleted_list(data) ||
		es5_read_resources(data, &resources, NULL);
}

static void
decode_r_apdu(Decoder *d, SmsrBytes r_apdu)
{
	decode_length(d, "length", r_apdu.len);
	if (r_apdu.len < 2)
	{
		const SmsrError error = {SMSR_TRUNCATED, "R-APDU", r_apdu.len, "SW1 and SW2"};

		decode_fault(d, r_apdu, &error);
		return;
	}
	decode_sw(d, get_u16(r_apdu.data + r_apdu.len - 2));
	if (r_apdu.len > 2)
		decode_answer_data(d, smsr_bytes(r_apdu.data, r_apdu.len - 2));
}

void
decode_answer(Decoder *d, SmsrBytes r_apdu)
{
	json_string(&d->json, "kind", "r_apdu");
	decode_r_apdu(d, r_apdu);
}

void
decode_compact_response(Decoder *d, SmsrBytes data)
{
	SmsrBytes	response;
	SmsrError	error;
	int			executed;
	uint16_t	sw;

	json_string(&d->json, "kind", "compact_response");
	decode_length(d, "length", data.len);
	if (!script_read_compact(data, &executed, &sw, &response, &error))
	{
		decode_fault(d, data, &error);
		return;
	}
	json_number(&d->json, "executed", (uint64_t) executed);
	decode_sw(d, sw);
	if (response.len > 0)
		decode_answer_data(d, response);
}

/* ---- scripts ---- */

static const char *
chaining_name(uint8_t value, bool response)
{
	if (response)
		return value == 0x01 ? "no previous script" : value == 0x02 ? "not supported" :
			value == 0x03 ? "unable to process" : "reserved";
	return value == 0x01 ? "first, forgotten at a reset" :
		value == 0x11 ? "first, kept over a reset" :
		value == 0x02 ? "subsequent, more follow" :
		value == 0x03 ? "last" : "reserved";
}

static const char *
bad_format_name(uint8_t value)
{
	return value == 0x01 ? "unknown tag" : value == 0x02 ? "wrong length" :
		value == 0x03 ? "length not found" : "reserved";
}

static const char *
action_name(SmsrBytes action, bool response)
{
	if (action.len == 0)
		return "none";
	if (action.len > 1)
		return "a proactive command";
	if (response)
		return action.data[0] == 0x01 ? "suspension error" : "reserved";
	if (action.data[0] >= 0x01 && action.data[0] <= 0x7F)
		return "a record of EF-RMA";
	return action.data[0] == 0x81 ? "proactive session indication" :
		action.data[0] == 0x82 ? "early response" : "reserved";
}

/* SCP03t's objects (SGP.02 clause 4.1.3.3), between C-APDUs of a download */
static const char *
scp03t_name(uint32_t tag)
{
	switch (tag)
	{
		case 0x84:
			return "initialize_update";
		case 0x85:
			return "external_authenticate";
		case 0x86:
			return "profile_segment";
		case 0x87:
		case 0x88:
			return "replace_session_keys";
		default:
			return "object";
	}
}

/* An object of one octet that means something, or the fault that it is not. */
static void
decode_code(Decoder *d, const char *kind, SmsrBytes value, const char *meaning)
{
	json_string(&d->json, "kind", kind);
	if (value.len == 1)
		json_hex(&d->json, "value", value);
	if (value.len > 0)
		json_string(&d->json, "meaning", meaning);
	else
	{
		const SmsrError error = {SMSR_BAD_LENGTH, "object of script", 0, "an octet"};

		decode_fault(d, value, &error);
	}
}

static void
decode_executed(Decoder *d, SmsrBytes value)
{
	uint64_t	executed = 0;

	json_string(&d->json, "kind", "executed");
	if (value.len < 1 || value.len > 4)
	{
		const SmsrError error = {SMSR_BAD_LENGTH, "number of executed commands", 0, "1 to 4 octets"};

		decode_fault(d, value, &error);
		return;
	}
	for (size_t i = 0; i < value.len; i++)
		executed = executed << 8 | value.data[i];
	json_number(&d->json, "count", executed);
}

static void
decode_script_object(Decoder *d, const SmsrTlv *tlv, bool response)
{
	const SmsrBytes value = tlv->value;
	const uint8_t first = value.len > 0 ? value.data[0] : 0;

	json_open_object(&d->json, NULL);
	json_hex_number(&d->json, "tag", tlv->tag, 2);
	if (!response && (tlv->tag == SCRIPT_C_APDU || tlv->tag == TAG_C_APDU_CR))
		decode_apdu(d, value);
	else if (response && tlv->tag == SCRIPT_R_APDU)
		decode_answer(d, value);
	else if (response && tlv->tag == SCRIPT_EXECUTED)
		decode_executed(d, value);
	else if (tlv->tag == SCRIPT_IMMEDIATE_ACTION)
		decode_code(d, "immediate_action", value, action_name(value, response));
	else if (!response && tlv->tag == SCRIPT_ERROR_ACTION)
	{
		json_string(&d->json, "kind", "error_action");
		json_string(&d->json, "meaning", action_name(value, false));
	}
	else if (tlv->tag == SCRIPT_CHAINING)
		decode_code(d, "chaining", value, chaining_name(first, response));
	else if (response && tlv->tag == SCRIPT_BAD_FORMAT)
		decode_code(d, "bad_format", value, bad_format_name(first));
	else
	{
		json_string(&d->json, "kind", scp03t_name(tlv->tag));
		decode_length(d, "length", value.len);
	}
	json_close(&d->json);
}

void
decode_script(Decoder *d, SmsrBytes script)
{
	ScriptReader reader;
	SmsrTlv		tlv;
	SmsrError	error;
	bool		response;

	if (!script_open(script, &reader, &error))
	{
		json_string(&d->json, "kind", "script");
		decode_length(d, "length", script.len);
		decode_fault(d, script, &error);
		return;
	}
	response = reader.template == SCRIPT_RESPONSE || reader.template == SCRIPT_RESPONSE_INDEFINITE;
	json_string(&d->json, "kind", response ? "response_script" : "command_script");
	decode_length(d, "length", script.len);
	json_hex_number(&d->json, "template", reader.template, 2);
	json_open_array(&d->json, "objects");
	/* when the room has ended, so has the walk */
	while (!d->json.full && script_next(&reader, &tlv, &error))
		decode_script_object(d, &tlv, response);
	json_close(&d->json);
	if (!d->json.full && error.code != SMSR_OK)
		decode_fault(d, script, &error);
}

/* ---- SCP81 triggers ---- */

#define TAG_TRIGGER		0x81
#define TAG_SESSION		0x83
#define TAG_CONNECTION	0x84
#define TAG_SECURITY	0x85
#define TAG_RETRY		0x86
#define TAG_HTTP		0x89
#define TAG_HOST		0x8A
#define TAG_AGENT		0x8B
#define TAG_URI			0x8C

bool
looks_like_trigger(SmsrBytes data)
{
	TlvReader	r = tlv_reader(data);
	SmsrTlv		tlv;

	return tlv_read(&r, "trigger", &tlv, NULL) && tlv.tag == TAG_TRIGGER && tlv_at_end(&r) &&
		(tlv.value.len == 0 || tlv.value.data[0] == TAG_SESSION);
}

/* Length, PSK identity, 02, KVN, KID, perhaps a hash type. */
static void
decode_psk(Decoder *d, SmsrBytes value)
{
	const size_t len = value.len > 0 ? value.data[0] : 0;

	json_open_object(&d->json, "security");
	if (len + 4 > value.len)
	{
		const SmsrError error = {SMSR_BAD_LENGTH, "security parameters", 0,
		"a PSK identity, 02, KVN and KID"};

		decode_fault(d, value, &error);
	}
	else
	{
		json_text(&d->json, "psk_identity", smsr_bytes(value.data + 1, len));
		json_number(&d->json, "kvn", value.data[len + 2]);
		json_number(&d->json, "kid", value.data[len + 3]);
	}
	json_close(&d->json);
}

/* The delay is TS 102 223's timer value: hours, minutes, seconds in swapped BCD. */
static void
decode_retry(Decoder *d, SmsrBytes value)
{
	json_open_object(&d->json, "retry");
	if (value.len < 2)
	{
		const SmsrError error = {SMSR_TRUNCATED, "retry policy", 0, "a counter of two octets"};

		decode_fault(d, value, &error);
	}
	else
	{
		json_number(&d->json, "count", get_u16(value.data));
		if (value.len >= 7 && (value.data[2] & 0x7F) == 0x25 && value.data[3] == 3)
		{
			char		delay[] = "00:00:00";

			for (int i = 0; i < 6; i++)
			{
				uint8_t		octet = value.data[4 + i / 2];
				uint8_t		digit = (i & 1) == 0 ? octet & 0x0F : octet >> 4;

				delay[i + i / 2] = digit > 9 ? '?' : (char) ('0' + digit);
			}
			json_string(&d->json, "delay", delay);
		}
	}
	json_close(&d->json);
}

static void
decode_http(Decoder *d, SmsrBytes value)
{
	TlvReader	r = tlv_reader(value);
	SmsrTlv		tlv;
	SmsrError	error;

	json_open_object(&d->json, "http");
	while (!tlv_at_end(&r))
	{
		if (!tlv_read(&r, "HTTP parameters", &tlv, &error))
		{
			decode_fault(d, value, &error);
			break;
		}
		if (tlv.tag == TAG_HOST)
			json_text(&d->json, "host", tlv.value);
		else if (tlv.tag == TAG_AGENT)
			json_text(&d->json, "agent", tlv.value);
		else if (tlv.tag == TAG_URI)
			json_text(&d->json, "uri", tlv.value);
	}
	json_close(&d->json);
}

void
decode_trigger(Decoder *d, SmsrBytes data)
{
	TlvReader	r = tlv_reader(data);
	SmsrTlv		tlv;
	SmsrError	error;

	json_string(&d->json, "kind", "scp81_trigger");
	decode_length(d, "length", data.len);
	if (!tlv_read(&r, "trigger", &tlv, &error))
	{
		decode_fault(d, data, &error);
		return;
	}
	if (tlv.value.len == 0)
	{
		json_string(&d->json, "parameters", "stored");
		return;
	}
	/* what a part leaves out is taken from the stored configuration */
	r.pos = (size_t) (tlv.value.data - data.data);
	if (!tlv_read(&r, "session parameters", &tlv, &error))
	{
		decode_fault(d, data, &error);
		return;
	}
	r.pos = (size_t) (tlv.value.data - data.data);
	r.len = r.pos + tlv.value.len;
	while (!tlv_at_end(&r))
	{
		if (!tlv_read(&r, "session parameters", &tlv, &error))
		{
			decode_fault(d, data, &error);
			return;
		}
		if (tlv.tag == TAG_CONNECTION)
			decode_channel(d, "connection", tlv.value);
		else if (tlv.tag == TAG_SECURITY)
			decode_psk(d, tlv.value);
		else if (tlv.tag == TAG_RETRY)
			decode_retry(d, tlv.value);
		else if (tlv.tag == TAG_HTTP)
			decode_http(d, tlv.value);
	}
}
