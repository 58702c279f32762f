#!/usr/bin/perl
# The SMSC of the fleet, seen from SMPP and from the control socket.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Fleet;
use Net::SMPP;
use Test::More;
use Time::HiRes qw(sleep);

my $fleet = Fleet->new('--cards', 20, '--smsc', '0:opA:secret', '--smsc', '0:opB',
	'--refresh', '0', '--repeat', '1000');
my ($one) = map { (split /\t/)[0] } $fleet->ctl('dump 1');
my $to = '490000000100000';

like $fleet->{line}, qr/^listening smpp=\d+,\d+ control=\S+ seed=1 cards=20 first=1$/, 'says where it listens';

# ----------------------------------------------------------------- Net::SMPP
{
	my ($smpp, $answer) = Net::SMPP->new_transceiver('127.0.0.1',
		port => $fleet->{ports}[0], system_id => 'opA', password => 'secret');
	is $answer->status, 0, 'Net::SMPP binds as transceiver';
	is $smpp->enquire_link->status, 0, 'enquire_link';
	my $sent = $smpp->submit_sm(destination_addr => $to, esm_class => 0x40, protocol_id => 0x7F,
		data_coding => 0xF6, registered_delivery => 1, short_message => "\x02\x70\x00junk");
	is $sent->status, 0, 'submit_sm accepted';
	like $sent->message_id, qr/^[0-9a-f]{16}$/, '... with an id';
	my $receipt = $smpp->read_pdu;
	is $receipt->cmd, Net::SMPP::CMD_deliver_sm, 'a delivery receipt';
	is $receipt->{esm_class}, 4, '... marked as one';
	like $receipt->{short_message}, qr/^id:\Q@{[$sent->message_id]}\E sub:001 dlvrd:001 .* stat:DELIVRD err:000/,
		'... with the id and DELIVRD';
	is $receipt->{source_addr}, $to, '... from the number that it was sent to';
	$smpp->deliver_sm_resp(seq => $receipt->seq, message_id => '');
	$sent = $smpp->submit_sm(destination_addr => '49123', short_message => 'x');
	is $sent->status, 0x0B, 'a number that no card has: ESME_RINVDSTADR';
	is $smpp->unbind->status, 0, 'unbind';
}

# --------------------------------------------------------------- binds, oddities
sub answer_to
{
	my ($socket, $pdu) = @_;
	print $socket $pdu;
	return Fleet::read_pdu($socket);
}

my $s = $fleet->socket_to(0);
is answer_to($s, Fleet::pdu(4, 0, 9, Fleet::submit_body(to => $to)))->[1], 0x04, 'submit_sm without bind';
is answer_to($s, Fleet::pdu(9, 0, 1, Fleet::bind_body('opA', 'wrong')))->[1], 0x0E, 'bind: wrong password';
is Fleet::read_pdu($s), undef, '... closes';
$s = $fleet->socket_to(0);
is answer_to($s, Fleet::pdu(9, 0, 1, Fleet::bind_body('opX', 'secret')))->[1], 0x0F, 'bind: wrong system_id';
$s = $fleet->bound(0, 'opA', 'secret');
is answer_to($s, Fleet::pdu(9, 0, 1, Fleet::bind_body('opA', 'secret')))->[1], 0x05, 'bind twice';
my $a = answer_to($s, Fleet::pdu(0x77, 0, 5, 'abc'));
is_deeply [ @$a[ 0 .. 2 ] ], [ 0x80000000, 3, 5 ], 'an unknown command: generic_nack';
is answer_to($s, Fleet::pdu(4, 0, 6, "\0\1\1x"))->[1], 0x01, 'a submit_sm that is cut short';
is answer_to($s, Fleet::pdu(4, 0, 6, Fleet::submit_body(to => $to, tlvs => "\x04\x24\x00\x50ab")))->[1], 0x01,
	'a TLV longer than the PDU';
