/*
 * database.c
 *	  One connection to the database that never blocks.
 */
#include "database.h"
#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "statistics.h"

#include <arpa/inet.h>
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT 10000

typedef enum DatabaseState
{
	STATE_AWAY,					/* waiting to try again */
	STATE_CONNECTING,
	STATE_PREPARING,			/* our own LISTEN or PREPARE is in flight */
	STATE_IDLE,
	STATE_BUSY
} DatabaseState;

struct Database
{
	const char *name;
	const Config *config;
	const char *channel;		/* NULL: none */
	DatabaseOwner owner;
	DatabaseState state;
	int			preparations;	/* how many are done: LISTEN is the first, if there is a channel */
	PGconn	   *connection;
	bool		want_write;
	Backoff		backoff;
	int64_t		retry_at;
	int64_t		give_up_at;		/* of connecting or the statement in flight */
	PGresult   *answer;			/* first result with rows */
	char		sqlstate[6];	/* of the first error, empty: none */
};

static void
notice(void *argument, const char *message)
{
	const Database *database = argument;

	log_info("database (%s): %s", database->name, message);
}

Database *
database_new(const char *name, const Config *config, const char *channel, const DatabaseOwner *owner)
{
	Database   *database = memory_new(sizeof(Database));

	database->name = name;
	database->config = config;
	database->channel = channel;
	database->owner = *owner;
	database->retry_at = 0;
	backoff_init(&database->backoff);
	return database;
}

static void
forget_answer(Database *database)
{
	PQclear(database->answer);
	database->answer = NULL;
	database->sqlstate[0] = '\0';
}

void
database_free(Database *database)
{
	forget_answer(database);
	PQfinish(database->connection);
	free(database);
}

/* for the next connection */
void
database_reconfigure(Database *database, const Config *config)
{
	database->config = config;
}

bool
database_connected(const Database *database)
{
	return database->state == STATE_IDLE || database->state == STATE_BUSY;
}

bool
database_idle(const Database *database)
{
	return database->state == STATE_IDLE;
}

int
database_socket(const Database *database)
{
	return database->connection ? PQsocket(database->connection) : -1;
}

short
database_events(const Database *database)
{
	if (database->state == STATE_CONNECTING)
		return database->want_write ? POLLOUT : POLLIN;
	return POLLIN | (database->want_write ? POLLOUT : 0);
}

int64_t
database_deadline(const Database *database)
{
	switch (database->state)
	{
		case STATE_AWAY:
			return database->retry_at;
		case STATE_IDLE:
			return CLOCK_NEVER;
		default:
			return database->give_up_at;
	}
}

/* The connection is no good any more: say why, try again later. */
static void
lose(Database *database, const char *why)
{
	bool		in_flight = database->state == STATE_BUSY;
	bool		was_connected = database->state == STATE_BUSY || database->state == STATE_IDLE;
	int64_t		delay;
	char		reason[512];

	snprintf(reason, sizeof(reason), "%s", why);
	forget_answer(database);
	PQfinish(database->connection);
	database->connection = NULL;
	database->state = STATE_AWAY;
	database->want_write = false;
	delay = backoff_next(&database->backoff, database->config->database_reconnect_min,
						 database->config->database_reconnect_max);
	database->retry_at = clock_now() + delay;
	log_warning("database (%s): %s: %s; trying again in %lld ms", database->name,
				was_connected ? "connection lost" : "cannot connect", reason, (long long) delay);
	if (in_flight)
		database->owner.finished(database->owner.self, DATABASE_LOST, NULL, "");
}

static void
connect_start(Database *database, int64_t now)
{
	/* the configured string comes last, so it may override any of these */
	const char *keywords[] = {"fallback_application_name", "client_encoding", "keepalives_idle",
	"keepalives_interval", "keepalives_count", "tcp_user_timeout", "dbname", NULL};
	const char *values[] = {"smsr-gateway", "UTF8", "30", "10", "3", "60000", database->config->database, NULL};

	database->connection = PQconnectStartParams(keywords, values, 1);
	database->give_up_at = now + CONNECT_TIMEOUT;
	database->state = STATE_CONNECTING;
	database->want_write = true;
	if (database->connection == NULL)
		lose(database, "out of memory");
	else if (PQstatus(database->connection) == CONNECTION_BAD)
		lose(database, PQerrorMessage(database->connection));
	else
		PQsetNoticeProcessor(database->connection, notice, database);
}

static void
flush(Database *database)
{
	int			rest = PQflush(database->connection);

	if (rest < 0)
		lose(database, PQerrorMessage(database->connection));
	else
		database->want_write = rest > 0;
}

static void
become_idle(Database *database)
{
	log_info("database (%s): connected to %s, server %s", database->name, PQdb(database->connection),
			 PQparameterStatus(database->connection, "server_version"));
	database->state = STATE_IDLE;
	database->want_write = false;
	backoff_reset(&database->backoff);
	database->owner.connected(database->owner.self);
}

