/*
 * main.c
 *		smsr-fleet: an SMSC with eUICCs behind it, to rehearse an SM-SR with.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "https_agent.h"
#include "options.h"
#include "signer.h"
#include "store.h"

#define READ_LIMIT	(1u << 20)	/* answers that nobody takes: read no more requests */

static volatile sig_atomic_t stop;

static void
on_signal(int signal_number)
{
	(void) signal_number;
	stop = 1;
}

static uint64_t
clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

/* Who is behind each entry of the array that poll() gets. */
typedef struct Polled
{
	Smsc	   *smsc;			/* a listener */
	Session    *session;
	ControlClient *client;
	bool		https;			/* none of these: the control listener */
} Polled;

typedef struct PollSet
{
	struct pollfd *fds;
	Polled	   *who;
	size_t		count;
	size_t		fds_cap;
	size_t		who_cap;
} PollSet;

static void
watch(PollSet *set, int fd, bool in, bool out, Polled who)
{
	if (set->count == set->fds_cap)
		set->fds = grow(set->fds, &set->fds_cap, sizeof *set->fds);
	if (set->count == set->who_cap)
		set->who = grow(set->who, &set->who_cap, sizeof *set->who);
	set->fds[set->count] = (struct pollfd) {
		fd, (short) ((in ? POLLIN : 0) | (out ? POLLOUT : 0)), 0
	};
	set->who[set->count++] = who;
}

static void
watch_all(PollSet *set, Smscs *smscs, Control *control)
{
	set->count = 0;
	for (unsigned i = 0; i < smscs->count; i++)
	{
		Smsc	   *smsc = &smscs->smsc[i];

		smsc_sweep(smsc);
		watch(set, smsc->listener, true, false, (Polled) {.smsc = smsc});
		for (Session *s = smsc->sessions; s != NULL; s = s->next)
		{
			session_write(s);
			watch(set, s->fd, s->out.len < READ_LIMIT, s->out.len > 0, (Polled) {.session = s});
		}
	}
	watch(set, https_fd(smscs->fleet), true, false, (Polled) {.https = true});
	if (control->listener < 0)
		return;
	control_sweep(control);
	watch(set, control->listener, true, false, (Polled) {0});
	for (ControlClient *c = control->clients; c != NULL; c = c->next)
		watch(set, c->fd, true, c->out.len > 0, (Polled) {.client = c});
}

static void
serve(const struct pollfd *fd, const Polled *who, Control *control)
{
	bool		readable = fd->revents & (POLLIN | POLLHUP | POLLERR);

	if (who->smsc != NULL)
		smsc_accept(who->smsc);
	else if (who->session != NULL)
	{
		if (readable && !who->session->dead)
			session_read(who->session);
		if ((fd->revents & POLLOUT) && !who->session->dead)
			session_write(who->session);
	}
	else if (who->client != NULL)
	{
		if (readable)
			control_read(control, who->client);
		if ((fd->revents & POLLOUT) && !who->client->dead)
			control_write(who->client);
	}
	else if (who->https)
		https_serve(control->smscs->fleet);
	else
		control_accept(control);
}

static void
loop(Fleet *fleet, Smscs *smscs, Control *control)
{
	PollSet		set = {0};

	while (!stop && !control->quit)
	{
		uint64_t	next = timers_next(&fleet->timers);
		uint64_t	now;
		int			wait = -1;

		watch_all(&set, smscs, control);
		now = clock_us();
		if (next != UINT64_MAX)
			wait = next <= now ? 0 : next - now > 60000000 ? 60000 : (int) ((next - now + 999) / 1000);
		if (poll(set.fds, (nfds_t) set.count, wait) < 0 && errno != EINTR)
		{
			perror("smsr-fleet: poll");
			break;
		}
		fleet_run(fleet, clock_us());
		for (size_t i = 0; i < set.count; i++)
		{
			if (set.fds[i].revents != 0)
				serve(&set.fds[i], &set.who[i], control);
		}
		fleet_run(fleet, clock_us());
	}
	free(set.fds);
	free(set.who);
}

