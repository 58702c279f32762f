/*
 * compat.h
 *		What differs between the PostgreSQL versions that we build with, 15 on.
 */
#ifndef SMSR_COMPAT_H
#define SMSR_COMPAT_H

#include "fmgr.h"

/* 16 lets input functions report errors softly */
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#else
#include "nodes/miscnodes.h"
#endif

#endif							/* SMSR_COMPAT_H */
