# sessions of cards: what the database is asked and told, and what operators see

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use GatewayTest;
use IO::Select;
use IO::Socket::INET;
use IPC::Open2;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'no openssl to be the card' if system('command -v openssl >/dev/null') != 0;

my $key = '000102030405060708090a0b0c0d0e0f';
my $port = free_port();
my ($gateway, @clients);

# What the extension would say: the URI tells, with an argument behind "?".
my $stub = <<'END';
CREATE TABLE smsr.call (n bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT clock_timestamp(),
	call text, uri text, headers jsonb, body bytea, gateway text, session text, reason text);
CREATE SEQUENCE smsr.attempt;
CREATE FUNCTION smsr.https_psk(identity text) RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	PERFORM pg_sleep(smsr.knob('psk_delay')::float8);
	RETURN decode(CASE identity WHEN 'card' THEN '000102030405060708090a0b0c0d0e0f' ELSE md5(random()::text) END, 'hex');
END $$;
CREATE FUNCTION smsr.https_request(identity text, method text, uri text, INOUT headers jsonb, INOUT body bytea, gateway text, session text,
	OUT status int, OUT hold interval) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
	argument text := split_part(uri, '?', 2);
BEGIN
	INSERT INTO smsr.call (call, uri, headers, body, gateway, session) VALUES (method, uri, headers, body, gateway, session);
	status := 200;
	headers := '{"X-Test": "yes"}';
	CASE split_part(uri, '?', 1)
		WHEN '/close' THEN headers := headers || '{"Connection": "close"}';
		WHEN '/slow' THEN PERFORM pg_sleep(argument::float8);
		WHEN '/status' THEN status := argument;
		WHEN '/hold' THEN hold := argument; status := NULL; headers := NULL; body := NULL;
		WHEN '/busy' THEN
			IF nextval('smsr.attempt') % 3 <> 0 THEN
				RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected';
			END IF;
		ELSE NULL;
	END CASE;
END $$;
CREATE FUNCTION smsr.https_next(identity text, gateway text, session text, OUT status int, OUT headers jsonb, OUT body bytea, OUT hold interval)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	INSERT INTO smsr.call (call, gateway, session) VALUES ('next', gateway, session);
	IF smsr.knob('say') IS NULL THEN
		hold := '10 s';
	ELSE
		status := 200;
		body := smsr.knob('say')::bytea;
	END IF;
END $$;
CREATE FUNCTION smsr.https_closed(identity text, gateway text, session text, reason text) RETURNS void LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog AS $$ INSERT INTO smsr.call (call, gateway, session, reason) VALUES ('closed', gateway, session, reason) $$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA smsr FROM PUBLIC;
GRANT EXECUTE ON FUNCTION smsr.https_psk, smsr.https_request, smsr.https_next, smsr.https_closed TO smsr_gateway;
END

sub configure
{
	my ($general, %https) = @_;
	my $path = write_config($general);
	my %section = (address => '127.0.0.1', port => $port, handshake_timeout => '2s', request_timeout => '1s', idle_timeout => '1s', %https);
	open my $file, '>>', $path or die $!;
	print $file "[https cards]\n", map { "$_ = $section{$_}\n" } sort keys %section;
	close $file;
	return $path;
}

sub begin
{
	my (%https) = @_;
	my $general = delete $https{general} // {};
	is(stop_gateway($gateway), 0, 'the gateway before ends well') if $gateway && !exists $gateway->{status};
	fresh_schema();
	sql($stub);
	$gateway = start_gateway(configure($general, %https));
	wait_for(sub { (() = gateway_log($gateway) =~ /(keys|https)\): connected/g) >= 6 }) or diag(gateway_log($gateway));
	return;
}

