/*
 * es5_answer.c
 *		What an ISD-R answers to the commands of ES5.
 */
#include "es5_answer.h"

#include "es5_parts.h"

#define TAG_ISDP				0xE3
#define TAG_APPLICATIONS		0x81
#define TAG_FREE_NVM			0x82
#define TAG_FREE_RAM			0x83
#define TAG_DELETED				0x80
#define TAG_KEY_INFO_KEY		0xC0

bool
es5_next_isdp(TlvReader *r, Es5Isdp *isdp, SmsrError *error)
{
	const SmsrBytes input = smsr_bytes(r->data, r->len);
	TlvReader	content;
	SmsrTlv		template;
	SmsrTlv		tlv;
	bool		has_lcs = false;

	*isdp = (Es5Isdp) {0};
	if (tlv_at_end(r))
		return smsr_fail(error, SMSR_OK, NULL, r->pos, NULL);
	if (!es5_read_tag(r, TAG_ISDP, "ISD-P", &template, "tag E3", error))
		return false;

	content = es5_inside(input, template.value);
	while (!tlv_at_end(&content))
	{
		if (!tlv_read(&content, "object of ISD-P", &tlv, error))
			return false;
		switch (tlv.tag)
		{
			case TAG_AID:
				if (!es5_read_aid(tlv, &isdp->aid, error))
					return false;
				break;
			case TAG_LCS:
				if (tlv.value.len != 1)
					return smsr_fail(error, SMSR_BAD_LENGTH, "life cycle state",
									 tlv.offset, "one octet");
				isdp->lcs = tlv.value.data[0];
				has_lcs = true;
				break;
			case TAG_FALLBACK:
				if (tlv.value.len != 1)
					return smsr_fail(error, SMSR_BAD_LENGTH, "fall-back attribute",
									 tlv.offset, "one octet");
				isdp->fallback = (tlv.value.data[0] & 0x01) != 0;
				break;
			case TAG_ALLOCATED:
				if (!es5_read_number(tlv, "allocated memory", &isdp->allocated, error))
					return false;
				isdp->has_allocated = true;
				break;
			case TAG_REMAINING:
				if (!es5_read_number(tlv, "remaining memory", &isdp->remaining, error))
					return false;
				isdp->has_remaining = true;
				break;
			default:
				break;
		}
	}
	if (isdp->aid.len == 0)
		return smsr_fail(error, SMSR_TRUNCATED, "ISD-P", template.offset, "an AID, tag 4F");
	if (!has_lcs)
		return smsr_fail(error, SMSR_TRUNCATED, "ISD-P", template.offset,
						 "a life cycle state, tag 9F70");
	return true;
}

void
es5_write_isdp(SmsrWriter *w, const Es5Isdp *isdp)
{
	put_tlv_header(w, TAG_ISDP, es5_aid_len(&isdp->aid) + 4 + 3 +
				   (isdp->has_allocated ? 6 : 0) + (isdp->has_remaining ? 6 : 0));
	es5_put_aid(w, &isdp->aid);
	put_tlv(w, TAG_LCS, &isdp->lcs, 1);
	put_tlv_header(w, TAG_FALLBACK, 1);
	put_u8(w, isdp->fallback ? 0x01 : 0x00);
	if (isdp->has_allocated)
	{
		put_tlv_header(w, TAG_ALLOCATED, 4);
		put_u32(w, isdp->allocated);
	}
	if (isdp->has_remaining)
	{
		put_tlv_header(w, TAG_REMAINING, 4);
		put_u32(w, isdp->remaining);
	}
}

