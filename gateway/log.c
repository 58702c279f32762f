/*
 * log.c
 *	  Lines on standard error that an operator can read.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static LogLevel threshold = LOG_LEVEL_INFO;
static bool timestamps = true;

void
log_set_level(LogLevel level)
{
	threshold = level;
}

void
log_set_timestamps(bool wanted)
{
	timestamps = wanted;
}

bool
log_enabled(LogLevel level)
{
	return level <= threshold;
}

bool
log_level_parse(const char *text, LogLevel *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
	{
		if (strcasecmp(text, level_names[i]) == 0)
		{
			*level = (LogLevel) i;
			return true;
		}
	}
	return false;
}

void
log_line(LogLevel level, const char *format,...)
{
	char		line[1024];
	size_t		length = 0;
	int			written;
	va_list		arguments;

	if (!log_enabled(level))
		return;

	if (timestamps)
	{
		struct timespec now;
		struct tm	broken;

		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &broken);
		length = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &broken);
		length += (size_t) snprintf(line + length, sizeof(line) - length, ".%03ldZ ", now.tv_nsec / 1000000);
	}
	length += (size_t) snprintf(line + length, sizeof(line) - length, "%-7s ", level_names[level]);

	va_start(arguments, format);
	written = vsnprintf(line + length, sizeof(line) - length, format, arguments);
	va_end(arguments);
	if (written > 0)
		length += (size_t) written;
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;

	/* peers choose parts of the text: keep them from forging lines */
	for (size_t i = 0; i < length; i++)
	{
		if ((unsigned char) line[i] < 0x20 || line[i] == 0x7F)
			line[i] = ' ';
	}
	line[length++] = '\n';

	/* one write a line, so that lines of several processes do not mix */
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}
