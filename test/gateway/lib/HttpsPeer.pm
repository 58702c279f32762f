# TLS clients that are not ours, for the tests of the gateway's HTTPS server:
# OpenSSL's s_client and GnuTLS's gnutls-cli as children whose standard input is
# what they send and whose standard output is what they were sent; plain TCP; and
# a relay that does to the octets between them what networks and attackers do.
package HttpsPeer;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use IPC::Open3;
use POSIX qw(WNOHANG);
use Symbol qw(gensym);
use Time::HiRes qw(sleep time);

our @EXPORT = qw(psk_identity psk_key post get tcp relay client_hello records);

my $owner = $$;
my %children;

# SGP.02's identity of card N's key set 0x40
sub psk_identity
{
	my ($n) = @_;
	return sprintf '80010281108900101201234123%016d4F10A0000005591010FFFFFFFF8900000100820101830140', $n;
}

sub psk_key
{
	my ($n) = @_;
	return sprintf '%024x%08x', 0xC0FFEE, $n;
}

# An HTTP request as a card writes it.
sub post
{
	my ($uri, $body, %field) = @_;
	my $chunks = delete $field{chunks};
	my $request = "POST $uri HTTP/1.1\r\nHost: smsr\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\n";
	$request .= "$_: $field{$_}\r\n" for sort keys %field;
	if ($chunks)
	{
		my $rest = $body;
		$request .= "Transfer-Encoding: chunked\r\n\r\n";
		while (length $rest)
		{
			my $chunk = substr $rest, 0, $chunks, '';
			$request .= sprintf "%x\r\n%s\r\n", length $chunk, $chunk;
		}
		return $request . "0\r\n\r\n";
	}
	$body //= '';
	return $request . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
}

#
# a client
#

my %gnutls_suite = (
	'PSK-AES128-GCM-SHA256' => 'NONE:+VERS-TLS1.2:+PSK:+AES-128-GCM:+AEAD:+SHA256:+SIGN-ALL:+COMP-NULL',
	'PSK-AES128-CBC-SHA256' => 'NONE:+VERS-TLS1.2:+PSK:+AES-128-CBC:+AEAD:+SHA256:+SIGN-ALL:+COMP-NULL',
);

