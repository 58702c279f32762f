# A synchronous standby takes over: no counter is used twice, nothing is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $stack = SmsrStack->new('primary', cards => 30, allows_streaming => 1);
my $primary = $stack->node;

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()");
$primary->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
	or die 'the standby is not synchronous';

$stack->start_fleet;
$stack->start_gateway;
is($stack->sql(<<'SQL'), 30, 'a campaign is requested');
SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
	FROM smsr.profile WHERE state = 'Disabled') AS chosen,
	smsr.request('enable_profile', eids, iccids)
SQL
for (1 .. 200)
{
	last if $stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NOT NULL') >= 5;
	sleep 0.02;
}
like($standby->safe_psql('postgres', 'SELECT count(*) FROM smsr.euicc'), qr/^30$/, 'the standby answers questions');

my $seen = $stack->sql("SELECT count(*) FROM smsr.operation WHERE status IS NOT NULL");
$primary->stop('immediate');
$stack->end('gateway', 'KILL');
$standby->promote;
$standby->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()');
$stack->{node} = $standby;
cmp_ok($stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NOT NULL'), '>=', $seen, 'no end that was committed is lost');
is($stack->sql('SELECT count(*) FROM smsr.operation'), 30, 'no operation is lost');

$stack->start_gateway;
ok($stack->wait_until_done(45), 'the gateway finishes on the standby what began on the primary');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation WHERE function = 'enable_profile'"),
	'EXECUTED_SUCCESS', 'and all of it succeeds');
is($stack->differences, '', 'the database and the cards agree');
is($stack->counters_used_twice, '', 'no counter was used twice');

$stack->stop;
done_testing();
