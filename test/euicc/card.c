/*
 * card.c
 *		The ISD-R's side of SCP80 over SMS: reassembly, security checks, the
 *		script, and the answer (TS 102 225, TS 102 226, SGP.02 clause 2.4.3).
 */
#include "download.h"
#include "establish.h"
#include "fleet.h"
#include "https_agent.h"
#include "interpreter.h"

#include <string.h>

#include "core/script.h"

/* Minimum security level of an ISD-R: CC, ciphering, counter must be higher. */
#define ISD_R_MSL			0x16

#define ASSEMBLY_LIFE_US	(300 * UINT64_C(1000000))

void
card_init(Fleet *fleet, Card *card, uint64_t serial)
{
	const FleetConfig *config = &fleet->config;
	Rng			rng = rng_for(config->seed, RNG_REACHABLE, serial, 0);
	bool		unreachable = rng_chance(&rng, config->unreachable);

	*card = (Card) {.serial = serial, .on = true, .kvn = FLEET_KVN,
		.smsr_address = config->smsr_address};
	identity_eid(config->seed, serial, card->eid);
	card->sets[0].kvn = FLEET_KVN;
	card->sets[0].cntr = config->cntr;
	fleet_card_keys(config, serial, card->sets[0].keys);
	if (config->https)
	{
		card->sets[1].kvn = FIRST_PSK_KVN;
		identity_psk(config->seed, serial, card->sets[1].keys[0]);
	}
	for (unsigned i = 0; i < config->profiles; i++)
	{
		Profile    *profile = &card->profiles[i];

		profile->tar = (uint16_t) (FIRST_TAR + i);
		profile->memory = PROFILE_MEMORY;
		card_personalize(fleet, card, profile,
						 identity_operator(profile->tar, config->operators),
						 identity_msisdn(serial, profile->tar));
		profile->has_iccid = true;
		identity_iccid(config->seed, serial, profile->tar, profile->iccid);
		profile->pol1 = config->pol1[i];
		if (i == 0)
		{
			profile->lcs = ISDP_ENABLED;
			profile->fallback = true;
		}
		else
			profile->reachable = !unreachable;
	}
}

void
fleet_card_keys(const FleetConfig *config, uint64_t serial, uint8_t keys[KEYS][KEY_LEN])
{
	uint8_t		eid[EID_LEN];

	if (!config->has_master)
	{
		identity_keys(config->seed, serial, keys);
		return;
	}
	identity_eid(config->seed, serial, eid);
	identity_derived_keys(config->master, eid, FLEET_KVN, keys);
}

KeySet *
card_last_set(const Card *card)
{
	KeySet	   *set = card_key_set(card, card->kvn);

	for (int i = 0; set == NULL && i < CARD_KEY_SETS; i++)
	{
		if (card->sets[i].kvn != 0 && card->sets[i].kvn <= 0x0F)
			set = (KeySet *) &card->sets[i];
	}
	return set != NULL ? set : (KeySet *) &card->sets[0];
}

void
card_free(Card *card)
{
	free(card->log);
	downloads_free(card);
	for (int i = 0; i < CARD_ASSEMBLIES; i++)
		free(card->assemblies[i]);
	card->log = NULL;
	card->assemblies[0] = card->assemblies[1] = NULL;
}

void
card_send(Fleet *fleet, Card *card, const Address *to, SmsrBytes packet, uint8_t cpi)
{
	size_t		count = sms_segment_count(packet.len, 8);
	Profile    *profile = card_enabled(card);

	if (profile == NULL)
		return;
	if (count > 1)
		card->reference++;
	for (size_t i = 0; i < count; i++)
	{
		uint8_t		ud[SMS_MAX_UD];
		SmsrWriter	w = smsr_writer(ud, sizeof ud);
		SmsrError	error;

		if (!sms_segment(packet, cpi, card->reference & 0xFF, 8, i, &w, &error))
			return;
		fleet->stats.mo_sent++;
		fleet->send_mo(fleet->carrier, card, profile, to, ud, w.len);
	}
}

