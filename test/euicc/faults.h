/*
 * faults.h
 *		What goes wrong on the way, on demand.
 *
 * One table names the faults; the command line and the control socket set them
 * by these names.
 */
#ifndef FLEET_FAULTS_H
#define FLEET_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"
#include "random.h"

typedef struct FaultRange
{
	double		min;			/* milliseconds */
	double		max;
} FaultRange;

/* One direction: MT is towards the card, MO from it. */
typedef struct Path
{
	double		loss;			/* probabilities */
	double		duplicate;
	double		reorder;
	double		bit_error;
	FaultRange	delay;
} Path;

typedef enum RefuseWith
{
	REFUSE_MIX,
	REFUSE_THROTTLED,
	REFUSE_QUEUE_FULL,
	REFUSE_SYSTEM_ERROR,
	REFUSE_INVALID_ADDRESS
} RefuseWith;

typedef enum OffPolicy
{
	OFF_QUEUE,					/* until the validity period ends */
	OFF_DROP
} OffPolicy;

typedef struct Faults
{
	Path		mt;
	Path		mo;
	double		refuse;
	int			refuse_with;
	double		no_por;
	double		off;			/* fraction of the cards */
	double		off_time;		/* seconds, on average */
	int			off_policy;
	double		fallback_per_hour;	/* per card */
	double		disconnect_every;	/* seconds; 0 never */
	double		rate;			/* messages a second and bind; 0 no limit */
	double		https_break;	/* of a handshake, and of a POST with its answer */
	double		https_stall;
	double		https_stall_time;	/* seconds */
	double		https_wrong_key;
	double		https_forget;	/* a session that broke is not taken up again */
} Faults;

/* What becomes of one short message. */
typedef struct Fate
{
	int			copies;			/* 0 lost, 1, or 2 */
	uint64_t	delay[2];		/* microseconds, one per copy */
	bool		bit_error;
	double		bit;			/* which one, as a fraction of all */
} Fate;

extern const Faults FAULTS_NONE;

/* "loss=0.1", "mo_delay=20-200" ...; false, with a reason, if it makes no sense */
extern bool faults_set(Faults *faults, const char *assignment, char *why, size_t why_len);

/* Whether there is a fault of this name. */
extern bool faults_known(const char *name, size_t len);
extern void faults_print(const Faults *faults, Text *out);
extern Fate fate_draw(const Path *path, Rng *rng);

#endif							/* FLEET_FAULTS_H */
