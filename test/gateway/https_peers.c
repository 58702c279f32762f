/*
 * https_peers.c
 *	  Many PSK-TLS clients in one process, with OpenSSL: what the tests of the
 *	  gateway's HTTPS server and the bench make their sessions with.
 *
 * It knows of cards only what a load needs: it POSTs, reads the answer, and with
 * --follow answers each script at the URI that came with it until it is told
 * that the session is over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define IDENTITY_SIZE 128
#define KEY_SIZE 64
#define IN_SIZE (96 * 1024)
#define URI_SIZE 512

typedef struct Identity
{
	char		name[IDENTITY_SIZE + 1];
	unsigned char key[KEY_SIZE];
	size_t		key_length;
} Identity;

typedef enum PeerState
{
	PEER_IDLE,
	PEER_CONNECTING,
	PEER_HANDSHAKE,
	PEER_WRITING,
	PEER_READING,
	PEER_RESTING				/* has its answer and waits to be told to go on */
} PeerState;

typedef struct Peer
{
	PeerState	state;
	int			fd;
	SSL		   *ssl;
	const Identity *identity;
	int			requests;		/* answered in this session */
	double		since;			/* when the session or request began */
	char		uri[URI_SIZE];
	char	   *out;
	size_t		out_length;
	size_t		out_done;
	unsigned char *in;
	size_t		in_length;
} Peer;

typedef struct Response
{
	int			status;
	const unsigned char *body;	/* still chunked if chunked */
	size_t		body_length;	/* without the chunks' frames */
	bool		closes;
	char		next_uri[URI_SIZE];
} Response;

/* what was asked for */
static struct
{
	const char *host;
	int			port;
	int			sessions;
	int			parallel;
	int			requests;
	int			body;
	int			timeout;
	bool		follow;
	bool		gather;
	const char *uri;
	const char *suite;
} option =
{
	"127.0.0.1", 0, 1, 1, 1, -1, 60, false, false, "/gsma/adminagent", "PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256"
};

static Identity *identities;
static size_t identity_count;
static SSL_CTX *context;
static Peer *peers;
static int	epoll_fd;

/* what has happened */
static struct
{
	int			begun;
	int			done;
	int			failed;
	long		requests;
	long		scripts;
	long long	octets;			/* of bodies received */
	double		slowest;		/* seconds from request to answer */
	char		first_failure[256];
} tally;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "https-peers: %s: %s\n", what, strerror(errno));
	exit(2);
}

static unsigned int
give_key(SSL *ssl, const char *hint, char *name, unsigned int name_size, unsigned char *key, unsigned int key_size)
{
	const Peer *peer = SSL_get_app_data(ssl);

	(void) hint;
	if (strlen(peer->identity->name) + 1 > name_size || peer->identity->key_length > key_size)
		return 0;
	strcpy(name, peer->identity->name);
	memcpy(key, peer->identity->key, peer->identity->key_length);
	return peer->identity->key_length;
}

/* Lines of an identity and its key in hexadecimal, between them a tab. */
static void
read_identities(const char *path)
{
	FILE	   *file = fopen(path, "r");
	char		line[512];

	if (file == NULL)
		die(path);
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char	   *tab = strchr(line, '\t');
		Identity   *identity;

		if (tab == NULL || tab - line > IDENTITY_SIZE)
			continue;
		identities = realloc(identities, (identity_count + 1) * sizeof(Identity));
		identity = &identities[identity_count++];
		memset(identity, 0, sizeof(Identity));
		memcpy(identity->name, line, tab - line);
		for (const char *digit = tab + 1; identity->key_length < KEY_SIZE; digit += 2)
		{
			unsigned int octet;

			if (sscanf(digit, "%2x", &octet) != 1)
				break;
			identity->key[identity->key_length++] = octet;
		}
	}
	fclose(file);
}

static void begin_session(Peer *peer);

static void
end_session(Peer *peer, const char *failure)
{
	if (failure != NULL)
	{
		unsigned long code = ERR_peek_error();

		tally.failed++;
		if (tally.first_failure[0] == '\0')
		{
			char		text[128] = "";

			if (code != 0)
				ERR_error_string_n(code, text, sizeof(text));
			snprintf(tally.first_failure, sizeof(tally.first_failure), "%s %s", failure, text);
		}
	}
	else
		tally.done++;
	ERR_clear_error();
	if (peer->ssl != NULL)
	{
		if (failure == NULL)
			SSL_shutdown(peer->ssl);
		SSL_free(peer->ssl);
	}
	close(peer->fd);			/* and epoll forgets it */
	free(peer->out);
	peer->ssl = NULL;
	peer->out = NULL;
	peer->state = PEER_IDLE;
	begin_session(peer);
}

