# many sessions at once, and what they cost

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use GatewayTest;
use HttpsPeer;
use IPC::Open2;
use Test::More;
use Time::HiRes qw(time sleep);

my $peers = $ENV{SMSR_HTTPS_PEERS} // "$FindBin::Bin/../../../build/https-peers";
plan skip_all => "$peers is missing: make build/https-peers" if !-x $peers;

my $sessions = 2000;
my $identities = scratch() . '/identities';

fresh_schema();
sql("\\i $FindBin::Bin/../https.sql");
open my $file, '>', $identities or die $!;
print $file map { psk_identity($_) . "\t" . psk_key($_) . "\n" } 1 .. $sessions;
close $file;
sql('CREATE TEMPORARY TABLE key (identity text, key text)');
sql("\\copy key from '$identities'");
sql("INSERT INTO smsr.https_key SELECT identity, decode(key, 'hex') FROM key");

my $port = free_port();
my $config = write_config({ log_level => 'info' });
open $file, '>>', $config or die $!;
print $file "\n[https cards]\naddress = 127.0.0.1\nport = $port\nidle_timeout = 60s\nrequest_timeout = 30s\n";
close $file;
my $gateway = start_gateway($config);
wait_for(sub { my $s = tcp($port) or return 0; close $s; 1 }) or BAIL_OUT('the gateway does not listen: ' . gateway_log($gateway));
wait_for(sub {
	my $peer = HttpsPeer->new(port => $port, identity => psk_identity(1), key => psk_key(1));
	return $peer->connected(1);
}) or BAIL_OUT('no session: ' . gateway_log($gateway));

# sessions that asked for something and have ended once
sub ended
{
	return sql(q{SELECT count(*) FROM (SELECT FROM smsr.https_call WHERE call IN ('request', 'closed')
		GROUP BY session HAVING count(*) FILTER (WHERE call = 'closed') = 1 AND count(*) > 1) AS s});
}
sub memory
{
	my ($what) = @_;
	my ($kilobytes) = do { local (@ARGV, $/) = "/proc/$gateway->{pid}/status"; <> } =~ /$what:\s+(\d+)/;
	return $kilobytes;
}
sub figures { my ($line) = @_; return { $line =~ /(\w+) ([\d.]+)/g }; }

my $empty = memory('VmRSS');
sql('TRUNCATE smsr.https_call');
my ($out, $in);
my $pid = open2($out, $in, $peers, '--port', $port, '--identities', $identities, '--sessions', $sessions, '--gather',
	'--uri', '/size?900', '--body', 60, '--timeout', 60);
my $open = <$out> // '';
is($open, "open $sessions\n", "$sessions sessions at once, each with an answer");
my $full = memory('VmRSS');
is(sql("SELECT count(DISTINCT session) FROM smsr.https_call WHERE call = 'request'"), $sessions, 'each under its own token');
is(sql("SELECT count(*) FROM smsr.https_call c WHERE call = 'request' AND NOT EXISTS
	(SELECT FROM smsr.https_call p WHERE p.call = 'psk' AND p.identity = c.identity)"), 0, 'each for its own card');
# while they are there, one more
my $started = time;
my $peer = HttpsPeer->new(port => $port, identity => psk_identity(7), key => psk_key(7));
$peer->send(post('/echo', 'one more'));
my $response = $peer->response;
is($response && $response->{body}, 'one more', 'and one more');
cmp_ok(time - $started, '<', 1, 'without waiting');
$peer->close;
print $in "go on\n";
close $in;
my $told = <$out> // '';
waitpid $pid, 0;
my $figures = figures($told);
is("$figures->{sessions} $figures->{failed} $figures->{requests} $figures->{octets}", "$sessions 0 " . 2 * $sessions . ' ' . 2 * $sessions * 900,
	'and all of them again') or diag($told);
SKIP:
{
	skip 'not this program alone', 1 if $ENV{SMSR_GATEWAY_UNDER} || $ENV{SMSR_GATEWAY_SANITIZED};
	cmp_ok($full, '<', 256 * 1024, "$full kB with $sessions sessions, $empty without");
}
ok(wait_for(sub { ended() == $sessions + 1 }, undef, 10), 'each end is told');

# sessions that come and go leave nothing behind
my @left;
for my $round (1 .. 3)
{
	$told = qx{$peers --port $port --identities $identities --sessions 1000 --parallel 50 --requests 2 --uri '/size?900'};
	$figures = figures($told);
	is("$figures->{sessions} $figures->{failed}", '1000 0', 'a thousand come and go') or diag($told);
	push @left, memory('VmRSS');
}
cmp_ok($left[-1] - $left[0], '<', 4096, "and leave nothing behind: @left kB");
my @open = glob "/proc/$gateway->{pid}/fd/*";
ok(wait_for(sub { @open = glob "/proc/$gateway->{pid}/fd/*"; @open < 40 }), 'nor an open file');
ok(wait_for(sub { ended() == $sessions + 1 + 3000 }, undef, 10), 'nor a session');
is(stop_gateway($gateway), 0, 'ends');

done_testing();
