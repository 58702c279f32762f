# What a custodian of a key in a token does, for the tests.

build/pkcs11-gcm: test/pkcs11/gcm.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra $(shell pkg-config --cflags p11-kit-1) -o $@ $<
