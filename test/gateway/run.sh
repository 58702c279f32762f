#!/bin/sh
# The gateway's own tests: against an SMSC that is not ours (Net::SMPP) and a
# stand-in for the extension in a throwaway PostgreSQL cluster.
#
#   test/gateway/run.sh [prove options] [t/*.t]
#
# Needs the gateway built (make gateway), PostgreSQL 15, Net::SMPP and IPC::Run.
# Works as root too: the cluster then belongs to the user postgres.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${PG_BIN:-/usr/lib/postgresql/15/bin}
: "${SMSR_GATEWAY:=$root/build/smsr-gateway}"

for module in Net::SMPP IPC::Run
do
	perl -M$module -e 1 2>/dev/null || {
		echo "1..0 # SKIP Perl has no $module"
		exit 0
	}
done
[ -x "$SMSR_GATEWAY" ] || {
	echo "$SMSR_GATEWAY is missing: make gateway" >&2
	exit 1
}

cluster=$(mktemp -d /tmp/smsr-gateway-db-XXXXXX)
if [ "$(id -u)" -eq 0 ]
then
	chown postgres "$cluster"
	as_postgres='runuser -u postgres --'
else
	as_postgres=
fi
chmod 755 "$cluster"

finish()
{
	status=$?
	trap - EXIT
	(cd / && $as_postgres "$bin/pg_ctl" -D "$cluster/data" -m immediate -s stop) >/dev/null 2>&1 || :
	rm -rf "$cluster"
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# sockets only: no port to be found, nothing to be reached from outside
cd /
$as_postgres "$bin/initdb" -D "$cluster/data" -A trust -N -U postgres --locale=C -E UTF8 >"$cluster/initdb.log" 2>&1 || {
	cat "$cluster/initdb.log" >&2
	exit 1
}
$as_postgres "$bin/pg_ctl" -D "$cluster/data" -w -s -l "$cluster/log" \
	-o "-c listen_addresses='' -c unix_socket_directories=$cluster -c fsync=off -c shared_buffers=32MB" start

SMSR_GATEWAY_CLUSTER=$cluster
export SMSR_GATEWAY SMSR_GATEWAY_CLUSTER PG_BIN="$bin"
cd "$root"
if [ $# -eq 0 ]
then
	set -- "$here"/t/*.t
fi
prove "$@"
