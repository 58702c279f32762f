/*
 * decode_apdu.c
 *		C-APDUs: ISO/IEC 7816-4's shape, the commands of ES5 and of
 *		GlobalPlatform, PUSH (TS 102 226 clause 9).
 */
#include "decode_parts.h"

#include <stdio.h>

#include "address.h"
#include "es5.h"

#define INS_DELETE		0xE4
#define INS_GET_DATA	0xCA
#define INS_GET_STATUS	0xF2
#define INS_INSTALL		0xE6
#define INS_PUSH		0xEC
#define INS_PUT_KEY		0xD8
#define INS_SELECT		0xA4
#define INS_STORE_DATA	0xE2

typedef struct Apdu
{
	SmsrBytes	whole;
	uint8_t		ins;
	uint8_t		p1;
	uint8_t		p2;
	bool		global;			/* of GlobalPlatform's class, not of ISO's */
	bool		has_le;
	uint32_t	le;				/* 0 is all there is */
	SmsrBytes	data;
} Apdu;

/* ---- names ---- */

static const struct
{
	uint8_t		ins;
	const char *iso;
	const char *global;
}			instructions[] = {
	{0x04, "DEACTIVATE FILE", NULL},
	{0x10, "TERMINAL PROFILE", "TERMINAL PROFILE"},
	{0x12, "FETCH", "FETCH"},
	{0x14, "TERMINAL RESPONSE", "TERMINAL RESPONSE"},
	{0x20, "VERIFY PIN", NULL},
	{0x24, "CHANGE PIN", NULL},
	{0x26, "DISABLE PIN", NULL},
	{0x28, "ENABLE PIN", NULL},
	{0x2A, "PERFORM SECURITY OPERATION", NULL},
	{0x2C, "UNBLOCK PIN", NULL},
	{0x32, "INCREASE", "INCREASE"},
	{0x44, "ACTIVATE FILE", NULL},
	{0x50, NULL, "INITIALIZE UPDATE"},
	{0x70, "MANAGE CHANNEL", NULL},
	{0x82, "EXTERNAL AUTHENTICATE", "EXTERNAL AUTHENTICATE"},
	{0x84, "GET CHALLENGE", NULL},
	{0x88, "AUTHENTICATE", NULL},
	{INS_SELECT, "SELECT", NULL},
	{0xA2, "SEARCH RECORD", NULL},
	{0xAA, NULL, "TERMINAL CAPABILITY"},
	{0xB0, "READ BINARY", NULL},
	{0xB2, "READ RECORD", NULL},
	{0xC0, "GET RESPONSE", "GET RESPONSE"},
	{0xC2, "ENVELOPE", "ENVELOPE"},
	{INS_GET_DATA, "GET DATA", "GET DATA"},
	{0xD4, NULL, "RESIZE FILE"},
	{0xD6, "UPDATE BINARY", NULL},
	{INS_PUT_KEY, NULL, "PUT KEY"},
	{0xDC, "UPDATE RECORD", NULL},
	{0xE0, "CREATE FILE", NULL},
	{INS_STORE_DATA, NULL, "STORE DATA"},
	{INS_DELETE, "DELETE FILE", "DELETE"},
	{INS_INSTALL, "TERMINATE DF", "INSTALL"},
	{0xE8, "TERMINATE EF", "LOAD"},
	{INS_PUSH, NULL, "PUSH"},
	{0xF0, NULL, "SET STATUS"},
	{INS_GET_STATUS, "STATUS", "GET STATUS"},
};

static const char *
instruction_name(const Apdu *apdu)
{
	for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++)
	{
		if (instructions[i].ins == apdu->ins)
			return apdu->global ? instructions[i].global : instructions[i].iso;
	}
	return NULL;
}

