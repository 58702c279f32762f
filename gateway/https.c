/*
 * https.c
 *	  The addresses where cards open HTTPS sessions, and all that are open.
 *
 * Sessions are many and mostly wait: they share one epoll instance, which the
 * event loop watches like any other descriptor.  Their deadlines are looked at
 * ten times a second, all together: that is less work than to keep them sorted.
 */
#include "https.h"
#include "client.h"
#include "clock.h"
#include "log.h"
#include "memory.h"
#include "pool.h"
#include "statistics.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP 100
#define BELL_DELAY 20
#define EVENTS 256
/* connections accepted in one turn */
#define ACCEPTS 64
/* without descriptors or memory for another connection */
#define ACCEPT_PAUSE 1000
#define SAY_FULL 60000
/* descriptors besides those of sessions */
#define OTHER_DESCRIPTORS 256
/* octets that were sent and nobody acknowledges */
#define UNACKNOWLEDGED 60000

static struct
{
	const Config *config;
	Endpoint	endpoints[CONFIG_HTTPS];
	int			count;
	int			epoll;
	int64_t		sweep_at;
} https;

static int
sessions(void)
{
	int			count = 0;

	for (int i = 0; i < https.count; i++)
		count += https.endpoints[i].count;
	return count;
}

/*
 * listening
 */

static int
listen_at(const struct addrinfo *address, int backlog)
{
	int			on = 1;
	int			off = 0;
	int			fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int			problem;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, backlog) == 0)
		return fd;
	problem = errno;
	close(fd);
	errno = problem;
	return -1;
}

static int
listen_first(const struct addrinfo *list, int family, int backlog)
{
	for (; list; list = list->ai_next)
	{
		if (family == AF_UNSPEC || list->ai_family == family)
			return listen_at(list, backlog);
	}
	return -1;
}

static bool
endpoint_listen(Endpoint *endpoint)
{
	const HttpsConfig *config = endpoint->config;
	struct addrinfo hints = {.ai_family = AF_UNSPEC,.ai_socktype = SOCK_STREAM,.ai_flags = AI_PASSIVE};
	struct addrinfo *list;
	int			problem = getaddrinfo(config->address, config->port, &hints, &list);

	if (problem != 0)
	{
		log_error("https %s: cannot look up \"%s\": %s", config->name, config->address, gai_strerror(problem));
		return false;
	}
	endpoint->listener = -1;
	/* "all addresses" are those of both kinds, which only a socket of the newer kind has */
	if (config->address == NULL)
		endpoint->listener = listen_first(list, AF_INET6, config->backlog);
	if (endpoint->listener < 0)
		endpoint->listener = listen_first(list, AF_UNSPEC, config->backlog);
	freeaddrinfo(list);
	if (endpoint->listener < 0)
	{
		log_error("https %s: cannot listen at %s, port %s: %s", config->name, config->address ? config->address : "all addresses",
				  config->port, strerror(errno));
		return false;
	}
	log_info("https %s: listens at %s, port %s, for up to %d sessions", config->name,
			 config->address ? config->address : "all addresses", config->port, config->max_sessions);
	return true;
}

