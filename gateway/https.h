/*
 * https.h
 *	  The addresses where cards open HTTPS sessions, and all that are open.
 */
#ifndef HTTPS_H
#define HTTPS_H

#include "config.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* most that https_sockets() fills: clients together, listeners, the database */
#define HTTPS_SOCKETS (1 + CONFIG_HTTPS + CONFIG_HTTPS_CONNECTIONS + 2)

/* false: an address cannot be had, and the log says which */
extern bool https_start(const Config *config);
extern void https_stop(void);

/* addresses, ports and backlogs are fixed for the process; the rest is for what comes */
extern bool https_same(const Config *config);
extern void https_reconfigure(const Config *config);

extern int	https_sockets(struct pollfd *fds);
extern void https_ready(const struct pollfd *fds);
extern void https_step(int64_t now);
extern int64_t https_deadline(void);

/* the end: no new sessions, an answer for each request that is under way; then, whatever it is, away with it */
extern void https_drain(void);
extern void https_abandon(void);
extern bool https_drained(void);

/* what the database is not told yet */
extern size_t https_untold(void);

extern void https_log_statistics(double seconds);

#endif							/* HTTPS_H */
