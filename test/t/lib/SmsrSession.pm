# A session that stays open, so that a test can leave a transaction in it.

package SmsrSession;

use strict;
use warnings;

use IPC::Open3 qw(open3);

sub new
{
	my ($class, $node) = @_;
	my $self = bless { n => 0 }, $class;
	local $ENV{PGOPTIONS} = '-c client_min_messages=error';
	$self->{pid} = open3($self->{in}, $self->{out}, undef, 'psql', '-XAtq', '-v', 'VERBOSITY=terse', '-d', $node->connstr('postgres'));
	$self->{in}->autoflush(1);
	return $self;
}

# What came of it, errors among it; undef if the session is gone.
sub try
{
	my ($self, $sql) = @_;
	my $end = 'end of answer ' . ++$self->{n};
	my @lines;
	local $SIG{PIPE} = 'IGNORE';
	print { $self->{in} } "$sql\n;\n\\echo $end\n" or return undef;
	while (my $line = readline $self->{out})
	{
		chomp $line;
		return join "\n", @lines if $line eq $end;
		push @lines, $line;
	}
	return undef;
}

sub ask
{
	my ($self, $sql) = @_;
	my $answer = $self->try($sql) // 'the session is gone';
	die "$answer\n" . substr($sql, 0, 500) if $answer =~ /^(?:ERROR|FATAL|PANIC|psql|the session)/m;
	return $answer;
}

sub close
{
	my ($self) = @_;
	return if !$self->{pid};
	CORE::close($self->{in});
	1 while readline $self->{out};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!);
	kill 'KILL', $self->{pid} if $self->{pid};
	waitpid $self->{pid}, 0 if $self->{pid};
	return;
}

1;
