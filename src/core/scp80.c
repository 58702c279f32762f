/*
 * scp80.c
 *		Secured packets of TS 102 225, in the dialects of TS 31.115 (SMS-PP) and
 *		of CAT_TP: command packets, response packets (PoR), and their opening.
 *
 * Both kinds of packet are the same but for their headers:
 *
 *		clear		lengths, [SPI KIc KID], TAR
 *		ciphered	CNTR, PCNTR, [status], RC/CC, data, padding
 *
 * and the RC or CC is over all of it but itself.
 */
#include "scp80.h"

#include <string.h>

#include <openssl/crypto.h>

#include "cipher.h"
#include "crc.h"
#include "tlv.h"

#define CPI_CAT_TP		0x01
#define RPI_CAT_TP		0x02

#define SPI1_RESERVED	0xE0
#define SPI2_RESERVED	0xC0

/* Leftmost octets of the CBC-MAC or CMAC that travel, and the short AES form. */
#define CC_LEN			8
#define CC_LEN_SHORT	4

struct Scp80
{
	Ciphers		ciphers;
};

typedef enum PacketKind
{
	COMMAND,
	RESPONSE
} PacketKind;

/* What SPI, KIc and KID come to. */
typedef struct Security
{
	CipherAlgorithm cipher;
	uint8_t		check;			/* as b2b1 of SPI1: none, RC or CC */
	size_t		check_len;
	CipherAlgorithm mac;		/* where check is CC */
	SmsrBytes	kic;
	SmsrBytes	kid;
} Security;

/*
 * UDHL, IEIa and IEIDLa, that TS 31.115 clause 4.4 has in the RC/CC/DS of a
 * response but not of a command; the same octets however the response is split.
 */
static const uint8_t response_udh[] = {0x02, 0x71, 0x00};

Scp80 *
scp80_new(void)
{
	Scp80	   *scp80 = OPENSSL_zalloc(sizeof(*scp80));

	if (scp80 != NULL && !ciphers_open(&scp80->ciphers))
	{
		OPENSSL_free(scp80);
		scp80 = NULL;
	}
	return scp80;
}

void
scp80_free(Scp80 *scp80)
{
	if (scp80 == NULL)
		return;
	ciphers_close(&scp80->ciphers);
	OPENSSL_free(scp80);
}

void
scp80_forget(Scp80 *scp80)
{
	ciphers_forget(&scp80->ciphers);
}

/* Octets that CHL or RHL counts, without the check field. */
static size_t
header_len(PacketKind kind)
{
	return kind == COMMAND ? 13 : 10;
}

/* Of these, the ones that are never ciphered: up to and with the TAR. */
static size_t
clear_len(PacketKind kind)
{
	return kind == COMMAND ? 7 : 3;
}

/* And the ciphered ones before the check field. */
static size_t
counter_len(PacketKind kind)
{
	return header_len(kind) - clear_len(kind);
}

/* TS 102 225 clause 5.1.2; KID of a CC has the same codes but no ECB. */
static CipherAlgorithm
algorithm_of(uint8_t key_octet, bool ecb)
{
	switch (key_octet & 0x0F)
	{
		case 0x01:
			return CIPHER_DES;
		case 0x02:
			return CIPHER_AES;
		case 0x05:
			return CIPHER_3DES_2;
		case 0x09:
			return CIPHER_3DES_3;
		case 0x0D:
			return ecb ? CIPHER_DES_ECB : CIPHER_NONE;
		default:
			return CIPHER_NONE;
	}
}

/*
 * Which algorithms and keys a packet takes.  spi names the octet that check
 * and ciphered come from; it stands at spi_at of the input, 0 if there is none.
 */
