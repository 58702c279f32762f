/*
 * test_keyset_life.c
 *		Every state of a key set with every event, against the table written down
 *		a second time.
 */
#include "core/keyset_life.h"
#include "tap.h"

#include <string.h>

#define X	(-1)

/* events by state: pending, active, retiring, revoked, compromised */
static const struct
{
	const char *event;
	int			to[KEYSET_STATES];
}			expected[] =
{
	{"proven", {KEYSET_ACTIVE, KEYSET_ACTIVE, X, X, X}},
	{"superseded", {X, KEYSET_RETIRING, KEYSET_RETIRING, X, X}},
	{"taken_back", {X, KEYSET_ACTIVE, KEYSET_ACTIVE, X, X}},
	{"grace_over", {X, X, KEYSET_REVOKED, X, X}},
	{"given_up", {KEYSET_REVOKED, X, X, X, X}},
	{"revoke", {KEYSET_REVOKED, KEYSET_REVOKED, KEYSET_REVOKED, KEYSET_REVOKED, X}},
	{"compromise", {KEYSET_COMPROMISED, KEYSET_COMPROMISED, KEYSET_COMPROMISED, KEYSET_COMPROMISED, KEYSET_COMPROMISED}},
	{"replaced", {X, X, X, KEYSET_PENDING, KEYSET_PENDING}},
};

/* from (rows) to (columns), with the same keys and with others */
static const char *const same_keys[] = {"yy.yy", ".yyyy", ".yyyy", "...yy", "....y"};
static const char *const new_keys[] = {".....", ".....", ".....", "y....", "y...."};

TEST_SUITE(keyset_life)
{
	ok(sizeof(expected) / sizeof(expected[0]) == KEYSET_EVENTS, "every event is in the table");
	for (int e = 0; e < KEYSET_EVENTS; e++)
	{
		KeysetEvent event;

		ok(keyset_event_parse(expected[e].event, &event) && (int) event == e &&
		   strcmp(keyset_event_name(event), expected[e].event) == 0, "%s by name", expected[e].event);
		for (int state = 0; state < KEYSET_STATES; state++)
		{
			KeysetState to = (KeysetState) 99;
			bool		led = keyset_life((KeysetState) state, event, &to);

			ok(led == (expected[e].to[state] != X) && (int) to == (led ? expected[e].to[state] : 99),
			   "%s of a %s set", expected[e].event, keyset_state_name((KeysetState) state));
		}
	}
	for (int from = 0; from < KEYSET_STATES; from++)
		for (int to = 0; to < KEYSET_STATES; to++)
		{
			const char *a = keyset_state_name((KeysetState) from);
			const char *b = keyset_state_name((KeysetState) to);

			ok(keyset_life_reachable((KeysetState) from, (KeysetState) to, false) == (same_keys[from][to] == 'y'),
			   "from %s to %s", a, b);
			ok(keyset_life_reachable((KeysetState) from, (KeysetState) to, true) == (new_keys[from][to] == 'y'),
			   "from %s to %s with other keys", a, b);
		}
}

TEST_SUITE(keyset_use)
{
	KeysetState state;
	KeysetEvent event;

	for (int i = 0; i < KEYSET_STATES; i++)
	{
		state = (KeysetState) 99;
		ok(keyset_state_parse(keyset_state_name((KeysetState) i), &state) && (int) state == i, "state %d by name", i);
		ok(keyset_may_send(state, false) == (i == KEYSET_ACTIVE), "%s: what is sent", keyset_state_name(state));
		ok(keyset_may_send(state, true) == (i == KEYSET_ACTIVE || i == KEYSET_PENDING), "%s: a proof", keyset_state_name(state));
		ok(keyset_may_receive(state) == (i <= KEYSET_RETIRING), "%s: what comes in", keyset_state_name(state));
	}
	ok(!keyset_state_parse("retired", &state) && !keyset_event_parse("", &event), "what is none");
	ok(keyset_state_name((KeysetState) KEYSET_STATES) == NULL && keyset_event_name((KeysetEvent) KEYSET_EVENTS) == NULL,
	   "and there are no more");
	ok(!keyset_life((KeysetState) KEYSET_STATES, KEYSET_REVOKE, &state) &&
	   !keyset_life(KEYSET_ACTIVE, (KeysetEvent) KEYSET_EVENTS, &state), "nor have they a life");
}
