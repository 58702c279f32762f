# A key set for SCP81 that this SM-SR and simulated cards agree on
# (ES5.EstablishISDRKeySet): both have the same key, which is sealed here and shown
# to nobody; whoever is to find it finds it by its identity.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use LeakHunt qw(unseal kwp_unwrap slurp_octets);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep);

my $root = $ENV{SMSR_ROOT} // '.';
my $stack = SmsrStack->new('scp81', cards => 4);
my $node = $stack->node;
my @eid = split /\n/, $stack->sql('SELECT eid FROM smsr.euicc ORDER BY eid');

sub ended { my ($id) = @_; return $stack->sql("SELECT concat_ws(' ', status, subject_code, reason_code, message) FROM smsr.operation WHERE id = $id"); }

my $op = $stack->sql("SELECT smsr.establish_psk('$eid[0]')");
is(ended($op), 'FAILED 8.5.3 3.7 this SM-SR has no valid certificate', 'without a certificate there is nothing to show the card');
system("$root/build/smsr-fleet", 'sm-sr', 'SR', "$stack->{dir}/sr.cert", "$stack->{dir}/sr.key") == 0 or die 'smsr-fleet sm-sr failed';
chmod 0600, "$stack->{dir}/sr.key";
my ($cert) = slurp_file("$stack->{dir}/sr.cert") =~ /([0-9a-f]+)/;
$stack->sql("SELECT smsr.import_own_certificate('\\x$cert', '$stack->{dir}/sr.key')");

$stack->start_fleet;
$stack->start_gateway;

# ---- the card and we agree ----

is($stack->sql("BEGIN; CREATE TEMP TABLE made ON COMMIT DROP AS SELECT smsr.establish_psk('$eid[0]') AS id; SELECT smsr.unstick(id) FROM made; ROLLBACK"),
	'what it asks the card is an operation of its own', 'whoever would hasten it is told where to look');
$op = $stack->sql("SELECT smsr.establish_psk('$eid[0]', call_id => 'once')");
is($stack->sql("SELECT smsr.establish_psk('$eid[0]', call_id => 'once')"), $op, 'the same call is the same operation');
like(ended($stack->sql("SELECT smsr.establish_psk('$eid[0]')")), qr/^FAILED 1\.2 4\.4/, 'one at a time');
ok($stack->wait_until_done(30), 'it ends');
is(ended($op), 'EXECUTED_SUCCESS', 'with success');
is($stack->sql("SELECT k.kvn, k.type, k.key_type, k.state, k.origin, k.counter, encode(k.check_values, 'hex') FROM smsr.keyset k WHERE k.eid = '$eid[0]' AND k.type = 'SCP81'"),
	'64|SCP81|133|active|establishment|0|000000', 'a key set for SCP81, of one key without a check value');
is($stack->sql('SELECT count(*) FROM smsr.establishment'), 0, 'no ephemeral key is left');
is($stack->sql('SELECT count(*) FROM smsr.check_key_values()'), 0, 'it opens in its place');

my ($line) = grep { /\tPSK\t/ } split /\n/, $stack->ctl('keys', $eid[0]);
my ($card_eid, $kvn, undef, undef, $psk) = split /\t/, $line;
is("$card_eid $kvn", "$eid[0] 64", 'the card has one of that version');
my $storage_key = kwp_unwrap(slurp_octets("$stack->{dir}/kek"), pack 'H*', $stack->sql("SELECT encode(wrapped, 'hex') FROM smsr.storage_key WHERE state = 'active'"));
my $plain = unseal($storage_key, pack 'H*', $stack->sql("SELECT encode(sealed, 'hex') FROM smsr.keyset WHERE eid = '$eid[0]' AND kvn = 64"));
is(lc unpack('H*', $plain), lc("10${psk}0000"), 'and it is the very key that is sealed here');

# ---- by its identity ----

my $identity = uc "8001028110$eid[0]4F10A0000005591010FFFFFFFF8900000100820101830140";
is($stack->sql("SELECT identity FROM smsr.psk WHERE eid = '$eid[0]'"), $identity, 'the identity that the card shows is seen');
is($stack->sql("SELECT name, type, state, origin, custodians, protected_by FROM smsr.key_evidence('$eid[0]') WHERE kvn = 64"),
	"$identity|SCP81|active|establishment|{" . $stack->sql('SELECT current_user') . '}|storage key 1', 'and is in the evidence, with who made it');
