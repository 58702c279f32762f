/*
 * eis.c
 *		EIS documents of namespace esim-messaging/3 (SGP.02 Annex E).
 *
 * Key wrapping and check values are OpenSSL's own here, not core's: what reads
 * these documents is core's.
 */
#include "eis.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#define ECASD_KVN	116			/* 74h: CASD */

/* One document: elements, each on a line of its own if it is to be indented. */
typedef struct Document
{
	Text	   *out;
	bool		indent;
	int			depth;
} Document;

static void
line(Document *d)
{
	if (!d->indent)
		return;
	text_put(d->out, "\n");
	for (int i = 0; i < d->depth; i++)
		text_put(d->out, "  ");
}

/* name may carry attributes; close_element() wants it without. */
static void
open_element(Document *d, const char *name)
{
	line(d);
	text_printf(d->out, "<%s>", name);
	d->depth++;
}

static void
close_element(Document *d, const char *name)
{
	d->depth--;
	line(d);
	text_printf(d->out, "</%s>", name);
}

static void
leaf(Document *d, const char *name, const char *value)
{
	line(d);
	text_printf(d->out, "<%s>%s</%s>", name, value, name);
}

static void
leaf_number(Document *d, const char *name, uint64_t value)
{
	line(d);
	text_printf(d->out, "<%s>%" PRIu64 "</%s>", name, value, name);
}

static void
leaf_aid(Document *d, const char *name, const SmsrAid *aid)
{
	char		text[2 * AID_MAX_LEN + 1];

	aid_format(aid, text);
	leaf(d, name, text);
}

static void
crypt_with(const EVP_CIPHER *cipher, const uint8_t *key, const uint8_t *in, int in_len,
		   uint8_t *out, int *out_len)
{
	static EVP_CIPHER_CTX *ctx;
	int			n = 0;

	if (ctx == NULL)
		ctx = EVP_CIPHER_CTX_new();
	if (ctx == NULL || EVP_CIPHER_CTX_reset(ctx) != 1)
		abort();
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_EncryptInit_ex(ctx, cipher, NULL, key, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
		EVP_EncryptUpdate(ctx, out, out_len, in, in_len) != 1 ||
		EVP_EncryptFinal_ex(ctx, out + *out_len, &n) != 1)
		abort();
	*out_len += n;
}

static void
put_key(Document *d, const EisOptions *options, int index, const uint8_t key[KEY_LEN])
{
	uint8_t		ones[16];
	uint8_t		block[32];
	uint8_t		wrapped[64];
	int			len;

	/* GlobalPlatform Amendment D: AES of sixteen octets 01 */
	memset(ones, 0x01, sizeof ones);
	crypt_with(EVP_aes_128_ecb(), key, ones, sizeof ones, block, &len);
	line(d);
	text_put(d->out, "<Key kcv=\"");
	text_hex(d->out, block, 3);
	text_put(d->out, "\">");
	d->depth++;
	leaf_number(d, "Index", (uint64_t) index);
	line(d);
	text_put(d->out, "<KeyComponent type=\"88\" value=\"");
	if (options->transport_key_len > 0)
	{
		const EVP_CIPHER *cipher = options->transport_key_len == 16 ? EVP_aes_128_wrap() :
			options->transport_key_len == 24 ? EVP_aes_192_wrap() : EVP_aes_256_wrap();

		crypt_with(cipher, options->transport_key, key, KEY_LEN, wrapped, &len);
		text_hex(d->out, wrapped, (size_t) len);
	}
	else
		text_hex(d->out, key, KEY_LEN);
	text_put(d->out, "\"/>");
	close_element(d, "Key");
}

