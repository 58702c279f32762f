/*
 * tls.c
 *	  The server's side of PSK-TLS over a socket that never blocks.
 *
 * SGP.02 2.4.4: TLS 1.2 alone, two suites, no resumption.
 */
#include "tls.h"
#include "log.h"
#include "memory.h"

#include <errno.h>
#include <openssl/async.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SUITES "PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256"

/* Each handshake that waits for its key keeps a stack of 32 kB. */
#define WAITING_FOR_KEYS 256

/* as long as SGP.02 lets a PSK be */
#define KEY_LONGEST 64

struct TlsServer
{
	SSL_CTX    *context;
};

struct Tls
{
	SSL		   *ssl;
	int			fd;
	bool		waiting;		/* a handshake is left in the middle of server_key() */
	bool		renegotiates;	/* the peer has asked for a second handshake */
	uint8_t		key[KEY_LONGEST];
	size_t		key_length;
	char		identity[TLS_IDENTITY];
	char		reason[96];
};

/* OpenSSL asks for a key: leave the handshake here until there is one. */
static unsigned int
server_key(SSL *ssl, const char *identity, unsigned char *key, unsigned int size)
{
	Tls		   *tls = SSL_get_app_data(ssl);
	unsigned	length = 0;

	/* what no card is called by is looked up all the same: it takes the same time */
	snprintf(tls->identity, sizeof(tls->identity), "%s", identity);
	for (const char *c = identity; *c; c++)
	{
		if (*c < 0x20 || *c > 0x7E)
			strcpy(tls->identity, "?");
	}
	if (tls->identity[0] == '\0')
		strcpy(tls->identity, "?");
	tls->waiting = true;
	if (ASYNC_get_current_job() == NULL || ASYNC_pause_job() == 0)
		tls->key_length = 0;
	tls->waiting = false;

	if (tls->key_length > 0 && tls->key_length <= size)
	{
		memcpy(key, tls->key, tls->key_length);
		length = (unsigned) tls->key_length;
	}
	OPENSSL_cleanse(tls->key, sizeof(tls->key));
	tls->key_length = 0;
	return length;
}

/* OpenSSL answers a renegotiation with a warning for ever; once is enough. */
static void
watch_alerts(int write_p, int version, int content_type, const void *data, size_t length, SSL *ssl, void *argument)
{
	const uint8_t *alert = data;
	Tls		   *tls = SSL_get_app_data(ssl);

	(void) version;
	(void) argument;
	if (write_p && content_type == SSL3_RT_ALERT && length == 2 && alert[1] == SSL_AD_NO_RENEGOTIATION)
		tls->renegotiates = true;
}

/* Stacks for handshakes that wait are the thread's: its servers share them. */
static bool
start_waiting(void)
{
	static bool started;

	if (!started)
		started = ASYNC_init_thread(WAITING_FOR_KEYS, 0) == 1;
	return started;
}

TlsServer *
tls_server_new(int record_size)
{
	TlsServer  *server = memory_new(sizeof(TlsServer));
	SSL_CTX    *context = SSL_CTX_new(TLS_server_method());

	server->context = context;
	if (context == NULL ||
		!SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) ||
		!SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) ||
		!SSL_CTX_set_cipher_list(context, SUITES) ||
		!SSL_CTX_set_max_send_fragment(context, (size_t) record_size) ||
		!start_waiting())
	{
		log_error("TLS cannot be set up: %s", ERR_reason_error_string(ERR_peek_last_error()));
		ERR_clear_error();
		tls_server_free(server);
		return NULL;
	}
	/* a stricter policy of the system forbids what lacks forward secrecy, and cards know nothing else */
	SSL_CTX_set_security_level(context, 2);
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
						SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_psk_server_callback(context, server_key);
	SSL_CTX_set_msg_callback(context, watch_alerts);
	return server;
}

void
tls_server_free(TlsServer *server)
{
	SSL_CTX_free(server->context);
	free(server);
}

