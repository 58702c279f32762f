/*
 * bearer.h
 *		Which way a command goes to its card: in short messages, or in a session
 *		over HTTPS that the card opens, called for by a short message or not.
 *
 * Pure: facts in, a choice and its reason out.
 */
#ifndef SMSR_BEARER_H
#define SMSR_BEARER_H

#include <stdbool.h>
#include <stdint.h>

typedef enum Bearer
{
	BEARER_NONE,				/* there is no way */
	BEARER_SMS,
	BEARER_HTTPS_TRIGGER,		/* in a session that a short message has the card open */
	BEARER_HTTPS				/* in one that it has open, or opens when it likes */
} Bearer;

#define BEARERS		4

/* How often something was tried with devices of a kind, and how often it worked. */
typedef struct BearerRecord
{
	int64_t		tries;
	int64_t		worked;
} BearerRecord;

typedef struct BearerFacts
{
	bool		fits_sms;		/* the command in as many short messages as there may be */
	bool		has_scp80;		/* the card has keys for short messages: for a trigger too */
	bool		has_scp81;		/* it can open sessions: its EIS says so, and it has the key */
	bool		keys;			/* the command has keys in it: nowhere but in a packet */
	bool		confirms;		/* a notification, and so goes where that came from */
	bool		relayed;		/* it is for an ISD-P, or a chunk of a package */
	bool		in_session;		/* the card has one open */
	bool		polls;			/* it opens sessions by itself, time and again */
	BearerRecord sessions;		/* triggers, and sessions opened upon them */
	BearerRecord packets;		/* commands by short message, and answers to them */
} BearerFacts;

typedef struct BearerChoice
{
	Bearer		bearer;
	const char *because;		/* for people, static */
} BearerChoice;

/* So many tries say something of a kind of device; fewer say nothing. */
#define BEARER_TRIES	20

extern BearerChoice bearer_choose(const BearerFacts *facts);

#endif							/* SMSR_BEARER_H */
