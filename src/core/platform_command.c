/*
 * platform_command.c
 *		The commands of platform management.
 */
#include "platform_command.h"

#include <stddef.h>

#include "script.h"
#include "tlv.h"

#define HEADER_LEN	4			/* CLA INS P1 P2 */

/*
 * Every command there is; GlobalPlatform Card Specification clauses 11.3 and
 * 11.4.  No secure messaging and no other logical channel than the basic one:
 * security is the bearer's, and the ISD-R is selected on none.  SELECT is not
 * here: it changes what later commands of a script are for.
 */
static const struct
{
	uint8_t		cla;
	uint8_t		ins;
	const char *name;
}			asking[] =
{
	{0x80, 0xF2, "GET STATUS"},
	{0x80, 0xCA, "GET DATA"},
	{0x00, 0xCA, "GET DATA"},
	{0x80, 0xCB, "GET DATA"},
	{0x00, 0xCB, "GET DATA"},
};

#define ASKING (sizeof(asking) / sizeof(asking[0]))

const char *
platform_command_name(SmsrBytes c_apdu)
{
	for (size_t i = 0; i < ASKING && c_apdu.len >= HEADER_LEN; i++)
		if (asking[i].cla == c_apdu.data[0] && asking[i].ins == c_apdu.data[1])
			return asking[i].name;
	return NULL;
}

bool
platform_command_check(SmsrBytes c_apdu, SmsrError *error)
{
	bool		class_known = false;
	size_t		data;

	if (c_apdu.len < HEADER_LEN)
		return smsr_fail(error, SMSR_TRUNCATED, "C-APDU", c_apdu.len, "CLA, INS, P1 and P2");
	for (size_t i = 0; i < ASKING; i++)
		class_known = class_known || asking[i].cla == c_apdu.data[0];
	if (!class_known)
		return smsr_fail(error, SMSR_BAD_VALUE, "CLA", 0, "80 or 00");
	if (platform_command_name(c_apdu) == NULL)
		return smsr_fail(error, SMSR_BAD_VALUE, "INS", 1, "GET STATUS (80F2) or GET DATA (80CA, 00CA, 80CB, 00CB)");
	/* ISO/IEC 7816-4 clause 5.1: alone, with Le, with data, or with both; short lengths */
	if (c_apdu.len <= HEADER_LEN + 1)
		return true;
	data = c_apdu.data[HEADER_LEN];
	if (data == 0 || (c_apdu.len != HEADER_LEN + 1 + data && c_apdu.len != HEADER_LEN + 1 + data + 1))
		return smsr_fail(error, SMSR_BAD_LENGTH, "Lc", HEADER_LEN, "the number of octets that follow it, and Le or nothing behind them");
	return true;
}

bool
platform_script_check(SmsrBytes commands, SmsrError *error)
{
	TlvReader	r = tlv_reader(commands);
	SmsrTlv		tlv;

	do
	{
		if (!tlv_read(&r, "command TLV", &tlv, error))
			return false;
		if (tlv.tag != SCRIPT_C_APDU)
			return smsr_fail(error, SMSR_BAD_VALUE, "command TLV", tlv.offset, "22, a C-APDU");
		if (!platform_command_check(tlv.value, error))
		{
			if (error != NULL)
				error->offset += (size_t) (tlv.value.data - commands.data);
			return false;
		}
	} while (!tlv_at_end(&r));
	return true;
}
