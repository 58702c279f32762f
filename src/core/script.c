/*
 * script.c
 *		Remote APDU formats of TS 102 226: expanded (clause 5.2) and compact
 *		(clause 5.1).
 */
#include "script.h"

/* CLA INS P1 P2 */
#define C_APDU_MIN		4
/* SW1 SW2 */
#define R_APDU_MIN		2

/* A template around the APDUs; executed is NULL or the octets of tag 80. */
static bool
write_template(uint8_t definite_tag, uint8_t indefinite_tag, bool indefinite,
			   uint8_t apdu_tag, const SmsrBytes *apdus, size_t count, size_t min,
			   const char *field, const SmsrWriter *executed,
			   SmsrWriter *out, SmsrError *error)
{
	const size_t start = out->len;
	size_t		len = executed == NULL ? 0 : executed->len;

	for (size_t i = 0; i < count; i++)
	{
		if (apdus[i].len < min)
			return smsr_fail(error, SMSR_BAD_LENGTH, field, 0,
							 min == R_APDU_MIN ? "SW1 and SW2" : "CLA, INS, P1 and P2");
		/* adding these up must not wrap around */
		if (apdus[i].len > 0xFFFFFF || len > 0xFFFFFF)
			return smsr_fail(error, SMSR_TOO_LONG, "script", 0, "less than 16 MB");
		len += 1 + ber_length_size(apdus[i].len) + apdus[i].len;
	}

	if (indefinite)
	{
		put_u8(out, indefinite_tag);
		put_u8(out, 0x80);
	}
	else
		put_tlv_header(out, definite_tag, len);
	if (executed != NULL)
		put_bytes(out, executed->data, executed->len);
	for (size_t i = 0; i < count; i++)
		put_tlv(out, apdu_tag, apdus[i].data, apdus[i].len);
	if (indefinite)
		put_zero(out, 2);

	if (out->overflow)
	{
		out->len = start;
		return smsr_fail(error, SMSR_TOO_LONG, "script", 0, "a buffer that holds it");
	}
	return true;
}

bool
script_write(const SmsrBytes *c_apdus, size_t count, bool indefinite,
			 SmsrWriter *out, SmsrError *error)
{
	return write_template(SCRIPT_COMMAND, SCRIPT_COMMAND_INDEFINITE, indefinite,
						  SCRIPT_C_APDU, c_apdus, count, C_APDU_MIN, "C-APDU",
						  NULL, out, error);
}

bool
script_write_relayed(SmsrBytes commands, SmsrWriter *out, SmsrError *error)
{
	const size_t start = out->len;
	TlvReader	r = tlv_reader(commands);
	SmsrTlv		tlv;

	/* an empty script asks for nothing, so its answer would say nothing */
	do
	{
		if (!tlv_read(&r, "command TLV", &tlv, error))
			return false;
	} while (!tlv_at_end(&r));
	put_tlv(out, SCRIPT_COMMAND, commands.data, commands.len);
	if (out->overflow)
	{
		out->len = start;
		return smsr_fail(error, SMSR_TOO_LONG, "script", 0, "a buffer that holds it");
	}
	return true;
}

bool
script_write_indefinite(SmsrBytes script, SmsrWriter *out, SmsrError *error)
{
	const size_t start = out->len;
	ScriptReader reader;
	SmsrTlv		tlv;
	SmsrError	end;
	size_t		first;

	if (!script_open(script, &reader, error))
		return false;
	if (reader.template != SCRIPT_COMMAND && reader.template != SCRIPT_COMMAND_INDEFINITE)
		return smsr_fail(error, SMSR_BAD_VALUE, "script template", 0, "AA or AE");
	first = reader.tlvs.pos;
	/* an object that looks like the end would be taken for it */
	while (script_next(&reader, &tlv, &end))
		if (tlv.tag == 0)
			return smsr_fail(error, SMSR_BAD_VALUE, "object of script", tlv.offset, "another tag than 00");
	if (end.code != SMSR_OK)
	{
		if (error != NULL)
			*error = end;
		return false;
	}
	put_u8(out, SCRIPT_COMMAND_INDEFINITE);
	put_u8(out, 0x80);
	put_bytes(out, script.data + first, reader.tlvs.pos - first);
	put_zero(out, 2);
	if (out->overflow)
	{
		out->len = start;
		return smsr_fail(error, SMSR_TOO_LONG, "script", 0, "a buffer that holds it");
	}
	return true;
}