/* Answer as SPI2 asks; "plain" without the protection that it asks for. */
static void
respond(Fleet *fleet, Card *card, const Address *to, const Scp80Header *command,
		uint8_t status, SmsrBytes data, bool plain, const KeySet *set)
{
	Scp80Header header = *command;
	Scp80Keys	keys = {smsr_bytes(set->keys[0], KEY_LEN), smsr_bytes(set->keys[1], KEY_LEN)};
	uint8_t		packet[RESPONSE_ROOM + SCP80_OVERHEAD];
	SmsrWriter	w = smsr_writer(packet, sizeof packet);
	SmsrError	error;
	Rng			rng = rng_for(fleet->config.seed, RNG_NO_POR, card->serial, card->packets);

	switch (command->spi2 & SPI2_POR_MASK)
	{
		case SPI2_POR_ALWAYS:
			break;
		case SPI2_POR_ON_ERROR:
			if (status != SCP80_POR_OK)
				break;
			return;
		default:
			return;
	}
	/* A delivery report is the SMSC's, and most SMSCs keep its user data. */
	if (!(command->spi2 & SPI2_SUBMIT) || rng_chance(&rng, fleet->faults.no_por))
	{
		fleet->stats.por_withheld++;
		return;
	}
	if (plain)
		header.spi2 = command->spi2 & (SPI2_POR_MASK | SPI2_SUBMIT);
	header.kic = header.kid = (uint8_t) (set->kvn << 4 | 2);
	if (!scp80_seal_response(fleet->scp80, SCP80_SMS, &header, &keys, status, data, &w, &error))
	{
		fleet->stats.por_withheld++;
		return;
	}
	fleet->stats.por_sent++;
	card_send(fleet, card, to, smsr_written(&w), SMS_IEI_RESPONSE);
}

/*
 * SGP.02: an eUICC drops a packet that it can not authenticate.  Others send a
 * plain error, and zero as the counter: *command is what scp80_peek_command()
 * could read.
 */
static void
unauthentic(Fleet *fleet, Card *card, const Address *from, const Scp80Header *command,
			uint8_t status)
{
	fleet->stats.unauthentic++;
	if (fleet->config.unsecured_errors)
		respond(fleet, card, from, command, status, smsr_bytes(NULL, 0), true, card_last_set(card));
}

/* TS 102 226 clause 8.2.1.3.2.4: each mechanism at least as strong. */
static bool
secure_enough(uint8_t spi1)
{
	return (spi1 & SPI1_CHECK_MASK) >= (ISD_R_MSL & SPI1_CHECK_MASK) &&
		(spi1 & SPI1_CIPHER) >= (ISD_R_MSL & SPI1_CIPHER) &&
		(spi1 & SPI1_CNTR_MASK) >= (ISD_R_MSL & SPI1_CNTR_MASK);
}

/* Checks in the order of TS 102 225: TAR, level, keys, CC, counter. */
static void
receive_packet(Fleet *fleet, Card *card, const Address *from, SmsrBytes packet)
{
	KeySet	   *set;
	KeySet		under;
	Scp80Keys	keys;
	static uint8_t scratch[SMS_MAX_SEGMENTS * SMS_MAX_UD];
	static uint8_t response[RESPONSE_ROOM];
	SmsrWriter	s = smsr_writer(scratch, sizeof scratch);
	SmsrWriter	r = smsr_writer(response, sizeof response);
	SmsrBytes	nothing = smsr_bytes(NULL, 0);
	Scp80Header header;
	Scp80Command command;
	SmsrError	error;
	uint8_t		status = SCP80_POR_OK;
	uint32_t	tar;

	if (!scp80_peek_command(SCP80_SMS, packet, &header, &error))
	{
		fleet->stats.mt_unreadable++;
		return;
	}
	/* an ISD-P has keys of its own, but not of SCP80: the ISD-R's count for it */
	tar = (uint32_t) (header.tar[0] << 16 | header.tar[1] << 8 | header.tar[2]);
	if (tar != ISD_R_TAR && (tar > 0xFFFF || card_profile(card, (uint16_t) tar) == NULL))
	{
		fleet->stats.unknown_tar++;
		/* No application, so no keys to protect the answer with. */
		respond(fleet, card, from, &header, SCP80_TAR_UNKNOWN, nothing, true, card_last_set(card));
		return;
	}
	if (!secure_enough(header.spi1))
	{
		fleet->stats.low_security++;
		respond(fleet, card, from, &header, SCP80_INSUFFICIENT_SECURITY, nothing, false, card_last_set(card));
		return;
	}
	set = card_key_set(card, header.kic >> 4);
	if (set == NULL || (header.kic & 0x0F) != 2 || header.kid != header.kic)
	{
		unauthentic(fleet, card, from, &header, SCP80_UNIDENTIFIED_ERROR);
		return;
	}
	keys = (Scp80Keys) {smsr_bytes(set->keys[0], KEY_LEN), smsr_bytes(set->keys[1], KEY_LEN)};
	if (!scp80_open_command(fleet->scp80, SCP80_SMS, &keys, packet, &s, &command, &error))
	{
		unauthentic(fleet, card, from, &header, SCP80_CIPHERING_ERROR);
		return;
	}
	if (!command.authentic)
	{
		unauthentic(fleet, card, from, &header, SCP80_RC_CC_DS_FAILED);
		return;
	}
	if (set->cntr == SCP80_MAX_CNTR)
		status = SCP80_CNTR_BLOCKED;
	else if (command.header.cntr <= set->cntr)
		status = SCP80_CNTR_LOW;
	else if ((header.spi1 & SPI1_CNTR_MASK) == SPI1_CNTR_NEXT &&
			 command.header.cntr != set->cntr + 1)
		status = SCP80_CNTR_HIGH;
	if (status != SCP80_POR_OK)
	{
		if (status == SCP80_CNTR_LOW)
			fleet->stats.counter_low++;
		respond(fleet, card, from, &command.header, status, nothing, false, set);
		return;
	}
	set->cntr = command.header.cntr;
	card->kvn = set->kvn;
	/* the answer is under the keys of the question, even if it has deleted them */
	under = *set;
	card->packets++;
	fleet->stats.packets++;
	if (command.data.len > 0 && (command.data.data[0] == SCRIPT_COMMAND ||
								 command.data.data[0] == SCRIPT_COMMAND_INDEFINITE))
	{
		card->source = (Source) {.kvn = set->kvn,.cntr = set->cntr};
		interpreter_run(fleet, card, tar, command.data, &r);
	}
	else
	{
		fleet->stats.triggers++;
		https_trigger(fleet, card, command.data);
	}
	respond(fleet, card, from, &command.header, status, smsr_written(&r), false, &under);
}

