/*
 * test_lifecycle.c
 *		Every profile state with every event, against the table of SGP.02 written
 *		down a second time.
 */
#include "core/lifecycle.h"
#include "tap.h"

#include <string.h>

#define X	(-1)				/* refused */

/* the one event that a profile without the emergency attribute may not be asked for */
#define EMERGENCY_ALONE(event)	((event) == ASK_UNSET_EMERGENCY)

/* rows: ABSENT, CREATED, DISABLED, ENABLED */
static const int expected[LIFECYCLE_EVENTS][PROFILE_STATES] = {
	[ASK_CREATE] = {PROFILE_CREATED, X, X, X},
	[ASK_DOWNLOAD_COMPLETED] = {X, PROFILE_DISABLED, X, X},
	[ASK_ENABLE] = {X, X, PROFILE_ENABLED, X},
	[ASK_DISABLE] = {X, X, X, PROFILE_DISABLED},
	[ASK_DELETE] = {X, PROFILE_ABSENT, PROFILE_ABSENT, PROFILE_ABSENT},
	[ASK_MASTER_DELETE] = {X, X, PROFILE_ABSENT, X},
	[ASK_SET_FALLBACK] = {X, X, PROFILE_DISABLED, PROFILE_ENABLED},
	[ASK_SET_EMERGENCY] = {X, X, PROFILE_DISABLED, X},
	/* if it has the attribute: see lifecycle_rules */
	[ASK_UNSET_EMERGENCY] = {X, PROFILE_CREATED, PROFILE_DISABLED, X},
	[ASK_UPDATE_CONNECTIVITY] = {X, PROFILE_CREATED, PROFILE_DISABLED, PROFILE_ENABLED},
	[ASK_SEND_DATA] = {X, PROFILE_CREATED, PROFILE_DISABLED, PROFILE_ENABLED},
	[CARD_CREATED] = {PROFILE_CREATED, PROFILE_CREATED, X, X},
	[CARD_ENABLED] = {X, PROFILE_ENABLED, PROFILE_ENABLED, PROFILE_ENABLED},
	[CARD_DISABLED] = {X, PROFILE_DISABLED, PROFILE_DISABLED, PROFILE_DISABLED},
	[CARD_DELETED] = {PROFILE_ABSENT, PROFILE_ABSENT, PROFILE_ABSENT, PROFILE_ABSENT},
};

TEST_SUITE(lifecycle_table)
{
	LifecycleProfile nothing = {PROFILE_ABSENT, false, 0, false};

	for (int event = 0; event < LIFECYCLE_EVENTS; event++)
		for (int state = 0; state < PROFILE_STATES; state++)
		{
			LifecycleProfile profile = {(ProfileState) state, false, 0, EMERGENCY_ALONE(event)};
			LifecycleVerdict v = lifecycle(&profile, &nothing, (LifecycleEvent) event);
			int			want = expected[event][state];

			if (want == X)
				ok(v.subject != NULL && v.reason != NULL && v.because != NULL && v.state == profile.state,
				   "%s in state %d is refused with codes", lifecycle_event_name((LifecycleEvent) event), state);
			else
				ok(v.subject == NULL && (int) v.state == want,
				   "%s in state %d leads to %d", lifecycle_event_name((LifecycleEvent) event), state, want);
		}
}

