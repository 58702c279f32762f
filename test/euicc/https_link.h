/*
 * https_link.h
 *		One connection of a card to an administration server, and where it breaks.
 */
#ifndef FLEET_HTTPS_LINK_H
#define FLEET_HTTPS_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "tls_session.h"

#define LINK_NEVER			UINT64_MAX

typedef enum LinkState
{
	LINK_NONE,
	LINK_HANDSHAKE,				/* of TCP, then of TLS */
	LINK_OPEN,
	LINK_CLOSED,				/* by the other side, as it should be */
	LINK_FAILED,				/* refused, reset, or without a word */
	LINK_BROKEN					/* here, at the octet that was asked for */
} LinkState;

typedef struct HttpsLink
{
	int			fd;
	uint8_t		state;			/* LinkState */
	bool		stalled;		/* nothing is read or sent */
	TlsSession *tls;
	Text		out;			/* octets to be sent */
	size_t		out_sent;
	Text		in;				/* text that nobody has taken */
	uint64_t	sent;			/* octets of the connection so far */
	uint64_t	received;
	uint64_t	break_sent;		/* where it breaks: octets, or LINK_NEVER */
	uint64_t	break_received;
	uint64_t	stall_sent;
} HttpsLink;

/* Takes over tls.  Events come from epoll, edge-triggered, with "who" as their data. */
extern void https_link_open(HttpsLink *link, int epoll, void *who, const struct sockaddr *address,
							socklen_t len, TlsSession *tls);

/* Text to the other side, which is sent by the next https_link_progress(). */
extern void https_link_write(HttpsLink *link, SmsrBytes text);

/* Send and read what goes. */
extern void https_link_progress(HttpsLink *link);

/* Politely: with the alert that TLS has for it.  Else by FIN, or by RST. */
typedef enum LinkEnd
{
	LINK_END_POLITE,
	LINK_END_FIN,
	LINK_END_RST
} LinkEnd;

extern void https_link_close(HttpsLink *link, LinkEnd end);

#endif							/* FLEET_HTTPS_LINK_H */
