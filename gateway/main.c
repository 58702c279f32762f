/*
 * main.c
 *	  Options, signals, the event loop, and an orderly end.
 */
#include "bind.h"
#include "clock.h"
#include "config.h"
#include "database.h"
#include "https.h"
#include "incoming.h"
#include "log.h"
#include "memory.h"
#include "outgoing.h"
#include "statistics.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERSION "0.1.0"
#define DEFAULT_CONFIG "/etc/smsr/gateway.conf"

/* exit codes */
#define EXIT_START 1
#define EXIT_USAGE 2

Statistics statistics;

static volatile sig_atomic_t stop_signals;
static volatile sig_atomic_t reload_signal;

/* an orderly end, step by step */
typedef enum Phase
{
	PHASE_RUNNING,
	PHASE_DRAINING,				/* waiting for answers to what was submitted and received */
	PHASE_UNBINDING,
	PHASE_TELLING				/* the database is told the rest */
} Phase;

static struct
{
	Config	   *config;
	Bind	   *binds[CONFIG_BINDS];
	int			bind_count;
	Database   *outgoing;
	Database   *incoming;
	Phase		phase;
	int64_t		phase_ends;
	int64_t		statistics_at;
	int64_t		statistics_from;
} gateway;

static void
on_signal(int number)
{
	if (number == SIGHUP)
		reload_signal = 1;
	else
		stop_signals++;
}

static void
usage(FILE *to)
{
	fprintf(to,
			"smsr-gateway carries short messages between an smsr database and SMSCs (SMPP 3.4),\n"
			"and requests of cards over PSK-TLS to the database.\n"
			"\n"
			"Usage:\n"
			"  smsr-gateway [OPTION]...\n"
			"\n"
			"Options:\n"
			"  -c, --config=FILE  configuration file (default: $SMSR_GATEWAY_CONFIG,\n"
			"                     else " DEFAULT_CONFIG ")\n"
			"      --check        read the configuration, say what is wrong with it, and exit\n"
			"  -h, --help         show this help, then exit\n"
			"  -V, --version      show the version, then exit\n"
			"\n"
			"What \"database\" in the configuration does not say, libpq takes from PGHOST,\n"
			"PGPORT, PGDATABASE, PGUSER, PGPASSFILE and so on.\n"
			"\n"
			"Signals: TERM and INT end the gateway in good order, HUP reads the configuration\n"
			"again.\n");
}

/*
 * statistics
 */

static void
log_statistics(int64_t now)
{
	const Statistics *s = &statistics;
	int			outstanding = 0;
	int			bound = 0;

	for (int i = 0; i < gateway.bind_count; i++)
	{
		outstanding += bind_outstanding(gateway.binds[i]);
		bound += bind_bound(gateway.binds[i]);
	}
	log_info("statistics over %.0f s: out: claimed %llu, submitted %llu, accepted %llu, refused %llu, throttled %llu, "
			 "unanswered %llu, handed back %llu; in: delivered %llu, stored %llu, receipts %llu, turned away %llu, "
			 "malformed %llu; database: statements %llu, failed %llu; now: bound %d of %d, outstanding %d, to store %zu, to tell %zu",
			 (double) (now - gateway.statistics_from) / 1000,
			 (unsigned long long) s->claimed, (unsigned long long) s->submitted, (unsigned long long) s->accepted,
			 (unsigned long long) s->refused, (unsigned long long) s->throttled, (unsigned long long) s->unanswered,
			 (unsigned long long) s->released, (unsigned long long) s->delivered, (unsigned long long) s->stored,
			 (unsigned long long) s->receipts, (unsigned long long) s->turned_away, (unsigned long long) s->bad_pdus,
			 (unsigned long long) s->statements, (unsigned long long) s->failures,
			 bound, gateway.bind_count, outstanding, incoming_waiting(), outgoing_untold());
	https_log_statistics((double) (now - gateway.statistics_from) / 1000);
	memset(&statistics, 0, sizeof(statistics));
	gateway.statistics_from = now;
}

static void
step_statistics(int64_t now)
{
	if (gateway.config->statistics_interval == 0)
		gateway.statistics_at = CLOCK_NEVER;
	else if (now >= gateway.statistics_at)
	{
		log_statistics(now);
		gateway.statistics_at = now + gateway.config->statistics_interval;
	}
}

/*
 * HUP
 */