TEST_SUITE(lifecycle_rules)
{
	LifecycleProfile nothing = {PROFILE_ABSENT, false, 0, false};

	/* which POL2 rule of the profile forbids what; every rule with every event */
	for (int bit = 0; bit < POL2_RULES; bit++)
		for (int event = 0; event < LIFECYCLE_EVENTS; event++)
			for (int state = 0; state < PROFILE_STATES; state++)
			{
				LifecycleProfile profile = {(ProfileState) state, false, (uint8_t) (1 << bit), EMERGENCY_ALONE(event)};
				LifecycleVerdict v = lifecycle(&profile, &nothing, (LifecycleEvent) event);
				bool		forbidden =
				((1 << bit) == POL2_ENABLE_NOT_ALLOWED && event == ASK_ENABLE) ||
				((1 << bit) == POL2_DISABLE_NOT_ALLOWED && event == ASK_DISABLE) ||
				((1 << bit) == POL2_DISABLE_NOT_ALLOWED && event == ASK_DELETE && state == PROFILE_ENABLED) ||
				((1 << bit) == POL2_DELETE_NOT_ALLOWED && event == ASK_DELETE);

				if (expected[event][state] == X)
					continue;
				ok((v.subject != NULL && strcmp(v.subject, "8.2.3") == 0) == forbidden,
				   "%s in state %d under %s", lifecycle_event_name((LifecycleEvent) event), state, pol2_rule_name(bit));
			}

	for (int event = 0; event < LIFECYCLE_EVENTS; event++)
		for (int state = 0; state < PROFILE_STATES; state++)
		{
			LifecycleProfile profile = {(ProfileState) state, true, 0, EMERGENCY_ALONE(event)};
			LifecycleVerdict v = lifecycle(&profile, &nothing, (LifecycleEvent) event);
			bool		forbidden = event == ASK_DISABLE || event == ASK_DELETE || event == ASK_MASTER_DELETE ||
			event == ASK_SET_EMERGENCY;

			if (expected[event][state] != X)
				ok((v.subject != NULL) == forbidden, "%s of the fall-back profile in state %d",
				   lifecycle_event_name((LifecycleEvent) event), state);
		}

	/* never both attributes on one profile */
	for (int event = 0; event < LIFECYCLE_EVENTS; event++)
		for (int state = 0; state < PROFILE_STATES; state++)
		{
			LifecycleProfile profile = {(ProfileState) state, false, 0, true};
			LifecycleVerdict v = lifecycle(&profile, &nothing, (LifecycleEvent) event);

			if (expected[event][state] != X)
				ok((v.subject != NULL) == (event == ASK_SET_FALLBACK), "%s of the emergency profile in state %d",
				   lifecycle_event_name((LifecycleEvent) event), state);
		}

	/* and only the one that has it can lose it */
	for (int event = 0; event < LIFECYCLE_EVENTS; event++)
		for (int state = 0; state < PROFILE_STATES; state++)
		{
			LifecycleProfile profile = {(ProfileState) state, false, 0, false};
			LifecycleVerdict v = lifecycle(&profile, &nothing, (LifecycleEvent) event);

			if (expected[event][state] != X)
				ok((v.subject != NULL) == EMERGENCY_ALONE(event), "%s of a profile without the emergency attribute in state %d",
				   lifecycle_event_name((LifecycleEvent) event), state);
		}

	/* only the enabled profile's own rule keeps it from being left */
	for (int state = 0; state < PROFILE_STATES; state++)
		for (int bit = 0; bit < POL2_RULES; bit++)
		{
			LifecycleProfile profile = {PROFILE_DISABLED, false, 0, false};
			LifecycleProfile enabled = {(ProfileState) state, true, (uint8_t) (1 << bit), false};
			LifecycleVerdict v = lifecycle(&profile, &enabled, ASK_ENABLE);

			ok((v.subject != NULL) == (state == PROFILE_ENABLED && (1 << bit) == POL2_DISABLE_NOT_ALLOWED),
			   "enabling while the other is in state %d under %s", state, pol2_rule_name(bit));
		}
}

TEST_SUITE(lifecycle_reach)
{
	/* what the trigger lets through is what some event does, and no more */
	for (int from = 0; from < PROFILE_STATES; from++)
		for (int to = 0; to < PROFILE_STATES; to++)
		{
			bool		some = from == to;

			for (int event = 0; event < LIFECYCLE_EVENTS; event++)
				some = some || expected[event][from] == to;
			ok(lifecycle_reachable((ProfileState) from, (ProfileState) to) == some,
			   "%d to %d is %sreachable", from, to, some ? "" : "not ");
		}
	ok(!lifecycle_reachable(PROFILE_ENABLED, PROFILE_CREATED), "nothing leads from Enabled back to Created");
	ok(!lifecycle_reachable(PROFILE_DISABLED, PROFILE_CREATED), "nothing leads from Disabled back to Created");
}

TEST_SUITE(lifecycle_names)
{
	ProfileState state;
	LifecycleEvent event;
	uint8_t		rule;

	for (int i = 1; i < PROFILE_STATES; i++)
		ok(profile_state_parse(profile_state_name((ProfileState) i), &state) && (int) state == i, "state %d by name", i);
	for (int i = 0; i < LIFECYCLE_EVENTS; i++)
		ok(lifecycle_event_parse(lifecycle_event_name((LifecycleEvent) i), &event) && (int) event == i, "event %d by name", i);
	for (int i = 0; i < POL2_RULES; i++)
		ok(pol2_rule_parse(pol2_rule_name(i), &rule) && rule == 1 << i, "rule %d by name", i);
	ok(!profile_state_parse("enabled", &state), "names are exact");
	ok(!pol2_rule_parse("Not allowed", &rule), "another's spelling of a rule is none");
	ok(profile_state_name(PROFILE_ABSENT) == NULL, "an absent profile has no state in the EIS");
}
