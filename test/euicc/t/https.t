#!/usr/bin/perl
# Sessions of cards over HTTPS, with the sanitizers.
use strict;
use warnings;

exec 'build/euicc-test/https-test' or die "build/euicc-test/https-test: $!\n";
