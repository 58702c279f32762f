/*
 * test_forecast.c
 *		Forecasts against a clock that goes second by second, and against what then
 *		happened.
 */
#include "core/brake.h"
#include "core/forecast.h"
#include "tap.h"

#include <math.h>
#include <string.h>

static bool
near(double a, double b, double distance)
{
	return fabs(a - b) <= distance || (isinf(a) && isinf(b));
}

static double
dice(void)
{
	static uint64_t state = 88172645463325252;

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

TEST_SUITE(forecast_bounds)
{
	ForecastPart part = {.messages = 60000};
	static const double rates[] = {8, 12, 10, 9, 11};
	Forecast	f;
	SmsrError	error;

	/* mean 10, s^2 2.5, t(4) 2.13185: h = 0.15446 */
	ok(forecast(&part, 1, rates, 5, 60, 0, 0.9, &f, &error) && f.expected == 6000 && near(f.earliest, 6000 / 1.15446, 0.1) &&
	   near(f.latest, 6000 / 0.84554, 0.1), "five intervals seen, a hundred to come");
	ok(forecast(&part, 1, rates, 5, 60, 0.1, 0.9, &f, &error) && near(f.earliest, 6000 / (1 + sqrt(0.0238580 + 0.0270554)), 0.2),
	   "and a number of messages that is known to a tenth");
	part.messages = 600;
	/* one interval to come: h = 2.13185 * 0.158114 * sqrt(1.2) */
	ok(forecast(&part, 1, rates, 5, 60, 0, 0.9, &f, &error) && near(f.earliest, 60 / 1.36925, 0.01) && near(f.latest, 60 / 0.63075, 0.01),
	   "one to come");
	part.messages = 6;
	ok(forecast(&part, 1, rates, 5, 60, 0, 0.9, &f, &error) && near(f.latest, 0.6 / 0.63075, 0.001), "less than one to come: not less certain");
	/* of one interval s^2 = 10 / 60, t is z: h = 1.64485 * 0.0408248 * sqrt(2) */
	part.messages = 600;
	ok(forecast(&part, 1, rates + 2, 1, 60, 0, 0.9, &f, &error) && near(f.latest, 60 / (1 - 0.0949658), 0.001), "one interval seen");
	ok(forecast(&part, 1, (double[]) {0, 20}, 2, 60, 0, 0.9, &f, &error) && f.expected == 60 && isinf(f.latest) && f.earliest > 0,
	   "a rate that may as well be none: no latest");
	ok(forecast(&part, 1, (double[]) {0, 0}, 2, 60, 0, 0.9, &f, &error) && isinf(f.expected) && isinf(f.earliest) && isinf(f.latest), "no rate: never");
	part.messages = 0;
	ok(forecast(&part, 1, (double[]) {0}, 1, 60, 0, 0.9, &f, &error) && f.expected == 0 && f.latest == 0, "nothing to send");

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
 * Rates that last: each interval is the one before it by so much, and something
 * new.
 */
TEST_SUITE(forecast_lasting)
{
	static const struct
	{
		double		a;
		double		least;		/* that lies within; what is left is what sixty intervals do not tell */
	}			lasts[] = {{0.5, 0.84}, {0.9, 0.74}};

	for (size_t r = 0; r < sizeof(lasts) / sizeof(lasts[0]); r++)
	{
		double		a = lasts[r].a;
		int			within = 0;
		const int	trials = 1500;

		for (int n = 0; n < trials; n++)
		{
			ForecastPart part = {.messages = 600.0 * 100};
			double		seen[60];
			Forecast	f;
			SmsrError	error;
			double		left = part.messages;
			double		t = 0;
			double		now = normal();

			for (int i = 0; i < 60; i++)
			{
				now = a * now + sqrt(1 - a * a) * normal();
				seen[i] = fmax(0, 10 + 2 * now);
			}
			forecast(&part, 1, seen, 60, 60, 0, 0.9, &f, &error);
			while (left > 0)
			{
				double		rate;

				now = a * now + sqrt(1 - a * a) * normal();
				rate = fmax(0.01, 10 + 2 * now);
				t += fmin(60, left / rate);
				left -= 60 * rate;
			}
			within += t >= f.earliest && t <= f.latest;
		}
		ok((double) within / trials > lasts[r].least && (double) within / trials < 0.95, "neighbours correlated by %.1f: %.3f within the bounds of 0.9", a, (double) within / trials);
	}
}

/* What happens is within the bounds as often as they say. */
TEST_SUITE(forecast_coverage)
{
	static const struct
	{
		int			seen;
		int			coming;
		double		deviation;
	}			runs[] =
	{
		{2, 10, 0.05}, {5, 1, 0.1}, {5, 100, 0.2}, {10, 30, 0.3}, {60, 600, 0.3}
	};

	for (size_t r = 0; r < sizeof(runs) / sizeof(runs[0]); r++)
	{
		int			within = 0;
		int			below = 0;
		const int	trials = 4000;

		for (int n = 0; n < trials; n++)
		{
			ForecastPart part = {.messages = 600.0 * runs[r].coming};
			double		seen[60];
			Forecast	f;
			SmsrError	error;
			double		left = part.messages;
			double		t = 0;

			for (int i = 0; i < runs[r].seen; i++)
				seen[i] = fmax(0, 10 + 10 * runs[r].deviation * normal());
			forecast(&part, 1, seen, (size_t) runs[r].seen, 60, 0, 0.9, &f, &error);
			while (left > 0)
			{
				double		rate = fmax(0.01, 10 + 10 * runs[r].deviation * normal());

				t += fmin(60, left / rate);
				left -= 60 * rate;
			}
			within += t >= f.earliest && t <= f.latest;
			below += t < f.earliest;
		}
		ok(near((double) within / trials, 0.9, 0.025),
		   "%d intervals seen, %d to come, each by %.0f %%: %.3f within the bounds of 0.9", runs[r].seen, runs[r].coming,
		   runs[r].deviation * 100, (double) within / trials);
		ok(near((double) below / trials, 0.05, 0.025), "and %.3f earlier", (double) below / trials);
	}
}
