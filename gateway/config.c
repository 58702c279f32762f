/*
 * config.c
 *	  The configuration file: [gateway], one [bind NAME] for each SMSC, and one
 *	  [https NAME] for each address where cards open sessions.
 */
#include "config.h"
#include "memory.h"
#include "smpp.h"

#include <ctype.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef enum KeyType
{
	KEY_TEXT,
	KEY_PORT,
	KEY_NUMBER,
	KEY_BOOLEAN,
	KEY_DURATION,
	KEY_LEVEL,
	KEY_TON,
	KEY_NPI,
	KEY_CODING
} KeyType;

typedef struct Key
{
	const char *name;
	KeyType		type;
	size_t		offset;
	int64_t		least;			/* of a text: 1 if it may not be empty */
	int64_t		most;			/* of a text: characters */
} Key;

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define YEAR (365 * 24 * HOUR)

static const Key gateway_keys[] = {
	{"database", KEY_TEXT, offsetof(Config, database), 0, 4096},
	{"log_level", KEY_LEVEL, offsetof(Config, log_level), 0, 0},
	{"log_timestamps", KEY_BOOLEAN, offsetof(Config, log_timestamps), 0, 0},
	{"statistics_interval", KEY_DURATION, offsetof(Config, statistics_interval), 0, 24 * HOUR},
	{"poll_interval", KEY_DURATION, offsetof(Config, poll_interval), 10, HOUR},
	{"tick_interval", KEY_DURATION, offsetof(Config, tick_interval), 0, HOUR},
	{"lease", KEY_DURATION, offsetof(Config, lease), SECOND, HOUR},
	{"shutdown_timeout", KEY_DURATION, offsetof(Config, shutdown_timeout), 0, HOUR},
	{"deliver_timeout", KEY_DURATION, offsetof(Config, deliver_timeout), 100, HOUR},
	{"database_timeout", KEY_DURATION, offsetof(Config, database_timeout), SECOND, HOUR},
	{"database_reconnect_min", KEY_DURATION, offsetof(Config, database_reconnect_min), 10, HOUR},
	{"database_reconnect_max", KEY_DURATION, offsetof(Config, database_reconnect_max), 10, HOUR},
	{"batch", KEY_NUMBER, offsetof(Config, batch), 1, 10000},
	{"incoming_queue", KEY_NUMBER, offsetof(Config, incoming_queue), 1, 100000},
	{"https_connections", KEY_NUMBER, offsetof(Config, https_connections), 1, CONFIG_HTTPS_CONNECTIONS},
	{NULL, KEY_TEXT, 0, 0, 0}
};

