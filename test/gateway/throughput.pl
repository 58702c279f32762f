#!/usr/bin/perl
# How many messages the gateway carries each way, over loopback, with the stub
# schema: test/gateway/throughput.pl [messages [window]]
#
# This SMSC packs and parses by hand, so that the gateway is what is measured.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use GatewayTest;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

my ($messages, $window) = (@ARGV, 20_000, 64)[ 0, @ARGV > 1 ? 1 : @ARGV ? 2 : 1 ];
my $deliver_window = 64;

fresh_schema();
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die $!;
my $gateway = start_gateway(write_config({ log_level => 'info' },
	north => { port => $listener->sockport, window => $window }));
my $client = $listener->accept;
my $select = IO::Select->new($client);

my ($in, $out) = ('', '');
my ($submits, $answered, $delivered, $bad, $next) = (0, 0, 0, 0, 1);
my $want_deliveries = 0;
my $id = 0;
my $body = pack 'Z*CCZ*CCZ*CCCZ*Z*CCCCCa*', '', 1, 1, '34600000001', 1, 1, '999', 0x40, 0x7F, 0, '', '', 0, 0, 0xF6, 0, 100,
	"\x02\x71\x00" . 'x' x 97;

sub pump
{
	while ($delivered < $want_deliveries && $delivered - $answered < $deliver_window)
	{
		$out .= pack('NNNN', 16 + length $body, 5, 0, $next++ & 0x7FFFFFFF) . $body;
		$delivered++;
	}
	if (length $out)
	{
		my $n = $client->syswrite($out);
		substr($out, 0, $n) = '' if $n;
	}
	for (1 .. 1)
	{
		last if !$select->can_read(0.01);
		sysread($client, $in, 65536, length $in) or die 'gateway gone';
	}
	my $at = 0;
	while (length($in) - $at >= 16)
	{
		my ($length, $command, $status, $sequence) = unpack "x$at NNNN", $in;
		last if length($in) - $at < $length;
		if ($command == 4)
		{
			$submits++;
			$out .= pack('NNNN', 16 + 9, 0x80000004, 0, $sequence) . sprintf("%08x\0", ++$id);
		}
		elsif ($command == 0x80000005) { $answered++; $bad++ if $status; }
		elsif ($command == 9) { $out .= pack('NNNN', 17, 0x80000009, 0, $sequence) . "\0"; }
		elsif ($command == 0x15) { $out .= pack('NNNN', 16, 0x80000015, 0, $sequence); }
		elsif ($command == 6) { $out .= pack('NNNN', 16, 0x80000006, 0, $sequence); }
		$at += $length;
	}
	substr($in, 0, $at) = '';
	return;
}

sub cpu
{
	open my $file, '<', "/proc/$gateway->{pid}/stat" or return 0;
	my @field = split ' ', <$file>;
	return ($field[13] + $field[14]) / 100;
}

sub measure
{
	my ($name, $condition, $count) = @_;
	my ($start, $cpu) = (time, cpu());
	pump() until $condition->();
	my $took = time - $start;
	printf "%-28s %7d messages %6.2f s %8.0f /s   gateway CPU %.2f s\n", $name, $count, $took, $count / $took, cpu() - $cpu;
	return;
}

my $bound = time + 1;
pump() while time < $bound;

queue($messages, tp_ud => "decode(repeat('00', 120), 'hex')");
measure('to the SMSC', sub { $submits >= $messages }, $messages);
$want_deliveries += $messages;
measure('from the SMSC', sub { $answered >= $want_deliveries }, $messages);
queue($messages, tp_ud => "decode(repeat('00', 120), 'hex')");
$want_deliveries += $messages;
measure('both at once', sub { $submits >= 2 * $messages && $answered >= $want_deliveries }, 2 * $messages);
# let the last results arrive in the database
my $end = time + 5;
pump() until time > $end || outbox() eq 'submitted:' . 2 * $messages;
printf "outbox: %s; inbox: %s; refused deliveries: %d\n", outbox(), sql('SELECT count(*) FROM smsr.inbox'), $bad;
printf "memory: %s", `grep VmHWM /proc/$gateway->{pid}/status`;
kill 'TERM', $gateway->{pid};
my $stop = time + 3;
eval { pump() while time < $stop };
waitpid $gateway->{pid}, 0;
