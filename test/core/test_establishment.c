/*
 * test_establishment.c
 *		Key establishment with a card that is played here, with libcrypto alone:
 *		each curve, SCP80 and SCP81, with and without DR and identifiers, every
 *		form that is open; and what must not go through.
 */
#include "core/chain.h"
#include "core/establishment.h"
#include "core/sealing.h"
#include "pki.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#define EID		"89049032001000000100000090000151"
#define HOST_ID	"1112131415161718"
#define SIN		"2B06010401"

/* ---- the card ---- */

typedef struct Card
{
	Curve		curve;
	EVP_PKEY   *key;			/* SK.ECASD.ECKA */
	SmsrBytes	sm_sr;			/* PK of the certificate that came first */
	SmsrBytes	rc;
	SmsrBytes	dr;				/* what it answers if it is asked to */
} Card;

/* What a card and the SM-SR are to agree on. */
typedef struct Agreed
{
	SmsrBytes	key[3];
	size_t		count;
} Agreed;

/* One DGI with a length of one octet, and where the next one begins. */
static SmsrBytes
dgi(SmsrBytes *data, uint16_t id)
{
	SmsrBytes	value = hex("");

	if (data->len >= 3 && data->data[0] == id >> 8 && data->data[1] == (id & 0xFF) && data->data[2] + 3u <= data->len)
	{
		value = smsr_bytes(data->data + 3, data->data[2]);
		*data = smsr_bytes(data->data + 3 + value.len, data->len - 3 - value.len);
	}
	return value;
}

static EVP_PKEY *
peer_of(EVP_PKEY *like, SmsrBytes point)
{
	EVP_PKEY   *peer = EVP_PKEY_new();

	if (EVP_PKEY_copy_parameters(peer, like) != 1 ||
		EVP_PKEY_set1_encoded_public_key(peer, point.data, point.len) != 1)
	{
		EVP_PKEY_free(peer);
		peer = NULL;
	}
	return peer;
}

static SmsrBytes
one(uint8_t octet)
{
	return copy_of(smsr_bytes(&octet, 1));
}

static SmsrBytes
sub(SmsrBytes octets, size_t start, size_t len)
{
	return smsr_bytes(octets.data + start, len);
}

/* The answer's data to the second command, and the keys that the card has then. */
static SmsrBytes
answer(const Card *card, SmsrBytes data, SmsrBytes key_len, DrPlace dr_place, Agreed *agreed)
{
	SmsrBytes	whole = data;
	SmsrBytes	crt = dgi(&data, 0x3A02);
	SmsrBytes	epk = dgi(&data, 0x7F49);
	SmsrBytes	transmitted = sub(whole, 0, whole.len - data.len);
	SmsrBytes	signature = dgi(&data, 0x5F37);
	const uint8_t parameter = crt.data[5];
	const uint8_t usage = crt.data[8];
	const uint8_t *p = crt.data + 9;
	SmsrBytes	point = epk.data[0] == 0x04 ? epk : sub(epk, 2, 65);
	SmsrBytes	dr = (parameter & 0x02) ? card->dr : hex("");
	SmsrBytes	dr_object = dr.len > 0 ? object("85", dr) : hex("");
	SmsrBytes	secret;
	SmsrBytes	info;
	SmsrBytes	blocks[5];
	SmsrBytes	key_data;
	SmsrBytes	receipt_key;
	EVP_PKEY   *peer;
	const size_t len = key_len.data[0];
	SmsrBytes	message = joined(transmitted, hex("0085"), one((uint8_t) card->rc.len), card->rc);
	SmsrError	error;

	ok(data.len == 0, "the card has read all of it");
	ok(signature.len == 64 &&
	   curve_verify(card->curve, card->sm_sr, &message, 1, signature, &error),
	   "the card takes the signature");
	if (*p == 0x96)
		p += 3;
	info = joined(one(usage), one(p[2]), one(p[5]), dr);
	ok(p[5] == len, "the card reads the length");
	if (parameter & 0x04)
		info = joined(info, hex("08" HOST_ID), hex("05" SIN), hex("10" EID));

	peer = peer_of(card->key, point);
	secret = pki_agree(card->key, peer);
	EVP_PKEY_free(peer);
	for (uint8_t i = 0; i < 5; i++)
		blocks[i] = pki_sha256(joined(secret, hex("000000"), one(i + 1), info));
	key_data = join(blocks, 5);
	receipt_key = sub(key_data, 0, len);
	agreed->count = usage == 0x10 && p[2] == 0x88 ? 3 : 1;
	for (size_t i = 0; i < agreed->count; i++)
		agreed->key[i] = sub(key_data, (1 + i) * len, len);
	return joined(dr_object,
				  object("86", pki_cmac(receipt_key, dr_place == DR_NOT_IN_RECEIPT ? crt :
										dr_place == DR_BEFORE_CRT ? joined(dr_object, crt) : joined(crt, dr_object))));
}

