/*
 * fuzz_brake.c
 *		Brakes and forecasts, of counts and rates such as tables give back: refused with
 *		a reason or judged, and what is judged is judged so that more failures never
 *		let go on what fewer halted, and less certainty never narrows.
 *
 * The first octets are numbers of their own, all others pieces or rates.
 */
#include "fuzz.h"

#include <math.h>

#include "core/brake.h"
#include "core/forecast.h"

#define MOST_PIECES		400
#define MOST_RATES		60

static int64_t
take_number(SmsrBytes *input)
{
	uint64_t	n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | take_u8(input);
	return (int64_t) n;
}

/* Small ones, mostly: few octets must do for what may happen. */
static int64_t
take_count(SmsrBytes *input)
{
	uint8_t		first = take_u8(input);

	if (first == 0xFF)
		return take_number(input);
	return (int64_t) (first & 0x3F) << (first >> 6) * 7;
}

/* 0 to 1 as a rule, or any number at all */
static double
take_part(SmsrBytes *input)
{
	uint8_t		first = take_u8(input);
	int64_t		bits;
	double		any;

	if (first != 0xFF)
		return first / 254.0;
	bits = take_number(input);
	memcpy(&any, &bits, sizeof(any));
	return any;
}

static void
one_brake(int64_t failed, int64_t ended, double threshold, double confidence, int64_t minimum)
{
	FailureBounds b;
	bool		halt;
	bool		more;
	SmsrError	error;

	if (!brake(failed, ended, threshold, confidence, minimum, &halt, &error))
	{
		explained(error, 0);
		return;
	}
	property(failed >= 0 && failed <= ended && threshold >= 0 && threshold <= 1 && minimum >= 0);
	property(confidence >= 0.5 && confidence < 1);
	property(!halt || (failed > 0 && ended >= minimum && threshold < 1));
	if (halt && failed < ended)
	{
		property(brake(failed + 1, ended, threshold, confidence, minimum, &more, &error) && more);
		property(brake(failed, ended, threshold / 2, confidence, minimum, &more, &error) && more);
	}
	property(failure_bounds(failed, ended, confidence, &b, &error));
	property(b.lower >= 0 && b.lower <= b.upper && b.upper <= 1);
}

static void
lately(SmsrBytes input)
{
	double		threshold = take_part(&input);
	double		confidence = take_part(&input);
	int64_t		minimum = take_count(&input);
	int64_t		total = take_count(&input);
	uint8_t		worse = take_u8(&input);
	size_t		count = input.len / 2 < MOST_PIECES ? input.len / 2 : MOST_PIECES;
	BrakePiece *piece = malloc((count > 0 ? count : 1) * sizeof(BrakePiece));
	int64_t		failed = 0;
	BrakeVerdict v;
	BrakeVerdict w;
	SmsrError	error;

	if (piece == NULL)
		abort();
	for (size_t i = 0; i < count; i++)
	{
		piece[i].failed = take_count(&input);
		piece[i].ended = take_count(&input);
		/* what is no count of ends is tried now and then, not with each */
		if (worse % 16 != 0 && piece[i].ended < piece[i].failed && piece[i].ended >= 0)
		{
			int64_t		swap = piece[i].failed;

			piece[i].failed = piece[i].ended;
			piece[i].ended = swap;
		}
	}
	if (!brake_lately(piece, count, total, threshold, confidence, minimum, &v, &error))
	{
		explained(error, count);
		property(!v.halt);
		free(piece);
		return;
	}
	property(v.halt || (v.failed == 0 && v.ended == 0));
	for (size_t i = 0; i < count; i++)
	{
		property(piece[i].failed >= 0 && piece[i].failed <= piece[i].ended);
		failed += piece[i].failed;
	}
	if (v.halt)
	{
		int64_t		of = 0;
		int64_t		among = 0;
		size_t		i = count;

		/* the last pieces, as many as that, and more of them failed than may */
		while (i > 0 && of < v.ended)
		{
			of += piece[--i].ended;
			among += piece[i].failed;
		}
		for (; i > 0 && among < v.failed && piece[i - 1].ended == 0; i--)
			among += piece[i - 1].failed;
		property(of == v.ended && among == v.failed);
		property(v.ended >= BRAKE_LATELY && v.ended >= minimum && v.failed > 0);
		property((double) v.failed > threshold * (double) v.ended);
	}
	/* nothing failed: nothing halts */
	if (failed == 0)
		property(!v.halt);
	if (threshold >= 1)
		property(!v.halt);
	/*
	 * one more failure, a lower threshold and less confidence halt what was halted; others may halt
	 * instead.  A lower minimum need not: an earlier look moves those after it
	 */
	if (v.halt)
	{
		BrakePiece *p = &piece[worse % count];

		property(brake_lately(piece, count, total, threshold / 2, confidence, minimum, &w, &error) && w.halt);
		property(brake_lately(piece, count, total, threshold, 0.5, minimum, &w, &error) && w.halt);
		if (p->failed < p->ended)
		{
			p->failed++;
			property(brake_lately(piece, count, total, threshold, confidence, minimum, &w, &error) && w.halt);
		}
	}
	/* of all that failed, none did */
	for (size_t i = 0; i < count; i++)
		piece[i].failed = 0;
	property(brake_lately(piece, count, total, threshold, confidence, minimum, &w, &error) && !w.halt);
	free(piece);
}

static void
course(SmsrBytes input)
{
	ForecastPart part = {0};
	double		interval = pow(2, (int8_t) take_u8(&input) % 32);
	double		spread = take_part(&input);
	double		confidence = take_part(&input);
	double	   *rate;
	size_t		count;
	Forecast	f;
	Forecast	g;
	SmsrError	error;

	part.messages = (double) take_count(&input);
	count = input.len < MOST_RATES ? input.len : MOST_RATES;
	/* of its own size for the sanitizer to watch */
	rate = malloc((count > 0 ? count : 1) * sizeof(double));
	if (rate == NULL)
		abort();
	for (size_t i = 0; i < count; i++)
		rate[i] = take_part(&input) * 100;
	if (!forecast(&part, 1, rate, count, interval, spread, confidence, &f, &error))
		explained(error, count);
	else
	{
		property(f.earliest >= 0 && f.earliest <= f.expected && f.expected <= f.latest);
		property(forecast(&part, 1, rate, count, interval, spread, confidence / 2, &g, &error));
		property(g.earliest >= f.earliest && g.latest <= f.latest && (g.expected == f.expected || isinf(f.expected)));
	}
	free(rate);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);

	switch (take_u8(&input) % 4)
	{
		case 0:
			{
				int64_t		failed = take_count(&input);
				int64_t		ended = take_count(&input);
				double		threshold = take_part(&input);
				double		confidence = take_part(&input);

				one_brake(failed, ended, threshold, confidence, take_count(&input));
				break;
			}
		case 1:
			course(input);
			break;
		default:
			lately(input);
	}
	return 0;
}
