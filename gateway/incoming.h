/*
 * incoming.h
 *	  The connection that hands received short messages to the database.
 */
#ifndef INCOMING_H
#define INCOMING_H

#include "bind.h"
#include "config.h"
#include "database.h"

extern Database *incoming_start(const Config *config);
extern void incoming_reconfigure(const Config *config);

/* false: no room, tell the SMSC to try again */
extern bool incoming_message(const Origin *origin, const char *originator, const uint8_t *ud, size_t ud_length);

extern void incoming_step(int64_t now);
extern int64_t incoming_deadline(void);
extern size_t incoming_waiting(void);

#endif							/* INCOMING_H */
