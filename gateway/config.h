/*
 * config.h
 *	  The configuration file.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "log.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_BINDS 64
#define CONFIG_HTTPS 16
#define CONFIG_HTTPS_CONNECTIONS 32

/* one SMSC; 'name' is what the database knows as a gateway */
typedef struct BindConfig
{
	char	   *name;
	int			line;			/* where its section begins */
	char	   *host;
	char	   *port;
	char	   *system_id;
	char	   *password;		/* resolved from whichever key was given */
	char	   *password_file;
	char	   *password_env;
	char	   *system_type;
	char	   *service_type;
	int			addr_ton;
	int			addr_npi;
	char	   *address_range;
	char	   *source;
	int			source_ton;
	int			source_npi;
	int			dest_ton;
	int			dest_npi;
	int			data_coding;	/* -1: as the database says */
	int			window;
	int			rate;			/* messages per second, 0: no limit */
	bool		registered_delivery;
	int64_t		max_validity;	/* milliseconds, 0: no limit */
	int64_t		enquire_link;
	int64_t		response_timeout;
	int64_t		reconnect_min;
	int64_t		reconnect_max;
	int64_t		throttle_min;
	int64_t		throttle_max;
} BindConfig;

/* one address where cards open sessions; 'name' is what the database is told */
typedef struct HttpsConfig
{
	char	   *name;
	int			line;
	char	   *address;
	char	   *port;
	int			backlog;
	int			max_sessions;
	int64_t		handshake_timeout;
	int64_t		request_timeout;
	int64_t		idle_timeout;
	int			header_limit;
	int			body_limit;
	int			record_size;
} HttpsConfig;

typedef struct Config
{
	char	   *path;
	char	   *database;		/* connection string; libpq's environment fills in the rest */
	LogLevel	log_level;
	bool		log_timestamps;
	int64_t		statistics_interval;
	int64_t		poll_interval;
	int64_t		tick_interval;	/* 0: somebody else ticks */
	int64_t		lease;
	int64_t		shutdown_timeout;
	int64_t		deliver_timeout;
	int64_t		database_timeout;
	int64_t		database_reconnect_min;
	int64_t		database_reconnect_max;
	int			batch;
	int			incoming_queue;
	int			https_connections;
	BindConfig *binds;
	int			bind_count;
	HttpsConfig *https;
	int			https_count;
} Config;

/* NULL if there were errors; each has been printed as "file:line: what" */
extern Config *config_read(const char *path);
extern void config_free(Config *config);

#endif							/* CONFIG_H */
