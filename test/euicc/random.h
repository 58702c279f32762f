/*
 * random.h
 *		The fleet's own pseudo-random numbers.
 *
 * Every decision has a generator of its own, made from the seed, the purpose
 * and the number of the card and message it is about.  So the same seed gives
 * the same run for each card, however the cards' messages interleave.
 */
#ifndef FLEET_RANDOM_H
#define FLEET_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Rng
{
	uint64_t	state;
} Rng;

typedef enum RngUse
{
	RNG_KEYS = 1,
	RNG_MT,
	RNG_MO,
	RNG_REFUSE,
	RNG_NO_POR,
	RNG_OFF,
	RNG_FALLBACK,
	RNG_REACHABLE,
	RNG_ATTACH,
	RNG_HTTPS,
	RNG_CALL_IN
} RngUse;

extern Rng	rng_for(uint64_t seed, RngUse use, uint64_t a, uint64_t b);
extern uint64_t rng_next(Rng *rng);

/* 0 <= result < 1 */
extern double rng_unit(Rng *rng);

/* 0 <= result < n; n > 0 */
extern uint64_t rng_below(Rng *rng, uint64_t n);

/* Draws even when p is 0, so that one fault's setting does not move the others. */
extern bool rng_chance(Rng *rng, double p);

#endif							/* FLEET_RANDOM_H */
