# Core outside PostgreSQL: a library for the programs that speak the card's
# side, and core's own tests.  Included by the Makefile.

CORE_SRCS = $(sort $(wildcard src/core/*.c))
CORE_HDRS = $(wildcard src/core/*.h)
CORE_LIB = build/libsmsrcore.a
CORE_CFLAGS = -std=c11 -O2 -g -Wall -Wextra -Wmissing-prototypes -Wshadow -Werror -fPIC
CORE_LIBS = -lcrypto -lm

core_objs = $(patsubst src/core/%.c,build/core/%.o,$(CORE_SRCS))

$(core_objs): build/core/%.o: src/core/%.c $(CORE_HDRS)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -Isrc -c -o $@ $<

$(CORE_LIB): $(core_objs)
	@rm -f $@
	$(AR) rcs $@ $^

.PHONY: core-lib core-test
core-lib: $(CORE_LIB)

# Everything once more with the sanitizers; an error of theirs ends the run.
core_test_srcs = $(sort $(wildcard test/core/*.c))
core_test_objs = $(patsubst %.c,build/core-test/%.o,$(CORE_SRCS) $(core_test_srcs))
CORE_SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

$(core_test_objs): build/core-test/%.o: %.c $(CORE_HDRS) $(wildcard test/core/*.h)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CORE_SANITIZE) -Isrc -c -o $@ $<

build/core-test/run_tests: $(core_test_objs)
	$(CC) $(CORE_SANITIZE) -o $@ $^ $(CORE_LIBS)

# Takes as long as all others, and goes beside them.
CORE_LONGEST = procedure_exhaustive

core-test: build/core-test/run_tests
	@$< $(CORE_LONGEST) >build/core-test/longest.tap & \
	longest=$$!; status=0; \
	$< $(CORE_LONGEST:%=-%) || status=1; \
	wait $$longest || status=1; \
	cat build/core-test/longest.tap; \
	exit $$status
