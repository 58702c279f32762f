/*
 * test_key_vectors.c
 *		Every vector of test/vectors/keys.json, through the functions that serve
 *		them.
 */
#include "core/certificate.h"
#include "core/chain.h"
#include "core/cipher.h"
#include "core/diversification.h"
#include "core/establishment.h"
#include "core/kdf.h"
#include "core/psk_identity.h"
#include "core/put_key.h"
#include "core/sealing.h"
#include "pki.h"
#include "vectors.h"

#include <stdio.h>
#include <string.h>

typedef struct Vector
{
	const char *id;
	const Json *in;
	const Json *out;
} Vector;

/* Octets of ours are those of the vector's answer. */
static void
same(const Vector *v, const char *name, SmsrBytes got)
{
	is_hex(got, text_of(v->out, name), "%s: %s", v->id, name);
}

static Curve
curve_of(const Json *in)
{
	Curve		curve = CURVE_P256;

	ok(curve_parse(text_of(in, "curve"), &curve), "curve %s", text_of(in, "curve"));
	return curve;
}

/* 2026-01-01 and its like */
static int64_t
time_of(const Json *in)
{
	int			year;
	int			month;
	int			day;
	int64_t		at;

	ok(sscanf(text_of(in, "at"), "%d-%d-%d", &year, &month, &day) == 3, "a date");
	for (at = 0; certificate_day(at) != (uint32_t) (year * 10000 + month * 100 + day); at += PKI_DAY)
		;
	return at;
}

static void
kcvs(const Vector *v, uint8_t key_type, const SmsrBytes *keys)
{
	const Json *expected = member(v->out, "kcvs");
	const Json *kcv = expected == NULL ? NULL : expected->child;

	for (size_t i = 0; kcv != NULL; kcv = kcv->next, i++)
	{
		uint8_t		got[3];
		SmsrError	error;

		succeeds(key_check_value(key_type, keys[i], got, &error), &error, "%s: check value %zu", v->id, i);
		is_hex(smsr_bytes(got, 3), kcv->string, "%s: check value %zu", v->id, i);
	}
}

/* ---- arithmetic ---- */

static void
x963(const Vector *v)
{
	const size_t len = (size_t) number_of(v->in, "length");
	uint8_t    *out = scratch(len);
	SmsrError	error;

	succeeds(kdf_x963(octets_of(v->in, "z"), octets_of(v->in, "shared_info"), out, len, &error), &error, "%s", v->id);
	same(v, "key_data", smsr_bytes(out, len));
}

static void
ecka(const Vector *v)
{
	const Curve curve = curve_of(v->in);
	uint8_t		secret[CURVE_SECRET_LEN];
	SmsrError	error;

	ok(curve_reference(curve) == octet_of(v->in, "param_ref"), "%s: reference", v->id);
	succeeds(curve_agree(curve, octets_of(v->in, "sk"), octets_of(v->in, "pk"), secret, &error), &error, "%s", v->id);
	same(v, "shs", smsr_bytes(secret, sizeof(secret)));
}

static void
ecdsa(const Vector *v)
{
	const Curve curve = curve_of(v->in);
	SmsrBytes	message = octets_of(v->in, "message");
	SmsrBytes	plain = octets_of(v->in, "signature_plain");
	SmsrBytes	point = octets_of(v->in, "pk");
	SmsrError	error;

	ok(member(v->out, "valid")->number == 1, "%s: is a valid one", v->id);
	succeeds(curve_verify(curve, point, &message, 1, plain, &error), &error, "%s: plain", v->id);
	succeeds(curve_verify_der(curve, point, message, octets_of(v->out, "signature_der"), &error), &error,
			 "%s: DER", v->id);
	for (size_t bit = 0; bit < 512; bit += 3)
	{
		if (curve_verify(curve, point, &message, 1, with_bit_turned(plain, bit), &error))
			ok(false, "%s: with bit %zu turned", v->id, bit);
	}
}

