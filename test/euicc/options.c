/*
 * options.c
 *		One table of options: their names, what they take, what they mean.
 */
#include "options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US	1000000.0

typedef enum OptionId
{
	OPT_SEED, OPT_CARDS, OPT_FIRST, OPT_OPERATORS, OPT_PROFILES, OPT_COUNTER, OPT_POL1,
	OPT_SMSC, OPT_LISTEN, OPT_PORT_FILE, OPT_CONTROL, OPT_STATE, OPT_SMSR_ADDRESS,
	OPT_REFRESH, OPT_ATTACH, OPT_REPEAT, OPT_TRIES, OPT_FIRST_ATTACH, OPT_NOTIFICATION_SPI,
	OPT_MAX_SEGMENTS, OPT_UNSECURED_ERRORS, OPT_AUTO_PERSONALIZE, OPT_PERSONALIZE_OPERATOR,
	OPT_UNREACHABLE, OPT_MO_DCS, OPT_QUEUE_DETACHED, OPT_ENQUIRE_LINK, OPT_FAULTS,
	OPT_MASTER_KEY, OPT_FORMAT, OPT_WRAP, OPT_TRANSPORT_KEY_FILE, OPT_POL2, OPT_OUTPUT,
	OPT_CARD, OPT_TAR, OPT_HTTPS, OPT_HTTPS_SERVER, OPT_HTTPS_HOST, OPT_HTTPS_URI, OPT_HTTPS_RETRIES,
	OPT_HTTPS_RETRY_DELAY, OPT_HTTPS_TIMEOUT, OPT_HTTPS_POLL, OPT_NOTIFY, OPT_MAX_FRAGMENT, OPT_HELP
} OptionId;

typedef struct Option
{
	const char *name;
	const char *value;			/* NULL: takes none */
	OptionId	id;
	int			commands;
	const char *help;
} Option;

#define ALL		(FOR_RUN | FOR_EIS | FOR_MSISDN)

