/*
 * eid.h
 *		EID: 32 decimal digits, 16 octets of BCD, most significant digit first
 *		(SGP.02 clause 2.2.2).
 */
#ifndef SMSR_EID_H
#define SMSR_EID_H

#include "error.h"

#define EID_LEN			16
#define EID_DIGITS		32

/*
 * Read EID_DIGITS digits.  Checked: length, digits, the leading 89, and the
 * check digits (ISO/IEC 7064 MOD 97-10).  Country and issuer are not: SGP.29
 * splits these digits differently.
 */
extern bool eid_parse(const char *text, size_t len, uint8_t eid[EID_LEN], SmsrError *error);
/* The same checks on packed octets. */
extern bool eid_check(const uint8_t eid[EID_LEN], SmsrError *error);
/* Writes EID_DIGITS digits and a NUL. */
extern void eid_format(const uint8_t eid[EID_LEN], char text[EID_DIGITS + 1]);
/* Put the right check digits into the last octet. */
extern void eid_set_check_digits(uint8_t eid[EID_LEN]);

#endif							/* SMSR_EID_H */
