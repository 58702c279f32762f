/*
 * connect.h
 *	  TCP connections that are made without waiting.
 */
#ifndef CONNECT_H
#define CONNECT_H

#include <stddef.h>

/* A socket that is being connected, or -1 and why.  'attempt' picks the address. */
extern int	connect_begin(const char *host, const char *port, int attempt, char *why, size_t size);

/* once it is writable: 0, or the errno */
extern int	connect_result(int fd);

#endif							/* CONNECT_H */