/* ---- one establishment ---- */

typedef struct Case
{
	const char *name;
	EstablishmentProfile profile;
	EstablishmentRequest request;
	int			rc_len;
} Case;

static void
refuses(const EstablishmentProfile *profile, const Establishment *e, SmsrBytes point, SmsrBytes sin, SmsrBytes data,
		const char *field, const char *what)
{
	EstablishedKeys keys;
	SmsrError	error = {0};

	memset(&keys, 0, sizeof(keys));
	ok(!establishment_conclude(profile, e, point, sin, data, &keys, &error) &&
	   error.code != SMSR_CRYPTO && error.field != NULL && strcmp(error.field, field) == 0,
	   "%s: refused because of the %s (%s)", what, field, error.field ? error.field : "none");
	for (size_t i = 0; i < sizeof(keys); i++)
	{
		if (((const uint8_t *) &keys)[i] != 0)
		{
			ok(false, "%s: no key is left behind", what);
			break;
		}
	}
}

/* Each single bit of what the two sides agree over decides. */
static void
turned(const EstablishmentProfile *profile, const Establishment *e, SmsrBytes point, SmsrBytes sin, SmsrBytes data,
	   const char *what)
{
	EstablishedKeys keys;
	SmsrError	error;
	int			taken = 0;

	for (size_t bit = 0; bit < 8 * data.len; bit++)
		taken += establishment_conclude(profile, e, point, sin, with_bit_turned(data, bit), &keys, &error);
	ok(taken == 0, "%s: no bit of the answer can be turned", what);
	for (size_t bit = 0; bit < 8 * e->crt_len; bit++)
	{
		Establishment other = *e;

		other.crt[bit / 8] ^= (uint8_t) (1 << bit % 8);
		taken += establishment_conclude(profile, &other, point, sin, data, &keys, &error);
	}
	ok(taken == 0, "%s: nor of the CRT", what);
	for (size_t bit = 0; bit < 8 * CURVE_PRIVATE_LEN; bit += 5)
	{
		Establishment other = *e;

		other.private_key[bit / 8] ^= (uint8_t) (1 << bit % 8);
		taken += establishment_conclude(profile, &other, point, sin, data, &keys, &error);
	}
	ok(taken == 0, "%s: nor of the ephemeral key", what);
	for (size_t bit = 0; bit < 8 * point.len; bit += 3)
		taken += establishment_conclude(profile, e, with_bit_turned(point, bit), sin, data, &keys, &error);
	ok(taken == 0, "%s: nor of the ECASD's key", what);
}

