/*
 * forecast.h
 *		When the last of so many messages will have left.
 *
 * Pure, and a fluid: messages run out of parts (a campaign's lanes, one a time
 * zone) at a rate that the parts share evenly, as the lanes of one flow do in
 * share.h, while their windows are open.  A part whose window is closed, or that
 * is empty, leaves its share to the others; when all are closed nothing flows.
 * Windows repeat from week to week; a change to or from summer time is not
 * foreseen and moves the end by its hour at most.
 *
 * Of the rate, what was seen in intervals in a row tells how it varies, over one
 * interval and over many.  It may be of any of these kinds, and each counts for as
 * much as it explains what was seen: intervals independent of each other; evened
 * out by the next (correlated by -0.3 or -0.6), as where a limit holds; or with a
 * slow part, a mean of 0 with a correlation of exp(-k/T) between intervals k apart,
 * T = 1, 2, 4 ... 64, that has 0.3, 0.9, 0.99 or 0.999 of the variance, what is left
 * being each interval's own.  So the last intervals tell more than the first where
 * a rate lasts, and the mean to come is the less certain the fewer changes it will
 * see and were seen.  Of each kind that mean has Student's distribution: of n - 1
 * degrees of freedom, but with a slow part of n / 2T - 1, at least 1, for changes of a
 * bind are few and large, not many and small.  No rate is below 0.  (A mixture of
 * Gaussian processes with unknown mean and scale; its weights are marginal
 * likelihoods, those of the slow kinds together as much at first as the others'.)
 *
 * Expected, earliest and latest are the times by which the messages will have left
 * with a probability of 0.5, (1 - confidence) / 2 and (1 + confidence) / 2; the
 * number of messages itself is known to a relative standard deviation of spread.
 * Of a single interval there is no deviation to be seen: then it is that of
 * independent events (Poisson).
 *
 * Nothing foresees what was not seen: intervals must reach back over changes of
 * the rate such as are to come, and a bind that will be down for hours is not
 * known of.
 */
#ifndef SMSR_FORECAST_H
#define SMSR_FORECAST_H

#include "error.h"
#include "window.h"

/* What is not done within ten years is never done. */
#define FORECAST_HORIZON	(3652.0 * 86400)
#define FORECAST_MAX_RATES	10000

typedef struct ForecastPart
{
	double		messages;		/* to be sent yet */
	const Windows *windows;		/* NULL: always open */
	double		second;			/* of the week, local, now: 0 <= second < 604800 */
	double		left;			/* own */
	double		until;			/* own */
	bool		open;			/* own */
} ForecastPart;

typedef struct Forecast
{
	double		expected;		/* seconds from now; INFINITY: never */
	double		earliest;
	double		latest;
} Forecast;

/* Seconds until all parts are empty at this rate a second, INFINITY if never. */
extern double forecast_at(ForecastPart *part, size_t parts, double rate);

/*
 * rate: messages a second in each of count intervals in a row, the oldest first, of
 * so many seconds.  Each bound holds with (1 + confidence) / 2, the interval with
 * confidence, 0 < confidence < 1.  The offset of an error is the index.
 */
extern bool forecast(ForecastPart *part, size_t parts, const double *rate, size_t count,
					 double interval, double spread, double confidence, Forecast *result,
					 SmsrError *error);

/* The quantile of Student's distribution, 0.5 <= p < 1, for 1 or more degrees of freedom. */
extern double student_quantile(double p, unsigned freedom);

#endif							/* SMSR_FORECAST_H */
