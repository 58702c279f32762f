/*
 * establish.c
 *		The card's side of a key establishment by scenario #3.
 *
 * Curves and the form of the commands are core's; what the card computes, the
 * derivation and the receipt, is written here a second time, so that a mistake
 * in core's does not agree with itself.
 */
#include "establish.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "core/certificate.h"
#include "core/establishment.h"
#include "signer.h"

#define SW_SECURITY			0x6982
#define INS_STORE_DATA		0xE2
#define INS_DELETE			0xE4
#define P1_MORE				0x09
#define P1_LAST				0x89
#define DGI_CERTIFICATE		0x3A01
#define TAG_RANGE			0xF2

KeySet *
card_key_set(const Card *card, uint8_t kvn)
{
	for (int i = 0; i < CARD_KEY_SETS; i++)
	{
		if (card->sets[i].kvn == kvn && kvn != 0)
			return (KeySet *) &card->sets[i];
	}
	return NULL;
}

/* SGP.02 clause 2.2.5.1: SCP81 */
bool
is_psk_version(uint8_t kvn)
{
	return kvn >= FIRST_PSK_KVN && kvn <= LAST_PSK_KVN;
}

static void
need(bool ok)
{
	if (!ok)
		abort();
}

/* ---- first command ---- */

static uint16_t
authenticate(Card *card, SmsrBytes data, SmsrWriter *out)
{
	TlvReader	r = tlv_reader(data);
	uint8_t		ci_private[CURVE_PRIVATE_LEN];
	uint8_t		ci[CURVE_POINT_LEN];
	Certificate certificate;
	SmsrTlv		dgi;
	SmsrError	error;
	char		text[96];
	uint8_t		digest[EVP_MAX_MD_SIZE];

	card->authenticated = false;
	if (!dgi_read(&r, "DGI", &dgi, &error) || dgi.tag != DGI_CERTIFICATE ||
		!certificate_read(dgi.value, &certificate, &error))
		return SW_WRONG_DATA;
	signer_key(SIGNER_CI, ci_private, ci);
	if (certificate.role != CERTIFICATE_SM_SR ||
		!certificate_verify(&certificate, CURVE_P256, smsr_bytes(ci, sizeof ci), &error))
		return SW_SECURITY;
	memcpy(card->smsr_key, certificate.point.data, CURVE_POINT_LEN);
	snprintf(text, sizeof text, "smsr-fleet challenge %" PRIu64 " %" PRIu32, card->serial, ++card->challenges);
	need(EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) == 1);
	memcpy(card->challenge, digest, sizeof card->challenge);
	card->authenticated = true;
	put_tlv(out, 0x85, card->challenge, sizeof card->challenge);
	return SW_OK;
}

/* ---- second command ---- */

/* Hash(secret, counter, shared info): ANSI X9.63, one block at a time */
static void
derive(const uint8_t *secret, const uint8_t *info, size_t info_len, uint8_t out[64])
{
	for (uint8_t i = 1; i <= 2; i++)
	{
		uint8_t		in[128];
		size_t		n = CURVE_SECRET_LEN;

		memcpy(in, secret, n);
		memcpy(in + n, (const uint8_t[]) {0, 0, 0, i}, 4);
		memcpy(in + n + 4, info, info_len);
		need(EVP_Digest(in, n + 4 + info_len, out + (i - 1) * 32, NULL, EVP_sha256(), NULL) == 1);
	}
}

static void
mac(const uint8_t key[KEY_LEN], SmsrBytes message, uint8_t out[16])
{
	size_t		len;

	need(EVP_Q_mac(NULL, "CMAC", NULL, "AES-128-CBC", NULL, key, KEY_LEN, message.data, message.len,
				   out, 16, &len) != NULL && len == 16);
}

