/*
 * sms.c
 *		Short messages around a packet: user data headers, segmentation and
 *		reassembly (3GPP TS 23.040 clause 9.2.3.24, TS 31.115 clause 4).
 */
#include "sms.h"

#include <string.h>

/* UDHL, and the security header's IEI and length */
#define UDHL_LEN		1
#define SECURITY_IE_LEN 2

static size_t
concat_ie_len(int reference_bits)
{
	return reference_bits == 16 ? 6 : 5;
}

/* Octets of the packet in the one, the first or a later short message. */
static size_t
single_room(void)
{
	return SMS_MAX_UD - UDHL_LEN - SECURITY_IE_LEN;
}

static size_t
first_room(int reference_bits)
{
	return single_room() - concat_ie_len(reference_bits);
}

static size_t
later_room(int reference_bits)
{
	return SMS_MAX_UD - UDHL_LEN - concat_ie_len(reference_bits);
}

size_t
sms_segment_count(size_t packet_len, int reference_bits)
{
	size_t		rest;
	size_t		later;

	if (reference_bits != 8 && reference_bits != 16)
		return 0;
	if (packet_len <= single_room())
		return 1;
	rest = packet_len - first_room(reference_bits);
	later = later_room(reference_bits);
	/* divided before it is rounded up, so that no length overflows */
	rest = rest / later + (rest % later != 0);
	return rest < SMS_MAX_SEGMENTS ? 1 + rest : 0;
}

bool
sms_segment(SmsrBytes packet, uint8_t cpi, uint16_t reference,
			int reference_bits, size_t index, SmsrWriter *out, SmsrError *error)
{
	const size_t total = sms_segment_count(packet.len, reference_bits);
	const size_t before = out->len;
	size_t		start = 0;
	size_t		len = packet.len;

	if (cpi != SMS_IEI_COMMAND && cpi != SMS_IEI_RESPONSE)
		return smsr_fail(error, SMSR_BAD_VALUE, "CPI", 0, "70 or 71");
	if (reference_bits != 8 && reference_bits != 16)
		return smsr_fail(error, SMSR_BAD_VALUE, "reference bits", 0, "8 or 16");
	if (reference_bits == 8 && reference > 0xFF)
		return smsr_fail(error, SMSR_BAD_VALUE, "reference", 0, "0 to 255");
	if (total == 0)
		return smsr_fail(error, SMSR_TOO_LONG, "packet", 0,
						 "no more than 255 short messages");
	if (index >= total)
		return smsr_fail(error, SMSR_BAD_VALUE, "segment", 0,
						 "an index below the number of segments");

	if (total > 1)
	{
		const size_t first = first_room(reference_bits);
		const size_t later = later_room(reference_bits);

		start = index == 0 ? 0 : first + (index - 1) * later;
		len = index == 0 ? first : later;
		if (len > packet.len - start)
			len = packet.len - start;
	}

	put_u8(out, (uint8_t) ((total > 1 ? concat_ie_len(reference_bits) : 0) +
						   (index == 0 ? SECURITY_IE_LEN : 0)));
	if (total > 1)
	{
		if (reference_bits == 8)
		{
			put_u16(out, SMS_IEI_CONCAT_8 << 8 | 3);
			put_u8(out, (uint8_t) reference);
		}
		else
		{
			put_u16(out, SMS_IEI_CONCAT_16 << 8 | 4);
			put_u16(out, reference);
		}
		put_u8(out, (uint8_t) total);
		put_u8(out, (uint8_t) (index + 1));
	}
	if (index == 0)
	{
		put_u8(out, cpi);
		put_u8(out, 0);
	}
	if (len > 0)
		put_bytes(out, packet.data + start, len);
	if (out->overflow)
	{
		out->len = before;
		return smsr_fail(error, SMSR_TOO_LONG, "TP-UD", 0, "a buffer of 140 octets");
	}
	return true;
}

