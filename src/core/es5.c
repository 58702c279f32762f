/*
 * es5.c
 *		The commands of ES5, SM-SR to ISD-R (SGP.02 clause 4.1.1), as C-APDUs.
 */
#include "es5.h"

#include "es5_parts.h"

#define CLA				0x80
#define INS_DELETE		0xE4
#define INS_GET_DATA	0xCA
#define INS_GET_STATUS	0xF2
#define INS_INSTALL		0xE6
#define INS_PUT_KEY		0xD8
#define INS_STORE_DATA	0xE2

/* GlobalPlatform Card Specification: for install and make selectable */
#define INSTALL_P1		0x0C
/* last block, DGI format; with b1 a response is expected */
#define STORE_LAST_DGI	0x88
#define STORE_RESPONSE	0x01
/* delete the object and what relates to it */
#define DELETE_P2		0x40
/* data of a short C-APDU */
#define MAX_LC			255
/* applications and security domains, in TLV */
#define STATUS_P1		0x40
#define STATUS_P2		0x02

#define TAG_TAG_LIST			0x5C
#define TAG_DELETE_TOKEN		0x9E
#define TAG_KEY_RANGE			0xF2
/* the control reference template of a token, and what is in it */
#define TAG_TOKEN_REFERENCE		0xB6
#define TAG_PROVIDER			0x42
#define TAG_IMAGE				0x45
#define TAG_APPLICATION_PROVIDER	0x5F20
#define TAG_TOKEN_ID			0x93
#define TAG_SEQUENCE			0x4E
#define TAG_SMS_ADDRESSING		0xA3
#define TAG_ADDRESS				0x81
#define TAG_SYSTEM_PARAMETERS	0xEF
#define TAG_GRANTED_MEMORY		0x83

/* Privileges of an ISD-P: security domain, trusted path, authorised management */
static const uint8_t isdp_privileges[] = {0x80, 0xC0, 0x00};

/* Its parameters: SCP03 with option i = 70 */
static const uint8_t isdp_scp03[] = {0xC9, 0x04, 0x81, 0x02, 0x03, 0x70};

bool
sw_is_success(uint16_t sw)
{
	return sw == SW_OK || sw >> 8 == 0x61 || sw >> 8 == 0x9F;
}

static void
put_header(SmsrWriter *w, uint8_t ins, uint8_t p1, uint8_t p2)
{
	put_u8(w, CLA);
	put_u8(w, ins);
	put_u8(w, p1);
	put_u8(w, p2);
}

static void
put_lv(SmsrWriter *w, const void *data, size_t len)
{
	put_u8(w, (uint8_t) len);
	put_bytes(w, data, len);
}

void
es5_write_create_isdp(SmsrWriter *w, const SmsrAid *loadfile, const SmsrAid *module,
					  const SmsrAid *isdp, uint32_t memory)
{
	/* GlobalPlatform Card Specification: above 32767 it takes four octets */
	const size_t memory_len = memory == 0 ? 0 : memory <= 0x7FFF ? 2 : 4;
	const size_t parameters_len = sizeof(isdp_scp03) +
		(memory_len == 0 ? 0 : 4 + memory_len);

	put_header(w, INS_INSTALL, INSTALL_P1, 0x00);
	put_u8(w, (uint8_t) (3 + loadfile->len + module->len + isdp->len +
						 1 + sizeof(isdp_privileges) + 1 + parameters_len + 1));
	put_lv(w, loadfile->octets, loadfile->len);
	put_lv(w, module->octets, module->len);
	put_lv(w, isdp->octets, isdp->len);
	put_lv(w, isdp_privileges, sizeof(isdp_privileges));
	put_u8(w, (uint8_t) parameters_len);
	put_bytes(w, isdp_scp03, sizeof(isdp_scp03));
	if (memory_len > 0)
	{
		put_tlv_header(w, TAG_SYSTEM_PARAMETERS, 2 + memory_len);
		put_tlv_header(w, TAG_GRANTED_MEMORY, memory_len);
		if (memory_len == 2)
			put_u16(w, (uint16_t) memory);
		else
			put_u32(w, memory);
	}
	put_u8(w, 0x00);			/* no install token */
	put_u8(w, 0x00);			/* Le */
}

