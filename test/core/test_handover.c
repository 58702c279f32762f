/*
 * test_handover.c
 *		The change of SM-SR, every side, stage and event, against a table that was
 *		written apart from the rows.
 */
#include "core/handover.h"
#include "tap.h"

#include <string.h>

/*
 * What becomes of it: new stage, effects in their order, status.
 *
 * Stages: n none; o offered, a authenticating, c challenged, e establishing,
 * p passed on, q asked again, u uncertain; r prepared, h awaiting challenge,
 * k awaiting receipt, f finalising, d addressing.
 * Effects: D drop, T take, G give up, O ask take, A ask authenticate, K ask key
 * set, C to card, S answer, F answer offer, L tell, E finish.
 * Status: - running, s success, w warning, f failed, x expired.
 * "" is what nothing awaits.
 */
static const char stage_letters[] = "noacepqurhkfd";
static const char effect_letters[] = "DTGOAKCSFLE";
static const char status_letters[] = "-swfx";

/* neither known nor addressed nor warned */
static const char *const expected[HANDOVER_SIDES][HANDOVER_STAGES][HANDOVER_EVENTS] = {
	[HANDOVER_GIVES] = {
		/*	change	authent.	key set	taken	not taken	(SR2's)					card done	card failed	deadline */
		{"oO-",		"nf",	"nf",	"",		"",		"", "", "", "", "", "", "",	"",		"",		""},
		{"of",		"aC-",	"of",	"nGEs",	"nEf",	"", "", "", "", "", "", "",	"",		"",		"nEx"},
		{"af",		"af",	"af",	"nGEs",	"nEf",	"", "", "", "", "", "", "",	"cS-",	"oSf",	"nEx"},
		{"cf",		"aC-",	"eC-",	"nGEs",	"nEf",	"", "", "", "", "", "", "",	"",		"",		"nEx"},
		{"ef",		"ef",	"ef",	"nGEs",	"nEf",	"", "", "", "", "", "", "",	"pS-",	"oSf",	"nEx"},
		{"pf",		"pf",	"pf",	"nGEs",	"qO-",	"", "", "", "", "", "", "",	"",		"",		"uEx"},
		{"qf",		"qf",	"qf",	"nGEs",	"nEf",	"", "", "", "", "", "", "",	"",		"",		"uEx"},
		{"pO-",		"uf",	"uf",	"nGEs",	"qO-",	"", "", "", "", "", "", "",	"",		"",		""},
	},
	[HANDOVER_TAKES] = {
		/*	(SR1's)				prepare	offer	bad offer	challenge	receipt	bad receipt	declined	card done	card failed	deadline */
		[HANDOVER_NONE] =
		{"", "", "", "", "",	"rSs",	"nFf",	"nFf",	"",		"",		"",		"",		"",		"",		""},
		[HANDOVER_PREPARED] =
		{"", "", "", "", "",	"rSs",	"hA-",	"rFf",	"",		"",		"",		"",		"",		"",		"nx"},
		{"", "", "", "", "",	"hf",	"hDA-",	"nDFEf", "kK-",	"",		"",		"nDFEf", "",	"",		"nDFEx"},
		{"", "", "", "", "",	"kf",	"hDA-",	"nDFEf", "",	"fDTC-", "nDFEf", "nDFEf", "",	"",		"nDFEx"},
		{"", "", "", "", "",	"ff",	"fFw",	"fFw",	"",		"",		"",		"",		"nFLEs", "nFLEw", "nFLEw"},
		{"", "", "", "", "",	"df",	"dFw",	"dFw",	"",		"",		"",		"",		"nFLEs", "nFLEw", "nFLEw"},
	}
};

/* Stages that are a side's own: the others are never stored for it. */
static bool
stage_of(HandoverSide side, int stage)
{
	return stage == HANDOVER_NONE || (side == HANDOVER_GIVES) == (stage < HANDOVER_PREPARED);
}

static const char *
written(const HandoverResult *r)
{
	static char text[32];
	size_t		n = 0;

	if (!r->expected)
		return "";
	text[n++] = stage_letters[r->handover.stage];
	for (int bit = 0; bit < HANDOVER_EFFECTS; bit++)
		if (r->effects & (1u << bit))
			text[n++] = effect_letters[bit];
	text[n++] = status_letters[r->status];
	text[n] = '\0';
	return text;
}

