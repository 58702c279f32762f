/*
 * control_socket.c
 *		The socket under the commands, both its sides.
 */
#include "control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_LINE	4096

typedef union Where
{
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
} Where;

/* All digits: a port of the loopback interface.  Anything else: a path. */
static bool
read_where(const char *text, Where *where, socklen_t *len)
{
	char	   *end;
	unsigned long port = strtoul(text, &end, 10);

	memset(where, 0, sizeof *where);
	if (text[0] != '\0' && *end == '\0' && port <= 65535)
	{
		where->in.sin_family = AF_INET;
		where->in.sin_port = htons((uint16_t) port);
		where->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*len = sizeof where->in;
		return true;
	}
	where->un.sun_family = AF_UNIX;
	*len = sizeof where->un;
	if (text[0] == '\0' || strlen(text) >= sizeof where->un.sun_path)
		return false;
	strcpy(where->un.sun_path, text);
	return true;
}

bool
control_listen(Control *control, const char *text, Text *name, Text *why)
{
	Where		where;
	socklen_t	len;
	struct stat st;
	int			one = 1;

	if (!read_where(text, &where, &len))
	{
		text_printf(why, "\"%s\" is no path that a Unix socket can have, and no port", text);
		return false;
	}
	/* A socket that a dead simulator left behind is in the way; a file is not ours. */
	if (where.any.sa_family == AF_UNIX && stat(text, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(text);
	control->listener = socket(where.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (control->listener >= 0)
		setsockopt(control->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (control->listener < 0 || bind(control->listener, &where.any, len) != 0 ||
		listen(control->listener, 8) != 0)
	{
		text_printf(why, "control %s: %s", text, strerror(errno));
		return false;
	}
	if (where.any.sa_family == AF_UNIX)
	{
		strcpy(control->path, text);
		text_put(name, text);
	}
	else
	{
		getsockname(control->listener, &where.any, &len);
		text_printf(name, "%u", ntohs(where.in.sin_port));
	}
	return true;
}

void
control_accept(Control *control)
{
	ControlClient *client;
	int			fd = accept4(control->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	client = make(sizeof *client);
	client->fd = fd;
	client->next = control->clients;
	control->clients = client;
}

void
control_read(Control *control, ControlClient *client)
{
	char		buffer[MAX_LINE];
	ssize_t		n = recv(client->fd, buffer, sizeof buffer, 0);
	char	   *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
	{
		client->dead = true;
		return;
	}
	text_add(&client->in, buffer, (size_t) n);
	while ((end = memchr(client->in.data, '\n', client->in.len)) != NULL)
	{
		*end = '\0';
		control_command(control, client->in.data, &client->out);
		text_drop(&client->in, (size_t) (end + 1 - client->in.data));
	}
	if (client->in.len >= MAX_LINE)
		client->dead = true;
	control_write(client);
}

void
control_write(ControlClient *client)
{
	while (client->out_sent < client->out.len && !client->dead)
	{
		ssize_t		n = send(client->fd, client->out.data + client->out_sent,
							 client->out.len - client->out_sent, MSG_NOSIGNAL);

		if (n > 0)
			client->out_sent += (size_t) n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			client->dead = true;
	}
	client->out.len = client->out_sent = 0;
}

void
control_sweep(Control *control)
{
	ControlClient **place = &control->clients;

	while (*place != NULL)
	{
		ControlClient *client = *place;

		if (!client->dead)
		{
			place = &client->next;
			continue;
		}
		*place = client->next;
		close(client->fd);
		text_free(&client->in);
		text_free(&client->out);
		free(client);
	}
}

void
control_free(Control *control)
{
	for (ControlClient *client = control->clients; client != NULL; client = client->next)
	{
		control_write(client);	/* the "ok" to quit */
		client->dead = true;
	}
	control_sweep(control);
	if (control->listener >= 0)
		close(control->listener);
	if (control->path[0] != '\0')
		unlink(control->path);
}

int
control_ask(const char *text, const char *command)
{
	Where		where;
	socklen_t	len;
	int			fd;
	FILE	   *stream;
	char	   *line = NULL;
	size_t		cap = 0;
	int			result = -1;

	if (!read_where(text, &where, &len))
	{
		fprintf(stderr, "smsr-fleet: \"%s\" is no socket\n", text);
		return 2;
	}
	fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, &where.any, len) != 0 || (stream = fdopen(fd, "r+")) == NULL)
	{
		fprintf(stderr, "smsr-fleet: %s: %s\n", text, strerror(errno));
		return 2;
	}
	fprintf(stream, "%s\n", command);
	fflush(stream);
	while (result < 0 && getline(&line, &cap, stream) > 0)
	{
		if (strcmp(line, "ok\n") == 0)
			result = 0;
		else if (strncmp(line, "error: ", 7) == 0)
		{
			fputs(line, stderr);
			result = 1;
		}
		else
			fputs(line, stdout);
	}
	free(line);
	fclose(stream);
	if (result < 0)
		fputs("smsr-fleet: the fleet went away before its answer was complete\n", stderr);
	return result < 0 ? 2 : result;
}
