# Two SM-SRs hand simulated cards to each other: two servers, a gateway each, one
# SMSC, and a carrier between them that loses, doubles and delays.  Cards agree on
# keys for real.  Whatever is broken, at the end every eUICC has one SM-SR, whose
# keys work.

use strict;
use warnings;

use lib 'test/t/lib';

use JSON::PP ();
use SmsrPair;
use Test::More;
use Time::HiRes qw(sleep time);

my $cards = $ENV{SMSR_CARDS} // 1000;
my $root = $ENV{SMSR_ROOT} // '.';
srand(8);

my $pair = SmsrPair->new('handover', cards => $cards);
my ($stack, @node) = ($pair->stack, $pair->nodes);
my @ID = $pair->ids;
my @NUMBER = $pair->numbers;

sub sql { my ($n, $sql) = @_; return $node[$n]->safe_psql('postgres', $sql); }

# ---- the carrier ----

my $json = JSON::PP->new->utf8;
my %faults = (lose => 0, double => 0);
my $lease = '10 s';
my @late;		# messages that come once more, later

# Returns how many messages it had.
sub carry
{
	my ($n) = @_;
	my ($rc, $out) = $node[$n]->psql('postgres',
		"SET ROLE carrier; SELECT message FROM smsr.claim_peer_messages('test', 1000, '$lease')", timeout => 60);
	return 0 if $rc != 0;
	my @messages = split /\n/, $out;
	my @batch;
	for my $message (@messages)
	{
		next if rand() < $faults{lose};
		push @batch, $message;
		push @batch, $message if rand() < $faults{double};
		push @late, [1 - $n, $message] if rand() < $faults{double};
	}
	# out of order
	@batch = map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [rand(), $_] } @batch if %faults && $faults{double};
	push @batch, map { $_->[1] } grep { $_->[0] == 1 - $n } splice @late, 0, int(@late / 2);
	my $to = 1 - $n;
	my $from = $ID[$n];
	my $list = join ', ', map { "\$j\$$_\$j\$" } @batch;
	# a server that is gone breaks the pipe; what is not heard comes again
	eval { $node[$to]->psql('postgres', "SET ROLE carrier;\nSELECT smsr.receive_peer_messages('$from', ARRAY[$list]::jsonb[])", on_error_stop => 0, timeout => 120) } if @batch;
	return scalar @messages;
}

sub carry_until
{
	my ($done, $seconds) = @_;
	my $end = time + $seconds;
	while (time < $end)
	{
		my $had = carry(0) + carry(1);
		return 1 if !$had && $done->();
		sleep 0.05 if !$had;
	}
	return 0;
}

sub settled
{
	for my $n (0, 1)
	{
		my ($rc, $out) = $node[$n]->psql('postgres', "SELECT count(*) FROM smsr.handover WHERE stage <> 'prepared'");
		return 0 if $rc != 0 || $out != 0;
		($rc, $out) = $node[$n]->psql('postgres', 'SELECT count(*) FROM smsr.operation WHERE status IS NULL');
		return 0 if $rc != 0 || $out != 0;
	}
	return 1;
}

# ---- what must hold ----

# Every eUICC at one of the two, and the card has its keys.
sub one_owner
{
	my ($what) = @_;
	my @eids = map { [split /\n/, sql($_, 'SELECT eid FROM smsr.euicc ORDER BY eid')] } 0, 1;
	my %owners;
	$owners{$_}++ for map { @$_ } @eids;
	is(scalar(keys %owners), $cards, "$what: no eUICC is orphaned");
	is(scalar(grep { $_ > 1 } values %owners), 0, "$what: none has two SM-SRs");
	return map { scalar @$_ } @eids;
}

sub keys_work
{
	my ($what) = @_;
	my @last = map { sql($_, 'SELECT coalesce(max(id), 0) FROM smsr.operation') } 0, 1;
	for my $n (0, 1)
	{
		sql($n, "SELECT count(*) FROM smsr.request('audit_eis', ARRAY(SELECT eid FROM smsr.euicc), validity => '5 min')");
	}
	ok(carry_until(\&settled, 320), "$what: every card answers");
	for my $n (0, 1)
	{
		is(sql($n, "SELECT count(*) FROM smsr.euicc e WHERE NOT EXISTS (SELECT FROM smsr.operation o WHERE o.eid = e.eid
			AND o.function = 'audit_eis' AND o.status = 'EXECUTED_SUCCESS' AND o.id > $last[$n])"),
			0, "$what: audits by SM-SR $n succeed");
	}
	return;
}

sub change
{
	my ($from, $eids, $validity) = @_;
	$validity //= '60 s';
	my $to = 1 - $from;
	sql($to, "SET ROLE north; SELECT count(*) FROM smsr.prepare_smsr_change($eids, '$ID[$from]', '1 hour')") if $validity ne 'unprepared';
	$validity = '60 s' if $validity eq 'unprepared';
	return sql($from, "SET ROLE north; SELECT count(*) FROM smsr.smsr_change($eids, '$ID[$to]', '$validity')");
}

