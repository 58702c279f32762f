/*
 * switching.c
 *		Changes of the enabled profile: REFRESH, attach, notification,
 *		confirmation, and the way back (SGP.02 clauses 3.2, 3.4, 3.15, 3.16).
 */
#include "fleet.h"
#include "https_agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OFF_RETRY_US	500000	/* a card that is off looks again */
#define SESSION_RETRY_US	100000	/* and one that is in a session over HTTPS */

static void step(void *context, void *object, uint32_t number);

static void
set_timer(Fleet *fleet, Card *card, uint64_t delay)
{
	timer_add(&fleet->timers, fleet->now + delay, step, card, ++card->timer);
}

static void
rest(Card *card)
{
	card->phase = PHASE_IDLE;
	card->cause = CAUSE_NONE;
	card->from = card->to = 0;
	card->timer++;
}

void
switching_begin(Fleet *fleet, Card *card, Cause cause, uint16_t to)
{
	Profile    *enabled = card_enabled(card);

	card->phase = PHASE_REFRESH;
	card->cause = (uint8_t) cause;
	card->from = enabled != NULL ? enabled->tar : 0;
	card->to = to;
	set_timer(fleet, card, fleet->config.refresh);
}

/*
 * The notification is a command packet of the card's: no counter, no PoR, and
 * the security header of a command (facts on clause 3.15.1).
 */
static void
notify(Fleet *fleet, Card *card)
{
	uint8_t		body[128];
	uint8_t		packet[128 + SCP80_OVERHEAD];
	SmsrWriter	b = smsr_writer(body, sizeof body);
	SmsrWriter	p = smsr_writer(packet, sizeof packet);
	const KeySet *set = card_last_set(card);
	Scp80Header header = {.spi1 = fleet->config.notification_spi1,
		.kic = (uint8_t) (set->kvn << 4 | 2), .kid = (uint8_t) (set->kvn << 4 | 2), .tar = {0, 0, 1}};
	Scp80Keys	keys = {smsr_bytes(set->keys[0], KEY_LEN), smsr_bytes(set->keys[1], KEY_LEN)};
	Notification n = {.type = card->type, .sequence = card->sequence};
	Profile    *enabled = card_enabled(card);
	Address		to = {1, 1, ""};
	SmsrError	error;

	if (enabled == NULL || !aid_isdp(enabled->tar, &n.enabled, &error))
		return;
	memcpy(n.eid, card->eid, EID_LEN);
	if (card->serial % 2 == 0)
	{
		/* Only some terminals tell the card their IMEI. */
		n.has_imei = true;
		identity_imei(card->serial, n.imei);
	}
	notification_write(&b, &n);
	if (fleet->config.https_notify && !b.overflow)
	{
		/* one at a time: while a session is open the next repetition tries again */
		fleet->stats.notifications += https_call(fleet, card, smsr_written(&b));
		return;
	}
	if (b.overflow ||
		!scp80_seal_command(fleet->scp80, SCP80_SMS, &header, &keys,
							smsr_written(&b), &p, &error))
		return;
	snprintf(to.digits, sizeof to.digits, "%" PRIu64, card->smsr_address);
	fleet->stats.notifications++;
	card_send(fleet, card, &to, smsr_written(&p), SMS_IEI_COMMAND);
}

static void
announce(Fleet *fleet, Card *card, uint8_t type)
{
	card->phase = PHASE_CONFIRM;
	card->type = type;
	card->tries = 1;
	card->sequence++;			/* wraps from FFFF to 0000 */
	notify(fleet, card);
	set_timer(fleet, card, fleet->config.repeat);
}

/* The enabled profile has a network: tell the SM-SR why it is this one. */
static void
attached(Fleet *fleet, Card *card)
{
	switch (card->cause)
	{
		case CAUSE_ENABLE:
			announce(fleet, card, NOTIFICATION_CHANGE_SUCCEEDED);
			break;
		case CAUSE_ROLL_BACK:
			announce(fleet, card, NOTIFICATION_CHANGE_FAILED);
			break;
		case CAUSE_DISABLE:
		case CAUSE_FALL_BACK:
			announce(fleet, card, NOTIFICATION_FALL_BACK);
			break;
		default:
			announce(fleet, card, NOTIFICATION_FIRST_ATTACH);
			break;
	}
}

/* No network, or nobody confirmed: what now? */
static void
failed(Fleet *fleet, Card *card)
{
	bool		attaching = card->phase == PHASE_ATTACH;
	Profile    *fallback = card_fallback(card);

	switch (card->cause)
	{
		case CAUSE_ENABLE:
		case CAUSE_DISABLE:
			fleet->stats.rollbacks++;
			switching_begin(fleet, card, CAUSE_ROLL_BACK, card->from);
			break;
		case CAUSE_ROLL_BACK:
			if (attaching && fallback != NULL && fallback->tar != card->to)
			{
				/* "if that one fails too": the profile with the attribute */
				fleet->stats.fallbacks++;
				switching_begin(fleet, card, CAUSE_FALL_BACK, fallback->tar);
				break;
			}
			/* FALLTHROUGH */
		default:
			if (attaching)
				break;			/* stays in PHASE_ATTACH until a network comes */
			fleet->stats.unconfirmed++;
			rest(card);
			break;
	}
}

