/*
 * subject.c
 *		A card under test, the clock, and the SM-SR's hand.
 */
#include "subject.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/script.h"

static int	tests,
			failures;

void
ok(bool condition, const char *format,...)
{
	va_list		args;

	printf("%sok %d - ", condition ? "" : "not ", ++tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	failures += !condition;
}

void
is(uint64_t got, uint64_t expected, const char *what)
{
	ok(got == expected, "%s", what);
	if (got != expected)
		printf("# got %" PRIu64 " (%" PRIX64 "), expected %" PRIu64 " (%" PRIX64 ")\n",
			   got, got, expected, expected);
}

/* ----------------------------------------------------------- what cards send */

Sent		sent[SENT];
int			sent_count;
Fleet		fleet;
Card	   *card;
uint64_t	cntr;
const Address smsr = {1, 1, "491700000000"};

/* Of the last answer. */
Scp80Response por;
static uint8_t por_data[8192];
SmsrBytes	answer;			/* data of the last R-APDU */
int			answer_segments;

static void
catch_mo(void *carrier, Card *from, const Profile *profile, const Address *to,
		 const uint8_t *ud, size_t len)
{
	Sent	   *s = &sent[sent_count++ % SENT];

	(void) carrier;
	(void) from;
	s->at = fleet.now;
	s->msisdn = profile->msisdn;
	s->owner = profile->owner;
	s->to = *to;
	s->len = (uint8_t) len;
	memcpy(s->ud, ud, len);
}

static void
back(void *carrier, Card *who)
{
	(void) carrier;
	(void) who;
}

void
begin_with(FleetConfig config)
{
	if (fleet.cards != NULL)
		fleet_free(&fleet);
	fleet = (Fleet) {.now = SECOND, .send_mo = catch_mo, .is_back = back, .faults = FAULTS_NONE};
	fleet_init(&fleet, &config);
	card = fleet_card(&fleet, config.first);
	cntr = config.cntr;
	sent_count = 0;
}

void
begin(void)
{
	begin_with(FLEET_DEFAULTS);
}

void
later(double seconds)
{
	fleet_run(&fleet, fleet.now + (uint64_t) (seconds * 1e6));
}

/* -------------------------------------------------------- what the SM-SR sends */

Scp80Keys
keys_of(const Card *c)
{
	return (Scp80Keys) {smsr_bytes(c->sets[0].keys[0], KEY_LEN), smsr_bytes(c->sets[0].keys[1], KEY_LEN)};
}

void
send_packet(const Scp80Header *header, SmsrBytes data, int flip)
{
	static uint8_t packet[8192];
	SmsrWriter	p = smsr_writer(packet, sizeof packet);
	Scp80Keys	keys = keys_of(card);
	SmsrError	error;

	if (!scp80_seal_command(fleet.scp80, SCP80_SMS, header, &keys, data, &p, &error))
	{
		printf("Bail out! seal: %s\n", error.field);
		return;
	}
	if (flip >= 0)
		packet[flip] ^= 1;
	/* Backwards, the last twice: a card takes segments as they come. */
	for (size_t n = sms_segment_count(p.len, 8), i = n + (n > 1); i-- > 0;)
	{
		uint8_t		ud[SMS_MAX_UD];
		SmsrWriter	u = smsr_writer(ud, sizeof ud);

		if (sms_segment(smsr_written(&p), SMS_IEI_COMMAND, 7, 8, i < n ? i : n - 1, &u, &error))
			card_receive(&fleet, card, &smsr, smsr_written(&u));
	}
}

Scp80Header
header_of(uint8_t spi1, uint8_t spi2)
{
	return (Scp80Header) {.spi1 = spi1, .spi2 = spi2, .kic = 0x22, .kid = 0x22,
		.tar = {0, 0, 1}, .cntr = cntr};
}

/* Put together and open what was sent since "from"; false if that is no PoR. */
bool
open_por(int from, uint8_t spi2)
{
	static uint8_t packet[8192];
	SmsrBytes	segments[64];
	SmsrWriter	p = smsr_writer(packet, sizeof packet);
	SmsrWriter	d = smsr_writer(por_data, sizeof por_data);
	Scp80Keys	keys = keys_of(card);
	SmsrError	error;
	uint8_t		cpi;

	answer_segments = sent_count - from;
	if (answer_segments < 1 || answer_segments > 64)
		return false;
	for (int i = 0; i < answer_segments; i++)
		segments[i] = smsr_bytes(sent[from + i].ud, sent[from + i].len);
	return sms_reassemble(segments, (size_t) answer_segments, &cpi, &p, &error) &&
		cpi == SMS_IEI_RESPONSE &&
		scp80_open_response(fleet.scp80, SCP80_SMS, spi2, 0x22, 0x22, &keys, smsr_written(&p),
							&d, &por, &error);
}

/* One command in a script; its SW, or the PoR's status if that is not 00, or -1. */
int
run(const SmsrWriter *apdu)
{
	uint8_t		script[8192];
	SmsrWriter	c = smsr_writer(script, sizeof script);
	SmsrBytes	one = smsr_written(apdu);
	Scp80Header header;
	ScriptResponse response;
	SmsrError	error;
	int			from = sent_count;

	cntr++;
	header = header_of(0x16, 0x39);
	script_write(&one, 1, false, &c, &error);
	send_packet(&header, smsr_written(&c), -1);
	if (!open_por(from, 0x39) || !por.authentic || por.cntr != cntr)
		return -1;
	if (por.status != 0)
		return por.status;
	if (!script_read_response(por.data, &response, &error))
		return -1;
	answer = response.last;
	return response.sw;
}

uint8_t		apdu_room[512];

SmsrWriter
apdu(void)
{
	return smsr_writer(apdu_room, sizeof apdu_room);
}

SmsrAid
isdp(uint32_t tar)
{
	SmsrAid		aid;
	SmsrError	error;

	aid_isdp(tar, &aid, &error);
	return aid;
}

int
do_enable(uint32_t tar)
{
	SmsrWriter	w = apdu();
	SmsrAid		aid = isdp(tar);

	es5_write_enable(&w, &aid);
	return run(&w);
}

int
do_disable(uint32_t tar)
{
	SmsrWriter	w = apdu();
	SmsrAid		aid = isdp(tar);

	es5_write_disable(&w, &aid);
	return run(&w);
}

int
do_delete(uint32_t tar)
{
	SmsrWriter	w = apdu();
	SmsrAid		aid = isdp(tar);

	es5_write_delete(&w, &aid);
	return run(&w);
}

int
do_fallback(uint32_t tar)
{
	SmsrWriter	w = apdu();
	SmsrAid		aid = isdp(tar);

	es5_write_set_fallback(&w, &aid);
	return run(&w);
}

int
do_emergency(uint32_t tar)
{
	SmsrWriter	w = apdu();
	SmsrAid		aid = isdp(tar);

	es5_write_set_emergency(&w, &aid);
	return run(&w);
}

int
do_no_emergency(uint32_t tar)
{
	SmsrWriter	w = apdu();
	SmsrAid		aid = isdp(tar);

	es5_write_unset_emergency(&w, &aid);
	return run(&w);
}

int
do_create(uint32_t tar, uint32_t memory)
{
	SmsrWriter	w = apdu();
	SmsrAid		aid = isdp(tar);

	es5_write_create_isdp(&w, &AID_ISD_P_LOADFILE, &AID_ISD_P_MODULE, &aid, memory);
	return run(&w);
}

int
do_confirm(uint16_t sequence)
{
	SmsrWriter	w = apdu();

	es5_write_confirm(&w, sequence);
	return run(&w);
}

int
do_octets(const void *octets, size_t len)
{
	SmsrWriter	w = apdu();

	put_bytes(&w, octets, len);
	return run(&w);
}

/* The message number i is a notification: open it. */
bool
notification(int i, Notification *n, Scp80Command *command)
{
	static uint8_t scratch[256];
	SmsrWriter	w = smsr_writer(scratch, sizeof scratch);
	Scp80Keys	keys = keys_of(card);
	SmsHeader	header;
	SmsrError	error;

	return i >= 0 && i < sent_count && sent[i].len > 3 &&
		sms_read(smsr_bytes(sent[i].ud, sent[i].len), &header, &error) &&
		header.cpi == SMS_IEI_COMMAND &&
		scp80_open_command(fleet.scp80, SCP80_SMS, &keys, header.payload, &w, command, &error) &&
		command->authentic && notification_read(command->data, n, &error);
}

void
is_notification(int i, uint8_t type, uint16_t sequence, uint32_t tar, const char *what)
{
	Notification n = {0};
	Scp80Command command;
	SmsrAid		aid = isdp(tar);
	bool		opened = notification(i, &n, &command);

	ok(opened && n.type == type && n.sequence == sequence && aid_compare(&n.enabled, &aid) == 0 &&
	   memcmp(n.eid, card->eid, EID_LEN) == 0, "%s", what);
	if (!opened)
		printf("# message %d of %d is no notification\n", i, sent_count);
	else
		printf("# type %02X sequence %u\n", n.type, n.sequence);
}

uint16_t
enabled_tar(void)
{
	Profile    *p = card_enabled(card);

	return p != NULL ? p->tar : 0;
}

/* The end of a program: the plan. */
int
finish(void)
{
	fleet_free(&fleet);
	printf("1..%d\n", tests);
	return failures != 0;
}
