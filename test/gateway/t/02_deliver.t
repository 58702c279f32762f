# deliver_sm, data_sm and delivery receipts

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use GatewayTest;
use Test::More;
use Time::HiRes qw(time);

fresh_schema();

my $smsc = Smsc->new;
my $gateway = start_gateway(write_config({ deliver_timeout => '1s' }, north => { port => $smsc->{port} }));
ok(wait_for(sub { gateway_log($gateway) =~ /bound to/ && gateway_log($gateway) =~ /incoming\): connected/ }, $smsc), 'bound');

sub answered { my ($sequence) = @_; return wait_for(sub { $smsc->{answers}{$sequence} }, $smsc, 5); }
sub status { my ($sequence) = @_; return $smsc->{answers}{$sequence} ? $smsc->{answers}{$sequence}{status} : 'none'; }
sub inbox { return sql("SELECT string_agg(originator || ' ' || encode(tp_ud, 'hex'), E'\\n' ORDER BY id) FROM smsr.inbox"); }

# one message
my $seq = $smsc->deliver(short_message => "\x02\x71\x00\x00\x01");
ok(answered($seq), 'answered');
is(status($seq), 0, 'with no error');
is($smsc->{answers}{$seq}{answers}, Smsc::DELIVER_SM, 'by a deliver_sm_resp');
is(inbox(), '34600000001 0271000001', 'stored');

# nothing to do, the time in which it had to be answered being over
sub cpu
{
	open my $file, '<', "/proc/$gateway->{pid}/stat" or die $!;
	my @field = split ' ', <$file>;
	return $field[13] + $field[14];
}
wait_for(sub { 0 }, $smsc, 1.2);
my $used = cpu();
wait_for(sub { 0 }, $smsc, 1);
cmp_ok(cpu() - $used, '<', 5, 'and then it sleeps');

# concatenated, in bulk, order kept
sql('TRUNCATE smsr.inbox');
my @parts = map { pack 'CCCCCC a*', 5, 0, 3, 7, 3, $_, chr($_) x 134 } 1 .. 3;
my @seqs = map { $smsc->deliver(short_message => $_) } @parts;
ok(answered($_), 'part answered') for @seqs;
is(inbox(), join("\n", map { '34600000001 ' . unpack 'H*', $_ } @parts), 'three parts in order, as they are');

# not UDHI, odd originators, no contents
sql('TRUNCATE smsr.inbox');
$seq = $smsc->deliver(short_message => 'hello', esm_class => 0, data_coding => 0, source_addr => '+34600000002');
ok(answered($seq), 'a text message is answered');
$seq = $smsc->deliver(short_message => '', source_addr_ton => 5, source_addr => "Op\xE9rator");
ok(answered($seq), 'an empty one');
$seq = $smsc->deliver(short_message => "\x01", source_addr => '');
ok(answered($seq), 'one of nobody');
is(inbox(), "34600000002 68656c6c6f\nOp?rator \n 01", 'all stored');

# message_payload, and fields that SMPP forbids but SMSCs send
sql('TRUNCATE smsr.inbox');
$seq = $smsc->deliver(short_message => '', message_payload => "\x02\x71\x00" . 'x' x 300);
ok(answered($seq), 'message_payload');
$seq = $smsc->deliver(short_message => 'v', validity_period => '000000000500000R', schedule_delivery_time => '000000000500000R',
	source_addr_ton => 7, dest_addr_npi => 99, service_type => 'CMT');
ok(answered($seq), 'times in deliver_sm, types of number that do not exist');
$seq = $smsc->deliver(short_message => 'both', message_payload => 'ignored');
ok(answered($seq), 'short_message and message_payload');
$seq = $smsc->client->data_sm(source_addr => '34600000003', destination_addr => '999', esm_class => 0x40,
	message_payload => 'by data_sm', async => 1);
ok(answered($seq), 'data_sm');
is($smsc->{answers}{$seq}{answers}, Smsc::DATA_SM, 'is answered by data_sm_resp');
is(inbox(), join("\n", '34600000001 027100' . '78' x 300, '34600000001 76', '34600000001 626f7468', '34600000003 ' . unpack('H*', 'by data_sm')),
	'all stored');
$seq = $smsc->deliver(short_message => 'x', seq => $_), answered($_) for 0, 0x80000001, 0xFFFFFFFF;
is(status(0xFFFFFFFF), 0, 'any sequence number is answered');
is(status(0), 0, 'zero too');

# many optional parameters: more than the library's diary holds
{
	my $body = pack 'Z*CCZ*CCZ*CCCZ*Z*CCCCC', '', 1, 1, '34600000009', 1, 1, '999', 0x40, 0x7F, 0, '', '', 0, 0, 0xF6, 0, 0;
	$body .= pack 'nna*', 0x1400 + $_, 20, 'y' x 20 for 1 .. 200;
	$body .= pack 'nna*', 0x0424, 4, 'last';
	sql('TRUNCATE smsr.inbox');
	$smsc->raw(pack('NNNN', 16 + length $body, 5, 0, 777) . $body);
	ok(answered(777), '200 optional parameters');
	is(inbox(), '34600000009 ' . unpack('H*', 'last'), 'the payload found behind them');
}

#
# receipts
#
queue(4);
ok(wait_for(sub { outbox() eq 'submitted:4' }, $smsc), 'four messages submitted');
my @ids = map { $_->{answered} } @{ $smsc->{submits} };
my $text = 'id:%s sub:001 dlvrd:001 submit date:2401010000 done date:2401010001 stat:%s err:000 Text:';
@seqs = (
	$smsc->deliver(esm_class => 4, short_message => sprintf($text, $ids[0], 'DELIVRD')),
	$smsc->deliver(esm_class => 4, short_message => '', receipted_message_id => "$ids[1]\0", 0x0427 => 5),
	$smsc->deliver(esm_class => 0x20, short_message => sprintf($text, $ids[2], 'enroute')),
	$smsc->deliver(esm_class => 4, short_message => sprintf($text, 'wrong', 'EXPIRED'), receipted_message_id => "$ids[3]\0", 0x0427 => 3));