static const char *
function_name(Es5Kind kind)
{
	switch (kind)
	{
		case ES5_CREATE_ISDP:
			return "CreateISDP";
		case ES5_ENABLE_PROFILE:
			return "EnableProfile";
		case ES5_DISABLE_PROFILE:
			return "DisableProfile";
		case ES5_DELETE_PROFILE:
			return "DeleteProfile";
		case ES5_GET_STATUS:
		case ES5_GET_RESOURCES:
			return "eUICCCapabilityAudit";
		case ES5_MASTER_DELETE:
			return "MasterDelete";
		case ES5_SET_FALLBACK_ATTRIBUTE:
			return "SetFallBackAttribute";
		case ES5_UPDATE_ADDRESSING:
			return "UpdateSMSRAddressingParameters";
		case ES5_CONFIRM_NOTIFICATION:
			return "HandleNotificationConfirmation";
		case ES5_SET_EMERGENCY_ATTRIBUTE:
			return "SetEmergencyProfileAttribute";
		case ES5_UNSET_EMERGENCY_ATTRIBUTE:
			return "UnsetEmergencyProfileAttribute";
		/* GlobalPlatform's own */
		case ES5_GET_KEY_INFO:
		case ES5_PUT_KEY:
		case ES5_UNKNOWN:
			break;
	}
	return NULL;
}

/* ---- the shape ---- */

/* ISO/IEC 7816-3 clause 12.1.3: cases 1 to 4, short and extended. */
static bool
read_apdu(SmsrBytes whole, Apdu *apdu, SmsrError *error)
{
	const uint8_t *p = whole.data;
	size_t		at = 5;
	size_t		lc;
	size_t		rest;

	*apdu = (Apdu) {.whole = whole,.data = smsr_bytes(p, 0)};
	if (whole.len < 4)
		return smsr_fail(error, SMSR_TRUNCATED, "C-APDU", whole.len, "CLA, INS, P1 and P2");
	apdu->ins = p[1];
	apdu->p1 = p[2];
	apdu->p2 = p[3];
	/* A0 is the class of GSM's SIM, TS 51.011 */
	apdu->global = (p[0] & 0x80) != 0 && p[0] != 0xA0;
	if (whole.len == 4)
		return true;
	if (whole.len == 5)
	{
		apdu->has_le = true;
		apdu->le = p[4];
		return true;
	}
	lc = p[4];
	if (lc == 0)
	{
		if (whole.len < 7)
			return smsr_fail(error, SMSR_TRUNCATED, "Lc", 4, "01 to FF, or three octets");
		lc = get_u16(p + 5);
		at = 7;
		if (whole.len == 7)
		{
			apdu->has_le = true;
			apdu->le = (uint32_t) lc;
			return true;
		}
	}
	if (lc > whole.len - at)
		return smsr_fail(error, SMSR_TRUNCATED, "Lc", 4, "no more octets than the APDU has");
	apdu->data = smsr_bytes(p + at, lc);
	rest = whole.len - at - lc;
	if (rest == 0)
		return true;
	if (rest != (at == 5 ? 1 : 2))
		return smsr_fail(error, SMSR_BAD_LENGTH, "Lc", 4, "all octets that follow it but Le");
	apdu->has_le = true;
	apdu->le = rest == 1 ? p[whole.len - 1] : get_u16(p + whole.len - 2);
	return true;
}

/* Of a class that cards know, an instruction with a name, and the right length. */
bool
looks_like_apdu(SmsrBytes data)
{
	Apdu		apdu;
	uint8_t		cla;

	if (!read_apdu(data, &apdu, NULL))
		return false;
	cla = data.data[0];
	return (cla < 0x10 || (cla >= 0x40 && cla < 0x90) || cla == 0xA0 || cla >= 0xC0) &&
		cla != 0xFF && instruction_name(&apdu) != NULL;
}

static void
fault_at(Decoder *d, SmsrBytes part, SmsrErrorCode code, const char *field, size_t offset,
		 const char *expected)
{
	const SmsrError error = {code, field, offset, expected};

	decode_fault(d, part, &error);
}

/* ---- PUT KEY ---- */

