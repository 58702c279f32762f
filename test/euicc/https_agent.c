/*
 * https_agent.c
 *		A session from its trigger to the answer 204: POST, script, POST; and again,
 *		if the connection breaks.
 */
#include "https_agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/psk_identity.h"
#include "core/session_trigger.h"
#include "establish.h"
#include "https_session.h"

#define OFF_RETRY_US		500000	/* a card that is off looks again */
#define EVENTS				256
#define HANDSHAKE_SPAN		700 /* octets in which a handshake may break */

/* What they share. */
typedef struct HttpsAgents
{
	int			epoll;
	TlsContexts *tls;
	unsigned	count;
} HttpsAgents;

static void connect_again(Fleet *fleet, Card *card);
static void woken(void *context, void *object, uint32_t number);

/* ------------------------------------------------------------------- timer */

void
session_wake(Fleet *fleet, Card *card, uint64_t when)
{
	HttpsAgent *agent = card->agent;

	agent->wake = when;
	if (agent->armed && agent->armed_at <= when)
		return;
	agent->armed = true;
	agent->armed_at = when;
	timer_add(&fleet->timers, when, woken, card, ++card->https_timer);
}

Rng
session_draw(Fleet *fleet, Card *card)
{
	return rng_for(fleet->config.seed, RNG_HTTPS, card->serial, card->https_draws++);
}

/* ----------------------------------------------------------- begin and end */

void
https_begin(Fleet *fleet)
{
	HttpsAgents *agents = make(sizeof *agents);

	agents->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (agents->epoll < 0)
	{
		perror("smsr-fleet: epoll");
		exit(2);
	}
	agents->tls = tls_contexts_new(fleet->config.max_fragment);
	fleet->agents = agents;
}

void
session_end(Fleet *fleet, Card *card, LinkEnd how)
{
	HttpsAgent *agent = card->agent;

	https_link_close(&agent->link, how);
	https_link_close(&agent->silent, LINK_END_RST);
	http_reader_free(&agent->reader);
	text_free(&agent->body);
	free(agent->uri);
	free(agent);
	card->agent = NULL;
	card->https_timer++;
	fleet->agents->count--;
}

void
https_forget(Fleet *fleet, Card *card)
{
	if (card->agent != NULL)
		session_end(fleet, card, LINK_END_RST);
}

void
https_end(Fleet *fleet)
{
	if (fleet->agents == NULL)
		return;
	for (uint32_t i = 0; i < fleet->config.cards; i++)
		https_forget(fleet, &fleet->cards[i]);
	tls_contexts_free(fleet->agents->tls);
	close(fleet->agents->epoll);
	free(fleet->agents);
	fleet->agents = NULL;
}

unsigned
https_sessions(const Fleet *fleet)
{
	return fleet->agents != NULL ? fleet->agents->count : 0;
}

int
https_fd(const Fleet *fleet)
{
	return fleet->agents->epoll;
}

/* The key set that was agreed on last has the highest version. */
static const KeySet *
psk_set(const Card *card, uint8_t kvn)
{
	const KeySet *found = NULL;

	if (kvn != 0)
		return is_psk_version(kvn) ? card_key_set(card, kvn) : NULL;
	for (int i = 0; i < CARD_KEY_SETS; i++)
	{
		if (is_psk_version(card->sets[i].kvn) && (found == NULL || card->sets[i].kvn > found->kvn))
			found = &card->sets[i];
	}
	return found;
}

static bool
set_address(HttpsAgent *agent, const uint8_t *octets, size_t len, uint16_t port)
{
	if (len == 4)
	{
		struct sockaddr_in *in = (struct sockaddr_in *) &agent->address;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, octets, 4);
		agent->address_len = sizeof *in;
	}
	else
	{
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &agent->address;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, octets, 16);
		agent->address_len = sizeof *in6;
	}
	return len == 4 || len == 16;
}

/* Where to: what the trigger says, else what the card has stored. */
static bool
find_server(const FleetConfig *config, HttpsAgent *agent, const Connection *connection)
{
	const uint16_t port = connection->has_port ? connection->port : config->https_port;

	if (connection->address_len != 0)
		return port != 0 && set_address(agent, connection->address, connection->address_len, port);
	return port != 0 && config->https_port != 0 &&
		set_address(agent, config->https_address, sizeof config->https_address, port);
}

/* A printable text, or the digits of what is none. */
static void
copy_text(char text[AGENT_TEXT_MAX], SmsrBytes from)
{
	bool		printable = true;

	for (size_t i = 0; i < from.len; i++)
		printable = printable && from.data[i] > ' ' && from.data[i] < 0x7F;
	if (printable)
		snprintf(text, AGENT_TEXT_MAX, "%.*s", (int) from.len, (const char *) from.data);
	for (size_t i = 0; !printable && i < from.len && 2 * i + 2 < AGENT_TEXT_MAX; i++)
		snprintf(text + 2 * i, 3, "%02X", from.data[i]);
}

