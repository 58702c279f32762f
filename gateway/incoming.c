/*
 * incoming.c
 *	  The connection that hands received short messages to the database.
 *
 * The SMSC gets its answer when the message is committed, not before.  Until
 * then it is the SMSC that remembers the message; what waits here may be lost.
 */
#include "incoming.h"
#include "clock.h"
#include "log.h"
#include "memory.h"
#include "outgoing.h"
#include "statistics.h"

#include <smpp34.h>
#include <stdlib.h>
#include <string.h>

/* octets that may wait, whatever their number */
#define OCTETS_WAITING (4 * 1024 * 1024)
#define RETRY_DELAY 1000

typedef struct Received
{
	Origin		origin;
	char		originator[SMPP_ADDRESS];
	uint8_t    *ud;
	size_t		ud_length;
	bool		answered;		/* too late: the SMSC will deliver it again */
} Received;

static struct
{
	const Config *config;
	Database   *database;
	Queue		waiting;		/* Received; the first 'in_flight' are being stored */
	size_t		in_flight;
	size_t		octets;
	size_t		limit;			/* of a batch; smaller after a failure */
	int64_t		retry_at;
	int64_t		answer_at;		/* when the oldest must be answered */
} incoming;

static const char statement[] = "SELECT smsr.receive_sms($1, $2)";

static Received *
received_at(size_t index)
{
	return queue_at(&incoming.waiting, index);
}

size_t
incoming_waiting(void)
{
	return incoming.waiting.count;
}

bool
incoming_message(const Origin *origin, const char *originator, const uint8_t *ud, size_t ud_length)
{
	Received	item = {.origin = *origin,.ud_length = ud_length};
	size_t		length = 0;

	if (incoming.waiting.count + outgoing_receipts_waiting() >= (size_t) incoming.config->incoming_queue ||
		incoming.octets + ud_length > OCTETS_WAITING)
		return false;
	/* a number is what we expect; whatever else it is, it must be valid text */
	for (; *originator && length < sizeof(item.originator) - 1; originator++)
		item.originator[length++] = *originator >= 0x20 && *originator < 0x7F ? *originator : '?';
	item.ud = memory_copy(ud, ud_length);
	incoming.octets += ud_length;
	queue_push(&incoming.waiting, &item);
	return true;
}

static void
drop_first(void)
{
	Received   *item = received_at(0);

	incoming.octets -= item->ud_length;
	free(item->ud);
	queue_drop(&incoming.waiting, 1);
}

static void
answer_first(size_t count, uint32_t status)
{
	for (size_t i = 0; i < count; i++)
	{
		Received   *item = received_at(0);

		if (!item->answered)
			bind_answer(&item->origin, status);
		drop_first();
	}
}

static void
send_batch(void)
{
	Parameters	parameters = {0};
	ArrayBuilder originators;
	ArrayBuilder uds;
	size_t		count = incoming.waiting.count;

	if (count > incoming.limit)
		count = incoming.limit;
	array_begin(&originators);
	array_begin(&uds);
	for (size_t i = 0; i < count; i++)
	{
		const Received *item = received_at(i);

		array_add_text(&originators, item->originator);
		array_add(&uds, item->ud, item->ud_length);
	}
	parameter_array(&parameters, OID_TEXT, &originators);
	parameter_array(&parameters, OID_BYTEA, &uds);
	incoming.in_flight = count;
	database_send(incoming.database, statement, &parameters);
}

/* The database is away or slow: ask the SMSC to keep what has waited too long. */
static void
give_up_old(int64_t now)
{
	int			given_up = 0;

	incoming.answer_at = CLOCK_NEVER;
	for (size_t i = 0; i < incoming.waiting.count; i++)
	{
		Received   *item = received_at(i);

		if (item->answered)
			continue;
		if (now - item->origin.arrived_at < incoming.config->deliver_timeout)
		{
			incoming.answer_at = item->origin.arrived_at + incoming.config->deliver_timeout;
			break;
		}
		bind_answer(&item->origin, ESME_RX_T_APPN);
		item->answered = true;
		given_up++;
	}
	while (incoming.in_flight == 0 && incoming.waiting.count > 0 && received_at(0)->answered)
		drop_first();
	statistics.turned_away += (uint64_t) given_up;
	if (given_up > 0)
		log_warning("database (incoming): %d messages not stored in time; the SMSC is asked to deliver them again", given_up);
}

void
incoming_step(int64_t now)
{
	/* nobody waits for an answer: a time that has passed must not wake us for ever */
	if (incoming.waiting.count == 0)
		incoming.answer_at = CLOCK_NEVER;
	else if (now >= incoming.answer_at || incoming.answer_at == CLOCK_NEVER)
		give_up_old(now);
	database_step(incoming.database, now);
	if (incoming.waiting.count > 0 && incoming.in_flight == 0 && now >= incoming.retry_at && database_idle(incoming.database))
		send_batch();
}

int64_t
incoming_deadline(void)
{
	int64_t		next = clock_earlier(database_deadline(incoming.database), incoming.answer_at);

	if (incoming.waiting.count > 0 && incoming.in_flight == 0 && database_idle(incoming.database))
		next = clock_earlier(next, incoming.retry_at);
	return next;
}

static void
failed(size_t count, const char *sqlstate)
{
	/* lock_not_available: somebody keeps its card's row; those behind it do not wait, too */
	bool		hopeless = sqlstate_blames_data(sqlstate) || strcmp(sqlstate, "55P03") == 0;

	/* find the one that is to blame; the others go through */
	if (count > 1)
	{
		incoming.limit = count / 2;
		if (!hopeless)
			incoming.retry_at = clock_now() + RETRY_DELAY / 10;
	}
	else if (hopeless)
	{
		const Received *item = received_at(0);

		log_error("bind %s: message from %s of %zu octets cannot be stored (SQLSTATE %s); the SMSC keeps it",
				  bind_name(item->origin.bind), item->originator, item->ud_length, sqlstate);
		statistics.turned_away++;
		answer_first(1, ESME_RX_T_APPN);
	}
	else
		incoming.retry_at = clock_now() + RETRY_DELAY;
}

static void
finished(void *self, DatabaseOutcome outcome, const PGresult *result, const char *sqlstate)
{
	size_t		count = incoming.in_flight;

	(void) self;
	(void) result;
	incoming.in_flight = 0;
	switch (outcome)
	{
		case DATABASE_COMMITTED:
			statistics.stored += count;
			answer_first(count, ESME_ROK);
			if (incoming.limit < (size_t) incoming.config->batch)
				incoming.limit *= 2;
			break;
		case DATABASE_FAILED:
			failed(count, sqlstate);
			break;
		case DATABASE_LOST:
			/* perhaps stored: storing a message twice does no harm, losing it would */
			break;
	}
}

static void
connected(void *self)
{
	(void) self;
	incoming.retry_at = 0;
}

static void
notified(void *self)
{
	(void) self;
}

Database *
incoming_start(const Config *config)
{
	static const DatabaseOwner owner = {finished, connected, notified, NULL, 0, NULL};

	incoming.config = config;
	incoming.limit = (size_t) config->batch;
	incoming.answer_at = CLOCK_NEVER;
	queue_init(&incoming.waiting, sizeof(Received));
	incoming.database = database_new("incoming", config, NULL, &owner);
	return incoming.database;
}

void
incoming_reconfigure(const Config *config)
{
	incoming.config = config;
}
