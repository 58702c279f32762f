/*
 * smsc.c
 *		Store and forward between sessions and cards, with the faults of the way.
 */
#include "smsc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DEFAULT_VALIDITY_S	86400
#define RETRY_US			1000000	/* after a temporary refusal of deliver_sm */

static void
append_mo(Smsc *smsc, MoMessage *message)
{
	message->next = NULL;
	*smsc->last = message;
	smsc->last = &message->next;
	smsc->queued++;
	smsc_pump(smsc);
}

void
mo_free(MoMessage *message)
{
	free(message);
}

void
mo_put_back(MoMessage *message)
{
	Smsc	   *smsc = message->smsc;

	message->next = smsc->first;
	if (smsc->first == NULL)
		smsc->last = &message->next;
	smsc->first = message;
	smsc->queued++;
}

static void
mo_arrives(void *context, void *object, uint32_t number)
{
	MoMessage  *message = object;

	(void) context;
	(void) number;
	message->smsc->all->in_transit--;
	append_mo(message->smsc, message);
}

static void
try_again(void *context, void *object, uint32_t number)
{
	MoMessage  *message = object;

	(void) context;
	(void) number;
	message->smsc->all->in_transit--;
	mo_put_back(message);
	smsc_pump(message->smsc);
}

void
mo_try_later(MoMessage *message)
{
	Smscs	   *smscs = message->smsc->all;

	smscs->in_transit++;
	timer_add(&smscs->fleet->timers, smscs->fleet->now + RETRY_US, try_again, message, 0);
}

Smsc *
smsc_of_operator(Smscs *smscs, unsigned owner)
{
	return &smscs->smsc[smscs->count == 1 ? 0 : owner % smscs->count];
}

static void
flip(uint8_t *octets, size_t len, double where)
{
	size_t		bit = (size_t) (where * (double) (len * 8));

	if (len > 0)
		octets[bit / 8] ^= (uint8_t) (1 << bit % 8);
}

/* A card sends: SendMo of the fleet. */
static void
carry_mo(void *carrier, Card *card, const Profile *from, const Address *to,
		 const uint8_t *tp_ud, size_t len)
{
	Smscs	   *smscs = carrier;
	Fleet	   *fleet = smscs->fleet;
	Rng			rng = rng_for(fleet->config.seed, RNG_MO, card->serial, card->mo_count++);
	Fate		fate = fate_draw(&fleet->faults.mo, &rng);

	if (fate.copies == 0 || len > 254)
	{
		fleet->stats.mo_lost++;
		return;
	}
	for (int i = 0; i < fate.copies; i++)
	{
		MoMessage  *message = make(sizeof *message);

		message->smsc = smsc_of_operator(smscs, from->owner);
		message->source = (Address) {1, 1, ""};
		snprintf(message->source.digits, sizeof message->source.digits, "%" PRIu64, from->msisdn);
		message->destination = *to;
		message->esm_class = ESM_UDHI;
		message->ud_len = (uint8_t) len;
		memcpy(message->ud, tp_ud, len);
		if (fate.bit_error)
			flip(message->ud, len, fate.bit);
		smscs->in_transit++;
		timer_add(&fleet->timers, fleet->now + fate.delay[i], mo_arrives, message, 0);
	}
}

/* The text of clause "delivery receipt format" that every SMSC writes. */
static void
send_receipt(const MtMessage *mt, uint8_t state)
{
	Smscs	   *smscs = mt->smsc->all;
	MoMessage  *message;
	char		text[200];
	char		when[16];
	time_t		now = time(NULL);
	struct tm	tm;
	const char *word = state == SMPP_STATE_DELIVERED ? "DELIVRD" :
		state == SMPP_STATE_EXPIRED ? "EXPIRED" : "UNDELIV";
	int			len;

	/* registered_delivery: 1 always, 2 on failure (clause 5.2.17) */
	if (mt->copy || (mt->registered_delivery & 3) == 0 || (mt->registered_delivery & 3) == 3 ||
		((mt->registered_delivery & 3) == 2 && state == SMPP_STATE_DELIVERED))
		return;
	message = make(sizeof *message);
	message->smsc = mt->smsc;
	message->source = mt->destination;
	message->destination = mt->source;
	message->esm_class = ESM_RECEIPT;
	message->state = state;
	snprintf(message->message_id, sizeof message->message_id, "%016" PRIx64, mt->id);
	gmtime_r(&now, &tm);
	strftime(when, sizeof when, "%y%m%d%H%M", &tm);
	len = snprintf(text, sizeof text,
				   "id:%s sub:001 dlvrd:%03d submit date:%s done date:%s stat:%s err:%03d text:",
				   message->message_id, state == SMPP_STATE_DELIVERED, when, when, word,
				   state == SMPP_STATE_DELIVERED ? 0 : 1);
	message->ud_len = (uint8_t) len;
	memcpy(message->ud, text, (size_t) len);
	smscs->fleet->stats.receipts++;
	append_mo(mt->smsc, message);
}

