/*
 * smpp_pdu.c
 *		Reading and writing PDUs (SMPP 3.4 clauses 3 to 5).
 */
#include "smpp_pdu.h"

#include <string.h>
#include <time.h>

int
smpp_frame(const void *input, size_t len, SmppPdu *pdu)
{
	const uint8_t *p = input;

	if (len < SMPP_HEADER)
		return 0;
	pdu->length = get_u32(p);
	pdu->command = get_u32(p + 4);
	pdu->status = get_u32(p + 8);
	pdu->sequence = get_u32(p + 12);
	if (pdu->length < SMPP_HEADER || pdu->length > SMPP_MAX_PDU)
		return -1;
	if (len < pdu->length)
		return 0;
	pdu->body = p + SMPP_HEADER;
	pdu->body_len = pdu->length - SMPP_HEADER;
	return 1;
}

/* Fields in order; bad once something is missing. */
typedef struct Fields
{
	const uint8_t *p;
	size_t		len;
	bool		bad;
} Fields;

static uint8_t
take_octet(Fields *f)
{
	if (f->len < 1)
	{
		f->bad = true;
		return 0;
	}
	f->len--;
	return *f->p++;
}

/* A C-octet string of at most size octets with its NUL. */
static void
take_string(Fields *f, char *out, size_t size)
{
	size_t		n = strnlen((const char *) f->p, f->len);

	out[0] = '\0';
	if (f->bad || n == f->len || n >= size)
	{
		f->bad = true;
		return;
	}
	memcpy(out, f->p, n + 1);
	f->p += n + 1;
	f->len -= n + 1;
}

static void
take_address(Fields *f, Address *address)
{
	address->ton = take_octet(f);
	address->npi = take_octet(f);
	take_string(f, address->digits, 21);
}

bool
smpp_read_bind(const SmppPdu *pdu, SmppBind *bind)
{
	Fields		f = {pdu->body, pdu->body_len, false};

	take_string(&f, bind->system_id, sizeof bind->system_id);
	take_string(&f, bind->password, sizeof bind->password);
	return !f.bad;
}

bool
smpp_read_message(const SmppPdu *pdu, SmppMessage *message)
{
	Fields		f = {pdu->body, pdu->body_len, false};
	char		skipped[17];
	uint8_t		len;

	*message = (SmppMessage) {0};
	take_string(&f, skipped, 6);	/* service_type */
	take_address(&f, &message->source);
	take_address(&f, &message->destination);
	message->esm_class = take_octet(&f);
	message->protocol_id = take_octet(&f);
	take_octet(&f);				/* priority_flag */
	take_string(&f, skipped, 17);	/* schedule_delivery_time */
	take_string(&f, message->validity, 17);
	message->registered_delivery = take_octet(&f);
	take_octet(&f);				/* replace_if_present_flag */
	message->data_coding = take_octet(&f);
	take_octet(&f);				/* sm_default_msg_id */
	len = take_octet(&f);
	if (f.bad || len > f.len)
		return false;
	message->ud = smsr_bytes(f.p, len);
	f.p += len;
	f.len -= len;
	while (f.len >= 4)
	{
		uint16_t	tag = get_u16(f.p);
		size_t		n = get_u16(f.p + 2);

		if (n > f.len - 4)
			return false;
		if (tag == SMPP_TLV_PAYLOAD && message->ud.len == 0)
			message->ud = smsr_bytes(f.p + 4, n);
		else if (tag == SMPP_TLV_MESSAGE_ID && n < sizeof message->message_id)
		{
			memcpy(message->message_id, f.p + 4, n);
			message->message_id[n] = '\0';
		}
		else if (tag == SMPP_TLV_STATE && n == 1)
			message->state = f.p[4];
		f.p += 4 + n;
		f.len -= 4 + n;
	}
	return f.len == 0;
}

