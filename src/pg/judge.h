/*
 * judge.h
 *		Whether a function may be begun on a profile, from what tables say of it.
 */
#ifndef SMSR_JUDGE_H
#define SMSR_JUDGE_H

#include "core/lifecycle.h"

/* What is decided by beside the two profiles. */
typedef struct JudgeFacts
{
	bool		memory_known;	/* both of it */
	int64		required_memory;
	int64		remaining_memory;
	const char *version;		/* of SGP.02 that the eUICC has; NULL: unknown */
} JudgeFacts;

/* A name or a rule that can not be read is an error. */
extern ProfileState smsr_profile_state(const char *name);
extern uint8_t smsr_pol2_mask(Datum rules);

/*
 * lifecycle, and what only this SM-SR and the eUICC's row can say: whether the
 * enabled profile may be deleted at all, whether there is memory, and whether
 * the eUICC is of a version that has the function.
 */
extern LifecycleVerdict smsr_judgement(LifecycleEvent event, const LifecycleProfile *profile,
									   const LifecycleProfile *enabled, const JudgeFacts *facts);

#endif							/* SMSR_JUDGE_H */
