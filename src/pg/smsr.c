/*
 * smsr.c
 *		Module load and configuration parameters.
 */
#include "postgres.h"

#include <limits.h>

#include "core/put_key.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "pg/guc.h"
#include "pg/kek.h"
#include "pg/plans.h"
#include "pg/secure.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#if PG_VERSION_NUM >= 180000
PG_MODULE_MAGIC_EXT(.name = "smsr", .version = SMSR_VERSION);
#else
PG_MODULE_MAGIC;
#endif

extern PGDLLEXPORT void _PG_init(void);

PG_FUNCTION_INFO_V1(smsr_setting);

/*
 * smsr.shard: number of this database among those that share a fleet.  It is
 * the low ten bits of every id, so two shards must never have the same one.
 */
bool		smsr_forward_unknown;
int			smsr_shard = 0;

/*
 * smsr.smsr_id: object identifier of this SM-SR, as other parties know it.  The
 * default is of an arc for documentation: an operator sets its own.
 */
char	   *smsr_smsr_id = NULL;

/*
 * smsr.sms_address: what UpdateSMSRAddressingParameters tells a card.
 */
char	   *smsr_sms_address = NULL;

/*
 * smsr.reason: reason or ticket of what the session does.  Whoever calls says
 * it; it is kept with operations and in the audit trail.
 */
char	   *smsr_reason = NULL;

/*
 * smsr.default_validity: for how long an operation may go on when its caller
 * gave no validity period.
 */
int			smsr_default_validity = 24 * 60 * 60;

/*
 * smsr.max_segments: short messages that one packet may take.  Cards keep only
 * so many parts, five being a common limit.
 */
int			smsr_max_segments = 5;

/*
 * smsr.max_send_data: octets that one call of send_data may have.  A card takes
 * what one piece of a profile is for its SM-DP, some kilobytes; the bound is for
 * what somebody else might send.
 */
int			smsr_max_send_data = 256 * 1024;

/*
 * smsr.more_to_do_timeout: for how long a card's session is kept open for the
 * next piece of a download whose SM-DP said that there is more to do.
 */
int			smsr_more_to_do_timeout = 60;

/*
 * smsr.download_abandoned_after: how long nobody goes on with a download before
 * it is shown to somebody.  smsr.delete_abandoned: whether its ISD-P
 * is deleted then.
 */
int			smsr_download_abandoned_after = 24 * 60 * 60;
bool		smsr_delete_abandoned = false;

/*
 * smsr.retry_initial, smsr.retry_max: wait before the first re-transmission of
 * a packet that nobody answers, and the longest that the growing wait becomes.
 */
int			smsr_retry_initial = 60;
int			smsr_retry_max = 60 * 60;

/*
 * smsr.https_hold: how long a request over HTTPS waits for what is to come; a
 * card's own patience is not known, that of modems is rarely below half a minute.
 * smsr.https_session_timeout: after which a session is taken for lost.
 */
static int	smsr_https_hold = 20;
static int	smsr_https_session_timeout = 5 * 60;

/*
 * smsr.tp_pid, smsr.tp_dcs: protocol identifier and coding scheme of messages
 * to cards: (U)SIM data download, 8 bit class 2 (TS 31.115 clause 4).  Some
 * SMSCs want another coding.
 */
int			smsr_tp_pid = 0x7F;
int			smsr_tp_dcs = 0xF6;

/*
 * smsr.spi: both octets of the security parameters of commands.  The default
 * asks for CC, ciphering and a rising counter, and for a response that is
 * secured likewise and comes by SMS-SUBMIT (TS 102 225 clause 5.1.1).
 */
char	   *smsr_spi = NULL;
uint8		smsr_spi1 = 0;
uint8		smsr_spi2 = 0;

/*
 * smsr.notice_retention: for how long notices are kept for replay.
 * smsr.unread_notice_retention: for how long those are that nobody has
 * acknowledged; -1: until somebody does.
 */
int			smsr_notice_retention = 30 * 24 * 60 * 60;
int			smsr_unread_notice_retention = -1;

/*
 * smsr.recent_operations: for how long an operation that has ended stays in
 * smsr.operation.  smsr.message_retention, smsr.operation_retention,
 * smsr.history_retention, smsr.audit_retention: for how long messages,
 * operations that have ended, versions of the EIS and records of the audit trail
 * are kept at all; -1: for good.
 */
int			smsr_recent_operations = 30 * 24 * 60 * 60;
int			smsr_message_retention = -1;
int			smsr_operation_retention = -1;
int			smsr_history_retention = -1;
int			smsr_audit_retention = -1;