static const char *
key_type_name(uint8_t type)
{
	switch (type)
	{
		case 0x80:
		case 0x83:
		case 0x84:
			return "DES";
		case 0x81:
			return "reserved";
		case 0x82:
			return "3DES";
		case 0x85:
			return "PSK for TLS";
		case 0x88:
			return "AES";
		case 0x90:
			return "HMAC-SHA1";
		case 0x91:
			return "HMAC-SHA1, 160 bit";
		case 0xB0:
			return "ECC public key";
		case 0xB1:
			return "ECC private key";
		case 0xF0:
			return "ECC parameters reference";
		default:
			return type >= 0xA0 && type <= 0xA8 ? "RSA key component" : NULL;
	}
}

typedef struct PutKey
{
	uint8_t		type;
	size_t		block_len;
	SmsrBytes	kcv;
} PutKey;

/* One key; GlobalPlatform Card Specification clause 11.8.2.3, format 1. */
static bool
next_key(TlvReader *r, PutKey *key, SmsrError *error)
{
	SmsrTlv		block;
	size_t		len;

	/* type and block have the shape of a BER-TLV, but the type is no tag */
	key->type = r->data[r->pos];
	if (key_type_name(key->type) == NULL)
		return smsr_fail(error, SMSR_UNSUPPORTED, "key type", r->pos, "one of GlobalPlatform's");
	if (!comprehension_read(r, "key", &block, error))
		return false;
	key->block_len = block.value.len;
	if (tlv_at_end(r))
		return smsr_fail(error, SMSR_TRUNCATED, "key check value", r->pos, "its length");
	len = r->data[r->pos];
	if (len != 0 && len != 3)
		return smsr_fail(error, SMSR_BAD_LENGTH, "key check value", r->pos, "no or three octets");
	if (len > r->len - r->pos - 1)
		return smsr_fail(error, SMSR_TRUNCATED, "key check value", r->pos, "three octets");
	key->kcv = smsr_bytes(r->data + r->pos + 1, len);
	r->pos += 1 + len;
	return true;
}

/*
 * Nothing is shown before all of it is known to be sound: with one length wrong,
 * octets of a key would stand where types and check values are looked for.
 */
static void
decode_put_key(Decoder *d, const Apdu *apdu)
{
	TlvReader	r = tlv_reader(apdu->data);
	PutKey		key;
	SmsrError	error;
	unsigned	kid = apdu->p2 & 0x7F;

	if ((apdu->p1 & 0x7F) != 0)
		json_number(&d->json, "replaces_kvn", apdu->p1 & 0x7F);
	if (apdu->data.len == 0)
	{
		fault_at(d, apdu->data, SMSR_TRUNCATED, "new KVN", 0, "an octet");
		return;
	}
	for (r.pos = 1; !tlv_at_end(&r);)
	{
		if (!next_key(&r, &key, &error))
		{
			decode_fault(d, apdu->data, &error);
			return;
		}
	}
	json_number(&d->json, "kvn", apdu->data.data[0]);
	json_open_array(&d->json, "keys");
	for (r.pos = 1; !tlv_at_end(&r) && next_key(&r, &key, &error); kid++)
	{
		json_open_object(&d->json, NULL);
		json_number(&d->json, "kid", kid);
		json_hex_number(&d->json, "type", key.type, 2);
		json_string(&d->json, "type_name", key_type_name(key.type));
		decode_length(d, "block_length", key.block_len);
		if (key.kcv.len > 0)
			json_hex(&d->json, "kcv", key.kcv);
		json_close(&d->json);
	}
	json_close(&d->json);
}

/* ---- STORE DATA ---- */

static const char *
dgi_name(uint32_t dgi)
{
	switch (dgi)
	{
		case 0x0070:
			return "security domain data";
		case 0x3A01:
			return "off-card entity certificate";
		case 0x3A02:
			return "key set establishment";
		case ES5_DGI_ENABLE:
			return "enable profile";
		case ES5_DGI_DISABLE:
			return "disable profile";
		case ES5_DGI_FALLBACK:
			return "fall-back attribute";
		case 0x3A06:
			return "POL1 update";
		case ES5_DGI_ADDRESSING:
			return "addressing parameters";
		case ES5_DGI_CONFIRM:
			return "notification confirmation";
		case ES5_DGI_EMERGENCY:
			return "emergency attribute";
		case ES5_DGI_NO_EMERGENCY:
			return "no emergency attribute";
		default:
			return NULL;
	}
}

