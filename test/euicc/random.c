/*
 * random.c
 *		splitmix64 (Steele, Lea, Flood 2014): small, and any state is a good one.
 */
#include "random.h"

static uint64_t
mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

uint64_t
rng_next(Rng *rng)
{
	rng->state += UINT64_C(0x9E3779B97F4A7C15);
	return mix(rng->state);
}

Rng
rng_for(uint64_t seed, RngUse use, uint64_t a, uint64_t b)
{
	Rng			rng = {seed};

	/* Each word is mixed before the next is added, so that no two tuples meet. */
	rng.state = rng_next(&rng) ^ (uint64_t) use;
	rng.state = rng_next(&rng) ^ a;
	rng.state = rng_next(&rng) ^ b;
	rng.state = rng_next(&rng);
	return rng;
}

double
rng_unit(Rng *rng)
{
	return (double) (rng_next(rng) >> 11) * 0x1.0p-53;
}

uint64_t
rng_below(Rng *rng, uint64_t n)
{
	return (uint64_t) (rng_unit(rng) * (double) n);
}

bool
rng_chance(Rng *rng, double p)
{
	return rng_unit(rng) < p;
}
