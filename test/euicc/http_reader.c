/*
 * http_reader.c
 *		A reader that is as narrow as a card's: what it does not expect is wrong.
 */
#include "http_reader.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_LEN		256 /* of a chunk's size, of a trailer */

void
http_reader_begin(HttpReader *reader)
{
	reader->state = HTTP_HEAD;
	reader->fault = NULL;
	reader->status = 0;
	reader->closes = false;
	reader->head.len = reader->body.len = reader->remaining = 0;
}

void
http_reader_free(HttpReader *reader)
{
	text_free(&reader->head);
	text_free(&reader->body);
	*reader = (HttpReader) {0};
}

static HttpState
bad(HttpReader *reader, const char *fault)
{
	reader->fault = fault;
	return reader->state = HTTP_BAD;
}

const char *
http_reader_header(const HttpReader *reader, const char *name)
{
	size_t		len = strlen(name);

	for (size_t pos = 0; pos < reader->head.len; pos += strlen(reader->head.data + pos) + 1)
	{
		const char *line = reader->head.data + pos;

		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
		{
			line += len + 1;
			return line + strspn(line, " \t");
		}
	}
	return NULL;
}

/* Digits and nothing else. */
static bool
read_size(const char *text, int base, size_t *size)
{
	char	   *end;

	if (strspn(text, "0123456789abcdefABCDEF") == 0 || strlen(text) > 12)
		return false;
	*size = strtoull(text, &end, base);
	return *end == '\0' || (base == 16 && strchr("; \t", *end) != NULL);
}

/* What the head says about the body. */
static HttpState
begin_body(HttpReader *reader)
{
	const char *coding = http_reader_header(reader, "Transfer-Encoding");
	const char *length = http_reader_header(reader, "Content-Length");
	const char *connection = http_reader_header(reader, "Connection");

	if (connection != NULL && strcasecmp(connection, "close") == 0)
		reader->closes = true;
	if (reader->status == 204)
	{
		if (coding != NULL || (length != NULL && strcmp(length, "0") != 0))
			return bad(reader, "a 204 has a body");
		return reader->state = HTTP_DONE;
	}
	if (coding != NULL)
	{
		if (strcasecmp(coding, "chunked") != 0 || length != NULL)
			return bad(reader, "Transfer-Encoding is not chunked alone");
		return reader->state = HTTP_CHUNK_SIZE;
	}
	if (length == NULL)
		return bad(reader, "neither Content-Length nor Transfer-Encoding");
	if (!read_size(length, 10, &reader->remaining))
		return bad(reader, "Content-Length is no number");
	if (reader->remaining > HTTP_BODY_MAX)
		return bad(reader, "the body is too long");
	return reader->state = reader->remaining > 0 ? HTTP_BODY : HTTP_DONE;
}

/* The whole head is there: input up to and with an empty line. */
static HttpState
read_head(HttpReader *reader, const char *head, size_t len)
{
	int			minor;
	int			end = 0;

	text_reserve(&reader->head, len);
	for (size_t i = 0; i < len; i++)
	{
		if (head[i] == '\0')
			return bad(reader, "a NUL in the head");
		if (head[i] == '\r' && i + 1 < len && head[i + 1] == '\n')
			continue;
		reader->head.data[reader->head.len++] = head[i] == '\n' ? '\0' : head[i];
	}
	if (sscanf(reader->head.data, "HTTP/1.%1d %3d%n", &minor, &reader->status, &end) != 2 ||
		(reader->head.data[end] != ' ' && reader->head.data[end] != '\0') || reader->status < 100)
		return bad(reader, "no status line");
	reader->closes = minor == 0;
	if (reader->status < 200)
	{
		reader->head.len = 0;	/* 100 Continue: the answer follows */
		return reader->state = HTTP_HEAD;
	}
	return begin_body(reader);
}

/* The next line into line; false if it is not whole yet. */
static bool
take_line(Text *input, size_t *pos, char line[LINE_MAX_LEN], bool *too_long)
{
	const char *start = input->data + *pos;
	const char *end = memchr(start, '\n', input->len - *pos);
	size_t		len = end != NULL ? (size_t) (end - start) : input->len - *pos;

	*too_long = len >= LINE_MAX_LEN;
	if (end == NULL || *too_long)
		return false;
	*pos += len + 1;
	if (len > 0 && start[len - 1] == '\r')
		len--;
	memcpy(line, start, len);
	line[len] = '\0';
	return true;
}

static HttpState
read_lines(HttpReader *reader, Text *input, size_t *pos)
{
	char		line[LINE_MAX_LEN];
	bool		too_long;

	if (!take_line(input, pos, line, &too_long))
		return too_long ? bad(reader, "a line is too long") : reader->state;
	switch (reader->state)
	{
		case HTTP_CHUNK_SIZE:
			if (!read_size(line, 16, &reader->remaining))
				return bad(reader, "the size of a chunk is no number");
			if (reader->body.len + reader->remaining > HTTP_BODY_MAX)
				return bad(reader, "the body is too long");
			return reader->state = reader->remaining > 0 ? HTTP_CHUNK : HTTP_TRAILER;
		case HTTP_CHUNK_END:
			if (line[0] != '\0')
				return bad(reader, "a chunk is longer than its size");
			return reader->state = HTTP_CHUNK_SIZE;
		default:
			return reader->state = line[0] == '\0' ? HTTP_DONE : HTTP_TRAILER;
	}
}

HttpState
http_reader_read(HttpReader *reader, Text *input)
{
	size_t		pos = 0;

	while (pos < input->len && reader->state != HTTP_DONE && reader->state != HTTP_BAD)
	{
		size_t		before = pos;
		HttpState	state = reader->state;

		if (state == HTTP_HEAD)
		{
			const char *start = input->data + pos;
			const char *end = memmem(start, input->len - pos, "\r\n\r\n", 4);

			if (end == NULL)
			{
				if (input->len - pos > HTTP_HEAD_MAX)
					bad(reader, "the head is too long");
				break;
			}
			pos += (size_t) (end - start) + 4;
			read_head(reader, start, (size_t) (end - start) + 2);
		}
		else if (state == HTTP_BODY || state == HTTP_CHUNK)
		{
			size_t		n = input->len - pos < reader->remaining ? input->len - pos : reader->remaining;

			text_add(&reader->body, input->data + pos, n);
			pos += n;
			reader->remaining -= n;
			if (reader->remaining == 0)
				reader->state = state == HTTP_BODY ? HTTP_DONE : HTTP_CHUNK_END;
		}
		else
			read_lines(reader, input, &pos);
		if (pos == before)
			break;
	}
	text_drop(input, pos);
	return reader->state;
}