/* Plausible in shape and size; nothing verifies it. */
static void
put_certificate(Document *d, const FleetConfig *config, uint64_t serial, const uint8_t eid[EID_LEN])
{
	Rng			rng = rng_for(config->seed, RNG_CERTIFICATE, serial, 0);
	uint8_t		key_and_signature[128];

	for (size_t i = 0; i < sizeof key_and_signature; i++)
		key_and_signature[i] = (uint8_t) rng_next(&rng);
	open_element(d, "Certificate");
	leaf_number(d, "Index", 1);
	leaf(d, "CaId", "2B0601");
	line(d);
	text_put(d->out, "<Value>7F2181BE93010142032B06015F2010");
	text_hex(d->out, eid, EID_LEN);
	text_put(d->out, "950200805F2504202401015F2404204912317303C001017F4946B04104");
	text_hex(d->out, key_and_signature, 64);
	text_put(d->out, "F001005F3740");
	text_hex(d->out, key_and_signature + 64, 64);
	text_put(d->out, "</Value>");
	close_element(d, "Certificate");
}

static void
put_ecasd(Document *d, const FleetConfig *config, uint64_t serial, const uint8_t eid[EID_LEN])
{
	open_element(d, "Ecasd");
	leaf_aid(d, "Aid", &AID_ECASD);
	leaf(d, "Tar", "000002");
	leaf(d, "Sin", "42");
	leaf(d, "Sdin", "45");
	leaf(d, "Role", "ECASD");
	open_element(d, "Keyset");
	leaf_number(d, "Version", ECASD_KVN);
	leaf(d, "Type", "CA");
	put_certificate(d, config, serial, eid);
	close_element(d, "Keyset");
	close_element(d, "Ecasd");
}

static void
put_signed_info(Document *d, const FleetConfig *config, uint64_t serial, const uint8_t eid[EID_LEN])
{
	char		digits[EID_DIGITS + 1];

	eid_format(eid, digits);
	open_element(d, "EumSignedInfo");
	leaf(d, "Eid", digits);
	leaf(d, "Eum-id", OID_EUM);
	leaf(d, "ProductionDate", "2026-01-15T08:00:00Z");
	leaf(d, "PlatformType", "smsr-fleet");
	leaf(d, "PlatformVersion", "1.0.0");
	leaf_aid(d, "Isd-p-loadfile-aid", &AID_ISD_P_LOADFILE);
	leaf_aid(d, "Isd-p-module-aid", &AID_ISD_P_MODULE);
	put_ecasd(d, config, serial, eid);
	open_element(d, "EuiccCapabilities");
	leaf(d, "CattpSupport", "false");
	leaf(d, "HttpSupport", "false");
	leaf(d, "SecurePacketVersion", "12.0.0");
	leaf(d, "RemoteProvisioningVersion", "3.1.0");
	close_element(d, "EuiccCapabilities");
	close_element(d, "EumSignedInfo");
}