/* What a connection needs before it is of use, one after the other. */
static void
prepare(Database *database)
{
	int			index = database->preparations - (database->channel != NULL);
	const char *statement = index >= 0 && database->owner.prepared ? database->owner.prepared[index] : NULL;
	char		text[80];
	int			sent;

	if (index < 0)
	{
		snprintf(text, sizeof(text), "LISTEN %s", database->channel);
		sent = PQsendQuery(database->connection, text);
	}
	else if (statement)
	{
		snprintf(text, sizeof(text), "s%d", index);
		sent = PQsendPrepare(database->connection, text, statement, 0, NULL);
	}
	else
	{
		become_idle(database);
		return;
	}
	database->state = STATE_PREPARING;
	if (sent == 0)
		lose(database, PQerrorMessage(database->connection));
	else
		flush(database);
}

static void
connect_continue(Database *database)
{
	switch (PQconnectPoll(database->connection))
	{
		case PGRES_POLLING_READING:
			database->want_write = false;
			break;
		case PGRES_POLLING_WRITING:
			database->want_write = true;
			break;
		case PGRES_POLLING_OK:
			if (PQsetnonblocking(database->connection, 1) != 0)
				lose(database, PQerrorMessage(database->connection));
			else
			{
				database->preparations = 0;
				prepare(database);
			}
			break;
		default:
			lose(database, PQerrorMessage(database->connection));
			break;
	}
}

/* The number of a statement that is prepared, or -1. */
static int
find_prepared(const Database *database, const char *statement)
{
	const char *const *prepared = database->owner.prepared;

	for (int i = 0; prepared && prepared[i]; i++)
	{
		if (prepared[i] == statement)
			return i;
	}
	return -1;
}

void
database_send(Database *database, const char *statement, Parameters *parameters)
{
	int			index = find_prepared(database, statement);
	int			sent;

	forget_answer(database);
	database->state = STATE_BUSY;
	database->give_up_at = clock_now() +
		(database->owner.timeout > 0 ? database->owner.timeout : database->config->database_timeout);
	statistics.statements++;
	if (index >= 0)
	{
		char		name[16];

		snprintf(name, sizeof(name), "s%d", index);
		sent = PQsendQueryPrepared(database->connection, name, parameters->count,
								   (const char *const *) parameters->values, parameters->lengths, parameters->formats, 1);
	}
	else
		sent = PQsendQueryParams(database->connection, statement, parameters->count, parameters->types,
								 (const char *const *) parameters->values, parameters->lengths, parameters->formats, 1);
	for (int i = 0; i < parameters->count; i++)
		free(parameters->values[i]);
	parameters->count = 0;
	if (sent == 0)
		lose(database, PQerrorMessage(database->connection));
	else
		flush(database);
}

/* A result of the statement in flight; an error may follow rows, at commit. */
static void
collect(Database *database, PGresult *result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
		case PGRES_COMMAND_OK:
			if (database->answer == NULL)
			{
				database->answer = result;
				return;
			}
			break;
		default:
			if (database->sqlstate[0] == '\0')
			{
				const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
				const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

				snprintf(database->sqlstate, sizeof(database->sqlstate), "%s", state ? state : "XX000");
				if (database->state == STATE_BUSY)
					statistics.failures++;
				log_warning("database (%s): %s (SQLSTATE %s)", database->name,
							primary ? primary : PQresultErrorMessage(result), database->sqlstate);
			}
			break;
	}
	PQclear(result);
}

/* ReadyForQuery has come: now it is committed, or it is not. */
static void
finish(Database *database)
{
	PGresult   *answer = database->answer;
	char		sqlstate[6];

	memcpy(sqlstate, database->sqlstate, sizeof(sqlstate));
	database->answer = NULL;
	forget_answer(database);

	if (database->state == STATE_PREPARING)
	{
		PQclear(answer);
		database->preparations++;
		if (sqlstate[0])
			lose(database, "LISTEN or PREPARE failed");
		else
			prepare(database);
		return;
	}
	database->state = STATE_IDLE;
	if (sqlstate[0])
	{
		database->owner.finished(database->owner.self, DATABASE_FAILED, NULL, sqlstate);
		/* feature_not_supported: a function has another result now; invalid_sql_statement_name */
		if (database->owner.prepared && (strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0))
			lose(database, "what was prepared is out of date");
	}
	else
		database->owner.finished(database->owner.self, DATABASE_COMMITTED, answer, sqlstate);
	PQclear(answer);
}

static bool
take_notifications(Database *database)
{
	PGnotify   *notification;
	bool		any = false;

	while ((notification = PQnotifies(database->connection)) != NULL)
	{
		any = true;
		PQfreemem(notification);
	}
	return any;
}

