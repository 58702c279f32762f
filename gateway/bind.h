/*
 * bind.h
 *	  One session with one SMSC.
 */
#ifndef BIND_H
#define BIND_H

#include "config.h"
#include "smpp.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Bind Bind;

/* a short message as claimed from the database */
typedef struct ClaimedMessage
{
	int64_t		sms_id;
	int64_t		validity;		/* seconds, 0: none given */
	int64_t		claimed_at;
	char		destination[SMPP_ADDRESS];
	uint8_t		protocol_id;
	uint8_t		data_coding;
	uint8_t		ud_length;
	uint8_t		ud[SMPP_UD_LONGEST];
} ClaimedMessage;

/* who waits for the answer to a deliver_sm */
typedef struct Origin
{
	Bind	   *bind;
	unsigned	session;
	uint32_t	command;
	uint32_t	sequence;
	int64_t		arrived_at;
} Origin;

extern Bind *bind_new(const Config *gateway, const BindConfig *config);
extern void bind_free(Bind *bind);
extern void bind_reconfigure(Bind *bind, const Config *gateway, const BindConfig *config);
extern const char *bind_name(const Bind *bind);

/* how many messages it could use now; and here is one */
extern int	bind_room(const Bind *bind, int64_t now);
extern void bind_offer(Bind *bind, const ClaimedMessage *message);

/* A bind that has broken since is not told: the SMSC will deliver again. */
extern void bind_answer(const Origin *origin, uint32_t status);

/* the end: take nothing new; then say good-bye */
extern void bind_drain(Bind *bind);
extern void bind_unbind(Bind *bind);
extern int	bind_outstanding(const Bind *bind);
extern bool bind_bound(const Bind *bind);
extern bool bind_closed(const Bind *bind);

extern int	bind_socket(const Bind *bind);
extern short bind_events(const Bind *bind);
extern void bind_ready(Bind *bind);
extern void bind_step(Bind *bind, int64_t now);
extern int64_t bind_deadline(const Bind *bind);

#endif							/* BIND_H */
