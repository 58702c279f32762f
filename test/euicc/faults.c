/*
 * faults.c
 *		The table of faults, and the draw for one message.
 */
#include "faults.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a message that is overtaken is held back. */
#define REORDER_MIN_US	50000
#define REORDER_SPAN_US	450000

const Faults FAULTS_NONE = {.off_time = 30, .https_stall_time = 30};

typedef enum FaultType
{
	FAULT_PROBABILITY,
	FAULT_NUMBER,
	FAULT_RANGE,
	FAULT_REFUSAL,
	FAULT_POLICY
} FaultType;

typedef struct FaultName
{
	const char *name;
	FaultType	type;
	size_t		first;
	size_t		second;			/* 0, or the other direction's place */
} FaultName;

#define BOTH(field)		offsetof(Faults, mt.field), offsetof(Faults, mo.field)
#define ONE(field)		offsetof(Faults, field), 0

static const FaultName names[] = {
	{"loss", FAULT_PROBABILITY, BOTH(loss)},
	{"mt_loss", FAULT_PROBABILITY, ONE(mt.loss)},
	{"mo_loss", FAULT_PROBABILITY, ONE(mo.loss)},
	{"duplicate", FAULT_PROBABILITY, BOTH(duplicate)},
	{"mt_duplicate", FAULT_PROBABILITY, ONE(mt.duplicate)},
	{"mo_duplicate", FAULT_PROBABILITY, ONE(mo.duplicate)},
	{"reorder", FAULT_PROBABILITY, BOTH(reorder)},
	{"mt_reorder", FAULT_PROBABILITY, ONE(mt.reorder)},
	{"mo_reorder", FAULT_PROBABILITY, ONE(mo.reorder)},
	{"bit_error", FAULT_PROBABILITY, BOTH(bit_error)},
	{"mt_bit_error", FAULT_PROBABILITY, ONE(mt.bit_error)},
	{"mo_bit_error", FAULT_PROBABILITY, ONE(mo.bit_error)},
	{"delay", FAULT_RANGE, BOTH(delay)},
	{"mt_delay", FAULT_RANGE, ONE(mt.delay)},
	{"mo_delay", FAULT_RANGE, ONE(mo.delay)},
	{"refuse", FAULT_PROBABILITY, ONE(refuse)},
	{"refuse_with", FAULT_REFUSAL, ONE(refuse_with)},
	{"no_por", FAULT_PROBABILITY, ONE(no_por)},
	{"off", FAULT_PROBABILITY, ONE(off)},
	{"off_time", FAULT_NUMBER, ONE(off_time)},
	{"off_policy", FAULT_POLICY, ONE(off_policy)},
	{"fallback_per_hour", FAULT_NUMBER, ONE(fallback_per_hour)},
	{"disconnect_every", FAULT_NUMBER, ONE(disconnect_every)},
	{"rate", FAULT_NUMBER, ONE(rate)},
	{"https_break", FAULT_PROBABILITY, ONE(https_break)},
	{"https_stall", FAULT_PROBABILITY, ONE(https_stall)},
	{"https_stall_time", FAULT_NUMBER, ONE(https_stall_time)},
	{"https_wrong_key", FAULT_PROBABILITY, ONE(https_wrong_key)},
	{"https_forget", FAULT_PROBABILITY, ONE(https_forget)},
};

#define NAMES	(sizeof names / sizeof names[0])

static const char *const refusals[] = {
	"mix", "throttled", "queue_full", "system_error", "invalid_address", NULL
};
static const char *const policies[] = {"queue", "drop", NULL};

static void *
field(Faults *faults, size_t offset)
{
	return (char *) faults + offset;
}

static const FaultName *
find(const char *name, size_t len)
{
	for (size_t i = 0; i < NAMES; i++)
	{
		if (strlen(names[i].name) == len && memcmp(names[i].name, name, len) == 0)
			return &names[i];
	}
	return NULL;
}

bool
faults_known(const char *name, size_t len)
{
	return find(name, len) != NULL;
}

static bool
read_number(const char *text, char **end, double *value)
{
	*value = strtod(text, end);
	return *end != text && *value >= 0 && *value <= 1e9;
}

