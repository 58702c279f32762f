/*
 * establishment.c
 *		ES5.EstablishISDRKeySet: keys that an SM-SR and a card agree on.
 */
#include "establishment.h"

#include <string.h>

#include <openssl/crypto.h>

#include "certificate.h"
#include "kdf.h"
#include "sealing.h"
#include "tlv.h"

/* DGIs of the two commands; the challenge's is signed and stays at home */
#define DGI_CERTIFICATE		0x3A01
#define DGI_CRT				0x3A02
#define DGI_EPK				0x7F49
#define DGI_SIGNATURE		0x5F37
#define DGI_CHALLENGE		0x0085

#define TAG_CHALLENGE		0x85
#define TAG_DR				0x85
#define TAG_RECEIPT			0x86

#define CLA					0x80
#define INS_STORE_DATA		0xE2
/* P1 of STORE DATA (Card Specification clause 11.11.2.1) */
#define STORE_DGI			0x08
#define STORE_RESPONSE		0x01
#define STORE_LAST			0x80
#define MAX_BLOCK			255
#define MAX_BLOCKS			256

#define KEY_DATA_LEN		((1 + CRT_MAX_KEYS) * CRT_MAX_KEY_LEN)
/* usage, type, length, DR, and three values with their lengths */
#define SHARED_INFO_LEN		(3 + ESTABLISHMENT_DR_LEN + 3 * (1 + CRT_MAX_ID_LEN))

const EstablishmentProfile establishment_default = {
	.epk = EPK_B0F0,
	.challenge = CHALLENGE_EITHER,
	.dr_place = DR_BEHIND_CRT,
	.has_access = false,
	.access = 0x00,
	.counter_len = 0,
	.psk_usage = CRT_USAGE_BASE,
	.le = false,
	.finalise = ES5_RANGES_KEEP,
};

static bool
fitted(const SmsrWriter *w, const char *field, SmsrError *error)
{
	return !w->overflow || smsr_fail(error, SMSR_TOO_LONG, field, 0, "room for it");
}

/* ---- what goes to the card ---- */

bool
establishment_write_crt(const EstablishmentProfile *profile, const EstablishmentRequest *request,
						SmsrWriter *w, SmsrError *error)
{
	/*
	 * A counter that does not begin at 0 needs octets, those of SCP80, whatever
	 * the profile says of one that does.
	 */
	const Crt	crt = {
		.parameter = request->parameter | CRT_CERTIFICATE,
		.usage = request->key_type == KEY_TYPE_PSK ? profile->psk_usage : CRT_USAGE_CHANNEL,
		.has_access = profile->has_access,
		.access = profile->access,
		.key_type = request->key_type,
		.key_len = request->key_len,
		.key_id = 0x01,
		.kvn = request->kvn,
		.counter_len = request->counter != 0 && profile->counter_len == 0 ? 5 : profile->counter_len,
		.counter = request->counter,
		.sdin = request->sdin,
		.host_id = request->host_id,
	};

	return crt_write(&crt, w, error);
}

bool
establishment_prepare(const EstablishmentProfile *profile, const EstablishmentRequest *request,
					  Curve curve, Establishment *establishment, SmsrError *error)
{
	SmsrWriter	w = smsr_writer(establishment->crt, sizeof(establishment->crt));

	if (!establishment_write_crt(profile, request, &w, error))
		return false;
	establishment->crt_len = w.len;
	establishment->curve = curve;
	return curve_generate(curve, establishment->private_key, establishment->point, error);
}

void
establishment_cleanse(Establishment *establishment)
{
	OPENSSL_cleanse(establishment, sizeof(*establishment));
}

static bool
challenge_len_ok(size_t len)
{
	return len == 16 || len == 32;
}

