# options, the configuration file, HUP

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use GatewayTest;
use Test::More;

my $files = 0;

sub file
{
	my ($text) = @_;
	my $path = scratch() . '/test' . $files++ . '.conf';
	open my $file, '>', $path or die $!;
	print $file $text;
	close $file;
	chmod 0600, $path;
	return $path;
}

my ($status, $out, $errors) = run_gateway([ '--help' ]);
is($status, 0, '--help');
like($out, qr/Usage:.*--config=FILE.*--check.*SMSR_GATEWAY_CONFIG|Usage:.*SMSR_GATEWAY_CONFIG.*--check/s, 'tells the options');
is($errors, '', 'on standard output');
($status, $out) = run_gateway([ '--version' ]);
is($status, 0, '--version');
like($out, qr/^smsr-gateway \d+\.\d+\.\d+$/, 'tells it');
($status, $out, $errors) = run_gateway([ '--nonsense' ]);
is($status, 2, 'an unknown option');
like($errors, qr/--help/, 'points to the help');
($status, $out, $errors) = run_gateway([ 'argument' ]);
is($status, 2, 'an argument');
($status, $out, $errors) = run_gateway([ '--check', '-c', '/nonexistent/file' ]);
is($status, 2, 'no file');
like($errors, qr{/nonexistent/file: No such file}, 'is named');

my $good = <<'END';
# comment
[gateway]
database = dbname=postgres user=nobody
poll_interval = 250ms

[bind north]
; another
host = 127.0.0.1
port = 2775
system_id = "smsr"
password = secret
data_coding = 0x04
END
($status, $out, $errors) = run_gateway([ '--check', '-c', file($good) ]);
is($status, 0, 'a good file');
like($out, qr/1 bind, no errors/, 'is said to be good');
($status, $out) = run_gateway([ '--check' ], SMSR_GATEWAY_CONFIG => file($good));
is($status, 0, 'it can be named by the environment');
($status, $out, $errors) = run_gateway([ '--check', '-c', do { my $f = file($good); chmod 0644, $f; $f } ]);
like($errors, qr/holds a password and everybody can read it/, 'a password for everybody is warned of');