/*
 * Only of a first block: a later one may begin in the middle of a DGI, and what
 * stands there is anything.  The last DGI of a block may go on in the next one.
 */
static void
decode_dgis(Decoder *d, const Apdu *apdu)
{
	TlvReader	r = tlv_reader(apdu->data);
	SmsrTlv		dgi;
	SmsrError	error;
	const bool	last = (apdu->p1 & 0x80) != 0;

	json_number(&d->json, "block", apdu->p2);
	json_bool(&d->json, "last_block", last);
	if (apdu->p2 != 0 || (apdu->p1 & 0x18) != 0x08 || apdu->data.len == 0)
		return;
	json_open_array(&d->json, "dgis");
	error.code = SMSR_OK;
	while (!tlv_at_end(&r) && dgi_read(&r, "DGI", &dgi, &error))
	{
		json_open_object(&d->json, NULL);
		json_hex_number(&d->json, "dgi", dgi.tag, 4);
		if (dgi_name(dgi.tag) != NULL)
			json_string(&d->json, "name", dgi_name(dgi.tag));
		decode_length(d, "length", dgi.value.len);
		json_close(&d->json);
	}
	json_close(&d->json);
	if (error.code != SMSR_OK && last)
		decode_fault(d, apdu->data, &error);
}

/* as address_write() codes it */
static void
decode_address(Decoder *d, SmsrBytes da)
{
	char		text[ADDRESS_MAX_DIGITS + 2] = "+";
	size_t		count = da.len > 0 ? da.data[0] : 0;
	size_t		n;

	if (da.len < 2 || count > ADDRESS_MAX_DIGITS || (count + 1) / 2 + 2 != da.len)
	{
		fault_at(d, da, SMSR_BAD_LENGTH, "address", 0, "a number of digits, type and digits");
		return;
	}
	/* type of number "international" */
	n = (da.data[1] & 0x70) == 0x10 ? 1 : 0;
	for (size_t i = 0; i < count; i++)
	{
		uint8_t		octet = da.data[2 + i / 2];

		text[n++] = "0123456789*#abc?"[(i & 1) == 0 ? octet & 0x0F : octet >> 4];
	}
	text[n] = '\0';
	json_string(&d->json, "address", text);
}

static void
decode_addressing(Decoder *d, SmsrBytes dgi)
{
	TlvReader	r = tlv_reader(dgi);
	SmsrTlv		tlv;
	SmsrTlv		address;

	while (!tlv_at_end(&r) && tlv_read(&r, "addressing parameters", &tlv, NULL))
	{
		if (tlv.tag == 0xA3 && tlv_find(tlv.value, 0x81, &address))
			decode_address(d, address.value);
	}
}

static void
decode_store_data(Decoder *d, const Apdu *apdu, const Es5Command *command)
{
	TlvReader	r = tlv_reader(apdu->data);
	SmsrTlv		dgi;

	if (command->kind == ES5_CONFIRM_NOTIFICATION)
		json_number(&d->json, "sequence", command->sequence);
	else if (command->kind == ES5_UPDATE_ADDRESSING && dgi_read(&r, "DGI", &dgi, NULL))
		decode_addressing(d, dgi.value);
	else if (command->kind == ES5_UNKNOWN)
		decode_dgis(d, apdu);
}

/* ---- other commands of GlobalPlatform ---- */

static void
decode_install(Decoder *d, const Apdu *apdu, const Es5Command *command)
{
	static const struct
	{
		uint8_t		bit;
		const char *purpose;
	}			purposes[] = {
		{0x02, "load"},
		{0x04, "install"},
		{0x08, "make selectable"},
		{0x10, "extradition"},
		{0x20, "personalization"},
		{0x40, "registry update"},
	};

	json_open_array(&d->json, "for");
	for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++)
	{
		if ((apdu->p1 & purposes[i].bit) != 0)
			json_string(&d->json, NULL, purposes[i].purpose);
	}
	json_close(&d->json);
	if (command->kind != ES5_CREATE_ISDP)
		return;
	decode_aid(d, "loadfile", &command->loadfile);
	decode_aid(d, "module", &command->module);
	if (command->memory > 0)
		json_number(&d->json, "memory", command->memory);
}

