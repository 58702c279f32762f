# Clients that make many sessions with the gateway's HTTPS server; tests and the
# bench use them, the gateway does not.

build/https-peers: test/gateway/https_peers.c
	@mkdir -p build
	$(CC) -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wmissing-prototypes -Wshadow $(filter -Werror,$(CFLAGS)) \
		-o $@ $< -lssl -lcrypto
