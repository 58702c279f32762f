# What the end-to-end tests and the chaos run say and ask.  Sourced by them; prints TAP.
# shellcheck shell=bash disable=SC2154,SC2034

tests=0
failed=0

ok() {
	tests=$((tests + 1))
	if (($1)); then
		echo "ok $tests - $2"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $2"
	fi
}

# is GOT WANTED DESCRIPTION
is() {
	local same=0
	[[ $1 != "$2" ]] || same=1
	ok "$same" "$3"
	((same)) || printf '%s\n' "wanted: $2" "got:    $1" | sed 's/^/# /'
}

sql() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

# Until no operation is open.
finished() {
	local i
	for ((i = 0; i < $1 * 5; i++)); do
		[[ $(sql "SELECT count(*) FROM smsr.operation WHERE status IS NULL") != 0 ]] || return 0
		sleep 0.2
	done
	sql "SELECT function, stage, step, doubt, count(*) FROM smsr.operation WHERE status IS NULL GROUP BY 1, 2, 3, 4" | sed 's/^/# open: /'
	return 1
}

all_end() {
	if finished "$1"; then ok 1 "$2: all operations end"; else ok 0 "$2: all operations end"; fi
}

# The status of one operation, with its codes.
ended() { sql "SELECT concat_ws(' ', status, subject_code, reason_code) FROM smsr.operation WHERE id = $1"; }

# hunt KEYS FOLDER...: the files that have one of the keys, hexadecimal digits a
# line each, in them: as octets, as digits in either case, or as base64
hunt() {
	python3 - "$@" <<-'PY'
		import base64, os, sys
		keys = [bytes.fromhex(k) for k in open(sys.argv[1]).read().split()]
		needles = []
		for k in keys:
		    needles += [k, k.hex().encode(), k.hex().upper().encode(), base64.b64encode(k)[:20]]
		for top in sys.argv[2:]:
		    for folder, _, files in os.walk(top):
		        for f in files:
		            path = os.path.join(folder, f)
		            try:
		                data = open(path, "rb").read()
		            except OSError:
		                continue
		            if any(n in data for n in needles):
		                print(path)
	PY
}
