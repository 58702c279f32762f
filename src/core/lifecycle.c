/*
 * lifecycle.c
 *		The life of a profile as one table (SGP.02 clauses 2.2.1.3, 3.2 to 3.7).
 */
#include "lifecycle.h"

#include <stddef.h>

#include "names.h"

/* What has to hold beyond the state; each is one precondition of SGP.02. */
#define NOT_FALLBACK		0x01	/* the profile must not have the fall-back attribute */
#define TARGET_MAY_ENABLE	0x02	/* POL2 of the profile */
#define TARGET_MAY_DISABLE	0x04
#define TARGET_MAY_DELETE	0x08
#define ENABLED_MAY_DISABLE	0x10	/* POL2 of the profile that would be left */
#define NOT_EMERGENCY		0x20	/* nor the emergency attribute */
#define HAS_EMERGENCY		0x40	/* the profile must have it */

typedef struct Rule
{
	ProfileState from;
	LifecycleEvent event;
	ProfileState to;
	unsigned	needs;
} Rule;

/*
 * Every transition there is.  What stands in no row is refused.
 *
 * An event of the card is no request: it happened, whatever the EIS believed
 * before, so all states accept it except those that it contradicts by sense.
 */
static const Rule rules[] = {
	{PROFILE_ABSENT, ASK_CREATE, PROFILE_CREATED, 0},

	/* the SM-DP reports the end of a download: no card is asked */
	{PROFILE_CREATED, ASK_DOWNLOAD_COMPLETED, PROFILE_DISABLED, 0},

	{PROFILE_DISABLED, ASK_ENABLE, PROFILE_ENABLED, TARGET_MAY_ENABLE | ENABLED_MAY_DISABLE},

	{PROFILE_ENABLED, ASK_DISABLE, PROFILE_DISABLED, NOT_FALLBACK | TARGET_MAY_DISABLE},

	/* a download that failed is cleared away by the SM-DP; POL2 is not set yet */
	{PROFILE_CREATED, ASK_DELETE, PROFILE_ABSENT, NOT_FALLBACK | TARGET_MAY_DELETE},
	{PROFILE_DISABLED, ASK_DELETE, PROFILE_ABSENT, NOT_FALLBACK | TARGET_MAY_DELETE},
	/* disabled first, within the same request */
	{PROFILE_ENABLED, ASK_DELETE, PROFILE_ABSENT, NOT_FALLBACK | TARGET_MAY_DELETE | TARGET_MAY_DISABLE},

	/* POL1 and POL2 do not count for a master delete */
	{PROFILE_DISABLED, ASK_MASTER_DELETE, PROFILE_ABSENT, NOT_FALLBACK},

	{PROFILE_DISABLED, ASK_SET_FALLBACK, PROFILE_DISABLED, NOT_EMERGENCY},
	{PROFILE_ENABLED, ASK_SET_FALLBACK, PROFILE_ENABLED, NOT_EMERGENCY},

	/* v3.2 on: never both attributes on one profile */
	{PROFILE_DISABLED, ASK_SET_EMERGENCY, PROFILE_DISABLED, NOT_FALLBACK},
	{PROFILE_CREATED, ASK_UNSET_EMERGENCY, PROFILE_CREATED, HAS_EMERGENCY},
	{PROFILE_DISABLED, ASK_UNSET_EMERGENCY, PROFILE_DISABLED, HAS_EMERGENCY},

	/* what the parameters mean, SM-DP and ISD-P know */
	{PROFILE_CREATED, ASK_UPDATE_CONNECTIVITY, PROFILE_CREATED, 0},
	{PROFILE_DISABLED, ASK_UPDATE_CONNECTIVITY, PROFILE_DISABLED, 0},
	{PROFILE_ENABLED, ASK_UPDATE_CONNECTIVITY, PROFILE_ENABLED, 0},

	/*
	 * Download; and whatever else SM-DP and ISD-P have to say to each other, such as
	 * connectivity parameters, which may come this way, too (SGP.02 clause 3.17 on)
	 */
	{PROFILE_CREATED, ASK_SEND_DATA, PROFILE_CREATED, 0},
	{PROFILE_DISABLED, ASK_SEND_DATA, PROFILE_DISABLED, 0},
	{PROFILE_ENABLED, ASK_SEND_DATA, PROFILE_ENABLED, 0},

	{PROFILE_ABSENT, CARD_CREATED, PROFILE_CREATED, 0},
	{PROFILE_CREATED, CARD_CREATED, PROFILE_CREATED, 0},

	{PROFILE_CREATED, CARD_ENABLED, PROFILE_ENABLED, 0},
	{PROFILE_DISABLED, CARD_ENABLED, PROFILE_ENABLED, 0},
	{PROFILE_ENABLED, CARD_ENABLED, PROFILE_ENABLED, 0},

	{PROFILE_CREATED, CARD_DISABLED, PROFILE_DISABLED, 0},
	{PROFILE_DISABLED, CARD_DISABLED, PROFILE_DISABLED, 0},
	{PROFILE_ENABLED, CARD_DISABLED, PROFILE_DISABLED, 0},

	{PROFILE_ABSENT, CARD_DELETED, PROFILE_ABSENT, 0},
	{PROFILE_CREATED, CARD_DELETED, PROFILE_ABSENT, 0},
	{PROFILE_DISABLED, CARD_DELETED, PROFILE_ABSENT, 0},
	{PROFILE_ENABLED, CARD_DELETED, PROFILE_ABSENT, 0},
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

static LifecycleVerdict
allow(ProfileState state)
{
	return (LifecycleVerdict) {state, NULL, NULL, NULL};
}

/* Codes of SGP.02 clause 5.1.6.6 as far as they are known: facts, low to medium. */
static LifecycleVerdict
refuse(ProfileState state, const char *subject, const char *reason, const char *because)
{
	return (LifecycleVerdict) {state, subject, reason, because};
}

LifecycleVerdict
lifecycle(const LifecycleProfile *profile, const LifecycleProfile *enabled,
		  LifecycleEvent event)
{
	const Rule *rule = NULL;

	for (size_t i = 0; i < RULES; i++)
		if (rules[i].from == profile->state && rules[i].event == event)
			rule = &rules[i];

	if (rule == NULL)
	{
		if (event == ASK_CREATE)
			return refuse(profile->state, "8.2.1", "3.3", "the eUICC has a profile with this ICCID");
		if (profile->state == PROFILE_ABSENT)
			return refuse(profile->state, "8.2.1", "3.9", "the eUICC has no such profile");
		return refuse(profile->state, "8.2.1", "1.2", "the profile's state does not allow it");
	}
	if ((rule->needs & NOT_FALLBACK) && profile->fallback)
		return refuse(profile->state, "8.2.1", "1.2", "the profile has the fall-back attribute");
	if ((rule->needs & NOT_EMERGENCY) && profile->emergency)
		return refuse(profile->state, "8.2.1", "1.2", "the profile has the emergency attribute");
	if ((rule->needs & HAS_EMERGENCY) && !profile->emergency)
		return refuse(profile->state, "8.2.1", "1.2", "the profile has not the emergency attribute");
	if ((rule->needs & TARGET_MAY_ENABLE) && (profile->pol2 & POL2_ENABLE_NOT_ALLOWED))
		return refuse(profile->state, "8.2.3", "3.8", "POL2 of the profile forbids enabling it");
	if ((rule->needs & TARGET_MAY_DELETE) && (profile->pol2 & POL2_DELETE_NOT_ALLOWED))
		return refuse(profile->state, "8.2.3", "3.8", "POL2 of the profile forbids deleting it");
	if ((rule->needs & TARGET_MAY_DISABLE) && (profile->pol2 & POL2_DISABLE_NOT_ALLOWED))
		return refuse(profile->state, "8.2.3", "3.8", "POL2 of the profile forbids disabling it");
	if ((rule->needs & ENABLED_MAY_DISABLE) && enabled->state == PROFILE_ENABLED &&
		(enabled->pol2 & POL2_DISABLE_NOT_ALLOWED))
		return refuse(profile->state, "8.2.3", "3.8", "POL2 of the enabled profile forbids disabling it");
	return allow(rule->to);
}

bool
lifecycle_reachable(ProfileState from, ProfileState to)
{
	if (from == to)
		return true;
	for (size_t i = 0; i < RULES; i++)
		if (rules[i].from == from && rules[i].to == to)
			return true;
	return false;
}

/* ---- names ---- */

static const char *const state_names[PROFILE_STATES] = {
	NULL, "Created", "Disabled", "Enabled"
};

static const char *const event_names[LIFECYCLE_EVENTS] = {
	"create_isdp", "profile_download_completed", "enable_profile",
	"disable_profile", "delete_profile", "master_delete",
	"set_fallback_attribute", "set_emergency_profile_attribute",
	"unset_emergency_profile_attribute", "update_connectivity_parameters", "send_data",
	"card_created", "card_enabled", "card_disabled", "card_deleted"
};

static const char *const pol2_names[POL2_RULES] = {
	"ENABLE/Not-Allowed", "DISABLE/Not-Allowed", "DELETE/Not-Allowed",
	"ENABLE/Auto-Delete", "DISABLE/Auto-Delete", "DELETE/Auto-Delete"
};

const char *
profile_state_name(ProfileState state)
{
	return (unsigned) state < PROFILE_STATES ? state_names[state] : NULL;
}

bool
profile_state_parse(const char *name, ProfileState *state)
{
	int			i = name_index(state_names, PROFILE_STATES, name);

	if (i < 0)
		return false;
	*state = (ProfileState) i;
	return true;
}

const char *
lifecycle_event_name(LifecycleEvent event)
{
	return (unsigned) event < LIFECYCLE_EVENTS ? event_names[event] : NULL;
}

bool
lifecycle_event_parse(const char *name, LifecycleEvent *event)
{
	int			i = name_index(event_names, LIFECYCLE_EVENTS, name);

	if (i < 0)
		return false;
	*event = (LifecycleEvent) i;
	return true;
}

const char *
pol2_rule_name(int bit)
{
	return bit >= 0 && bit < POL2_RULES ? pol2_names[bit] : NULL;
}

bool
pol2_rule_parse(const char *name, uint8_t *rule)
{
	int			i = name_index(pol2_names, POL2_RULES, name);

	if (i < 0)
		return false;
	*rule = (uint8_t) (1 << i);
	return true;
}
