/*
 * fleet.c
 *		All cards: making, finding, switching them off and on.
 */
#include "download.h"
#include "fleet.h"
#include "https_agent.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US	1000000.0
#define MIN_EVENT_US	10		/* faults that would happen all the time still leave some */

const FleetConfig FLEET_DEFAULTS = {
	.seed = 1, .cards = 10, .first = 1, .operators = 2, .profiles = 2,
	.smsr_address = UINT64_C(491700000000), .notification_spi1 = 0x06,
	.max_segments = 5, .personalize_owner = -1,
	.refresh = 200000, .attach = 5000000, .repeat = 10000000, .tries = 5,
	.first_attach = -1,
	.https_uri = "/gsma/adminagent", .https_host = "localhost",
	.https_retries = 3, .https_retry_delay = 1000000, .https_timeout = 60000000,
};

static void power_again(void *context, void *object, uint32_t number);
static void next_power_off(void *context, void *object, uint32_t number);
static void next_fall_back(void *context, void *object, uint32_t number);

static void
first_attach(void *context, void *object, uint32_t number)
{
	(void) number;
	switching_first_attach(context, object);
}

/* A card that calls in by itself goes on to. */
static void
call_in(void *context, void *object, uint32_t number)
{
	Fleet	   *fleet = context;

	https_call(fleet, object, smsr_bytes(NULL, 0));
	timer_add(&fleet->timers, fleet->now + (uint64_t) (fleet->config.https_poll * SECOND_US), call_in, object, number);
}

static void
first_call(Fleet *fleet, Card *card)
{
	Rng			rng = rng_for(fleet->config.seed, RNG_CALL_IN, card->serial, 0);

	timer_add(&fleet->timers, fleet->now + (uint64_t) (rng_unit(&rng) * fleet->config.https_poll * SECOND_US),
			  call_in, card, 0);
}

void
fleet_init(Fleet *fleet, const FleetConfig *config)
{
	fleet->config = *config;
	fleet->cards = make(config->cards * sizeof(Card));
	fleet->scp80 = scp80_new();
	if (fleet->scp80 == NULL)
	{
		fputs("smsr-fleet: libcrypto has no AES\n", stderr);
		exit(2);
	}
	for (uint32_t i = 0; i < config->cards; i++)
	{
		Card	   *card = &fleet->cards[i];

		card_init(fleet, card, config->first + i);
		if (config->first_attach >= 0)
		{
			Rng			rng = rng_for(config->seed, RNG_ATTACH, card->serial, 0);

			timer_add(&fleet->timers,
					  fleet->now + (uint64_t) (rng_unit(&rng) * config->first_attach * SECOND_US),
					  first_attach, card, 0);
		}
		if (config->https_poll > 0)
			first_call(fleet, card);
	}
}

void
fleet_free(Fleet *fleet)
{
	https_end(fleet);
	for (uint32_t i = 0; i < fleet->config.cards; i++)
		card_free(&fleet->cards[i]);
	free(fleet->cards);
	free(fleet->by_msisdn_key);
	free(fleet->by_msisdn_card);
	timers_free(&fleet->timers);
	scp80_free(fleet->scp80);
}

void
fleet_run(Fleet *fleet, uint64_t now)
{
	Timer		timer;

	while (timers_take(&fleet->timers, now, &timer))
	{
		if (timer.when > fleet->now)
			fleet->now = timer.when;
		timer.call(fleet, timer.object, timer.number);
	}
	if (now > fleet->now)
		fleet->now = now;
}

Card *
fleet_card(Fleet *fleet, uint64_t serial)
{
	uint64_t	i = serial - fleet->config.first;

	return i < fleet->config.cards ? &fleet->cards[i] : NULL;
}

Card *
fleet_find(Fleet *fleet, const char *text)
{
	size_t		len = strlen(text);
	uint8_t		eid[EID_LEN];
	uint64_t	serial;
	SmsrError	error;
	char	   *end;

	if (len == EID_DIGITS)
	{
		if (!eid_parse(text, len, eid, &error) ||
			!identity_serial(fleet->config.seed, eid, &serial))
			return NULL;
		return fleet_card(fleet, serial);
	}
	serial = strtoull(text, &end, 10);
	return len > 0 && *end == '\0' ? fleet_card(fleet, serial) : NULL;
}

static size_t
slot_of(const Fleet *fleet, uint64_t msisdn)
{
	Rng			rng = {msisdn};
	size_t		slot = rng_next(&rng) & (fleet->by_msisdn_cap - 1);

	while (fleet->by_msisdn_key[slot] != 0 && fleet->by_msisdn_key[slot] != msisdn)
		slot = (slot + 1) & (fleet->by_msisdn_cap - 1);
	return slot;
}

/*
 * A number stays when its profile goes: whoever looks it up finds that the card
 * has no such profile any more.
 */