static void
change(Fleet *fleet, Card *card)
{
	Profile    *from = card_enabled(card);
	Profile    *to = card_profile(card, card->to);

	if (to == NULL)
	{
		rest(card);
		return;
	}
	if (from != NULL && from != to)
	{
		from->lcs = ISDP_DISABLED;
		if (card->cause == CAUSE_FALL_BACK && (from->pol1 & POL1_NO_DISABLE))
			card->pinned = from->tar;
	}
	to->lcs = ISDP_ENABLED;
	if (card->pinned == to->tar)
		card->pinned = 0;
	if (to->reachable)
	{
		fleet->is_back(fleet->carrier, card);
		attached(fleet, card);
	}
	else
	{
		card->phase = PHASE_ATTACH;
		set_timer(fleet, card, fleet->config.attach);
	}
}

static void
step(void *context, void *object, uint32_t number)
{
	Fleet	   *fleet = context;
	Card	   *card = object;

	if (number != card->timer)
		return;
	if (!card->on)
	{
		set_timer(fleet, card, OFF_RETRY_US);
		return;
	}
	if (card->phase == PHASE_REFRESH && card->agent != NULL)
	{
		/* the answer has to leave first: no REFRESH while a session is open */
		set_timer(fleet, card, SESSION_RETRY_US);
		return;
	}
	switch (card->phase)
	{
		case PHASE_REFRESH:
			change(fleet, card);
			break;
		case PHASE_ATTACH:
			failed(fleet, card);
			break;
		case PHASE_CONFIRM:
			if (card->tries < fleet->config.tries)
			{
				card->tries++;
				notify(fleet, card);	/* with the same sequence number */
				set_timer(fleet, card, fleet->config.repeat);
			}
			else
				failed(fleet, card);
			break;
		default:
			break;
	}
}

/* After a restore: the timers are gone, the phase is not. */
void
switching_resume(Fleet *fleet, Card *card)
{
	if (card->phase != PHASE_IDLE)
		set_timer(fleet, card, card->phase == PHASE_CONFIRM ? fleet->config.repeat :
				  fleet->config.refresh);
}

uint16_t
switching_confirm(Fleet *fleet, Card *card, uint16_t sequence, SmsrWriter *out)
{
	Profile    *from = card_profile(card, card->from);
	SmsrAid		aid;
	SmsrError	error;

	if (sequence != card->sequence || (sequence == 0 && card->phase == PHASE_IDLE))
		return SW_REFERENCE_NOT_FOUND;
	if (card->phase == PHASE_REFRESH || card->phase == PHASE_ATTACH)
		return SW_CONDITIONS;	/* too late: on the way back */
	if (card->phase == PHASE_IDLE)
		return SW_OK;			/* confirmed before, or given up */
	fleet->stats.confirmations++;
	if (card->cause == CAUSE_ENABLE || card->cause == CAUSE_DISABLE)
	{
		fleet->stats.switches++;
		/* Not after fall-back or roll-back (facts section 3.5, rule 8). */
		if (from != NULL && (from->pol1 & POL1_DELETE_WHEN_DISABLED) &&
			!from->fallback && from->lcs == ISDP_DISABLED &&
			aid_isdp(from->tar, &aid, &error))
		{
			put_tlv_header(out, 0x80, 2 + aid.len);
			put_tlv(out, 0x4F, aid.octets, aid.len);
			*from = (Profile) {0};
			fleet->stats.pol1_deleted++;
		}
		else if (card->serial % 2 == 1)
			put_tlv(out, 0x80, NULL, 0);	/* cards differ: empty list, or none */
	}
	rest(card);
	return SW_OK;
}

void
switching_first_attach(Fleet *fleet, Card *card)
{
	Profile    *enabled = card_enabled(card);

	if (card->phase != PHASE_IDLE || enabled == NULL || !enabled->reachable || !card->on)
		return;
	card->cause = CAUSE_FIRST_ATTACH;
	card->from = 0;
	card->to = enabled->tar;
	attached(fleet, card);
}

bool
switching_fall_back(Fleet *fleet, Card *card)
{
	Profile    *enabled = card_enabled(card);
	Profile    *fallback = card_fallback(card);

	if (!card->on || enabled == NULL || fallback == NULL || enabled == fallback ||
		(card->phase != PHASE_IDLE && card->cause != CAUSE_FIRST_ATTACH))
		return false;
	fleet->stats.fallbacks++;
	switching_begin(fleet, card, CAUSE_FALL_BACK, fallback->tar);
	return true;
}

void
switching_network(Fleet *fleet, Card *card)
{
	Profile    *enabled = card_enabled(card);

	if (card->phase == PHASE_ATTACH && enabled != NULL && enabled->reachable && card->on)
	{
		fleet->is_back(fleet->carrier, card);
		attached(fleet, card);
	}
}
