/*
 * response.h
 *	  An HTTP/1.1 response, written into a buffer.
 *
 * There is no Date and no Server: each octet passes through a card's buffer, and
 * no cache is on the way.
 */
#ifndef RESPONSE_H
#define RESPONSE_H

#include "memory.h"

#include <stdbool.h>
#include <stddef.h>

extern void response_begin(Buffer *buffer, int status);

/* false: it is no header field, or one that belongs to response_end() */
extern bool response_header(Buffer *buffer, const char *name, const char *value);

/*
 * The end of the header, and the body: NULL for none.  A chunk and its frame are
 * no longer than record_size octets; 0: the client knows no chunks.
 */
extern void response_end(Buffer *buffer, int status, bool close, const void *body, size_t length, size_t record_size);

/* all of it, without header fields or body; then the connection ends */
extern void response_refusal(Buffer *buffer, int status);

#endif							/* RESPONSE_H */
