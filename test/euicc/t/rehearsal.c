/*
 * rehearsal.c
 *		A very small SM-SR, to measure and to try the fleet with: enables the
 *		other profile of every card, confirms the notification, counts.
 *
 * It keeps a number of cards in work at once, knows nothing of faults and
 * repeats nothing.  The last line is what it measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../identity.h"
#include "../smpp_pdu.h"
#include "core/script.h"

#define GIVE_UP_S	20

typedef enum Stage
{
	STAGE_REST,
	STAGE_ENABLE,				/* sent; waits for the PoR and the notification */
	STAGE_CONFIRM				/* confirmation sent */
} Stage;

typedef struct Subject
{
	uint8_t		keys[KEYS][KEY_LEN];
	uint64_t	cntr;
	uint16_t	enabled;
	uint8_t		stage;
	bool		answered;
	unsigned	rounds;
} Subject;

typedef struct Link
{
	int			fd;
	Text		in;
	Text		out;
	bool		bound;
} Link;

static Subject *subjects;
static uint64_t seed = 1;
static uint64_t first = 1;
static uint64_t cards = 1000;
static unsigned rounds = 1;
static unsigned window = 200;
static unsigned operators = 2;
static Link links[16];
static unsigned link_count;
static Scp80 *scp80;
static uint32_t sequence;
static uint64_t done,
			failed,
			refused,
			in_work,
			next_card;

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
submit(uint64_t serial, Subject *s, const uint8_t *apdu, size_t apdu_len)
{
	uint8_t		script[128];
	uint8_t		packet[256];
	uint8_t		ud[SMS_MAX_UD];
	SmsrWriter	c = smsr_writer(script, sizeof script);
	SmsrWriter	p = smsr_writer(packet, sizeof packet);
	SmsrWriter	u = smsr_writer(ud, sizeof ud);
	SmsrBytes	apdus = smsr_bytes(apdu, apdu_len);
	Scp80Header header = {.spi1 = 0x16, .spi2 = 0x39, .kic = 0x22, .kid = 0x22,
	.tar = {0, 0, 1}, .cntr = ++s->cntr};
	Scp80Keys	keys = {smsr_bytes(s->keys[0], KEY_LEN), smsr_bytes(s->keys[1], KEY_LEN)};
	SmppMessage m = {.source = {1, 1, "491700000000"}, .destination = {1, 1, ""},
		.esm_class = ESM_UDHI, .protocol_id = SMS_PID_DATA_DOWNLOAD,
	.data_coding = SMS_DCS_CLASS_2};
	unsigned	owner = identity_operator(s->enabled, operators);
	SmsrError	error;

	if (!script_write(&apdus, 1, false, &c, &error) ||
		!scp80_seal_command(scp80, SCP80_SMS, &header, &keys, smsr_written(&c), &p, &error) ||
		!sms_segment(smsr_written(&p), SMS_IEI_COMMAND, 0, 8, 0, &u, &error))
	{
		fprintf(stderr, "rehearsal: %s: %s\n", error.field, smsr_error_name(error.code));
		exit(1);
	}
	snprintf(m.destination.digits, sizeof m.destination.digits, "%" PRIu64,
			 identity_msisdn(serial, s->enabled));
	m.ud = smsr_written(&u);
	smpp_write_message(&links[link_count == 1 ? 0 : owner].out, SMPP_SUBMIT_SM, ++sequence, &m);
}

static void
begin_enable(uint64_t serial, Subject *s)
{
	uint8_t		apdu[64];
	SmsrWriter	w = smsr_writer(apdu, sizeof apdu);
	SmsrAid		aid;
	SmsrError	error;

	aid_isdp(s->enabled == FIRST_TAR ? FIRST_TAR + 1 : FIRST_TAR, &aid, &error);
	es5_write_enable(&w, &aid);
	s->stage = STAGE_ENABLE;
	s->answered = false;
	submit(serial, s, apdu, w.len);
}

static void
fill_window(void)
{
	while (in_work < window && next_card < cards)
	{
		in_work++;
		begin_enable(first + next_card, &subjects[next_card]);
		next_card++;
	}
}

