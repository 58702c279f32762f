/*
 * test_session_trigger.c
 *		What opens a connection from the card's side: session triggers, PUSH, and
 *		the texts of the HTTP that follows.
 */
#include "core/admin_http.h"
#include "core/push.h"
#include "core/session_trigger.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static SmsrBytes
text(const char *s)
{
	return copy_of(smsr_bytes(s, strlen(s)));
}

static bool
same(SmsrBytes a, SmsrBytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static Connection
full_connection(void)
{
	return (Connection) {
		.bearer = hex("03"), .buffer_size = 1280, .access_name = text("internet.example"),
		.has_login = true, .login = text("me"), .password = text(""),
		.has_port = true, .protocol = TRANSPORT_TCP_CLIENT, .port = 443,
		.address_len = 4, .address = {192, 0, 2, 7}
	};
}

#define FULL_CONNECTION \
	"350103 39020500 4711 08 696E7465726E6574 07 6578616D706C65 0D03 04 6D65 0D01 04 3C0302 01BB 3E05 21 C0000207"

static void
same_connection(const Connection *a, const Connection *b, const char *what)
{
	ok(same(a->bearer, b->bearer) && a->buffer_size == b->buffer_size && same(a->access_name, b->access_name) &&
	   a->has_login == b->has_login && same(a->login, b->login) && same(a->password, b->password) &&
	   a->has_port == b->has_port && a->protocol == b->protocol && a->port == b->port &&
	   a->address_len == b->address_len && memcmp(a->address, b->address, a->address_len) == 0,
	   "%s: the same connection", what);
}

TEST_SUITE(connection)
{
	char		name[ACCESS_NAME_MAX];
	Connection	c = full_connection();
	Connection	back;
	SmsrWriter	w = writer(200);
	SmsrError	error;
	char		label[70];

	succeeds(connection_write(&c, &w, &error), &error, "written");
	is_hex(smsr_written(&w), FULL_CONNECTION, "all objects, in the order of OPEN CHANNEL");
	succeeds(connection_read(copy_of(smsr_written(&w)), name, &back, &error), &error, "read");
	same_connection(&c, &back, "all objects");
	ok(!connection_says(&(Connection) {0}) && connection_says(&c), "nothing says nothing");

	succeeds(connection_read(hex("BC0301 1F90 BE11 57 20010DB8000000000000000000000001 4A021234 7F001202FFFF"),
							 name, &back, &error), &error, "comprehension bits, IPv6, unknown objects");
	ok(back.protocol == TRANSPORT_UDP_CLIENT && back.port == 8080 && back.address_len == 16 &&
	   back.address[15] == 1 && !back.has_login, "they are read");

	fails(connection_read(hex("3500"), name, &back, &error), &error, SMSR_BAD_LENGTH, "bearer description", 0, "no bearer");
	fails(connection_read(hex("350103 39020000"), name, &back, &error), &error, SMSR_BAD_LENGTH, "buffer size", 3, "no buffer");
	fails(connection_read(hex("3C0303 0001"), name, &back, &error), &error, SMSR_UNSUPPORTED, "transport level", 0, "a server");
	fails(connection_read(hex("3C0202 01"), name, &back, &error), &error, SMSR_BAD_LENGTH, "transport level", 0, "half a port");
	fails(connection_read(hex("3E0521 C00002"), name, &back, &error), &error, SMSR_TRUNCATED, "connection parameters", 0, "cut off");
	fails(connection_read(hex("3E0557 C0000207"), name, &back, &error), &error, SMSR_BAD_VALUE, "address", 0, "IPv6 of 4 octets");
	fails(connection_read(hex("0D0304 6D65"), name, &back, &error), &error, SMSR_BAD_VALUE, "password", 5, "a login alone");
	fails(connection_read(hex("0D00"), name, &back, &error), &error, SMSR_BAD_LENGTH, "login", 0, "a login without coding");
	fails(connection_read(hex("0D0204 61 0D0208 0061"), name, &back, &error), &error, SMSR_UNSUPPORTED, "password", 4, "UCS2");
	fails(connection_read(hex("0D0104 0D0104 0D0104"), name, &back, &error), &error, SMSR_BAD_VALUE, "connection parameters", 6,
		  "three texts");
	fails(connection_read(hex("350103 B50103"), name, &back, &error), &error, SMSR_BAD_VALUE, "connection parameters", 3, "twice");
	fails(connection_read(hex("4703 0361 62"), name, &back, &error), &error, SMSR_BAD_LENGTH, "network access name", 0, "a long label");
	fails(connection_read(hex("4700"), name, &back, &error), &error, SMSR_BAD_LENGTH, "network access name", 0, "no label");
	fails(connection_read(hex("4704 03612E62"), name, &back, &error), &error, SMSR_BAD_VALUE, "network access name", 0, "a dot in it");

	memset(label, 'x', sizeof(label));
	c = (Connection) {.access_name = text("a..b")};
	fails(connection_write(&c, &w, &error), &error, SMSR_BAD_VALUE, "network access name", 2, "an empty label");
	c.access_name = copy_of(smsr_bytes(label, 64));
	fails(connection_write(&c, &w, &error), &error, SMSR_BAD_VALUE, "network access name", 0, "a label of 64");
	c.access_name = noise(101);
	fails(connection_write(&c, &w, &error), &error, SMSR_TOO_LONG, "network access name", 0, "101 characters");
	c = (Connection) {.address_len = 5};
	fails(connection_write(&c, &w, &error), &error, SMSR_BAD_LENGTH, "address", 0, "5 octets");
	c = (Connection) {.has_login = true, .login = noise(255)};
	fails(connection_write(&c, &w, &error), &error, SMSR_TOO_LONG, "login", 0, "a long login");
}

static void
trigger_is(const SessionTrigger *t, const char *digits, const char *what)
{
	char		name[ACCESS_NAME_MAX];
	SmsrWriter	w = writer(700);
	SessionTrigger back;
	SmsrError	error;

	succeeds(session_trigger_write(t, &w, &error), &error, "%s: written", what);
	if (digits != NULL)
		is_hex(smsr_written(&w), digits, "%s", what);
	succeeds(session_trigger_read(copy_of(smsr_written(&w)), name, &back, &error), &error, "%s: read", what);
	same_connection(&t->connection, &back.connection, what);
	ok(same(t->psk_identity, back.psk_identity) && t->kvn == back.kvn && t->key_id == back.key_id, "%s: security", what);
	ok(t->has_retry == back.has_retry && t->retries == back.retries && t->retry_delay == back.retry_delay &&
	   same(t->failure_report, back.failure_report), "%s: retry", what);
	ok(same(t->host, back.host) && same(t->agent_id, back.agent_id) && same(t->uri, back.uri), "%s: HTTP", what);
}

TEST_SUITE(session_trigger)
{
	char		name[ACCESS_NAME_MAX];
	SessionTrigger t = {0};
	SessionTrigger back;
	SmsrWriter	w = writer(700);
	SmsrError	error;

	trigger_is(&t, "8100", "as stored");

	t.host = text("admin.host");
	trigger_is(&t, "8110 830E 890C 8A0A 61646D696E2E686F7374", "a host");

	t = (SessionTrigger) {.psk_identity = hex("DEADBEEF"), .kvn = 0x00, .key_id = 0x40};
	trigger_is(&t, "810C 830A 8508 04 DEADBEEF 02 00 40", "a key");

	t = (SessionTrigger) {.has_retry = true, .retries = 5, .retry_delay = 12};
	trigger_is(&t, "810B 8309 8607 0005 A503 000021", "12 seconds are 21");
	t.retry_delay = 99 * 3600 + 59 * 60 + 59;
	trigger_is(&t, "810B 8309 8607 0005 A503 999595", "the longest delay");
	t.retry_delay = 3723;
	t.failure_report = hex("0102");
	trigger_is(&t, "810F 830D 860B 0005 A503 102030 8702 0102", "1:02:03, and a report");

	t.connection = (Connection) {
		.bearer = hex("03"), .buffer_size = 1280, .has_port = true, .protocol = TRANSPORT_TCP_CLIENT, .port = 4433,
		.address_len = 4, .address = {127, 0, 0, 1}
	};
	t.has_retry = false;
	t.retries = 0;
	t.retry_delay = 0;
	t.failure_report = smsr_bytes(NULL, 0);
	t.host = text("sm-sr.example");
	t.agent_id = text("//se-id/eid/89");
	t.uri = text("/gsma/adminagent");
	trigger_is(&t, "814A 8348 8413 350103 39020500 3C03021151 3E0521 7F000001"
			   "8931 8A0D 736D2D73722E6578616D706C65 8B0E 2F2F73652D69642F6569642F3839 8C10 2F67736D612F61646D696E6167656E74",
			   "connection and HTTP");
	t.connection = full_connection();
	t.psk_identity = noise(90);
	t.kvn = 0x40;
	t.key_id = 1;
	t.has_retry = true;
	t.retries = 65535;
	t.retry_delay = 3600;
	t.uri = copy_of(smsr_bytes(memset(scratch(255), '/', 255), 255));
	trigger_is(&t, NULL, "all of it");

	fails((t.retry_delay = 360000, session_trigger_write(&t, &w, &error)), &error, SMSR_BAD_VALUE, "retry delay", 0, "100 hours");
	t.retry_delay = 0;
	fails((t.psk_identity = noise(256), session_trigger_write(&t, &w, &error)), &error, SMSR_TOO_LONG, "PSK identity", 0, "256 octets");
	t.psk_identity = smsr_bytes(NULL, 0);
	fails((t.uri = text("/a b"), session_trigger_write(&t, &w, &error)), &error, SMSR_BAD_VALUE, "URI", 2, "a blank");
	fails((t.uri = noise(256), session_trigger_write(&t, &w, &error)), &error, SMSR_TOO_LONG, "URI", 0, "a long URI");
	t.uri = smsr_bytes(NULL, 0);
	fails((t.host = text("x\r\nHost: y"), session_trigger_write(&t, &w, &error)), &error, SMSR_BAD_VALUE, "host", 1, "a line break");
	t.host = smsr_bytes(NULL, 0);
	w = writer(10);
	fails(session_trigger_write(&t, &w, &error), &error, SMSR_TOO_LONG, "session trigger", 0, "no room");

	fails(session_trigger_read(hex(""), name, &back, &error), &error, SMSR_TRUNCATED, "session trigger", 0, "nothing");
	fails(session_trigger_read(hex("8200"), name, &back, &error), &error, SMSR_BAD_VALUE, "session trigger", 0, "another tag");
	fails(session_trigger_read(hex("810000"), name, &back, &error), &error, SMSR_BAD_LENGTH, "session trigger", 2, "more behind");
	fails(session_trigger_read(hex("81028400"), name, &back, &error), &error, SMSR_BAD_VALUE, "session parameters", 2, "not in 83");
	fails(session_trigger_read(hex("8107 8305 8403 350203"), name, &back, &error), &error, SMSR_TRUNCATED,
		  "connection parameters", 6, "a connection that is cut off");
	fails(session_trigger_read(hex("8106 8304 8502 04DE"), name, &back, &error), &error, SMSR_BAD_LENGTH,
		  "security parameters", 4, "half an identity");
	fails(session_trigger_read(hex("8107 8305 8503 01DE02"), name, &back, &error), &error, SMSR_BAD_LENGTH,
		  "security parameters", 4, "no key");
	fails(session_trigger_read(hex("810B 8309 8607 0005 A503 00006A"), name, &back, &error), &error, SMSR_BAD_VALUE,
		  "retry delay", 4, "no digits");
	fails(session_trigger_read(hex("810B 8309 8607 0005 A503 000600"), name, &back, &error), &error, SMSR_BAD_VALUE,
		  "retry delay", 4, "60 minutes");
	fails(session_trigger_read(hex("8105 8303 860100"), name, &back, &error), &error, SMSR_BAD_LENGTH,
		  "retry parameters", 4, "half a counter");
}

TEST_SUITE(push)
{
	char		name[ACCESS_NAME_MAX];
	Push		p = {.request = PUSH_CHANNEL};
	Push		back;
	SmsrWriter	w = writer(260);
	SmsrError	error;

	p.connection = full_connection();
	fails(push_write(&p, &w, &error), &error, SMSR_BAD_VALUE, "transport level", 0, "a channel over TCP");
	p.connection.protocol = TRANSPORT_UDP_CLIENT;
	succeeds(push_write(&p, &w, &error), &error, "a channel");
	ok(w.data[3] == 1 && w.data[4] == w.len - 5, "its header");
	succeeds(push_read(copy_of(smsr_written(&w)), name, &back, &error), &error, "it is read");
	same_connection(&p.connection, &back.connection, "a channel");

	w = writer(260);
	p.request = PUSH_TCP_CONNECTION;
	p.connection.protocol = TRANSPORT_TCP_CLIENT;
	succeeds(push_write(&p, &w, &error), &error, "a connection over TCP");
	ok(w.data[3] == 3, "its request");

	w = writer(260);
	p = (Push) {.request = PUSH_CAT_TP_LINK, .cat_tp_port = 8192, .max_sdu = 1024, .identification = hex("0102030405")};
	succeeds(push_write(&p, &w, &error), &error, "a link");
	is_hex(smsr_written(&w), "80EC0102 10 3C0300 2000 39020400 36050102030405", "a link's octets");
	succeeds(push_read(copy_of(smsr_written(&w)), name, &back, &error), &error, "it is read");
	ok(back.request == PUSH_CAT_TP_LINK && back.cat_tp_port == 8192 && back.max_sdu == 1024 &&
	   same(back.identification, p.identification), "the same link");

	w = writer(260);
	p = (Push) {.request = PUSH_IDENTIFICATION};
	succeeds(push_write(&p, &w, &error), &error, "an identification");
	is_hex(smsr_written(&w), "80EC0104 00", "the ICCID");

	p.request = 5;
	fails(push_write(&p, &w, &error), &error, SMSR_BAD_VALUE, "PUSH", 0, "no request");
	p = (Push) {.request = PUSH_IDENTIFICATION, .identification = noise(254)};
	fails(push_write(&p, &w, &error), &error, SMSR_TOO_LONG, "PUSH", 0, "much to say");
	p.identification = noise(200);
	w = writer(100);
	fails(push_write(&p, &w, &error), &error, SMSR_TOO_LONG, "PUSH", 0, "no room");

	succeeds(push_read(hex("80EC0104 08 3C03002000 360107"), name, &back, &error), &error, "an identification with a port");
	ok(back.cat_tp_port == 0 && back.identification.len == 1, "the port is not its business");

	fails(push_read(hex("80EC0102"), name, &back, &error), &error, SMSR_TRUNCATED, "PUSH", 4, "no length");
	fails(push_read(hex("80EC000200"), name, &back, &error), &error, SMSR_BAD_VALUE, "PUSH", 0, "another command");
	fails(push_read(hex("80EC010500"), name, &back, &error), &error, SMSR_BAD_VALUE, "PUSH", 3, "another request");
	fails(push_read(hex("80EC010201"), name, &back, &error), &error, SMSR_BAD_LENGTH, "PUSH", 4, "a length that lies");
	fails(push_read(hex("80EC010204 39020400"), name, &back, &error), &error, SMSR_BAD_VALUE, "CAT_TP port", 9, "no port");
	fails(push_read(hex("80EC010205 3C0302 2000"), name, &back, &error), &error, SMSR_BAD_VALUE, "CAT_TP port", 5, "TCP's port");
	fails(push_read(hex("80EC010103 390204"), name, &back, &error), &error, SMSR_TRUNCATED, "connection parameters", 5, "cut off");
}

#define EID		"89001012012341234012345678901224"
#define AGENT	"//se-id/eid/" EID ";//aa-id/aid/A000000559/1010FFFFFFFF8900000100"

TEST_SUITE(admin_http)
{
	AdminAgent	agent;
	AdminScriptStatus status;
	SmsrAid		aid;
	AdminUri	uri;
	SmsrWriter	w = writer(200);
	SmsrError	error;
	static const char *const words[] = {"ok", "unknown-application", "not-a-security-domain", "security-error"};

	succeeds(admin_from_read(text(AGENT), &agent, &error), &error, "an agent");
	ok(aid_compare(&agent.aid, &AID_ISD_R) == 0 && agent.eid[15] == 0x24, "its EID and AID");
	ok(admin_from_write(&agent, &w) && same(smsr_written(&w), text(AGENT)), "written again");
	fails(admin_from_read(text("//se-id/eid"), &agent, &error), &error, SMSR_BAD_VALUE, "X-Admin-From", 0, "no EID");
	fails(admin_from_read(text("//se-id/eid/" EID), &agent, &error), &error, SMSR_BAD_VALUE, "EID", 12, "nothing behind the EID");
	fails(admin_from_read(text("//se-id/eid/89001012012341234012345678901225;//aa-id/aid/A000000559/1010"), &agent, &error), &error,
		  SMSR_BAD_VALUE, "check digits of EID", 42, "check digits");
	fails(admin_from_read(text("//se-id/eid/" EID ";//ab-id/aid/A000000559/1010"), &agent, &error), &error,
		  SMSR_BAD_VALUE, "X-Admin-From", 45, "no AID");
	fails(admin_from_read(text("//se-id/eid/" EID ";//aa-id/aid/A000000559"), &agent, &error), &error,
		  SMSR_BAD_VALUE, "AID", 57, "no PIX");
	fails(admin_from_read(text("//se-id/eid/" EID ";//aa-id/aid/A000000559/101"), &agent, &error), &error,
		  SMSR_BAD_LENGTH, "AID", 57, "half an octet");
	fails(admin_from_read(text(AGENT "00"), &agent, &error), &error, SMSR_BAD_LENGTH, "AID", 90, "17 octets");
	fails(admin_from_read(text("//se-id/eid/" EID ";//aa-id/aid/A000000559/10;0"), &agent, &error), &error,
		  SMSR_BAD_VALUE, "AID", 70, "something else behind");

	for (int i = 0; i < 4; i++)
	{
		succeeds(admin_script_status_read(text(words[i]), &status, &error), &error, "%s", words[i]);
		ok(strcmp(admin_script_status_text(status), words[i]) == 0, "%s: the same", words[i]);
	}
	fails(admin_script_status_read(text("OK"), &status, &error), &error, SMSR_BAD_VALUE, "X-Admin-Script-Status", 0, "capitals");
	fails(admin_script_status_read(text(""), &status, &error), &error, SMSR_BAD_VALUE, "X-Admin-Script-Status", 0, "nothing");

	w = writer(ADMIN_TARGET_MAX);
	aid_isdp(0x10, &aid, &error);
	ok(admin_target_write(&aid, &w) && same(smsr_written(&w), text("//aid/A000000559/1010FFFFFFFF8900001000")), "a target");
	succeeds(admin_target_read(text("//aid/a000000559/1010ffffffff8900001000"), &aid, &error), &error, "in small letters");
	ok(aid.octets[14] == 0x10, "the same target");
	w = writer(ADMIN_TARGET_MAX - 1);
	ok(!admin_target_write(&aid, &w), "no room for a target");
	fails(admin_target_read(text("//aid/A0000005591010"), &aid, &error), &error, SMSR_BAD_VALUE, "AID", 6, "no slash");
	fails(admin_target_read(text("aid/A000000559/1010"), &aid, &error), &error, SMSR_BAD_VALUE, "X-Admin-Targeted-Application", 0,
		  "no slashes before");

	w = writer(4);
	succeeds(admin_uri_read(text("/gsma/adminagent?msg=E12b01FF"), &uri, &w, &error), &error, "a notification");
	is_hex(smsr_written(&w), "E12B01FF", "its octets");
	ok(same(uri.path, text("/gsma/adminagent")), "its path");
	w = writer(4);
	succeeds(admin_uri_read(text("/a?x=1&msg=01&msgs=2"), &uri, &w, &error), &error, "among others");
	is_hex(smsr_written(&w), "01", "its octet");
	w = writer(4);
	succeeds(admin_uri_read(text("/msg=01"), &uri, &w, &error), &error, "no parameters");
	ok(w.len == 0 && uri.path.len == 7, "no notification");
	succeeds(admin_uri_read(text(""), &uri, &w, &error), &error, "an empty URI");
	fails(admin_uri_read(text("/a?msg="), &uri, &w, &error), &error, SMSR_BAD_LENGTH, "msg", 7, "no octets");
	fails(admin_uri_read(text("/a?msg=123"), &uri, &w, &error), &error, SMSR_BAD_LENGTH, "msg", 7, "half an octet");
	fails(admin_uri_read(text("/a?msg=1x"), &uri, &w, &error), &error, SMSR_BAD_VALUE, "msg", 8, "no digit");
	w = writer(4);
	fails(admin_uri_read(text("/a?msg=01&msg=01"), &uri, &w, &error), &error, SMSR_BAD_VALUE, "msg", 10, "two");
	w = writer(1);
	fails(admin_uri_read(text("/a?msg=0102"), &uri, &w, &error), &error, SMSR_TOO_LONG, "msg", 11, "too long");

	w = writer(4);
	succeeds(admin_uri_read(text("/a?script=9223372036854775807"), &uri, &w, &error), &error, "the answer to a script");
	ok(uri.script == INT64_MAX && w.len == 0 && same(uri.path, text("/a")), "to which");
	succeeds(admin_uri_read(text("/a?script=10&msg=01&scripts=2"), &uri, &w, &error), &error, "and a notification");
	ok(uri.script == 10 && w.len == 1, "both");
	succeeds(admin_uri_read(text("/a?msg=01"), &uri, &w, &error), &error, "no script");
	ok(uri.script == 0, "none");
	fails(admin_uri_read(text("/a?script="), &uri, &w, &error), &error, SMSR_BAD_LENGTH, "script", 10, "no digits");
	fails(admin_uri_read(text("/a?script=0"), &uri, &w, &error), &error, SMSR_BAD_VALUE, "script", 10, "no script has the number 0");
	fails(admin_uri_read(text("/a?script=01"), &uri, &w, &error), &error, SMSR_BAD_VALUE, "script", 10, "nor one with zeros in front");
	fails(admin_uri_read(text("/a?script=-1"), &uri, &w, &error), &error, SMSR_BAD_VALUE, "script", 10, "a sign");
	fails(admin_uri_read(text("/a?script=1x"), &uri, &w, &error), &error, SMSR_BAD_VALUE, "script", 11, "a letter");
	fails(admin_uri_read(text("/a?script=9223372036854775808"), &uri, &w, &error), &error, SMSR_TOO_LONG, "script", 28, "2^63");
	fails(admin_uri_read(text("/a?script=1&script=1"), &uri, &w, &error), &error, SMSR_BAD_VALUE, "script", 12, "two scripts");
}
