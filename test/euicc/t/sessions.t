#!/usr/bin/perl
# Cards call servers that are not ours: openssl s_server and gnutls-serv.  And what
# the control socket says of it.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use FindBin;
use lib $FindBin::Bin;
use Fleet;
use IO::Socket::INET;
use IPC::Open3;
use Symbol qw(gensym);
use Test::More;
use Time::HiRes qw(sleep time);

my $protocol = "X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n";
my $type = "Content-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n";

sub free_port
{
	my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
	return $socket->sockport;
}

sub psk { my ($card) = @_; return substr sha256_hex("smsr-fleet psk 1 $card"), 0, 32; }

sub until_true
{
	my ($true) = @_;
	my $end = time + 20;
	while (time < $end) { return 1 if $true->(); sleep 0.02 }
	return 0;
}

# ---- a server whose answers are typed in ----

package Server;

sub new
{
	my ($class, $port, @command) = @_;
	my $self = bless { port => $port, seen => '' }, $class;
	$self->{pid} = IPC::Open3::open3($self->{in}, $self->{out}, undef, @command);
	$self->{out}->blocking(0);
	main::until_true(sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") }) or die "@command: does not listen";
	return $self;
}

sub openssl
{
	my ($class, $card, @options) = @_;
	my $port = main::free_port();
	return $class->new($port, 'openssl', 's_server', '-quiet', '-nocert', '-tls1_2', '-accept', "127.0.0.1:$port",
		'-psk', main::psk($card), @options);
}

sub saw
{
	my ($self, $what) = @_;
	return main::until_true(sub {
		while (sysread $self->{out}, my $more, 65536) { $self->{seen} .= $more }
		return $self->{seen} =~ $what;
	});
}

sub say
{
	my ($self, $text) = @_;
	$self->{seen} = '';
	syswrite $self->{in}, $text;
}

sub script
{
	my ($self, $next, $script, @headers) = @_;
	$self->say("HTTP/1.1 200 OK\r\n$protocol$type" . join('', map { "$_\r\n" } @headers) . "X-Admin-Next-URI: $next\r\n" .
		'Content-Length: ' . length($script) . "\r\n\r\n$script");
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!);
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
}

package main;

# ---- openssl s_server: each of the three kinds of card, a whole session ----

my %suites = (1 => 'PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256', 2 => 'PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256', 3 => 'PSK-AES128-CBC-SHA256');
for my $card (1 .. 3)
{
	my $server = Server->openssl($card, '-cipher', $suites{$card});
	my $fleet = Fleet->new('--https', '--cards', 3, '--https-server', "127.0.0.1:$server->{port}", $card == 2 ? ('--max-fragment', 512) : ());
	$fleet->ctl("call $card");
	ok $server->saw(qr{^POST /gsma/adminagent HTTP/1\.1\r\nHost: localhost\r\n.*\r\n\r\n$}ms), "card $card calls openssl s_server";
	my $suite = $card == 1 ? 'GCM' : 'CBC';
	like $fleet->ctl('sessions'), qr{^\d{32}\tasked\t64\t1\t1\t0\t0\t\d+\t\d+\tPSK-AES128-$suite-SHA256\t/gsma/adminagent$}m,
		'... which the control socket shows';
	$server->script('/x?script=7', "\xAE\x80\x22\x05\x80\xCA\xFF\x21\x00\x00\x00");
	ok $server->saw(qr{^POST /x\?script=7 HTTP.*X-Admin-Script-Status: ok.*\xAF\x80.*\x90\x00\x00\x00}s), '... executes a script and answers';
	$server->say("HTTP/1.1 204 No Content\r\n\r\n");
	ok until_true(sub { $fleet->stat('https_sessions') == 0 }), '... and ends at 204';
	is $fleet->stat('https_ended') . $fleet->stat('https_bad_answers'), '10', '... as it should';
	like $fleet->ctl("commands $card"), qr/^1\tget_resources\t000000\t9000\t64\t7$/m, '... what it did stands in its log, with the name that the server has for it';
	is $fleet->errors, '', '... nothing on stderr';
}

# ---- a connection that breaks, on demand, and another key ----

{
	my $server = Server->openssl(1);
	my $fleet = Fleet->new('--https', '--cards', 1, '--https-server', "127.0.0.1:$server->{port}", '--https-retry-delay', '0.1',
		'--https-retries', 1, '--https-uri', '/other', '--https-host', 'sm-sr.example');
	$fleet->ctl('break 1 after=1');
	$fleet->ctl('call 1');
	ok $server->saw(qr{^POST /other HTTP/1\.1\r\nHost: sm-sr\.example\r\n.*\r\n\r\n$}ms), '--https-uri, --https-host';
	ok $fleet->ctl_fails('call 1'), 'one session at a time';
	$server->script('/y', "\xAE\x80\x22\x05\x80\xCA\xFF\x21\x00\x00\x00");
	ok $server->saw(qr{^POST /y HTTP.*?X-Admin-Resume: true.*\xAF\x80.*\x90\x00\x00\x00}ms), 'break after=1: the answer comes on another connection';
	is $fleet->stat('commands') . $fleet->stat('https_broken'), '11', '... executed once';
	$server->say("HTTP/1.1 204 No Content\r\n\r\n");
	ok until_true(sub { $fleet->stat('https_sessions') == 0 }), '... done';
	$fleet->ctl('faults https_wrong_key=1');
	$fleet->ctl('call 1');
	ok until_true(sub { $fleet->stat('https_given_up') == 1 }), 'https_wrong_key: given up';
	is $fleet->stat('https_failed') . $fleet->stat('https_opened'), '22', '... no handshake is done';
	ok $fleet->ctl_fails('break 1 somewhere'), 'break: where?';
	ok $fleet->ctl_fails('sessions 1'), 'sessions takes no card';
}

