/*
 * test_authority.c
 *		Every function for every kind of party under every combination of facts:
 *		against what each needs, written down a second time, and against what
 *		must be true of any rules.
 */
#include "core/authority.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

/* Facts as a mask, one bit each, in the order of the structure. */
#define K	0x001				/* known */
#define A	0x002				/* pinned away: the one that speaks against */
#define E	0x004				/* EUM */
#define H	0x008				/* has to do with it */
#define P	0x010				/* profile */
#define O	0x020				/* owner */
#define M	0x040				/* maker */
#define L	0x080				/* PLMA */
#define G	0x100				/* granted */
#define F	0x200				/* holder agrees */
#define MASKS	0x400

static const AuthorityFacts *
facts_of(unsigned mask)
{
	static AuthorityFacts facts;

	facts = (AuthorityFacts) {
		mask & K, mask & A, mask & E, mask & H, mask & P,
		mask & O, mask & M, mask & L, mask & G, mask & F
	};
	return &facts;
}

/*
 * The least that has to be true for a call to be allowed.  With K the eUICC must
 * not be pinned away, either.  This SM-SR itself, and what is not here: see below.
 */
static const struct
{
	const char *function;
	const char *kind;
	unsigned	least;
}			golden[] = {
	{"register_eis", "EUM", E},
	{"update_eis_additional_properties", "EUM", K | E},
	{"get_eis", "SM-DP", K},
	{"get_eis", "MNO", K | H},
	{"get_eis", "M2M-SP", K | H | G},
	{"audit_eis", "SM-DP", K | H},
	{"audit_eis", "MNO", K | H},
	{"audit_eis", "M2M-SP", K | H | G},
	{"create_isdp", "SM-DP", K},
	{"send_data", "SM-DP", K | P | M},
	{"profile_download_completed", "SM-DP", K | P | M},
	{"update_connectivity_parameters", "SM-DP", K | P | M},
	{"enable_profile", "SM-DP", K | P | M},
	{"enable_profile", "MNO", K | H | P | O},
	{"enable_profile", "M2M-SP", K | H | P | L | G},
	{"disable_profile", "SM-DP", K | P | M},
	{"disable_profile", "MNO", K | H | P | O},
	{"disable_profile", "M2M-SP", K | H | P | L | G},
	{"delete_profile", "SM-DP", K | P | M},
	{"delete_profile", "MNO", K | H | P | O},
	{"delete_profile", "M2M-SP", K | H | P | L | G},
	{"set_fallback_attribute", "SM-DP", K | P | M | F},
	{"set_fallback_attribute", "MNO", K | H | P | O | F},
	{"set_fallback_attribute", "M2M-SP", K | H | P | L | G | F},
	{"set_emergency_profile_attribute", "SM-DP", K | P | M | F},
	{"set_emergency_profile_attribute", "MNO", K | H | P | O | F},
	{"set_emergency_profile_attribute", "M2M-SP", K | H | P | L | G | F},
	{"unset_emergency_profile_attribute", "SM-DP", K | P | M},
	{"unset_emergency_profile_attribute", "MNO", K | H | P | O},
	{"unset_emergency_profile_attribute", "M2M-SP", K | H | P | L | G},
	{"update_policy_rules", "SM-DP", K | P | M},
	{"update_policy_rules", "MNO", K | H | P | O},
	{"update_subscription_address", "SM-DP", K | P | M},
	{"update_subscription_address", "MNO", K | H | P | O},
	{"update_subscription_address", "M2M-SP", K | H | P | L | G},
	{"set_plma", "MNO", 0},
	{"get_plma", "MNO", 0},
	{"get_plma", "M2M-SP", 0},
	{"set_onc", "MNO", 0},
	{"get_onc", "MNO", 0},
	{"prepare_smsr_change", "MNO", 0},
	{"smsr_change", "MNO", K | H},
	{"handover_euicc", "SM-SR", 0},
	{"authenticate_smsr", "SM-SR", K | H},
	{"create_additional_key_set", "SM-SR", K | H},
	{"fetch_notices", "EUM", 0},
	{"fetch_notices", "SM-DP", 0},
	{"fetch_notices", "MNO", 0},
	{"fetch_notices", "M2M-SP", 0},
	{"fetch_notices", "SM-SR", 0},
	{"ack_notices", "EUM", 0},
	{"ack_notices", "SM-DP", 0},
	{"ack_notices", "MNO", 0},
	{"ack_notices", "M2M-SP", 0},
	{"ack_notices", "SM-SR", 0},
};