static void
establish(Curve curve, const Case *c)
{
	char		what[80];
	EVP_PKEY   *sm_sr = pki_key(curve);
	Card		card = {curve, pki_key(curve), pki_point(sm_sr), noise((size_t) c->rc_len), noise(16)};
	SmsrBytes	point = pki_point(card.key);
	SmsrBytes	sin = hex(SIN);
	SmsrWriter	w = writer(ESTABLISHMENT_COMMAND_LEN);
	Establishment e;
	EstablishmentCommand command;
	EstablishedKeys keys;
	uint8_t		signature[CURVE_SIGNATURE_LEN];
	Agreed		agreed;
	SmsrBytes	data;
	SmsrBytes	rc;
	SmsrError	error;
	bool		same = true;

	snprintf(what, sizeof(what), "%s, %s", curve_name(curve), c->name);
	succeeds(establishment_prepare(&c->profile, &c->request, curve, &e, &error), &error, "%s: prepare", what);
	succeeds(establishment_read_challenge(&c->profile,
										  c->profile.challenge == CHALLENGE_BARE ? card.rc : object("85", card.rc),
										  &rc, &error), &error, "%s: challenge", what);
	ok(rc.len == card.rc.len && memcmp(rc.data, card.rc.data, rc.len) == 0, "%s: the card's", what);
	succeeds(establishment_sign(&c->profile, &e, rc, curve, pki_private(sm_sr), signature, &error) &&
			 establishment_write_command(&c->profile, &e, smsr_bytes(signature, sizeof(signature)), &w, &error),
			 &error, "%s: command", what);
	data = answer(&card, smsr_written(&w), one(c->request.key_len), c->profile.dr_place, &agreed);
	succeeds(establishment_conclude(&c->profile, &e, point, sin, data, &keys, &error), &error, "%s: conclude", what);
	ok(keys.count == agreed.count && keys.len == c->request.key_len && keys.kvn == c->request.kvn &&
	   keys.key_type == c->request.key_type && keys.key_id == 1 && keys.counter == c->request.counter,
	   "%s: the set that was asked for", what);
	for (size_t i = 0; i < agreed.count; i++)
		same &= memcmp(keys.key[i], agreed.key[i].data, keys.len) == 0;
	ok(same, "%s: both have the same keys", what);
	succeeds(establishment_read_command(smsr_written(&w), &command, &error) &&
			 command.has_curve == (c->profile.epk == EPK_B0F0) && (!command.has_curve || command.curve == curve),
			 &error, "%s: the command says its curve", what);
	ok(command.crt_octets.len == e.crt_len && memcmp(command.crt_octets.data, e.crt, e.crt_len) == 0,
	   "%s: and has the CRT that is kept", what);

	if (curve == CURVE_P256)
		turned(&c->profile, &e, point, sin, data, what);
	if ((c->request.parameter & CRT_WITH_IDS) != 0)
	{
		refuses(&c->profile, &e, point, hex("2B06010402"), data, "receipt", "another SIN");
		refuses(&c->profile, &e, point, hex(""), data, "SIN", "no SIN");
	}
	establishment_cleanse(&e);
	for (size_t i = 0; i < sizeof(e); i++)
		same &= ((const uint8_t *) &e)[i] == 0;
	ok(same, "%s: nothing is left of the ephemeral key", what);
	established_keys_cleanse(&keys);
	ok(ERR_peek_error() == 0, "%s: nothing is left in libcrypto's queue", what);
	EVP_PKEY_free(sm_sr);
	EVP_PKEY_free(card.key);
}

static EstablishmentRequest
scp80(uint8_t parameter, uint8_t key_len, uint64_t counter)
{
	return (EstablishmentRequest) {
		.parameter = parameter, .key_type = KEY_TYPE_AES, .key_len = key_len, .kvn = 0x02, .counter = counter,
		.sdin = (parameter & CRT_WITH_IDS) ? hex(EID) : hex(""),
		.host_id = (parameter & CRT_WITH_IDS) ? hex(HOST_ID) : hex("")
	};
}

static EstablishmentRequest
scp81(uint8_t parameter, uint8_t key_len)
{
	EstablishmentRequest request = scp80(parameter, key_len, 0);

	request.key_type = KEY_TYPE_PSK;
	request.kvn = 0x40;
	return request;
}

static void
all_cases(Curve curve)
{
	EstablishmentProfile raw = establishment_default;
	EstablishmentProfile wordy = establishment_default;
	EstablishmentProfile before = establishment_default;
	EstablishmentProfile nowhere = establishment_default;
	EstablishmentProfile bare = establishment_default;
	EstablishmentProfile psk_10 = establishment_default;

	raw.epk = EPK_RAW;
	wordy.has_access = true;
	wordy.counter_len = 8;
	wordy.challenge = CHALLENGE_TLV;
	before.dr_place = DR_BEFORE_CRT;
	nowhere.dr_place = DR_NOT_IN_RECEIPT;
	bare.challenge = CHALLENGE_BARE;
	psk_10.psk_usage = CRT_USAGE_CHANNEL;
	{
		const Case	cases[] = {
			{"SCP80", establishment_default, scp80(0, 16, 0), 16},
			{"SCP80, keys deleted", establishment_default, scp80(CRT_DELETE_KEYS, 16, 0), 32},
			{"SCP80, DR", establishment_default, scp80(CRT_WITH_DR, 16, 0), 16},
			{"SCP80, identifiers", establishment_default, scp80(CRT_WITH_IDS, 16, 0), 16},
			{"SCP80, DR and identifiers", establishment_default, scp80(CRT_WITH_DR | CRT_WITH_IDS, 16, 0), 32},
			{"SCP80, AES-192, a counter", establishment_default, scp80(0, 24, 0x0102030405), 16},
			{"SCP80, AES-256, all of it", wordy, scp80(CRT_DELETE_KEYS | CRT_WITH_DR | CRT_WITH_IDS, 32, 7), 32},
			{"SCP80, raw key, DR", raw, scp80(CRT_WITH_DR, 16, 0), 16},
			{"SCP80, DR before the CRT", before, scp80(CRT_WITH_DR, 16, 0), 16},
			{"SCP80, DR not in the receipt", nowhere, scp80(CRT_WITH_DR, 16, 0), 16},
			{"SCP80, bare challenge", bare, scp80(0, 16, 0), 32},
			{"SCP81", establishment_default, scp81(0, 16), 16},
			{"SCP81, DR and identifiers", establishment_default, scp81(CRT_WITH_DR | CRT_WITH_IDS, 32), 16},
			{"SCP81, usage 10", psk_10, scp81(0, 16), 16},
		};

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			establish(curve, &cases[i]);
	}
}