static bool
read_security(const char *spi, size_t spi_at, uint8_t check, bool ciphered,
			  uint8_t kic, uint8_t kid, const Scp80Keys *keys,
			  Security *security, SmsrError *error)
{
	const size_t kic_at = spi_at == 0 ? 0 : spi_at + 2;
	const size_t kid_at = spi_at == 0 ? 0 : spi_at + 3;
	const char *expected;

	memset(security, 0, sizeof(*security));
	security->check = check;

	if (ciphered)
	{
		security->cipher = algorithm_of(kic, true);
		if (security->cipher == CIPHER_NONE)
			return smsr_fail(error, SMSR_UNSUPPORTED, "KIc", kic_at,
							 "low nibble 1, 2, 5, 9 or D: an explicit algorithm");
		security->kic = keys->kic;
		expected = cipher_key_expected(security->cipher, keys->kic.len);
		if (expected != NULL)
			return smsr_fail(error, SMSR_BAD_LENGTH, "key for KIc", 0, expected);
	}

	switch (check)
	{
		case SPI1_CHECK_NONE:
			break;
		case SPI1_CHECK_RC:
			if ((kid & 0x0F) == 0x01)
				security->check_len = 2;
			else if ((kid & 0x0F) == 0x05)
				security->check_len = 4;
			else
				return smsr_fail(error, SMSR_UNSUPPORTED, "KID", kid_at,
								 "low nibble 1 or 5: CRC-16 or CRC-32");
			break;
		case SPI1_CHECK_CC:
			security->mac = algorithm_of(kid, false);
			if (security->mac == CIPHER_NONE)
				return smsr_fail(error, SMSR_UNSUPPORTED, "KID", kid_at,
								 "low nibble 1, 2, 5 or 9: an explicit algorithm");
			security->kid = keys->kid;
			expected = cipher_key_expected(security->mac, keys->kid.len);
			if (expected != NULL)
				return smsr_fail(error, SMSR_BAD_LENGTH, "key for KID", 0, expected);
			security->check_len = CC_LEN;
			break;
		default:
			return smsr_fail(error, SMSR_UNSUPPORTED, spi, spi_at,
							 "none, RC or CC: no algorithm for DS was ever specified");
	}
	return true;
}

static bool
command_security(uint8_t spi1, size_t spi_at, uint8_t kic, uint8_t kid,
				 const Scp80Keys *keys, Security *security, SmsrError *error)
{
	return read_security("SPI1", spi_at, spi1 & SPI1_CHECK_MASK,
						 (spi1 & SPI1_CIPHER) != 0, kic, kid, keys, security, error);
}

static bool
response_security(uint8_t spi2, uint8_t kic, uint8_t kid, const Scp80Keys *keys,
				  Security *security, SmsrError *error)
{
	return read_security("SPI2", 0, (spi2 >> SPI2_CHECK_SHIFT) & SPI1_CHECK_MASK,
						 (spi2 & SPI2_CIPHER) != 0, kic, kid, keys, security, error);
}

/* The RC or CC of a packet in two parts, what stands before it and after it. */
static bool
compute_check(Scp80 *scp80, Scp80Bearer bearer, PacketKind kind,
			  const Security *security, const SmsrBytes *before, size_t before_count,
			  SmsrBytes after, uint8_t check[CIPHER_MAX_BLOCK])
{
	SmsrBytes	pieces[4];
	size_t		count = 0;

	if (bearer == SCP80_SMS && kind == RESPONSE)
		pieces[count++] = smsr_bytes(response_udh, sizeof(response_udh));
	for (size_t i = 0; i < before_count; i++)
		pieces[count++] = before[i];
	pieces[count++] = after;

	if (security->check == SPI1_CHECK_RC)
	{
		SmsrWriter	w = smsr_writer(check, CIPHER_MAX_BLOCK);

		if (security->check_len == 2)
			put_u16(&w, crc16(pieces, count));
		else
			put_u32(&w, crc32_ieee(pieces, count));
		return true;
	}
	return cipher_mac(&scp80->ciphers, security->mac, security->kid,
					  pieces, count, check);
}

