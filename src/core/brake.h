/*
 * brake.h
 *		Whether so many failures of so many ends are too many to go on.
 *
 * Pure.  What has ended is taken for a sample of what is to come, each end on
 * its own and failing with the same unknown probability.  The bounds of that are
 * the score interval of E. B. Wilson (Probable Inference, the Law of Succession,
 * and Statistical Inference, JASA 22, 1927), one-sided: with p = failed / ended,
 * n = ended and z the quantile of the confidence of the normal distribution,
 *
 *		( p + z^2/2n  -+  z sqrt( p(1-p)/n + z^2/4n^2 ) )  /  ( 1 + z^2/n )
 *
 * Each bound alone is right with the confidence, at one look; the interval of
 * both with 2 confidence - 1.  A brake looks again and again: over a campaign the
 * probability of a halt that nothing called for is larger than that of one look
 * (doc/scheduling.md has it measured).
 */
#ifndef SMSR_BRAKE_H
#define SMSR_BRAKE_H

#include "error.h"

typedef struct FailureBounds
{
	double		lower;			/* 0 if nothing ended */
	double		upper;			/* 1 if nothing ended */
} FailureBounds;

/*
 * 0 <= failed <= ended; 0.5 <= confidence < 1: below it, a bound would be on the
 * other side of what was seen.
 */
extern bool failure_bounds(int64_t failed, int64_t ended, double confidence, FailureBounds *bounds,
						   SmsrError *error);

/*
 * True in *halt: at least minimum ended, and the lower bound is above the
 * threshold, 0 <= threshold <= 1; a threshold of 1 never halts.
 */
extern bool brake(int64_t failed, int64_t ended, double threshold, double confidence, int64_t minimum,
				  bool *halt, SmsrError *error);

/* The quantile of the normal distribution, for 0 < p < 1. */
extern double normal_quantile(double p);

#endif							/* SMSR_BRAKE_H */