/* ---- what must not go through ---- */

static void
answers(void)
{
	EVP_PKEY   *sm_sr = pki_key(CURVE_P256);
	EVP_PKEY   *other = pki_key(CURVE_P256);
	Card		card = {CURVE_P256, pki_key(CURVE_P256), pki_point(sm_sr), noise(16), noise(16)};
	SmsrBytes	point = pki_point(card.key);
	SmsrBytes	none = hex("");
	SmsrBytes	dr = object("85", noise(16));
	EstablishmentProfile profile = establishment_default;
	EstablishmentRequest request = scp80(0, 16, 0);
	EstablishmentRequest with_dr = scp80(CRT_WITH_DR, 16, 0);
	SmsrWriter	w = writer(ESTABLISHMENT_COMMAND_LEN);
	SmsrWriter	w_dr = writer(ESTABLISHMENT_COMMAND_LEN);
	Establishment e;
	Establishment e_dr;
	EstablishedKeys keys;
	uint8_t		signature[CURVE_SIGNATURE_LEN];
	Agreed		agreed;
	SmsrBytes	data;
	SmsrBytes	data_dr;
	SmsrBytes	swapped;
	SmsrError	error;

	establishment_prepare(&profile, &request, CURVE_P256, &e, &error);
	establishment_sign(&profile, &e, card.rc, CURVE_P256, pki_private(sm_sr), signature, &error);
	establishment_write_command(&profile, &e, smsr_bytes(signature, 64), &w, &error);
	data = answer(&card, smsr_written(&w), one(16), DR_BEHIND_CRT, &agreed);
	establishment_prepare(&profile, &with_dr, CURVE_P256, &e_dr, &error);
	establishment_sign(&profile, &e_dr, card.rc, CURVE_P256, pki_private(sm_sr), signature, &error);
	establishment_write_command(&profile, &e_dr, smsr_bytes(signature, 64), &w_dr, &error);
	data_dr = answer(&card, smsr_written(&w_dr), one(16), DR_BEHIND_CRT, &agreed);

	succeeds(establishment_conclude(&profile, &e, point, none, data, &keys, &error) &&
			 establishment_conclude(&profile, &e_dr, point, none, data_dr, &keys, &error), &error, "good answers");
	swapped = joined(sub(data_dr, 18, 18), sub(data_dr, 0, 18));
	succeeds(establishment_conclude(&profile, &e_dr, point, none, swapped, &keys, &error), &error,
			 "the receipt before the DR");
	refuses(&profile, &e, point, none, none, "receipt", "nothing");
	refuses(&profile, &e, point, none, sub(data, 0, 17), "key establishment response", "a truncated answer");
	refuses(&profile, &e, point, none, joined(data, hex("00")), "key establishment response", "an octet behind it");
	refuses(&profile, &e, point, none, joined(data, hex("870100")), "key establishment response", "another object");
	refuses(&profile, &e, point, none, joined(data, data), "key establishment response", "two receipts");
	refuses(&profile, &e, point, none, joined(hex("868110"), sub(data, 2, 16)), "key establishment response",
			"a length that is not minimal");
	refuses(&profile, &e, point, none, hex("860F000000000000000000000000000000"), "receipt", "a short receipt");
	refuses(&profile, &e, point, none, sub(data, 2, 16), "key establishment response", "a bare receipt");
	refuses(&profile, &e, point, none, joined(dr, data), "DR", "a DR that was not asked for");
	refuses(&profile, &e, point, none, joined(hex("8500"), data), "DR", "not even an empty one");
	refuses(&profile, &e_dr, point, none, sub(data_dr, 18, 18), "DR", "no DR");
	refuses(&profile, &e_dr, point, none, joined(hex("8500"), sub(data_dr, 18, 18)), "DR", "an empty DR");
	refuses(&profile, &e_dr, point, none, joined(object("85", noise(15)), sub(data_dr, 18, 18)), "DR", "a short DR");
	refuses(&profile, &e_dr, point, none, joined(object("85", noise(24)), sub(data_dr, 18, 18)), "DR", "a long DR");
	refuses(&profile, &e_dr, point, none, joined(dr, sub(data_dr, 18, 18)), "receipt", "another DR");
	refuses(&profile, &e, pki_point(other), none, data, "receipt", "another ECASD");
	refuses(&profile, &e, with_bit_turned(point, 100), none, data, "public key", "an ECASD's key off the curve");
	refuses(&profile, &e_dr, point, none, joined(sub(data_dr, 0, 18), data), "receipt", "the receipt of another run");
	profile.dr_place = DR_NOT_IN_RECEIPT;
	refuses(&profile, &e_dr, point, none, data_dr, "receipt", "a DR in another place");
	EVP_PKEY_free(sm_sr);
	EVP_PKEY_free(other);
	EVP_PKEY_free(card.key);
}