bool
es5_read_resources(SmsrBytes data, Es5Resources *resources, SmsrError *error)
{
	TlvReader	r = tlv_reader(data);
	TlvReader	content;
	SmsrTlv		template;
	SmsrTlv		tlv;
	bool		has_applications = false;
	bool		has_nvm = false;
	bool		has_ram = false;

	*resources = (Es5Resources) {0};
	if (!es5_read_tag(&r, TAG_RESOURCES, "card resources", &template, "tag FF21", error) ||
		!es5_at_end(&r, "card resources", error))
		return false;

	content = es5_inside(data, template.value);
	while (!tlv_at_end(&content))
	{
		if (!tlv_read(&content, "object of card resources", &tlv, error))
			return false;
		switch (tlv.tag)
		{
			case TAG_APPLICATIONS:
				if (!es5_read_number(tlv, "number of applications",
								 &resources->applications, error))
					return false;
				has_applications = true;
				break;
			case TAG_FREE_NVM:
				if (!es5_read_number(tlv, "free memory", &resources->free_nvm, error))
					return false;
				has_nvm = true;
				break;
			case TAG_FREE_RAM:
				if (!es5_read_number(tlv, "free RAM", &resources->free_ram, error))
					return false;
				has_ram = true;
				break;
			default:
				break;
		}
	}
	if (!has_applications || !has_nvm || !has_ram)
		return smsr_fail(error, SMSR_TRUNCATED, "card resources", template.offset,
						 "tags 81, 82 and 83");
	return true;
}

void
es5_write_resources(SmsrWriter *w, const Es5Resources *resources)
{
	put_tlv_header(w, TAG_RESOURCES, 3 * 6);
	put_tlv_header(w, TAG_APPLICATIONS, 4);
	put_u32(w, resources->applications);
	put_tlv_header(w, TAG_FREE_NVM, 4);
	put_u32(w, resources->free_nvm);
	put_tlv_header(w, TAG_FREE_RAM, 4);
	put_u32(w, resources->free_ram);
}

bool
es5_key_info_reader(SmsrBytes data, TlvReader *r, SmsrError *error)
{
	SmsrTlv		template;

	*r = tlv_reader(data);
	if (!es5_read_tag(r, TAG_KEY_INFO, "key information", &template, "tag E0", error) ||
		!es5_at_end(r, "key information", error))
		return false;
	*r = es5_inside(data, template.value);
	return true;
}

/*
 * Identifier, version, and type and length of each component.  A type of FF
 * begins the longer form: two octets of type or length each.
 */
bool
es5_next_key_info(TlvReader *r, Es5KeyInfo *key, SmsrError *error)
{
	SmsrTlv		tlv;
	const uint8_t *v;

	*key = (Es5KeyInfo) {0};
	if (tlv_at_end(r))
		return smsr_fail(error, SMSR_OK, NULL, r->pos, NULL);
	if (!es5_read_tag(r, TAG_KEY_INFO_KEY, "key", &tlv, "tag C0", error))
		return false;
	v = tlv.value.data;
	if (tlv.value.len < 4 || (v[2] == 0xFF && tlv.value.len < 6))
		return smsr_fail(error, SMSR_TRUNCATED, "key", tlv.offset, "identifier, version, type and length");
	key->id = v[0];
	key->kvn = v[1];
	if (v[2] != 0xFF)
	{
		key->type = v[2];
		key->length = v[3];
	}
	else
	{
		key->type = v[3];
		key->length = v[4] == 0 ? v[5] : 0;
	}
	return true;
}

void
es5_write_key_info(SmsrWriter *w, const Es5KeyInfo *keys, size_t count)
{
	put_tlv_header(w, TAG_KEY_INFO, 6 * count);
	for (size_t i = 0; i < count; i++)
	{
		const uint8_t value[] = {keys[i].id, keys[i].kvn, keys[i].type, keys[i].length};

		put_tlv(w, TAG_KEY_INFO_KEY, value, sizeof(value));
	}
}

bool
es5_deleted_reader(SmsrBytes data, TlvReader *r, SmsrError *error)
{
	SmsrTlv		list;

	*r = tlv_reader(data);
	if (data.len == 0)
		return true;
	if (!es5_read_tag(r, TAG_DELETED, "deleted profiles", &list, "tag 80", error) ||
		!es5_at_end(r, "deleted profiles", error))
		return false;
	*r = es5_inside(data, list.value);
	return true;
}

bool
es5_next_deleted(TlvReader *r, SmsrAid *aid, SmsrError *error)
{
	SmsrTlv		tlv;

	if (tlv_at_end(r))
		return smsr_fail(error, SMSR_OK, NULL, r->pos, NULL);
	return es5_read_tag(r, TAG_AID, "AID", &tlv, "tag 4F", error) &&
		es5_read_aid(tlv, aid, error);
}
