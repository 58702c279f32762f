# The simulated fleet: build/smsr-fleet, and the tools of its tests.
#
# Included by the Makefile, or used alone: make -f test/euicc/euicc.mk fleet

FLEET_CFLAGS ?= -O2 -g
FLEET_FLAGS = -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wmissing-prototypes -Wshadow -Isrc
FLEET_NOUNS = memory random timers identity faults profile switching card fleet \
	smpp_pdu smsc session store control control_socket eis options
FLEET_OBJS = $(FLEET_NOUNS:%=build/euicc/%.o)
FLEET_LIBS = -lcrypto

fleet: build/smsr-fleet

build/smsr-fleet: build/euicc/main.o $(FLEET_OBJS) build/libsmsrcore.a
	$(CC) $(FLEET_CFLAGS) -o $@ $^ $(FLEET_LIBS)

build/smsr-rehearsal: build/euicc/t/rehearsal.o $(FLEET_OBJS) build/libsmsrcore.a
	$(CC) $(FLEET_CFLAGS) -o $@ $^ $(FLEET_LIBS)

build/euicc/card-test: build/euicc/t/card-test.o $(FLEET_OBJS) build/libsmsrcore.a
	$(CC) $(FLEET_CFLAGS) -o $@ $^ $(FLEET_LIBS)

build/euicc/%.o: test/euicc/%.c $(wildcard test/euicc/*.h) $(wildcard src/core/*.h)
	@mkdir -p $(@D)
	$(CC) $(FLEET_FLAGS) $(FLEET_CFLAGS) -c -o $@ $<

fleet-test: build/smsr-fleet build/smsr-rehearsal build/euicc/card-test
	test/euicc/run.sh

.PHONY: fleet fleet-test

# Used alone, the library's rules are missing still.
ifndef CORE_LIB
include test/core/core.mk
endif