#define GOLDEN ((int) (sizeof(golden) / sizeof(golden[0])))

/* all functions there are, by name; the two that no party may call are only here */
static const char *const functions[] = {
	"register_eis", "update_eis_additional_properties", "get_eis", "audit_eis",
	"create_isdp", "send_data", "profile_download_completed",
	"update_connectivity_parameters", "enable_profile", "disable_profile",
	"delete_profile", "set_fallback_attribute", "set_emergency_profile_attribute",
	"unset_emergency_profile_attribute", "update_policy_rules",
	"update_subscription_address", "master_delete", "update_smsr_addressing", "rotate_keys",
	"manage_platform", "update_platform",
	"set_plma", "get_plma", "set_onc", "get_onc", "prepare_smsr_change", "smsr_change",
	"handover_euicc", "authenticate_smsr", "create_additional_key_set", "fetch_notices", "ack_notices"
};
static const char *const kinds[] = {"EUM", "SM-DP", "MNO", "M2M-SP", "SM-SR", "OWN"};

#define FUNCTIONS ((int) (sizeof(functions) / sizeof(functions[0])))
#define KINDS ((int) (sizeof(kinds) / sizeof(kinds[0])))

static AuthorityVerdict
ask(const char *function, const char *kind, unsigned mask)
{
	return authority(authority_function_parse(function, strlen(function)),
					 authority_kind_parse(kind, strlen(kind)), facts_of(mask));
}

static int
golden_index(const char *function, const char *kind)
{
	for (int i = 0; i < GOLDEN; i++)
		if (strcmp(golden[i].function, function) == 0 && strcmp(golden[i].kind, kind) == 0)
			return i;
	return -1;
}

static bool
is_one_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static bool
about_euicc(const char *function)
{
	return !is_one_of(function, (const char *const[]) {
		"register_eis", "set_plma", "get_plma", "set_onc", "get_onc", "fetch_notices", "ack_notices",
		"prepare_smsr_change", "handover_euicc", NULL
	});
}

static bool
about_profile(const char *function)
{
	return about_euicc(function) && !is_one_of(function, (const char *const[]) {
		"update_eis_additional_properties", "get_eis", "audit_eis", "create_isdp",
		"smsr_change", "authenticate_smsr", "create_additional_key_set", NULL
	});
}

static bool
is_code(const AuthorityVerdict *v, const char *subject, const char *reason)
{
	return !v->allowed && v->subject != NULL && strcmp(v->subject, subject) == 0 &&
		v->reason != NULL && strcmp(v->reason, reason) == 0 &&
		v->because != NULL && v->because[0] != '\0';
}

static bool
same(const AuthorityVerdict *a, const AuthorityVerdict *b)
{
	if (a->allowed || b->allowed)
		return a->allowed && b->allowed;
	return strcmp(a->subject, b->subject) == 0 && strcmp(a->reason, b->reason) == 0 &&
		strcmp(a->because, b->because) == 0;
}

/* A test for each function and kind; the first mask that is wrong is shown. */
typedef bool (*Property) (const char *function, const char *kind, unsigned mask);

static void
everywhere(Property holds, const char *what)
{
	for (int f = 0; f < FUNCTIONS; f++)
		for (int k = 0; k < KINDS; k++)
		{
			int			wrong = -1;

			for (unsigned mask = 0; mask < MASKS && wrong < 0; mask++)
				if (!holds(functions[f], kinds[k], mask))
					wrong = (int) mask;
			if (!ok(wrong < 0, "%s: %s for %s", what, functions[f], kinds[k]))
				printf("# under facts 0x%03x\n", (unsigned) wrong);
		}
}

/* ---- who may ---- */

static bool
allowed_as_listed(const char *function, const char *kind, unsigned mask)
{
	int			i = golden_index(function, kind);
	bool		want;

	if (strcmp(kind, "OWN") == 0)
		want = true;
	else if (i < 0)
		want = false;
	else if (golden[i].least & K)
		want = (mask & golden[i].least) == golden[i].least && !(mask & A);
	else
		want = (mask & golden[i].least) == golden[i].least;
	return ask(function, kind, mask).allowed == want;
}

