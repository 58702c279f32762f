/*
 * test_brake.c
 *		Bounds of a probability against published ones and against the binomial
 *		distribution itself.
 */
#include "core/brake.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool
near(double a, double b, double distance)
{
	return fabs(a - b) <= distance;
}

TEST_SUITE(brake_quantile)
{
	/* Abramowitz and Stegun, tables 26.5 and 26.6, and what follows by symmetry */
	static const double table[][2] = {
		{0.5, 0}, {0.75, 0.6744897502}, {0.9, 1.2815515655}, {0.95, 1.6448536270}, {0.975, 1.9599639845},
		{0.99, 2.3263478740}, {0.995, 2.5758293035}, {0.999, 3.0902323062}, {0.9999, 3.7190164855}, {0.0001, -3.7190164855},
		{0.05, -1.6448536270}, {0.4, -0.2533471031}
	};
	double		furthest = 0;
	bool		rises = true;
	double		before = -INFINITY;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ok(near(normal_quantile(table[i][0]), table[i][1], 1e-9), "quantile of %g", table[i][0]);
	for (double p = 1e-300; p < 0.5; p *= 1.7)
	{
		double		x = normal_quantile(p);

		furthest = fmax(furthest, fabs(0.5 * erfc(-x * sqrt(0.5)) / p - 1));
		rises = rises && x > before;
		before = x;
		/* 1 - p has few digits of a small p */
		if (p > 1e-3)
			furthest = fmax(furthest, fabs(normal_quantile(1 - p) + x));
	}
	ok(furthest < 1e-10 && rises, "it is the inverse, far out into the tails (%g)", furthest);
}

TEST_SUITE(brake_bounds)
{
	/* R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 95 % on both sides */
	static const struct
	{
		int64_t		failed;
		int64_t		ended;
		double		lower;
		double		upper;
	}			table[] =
	{
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}
	};
	FailureBounds b;
	FailureBounds other;
	SmsrError	error;
	bool		halt = true;
	int			out_of_order = 0;
	int			asymmetric = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ok(failure_bounds(table[i].failed, table[i].ended, 0.975, &b, &error) &&
		   near(b.lower, table[i].lower, 5e-5) && near(b.upper, table[i].upper, 5e-5),
		   "%d of %d", (int) table[i].failed, (int) table[i].ended);
	ok(failure_bounds(0, 0, 0.95, &b, &error) && b.lower == 0 && b.upper == 1, "nothing ended: nothing known");
	ok(failure_bounds(7, 7, 0.95, &b, &error) && b.lower > 0.7 && b.upper == 1, "all failed");
	ok(failure_bounds(3, 10, 0.5, &b, &error) && near(b.lower, 0.3, 1e-15) && near(b.upper, 0.3, 1e-15), "a confidence of a half: what was seen");
	ok(failure_bounds(INT64_MAX, INT64_MAX, 0.95, &b, &error) && b.lower > 0.999999 &&
	   failure_bounds(INT64_MAX / 2, INT64_MAX, 0.999999, &b, &error) && near(b.lower, 0.5, 1e-6), "as many as can be counted");
	for (int n = 1; n < 300; n++)
		for (int k = 0; k <= n; k++)
		{
			failure_bounds(k, n, 0.95, &b, &error);
			failure_bounds(n - k, n, 0.95, &other, &error);
			asymmetric += !near(b.lower, 1 - other.upper, 1e-12);
			out_of_order += !(0 <= b.lower && b.lower <= (double) k / n && (double) k / n <= b.upper && b.upper <= 1);
			failure_bounds(k, n, 0.99, &other, &error);
			out_of_order += other.lower > b.lower || other.upper < b.upper;
			failure_bounds(k, n + 1, 0.95, &other, &error);
			out_of_order += k > 0 && other.lower >= b.lower;
			failure_bounds(k + 1, n + 1, 0.95, &other, &error);
			out_of_order += other.lower <= b.lower;
		}
	ok(out_of_order == 0, "an end without failure lowers a bound, a failure raises it, confidence widens");
	ok(asymmetric == 0, "what holds of failures holds of successes");

	fails(failure_bounds(-1, 5, 0.95, &b, &error), &error, SMSR_BAD_VALUE, "failed", 0, "less than none failed");
	fails(failure_bounds(6, 5, 0.95, &b, &error), &error, SMSR_BAD_VALUE, "ended", 0, "more failed than ended");
	fails(failure_bounds(1, 5, 0.49999, &b, &error), &error, SMSR_BAD_VALUE, "confidence", 0, "confidence below a half");
	fails(failure_bounds(1, 5, 1, &b, &error), &error, SMSR_BAD_VALUE, "confidence", 0, "certainty");
	fails(failure_bounds(1, 5, NAN, &b, &error), &error, SMSR_BAD_VALUE, "confidence", 0, "no confidence at all");
	fails(brake(1, 5, -0.1, 0.95, 0, &halt, &error), &error, SMSR_BAD_VALUE, "threshold", 0, "a threshold below 0");
	fails(brake(1, 5, 1.1, 0.95, 0, &halt, &error), &error, SMSR_BAD_VALUE, "threshold", 0, "a threshold above 1");
	fails(brake(1, 5, NAN, 0.95, 0, &halt, &error), &error, SMSR_BAD_VALUE, "threshold", 0, "no threshold");
	fails(brake(1, 5, 0.1, 0.95, -1, &halt, &error), &error, SMSR_BAD_VALUE, "minimum", 0, "a minimum below 0");
	fails(brake(6, 5, 0.1, 0.95, 0, &halt, &error), &error, SMSR_BAD_VALUE, "ended", 0, "more failed than ended, of a brake");
}