static const Option table[] = {
	{"seed", "N", OPT_SEED, ALL, "everything about the cards follows from it (1)"},
	{"cards", "N", OPT_CARDS, ALL, "how many (10)"},
	{"first", "N", OPT_FIRST, ALL, "number of the first card (1)"},
	{"operators", "N", OPT_OPERATORS, ALL, "1 to 16, OIDs 1.3.6.1.4.1.99999.3 and on (2)"},
	{"profiles", "N", OPT_PROFILES, ALL, "of each card, 1 to 8: the first Enabled, fall-back (2)"},
	{"counter", "N", OPT_COUNTER, FOR_RUN | FOR_EIS, "counter of the SCP80 key set at the start (0)"},
	{"master-key", "HEX", OPT_MASTER_KEY, FOR_RUN | FOR_EIS, "keys follow from this (AES-128) by scheme eid-cmac, not from the seed"},
	{"pol1", "K:BITS", OPT_POL1, FOR_RUN,
	"POL1 of profile K (1, 2 ...): 1 no disable, 2 no delete, 4 delete when disabled"},
	{"smsc", "PORT[:SYSTEM_ID[:PASSWORD]]", OPT_SMSC, FOR_RUN,
	"listen for SMPP; once for all operators, or once for each (2775)"},
	{"listen", "ADDRESS", OPT_LISTEN, FOR_RUN, "IPv4 address to listen on (127.0.0.1)"},
	{"port-file", "FILE", OPT_PORT_FILE, FOR_RUN, "write the \"listening\" line here too"},
	{"control", "WHERE", OPT_CONTROL, FOR_RUN, "Unix socket, or port on 127.0.0.1, for commands"},
	{"state", "FILE", OPT_STATE, FOR_RUN, "read card state at the start if it is there; write it at the end"},
	{"smsr-address", "DIGITS", OPT_SMSR_ADDRESS, FOR_RUN, "where cards send notifications (491700000000)"},
	{"refresh", "SECONDS", OPT_REFRESH, FOR_RUN, "from the answer 9000 to the other profile's attach (0.2)"},
	{"attach", "SECONDS", OPT_ATTACH, FOR_RUN, "how long a card looks for a network before it rolls back (5)"},
	{"repeat", "SECONDS", OPT_REPEAT, FOR_RUN, "between repetitions of a notification (10)"},
	{"tries", "N", OPT_TRIES, FOR_RUN, "notifications before it rolls back (5)"},
	{"first-attach", "SECONDS", OPT_FIRST_ATTACH, FOR_RUN, "all cards send notification 01, spread over this time"},
	{"notification-spi", "HEX", OPT_NOTIFICATION_SPI, FOR_RUN, "SPI1 of notifications: 06 or 02 (06)"},
	{"max-segments", "N", OPT_MAX_SEGMENTS, FOR_RUN, "of a concatenated message that a card can hold (5)"},
	{"unsecured-errors", NULL, OPT_UNSECURED_ERRORS, FOR_RUN, "answer what is not authentic, in clear; else silence"},
	{"auto-personalize", NULL, OPT_AUTO_PERSONALIZE, FOR_RUN, "an ISD-P is DISABLED as soon as it is created"},
	{"personalize-operator", "N", OPT_PERSONALIZE_OPERATOR, FOR_RUN, "whose (1, 2 ...) such profiles are; else by TAR"},
	{"unreachable", "FRACTION", OPT_UNREACHABLE, FOR_RUN, "of cards whose other profiles get no network (0)"},
	{"mo-dcs", "HEX", OPT_MO_DCS, FOR_RUN, "data_coding of messages from cards: F6 or 04 (F6)"},
	{"queue-detached", NULL, OPT_QUEUE_DETACHED, FOR_RUN, "keep messages for profiles that are not enabled; else lose them"},
	{"enquire-link", "SECONDS", OPT_ENQUIRE_LINK, FOR_RUN, "ask silent sessions; close them after three times that (30)"},
	{"https", NULL, OPT_HTTPS, FOR_RUN | FOR_EIS, "cards are made with a key for sessions over HTTPS, version 64"},
	{"https-server", "ADDRESS:PORT", OPT_HTTPS_SERVER, FOR_RUN, "IPv4, where cards go if a trigger does not say it"},
	{"https-host", "NAME", OPT_HTTPS_HOST, FOR_RUN, "of the header Host, likewise (localhost)"},
	{"https-uri", "URI", OPT_HTTPS_URI, FOR_RUN, "of the first POST, likewise (/gsma/adminagent)"},
	{"https-retries", "N", OPT_HTTPS_RETRIES, FOR_RUN, "connections that may fail in succession, likewise (3)"},
	{"https-retry-delay", "SECONDS", OPT_HTTPS_RETRY_DELAY, FOR_RUN, "before the next one, likewise (1)"},
	{"https-timeout", "SECONDS", OPT_HTTPS_TIMEOUT, FOR_RUN, "how long a card waits for an answer (60)"},
	{"https-poll", "SECONDS", OPT_HTTPS_POLL, FOR_RUN, "every card calls in so often, untriggered (0: never)"},
	{"notify", "BEARER", OPT_NOTIFY, FOR_RUN, "how notifications go: sms or https (sms)"},
	{"max-fragment", "OCTETS", OPT_MAX_FRAGMENT, FOR_RUN, "512 to 4096: cards ask for records as small as that"},
	{"faults", "\"NAME=VALUE ...\"", OPT_FAULTS, FOR_RUN, "several faults; or each as an option of its own, see below"},
	{"format", "FORMAT", OPT_FORMAT, FOR_EIS, "xml-per-line, copy (for COPY ... FROM), or single (indented)"},
	{"wrap", "MODE", OPT_WRAP, FOR_EIS, "none, aes-kw (RFC 3394), or without: check values and no keys"},
	{"transport-key-file", "FILE", OPT_TRANSPORT_KEY_FILE, FOR_EIS, "32, 48 or 64 hexadecimal digits, for --wrap aes-kw"},
	{"pol2", "K:ACTION/QUALIFICATION", OPT_POL2, FOR_EIS, "a rule of profile K (1, 2 ...), e.g. 2:DISABLE/Auto-Delete"},
	{"output", "FILE", OPT_OUTPUT, FOR_EIS | FOR_CI, "write here instead of to the standard output"},
	{"card", "N", OPT_CARD, FOR_EIS | FOR_MSISDN, "only this card"},
	{"tar", "HEX", OPT_TAR, FOR_MSISDN, "only this ISD-P, e.g. 000012"},
	{"help", NULL, OPT_HELP, ALL | FOR_CI, "this text"},
};

#define OPTIONS		(sizeof table / sizeof table[0])