# ---- gnutls-serv: handshakes; it closes when there is a POST ----

SKIP:
{
	skip 'gnutls-serv is not there', 6 if system('command -v gnutls-serv >/dev/null 2>&1') != 0;
	my $dir = File::Temp->newdir;
	for my $card (1 .. 3)
	{
		my $port = free_port();
		my $eid = (split /\t/, qx($Fleet::program msisdn --card $card))[0];
		open my $file, '>', "$dir/psk" or die $!;
		print $file "8001028110${eid}4F10A0000005591010FFFFFFFF8900000100820101830140:" . psk($card) . "\n";
		close $file;
		my $server = Server->new($port, 'gnutls-serv', '--http', '--port', $port, '--pskpasswd', "$dir/psk",
			'--priority', 'NORMAL:-KX-ALL:+PSK:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:+AES-128-CBC:-MAC-ALL:+SHA256:+AEAD:%NO_TICKETS');
		my $fleet = Fleet->new('--https', '--cards', 3, '--https-server', "127.0.0.1:$port", '--https-retries', 0);
		$fleet->ctl("call $card");
		ok until_true(sub { $fleet->stat('https_sessions') == 0 }), "card $card calls gnutls-serv";
		is join(' ', map { $fleet->stat("https_$_") } qw(opened failed given_up)), '1 0 1', '... speaks TLS with it, which takes no POST';
	}
}

# ---- nobody there, nonsense ----

my $fleet = Fleet->new('--https', '--cards', 2, '--https-server', '127.0.0.1:1', '--https-retries', 1, '--https-retry-delay', 0);
$fleet->ctl('call 2');
ok until_true(sub { $fleet->stat('https_given_up') == 1 }), 'nobody listens: given up';
is $fleet->ctl('sessions'), '', 'no session is left';
is $fleet->ctl('downloads'), '', 'nothing was downloaded';
undef $fleet;
$fleet = Fleet->new('--cards', 1, '--https-server', '127.0.0.1:1');
ok $fleet->ctl_fails('call 1'), 'a card without a key does not call';
undef $fleet;
$fleet = Fleet->new('--https', '--cards', 1);
ok $fleet->ctl_fails('call 1'), 'nor one without a server';
undef $fleet;

for my $noise ("HTTP/1.1 200 OK\r\nX-Admin-Protocol: x\r\nContent-Length: 0\r\n\r\n", 'x' x 6000, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
	"HTTP/1.1 200 OK\r\n${protocol}${type}Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\n$protocol\r\n",
	"HTTP/1.1 200 OK\r\n${protocol}${type}Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n", "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n",
	"HTTP/1.1 200 OK\r\n${protocol}Content-Type: text/html\r\nContent-Length: 0\r\n\r\n", "SSH-2.0\r\n\r\n")
{
	my $server = Server->openssl(1);
	my $noisy = Fleet->new('--https', '--cards', 1, '--https-server', "127.0.0.1:$server->{port}");
	$noisy->ctl('call 1');
	$server->saw(qr/\r\n\r\n/) or diag $server->{seen};
	$server->say($noise);
	(my $shown = substr $noise, 0, 60) =~ s/[^ -~]+/ /g;
	ok until_true(sub { $noisy->stat('https_bad_answers') == 1 }), "an answer that makes no sense: $shown";
	is $noisy->stat('https_sessions') . $noisy->stat('https_scripts') . $noisy->errors, '00', '... ends the session';
}

for (['--https-server', 'localhost:1'], ['--https-server', '127.0.0.1'], ['--https-server', '1.2.3.4:99999'], ['--https-uri', 'x'], ['--https-host', 'a b'],
	['--notify', 'post'], ['--max-fragment', '700'], ['--https-poll', 'x'], ['--https-stall', '2'])
{
	my $out = qx($Fleet::program @{[ map { "'$_'" } @$_ ]} 2>&1 </dev/null);
	ok $? >> 8 == 2 && $out =~ /^smsr-fleet: /, "refused: @$_";
}
like qx($Fleet::program eis --https --card 1), qr{<HttpSupport>true<.*<Version>64</Version><Type>SCP81</Type><Key kcv=""><Index>1</Index><KeyComponent type="85" value="@{[ uc psk(1) ]}"/>},
	'eis --https: the key and the capability';
unlike qx($Fleet::program eis --card 1), qr{SCP81|<HttpSupport>true}, 'eis: without it neither';
done_testing;
