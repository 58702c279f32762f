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

#endif							/* SMSR_ROW_H */
