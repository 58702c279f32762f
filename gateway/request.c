/*
 * request.c
 *	  An HTTP/1.1 or 1.0 request, read as its octets come.
 */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELDS 64
#define METHOD_LONGEST 16
/* of a chunk's size; an extension is read over, within this */
#define CHUNK_LINE 64

typedef struct Field
{
	char	   *name;			/* in lower case */
	char	   *value;
} Field;

void
request_init(Request *request, size_t header_limit, size_t body_limit)
{
	memset(request, 0, sizeof(*request));
	request->header_limit = header_limit;
	request->body_limit = body_limit;
}

/* Connections wait for long between two requests: nothing is kept meanwhile. */
void
request_restart(Request *request)
{
	size_t		header_limit = request->header_limit;
	size_t		body_limit = request->body_limit;

	request_free(request);
	request_init(request, header_limit, body_limit);
}

void
request_free(Request *request)
{
	buffer_free(&request->head);
	buffer_free(&request->line);
	buffer_free(&request->body);
	free(request->headers);
	request->headers = NULL;
}

bool
request_begun(const Request *request)
{
	return request->state != REQUEST_HEAD || request->head.length > 0;
}

static void
refuse(Request *request, int status, const char *fault)
{
	request->state = REQUEST_REFUSED;
	request->status = status;
	request->fault = fault;
	request->close = true;
}

/* RFC 7230 3.2.6 */
static bool
is_token(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text; text++)
	{
		bool		letter = (*text | 0x20) >= 'a' && (*text | 0x20) <= 'z';
		bool		digit = *text >= '0' && *text <= '9';

		if (!letter && !digit && strchr("!#$%&'*+-.^_`|~", *text) == NULL)
			return false;
	}
	return true;
}

static bool
is_printable(const char *text)
{
	for (; *text; text++)
	{
		if ((*text < 0x20 || *text > 0x7E) && *text != '\t')
			return false;
	}
	return true;
}

static char *
trim(char *text)
{
	char	   *end = text + strlen(text);

	while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return text + strspn(text, " \t");
}

/* "POST /path HTTP/1.1" */
static bool
read_request_line(Request *request, char *line)
{
	char	   *target = strchr(line, ' ');
	char	   *version = target ? strchr(target + 1, ' ') : NULL;

	if (version == NULL || strchr(version + 1, ' '))
	{
		refuse(request, 400, "malformed request line");
		return false;
	}
	*target++ = '\0';
	*version++ = '\0';
	if (!is_token(line) || strlen(line) > METHOD_LONGEST)
		refuse(request, 400, "malformed method");
	else if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.')
		refuse(request, 400, "malformed version");
	else if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
		refuse(request, 505, "neither HTTP/1.1 nor HTTP/1.0");
	else if (target[0] != '/' || !is_printable(target) || strchr(target, '\t'))
		refuse(request, 400, "malformed target");
	else
	{
		request->method = line;
		request->target = target;
		request->old = request->close = version[7] == '0';
		return true;
	}
	return false;
}

static bool
read_field(Request *request, char *line, Field *field)
{
	char	   *colon = strchr(line, ':');

	if (colon)
		*colon = '\0';
	/* a blank before the colon and a line that continues another are no tokens */
	if (colon == NULL || !is_token(line))
	{
		refuse(request, 400, "malformed header field");
		return false;
	}
	field->name = line;
	field->value = trim(colon + 1);
	if (!is_printable(field->value))
	{
		refuse(request, 400, "header field with other than printable characters");
		return false;
	}
	for (char *c = line; *c; c++)
	{
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	}
	return true;
}

/* the one field of this name; NULL: none, or there are two and it is refused */
static const char *
find_single(Request *request, const Field *fields, int count, const char *name)
{
	const char *value = NULL;

	for (int i = 0; i < count; i++)
	{
		if (strcmp(fields[i].name, name) != 0)
			continue;
		if (value)
		{
			refuse(request, 400, "header field given twice");
			return NULL;
		}
		value = fields[i].value;
	}
	return value;
}

static void
json_text(Buffer *json, const char *text)
{
	for (; *text; text++)
	{
		char		escaped[8];
		int			length = *text == '"' || *text == '\\' ? snprintf(escaped, sizeof(escaped), "\\%c", *text)
			: *text == '\t' ? snprintf(escaped, sizeof(escaped), "\\t")
			: snprintf(escaped, sizeof(escaped), "%c", *text);

		buffer_append(json, escaped, (size_t) length);
	}
}

