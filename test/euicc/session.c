/*
 * session.c
 *		SMPP 3.4 sessions of an SMSC: bind, submit_sm, deliver_sm, and the rest.
 */
#include "smsc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESPONSE_TIME_US	(30 * UINT64_C(1000000))
#define HOUSEKEEPING_US		1000000
#define OUT_LIMIT			(1u << 20)	/* nobody reads: deliver no more */

static void housekeeping(void *context, void *object, uint32_t number);

bool
smsc_listen(Smsc *smsc, const char *host, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t	len = sizeof address;
	int			one = 1;

	smsc->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (smsc->listener < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return false;
	setsockopt(smsc->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(smsc->listener, (struct sockaddr *) &address, sizeof address) != 0 ||
		listen(smsc->listener, 16) != 0 ||
		getsockname(smsc->listener, (struct sockaddr *) &address, &len) != 0)
		return false;
	smsc->port = ntohs(address.sin_port);
	timer_add(&smsc->all->fleet->timers, smsc->all->fleet->now + HOUSEKEEPING_US,
			  housekeeping, smsc, 0);
	return true;
}

void
smsc_accept(Smsc *smsc)
{
	Session    *session;
	int			one = 1;
	int			fd = accept4(smsc->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (smsc->all->fleet->now < smsc->all->outage_until)
	{
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	session = make(sizeof *session);
	session->smsc = smsc;
	session->fd = fd;
	session->last_heard = smsc->all->fleet->now;
	session->next = smsc->sessions;
	smsc->sessions = session;
}

/* ------------------------------------------------------------- deliver_sm */

static bool
can_take(const Session *session)
{
	return session->receives && !session->dead && !session->closing &&
		session->in_flight < SMSC_WINDOW && session->out.len - session->out_sent < OUT_LIMIT;
}

static bool
has_number(const Smsc *smsc, const char *number)
{
	for (const Session *s = smsc->sessions; s != NULL; s = s->next)
	{
		if (s->receives && !s->dead && strcmp(s->number, number) == 0)
			return true;
	}
	return false;
}

/* Sessions take turns; but a number that one of them uses is its own. */
static Session *
next_receiver(Smsc *smsc, const char *number)
{
	bool		owned = has_number(smsc, number);
	Session    *start = smsc->turn != NULL ? smsc->turn : smsc->sessions;
	Session    *session = start;

	while (session != NULL)
	{
		Session    *next = session->next != NULL ? session->next : smsc->sessions;

		if (can_take(session) && (!owned || strcmp(session->number, number) == 0))
		{
			smsc->turn = next;
			return session;
		}
		session = next;
		if (session == start)
			break;
	}
	return NULL;
}

static void
deliver(Session *session, MoMessage *message)
{
	SmppMessage m = {.source = message->source, .destination = message->destination,
		.esm_class = message->esm_class, .state = message->state,
	.ud = smsr_bytes(message->ud, message->ud_len)};
	unsigned	slot = 0;

	if (message->esm_class & ESM_UDHI)
	{
		m.protocol_id = SMS_PID_DATA_DOWNLOAD;
		m.data_coding = session->smsc->all->mo_data_coding;
	}
	else
		memcpy(m.message_id, message->message_id, sizeof message->message_id);
	while (session->window[slot].message != NULL)
		slot++;
	session->window[slot].message = message;
	session->window[slot].since = session->smsc->all->fleet->now;
	session->window[slot].sequence = ++session->sequence & 0x7FFFFFFF;
	session->in_flight++;
	smpp_write_message(&session->out, SMPP_DELIVER_SM, session->window[slot].sequence, &m);
}

void
smsc_pump(Smsc *smsc)
{
	while (smsc->first != NULL)
	{
		MoMessage  *message = smsc->first;
		Session    *session = next_receiver(smsc, message->destination.digits);

		if (session == NULL)
			return;
		smsc->first = message->next;
		if (smsc->first == NULL)
			smsc->last = &smsc->first;
		smsc->queued--;
		deliver(session, message);
	}
}

static void
deliver_answered(Session *session, uint32_t sequence, uint32_t status)
{
	FleetStats *stats = &session->smsc->all->fleet->stats;

	for (unsigned i = 0; i < SMSC_WINDOW; i++)
	{
		MoMessage  *message = session->window[i].message;

		if (message == NULL || session->window[i].sequence != sequence)
			continue;
		session->window[i].message = NULL;
		session->in_flight--;
		switch (status)
		{
			case ESME_ROK:
				stats->mo_delivered++;
				mo_free(message);
				break;
			case ESME_RX_P_APPN:
			case ESME_RX_R_APPN:
				stats->mo_rejected++;
				mo_free(message);
				break;
			default:
				mo_try_later(message);
				break;
		}
		break;
	}
	smsc_pump(session->smsc);
}

/* ---------------------------------------------------------------- requests */

static void
answer(Session *session, const SmppPdu *pdu, uint32_t status, const char *string)
{
	smpp_write(&session->out, pdu->command | SMPP_RESPONSE, status, pdu->sequence,
			   string, string != NULL ? strlen(string) + 1 : 0);
}

static void
bind_request(Session *session, const SmppPdu *pdu)
{
	Smsc	   *smsc = session->smsc;
	SmppBind	bind;
	uint32_t	status = ESME_ROK;

	if (!smpp_read_bind(pdu, &bind))
		status = ESME_RBINDFAIL;
	else if (session->transmits || session->receives)
		status = ESME_RALYBND;
	else if (smsc->system_id[0] != '\0' && strcmp(smsc->system_id, bind.system_id) != 0)
		status = ESME_RINVSYSID;
	else if (smsc->password[0] != '\0' && strcmp(smsc->password, bind.password) != 0)
		status = ESME_RINVPASWD;
	if (status != ESME_ROK)
	{
		answer(session, pdu, status, NULL);
		session->closing = status != ESME_RALYBND;
		return;
	}
	session->transmits = pdu->command != SMPP_BIND_RECEIVER;
	session->receives = pdu->command != SMPP_BIND_TRANSMITTER;
	answer(session, pdu, ESME_ROK, smsc->system_id[0] != '\0' ? smsc->system_id : "smsr-fleet");
	smsc_pump(smsc);
}

static bool
throttled(Session *session)
{
	Fleet	   *fleet = session->smsc->all->fleet;
	uint64_t	second = fleet->now / 1000000;

	if (fleet->faults.rate <= 0)
		return false;
	if (second != session->rate_second)
	{
		session->rate_second = second;
		session->rate_count = 0;
	}
	return (double) ++session->rate_count > fleet->faults.rate;
}

static void
submit_request(Session *session, const SmppPdu *pdu)
{
	FleetStats *stats = &session->smsc->all->fleet->stats;
	SmppMessage message;
	char		id[24] = "";
	uint32_t	status;

	if (!session->transmits)
		status = ESME_RINVBNDSTS;
	else if (!smpp_read_message(pdu, &message))
		status = ESME_RINVMSGLEN;
	else if (throttled(session))
		status = ESME_RTHROTTLED;
	else
	{
		snprintf(session->number, sizeof session->number, "%s", message.source.digits);
		status = smsc_submit(session->smsc, &message, id);
	}
	if (status == ESME_ROK)
		stats->mt_submitted++;
	else
		stats->mt_refused++;
	/* No body in a response that refuses (clause 4.4.2). */
	answer(session, pdu, status, status == ESME_ROK ? id : NULL);
}

static void
handle(Session *session, const SmppPdu *pdu)
{
	switch (pdu->command)
	{
		case SMPP_BIND_RECEIVER:
		case SMPP_BIND_TRANSMITTER:
		case SMPP_BIND_TRANSCEIVER:
			bind_request(session, pdu);
			break;
		case SMPP_SUBMIT_SM:
			submit_request(session, pdu);
			break;
		case SMPP_DELIVER_SM | SMPP_RESPONSE:
			deliver_answered(session, pdu->sequence, pdu->status);
			break;
		case SMPP_GENERIC_NACK:
			deliver_answered(session, pdu->sequence, ESME_RX_P_APPN);
			break;
		case SMPP_ENQUIRE_LINK:
			answer(session, pdu, ESME_ROK, NULL);
			break;
		case SMPP_UNBIND:
			answer(session, pdu, ESME_ROK, NULL);
			session->transmits = session->receives = false;
			session->closing = true;
			break;
		default:
			if (!(pdu->command & SMPP_RESPONSE))
				smpp_write(&session->out, SMPP_GENERIC_NACK, ESME_RINVCMDID, pdu->sequence, NULL, 0);
			break;
	}
}

/* --------------------------------------------------------------- transport */

void
session_read(Session *session)
{
	char		buffer[65536];
	ssize_t		n = recv(session->fd, buffer, sizeof buffer, 0);
	size_t		done = 0;
	SmppPdu		pdu;
	int			framed = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
	{
		session->dead = true;
		return;
	}
	session->last_heard = session->smsc->all->fleet->now;
	text_add(&session->in, buffer, (size_t) n);
	while (!session->closing &&
		   (framed = smpp_frame(session->in.data + done, session->in.len - done, &pdu)) > 0)
	{
		handle(session, &pdu);
		done += pdu.length;
	}
	text_drop(&session->in, done);
	if (framed < 0)
	{
		/* Where the next PDU begins is not known any more. */
		smpp_write(&session->out, SMPP_GENERIC_NACK, ESME_RINVCMDLEN, pdu.sequence, NULL, 0);
		session->closing = true;
	}
	session_write(session);
}

void
session_write(Session *session)
{
	Text	   *out = &session->out;

	while (session->out_sent < out->len && !session->dead)
	{
		ssize_t		n = send(session->fd, out->data + session->out_sent,
							 out->len - session->out_sent, MSG_NOSIGNAL);

		if (n > 0)
			session->out_sent += (size_t) n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			session->dead = true;
	}
	out->len = session->out_sent = 0;
	if (session->closing)
		session->dead = true;
}

/* Close the dead; what they have not acknowledged waits again, in its order. */
void
smsc_sweep(Smsc *smsc)
{
	Session   **place = &smsc->sessions;

	while (*place != NULL)
	{
		Session    *session = *place;

		if (!session->dead)
		{
			place = &session->next;
			continue;
		}
		*place = session->next;
		smsc->turn = NULL;
		while (session->in_flight > 0)
		{
			unsigned	latest = SMSC_WINDOW;

			for (unsigned i = 0; i < SMSC_WINDOW; i++)
			{
				if (session->window[i].message != NULL &&
					(latest == SMSC_WINDOW ||
					 session->window[i].sequence > session->window[latest].sequence))
					latest = i;
			}
			mo_put_back(session->window[latest].message);
			session->window[latest].message = NULL;
			session->in_flight--;
		}
		close(session->fd);
		text_free(&session->in);
		text_free(&session->out);
		free(session);
	}
	smsc_pump(smsc);
}

void
smsc_disconnect(Smsc *smsc)
{
	for (Session *session = smsc->sessions; session != NULL; session = session->next)
		session->dead = true;
}

static void
housekeeping(void *context, void *object, uint32_t number)
{
	Fleet	   *fleet = context;
	Smsc	   *smsc = object;

	for (Session *session = smsc->sessions; session != NULL; session = session->next)
	{
		uint64_t	idle = smsc->all->enquire_link;

		for (unsigned i = 0; i < SMSC_WINDOW; i++)
		{
			if (session->window[i].message != NULL &&
				fleet->now - session->window[i].since > RESPONSE_TIME_US)
			{
				mo_put_back(session->window[i].message);
				session->window[i].message = NULL;
				session->in_flight--;
			}
		}
		if (idle == 0 || !(session->transmits || session->receives))
			continue;
		if (fleet->now - session->last_heard > 3 * idle)
			session->dead = true;
		else if (fleet->now - session->last_heard > idle)
		{
			smpp_write(&session->out, SMPP_ENQUIRE_LINK, 0, ++session->sequence & 0x7FFFFFFF, NULL, 0);
			session_write(session);
		}
	}
	smsc_pump(smsc);
	timer_add(&fleet->timers, fleet->now + HOUSEKEEPING_US, housekeeping, smsc, number);
}

static void
disconnect_all(void *context, void *object, uint32_t number)
{
	Fleet	   *fleet = context;
	Smscs	   *smscs = object;

	if (number != smscs->disconnect_epoch || fleet->faults.disconnect_every <= 0)
		return;
	for (unsigned i = 0; i < smscs->count; i++)
		smsc_disconnect(&smscs->smsc[i]);
	timer_add(&fleet->timers, fleet->now + 1 +
			  (uint64_t) (fleet->faults.disconnect_every * 1000000),
			  disconnect_all, smscs, number);
}

void
smscs_apply_faults(Smscs *smscs)
{
	Fleet	   *fleet = smscs->fleet;

	if (fleet->faults.disconnect_every > 0)
		timer_add(&fleet->timers, fleet->now + 1 +
				  (uint64_t) (fleet->faults.disconnect_every * 1000000),
				  disconnect_all, smscs, ++smscs->disconnect_epoch);
	else
		smscs->disconnect_epoch++;
}