bool
establishment_read_challenge(const EstablishmentProfile *profile, SmsrBytes data,
							 SmsrBytes *challenge, SmsrError *error)
{
	const bool	bare = profile->challenge == CHALLENGE_BARE ||
		(profile->challenge == CHALLENGE_EITHER && challenge_len_ok(data.len));
	TlvReader	r = tlv_reader(data);
	SmsrTlv		tlv;

	if (bare)
		*challenge = data;
	else
	{
		if (!tlv_read_minimal(&r, "random challenge", &tlv, error))
			return false;
		if (tlv.tag != TAG_CHALLENGE)
			return smsr_fail(error, SMSR_BAD_VALUE, "random challenge", tlv.offset, "tag 85");
		if (!tlv_at_end(&r))
			return smsr_fail(error, SMSR_BAD_LENGTH, "random challenge", r.pos, "nothing more");
		*challenge = tlv.value;
	}
	return challenge_len_ok(challenge->len) ||
		smsr_fail(error, SMSR_BAD_LENGTH, "random challenge", 0, "16 or 32 octets");
}

/* The two DGIs that are signed and transmitted. */
static void
put_signed_part(const EstablishmentProfile *profile, const Establishment *establishment, SmsrWriter *w)
{
	const SmsrBytes point = smsr_bytes(establishment->point, CURVE_POINT_LEN);
	uint8_t		object[CURVE_POINT_LEN + 5];
	SmsrWriter	epk = smsr_writer(object, sizeof(object));

	if (profile->epk == EPK_RAW)
		put_bytes(&epk, point.data, point.len);
	else
		public_key_write(&epk, establishment->curve, point);
	put_dgi_header(w, DGI_CRT, establishment->crt_len);
	put_bytes(w, establishment->crt, establishment->crt_len);
	put_dgi_header(w, DGI_EPK, epk.len);
	put_bytes(w, epk.data, epk.len);
}

static void
put_challenge(SmsrBytes challenge, SmsrWriter *w)
{
	put_dgi_header(w, DGI_CHALLENGE, challenge.len);
	put_bytes(w, challenge.data, challenge.len);
}

bool
establishment_write_signed(const EstablishmentProfile *profile, const Establishment *establishment,
						   SmsrBytes challenge, SmsrWriter *w, SmsrError *error)
{
	if (!challenge_len_ok(challenge.len))
		return smsr_fail(error, SMSR_BAD_LENGTH, "random challenge", 0, "16 or 32 octets");
	put_signed_part(profile, establishment, w);
	put_challenge(challenge, w);
	return fitted(w, "signed data", error);
}

bool
establishment_sign(const EstablishmentProfile *profile, const Establishment *establishment,
				   SmsrBytes challenge, Curve curve, SmsrBytes private_key,
				   uint8_t signature[CURVE_SIGNATURE_LEN], SmsrError *error)
{
	uint8_t		buffer[ESTABLISHMENT_COMMAND_LEN + 3 + 32];
	SmsrWriter	w = smsr_writer(buffer, sizeof(buffer));
	SmsrBytes	input;

	if (!establishment_write_signed(profile, establishment, challenge, &w, error))
		return false;
	input = smsr_written(&w);
	return curve_sign(curve, private_key, &input, 1, signature, error);
}

bool
establishment_write_certificate(SmsrBytes certificate, SmsrWriter *w, SmsrError *error)
{
	put_dgi_header(w, DGI_CERTIFICATE, certificate.len);
	put_bytes(w, certificate.data, certificate.len);
	return fitted(w, "certificate", error);
}

bool
establishment_write_command(const EstablishmentProfile *profile, const Establishment *establishment,
							SmsrBytes signature, SmsrWriter *w, SmsrError *error)
{
	if (signature.len != CURVE_SIGNATURE_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "signature", 0, "64 octets");
	put_signed_part(profile, establishment, w);
	put_dgi_header(w, DGI_SIGNATURE, signature.len);
	put_bytes(w, signature.data, signature.len);
	return fitted(w, "key establishment", error);
}

size_t
establishment_blocks(size_t data_len)
{
	return (data_len + MAX_BLOCK - 1) / MAX_BLOCK;
}

