/*
 * status.h
 *	  SMPP command_status values: their names, words, and what to do.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdint.h>

typedef enum StatusVerdict
{
	VERDICT_OK,
	VERDICT_THROTTLED,			/* slow down, try this message again */
	VERDICT_MISCONFIGURED,		/* every message would fail: pause, try again */
	VERDICT_TEMPORARY,			/* try this message again */
	VERDICT_PERMANENT			/* this message will never be taken */
} StatusVerdict;

extern StatusVerdict status_verdict(uint32_t status);

/* "ESME_RINVPASWD (Invalid Password)", in a static buffer */
extern const char *status_words(uint32_t status);

#endif							/* STATUS_H */
