/*
 * session_trigger.c
 *		The administration session trigger.
 */
#include "session_trigger.h"

#include <string.h>

#include "tlv.h"

/* Amendment B table 3-3 */
#define TAG_TRIGGER			0x81
#define TAG_PARAMETERS		0x83
#define TAG_CONNECTION		0x84
#define TAG_SECURITY		0x85
#define TAG_RETRY			0x86
#define TAG_FAILURE_REPORT	0x87
#define TAG_HTTP			0x89
#define TAG_HOST			0x8A
#define TAG_AGENT_ID		0x8B
#define TAG_URI				0x8C
#define TAG_TIMER_VALUE		0xA5	/* TS 102 223 clause 8.38; 25 is the same without comprehension */

#define KEY_NAME_LEN		2
#define RETRY_MAX			(99 * 3600 + 59 * 60 + 59)

/* The longest that a part can be: a description, a name, two texts, a report ... */
#define PART_MAX			2048

/* Digits change places within the octet: 12 seconds are 21 (TS 102 223 clause 8.38). */
static uint8_t
swapped_bcd(uint32_t value)
{
	return (uint8_t) (value % 10 << 4 | value / 10);
}

static bool
from_swapped_bcd(uint8_t octet, uint32_t limit, uint32_t *value)
{
	*value = (octet & 0x0Fu) * 10 + (octet >> 4);
	return (octet & 0x0F) < 10 && octet >> 4 < 10 && *value < limit;
}

static bool
write_security(const SessionTrigger *t, SmsrWriter *w, SmsrError *error)
{
	if (t->psk_identity.len > 255)
		return smsr_fail(error, SMSR_TOO_LONG, "PSK identity", 0, "at most 255 octets");
	put_tlv_header(w, TAG_SECURITY, 1 + t->psk_identity.len + 1 + KEY_NAME_LEN);
	put_u8(w, (uint8_t) t->psk_identity.len);
	put_bytes(w, t->psk_identity.data, t->psk_identity.len);
	put_u8(w, KEY_NAME_LEN);
	put_u8(w, t->kvn);
	put_u8(w, t->key_id);
	return true;
}

static bool
write_retry(const SessionTrigger *t, SmsrWriter *w, SmsrError *error)
{
	size_t		report = 0;

	if (t->retry_delay > RETRY_MAX)
		return smsr_fail(error, SMSR_BAD_VALUE, "retry delay", 0, "less than 100 hours");
	if (t->failure_report.len > 255)
		return smsr_fail(error, SMSR_TOO_LONG, "failure report", 0, "at most 255 octets");
	if (t->failure_report.len > 0)
		report = 1 + ber_length_size(t->failure_report.len) + t->failure_report.len;
	put_tlv_header(w, TAG_RETRY, 2 + 5 + report);
	put_u16(w, t->retries);
	put_tlv_header(w, TAG_TIMER_VALUE, 3);
	put_u8(w, swapped_bcd(t->retry_delay / 3600));
	put_u8(w, swapped_bcd(t->retry_delay / 60 % 60));
	put_u8(w, swapped_bcd(t->retry_delay % 60));
	if (report > 0)
		put_tlv(w, TAG_FAILURE_REPORT, t->failure_report.data, t->failure_report.len);
	return true;
}

static bool
write_http_text(uint8_t tag, SmsrBytes text, const char *field, SmsrWriter *w, SmsrError *error)
{
	if (text.len > TRIGGER_TEXT_MAX)
		return smsr_fail(error, SMSR_TOO_LONG, field, 0, "at most 255 octets");
	/* each ends up in a line of an HTTP request */
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return smsr_fail(error, SMSR_BAD_VALUE, field, i, "visible ASCII characters");
	if (text.len > 0)
		put_tlv(w, tag, text.data, text.len);
	return true;
}

bool
session_trigger_write(const SessionTrigger *t, SmsrWriter *w, SmsrError *error)
{
	uint8_t		inner[PART_MAX];
	uint8_t		part[PART_MAX];
	uint8_t		all[PART_MAX];
	SmsrWriter	parameters = smsr_writer(all, sizeof(all));
	SmsrWriter	p = smsr_writer(inner, sizeof(inner));
	SmsrWriter	http = smsr_writer(part, sizeof(part));

	if (connection_says(&t->connection))
	{
		if (!connection_write(&t->connection, &p, error))
			return false;
		put_tlv(&parameters, TAG_CONNECTION, p.data, p.len);
	}
	if (t->psk_identity.len > 0 && !write_security(t, &parameters, error))
		return false;
	if (t->has_retry && !write_retry(t, &parameters, error))
		return false;
	if (!write_http_text(TAG_HOST, t->host, "host", &http, error) ||
		!write_http_text(TAG_AGENT_ID, t->agent_id, "agent identifier", &http, error) ||
		!write_http_text(TAG_URI, t->uri, "URI", &http, error))
		return false;
	if (http.len > 0)
		put_tlv(&parameters, TAG_HTTP, http.data, http.len);
	if (p.overflow || parameters.overflow || http.overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "session trigger", 0, "at most 2048 octets");
	if (parameters.len == 0)
		put_tlv_header(w, TAG_TRIGGER, 0);
	else
	{
		put_tlv_header(w, TAG_TRIGGER, 1 + ber_length_size(parameters.len) + parameters.len);
		put_tlv(w, TAG_PARAMETERS, parameters.data, parameters.len);
	}
	if (w->overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "session trigger", 0, "room for it");
	return true;
}