/* Whether the card, as it is now, listens at this number through this SMSC. */
static bool
attached(const Smscs *smscs, const MtMessage *mt)
{
	Profile    *profile = card_enabled(mt->card);

	return profile != NULL && profile->msisdn == mt->msisdn && profile->reachable &&
		mt->card->phase != PHASE_ATTACH &&
		!(mt->card->phase == PHASE_REFRESH && mt->card->cause == CAUSE_FALL_BACK) &&
		smsc_of_operator((Smscs *) smscs, profile->owner) == mt->smsc;
}

static void
hand_over(Fleet *fleet, MtMessage *mt)
{
	bool		class_2 = (mt->data_coding & 0xF3) == 0xF2 || mt->data_coding == 0x16;
	bool		octets = mt->data_coding == 0x04 || mt->data_coding == 0x02;

	fleet->stats.mt_delivered++;
	send_receipt(mt, SMPP_STATE_DELIVERED);
	/* Some SMSCs want DCS 04 and make it F6 on the air. */
	if (!(mt->esm_class & ESM_UDHI) || mt->protocol_id != SMS_PID_DATA_DOWNLOAD ||
		(!class_2 && !octets) || mt->ud_len > SMS_MAX_UD)
		fleet->stats.mt_not_for_card++;
	else
		card_receive(fleet, mt->card, &mt->source, smsr_bytes(mt->ud, mt->ud_len));
	free(mt);
}

/* The sender is told when the time is over, not when the card comes back. */
static void
drop_expired(void *context, void *object, uint32_t number)
{
	Fleet	   *fleet = context;
	Card	   *card = object;
	MtMessage **place = &card->waiting;

	(void) number;
	while (*place != NULL)
	{
		MtMessage  *mt = *place;

		if (mt->expires > fleet->now)
		{
			place = &mt->next;
			continue;
		}
		*place = mt->next;
		fleet->stats.mt_expired++;
		send_receipt(mt, SMPP_STATE_EXPIRED);
		free(mt);
	}
}

static void
wait_for_card(Fleet *fleet, MtMessage *mt)
{
	MtMessage **end = &mt->card->waiting;

	while (*end != NULL)
		end = &(*end)->next;
	mt->next = NULL;
	*end = mt;
	timer_add(&fleet->timers, mt->expires, drop_expired, mt->card, 0);
}

static void
mt_arrives(void *context, void *object, uint32_t number)
{
	Fleet	   *fleet = context;
	MtMessage  *mt = object;
	Smscs	   *smscs = mt->smsc->all;

	(void) number;
	smscs->in_transit--;
	if (fleet->now >= mt->expires)
	{
		fleet->stats.mt_expired++;
		send_receipt(mt, SMPP_STATE_EXPIRED);
	}
	else if (!attached(smscs, mt))
	{
		if (smscs->queue_detached)
		{
			wait_for_card(fleet, mt);
			return;
		}
		fleet->stats.mt_unattached++;
		send_receipt(mt, SMPP_STATE_UNDELIVERABLE);
	}
	else if (!mt->card->on)
	{
		if (fleet->faults.off_policy == OFF_QUEUE)
		{
			wait_for_card(fleet, mt);
			return;
		}
		fleet->stats.mt_lost++;
		send_receipt(mt, SMPP_STATE_UNDELIVERABLE);
	}
	else
	{
		hand_over(fleet, mt);
		return;
	}
	free(mt);
}

/* The card is on again or attached elsewhere: try what waits once more. */
static void
card_is_back(void *carrier, Card *card)
{
	Smscs	   *smscs = carrier;
	MtMessage  *mt = card->waiting;

	card->waiting = NULL;
	while (mt != NULL)
	{
		MtMessage  *next = mt->next;

		smscs->in_transit++;
		timer_add(&smscs->fleet->timers, smscs->fleet->now, mt_arrives, mt, 0);
		mt = next;
	}
}

