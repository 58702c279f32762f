/*
 * connect.c
 *	  TCP connections that are made without waiting.
 *
 * The name is looked up by the system's resolver, which does wait; a name server
 * that is away holds the gateway up for as long as resolv.conf allows.  An
 * address, or a name in /etc/hosts, avoids that.
 */
#include "connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int
connect_address(const struct addrinfo *address, char *why, size_t size)
{
	int			on = 1;
	int			fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
	{
		snprintf(why, size, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
	{
		snprintf(why, size, "cannot connect: %s", strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int
connect_begin(const char *host, const char *port, int attempt, char *why, size_t size)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	struct addrinfo *address;
	int			count = 0;
	int			fd;
	int			problem = getaddrinfo(host, port, &hints, &list);

	if (problem != 0)
	{
		snprintf(why, size, "cannot look up \"%s\": %s", host, gai_strerror(problem));
		return -1;
	}
	for (address = list; address; address = address->ai_next)
		count++;
	address = list;
	for (int i = (int) ((unsigned) attempt % (unsigned) count); i > 0; i--)
		address = address->ai_next;
	fd = connect_address(address, why, size);
	freeaddrinfo(list);
	return fd;
}

int
connect_result(int fd)
{
	int			problem = 0;
	socklen_t	length = sizeof(problem);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length) != 0)
		return errno;
	return problem;
}