# each with the line and what is wrong in it
my @wrong = (
	[ "host = x\n",                                            1, qr/before the first section/ ],
	[ "[gateway]\nnonsense = 1\n",                             2, qr/unknown key "nonsense"/ ],
	[ "[gateway]\n\n\nno equals sign\n",                       4, qr/neither "key = value" nor a section/ ],
	[ "[gateway\n",                                            1, qr/section/ ],
	[ "[whatever]\n",                                          1, qr/neither "gateway" nor "bind NAME"/ ],
	[ "[gateway]\npoll_interval = soon\n",                     2, qr/poll_interval "soon" is not a duration/ ],
	[ "[gateway]\npoll_interval = 1ms\n",                      2, qr/poll_interval "1ms" is outside/ ],
	[ "[gateway]\nlog_level = loud\n",                         2, qr/log_level "loud"/ ],
	[ "[gateway]\nbatch = 0\n",                                2, qr/batch "0"/ ],
	[ "[gateway]\nbatch = 10\nbatch = 20\n",                   3, qr/batch is given twice/ ],
	[ "[bind a]\nhost = x\nport = 70000\n",                    3, qr/port "70000"/ ],
	[ "[bind a]\nhost = x\nwindow = -3\n",                     3, qr/window "-3"/ ],
	[ "[bind a]\nhost = x\nwindow = ten\n",                    3, qr/window "ten"/ ],
	[ "[bind a]\nhost = x\nsource_ton = 9\n",                  3, qr/source_ton "9" is not a type of number/ ],
	[ "[bind a]\nhost = x\ndest_npi = 2\n",                    3, qr/dest_npi "2" is not a numbering plan/ ],
	[ "[bind a]\nhost = x\ndata_coding = 0x100\n",             3, qr/data_coding "0x100"/ ],
	[ "[bind a]\nhost = x\nregistered_delivery = maybe\n",     3, qr/neither on nor off/ ],
	[ "[bind a]\nhost = x\nsystem_id = 1234567890123456\n",    3, qr/system_id is longer than 15/ ],
	[ "[bind a]\nhost = x\npassword = 123456789\n",            3, qr/password is longer than 8/ ],
	[ "\n[bind a]\nsystem_id = x\n",                           2, qr/bind "a" has no host/ ],
	[ "[bind a]\nhost = x\n[bind a]\nhost = y\n",              3, qr/bind "a" is already in line 1/ ],
	[ "[bind ]\nhost = x\n",                                   1, qr/without a name|neither/ ],
	[ "[bind a]\nhost = x\npassword = y\npassword_env = Z\n",  1, qr/more than one of password/ ],
	[ "[bind a]\nhost = x\npassword_env = NOT_SET_AT_ALL\n",   1, qr/NOT_SET_AT_ALL is not set/ ],
	[ "[bind a]\nhost = x\npassword_file = /nonexistent/p\n",  1, qr{cannot read password_file /nonexistent/p: No such} ],
	[ "[https ]\n",                                            1, qr/without a name|neither/ ],
	[ "[https a]\n[https a]\n",                               2, qr/https "a" is already in line 1/ ],
	[ "[https a]\nport = 0\n",                                2, qr/port "0"/ ],
	[ "[https a]\nhost = x\n",                                2, qr/unknown key "host"/ ],
	[ "[https a]\naddress =\n",                               2, qr/address is empty/ ],
	[ "[https a]\nrecord_size = 511\n",                       2, qr/record_size "511" is not a number from 512/ ],
	[ "[https a]\nidle_timeout = 0\n",                        2, qr/idle_timeout "0" is outside/ ],
	[ "[https a]\nmax_sessions = 0\n",                        2, qr/max_sessions "0"/ ],
	[ "[https a]\nport = 1\n[https b]\nport = 2\nport = 3\n",  5, qr/port is given twice/ ],
	[ "[gateway]\nhttps_connections = 33\n[https a]\n",       2, qr/https_connections "33"/ ],
	[ "[bind a]\nhost = x\nreconnect_min = 5s\nreconnect_max = 1s\n", 1, qr/reconnect_max is less/ ],
);
for (@wrong)
{
	my ($text, $line, $what) = @$_;
	my $path = file($text);
	($status, $out, $errors) = run_gateway([ '--check', '-c', $path ]);
	is($status, 2, "status 2 for: $what");
	like($errors, qr/\Q$path\E:$line: .*$what/, 'line and reason') or diag $errors;
}
($status, $out, $errors) = run_gateway([ '--check', '-c', file("[gateway]\ndatabase = nonsense here\n[bind a]\nhost = x\n") ]);
like($errors, qr/database is not a connection string/, 'the connection string is checked');
($status, $out, $errors) = run_gateway([ '--check', '-c', file("[gateway]\n") ]);
like($errors, qr/no \[bind NAME\]/, 'a gateway to nowhere');
($status, $out, $errors) = run_gateway([ '--check', '-c', file("[https a]\n[https b]\nport = 8444\n") ]);
is("$status $out", "0 " . ($out =~ /(.*conf)/)[0] . ": 0 binds, 2 https addresses, no errors\n", 'a gateway for sessions alone');
($status, $out, $errors) = run_gateway([ '--check', '-c', file("[gateway]\nbatch = x\npoll_interval = y\n[bind a]\nhost = x\nport = z\n") ]);
is((() = $errors =~ /error /g), 3, 'all errors are told, not the first alone');
($status, $out, $errors) = run_gateway([ '--check', '-c', file("[bind a]\nhost = x\npassword = topsecretword\n") ]);
unlike($errors, qr/topsecret/, 'a password that is refused is not repeated');
($status, $out, $errors) = run_gateway([ '--check', '-c', file(join '', map { chr int rand 256 } 1 .. 3000) ]);
is($status, 2, 'garbage for a file');

