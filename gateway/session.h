/*
 * session.h
 *	  What is inside a Bind; for bind.c, which keeps the session, and submit.c,
 *	  which sends messages over it.
 */
#ifndef SESSION_H
#define SESSION_H

#include "backoff.h"
#include "bind.h"
#include "memory.h"
#include "window.h"

typedef enum BindState
{
	BIND_AWAY,					/* waiting to try again */
	BIND_CONNECTING,
	BIND_BINDING,				/* bind_transceiver is on its way */
	BIND_BOUND,
	BIND_UNBINDING,				/* we have sent unbind */
	BIND_LEAVING				/* the SMSC has sent unbind: flush and close */
} BindState;

struct Bind
{
	const Config *gateway;
	const BindConfig *config;
	BindState	state;
	bool		draining;
	unsigned	session;		/* counts connections, so that late answers find no home */

	int			fd;
	int			attempt;		/* picks one of the host's addresses */
	Buffer		in;
	Buffer		out;
	uint64_t	queued;			/* octets given to 'out' in this session */
	uint64_t	sent;			/* octets the socket has taken */

	Window		window;
	Queue		ready;			/* claimed, not submitted: ClaimedMessage */

	Backoff		backoff;
	int64_t		deadline;		/* of the state: retry, connect, bind, unbind */
	int64_t		bound_at;
	int64_t		heard_at;
	uint32_t	enquire_sequence;	/* 0: no enquire_link is out */
	int64_t		enquired_at;

	Backoff		throttle;
	int64_t		paused_until;
	double		tokens;			/* of the rate limit */
	int64_t		tokens_at;
};

/* bind.c: a PDU for the socket; a length of 0 is logged, not sent */
extern void session_put(Bind *bind, const uint8_t *pdu, size_t length);

/* submit.c */
extern void submit_restart(Bind *bind, int64_t now);
extern void submit_ready(Bind *bind, int64_t now);
extern void submit_take_answer(Bind *bind, const uint8_t *pdu, const SmppHeader *header, int64_t now);
extern void submit_take_nack(Bind *bind, const SmppHeader *header, int64_t now);
extern void submit_forget_unanswered(Bind *bind, int64_t now);
extern int64_t submit_deadline(const Bind *bind);

/* what was claimed and not submitted goes back; how many */
extern int	submit_release_ready(Bind *bind);

/*
 * The connection is gone.  What the socket never took goes back too; what it took
 * may have been submitted.
 */
extern void submit_release_unsent(Bind *bind, int *unsent, int *unknown);

#endif							/* SESSION_H */
