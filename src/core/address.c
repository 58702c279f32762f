/*
 * address.c
 *		A telephone number as a card stores where its short messages go: the
 *		coding of TP-DA (3GPP TS 23.040 clause 9.1.2.5).
 */
#include "address.h"

/* type of address: number type, then the ISDN numbering plan */
#define TOA_INTERNATIONAL	0x91
#define TOA_UNKNOWN			0x81
#define FILLER				0xF0

bool
address_write(const char *text, size_t len, SmsrWriter *w, SmsrError *error)
{
	const size_t plus = len > 0 && text[0] == '+';
	const size_t digits = len - plus;

	if (digits < 1 || digits > ADDRESS_MAX_DIGITS)
		return smsr_fail(error, SMSR_BAD_LENGTH, "address", plus, "1 to 20 digits");
	for (size_t i = plus; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return smsr_fail(error, SMSR_BAD_VALUE, "address", i, "a decimal digit");
	}
	put_u8(w, (uint8_t) digits);
	put_u8(w, plus ? TOA_INTERNATIONAL : TOA_UNKNOWN);
	for (size_t i = plus; i < len; i += 2)
		put_u8(w, (uint8_t) ((i + 1 < len ? (text[i + 1] - '0') << 4 : FILLER) | (text[i] - '0')));
	if (w->overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "address", 0, "12 octets of room");
	return true;
}