Tls *
tls_new(TlsServer *server, int fd)
{
	Tls		   *tls = memory_new(sizeof(Tls));

	tls->fd = fd;
	tls->ssl = SSL_new(server->context);
	if (tls->ssl == NULL || !SSL_set_app_data(tls->ssl, tls) || !SSL_set_fd(tls->ssl, fd))
	{
		log_error("TLS: %s", ERR_reason_error_string(ERR_peek_last_error()));
		ERR_clear_error();
		SSL_free(tls->ssl);
		free(tls);
		return NULL;
	}
	SSL_set_accept_state(tls->ssl);
	/* for the handshake alone: nothing else may have to wait */
	SSL_set_mode(tls->ssl, SSL_MODE_ASYNC);
	return tls;
}

static TlsOutcome
failed(Tls *tls, const char *reason)
{
	snprintf(tls->reason, sizeof(tls->reason), "%s", reason);
	return TLS_FAILED;
}

static TlsOutcome
outcome_of(Tls *tls, int result, int error_number)
{
	unsigned long code;

	switch (SSL_get_error(tls->ssl, result))
	{
		case SSL_ERROR_NONE:
			return TLS_DONE;
		case SSL_ERROR_WANT_READ:
			return TLS_WANT_READ;
		case SSL_ERROR_WANT_WRITE:
			return TLS_WANT_WRITE;
		case SSL_ERROR_WANT_ASYNC:
			return TLS_WANT_KEY;
		case SSL_ERROR_WANT_ASYNC_JOB:
			return TLS_WANT_ROOM;
		case SSL_ERROR_ZERO_RETURN:
			return TLS_ENDED;
		case SSL_ERROR_SYSCALL:
			if (error_number == 0)
				return TLS_ENDED;
			return failed(tls, strerror(error_number));
		default:
			code = ERR_peek_last_error();
			if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
				return TLS_ENDED;
			return failed(tls, code && ERR_reason_error_string(code) ? ERR_reason_error_string(code) : "unknown error");
	}
}

/* OpenSSL's queue of errors is the thread's: it must be empty before each call. */
#define TLS_CALL(tls, call) \
	(ERR_clear_error(), errno = 0, result = (call), outcome_of(tls, result, errno))

TlsOutcome
tls_handshake(Tls *tls)
{
	int			result;
	TlsOutcome	outcome = TLS_CALL(tls, SSL_do_handshake(tls->ssl));

	if (outcome == TLS_DONE)
		SSL_clear_mode(tls->ssl, SSL_MODE_ASYNC);
	return outcome;
}

const char *
tls_identity(const Tls *tls)
{
	return tls->identity;
}

void
tls_set_key(Tls *tls, const void *key, size_t length)
{
	if (length == 0 || length > sizeof(tls->key))
	{
		/* "unknown_psk_identity" would be an answer to a question nobody may ask */
		shutdown(tls->fd, SHUT_RDWR);
		tls->key_length = 0;
		return;
	}
	memcpy(tls->key, key, length);
	tls->key_length = length;
}

void
tls_free(Tls *tls)
{
	/* a handshake left in the middle keeps a stack; let it come to its end */
	if (tls->waiting)
	{
		tls_set_key(tls, NULL, 0);
		(void) tls_handshake(tls);
	}
	SSL_free(tls->ssl);
	ERR_clear_error();
	OPENSSL_cleanse(tls->key, sizeof(tls->key));
	free(tls);
}

TlsOutcome
tls_read(Tls *tls, void *data, size_t size, size_t *length)
{
	int			result;
	TlsOutcome	outcome;

	*length = 0;
	outcome = TLS_CALL(tls, SSL_read_ex(tls->ssl, data, size, length));
	if (tls->renegotiates)
		return failed(tls, "renegotiation asked for");
	return outcome;
}

TlsOutcome
tls_write(Tls *tls, const void *data, size_t size, size_t *length)
{
	int			result;

	*length = 0;
	return TLS_CALL(tls, SSL_write_ex(tls->ssl, data, size, length));
}

void
tls_close(Tls *tls)
{
	ERR_clear_error();
	(void) SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

const char *
tls_suite(const Tls *tls)
{
	return SSL_get_cipher_name(tls->ssl);
}

const char *
tls_reason(const Tls *tls)
{
	return tls->reason;
}