void
options_help(int command)
{
	Text		faults = {0};

	for (size_t i = 0; i < OPTIONS; i++)
	{
		char		left[64];

		if (!(table[i].commands & command))
			continue;
		snprintf(left, sizeof left, "--%s %s", table[i].name,
				 table[i].value != NULL ? table[i].value : "");
		printf("  %-32s %s%s\n", left, strlen(left) > 32 ? "\n                                   " : "",
			   table[i].help);
	}
	if (command != FOR_RUN)
		return;
	faults_print(&FAULTS_NONE, &faults);
	printf("\nFaults, each also an option (--mt-loss 0.1); loss, duplicate, reorder, bit_error\n"
		   "and delay set both directions, mt_ is towards the card, mo_ from it.  Fractions\n"
		   "are probabilities, delays MIN-MAX in milliseconds.  As they are without options:\n\n%s",
		   faults.data);
	text_free(&faults);
}

static bool
complain(const char *format,...)
{
	va_list		args;

	fputs("smsr-fleet: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\n(smsr-fleet --help lists the options)\n", stderr);
	return false;
}

static bool
bad_value(const Option *option, const char *value, const char *expected)
{
	return complain("--%s: \"%s\" is not %s", option->name, value, expected);
}

static bool
read_integer(const Option *option, const char *value, uint64_t min, uint64_t max, uint64_t *out)
{
	char		expected[80];
	char	   *end;

	*out = strtoull(value, &end, 10);
	if (value[0] >= '0' && value[0] <= '9' && *end == '\0' && *out >= min && *out <= max)
		return true;
	snprintf(expected, sizeof expected, "a number from %" PRIu64 " to %" PRIu64, min, max);
	return bad_value(option, value, expected);
}

static bool
read_small(const Option *option, const char *value, uint64_t min, uint64_t max, unsigned *out)
{
	uint64_t	wide;

	if (!read_integer(option, value, min, max, &wide))
		return false;
	*out = (unsigned) wide;
	return true;
}

static bool
read_decimal(const Option *option, const char *value, double max, const char *expected, double *out)
{
	char	   *end;

	*out = strtod(value, &end);
	if (value[0] != '\0' && *end == '\0' && *out >= 0 && *out <= max)
		return true;
	return bad_value(option, value, expected);
}

static bool
read_seconds(const Option *option, const char *value, uint64_t *microseconds)
{
	double		seconds;

	if (!read_decimal(option, value, 1e6, "a number of seconds", &seconds))
		return false;
	*microseconds = (uint64_t) (seconds * SECOND_US);
	return true;
}

static bool
read_smsc(Options *o, const Option *option, const char *value)
{
	SmscOption *smsc = &o->smsc[o->smsc_count];
	char	   *end;
	unsigned long port = strtoul(value, &end, 10);
	const char *colon = *end == ':' ? strchr(end + 1, ':') : NULL;
	size_t		len = *end == ':' ? (colon != NULL ? (size_t) (colon - end - 1) : strlen(end + 1)) : 0;

	if (o->smsc_count == MAX_OPERATORS)
		return complain("--smsc: at most %d times", MAX_OPERATORS);
	if (value[0] < '0' || value[0] > '9' || port > 65535 || (*end != '\0' && *end != ':') ||
		len >= sizeof smsc->system_id ||
		(colon != NULL && strlen(colon + 1) >= sizeof smsc->password))
		return bad_value(option, value, "PORT[:SYSTEM_ID[:PASSWORD]]");
	smsc->port = (uint16_t) port;
	if (len > 0)
		memcpy(smsc->system_id, end + 1, len);
	if (colon != NULL)
		strcpy(smsc->password, colon + 1);
	o->smsc_count++;
	return true;
}

static bool
read_pol1(Options *o, const Option *option, const char *value)
{
	unsigned	k,
				bits;
	char		rest;

	if (sscanf(value, "%u:%u%c", &k, &bits, &rest) != 2 || k < 1 || k > CARD_PROFILES || bits > 7)
		return bad_value(option, value, "K:BITS, K from 1 to 8, BITS from 0 to 7");
	o->fleet.pol1[k - 1] = (uint8_t) bits;
	return true;
}

static bool
read_pol2(Options *o, const Option *option, const char *value)
{
	EisRule    *rule = &o->eis.rules[o->eis.rule_count];
	char		rest;

	if (o->eis.rule_count == EIS_RULES)
		return complain("--pol2: at most %d times", EIS_RULES);
	if (sscanf(value, "%u:%15[A-Z]/%15[A-Za-z-]%c", &rule->profile, rule->action,
			   rule->qualification, &rest) != 3 ||
		rule->profile < 1 || rule->profile > CARD_PROFILES)
		return bad_value(option, value, "K:ACTION/QUALIFICATION");
	rule->profile--;
	o->eis.rule_count++;
	return true;
}