/* A DGI with nothing but an AID in it; such commands have no answer data. */
static void
store_aid(SmsrWriter *w, uint16_t dgi, const SmsrAid *isdp)
{
	put_header(w, INS_STORE_DATA, STORE_LAST_DGI, 0x00);
	put_u8(w, (uint8_t) (3 + es5_aid_len(isdp)));
	put_dgi_header(w, dgi, es5_aid_len(isdp));
	es5_put_aid(w, isdp);
}

void
es5_write_enable(SmsrWriter *w, const SmsrAid *isdp)
{
	store_aid(w, ES5_DGI_ENABLE, isdp);
}

void
es5_write_disable(SmsrWriter *w, const SmsrAid *isdp)
{
	store_aid(w, ES5_DGI_DISABLE, isdp);
}

void
es5_write_set_fallback(SmsrWriter *w, const SmsrAid *isdp)
{
	store_aid(w, ES5_DGI_FALLBACK, isdp);
}

void
es5_write_set_emergency(SmsrWriter *w, const SmsrAid *isdp)
{
	store_aid(w, ES5_DGI_EMERGENCY, isdp);
}

void
es5_write_unset_emergency(SmsrWriter *w, const SmsrAid *isdp)
{
	store_aid(w, ES5_DGI_NO_EMERGENCY, isdp);
}

void
es5_write_delete(SmsrWriter *w, const SmsrAid *isdp)
{
	put_header(w, INS_DELETE, 0x00, DELETE_P2);
	put_u8(w, (uint8_t) es5_aid_len(isdp));
	es5_put_aid(w, isdp);
	put_u8(w, 0x00);
}

static size_t
tlv_len(uint32_t tag, SmsrBytes value)
{
	return (tag > 0xFF ? 2 : 1) + ber_length_size(value.len) + value.len;
}

void
es5_write_master_delete(SmsrWriter *w, const SmsrAid *isdp, const Es5DeleteToken *token)
{
	const size_t reference = tlv_len(TAG_PROVIDER, token->provider) +
		tlv_len(TAG_IMAGE, token->image) +
		tlv_len(TAG_APPLICATION_PROVIDER, token->application_provider) +
		tlv_len(TAG_TOKEN_ID, token->id);
	const size_t lc = es5_aid_len(isdp) + 1 + ber_length_size(reference) + reference +
		tlv_len(TAG_DELETE_TOKEN, token->token);

	if (lc > MAX_LC)
	{
		w->overflow = true;
		return;
	}
	put_header(w, INS_DELETE, 0x00, DELETE_P2);
	put_u8(w, (uint8_t) lc);
	es5_put_aid(w, isdp);
	put_tlv_header(w, TAG_TOKEN_REFERENCE, reference);
	put_tlv(w, TAG_PROVIDER, token->provider.data, token->provider.len);
	put_tlv(w, TAG_IMAGE, token->image.data, token->image.len);
	put_tlv(w, TAG_APPLICATION_PROVIDER, token->application_provider.data,
			token->application_provider.len);
	put_tlv(w, TAG_TOKEN_ID, token->id.data, token->id.len);
	put_tlv(w, TAG_DELETE_TOKEN, token->token.data, token->token.len);
	put_u8(w, 0x00);
}

void
es5_write_finalise_handover(SmsrWriter *w, const Es5KeyRange *ranges, size_t count)
{
	if (count < 1 || count > MAX_LC / 5)
	{
		w->overflow = true;
		return;
	}
	put_header(w, INS_DELETE, 0x00, 0x00);
	put_u8(w, (uint8_t) (5 * count));
	for (size_t i = 0; i < count; i++)
	{
		const uint8_t range[] = {ranges[i].kvn, ranges[i].first, ranges[i].last};

		put_tlv(w, TAG_KEY_RANGE, range, sizeof(range));
	}
	put_u8(w, 0x00);
}

