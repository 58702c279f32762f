/*
 * notification.c
 *		The default notification of an eUICC (SGP.02 clause 4.1.1.11).
 *
 * The template is BER, its objects are COMPREHENSION-TLV (TS 102 223), whose
 * tags come with and without the comprehension bit.
 */
#include "notification.h"

#include <string.h>

#include "tlv.h"

#define TAG_NOTIFICATION	0xE1
#define TAG_EID				0x4C
#define TAG_TYPE			0x4D
#define TAG_SEQUENCE		0x4E
#define TAG_AID				0x2F
#define TAG_AID_BER			0x4F	/* so it stands in some implementations */
#define TAG_IMEI			0x14
#define TAG_MEID			0x6D
#define COMPREHENSION		0x80

static bool
read_object(SmsrTlv tlv, Notification *n, unsigned *seen, SmsrError *error)
{
	const uint8_t *p = tlv.value.data;
	const size_t len = tlv.value.len;
	unsigned	bit;

	switch (tlv.tag)
	{
		case TAG_EID:
			if (len != EID_LEN)
				return smsr_fail(error, SMSR_BAD_LENGTH, "EID", tlv.offset, "16 octets");
			memcpy(n->eid, p, EID_LEN);
			bit = 1;
			break;
		case TAG_TYPE:
			if (len != 1)
				return smsr_fail(error, SMSR_BAD_LENGTH, "notification type",
								 tlv.offset, "one octet");
			n->type = p[0];
			bit = 2;
			break;
		case TAG_SEQUENCE:
			if (len != 2)
				return smsr_fail(error, SMSR_BAD_LENGTH, "sequence number",
								 tlv.offset, "two octets");
			n->sequence = get_u16(p);
			bit = 4;
			break;
		case TAG_AID:
		case TAG_AID | COMPREHENSION:
		case TAG_AID_BER:
			if (len < AID_MIN_LEN || len > AID_MAX_LEN)
				return smsr_fail(error, SMSR_BAD_LENGTH, "AID", tlv.offset,
								 "5 to 16 octets");
			if (!aid_from_bytes(tlv.value, &n->enabled, error))
				return false;
			bit = 8;
			break;

			/*
			 * The terminal gave the card these two.  If one has an odd length
			 * the notification still counts: unconfirmed, the card would roll
			 * back.
			 */
		case TAG_IMEI:
		case TAG_IMEI | COMPREHENSION:
			n->has_imei = len == sizeof(n->imei);
			if (n->has_imei)
				memcpy(n->imei, p, len);
			return true;
		case TAG_MEID:
		case TAG_MEID | COMPREHENSION:
			n->has_meid = len == sizeof(n->meid);
			if (n->has_meid)
				memcpy(n->meid, p, len);
			return true;
		default:
			return true;
	}

	/* of two different ones nobody could tell which the card means */
	if ((*seen & bit) != 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "notification", tlv.offset,
						 "EID, type, sequence number and AID once each");
	*seen |= bit;
	return true;
}

bool
notification_read(SmsrBytes data, Notification *n, SmsrError *error)
{
	TlvReader	r = tlv_reader(data);
	SmsrTlv		tlv;
	unsigned	seen = 0;

	memset(n, 0, sizeof(*n));
	if (!tlv_read(&r, "notification", &tlv, error))
		return false;
	if (tlv.tag != TAG_NOTIFICATION)
		return smsr_fail(error, SMSR_BAD_VALUE, "notification", 0, "tag E1");
	if (!tlv_at_end(&r))
		return smsr_fail(error, SMSR_BAD_LENGTH, "notification", r.pos, "nothing more");

	r.pos = data.len - tlv.value.len;
	while (!tlv_at_end(&r))
	{
		if (!comprehension_read(&r, "object of notification", &tlv, error) ||
			!read_object(tlv, n, &seen, error))
			return false;
	}
	if (seen != 15)
		return smsr_fail(error, SMSR_TRUNCATED, "notification", data.len,
						 (seen & 1) == 0 ? "an EID, tag 4C" :
						 (seen & 2) == 0 ? "a notification type, tag 4D" :
						 (seen & 4) == 0 ? "a sequence number, tag 4E" :
						 "an AID, tag 2F");
	return true;
}

void
notification_write(SmsrWriter *w, const Notification *n)
{
	put_tlv_header(w, TAG_NOTIFICATION, 2u + EID_LEN + 3 + 4 + 2 + n->enabled.len +
				   (n->has_imei ? 2 + sizeof(n->imei) : 0) +
				   (n->has_meid ? 2 + sizeof(n->meid) : 0));
	put_tlv(w, TAG_EID, n->eid, EID_LEN);
	put_tlv(w, TAG_TYPE, &n->type, 1);
	put_tlv_header(w, TAG_SEQUENCE, 2);
	put_u16(w, n->sequence);
	put_tlv(w, TAG_AID, n->enabled.octets, n->enabled.len);
	if (n->has_imei)
		put_tlv(w, TAG_IMEI, n->imei, sizeof(n->imei));
	if (n->has_meid)
		put_tlv(w, TAG_MEID, n->meid, sizeof(n->meid));
}
