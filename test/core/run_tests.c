/*
 * run_tests.c
 *		Runs the suites of core, or those that are named, or all but those that are
 *		named with a - before them, and speaks TAP.
 */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SUITES	128

typedef struct Suite
{
	const char *name;
	void		(*run) (void);
} Suite;

typedef struct Block
{
	struct Block *next;
	void	   *memory;
} Block;

static Suite suites[MAX_SUITES];
static int	suite_count;
static int	test_count;
static int	failure_count;
static const char *running = "";
static Block *blocks;

void
tap_register(const char *name, void (*run) (void))
{
	if (suite_count == MAX_SUITES)
		abort();
	suites[suite_count++] = (Suite) {name, run};
}

static bool
report(bool passed, const char *file, int line, const char *format, va_list args)
{
	printf("%sok %d - %s: ", passed ? "" : "not ", ++test_count, running);
	vprintf(format, args);
	printf("\n");
	if (!passed)
	{
		failure_count++;
		printf("# failed at %s line %d\n", file, line);
	}
	return passed;
}

bool
tap_ok(bool condition, const char *file, int line, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	report(condition, file, line, format, args);
	va_end(args);
	return condition;
}

static void
print_error(const SmsrError *error)
{
	printf("# %s: %s at %zu, expected %s\n", smsr_error_name(error->code),
		   error->field ? error->field : "(no field)", error->offset,
		   error->expected ? error->expected : "(nothing)");
}

bool
tap_succeeds(bool result, const SmsrError *error, const char *file, int line,
			 const char *format,...)
{
	va_list		args;

	va_start(args, format);
	report(result, file, line, format, args);
	va_end(args);
	if (!result)
		print_error(error);
	return result;
}

bool
tap_fails(bool result, const SmsrError *error, SmsrErrorCode code,
		  const char *field, size_t offset, const char *file, int line,
		  const char *format,...)
{
	bool		passed = !result && error->code == code && error->offset == offset &&
		error->field != NULL && strcmp(error->field, field) == 0 &&
		error->expected != NULL && error->expected[0] != '\0';
	va_list		args;

	va_start(args, format);
	report(passed, file, line, format, args);
	va_end(args);
	if (!passed && result)
		printf("# no error\n");
	else if (!passed)
		print_error(error);
	return passed;
}

bool
tap_is_hex(SmsrBytes got, const char *digits, const char *file, int line,
		   const char *format,...)
{
	SmsrBytes	expected = hex(digits);
	bool		passed = got.len == expected.len &&
		(got.len == 0 || memcmp(got.data, expected.data, got.len) == 0);
	va_list		args;

	va_start(args, format);
	report(passed, file, line, format, args);
	va_end(args);
	if (!passed)
	{
		printf("# got ");
		for (size_t i = 0; i < got.len; i++)
			printf("%02X", got.data[i]);
		printf("\n# expected %s\n", digits);
	}
	return passed;
}

void *
scratch(size_t len)
{
	Block	   *block = malloc(sizeof(*block));
	void	   *memory = malloc(len);

	if (block == NULL || (memory == NULL && len > 0))
		abort();
	*block = (Block) {blocks, memory};
	blocks = block;
	return memory;
}

SmsrBytes
copy_of(SmsrBytes octets)
{
	uint8_t    *copy = scratch(octets.len);

	if (octets.len > 0)
		memcpy(copy, octets.data, octets.len);
	return smsr_bytes(copy, octets.len);
}

SmsrBytes
hex(const char *digits)
{
	SmsrWriter	w = writer(strlen(digits) / 2 + 1);
	int			half = -1;

	for (const char *p = digits; *p != '\0'; p++)
	{
		int			value;

		if (*p == ' ')
			continue;
		value = *p <= '9' ? *p - '0' : (*p | 0x20) - 'a' + 10;
		if (value < 0 || value > 15)
			abort();
		if (half < 0)
			half = value;
		else
		{
			put_u8(&w, (uint8_t) (half << 4 | value));
			half = -1;
		}
	}
	if (half >= 0)
		abort();
	return copy_of(smsr_written(&w));
}

SmsrBytes
noise(size_t len)
{
	static uint32_t state = 2463534242u;
	uint8_t    *p = scratch(len);

	for (size_t i = 0; i < len; i++)
	{
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		p[i] = (uint8_t) (state >> 11);
	}
	return smsr_bytes(p, len);
}

SmsrWriter
writer(size_t cap)
{
	return smsr_writer(scratch(cap), cap);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const Suite *) a)->name, ((const Suite *) b)->name);
}

static bool
wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		bool		but = argv[i][0] == '-';

		if (strcmp(argv[i] + but, name) == 0)
			return !but;
	}
	return argc < 2 || argv[1][0] == '-';
}

int
main(int argc, char **argv)
{
	qsort(suites, (size_t) suite_count, sizeof(suites[0]), by_name);
	for (int i = 0; i < suite_count; i++)
	{
		if (!wanted(suites[i].name, argc, argv))
			continue;
		running = suites[i].name;
		suites[i].run();
		while (blocks != NULL)
		{
			Block	   *next = blocks->next;

			free(blocks->memory);
			free(blocks);
			blocks = next;
		}
		/* what a crash in the next suite must not take with it */
		fflush(stdout);
	}
	printf("1..%d\n", test_count);
	if (failure_count > 0)
		printf("# %d of %d failed\n", failure_count, test_count);
	return failure_count > 0 || test_count == 0;
}
