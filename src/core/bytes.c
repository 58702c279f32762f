/*
 * bytes.c
 *		Borrowed octets, and a writer into a buffer of the caller's.
 */
#include "bytes.h"

#include <string.h>

/* Room for len more octets, or NULL and overflow. */
static uint8_t *
reserve(SmsrWriter *w, size_t len)
{
	uint8_t    *p;

	if (w->overflow || len > w->cap - w->len)
	{
		w->overflow = true;
		return NULL;
	}
	/* no arithmetic on the NULL that a writer of no room may have */
	p = len > 0 ? w->data + w->len : NULL;
	w->len += len;
	return p;
}

static void
put_big_endian(SmsrWriter *w, uint64_t value, size_t len)
{
	uint8_t    *p = reserve(w, len);

	if (p == NULL)
		return;
	for (size_t i = len; i > 0; i--)
	{
		p[i - 1] = (uint8_t) value;
		value >>= 8;
	}
}

void
put_u8(SmsrWriter *w, uint8_t value)
{
	put_big_endian(w, value, 1);
}

void
put_u16(SmsrWriter *w, uint16_t value)
{
	put_big_endian(w, value, 2);
}

void
put_u24(SmsrWriter *w, uint32_t value)
{
	put_big_endian(w, value, 3);
}

void
put_u32(SmsrWriter *w, uint32_t value)
{
	put_big_endian(w, value, 4);
}

void
put_u40(SmsrWriter *w, uint64_t value)
{
	put_big_endian(w, value, 5);
}

void
put_u64(SmsrWriter *w, uint64_t value)
{
	put_big_endian(w, value, 8);
}

void
put_bytes(SmsrWriter *w, const void *data, size_t len)
{
	uint8_t    *p = reserve(w, len);

	if (p != NULL)
		memcpy(p, data, len);
}

void
put_zero(SmsrWriter *w, size_t len)
{
	uint8_t    *p = reserve(w, len);

	if (p != NULL)
		memset(p, 0, len);
}

uint16_t
get_u16(const uint8_t *p)
{
	return (uint16_t) (p[0] << 8 | p[1]);
}

uint32_t
get_u24(const uint8_t *p)
{
	return (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2];
}

uint32_t
get_u32(const uint8_t *p)
{
	return (uint32_t) p[0] << 24 | get_u24(p + 1);
}

uint64_t
get_u40(const uint8_t *p)
{
	return (uint64_t) p[0] << 32 | get_u32(p + 1);
}

uint64_t
get_u64(const uint8_t *p)
{
	return (uint64_t) get_u32(p) << 32 | get_u32(p + 4);
}

int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}
