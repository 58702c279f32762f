/*
 * download.c
 *		An ISD-P between CreateISDP and its profile.
 */
#include "download.h"

#include <openssl/evp.h>
#include <string.h>

#define INS_STORE_DATA		0xE2
#define P1P2_CERTIFICATE	0x0900
#define P1P2_KEY			0x8901

#define SCP03_KVN			0x30

/*
 * Answer tags and statuses of a block that fails, 9F84 and so on.  Low: from
 * memory of the clause, no card was asked.
 */
#define TAG_ERROR			0x9F00
#define ERROR_STRUCTURE		0x01
#define ERROR_SECURITY		0x02
#define ERROR_NOT_FOUND		0x03

#define INITIALIZE_UPDATE_LEN	10	/* key version, key, eight octets of challenge */
#define EXTERNAL_AUTHENTICATE_LEN	17	/* level, cryptogram, MAC */

/* The first and the last element of a profile (SIMalliance interoperable format) */
#define ELEMENT_HEADER		0xA0
#define ELEMENT_END			0xAA

static void
need(bool done)
{
	if (!done)
		abort();
}

static Download *
download_of(Card *card, uint16_t tar)
{
	Download   *download = card->downloads;

	while (download != NULL && download->tar != tar)
		download = download->next;
	if (download == NULL)
	{
		download = make(sizeof *download);
		download->tar = tar;
		download->digest = EVP_MD_CTX_new();
		need(download->digest != NULL && EVP_DigestInit_ex(download->digest, EVP_sha256(), NULL) == 1);
		download->next = card->downloads;
		card->downloads = download;
	}
	return download;
}

static void
drop(Download **place)
{
	Download   *download = *place;

	*place = download->next;
	EVP_MD_CTX_free(download->digest);
	free(download->seen);
	free(download);
}

void
downloads_free(Card *card)
{
	while (card->downloads != NULL)
		drop(&card->downloads);
}

void
download_forget(Card *card, uint16_t tar)
{
	for (Download **place = &card->downloads; *place != NULL; place = &(*place)->next)
	{
		if ((*place)->tar == tar)
		{
			drop(place);
			return;
		}
	}
}

void
downloads_power_off(Card *card)
{
	for (Download *download = card->downloads; download != NULL; download = download->next)
	{
		download->channel = CHANNEL_NONE;
		download->certified = false;
	}
}

void
download_digest(const Download *download, uint8_t digest[32])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	need(copy != NULL && EVP_MD_CTX_copy_ex(copy, download->digest) == 1 &&
		 EVP_DigestFinal_ex(copy, digest, NULL) == 1);
	EVP_MD_CTX_free(copy);
}

bool
download_knows(uint32_t tag)
{
	return tag >= BLOCK_INITIALIZE_UPDATE && tag <= BLOCK_REPLACED_SEGMENT;
}

/* ---- profile elements ---- */

/* Octets of the header so far: its whole length, 0 if that is not known yet, -1 if it can not be. */
static int
header_len(const uint8_t *header, uint8_t have)
{
	const int	first = header[0] != 0 && (header[0] & 0x1F) == 0x1F ? 2 : 1;

	if (have > 1 && first == 2 && (header[1] & 0x80))
		return -1;
	if (have <= first)
		return 0;
	if (header[first] < 0x80)
		return first + 1;
	return header[first] >= 0x81 && header[first] <= 0x84 ? first + 1 + (header[first] & 0x0F) : -1;
}

static void
end_element(Fleet *fleet, Card *card, Download *download)
{
	Profile    *profile = card_profile(card, download->tar);

	download->elements++;
	download->header_len = 0;
	if (download->header[0] != ELEMENT_END)
		return;
	download->ended = true;
	if (profile->lcs != ISDP_PERSONALIZED)
		return;
	card_personalize(fleet, card, profile,
					 fleet->config.personalize_owner >= 0 ? (unsigned) fleet->config.personalize_owner :
					 identity_operator(profile->tar, fleet->config.operators),
					 identity_msisdn(card->serial, profile->tar));
	fleet->stats.downloads++;
}

static void
read_elements(Fleet *fleet, Card *card, Download *download, SmsrBytes data)
{
	for (size_t pos = 0; pos < data.len && !download->failed && !download->ended;)
	{
		int			len;

		if (download->remaining > 0)
		{
			size_t		n = data.len - pos < download->remaining ? data.len - pos : download->remaining;

			pos += n;
			download->remaining -= (uint32_t) n;
			if (download->remaining == 0)
				end_element(fleet, card, download);
			continue;
		}
		download->header[download->header_len++] = data.data[pos++];
		len = header_len(download->header, download->header_len);
		if (len < 0 || (download->elements == 0 && download->header[0] != ELEMENT_HEADER))
			download->failed = true;
		else if (len == download->header_len)
		{
			const int	lead = (download->header[0] & 0x1F) == 0x1F ? 2 : 1;

			download->remaining = len == lead + 1 ? download->header[lead] : 0;
			for (int i = lead + 1; i < len; i++)
				download->remaining = download->remaining << 8 | download->header[i];
			if (download->remaining == 0)
				end_element(fleet, card, download);
		}
	}
}