static void
cmac(const Vector *v)
{
	static Ciphers ciphers;
	SmsrBytes	key = octets_of(v->in, "key");
	SmsrBytes	message = octets_of(v->in, "message");
	uint8_t		mac[KDF_MAC_LEN];
	SmsrError	error;

	succeeds(kdf_cmac(key, &message, 1, mac, &error), &error, "%s", v->id);
	same(v, "mac", smsr_bytes(mac, sizeof(mac)));

	/* and the one for packets */
	ok(ciphers_open(&ciphers) && cipher_mac(&ciphers, CIPHER_AES, key, &message, 1, mac), "%s: for packets", v->id);
	same(v, "mac", smsr_bytes(mac, sizeof(mac)));
	ciphers_close(&ciphers);
}

static void
check_value(const Vector *v, uint8_t key_type)
{
	uint8_t		kcv[3];
	SmsrError	error;

	succeeds(key_check_value(key_type, octets_of(v->in, "key"), kcv, &error), &error, "%s", v->id);
	same(v, "kcv", smsr_bytes(kcv, sizeof(kcv)));
}

static void
kcv_aes(const Vector *v)
{
	check_value(v, KEY_TYPE_AES);
}

static void
kcv_3des(const Vector *v)
{
	check_value(v, KEY_TYPE_DES);
}

static void
wrap_with(const Vector *v, WrapMode mode)
{
	SmsrBytes	kek = octets_of(v->in, "kek");
	SmsrWriter	out = writer(200);
	SmsrError	error;

	if (member(v->out, "error") != NULL)
	{
		fails(key_unwrap(mode, kek, octets_of(v->in, "wrapped"), &out, &error), &error,
			  SMSR_BAD_VALUE, "wrapped key", 0, "%s: does not unwrap", v->id);
		ok(out.len == 0, "%s: nothing is released", v->id);
		return;
	}
	succeeds(key_wrap(mode, kek, octets_of(v->in, "plaintext"), &out, &error), &error, "%s: wrap", v->id);
	same(v, "wrapped", smsr_written(&out));
	out = writer(200);
	succeeds(key_unwrap(mode, kek, octets_of(v->out, "wrapped"), &out, &error), &error, "%s: unwrap", v->id);
	is_hex(smsr_written(&out), text_of(v->in, "plaintext"), "%s: as it was", v->id);
}

static void
wrap_kw(const Vector *v)
{
	wrap_with(v, WRAP_AES_KW);
}

static void
wrap_kwp(const Vector *v)
{
	wrap_with(v, WRAP_AES_KWP);
}

static void
counter_kdf(const Vector *v)
{
	const size_t len = (size_t) number_of(v->in, "length");
	SmsrBytes	fixed = octets_of(v->in, "fixed_input");
	size_t		before = 0;
	uint8_t    *out = scratch(len);
	SmsrError	error;

	if (strcmp(text_of(v->in, "counter_location"), "middle") == 0)
		before = (size_t) number_of(v->in, "counter_offset");
	else
		ok(strcmp(text_of(v->in, "counter_location"), "before") == 0, "%s: a place that is known", v->id);
	succeeds(kdf_counter(octets_of(v->in, "key"), smsr_bytes(fixed.data, before),
						 (size_t) number_of(v->in, "rlen_bits") / 8,
						 smsr_bytes(fixed.data + before, fixed.len - before), out, len, &error), &error, "%s", v->id);
	same(v, "key_out", smsr_bytes(out, len));
}

/* ---- diversification ---- */

