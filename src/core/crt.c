/*
 * crt.c
 *		The control reference template A6 of a key establishment.
 */
#include "crt.h"

#include "sealing.h"

#define TAG_CRT			0xA6
#define TAG_SCENARIO	0x90
#define TAG_USAGE		0x95
#define TAG_ACCESS		0x96
#define TAG_KEY_TYPE	0x80
#define TAG_KEY_LENGTH	0x81
#define TAG_KEY_ID		0x82
#define TAG_KVN			0x83
#define TAG_COUNTER		0x91
#define TAG_SDIN		0x45
#define TAG_HOST_ID		0x84

#define SCENARIO_3		0x03

#define KNOWN_PARAMETERS	(CRT_DELETE_KEYS | CRT_WITH_DR | CRT_WITH_IDS | CRT_CERTIFICATE)

size_t
crt_key_count(const Crt *crt)
{
	return crt->key_type == KEY_TYPE_AES && crt->usage == CRT_USAGE_CHANNEL ? CRT_MAX_KEYS : 1;
}

static bool
check_kvn(const Crt *crt, SmsrError *error)
{
	if (crt->key_type == KEY_TYPE_PSK)
	{
		if (crt->kvn < 0x40 || crt->kvn > 0x4F)
			return smsr_fail(error, SMSR_BAD_VALUE, "key version number", 0, "40 to 4F for SCP81");
	}
	else if ((crt->kvn < 0x01 || crt->kvn > 0x0F) && (crt->kvn < 0x30 || crt->kvn > 0x3F))
		return smsr_fail(error, SMSR_BAD_VALUE, "key version number", 0, "01 to 0F for SCP80, 30 to 3F for SCP03");
	else if (crt->kvn <= 0x0F && crt->usage != CRT_USAGE_CHANNEL)
		return smsr_fail(error, SMSR_BAD_VALUE, "key usage", 0, "10 (three keys) for SCP80");
	return true;
}

static bool
check_id(SmsrBytes id, bool wanted, const char *field, SmsrError *error)
{
	if (wanted && (id.len < 1 || id.len > CRT_MAX_ID_LEN))
		return smsr_fail(error, SMSR_BAD_LENGTH, field, 0, "1 to 16 octets");
	if (!wanted && id.len > 0)
		return smsr_fail(error, SMSR_BAD_VALUE, field, 0, "none if the scenario parameter does not say so");
	return true;
}

/* What holds however it came here. */
static bool
check(const Crt *crt, SmsrError *error)
{
	const bool	ids = (crt->parameter & CRT_WITH_IDS) != 0;

	if ((crt->parameter & ~KNOWN_PARAMETERS) != 0)
		return smsr_fail(error, SMSR_UNSUPPORTED, "scenario parameter", 0, "bits 1 to 4 only");
	if ((crt->parameter & CRT_CERTIFICATE) == 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "scenario parameter", 0, "bit 4: a certificate goes before");
	if (crt->usage != CRT_USAGE_CHANNEL && crt->usage != CRT_USAGE_BASE)
		return smsr_fail(error, SMSR_UNSUPPORTED, "key usage", 0, "10 (three keys) or 5C (one)");
	if (crt->key_type != KEY_TYPE_AES && crt->key_type != KEY_TYPE_PSK)
		return smsr_fail(error, SMSR_UNSUPPORTED, "key type", 0, "88 (AES) or 85 (PSK of TLS)");
	if (crt->key_len != 16 && crt->key_len != 24 && crt->key_len != 32)
		return smsr_fail(error, SMSR_BAD_VALUE, "key length", 0, "16, 24 or 32");
	if (crt->key_id < 1 || crt->key_id > 0x80 - CRT_MAX_KEYS)
		return smsr_fail(error, SMSR_BAD_VALUE, "key identifier", 0, "01 to 7D");
	if (crt->counter_len != 0 && crt->counter_len != 2 && crt->counter_len != 3 &&
		crt->counter_len != 5 && crt->counter_len != 8)
		return smsr_fail(error, SMSR_BAD_LENGTH, "sequence counter", 0, "0, 2, 3, 5 or 8 octets");
	if (crt->counter_len < 8 && crt->counter >> (8 * crt->counter_len) != 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "sequence counter", 0, "a number that its octets can say");
	return check_kvn(crt, error) &&
		check_id(crt->sdin, ids, "SDIN", error) &&
		check_id(crt->host_id, ids, "HostID", error);
}

static void
put_octet_object(SmsrWriter *w, uint32_t tag, uint8_t value)
{
	put_tlv(w, tag, &value, 1);
}

