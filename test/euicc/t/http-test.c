/*
 * http-test.c
 *		Answers of servers, whole, octet by octet, and damaged.  Prints TAP.
 */
#include "subject.h"

#include <stdio.h>
#include <string.h>

#include "../http_reader.h"
#include "../random.h"

#define OK		"HTTP/1.1 200 OK\r\n"

typedef struct Case
{
	const char *name;
	const char *text;
	HttpState	state;
	int			status;
	const char *body;
	const char *rest;			/* what stays in the input */
} Case;

static const Case cases[] = {
	{"a length", OK "Content-Length: 3\r\n\r\nabcHTTP", HTTP_DONE, 200, "abc", "HTTP"},
	{"no octets", OK "content-length: 0\r\n\r\n", HTTP_DONE, 200, "", ""},
	{"one chunk", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", HTTP_DONE, 200, "abc", ""},
	{"chunks, extension, trailer", OK "transfer-encoding: Chunked\r\n\r\n1;x=y\r\na\r\n02\r\nbc\r\n0\r\nX: y\r\n\r\nrest",
	HTTP_DONE, 200, "abc", "rest"},
	{"chunks in upper case", OK "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", HTTP_DONE, 200, "0123456789", ""},
	{"100 first", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", HTTP_DONE, 200, "x", ""},
	{"204", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1", HTTP_DONE, 204, "", "HTTP/1.1"},
	{"204 without a reason", "HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n", HTTP_DONE, 204, "", ""},
	{"HTTP/1.0", "HTTP/1.0 409 Conflict\r\nContent-Length: 0\r\n\r\n", HTTP_DONE, 409, "", ""},
	{"half a head", OK "Content-Le", HTTP_HEAD, 0, "", OK "Content-Le"},
	{"half a body", OK "Content-Length: 9\r\n\r\nabc", HTTP_BODY, 200, "abc", ""},
	{"half a chunk", OK "Transfer-Encoding: chunked\r\n\r\n9\r\nabc", HTTP_CHUNK, 200, "abc", ""},
	{"no status line", "nonsense\r\n\r\n", HTTP_BAD, 0, "", ""},
	{"another protocol", "ICY 200 OK\r\n\r\n", HTTP_BAD, 0, "", ""},
	{"a status of two digits", "HTTP/1.1 99 OK\r\n\r\n", HTTP_BAD, 99, "", ""},
	{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", HTTP_BAD, 200, "", ""},
	{"neither length nor chunks", OK "\r\n", HTTP_BAD, 200, "", ""},
	{"both", OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BAD, 200, "", ""},
	{"another coding", OK "Transfer-Encoding: gzip\r\n\r\n", HTTP_BAD, 200, "", ""},
	{"a length that is none", OK "Content-Length: 3x\r\n\r\n", HTTP_BAD, 200, "", ""},
	{"a length below zero", OK "Content-Length: -3\r\n\r\n", HTTP_BAD, 200, "", ""},
	{"a length beyond all", OK "Content-Length: 999999999\r\n\r\n", HTTP_BAD, 200, "", ""},
	{"a length of many digits", OK "Content-Length: 18446744073709551617\r\n\r\n", HTTP_BAD, 200, "", ""},
	{"a chunk size that is none", OK "Transfer-Encoding: chunked\r\n\r\nx\r\n", HTTP_BAD, 200, "", ""},
	{"a chunk beyond all", OK "Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n", HTTP_BAD, 200, "", ""},
	{"a chunk longer than its size", OK "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", HTTP_BAD, 200, "a", ""},
	{"a 204 with a body", "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n", HTTP_BAD, 204, "", ""},
	{"a 204 in chunks", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BAD, 204, "", ""},
};

#define CASES	(sizeof cases / sizeof cases[0])

static bool
is_case(const HttpReader *reader, const Text *input, const Case *c)
{
	return reader->state == c->state && reader->status == c->status &&
		reader->body.len == strlen(c->body) && memcmp(reader->body.len > 0 ? reader->body.data : "", c->body, reader->body.len) == 0 &&
		(c->state == HTTP_BAD ? reader->fault != NULL :
		 input->len == strlen(c->rest) && memcmp(input->len > 0 ? input->data : "", c->rest, input->len) == 0);
}

static void
read_case(const Case *c)
{
	HttpReader	reader = {0};
	Text		input = {0};

	http_reader_begin(&reader);
	text_put(&input, c->text);
	http_reader_read(&reader, &input);
	ok(is_case(&reader, &input, c), "%s", c->name);

	/* a reader is used again */
	http_reader_begin(&reader);
	input.len = 0;
	for (const char *p = c->text; *p != '\0'; p++)
	{
		text_add(&input, p, 1);
		http_reader_read(&reader, &input);
	}
	ok(is_case(&reader, &input, c), "... octet by octet");
	http_reader_free(&reader);
	text_free(&input);
}

static void
read_headers(void)
{
	HttpReader	reader = {0};
	Text		input = {0};
	const char *value;

	text_put(&input, OK "x-admin-next-uri:/a?b=c\r\nX-Admin-Protocol: \t p\r\nX-Admin: no\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
	http_reader_begin(&reader);
	http_reader_read(&reader, &input);
	value = http_reader_header(&reader, "X-Admin-Next-URI");
	ok(value != NULL && strcmp(value, "/a?b=c") == 0, "a header by its name in another case");
	value = http_reader_header(&reader, "X-Admin-Protocol");
	ok(value != NULL && strcmp(value, "p") == 0, "... blanks before its value");
	ok(http_reader_header(&reader, "X-Admin-From") == NULL, "... that is not there");
	ok(reader.closes, "Connection: close");
	http_reader_begin(&reader);
	input.len = 0;
	text_put(&input, OK);
	for (int i = 0; i < 500; i++)
		text_put(&input, "X: 0123456789\r\n");
	ok(http_reader_read(&reader, &input) == HTTP_BAD, "a head without an end");
	http_reader_free(&reader);
	text_free(&input);
}

/* Nothing of what a broken server says may hurt: the sanitizers watch. */
static void
read_damaged(void)
{
	HttpReader	reader = {0};
	Text		input = {0};
	unsigned	done = 0;

	for (uint64_t round = 0; round < 20000; round++)
	{
		const Case *c = &cases[round % CASES];
		Rng			rng = rng_for(1, RNG_HTTPS, round, 0);
		size_t		len = strlen(c->text);
		char		text[512];
		size_t		pos = 0;

		memcpy(text, c->text, len);
		for (uint64_t i = rng_below(&rng, 4); i > 0; i--)
			text[rng_below(&rng, len)] = (char) rng_next(&rng);
		http_reader_begin(&reader);
		input.len = 0;
		while (pos < len)
		{
			size_t		n = 1 + rng_below(&rng, len - pos);

			text_add(&input, text + pos, n);
			pos += n;
			http_reader_read(&reader, &input);
		}
		done += reader.state == HTTP_DONE;
	}
	ok(done > 2000, "20000 damaged answers are read, %u of them to an end", done);
	http_reader_free(&reader);
	text_free(&input);
}

int
main(void)
{
	begin();
	for (size_t i = 0; i < CASES; i++)
		read_case(&cases[i]);
	read_headers();
	read_damaged();
	return finish();
}
