/*
 * authority.h
 *		Who may do what: (function, kind of party, facts) -> yes or refusal.
 *
 * Pure.  The caller gathers the facts; one that could not be read is false, and
 * pinned_away true, so that who can read nothing allows nothing.
 */
#ifndef SMSR_AUTHORITY_H
#define SMSR_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>

typedef enum AuthorityKind
{
	PARTY_UNKNOWN = 0,			/* may nothing */
	PARTY_EUM,
	PARTY_SM_DP,
	PARTY_MNO,
	PARTY_M2M_SP,
	PARTY_SM_SR,				/* a peer */
	PARTY_OWN					/* this SM-SR: its administrators */
} AuthorityKind;

#define AUTHORITY_KINDS	7

typedef enum AuthorityFunction
{
	MAY_UNKNOWN = 0,			/* nobody may */
	MAY_REGISTER_EIS,
	MAY_UPDATE_EIS_ADDITIONAL_PROPERTIES,
	MAY_GET_EIS,
	MAY_AUDIT_EIS,
	MAY_CREATE_ISDP,
	MAY_SEND_DATA,
	MAY_PROFILE_DOWNLOAD_COMPLETED,
	MAY_UPDATE_CONNECTIVITY_PARAMETERS,
	MAY_ENABLE_PROFILE,
	MAY_DISABLE_PROFILE,
	MAY_DELETE_PROFILE,
	MAY_SET_FALLBACK_ATTRIBUTE,
	MAY_SET_EMERGENCY_PROFILE_ATTRIBUTE,
	MAY_UNSET_EMERGENCY_PROFILE_ATTRIBUTE,
	MAY_UPDATE_POLICY_RULES,
	MAY_UPDATE_SUBSCRIPTION_ADDRESS,
	MAY_MASTER_DELETE,
	MAY_UPDATE_SMSR_ADDRESSING,
	MAY_ROTATE_KEYS,
	MAY_MANAGE_PLATFORM,
	MAY_UPDATE_PLATFORM,
	MAY_SET_PLMA,
	MAY_GET_PLMA,
	MAY_SET_ONC,
	MAY_GET_ONC,
	MAY_PREPARE_SMSR_CHANGE,
	MAY_SMSR_CHANGE,
	MAY_HANDOVER_EUICC,
	MAY_AUTHENTICATE_SMSR,
	MAY_CREATE_ADDITIONAL_KEY_SET,
	MAY_FETCH_NOTICES,
	MAY_ACK_NOTICES
} AuthorityFunction;

#define AUTHORITY_FUNCTIONS	33

typedef struct AuthorityFacts
{
	bool		known;			/* the eUICC is registered here */
	bool		pinned_away;	/* its EID is in a range that is pinned, and to other parties */
	bool		eum;			/* the party is the EUM of the eUICC, or of the EIS to register */
	bool		has;			/* it owns a profile there (MNO), made one (SM-DP), holds a PLMA over
								 * one (M2M-SP), or is being handed the eUICC over (SM-SR) */
	bool		profile;		/* the profile is on the eUICC */
	bool		owner;			/* the party is its operator */
	bool		maker;			/* the party is the SM-DP that created it */
	bool		plma;			/* the party holds a PLMA over it */
	bool		granted;		/* and the function is in it; where no profile is named: in one over
								 * any profile there */
	bool		holder_ok;		/* nobody stands in the way who has the attribute now: no profile
								 * has it, or one of the party or of the target's operator, or of
								 * an operator that has granted the party its removal */
} AuthorityFacts;

/* A refusal in SGP.02's codes; all three are NULL if it is allowed. */
typedef struct AuthorityVerdict
{
	bool		allowed;
	const char *subject;		/* "8.1.1" */
	const char *reason;			/* "3.9" */
	const char *because;		/* for people, static */
} AuthorityVerdict;

extern AuthorityVerdict authority(AuthorityFunction function, AuthorityKind kind,
								  const AuthorityFacts *facts);

/*
 * The table, for people: whether parties of this kind may call the function at
 * all, and then the n-th thing that has to hold, in words; NULL past the last.
 */
extern bool authority_rule(AuthorityFunction function, AuthorityKind kind);
extern const char *authority_need(AuthorityFunction function, AuthorityKind kind, int n);

/* NULL and ..._UNKNOWN for what has no name; a name to parse is len octets */
extern const char *authority_function_name(AuthorityFunction function);
extern AuthorityFunction authority_function_parse(const char *name, size_t len);
extern const char *authority_kind_name(AuthorityKind kind);
extern AuthorityKind authority_kind_parse(const char *name, size_t len);

#endif							/* SMSR_AUTHORITY_H */
