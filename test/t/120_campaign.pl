# Campaigns and crashes: cut off while it is planned or while a piece of it is
# released, there is nothing of it; killed again and again while it runs, each of
# its members ends once.  And cards that refuse halt it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Utils;
use PsqlSession;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $stack = SmsrStack->new('campaign', cards => 80);
my $node = $stack->node;

sub crash
{
	my $pid = $node->{_pid};
	kill 'KILL', $pid;
	$node->{_pid} = undef;
	sleep 0.05 while kill 0, $pid;
	sleep 0.5;
	$node->start;
	return;
}

sub stored
{
	return $stack->sql(<<'SQL');
SELECT (SELECT count(*) FROM smsr.campaign), (SELECT count(*) FROM smsr.campaign_member), (SELECT count(*) FROM smsr.campaign_wave),
	(SELECT count(*) FROM smsr.campaign_stretch), (SELECT count(*) FROM smsr.lane WHERE campaign_id IS NOT NULL),
	(SELECT count(*) FROM smsr.audit_trail WHERE function = 'create_campaign')
SQL
}

sub progress
{
	my ($name, $columns) = @_;
	return $stack->sql("SELECT $columns FROM smsr.campaign_progress WHERE name = '$name'");
}

sub wait_for
{
	my ($name, $state, $seconds) = @_;
	my $end = time + $seconds;
	while (time < $end)
	{
		return 1 if progress($name, 'state') =~ /^$state$/;
		sleep 0.2;
	}
	diag(progress($name, '*'));
	diag($stack->sql('SELECT function, stage, step, doubt, count(*) FROM smsr.operation WHERE status IS NULL GROUP BY 1, 2, 3, 4'));
	return 0;
}

my $cohort = q{SELECT eid, iccid FROM smsr.profile WHERE state = 'Disabled' ORDER BY eid};

# ---- cut off while it is planned ----

# whoever holds the SM-SR's chain holds up its last step: all members are there by then
{
	my $holder = PsqlSession->new($node);
	my $planner = PsqlSession->new($node);
	$holder->ask('BEGIN');
	$holder->ask("SELECT smsr.pin_eid_range('89001012012341234012345678901224', '89001012012341234012345678901224', '1.3.6.1.4.1.99999.3')");
	my $pid = $planner->pid;
	$planner->{in} .= "SELECT smsr.create_campaign('cut off', 'enable_profile', \$\$$cohort\$\$);\n";
	for (1 .. 200)
	{
		$planner->{psql}->pump_nb;
		last if $stack->sql("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $pid") eq 'Lock';
		sleep 0.05;
	}
	is($stack->sql("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $pid"), 'Lock', 'a campaign is almost planned');
	crash();
	$_->{psql}->kill_kill for $holder, $planner;
}
is(stored(), '0|0|0|0|0|0', 'after a crash there is nothing of it');

my $c = $stack->sql("SELECT smsr.create_campaign('move', 'enable_profile', \$\$$cohort\$\$, '{\"waves\": \"canary 5, then 25, then rest\", \"backlog\": 20}')");
is(stored(), '1|80|3|3|1|1', 'planned again, all of it is there');
crash();
is(stored(), '1|80|3|3|1|1', 'also after a crash');
is($stack->sql("SELECT members_digest = smsr.members_digest(id) FROM smsr.campaign"), 't', 'and its members are those that were frozen');

# ---- cut off while it is released ----

$stack->sql("SELECT smsr.start_campaign($c)");
{
	my $clock = PsqlSession->new($node);
	$clock->ask('BEGIN');
	$clock->ask('SELECT smsr.tick()');
	is($clock->ask("SELECT running FROM smsr.campaign_progress"), '5', 'a piece is released');
	crash();
	$clock->{psql}->kill_kill;
}
is(progress('move', 'state, running, waiting'), 'running|0|80', 'after a crash it is not');
is($stack->sql('SELECT count(*) FROM smsr.operation'), 0, 'nor is there an operation of it');
is($stack->sql('SELECT count(*) FROM smsr.outbound'), 0, 'or a packet');

# ---- killed while it runs ----

