/*
 * guc.h
 *		Configuration parameters; smsr.c defines and explains them.  Those of the
 *		key encryption key are kek.c's own.
 */
#ifndef SMSR_GUC_H
#define SMSR_GUC_H

#define SMSR_REASON_MAX		255

typedef enum SmsrDeleteEnabled
{
	SMSR_DELETE_DISABLE_FIRST,
	SMSR_DELETE_REFUSE
} SmsrDeleteEnabled;

typedef enum SmsrEumSignature
{
	SMSR_EUM_SIGNATURE_REQUIRE,
	SMSR_EUM_SIGNATURE_VERIFY_IF_PRESENT,
	SMSR_EUM_SIGNATURE_UNCHECKED
} SmsrEumSignature;

typedef enum SmsrEcasdIssuer
{
	SMSR_ECASD_ISSUER_EUM_ID,
	SMSR_ECASD_ISSUER_ANY
} SmsrEcasdIssuer;

typedef enum SmsrEisWithoutKeys
{
	SMSR_EIS_WITHOUT_KEYS_REFUSE,
	SMSR_EIS_WITHOUT_KEYS_ACCEPT
} SmsrEisWithoutKeys;

extern char *smsr_key_directory;
extern int	smsr_shard;
extern bool smsr_forward_unknown;
extern char *smsr_smsr_id;
extern char *smsr_sms_address;
extern char *smsr_reason;		/* at most SMSR_REASON_MAX characters */
extern int	smsr_default_validity;	/* seconds */
extern int	smsr_max_segments;
extern int	smsr_max_send_data; /* octets */
extern int	smsr_more_to_do_timeout;	/* seconds */
extern int	smsr_download_abandoned_after;	/* seconds */
extern bool smsr_delete_abandoned;
extern int	smsr_retry_initial; /* seconds */
extern int	smsr_retry_max;		/* seconds */
extern int	smsr_tp_pid;
extern int	smsr_tp_dcs;
extern int	smsr_notice_retention;	/* seconds */
extern int	smsr_unread_notice_retention;	/* seconds, or -1 */
extern int	smsr_recent_operations; /* seconds */
extern int	smsr_message_retention; /* seconds, or -1 */
extern int	smsr_operation_retention;	/* seconds, or -1 */
extern int	smsr_history_retention; /* seconds, or -1 */
extern int	smsr_audit_retention;	/* seconds, or -1 */
extern bool smsr_maintain_checkpoint;
extern int	smsr_peer_message_retention;	/* seconds */
extern int	smsr_retire_keys_after;	/* seconds */
extern int	smsr_put_key_form;	/* PutKeyForm of core */
extern char *smsr_spi;			/* four hexadecimal digits */
extern uint8 smsr_spi1;			/* the same as octets */
extern uint8 smsr_spi2;
extern int	smsr_delete_enabled;	/* SmsrDeleteEnabled */
extern int	smsr_eum_signature; /* SmsrEumSignature */
extern int	smsr_eis_without_keys;	/* SmsrEisWithoutKeys */
extern int	smsr_ecasd_issuer;	/* SmsrEcasdIssuer */
extern bool smsr_core_files;

#endif							/* SMSR_GUC_H */