void
es5_write_confirm(SmsrWriter *w, uint16_t sequence)
{
	put_header(w, INS_STORE_DATA, STORE_LAST_DGI | STORE_RESPONSE, 0x00);
	put_u8(w, 7);
	put_dgi_header(w, ES5_DGI_CONFIRM, 4);
	put_tlv_header(w, TAG_SEQUENCE, 2);
	put_u16(w, sequence);
	put_u8(w, 0x00);
}

void
es5_write_get_status(SmsrWriter *w, const SmsrAid *isdp)
{
	/* the answer has the memory objects only if they are asked for */
	static const uint8_t tags[] = {
		TAG_AID, TAG_LCS >> 8, TAG_LCS & 0xFF, TAG_FALLBACK, TAG_ALLOCATED, TAG_REMAINING
	};
	const size_t aid_len = isdp == NULL ? 0 : isdp->len;

	put_header(w, INS_GET_STATUS, STATUS_P1, STATUS_P2);
	put_u8(w, (uint8_t) (2 + aid_len + 2 + sizeof(tags)));
	put_tlv(w, TAG_AID, isdp == NULL ? NULL : isdp->octets, aid_len);
	put_tlv(w, TAG_TAG_LIST, tags, sizeof(tags));
	put_u8(w, 0x00);
}

void
es5_write_get_resources(SmsrWriter *w)
{
	put_header(w, INS_GET_DATA, TAG_RESOURCES >> 8, TAG_RESOURCES & 0xFF);
	put_u8(w, 0x00);
}

void
es5_write_get_key_info(SmsrWriter *w)
{
	put_header(w, INS_GET_DATA, 0x00, TAG_KEY_INFO);
	put_u8(w, 0x00);
}

void
es5_write_addressing_sms(SmsrWriter *w, SmsrBytes address)
{
	/* an Lc of one octet: DGI, A3 and 81 with lengths of one octet each */
	if (address.len > 0x7F - 2)
	{
		w->overflow = true;
		return;
	}
	put_header(w, INS_STORE_DATA, STORE_LAST_DGI, 0x00);
	put_u8(w, (uint8_t) (3 + 2 + 2 + address.len));
	put_dgi_header(w, ES5_DGI_ADDRESSING, 2 + 2 + address.len);
	put_tlv_header(w, TAG_SMS_ADDRESSING, 2 + address.len);
	put_tlv(w, TAG_ADDRESS, address.data, address.len);
}

/*
 * The data field of a short C-APDU (ISO/IEC 7816-4 clause 5.1): no command of
 * ES5 is longer.
 */
static bool
read_data(SmsrBytes apdu, SmsrBytes *data, SmsrError *error)
{
	size_t		lc;

	*data = smsr_bytes(apdu.data + apdu.len, 0);
	if (apdu.len <= 5)
		return true;			/* no data, perhaps Le */
	lc = apdu.data[4];
	if (lc == 0)
		return smsr_fail(error, SMSR_BAD_LENGTH, "Lc", 4, "01 to FF");
	if (lc > apdu.len - 5)
		return smsr_fail(error, SMSR_TRUNCATED, "Lc", 4,
						 "no more octets than the APDU has");
	if (apdu.len - 5 - lc > 1)
		return smsr_fail(error, SMSR_BAD_LENGTH, "Lc", 4,
						 "all octets that follow it but Le");
	*data = smsr_bytes(apdu.data + 5, lc);
	return true;
}

/* A value with one octet of length, inside the data field. */
static bool
read_lv(TlvReader *r, const char *field, SmsrTlv *value, SmsrError *error)
{
	size_t		len;

	if (tlv_at_end(r))
		return smsr_fail(error, SMSR_TRUNCATED, field, r->pos, "a length");
	len = r->data[r->pos];
	if (len > r->len - r->pos - 1)
		return smsr_fail(error, SMSR_TRUNCATED, field, r->pos,
						 "as many octets as its length says");
	value->offset = r->pos;
	value->value = smsr_bytes(r->data + r->pos + 1, len);
	r->pos += 1 + len;
	return true;
}