TEST_SUITE(authority_allowed)
{
	everywhere(allowed_as_listed, "allowed by what is listed and by nothing else");

	/* the least is the least, and enough */
	for (int i = 0; i < GOLDEN; i++)
	{
		unsigned	least = golden[i].least;

		ok(ask(golden[i].function, golden[i].kind, least).allowed, "%s for %s with the least",
		   golden[i].function, golden[i].kind);
		for (unsigned bit = 1; bit < MASKS; bit <<= 1)
			if (least & bit)
				ok(!ask(golden[i].function, golden[i].kind, (MASKS - 1) & ~A & ~bit).allowed,
				   "%s for %s with everything but 0x%03x", golden[i].function, golden[i].kind, bit);
	}
}

/* ---- what a refusal says ---- */

static bool
codes_complete(const char *function, const char *kind, unsigned mask)
{
	AuthorityVerdict v = ask(function, kind, mask);

	if (v.allowed)
		return v.subject == NULL && v.reason == NULL && v.because == NULL;
	return v.subject != NULL && v.subject[0] != '\0' && v.reason != NULL && v.reason[0] != '\0' &&
		v.because != NULL && v.because[0] != '\0';
}

/* The refusals one after the other, each for what the ones before let through. */
static bool
codes_in_order(const char *function, const char *kind, unsigned mask)
{
	AuthorityVerdict v = ask(function, kind, mask);
	bool		mno = strcmp(kind, "MNO") == 0;
	bool		m2m_sp = strcmp(kind, "M2M-SP") == 0;
	bool		sm_dp = strcmp(kind, "SM-DP") == 0;
	bool		eum = strcmp(kind, "EUM") == 0;
	bool		peer = strcmp(kind, "SM-SR") == 0;
	bool		takes = strcmp(function, "set_fallback_attribute") == 0 ||
		strcmp(function, "set_emergency_profile_attribute") == 0;

	if (strcmp(kind, "OWN") == 0)
		return v.allowed;
	if (golden_index(function, kind) < 0)
		return is_code(&v, "1.1", "1.2");
	if (!about_euicc(function))
		return v.allowed || (strcmp(function, "register_eis") == 0 && is_code(&v, "8.1", "1.2"));
	if (!(mask & K) || (mask & A) || ((mno || m2m_sp || peer) && !(mask & H)) || (eum && !(mask & E)))
		return is_code(&v, "8.1.1", "3.9") && strcmp(v.because, "the EID is not registered here") == 0;
	if (about_profile(function) &&
		(!(mask & P) || (mno && !(mask & O)) || (sm_dp && !(mask & M)) || (m2m_sp && !(mask & L))))
		return is_code(&v, "8.2.1", "3.9") && strcmp(v.because, "the eUICC has no such profile") == 0;
	if (m2m_sp && !(mask & G))
		return is_code(&v, about_profile(function) ? "8.2.1" : "8.1", "1.2") &&
			strcmp(v.because, "the operator has not authorised this function") == 0;
	if (sm_dp && strcmp(function, "audit_eis") == 0 && !(mask & H))
		return is_code(&v, "8.1", "1.2");
	if (takes && !(mask & F))
		return is_code(&v, "8.2.1", "1.2") &&
			strcmp(v.because, "the attribute is on a profile whose operator has not authorised its removal") == 0;
	return v.allowed;
}

TEST_SUITE(authority_codes)
{
	everywhere(codes_complete, "all codes or none");
	everywhere(codes_in_order, "the first thing that is missing");
}

/* ---- what is true of any rules ---- */

static bool
more_is_no_less(const char *function, const char *kind, unsigned mask)
{
	if (!ask(function, kind, mask).allowed)
		return true;
	for (unsigned bit = 1; bit < MASKS; bit <<= 1)
		if (!ask(function, kind, bit == A ? mask & ~A : mask | bit).allowed)
			return false;
	return true;
}

/*
 * No oracle: a party that has nothing to do with an eUICC hears of it what it
 * would hear of none.  An SM-DP may know every eUICC that is not pinned away:
 * it has to ask before it creates.
 */
static bool
stranger_learns_nothing(const char *function, const char *kind, unsigned mask)
{
	bool		sm_dp = strcmp(kind, "SM-DP") == 0;
	bool		foreign = sm_dp ? (mask & A) != 0 : !(mask & (strcmp(kind, "EUM") == 0 ? E : H));
	AuthorityVerdict unknown = ask(function, kind, mask & ~K);
	AuthorityVerdict none = ask(function, kind, 0);
	AuthorityVerdict v = ask(function, kind, mask);

	if (strcmp(kind, "OWN") == 0)
		return true;
	/* whatever is believed of an eUICC that is not here, the answer is one */
	if (about_euicc(function) && !same(&unknown, &none))
		return false;
	return !foreign || same(&v, &unknown);
}