my $seen = $stack->sql("SELECT (SELECT string_agg(e::text, ' ') FROM smsr.key_evidence() e), (SELECT string_agg(o::text, ' ') FROM smsr.operation o),
	(SELECT string_agg(a::text, ' ') FROM smsr.audit_trail a), smsr.get_eis('$eid[0]'), (SELECT string_agg(m::text, ' ') FROM smsr.message m)");
ok(index(lc $seen, lc $psk) < 0, 'the key is not seen anywhere');
like($seen, qr{<Version>64</Version><Type>SCP81</Type>}, 'the EIS lists the set');
ok(index(lc slurp_file($node->logfile), lc $psk) < 0, 'nor is it in the log');
is($stack->sql("SELECT count(*) FROM smsr.audit_trail WHERE eid = '$eid[0]' AND function = 'establish_psk' AND status = 'EXECUTED_SUCCESS'"), 1, 'the record says that it was made, once');

# ---- more ----

$op = $stack->sql("SELECT smsr.establish_psk('$eid[0]')");
my $wanted = $stack->sql("SELECT smsr.establish_psk('$eid[1]', 79)");
ok($stack->wait_until_done(30), 'others end');
is(ended($op) . ' ' . ended($wanted), 'EXECUTED_SUCCESS EXECUTED_SUCCESS', 'with success');
is($stack->sql("SELECT string_agg(right(eid::text, 4) || ' ' || kvn, ', ' ORDER BY eid, kvn) FROM smsr.psk"),
	join(', ', substr($eid[0], -4) . ' 64', substr($eid[0], -4) . ' 65', substr($eid[1], -4) . ' 79'), 'under the next version, and under one that was wanted');
like(ended($stack->sql("SELECT smsr.establish_psk('$eid[1]', 79)")), qr/^FAILED 8\.4 3\.3/, 'not twice under one');

# a storage key is replaced, and what opens still opens
$stack->sql('SELECT smsr.create_storage_key()');
is($stack->sql('SELECT smsr.reseal_keys()'), 0, 'they are sealed again with the others');
is($stack->sql('SELECT count(*) FROM smsr.check_key_values()'), 0, 'and open');

# ---- what goes wrong ----

# the answer comes after the server has crashed
$stack->ctl('off', $eid[2]);
$op = $stack->sql("SELECT smsr.establish_psk('$eid[2]')");
sleep 0.5;
$node->stop('immediate');
$node->start;
$stack->ctl('on', $eid[2]);
ok($stack->wait_until_done(30), 'a server that crashed goes on');
is(ended($op), 'EXECUTED_SUCCESS', 'and comes to the end');

# a receipt over another CRT than the one that was sent: the card may have other keys
$stack->sql(<<'SQL');
CREATE FUNCTION alter_crt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.crt := set_byte(new.crt, length(new.crt) - 1, 1); RETURN new; END $$;
CREATE TRIGGER alter_crt BEFORE UPDATE ON smsr.establishment FOR EACH ROW WHEN (new.crt IS NOT NULL) EXECUTE FUNCTION alter_crt();
SQL
$op = $stack->sql("SELECT smsr.establish_psk('$eid[3]')");
ok($stack->wait_until_done(30), 'a receipt that is not right ends it');
like(ended($op), qr/^FAILED 8\.4 6\.1 /, 'with a failure');
is($stack->sql("SELECT count(*) FROM smsr.keyset WHERE eid = '$eid[3]' AND type = 'SCP81'"), 0, 'and no key set');
$stack->sql('DROP TRIGGER alter_crt ON smsr.establishment; DROP FUNCTION alter_crt()');
$op = $stack->sql("SELECT smsr.establish_psk('$eid[3]')");
ok($stack->wait_until_done(30), 'another call ends');
is(ended($op) . ' ' . $stack->sql("SELECT kvn FROM smsr.psk WHERE eid = '$eid[3]'"), 'EXECUTED_SUCCESS 65', 'under a version that the card can not have yet');

# time is over
$stack->ctl('off', $eid[3]);
$op = $stack->sql("SELECT smsr.establish_psk('$eid[3]', validity => '1 s')");
ok($stack->wait_until_done(30), 'its time ends');
like(ended($op), qr/^EXPIRED /, 'and it with it');
is($stack->sql('SELECT count(*) FROM smsr.establishment'), 0, 'nothing is left of it');
$stack->ctl('on', $eid[3]);

$stack->sql("SELECT count(*) FROM smsr.request('audit_eis', ARRAY(SELECT eid FROM smsr.euicc))");
ok($stack->wait_until_done(30), 'cards are reached as before');
is($stack->differences, '', 'cards and database agree');
is($stack->counters_used_twice, '', 'no counter was used twice');

$stack->stop;
done_testing();