static const Key bind_keys[] = {
	{"host", KEY_TEXT, offsetof(BindConfig, host), 1, 255},
	{"port", KEY_PORT, offsetof(BindConfig, port), 1, 65535},
	{"system_id", KEY_TEXT, offsetof(BindConfig, system_id), 0, 15},
	{"password", KEY_TEXT, offsetof(BindConfig, password), 0, 8},
	{"password_file", KEY_TEXT, offsetof(BindConfig, password_file), 1, 4096},
	{"password_env", KEY_TEXT, offsetof(BindConfig, password_env), 1, 255},
	{"system_type", KEY_TEXT, offsetof(BindConfig, system_type), 0, 12},
	{"service_type", KEY_TEXT, offsetof(BindConfig, service_type), 0, 5},
	{"addr_ton", KEY_TON, offsetof(BindConfig, addr_ton), 0, 0},
	{"addr_npi", KEY_NPI, offsetof(BindConfig, addr_npi), 0, 0},
	{"address_range", KEY_TEXT, offsetof(BindConfig, address_range), 0, 40},
	{"source", KEY_TEXT, offsetof(BindConfig, source), 0, 20},
	{"source_ton", KEY_TON, offsetof(BindConfig, source_ton), 0, 0},
	{"source_npi", KEY_NPI, offsetof(BindConfig, source_npi), 0, 0},
	{"dest_ton", KEY_TON, offsetof(BindConfig, dest_ton), 0, 0},
	{"dest_npi", KEY_NPI, offsetof(BindConfig, dest_npi), 0, 0},
	{"data_coding", KEY_CODING, offsetof(BindConfig, data_coding), 0, 255},
	{"window", KEY_NUMBER, offsetof(BindConfig, window), 1, 20000},
	{"rate", KEY_NUMBER, offsetof(BindConfig, rate), 0, 1000000},
	{"registered_delivery", KEY_BOOLEAN, offsetof(BindConfig, registered_delivery), 0, 0},
	{"max_validity", KEY_DURATION, offsetof(BindConfig, max_validity), 0, 90 * YEAR},
	{"enquire_link", KEY_DURATION, offsetof(BindConfig, enquire_link), 100, HOUR},
	{"response_timeout", KEY_DURATION, offsetof(BindConfig, response_timeout), 100, HOUR},
	{"reconnect_min", KEY_DURATION, offsetof(BindConfig, reconnect_min), 10, HOUR},
	{"reconnect_max", KEY_DURATION, offsetof(BindConfig, reconnect_max), 10, HOUR},
	{"throttle_min", KEY_DURATION, offsetof(BindConfig, throttle_min), 10, HOUR},
	{"throttle_max", KEY_DURATION, offsetof(BindConfig, throttle_max), 10, HOUR},
	{NULL, KEY_TEXT, 0, 0, 0}
};

static const Key https_keys[] = {
	{"address", KEY_TEXT, offsetof(HttpsConfig, address), 1, 255},
	{"port", KEY_PORT, offsetof(HttpsConfig, port), 1, 65535},
	{"backlog", KEY_NUMBER, offsetof(HttpsConfig, backlog), 1, 65535},
	{"max_sessions", KEY_NUMBER, offsetof(HttpsConfig, max_sessions), 1, 100000},
	{"handshake_timeout", KEY_DURATION, offsetof(HttpsConfig, handshake_timeout), 100, HOUR},
	{"request_timeout", KEY_DURATION, offsetof(HttpsConfig, request_timeout), 100, HOUR},
	{"idle_timeout", KEY_DURATION, offsetof(HttpsConfig, idle_timeout), 100, HOUR},
	{"header_limit", KEY_NUMBER, offsetof(HttpsConfig, header_limit), 256, 65536},
	{"body_limit", KEY_NUMBER, offsetof(HttpsConfig, body_limit), 1024, 16 * 1024 * 1024},
	{"record_size", KEY_NUMBER, offsetof(HttpsConfig, record_size), 512, 16384},
	{NULL, KEY_TEXT, 0, 0, 0}
};

typedef struct Reader
{
	Config	   *config;
	const char *path;
	int			line;
	int			errors;
	bool		has_secret;		/* a password is written in this very file */
} Reader;

static void complain(Reader *reader, int line, const char *format,...) __attribute__((format(printf, 3, 4)));

static void
complain(Reader *reader, int line, const char *format,...)
{
	char		what[512];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	reader->errors++;
	if (line > 0)
		log_error("%s:%d: %s", reader->path, line, what);
	else
		log_error("%s: %s", reader->path, what);
}

static void
set_text(char **field, const char *value)
{
	free(*field);
	*field = value ? memory_text(value) : NULL;
}

