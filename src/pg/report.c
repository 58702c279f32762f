/*
 * report.c
 *		Errors of core in PostgreSQL's words.
 */
#include "postgres.h"

#include <openssl/err.h>

#include "pg/report.h"

const char *
smsr_error_detail(const SmsrError *error)
{
	char	   *detail = psprintf("%s: expected %s.",
								  smsr_error_name(error->code), error->expected);

	detail[0] = pg_toupper((unsigned char) detail[0]);
	return detail;
}

const char *
smsr_text_error_detail(const SmsrError *error)
{
	char	   *detail = psprintf("%s of %s at character %zu: expected %s.",
								  smsr_error_name(error->code), error->field,
								  error->offset + 1, error->expected);

	detail[0] = pg_toupper((unsigned char) detail[0]);
	return detail;
}

void
smsr_report(const SmsrError *error, const char *what)
{
	if (error->code == SMSR_CRYPTO)
		smsr_report_crypto(error->field);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid %s: %s at octet %zu", what, error->field, error->offset),
			 error->expected ? errdetail_internal("%s", smsr_error_detail(error)) : 0));
}

void
smsr_report_build(const SmsrError *error, const char *what)
{
	if (error->code == SMSR_CRYPTO)
		smsr_report_crypto(error->field);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("could not build %s: %s", what, error->field),
			 error->expected ? errdetail_internal("%s", smsr_error_detail(error)) : 0));
}

void
smsr_report_open(const SmsrError *error, const char *what)
{
	if (error->code == SMSR_CRYPTO)
		smsr_report_crypto(error->field);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("could not open %s: %s", what, error->field),
			 error->expected ? errdetail_internal("%s", smsr_error_detail(error)) : 0));
}

void
smsr_report_crypto(const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	/* the reason is static, and the queue must not outlive this error */
	ERR_clear_error();
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("libcrypto failed: %s", reason ? reason : "no reason given"),
			 what ? errdetail("While at work on %s.", what) : 0));
}