static bool
read_octets(const char *digits, uint8_t *octets, size_t len)
{
	if (strlen(digits) != 2 * len || strspn(digits, "0123456789ABCDEFabcdef") != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char		octet[3] = {digits[2 * i], digits[2 * i + 1], '\0'};

		octets[i] = (uint8_t) strtoul(octet, NULL, 16);
	}
	return true;
}

static bool
read_server(Options *o, const Option *option, const char *value)
{
	FleetConfig *f = &o->fleet;
	unsigned	a[4],
				port;
	char		rest;

	if (sscanf(value, "%u.%u.%u.%u:%u%c", &a[0], &a[1], &a[2], &a[3], &port, &rest) != 5 ||
		a[0] > 255 || a[1] > 255 || a[2] > 255 || a[3] > 255 || port < 1 || port > 65535)
		return bad_value(option, value, "ADDRESS:PORT");
	for (int i = 0; i < 4; i++)
		f->https_address[i] = (uint8_t) a[i];
	f->https_port = (uint16_t) port;
	return true;
}

/* What stands in a head as it is. */
static bool
read_text(const Option *option, const char *value, char *text, size_t size)
{
	for (const char *p = value; *p != '\0'; p++)
	{
		if (*p <= ' ' || *p > '~')
			return bad_value(option, value, "text without blanks");
	}
	if (value[0] == '\0' || strlen(value) >= size)
		return bad_value(option, value, "text as short as that");
	strcpy(text, value);
	return true;
}

static bool
read_transport_key(Options *o, const char *path)
{
	FILE	   *file = fopen(path, "r");
	char		digits[66] = "";
	size_t		len;

	if (file == NULL)
		return complain("%s can not be read", path);
	if (fscanf(file, " %65[0-9A-Fa-f]", digits) != 1)
		digits[0] = '\0';
	fclose(file);
	len = strlen(digits);
	if (len != 32 && len != 48 && len != 64)
		return complain("%s: 32, 48 or 64 hexadecimal digits expected", path);
	o->eis.transport_key_len = len / 2;
	return read_octets(digits, o->eis.transport_key, len / 2);
}

static bool
read_format(Options *o, const Option *option, const char *value)
{
	if (strcmp(value, "xml-per-line") == 0)
		o->eis.format = EIS_XML_PER_LINE;
	else if (strcmp(value, "copy") == 0)
		o->eis.format = EIS_COPY;
	else if (strcmp(value, "single") == 0)
		o->eis.format = EIS_SINGLE;
	else
		return bad_value(option, value, "xml-per-line, copy or single");
	return true;
}

static bool
read_faults(Options *o, const char *value)
{
	char	   *list = strdup(value);
	char	   *rest = list;
	char	   *word;
	char		why[200] = "";

	while (why[0] == '\0' && (word = strtok_r(rest, " ,", &rest)) != NULL)
		faults_set(&o->faults, word, why, sizeof why);
	free(list);
	return why[0] == '\0' || complain("--faults: %s", why);
}

static bool
read_hex(const Option *option, const char *value, unsigned long max, unsigned long *out)
{
	char	   *end;

	*out = strtoul(value, &end, 16);
	if (value[0] != '\0' && *end == '\0' && *out <= max)
		return true;
	return bad_value(option, value, "hexadecimal digits");
}

/* --wrap aes-kw must meet --transport-key-file, in either order. */
typedef struct Wrap
{
	bool		aes_kw;
	const char *key_file;
} Wrap;

