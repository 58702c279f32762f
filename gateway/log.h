/*
 * log.h
 *	  Lines on standard error that an operator can read.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

typedef enum LogLevel
{
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
} LogLevel;

extern void log_set_level(LogLevel level);
extern void log_set_timestamps(bool wanted);
extern bool log_enabled(LogLevel level);
extern bool log_level_parse(const char *text, LogLevel *level);
extern void log_line(LogLevel level, const char *format,...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif							/* LOG_H */
