# HTTPS, with TLS stacks that are not the gateway's own, peers that mean no good
# and networks that break

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::MD5 qw(md5_hex);
use GatewayTest;
use HttpsPeer;
use JSON;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(time sleep);

my $here = $FindBin::Bin;
my $port;
my $gateway;
my @suites = qw(PSK-AES128-GCM-SHA256 PSK-AES128-CBC-SHA256);

sub begin
{
	my (%https) = @_;
	fresh_schema();
	sql("\\i $here/../https.sql");
	sql("INSERT INTO smsr.https_key SELECT i, decode(k, 'hex') FROM (VALUES "
			. join(', ', map { "('" . psk_identity($_) . "', '" . psk_key($_) . "')" } 1 .. 200) . ') AS k (i, k)');
	sql("INSERT INTO smsr.https_key VALUES ('empty', ''), ('long', decode(repeat('" . psk_key(1) . "', 5), 'hex'))");
	$port = free_port();
	my $config = write_config({ database_timeout => '3s' });
	my %section = (address => '127.0.0.1', port => $port, idle_timeout => '1500ms', request_timeout => '1s', handshake_timeout => '1s', %https);
	open my $file, '>>', $config or die $!;
	print $file "\n[https cards]\n", map { "$_ = $section{$_}\n" } sort keys %section;
	close $file;
	$gateway = start_gateway($config);
	wait_for(sub { my $s = tcp($port) or return 0; close $s; 1 }) or BAIL_OUT('the gateway does not listen: ' . gateway_log($gateway));
	# its connections to the database take a moment
	wait_for(sub { my $peer = peer(40); $peer->connected(1) }) or BAIL_OUT('no session: ' . gateway_log($gateway));
	wait_for(sub { sql("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'smsr_gateway' AND state = 'active'") eq 't' });
	wait_for(sub { calls('closed') >= 1 }, undef, 2);
	sql('TRUNCATE smsr.https_call');
	return;
}

sub peer
{
	my ($n, %option) = @_;
	return HttpsPeer->new(port => $port, identity => psk_identity($n), key => psk_key($n), %option);
}