$stack->start_fleet;
$stack->start_gateway;
for my $ended (8, 40)
{
	for (1 .. 400)
	{
		last if progress('move', 'done') >= $ended;
		sleep 0.05;
	}
	crash();
}
ok(wait_for('move', 'finished', 60), 'killed twice, it finishes');
is(progress('move', 'done, failed, cancelled, running, again, waiting'), '80|0|0|0|0|0', 'with all its members');
is($stack->sql('SELECT string_agg(format(\'%s %s\', succeeded + warned, members), \', \' ORDER BY wave) FROM smsr.campaign_wave'), '5 5, 25 25, 50 50', 'in waves');
is($stack->sql('SELECT bool_and(f.ended_at <= n.started_at) FROM smsr.campaign_wave f JOIN smsr.campaign_wave n ON n.wave = f.wave + 1'), 't', 'one after the other');
is($stack->sql(<<'SQL'), '', 'each member was released once and ended once');
SELECT m.n, count(o.id) FROM smsr.campaign_member m LEFT JOIN smsr.operation o ON o.eid = m.eid AND o.campaign_id = m.campaign_id
GROUP BY 1 HAVING count(o.id) <> 1
SQL
is($stack->sql("SELECT state, attempts, count(*) FROM smsr.campaign_result GROUP BY 1, 2"), 'done|1|80', 'as its results say');
ok($stack->wait_until_done(30), 'all operations come to an end');
is($stack->differences, '', 'the database and the cards agree');
is($stack->counters_used_twice, '', 'no card was sent a counter twice for two commands');

# ---- cards that refuse ----

# the canary is of good cards, of the others half will not leave their profile
my @cards = split /\n/, $stack->sql('SELECT eid FROM smsr.euicc ORDER BY eid');
my %tar = map { split /\|/ } split /\n/, $stack->sql("SELECT eid, upper(encode(smsr.aid_tar(isdp_aid), 'hex')) FROM smsr.profile WHERE state = 'Enabled'");
$stack->ctl('pol1', $cards[$_], $tar{ $cards[$_] }, '1') for grep { $_ % 2 } 10 .. $#cards;
my $b = $stack->sql("SELECT smsr.create_campaign('back', 'enable_profile', \$\$$cohort\$\$, '{\"waves\": \"canary 10, then rest\", \"backlog\": 10, \"max_failure_rate\": 0.1}')");
$stack->sql("SELECT smsr.start_campaign($b)");
ok(wait_for('back', 'halted', 60), 'half of the second wave fails: it halts by itself');
like(progress('back', 'because'), qr/^\d+ of \d+ failed in wave 2$/, 'and says why');
is($stack->sql("SELECT succeeded FROM smsr.campaign_wave WHERE campaign_id = $b AND wave = 1"), 10, 'the canary was well');
$stack->wait_until_done(30);
sleep 1;
my ($done, $failed, $waiting) = split /\|/, progress('back', 'done, failed, waiting');
cmp_ok($waiting, '>', 0, 'the rest was never touched');
is($stack->sql("SELECT count(*) FROM smsr.message m JOIN smsr.operation o ON o.id = m.operation_id AND o.eid = m.eid
	WHERE o.campaign_id = $b AND m.sent_at > (SELECT max(recorded_at) + interval '1 s' FROM smsr.audit_trail WHERE function = 'halt_campaign') AND m.step = 'enable' AND m.attempts = 1"), 0,
	'and nothing new left after the halt');
like(progress('back', 'failed_by_reason'), qr/^\{"FAILED 8\.2\.2 3\.8 POL1 forbids it": $failed\}$/, 'the reasons are counted');

# the failed ones are let go, and go in a campaign of their own; the rest is cancelled
$stack->sql("SELECT smsr.cancel_campaign($b)");
ok(wait_for('back', 'cancelled', 20), 'it is cancelled');
$stack->ctl('pol1', $cards[$_], $tar{ $cards[$_] }, '0') for grep { $_ % 2 } 10 .. $#cards;
$stack->sql("SELECT smsr.start_campaign(smsr.rerun_campaign($b, 'back again', '{\"waves\": \"rest\"}'))");
ok(wait_for('back again', 'finished', 60), 'the failed ones again');
is(progress('back again', 'done, failed'), "$failed|0", 'now they are done');
$stack->sql("SELECT smsr.start_campaign(smsr.undo_campaign($c, 'undo'))");
ok(wait_for('undo', 'finished', 60), 'and what is left of the first campaign is undone');
is($stack->sql(q{SELECT count(*) FROM smsr.profile WHERE state = 'Enabled' AND NOT fallback_attribute}), 0, 'all cards are where they came from');
ok($stack->wait_until_done(30), 'all operations come to an end');
is($stack->differences, '', 'the database and the cards agree');
is($stack->counters_used_twice, '', 'no card was sent a counter twice for two commands');

$stack->stop;
done_testing();
