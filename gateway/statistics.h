/*
 * statistics.h
 *	  What has happened since the last statistics line.
 */
#ifndef STATISTICS_H
#define STATISTICS_H

#include <stdint.h>

typedef struct Statistics
{
	/* towards the SMSC */
	uint64_t	claimed;
	uint64_t	submitted;
	uint64_t	accepted;
	uint64_t	refused;
	uint64_t	throttled;
	uint64_t	unanswered;
	uint64_t	released;
	/* from the SMSC */
	uint64_t	delivered;
	uint64_t	stored;
	uint64_t	receipts;
	uint64_t	turned_away;
	uint64_t	bad_pdus;
	/* the database */
	uint64_t	statements;
	uint64_t	failures;
	uint64_t	ticked;
	/* sessions of cards */
	uint64_t	connections;
	uint64_t	handshakes;
	uint64_t	handshakes_failed;
	uint64_t	requests;
	uint64_t	answers;
	uint64_t	refusals;		/* with a status of 400 and more */
	uint64_t	held;
	uint64_t	too_slow;
	uint64_t	ends;
} Statistics;

extern Statistics statistics;

#endif							/* STATISTICS_H */