static bool
seal(Scp80 *scp80, Scp80Bearer bearer, PacketKind kind, const Security *security,
	 const Scp80Header *header, uint8_t status, SmsrBytes data,
	 SmsrWriter *out, SmsrError *error)
{
	const size_t start = out->len;
	const size_t block = cipher_block(security->cipher);
	const size_t head = header_len(kind) + security->check_len;
	const size_t ciphered = counter_len(kind) + security->check_len + data.len;
	size_t		padding = 0;
	size_t		secret_at;
	size_t		check_at;
	size_t		after_at;
	uint8_t		check[CIPHER_MAX_BLOCK];
	bool		ok = true;

	if (header->cntr > SCP80_MAX_CNTR)
		return smsr_fail(error, SMSR_BAD_VALUE, "CNTR", 0, "0 to 2^40 - 1");
	if (data.len > SCP80_MAX_DATA)
		return smsr_fail(error, SMSR_TOO_LONG, "secured data", 0,
						 "no more than 65000 octets");
	if (block > 0)
		padding = (block - ciphered % block) % block;

	if (bearer == SCP80_SMS)
	{
		put_u16(out, (uint16_t) (1 + head + data.len + padding));
		put_u8(out, (uint8_t) head);
	}
	else
	{
		put_u8(out, kind == COMMAND ? CPI_CAT_TP : RPI_CAT_TP);
		put_ber_length(out, ber_length_size(head) + head + data.len + padding);
		put_ber_length(out, head);
	}
	if (kind == COMMAND)
	{
		put_u8(out, header->spi1);
		put_u8(out, header->spi2);
		put_u8(out, header->kic);
		put_u8(out, header->kid);
	}
	put_bytes(out, header->tar, SCP80_TAR_LEN);

	secret_at = out->len;
	put_u40(out, header->cntr);
	put_u8(out, (uint8_t) padding);
	if (kind == RESPONSE)
		put_u8(out, status);
	check_at = out->len;
	put_zero(out, security->check_len);
	after_at = out->len;
	put_bytes(out, data.data, data.len);
	put_zero(out, padding);

	if (out->overflow)
	{
		out->len = start;
		return smsr_fail(error, SMSR_TOO_LONG, "packet", 0,
						 "a buffer for the data and SCP80_OVERHEAD octets");
	}

	if (security->check_len > 0)
	{
		SmsrBytes	before = smsr_bytes(out->data + start, check_at - start);
		SmsrBytes	after = smsr_bytes(out->data + after_at, out->len - after_at);

		ok = compute_check(scp80, bearer, kind, security, &before, 1, after, check);
		if (ok)
			memcpy(out->data + check_at, check, security->check_len);
	}
	if (ok && block > 0)
		ok = cipher_run(&scp80->ciphers, security->cipher, security->kic, true,
						out->data + secret_at, out->len - secret_at);
	if (!ok)
	{
		/* nothing half ciphered may be taken for a packet */
		OPENSSL_cleanse(out->data + start, out->len - start);
		out->len = start;
		return smsr_fail(error, SMSR_CRYPTO, "packet", 0, "libcrypto to work");
	}
	return true;
}

bool
scp80_seal_command(Scp80 *scp80, Scp80Bearer bearer, const Scp80Header *header,
				   const Scp80Keys *keys, SmsrBytes data, SmsrWriter *out,
				   SmsrError *error)
{
	Security	security;

	/* reserved bits are zero when sent and ignored when received */
	if ((header->spi1 & SPI1_RESERVED) != 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "SPI1", 0, "b8 to b6 zero");
	if ((header->spi2 & SPI2_RESERVED) != 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "SPI2", 0, "b8 and b7 zero");
	if ((header->spi2 & SPI2_POR_MASK) == SPI2_POR_MASK)
		return smsr_fail(error, SMSR_BAD_VALUE, "SPI2", 0, "b2b1 not the reserved 11");
	return command_security(header->spi1, 0, header->kic, header->kid, keys,
							&security, error) &&
		seal(scp80, bearer, COMMAND, &security, header, 0, data, out, error);
}

bool
scp80_seal_response(Scp80 *scp80, Scp80Bearer bearer, const Scp80Header *header,
					const Scp80Keys *keys, uint8_t status, SmsrBytes data,
					SmsrWriter *out, SmsrError *error)
{
	Security	security;

	return response_security(header->spi2, header->kic, header->kid, keys,
							 &security, error) &&
		seal(scp80, bearer, RESPONSE, &security, header, status, data, out, error);
}

/* A BER length of CAT_TP's dialect, at *pos. */
static bool
read_ber_length(SmsrBytes packet, size_t *pos, size_t *len, const char *field,
				SmsrError *error)
{
	const size_t at = *pos;
	size_t		octets;

	if (at >= packet.len)
		return smsr_fail(error, SMSR_TRUNCATED, field, at, "a length");
	*len = packet.data[(*pos)++];
	if (*len < 0x80)
		return true;
	octets = *len & 0x7F;
	if (octets < 1 || octets > 3)
		return smsr_fail(error, SMSR_BAD_LENGTH, field, at,
						 "a definite length of 1 to 4 octets");
	if (octets > packet.len - *pos)
		return smsr_fail(error, SMSR_TRUNCATED, field, at, "all octets of the length");
	for (*len = 0; octets > 0; octets--)
		*len = *len << 8 | packet.data[(*pos)++];
	return true;
}

/*
 * Read CPL and CHL, or RPL and RHL.  What follows them begins at *at, and *head
 * octets of it are header; all of these are there.
 */
