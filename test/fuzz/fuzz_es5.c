/*
 * fuzz_es5.c
 *		Reading whatever comes as a command to ISD-R or as its answer; what was
 *		read and written again reads the same.
 */
#include "fuzz.h"

#include "core/es5.h"
#include "core/es5_answer.h"

static bool
same_aid(const SmsrAid *a, const SmsrAid *b)
{
	return (a->len == 0 && b->len == 0) || aid_compare(a, b) == 0;
}

/* False if there is no writer for what was read. */
static bool
write_command(const Es5Command *c, SmsrWriter *w)
{
	switch (c->kind)
	{
		case ES5_CREATE_ISDP:
			es5_write_create_isdp(w, &c->loadfile, &c->module, &c->aid, c->memory);
			return true;
		case ES5_ENABLE_PROFILE:
			es5_write_enable(w, &c->aid);
			return true;
		case ES5_DISABLE_PROFILE:
			es5_write_disable(w, &c->aid);
			return true;
		case ES5_DELETE_PROFILE:
			es5_write_delete(w, &c->aid);
			return true;
		case ES5_GET_STATUS:
			es5_write_get_status(w, c->aid.len > 0 ? &c->aid : NULL);
			return true;
		case ES5_GET_RESOURCES:
			es5_write_get_resources(w);
			return true;
		case ES5_SET_FALLBACK_ATTRIBUTE:
			es5_write_set_fallback(w, &c->aid);
			return true;
		case ES5_SET_EMERGENCY_ATTRIBUTE:
			es5_write_set_emergency(w, &c->aid);
			return true;
		case ES5_UNSET_EMERGENCY_ATTRIBUTE:
			es5_write_unset_emergency(w, &c->aid);
			return true;
		case ES5_CONFIRM_NOTIFICATION:
			es5_write_confirm(w, c->sequence);
			return true;
		case ES5_GET_KEY_INFO:
			es5_write_get_key_info(w);
			return true;
		case ES5_PUT_KEY:
		case ES5_UNKNOWN:
		case ES5_MASTER_DELETE:
		case ES5_UPDATE_ADDRESSING:
			break;
	}
	return false;
}

static void
command(SmsrBytes apdu)
{
	uint8_t		buffer[300];
	SmsrWriter	w = smsr_writer(buffer, sizeof(buffer));
	Es5Command	c;
	Es5Command	again;
	SmsrError	error;

	if (!es5_read_command(apdu, &c, &error))
	{
		explained(error, apdu.len);
		return;
	}
	if (!write_command(&c, &w))
		return;
	property(!w.overflow);
	property(es5_read_command(smsr_written(&w), &again, &error));
	property(again.kind == c.kind && again.memory == c.memory && again.sequence == c.sequence &&
			 same_aid(&again.aid, &c.aid) && same_aid(&again.loadfile, &c.loadfile) &&
			 same_aid(&again.module, &c.module));
}

static void
status(SmsrBytes data)
{
	TlvReader	r = tlv_reader(data);
	Es5Isdp		isdp;
	SmsrError	error;

	while (es5_next_isdp(&r, &isdp, &error))
	{
		uint8_t		buffer[100];
		SmsrWriter	w = smsr_writer(buffer, sizeof(buffer));
		Es5Isdp		again;
		TlvReader	one;

		es5_write_isdp(&w, &isdp);
		property(!w.overflow);
		one = tlv_reader(smsr_written(&w));
		property(es5_next_isdp(&one, &again, &error));
		property(same_aid(&again.aid, &isdp.aid) && again.lcs == isdp.lcs &&
				 again.fallback == isdp.fallback &&
				 again.has_allocated == isdp.has_allocated &&
				 again.has_remaining == isdp.has_remaining &&
				 again.allocated == isdp.allocated && again.remaining == isdp.remaining);
		property(!es5_next_isdp(&one, &again, &error) && error.code == SMSR_OK);
	}
	if (error.code != SMSR_OK)
		explained(error, data.len);
}

static void
other_answers(SmsrBytes data)
{
	uint8_t		buffer[100];
	SmsrWriter	w = smsr_writer(buffer, sizeof(buffer));
	Es5Resources resources;
	Es5Resources again;
	TlvReader	r;
	SmsrAid		aid;
	SmsrError	error;

	if (es5_read_resources(data, &resources, &error))
	{
		es5_write_resources(&w, &resources);
		property(es5_read_resources(smsr_written(&w), &again, &error));
		property(memcmp(&resources, &again, sizeof(again)) == 0);
	}
	else
		explained(error, data.len);

	if (es5_key_info_reader(data, &r, &error))
	{
		Es5KeyInfo	key;

		while (es5_next_key_info(&r, &key, &error))
			property(key.type != 0xFF || r.pos >= 8);
		property(error.code == SMSR_OK || error.offset <= data.len);
	}
	else
		explained(error, data.len);

	if (es5_deleted_reader(data, &r, &error))
	{
		while (es5_next_deleted(&r, &aid, &error))
			property(aid.len >= AID_MIN_LEN && aid.len <= AID_MAX_LEN);
		property(error.code == SMSR_OK || error.offset <= data.len);
	}
	else
		explained(error, data.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);

	command(input);
	status(input);
	other_answers(input);
	return 0;
}
