/*
 * https_session.h
 *		What a session is while it lasts.  https_agent.c has the connections and the
 *		time, https_exchange.c what is said.
 */
#ifndef FLEET_HTTPS_SESSION_H
#define FLEET_HTTPS_SESSION_H

#include <netinet/in.h>

#include "core/admin_http.h"
#include "fleet.h"
#include "http_reader.h"
#include "https_link.h"

#define AGENT_TEXT_MAX		256

typedef enum AgentState
{
	AGENT_WAITING,				/* for the time of the next try */
	AGENT_CONNECTING,
	AGENT_ASKED,				/* a POST has left */
	AGENT_PAUSING
} AgentState;

struct HttpsAgent
{
	uint8_t		state;			/* AgentState */
	bool		armed;			/* a timer runs */
	uint8_t		break_point;
	uint32_t	break_at;
	bool		break_after;	/* the fault: when the next script is executed */
	uint8_t		kvn;
	uint8_t		key_id;
	uint16_t	retries;
	uint16_t	failures;		/* in succession */
	uint64_t	retry_delay;
	uint64_t	wake;			/* when something is to happen, if nothing does before */
	uint64_t	armed_at;
	struct sockaddr_storage address;
	socklen_t	address_len;
	char		host[AGENT_TEXT_MAX];
	char		identity[AGENT_TEXT_MAX];
	/* the POST that is not answered yet */
	char	   *uri;
	bool		answers;		/* it is the answer to a script */
	AdminScriptStatus status;
	Text		body;
	HttpsLink	link;
	HttpsLink	silent;			/* the one before, if nobody has told the server that it is over */
	HttpReader	reader;
	uint32_t	connections;
	uint32_t	requests;
	uint32_t	requests_here;	/* of this connection */
	uint32_t	scripts;
	uint32_t	scripts_here;
};

/* https_agent.c: when something is to happen if nothing does before */
extern void session_wake(Fleet *fleet, Card *card, uint64_t when);
/* Draws of faults, one behind the other */
extern Rng	session_draw(Fleet *fleet, Card *card);
/* It has ended before its time: another try, or none; "counts": it has failed. */
extern void session_lost(Fleet *fleet, Card *card, bool counts);
/* It goes on over another connection, at once. */
extern void session_reconnect(Fleet *fleet, Card *card);
extern void session_end(Fleet *fleet, Card *card, LinkEnd how);

/*
 * https_exchange.c.  Both may end the session, or leave it waiting for another
 * connection.
 */
extern void exchange_post(Fleet *fleet, Card *card);
extern void exchange_read(Fleet *fleet, Card *card);

#endif							/* FLEET_HTTPS_SESSION_H */
