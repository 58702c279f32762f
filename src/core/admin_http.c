/*
 * admin_http.c
 *		The texts of an administration session's HTTP.
 */
#include "admin_http.h"

#include <string.h>

#define RID_LEN			5

#define AGENT_EID		"//se-id/eid/"
#define AGENT_AID		"//aa-id/aid/"
#define TARGET			"//aid/"

static const char *const script_status[] = {
	[ADMIN_SCRIPT_OK] = "ok",
	[ADMIN_UNKNOWN_APPLICATION] = "unknown-application",
	[ADMIN_NOT_A_SECURITY_DOMAIN] = "not-a-security-domain",
	[ADMIN_SECURITY_ERROR] = "security-error",
};

static bool
begins(SmsrBytes text, size_t pos, const char *with)
{
	const size_t len = strlen(with);

	return text.len - pos >= len && memcmp(text.data + pos, with, len) == 0;
}

/* "<RID>/<PIX>" to the end of the text */
static bool
read_aid(SmsrBytes text, size_t pos, SmsrAid *aid, SmsrError *error)
{
	char		digits[2 * AID_MAX_LEN];
	size_t		len = 0;

	if (text.len - pos < 2 * RID_LEN + 1 || text.data[pos + 2 * RID_LEN] != '/')
		return smsr_fail(error, SMSR_BAD_VALUE, "AID", pos, "ten digits of RID, a slash, the PIX");
	for (size_t i = pos; i < text.len; i++)
	{
		if (i == pos + 2 * RID_LEN)
			continue;
		if (hex_value(text.data[i]) < 0)
			return smsr_fail(error, SMSR_BAD_VALUE, "AID", i, "a hexadecimal digit");
		if (len == sizeof(digits))
			return smsr_fail(error, SMSR_BAD_LENGTH, "AID", i, "at most 16 octets");
		digits[len++] = (char) text.data[i];
	}
	if (!aid_parse(digits, len, aid, error))
	{
		error->offset = pos;
		return false;
	}
	return true;
}

static void
write_aid(const SmsrAid *aid, SmsrWriter *w)
{
	char		digits[2 * AID_MAX_LEN + 1];

	aid_format(aid, digits);
	put_bytes(w, digits, 2 * RID_LEN);
	put_u8(w, '/');
	put_bytes(w, digits + 2 * RID_LEN, strlen(digits) - 2 * RID_LEN);
}

bool
admin_from_read(SmsrBytes text, AdminAgent *agent, SmsrError *error)
{
	size_t		pos = strlen(AGENT_EID);

	if (!begins(text, 0, AGENT_EID))
		return smsr_fail(error, SMSR_BAD_VALUE, "X-Admin-From", 0, AGENT_EID);
	if (text.len - pos < EID_DIGITS + 1 || text.data[pos + EID_DIGITS] != ';')
		return smsr_fail(error, SMSR_BAD_VALUE, "EID", pos, "32 digits and a semicolon");
	if (!eid_parse((const char *) text.data + pos, EID_DIGITS, agent->eid, error))
	{
		error->offset += pos;
		return false;
	}
	pos += EID_DIGITS + 1;
	if (!begins(text, pos, AGENT_AID))
		return smsr_fail(error, SMSR_BAD_VALUE, "X-Admin-From", pos, AGENT_AID);
	return read_aid(text, pos + strlen(AGENT_AID), &agent->aid, error);
}

bool
admin_from_write(const AdminAgent *agent, SmsrWriter *w)
{
	char		eid[EID_DIGITS + 1];

	eid_format(agent->eid, eid);
	put_bytes(w, AGENT_EID, strlen(AGENT_EID));
	put_bytes(w, eid, EID_DIGITS);
	put_u8(w, ';');
	put_bytes(w, AGENT_AID, strlen(AGENT_AID));
	write_aid(&agent->aid, w);
	return !w->overflow;
}

