/*
 * decode_packet.c
 *		The clear part of secured packets (TS 102 225 clause 5), and the rest
 *		where it is not ciphered.
 */
#include "decode_parts.h"

#include "tlv.h"

/* SPI, KIc, KID and TAR of a command, TAR of a response */
#define COMMAND_CLEAR	7
#define RESPONSE_CLEAR	3
/* CNTR and PCNTR, and the status of a response */
#define COMMAND_COUNTER		6
#define RESPONSE_COUNTER	7
#define MAX_BLOCK	16

static size_t
clear_len(bool command)
{
	return command ? COMMAND_CLEAR : RESPONSE_CLEAR;
}

static size_t
counter_len(bool command)
{
	return command ? COMMAND_COUNTER : RESPONSE_COUNTER;
}

/* ---- words ---- */

static const char *const checks[] = {"none", "RC", "CC", "DS"};
static const char *const counters[] = {"none", "not checked", "higher", "one higher"};
static const char *const pors[] = {"none", "always", "on error", "reserved"};

/* Low nibbles of KIc, and of KID for a CC and for an RC; TS 102 225 clause 5.1.2. */
static const char *const ciphers[16] = {
	"implicit", "DES-CBC", "AES-CBC", "proprietary",
	"reserved", "3DES-CBC, 2 keys", "reserved", "proprietary",
	"reserved", "3DES-CBC, 3 keys", "reserved", "proprietary",
	"reserved", "DES-ECB", "reserved", "proprietary"
};
static const char *const macs[16] = {
	"implicit", "DES CBC-MAC", "AES-CMAC", "proprietary",
	"reserved", "3DES CBC-MAC, 2 keys", "reserved", "proprietary",
	"reserved", "3DES CBC-MAC, 3 keys", "reserved", "proprietary",
	"reserved", "reserved", "reserved", "proprietary"
};
static const char *const crcs[16] = {
	"implicit", "CRC-16", "reserved", "proprietary",
	"reserved", "CRC-32", "reserved", "proprietary",
	"reserved", "reserved", "reserved", "proprietary",
	"reserved", "reserved", "reserved", "proprietary"
};

static const char *
status_name(uint8_t status)
{
	switch (status)
	{
		case SCP80_POR_OK:
			return "PoR OK";
		case SCP80_RC_CC_DS_FAILED:
			return "RC/CC/DS failed";
		case SCP80_CNTR_LOW:
			return "CNTR low";
		case SCP80_CNTR_HIGH:
			return "CNTR high";
		case SCP80_CNTR_BLOCKED:
			return "CNTR blocked";
		case SCP80_CIPHERING_ERROR:
			return "ciphering error";
		case SCP80_UNIDENTIFIED_ERROR:
			return "unidentified security error";
		case SCP80_INSUFFICIENT_MEMORY:
			return "insufficient memory";
		case SCP80_MORE_TIME:
			return "more time";
		case SCP80_TAR_UNKNOWN:
			return "TAR unknown";
		case SCP80_INSUFFICIENT_SECURITY:
			return "insufficient security level";
		case SCP80_RESPONSE_BY_SUBMIT:
			return "actual response by SMS-SUBMIT";
		case SCP80_RESPONSE_BY_USSD:
			return "actual response by USSD";
		default:
			return "reserved";
	}
}

/* TS 101 220 annex D, SGP.02 Annex H */
static const struct
{
	uint32_t	first;
	uint32_t	last;
	const char *name;
}			tars[] = {
	{0x000000, 0x000000, "issuer security domain, RAM"},
	{0x000001, 0x000001, "ISD-R"},
	{0x000002, 0x000002, "ECASD"},
	{0x00000F, 0x00000F, "ISD-P, from within its profile"},
	{ISDP_TAR_FIRST, ISDP_TAR_LAST, "ISD-P"},
	{0xB00000, 0xB00000, "RFM, UICC file system"},
	{0xB00001, 0xB0000F, "RFM, ADF"},
	{0xB00010, 0xB0001F, "RFM, SIM or USIM"},
	{0xB00100, 0xB001FF, "RFM, expanded format"},
	{0xB20100, 0xB20100, "administration agent, RAM over HTTP"},
	{0xBFFF00, 0xBFFFFF, "proprietary toolkit application"},
};

