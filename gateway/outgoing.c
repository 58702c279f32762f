/*
 * outgoing.c
 *	  The connection that claims messages and reports what became of them.
 *
 * One statement at a time; while it runs, the next batch gathers.  The kinds of
 * work take turns.  Nothing is forgotten before the database has committed it: a
 * batch stays at the head of its queue while it is in flight.
 */
#include "outgoing.h"
#include "clock.h"
#include "log.h"
#include "memory.h"
#include "statistics.h"
#include "status.h"

#include <ctype.h>
#include <smpp34.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum WorkKind
{
	WORK_SUBMITTED,
	WORK_REFUSED,
	WORK_RELEASE,
	WORK_RECEIPT,
	WORK_TICK,
	WORK_CLAIM,
	WORK_KINDS
} WorkKind;

/* the first four kinds have a queue */
#define QUEUES (WORK_RECEIPT + 1)

typedef struct Submitted
{
	int64_t		sms_id;
	char		smsc_id[SMPP_ID];
} Submitted;

typedef struct Refused
{
	int64_t		sms_id;
	bool		temporary;
	char		reason[96];
} Refused;

typedef struct Release
{
	int64_t		sms_id;
	int64_t		claimed_at;
} Release;

typedef struct Receipt
{
	Origin		origin;
	uint64_t	after;			/* so many submissions must be stored before it */
	bool		answered;
	char		smsc_id[SMPP_ID];
	char		state[RECEIPT_STATE];
} Receipt;

/* a bell may ring for every message; a claim is worth so long a wait for more */
#define BELL_DELAY 20
/* the database gives out whole packets only: so many messages always hold one */
#define PACKET_LONGEST 32
/* a statement that failed for no fault of its data */
#define RETRY_DELAY 1000
#define RETRIES 30

static const char *const work_names[] = {
	"sms_submitted", "sms_refused", "release_sms", "sms_delivery_report", "tick", "claim_sms"
};

static const char *const statements[] = {
	"SELECT smsr.sms_submitted($1, $2)",
	"SELECT smsr.sms_refused(u.i, u.r, u.t) FROM (SELECT * FROM unnest($1, $2, $3) AS a(i, r, t) ORDER BY i) AS u",
	"SELECT smsr.release_sms($1)",
	"SELECT smsr.sms_delivery_report(u.i, u.s) FROM unnest($1, $2) AS u(i, s)",
	"SELECT smsr.tick()",
	/* not the EID: a gateway has no need to know which card it serves */
	"SELECT c.sms_id, c.destination, c.tp_pid, c.tp_dcs, c.tp_ud, ceil(extract(epoch FROM c.validity))::bigint FROM smsr.claim_sms($1, $2, $3::interval) AS c"
};

static struct
{
	const Config *config;
	Database   *database;
	Bind	  **binds;
	int			bind_count;
	bool		draining;

	Queue		queues[QUEUES];
	size_t		limit[QUEUES];	/* of a batch; smaller after a failure */
	int			tries[QUEUES];
	int64_t		retry_at[WORK_KINDS];
	uint64_t	submissions_queued;
	uint64_t	submissions_stored;
	bool		catching_up;	/* tell what happened before asking for more */

	bool		busy;
	WorkKind	kind;			/* in flight */
	size_t		count;			/* items in flight */
	int			turn;			/* kind that is looked at first */

	int			claim_turn;
	Bind	   *claimer;
	int			claim_asked;
	int64_t		claimed_at;
	int64_t		claim_due[CONFIG_BINDS];
	bool		claim_empty[CONFIG_BINDS];	/* the last claim found nothing that fits */
	int64_t		bell_at;
	int64_t		tick_due;
	int64_t		answer_at;		/* when the oldest receipt must be answered */
} outgoing;

/*
 * from the binds
 */

/* Text from a peer must not make a statement fail: printable ASCII is left. */
static void
copy_printable(char *to, size_t size, const char *from)
{
	size_t		length = 0;

	for (; *from && length < size - 1; from++)
		to[length++] = *from >= 0x20 && *from < 0x7F ? *from : '?';
	to[length] = '\0';
}

void
outgoing_accepted(int64_t sms_id, const char *smsc_id)
{
	Submitted	item = {.sms_id = sms_id};

	copy_printable(item.smsc_id, sizeof(item.smsc_id), smsc_id);
	queue_push(&outgoing.queues[WORK_SUBMITTED], &item);
	outgoing.submissions_queued++;
}

