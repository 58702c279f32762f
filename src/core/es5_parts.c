/*
 * es5_parts.c
 *		What commands of ES5 and the answers to them have in common.
 */
#include "es5_parts.h"

void
es5_put_aid(SmsrWriter *w, const SmsrAid *aid)
{
	put_tlv(w, TAG_AID, aid->octets, aid->len);
}

size_t
es5_aid_len(const SmsrAid *aid)
{
	return 2u + aid->len;
}

TlvReader
es5_inside(SmsrBytes input, SmsrBytes part)
{
	const TlvReader whole = tlv_reader(input);

	return tlv_inside(&whole, part);
}

bool
es5_read_tag(TlvReader *r, uint32_t tag, const char *field, SmsrTlv *tlv,
			 const char *expected, SmsrError *error)
{
	if (!tlv_read(r, field, tlv, error))
		return false;
	if (tlv->tag != tag)
		return smsr_fail(error, SMSR_BAD_VALUE, field, tlv->offset, expected);
	return true;
}

bool
es5_read_aid(SmsrTlv tlv, SmsrAid *aid, SmsrError *error)
{
	if (tlv.value.len < AID_MIN_LEN || tlv.value.len > AID_MAX_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "AID", tlv.offset, "5 to 16 octets");
	return aid_from_bytes(tlv.value, aid, error);
}

bool
es5_read_number(SmsrTlv tlv, const char *field, uint32_t *number, SmsrError *error)
{
	if (tlv.value.len < 1 || tlv.value.len > 4)
		return smsr_fail(error, SMSR_BAD_LENGTH, field, tlv.offset, "1 to 4 octets");
	*number = 0;
	for (size_t i = 0; i < tlv.value.len; i++)
		*number = *number << 8 | tlv.value.data[i];
	return true;
}

bool
es5_at_end(const TlvReader *r, const char *field, SmsrError *error)
{
	if (!tlv_at_end(r))
		return smsr_fail(error, SMSR_BAD_LENGTH, field, r->pos, "nothing more");
	return true;
}