bool
crt_write(const Crt *crt, SmsrWriter *w, SmsrError *error)
{
	uint8_t		content[CRT_MAX_LEN];
	SmsrWriter	c = smsr_writer(content, sizeof(content));

	if (!check(crt, error))
		return false;
	put_tlv_header(&c, TAG_SCENARIO, 2);
	put_u8(&c, SCENARIO_3);
	put_u8(&c, crt->parameter);
	put_octet_object(&c, TAG_USAGE, crt->usage);
	if (crt->has_access)
		put_octet_object(&c, TAG_ACCESS, crt->access);
	put_octet_object(&c, TAG_KEY_TYPE, crt->key_type);
	put_octet_object(&c, TAG_KEY_LENGTH, crt->key_len);
	put_octet_object(&c, TAG_KEY_ID, crt->key_id);
	put_octet_object(&c, TAG_KVN, crt->kvn);
	put_tlv_header(&c, TAG_COUNTER, crt->counter_len);
	for (size_t i = crt->counter_len; i > 0; i--)
		put_u8(&c, (uint8_t) (crt->counter >> (8 * (i - 1))));
	if ((crt->parameter & CRT_WITH_IDS) != 0)
	{
		put_tlv(&c, TAG_SDIN, crt->sdin.data, crt->sdin.len);
		put_tlv(&c, TAG_HOST_ID, crt->host_id.data, crt->host_id.len);
	}
	if (c.overflow || w->overflow || 2 + c.len > w->cap - w->len)
		return smsr_fail(error, SMSR_TOO_LONG, "CRT", 0, "room for it");
	put_tlv(w, TAG_CRT, content, c.len);
	return true;
}

/* The next object, which must have this tag. */
static bool
read_object(TlvReader *r, uint32_t tag, const char *field, const char *expected, SmsrTlv *tlv, SmsrError *error)
{
	if (!tlv_read_minimal(r, field, tlv, error))
		return false;
	if (tlv->tag != tag)
		return smsr_fail(error, SMSR_BAD_VALUE, field, tlv->offset, expected);
	return true;
}

static bool
read_octet(TlvReader *r, uint32_t tag, const char *field, const char *expected, uint8_t *value,
		   SmsrError *error)
{
	SmsrTlv		tlv;

	if (!read_object(r, tag, field, expected, &tlv, error))
		return false;
	if (tlv.value.len != 1)
		return smsr_fail(error, SMSR_BAD_LENGTH, field, tlv.offset, "one octet");
	*value = tlv.value.data[0];
	return true;
}

bool
crt_read(SmsrBytes octets, Crt *crt, SmsrError *error)
{
	TlvReader	r = tlv_reader(octets);
	SmsrTlv		tlv;

	*crt = (Crt) {0};
	if (!read_object(&r, TAG_CRT, "CRT", "tag A6", &tlv, error))
		return false;
	if (!tlv_at_end(&r))
		return smsr_fail(error, SMSR_BAD_LENGTH, "CRT", r.pos, "nothing more");
	r = tlv_inside(&r, tlv.value);

	if (!read_object(&r, TAG_SCENARIO, "scenario", "tag 90", &tlv, error))
		return false;
	if (tlv.value.len != 2 || tlv.value.data[0] != SCENARIO_3)
		return smsr_fail(error, SMSR_UNSUPPORTED, "scenario", tlv.offset, "scenario 3 and its parameter");
	crt->parameter = tlv.value.data[1];

	if (!read_octet(&r, TAG_USAGE, "key usage", "tag 95", &crt->usage, error))
		return false;
	crt->has_access = r.pos < r.len && r.data[r.pos] == TAG_ACCESS;
	if ((crt->has_access && !read_octet(&r, TAG_ACCESS, "key access", "tag 96", &crt->access, error)) ||
		!read_octet(&r, TAG_KEY_TYPE, "key type", "tag 80", &crt->key_type, error) ||
		!read_octet(&r, TAG_KEY_LENGTH, "key length", "tag 81", &crt->key_len, error) ||
		!read_octet(&r, TAG_KEY_ID, "key identifier", "tag 82", &crt->key_id, error) ||
		!read_octet(&r, TAG_KVN, "key version number", "tag 83", &crt->kvn, error) ||
		!read_object(&r, TAG_COUNTER, "sequence counter", "tag 91", &tlv, error))
		return false;
	if (tlv.value.len > 8)
		return smsr_fail(error, SMSR_BAD_LENGTH, "sequence counter", tlv.offset, "0, 2, 3, 5 or 8 octets");
	crt->counter_len = (uint8_t) tlv.value.len;
	for (size_t i = 0; i < tlv.value.len; i++)
		crt->counter = crt->counter << 8 | tlv.value.data[i];

	if ((crt->parameter & CRT_WITH_IDS) != 0)
	{
		if (!read_object(&r, TAG_SDIN, "SDIN", "tag 45", &tlv, error))
			return false;
		crt->sdin = tlv.value;
		if (!read_object(&r, TAG_HOST_ID, "HostID", "tag 84", &tlv, error))
			return false;
		crt->host_id = tlv.value;
	}
	if (!tlv_at_end(&r))
		return smsr_fail(error, SMSR_BAD_LENGTH, "CRT", r.pos, "nothing more");
	return check(crt, error);
}
