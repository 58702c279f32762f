# how much and how fast: windows, pauses, refusals, rates, more than one bind

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use GatewayTest;
use List::Util qw(max sum0);
use Test::More;
use Time::HiRes qw(time);

fresh_schema();
my $smsc = Smsc->new;

sub begin
{
	my ($gateway, %bind) = @_;
	fresh_schema();
	$smsc->{submits} = [];
	$smsc->{on_submit} = sub { 0 };
	my $process = start_gateway(write_config($gateway, north => { port => $smsc->{port}, %bind }));
	wait_for(sub { gateway_log($process) =~ /bound to/ && gateway_log($process) =~ /outgoing\): connected/ }, $smsc)
		or diag('does not bind');
	return $process;
}

sub submits { return scalar @{ $smsc->{submits} } }
sub idle { my ($seconds) = @_; wait_for(sub { 0 }, $smsc, $seconds); return; }

#
# the window
#
my $gateway = begin({}, window => 40);
$smsc->{on_submit} = sub { undef };
queue(100);
ok(wait_for(sub { submits() >= 40 }, $smsc), 'a window is filled');
idle(0.5);
is(submits(), 40, 'and not overfilled');
is(outbox(), 'claimed:80 queued:20', 'one window more is claimed, no more than that');
$smsc->answer_submit($smsc->{submits}[$_]) for 3, 0, 7;
ok(wait_for(sub { submits() >= 43 }, $smsc), 'an answer, in any order, makes room');
idle(0.2);
is(submits(), 43, 'for one message each');
$smsc->{on_submit} = sub { 0 };
$smsc->answer_submit($_) for grep { !$_->{answered} } @{ $smsc->{submits} };
ok(wait_for(sub { outbox() eq 'submitted:100' }, $smsc), 'the rest follows');
is(join(' ', sort { $a <=> $b } map { hex unpack 'H*', substr $_->{short_message}, 3 } @{ $smsc->{submits} }),
	join(' ', 1 .. 100), 'each message once');
my %seen;
is(scalar(grep { $seen{ $_->{seq} }++ } @{ $smsc->{submits} }), 0, 'under a sequence number of its own');
is(sql("SELECT count(*) FROM smsr.outbox WHERE smsc_id IS NULL OR claims <> 1"), 0, 'and claimed once');
is(sql("SELECT count(DISTINCT smsc_id) FROM smsr.outbox"), 100, 'with the id that belongs to it');
my %id = map { (hex unpack 'H*', substr $_->{short_message}, 3) => $_->{answered} } @{ $smsc->{submits} };
is(sql("SELECT string_agg(smsc_id, ' ' ORDER BY sms_id) FROM smsr.outbox"), join(' ', map { $id{$_} } 1 .. 100), 'no ids mixed up');
stop_gateway($gateway, $smsc);

# the database gives out whole packets: less than asked for is not the end, and
# nothing does not mean that there is nothing
$gateway = begin({ poll_interval => '1h' }, window => 50);
knob(at_most => 7);
queue(100);
ok(wait_for(sub { outbox() eq 'submitted:100' }, $smsc), 'after a claim that brought less than asked for comes another');
stop_gateway($gateway, $smsc);
$gateway = begin({}, window => 1);
knob(packet => 20);
queue(30);
ok(wait_for(sub { outbox() eq 'submitted:30' }, $smsc), 'a packet of more messages than the window holds gets through');
stop_gateway($gateway, $smsc);

# no answer at all
$gateway = begin({ lease => '1s' }, window => 5, response_timeout => '400ms');
$smsc->{on_submit} = sub { undef };
queue(3);
ok(wait_for(sub { gateway_log($gateway) =~ /3 submit_sm without an answer/ }, $smsc), 'no answer is noticed');
my @late = @{ $smsc->{submits} };
$smsc->{on_submit} = sub { 0 };
$smsc->answer_submit($_) for @late;
ok(wait_for(sub { outbox() eq 'submitted:3' }, $smsc), 'the database sends them again when the leases have run out');
is(submits(), 6, 'each of them');
is($smsc->{submits}[$_]{short_message}, $smsc->{submits}[ $_ + 3 ]{short_message}, 'the same octets') for 0 .. 2;
log_like($gateway, qr/answer to no submit_sm of ours/, 'the late answers are logged');
stop_gateway($gateway, $smsc);