static void
challenges(void)
{
	EstablishmentProfile either = establishment_default;
	EstablishmentProfile tlv = establishment_default;
	EstablishmentProfile bare = establishment_default;
	SmsrBytes	rc = noise(16);
	SmsrBytes	got;
	SmsrError	error;

	tlv.challenge = CHALLENGE_TLV;
	bare.challenge = CHALLENGE_BARE;
	for (size_t len = 0; len <= 40; len++)
	{
		SmsrBytes	octets = noise(len);
		const bool	good = len == 16 || len == 32;

		/* 16 octets that look like an object of 14 are a challenge that looks like one */
		ok(establishment_read_challenge(&either, object("85", octets), &got, &error) ==
		   (good || len == 14 || len == 30) &&
		   establishment_read_challenge(&tlv, object("85", octets), &got, &error) == good &&
		   establishment_read_challenge(&bare, octets, &got, &error) == good, "a challenge of %zu octets", len);
	}
	succeeds(establishment_read_challenge(&either, rc, &got, &error), &error, "a bare one, if it may be either");
	ok(!establishment_read_challenge(&tlv, rc, &got, &error), "not, if it must not");
	ok(!establishment_read_challenge(&bare, object("85", rc), &got, &error), "nor the other way round");
	fails(establishment_read_challenge(&either, object("86", rc), &got, &error), &error,
		  SMSR_BAD_VALUE, "random challenge", 0, "another tag");
	fails(establishment_read_challenge(&either, joined(object("85", rc), hex("00")), &got, &error), &error,
		  SMSR_BAD_LENGTH, "random challenge", 18, "an octet behind it");
}

static void
odd_crt(const char *digits, SmsrErrorCode code, const char *field, size_t offset, const char *what)
{
	Crt			crt;
	SmsrError	error;

	fails(crt_read(hex(digits), &crt, &error), &error, code, field, offset, "%s", what);
}