static uint16_t
establish(Fleet *fleet, Card *card, SmsrBytes data, SmsrWriter *out)
{
	EstablishmentCommand command;
	uint8_t		private_key[CURVE_PRIVATE_LEN];
	uint8_t		point[CURVE_POINT_LEN];
	uint8_t		secret[CURVE_SECRET_LEN];
	uint8_t		keys[64];
	uint8_t		info[3];
	uint8_t		receipt[16];
	KeySet	   *set = NULL;
	int			count = KEYS;
	SmsrError	error;

	if (!card->authenticated)
		return SW_CONDITIONS;
	card->authenticated = false;
	if (!establishment_read_command(data, &command, &error))
		return SW_WRONG_DATA;
	/* AES-128, or a PSK as long; nothing deleted, nothing else in the derivation */
	if (command.crt.parameter != CRT_CERTIFICATE || command.crt.key_len != KEY_LEN || command.crt.key_id != 1)
		return SW_WRONG_DATA;
	if (is_psk_version(command.crt.kvn))
	{
		if (command.crt.usage != CRT_USAGE_BASE || command.crt.key_type != 0x85)
			return SW_WRONG_DATA;
		count = 1;
	}
	else if (command.crt.usage != CRT_USAGE_CHANNEL || command.crt.key_type != 0x88 ||
			 command.crt.kvn < 1 || command.crt.kvn > 15)
		return SW_WRONG_DATA;
	if (!establishment_verify_command(&command, smsr_bytes(card->challenge, sizeof card->challenge),
									  CURVE_P256, smsr_bytes(card->smsr_key, CURVE_POINT_LEN), &error))
		return SW_SECURITY;
	identity_ecasd_key(fleet->config.seed, card->serial, private_key, point);
	if ((command.has_curve && command.curve != CURVE_P256) ||
		!curve_agree(CURVE_P256, smsr_bytes(private_key, sizeof private_key), command.point, secret, &error))
		return SW_WRONG_DATA;
	for (int i = 0; i < CARD_KEY_SETS; i++)
	{
		if (card->sets[i].kvn == command.crt.kvn || (set == NULL && card->sets[i].kvn == 0))
			set = &card->sets[i];
	}
	if (set == NULL)
		return SW_NO_MEMORY;

	info[0] = command.crt.usage;
	info[1] = command.crt.key_type;
	info[2] = command.crt.key_len;
	derive(secret, info, sizeof info, keys);
	mac(keys, command.crt_octets, receipt);
	*set = (KeySet) {.kvn = command.crt.kvn, .cntr = command.crt.counter};
	for (int i = 0; i < count; i++)
		memcpy(set->keys[i], keys + (i + 1) * KEY_LEN, KEY_LEN);
	put_tlv(out, 0x86, receipt, sizeof receipt);
	return SW_OK;
}

/* ---- FinaliseISDRhandover: what is listed stays ---- */

static uint16_t
finalise(Card *card, SmsrBytes data)
{
	TlvReader	r = tlv_reader(data);
	bool		kept[128] = {false};
	bool		any = false;
	SmsrTlv		range;
	SmsrError	error;

	while (r.pos < r.len)
	{
		if (!tlv_read(&r, "range", &range, &error) || range.tag != TAG_RANGE || range.value.len != 3 ||
			range.value.data[0] > 127)
			return SW_WRONG_DATA;
		if (range.value.data[1] <= 1 && range.value.data[2] >= (range.value.data[0] < FIRST_PSK_KVN ? KEYS : 1))
			kept[range.value.data[0]] = true;
	}
	for (int i = 0; i < CARD_KEY_SETS; i++)
		any = any || (card->sets[i].kvn != 0 && kept[card->sets[i].kvn]);
	if (!any)
		return SW_REFERENCE_NOT_FOUND;
	for (int i = 0; i < CARD_KEY_SETS; i++)
	{
		if (!kept[card->sets[i].kvn])
			card->sets[i] = (KeySet) {0};
	}
	return SW_OK;
}

bool
establish_execute(Fleet *fleet, Card *card, SmsrBytes apdu, SmsrWriter *out, uint16_t *sw, uint8_t *kind)
{
	SmsrBytes	data;
	uint8_t		p1;

	if (apdu.len < 5 || apdu.data[0] != 0x80 || apdu.data[4] == 0 || apdu.len < 5u + apdu.data[4])
		return false;
	p1 = apdu.data[2];
	data = smsr_bytes(apdu.data + 5, apdu.data[4]);
	if (apdu.data[1] == INS_STORE_DATA && p1 == P1_MORE && apdu.data[3] == 0)
	{
		*kind = KIND_AUTHENTICATE;
		*sw = authenticate(card, data, out);
		return true;
	}
	if (apdu.data[1] == INS_STORE_DATA && p1 == P1_LAST && apdu.data[3] == 1)
	{
		*kind = KIND_ESTABLISH;
		*sw = establish(fleet, card, data, out);
		return true;
	}
	if (apdu.data[1] == INS_DELETE && p1 == 0 && apdu.data[3] == 0 && data.data[0] == TAG_RANGE)
	{
		*kind = KIND_FINALISE;
		*sw = finalise(card, data);
		return true;
	}
	return false;
}