static bool
set(Options *o, Wrap *wrap, const Option *option, const char *value)
{
	FleetConfig *f = &o->fleet;
	unsigned long hex;
	uint64_t	wide;
	unsigned	small;

	switch (option->id)
	{
		case OPT_SEED:
			return read_integer(option, value, 0, UINT64_MAX, &f->seed);
		case OPT_CARDS:
			if (!read_integer(option, value, 1, MAX_SERIAL, &wide))
				return false;
			f->cards = (uint32_t) wide;
			return true;
		case OPT_FIRST:
			return read_integer(option, value, 1, MAX_SERIAL, &f->first);
		case OPT_OPERATORS:
			return read_small(option, value, 1, MAX_OPERATORS, &f->operators);
		case OPT_PROFILES:
			return read_small(option, value, 1, CARD_PROFILES, &f->profiles);
		case OPT_COUNTER:
			return read_integer(option, value, 0, SCP80_MAX_CNTR, &f->cntr);
		case OPT_POL1:
			return read_pol1(o, option, value);
		case OPT_SMSC:
			return read_smsc(o, option, value);
		case OPT_LISTEN:
			o->listen = value;
			return true;
		case OPT_PORT_FILE:
			o->port_file = value;
			return true;
		case OPT_CONTROL:
			o->control = value;
			return true;
		case OPT_STATE:
			o->state = value;
			return true;
		case OPT_SMSR_ADDRESS:
			return read_integer(option, value, 1, UINT64_C(999999999999999), &f->smsr_address);
		case OPT_REFRESH:
			return read_seconds(option, value, &f->refresh);
		case OPT_ATTACH:
			return read_seconds(option, value, &f->attach);
		case OPT_REPEAT:
			return read_seconds(option, value, &f->repeat);
		case OPT_TRIES:
			return read_small(option, value, 1, 255, &f->tries);
		case OPT_FIRST_ATTACH:
			return read_decimal(option, value, 1e6, "a number of seconds", &f->first_attach);
		case OPT_NOTIFICATION_SPI:
			if (!read_hex(option, value, 0xFF, &hex))
				return false;
			if (hex != 0x06 && hex != 0x02)
				return bad_value(option, value, "06 or 02");
			f->notification_spi1 = (uint8_t) hex;
			return true;
		case OPT_MAX_SEGMENTS:
			return read_small(option, value, 1, SMS_MAX_SEGMENTS, &f->max_segments);
		case OPT_UNSECURED_ERRORS:
			f->unsecured_errors = true;
			return true;
		case OPT_AUTO_PERSONALIZE:
			f->auto_personalize = true;
			return true;
		case OPT_PERSONALIZE_OPERATOR:
			if (!read_small(option, value, 1, MAX_OPERATORS, &small))
				return false;
			f->personalize_owner = (int) small - 1;
			return true;
		case OPT_UNREACHABLE:
			return read_decimal(option, value, 1, "a number from 0 to 1", &f->unreachable);
		case OPT_MO_DCS:
			if (!read_hex(option, value, 0xFF, &hex))
				return false;
			o->mo_data_coding = (uint8_t) hex;
			return true;
		case OPT_QUEUE_DETACHED:
			o->queue_detached = true;
			return true;
		case OPT_ENQUIRE_LINK:
			return read_seconds(option, value, &o->enquire_link);
		case OPT_FAULTS:
			return read_faults(o, value);
		case OPT_FORMAT:
			return read_format(o, option, value);
		case OPT_WRAP:
			wrap->aes_kw = strcmp(value, "aes-kw") == 0;
			o->eis.without_keys = strcmp(value, "without") == 0;
			return wrap->aes_kw || o->eis.without_keys || strcmp(value, "none") == 0 ||
				bad_value(option, value, "none, aes-kw or without");
		case OPT_MASTER_KEY:
			f->has_master = read_octets(value, f->master, KEY_LEN);
			return f->has_master || bad_value(option, value, "32 hexadecimal digits");
		case OPT_TRANSPORT_KEY_FILE:
			wrap->key_file = value;
			return true;
		case OPT_POL2:
			return read_pol2(o, option, value);
		case OPT_OUTPUT:
			o->output = value;
			return true;
		case OPT_CARD:
			return read_integer(option, value, 1, MAX_SERIAL, &o->card);
		case OPT_TAR:
			if (!read_hex(option, value, 0xFFFF, &hex))
				return false;
			if (hex < FIRST_TAR)
				return bad_value(option, value, "an ISD-P's TAR, 000010 to 00FFFF");
			o->tar = (uint16_t) hex;
			return true;
		case OPT_HTTPS:
			f->https = true;
			return true;
		case OPT_HTTPS_SERVER:
			return read_server(o, option, value);
		case OPT_HTTPS_HOST:
			return read_text(option, value, f->https_host, sizeof f->https_host);
		case OPT_HTTPS_URI:
			return read_text(option, value, f->https_uri, sizeof f->https_uri) &&
				(value[0] == '/' || bad_value(option, value, "a path"));
		case OPT_HTTPS_RETRIES:
			return read_small(option, value, 0, 65535, &f->https_retries);
		case OPT_HTTPS_RETRY_DELAY:
			return read_seconds(option, value, &f->https_retry_delay);
		case OPT_HTTPS_TIMEOUT:
			return read_seconds(option, value, &f->https_timeout);
		case OPT_HTTPS_POLL:
			return read_decimal(option, value, 1e6, "a number of seconds", &f->https_poll);
		case OPT_NOTIFY:
			f->https_notify = strcmp(value, "https") == 0;
			return f->https_notify || strcmp(value, "sms") == 0 || bad_value(option, value, "sms or https");
		case OPT_MAX_FRAGMENT:
			if (!read_small(option, value, 512, 4096, &f->max_fragment))
				return false;
			return (f->max_fragment & (f->max_fragment - 1)) == 0 ||
				bad_value(option, value, "512, 1024, 2048 or 4096");
		case OPT_HELP:
			o->help = true;
			return true;
	}
	return false;
}

