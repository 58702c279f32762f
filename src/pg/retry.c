/*
 * retry.c
 *		How long to wait for an answer before the same packet goes out again.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/timestamp.h"

#include "pg/guc.h"

/* Beyond this many doublings the longest wait has long been reached. */
#define MAX_DOUBLINGS	20

PG_FUNCTION_INFO_V1(smsr_retry_interval);

/*
 * smsr.retry_initial, doubled with each attempt up to smsr.retry_max, and a
 * tenth of jitter either way, so that a fleet that was sent to at once is not
 * sent to at once again.
 */
Datum
smsr_retry_interval(PG_FUNCTION_ARGS)
{
	int			doublings = Min(Max(PG_GETARG_INT32(0) - 1, 0), MAX_DOUBLINGS);
	double		seconds = Min((double) smsr_retry_initial * (double) (1 << doublings),
							  (double) smsr_retry_max);
	Interval   *result = palloc0(sizeof(Interval));

	seconds *= 0.9 + 0.2 * pg_prng_double(&pg_global_prng_state);
	result->time = (TimeOffset) (seconds * USECS_PER_SEC);
	PG_RETURN_INTERVAL_P(result);
}
