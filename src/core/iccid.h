/*
 * iccid.h
 *		ICCID: 19 or 20 decimal digits (ITU-T E.118), kept as 10 octets of BCD,
 *		most significant digit first, with F as filler of the 19-digit form.
 *
 * The order of nibbles is that of the digits, not the swapped one of EF.ICCID:
 * octet order is then digit order.  The Luhn digit is not enforced: SGP.02 does
 * not ask an SM-SR to, and cards with a wrong one are in the field.
 */
#ifndef SMSR_ICCID_H
#define SMSR_ICCID_H

#include "error.h"

#define ICCID_LEN		10
#define ICCID_DIGITS	20

/* A trailing F or f after 19 digits is accepted. */
extern bool iccid_parse(const char *text, size_t len, uint8_t iccid[ICCID_LEN], SmsrError *error);
extern bool iccid_check(const uint8_t iccid[ICCID_LEN], SmsrError *error);
/* Writes 19 or 20 digits and a NUL. */
extern void iccid_format(const uint8_t iccid[ICCID_LEN], char text[ICCID_DIGITS + 1]);
/* Whether the last digit is the Luhn digit of those before it. */
extern bool iccid_luhn_ok(const uint8_t iccid[ICCID_LEN]);

#endif							/* SMSR_ICCID_H */