static const Option *
find(const char *name, size_t len, int command)
{
	for (size_t i = 0; i < OPTIONS; i++)
	{
		if ((table[i].commands & command) && strlen(table[i].name) == len &&
			memcmp(table[i].name, name, len) == 0)
			return &table[i];
	}
	return NULL;
}

/* --mt-loss 0.1 is the fault mt_loss=0.1. */
static bool
set_fault(Options *o, const char *name, size_t len, const char *value)
{
	char		assignment[128];
	char		why[200];

	snprintf(assignment, sizeof assignment, "%.*s=%s", (int) len, name, value);
	for (size_t i = 0; i < len; i++)
	{
		if (assignment[i] == '-')
			assignment[i] = '_';
	}
	return faults_set(&o->faults, assignment, why, sizeof why) || complain("--%s", why);
}

static bool
is_fault(const char *name, size_t len)
{
	char		copy[64];

	if (len >= sizeof copy)
		return false;
	for (size_t i = 0; i < len; i++)
		copy[i] = name[i] == '-' ? '_' : name[i];
	return faults_known(copy, len);
}

/* What no option can see by itself. */
static bool
check(Options *o, const Wrap *wrap)
{
	FleetConfig *f = &o->fleet;

	if (o->help)
		return true;
	if (f->first + f->cards - 1 > MAX_SERIAL)
		return complain("--first and --cards: numbers beyond %d have no MSISDN", MAX_SERIAL);
	if (o->smsc_count > 1 && o->smsc_count != f->operators)
		return complain("--smsc: once, or once for each of %u operators", f->operators);
	if (f->personalize_owner >= (int) f->operators)
		return complain("--personalize-operator: there are %u", f->operators);
	if (wrap->aes_kw != (wrap->key_file != NULL))
		return complain("--wrap aes-kw and --transport-key-file need each other");
	if (wrap->aes_kw && !read_transport_key(o, wrap->key_file))
		return false;
	if (o->card != 0)
	{
		f->first = o->card;
		f->cards = 1;
	}
	else if (o->eis.format == EIS_SINGLE && f->cards > 1)
		return complain("--format single: of which card? (--card N)");
	if (o->smsc_count == 0)
	{
		o->smsc[0].port = 2775;
		o->smsc_count = 1;
	}
	return true;
}

bool
options_read(Options *o, int command, int argc, char **argv)
{
	Wrap		wrap = {0};

	*o = (Options) {.fleet = FLEET_DEFAULTS, .faults = FAULTS_NONE, .listen = "127.0.0.1",
		.mo_data_coding = SMS_DCS_CLASS_2, .enquire_link = 30000000};
	for (int i = 1; i < argc; i++)
	{
		const char *name = argv[i];
		const char *equals;
		const char *value = NULL;
		const Option *option;
		size_t		len;

		if (strncmp(name, "--", 2) != 0)
			return complain("\"%s\" is no option", name);
		name += 2;
		equals = strchr(name, '=');
		len = equals != NULL ? (size_t) (equals - name) : strlen(name);
		option = find(name, len, command);
		if (option == NULL && !(command == FOR_RUN && is_fault(name, len)))
			return complain("no option --%.*s here", (int) len, name);
		if (equals != NULL)
			value = equals + 1;
		else if (option == NULL || option->value != NULL)
		{
			if (++i == argc)
				return complain("--%s needs a value", name);
			value = argv[i];
		}
		if (option != NULL && option->value == NULL && value != NULL)
			return complain("--%s takes no value", option->name);
		if (option == NULL ? !set_fault(o, name, len, value) : !set(o, &wrap, option, value))
			return false;
	}
	return check(o, &wrap);
}