/*
 * smsr.maintain_checkpoint: whether smsr.maintain() takes a checkpoint of the
 * audit trail.
 */
bool		smsr_maintain_checkpoint = false;

/*
 * smsr.peer_message_retention: for how long messages between SM-SRs are kept
 * that nobody waits for any more.
 */
int			smsr_peer_message_retention = 30 * 24 * 60 * 60;

/*
 * smsr.retire_keys_after: for how long a card key set that another one has
 * superseded still opens what comes in.
 */
int			smsr_retire_keys_after = 7 * 24 * 60 * 60;

/*
 * smsr.put_key_form: how a key stands in PUT KEY.  GlobalPlatform 2.3.1 allows
 * both; which of them the cards of an EUM take is to be tried.
 */
int			smsr_put_key_form = PUT_KEY_WITH_LENGTH;

static const struct config_enum_entry put_key_form_options[] = {
	{"with_length", PUT_KEY_WITH_LENGTH, false},
	{"bare", PUT_KEY_BARE, false},
	{NULL, 0, false}
};

/*
 * smsr.delete_enabled: what deleting an enabled profile does: disable it first,
 * or refuse.
 */
int			smsr_delete_enabled = SMSR_DELETE_DISABLE_FIRST;

/*
 * smsr.key_directory: where files with keys may be that others than superusers
 * import; what a function says of any other file would tell what is in it.
 */
char	   *smsr_key_directory = NULL;

static const struct config_enum_entry delete_enabled_options[] = {
	{"disable_first", SMSR_DELETE_DISABLE_FIRST, false},
	{"refuse", SMSR_DELETE_REFUSE, false},
	{NULL, 0, false}
};

/*
 * smsr.eum_signature: whether an EIS must prove that its EUM made it.  Without
 * proof nobody knows that a key set is that of the eUICC it names.
 */
int			smsr_eum_signature = SMSR_EUM_SIGNATURE_REQUIRE;

static const struct config_enum_entry eum_signature_options[] = {
	{"require", SMSR_EUM_SIGNATURE_REQUIRE, false},
	{"verify_if_present", SMSR_EUM_SIGNATURE_VERIFY_IF_PRESENT, false},
	{"unchecked", SMSR_EUM_SIGNATURE_UNCHECKED, false},
	{NULL, 0, false}
};

/*
 * smsr.ecasd_issuer: whether tag 42 of an ECASD's certificate must be the EUM's
 * object identifier.  How certificates in the field name an EUM is not
 * established; the signature must be the EUM's in any case.
 */
int			smsr_ecasd_issuer = SMSR_ECASD_ISSUER_EUM_ID;

static const struct config_enum_entry ecasd_issuer_options[] = {
	{"eum_id", SMSR_ECASD_ISSUER_EUM_ID, false},
	{"any", SMSR_ECASD_ISSUER_ANY, false},
	{NULL, 0, false}
};

/*
 * smsr.eis_without_keys: whether an eUICC may be registered of which no key set
 * for a secure channel has keys yet, because they come by smsr.import_keys().
 * Annex E allows key sets without keys; until they are there nothing can be
 * sent to the card.
 */
int			smsr_eis_without_keys = SMSR_EIS_WITHOUT_KEYS_REFUSE;

static const struct config_enum_entry eis_without_keys_options[] = {
	{"refuse", SMSR_EIS_WITHOUT_KEYS_REFUSE, false},
	{"accept", SMSR_EIS_WITHOUT_KEYS_ACCEPT, false},
	{NULL, 0, false}
};

/*
 * smsr.core_files: whether a backend that has used a key may have a core file.
 * While it does so, key schedules are in memory that a core file would show.
 */
bool		smsr_core_files = false;

