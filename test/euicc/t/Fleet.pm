package Fleet;

# Starts smsr-fleet for a test, asks it, and speaks raw SMPP with it.

use strict;
use warnings;
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

our $program = $ENV{SMSR_FLEET} // 'build/euicc-test/smsr-fleet';

sub new
{
	my ($class, @options) = @_;
	my $dir = File::Temp->newdir('smsr-fleet-XXXXXX', TMPDIR => 1);
	my $self = bless { dir => $dir, options => [@options] }, $class;
	$self->start;
	return $self;
}

sub start
{
	my ($self) = @_;
	my @command = ($program, 'run', '--control', "$self->{dir}/control",
		'--port-file', "$self->{dir}/ports", @{ $self->{options} });

	push @command, '--smsc', '0' unless grep { $_ eq '--smsc' } @command;
	unlink "$self->{dir}/ports";
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		open STDOUT, '>', "$self->{dir}/out";
		open STDERR, '>', "$self->{dir}/err";
		exec @command or die "$command[0]: $!\n";
	}
	for (1 .. 200)
	{
		last if -e "$self->{dir}/ports";
		sleep 0.05;
	}
	open my $file, '<', "$self->{dir}/ports" or die 'no ports: ' . $self->errors;
	$self->{line} = <$file>;
	$self->{ports} = [ split /,/, ($self->{line} =~ /smpp=([\d,]+)/)[0] ];
	return $self;
}

sub errors
{
	my ($self) = @_;
	open my $file, '<', "$self->{dir}/err" or return '';
	local $/;
	return <$file> // '';
}

# Wait for its end; returns the exit status.
sub wait_for
{
	my ($self) = @_;
	return unless $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return $?;
}

sub stop
{
	my ($self) = @_;
	kill TERM => $self->{pid} if $self->{pid};
	return $self->wait_for;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->stop;
}

# The answer to a control command; its exit status is in $?.
sub ctl
{
	my ($self, $command) = @_;
	open my $pipe, '-|', $program, 'ctl', "$self->{dir}/control", $command or die $!;
	local $/;
	my $answer = <$pipe>;
	close $pipe;
	return $answer // '';
}

sub ctl_fails
{
	my ($self, $command) = @_;
	return system("$program ctl $self->{dir}/control $command >/dev/null 2>&1") != 0;
}

sub stat
{
	my ($self, $name) = @_;
	return $self->ctl('stats') =~ /^$name=(\d+)$/m ? $1 : undef;
}

# Wait until a counter is what it should be.
sub poll_stat
{
	my ($self, $name, $value) = @_;
	my $end = time + 5;
	my $now;
	while (time < $end)
	{
		$now = $self->stat($name);
		last if $now == $value;
		sleep 0.02;
	}
	return $now;
}

# ---------------------------------------------------------------- raw SMPP

sub socket_to
{
	my ($self, $number) = @_;
	return IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $self->{ports}[ $number // 0 ],
		Proto    => 'tcp') // die "connect: $!";
}

sub pdu { my ($command, $status, $sequence, $body) = @_;
	return pack('N4', 16 + length $body, $command, $status, $sequence) . $body; }

# [command, status, sequence, body], or undef if nothing comes in time or it closes
sub read_pdu
{
	my ($socket, $seconds) = @_;
	my $take = sub {
		my ($want) = @_;
		my $got = '';
		while (length $got < $want)
		{
			IO::Select->new($socket)->can_read($seconds // 3) or return undef;
			sysread($socket, $got, $want - length $got, length $got) or return undef;
		}
		return $got;
	};
	my $header = $take->(16) // return undef;
	my ($length, @fields) = unpack 'N4', $header;
	my $body = $length > 16 ? $take->($length - 16) : '';
	return defined $body ? [ @fields, $body ] : undef;
}

sub bind_body { my ($id, $password) = @_;
	return pack 'Z*Z*Z*CCCZ*', $id, $password, '', 0x34, 0, 0, ''; }

# A bound socket.
sub bound
{
	my ($self, $number, $id, $password) = @_;
	my $socket = $self->socket_to($number);
	print $socket pdu(9, 0, 1, bind_body($id // 'test', $password // ''));
	my $answer = read_pdu($socket) // die 'no answer to bind';
	$answer->[1] == 0 or die "bind: $answer->[1]";
	return $socket;
}

sub submit_body
{
	my (%m) = @_;
	return pack('Z*CCZ*CCZ*CCCZ*Z*CCCC', '', 1, 1, $m{from} // '491700000000', 1, 1, $m{to},
		$m{esm_class} // 0x40, $m{pid} // 0x7F, 0, '', $m{validity} // '',
		$m{registered} // 0, 0, $m{dcs} // 0xF6, 0)
		. pack('C/a*', $m{ud} // '') . ($m{tlvs} // '');
}

1;
