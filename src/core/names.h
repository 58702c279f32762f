/*
 * names.h
 *		Enumerations by name.
 */
#ifndef SMSR_NAMES_H
#define SMSR_NAMES_H

/* Where name stands among count names, of which some may be NULL; -1 if nowhere. */
extern int	name_index(const char *const *names, int count, const char *name);

#endif							/* SMSR_NAMES_H */
