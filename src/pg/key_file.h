/*
 * key_file.h
 *		Keys that stand outside the database, as octets or as digits.
 */
#ifndef SMSR_KEY_FILE_H
#define SMSR_KEY_FILE_H

#define KEY_FILE_MAX_LEN	32

/*
 * Read the key in the file at path into key, which has room for
 * KEY_FILE_MAX_LEN octets, and return its length: one of min_len .. 32, a
 * multiple of 8.  The file holds the octets themselves, or twice as many
 * hexadecimal digits and at most a line end.  what names the file in errors.
 */
extern int	key_file_read(const char *path, const char *what, int min_len, uint8 *key);

/* The same for what a command prints, 32 octets or their digits; setting names the parameter. */
extern void key_command_read(const char *command, const char *setting, uint8 *key);

#endif							/* SMSR_KEY_FILE_H */
