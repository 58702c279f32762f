#!/bin/bash
# Install the Debian packages that building, testing and the demo need.
# Quick and silent when they are there; otherwise as root, or with sudo.
#
#   scripts/install-deps.sh [build|demo|test]     demo and test include build; default test
set -euo pipefail

major=15
build=(gcc make libc6-dev pkg-config
	"postgresql-$major" "postgresql-server-dev-$major"
	libssl-dev libxml2-dev libxmlsec1-dev libp11-kit-dev libpq-dev libsmpp34-dev)
demo=(gnuplot-nox)
test=("postgresql-$major-pgtap" libtap-parser-sourcehandler-pgtap-perl
	"postgresql-$major-plproxy" libipc-run-perl libjson-perl libnet-smpp-perl perl python3
	clang libclang-rt-14-dev
	softhsm2 opensc openssl gnutls-bin)

case ${1:-test} in
	build) wanted=("${build[@]}") ;;
	demo) wanted=("${build[@]}" "${demo[@]}") ;;
	test) wanted=("${build[@]}" "${test[@]}") ;;
	*) echo "usage: $0 [build|demo|test]" >&2; exit 2 ;;
esac

installed() {
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

if ! command -v dpkg-query >/dev/null; then
	echo "This is not a Debian system: install by hand what these Debian packages hold," >&2
	echo "then try again: ${wanted[*]}" >&2
	exit 1
fi

missing=()
for package in "${wanted[@]}"; do
	installed "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ((EUID == 0)); then
	root=(env)
elif command -v sudo >/dev/null; then
	echo "These packages are missing and will be installed with sudo: ${missing[*]}"
	root=(sudo)
	if ! sudo -v; then
		echo "sudo was refused. Have root run:" >&2
		echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
else
	echo "These packages are missing, and there is neither root nor sudo to install them:" >&2
	echo "    ${missing[*]}" >&2
	echo "Have root run:" >&2
	echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 1
fi

# Debian's server package makes and starts a cluster "main" when it is first
# installed.  Nobody asked for one here, and it would stay behind: tell it not
# to, for the duration of this installation only.
drop_in=/etc/postgresql-common/createcluster.d
restore() {
	"${root[@]}" rm -f "$drop_in/smsr.conf"
	"${root[@]}" rmdir --ignore-fail-on-non-empty "$drop_in" 2>/dev/null || true
}
if ! installed "postgresql-$major"; then
	trap restore EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	"${root[@]}" mkdir -p "$drop_in"
	echo 'create_main_cluster = false' | "${root[@]}" tee "$drop_in/smsr.conf" >/dev/null
fi

apt() {
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@"
}
log=$(mktemp)
echo "Installing ${missing[*]}"
if ! { apt update && apt install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	rm -f "$log"
	echo "The packages could not be installed: see above." >&2
	exit 1
fi
rm -f "$log"