static void
name_key(const Card *card, HttpsAgent *agent, SmsrBytes given)
{
	PskIdentity identity = {.isdr = AID_ISD_R, .key_id = agent->key_id, .kvn = agent->kvn};
	SmsrWriter	w = smsr_writer(agent->identity, PSK_IDENTITY_LEN);

	memcpy(identity.eid, card->eid, EID_LEN);
	if (given.len > 0)
		copy_text(agent->identity, given);
	else
		psk_identity_write(&identity, &w);
}

/* False if the card has no key for it, or knows nobody to talk to. */
static bool
begin(Fleet *fleet, Card *card, const SessionTrigger *trigger, SmsrBytes notification)
{
	const FleetConfig *config = &fleet->config;
	const KeySet *set = psk_set(card, trigger->kvn);
	HttpsAgent *agent;
	Text		uri = {0};

	if (set == NULL)
		return false;
	agent = make(sizeof *agent);
	agent->link.fd = agent->silent.fd = -1;
	agent->kvn = set->kvn;
	agent->key_id = trigger->kvn != 0 && trigger->key_id != 0 ? trigger->key_id : 1;
	if (!find_server(config, agent, &trigger->connection))
	{
		free(agent);
		return false;
	}
	name_key(card, agent, trigger->psk_identity);
	agent->retries = trigger->has_retry ? trigger->retries : (uint16_t) config->https_retries;
	agent->retry_delay = trigger->has_retry ? trigger->retry_delay * UINT64_C(1000000) : config->https_retry_delay;
	if (trigger->host.len > 0)
		copy_text(agent->host, trigger->host);
	else
		snprintf(agent->host, sizeof agent->host, "%s", config->https_host);
	if (trigger->uri.len > 0)
		text_add(&uri, trigger->uri.data, trigger->uri.len);
	else
		text_put(&uri, config->https_uri);
	if (notification.len > 0)
	{
		text_put(&uri, strchr(uri.data, '?') != NULL ? "&msg=" : "?msg=");
		text_hex(&uri, notification.data, notification.len);
	}
	agent->uri = uri.data;
	card->agent = agent;
	fleet->agents->count++;
	connect_again(fleet, card);
	return true;
}

void
https_trigger(Fleet *fleet, Card *card, SmsrBytes data)
{
	char		name[ACCESS_NAME_MAX];
	SessionTrigger trigger;
	SmsrError	error;

	if (fleet->agents == NULL)
		return;
	if (!session_trigger_read(data, name, &trigger, &error))
		fleet->stats.https_bad_triggers++;
	else if (card->agent == NULL)
		fleet->stats.https_bad_triggers += !begin(fleet, card, &trigger, smsr_bytes(NULL, 0));
	else if (card->agent->state == AGENT_WAITING)
	{
		card->agent->failures = 0;
		connect_again(fleet, card);
	}
}

bool
https_call(Fleet *fleet, Card *card, SmsrBytes notification)
{
	const SessionTrigger stored = {0};

	return fleet->agents != NULL && card->agent == NULL && card->on &&
		begin(fleet, card, &stored, notification);
}

/* -------------------------------------------------------------- connection */

static bool
has_network(Card *card)
{
	const Profile *enabled = card_enabled(card);

	return enabled != NULL && enabled->reachable && card->phase != PHASE_ATTACH;
}

/* What goes wrong with this connection, by chance or because somebody wants it. */
static void
set_faults(Fleet *fleet, Card *card, Rng *rng)
{
	HttpsAgent *agent = card->agent;
	const bool	breaks = rng_chance(rng, fleet->faults.https_break);
	const bool	at_server = rng_below(rng, 2) == 1;
	const uint64_t where = rng_below(rng, HANDSHAKE_SPAN);

	agent->break_point = card->break_point;
	agent->break_at = card->break_at;
	card->break_point = BREAK_NONE;
	if (agent->break_point == BREAK_SENT)
		agent->link.break_sent = agent->break_at;
	else if (agent->break_point == BREAK_RECEIVED)
		agent->link.break_received = agent->break_at;
	else if (breaks && at_server)
		agent->link.break_received = where;
	else if (breaks)
		agent->link.break_sent = where;
}

static void
connect_again(Fleet *fleet, Card *card)
{
	HttpsAgent *agent = card->agent;
	const KeySet *set = card_key_set(card, agent->kvn);
	Rng			rng = session_draw(fleet, card);
	uint8_t		key[KEY_LEN];

	if (!card->on)
	{
		session_wake(fleet, card, fleet->now + OFF_RETRY_US);
		return;
	}
	if (set == NULL || !has_network(card))
	{
		session_lost(fleet, card, true);
		return;
	}
	memcpy(key, set->keys[0], KEY_LEN);
	if (rng_chance(&rng, fleet->faults.https_wrong_key))
		key[0] ^= 0xFF;
	agent->state = AGENT_CONNECTING;
	agent->connections++;
	agent->requests_here = agent->scripts_here = 0;
	agent->break_after = false;
	http_reader_begin(&agent->reader);
	https_link_open(&agent->link, fleet->agents->epoll, card, (const struct sockaddr *) &agent->address,
					agent->address_len,
					tls_session_new(fleet->agents->tls, (TlsSuites) (card->serial % TLS_SUITES), agent->identity,
									smsr_bytes(key, KEY_LEN)));
	set_faults(fleet, card, &rng);
	session_wake(fleet, card, fleet->now + fleet->config.https_timeout);
	if (agent->link.state == LINK_FAILED)
		session_lost(fleet, card, true);
}

