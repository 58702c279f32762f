/*
 * fuzz_tlv.c
 *		Reading whatever comes in each of the three codings; what was read and
 *		written again reads the same.
 */
#include "fuzz.h"

#include "core/tlv.h"

typedef bool (*ReadObject) (TlvReader *r, const char *field, SmsrTlv *tlv, SmsrError *error);

static void
walk(SmsrBytes input, ReadObject read_object, bool dgi)
{
	TlvReader	r = tlv_reader(input);
	SmsrTlv		tlv;
	SmsrTlv		again;
	SmsrTlv		found;
	SmsrError	error;

	while (!tlv_at_end(&r))
	{
		size_t		before = r.pos;
		SmsrWriter	w;
		TlvReader	one;

		if (!read_object(&r, "object", &tlv, &error))
		{
			explained(error, input.len);
			property(error.offset == before && r.pos == before);
			return;
		}
		property(tlv.offset == before && r.pos > before && r.pos <= input.len);
		property(tlv.value.data + tlv.value.len == input.data + r.pos);

		w = heap_writer(tlv.value.len + 8);
		if (dgi)
		{
			put_dgi_header(&w, (uint16_t) tlv.tag, tlv.value.len);
			put_bytes(&w, tlv.value.data, tlv.value.len);
		}
		else
			put_tlv(&w, tlv.tag, tlv.value.data, tlv.value.len);
		property(!w.overflow && w.len <= r.pos - before);
		one = tlv_reader(smsr_written(&w));
		property(read_object(&one, "object", &again, &error));
		property(tlv_at_end(&one) && again.tag == tlv.tag &&
				 same_bytes(again.value, tlv.value));
		free(w.data);

		if (read_object == tlv_read)
			property(tlv_find(input, tlv.tag, &found) && found.offset <= tlv.offset);
	}
	property(!read_object(&r, "object", &tlv, &error) && error.code == SMSR_TRUNCATED);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);

	walk(input, tlv_read, false);
	walk(input, comprehension_read, false);
	walk(input, dgi_read, true);
	return 0;
}
