/*
 * brake.c
 *		Whether so many failures of so many ends are too many to go on.
 */
#include "brake.h"

#include <math.h>

#define SQRT_HALF		0.70710678118654752440
#define SQRT_TWO_PI		2.50662827463100050242

/* No more ends than that, so that twice as many can be counted */
#define BRAKE_MOST		(INT64_MAX / 4)

/*
 * Newton's method on the lower tail.  It begins left of the root, where the first
 * step leads beyond it, and not as far as 0; the tail is convex there, so that
 * all others come nearer from the right.
 */
double
normal_quantile(double p)
{
	double		tail = p < 0.5 ? p : 1 - p;
	double		x;

	if (tail == 0.5)
		return 0;
	/* the tail at x is less than exp(-x^2/2) / 2 for x < 0 */
	x = -sqrt(-2 * log(2 * tail));
	for (int i = 0; i < 100; i++)
	{
		double		step = (tail - 0.5 * erfc(-x * SQRT_HALF)) * SQRT_TWO_PI * exp(x * x / 2);

		x += step;
		if (fabs(step) < 1e-15 * fabs(x))
			break;
	}
	return p < 0.5 ? x : -x;
}

static bool
check_confidence(double confidence, SmsrError *error)
{
	/* not a number is neither */
	if (!(confidence >= 0.5 && confidence < 1))
		return smsr_fail(error, SMSR_BAD_VALUE, "confidence", 0, "at least 0.5 and less than 1");
	return true;
}

bool
failure_bounds(int64_t failed, int64_t ended, double confidence, FailureBounds *bounds, SmsrError *error)
{
	double		n = (double) ended;
	double		p;
	double		z;
	double		centre;
	double		width;

	if (failed < 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "failed", 0, "none or more");
	if (ended < failed)
		return smsr_fail(error, SMSR_BAD_VALUE, "ended", 0, "at least as many as failed");
	if (!check_confidence(confidence, error))
		return false;
	*bounds = (FailureBounds) {0, 1};
	if (ended == 0)
		return true;
	p = (double) failed / n;
	z = normal_quantile(confidence);
	centre = p + z * z / (2 * n);
	width = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
	/* exact where the formula is, but for rounding */
	bounds->lower = failed == 0 ? 0 : fmax(0, (centre - width) / (1 + z * z / n));
	bounds->upper = failed == ended ? 1 : fmin(1, (centre + width) / (1 + z * z / n));
	return true;
}

static bool
check_threshold(double threshold, int64_t minimum, SmsrError *error)
{
	if (!(threshold >= 0 && threshold <= 1))
		return smsr_fail(error, SMSR_BAD_VALUE, "threshold", 0, "0 to 1");
	if (minimum < 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "minimum", 0, "none or more");
	return true;
}

bool
brake(int64_t failed, int64_t ended, double threshold, double confidence, int64_t minimum,
	  bool *halt, SmsrError *error)
{
	FailureBounds bounds;

	if (!check_threshold(threshold, minimum, error) || !failure_bounds(failed, ended, confidence, &bounds, error))
		return false;
	*halt = ended >= minimum && bounds.lower > threshold;
	return true;
}

/* As many failures of so many ends, if the threshold is the probability of one: a bound of its logarithm */
static double
log_chance(int64_t failed, int64_t ended, double threshold)
{
	double		n = (double) ended;
	double		q = (double) failed / n;
	double		d = 0;

	if (q <= threshold)
		return 0;
	if (threshold == 0)
		return -INFINITY;
	d += q * log(q / threshold);
	if (q < 1)
		d += (1 - q) * log((1 - q) / (1 - threshold));
	return -n * d;
}

bool
brake_lately(const BrakePiece *piece, size_t count, int64_t total, double threshold, double confidence,
			 int64_t minimum, BrakeVerdict *verdict, SmsrError *error)
{
	int64_t		all = 0;
	int64_t		failed = 0;
	int64_t		ended = 0;
	double		lengths = 1;
	int64_t		length = BRAKE_LATELY;

	*verdict = (BrakeVerdict) {false, 0, 0};
	if (!check_threshold(threshold, minimum, error) || !check_confidence(confidence, error))
		return false;
	for (size_t i = 0; i < count; i++)
	{
		if (piece[i].failed < 0)
			return smsr_fail(error, SMSR_BAD_VALUE, "failed", i, "none or more");
		if (piece[i].ended < piece[i].failed || piece[i].ended > BRAKE_MOST - all)
			return smsr_fail(error, SMSR_BAD_VALUE, "ended", i, "at least as many as failed, and not more than can be counted");
		all += piece[i].ended;
	}
	if (total < all)
		total = all;
	for (double n = 2.0 * BRAKE_LATELY; n <= (double) total; n *= 2)
		lengths++;
	for (size_t i = count; i > 0; i--)
	{
		double		allowed;

		failed += piece[i - 1].failed;
		ended += piece[i - 1].ended;
		if (ended < length || ended < minimum)
			continue;
		/* of those that it is as long as, the longest */
		while (ended >= 2 * length)
			length *= 2;
		allowed = (1 - confidence) / lengths * fmin((double) length / (double) total, 1);
		if (log_chance(failed, ended, threshold) < log(allowed))
		{
			*verdict = (BrakeVerdict) {true, failed, ended};
			return true;
		}
		length *= 2;
	}
	return true;
}
