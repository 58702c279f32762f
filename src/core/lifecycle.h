/*
 * lifecycle.h
 *		What may become of a profile: (state, event) -> new state or refusal.
 *
 * Pure.  The table in lifecycle.c is the table of SGP.02's ISD-P states with
 * the preconditions of its functions; POL2 (SGP.02 clause 3.3) is decided here
 * too, because a rule is part of whether an event is allowed.
 */
#ifndef SMSR_LIFECYCLE_H
#define SMSR_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ProfileState
{
	PROFILE_ABSENT = 0,			/* no such ISD-P, as far as the EIS knows */
	PROFILE_CREATED,
	PROFILE_DISABLED,
	PROFILE_ENABLED
} ProfileState;

#define PROFILE_STATES	4

typedef enum LifecycleEvent
{
	/* what a party asks; refused when the preconditions do not hold */
	ASK_CREATE,
	ASK_DOWNLOAD_COMPLETED,		/* local: no card involved */
	ASK_ENABLE,
	ASK_DISABLE,
	ASK_DELETE,
	ASK_MASTER_DELETE,
	ASK_SET_FALLBACK,
	ASK_SET_EMERGENCY,
	ASK_UNSET_EMERGENCY,
	ASK_UPDATE_CONNECTIVITY,	/* changes nothing here, but the ISD-P must be there */
	ASK_SEND_DATA,				/* likewise */
	/* what the card says has happened; the EIS follows */
	CARD_CREATED,
	CARD_ENABLED,				/* this profile is the enabled one now */
	CARD_DISABLED,				/* another one is, or it was switched off */
	CARD_DELETED
} LifecycleEvent;

#define LIFECYCLE_EVENTS	15

/* POL2 rules as bits; Subject is always PROFILE */
#define POL2_ENABLE_NOT_ALLOWED		0x01
#define POL2_DISABLE_NOT_ALLOWED	0x02
#define POL2_DELETE_NOT_ALLOWED		0x04
#define POL2_ENABLE_AUTO_DELETE		0x08	/* schema-valid, without effect */
#define POL2_DISABLE_AUTO_DELETE	0x10
#define POL2_DELETE_AUTO_DELETE		0x20	/* schema-valid, without effect */
#define POL2_RULES					6

typedef struct LifecycleProfile
{
	ProfileState state;
	bool		fallback;
	uint8_t		pol2;
	bool		emergency;
} LifecycleProfile;

/* A refusal in SGP.02's codes, or none: subject is NULL then. */
typedef struct LifecycleVerdict
{
	ProfileState state;			/* the new state; the old one if refused */
	const char *subject;		/* "8.2.1" */
	const char *reason;			/* "1.2" */
	const char *because;		/* for people, static */
} LifecycleVerdict;

/*
 * profile is the one the event is about; enabled is the one that is enabled on
 * this eUICC at the time (state PROFILE_ABSENT if none is known), whose POL2
 * counts when profile is to take its place.
 */
extern LifecycleVerdict lifecycle(const LifecycleProfile *profile,
								  const LifecycleProfile *enabled,
								  LifecycleEvent event);

/* Whether any event leads from one state to the other: what a trigger asks. */
extern bool lifecycle_reachable(ProfileState from, ProfileState to);

extern const char *profile_state_name(ProfileState state);	/* "Created" ...; NULL for ABSENT */
extern bool profile_state_parse(const char *name, ProfileState *state);
extern const char *lifecycle_event_name(LifecycleEvent event);
extern bool lifecycle_event_parse(const char *name, LifecycleEvent *event);
extern const char *pol2_rule_name(int bit);		/* "DISABLE/Not-Allowed" for bit 1 ... */
extern bool pol2_rule_parse(const char *name, uint8_t *rule);

#endif							/* SMSR_LIFECYCLE_H */