#
# throttling
#
for my $case ([ 0x58, 'ESME_RTHROTTLED' ], [ 0x14, 'ESME_RMSGQFUL' ])
{
	my ($status, $name) = @$case;
	$gateway = begin({}, window => 10);
	my $end = 0;
		$smsc->{on_submit} = sub {
		my ($pdu) = @_;
		return 0 if $end && time > $end;
		return $status;
	};
	queue(30);
	ok(wait_for(sub { gateway_log($gateway) =~ /pausing/ }, $smsc), "$name: a pause");
	my $first = submits();
	idle(0.15);
	is(submits(), $first, 'nothing is submitted in it');
	ok($first <= 10, 'nor more than a window before it');
	log_like($gateway, qr/north: $name \(.*?\): pausing for \d+ ms, \d+ handed back/, 'logged with the status in words');
	is(sql("SELECT count(*) FROM smsr.outbox WHERE state = 'claimed'"), 0, 'nothing is kept back meanwhile');
	ok(wait_for(sub { gateway_log($gateway) =~ /(pausing.*){3}/s }, $smsc), 'it goes on');
	my @pauses = gateway_log($gateway) =~ /pausing for (\d+)/g;
	ok($pauses[0] >= 225 && $pauses[0] <= 375, "the first pause is about 300 ms ($pauses[0])");
	ok($pauses[1] >= 450 && $pauses[1] <= 750, "the second twice that ($pauses[1])");
	ok($pauses[2] >= 900 && $pauses[2] <= 1500, "the third again ($pauses[2])");
	$end = time;
	ok(wait_for(sub { outbox() eq 'submitted:30' }, $smsc), 'in the end all are submitted');
	is(sql("SELECT count(*) FROM smsr.outbox WHERE reason LIKE '$name (%)' AND temporary > 0"),
		sql('SELECT count(*) FROM smsr.outbox WHERE temporary > 0'), 'refused for the time being before');
	stop_gateway($gateway, $smsc);
}

#
# refusals
#
my %refusal = (
	1 => [ 0x0B, 'refused', 'ESME_RINVDSTADR (invalid destination address)' ],
	2 => [ 0x08, 'submitted', 'ESME_RSYSERR (system error)' ],
	3 => [ 0x45, 'submitted', 'ESME_RSUBMITFAIL (submit failed)' ],
	4 => [ 0x0401, 'submitted', "status 0x00000401 (specific to the SMSC's vendor)" ],
	5 => [ 0xFFFFFFFF, 'submitted', 'status 0xFFFFFFFF (not in SMPP 3.4)' ],
	6 => [ 0x01, 'refused', 'ESME_RINVMSGLEN (message length is invalid)' ],
);
$gateway = begin({}, window => 10);
my %tries;
$smsc->{on_submit} = sub {
	my ($pdu) = @_;
	my $number = hex unpack 'H*', substr $pdu->{short_message}, 3;
	return $tries{$number}++ ? 0 : $refusal{$number} ? $refusal{$number}[0] : 0;
};
queue(8);
ok(wait_for(sub { outbox() eq 'refused:2 submitted:6' }, $smsc), 'some refused for good, some for a while');
for (1 .. 6)
{
	my ($status, $state, $reason) = @{ $refusal{$_} };
	is(sql("SELECT state, reason, temporary FROM smsr.outbox WHERE sms_id = $_"),
		"$state|$reason|" . ($state eq 'submitted' ? 1 : 0), sprintf 'status 0x%X', $status);
}
unlike(gateway_log($gateway), qr/pausing/, 'without a pause');
# what the configuration has wrong refuses no message for ever
my $wrong = 1;
$smsc->{on_submit} = sub { $wrong ? 0x0A : 0 };
queue(3);
ok(wait_for(sub { gateway_log($gateway) =~ /ESME_RINVSRCADR.*compare the configuration/ }, $smsc), 'a source address that the SMSC does not like is an error to be seen');
$wrong = 0;
ok(wait_for(sub { outbox() eq 'refused:2 submitted:9' }, $smsc), 'and costs no message');
# answers in odd forms
$smsc->{on_submit} = sub {
	my ($pdu) = @_;
	my $n = hex unpack 'H*', substr $pdu->{short_message}, 3;
	my $body = $n == 1 ? '' : $n == 2 ? 'unterminated' : $n == 3 ? 'x' x 64 . "\0" : "with tlv\0" . pack 'nna*', 0x1402, 3, 'abc';
	$smsc->raw(pack('NNNN', 16 + length $body, 0x80000004, 0, $pdu->{seq}) . $body);
	return undef;
};
queue(4);
ok(wait_for(sub { outbox() eq 'refused:2 submitted:13' }, $smsc), 'odd answers are answers');
is(sql("SELECT string_agg(smsc_id, ',' ORDER BY sms_id) FROM (SELECT * FROM smsr.outbox ORDER BY sms_id DESC LIMIT 4) s"),
	',,' . 'x' x 64 . ',with tlv', 'with the id where there is one');