void
outgoing_refused(int64_t sms_id, const char *reason, bool temporary)
{
	Refused		item = {.sms_id = sms_id,.temporary = temporary};

	copy_printable(item.reason, sizeof(item.reason), reason);
	queue_push(&outgoing.queues[WORK_REFUSED], &item);
}

void
outgoing_release(int64_t sms_id, int64_t claimed_at)
{
	Release		item = {sms_id, claimed_at};

	statistics.released++;
	queue_push(&outgoing.queues[WORK_RELEASE], &item);
}

void
outgoing_receipt(const Origin *origin, const char *id, const char *state)
{
	Receipt		item = {.origin = *origin,.after = outgoing.submissions_queued};

	if (outgoing.queues[WORK_RECEIPT].count >= (size_t) outgoing.config->incoming_queue)
	{
		statistics.turned_away++;
		bind_answer(origin, ESME_RMSGQFUL);
		return;
	}
	copy_printable(item.smsc_id, sizeof(item.smsc_id), id);
	copy_printable(item.state, sizeof(item.state), state);
	queue_push(&outgoing.queues[WORK_RECEIPT], &item);
}

size_t
outgoing_receipts_waiting(void)
{
	return outgoing.queues[WORK_RECEIPT].count;
}

/*
 * building statements
 */

/*
 * A lease that has run out while the database was away is no longer ours to hand
 * back: the message may be in somebody else's hands.
 */
static void
drop_stale_releases(int64_t now)
{
	Queue	   *queue = &outgoing.queues[WORK_RELEASE];

	while (queue->count > 0 && now - ((Release *) queue_at(queue, 0))->claimed_at >= outgoing.config->lease)
		queue_drop(queue, 1);
}

static size_t
batch_of(WorkKind kind)
{
	const Queue *queue = &outgoing.queues[kind];
	size_t		count = queue->count;
	size_t		ready = 0;

	if (count > outgoing.limit[kind])
		count = outgoing.limit[kind];
	if (kind != WORK_RECEIPT)
		return count;
	/* a receipt may overtake the answer that names its message; not here */
	while (ready < count && ((Receipt *) queue_at(queue, ready))->after <= outgoing.submissions_stored)
		ready++;
	return ready;
}

static void
send_batch(WorkKind kind, size_t count)
{
	const Queue *queue = &outgoing.queues[kind];
	Parameters	parameters = {0};
	ArrayBuilder first;
	ArrayBuilder second;
	ArrayBuilder third;

	array_begin(&first);
	array_begin(&second);
	array_begin(&third);
	for (size_t i = 0; i < count; i++)
	{
		const void *item = queue_at(queue, i);

		switch (kind)
		{
			case WORK_SUBMITTED:
				array_add_int8(&first, ((const Submitted *) item)->sms_id);
				array_add_text(&second, ((const Submitted *) item)->smsc_id);
				break;
			case WORK_REFUSED:
				array_add_int8(&first, ((const Refused *) item)->sms_id);
				array_add_text(&second, ((const Refused *) item)->reason);
				array_add_bool(&third, ((const Refused *) item)->temporary);
				break;
			case WORK_RELEASE:
				array_add_int8(&first, ((const Release *) item)->sms_id);
				break;
			default:
				array_add_text(&first, ((const Receipt *) item)->smsc_id);
				array_add_text(&second, ((const Receipt *) item)->state);
				break;
		}
	}
	parameter_array(&parameters, kind == WORK_RECEIPT ? OID_TEXT : OID_INT8, &first);
	if (kind != WORK_RELEASE)
		parameter_array(&parameters, OID_TEXT, &second);
	if (kind == WORK_REFUSED)
		parameter_array(&parameters, OID_BOOL, &third);

	outgoing.count = count;
	database_send(outgoing.database, statements[kind], &parameters);
}

static void
send_claim(int index, int room, int64_t now)
{
	Parameters	parameters = {0};
	char		lease[32];

	outgoing.claimer = outgoing.binds[index];
	outgoing.claim_turn = index;
	outgoing.claim_asked = room;
	outgoing.claimed_at = now;
	outgoing.count = 0;
	snprintf(lease, sizeof(lease), "%lld milliseconds", (long long) outgoing.config->lease);
	parameter_text(&parameters, bind_name(outgoing.claimer));
	parameter_int4(&parameters, room);
	parameter_text(&parameters, lease);
	database_send(outgoing.database, statements[WORK_CLAIM], &parameters);
}

