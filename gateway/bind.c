/*
 * bind.c
 *	  One session with one SMSC: connect, bind, keep alive, submit within the
 *	  window, take what is delivered, and come back when it breaks.
 */
#include "bind.h"
#include "clock.h"
#include "connect.h"
#include "incoming.h"
#include "outgoing.h"
#include "receipt.h"
#include "session.h"
#include "statistics.h"
#include "status.h"

#include <errno.h>
#include <poll.h>
#include <smpp34.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* an SMSC that sends and never reads */
#define OUTPUT_ABSURD (4 * 1024 * 1024)
#define INPUT_STEP 65536
/* a session that held so long was a good one */
#define SESSION_GOOD 10000

Bind *
bind_new(const Config *gateway, const BindConfig *config)
{
	Bind	   *bind = memory_new(sizeof(Bind));

	bind->gateway = gateway;
	bind->config = config;
	bind->fd = -1;
	bind->state = BIND_AWAY;
	queue_init(&bind->ready, sizeof(ClaimedMessage));
	window_init(&bind->window, (size_t) config->window);
	backoff_init(&bind->backoff);
	backoff_init(&bind->throttle);
	return bind;
}

void
bind_free(Bind *bind)
{
	if (bind->fd >= 0)
		close(bind->fd);
	buffer_free(&bind->in);
	buffer_free(&bind->out);
	queue_free(&bind->ready);
	window_free(&bind->window);
	free(bind);
}

/* The window keeps its size; all else is used from the next time it is needed. */
void
bind_reconfigure(Bind *bind, const Config *gateway, const BindConfig *config)
{
	bind->gateway = gateway;
	bind->config = config;
}

const char *
bind_name(const Bind *bind)
{
	return bind->config->name;
}

int
bind_socket(const Bind *bind)
{
	return bind->fd;
}

short
bind_events(const Bind *bind)
{
	/* after an unbind nothing more is read, it is only written to the end */
	if (bind->state == BIND_CONNECTING || bind->state == BIND_LEAVING)
		return POLLOUT;
	return POLLIN | (bind->out.length > 0 ? POLLOUT : 0);
}

int
bind_outstanding(const Bind *bind)
{
	return (int) bind->window.count;
}

bool
bind_bound(const Bind *bind)
{
	return bind->state == BIND_BOUND;
}

bool
bind_closed(const Bind *bind)
{
	return bind->state == BIND_AWAY;
}

/*
 * ending a session
 */

static void
end_session(Bind *bind, const char *why)
{
	int64_t		now = clock_now();
	int64_t		delay;
	int			ready;
	int			unsent;
	int			unknown;

	submit_release_unsent(bind, &unsent, &unknown);
	ready = submit_release_ready(bind);
	if (bind->fd >= 0)
		close(bind->fd);
	bind->fd = -1;
	bind->session++;
	buffer_clear(&bind->in);
	buffer_clear(&bind->out);

	if (bind->state >= BIND_BOUND && now - bind->bound_at >= SESSION_GOOD)
		backoff_reset(&bind->backoff);
	bind->state = BIND_AWAY;
	if (bind->draining)
	{
		bind->deadline = CLOCK_NEVER;
		log_info("bind %s: closed: %s; %d unanswered", bind_name(bind), why, unknown);
		return;
	}
	delay = backoff_next(&bind->backoff, bind->config->reconnect_min, bind->config->reconnect_max);
	bind->deadline = now + delay;
	log_warning("bind %s: %s; %d handed back, %d unanswered; trying again in %lld ms", bind_name(bind), why,
				unsent + ready, unknown, (long long) delay);
}

/*
 * output
 */