static bool
announce(const Options *options, const Smscs *smscs, const char *control_name)
{
	Text		text = {0};
	bool		ok = true;

	text_put(&text, "listening smpp=");
	for (unsigned i = 0; i < smscs->count; i++)
		text_printf(&text, "%s%u", i > 0 ? "," : "", smscs->smsc[i].port);
	if (control_name != NULL)
		text_printf(&text, " control=%s", control_name);
	text_printf(&text, " seed=%" PRIu64 " cards=%" PRIu32 " first=%" PRIu64 "\n",
				options->fleet.seed, options->fleet.cards, options->fleet.first);
	fputs(text.data, stdout);
	fflush(stdout);
	if (options->port_file != NULL)
	{
		/* Under another name first: whoever waits for the file reads all of it. */
		char		temporary[4096];
		FILE	   *file;

		snprintf(temporary, sizeof temporary, "%s.tmp", options->port_file);
		file = fopen(temporary, "w");
		ok = file != NULL && fputs(text.data, file) >= 0;
		ok = file != NULL && fclose(file) == 0 && ok &&
			rename(temporary, options->port_file) == 0;
		if (!ok)
			fprintf(stderr, "smsr-fleet: %s: %s\n", options->port_file, strerror(errno));
	}
	text_free(&text);
	return ok;
}

static bool
open_all(const Options *options, Smscs *smscs, Control *control, Text *name)
{
	Text		why = {0};

	for (unsigned i = 0; i < smscs->count; i++)
	{
		if (smsc_listen(&smscs->smsc[i], options->listen, options->smsc[i].port))
			continue;
		fprintf(stderr, "smsr-fleet: %s port %u: %s\n", options->listen, options->smsc[i].port,
				strerror(errno));
		return false;
	}
	if (options->control != NULL && !control_listen(control, options->control, name, &why))
	{
		fprintf(stderr, "smsr-fleet: %s\n", why.data);
		return false;
	}
	return true;
}

/* A session over HTTPS takes a descriptor. */
static void
allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static bool
restore_state(Fleet *fleet, const char *path)
{
	Text		why = {0};

	if (path == NULL || access(path, F_OK) != 0 || store_restore(fleet, path, &why))
		return true;
	fprintf(stderr, "smsr-fleet: %s\n", why.data);
	text_free(&why);
	return false;
}