/*
 * choosing what to do next
 */

static bool
told_everything(void)
{
	return outgoing.queues[WORK_SUBMITTED].count == 0 && outgoing.queues[WORK_REFUSED].count == 0 &&
		outgoing.queues[WORK_RELEASE].count == 0;
}

static bool
try_claim(int64_t now)
{
	for (int i = 1; i <= outgoing.bind_count; i++)
	{
		int			index = (outgoing.claim_turn + i) % outgoing.bind_count;
		int			room;

		if (now < outgoing.claim_due[index])
			continue;
		room = bind_room(outgoing.binds[index], now);
		if (room == 0)
			continue;
		if (outgoing.claim_empty[index] && room < PACKET_LONGEST)
			room = PACKET_LONGEST;
		outgoing.busy = true;
		outgoing.kind = WORK_CLAIM;
		send_claim(index, room, now);
		return true;
	}
	return false;
}

static bool
try_work(WorkKind kind, int64_t now)
{
	Parameters	none = {0};
	size_t		count;

	if (now < outgoing.retry_at[kind])
		return false;
	if (kind < QUEUES)
	{
		if (kind == WORK_RELEASE)
			drop_stale_releases(now);
		count = batch_of(kind);
		if (count == 0)
			return false;
		outgoing.busy = true;
		outgoing.kind = kind;
		send_batch(kind, count);
		return true;
	}
	/* what is known must be told before a lease is judged */
	if (outgoing.draining || (outgoing.catching_up && !told_everything()))
		return false;
	outgoing.catching_up = false;
	if (kind == WORK_CLAIM)
		return try_claim(now);
	if (outgoing.config->tick_interval == 0 || now < outgoing.tick_due)
		return false;
	outgoing.busy = true;
	outgoing.kind = WORK_TICK;
	outgoing.count = 0;
	outgoing.tick_due = now + outgoing.config->tick_interval;
	database_send(outgoing.database, statements[WORK_TICK], &none);
	return true;
}

/* A receipt that cannot be stored for now: let the SMSC keep it. */
static void
give_up_old_receipts(int64_t now)
{
	Queue	   *queue = &outgoing.queues[WORK_RECEIPT];
	size_t		in_flight = outgoing.busy && outgoing.kind == WORK_RECEIPT ? outgoing.count : 0;
	int			given_up = 0;

	outgoing.answer_at = CLOCK_NEVER;
	for (size_t i = 0; i < queue->count; i++)
	{
		Receipt    *receipt = queue_at(queue, i);

		if (receipt->answered)
			continue;
		if (now - receipt->origin.arrived_at < outgoing.config->deliver_timeout)
		{
			outgoing.answer_at = receipt->origin.arrived_at + outgoing.config->deliver_timeout;
			break;
		}
		bind_answer(&receipt->origin, ESME_RX_T_APPN);
		receipt->answered = true;
		given_up++;
	}
	while (in_flight == 0 && queue->count > 0 && ((Receipt *) queue_at(queue, 0))->answered)
		queue_drop(queue, 1);
	if (given_up > 0)
		log_warning("database (outgoing): %d delivery receipts not stored in time; the SMSC is asked to deliver them again",
					given_up);
}

void
outgoing_step(int64_t now)
{
	if (now >= outgoing.answer_at || (outgoing.answer_at == CLOCK_NEVER && outgoing.queues[WORK_RECEIPT].count > 0))
		give_up_old_receipts(now);
	database_step(outgoing.database, now);
	if (!database_idle(outgoing.database) || outgoing.busy)
		return;
	for (int i = 0; i < WORK_KINDS; i++)
	{
		WorkKind	kind = (WorkKind) ((outgoing.turn + i) % WORK_KINDS);

		if (try_work(kind, now))
		{
			outgoing.turn = (kind + 1) % WORK_KINDS;
			return;
		}
	}
}