static void
templates(void)
{
	static const char *const good[] = {
		"A615 90020309 950110 800188 810110 820101 830102 9100",
		"A618 90020308 950110 960100 800188 810120 820101 83010F 9100",
		"A617 9002030A 950110 800188 810118 820101 830130 91020001",
		"A618 90020309 950110 800188 810110 820101 830102 9103000001",
		"A61A 90020309 950110 800188 810110 820101 830102 91050000000001",
		"A61D 90020309 950110 800188 810110 820101 830102 9108FFFFFFFFFFFFFFFF",
		"A615 90020308 95015C 800185 810110 820101 830140 9100",
		"A615 90020308 950110 800185 810120 820101 83014F 9100",
		"A615 90020308 95015C 800188 810110 820101 830130 9100",
		"A61B 9002030F 950110 800188 810110 82017D 830102 9100 4501AA 8401BB",
	};
	EstablishmentRequest request = scp80(0, 16, 0);
	EstablishmentProfile profile = establishment_default;
	SmsrWriter	w;
	Crt			crt;
	SmsrError	error;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		w = writer(CRT_MAX_LEN);
		succeeds(crt_read(hex(good[i]), &crt, &error) && crt_write(&crt, &w, &error), &error, "CRT %zu", i);
		is_hex(smsr_written(&w), good[i], "is written as it was read");
		for (size_t len = 0; len < hex(good[i]).len; len++)
		{
			if (crt_read(sub(hex(good[i]), 0, len), &crt, &error))
				ok(false, "the first %zu octets of CRT %zu", len, i);
		}
		crt_read(hex(good[i]), &crt, &error);
		w = smsr_writer(scratch(hex(good[i]).len - 1), hex(good[i]).len - 1);
		fails(crt_write(&crt, &w, &error), &error, SMSR_TOO_LONG, "CRT", 0, "no room");
		ok(w.len == 0, "nothing of it is written");
	}
	crt_read(hex(good[5]), &crt, &error);
	ok(crt.counter == UINT64_MAX && crt.counter_len == 8, "the highest counter");

	odd_crt("A515 90020309 950110 800188 810110 820101 830102 9100", SMSR_BAD_VALUE, "CRT", 0, "another tag");
	odd_crt("A68115 90020309 950110 800188 810110 820101 830102 9100", SMSR_BAD_LENGTH, "CRT", 0, "a long length");
	odd_crt("A615 90020309 950110 800188 810110 820101 830102 9100 00", SMSR_BAD_LENGTH, "CRT", 23, "more behind it");
	odd_crt("A616 90020309 950110 800188 810110 820101 830102 9100 00", SMSR_BAD_LENGTH, "CRT", 23, "more in it");
	odd_crt("A615 90020209 950110 800188 810110 820101 830102 9100", SMSR_UNSUPPORTED, "scenario", 2, "scenario 2");
	odd_crt("A615 90020301 950110 800188 810110 820101 830102 9100", SMSR_BAD_VALUE, "scenario parameter", 0,
			"without a certificate");
	odd_crt("A615 90020319 950110 800188 810110 820101 830102 9100", SMSR_UNSUPPORTED, "scenario parameter", 0, "bit 5");
	odd_crt("A615 90020309 950111 800188 810110 820101 830102 9100", SMSR_UNSUPPORTED, "key usage", 0, "usage 11");
	odd_crt("A615 90020309 95015C 800188 810110 820101 830102 9100", SMSR_BAD_VALUE, "key usage", 0, "one key for SCP80");
	odd_crt("A615 90020309 950110 800180 810110 820101 830102 9100", SMSR_UNSUPPORTED, "key type", 0, "DES");
	odd_crt("A615 90020309 950110 800188 810111 820101 830102 9100", SMSR_BAD_VALUE, "key length", 0, "17 octets");
	odd_crt("A615 90020309 950110 800188 810110 820100 830102 9100", SMSR_BAD_VALUE, "key identifier", 0, "key 0");
	odd_crt("A615 90020309 950110 800188 810110 82017E 830102 9100", SMSR_BAD_VALUE, "key identifier", 0, "key 7E");
	odd_crt("A615 90020309 950110 800188 810110 820101 830100 9100", SMSR_BAD_VALUE, "key version number", 0, "KVN 0");
	odd_crt("A615 90020309 950110 800188 810110 820101 830140 9100", SMSR_BAD_VALUE, "key version number", 0,
			"AES for SCP81");
	odd_crt("A615 90020309 95015C 800185 810110 820101 830102 9100", SMSR_BAD_VALUE, "key version number", 0,
			"a PSK for SCP80");
	odd_crt("A616 90020309 950110 800188 810110 820101 830102 910100", SMSR_BAD_LENGTH, "sequence counter", 0,
			"a counter of one octet");
	odd_crt("A61E 90020309 950110 800188 810110 820101 830102 9109000000000000000000", SMSR_BAD_LENGTH,
			"sequence counter", 21, "a counter of nine");
	odd_crt("A615 950110 90020309 800188 810110 820101 830102 9100", SMSR_BAD_VALUE, "scenario", 2, "another order");
	odd_crt("A618 90020309 950110 800188 960100 810110 820101 830102 9100", SMSR_BAD_VALUE, "key length", 12,
			"key access in another place");
	odd_crt("A615 9002030C 950110 800188 810110 820101 830102 9100", SMSR_TRUNCATED, "SDIN", 23, "no identifiers");
	odd_crt("A61B 9002030C 950110 800188 810110 820101 830102 9100 8401AA 4501BB", SMSR_BAD_VALUE, "SDIN", 23,
			"identifiers in another order");
	odd_crt("A61A 9002030C 950110 800188 810110 820101 830102 9100 4500 8401BB", SMSR_BAD_LENGTH, "SDIN", 0,
			"an empty identifier");
	odd_crt("A61B 90020308 950110 800188 810110 820101 830102 9100 4501AA 8401BB", SMSR_BAD_LENGTH, "CRT", 23,
			"identifiers that are not announced");

	request.host_id = hex(HOST_ID);
	w = writer(CRT_MAX_LEN);
	fails(establishment_write_crt(&profile, &request, &w, &error), &error, SMSR_BAD_VALUE, "HostID", 0,
		  "a HostID that is not announced");
	request = scp80(CRT_WITH_IDS, 16, 0);
	request.sdin = noise(17);
	fails(establishment_write_crt(&profile, &request, &w, &error), &error, SMSR_BAD_LENGTH, "SDIN", 0, "a long SDIN");
	request = scp80(0, 16, UINT64_C(1) << 40);
	fails(establishment_write_crt(&profile, &request, &w, &error), &error, SMSR_BAD_VALUE, "sequence counter", 0,
		  "a counter beyond SCP80's");
	request.counter = (UINT64_C(1) << 40) - 1;
	succeeds(establishment_write_crt(&profile, &request, &w, &error), &error, "the highest of SCP80");
	is_hex(smsr_written(&w), "A61A 90020308 950110 800188 810110 820101 830102 9105FFFFFFFFFF", "in five octets");
}