/* Keys instead of applications: D0 and D2 which one goes, F2 which ones stay. */
static void
decode_delete(Decoder *d, const Apdu *apdu)
{
	TlvReader	r = tlv_reader(apdu->data);
	SmsrTlv		tlv;
	SmsrError	error;
	bool		keeps = apdu->data.len > 0 && apdu->data.data[0] == 0xF2;

	if (keeps)
	{
		json_string(&d->json, "function", "FinaliseISDRhandover");
		json_open_array(&d->json, "keeps");
	}
	error.code = SMSR_OK;
	while (!tlv_at_end(&r) && tlv_read(&r, "object of DELETE", &tlv, &error))
	{
		if (keeps && tlv.tag == 0xF2 && tlv.value.len == 3)
		{
			json_open_object(&d->json, NULL);
			json_number(&d->json, "kvn", tlv.value.data[0]);
			json_number(&d->json, "first_kid", tlv.value.data[1]);
			json_number(&d->json, "last_kid", tlv.value.data[2]);
			json_close(&d->json);
		}
		else if (!keeps && tlv.tag == 0xD0 && tlv.value.len == 1)
			json_number(&d->json, "kid", tlv.value.data[0]);
		else if (!keeps && tlv.tag == 0xD2 && tlv.value.len == 1)
			json_number(&d->json, "kvn", tlv.value.data[0]);
	}
	if (keeps)
		json_close(&d->json);
	if (error.code != SMSR_OK)
		decode_fault(d, apdu->data, &error);
}

static void
decode_get_data(Decoder *d, const Apdu *apdu)
{
	const uint16_t tag = (uint16_t) (apdu->p1 << 8 | apdu->p2);
	const char *name = tag == 0xFF21 ? "card resources" :
		tag == 0xBF30 ? "data of the ECASD" :
		tag == 0x005A ? "EID" :
		tag == 0x0066 ? "card recognition data" :
		tag == 0x00E0 ? "key information" :
		tag == 0x00C1 ? "sequence counter" : NULL;

	json_hex_number(&d->json, "object", tag, 4);
	if (name != NULL)
		json_string(&d->json, "object_name", name);
}

/* ---- PUSH ---- */

static void
decode_ip(Decoder *d, SmsrBytes value)
{
	char		text[48];
	int			n = 0;

	if (value.len == 5 && value.data[0] == 0x21)
		snprintf(text, sizeof(text), "%u.%u.%u.%u", value.data[1], value.data[2],
				 value.data[3], value.data[4]);
	else if (value.len == 17 && value.data[0] == 0x57)
	{
		for (size_t i = 1; i < 17; i += 2)
			n += snprintf(text + n, sizeof(text) - (size_t) n, i == 1 ? "%x" : ":%x",
						  get_u16(value.data + i));
	}
	else
	{
		fault_at(d, value, SMSR_BAD_LENGTH, "address", 0, "21 and 4 octets, or 57 and 16");
		return;
	}
	json_string(&d->json, "address", text);
}

static void
decode_port(Decoder *d, SmsrBytes value)
{
	static const char *const protocols[] = {
		"CAT_TP", "UDP client", "TCP client", "TCP server", "UDP client, local", "TCP client, local"
	};

	if (value.len != 3)
	{
		fault_at(d, value, SMSR_BAD_LENGTH, "transport level", 0, "a protocol and a port");
		return;
	}
	if (value.data[0] < sizeof(protocols) / sizeof(protocols[0]))
		json_string(&d->json, "protocol", protocols[value.data[0]]);
	else
		json_number(&d->json, "protocol_type", value.data[0]);
	json_number(&d->json, "port", get_u16(value.data + 1));
}

/* TS 23.003 clause 9.1: labels with their lengths in front */
static void
decode_access_point(Decoder *d, SmsrBytes value)
{
	char		text[104];
	size_t		n = 0;
	size_t		next = 0;

	for (size_t i = 0; i < value.len && n + 1 < sizeof(text); i++)
	{
		if (i == next)
		{
			next = i + 1 + value.data[i];
			if (i > 0)
				text[n++] = '.';
		}
		else
			text[n++] = (char) value.data[i];
	}
	json_text(&d->json, "access_point", smsr_bytes(text, n));
}

