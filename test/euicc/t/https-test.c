/*
 * https-test.c
 *		Sessions of cards with an administration server that keeps the rules: what
 *		was delivered and not answered is delivered again only if the card shows that
 *		it never came.  Prints TAP.
 */
#include "subject.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/admin_http.h"
#include "core/psk_identity.h"
#include "core/script.h"
#include "core/session_trigger.h"
#include "admin_server.h"
#include "../download.h"
#include "../establish.h"
#include "../https_agent.h"
#include "../store.h"

#define URI			"/gsma/adminagent"
#define SCRIPTS		64
#define SEGMENT		300

static uint16_t port;

/* ---- the server's book ---- */

static SmsrBytes scripts[SCRIPTS];
static const char *targets[SCRIPTS];
static char octets[SCRIPTS][512];
static int	script_count;
static int	next_script;		/* the one that is outstanding, or to be delivered */
static bool delivered;			/* and has left */
static int	answered[SCRIPTS];	/* how often */
static char answers[SCRIPTS][2048];
static size_t answer_len[SCRIPTS];
static int	requests;
static int	resumes;
static int	lost_scripts;		/* a POST without Resume while one was outstanding */
static int	polls;				/* answers "poll again" before the first script */
static bool hold;				/* say nothing at all */
static const char *next_uri;	/* instead of our own; "": none */
static char first_line[512];
static char last_uri[512];
static char last_head[2048];
static char last_suite[64];
static char identity_seen[256];
static bool chunked;
static int	instead;			/* another status, always */
static bool closes;				/* every answer is the last of its connection */

static bool
key_of(const char *identity, unsigned char key[16])
{
	PskIdentity who;
	SmsrError	error;
	uint64_t	serial;

	snprintf(identity_seen, sizeof identity_seen, "%s", identity);
	if (!psk_identity_read(smsr_bytes(identity, strlen(identity)), &who, &error) ||
		!identity_serial(fleet.config.seed, who.eid, &serial))
		return false;
	identity_psk(fleet.config.seed, serial, key);
	return true;
}

static void
deliver(Text *out)
{
	char		next[64];

	if (next_script == script_count)
	{
		delivered = false;
		admin_no_content(out, NULL);
		return;
	}
	delivered = true;
	snprintf(next, sizeof next, URI "?script=%d", next_script);
	admin_script(out, scripts[next_script].data, scripts[next_script].len,
				 next_uri == NULL ? next : next_uri[0] != '\0' ? next_uri : NULL, targets[next_script], chunked);
}

static void
add_header(Text *whole, const char *line)
{
	const size_t status = strcspn(whole->data, "\n") + 1;
	Text		out = {0};

	text_add(&out, whole->data, status);
	text_put(&out, line);
	text_add(&out, whole->data + status, whole->len - status);
	text_free(whole);
	*whole = out;
}

static bool
respond(const AdminRequest *request, Text *out)
{
	int			script = -1;

	if (hold)
		return false;
	if (requests++ == 0)
		snprintf(first_line, sizeof first_line, "%s", request->line);
	snprintf(last_uri, sizeof last_uri, "%s", request->uri);
	snprintf(last_head, sizeof last_head, "%s", request->head.data);
	snprintf(last_suite, sizeof last_suite, "%s", request->suite);
	resumes += request->resumes;
	if (instead != 0)
	{
		text_printf(out, "HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n", instead);
		return true;
	}
	if (polls > 0)
	{
		polls--;
		admin_no_content(out, URI "?poll");
		return true;
	}
	sscanf(request->uri, "%*[^?]?script=%d", &script);
	if (script == next_script && delivered)
	{
		answered[script]++;
		answer_len[script] = request->body.len < sizeof answers[script] ? request->body.len : sizeof answers[script];
		if (answer_len[script] > 0)
			memcpy(answers[script], request->body.data, answer_len[script]);
		next_script++;
		delivered = false;
	}
	else if (delivered && !request->resumes)
	{
		lost_scripts++;
		next_script++;
	}
	deliver(out);
	if (closes)
		add_header(out, "Connection: close\r\n");
	return true;
}

