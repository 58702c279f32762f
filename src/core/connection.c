/*
 * connection.c
 *		The parameters of OPEN CHANNEL.
 */
#include "connection.h"

#include <string.h>

#include "tlv.h"

/* TS 102 223 clause 9.3; the comprehension bit may stand on any of them */
#define TAG_TEXT			0x0D
#define TAG_BEARER			0x35
#define TAG_BUFFER_SIZE		0x39
#define TAG_TRANSPORT		0x3C
#define TAG_ADDRESS			0x3E
#define TAG_ACCESS_NAME		0x47

#define CODING_8_BIT		0x04	/* TS 102 223 clause 8.15 */
#define ADDRESS_IPV4		0x21	/* clause 8.58 */
#define ADDRESS_IPV6		0x57

bool
connection_says(const Connection *c)
{
	return c->bearer.len > 0 || c->buffer_size > 0 || c->access_name.len > 0 || c->has_login ||
		c->has_port || c->address_len > 0;
}

/* Labels, each behind its length (TS 23.003 clause 9.1, RFC 1035 clause 3.1). */
static bool
write_access_name(SmsrBytes name, SmsrWriter *w, SmsrError *error)
{
	size_t		begin = 0;

	if (name.len > ACCESS_NAME_MAX)
		return smsr_fail(error, SMSR_TOO_LONG, "network access name", 0, "at most 100 characters");
	put_tlv_header(w, TAG_ACCESS_NAME, name.len + 1);
	for (size_t i = 0; i <= name.len; i++)
	{
		if (i < name.len && name.data[i] != '.')
			continue;
		if (i == begin || i - begin > 63)
			return smsr_fail(error, SMSR_BAD_VALUE, "network access name", begin,
							 "labels of 1 to 63 characters between dots");
		put_u8(w, (uint8_t) (i - begin));
		put_bytes(w, name.data + begin, i - begin);
		begin = i + 1;
	}
	return true;
}

static bool
write_text(SmsrBytes text, const char *field, SmsrWriter *w, SmsrError *error)
{
	if (text.len > 254)
		return smsr_fail(error, SMSR_TOO_LONG, field, 0, "at most 254 octets");
	put_tlv_header(w, TAG_TEXT, text.len + 1);
	put_u8(w, CODING_8_BIT);
	put_bytes(w, text.data, text.len);
	return true;
}

bool
connection_write(const Connection *c, SmsrWriter *w, SmsrError *error)
{
	if (c->address_len != 0 && c->address_len != 4 && c->address_len != 16)
		return smsr_fail(error, SMSR_BAD_LENGTH, "address", 0, "4 octets of IPv4 or 16 of IPv6");
	if (c->bearer.len > 0)
		put_tlv(w, TAG_BEARER, c->bearer.data, c->bearer.len);
	if (c->buffer_size > 0)
	{
		put_tlv_header(w, TAG_BUFFER_SIZE, 2);
		put_u16(w, c->buffer_size);
	}
	if (c->access_name.len > 0 && !write_access_name(c->access_name, w, error))
		return false;
	if (c->has_login && (!write_text(c->login, "login", w, error) ||
						 !write_text(c->password, "password", w, error)))
		return false;
	if (c->has_port)
	{
		put_tlv_header(w, TAG_TRANSPORT, 3);
		put_u8(w, (uint8_t) c->protocol);
		put_u16(w, c->port);
	}
	if (c->address_len > 0)
	{
		put_tlv_header(w, TAG_ADDRESS, c->address_len + 1);
		put_u8(w, c->address_len == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6);
		put_bytes(w, c->address, c->address_len);
	}
	return true;
}

static bool
read_access_name(const SmsrTlv *t, char name[ACCESS_NAME_MAX], Connection *c, SmsrError *error)
{
	size_t		len = 0;

	for (size_t pos = 0; pos < t->value.len;)
	{
		const size_t label = t->value.data[pos++];

		if (label == 0 || label > 63 || label > t->value.len - pos)
			return smsr_fail(error, SMSR_BAD_LENGTH, "network access name", t->offset,
							 "labels of 1 to 63 octets, each behind its length");
		if (len + label + (len > 0) > ACCESS_NAME_MAX)
			return smsr_fail(error, SMSR_TOO_LONG, "network access name", t->offset, "at most 100 characters");
		if (memchr(t->value.data + pos, '.', label) != NULL)
			return smsr_fail(error, SMSR_BAD_VALUE, "network access name", t->offset, "labels without dots");
		if (len > 0)
			name[len++] = '.';
		memcpy(name + len, t->value.data + pos, label);
		len += label;
		pos += label;
	}
	if (len == 0)
		return smsr_fail(error, SMSR_BAD_LENGTH, "network access name", t->offset, "at least one label");
	c->access_name = smsr_bytes(name, len);
	return true;
}

