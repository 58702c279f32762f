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
 * The rate is the mean of what was seen in n intervals in a row, with deviation
 * s; over the m intervals that the sending takes (at least 1), the mean will be
 * another.  With t the quantile of Student's distribution with n - 1 degrees of
 * freedom, and the number of messages itself known to a relative standard
 * deviation of spread,
 *
 *		h = sqrt( (t s/rate)^2 (1/n + 1/m)  +  (z spread)^2 )
 *
 * and the bounds are what comes out at the rates rate (1 + h) and rate (1 - h).
 * Of a single interval there is no deviation to be seen: then it is that of
 * independent events (Poisson), s^2 = rate / interval, and t is z.
 *
 * A rate that lasts for longer than an interval is not seen n times: where
 * neighbours are correlated by r, more than 2 / sqrt(n), n and m are divided by
 * (1 + r) / (1 - r), down to 1.  Nothing foresees what was not seen: intervals
 * must reach back over as many changes of the rate as are to come, and a bind
 * that will be down for hours is not known of.
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
 * rate: messages a second in each of count intervals in a row, of so many
 * seconds.  Each bound holds with (1 + confidence) / 2, the interval with
 * confidence, 0 < confidence < 1.  The offset of an error is the index.
 */
extern bool forecast(ForecastPart *part, size_t parts, const double *rate, size_t count,
					 double interval, double spread, double confidence, Forecast *result,
					 SmsrError *error);

/* The quantile of Student's distribution, 0.5 <= p < 1, for 1 or more degrees of freedom. */
extern double student_quantile(double p, unsigned freedom);

#endif							/* SMSR_FORECAST_H */
