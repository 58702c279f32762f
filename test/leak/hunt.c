/*
 * hunt.c
 *		Look for known keys where none may be.
 *
 *		leak-hunt KEYS PLACE...
 *
 * KEYS is a file with a line "name hexadecimal" for each key.  A PLACE is a file,
 * a directory with all that is below it, "core:PID" for what a core file of that
 * process would hold, or "memory:PID" for all that it has.  Each key is looked
 * for as octets, in reverse (numbers of libcrypto), in words of another byte order
 * (key schedules of portable AES code), in hexadecimal, in base64 at all three alignments, in the
 * escape format of bytea, and as the numbers of octets that the server's printed
 * plans have, of the key itself and of its hexadecimal digits.
 *
 * Prints "name, form, place, offset" of the first find of each name and form in
 * each file.  Status: 0 nothing was found, 1 something was, 2 the search failed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAX_LEN		64
#define KEY_MIN_LEN		8
#define PATTERN_MAX_LEN	(8 * KEY_MAX_LEN)	/* hexadecimal digits, each as a number and a blank */
#define PATTERNS_MAX	8192
#define BUCKETS			65536
#define CHUNK			(4 * 1024 * 1024)

typedef struct Pattern
{
	char		name[64];
	const char *form;
	uint8_t		octets[PATTERN_MAX_LEN];
	size_t		len;
	int			next;			/* in the same bucket, or -1 */
	bool		found;			/* in the place that is searched */
} Pattern;

static Pattern patterns[PATTERNS_MAX];
static int	pattern_count;
static int	buckets[BUCKETS];
static uint8_t buffer[PATTERN_MAX_LEN + CHUNK];
static bool any_found;

static void
fail(const char *what)
{
	fprintf(stderr, "leak-hunt: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- what is looked for ---- */

static uint32_t
bucket_of(const uint8_t *octets)
{
	uint32_t	word;

	memcpy(&word, octets, sizeof(word));
	return word * 2654435761u >> 16;
}

static void
add(const char *name, const char *form, const void *octets, size_t len)
{
	Pattern    *p;
	uint32_t	bucket;

	if (pattern_count == PATTERNS_MAX || len < KEY_MIN_LEN || len > PATTERN_MAX_LEN)
	{
		fprintf(stderr, "leak-hunt: too many keys, or one of another length\n");
		exit(2);
	}
	p = &patterns[pattern_count];
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->form = form;
	memcpy(p->octets, octets, len);
	p->len = len;
	bucket = bucket_of(p->octets);
	p->next = buckets[bucket];
	buckets[bucket] = pattern_count++;
}

static void
add_hex(const char *name, const char *form, const char *digits, const uint8_t *key, size_t len)
{
	char		text[2 * KEY_MAX_LEN];

	for (size_t i = 0; i < len; i++)
	{
		text[2 * i] = digits[key[i] >> 4];
		text[2 * i + 1] = digits[key[i] & 0x0F];
	}
	add(name, form, text, 2 * len);
}

/* The digits that depend on nothing but the key, when skip octets stand before it. */
static void
add_base64(const char *name, const uint8_t *key, size_t len, size_t skip)
{
	static const char *const form[] = {"base64", "base64, shifted by 1", "base64, shifted by 2"};
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char		text[2 * KEY_MAX_LEN];
	size_t		first = (skip * 8 + 5) / 6;
	size_t		end = (skip + len) * 8 / 6;

	for (size_t i = first; i < end; i++)
	{
		unsigned	value = 0;

		for (size_t bit = 6 * i; bit < 6 * i + 6; bit++)
			value = value << 1 | (key[bit / 8 - skip] >> (7 - bit % 8) & 1);
		text[i - first] = digits[value];
	}
	add(name, form[skip], text, end - first);
}

static void
add_escape(const char *name, const char *form, const char *backslash, const uint8_t *key, size_t len)
{
	char		text[PATTERN_MAX_LEN + 1] = "";
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (key[i] == '\\')
			n += sprintf(text + n, "%s%s", backslash, backslash);
		else if (key[i] < 0x20 || key[i] > 0x7e)
			n += sprintf(text + n, "%s%03o", backslash, key[i]);
		else
			text[n++] = key[i];
	}
	add(name, form, text, n);
}

/* As outDatum() prints the octets of a constant */
static void
add_numbers(const char *name, const char *form, const void *octets, size_t len)
{
	const signed char *octet = octets;
	char		text[PATTERN_MAX_LEN + 1] = "";
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
		n += sprintf(text + n, "%d ", octet[i]);
	add(name, form, text, n);
}

static void
add_key(const char *name, const uint8_t *key, size_t len)
{
	uint8_t		swapped[KEY_MAX_LEN];

	add(name, "octets", key, len);
	for (size_t i = 0; i < len; i++)
		swapped[i] = key[len - 1 - i];
	add(name, "octets in reverse", swapped, len);
	if (len % 4 == 0)
	{
		for (size_t i = 0; i < len; i++)
			swapped[i] = key[i ^ 3];
		add(name, "octets of words", swapped, len);
	}
	add_hex(name, "hexadecimal", "0123456789abcdef", key, len);
	add_numbers(name, "numbers of hexadecimal", patterns[pattern_count - 1].octets, 2 * len);
	add_hex(name, "HEXADECIMAL", "0123456789ABCDEF", key, len);
	add_numbers(name, "numbers of HEXADECIMAL", patterns[pattern_count - 1].octets, 2 * len);
	add_numbers(name, "numbers", key, len);
	for (size_t skip = 0; skip < 3; skip++)
		add_base64(name, key, len, skip);
	add_escape(name, "escape", "\\", key, len);
	add_escape(name, "escape, doubled", "\\\\", key, len);
}

static void
read_keys(const char *path)
{
	FILE	   *file = fopen(path, "r");
	char		name[64];
	char		digits[2 * KEY_MAX_LEN + 1];

	if (file == NULL)
		fail(path);
	while (fscanf(file, "%63s %128s", name, digits) == 2)
	{
		uint8_t		key[KEY_MAX_LEN];
		size_t		len = strlen(digits) / 2;

		for (size_t i = 0; i < len; i++)
		{
			if (sscanf(digits + 2 * i, "%2hhx", &key[i]) != 1)
				fail(path);
		}
		add_key(name, key, len);
	}
	fclose(file);
	if (pattern_count == 0)
		fail(path);
}

/* ---- searching ---- */

/* All that begins in the first len octets; there are more behind for what begins near their end. */
static void
search(const uint8_t *octets, size_t len, size_t readable, const char *place, uint64_t offset)
{
	for (size_t i = 0; i < len && i + 4 <= readable; i++)
	{
		for (int n = buckets[bucket_of(octets + i)]; n >= 0; n = patterns[n].next)
		{
			Pattern    *p = &patterns[n];

			if (p->found || p->len > readable - i || memcmp(octets + i, p->octets, p->len) != 0)
				continue;
			printf("%s, %s, %s, %" PRIu64 "\n", p->name, p->form, place, offset + i);
			p->found = true;
			any_found = true;
		}
	}
}

static void
begin_place(void)
{
	for (int i = 0; i < pattern_count; i++)
		patterns[i].found = false;
}

/* From offset to end, or to the end of the file; what can not be read ends it. */
static void
search_fd(int fd, uint64_t offset, uint64_t end, const char *place)
{
	size_t		have = 0;

	for (;;)
	{
		size_t		wanted = sizeof(buffer) - have;
		ssize_t		got;

		if (wanted > end - offset - have)
			wanted = end - offset - have;
		got = wanted == 0 ? 0 : pread(fd, buffer + have, wanted, (off_t) (offset + have));
		if (got > 0)
			have += got;
		if (got > 0 && have < sizeof(buffer))
			continue;
		if (got <= 0)
		{
			search(buffer, have, have, place, offset);
			return;
		}
		search(buffer, CHUNK, have, place, offset);
		memmove(buffer, buffer + CHUNK, have - CHUNK);
		have -= CHUNK;
		offset += CHUNK;
	}
}

static void
search_file(const char *path)
{
	int			fd = open(path, O_RDONLY | O_CLOEXEC);

	/* a server removes files while we look */
	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0)
		fail(path);
	begin_place();
	search_fd(fd, 0, INT64_MAX, path);
	close(fd);
}