static int
read_word(const char *const *words, const char *text)
{
	for (int i = 0; words[i] != NULL; i++)
	{
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -1;
}

bool
faults_set(Faults *faults, const char *assignment, char *why, size_t why_len)
{
	const char *equals = strchr(assignment, '=');
	const FaultName *name;
	const char *value;
	char	   *end;
	double		number;
	FaultRange	range;
	int			word;

	if (equals == NULL)
	{
		snprintf(why, why_len, "\"%s\": NAME=VALUE expected", assignment);
		return false;
	}
	value = equals + 1;
	name = find(assignment, (size_t) (equals - assignment));
	if (name == NULL)
	{
		snprintf(why, why_len, "no fault is called \"%.*s\"",
				 (int) (equals - assignment), assignment);
		return false;
	}
	switch (name->type)
	{
		case FAULT_PROBABILITY:
		case FAULT_NUMBER:
			if (!read_number(value, &end, &number) || *end != '\0' ||
				(name->type == FAULT_PROBABILITY && number > 1))
			{
				snprintf(why, why_len, "%s: \"%s\" is no %s", name->name, value,
						 name->type == FAULT_NUMBER ? "number of 0 or more" :
						 "number from 0 to 1");
				return false;
			}
			memcpy(field(faults, name->first), &number, sizeof number);
			if (name->second != 0)
				memcpy(field(faults, name->second), &number, sizeof number);
			return true;
		case FAULT_RANGE:
			if (!read_number(value, &end, &range.min))
				end = NULL;
			else if (*end == '\0')
				range.max = range.min;
			else if (*end != '-' || !read_number(end + 1, &end, &range.max) ||
					 *end != '\0' || range.max < range.min)
				end = NULL;
			if (end == NULL)
			{
				snprintf(why, why_len, "%s: \"%s\" is no MIN-MAX in milliseconds",
						 name->name, value);
				return false;
			}
			memcpy(field(faults, name->first), &range, sizeof range);
			if (name->second != 0)
				memcpy(field(faults, name->second), &range, sizeof range);
			return true;
		case FAULT_REFUSAL:
		case FAULT_POLICY:
			word = read_word(name->type == FAULT_REFUSAL ? refusals : policies, value);
			if (word < 0)
			{
				snprintf(why, why_len, "%s: \"%s\" is none of %s", name->name, value,
						 name->type == FAULT_REFUSAL ?
						 "mix, throttled, queue_full, system_error, invalid_address" :
						 "queue, drop");
				return false;
			}
			memcpy(field(faults, name->first), &word, sizeof word);
			return true;
	}
	return false;
}

void
faults_print(const Faults *faults, Text *out)
{
	for (size_t i = 0; i < NAMES; i++)
	{
		const char *place = (const char *) faults + names[i].first;
		double		number;
		FaultRange	range;
		int			word;

		if (names[i].second != 0)
			continue;			/* its two directions are printed by their own names */
		switch (names[i].type)
		{
			case FAULT_PROBABILITY:
			case FAULT_NUMBER:
				memcpy(&number, place, sizeof number);
				text_printf(out, "%s=%g\n", names[i].name, number);
				break;
			case FAULT_RANGE:
				memcpy(&range, place, sizeof range);
				text_printf(out, "%s=%g-%g\n", names[i].name, range.min, range.max);
				break;
			case FAULT_REFUSAL:
			case FAULT_POLICY:
				memcpy(&word, place, sizeof word);
				text_printf(out, "%s=%s\n", names[i].name,
							(names[i].type == FAULT_REFUSAL ? refusals : policies)[word]);
				break;
		}
	}
}

static uint64_t
draw_delay(const Path *path, Rng *rng)
{
	double		ms = path->delay.min + rng_unit(rng) * (path->delay.max - path->delay.min);
	bool		overtaken = rng_chance(rng, path->reorder);
	double		held = REORDER_MIN_US + rng_unit(rng) * REORDER_SPAN_US;

	return (uint64_t) (ms * 1000) + (overtaken ? (uint64_t) held : 0);
}

/* The draws come in a fixed order, whatever the settings: see random.h. */
Fate
fate_draw(const Path *path, Rng *rng)
{
	Fate		fate = {.copies = 1};

	if (rng_chance(rng, path->loss))
		fate.copies = 0;
	if (rng_chance(rng, path->duplicate) && fate.copies > 0)
		fate.copies = 2;
	fate.bit_error = rng_chance(rng, path->bit_error);
	fate.bit = rng_unit(rng);
	fate.delay[0] = draw_delay(path, rng);
	fate.delay[1] = draw_delay(path, rng);
	return fate;
}
