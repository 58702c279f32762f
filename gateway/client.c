/*
 * client.c
 *	  One TLS connection that a card has opened, from accept to close.
 *
 * One request at a time: what a client sends before it has its answer stays in
 * the socket.  Every state has a deadline that no octet moves, so that nobody
 * holds a connection by being slow.
 */
#include "client.h"
#include "clock.h"
#include "log.h"
#include "memory.h"
#include "request.h"
#include "response.h"
#include "statistics.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* a handshake that may have to make room: a card's takes a second or two */
#define EVICTION_AGE 3000
/* how often to complain of the database */
#define SAY_LATE 10000
/* how long a peer has to hear our good-bye */
#define LINGER 2000
/* a bell may ring for every packet; an answer is worth so long a wait */
#define BELL_DELAY 20
/* held requests that are asked again, at most: one a millisecond, all together */
#define HELD_PACE 1

/* why a session ended, as the database is told (doc/gateway.md) */
#define REASON_PEER "closed by the card"
#define REASON_BROKEN "connection broken"
#define REASON_IDLE "idle"
#define REASON_SLOW "too slow"
#define REASON_REFUSED "request refused"
#define REASON_DATABASE "database away"
#define REASON_DONE "done"
#define REASON_STOP "gateway stops"

typedef enum ClientState
{
	CLIENT_HANDSHAKE,
	CLIENT_LOOKUP,				/* the handshake waits for its key */
	CLIENT_READING,				/* between requests or within one */
	CLIENT_ASKING,				/* the database has the request */
	CLIENT_HELD,				/* the database has nothing to say yet */
	CLIENT_WRITING,
	CLIENT_CLOSING				/* we have said good-bye */
} ClientState;

struct Client
{
	TAILQ_ENTRY(Client) link;
	Endpoint   *endpoint;
	ClientState state;
	int			fd;
	uint32_t	watched;
	Tls		   *tls;
	bool		arrived;		/* its handshake is done */
	bool		known;			/* there is a session whose end the database should hear of */
	bool		last;			/* close after the answer */
	bool		interim;		/* what is written is no answer yet: 100 Continue */
	bool		starved;		/* the handshake waits for others to have their keys */
	bool		answer_left;	/* some of it was given to the socket */
	const char *reason;			/* why it is the last answer */
	Request		request;
	Buffer		rest;			/* octets behind the request that is answered */
	Buffer		out;
	Ask		   *ask;
	int64_t		deadline;
	int64_t		arrived_at;
	int64_t		asked_at;
	int64_t		ask_at;			/* of what is held */
	char		session[SESSION_TOKEN];
	char		peer[64];
};

/* one thread, one turn at a time */
static uint8_t scratch[16384];

static void go(Client *client);

Client *
client_next(const Client *client)
{
	return TAILQ_NEXT(client, link);
}

bool
client_busy(const Client *client)
{
	return client->state != CLIENT_CLOSING;
}