static bool
same_address(const Address *a, const Address *b)
{
	return strcmp(a->digits, b->digits) == 0;
}

/* Where the segments of this message go: its set, a free one, or the oldest. */
static Assembly **
find_assembly(Fleet *fleet, Card *card, const Address *from, const SmsHeader *header)
{
	Assembly  **place = &card->assemblies[0];

	for (int i = 0; i < CARD_ASSEMBLIES; i++)
	{
		Assembly   *a = card->assemblies[i];

		if (a != NULL && fleet->now - a->since > ASSEMBLY_LIFE_US)
		{
			free(a);
			a = card->assemblies[i] = NULL;
		}
		if (a != NULL && a->reference == header->reference && a->total == header->total &&
			same_address(&a->from, from))
			return &card->assemblies[i];
	}
	for (int i = 0; i < CARD_ASSEMBLIES; i++)
	{
		if (card->assemblies[i] == NULL)
			return &card->assemblies[i];
		if (card->assemblies[i]->since < (*place)->since)
			place = &card->assemblies[i];
	}
	return place;
}

static void
receive_segment(Fleet *fleet, Card *card, const Address *from,
				const SmsHeader *header, SmsrBytes tp_ud)
{
	static uint8_t packet[SMS_MAX_SEGMENTS * SMS_MAX_UD];
	SmsrBytes	segments[SMS_MAX_SEGMENTS];
	SmsrWriter	w = smsr_writer(packet, sizeof packet);
	Assembly  **place;
	Assembly   *a;
	SmsrError	error;
	uint8_t		cpi = 0;
	unsigned	k = header->sequence - 1u;

	if (header->total > fleet->config.max_segments || k >= header->total ||
		tp_ud.len > SMS_MAX_UD)
	{
		fleet->stats.mt_unreadable++;
		return;
	}
	place = find_assembly(fleet, card, from, header);
	a = *place;
	if (a == NULL || a->reference != header->reference || a->total != header->total ||
		!same_address(&a->from, from))
	{
		free(a);
		a = *place = make(sizeof(Assembly) + header->total * sizeof a->segments[0]);
		a->from = *from;
		a->since = fleet->now;
		a->reference = header->reference;
		a->total = header->total;
	}
	if (a->have[k / 8] & (1 << k % 8))
		return;					/* a duplicate */
	a->have[k / 8] |= (uint8_t) (1 << k % 8);
	a->segments[k].len = (uint8_t) tp_ud.len;
	memcpy(a->segments[k].octets, tp_ud.data, tp_ud.len);
	if (++a->count < a->total)
		return;
	*place = NULL;
	for (int i = 0; i < a->total; i++)
		segments[i] = smsr_bytes(a->segments[i].octets, a->segments[i].len);
	if (sms_reassemble(segments, a->total, &cpi, &w, &error) && cpi == SMS_IEI_COMMAND)
		receive_packet(fleet, card, from, smsr_written(&w));
	else
		fleet->stats.mt_unreadable++;
	free(a);
}

void
card_receive(Fleet *fleet, Card *card, const Address *from, SmsrBytes tp_ud)
{
	SmsHeader	header;
	SmsrError	error;

	if (!sms_read(tp_ud, &header, &error))
		fleet->stats.mt_unreadable++;
	else if (header.concatenated && header.total > 1)
		receive_segment(fleet, card, from, &header, tp_ud);
	else if (header.cpi == SMS_IEI_COMMAND)
		receive_packet(fleet, card, from, header.payload);
	else
		fleet->stats.mt_unreadable++;
}
