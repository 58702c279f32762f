/*
 * json.h
 *		A writer of JSON whose text is well-formed wherever its room ends.
 *
 * A member or element is written whole or not at all, and the room to close
 * what is open is kept free.  From the first one that does not fit on nothing
 * more is written, and the outermost object says "cut": true.
 */
#ifndef SMSR_JSON_H
#define SMSR_JSON_H

#include "bytes.h"

/* With less room than this there is no text, and the writer says overflow. */
#define JSON_MIN_ROOM	16
#define JSON_MAX_DEPTH	32

typedef struct Json
{
	SmsrWriter *out;
	int			depth;			/* what is open */
	int			skipped;		/* what was opened after the room had ended */
	uint32_t	arrays;			/* a bit for each that is open: array or object */
	bool		comma;			/* the next one needs a comma before it */
	bool		full;
} Json;

/* The outermost object; json_end() closes it. */
extern void json_begin(Json *json, SmsrWriter *out);
extern void json_end(Json *json);

/* key is NULL inside an array; it is ASCII without quotes or backslashes. */
extern void json_open_object(Json *json, const char *key);
extern void json_open_array(Json *json, const char *key);
extern void json_close(Json *json);

extern void json_string(Json *json, const char *key, const char *value);
extern void json_number(Json *json, const char *key, uint64_t value);
extern void json_bool(Json *json, const char *key, bool value);
/* Upper-case hexadecimal digits. */
extern void json_hex(Json *json, const char *key, SmsrBytes value);
extern void json_hex_number(Json *json, const char *key, uint32_t value, int digits);
/* The octets as ASCII; with 0x in hexadecimal if they are no printable text. */
extern void json_text(Json *json, const char *key, SmsrBytes value);

#endif							/* SMSR_JSON_H */