# a card: what it is to send, then what it has heard so far
sub card
{
	my ($octets, %option) = @_;
	my $identity = $option{identity} // 'card';
	my $pid = open2(my $out, my $in, "exec openssl s_client -connect 127.0.0.1:$port -tls1_2 -cipher PSK-AES128-GCM-SHA256 "
			. "-psk_identity $identity -psk $key -quiet -nocommands 2>/dev/null");
	my $card = { pid => $pid, in => $in, out => $out, heard => '' };
	push @clients, $card;
	$in->autoflush(1);
	say_to($card, $octets) if defined $octets;
	return $card;
}
sub say_to { my ($card, $octets) = @_; local $SIG{PIPE} = 'IGNORE'; print { $card->{in} } $octets; return; }
sub hears
{
	my ($card, $pattern, $seconds) = @_;
	my $end = time + ($seconds // 5);
	my $ear = IO::Select->new($card->{out});
	while (time < $end)
	{
		return 1 if defined $pattern && $card->{heard} =~ $pattern;
		next if $card->{ended} || !$ear->can_read(0.05);
		$card->{ended} = !sysread $card->{out}, $card->{heard}, 65536, length $card->{heard};
		return 1 if $card->{ended} && !defined $pattern;
		last if $card->{ended};
	}
	return defined $pattern ? $card->{heard} =~ $pattern : $card->{ended};
}
sub hang_up
{
	my ($card) = @_;
	return if !$card->{pid};
	kill 'KILL', $card->{pid};
	waitpid delete $card->{pid}, 0;
	close $card->{$_} for qw(in out);
	return;
}
sub post { my ($uri, $body) = @_; $body //= ''; return "POST $uri HTTP/1.1\r\nHost: h\r\nContent-Length: " . length($body) . "\r\n\r\n$body"; }
sub told { my ($reason) = @_; return wait_for(sub { sql("SELECT count(*) FROM smsr.call WHERE call = 'closed' AND reason = '$reason'") == 1 }); }
sub calls { return sql("SELECT string_agg(call, ' ' ORDER BY n) FROM smsr.call"); }
sub forget { sql('TRUNCATE smsr.call'); return; }

#
# a session, and what it is called
#
begin();
my $card = card(post('/echo', 'first'));
ok(hears($card, qr/\r\n5\r\nfirst\r\n0\r\n\r\n$/), 'a request is answered');
is($card->{heard}, "HTTP/1.1 200 OK\r\nX-Test: yes\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n", 'as the database says, in chunks');
$card->{heard} = '';
say_to($card, post('/echo', 'second'));
ok(hears($card, qr/second/), 'and another one');
is(sql('SELECT count(*), count(DISTINCT session), min(length(session)), min(gateway), min(headers::text) FROM smsr.call'),
	'2|1|32|cards|{"host": "h", "content-length": "5"}', 'in one session of one endpoint');
hang_up($card);
ok(told('closed by the card'), 'its end is told');
is(sql('SELECT count(DISTINCT session) FROM smsr.call'), 1, 'as that of the same session');
log_like($gateway, qr/session [0-9a-f]{8}: POST, target of 5, body of 6 octets/, 'the log has lengths');
unlike(gateway_log($gateway), qr{second|/echo|\Q$key\E|\bcard\b.*\bidentity}, 'and nothing that was said');

# two requests in one go: one after the other
forget();
$card = card(post('/slow?0.2', 'one') . post('/echo', 'two'));
ok(hears($card, qr/one.*two/s), 'two requests at once are answered in order');
hang_up($card);

#
# why sessions end
#
for my $case (
	[ 'done',            post('/close', 'x'),     qr/Connection: close\r\n/ ],
	[ 'request refused', "POST  HTTP/1.1\r\n\r\n", qr/^HTTP.1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n$/ ],
	[ 'request refused', post('/status?409', 'x'), qr/^HTTP.1.1 409 Conflict\r\n.*Connection: close\r\n/s ],
	[ 'done',            "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", qr/ 200 .*Connection: close\r\n.*Content-Length: 0\r\n/s ],
	[ 'idle',            post('/echo', 'x'),      qr/x/ ],
	[ 'too slow',        "POST /echo HTTP/1.1\r\n", qr/^HTTP.1.1 408 / ],
	[ 'database away',   post('/status?99', 'x'), qr/^HTTP.1.1 500 / ],
	[ 'answer not sent', post('/slow?2', 'x'),    qr/^HTTP.1.1 503 / ])
{
	my ($reason, $request, $answer) = @$case;
	forget();
	$card = card($request);
	ok(hears($card, $answer), "$reason: the answer") or diag($card->{heard});
	ok(hears($card, undef), 'then the end');
	ok(told($reason), 'the database is told') or diag(sql('SELECT reason FROM smsr.call'));
	hang_up($card);
}
is(sql("SELECT call FROM smsr.call ORDER BY n LIMIT 1"), 'POST', 'an end is told after what was asked before it');

# no octet buys time
$card = card("POST /echo HTTP/1.1\r\nX-Slow: ");
my $began = time;
say_to($card, 's') while !hears($card, qr/^HTTP.1.1 408 /, 0.2) && time - $began < 8;
cmp_ok(time - $began, '<', 8, 'a header that comes octet by octet is not waited for');
hang_up($card);

# a card that goes while its request is under way: the end comes behind it, and says that no answer left
begin(request_timeout => '5s', idle_timeout => '5s');
$card = card(post('/slow?0.5'));
ok(wait_for(sub { sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}) + !sql('SELECT pg_stat_clear_snapshot()') > 1 }), 'a request under way');
hang_up($card);
ok(told('answer not sent'), 'whose card has gone');
is(calls(), 'POST closed', 'in this order');