static void
blocks(void)
{
	EstablishmentProfile profile = establishment_default;
	SmsrBytes	certificate = noise(600);
	SmsrWriter	data = writer(700);
	SmsrWriter	w;
	SmsrWriter	all = writer(700);
	SmsrError	error;

	establishment_write_certificate(certificate, &data, &error);
	is_hex(sub(smsr_written(&data), 0, 5), "3A01 FF0258", "a DGI above 254 octets");
	ok(establishment_blocks(data.len) == 3 && establishment_blocks(255) == 1 && establishment_blocks(256) == 2 &&
	   establishment_blocks(0) == 0, "counts of blocks");
	for (size_t i = 0; i < 3; i++)
	{
		static const char *const headers[] = {"80E20800FF", "80E20801FF", "80E209025F"};

		w = writer(300);
		succeeds(establishment_write_block(&profile, smsr_written(&data), false, 0, i, &w, &error), &error,
				 "block %zu", i);
		is_hex(sub(smsr_written(&w), 0, 5), headers[i], "its header");
		put_bytes(&all, w.data + 5, w.len - 5);
	}
	ok(all.len == data.len && memcmp(all.data, data.data, data.len) == 0, "nothing is lost");
	w = writer(300);
	profile.le = true;
	succeeds(establishment_write_block(&profile, hex("AABB"), true, 3, 0, &w, &error), &error, "the command behind it");
	is_hex(smsr_written(&w), "80E2890302AABB00", "is the last, goes on counting, and has Le if it is wanted");
	fails(establishment_write_block(&profile, hex("AABB"), true, 3, 1, &w, &error), &error,
		  SMSR_TOO_LONG, "STORE DATA", 0, "no block behind the last");
	fails(establishment_write_block(&profile, hex("AABB"), true, 256, 0, &w, &error), &error,
		  SMSR_TOO_LONG, "STORE DATA", 0, "no number above FF");
	w = writer(6);
	fails(establishment_write_block(&profile, hex("AABB"), true, 0, 0, &w, &error), &error,
		  SMSR_TOO_LONG, "STORE DATA", 0, "no room");
	w = writer(100);
	fails(establishment_write_certificate(certificate, &w, &error), &error, SMSR_TOO_LONG, "certificate", 0,
		  "no room for a certificate");
}

static void
finalise(void)
{
	const Es5KeyRange own[] = {{0x02, 1, 3}, {0x41, 1, 2}};
	const Es5KeyRange others[] = {{0x01, 1, 3}};
	EstablishmentProfile profile = establishment_default;
	SmsrWriter	w = writer(300);
	Es5KeyRange many[52] = {{0, 0, 0}};

	establishment_write_finalise(&profile, own, 2, others, 1, &w);
	is_hex(smsr_written(&w), "80E400000A F203020103 F203410102 00", "ranges to keep");
	w = writer(300);
	profile.finalise = ES5_RANGES_DELETE;
	establishment_write_finalise(&profile, own, 2, others, 1, &w);
	is_hex(smsr_written(&w), "80E4000005 F203010103 00", "ranges to delete");
	w = writer(300);
	establishment_write_finalise(&profile, own, 2, NULL, 0, &w);
	ok(w.overflow && w.len == 0, "no command without a range");
	w = writer(300);
	es5_write_finalise_handover(&w, many, 51);
	ok(!w.overflow && w.len == 5 + 255 + 1, "51 ranges");
	w = writer(300);
	es5_write_finalise_handover(&w, many, 52);
	ok(w.overflow && w.len == 0, "one too many");
}

