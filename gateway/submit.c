/*
 * submit.c
 *	  Claimed messages to submit_sm, within the window, the rate and the SMSC's
 *	  patience; and what becomes of them.
 */
#include "clock.h"
#include "log.h"
#include "outgoing.h"
#include "session.h"
#include "statistics.h"
#include "status.h"

#include <smpp34.h>
#include <stdio.h>

/* octets not yet taken by the socket: enough to keep it busy, few to hand back */
#define OUTPUT_ENOUGH 65536

static void
release(const ClaimedMessage *message)
{
	outgoing_release(message->sms_id, message->claimed_at);
}

int
submit_release_ready(Bind *bind)
{
	int			count = (int) bind->ready.count;

	for (size_t i = 0; i < bind->ready.count; i++)
		release(queue_at(&bind->ready, i));
	queue_drop(&bind->ready, bind->ready.count);
	return count;
}

/*
 * What the socket never took has certainly not been submitted and goes back at
 * once.  What it took may have been: only the lease's end may decide.
 */
void
submit_release_unsent(Bind *bind, int *unsent, int *unknown)
{
	WindowEntry *entry;
	WindowEntry taken;

	*unsent = *unknown = 0;
	while ((entry = window_oldest(&bind->window)) != NULL)
	{
		window_take(&bind->window, entry->sequence, &taken);
		if (taken.end > bind->sent)
		{
			outgoing_release(taken.sms_id, taken.claimed_at);
			++*unsent;
		}
		else
			++*unknown;
	}
	statistics.unanswered += (uint64_t) *unknown;
}

/* SMSCs count per second, so a burst is a tenth of that */
static void
refill(Bind *bind, int64_t now)
{
	double		rate = bind->config->rate;
	double		most = rate / 10 < 1 ? 1 : rate / 10;

	bind->tokens += rate * (double) (now - bind->tokens_at) / 1000;
	bind->tokens_at = now;
	if (bind->tokens > most)
		bind->tokens = most;
}

/* a message must reach the SMSC well before somebody else may claim it */
static int64_t
hold_time(const Bind *bind)
{
	return bind->gateway->lease / 2;
}

int
bind_room(const Bind *bind, int64_t now)
{
	int			limit = (int) bind->window.limit;
	int			ahead = limit < 256 ? limit : 256;
	int			ready = (int) bind->ready.count;
	int			room = limit - (int) bind->window.count + ahead - ready;

	if (bind->state != BIND_BOUND || bind->draining || now < bind->paused_until)
		return 0;
	if (bind->config->rate > 0)
	{
		int64_t		soon = (int64_t) bind->config->rate * hold_time(bind) / 2000;

		if (soon < 1)
			soon = 1;
		if (room > soon - ready)
			room = (int) (soon - ready);
	}
	if (room > bind->gateway->batch)
		room = bind->gateway->batch;
	/* a statement for a handful is not worth it while there is enough to do */
	if (ready >= (ahead + 1) / 2 && ready > 0 && room < limit)
		return 0;
	return room > 0 ? room : 0;
}

void
bind_offer(Bind *bind, const ClaimedMessage *message)
{
	if (bind->state != BIND_BOUND || bind->draining || clock_now() < bind->paused_until)
		release(message);
	else
		queue_push(&bind->ready, message);
}

static void
submit(Bind *bind, const ClaimedMessage *message, int64_t now)
{
	const BindConfig *config = bind->config;
	uint8_t		pdu[SMPP_PACKED];
	size_t		length;
	WindowEntry *entry;
	WindowEntry taken;
	SmppSubmit	fields = {
		.service_type = config->service_type,
		.source_ton = (uint8_t) config->source_ton,
		.source_npi = (uint8_t) config->source_npi,
		.source = config->source,
		.dest_ton = (uint8_t) config->dest_ton,
		.dest_npi = (uint8_t) config->dest_npi,
		.destination = message->destination,
		.protocol_id = message->protocol_id,
		.data_coding = config->data_coding < 0 ? message->data_coding : (uint8_t) config->data_coding,
		.registered_delivery = config->registered_delivery ? 1 : 0,
		.validity = message->validity,
		.ud = message->ud,
		.ud_length = message->ud_length
	};

	if (config->max_validity > 0 && fields.validity > config->max_validity / 1000)
		fields.validity = config->max_validity / 1000;

	entry = window_add(&bind->window, message->sms_id, message->claimed_at, now);
	length = smpp_pack_submit(pdu, entry->sequence, &fields);
	if (length == 0)
	{
		window_take(&bind->window, entry->sequence, &taken);
		log_error("bind %s: sms %lld: %s", bind_name(bind), (long long) message->sms_id, smpp_complaint());
		outgoing_refused(message->sms_id, smpp_complaint(), false);
		return;
	}
	log_debug("bind %s: sms %lld: submit_sm %u to %s, %zu octets", bind_name(bind), (long long) message->sms_id,
			  entry->sequence, message->destination, fields.ud_length);
	session_put(bind, pdu, length);
	entry->end = bind->queued;
	statistics.submitted++;
}