sub calls
{
	my ($call, $condition) = @_;
	return sql("SELECT count(*) FROM smsr.https_call WHERE call = '$call' AND " . ($condition // 'true'));
}

# a new page, once all that is on the old one has come to its end
sub forget
{
	wait_for(sub { sql(q{SELECT count(*) FROM (SELECT FROM smsr.https_call WHERE call IN ('request', 'closed')
		GROUP BY session HAVING bool_and(call = 'request')) AS s}) == 0 }, undef, 2);
	sql('TRUNCATE smsr.https_call RESTART IDENTITY');
	return;
}

# whatever was done to the gateway, the next card is served
sub still_serves
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $peer = peer(39);
	$peer->send(post('/echo', 'still here'));
	my $response = $peer->response(5);
	my $ok = is($response ? $response->{body} : 'nothing', 'still here', "$name: the next card is served");
	$peer->close;
	return $ok;
}

begin();

#
# two clients, two suites
#
for my $by (qw(openssl gnutls))
{
	for my $suite (@suites)
	{
		forget();
		my $peer = peer(1, by => $by, suite => $suite);
		ok($peer->connected, "$by, $suite: handshake") or diag($peer->{errors});
		like($peer->{errors}, $by eq 'openssl' ? qr/Ciphersuite: $suite$/m : $suite =~ /GCM/ ? qr/TLS1\.2.*PSK.*AES-128-GCM/ : qr/TLS1\.2.*PSK.*AES-128-CBC.*SHA256/,
			'this suite and no other');
		$peer->send(post('/echo', "who's there"));
		my $response = $peer->response;
		is($response && $response->{status}, 200, 'status');
		is($response && $response->{body}, "who's there", 'and body');
		is($response && $response->{header}{'x-admin-protocol'}, 'globalplatform-remote-admin/1.0', 'and header');
		$peer->send(post('/empty'));
		$response = $peer->response;
		is($response && $response->{status}, 204, 'a second request in the same session');
		is($response && $response->{header}{'x-admin-next-uri'}, undef, 'with no more to do');
		$peer->close;
		ok(wait_for(sub { calls('closed') == 1 }), 'the end of the session is told');
		is(sql("SELECT string_agg(call, ' ' ORDER BY n) FROM smsr.https_call"), 'psk request request closed', 'each call once');
		is(sql("SELECT count(DISTINCT session) || '|' || count(session) || '|' || string_agg(DISTINCT gateway, ' ')
			|| '|' || string_agg(DISTINCT identity, ' ') FROM smsr.https_call WHERE call <> 'psk'"),
			'1|3|cards|' . psk_identity(1), 'under one token, from this listener, for this card');
	}
}

#
# what the database is told, and what the card
#
forget();
my $peer = peer(2);
$peer->send(post('/script?17', undef, 'X-Admin-From' => '//se-id/eid/8900;//aa-id/aid/A0/00', 'x-admin-RESUME' => 'true'));
my $response = $peer->response;
is_deeply([ @{ $response->{header} }{qw(x-admin-next-uri x-admin-targeted-application content-type)} ],
	[ '/answer?script=17', '//aid/A000000559/1010FFFFFFFF8900001000', 'application/vnd.globalplatform.card-content-mgt;version=1.0' ],
	'headers arrive as they were given');
is(unpack('H*', $response->{body}), 'ae80220580ca0066000000', 'and octets, NUL among them');
my ($method, $uri, $headers, $null) = split /\|/, sql("SELECT method, uri, headers, body IS NULL FROM smsr.https_call WHERE call = 'request'");
is("$method $uri", 'POST /script?17', 'method and URI with its query');
is($null, 't', 'no body is NULL');
$headers = decode_json($headers);
is($headers->{'x-admin-from'}, '//se-id/eid/8900;//aa-id/aid/A0/00', 'headers in lower case');
is($headers->{'x-admin-resume'}, 'true', 'however they were written');
is($headers->{'x-admin-protocol'}, 'globalplatform-remote-admin/1.0', 'each of them');
my $every = join '', map { chr } 0 .. 255;
for my $chunks (0, 1, 7, 256)
{
	$peer->send(post('/echo', $every, $chunks ? (chunks => $chunks) : ()));
	$response = $peer->response;
	is($response && md5_hex($response->{body}), md5_hex($every), $chunks ? "every octet, in chunks of $chunks" : 'every octet');
}
for my $size (1, 511, 512, 513, 16383, 16384, 16385, 65000)
{
	$peer->send(post("/size?$size"));
	$response = $peer->response;
	is($response && length $response->{body}, $size, "$size octets to the card");
	is($response->{body}, 'Z' x $size, 'as they were') if $response && $size == 65000;
}
for my $size (1000, 16385, 60000)
{
	my $body = join '', map { chr $_ % 251 } 1 .. $size;
	$peer->send(post('/echo', $body, $size > 1000 ? (chunks => 500) : ()));
	$response = $peer->response;
	is($response && md5_hex($response->{body}), md5_hex($body), "$size octets there and back");
}
$peer->send(post('/poll'));
$response = $peer->response;
is("$response->{status} $response->{header}{'x-admin-next-uri'} [$response->{body}]", '204 /echo []', '204 with a Next-URI');
is(calls('psk'), 1, 'all of it in one session');
$peer->send(post('/status?409'));
$response = $peer->response;
is($response && $response->{status}, 409, 'a refusal');
$peer->close;

# pipelining: in order, each once
forget();
$peer = peer(3);
$peer->connected;
$peer->send(join '', map { post("/echo?$_", "number $_") } 1 .. 5);
is(join(', ', map { my $r = $peer->response; $r ? $r->{body} : 'none' } 1 .. 5), join(', ', map { "number $_" } 1 .. 5), 'five requests in one record');
is(sql("SELECT string_agg(uri, ' ' ORDER BY n) FROM smsr.https_call WHERE call = 'request'"),
	join(' ', map { "/echo?$_" } 1 .. 5), 'are five calls, in order');
$peer->close;

# one octet a record
forget();
$peer = peer(4);
$peer->connected;
for my $octet (split //, post('/echo', 'dribble'))
{
	$peer->send($octet);
	sleep 0.001;
}
$response = $peer->response;
is($response && $response->{body}, 'dribble', 'one octet a record');
$peer->close;

#
# who gets in
#
forget();
my %complaint;
my %refused = (
	'a wrong key'            => [ psk_identity(1), psk_key(2) ],
	'an unknown identity'    => [ psk_identity(4000), psk_key(1) ],
	'a key that is too short' => [ psk_identity(1), substr psk_key(1), 0, 30 ],
	'a short identity'       => [ 'x', psk_key(1) ],
	'128 octets of identity' => [ 'A' x 128, psk_key(1) ],
	'255 octets of identity' => [ 'A' x 255, psk_key(1) ],
	'SQL as identity'        => [ "'; DROP SCHEMA smsr CASCADE; --", psk_key(1) ],
	'octets that are no text' => [ "\xff\xfe\x80\xc3\x28", psk_key(1) ],
	'a key of no octets'     => [ 'empty', psk_key(1) ],
	'a key of too many'      => [ 'long', psk_key(1) ],
	'an identity in lower case' => [ lc psk_identity(1), psk_key(1) ],
);
for my $name (sort keys %refused)
{
	my ($identity, $key) = @{ $refused{$name} };
	$peer = peer(1, identity => $identity, key => $key);
	ok(!$peer->connected, "$name does not get in");
	$peer->close;
	$complaint{$name} = $peer->complaint;
}
unlike(join(' ', values %complaint), qr/unknown.psk/i, 'nobody hears that an identity is unknown');
# what the database gives for these is no key at all
delete @complaint{ 'a key of no octets', 'a key of too many' };
is(scalar(keys %{ { reverse %complaint } }), 1, 'a card that is unknown hears what one with a wrong key hears') or diag(explain(\%complaint));
for my $by (qw(gnutls))
{
	$peer = peer(1, by => $by, key => psk_key(2));
	ok(!$peer->connected, "$by with a wrong key");
	$peer->close;
}
is(calls('request'), 0, 'no request was made');
is(calls('closed'), 0, 'and where no session was, none has ended');
is(sql("SELECT count(*) FROM smsr.https_call WHERE identity LIKE '%DROP%'"), 1, 'an identity is data');
still_serves('refused identities');

#
# versions and suites: exactly these
#
for my $case ([ '-tls1_3' ], [ '-tls1_1', '-cipher', 'PSK:@SECLEVEL=0' ], [ '-tls1', '-cipher', 'PSK:@SECLEVEL=0' ])
{
	$peer = peer(1, any => 1, options => $case);
	ok(!$peer->connected(2), "no session by $case->[0]");
	$peer->close;
}
$peer = peer(1, any => 1, options => [ '-cipher', 'PSK-AES128-GCM-SHA256' ]);
ok($peer->connected, 'a client that would like TLS 1.3');
like($peer->{errors}, qr/Protocol version: TLSv1\.2/, 'gets TLS 1.2');
$peer->close;

# the handshake type or alert that a ClientHello is answered by
sub hello
{
	my (%option) = @_;
	my $socket = tcp($port) or return 'refused';
	syswrite $socket, client_hello(%option);
	my $answer = '';
	my $select = IO::Select->new($socket);
	while (length $answer < 5 + (length $answer < 5 ? 1 : unpack 'x3n', $answer) && $select->can_read(2))
	{
		sysread $socket, $answer, 1000, length $answer or last;
	}
	return 'closed' if length $answer < 7;
	my ($type, $version, $length, $what, $more) = unpack 'CnnCC', $answer;
	return "alert $more" if $type == 21;
	return 'nonsense' if $type != 22 || $what != 2 || length $answer < 47;
	my ($chosen, $id) = unpack 'x9 n x32 C', $answer;
	my ($suite, $compression) = unpack 'x' . (44 + $id) . ' nC', $answer;
	return sprintf 'ServerHello %04x %04x %d', $chosen, $suite, $compression;
}
is(hello(), 'ServerHello 0303 00a8 0', 'TLS 1.2, and GCM if the card leaves it to us');
is(hello(suites => [ 0xAE, 0xA8 ]) =~ /^ServerHello 0303 00a[8e] 0$/ ? 1 : 0, 1, 'either order');
is(hello(compression => "\1\0"), 'ServerHello 0303 00a8 0', 'compression is left alone');
my (@accepted, %how);
for my $suite (0 .. 0xFF, 0x1301 .. 0x1305, 0xC000 .. 0xC0FF, 0xCCA8 .. 0xCCAF, 0xD001 .. 0xD005, 0xFEFE, 0x5600)
{
	my $answer = hello(suites => [ $suite ]);
	push @accepted, sprintf '%04x', $suite if $answer =~ /^ServerHello/;
	$how{$answer}++;
}
is("@accepted", '00a8 00ae', 'of all suites there are, two') or diag(explain(\%how));
for my $version (0x0200, 0x0300, 0x0301, 0x0302)
{
	unlike(hello(version => $version), qr/^ServerHello/, sprintf 'no ServerHello to version %04x', $version);
}
still_serves('versions and suites');

#
# no resumption, no tickets, no renegotiation
#
my $session = scratch() . '/session.pem';
$peer = peer(5, any => 1, options => [ '-tls1_2', '-sess_out', $session, '-prexit' ]);
$peer->send(post('/echo', 'first'));
$peer->response;
$peer->close;
if (-s $session)
{
	$peer = HttpsPeer->new(port => $port, identity => psk_identity(5), key => '00' x 16, any => 1, options => [ '-tls1_2', '-sess_in', $session ]);
	ok(!$peer->connected(2), 'a session is not resumed by who has no key');
	$peer->close;
}
else
{
	pass('there is no session that could be resumed');
}
$peer = peer(5, by => 'gnutls', options => [ '--resume' ]);
ok($peer->connected, 'who tries gets a new session');
$peer->close;
unlike($peer->{errors} . $peer->{out}, qr/\*\*\* This is a resumed session/, 'nor by who has');

for my $by (qw(openssl gnutls))
{
	forget();
	$peer = peer(6, by => $by, $by eq 'openssl' ? (commands => 1) : (options => [ '--rehandshake' ]));
	$peer->connected;
	$peer->send("R\n") if $by eq 'openssl';
	my $ended = $peer->ends(2);
	$peer->send(post('/echo', 'after a renegotiation')) if !$ended;
	$response = $ended ? undef : $peer->response(2);
	is(calls('psk'), 1, "$by: there is no second handshake");
	ok($ended || $response, 'the session ends, or goes on as it was') or diag($peer->{errors});
	$peer->close;
}
still_serves('renegotiation');

#
# records
#
sub record_sizes
{
	my (@options) = @_;
	my $file = scratch() . '/records';
	unlink $file;
	my $client = HttpsPeer->new(port => relay($port, records => $file), identity => psk_identity(7), key => psk_key(7), options => \@options);
	$client->send(post('/size?20000'));
	my $got = $client->response;
	$client->close;
	my @sizes = map { $_->[2] } grep { $_->[0] eq 'client' && $_->[1] == 23 } records($file);
	return ($got ? length $got->{body} : 0, (sort { $b <=> $a } @sizes)[0] // 0, scalar @sizes);
}
my ($length, $largest, $count) = record_sizes();
is($length, 20000, 'a large answer');
cmp_ok($largest, '<=', 1024 + 64, 'in records that a card can hold');
cmp_ok($count, '>=', 20, "$count of them");
for my $size (512, 1024)
{
	($length, $largest) = record_sizes('-maxfraglen', $size);
	is($length, 20000, "max_fragment_length $size");
	cmp_ok($largest, '<=', $size + 64, 'is kept');
}

# a client's records of all sizes, up to the largest that TLS knows
$peer = peer(8, options => [ '-max_send_frag', 512 ]);
$peer->send(post('/echo', 'f' x 5000));
$response = $peer->response;
is($response && length $response->{body}, 5000, 'small records from the card');
$peer->close;

#
# altered, cut, stalled, at any octet
#
# what a session of one request takes in each direction
my $trial = scratch() . '/trial';
$peer = HttpsPeer->new(port => relay($port, records => $trial), identity => psk_identity(9), key => psk_key(9));
$peer->send(post('/echo', 'whole'));
$peer->response;
$peer->close;
my %whole = (server => 0, client => 0);
$whole{ $_->[0] } += 5 + $_->[2] for records($trial);
ok($whole{server} > 300 && $whole{client} > 200, "a session takes $whole{server} and $whole{client} octets");
forget();
my @twice;
my $n = 0;
my @broken;
for my $case ((map { ([ 'flip', $_ / 6 ], [ 'cut', $_ / 6 ]) } 1 .. 5), map { ([ 'reset', $_ / 3 ], [ 'insert', $_ / 3 ]) } 1 .. 2)
{
	my ($what, $part) = @$case;
	for my $to (qw(server client))
	{
		$n++;
		my $after = int $whole{$to} * ($part + 0.04);
		my $through = relay($port, to => $to, after => $after, what => $what, insert => "\x17\x03\x03\x00\x20" . 'i' x 32);
		my $client = HttpsPeer->new(port => $through, identity => psk_identity(9), key => psk_key(9));
		$client->send(post("/echo?$n", 'whole'));
		push @broken, [ $client, "$what $to $after" ];
	}
}
my $until = time + 0.7;
for (@broken)
{
	my ($client, $name) = @$_;
	my $got = $client->response($until > time ? $until - time : 0.01);
	$client->close('KILL');
	push @twice, "$name: $got->{body}" if $got && $got->{body} ne 'whole';
}
is("@twice", '', 'nobody was told what was not said');
is(sql("SELECT count(*) FROM (SELECT uri FROM smsr.https_call WHERE call = 'request' GROUP BY 1 HAVING count(*) > 1) AS s"), 0, 'no request came twice');
is(sql("SELECT count(*) FROM smsr.https_call WHERE call = 'request' AND body <> 'whole'"), 0, 'and none that was altered');
ok(wait_for(sub { sql(q{SELECT count(*) FROM (SELECT session FROM smsr.https_call WHERE call IN ('request', 'closed')
	GROUP BY 1 HAVING count(*) FILTER (WHERE call = 'closed') <> 1) AS s}) == 0 }), 'each session that began has ended once')
	or diag(sql("SELECT session, string_agg(call || coalesce(' ' || uri, ''), ', ' ORDER BY n) FROM smsr.https_call WHERE call <> 'psk' GROUP BY 1"));
still_serves("$n broken sessions");

# a body that never becomes whole is no request
forget();
for my $body ([ 'Content-Length: 10', 'five5' ], [ 'Transfer-Encoding: chunked', "a\r\nfive5" ], [ 'Transfer-Encoding: chunked', "5\r\nfive5\r\n" ])
{
	$peer = peer(10);
	$peer->connected;
	$peer->send("POST /echo HTTP/1.1\r\nHost: smsr\r\n$body->[0]\r\n\r\n$body->[1]");
	sleep 0.1;
	$peer->close('KILL');
}
ok(wait_for(sub { calls('closed') == 3 }), 'three clients leave before the end of their bodies');
is(calls('request'), 0, 'and have asked for nothing');

#
# HTTP that is none
#
my %bad = (
	'garbage'                        => join('', map { chr int 33 + $_ * 7 % 90 } 1 .. 200) . "\r\n\r\n",
	'octets'                         => "\x00\xff\x16\x03\x01\x02\x00" x 50,
	'a header of 6000 octets'        => post('/echo', 'x', 'X-Large' => 'h' x 6000),
	'300 headers'                    => post('/echo', 'x', map { ("X-H$_" => 'abcdefgh') } 1 .. 300),
	'a URI of 6000 octets'           => post('/echo?' . 'u' x 6000, 'x'),
	'a body said to be too large'    => "POST /echo HTTP/1.1\r\nHost: smsr\r\nContent-Length: 70000\r\n\r\n" . 'x' x 1000,
	'a body said to be enormous'     => "POST /echo HTTP/1.1\r\nHost: smsr\r\nContent-Length: 99999999999999999999999\r\n\r\n",
	'a body that is too large'       => post('/echo', 'b' x 70000),
	'chunks that are too many'       => post('/echo', 'b' x 70000, chunks => 4000),
	'a negative length'              => "POST /echo HTTP/1.1\r\nHost: smsr\r\nContent-Length: -5\r\n\r\n",
	'a length that is no number'     => "POST /echo HTTP/1.1\r\nHost: smsr\r\nContent-Length: five\r\n\r\nfive5",
	'two lengths'                    => "POST /echo HTTP/1.1\r\nHost: smsr\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabc",
	'a length and chunks'            => "POST /echo HTTP/1.1\r\nHost: smsr\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	'a chunk that is no number'      => "POST /echo HTTP/1.1\r\nHost: smsr\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
	'a chunk that is enormous'       => "POST /echo HTTP/1.1\r\nHost: smsr\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
	'a chunk of 2^64 - 1'            => "POST /echo HTTP/1.1\r\nHost: smsr\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
	'an unknown coding'              => "POST /echo HTTP/1.1\r\nHost: smsr\r\nTransfer-Encoding: gzip\r\n\r\nabc",
	'HTTP/2'                         => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . "\0" x 30,
	'HTTP/3.1'                       => "POST /echo HTTP/3.1\r\nHost: smsr\r\nContent-Length: 0\r\n\r\n",
	'no URI'                         => "POST\r\n\r\n",
	'a header without a name'        => "POST /echo HTTP/1.1\r\nHost: smsr\r\n: empty\r\nContent-Length: 0\r\n\r\n",
);
forget();
my @bad;
for my $name (sort keys %bad)
{
	my $client = peer(101 + @bad);
	push @bad, [ $name, $client ];
	$client->connected;
	$client->send($bad{$name});
}
my $deadline = time + 4;
for my $i (0 .. $#bad)
{
	my ($name, $client) = @{ $bad[$i] };
	my $got = $client->response($deadline > time ? $deadline - time : 0.01);
	my $ended = $client->ends($deadline > time ? $deadline - time : 0.01);
	$client->close;
	ok((!$got || $got->{status} >= 400 && $got->{status} < 600) && $ended, "$name: refused, and the session closed")
		or diag('got ' . ($got ? $got->{head} : 'nothing') . ($ended ? '' : ', and it stays open'));
	is(calls('request', "identity = '" . psk_identity(101 + $i) . "'"), 0, 'the database is not asked');
}
still_serves('bad HTTP');

# what is odd, but can be read: served once or refused, as text that the database can take
my %odd = (
	'HTTP/1.0'                  => "POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
	'no Host'                   => "POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
	'lines that end by LF'      => "POST /echo HTTP/1.1\nHost: smsr\nContent-Length: 3\n\nabc",
	'empty lines first'         => "\r\n\r\nPOST /echo HTTP/1.1\r\nHost: smsr\r\nContent-Length: 3\r\n\r\nabc",
	'chunks with extensions'    => "POST /echo HTTP/1.1\r\nHost: smsr\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
	'chunks with trailers'      => "POST /echo HTTP/1.1\r\nHost: smsr\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: t\r\n\r\n",
	'a header in Latin 1'       => "POST /echo HTTP/1.1\r\nHost: smsr\r\nX-Name: M\xfcller\r\nContent-Length: 3\r\n\r\nabc",
	'a header with NUL'         => "POST /echo HTTP/1.1\r\nHost: smsr\r\nX-Name: M\x00ller\r\nContent-Length: 3\r\n\r\nabc",
	'a header with quotes'      => "POST /echo HTTP/1.1\r\nHost: smsr\r\nX-Name: \"\\u0000'\\\"\r\nContent-Length: 3\r\n\r\nabc",
	'a header with control characters' => "POST /echo HTTP/1.1\r\nHost: smsr\r\nX-Name: a\x01\x02\x7f\r\nContent-Length: 3\r\n\r\nabc",
	'a header twice'            => "POST /echo HTTP/1.1\r\nHost: smsr\r\nX-Name: a\r\nX-Name: b\r\nContent-Length: 3\r\n\r\nabc",
	'a folded header'           => "POST /echo HTTP/1.1\r\nHost: smsr\r\nX-Name: a\r\n b\r\nContent-Length: 3\r\n\r\nabc",
	'a URI with %00'            => "POST /echo?%00%ff HTTP/1.1\r\nHost: smsr\r\nContent-Length: 3\r\n\r\nabc",
	'a URI in Latin 1'          => "POST /echo?\xfc HTTP/1.1\r\nHost: smsr\r\nContent-Length: 3\r\n\r\nabc",
	'Expect: 100-continue'      => "POST /echo HTTP/1.1\r\nHost: smsr\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
	'Upgrade'                   => "POST /echo HTTP/1.1\r\nHost: smsr\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
	'a method of its own'       => "BREW /echo HTTP/1.1\r\nHost: smsr\r\nContent-Length: 3\r\n\r\nabc",
);
my %what_became;
for my $name (sort keys %odd)
{
	forget();
	$peer = peer(12);
	$peer->connected;
	$peer->send($odd{$name});
	$response = $peer->response(2);
	$response = $peer->response(2) if $response && $response->{status} == 100;
	$peer->close;
	my $asked = calls('request');
	$what_became{$name} = ($response ? $response->{status} : 'closed') . ($asked ? '' : ', not asked');
	ok($asked == 1 && $response && $response->{body} eq 'abc' || !$asked && (!$response || $response->{status} >= 400), "$name: served once or refused")
		or diag($response ? $response->{head} . $response->{body} : 'closed', " asked $asked");
}
diag(map { "$_: $what_became{$_}\n" } sort keys %what_became) if $ENV{VERBOSE};
is($what_became{'HTTP/1.0'}, '200', 'HTTP/1.0 is served');
is($what_became{'chunks with extensions'}, '200', 'and so are chunks with extensions');
still_serves('odd HTTP');

# without TLS, with half of it, with too much
forget();
my @raw;
for my $case ([ 'plain HTTP', post('/echo', 'plain') ], [ 'zeros', "\0" x 4000 ],
	[ 'a record that is too large', pack('Cnn', 22, 0x0301, 0xFFFF) . 'x' x 30000 ],
	[ 'a handshake that is too large', pack('CnnCCn', 22, 0x0301, 16384, 1, 255, 65535) . 'x' x 16380 ],
	[ 'an alert', pack('CnnCC', 21, 0x0303, 2, 2, 40) ], [ 'a heartbeat', pack('CnnCn', 24, 0x0303, 3, 1, 16384) ],
	[ 'data first', pack('Cnna*', 23, 0x0303, 100, 'd' x 100) ], [ 'SSL 2', "\x80\x2e\x01\x00\x02" . 'x' x 43 ],
	[ 'empty records', pack('Cnn', 22, 0x0301, 0) x 1000 ], [ 'half a ClientHello', substr client_hello(), 0, 30 ])
{
	my $socket = tcp($port);
	local $SIG{PIPE} = 'IGNORE';
	syswrite $socket, $case->[1];
	push @raw, [ $case->[0], $socket ];
}
$deadline = time + 4;
for (@raw)
{
	my ($name, $socket) = @$_;
	my ($answer, $closed) = ('', 0);
	my $select = IO::Select->new($socket);
	while (time < $deadline && $select->can_read($deadline - time))
	{
		my $r = sysread $socket, $answer, 1000, length $answer;
		if (!$r) { $closed = 1; last; }
	}
	ok($closed, "$name: closed");
	unlike($answer, qr/HTTP/, 'and nothing was said in clear');
}
is(calls('psk') + calls('request'), 0, 'and nobody was asked');
still_serves('no TLS');

#
# those who take their time
#
sub dribble
{
	my ($socket, $octets, $every) = @_;
	my $pid = fork // die $!;
	return $pid if $pid;
	local $SIG{PIPE} = 'IGNORE';
	for my $octet (split //, $octets)
	{
		syswrite($socket, $octet) or last;
		select undef, undef, undef, $every;
	}
	POSIX::_exit(0);
}
sub closes_in_time
{
	my ($socket, $name, $seconds) = @_;
	my $start = time;
	my $select = IO::Select->new($socket);
	while (time - $start < $seconds && $select->can_read($seconds - (time - $start)))
	{
		last if !sysread $socket, my $answer, 1000;
	}
	cmp_ok(time - $start, '<', $seconds, "$name: shut out");
	return;
}
my $slow = tcp($port);
my $dribbler = dribble($slow, client_hello() . 'x' x 1000, 0.05);
my $silent = tcp($port);
# one that never reads what it asked for, and one that says nothing more
my $deaf = HttpsPeer->new(port => relay($port, to => 'client', after => 3000, what => 'stall'), identity => psk_identity(16), key => psk_key(16));
$deaf->connected;
$deaf->send(post('/size?60000') x 40);
my $idle = peer(15);
$idle->send(post('/echo', 'and then'));
$idle->response;
my $idle_since = time;
my $slow_header = peer(13);
my $slow_body = peer(14);
$_->connected for $slow_header, $slow_body;
$slow_header->send("POST /echo HTTP/1.1\r\nHost: smsr\r\nX-Slow: ");
$slow_body->send("POST /echo HTTP/1.1\r\nHost: smsr\r\nContent-Length: 1000\r\n\r\n");
forget();
my $started = time;
my ($header_end, $body_end);
while (time - $started < 8 && !($header_end && $body_end))
{
	$slow_header->send('s');
	$slow_body->send('s');
	$header_end //= time if !$slow_header->take(0.02);
	$body_end //= time if !$slow_body->take(0.02);
	sleep 0.06;
}
$_->close for $slow_header, $slow_body;
ok($header_end, 'a header that comes octet by octet: shut out');
ok($body_end, 'and a body');
is(calls('request'), 0, 'and neither was a request');
closes_in_time($slow, 'a handshake that comes octet by octet', 8);
kill 'KILL', $dribbler;
waitpid $dribbler, 0;
closes_in_time($silent, 'one that says nothing at all', 8);
ok($idle->ends(8), 'a session in which nothing happens ends');
cmp_ok(time - $idle_since, '>', 1, 'not at once');
ok($deaf->ends(8), 'one that does not read its answers: shut out');
$_->close for $idle, $deaf;
still_serves('slow ones');

#
# held requests
#
forget();
$peer = peer(17);
$peer->send(post('/hold?30s'));
wait_for(sub { calls('request') == 1 });
sleep 0.3;
sql("INSERT INTO smsr.https_say VALUES ('/hold?30s', 'ding')");
$started = time;
$response = $peer->response(3);
is($response && $response->{body}, 'ding', 'a held request is answered when there is something to say');
is(calls('request'), 1, 'and was made once');
cmp_ok(calls('next'), '>=', 1, 'the database was asked what is next');
my $impatient = peer(18);
$impatient->send(post('/hold?500ms'));
$response = $impatient->response(3);
is($response && "$response->{status} [$response->{body}]", '204 []', 'or when its time is over');
$impatient->send(post('/hold?20s'));
wait_for(sub { calls('request', "uri = '/hold?20s'") == 1 });
my $token = sql("SELECT session FROM smsr.https_call WHERE uri = '/hold?20s'");
$impatient->close('KILL');
ok(wait_for(sub { calls('closed', "session = '$token'") == 1 }, undef, 3), 'a card that goes while it is held is noticed');
my $nexts = calls('next', "session = '$token'");
sleep 0.5;
is(calls('next', "session = '$token'"), $nexts, 'and nobody asks for it any more');
# longer than the time in which a card has to say something
my $patient = peer(19);
$patient->send(post('/hold?2200ms'));
$response = $patient->response(8);
is($response && $response->{status}, 204, 'who is held is not idle');
$_->close for $peer, $patient;

#
# a database in trouble
#
forget();
my @slow = map { peer(20 + $_) } 1 .. 3;
$_->connected for @slow;
$_->send(post('/slow?0.6')) for @slow;
sleep 0.1;
my $quick = peer(24);
$started = time;
$quick->send(post('/echo', 'quick'));
$response = $quick->response(3);
is($response && $response->{body}, 'quick', 'a call that takes long');
cmp_ok(time - $started, '<', 0.45, 'is in nobody else\'s way');
is(join(' ', map { my $r = $_->response(3); $r ? $r->{body} : 'none' } @slow), 'slow slow slow', 'and comes to its end');
$_->close for @slow;
for my $uri ('/fail', '/null', '/status?99', '/status?1000')
{
	$quick = peer(24);
	forget();
	$quick->send(post($uri, 'x'));
	$response = $quick->response(3);
	ok(!$response || $response->{status} >= 500 && $response->{status} < 600, "$uri: an error of the server's") or diag($response->{head});
	is(calls('request'), $uri eq '/fail' ? 0 : 1, 'asked once');
	$quick->close;
}
$quick = peer(24);
$quick->send(post('/inject', 'x'));
$response = $quick->response(3);
unlike($response ? $response->{head} : '', qr/^X-Injected/mi, 'a header is one line');
$quick->close;
still_serves('a database in trouble');

knob(psk_delay => 30);
$peer = peer(25);
ok(!$peer->connected(1), 'a key that the database does not give');
knob('psk_delay');
ok($peer->ends(15), 'is not waited for longer than the handshake may take');
$peer->close;
still_serves('a key that did not come');

my $caught = peer(26);
$caught->send(post('/echo', 'before'));
$caught->response;
stop_database();
$peer = peer(27);
ok(!$peer->connected(3), 'without a database there is no handshake');
$peer->close;
$caught->send(post('/echo', 'during'));
$response = $caught->response(5);
ok(!$response || $response->{status} == 503, 'nor an answer');
$caught->close;
start_database();
ok(wait_for(sub { my $p = peer(27); my $ok = $p->connected(1); $p->close; $ok }, undef, 10), 'until it is back');
still_serves('a restart of the database');

# backends that die while they work: unknown whether it was done, so never done again
forget();
$peer = peer(28);
$peer->connected;
$peer->send(post('/slow?5', 'once'));
ok(wait_for(sub { sql('SELECT pg_stat_clear_snapshot()'); sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}) > 0 }), 'a call is under way');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'smsr_gateway'");
$response = $peer->response(5);
ok(!$response || $response->{status} == 503, 'its backend dies: the card hears of it, or is cut off');
$peer->close;
sleep 0.3;
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}), 0, 'and the call is not made again');
ok(wait_for(sub { my $p = peer(27); my $ok = $p->connected(1); $p->close; $ok }, undef, 10), 'its successors work');

#
# the end
#
my $held = peer(30);
$held->send(post('/hold?31s'));
my $quiet = peer(31);
$quiet->send(post('/echo', 'q'));
$quiet->response;
wait_for(sub { calls('request', "uri = '/hold?31s'") >= 1 });
kill 'TERM', $gateway->{pid};
$started = time;
$response = $held->response(5);
ok(!$response || $response->{status} =~ /^(204|503)$/, 'who is held when it ends is let go');
ok(wait_exit($gateway), 'it ends') or kill 'KILL', $gateway->{pid};
is($gateway->{status}, 0, 'with status 0');
cmp_ok(time - $started, '<', 4, 'soon');
ok($_->ends(2), 'and its sessions with it') for $held, $quiet;
$_->close for $held, $quiet;
is(sql(q{SELECT count(*) FROM (SELECT session FROM smsr.https_call WHERE call IN ('request', 'closed')
	GROUP BY 1 HAVING count(*) FILTER (WHERE call = 'closed') > 1) AS s}), 0, 'no session ended twice');
my $log = gateway_log($gateway);
my $keys = join '|', map { psk_key($_) } 1 .. 40;
unlike($log, qr/$keys/i, 'no key is in the log');
unlike($log, qr/who's there|still here|dribble|number 3|\bae80/i, 'and no body');
unlike($log, qr/sanitizer|assert|panic/i, 'and nothing terrible');

# too many at once
begin(max_sessions => 5, idle_timeout => '30s');
my @crowd = map { my $p = peer($_); $p->connected(2); $p } 1 .. 5;
is(scalar(grep { $_->{errors} =~ /ESTABLISHED/ } @crowd), 5, 'as many as may be');
my $late = peer(6);
ok(!$late->connected(1), 'one more has to wait, or is sent away');
$late->close;
$crowd[0]->close;
ok(wait_for(sub { my $p = peer(7); my $ok = $p->connected(1); $p->close; $ok }), 'until another has gone');
$crowd[1]->send(post('/echo', 'inside'));
$response = $crowd[1]->response;
is($response && $response->{body}, 'inside', 'those inside are served');
$_->close for @crowd;
is(stop_gateway($gateway), 0, 'ends');

done_testing();