static void
finish(uint64_t serial, Subject *s, bool ok)
{
	s->stage = STAGE_REST;
	if (ok)
		done++;
	else
		failed++;
	if (ok && ++s->rounds < rounds)
		begin_enable(serial, s);
	else
		in_work--;
	fill_window();
}

static void
notified(uint64_t serial, Subject *s, SmsrBytes packet)
{
	Scp80Keys	keys = {smsr_bytes(s->keys[0], KEY_LEN), smsr_bytes(s->keys[1], KEY_LEN)};
	uint8_t		scratch[256];
	uint8_t		apdu[64];
	uint8_t		tar[3];
	SmsrWriter	w = smsr_writer(scratch, sizeof scratch);
	SmsrWriter	a = smsr_writer(apdu, sizeof apdu);
	Scp80Command command;
	Notification n;
	SmsrError	error;

	if (s->stage != STAGE_ENABLE ||
		!scp80_open_command(scp80, SCP80_SMS, &keys, packet, &w, &command, &error) ||
		!command.authentic || !notification_read(command.data, &n, &error) ||
		n.type != NOTIFICATION_CHANGE_SUCCEEDED || !aid_tar(&n.enabled, tar))
	{
		failed++;
		return;
	}
	s->enabled = (uint16_t) (tar[1] << 8 | tar[2]);
	s->stage = STAGE_CONFIRM;
	es5_write_confirm(&a, n.sequence);
	submit(serial, s, apdu, a.len);
}

static void
answered(uint64_t serial, Subject *s, SmsrBytes packet)
{
	Scp80Keys	keys = {smsr_bytes(s->keys[0], KEY_LEN), smsr_bytes(s->keys[1], KEY_LEN)};
	uint8_t		scratch[256];
	SmsrWriter	w = smsr_writer(scratch, sizeof scratch);
	Scp80Response response;
	ScriptResponse script = {0};
	SmsrError	error;
	bool		ok = scp80_open_response(scp80, SCP80_SMS, 0x39, 0x22, 0x22, &keys, packet, &w,
										 &response, &error) &&
		response.authentic && response.status == SCP80_POR_OK &&
		script_read_response(response.data, &script, &error) && script.sw == SW_OK;

	if (!ok)
		finish(serial, s, false);
	else if (s->stage == STAGE_ENABLE && !s->answered)
		s->answered = true;
	else if (s->stage == STAGE_CONFIRM && response.cntr == s->cntr)
		finish(serial, s, true);
}

static void
delivered(Link *link, const SmppPdu *pdu)
{
	SmppMessage m;
	SmsHeader	header;
	SmsrError	error;
	uint64_t	serial;
	Subject    *s;

	smpp_write(&link->out, SMPP_DELIVER_SM | SMPP_RESPONSE, 0, pdu->sequence, "", 1);
	if (!smpp_read_message(pdu, &m) || (m.esm_class & ESM_RECEIPT) ||
		!sms_read(m.ud, &header, &error))
		return;
	serial = (strtoull(m.source.digits, NULL, 10) - UINT64_C(490000000000000)) / 100000;
	if (serial - first >= cards)
		return;
	s = &subjects[serial - first];
	if (header.cpi == SMS_IEI_COMMAND)
		notified(serial, s, header.payload);
	else if (header.cpi == SMS_IEI_RESPONSE)
		answered(serial, s, header.payload);
}

static void
handle(Link *link, const SmppPdu *pdu)
{
	switch (pdu->command)
	{
		case SMPP_BIND_TRANSCEIVER | SMPP_RESPONSE:
			if (pdu->status != 0)
			{
				fprintf(stderr, "rehearsal: bind refused: %08X\n", pdu->status);
				exit(1);
			}
			link->bound = true;
			break;
		case SMPP_SUBMIT_SM | SMPP_RESPONSE:
			refused += pdu->status != 0;
			break;
		case SMPP_DELIVER_SM:
			delivered(link, pdu);
			break;
		case SMPP_UNBIND | SMPP_RESPONSE:
			link->bound = false;
			break;
		case SMPP_ENQUIRE_LINK:
			smpp_write(&link->out, SMPP_ENQUIRE_LINK | SMPP_RESPONSE, 0, pdu->sequence, NULL, 0);
			break;
		default:
			break;
	}
}

