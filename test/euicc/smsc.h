/*
 * smsc.h
 *		The operators' SMSCs: what is on its way to cards and from them.
 *
 * One SMSC per operator, or one for all.  smsc.c stores and forwards;
 * session.c speaks SMPP with those that have bound.
 */
#ifndef FLEET_SMSC_H
#define FLEET_SMSC_H

#include "fleet.h"
#include "smpp_pdu.h"

#define SMSC_WINDOW		64		/* deliver_sm in flight per session */

typedef struct Smscs Smscs;
typedef struct Smsc Smsc;
typedef struct Session Session;

/* From a card, or a receipt, to whoever is bound. */
typedef struct MoMessage
{
	struct MoMessage *next;
	Smsc	   *smsc;
	Address		source;
	Address		destination;
	uint8_t		esm_class;
	uint8_t		state;
	uint8_t		ud_len;
	char		message_id[24];
	uint8_t		ud[254];
} MoMessage;

/* To a card. */
struct MtMessage
{
	struct MtMessage *next;
	Smsc	   *smsc;
	Card	   *card;
	uint64_t	msisdn;
	uint64_t	expires;
	Address		source;
	Address		destination;
	uint8_t		protocol_id;
	uint8_t		data_coding;
	uint8_t		esm_class;
	uint8_t		registered_delivery;
	bool		copy;			/* the second of a duplicate: no receipt */
	uint64_t	id;
	uint16_t	ud_len;
	uint8_t		ud[];
};

struct Session
{
	Session    *next;			/* of the same SMSC */
	Smsc	   *smsc;
	int			fd;
	bool		transmits;		/* it may submit */
	bool		receives;		/* it takes deliver_sm */
	char		number[22];		/* it last submitted from here: what cards send there is for it */
	bool		closing;		/* once out is empty */
	bool		dead;
	Text		in;
	Text		out;
	size_t		out_sent;
	uint32_t	sequence;
	uint64_t	rate_second;	/* for the fault "rate" */
	uint64_t	rate_count;
	uint64_t	last_heard;
	struct
	{
		uint32_t	sequence;
		uint64_t	since;
		MoMessage  *message;
	}			window[SMSC_WINDOW];
	unsigned	in_flight;
};

struct Smsc
{
	Smscs	   *all;
	unsigned	number;
	int			listener;
	uint16_t	port;
	char		system_id[17];	/* empty: any */
	char		password[10];
	Session    *sessions;
	Session    *turn;			/* whose turn it is to be delivered to */
	MoMessage  *first;			/* waiting for a session */
	MoMessage **last;
	uint64_t	queued;
};

struct Smscs
{
	Fleet	   *fleet;
	Smsc		smsc[MAX_OPERATORS];
	unsigned	count;
	uint8_t		mo_data_coding;
	bool		queue_detached; /* keep messages for profiles that are not enabled */
	uint64_t	enquire_link;	/* microseconds; 0 never */
	uint64_t	outage_until;
	uint64_t	in_transit;		/* timers that hold a message */
	uint64_t	message_id;
	uint64_t	id_base;
	uint32_t	disconnect_epoch;
};

/* smsc.c */
extern void smscs_init(Smscs *smscs, Fleet *fleet);
extern void smscs_free(Smscs *smscs);
extern Smsc *smsc_of_operator(Smscs *smscs, unsigned owner);
/* Take a message for a card: ESME_ROK and an id, or why not. */
extern uint32_t smsc_submit(Smsc *smsc, const SmppMessage *message, char id[24]);
extern void mo_free(MoMessage *message);
extern void mo_put_back(MoMessage *message);	/* to the head of its queue */
extern void mo_try_later(MoMessage *message);

/* session.c */
extern bool smsc_listen(Smsc *smsc, const char *host, uint16_t port);
extern void smsc_accept(Smsc *smsc);
extern void session_read(Session *session);
extern void session_write(Session *session);
extern void smsc_pump(Smsc *smsc);	/* deliver what waits */
extern void smsc_sweep(Smsc *smsc);	/* close what is to be closed */
extern void smsc_disconnect(Smsc *smsc);
extern void smscs_apply_faults(Smscs *smscs);

#endif							/* FLEET_SMSC_H */
