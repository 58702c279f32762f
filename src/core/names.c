/*
 * names.c
 *		Enumerations by name.
 */
#include "names.h"

#include <string.h>

int
name_index(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0)
			return i;
	return -1;
}
