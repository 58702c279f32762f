/*
 * pool.c
 *	  The connections over which requests of HTTPS clients reach the database.
 *
 * A request that the database has refused for no fault of its own is asked again.
 * One whose connection broke is not: it may have been carried out, and the card
 * will say by X-Admin-Resume where it stands.  The others change nothing that a
 * second time could harm.
 */
#include "pool.h"
#include "clock.h"
#include "log.h"
#include "statistics.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_DELAY 100
#define RETRY_LONGEST 5000
/* a look-up of a key reads a row or two; if one hangs, the others have another way */
#define KEY_TIMEOUT 5000
#define KEY_CONNECTIONS 2
/* ends that wait to be told; beyond that the database finds out by its own clock */
#define ENDS_WAITING 20000

typedef struct Slot
{
	Database   *database;
	Ask		   *ask;			/* in flight */
} Slot;

typedef TAILQ_HEAD(AskList, Ask) AskList;

typedef struct Lane
{
	Slot		slots[CONFIG_HTTPS_CONNECTIONS];
	int			count;
	AskList		waiting;
} Lane;

static struct
{
	PoolAnswer	answer;
	void		(*bell) (void);
	Lane		keys;
	Lane		requests;
	size_t		waiting;		/* asks of both lanes, in flight or not */
	size_t		ends;			/* of these, ASK_CLOSED */
} pool;

/* one row for each header field; the first one brings the rest */
#define ANSWER_OF(call) \
	"SELECT r.status, ceil(extract(epoch FROM r.hold) * 1000)::bigint, h.name, h.value, " \
	"CASE WHEN coalesce(h.n, 1) = 1 THEN r.body END " \
	"FROM " call " AS r LEFT JOIN LATERAL jsonb_each_text(r.headers) WITH ORDINALITY AS h(name, value, n) ON true"

static const char key_statement[] = "SELECT smsr.https_psk($1::text)";
static const char request_statement[] =
	ANSWER_OF("smsr.https_request(identity => $1::text, method => $2::text, uri => $3::text, headers => $4::jsonb, "
			  "body => $5::bytea, gateway => $6::text, session => $7::text)");
static const char next_statement[] =
	ANSWER_OF("smsr.https_next(identity => $1::text, gateway => $2::text, session => $3::text)");
static const char closed_statement[] =
	"SELECT smsr.https_closed(identity => $1::text, gateway => $2::text, session => $3::text, reason => $4::text)";

/* by AskKind */
static const char *const statements[] = {key_statement, request_statement, next_statement, closed_statement};

/* To plan a request takes the database longer than to begin with it. */
static const char *const prepared_for_keys[] = {key_statement, NULL};
static const char *const prepared_for_requests[] = {request_statement, next_statement, closed_statement, NULL};

Ask *
ask_new(AskKind kind, Client *client, const char *identity, const char *session, const char *endpoint)
{
	Ask		   *ask = memory_new(sizeof(Ask));

	ask->kind = kind;
	ask->client = client;
	ask->identity = memory_text(identity);
	strncpy(ask->session, session, sizeof(ask->session) - 1);
	ask->endpoint = endpoint;
	return ask;
}

static void
ask_free(Ask *ask)
{
	pool.waiting--;
	pool.ends -= ask->kind == ASK_CLOSED;
	free(ask->identity);
	free(ask->method);
	free(ask->target);
	free(ask->headers);
	buffer_free(&ask->body);
	free(ask);
}

static Lane *
lane_of(const Ask *ask)
{
	return ask->kind == ASK_KEY ? &pool.keys : &pool.requests;
}

void
pool_ask(Ask *ask)
{
	pool.waiting++;
	pool.ends += ask->kind == ASK_CLOSED;
	TAILQ_INSERT_TAIL(&lane_of(ask)->waiting, ask, link);
}

/* The database is told of an end once it has answered what was asked before. */
static void
become_end(Ask *ask)
{
	ask->kind = ASK_CLOSED;
	pool.ends++;
	ask->tell_end = false;
	ask->tries = 0;
	ask->retry_at = 0;
	free(ask->method);
	free(ask->target);
	free(ask->headers);
	ask->method = ask->target = ask->headers = NULL;
	buffer_free(&ask->body);
	TAILQ_INSERT_TAIL(&pool.requests.waiting, ask, link);
}