static bool
read_create_isdp(SmsrBytes apdu, Es5Command *command, SmsrError *error)
{
	TlvReader	r = es5_inside(apdu, command->data);
	TlvReader	parameters;
	SmsrTlv		field;

	if (!read_lv(&r, "load file AID", &field, error) ||
		!es5_read_aid(field, &command->loadfile, error) ||
		!read_lv(&r, "module AID", &field, error) ||
		!es5_read_aid(field, &command->module, error) ||
		!read_lv(&r, "AID", &field, error) ||
		!es5_read_aid(field, &command->aid, error) ||
		!read_lv(&r, "privileges", &field, error) ||
		!read_lv(&r, "install parameters", &field, error))
		return false;
	parameters = es5_inside(apdu, field.value);
	if (!read_lv(&r, "install token", &field, error) ||
		!es5_at_end(&r, "install token", error))
		return false;

	while (!tlv_at_end(&parameters))
	{
		TlvReader	system;

		if (!tlv_read(&parameters, "install parameters", &field, error))
			return false;
		if (field.tag != TAG_SYSTEM_PARAMETERS)
			continue;
		system = es5_inside(apdu, field.value);
		while (!tlv_at_end(&system))
		{
			if (!tlv_read(&system, "system parameters", &field, error))
				return false;
			if (field.tag == TAG_GRANTED_MEMORY &&
				!es5_read_number(field, "granted memory", &command->memory, error))
				return false;
		}
	}
	return true;
}

static bool
read_store_data(SmsrBytes apdu, Es5Command *command, SmsrError *error)
{
	TlvReader	r = es5_inside(apdu, command->data);
	TlvReader	content;
	SmsrTlv		dgi;
	SmsrTlv		tlv;
	Es5Kind		kind;

	if (!dgi_read(&r, "DGI", &dgi, error))
		return false;
	switch (dgi.tag)
	{
		case ES5_DGI_ENABLE:
			kind = ES5_ENABLE_PROFILE;
			break;
		case ES5_DGI_DISABLE:
			kind = ES5_DISABLE_PROFILE;
			break;
		case ES5_DGI_FALLBACK:
			kind = ES5_SET_FALLBACK_ATTRIBUTE;
			break;
		case ES5_DGI_EMERGENCY:
			kind = ES5_SET_EMERGENCY_ATTRIBUTE;
			break;
		case ES5_DGI_NO_EMERGENCY:
			kind = ES5_UNSET_EMERGENCY_ATTRIBUTE;
			break;
		case ES5_DGI_ADDRESSING:
			kind = ES5_UPDATE_ADDRESSING;
			break;
		case ES5_DGI_CONFIRM:
			kind = ES5_CONFIRM_NOTIFICATION;
			break;
		default:
			return true;		/* of another function, or key establishment */
	}
	if (!es5_at_end(&r, "DGI", error))
		return false;

	content = es5_inside(apdu, dgi.value);
	if (kind == ES5_CONFIRM_NOTIFICATION)
	{
		if (!es5_read_tag(&content, TAG_SEQUENCE, "sequence number", &tlv, "tag 4E", error))
			return false;
		if (tlv.value.len != 2)
			return smsr_fail(error, SMSR_BAD_LENGTH, "sequence number", tlv.offset,
							 "two octets");
		command->sequence = get_u16(tlv.value.data);
		if (!es5_at_end(&content, "sequence number", error))
			return false;
	}
	else if (kind == ES5_UPDATE_ADDRESSING)
	{
		while (!tlv_at_end(&content))
		{
			if (!tlv_read(&content, "addressing parameters", &tlv, error))
				return false;
		}
	}
	else
	{
		if (!es5_read_tag(&content, TAG_AID, "AID", &tlv, "tag 4F", error) ||
			!es5_read_aid(tlv, &command->aid, error) ||
			!es5_at_end(&content, "AID", error))
			return false;
	}
	command->kind = kind;
	return true;
}

