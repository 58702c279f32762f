/*
 * outgoing.h
 *	  The connection that claims messages and reports what became of them.
 */
#ifndef OUTGOING_H
#define OUTGOING_H

#include "bind.h"
#include "config.h"
#include "database.h"
#include "receipt.h"

extern Database *outgoing_start(const Config *config, Bind **binds, int bind_count);
extern void outgoing_reconfigure(const Config *config);

/* from the binds */
extern void outgoing_accepted(int64_t sms_id, const char *smsc_id);
extern void outgoing_refused(int64_t sms_id, const char *reason, bool temporary);
extern void outgoing_release(int64_t sms_id, int64_t claimed_at);
extern void outgoing_receipt(const Origin *origin, const char *id, const char *state);

/* from the event loop */
extern void outgoing_step(int64_t now);
extern int64_t outgoing_deadline(void);

/* the end: claim and tick no more; true when all has been told to the database */
extern void outgoing_drain(void);
extern bool outgoing_empty(void);
extern size_t outgoing_receipts_waiting(void);
extern size_t outgoing_untold(void);

#endif							/* OUTGOING_H */
