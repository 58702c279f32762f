# The key encryption key behind a command and in a token (SoftHSM), and what
# happens when it changes, fails or goes away while packets are under way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Copy qw(move);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);
use Token;

my ($spy) = grep { -e } glob('/usr/lib/*/pkcs11-spy.so');
die "pkcs11-spy is not there: scripts/install-deps.sh test installs it\n" unless defined $spy;

# ---- a token of our own, and other keys in it ----

my $own_token = Token->new;
my ($softhsm, $hsm, $pin) = @{$own_token}{qw(module dir pin)};
$ENV{PKCS11SPY} = $softhsm;
$ENV{PKCS11SPY_OUTPUT} = "$hsm/spy.log";

sub tool
{
	my @command = @_;
	my $out = '';
	my $ok = IPC::Run::run \@command, '<', \undef, '>', \$out, '2>&1';
	return ($ok, $out);
}

sub must { my ($ok, $out) = tool(@_); die "@_: $out" unless $ok; return $out; }

sub pkcs11_tool { return ('pkcs11-tool', '--module', $softhsm, '--token-label', 'smsr', '--login', '--pin', $pin, @_); }

must(pkcs11_tool('--keygen', '--key-type', 'AES:32', '--label', 'other', '--sensitive'));
must(pkcs11_tool('--keygen', '--key-type', 'AES:16', '--label', 'short', '--sensitive'));
must(pkcs11_tool('--keygen', '--key-type', 'AES:32', '--label', 'loose', '--extractable'));
must(pkcs11_tool('--keygen', '--key-type', 'AES:32', '--label', 'twice', '--sensitive')) for 1 .. 2;
my ($read, $said) = tool(pkcs11_tool('--read-object', '--type', 'secrkey', '--label', 'kek'));
ok(!$read, 'the key can not be read from the token') or diag($said);

# ---- the server, the fleet and the gateway ----

my $stack = SmsrStack->new('kek', cards => 20);
my $node = $stack->node;
my %file = (kek_provider => 'file', kek_file => "$stack->{dir}/kek");
my %token = $own_token->settings;
my %no_former = (former_kek_provider => 'none');
my $token_name = 'pkcs11:token=smsr;object=kek';

# Set parameters, and wait until a new session has them: older ones do then, too.
my $configurations = 0;
sub configure
{
	my (%setting) = @_;
	my $marker = sprintf 'configuration %d', ++$configurations;
	$node->append_conf('postgresql.conf', join '', map { "smsr.$_ = '$setting{$_}'\n" } keys %setting);
	$node->append_conf('postgresql.conf', "cluster_test.marker = '$marker'\n");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('cluster_test.marker', true) = '$marker'")
		or die 'the configuration is not taken over';
	return;
}

# the same parameters, of the former KEK
sub former { my (%setting) = @_; return map { ("former_$_" => $setting{$_}) } keys %setting; }

# In a session of its own: what a statement says, the error included.
sub says
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0);
	return $err =~ /ERROR/ ? $err : $out;
}

my $seal = <<'SQL';
SELECT count(smsr.seal_command(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, '\x1621', '\x000001', n, '\xAA022200'))
	FROM smsr.keyset k, generate_series(1, 50) n WHERE k.type = 'SCP80'
SQL
sub status { my ($columns) = @_; return says("SELECT $columns FROM smsr.keystore_status()"); }

# A round of packets to and from every card.
sub packets_flow
{
	my ($what) = @_;
	$stack->sql('SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS e, smsr.request(\'audit_eis\', eids)');
	ok($stack->wait_until_done(30), "$what: packets flow");
	is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation"), 'EXECUTED_SUCCESS', "$what: and are answered");
	return;
}

# ---- a command ----

is(says($seal), 1000, 'packets are sealed');
configure(kek_provider => 'command', kek_command => "echo run >>$hsm/runs; cat $stack->{dir}/kek");
is(status('provider, kek_problem IS NULL, to_rewrap'), 'command|t|0', 'a KEK is the same, whoever hands it out');
unlink "$hsm/runs";
is(says("$seal; $seal"), "1000\n1000", 'a command opens the storage keys');
is(slurp_file("$hsm/runs"), "run\n", 'it runs once a backend, not once a packet');
configure(kek_command => "od -An -v -tx1 $stack->{dir}/kek | tr -d \" \\\\n\"");
is(says($seal), 1000, 'and may print digits');
configure(kek_command => "echo the vault is sealed >&2; exit 3");
like(says($seal), qr/ERROR:  the command in smsr\.kek_command failed.*DETAIL:  child process exited with exit code 3.*server's log/s,
	'a command that fails is an error');
