#!/usr/bin/perl
# Answers of administration servers, with the sanitizers.
use strict;
use warnings;

exec 'build/euicc-test/http-test' or die "build/euicc-test/http-test: $!\n";