static void
describe_peer(const struct sockaddr_storage *address, socklen_t length, char *text, size_t size)
{
	char		host[48];
	char		port[8];

	if (getnameinfo((const struct sockaddr *) address, length, host, sizeof(host), port, sizeof(port),
					NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(text, size, "%s port %s", host, port);
	else
		snprintf(text, size, "somebody");
}

/*
 * When all places are taken, who has shown no key in a while goes first, or anybody
 * could keep the cards out.  Otherwise those who come now wait in the backlog.
 */
static bool
may_accept(Endpoint *endpoint, int64_t now)
{
	const Client *oldest = TAILQ_FIRST(&endpoint->arriving);

	if (endpoint->listener < 0 || now < endpoint->accept_at)
		return false;
	if (endpoint->count < endpoint->config->max_sessions)
		return true;
	if (endpoint->said_full_at == 0 || now - endpoint->said_full_at >= SAY_FULL)
	{
		log_warning("https %s: %d sessions are open, more must wait (max_sessions)", endpoint->name, endpoint->count);
		endpoint->said_full_at = now;
	}
	return oldest && client_may_go(oldest, now);
}

static void
accept_some(Endpoint *endpoint)
{
	for (int i = 0; i < ACCEPTS && may_accept(endpoint, clock_now()); i++)
	{
		struct sockaddr_storage address;
		socklen_t	length = sizeof(address);
		int			on = 1;
		unsigned	unacknowledged = UNACKNOWLEDGED;
		int			fd = accept4(endpoint->listener, (struct sockaddr *) &address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
		char		peer[64];

		if (fd < 0)
		{
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			{
				log_error("https %s: no further connections for now: %s", endpoint->name, strerror(errno));
				endpoint->accept_at = clock_now() + ACCEPT_PAUSE;
			}
			/* anything else is the fault of one connection, or there is none */
			return;
		}
		if (endpoint->count >= endpoint->config->max_sessions)
			client_evict(TAILQ_FIRST(&endpoint->arriving));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged, sizeof(unacknowledged));
		describe_peer(&address, length, peer, sizeof(peer));
		client_new(endpoint, fd, peer);
	}
}

/*
 * the database
 */

static void
answered(Client *client, AskKind kind, const PGresult *result, bool lost)
{
	client_answered(client, kind, result, lost);
}

static void
bell(void)
{
	int64_t		now = clock_now();

	for (int i = 0; i < https.count; i++)
		https.endpoints[i].bell_at = now;
	https.sweep_at = clock_earlier(https.sweep_at, now + BELL_DELAY);
}

/*
 * the event loop
 */

int
https_sockets(struct pollfd *fds)
{
	int64_t		now = clock_now();
	int			count = 0;

	if (https.count == 0)
		return 0;
	fds[count++] = (struct pollfd) {https.epoll, POLLIN, 0};
	for (int i = 0; i < https.count; i++)
	{
		Endpoint   *endpoint = &https.endpoints[i];

		fds[count++] = (struct pollfd) {may_accept(endpoint, now) ? endpoint->listener : -1, POLLIN, 0};
	}
	return count + pool_sockets(fds + count);
}

void
https_ready(const struct pollfd *fds)
{
	struct epoll_event events[EVENTS];
	int			count;

	if (https.count == 0)
		return;
	pool_ready(fds + 1 + https.count);
	if (fds[0].revents)
	{
		/* a client ends only itself here, so no event is left for one that has gone */
		count = epoll_wait(https.epoll, events, EVENTS, 0);
		for (int i = 0; i < count; i++)
			client_ready(events[i].data.ptr, events[i].events);
	}
	for (int i = 0; i < https.count; i++)
	{
		if (fds[1 + i].revents && https.endpoints[i].listener >= 0)
			accept_some(&https.endpoints[i]);
	}
}

static void
sweep(ClientList *clients, int64_t now)
{
	Client	   *client = TAILQ_FIRST(clients);

	while (client)
	{
		Client	   *next = client_next(client);

		client_sweep(client, now);
		client = next;
	}
}

void
https_step(int64_t now)
{
	if (https.count == 0)
		return;
	if (now >= https.sweep_at)
	{
		https.sweep_at = now + SWEEP;
		for (int i = 0; i < https.count; i++)
		{
			/* in this order: nobody goes from the second list to the first */
			sweep(&https.endpoints[i].clients, now);
			sweep(&https.endpoints[i].arriving, now);
		}
	}
	pool_step(now);
}

int64_t
https_deadline(void)
{
	int64_t		next = CLOCK_NEVER;

	if (https.count == 0)
		return next;
	if (sessions() > 0)
		next = https.sweep_at;
	for (int i = 0; i < https.count; i++)
	{
		if (https.endpoints[i].listener >= 0 && https.endpoints[i].accept_at > clock_now())
			next = clock_earlier(next, https.endpoints[i].accept_at);
	}
	return clock_earlier(next, pool_deadline());
}

/*
 * beginning and end
 */

/* Each session is a descriptor: as many as the system lets us have, if that many are wanted. */
static void
raise_descriptors(const Config *config)
{
	struct rlimit limit;
	rlim_t		wanted = OTHER_DESCRIPTORS;

	for (int i = 0; i < config->https_count; i++)
		wanted += (rlim_t) config->https[i].max_sessions;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	if (limit.rlim_max < wanted)
		log_warning("%llu descriptors are allowed, max_sessions wants %llu (LimitNOFILE)",
					(unsigned long long) limit.rlim_max, (unsigned long long) wanted);
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void
configure(Endpoint *endpoint, const Config *config, const HttpsConfig *https_config)
{
	endpoint->config = https_config;
	endpoint->poll_interval = config->poll_interval;
}

bool
https_start(const Config *config)
{
	https.config = config;
	if (config->https_count == 0)
		return true;
	raise_descriptors(config);
	https.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (https.epoll < 0)
	{
		log_error("cannot make an epoll instance: %s", strerror(errno));
		return false;
	}
	for (int i = 0; i < config->https_count; i++)
	{
		Endpoint   *endpoint = &https.endpoints[i];

		endpoint->name = memory_text(config->https[i].name);
		endpoint->epoll = https.epoll;
		TAILQ_INIT(&endpoint->arriving);
		TAILQ_INIT(&endpoint->clients);
		configure(endpoint, config, &config->https[i]);
		endpoint->tls = tls_server_new(config->https[i].record_size);
		if (endpoint->tls == NULL || !endpoint_listen(endpoint))
			return false;
	}
	https.count = config->https_count;
	pool_start(config, answered, bell);
	return true;
}

void
https_stop(void)
{
	if (https.count == 0)
		return;
	https_abandon();
	pool_stop();
	for (int i = 0; i < https.count; i++)
	{
		tls_server_free(https.endpoints[i].tls);
		free(https.endpoints[i].name);
	}
	close(https.epoll);
	https.count = 0;
}

bool
https_same(const Config *config)
{
	if (config->https_count != https.count || config->https_connections != https.config->https_connections)
		return false;
	for (int i = 0; i < https.count; i++)
	{
		const HttpsConfig *old = https.endpoints[i].config;
		const HttpsConfig *new = &config->https[i];

		if (strcmp(old->name, new->name) != 0 || strcmp(old->port, new->port) != 0 ||
			strcmp(old->address ? old->address : "", new->address ? new->address : "") != 0 ||
			old->backlog != new->backlog || old->record_size != new->record_size)
			return false;
	}
	return true;
}

void
https_reconfigure(const Config *config)
{
	https.config = config;
	if (https.count == 0)
		return;
	raise_descriptors(config);
	for (int i = 0; i < https.count; i++)
		configure(&https.endpoints[i], config, &config->https[i]);
	pool_reconfigure(config);
}

static void
each_of(ClientList *clients, void (*action) (Client *client))
{
	Client	   *client = TAILQ_FIRST(clients);

	while (client)
	{
		Client	   *next = client_next(client);

		action(client);
		client = next;
	}
}

static void
each_client(void (*action) (Client *client))
{
	for (int i = 0; i < https.count; i++)
	{
		each_of(&https.endpoints[i].clients, action);
		each_of(&https.endpoints[i].arriving, action);
	}
}

void
https_drain(void)
{
	for (int i = 0; i < https.count; i++)
	{
		https.endpoints[i].draining = true;
		close(https.endpoints[i].listener);
		https.endpoints[i].listener = -1;
	}
	each_client(client_drain);
}

void
https_abandon(void)
{
	each_client(client_abandon);
}

/* Those that are only waited for to hang up are no reason to stay. */
bool
https_drained(void)
{
	for (int i = 0; i < https.count; i++)
	{
		for (Client *client = TAILQ_FIRST(&https.endpoints[i].clients); client; client = client_next(client))
		{
			if (client_busy(client))
				return false;
		}
	}
	return true;
}

size_t
https_untold(void)
{
	return https.count > 0 ? pool_waiting() : 0;
}

void
https_log_statistics(double seconds)
{
	const Statistics *s = &statistics;
	int			held = 0;

	if (https.count == 0)
		return;
	for (int i = 0; i < https.count; i++)
		held += https.endpoints[i].held;
	log_info("statistics over %.0f s: https: connections %llu, handshakes %llu, failed %llu; requests %llu, answered %llu, "
			 "refused %llu, held %llu, too slow %llu; sessions ended %llu; now: connections %d, held %d, waiting for the database %zu",
			 seconds, (unsigned long long) s->connections, (unsigned long long) s->handshakes,
			 (unsigned long long) s->handshakes_failed, (unsigned long long) s->requests, (unsigned long long) s->answers,
			 (unsigned long long) s->refusals, (unsigned long long) s->held, (unsigned long long) s->too_slow,
			 (unsigned long long) s->ends, sessions(), held, pool_waiting());
}