static bool
read_text(const SmsrTlv *t, const char *field, SmsrBytes *text, SmsrError *error)
{
	if (t->value.len == 0)
		return smsr_fail(error, SMSR_BAD_LENGTH, field, t->offset, "a coding octet and text");
	if (t->value.data[0] != CODING_8_BIT)
		return smsr_fail(error, SMSR_UNSUPPORTED, field, t->offset, "8-bit text, coding 04");
	*text = smsr_bytes(t->value.data + 1, t->value.len - 1);
	return true;
}

static bool
read_object(const SmsrTlv *t, char name[ACCESS_NAME_MAX], Connection *c, SmsrError *error)
{
	switch (t->tag & 0x7F)
	{
		case TAG_BEARER:
			if (t->value.len == 0)
				return smsr_fail(error, SMSR_BAD_LENGTH, "bearer description", t->offset, "at least 1 octet");
			c->bearer = t->value;
			return true;
		case TAG_BUFFER_SIZE:
			if (t->value.len != 2 || get_u16(t->value.data) == 0)
				return smsr_fail(error, SMSR_BAD_LENGTH, "buffer size", t->offset, "2 octets, not zero");
			c->buffer_size = get_u16(t->value.data);
			return true;
		case TAG_ACCESS_NAME:
			return read_access_name(t, name, c, error);
		case TAG_TRANSPORT:
			if (t->value.len != 3)
				return smsr_fail(error, SMSR_BAD_LENGTH, "transport level", t->offset, "3 octets");
			if (t->value.data[0] != TRANSPORT_UDP_CLIENT && t->value.data[0] != TRANSPORT_TCP_CLIENT)
				return smsr_fail(error, SMSR_UNSUPPORTED, "transport level", t->offset, "01 UDP or 02 TCP, client");
			c->has_port = true;
			c->protocol = (TransportProtocol) t->value.data[0];
			c->port = get_u16(t->value.data + 1);
			return true;
		case TAG_ADDRESS:
			if (!((t->value.len == 5 && t->value.data[0] == ADDRESS_IPV4) ||
				  (t->value.len == 17 && t->value.data[0] == ADDRESS_IPV6)))
				return smsr_fail(error, SMSR_BAD_VALUE, "address", t->offset, "21 and 4 octets, or 57 and 16");
			c->address_len = t->value.len - 1;
			memcpy(c->address, t->value.data + 1, c->address_len);
			return true;
		default:
			return true;
	}
}

bool
connection_read(SmsrBytes objects, char name[ACCESS_NAME_MAX], Connection *c, SmsrError *error)
{
	TlvReader	r = tlv_reader(objects);
	uint8_t		seen[128] = {0};
	SmsrTlv		t;

	memset(c, 0, sizeof(*c));
	while (!tlv_at_end(&r))
	{
		if (!comprehension_read(&r, "connection parameters", &t, error))
			return false;
		if (t.tag > 0xFF)
			continue;
		if (++seen[t.tag & 0x7F] > ((t.tag & 0x7F) == TAG_TEXT ? 2 : 1))
			return smsr_fail(error, SMSR_BAD_VALUE, "connection parameters", t.offset, "each object once");
		if ((t.tag & 0x7F) == TAG_TEXT)
		{
			/* the first is the login, the second the password */
			if (!read_text(&t, seen[TAG_TEXT] == 1 ? "login" : "password",
						   seen[TAG_TEXT] == 1 ? &c->login : &c->password, error))
				return false;
		}
		else if (!read_object(&t, name, c, error))
			return false;
	}
	if (seen[TAG_TEXT] == 1)
		return smsr_fail(error, SMSR_BAD_VALUE, "password", objects.len, "login and password, both or neither");
	c->has_login = seen[TAG_TEXT] == 2;
	return true;
}
