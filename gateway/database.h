/*
 * database.h
 *	  One connection to the database that never blocks: at most one statement in
 *	  flight, and an owner that is told how it ended.
 */
#ifndef DATABASE_H
#define DATABASE_H

#include "config.h"
#include "memory.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Database Database;

typedef enum DatabaseOutcome
{
	DATABASE_COMMITTED,			/* the server says so, not only that it computed a result */
	DATABASE_FAILED,			/* the server refused; nothing has changed */
	DATABASE_LOST				/* the connection broke: it may have happened or not */
} DatabaseOutcome;

typedef struct DatabaseOwner
{
	void		(*finished) (void *self, DatabaseOutcome outcome, const PGresult *result, const char *sqlstate);
	void		(*connected) (void *self);
	void		(*notified) (void *self);
	void	   *self;
	int64_t		timeout;		/* of a statement; 0: database_timeout */
	const char *const *prepared;	/* statements that are worth it, up to a NULL; NULL: none */
} DatabaseOwner;

/* statement parameters; arrays are built in PostgreSQL's binary form */
typedef struct Parameters
{
	int			count;
	Oid			types[8];
	char	   *values[8];
	int			lengths[8];
	int			formats[8];
} Parameters;

typedef struct ArrayBuilder
{
	Buffer		bytes;
	int32_t		count;
} ArrayBuilder;

extern Database *database_new(const char *name, const Config *config, const char *channel, const DatabaseOwner *owner);
extern void database_free(Database *database);
extern void database_reconfigure(Database *database, const Config *config);
extern bool database_connected(const Database *database);
extern bool database_idle(const Database *database);

/* only when idle; takes the parameters and frees them */
extern void database_send(Database *database, const char *statement, Parameters *parameters);

/* the event loop: what to wait for, what came, and what time it is */
extern int	database_socket(const Database *database);
extern short database_events(const Database *database);
extern void database_ready(Database *database);
extern void database_step(Database *database, int64_t now);
extern int64_t database_deadline(const Database *database);

extern void parameter_text(Parameters *parameters, const char *value);
extern void parameter_json(Parameters *parameters, const char *value);
extern void parameter_bytes(Parameters *parameters, const void *data, size_t length);	/* NULL: no value */
extern void parameter_int4(Parameters *parameters, int32_t value);
extern void parameter_array(Parameters *parameters, Oid element, ArrayBuilder *array);

extern void array_begin(ArrayBuilder *array);
extern void array_add(ArrayBuilder *array, const void *data, size_t length);
extern void array_add_int8(ArrayBuilder *array, int64_t value);
extern void array_add_text(ArrayBuilder *array, const char *text);
extern void array_add_bool(ArrayBuilder *array, bool value);

/* type oids that PostgreSQL has fixed for ever (pg_type.dat) */
#define OID_BOOL 16
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT4 23
#define OID_TEXT 25
#define OID_JSONB 3802

/* binary integers in a result, 0 if it is no such thing */
extern int64_t result_int8(const PGresult *result, int row, int column);
extern int32_t result_int4(const PGresult *result, int row, int column);

/* whether a statement that failed so is worth trying again as it is */
extern bool sqlstate_blames_data(const char *sqlstate);

#endif							/* DATABASE_H */
