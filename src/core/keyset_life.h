/*
 * keyset_life.h
 *		What may become of a card's key set: (state, event) -> new state or none.
 *
 * Pure.  A card keeps its sets by their version number; what the SM-SR may do
 * with each follows from the state that it has here.
 */
#ifndef SMSR_KEYSET_LIFE_H
#define SMSR_KEYSET_LIFE_H

#include <stdbool.h>

typedef enum KeysetState
{
	KEYSET_PENDING,				/* made, perhaps on the card: not proven yet */
	KEYSET_ACTIVE,				/* secures what is sent */
	KEYSET_RETIRING,			/* superseded: opens what still comes */
	KEYSET_REVOKED,				/* out of use */
	KEYSET_COMPROMISED			/* out of use, and others may have it */
} KeysetState;

#define KEYSET_STATES	5

typedef enum KeysetEvent
{
	KEYSET_PROVEN,				/* something authentic came under it */
	KEYSET_SUPERSEDED,			/* another set of its security domain was proven */
	KEYSET_TAKEN_BACK,			/* somebody wants it in use again */
	KEYSET_GRACE_OVER,			/* nothing that is under way needs it any more */
	KEYSET_GIVEN_UP,			/* the card did not take it */
	KEYSET_REVOKE,				/* somebody wants it out of use */
	KEYSET_COMPROMISE,			/* somebody else may have it */
	KEYSET_REPLACED				/* new keys take its place under its number */
} KeysetEvent;

#define KEYSET_EVENTS	8

/* False, and *to untouched, where the event is not for this state. */
extern bool keyset_life(KeysetState from, KeysetEvent event, KeysetState *to);

/*
 * Whether any event leads from one state to the other: what a trigger asks.
 * new_keys: the keys change with the state.
 */
extern bool keyset_life_reachable(KeysetState from, KeysetState to, bool new_keys);

/* Whether any packet may be secured under it; a pending one only to prove it. */
extern bool keyset_may_send(KeysetState state, bool to_prove);

/* Whether what comes in under it is believed. */
extern bool keyset_may_receive(KeysetState state);

extern const char *keyset_state_name(KeysetState state);
extern bool keyset_state_parse(const char *name, KeysetState *state);
extern const char *keyset_event_name(KeysetEvent event);
extern bool keyset_event_parse(const char *name, KeysetEvent *event);

#endif							/* SMSR_KEYSET_LIFE_H */