static void
serve(Link *link, short events)
{
	char		buffer[65536];
	size_t		at = 0;
	SmppPdu		pdu;

	if (events & (POLLIN | POLLHUP))
	{
		ssize_t		n = recv(link->fd, buffer, sizeof buffer, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
		{
			fputs("rehearsal: the SMSC closed\n", stderr);
			exit(1);
		}
		if (n > 0)
			text_add(&link->in, buffer, (size_t) n);
		while (smpp_frame(link->in.data + at, link->in.len - at, &pdu) > 0)
		{
			handle(link, &pdu);
			at += pdu.length;
		}
		text_drop(&link->in, at);
	}
}

static void
flush(Link *link)
{
	ssize_t		n;

	if (link->out.len == 0)
		return;
	n = send(link->fd, link->out.data, link->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		text_drop(&link->out, (size_t) n);
}

static void
open_link(Link *link, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port),
	.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SmppBind	bind = {"smsr", "secret"};

	link->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (link->fd < 0 || connect(link->fd, (struct sockaddr *) &address, sizeof address) != 0)
	{
		perror("rehearsal: connect");
		exit(1);
	}
	smpp_write_bind(&link->out, SMPP_BIND_TRANSCEIVER, ++sequence, &bind);
}

static void
read_arguments(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2)
	{
		uint64_t	value = strtoull(argv[i + 1], NULL, 10);

		if (strcmp(argv[i], "--port") == 0 && link_count < 16)
			open_link(&links[link_count++], (uint16_t) value);
		else if (strcmp(argv[i], "--cards") == 0)
			cards = value;
		else if (strcmp(argv[i], "--seed") == 0)
			seed = value;
		else if (strcmp(argv[i], "--first") == 0)
			first = value;
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = (unsigned) value;
		else if (strcmp(argv[i], "--window") == 0)
			window = (unsigned) value;
		else if (strcmp(argv[i], "--operators") == 0)
			operators = (unsigned) value;
		else
			argc = 0;
	}
	if (argc < 3 || link_count == 0)
	{
		fputs("smsr-rehearsal --port N [--port N] [--cards N] [--seed N] [--first N]"
			  " [--rounds N] [--window N] [--operators N]\n", stderr);
		exit(2);
	}
}

/* Part properly, so that the SMSC has every acknowledgement. */
static void
unbind(Link *link)
{
	struct pollfd fd = {link->fd, POLLIN, 0};

	smpp_write(&link->out, SMPP_UNBIND, 0, ++sequence, NULL, 0);
	flush(link);
	while (link->bound && poll(&fd, 1, 3000) > 0)
	{
		serve(link, fd.revents);
		flush(link);
	}
}

int
main(int argc, char **argv)
{
	double		start,
				heard;
	uint64_t	before = 0;
	bool		begun = false;

	read_arguments(argc, argv);
	scp80 = scp80_new();
	subjects = make(cards * sizeof *subjects);
	for (uint64_t i = 0; i < cards; i++)
	{
		identity_keys(seed, first + i, subjects[i].keys);
		subjects[i].enabled = FIRST_TAR;
	}
	start = heard = seconds();
	while (!begun || in_work > 0)
	{
		struct pollfd fds[16];
		bool		bound = true;

		for (unsigned i = 0; i < link_count; i++)
		{
			flush(&links[i]);
			fds[i] = (struct pollfd) {links[i].fd,
				(short) (POLLIN | (links[i].out.len > 0 ? POLLOUT : 0)), 0
			};
		}
		poll(fds, link_count, 1000);
		for (unsigned i = 0; i < link_count; i++)
		{
			serve(&links[i], fds[i].revents);
			bound = bound && links[i].bound;
		}
		if (bound && !begun)
		{
			begun = true;
			start = heard = seconds();
			fill_window();
		}
		if (done + failed != before)
		{
			before = done + failed;
			heard = seconds();
		}
		if (seconds() - heard > GIVE_UP_S)
			break;
	}
	printf("enabled=%" PRIu64 " failed=%" PRIu64 " refused=%" PRIu64 " unfinished=%" PRIu64
		   " seconds=%.3f per_second=%.0f\n", done, failed, refused, in_work,
		   seconds() - start, (double) done / (seconds() - start));
	for (unsigned i = 0; i < link_count; i++)
		unbind(&links[i]);
	return done == cards * rounds ? 0 : 1;
}