#
# passwords from elsewhere
#
fresh_schema();
my $smsc = Smsc->new;
my $secret = scratch() . '/password';
open my $handle, '>', $secret or die $!;
print $handle "fromfile\n";
close $handle;
my %bind = (host => '127.0.0.1', port => $smsc->{port});
my $text = "[gateway]\npoll_interval = 100ms\nlog_timestamps = off\n[bind north]\nhost = 127.0.0.1\nport = $smsc->{port}\n"
	. "reconnect_min = 50ms\nreconnect_max = 100ms\n";
my ($database) = write_config({}, north => {});
my %pg = do { local (@ARGV, $/) = $database; <> =~ /host=(\S+)/ ? (PGHOST => $1, PGDATABASE => 'postgres', PGUSER => 'smsr_gateway') : () };

my $gateway = start_gateway(file($text . "password_file = $secret\n"), %pg);
ok(wait_for(sub { @{ $smsc->{binds} } }, $smsc), 'binds');
is($smsc->{binds}[0]{password}, 'fromfile', 'with the password of the file');
queue(1);
ok(wait_for(sub { outbox() eq 'submitted:1' }, $smsc), 'with the database that the environment names');
log_like($gateway, qr/^info    bind north: bound/m, 'without timestamps, when asked so');

# HUP
my $path = $gateway->{config};
open $handle, '>', $secret or die $!;
print $handle "newone";
close $handle;
open $handle, '>', $path or die $!;
(my $changed = $text) =~ s/\[gateway\]/[gateway]\nlog_level = debug/;
print $handle $changed, "password_file = $secret\nsource = 777\n";
close $handle;
kill 'HUP', $gateway->{pid};
ok(wait_for(sub { gateway_log($gateway) =~ /configuration read again/ }, $smsc), 'HUP reads the file again');
queue(1);
ok(wait_for(sub { outbox() eq 'submitted:2' }, $smsc), 'in the same session');
is(@{ $smsc->{binds} }, 1, 'indeed the same');
is($smsc->{submits}[-1]{source_addr}, '777', 'a new source address holds at once');
log_like($gateway, qr/^debug /m, 'a new log level too');
$smsc->drop;
ok(wait_for(sub { @{ $smsc->{binds} } == 2 }, $smsc), 'binds again');
is($smsc->{binds}[1]{password}, 'newone', 'with the new password');
open $handle, '>', $path or die $!;
print $handle "[gateway]\nbatch = many\n";
close $handle;
kill 'HUP', $gateway->{pid};
ok(wait_for(sub { gateway_log($gateway) =~ /batch "many".*left as it was/s }, $smsc), 'errors leave the configuration as it was');
open $handle, '>', $path or die $!;
print $handle $changed, "window = 7\n";
close $handle;
kill 'HUP', $gateway->{pid};
ok(wait_for(sub { gateway_log($gateway) =~ /need a restart/ }, $smsc), 'a new window needs a restart');
queue(1);
ok(wait_for(sub { outbox() eq 'submitted:3' }, $smsc), 'it works on');
is(stop_gateway($gateway, $smsc), 0, 'ends');

$gateway = start_gateway(file($text . "password_env = SMSC_PASSWORD\n"), %pg, SMSC_PASSWORD => 'envword');
ok(wait_for(sub { @{ $smsc->{binds} } == 3 }, $smsc), 'binds');
is($smsc->{binds}[2]{password}, 'envword', 'with the password of the environment');
log_like($gateway, qr/starts with/, 'logs');
# a second signal does not wait
$smsc->{on_submit} = sub { undef };
queue(1);
ok(wait_for(sub { @{ $smsc->{submits} } == 4 }, $smsc), 'one unanswered');
kill 'INT', $gateway->{pid};
ok(wait_for(sub { gateway_log($gateway) =~ /stopping/ }, $smsc), 'INT ends it too');
kill 'INT', $gateway->{pid};
ok(wait_exit($gateway, $smsc, 3), 'a second one at once');

done_testing();
