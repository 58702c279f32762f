#!/bin/bash
# make bench: speed and size as ratios to what the same machine does without
# smsr in the same run, absolute figures beside them.
#
#   make bench                 all of it, a few minutes
#   make bench SCALE=0.1       a quick trial; the figures mean less
#   make bench ONLY="packets"  some of: packets register rotation campaign claim enables guard memory receive import router plan calls https
#   make bench ONLY="receive" RECEIVED=1000000   so many messages received
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

SCALE=${SCALE:-1}
all=(packets register rotation campaign claim enables guard memory receive import router plan calls https)
read -ra only <<<"${ONLY:-${all[*]}}"

scripts/install-deps.sh test
smsr_name='bench'
# shellcheck source=scripts/stack.sh
. scripts/stack.sh

for part in measure inventory keys queue traffic size router https; do
	# shellcheck source=/dev/null
	. "bench/$part.sh"
done

# As doc/operations.md has it, for a machine that is the server's: a quarter of the memory.
buffers=$(awk '/^MemTotal/ { print int($2 / 1024 / 4) }' /proc/meminfo)MB

echo "$(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(date +%Y-%m-%d), scale $SCALE"
stack_database "shared_buffers = '$buffers'" "max_wal_size = '16GB'" "work_mem = '64MB'" "jit = off"
echo "PostgreSQL $(query 'SHOW server_version'), fsync $(query 'SHOW fsync'), shared_buffers $(query 'SHOW shared_buffers'), max_wal_size $(query 'SHOW max_wal_size')"
for bench in "${all[@]}"; do
	[[ " ${only[*]} " != *" $bench "* ]] || "bench_$bench"
done
echo
# shellcheck disable=SC2154
if ((missed)); then
	echo "$missed of the design's targets missed, $SECONDS s in all"
else
	echo "All of the design's targets met, $SECONDS s in all"
fi