int64_t
outgoing_deadline(void)
{
	int64_t		next = database_deadline(outgoing.database);
	int64_t		now = clock_now();

	next = clock_earlier(next, outgoing.answer_at);
	if (!database_idle(outgoing.database) || outgoing.busy)
		return next;
	if (!outgoing.draining)
	{
		if (outgoing.config->tick_interval > 0)
			next = clock_earlier(next, outgoing.tick_due > outgoing.retry_at[WORK_TICK] ? outgoing.tick_due
								 : outgoing.retry_at[WORK_TICK]);
		for (int i = 0; i < outgoing.bind_count; i++)
		{
			if (bind_room(outgoing.binds[i], now) > 0)
				next = clock_earlier(next, outgoing.claim_due[i] > outgoing.retry_at[WORK_CLAIM] ? outgoing.claim_due[i]
									 : outgoing.retry_at[WORK_CLAIM]);
		}
	}
	for (int kind = 0; kind < QUEUES; kind++)
	{
		if (outgoing.queues[kind].count > 0 && batch_of((WorkKind) kind) > 0)
			next = clock_earlier(next, outgoing.retry_at[kind]);
	}
	return next;
}

/*
 * what the database answered
 */

/* A claimed row that cannot be a short message is refused here and now. */
static bool
read_claimed(const PGresult *result, int row, ClaimedMessage *message, char *problem, size_t size)
{
	const char *destination = PQgetvalue(result, row, 1);
	int			pid = result_int4(result, row, 2);
	int			dcs = result_int4(result, row, 3);
	int			length = PQgetlength(result, row, 4);

	memset(message, 0, sizeof(*message));
	message->sms_id = result_int8(result, row, 0);
	if (*destination == '+')
		destination++;
	if (*destination == '\0' || strlen(destination) >= SMPP_ADDRESS ||
		strspn(destination, "0123456789") != strlen(destination))
		snprintf(problem, size, "gateway: the destination is not a number of 1 to 20 digits");
	else if (length == 0 || length > SMPP_UD_LONGEST)
		snprintf(problem, size, "gateway: %d octets of user data, 1 to 140 are possible", length);
	else if (pid < 0 || pid > 255 || dcs < 0 || dcs > 255)
		snprintf(problem, size, "gateway: protocol identifier or data coding is not an octet");
	else
	{
		strcpy(message->destination, destination);
		message->protocol_id = (uint8_t) pid;
		message->data_coding = (uint8_t) dcs;
		message->ud_length = (uint8_t) length;
		memcpy(message->ud, PQgetvalue(result, row, 4), (size_t) length);
		message->claimed_at = outgoing.claimed_at;
		if (!PQgetisnull(result, row, 5))
		{
			message->validity = result_int8(result, row, 5);
			if (message->validity < 1)
				message->validity = 1;
		}
		return true;
	}
	return false;
}

static void
take_claimed(const PGresult *result)
{
	int			rows = PQntuples(result);
	int			index = outgoing.claim_turn;
	ClaimedMessage message;
	char		problem[96];

	statistics.claimed += (uint64_t) rows;
	for (int row = 0; row < rows; row++)
	{
		if (read_claimed(result, row, &message, problem, sizeof(problem)))
			bind_offer(outgoing.claimer, &message);
		else
		{
			log_error("sms %lld: %s", (long long) message.sms_id, problem);
			outgoing_refused(message.sms_id, problem, false);
		}
	}
	outgoing.claim_empty[index] = rows == 0;
	if (rows >= outgoing.claim_asked)
		outgoing.claim_due[index] = 0;
	else if (rows > 0 || outgoing.bell_at >= outgoing.claimed_at)
		outgoing.claim_due[index] = clock_now() + BELL_DELAY;
	else
		outgoing.claim_due[index] = outgoing.claimed_at + outgoing.config->poll_interval;
	if (rows > 0)
		log_debug("bind %s: claimed %d of %d", bind_name(outgoing.claimer), rows, outgoing.claim_asked);
}

static void
drop_batch(WorkKind kind, uint32_t receipt_status)
{
	Queue	   *queue = &outgoing.queues[kind];

	if (kind == WORK_SUBMITTED)
		outgoing.submissions_stored += outgoing.count;
	for (size_t i = 0; kind == WORK_RECEIPT && i < outgoing.count; i++)
	{
		Receipt    *receipt = queue_at(queue, i);

		if (!receipt->answered)
			bind_answer(&receipt->origin, receipt_status);
	}
	queue_drop(queue, outgoing.count);
	outgoing.tries[kind] = 0;
}