like(slurp_file($node->logfile), qr/^the vault is sealed$/m, 'and what it says is in the log');
configure(kek_command => "cat $stack->{dir}/kek; false");
like(says($seal), qr/exit code 1/, 'even if it has printed the key');
configure(kek_command => 'kill -9 $$');
like(says($seal), qr/terminated by signal 9/, 'a command that is killed');
configure(kek_command => 'echo no key');
like(says($seal), qr/ERROR:  the command in smsr\.kek_command did not print a key/, 'a command that prints something else');
configure(kek_command => 'head -c 100000 /dev/zero');
like(says($seal), qr/did not print a key/, 'a command that prints too much');
configure(kek_command => '');
like(says($seal), qr/there is no key encryption key.*HINT:  Set smsr\.kek_command/s, 'no command');
like(status('kek_problem'), qr/^there is no key encryption key/, 'and the status says so');

# ---- from the file to the token ----

configure(%file);
$stack->start_fleet;
$stack->start_gateway;
packets_flow('under the KEK in a file');

configure(former(%file), %token);
is(status('provider, kek, kek_problem, former_provider, former_kek IS NOT NULL, former_kek_problem, to_rewrap'),
	"pkcs11|$token_name||file|t||1", 'the token is current, the file the former one');
packets_flow('before storage keys are wrapped again');
is($stack->sql('SELECT smsr.create_storage_key()'), 2, 'a storage key that the token wraps');
is($stack->sql("SELECT string_agg(CASE kek WHEN '$token_name' THEN 'token' ELSE 'file' END, ' ' ORDER BY id) FROM smsr.storage_key"),
	'file token', 'each has the name of the KEK that wraps it');
packets_flow('with a storage key under each KEK');
is($stack->sql('SELECT smsr.rewrap_storage_keys()'), 2, 'all are wrapped under the token');
is(status('to_rewrap'), 0, 'none is left to the former one');
configure(%no_former);
move("$stack->{dir}/kek", "$stack->{dir}/kek.away") or die $!;
packets_flow('after the file is gone');
is(says($seal), 1000, 'a new session, too');

# ---- once a backend ----

configure(pkcs11_module => $spy);
unlink "$hsm/spy.log";
is(says("$seal; $seal"), "1000\n1000", 'packets are sealed through a module that counts');
my %calls;
$calls{$_}++ for slurp_file("$hsm/spy.log") =~ /^\d+: (C_\w+)$/mg;
# two storage keys are in use
is("$calls{C_Initialize} $calls{C_Decrypt} $calls{C_Finalize}", '1 2 1', 'the token is asked once a backend and storage key, not once a packet')
	or diag(join ' ', map { "$_=$calls{$_}" } sort keys %calls);
ok(!exists $calls{C_WrapKey} && !exists $calls{C_UnwrapKey}, 'nothing is unwrapped into an object');
unlink "$hsm/spy.log";
configure(pkcs11_module => $softhsm);

# ---- a transport key that a custodian wraps in the token ----

my $root = $ENV{SMSR_ROOT} // '.';
my $wrapped = must("$root/build/pkcs11-gcm", $softhsm, 'smsr', $pin, 'kek', '2b7e151628aed2a6abf7158809cf4f3c');
chomp $wrapped;
# its check value is AES over 01^16
is(says("SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.2', 'aes-kw', '\\x$wrapped', '\\x2cf6a4')"), 1, 'a transport key, wrapped in the token');
is(says("SELECT encode(smsr.import_master_key('token', 'kdf3', '\\x$wrapped', '\\x2cf6a4'), 'hex')"), '2cf6a4', 'a master key, wrapped in the token');
is(says("SELECT encode(smsr.enter_key_component(smsr.begin_key_ceremony('1.3.6.1.4.1.99999.2', 'aes-kw', 2, '\\x000000'), wrapped => '\\x$wrapped'), 'hex')"),
	'2cf6a4', 'a component, wrapped in the token');
like(says("SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.2', 'aes-kw', '\\x${wrapped}00', '\\x2cf6a4')"),
	qr/wrapped transport key does not open under the key encryption key/, 'not if it is altered');
like(says("SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.2', 'aes-kw', wrapped, check_value) FROM smsr.storage_key WHERE id = 1"),
	qr/wrapped transport key does not open/, 'and a storage key can not pass for one');
$stack->sql("DELETE FROM smsr.transport_key WHERE eum_id = '1.3.6.1.4.1.99999.2'; DELETE FROM smsr.key_ceremony; DELETE FROM smsr.master_key");

# ---- what can be wrong with a token ----

