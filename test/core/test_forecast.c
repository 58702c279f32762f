/*
 * test_forecast.c
 *		Forecasts against a clock that goes second by second, and against what then
 *		happened.
 */
#include "core/brake.h"
#include "core/forecast.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool
near(double a, double b, double distance)
{
	return fabs(a - b) <= distance || (isinf(a) && isinf(b));
}

static uint64_t state;

/* The same numbers in each suite, whichever others run */
static void
same_dice(void)
{
	state = UINT64_C(88172645463325252);
}

static double
dice(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double) (state >> 11) / 9007199254740992.0;
}

static Windows *
windows(const char *text)
{
	Windows    *w = scratch(sizeof(Windows));
	SmsrError	error;

	succeeds(windows_parse(text, strlen(text), w, &error), &error, "%s", text);
	return w;
}

#define HOUR	3600.0
#define DAY		86400.0

TEST_SUITE(forecast_student)
{
	/* Abramowitz and Stegun, table 26.10 */
	static const struct
	{
		unsigned	freedom;
		double		p95;
		double		p975;
		double		p995;
	}			table[] =
	{
		{1, 6.314, 12.706, 63.657}, {2, 2.920, 4.303, 9.925}, {3, 2.353, 3.182, 5.841}, {4, 2.132, 2.776, 4.604},
		{5, 2.015, 2.571, 4.032}, {9, 1.833, 2.262, 3.250}, {10, 1.812, 2.228, 3.169}, {30, 1.697, 2.042, 2.750},
		{120, 1.658, 1.980, 2.617}
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ok(near(student_quantile(0.95, table[i].freedom), table[i].p95, 5.1e-4) &&
		   near(student_quantile(0.975, table[i].freedom), table[i].p975, 5.1e-4) &&
		   near(student_quantile(0.995, table[i].freedom), table[i].p995, 5.1e-4), "%u degrees of freedom", table[i].freedom);
	ok(student_quantile(0.5, 7) < 1e-12, "the middle");
	ok(near(student_quantile(0.95, FORECAST_MAX_RATES), normal_quantile(0.95), 1e-3), "of many it is the normal distribution");
}

TEST_SUITE(forecast_windows)
{
	ForecastPart part[3] = {{.messages = 3600}};

	ok(forecast_at(part, 1, 1) == HOUR, "always open");
	part[0].windows = windows("01:00-02:00");
	ok(near(forecast_at(part, 1, 1), 2 * HOUR, 1e-6), "an hour that begins in an hour");
	part[0].second = 1.5 * HOUR;
	ok(near(forecast_at(part, 1, 1), 24 * HOUR, 1e-6), "half of it now, half of it tomorrow");
	part[0].second = 2 * HOUR;
	ok(near(forecast_at(part, 1, 1), 24 * HOUR, 1e-6), "the window closed this second");
	part[0].second = 6 * DAY + 1.5 * HOUR;
	ok(near(forecast_at(part, 1, 1), 24 * HOUR, 1e-6), "on Sunday: tomorrow is Monday");
	part[0].windows = windows("Sun 23:00-01:00");
	part[0].second = 6 * DAY + 23.5 * HOUR;
	ok(near(forecast_at(part, 1, 1), HOUR, 1e-6), "over Sunday midnight");
	part[0].second = 0.25 * HOUR;
	ok(near(forecast_at(part, 1, 1), 6 * DAY + 23 * HOUR, 1e-6), "three quarters of it now, the rest next Sunday");
	part[0].second = 7 * DAY - 1e-7;
	ok(near(forecast_at(part, 1, 1), HOUR, 1e-3), "the last instant of the week");
	part[0].messages = 0;
	ok(forecast_at(part, 1, 1) == 0 && forecast_at(part, 0, 1) == 0, "nothing to send");
	part[0].messages = 1;
	ok(isinf(forecast_at(part, 1, 0)), "no rate");
	part[0].windows = NULL;
	ok(isinf(forecast_at(part, 1, 0)), "no rate, always open");
	part[0].messages = FORECAST_HORIZON;
	ok(forecast_at(part, 1, 1) == FORECAST_HORIZON && isinf(forecast_at(part, 1, 0.999999)), "ten years, and more");
	part[0].windows = windows("Sun 23:59-24:00");
	part[0].messages = 60;
	ok(near(forecast_at(part, 1, 1.0 / 500), 499 * 7 * DAY + 7 * DAY, 7 * DAY) &&
	   isinf(forecast_at(part, 1, 1.0 / 600)), "a minute a week");

	/* shares: both open, then one, then the other */
	part[0] = (ForecastPart) {.messages = 1000, .windows = windows("01:00-02:00"), .second = 1.5 * HOUR};
	part[1] = (ForecastPart) {.messages = 3000};
	ok(near(forecast_at(part, 2, 1), 23.5 * HOUR + 100, 1e-6), "what a closed one leaves, another takes");
	part[1].messages = 100;
	ok(near(forecast_at(part, 2, 1), 1100, 1e-6), "what an empty one leaves, another takes");
}

/* A second at a time */
static double
by_seconds(const ForecastPart *given, size_t parts, double rate)
{
	double		left[3];
	double		t = 0;

	for (size_t i = 0; i < parts; i++)
		left[i] = given[i].messages;
	for (; t < 40 * DAY; t++)
	{
		double		room = rate;
		int			busy = 0;
		bool		any = false;

		for (size_t i = 0; i < parts; i++)
			any = any || left[i] > 1e-9;
		if (!any)
			return t;
		/* what one does not use within the second goes to the others */
		for (int again = 0; again < 3; again++)
		{
			double		share;

			busy = 0;
			for (size_t i = 0; i < parts; i++)
				busy += left[i] > 0 && (given[i].windows == NULL ||
										windows_open(given[i].windows, (int) (fmod(given[i].second + t, 7 * DAY) / 60)));
			share = busy > 0 ? room / busy : 0;
			for (size_t i = 0; i < parts; i++)
				if (left[i] > 0 && (given[i].windows == NULL ||
									windows_open(given[i].windows, (int) (fmod(given[i].second + t, 7 * DAY) / 60))))
				{
					double		sent = fmin(left[i], share);

					left[i] -= sent;
					room -= sent;
				}
		}
	}
	return INFINITY;
}

TEST_SUITE(forecast_clock)
{
	static const char *const texts[] = {
		"01:00-05:00", "Mon-Fri 22:00-04:00", "Sat,Sun 00:00-24:00", "Sun 22:00-03:30, Wed 11:11-12:12", "00:00-23:59"
	};
	Windows    *w[5];
	double		furthest = 0;

	same_dice();
	for (int i = 0; i < 5; i++)
		w[i] = windows(texts[i]);
	for (int n = 0; n < 40; n++)
	{
		ForecastPart part[3];
		size_t		parts = 1 + (size_t) (dice() * 3);
		double		rate = 0.5 + dice() * 20;
		double		a;
		double		b;

		for (size_t i = 0; i < parts; i++)
			part[i] = (ForecastPart) {
				.messages = floor(dice() * 1e5), .windows = dice() < 0.2 ? NULL : w[(int) (dice() * 5)],
				.second = floor(dice() * 7 * DAY)
			};
		a = forecast_at(part, parts, rate);
		b = by_seconds(part, parts, rate);
		if (a < 39 * DAY)
			furthest = fmax(furthest, fabs(a - b));
	}
	/* a second here and there; where that falls on a closing window, what is left waits */
	ok(furthest < 10, "forty fleets, second by second: %.3f s apart", furthest);
}

/* A forecast that must be: of so many messages, always open. */
static Forecast
of(double messages, const double *rate, size_t count, double interval, double spread, double confidence)
{
	ForecastPart part = {.messages = messages};
	Forecast	f = {0};
	SmsrError	error;

	if (!forecast(&part, 1, rate, count, interval, spread, confidence, &f, &error))
		abort();
	return f;
}

static double
width(Forecast f)
{
	return (f.latest - f.earliest) / f.expected;
}

TEST_SUITE(forecast_bounds)
{
	ForecastPart part = {.messages = 60000};
	static const double rates[] = {8, 12, 10, 9, 11};
	static const double up[] = {8.1, 7.9, 8, 8.2, 7.8, 8, 8.1, 7.9, 12.1, 11.9, 12, 12.2, 11.8, 12};
	static const double down[] = {12, 11.8, 12.2, 12, 11.9, 12.1, 7.9, 8.1, 8, 7.8, 8.2, 8, 7.9, 8.1};
	static const double mixed[] = {8.1, 12.1, 11.9, 7.9, 12, 8, 8.2, 12.2, 7.8, 11.8, 8, 12, 7.9, 12};
	double		many[400];
	double		scaled[5];
	Forecast	f;
	Forecast	g;
	bool		in_order = true;
	SmsrError	error;

	/* by the normal distribution: h^2 = 1.64485^2 (1 / 600 + 1 / 600) at the rate of the bound */
	f = of(600, (double[]) {10}, 1, 60, 0, 0.9);
	ok(near(f.expected, 60, 0.2) && near(f.earliest, 60 / 1.0950, 0.2) && near(f.latest, 60 / 0.9050, 0.2), "one interval seen, one to come");
	f = of(60000, (double[]) {10}, 1, 60, 0, 0.9);
	ok(near(f.latest, 6000 / (1 - 1.64485 * sqrt(1 / 600.0 + 1 / 60000.0)), 5), "one seen, a hundred to come");
	f = of(60000, (double[]) {10, 10}, 2, 60, 0, 0.9);
	ok(f.expected == 6000 && f.earliest == 6000 && f.latest == 6000, "no deviation");
	f = of(60000, (double[]) {10, 10}, 2, 60, 0.1, 0.9);
	ok(near(f.expected, 6000, 1) && near(f.earliest, 6000 / 1.164485, 1) && near(f.latest, 6000 / 0.835515, 1), "and a number of messages known to a tenth");
	f = of(60000, (double[]) {0, 0}, 2, 60, 0, 0.9);
	ok(isinf(f.expected) && isinf(f.earliest) && isinf(f.latest), "no rate: never");
	f = of(0, (double[]) {0}, 1, 60, 0, 0.9);
	ok(f.expected == 0 && f.latest == 0, "nothing to send");
	f = of(60000, (double[]) {0, 20}, 2, 60, 0, 0.9);
	ok(f.earliest > 0 && f.expected < 12000 && f.latest > 20000 && !isinf(f.latest), "a rate that may as well be nearly none: late, not never");

	/* expected where rates come and go is about the mean */
	f = of(60000, rates, 5, 60, 0, 0.9);
	ok(near(f.expected, 6000, 150) && f.earliest < 5400 && f.latest > 6800, "five seen, a hundred to come");
	same_dice();
	for (int i = 0; i < 400; i++)
		many[i] = rates[(int) (dice() * 5)];
	ok(width(of(60000, many, 400, 60, 0, 0.9)) < width(of(60000, many, 20, 60, 0, 0.9)) / 2, "the more were seen the more certain");
	ok(width(of(60000, many, 400, 60, 0, 0.9)) < width(of(600, many, 400, 60, 0, 0.9)) / 4, "the more are to come the more certain");
	ok(near(width(of(6, many, 400, 60, 0, 0.9)), width(of(600, many, 400, 60, 0, 0.9)), 0.15), "less than one to come: not less certain");
	ok(near(width(of(60000, many, 400, 60, 0.1, 0.9)), 2 * 1.64485 * 0.1, 0.05), "but for the number of messages");

	/* where a rate lasts, the last ones count for more, and what is to come is uncertain */
	f = of(6000, up, 14, 60, 0, 0.9);
	g = of(6000, down, 14, 60, 0, 0.9);
	ok(f.expected < 6000 / 11.0 && g.expected > 6000 / 9.0, "a rate that has risen, and one that has fallen: %.0f and %.0f s", f.expected, g.expected);
	ok(f.latest > 6000 / 8.0 && g.earliest < 6000 / 12.0, "and may go back: until %.0f, from %.0f s", f.latest, g.earliest);
	ok(width(of(6000, mixed, 14, 60, 0, 0.9)) < width(f) / 1.5, "more uncertain than as much deviation that comes and goes");

	for (double more = 0.01; more < 0.8; more *= 1.3)
		in_order = in_order && of(60000, rates, 5, 60, more, 0.9).earliest < of(60000, rates, 5, 60, more / 2, 0.9).earliest &&
			of(60000, up, 14, 60, more, 0.9).latest > of(60000, up, 14, 60, more / 2, 0.9).latest;
	ok(in_order, "the less is known of how many there are the wider");

	/* what it is measured in does not matter */
	for (int i = 0; i < 5; i++)
		scaled[i] = rates[i] * 1000;
	f = of(60000, rates, 5, 60, 0.1, 0.9);
	g = of(60000000, scaled, 5, 60, 0.1, 0.9);
	ok(near(g.earliest, f.earliest, 1e-3) && near(g.latest, f.latest, 1e-3), "a thousand times the rate and the messages");
	g = of(60000000, rates, 5, 60000, 0.1, 0.9);
	ok(near(g.earliest, f.earliest * 1000, 1) && near(g.latest, f.latest * 1000, 1), "a thousand times the seconds and the messages");

	f = of(60000, up, 14, 60, 0, 0.01);
	for (int i = 2; i < 100; i++)
	{
		g = of(60000, up, 14, 60, 0, i / 100.0);
		in_order = in_order && g.earliest < f.earliest && g.latest > f.latest && g.earliest < g.expected && g.expected < g.latest;
		f = g;
	}
	ok(in_order, "the more confidence the wider");

	/* whatever is seen, there is an answer */
	for (int i = 0; i < 300; i++)
	{
		double		odd[40];
		size_t		count = 1 + (size_t) (dice() * 40);

		for (size_t k = 0; k < count; k++)
			odd[k] = dice() < 0.3 ? 0 : dice() < 0.1 ? 1e9 * dice() : dice() < 0.2 ? 1e-9 * dice() : floor(dice() * 4);
		f = of(exp(dice() * 30), odd, count, exp(dice() * 20 - 5), dice() < 0.5 ? 0 : dice() * 10, 0.001 + 0.998 * dice());
		in_order = in_order && f.earliest >= 0 && f.earliest <= f.expected && f.expected <= f.latest;
	}
	ok(in_order, "three hundred odd courses");

	part.messages = 600;
	fails(forecast(&part, 1, rates, 0, 60, 0, 0.9, &f, &error), &error, SMSR_BAD_LENGTH, "rates", 0, "no rates");
	fails(forecast(&part, 1, rates, FORECAST_MAX_RATES + 1, 60, 0, 0.9, &f, &error), &error, SMSR_BAD_LENGTH, "rates", 0, "too many rates");
	fails(forecast(&part, 1, (double[]) {1, -1}, 2, 60, 0, 0.9, &f, &error), &error, SMSR_BAD_VALUE, "rates", 1, "a rate below 0");
	fails(forecast(&part, 1, (double[]) {NAN}, 1, 60, 0, 0.9, &f, &error), &error, SMSR_BAD_VALUE, "rates", 0, "no number");
	fails(forecast(&part, 1, (double[]) {INFINITY}, 1, 60, 0, 0.9, &f, &error), &error, SMSR_BAD_VALUE, "rates", 0, "an infinite rate");
	fails(forecast(&part, 1, rates, 5, 0, 0, 0.9, &f, &error), &error, SMSR_BAD_VALUE, "rate_seconds", 0, "intervals of nothing");
	fails(forecast(&part, 1, rates, 5, NAN, 0, 0.9, &f, &error), &error, SMSR_BAD_VALUE, "rate_seconds", 0, "intervals of no number");
	fails(forecast(&part, 1, rates, 5, 60, -0.1, 0.9, &f, &error), &error, SMSR_BAD_VALUE, "spread", 0, "spread below 0");
	fails(forecast(&part, 1, rates, 5, 60, 0, 0, &f, &error), &error, SMSR_BAD_VALUE, "confidence", 0, "no confidence");
	fails(forecast(&part, 1, rates, 5, 60, 0, 1, &f, &error), &error, SMSR_BAD_VALUE, "confidence", 0, "certainty");
	part.messages = -1;
	fails(forecast(&part, 1, rates, 5, 60, 0, 0.9, &f, &error), &error, SMSR_BAD_VALUE, "messages", 0, "fewer than no messages");
	part.messages = NAN;
	fails(forecast(&part, 1, rates, 5, 60, 0, 0.9, &f, &error), &error, SMSR_BAD_VALUE, "messages", 0, "no number of messages");
}

/* Sums of twelve are normal enough. */
static double
normal(void)
{
	double		sum = -6;

	for (int i = 0; i < 12; i++)
		sum += dice();
	return sum;
}

/*
 * Courses that rates take, and how often what then happens is within the bounds.
 */
typedef struct Run
{
	const char *name;
	double		last;			/* of an interval's deviation that the next has */
	double		deviation;
	int			seen;
	int			coming;
	double		least;			/* within the bounds of 0.9 */
	double		most;
} Run;

static void
cover(const Run *r)
{
	const int	trials = 700;
	int			within = 0;
	int			before = 0;

	for (int n = 0; n < trials; n++)
	{
		double		seen[60];
		Forecast	f;
		double		left = 600.0 * r->coming;
		double		t = 0;
		double		now = normal();

		for (int i = 0; i < r->seen; i++)
		{
			now = r->last * now + sqrt(1 - r->last * r->last) * normal();
			seen[i] = fmax(0, 10 + 10 * r->deviation * now);
		}
		f = of(left, seen, (size_t) r->seen, 60, 0, 0.9);
		while (left > 0)
		{
			double		rate;

			now = r->last * now + sqrt(1 - r->last * r->last) * normal();
			rate = fmax(0.01, 10 + 10 * r->deviation * now);
			t += fmin(60, left / rate);
			left -= 60 * rate;
		}
		within += t >= f.earliest && t <= f.latest;
		before += t < f.earliest;
	}
	ok((double) within / trials >= r->least && (double) within / trials <= r->most,
	   "%s, %d seen, %d to come, by %.0f %%: %.3f within the bounds of 0.9, %.3f earlier", r->name, r->seen, r->coming,
	   r->deviation * 100, (double) within / trials, (double) before / trials);
}

TEST_SUITE(forecast_coverage)
{
	static const Run runs[] =
	{
		/* of few nobody can tell that they are independent */
		{"independent", 0, 0.05, 2, 10, 0.87, 1},
		{"independent", 0, 0.1, 5, 1, 0.87, 1},
		{"independent", 0, 0.2, 5, 100, 0.9, 1},
		{"independent", 0, 0.3, 10, 30, 0.87, 0.99},
		{"independent", 0, 0.3, 36, 1, 0.87, 0.97},
		{"independent", 0, 0.3, 36, 36, 0.87, 0.97},
		{"independent", 0, 0.3, 60, 600, 0.87, 0.97},
		{"neighbours correlated by 0.5", 0.5, 0.2, 36, 36, 0.87, 0.99},
		{"neighbours correlated by 0.9", 0.9, 0.2, 36, 36, 0.87, 0.99},
		{"neighbours correlated by 0.9", 0.9, 0.2, 60, 200, 0.87, 0.99},
		{"evened out by the next", -0.4, 0.1, 36, 36, 0.85, 0.97},
	};

	same_dice();
	for (size_t r = 0; r < sizeof(runs) / sizeof(runs[0]); r++)
		cover(&runs[r]);
}

static int
by_size(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/*
 * Two binds, each of 10 to 39 a second, now and then none; both change after 10 to
 * 60 minutes.  What is seen are the six hours that a campaign looks back on, or less, in 36
 * intervals.
 */
TEST_SUITE(forecast_changing)
{
	static const struct
	{
		double		hours;		/* seen */
		double		coming;
		double		outages;
		double		least;
		double		median;		/* width, of what is left, at most */
	}			kinds[] =
	{
		{1, 0.5, 0, 0.85, 1.3}, {2, 0.5, 0, 0.87, 1.5}, {2, 2, 0, 0.87, 1.9}, {6, 1, 0, 0.87, 1.5}, {6, 6, 0, 0.87, 1.7}, {3, 3, 0.1, 0.87, 2.5}
	};

	same_dice();
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
	{
		const int	trials = 500;
		double		widths[500];
		int			within = 0;
		int			before = 0;

		for (int n = 0; n < trials; n++)
		{
			const double slot = kinds[k].hours * HOUR / 36;
			double		seen[36] = {0};
			double		limit = 0;
			double		left = 0;
			/* as if it had gone on for long */
			double		change = -dice() * HOUR;
			double		t = -HOUR;
			double		end;
			Forecast	f = {0};

			for (;;)
			{
				double		until;

				if (t >= change)
				{
					limit = 0;
					for (int b = 0; b < 2; b++)
						limit += dice() < kinds[k].outages ? 0 : 10 + floor(dice() * 30);
					change = t + 600 + dice() * 3000;
				}
				until = fmin(change, t < 0 ? 0 : t < 36 * slot ? slot * (floor(t / slot + 1e-9) + 1) : INFINITY);
				if (t >= 36 * slot - 1e-6)
				{
					if (left == 0)
					{
						f = of(left = kinds[k].coming * HOUR * 49, seen, 36, slot, 0, 0.9);
						t = 36 * slot;
					}
					if (limit > 0 && left / limit <= until - t)
						break;
					left -= limit * (until - t);
				}
				else if (t >= 0)
					seen[(int) (t / slot + 1e-9)] += limit * (until - t) / slot * (1 + 0.01 * normal());
				t = until;
			}
			end = t + left / limit - 36 * slot;
			within += end >= f.earliest && end <= f.latest;
			before += end < f.earliest;
			widths[n] = (f.latest - f.earliest) / end;
		}
		qsort(widths, trials, sizeof(double), by_size);
		ok((double) within / trials >= kinds[k].least && widths[trials / 2] <= kinds[k].median,
		   "%.0f h seen, %.1f to come, outages %.0f %%: %.3f within the bounds of 0.9, %.3f earlier; %.2f of what was left from one to the other in the median",
		   kinds[k].hours, kinds[k].coming, kinds[k].outages * 100, (double) within / trials, (double) before / trials, widths[trials / 2]);
	}
}
