/*
 * keyset_life.c
 *		The life of a key set as one table.
 */
#include "keyset_life.h"

#include <stddef.h>

#include "names.h"

#define NO	(-1)

/*
 * Every transition there is.  Nothing leads from "pending" to what is sent under
 * but the card's own word, and nothing back from "revoked" and "compromised" but
 * other keys.
 */
static const int table[KEYSET_EVENTS][KEYSET_STATES] = {
	/*-
	 *						  pending			  active			  retiring			  revoked			  compromised
	 */
	[KEYSET_PROVEN] =		{KEYSET_ACTIVE,		KEYSET_ACTIVE,		NO,					NO,					NO},
	[KEYSET_SUPERSEDED] =	{NO,				KEYSET_RETIRING,	KEYSET_RETIRING,	NO,					NO},
	[KEYSET_TAKEN_BACK] =	{NO,				KEYSET_ACTIVE,		KEYSET_ACTIVE,		NO,					NO},
	[KEYSET_GRACE_OVER] =	{NO,				NO,					KEYSET_REVOKED,		NO,					NO},
	[KEYSET_GIVEN_UP] =		{KEYSET_REVOKED,	NO,					NO,					NO,					NO},
	[KEYSET_REVOKE] =		{KEYSET_REVOKED,	KEYSET_REVOKED,		KEYSET_REVOKED,		KEYSET_REVOKED,		NO},
	[KEYSET_COMPROMISE] =	{KEYSET_COMPROMISED, KEYSET_COMPROMISED, KEYSET_COMPROMISED, KEYSET_COMPROMISED, KEYSET_COMPROMISED},
	[KEYSET_REPLACED] =		{NO,				NO,					NO,					KEYSET_PENDING,		KEYSET_PENDING},
};

bool
keyset_life(KeysetState from, KeysetEvent event, KeysetState *to)
{
	int			next;

	if ((unsigned) from >= KEYSET_STATES || (unsigned) event >= KEYSET_EVENTS)
		return false;
	next = table[event][from];
	if (next == NO)
		return false;
	*to = (KeysetState) next;
	return true;
}

bool
keyset_life_reachable(KeysetState from, KeysetState to, bool new_keys)
{
	for (int event = 0; event < KEYSET_EVENTS; event++)
	{
		KeysetState next;

		/* other keys are another set, which begins its own life */
		if ((event == KEYSET_REPLACED) == new_keys &&
			keyset_life(from, (KeysetEvent) event, &next) && next == to)
			return true;
	}
	return from == to && !new_keys;
}

bool
keyset_may_send(KeysetState state, bool to_prove)
{
	return state == KEYSET_ACTIVE || (to_prove && state == KEYSET_PENDING);
}

bool
keyset_may_receive(KeysetState state)
{
	return state == KEYSET_PENDING || state == KEYSET_ACTIVE || state == KEYSET_RETIRING;
}

/* ---- names ---- */

static const char *const state_names[KEYSET_STATES] = {
	"pending", "active", "retiring", "revoked", "compromised"
};

static const char *const event_names[KEYSET_EVENTS] = {
	"proven", "superseded", "taken_back", "grace_over", "given_up", "revoke",
	"compromise", "replaced"
};

const char *
keyset_state_name(KeysetState state)
{
	return (unsigned) state < KEYSET_STATES ? state_names[state] : NULL;
}

bool
keyset_state_parse(const char *name, KeysetState *state)
{
	int			i = name_index(state_names, KEYSET_STATES, name);

	if (i < 0)
		return false;
	*state = (KeysetState) i;
	return true;
}

const char *
keyset_event_name(KeysetEvent event)
{
	return (unsigned) event < KEYSET_EVENTS ? event_names[event] : NULL;
}

bool
keyset_event_parse(const char *name, KeysetEvent *event)
{
	int			i = name_index(event_names, KEYSET_EVENTS, name);

	if (i < 0)
		return false;
	*event = (KeysetEvent) i;
	return true;
}
