/*
 * request.h
 *	  An HTTP/1.1 or 1.0 request, read as its octets come.
 *
 * Strict: what RFC 7230 lets a server forgive is refused, for nobody but a card
 * that follows SGP.02 has a reason to be here.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum RequestState
{
	REQUEST_HEAD,				/* request line and header fields */
	REQUEST_BODY,				/* as long as Content-Length says */
	REQUEST_CHUNK_SIZE,
	REQUEST_CHUNK,
	REQUEST_CHUNK_END,
	REQUEST_TRAILER,
	REQUEST_COMPLETE,
	REQUEST_REFUSED				/* see status and fault */
} RequestState;

typedef struct Request
{
	size_t		header_limit;	/* octets: request line and header, then trailer */
	size_t		body_limit;

	RequestState state;
	int			status;			/* with which it is to be refused */
	const char *fault;			/* what is wrong with it, for a log */

	Buffer		head;			/* while it is read; then method and target */
	Buffer		line;			/* of a chunk's size or the trailer */
	size_t		trailer;		/* octets of it so far */
	uint64_t	left;			/* octets of the body or chunk that are to come */

	const char *method;			/* within head */
	const char *target;
	char	   *headers;		/* a JSON object: names in lower case, values as text */
	Buffer		body;
	bool		old;			/* HTTP/1.0: no chunks in the answer, and one request only */
	bool		close;			/* the client wants no further request */
	bool		expects_continue;
} Request;

extern void request_init(Request *request, size_t header_limit, size_t body_limit);
extern void request_free(Request *request);

/* the next request over the same connection */
extern void request_restart(Request *request);

/* how many of these octets belong to it; all, unless it is complete or refused */
extern size_t request_read(Request *request, const uint8_t *data, size_t length);

static inline bool
request_ended(const Request *request)
{
	return request->state == REQUEST_COMPLETE || request->state == REQUEST_REFUSED;
}

/* whether any of its octets has come */
extern bool request_begun(const Request *request);

#endif							/* REQUEST_H */
