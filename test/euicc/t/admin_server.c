/*
 * admin_server.c
 *		No more of a server than cards under test need.
 */
#include <stdbool.h>
#include <stdint.h>

#include "admin_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/admin_http.h"

typedef struct Client
{
	struct Client *next;
	int			fd;
	SSL		   *ssl;
	bool		open;
	bool		dead;
	bool		waits;			/* a request is whole, and not answered */
	Text		in;
	AdminRequest request;
} Client;

static SSL_CTX *ctx;
static int	listener = -1;
static Client *clients;
static AdminKey key_of;
static AdminRespond respond_to;

static unsigned
find_key(SSL *ssl, const char *identity, unsigned char *key, unsigned max)
{
	Client	   *client = SSL_get_app_data(ssl);

	if (max < 16 || strlen(identity) >= sizeof client->request.identity || !key_of(identity, key))
		return 0;
	strcpy(client->request.identity, identity);
	return 16;
}

uint16_t
admin_server_begin(AdminKey key, AdminRespond respond)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	len = sizeof address;

	key_of = key;
	respond_to = respond;
	ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, "PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256");
	SSL_CTX_set_psk_server_callback(ctx, find_key);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(listener, (struct sockaddr *) &address, len) != 0 || listen(listener, 4096) != 0 ||
		getsockname(listener, (struct sockaddr *) &address, &len) != 0)
		abort();
	return ntohs(address.sin_port);
}

static void
forget_request(AdminRequest *request)
{
	text_free(&request->head);
	text_free(&request->body);
	request->resumes = false;
}

static void
take_clients(void)
{
	int			fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
	{
		Client	   *client = make(sizeof *client);

		client->fd = fd;
		client->ssl = SSL_new(ctx);
		SSL_set_fd(client->ssl, fd);
		SSL_set_app_data(client->ssl, client);
		SSL_set_accept_state(client->ssl);
		client->next = clients;
		clients = client;
	}
}

static const char *
header(const AdminRequest *request, const char *name)
{
	const char *line = request->head.data;

	while (line != NULL && *line != '\0')
	{
		if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			return line + strlen(name) + 2;
		line = strstr(line, "\r\n");
		line = line != NULL ? line + 2 : NULL;
	}
	return NULL;
}

/* Chunks of in from pos; where they end, or 0. */
static size_t
take_chunks(const Text *in, size_t pos, Text *body)
{
	for (;;)
	{
		const char *end = pos < in->len ? memmem(in->data + pos, in->len - pos, "\r\n", 2) : NULL;
		size_t		n;

		if (end == NULL)
			return 0;
		n = strtoul(in->data + pos, NULL, 16);
		pos = (size_t) (end - in->data) + 2;
		if (in->len < pos + n + 2)
			return 0;
		text_add(body, in->data + pos, n);
		pos += n + 2;
		if (n == 0)
			return pos;
	}
}

static bool
take_request(Client *client)
{
	AdminRequest *request = &client->request;
	const char *end = client->in.len > 0 ? memmem(client->in.data, client->in.len, "\r\n\r\n", 4) : NULL;
	size_t		pos;

	if (end == NULL)
		return false;
	forget_request(request);
	pos = (size_t) (end - client->in.data) + 4;
	text_add(&request->head, client->in.data, pos - 2);
	if (header(request, "Transfer-Encoding") != NULL)
	{
		pos = take_chunks(&client->in, pos, &request->body);
		if (pos == 0)
			return false;
	}
	else if (header(request, "Content-Length") != NULL)
	{
		size_t		n = strtoul(header(request, "Content-Length"), NULL, 10);

		if (client->in.len < pos + n)
			return false;
		text_add(&request->body, client->in.data + pos, n);
		pos += n;
	}
	sscanf(request->head.data, "%511[^\r]", request->line);
	request->uri[0] = '\0';
	sscanf(request->head.data, "POST %511s", request->uri);
	snprintf(request->suite, sizeof request->suite, "%s", SSL_get_cipher_name(client->ssl));
	request->resumes = header(request, "X-Admin-Resume") != NULL;
	text_drop(&client->in, pos);
	return true;
}

static void
serve_client(Client *client)
{
	char		room[8192];
	int			n = client->open ? 1 : SSL_accept(client->ssl);

	client->open = client->open || n == 1;
	while (client->open && (n = SSL_read(client->ssl, room, sizeof room)) > 0)
		text_add(&client->in, room, (size_t) n);
	if (n <= 0 && SSL_get_error(client->ssl, n) != SSL_ERROR_WANT_READ)
		client->dead = true;
	ERR_clear_error();
	while (!client->dead && (client->waits || take_request(client)))
	{
		Text		out = {0};

		client->waits = !respond_to(&client->request, &out);
		if (!client->waits && SSL_write(client->ssl, out.data, (int) out.len) <= 0)
			client->dead = true;
		text_free(&out);
		if (client->waits)
			break;
	}
}

static void
drop_client(Client **place)
{
	Client	   *client = *place;

	*place = client->next;
	SSL_free(client->ssl);
	close(client->fd);
	text_free(&client->in);
	forget_request(&client->request);
	free(client);
}

void
admin_server_serve(void)
{
	Client	  **place = &clients;

	take_clients();
	while (*place != NULL)
	{
		serve_client(*place);
		if ((*place)->dead)
			drop_client(place);
		else
			place = &(*place)->next;
	}
}

unsigned
admin_server_connections(void)
{
	unsigned	n = 0;

	for (const Client *client = clients; client != NULL; client = client->next)
		n += client->open;
	return n;
}

void
admin_server_end(void)
{
	while (clients != NULL)
		drop_client(&clients);
	close(listener);
	SSL_CTX_free(ctx);
}

void
admin_script(Text *out, const void *script, size_t len, const char *next, const char *target, bool chunked)
{
	text_put(out, "HTTP/1.1 200 OK\r\nX-Admin-Protocol: " ADMIN_PROTOCOL "\r\nContent-Type: " ADMIN_SCRIPT_TYPE "\r\n");
	if (next != NULL)
		text_printf(out, "X-Admin-Next-URI: %s\r\n", next);
	if (target != NULL)
		text_printf(out, "X-Admin-Targeted-Application: %s\r\n", target);
	if (!chunked)
	{
		text_printf(out, "Content-Length: %zu\r\n\r\n", len);
		text_add(out, script, len);
		return;
	}
	text_put(out, "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t pos = 0; pos < len; pos += 100)
	{
		size_t		n = len - pos < 100 ? len - pos : 100;

		text_printf(out, "%zx\r\n", n);
		text_add(out, (const char *) script + pos, n);
		text_put(out, "\r\n");
	}
	text_put(out, "0\r\n\r\n");
}

void
admin_no_content(Text *out, const char *next)
{
	text_put(out, "HTTP/1.1 204 No Content\r\nX-Admin-Protocol: " ADMIN_PROTOCOL "\r\n");
	if (next != NULL)
		text_printf(out, "X-Admin-Next-URI: %s\r\n", next);
	text_put(out, "\r\n");
}
