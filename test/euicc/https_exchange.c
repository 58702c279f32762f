/*
 * https_exchange.c
 *		POST, script, POST: what a card and an administration server say to each
 *		other.
 */
#include "https_session.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "interpreter.h"

#define PAUSE_US			100000	/* after a 204 that names a next URI */
#define ANSWER_SPAN			600 /* octets of an answer in which it may break */
#define CHUNK				256 /* of a POST's body */

/* -------------------------------------------------------------------- POST */

/* The first POST of a connection is the last one of the connection that broke. */
static bool
resumes(const HttpsAgent *agent)
{
	return agent->requests > 0 && agent->requests_here == 0;
}

static void
put_head(const Card *card, const HttpsAgent *agent, Text *text)
{
	char		from[128];
	SmsrWriter	w = smsr_writer(from, sizeof from);
	AdminAgent	self = {.aid = AID_ISD_R};

	memcpy(self.eid, card->eid, EID_LEN);
	admin_from_write(&self, &w);
	text_printf(text, "POST %s HTTP/1.1\r\nHost: %s\r\nX-Admin-Protocol: " ADMIN_PROTOCOL "\r\n"
				"X-Admin-From: %.*s\r\n", agent->uri, agent->host, (int) w.len, from);
	if (resumes(agent))
		text_put(text, "X-Admin-Resume: true\r\n");
	if (agent->answers)
		text_printf(text, "Content-Type: " ADMIN_RESPONSE_TYPE "\r\nX-Admin-Script-Status: %s\r\n",
					admin_script_status_text(agent->status));
}