static int
run(int argc, char **argv)
{
	static Fleet fleet;
	static Smscs smscs;
	Control		control = {.smscs = &smscs, .listener = -1};
	struct sigaction action = {.sa_handler = on_signal};
	Options		options;
	Text		name = {0};
	Text		why = {0};
	int			result = 0;

	if (!options_read(&options, FOR_RUN, argc, argv))
		return 2;
	if (options.help)
	{
		printf("smsr-fleet [run] [OPTION ...]\n\n");
		options_help(FOR_RUN);
		printf("\nCommands on the control socket (smsr-fleet ctl WHERE COMMAND):\n\n%s", CONTROL_HELP);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	allow_descriptors();
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	fleet.now = clock_us();
	fleet.faults = options.faults;
	smscs.count = options.smsc_count;
	smscs.mo_data_coding = options.mo_data_coding;
	smscs.queue_detached = options.queue_detached;
	smscs.enquire_link = options.enquire_link;
	for (unsigned i = 0; i < smscs.count; i++)
	{
		strcpy(smscs.smsc[i].system_id, options.smsc[i].system_id);
		strcpy(smscs.smsc[i].password, options.smsc[i].password);
	}
	smscs_init(&smscs, &fleet);
	fleet_init(&fleet, &options.fleet);
	https_begin(&fleet);
	if (!restore_state(&fleet, options.state) || !open_all(&options, &smscs, &control, &name) ||
		!announce(&options, &smscs, name.data))
		return 1;
	fleet_apply_faults(&fleet);
	smscs_apply_faults(&smscs);
	loop(&fleet, &smscs, &control);
	if (options.state != NULL && !store_save(&fleet, options.state, &why))
	{
		fprintf(stderr, "smsr-fleet: %s\n", why.data);
		result = 1;
	}
	control_free(&control);
	smscs_free(&smscs);
	fleet_free(&fleet);
	text_free(&name);
	text_free(&why);
	return result;
}

/* The standard output, or the file that was named; NULL: it can not be opened. */
static FILE *
open_output(const Options *options)
{
	FILE	   *out = options->output != NULL ? fopen(options->output, "w") : stdout;

	if (out == NULL)
		fprintf(stderr, "smsr-fleet: %s: %s\n", options->output, strerror(errno));
	return out;
}

static int
close_output(FILE *out, bool ok)
{
	if (out != stdout)
		ok = fclose(out) == 0 && ok;
	if (!ok)
		fprintf(stderr, "smsr-fleet: the output could not be written: %s\n", strerror(errno));
	return ok ? 0 : 1;
}

static int
eis(int argc, char **argv)
{
	Options		options;
	FILE	   *out;

	if (!options_read(&options, FOR_EIS, argc, argv))
		return 2;
	if (options.help)
	{
		printf("smsr-fleet eis [OPTION ...]: the EIS documents of the fleet's cards\n\n");
		options_help(FOR_EIS);
		return 0;
	}
	if ((out = open_output(&options)) == NULL)
		return 1;
	return close_output(out, eis_write_all(out, &options.fleet, &options.eis));
}

static int
ci(int argc, char **argv)
{
	Options		options;
	FILE	   *out;

	if (!options_read(&options, FOR_CI, argc, argv))
		return 2;
	if (options.help)
	{
		printf("smsr-fleet ci [OPTION ...]: the certificate of the CI above the EUM that signs\n"
			   "the EIS of every simulated fleet, for smsr.trust_ci()\n\n");
		options_help(FOR_CI);
		return 0;
	}
	if ((out = open_output(&options)) == NULL)
		return 1;
	return close_output(out, signer_write_ci(out));
}

static int
sm_sr(int argc, char **argv)
{
	FILE	   *certificate;
	FILE	   *key;
	bool		ok = false;

	if (argc != 4)
	{
		fprintf(stderr, "smsr-fleet sm-sr NAME CERTIFICATE-FILE KEY-FILE: what an SM-SR shows to the cards,\n"
				"and its private key, as hexadecimal digits\n");
		return 2;
	}
	umask(077);
	certificate = fopen(argv[2], "w");
	key = fopen(argv[3], "w");
	if (certificate != NULL && key != NULL)
		ok = signer_write_smsr(argv[1], certificate, key);
	if (!ok)
		perror("smsr-fleet: sm-sr");
	return ok ? 0 : 1;
}

static int
msisdn(int argc, char **argv)
{
	Options		options;
	char		digits[EID_DIGITS + 1];
	uint8_t		eid[EID_LEN];

	if (!options_read(&options, FOR_MSISDN, argc, argv))
		return 2;
	if (options.help)
	{
		printf("smsr-fleet msisdn [OPTION ...]: EID, TAR and MSISDN of profiles, those that\n"
			   "are created later too: 49, eight digits of the card's number, five of TAR - 16\n\n");
		options_help(FOR_MSISDN);
		return 0;
	}
	for (uint32_t i = 0; i < options.fleet.cards; i++)
	{
		uint64_t	serial = options.fleet.first + i;
		unsigned	count = options.tar != 0 ? 1 : options.fleet.profiles;

		identity_eid(options.fleet.seed, serial, eid);
		eid_format(eid, digits);
		for (unsigned k = 0; k < count; k++)
		{
			uint16_t	tar = (uint16_t) (options.tar != 0 ? options.tar : FIRST_TAR + k);

			printf("%s\t%06X\t%" PRIu64 "\n", digits, tar, identity_msisdn(serial, tar));
		}
	}
	return 0;
}

static int
ctl(int argc, char **argv)
{
	Text		command = {0};
	int			result;

	if (argc < 3 || strcmp(argv[1], "--help") == 0)
	{
		fprintf(argc < 2 ? stderr : stdout, "smsr-fleet ctl WHERE COMMAND: ask a running fleet\n\n%s",
				CONTROL_HELP);
		return argc < 2 ? 2 : 0;
	}
	for (int i = 2; i < argc; i++)
		text_printf(&command, "%s%s", i > 2 ? " " : "", argv[i]);
	result = control_ask(argv[1], command.data);
	text_free(&command);
	return result;
}

static void
usage(void)
{
	fputs("smsr-fleet: an SMSC (SMPP 3.4) with simulated eUICCs behind it\n\n"
		  "  smsr-fleet [run] [OPTION ...]    simulate until SIGTERM or \"quit\"\n"
		  "  smsr-fleet eis [OPTION ...]      write the cards' EIS documents\n"
		  "  smsr-fleet ci [OPTION ...]       print the certificate that their signatures lead to\n"
		  "  smsr-fleet sm-sr NAME FILE FILE  write the certificate of an SM-SR, and its key\n"
		  "  smsr-fleet msisdn [OPTION ...]   print the numbers of profiles\n"
		  "  smsr-fleet ctl WHERE COMMAND     ask or tell a running fleet\n\n"
		  "Each of them explains itself with --help.\n", stdout);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "run") == 0)
		return run(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "eis") == 0)
		return eis(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "ci") == 0)
		return ci(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "sm-sr") == 0)
		return sm_sr(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "msisdn") == 0)
		return msisdn(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "ctl") == 0)
		return ctl(argc - 1, argv + 1);
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
	{
		usage();
		printf("\n");
		printf("Options of run:\n\n");
		options_help(FOR_RUN);
		return 0;
	}
	return run(argc, argv);
}
