# What the benches measure with.  Sourced by run.sh.
# shellcheck shell=bash disable=SC2154

times() { awk -v n="$1" -v scale="$SCALE" 'BEGIN { v = int(n * scale); print v < 1 ? 1 : v }'; }
divide() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b == 0 ? 0 : a / b }'; }
group() {
	LC_ALL=C awk -v n="$1" 'BEGIN {
		s = sprintf("%.0f", n)
		while (length(s) > 3) { r = " " substr(s, length(s) - 2) r; s = substr(s, 1, length(s) - 3) }
		print s r
	}'
}

per_second() { awk -v n="$1" -v s="$2" 'BEGIN { print n / s }'; }
sum() { awk 'BEGIN { for (i = 1; i < ARGC; i++) s += ARGV[i]; print s }' "$@"; }

heading() { printf '\n%s\n' "$1"; }
figure() { printf '    %-58s %12s %s\n' "$1" "$(group "$2")" "$3"; }

ratio() { printf '    %-58s %12s\n' "$1" "$(divide "$2" "$3")"; }

missed=0
# verdict RATIO ">="|"<=" TARGET TEXT
verdict() {
	local met
	met=$(awk -v r="$1" -v op="$2" -v t="$3" 'BEGIN { print (op == ">=" ? r >= t : op == "<" ? r < t : r <= t) ? "met" : "missed" }')
	[[ $met == met ]] || missed=$((missed + 1))
	printf '    %-58s %12s     design %s %s: %s\n' "$4" "$1" "$2" "$3" "$met"
}

query() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

# What psql says after \timing on.
milliseconds() { sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }
timed() { psql -XAtq -v ON_ERROR_STOP=1 | milliseconds; }

# Seconds that a statement takes, its commit included; the best of $2 (1).
seconds() {
	local best='' i t
	for ((i = 0; i < ${2:-1}; i++)); do
		t=$(psql -XAtq -v ON_ERROR_STOP=1 -c "SET jit = off" -c "SET max_parallel_workers_per_gather = 0" \
			-c '\timing on' -c "$1" | milliseconds | tail -n 1)
		best=$(awk -v a="${best:-$t}" -v b="$t" 'BEGIN { print (a < b ? a : b) }')
	done
	awk -v ms="$best" 'BEGIN { print ms / 1000 }'
}

# The same rows and bytes into a table of the same shape and indexes, without
# triggers: what PostgreSQL alone takes.  plain_insert TABLE CONDITION
plain_insert() {
	query "SET client_min_messages = warning; DROP TABLE IF EXISTS plain;
		CREATE TABLE plain (LIKE smsr.$1 INCLUDING ALL); CHECKPOINT"
	seconds "INSERT INTO plain SELECT * FROM smsr.$1 ${2:+WHERE $2}"
}


clear_operations() {
	query "TRUNCATE smsr.operation, smsr.outbound, smsr.message, smsr.notice, smsr.campaign, smsr.campaign_member, smsr.campaign_wave,
		smsr.campaign_stretch, smsr.campaign_running, smsr.campaign_pace; DELETE FROM smsr.lane WHERE campaign_id IS NOT NULL"
}
