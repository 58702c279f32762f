/*
 * key_file.c
 *		A key in a file of the server's machine, and the rules for such a file.
 *
 * A file that others may read protects nothing, and one inside the data
 * directory travels with every base backup: both are refused, not warned of.
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"

#include "pg/key_file.h"
#include "pg/secure.h"

/* hexadecimal digits and CR LF */
#define FILE_MAX_LEN	(2 * KEY_FILE_MAX_LEN + 2)

static void refuse(const char *what, const char *path, const char *because, const char *hint) pg_attribute_noreturn();

static void
refuse(const char *what, const char *path, const char *because, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("%s file \"%s\" %s", what, path, because),
			 errhint("%s", hint)));
}

/* Whether some directory above path is the data directory, by any name. */
static bool
inside_data_directory(const char *path)
{
	struct stat data;
	struct stat above;
	char		resolved[PATH_MAX];
	char	   *slash;

	if (stat(DataDir, &data) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat the data directory: %m")));
	if (realpath(path, resolved) == NULL)
		return true;			/* gone or replaced meanwhile: not to be trusted */

	while ((slash = strrchr(resolved, '/')) != NULL && slash != resolved)
	{
		*slash = '\0';
		if (stat(resolved, &above) == 0 &&
			above.st_dev == data.st_dev && above.st_ino == data.st_ino)
			return true;
	}
	return false;
}

static void
check_file(int fd, const char *what, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat %s file \"%s\": %m", what, path)));
	if (!S_ISREG(st.st_mode))
		refuse(what, path, "is not a regular file", "Name a file that holds the key.");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		refuse(what, path, "belongs to another user",
			   "The file must belong to the server's user or to root.");
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		refuse(what, path, "has group or world access",
			   "File must have permissions u=rw (0600) or less.");
	if (inside_data_directory(path))
		refuse(what, path, "is inside the data directory",
			   "Keep it elsewhere: a backup of the database must not carry its key.");
}

static int
hex_digit(uint8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Length of the key that the digits at the start of text are; 0 if they are none. */
static int
read_hex(const uint8 *text, int len, uint8 *key)
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	if (len % 2 != 0 || len > 2 * KEY_FILE_MAX_LEN)
		return 0;
	for (int i = 0; i < len; i += 2)
	{
		int			high = hex_digit(text[i]);
		int			low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return 0;
		key[i / 2] = (uint8) (high << 4 | low);
	}
	return len / 2;
}

static bool
key_len_ok(int len, int min_len)
{
	return len >= min_len && len <= KEY_FILE_MAX_LEN && len % 8 == 0;
}

int
key_file_read(const char *path, const char *what, int min_len, uint8 *key)
{
	uint8	   *text = secure_memory()->file;
	int			len = 0;
	int			key_len = 0;
	int			fd;

	StaticAssertStmt(FILE_MAX_LEN < SECURE_FILE_LEN, "room to see that a file is too long");

	if (!is_absolute_path(path))
		refuse(what, path, "is not named by an absolute path", "Give the path from the root.");

	/* O_NONBLOCK: a FIFO must be refused, not waited for */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ELOOP)
		refuse(what, path, "is a symbolic link", "Name the file itself.");
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open %s file \"%s\": %m", what, path)));

	PG_TRY();
	{
		check_file(fd, what, path);
		while (len < SECURE_FILE_LEN)
		{
			ssize_t		got = read(fd, text + len, SECURE_FILE_LEN - len);

			if (got < 0 && errno == EINTR)
				continue;
			if (got < 0)
				ereport(ERROR,
						(errcode_for_file_access(),
						 errmsg("could not read %s file \"%s\": %m", what, path)));
			if (got == 0)
				break;
			len += got;
		}

		/* digits first: 32 of them are an AES-128 key, or 32 octets of text */
		key_len = read_hex(text, len, key);
		if (!key_len_ok(key_len, min_len) && key_len_ok(len, min_len))
		{
			memcpy(key, text, len);
			key_len = len;
		}
	}
	PG_FINALLY();
	{
		close(fd);
		OPENSSL_cleanse(text, SECURE_FILE_LEN);
	}
	PG_END_TRY();

	if (!key_len_ok(key_len, min_len))
	{
		OPENSSL_cleanse(key, KEY_FILE_MAX_LEN);
		if (min_len == KEY_FILE_MAX_LEN)
			refuse(what, path, "does not hold a key",
				   "It must hold 32 octets, or 64 hexadecimal digits.");
		else
			refuse(what, path, "does not hold a key",
				   "It must hold 16, 24 or 32 octets, or twice as many hexadecimal digits.");
	}
	return key_len;
}
