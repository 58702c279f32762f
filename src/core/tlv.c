/*
 * tlv.c
 *		BER-TLV (ISO/IEC 8825-1 as TS 102 223 and GlobalPlatform use it) and
 *		GlobalPlatform's DGI coding.
 */
#include "tlv.h"

/* The reader's position moves only when a whole object was read. */
static bool
take(TlvReader *r, const char *field, uint32_t tag, size_t header_end,
	 size_t len, SmsrTlv *tlv, SmsrError *error)
{
	if (len > r->len - header_end)
		return smsr_fail(error, SMSR_TRUNCATED, field, r->pos,
						 "as many octets as its length says");
	tlv->tag = tag;
	tlv->value = smsr_bytes(r->data + header_end, len);
	tlv->offset = r->pos;
	r->pos = header_end + len;
	return true;
}

/* A definite BER length at pos, and the value that it counts. */
static bool
take_after_length(TlvReader *r, const char *field, uint32_t tag, size_t pos,
				  SmsrTlv *tlv, SmsrError *error)
{
	size_t		len;

	if (pos >= r->len)
		return smsr_fail(error, SMSR_TRUNCATED, field, r->pos, "a length");
	len = r->data[pos++];
	if (len >= 0x80)
	{
		size_t		octets = len & 0x7F;

		if (octets < 1 || octets > 3)
			return smsr_fail(error, SMSR_BAD_LENGTH, field, r->pos,
							 "a definite length of 1 to 4 octets");
		if (octets > r->len - pos)
			return smsr_fail(error, SMSR_TRUNCATED, field, r->pos,
							 "all octets of the length");
		for (len = 0; octets > 0; octets--)
			len = len << 8 | r->data[pos++];
	}
	return take(r, field, tag, pos, len, tlv, error);
}

static size_t
tag_size(uint32_t tag)
{
	return tag <= 0xFF ? 1 : tag <= 0xFFFF ? 2 : 3;
}

bool
tlv_read(TlvReader *r, const char *field, SmsrTlv *tlv, SmsrError *error)
{
	size_t		pos = r->pos;
	uint32_t	tag;

	if (tlv_at_end(r))
		return smsr_fail(error, SMSR_TRUNCATED, field, r->pos, "a tag");

	tag = r->data[pos++];
	if ((tag & 0x1F) == 0x1F)
	{
		/* ISO/IEC 8825-1 clause 8.1.2.4: b8 says that another octet follows */
		bool		more = true;

		while (more)
		{
			if (pos >= r->len)
				return smsr_fail(error, SMSR_TRUNCATED, field, r->pos,
								 "all octets of the tag");
			if (pos - r->pos == 3)
				return smsr_fail(error, SMSR_UNSUPPORTED, field, r->pos,
								 "a tag of 1 to 3 octets");
			more = (r->data[pos] & 0x80) != 0;
			tag = tag << 8 | r->data[pos++];
		}
	}

	return take_after_length(r, field, tag, pos, tlv, error);
}

bool
tlv_read_minimal(TlvReader *r, const char *field, SmsrTlv *tlv, SmsrError *error)
{
	TlvReader	next = *r;
	size_t		header;

	if (!tlv_read(&next, field, tlv, error))
		return false;
	header = (size_t) (tlv->value.data - (r->data + r->pos));
	if (header != tag_size(tlv->tag) + ber_length_size(tlv->value.len))
		return smsr_fail(error, SMSR_BAD_LENGTH, field, r->pos, "a length of the fewest octets");
	*r = next;
	return true;
}

TlvReader
tlv_inside(const TlvReader *r, SmsrBytes part)
{
	const size_t start = (size_t) (part.data - r->data);

	return (TlvReader) {r->data, start + part.len, start};
}

bool
comprehension_read(TlvReader *r, const char *field, SmsrTlv *tlv, SmsrError *error)
{
	size_t		pos = r->pos;
	uint32_t	tag;

	if (tlv_at_end(r))
		return smsr_fail(error, SMSR_TRUNCATED, field, r->pos, "a tag");
	tag = r->data[pos++];
	if (tag == 0x7F)
	{
		if (r->len - pos < 2)
			return smsr_fail(error, SMSR_TRUNCATED, field, r->pos,
							 "all octets of the tag");
		tag = tag << 16 | get_u16(r->data + pos);
		pos += 2;
	}
	return take_after_length(r, field, tag, pos, tlv, error);
}

bool
dgi_read(TlvReader *r, const char *field, SmsrTlv *dgi, SmsrError *error)
{
	size_t		pos = r->pos;
	uint32_t	tag;
	size_t		len;

	if (tlv_at_end(r) || r->len - pos < 3)
		return smsr_fail(error, SMSR_TRUNCATED, field, r->pos,
						 "two octets of DGI and a length");
	tag = get_u16(r->data + pos);
	len = r->data[pos + 2];
	pos += 3;
	if (len == 0xFF)
	{
		if (r->len - pos < 2)
			return smsr_fail(error, SMSR_TRUNCATED, field, r->pos,
							 "two octets of length after FF");
		len = get_u16(r->data + pos);
		pos += 2;
	}
	return take(r, field, tag, pos, len, dgi, error);
}

bool
tlv_find(SmsrBytes value, uint32_t tag, SmsrTlv *tlv)
{
	TlvReader	r = tlv_reader(value);

	while (!tlv_at_end(&r))
	{
		if (!tlv_read(&r, "object", tlv, NULL))
			return false;
		if (tlv->tag == tag)
			return true;
	}
	return false;
}

size_t
ber_length_size(size_t len)
{
	return len < 0x80 ? 1 : len <= 0xFF ? 2 : len <= 0xFFFF ? 3 : 4;
}

void
put_ber_length(SmsrWriter *w, size_t len)
{
	if (len > 0xFFFFFF)
	{
		w->overflow = true;
		return;
	}
	switch (ber_length_size(len))
	{
		case 1:
			put_u8(w, (uint8_t) len);
			break;
		case 2:
			put_u16(w, (uint16_t) (0x8100 | len));
			break;
		case 3:
			put_u24(w, (uint32_t) (0x820000 | len));
			break;
		default:
			put_u32(w, (uint32_t) (UINT32_C(0x83000000) | len));
			break;
	}
}

void
put_tag(SmsrWriter *w, uint32_t tag)
{
	switch (tag_size(tag))
	{
		case 1:
			put_u8(w, (uint8_t) tag);
			break;
		case 2:
			put_u16(w, (uint16_t) tag);
			break;
		default:
			put_u24(w, tag);
			break;
	}
}

void
put_tlv_header(SmsrWriter *w, uint32_t tag, size_t len)
{
	put_tag(w, tag);
	put_ber_length(w, len);
}

void
put_tlv(SmsrWriter *w, uint32_t tag, const void *value, size_t len)
{
	put_tlv_header(w, tag, len);
	put_bytes(w, value, len);
}

void
put_dgi_header(SmsrWriter *w, uint16_t dgi, size_t len)
{
	put_u16(w, dgi);
	if (len < 0xFF)
		put_u8(w, (uint8_t) len);
	else if (len <= 0xFFFF)
	{
		put_u8(w, 0xFF);
		put_u16(w, (uint16_t) len);
	}
	else
		w->overflow = true;
}
