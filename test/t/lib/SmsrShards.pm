# A router and shards of smsr, each a cluster of its own, and a fleet for them.

package SmsrShards;

use strict;
use warnings;

use File::Temp ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our $EUM = '1.3.6.1.4.1.99999.1';

my $root = $ENV{SMSR_ROOT} // '.';

sub new
{
	my ($class, %option) = @_;
	my $self = bless {
		cards => $option{cards},
		dir => File::Temp::tempdir('smsr-shards.XXXXXX', TMPDIR => 1, CLEANUP => 1),
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

	my $router = $self->{router} = PostgreSQL::Test::Cluster->new('router');
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

sub write_file
{
	my ($self, $name, $content) = @_;
	my $mask = umask 0077;
	open my $file, '>:raw', "$self->{dir}/$name" or die "$self->{dir}/$name: $!";
	print $file $content;
	close $file or die "$name: $!";
	umask $mask;
	return;
}

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
	return $self->{router}->safe_psql('postgres', <<"SQL");
SELECT coalesce((SELECT x.shard FROM smsr_router.exception x WHERE x.eid = '$eid'),
	(SELECT p.shard FROM smsr_router.partition p WHERE p.number = smsr.eid_hash('$eid') & 255))
SQL
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
	return join "\n", map { "$_ is on shards @{ $on{$_} // [] }" }
		grep { "@{ $on{$_} // [] }" ne $self->shard_of($_) } $self->eids;
}

sub stop { my ($self) = @_; $_->stop('fast') for $self->router, $self->shards; return; }

1;
