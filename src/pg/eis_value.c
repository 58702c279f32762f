/*
 * eis_value.c
 *		Simple types of an EIS (SGP.02 Annex E): text into values, or a reject.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "core/aid.h"
#include "core/iccid.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "pg/eis.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define DIGITS	"0123456789"

bool
eis_read_bool(EisReader *r, xmlNodePtr node, bool *value)
{
	char	   *text;

	if (node == NULL || (text = eis_text(r, node)) == NULL)
		return false;
	if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
		*value = true;
	else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
		*value = false;
	else
		return eis_invalid(r, node, "true or false");
	return true;
}

bool
eis_read_number(EisReader *r, xmlNodePtr node, int64 max, int64 *value)
{
	char	   *text;
	size_t		len;

	if (node == NULL || (text = eis_text(r, node)) == NULL)
		return false;
	text += *text == '+';
	len = strspn(text, DIGITS);
	if (len == 0 || text[len] != '\0')
		return eis_invalid(r, node, "a number that is not negative");
	*value = 0;
	for (; *text != '\0'; text++)
	{
		int64		digit = *text - '0';

		if (*value > (max - digit) / 10)
			return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID,
							  "value must be " INT64_FORMAT " or less", max);
		*value = *value * 10 + digit;
	}
	return true;
}

int
eis_hex(const char *digits, uint8 *octets, size_t cap)
{
	size_t		len = strlen(digits);

	if (len % 2 != 0 || len / 2 > cap)
		return -1;
	for (size_t i = 0; i < len; i++)
	{
		char		c = digits[i];
		uint8		nibble;

		if (c >= '0' && c <= '9')
			nibble = c - '0';
		else if (c >= 'A' && c <= 'F')
			nibble = c - 'A' + 10;
		else if (c >= 'a' && c <= 'f')
			nibble = c - 'a' + 10;
		else
			return -1;
		octets[i / 2] = i % 2 == 0 ? nibble << 4 : octets[i / 2] | nibble;
	}
	return (int) (len / 2);
}

bool
eis_read_octets(EisReader *r, xmlNodePtr node, size_t min, size_t max, bytea **value)
{
	char	   *text;
	int			len;

	if (node == NULL || (text = eis_text(r, node)) == NULL)
		return false;
	*value = palloc(VARHDRSZ + max);
	len = eis_hex(text, (uint8 *) VARDATA(*value), max);
	if (len < (int) min)
		return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID,
						  min == max ? "value must be %zu octets in hexadecimal" :
						  "value must be %zu to %zu octets in hexadecimal", min, max);
	SET_VARSIZE(*value, VARHDRSZ + len);
	return true;
}

/* Two digits, or as many as wanted; -1 if they are none. */
static int
take_digits(const char **p, int count)
{
	int			value = 0;

	for (int i = 0; i < count; i++, (*p)++)
	{
		if (**p < '0' || **p > '9')
			return -1;
		value = value * 10 + (**p - '0');
	}
	return value;
}

