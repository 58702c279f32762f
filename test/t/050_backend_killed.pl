# kill -9 of the very backend that is at it, in the last moment before it
# commits, at each step of an operation's way.  Nothing is half done: neither
# here nor, in the end, on the card.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $stack = SmsrStack->new('killed', cards => 2, fleet => [ '--repeat', '2', '--attach', '1' ]);
my $node = $stack->node;
$node->append_conf('postgresql.conf', "restart_after_crash = on");
$node->reload;
my ($eid) = split /\n/, $stack->sql('SELECT eid FROM smsr.euicc ORDER BY 1');

# Whoever writes what the table says waits at the end of his statement.
$stack->sql(<<'SQL');
CREATE SCHEMA hold;
CREATE TABLE hold.at (what text);
CREATE FUNCTION hold.here() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		IF EXISTS (SELECT FROM hold.at WHERE what = TG_ARGV[0]) THEN
			PERFORM pg_sleep(60);
		END IF;
		RETURN NULL;
	END $$;
CREATE TRIGGER hold AFTER INSERT ON smsr.operation FOR EACH ROW EXECUTE FUNCTION hold.here('request');
CREATE TRIGGER hold_claim AFTER UPDATE ON smsr.outbound FOR EACH ROW
	WHEN (new.attempts > old.attempts) EXECUTE FUNCTION hold.here('claim');
CREATE TRIGGER hold_submitted AFTER UPDATE ON smsr.outbound FOR EACH ROW
	WHEN (new.accepted > old.accepted) EXECUTE FUNCTION hold.here('submitted');
CREATE TRIGGER hold_answer AFTER INSERT ON smsr.message_default FOR EACH ROW
	WHEN (new.outcome = 'answer') EXECUTE FUNCTION hold.here('answer');
CREATE TRIGGER hold_notification AFTER INSERT ON smsr.message_default FOR EACH ROW
	WHEN (new.outcome = 'notification') EXECUTE FUNCTION hold.here('notification');
CREATE TRIGGER hold_deadline AFTER INSERT ON smsr.audit_trail FOR EACH ROW
	WHEN (new.status = 'EXPIRED') EXECUTE FUNCTION hold.here('deadline');
SQL

sub hold { my ($what) = @_; $stack->sql("INSERT INTO hold.at VALUES ('$what')"); return; }

# Wait until somebody is held, look at what others see then, and kill him.
sub kill_held
{
	my ($what, $and_first) = @_;
	my $pid = '';
	for (1 .. 200)
	{
		$pid = $stack->sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' LIMIT 1");
		last if $pid ne '';
		sleep 0.05;
	}
	like($pid, qr/^\d+$/, "$what: a backend is in the middle of it") or return;
	$stack->sql('DELETE FROM hold.at');
	$and_first->() if $and_first;
	kill 'KILL', $pid;
	# the postmaster ends all the others and recovers
	my $up = 0;
	for (1 .. 200)
	{
		sleep 0.05;
		$up = kill(0, $pid) == 0 && system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) == 0;
		last if $up;
	}
	ok($up, "$what: the server is back");
	return;
}

# What of the operations could be half done.
sub state
{
	return $stack->sql(<<'SQL');
SELECT (SELECT string_agg(format('%s %s %s %s %s', o.id, o.step, o.stage, o.doubt, o.status), ', ' ORDER BY o.id) FROM smsr.operation o),
	(SELECT string_agg(format('%s %s %s %s', b.id, b.step, b.cntr, md5(b.packet)), ', ' ORDER BY b.id) FROM smsr.outbound b),
	(SELECT string_agg(k.counter::text, ' ' ORDER BY k.eid) FROM smsr.keyset k WHERE k.type = 'SCP80'),
	(SELECT string_agg(p.state, ' ' ORDER BY p.eid, p.isdp_aid) FROM smsr.profile p),
	(SELECT count(*) FROM smsr.message), (SELECT count(*) FROM smsr.audit_trail), (SELECT count(*) FROM smsr.notice)
SQL
}

sub iccid { my ($state) = @_; return $stack->sql("SELECT iccid FROM smsr.profile WHERE eid = '$eid' AND state = '$state' LIMIT 1"); }

