#!/usr/bin/perl
# The logic of cards, with the sanitizers.
use strict;
use warnings;

exec 'build/euicc-test/card-test' or die "build/euicc-test/card-test: $!\n";