static void
begin_session(Peer *peer)
{
	struct sockaddr_in address = {.sin_family = AF_INET,.sin_port = htons(option.port)};
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,.data.ptr = peer};
	int			on = 1;

	if (tally.begun >= option.sessions)
		return;
	peer->identity = &identities[tally.begun++ % identity_count];
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (peer->fd < 0)
		die("socket");
	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	inet_pton(AF_INET, option.host, &address.sin_addr);
	if (connect(peer->fd, (struct sockaddr *) &address, sizeof(address)) != 0 && errno != EINPROGRESS)
		die("connect");
	peer->ssl = SSL_new(context);
	if (peer->ssl == NULL || SSL_set_fd(peer->ssl, peer->fd) != 1)
		die("SSL_new");
	SSL_set_app_data(peer->ssl, peer);
	SSL_set_connect_state(peer->ssl);
	peer->state = PEER_CONNECTING;
	peer->requests = 0;
	peer->since = now();
	peer->in_length = 0;
	snprintf(peer->uri, sizeof(peer->uri), "%s", option.uri);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, peer->fd, &event) != 0)
		die("epoll_ctl");
}

static void
write_request(Peer *peer, const unsigned char *body, size_t body_length)
{
	size_t		size = URI_SIZE + 1024 + body_length;
	int			n;

	free(peer->out);
	peer->out = malloc(size);
	n = snprintf(peer->out, size,
				 "POST %s HTTP/1.1\r\n"
				 "Host: smsr\r\n"
				 "X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n"
				 "X-Admin-From: //se-id/eid/%.32s;//aa-id/aid/A000000559/1010FFFFFFFF8900000100\r\n",
				 peer->uri, strlen(peer->identity->name) > 42 ? peer->identity->name + 10 : "");
	if (body != NULL)
	{
		n += snprintf(peer->out + n, size - n,
					  "Content-Type: application/vnd.globalplatform.card-content-mgt-response;version=1.0\r\n"
					  "X-Admin-Script-Status: ok\r\n"
					  "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", body_length);
		memcpy(peer->out + n, body, body_length);
		n += body_length;
		n += snprintf(peer->out + n, size - n, "\r\n0\r\n\r\n");
	}
	else
		n += snprintf(peer->out + n, size - n, "Content-Length: 0\r\n\r\n");
	peer->out_length = n;
	peer->out_done = 0;
	peer->in_length = 0;
	peer->since = now();
	peer->state = PEER_WRITING;
}

/* The answer to a script, a 9000 for each command: AE 80 { tag length value } 00 00 */
static size_t
answer_script(const unsigned char *script, size_t length, unsigned char *answer, size_t size)
{
	size_t		at = 2,
				n = 0;

	answer[n++] = 0xAF;
	answer[n++] = 0x80;
	while (at + 1 < length && script[at] != 0 && n + 6 < size)
	{
		size_t		value = script[at + 1];

		at += 2;
		if (value > 0x80)
		{
			size_t		octets = value & 0x7F;

			for (value = 0; octets > 0 && at < length; octets--)
				value = value << 8 | script[at++];
		}
		at += value;
		memcpy(answer + n, "\x23\x02\x90\x00", 4);
		n += 4;
	}
	answer[n++] = 0;
	answer[n++] = 0;
	return n;
}

static void
next_request(Peer *peer)
{
	static unsigned char zeros[IN_SIZE];

	if (option.body >= 0)
		write_request(peer, zeros, option.body);
	else
		write_request(peer, NULL, 0);
}