#
# a database that is busy, away, or back
#
forget();
$card = card(post('/busy', 'again'));
ok(hears($card, qr/again/), 'a deadlock is tried again');
is(sql("SELECT last_value FROM smsr.attempt"), 3, 'until it is none');
say_to($card, post('/hold?5s'));
ok(wait_for(sub { calls() =~ /next next/ }), 'a held request is asked for, and again');
$card->{heard} = '';
stop_database();
my $gone = card();
ok(wait_for(sub { gateway_log($gateway) =~ /https\): connection lost/ }), 'the database goes');
start_database();
knob(say => 'ding');
ok(hears($card, qr/ding/), 'it is answered when the database is back');
stop_database();
hang_up($card);
sleep 0.3;
start_database();
ok(told('closed by the card'), 'and told of its end, when it is back again');
hang_up($gone);

# the doorbell
begin(idle_timeout => '20s', request_timeout => '5s');
stop_gateway($gateway);
$gateway = start_gateway(configure({ poll_interval => '30s' }));
wait_for(sub { (() = gateway_log($gateway) =~ /(keys|https)\): connected/g) >= 6 });
$card = card(post('/hold?20s'));
ok(wait_for(sub { calls() eq 'POST' }), 'a request that is held');
sleep 0.4;
is(calls(), 'POST', 'between two polls nobody asks');
knob(say => 'dong');
my $start = time;
sql('NOTIFY smsr_sms');
ok(hears($card, qr/dong/, 3), 'the doorbell is heard');
is(calls(), 'POST next', 'and asked once');
hang_up($card);

# held by the second, all of them: nobody is asked for without end
stop_gateway($gateway);
knob('say');
forget();
$gateway = start_gateway(configure({ poll_interval => '100ms' }, request_timeout => '1s'));
$card = card(post('/hold?0s'));
ok(wait_for(sub { calls() =~ /next/ }), 'a hold of nothing');
sleep 0.5;
my $asked = () = calls() =~ /next/g;
ok($asked <= 8, "is no reason to hurry ($asked)");
hang_up($card);
is(stop_gateway($gateway), 0, 'ends');

#
# the operator: statistics, HUP, the end, an address that is taken
#
begin(idle_timeout => '20s', request_timeout => '10s', general => { shutdown_timeout => '8s' });
$card = card(post('/echo', 'x'));
my $stranger = card(undef, identity => 'stranger');
ok(hears($card, qr/x/), 'a card');
ok(hears($stranger, undef), 'and a stranger');
ok(wait_for(sub {
	my ($n, $failed, $r) = (0, 0, 0);
	my $log = gateway_log($gateway);
	while ($log =~ /https: connections (\d+), handshakes \d+, failed (\d+); requests (\d+), answered/g) { $n += $1; $failed += $2; $r += $3; }
	return "$n $failed $r" eq '2 1 1';
}), 'are counted');
log_like($gateway, qr/now: connections 1, held 0, waiting for the database 0/, 'and one remains');
log_like($gateway, qr/handshake failed: decryption failed or bad record mac/, 'the log says what it looks like to have a wrong key');
my ($path) = $gateway->{config};
sub rewrite { my ($from, $to) = @_; local ($^I, @ARGV) = ('', $path); while (<>) { s/$from/$to/; print; } kill 'HUP', $gateway->{pid}; return; }
rewrite(qr/^header_limit.*\n|^idle_timeout/, "header_limit = 300\nidle_timeout");
ok(wait_for(sub { gateway_log($gateway) =~ /configuration read again/ }), 'HUP');
$card->{heard} = '';
say_to($card, post('/echo', 'y'));
ok(hears($card, qr/y/), 'the session goes on');
my $other = card("POST /echo?" . 'a' x 300 . " HTTP/1.1\r\nHost: h\r\n\r\n");
ok(hears($other, qr/^HTTP.1.1 431 /), 'a new limit holds for new ones');
rewrite(qr/^port.*/, 'port = 1');
ok(wait_for(sub { gateway_log($gateway) =~ /addresses need a restart/ }), 'another port needs a restart');

