/*
 * forecast.c
 *		When the last of so many messages will have left.
 */
#include "forecast.h"

#include <math.h>

#include "brake.h"

#define PI	3.14159265358979323846
#define WEEK_SECONDS	(WEEK_MINUTES * 60.0)

/* Where a part stands at second t, and when that changes. */
static void
look(ForecastPart *part, double t)
{
	double		second = fmod(part->second + t, WEEK_SECONDS);
	int			minute = (int) (second / 60);
	int			until;

	part->open = part->windows == NULL;
	part->until = INFINITY;
	if (part->windows == NULL)
		return;
	part->open = windows_open(part->windows, minute);
	until = part->open ? windows_until_closed(part->windows, minute) :
		windows_until_open(part->windows, minute);
	if (until > 0)
		part->until = t + fmax(until * 60.0 - (second - minute * 60.0), 1e-6);
}

double
forecast_at(ForecastPart *part, size_t parts, double rate)
{
	double		t = 0;

	for (size_t i = 0; i < parts; i++)
	{
		part[i].left = part[i].messages;
		look(&part[i], 0);
	}
	for (;;)
	{
		size_t		busy = 0;
		bool		left = false;
		double		least = INFINITY;
		double		next = INFINITY;
		double		step;

		for (size_t i = 0; i < parts; i++)
		{
			if (part[i].left <= 0)
				continue;
			left = true;
			next = fmin(next, part[i].until);
			if (!part[i].open)
				continue;
			busy++;
			least = fmin(least, part[i].left);
		}
		if (!left)
			return t;
		step = next - t;
		if (busy > 0 && rate > 0)
			step = fmin(step, least * (double) busy / rate);
		if (t + step > FORECAST_HORIZON)
			return INFINITY;
		for (size_t i = 0; i < parts; i++)
		{
			if (part[i].left <= 0)
				continue;
			if (part[i].open && rate > 0)
			{
				/* those that become empty now do so exactly */
				if (part[i].left * (double) busy / rate <= step)
					part[i].left = 0;
				else
					part[i].left -= step * rate / (double) busy;
			}
			if (part[i].until <= t + step)
				look(&part[i], t + step);
		}
		t += step;
	}
}

/*
 * The probability between -t and t with t = sqrt(freedom) tan(angle): a finite
 * sum for whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4).
 */
static double
student_between(double angle, unsigned freedom)
{
	double		square = cos(angle) * cos(angle);
	bool		odd = freedom % 2 == 1;
	double		term = odd ? sin(angle) * cos(angle) : sin(angle);
	double		sum = odd ? angle : 0;

	for (unsigned k = odd ? 3 : 2; k <= freedom; k += 2)
	{
		sum += term;
		term *= square * (k - 1) / k;
	}
	return odd ? sum * 2 / PI : sum;
}

double
student_quantile(double p, unsigned freedom)
{
	double		low = 0;
	double		high = PI / 2;

	/* as many halves as a double has bits */
	for (int i = 0; i < 60; i++)
	{
		double		middle = (low + high) / 2;

		if (student_between(middle, freedom) < 2 * p - 1)
			low = middle;
		else
			high = middle;
	}
	return sqrt(freedom) * tan(low);
}

/*
 * How many intervals say as much as one would that knows nothing of its
 * neighbour: (1 + r) / (1 - r) with the correlation r of neighbours, if that is
 * more than chance makes of independent ones.
 */
static double
correlated(const double *rate, size_t count, double mean, double squares)
{
	double		products = 0;
	double		r;

	for (size_t i = 1; i < count; i++)
		products += (rate[i] - mean) * (rate[i - 1] - mean);
	r = squares > 0 ? products / squares : 0;
	if (r < 2 / sqrt((double) count))
		return 1;
	return (1 + fmin(r, 0.99)) / (1 - fmin(r, 0.99));
}

/* Half the relative width of what the rate and the messages may turn out to be. */
static double
half_width(const double *rate, size_t count, double mean, double interval, double sending,
		   double spread, double confidence)
{
	double		p = 0.5 + confidence / 2;
	double		n = (double) count;
	double		m = fmax(sending / interval, 1);
	double		z = normal_quantile(p);
	double		quantile = z;
	double		variance = mean / interval;

	if (count > 1)
	{
		double		squares = 0;
		double		each;

		for (size_t i = 0; i < count; i++)
			squares += (rate[i] - mean) * (rate[i] - mean);
		variance = squares / (n - 1);
		each = correlated(rate, count, mean, squares);
		n = fmax(n / each, 1);
		m = fmax(m / each, 1);
		quantile = student_quantile(p, n < 2 ? 1 : (unsigned) n - 1);
	}
	return sqrt(quantile * quantile * variance / (mean * mean) * (1 / n + 1 / m) +
				z * z * spread * spread);
}

bool
forecast(ForecastPart *part, size_t parts, const double *rate, size_t count, double interval,
		 double spread, double confidence, Forecast *result, SmsrError *error)
{
	double		messages = 0;
	double		mean = 0;
	double		h;

	for (size_t i = 0; i < parts; i++)
	{
		if (!(part[i].messages >= 0 && part[i].messages <= 1e15))
			return smsr_fail(error, SMSR_BAD_VALUE, "messages", i, "0 to 10^15");
		messages += part[i].messages;
	}
	if (count == 0 || count > FORECAST_MAX_RATES)
		return smsr_fail(error, SMSR_BAD_LENGTH, "rates", 0, "1 to 10000 numbers");
	for (size_t i = 0; i < count; i++)
	{
		if (!(rate[i] >= 0 && rate[i] <= 1e9))
			return smsr_fail(error, SMSR_BAD_VALUE, "rates", i, "0 to 10^9 a second");
		mean += rate[i] / (double) count;
	}
	if (!(interval > 0 && interval <= 1e9))
		return smsr_fail(error, SMSR_BAD_VALUE, "rate_seconds", 0, "more than 0 and at most 10^9");
	if (!(spread >= 0 && spread <= 1e3))
		return smsr_fail(error, SMSR_BAD_VALUE, "spread", 0, "0 to 1000");
	if (!(confidence > 0 && confidence < 1))
		return smsr_fail(error, SMSR_BAD_VALUE, "confidence", 0, "more than 0 and less than 1");
	result->expected = forecast_at(part, parts, mean);
	result->earliest = result->latest = result->expected;
	if (messages == 0 || mean == 0)
		return true;
	h = half_width(rate, count, mean, interval, messages / mean, spread, confidence);
	result->earliest = forecast_at(part, parts, mean * (1 + h));
	/* a rate of nothing or less: never */
	result->latest = forecast_at(part, parts, mean * (1 - h));
	return true;
}
