/*
 * tls_session.h
 *		A card's end of PSK-TLS (SGP.02 clause 2.4.4): octets of a connection in
 *		and out, text that they protect out and in.  No sockets here.
 */
#ifndef FLEET_TLS_SESSION_H
#define FLEET_TLS_SESSION_H

#include "core/bytes.h"
#include "memory.h"

/* A card has at least one of them, a server both. */
typedef enum TlsSuites
{
	TLS_SUITES_BOTH,
	TLS_SUITES_GCM,				/* TLS_PSK_WITH_AES_128_GCM_SHA256 */
	TLS_SUITES_CBC				/* TLS_PSK_WITH_AES_128_CBC_SHA256 */
} TlsSuites;

#define TLS_SUITES		3

typedef enum TlsState
{
	TLS_HANDSHAKE,
	TLS_OPEN,
	TLS_CLOSED,					/* the other side has said so */
	TLS_FAILED
} TlsState;

typedef struct TlsContexts TlsContexts;
typedef struct TlsSession TlsSession;

/* max_fragment: 0, or 512, 1024, 2048, 4096: what a card asks for (RFC 6066) */
extern TlsContexts *tls_contexts_new(unsigned max_fragment);
extern void tls_contexts_free(TlsContexts *contexts);

/* The first octets are ready to be taken at once. */
extern TlsSession *tls_session_new(const TlsContexts *contexts, TlsSuites suites,
								   const char *identity, SmsrBytes key);
extern void tls_session_free(TlsSession *session);

/* Octets of the connection; text of the other side is appended. */
extern TlsState tls_session_receive(TlsSession *session, SmsrBytes octets, Text *text);

/* Only while it is open. */
extern bool tls_session_send(TlsSession *session, SmsrBytes text);
extern void tls_session_close(TlsSession *session);

/* Append what is to go over the connection. */
extern void tls_session_take(TlsSession *session, Text *octets);

extern const char *tls_session_suite(const TlsSession *session);

#endif							/* FLEET_TLS_SESSION_H */