void
submit_ready(Bind *bind, int64_t now)
{
	if (bind->state != BIND_BOUND || now < bind->paused_until)
		return;
	if (bind->config->rate > 0)
		refill(bind, now);
	while (bind->ready.count > 0)
	{
		ClaimedMessage *message = queue_at(&bind->ready, 0);

		if (now - message->claimed_at > hold_time(bind))
			release(message);
		else
		{
			if (bind->window.count >= bind->window.limit || bind->out.length > OUTPUT_ENOUGH)
				return;
			if (bind->config->rate > 0)
			{
				if (bind->tokens < 1)
					return;
				bind->tokens -= 1;
			}
			submit(bind, message, now);
		}
		queue_drop(&bind->ready, 1);
	}
}

/* Too fast, or nothing that we send is liked: wait, longer each time. */
static void
pause_bind(Bind *bind, const WindowEntry *entry, uint32_t status, StatusVerdict verdict, int64_t now)
{
	int64_t		delay;

	/* sent before the last pause: that pause has answered it already */
	if (entry->sent_at < bind->paused_until)
		return;
	delay = backoff_next(&bind->throttle, bind->config->throttle_min, bind->config->throttle_max);
	bind->paused_until = now + delay;
	log_line(verdict == VERDICT_MISCONFIGURED ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
			 "bind %s: %s: pausing for %lld ms, %zu handed back%s", bind_name(bind), status_words(status),
			 (long long) delay, bind->ready.count,
			 verdict == VERDICT_MISCONFIGURED ? "; please compare the configuration with what the SMSC expects" : "");
	submit_release_ready(bind);
}

static void
take_refusal(Bind *bind, const WindowEntry *entry, uint32_t status, int64_t now)
{
	StatusVerdict verdict = status_verdict(status);
	bool		temporary = verdict != VERDICT_PERMANENT;

	if (verdict == VERDICT_THROTTLED)
		statistics.throttled++;
	else
		statistics.refused++;
	log_line(temporary ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "bind %s: sms %lld refused: %s, %s", bind_name(bind),
			 (long long) entry->sms_id, status_words(status), temporary ? "temporary" : "permanent");
	outgoing_refused(entry->sms_id, status_words(status), temporary);
	if (verdict == VERDICT_THROTTLED || verdict == VERDICT_MISCONFIGURED)
		pause_bind(bind, entry, status, verdict, now);
}

void
submit_take_answer(Bind *bind, const uint8_t *pdu, const SmppHeader *header, int64_t now)
{
	WindowEntry entry;
	char		id[SMPP_ID] = "";

	if (!window_take(&bind->window, header->sequence, &entry))
	{
		log_warning("bind %s: answer to no submit_sm of ours, sequence %u", bind_name(bind), header->sequence);
		statistics.bad_pdus++;
		return;
	}
	if (header->status != ESME_ROK)
	{
		take_refusal(bind, &entry, header->status, now);
		return;
	}
	/* accepted all the same; a receipt for it can just not be told apart */
	if (!smpp_unpack_submit_answer(pdu, header, id))
		log_warning("bind %s: sms %lld accepted with an unusable message id: %s", bind_name(bind),
					(long long) entry.sms_id, smpp_complaint());
	if (entry.sent_at >= bind->paused_until)
		backoff_reset(&bind->throttle);
	statistics.accepted++;
	outgoing_accepted(entry.sms_id, id);
}

/* An answer that never came: the SMSC may have the message, so only forget it. */
void
submit_forget_unanswered(Bind *bind, int64_t now)
{
	WindowEntry *entry;
	WindowEntry taken;
	int			count = 0;

	while ((entry = window_oldest(&bind->window)) != NULL && now - entry->sent_at >= bind->config->response_timeout)
	{
		window_take(&bind->window, entry->sequence, &taken);
		count++;
	}
	if (count == 0)
		return;
	statistics.unanswered += (uint64_t) count;
	log_warning("bind %s: %d submit_sm without an answer after %lld ms; their leases will run out", bind_name(bind),
				count, (long long) bind->config->response_timeout);
}

/* It says that it did not understand, hence that it did not submit. */
void
submit_take_nack(Bind *bind, const SmppHeader *header, int64_t now)
{
	WindowEntry entry;

	if (!window_take(&bind->window, header->sequence, &entry))
		return;
	statistics.refused++;
	outgoing_refused(entry.sms_id, status_words(header->status), true);
	if (status_verdict(header->status) == VERDICT_THROTTLED)
		pause_bind(bind, &entry, header->status, VERDICT_THROTTLED, now);
}

/* A new session: nothing is known about the SMSC's patience. */
void
submit_restart(Bind *bind, int64_t now)
{
	bind->tokens = 1;
	bind->tokens_at = now;
	bind->paused_until = 0;
	backoff_reset(&bind->throttle);
}

int64_t
submit_deadline(const Bind *bind)
{
	int64_t		now = clock_now();
	int64_t		next = CLOCK_NEVER;

	/* timeouts of answers and leases need no precision */
	if (bind->window.count > 0 || bind->ready.count > 0)
		next = now + 250;
	if (bind->ready.count > 0 && bind->window.count < bind->window.limit && bind->config->rate > 0 && bind->tokens < 1)
		next = clock_earlier(next, now + (int64_t) ((1 - bind->tokens) * 1000 / bind->config->rate) + 1);
	if (bind->paused_until > now)
		next = clock_earlier(next, bind->paused_until);
	return next;
}
