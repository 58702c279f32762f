/*
 * http_units.c
 *	  HTTP requests in pieces of all sizes, whole and damaged; responses.
 *	  t/06_units.t compiles it with sanitizers and runs it; it prints TAP.
 */
#include "request.h"
#include "response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT 300
#define BODY_LIMIT 1000

static int	tests;
static int	failures;

static void
ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, name);
	failures += !good;
}

static uint32_t
next_random(void)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

#define POST "POST /p?a=1 HTTP/1.1\r\nHost: h\r\n"
#define JSON "{\"host\": \"h\""
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

typedef struct Case
{
	const char *name;
	const char *octets;
	int			status;			/* 0: it is accepted */
	const char *headers;
	const char *body;
	const char *rest;			/* octets behind it */
} Case;

static const Case cases[] = {
	{"without a body", POST "\r\n", 0, JSON "}", "", ""},
	{"with an empty body", POST "Content-Length: 0\r\n\r\n", 0, JSON ", \"content-length\": \"0\"}", "", ""},
	{"with a body", POST "Content-Length: 5\r\n\r\nhello", 0, JSON ", \"content-length\": \"5\"}", "hello", ""},
	{"and what follows it", POST "Content-Length: 5\r\n\r\nhelloPOST", 0, JSON ", \"content-length\": \"5\"}", "hello", "POST"},
	{"without a body, and what follows it", POST "\r\nGET", 0, JSON "}", "", "GET"},
	{"an empty line first", "\r\n" POST "\r\n", 0, JSON "}", "", ""},
	{"two empty lines first", "\r\n\r\n" POST "\r\n", 400, NULL, NULL, NULL},
	{"chunks", POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n", 0, JSON ", \"transfer-encoding\": \"chunked\"}", "abc0123456789", ""},
	{"chunks and what follows", POST "Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\nX", 0, JSON ", \"transfer-encoding\": \"Chunked\"}", "a", "X"},
	{"no chunks", POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, JSON ", \"transfer-encoding\": \"chunked\"}", "", ""},
	{"a chunk's extension", POST "Transfer-Encoding: chunked\r\n\r\n1;x=\"y\"\r\na\r\n0\r\n\r\n", 0, JSON ", \"transfer-encoding\": \"chunked\"}", "a", ""},
	{"a trailer", POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: t\r\n\r\n", 0, JSON ", \"transfer-encoding\": \"chunked\"}", "a", ""},
	{"a trailer too long", POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: " HUNDRED "\r\nY: " HUNDRED "\r\nZ: " HUNDRED "\r\n\r\n", 431, NULL, NULL, NULL},
	{"a chunk longer than its size", POST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400, NULL, NULL, NULL},
	{"a chunk without a size", POST "Transfer-Encoding: chunked\r\n\r\n\r\nab\r\n0\r\n\r\n", 400, NULL, NULL, NULL},
	{"a chunk of a negative size", POST "Transfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n0\r\n\r\n", 400, NULL, NULL, NULL},
	{"a chunk that begins with 0x", POST "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", 400, NULL, NULL, NULL},
	{"a chunk of 2^64", POST "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\na", 413, NULL, NULL, NULL},
	{"a chunk of 2^64 - 1", POST "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\na", 413, NULL, NULL, NULL},
	{"a chunk of 1001", POST "Transfer-Encoding: chunked\r\n\r\n3E9\r\na", 413, NULL, NULL, NULL},
	{"chunks of 1001 in all", POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n3E8\r\n", 413, NULL, NULL, NULL},
	{"a chunk's size that ends with LF", POST "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", 400, NULL, NULL, NULL},
	{"a chunk's size without end", POST "Transfer-Encoding: chunked\r\n\r\n1;" HUNDRED, 400, NULL, NULL, NULL},
	{"HTTP/1.0", "POST /p?a=1 HTTP/1.0\r\nContent-Length: 1\r\n\r\na", 0, "{\"content-length\": \"1\"}", "a", ""},
	{"HTTP/1.0 with chunks", "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL, NULL, NULL},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL, NULL, NULL},
	{"HTTP/1.1.1", "GET / HTTP/1.1.1\r\n\r\n", 400, NULL, NULL, NULL},
	{"http/1.1", "GET / http/1.1\r\n\r\n", 400, NULL, NULL, NULL},
	{"no version", "GET /\r\n\r\n", 400, NULL, NULL, NULL},
	{"no target", "GET  HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL, NULL, NULL},
	{"no method", " / HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL, NULL, NULL},
	{"a blank in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL, NULL, NULL},
	{"a target elsewhere", "GET http://x/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL, NULL, NULL},
	{"a target in Latin 1", "GET /\xe4 HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL, NULL, NULL},
	{"a method with a colon", "GE:T / HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL, NULL, NULL},
	{"a method too long", "AAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL, NULL, NULL},
	{"no Host", "GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL, NULL},
	{"two Hosts", POST "Host: i\r\n\r\n", 400, NULL, NULL, NULL},
	{"two lengths", POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400, NULL, NULL, NULL},
	{"a length and chunks", POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL, NULL, NULL},
	{"another coding", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, NULL, NULL, NULL},
	{"a length of +1", POST "Content-Length: +1\r\n\r\na", 400, NULL, NULL, NULL},
	{"an empty length", POST "Content-Length:\r\n\r\n", 400, NULL, NULL, NULL},
	{"a length of 1, 1", POST "Content-Length: 1, 1\r\n\r\na", 400, NULL, NULL, NULL},
	{"a length of 1001", POST "Content-Length: 1001\r\n\r\n", 413, NULL, NULL, NULL},
	{"a length of 30 digits", POST "Content-Length: " TEN TEN TEN "\r\n\r\n", 413, NULL, NULL, NULL},
	{"lists", POST "X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n", 0, JSON ", \"x-a\": \"1, 3\", \"x-b\": \"2\"}", "", ""},
	{"what JSON escapes", POST "X: a\"b\\c\td\r\n\r\n", 0, JSON ", \"x\": \"a\\\"b\\\\c\\td\"}", "", ""},
	{"blanks around a value", POST "X: \t v w \t\r\n\r\n", 0, JSON ", \"x\": \"v w\"}", "", ""},
	{"an empty value", POST "X:\r\n\r\n", 0, JSON ", \"x\": \"\"}", "", ""},
	{"a blank before the colon", POST "X : v\r\n\r\n", 400, NULL, NULL, NULL},
	{"a line that goes on", POST "X: v\r\n w\r\n\r\n", 400, NULL, NULL, NULL},
	{"a field without a name", POST ": v\r\n\r\n", 400, NULL, NULL, NULL},
	{"a field without a colon", POST "X\r\n\r\n", 400, NULL, NULL, NULL},
	{"a control character", POST "X: \x01\r\n\r\n", 400, NULL, NULL, NULL},
	{"Latin 1", POST "X: \xe4\r\n\r\n", 400, NULL, NULL, NULL},
	{"a CR alone", POST "X: a\rb\r\n\r\n", 400, NULL, NULL, NULL},
	{"a LF alone", POST "X: a\nb\r\n\r\n", 400, NULL, NULL, NULL},
	{"100-continue", POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na", 0, JSON ", \"expect\": \"100-continue\", \"content-length\": \"1\"}", "a", ""},
	{"another expectation", POST "Expect: money\r\n\r\n", 417, NULL, NULL, NULL},
	{"a header too long", POST "X: " HUNDRED "\r\nY: " HUNDRED "\r\nZ: " HUNDRED "\r\n\r\n", 431, NULL, NULL, NULL},
	{"nothing but octets", HUNDRED HUNDRED HUNDRED HUNDRED, 431, NULL, NULL, NULL}
};

/* in pieces of this size; 0: of random sizes */
static size_t
feed(Request *request, const char *octets, size_t length, size_t piece)
{
	size_t		used = 0;

	while (used < length && !request_ended(request))
	{
		size_t		size = piece ? piece : next_random() % 20 + 1;
		size_t		took;
		uint8_t    *copy;

		if (size > length - used)
			size = length - used;
		/* in a block of its own, so that a sanitizer sees the end */
		copy = memory_copy(octets + used, size);
		took = request_read(request, copy, size);
		free(copy);
		if (took > size || (took < size && !request_ended(request)))
			abort();
		used += took;
	}
	return used;
}

static bool
same(const char *got, size_t length, const char *want)
{
	return length == strlen(want) && (length == 0 || memcmp(got, want, length) == 0);
}

static bool
case_holds(const Case *item, size_t piece)
{
	Request		request;
	size_t		length = strlen(item->octets);
	size_t		used;
	bool		good;

	request_init(&request, HEADER_LIMIT, BODY_LIMIT);
	used = feed(&request, item->octets, length, piece);
	if (item->status)
		good = request.state == REQUEST_REFUSED && request.status == item->status && request.fault && request.close;
	else
		good = request.state == REQUEST_COMPLETE && strcmp(request.headers, item->headers) == 0 &&
			same((char *) request.body.data, request.body.length, item->body) && length - used == strlen(item->rest);
	if (!good)
		printf("# pieces of %zu: state %d, status %d, %s, %s, body of %zu, %zu octets left\n", piece, request.state,
			   request.status, request.fault ? request.fault : "", request.headers ? request.headers : "", request.body.length,
			   length - used);
	request_restart(&request);
	good = good && !request_begun(&request);
	request_free(&request);
	return good;
}

static void
test_requests(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		bool		good = true;

		for (size_t piece = 1; piece <= 5; piece++)
			good = case_holds(&cases[i], piece) && good;
		good = case_holds(&cases[i], 1 << 20) && good;
		for (int n = 0; n < 50; n++)
			good = case_holds(&cases[i], 0) && good;
		ok(good, cases[i].name);
	}
}

static void
test_limits(void)
{
	char		octets[3000];
	bool		good = true;

	for (int length = HEADER_LIMIT - 5; length < HEADER_LIMIT + 5; length++)
	{
		Request		request;

		memset(octets, 'x', sizeof(octets));
		memcpy(octets, POST "X: ", strlen(POST "X: "));
		memcpy(octets + length - 4, "\r\n\r\n", 4);
		request_init(&request, HEADER_LIMIT, BODY_LIMIT);
		feed(&request, octets, (size_t) length, 0);
		good = good && request.state == (length <= HEADER_LIMIT ? REQUEST_COMPLETE : REQUEST_REFUSED);
		request_free(&request);
	}
	ok(good, "a header as long as it may be, and longer");
	good = true;
	for (int length = BODY_LIMIT - 2; length < BODY_LIMIT + 3; length++)
	{
		Request		request;
		int			head = snprintf(octets, sizeof(octets), POST "Content-Length: %d\r\n\r\n", length);

		request_init(&request, HEADER_LIMIT, BODY_LIMIT);
		feed(&request, octets, (size_t) (head + length), 0);
		good = good && request.state == (length <= BODY_LIMIT ? REQUEST_COMPLETE : REQUEST_REFUSED);
		request_free(&request);
	}
	ok(good, "a body as long as it may be, and longer");
	good = true;
	for (int count = 62; count < 66; count++)
	{
		Request		request;
		int			length = snprintf(octets, sizeof(octets), POST);

		for (int i = 1; i < count; i++)
			length += snprintf(octets + length, sizeof(octets) - (size_t) length, "A%d:\r\n", i);
		length += snprintf(octets + length, sizeof(octets) - (size_t) length, "\r\n");
		request_init(&request, 2000, BODY_LIMIT);
		feed(&request, octets, (size_t) length, 0);
		good = good && request.state == (count <= 64 ? REQUEST_COMPLETE : REQUEST_REFUSED);
		request_free(&request);
	}
	ok(good, "64 header fields, and more");
}

/* Whatever comes, what is accepted keeps its limits and is text for the database. */
static void
test_damage(void)
{
	static const char pieces[] = "\r\n\r\n: ;0123456789abcdefPOST/HTTP1.chunked\"\\{}\t\x01\x80\xff";
	bool		good = true;
	int			accepted = 0;

	for (int round = 0; round < 60000; round++)
	{
		const Case *item = &cases[next_random() % (sizeof(cases) / sizeof(cases[0]))];
		size_t		length = strlen(item->octets);
		char	   *octets = memory_copy(item->octets, length + 1);
		Request		request;

		for (uint32_t n = next_random() % 4; n > 0; n--)
			octets[next_random() % length] = pieces[next_random() % sizeof(pieces)];
		request_init(&request, HEADER_LIMIT, BODY_LIMIT);
		feed(&request, octets, length, 0);
		if (request.state == REQUEST_COMPLETE)
		{
			accepted++;
			good = good && request.body.length <= BODY_LIMIT && request.method && request.target[0] == '/';
			for (const char *c = request.headers; *c; c++)
				good = good && *c >= 0x20 && *c <= 0x7E;
			for (const char *c = request.target; *c; c++)
				good = good && *c > 0x20 && *c <= 0x7E;
		}
		else if (request.state == REQUEST_REFUSED)
			good = good && request.status >= 400 && request.status < 600;
		request_free(&request);
		free(octets);
	}
	ok(good && accepted > 1000, "damaged requests");
}

static bool
response_is(Buffer *buffer, const char *want)
{
	bool		good = same((char *) buffer_bytes(buffer), buffer->length, want);

	if (!good)
		printf("# got \"%.*s\"\n", (int) buffer->length, buffer_bytes(buffer));
	buffer_free(buffer);
	return good;
}

static void
test_responses(void)
{
	Buffer		buffer = {0};

	response_begin(&buffer, 200);
	ok(response_header(&buffer, "X-Admin-Next-URI", "/a?script=1"), "a header field");
	response_end(&buffer, 200, false, "0123456789", 10, 12);
	ok(response_is(&buffer, "HTTP/1.1 200 OK\r\nX-Admin-Next-URI: /a?script=1\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n"), "a body in chunks");
	response_begin(&buffer, 200);
	response_end(&buffer, 200, true, "0123456789", 10, 0);
	ok(response_is(&buffer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789"), "a body in one");
	response_begin(&buffer, 200);
	response_end(&buffer, 200, false, "", 0, 512);
	ok(response_is(&buffer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "an empty body");
	response_begin(&buffer, 204);
	response_end(&buffer, 204, false, "x", 1, 512);
	ok(response_is(&buffer, "HTTP/1.1 204 No Content\r\n\r\n"), "204 has no body");
	response_refusal(&buffer, 431);
	ok(response_is(&buffer, "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), "a refusal");
	ok(!response_header(&buffer, "", "x") && !response_header(&buffer, "A B", "x") && !response_header(&buffer, "A:", "x") &&
	   !response_header(&buffer, "A", "x\r\ny") && !response_header(&buffer, "A", "\xe4") &&
	   !response_header(&buffer, "content-length", "1") && !response_header(&buffer, "Transfer-Encoding", "chunked") &&
	   !response_header(&buffer, "A\n", "x"), "what is no header field, or ours to write");
	ok(buffer.length == 0, "and leaves nothing behind");
	buffer_free(&buffer);
}

int
main(void)
{
	test_requests();
	test_limits();
	test_damage();
	test_responses();
	printf("1..%d\n", tests);
	return failures > 0;
}