configure(pkcs11_key => '0x4b01');
is(status('kek, kek_problem'), 'pkcs11:token=smsr;object=0x4b01|', 'a key is found by its id');
for my $wrong (
	[ { pkcs11_key => 'other' }, qr/key encryption key does not open storage key \d.*It is wrapped under \Q$token_name\E/s, 'another key' ],
	[ { pkcs11_key => 'nokey' }, qr/token "smsr" has no AES key "nokey".*smsr\.pkcs11_key/s, 'a key that does not exist' ],
	[ { pkcs11_key => 'twice' }, qr/token "smsr" has several AES keys "twice"/, 'a label that two keys have' ],
	[ { pkcs11_key => 'short' }, qr/key "short" of token "smsr" has 16 octets, not 32/, 'an AES-128 key' ],
	[ { pkcs11_key => 'loose' }, qr/key "loose" of token "smsr" can be taken out of it/, 'a key that can be extracted' ],
	[ { pkcs11_key => '' }, qr/there is no key encryption key.*smsr\.pkcs11_key/s, 'no key' ],
	[ { pkcs11_token => 'sms' }, qr/token "sms" is not present.*Nothing is lost/s, 'a label that is the beginning of another' ],
	[ { pkcs11_token => '' }, qr/smsr\.pkcs11_token/, 'no token' ],
	[ { pkcs11_module => "$hsm/none.so" }, qr/could not load PKCS #11 library "\Q$hsm\E\/none\.so"/, 'no module there' ],
	[ { pkcs11_module => 'libsofthsm2.so' }, qr/is not named by an absolute path/, 'a module by a relative path' ],
	[ { pkcs11_module => (glob('/lib/*/libc.so.6'))[0] }, qr/is not a PKCS #11 library/, 'a library that is none' ],
	[ { pkcs11_pin_file => '' }, qr/there is no PIN for token "smsr".*smsr\.pkcs11_pin_file or smsr\.pkcs11_pin_command/s, 'no PIN' ],
	[ { pkcs11_pin_file => "$hsm/nopin" }, qr/could not open PIN file/, 'no PIN file' ],
	[ { pkcs11_pin_file => '', pkcs11_pin_command => 'exit 4' }, qr/the command in smsr\.pkcs11_pin_command failed.*exit code 4/s, 'a PIN command that fails' ],
	[ { pkcs11_pin_file => '', pkcs11_pin_command => 'echo 00000000' }, qr/token "smsr" refuses the PIN.*CKR_PIN_INCORRECT/s, 'a wrong PIN' ])
{
	my ($setting, $message, $what) = @$wrong;
	configure(%token, pkcs11_pin_command => '', %$setting);
	like(says($seal), $message, "$what is an error");
	my $problem = status('kek_problem');
	isnt($problem, '', "$what is in the status") or diag($problem);
}
configure(%token);
packets_flow('through sessions that were there all the time');
configure(pkcs11_pin_file => '', pkcs11_pin_command => "cat $hsm/pin");
is(says($seal), 1000, 'a PIN from a command');
configure(%token);
chmod 0644, "$hsm/pin";
like(says($seal), qr/PIN file ".*" has group or world access/, 'a PIN that all may read is refused');
chmod 0600, "$hsm/pin";
is(says($seal), 1000, 'and all is well again');

# ---- the token goes, and comes back ----

my ($directory) = glob("$hsm/tokens/*");
move($directory, "$hsm/away") or die $!;
packets_flow('while the token is away, by sessions that have their storage keys');
like(says($seal), qr/token "smsr" is not present.*DETAIL.*HINT:  Nothing is lost/s, 'a new session says what is missing');
like(status('kek_problem'), qr/^token "smsr" is not present/, 'and so does the status');
$stack->end('gateway');
$stack->start_gateway;
$stack->sql('SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS e, smsr.request(\'audit_eis\', eids)');
sleep 2;
is($stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NULL'), 20, 'a new gateway seals nothing; what was asked for waits');
move("$hsm/away", $directory) or die $!;
ok($stack->wait_until_done(30), 'the token is back, and what waited is done');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation"), 'EXECUTED_SUCCESS', 'with success');
is(says($seal), 1000, 'new sessions seal again');

# ---- a rotation that is killed ----

is($stack->sql('SELECT smsr.reseal_keys()'), 0, 'the rotation begun before is ended');
is($stack->sql("SELECT string_agg(state, ' ' ORDER BY id) FROM smsr.storage_key"), 'retired active', 'its storage key is retired');
$stack->sql('SELECT smsr.create_storage_key()');
my $use = "SELECT string_agg(format('%s %s %s', id, state, key_sets), ', ' ORDER BY id) FROM smsr.storage_key_use";
my $key_sets = $stack->sql('SELECT count(*) FROM smsr.keyset');
is($stack->sql($use), "1 retired 0, 2 retiring $key_sets, 3 active 0", 'another rotation begins');
# the transport key is sealed, too
my $to_go = $key_sets + 1 - 5;
is($stack->sql('SELECT smsr.reseal_keys(5)'), $to_go, 'a few are sealed again');

$stack->sql(<<'SQL');
CREATE SCHEMA hold;
CREATE FUNCTION hold.here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
CREATE TRIGGER hold AFTER UPDATE OF sealed ON smsr.keyset FOR EACH STATEMENT EXECUTE FUNCTION hold.here();
SQL
my ($in, $out, $err) = ('', '', '');
my $resealer = IPC::Run::start [ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT smsr.reseal_keys(7)' ],
	'<', \$in, '>', \$out, '2>', \$err;
my $pid = '';
for (1 .. 200)
{
	$pid = $stack->sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' LIMIT 1");
	last if $pid ne '';
	sleep 0.05;
}
like($pid, qr/^\d+$/, 'a backend is in the middle of it');
is($stack->sql($use), "1 retired 0, 2 retiring $to_go, 3 active 4", 'others see nothing of it yet');
is(says("SET statement_timeout = '500ms'; SELECT smsr.reseal_keys(2)") =~ /ERROR/ ? 'error' : 'done', 'error', 'the trigger holds another one, too');
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
kill 'KILL', $pid;
$resealer->finish;
is($out, '', 'it is killed');
my $up = 0;
for (1 .. 600)
{
	sleep 0.05;
	$up = kill(0, $pid) == 0 && system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) == 0;
	last if $up;
}
ok($up, 'the server is back');
$stack->sql('DROP SCHEMA hold CASCADE');
is($stack->sql($use), "1 retired 0, 2 retiring $to_go, 3 active 4", 'nothing of its batch is there, and nothing is lost');
is(says($seal), 1000, 'all keys open');
my $batches = 0;
$batches++ while $stack->sql('SELECT smsr.reseal_keys(7)') > 0 && $batches < 10;
is($batches, int(($to_go + 6) / 7) - 1, 'it goes on where it stood');
is($stack->sql($use), "1 retired 0, 2 retired 0, 3 active $key_sets", 'the former storage key is retired');
packets_flow('under the new storage key');

# Claims and a rotation at the same time
$stack->sql('SELECT smsr.create_storage_key()');
$stack->sql('SELECT count(*) FROM (SELECT array_agg(eid) AS eids FROM smsr.euicc) AS e, smsr.request(\'audit_eis\', eids)');
my $left = 1;
for (1 .. 200) { $left = $stack->sql('SELECT smsr.reseal_keys(1)'); last if $left == 0; }
is($left, 0, 'a rotation while packets are under way comes to its end');
packets_flow('during and after it');

# ---- and back to a file ----

$stack->write_file('kek2', join '', map { sprintf '%02x', rand 256 } 1 .. 32);
configure(former(%token), kek_provider => 'file', kek_file => "$stack->{dir}/kek2");
is(status('provider, kek_problem, former_provider, former_kek, former_kek_problem, to_rewrap'),
	"file||pkcs11|$token_name||4", 'the file is current, the token the former one');
packets_flow('with the token as the former KEK');
is($stack->sql('SELECT smsr.rewrap_storage_keys()'), 4, 'all are wrapped under the file');
is($stack->sql('SELECT smsr.rewrap_storage_keys()'), 4, 'and may be again');
configure(%no_former);
move("$hsm/tokens", "$hsm/tokens.away") or die $!;
packets_flow('without the token');
is(says($seal), 1000, 'new sessions need it no more');
is(status('kek_problem, to_rewrap'), '|0', 'nothing is wrong');

# ---- no trace in the log ----

my $log = slurp_file($node->logfile);
like($log, qr/seal_command/, 'the log has statements');
for my $secret ([ $pin, 'the PIN' ], map { [ slurp_file("$stack->{dir}/$_"), $_ ] } qw(kek.away kek2 transport.key))
{
	my ($octets, $name) = @$secret;
	$octets = pack 'H*', $octets if $octets =~ /^[0-9a-f]{32,}$/;
	my $hex = unpack 'H*', $octets;
	ok(index($log, $octets) < 0 && index(lc $log, $hex) < 0, "$name is not in it");
}

is($stack->differences, '', 'cards and database agree');
is($stack->counters_used_twice, '', 'no counter was used twice');
$stack->stop;
done_testing();