static bool
read_lengths(Scp80Bearer bearer, PacketKind kind, SmsrBytes packet,
			 size_t *at, size_t *head, SmsrError *error)
{
	const char *pl_name = kind == COMMAND ? "CPL" : "RPL";
	const char *hl_name = kind == COMMAND ? "CHL" : "RHL";
	size_t		pos = 0;
	size_t		pl_at = 0;
	size_t		hl_at;
	size_t		pl;

	if (bearer == SCP80_SMS)
	{
		if (packet.len < 3)
			return smsr_fail(error, SMSR_TRUNCATED, packet.len < 2 ? pl_name : hl_name,
							 packet.len < 2 ? 0 : 2, "two octets of length, one of header length");
		pl = get_u16(packet.data);
		pos = 2;
	}
	else
	{
		const uint8_t pi = kind == COMMAND ? CPI_CAT_TP : RPI_CAT_TP;

		if (packet.len < 1)
			return smsr_fail(error, SMSR_TRUNCATED, kind == COMMAND ? "CPI" : "RPI", 0,
							 "a packet identifier");
		if (packet.data[0] != pi)
			return smsr_fail(error, SMSR_BAD_VALUE, kind == COMMAND ? "CPI" : "RPI", 0,
							 kind == COMMAND ? "01" : "02");
		pos = 1;
		pl_at = 1;
		if (!read_ber_length(packet, &pos, &pl, pl_name, error))
			return false;
	}
	if (pl != packet.len - pos)
		return smsr_fail(error, SMSR_BAD_LENGTH, pl_name, pl_at,
						 "the number of octets that follow it");

	hl_at = pos;
	if (bearer == SCP80_SMS)
		*head = packet.data[pos++];
	else if (!read_ber_length(packet, &pos, head, hl_name, error))
		return false;
	if (*head < header_len(kind))
		return smsr_fail(error, SMSR_BAD_LENGTH, hl_name, hl_at,
						 kind == COMMAND ? "0D or more" : "0A or more");
	if (*head > packet.len - pos)
		return smsr_fail(error, SMSR_BAD_LENGTH, hl_name, hl_at,
						 "no more octets than the packet has");
	*at = pos;
	return true;
}

typedef struct Opened
{
	uint64_t	cntr;
	uint8_t		pcntr;
	uint8_t		status;			/* of a response */
	bool		authentic;
	SmsrBytes	data;
} Opened;

/*
 * Decipher and check.  at and head come from read_lengths(); the check field
 * is what head has more than the kind's own header.
 */
static bool
open_packet(Scp80 *scp80, Scp80Bearer bearer, PacketKind kind,
			const Security *security, SmsrBytes packet, size_t at, size_t head,
			SmsrWriter *scratch, Opened *opened, SmsrError *error)
{
	const size_t start = scratch->len;
	const size_t block = cipher_block(security->cipher);
	const size_t check_len = head - header_len(kind);
	const size_t fixed = counter_len(kind);
	const size_t secret_at = at + clear_len(kind);
	const size_t secret_len = packet.len - secret_at;
	const size_t body_len = secret_len - fixed - check_len;
	uint8_t    *secret;
	bool		ok = true;

	if (block > 0 && secret_len % block != 0)
		return smsr_fail(error, SMSR_BAD_LENGTH, "ciphered data", secret_at,
						 "whole blocks of the cipher");
	put_bytes(scratch, packet.data + secret_at, secret_len);
	if (scratch->overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "packet", 0,
						 "a scratch buffer as large as the packet");
	secret = scratch->data + start;

	if (block > 0)
		ok = cipher_run(&scp80->ciphers, security->cipher, security->kic, false,
						secret, secret_len);
	opened->cntr = get_u40(secret);
	opened->pcntr = secret[5];
	opened->status = kind == RESPONSE ? secret[6] : 0;
	opened->authentic = true;
	opened->data = smsr_bytes(secret + fixed + check_len, 0);

	if (ok && check_len > 0)
	{
		const SmsrBytes before[] = {
			smsr_bytes(packet.data, secret_at),
			smsr_bytes(secret, fixed)
		};
		SmsrBytes	after = smsr_bytes(secret + fixed + check_len, body_len);
		uint8_t		check[CIPHER_MAX_BLOCK];

		ok = compute_check(scp80, bearer, kind, security, before, 2, after, check);
		if (ok)
			opened->authentic = CRYPTO_memcmp(check, secret + fixed, check_len) == 0;
		/* the right check of a forged packet is worth as much as a key */
		OPENSSL_cleanse(check, sizeof(check));
	}

	if (ok && opened->authentic)
	{
		/*
		 * Some senders pad what they do not cipher; PCNTR then tells how much,
		 * and no block is longer than 16.
		 */
		if (opened->pcntr < (block > 0 ? block : CIPHER_MAX_BLOCK) &&
			opened->pcntr <= body_len)
		{
			opened->data.len = body_len - opened->pcntr;
			return true;
		}
	}

	OPENSSL_cleanse(secret, secret_len);
	scratch->len = start;
	if (!ok)
		return smsr_fail(error, SMSR_CRYPTO, "packet", 0, "libcrypto to work");
	if (opened->authentic)
		return smsr_fail(error, SMSR_BAD_VALUE, "PCNTR", secret_at + 5,
						 "less than a block, and no more than the data");
	return true;
}

