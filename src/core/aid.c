/*
 * aid.c
 *		Application identifiers (ISO/IEC 7816-4: 5 to 16 octets) and the ones
 *		that SGP.02 Annex H fixes.
 */
#include "aid.h"

#include <string.h>

/* RID A000000559 and PIX 1010 FFFF FFFF89, then three octets of TAR and 00 */
#define SGP02_AID(tar_low) \
	{16, {0xA0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xFF, \
		  0xFF, 0xFF, 0xFF, 0x89, 0x00, 0x00, (tar_low), 0x00}}

const SmsrAid AID_ISD_R = SGP02_AID(0x01);
const SmsrAid AID_ECASD = SGP02_AID(0x02);
const SmsrAid AID_ISD_P_LOADFILE = SGP02_AID(0x0D);
const SmsrAid AID_ISD_P_MODULE = SGP02_AID(0x0E);

#define TAR_OFFSET	12

bool
aid_parse(const char *text, size_t len, SmsrAid *aid, SmsrError *error)
{
	if (len % 2 != 0 || len < 2 * AID_MIN_LEN || len > 2 * AID_MAX_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "AID", 0,
						 "10 to 32 hexadecimal digits, an even number");
	memset(aid, 0, sizeof(*aid));
	for (size_t i = 0; i < len; i++)
	{
		int			value = hex_value((uint8_t) text[i]);

		if (value < 0)
			return smsr_fail(error, SMSR_BAD_VALUE, "AID", i, "a hexadecimal digit");
		aid->octets[i / 2] = (uint8_t) (aid->octets[i / 2] << 4 | value);
	}
	aid->len = (uint8_t) (len / 2);
	return true;
}

bool
aid_from_bytes(SmsrBytes octets, SmsrAid *aid, SmsrError *error)
{
	if (octets.len < AID_MIN_LEN || octets.len > AID_MAX_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "AID", 0, "5 to 16 octets");
	memset(aid, 0, sizeof(*aid));
	aid->len = (uint8_t) octets.len;
	memcpy(aid->octets, octets.data, octets.len);
	return true;
}

void
aid_format(const SmsrAid *aid, char text[2 * AID_MAX_LEN + 1])
{
	for (int i = 0; i < aid->len; i++)
	{
		text[2 * i] = "0123456789ABCDEF"[aid->octets[i] >> 4];
		text[2 * i + 1] = "0123456789ABCDEF"[aid->octets[i] & 0x0F];
	}
	text[2 * aid->len] = '\0';
}

int
aid_compare(const SmsrAid *a, const SmsrAid *b)
{
	int			result = memcmp(a->octets, b->octets, a->len < b->len ? a->len : b->len);

	if (result != 0)
		return result < 0 ? -1 : 1;
	return a->len < b->len ? -1 : a->len > b->len;
}

bool
aid_tar(const SmsrAid *aid, uint8_t tar[3])
{
	if (aid->len != AID_MAX_LEN)
		return false;
	memcpy(tar, aid->octets + TAR_OFFSET, 3);
	return true;
}

bool
aid_isdp(uint32_t tar, SmsrAid *aid, SmsrError *error)
{
	if (tar < ISDP_TAR_FIRST || tar > ISDP_TAR_LAST)
		return smsr_fail(error, SMSR_BAD_VALUE, "TAR", 0, "000010 to 00FFFF");
	*aid = AID_ISD_R;
	aid->octets[TAR_OFFSET] = (uint8_t) (tar >> 16);
	aid->octets[TAR_OFFSET + 1] = (uint8_t) (tar >> 8);
	aid->octets[TAR_OFFSET + 2] = (uint8_t) tar;
	return true;
}
