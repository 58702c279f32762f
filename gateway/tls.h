/*
 * tls.h
 *	  The server's side of PSK-TLS over a socket that never blocks.
 *
 * OpenSSL rather than GnuTLS below libmicrohttpd: GnuTLS asks for the key of an
 * identity by a call that must return with it, so that one slow look-up in the
 * database would hold up every session of the thread.  OpenSSL can leave a
 * handshake in the middle of that call and come back to it.  libmicrohttpd
 * besides knows idle connections but not slow ones: a header that comes by the
 * octet is waited for without end.
 */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* OpenSSL's longest; SGP.02's has 90 characters */
#define TLS_IDENTITY 257

typedef struct TlsServer TlsServer;
typedef struct Tls Tls;

typedef enum TlsOutcome
{
	TLS_DONE,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_WANT_KEY,				/* tls_identity() says whose; then tls_set_key() and again */
	TLS_WANT_ROOM,				/* too many wait for keys: again when one of them has it */
	TLS_ENDED,					/* the peer has closed its side, with or without saying so */
	TLS_FAILED					/* tls_reason() says why */
} TlsOutcome;

/* NULL: OpenSSL will not, and the log says why */
extern TlsServer *tls_server_new(int record_size);
extern void tls_server_free(TlsServer *server);

extern Tls *tls_new(TlsServer *server, int fd);
extern void tls_free(Tls *tls);

extern TlsOutcome tls_handshake(Tls *tls);

/* printable ASCII, "?" for what the peer sent otherwise; empty before it is known */
extern const char *tls_identity(const Tls *tls);

/* a length of 0: there is none, and the peer is told nothing but the connection's end */
extern void tls_set_key(Tls *tls, const void *key, size_t length);

extern TlsOutcome tls_read(Tls *tls, void *data, size_t size, size_t *length);
extern TlsOutcome tls_write(Tls *tls, const void *data, size_t size, size_t *length);

/* say that nothing more follows */
extern void tls_close(Tls *tls);

extern const char *tls_suite(const Tls *tls);
extern const char *tls_reason(const Tls *tls);

#endif							/* TLS_H */
