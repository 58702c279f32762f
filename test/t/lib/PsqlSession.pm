# A session that stays: statements one after another, and whoever wants to may
# kill its backend in the middle of a transaction.

package PsqlSession;

use strict;
use warnings;

use IPC::Run ();
use Time::HiRes qw(time);

# record: where all that it says is written to, if anywhere
sub new
{
	my ($class, $node, %option) = @_;
	my $self = bless { record => $option{record}, in => '', out => '', n => 0 }, $class;
	my $user = defined $option{user} ? " user=$option{user}" : '';
	local $ENV{PGOPTIONS} = '';
	$self->{psql} = IPC::Run::start [ 'psql', '-XAt', '-v', 'VERBOSITY=verbose', '-v', 'SHOW_CONTEXT=always',
		'-d', $node->connstr('postgres') . $user ], '<', \$self->{in}, '>', \$self->{out}, '2>&1';
	$self->{pid} = $self->ask('SELECT pg_backend_pid()');
	return $self;
}

# What statements, and what fails of them, say.
sub ask
{
	my ($self, $sql) = @_;
	my $end = 'end of answer ' . ++$self->{n};
	my $limit = time + 60;
	$self->{out} = '';
	$self->{in} .= "$sql\n;\n\\echo\n\\echo $end\n";
	until ($self->{out} =~ /^\Q$end\E$/m)
	{
		die "no answer to $sql" if time > $limit;
		$self->{psql}->pump;
	}
	print { $self->{record} } $self->{out} if $self->{record};
	$self->{out} =~ s/\n*^\Q$end\E\n//m;
	$self->{out} =~ s/\A\n+//;
	return $self->{out};
}

sub pid { return $_[0]->{pid}; }

sub close
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	$self->{psql}->finish;
	return;
}

# Its backend dies without a word; the client, which may have had its answer, with it.
sub kill_backend
{
	my ($self) = @_;
	kill 'KILL', $self->{pid};
	$self->{psql}->kill_kill;
	return;
}

1;
