# bind, the fields of submit_sm, and what is told to the database

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use GatewayTest;
use Test::More;

fresh_schema();

my $smsc = Smsc->new;
my $config = write_config({}, north => {
	port => $smsc->{port}, system_type => 'SMSR', source => '34999', window => 10, max_validity => '2d',
	addr_ton => 1, addr_npi => 1, address_range => '^999', registered_delivery => 'on'
});
my $gateway = start_gateway($config);

ok(wait_for(sub { @{ $smsc->{binds} } }, $smsc), 'the gateway binds');
my $bind = $smsc->{binds}[0];
is($bind->{system_id}, 'smsr', 'system id');
is($bind->{password}, 'secret', 'password');
is($bind->{system_type}, 'SMSR', 'system type');
is($bind->{interface_version}, 0x34, 'SMPP 3.4');
is($bind->{address_range}, '^999', 'address range');
is("$bind->{addr_ton} $bind->{addr_npi}", '1 1', 'type of number and numbering plan of the bind');

my $long = join '', map { sprintf '%02x', $_ } 0 .. 139;
queue(1, tp_ud => "'\\x$long'", validity => "'1 day 02:03:04.5'");
ok(wait_for(sub { @{ $smsc->{submits} } }, $smsc), 'a message is submitted');
my $submit = $smsc->{submits}[0];
is(unpack('H*', $submit->{short_message}), $long, '140 octets, NUL among them, arrive as they are');
is($submit->{esm_class}, 0x40, 'esm_class says UDHI');
is($submit->{protocol_id}, 0x7F, 'protocol_id');
is($submit->{data_coding}, 0xF6, 'data_coding');
is($submit->{destination_addr}, '34600000001', 'destination');
is("$submit->{dest_addr_ton} $submit->{dest_addr_npi}", '1 1', 'its type of number and numbering plan');
is($submit->{source_addr}, '34999', 'source');
is($submit->{validity_period}, '000001020305000R', 'validity as relative time, rounded up');
is($submit->{registered_delivery}, 1, 'a receipt is asked for');
is($submit->{schedule_delivery_time}, '', 'no schedule');
is($submit->{replace_if_present_flag}, 0, 'nothing is replaced');
ok(wait_for(sub { outbox() eq 'submitted:1' }, $smsc), 'the database knows');
is(sql('SELECT smsc_id, claimed_by, claims FROM smsr.outbox'), "$submit->{answered}|north|1", 'the id that the SMSC gave');

# other values of the claimed row
@{ $smsc->{submits} } = ();
queue(1, tp_pid => 0, tp_dcs => 4, destination => "'+491700000002'", validity => "'10 days'", tp_ud => "'\\x00'");
ok(wait_for(sub { @{ $smsc->{submits} } }, $smsc), 'another message');
$submit = $smsc->{submits}[0];
is($submit->{protocol_id}, 0, 'protocol_id of the row');
is($submit->{data_coding}, 4, 'data_coding of the row');
is($submit->{destination_addr}, '491700000002', 'no plus in the destination');
is($submit->{validity_period}, '000002000000000R', 'validity is limited to what the SMSC takes');
is($submit->{short_message}, "\0", 'a single NUL');

# what cannot be a short message goes nowhere
@{ $smsc->{submits} } = ();
queue(1, tp_ud => "decode(repeat('00', 141), 'hex')");
queue(1, tp_ud => "''::bytea");
queue(1, destination => "'Hans'");
queue(1, tp_dcs => 300);
queue(1, destination => "'123456789012345678901'");
ok(wait_for(sub { outbox() eq 'refused:5 submitted:2' }, $smsc), 'impossible messages are refused');
is(@{ $smsc->{submits} }, 0, 'and not submitted');
is(sql('SELECT sum(temporary) FROM smsr.outbox'), '0', 'for good');

# ticks
ok(wait_for(sub { sql('SELECT count(*) FROM smsr.tick_log') > 2 }, $smsc), 'the gateway ticks');

# a doorbell is faster than a slow poll
is(stop_gateway($gateway, $smsc), 0, 'ends with status 0');
is($smsc->{unbinds}, 1, 'after an unbind');
unlike(gateway_log($gateway), qr/secret/, 'the password is in no log line');
unlike(gateway_log($gateway), qr/$long/i, 'nor is a payload');

$config = write_config({ poll_interval => '1h' }, north => {
	port => $smsc->{port}, data_coding => '0x04', registered_delivery => 'off' });
$gateway = start_gateway($config);
ok(wait_for(sub { @{ $smsc->{binds} } == 2 && gateway_log($gateway) =~ /outgoing\): connected/ }, $smsc), 'a second gateway');
wait_for(sub { 0 }, $smsc, 0.3);
queue(3);
ok(wait_for(sub { @{ $smsc->{submits} } == 3 }, $smsc, 2), 'the doorbell is heard');
is($smsc->{submits}[0]{data_coding}, 4, 'data_coding can be overridden');
is($smsc->{submits}[0]{registered_delivery}, 0, 'no receipt asked for');
is($smsc->{submits}[0]{validity_period}, '', 'no validity given');
is_deeply([ map { unpack 'H*', $_->{short_message} } @{ $smsc->{submits} } ],
	[ map { sprintf '027000%08x', $_ } 1 .. 3 ], 'in order');
is(stop_gateway($gateway, $smsc), 0, 'ends');

done_testing();