bool
script_write_response(const SmsrBytes *r_apdus, size_t count, bool indefinite,
					  SmsrWriter *out, SmsrError *error)
{
	uint8_t		buffer[8];
	SmsrWriter	executed = smsr_writer(buffer, sizeof(buffer));

	if (count > 0x7FFFFF)
		return smsr_fail(error, SMSR_TOO_LONG, "script", 0, "less than 16 MB");
	put_tag(&executed, SCRIPT_EXECUTED);

	/*
	 * A leading zero where a signed reading would turn the number negative:
	 * it is right for both readings.
	 */
	if (count < 0x80)
		put_u16(&executed, (uint16_t) (1 << 8 | count));
	else if (count < 0x8000)
		put_u24(&executed, (uint32_t) (2 << 16 | count));
	else
		put_u32(&executed, (uint32_t) (3 << 24 | count));

	/* TS 102 226 table 5.10a has no tag 80 in a template without a length */
	return write_template(SCRIPT_RESPONSE, SCRIPT_RESPONSE_INDEFINITE, indefinite,
						  SCRIPT_R_APDU, r_apdus, count, R_APDU_MIN, "R-APDU",
						  indefinite ? NULL : &executed, out, error);
}

bool
script_open(SmsrBytes script, ScriptReader *reader, SmsrError *error)
{
	uint8_t		tag;
	SmsrTlv		whole;

	reader->tlvs = tlv_reader(script);
	if (script.len < 2)
		return smsr_fail(error, SMSR_TRUNCATED, "script template", 0, "a tag and a length");
	tag = script.data[0];
	reader->template = tag;
	reader->indefinite = tag == SCRIPT_COMMAND_INDEFINITE ||
		tag == SCRIPT_RESPONSE_INDEFINITE;

	if (reader->indefinite)
	{
		if (script.data[1] != 0x80)
			return smsr_fail(error, SMSR_BAD_LENGTH, "script template", 1,
							 "80, the indefinite length");
		reader->tlvs.pos = 2;
		return true;
	}

	if (tag != SCRIPT_COMMAND && tag != SCRIPT_RESPONSE)
		return smsr_fail(error, SMSR_BAD_VALUE, "script template", 0, "AA, AE, AB or AF");
	if (!tlv_read(&reader->tlvs, "script template", &whole, error))
		return false;
	if (!tlv_at_end(&reader->tlvs))
		return smsr_fail(error, SMSR_BAD_LENGTH, "script template", 1,
						 "the number of octets that follow it");
	reader->tlvs.pos = script.len - whole.value.len;
	return true;
}

bool
script_next(ScriptReader *reader, SmsrTlv *tlv, SmsrError *error)
{
	TlvReader  *r = &reader->tlvs;

	if (reader->indefinite)
	{
		/* ISO/IEC 8825-1 clause 8.1.5: end-of-contents octets */
		if (r->pos <= r->len && r->len - r->pos >= 2 &&
			r->data[r->pos] == 0x00 && r->data[r->pos + 1] == 0x00)
		{
			if (r->len - r->pos > 2)
				return smsr_fail(error, SMSR_BAD_LENGTH, "script template", r->pos + 2,
								 "nothing after its end");
			return smsr_fail(error, SMSR_OK, NULL, r->pos, NULL);
		}
		if (tlv_at_end(r))
			return smsr_fail(error, SMSR_TRUNCATED, "script template", r->pos,
							 "its end, 00 00");
	}
	else if (tlv_at_end(r))
		return smsr_fail(error, SMSR_OK, NULL, r->pos, NULL);
	return tlv_read(r, "object of script", tlv, error);
}

