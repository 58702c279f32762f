/*
 * report.h
 *		Errors of core in PostgreSQL's words.
 */
#ifndef SMSR_REPORT_H
#define SMSR_REPORT_H

#include "core/error.h"

/*
 * An input that can not be parsed: `invalid <what>: <field> at octet <n>`, class
 * 22.  None of these prints an octet of the input: it may be a key or payload.
 */
extern _Noreturn void smsr_report(const SmsrError *error, const char *what);

/* Arguments that nothing can be built from: `could not build <what>: <field>`. */
extern _Noreturn void smsr_report_build(const SmsrError *error, const char *what);

/* Arguments that an input can not be opened with: `could not open <what>: <field>`. */
extern _Noreturn void smsr_report_open(const SmsrError *error, const char *what);

/*
 * What core found and what it expected, for an errdetail of one's own; the
 * second also says where, for inputs that are read as text.
 */
extern const char *smsr_error_detail(const SmsrError *error);
extern const char *smsr_text_error_detail(const SmsrError *error);

/* SMSR_CRYPTO, or an allocation of libcrypto's that failed */
extern _Noreturn void smsr_report_crypto(const char *what);

#endif							/* SMSR_REPORT_H */