/* ---- blocks ---- */

/* A real card finds a segment that comes again by its MAC. */
static bool
seen_before(Download *download, SmsrBytes segment)
{
	uint8_t		digest[EVP_MAX_MD_SIZE];
	uint64_t	mark;

	need(EVP_Digest(segment.data, segment.len, digest, NULL, EVP_sha256(), NULL) == 1);
	mark = get_u64(digest);
	for (uint32_t i = 0; i < download->segments; i++)
	{
		if (download->seen[i] == mark)
			return true;
	}
	if (download->segments == download->seen_cap)
		download->seen = grow(download->seen, &download->seen_cap, sizeof *download->seen);
	download->seen[download->segments] = mark;
	return false;
}

static int
take_segment(Fleet *fleet, Card *card, Download *download, SmsrBytes segment)
{
	if (download->channel != CHANNEL_OPEN || segment.len == 0)
		return segment.len == 0 ? ERROR_STRUCTURE : ERROR_SECURITY;
	if (seen_before(download, segment))
	{
		download->repeated++;
		fleet->stats.segments_repeated++;
		download->channel = CHANNEL_NONE;
		return ERROR_SECURITY;
	}
	download->segments++;
	download->octets += segment.len;
	fleet->stats.segments++;
	need(EVP_DigestUpdate(download->digest, segment.data, segment.len) == 1);
	read_elements(fleet, card, download, segment);
	return 0;
}

/* 0, or what stands in the answer that refuses */
static int
take_block(Fleet *fleet, Card *card, Download *download, const SmsrTlv *block)
{
	const Profile *profile = card_profile(card, download->tar);

	switch (block->tag)
	{
		case BLOCK_INITIALIZE_UPDATE:
			download->channel = CHANNEL_NONE;
			if (block->value.len != INITIALIZE_UPDATE_LEN)
				return ERROR_STRUCTURE;
			if (profile->lcs == ISDP_SELECTABLE)
				return ERROR_NOT_FOUND; /* there are no keys yet */
			download->channel = CHANNEL_INITIALIZED;
			return 0;
		case BLOCK_EXTERNAL_AUTHENTICATE:
			if (block->value.len != EXTERNAL_AUTHENTICATE_LEN)
				return ERROR_STRUCTURE;
			if (download->channel != CHANNEL_INITIALIZED)
				return ERROR_SECURITY;
			download->channel = CHANNEL_OPEN;
			return 0;
		case BLOCK_REPLACE_KEYS:
			return download->channel == CHANNEL_OPEN ? 0 : ERROR_SECURITY;
		default:
			return take_segment(fleet, card, download, block->value);
	}
}

static void
put_initialize_update(SmsrWriter *out, const Card *card)
{
	put_tlv_header(out, BLOCK_INITIALIZE_UPDATE, 10 + 3 + 8 + 8 + 3);
	put_zero(out, 10);			/* key diversification data */
	put_u8(out, SCP03_KVN);
	put_u8(out, 0x03);			/* SCP03, pseudo-random challenge, R-MAC and R-ENC */
	put_u8(out, 0x70);
	put_u64(out, card->serial); /* challenge */
	put_zero(out, 8);			/* cryptogram */
	put_u24(out, 1);			/* counter */
}

bool
download_block(Fleet *fleet, Card *card, uint16_t tar, const SmsrTlv *block, SmsrWriter *out)
{
	Download   *download = download_of(card, tar);
	const int	fault = take_block(fleet, card, download, block);

	card_relayed(fleet, card, tar, fault == 0 ? SW_OK : SW_CONDITIONS);
	if (fault != 0)
	{
		put_tlv_header(out, TAG_ERROR | block->tag, 1);
		put_u8(out, (uint8_t) fault);
	}
	else if (block->tag == BLOCK_INITIALIZE_UPDATE)
		put_initialize_update(out, card);
	else
		put_tlv_header(out, block->tag, 0);
	return fault == 0;
}

/* ---- key establishment (SGP.02 clause 4.1.3.1) ---- */

uint16_t
download_command(Fleet *fleet, Card *card, uint16_t tar, SmsrBytes apdu, SmsrWriter *out)
{
	static const uint8_t challenge[16] = "ISD-P challenge";
	static const uint8_t receipt[16] = "ISD-P receipt";
	Profile    *profile = card_profile(card, tar);
	uint16_t	sw = SW_OK;

	if (apdu.len > 5 && apdu.data[1] == INS_STORE_DATA &&
		(profile->lcs == ISDP_SELECTABLE || profile->lcs == ISDP_PERSONALIZED))
	{
		Download   *download = download_of(card, tar);

		switch (get_u16(apdu.data + 2))
		{
			case P1P2_CERTIFICATE:
				download->certified = true;
				put_tlv(out, 0x85, challenge, sizeof challenge);
				break;
			case P1P2_KEY:
				if (!download->certified)
				{
					sw = SW_CONDITIONS;
					break;
				}
				download->certified = false;
				profile->lcs = ISDP_PERSONALIZED;
				put_tlv(out, 0x86, receipt, sizeof receipt);
				break;
			default:
				break;
		}
	}
	card_relayed(fleet, card, tar, sw);
	return sw;
}
