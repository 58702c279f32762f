/*
 * pool.h
 *	  The connections over which requests of HTTPS clients reach the database.
 *
 * Two connections look up keys, so that a handshake waits for no request; some
 * more carry the requests, each one at a time.
 */
#ifndef POOL_H
#define POOL_H

#include "config.h"
#include "database.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

typedef struct Client Client;

typedef enum AskKind
{
	ASK_KEY,
	ASK_REQUEST,
	ASK_NEXT,
	ASK_CLOSED
} AskKind;

/* the answer to the last request was made, and none of it was given to the socket */
#define REASON_NOT_SENT "answer not sent"

/* token of a TLS connection, as text */
#define SESSION_TOKEN 33

/* What the database is asked; what it does not own lives as long as it waits. */
typedef struct Ask
{
	AskKind		kind;
	Client	   *client;			/* NULL: nobody waits for the answer any more */
	char	   *identity;
	char		session[SESSION_TOKEN];
	const char *endpoint;
	/* of a request */
	char	   *method;
	char	   *target;
	char	   *headers;
	Buffer		body;
	/* of an end */
	const char *reason;

	bool		in_flight;
	bool		tell_end;		/* the client ended meanwhile: its end follows the answer */
	int			tries;
	int64_t		retry_at;
	TAILQ_ENTRY(Ask) link;
} Ask;

/*
 * What the client is told.  With no result the database was not asked, refused,
 * or nobody knows (lost).
 */
typedef void (*PoolAnswer) (Client *client, AskKind kind, const PGresult *result, bool lost);

extern void pool_start(const Config *config, PoolAnswer answer, void (*bell) (void));
extern void pool_stop(void);
extern void pool_reconfigure(const Config *config);

extern Ask *ask_new(AskKind kind, Client *client, const char *identity, const char *session, const char *endpoint);

/* takes the question; the answer comes later, never from within */
extern void pool_ask(Ask *ask);

/* The client has ended; 'reason' is told to the database after all it asked. */
extern void pool_forget(Ask *ask, const char *reason);

/* what is not answered yet, ends of sessions included */
extern size_t pool_waiting(void);

extern int	pool_sockets(struct pollfd *fds);
extern void pool_ready(const struct pollfd *fds);
extern void pool_step(int64_t now);
extern int64_t pool_deadline(void);

/* most that pool_sockets() fills */
#define POOL_SOCKETS (CONFIG_HTTPS_CONNECTIONS + 2)

#endif							/* POOL_H */
