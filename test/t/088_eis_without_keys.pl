# A batch whose EIS come without keys: registered, good for nothing until its keys
# are imported, from a master key and from wrapped values, and then a fleet as any
# other, of cards that have these keys for real.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use LeakHunt ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;

my $CARDS = 6;
my $master = '7cba382c8e8833dbae62678f2aba3f19';
my $stack = SmsrStack->new('without', cards => $CARDS, conf => "smsr.eis_without_keys = 'accept'",
	fleet => [ '--master-key', $master ], eis => [ '--wrap', 'without', '--master-key', $master ]);
my $node = $stack->node;

is($stack->sql("SELECT count(*), string_agg(DISTINCT awaited::text, ' ') FROM smsr.euicc_without_keys"), "$CARDS|{2}", 'all of them are registered without keys');
is($stack->sql('SELECT count(*) FROM smsr.keyset'), 0, 'and there are none');
my $all = "ARRAY(SELECT eid FROM smsr.euicc)";
$stack->sql("SELECT count(*) FROM smsr.request('audit_eis', $all)");
is($stack->sql("SELECT DISTINCT status, subject_code, reason_code, message FROM smsr.operation"),
	'FAILED|8.4|3.9|the eUICC is registered without keys: they are to be imported first', 'what is asked for is refused, and it is said why');
is($stack->sql('SELECT count(*) FROM smsr.outbound'), 0, 'nothing waits to be sent');

# ---- the keys: half of them from a master key, the others wrapped ----

$stack->start_fleet;
my $transport = pack 'H*', PostgreSQL::Test::Utils::slurp_file("$stack->{dir}/transport.key");
$stack->write_file('master', $master);
$stack->sql("SELECT smsr.import_master_key_file('batch', 'eid-cmac', '$stack->{dir}/master')");
my @keys = map { [split /\t/] } grep { /\t/ } split /\n/, $stack->ctl('keys');
is(scalar @keys, $CARDS, 'the cards have keys');
my $csv = '';
for my $n (0 .. $#keys)
{
	my ($eid, $kvn, undef, undef, @of_card) = @{ $keys[$n] };
	$csv .= join(',', $eid, $kvn, $n % 2 ? ('batch', '') : ('', join ' ', map { unpack 'H*', wrap(pack 'H*', $_) } @of_card)) . "\n";
}

# RFC 3394
sub wrap
{
	my ($key) = @_;
	return LeakHunt::openssl($key, 'enc', '-id-aes128-wrap', '-K', unpack('H*', $transport), '-iv', 'A6A6A6A6A6A6A6A6');
}

# those of another card do not pass: the EIS has the check values
$stack->write_file('wrong.csv', join ',', $keys[0][0], 2, '', join(' ', map { unpack 'H*', wrap(pack 'H*', $_) } @{ $keys[1] }[4 .. 6]) . "\n");
$stack->write_file('keys.csv', $csv);
$stack->sql("COPY smsr.key_inbox (eid, kvn, master, keys) FROM '$stack->{dir}/wrong.csv' CSV");
is($stack->sql('SELECT imported, rejected FROM smsr.import_keys()'), '0|1', 'another card\'s keys are refused');
is($stack->sql('SELECT reason FROM smsr.key_reject'), 'check value is not that of the key', 'by what the EIS says of them');
is($stack->sql('SELECT count(*) FROM smsr.euicc_without_keys'), $CARDS, 'which changes nothing');
$stack->sql("COPY smsr.key_inbox (eid, kvn, master, keys) FROM '$stack->{dir}/keys.csv' CSV");
is($stack->sql('SELECT imported, rejected FROM smsr.import_keys()'), "$CARDS|0", 'the keys are imported');
is($stack->sql('SELECT count(*) FROM smsr.euicc_without_keys'), 0, 'none is without any more');
is($stack->sql("SELECT string_agg(DISTINCT concat_ws(' ', state, origin, type), ', ') FROM smsr.key_evidence() WHERE level = 'key set'"), 'active import SCP80', 'they are active, and it is known how they came');
$stack->sql("SELECT smsr.destroy_master_key('batch')");

# ---- and the cards ----

$stack->start_gateway;
$stack->sql("SELECT count(*) FROM smsr.request('audit_eis', $all)");
ok($stack->wait_until_done(30), 'audits end');
is($stack->sql("SELECT count(*) FROM smsr.operation WHERE function = 'audit_eis' AND status = 'EXECUTED_SUCCESS'"), $CARDS, 'every card answers under its keys');
$stack->sql("SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids FROM smsr.profile WHERE state = 'Disabled') p, smsr.request('enable_profile', eids, iccids)");
ok($stack->wait_until_done(30), 'profiles are switched');
is($stack->sql("SELECT string_agg(DISTINCT status, ' ') FROM smsr.operation WHERE function = 'enable_profile'"), 'EXECUTED_SUCCESS', 'with success');
$stack->sql("SELECT count(*) FROM smsr.request('rotate_keys', $all)");
ok($stack->wait_until_done(30), 'and keys rotated');
is($stack->sql("SELECT string_agg(DISTINCT status, ' ') FROM smsr.operation WHERE function = 'rotate_keys'"), 'EXECUTED_SUCCESS', 'so that nothing of the batch is in use any more');
is($stack->differences, '', 'cards and database agree');
is($stack->counters_used_twice, '', 'no counter was used twice');

$stack->stop;
done_testing();