my ($status, undef, $errors) = run_gateway([ '-c', configure({}) ]);
is($status, 1, 'a second gateway at the same address');
like($errors, qr/https cards: cannot listen at 127\.0\.0\.1, port $port: Address already in use/, 'says so');

forget();
my $busy = card(post('/slow?3', 'to the end'));
my $waits = card(post('/hold?30s'));
my $half = card(post('/echo', 'whole') . "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
hears($half, qr/whole/);
ok(wait_for(sub { (() = (calls() // '') =~ /next/g) > 1 && sql('SELECT pg_stat_clear_snapshot()') eq ''
	&& sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}) == 1 }), 'idle, held, within a request and at the database');
kill 'TERM', $gateway->{pid};
ok(wait_for(sub { !IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }, undef, 0.5), 'TERM: no further session');
ok(hears($_, undef, 1), 'what waits is let go at once') for $card, $waits;
say_to($half, 'cd');
ok(hears($half, qr/Connection: close.*abcd/s), 'a request that had begun is answered');
ok(hears($busy, qr/Connection: close.*to the end/s), 'and one that was asked');
ok(wait_exit($gateway), 'then it ends');
is($gateway->{status}, 0, 'with status 0');
is(sql("SELECT string_agg(DISTINCT reason, ', '), count(*) FROM smsr.call WHERE call = 'closed'"), 'gateway stops|4', 'all four ends are told');
hang_up($_) for @clients;

# a function that is replaced by one with another result, under statements that are prepared
begin(request_timeout => '5s');
$card = card(post('/echo', 'before'));
ok(hears($card, qr/before/), 'a session');
sql('DROP FUNCTION smsr.https_request');
sql('CREATE TYPE smsr.answer AS (status int, headers jsonb, body text, hold interval)');
sql(q{CREATE FUNCTION smsr.https_request(identity text, method text, uri text, headers jsonb, body bytea, gateway text, session text)
	RETURNS smsr.answer LANGUAGE sql SECURITY DEFINER AS $$ SELECT 200, NULL::jsonb, 'after'::text, NULL::interval $$});
sql('GRANT EXECUTE ON FUNCTION smsr.https_request TO smsr_gateway');
say_to($card, post('/echo'));
ok(hears($card, qr/after/, 4), 'that goes on when the database was upgraded');
hang_up($card);

# kill -9 leaves nothing that keeps its successor from working
begin();
$card = card(post('/hold?30s'));
wait_for(sub { calls() =~ /POST/ });
kill 'KILL', $gateway->{pid};
wait_exit($gateway);
ok(hears($card, undef), 'killed');
begin();
$card = card(post('/echo', 'successor'));
ok(hears($card, qr/successor/), 'its successor serves');
is(stop_gateway($gateway), 0, 'ends');

# those who hold all places without a key give way
begin(max_sessions => 3, handshake_timeout => '20s', idle_timeout => '20s');
$card = card(post('/echo', 'inside'));
hears($card, qr/inside/);
my @silent = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) } 1 .. 2;
my $late = card(post('/echo', 'late'));
ok(!hears($late, qr/late/, 1), 'all places are taken');
ok(hears($late, qr/late/, 5), 'by some who have to go');
log_like($gateway, qr/3 sessions are open, more must wait/, 'which is logged');
$card->{heard} = '';
say_to($card, post('/echo', 'still inside'));
ok(hears($card, qr/still inside/), 'not so a card');
is(stop_gateway($gateway), 0, 'ends');
hang_up($_) for @clients;

done_testing();