# one that is nacked
my $nacked = 0;
$smsc->{on_submit} = sub {
	my ($pdu) = @_;
	return 0 if $nacked++;
	$smsc->client->generic_nack(seq => $pdu->{seq}, status => 8);
	return undef;
};
queue(1);
ok(wait_for(sub { outbox() eq 'refused:2 submitted:14' }, $smsc), 'a generic_nack is a refusal for the time being');
$smsc->{on_submit} = sub { 0 };
# one result that the database will not take
knob(poison_submitted => sql('SELECT max(sms_id) + 5 FROM smsr.outbox'));
queue(10);
ok(wait_for(sub { outbox() eq 'claimed:1 refused:2 submitted:23' }, $smsc), 'one bad result holds up no other');
log_like($gateway, qr/sms_submitted for sms \d+ given up/, 'and is logged');
stop_gateway($gateway, $smsc);

#
# rate
#
$gateway = begin({}, window => 100, rate => 40);
queue(60);
ok(wait_for(sub { submits() == 60 }, $smsc), 'with a rate limit');
my @at = map { $_->{at} } @{ $smsc->{submits} };
my $took = $at[-1] - $at[0];
ok($took > 1.2 && $took < 2.5, sprintf '60 messages at 40 a second take about a second and a half (%.2f)', $took);
my $most = max map { my $from = $_; scalar grep { $_ >= $from && $_ < $from + 0.5 } @at } @at;
ok($most <= 28, "and no burst of more than a tenth of a second's worth ($most in half a second)");
stop_gateway($gateway, $smsc);

#
# two binds
#
fresh_schema();
$smsc->{submits} = [];
my $other = Smsc->new;
knob(log_claims => 1);
queue(20, gateway => "'north'");
queue(30, gateway => "'south'");
queue(5, gateway => "'west'");
my $closed = Smsc->new;
$closed->away;
$gateway = start_gateway(write_config({},
	north => { port => $smsc->{port} },
	south => { port => $other->{port}, source => '888' },
	west  => { port => $closed->{port} }));
ok(wait_for(sub { outbox() eq 'queued:5 submitted:50' }, [ $smsc, $other ]), 'two binds carry messages');
is(@{ $smsc->{submits} } . ' ' . @{ $other->{submits} }, '20 30', 'each its own');
is($other->{submits}[0]{source_addr}, '888', 'from its own address');
is(sql('SELECT count(*) FROM smsr.outbox WHERE claimed_by <> gateway'), 0, 'claimed under its own name');
is(sql("SELECT count(*) FROM smsr.claim_log WHERE gateway = 'west'"), 0, 'a bind that is away claims nothing');
my $a = $smsc->deliver(short_message => 'a');
my $b = $other->deliver(short_message => 'b', seq => 4711);
ok(wait_for(sub { $smsc->{answers}{$a} && $other->{answers}{4711} }, [ $smsc, $other ]), 'what is delivered is answered where it came from');
is(scalar(keys %{ $smsc->{answers} }), 1, 'and only there');
$smsc->drop;
queue(5, gateway => "'south'");
ok(wait_for(sub { outbox() eq 'queued:5 submitted:55' }, [ $other ]), 'one bind works while another is down');
is(stop_gateway($gateway, [ $smsc, $other ]), 0, 'ends');

done_testing();