static void
apply_log_settings(const Config *config)
{
	log_set_level(config->log_level);
	log_set_timestamps(config->log_timestamps);
}

static bool
same_binds(const Config *config)
{
	if (config->bind_count != gateway.bind_count)
		return false;
	for (int i = 0; i < config->bind_count; i++)
	{
		const BindConfig *old = &gateway.config->binds[i];
		const BindConfig *new = &config->binds[i];

		if (strcmp(old->name, new->name) != 0 || old->window != new->window)
			return false;
	}
	return true;
}

/*
 * Binds keep their sessions: a new host, system id or password is for the next
 * one.  The set of binds, their order and windows are fixed for the process.
 */
static void
reload(void)
{
	Config	   *config = config_read(gateway.config->path);
	Config	   *old = gateway.config;

	if (config == NULL)
	{
		log_error("the configuration is left as it was");
		return;
	}
	apply_log_settings(config);
	if (!same_binds(config) || !https_same(config))
	{
		log_warning("only the log settings are taken over: other binds, windows or addresses need a restart");
		config_free(config);
		return;
	}
	gateway.config = config;
	gateway.statistics_at = clock_now() + config->statistics_interval;
	outgoing_reconfigure(config);
	incoming_reconfigure(config);
	https_reconfigure(config);
	database_reconfigure(gateway.outgoing, config);
	database_reconfigure(gateway.incoming, config);
	for (int i = 0; i < gateway.bind_count; i++)
		bind_reconfigure(gateway.binds[i], config, &config->binds[i]);
	config_free(old);
	log_info("configuration read again from %s", config->path);
}

/*
 * TERM, INT
 */

static bool
binds_all(bool (*closed) (const Bind *bind))
{
	for (int i = 0; i < gateway.bind_count; i++)
	{
		if (!closed(gateway.binds[i]))
			return false;
	}
	return true;
}

static bool
nothing_outstanding(const Bind *bind)
{
	return bind_outstanding(bind) == 0;
}

static void
enter(Phase phase, int64_t ends)
{
	gateway.phase = phase;
	gateway.phase_ends = ends;
}

/* true: the end has come */
static bool
step_shutdown(int64_t now)
{
	int64_t		timeout = gateway.config->shutdown_timeout;

	if (stop_signals > 1)
	{
		log_warning("second signal: leaving at once");
		return true;
	}
	switch (gateway.phase)
	{
		case PHASE_RUNNING:
			if (stop_signals == 0)
				break;
			log_info("stopping: no more claims; waiting up to %lld ms for answers", (long long) timeout);
			outgoing_drain();
			https_drain();
			for (int i = 0; i < gateway.bind_count; i++)
				bind_drain(gateway.binds[i]);
			enter(PHASE_DRAINING, now + timeout);
			break;
		case PHASE_DRAINING:
			if (now < gateway.phase_ends &&
				!(binds_all(nothing_outstanding) && incoming_waiting() == 0 && outgoing_receipts_waiting() == 0 &&
				  https_drained()))
				break;
			https_abandon();
			for (int i = 0; i < gateway.bind_count; i++)
				bind_unbind(gateway.binds[i]);
			/* an unbind takes a second at most */
			enter(PHASE_UNBINDING, CLOCK_NEVER);
			break;
		case PHASE_UNBINDING:
			if (binds_all(bind_closed))
				enter(PHASE_TELLING, now + (timeout > 1000 ? timeout : 1000));
			break;
		case PHASE_TELLING:
			if (outgoing_empty() && https_untold() == 0)
				return true;
			if (now < gateway.phase_ends)
				break;
			log_warning("%zu results could not be told to the database; their leases will run out",
						outgoing_untold() + https_untold());
			return true;
	}
	return false;
}

/*
 * the event loop
 */

static int64_t
next_deadline(void)
{
	int64_t		next = clock_earlier(outgoing_deadline(), incoming_deadline());

	next = clock_earlier(next, https_deadline());
	for (int i = 0; i < gateway.bind_count; i++)
		next = clock_earlier(next, bind_deadline(gateway.binds[i]));
	next = clock_earlier(next, gateway.statistics_at);
	if (gateway.phase != PHASE_RUNNING)
		next = clock_earlier(next, clock_now() + 20);
	return next;
}