static void
committed(const PGresult *result)
{
	WorkKind	kind = outgoing.kind;

	if (kind == WORK_CLAIM)
		take_claimed(result);
	else if (kind == WORK_TICK)
		statistics.ticked++;
	else
	{
		drop_batch(kind, ESME_ROK);
		if (outgoing.limit[kind] < (size_t) outgoing.config->batch)
			outgoing.limit[kind] *= 2;
	}
}

/*
 * One bad item must not hold up the others: halve the batch until it is alone,
 * then drop it, or, if it is not its own fault, try for a while.
 */
static void
failed(const char *sqlstate, int64_t now)
{
	WorkKind	kind = outgoing.kind;
	bool		hopeless = sqlstate_blames_data(sqlstate);

	log_debug("database (outgoing): %s of %zu failed", work_names[kind], outgoing.count);
	if (kind >= QUEUES)
	{
		outgoing.retry_at[kind] = now + RETRY_DELAY;
		return;
	}
	if (outgoing.count > 1)
	{
		outgoing.limit[kind] = outgoing.count / 2;
		if (!hopeless)
			outgoing.retry_at[kind] = now + RETRY_DELAY / 10;
		return;
	}
	if (!hopeless && ++outgoing.tries[kind] < RETRIES)
	{
		outgoing.retry_at[kind] = now + RETRY_DELAY;
		return;
	}
	if (kind != WORK_RECEIPT)
	{
		int64_t		sms_id = *(int64_t *) queue_at(&outgoing.queues[kind], 0);	/* first in all of them */

		log_error("%s for sms %lld given up; its lease will run out", work_names[kind], (long long) sms_id);
	}
	drop_batch(kind, ESME_RX_T_APPN);
}

static void
finished(void *self, DatabaseOutcome outcome, const PGresult *result, const char *sqlstate)
{
	(void) self;
	outgoing.busy = false;
	switch (outcome)
	{
		case DATABASE_COMMITTED:
			committed(result);
			break;
		case DATABASE_FAILED:
			failed(sqlstate, clock_now());
			break;
		case DATABASE_LOST:
			/* queues keep their heads; a claim that did happen is under a lease */
			break;
	}
	outgoing.count = 0;
}

static void
connected(void *self)
{
	(void) self;
	outgoing.turn = WORK_SUBMITTED;
	outgoing.catching_up = true;
	memset(outgoing.retry_at, 0, sizeof(outgoing.retry_at));
	memset(outgoing.claim_due, 0, sizeof(outgoing.claim_due));
}

/* The bell says only that there may be something. */
static void
notified(void *self)
{
	int64_t		soon = clock_now() + BELL_DELAY;

	(void) self;
	outgoing.bell_at = clock_now();
	for (int i = 0; i < outgoing.bind_count; i++)
		outgoing.claim_due[i] = clock_earlier(outgoing.claim_due[i], soon);
}

Database *
outgoing_start(const Config *config, Bind **binds, int bind_count)
{
	static const DatabaseOwner owner = {finished, connected, notified, NULL, 0, NULL};

	outgoing.config = config;
	outgoing.binds = binds;
	outgoing.bind_count = bind_count;
	queue_init(&outgoing.queues[WORK_SUBMITTED], sizeof(Submitted));
	queue_init(&outgoing.queues[WORK_REFUSED], sizeof(Refused));
	queue_init(&outgoing.queues[WORK_RELEASE], sizeof(Release));
	queue_init(&outgoing.queues[WORK_RECEIPT], sizeof(Receipt));
	for (int i = 0; i < QUEUES; i++)
		outgoing.limit[i] = (size_t) config->batch;
	outgoing.answer_at = CLOCK_NEVER;
	outgoing.database = database_new("outgoing", config, "smsr_sms", &owner);
	return outgoing.database;
}

void
outgoing_reconfigure(const Config *config)
{
	outgoing.config = config;
}

void
outgoing_drain(void)
{
	outgoing.draining = true;
}

size_t
outgoing_untold(void)
{
	size_t		count = 0;

	for (int i = 0; i < QUEUES; i++)
		count += outgoing.queues[i].count;
	return count;
}

bool
outgoing_empty(void)
{
	return !outgoing.busy && outgoing_untold() == 0;
}
