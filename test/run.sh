#!/bin/bash
# make test: every suite, quick ones first, then one line "N passed, N failed".
#
#   make test                         all of it
#   make test ONLY="regress tap"      some
#   make test ONLY=tap TAP=060        one of the TAP tests
#
# A suite's output goes to a file; of a failure the relevant end is shown.  A
# suite that ran no test, or that ended in another way than its results say,
# counts as one failed test.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

all=(checkver warnings core fuzz regress pgtap isolation euicc gateway tap e2e chaos)
read -ra only <<<"${ONLY:-${all[*]}}"
for suite in "${only[@]}"; do
	if [[ " ${all[*]} " != *" $suite "* ]]; then
		echo "no suite \"$suite\"; there are: ${all[*]}" >&2
		exit 2
	fi
done

scripts/install-deps.sh test
smsr_name='test'
# shellcheck source=scripts/cluster.sh
. scripts/cluster.sh
make_work

passed=0
failed=0
failures=()
summary() { echo "$passed passed, $failed failed"; }
complete=0
# shellcheck disable=SC2016
at_exit '((complete)) || { failed=$((failed + 1)); echo "The run was cut short."; keep_logs; summary; }'

# ---- what suites print, counted ----

# TAP, of one program or of several in a row.  A test that a plan promised and
# that did not come counts as failed, and so does a test that no plan promised.
count_tap() {
	awk '
		/^1\.\.[0-9]+/ { planned += substr($1, 4) }
		/^ok [^ ]/ { if (!/# *(SKIP|skip|TODO|todo)/) good++; seen++ }
		/^not ok/ { if (!/# *(TODO|todo)/) bad++; seen++ }
		/^Bail out!/ { bad++ }
		END { if (planned != seen) bad += 1; print good + 0, bad + 0 }
	' "$1"
}

# pg_regress and pg_isolation_regress: "test x ... ok 5 ms" (15) or TAP (16 on).
count_regress() {
	awk '
		/^(test|    ) .*\.\.\. ok/ || /^ok / { good++ }
		/^(test|    ) .*\.\.\. FAILED/ || /^not ok / { bad++ }
		END { print good + 0, bad + 0 }
	' "$1"
}

# make fuzz-quick: a line for each target that found nothing.
count_fuzz() {
	awk '/: no fault in [0-9]+/ { good++ } /: FAILED$/ { bad++ } END { print good + 0, bad + 0 }' "$1"
}

# ---- the suites: each writes to stdout and says how to count it ----

# A suite that starts a server of its own must not find ours.
apart() { env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE "$@"; }

server_started=
server() {
	[[ -z $server_started ]] || return 0
	cluster_start fsync=off || return
	server_started=1
}

# The regression tests begin without a key encryption key, others need one.
server_with_kek() {
	server || return
	make_kek
	psql -Xq -d postgres -c "LOAD 'smsr'" -c "ALTER SYSTEM SET smsr.kek_file = '$work/kek'" -c 'SELECT pg_reload_conf()' >/dev/null
}

suite_checkver() {
	counting=tap
	echo "1..1"
	if make -s checkver; then echo "ok 1 - the version is the same everywhere"; else echo "not ok 1 - checkver"; fi
}

suite_warnings() {
	counting=tap
	local copy=$work/warnings compiler
	echo "1..2"
	for compiler in gcc clang; do
		rm -rf "$copy"
		mkdir "$copy"
		tar -cf - --exclude=./.git --exclude=./log --exclude=./build --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude='*.a' . |
			tar -xf - -C "$copy"
		if make -s -C "$copy" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" CC="$compiler" CFLAGS='-O2 -Werror' \
			GATEWAY_OPTIMISE='-O2 -Werror' all build/smsr-gateway build/smsr-fleet; then
			echo "ok - $compiler compiles without a warning"
		else
			echo "not ok - $compiler warns"
		fi
	done
	rm -rf "$copy"
}

suite_core() {
	counting=tap
	make -s core-test
}

suite_fuzz() {
	counting=fuzz
	make -s fuzz-quick
}

suite_regress() {
	counting=regress
	server || return
	local pgxs tests=() f
	pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
	for f in sql/*.sql; do tests+=("$(basename "$f" .sql)"); done
	"$pgxs/test/regress/pg_regress" --bindir="$pgbin" --host="$PGHOST" --port="$PGPORT" --user=postgres \
		--inputdir=. --outputdir="$logs/regress" --dbname=regress --load-extension=smsr \
		"${tests[@]}"
}
regress_failed() { head -n 60 "$logs/regress/regression.diffs" 2>/dev/null; }

suite_pgtap() {
	counting=tap
	server || return
	dropdb --if-exists pgtap
	createdb pgtap
	psql -Xq -v ON_ERROR_STOP=1 -d pgtap -c 'SET client_min_messages = warning' \
		-c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION smsr CASCADE'
	pg_prove --verbose --dbname pgtap test/pgtap/*.sql
}

suite_isolation() {
	counting=regress
	server_with_kek || return
	local pgxs specs=() f
	pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
	for f in test/isolation/specs/*.spec; do
		[[ -e $f ]] && specs+=("$(basename "$f" .spec)")
	done
	((${#specs[@]})) || { echo "no specs"; return 1; }
	"$pgxs/test/isolation/pg_isolation_regress" --bindir="$pgbin" --host="$PGHOST" --port="$PGPORT" --user=postgres \
		--inputdir=test/isolation --outputdir="$logs/isolation" --dbname=isolation \
		--load-extension=smsr "${specs[@]}"
}
isolation_failed() { head -n 60 "$logs/isolation/regression.diffs" 2>/dev/null; }

suite_tap() {
	counting=tap
	[[ -n ${pgbin:-} ]] || stage_server || return
	smsr_build build/smsr-gateway build/smsr-fleet build/pkcs11-gcm build/leak-hunt || return
	local pgxs
	pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
	# initdb refuses to be root, and the tree may be where postgres cannot look.
	rm -rf "$work/tap"
	mkdir -p "$work/tap/test" "$work/tap/tmp"
	cp -r build "$work/tap/"
	cp -r test/t "$work/tap/test/"
	cp -r scripts "$work/tap/"
	((EUID != 0)) || chown -R postgres: "$work/tap"
	local status=0
	as_owner env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE PATH="$pgbin:$PATH" \
		TESTDIR="$work/tap" TMPDIR="$work/tap/tmp" PG_REGRESS="$pgxs/test/regress/pg_regress" \
		SMSR_ROOT="$work/tap" PERL5LIB="$pgxs/test/perl:$work/tap/test/t/lib" \
		sh -c "cd '$work/tap' && exec prove --verbose test/t/${TAP:-}*.pl" || status=$?
	cp -r "$work/tap/tmp_check/log" "$logs/tap" 2>/dev/null || true
	return "$status"
}

suite_euicc() {
	counting=tap
	apart test/euicc/run.sh
}

suite_gateway() {
	counting=tap
	[[ -n ${pgbin:-} ]] || stage_server || return
	smsr_build build/smsr-gateway build/https-peers || return
	apart PATH="$pgbin:$PATH" test/gateway/run.sh --verbose "$PWD"/test/gateway/t/*.t
}

suite_e2e() {
	counting=tap
	apart test/e2e/run.sh && apart test/e2e/https.sh
}

suite_chaos() {
	counting=tap
	apart test/chaos/run.sh
}

# ---- run them ----

declare -A title=(
	[checkver]='Versions agree'
	[warnings]='Compiles without warnings, gcc and clang'
	[core]='Core, on the host'
	[fuzz]='Core, fuzzed for a moment'
	[regress]='SQL regression (pg_regress)'
	[pgtap]='Schema, privileges and rules (pgTAP)'
	[isolation]='Races (isolation tester)'
	[euicc]='The simulated fleet'
	[gateway]='The gateway'
	[tap]='Crash, dump and restore (TAP)'
	[e2e]='End to end: database, gateway, faulty network, cards'
	[chaos]='Chaos: everything fails, and what must hold then'
)

run_suite() {
	local suite=$1 started=$SECONDS status=0 good bad log=$logs/$1.log
	printf '%-55s ' "${title[$suite]}"
	counting=tap
	# Not in a subshell: what a suite starts, others use.
	set +e
	"suite_$suite" >"$log" 2>&1
	status=$?
	set -e
	read -r good bad < <("count_$counting" "$log")
	if ((good + bad == 0)) || ((status != 0 && bad == 0)); then
		bad=$((bad + 1))
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
	printf '%5d passed %3d failed %4d s\n' "$good" "$bad" $((SECONDS - started))
	if ((bad)); then
		failures+=("$(grep -E '^not ok|\.\.\. FAILED|^Bail out|: FAILED$' "$log" | head -n 10 | sed "s/^/    $suite: /")")
		if declare -F "${suite}_failed" >/dev/null; then
			"${suite}_failed" | sed 's/^/    /' || true
		fi
		grep -n -E '^not ok|FAILED|^Bail out|[Ee]rror' "$log" | head -n 20 | sed 's/^/    /' || true
		echo "    ..."
		tail -n 15 "$log" | sed 's/^/    /'
		echo "    (status $status)"
	fi
}

for suite in "${all[@]}"; do
	[[ " ${only[*]} " != *" $suite "* ]] || run_suite "$suite"
done
# shellcheck disable=SC2034
complete=1
echo "$SECONDS s in all"
if ((failed)); then
	keep_logs
	# once more at the end, which is all that some will see
	echo "What failed:"
	printf '%s\n' "${failures[@]}"
fi
summary
((failed == 0))