static void
add_script(const void *data, size_t len, const char *target)
{
	SmsrWriter	w = smsr_writer(octets[script_count], sizeof octets[script_count]);

	put_u8(&w, SCRIPT_COMMAND_INDEFINITE);
	put_u8(&w, 0x80);
	put_bytes(&w, data, len);
	put_u16(&w, 0);
	scripts[script_count] = smsr_written(&w);
	targets[script_count++] = target;
}

static void
add_command(const SmsrWriter *command, const char *target)
{
	uint8_t		room[600];
	SmsrWriter	w = smsr_writer(room, sizeof room);

	put_tlv(&w, SCRIPT_C_APDU, command->data, command->len);
	add_script(w.data, w.len, target);
}

static void
add_get_data(void)
{
	SmsrWriter	w = smsr_writer((uint8_t[5]) {0x80, 0xCA, 0xFF, 0x21, 0}, 5);

	w.len = 5;
	add_command(&w, NULL);
}

/* ---- the world ---- */

static void
begin_https(FleetConfig config)
{
	const uint8_t loopback[] = {127, 0, 0, 1};

	config.https = true;
	config.https_port = port;
	memcpy(config.https_address, loopback, 4);
	begin_with(config);
	https_begin(&fleet);
	script_count = next_script = requests = resumes = lost_scripts = polls = instead = 0;
	delivered = hold = chunked = closes = false;
	next_uri = NULL;
	memset(answered, 0, sizeof answered);
	memset(answer_len, 0, sizeof answer_len);
}

static FleetConfig
quick(uint64_t serial)
{
	FleetConfig config = FLEET_DEFAULTS;

	config.cards = 1;
	config.first = serial;
	config.https_retry_delay = 20000;
	config.https_timeout = 5 * SECOND;
	return config;
}

/* Both sides, and the clock, a millisecond at a time. */
static void
turn(void)
{
	https_serve(&fleet);
	admin_server_serve();
	https_serve(&fleet);
	fleet_run(&fleet, fleet.now + SECOND / 1000);
}

/* Until nobody is in a session. */
static bool
rest(int most)
{
	while (https_sessions(&fleet) > 0 && most-- > 0)
		turn();
	return https_sessions(&fleet) == 0;
}

static bool
call(void)
{
	return https_call(&fleet, card, smsr_bytes(NULL, 0));
}

static bool
send_trigger(const SessionTrigger *trigger)
{
	uint8_t		room[512];
	SmsrWriter	w = smsr_writer(room, sizeof room);
	Scp80Header header = header_of(0x16, 0x39);
	SmsrError	error;
	int			from = sent_count;

	cntr++;
	header.cntr = cntr;
	if (!session_trigger_write(trigger, &w, &error))
		return false;
	send_packet(&header, smsr_written(&w), -1);
	return open_por(from, 0x39) && por.authentic && por.status == 0 && por.data.len == 0;
}

/* ---- one session ---- */

static void
test_session(uint64_t serial, const char *suite)
{
	char		identity[PSK_IDENTITY_LEN + 1] = "";
	char		line[128];
	PskIdentity who = {.isdr = AID_ISD_R, .key_id = 1, .kvn = 64};
	SmsrWriter	w = smsr_writer(identity, PSK_IDENTITY_LEN);
	ScriptResponse response;
	SmsrError	error;
	SessionTrigger stored = {0};

	begin_https(quick(serial));
	chunked = serial % 2 == 0;
	add_get_data();
	add_get_data();
	ok(send_trigger(&stored), "card %u: a trigger that says nothing gets a PoR that says nothing", (unsigned) serial);
	is(https_sessions(&fleet), 1, "... and opens a session");
	ok(rest(1000), "... which ends");
	memcpy(who.eid, card->eid, EID_LEN);
	psk_identity_write(&who, &w);
	ok(strcmp(identity_seen, identity) == 0, "... under the card's identity");
	ok(strcmp(last_suite, suite) == 0, "... by %s", suite);
	ok(strcmp(first_line, "POST " URI " HTTP/1.1") == 0, "... the first POST goes to the URI that it has stored");
	is((uint64_t) requests, 3, "... three POSTs");
	is((uint64_t) resumes, 0, "... none resumes");
	ok(strcmp(last_uri, URI "?script=1") == 0, "... the last one is the answer to the second script");
	is((uint64_t) answered[0] + (uint64_t) answered[1], 2, "... both are answered");
	snprintf(line, sizeof line, "X-Admin-From: //se-id/eid/%.32s;//aa-id/aid/A000000559/1010FFFFFFFF8900000100\r\n", identity + 10);
	ok(strstr(last_head, line) != NULL, "... X-Admin-From");
	ok(strstr(last_head, "\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\n") != NULL &&
	   strstr(last_head, "\r\nX-Admin-Script-Status: ok\r\n") != NULL &&
	   strstr(last_head, "\r\nContent-Type: application/vnd.globalplatform.card-content-mgt-response;version=1.0\r\n") != NULL &&
	   strstr(last_head, "\r\nHost: localhost\r\n") != NULL, "... the other headers");
	ok(script_read_response(smsr_bytes(answers[0], answer_len[0]), &response, &error) && response.sw == SW_OK &&
	   response.executed == 1 && (uint8_t) answers[0][0] == 0xAF, "... an answer of indefinite length, 9000");
	is(fleet.stats.https_ended, 1, "... ended by 204");
	is(fleet.stats.triggers, 1, "... one trigger counted");
}