TEST_SUITE(brake_halts)
{
	SmsrError	error;
	bool		halt;

	ok(brake(9, 9, 0.1, 0.95, 10, &halt, &error) && !halt, "too few to judge by");
	ok(brake(10, 10, 0.1, 0.95, 10, &halt, &error) && halt, "enough");
	ok(brake(0, 0, 0, 0.95, 0, &halt, &error) && !halt, "none ended");
	ok(brake(0, 1000000, 0, 0.95, 0, &halt, &error) && !halt, "none failed, at a threshold of none");
	ok(brake(1, 1000000, 0, 0.95, 0, &halt, &error) && halt, "one failed, at a threshold of none");
	ok(brake(1000000, 1000000, 1, 0.95, 0, &halt, &error) && !halt, "all failed, at a threshold of all");
	/* 5 of 50: the lower bound is 0.04953 */
	ok(brake(5, 50, 0.0495, 0.95, 0, &halt, &error) && halt && brake(5, 50, 0.0496, 0.95, 0, &halt, &error) && !halt, "to the fourth digit");
	ok(brake(5, 50, 0.04, 0.95, 51, &halt, &error) && !halt && brake(5, 50, 0.04, 0.95, 50, &halt, &error) && halt, "at the minimum, not before");
}

/*
 * How often the lower bound is above the truth, by the binomial distribution:
 * what one look at a campaign that is exactly as bad as allowed does.
 */
TEST_SUITE(brake_coverage)
{
	static const double truths[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5};
	double		worst = 0;

	for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++)
	{
		double		p = truths[i];
		double		mean = 0;
		int			count = 0;

		for (int n = 50; n <= 2000; n += 50)
		{
			double		wrong = 0;

			for (int k = 0; k <= n; k++)
			{
				FailureBounds b;
				SmsrError	error;

				failure_bounds(k, n, 0.95, &b, &error);
				if (b.lower > p)
					wrong += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log(1 - p));
			}
			worst = fmax(worst, wrong);
			mean += wrong;
			count++;
		}
		ok(mean / count < 0.065 && mean / count > 0.03, "of %g: wrong in %.3f of looks, where 0.05 are allowed", p, mean / count);
	}
	ok(worst < 0.1, "at worst in %.3f", worst);
}

/* ---- what ended of late ---- */

static uint64_t seed = 42;

static bool
chance(double p)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double) (seed >> 11) < p * 9007199254740992.0;
}

typedef struct Course
{
	int64_t		halted;			/* after so many ends, or -1 */
	int64_t		whole;			/* the same of a brake that sees the wave as a whole */
} Course;

#define SEEN	1000			/* pieces that are looked back on */

/* A wave of so many, in pieces, watched from an end on; from another on, more of them fail */
static Course
course(int64_t begin, int64_t total, int64_t each, double before, int64_t from, double after, double threshold, double confidence)
{
	static BrakePiece piece[12000];
	Course		c = {-1, -1};
	int64_t		failed = (int64_t) ((double) begin * before);
	size_t		count = 0;

	for (int64_t ended = begin; ended < total && (c.halted < 0 || c.whole < 0); count++)
	{
		BrakeVerdict verdict;
		SmsrError	error;
		bool		halt;

		piece[count] = (BrakePiece) {0, each};
		for (int64_t i = 0; i < each; i++)
			piece[count].failed += chance(ended + i < from ? before : after);
		failed += piece[count].failed;
		ended += each;
		if (c.halted < 0)
		{
			if (!brake_lately(piece + (count < SEEN ? 0 : count + 1 - SEEN), count < SEEN ? count + 1 : SEEN, total, threshold, confidence, 20, &verdict, &error))
				abort();
			c.halted = verdict.halt ? ended : -1;
		}
		if (c.whole < 0 && brake(failed, ended, threshold, confidence, 20, &halt, &error) && halt)
			c.whole = ended;
	}
	return c;
}

