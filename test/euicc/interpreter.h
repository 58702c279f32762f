/*
 * interpreter.h
 *		Command scripts in the expanded format (ETSI TS 102 226 clause 5.2), whatever
 *		brought them.
 */
#ifndef FLEET_INTERPRETER_H
#define FLEET_INTERPRETER_H

#include "fleet.h"

#define ISD_R_TAR			0x000001

/* What a response script may take; a packet over SMS holds less. */
#define RESPONSE_ROOM		8192
#define LONG_RESPONSE_ROOM	65536

/*
 * Run the commands in order until the first error, for the ISD-R or for an ISD-P
 * that the card has.  The response script, of definite length if the command
 * script is, goes to out.
 */
extern void interpreter_run(Fleet *fleet, Card *card, uint32_t tar, SmsrBytes script, SmsrWriter *out);

#endif							/* FLEET_INTERPRETER_H */
