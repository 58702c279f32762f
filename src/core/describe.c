/*
 * describe.c
 *		Scripts, their answers and notifications in one line of words.
 */
#include "describe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "es5.h"
#include "notification.h"
#include "script.h"
#include "session_trigger.h"

/* a default notification's template, SGP.02 clause 4.1.1.11 */
#define TAG_NOTIFICATION	0xE1
/* an administration session trigger's, GlobalPlatform Amendment B clause 3.7 */
#define TAG_TRIGGER			0x81

static void say(SmsrWriter *out, const char *format,...)
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
;

static void
say(SmsrWriter *out, const char *format,...)
{
	char		text[160];
	va_list		args;
	int			len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t) len >= sizeof(text))
		len = sizeof(text) - 1;
	put_bytes(out, text, (size_t) len);
}

static const char *
command_name(Es5Kind kind)
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
			return "GET STATUS";
		case ES5_GET_RESOURCES:
			return "GET DATA FF21";
		case ES5_MASTER_DELETE:
			return "MasterDelete";
		case ES5_SET_FALLBACK_ATTRIBUTE:
			return "SetFallBackAttribute";
		case ES5_SET_EMERGENCY_ATTRIBUTE:
			return "SetEmergencyProfileAttribute";
		case ES5_UNSET_EMERGENCY_ATTRIBUTE:
			return "UnsetEmergencyProfileAttribute";
		case ES5_UPDATE_ADDRESSING:
			return "UpdateSMSRAddressingParameters";
		case ES5_CONFIRM_NOTIFICATION:
			return "HandleNotificationConfirmation";
		case ES5_GET_KEY_INFO:
			return "GET DATA key information";
		case ES5_PUT_KEY:
			return "PUT KEY";
		case ES5_UNKNOWN:
			break;
	}
	return NULL;
}

static void
describe_aid(const SmsrAid *aid, SmsrWriter *out)
{
	char		text[2 * AID_MAX_LEN + 1];

	if (aid->len == 0)
		return;
	aid_format(aid, text);
	say(out, " %s", text);
}

static void
describe_command(SmsrBytes apdu, SmsrWriter *out)
{
	Es5Command	command = {0};
	SmsrError	error = {0};

	if (!es5_read_command(apdu, &command, &error))
	{
		say(out, "malformed C-APDU (%s)", error.field);
		return;
	}
	if (command.kind == ES5_UNKNOWN)
	{
		if (apdu.len >= 4)
			say(out, "C-APDU %02X %02X %02X %02X", apdu.data[0], apdu.data[1], apdu.data[2], apdu.data[3]);
		else
			say(out, "C-APDU");
		return;
	}
	say(out, "%s", command_name(command.kind));
	/* of the keys themselves nothing, enciphered though they are */
	if (command.kind == ES5_PUT_KEY && command.data.len > 0)
	{
		say(out, " version %02X", command.data.data[0]);
		if ((apdu.data[2] & 0x7F) != 0)
			say(out, " instead of %02X", apdu.data[2] & 0x7F);
	}
	describe_aid(&command.aid, out);
	if (command.kind == ES5_CONFIRM_NOTIFICATION)
		say(out, " sequence %u", command.sequence);
	if (command.kind == ES5_CREATE_ISDP && command.memory > 0)
		say(out, " memory %lu", (unsigned long) command.memory);
}

static void
describe_script(SmsrBytes data, SmsrWriter *out)
{
	ScriptReader reader;
	SmsrTlv		tlv;
	SmsrError	error = {0};
	const char *separator = "";

	if (!script_open(data, &reader, &error))
	{
		say(out, "unreadable script (%s)", error.field);
		return;
	}
	while (script_next(&reader, &tlv, &error))
	{
		say(out, "%s", separator);
		separator = "; ";
		switch (tlv.tag)
		{
			case SCRIPT_C_APDU:
				describe_command(tlv.value, out);
				break;
			case SCRIPT_R_APDU:
				if (tlv.value.len < 2)
					say(out, "R-APDU without status word");
				else if (tlv.value.len == 2)
					say(out, "R-APDU %04X", get_u16(tlv.value.data));
				else
					say(out, "R-APDU %zu octets %04X", tlv.value.len - 2,
						get_u16(tlv.value.data + tlv.value.len - 2));
				break;
			case SCRIPT_EXECUTED:
				say(out, "executed %u", tlv.value.len > 0 ? tlv.value.data[tlv.value.len - 1] : 0u);
				break;
			case SCRIPT_BAD_FORMAT:
				say(out, "bad format %02X", tlv.value.len > 0 ? tlv.value.data[0] : 0u);
				break;
			default:
				say(out, "object %lX", (unsigned long) tlv.tag);
		}
	}
	if (error.code != SMSR_OK)
		say(out, "%sunreadable from here (%s)", separator, error.field);
}

static void
describe_trigger(SmsrBytes data, SmsrWriter *out)
{
	SessionTrigger trigger = {0};
	char		name[ACCESS_NAME_MAX];
	SmsrError	error = {0};

	if (!session_trigger_read(data, name, &trigger, &error))
	{
		say(out, "unreadable session trigger (%s)", error.field);
		return;
	}
	say(out, "open a session");
	if (trigger.host.len > 0)
		say(out, ", host %.*s", (int) (trigger.host.len < 100 ? trigger.host.len : 100), (const char *) trigger.host.data);
	if (trigger.connection.has_port)
		say(out, ", port %u", trigger.connection.port);
}

void
describe(SmsrBytes data, SmsrWriter *out)
{
	Notification n = {0};
	SmsrError	error = {0};

	if (data.len == 0)
		say(out, "nothing");
	else if (data.data[0] == TAG_NOTIFICATION)
	{
		if (!notification_read(data, &n, &error))
		{
			say(out, "unreadable notification (%s)", error.field);
			return;
		}
		say(out, "notification type %u sequence %u enabled", n.type, n.sequence);
		describe_aid(&n.enabled, out);
	}
	else if (data.data[0] == TAG_TRIGGER)
		describe_trigger(data, out);
	else
		describe_script(data, out);
}
