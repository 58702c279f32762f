# What every test of the gateway needs: a throwaway database cluster with the stub
# schema, a gateway of its own, an SMSC, and patience.
package GatewayTest;

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(dirname);
use File::Spec;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IPC::Open2;
use IPC::Run ();
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);

use lib dirname(__FILE__);
use Smsc;

our @EXPORT = qw(fresh_schema sql knob queue wait_for start_gateway stop_gateway wait_exit gateway_log
	write_config gateway_path run_gateway free_port restart_database stop_database start_database
	outbox scratch log_like refuse_connections);

my $here = File::Spec->rel2abs(dirname(__FILE__) . '/..');
my $root = File::Spec->rel2abs("$here/../..");
my $scratch = tempdir('smsr-gateway-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $bin = $ENV{PG_BIN} // '/usr/lib/postgresql/15/bin';
my $cluster = $ENV{SMSR_GATEWAY_CLUSTER};    # directory of a running cluster
my $own_cluster;
my $owner = $$;
my %running;
my $counter = 0;

sub scratch { return $scratch }
sub gateway_path { return $ENV{SMSR_GATEWAY} // "$root/build/smsr-gateway" }

#
# the database
#

# the server refuses to run as root
sub as_postgres
{
	my @command = @_;
	unshift @command, 'runuser', '-u', 'postgres', '--' if $> == 0;
	open my $null, '>', File::Spec->devnull;
	my $ok = IPC::Run::run(\@command, '<', \undef, '>', File::Spec->devnull, '2>', \my $errors);
	diag($errors) if !$ok;
	return $ok;
}

sub start_cluster
{
	return if $cluster;
	$cluster = tempdir('smsr-gateway-db-XXXXXX', TMPDIR => 1, CLEANUP => 0);
	if ($> == 0)
	{
		my ($uid, $gid) = (getpwnam 'postgres')[ 2, 3 ];
		chown $uid, $gid, $cluster;
	}
	chmod 0755, $cluster;
	$own_cluster = 1;
	as_postgres("$bin/initdb", '-D', "$cluster/data", '-A', 'trust', '-N', '-U', 'postgres', '--locale=C', '-E', 'UTF8')
		or BAIL_OUT('initdb failed');
	start_database() or BAIL_OUT('the database does not start');
	return;
}

sub start_database
{
	return as_postgres("$bin/pg_ctl", '-D', "$cluster/data", '-w', '-l', "$cluster/log", '-o',
		"-c listen_addresses='' -c unix_socket_directories=$cluster -c fsync=off -c shared_buffers=32MB -c log_min_messages=error",
		'start');
}

sub stop_database
{
	stop_psql();
	return as_postgres("$bin/pg_ctl", '-D', "$cluster/data", '-w', '-m', 'fast', 'stop');
}

sub restart_database
{
	return stop_database() && start_database();
}

# one psql for all statements: starting it costs more than most of them
my ($psql_in, $psql_out, $psql_pid);

sub start_psql
{
	local $SIG{PIPE} = 'IGNORE';
	$psql_pid = open2($psql_out, $psql_in, 'psql', '-h', $cluster, '-U', 'postgres', '-d', 'postgres', '-XAtq');
	$psql_in->autoflush(1);
	return;
}

sub stop_psql
{
	return if !$psql_pid;
	close $psql_in;
	close $psql_out;
	waitpid $psql_pid, 0;
	undef $psql_pid;
	return;
}

# the rows, columns joined with "|"
sub sql
{
	my ($statement) = @_;
	my ($out, $error) = ('', '');
	start_psql() if !$psql_pid;
	print $psql_in "$statement\n;\n\\echo ---end :ERROR :LAST_ERROR_MESSAGE\n";
	while (my $line = <$psql_out>)
	{
		if ($line =~ /^---end (\w+)/)
		{
			die "$line in $statement" if $1 eq 'true';
			chomp $out;
			return $out;
		}
		$out .= $line;
	}
	die 'psql has left';
}

# a new, empty stub schema, and no connection left from an earlier gateway
sub fresh_schema
{
	start_cluster();
	sql("SET client_min_messages = warning");
	sql("\\i $here/stub.sql");
	return;
}

sub knob
{
	my ($name, $value) = @_;
	if (defined $value)
	{
		sql("INSERT INTO smsr.knob VALUES ('$name', '$value') ON CONFLICT (name) DO UPDATE SET value = excluded.value");
	}
	else
	{
		sql("DELETE FROM smsr.knob WHERE name = '$name'");
	}
	return;
}

# messages to be sent; n of them, or with these columns
sub queue
{
	my ($n, %column) = @_;
	my %value = (destination => "'34600000001'", tp_ud => "'\\x027000' || int4send(g)", %column);
	my @names = sort keys %value;
	sql("INSERT INTO smsr.outbox (" . join(', ', @names) . ") SELECT "
			. join(', ', map { $value{$_} } @names)
			. " FROM generate_series(1, $n) AS g");
	return;
}

# "state: count" of the outbox, sorted
sub outbox
{
	return sql("SELECT string_agg(state || ':' || n, ' ' ORDER BY state) FROM (SELECT state, count(*) n FROM smsr.outbox GROUP BY 1) s");
}

#
# the gateway
#

sub free_port
{
	my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die $!;
	return $socket->sockport;
}

# ({ gateway keys }, name => { bind keys }, ...)
sub write_config
{
	my ($gateway, @binds) = @_;
	my $path = "$scratch/gateway" . ++$counter . '.conf';
	my %gateway = (
		database               => "host=$cluster dbname=postgres user=smsr_gateway",
		log_level              => 'debug',
		poll_interval          => '100ms',
		tick_interval          => '200ms',
		database_reconnect_min => '50ms',
		database_reconnect_max => '200ms',
		shutdown_timeout       => '2s',
		statistics_interval    => '1s',
		%$gateway);
	open my $file, '>', $path or die $!;
	print $file "[gateway]\n", map { "$_ = $gateway{$_}\n" } sort keys %gateway;
	while (my ($name, $bind) = splice @binds, 0, 2)
	{
		my %bind = (
			host          => '127.0.0.1',
			system_id     => 'smsr',
			password      => 'secret',
			source        => '999',
			reconnect_min => '50ms',
			reconnect_max => '200ms',
			throttle_min  => '300ms',
			throttle_max  => '2s',
			%$bind);
		print $file "\n[bind $name]\n", map { "$_ = $bind{$_}\n" } sort keys %bind;
	}
	close $file;
	return $path;
}

sub start_gateway
{
	my ($config, %environment) = @_;
	my $log = "$config.log";
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		open STDERR, '>>', $log;
		open STDOUT, '>&', \*STDERR;
		$ENV{$_} = $environment{$_} for keys %environment;
		exec split(' ', $ENV{SMSR_GATEWAY_UNDER} // ''), gateway_path(), '-c', $config or POSIX::_exit(127);
	}
	my $gateway = { pid => $pid, log => $log, config => $config };
	$running{$pid} = $gateway;
	return $gateway;
}

sub gateway_log
{
	my ($gateway) = @_;
	open my $file, '<', $gateway->{log} or return '';
	local $/;
	return <$file> // '';
}

# true, and the exit status is in {status}, once it has ended
sub wait_exit
{
	my ($gateway, $smscs, $seconds) = @_;
	return wait_for(
		sub {
			return 1 if exists $gateway->{status};
			return 0 if waitpid($gateway->{pid}, WNOHANG) != $gateway->{pid};
			$gateway->{status} = $?;
			delete $running{ $gateway->{pid} };
			return 1;
		},
		$smscs, $seconds // 10);
}

# TERM; the exit status
sub stop_gateway
{
	my ($gateway, $smscs, $seconds) = @_;
	kill 'TERM', $gateway->{pid} if !exists $gateway->{status};
	if (!wait_exit($gateway, $smscs, $seconds))
	{
		diag('the gateway does not stop');
		kill 'KILL', $gateway->{pid};
		waitpid $gateway->{pid}, 0;
		delete $running{ $gateway->{pid} };
		$gateway->{status} = 'killed';
	}
	return $gateway->{status};
}

# to its end: exit code, standard output, standard error
sub run_gateway
{
	my ($arguments, %environment) = @_;
	local %ENV = (%ENV, %environment);
	my ($out, $errors) = ('', '');
	IPC::Run::run([ gateway_path(), @$arguments ], '<', \undef, '>', \$out, '2>', \$errors, IPC::Run::timeout(10));
	return ($? >> 8, $out, $errors);
}

# let the SMSCs live until something is true; false if it never becomes so
sub wait_for
{
	my ($condition, $smscs, $seconds) = @_;
	my $end = time + ($seconds // 5);
	my @smscs = !defined $smscs ? () : ref $smscs eq 'ARRAY' ? @$smscs : ($smscs);
	while (1)
	{
		return 1 if $condition->();
		return 0 if time > $end;
		if (@smscs)
		{
			# all that is there, but no longer than the condition can wait
			my $until = time + 0.05;
			my $busy = 1;
			while ($busy && time < $until)
			{
				$busy = 0;
				$busy += $_->round(0.005) for @smscs;
			}
		}
		else
		{
			sleep 0.02;
		}
	}
}

sub log_like
{
	my ($gateway, $pattern, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like(gateway_log($gateway), $pattern, $name);
}

END
{
	if ($$ == $owner)
	{
		my $status = $?;
		for my $pid (keys %running)
		{
			kill 'KILL', $pid;
			waitpid $pid, 0;
		}
		if ($own_cluster)
		{
			stop_database();
			system 'rm', '-rf', $cluster;
		}
		$? = $status;
	}
}

1;