static void
watch(Client *client, uint32_t events)
{
	struct epoll_event event = {.events = events,.data.ptr = client};

	if (client->watched == events)
		return;
	client->watched = events;
	epoll_ctl(client->endpoint->epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static void
enter(Client *client, ClientState state, int64_t timeout)
{
	client->endpoint->held += (state == CLIENT_HELD) - (client->state == CLIENT_HELD);
	client->state = state;
	client->deadline = clock_now() + timeout;
}

/* The database hears of the end once, and after all that it was asked. */
static void
tell_end(Client *client, const char *reason)
{
	bool		known = client->known;
	Ask		   *ask = client->ask;

	client->known = false;
	client->ask = NULL;
	if (known)
		statistics.ends++;
	if (ask)
		pool_forget(ask, known ? reason : NULL);
	else if (known)
	{
		ask = ask_new(ASK_CLOSED, NULL, tls_identity(client->tls), client->session, client->endpoint->name);
		ask->reason = reason;
		pool_ask(ask);
	}
}

static void
end(Client *client, const char *reason)
{
	Endpoint   *endpoint = client->endpoint;

	if (client->state != CLIENT_CLOSING)
		log_debug("https %s: %s: session %.8s ends: %s", endpoint->name, client->peer, client->session, reason);
	if (!client->arrived)
		statistics.handshakes_failed++;
	tell_end(client, reason);
	enter(client, CLIENT_CLOSING, 0);
	tls_free(client->tls);
	close(client->fd);
	TAILQ_REMOVE(client->arrived ? &endpoint->clients : &endpoint->arriving, client, link);
	endpoint->count--;
	request_free(&client->request);
	buffer_free(&client->rest);
	buffer_free(&client->out);
	free(client);
}

/*
 * Nothing more from us.  The socket stays open until the peer has closed its side:
 * octets that nobody has read would make the kernel take back the last answer.
 */
static void
say_goodbye(Client *client, const char *reason)
{
	log_debug("https %s: %s: session %.8s is closed: %s", client->endpoint->name, client->peer, client->session, reason);
	tell_end(client, reason);
	tls_close(client->tls);
	shutdown(client->fd, SHUT_WR);
	request_free(&client->request);
	buffer_free(&client->rest);
	buffer_free(&client->out);
	enter(client, CLIENT_CLOSING, LINGER);
	watch(client, EPOLLIN);
}

void
client_new(Endpoint *endpoint, int fd, const char *peer)
{
	Client	   *client = memory_new(sizeof(Client));
	struct epoll_event event = {.events = EPOLLIN,.data.ptr = client};
	uint8_t		token[(SESSION_TOKEN - 1) / 2];

	client->endpoint = endpoint;
	client->fd = fd;
	client->watched = EPOLLIN;
	client->tls = tls_new(endpoint->tls, fd);
	if (client->tls == NULL || RAND_bytes(token, sizeof(token)) != 1 ||
		epoll_ctl(endpoint->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
	{
		log_error("https %s: a connection cannot be served", endpoint->name);
		if (client->tls)
			tls_free(client->tls);
		close(fd);
		free(client);
		return;
	}
	for (size_t i = 0; i < sizeof(token); i++)
		snprintf(client->session + 2 * i, 3, "%02x", token[i]);
	snprintf(client->peer, sizeof(client->peer), "%s", peer);
	request_init(&client->request, (size_t) endpoint->config->header_limit, (size_t) endpoint->config->body_limit);
	statistics.connections++;
	endpoint->count++;
	TAILQ_INSERT_TAIL(&endpoint->arriving, client, link);
	client->arrived_at = clock_now();
	enter(client, CLIENT_HANDSHAKE, endpoint->config->handshake_timeout);
}

/*
 * answers
 */

static void
begin_writing(Client *client)
{
	enter(client, CLIENT_WRITING, client->endpoint->config->request_timeout);
	client->answer_left = false;
}

/* an answer of our own; after it the connection ends */
static void
refuse(Client *client, int status, const char *reason)
{
	statistics.refusals++;
	client->last = true;
	client->reason = reason;
	response_refusal(&client->out, status);
	begin_writing(client);
}

/* What the database wants to be answered; false: it cannot be. */
static bool
build_answer(Client *client, const PGresult *result)
{
	int			rows = PQntuples(result);
	int			status = rows > 0 ? result_int4(result, 0, 0) : 0;
	const void *body = NULL;
	size_t		length = 0;

	if (status < 200 || status > 599)
		return false;
	response_begin(&client->out, status);
	for (int row = 0; row < rows; row++)
	{
		const char *name = PQgetvalue(result, row, 2);
		const char *value = PQgetvalue(result, row, 3);

		if (PQgetisnull(result, row, 2))
			continue;
		/* the database may end the session so, and gives no other header that is ours */
		if (strcasecmp(name, "Connection") == 0 && strcasecmp(value, "close") == 0)
			client->last = true;
		else if (!response_header(&client->out, name, value))
			return false;
	}
	if (!PQgetisnull(result, 0, 4) && strcmp(client->request.method, "HEAD") != 0)
	{
		body = PQgetvalue(result, 0, 4);
		length = (size_t) PQgetlength(result, 0, 4);
	}
	if (status >= 400 || client->request.close || client->endpoint->draining)
		client->last = true;
	if (client->reason == NULL)
		client->reason = status >= 400 ? REASON_REFUSED : REASON_DONE;
	if (status >= 400)
		statistics.refusals++;
	else
		statistics.answers++;
	response_end(&client->out, status, client->last, body, length,
				 client->request.old ? 0 : (size_t) client->endpoint->config->record_size);
	log_debug("https %s: %s: session %.8s is answered %d, %zu octets", client->endpoint->name, client->peer,
			  client->session, status, length);
	return true;
}

/* when to ask again for what is held */
static int64_t
held_pause(const Endpoint *endpoint)
{
	int64_t		fair = (int64_t) endpoint->held * HELD_PACE;

	return endpoint->poll_interval > fair ? endpoint->poll_interval : fair;
}

static void
take_answer(Client *client, const PGresult *result, bool lost)
{
	const Endpoint *endpoint = client->endpoint;

	if (result == NULL)
		refuse(client, lost ? 503 : 500, REASON_DATABASE);
	else if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 1))
	{
		int64_t		hold = result_int8(result, 0, 1);

		if (endpoint->draining)
		{
			say_goodbye(client, REASON_STOP);
			return;
		}

		statistics.held += client->state == CLIENT_ASKING;
		enter(client, CLIENT_HELD, (hold > 0 ? hold : 0) + endpoint->config->request_timeout);
		client->ask_at = clock_now() + (hold > 0 && hold < held_pause(endpoint) ? hold : held_pause(endpoint));
		/* the bell has rung since: it may have been for this one */
		if (endpoint->bell_at >= client->asked_at)
			client->ask_at = clock_now() + BELL_DELAY;
		watch(client, EPOLLRDHUP);
		return;
	}
	else if (!build_answer(client, result))
	{
		log_error("https %s: the database's answer is no HTTP response", endpoint->name);
		buffer_clear(&client->out);
		refuse(client, 500, REASON_DATABASE);
	}
	else
		begin_writing(client);
	go(client);
}

void
client_answered(Client *client, AskKind kind, const PGresult *result, bool lost)
{
	client->ask = NULL;
	if (kind != ASK_KEY)
	{
		take_answer(client, result, lost);
		return;
	}
	if (result && PQntuples(result) == 1 && !PQgetisnull(result, 0, 0))
		tls_set_key(client->tls, PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0));
	else
		tls_set_key(client->tls, NULL, 0);
	/* not enter(): the whole handshake has one deadline */
	client->state = CLIENT_HANDSHAKE;
	go(client);
}

/*
 * questions
 */

static void
ask(Client *client, AskKind kind)
{
	client->ask = ask_new(kind, client, tls_identity(client->tls), client->session, client->endpoint->name);
	client->asked_at = clock_now();
	if (kind == ASK_REQUEST)
	{
		client->ask->method = memory_text(client->request.method);
		client->ask->target = memory_text(client->request.target);
		client->ask->headers = memory_text(client->request.headers);
		client->ask->body = client->request.body;
		memset(&client->request.body, 0, sizeof(client->request.body));
	}
	/* a peer that hangs up is seen, what it sends is not read */
	watch(client, EPOLLRDHUP);
	pool_ask(client->ask);
}

/* a whole request, or what cannot be one */
static void
end_request(Client *client)
{
	Request    *request = &client->request;

	statistics.requests++;
	if (request->state == REQUEST_REFUSED)
	{
		log_debug("https %s: %s: session %.8s: request refused with %d: %s", client->endpoint->name, client->peer,
				  client->session, request->status, request->fault);
		refuse(client, request->status, REASON_REFUSED);
		return;
	}
	log_debug("https %s: %s: session %.8s: %s, target of %zu, body of %zu octets", client->endpoint->name, client->peer,
			  client->session, request->method, strlen(request->target), request->body.length);
	enter(client, CLIENT_ASKING, client->endpoint->config->request_timeout);
	ask(client, ASK_REQUEST);
}

/*
 * the connection; each step says whether another may follow at once
 */

static bool
step_handshake(Client *client)
{
	client->starved = false;
	switch (tls_handshake(client->tls))
	{
		case TLS_DONE:
			statistics.handshakes++;
			client->arrived = client->known = true;
			TAILQ_REMOVE(&client->endpoint->arriving, client, link);
			TAILQ_INSERT_TAIL(&client->endpoint->clients, client, link);
			log_debug("https %s: %s: session %.8s with %s", client->endpoint->name, client->peer, client->session,
					  tls_suite(client->tls));
			enter(client, CLIENT_READING, client->endpoint->config->idle_timeout);
			return true;
		case TLS_WANT_READ:
			watch(client, EPOLLIN);
			return false;
		case TLS_WANT_WRITE:
			watch(client, EPOLLOUT);
			return false;
		case TLS_WANT_KEY:
			client->state = CLIENT_LOOKUP;
			ask(client, ASK_KEY);
			return false;
		case TLS_WANT_ROOM:
			client->starved = true;
			watch(client, EPOLLRDHUP);
			return false;
		case TLS_ENDED:
			end(client, REASON_PEER);
			return false;
		default:
			log_debug("https %s: %s: handshake failed: %s", client->endpoint->name, client->peer, tls_reason(client->tls));
			end(client, REASON_BROKEN);
			return false;
	}
}

/* octets for the request, from where the last one ended or from the socket */
static bool
step_reading(Client *client)
{
	Request    *request = &client->request;
	bool		begun = request_begun(request);
	size_t		length;
	size_t		used;

	if (client->rest.length > 0)
	{
		used = request_read(request, buffer_bytes(&client->rest), client->rest.length);
		buffer_consume(&client->rest, used);
		if (client->rest.length == 0)
			buffer_free(&client->rest);
	}
	else
	{
		switch (tls_read(client->tls, scratch, sizeof(scratch), &length))
		{
			case TLS_DONE:
				break;
			case TLS_WANT_READ:
				watch(client, EPOLLIN);
				return false;
			case TLS_WANT_WRITE:
				watch(client, EPOLLOUT);
				return false;
			case TLS_ENDED:
				end(client, REASON_PEER);
				return false;
			default:
				log_debug("https %s: %s: session %.8s: %s", client->endpoint->name, client->peer, client->session,
						  tls_reason(client->tls));
				end(client, REASON_BROKEN);
				return false;
		}
		used = request_read(request, scratch, length);
		buffer_append(&client->rest, scratch + used, length - used);
	}
	if (!begun)
		client->deadline = clock_now() + client->endpoint->config->request_timeout;
	if (request_ended(request))
	{
		end_request(client);
		return client->state == CLIENT_WRITING;
	}
	if (request->expects_continue)
	{
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

		request->expects_continue = false;
		/* most send their body without waiting for it */
		if (client->rest.length == 0 && request->body.length == 0)
		{
			buffer_append(&client->out, go_on, sizeof(go_on) - 1);
			client->interim = true;
			/* within the time that the request has */
			client->state = CLIENT_WRITING;
		}
	}
	return true;
}

static bool
step_writing(Client *client)
{
	while (client->out.length > 0)
	{
		size_t		length;

		switch (tls_write(client->tls, buffer_bytes(&client->out), client->out.length, &length))
		{
			case TLS_DONE:
				buffer_consume(&client->out, length);
				client->answer_left = true;
				break;
			case TLS_WANT_READ:
				watch(client, EPOLLIN);
				return false;
			case TLS_WANT_WRITE:
				/* OpenSSL may have written a part of the record */
				client->answer_left = true;
				watch(client, EPOLLOUT);
				return false;
			default:
				end(client, client->answer_left || client->interim ? REASON_BROKEN : REASON_NOT_SENT);
				return false;
		}
	}
	buffer_free(&client->out);
	if (client->interim)
	{
		client->interim = false;
		client->state = CLIENT_READING;
		return true;
	}
	if (client->last)
	{
		say_goodbye(client, client->reason);
		return false;
	}
	client->reason = NULL;
	request_restart(&client->request);
	enter(client, CLIENT_READING, client->endpoint->config->idle_timeout);
	return true;
}

/* The peer's last words, which nobody reads. */
static bool
step_closing(Client *client)
{
	ssize_t		length = recv(client->fd, scratch, sizeof(scratch), MSG_DONTWAIT);

	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		end(client, REASON_DONE);
	return false;
}

static void
go(Client *client)
{
	for (;;)
	{
		bool		more = false;

		switch (client->state)
		{
			case CLIENT_HANDSHAKE:
				more = step_handshake(client);
				break;
			case CLIENT_READING:
				more = step_reading(client);
				break;
			case CLIENT_WRITING:
				more = step_writing(client);
				break;
			case CLIENT_CLOSING:
				more = step_closing(client);
				break;
			default:
				break;
		}
		if (!more)
			return;
	}
}

void
client_ready(Client *client, uint32_t events)
{
	switch (client->state)
	{
		case CLIENT_LOOKUP:
		case CLIENT_ASKING:
		case CLIENT_HELD:
			/* nothing is read here: it can only be the end */
			end(client, events & EPOLLERR ? REASON_BROKEN : REASON_PEER);
			break;
		default:
			if (client->starved)
				end(client, REASON_PEER);
			else
				go(client);
			break;
	}
}

/*
 * time
 */

/* It is the same database for everybody: once in a while is enough. */
static void
say_late(Endpoint *endpoint)
{
	int64_t		now = clock_now();

	if (endpoint->said_late_at != 0 && now - endpoint->said_late_at < SAY_LATE)
		return;
	log_warning("https %s: the database has not answered in time", endpoint->name);
	endpoint->said_late_at = now;
}

static void
too_late(Client *client)
{
	statistics.too_slow++;
	switch (client->state)
	{
		case CLIENT_READING:
			if (!request_begun(&client->request))
			{
				statistics.too_slow--;
				say_goodbye(client, REASON_IDLE);
				break;
			}
			refuse(client, 408, REASON_SLOW);
			go(client);
			break;
		case CLIENT_ASKING:
		case CLIENT_HELD:
			/* what was asked may still happen; the database hears of the end behind it */
			say_late(client->endpoint);
			tell_end(client, REASON_DATABASE);
			refuse(client, 503, REASON_DATABASE);
			go(client);
			break;
		case CLIENT_CLOSING:
			statistics.too_slow--;
			end(client, REASON_DONE);
			break;
		default:
			end(client, REASON_SLOW);
			break;
	}
}

void
client_sweep(Client *client, int64_t now)
{
	const Endpoint *endpoint = client->endpoint;

	if (now >= client->deadline)
		too_late(client);
	else if (client->state == CLIENT_HELD && client->ask == NULL)
	{
		int64_t		bell = endpoint->bell_at + BELL_DELAY;
		int64_t		pause = (int64_t) endpoint->held * HELD_PACE;

		/* nobody is asked again for the same bell, nor all of them for every bell */
		if (endpoint->bell_at > client->asked_at && now >= bell && now - client->asked_at >= pause)
			client->ask_at = now;
		if (now >= client->ask_at)
			ask(client, ASK_NEXT);
	}
	else if (client->starved)
		go(client);
}

void
client_drain(Client *client)
{
	switch (client->state)
	{
		case CLIENT_HANDSHAKE:
		case CLIENT_LOOKUP:
			end(client, REASON_STOP);
			break;
		case CLIENT_READING:
			if (request_begun(&client->request))
				client->reason = REASON_STOP;
			else
				say_goodbye(client, REASON_STOP);
			break;
		case CLIENT_HELD:
			say_goodbye(client, REASON_STOP);
			break;
		case CLIENT_ASKING:
		case CLIENT_WRITING:
			client->reason = REASON_STOP;
			break;
		case CLIENT_CLOSING:
			break;
	}
	/* those that still wait for an answer see endpoint->draining when they have it */
}

bool
client_may_go(const Client *client, int64_t now)
{
	return now - client->arrived_at >= EVICTION_AGE;
}

void
client_evict(Client *client)
{
	statistics.too_slow++;
	end(client, REASON_SLOW);
}

void
client_abandon(Client *client)
{
	end(client, REASON_STOP);
}