for my $odd ('', '+49170', 'ABC', '9' x 20, "\xff\xfe")
{
	is answer_to($s, Fleet::pdu(4, 0, 7, Fleet::submit_body(to => $to, from => $odd, ud => "\x02\x70\x00x")))->[1],
		0, 'a source address of ' . length($odd) . ' odd characters';
	is answer_to($s, Fleet::pdu(4, 0, 7, Fleet::submit_body(to => $odd, ud => "\x02\x70\x00x")))->[1], 0x0B,
		'... and as destination';
}
is answer_to($s, Fleet::pdu(4, 0, 8, Fleet::submit_body(to => '+' . $to)))->[1], 0, 'a destination with +, an empty message';
is answer_to($s, Fleet::pdu(4, 0, 8, Fleet::submit_body(to => $to, tlvs => pack 'nn/a*', 0x0424, "\x02\x70\x00" . 'y' x 100)))->[1],
	0, 'message_payload';
print $s pack('N4', 5, 1, 0, 3);
is Fleet::read_pdu($s)->[1], 0x02, 'a length that can not be: generic_nack';
is Fleet::read_pdu($s), undef, '... closes';
for my $seed (1 .. 20)
{
	srand $seed;
	my $noise = $fleet->socket_to($seed % 2);
	print $noise join '', map { chr int rand 256 } 1 .. 2000;
	print $noise Fleet::pdu(4, 0, 1, join '', map { chr int rand 256 } 1 .. 200);
	close $noise;
}
is answer_to($fleet->socket_to(1), Fleet::pdu(0x15, 0, 3, ''))->[0], 0x80000015, 'noise does not kill it';

# ------------------------------------------------- deliver_sm until acknowledged
is $fleet->poll_stat('sessions', 0), 0, 'no sessions are left';
$fleet->ctl('attach 1');
is $fleet->stat('queued'), 1, 'a message of a card waits for a session';
$s = $fleet->bound(0, 'opA', 'secret');
my $first = Fleet::read_pdu($s);
is $first->[0], 5, 'it comes when one binds';
like $first->[3], qr/\x02\x70\x00/, '... a notification';
close $s;
$s = $fleet->bound(0, 'opA', 'secret');
my $again = Fleet::read_pdu($s);
is $again->[3], $first->[3], 'not acknowledged: delivered again to the next session';
print $s Fleet::pdu(0x80000005, 0x64, $again->[2], "\0");
$again = Fleet::read_pdu($s);
is $again->[3], $first->[3], 'refused for the time being: delivered again';
print $s Fleet::pdu(0x80000005, 0, $again->[2], "\0");
cmp_ok $fleet->poll_stat('mo_delivered', 2), '>=', 2, 'acknowledged: done';
$fleet->ctl('disconnect');
is Fleet::read_pdu($s, 1), undef, 'disconnect closes the session' for 1 .. 2;

# ------------------------------------------------------------------ control
is scalar(() = $fleet->ctl('dump') =~ /\n/g), 40, 'dump: a line a profile';
like $fleet->ctl("dump $one"), qr/^$one\tA0000005591010FFFFFFFF8900001000\t\d{20}\tEnabled\tt\t$to\t0\n
	$one\tA0000005591010FFFFFFFF8900001100\t\d{20}\tDisabled\tf\t490000000100001\t0\n$/x, 'dump EID';
