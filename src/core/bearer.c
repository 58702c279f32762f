/*
 * bearer.c
 *		Which way a command goes to its card, as rows: the first that fits decides.
 */
#include "bearer.h"

#include <stddef.h>

/* What a row asks; each is one fact or its contrary. */
#define FITS			0x0001
#define TOO_LONG		0x0002
#define SCP80			0x0004
#define NO_SCP80		0x0008
#define SCP81			0x0010
#define KEYS			0x0020
#define CONFIRMS		0x0040
#define RELAYED			0x0080
#define IN_SESSION		0x0100
#define POLLS			0x0200
#define SESSIONS_FAIL	0x0400	/* hardly a device of this kind has ever opened one */
#define SMS_FAILS		0x0800	/* hardly one has answered, and most open sessions */

static const struct
{
	unsigned	needs;
	Bearer		bearer;
	const char *because;
}			rows[] =
{
	{KEYS | FITS | SCP80, BEARER_SMS, "keys go in packets alone"},
	{KEYS, BEARER_NONE, "keys go in packets alone, and this one can not"},

	{IN_SESSION | SCP81, BEARER_HTTPS, "the card is in a session"},
	{CONFIRMS | FITS | SCP80, BEARER_SMS, "the notification came by short message"},
	{POLLS | SCP81, BEARER_HTTPS, "the card opens sessions by itself"},

	/*
	 * SGP.02 downloads over HTTPS, and how it addresses an ISD-P in short
	 * messages is not established: those where there is nothing else.
	 */
	{RELAYED | FITS | SCP80 | SCP81 | SESSIONS_FAIL, BEARER_SMS, "devices of this kind do not open sessions"},
	{RELAYED | SCP80 | SCP81, BEARER_HTTPS_TRIGGER, "what is relayed goes in a session where there can be one"},

	{FITS | SCP80 | SCP81 | SMS_FAILS, BEARER_HTTPS_TRIGGER, "devices of this kind open sessions and do not answer short messages"},
	{FITS | SCP80, BEARER_SMS, "it fits short messages"},
	{TOO_LONG | SCP80 | SCP81, BEARER_HTTPS_TRIGGER, "it does not fit short messages"},

	/* nothing can call for a session, but there may be one */
	{NO_SCP80 | SCP81, BEARER_HTTPS, "the card has no keys for short messages: until it opens a session"},
	{TOO_LONG, BEARER_NONE, "it does not fit short messages, and the card can not open a session"},
	{0, BEARER_NONE, "the card has keys neither for short messages nor for sessions"},
};

static unsigned
what_holds(const BearerFacts *f)
{
	const bool	sessions_tried = f->sessions.tries >= BEARER_TRIES;

	return (f->fits_sms ? FITS : TOO_LONG) |
		(f->has_scp80 ? SCP80 : NO_SCP80) |
		(f->has_scp81 ? SCP81 : 0) |
		(f->keys ? KEYS : 0) |
		(f->confirms ? CONFIRMS : 0) |
		(f->relayed ? RELAYED : 0) |
		(f->in_session ? IN_SESSION : 0) |
		(f->polls ? POLLS : 0) |
		/* less than one in twenty: a few of a kind may be out of reach for long */
		(sessions_tried && f->sessions.worked < f->sessions.tries / 20 ? SESSIONS_FAIL : 0) |
		(sessions_tried && f->sessions.worked > f->sessions.tries / 2 &&
		 f->packets.tries >= BEARER_TRIES && f->packets.worked < f->packets.tries / 20 ? SMS_FAILS : 0);
}

BearerChoice
bearer_choose(const BearerFacts *facts)
{
	const unsigned holds = what_holds(facts);
	size_t		i = 0;

	/* the last row needs nothing */
	while (rows[i].needs & ~holds)
		i++;
	return (BearerChoice) {rows[i].bearer, rows[i].because};
}