/* What holds whatever the table says. */
static void
always_true(const Handover *from, const HandoverEvent *ev, const HandoverResult *r)
{
	const char *name = handover_event_name(ev->kind);
	bool		before = handover_committed(from->stage);
	bool		after = handover_committed(r->handover.stage);

	if (!r->expected)
		ok(r->handover.side == from->side && r->handover.stage == from->stage && r->handover.warned == from->warned &&
		    r->effects == 0 && r->status == STATUS_RUNNING,
		   "%s: what nothing awaits changes nothing", name);
	ok((r->effects & HANDOVER_TAKE) == 0 || (ev->kind == HANDOVER_RECEIPT && after), "%s: a verified receipt alone commits", name);
	ok(!after || before || (r->effects & HANDOVER_TAKE), "%s: nothing is committed without being taken", name);
	ok(!before || !(r->effects & (HANDOVER_FINISH | HANDOVER_DROP)) ||
	   r->status == STATUS_SUCCESS || r->status == STATUS_WITHWARNING, "%s: no failure after the commit point", name);
	ok(!before || after || (r->effects & HANDOVER_ANSWER_OFFER), "%s: what is committed ends with an answer", name);
	ok((r->effects & HANDOVER_GIVE_UP) == 0 || ev->kind == HANDOVER_TAKEN, "%s: the other's word alone takes the eUICC away", name);
	ok(!handover_locked(from->stage) || handover_locked(r->handover.stage) || (r->effects & HANDOVER_FINISH),
	   "%s: no lock goes in silence", name);
	ok(from->stage != HANDOVER_UNCERTAIN || ev->kind == HANDOVER_TAKEN || ev->kind == HANDOVER_NOT_TAKEN ||
	   handover_locked(r->handover.stage), "%s: what is uncertain stays locked until the other is heard", name);
	ok(r->status == STATUS_RUNNING || r->status == STATUS_SUCCESS || r->because != NULL, "%s: a refusal says why", name);
	ok((r->subject == NULL) == (r->reason == NULL), "%s: codes come in twos", name);
	ok((r->status != STATUS_SUCCESS && r->status != STATUS_RUNNING) || r->subject == NULL, "%s: success has no codes", name);
	ok(r->handover.warned == from->warned || (ev->kind == HANDOVER_CARD_FAILED && after), "%s: a warning is not forgotten", name);
}

TEST_SUITE(handover_table)
{
	for (int side = 0; side < HANDOVER_SIDES; side++)
		for (int stage = 0; stage < HANDOVER_STAGES; stage++)
			for (int kind = 0; kind < HANDOVER_EVENTS; kind++)
				for (int flags = 0; flags < 8; flags++)
				{
					Handover	from = {(HandoverSide) side, (HandoverStage) stage, flags & 4};
					HandoverEvent ev = {(HandoverEventKind) kind, flags & 1, flags & 2};
					HandoverResult r = handover(&from, &ev);

					if (!stage_of((HandoverSide) side, stage))
						continue;
					always_true(&from, &ev, &r);
					if (flags == 0)
						ok(strcmp(written(&r), expected[side][stage][kind]) == 0, "%s, stage %s: %s leads to \"%s\", expected \"%s\"",
						   handover_side_name((HandoverSide) side), stage ? handover_stage_name((HandoverStage) stage) : "none",
						   handover_event_name((HandoverEventKind) kind), written(&r), expected[side][stage][kind]);
				}
}

TEST_SUITE(handover_facts)
{
	HandoverResult r;

	for (int stage = 0; stage < HANDOVER_STAGES; stage++)
	{
		Handover	takes = {HANDOVER_TAKES, (HandoverStage) stage, false};

		if (!stage_of(HANDOVER_TAKES, stage))
			continue;
		/* what is here already is not prepared, and whoever offers it is told */
		r = handover(&takes, &(HandoverEvent) {HANDOVER_PREPARE, .known = true});
		ok(r.status == STATUS_FAILED && r.handover.stage == takes.stage && r.effects == 0 && strcmp(r.reason, "3.3") == 0,
		   "stage %d: no preparation of what is known", stage);
		for (int bad = 0; bad < 2; bad++)
		{
			r = handover(&takes, &(HandoverEvent) {bad ? HANDOVER_BAD_OFFER : HANDOVER_OFFER, .known = true});
			ok(strcmp(written(&r) + 1, "Fw") == 0 && r.handover.stage == takes.stage, "stage %d: already managed", stage);
		}
	}
	/* after finalising comes the address, if there is one; a warning stays */
	for (int failed = 0; failed < 2; failed++)
		for (int again = 0; again < 2; again++)
		{
			Handover	h = {HANDOVER_TAKES, HANDOVER_FINALISING, false};

			r = handover(&h, &(HandoverEvent) {failed ? HANDOVER_CARD_FAILED : HANDOVER_CARD_DONE, .addressed = true});
			ok(strcmp(written(&r), "dC-") == 0 && r.handover.warned == failed, "the address is told, whatever came before");
			h = r.handover;
			r = handover(&h, &(HandoverEvent) {again ? HANDOVER_CARD_FAILED : HANDOVER_CARD_DONE, .addressed = true});
			ok(strcmp(written(&r), failed || again ? "nFLEw" : "nFLEs") == 0, "and then it is over");
		}
}

TEST_SUITE(handover_names)
{
	for (int stage = 1; stage < HANDOVER_STAGES; stage++)
	{
		HandoverStage parsed;

		ok(handover_stage_parse(handover_stage_name((HandoverStage) stage), &parsed) && (int) parsed == stage, "stage %d", stage);
	}
	for (int kind = 0; kind < HANDOVER_EVENTS; kind++)
	{
		HandoverEventKind parsed;

		ok(handover_event_parse(handover_event_name((HandoverEventKind) kind), &parsed) && (int) parsed == kind, "event %d", kind);
	}
	for (int bit = 0; bit < HANDOVER_EFFECTS; bit++)
		ok(handover_effect_name(bit) != NULL, "effect %d", bit);
	ok(handover_effect_name(HANDOVER_EFFECTS) == NULL && handover_effect_name(-1) == NULL, "no other effect");
	ok(handover_stage_name(HANDOVER_NONE) == NULL, "no stage has no name");
}
