#!/bin/sh
# The simulated fleet's own tests.  Prints TAP.
#
#   test/euicc/run.sh            all of them
#   test/euicc/run.sh smsc       one
cd "$(dirname "$0")/../.." || exit 2
make -s -f test/euicc/euicc.mk fleet-test-programs >&2 || exit 2
[ $# -gt 0 ] || set -- card fleet http https sessions eis smsc rehearsal
for name do
	shift
	set -- "$@" "test/euicc/t/$name.t"
done
exec prove --verbose --nocolor "$@"
