/*
 * client.h
 *	  One TLS connection that a card has opened, from accept to close.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "config.h"
#include "pool.h"
#include "tls.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

typedef TAILQ_HEAD(ClientList, Client) ClientList;

/* what the connections of one [https NAME] share */
typedef struct Endpoint
{
	char	   *name;
	const HttpsConfig *config;
	TlsServer  *tls;
	int			listener;		/* -1: closed */
	int			epoll;			/* of all endpoints */
	bool		draining;
	int64_t		accept_at;		/* no more before then */
	int64_t		said_full_at;
	int64_t		said_late_at;
	int64_t		bell_at;		/* when the doorbell last rang */
	int64_t		poll_interval;
	ClientList	arriving;		/* whose handshake is not done, the oldest first */
	ClientList	clients;
	int			count;
	int			held;
} Endpoint;

/* takes the socket */
extern void client_new(Endpoint *endpoint, int fd, const char *peer);

/* each of these may be the end of the client */
extern void client_ready(Client *client, uint32_t events);
extern void client_answered(Client *client, AskKind kind, const PGresult *result, bool lost);
extern void client_sweep(Client *client, int64_t now);
extern void client_drain(Client *client);
extern void client_abandon(Client *client);

/* whether one whose handshake is not done may have to make room for another; and its end */
extern bool client_may_go(const Client *client, int64_t now);
extern void client_evict(Client *client);

extern Client *client_next(const Client *client);

/* whether it still has something to say or to hear */
extern bool client_busy(const Client *client);

#endif							/* CLIENT_H */
