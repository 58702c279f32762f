# units.c, compiled with sanitizers

use strict;
use warnings;
use File::Spec;
use File::Temp qw(tempdir);
use FindBin;
use Test::More;

my $root = File::Spec->rel2abs("$FindBin::Bin/../../..");
my $compiler = $ENV{CC} // 'cc';
my $binary = tempdir(CLEANUP => 1) . '/units';
my @sources = map { "$root/gateway/$_.c" } qw(smpp receipt status window memory log);

if (system("command -v $compiler >/dev/null && test -f /usr/include/libsmpp34/smpp34.h") != 0)
{
	plan skip_all => 'no compiler or no libsmpp34 to compile with';
}
my $flags = '-std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all';
if (system("$compiler $flags -I $root/gateway -isystem /usr/include/libsmpp34 -o $binary "
		. "$root/test/gateway/units.c @sources -lsmpp34") != 0)
{
	fail('units.c compiles');
	done_testing();
	exit 1;
}
my $output = `$binary 2>&1`;
my $status = $?;
my $plan;
for (split /\n/, $output)
{
	if (/^(not )?ok \d+ - (.*)/) { ok(!$1, $2); }
	elsif (/^1\.\.(\d+)$/) { $plan = $1; }
	else { diag($_); }
}
is($status, 0, 'it ends well');
ok(defined $plan, 'it ends at all');
done_testing();