/* One information element whose value is at p. */
static bool
read_element(uint8_t iei, const uint8_t *p, size_t len, size_t offset,
			 SmsHeader *header, SmsrError *error)
{
	switch (iei)
	{
		case SMS_IEI_CONCAT_8:
		case SMS_IEI_CONCAT_16:
			if (header->concatenated)
				return smsr_fail(error, SMSR_BAD_VALUE, "concatenation", offset,
								 "one information element of it");
			if (len != (iei == SMS_IEI_CONCAT_8 ? 3 : 4))
				return smsr_fail(error, SMSR_BAD_LENGTH, "concatenation", offset,
								 "3 octets with IEI 00, 4 with IEI 08");
			header->concatenated = true;
			header->reference_bits = iei == SMS_IEI_CONCAT_8 ? 8 : 16;
			header->reference = iei == SMS_IEI_CONCAT_8 ? p[0] : get_u16(p);
			header->total = p[len - 2];
			header->sequence = p[len - 1];

			/*
			 * TS 23.040 has a receiver ignore such an element; a fragment
			 * would then pass for a packet.
			 */
			if (header->sequence < 1 || header->sequence > header->total)
				return smsr_fail(error, SMSR_BAD_VALUE, "concatenation", offset,
								 "a sequence number from 1 to the total");
			return true;

		case SMS_IEI_COMMAND:
		case SMS_IEI_RESPONSE:
			if (header->cpi != 0)
				return smsr_fail(error, SMSR_BAD_VALUE, "security header", offset,
								 "one of 70 and 71");
			if (len != 0)
				return smsr_fail(error, SMSR_BAD_LENGTH, "security header", offset,
								 "length 00");
			header->cpi = iei;
			return true;

		default:
			return true;
	}
}

bool
sms_read(SmsrBytes tp_ud, SmsHeader *header, SmsrError *error)
{
	size_t		end;
	size_t		pos = UDHL_LEN;

	*header = (SmsHeader) {.total = 1,.sequence = 1};
	if (tp_ud.len < UDHL_LEN)
		return smsr_fail(error, SMSR_TRUNCATED, "UDHL", 0, "a user data header");
	end = UDHL_LEN + (size_t) tp_ud.data[0];
	if (end > tp_ud.len)
		return smsr_fail(error, SMSR_BAD_LENGTH, "UDHL", 0,
						 "no more octets than the TP-UD has");
	while (pos < end)
	{
		const size_t at = pos;
		size_t		len;

		if (end - pos < 2)
			return smsr_fail(error, SMSR_TRUNCATED, "IEI", at, "an IEI and its length");
		len = tp_ud.data[pos + 1];
		pos += 2;
		if (len > end - pos)
			return smsr_fail(error, SMSR_BAD_LENGTH, "IEIDL", at + 1,
							 "no more octets than the header has");
		if (!read_element(tp_ud.data[at], tp_ud.data + pos, len, at, header, error))
			return false;
		pos += len;
	}
	header->payload = smsr_bytes(tp_ud.data + end, tp_ud.len - end);
	return true;
}

static bool
same_bytes(SmsrBytes a, SmsrBytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool
sms_reassemble(const SmsrBytes *segments, size_t count, uint8_t *cpi,
			   SmsrWriter *out, SmsrError *error)
{
	SmsrBytes	parts[SMS_MAX_SEGMENTS + 1] = {{NULL, 0}};
	bool		present[SMS_MAX_SEGMENTS + 1] = {false};
	SmsHeader	first = {0};
	const size_t before = out->len;
	size_t		missing;

	if (count == 0)
		return smsr_fail(error, SMSR_TRUNCATED, "segments", 0, "at least one");

	*cpi = 0;
	missing = 0;
	for (size_t i = 0; i < count; i++)
	{
		SmsHeader	header;

		if (!sms_read(segments[i], &header, error))
			return false;
		if (i == 0)
		{
			first = header;
			missing = header.total;
		}
		else if (header.concatenated != first.concatenated ||
				 header.reference_bits != first.reference_bits ||
				 header.reference != first.reference ||
				 header.total != first.total)
			return smsr_fail(error, SMSR_BAD_VALUE, "concatenation", 0,
							 "the reference and total of the other segments");

		if (header.cpi != 0)
		{
			if (*cpi != 0 && *cpi != header.cpi)
				return smsr_fail(error, SMSR_BAD_VALUE, "security header", 0,
								 "the same as in the other segments");
			*cpi = header.cpi;
		}

		if (!present[header.sequence])
		{
			present[header.sequence] = true;
			parts[header.sequence] = header.payload;
			missing--;
		}
		else if (!same_bytes(parts[header.sequence], header.payload))
			return smsr_fail(error, SMSR_BAD_VALUE, "segment",
							 segments[i].len - header.payload.len,
							 "the same octets as its duplicate");
	}
	if (missing > 0)
		return smsr_fail(error, SMSR_TRUNCATED, "segments", 0,
						 "every sequence number from 1 to the total");

	for (size_t sequence = 1; sequence <= first.total; sequence++)
		put_bytes(out, parts[sequence].data, parts[sequence].len);
	if (out->overflow)
	{
		out->len = before;
		return smsr_fail(error, SMSR_TOO_LONG, "packet", 0,
						 "a buffer as large as all segments");
	}
	return true;
}
