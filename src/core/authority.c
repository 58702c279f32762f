/*
 * authority.c
 *		Who may do what, as one table: the functions of ES1, ES3, ES4 and ES4A
 *		of SGP.02, and those of our own that parties call.
 */
#include "authority.h"

#include <string.h>

/* What has to hold; each is one fact, and one refusal if it does not. */
#define KNOWN				0x0001
#define NOT_PINNED_AWAY		0x0002
#define EUM_OF_EUICC		0x0004
#define HAS					0x0008
#define PROFILE				0x0010
#define IS_OWNER			0x0020
#define IS_MAKER			0x0040
#define HAS_PLMA			0x0080
#define GRANTED_PROFILE		0x0100
#define GRANTED_EUICC		0x0200
#define INVOLVED			0x0400
#define EUM_OF_EIS			0x0800
#define HOLDER_OK			0x1000
#define HANDED_OVER			0x2000
/* and what stands in every entry of the table, so that what is left out is refused */
#define ALLOWED				0x8000

/* The entries of the table.  First what lets a party see the eUICC, by its kind, */
#define ANY			ALLOWED
#define SEES		(ALLOWED | KNOWN | NOT_PINNED_AWAY)
#define ITS_EUM		(SEES | EUM_OF_EUICC)
#define THERE		(SEES | HAS)
#define MADE_ONE	(SEES | INVOLVED)
#define TO_COME		(SEES | HANDED_OVER)
#define GRANTED		(THERE | GRANTED_EUICC)
/* then who a party is to the profile, */
#define MAKER		(SEES | PROFILE | IS_MAKER)
#define OWNER		(THERE | PROFILE | IS_OWNER)
#define GRANTEE		(THERE | PROFILE | HAS_PLMA | GRANTED_PROFILE)
/* and the same where an attribute is taken from another profile. */
#define MAKER_T		(MAKER | HOLDER_OK)
#define OWNER_T		(OWNER | HOLDER_OK)
#define GRANTEE_T	(GRANTEE | HOLDER_OK)
#define EIS_EUM		(ALLOWED | EUM_OF_EIS)
#define NO			0

/*
 * Every rule there is.  This SM-SR itself has no column: it may call every
 * function, whatever the facts.
 */
static const unsigned rules[AUTHORITY_FUNCTIONS][PARTY_OWN - PARTY_EUM] = {
	/*-
	 *										  EUM		SM-DP		MNO			M2M-SP		SM-SR
	 */
	[MAY_REGISTER_EIS] =					 {EIS_EUM,	NO,			NO,			NO,			NO},
	[MAY_UPDATE_EIS_ADDITIONAL_PROPERTIES] = {ITS_EUM,	NO,			NO,			NO,			NO},

	/* any SM-DP may look before it creates */
	[MAY_GET_EIS] =							 {NO,		SEES,		THERE,		GRANTED,	NO},
	[MAY_CREATE_ISDP] =						 {NO,		SEES,		NO,			NO,			NO},
	[MAY_AUDIT_EIS] =						 {NO,		MADE_ONE,	THERE,		GRANTED,	NO},

	[MAY_SEND_DATA] =						 {NO,		MAKER,		NO,			NO,			NO},
	[MAY_PROFILE_DOWNLOAD_COMPLETED] =		 {NO,		MAKER,		NO,			NO,			NO},
	[MAY_UPDATE_CONNECTIVITY_PARAMETERS] =	 {NO,		MAKER,		NO,			NO,			NO},

	[MAY_ENABLE_PROFILE] =					 {NO,		MAKER,		OWNER,		GRANTEE,	NO},
	[MAY_DISABLE_PROFILE] =					 {NO,		MAKER,		OWNER,		GRANTEE,	NO},
	[MAY_DELETE_PROFILE] =					 {NO,		MAKER,		OWNER,		GRANTEE,	NO},
	[MAY_UPDATE_SUBSCRIPTION_ADDRESS] =		 {NO,		MAKER,		OWNER,		GRANTEE,	NO},
	[MAY_SET_FALLBACK_ATTRIBUTE] =			 {NO,		MAKER_T,	OWNER_T,	GRANTEE_T,	NO},
	[MAY_SET_EMERGENCY_PROFILE_ATTRIBUTE] =	 {NO,		MAKER_T,	OWNER_T,	GRANTEE_T,	NO},
	[MAY_UNSET_EMERGENCY_PROFILE_ATTRIBUTE] = {NO,		MAKER,		OWNER,		GRANTEE,	NO},
	/* no PLMA reaches POL2 */
	[MAY_UPDATE_POLICY_RULES] =				 {NO,		MAKER,		OWNER,		NO,			NO},

	/* only who runs this SM-SR */
	[MAY_MASTER_DELETE] =					 {NO,		NO,			NO,			NO,			NO},
	[MAY_UPDATE_SMSR_ADDRESSING] =			 {NO,		NO,			NO,			NO,			NO},
	[MAY_ROTATE_KEYS] =						 {NO,		NO,			NO,			NO,			NO},
	[MAY_MANAGE_PLATFORM] =					 {NO,		NO,			NO,			NO,			NO},
	/*
	 * SGP.02 gives an EUM ES1 alone, which has no such function: whose package
	 * it is, the package says, and who sends it decides here.
	 */
	[MAY_UPDATE_PLATFORM] =					 {NO,		NO,			NO,			NO,			NO},

	/*
	 * The change of SM-SR.  Of an eUICC that is to come nothing is known here yet:
	 * it is the SM-SR that has it who asks its operators.
	 */
	[MAY_PREPARE_SMSR_CHANGE] =				 {NO,		NO,			ANY,		NO,			NO},
	[MAY_SMSR_CHANGE] =						 {NO,		NO,			THERE,		NO,			NO},
	[MAY_HANDOVER_EUICC] =					 {NO,		NO,			NO,			NO,			ANY},
	[MAY_AUTHENTICATE_SMSR] =				 {NO,		NO,			NO,			NO,			TO_COME},
	[MAY_CREATE_ADDITIONAL_KEY_SET] =		 {NO,		NO,			NO,			NO,			TO_COME},

	/* a party's own records, about no one eUICC */
	[MAY_SET_PLMA] =						 {NO,		NO,			ANY,		NO,			NO},
	[MAY_GET_PLMA] =						 {NO,		NO,			ANY,		ANY,		NO},
	[MAY_SET_ONC] =							 {NO,		NO,			ANY,		NO,			NO},
	[MAY_GET_ONC] =							 {NO,		NO,			ANY,		NO,			NO},
	[MAY_FETCH_NOTICES] =					 {ANY,		ANY,		ANY,		ANY,		ANY},
	[MAY_ACK_NOTICES] =						 {ANY,		ANY,		ANY,		ANY,		ANY},
};