void
decode_channel(Decoder *d, const char *key, SmsrBytes objects)
{
	TlvReader	r = tlv_reader(objects);
	SmsrTlv		tlv;
	SmsrError	error;

	json_open_object(&d->json, key);
	while (!tlv_at_end(&r))
	{
		if (!comprehension_read(&r, "channel parameters", &tlv, &error))
		{
			decode_fault(d, objects, &error);
			break;
		}
		/* a login and its password (0D) stay where they are */
		switch (tlv.tag & ~(uint32_t) 0x80)
		{
			case 0x35:
				json_hex(&d->json, "bearer", tlv.value);
				break;
			case 0x36:
				json_text(&d->json, "identification", tlv.value);
				break;
			case 0x39:
				if (tlv.value.len == 2)
					json_number(&d->json, "buffer", get_u16(tlv.value.data));
				break;
			case 0x3C:
				decode_port(d, tlv.value);
				break;
			case 0x3E:
				decode_ip(d, tlv.value);
				break;
			case 0x47:
				decode_access_point(d, tlv.value);
				break;
			default:
				break;
		}
	}
	json_close(&d->json);
}

static void
decode_push(Decoder *d, const Apdu *apdu)
{
	static const char *const requests[] = {
		"open a BIP channel", "open a CAT_TP link", "open a TCP connection", "send an identification packet"
	};

	if (apdu->p1 != 0x01 || apdu->p2 < 1 || apdu->p2 > 4)
		return;
	json_string(&d->json, "request", requests[apdu->p2 - 1]);
	decode_channel(d, "channel", apdu->data);
}

/* ---- all of it ---- */

static void
decode_global(Decoder *d, const Apdu *apdu)
{
	Es5Command	command;
	SmsrError	error;

	if (!es5_read_command(apdu->whole, &command, &error))
	{
		decode_fault(d, apdu->whole, &error);
		return;
	}
	if (function_name(command.kind) != NULL)
		json_string(&d->json, "function", function_name(command.kind));
	decode_aid(d, "aid", &command.aid);
	switch (apdu->ins)
	{
		case INS_STORE_DATA:
			decode_store_data(d, apdu, &command);
			break;
		case INS_INSTALL:
			decode_install(d, apdu, &command);
			break;
		case INS_DELETE:
			if (command.kind == ES5_UNKNOWN)
				decode_delete(d, apdu);
			break;
		case INS_PUT_KEY:
			decode_put_key(d, apdu);
			break;
		case INS_GET_DATA:
			decode_get_data(d, apdu);
			break;
		case INS_PUSH:
			decode_push(d, apdu);
			break;
		default:
			break;
	}
}

void
decode_apdu(Decoder *d, SmsrBytes whole)
{
	Apdu		apdu;
	SmsrError	error;

	json_string(&d->json, "kind", "c_apdu");
	decode_length(d, "length", whole.len);
	if (!read_apdu(whole, &apdu, &error))
	{
		decode_fault(d, whole, &error);
		return;
	}
	json_hex(&d->json, "header", smsr_bytes(whole.data, 4));
	if (instruction_name(&apdu) != NULL)
		json_string(&d->json, "name", instruction_name(&apdu));
	if (apdu.data.len > 0)
		decode_length(d, "data_length", apdu.data.len);
	if (apdu.has_le)
		json_number(&d->json, "le", apdu.le);
	/* what the data say is for the one who shares the session's keys */
	if (apdu.global && apdu_is_secured(whole.data[0]))
		json_bool(&d->json, "secured", true);
	else if (apdu.global)
		decode_global(d, &apdu);
	else if (apdu.ins == INS_SELECT && apdu.data.len > 0 && apdu.data.len <= AID_MAX_LEN)
	{
		/* by name, else by path or identifier */
		json_hex(&d->json, apdu.p1 == 0x04 ? "aid" : "file", apdu.data);
	}
}