void
pool_forget(Ask *ask, const char *reason)
{
	ask->client = NULL;
	ask->reason = reason;
	if (ask->in_flight)
	{
		ask->tell_end = reason != NULL;
		return;
	}
	TAILQ_REMOVE(&lane_of(ask)->waiting, ask, link);
	if (reason)
		become_end(ask);
	else
		ask_free(ask);
}

size_t
pool_waiting(void)
{
	return pool.waiting;
}

/*
 * what the database said
 */

static void
retry(Ask *ask, int64_t delay)
{
	ask->retry_at = clock_now() + delay;
	TAILQ_INSERT_HEAD(&lane_of(ask)->waiting, ask, link);
}

/* Answered, or given up: the client is told, and what remains is its end. */
static void
conclude(Ask *ask, const PGresult *result, bool lost)
{
	Client	   *client = ask->client;
	AskKind		kind = ask->kind;

	if (ask->tell_end)
	{
		/* the database should know that this script has certainly not left */
		if (result)
			ask->reason = REASON_NOT_SENT;
		become_end(ask);
	}
	else
		ask_free(ask);
	if (client)
		pool.answer(client, kind, result, lost);
}

static void
finished(void *self, DatabaseOutcome outcome, const PGresult *result, const char *sqlstate)
{
	Slot	   *slot = self;
	Ask		   *ask = slot->ask;
	AskKind		kind = ask->kind;
	bool		unwanted = ask->client == NULL && kind != ASK_CLOSED;

	slot->ask = NULL;
	ask->in_flight = false;
	switch (outcome)
	{
		case DATABASE_COMMITTED:
			conclude(ask, result, false);
			if (kind == ASK_KEY && PQntuples(result) == 1)
				OPENSSL_cleanse(PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0));
			break;
		case DATABASE_FAILED:
			/* the statement is at fault, or it has waited for its session's whole life */
			if (unwanted || sqlstate_blames_data(sqlstate) || strncmp(sqlstate, "42", 2) == 0)
				conclude(ask, NULL, false);
			else
			{
				int64_t		delay = RETRY_DELAY << (ask->tries < 6 ? ask->tries : 6);

				ask->tries++;
				retry(ask, delay < RETRY_LONGEST ? delay : RETRY_LONGEST);
			}
			break;
		case DATABASE_LOST:
			if (unwanted || kind == ASK_REQUEST)
				conclude(ask, NULL, true);
			else
				retry(ask, 0);
			break;
	}
}

static void
connected(void *self)
{
	(void) self;
}

static void
notified(void *self)
{
	(void) self;
	pool.bell();
}

/*
 * asking
 */

static void
send(Slot *slot, Ask *ask)
{
	Parameters	parameters = {0};

	parameter_text(&parameters, ask->identity);
	switch (ask->kind)
	{
		case ASK_KEY:
			break;
		case ASK_REQUEST:
			parameter_text(&parameters, ask->method);
			parameter_text(&parameters, ask->target);
			parameter_json(&parameters, ask->headers);
			parameter_bytes(&parameters, ask->body.length > 0 ? buffer_bytes(&ask->body) : NULL, ask->body.length);
			parameter_text(&parameters, ask->endpoint);
			parameter_text(&parameters, ask->session);
			break;
		case ASK_NEXT:
			parameter_text(&parameters, ask->endpoint);
			parameter_text(&parameters, ask->session);
			break;
		case ASK_CLOSED:
			parameter_text(&parameters, ask->endpoint);
			parameter_text(&parameters, ask->session);
			parameter_text(&parameters, ask->reason);
			break;
	}
	slot->ask = ask;
	ask->in_flight = true;
	database_send(slot->database, statements[ask->kind], &parameters);
}

static Ask *
first_due(const Lane *lane, int64_t now)
{
	Ask		   *ask;

	TAILQ_FOREACH(ask, &lane->waiting, link)
	{
		if (now >= ask->retry_at)
			return ask;
	}
	return NULL;
}

