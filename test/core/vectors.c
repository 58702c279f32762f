/*
 * vectors.c
 *		Test vectors in JSON: the little of it that their files use.
 */
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *path;
static const char *cursor;

static _Noreturn void
give_up(const char *what)
{
	printf("Bail out! %s: %s\n", path, what);
	exit(1);
}

static void
skip_space(void)
{
	while (*cursor == ' ' || *cursor == '\t' || *cursor == '\n' || *cursor == '\r')
		cursor++;
}

static void
expect(char c)
{
	skip_space();
	if (*cursor++ != c)
		give_up("no JSON");
}

static const char *
read_string(void)
{
	char	   *text;
	char	   *p;

	expect('"');
	p = text = scratch(strcspn(cursor, "\n") + 1);
	while (*cursor != '"')
	{
		if (*cursor == '\\')
			cursor++;
		/* \u and its like stand in notes only, where they may look odd */
		if (*cursor == '\0' || *cursor == '\n')
			give_up("a string does not end");
		*p++ = *cursor++;
	}
	*p = '\0';
	cursor++;
	return text;
}

static bool
take_word(const char *word)
{
	const size_t len = strlen(word);

	if (strncmp(cursor, word, len) != 0)
		return false;
	cursor += len;
	return true;
}

static Json *read_value(void);

/* Members of an object or elements of an array. */
static Json *
read_children(char open, char close)
{
	Json	   *first = NULL;
	Json	  **last = &first;

	expect(open);
	skip_space();
	while (*cursor != close)
	{
		const char *name = NULL;

		if (first != NULL)
			expect(',');
		if (open == '{')
		{
			name = read_string();
			expect(':');
		}
		*last = read_value();
		(*last)->name = name;
		last = &(*last)->next;
		skip_space();
	}
	cursor++;
	return first;
}

static Json *
read_value(void)
{
	Json	   *value = scratch(sizeof(*value));
	char	   *end;

	*value = (Json) {.kind = JSON_NULL};
	skip_space();
	switch (*cursor)
	{
		case '{':
			value->kind = JSON_OBJECT;
			value->child = read_children('{', '}');
			break;
		case '[':
			value->kind = JSON_ARRAY;
			value->child = read_children('[', ']');
			break;
		case '"':
			value->kind = JSON_STRING;
			value->string = read_string();
			break;
		default:
			if (take_word("null"))
				break;
			value->kind = JSON_BOOLEAN;
			if (take_word("true"))
				value->number = 1;
			else if (!take_word("false"))
			{
				value->kind = JSON_NUMBER;
				value->number = strtol(cursor, &end, 10);
				if (end == cursor)
					give_up("no JSON");
				cursor = end;
			}
			break;
	}
	return value;
}

const Json *
vectors(const char *file)
{
	const size_t cap = 4 * 1024 * 1024;
	char	   *content = scratch(cap);
	char	   *name = scratch(strlen(file) + sizeof("test/vectors/"));
	FILE	   *f;
	size_t		len;

	sprintf(name, "test/vectors/%s", file);
	path = name;
	f = fopen(path, "r");
	if (f == NULL)
		give_up("can not be opened");
	len = fread(content, 1, cap - 1, f);
	fclose(f);
	content[len] = '\0';
	cursor = content;
	skip_space();
	if (*cursor != '[')
		give_up("no array");
	return read_value();
}

const Json *
member(const Json *object, const char *name)
{
	for (const Json *m = object->child; m != NULL; m = m->next)
	{
		if (strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

static const Json *
have(const Json *object, const char *name, JsonKind kind)
{
	const Json *m = member(object, name);

	if (m == NULL || m->kind != kind)
		give_up(name);
	return m;
}

const char *
text_of(const Json *object, const char *name)
{
	return have(object, name, JSON_STRING)->string;
}

long
number_of(const Json *object, const char *name)
{
	return have(object, name, JSON_NUMBER)->number;
}

SmsrBytes
octets_of(const Json *object, const char *name)
{
	return hex(text_of(object, name));
}

uint8_t
octet_of(const Json *object, const char *name)
{
	SmsrBytes	octets = octets_of(object, name);

	if (octets.len != 1)
		give_up(name);
	return octets.data[0];
}