/* Fields of one name are one list (RFC 7230 3.2.2). */
static void
build_headers(Request *request, Field *fields, int count)
{
	Buffer		json = {0};

	buffer_append(&json, "{", 1);
	for (int i = 0; i < count; i++)
	{
		if (fields[i].name == NULL)
			continue;
		if (json.length > 1)
			buffer_append(&json, ", ", 2);
		buffer_append(&json, "\"", 1);
		json_text(&json, fields[i].name);
		buffer_append(&json, "\": \"", 4);
		json_text(&json, fields[i].value);
		for (int j = i + 1; j < count; j++)
		{
			if (fields[j].name && strcmp(fields[j].name, fields[i].name) == 0)
			{
				buffer_append(&json, ", ", 2);
				json_text(&json, fields[j].value);
				fields[j].name = NULL;
			}
		}
		buffer_append(&json, "\"", 1);
	}
	buffer_append(&json, "}", 2);	/* with its end as a string */
	request->headers = (char *) json.data;
}

/* Which body follows, and what else a server must know of the header. */
static void
judge_fields(Request *request, const Field *fields, int count)
{
	const char *host = find_single(request, fields, count, "host");
	const char *length = find_single(request, fields, count, "content-length");
	const char *coding = find_single(request, fields, count, "transfer-encoding");
	const char *expect = find_single(request, fields, count, "expect");

	if (request->state == REQUEST_REFUSED)
		return;
	if (host == NULL && !request->old)
	{
		refuse(request, 400, "no Host");
		return;
	}
	if (length && coding)
	{
		refuse(request, 400, "both Content-Length and Transfer-Encoding");
		return;
	}
	for (int i = 0; i < count; i++)
	{
		if (strcmp(fields[i].name, "connection") == 0 && strcasestr(fields[i].value, "close"))
			request->close = true;
	}
	if (coding)
	{
		if (request->old)
			refuse(request, 400, "a transfer coding in HTTP/1.0");
		else if (strcasecmp(coding, "chunked") != 0)
			refuse(request, 501, "a transfer coding other than chunked");
		else
			request->state = REQUEST_CHUNK_SIZE;
	}
	else if (length)
	{
		if (*length == '\0' || strspn(length, "0123456789") != strlen(length))
			refuse(request, 400, "malformed Content-Length");
		else if (strlen(length) > 18 || (request->left = strtoull(length, NULL, 10)) > request->body_limit)
			refuse(request, 413, "body too long");
		else
			request->state = request->left > 0 ? REQUEST_BODY : REQUEST_COMPLETE;
	}
	else
		request->state = REQUEST_COMPLETE;
	if (expect && request->state != REQUEST_REFUSED)
	{
		if (strcasecmp(expect, "100-continue") != 0)
			refuse(request, 417, "an expectation other than 100-continue");
		else if (request->state != REQUEST_COMPLETE && !request->old)
			request->expects_continue = true;
	}
}

/* The head is whole, the empty line at its end included. */
static void
read_head(Request *request)
{
	char	   *text = (char *) buffer_bytes(&request->head);
	char	   *end = text + request->head.length - 2;
	Field		fields[FIELDS];
	int			count = 0;
	bool		first = true;

	if (memchr(text, '\0', request->head.length))
	{
		refuse(request, 400, "header with a NUL");
		return;
	}
	/* one empty line before a request is no fault (RFC 7230 3.5) */
	if (text[0] == '\r' && text[1] == '\n')
		text += 2;
	while (text < end)
	{
		char	   *line_end = memchr(text, '\r', (size_t) (end - text));

		/* a CR or LF of its own ends no line */
		if (line_end == NULL || line_end[1] != '\n' || memchr(text, '\n', (size_t) (line_end - text)))
		{
			refuse(request, 400, "line that does not end with CR LF");
			return;
		}
		*line_end = '\0';
		if (first && !read_request_line(request, text))
			return;
		if (!first && count == FIELDS)
		{
			refuse(request, 431, "too many header fields");
			return;
		}
		if (!first && !read_field(request, text, &fields[count++]))
			return;
		first = false;
		text = line_end + 2;
	}
	if (first)
	{
		refuse(request, 400, "no request line");
		return;
	}
	judge_fields(request, fields, count);
	if (request->state != REQUEST_REFUSED)
		build_headers(request, fields, count);
}

