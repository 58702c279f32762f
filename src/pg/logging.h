/*
 * logging.h
 *		Whether what is imported could be read in the server's log or statistics.
 */
#ifndef SMSR_LOGGING_H
#define SMSR_LOGGING_H

/*
 * A warning that names the parameters that could show it, the first time that
 * this backend seals keys from outside.
 */
extern void logging_warn_of_import(void);

#endif							/* SMSR_LOGGING_H */
