/*
 * secret.h
 *		Short secrets that are kept outside the database: in a file of the
 *		server's machine, or said by a command.
 */
#ifndef SMSR_SECRET_H
#define SMSR_SECRET_H

/*
 * Read what is in the file at path into secret, at most room octets of it, and
 * return how many they are: a caller that gets room of them has not got all.
 * The file must be the server's own or root's, readable by nobody else and
 * outside the data directory.  what names it in errors.
 */
extern int	secret_from_file(const char *path, const char *what, uint8 *secret, int room);

/*
 * The same for the standard output of a shell command, as of PostgreSQL's
 * ssl_passphrase_command.  What it says on standard error is in the server's
 * log; setting names the parameter in errors, which do not show the command.
 */
extern int	secret_from_command(const char *command, const char *setting, uint8 *secret, int room);

/* Whether some directory above path is this one, by any name; false if either is not there. */
extern bool secret_file_is_below(const char *path, const char *directory);

/* Refuse a file for what is in it. */
extern _Noreturn void secret_refuse_file(const char *what, const char *path,
										 const char *because, const char *hint);

#endif							/* SMSR_SECRET_H */