void
smpp_write(Text *out, uint32_t command, uint32_t status, uint32_t sequence,
		   const void *body, size_t body_len)
{
	uint8_t		header[SMPP_HEADER];
	SmsrWriter	w = smsr_writer(header, sizeof header);

	put_u32(&w, (uint32_t) (SMPP_HEADER + body_len));
	put_u32(&w, command);
	put_u32(&w, status);
	put_u32(&w, sequence);
	text_add(out, header, sizeof header);
	if (body_len > 0)
		text_add(out, body, body_len);
}

static void
put_string(SmsrWriter *w, const char *string)
{
	put_bytes(w, string, strlen(string) + 1);
}

void
smpp_write_message(Text *out, uint32_t command, uint32_t sequence, const SmppMessage *message)
{
	uint8_t		body[1024];
	SmsrWriter	w = smsr_writer(body, sizeof body);

	put_string(&w, "");
	put_u8(&w, message->source.ton);
	put_u8(&w, message->source.npi);
	put_string(&w, message->source.digits);
	put_u8(&w, message->destination.ton);
	put_u8(&w, message->destination.npi);
	put_string(&w, message->destination.digits);
	put_u8(&w, message->esm_class);
	put_u8(&w, message->protocol_id);
	put_u8(&w, 0);
	put_string(&w, "");
	put_string(&w, message->validity);
	put_u8(&w, message->registered_delivery);
	put_u8(&w, 0);
	put_u8(&w, message->data_coding);
	put_u8(&w, 0);
	put_u8(&w, (uint8_t) message->ud.len);
	put_bytes(&w, message->ud.data, message->ud.len);
	if (message->message_id[0] != '\0')
	{
		put_u16(&w, SMPP_TLV_MESSAGE_ID);
		put_u16(&w, (uint16_t) (strlen(message->message_id) + 1));
		put_string(&w, message->message_id);
		put_u16(&w, SMPP_TLV_STATE);
		put_u16(&w, 1);
		put_u8(&w, message->state);
	}
	smpp_write(out, command, 0, sequence, body, w.len);
}

void
smpp_write_bind(Text *out, uint32_t command, uint32_t sequence, const SmppBind *bind)
{
	uint8_t		body[64];
	SmsrWriter	w = smsr_writer(body, sizeof body);

	put_string(&w, bind->system_id);
	put_string(&w, bind->password);
	put_string(&w, "");			/* system_type */
	put_u8(&w, 0x34);
	put_u8(&w, 0);
	put_u8(&w, 0);
	put_string(&w, "");			/* address_range */
	smpp_write(out, command, 0, sequence, body, w.len);
}

/* YYMMDDhhmmsstnnp, relative (p is R) or absolute (clause 7.1.1). */
uint64_t
smpp_validity(const char *field, int64_t unix_now)
{
	int			d[8];			/* YY MM DD hh mm ss, then t, then nn */
	struct tm	tm = {0};
	int64_t		t;

	if (strlen(field) != 16)
		return 0;
	for (int i = 0; i < 15; i++)
	{
		if (field[i] < '0' || field[i] > '9')
			return 0;
	}
	for (int i = 0; i < 6; i++)
		d[i] = (field[2 * i] - '0') * 10 + field[2 * i + 1] - '0';
	if (field[15] == 'R')
		return ((((uint64_t) d[0] * 365 + (uint64_t) d[1] * 30 + (uint64_t) d[2]) * 24 +
				 (uint64_t) d[3]) * 60 + (uint64_t) d[4]) * 60 + (uint64_t) d[5];
	if (field[15] != '+' && field[15] != '-')
		return 0;
	tm.tm_year = 100 + d[0];
	tm.tm_mon = d[1] - 1;
	tm.tm_mday = d[2];
	tm.tm_hour = d[3];
	tm.tm_min = d[4];
	tm.tm_sec = d[5];
	d[7] = ((field[13] - '0') * 10 + field[14] - '0') * 900;
	t = (int64_t) timegm(&tm) - (field[15] == '+' ? d[7] : -d[7]);
	return t > unix_now ? (uint64_t) (t - unix_now) : 1;
}