#define NOT_FOR_KIND		"this function is not for parties of this kind"
#define NO_SUCH_EUICC		"the EID is not registered here"
#define NO_SUCH_PROFILE		"the eUICC has no such profile"
#define NOT_AUTHORISED		"the operator has not authorised this function"

/*
 * The refusals, in the order in which they are looked for: the first need that
 * is not met gives the verdict.  A foreign eUICC or profile gets the very words
 * of one that does not exist.
 *
 * Codes of SGP.02 clause 5.1.6.6 as far as they are known: facts, low to medium.
 */
static const struct Need
{
	unsigned	bit;
	const char *subject;
	const char *reason;
	const char *because;
	const char *words;
}			needs[] = {
	{KNOWN, "8.1.1", "3.9", NO_SUCH_EUICC, "the eUICC is registered here"},
	{NOT_PINNED_AWAY, "8.1.1", "3.9", NO_SUCH_EUICC, "its EID is not pinned to others"},
	{EUM_OF_EUICC, "8.1.1", "3.9", NO_SUCH_EUICC, "the party is its EUM"},
	{HAS, "8.1.1", "3.9", NO_SUCH_EUICC, "the party owns a profile there, or holds a PLMA over one"},
	{HANDED_OVER, "8.1.1", "3.9", NO_SUCH_EUICC, "the eUICC is being handed over to the party"},
	{PROFILE, "8.2.1", "3.9", NO_SUCH_PROFILE, "the profile is on it"},
	{IS_OWNER, "8.2.1", "3.9", NO_SUCH_PROFILE, "the party is the profile's operator"},
	{IS_MAKER, "8.2.1", "3.9", NO_SUCH_PROFILE, "the party created the profile"},
	{HAS_PLMA, "8.2.1", "3.9", NO_SUCH_PROFILE, "the party holds a PLMA over the profile"},
	{GRANTED_PROFILE, "8.2.1", "1.2", NOT_AUTHORISED, "the PLMA grants the function"},
	{GRANTED_EUICC, "8.1", "1.2", NOT_AUTHORISED, "a PLMA over a profile there grants the function"},
	{INVOLVED, "8.1", "1.2", "the party has created no profile on this eUICC", "the party created a profile there"},
	{EUM_OF_EIS, "8.1", "1.2", "the EIS is another EUM's", "the party is the EUM in the EIS"},
	{HOLDER_OK, "8.2.1", "1.2", "the attribute is on a profile whose operator has not authorised its removal",
	"nobody else's profile has the attribute, or its operator has granted the removal"},
};

