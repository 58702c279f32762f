/*
 * address.h
 *		A telephone number as a card stores where its short messages go: the
 *		coding of TP-DA (3GPP TS 23.040 clause 9.1.2.5).
 *
 * That SGP.02's addressing parameters have this coding, its count of digits
 * included, is of medium confidence: one SM-SR writes the count of octets, and
 * there may be cards that want none.  What differs is to be changed here.
 */
#ifndef SMSR_ADDRESS_H
#define SMSR_ADDRESS_H

#include "bytes.h"
#include "error.h"

#define ADDRESS_MAX_DIGITS	20
#define ADDRESS_MAX_LEN		(2 + ADDRESS_MAX_DIGITS / 2)

/*
 * Digits, with a + before them if the number is international.  Appends the
 * count of digits, type of address and the digits as swapped BCD.
 */
extern bool address_write(const char *text, size_t len, SmsrWriter *w, SmsrError *error);

#endif							/* SMSR_ADDRESS_H */
