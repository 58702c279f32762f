#!/bin/sh
# The fleet's own tests, as TAP.
cd "$(dirname "$0")/../.." || exit 2
exec prove --failures --nocolor "$@" test/euicc/t/*.t