static void
lane_step(Lane *lane, int64_t now)
{
	for (int i = 0; i < lane->count; i++)
	{
		Slot	   *slot = &lane->slots[i];
		Ask		   *ask;

		database_step(slot->database, now);
		if (!database_idle(slot->database) || (ask = first_due(lane, now)) == NULL)
			continue;
		TAILQ_REMOVE(&lane->waiting, ask, link);
		send(slot, ask);
	}
}

void
pool_step(int64_t now)
{
	/* the oldest are the likeliest to have been found out already */
	while (pool.ends > ENDS_WAITING)
	{
		Ask		   *ask;

		TAILQ_FOREACH(ask, &pool.requests.waiting, link)
		{
			if (ask->kind == ASK_CLOSED)
				break;
		}
		if (ask == NULL)
			break;
		TAILQ_REMOVE(&pool.requests.waiting, ask, link);
		ask_free(ask);
	}
	lane_step(&pool.keys, now);
	lane_step(&pool.requests, now);
}

static int64_t
lane_deadline(const Lane *lane)
{
	int64_t		next = CLOCK_NEVER;
	bool		idle = false;
	Ask		   *ask;

	for (int i = 0; i < lane->count; i++)
	{
		next = clock_earlier(next, database_deadline(lane->slots[i].database));
		idle |= database_idle(lane->slots[i].database);
	}
	if (idle)
	{
		TAILQ_FOREACH(ask, &lane->waiting, link)
			next = clock_earlier(next, ask->retry_at);
	}
	return next;
}

int64_t
pool_deadline(void)
{
	return clock_earlier(lane_deadline(&pool.keys), lane_deadline(&pool.requests));
}

static int
lane_sockets(const Lane *lane, struct pollfd *fds)
{
	for (int i = 0; i < lane->count; i++)
	{
		const Database *database = lane->slots[i].database;

		fds[i] = (struct pollfd) {database_socket(database), database_events(database), 0};
	}
	return lane->count;
}

int
pool_sockets(struct pollfd *fds)
{
	int			count = lane_sockets(&pool.keys, fds);

	return count + lane_sockets(&pool.requests, fds + count);
}

static int
lane_ready(const Lane *lane, const struct pollfd *fds)
{
	for (int i = 0; i < lane->count; i++)
	{
		if (fds[i].revents)
			database_ready(lane->slots[i].database);
	}
	return lane->count;
}

void
pool_ready(const struct pollfd *fds)
{
	int			count = lane_ready(&pool.keys, fds);

	lane_ready(&pool.requests, fds + count);
}

static void
lane_start(Lane *lane, const Config *config, const char *name, const char *channel, int count, int64_t timeout,
		   const char *const *prepared)
{
	TAILQ_INIT(&lane->waiting);
	lane->count = count;
	for (int i = 0; i < count; i++)
	{
		DatabaseOwner owner = {finished, connected, notified, &lane->slots[i], timeout, prepared};

		lane->slots[i].database = database_new(name, config, channel, &owner);
	}
}

void
pool_start(const Config *config, PoolAnswer answer, void (*bell) (void))
{
	pool.answer = answer;
	pool.bell = bell;
	lane_start(&pool.keys, config, "keys", "smsr_sms", KEY_CONNECTIONS, KEY_TIMEOUT, prepared_for_keys);
	lane_start(&pool.requests, config, "https", NULL, config->https_connections, 0, prepared_for_requests);
}

static void
lane_stop(Lane *lane)
{
	Ask		   *ask;

	for (int i = 0; i < lane->count; i++)
	{
		database_free(lane->slots[i].database);
		if (lane->slots[i].ask)
			ask_free(lane->slots[i].ask);
	}
	while ((ask = TAILQ_FIRST(&lane->waiting)) != NULL)
	{
		TAILQ_REMOVE(&lane->waiting, ask, link);
		ask_free(ask);
	}
}

void
pool_stop(void)
{
	lane_stop(&pool.keys);
	lane_stop(&pool.requests);
}

void
pool_reconfigure(const Config *config)
{
	for (int i = 0; i < pool.keys.count; i++)
		database_reconfigure(pool.keys.slots[i].database, config);
	for (int i = 0; i < pool.requests.count; i++)
		database_reconfigure(pool.requests.slots[i].database, config);
}
