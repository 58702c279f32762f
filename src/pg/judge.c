/*
 * judge.c
 *		Whether a function may be begun on a profile: for one of SQL's own calls and
 *		for the many of a request.
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/guc.h"
#include "pg/judge.h"

ProfileState
smsr_profile_state(const char *name)
{
	ProfileState state = PROFILE_ABSENT;

	if (name != NULL && !profile_state_parse(name, &state))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown profile state \"%s\"", name)));
	return state;
}

uint8_t
smsr_pol2_mask(Datum rules)
{
	ArrayType  *array = DatumGetArrayTypeP(rules);
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	uint8_t		mask = 0;

	/* that of most profiles is empty */
	if (ARR_NDIM(array) == 0)
		return 0;
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = nulls[i] ? pstrdup("NULL") : TextDatumGetCString(elements[i]);
		uint8_t		rule;

		/* a rule that can not be read must not be taken for no rule */
		if (!pol2_rule_parse(name, &rule))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown POL2 rule \"%s\"", name)));
		mask |= rule;
	}
	return mask;
}

/* Whether a version d.d.d is this one or later; one that can not be read is not. */
static bool
version_since(const char *version, long major, long minor)
{
	char	   *end;
	long		first;

	if (version == NULL || !isdigit((unsigned char) version[0]))
		return false;
	first = strtol(version, &end, 10);
	if (*end != '.' || !isdigit((unsigned char) end[1]))
		return false;
	return first > major || (first == major && strtol(end + 1, NULL, 10) >= minor);
}

LifecycleVerdict
smsr_judgement(LifecycleEvent event, const LifecycleProfile *profile,
			   const LifecycleProfile *enabled, const JudgeFacts *facts)
{
	LifecycleVerdict verdict = lifecycle(profile, enabled, event);

	if (verdict.subject == NULL && event == ASK_DELETE && profile->state == PROFILE_ENABLED &&
		smsr_delete_enabled == SMSR_DELETE_REFUSE)
		verdict = (LifecycleVerdict) {profile->state, "8.2.1", "1.2", "the profile is enabled"};
	if (verdict.subject == NULL && event == ASK_CREATE && facts->memory_known &&
		facts->required_memory > facts->remaining_memory)
		verdict = (LifecycleVerdict) {profile->state, "8.1", "4.8", "the eUICC has not enough memory"};
	/* SGP.02 has the emergency attribute from v3.2 on */
	if ((event == ASK_SET_EMERGENCY || event == ASK_UNSET_EMERGENCY) &&
		!version_since(facts->version, 3, 2))
		verdict = (LifecycleVerdict) {profile->state, "1.6", "4.6", "the eUICC does not support the function"};
	return verdict;
}