bool
script_read_response(SmsrBytes script, ScriptResponse *response, SmsrError *error)
{
	ScriptReader reader;
	SmsrTlv		tlv;
	SmsrError	end;
	bool		counted = false;

	*response = (ScriptResponse) {0};
	if (!script_open(script, &reader, error))
		return false;
	if (reader.template != SCRIPT_RESPONSE &&
		reader.template != SCRIPT_RESPONSE_INDEFINITE)
		return smsr_fail(error, SMSR_BAD_VALUE, "script template", 0, "AB or AF");

	while (script_next(&reader, &tlv, &end))
	{
		const uint8_t *p = tlv.value.data;
		const size_t len = tlv.value.len;

		switch (tlv.tag)
		{
			case SCRIPT_EXECUTED:
				if (len < 1 || len > 4)
					return smsr_fail(error, SMSR_BAD_LENGTH, "number of executed commands",
									 tlv.offset, "1 to 4 octets");
				if (len == 4 && p[0] >= 0x80)
					return smsr_fail(error, SMSR_BAD_VALUE, "number of executed commands",
									 tlv.offset, "less than 2^31");
				response->executed = 0;
				for (size_t i = 0; i < len; i++)
					response->executed = response->executed << 8 | p[i];
				counted = true;
				break;
			case SCRIPT_R_APDU:
				if (len < R_APDU_MIN)
					return smsr_fail(error, SMSR_BAD_LENGTH, "R-APDU", tlv.offset,
									 "SW1 and SW2");
				response->r_apdus++;
				response->last = smsr_bytes(p, len - R_APDU_MIN);
				response->sw = get_u16(p + len - R_APDU_MIN);
				break;
			case SCRIPT_BAD_FORMAT:
			case SCRIPT_CHAINING:
			case SCRIPT_IMMEDIATE_ACTION:
				if (len < 1)
					return smsr_fail(error, SMSR_BAD_LENGTH, "script error", tlv.offset,
									 "an octet");
				if (tlv.tag == SCRIPT_BAD_FORMAT)
					response->bad_format = p[0];
				else if (tlv.tag == SCRIPT_CHAINING)
					response->chaining_error = p[0];
				else
					response->immediate_action = p[0];
				break;
			default:
				break;
		}
	}
	if (end.code != SMSR_OK)
	{
		if (error != NULL)
			*error = end;
		return false;
	}
	if (!counted)
		response->executed = response->r_apdus;
	return true;
}

bool
script_read_compact(SmsrBytes data, int *executed, uint16_t *sw,
					SmsrBytes *response, SmsrError *error)
{
	if (data.len < 3)
		return smsr_fail(error, SMSR_TRUNCATED, "compact response", data.len,
						 "the number of executed commands and SW");
	*executed = data.data[0];
	*sw = get_u16(data.data + 1);
	*response = smsr_bytes(data.data + 3, data.len - 3);
	return true;
}

bool
script_write_compact(const SmsrBytes *c_apdus, size_t count,
					 SmsrWriter *out, SmsrError *error)
{
	const size_t start = out->len;

	for (size_t i = 0; i < count; i++)
	{
		/* nothing but P3 tells a compact script where a command ends */
		if (c_apdus[i].len < C_APDU_MIN + 1)
			return smsr_fail(error, SMSR_BAD_LENGTH, "C-APDU", 0,
							 "CLA, INS, P1, P2 and P3");
		put_bytes(out, c_apdus[i].data, c_apdus[i].len);
	}
	if (out->overflow)
	{
		out->len = start;
		return smsr_fail(error, SMSR_TOO_LONG, "script", 0, "a buffer that holds it");
	}
	return true;
}