/* Amendment B wants chunks; a length is in the field too. */
static void
put_body(const Card *card, const HttpsAgent *agent, Text *text)
{
	if (agent->body.len == 0)
	{
		text_put(text, agent->answers || card->serial % 2 == 0 ? "Content-Length: 0\r\n\r\n" : "\r\n");
		return;
	}
	if (card->serial % 4 == 3)
	{
		text_printf(text, "Content-Length: %zu\r\n\r\n", agent->body.len);
		text_add(text, agent->body.data, agent->body.len);
		return;
	}
	text_put(text, "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t pos = 0; pos < agent->body.len; pos += CHUNK)
	{
		size_t		n = agent->body.len - pos < CHUNK ? agent->body.len - pos : CHUNK;

		text_printf(text, "%zX\r\n", n);
		text_add(text, agent->body.data + pos, n);
		text_put(text, "\r\n");
	}
	text_put(text, "0\r\n\r\n");
}

/* Of one POST and its answer: each place is as likely, whatever the others do. */
static void
set_post_faults(Fleet *fleet, Card *card)
{
	HttpsAgent *agent = card->agent;
	HttpsLink  *link = &agent->link;
	Rng			rng = session_draw(fleet, card);
	const bool	breaks = rng_chance(&rng, fleet->faults.https_break);
	const bool	stalls = rng_chance(&rng, fleet->faults.https_stall);
	const uint64_t place = rng_below(&rng, 3);
	const double where = rng_unit(&rng);
	const double when = rng_unit(&rng);
	const uint64_t waiting = link->out.len - link->out_sent;

	if (stalls)
		link->stall_sent = link->sent + (uint64_t) (when * (double) waiting);
	if (!breaks)
		return;
	if (place == 0)
		link->break_sent = link->sent + (uint64_t) (where * (double) waiting);
	else if (place == 1)
		link->break_received = link->received + (uint64_t) (where * ANSWER_SPAN);
	else
		agent->break_after = true;
}

void
exchange_post(Fleet *fleet, Card *card)
{
	HttpsAgent *agent = card->agent;
	Text		text = {0};

	put_head(card, agent, &text);
	put_body(card, agent, &text);
	fleet->stats.https_resumed += resumes(agent);
	http_reader_begin(&agent->reader);
	https_link_write(&agent->link, smsr_bytes(text.data, text.len));
	text_free(&text);
	set_post_faults(fleet, card);
	agent->state = AGENT_ASKED;
	agent->requests++;
	agent->requests_here++;
	fleet->stats.https_requests++;
	session_wake(fleet, card, fleet->now + fleet->config.https_timeout);
	https_link_progress(&agent->link);
}

/* ------------------------------------------------------------------ answer */

static void
set_uri(HttpsAgent *agent, const char *uri)
{
	char	   *copy = strdup(uri);

	if (copy == NULL)
		abort();
	free(agent->uri);
	agent->uri = copy;
	agent->answers = false;
	agent->status = ADMIN_SCRIPT_OK;
	agent->body.len = 0;
}

/* Whom a script is for: its TAR, or 0 and why it is for nobody. */
static uint32_t
find_target(Card *card, const char *text, AdminScriptStatus *status)
{
	SmsrAid		aid;
	SmsrError	error;
	uint8_t		tar[3];

	*status = ADMIN_SCRIPT_OK;
	if (text == NULL)
		return ISD_R_TAR;
	*status = ADMIN_UNKNOWN_APPLICATION;
	if (!admin_target_read(smsr_bytes(text, strlen(text)), &aid, &error))
		return 0;
	if (aid_compare(&aid, &AID_ISD_R) == 0)
	{
		*status = ADMIN_SCRIPT_OK;
		return ISD_R_TAR;
	}
	if (aid_compare(&aid, &AID_ECASD) == 0)
		*status = ADMIN_NOT_A_SECURITY_DOMAIN;
	if (!aid_tar(&aid, tar) || tar[0] != 0 || card_profile(card, get_u16(tar + 1)) == NULL)
		return 0;
	*status = ADMIN_SCRIPT_OK;
	return get_u16(tar + 1);
}

/* What the server calls the script whose answer goes there, 0 if nothing. */
static uint64_t
script_name(const char *uri)
{
	const char *name = uri != NULL ? strstr(uri, "?script=") : NULL;

	return name != NULL ? strtoull(name + strlen("?script="), NULL, 10) : 0;
}

static void
execute(Fleet *fleet, Card *card, const char *target, SmsrBytes script)
{
	static uint8_t room[LONG_RESPONSE_ROOM];
	HttpsAgent *agent = card->agent;
	SmsrWriter	out = smsr_writer(room, sizeof room);
	uint32_t	tar = find_target(card, target, &agent->status);

	agent->answers = true;
	agent->scripts++;
	agent->scripts_here++;
	fleet->stats.https_scripts++;
	if (tar == 0)
		return;
	card->source = (Source) {.kvn = agent->kvn,.cntr = ++card->https_scripts,.script = script_name(agent->uri)};
	interpreter_run(fleet, card, tar, script, &out);
	text_add(&agent->body, out.data, out.len);
}

/* Whether the connection is to break off here. */
static bool
breaks_off(Fleet *fleet, Card *card, BreakPoint point)
{
	HttpsAgent *agent = card->agent;
	const bool	asked = agent->break_point == point &&
		agent->break_at == agent->scripts_here + (point == BREAK_BEFORE);
	const bool	by_chance = agent->break_after && point == BREAK_AFTER;

	if (!asked && !by_chance)
		return false;
	fleet->stats.https_broken++;
	session_lost(fleet, card, true);
	return true;
}

static void
give_up(Fleet *fleet, Card *card)
{
	fleet->stats.https_bad_answers++;
	session_end(fleet, card, LINK_END_POLITE);
}

/* 200: a script, and where its answer goes. */
static void
take_script(Fleet *fleet, Card *card, const char *next)
{
	HttpsAgent *agent = card->agent;
	const char *type = http_reader_header(&agent->reader, "Content-Type");
	const char *target = http_reader_header(&agent->reader, "X-Admin-Targeted-Application");

	if (type == NULL || strcasecmp(type, ADMIN_SCRIPT_TYPE) != 0)
	{
		give_up(fleet, card);
		return;
	}
	if (breaks_off(fleet, card, BREAK_BEFORE))
		return;
	if (next != NULL)
		set_uri(agent, next);
	execute(fleet, card, target, smsr_bytes(agent->reader.body.data, agent->reader.body.len));
	if (breaks_off(fleet, card, BREAK_AFTER))
		return;
	if (next == NULL)
		session_end(fleet, card, LINK_END_POLITE);	/* nobody wants the answer */
	else if (agent->reader.closes)
		session_reconnect(fleet, card);
	else
		exchange_post(fleet, card);
}

static void
take_answer(Fleet *fleet, Card *card)
{
	HttpsAgent *agent = card->agent;
	const char *protocol = http_reader_header(&agent->reader, "X-Admin-Protocol");
	const char *next = http_reader_header(&agent->reader, "X-Admin-Next-URI");

	if (agent->reader.status < 500)
		agent->failures = 0;
	switch (agent->reader.status)
	{
		case 200:
			if (protocol == NULL || strcmp(protocol, ADMIN_PROTOCOL) != 0)
				give_up(fleet, card);
			else
				take_script(fleet, card, next);
			break;
		case 204:
			if (next == NULL)
			{
				fleet->stats.https_ended++;
				session_end(fleet, card, LINK_END_POLITE);
				break;
			}
			set_uri(agent, next);
			if (agent->reader.closes)
			{
				session_reconnect(fleet, card);
				break;
			}
			agent->state = AGENT_PAUSING;
			session_wake(fleet, card, fleet->now + PAUSE_US);
			break;
		default:
			if (agent->reader.status >= 500)
			{
				session_lost(fleet, card, true);
				break;
			}
			fleet->stats.https_refused++;
			session_end(fleet, card, LINK_END_POLITE);
			break;
	}
}

void
exchange_read(Fleet *fleet, Card *card)
{
	HttpsAgent *agent = card->agent;

	while (agent->state == AGENT_ASKED && agent->link.in.len > 0 && !agent->link.stalled &&
		   agent->link.state != LINK_BROKEN)
	{
		HttpState	state = http_reader_read(&agent->reader, &agent->link.in);

		if (state == HTTP_DONE)
			take_answer(fleet, card);
		else if (state == HTTP_BAD)
			give_up(fleet, card);
		if (card->agent != agent || state != HTTP_DONE)
			break;
	}
}