static bool
pinned_away_is_unknown(const char *function, const char *kind, unsigned mask)
{
	AuthorityVerdict away = ask(function, kind, mask | A);
	AuthorityVerdict unknown = ask(function, kind, (mask | A) & ~K);

	return same(&away, &unknown);
}

/* of a profile that is another's, what would be heard of one that is not there */
static bool
foreign_is_absent(const char *function, const char *kind, unsigned mask)
{
	unsigned	mine = strcmp(kind, "MNO") == 0 ? O : strcmp(kind, "SM-DP") == 0 ? M : L;
	AuthorityVerdict foreign = ask(function, kind, (mask | P) & ~mine);
	AuthorityVerdict absent = ask(function, kind, mask & ~(P | O | M | L));

	return !about_profile(function) || same(&foreign, &absent);
}

/* being something that one's kind can not be gains nothing */
static bool
others_facts_are_nothing(const char *function, const char *kind, unsigned mask)
{
	unsigned	others =
		strcmp(kind, "EUM") == 0 ? H | P | O | M | L | G | F :
		strcmp(kind, "SM-DP") == 0 ? E | O | L | G :
		strcmp(kind, "MNO") == 0 ? E | M | L | G :
		strcmp(kind, "M2M-SP") == 0 ? E | O | M :
		strcmp(kind, "SM-SR") == 0 ? E | P | O | M | L | G | F :
		MASKS - 1;
	AuthorityVerdict with = ask(function, kind, mask | (others & ~A));
	AuthorityVerdict without = ask(function, kind, mask & ~others);
	AuthorityVerdict v = ask(function, kind, mask);

	return same(&v, &with) && same(&v, &without);
}

static bool
own_may_everything(const char *function, const char *kind, unsigned mask)
{
	return strcmp(kind, "OWN") != 0 || ask(function, kind, mask).allowed;
}

static bool
policy_is_not_lent(const char *function, const char *kind, unsigned mask)
{
	return strcmp(kind, "M2M-SP") != 0 || strcmp(function, "update_policy_rules") != 0 ||
		!ask(function, kind, mask).allowed;
}

static bool
ours_alone(const char *function, const char *kind, unsigned mask)
{
	return strcmp(kind, "OWN") == 0 ||
		!is_one_of(function, (const char *const[]) {"master_delete", "update_smsr_addressing", "rotate_keys", "manage_platform", "update_platform", NULL}) ||
		!ask(function, kind, mask).allowed;
}

static bool
peers_may_little(const char *function, const char *kind, unsigned mask)
{
	return strcmp(kind, "SM-SR") != 0 || strstr(function, "_notices") != NULL ||
		is_one_of(function, (const char *const[]) {
		"handover_euicc", "authenticate_smsr", "create_additional_key_set", NULL
	}) ||
		!ask(function, kind, mask).allowed;
}

TEST_SUITE(authority_properties)
{
	everywhere(more_is_no_less, "a fact in favour takes nothing away");
	everywhere(stranger_learns_nothing, "no oracle for eUICCs");
	everywhere(pinned_away_is_unknown, "what is pinned to others is not there");
	everywhere(foreign_is_absent, "no oracle for profiles");
	everywhere(others_facts_are_nothing, "only one's own facts count");

	/* the bold lines, each by itself */
	everywhere(own_may_everything, "this SM-SR may everything");
	everywhere(policy_is_not_lent, "no M2M SP changes POL2");
	everywhere(ours_alone, "what is this SM-SR's own nobody else may");
	everywhere(peers_may_little, "a peer may hand over, take over and read its notices, and no more");
}

/* ---- what is no function, and nobody ---- */

