# kill -9 of the server in the middle of a campaign, twice: nothing is lost,
# nothing is done twice, every operation ends once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $stack = SmsrStack->new('crash', cards => 60);
my $node = $stack->node;
$stack->start_fleet;
$stack->start_gateway;

# What this SM-SR has said about counters, kept outside of the server.
sub counters
{
	return { map { split /\|/ } split /\n/, $stack->sql("SELECT eid, max(counter) FROM smsr.keyset WHERE type = 'SCP80' GROUP BY 1") };
}

sub crash
{
	my $pid = $node->{_pid};
	kill 'KILL', $pid;
	$node->{_pid} = undef;
	# its children notice that it is gone, a moment later
	sleep 0.05 while kill 0, $pid;
	sleep 0.5;
	$node->start;
	return;
}

my $enable = $stack->sql(<<'SQL');
SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
	FROM smsr.profile WHERE state = 'Disabled') AS chosen,
	smsr.request('enable_profile', eids, iccids)
SQL
is($enable, 60, 'a campaign is requested');

for my $round (1, 2)
{
	my $wanted = 10 * $round;
	for (1 .. 200)
	{
		last if $stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NOT NULL') >= $wanted;
		sleep 0.01;
	}
	my $before = counters();
	crash();
	my $after = counters();
	my @back = grep { $after->{$_} < $before->{$_} } keys %$before;
	is("@back", '', "crash $round: no counter went back");
	ok($stack->sql('SELECT count(*) FROM smsr.operation') == 60, "crash $round: all operations are there");
}

ok($stack->wait_until_done(45), 'all operations come to an end');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation WHERE function = 'enable_profile'"),
	'EXECUTED_SUCCESS', 'and all of them succeed');
is($stack->sql(<<'SQL'), '', 'each operation has one record in the audit trail');
SELECT o.id, count(a.*) FROM smsr.operation o LEFT JOIN smsr.audit_trail a ON a.eid = o.eid AND a.operation_id = o.id AND a.status IS NOT NULL
WHERE o.function = 'enable_profile' GROUP BY 1 HAVING count(a.*) <> 1
SQL
is($stack->differences, '', 'the database and the cards agree');
is($stack->counters_used_twice, '', 'no card was sent a counter twice for two commands');
is($stack->sql('SELECT count(*) FROM smsr.outbound'), 0, 'no packet is left over');

# The gateway dies as well, without a word.
$stack->sql(<<'SQL');
SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
	FROM smsr.profile WHERE state = 'Enabled') AS chosen,
	smsr.request('disable_profile', eids, iccids)
SQL
sleep 0.2;
$stack->end('gateway', 'KILL');
$stack->start_gateway;
ok($stack->wait_until_done(45), 'a gateway that was killed: its successor finishes');
is($stack->differences, '', 'and the database and the cards agree');
is($stack->counters_used_twice, '', 'and no counter was used twice');

$stack->stop;
done_testing();
