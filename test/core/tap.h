/*
 * tap.h
 *		The little that tests of core need: TAP, hexadecimal, suites.
 *
 * A file begins a suite with TEST_SUITE(name) { ... }; to be linked is enough
 * to be run.
 */
#ifndef SMSR_TAP_H
#define SMSR_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"

extern void tap_register(const char *name, void (*run) (void));

#define TEST_SUITE(name) \
	static void suite_##name(void); \
	__attribute__((constructor)) static void register_##name(void) \
	{ \
		tap_register(#name, suite_##name); \
	} \
	static void suite_##name(void)

#define ok(condition, ...) tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__)

/* The call succeeded; if it did not, say with which error. */
#define succeeds(call, error, ...) \
	tap_succeeds((call), (error), __FILE__, __LINE__, __VA_ARGS__)

/* The call failed with this code, field and offset, and said what it expected. */
#define fails(call, error, code, field, offset, ...) \
	tap_fails((call), (error), (code), (field), (offset), __FILE__, __LINE__, __VA_ARGS__)

/* Octets are those that the hexadecimal digits say. */
#define is_hex(got, digits, ...) \
	tap_is_hex((got), (digits), __FILE__, __LINE__, __VA_ARGS__)

extern bool tap_ok(bool condition, const char *file, int line, const char *format,...)
			__attribute__((format(printf, 4, 5)));
extern bool tap_succeeds(bool result, const SmsrError *error, const char *file, int line,
						 const char *format,...) __attribute__((format(printf, 5, 6)));
extern bool tap_fails(bool result, const SmsrError *error, SmsrErrorCode code,
					  const char *field, size_t offset, const char *file, int line,
					  const char *format,...) __attribute__((format(printf, 8, 9)));
extern bool tap_is_hex(SmsrBytes got, const char *digits, const char *file, int line,
					   const char *format,...) __attribute__((format(printf, 5, 6)));

/*
 * Memory until the end of the suite.  Each is a block of its own of exactly
 * this size, so that the sanitizer sees the first octet read beyond it.
 */
extern void *scratch(size_t len);
extern SmsrBytes copy_of(SmsrBytes octets);
/* Spaces between digits are skipped. */
extern SmsrBytes hex(const char *digits);
/* len octets that look random and are the same in every run */
extern SmsrBytes noise(size_t len);
extern SmsrWriter writer(size_t cap);

#endif							/* SMSR_TAP_H */
