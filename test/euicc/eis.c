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

#include "core/sealing.h"
#include "core/tlv.h"
#include "establish.h"
#include "signer.h"

#define ECASD_KVN	116			/* 74h: CASD */

#define GSMA_NAMESPACE	"http://namespaces.gsma.org/esim-messaging/3"
#define DSIG_NAMESPACE	"http://www.w3.org/2000/09/xmldsig#"
#define EXCLUSIVE		"http://www.w3.org/2001/10/xml-exc-c14n#"

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
put_key(Document *d, const EisOptions *options, int index, uint8_t type, const uint8_t key[KEY_LEN])
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
	if (type != KEY_TYPE_PSK)	/* which has none */
		text_hex(d->out, block, 3);
	text_put(d->out, "\">");
	d->depth++;
	leaf_number(d, "Index", (uint64_t) index);
	if (options->without_keys)
	{
		close_element(d, "Key");
		return;
	}
	line(d);
	text_printf(d->out, "<KeyComponent type=\"%02X\" value=\"", type);
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

/* CERT.ECASD.ECKA (SGP.02 clause 2.3.2.2), signed by the EUM */
static size_t
make_certificate(const FleetConfig *config, uint64_t serial, const uint8_t eid[EID_LEN],
				 uint8_t *certificate, size_t cap)
{
	static const uint8_t head[] = {
		0x93, 1, 1,				/* serial number */
		0x42, 9, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8D, 0x1F, 0x01,	/* OID_EUM_OCTETS */
	};
	static const uint8_t middle[] = {
		0x95, 2, 0x00, 0x80,	/* key agreement */
		0x5F, 0x25, 4, 0x20, 0x24, 0x01, 0x01,
		0x5F, 0x24, 4, 0x99, 0x99, 0x12, 0x31,
		0x73, 6 + 2 + SIGNER_KEY_ID_LEN, 0xC0, 1, 1, 0xC1, 1, 1, 0xC9, SIGNER_KEY_ID_LEN,
	};
	uint8_t		body[512];
	uint8_t		private_key[CURVE_PRIVATE_LEN];
	uint8_t		point[CURVE_POINT_LEN];
	uint8_t		signature[CURVE_SIGNATURE_LEN];
	SmsrWriter	w = smsr_writer(body, sizeof body);
	SmsrWriter	out = smsr_writer(certificate, cap);
	SmsrBytes	signed_part;

	identity_ecasd_key(config->seed, serial, private_key, point);
	put_bytes(&w, head, sizeof head);
	put_tlv(&w, 0x5F20, eid, EID_LEN);
	put_bytes(&w, middle, sizeof middle);
	put_bytes(&w, signer_key_id(), SIGNER_KEY_ID_LEN);
	put_tlv_header(&w, 0x7F49, 2 + sizeof point + 3);
	put_tlv(&w, 0xB0, point, sizeof point);
	put_tlv(&w, 0xF0, "", 1);	/* P-256 */
	signed_part = smsr_written(&w);
	signer_sign(&signed_part, 1, signature);
	put_tlv(&w, 0x5F37, signature, sizeof signature);
	put_tlv(&out, 0x7F21, w.data, w.len);
	if (w.overflow || out.overflow)
		abort();
	return out.len;
}

static void
put_certificate(Document *d, const FleetConfig *config, uint64_t serial, const uint8_t eid[EID_LEN])
{
	uint8_t		certificate[600];
	size_t		len = make_certificate(config, serial, eid, certificate, sizeof certificate);

	open_element(d, "Certificate");
	leaf_number(d, "Index", 1);
	leaf(d, "CaId", OID_EUM_OCTETS);
	line(d);
	text_put(d->out, "<Value>");
	text_hex(d->out, certificate, len);
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
	leaf(d, "HttpSupport", config->https ? "true" : "false");
	leaf(d, "SecurePacketVersion", "12.0.0");
	leaf(d, "RemoteProvisioningVersion", "3.1.0");
	close_element(d, "EuiccCapabilities");
	close_element(d, "EumSignedInfo");
}

/*
 * What an element is in exclusive canonical form if it holds neither attributes
 * nor comments nor empty elements: itself, with the namespace that it inherits.
 */
static void
canonical(const Document *d, size_t start, const char *name, const char *declaration, SmsrBytes pieces[3])
{
	size_t		skip = strlen(name) + 1;	/* with its < */

	pieces[0] = smsr_bytes(d->out->data + start, skip);
	pieces[1] = smsr_bytes(declaration, strlen(declaration));
	pieces[2] = smsr_bytes(d->out->data + start + skip, d->out->len - start - skip);
}

