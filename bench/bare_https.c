/*
 * bare_https.c
 *	  What OpenSSL takes alone: PSK-TLS 1.2 with the gateway's two suites on one
 *	  thread, every POST read to its end and answered by the same octets.
 *
 *		bare_https KEY OCTETS [REQUESTS]
 *
 * All identities have that one key (hexadecimal).  After so many requests of a
 * connection (3) the answer is 204, which ends a session.  Prints the port, and
 * ends with its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define IN_SIZE 8192

typedef struct Session
{
	int			fd;
	SSL		   *ssl;
	int			requests;
	size_t		length;			/* of what has come and is no request yet */
	const char *out;
	size_t		out_left;
	char		in[IN_SIZE + 1];
} Session;

static unsigned char key[64];
static size_t key_length;
static char *answer;
static size_t answer_length;
static const char last_answer[] = "HTTP/1.1 204 No Content\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\n\r\n";
static int	last = 3;

static unsigned int
give_key(SSL *ssl, const char *identity, unsigned char *psk, unsigned int size)
{
	(void) ssl;
	(void) identity;
	if (key_length > size)
		return 0;
	memcpy(psk, key, key_length);
	return key_length;
}

/* how many octets the first request has, 0 if it is not whole */
static size_t
whole_request(const Session *session)
{
	const char *end = memmem(session->in, session->length, "\r\n\r\n", 4);
	const char *length;

	if (end == NULL)
		return 0;
	end += 4;
	length = strcasestr(session->in, "content-length:");
	if (length != NULL && length < end)
		end += strtoul(length + 15, NULL, 10);
	else if ((length = strcasestr(session->in, "transfer-encoding: chunked")) != NULL && length < end)
	{
		end = memmem(end - 2, session->in + session->length - (end - 2), "\r\n0\r\n\r\n", 7);
		if (end == NULL)
			return 0;
		end += 7;
	}
	return end <= session->in + session->length ? (size_t) (end - session->in) : 0;
}

/* false: it has ended */
static bool
advance(Session *session)
{
	for (;;)
	{
		int			r;
		size_t		request;

		if (session->out_left > 0)
		{
			r = SSL_write(session->ssl, session->out, session->out_left);
			if (r > 0)
			{
				session->out += r;
				session->out_left -= r;
			}
		}
		else if (session->length > 0 && (request = whole_request(session)) > 0)
		{
			bool		more = ++session->requests < last;

			session->length -= request;
			memmove(session->in, session->in + request, session->length);
			session->out = more ? answer : last_answer;
			session->out_left = more ? answer_length : sizeof(last_answer) - 1;
			continue;
		}
		else
		{
			r = SSL_read(session->ssl, session->in + session->length, IN_SIZE - session->length);
			if (r > 0)
			{
				session->length += r;
				session->in[session->length] = '\0';
			}
		}
		if (r <= 0)
		{
			r = SSL_get_error(session->ssl, r);
			return r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE;
		}
	}
}

static void
accept_all(int listener, int epoll_fd, SSL_CTX *context)
{
	for (;;)
	{
		Session    *session;
		struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
		int			on = 1;
		int			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		session = calloc(1, sizeof(Session));
		event.data.ptr = session;
		session->fd = fd;
		session->ssl = SSL_new(context);
		SSL_set_fd(session->ssl, fd);
		SSL_set_accept_state(session->ssl);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET,.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	size = sizeof(address);
	struct epoll_event event = {.events = EPOLLIN};
	static int	is_listener,
				is_stdin;
	struct rlimit files;
	SSL_CTX    *context = SSL_CTX_new(TLS_server_method());
	int			epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int			listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	size_t		octets;

	if (argc < 3)
	{
		fprintf(stderr, "usage: bare_https KEY OCTETS [REQUESTS]\n");
		return 2;
	}
	for (const char *digit = argv[1]; digit[0] != '\0' && key_length < sizeof(key); digit += 2)
	{
		unsigned int octet;

		if (sscanf(digit, "%2x", &octet) != 1)
			break;
		key[key_length++] = octet;
	}
	octets = strtoul(argv[2], NULL, 10);
	if (argc > 3)
		last = atoi(argv[3]);
	answer = malloc(octets + 512);
	answer_length = sprintf(answer,
							"HTTP/1.1 200 OK\r\n"
							"X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n"
							"X-Admin-Next-URI: /gsma/adminagent?script=1\r\n"
							"Content-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n"
							"Content-Length: %zu\r\n\r\n", octets);
	memset(answer + answer_length, 0, octets);
	answer_length += octets;

	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(context, "PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256");
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_set_max_send_fragment(context, 1024);
	SSL_CTX_set_psk_server_callback(context, give_key);
	if (bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(listener, 4096) != 0
		|| getsockname(listener, (struct sockaddr *) &address, &size) != 0)
	{
		perror("bare_https");
		return 1;
	}
	event.data.ptr = &is_listener;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
	event.data.ptr = &is_stdin;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event);
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);

	for (;;)
	{
		struct epoll_event events[256];
		int			n = epoll_wait(epoll_fd, events, 256, -1);

		for (int i = 0; i < n; i++)
		{
			if (events[i].data.ptr == &is_stdin)
				return 0;
			if (events[i].data.ptr == &is_listener)
				accept_all(listener, epoll_fd, context);
			else if (!advance(events[i].data.ptr))
			{
				Session    *session = events[i].data.ptr;

				ERR_clear_error();
				SSL_shutdown(session->ssl);
				SSL_free(session->ssl);
				close(session->fd);
				free(session);
			}
		}
	}
}