static void
flush(Bind *bind)
{
	while (bind->fd >= 0 && bind->out.length > 0 && bind->state != BIND_CONNECTING)
	{
		ssize_t		taken = send(bind->fd, buffer_bytes(&bind->out), bind->out.length, MSG_NOSIGNAL);

		if (taken > 0)
		{
			buffer_consume(&bind->out, (size_t) taken);
			bind->sent += (uint64_t) taken;
			continue;
		}
		if (taken < 0 && errno == EINTR)
			continue;
		if (taken < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		end_session(bind, strerror(errno));
		return;
	}
	if (bind->state == BIND_LEAVING && bind->out.length == 0)
		end_session(bind, "unbound by the SMSC");
}

void
session_put(Bind *bind, const uint8_t *pdu, size_t length)
{
	if (length == 0)
	{
		log_error("bind %s: %s", bind_name(bind), smpp_complaint());
		return;
	}
	buffer_append(&bind->out, pdu, length);
	bind->queued += length;
}

static void
put_plain(Bind *bind, uint32_t command, uint32_t status, uint32_t sequence)
{
	uint8_t		pdu[SMPP_PACKED];

	session_put(bind, pdu, smpp_pack_plain(pdu, command, status, sequence));
}

/*
 * beginning a session
 */

static void
send_bind(Bind *bind, int64_t now)
{
	uint8_t		pdu[SMPP_PACKED];
	const BindConfig *config = bind->config;
	SmppBindRequest request = {
		.system_id = config->system_id,
		.password = config->password,
		.system_type = config->system_type,
		.addr_ton = (uint8_t) config->addr_ton,
		.addr_npi = (uint8_t) config->addr_npi,
		.address_range = config->address_range
	};

	bind->state = BIND_BINDING;
	bind->deadline = now + config->response_timeout;
	bind->queued = bind->sent = 0;
	window_restart(&bind->window);
	session_put(bind, pdu, smpp_pack_bind(pdu, window_sequence(&bind->window), &request));
	explicit_bzero(pdu, sizeof(pdu));
	flush(bind);
}

static void
begin_session(Bind *bind, int64_t now)
{
	char		why[160];

	bind->state = BIND_CONNECTING;
	bind->deadline = now + bind->config->response_timeout;
	bind->fd = connect_begin(bind->config->host, bind->config->port, bind->attempt++, why, sizeof(why));
	if (bind->fd < 0)
		end_session(bind, why);
}

static void
take_bind_answer(Bind *bind, const uint8_t *pdu, const SmppHeader *header, int64_t now)
{
	char		system_id[16] = "";
	char		why[160];

	if (header->status != ESME_ROK)
	{
		snprintf(why, sizeof(why), "bind refused: %s", status_words(header->status));
		log_error("bind %s: %s as system id \"%s\"", bind_name(bind), why, bind->config->system_id);
		end_session(bind, why);
		return;
	}
	/* its name is for the log only, so a strange one is no reason to go */
	smpp_unpack_bind_answer(pdu, header, system_id);
	bind->state = BIND_BOUND;
	bind->bound_at = now;
	bind->enquire_sequence = 0;
	bind->deadline = CLOCK_NEVER;
	submit_restart(bind, now);
	log_info("bind %s: bound to %s port %s, SMSC \"%s\", window %zu", bind_name(bind), bind->config->host,
			 bind->config->port, system_id, bind->window.limit);
}

/*
 * receiving
 */

void
bind_answer(const Origin *origin, uint32_t status)
{
	Bind	   *bind = origin->bind;
	uint8_t		pdu[SMPP_PACKED];

	if (bind->session != origin->session || bind->fd < 0)
		return;
	session_put(bind, pdu, smpp_pack_message_answer(pdu, origin->command, status, origin->sequence));
}

static void
take_message(Bind *bind, const uint8_t *pdu, const SmppHeader *header, int64_t now)
{
	Origin		origin = {bind, bind->session, header->command, header->sequence, now};
	SmppMessage message;
	char		id[SMPP_ID];
	char		state[RECEIPT_STATE];
	int			type;

	statistics.delivered++;
	if (!smpp_unpack_message(pdu, header, &message))
	{
		statistics.bad_pdus++;
		log_error("bind %s: %s of %u octets refused: %s", bind_name(bind), smpp_command_name(header->command),
				  header->length, smpp_complaint());
		bind_answer(&origin, ESME_RINVCMDLEN);
		return;
	}
	if (bind->draining)
	{
		statistics.turned_away++;
		bind_answer(&origin, ESME_RX_T_APPN);
		return;
	}
	type = message.esm_class & SMPP_TYPE_MASK;
	log_debug("bind %s: %s %u from %s to %s, esm_class %02X, data_coding %02X, %zu octets", bind_name(bind),
			  smpp_command_name(header->command), header->sequence, message.source, message.destination,
			  message.esm_class, message.data_coding, message.ud_length);

	/* a receipt that names no message is kept as any other message is */
	if ((type == SMPP_TYPE_RECEIPT || type == SMPP_TYPE_INTERMEDIATE) && receipt_parse(&message, id, state))
	{
		statistics.receipts++;
		outgoing_receipt(&origin, id, state);
		return;
	}
	if (!incoming_message(&origin, message.source + (message.source[0] == '+'), message.ud, message.ud_length))
	{
		statistics.turned_away++;
		bind_answer(&origin, ESME_RMSGQFUL);
	}
}

static void
take_unbind(Bind *bind, const SmppHeader *header)
{
	log_info("bind %s: the SMSC unbinds", bind_name(bind));
	put_plain(bind, SMPP_UNBIND | SMPP_RESPONSE, ESME_ROK, header->sequence);
	bind->state = BIND_LEAVING;
	bind->deadline = clock_now() + bind->config->response_timeout;
}

static void
take_nack(Bind *bind, const SmppHeader *header, int64_t now)
{
	log_warning("bind %s: generic_nack for sequence %u: %s", bind_name(bind), header->sequence,
				status_words(header->status));
	if (bind->state == BIND_BINDING)
		end_session(bind, "the SMSC does not understand bind_transceiver");
	else
		submit_take_nack(bind, header, now);
}

static void
take_pdu(Bind *bind, const uint8_t *pdu, const SmppHeader *header)
{
	int64_t		now = clock_now();
	bool		bound = bind->state == BIND_BOUND || bind->state == BIND_UNBINDING;

	bind->heard_at = now;
	switch (header->command)
	{
		case SMPP_BIND_TRANSCEIVER | SMPP_RESPONSE:
			if (bind->state == BIND_BINDING)
				take_bind_answer(bind, pdu, header, now);
			return;
		case SMPP_SUBMIT_SM | SMPP_RESPONSE:
			submit_take_answer(bind, pdu, header, now);
			return;
		case SMPP_DELIVER_SM:
		case SMPP_DATA_SM:
			if (bound)
				take_message(bind, pdu, header, now);
			else
				put_plain(bind, header->command | SMPP_RESPONSE, ESME_RINVBNDSTS, header->sequence);
			return;
		case SMPP_ENQUIRE_LINK:
			put_plain(bind, SMPP_ENQUIRE_LINK | SMPP_RESPONSE, ESME_ROK, header->sequence);
			return;
		case SMPP_ENQUIRE_LINK | SMPP_RESPONSE:
			bind->enquire_sequence = 0;
			return;
		case SMPP_UNBIND:
			take_unbind(bind, header);
			return;
		case SMPP_UNBIND | SMPP_RESPONSE:
			if (bind->state == BIND_UNBINDING)
				end_session(bind, "unbound");
			return;
		case SMPP_GENERIC_NACK:
			take_nack(bind, header, now);
			return;
		case SMPP_ALERT_NOTIFICATION:
		case SMPP_OUTBIND:
			log_debug("bind %s: %s ignored", bind_name(bind), smpp_command_name(header->command));
			return;
		default:
			statistics.bad_pdus++;
			log_warning("bind %s: %s is not for us", bind_name(bind), smpp_command_name(header->command));
			if (!(header->command & SMPP_RESPONSE))
				put_plain(bind, SMPP_GENERIC_NACK, ESME_RINVCMDID, header->sequence);
			return;
	}
}

/* Whole PDUs out of the input; the rest stays for the next read. */
static void
take_input(Bind *bind)
{
	unsigned	session = bind->session;
	SmppHeader	header;

	while (bind->session == session && bind->in.length > 0 && bind->state != BIND_LEAVING)
	{
		switch (smpp_frame(buffer_bytes(&bind->in), bind->in.length, &header))
		{
			case SMPP_FRAME_PARTIAL:
				return;
			case SMPP_FRAME_BAD:
				statistics.bad_pdus++;
				log_error("bind %s: a PDU of %u octets: not SMPP", bind_name(bind), header.length);
				put_plain(bind, SMPP_GENERIC_NACK, ESME_RINVCMDLEN, header.sequence);
				flush(bind);
				if (bind->session == session)
					end_session(bind, "where the next PDU begins is not known");
				return;
			case SMPP_FRAME_WHOLE:
				take_pdu(bind, buffer_bytes(&bind->in), &header);
				if (bind->session == session)
					buffer_consume(&bind->in, header.length);
				break;
		}
	}
}

static void
read_input(Bind *bind)
{
	ssize_t		length = recv(bind->fd, buffer_reserve(&bind->in, INPUT_STEP), INPUT_STEP, 0);

	if (length > 0)
	{
		bind->in.length += (size_t) length;
		take_input(bind);
	}
	else if (length == 0)
		end_session(bind, "the SMSC has closed the connection");
	else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
		end_session(bind, strerror(errno));
}

/*
 * the event loop
 */

void
bind_ready(Bind *bind)
{
	int			problem;

	if (bind->fd < 0)
		return;
	if (bind->state == BIND_CONNECTING)
	{
		problem = connect_result(bind->fd);
		if (problem == 0)
		{
			bind->heard_at = clock_now();
			send_bind(bind, bind->heard_at);
		}
		else if (problem != EINPROGRESS)
			end_session(bind, strerror(problem));
		return;
	}
	if (bind->state == BIND_LEAVING)
		flush(bind);
	else
		read_input(bind);
}

static void
keep_alive(Bind *bind, int64_t now)
{
	if (bind->enquire_sequence != 0)
	{
		if (bind->heard_at > bind->enquired_at)
			bind->enquire_sequence = 0;
		else if (now - bind->enquired_at >= bind->config->response_timeout)
			end_session(bind, "no answer to enquire_link");
	}
	else if (now - bind->heard_at >= bind->config->enquire_link)
	{
		bind->enquire_sequence = window_sequence(&bind->window);
		bind->enquired_at = now;
		put_plain(bind, SMPP_ENQUIRE_LINK, ESME_ROK, bind->enquire_sequence);
	}
}

static void
step_past_deadline(Bind *bind, int64_t now)
{
	switch (bind->state)
	{
		case BIND_AWAY:
			begin_session(bind, now);
			break;
		case BIND_CONNECTING:
			end_session(bind, "no connection in time");
			break;
		case BIND_BINDING:
			end_session(bind, "no answer to bind_transceiver in time");
			break;
		case BIND_UNBINDING:
			end_session(bind, "no answer to unbind in time");
			break;
		case BIND_LEAVING:
			end_session(bind, "unbound by the SMSC");
			break;
		case BIND_BOUND:
			break;
	}
}

void
bind_step(Bind *bind, int64_t now)
{
	if (now >= bind->deadline)
		step_past_deadline(bind, now);
	if (bind->state == BIND_BOUND)
		keep_alive(bind, now);
	if (bind->state == BIND_BOUND)
	{
		submit_forget_unanswered(bind, now);
		submit_ready(bind, now);
	}
	flush(bind);
	if (bind->out.length > OUTPUT_ABSURD)
		end_session(bind, "the SMSC does not read what we send");
}

int64_t
bind_deadline(const Bind *bind)
{
	int64_t		next = bind->deadline;

	if (bind->state != BIND_BOUND)
		return next;
	next = bind->enquire_sequence ? bind->enquired_at + bind->config->response_timeout
		: bind->heard_at + bind->config->enquire_link;
	next = clock_earlier(next, submit_deadline(bind));
	return next;
}

void
bind_drain(Bind *bind)
{
	bind->draining = true;
	submit_release_ready(bind);
	if (bind->state != BIND_BOUND && bind->state != BIND_AWAY)
		end_session(bind, "stopping");
	else if (bind->state == BIND_AWAY)
		bind->deadline = CLOCK_NEVER;
}

void
bind_unbind(Bind *bind)
{
	if (bind->state != BIND_BOUND)
		return;
	bind->state = BIND_UNBINDING;
	bind->deadline = clock_now() + 1000;
	put_plain(bind, SMPP_UNBIND, ESME_ROK, window_sequence(&bind->window));
	flush(bind);
}
