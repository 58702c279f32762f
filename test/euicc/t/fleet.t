#!/usr/bin/perl
# What the cards have in common, and the SMSC's store, with the sanitizers.
use strict;
use warnings;

exec 'build/euicc-test/fleet-test' or die "build/euicc-test/fleet-test: $!\n";