static void
decode_tar(Decoder *d, const uint8_t *tar)
{
	const uint32_t value = get_u24(tar);

	json_open_object(&d->json, "tar");
	json_hex_number(&d->json, "value", value, 6);
	for (size_t i = 0; i < sizeof(tars) / sizeof(tars[0]); i++)
	{
		if (value >= tars[i].first && value <= tars[i].last)
			json_string(&d->json, "name", tars[i].name);
	}
	json_close(&d->json);
}

/* ---- headers ---- */

static void
decode_spi(Decoder *d, const uint8_t *spi)
{
	json_open_object(&d->json, "spi");
	json_hex(&d->json, "value", smsr_bytes(spi, 2));
	json_string(&d->json, "check", checks[spi[0] & SPI1_CHECK_MASK]);
	json_bool(&d->json, "ciphered", (spi[0] & SPI1_CIPHER) != 0);
	json_string(&d->json, "counter", counters[(spi[0] & SPI1_CNTR_MASK) >> 3]);
	json_string(&d->json, "por", pors[spi[1] & SPI2_POR_MASK]);
	if ((spi[1] & SPI2_POR_MASK) != SPI2_POR_NONE)
	{
		json_string(&d->json, "por_check", checks[spi[1] >> SPI2_CHECK_SHIFT & SPI1_CHECK_MASK]);
		json_bool(&d->json, "por_ciphered", (spi[1] & SPI2_CIPHER) != 0);
		json_string(&d->json, "por_by", (spi[1] & SPI2_SUBMIT) != 0 ?
					"SMS-SUBMIT" : "SMS-DELIVER-REPORT");
	}
	json_close(&d->json);
}

static void
decode_key(Decoder *d, const char *key, uint8_t octet, const char *const *algorithms)
{
	json_open_object(&d->json, key);
	json_hex_number(&d->json, "value", octet, 2);
	json_number(&d->json, "kvn", octet >> 4);
	if (algorithms != NULL)
		json_string(&d->json, "algorithm", algorithms[octet & 0x0F]);
	json_close(&d->json);
}

static void
decode_command_header(Decoder *d, const uint8_t *p)
{
	/* KID is read with the check that is asked for, here or in the answer */
	uint8_t		check = p[0] & SPI1_CHECK_MASK;

	if (check == SPI1_CHECK_NONE && (p[1] & SPI2_POR_MASK) != SPI2_POR_NONE)
		check = p[1] >> SPI2_CHECK_SHIFT & SPI1_CHECK_MASK;

	decode_spi(d, p);
	decode_key(d, "kic", p[2], ciphers);
	decode_key(d, "kid", p[3],
			   check == SPI1_CHECK_CC ? macs : check == SPI1_CHECK_RC ? crcs : NULL);
	decode_tar(d, p + 4);
}

/* CHL's octets of check field are those that SPI1 and KID ask for. */
static bool
check_len_fits(uint8_t spi1, uint8_t kid, size_t len)
{
	const uint8_t algorithm = kid & 0x0F;

	switch (spi1 & SPI1_CHECK_MASK)
	{
		case SPI1_CHECK_NONE:
			return len == 0;
		case SPI1_CHECK_RC:
			return algorithm == 0x01 ? len == 2 : algorithm == 0x05 ? len == 4 :
				len == 2 || len == 4;
		case SPI1_CHECK_CC:
			/* AES-CMAC travels in a short form too */
			return len == 8 || (len == 4 && (algorithm == 0x00 || (algorithm & 0x03) >= 0x02));
		default:
			return true;
	}
}

/* What follows the clear part, if it is in the clear too. */
static void
decode_secured(Decoder *d, bool command, SmsrBytes secured, size_t check_len)
{
	const size_t fixed = counter_len(command) + check_len;
	const uint8_t pcntr = secured.data[5];
	size_t		len = secured.len - fixed;

	json_number(&d->json, "cntr", get_u40(secured.data));
	json_number(&d->json, "pcntr", pcntr);
	if (!command)
	{
		json_open_object(&d->json, "status");
		json_hex_number(&d->json, "value", secured.data[6], 2);
		json_string(&d->json, "name", status_name(secured.data[6]));
		json_close(&d->json);
	}
	if (pcntr > len)
	{
		const SmsrError error = {SMSR_BAD_VALUE, "PCNTR", 5, "no more than the data"};

		decode_fault(d, secured, &error);
		return;
	}
	len -= pcntr;
	decode_length(d, "data_length", len);
	if (len == 0)
		return;
	json_open_object(&d->json, "data");
	decode_content(d, smsr_bytes(secured.data + fixed, len));
	json_close(&d->json);
}