static void
test_trigger(void)
{
	SessionTrigger trigger = {.host = smsr_bytes("sm-sr.example", 13), .uri = smsr_bytes("/other", 6),
		.has_retry = true, .retries = 1, .retry_delay = 1,
		.connection = {.has_port = true, .protocol = TRANSPORT_TCP_CLIENT, .port = port, .address_len = 4,
	.address = {127, 0, 0, 1}}};
	FleetConfig config = quick(1);
	uint64_t	before;

	begin_https(config);
	fleet.config.https_port = 0;
	ok(!call(), "a card that knows no server does not call");
	ok(send_trigger(&trigger), "a trigger that says where");
	ok(rest(1000), "... a session");
	ok(strcmp(first_line, "POST /other HTTP/1.1") == 0, "... to its URI");
	ok(strstr(last_head, "\r\nHost: sm-sr.example\r\n") != NULL, "... and host");
	is((uint64_t) requests, 1, "... with nothing to do");
	trigger.connection.port = 1;
	before = fleet.now;
	ok(send_trigger(&trigger) && rest(10000), "nobody listens: the session ends");
	is(fleet.stats.https_given_up, 1, "... given up");
	is(fleet.stats.https_failed, 2, "... after the retry that the trigger grants");
	ok(fleet.now - before > SECOND && fleet.now - before < 2 * SECOND, "... after its delay");
	trigger.connection.port = port;
	trigger.psk_identity = smsr_bytes("\x80\x01", 2);
	trigger.kvn = 65;
	trigger.key_id = 1;
	ok(send_trigger(&trigger), "a key version that the card does not have");
	is(https_sessions(&fleet), 0, "... no session");
	is(fleet.stats.https_bad_triggers, 1, "... counted");
	trigger.kvn = 64;
	ok(send_trigger(&trigger), "an identity of octets");
	for (int i = 0; i < 50; i++)
		turn();
	ok(strcmp(identity_seen, "8001") == 0, "... is shown as their digits");
	https_forget(&fleet, card);

	begin_with(config);
	https_begin(&fleet);
	ok(send_trigger(&trigger), "a card that was made without a key");
	is(https_sessions(&fleet), 0, "... has no session");
	is(fleet.stats.https_bad_triggers, 1, "... counted");
	card->sets[2].kvn = 70;
	identity_psk(1, 1, card->sets[2].keys[0]);
	trigger.psk_identity = smsr_bytes(NULL, 0);
	trigger.kvn = 0;
	requests = 0;
	ok(send_trigger(&trigger) && rest(1000) && requests == 1, "... until one was agreed on");
	ok(strstr(identity_seen, "820101830146") != NULL, "... which it names");
}