# How often this card carried out this change.
sub carried_out
{
	my ($kind) = @_;
	return scalar grep { /\t$kind\t.*\t9000\t\d+$/ } split /\n/, $stack->ctl('commands', $eid);
}

sub all_well
{
	my ($what, $operation, $kind, $times) = @_;
	ok($stack->wait_until_done(15), "$what: the operation ends");
	is($stack->sql("SELECT status FROM smsr.operation WHERE id = $operation"), 'EXECUTED_SUCCESS', "$what: with success");
	is($stack->sql("SELECT count(*) FROM smsr.audit_trail WHERE operation_id = $operation AND status IS NOT NULL"), 1, "$what: once");
	is(carried_out($kind), $times, "$what: the card did it once");
	is($stack->differences, '', "$what: card and database agree");
	is($stack->counters_used_twice, '', "$what: no counter came twice");
	return;
}

$stack->start_fleet;

# ---- the call ----

my $before = state();
my $wanted = iccid('Disabled');
hold('request');
my ($in, $out, $err) = ('', '', '');
my $caller = IPC::Run::start [ 'psql', '-XAtq', '-d', $node->connstr('postgres'),
	'-c', "SELECT smsr.enable_profile('$eid', '$wanted', call_id => 'once')" ], '<', \$in, '>', \$out, '2>', \$err;
kill_held('call');
$caller->finish;
is($out, '', 'call: the caller got no answer');
is(state(), $before, 'call: nothing of it is there');
my $enable = $stack->sql("SELECT smsr.enable_profile('$eid', '$wanted', call_id => 'once')");
is($stack->sql('SELECT count(*) FROM smsr.operation'), 1, 'call: called again, it is there once');

# ---- the claim ----

$before = state();
hold('claim');
$stack->start_gateway;
# the gateway with it, or it would claim again before we have looked
kill_held('claim', sub { $stack->end('gateway', 'KILL') });
is(state(), $before, 'claim: no counter was used and no packet made');
is($stack->ctl('stats') =~ /^mt_submitted=(\d+)/m && $1, 0, 'claim: nor had anything left');

# ---- what the SMSC said ----

hold('submitted');
$stack->start_gateway;
kill_held('submitted');
# The packet has left; whether the card has it, nobody here knows.  It goes again as it was.
my $octets = $stack->sql("SELECT packet FROM smsr.outbound WHERE operation_id = $enable");
all_well('submitted', $enable, 'enable', 1);
is($stack->sql("SELECT count(DISTINCT octets) FROM smsr.message WHERE operation_id = $enable AND step = 'enable' AND direction = 'out'"), 1,
	'submitted: one packet, however often it went');

# ---- the answer, and the notification ----

my $switch = 'disable';
my %times = (enable => 1, disable => 0);
for my $what ('answer', 'notification')
{
	my $iccid = iccid($switch eq 'disable' ? 'Enabled' : 'Disabled');
	hold($what);
	my $operation = $stack->sql("SELECT smsr.${switch}_profile('$eid', '$iccid')");
	kill_held($what);
	all_well($what, $operation, $switch, ++$times{$switch});
	$switch = $switch eq 'disable' ? 'enable' : 'disable';
}

# ---- the clock ----

$stack->ctl('off', $eid);
hold('deadline');
my $late = $stack->sql("SELECT smsr.disable_profile('$eid', '@{[iccid('Enabled')]}', validity => '1 s')");
kill_held('deadline');
for (1 .. 100)
{
	last if $stack->sql("SELECT status IS NOT NULL FROM smsr.operation WHERE id = $late") eq 't';
	sleep 0.1;
}
is($stack->sql("SELECT status FROM smsr.operation WHERE id = $late"), 'EXPIRED', 'deadline: the operation expires');
is($stack->sql("SELECT count(*) FROM smsr.audit_trail WHERE operation_id = $late AND status IS NOT NULL"), 1, 'deadline: once');
is($stack->sql("SELECT count(*) FROM smsr.operation WHERE function = 'audit_eis'"), 1, 'deadline: and one audit asks what became of it');
$stack->ctl('on', $eid);
ok($stack->wait_until_done(15), 'deadline: which the card answers when it is back');
sleep 0.3;
is($stack->differences, '', 'deadline: card and database agree');
is($stack->sql('SELECT count(*) FROM smsr.outbound'), 0, 'no packet is left over');

$stack->stop;
done_testing();