bool
establishment_write_block(const EstablishmentProfile *profile, SmsrBytes data, bool last_command,
						  size_t first, size_t index, SmsrWriter *w, SmsrError *error)
{
	const size_t blocks = establishment_blocks(data.len);
	const size_t start = index * MAX_BLOCK;
	const bool	last_block = index + 1 == blocks;
	size_t		len;
	uint8_t		p1 = STORE_DGI;

	if (index >= blocks || first + index >= MAX_BLOCKS)
		return smsr_fail(error, SMSR_TOO_LONG, "STORE DATA", 0, "a block of the data, number 00 to FF");
	/* the card answers when it has all of a command */
	if (last_block)
		p1 |= STORE_RESPONSE;
	if (last_block && last_command)
		p1 |= STORE_LAST;
	len = last_block ? data.len - start : MAX_BLOCK;
	put_u8(w, CLA);
	put_u8(w, INS_STORE_DATA);
	put_u8(w, p1);
	put_u8(w, (uint8_t) (first + index));
	put_u8(w, (uint8_t) len);
	put_bytes(w, data.data + start, len);
	if (profile->le && last_block)
		put_u8(w, 0x00);
	return fitted(w, "STORE DATA", error);
}

void
establishment_write_finalise(const EstablishmentProfile *profile,
							 const Es5KeyRange *own, size_t own_count,
							 const Es5KeyRange *others, size_t other_count, SmsrWriter *w)
{
	if (profile->finalise == ES5_RANGES_KEEP)
		es5_write_finalise_handover(w, own, own_count);
	else
		es5_write_finalise_handover(w, others, other_count);
}

/* ---- keys ---- */

bool
establishment_derive(const Crt *crt, const uint8_t secret[CURVE_SECRET_LEN], SmsrBytes dr,
					 SmsrBytes sin, uint8_t receipt_key[CRT_MAX_KEY_LEN],
					 EstablishedKeys *keys, SmsrError *error)
{
	const size_t len = crt->key_len;
	const size_t count = crt_key_count(crt);
	uint8_t		buffer[SHARED_INFO_LEN];
	SmsrWriter	info = smsr_writer(buffer, sizeof(buffer));
	uint8_t		key_data[KEY_DATA_LEN];

	/* a Crt need not come from crt_read() */
	if (len > CRT_MAX_KEY_LEN)
		return smsr_fail(error, SMSR_BAD_VALUE, "key length", 0, "16, 24 or 32");

	/* Amendment A table 3-28: DR without a length, the identifiers with theirs */
	put_u8(&info, crt->usage);
	put_u8(&info, crt->key_type);
	put_u8(&info, crt->key_len);
	put_bytes(&info, dr.data, dr.len);
	if ((crt->parameter & CRT_WITH_IDS) != 0)
	{
		if (sin.len < 1 || sin.len > CRT_MAX_ID_LEN)
			return smsr_fail(error, SMSR_BAD_LENGTH, "SIN", 0, "1 to 16 octets");
		put_u8(&info, (uint8_t) crt->host_id.len);
		put_bytes(&info, crt->host_id.data, crt->host_id.len);
		put_u8(&info, (uint8_t) sin.len);
		put_bytes(&info, sin.data, sin.len);
		put_u8(&info, (uint8_t) crt->sdin.len);
		put_bytes(&info, crt->sdin.data, crt->sdin.len);
	}
	if (!fitted(&info, "shared information", error))
		return false;

	/* the receipt's key comes first, and is as long as the others */
	if (!kdf_x963(smsr_bytes(secret, CURVE_SECRET_LEN), smsr_written(&info), key_data,
				  (1 + count) * len, error))
		return false;
	memcpy(receipt_key, key_data, len);
	*keys = (EstablishedKeys) {
		.key_type = crt->key_type, .kvn = crt->kvn, .key_id = crt->key_id,
		.counter = crt->counter, .count = count, .len = len
	};
	for (size_t i = 0; i < count; i++)
		memcpy(keys->key[i], key_data + (1 + i) * len, len);
	OPENSSL_cleanse(key_data, sizeof(key_data));
	return true;
}

