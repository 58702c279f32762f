/*
 * bytes.h
 *		Borrowed octets, and a writer into a buffer of the caller's.
 */
#ifndef SMSR_BYTES_H
#define SMSR_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Octets that somebody else owns. */
typedef struct SmsrBytes
{
	const uint8_t *data;
	size_t		len;
} SmsrBytes;

/*
 * A writer never writes past cap: what does not fit sets overflow, and len
 * stays where it was.  Callers look at overflow once, at the end.
 */
typedef struct SmsrWriter
{
	uint8_t    *data;
	size_t		cap;
	size_t		len;
	bool		overflow;
} SmsrWriter;

static inline SmsrBytes
smsr_bytes(const void *data, size_t len)
{
	return (SmsrBytes) {(const uint8_t *) data, len};
}

static inline SmsrWriter
smsr_writer(void *data, size_t cap)
{
	return (SmsrWriter) {(uint8_t *) data, cap, 0, false};
}

static inline SmsrBytes
smsr_written(const SmsrWriter *w)
{
	return (SmsrBytes) {w->data, w->len};
}

extern void put_u8(SmsrWriter *w, uint8_t value);
extern void put_u16(SmsrWriter *w, uint16_t value);
extern void put_u24(SmsrWriter *w, uint32_t value);
extern void put_u32(SmsrWriter *w, uint32_t value);
extern void put_u40(SmsrWriter *w, uint64_t value);
extern void put_u64(SmsrWriter *w, uint64_t value);
extern void put_bytes(SmsrWriter *w, const void *data, size_t len);
extern void put_zero(SmsrWriter *w, size_t len);

/* Big endian reads; the caller has checked that the octets are there. */
extern uint16_t get_u16(const uint8_t *p);
extern uint32_t get_u24(const uint8_t *p);
extern uint32_t get_u32(const uint8_t *p);
extern uint64_t get_u40(const uint8_t *p);
extern uint64_t get_u64(const uint8_t *p);

/* What a hexadecimal digit of either case stands for; -1: it is none. */
extern int	hex_value(uint8_t c);

#endif							/* SMSR_BYTES_H */