/*
 * A response does not say whether it is ciphered: the command's SPI2 does.  One
 * that is no whole number of blocks is not, and ciphered octets have a right
 * PCNTR and status once in three hundred times.
 */
static const char *
response_reading(SmsrBytes secured, size_t check_len, bool *clear)
{
	*clear = true;
	if (secured.len % 8 != 0)
		return "clear";
	*clear = secured.data[5] < MAX_BLOCK &&
		secured.data[5] <= secured.len - RESPONSE_COUNTER - check_len &&
		secured.data[6] <= SCP80_RESPONSE_BY_USSD;
	return *clear ? "apparently clear" : "apparently ciphered";
}

/* ---- packets ---- */

/* A length of CAT_TP's dialect, which scp80_peek_..() found to be right. */
static size_t
take_length(const uint8_t *data, size_t *pos)
{
	size_t		len = data[(*pos)++];

	if (len >= 0x80)
	{
		size_t		octets = len & 0x7F;

		for (len = 0; octets > 0; octets--)
			len = len << 8 | data[(*pos)++];
	}
	return len;
}

/* Where what CHL or RHL counts begins, and how much it is. */
static bool
packet_layout(SmsrBytes packet, bool command, Scp80Bearer bearer, size_t *at,
			  size_t *head, SmsrError *error)
{
	Scp80Header header;
	uint8_t		tar[SCP80_TAR_LEN];

	if (command ? !scp80_peek_command(bearer, packet, &header, error) :
		!scp80_peek_response(bearer, packet, tar, error))
		return false;
	*at = 3;
	if (bearer == SCP80_SMS)
		*head = packet.data[2];
	else
	{
		*at = 1;
		(void) take_length(packet.data, at);
		*head = take_length(packet.data, at);
	}
	return true;
}

bool
looks_like_packet(SmsrBytes data, bool command, Scp80Bearer bearer)
{
	size_t		at;
	size_t		head;
	size_t		check_len;

	if (!packet_layout(data, command, bearer, &at, &head, NULL))
		return false;
	check_len = head - clear_len(command) - counter_len(command);
	return check_len == 0 || check_len == 2 || check_len == 4 || check_len == 8;
}

void
decode_packet(Decoder *d, SmsrBytes packet, bool command, Scp80Bearer bearer)
{
	SmsrBytes	secured;
	SmsrError	error;
	size_t		at;
	size_t		head;
	size_t		check_len;
	bool		clear;

	json_string(&d->json, "kind", command ? "command_packet" : "response_packet");
	decode_length(d, "length", packet.len);
	if (!packet_layout(packet, command, bearer, &at, &head, &error))
	{
		decode_fault(d, packet, &error);
		return;
	}
	check_len = head - clear_len(command) - counter_len(command);
	secured = smsr_bytes(packet.data + at + clear_len(command),
						 packet.len - at - clear_len(command));
	json_string(&d->json, "bearer", bearer == SCP80_SMS ? "sms" : "cat_tp");
	decode_length(d, "check_length", check_len);

	if (command)
	{
		const uint8_t *p = packet.data + at;

		decode_command_header(d, p);
		clear = (p[0] & SPI1_CIPHER) == 0;
		if (!check_len_fits(p[0], p[3], check_len))
		{
			error = (SmsrError) {SMSR_BAD_LENGTH, "CHL", at - 1,
				"0D and the octets of the RC or CC that SPI1 and KID ask for"};
			decode_fault(d, packet, &error);
			return;
		}
	}
	else
	{
		decode_tar(d, packet.data + at);
		json_string(&d->json, "reading", response_reading(secured, check_len, &clear));
	}
	if (clear)
		decode_secured(d, command, secured, check_len);
	else
		decode_length(d, "ciphered_length", secured.len);
}

void
decode_first_segment(Decoder *d, SmsrBytes packet, bool command)
{
	json_string(&d->json, "kind", command ? "command_packet" : "response_packet");
	json_bool(&d->json, "complete", false);
	decode_length(d, "length", packet.len);
	if (packet.len < 3 + clear_len(command))
	{
		const SmsrError error = {SMSR_TRUNCATED, command ? "command header" : "response header",
		packet.len, "all of it in the first short message"};

		decode_fault(d, packet, &error);
		return;
	}
	/* what CPL or RPL announces, itself included */
	decode_length(d, "packet_length", 2u + get_u16(packet.data));
	if (command)
		decode_command_header(d, packet.data + 3);
	else
		decode_tar(d, packet.data + 3);
}