TEST_SUITE(authority_closed)
{
	static const int outside[] = {0, -1, AUTHORITY_FUNCTIONS, AUTHORITY_FUNCTIONS + 1, 0x7FFFFFFF, -0x7FFFFFFF};

	ok(AUTHORITY_FUNCTIONS == FUNCTIONS + 1, "every function is tested");
	ok(AUTHORITY_KINDS == KINDS + 1, "every kind is tested");
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
	{
		bool		closed = true;

		for (int n = 0; n < AUTHORITY_FUNCTIONS; n++)
		{
			AuthorityVerdict f = authority((AuthorityFunction) outside[i], (AuthorityKind) (n % AUTHORITY_KINDS),
										   facts_of((MASKS - 1) & ~A));
			AuthorityVerdict k = authority((AuthorityFunction) n, (AuthorityKind) outside[i],
										   facts_of((MASKS - 1) & ~A));

			closed = closed && is_code(&f, "1.1", "1.2") && is_code(&k, "1.1", "1.2") &&
				strcmp(f.because, "this function is not for parties of this kind") == 0 &&
				strcmp(k.because, f.because) == 0;
		}
		ok(closed, "%d is no function and no kind", outside[i]);
		ok(!authority_rule((AuthorityFunction) outside[i], PARTY_OWN) &&
		   !authority_rule(MAY_GET_EIS, (AuthorityKind) outside[i]) &&
		   authority_need((AuthorityFunction) outside[i], PARTY_MNO, 0) == NULL &&
		   authority_need(MAY_GET_EIS, (AuthorityKind) outside[i], 0) == NULL,
		   "%d has no rule", outside[i]);
	}
}

TEST_SUITE(authority_names)
{
	for (int i = 1; i < AUTHORITY_FUNCTIONS; i++)
	{
		const char *name = authority_function_name((AuthorityFunction) i);

		ok(name != NULL && strcmp(name, functions[i - 1]) == 0 &&
		   (int) authority_function_parse(name, strlen(name)) == i, "function %d by name", i);
	}
	for (int i = 1; i < AUTHORITY_KINDS; i++)
	{
		const char *name = authority_kind_name((AuthorityKind) i);

		ok(name != NULL && strcmp(name, kinds[i - 1]) == 0 &&
		   (int) authority_kind_parse(name, strlen(name)) == i, "kind %d by name", i);
	}
	ok(authority_function_name(MAY_UNKNOWN) == NULL && authority_kind_name(PARTY_UNKNOWN) == NULL &&
	   authority_function_name((AuthorityFunction) AUTHORITY_FUNCTIONS) == NULL &&
	   authority_function_name((AuthorityFunction) -1) == NULL &&
	   authority_kind_name((AuthorityKind) AUTHORITY_KINDS) == NULL &&
	   authority_kind_name((AuthorityKind) -1) == NULL, "the unknown has no name");
	ok(authority_kind_parse("own", 3) == PARTY_UNKNOWN && authority_kind_parse("MNO ", 4) == PARTY_UNKNOWN &&
	   authority_kind_parse("MN", 2) == PARTY_UNKNOWN && authority_kind_parse("", 0) == PARTY_UNKNOWN &&
	   authority_kind_parse("OWN\0", 4) == PARTY_UNKNOWN, "names of kinds are exact");
	ok(authority_function_parse("get_eis_", 8) == MAY_UNKNOWN && authority_function_parse("get_ei", 6) == MAY_UNKNOWN &&
	   authority_function_parse("", 0) == MAY_UNKNOWN && authority_function_parse("get_eis", 7) == MAY_GET_EIS &&
	   authority_function_parse("get_eisX", 7) == MAY_GET_EIS, "names of functions are exact, and end with their length");
}

/* What is listed is what is decided: as many words as facts without which it is refused. */
TEST_SUITE(authority_listing)
{
	for (int f = 1; f < AUTHORITY_FUNCTIONS; f++)
		for (int k = 1; k < AUTHORITY_KINDS; k++)
		{
			AuthorityFunction function = (AuthorityFunction) f;
			AuthorityKind kind = (AuthorityKind) k;
			int			counted = 0;
			int			listed = 0;
			bool		distinct = true;
			const char *need;

			for (unsigned bit = 1; bit < MASKS; bit <<= 1)
				counted += !authority(function, kind, facts_of(((MASKS - 1) & ~A) ^ bit)).allowed;
			if (!authority(function, kind, facts_of((MASKS - 1) & ~A)).allowed)
				counted = 0;
			while ((need = authority_need(function, kind, listed)) != NULL)
			{
				for (int n = 0; n < listed; n++)
					distinct = distinct && strcmp(need, authority_need(function, kind, n)) != 0;
				listed++;
			}
			ok(authority_rule(function, kind) == authority(function, kind, facts_of((MASKS - 1) & ~A)).allowed &&
			   listed == counted && distinct,
			   "%s for %s is listed with %d needs", functions[f - 1], kinds[k - 1], counted);
		}
	ok(authority_need(MAY_GET_EIS, PARTY_SM_DP, -1) == NULL, "no need is the one before the first");
}
