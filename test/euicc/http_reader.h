/*
 * http_reader.h
 *		The answers to a card's POSTs (RFC 9112, as far as an administration
 *		session needs it), as they come in.
 */
#ifndef FLEET_HTTP_READER_H
#define FLEET_HTTP_READER_H

#include "core/bytes.h"
#include "memory.h"

#define HTTP_HEAD_MAX		4096
#define HTTP_BODY_MAX		(256 * 1024)

typedef enum HttpState
{
	HTTP_HEAD,
	HTTP_BODY,					/* so many octets */
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK,
	HTTP_CHUNK_END,
	HTTP_TRAILER,
	HTTP_DONE,
	HTTP_BAD
} HttpState;

typedef struct HttpReader
{
	HttpState	state;
	const char *fault;			/* of HTTP_BAD: what can not be */
	int			status;
	bool		closes;			/* "Connection: close", or HTTP/1.0 */
	Text		head;			/* each line ends with a NUL */
	Text		body;
	size_t		remaining;		/* of the body, or of the chunk */
} HttpReader;

/* For the next answer; keeps its memory. */
extern void http_reader_begin(HttpReader *reader);
extern void http_reader_free(HttpReader *reader);

/* Takes from the front of input what belongs to the answer. */
extern HttpState http_reader_read(HttpReader *reader, Text *input);

/* The value of a header, its name in any case; NULL if it does not stand there. */
extern const char *http_reader_header(const HttpReader *reader, const char *name);

#endif							/* FLEET_HTTP_READER_H */