bool
establishment_receipt(const EstablishmentProfile *profile, SmsrBytes receipt_key,
					  SmsrBytes crt_octets, SmsrBytes dr,
					  uint8_t receipt[ESTABLISHMENT_RECEIPT_LEN], SmsrError *error)
{
	uint8_t		object[2 + ESTABLISHMENT_DR_LEN];
	SmsrWriter	w = smsr_writer(object, sizeof(object));
	SmsrBytes	dr_object;
	bool		before = profile->dr_place == DR_BEFORE_CRT;

	if (dr.len > 0 && profile->dr_place != DR_NOT_IN_RECEIPT)
		put_tlv(&w, TAG_DR, dr.data, dr.len);
	if (!fitted(&w, "DR", error))
		return false;
	dr_object = smsr_written(&w);
	return kdf_cmac(receipt_key, (const SmsrBytes[]) {
		before ? dr_object : crt_octets, before ? crt_octets : dr_object
	}, 2, receipt, error);
}

/* The answer to the second command: DR and receipt, in either order. */
static bool
read_answer(SmsrBytes data, bool with_dr, SmsrBytes *dr, SmsrBytes *receipt, SmsrError *error)
{
	TlvReader	r = tlv_reader(data);
	SmsrTlv		tlv;

	*dr = *receipt = smsr_bytes(NULL, 0);
	while (!tlv_at_end(&r))
	{
		SmsrBytes  *value;

		if (!tlv_read_minimal(&r, "key establishment response", &tlv, error))
			return false;
		if (tlv.tag != TAG_DR && tlv.tag != TAG_RECEIPT)
			return smsr_fail(error, SMSR_UNSUPPORTED, "key establishment response", tlv.offset, "tags 85 and 86");
		value = tlv.tag == TAG_DR ? dr : receipt;
		if (value->data != NULL)
			return smsr_fail(error, SMSR_BAD_VALUE, "key establishment response", tlv.offset,
							 "one object with its tag");
		*value = tlv.value;
	}
	if (receipt->len != ESTABLISHMENT_RECEIPT_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "receipt", 0, "tag 86 with 16 octets");
	if (!with_dr && dr->data != NULL)
		return smsr_fail(error, SMSR_BAD_VALUE, "DR", 0, "none, because the CRT does not ask for it");
	if (with_dr && dr->len != ESTABLISHMENT_DR_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "DR", 0, "tag 85 with 16 octets");
	return true;
}

/* Keys and receipt out of all that was agreed on; the caller cleanses. */
static bool
derive_and_compare(const EstablishmentProfile *profile, const Establishment *establishment, const Crt *crt,
				   const uint8_t *secret, SmsrBytes dr, SmsrBytes sin, SmsrBytes received,
				   uint8_t *receipt_key, EstablishedKeys *keys, SmsrError *error)
{
	uint8_t		receipt[ESTABLISHMENT_RECEIPT_LEN];
	bool		same;

	if (!establishment_derive(crt, secret, dr, sin, receipt_key, keys, error) ||
		!establishment_receipt(profile, smsr_bytes(receipt_key, crt->key_len),
							   smsr_bytes(establishment->crt, establishment->crt_len), dr, receipt, error))
		return false;
	same = CRYPTO_memcmp(receipt, received.data, sizeof(receipt)) == 0;
	/* the right one for what was received is nobody else's to know */
	OPENSSL_cleanse(receipt, sizeof(receipt));
	return same || smsr_fail(error, SMSR_BAD_VALUE, "receipt", 0,
							 "the one of a card that has the same keys");
}