static void
assign_core_files(bool newval, void *extra)
{
	secure_allow_core_files(newval);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
check_spi(char **newval, void **extra, GucSource source)
{
	const char *spi = *newval;

	if (strlen(spi) != 4 ||
		hex_digit(spi[0]) < 0 || hex_digit(spi[1]) < 0 ||
		hex_digit(spi[2]) < 0 || hex_digit(spi[3]) < 0)
	{
		GUC_check_errdetail("The security parameter indicator is four hexadecimal digits.");
		return false;
	}
	return true;
}

static void
assign_spi(const char *newval, void *extra)
{
	smsr_spi1 = (uint8) (hex_digit(newval[0]) << 4 | hex_digit(newval[1]));
	smsr_spi2 = (uint8) (hex_digit(newval[2]) << 4 | hex_digit(newval[3]));
}

/* The form that smsr.party asks of an object identifier. */
static bool
check_sms_address(char **newval, void **extra, GucSource source)
{
	const char *digits = *newval + (**newval == '+');
	size_t		len = strlen(digits);

	if (**newval == '\0' || (len >= 1 && len <= 20 && strspn(digits, "0123456789") == len))
		return true;
	GUC_check_errdetail("It must be 1 to 20 digits, with + in front if the number is international.");
	return false;
}

static bool
check_smsr_id(char **newval, void **extra, GucSource source)
{
	const char *p = *newval;
	int			arcs = 0;

	if (p[0] >= '0' && p[0] <= '2' && p[1] == '.')
	{
		for (p++; *p == '.'; arcs++)
		{
			size_t		digits = strspn(p + 1, "0123456789");

			if (digits == 0 || (digits > 1 && p[1] == '0'))
				break;
			p += 1 + digits;
		}
	}
	if (arcs == 0 || *p != '\0')
	{
		GUC_check_errdetail("An object identifier is numbers joined by dots, such as 1.3.6.1.4.1.99999.9.");
		return false;
	}
	return true;
}

static bool
check_reason(char **newval, void **extra, GucSource source)
{
	if (pg_mbstrlen(*newval) > SMSR_REASON_MAX)
	{
		GUC_check_errdetail("A reason has at most %d characters.", SMSR_REASON_MAX);
		return false;
	}
	return true;
}

void
_PG_init(void)
{
	DefineCustomIntVariable("smsr.shard",
							"Number of this database among those that share a fleet.",
							"It is part of every id: no two shards may have the same.",
							&smsr_shard, 0, 0, 1023,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("smsr.forward_unknown",
							 "Keeps messages from numbers of no eUICC here for other shards.",
							 "For shards whose gateways share a number; whoever forwards them finds out whose they are.",
							 &smsr_forward_unknown, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("smsr.smsr_id",
							   "Object identifier of this SM-SR.",
							   NULL,
							   &smsr_smsr_id, "1.3.6.1.4.1.99999.9",
							   PGC_SIGHUP, 0, check_smsr_id, NULL, NULL);
	kek_define_parameters();
	DefineCustomStringVariable("smsr.key_directory",
							   "Directory of the files with keys that key officers import.",
							   "Empty: only superusers import keys from files.",
							   &smsr_key_directory, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("smsr.sms_address",
							   "Number that cards send their short messages to.",
							   "Cards that are taken over from another SM-SR are told so; empty: they are not.",
							   &smsr_sms_address, "",
							   PGC_SIGHUP, 0, check_sms_address, NULL, NULL);
	DefineCustomStringVariable("smsr.reason",
							   "Reason or ticket of what the session does.",
							   "It is kept with operations and in the audit trail.",
							   &smsr_reason, "",
							   PGC_USERSET, 0, check_reason, NULL, NULL);
	DefineCustomIntVariable("smsr.default_validity",
							"Validity period of operations that are requested without one.",
							NULL,
							&smsr_default_validity, 24 * 60 * 60, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.max_segments",
							"Most short messages that one packet may take.",
							NULL,
							&smsr_max_segments, 5, 1, 30,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.max_send_data",
							"Most octets that one call of send_data may have.",
							NULL,
							&smsr_max_send_data, 256 * 1024, 1, 1000 * 1000,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.more_to_do_timeout",
							"How long a session is kept open for the next piece of a download.",
							"When the SM-DP has said that there is more to do.",
							&smsr_more_to_do_timeout, 60, 0, 60 * 60,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.download_abandoned_after",
							"How long nobody goes on with a download before it counts as abandoned.",
							"smsr.incident shows it then.",
							&smsr_download_abandoned_after, 24 * 60 * 60, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomBoolVariable("smsr.delete_abandoned",
							 "Whether the ISD-P of an abandoned download is deleted.",
							 "smsr.tick() asks for it, as this SM-SR.",
							 &smsr_delete_abandoned, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.retry_initial",
							"Wait before the first re-transmission of an unanswered packet.",
							NULL,
							&smsr_retry_initial, 60, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.retry_max",
							"Longest wait between re-transmissions.",
							NULL,
							&smsr_retry_max, 60 * 60, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.https_hold",
							"Longest that a card's request over HTTPS waits for its answer while more is to come.",
							"Then the card is to ask again.",
							&smsr_https_hold, 20, 1, 3600,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.https_session_timeout",
							"How long after a card's last request over HTTPS its session is taken for lost.",
							NULL,
							&smsr_https_session_timeout, 300, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.tp_pid",
							"TP-PID of short messages to cards.",
							NULL,
							&smsr_tp_pid, 0x7F, 0, 255,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.tp_dcs",
							"TP-DCS of short messages to cards.",
							NULL,
							&smsr_tp_dcs, 0xF6, 0, 255,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("smsr.spi",
							   "Security parameter indicator of command packets, in hexadecimal.",
							   NULL,
							   &smsr_spi, "1639",
							   PGC_SUSET, 0, check_spi, assign_spi, NULL);
	DefineCustomIntVariable("smsr.notice_retention",
							"How long notices that were acknowledged are kept.",
							"smsr.maintain() removes those that are older.",
							&smsr_notice_retention, 30 * 24 * 60 * 60, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.unread_notice_retention",
							"How long notices that nobody has acknowledged are kept.",
							"smsr.maintain() removes those that are older, and says so; -1: none.",
							&smsr_unread_notice_retention, -1, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.peer_message_retention",
							"How long messages between SM-SRs are kept that nobody waits for any more.",
							"smsr.maintain() removes those that are older.",
							&smsr_peer_message_retention, 30 * 24 * 60 * 60, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.recent_operations",
							"How long an operation that has ended stays in smsr.operation.",
							"Then smsr.maintain() moves it to smsr.operation_history.",
							&smsr_recent_operations, 30 * 24 * 60 * 60, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.message_retention",
							"How long messages are kept.",
							"smsr.maintain() drops months that are older; -1: none.",
							&smsr_message_retention, -1, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.operation_retention",
							"How long operations that have ended are kept.",
							"smsr.maintain() drops months that are older; -1: none.",
							&smsr_operation_retention, -1, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.history_retention",
							"How long versions of profiles and EIS are kept.",
							"smsr.maintain() drops months that are older; -1: none.",
							&smsr_history_retention, -1, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.audit_retention",
							"How long records of the audit trail are kept.",
							"smsr.maintain() drops months that are older and that a sealed checkpoint covers; -1: none.",
							&smsr_audit_retention, -1, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomBoolVariable("smsr.maintain_checkpoint",
							 "Whether smsr.maintain() takes a checkpoint of the audit trail.",
							 "It waits for those who are recording.",
							 &smsr_maintain_checkpoint, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("smsr.retire_keys_after",
							"How long a card key set that was superseded still opens what comes in.",
							"Then it is revoked.",
							&smsr_retire_keys_after, 7 * 24 * 60 * 60, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomEnumVariable("smsr.put_key_form",
							 "How a key stands in PUT KEY.",
							 "With its length before the enciphered key, or the enciphered key alone.",
							 &smsr_put_key_form, PUT_KEY_WITH_LENGTH,
							 put_key_form_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("smsr.delete_enabled",
							 "What deleting an enabled profile does.",
							 NULL,
							 &smsr_delete_enabled, SMSR_DELETE_DISABLE_FIRST,
							 delete_enabled_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("smsr.eum_signature",
							 "Whether an EIS must be signed by its EUM.",
							 "Signed means: to a trusted CI, the ECASD's certificate included.",
							 &smsr_eum_signature, SMSR_EUM_SIGNATURE_REQUIRE,
							 eum_signature_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("smsr.ecasd_issuer",
							 "How the certificate of an ECASD must name its issuer.",
							 "By the EUM's object identifier, or in any way; the signature must be the EUM's.",
							 &smsr_ecasd_issuer, SMSR_ECASD_ISSUER_EUM_ID,
							 ecasd_issuer_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("smsr.eis_without_keys",
							 "Whether an eUICC may be registered before its keys are there.",
							 "They come by smsr.import_keys() then; until that nothing is done with it.",
							 &smsr_eis_without_keys, SMSR_EIS_WITHOUT_KEYS_REFUSE,
							 eis_without_keys_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("smsr.core_files",
							 "Whether a backend that has used a key may leave a core file.",
							 "In the middle of a transaction it would show keys; this is for debugging.",
							 &smsr_core_files, false,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, assign_core_files, NULL);

	MarkGUCPrefixReserved("smsr");
	smsr_guard_plans_init();
}

/* That this function is called has loaded the library, and so made the parameters. */
Datum
smsr_setting(PG_FUNCTION_ARGS)
{
	char	   *name = psprintf("smsr.%s", text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_TEXT_P(cstring_to_text(GetConfigOptionByName(name, NULL, false)));
}
