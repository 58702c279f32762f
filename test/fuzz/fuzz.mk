# libFuzzer on the readers of core, and the gateway's.  Included by the Makefile after core.mk.
# What a run finds stays in build/fuzz; test/fuzz/corpus has the seeds.

FUZZ_CC = clang
FUZZ_SECONDS = 60
FUZZ_CFLAGS = -std=c11 -O1 -g -Wall -Wextra -Wmissing-prototypes -Wshadow -Werror \
	-fno-omit-frame-pointer -fno-sanitize-recover=all
FUZZ_SANITIZE = address,undefined

fuzz_targets = $(sort $(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/fuzz_*.c)))
fuzz_core_objs = $(patsubst src/core/%.c,build/fuzz/core/%.o,$(CORE_SRCS))

$(fuzz_core_objs): build/fuzz/core/%.o: src/core/%.c $(CORE_HDRS)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE) -Isrc -c -o $@ $<

build/fuzz/libcore.a: $(fuzz_core_objs)
	@rm -f $@
	$(AR) rcs $@ $^

$(addprefix build/fuzz/,$(fuzz_targets)): build/fuzz/%: test/fuzz/%.c $(wildcard test/fuzz/*.h) \
		build/fuzz/libcore.a
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer,$(FUZZ_SANITIZE) -Isrc -o $@ $< \
		build/fuzz/libcore.a $(CORE_LIBS)

build/fuzz/fuzz_http_request: gateway/request.c gateway/request.h gateway/memory.c

.PHONY: fuzz fuzz-quick fuzz-build
fuzz-build: $(addprefix build/fuzz/,$(fuzz_targets))

# The first directory is where libFuzzer writes, the second is only read.
fuzz-quick: FUZZ_SECONDS = 3
fuzz fuzz-quick: fuzz-build
	@for t in $(fuzz_targets); do \
		mkdir -p build/fuzz/found/$$t build/fuzz/crash; \
		if build/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 \
			-verbosity=0 -print_final_stats=1 -artifact_prefix=build/fuzz/crash/$$t- \
			build/fuzz/found/$$t test/fuzz/corpus/$$t > build/fuzz/$$t.log 2>&1; then \
			sed -n "s/^stat::number_of_executed_units: */$$t: no fault in /p" build/fuzz/$$t.log; \
		else \
			cat build/fuzz/$$t.log; \
			echo "$$t: FAILED"; \
			exit 1; \
		fi; \
	done
