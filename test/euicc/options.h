/*
 * options.h
 *		The command line of smsr-fleet.
 */
#ifndef FLEET_OPTIONS_H
#define FLEET_OPTIONS_H

#include "eis.h"
#include "smsc.h"

/* The subcommands that share the options about the cards. */
#define FOR_RUN		1
#define FOR_EIS		2
#define FOR_MSISDN	4
#define FOR_CI		8

typedef struct SmscOption
{
	uint16_t	port;
	char		system_id[17];
	char		password[10];
} SmscOption;

typedef struct Options
{
	FleetConfig fleet;
	Faults		faults;
	EisOptions	eis;
	SmscOption	smsc[MAX_OPERATORS];
	unsigned	smsc_count;
	const char *listen;			/* IPv4 address */
	const char *control;
	const char *state;
	const char *port_file;
	const char *output;
	uint64_t	card;			/* 0: all */
	uint16_t	tar;			/* 0: all */
	uint8_t		mo_data_coding;
	bool		queue_detached;
	uint64_t	enquire_link;	/* microseconds */
	bool		help;
} Options;

/* Reads argv[1..]; false after a message on stderr. */
extern bool options_read(Options *options, int command, int argc, char **argv);
extern void options_help(int command);

#endif							/* FLEET_OPTIONS_H */