static void
wait_for_events(const sigset_t *unblocked)
{
	struct pollfd fds[CONFIG_BINDS + 2 + HTTPS_SOCKETS];
	struct pollfd *https_fds = fds + gateway.bind_count + 2;
	int			count = gateway.bind_count + 2;
	int64_t		wait;
	struct timespec timeout;

	fds[0] = (struct pollfd) {database_socket(gateway.outgoing), database_events(gateway.outgoing), 0};
	fds[1] = (struct pollfd) {database_socket(gateway.incoming), database_events(gateway.incoming), 0};
	for (int i = 0; i < gateway.bind_count; i++)
		fds[i + 2] = (struct pollfd) {bind_socket(gateway.binds[i]), bind_events(gateway.binds[i]), 0};
	count += https_sockets(https_fds);

	wait = next_deadline() - clock_now();
	if (wait < 0)
		wait = 0;
	if (wait > 60000)
		wait = 60000;
	timeout.tv_sec = wait / 1000;
	timeout.tv_nsec = wait % 1000 * 1000000;

	/* signals get through here only, so none slips between a test and the wait */
	if (ppoll(fds, (nfds_t) count, &timeout, unblocked) <= 0)
		return;
	if (fds[0].revents)
		database_ready(gateway.outgoing);
	if (fds[1].revents)
		database_ready(gateway.incoming);
	for (int i = 0; i < gateway.bind_count; i++)
	{
		if (fds[i + 2].revents)
			bind_ready(gateway.binds[i]);
	}
	https_ready(https_fds);
}

static void
run(const sigset_t *unblocked)
{
	for (;;)
	{
		int64_t		now = clock_now();

		if (reload_signal)
		{
			reload_signal = 0;
			reload();
		}
		if (step_shutdown(now))
			return;
		incoming_step(now);
		for (int i = 0; i < gateway.bind_count; i++)
			bind_step(gateway.binds[i], now);
		outgoing_step(now);
		https_step(now);
		step_statistics(now);
		wait_for_events(unblocked);
	}
}

static bool
start(Config *config)
{
	/* what another process may have comes first: there is nothing to take back yet */
	if (!https_start(config))
		return false;
	gateway.config = config;
	gateway.bind_count = config->bind_count;
	for (int i = 0; i < config->bind_count; i++)
		gateway.binds[i] = bind_new(config, &config->binds[i]);
	gateway.outgoing = outgoing_start(config, gateway.binds, gateway.bind_count);
	gateway.incoming = incoming_start(config);
	gateway.statistics_from = clock_now();
	gateway.statistics_at = gateway.statistics_from + config->statistics_interval;
	return true;
}

static void
stop(void)
{
	log_statistics(clock_now());
	for (int i = 0; i < gateway.bind_count; i++)
		bind_free(gateway.binds[i]);
	database_free(gateway.outgoing);
	database_free(gateway.incoming);
	https_stop();
	config_free(gateway.config);
	log_info("stopped");
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0}
	};
	const char *path = getenv("SMSR_GATEWAY_CONFIG");
	bool		check_only = false;
	Config	   *config;
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t	blocked;
	sigset_t	unblocked;
	int			option;

	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'c':
				path = optarg;
				break;
			case 'k':
				check_only = true;
				break;
			case 'h':
				usage(stdout);
				return 0;
			case 'V':
				printf("smsr-gateway " VERSION "\n");
				return 0;
			default:
				fprintf(stderr, "Try \"smsr-gateway --help\".\n");
				return EXIT_USAGE;
		}
	}
	if (optind < argc)
	{
		fprintf(stderr, "smsr-gateway takes no arguments; try \"smsr-gateway --help\".\n");
		return EXIT_USAGE;
	}

	config = config_read(path && *path ? path : DEFAULT_CONFIG);
	if (config == NULL)
		return EXIT_USAGE;
	if (check_only)
	{
		printf("%s: %d bind%s, ", config->path, config->bind_count, config->bind_count == 1 ? "" : "s");
		if (config->https_count > 0)
			printf("%d https address%s, ", config->https_count, config->https_count == 1 ? "" : "es");
		printf("no errors\n");
		config_free(config);
		return 0;
	}

	apply_log_settings(config);
	srandom((unsigned) (clock_now() ^ getpid()));
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGHUP);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	sigdelset(&unblocked, SIGTERM);
	sigdelset(&unblocked, SIGINT);
	sigdelset(&unblocked, SIGHUP);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);

	log_info("smsr-gateway " VERSION " starts with %s, %d binds", config->path, config->bind_count);
	if (!start(config))
		return EXIT_START;
	run(&unblocked);
	stop();
	return 0;
}