/* Delete and master delete: the token makes the difference. */
static bool
read_delete(SmsrBytes apdu, Es5Command *command, SmsrError *error)
{
	TlvReader	r = es5_inside(apdu, command->data);
	SmsrTlv		tlv;
	Es5Kind		kind = ES5_DELETE_PROFILE;

	if (!es5_read_tag(&r, TAG_AID, "AID", &tlv, "tag 4F", error) ||
		!es5_read_aid(tlv, &command->aid, error))
		return false;
	while (!tlv_at_end(&r))
	{
		if (!tlv_read(&r, "object of DELETE", &tlv, error))
			return false;
		if (tlv.tag == TAG_DELETE_TOKEN)
			kind = ES5_MASTER_DELETE;
	}
	command->kind = kind;
	return true;
}

static bool
read_get_status(SmsrBytes apdu, Es5Command *command, SmsrError *error)
{
	TlvReader	r = es5_inside(apdu, command->data);
	SmsrTlv		tlv;

	if (!es5_read_tag(&r, TAG_AID, "AID", &tlv, "tag 4F", error))
		return false;
	if (tlv.value.len > 0 && !es5_read_aid(tlv, &command->aid, error))
		return false;
	while (!tlv_at_end(&r))
	{
		if (!tlv_read(&r, "object of GET STATUS", &tlv, error))
			return false;
	}
	command->kind = ES5_GET_STATUS;
	return true;
}

bool
apdu_is_secured(uint8_t cla)
{
	/* logical channels 0 to 3, and those above */
	return (cla & 0x80) != 0 && ((cla & 0x40) == 0 ? (cla & 0x0C) != 0 : (cla & 0x20) != 0);
}

bool
es5_read_command(SmsrBytes apdu, Es5Command *command, SmsrError *error)
{
	Es5Kind		kind;
	uint8_t		p1;
	uint8_t		p2;

	*command = (Es5Command) {0};
	if (apdu.len < 4)
		return smsr_fail(error, SMSR_TRUNCATED, "C-APDU", apdu.len, "CLA, INS, P1 and P2");
	p1 = apdu.data[2];
	p2 = apdu.data[3];

	/* GlobalPlatform's class, on whatever logical channel */
	if ((apdu.data[0] & 0x80) == 0 || apdu_is_secured(apdu.data[0]))
		return true;

	switch (apdu.data[1])
	{
		case INS_INSTALL:
			if (p1 != INSTALL_P1)
				return true;
			if (!read_data(apdu, &command->data, error) ||
				!read_create_isdp(apdu, command, error))
				return false;
			command->kind = ES5_CREATE_ISDP;
			return true;
		case INS_STORE_DATA:
			if ((p1 & ~STORE_RESPONSE) != STORE_LAST_DGI || p2 != 0x00)
				return true;
			return read_data(apdu, &command->data, error) &&
				read_store_data(apdu, command, error);
		case INS_DELETE:
			if (p1 != 0x00 || p2 != DELETE_P2)
				return true;
			return read_data(apdu, &command->data, error) &&
				read_delete(apdu, command, error);
		case INS_GET_STATUS:
			if (p1 != STATUS_P1 || p2 != STATUS_P2)
				return true;
			return read_data(apdu, &command->data, error) &&
				read_get_status(apdu, command, error);
		case INS_GET_DATA:
			if (p1 == TAG_RESOURCES >> 8 && p2 == (TAG_RESOURCES & 0xFF))
				kind = ES5_GET_RESOURCES;
			else if (p1 == 0x00 && p2 == TAG_KEY_INFO)
				kind = ES5_GET_KEY_INFO;
			else
				return true;
			if (!read_data(apdu, &command->data, error))
				return false;
			command->kind = kind;
			return true;
		case INS_PUT_KEY:
			if (!read_data(apdu, &command->data, error))
				return false;
			command->kind = ES5_PUT_KEY;
			return true;
		default:
			return true;
	}
}