/* Up to the empty line, which need not come in one piece. */
static size_t
take_head(Request *request, const uint8_t *data, size_t length)
{
	size_t		old = request->head.length;
	size_t		room = request->header_limit - old;
	size_t		more = length < room ? length : room;
	size_t		from = old < 3 ? 0 : old - 3;
	const uint8_t *start;
	const uint8_t *end;

	buffer_append(&request->head, data, more);
	start = buffer_bytes(&request->head);
	end = memmem(start + from, request->head.length - from, "\r\n\r\n", 4);
	if (end)
	{
		size_t		used = (size_t) (end - start) + 4 - old;

		request->head.length = old + used;
		read_head(request);
		return used;
	}
	if (more < length)
		refuse(request, 431, "header too long");
	return more;
}

static size_t
take_body(Request *request, const uint8_t *data, size_t length)
{
	if (length > request->left)
		length = (size_t) request->left;
	buffer_append(&request->body, data, length);
	request->left -= length;
	if (request->left == 0)
		request->state = request->state == REQUEST_BODY ? REQUEST_COMPLETE : REQUEST_CHUNK_END;
	return length;
}

/* A line in request->line, without its end; NULL: it is not whole yet, or refused. */
static char *
take_line(Request *request, const uint8_t *data, size_t length, size_t limit, size_t *used)
{
	const uint8_t *end = memchr(data, '\n', length);
	size_t		had = request->line.length;
	char	   *line;

	*used = end ? (size_t) (end - data) + 1 : length;
	if (had + *used > limit)
	{
		refuse(request, request->state == REQUEST_TRAILER ? 431 : 400, "line within a chunked body too long");
		return NULL;
	}
	buffer_append(&request->line, data, *used);
	if (end == NULL)
		return NULL;
	line = (char *) buffer_bytes(&request->line);
	length = request->line.length;
	if (length < 2 || line[length - 2] != '\r' || memchr(line, '\0', length) || memchr(line, '\r', length - 2))
	{
		refuse(request, 400, "line within a chunked body that does not end with CR LF");
		return NULL;
	}
	line[length - 2] = '\0';
	buffer_clear(&request->line);
	return line;
}

static size_t
take_chunk_size(Request *request, const uint8_t *data, size_t length)
{
	size_t		used;
	char	   *line = take_line(request, data, length, CHUNK_LINE, &used);
	size_t		digits;

	if (line == NULL)
		return used;
	digits = strspn(line, "0123456789abcdefABCDEF");
	if (digits == 0 || (line[digits] != '\0' && line[digits] != ';' && line[digits] != ' ') || !is_printable(line))
		refuse(request, 400, "malformed size of a chunk");
	else if (digits > 15 || (request->left = strtoull(line, NULL, 16)) > request->body_limit - request->body.length)
		refuse(request, 413, "body too long");
	else
		request->state = request->left > 0 ? REQUEST_CHUNK : REQUEST_TRAILER;
	return used;
}

static size_t
take_chunk_end(Request *request, const uint8_t *data, size_t length)
{
	size_t		used;
	char	   *line = take_line(request, data, length, CHUNK_LINE, &used);

	if (line && *line)
		refuse(request, 400, "a chunk longer than its size");
	else if (line)
		request->state = REQUEST_CHUNK_SIZE;
	return used;
}

/* Fields behind the last chunk are read over. */
static size_t
take_trailer(Request *request, const uint8_t *data, size_t length)
{
	size_t		used;
	char	   *line = take_line(request, data, length, request->header_limit - request->trailer, &used);

	request->trailer += line ? strlen(line) + 2 : 0;
	if (line && *line == '\0')
		request->state = REQUEST_COMPLETE;
	return used;
}

size_t
request_read(Request *request, const uint8_t *data, size_t length)
{
	size_t		used = 0;

	while (used < length && !request_ended(request))
	{
		const uint8_t *rest = data + used;
		size_t		left = length - used;

		switch (request->state)
		{
			case REQUEST_HEAD:
				used += take_head(request, rest, left);
				break;
			case REQUEST_BODY:
			case REQUEST_CHUNK:
				used += take_body(request, rest, left);
				break;
			case REQUEST_CHUNK_SIZE:
				used += take_chunk_size(request, rest, left);
				break;
			case REQUEST_CHUNK_END:
				used += take_chunk_end(request, rest, left);
				break;
			default:
				used += take_trailer(request, rest, left);
				break;
		}
	}
	return used;
}