/* 1: here it is, 0: there is more to come, -1: that is none */
static int
read_response(unsigned char *in, size_t length, Response *response)
{
	unsigned char *end = memmem(in, length, "\r\n\r\n", 4);
	long		content = -1;
	bool		chunked = false;

	memset(response, 0, sizeof(*response));
	if (end == NULL)
		return 0;
	if (length < 12 || sscanf((char *) in, "HTTP/1.1 %3d", &response->status) != 1)
		return -1;
	for (unsigned char *line = memmem(in, length, "\r\n", 2) + 2; line < end; line = (unsigned char *) memmem(line, length, "\r\n", 2) + 2)
	{
		if (strncasecmp((char *) line, "content-length:", 15) == 0)
			content = strtol((char *) line + 15, NULL, 10);
		else if (strncasecmp((char *) line, "transfer-encoding: chunked", 26) == 0)
			chunked = true;
		else if (strncasecmp((char *) line, "connection: close", 17) == 0)
			response->closes = true;
		else if (strncasecmp((char *) line, "x-admin-next-uri: ", 18) == 0)
			sscanf((char *) line + 18, "%500[^\r]", response->next_uri);
	}
	response->body = end + 4;
	if (response->status == 204 || response->status == 304)
		return 1;
	if (!chunked)
	{
		if (content < 0)
			return -1;
		response->body_length = content;
		return (size_t) (in + length - response->body) >= response->body_length ? 1 : 0;
	}
	/* the chunks are moved together */
	for (unsigned char *at = end + 4, *to = at;;)
	{
		char	   *after;
		unsigned char *line = memmem(at, in + length - at, "\r\n", 2);
		unsigned long chunk;

		if (line == NULL)
			return 0;
		chunk = strtoul((char *) at, &after, 16);
		if ((unsigned char *) after == at)
			return -1;
		if ((size_t) (in + length - line) < chunk + 4)
			return 0;
		response->body_length += chunk;
		if (chunk == 0)
		{
			/* only now, as this may be called again until all is here */
			for (at = end + 4;;)
			{
				chunk = strtoul((char *) at, NULL, 16);
				at = (unsigned char *) memmem(at, in + length - at, "\r\n", 2) + 2;
				if (chunk == 0)
					return 1;
				memmove(to, at, chunk);
				to += chunk;
				at += chunk + 2;
			}
		}
		at = line + 2 + chunk + 2;
	}
}

static void
have_response(Peer *peer, const Response *response)
{
	double		took = now() - peer->since;

	if (took > tally.slowest)
		tally.slowest = took;
	tally.requests++;
	tally.octets += response->body_length;
	peer->requests++;
	if (response->status != 200 && response->status != 204)
	{
		char		text[64];

		snprintf(text, sizeof(text), "status %d at %.40s", response->status, peer->uri);
		end_session(peer, text);
		return;
	}
	if (option.follow)
	{
		if (response->next_uri[0] == '\0')
		{
			end_session(peer, NULL);
			return;
		}
		strcpy(peer->uri, response->next_uri);
		if (response->status == 200)
		{
			unsigned char answer[4096];
			size_t		n = answer_script(response->body, response->body_length, answer, sizeof(answer));

			tally.scripts++;
			write_request(peer, answer, n);
		}
		else
			write_request(peer, NULL, 0);
		return;
	}
	if (option.gather)
		peer->state = PEER_RESTING;
	else if (peer->requests >= option.requests || response->closes)
		end_session(peer, NULL);
	else
		next_request(peer);
}

/* As far as it goes without waiting. */
static void
advance(Peer *peer)
{
	for (;;)
	{
		int			r = -1;
		Response	response;

		switch (peer->state)
		{
			case PEER_IDLE:
			case PEER_RESTING:
				return;
			case PEER_CONNECTING:
				{
					int			error = 0;
					socklen_t	size = sizeof(error);

					getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &error, &size);
					if (error != 0)
					{
						end_session(peer, strerror(error));
						return;
					}
					peer->state = PEER_HANDSHAKE;
				}
				/* FALLTHROUGH */
			case PEER_HANDSHAKE:
				r = SSL_do_handshake(peer->ssl);
				if (r == 1)
				{
					next_request(peer);
					continue;
				}
				break;
			case PEER_WRITING:
				r = SSL_write(peer->ssl, peer->out + peer->out_done, peer->out_length - peer->out_done);
				if (r > 0)
				{
					peer->out_done += r;
					if (peer->out_done == peer->out_length)
						peer->state = PEER_READING;
					continue;
				}
				break;
			case PEER_READING:
				r = SSL_read(peer->ssl, peer->in + peer->in_length, IN_SIZE - peer->in_length);
				if (r > 0)
				{
					peer->in_length += r;
					r = read_response(peer->in, peer->in_length, &response);
					if (r < 0 || (r == 0 && peer->in_length == IN_SIZE))
					{
						end_session(peer, "no HTTP");
						return;
					}
					if (r > 0)
						have_response(peer, &response);
					continue;
				}
				break;
		}
		r = SSL_get_error(peer->ssl, r);
		if (r != SSL_ERROR_WANT_READ && r != SSL_ERROR_WANT_WRITE)
			end_session(peer, peer->state == PEER_HANDSHAKE ? "handshake" : "connection lost");
		return;
	}
}

