/*
 * test_bearer.c
 *		Every combination of facts: rules that hold for all of them, and what is
 *		chosen in the cases that there are.
 */
#include "core/bearer.h"
#include "tap.h"

#include <string.h>

static const BearerRecord records[] = {
	{0, 0}, {BEARER_TRIES - 1, 0}, {BEARER_TRIES, 0}, {BEARER_TRIES, BEARER_TRIES}, {1000, 49}, {1000, 50}, {1000, 501}
};

#define RECORDS ((int) (sizeof(records) / sizeof(records[0])))

static BearerFacts
facts_of(int mask, int sessions, int packets)
{
	return (BearerFacts) {
		mask & 1, mask & 2, mask & 4, mask & 8, mask & 16, mask & 32, mask & 64, mask & 128,
		records[sessions], records[packets]
	};
}

TEST_SUITE(bearer_exhaustive)
{
	const char *broken = NULL;
	int			chosen[BEARERS] = {0};

#define rule(condition, words) \
	do { if (!(condition)) broken = (words); } while (0)

	for (int mask = 0; mask < 256; mask++)
		for (int s = 0; s < RECORDS; s++)
			for (int p = 0; p < RECORDS; p++)
			{
				const BearerFacts f = facts_of(mask, s, p);
				BearerFacts other = f;
				const BearerChoice c = bearer_choose(&f);
				const bool	https = c.bearer == BEARER_HTTPS || c.bearer == BEARER_HTTPS_TRIGGER;

				chosen[c.bearer]++;
				rule(c.because != NULL && c.because[0] != '\0', "a reason is given");
				if (c.bearer == BEARER_SMS)
					rule(f.fits_sms && f.has_scp80, "in short messages goes what fits them, where there are keys");
				if (https)
					rule(f.has_scp81 && !f.keys, "in sessions goes what has no keys in it, where there can be one");
				if (c.bearer == BEARER_HTTPS_TRIGGER)
					rule(f.has_scp80 && !f.in_session && !f.polls, "a session is called for where there is none, and a way to call");
				if (c.bearer == BEARER_NONE)
					rule(!f.has_scp80 || !f.fits_sms, "short messages are a way");
				if (c.bearer == BEARER_NONE)
					rule(!f.has_scp81 || f.keys, "sessions are a way");
				if (f.in_session && f.has_scp81 && !f.keys)
					rule(c.bearer == BEARER_HTTPS, "who is in a session gets all in it");
				/* what never worked changes nothing where there is no other way */
				other.sessions = records[0];
				other.packets = records[0];
				if (!(f.fits_sms && f.has_scp80 && f.has_scp81))
					rule(bearer_choose(&other).bearer == c.bearer, "the past chooses between two ways");
				if (f.sessions.tries < BEARER_TRIES)
					rule(bearer_choose(&other).bearer == c.bearer, "little past chooses nothing");
			}
	ok(broken == NULL, "%s", broken ? broken : "every rule holds");
	for (int b = 0; b < BEARERS; b++)
		ok(chosen[b] > 0, "bearer %d is chosen somewhere", b);
}

static Bearer
choose(BearerFacts facts)
{
	return bearer_choose(&facts).bearer;
}

#define CARD .has_scp80 = true, .has_scp81 = true

TEST_SUITE(bearer)
{
	ok(choose((BearerFacts) {CARD, .fits_sms = true}) == BEARER_SMS, "what fits short messages goes in them");
	ok(choose((BearerFacts) {CARD}) == BEARER_HTTPS_TRIGGER, "what does not has the card open a session");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .relayed = true}) == BEARER_HTTPS_TRIGGER, "so does what is for an ISD-P, however short");
	ok(choose((BearerFacts) {.has_scp80 = true, .fits_sms = true, .relayed = true}) == BEARER_SMS, "unless the card can not");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .relayed = true, .sessions = {20, 0}}) == BEARER_SMS, "or none of its kind ever did");
	ok(choose((BearerFacts) {CARD, .relayed = true, .sessions = {20, 0}}) == BEARER_HTTPS_TRIGGER, "which is tried all the same if there is no other way");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .relayed = true, .sessions = {19, 0}}) == BEARER_HTTPS_TRIGGER, "and as long as few have tried");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .sessions = {100, 51}, .packets = {100, 4}}) == BEARER_HTTPS_TRIGGER,
	   "what nobody of a kind answers by short message goes in a session");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .sessions = {100, 50}, .packets = {100, 4}}) == BEARER_SMS, "not if these open hardly better");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .sessions = {100, 51}, .packets = {100, 5}}) == BEARER_SMS, "or some do answer");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .polls = true}) == BEARER_HTTPS, "a card that calls in is not called");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .polls = true, .confirms = true}) == BEARER_SMS, "but a notification by short message is confirmed so");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .in_session = true, .confirms = true}) == BEARER_HTTPS, "and one in a session there");
	ok(choose((BearerFacts) {CARD, .fits_sms = true, .in_session = true, .keys = true}) == BEARER_SMS, "keys go in packets alone");
	ok(choose((BearerFacts) {CARD, .in_session = true, .keys = true}) == BEARER_NONE, "or not at all");
	ok(choose((BearerFacts) {.has_scp81 = true, .fits_sms = true}) == BEARER_HTTPS, "a card without keys for short messages has to call in");
	ok(choose((BearerFacts) {.has_scp80 = true}) == BEARER_NONE, "there may be no way at all");
	ok(choose((BearerFacts) {.fits_sms = true}) == BEARER_NONE, "without any keys likewise");
}
