# Two SM-SRs that know each other, each a server of its own with a number of its
# own, for tests of what goes on between them.  The fleet is the first one's.

package SmsrPair;

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;

our $NORTH = '1.3.6.1.4.1.99999.3';
my @ID = ('1.3.6.1.4.1.99999.9', '1.3.6.1.4.1.99999.19');
my @NUMBER = ('491700000000', '491700000001');
my $root = $ENV{SMSR_ROOT} // '.';

sub new
{
	my ($class, $name, %option) = @_;
	my $stack = SmsrStack->new($name, %option);
	my @node = ($stack->node, PostgreSQL::Test::Cluster->new("${name}2"));

	$node[1]->init;
	$node[1]->append_conf('postgresql.conf', <<"CONF");
fsync = on
smsr.smsr_id = '$ID[1]'
smsr.kek_file = '$stack->{dir}/kek2'
smsr.retry_initial = '1s'
smsr.retry_max = '4s'
@{[$option{conf} // '']}
CONF
	$stack->write_file('kek2', join('', map { chr(int(rand(256))) } 1 .. 32));
	$node[1]->start;
	my $ci = "$stack->{dir}/ci.pem";
	system("$root/build/smsr-fleet", 'ci', '--output', $ci) == 0 or die 'smsr-fleet ci failed';
	$node[1]->safe_psql('postgres', <<"SQL");
CREATE EXTENSION smsr;
SELECT smsr.create_storage_key();
SELECT smsr.trust_ci(pg_read_binary_file('$ci'));
INSERT INTO smsr.party (oid, kind, name) VALUES ('$NORTH', 'MNO', 'North Mobile');
CREATE ROLE test_gateway LOGIN;
SELECT smsr.grant_gateway('test_gateway');
SQL
	for my $n (0, 1)
	{
		$node[$n]->append_conf('postgresql.conf', "smsr.sms_address = '+$NUMBER[$n]'\n");
		$node[$n]->reload;
		system("$root/build/smsr-fleet", 'sm-sr', "SR$n", "$stack->{dir}/sr$n.cert", "$stack->{dir}/sr$n.key") == 0
			or die 'smsr-fleet sm-sr failed';
		chmod 0600, "$stack->{dir}/sr$n.key";
		my ($cert) = slurp_file("$stack->{dir}/sr$n.cert") =~ /([0-9a-f]+)/;
		my $peer = $ID[1 - $n];
		$node[$n]->safe_psql('postgres', <<"SQL");
SELECT smsr.import_own_certificate('\\x$cert', '$stack->{dir}/sr$n.key');
INSERT INTO smsr.party (oid, kind, name) VALUES ('$peer', 'SM-SR', 'the other one');
CREATE ROLE carrier LOGIN;
SELECT smsr.grant_carrier('carrier');
CREATE ROLE north LOGIN;
DELETE FROM smsr.party_role WHERE party_id = '$NORTH';
SELECT smsr.bind_role('$NORTH', 'north');
GRANT USAGE ON SCHEMA smsr TO north;
GRANT EXECUTE ON FUNCTION smsr.prepare_smsr_change(smsr.eid[], text, interval, text[]), smsr.smsr_change(smsr.eid[], text, interval, text[]) TO north;
SQL
	}
	return bless { stack => $stack, nodes => \@node }, $class;
}

sub stack { return $_[0]->{stack}; }
sub nodes { return @{ $_[0]->{nodes} }; }
sub ids { return @ID; }
sub numbers { return @NUMBER; }

1;
