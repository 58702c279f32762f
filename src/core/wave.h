/*
 * wave.h
 *		How a campaign is cut into waves.
 *
 * Pure.  A plan is sizes in order, of a number of eUICCs or of percent of the
 * whole cohort:
 *
 *		plan	= wave { ( "," | "then" | "," "then" ) wave }
 *		wave	= [ "canary" ] size | size "each" | "rest"
 *		size	= digits | digits [ "." digits ] "%"
 *
 * 'canary 100, then 10%, then rest', '1%, 10%, 25% each'.  "each" repeats its
 * size until nobody is left, "rest" takes everybody who is left; a plan ends with
 * one of them, because it must say what becomes of all.  Words in any case.
 * Percents are rounded up, so that a wave of a cohort that is not empty has
 * somebody in it; up to four digits behind the point.
 */
#ifndef SMSR_WAVE_H
#define SMSR_WAVE_H

#include "error.h"

#define WAVES_MAX_LEN	1000	/* characters of a plan */
#define WAVES_MAX_STEPS	100		/* of a plan */
#define WAVES_MAX		10000	/* of a campaign */

typedef enum WaveKind
{
	WAVE_CANARY,
	WAVE_STEP,
	WAVE_EACH,
	WAVE_REST
} WaveKind;

typedef struct WaveStep
{
	WaveKind	kind;
	bool		percent;
	int64_t		size;			/* eUICCs, or millionths of the cohort; of WAVE_REST none */
} WaveStep;

typedef struct WavePlan
{
	size_t		steps;
	WaveStep	step[WAVES_MAX_STEPS];
} WavePlan;

typedef struct Wave
{
	WaveKind	kind;
	int64_t		size;			/* at least 1 */
} Wave;

/* Offsets of errors count characters. */
extern bool waves_parse(const char *text, size_t len, WavePlan *plan, SmsrError *error);

/*
 * The waves of a cohort of total: their sizes add up to it.  Those that nobody
 * is left for are left out.  wave has room for WAVES_MAX; SMSR_TOO_LONG if there
 * would be more.
 */
extern bool waves_of(const WavePlan *plan, int64_t total, Wave *wave, size_t *count, SmsrError *error);

extern const char *wave_kind_name(WaveKind kind);

#endif							/* SMSR_WAVE_H */
