/*
 * memory.c
 *		A simulator that has no memory left has nothing to say but that.
 */
#include "memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void
out_of_memory(void)
{
	fputs("smsr-fleet: out of memory\n", stderr);
	exit(2);
}

void *
make(size_t size)
{
	void	   *p = calloc(1, size);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
grow(void *array, size_t *cap, size_t element)
{
	size_t		more = *cap == 0 ? 16 : *cap * 2;
	void	   *p = reallocarray(array, more, element);

	if (p == NULL)
		out_of_memory();
	*cap = more;
	return p;
}

void
text_reserve(Text *text, size_t more)
{
	size_t		cap = text->cap == 0 ? 256 : text->cap;
	char	   *p;

	if (text->len + more + 1 <= text->cap)
		return;
	while (cap < text->len + more + 1)
		cap *= 2;
	p = realloc(text->data, cap);
	if (p == NULL)
		out_of_memory();
	text->data = p;
	text->cap = cap;
}

void
text_add(Text *text, const void *data, size_t len)
{
	text_reserve(text, len);
	memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void
text_put(Text *text, const char *string)
{
	text_add(text, string, strlen(string));
}

void
text_printf(Text *text, const char *format,...)
{
	va_list		args;
	int			len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return;
	text_reserve(text, (size_t) len);
	va_start(args, format);
	vsnprintf(text->data + text->len, (size_t) len + 1, format, args);
	va_end(args);
	text->len += (size_t) len;
}

void
text_hex(Text *text, const void *data, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	const uint8_t *p = data;

	text_reserve(text, 2 * len);
	for (size_t i = 0; i < len; i++)
	{
		text->data[text->len++] = digits[p[i] >> 4];
		text->data[text->len++] = digits[p[i] & 15];
	}
	text->data[text->len] = '\0';
}

void
text_drop(Text *text, size_t len)
{
	if (len == 0)
		return;
	text->len -= len;
	memmove(text->data, text->data + len, text->len + 1);
}

void
text_free(Text *text)
{
	free(text->data);
	*text = (Text) {0};
}
