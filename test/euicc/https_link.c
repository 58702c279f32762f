/*
 * https_link.c
 *		TCP below, TLS above, and a count of the octets in between.
 */
#include "https_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

void
https_link_open(HttpsLink *link, int epoll, void *who, const struct sockaddr *address, socklen_t len,
				TlsSession *tls)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = who};
	int			one = 1;

	link->tls = tls;
	link->stalled = false;
	link->sent = link->received = link->out_sent = link->out.len = link->in.len = 0;
	link->break_sent = link->break_received = link->stall_sent = LINK_NEVER;
	link->state = LINK_HANDSHAKE;
	link->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
	{
		link->state = LINK_FAILED;
		return;
	}
	setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if ((connect(link->fd, address, len) != 0 && errno != EINPROGRESS) ||
		epoll_ctl(epoll, EPOLL_CTL_ADD, link->fd, &event) != 0)
		link->state = LINK_FAILED;
	tls_session_take(tls, &link->out);
}

static bool
is_alive(const HttpsLink *link)
{
	return link->state == LINK_HANDSHAKE || link->state == LINK_OPEN;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
send_octets(HttpsLink *link)
{
	while (is_alive(link) && !link->stalled && link->out_sent < link->out.len)
	{
		uint64_t	limit = least(link->break_sent, link->stall_sent) - link->sent;
		ssize_t		n;

		if (limit == 0)
		{
			link->state = link->sent >= link->break_sent ? LINK_BROKEN : link->state;
			link->stalled = link->state != LINK_BROKEN;
			return;
		}
		n = send(link->fd, link->out.data + link->out_sent,
				 (size_t) least(limit, link->out.len - link->out_sent), MSG_NOSIGNAL);
		if (n > 0)
		{
			link->out_sent += (size_t) n;
			link->sent += (uint64_t) n;
		}
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			link->state = LINK_FAILED;
	}
	/* at the last octet of all that there is, too */
	if (is_alive(link) && link->sent >= link->break_sent)
		link->state = LINK_BROKEN;
	if (link->out_sent == link->out.len)
		link->out_sent = link->out.len = 0;
}

static void
receive_octets(HttpsLink *link)
{
	uint8_t		room[16384];

	while (is_alive(link) && !link->stalled)
	{
		uint64_t	limit = link->break_received - link->received;
		ssize_t		n;

		if (limit == 0)
		{
			link->state = LINK_BROKEN;
			return;
		}
		n = recv(link->fd, room, (size_t) least(limit, sizeof room), 0);
		if (n > 0)
		{
			link->received += (uint64_t) n;
			switch (tls_session_receive(link->tls, smsr_bytes(room, (size_t) n), &link->in))
			{
				case TLS_HANDSHAKE:
					break;
				case TLS_OPEN:
					link->state = LINK_OPEN;
					break;
				case TLS_CLOSED:
					link->state = LINK_CLOSED;
					break;
				case TLS_FAILED:
					link->state = LINK_FAILED;
					break;
			}
			tls_session_take(link->tls, &link->out);
		}
		else if (n == 0)
			link->state = LINK_FAILED;	/* nobody said goodbye */
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			link->state = LINK_FAILED;
	}
}

void
https_link_write(HttpsLink *link, SmsrBytes text)
{
	if (link->state == LINK_OPEN && !tls_session_send(link->tls, text))
		link->state = LINK_FAILED;
	tls_session_take(link->tls, &link->out);
}

void
https_link_progress(HttpsLink *link)
{
	if (link->state == LINK_NONE)
		return;
	send_octets(link);
	receive_octets(link);
	send_octets(link);
}

void
https_link_close(HttpsLink *link, LinkEnd end)
{
	struct linger abort = {.l_onoff = 1, .l_linger = 0};

	if (link->state == LINK_NONE)
		return;
	if (end == LINK_END_POLITE && (link->state == LINK_OPEN || link->state == LINK_CLOSED))
	{
		tls_session_close(link->tls);
		tls_session_take(link->tls, &link->out);
		link->state = LINK_OPEN;
		send_octets(link);
	}
	if (link->fd >= 0)
	{
		if (end == LINK_END_RST)
			setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
		close(link->fd);
	}
	tls_session_free(link->tls);
	text_free(&link->out);
	text_free(&link->in);
	*link = (HttpsLink) {.fd = -1};
}