bool
admin_script_status_read(SmsrBytes text, AdminScriptStatus *status, SmsrError *error)
{
	for (size_t i = 0; i < sizeof(script_status) / sizeof(script_status[0]); i++)
		if (text.len == strlen(script_status[i]) && memcmp(text.data, script_status[i], text.len) == 0)
		{
			*status = (AdminScriptStatus) i;
			return true;
		}
	return smsr_fail(error, SMSR_BAD_VALUE, "X-Admin-Script-Status", 0,
					 "ok, unknown-application, not-a-security-domain or security-error");
}

const char *
admin_script_status_text(AdminScriptStatus status)
{
	return script_status[status];
}

bool
admin_target_write(const SmsrAid *aid, SmsrWriter *w)
{
	put_bytes(w, TARGET, strlen(TARGET));
	write_aid(aid, w);
	return !w->overflow;
}

bool
admin_target_read(SmsrBytes text, SmsrAid *aid, SmsrError *error)
{
	if (!begins(text, 0, TARGET))
		return smsr_fail(error, SMSR_BAD_VALUE, "X-Admin-Targeted-Application", 0, TARGET);
	return read_aid(text, strlen(TARGET), aid, error);
}

static bool
read_octets(SmsrBytes digits, size_t at, SmsrWriter *octets, SmsrError *error)
{
	if (digits.len == 0 || digits.len % 2 != 0)
		return smsr_fail(error, SMSR_BAD_LENGTH, "msg", at, "two digits an octet");
	for (size_t i = 0; i < digits.len; i += 2)
	{
		const int	high = hex_value(digits.data[i]);
		const int	low = hex_value(digits.data[i + 1]);

		if (high < 0 || low < 0)
			return smsr_fail(error, SMSR_BAD_VALUE, "msg", high < 0 ? at + i : at + i + 1, "a hexadecimal digit");
		put_u8(octets, (uint8_t) (high << 4 | low));
	}
	if (octets->overflow)
		return smsr_fail(error, SMSR_TOO_LONG, "msg", at + digits.len, "a shorter notification");
	return true;
}

/* 1 to 2^63 - 1, as it was written: without zeros in front */
static bool
read_number(SmsrBytes digits, size_t at, int64_t *number, SmsrError *error)
{
	*number = 0;
	for (size_t i = 0; i < digits.len; i++)
	{
		const int	d = digits.data[i] - '0';

		if (d < (i == 0 ? 1 : 0) || d > 9)
			return smsr_fail(error, SMSR_BAD_VALUE, "script", at + i, "a decimal number without zeros in front");
		if (*number > (INT64_MAX - d) / 10)
			return smsr_fail(error, SMSR_TOO_LONG, "script", at + i, "a number less than 2^63");
		*number = *number * 10 + d;
	}
	if (digits.len == 0)
		return smsr_fail(error, SMSR_BAD_LENGTH, "script", at, "a decimal number");
	return true;
}

bool
admin_uri_read(SmsrBytes uri, AdminUri *read, SmsrWriter *notification, SmsrError *error)
{
	const uint8_t *mark = uri.len > 0 ? memchr(uri.data, '?', uri.len) : NULL;
	size_t		pos = mark != NULL ? (size_t) (mark - uri.data) : uri.len;
	bool		seen = false;

	read->path = smsr_bytes(uri.data, pos);
	read->script = 0;
	while (pos < uri.len)
	{
		size_t		end = ++pos;

		while (end < uri.len && uri.data[end] != '&')
			end++;
		if (begins(smsr_bytes(uri.data, end), pos, "msg="))
		{
			if (seen)
				return smsr_fail(error, SMSR_BAD_VALUE, "msg", pos, "one notification");
			seen = true;
			pos += strlen("msg=");
			if (!read_octets(smsr_bytes(uri.data + pos, end - pos), pos, notification, error))
				return false;
		}
		else if (begins(smsr_bytes(uri.data, end), pos, "script="))
		{
			if (read->script != 0)
				return smsr_fail(error, SMSR_BAD_VALUE, "script", pos, "one script");
			pos += strlen("script=");
			if (!read_number(smsr_bytes(uri.data + pos, end - pos), pos, &read->script, error))
				return false;
		}
		pos = end;
	}
	return true;
}