static void
test_answers(void)
{
	begin_https(quick(2));
	polls = 3;
	add_get_data();
	call();
	ok(rest(2000), "204 with a next URI: the card polls");
	is((uint64_t) requests, 5, "... as often as it is told");
	is((uint64_t) answered[0], 1, "... and gets its script");

	begin_https(quick(2));
	add_get_data();
	next_uri = "";
	call();
	ok(rest(1000), "200 without a next URI");
	is((uint64_t) requests, 1, "... nobody wants the answer");
	is(fleet.stats.https_scripts, 1, "... the script was executed");

	for (int i = 0; i < 3; i++)
	{
		static const int status[] = {409, 404, 503};

		begin_https(quick(2));
		instead = status[i];
		call();
		ok(rest(1000), "%d ends the session", instead);
		is((uint64_t) requests, instead == 503 ? 4 : 1, instead == 503 ? "... after the retries" : "... at once");
		is((uint64_t) resumes, instead == 503 ? 3 : 0, "... resumed");
	}
	begin_https(quick(2));
	add_get_data();
	add_get_data();
	closes = true;
	call();
	ok(rest(3000) && answered[0] == 1 && answered[1] == 1, "Connection: close is no failure");
	is((uint64_t) resumes, 2, "... each answer goes over another connection");
	is(fleet.stats.https_broken + fleet.stats.https_given_up, 0, "... nothing is counted");
	begin_https(quick(2));
	add_script("\x22\x05\x80\xCA\xFF\x21\x00\x77\x00", 9, NULL);
	call();
	ok(rest(1000) && answered[0] == 1, "a script with an unknown tag is answered");
	ok(memmem(answers[0], answer_len[0], "\x90\x01\x01", 3) != NULL, "... bad format");
	ok(memmem(answers[0], answer_len[0], "\x90\x00\x90\x01\x01", 5) != NULL, "... behind what was executed");
}

/* ---- relayed ---- */

static const char *const isdp_target = "//aid/A000000559/1010FFFFFFFF8900001200";

static void
test_targets(void)
{
	begin_https(quick(1));
	add_get_data();
	targets[0] = isdp_target;
	add_get_data();
	targets[1] = "//aid/A000000559/1010FFFFFFFF8900000200";
	add_get_data();
	targets[2] = "//aid/A000000559/1010FFFFFFFF8900000100";
	add_get_data();
	targets[3] = "nonsense";
	call();
	turn();
	ok(rest(1000), "scripts for others");
	is(fleet.stats.commands, 1, "... only that for the ISD-R is executed");
	is(answer_len[0], 0, "... unknown application: no body");
	is((uint64_t) answered[3], 1, "... all are answered");
	ok(strstr(last_head, "X-Admin-Script-Status: unknown-application\r\n") != NULL, "... by their status");
	begin_https(quick(1));
	add_get_data();
	targets[0] = "//aid/A000000559/1010FFFFFFFF8900000200";
	call();
	ok(rest(1000) && strstr(last_head, "X-Admin-Script-Status: not-a-security-domain\r\n") != NULL, "... of the ECASD its own");
}

/* A profile: a header element, one of many octets, PE-End. */
static size_t
make_profile(uint8_t *profile, size_t middle)
{
	SmsrWriter	w = smsr_writer(profile, middle + 64);

	put_tlv(&w, 0xA0, "header", 6);
	put_tlv_header(&w, 0xBF21, middle);
	for (size_t i = 0; i < middle; i++)
		put_u8(&w, (uint8_t) (i * 7 + i / 251));
	put_tlv(&w, 0xAA, "\xA0\x05\x80\x00\x81\x01\x09", 7);
	return w.len;
}

/* From CreateISDP to the last segment; sha256 of all segments. */
static unsigned
add_download(size_t middle, uint8_t digest[32])
{
	static uint8_t profile[20000];
	uint8_t		block[512];
	size_t		len = make_profile(profile, middle);
	SmsrWriter	w = apdu();
	SmsrAid		aid = isdp(0x12);
	unsigned	segments = 0;

	es5_write_create_isdp(&w, &AID_ISD_P_LOADFILE, &AID_ISD_P_MODULE, &aid, 1000);
	add_command(&w, NULL);
	add_script("\x22\x07\x80\xE2\x09\x00\x02\x3A\x01", 9, isdp_target);
	add_script("\x22\x07\x80\xE2\x89\x01\x02\x3A\x02", 9, isdp_target);
	add_script("\x84\x0A\x30\x00" "12345678" "\x85\x11\x33" "12345678" "abcdefgh", 31, isdp_target);
	for (size_t pos = 0; pos < len; pos += SEGMENT)
	{
		w = smsr_writer(block, sizeof block);
		put_tlv(&w, BLOCK_SEGMENT, profile + pos, len - pos < SEGMENT ? len - pos : SEGMENT);
		add_script(w.data, w.len, isdp_target);
		segments++;
	}
	EVP_Digest(profile, len, digest, NULL, EVP_sha256(), NULL);
	return segments;
}