TEST_SUITE(brake_lately)
{
	static const struct
	{
		double		threshold;
		double		rate;
		double		most;		/* campaigns that are halted though they are no worse than allowed */
	}			calm[] = {{0.1, 0.1, 0.02}, {0.1, 0.05, 0}, {0.02, 0.02, 0.02}, {0.02, 0.01, 0}};
	static const struct
	{
		double		threshold;
		double		after;
		int64_t		within;		/* ends, in the mean */
	}			late[] = {{0.1, 1, 100}, {0.1, 0.5, 150}, {0.1, 0.2, 700}, {0.02, 0.3, 120}, {0.02, 0.05, 1500}};
	BrakeVerdict verdict;
	SmsrError	error;
	BrakePiece	p[3] = {{0, 5000}, {60, 100}, {0, 0}};

	for (size_t i = 0; i < sizeof(calm) / sizeof(calm[0]); i++)
	{
		int			lately = 0;
		int			whole = 0;

		for (int n = 0; n < 200; n++)
		{
			Course		c = course(0, 20000, 20, calm[i].rate, INT64_MAX, 0, calm[i].threshold, 0.99);

			lately += c.halted >= 0;
			whole += c.whole >= 0;
		}
		printf("# threshold %g, %g fail: of 200 waves of 20000 %d are halted by what ended of late, %d by the whole\n",
			   calm[i].threshold, calm[i].rate, lately, whole);
		ok(lately <= calm[i].most * 200, "threshold %g, %g fail: %d of 200 halted", calm[i].threshold, calm[i].rate, lately);
	}
	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
	{
		double		mean = 0;
		int			missed = 0;
		int			whole = 0;

		for (int n = 0; n < 20; n++)
		{
			Course		c = course(390000, 500000, 50, late[i].threshold / 4, 400000, late[i].after, late[i].threshold, 0.99);

			missed += c.halted < 400000;
			mean += (double) (c.halted - 400000) / 20;
			whole += c.whole >= 0;
		}
		printf("# threshold %g, from the 400000th of 500000 on %g fail: halted %.0f later; of 20, %d by the whole\n",
			   late[i].threshold, late[i].after, mean, whole);
		ok(missed == 0 && mean <= (double) late[i].within, "threshold %g, %g fail in the end: halted after %.0f", late[i].threshold, late[i].after, mean);
	}

	ok(brake_lately(p, 2, 1000000, 0.1, 0.99, 20, &verdict, &error) && verdict.halt && verdict.failed == 60 && verdict.ended == 100,
	   "it says for which");
	ok(brake_lately(p, 2, 1000000, 0.1, 0.99, 101, &verdict, &error) && !verdict.halt, "not for fewer than the minimum");
	ok(brake_lately(p, 3, 1000000, 0.1, 0.99, 20, &verdict, &error) && verdict.halt, "where nothing has ended since");
	ok(brake_lately(p, 2, 1000000, 1, 0.99, 20, &verdict, &error) && !verdict.halt, "a threshold of all");
	ok(brake_lately(NULL, 0, 0, 0.1, 0.99, 0, &verdict, &error) && !verdict.halt, "nothing ended");
	p[1] = (BrakePiece) {99, 99};
	ok(brake_lately(p + 1, 1, 99, 0.1, 0.99, 20, &verdict, &error) && !verdict.halt, "too few for a stretch");
	p[1] = (BrakePiece) {100, 100};
	ok(brake_lately(p + 1, 1, INT64_MAX, 0.1, 0.99, 20, &verdict, &error) && verdict.halt, "of as many as can be counted");
	fails(brake_lately((BrakePiece[]) {{0, 1}, {2, 1}}, 2, 9, 0.1, 0.99, 0, &verdict, &error), &error, SMSR_BAD_VALUE, "ended", 1, "more failed than ended");
	fails(brake_lately((BrakePiece[]) {{-1, 1}}, 1, 9, 0.1, 0.99, 0, &verdict, &error), &error, SMSR_BAD_VALUE, "failed", 0, "less than none failed");
	fails(brake_lately((BrakePiece[]) {{0, INT64_MAX / 4}, {0, 1}}, 2, 9, 0.1, 0.99, 0, &verdict, &error), &error, SMSR_BAD_VALUE, "ended", 1, "more than can be counted");
	fails(brake_lately(p, 1, 9, 0.1, 1, 0, &verdict, &error), &error, SMSR_BAD_VALUE, "confidence", 0, "certainty");
	ok(brake_lately((BrakePiece[]) {{1, 1000}}, 1, 1000, 0, 0.99, 20, &verdict, &error) && verdict.halt &&
	   brake_lately((BrakePiece[]) {{0, 1000}}, 1, 1000, 0, 0.99, 20, &verdict, &error) && !verdict.halt, "a threshold of none");
	fails(brake_lately(p, 1, 9, 2, 0.99, 0, &verdict, &error), &error, SMSR_BAD_VALUE, "threshold", 0, "a threshold above 1");
}