static bool
take(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* xsd:dateTime; without a time zone it is UTC, because nobody says otherwise */
static bool
parse_time(const char *p, TimestampTz *value)
{
	struct pg_tm tm = {0};
	fsec_t		fraction = 0;
	int			scale = 100000;
	int			zone = 0;

	if ((tm.tm_year = take_digits(&p, 4)) < 1 || !take(&p, '-') ||
		(tm.tm_mon = take_digits(&p, 2)) < 1 || tm.tm_mon > MONTHS_PER_YEAR || !take(&p, '-') ||
		(tm.tm_mday = take_digits(&p, 2)) < 1 ||
		tm.tm_mday > day_tab[isleap(tm.tm_year)][tm.tm_mon - 1] || !take(&p, 'T') ||
		(tm.tm_hour = take_digits(&p, 2)) < 0 || tm.tm_hour > 23 || !take(&p, ':') ||
		(tm.tm_min = take_digits(&p, 2)) < 0 || tm.tm_min > 59 || !take(&p, ':') ||
		(tm.tm_sec = take_digits(&p, 2)) < 0 || tm.tm_sec > 60)
		return false;
	if (take(&p, '.'))
	{
		if (*p < '0' || *p > '9')
			return false;
		for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
			fraction += (*p - '0') * scale;
	}
	if (*p == '+' || *p == '-')
	{
		int			sign = *p++ == '+' ? 1 : -1;
		int			hours = take_digits(&p, 2);
		int			minutes;

		if (hours < 0 || hours > 14 || !take(&p, ':') || (minutes = take_digits(&p, 2)) < 0 || minutes > 59)
			return false;
		/* as PostgreSQL has it: seconds west of Greenwich */
		zone = -sign * (hours * MINS_PER_HOUR + minutes) * SECS_PER_MINUTE;
	}
	else
		(void) take(&p, 'Z');
	return *p == '\0' && tm2timestamp(&tm, fraction, &zone, value) == 0;
}

bool
eis_read_time(EisReader *r, xmlNodePtr node, TimestampTz *value)
{
	char	   *text;

	if (node == NULL || (text = eis_text(r, node)) == NULL)
		return false;
	return parse_time(text, value) ||
		eis_invalid(r, node, "a date and time such as 2026-01-15T08:00:00Z");
}

/* To convert it and fail would be an ereport: beyond UTF-8, ASCII will do. */
bool
eis_storable(EisReader *r, xmlNodePtr node, const char *text)
{
	if (GetDatabaseEncoding() == PG_UTF8)
		return true;
	for (; *text != '\0'; text++)
	{
		if (IS_HIGHBIT_SET(*text))
			return eis_reject(r, node, SUBJECT_EIS, REASON_UNSUPPORTED,
							  "value must be ASCII in a database of this encoding");
	}
	return true;
}

bool
eis_read_string(EisReader *r, xmlNodePtr node, size_t max, char **value)
{
	if (node == NULL || (*value = eis_text(r, node)) == NULL)
		return false;
	if (!eis_storable(r, node, *value))
		return false;
	if ((size_t) pg_mbstrlen(*value) > max)
		return eis_reject(r, node, SUBJECT_EIS, REASON_TOO_LONG,
						  "value must have %zu characters or less", max);
	return true;
}

/* The form that smsr.party asks of an object identifier */
static bool
is_oid(const char *p)
{
	int			arcs = 0;

	if (*p < '0' || *p > '2')
		return false;
	for (p++; *p == '.'; arcs++)
	{
		size_t		len = strspn(++p, DIGITS);

		if (len == 0 || (len > 1 && *p == '0'))
			return false;
		p += len;
	}
	return arcs > 0 && *p == '\0';
}

bool
eis_read_oid(EisReader *r, xmlNodePtr node, char **value)
{
	if (node == NULL || (*value = eis_text(r, node)) == NULL)
		return false;
	return (strlen(*value) <= 255 && is_oid(*value)) ||
		eis_invalid(r, node, "an object identifier such as 1.3.6.1.4.1.99999.1");
}

/* ThreeDigitVersion of Annex E: three numbers, not digits, in what EUMs send */
bool
eis_read_version(EisReader *r, xmlNodePtr node, char **value)
{
	const char *p;

	if (node == NULL || (*value = eis_text(r, node)) == NULL)
		return false;
	p = *value;
	for (int i = 0; i < 3; i++)
	{
		size_t		len = strspn(p, DIGITS);

		if (len == 0 || len > 5 || p[len] != (i < 2 ? '.' : '\0'))
			return eis_invalid(r, node, "a version such as 1.0.0");
		p += len + 1;
	}
	return true;
}

bool
eis_read_digits(EisReader *r, xmlNodePtr node, size_t min, size_t max, char **value)
{
	size_t		len;

	if (node == NULL || (*value = eis_text(r, node)) == NULL)
		return false;
	len = strspn(*value, DIGITS);
	if (len < min || len > max || (*value)[len] != '\0')
		return eis_reject(r, node, SUBJECT_EIS, REASON_INVALID,
						  "value must be %zu to %zu digits", min, max);
	return true;
}

bool
eis_read_aid(EisReader *r, xmlNodePtr node, SmsrAid *value)
{
	char	   *text;

	if (node == NULL || (text = eis_text(r, node)) == NULL)
		return false;
	return aid_parse(text, strlen(text), value, NULL) ||
		eis_invalid(r, node, "an AID: 5 to 16 octets in hexadecimal");
}

bool
eis_read_iccid(EisReader *r, xmlNodePtr node, uint8 *value)
{
	char	   *text;

	if (node == NULL || (text = eis_text(r, node)) == NULL)
		return false;
	return iccid_parse(text, strlen(text), value, NULL) ||
		eis_invalid(r, node, "an ICCID: 19 or 20 digits");
}

/* ---- rows ---- */

EisRow
eis_row(TupleDesc desc)
{
	EisRow		row = {desc, palloc0(desc->natts * sizeof(Datum)), palloc(desc->natts * sizeof(bool))};

	memset(row.nulls, true, desc->natts * sizeof(bool));
	return row;
}

void
eis_set(EisRow *row, const char *column, Datum value)
{
	for (int i = 0; i < row->desc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(row->desc, i)->attname), column) == 0)
		{
			row->values[i] = value;
			row->nulls[i] = false;
			return;
		}
	}
	elog(ERROR, "there is no column \"%s\"", column);
}

void
eis_set_text(EisRow *row, const char *column, const char *value)
{
	if (value != NULL)
		eis_set(row, column, CStringGetTextDatum(value));
}

Datum
eis_row_datum(const EisRow *row)
{
	return HeapTupleGetDatum(heap_form_tuple(row->desc, row->values, row->nulls));
}