answered($_) for @seqs;
is(join(' ', map { status($_) } @seqs), '0 0 0 0', 'receipts are answered');
is(sql('SELECT string_agg(report, $$ $$ ORDER BY sms_id) FROM smsr.outbox'), 'DELIVRD UNDELIV ENROUTE EXPIRED', 'and told');

sql('TRUNCATE smsr.inbox');
$seq = $smsc->deliver(esm_class => 4, short_message => 'a receipt of nothing');
answered($seq);
is(inbox(), '34600000001 ' . unpack('H*', 'a receipt of nothing'), 'what cannot be read as a receipt is kept as a message');

# a receipt may come at once: its submission is told first
{
	my $early;
	$smsc->{on_submit} = sub {
		my ($pdu) = @_;
		my $id = $smsc->answer_submit($pdu, 0);
		$early = $smsc->deliver(esm_class => 4, short_message => sprintf($text, $id, 'DELIVRD'));
		return undef;
	};
	sql('TRUNCATE smsr.report');
	queue(200);
	ok(wait_for(sub { sql('SELECT count(*) FROM smsr.report') == 200 }, $smsc), 'receipts right behind the answers');
	is(sql('SELECT count(*) FROM smsr.report WHERE NOT known'), 0, 'always find their message');
	$smsc->{on_submit} = sub { 0 };
}

#
# answered when it is committed, and only then
#
sql('TRUNCATE smsr.inbox');
knob(receive_delay => 0.6);
my $start = time;
$seq = $smsc->deliver(short_message => 'slow');
wait_for(sub { 0 }, $smsc, 0.4);
is(status($seq), 'none', 'no answer while the database works');
answered($seq);
is(status($seq), 0, 'then it comes');
ok(time - $start >= 0.6, 'not before the commit');
knob('receive_delay');

sql('TRUNCATE smsr.inbox');
knob(refuse_commit => 1);
$seq = $smsc->deliver(short_message => 'refused at commit');
answered($seq);
is(status($seq), 0x64, 'a commit that fails: temporary application error');
is(inbox(), '', 'nothing is stored');
knob('refuse_commit');

# one poisoned message among good ones
sql('TRUNCATE smsr.inbox');
knob(poison => '666');
knob(receive_delay => 0.05);
$smsc->deliver(short_message => 'ahead');
@seqs = map { $smsc->deliver(short_message => "m$_", source_addr => $_ == 5 ? '666' : '34600000001') } 1 .. 10;
answered($_) for @seqs;
knob('receive_delay');
is(join(' ', map { status($_) } @seqs), '0 0 0 0 100 0 0 0 0 0', 'the SMSC keeps the bad one, the others are stored');
is(sql('SELECT count(*) FROM smsr.inbox'), 10, 'once each');
knob('poison');
# one whose card somebody keeps locked
sql('TRUNCATE smsr.inbox');
knob(held => '667');
knob(receive_delay => 0.05);
$smsc->deliver(short_message => 'ahead');
@seqs = map { $smsc->deliver(short_message => "m$_", source_addr => $_ == 5 ? '667' : '34600000001') } 1 .. 10;
answered($_) for @seqs;
knob('receive_delay');
is(join(' ', map { status($_) } @seqs), '0 0 0 0 100 0 0 0 0 0', 'and one that waits for a lock');
is(sql('SELECT count(*) FROM smsr.inbox'), 10, 'once each');
knob('held');

knob(reports_fail => 1);
$seq = $smsc->deliver(esm_class => 4, short_message => sprintf($text, $ids[0], 'DELIVRD'));
answered($seq);
is(status($seq), 0x64, 'a receipt that cannot be stored stays with the SMSC');
knob('reports_fail');

# too slow for the SMSC's patience
knob(receive_delay => 2);
sql('TRUNCATE smsr.inbox');
$seq = $smsc->deliver(short_message => 'late');
wait_for(sub { 0 }, $smsc, 0.1);
my $second = $smsc->deliver(short_message => 'behind it');
answered($seq);
answered($second);
is(status($seq) . ' ' . status($second), '100 100', 'after deliver_timeout the SMSC is asked to try again');
knob('receive_delay');
ok(wait_for(sub { inbox() =~ /6c617465/ }, $smsc), 'what was in flight is stored all the same');
is(stop_gateway($gateway, $smsc), 0, 'ends');
is(scalar(grep { $_->{seq} == $seq } values %{ $smsc->{answers} }), 1, 'and answered once');

# a bounded queue
$gateway = start_gateway(write_config({ incoming_queue => 5 }, north => { port => $smsc->{port} }));
ok(wait_for(sub { gateway_log($gateway) =~ /bound to/ && gateway_log($gateway) =~ /incoming\): connected/ }, $smsc), 'a gateway with a short queue');
knob(receive_delay => 0.5);
sql('TRUNCATE smsr.inbox');
$smsc->{answers} = {};
@seqs = map { $smsc->deliver(short_message => "q$_", seq => $_) } 1 .. 10;
answered($_) for @seqs;
is(join(' ', map { status($_) } @seqs), '0 0 0 0 0 20 20 20 20 20', 'what does not fit is refused as queue full');
is(sql('SELECT count(*) FROM smsr.inbox'), 5, 'what is answered is stored');
knob('receive_delay');
is(stop_gateway($gateway, $smsc), 0, 'ends');

done_testing();