static bool
read_security(const SmsrTlv *part, SessionTrigger *t, SmsrError *error)
{
	const SmsrBytes v = part->value;
	size_t		name;

	if (v.len < 1 || v.data[0] == 0 || v.len < 1u + v.data[0] + 1)
		return smsr_fail(error, SMSR_BAD_LENGTH, "security parameters", part->offset,
						 "a PSK identity behind its length, and the key's name");
	t->psk_identity = smsr_bytes(v.data + 1, v.data[0]);
	name = 1u + v.data[0];
	/* a third octet may name the hash; SGP.02 leaves it at SHA-256 */
	if (v.data[name] < KEY_NAME_LEN || v.len - name - 1 < v.data[name])
		return smsr_fail(error, SMSR_BAD_LENGTH, "security parameters", part->offset, "KVN and key identifier");
	t->kvn = v.data[name + 1];
	t->key_id = v.data[name + 2];
	return true;
}

static bool
read_retry(const SmsrTlv *part, SessionTrigger *t, SmsrError *error)
{
	TlvReader	r;
	SmsrTlv		o;
	uint32_t	hours,
				minutes,
				seconds;

	if (part->value.len < 2)
		return smsr_fail(error, SMSR_BAD_LENGTH, "retry parameters", part->offset, "a counter of 2 octets");
	t->has_retry = true;
	t->retries = get_u16(part->value.data);
	t->retry_delay = 0;
	r = tlv_reader(smsr_bytes(part->value.data + 2, part->value.len - 2));
	while (!tlv_at_end(&r))
	{
		if (!tlv_read(&r, "retry parameters", &o, error))
		{
			error->offset += part->offset;
			return false;
		}
		if ((o.tag & 0x7F) == (TAG_TIMER_VALUE & 0x7F))
		{
			if (o.value.len != 3 || !from_swapped_bcd(o.value.data[0], 100, &hours) ||
				!from_swapped_bcd(o.value.data[1], 60, &minutes) ||
				!from_swapped_bcd(o.value.data[2], 60, &seconds))
				return smsr_fail(error, SMSR_BAD_VALUE, "retry delay", part->offset,
								 "hours, minutes and seconds in swapped BCD");
			t->retry_delay = hours * 3600 + minutes * 60 + seconds;
		}
		else if (o.tag == TAG_FAILURE_REPORT)
			t->failure_report = o.value;
	}
	return true;
}

static bool
read_http(const SmsrTlv *part, SessionTrigger *t, SmsrError *error)
{
	TlvReader	r = tlv_reader(part->value);
	SmsrTlv		o;

	while (!tlv_at_end(&r))
	{
		if (!tlv_read(&r, "HTTP parameters", &o, error))
		{
			error->offset += part->offset;
			return false;
		}
		if (o.tag == TAG_HOST)
			t->host = o.value;
		else if (o.tag == TAG_AGENT_ID)
			t->agent_id = o.value;
		else if (o.tag == TAG_URI)
			t->uri = o.value;
	}
	return true;
}

bool
session_trigger_read(SmsrBytes data, char name[ACCESS_NAME_MAX], SessionTrigger *t, SmsrError *error)
{
	TlvReader	r = tlv_reader(data);
	SmsrTlv		trigger,
				parameters,
				part;

	memset(t, 0, sizeof(*t));
	if (!tlv_read(&r, "session trigger", &trigger, error))
		return false;
	if (trigger.tag != TAG_TRIGGER)
		return smsr_fail(error, SMSR_BAD_VALUE, "session trigger", 0, "tag 81");
	if (!tlv_at_end(&r))
		return smsr_fail(error, SMSR_BAD_LENGTH, "session trigger", r.pos, "nothing behind it");
	if (trigger.value.len == 0)
		return true;
	r = tlv_inside(&r, trigger.value);
	if (!tlv_read(&r, "session parameters", &parameters, error))
		return false;
	if (parameters.tag != TAG_PARAMETERS)
		return smsr_fail(error, SMSR_BAD_VALUE, "session parameters", parameters.offset, "tag 83");
	r = tlv_inside(&r, parameters.value);
	while (!tlv_at_end(&r))
	{
		bool		good = true;

		if (!tlv_read(&r, "session parameters", &part, error))
			return false;
		switch (part.tag)
		{
			case TAG_CONNECTION:
				good = connection_read(part.value, name, &t->connection, error);
				if (!good)
					error->offset += (size_t) (part.value.data - data.data);
				break;
			case TAG_SECURITY:
				good = read_security(&part, t, error);
				break;
			case TAG_RETRY:
				good = read_retry(&part, t, error);
				break;
			case TAG_HTTP:
				good = read_http(&part, t, error);
				break;
		}
		if (!good)
			return false;
	}
	return true;
}
