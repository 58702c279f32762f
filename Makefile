# smsr: an SM-SR of GSMA SGP.02 as a PostgreSQL extension
#
# make, make install, make installcheck as with any PGXS module; "make test"
# runs every suite there is in throw-away clusters.

.DEFAULT_GOAL = all

EXTENSION = smsr
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" smsr.control)

MODULE_big = smsr
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/core/*.c) $(wildcard src/pg/*.c)))

DATA_built = $(EXTENSION)--$(EXTVERSION).sql
DATA = $(sort $(wildcard src/sql/updates/*.sql))

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --load-extension=$(EXTENSION)

specs = $(sort $(wildcard test/isolation/specs/*.spec))
ifneq ($(specs),)
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(specs))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=$(EXTENSION)
endif

# initdb, and so every TAP test, refuses to run as root
taps = $(sort $(wildcard test/t/*.pl))
ifneq ($(taps),)
ifneq ($(shell id -u),0)
TAP_TESTS = 1
PROVE_TESTS = $(taps)
else
installcheck: no-tap-as-root
endif
endif

EXTRA_CLEAN = build

# Bitcode would need the very clang that the server was built with, and gains
# nothing for functions that spend their time in libcrypto.
override with_llvm = no

PG_CONFIG ?= pg_config

# -isystem: the warnings below are for our code, not for the server's headers
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) \
	$(shell xml2-config --cflags 2>/dev/null || pkg-config --cflags libxml-2.0) \
	$(shell pkg-config --cflags p11-kit-1)
# Only xmldsig.c: they define more than their own names
XMLSEC_CPPFLAGS = $(subst -I,-isystem ,$(shell pkg-config --cflags xmlsec1-openssl))
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wmissing-prototypes -Wshadow \
	-Wno-unused-parameter -Werror=implicit-function-declaration
# clang complains about what the server, built by gcc, says in gcc's words
ifneq (,$(findstring clang,$(CC)))
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument \
	-Wno-ignored-attributes
endif
SHLIB_LINK = -lxmlsec1-openssl -lxmlsec1 -lcrypto -lxml2 -lm

# Not -fvisibility=hidden for all: in PostgreSQL 15 PG_FUNCTION_INFO_V1 does not
# mark a function for export
SHLIB_EXPORTS = src/pg/exports.txt

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# test, demo and bench install what is missing, so they must work without it
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
all install installcheck:
	@echo "The server's headers are missing: scripts/install-deps.sh build installs them," >&2
	@echo "or set PG_CONFIG to the pg_config of the server to build for." >&2
	@exit 1
endif

# Names of core are short, and nobody outside needs them
src/core/%.o: override CFLAGS += -fvisibility=hidden

src/pg/xmldsig.o: override CPPFLAGS += $(XMLSEC_CPPFLAGS)

src/pg/smsr.o: override CPPFLAGS += -DSMSR_VERSION=\"$(EXTVERSION)\"
src/pg/smsr.o: smsr.control

# PGXS knows no header dependencies; the whole house compiles in seconds
$(OBJS): $(wildcard src/core/*.h src/pg/*.h) Makefile

$(EXTENSION)--$(EXTVERSION).sql: $(sort $(wildcard src/sql/[0-9]*.sql)) smsr.control
	cat $(filter %.sql,$^) > $@.tmp
	mv $@.tmp $@

-include gateway/gateway.mk
-include test/gateway/interop.mk
-include test/core/core.mk
-include test/fuzz/fuzz.mk
-include test/euicc/euicc.mk
-include test/pkcs11/pkcs11.mk
-include test/leak/leak.mk

.PHONY: test chaos bench demo checkver ack typedefs no-tap-as-root

test:
	test/run.sh

# make chaos MINUTES=10 SEED=7: the long form of the suite
chaos:
	test/chaos/run.sh

bench:
	bench/run.sh

demo:
	demo/run.sh

# The version is written in three files for people and tools; they must agree
checkver:
	@for f in META.json CHANGELOG.md; do \
		grep -qF '$(EXTVERSION)' $$f || { echo "$$f does not know version $(EXTVERSION) of smsr.control" >&2; exit 1; }; \
	done
	@grep -q '"version": "$(EXTVERSION)"' META.json || { echo "META.json has another version" >&2; exit 1; }
	@sed -n '/^## /{p;q}' CHANGELOG.md | grep -qF '## $(EXTVERSION) ' || { echo "CHANGELOG.md begins with another version" >&2; exit 1; }

# Accept what the last installcheck printed
ack:
	cp results/*.out expected/

# Our types, for pgindent
typedefs:
	grep -rhE --include='*.[ch]' '^typedef (struct|enum) [A-Z]|^} [A-Z][A-Za-z0-9]+;' src gateway test | \
		sed -E 's/^} //; s/^typedef (struct|enum) //; s/[ ;{].*//' | LC_ALL=C sort -u > typedefs.list

no-tap-as-root:
	@echo "TAP tests are left out: they do not run as root"
