# units.c and http_units.c, compiled with sanitizers

use strict;
use warnings;
use File::Spec;
use File::Temp qw(tempdir);
use FindBin;
use Test::More;

my $root = File::Spec->rel2abs("$FindBin::Bin/../../..");
my $compiler = $ENV{CC} // 'cc';
my $directory = tempdir(CLEANUP => 1);

if (system("command -v $compiler >/dev/null && test -f /usr/include/libsmpp34/smpp34.h") != 0)
{
	plan skip_all => 'no compiler or no libsmpp34 to compile with';
}
my $flags = '-std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all';

sub units
{
	my ($program, $sources, $libraries) = @_;
	my @sources = map { "$root/gateway/$_.c" } @$sources;
	if (system("$compiler $flags -I $root/gateway -isystem /usr/include/libsmpp34 -o $directory/$program "
			. "$root/test/gateway/$program.c @sources $libraries") != 0)
	{
		fail("$program.c compiles");
		return;
	}
	my $output = `$directory/$program 2>&1`;
	my $status = $?;
	my $plan;
	for (split /\n/, $output)
	{
		if (/^(not )?ok \d+ - (.*)/) { ok(!$1, $2); }
		elsif (/^1\.\.(\d+)$/) { $plan = $1; }
		else { diag($_); }
	}
	is($status, 0, "$program ends well");
	ok(defined $plan, 'it ends at all');
	return;
}

units('units', [qw(smpp receipt status window memory log)], '-lsmpp34');
units('http_units', [qw(request response memory log)], '');
done_testing();
