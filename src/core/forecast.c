/*
 * forecast.c
 *		When the last of so many messages will have left.
 */
#include "forecast.h"

#include <math.h>

#define PI	3.14159265358979323846
#define SQRT_HALF		0.70710678118654752440
/* What is so much slower or faster than what was seen nobody asks for. */
#define RATE_DECADES	4
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

/* At most t, of Student's distribution; of many degrees of freedom it is the normal one. */
static double
student_below(double t, double freedom)
{
	double		half;

	if (freedom > 300)
		return 0.5 * erfc(-t * SQRT_HALF);
	half = student_between(atan(fabs(t) / sqrt(floor(freedom))), (unsigned) freedom) / 2;
	return t > 0 ? 0.5 + half : 0.5 - half;
}

/*
 * A kind of course that rates may take, and what was seen if it is theirs; in
 * parts of the mean that was seen, from that mean.
 */
typedef struct Course
{
	double		a;				/* what is left of the slow part an interval later */
	double		slow;			/* its part of the variance; what is left is each interval's own */
	double		freedom;		/* how many there were to see of what it is made of, less one */
	double		weight;			/* at first its logarithm */
	double		variance;
	double		level;			/* the mean */
	double		precision;		/* of it, 1 / variance */
	double		now;			/* the slow part at the end, if the mean were 0 */
	double		now_each;		/* and what it is less for a mean of 1 */
	double		uncertain;		/* its variance */
} Course;

/* In intervals, how long slow parts last: up to almost twice as many as there are at most in a campaign's forecast */
#define COURSE_LASTS	7
#define COURSE_PARTS	4
#define COURSES	(3 + COURSE_LASTS * COURSE_PARTS)

static const double course_parts[COURSE_PARTS] = {0.3, 0.9, 0.99, 0.999};

/*
 * R. E. Kalman's filter (A New Approach to Linear Filtering and Prediction
 * Problems, 1960) over the rates and over ones, in the same gains: so the mean and
 * the scale need not be known, but come out by least squares.
 */
static void
course_see(Course *c, const double *rate, size_t count, double mean)
{
	double		own = 1 - c->slow;
	double		squares = 0;
	double		products = 0;
	double		logs = 0;
	double		n = (double) count;

	c->now = c->now_each = c->precision = 0;
	c->uncertain = c->slow;
	for (size_t i = 0; i < count; i++)
	{
		double		x;
		double		one;
		double		all;

		if (i > 0)
		{
			c->now *= c->a;
			c->now_each *= c->a;
			c->uncertain = c->a * c->a * c->uncertain + c->slow * (1 - c->a * c->a);
		}
		all = c->uncertain + own;
		x = rate[i] / mean - 1 - c->now;
		one = 1 - c->now_each;
		squares += x * x / all;
		products += x * one / all;
		c->precision += one * one / all;
		logs += log(all);
		c->now += x * c->uncertain / all;
		c->now_each += one * c->uncertain / all;
		c->uncertain *= own / all;
	}
	c->level = products / c->precision;
	/* not less than what rounding makes of none */
	squares = fmax(squares - products * c->level, 1e-20);
	c->variance = squares / (n - 1);
	c->weight = -0.5 * (logs + log(c->precision) + (n - 1) * log(squares));
}

/* Kinds, and how well each explains what was seen; returns how many do at all. */
static size_t
courses_see(Course *course, const double *rate, size_t count, double mean)
{
	double		n = (double) count;
	double		best = -INFINITY;
	double		sum = 0;
	size_t		courses = 0;
	size_t		kept = 0;

	/* each on its own, or evened out by the next; as likely at first as all that last */
	for (int i = 0; i < 3; i++)
		course[courses++] = (Course) {.a = -0.3 * i, .slow = i > 0, .freedom = n - 1, .weight = log(0.5 / 3)};
	for (int i = 0; i < COURSE_LASTS; i++)
		for (int j = 0; j < COURSE_PARTS; j++)
		{
			double		lasts = (double) (1 << i);

			/* a change is seen once, however long what follows it: few have been */
			course[courses++] = (Course) {
				.a = exp(-1 / lasts), .slow = course_parts[j],
				.freedom = fmax(1, n / (2 * lasts) - 1), .weight = log(0.5 / (COURSE_LASTS * COURSE_PARTS))
			};
		}
	for (size_t i = 0; i < courses; i++)
	{
		double		before = course[i].weight;

		course_see(&course[i], rate, count, mean);
		course[i].weight += before;
		best = fmax(best, course[i].weight);
	}
	for (size_t i = 0; i < courses; i++)
	{
		course[i].weight = exp(course[i].weight - best);
		/* what hardly explains it takes time alone */
		if (course[i].weight < 1e-6)
			continue;
		sum += course[i].weight;
		course[kept++] = course[i];
	}
	for (size_t i = 0; i < kept; i++)
		course[i].weight /= sum;
	return kept;
}

