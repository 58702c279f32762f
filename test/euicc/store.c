/*
 * store.c
 *		Card state as lines of text: one "card", its "profile"s, its "log".
 *
 * Messages on their way are not kept: for the cards a restart of the simulator
 * is a loss of what was in the air.
 */
#include "store.h"

#include "download.h"
#include "establish.h"
#include "https_agent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CARD_FIELDS		17
#define PROFILE_FIELDS	11

bool
store_save(Fleet *fleet, const char *path, Text *why)
{
	char		temporary[4096];
	FILE	   *file;
	bool		ok;

	snprintf(temporary, sizeof temporary, "%s.tmp", path);
	file = fopen(temporary, "w");
	if (file == NULL)
	{
		text_printf(why, "%s: %s", temporary, strerror(errno));
		return false;
	}
	fprintf(file, "smsr-fleet-state 3 %" PRIu64 " %" PRIu32 " %" PRIu64 "\n",
			fleet->config.seed, fleet->config.cards, fleet->config.first);
	for (uint32_t i = 0; i < fleet->config.cards; i++)
	{
		const Card *c = &fleet->cards[i];

		fprintf(file, "card %" PRIu64 " %" PRIu64 " %d %u %u %u %u %u %u %u %u %u %" PRIu32
				" %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 "\n",
				c->serial, (uint64_t) c->kvn, c->on, c->phase, c->cause, c->type, c->tries, c->from,
				c->to, c->pinned, c->sequence, c->reference, c->mt_count, c->mo_count,
				c->packets, c->again, c->smsr_address);
		for (int j = 0; j < CARD_KEY_SETS; j++)
		{
			fprintf(file, "keyset %u %" PRIu64 " ", c->sets[j].kvn, c->sets[j].cntr);
			for (size_t k = 0; k < sizeof c->sets[j].keys; k++)
				fprintf(file, "%02X", ((const uint8_t *) c->sets[j].keys)[k]);
			fputc('\n', file);
		}
		for (int j = 0; j < CARD_PROFILES; j++)
		{
			const Profile *p = &c->profiles[j];
			char		iccid[ICCID_DIGITS + 1] = "-";

			if (p->tar == 0)
				continue;
			if (p->has_iccid)
				iccid_format(p->iccid, iccid);
			fprintf(file, "profile %u %u %u %u %d %d %d %s %" PRIu32 " %" PRIu64 " %" PRIu64 "\n",
					p->tar, p->lcs, p->pol1, p->owner, p->fallback, p->emergency, p->reachable, iccid,
					p->memory, p->msisdn, p->imsi);
		}
		for (size_t j = 0; j < c->log_count; j++)
			fprintf(file, "log %" PRIu64 " %u %u %u %u\n", c->log[j].cntr, c->log[j].kvn, c->log[j].kind,
					c->log[j].tar, c->log[j].sw);
	}
	fputs("end\n", file);
	ok = fflush(file) == 0 && !ferror(file);
	ok = fclose(file) == 0 && ok;
	if (ok && rename(temporary, path) == 0)
		return true;
	text_printf(why, "%s: %s", path, strerror(errno));
	remove(temporary);
	return false;
}

static bool
read_profile(const char *line, Profile *p)
{
	unsigned	tar,
				lcs,
				pol1,
				owner,
				fallback,
				emergency,
				reachable;
	char		iccid[ICCID_DIGITS + 1];
	SmsrError	error;
	int			end = 0;

	*p = (Profile) {0};
	if (sscanf(line, "profile %u %u %u %u %u %u %u %20s %" SCNu32 " %" SCNu64 " %" SCNu64 " %n",
			   &tar, &lcs, &pol1, &owner, &fallback, &emergency, &reachable, iccid,
			   &p->memory, &p->msisdn, &p->imsi, &end) != PROFILE_FIELDS || line[end] != '\0' ||
		tar < FIRST_TAR || tar > 0xFFFF || lcs > 0xFF || pol1 > 0xFF || owner >= MAX_OPERATORS)
		return false;
	p->has_iccid = strcmp(iccid, "-") != 0;
	if (p->has_iccid && !iccid_parse(iccid, strlen(iccid), p->iccid, &error))
		return false;
	p->tar = (uint16_t) tar;
	p->lcs = (uint8_t) lcs;
	p->pol1 = (uint8_t) pol1;
	p->owner = (uint8_t) owner;
	p->fallback = fallback != 0;
	p->emergency = emergency != 0;
	p->reachable = reachable != 0;
	return true;
}

/* Into *card, which is the scratch of a check or the real one. */
static bool
read_card(const char *line, Card *card)
{
	uint64_t	kvn;
	unsigned	on,
				phase,
				cause,
				type,
				tries;
	int			end = 0;

	if (sscanf(line, "card %" SCNu64 " %" SCNu64 " %u %u %u %u %u %" SCNu16 " %" SCNu16
			   " %" SCNu16 " %" SCNu16 " %" SCNu16 " %" SCNu32 " %" SCNu32 " %" SCNu32
			   " %" SCNu32 " %" SCNu64 " %n",
			   &card->serial, &kvn, &on, &phase, &cause, &type, &tries, &card->from,
			   &card->to, &card->pinned, &card->sequence, &card->reference, &card->mt_count,
			   &card->mo_count, &card->packets, &card->again,
			   &card->smsr_address, &end) != CARD_FIELDS || line[end] != '\0' ||
		phase > PHASE_CONFIRM || cause > CAUSE_ROLL_BACK || type > 0xFF || tries > 0xFF || kvn > 15)
		return false;
	card->kvn = (uint8_t) kvn;
	card->on = on != 0;
	card->phase = (uint8_t) phase;
	card->cause = (uint8_t) cause;
	card->type = (uint8_t) type;
	card->tries = (uint8_t) tries;
	return true;
}