/* Where the element that was written last begins */
static size_t
find_start(const Document *d, const char *tag, size_t after)
{
	const char *found = strstr(d->out->data + after, tag);

	if (found == NULL)
		abort();
	return (size_t) (found - d->out->data);
}

static void
put_base64(Document *d, const char *name, const uint8_t *octets, size_t len)
{
	char		text[128];

	EVP_EncodeBlock((unsigned char *) text, octets, (int) len);
	leaf(d, name, text);
}

static void
put_algorithm(Document *d, const char *name, const char *algorithm)
{
	line(d);
	text_printf(d->out, "<%s Algorithm=\"%s\"></%s>", name, algorithm, name);
}

/* SignedInfo in canonical form as it stands, but for the namespace */
static void
put_signed(Document *d, const SmsrBytes part[3])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t		digest[EVP_MAX_MD_SIZE];
	unsigned	len;

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		abort();
	for (int i = 0; i < 3; i++)
	{
		if (EVP_DigestUpdate(ctx, part[i].data, part[i].len) != 1)
			abort();
	}
	if (EVP_DigestFinal_ex(ctx, digest, &len) != 1)
		abort();
	EVP_MD_CTX_free(ctx);

	open_element(d, "ds:SignedInfo");
	put_algorithm(d, "ds:CanonicalizationMethod", EXCLUSIVE);
	put_algorithm(d, "ds:SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256");
	open_element(d, "ds:Reference");
	open_element(d, "ds:Transforms");
	put_algorithm(d, "ds:Transform", EXCLUSIVE);
	close_element(d, "ds:Transforms");
	put_algorithm(d, "ds:DigestMethod", "http://www.w3.org/2001/04/xmlenc#sha256");
	put_base64(d, "ds:DigestValue", digest, len);
	close_element(d, "ds:Reference");
	close_element(d, "ds:SignedInfo");
}

/* Detached, over EumSignedInfo, which begins behind "from" and was written last */
static void
put_signature(Document *d, size_t from)
{
	size_t		start = d->out->len;
	uint8_t		signature[CURVE_SIGNATURE_LEN];
	SmsrBytes	pieces[3];

	/* what the pieces point to stays where it is while the signature is written */
	text_reserve(d->out, 8192);
	canonical(d, find_start(d, "<EumSignedInfo>", from), "EumSignedInfo", " xmlns=\"" GSMA_NAMESPACE "\"", pieces);
	open_element(d, "EumSignature xmlns:ds=\"" DSIG_NAMESPACE "\"");
	put_signed(d, pieces);
	canonical(d, find_start(d, "<ds:SignedInfo>", start), "ds:SignedInfo", " xmlns:ds=\"" DSIG_NAMESPACE "\"", pieces);
	signer_sign(pieces, 3, signature);
	put_base64(d, "ds:SignatureValue", signature, sizeof signature);
	open_element(d, "ds:KeyInfo");
	open_element(d, "ds:X509Data");
	leaf(d, "ds:X509Certificate", signer_certificate());
	close_element(d, "ds:X509Data");
	close_element(d, "ds:KeyInfo");
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
put_psk(Document *d, const FleetConfig *config, const EisOptions *options, uint64_t serial)
{
	uint8_t		key[KEY_LEN];

	identity_psk(config->seed, serial, key);
	open_element(d, "Keyset");
	leaf_number(d, "Version", FIRST_PSK_KVN);
	leaf(d, "Type", "SCP81");
	put_key(d, options, 1, KEY_TYPE_PSK, key);
	close_element(d, "Keyset");
}

static void
put_isd_r(Document *d, const FleetConfig *config, const EisOptions *options, uint64_t serial)
{
	uint8_t		keys[KEYS][KEY_LEN];

	fleet_card_keys(config, serial, keys);
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
		put_key(d, options, i + 1, KEY_TYPE_AES, keys[i]);
	close_element(d, "Keyset");
	if (config->https)
		put_psk(d, config, options, serial);
	close_element(d, "Isd-r");
}

void
eis_write(Text *out, const FleetConfig *config, const EisOptions *options, uint64_t serial)
{
	Document	d = {out, options->format == EIS_SINGLE, 0};
	size_t		start = out->len;
	uint8_t		eid[EID_LEN];

	identity_eid(config->seed, serial, eid);
	text_put(out, "<?xml version=\"1.0\"?>");
	open_element(&d, "Eis xmlns=\"" GSMA_NAMESPACE "\"");
	put_signed_info(&d, config, serial, eid);
	put_signature(&d, start);
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