/* A signature in form only: the EUM of a simulated fleet has no certificate. */
static void
put_signature(Document *d)
{
	open_element(d, "EumSignature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"");
	open_element(d, "ds:SignedInfo");
	line(d);
	text_put(d->out, "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>");
	line(d);
	text_put(d->out, "<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256\"/>");
	open_element(d, "ds:Reference");
	open_element(d, "ds:Transforms");
	line(d);
	text_put(d->out, "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>");
	close_element(d, "ds:Transforms");
	line(d);
	text_put(d->out, "<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>");
	leaf(d, "ds:DigestValue", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
	close_element(d, "ds:Reference");
	close_element(d, "ds:SignedInfo");
	leaf(d, "ds:SignatureValue",
		 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==");
	close_element(d, "EumSignature");
}

static void
put_pol2(Document *d, const EisOptions *options, unsigned profile)
{
	bool		any = false;

	for (unsigned i = 0; i < options->rule_count; i++)
		any = any || options->rules[i].profile == profile;
	if (!any)
	{
		line(d);
		text_put(d->out, "<pol2/>");
		return;
	}
	open_element(d, "pol2");
	for (unsigned i = 0; i < options->rule_count; i++)
	{
		if (options->rules[i].profile != profile)
			continue;
		open_element(d, "Rule");
		leaf(d, "Subject", "PROFILE");
		leaf(d, "Action", options->rules[i].action);
		leaf(d, "Qualification", options->rules[i].qualification);
		close_element(d, "Rule");
	}
	close_element(d, "pol2");
}

static void
put_profile(Document *d, const FleetConfig *config, const EisOptions *options,
			uint64_t serial, unsigned i)
{
	uint16_t	tar = (uint16_t) (FIRST_TAR + i);
	unsigned	owner = identity_operator(tar, config->operators);
	uint8_t		iccid[ICCID_LEN];
	char		text[64];
	SmsrAid		aid;
	SmsrError	error;

	open_element(d, "ProfileInfo");
	identity_iccid(config->seed, serial, tar, iccid);
	iccid_format(iccid, text);
	leaf(d, "Iccid", text);
	if (aid_isdp(tar, &aid, &error))
		leaf_aid(d, "Isd-p-aid", &aid);
	snprintf(text, sizeof text, OID_OPERATOR, owner + 3);
	leaf(d, "Mno-id", text);
	leaf(d, "FallbackAttribute", i == 0 ? "true" : "false");
	open_element(d, "SubscriptionAddress");
	leaf_number(d, "Msisdn", identity_msisdn(serial, tar));
	leaf_number(d, "Imsi", identity_imsi(serial, tar, owner));
	close_element(d, "SubscriptionAddress");
	leaf(d, "State", i == 0 ? "Enabled" : "Disabled");
	leaf(d, "Smdp-id", OID_SMDP);
	leaf(d, "ProfileType", "sample");
	leaf_number(d, "AllocatedMemory", PROFILE_MEMORY);
	put_pol2(d, options, i);
	close_element(d, "ProfileInfo");
}

static void
put_isd_r(Document *d, const FleetConfig *config, const EisOptions *options, uint64_t serial)
{
	uint8_t		keys[KEYS][KEY_LEN];

	identity_keys(config->seed, serial, keys);
	open_element(d, "Isd-r");
	leaf_aid(d, "Aid", &AID_ISD_R);
	leaf(d, "Tar", "000001");
	leaf(d, "Sin", "42");
	leaf(d, "Sdin", "45");
	leaf(d, "Role", "ISD-R");
	open_element(d, "Keyset");
	leaf_number(d, "Version", FLEET_KVN);
	leaf(d, "Type", "SCP80");
	leaf_number(d, "Cntr", config->cntr);
	for (int i = 0; i < KEYS; i++)
		put_key(d, options, i + 1, keys[i]);
	close_element(d, "Keyset");
	close_element(d, "Isd-r");
}

void
eis_write(Text *out, const FleetConfig *config, const EisOptions *options, uint64_t serial)
{
	Document	d = {out, options->format == EIS_SINGLE, 0};
	uint8_t		eid[EID_LEN];

	identity_eid(config->seed, serial, eid);
	text_put(out, "<?xml version=\"1.0\"?>");
	open_element(&d, "Eis xmlns=\"http://namespaces.gsma.org/esim-messaging/3\"");
	put_signed_info(&d, config, serial, eid);
	put_signature(&d);
	leaf_number(&d, "RemainingMemory", CARD_MEMORY - config->profiles * PROFILE_MEMORY);
	leaf_number(&d, "AvailableMemoryForProfiles", CARD_MEMORY);
	leaf(&d, "Smsr-id", OID_SMSR);
	for (unsigned i = 0; i < config->profiles; i++)
		put_profile(&d, config, options, serial, i);
	put_isd_r(&d, config, options, serial);
	close_element(&d, "Eis");
	text_put(out, "\n");
}

/* In COPY's text format a backslash begins an escape; there are no tabs. */
static void
write_copy(FILE *out, const Text *text)
{
	for (size_t i = 0; i < text->len; i++)
	{
		if (text->data[i] == '\\')
			putc('\\', out);
		putc(text->data[i], out);
	}
}

bool
eis_write_all(FILE *out, const FleetConfig *config, const EisOptions *options)
{
	Text		text = {0};

	for (uint32_t i = 0; i < config->cards && !ferror(out); i++)
	{
		text.len = 0;
		eis_write(&text, config, options, config->first + i);
		if (options->format == EIS_COPY && memchr(text.data, '\\', text.len) != NULL)
			write_copy(out, &text);
		else
			fwrite(text.data, 1, text.len, out);
	}
	text_free(&text);
	return fflush(out) == 0 && !ferror(out);
}
