/*
 * eis.h
 *		The EIS documents of the fleet's cards, as their EUM would send them.
 */
#ifndef FLEET_EIS_H
#define FLEET_EIS_H

#include <stdio.h>

#include "fleet.h"

#define EIS_RULES	8

typedef enum EisFormat
{
	EIS_XML_PER_LINE,
	EIS_COPY,					/* a line of COPY in text format */
	EIS_SINGLE					/* indented, for people */
} EisFormat;

typedef struct EisRule
{
	unsigned	profile;		/* 0-based; CARD_PROFILES or more: none */
	char		action[16];
	char		qualification[16];
} EisRule;

typedef struct EisOptions
{
	EisFormat	format;
	uint8_t		transport_key[32];
	size_t		transport_key_len;	/* 0: key values in clear */
	bool		without_keys;	/* no values at all, but check values */
	EisRule		rules[EIS_RULES];	/* of POL2 */
	unsigned	rule_count;
} EisOptions;

/* Append the document of one card. */
extern void eis_write(Text *out, const FleetConfig *config, const EisOptions *options,
					  uint64_t serial);

/* Those of all cards; false if out can not be written. */
extern bool eis_write_all(FILE *out, const FleetConfig *config, const EisOptions *options);

#endif							/* FLEET_EIS_H */
