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

echo "$(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(date +%Y-%m-%d), scale $SCALE"
stack_database "shared_buffers = '256MB'" "max_wal_size = '4GB'" "work_mem = '64MB'" "jit = off"
echo "PostgreSQL $(query 'SHOW server_version'), fsync $(query 'SHOW fsync')"
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
