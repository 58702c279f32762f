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

/*
 * What ended of late: in a very large wave a fault that begins late is diluted by
 * what went well before.  So the last ends are judged by themselves, too: those of
 * BRAKE_LATELY, of twice as many, and so on.
 *
 * Such a brake has more tries: of total ends there are total / n stretches of n.
 * So each must be less likely by chance: of 1 - confidence each length gets the
 * same part, and each stretch of it an even one, a = (1 - confidence) n / (lengths
 * total).  So far out Wilson's bounds are too narrow; here it is Chernoff's, which
 * is never: with q = failed / n above the threshold t, as many failures have a
 * probability of at most exp(-n d), and it halts where that is less than a,
 *
 *		d = q ln(q / t) + (1 - q) ln((1 - q) / (1 - t))
 *
 * Stretches that overlap are more tries, which a does not count; what the bound is
 * too large by makes up for them (doc/scheduling.md has it measured).
 */
#define BRAKE_LATELY	100

/* What ended in a row, the oldest first. */
typedef struct BrakePiece
{
	int64_t		failed;
	int64_t		ended;
} BrakePiece;

typedef struct BrakeVerdict
{
	bool		halt;
	int64_t		failed;			/* of the stretch for which it halts */
	int64_t		ended;
} BrakeVerdict;

/*
 * A stretch is the last pieces that have so many ends, and minimum at least.  total:
 * how many there will be; less than there are is taken for as many as there are.
 * The offset of an error is the piece's index.
 */
extern bool brake_lately(const BrakePiece *piece, size_t count, int64_t total, double threshold,
						 double confidence, int64_t minimum, BrakeVerdict *verdict, SmsrError *error);

/* The quantile of the normal distribution, for 0 < p < 1. */
extern double normal_quantile(double p);

#endif							/* SMSR_BRAKE_H */
