/*
 * smpp.c
 *	  SMPP 3.4 protocol data units to and from bytes.
 *
 * libsmpp34 packs and unpacks.  It trusts its input more than a program may that
 * talks to somebody else's SMSC, so nothing reaches it unseen:
 *
 * - it looks for the end of strings with strlen(): we check that each string
 *	 ends inside the PDU;
 * - it writes a diary of every field to a fixed buffer without watching its end,
 *	 and a dozen optional parameters overrun that: it is given the mandatory part
 *	 only, and we walk the optional parameters;
 * - it refuses statuses, types of number and sequence numbers that it does not
 *	 know, and submit_sm_resp with optional parameters, all of which real SMSCs
 *	 send: they are taken out before and looked at by us;
 * - it takes no times in deliver_sm, but some SMSCs send them: deliver_sm is
 *	 unpacked as the submit_sm that it is a twin of;
 * - its diary repeats the password: it is wiped.
 */
#include "smpp.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <smpp34.h>
#include <smpp34_structs.h>
#include <smpp34_params.h>

/*
 * The mandatory parts.  z: string with terminator, t: type of number, n: numbering
 * plan, b: one octet, o: length octet and so many octets.
 */
static const char layout_message[] = "ztnztnzbbbzzbbbbo";
static const char layout_data[] = "ztnztnzbbb";
static const char layout_string[] = "z";

/* the longest of them: strings and short message at their limits */
#define MANDATORY_LONGEST 1024

static char complaint[160];

const char *
smpp_complaint(void)
{
	return complaint;
}

