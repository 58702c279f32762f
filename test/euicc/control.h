/*
 * control.h
 *		Questions and orders to a running fleet, one line each.
 *
 * An answer is any number of lines and then "ok" or "error: why".
 */
#ifndef FLEET_CONTROL_H
#define FLEET_CONTROL_H

#include "smsc.h"

typedef struct ControlClient
{
	struct ControlClient *next;
	int			fd;
	bool		dead;
	Text		in;
	Text		out;
	size_t		out_sent;
} ControlClient;

typedef struct Control
{
	Smscs	   *smscs;
	int			listener;		/* -1: none */
	char		path[108];		/* of a Unix socket, to be removed; else empty */
	ControlClient *clients;
	bool		quit;
} Control;

extern const char *const CONTROL_HELP;

/* where: a path, or a port of the loopback interface; 0: a free one */
extern bool control_listen(Control *control, const char *where, Text *name, Text *why);
extern void control_accept(Control *control);
extern void control_read(Control *control, ControlClient *client);
extern void control_write(ControlClient *client);
extern void control_sweep(Control *control);
extern void control_free(Control *control);

/* One command; its answer, with "ok" or "error:", is appended to out. */
extern void control_command(Control *control, const char *command, Text *out);

/* The other side: send one command, copy the answer; 0, or 1 if it failed. */
extern int	control_ask(const char *where, const char *command);

#endif							/* FLEET_CONTROL_H */
