/*
 * response.c
 *	  An HTTP/1.1 response, written into a buffer.
 */
#include "response.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "FFFF" CR LF before a chunk, CR LF behind it */
#define CHUNK_FRAME 8

static const struct
{
	int			status;
	const char *words;
}			phrases[] = {
	{200, "OK"}, {204, "No Content"}, {400, "Bad Request"}, {403, "Forbidden"}, {404, "Not Found"},
	{405, "Method Not Allowed"}, {408, "Request Timeout"}, {409, "Conflict"}, {413, "Payload Too Large"},
	{417, "Expectation Failed"}, {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"}, {501, "Not Implemented"}, {503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"}
};

static void
append_text(Buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void
response_begin(Buffer *buffer, int status)
{
	char		line[64];
	const char *words = "Other";	/* nobody reads it, but it must be there */

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
	{
		if (phrases[i].status == status)
			words = phrases[i].words;
	}
	snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\n", status, words);
	append_text(buffer, line);
}

bool
response_header(Buffer *buffer, const char *name, const char *value)
{
	if (*name == '\0' || strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0 ||
		strcasecmp(name, "Connection") == 0)
		return false;
	for (const char *c = name; *c; c++)
	{
		if (*c <= 0x20 || *c > 0x7E || strchr("()<>@,;:\\\"/[]?={}", *c))
			return false;
	}
	for (const char *c = value; *c; c++)
	{
		if (*c < 0x20 || *c > 0x7E)
			return false;
	}
	append_text(buffer, name);
	append_text(buffer, ": ");
	append_text(buffer, value);
	append_text(buffer, "\r\n");
	return true;
}

void
response_end(Buffer *buffer, int status, bool close, const void *body, size_t length, size_t record_size)
{
	const uint8_t *rest = body;
	size_t		most = record_size > CHUNK_FRAME ? record_size - CHUNK_FRAME : length;
	char		line[48];

	if (close)
		append_text(buffer, "Connection: close\r\n");
	/* 204 has no body and says nothing of its length (RFC 7230 3.3.2) */
	if (status == 204)
		body = NULL;
	else if (body && record_size > 0)
		append_text(buffer, "Transfer-Encoding: chunked\r\n");
	else
	{
		snprintf(line, sizeof(line), "Content-Length: %zu\r\n", body ? length : 0);
		append_text(buffer, line);
	}
	append_text(buffer, "\r\n");
	if (body == NULL)
		return;
	if (record_size == 0)
	{
		buffer_append(buffer, body, length);
		return;
	}
	while (length > 0)
	{
		size_t		chunk = length < most ? length : most;

		snprintf(line, sizeof(line), "%zX\r\n", chunk);
		append_text(buffer, line);
		buffer_append(buffer, rest, chunk);
		append_text(buffer, "\r\n");
		rest += chunk;
		length -= chunk;
	}
	append_text(buffer, "0\r\n\r\n");
}

void
response_refusal(Buffer *buffer, int status)
{
	response_begin(buffer, status);
	response_end(buffer, status, true, NULL, 0, 0);
}
