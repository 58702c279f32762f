/*
 * admin_http.h
 *		What stands in the HTTP of an administration session (GlobalPlatform
 *		Amendment B clause 3.4, SGP.02 clause 2.4.4): the texts of the X-Admin
 *		headers and of the request's URI.  HTTP itself is the gateway's.
 */
#ifndef SMSR_ADMIN_HTTP_H
#define SMSR_ADMIN_HTTP_H

#include "aid.h"
#include "bytes.h"
#include "eid.h"
#include "error.h"

#define ADMIN_PROTOCOL			"globalplatform-remote-admin/1.0"
#define ADMIN_SCRIPT_TYPE		"application/vnd.globalplatform.card-content-mgt;version=1.0"
#define ADMIN_RESPONSE_TYPE		"application/vnd.globalplatform.card-content-mgt-response;version=1.0"

/* "//aid/" RID "/" PIX */
#define ADMIN_TARGET_MAX		(6 + 10 + 1 + 22)

/* X-Admin-Script-Status */
typedef enum AdminScriptStatus
{
	ADMIN_SCRIPT_OK,
	ADMIN_UNKNOWN_APPLICATION,
	ADMIN_NOT_A_SECURITY_DOMAIN,
	ADMIN_SECURITY_ERROR
} AdminScriptStatus;

/* The agent that opened a session: X-Admin-From. */
typedef struct AdminAgent
{
	uint8_t		eid[EID_LEN];
	SmsrAid		aid;			/* of the security domain, the ISD-R */
} AdminAgent;

/*
 * "//se-id/eid/<EID>;//aa-id/aid/<RID>/<PIX>".  What it says is not proven: the
 * session's key is.
 */
extern bool admin_from_read(SmsrBytes text, AdminAgent *agent, SmsrError *error);
extern bool admin_from_write(const AdminAgent *agent, SmsrWriter *w);

extern bool admin_script_status_read(SmsrBytes text, AdminScriptStatus *status, SmsrError *error);
extern const char *admin_script_status_text(AdminScriptStatus status);

/* X-Admin-Targeted-Application: "//aid/<RID>/<PIX>", upper-case digits. */
extern bool admin_target_write(const SmsrAid *aid, SmsrWriter *w);
extern bool admin_target_read(SmsrBytes text, SmsrAid *aid, SmsrError *error);

/* A request's URI. */
typedef struct AdminUri
{
	SmsrBytes	path;
	int64_t		script;			/* 0: none */
} AdminUri;

/*
 * "<path>?msg=<digits>" or "<path>?script=<number>": the octets of the
 * notification that msg brings (SGP.02 clause 3.15.2) into room, none if there
 * is no msg; the script that is answered, as our own X-Admin-Next-URI named it.
 * Other parameters are skipped; one of these twice is an error.
 */
extern bool admin_uri_read(SmsrBytes uri, AdminUri *read, SmsrWriter *notification, SmsrError *error);

#endif							/* SMSR_ADMIN_HTTP_H */
