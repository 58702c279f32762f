/*
 * fuzz_session.c
 *		Reading whatever comes as a session trigger, a PUSH, or the texts of an
 *		administration session; what was read and written again reads the same.
 */
#include "fuzz.h"

#include "core/admin_http.h"
#include "core/push.h"
#include "core/session_trigger.h"

static void
trigger(SmsrBytes input)
{
	char		name[ACCESS_NAME_MAX];
	char		again_name[ACCESS_NAME_MAX];
	SessionTrigger t;
	SessionTrigger again;
	SmsrWriter	w = heap_writer(4096);
	SmsrError	error;

	if (!session_trigger_read(input, name, &t, &error))
		explained(error, input.len);
	/* a card may be told more than we would: texts that are no HTTP */
	else if (session_trigger_write(&t, &w, &error))
	{
		property(session_trigger_read(smsr_written(&w), again_name, &again, &error));
		property(same_bytes(t.host, again.host) && same_bytes(t.uri, again.uri) && same_bytes(t.psk_identity, again.psk_identity));
		property(t.retry_delay == again.retry_delay && t.connection.port == again.connection.port);
		property(same_bytes(t.connection.access_name, again.connection.access_name));
	}
	free(w.data);
}

static void
push(SmsrBytes input)
{
	char		name[ACCESS_NAME_MAX];
	char		again_name[ACCESS_NAME_MAX];
	Push		p;
	Push		again;
	SmsrWriter	w = heap_writer(300);
	SmsrError	error;

	if (!push_read(input, name, &p, &error))
		explained(error, input.len);
	else if (push_write(&p, &w, &error))
	{
		property(push_read(smsr_written(&w), again_name, &again, &error));
		property(p.request == again.request && p.cat_tp_port == again.cat_tp_port && p.max_sdu == again.max_sdu);
		property(same_bytes(p.identification, again.identification));
	}
	free(w.data);
}

static void
texts(SmsrBytes input)
{
	AdminAgent	agent;
	AdminAgent	again;
	AdminScriptStatus status;
	SmsrAid		aid;
	AdminUri	uri;
	SmsrWriter	w = heap_writer(200);
	SmsrError	error;

	if (!admin_from_read(input, &agent, &error))
		explained(error, input.len);
	else
	{
		property(admin_from_write(&agent, &w));
		property(admin_from_read(smsr_written(&w), &again, &error));
		property(memcmp(agent.eid, again.eid, EID_LEN) == 0 && aid_compare(&agent.aid, &again.aid) == 0);
	}
	w.len = 0;
	if (!admin_target_read(input, &aid, &error))
		explained(error, input.len);
	if (!admin_script_status_read(input, &status, &error))
		explained(error, input.len);
	if (!admin_uri_read(input, &uri, &w, &error))
		explained(error, input.len);
	else
		property(uri.path.len <= input.len && w.len <= input.len / 2 && uri.script >= 0);
	free(w.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);

	switch (take_u8(&input) % 3)
	{
		case 0:
			trigger(input);
			break;
		case 1:
			push(input);
			break;
		case 2:
			texts(input);
			break;
	}
	return 0;
}
