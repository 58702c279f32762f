# The simulated fleet: build/smsr-fleet, and the tools of its tests.
#
# Included by the Makefile, or used alone: make -f test/euicc/euicc.mk fleet

FLEET_CFLAGS ?= -O2 -g
FLEET_FLAGS = -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wmissing-prototypes -Wshadow -Isrc \
	$(filter -Werror,$(CFLAGS))
FLEET_NOUNS = memory random timers identity faults profile switching establish card fleet \
	interpreter download tls_session http_reader https_link https_agent https_exchange \
	smpp_pdu smsc session store control control_socket signer eis options
FLEET_OBJS = $(FLEET_NOUNS:%=build/euicc/%.o)
FLEET_LIBS = -lssl -lcrypto -lm

fleet: build/smsr-fleet

build/smsr-fleet: build/euicc/main.o $(FLEET_OBJS) build/libsmsrcore.a
	$(CC) $(FLEET_CFLAGS) -o $@ $^ $(FLEET_LIBS)

build/smsr-rehearsal: build/euicc/t/rehearsal.o $(FLEET_OBJS) build/libsmsrcore.a
	$(CC) $(FLEET_CFLAGS) -o $@ $^ $(FLEET_LIBS)

build/euicc/%.o: test/euicc/%.c $(wildcard test/euicc/*.h test/euicc/t/*.h) $(wildcard src/core/*.h)
	@mkdir -p $(@D)
	$(CC) $(FLEET_FLAGS) $(FLEET_CFLAGS) -c -o $@ $<

# The tests run a fleet with the sanitizers in it.
FLEET_SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLEET_TEST_OBJS = $(FLEET_NOUNS:%=build/euicc-test/%.o)

build/euicc-test/%.o: test/euicc/%.c $(wildcard test/euicc/*.h test/euicc/t/*.h) $(wildcard src/core/*.h)
	@mkdir -p $(@D)
	$(CC) $(FLEET_FLAGS) $(FLEET_CFLAGS) $(FLEET_SANITIZE) -c -o $@ $<

build/euicc-test/smsr-fleet: build/euicc-test/main.o $(FLEET_TEST_OBJS) build/libsmsrcore.a
	$(CC) $(FLEET_SANITIZE) -o $@ $^ $(FLEET_LIBS)

build/euicc-test/%-test: build/euicc-test/t/%-test.o build/euicc-test/t/subject.o $(FLEET_TEST_OBJS) \
	build/libsmsrcore.a
	$(CC) $(FLEET_SANITIZE) -o $@ $^ $(FLEET_LIBS)

build/euicc-test/https-test: build/euicc-test/t/admin_server.o

fleet-test-programs: build/smsr-fleet build/smsr-rehearsal build/euicc-test/smsr-fleet \
	build/euicc-test/card-test build/euicc-test/fleet-test build/euicc-test/http-test build/euicc-test/https-test

fleet-test: fleet-test-programs
	test/euicc/run.sh

.PHONY: fleet fleet-test fleet-test-programs

# Used alone, the library's rules are missing still.
ifndef CORE_LIB
include test/core/core.mk
endif