static bool
parse_integer(const char *text, int64_t *value)
{
	char	   *end;

	/* no octal: "010" is ten to an operator */
	errno = 0;
	*value = strtoll(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
	return errno == 0 && end != text && *end == '\0';
}

/* "1500ms", "30", "30 s", "5 min", "2h", "7d"; a bare number is seconds */
static bool
parse_duration(const char *text, int64_t *milliseconds)
{
	static const struct
	{
		const char *unit;
		int64_t		factor;
	}			units[] = {
		{"", 1000}, {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}
	};
	char	   *end;
	double		number;

	if (!isdigit((unsigned char) *text))
		return false;
	number = strtod(text, &end);
	while (isspace((unsigned char) *end))
		end++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
	{
		if (strcmp(end, units[i].unit) == 0)
		{
			double		product = number * (double) units[i].factor;

			if (!(product < 1e15))
				return false;
			*milliseconds = (int64_t) (product + 0.5);
			return true;
		}
	}
	return false;
}

static bool
parse_boolean(const char *text, bool *value)
{
	static const char *const words[] = {"off", "on", "no", "yes", "false", "true", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcasecmp(text, words[i]) == 0)
		{
			*value = i % 2 == 1;
			return true;
		}
	}
	return false;
}

static bool
hides_value(const Key *key)
{
	return strcmp(key->name, "password") == 0 || strcmp(key->name, "database") == 0;
}

static void
set_key(Reader *reader, const Key *key, void *record, const char *value)
{
	void	   *field = (char *) record + key->offset;
	int64_t		number;
	const char *shown = hides_value(key) ? "..." : value;

	switch (key->type)
	{
		case KEY_TEXT:
			if (strlen(value) > (size_t) key->most)
				complain(reader, reader->line, "%s is longer than %lld characters", key->name, (long long) key->most);
			else if (key->least > 0 && *value == '\0')
				complain(reader, reader->line, "%s is empty", key->name);
			else
				set_text(field, value);
			break;
		case KEY_PORT:
			if (!parse_integer(value, &number) || number < key->least || number > key->most)
				complain(reader, reader->line, "%s \"%s\" is not a port number", key->name, shown);
			else
				set_text(field, value);
			break;
		case KEY_NUMBER:
			if (!parse_integer(value, &number) || number < key->least || number > key->most)
				complain(reader, reader->line, "%s \"%s\" is not a number from %lld to %lld", key->name, shown,
						 (long long) key->least, (long long) key->most);
			else
				*(int *) field = (int) number;
			break;
		case KEY_BOOLEAN:
			if (!parse_boolean(value, field))
				complain(reader, reader->line, "%s \"%s\" is neither on nor off", key->name, shown);
			break;
		case KEY_DURATION:
			if (!parse_duration(value, &number))
				complain(reader, reader->line, "%s \"%s\" is not a duration (such as 500ms, 30s, 5min)", key->name, shown);
			else if (number < key->least || number > key->most)
				complain(reader, reader->line, "%s \"%s\" is outside of %lld ms to %lld ms", key->name, shown,
						 (long long) key->least, (long long) key->most);
			else
				*(int64_t *) field = number;
			break;
		case KEY_LEVEL:
			if (!log_level_parse(value, field))
				complain(reader, reader->line, "%s \"%s\" is not one of error, warning, info, debug", key->name, shown);
			break;
		case KEY_TON:
			if (!parse_integer(value, &number) || !smpp_ton_known((int) number) || number > 255)
				complain(reader, reader->line, "%s \"%s\" is not a type of number of SMPP 3.4 (0 to 6)", key->name, shown);
			else
				*(int *) field = (int) number;
			break;
		case KEY_NPI:
			if (!parse_integer(value, &number) || number > 255 || !smpp_npi_known((int) number))
				complain(reader, reader->line, "%s \"%s\" is not a numbering plan of SMPP 3.4", key->name, shown);
			else
				*(int *) field = (int) number;
			break;
		case KEY_CODING:
			if (strcasecmp(value, "auto") == 0)
				*(int *) field = -1;
			else if (!parse_integer(value, &number) || number < 0 || number > 255)
				complain(reader, reader->line, "%s \"%s\" is neither auto nor an octet such as 0xF6 or 0x04", key->name, shown);
			else
				*(int *) field = (int) number;
			break;
	}
}