static void
diversified(const Vector *v, const char *scheme_name, const char *source, uint8_t kvn, size_t len,
			const char *const names[3])
{
	Diversification scheme;
	DiversifiedKeys keys;
	SmsrBytes	octets[3];
	SmsrError	error;

	ok(diversification_parse(scheme_name, &scheme) && strcmp(diversification_name(scheme), scheme_name) == 0,
	   "%s: scheme", v->id);
	succeeds(diversify(scheme, octets_of(v->in, "master"), octets_of(v->in, source), kvn, len, &keys, &error),
			 &error, "%s", v->id);
	for (int i = 0; i < 3; i++)
	{
		octets[i] = smsr_bytes(keys.key[i], keys.len);
		same(v, names[i], octets[i]);
	}
	kcvs(v, diversification_key_type(scheme), octets);
}

static const char *const card_names[] = {"enc", "mac", "dek"};
static const char *const ota_names[] = {"kic", "kid", "kik"};

static void
visa2(const Vector *v)
{
	diversified(v, "visa2", "kdd", 0, 0, card_names);
}

static void
emv_cps11(const Vector *v)
{
	diversified(v, "emv-cps11", "kdd", 0, 0, card_names);
}

static void
kdf3(const Vector *v)
{
	diversified(v, "kdf3", "kdd", 0, 0, card_names);
}

static void
eid_cmac(const Vector *v)
{
	diversified(v, "eid-cmac", "eid", octet_of(v->in, "kvn"), (size_t) number_of(v->in, "length"), ota_names);
}

/* ---- certificates ---- */