static bool
is_downloaded(unsigned segments, const uint8_t digest[32])
{
	const Download *d = card->downloads;
	uint8_t		got[32];

	if (d == NULL || card_profile(card, 0x12) == NULL)
		return false;
	download_digest(d, got);
	return d->segments == segments && d->repeated == 0 && d->elements == 3 && d->ended && !d->failed &&
		memcmp(got, digest, 32) == 0 && card_profile(card, 0x12)->lcs == ISDP_DISABLED && card->again == 0;
}

static void
test_download(void)
{
	uint8_t		digest[32];
	unsigned	segments;
	int			twice = 0;

	begin_https(quick(1));
	segments = add_download(10000, digest);
	call();
	ok(rest(10000), "a profile in %u segments", segments);
	ok(is_downloaded(segments, digest), "... is whole, and Disabled");
	is(fleet.stats.downloads, 1, "... counted");
	is(fleet.stats.segments, segments, "... with its segments");
	for (int i = 0; i < script_count; i++)
		twice += answered[i] != 1;
	is((uint64_t) twice, 0, "... every script is answered once");
	ok(memmem(answers[1], answer_len[1], "\x85\x10", 2) != NULL && memmem(answers[2], answer_len[2], "\x86\x10", 2) != NULL,
	   "... keys: a challenge and a receipt");
	ok(memmem(answers[3], answer_len[3], "\x84\x20", 2) != NULL && memmem(answers[3], answer_len[3], "\x85\x00", 2) != NULL,
	   "... a secure channel");
	ok(memmem(answers[4], answer_len[4], "\x86\x00", 2) != NULL, "... a segment");

	/* the same segment once more, order */
	begin_https(quick(1));
	segments = add_download(500, digest);
	scripts[script_count] = scripts[script_count - 1];
	targets[script_count++] = isdp_target;
	call();
	ok(rest(10000) && fleet.stats.segments_repeated == 1, "a segment that comes again is refused");
	ok(memmem(answers[script_count - 1], answer_len[script_count - 1], "\x9F\x86\x01\x02", 4) != NULL, "... by 9F86");
	begin_https(quick(1));
	add_download(500, digest);
	scripts[3] = scripts[4];
	call();
	ok(rest(10000) && memmem(answers[3], answer_len[3], "\x9F\x86\x01\x02", 4) != NULL, "a segment before the channel is open is refused");
	begin_https(quick(1));
	add_download(500, digest);
	scripts[1] = scripts[3];
	call();
	ok(rest(10000) && memmem(answers[1], answer_len[1], "\x9F\x84\x01\x03", 4) != NULL, "a channel before there are keys is refused");
	begin_https(quick(1));
	add_download(3000, digest);
	call();
	for (int i = 0; i < 3000 && next_script < 8; i++)
		turn();
	fleet_power(&fleet, card, false);
	for (int i = 0; i < 1000; i++)
		turn();
	is(admin_server_connections(), 1, "switched off on the way: the server does not see it");
	fleet_power(&fleet, card, true);
	ok(rest(10000) && fleet.stats.downloads == 0 && fleet.stats.https_resumed > 0,
	   "... switched on, the session goes on, the secure channel does not");
}

/* ---- connections that break ---- */

/* At one octet after the other, until the session ends before it. */
static void
sweep(BreakPoint point, const char *what)
{
	uint8_t		digest[32];
	unsigned	at = 0;
	unsigned	wrong = 0;
	unsigned	broken = 0;
	unsigned	segments;
	const unsigned step = point == BREAK_SENT || point == BREAK_RECEIVED ? 3 : 1;

	for (at = point == BREAK_SENT || point == BREAK_RECEIVED ? 0 : 1;; at += step)
	{
		begin_https(quick(1 + at % 6));
		chunked = at % 2 == 0;
		segments = add_download(500, digest);
		card->break_point = (uint8_t) point;
		card->break_at = at;
		call();
		if (!rest(10000) || !is_downloaded(segments, digest) || lost_scripts != 0)
		{
			wrong++;
			printf("# %s %u: segments %u, script %d of %d, lost %d\n", what, at,
				   card->downloads != NULL ? card->downloads->segments : 0, next_script, script_count, lost_scripts);
		}
		if (fleet.stats.https_broken == 0)
			break;
		broken++;
	}
	ok(wrong == 0 && broken >= (step == 3 ? 500 : 6), "%s: broken off at %u places, all is delivered, once", what, broken);
}

