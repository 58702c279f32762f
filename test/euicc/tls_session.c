/*
 * tls_session.c
 *		OpenSSL between two buffers: whoever owns the connection can cut it at any
 *		octet.
 */
#include "tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "identity.h"

/* A card's records are small. */
#define SEND_FRAGMENT		512

struct TlsContexts
{
	SSL_CTX    *ctx[TLS_SUITES];
};

struct TlsSession
{
	SSL		   *ssl;
	BIO		   *from;			/* the connection; both belong to ssl */
	BIO		   *to;
	TlsState	state;
	uint8_t		key[KEY_LEN];
	char		identity[];
};

static const char *const suite_names[TLS_SUITES] = {
	"PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256", "PSK-AES128-GCM-SHA256", "PSK-AES128-CBC-SHA256"
};

static void
need(bool done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "smsr-fleet: TLS: %s: %s\n", what, ERR_reason_error_string(ERR_peek_error()));
	exit(2);
}

static unsigned
show_key(SSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key, unsigned key_max)
{
	const TlsSession *session = SSL_get_app_data(ssl);

	(void) hint;
	if (strlen(session->identity) >= identity_max || key_max < KEY_LEN)
		return 0;
	strcpy(identity, session->identity);
	memcpy(key, session->key, KEY_LEN);
	return KEY_LEN;
}

static int
fragment_mode(unsigned octets)
{
	switch (octets)
	{
		case 512:
			return TLSEXT_max_fragment_length_512;
		case 1024:
			return TLSEXT_max_fragment_length_1024;
		case 2048:
			return TLSEXT_max_fragment_length_2048;
		case 4096:
			return TLSEXT_max_fragment_length_4096;
		default:
			return TLSEXT_max_fragment_length_DISABLED;
	}
}

/* SGP.02: TLS 1.2 and no other, no session is ever taken up again. */
static SSL_CTX *
make_context(const char *suites, unsigned max_fragment)
{
	SSL_CTX    *ctx = SSL_CTX_new(TLS_client_method());

	need(ctx != NULL, "no context");
	need(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
		 SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) == 1, "version 1.2");
	need(SSL_CTX_set_cipher_list(ctx, suites) == 1, suites);
	need(SSL_CTX_set_max_send_fragment(ctx, SEND_FRAGMENT) == 1, "fragments");
	need(SSL_CTX_set_tlsext_max_fragment_length(ctx, (uint8_t) fragment_mode(max_fragment)) == 1, "max_fragment_length");
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* thousands of sessions, most of them waiting */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_psk_client_callback(ctx, show_key);
	return ctx;
}

TlsContexts *
tls_contexts_new(unsigned max_fragment)
{
	TlsContexts *contexts = make(sizeof *contexts);

	for (int i = 0; i < TLS_SUITES; i++)
		contexts->ctx[i] = make_context(suite_names[i], max_fragment);
	return contexts;
}

void
tls_contexts_free(TlsContexts *contexts)
{
	if (contexts == NULL)
		return;
	for (int i = 0; i < TLS_SUITES; i++)
		SSL_CTX_free(contexts->ctx[i]);
	free(contexts);
}

static void
shake_hands(TlsSession *session)
{
	int			result = SSL_do_handshake(session->ssl);

	if (result == 1)
		session->state = TLS_OPEN;
	else if (SSL_get_error(session->ssl, result) != SSL_ERROR_WANT_READ)
		session->state = TLS_FAILED;
	ERR_clear_error();
}

TlsSession *
tls_session_new(const TlsContexts *contexts, TlsSuites suites, const char *identity, SmsrBytes key)
{
	TlsSession *session = make(sizeof *session + strlen(identity) + 1);

	strcpy(session->identity, identity);
	memcpy(session->key, key.data, key.len < KEY_LEN ? key.len : KEY_LEN);
	session->ssl = SSL_new(contexts->ctx[suites]);
	session->from = BIO_new(BIO_s_mem());
	session->to = BIO_new(BIO_s_mem());
	need(session->ssl != NULL && session->from != NULL && session->to != NULL, "no session");
	BIO_set_mem_eof_return(session->from, -1);
	SSL_set_bio(session->ssl, session->from, session->to);
	SSL_set_app_data(session->ssl, session);
	SSL_set_connect_state(session->ssl);
	shake_hands(session);
	return session;
}

void
tls_session_free(TlsSession *session)
{
	if (session == NULL)
		return;
	SSL_free(session->ssl);
	ERR_clear_error();
	free(session);
}

TlsState
tls_session_receive(TlsSession *session, SmsrBytes octets, Text *text)
{
	char		room[4096];

	if (octets.len > 0)
		need(BIO_write(session->from, octets.data, (int) octets.len) == (int) octets.len, "no memory");
	if (session->state == TLS_HANDSHAKE)
		shake_hands(session);
	while (session->state == TLS_OPEN)
	{
		int			n = SSL_read(session->ssl, room, sizeof room);

		if (n > 0)
		{
			text_add(text, room, (size_t) n);
			continue;
		}
		switch (SSL_get_error(session->ssl, n))
		{
			case SSL_ERROR_WANT_READ:
				ERR_clear_error();
				return session->state;
			case SSL_ERROR_ZERO_RETURN:
				session->state = TLS_CLOSED;
				break;
			default:
				session->state = TLS_FAILED;
				break;
		}
		ERR_clear_error();
	}
	return session->state;
}

bool
tls_session_send(TlsSession *session, SmsrBytes text)
{
	bool		done = session->state == TLS_OPEN &&
		SSL_write(session->ssl, text.data, (int) text.len) == (int) text.len;

	ERR_clear_error();
	return done;
}

void
tls_session_close(TlsSession *session)
{
	if (session->state == TLS_OPEN || session->state == TLS_CLOSED)
		SSL_shutdown(session->ssl);
	ERR_clear_error();
}

void
tls_session_take(TlsSession *session, Text *octets)
{
	char	   *data;
	long		len = BIO_get_mem_data(session->to, &data);

	if (len <= 0)
		return;
	text_add(octets, data, (size_t) len);
	(void) BIO_reset(session->to);
}

const char *
tls_session_suite(const TlsSession *session)
{
	return SSL_get_cipher_name(session->ssl);
}