/* Which field of ours a vector's reason is. */
static const char *
field_of(const char *reason)
{
	static const char *const fields[][2] = {
		{"signature", "signature"}, {"eid", "subject identifier"}, {"aki", "authority key identifier"}
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
	{
		if (strcmp(fields[i][0], reason) == 0)
			return fields[i][1];
	}
	return "a reason that is not known";
}

static void
certificate_parts(const Vector *v, const Certificate *c)
{
	char		date[9];

	same(v, "key_usage", c->usage);
	same(v, "pk", c->point);
	same(v, "signed_part", c->signed_part);
	same(v, "signature_plain", c->signature);
	if (member(v->out, "serial") == NULL)
		return;
	same(v, "serial", c->serial);
	same(v, "ca_id", c->issuer);
	same(v, "subject", c->subject);
	same(v, "image_number", c->image);
	same(v, "authority_key_id", c->authority_key);
	ok(octet_of(v->out, "param_ref") == curve_reference(c->curve), "%s: reference", v->id);
	snprintf(date, sizeof(date), "%08u", (unsigned) c->effective);
	ok(strcmp(date, text_of(v->out, "effective")) == 0, "%s: effective date", v->id);
	snprintf(date, sizeof(date), "%08u", (unsigned) c->expiry);
	ok(strcmp(date, text_of(v->out, "expiry")) == 0, "%s: expiry date", v->id);
}

static void
ecasd(const Vector *v)
{
	const int64_t at = time_of(v->in);
	SmsrBytes	octets = octets_of(v->in, "cert");
	Certificate c;
	ChainKey	eum;
	SmsrError	error = {0};
	bool		valid;

	succeeds(chain_verify_eum(octets_of(v->in, "eum_x509_der"), octets_of(v->in, "ci_x509_der"), at, &eum, &error),
			 &error, "%s: EUM and CI", v->id);
	valid = chain_verify_ecasd(octets, octets_of(v->in, "eum_x509_der"), octets_of(v->in, "ci_x509_der"),
							   octets_of(v->in, "expected_eid").data, at, &c, &error);
	if (member(v->out, "valid")->number == 0)
	{
		ok(!valid && error.code == SMSR_BAD_VALUE && strcmp(error.field, field_of(text_of(v->out, "reason"))) == 0,
		   "%s: is refused because of its %s (%s)", v->id, text_of(v->out, "reason"), error.field);
		return;
	}
	succeeds(valid, &error, "%s: is valid", v->id);
	certificate_parts(v, &c);
	ok(!chain_verify_ecasd(octets, octets_of(v->in, "ci_x509_der"), octets_of(v->in, "ci_x509_der"),
						   octets_of(v->in, "expected_eid").data, at, &c, &error), "%s: but not under the CI", v->id);
}

static void
off_card(const Vector *v)
{
	const bool	sm_sr = strcmp(text_of(v->out, "role"), "SM-SR") == 0;
	SmsrBytes	octets = octets_of(v->in, "cert");
	SmsrWriter	data = writer(octets.len + 5);
	SmsrWriter	apdu = writer(300);
	Certificate c;
	SmsrError	error;

	succeeds(chain_verify_off_card(octets, octets_of(v->in, "ci_x509_der"),
								   sm_sr ? CERTIFICATE_SM_SR : CERTIFICATE_SM_DP, time_of(v->in), &c, &error),
			 &error, "%s: is valid", v->id);
	certificate_parts(v, &c);
	succeeds(establishment_write_certificate(octets, &data, &error) &&
			 establishment_blocks(data.len) == 1 &&
			 establishment_write_block(&establishment_default, smsr_written(&data), false, 0, 0, &apdu, &error),
			 &error, "%s: STORE DATA", v->id);
	same(v, "store_data_1", smsr_written(&apdu));
}

/* ---- key establishment ---- */

/* What the vector has that is open, as a profile. */
static EstablishmentProfile
profile_of(const Vector *v)
{
	EstablishmentProfile profile = establishment_default;
	const Json *access = member(v->in, "key_access");

	profile.epk = strcmp(text_of(v->in, "epk_encoding"), "raw") == 0 ? EPK_RAW : EPK_B0F0;
	if (access->kind == JSON_STRING)
	{
		profile.has_access = true;
		profile.access = hex(access->string).data[0];
	}
	profile.counter_len = (uint8_t) octets_of(v->in, "initial_counter").len;
	return profile;
}

static EstablishmentRequest
request_of(const Vector *v)
{
	SmsrBytes	counter = octets_of(v->in, "initial_counter");
	EstablishmentRequest request = {
		.parameter = octet_of(v->in, "scenario_param"),
		.key_type = octet_of(v->in, "key_type"),
		.key_len = (uint8_t) number_of(v->in, "key_length"),
		.kvn = octet_of(v->in, "kvn"),
		.sdin = octets_of(v->in, "sdin"),
		.host_id = octets_of(v->in, "host_id"),
	};

	for (size_t i = 0; i < counter.len; i++)
		request.counter = request.counter << 8 | counter.data[i];
	return request;
}

static void
scenario_3(const Vector *v)
{
	const EstablishmentProfile profile = profile_of(v);
	const EstablishmentRequest request = request_of(v);
	const bool	ota = member(v->out, "kic") != NULL;
	SmsrBytes	rc = octets_of(v->in, "rc");
	SmsrBytes	dr = octets_of(v->in, "dr");
	SmsrBytes	sin = octets_of(v->in, "sin");
	SmsrBytes	message;
	SmsrWriter	crt_octets = writer(CRT_MAX_LEN);
	SmsrWriter	signed_data = writer(400);
	SmsrWriter	data = writer(400);
	SmsrWriter	apdu = writer(400);
	SmsrBytes	parts[3];
	uint8_t		secret[CURVE_SECRET_LEN];
	uint8_t		receipt_key[CRT_MAX_KEY_LEN];
	uint8_t		receipt[ESTABLISHMENT_RECEIPT_LEN];
	uint8_t		signature[CURVE_SIGNATURE_LEN];
	Establishment e = {.curve = curve_of(v->in)};
	EstablishmentCommand command;
	EstablishedKeys keys;
	Crt			crt;
	SmsrError	error;

	ok(octet_of(v->in, "key_id") == 1 && octet_of(v->in, "key_usage_qualifier") == CRT_USAGE_CHANNEL,
	   "%s: what all of them have", v->id);
	succeeds(establishment_write_crt(&profile, &request, &crt_octets, &error), &error, "%s: CRT", v->id);
	same(v, "crt", smsr_written(&crt_octets));
	memcpy(e.crt, crt_octets.data, crt_octets.len);
	e.crt_len = crt_octets.len;
	memcpy(e.private_key, octets_of(v->in, "esk").data, CURVE_PRIVATE_LEN);
	memcpy(e.point, octets_of(v->in, "epk").data, CURVE_POINT_LEN);

	succeeds(establishment_write_signed(&profile, &e, rc, &signed_data, &error), &error, "%s: to be signed", v->id);
	same(v, "signed_data", smsr_written(&signed_data));
	message = smsr_written(&signed_data);
	succeeds(curve_verify(e.curve, octets_of(v->in, "pk_sr_ecdsa"), &message, 1, octets_of(v->out, "signature_plain"),
						  &error), &error, "%s: the vector's signature", v->id);
	succeeds(establishment_sign(&profile, &e, rc, e.curve, octets_of(v->in, "sk_sr_ecdsa"), signature, &error) &&
			 curve_verify(e.curve, octets_of(v->in, "pk_sr_ecdsa"), &message, 1,
						  smsr_bytes(signature, sizeof(signature)), &error), &error, "%s: one of ours", v->id);
	succeeds(establishment_write_command(&profile, &e, octets_of(v->out, "signature_plain"), &data, &error) &&
			 establishment_write_block(&profile, smsr_written(&data), true, 1, 0, &apdu, &error), &error,
			 "%s: STORE DATA", v->id);
	same(v, "store_data_2", smsr_written(&apdu));
	succeeds(establishment_read_command(smsr_written(&data), &command, &error) &&
			 establishment_verify_command(&command, rc, e.curve, octets_of(v->in, "pk_sr_ecdsa"), &error), &error,
			 "%s: as the card reads it", v->id);
	is_hex(command.point, text_of(v->in, "epk"), "%s: ePK as the card reads it", v->id);

	/* step by step, as the card does it */
	succeeds(crt_read(smsr_written(&crt_octets), &crt, &error), &error, "%s: read the CRT", v->id);
	succeeds(curve_agree(e.curve, octets_of(v->in, "sk_ecasd_for_card_side_check"), octets_of(v->in, "epk"), secret,
						 &error), &error, "%s: shared secret", v->id);
	same(v, "shs", smsr_bytes(secret, sizeof(secret)));
	succeeds(establishment_derive(&crt, secret, dr, sin, receipt_key, &keys, &error), &error, "%s: derive", v->id);
	same(v, "receipt_key", smsr_bytes(receipt_key, keys.len));
	same(v, "key_data", joined(smsr_bytes(receipt_key, keys.len), smsr_bytes(keys.key[0], keys.len),
							   smsr_bytes(keys.key[1], keys.len), smsr_bytes(keys.key[2], keys.len)));
	succeeds(establishment_receipt(&profile, smsr_bytes(receipt_key, keys.len), smsr_written(&crt_octets), dr, receipt,
								   &error), &error, "%s: receipt", v->id);
	same(v, "receipt", smsr_bytes(receipt, sizeof(receipt)));

	/* all of it, as the SM-SR does it */
	memset(&keys, 0, sizeof(keys));
	succeeds(establishment_conclude(&profile, &e, octets_of(v->in, "pk_ecasd"), sin, octets_of(v->out, "response_tlvs"),
									&keys, &error), &error, "%s: conclude", v->id);
	ok(keys.count == 3 && keys.kvn == request.kvn && keys.key_id == 1 && keys.counter == request.counter,
	   "%s: a set of three", v->id);
	for (int i = 0; i < 3; i++)
	{
		parts[i] = smsr_bytes(keys.key[i], keys.len);
		same(v, ota ? ota_names[i] : card_names[i], parts[i]);
	}
	kcvs(v, KEY_TYPE_AES, parts);
	message = octets_of(v->out, "response_tlvs");
	for (size_t bit = 0; bit < 8 * message.len; bit++)
	{
		if (establishment_conclude(&profile, &e, octets_of(v->in, "pk_ecasd"), sin, with_bit_turned(message, bit),
								   &keys, &error))
			ok(false, "%s: a response with bit %zu turned", v->id, bit);
	}
}

static void
store_data_verify(const Vector *v)
{
	SmsrBytes	apdu = octets_of(v->in, "apdu");
	SmsrBytes	rc = octets_of(v->in, "rc");
	SmsrBytes	signer = octets_of(v->in, "signer_pk");
	const Curve curve = curve_of(v->in);
	SmsrBytes	data = smsr_bytes(apdu.data + 5, apdu.len - 5);
	EstablishmentCommand command;
	SmsrWriter	crt = writer(CRT_MAX_LEN);
	SmsrError	error;
	int			taken = 0;

	ok(apdu.data[4] == data.len, "%s: Lc", v->id);
	succeeds(establishment_read_command(data, &command, &error), &error, "%s: read", v->id);
	succeeds(establishment_verify_command(&command, rc, curve, signer, &error), &error, "%s: verify", v->id);
	same(v, "crt", command.crt_octets);
	same(v, "epk", command.point);
	ok(command.crt.parameter == octet_of(v->out, "scenario_param") && command.crt.kvn == octet_of(v->out, "kvn"),
	   "%s: scenario parameter and KVN", v->id);
	succeeds(crt_write(&command.crt, &crt, &error), &error, "%s: write the CRT again", v->id);
	same(v, "crt", smsr_written(&crt));

	for (size_t bit = 0; bit < 8 * data.len; bit++)
		taken += establishment_read_command(with_bit_turned(data, bit), &command, &error) &&
			establishment_verify_command(&command, rc, curve, signer, &error);
	ok(taken == 0, "%s: no bit of the command can be turned", v->id);
	establishment_read_command(data, &command, &error);
	for (size_t bit = 0; bit < 8 * rc.len; bit++)
		taken += establishment_verify_command(&command, with_bit_turned(rc, bit), curve, signer, &error);
	ok(taken == 0, "%s: nor of the challenge", v->id);
}

/* ---- what is told to the card ---- */

static void
put_key(const Vector *v)
{
	PutKey		command = {
		.old_kvn = octet_of(v->in, "old_kvn"), .kvn = octet_of(v->in, "kvn"), .key_id = octet_of(v->in, "key_id"),
		.form = member(v->in, "length_prefix")->number ? PUT_KEY_WITH_LENGTH : PUT_KEY_BARE
	};
	SmsrWriter	apdu = writer(300);
	SmsrWriter	response = writer(10);
	SmsrError	error;

	for (const Json *key = member(v->in, "keys")->child; key != NULL; key = key->next)
	{
		command.key_type[command.count] = KEY_TYPE_AES;
		command.key[command.count++] = hex(key->string);
	}
	succeeds(put_key_write(&command, KEY_TYPE_AES, octets_of(v->in, "dek"), &apdu, &error), &error, "%s", v->id);
	same(v, "apdu", smsr_written(&apdu));
	kcvs(v, KEY_TYPE_AES, command.key);

	put_u8(&response, command.kvn);
	for (const Json *kcv = member(v->out, "kcvs")->child; kcv != NULL; kcv = kcv->next)
		put_bytes(&response, hex(kcv->string).data, 3);
	succeeds(put_key_check_response(&command, smsr_written(&response), &error), &error, "%s: answer", v->id);
}

static void
put_key_psk(const Vector *v)
{
	PutKey		command = {
		.kvn = octet_of(v->in, "kvn"), .key_id = octet_of(v->in, "key_id"), .count = 2,
		.key_type = {KEY_TYPE_PSK, KEY_TYPE_AES}, .key = {octets_of(v->in, "psk"), octets_of(v->in, "scp81_dek")}
	};
	SmsrWriter	apdu = writer(300);
	SmsrError	error;

	succeeds(put_key_write(&command, KEY_TYPE_AES, octets_of(v->in, "dek"), &apdu, &error), &error, "%s", v->id);
	same(v, "apdu", smsr_written(&apdu));
}

static void
psk_identity(const Vector *v)
{
	PskIdentity identity = {.key_id = octet_of(v->in, "key_id"), .kvn = octet_of(v->in, "kvn")};
	PskIdentity read;
	SmsrWriter	w = writer(PSK_IDENTITY_LEN);
	const char *text = text_of(v->out, "identity_ascii");
	SmsrError	error;

	memcpy(identity.eid, octets_of(v->in, "eid").data, 16);
	aid_from_bytes(octets_of(v->in, "isdr_aid"), &identity.isdr, &error);
	psk_identity_write(&identity, &w);
	same(v, "identity_bytes", smsr_written(&w));
	ok(!w.overflow && w.len == strlen(text) && memcmp(w.data, text, w.len) == 0, "%s: as text", v->id);
	succeeds(psk_identity_read(smsr_written(&w), &read, &error), &error, "%s: read", v->id);
	ok(memcmp(read.eid, identity.eid, 16) == 0 && aid_compare(&read.isdr, &identity.isdr) == 0 &&
	   read.key_id == identity.key_id && read.kvn == identity.kvn, "%s: as it was", v->id);
}

static const struct
{
	const char *operation;
	void		(*run) (const Vector *v);
	int			vectors;
}			operations[] = {
	{"x963kdf_sha256", x963, 5},
	{"ecka_eg_shared_secret", ecka, 8},
	{"isdr_keyset_scenario3", scenario_3, 6},
	{"scenario3_store_data_verify", store_data_verify, 2},
	{"cmac_aes128", cmac, 5},
	{"cmac_aes192", cmac, 5},
	{"cmac_aes256", cmac, 5},
	{"kcv_aes", kcv_aes, 6},
	{"kcv_3des", kcv_3des, 2},
	{"aes_keywrap_rfc3394", wrap_kw, 6},
	{"aes_keywrap_rfc5649", wrap_kwp, 3},
	{"sp800_108_cmac_counter", counter_kdf, 5},
	{"diversify_visa2", visa2, 2},
	{"diversify_emv_cps11", emv_cps11, 2},
	{"diversify_kdf3", kdf3, 5},
	{"diversify_eid_cmac", eid_cmac, 2},
	{"gp_certificate_ecasd", ecasd, 7},
	{"gp_certificate_offcard", off_card, 2},
	{"put_key_aes", put_key, 3},
	{"put_key_psk", put_key_psk, 1},
	{"psk_identity", psk_identity, 2},
	{"ecdsa_plain_verify", ecdsa, 3},
};

#define OPERATIONS	(sizeof(operations) / sizeof(operations[0]))

TEST_SUITE(key_vectors)
{
	int			seen[OPERATIONS] = {0};
	int			all = 0;

	for (const Json *j = vectors("keys.json")->child; j != NULL; j = j->next)
	{
		const Vector v = {text_of(j, "id"), member(j, "inputs"), member(j, "expected")};
		size_t		i;

		all++;
		for (i = 0; i < OPERATIONS; i++)
		{
			if (strcmp(operations[i].operation, text_of(j, "operation")) == 0)
			{
				operations[i].run(&v);
				seen[i]++;
				break;
			}
		}
		ok(i < OPERATIONS, "%s: somebody does %s", v.id, text_of(j, "operation"));
	}
	ok(all == 87, "87 vectors");
	for (size_t i = 0; i < OPERATIONS; i++)
		ok(seen[i] == operations[i].vectors, "%s: %d", operations[i].operation, seen[i]);
}
