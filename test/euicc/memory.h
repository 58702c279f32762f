/*
 * memory.h
 *		Memory that is there, or the program ends.
 */
#ifndef FLEET_MEMORY_H
#define FLEET_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

extern void *make(size_t size);		/* zeroed */

/* An array of at least twice the elements, 16 at first; sets *cap. */
extern void *grow(void *array, size_t *cap, size_t element);

/* Text or octets that get longer. */
typedef struct Text
{
	char	   *data;
	size_t		len;
	size_t		cap;
} Text;

extern void text_reserve(Text *text, size_t more);
extern void text_add(Text *text, const void *data, size_t len);
extern void text_put(Text *text, const char *string);
extern void text_printf(Text *text, const char *format,...)
			__attribute__((format(printf, 2, 3)));
extern void text_hex(Text *text, const void *data, size_t len);
extern void text_drop(Text *text, size_t len);	/* from the front */
extern void text_free(Text *text);

#endif							/* FLEET_MEMORY_H */