#define NEEDS (sizeof(needs) / sizeof(needs[0]))

/* The entry of the table, or NO.  Whatever is not in an enumeration is nobody, or nothing. */
static unsigned
rule_for(AuthorityFunction function, AuthorityKind kind)
{
	if ((unsigned) function >= AUTHORITY_FUNCTIONS || function == MAY_UNKNOWN ||
		(unsigned) kind >= AUTHORITY_KINDS || kind == PARTY_UNKNOWN)
		return NO;
	return kind == PARTY_OWN ? ANY : rules[function][kind - PARTY_EUM];
}

static unsigned
met_by(const AuthorityFacts *facts)
{
	return (facts->known ? KNOWN : 0) |
		(facts->pinned_away ? 0 : NOT_PINNED_AWAY) |
		(facts->eum ? EUM_OF_EUICC | EUM_OF_EIS : 0) |
		(facts->has ? HAS | INVOLVED | HANDED_OVER : 0) |
		(facts->profile ? PROFILE : 0) |
		(facts->owner ? IS_OWNER : 0) |
		(facts->maker ? IS_MAKER : 0) |
		(facts->plma ? HAS_PLMA : 0) |
		(facts->granted ? GRANTED_PROFILE | GRANTED_EUICC : 0) |
		(facts->holder_ok ? HOLDER_OK : 0) |
		ALLOWED;
}

AuthorityVerdict
authority(AuthorityFunction function, AuthorityKind kind, const AuthorityFacts *facts)
{
	unsigned	rule = rule_for(function, kind);
	unsigned	unmet = rule & ~met_by(facts);

	if (rule == NO)
		return (AuthorityVerdict) {false, "1.1", "1.2", NOT_FOR_KIND};
	if (unmet == 0)
		return (AuthorityVerdict) {true, NULL, NULL, NULL};
	for (size_t i = 0; i < NEEDS; i++)
		if (unmet & needs[i].bit)
			return (AuthorityVerdict) {false, needs[i].subject, needs[i].reason, needs[i].because};
	/* a need without a row above: refused all the same */
	return (AuthorityVerdict) {false, "1.1", "1.2", NOT_FOR_KIND};
}

bool
authority_rule(AuthorityFunction function, AuthorityKind kind)
{
	return rule_for(function, kind) != NO;
}

const char *
authority_need(AuthorityFunction function, AuthorityKind kind, int n)
{
	unsigned	rule = rule_for(function, kind);

	for (size_t i = 0; i < NEEDS; i++)
		if ((rule & needs[i].bit) && n-- == 0)
			return needs[i].words;
	return NULL;
}

/* ---- names ---- */

static const char *const function_names[AUTHORITY_FUNCTIONS] = {
	NULL,
	"register_eis", "update_eis_additional_properties",
	"get_eis", "audit_eis", "create_isdp",
	"send_data", "profile_download_completed", "update_connectivity_parameters",
	"enable_profile", "disable_profile", "delete_profile",
	"set_fallback_attribute", "set_emergency_profile_attribute",
	"unset_emergency_profile_attribute", "update_policy_rules",
	"update_subscription_address", "master_delete", "update_smsr_addressing", "rotate_keys",
	"manage_platform", "update_platform",
	"set_plma", "get_plma", "set_onc", "get_onc",
	"prepare_smsr_change", "smsr_change", "handover_euicc", "authenticate_smsr",
	"create_additional_key_set", "fetch_notices", "ack_notices"
};

static const char *const kind_names[AUTHORITY_KINDS] = {
	NULL, "EUM", "SM-DP", "MNO", "M2M-SP", "SM-SR", "OWN"
};

/* As name_index, for octets straight out of a text; 0 if nowhere. */
static int
index_of(const char *const *names, int count, const char *name, size_t len)
{
	for (int i = 1; i < count; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return i;
	return 0;
}

const char *
authority_function_name(AuthorityFunction function)
{
	return (unsigned) function < AUTHORITY_FUNCTIONS ? function_names[function] : NULL;
}

AuthorityFunction
authority_function_parse(const char *name, size_t len)
{
	return (AuthorityFunction) index_of(function_names, AUTHORITY_FUNCTIONS, name, len);
}

const char *
authority_kind_name(AuthorityKind kind)
{
	return (unsigned) kind < AUTHORITY_KINDS ? kind_names[kind] : NULL;
}

AuthorityKind
authority_kind_parse(const char *name, size_t len)
{
	return (AuthorityKind) index_of(kind_names, AUTHORITY_KINDS, name, len);
}
