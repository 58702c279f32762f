/*
 * row.h
 *		Results that are rows, of functions with OUT arguments.
 */
#ifndef SMSR_ROW_H
#define SMSR_ROW_H

#include "access/tupdesc.h"
#include "fmgr.h"

/*
 * The row type of a function's result.  It is looked up once a query, not once a
 * call: the look-up takes as long as a packet.  Not for functions that return
 * sets, which keep something else in fn_extra.
 */
extern TupleDesc smsr_row_type(FunctionCallInfo fcinfo);

extern Datum smsr_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/* The n-th of the values, from 0; text NULL: SQL's NULL. */
extern void smsr_row_text(Datum *values, bool *nulls, int n, const char *text);

#endif							/* SMSR_ROW_H */