static uint32_t
get32(const uint8_t *at)
{
	uint32_t	value;

	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

static void
put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

SmppFrame
smpp_frame(const uint8_t *data, size_t available, SmppHeader *header)
{
	if (available < SMPP_HEADER)
		return SMPP_FRAME_PARTIAL;
	header->length = get32(data);
	header->command = get32(data + 4);
	header->status = get32(data + 8);
	header->sequence = get32(data + 12);
	if (header->length < SMPP_HEADER || header->length > SMPP_LONGEST)
		return SMPP_FRAME_BAD;
	return available < header->length ? SMPP_FRAME_PARTIAL : SMPP_FRAME_WHOLE;
}

bool
smpp_ton_known(int ton)
{
	return ton >= 0 && ton <= 6;
}

bool
smpp_npi_known(int npi)
{
	switch (npi)
	{
		case 0:
		case 1:
		case 3:
		case 4:
		case 6:
		case 8:
		case 9:
		case 10:
		case 14:
		case 18:
			return true;
		default:
			return false;
	}
}

/* libsmpp34's diary ends with the field that it did not like */
static void
complain(const char *what)
{
	const char *last = strrchr(smpp34_strerror, '[');

	snprintf(complaint, sizeof(complaint), "%s: %.100s", what, last ? last : "refused by libsmpp34");
	memset(smpp34_strerror, 0, sizeof(smpp34_strerror));
}

/*
 * Pack, then put in the header fields that libsmpp34 would have an opinion about.
 */
static size_t
pack(uint8_t *out, void *pdu, uint32_t type, uint32_t command, uint32_t status, uint32_t sequence)
{
	int			length = 0;

	if (smpp34_pack(type, out, SMPP_PACKED, &length, pdu) != 0 || length < SMPP_HEADER)
	{
		complain("cannot pack");
		return 0;
	}
	memset(smpp34_strerror, 0, sizeof(smpp34_strerror));
	put32(out + 4, command);
	put32(out + 8, status);
	put32(out + 12, sequence);
	return (size_t) length;
}

static bool
copy_field(uint8_t *field, size_t size, const char *text)
{
	size_t		length = strlen(text);

	if (length >= size)
	{
		snprintf(complaint, sizeof(complaint), "a text of %zu characters where SMPP allows %zu", length, size - 1);
		return false;
	}
	memcpy(field, text, length + 1);
	return true;
}

size_t
smpp_pack_bind(uint8_t *out, uint32_t sequence, const SmppBindRequest *request)
{
	bind_transceiver_t pdu;
	size_t		length;

	memset(&pdu, 0, sizeof(pdu));
	pdu.command_id = BIND_TRANSCEIVER;
	pdu.sequence_number = 1;
	if (!copy_field(pdu.system_id, sizeof(pdu.system_id), request->system_id) ||
		!copy_field(pdu.password, sizeof(pdu.password), request->password) ||
		!copy_field(pdu.system_type, sizeof(pdu.system_type), request->system_type) ||
		!copy_field(pdu.address_range, sizeof(pdu.address_range), request->address_range))
		return 0;
	pdu.interface_version = SMPP_VERSION;
	pdu.addr_ton = request->addr_ton;
	pdu.addr_npi = request->addr_npi;
	length = pack(out, &pdu, BIND_TRANSCEIVER, BIND_TRANSCEIVER, ESME_ROK, sequence);
	explicit_bzero(&pdu, sizeof(pdu));
	return length;
}

size_t
smpp_pack_submit(uint8_t *out, uint32_t sequence, const SmppSubmit *submit)
{
	submit_sm_t pdu;

	if (submit->ud_length > SMPP_UD_LONGEST)
	{
		snprintf(complaint, sizeof(complaint), "user data of %zu octets", submit->ud_length);
		return 0;
	}
	memset(&pdu, 0, sizeof(pdu));
	pdu.command_id = SUBMIT_SM;
	pdu.sequence_number = 1;
	if (!copy_field(pdu.service_type, sizeof(pdu.service_type), submit->service_type) ||
		!copy_field(pdu.source_addr, sizeof(pdu.source_addr), submit->source) ||
		!copy_field(pdu.destination_addr, sizeof(pdu.destination_addr), submit->destination))
		return 0;
	pdu.source_addr_ton = submit->source_ton;
	pdu.source_addr_npi = submit->source_npi;
	pdu.dest_addr_ton = submit->dest_ton;
	pdu.dest_addr_npi = submit->dest_npi;
	pdu.esm_class = SMPP_UDHI;
	pdu.protocol_id = submit->protocol_id;
	pdu.data_coding = submit->data_coding;
	pdu.registered_delivery = submit->registered_delivery;
	if (submit->validity > 0)
		smpp_relative_time((char *) pdu.validity_period, submit->validity);
	pdu.sm_length = (uint8_t) submit->ud_length;
	memcpy(pdu.short_message, submit->ud, submit->ud_length);
	return pack(out, &pdu, SUBMIT_SM, SUBMIT_SM, ESME_ROK, sequence);
}

/* a PDU that is all header: enquire_link, unbind, generic_nack and answers */
size_t
smpp_pack_plain(uint8_t *out, uint32_t command, uint32_t status, uint32_t sequence)
{
	enquire_link_t pdu;

	memset(&pdu, 0, sizeof(pdu));
	pdu.command_id = ENQUIRE_LINK;
	pdu.sequence_number = 1;
	return pack(out, &pdu, ENQUIRE_LINK, command, status, sequence);
}

/* the answer to deliver_sm or data_sm; both carry an empty message id */
size_t
smpp_pack_message_answer(uint8_t *out, uint32_t command, uint32_t status, uint32_t sequence)
{
	deliver_sm_resp_t pdu;

	memset(&pdu, 0, sizeof(pdu));
	pdu.command_id = DELIVER_SM_RESP;
	pdu.sequence_number = 1;
	return pack(out, &pdu, DELIVER_SM_RESP, command | SMPP_RESPONSE, status, sequence);
}

/*
 * Length of header and mandatory part, 0 if the PDU is too short for it.  With
 * 'tame', types of number and numbering plans that libsmpp34 does not know
 * become 0; the first type of number is kept for the caller.
 */
static size_t
mandatory_length(const char *layout, uint8_t *pdu, size_t length, uint8_t *first_ton)
{
	size_t		at = SMPP_HEADER;
	bool		seen = false;

	for (; *layout; layout++)
	{
		if (*layout == 'z')
		{
			const uint8_t *end = at < length ? memchr(pdu + at, 0, length - at) : NULL;

			if (end == NULL)
				return 0;
			at = (size_t) (end - pdu) + 1;
			continue;
		}
		if (at >= length)
			return 0;
		if (*layout == 't')
		{
			if (!seen)
				*first_ton = pdu[at];
			seen = true;
			if (!smpp_ton_known(pdu[at]))
				pdu[at] = 0;
		}
		else if (*layout == 'n' && !smpp_npi_known(pdu[at]))
			pdu[at] = 0;
		else if (*layout == 'o')
			at += pdu[at];
		at++;
	}
	return at <= length ? at : 0;
}

/*
 * Hand the mandatory part, and nothing else, to libsmpp34.  Returns its length in
 * the PDU, 0 if it is no good.
 */
static size_t
unpack(const char *layout, uint32_t type, void *result, const uint8_t *pdu, const SmppHeader *header, uint8_t *first_ton)
{
	/* zeroes follow whatever is copied, so that no strlen() runs away */
	uint8_t		copy[MANDATORY_LONGEST + 1] = {0};
	size_t		length = header->length < MANDATORY_LONGEST ? header->length : MANDATORY_LONGEST;

	memcpy(copy, pdu, length);
	length = mandatory_length(layout, copy, length, first_ton);
	if (length == 0)
	{
		snprintf(complaint, sizeof(complaint), "a mandatory field does not end within the PDU's %u octets", header->length);
		return 0;
	}
	memset(copy + length, 0, sizeof(copy) - length);
	put32(copy, (uint32_t) length);
	put32(copy + 4, type);
	put32(copy + 8, ESME_ROK);
	put32(copy + 12, 1);
	if (smpp34_unpack(type, result, copy, (int) length) != 0)
	{
		complain("cannot unpack");
		return 0;
	}
	return length;
}

static void
copy_octets_as_text(char *text, size_t size, const uint8_t *octets, size_t length)
{
	const uint8_t *end = memchr(octets, 0, length);

	if (end)
		length = (size_t) (end - octets);
	if (length > size - 1)
		length = size - 1;
	memcpy(text, octets, length);
	text[length] = '\0';
}

/* Optional parameters; what does not fit into the PDU ends the walk. */
static void
unpack_optional(const uint8_t *pdu, size_t at, size_t length, SmppMessage *message)
{
	while (length - at >= 4)
	{
		unsigned	tag = (unsigned) pdu[at] << 8 | pdu[at + 1];
		size_t		size = (size_t) pdu[at + 2] << 8 | pdu[at + 3];
		const uint8_t *value = pdu + at + 4;

		if (size > length - at - 4)
			return;
		if (tag == TLVID_message_payload && message->ud_length == 0)
		{
			message->ud = value;
			message->ud_length = size;
		}
		else if (tag == TLVID_receipted_message_id)
			copy_octets_as_text(message->receipted_id, sizeof(message->receipted_id), value, size);
		else if (tag == TLVID_message_state && size == 1)
			message->message_state = value[0];
		at += 4 + size;
	}
}

bool
smpp_unpack_message(const uint8_t *pdu, const SmppHeader *header, SmppMessage *message)
{
	size_t		length;

	memset(message, 0, sizeof(*message));
	message->message_state = -1;
	message->ud = pdu;

	if (header->command == SMPP_DATA_SM)
	{
		data_sm_t	data;

		memset(&data, 0, sizeof(data));
		length = unpack(layout_data, DATA_SM, &data, pdu, header, &message->source_ton);
		if (length == 0)
			return false;
		memcpy(message->source, data.source_addr, sizeof(message->source));
		memcpy(message->destination, data.destination_addr, sizeof(data.destination_addr));
		message->esm_class = data.esm_class;
		message->data_coding = data.data_coding;
	}
	else
	{
		submit_sm_t deliver;

		memset(&deliver, 0, sizeof(deliver));
		length = unpack(layout_message, SUBMIT_SM, &deliver, pdu, header, &message->source_ton);
		if (length == 0)
			return false;
		memcpy(message->source, deliver.source_addr, sizeof(message->source));
		memcpy(message->destination, deliver.destination_addr, sizeof(deliver.destination_addr));
		message->esm_class = deliver.esm_class;
		message->data_coding = deliver.data_coding;
		message->ud_length = deliver.sm_length;
		message->ud = pdu + length - deliver.sm_length;
	}
	unpack_optional(pdu, length, header->length, message);
	return true;
}

bool
smpp_unpack_submit_answer(const uint8_t *pdu, const SmppHeader *header, char id[SMPP_ID])
{
	submit_sm_resp_t answer;
	uint8_t		unused;

	memset(&answer, 0, sizeof(answer));
	if (unpack(layout_string, SUBMIT_SM_RESP, &answer, pdu, header, &unused) == 0)
		return false;
	memcpy(id, answer.message_id, SMPP_ID);
	return true;
}

bool
smpp_unpack_bind_answer(const uint8_t *pdu, const SmppHeader *header, char system_id[16])
{
	bind_transceiver_resp_t answer;
	uint8_t		unused;

	memset(&answer, 0, sizeof(answer));
	if (unpack(layout_string, BIND_TRANSCEIVER_RESP, &answer, pdu, header, &unused) == 0)
		return false;
	memcpy(system_id, answer.system_id, 16);
	return true;
}

const char *
smpp_command_name(uint32_t command)
{
	static char name[24];
	const char *base;

	switch (command & ~SMPP_RESPONSE)
	{
		case 0:
			return "generic_nack";
		case BIND_RECEIVER:
			base = "bind_receiver";
			break;
		case BIND_TRANSMITTER:
			base = "bind_transmitter";
			break;
		case QUERY_SM:
			base = "query_sm";
			break;
		case SUBMIT_SM:
			base = "submit_sm";
			break;
		case DELIVER_SM:
			base = "deliver_sm";
			break;
		case UNBIND:
			base = "unbind";
			break;
		case BIND_TRANSCEIVER:
			base = "bind_transceiver";
			break;
		case OUTBIND:
			base = "outbind";
			break;
		case ENQUIRE_LINK:
			base = "enquire_link";
			break;
		case ALERT_NOTIFICATION:
			base = "alert_notification";
			break;
		case DATA_SM:
			base = "data_sm";
			break;
		default:
			snprintf(name, sizeof(name), "command 0x%08X", command);
			return name;
	}
	snprintf(name, sizeof(name), "%s%s", base, command & SMPP_RESPONSE ? "_resp" : "");
	return name;
}

void
smpp_relative_time(char out[17], int64_t seconds)
{
	const int64_t longest = INT64_C(99) * 365 * 86400;
	int			days;
	int			years;
	int			months;

	if (seconds > longest)
		seconds = longest;
	days = (int) (seconds / 86400);
	seconds %= 86400;
	years = days / 365;
	days %= 365;
	months = days / 30;
	days %= 30;
	if (months > 11)			/* the 361st to 365th day of a year */
	{
		months = 11;
		days = 30;
	}
	snprintf(out, 17, "%02u%02u%02u%02u%02u%02u000R",
			 (unsigned) years % 100, (unsigned) months % 100, (unsigned) days % 100,
			 (unsigned) (seconds / 3600) % 100, (unsigned) (seconds / 60) % 60, (unsigned) seconds % 60);
}