static void
test_breaks(void)
{
	uint8_t		digest[32];
	unsigned	segments;
	uint64_t	broken = 0,
				stalled = 0,
				resumed = 0,
				wrong = 0,
				failed = 0;

	sweep(BREAK_SENT, "sent");
	sweep(BREAK_RECEIVED, "received");
	sweep(BREAK_BEFORE, "before the execution");
	sweep(BREAK_AFTER, "after the execution");

	/* by chance, all at once */
	for (uint64_t serial = 1; serial <= 60; serial++)
	{
		FleetConfig config = quick(serial);

		config.https_retries = 50;
		begin_https(config);
		fleet.faults.https_break = 0.3;
		fleet.faults.https_stall = 0.1;
		fleet.faults.https_stall_time = 0.05;
		fleet.faults.https_wrong_key = 0.2;
		segments = add_download(2000, digest);
		call();
		wrong += !rest(100000) || !is_downloaded(segments, digest) || lost_scripts != 0;
		broken += fleet.stats.https_broken;
		stalled += fleet.stats.https_stalled;
		resumed += fleet.stats.https_resumed;
		failed += fleet.stats.https_failed;
	}
	is(wrong, 0, "60 downloads with faults of all kinds");
	ok(broken > 60 && stalled > 30 && resumed > 60 && failed > 20, "... broken %u, stalled %u, resumed %u, wrong key %u",
	   (unsigned) broken, (unsigned) stalled, (unsigned) resumed, (unsigned) failed);

	/* a card that forgets */
	begin_https(quick(1));
	fleet.faults.https_forget = 1;
	segments = add_download(500, digest);
	card->break_point = BREAK_AFTER;
	card->break_at = 5;
	call();
	ok(rest(1000) && fleet.stats.https_given_up == 1, "a card that forgets does not resume");
	ok(call() && rest(1000) && lost_scripts == 1 && resumes == 0, "... and its next session shows it");
}

static void
test_keys_and_time(void)
{
	begin_https(quick(1));
	fleet.faults.https_wrong_key = 1;
	call();
	ok(rest(1000), "a wrong key");
	is((uint64_t) requests, 0, "... gets no answer");
	is(fleet.stats.https_failed, 4, "... nor do the retries");
	is(fleet.stats.https_opened, 0, "... no handshake is done");

	begin_https(quick(1));
	hold = true;
	call();
	for (int i = 0; i < 4000; i++)
		turn();
	is(fleet.stats.https_timeouts, 0, "a card waits for an answer");
	for (int i = 0; i < 1100; i++)
		turn();
	is(fleet.stats.https_timeouts, 1, "... not for ever");
	hold = false;
	ok(rest(1000) && resumes == 1, "... and asks again");

	begin_https(quick(1));
	card_enabled(card)->reachable = false;
	call();
	ok(rest(1000) && fleet.stats.https_given_up == 1, "no network, no session");
}

/* ---- together with what cards do besides ---- */

