/*
 * eis_blank.c
 *		A copy of a document of which no key value can be read.
 *
 * What is rejected may not even be XML, so this goes by marks and not by a
 * parser, and rather blanks too much: every attribute named value, every long
 * hexadecimal number beside a quote, and in a Key element all that is longer
 * than an index, a type or a check value.
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "pg/eis.h"
#include "utils/builtins.h"

#define LONGEST_TEXT		4
#define LONGEST_ATTRIBUTE	8
#define LONGEST_WORD		16	/* no name in a Key element is longer */
#define SHORTEST_KEY		16	/* digits: a DES key, or the rest of a key cut short */

typedef struct Blanker
{
	const char *start;
	const char *p;
	const char *end;
	StringInfoData out;
	bool		in_key;
} Blanker;

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '_' || c == '.' || IS_HIGHBIT_SET(c);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
word_is(const char *word, size_t len, const char *wanted)
{
	return len == strlen(wanted) && pg_strncasecmp(word, wanted, len) == 0;
}

static bool
is_quote(char c)
{
	return c == '"' || c == '\'';
}

static bool
looks_like_key(const char *p, const char *end)
{
	for (int run = 0; p < end; p++)
	{
		run = isxdigit((unsigned char) *p) ? run + 1 : 0;
		if (run == SHORTEST_KEY)
			return true;
	}
	return false;
}

/* No element has a number between quotes: where one is left over from a damaged tag, it is a key. */
static bool
beside_quote(const Blanker *b, const char *start)
{
	return (start > b->start && is_quote(start[-1])) || (b->p < b->end && is_quote(*b->p));
}

static void
emit(Blanker *b, const char *start, const char *end, bool blank)
{
	if (blank)
		appendStringInfoString(&b->out, "...");
	else
		appendBinaryStringInfo(&b->out, start, end - start);
}

/* A quoted value up to its quote, or to the tag that a missing quote runs into. */
static void
blank_quoted(Blanker *b, bool is_value)
{
	char		quote = *b->p++;
	const char *start = b->p;

	appendStringInfoChar(&b->out, quote);
	while (b->p < b->end && *b->p != quote && *b->p != '<')
		b->p++;
	emit(b, start, b->p, is_value || (b->in_key && b->p - start > LONGEST_ATTRIBUTE) ||
		 looks_like_key(start, b->p));
	if (b->p < b->end && *b->p == quote)
		appendStringInfoChar(&b->out, *b->p++);
}

/*
 * Words, quoted values and what is between them, up to the next tag; in a tag,
 * up to its end.
 */
static void
blank_words(Blanker *b, bool in_tag)
{
	bool		is_value = false;	/* the last word was "value" */

	while (b->p < b->end && *b->p != '<')
	{
		char		c = *b->p;

		if (is_name_char(c))
		{
			const char *start = b->p;

			while (b->p < b->end && is_name_char(*b->p))
				b->p++;
			/* without quotes it is still a value */
			emit(b, start, b->p, (in_tag && is_value) || (b->in_key && b->p - start > LONGEST_WORD) ||
				 (beside_quote(b, start) && looks_like_key(start, b->p)));
			is_value = word_is(start, b->p - start, "value");
		}
		else if (is_quote(c) && (in_tag || is_value))
		{
			blank_quoted(b, is_value);
			is_value = false;
		}
		else
		{
			is_value = is_value && (c == '=' || is_space(c));
			appendStringInfoChar(&b->out, *b->p++);
			if (in_tag && c == '>')
				return;
		}
	}
}

/* Text between tags. */
static void
blank_text(Blanker *b)
{
	const char *start = b->p;
	int			count = 0;

	if (!b->in_key)
	{
		blank_words(b, false);
		return;
	}
	for (; b->p < b->end && *b->p != '<'; b->p++)
		count += !is_space(*b->p);
	emit(b, start, b->p, count > LONGEST_TEXT);
}

/* A comment or CDATA: in a key nobody needs to read it, elsewhere it may hold one. */
static void
blank_section(Blanker *b)
{
	char		last = b->p[2] == '-' ? '-' : ']';
	const char *start = b->p;

	if (!b->in_key)
	{
		appendBinaryStringInfo(&b->out, b->p, 2);
		b->p += 2;
		return;
	}
	for (b->p += 3; b->p < b->end; b->p++)
	{
		if (*b->p == '>' && b->p[-1] == last && b->p[-2] == last)
		{
			b->p++;
			break;
		}
	}
	emit(b, start, b->p, true);
}

/* Which element a tag is of: decides whether a key begins or ends. */
static void
note_tag(Blanker *b)
{
	const char *p = b->p + 1;
	bool		closing = p < b->end && *p == '/';
	const char *name = p += closing;

	for (; p < b->end && (is_name_char(*p) || *p == ':'); p++)
	{
		if (*p == ':')
			name = p + 1;
	}
	if (!closing && (word_is(name, p - name, "Key") || word_is(name, p - name, "KeyComponent")))
		b->in_key = true;
	else if (word_is(name, p - name, "Keyset") || (closing && word_is(name, p - name, "Key")))
		b->in_key = false;
}

static void
blank_tag(Blanker *b)
{
	bool		in_key;

	note_tag(b);
	in_key = b->in_key;
	/* what a document type declares could be a key by another name */
	if (b->end - b->p > 1 && b->p[1] == '!')
		b->in_key = true;
	appendStringInfoChar(&b->out, *b->p++);
	blank_words(b, true);
	b->in_key = in_key;
}

text *
eis_blank(const char *document, size_t len)
{
	Blanker		b = {.start = document, .p = document, .end = document + len};
	text	   *result;

	initStringInfo(&b.out);
	while (b.p < b.end)
	{
		if (*b.p != '<')
			blank_text(&b);
		else if (b.end - b.p > 2 && b.p[1] == '!' && (b.p[2] == '-' || b.p[2] == '['))
			blank_section(&b);
		else
			blank_tag(&b);
	}
	result = cstring_to_text_with_len(b.out.data, b.out.len);
	pfree(b.out.data);
	return result;
}