static uint32_t
refusal(Fleet *fleet, Card *card)
{
	static const uint32_t temporary[] = {ESME_RTHROTTLED, ESME_RMSGQFUL, ESME_RSYSERR};
	Rng			rng = rng_for(fleet->config.seed, RNG_REFUSE, card->serial, card->mt_count);
	uint64_t	which = rng_below(&rng, 3);

	if (!rng_chance(&rng, fleet->faults.refuse))
		return ESME_ROK;
	switch ((RefuseWith) fleet->faults.refuse_with)
	{
		case REFUSE_THROTTLED:
			return ESME_RTHROTTLED;
		case REFUSE_QUEUE_FULL:
			return ESME_RMSGQFUL;
		case REFUSE_SYSTEM_ERROR:
			return ESME_RSYSERR;
		case REFUSE_INVALID_ADDRESS:
			return ESME_RINVDSTADR;
		case REFUSE_MIX:
			break;
	}
	return temporary[which];
}

static uint64_t
read_msisdn(const char *digits)
{
	uint64_t	number = 0;

	if (*digits == '+')
		digits++;
	for (; *digits != '\0'; digits++)
	{
		if (*digits < '0' || *digits > '9' || number > UINT64_MAX / 100)
			return 0;
		number = number * 10 + (uint64_t) (*digits - '0');
	}
	return number;
}

uint32_t
smsc_submit(Smsc *smsc, const SmppMessage *message, char id[24])
{
	Smscs	   *smscs = smsc->all;
	Fleet	   *fleet = smscs->fleet;
	uint64_t	msisdn = read_msisdn(message->destination.digits);
	Profile    *profile;
	Card	   *card = fleet_by_msisdn(fleet, msisdn, &profile);
	uint64_t	validity = smpp_validity(message->validity, time(NULL));
	uint32_t	status;
	Rng			rng;
	Fate		fate;

	if (card == NULL)
		return ESME_RINVDSTADR;
	status = refusal(fleet, card);
	rng = rng_for(fleet->config.seed, RNG_MT, card->serial, card->mt_count++);
	if (status != ESME_ROK)
		return status;
	fate = fate_draw(&fleet->faults.mt, &rng);
	smscs->message_id++;
	snprintf(id, 24, "%016" PRIx64, smscs->id_base + smscs->message_id);
	if (fate.copies == 0)
		fleet->stats.mt_lost++;
	for (int i = 0; i < fate.copies; i++)
	{
		MtMessage  *mt = make(sizeof *mt + message->ud.len);

		mt->smsc = smsc;
		mt->card = card;
		mt->msisdn = msisdn;
		mt->expires = fleet->now + (validity > 0 ? validity : DEFAULT_VALIDITY_S) * UINT64_C(1000000);
		mt->source = message->source;
		mt->destination = message->destination;
		mt->protocol_id = message->protocol_id;
		mt->data_coding = message->data_coding;
		mt->esm_class = message->esm_class;
		mt->registered_delivery = message->registered_delivery;
		mt->copy = i > 0;
		mt->id = smscs->id_base + smscs->message_id;
		mt->ud_len = (uint16_t) message->ud.len;
		if (message->ud.len > 0)
			memcpy(mt->ud, message->ud.data, message->ud.len);
		if (fate.bit_error)
			flip(mt->ud, mt->ud_len, fate.bit);
		smscs->in_transit++;
		timer_add(&fleet->timers, fleet->now + fate.delay[i], mt_arrives, mt, 0);
	}
	return ESME_ROK;
}

void
smscs_init(Smscs *smscs, Fleet *fleet)
{
	smscs->fleet = fleet;
	/* Ids must not come again when the simulator is started again. */
	smscs->id_base = (uint64_t) time(NULL) << 24;
	fleet->send_mo = carry_mo;
	fleet->is_back = card_is_back;
	fleet->carrier = smscs;
	for (unsigned i = 0; i < smscs->count; i++)
	{
		smscs->smsc[i].all = smscs;
		smscs->smsc[i].number = i;
		smscs->smsc[i].last = &smscs->smsc[i].first;
	}
}

void
smscs_free(Smscs *smscs)
{
	Timer		timer;

	for (unsigned i = 0; i < smscs->count; i++)
	{
		Smsc	   *smsc = &smscs->smsc[i];

		smsc_disconnect(smsc);
		smsc_sweep(smsc);
		while (smsc->first != NULL)
		{
			MoMessage  *next = smsc->first->next;

			mo_free(smsc->first);
			smsc->first = next;
		}
	}
	for (uint32_t i = 0; i < smscs->fleet->config.cards; i++)
	{
		while (smscs->fleet->cards[i].waiting != NULL)
		{
			MtMessage  *next = smscs->fleet->cards[i].waiting->next;

			free(smscs->fleet->cards[i].waiting);
			smscs->fleet->cards[i].waiting = next;
		}
	}
	while (timers_take(&smscs->fleet->timers, UINT64_MAX, &timer))
	{
		if (timer.call == mt_arrives || timer.call == mo_arrives ||
			timer.call == try_again)
			free(timer.object);
	}
}
