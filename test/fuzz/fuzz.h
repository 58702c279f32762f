/*
 * fuzz.h
 *		What the targets share: properties, and an input taken apart.
 */
#ifndef SMSR_FUZZ_H
#define SMSR_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define property(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: property violated: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* A failure names its field and what it expected, inside the input. */
#define explained(error, size) \
	property((error).code != SMSR_OK && (error).code != SMSR_CRYPTO && \
			 (error).field != NULL && (error).expected != NULL && \
			 (error).offset <= (size))

/* The first octets of what is left of an input; fewer if there are not as many. */
static inline SmsrBytes
take_bytes(SmsrBytes *input, size_t len)
{
	SmsrBytes	taken;

	if (len > input->len)
		len = input->len;
	taken = smsr_bytes(input->data, len);
	*input = smsr_bytes(input->data + len, input->len - len);
	return taken;
}

static inline uint8_t
take_u8(SmsrBytes *input)
{
	SmsrBytes	taken = take_bytes(input, 1);

	return taken.len == 1 ? taken.data[0] : 0;
}

static inline bool
same_bytes(SmsrBytes a, SmsrBytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* A buffer of its own size for the sanitizer to watch; free w.data. */
static inline SmsrWriter
heap_writer(size_t cap)
{
	void	   *memory = malloc(cap);

	if (memory == NULL && cap > 0)
		abort();
	return smsr_writer(memory, cap);
}

#endif							/* SMSR_FUZZ_H */