/* The probability that the mean of the next m intervals is less than this one. */
static double
below(const Course *course, size_t courses, double mean, double m, double spread)
{
	double		less = 0;
	double		any = 0;

	for (size_t i = 0; i < courses; i++)
	{
		const Course *c = &course[i];
		double		power = c->a < 0 ? pow(-c->a, m) * cos(PI * m) : pow(c->a, m);
		double		stays = c->a * (1 - power) / ((1 - c->a) * m);
		double		varies = ((1 + c->a) / (1 - c->a) - 2 * c->a * (1 - power) / (m * (1 - c->a) * (1 - c->a))) / m;
		double		unsure = 1 - stays * c->now_each;
		double		centre = fmax(1 + stays * c->now + unsure * c->level, 0);
		double		variance = c->variance * (unsure * unsure / c->precision + stays * stays * c->uncertain +
											  c->slow * fmax(varies - stays * stays, 0) + (1 - c->slow) / m);
		double		deviation = sqrt(variance + centre * centre * spread * spread);
		/* no rate is less than nothing */
		double		none = student_below(-centre / deviation, c->freedom);

		less += c->weight * (student_below((mean - centre) / deviation, c->freedom) - none);
		any += c->weight * (1 - none);
	}
	return less / any;
}

/*
 * The mean rate, in parts of the one seen, at which messages that take so many
 * intervals at that one are sent, or a lower, with probability p.  Of a slower one
 * the mean is over a longer time.  A larger p never has a lower one.
 */
static double
rate_of(const Course *course, size_t courses, double p, double intervals, double spread)
{
	double		low = -RATE_DECADES;
	double		high = RATE_DECADES;

	for (int i = 0; i < 36; i++)
	{
		double		middle = (low + high) / 2;
		double		rate = pow(10, middle);

		if (below(course, courses, rate, fmin(fmax(intervals / rate, 1), 1e9), spread) < p)
			low = middle;
		else
			high = middle;
	}
	return pow(10, (low + high) / 2);
}

bool
forecast(ForecastPart *part, size_t parts, const double *rate, size_t count, double interval,
		 double spread, double confidence, Forecast *result, SmsrError *error)
{
	Course		course[COURSES];
	size_t		courses;
	double		messages = 0;
	double		mean = 0;
	double		intervals;
	bool		varies = false;

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
	for (size_t i = 1; i < count; i++)
		varies = varies || rate[i] != rate[0];
	result->expected = forecast_at(part, parts, mean);
	result->earliest = result->latest = result->expected;
	if (messages == 0 || mean == 0 || (count > 1 && !varies && spread == 0))
		return true;
	if (varies)
		courses = courses_see(course, rate, count, mean);
	else
	{
		course[0] = (Course) {
			.freedom = INFINITY, .weight = 1, .variance = count > 1 ? 0 : 1 / (mean * interval), .precision = 1
		};
		courses = 1;
	}
	intervals = messages / mean / interval;
	result->expected = forecast_at(part, parts, mean * rate_of(course, courses, 0.5, intervals, spread));
	result->earliest = forecast_at(part, parts, mean * rate_of(course, courses, 0.5 + confidence / 2, intervals, spread));
	result->latest = forecast_at(part, parts, mean * rate_of(course, courses, 0.5 - confidence / 2, intervals, spread));
	return true;
}