static void
test_notification(void)
{
	FleetConfig config = quick(1);
	uint8_t		room[128];
	SmsrWriter	w = smsr_writer(room, sizeof room);
	AdminUri	uri;
	Notification n = {0};
	SmsrError	error = {0};
	SmsrWriter	c = apdu();
	const SmsrAid target = isdp(0x11);

	config.https_notify = true;
	begin_https(config);
	es5_write_confirm(&c, 1);
	add_command(&c, NULL);
	switching_first_attach(&fleet, card);
	ok(rest(1000), "a notification over HTTPS");
	is((uint64_t) sent_count, 0, "... none over SMS");
	ok(strncmp(first_line, "POST " URI "?msg=E1", 16 + 5 + 7) == 0, "... in the first URI");
	first_line[strcspn(first_line + 5, " ") + 5] = '\0';
	ok(admin_uri_read(smsr_bytes(first_line + 5, strlen(first_line + 5)), &uri, &w, &error) &&
	   notification_read(smsr_written(&w), &n, &error) && n.type == 1 && n.sequence == 1 &&
	   memcmp(n.eid, card->eid, EID_LEN) == 0, "... can be read");
	is(fleet.stats.confirmations, 1, "... confirmed in the same session");
	is(card->phase, PHASE_IDLE, "... and done");

	/* a switch: the answer leaves before the card does */
	begin_https(config);
	c = apdu();
	es5_write_enable(&c, &target);
	add_command(&c, NULL);
	call();
	for (int i = 0; i < 1000 && requests == 0; i++)
		turn();
	hold = true;
	for (int i = 0; i < 1000; i++)
		turn();
	is(enabled_tar(), 0x10, "enable over HTTPS: no REFRESH while the session is open");
	hold = false;
	ok(rest(1000) && answered[0] == 1, "... the answer is there");
	c = apdu();
	es5_write_confirm(&c, 1);
	add_command(&c, NULL);
	requests = 0;
	for (int i = 0; i < 400; i++)
		turn();
	is(enabled_tar(), 0x11, "... then the change");
	ok(rest(1000) && strstr(first_line, "?msg=E1") != NULL, "... and a session with the notification");
	is(fleet.stats.switches, 1, "... which is confirmed");
}

/* A restored card is not in the middle of anything. */
static void
test_restore(void)
{
	char		path[] = "/tmp/https-test-XXXXXX";
	uint8_t		digest[32];
	Text		why = {0};
	int			fd = mkstemp(path);

	begin_https(quick(1));
	ok(fd >= 0 && store_save(&fleet, path, &why), "cards are saved");
	add_download(3000, digest);
	call();
	for (int i = 0; i < 3000 && next_script < 8; i++)
		turn();
	ok(card->agent != NULL && card->downloads != NULL, "... one goes on with a download");
	ok(store_restore(&fleet, path, &why) && card->agent == NULL && card->downloads == NULL && https_sessions(&fleet) == 0,
	   "... and is as it was");
	ok(card_key_set(card, 64) != NULL && call() && rest(10000), "... with its key");
	close(fd);
	unlink(path);
	text_free(&why);
}

static void
test_polling(void)
{
	FleetConfig config = quick(1);

	config.https_poll = 1;
	begin_https(config);
	for (int i = 0; i < 10000; i++)
		turn();
	ok(fleet.stats.https_ended >= 9 && fleet.stats.https_ended <= 10, "a card that polls calls every second");
	is(fleet.stats.triggers, 0, "... without a trigger");
}

static void
test_many(void)
{
	FleetConfig config = quick(1);
	unsigned	open = 0;
	unsigned	begun = 0;

	config.cards = 2000;
	config.https_timeout = 600 * SECOND;
	begin_https(config);
	hold = true;
	for (uint32_t i = 0; i < config.cards; i++)
	{
		begun += https_call(&fleet, &fleet.cards[i], smsr_bytes(NULL, 0));
		if (i % 50 == 0)
			turn();
	}
	is(begun, config.cards, "2000 cards call");
	for (int i = 0; i < 200 && open < config.cards; i++)
	{
		turn();
		open = admin_server_connections();
	}
	is(open, config.cards, "... all are open at once");
	is(https_sessions(&fleet), config.cards, "... and counted");
	hold = false;
	ok(rest(1000), "... all end");
	is(fleet.stats.https_ended, config.cards, "... by 204");
	is(fleet.stats.https_given_up, 0, "... none is given up");
}

int
main(void)
{
	port = admin_server_begin(key_of, respond);
	test_session(3, "PSK-AES128-GCM-SHA256");
	test_session(1, "PSK-AES128-GCM-SHA256");
	test_session(2, "PSK-AES128-CBC-SHA256");
	test_trigger();
	test_answers();
	test_targets();
	test_download();
	test_breaks();
	test_keys_and_time();
	test_notification();
	test_restore();
	test_polling();
	test_many();
	admin_server_end();
	return finish();
}