# by => 'openssl' (or 'gnutls'), port, identity, key, suite, options => [...]; commands: R renegotiates
sub new
{
	my ($class, %option) = @_;
	my $suite = $option{suite} // 'PSK-AES128-GCM-SHA256';
	my @command;
	if (($option{by} // 'openssl') eq 'gnutls')
	{
		@command = ('stdbuf', '-o0', 'gnutls-cli', '--port', $option{port}, '--pskusername', $option{identity}, '--pskkey', $option{key},
			'--priority', $option{priority} // $gnutls_suite{$suite},
			@{ $option{options} // [] }, '127.0.0.1');
	}
	else
	{
		@command = ('openssl', 's_client', '-connect', "127.0.0.1:$option{port}", '-psk_identity', $option{identity},
			'-psk', $option{key}, '-brief', '-no_ticket');
		push @command, '-ign_eof', '-nocommands' if !$option{commands};
		push @command, '-tls1_2', '-cipher', $suite if !$option{any};
		push @command, @{ $option{options} // [] };
	}
	my ($in, $out, $errors) = (undef, undef, gensym);
	my $pid = open3($in, $out, $errors, @command);
	$in->autoflush(1);
	binmode $_ for $in, $out, $errors;
	my $self = bless { pid => $pid, in => $in, out => '', errors => '', handles => IO::Select->new($out, $errors),
		stdout => $out, stderr => $errors, at => 0, by => $option{by} // 'openssl' }, $class;
	$children{$pid} = 1;
	return $self;
}

sub send
{
	my ($self, $octets) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $done = 0;
	while ($done < length $octets)
	{
		my $n = syswrite $self->{in}, $octets, 4096, $done;
		return 0 if !defined $n;
		$done += $n;
		$self->take(0);
	}
	return 1;
}

# whatever it has said; false once it has ended
sub take
{
	my ($self, $wait) = @_;
	for my $handle ($self->{handles}->can_read($wait))
	{
		my $which = $handle == $self->{stdout} ? 'out' : 'errors';
		my $n = sysread $handle, $self->{$which}, 65536, length $self->{$which};
		$self->{handles}->remove($handle) if !$n;
	}
	return $self->{handles}->count;
}

# true once the octets after those already read match; they are in {seen}
sub expect
{
	my ($self, $pattern, $seconds) = @_;
	my $end = time + ($seconds // 5);
	while (1)
	{
		my $new = substr $self->{out}, $self->{at};
		if ($new =~ $pattern)
		{
			$self->{seen} = substr $new, 0, $+[0];
			$self->{at} += $+[0];
			return 1;
		}
		return 0 if time > $end;
		if (!$self->take(0.02))
		{
			$self->{ended} = 1;
			return 0 if substr($self->{out}, $self->{at}) !~ $pattern;
		}
	}
}

# One HTTP response: { status, header => { name => value }, body }, undef if none came.
sub response
{
	my ($self, $seconds) = @_;
	return if !$self->expect(qr/\A.*?\r\n\r\n/s, $seconds);
	my ($first, @lines) = split /\r\n/, $self->{seen};
	my %response = (line => $first, status => $first =~ m{^HTTP/1\.[01] (\d+)} ? $1 : 0, head => $self->{seen}, body => '');
	for (@lines)
	{
		my ($name, $value) = split /:\s*/, $_, 2;
		$response{header}{ lc $name } = $value;
	}
	if (($response{header}{'transfer-encoding'} // '') eq 'chunked')
	{
		while (1)
		{
			$self->expect(qr/\A([0-9a-fA-F]+)\r\n/, $seconds) or return;
			my $size = hex $self->{seen} =~ s/\r\n//r;
			$self->expect(qr/\A.{$size}\r\n/s, $seconds) or return if $size < 30000;
			$response{chunks}++;
			last if !$size;
			$response{body} .= substr $self->{seen}, 0, $size;
		}
	}
	elsif (my $size = $response{header}{'content-length'})
	{
		my $end = time + ($seconds // 5);
		$self->take(0.02) while length($self->{out}) - $self->{at} < $size && time < $end && $self->{handles}->count;
		$response{body} = substr $self->{out}, $self->{at}, $size;
		$self->{at} += $size;
	}
	return \%response;
}

# does it end by itself, because the server has closed?
sub ends
{
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // 5);
	while (time < $end)
	{
		return 1 if !$self->take(0.02);
	}
	return 0;
}

# true once the handshake is done
sub connected
{
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // 5);
	while (!$self->{connected})
	{
		my $left = $self->take(0.02);
		if ($self->{by} eq 'gnutls')
		{
			# says both on its standard output
			if ($self->{out} =~ s/\A(.*- Simple Client Mode:\n\n)//s)
			{
				$self->{errors} .= $1;
				$self->{connected} = 1;
			}
		}
		else
		{
			$self->{connected} = $self->{errors} =~ /CONNECTION ESTABLISHED.*No peer certificate/s;
		}
		return 0 if !$self->{connected} && (!$left || time > $end);
	}
	return 1;
}

# The end, from this side; all that it said is in {out} and {errors}.
sub close
{
	my ($self, $signal) = @_;
	return if !$self->{pid};
	CORE::close($self->{in});
	# gnutls-cli says good-bye when its input ends
	if ($signal || $self->{by} ne 'gnutls' || !$self->ends(0.2))
	{
		kill $signal // 'TERM', $self->{pid};
	}
	waitpid $self->{pid}, 0;
	delete $children{ delete $self->{pid} };
	$self->take(0);
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->close if $$ == $owner;
	return;
}

# What is said of a failure, without addresses of memory and lines of source.
sub complaint
{
	my ($self) = @_;
	return join "\n", map { s/^[0-9A-F]+://r =~ s/:\.\.\/.*//r } grep { /error|alert|fatal/i } split /\n/, $self->{errors};
}

#
# without TLS, and in between
#

sub tcp
{
	my ($port) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) or return;
	$socket->autoflush(1);
	return $socket;
}

# A TLS 1.2 ClientHello that offers these suites.
sub client_hello
{
	my (%option) = @_;
	my $suites = pack 'n*', @{ $option{suites} // [ 0xA8, 0xAE ] };
	my $body = pack('n', $option{version} // 0x0303) . ('R' x 32) . "\0" . pack('n/a*', $suites)
		. pack('C/a*', $option{compression} // "\0") . pack('n/a*', $option{extensions} // '');
	my $handshake = pack('CCn', 1, 0, length $body) . $body;
	return pack('Cnn', 22, 0x0301, length $handshake) . $handshake;
}

# A port that leads to the gateway's.  Up to the first connection's octet number
# AFTER in direction TO (server, client) it relays, then WHAT happens to it: cut
# (both sides closed), reset, stall, flip (a bit), insert (INSERT before it).
# It also keeps the type and length of each TLS record in the file RECORDS.
sub relay
{
	my ($port, %option) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 5) or die $!;
	my $to = $option{to} // 'server';
	my $pid = fork // die $!;
	if ($pid)
	{
		$children{$pid} = 1;
		return $listener->sockport;
	}
	$SIG{PIPE} = 'IGNORE';
	$SIG{TERM} = sub { POSIX::_exit(0) };
	my $client = $listener->accept;
	my $server = tcp($port) or POSIX::_exit(0);
	my $both = IO::Select->new($client, $server);
	my %count = (server => 0, client => 0);
	my %all = (server => '', client => '');
	my $stalled = 0;
	while (1)
	{
		for my $from ($both->can_read)
		{
			my $direction = $from == $client ? 'server' : 'client';
			my $other = $from == $client ? $server : $client;
			my $n = sysread $from, my $octets, 16384;
			if (!$n)
			{
				write_records($option{records}, \%all) if $option{records};
				POSIX::_exit(0);
			}
			$all{$direction} .= $octets if $option{records};
			next if $stalled && $direction eq $to;
			if ($direction eq $to && defined $option{after} && $count{$to} + $n > $option{after})
			{
				my $before = $option{after} - $count{$to};
				if ($option{what} eq 'flip')
				{
					substr($octets, $before, 1) ^= "\x01";
				}
				elsif ($option{what} eq 'insert')
				{
					substr($octets, $before, 0) = $option{insert};
				}
				else
				{
					syswrite $other, substr $octets, 0, $before;
					if ($option{what} eq 'reset')
					{
						setsockopt $_, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 for $client, $server;
					}
					POSIX::_exit(0) if $option{what} ne 'stall';
					$stalled = 1;
					next;
				}
				delete $option{after};
			}
			$count{$direction} += $n;
			syswrite $other, $octets;
		}
	}
}

sub write_records
{
	my ($path, $all) = @_;
	open my $file, '>', "$path.new" or return;
	for my $direction (sort keys %$all)
	{
		my $octets = $all->{$direction};
		while (length $octets >= 5)
		{
			my ($type, $version, $length) = unpack 'Cnn', $octets;
			print $file "$direction $type $length\n";
			last if $length + 5 > length $octets;
			substr $octets, 0, $length + 5, '';
		}
	}
	CORE::close($file);
	rename "$path.new", $path;
	return;
}

# [ direction, type, length ] of each record that a relay saw
sub records
{
	my ($path) = @_;
	for (1 .. 100)
	{
		last if -e $path;
		sleep 0.02;
	}
	open my $file, '<', $path or return;
	return map { chomp; [ split / / ] } <$file>;
}

END
{
	if ($$ == $owner)
	{
		local $?;
		for my $pid (keys %children)
		{
			kill 'KILL', $pid;
			waitpid $pid, 0;
		}
	}
}

1;
