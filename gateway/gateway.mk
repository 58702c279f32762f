# The gateway is an ordinary program, so it is built outside PGXS.  Include this
# file from the Makefile, or use it alone: make -f gateway/gateway.mk gateway

GATEWAY_BUILD = build/gateway
GATEWAY_SOURCES = $(wildcard gateway/*.c)
GATEWAY_OBJECTS = $(GATEWAY_SOURCES:gateway/%.c=$(GATEWAY_BUILD)/%.o)

GATEWAY_CC ?= $(CC)
GATEWAY_OPTIMISE ?= -O2 -g -fstack-protector-strong
# libsmpp34's headers are not ours to keep free of warnings, hence -isystem
GATEWAY_CFLAGS = -std=c11 -D_GNU_SOURCE $(GATEWAY_OPTIMISE) \
	-Wall -Wextra -Wmissing-prototypes -Wshadow \
	$(patsubst -I%,-isystem %,$(shell pkg-config --cflags libsmpp34 libpq libssl))
GATEWAY_LIBS = $(shell pkg-config --libs libsmpp34 libpq libssl libcrypto) -lm

.PHONY: gateway gateway-check gateway-clean

gateway: build/smsr-gateway

build/smsr-gateway: $(GATEWAY_OBJECTS)
	$(GATEWAY_CC) $(GATEWAY_CFLAGS) -o $@ $(GATEWAY_OBJECTS) $(GATEWAY_LIBS)

$(GATEWAY_BUILD)/%.o: gateway/%.c $(wildcard gateway/*.h)
	@mkdir -p $(GATEWAY_BUILD)
	$(GATEWAY_CC) $(GATEWAY_CFLAGS) -c -o $@ $<

gateway-check: gateway
	test/gateway/run.sh

gateway-clean:
	rm -rf $(GATEWAY_BUILD) build/smsr-gateway
