/*
 * fuzz_script.c
 *		Walking whatever comes as a script; what was read of a response and
 *		written again reads the same.
 */
#include "fuzz.h"

#include "core/platform_command.h"
#include "core/script.h"

#define MAX_APDUS	1000

static void
walk(SmsrBytes script)
{
	SmsrBytes  *apdus = malloc(sizeof(SmsrBytes) * MAX_APDUS);
	size_t		count = 0;
	size_t		after = 0;
	ScriptReader reader;
	SmsrTlv		tlv;
	SmsrError	error;

	if (!script_open(script, &reader, &error))
	{
		explained(error, script.len);
		free(apdus);
		return;
	}
	while (script_next(&reader, &tlv, &error))
	{
		property(tlv.offset >= after && tlv.offset < script.len);
		property(tlv.value.data + tlv.value.len <= script.data + script.len);
		after = (size_t) (tlv.value.data - script.data) + tlv.value.len;
		if (tlv.tag == SCRIPT_C_APDU && tlv.value.len >= 4 && count < MAX_APDUS)
			apdus[count++] = tlv.value;
	}
	property(error.code == SMSR_OK || error.offset <= script.len);

	for (int indefinite = 0; indefinite < 2; indefinite++)
	{
		/* a length may take more octets than the one that was read */
		SmsrWriter	w = heap_writer(2 * script.len + 16);
		size_t		i = 0;

		property(script_write(apdus, count, indefinite != 0, &w, &error));
		property(script_open(smsr_written(&w), &reader, &error));
		while (script_next(&reader, &tlv, &error))
		{
			property(i < count && tlv.tag == SCRIPT_C_APDU && same_bytes(tlv.value, apdus[i]));
			i++;
		}
		property(error.code == SMSR_OK && i == count);
		free(w.data);
	}
	free(apdus);
}

static void
answers(SmsrBytes script)
{
	SmsrBytes  *apdus = malloc(sizeof(SmsrBytes) * MAX_APDUS);
	size_t		count = 0;
	ScriptResponse response;
	ScriptResponse again;
	ScriptReader reader;
	SmsrTlv		tlv;
	SmsrError	error;

	if (!script_read_response(script, &response, &error))
	{
		explained(error, script.len);
		free(apdus);
		return;
	}
	property(response.executed >= 0 && response.r_apdus >= 0);
	property(response.r_apdus > 0 || (response.sw == 0 && response.last.len == 0));
	property(script_open(script, &reader, &error));
	while (script_next(&reader, &tlv, &error))
	{
		if (tlv.tag == SCRIPT_R_APDU && count < MAX_APDUS)
			apdus[count++] = tlv.value;
	}
	if ((size_t) response.r_apdus == count)
	{
		for (int indefinite = 0; indefinite < 2; indefinite++)
		{
			SmsrWriter	w = heap_writer(2 * script.len + 16);

			property(script_write_response(apdus, count, indefinite != 0, &w, &error));
			property(script_read_response(smsr_written(&w), &again, &error));
			property(again.executed == (int) count && again.r_apdus == (int) count &&
					 again.sw == response.sw && same_bytes(again.last, response.last));
			free(w.data);
		}
	}
	free(apdus);
}

/* What is relayed stands in the script as it came, and is walked as it was made. */
static void
relay(SmsrBytes commands)
{
	SmsrWriter	w = heap_writer(commands.len + 8);
	TlvReader	r = tlv_reader(commands);
	ScriptReader reader;
	SmsrTlv		tlv;
	SmsrTlv		again;
	SmsrError	error;

	if (!script_write_relayed(commands, &w, &error))
	{
		explained(error, commands.len);
		property(w.len == 0);
		free(w.data);
		return;
	}
	property(script_open(smsr_written(&w), &reader, &error));
	property(w.len - reader.tlvs.pos == commands.len && memcmp(w.data + reader.tlvs.pos, commands.data, commands.len) == 0);
	while (script_next(&reader, &tlv, &error))
		property(tlv_read(&r, "command TLV", &again, &error) && again.tag == tlv.tag && same_bytes(again.value, tlv.value));
	property(error.code == SMSR_OK && tlv_at_end(&r));
	free(w.data);
}

/* The form without a length has the same objects, and is written again as it is. */
static void
indefinite(SmsrBytes script)
{
	SmsrWriter	w = heap_writer(script.len + 2);
	SmsrWriter	again = heap_writer(script.len + 2);
	ScriptReader one;
	ScriptReader other;
	SmsrTlv		tlv;
	SmsrTlv		same;
	SmsrError	error;

	if (!script_write_indefinite(script, &w, &error))
	{
		explained(error, script.len);
		property(w.len == 0);
	}
	else
	{
		property(script_open(script, &one, &error) && script_open(smsr_written(&w), &other, &error));
		while (script_next(&one, &tlv, &error))
			property(script_next(&other, &same, &error) && same.tag == tlv.tag && same_bytes(same.value, tlv.value));
		property(!script_next(&other, &same, &error) && error.code == SMSR_OK);
		property(script_write_indefinite(smsr_written(&w), &again, &error) && same_bytes(smsr_written(&w), smsr_written(&again)));
	}
	free(w.data);
	free(again.data);
}

/* What may be sent to a platform asks, and is as long as it says. */
static void
platform(SmsrBytes commands)
{
	TlvReader	r = tlv_reader(commands);
	SmsrTlv		tlv;
	SmsrError	error;

	if (!platform_script_check(commands, &error))
	{
		explained(error, commands.len);
		return;
	}
	while (!tlv_at_end(&r))
	{
		property(tlv_read(&r, "command TLV", &tlv, &error) && tlv.tag == SCRIPT_C_APDU);
		property(platform_command_name(tlv.value) != NULL && (tlv.value.data[0] & 0x7F) == 0);
		property(tlv.value.data[1] == 0xF2 || (tlv.value.data[1] & 0xFE) == 0xCA);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);
	SmsrBytes	last;
	SmsrError	error;
	int			executed;
	uint16_t	sw;

	walk(input);
	answers(input);
	relay(input);
	indefinite(input);
	platform(input);
	if (script_read_compact(input, &executed, &sw, &last, &error))
		property(last.len + 3 == size && executed <= 255);
	else
		explained(error, size);
	return 0;
}