ok $fleet->ctl_fails('dump 99'), 'dump of no card fails';
ok $fleet->ctl_fails('nonsense'), 'an unknown command fails';
ok $fleet->ctl_fails('faults loss=7'), 'a fault that makes no sense fails';
$fleet->ctl('faults mt_loss=0.5 delay=1-2');
like $fleet->ctl('faults'), qr/^mt_loss=0.5\nmo_loss=0\n.*^mo_delay=1-2\n/ms, 'faults are shown';
$fleet->ctl('faults loss=0 delay=0 rate=2');
$s = $fleet->bound(1, 'opB');
my @status = map { answer_to($s, Fleet::pdu(4, 0, 7, Fleet::submit_body(to => $to)))->[1] } 1 .. 9;
cmp_ok scalar(grep { $_ == 0x58 } @status), '>=', 5, 'fault rate: ESME_RTHROTTLED';
$fleet->ctl('faults rate=0 refuse=1 refuse_with=system_error');
is answer_to($s, Fleet::pdu(4, 0, 7, Fleet::submit_body(to => $to)))->[1], 8, 'fault refuse: ESME_RSYSERR';
$fleet->ctl('off 3');
is $fleet->stat('off'), 1, 'a card is off';
$fleet->ctl('on 3');
is $fleet->stat('off'), 0, '... and on';
$fleet->ctl('counter 3 77');
like $fleet->ctl('dump 3'), qr/\t77\n/, 'a counter is set';
ok $fleet->ctl_fails('reach 3 000044 off'), 'an ISD-P that is not there';
$fleet->ctl('reach 3 000011 off');
like $fleet->ctl('card 3'), qr/^profile=000011 .*reachable=no/m, 'reach';
$fleet->ctl("save $fleet->{dir}/cards");
$fleet->ctl('counter 3 99');
$fleet->ctl("restore $fleet->{dir}/cards");
like $fleet->ctl('dump 3'), qr/\t77\n/, 'save and restore';
$fleet->ctl('outage 1');
is answer_to($fleet->socket_to(1), Fleet::pdu(0x15, 0, 3, '')), undef, 'outage: no sessions';
sleep 1.1;
ok $fleet->bound(1, 'opB'), '... for its time';
$fleet->ctl('quit');
is $fleet->wait_for, 0, 'quit';
is $fleet->errors, '', 'nothing on stderr, the sanitizers are content';

# ---------------------------------------------------------- state, command line
my $state = File::Temp->new;
unlink "$state";
$fleet = Fleet->new('--cards', 3, '--state', "$state");
$fleet->ctl('counter 2 41');
is $fleet->stop, 0, 'SIGTERM ends it';
$fleet->start;
like $fleet->ctl('dump 2'), qr/\t41\n/, '--state: cards survive a restart';
$fleet->stop;

# ------------------------------------------------- options that act by themselves
$fleet = Fleet->new('--cards', 40, '--first-attach', '0.3', '--unreachable', '0.5', '--mo-dcs', '04',
	'--repeat', '1000', '--disconnect-every', '1', '--control', '0');
my ($port) = $fleet->{line} =~ /control=(\d+)/;
is scalar(() = qx($Fleet::program ctl $port dump) =~ /\n/g), 80, '--control 0: a port of its own';
my $unreachable = () = join('', map { qx($Fleet::program ctl $port card $_) } 1 .. 40) =~ /reachable=no/g;
ok $unreachable > 8 && $unreachable < 32, "--unreachable: about half of the other profiles ($unreachable)";
$s = $fleet->bound(0);
my $count = 0;
my $attached;
while (my $pdu = Fleet::read_pdu($s, 2))
{
	$attached = $pdu if $pdu->[0] == 5;
	$count++;
	print $s Fleet::pdu(0x80000005, 0, $pdu->[2], "\0");
}
is $count, 40, '--first-attach: all cards send a notification';
like $attached->[3], qr/^\x00\x01\x0149\d{13}\x00\x01\x01491700000000\x00\x40\x7f\x00\x00\x00\x00\x00\x04\x00/,
	'--mo-dcs; UDHI, PID, numbers';
is sysread($s, my $nothing, 1) // 0, 0, '--disconnect-every: the session has ended';
$fleet->stop;

for (['--cards', '0'], ['--cards', 'x'], ['--nothing'], ['--loss', '2'], ['nothing'], ['--seed'],
	['--smsc', '1', '--smsc', '2', '--smsc', '3'], ['--pol1', '9:1'], ['--delay', '5-2'],
	['--auto-personalize=1'], ['eis', '--wrap', 'aes-kw'], ['eis', '--format', 'single'],
	['msisdn', '--tar', '0000'])
{
	my $out = qx($Fleet::program @$_ 2>&1 </dev/null);
	ok $? >> 8 == 2 && $out =~ /^smsr-fleet: /, "refused: @$_";
}
like qx($Fleet::program --help), qr/smsr-fleet eis.*--mt-loss.*fallback_per_hour/s, '--help';
is qx($Fleet::program msisdn --seed 1 --card 7 --tar 000012),
	"89049032001000000100000000000738\t000012\t490000000700002\n", 'msisdn';
done_testing;