static bool
read_keyset(const char *line, KeySet *set)
{
	uint8_t    *octets = &set->keys[0][0];
	int			end = 0;
	unsigned	value;

	*set = (KeySet) {0};
	if (sscanf(line, "keyset %" SCNu8 " %" SCNu64 " %n", &set->kvn, &set->cntr, &end) != 2 || end == 0 ||
		(set->kvn > 15 && !is_psk_version(set->kvn)))
		return false;
	for (size_t i = 0; i < sizeof set->keys; i++, end += 2)
	{
		if (sscanf(line + end, "%2X", &value) != 1)
			return false;
		octets[i] = (uint8_t) value;
	}
	return line[end] == '\n';
}

static bool
read_log(const char *line, Executed *e)
{
	int			end = 0;

	return sscanf(line, "log %" SCNu64 " %" SCNu8 " %" SCNu8 " %" SCNu16 " %" SCNu16 " %n",
				  &e->cntr, &e->kvn, &e->kind, &e->tar, &e->sw, &end) == 5 && line[end] == '\0';
}

/* One line; *card is the one that the lines now belong to. */
static bool
read_line(Fleet *fleet, const char *line, Card **card, int *sets, int *profiles, bool apply)
{
	Card		scratch = {0};
	Profile		profile;
	Executed	entry;

	if (strncmp(line, "card ", 5) == 0)
	{
		if (!read_card(line, &scratch))
			return false;
		*card = fleet_card(fleet, scratch.serial);
		*profiles = *sets = 0;
		if (*card == NULL)
			return false;
		if (apply)
		{
			(*card)->timer++;
			read_card(line, *card);
			memset((*card)->profiles, 0, sizeof (*card)->profiles);
			(*card)->log_count = 0;
			https_forget(fleet, *card);
			downloads_free(*card);
			switching_resume(fleet, *card);
		}
		return true;
	}
	if (*card == NULL)
		return false;
	if (strncmp(line, "keyset ", 7) == 0)
	{
		KeySet		set;

		if (*sets == CARD_KEY_SETS || !read_keyset(line, &set))
			return false;
		if (apply)
			(*card)->sets[*sets] = set;
		(*sets)++;
		return true;
	}
	if (strncmp(line, "profile ", 8) == 0)
	{
		if (*profiles == CARD_PROFILES || !read_profile(line, &profile))
			return false;
		if (apply)
		{
			(*card)->profiles[*profiles] = profile;
			fleet_index_msisdn(fleet, *card, profile.msisdn);
		}
		(*profiles)++;
		return true;
	}
	if (!read_log(line, &entry))
		return false;
	if (apply)
	{
		if ((*card)->log_count == (*card)->log_cap)
			(*card)->log = grow((*card)->log, &(*card)->log_cap, sizeof(Executed));
		(*card)->log[(*card)->log_count++] = entry;
	}
	return true;
}

static bool
read_file(Fleet *fleet, FILE *file, const char *path, bool apply, Text *why)
{
	char		line[512];
	unsigned long number = 1;
	uint64_t	seed,
				first;
	uint32_t	cards;
	Card	   *card = NULL;
	int			sets = 0;
	int			profiles = 0;

	rewind(file);
	if (fgets(line, sizeof line, file) == NULL ||
		sscanf(line, "smsr-fleet-state 3 %" SCNu64 " %" SCNu32 " %" SCNu64,
			   &seed, &cards, &first) != 3)
	{
		text_printf(why, "%s: not a state of smsr-fleet", path);
		return false;
	}
	if (seed != fleet->config.seed || cards != fleet->config.cards || first != fleet->config.first)
	{
		text_printf(why, "%s: of another fleet: --seed %" PRIu64 " --cards %" PRIu32
					" --first %" PRIu64, path, seed, cards, first);
		return false;
	}
	while (fgets(line, sizeof line, file) != NULL)
	{
		number++;
		if (strcmp(line, "end\n") == 0)
			return true;
		if (!read_line(fleet, line, &card, &sets, &profiles, apply))
		{
			text_printf(why, "%s: line %lu can not be read", path, number);
			return false;
		}
	}
	text_printf(why, "%s: ends after line %lu without \"end\"", path, number);
	return false;
}

bool
store_restore(Fleet *fleet, const char *path, Text *why)
{
	FILE	   *file = fopen(path, "r");
	bool		ok;

	if (file == NULL)
	{
		text_printf(why, "%s: %s", path, strerror(errno));
		return false;
	}
	ok = read_file(fleet, file, path, false, why) && read_file(fleet, file, path, true, why);
	fclose(file);
	return ok;
}