void
fleet_index_msisdn(Fleet *fleet, const Card *card, uint64_t msisdn)
{
	size_t		slot;

	if (msisdn == 0)
		return;
	if (2 * (fleet->by_msisdn_count + 1) > fleet->by_msisdn_cap)
	{
		uint64_t   *keys = fleet->by_msisdn_key;
		uint32_t   *cards = fleet->by_msisdn_card;
		size_t		cap = fleet->by_msisdn_cap;

		fleet->by_msisdn_cap = cap == 0 ? 1024 : 2 * cap;
		fleet->by_msisdn_key = make(fleet->by_msisdn_cap * sizeof *keys);
		fleet->by_msisdn_card = make(fleet->by_msisdn_cap * sizeof *cards);
		for (size_t i = 0; i < cap; i++)
		{
			if (keys[i] == 0)
				continue;
			slot = slot_of(fleet, keys[i]);
			fleet->by_msisdn_key[slot] = keys[i];
			fleet->by_msisdn_card[slot] = cards[i];
		}
		free(keys);
		free(cards);
	}
	slot = slot_of(fleet, msisdn);
	fleet->by_msisdn_count += fleet->by_msisdn_key[slot] == 0;
	fleet->by_msisdn_key[slot] = msisdn;
	fleet->by_msisdn_card[slot] = (uint32_t) (card - fleet->cards);
}

Card *
fleet_by_msisdn(Fleet *fleet, uint64_t msisdn, Profile **profile)
{
	size_t		slot;
	Card	   *card;

	if (msisdn == 0 || fleet->by_msisdn_cap == 0)
		return NULL;
	slot = slot_of(fleet, msisdn);
	if (fleet->by_msisdn_key[slot] == 0)
		return NULL;
	card = &fleet->cards[fleet->by_msisdn_card[slot]];
	*profile = card_profile_by_msisdn(card, msisdn);
	return *profile != NULL ? card : NULL;
}

void
fleet_power(Fleet *fleet, Card *card, bool on)
{
	card->off_timer++;
	if (card->on == on)
		return;
	card->on = on;
	if (!on)
	{
		https_power_off(fleet, card);
		downloads_power_off(card);
	}
	else
	{
		switching_network(fleet, card);
		fleet->is_back(fleet->carrier, card);
	}
}

static void
power_again(void *context, void *object, uint32_t number)
{
	Card	   *card = object;

	if (number == card->off_timer)
		fleet_power(context, card, true);
}

static void
come_back_after(Fleet *fleet, Card *card, double seconds)
{
	timer_add(&fleet->timers, fleet->now + (uint64_t) (seconds * SECOND_US), power_again,
			  card, ++card->off_timer);
}

static void
power_off_for_a_time(Fleet *fleet, Card *card, double seconds)
{
	if (!card->on)
		return;
	fleet_power(fleet, card, false);
	come_back_after(fleet, card, seconds);
}

/*
 * Of n cards the fraction f is off, each for a mean time T: one of those that
 * are on has to go off every T / (n f) seconds, and 1 - f of the draws hit one.
 */
static void
next_power_off(void *context, void *object, uint32_t number)
{
	Fleet	   *fleet = context;
	Rng			rng = rng_for(fleet->config.seed, RNG_OFF, fleet->random_events++, 0);
	double		f = fleet->faults.off;
	double		mean = fleet->faults.off_time;

	(void) object;
	if (number != fleet->off_epoch || f <= 0)
		return;
	power_off_for_a_time(fleet, &fleet->cards[rng_below(&rng, fleet->config.cards)],
						 mean * (0.5 + rng_unit(&rng)));
	timer_add(&fleet->timers,
			  fleet->now + MIN_EVENT_US + (uint64_t) (2 * rng_unit(&rng) * SECOND_US * mean * (1 - f) /
										   (fleet->config.cards * f)),
			  next_power_off, NULL, number);
}

static void
next_fall_back(void *context, void *object, uint32_t number)
{
	Fleet	   *fleet = context;
	Rng			rng = rng_for(fleet->config.seed, RNG_FALLBACK, fleet->random_events++, 0);
	double		per_second = fleet->faults.fallback_per_hour / 3600 * fleet->config.cards;

	if (number != fleet->off_epoch || per_second <= 0)
		return;
	if (object != NULL)			/* not at once when the fault is set */
		switching_fall_back(fleet, &fleet->cards[rng_below(&rng, fleet->config.cards)]);
	timer_add(&fleet->timers, fleet->now + MIN_EVENT_US + (uint64_t) (2 * rng_unit(&rng) * SECOND_US / per_second),
			  next_fall_back, fleet, number);
}

void
fleet_apply_faults(Fleet *fleet)
{
	fleet->off_epoch++;			/* ends the chains of timers that run */
	if (fleet->config.cards == 0)
		return;
	for (uint32_t i = 0; i < fleet->config.cards && fleet->faults.off > 0; i++)
	{
		Card	   *card = &fleet->cards[i];
		Rng			rng = rng_for(fleet->config.seed, RNG_OFF, i, fleet->off_epoch);
		double		seconds = fleet->faults.off_time * rng_unit(&rng);

		if (!card->on)
			come_back_after(fleet, card, seconds);	/* off since before a restart */
		else if (rng_chance(&rng, fleet->faults.off))
			power_off_for_a_time(fleet, card, seconds);
	}
	next_power_off(fleet, NULL, fleet->off_epoch);
	next_fall_back(fleet, NULL, fleet->off_epoch);
}
