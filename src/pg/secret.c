/*
 * secret.c
 *		Short secrets that are kept outside the database: in a file of the
 *		server's machine, or said by a command.
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
#include "storage/fd.h"

#include "pg/secret.h"

void
secret_refuse_file(const char *what, const char *path, const char *because, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("%s file \"%s\" %s", what, path, because),
			 errhint("%s", hint)));
}

bool
secret_file_is_below(const char *path, const char *directory)
{
	struct stat wanted;
	struct stat above;
	char		resolved[PATH_MAX];
	char	   *slash;

	if (stat(directory, &wanted) != 0 || realpath(path, resolved) == NULL)
		return false;
	while ((slash = strrchr(resolved, '/')) != NULL && slash != resolved)
	{
		*slash = '\0';
		if (stat(resolved, &above) == 0 &&
			above.st_dev == wanted.st_dev && above.st_ino == wanted.st_ino)
			return true;
	}
	return false;
}

/* By any name; what is gone or was replaced meanwhile is not to be trusted. */
static bool
inside_data_directory(const char *path)
{
	struct stat st;

	if (stat(DataDir, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat the data directory: %m")));
	return stat(path, &st) != 0 || secret_file_is_below(path, DataDir);
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
		secret_refuse_file(what, path, "is not a regular file", "Name a file that holds the key.");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		secret_refuse_file(what, path, "belongs to another user",
						   "The file must belong to the server's user or to root.");
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		secret_refuse_file(what, path, "has group or world access",
						   "File must have permissions u=rw (0600) or less.");
	if (inside_data_directory(path))
		secret_refuse_file(what, path, "is inside the data directory",
						   "Keep it elsewhere: a backup of the database must not carry its key.");
}

/* Until the end, or until there is no more room; -1 with errno. */
static int
read_all(int fd, uint8 *secret, int room)
{
	int			len = 0;

	while (len < room)
	{
		ssize_t		got = read(fd, secret + len, room - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		len += got;
	}
	return len;
}

int
secret_from_file(const char *path, const char *what, uint8 *secret, int room)
{
	volatile int len = -1;
	int			fd;

	if (!is_absolute_path(path))
		secret_refuse_file(what, path, "is not named by an absolute path", "Give the path from the root.");

	/* O_NONBLOCK: a FIFO must be refused, not waited for */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ELOOP)
		secret_refuse_file(what, path, "is a symbolic link", "Name the file itself.");
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open %s file \"%s\": %m", what, path)));

	PG_TRY();
	{
		check_file(fd, what, path);
		len = read_all(fd, secret, room);
		if (len < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read %s file \"%s\": %m", what, path)));
	}
	PG_FINALLY();
	{
		close(fd);
		if (len < 0)
			OPENSSL_cleanse(secret, room);
	}
	PG_END_TRY();
	return len;
}

/* A command that is cut off would fail for that reason: let it say all it has. */
static void
read_the_rest(int fd)
{
	uint8		rest[256];

	while (read_all(fd, rest, sizeof(rest)) == (int) sizeof(rest))
		;
	OPENSSL_cleanse(rest, sizeof(rest));
}

int
secret_from_command(const char *command, const char *setting, uint8 *secret, int room)
{
	FILE	   *pipe;
	int			len;
	int			read_errno;
	int			status;

	pipe = OpenPipeStream(command, "r");
	if (pipe == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not run the command in %s: %m", setting)));

	/* past stdio, whose buffer would keep what came */
	len = read_all(fileno(pipe), secret, room);
	read_errno = errno;
	if (len == room)
		read_the_rest(fileno(pipe));
	status = ClosePipeStream(pipe);

	if (len < 0 || status != 0)
	{
		OPENSSL_cleanse(secret, room);
		if (status == 0)
			errno = read_errno;
		if (status == -1 || status == 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read from the command in %s: %m", setting)));
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("the command in %s failed", setting),
				 errdetail_internal("%s", wait_result_to_str(status)),
				 errhint("What it wrote to standard error is in the server's log.")));
	}
	return len;
}
