/*
 * push.c
 *		PUSH.
 */
#include "push.h"

#include <string.h>

#include "tlv.h"

#define CLA					0x80
#define INS					0xEC
#define P1					0x01
#define HEADER_LEN			5

#define TAG_IDENTIFICATION	0x36
#define TAG_MAX_SDU			0x39
#define TAG_TRANSPORT		0x3C
#define CAT_TP_TRANSPORT	0x00	/* no transport of its own: the port is CAT_TP's */

static bool
write_data(const Push *p, SmsrWriter *w, SmsrError *error)
{
	if (p->request == PUSH_CHANNEL || p->request == PUSH_TCP_CONNECTION)
	{
		const TransportProtocol wanted = p->request == PUSH_CHANNEL ? TRANSPORT_UDP_CLIENT : TRANSPORT_TCP_CLIENT;

		/* over a channel CAT_TP runs, whose transport is UDP (SGP.02 clause 2.4.3) */
		if (p->connection.has_port && p->connection.protocol != wanted)
			return smsr_fail(error, SMSR_BAD_VALUE, "transport level", 0, "UDP for a channel, TCP for a connection");
		return connection_write(&p->connection, w, error);
	}
	if (p->request == PUSH_CAT_TP_LINK)
	{
		put_tlv_header(w, TAG_TRANSPORT, 3);
		put_u8(w, CAT_TP_TRANSPORT);
		put_u16(w, p->cat_tp_port);
		if (p->max_sdu > 0)
		{
			put_tlv_header(w, TAG_MAX_SDU, 2);
			put_u16(w, p->max_sdu);
		}
	}
	if (p->identification.len > 0)
		put_tlv(w, TAG_IDENTIFICATION, p->identification.data, p->identification.len);
	return true;
}

bool
push_write(const Push *p, SmsrWriter *w, SmsrError *error)
{
	uint8_t		data[255];
	SmsrWriter	d = smsr_writer(data, sizeof(data));

	if (p->request < PUSH_CHANNEL || p->request > PUSH_IDENTIFICATION)
		return smsr_fail(error, SMSR_BAD_VALUE, "PUSH", 0, "request 01 to 04");
	if (!write_data(p, &d, error))
		return false;
	if (d.overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "PUSH", 0, "at most 255 octets of data");
	put_u8(w, CLA);
	put_u8(w, INS);
	put_u8(w, P1);
	put_u8(w, (uint8_t) p->request);
	put_u8(w, (uint8_t) d.len);
	put_bytes(w, d.data, d.len);
	if (w->overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "PUSH", 0, "room for it");
	return true;
}

static bool
read_link(SmsrBytes data, Push *p, SmsrError *error)
{
	TlvReader	r = tlv_reader(data);
	const bool	is_link = p->request == PUSH_CAT_TP_LINK;
	bool		has_port = false;
	SmsrTlv		t;

	while (!tlv_at_end(&r))
	{
		if (!comprehension_read(&r, "PUSH", &t, error))
			return false;
		switch (t.tag & 0x7F)
		{
			case TAG_TRANSPORT:
				if (!is_link)
					break;
				if (t.value.len != 3 || t.value.data[0] != CAT_TP_TRANSPORT)
					return smsr_fail(error, SMSR_BAD_VALUE, "CAT_TP port", t.offset, "00 and 2 octets");
				p->cat_tp_port = get_u16(t.value.data + 1);
				has_port = true;
				break;
			case TAG_MAX_SDU:
				if (!is_link)
					break;
				if (t.value.len != 2)
					return smsr_fail(error, SMSR_BAD_LENGTH, "SDU size", t.offset, "2 octets");
				p->max_sdu = get_u16(t.value.data);
				break;
			case TAG_IDENTIFICATION:
				p->identification = t.value;
				break;
		}
	}
	if (is_link && !has_port)
		return smsr_fail(error, SMSR_BAD_VALUE, "CAT_TP port", data.len, "a port: it has no default");
	return true;
}

bool
push_read(SmsrBytes c_apdu, char name[ACCESS_NAME_MAX], Push *p, SmsrError *error)
{
	SmsrBytes	data;
	bool		good;

	memset(p, 0, sizeof(*p));
	if (c_apdu.len < HEADER_LEN)
		return smsr_fail(error, SMSR_TRUNCATED, "PUSH", c_apdu.len, "a header of 5 octets");
	if (c_apdu.data[0] != CLA || c_apdu.data[1] != INS || c_apdu.data[2] != P1)
		return smsr_fail(error, SMSR_BAD_VALUE, "PUSH", 0, "80 EC 01");
	if (c_apdu.data[3] < PUSH_CHANNEL || c_apdu.data[3] > PUSH_IDENTIFICATION)
		return smsr_fail(error, SMSR_BAD_VALUE, "PUSH", 3, "request 01 to 04");
	if (c_apdu.len != HEADER_LEN + (size_t) c_apdu.data[4])
		return smsr_fail(error, SMSR_BAD_LENGTH, "PUSH", 4, "the length of the data that follow");
	p->request = (PushRequest) c_apdu.data[3];
	data = smsr_bytes(c_apdu.data + HEADER_LEN, c_apdu.data[4]);
	if (p->request == PUSH_CHANNEL || p->request == PUSH_TCP_CONNECTION)
		good = connection_read(data, name, &p->connection, error);
	else
		good = read_link(data, p, error);
	if (!good)
		error->offset += HEADER_LEN;
	return good;
}
