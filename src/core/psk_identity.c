/*
 * psk_identity.c
 *		The identity by which a card's TLS finds its key.
 */
#include "psk_identity.h"

#include <string.h>

#include "tlv.h"

#define TAG_FORMAT		0x80
#define TAG_EID			0x81
#define TAG_AID			0x4F
#define TAG_KEY_ID		0x82
#define TAG_KVN			0x83

#define FORMAT			0x02
#define OCTETS			(PSK_IDENTITY_LEN / 2)

void
psk_identity_write(const PskIdentity *identity, SmsrWriter *w)
{
	static const char digits[] = "0123456789ABCDEF";
	uint8_t		octets[OCTETS];
	SmsrWriter	o = smsr_writer(octets, sizeof(octets));
	const uint8_t format = FORMAT;

	put_tlv(&o, TAG_FORMAT, &format, 1);
	put_tlv(&o, TAG_EID, identity->eid, sizeof(identity->eid));
	put_tlv(&o, TAG_AID, identity->isdr.octets, identity->isdr.len);
	put_tlv(&o, TAG_KEY_ID, &identity->key_id, 1);
	put_tlv(&o, TAG_KVN, &identity->kvn, 1);
	if (o.overflow || o.len != OCTETS)
	{
		w->overflow = true;
		return;
	}
	for (size_t i = 0; i < o.len; i++)
	{
		put_u8(w, (uint8_t) digits[octets[i] >> 4]);
		put_u8(w, (uint8_t) digits[octets[i] & 0x0F]);
	}
}

/*
 * An object whose place, tag and length are fixed.  Offsets count in the text,
 * where an octet has two digits.
 */
static bool
take(const uint8_t octets[OCTETS], size_t *pos, uint8_t tag, size_t len, const char *field,
	 const char *expected, const uint8_t **value, SmsrError *error)
{
	if (octets[*pos] != tag || octets[*pos + 1] != len)
		return smsr_fail(error, SMSR_BAD_VALUE, field, 2 * *pos, expected);
	*value = octets + *pos + 2;
	*pos += 2 + len;
	return true;
}

bool
psk_identity_read(SmsrBytes text, PskIdentity *identity, SmsrError *error)
{
	uint8_t		octets[OCTETS];
	const uint8_t *value;
	size_t		pos = 0;

	if (text.len != PSK_IDENTITY_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "PSK identity", 0, "90 hexadecimal digits");
	for (size_t i = 0; i < text.len; i++)
	{
		const int	d = hex_value(text.data[i]);

		if (d < 0)
			return smsr_fail(error, SMSR_BAD_VALUE, "PSK identity", i, "a hexadecimal digit");
		octets[i / 2] = (uint8_t) (i % 2 == 0 ? d << 4 : octets[i / 2] | d);
	}
	if (!take(octets, &pos, TAG_FORMAT, 1, "format of PSK identity", "tag 80 with one octet", &value, error))
		return false;
	if (*value != FORMAT)
		return smsr_fail(error, SMSR_UNSUPPORTED, "format of PSK identity", 0, "02");
	if (!take(octets, &pos, TAG_EID, 16, "EID", "tag 81 with 16 octets", &value, error))
		return false;
	memcpy(identity->eid, value, 16);
	if (!take(octets, &pos, TAG_AID, AID_MAX_LEN, "AID", "tag 4F with 16 octets", &value, error) ||
		!aid_from_bytes(smsr_bytes(value, AID_MAX_LEN), &identity->isdr, error) ||
		!take(octets, &pos, TAG_KEY_ID, 1, "key identifier", "tag 82 with one octet", &value, error))
		return false;
	identity->key_id = *value;
	if (!take(octets, &pos, TAG_KVN, 1, "key version number", "tag 83 with one octet", &value, error))
		return false;
	identity->kvn = *value;
	return true;
}
