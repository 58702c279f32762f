/*
 * https_agent.h
 *		The administration agent of a card (GlobalPlatform Amendment B clause 3,
 *		SGP.02 clause 2.4.4): it opens a session when it is told to, or of its own
 *		accord, and asks for scripts until there are none.
 */
#ifndef FLEET_HTTPS_AGENT_H
#define FLEET_HTTPS_AGENT_H

#include "fleet.h"

/* Without them triggers are counted, and nothing else happens. */
extern void https_begin(Fleet *fleet);
extern void https_end(Fleet *fleet);

/* Becomes readable when something has happened on a connection. */
extern int	https_fd(const Fleet *fleet);
extern void https_serve(Fleet *fleet);

/* Secured data that is no script. */
extern void https_trigger(Fleet *fleet, Card *card, SmsrBytes data);

/*
 * The card calls in, with a notification if there are octets of one; false: it
 * can not, or is in a session.
 */
extern bool https_call(Fleet *fleet, Card *card, SmsrBytes notification);

/* The device was switched off: the connection is gone. */
extern void https_power_off(Fleet *fleet, Card *card);

/* Nothing of a session is left, as after a restore. */
extern void https_forget(Fleet *fleet, Card *card);

extern unsigned https_sessions(const Fleet *fleet); /* how many there are */
extern void https_describe(const Card *card, Text *out);

#endif							/* FLEET_HTTPS_AGENT_H */
