/*
 * admin_server.h
 *		An administration server for tests of cards: PSK-TLS and HTTP in the test's
 *		own loop.  What it answers the test says.
 */
#ifndef FLEET_ADMIN_SERVER_H
#define FLEET_ADMIN_SERVER_H

#include "../memory.h"

typedef struct AdminRequest
{
	char		identity[256];
	char		suite[64];
	char		line[512];		/* the first */
	char		uri[512];
	Text		head;			/* lines end with CR LF */
	Text		body;			/* chunks put together */
	bool		resumes;
} AdminRequest;

/* The whole answer to *out; false: not now, ask again later. */
typedef bool (*AdminRespond) (const AdminRequest *request, Text *out);

/* The key of an identity; false: none. */
typedef bool (*AdminKey) (const char *identity, unsigned char key[16]);

extern uint16_t admin_server_begin(AdminKey key, AdminRespond respond);
extern void admin_server_serve(void);
extern void admin_server_end(void);
extern unsigned admin_server_connections(void);

/* An answer with a script for whom, whose answer goes to next; either NULL: none. */
extern void admin_script(Text *out, const void *script, size_t len, const char *next, const char *target, bool chunked);
extern void admin_no_content(Text *out, const char *next);

#endif							/* FLEET_ADMIN_SERVER_H */