static void
bind_defaults(BindConfig *bind)
{
	set_text(&bind->port, "2775");
	set_text(&bind->system_id, "");
	set_text(&bind->system_type, "");
	set_text(&bind->service_type, "");
	set_text(&bind->address_range, "");
	set_text(&bind->source, "");
	bind->source_ton = bind->dest_ton = 1;
	bind->source_npi = bind->dest_npi = 1;
	bind->data_coding = -1;
	bind->window = 64;
	bind->enquire_link = 30 * SECOND;
	bind->response_timeout = 15 * SECOND;
	bind->reconnect_min = SECOND;
	bind->reconnect_max = 60 * SECOND;
	bind->throttle_min = SECOND;
	bind->throttle_max = 60 * SECOND;
}

static void
https_defaults(HttpsConfig *https)
{
	set_text(&https->port, "8443");
	https->backlog = 512;
	https->max_sessions = 4000;
	https->handshake_timeout = 30 * SECOND;
	https->request_timeout = 60 * SECOND;
	https->idle_timeout = 120 * SECOND;
	https->header_limit = 4096;
	https->body_limit = 65536;
	https->record_size = 1024;
}

static void
gateway_defaults(Config *config)
{
	set_text(&config->database, "");
	config->log_level = LOG_LEVEL_INFO;
	config->log_timestamps = true;
	config->statistics_interval = 60 * SECOND;
	config->poll_interval = SECOND;
	config->tick_interval = SECOND;
	config->lease = 30 * SECOND;
	config->shutdown_timeout = 5 * SECOND;
	config->deliver_timeout = 10 * SECOND;
	config->database_timeout = 60 * SECOND;
	config->database_reconnect_min = 500;
	config->database_reconnect_max = 15 * SECOND;
	config->batch = 500;
	config->incoming_queue = 5000;
	config->https_connections = 4;
}

static char *
trim(char *text)
{
	char	   *end;

	while (isspace((unsigned char) *text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char) end[-1]))
		end--;
	*end = '\0';
	return text;
}

static void *
begin_bind(Reader *reader, const char *name)
{
	Config	   *config = reader->config;
	BindConfig *bind;

	for (int i = 0; i < config->bind_count; i++)
	{
		if (strcmp(config->binds[i].name, name) == 0)
		{
			complain(reader, reader->line, "bind \"%s\" is already in line %d", name, config->binds[i].line);
			return NULL;
		}
	}
	if (config->bind_count == CONFIG_BINDS)
	{
		complain(reader, reader->line, "more than %d binds", CONFIG_BINDS);
		return NULL;
	}
	bind = &config->binds[config->bind_count++];
	bind->name = memory_text(name);
	bind->line = reader->line;
	bind_defaults(bind);
	return bind;
}

static void *
begin_https(Reader *reader, const char *name)
{
	Config	   *config = reader->config;
	HttpsConfig *https;

	for (int i = 0; i < config->https_count; i++)
	{
		if (strcmp(config->https[i].name, name) == 0)
		{
			complain(reader, reader->line, "https \"%s\" is already in line %d", name, config->https[i].line);
			return NULL;
		}
	}
	if (config->https_count == CONFIG_HTTPS)
	{
		complain(reader, reader->line, "more than %d sections [https NAME]", CONFIG_HTTPS);
		return NULL;
	}
	https = &config->https[config->https_count++];
	https->name = memory_text(name);
	https->line = reader->line;
	https_defaults(https);
	return https;
}

/* the name behind a section's kind, or NULL */
static char *
section_name(char *header, const char *kind)
{
	size_t		length = strlen(kind);

	if (strncmp(header, kind, length) != 0 || !isspace((unsigned char) header[length]))
		return NULL;
	return trim(header + length);
}

