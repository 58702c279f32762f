/*
 * vectors.h
 *		Test vectors in JSON: the little of it that their files use.
 *
 * What can not be read ends the program: a test without its vectors must not
 * pass.
 */
#ifndef SMSR_VECTORS_H
#define SMSR_VECTORS_H

#include "tap.h"

typedef enum JsonKind
{
	JSON_NULL,
	JSON_BOOLEAN,
	JSON_NUMBER,				/* whole */
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
} JsonKind;

typedef struct Json
{
	JsonKind	kind;
	const char *name;			/* of a member */
	long		number;			/* or a boolean's */
	const char *string;
	struct Json *child;			/* the first of an array or object */
	struct Json *next;
} Json;

/* The array in a file below test/vectors. */
extern const Json *vectors(const char *file);

/* A member of this name; NULL if there is none. */
extern const Json *member(const Json *object, const char *name);

/* Members that have to be there. */
extern const char *text_of(const Json *object, const char *name);
extern long number_of(const Json *object, const char *name);
extern SmsrBytes octets_of(const Json *object, const char *name);
extern uint8_t octet_of(const Json *object, const char *name);

#endif							/* SMSR_VECTORS_H */