void
database_ready(Database *database)
{
	if (database->connection == NULL)
		return;
	if (database->state == STATE_CONNECTING)
	{
		connect_continue(database);
		return;
	}
	if (PQconsumeInput(database->connection) == 0)
	{
		lose(database, PQerrorMessage(database->connection));
		return;
	}
	if (database->want_write)
	{
		flush(database);
		if (database->connection == NULL)
			return;
	}
	while (database->connection && (database->state == STATE_BUSY || database->state == STATE_PREPARING) &&
		   !PQisBusy(database->connection))
	{
		PGresult   *result = PQgetResult(database->connection);

		if (result)
			collect(database, result);
		else if (PQstatus(database->connection) == CONNECTION_BAD)
		{
			lose(database, PQerrorMessage(database->connection));
			return;
		}
		else
		{
			bool		preparing = database->state == STATE_PREPARING;

			finish(database);
			/* an owner may have sent something: its answer takes its turn */
			if (!preparing)
				break;
		}
	}
	/* after the results: the last of them may have brought notifications along */
	if (database->connection && take_notifications(database) && database_connected(database))
		database->owner.notified(database->owner.self);
}

void
database_step(Database *database, int64_t now)
{
	if (now < database_deadline(database))
		return;
	if (database->state == STATE_AWAY)
		connect_start(database, now);
	else
		lose(database, "no answer in time");
}

/*
 * parameters
 */

static void
add_parameter(Parameters *parameters, Oid type, void *value, size_t length, int format)
{
	int			at = parameters->count++;

	parameters->types[at] = type;
	parameters->values[at] = value;
	parameters->lengths[at] = (int) length;
	parameters->formats[at] = format;
}

void
parameter_text(Parameters *parameters, const char *value)
{
	add_parameter(parameters, OID_TEXT, memory_text(value), strlen(value), 0);
}

void
parameter_json(Parameters *parameters, const char *value)
{
	add_parameter(parameters, OID_JSONB, memory_text(value), strlen(value), 0);
}

void
parameter_bytes(Parameters *parameters, const void *data, size_t length)
{
	add_parameter(parameters, OID_BYTEA, data ? memory_copy(data, length) : NULL, length, 1);
}

void
parameter_int4(Parameters *parameters, int32_t value)
{
	uint32_t	big = htonl((uint32_t) value);

	add_parameter(parameters, OID_INT4, memory_copy(&big, sizeof(big)), sizeof(big), 1);
}

static void
buffer_int4(Buffer *buffer, int32_t value)
{
	uint32_t	big = htonl((uint32_t) value);

	buffer_append(buffer, &big, sizeof(big));
}

void
array_begin(ArrayBuilder *array)
{
	memset(array, 0, sizeof(*array));
}

void
array_add(ArrayBuilder *array, const void *data, size_t length)
{
	buffer_int4(&array->bytes, (int32_t) length);
	buffer_append(&array->bytes, data, length);
	array->count++;
}

void
array_add_int8(ArrayBuilder *array, int64_t value)
{
	uint64_t	big = htobe64((uint64_t) value);

	array_add(array, &big, sizeof(big));
}

void
array_add_text(ArrayBuilder *array, const char *text)
{
	array_add(array, text, strlen(text));
}

void
array_add_bool(ArrayBuilder *array, bool value)
{
	uint8_t		octet = value;

	array_add(array, &octet, 1);
}

/* array_send()'s layout: dimensions, nulls, element type, size, lower bound */
void
parameter_array(Parameters *parameters, Oid element, ArrayBuilder *array)
{
	Buffer		whole = {0};
	Oid			type = element == OID_INT8 ? 1016 :
		element == OID_TEXT ? 1009 :
		element == OID_BYTEA ? 1001 : 1000;

	buffer_int4(&whole, 1);
	buffer_int4(&whole, 0);
	buffer_int4(&whole, (int32_t) element);
	buffer_int4(&whole, array->count);
	buffer_int4(&whole, 1);
	buffer_append(&whole, buffer_bytes(&array->bytes), array->bytes.length);
	buffer_free(&array->bytes);
	add_parameter(parameters, type, whole.data, whole.length, 1);
}

int64_t
result_int8(const PGresult *result, int row, int column)
{
	uint64_t	big;

	if (PQgetisnull(result, row, column) || PQgetlength(result, row, column) != sizeof(big))
		return 0;
	memcpy(&big, PQgetvalue(result, row, column), sizeof(big));
	return (int64_t) be64toh(big);
}

int32_t
result_int4(const PGresult *result, int row, int column)
{
	uint32_t	big;

	if (PQgetisnull(result, row, column) || PQgetlength(result, row, column) != sizeof(big))
		return 0;
	memcpy(&big, PQgetvalue(result, row, column), sizeof(big));
	return (int32_t) ntohl(big);
}

/*
 * Data exceptions, integrity violations and what a function raises itself will
 * come again with the same data.  A deadlock, a missing privilege or a full disk
 * will not, once somebody has seen to it.
 */
bool
sqlstate_blames_data(const char *sqlstate)
{
	return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
		strncmp(sqlstate, "P0", 2) == 0;
}
