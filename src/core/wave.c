/*
 * wave.c
 *		How a campaign is cut into waves.
 */
#include "wave.h"

#define MILLION			1000000
/* Nothing is larger, and its millions fit: eUICCs of one campaign. */
#define MAX_SIZE		INT64_C(1000000000000)

typedef struct Reader
{
	const char *text;
	size_t		len;
	size_t		at;
} Reader;

static char
peek(Reader *r)
{
	while (r->at < r->len &&
		   (r->text[r->at] == ' ' || r->text[r->at] == '\t' || r->text[r->at] == '\n'))
		r->at++;
	return r->at < r->len ? r->text[r->at] : '\0';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The word, if it is the next. */
static bool
take(Reader *r, const char *word)
{
	size_t		n = 0;

	peek(r);
	while (word[n] != '\0' && n < r->len - r->at && is_letter(r->text[r->at + n]) &&
		   (r->text[r->at + n] | 0x20) == word[n])
		n++;
	if (word[n] != '\0' || (n < r->len - r->at && is_letter(r->text[r->at + n])))
		return false;
	r->at += n;
	return true;
}

static bool
take_comma(Reader *r)
{
	if (peek(r) != ',')
		return false;
	r->at++;
	return true;
}

/* Digits, and with percent up to four behind a point: in millionths of the whole. */
static bool
read_size(Reader *r, WaveStep *step, SmsrError *error)
{
	size_t		start;
	int64_t		fraction = 0;
	int64_t		unit = 10000;
	bool		point;

	peek(r);
	start = r->at;
	step->size = 0;
	for (; r->at < r->len && is_digit(r->text[r->at]); r->at++)
	{
		step->size = step->size * 10 + r->text[r->at] - '0';
		if (step->size > MAX_SIZE)
			return smsr_fail(error, SMSR_BAD_VALUE, "waves", start, "at most 10^12");
	}
	if (r->at == start)
		return smsr_fail(error, SMSR_BAD_VALUE, "waves", start,
						 "a number, a number with %, or \"rest\"");
	point = r->at < r->len && r->text[r->at] == '.';
	if (point)
	{
		size_t		digits = ++r->at;

		for (; r->at < r->len && is_digit(r->text[r->at]); r->at++)
		{
			unit /= 10;
			fraction += (r->text[r->at] - '0') * unit;
			if (unit == 0)
				return smsr_fail(error, SMSR_BAD_VALUE, "waves", r->at, "at most four digits");
		}
		if (r->at == digits)
			return smsr_fail(error, SMSR_BAD_VALUE, "waves", r->at, "digits");
	}
	step->percent = peek(r) == '%';
	if (step->percent)
	{
		r->at++;
		if (step->size > 100 || step->size * 10000 + fraction > MILLION)
			return smsr_fail(error, SMSR_BAD_VALUE, "waves", start, "at most 100%");
		step->size = step->size * 10000 + fraction;
	}
	else if (point)
		return smsr_fail(error, SMSR_BAD_VALUE, "waves", start, "a whole number, or %");
	if (step->size == 0)
		return smsr_fail(error, SMSR_BAD_VALUE, "waves", start, "more than nobody");
	return true;
}

bool
waves_parse(const char *text, size_t len, WavePlan *plan, SmsrError *error)
{
	Reader		r = {text, len, 0};
	bool		separated = true;
	WaveStep   *step = NULL;

	plan->steps = 0;
	if (len > WAVES_MAX_LEN)
		return smsr_fail(error, SMSR_TOO_LONG, "waves", WAVES_MAX_LEN, "at most 1000 characters");
	for (;;)
	{
		peek(&r);
		if (step != NULL && r.at == len && !separated)
		{
			if (step->kind == WAVE_EACH || step->kind == WAVE_REST ||
				(step->percent && step->size == MILLION))
				return true;
			return smsr_fail(error, SMSR_BAD_VALUE, "waves", len,
							 "\"each\" behind the last size, or \"rest\" as the last wave");
		}
		if (!separated)
		{
			separated = take_comma(&r);
			if (take(&r, "then"))
				separated = true;
			if (!separated)
				return smsr_fail(error, SMSR_BAD_VALUE, "waves", r.at, "\",\", \"then\", or the end");
			continue;
		}
		if (step != NULL && (step->kind == WAVE_EACH || step->kind == WAVE_REST))
			return smsr_fail(error, SMSR_BAD_VALUE, "waves", r.at, "nothing behind the wave that takes everybody");
		if (plan->steps == WAVES_MAX_STEPS)
			return smsr_fail(error, SMSR_TOO_LONG, "waves", r.at, "at most 100 waves; \"each\" repeats the last");
		step = &plan->step[plan->steps++];
		*step = (WaveStep) {.kind = WAVE_STEP};
		separated = false;
		if (take(&r, "rest"))
		{
			step->kind = WAVE_REST;
			continue;
		}
		if (take(&r, "canary"))
			step->kind = WAVE_CANARY;
		if (!read_size(&r, step, error))
			return false;
		peek(&r);
		if (step->kind == WAVE_STEP && take(&r, "each"))
			step->kind = WAVE_EACH;
	}
}

/* Millionths of the cohort, rounded up, in parts that do not overflow. */
static int64_t
share_of(int64_t total, int64_t millionths)
{
	int64_t		rest = total % MILLION * millionths;

	return total / MILLION * millionths + rest / MILLION + (rest % MILLION > 0);
}

bool
waves_of(const WavePlan *plan, int64_t total, Wave *wave, size_t *count, SmsrError *error)
{
	int64_t		left = total;

	*count = 0;
	if (total < 0 || total > MAX_SIZE)
		return smsr_fail(error, SMSR_BAD_VALUE, "total", 0, "0 to 10^12");
	for (size_t i = 0; i < plan->steps && left > 0;)
	{
		const WaveStep *step = &plan->step[i];
		int64_t		size = left;

		if (step->kind != WAVE_REST)
			size = step->percent ? share_of(total, step->size) : step->size;
		if (size > left)
			size = left;
		if (*count == WAVES_MAX)
			return smsr_fail(error, SMSR_TOO_LONG, "waves", 0, "at most 10000");
		wave[(*count)++] = (Wave) {step->kind, size};
		left -= size;
		if (step->kind != WAVE_EACH)
			i++;
	}
	return true;
}

const char *
wave_kind_name(WaveKind kind)
{
	static const char *const names[] = {"canary", "step", "each", "rest"};

	return (unsigned) kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}
