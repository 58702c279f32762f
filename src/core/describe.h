/*
 * describe.h
 *		Scripts, their answers and notifications in one line of words.
 */
#ifndef SMSR_DESCRIBE_H
#define SMSR_DESCRIBE_H

#include "bytes.h"

/*
 * Write what secured data says, as text without a NUL, into out: a command
 * script, a response script, a default notification or what has a card open a
 * session.  What is none of them,
 * or can not be read to its end, is said so; nothing is an error.  Text that
 * does not fit is cut.
 */
extern void describe(SmsrBytes data, SmsrWriter *out);

#endif							/* SMSR_DESCRIBE_H */