/* "[gateway]", "[bind NAME]", "[https NAME]"; sets the keys that are valid from here on */
static void
begin_section(Reader *reader, char *header, const Key **keys, void **record, uint64_t *seen)
{
	size_t		length = strlen(header);
	char	   *whole;
	char	   *name;

	*keys = NULL;
	if (length < 2 || header[length - 1] != ']')
	{
		complain(reader, reader->line, "a section begins with \"[\" and ends with \"]\"");
		return;
	}
	header[length - 1] = '\0';
	whole = trim(header + 1);

	if (strcmp(whole, "gateway") == 0)
	{
		*keys = gateway_keys;
		*record = reader->config;
		return;
	}
	*seen = 0;
	if ((name = section_name(whole, "bind")) != NULL)
	{
		if ((*record = begin_bind(reader, name)) != NULL)
			*keys = bind_keys;
	}
	else if ((name = section_name(whole, "https")) != NULL)
	{
		if ((*record = begin_https(reader, name)) != NULL)
			*keys = https_keys;
	}
	else
		complain(reader, reader->line, "section \"%s\" is neither \"gateway\" nor \"bind NAME\" nor \"https NAME\"", whole);
}

static void
read_setting(Reader *reader, char *line, const Key *keys, void *record, uint64_t *seen)
{
	char	   *equals = strchr(line, '=');
	char	   *name;
	char	   *value;
	size_t		length;

	if (equals == NULL)
	{
		complain(reader, reader->line, "neither \"key = value\" nor a section");
		return;
	}
	*equals = '\0';
	name = trim(line);
	value = trim(equals + 1);

	/* quotes keep leading and trailing blanks */
	length = strlen(value);
	if (length >= 2 && value[0] == '"' && value[length - 1] == '"')
	{
		value[length - 1] = '\0';
		value++;
	}

	for (size_t i = 0; keys[i].name; i++)
	{
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (*seen & UINT64_C(1) << i)
			complain(reader, reader->line, "%s is given twice", name);
		*seen |= UINT64_C(1) << i;
		set_key(reader, &keys[i], record, value);
		if (strcmp(name, "password") == 0)
			reader->has_secret = true;
		return;
	}
	complain(reader, reader->line, "unknown key \"%s\"", name);
}

static void
read_lines(Reader *reader, FILE *file)
{
	const Key  *keys = NULL;
	void	   *record = NULL;
	uint64_t	gateway_seen = 0;
	uint64_t	section_seen = 0;
	bool		sectioned = false;
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;

	while ((length = getline(&line, &size, file)) >= 0)
	{
		char	   *text;

		reader->line++;
		if (memchr(line, '\0', (size_t) length))
		{
			complain(reader, reader->line, "not a text file");
			break;
		}
		text = trim(line);
		if (*text == '\0' || *text == '#' || *text == ';')
			continue;
		if (*text == '[')
		{
			sectioned = true;
			begin_section(reader, text, &keys, &record, &section_seen);
		}
		else if (keys)
			read_setting(reader, text, keys, record, keys == gateway_keys ? &gateway_seen : &section_seen);
		else if (!sectioned)
			complain(reader, reader->line, "a setting before the first section");
		/* settings of a section that was refused are not worth more errors */
	}
	/* the last line's buffer may have held a password */
	if (line)
		explicit_bzero(line, size);
	free(line);
}

static void
read_password_file(Reader *reader, BindConfig *bind)
{
	FILE	   *file = fopen(bind->password_file, "r");
	char		text[64] = "";

	if (file == NULL)
	{
		complain(reader, bind->line, "bind \"%s\": cannot read password_file %s: %s",
				 bind->name, bind->password_file, strerror(errno));
		return;
	}
	if (fgets(text, sizeof(text), file) == NULL)
		text[0] = '\0';
	fclose(file);
	text[strcspn(text, "\r\n")] = '\0';
	set_text(&bind->password, text);
	explicit_bzero(text, sizeof(text));
}

