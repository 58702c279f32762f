# A router and shards of smsr, each a cluster of its own, and a fleet for them.

package SmsrShards;

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PrivateFiles;
use SmsrStack;
use Time::HiRes qw(sleep time);

# fleet, programs, files: as there, with the router for the database
our @ISA = ('SmsrStack');

our $EUM = '1.3.6.1.4.1.99999.1';

my $root = $ENV{SMSR_ROOT} // '.';

sub new
{
	my ($class, %option) = @_;
	my $self = bless {
		name => 'shards',
		cards => $option{cards},
		fleet_options => [],
		seed => 1,
		dir => PrivateFiles::directory('shards'),
	}, $class;
	$self->write_file('kek', join('', map { chr(int(rand(256))) } 1 .. 32));
	$self->write_file('transport.key', join('', map { sprintf('%02x', rand(256)) } 1 .. 16));
	system("$root/build/smsr-fleet", 'ci', '--output', "$self->{dir}/ci.pem") == 0 or die 'smsr-fleet ci failed';

	for my $n (0 .. $option{shards} - 1)
	{
		my $node = PostgreSQL::Test::Cluster->new("shard$n");
		$node->init;
		$node->append_conf('postgresql.conf', <<"CONF");
smsr.shard = $n
smsr.forward_unknown = on
smsr.kek_file = '$self->{dir}/kek'
smsr.retry_initial = '1s'
smsr.retry_max = '4s'
shared_preload_libraries = 'smsr'
CONF
		$node->start;
		$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION smsr;
SELECT smsr.install_roles();
CREATE ROLE north LOGIN IN ROLE smsr_tenant;
CREATE ROLE south LOGIN IN ROLE smsr_tenant;
CREATE ROLE test_gateway LOGIN IN ROLE smsr_gateway;
SQL
		push @{ $self->{shards} }, $node;
	}
	# one storage key for all: it is wrapped under the KEK that they have in common
	my ($first, @others) = $self->shards;
	$first->safe_psql('postgres', "SELECT smsr.create_storage_key(); COPY smsr.storage_key TO '$self->{dir}/storage_key'");
	$_->safe_psql('postgres', "COPY smsr.storage_key FROM '$self->{dir}/storage_key'") for @others;
	$_->safe_psql('postgres', <<"SQL") for $self->shards;
SELECT smsr.trust_ci(pg_read_binary_file('$self->{dir}/ci.pem'));
SELECT smsr.import_transport_key_file('$EUM', 'aes-kw', '$self->{dir}/transport.key');
INSERT INTO smsr.party (oid, kind, name) VALUES ('$EUM', 'EUM', 'Example Cards');
SQL

	my $router = $self->{router} = $self->{node} = PostgreSQL::Test::Cluster->new('router');
	$router->init;
	$router->start;
	my $where = join ', ', map { "'host=" . $_->host . ' port=' . $_->port . " dbname=postgres'" } $self->shards;
	my $sql = $first->safe_psql('postgres', "SELECT smsr.router_sql(ARRAY[$where])");
	$self->write_file('router.sql', $sql);
	$router->safe_psql('postgres', "\\i $self->{dir}/router.sql");
	$router->safe_psql('postgres', <<'SQL');
CREATE ROLE north LOGIN IN ROLE smsr_tenant;
CREATE ROLE south LOGIN IN ROLE smsr_tenant;
CREATE ROLE unmapped LOGIN IN ROLE smsr_tenant;
CREATE ROLE stranger LOGIN;
CREATE USER MAPPING FOR postgres SERVER smsr;
CREATE USER MAPPING FOR north SERVER smsr OPTIONS (user 'north');
CREATE USER MAPPING FOR south SERVER smsr OPTIONS (user 'south');
CREATE USER MAPPING FOR stranger SERVER smsr;
SQL
	return $self;
}

sub router { return $_[0]->{router}; }
sub shards { return @{ $_[0]->{shards} }; }
sub eids { return @{ $_[0]->{eids} }; }
sub document { my ($self, $n) = @_; return $self->{documents}[$n]; }

sub register
{
	my ($self) = @_;
	my $eis = "$self->{dir}/eis.copy";
	system("$root/build/smsr-fleet", 'eis', '--cards', $self->{cards}, '--seed', 1, '--format', 'copy',
		'--wrap', 'aes-kw', '--transport-key-file', "$self->{dir}/transport.key", '--output', $eis) == 0
		or die 'smsr-fleet eis failed';
	$self->{router}->safe_psql('postgres', <<"SQL");
CREATE TABLE document (n int GENERATED ALWAYS AS IDENTITY, document text);
COPY document (document) FROM '$eis';
SELECT count(*) FROM (SELECT smsr.register_eis(array_agg(xmlparse(document document))) FROM document) r;
SQL
	$self->{documents} = [split /\n/, $self->{router}->safe_psql('postgres', "SELECT translate(document, E'\\n\\r', '') FROM document ORDER BY n")];
	$self->{eids} = [split /\n/, $self->{router}->safe_psql('postgres', 'SELECT eid FROM smsr.euicc ORDER BY eid')];
	return;
}

# The shard that has an eUICC, by the router's map.
sub shard_of
{
	my ($self, $eid) = @_;
	return $self->{router}->safe_psql('postgres', "SELECT smsr_router.shard_of('$eid')");
}

# eUICCs that are on no shard, on two, or where the router does not look, a line each.
sub misplaced
{
	my ($self) = @_;
	my %on;
	my $n = 0;
	for my $shard ($self->shards)
	{
		push @{ $on{$_} }, $n for split /\n/, $shard->safe_psql('postgres', 'SELECT eid FROM smsr.euicc');
		$n++;
	}
	my %map = split /[|\n]/, $self->{router}->safe_psql('postgres',
		"SELECT e, smsr_router.shard_of(e) FROM unnest('{@{[join ',', $self->eids]}}'::smsr.eid[]) e");
	return join "\n", map { "$_ is on shards @{ $on{$_} // [] }" } grep { "@{ $on{$_} // [] }" ne $map{$_} } $self->eids;
}

# One for each shard, with a number of its own; cards send their notifications to the
# first one's, whatever shard they are on.
sub start_gateways
{
	my ($self) = @_;
	my $n = 0;
	for my $node ($self->shards)
	{
		$self->spawn_gateway("gateway$n", $node->connstr('postgres'), "49170000000$n");
		$n++;
	}
	return;
}

# What a timer does on the router.
sub start_forwarder
{
	my ($self) = @_;
	$self->write_file('forward.sql', "SELECT smsr_router.forward() \\watch 0.1\n");
	# a shard that is away ends it
	$self->spawn('forwarder', 'sh', '-c', "while :; do psql -Xq -h '@{[$self->router->host]}' -p @{[$self->router->port]} -d postgres -f '$self->{dir}/forward.sql'; sleep 0.2; done");
	return;
}

sub stop
{
	my ($self) = @_;
	$self->end($_) for keys %{ $self->{pid} // {} };
	$_->stop('fast') for $self->router, $self->shards;
	return;
}

1;