static int
count_resting(void)
{
	int			n = 0;

	for (int i = 0; i < option.parallel; i++)
		n += peers[i].state == PEER_RESTING;
	return n;
}

/* Until all are done, or rest. */
static void
run(void)
{
	double		end = now() + option.timeout;

	while (tally.done + tally.failed < option.sessions && now() < end)
	{
		struct epoll_event events[256];
		int			n = epoll_wait(epoll_fd, events, 256, 100);

		for (int i = 0; i < n; i++)
			advance(events[i].data.ptr);
		if (option.gather && count_resting() + tally.failed >= option.sessions)
			return;
	}
}

static const struct option long_options[] = {
	{"host", required_argument, NULL, 'h'},
	{"port", required_argument, NULL, 'p'},
	{"identities", required_argument, NULL, 'i'},
	{"sessions", required_argument, NULL, 's'},
	{"parallel", required_argument, NULL, 'n'},
	{"requests", required_argument, NULL, 'r'},
	{"body", required_argument, NULL, 'b'},
	{"timeout", required_argument, NULL, 't'},
	{"uri", required_argument, NULL, 'u'},
	{"suite", required_argument, NULL, 'c'},
	{"follow", no_argument, NULL, 'f'},
	{"gather", no_argument, NULL, 'g'},
	{NULL, 0, NULL, 0}
};

int
main(int argc, char **argv)
{
	struct rlimit files;
	double		start,
				took;
	int			c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
	{
		switch (c)
		{
			case 'h':
				option.host = optarg;
				break;
			case 'p':
				option.port = atoi(optarg);
				break;
			case 'i':
				read_identities(optarg);
				break;
			case 's':
				option.sessions = atoi(optarg);
				break;
			case 'n':
				option.parallel = atoi(optarg);
				break;
			case 'r':
				option.requests = atoi(optarg);
				break;
			case 'b':
				option.body = atoi(optarg);
				break;
			case 't':
				option.timeout = atoi(optarg);
				break;
			case 'u':
				option.uri = optarg;
				break;
			case 'c':
				option.suite = optarg;
				break;
			case 'f':
				option.follow = true;
				break;
			case 'g':
				option.gather = true;
				break;
			default:
				fprintf(stderr, "usage: https-peers --port PORT --identities FILE [--sessions N] [--parallel N] [--requests N]\n"
						"       [--body OCTETS] [--uri URI] [--suite SUITES] [--timeout SECONDS] [--follow] [--gather]\n");
				return 2;
		}
	}
	if (identity_count == 0 || option.port == 0 || option.body > IN_SIZE)
	{
		fprintf(stderr, "https-peers: which port, which identities?\n");
		return 2;
	}
	/* those that rest are all there at once */
	if (option.gather || option.parallel > option.sessions)
		option.parallel = option.sessions;

	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	context = SSL_CTX_new(TLS_client_method());
	if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1
		|| SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) != 1
		|| SSL_CTX_set_cipher_list(context, option.suite) != 1)
	{
		ERR_print_errors_fp(stderr);
		return 2;
	}
	SSL_CTX_set_psk_client_callback(context, give_key);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	peers = calloc(option.parallel, sizeof(Peer));
	for (int i = 0; i < option.parallel; i++)
		peers[i].in = malloc(IN_SIZE);

	start = now();
	for (int i = 0; i < option.parallel; i++)
		begin_session(&peers[i]);
	run();
	if (option.gather)
	{
		char		line[16];

		printf("open %d\n", count_resting());
		fflush(stdout);
		if (fgets(line, sizeof(line), stdin) == NULL)
			line[0] = '\0';
		/* and now all of them again, to their end */
		option.gather = false;
		for (int i = 0; i < option.parallel; i++)
			if (peers[i].state == PEER_RESTING)
			{
				next_request(&peers[i]);
				advance(&peers[i]);
			}
		run();
	}
	took = now() - start;
	printf("sessions %d failed %d requests %ld scripts %ld octets %lld seconds %.3f slowest %.3f\n",
		   tally.done, tally.failed + (option.sessions - tally.done - tally.failed), tally.requests, tally.scripts,
		   tally.octets, took, tally.slowest);
	if (tally.first_failure[0] != '\0')
		fprintf(stderr, "https-peers: %s\n", tally.first_failure);
	else if (tally.done < option.sessions)
		fprintf(stderr, "https-peers: not all came to an end\n");
	return tally.done == option.sessions ? 0 : 1;
}