static void
find_password(Reader *reader, BindConfig *bind)
{
	int			given = (bind->password != NULL) + (bind->password_file != NULL) + (bind->password_env != NULL);

	if (given > 1)
	{
		complain(reader, bind->line, "bind \"%s\": more than one of password, password_file, password_env", bind->name);
		return;
	}
	if (bind->password_file)
		read_password_file(reader, bind);
	else if (bind->password_env)
	{
		const char *value = getenv(bind->password_env);

		if (value == NULL)
			complain(reader, bind->line, "bind \"%s\": environment variable %s is not set", bind->name, bind->password_env);
		else
			set_text(&bind->password, value);
	}
	if (bind->password == NULL)
		set_text(&bind->password, "");
	if (strlen(bind->password) > 8)
		complain(reader, bind->line, "bind \"%s\": SMPP allows a password of 8 characters", bind->name);
}

static void
check_whole(Reader *reader)
{
	Config	   *config = reader->config;
	PQconninfoOption *options;
	char	   *problem = NULL;

	if (config->bind_count == 0 && config->https_count == 0)
		complain(reader, 0, "no [bind NAME] and no [https NAME] section");
	if (config->database_reconnect_max < config->database_reconnect_min)
		complain(reader, 0, "database_reconnect_max is less than database_reconnect_min");

	options = PQconninfoParse(config->database, &problem);
	if (options == NULL)
		complain(reader, 0, "database is not a connection string: %s", problem ? problem : "out of memory");
	PQconninfoFree(options);
	PQfreemem(problem);

	for (int i = 0; i < config->bind_count; i++)
	{
		BindConfig *bind = &config->binds[i];

		if (*bind->name == '\0')
			complain(reader, bind->line, "a bind without a name");
		if (bind->host == NULL)
			complain(reader, bind->line, "bind \"%s\" has no host", bind->name);
		if (bind->reconnect_max < bind->reconnect_min)
			complain(reader, bind->line, "bind \"%s\": reconnect_max is less than reconnect_min", bind->name);
		if (bind->throttle_max < bind->throttle_min)
			complain(reader, bind->line, "bind \"%s\": throttle_max is less than throttle_min", bind->name);
		if (bind->response_timeout > config->lease / 2)
			log_warning("%s:%d: bind \"%s\": response_timeout is more than half the lease: a message may be sent again while its answer is awaited",
						reader->path, bind->line, bind->name);
		find_password(reader, bind);
	}
	for (int i = 0; i < config->https_count; i++)
	{
		if (*config->https[i].name == '\0')
			complain(reader, config->https[i].line, "an https section without a name");
	}
}

Config *
config_read(const char *path)
{
	Config	   *config = memory_new(sizeof(Config));
	Reader		reader = {.config = config,.path = path};
	FILE	   *file = fopen(path, "r");
	struct stat status;

	config->path = memory_text(path);
	config->binds = memory_new(CONFIG_BINDS * sizeof(BindConfig));
	config->https = memory_new(CONFIG_HTTPS * sizeof(HttpsConfig));
	gateway_defaults(config);
	if (file == NULL)
	{
		complain(&reader, 0, "%s", strerror(errno));
		config_free(config);
		return NULL;
	}
	read_lines(&reader, file);
	if (ferror(file))
		complain(&reader, 0, "%s", strerror(errno));
	check_whole(&reader);
	if (reader.has_secret && fstat(fileno(file), &status) == 0 && (status.st_mode & S_IROTH))
		log_warning("%s holds a password and everybody can read it", path);
	fclose(file);

	if (reader.errors > 0)
	{
		config_free(config);
		return NULL;
	}
	return config;
}

void
config_free(Config *config)
{
	for (int i = 0; i < config->bind_count; i++)
	{
		BindConfig *bind = &config->binds[i];

		if (bind->password)
			explicit_bzero(bind->password, strlen(bind->password));
		for (const Key *key = bind_keys; key->name; key++)
		{
			if (key->type == KEY_TEXT || key->type == KEY_PORT)
				free(*(char **) ((char *) bind + key->offset));
		}
		free(bind->name);
	}
	for (int i = 0; i < config->https_count; i++)
	{
		free(config->https[i].name);
		free(config->https[i].address);
		free(config->https[i].port);
	}
	free(config->binds);
	free(config->https);
	free(config->database);
	free(config->path);
	free(config);
}
