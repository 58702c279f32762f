/*
 * session_trigger.h
 *		The administration session trigger (GlobalPlatform Amendment B clauses 3.7
 *		and 3.8): the secured data of a short message that has a card open an
 *		HTTPS session with the SM-SR.
 */
#ifndef SMSR_SESSION_TRIGGER_H
#define SMSR_SESSION_TRIGGER_H

#include "bytes.h"
#include "connection.h"
#include "error.h"

#define TRIGGER_TEXT_MAX	255 /* octets of host, agent and URI each */

typedef struct SessionTrigger
{
	Connection	connection;
	SmsrBytes	psk_identity;	/* empty: what the card has stored */
	uint8_t		kvn;			/* of the key for TLS; stand with psk_identity */
	uint8_t		key_id;
	bool		has_retry;
	uint16_t	retries;
	uint32_t	retry_delay;	/* seconds, less than 100 hours */
	SmsrBytes	failure_report; /* value of the object that reports a failure; empty: none */
	SmsrBytes	host;			/* value of the HTTP header Host */
	SmsrBytes	agent_id;		/* of X-Admin-From */
	SmsrBytes	uri;			/* of the first POST */
} SessionTrigger;

/*
 * Append the trigger.  One that says nothing is 81 00: a session as the card has
 * it stored.
 */
extern bool session_trigger_write(const SessionTrigger *trigger, SmsrWriter *w, SmsrError *error);

/* The card's side; name as for connection_read(). */
extern bool session_trigger_read(SmsrBytes data, char name[ACCESS_NAME_MAX], SessionTrigger *trigger,
								 SmsrError *error);

#endif							/* SMSR_SESSION_TRIGGER_H */
