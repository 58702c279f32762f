# shellcheck shell=bash
# A throwaway PostgreSQL with smsr in it, for the demo, the tests and the bench.
#
# Nothing goes into the system's PostgreSQL: the server binary is copied into a
# temporary directory, where it looks for libraries and extensions relative to
# itself, and "make install DESTDIR=" puts smsr there.  So no root is needed,
# and when the directory is gone nothing is left.
#
# Source it, then:
#   at_exit 'command'          run at exit, last one first
#   smsr_build [target...]     make
#   cluster_start [fsync=on]   sets and exports PGHOST, PGPORT, PGUSER, PGDATABASE
#   as_owner command...        as the server's owner (postgres, when we are root)
#
# $work is the temporary directory and is the owner's; $logs in it is copied to
# log/NAME in the tree when the script fails, or always if KEEP_LOGS is set.

smsr_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
smsr_name=${smsr_name:-$(basename "$(dirname "$(readlink -f "$0")")")}

if [[ -z ${PG_CONFIG:-} ]]; then
	PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
	[[ -x $PG_CONFIG ]] || PG_CONFIG=$(command -v pg_config || true)
fi
export PG_CONFIG

# ---- tidying up ----

_at_exit=()

at_exit() { _at_exit=("$1" "${_at_exit[@]}"); }

# Copy the logs to where they outlive the temporary directory, once.
keep_logs() {
	[[ -z $_kept && -d ${logs:-} && -n $(ls -A "$logs") ]] || return 0
	_kept=1
	rm -rf "$smsr_root/log/$smsr_name"
	mkdir -p "$smsr_root/log" &&
		cp -r "$logs" "$smsr_root/log/$smsr_name" &&
		echo "The logs of this run are in log/$smsr_name" >&2
}
_kept=

_leave() {
	local status=$? command
	trap '' INT TERM
	trap - EXIT
	set +e
	if ((status != 0)) || [[ -n ${KEEP_LOGS:-} ]]; then
		keep_logs
	fi
	for command in "${_at_exit[@]}"; do
		eval "$command"
	done
	exit "$status"
}
trap _leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Stop a process that we started and wait until it is gone.
stop_process() {
	local pid=$1 i
	kill "$pid" 2>/dev/null || return 0
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.05
	done
	kill -9 "$pid" 2>/dev/null || true
}

# ---- the temporary directory ----

work=
logs=

make_work() {
	[[ -z $work ]] || return 0
	local under=${TMPDIR:-/tmp}
	# A socket's path must fit 107 octets.
	((${#under} < 60)) || under=/tmp
	work=$(mktemp -d "$under/smsr-$smsr_name.XXXXXX")
	at_exit "rm -rf '$work'"
	logs=$work/logs
	mkdir "$logs"
	if ((EUID == 0)); then
		chown postgres: "$work" "$logs"
	fi
}

as_owner() {
	if ((EUID == 0)); then
		(cd / && exec runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

# ---- the build and the private server ----

smsr_build() {
	local log
	log=$(mktemp)
	if ! make -s -C "$smsr_root" PG_CONFIG="$PG_CONFIG" -j"$(nproc)" "$@" >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# Copy the server and put smsr beside it.  Sets $pgbin.
stage_server() {
	make_work
	local bin lib share b f stage=$work/server
	smsr_build all || return
	bin=$("$PG_CONFIG" --bindir)
	lib=$("$PG_CONFIG" --pkglibdir)
	share=$("$PG_CONFIG" --sharedir)
	rm -rf "$stage"
	mkdir -p "$stage$bin" "$stage$lib" "$stage$share/extension"
	for b in postgres initdb pg_ctl; do
		cp "$bin/$b" "$stage$bin/"
	done
	for f in "$bin"/*; do
		[[ -e $stage$bin/${f##*/} ]] || ln -s "$f" "$stage$bin/"
	done
	ln -s "$lib"/* "$stage$lib/"
	for f in "$share"/*; do
		[[ ${f##*/} == extension ]] || ln -s "$f" "$stage$share/"
	done
	ln -s "$share"/extension/* "$stage$share/extension/"
	# Should smsr be installed in the system, it is not that one we want.
	rm -rf "$stage$lib"/smsr.so "$stage$share"/extension/smsr[.-]* "$stage$lib"/bitcode
	smsr_build install DESTDIR="$stage" || return
	((EUID != 0)) || chown -R postgres: "$stage"
	pgbin=$stage$bin
}

cluster_start() {
	local fsync=on option settings=()
	for option in "$@"; do
		case $option in
			fsync=*) fsync=${option#*=} ;;
			*) settings+=("$option") ;;
		esac
	done
	[[ -n ${pgbin:-} ]] || stage_server || return
	data=$work/data
	as_owner mkdir -m 700 "$work/socket"
	as_owner "$pgbin/initdb" --pgdata="$data" --auth=trust --username=postgres \
		--encoding=UTF8 --locale=C.UTF-8 --no-sync >"$logs/initdb.log"
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$work/socket'"
		echo "fsync = $fsync"
		echo "log_line_prefix = '%m [%p] %u %a '"
		echo "log_parameter_max_length = 0"
		echo "log_parameter_max_length_on_error = 0"
		for option in "${settings[@]}"; do
			echo "$option"
		done
	} | as_owner tee -a "$data/postgresql.conf" >/dev/null
	export PGHOST=$work/socket PGPORT=5432 PGUSER=postgres PGDATABASE=smsr
	unset PGSERVICE PGHOSTADDR PGPASSFILE PGOPTIONS
	at_exit cluster_stop
	if ! as_owner "$pgbin/pg_ctl" --pgdata="$data" --wait --silent --log="$logs/postgres.log" start; then
		tail -n 20 "$logs/postgres.log" >&2
		return 1
	fi
	createdb --maintenance-db=postgres smsr
}

cluster_stop() {
	[[ -f $data/postmaster.pid ]] || return 0
	as_owner "$pgbin/pg_ctl" --pgdata="$data" --mode=fast --wait --silent stop ||
		as_owner "$pgbin/pg_ctl" --pgdata="$data" --mode=immediate --silent stop
}

# A KEK of 32 random octets in a file that only the server's owner reads.
make_kek() {
	as_owner sh -c "umask 077; head -c 32 /dev/urandom >'$work/kek'"
}