/* What a relaying SM-SR builds of ES7's fields is what the other one signed. */
static void
two_servers(void)
{
	EVP_PKEY   *sm_sr = pki_key(CURVE_BRAINPOOL);
	EstablishmentRequest request = scp80(CRT_WITH_DR | CRT_WITH_IDS, 16, 3);
	SmsrBytes	rc = noise(32);
	SmsrWriter	w1 = writer(ESTABLISHMENT_COMMAND_LEN);
	SmsrWriter	w2 = writer(ESTABLISHMENT_COMMAND_LEN);
	uint8_t		signature[CURVE_SIGNATURE_LEN];
	Establishment new_owner;
	Establishment relay = {.curve = CURVE_BRAINPOOL};
	EstablishmentCommand command;
	SmsrWriter	crt = smsr_writer(relay.crt, sizeof(relay.crt));
	SmsrError	error;

	establishment_prepare(&establishment_default, &request, CURVE_BRAINPOOL, &new_owner, &error);
	establishment_sign(&establishment_default, &new_owner, rc, CURVE_BRAINPOOL, pki_private(sm_sr), signature, &error);
	establishment_write_command(&establishment_default, &new_owner, smsr_bytes(signature, 64), &w2, &error);

	establishment_write_crt(&establishment_default, &request, &crt, &error);
	relay.crt_len = crt.len;
	memcpy(relay.point, new_owner.point, sizeof(relay.point));
	succeeds(establishment_write_command(&establishment_default, &relay, smsr_bytes(signature, 64), &w1, &error),
			 &error, "a relay's command");
	ok(w1.len == w2.len && memcmp(w1.data, w2.data, w1.len) == 0, "is the new owner's");
	succeeds(establishment_read_command(smsr_written(&w1), &command, &error) &&
			 establishment_verify_command(&command, rc, CURVE_BRAINPOOL, pki_point(sm_sr), &error), &error,
			 "and its signature good");
	ok(w1.len <= ESTABLISHMENT_COMMAND_LEN, "in the room that is said to be enough");
	fails(establishment_verify_command(&command, noise(16), CURVE_BRAINPOOL, pki_point(sm_sr), &error), &error,
		  SMSR_BAD_VALUE, "signature", 0, "for no other challenge");
	fails(establishment_verify_command(&command, noise(17), CURVE_BRAINPOOL, pki_point(sm_sr), &error), &error,
		  SMSR_BAD_LENGTH, "random challenge", 0, "nor one of another length");
	fails(establishment_write_command(&establishment_default, &relay, noise(63), &w1, &error), &error,
		  SMSR_BAD_LENGTH, "signature", 0, "no command with a short signature");
	EVP_PKEY_free(sm_sr);
}

static void
odd_command(SmsrBytes data, SmsrErrorCode code, const char *field, size_t offset, const char *what)
{
	EstablishmentCommand command;
	SmsrError	error;

	fails(establishment_read_command(data, &command, &error), &error, code, field, offset, "%s", what);
}

static void
commands(void)
{
	SmsrBytes	crt = hex("A6159002030995011080018881011082010183010291 00");
	SmsrBytes	point = joined(hex("04"), noise(64));
	SmsrBytes	key = joined(hex("B041"), point, hex("F00100"));
	SmsrBytes	crt_dgi = joined(hex("3A0217"), crt);
	SmsrBytes	key_dgi = joined(hex("7F4946"), key);
	SmsrBytes	signature = joined(hex("5F3740"), noise(64));
	SmsrBytes	good = joined(crt_dgi, key_dgi, signature);
	EstablishmentCommand command;
	SmsrError	error;

	succeeds(establishment_read_command(good, &command, &error), &error, "a good command");
	for (size_t len = 0; len < good.len; len++)
	{
		if (establishment_read_command(copy_of(sub(good, 0, len)), &command, &error))
			ok(false, "the first %zu octets of one", len);
	}
	odd_command(joined(good, hex("00")), SMSR_BAD_LENGTH, "key establishment", good.len, "more behind it");
	odd_command(joined(key_dgi, crt_dgi, signature), SMSR_BAD_VALUE, "CRT", 0, "another order");
	odd_command(joined(crt_dgi, signature), SMSR_BAD_VALUE, "ephemeral public key", 26, "no key");
	odd_command(joined(hex("3A02FF0017"), crt, key_dgi, signature), SMSR_BAD_LENGTH, "CRT", 0,
				"a length in the longer form");
	odd_command(joined(crt_dgi, hex("7F4946"), hex("B041"), point, hex("F00101"), signature), SMSR_UNSUPPORTED,
				"key parameter reference", 26 + 3 + 67, "P-384");
	odd_command(joined(crt_dgi, key_dgi, hex("5F373F"), noise(63)), SMSR_BAD_LENGTH, "signature", 26 + 73,
				"a short signature");
}

TEST_SUITE(establishment)
{
	for (Curve curve = CURVE_P256; curve <= CURVE_FRP; curve++)
		all_cases(curve);
	answers();
	challenges();
	templates();
	blocks();
	finalise();
	two_servers();
	commands();
}