/* Whether a check field of this length can be what the security asks for. */
static bool
check_len_ok(const Security *security, size_t len)
{
	return len == security->check_len ||
		(security->mac == CIPHER_AES && len == CC_LEN_SHORT);
}

/* The clear part; *at and *head as from read_lengths(). */
static bool
read_command_header(Scp80Bearer bearer, SmsrBytes packet, Scp80Header *header,
					size_t *at, size_t *head, SmsrError *error)
{
	const uint8_t *p;

	if (!read_lengths(bearer, COMMAND, packet, at, head, error))
		return false;
	p = packet.data + *at;
	header->spi1 = p[0];
	header->spi2 = p[1];
	header->kic = p[2];
	header->kid = p[3];
	memcpy(header->tar, p + 4, SCP80_TAR_LEN);
	header->cntr = 0;
	return true;
}

bool
scp80_peek_command(Scp80Bearer bearer, SmsrBytes packet, Scp80Header *header,
				   SmsrError *error)
{
	size_t		at;
	size_t		head;

	return read_command_header(bearer, packet, header, &at, &head, error);
}

bool
scp80_peek_response(Scp80Bearer bearer, SmsrBytes packet,
					uint8_t tar[SCP80_TAR_LEN], SmsrError *error)
{
	size_t		at;
	size_t		head;

	if (!read_lengths(bearer, RESPONSE, packet, &at, &head, error))
		return false;
	memcpy(tar, packet.data + at, SCP80_TAR_LEN);
	return true;
}

bool
scp80_open_command(Scp80 *scp80, Scp80Bearer bearer, const Scp80Keys *keys,
				   SmsrBytes packet, SmsrWriter *scratch, Scp80Command *command,
				   SmsrError *error)
{
	Security	security;
	Opened		opened;
	size_t		at;
	size_t		head;

	if (!read_command_header(bearer, packet, &command->header, &at, &head, error) ||
		!command_security(command->header.spi1, at, command->header.kic,
						  command->header.kid, keys, &security, error))
		return false;
	if (!check_len_ok(&security, head - header_len(COMMAND)))
		return smsr_fail(error, SMSR_BAD_LENGTH, "CHL", at - 1,
						 "0D and the octets of the RC or CC that SPI1 and KID ask for");
	if (!open_packet(scp80, bearer, COMMAND, &security, packet, at, head,
					 scratch, &opened, error))
		return false;

	command->header.cntr = opened.cntr;
	command->pcntr = opened.pcntr;
	command->authentic = opened.authentic;
	command->data = opened.data;
	return true;
}

bool
scp80_open_response(Scp80 *scp80, Scp80Bearer bearer, uint8_t spi2, uint8_t kic,
					uint8_t kid, const Scp80Keys *keys, SmsrBytes packet,
					SmsrWriter *scratch, Scp80Response *response, SmsrError *error)
{
	Security	security;
	Opened		opened;
	size_t		at;
	size_t		head;
	size_t		block;
	bool		secured = true;

	if (!read_lengths(bearer, RESPONSE, packet, &at, &head, error) ||
		!response_security(spi2, kic, kid, keys, &security, error))
		return false;

	/*
	 * A card that could not open the command answers, if at all, without the
	 * security that the command asked for, and often with CNTR zero.
	 */
	block = cipher_block(security.cipher);
	if (head == header_len(RESPONSE))
	{
		const size_t secret_len = packet.len - at - clear_len(RESPONSE);

		if (security.check_len > 0)
		{
			security.check = SPI1_CHECK_NONE;
			security.check_len = 0;
			secured = false;
		}
		if (block > 0 && secret_len % block != 0)
		{
			security.cipher = CIPHER_NONE;
			secured = false;
		}
	}
	else if (!check_len_ok(&security, head - header_len(RESPONSE)))
		return smsr_fail(error, SMSR_BAD_LENGTH, "RHL", at - 1,
						 "0A and the octets of the RC or CC that SPI2 and KID ask for");

	if (!open_packet(scp80, bearer, RESPONSE, &security, packet, at, head,
					 scratch, &opened, error))
		return false;

	memcpy(response->tar, packet.data + at, SCP80_TAR_LEN);
	response->cntr = opened.cntr;
	response->pcntr = opened.pcntr;
	response->status = opened.status;
	response->secured = secured;
	response->authentic = secured && opened.authentic;
	response->data = smsr_bytes(opened.data.data, response->authentic ? opened.data.len : 0);
	return true;
}