bool
establishment_conclude(const EstablishmentProfile *profile, const Establishment *establishment,
					   SmsrBytes ecasd_point, SmsrBytes sin, SmsrBytes data,
					   EstablishedKeys *keys, SmsrError *error)
{
	uint8_t		secret[CURVE_SECRET_LEN];
	uint8_t		receipt_key[CRT_MAX_KEY_LEN];
	SmsrBytes	dr;
	SmsrBytes	received;
	Crt			crt;
	bool		ok;

	/* nothing secret is touched for an answer that can not be right */
	if (!crt_read(smsr_bytes(establishment->crt, establishment->crt_len), &crt, error) ||
		!read_answer(data, (crt.parameter & CRT_WITH_DR) != 0, &dr, &received, error))
		return false;
	ok = curve_agree(establishment->curve, smsr_bytes(establishment->private_key, CURVE_PRIVATE_LEN),
					 ecasd_point, secret, error) &&
		derive_and_compare(profile, establishment, &crt, secret, dr, sin, received, receipt_key, keys, error);
	OPENSSL_cleanse(secret, sizeof(secret));
	OPENSSL_cleanse(receipt_key, sizeof(receipt_key));
	if (!ok)
		established_keys_cleanse(keys);
	return ok;
}

void
established_keys_cleanse(EstablishedKeys *keys)
{
	OPENSSL_cleanse(keys, sizeof(*keys));
}

/* ---- what the card reads ---- */

/* The next DGI, which must be this one, its length in the shorter form if it can be. */
static bool
read_dgi(TlvReader *r, uint16_t dgi, const char *field, const char *expected, SmsrTlv *tlv, SmsrError *error)
{
	const size_t start = r->pos;
	size_t		header;

	if (!dgi_read(r, field, tlv, error))
		return false;
	if (tlv->tag != dgi)
		return smsr_fail(error, SMSR_BAD_VALUE, field, start, expected);
	header = (size_t) (tlv->value.data - (r->data + start));
	if (header != (tlv->value.len < 0xFF ? 3 : 5))
		return smsr_fail(error, SMSR_BAD_LENGTH, field, start, "a length of the fewest octets");
	return true;
}

bool
establishment_read_command(SmsrBytes data, EstablishmentCommand *command, SmsrError *error)
{
	TlvReader	r = tlv_reader(data);
	TlvReader	inner;
	SmsrTlv		tlv;

	*command = (EstablishmentCommand) {0};
	if (!read_dgi(&r, DGI_CRT, "CRT", "DGI 3A02", &tlv, error))
		return false;
	command->crt_octets = tlv.value;
	if (!crt_read(tlv.value, &command->crt, error) ||
		!read_dgi(&r, DGI_EPK, "ephemeral public key", "DGI 7F49", &tlv, error))
		return false;

	/* the point begins with 04, the object with B0 */
	command->has_curve = tlv.value.len != CURVE_POINT_LEN;
	command->point = tlv.value;
	inner = tlv_inside(&r, tlv.value);
	if (command->has_curve && !public_key_read(&inner, &command->curve, &command->point, error))
		return false;

	command->signed_part = smsr_bytes(data.data, r.pos);
	if (!read_dgi(&r, DGI_SIGNATURE, "signature", "DGI 5F37", &tlv, error))
		return false;
	if (tlv.value.len != CURVE_SIGNATURE_LEN)
		return smsr_fail(error, SMSR_BAD_LENGTH, "signature", tlv.offset, "64 octets");
	command->signature = tlv.value;
	if (!tlv_at_end(&r))
		return smsr_fail(error, SMSR_BAD_LENGTH, "key establishment", r.pos, "nothing more");
	return true;
}

bool
establishment_verify_command(const EstablishmentCommand *command, SmsrBytes challenge,
							 Curve curve, SmsrBytes point, SmsrError *error)
{
	uint8_t		buffer[3 + 32];
	SmsrWriter	w = smsr_writer(buffer, sizeof(buffer));

	if (!challenge_len_ok(challenge.len))
		return smsr_fail(error, SMSR_BAD_LENGTH, "random challenge", 0, "16 or 32 octets");
	put_challenge(challenge, &w);
	return curve_verify(curve, point, (const SmsrBytes[]) {command->signed_part, smsr_written(&w)}, 2,
						command->signature, error);
}