/*
 * A card that has no power or no radio any more tells nobody: its server finds the
 * connection open, and then another one beside it.
 */
static void
fall_silent(HttpsAgent *agent)
{
	https_link_close(&agent->silent, LINK_END_RST);
	agent->silent = agent->link;
	agent->link = (HttpsLink) {.fd = -1};
}

void
session_lost(Fleet *fleet, Card *card, bool counts)
{
	HttpsAgent *agent = card->agent;
	Rng			rng = session_draw(fleet, card);
	const bool	forgets = rng_chance(&rng, fleet->faults.https_forget);
	const uint64_t how = rng_below(&rng, 3);

	if (how == 2 || !card->on)
		fall_silent(agent);
	else
		https_link_close(&agent->link, how == 0 ? LINK_END_FIN : LINK_END_RST);
	agent->state = AGENT_WAITING;
	if ((counts && ++agent->failures > agent->retries) || forgets)
	{
		fleet->stats.https_given_up++;
		session_end(fleet, card, LINK_END_RST);
	}
	else
		session_wake(fleet, card, fleet->now + (counts ? agent->retry_delay : OFF_RETRY_US));
}

void
session_reconnect(Fleet *fleet, Card *card)
{
	https_link_close(&card->agent->link, LINK_END_POLITE);
	card->agent->state = AGENT_WAITING;
	session_wake(fleet, card, fleet->now);
}

void
https_power_off(Fleet *fleet, Card *card)
{
	if (card->agent != NULL && card->agent->state != AGENT_WAITING)
		session_lost(fleet, card, false);
}

/* ------------------------------------------------------------------ events */

/* Everything that has come, until the card has to wait again. */
static void
progress(Fleet *fleet, Card *card)
{
	HttpsAgent *agent = card->agent;

	if (agent->state == AGENT_CONNECTING && agent->link.state == LINK_OPEN)
	{
		fleet->stats.https_opened++;
		exchange_post(fleet, card);
	}
	exchange_read(fleet, card);
	if (card->agent != agent || agent->state == AGENT_WAITING)
		return;
	if (agent->link.state == LINK_BROKEN)
		fleet->stats.https_broken++;
	else if (agent->link.state == LINK_FAILED)
		fleet->stats.https_failed += agent->state == AGENT_CONNECTING;
	if (agent->link.state >= LINK_CLOSED)
		session_lost(fleet, card, true);
	else if (agent->link.stalled)
	{
		fleet->stats.https_stalled++;
		session_wake(fleet, card, fleet->now + (uint64_t) (fleet->faults.https_stall_time * 1000000));
	}
}

void
https_serve(Fleet *fleet)
{
	struct epoll_event events[EVENTS];
	int			n = epoll_wait(fleet->agents->epoll, events, EVENTS, 0);

	for (int i = 0; i < n; i++)
	{
		Card	   *card = events[i].data.ptr;

		if (card->agent == NULL || card->agent->state == AGENT_WAITING || card->agent->link.stalled)
			continue;
		https_link_progress(&card->agent->link);
		progress(fleet, card);
	}
}

static void
woken(void *context, void *object, uint32_t number)
{
	Fleet	   *fleet = context;
	Card	   *card = object;
	HttpsAgent *agent = card->agent;

	if (agent == NULL || number != card->https_timer)
		return;
	agent->armed = false;
	if (fleet->now < agent->wake)
	{
		session_wake(fleet, card, agent->wake);
		return;
	}
	switch (agent->state)
	{
		case AGENT_WAITING:
			connect_again(fleet, card);
			break;
		case AGENT_PAUSING:
			exchange_post(fleet, card);
			progress(fleet, card);
			break;
		default:
			if (!agent->link.stalled)
			{
				fleet->stats.https_timeouts++;
				session_lost(fleet, card, true);
				break;
			}
			agent->link.stalled = false;
			agent->link.stall_sent = LINK_NEVER;
			session_wake(fleet, card, fleet->now + fleet->config.https_timeout);
			https_link_progress(&agent->link);
			progress(fleet, card);
			break;
	}
}

/* ----------------------------------------------------------------- to show */

void
https_describe(const Card *card, Text *out)
{
	static const char *const states[] = {"waiting", "connecting", "asked", "pausing"};
	const HttpsAgent *agent = card->agent;
	char		eid[EID_DIGITS + 1];

	if (agent == NULL)
		return;
	eid_format(card->eid, eid);
	text_printf(out, "%s\t%s\t%u\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%u\t%" PRIu64 "\t%" PRIu64 "\t%s\t%s\n",
				eid, agent->link.stalled ? "stalled" : states[agent->state], agent->kvn, agent->connections,
				agent->requests, agent->scripts, agent->failures, agent->link.sent, agent->link.received,
				agent->link.state == LINK_OPEN ? tls_session_suite(agent->link.tls) : "-", agent->uri);
}
