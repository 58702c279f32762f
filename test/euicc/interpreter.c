/*
 * interpreter.c
 *		A script, command by command.
 */
#include "interpreter.h"

#include "core/script.h"
#include "download.h"

#define MAX_COMMANDS		32
#define MAX_LONG_COMMANDS	4096	/* of a script of indefinite length */

#define FAULT_UNKNOWN_TAG	0x01	/* of the tag bad format */
#define FAULT_LENGTH		0x02
#define FAULT_TOO_SHORT		0x03
#define CHAINING_UNSUPPORTED	0x02

/* One C-APDU; whether the script goes on. */
static bool
run_command(Fleet *fleet, Card *card, uint32_t tar, SmsrBytes apdu, SmsrWriter *body)
{
	uint8_t		answer[2048];
	SmsrWriter	data = smsr_writer(answer, sizeof answer);
	uint16_t	sw = tar == ISD_R_TAR ? card_execute(fleet, card, apdu, &data) :
		download_command(fleet, card, (uint16_t) tar, apdu, &data);

	put_u16(&data, sw);
	put_tlv(body, SCRIPT_R_APDU, data.data, data.len);
	return sw_is_success(sw);
}

/* What is not a C-APDU: whether the script goes on; else why not. */
static bool
run_other(Fleet *fleet, Card *card, uint32_t tar, const SmsrTlv *tlv, SmsrWriter *body, int *bad_format, int *chaining)
{
	if (tlv->tag == SCRIPT_IMMEDIATE_ACTION || tlv->tag == SCRIPT_ERROR_ACTION)
		return true;
	if (tlv->tag == SCRIPT_CHAINING)
	{
		*chaining = CHAINING_UNSUPPORTED;
		return false;
	}
	if (tar == ISD_R_TAR || !download_knows(tlv->tag))
	{
		*bad_format = FAULT_UNKNOWN_TAG;
		return false;
	}
	return download_block(fleet, card, (uint16_t) tar, tlv, body);
}

static void
put_octet(SmsrWriter *w, uint32_t tag, int octet)
{
	if (octet == 0)
		return;
	put_tlv_header(w, tag, 1);
	put_u8(w, (uint8_t) octet);
}

/*
 * AB { 80 number, answers }, or AF 80 answers 00 00; there the number is optional
 * (facts on the script format), and cards differ.
 */
static void
put_response(SmsrWriter *out, bool indefinite, bool counted, uint32_t executed, SmsrBytes body)
{
	const size_t number = executed > 0xFF ? 2 : 1;

	if (indefinite)
	{
		put_u8(out, SCRIPT_RESPONSE_INDEFINITE);
		put_u8(out, 0x80);
	}
	else
		put_tlv_header(out, SCRIPT_RESPONSE, 2 + number + body.len);
	if (!indefinite || counted)
	{
		put_tlv_header(out, SCRIPT_EXECUTED, number);
		if (number == 2)
			put_u8(out, (uint8_t) (executed >> 8));
		put_u8(out, (uint8_t) executed);
	}
	put_bytes(out, body.data, body.len);
	if (indefinite)
		put_u16(out, 0);
}

void
interpreter_run(Fleet *fleet, Card *card, uint32_t tar, SmsrBytes script, SmsrWriter *out)
{
	static uint8_t answers[LONG_RESPONSE_ROOM];
	SmsrWriter	body = smsr_writer(answers, out->cap < sizeof answers ? out->cap : sizeof answers);
	ScriptReader reader = {0};
	SmsrTlv		tlv;
	SmsrError	error = {0};
	uint32_t	executed = 0;
	int			bad_format = 0;
	int			chaining = 0;
	bool		on = script_open(script, &reader, &error);
	const uint32_t most = reader.indefinite ? MAX_LONG_COMMANDS : MAX_COMMANDS;

	while (on && script_next(&reader, &tlv, &error))
	{
		if (executed == most)
		{
			bad_format = FAULT_UNKNOWN_TAG;
			break;
		}
		if (tlv.tag == SCRIPT_C_APDU)
		{
			on = run_command(fleet, card, tar, tlv.value, &body);
			executed++;
		}
		else
		{
			on = run_other(fleet, card, tar, &tlv, &body, &bad_format, &chaining);
			executed += bad_format == 0 && download_knows(tlv.tag);
		}
	}
	if (error.code != SMSR_OK)
		bad_format = error.code == SMSR_TRUNCATED ? FAULT_TOO_SHORT : FAULT_LENGTH;
	put_octet(&body, SCRIPT_BAD_FORMAT, bad_format);
	put_octet(&body, SCRIPT_CHAINING, chaining);
	put_response(out, reader.indefinite, card->serial % 2 == 1, executed, smsr_written(&body));
}
