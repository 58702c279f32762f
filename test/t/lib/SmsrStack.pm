# A server with smsr, a simulated fleet that it knows, and the gateway between
# them, for tests that need to break one of the three.

package SmsrStack;

use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PrivateFiles;
use Test::More;
use Time::HiRes qw(sleep time);

our @ISA = ('PrivateFiles');

our $EUM = '1.3.6.1.4.1.99999.1';

my $root = $ENV{SMSR_ROOT} // '.';

sub new
{
	my ($class, $name, %option) = @_;
	my $self = bless {
		name => $name,
		cards => $option{cards} // 20,
		fleet_options => $option{fleet} // [],
		seed => $option{seed} // 1,
		dir => PrivateFiles::directory($name),
	}, $class;

	$self->write_file('kek', join('', map { chr(int(rand(256))) } 1 .. 32));
	$self->write_file('transport.key', join('', map { sprintf('%02x', rand(256)) } 1 .. 16));

	my $node = $self->{node} = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => $option{allows_streaming} // 0);
	$node->append_conf('postgresql.conf', <<"CONF");
fsync = on
smsr.kek_file = '$self->{dir}/kek'
smsr.retry_initial = '1s'
smsr.retry_max = '4s'
@{[$option{conf} // '']}
CONF
	$node->start;
	my $ci = qx("$root/build/smsr-fleet" ci);
	$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION smsr;
SELECT smsr.create_storage_key();
SELECT smsr.trust_ci(convert_to('$ci', 'UTF8'), 'simulated fleet');
SELECT smsr.import_transport_key_file('$EUM', 'aes-kw', '$self->{dir}/transport.key');
INSERT INTO smsr.party (oid, kind, name) VALUES
	('$EUM', 'EUM', 'Example Cards'),
	('1.3.6.1.4.1.99999.3', 'MNO', 'North Mobile'),
	('1.3.6.1.4.1.99999.4', 'MNO', 'South Mobile');
INSERT INTO smsr.party_role (role_name, party_id, bound_by) VALUES
	('north_mobile', '1.3.6.1.4.1.99999.3', current_user),
	('south_mobile', '1.3.6.1.4.1.99999.4', current_user);
CREATE ROLE test_gateway LOGIN;
SELECT smsr.grant_gateway('test_gateway');
SQL

	my $eis = "$self->{dir}/eis.copy";
	system("$root/build/smsr-fleet", 'eis', '--cards', $self->{cards}, '--seed', $self->{seed}, '--format', 'copy',
		@{ $option{eis} // [ '--wrap', 'aes-kw', '--transport-key-file', "$self->{dir}/transport.key" ] },
		@{ $option{more_eis} // [] }, '--output', $eis) == 0
		or die 'smsr-fleet eis failed';
	$node->safe_psql('postgres', "COPY smsr.eis_inbox (document) FROM '$eis'; SELECT smsr.register_inbox()");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM smsr.euicc'), $self->{cards}, "$name: the fleet is registered");
	return $self;
}

sub node { return $_[0]->{node}; }

sub sql { my ($self, $sql, $db) = @_; return $self->{node}->safe_psql($db // 'postgres', $sql); }

sub spawn
{
	my ($self, $what, @command) = @_;
	my $log = "$PostgreSQL::Test::Utils::log_path/$self->{name}-$what.log";
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>>', $log;
		open STDERR, '>&', \*STDOUT;
		exec @command or exit 127;
	}
	$self->{pid}{$what} = $pid;
	return;
}

# End a program that was spawned, and wait until it is gone.
sub end
{
	my ($self, $what, $signal) = @_;
	my $pid = delete $self->{pid}{$what} // return;
	kill $signal // 'TERM', $pid;
	waitpid $pid, 0;
	return;
}

sub start_fleet
{
	my ($self) = @_;
	my $port_file = "$self->{dir}/fleet.port";
	unlink $port_file;
	$self->spawn('fleet', "$root/build/smsr-fleet", 'run', '--cards', $self->{cards}, '--seed', $self->{seed},
		'--smsc', '0:smsc:secret', '--control', "$self->{dir}/fleet.sock", '--port-file', $port_file,
		'--auto-personalize', '--refresh', '0.05', @{ $self->{fleet_options} });
	for (1 .. 200) { last if -e $port_file; sleep 0.05; }
	($self->{port}) = PostgreSQL::Test::Utils::slurp_file($port_file) =~ /smpp=(\d+)/
		or die 'the fleet does not listen';
	return;
}

# A gateway of the database that a connection string names, from the number that it
# sends; its configuration and its log have its name.
sub spawn_gateway
{
	my ($self, $name, $database, $source) = @_;
	$self->write_file("$name.conf", <<"CONF");
[gateway]
database = $database user=test_gateway
poll_interval = 200ms
tick_interval = 200ms
lease = 3s
database_reconnect_min = 100ms
database_reconnect_max = 500ms

[bind smsc]
host = 127.0.0.1
port = $self->{port}
system_id = smsc
password = secret
source = @{[$source // '491700000000']}
reconnect_min = 100ms
throttle_min = 100ms
@{[$self->{bind_settings} // '']}
CONF
	$self->spawn($name, "$root/build/smsr-gateway", '--config', "$self->{dir}/$name.conf");
	return;
}

sub start_gateway
{
	my ($self, $db) = @_;
	$self->spawn_gateway('gateway', $self->{node}->connstr($db // 'postgres'));
	return;
}

# Until no operation is open; false if that takes too long.
sub wait_until_done
{
	my ($self, $seconds, $db) = @_;
	my $end = time + $seconds;
	while (time < $end)
	{
		return 1 if $self->sql('SELECT count(*) FROM smsr.operation WHERE status IS NULL', $db) == 0;
		sleep 0.2;
	}
	diag($self->sql('SELECT function, stage, step, doubt, count(*) FROM smsr.operation WHERE status IS NULL GROUP BY 1, 2, 3, 4', $db));
	return 0;
}

sub ctl
{
	my ($self, @command) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run [ "$root/build/smsr-fleet", 'ctl', "$self->{dir}/fleet.sock", @command ], '>', \$out, '2>', \$err
		or die "smsr-fleet ctl @command: $out$err";
	return $out;
}

# What the cards and the database disagree on, a line each.
sub differences
{
	my ($self, $db) = @_;
	my $dump = join "\n", grep { /\t/ } split /\n/, $self->ctl('dump');
	$self->write_file('cards.tsv', "$dump\n");
	return $self->sql(<<"SQL", $db);
CREATE TEMP TABLE cards (eid smsr.eid, isdp_aid smsr.aid, iccid smsr.iccid, state text,
	fallback_attribute boolean, msisdn text, counter bigint);
COPY cards FROM '$self->{dir}/cards.tsv';
SELECT coalesce(c.eid, p.eid), coalesce(c.isdp_aid, p.isdp_aid), c.state, p.state
FROM cards c FULL JOIN smsr.profile p ON p.eid = c.eid AND p.isdp_aid = c.isdp_aid
WHERE p.state IS DISTINCT FROM c.state
	OR p.fallback_attribute IS DISTINCT FROM c.fallback_attribute
	OR p.msisdn IS DISTINCT FROM coalesce(c.msisdn, p.msisdn);
SQL
}

# Cards that executed a packet under a counter that is not higher than an
# earlier one's, and changes that a card was told to make twice.
sub counters_used_twice
{
	my ($self) = @_;
	my @bad = grep { my @f = split /\t/; @f >= 6 && $f[4] > 0 } split /\n/, $self->ctl('commands');
	return join "\n", @bad;
}

sub stop
{
	my ($self) = @_;
	$self->end('gateway');
	$self->end('fleet');
	$self->{node}->stop('fast');
	return;
}

# A test that dies leaves no process behind.
sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->end($_, 'KILL') for keys %{ $self->{pid} // {} };
	return;
}

1;
