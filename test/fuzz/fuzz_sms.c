/*
 * fuzz_sms.c
 *		Reading one short message, putting whatever comes together, and taking
 *		a packet apart and putting it together again.
 */
#include "fuzz.h"

#include "core/sms.h"

#define MAX_PIECES	300

static void
read_one(SmsrBytes tp_ud)
{
	SmsHeader	header;
	SmsrError	error;

	if (sms_read(tp_ud, &header, &error))
	{
		property(header.payload.len < tp_ud.len);
		property(header.sequence >= 1 && header.sequence <= header.total);
		property(header.concatenated || header.total == 1);
		property(header.cpi == 0 || header.cpi == SMS_IEI_COMMAND ||
				 header.cpi == SMS_IEI_RESPONSE);
	}
	else
		explained(error, tp_ud.len);
}

/* Pieces with a length of one octet in front of each. */
static void
reassemble_anything(SmsrBytes input)
{
	SmsrBytes	pieces[MAX_PIECES];
	SmsrWriter	out = heap_writer(input.len);
	SmsrError	error;
	size_t		size = input.len;
	size_t		count = 0;
	uint8_t		cpi;

	while (input.len > 0 && count < MAX_PIECES)
	{
		size_t		len = take_u8(&input);

		pieces[count++] = take_bytes(&input, len);
	}
	if (!sms_reassemble(pieces, count, &cpi, &out, &error))
	{
		explained(error, size);
		property(out.len == 0);
	}
	free(out.data);
}

static void
apart_and_together(uint8_t options, uint16_t reference, uint8_t order, SmsrBytes packet)
{
	uint8_t		buffers[SMS_MAX_SEGMENTS][SMS_MAX_UD];
	SmsrBytes	segments[SMS_MAX_SEGMENTS + 1];
	int			bits = (options & 1) != 0 ? 16 : 8;
	uint8_t		cpi = (options & 2) != 0 ? SMS_IEI_RESPONSE : SMS_IEI_COMMAND;
	size_t		count = sms_segment_count(packet.len, bits);
	SmsrWriter	out = heap_writer(packet.len);
	SmsrError	error;
	uint8_t		got;

	if (bits == 8)
		reference &= 0xFF;
	for (size_t i = 0; i < count; i++)
	{
		SmsrWriter	w = smsr_writer(buffers[i], SMS_MAX_UD);

		property(sms_segment(packet, cpi, reference, bits, i, &w, &error));
		/* any order: the same walk with another beginning, and back or forth */
		segments[(order & 1) != 0 ? (i + order) % count : count - 1 - (i + order) % count] =
			smsr_written(&w);
	}
	if (count > 0)
	{
		segments[count] = segments[order % count];
		property(sms_reassemble(segments, count + (order >> 7), &got, &out, &error));
		property(got == cpi && same_bytes(smsr_written(&out), packet));
	}
	if (count > 1)
	{
		out.len = 0;
		property(!sms_reassemble(segments, count - 1, &got, &out, &error));
	}
	free(out.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);
	uint8_t		options;
	uint8_t		order;
	uint16_t	reference;

	read_one(input);
	reassemble_anything(input);
	options = take_u8(&input);
	order = take_u8(&input);
	reference = (uint16_t) (take_u8(&input) << 8);
	reference |= take_u8(&input);
	apart_and_together(options, reference, order, input);
	return 0;
}
