# How fast short messages arrive at the SMSC: a bind's limit, set in the database,
# and the gateway's own rate.  A proxy between the gateway and the SMSC looks at the
# clock at each submit_sm.

use strict;
use warnings;

use FindBin;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $cards = 120;
my $limit = 40;
my $stack = SmsrStack->new('pace', cards => $cards);
$stack->start_fleet;

# The proxy: a line for each submit_sm, and one for how late it may have been.
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5, ReuseAddr => 1) or die "listen: $!";
my $arrivals = "$stack->{dir}/arrivals";
my $proxy = fork // die "fork: $!";
if ($proxy == 0)
{
	open my $log, '>>', $arrivals or die $!;
	$log->autoflush(1);
	$SIG{TERM} = sub { POSIX::_exit(0) };
	my (%other, %pending, %upward);
	my $select = IO::Select->new($listener);
	my $looked = time;
	while (1)
	{
		my @ready = $select->can_read(0.01);
		my $now = time;
		printf $log "late %.6f %.6f\n", $now, $now - $looked - 0.01 if $now - $looked > 0.02;
		$looked = $now;
		for my $socket (@ready)
		{
			if ($socket == $listener)
			{
				my $client = $listener->accept or next;
				my $smsc = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $stack->{port}) or do { close $client; next };
				@other{ $client, $smsc } = ($smsc, $client);
				$upward{$client} = 1;
				$select->add($client, $smsc);
				next;
			}
			my $other = $other{$socket};
			my $n = sysread $socket, my $octets, 65536;
			if (!$n)
			{
				$select->remove($socket, $other);
				close $_ for $socket, $other;
				next;
			}
			if ($upward{$socket})
			{
				$pending{$socket} .= $octets;
				while (length $pending{$socket} >= 8)
				{
					my ($length, $command) = unpack 'NN', $pending{$socket};
					last if length $pending{$socket} < $length;
					printf $log "submit %.6f\n", $now if $command == 4;
					substr($pending{$socket}, 0, $length) = '';
				}
			}
			syswrite $other, $octets;
		}
	}
}
$stack->{pid}{proxy} = $proxy;
$stack->{port} = $listener->sockport;

# Audits of all cards; returns the times of arrival and how late the proxy was.
sub arrivals
{
	my ($what) = @_;
	$stack->write_file('arrivals', '');
	$stack->start_gateway;
	$stack->sql("SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS e, smsr.request('audit_eis', eids)");
	ok($stack->wait_until_done(60), "$what: all are carried out");
	is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation"), 'EXECUTED_SUCCESS', "$what: and succeed");
	$stack->end('gateway');
	my @lines = split /\n/, slurp_file($arrivals);
	my @times = sort { $a <=> $b } map { /^submit (.*)/ ? $1 : () } @lines;
	my ($first, $last) = @times[ 0, -1 ];
	my $late = 0;
	for (map { /^late (\S+) (\S+)/ && $1 >= $first && $1 <= $last + 1 ? $2 : () } @lines)
	{
		$late = $_ if $_ > $late;
	}
	cmp_ok(scalar(@times), '>=', $cards, "$what: each has arrived");
	note(sprintf '%s: %d messages in %.2f s, the proxy was %.3f s late at most', $what, scalar(@times), $last - $first, $late);
	return ($late, @times);
}

# The most that arrived within so many seconds.
sub most_within
{
	my ($seconds, @times) = @_;
	my ($most, $from) = (0, 0);
	for my $to (0 .. $#times)
	{
		$from++ while $times[$to] - $times[$from] >= $seconds;
		$most = $to - $from + 1 if $to - $from + 1 > $most;
	}
	return $most;
}

# What is claimed is written at once: so much in a second, and what came late of the one before.
is($stack->sql("SELECT smsr.set_gateway_limit('smsc', $limit)"), 't', 'the bind has a limit');
my ($late, @times) = arrivals('limit');
cmp_ok($times[-1] - $times[0], '>=', $#times / $limit - 1 - 0.3 - $late, 'limit: not sooner than it lets them');
cmp_ok(most_within(1 - 0.3 - $late, @times), '<=', $limit, 'limit: no second has more, but for what was on its way')
	if $late < 0.5;

# The gateway's rate is the SMSC's second: a tenth more at most, in any.
$stack->{bind_settings} = "rate = $limit";
($late, @times) = arrivals('rate');
cmp_ok(most_within(1 - $late, @times), '<=', 1.1 * $limit, 'rate: a tenth more at most in any second') if $late < 0.9;
cmp_ok($times[-1] - $times[0], '>=', $#times / $limit - 1 - 0.3 - $late, 'rate: nor sooner');

# What was on the way is counted, also of cards that have answered before the SMSC
# was heard to have accepted it; not the first seconds of a connection in which all of
# these have, for then nobody knows whose they were (sql/lanes.sql has each case).
ok($stack->node->poll_query_until('postgres', "SELECT sum(messages) >= $cards FROM smsr.bind_count"), 'at least half of both is counted')
	or diag($stack->sql('SELECT gateway, slot, messages FROM smsr.bind_count ORDER BY slot'));

$stack->stop;
done_testing();
