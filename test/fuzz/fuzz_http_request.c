/*
 * fuzz_http_request.c
 *	  The gateway's reader of HTTP requests.  The first octet says in pieces of what
 *	  size the rest comes; in one piece it must come out the same.
 */
#define _GNU_SOURCE

#include "../../gateway/log.c"
#include "../../gateway/memory.c"
#include "../../gateway/request.c"

#define HEADER_LIMIT 512
#define BODY_LIMIT 2048

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool good)
{
	if (!good)
		abort();
}

static size_t
feed(Request *request, const uint8_t *data, size_t length, size_t piece)
{
	size_t		used = 0;

	request_init(request, HEADER_LIMIT, BODY_LIMIT);
	while (used < length && !request_ended(request))
	{
		size_t		size = length - used < piece ? length - used : piece;
		uint8_t    *copy = memory_copy(data + used, size);
		size_t		took = request_read(request, copy, size);

		free(copy);
		check(took == size || (took < size && request_ended(request)));
		used += took;
	}
	return used;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Request		whole;
	Request		pieces;
	size_t		used;

	if (size < 2)
		return 0;
	used = feed(&whole, data + 1, size - 1, size);
	check(feed(&pieces, data + 1, size - 1, (size_t) data[0] + 1) <= used || whole.state == REQUEST_REFUSED);
	check(whole.state == pieces.state && whole.status == pieces.status);
	if (whole.state == REQUEST_COMPLETE)
	{
		check(strcmp(whole.headers, pieces.headers) == 0 && strcmp(whole.method, pieces.method) == 0 &&
			  strcmp(whole.target, pieces.target) == 0);
		check(whole.body.length == pieces.body.length && whole.body.length <= BODY_LIMIT);
		check(whole.body.length == 0 || memcmp(whole.body.data, pieces.body.data, whole.body.length) == 0);
		for (const char *c = whole.headers; *c; c++)
			check(*c >= 0x20 && *c <= 0x7E);
		check(whole.target[0] == '/');
	}
	request_free(&whole);
	request_free(&pieces);
	return 0;
}