static void
search_tree(const char *path, bool named)
{
	struct stat st;
	DIR		   *dir;
	struct dirent *entry;

	if (lstat(path, &st) != 0)
	{
		if (errno == ENOENT && !named)
			return;
		fail(path);
	}
	if (S_ISREG(st.st_mode))
		search_file(path);
	if (!S_ISDIR(st.st_mode))
		return;
	dir = opendir(path);
	if (dir == NULL)
		fail(path);
	while ((entry = readdir(dir)) != NULL)
	{
		char		below[4096];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		search_tree(below, false);
	}
	closedir(dir);
}

/* ---- memory ---- */

/* VmFlags has "dd" where madvise(MADV_DONTDUMP) was called: proc(5) */
static void
search_memory(const char *pid, bool all, const char *place)
{
	char		path[64];
	char		line[4096];
	FILE	   *maps;
	int			memory;
	uint64_t	start = 0;
	uint64_t	end = 0;
	char		perms[5] = "";
	char		what[256] = "";
	int			regions = 0;

	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	maps = fopen(path, "r");
	if (maps == NULL)
		fail(path);
	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		fail(path);

	begin_place();
	while (fgets(line, sizeof(line), maps) != NULL)
	{
		char		place_in[512];
		uint64_t	first;
		uint64_t	last;
		char		may[5];
		char		name[256] = "";

		/* other lines may begin with what passes for a number, too */
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %255[^\n]", &first, &last, may, name) >= 3)
		{
			start = first;
			end = last;
			strcpy(perms, may);
			strcpy(what, name);
			continue;
		}
		if (strncmp(line, "VmFlags:", 8) != 0)
			continue;
		if (perms[0] != 'r' || strncmp(what, "[v", 2) == 0 || (!all && strstr(line, " dd") != NULL))
			continue;
		snprintf(place_in, sizeof(place_in), "%s %s", place, what);
		search_fd(memory, start, end, place_in);
		regions++;
	}
	fclose(maps);
	close(memory);
	if (regions == 0)
	{
		fprintf(stderr, "leak-hunt: process %s has no memory\n", pid);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	if (argc < 3)
	{
		fprintf(stderr, "leak-hunt KEYS PLACE...\n");
		return 2;
	}
	memset(buckets, -1, sizeof(buckets));
	read_keys(argv[1]);
	for (int i = 2; i < argc; i++)
	{
		if (strncmp(argv[i], "core:", 5) == 0)
			search_memory(argv[i] + 5, false, argv[i]);
		else if (strncmp(argv[i], "memory:", 7) == 0)
			search_memory(argv[i] + 7, true, argv[i]);
		else
			search_tree(argv[i], true);
	}
	return any_found ? 1 : 0;
}