sub eids_of { my ($n, $limit) = @_; return "'{" . join(',', split /\n/, sql($n, "SELECT eid FROM smsr.euicc ORDER BY eid LIMIT $limit")) . "}'::smsr.eid[]"; }

$stack->start_fleet;
$stack->spawn_gateway("gateway$_", $node[$_]->connstr('postgres'), $NUMBER[$_]) for 0, 1;

# ---- the plan ----

is(sql(0, "SELECT count(*) FROM smsr.plan_handover('SELECT eid FROM smsr.euicc', '$ID[1]') WHERE ready"), $cards, 'nothing stands in the way');
is(sql(0, "SELECT DISTINCT obstacles FROM smsr.plan_handover('SELECT eid FROM smsr.euicc', '1.2.3')"),
	'{"the other SM-SR is not known here"}', 'but for a target that nobody knows');

# ---- all of them, over good lines ----

my $began = time;
is(change(0, eids_of(0, $cards), '10 min'), $cards, 'all are asked to go');
diag(sprintf 'asked in %.1f s', time - $began);
ok(carry_until(\&settled, 300), 'all changes end') or BAIL_OUT('no change ends');
diag(sprintf '%d eUICCs handed over in %.1f s', $cards, time - $began);
is(join(' ', one_owner('over good lines')), "0 $cards", 'all went');
is(sql(0, "SELECT status, count(*) FROM smsr.operation WHERE function = 'smsr_change' GROUP BY 1"), "EXECUTED_SUCCESS|$cards", 'their operator is told so');
is(sql(0, "SELECT count(*) FROM smsr.handover_past WHERE moved AND side = 'gives' AND peer_id = '$ID[1]'"), $cards, 'to whom they went is on record');
is(sql(0, 'SELECT count(DISTINCT eid) FROM smsr.audit_trail WHERE eid IS NOT NULL'), $cards, 'and the record stays');
is(sql(1, "SELECT count(*) FROM smsr.audit_trail WHERE smsr_id = '$ID[0]'"), $cards, 'the other SM-SR has it, too');
is(sql(1, "SELECT count(*) FROM smsr.notice WHERE kind = 'HandleSMSRChange' AND party_id = '$SmsrPair::NORTH'"), $cards, 'the operator hears it from the new SM-SR');
is(sql(1, 'SELECT count(*) FROM smsr.euicc_signed WHERE verified_at IS NOT NULL'), $cards, 'the EUM\'s signature was verified again');
is(sql(1, 'SELECT count(*) FROM smsr.handover WHERE sealed IS NOT NULL'), 0, 'no ephemeral key is left');
my @finalised = grep { /finalise\t\d+\t9000/ } split /\n/, $stack->ctl('commands', (split /\n/, sql(1, 'SELECT eid FROM smsr.euicc LIMIT 1'))[0]);
diag("commands: @finalised") if !@finalised;
keys_work('over good lines');

# ---- some back, over bad ones ----

%faults = (lose => 0.3, double => 0.3);
$lease = '1 s';
my $some = $cards < 60 ? $cards : 60;
change(1, eids_of(1, $some), '90 s');
ok(carry_until(\&settled, 150), 'over bad lines all changes end');
%faults = (lose => 0, double => 0);
my ($back) = one_owner('over bad lines');
cmp_ok($back, '>', $some / 2, 'and most went back');

# ---- time is over at each step ----

for my $validity ('1 s', '2 s', '3 s', '4 s')
{
	$faults{lose} = 0.5;
	change(1, eids_of(1, 20), $validity);
	carry_until(\&settled, 8);
	$faults{lose} = 0;
	ok(carry_until(\&settled, 120), "$validity: it ends");
	one_owner("$validity are not enough");
}

# ---- either server killed at each step ----

for my $victim (0, 1)
{
	for my $after (0.1, 0.4, 0.8, 1.2)
	{
		change(1, eids_of(1, 10), '60 s');
		my $end = time + $after;
		while (time < $end) { carry(0); carry(1); }
		$node[$victim]->stop('immediate');
		carry(1 - $victim) for 1 .. 3;
		$node[$victim]->start;
		ok(carry_until(\&settled, 120), "server $victim killed after $after s: it ends");
		one_owner("server $victim killed after $after s");
	}
}
keys_work('after all of that');

# ---- what is left of it ----

is(sql($_, 'SELECT count(*) FROM smsr.audit_verify()'), 0, "the audit trail of SM-SR $_ is sound") for 0, 1;
is(sql($_, "SELECT count(*) FROM smsr.handover_past WHERE side = 'takes' AND moved AND status = 'FAILED'"), 0, "SM-SR $_ never failed what it had taken") for 0, 1;

$stack->end("gateway$_") for 0, 1;
$stack->end('fleet');
$_->stop('fast') for @node;
done_testing();
