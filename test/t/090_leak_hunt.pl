# Known keys are used in every way there is, good and bad, on servers that log
# all they can, and then searched for: in the log, in statistics, in what plans and
# functions say, in a dump, in the files of the data directory and in the memory
# that a core file would show.
#
# Every search looks for a mark, too, that must be found in the same place: what
# does not find the mark would not find a key either.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use LeakHunt qw(unseal pieces random_key openssl check_value kwp_wrap kwp_unwrap cmac hunt slurp_octets);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $root = $ENV{SMSR_ROOT} // '.';
my $EUM = $SmsrStack::EUM;
my $seed = int(rand(2**31));
my $CARDS = 4;

# a core file, if something should write one, is not to be kept away by a limit
system('prlimit', '--pid', $$, '--core=unlimited:unlimited');

# contrib, as a rule a part of the server's package
my @modules = grep { module_is_there($_) } qw(pg_stat_statements auto_explain);
sub module_is_there
{
	my ($name) = @_;
	chomp(my $bin = qx(dirname "\$(command -v postgres)"));
	return grep { -e "$_/$name.so" } map { "$bin/../$_" } qw(lib lib/postgresql);
}
my %has = map { $_ => 1 } @modules;

my $conf = <<"CONF";
shared_preload_libraries = '@{[join ',', @modules]}'
shared_buffers = 16MB
max_connections = 20
wal_keep_size = 1GB
log_min_messages = debug5
log_min_error_statement = debug5
log_statement = all
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_error_verbosity = verbose
log_duration = on
log_connections = on
track_activity_query_size = 1MB
track_functions = all
compute_query_id = on
restart_after_crash = off
@{[$has{pg_stat_statements} ? "pg_stat_statements.track = all\npg_stat_statements.track_planning = on" : '']}
@{[$has{auto_explain} ? "auto_explain.log_min_duration = 0\nauto_explain.log_analyze = on\nauto_explain.log_verbose = on\nauto_explain.log_nested_statements = on\nauto_explain.log_settings = on\nauto_explain.log_triggers = on" : '']}
CONF
my $stack = SmsrStack->new('leak', cards => $CARDS, seed => $seed, conf => $conf);
my $node = $stack->node;
my $dir = $stack->{dir};
my $data = $node->data_dir;
diag("$_ is not there: its output is not searched") for grep { !$has{$_} } qw(pg_stat_statements auto_explain);

# What is compressed can not be searched.
$stack->sql(<<'SQL');
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT a.attrelid::regclass AS of, a.attname FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
		WHERE r.relnamespace = 'smsr'::regnamespace AND r.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage IN ('x', 'm')
			AND a.atttypid::regtype::text NOT IN ('numeric', 'smsr.aid')
	LOOP
		EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STORAGE EXTERNAL', c.of, c.attname);
	END LOOP;
END $$
SQL

# All that functions return and raise goes here.
open my $record, '>', "$dir/answers" or die $!;
$record->autoflush;
sub session { return LeakHunt->session($node, $record, @_); }
sub bytea { my ($octets) = @_; return "'\\x" . unpack('H*', $octets) . "'"; }

# ---- keys that are known ----

my %key = (kek => slurp_octets("$dir/kek"), transport => pack('H*', slurp_octets("$dir/transport.key")));

# The documents of these cards, with key values in clear or wrapped; their keys.
sub documents
{
	my ($first, $cards, $wrap) = @_;
	return split /\n/, qx("$root/build/smsr-fleet" eis --seed $seed --first $first --cards $cards --format xml-per-line @{[
		$wrap ? "--wrap aes-kw --transport-key-file $dir/transport.key" : '--wrap none']});
}
sub keys_of { return map { pack 'H*', $_ } $_[0] =~ /<KeyComponent type="88" value="([0-9A-F]+)"/g; }

sub know_cards
{
	my ($keys, $first, $cards) = @_;
	for my $document (documents($first, $cards))
	{
		my $n = 0;
		$keys->{sprintf 'card-%d-key-%d', $first, ++$n} = $_ for keys_of($document);
		$first++;
	}
	return;
}
know_cards(\%key, 1, $CARDS + 4);
is(scalar(grep { /^card/ } keys %key), 3 * ($CARDS + 4), 'the keys of the cards are known');

sub know_storage_keys
{
	for (split /\n/, $stack->sql('SELECT id, encode(wrapped, \'hex\'), encode(check_value, \'hex\') FROM smsr.storage_key'))
	{
		my ($id, $wrapped, $check_value) = split /\|/;
		my $storage_key = kwp_unwrap($key{kek}, pack 'H*', $wrapped);
		die "storage key $id" unless length $storage_key == 32 && unpack('H*', substr cmac($storage_key, 'check'), 0, 3) eq $check_value;
		$key{"storage-key-$id"} = $storage_key;
	}
	return;
}
know_storage_keys();

# ---- what must be found ----

my %mark = (mark => random_key(16));
my $mark_hex = unpack 'H*', $mark{mark};
my $mark_other = unpack 'H*', reverse $mark{mark};

# ---- traffic ----

$stack->start_fleet;
$stack->start_gateway;
my $listener = session();
$listener->ask('LISTEN smsr_sms');
my $s = session();
$s->ask("SET smsr.reason = '$mark_hex'");
$s->ask('SELECT pg_notify(channel, \'' . $mark_hex . '\') FROM unnest(ARRAY[\'smsr_sms\']) AS channel');
$s->ask('SELECT channel FROM smsr.notice_cursor');
$s->ask("SELECT count(smsr.enable_profile(eid, iccid)) FROM smsr.profile WHERE state = 'Disabled'");
ok($stack->wait_until_done(30), 'profiles are enabled');
$s->ask('SELECT count(smsr.audit_eis(eid)) FROM smsr.euicc');
ok($stack->wait_until_done(30), 'eUICCs are audited');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation"), 'EXECUTED_SUCCESS', 'with success');
# a card that knows a higher counter
$s->ask("UPDATE smsr.keyset SET counter = 0 WHERE eid = (SELECT min(eid) FROM smsr.euicc)");
$s->ask('SELECT smsr.audit_eis(min(eid)) FROM smsr.euicc');
ok($stack->wait_until_done(30), 'a counter is moved ahead');
$s->ask("SELECT smsr.master_delete(p.eid, p.iccid, '\\x2B0601', '\\x0102', '\\xA000000559', '\\x07', '\\x0011223344556677') FROM smsr.profile p WHERE state = 'Disabled' LIMIT 1");
$stack->wait_until_done(30);
$listener->ask('SELECT 1');

# ---- from here on plans, too ----

$s->ask("ALTER SYSTEM SET $_ = on") for qw(debug_print_parse debug_print_rewritten debug_print_plan);
$stack->sql('SELECT pg_reload_conf()');
$s->ask('SELECT pg_sleep(0.2)');
is($s->ask('SHOW debug_print_plan'), 'on', 'plans are printed');

# A statement, and what it must say.
sub says { my ($sql, $pattern, $what) = @_; like($s->ask($sql), $pattern, $what); return; }

# ---- the search ----

sub write_query { my ($name, $sql) = @_; $stack->write_file($name, $stack->sql($sql)); return "$dir/$name"; }

# Nothing of the keys is there, and the mark is.
sub nothing_in
{
	my ($what, @places) = @_;
	my $found = hunt(\%mark, @places);
	isnt($found, '', "the search finds what is there: $what");
	is(hunt(\%key, @places), '', "no key in $what");
	return;
}

# ---- the memory of a backend ----

# Nobody but root reads the memory of a backend that has used keys, nor does the
# kernel write it down: see the end of this test.
sub readable { my ($session) = @_; return open(my $memory, '<', '/proc/' . $session->pid . '/mem') ? 1 : 0; }

# What a core file would hold, if the backend were allowed one: no piece of a key.
sub core_is_clean
{
	my ($session, $when) = @_;
	$session->ask('SET smsr.core_files = on');
	is(hunt(pieces(\%key), 'core:' . $session->pid), '', "no piece of a key in a core image $when");
	return;
}

# ---- packets ----

my $place = 'k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed';
my $from = "FROM smsr.keyset k WHERE k.type = 'SCP80'";
my $seal = "smsr.seal_command($place, '\\x1639', '\\x000001', 7, '\\xAA022200')";
says("SELECT $seal $from", qr/^\\x/, 'packets are sealed');
SKIP:
{
	skip 'root reads everything', 2 if $> == 0;
	is(readable($s), 0, 'a backend that has used keys is not to be read');
	isnt(system('gdb --version >/dev/null 2>&1 && timeout 20 gcore -o ' . "$dir/forbidden " . $s->pid . ' >/dev/null 2>&1'), 0, 'nor is a debugger let in');
}
core_is_clean($s, 'after the first packets');
is(readable($s), 1, 'now it is to be read');
like(hunt(\%key, 'memory:' . $s->pid), qr/^storage-key-1, octets, /m, 'a key is found where core files do not show it');
isnt(hunt(\%mark, 'core:' . $s->pid), '', 'and the mark where they do');
$s->ask("BEGIN; SELECT $seal $from");
like(hunt(\%key, 'core:' . $s->pid), qr/^storage-key-1, octets, core:\d+ \[heap\]/m, 'in the middle of a transaction there are key schedules: no core files by default');
$s->ask('SAVEPOINT a; SELECT 1 / 0; ROLLBACK TO a; COMMIT');
core_is_clean($s, 'after it');
says("SELECT smsr.seal_command($place, '\\x1639', '\\x000001', 7, '\\xAA022200', 'cat_tp') $from", qr/^\\x/, 'of CAT_TP, too');
says("PREPARE p AS SELECT smsr.seal_command($place, \$1, '\\x000001', 7, '\\xAA022200') $from; EXECUTE p('\\x1639'); EXECUTE p('\\x16')",
	qr/ERROR.*spi must have 2 octets/, 'of a prepared statement');
says("SELECT smsr.keyset_opens($place), smsr.sealed_keyset_opens($place), smsr.keyset_fault(k.eid, k.sd_aid, k.kvn, k.key_type, k.check_values, k.sealed) $from", qr/^t\|t\|$/m, 'key sets open');
says("SELECT smsr.seal_command(k.eid, k.sd_aid, 3::smallint, k.key_type, k.sealed, '\\x1639', '\\x000001', 7, '\\x00') $from", qr/ERROR.*does not open in this place/, 'a moved blob');
says("SELECT smsr.seal_command(k.eid, k.sd_aid, k.kvn, k.key_type, set_byte(k.sealed, 30, get_byte(k.sealed, 30) # 1), '\\x1639', '\\x000001', 7, '\\x00') $from",
	qr/ERROR.*does not open in this place/, 'an altered one');
says("SELECT smsr.keyset_opens(k.eid, k.sd_aid, 3::smallint, k.key_type, k.sealed), smsr.keyset_fault(k.eid, k.sd_aid, 3::smallint, k.key_type, k.check_values, k.sealed),
	smsr.keyset_fault(k.eid, k.sd_aid, k.kvn, k.key_type, '\\x000000', k.sealed) $from", qr/^f\|.*does not open.*\|check values are not/m, 'and without an error');
says("SELECT smsr.seal_command(k.eid, k.sd_aid, k.kvn, k.key_type, set_byte(k.sealed, 4, 99), '\\x1639', '\\x000001', 7, '\\x00') $from", qr/ERROR.*storage key 99 does not exist/, 'another storage key');
says("SELECT smsr.seal_command($place, '\\x1639', '\\x000001', 7, repeat('x', 70000)::bytea) $from", qr/ERROR/, 'a packet that is too long');
says("SELECT smsr.seal_command($place, '\\x1639', '\\x000001', n, '\\x00'), 1 / (5 - n) FROM smsr.keyset k, generate_series(1, 9) n WHERE k.type = 'SCP80'",
	qr/ERROR.*division by zero/, 'an error in the middle');
says("SET statement_timeout = '50ms'; SELECT sum(length(smsr.seal_command($place, '\\x1639', '\\x000001', n, '\\x00'))) FROM smsr.keyset k, generate_series(1, 10000000) n WHERE k.type = 'SCP80'",
	qr/ERROR.*statement timeout/, 'a statement that is cancelled');
$s->ask('RESET statement_timeout');
core_is_clean($s, 'after a statement that was cancelled');
says("DO \$\$ BEGIN FOR n IN 1 .. 3 LOOP BEGIN PERFORM $seal, 1 / (n - 2) $from; EXCEPTION WHEN division_by_zero THEN RAISE WARNING 'caught'; END; END LOOP; END \$\$",
	qr/WARNING.*caught/, 'a subtransaction that fails');
says("SELECT o.* FROM smsr.message m JOIN smsr.keyset k USING (eid), LATERAL smsr.unseal_response($place, '\\x39', smsr.sms_reassemble(ARRAY[m.octets])) o
	WHERE m.direction = 'in' AND k.type = 'SCP80' AND (smsr.sms_header(m.octets)).cpi = 113 AND (smsr.sms_header(m.octets)).total = 1", qr/\|t\|t\|\\x/, 'responses are opened');
says("SELECT o.* FROM smsr.message m JOIN smsr.keyset k USING (eid), LATERAL smsr.unseal_response($place, '\\x39',
	(SELECT set_byte(p, length(p) - 1, get_byte(p, length(p) - 1) # 1) FROM smsr.sms_reassemble(ARRAY[m.octets]) p)) o
	WHERE m.direction = 'in' AND k.type = 'SCP80' AND (smsr.sms_header(m.octets)).cpi = 113 AND (smsr.sms_header(m.octets)).total = 1", qr/\|t\|f\|$/m, 'altered ones not');
says("SELECT (smsr.peek_command(smsr.sms_reassemble(ARRAY[m.octets]))).*, o.* FROM smsr.message m JOIN smsr.keyset k USING (eid), LATERAL smsr.unseal_command($place, smsr.sms_reassemble(ARRAY[m.octets])) o
	WHERE m.direction = 'in' AND k.type = 'SCP80' AND (smsr.sms_header(m.octets)).cpi = 112", qr/\|t\|\\xe1/, 'notifications are opened');
says("SELECT smsr.unseal_command($place, '\\x00112233') $from", qr/ERROR/, 'octets that are no packet');
says("SELECT smsr.decode(octets), smsr.decode(script), smsr.describe(script), smsr.decode('\\x80D8000000'), smsr.decode(octets, 'tp_ud') FROM smsr.message", qr/\{/, 'packets are decoded');
says('SELECT * FROM smsr.message; SELECT * FROM smsr.operation; SELECT * FROM smsr.keyset; SELECT * FROM smsr.storage_key', qr/\\x/, 'tables');
says("SELECT smsr.timeline(eid), smsr.get_eis(eid), smsr.eis_at(eid, now()), smsr.euicc_at(eid, now()), smsr.profiles_at(eid, now()) FROM smsr.euicc", qr/<Eid>/, 'what is shown of eUICCs');
says("SELECT smsr.audited_eis(id), smsr.operation_response(id) FROM smsr.operation WHERE function = 'audit_eis'", qr/./, 'results of audits');
core_is_clean($s, 'after packets');
# a message for a card that is away, through the functions of the gateway
$stack->end('gateway');
$s->ask('SELECT count(smsr.audit_eis(eid)) FROM smsr.euicc');
says("SELECT * FROM smsr.claim_sms('leak', 2, '1 s')", qr/\\x/, 'messages are claimed');
says("SELECT count(smsr.sms_refused(sms_id, 'busy', true)::text) FROM smsr.claim_sms('leak', 1, '1 s')", qr/^1$/, 'and refused');
says("SELECT array_length(array_agg(sms_id), 1), smsr.release_sms(array_agg(sms_id)) FROM smsr.claim_sms('leak', 1, '1 s')", qr/^1\|/, 'and given back');
says("SELECT smsr.receive_sms(address, octets) FROM smsr.message WHERE direction = 'in' LIMIT 3", qr/./, 'messages that came before come again');
says("SELECT smsr.receive_sms(ARRAY['490000', NULL], ARRAY['\\x027100000b0a0000010000000000010000'::bytea, '\\x00'])", qr/./, 'and messages of strangers');
says("SELECT smsr.sms_cpi(octets), smsr.receive_sms(address, octets::text) FROM smsr.message WHERE direction = 'in' LIMIT 1", qr/^11/, 'and once more, as text');
says('SELECT smsr.receive_held(10) IS NOT NULL', qr/^[tf]$/, 'messages that were held are looked for');
says("SELECT smsr.tick() IS NOT NULL", qr/^[tf]$/, 'the clock ticks');

# ---- key sets of EUMs ----

my @document = documents($CARDS + 1, 4, 1);
sub xml { my ($document) = @_; return "\$eis\$$document\$eis\$"; }
# octets of the first wrapped value, changed
sub altered { my ($document) = @_; $document =~ s/(<KeyComponent type="88" value=")(..)/$1 . sprintf '%02X', hex($2) ^ 1/e or die; return $document; }
(my $wrong_kcv = $document[0]) =~ s/kcv="..../kcv="0000/ or die;
(my $cut_short = $document[0]) =~ s/(value="[0-9A-F]{20})[0-9A-F]+/$1/g;
(my $no_hex = $document[0]) =~ s/(<KeyComponent type="88" value=")../$1zz/;
(my $bad_type = $document[0]) =~ s/<KeyComponent type="88"/<KeyComponent type="85"/;
(my $not_closed = $document[0]) =~ s{</Key>}{};
for (
	[ altered($document[0]), qr/does not unwrap/, 'an altered wrap' ],
	[ $wrong_kcv, qr/check value is wrong/, 'a wrong check value' ],
	[ $cut_short, qr/does not unwrap/, 'a value that is cut short' ],
	[ $no_hex, qr/must be octets in hexadecimal/, 'a value that is no octets' ],
	[ $bad_type, qr/key type does not fit/, 'another key type' ])
{
	my ($document, $pattern, $what) = @$_;
	says("SELECT smsr.register_eis(@{[xml($document)]})", $pattern, "$what is refused");
	says("SELECT (smsr.read_eis(@{[xml($document)]})).reject", qr/./, "$what, read");
}
says("SELECT smsr.register_eis(@{[xml($not_closed)]})", qr/ERROR/, 'XML that is none');
says("SELECT length(smsr.blank_eis(@{[xml($document[0])]})), smsr.blank_eis(@{[xml($not_closed)]})", qr/\d/, 'documents without their values');
says("SELECT smsr.register_eis(@{[xml($document[0])]})", qr/^8904/m, 'a good one is registered');
says("INSERT INTO smsr.eis_inbox (document) VALUES (@{[xml($document[1])]}), (@{[xml(altered($document[2]))]}), (@{[xml($not_closed)]}); SELECT smsr.register_inbox(); SELECT * FROM smsr.eis_reject", qr/does not unwrap/, 'and others through the inbox');
says("BEGIN; SELECT smsr.register_eis(@{[xml($document[3])]}); ROLLBACK", qr/ROLLBACK/, 'and one is taken back');
says("SELECT smsr.register_many(ARRAY[@{[xml($document[2])]}, @{[xml(altered($document[3]))]}]::xml[])", qr/does not unwrap/, 'many at once, one of them altered');
says("BEGIN; SELECT smsr.register_many(ARRAY[@{[xml($document[2])]}, @{[xml($document[3])]}]::xml[]); ROLLBACK", qr/^8904.*\n8904/m, 'and taken back');
says('SELECT * FROM smsr.verify_eis(ARRAY(SELECT eid FROM smsr.euicc)); SELECT (smsr.read_signed(e)).reject FROM smsr.euicc_signed e', qr/8904/, 'signatures are verified again');

core_is_clean($s, 'after EIS');

# ---- transport keys and master keys, and what is derived ----

my %file;
for (qw(aes-kwp master one two))
{
	$key{$_} = $_ eq 'aes-kwp' ? random_key(32) : random_key(16);
	$stack->write_file("key.$_", $_ eq 'two' ? unpack('H*', $key{$_}) : $key{$_});
	$file{$_} = "'$dir/key.$_'";
}
$stack->write_file('key.short', substr $key{'aes-kwp'}, 0, 15);
$stack->write_file('key.world', $key{'aes-kwp'});
chmod 0644, "$dir/key.world";
my $wrapped = kwp_wrap($key{kek}, $key{'aes-kwp'});
my $kcv = check_value($key{'aes-kwp'});
says("SELECT smsr.import_transport_key_file('$EUM', 'aes-kwp', $file{'aes-kwp'})", qr/^2$/, 'a transport key from a file');
says("SELECT smsr.import_transport_key_file('$EUM', 'none', $file{'aes-kwp'})", qr/ERROR/, 'of mode none');
says("SELECT smsr.import_transport_key_file('$EUM', 'aes-kw', '$dir/key.$_')", qr/ERROR/, "from a file that is wrong: $_") for qw(short world none);
says("SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.5', 'aes-kwp', @{[bytea($wrapped)]}, @{[bytea($kcv)]})", qr/^1$/, 'and wrapped under the KEK');
says("SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.5', 'aes-kwp', @{[bytea($wrapped)]}, '\\x000000')", qr/ERROR.*check value/, 'with a wrong check value');
core_is_clean($s, 'after a transport key that was refused');
says("SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.5', 'aes-kwp', @{[bytea($wrapped ^ qq(\x01))]}, @{[bytea($kcv)]})", qr/ERROR.*does not open/, 'altered');
says("SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.5', 'rot13', @{[bytea($wrapped)]}, @{[bytea($kcv)]})", qr/ERROR/, 'of a mode that is none');

says("SELECT smsr.expire_transport_key('1.3.6.1.4.1.99999.5', 1::smallint, now()) IS NOT NULL", qr/^[tf]$/, 'a transport key is ended');

my $whole = $key{one} ^ $key{two};
$key{components} = $whole;
$s->ask('SELECT smsr.install_roles()');
$s->ask("CREATE ROLE custodian_$_ LOGIN IN ROLE smsr_key_officer") for qw(one two);
$s->ask("ALTER SYSTEM SET smsr.key_directory = '$dir'");
$stack->sql('SELECT pg_reload_conf()');
$s->ask('SELECT pg_sleep(0.2)');
for ([ check_value($whole), qr/^\\x[0-9a-f]{6}$/m, 'a ceremony' ], [ "\0\0\0", qr/./, 'a ceremony with another key in mind' ])
{
	my ($expected, $pattern, $what) = @$_;
	my $ceremony = $s->ask("SELECT smsr.begin_key_ceremony('$EUM', 'aes-kw', 2, @{[bytea($expected)]})");
	$s->ask('SET SESSION AUTHORIZATION custodian_one');
	says("SELECT smsr.enter_key_component($ceremony, $file{one})", qr/^\\x[0-9a-f]{6}$/, "$what: the first component");
	says("SELECT smsr.enter_key_component($ceremony, $file{two})", qr/ERROR/, "$what: not two by one person");
	$s->ask('SET SESSION AUTHORIZATION custodian_two');
	says("SELECT smsr.enter_key_component($ceremony, $file{one})", qr/ERROR/, "$what: not the same twice");
	says("SELECT smsr.enter_key_component($ceremony, wrapped => @{[bytea(kwp_wrap($key{kek}, $key{two}))]})", $pattern, "$what: the last component");
	$s->ask('RESET SESSION AUTHORIZATION');
}
says("SELECT smsr.abort_key_ceremony(smsr.begin_master_key_ceremony('aborted', 'kdf3', 2, '\\x000000')) IS NOT NULL", qr/^t$/, 'a ceremony is ended without a key');
$key{'master-wrapped'} = random_key(16);
says("SELECT smsr.import_master_key('wrapped', 'eid-cmac', @{[bytea(kwp_wrap($key{kek}, $key{'master-wrapped'}))]}, @{[bytea(check_value($key{'master-wrapped'}))]})", qr/^\\x/, 'a master key, wrapped');
says("SELECT smsr.import_master_key_file('batch', 'kdf3', $file{master})", qr/^\\x/, 'and from a file');
my $kdd = '00010203040506070809';
for my $n (1 .. 3) { $key{"derived-$n"} = cmac($key{master}, pack 'C H* C x H*', 1, '000000', $n, $kdd); }
my $derived_kcv = join '', map { unpack 'H*', check_value($key{"derived-$_"}) } 1 .. 3;
# wrapped under the transport key of the EUM
my @sent = map { $key{"sent-$_"} = random_key(16) } 1 .. 3;
my $sent = join ' ', map { unpack 'H*', openssl($_, 'enc', '-id-aes128-wrap', '-K', unpack('H*', $whole), '-iv', 'A6A6A6A6A6A6A6A6') } @sent;
(my $bad_sent = $sent) =~ s/^./x/;
(my $other_sent = $sent) =~ s/^(.)/$1 eq '0' ? '1' : '0'/e;
my $eid = $stack->sql('SELECT min(eid) FROM smsr.euicc');
says(<<"SQL", qr/^2\|5$/m, 'key sets from a file');
COPY smsr.key_inbox (eid, kvn, type, master, kdd, keys, check_values) FROM stdin CSV;
$eid,3,SCP80,batch,$kdd,,$derived_kcv
$eid,4,SCP80,,,$sent,
$eid,5,,batch,$kdd,,000000
$eid,6,SCP80,batch,${kdd}00,,
$eid,7,SCP80,,,$bad_sent,
$eid,8,SCP80,,,$other_sent,
$eid,9,SCP80,,,$sent,000000
\\.
SELECT * FROM smsr.import_keys(); SELECT * FROM smsr.key_reject
SQL
says("SELECT (smsr.derive_keyset('$eid', 'A0000005591010FFFFFFFF8900000100', 1::smallint, 'SCP80', m.name, m.scheme, m.sealed, CASE m.scheme WHEN 'kdf3' THEN '$kdd' END, NULL, NULL)).* FROM smsr.master_key m", qr/\\x/, 'derived again');
says("SELECT (smsr.unwrap_keyset('$eid', 'A0000005591010FFFFFFFF8900000100', 1::smallint, 'SCP80', '$EUM', k, NULL, c)).* FROM (VALUES ('$sent', NULL), ('$other_sent', NULL), ('$sent', '000000')) AS v (k, c)", qr/does not unwrap/, 'unwrapped again');
says("SELECT smsr.destroy_master_key('batch')", qr/^t$/, 'a master key is destroyed');
says('SELECT * FROM smsr.check_key_values(); SELECT * FROM smsr.key_evidence(); SELECT * FROM smsr.sealed_columns()', qr/storage key/, 'evidence');
says("SELECT smsr.seal_key('transport', 'x', 'aes-kw', 1::smallint, @{[bytea($wrapped)]}, NULL)", qr/^\(/, 'the function below');

core_is_clean($s, 'after transport and master keys');

# ---- storage keys and the KEK ----

says('SELECT smsr.take_checkpoint()', qr/^\d+$/, 'a checkpoint is sealed');
says('SELECT smsr.create_storage_key()', qr/^2$/, 'a new storage key');
know_storage_keys();
says("SELECT smsr.reseal_keyset(k.eid, k.sd_aid, 9::smallint, k.key_type, k.sealed), smsr.reseal_keyset($place) $from", qr/^\|\\x/m, 'key sets are sealed again');
says('SELECT smsr.reseal_keys()', qr/^0$/, 'all of them');
says('SELECT smsr.rewrap_storage_keys(); SELECT * FROM smsr.keystore_status()', qr/^2$/m, 'and wrapped again');
says("SELECT smsr.export_checkpoint(id), smsr.checkpoint_seal_fault(hash, seal), smsr.checkpoint_seal_fault(hash, set_byte(seal, 30, 0)) FROM smsr.audit_checkpoint; SELECT * FROM smsr.audit_verify()", qr/./, 'the checkpoint is verified');
says('SELECT smsr.maintain(1) IS NOT NULL', qr/^[tf]$/, 'the housekeeping is done');
says("SELECT smsr.destroy_storage_key(2)", qr/ERROR/, 'one in use is not destroyed');
rename "$dir/kek", "$dir/kek.away";
my $without = session();
like($without->ask("SELECT $seal $from"), qr/ERROR.*could not open key encryption key file/, 'without the KEK nothing goes');
like($without->ask('SELECT * FROM smsr.keystore_status()'), qr/could not open/, 'and the status says so');
$stack->write_file('kek', random_key(32));
like($without->ask("SELECT $seal $from"), qr/ERROR.*does not open storage key/, 'nor with another');
rename "$dir/kek.away", "$dir/kek";
like($without->ask("SELECT $seal $from"), qr/^\\x/, 'and all goes when it is back');
$without->close;

core_is_clean($s, 'after a rotation');
$s->ask('DISCARD ALL');
core_is_clean($s, 'after DISCARD ALL');
SKIP:
{
	skip 'no debugger', 1 if $> == 0 || system("timeout 30 gcore -o $dir/core @{[$s->pid]} >/dev/null 2>&1") != 0;
	nothing_in('a core file that a debugger makes', "$dir/core." . $s->pid);
}
# what pg_stat_activity shows of sessions, and files of a cursor that is kept
$s->ask('SET work_mem = 64; BEGIN');
$s->ask("DECLARE kept CURSOR WITH HOLD FOR SELECT k.*, m.*, '$mark_hex' FROM smsr.keyset k, smsr.message m, generate_series(1, 20)");
$s->ask('COMMIT');
isnt(join('', glob("$data/base/pgsql_tmp/*")), '', 'there are temporary files');
nothing_in('temporary files', "$data/base/pgsql_tmp");
$s->ask("SELECT '$mark_hex'");
nothing_in('pg_stat_activity', write_query('activity', 'SELECT * FROM pg_stat_activity'));

# ---- a change of SM-SR: keys that cards agree on ----

# A second server, which takes the cards.
my @id = ('1.3.6.1.4.1.99999.9', '1.3.6.1.4.1.99999.19');
my $taker = PostgreSQL::Test::Cluster->new('leak2');
$stack->write_file('kek2', $key{kek2} = random_key(32));
$taker->init;
$taker->append_conf('postgresql.conf', $conf . <<"CONF");
smsr.smsr_id = '$id[1]'
smsr.kek_file = '$dir/kek2'
smsr.sms_address = '+491700000001'
smsr.retry_initial = '1s'
CONF
$taker->start;
$node->append_conf('postgresql.conf', "smsr.sms_address = '+491700000000'\n");
$node->reload;
my @carrier = map { LeakHunt->session($_, $record) } $node, $taker;
system("$root/build/smsr-fleet", 'ci', '--output', "$dir/ci.pem") == 0 or die;
$carrier[1]->ask($_) for 'CREATE EXTENSION smsr', 'SELECT smsr.create_storage_key()', "SELECT smsr.trust_ci(pg_read_binary_file('$dir/ci.pem'))",
	"INSERT INTO smsr.party (oid, kind, name) VALUES ('1.3.6.1.4.1.99999.3', 'MNO', 'North'), ('1.3.6.1.4.1.99999.4', 'MNO', 'South')",
	'CREATE ROLE test_gateway LOGIN', "SELECT smsr.grant_gateway('test_gateway')", "SET smsr.reason = '$mark_hex'";
for my $n (0, 1)
{
	system("$root/build/smsr-fleet", 'sm-sr', "SR$n", "$dir/sr$n.cert", "$dir/sr$n.key") == 0 or die;
	chmod 0600, "$dir/sr$n.key";
	my ($certificate) = slurp_octets("$dir/sr$n.cert") =~ /([0-9a-f]+)/;
	my $private = slurp_octets("$dir/sr$n.key");
	$key{"own-$n"} = $private =~ /^([0-9a-fA-F]{64})\s*$/ ? pack('H*', $1) : $private;
	like($carrier[$n]->ask("SELECT smsr.import_own_certificate('\\x$certificate', '$dir/sr$n.key')"), qr/./s, "SM-SR $n has a certificate");
	like($carrier[$n]->ask("SELECT smsr.import_own_certificate('\\x$certificate', '$dir/key.aes-kwp')"), qr/ERROR/, 'and takes no other key for it');
	$carrier[$n]->ask("INSERT INTO smsr.party (oid, kind, name) VALUES ('$id[1 - $n]', 'SM-SR', 'the other one')");
	$carrier[$n]->ask("CREATE ROLE north LOGIN; DELETE FROM smsr.party_role WHERE party_id = '1.3.6.1.4.1.99999.3'; SELECT smsr.bind_role('1.3.6.1.4.1.99999.3', 'north');
		GRANT USAGE ON SCHEMA smsr TO north; CREATE ROLE carrier LOGIN; SELECT smsr.grant_carrier('carrier');
		GRANT EXECUTE ON FUNCTION smsr.prepare_smsr_change(smsr.eid[], text, interval, text[]), smsr.smsr_change(smsr.eid[], text, interval, text[]) TO north");
}
is(length $key{"own-$_"}, 32, "whose private key is known") for 0, 1;
$stack->start_gateway;
(my $gateway = slurp_octets("$dir/gateway.conf")) =~ s/port=@{[$node->port]}/port=@{[$taker->port]}/;
$gateway =~ s/@{[$node->host]}/@{[$taker->host]}/;
$gateway =~ s/491700000000/491700000001/;
$stack->write_file('gateway2.conf', $gateway);
$stack->spawn('gateway2', "$root/build/smsr-gateway", '--config', "$dir/gateway2.conf");

ok($stack->wait_until_done(20), 'nothing is under way');
# ---- a rotation: keys that this SM-SR makes ----

sub know_keysets
{
	my ($what, $of) = @_;
	for (split /\n/, $stack->sql("SELECT eid, kvn, encode(sealed, 'hex') FROM smsr.keyset WHERE $of"))
	{
		my ($eid, $kvn, $sealed) = split /\|/;
		$sealed = pack 'H*', $sealed;
		my @octets = unpack 'C/a C/a C/a', unseal($key{'storage-key-' . unpack 'x N', $sealed}, $sealed);
		$key{"$what-$eid-$kvn-$_"} = $octets[$_] for 0 .. $#octets;
	}
	return scalar grep { /^\Q$what\E-/ } keys %key;
}
like($carrier[0]->ask("SELECT count(smsr.rotate_keys(eid)) FROM smsr.euicc e WHERE eid IN (SELECT eid FROM smsr.keyset WHERE counter > 1) AND eid <> '$eid'"), qr/^[23]$/, 'key sets are rotated');
is(know_keysets('made', "state = 'pending' AND origin = 'rotation'") % 3, 0, 'the new keys are known');
ok($stack->wait_until_done(20), 'and cards have them');
cmp_ok(know_keysets('made', "state = 'active' AND origin = 'rotation'"), '>=', 6, 'and prove it');
my $pair = "FROM smsr.keyset n JOIN smsr.keyset o USING (eid, sd_aid) WHERE n.origin = 'rotation' AND o.state = 'retiring'";
my $old = 'eid, sd_aid, o.kvn, o.key_type, o.sealed';
my $bad = 'set_byte(n.sealed, 40, get_byte(n.sealed, 40) # 1)';
like($carrier[0]->ask("SELECT smsr.put_key_script(eid, sd_aid, n.kvn, n.key_type, n.sealed, false), smsr.put_key_seals($old, n.kvn, n.key_type, n.sealed),
	smsr.seal_put_key($old, '\\x1639', '\\x000001', 7, n.kvn, n.key_type, n.sealed, false), smsr.put_key_answer(eid, sd_aid, n.kvn, n.key_type, n.sealed, '\\x03000102'),
	smsr.new_keyset($old, 9::smallint), smsr.read_key_versions('\\xE003C00103') $pair"), qr/\|t\|\\x/, 'PUT KEY by hand');
like($carrier[0]->ask("SELECT smsr.seal_put_key($old, '\\x1639', '\\x000001', 7, n.kvn, n.key_type, $bad, false) $pair"), qr/ERROR.*can not be brought/, 'and with an altered key set');
like($carrier[0]->ask("SELECT smsr.put_key_seals($old, n.kvn, n.key_type, $bad), smsr.put_key_script(eid, sd_aid, n.kvn, n.key_type, $bad, true) $pair"), qr/^f\|$/m, 'without an error');
$carrier[0]->ask("SELECT smsr.mark_keyset('$eid', 3, 'revoked', 'test'), smsr.mark_keyset('$eid', 99, 'revoked', 'test')");
$carrier[0]->ask("SELECT smsr.mark_keyset('$eid', 3, 'revoked', 'test')");
$carrier[0]->ask("BEGIN; SELECT smsr.rotate_keys('$eid'); SELECT smsr.give_up_keyset(eid, kvn, 'revoke_keys', NULL, 'test') FROM smsr.keyset WHERE state = 'pending'; ROLLBACK");
$carrier[0]->ask("SELECT * FROM smsr.compromise_keys(ARRAY['$eid'::smsr.eid], 'test')");
$carrier[0]->ask('SELECT k.*, smsr.keyset_life(k.state, \'revoke\'), smsr.keyset_use(k.state, \'send\') FROM smsr.keyset k; SELECT * FROM smsr.message; SELECT smsr.decode(script), smsr.describe(script) FROM smsr.message; SELECT * FROM smsr.audit_trail');
core_is_clean($carrier[0], 'after a rotation of card keys');

# ---- and the change ----

my %storage_key2 = map { my ($id, $wrapped) = split /\|/; $id => kwp_unwrap($key{kek2}, pack 'H*', $wrapped) }
	split /\n/, $taker->safe_psql('postgres', "SELECT id, encode(wrapped, 'hex') FROM smsr.storage_key");
$key{"taker-storage-key-$_"} = $storage_key2{$_} for keys %storage_key2;
my $moving = "'{" . join(',', split /\n/, $stack->sql("SELECT eid FROM smsr.euicc JOIN smsr.keyset USING (eid) WHERE counter > 1 AND eid <> '$eid' ORDER BY 1 LIMIT 2")) . "}'::smsr.eid[]";
like($carrier[0]->ask("SELECT ready, obstacles FROM smsr.plan_handover('SELECT eid FROM smsr.euicc', '$id[1]'); SELECT ready, obstacles FROM smsr.plan_handover($moving, '$id[1]')"), qr/^t\|/m, 'a change of SM-SR is planned');
$carrier[1]->ask("SET ROLE north; SELECT * FROM smsr.prepare_smsr_change($moving, '$id[0]', '1 hour'); RESET ROLE");
$carrier[0]->ask("SET ROLE north; SELECT * FROM smsr.smsr_change($moving, '$id[1]', '60 s'); RESET ROLE");
my %ephemeral;
my $limit = time + 40;
my $moved = 0;
while (time < $limit && $moved < 2)
{
	for my $n (0, 1)
	{
		my @message = grep { /^\{/ } split /\n/, $carrier[$n]->ask("SET ROLE carrier; SELECT message FROM smsr.claim_peer_messages('leak', 100, '5 s'); RESET ROLE");
		$carrier[1 - $n]->ask("SET ROLE carrier; SELECT smsr.receive_peer_message('$id[$n]', \$j\$$_\$j\$); RESET ROLE") for @message;
		next if $n != 0;
		for (split /\n/, $taker->safe_psql('postgres', "SELECT eid, encode(sealed, 'hex') FROM smsr.handover WHERE sealed IS NOT NULL"))
		{
			my ($eid, $sealed) = split /\|/;
			$carrier[1]->ask("SELECT length(smsr.reseal_ephemeral_key(eid, kvn, sealed)), smsr.reseal_ephemeral_key(eid, 9, sealed) FROM smsr.handover WHERE sealed IS NOT NULL");
			$ephemeral{$eid} //= $key{"ephemeral-$eid"} = unseal($storage_key2{1}, pack 'H*', $sealed);
		}
	}
	$moved = $taker->safe_psql('postgres', 'SELECT count(*) FROM smsr.euicc');
	sleep 0.05;
}
note($carrier[0]->ask('SELECT * FROM smsr.handover; SELECT * FROM smsr.handover_past; SELECT eid, function, stage, status, message FROM smsr.operation ORDER BY id DESC LIMIT 6')) if $moved < 2;
is($moved, 2, 'cards have agreed on keys with another SM-SR');
is(scalar keys %ephemeral, 2, 'by private keys that are known');
for (split /\n/, $taker->safe_psql('postgres', "SELECT eid, encode(sealed, 'hex') FROM smsr.keyset"))
{
	my ($eid, $sealed) = split /\|/;
	my @agreed = unpack 'C/a C/a C/a', unseal($storage_key2{1}, pack 'H*', $sealed);
	$key{"agreed-$eid-$_"} = $agreed[$_] for 0 .. 2;
}
is(join(' ', map { length $key{$_} } grep { /^agreed-/ } keys %key), join(' ', (16) x 6), 'and so are the keys');
$carrier[1]->ask('SELECT smsr.create_storage_key(); SELECT smsr.reseal_keys(); SELECT * FROM smsr.key_evidence(); SELECT smsr.get_eis(eid) FROM smsr.euicc; SELECT * FROM smsr.handover_past');
like($carrier[1]->ask('SELECT count(smsr.finalise_handover(eid)) FROM smsr.euicc'), qr/^2$/m, 'the cards are told again to delete the keys from before');
# a key for TLS, which a card and this SM-SR agree on
for (1 .. 200) { last if $taker->safe_psql('postgres', 'SELECT count(*) FROM smsr.operation WHERE status IS NULL') == 0; sleep 0.1; }
my $agrees = "(SELECT eid FROM smsr.euicc ORDER BY eid LIMIT 1)";
like($carrier[1]->ask("SELECT smsr.next_psk_kvn(eid, isdr_aid, NULL), smsr.establish_psk(eid), smsr.establish_psk(eid, 99) FROM smsr.euicc WHERE eid = $agrees"), qr/ERROR/, 'a key for TLS under a version that none has');
like($carrier[1]->ask("SELECT smsr.next_psk_kvn(eid, isdr_aid, NULL), smsr.establish_psk(eid) FROM smsr.euicc WHERE eid = $agrees"), qr/^64\|/m, 'and under one that it may have');
for (1 .. 200) { last if $taker->safe_psql('postgres', 'SELECT count(*) FROM smsr.operation WHERE status IS NULL') == 0; sleep 0.1; }
my ($active, $psk) = split /\|/, $taker->safe_psql('postgres', "SELECT (SELECT encode(wrapped, 'hex') FROM smsr.storage_key WHERE state = 'active'), encode(sealed, 'hex') FROM smsr.keyset WHERE type = 'SCP81'");
$key{psk} = unpack 'C/a', unseal(kwp_unwrap($key{kek2}, pack 'H*', $active), pack 'H*', $psk);
is(length $key{psk}, 16, 'is agreed on, and known');
like($carrier[1]->ask("SELECT p.*, p.identity = smsr.psk_identity(eid, sd_aid, kvn, 1) FROM smsr.psk p JOIN smsr.keyset k USING (eid, kvn)"), qr/\|t$/m, 'its identity is shown');
# a session under it: the key is asked for by whoever has TLS, and shows nowhere but there
my $identity = $taker->safe_psql('postgres', 'SELECT identity FROM smsr.psk LIMIT 1');
is($carrier[1]->ask("SELECT encode(sha256(smsr.https_psk('$identity')), 'hex'), length(smsr.https_psk('nobody')), (smsr.read_psk_identity('$identity')).kvn"),
	sha256_hex($key{psk}) . '|16|64', 'a gateway gets the key of an identity, and one that nobody has for another');
$carrier[1]->ask("SELECT 1 / (length(smsr.https_psk('$identity')) - 16)");
core_is_clean($carrier[1], 'after a key for TLS');
$carrier[1]->ask("UPDATE smsr.euicc SET http_support = true WHERE eid = $agrees; SELECT smsr.packet_tar(NULL, NULL, 'A0000005591010FFFFFFFF8900000100')");
$carrier[1]->ask("SELECT smsr.update_connectivity_parameters(eid, iccid, '\\x86820384'::bytea || decode(repeat('5A', 900), 'hex')), smsr.session_trigger(host => 'smsr.example'), smsr.choose_bearer(true, true, true)
	FROM smsr.profile WHERE eid = $agrees AND state = 'Enabled'");
$carrier[1]->ask("SELECT count(*) FROM smsr.claim_sms('leak', 10); SELECT smsr.trigger_answered(id, 0) FROM smsr.outbound WHERE trigger IS NOT NULL");
my $headers = "'{\"x-admin-protocol\": \"globalplatform-remote-admin/1.0\"}'";
like($carrier[1]->ask("SELECT * FROM smsr.https_request('$identity', 'POST', '/gsma/adminagent', $headers, NULL, 'leak', '1')"), qr/^200\|/m, 'a session');
like($carrier[1]->ask("SELECT * FROM smsr.https_next('$identity', 'leak', '1'); SELECT smsr.https_closed('$identity', 'leak', '1', 'broken'); SELECT * FROM smsr.https_session"), qr/^200\|.*closed/ms, 'that breaks');
$carrier[1]->ask("SELECT * FROM smsr.https_request('$identity', 'POST', '/gsma/adminagent', $headers, NULL, 'leak', '2'); SELECT * FROM smsr.message WHERE address = 'https'");
core_is_clean($carrier[1], 'after a session');
# packed for another shard
my $package = $carrier[0]->ask("BEGIN; SELECT package FROM smsr.move_out('leak', '{$eid}', 1)");
like($package, qr/^\{.*keyset/m, 'an eUICC is packed, its keys sealed');
my ($packed) = grep { /^\{/ } split /\n/, $package;
like($carrier[0]->ask("SELECT * FROM smsr.move_gone('leak', '{$eid}', ARRAY[smsr.move_digest(\$j\$$packed\$j\$)]); ROLLBACK"), qr/^\Q$eid\E\|./m, 'and gives a receipt');
like($carrier[1]->ask("BEGIN; SELECT * FROM smsr.move_in('leak', ARRAY[\$j\$$packed\$j\$::jsonb])"), qr/^\Q$eid\E\||ERROR/m, 'which a shard with other storage keys');
like($carrier[1]->ask("ROLLBACK; SELECT * FROM smsr.move_open('leak', '{$eid}', '{x}')"), qr/^\Q$eid\E\|./m, 'does not open');
$carrier[0]->ask("BEGIN; SELECT smsr.receive_one(m.address, m.octets) FROM smsr.message m WHERE m.outcome = 'notification' LIMIT 1; SELECT * FROM smsr.claim_astray(); SELECT smsr.sms_needed(o.script, o.packet, o.accepted, o.segments) FROM smsr.outbound o; SELECT smsr.sms_needed('\\x00', NULL, 0, 0);
	SELECT smsr.receive_astray(array_agg(1), array_agg(m.address), array_agg(m.octets)) FROM smsr.message m WHERE m.outcome = 'notification'; ROLLBACK");
# the same as calls of a party
$carrier[0]->ask("CREATE ROLE peer LOGIN; SELECT smsr.bind_role('$id[1]', 'peer'); GRANT USAGE ON SCHEMA smsr TO peer;
	GRANT EXECUTE ON FUNCTION smsr.handover_euicc(smsr.eid, xml, interval, bigint), smsr.create_additional_key_set(smsr.eid, int, bigint, text, int, bytea, bytea, bytea, bigint) TO peer; SET ROLE peer");
$carrier[0]->ask("SELECT smsr.handover_euicc('$eid', @{[xml($document[2])]}, '1 hour', 1)");
$carrier[0]->ask("SELECT smsr.create_additional_key_set('$eid', 5, 0, 'ECC-256', 0, '\\x00', '\\x04', '\\x00', 2); RESET ROLE");
core_is_clean($carrier[$_], "after a change of SM-SR, of server $_") for 0, 1;
for my $n (0, 1)
{
	my $server = ($node, $taker)[$n];
	my @pids = split /\n/, $server->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE usename = 'test_gateway'");
	$server->append_conf('postgresql.conf', "smsr.core_files = on\n");
	$server->reload;
	# a session that only listens hears of it with its next command
	my @readable;
	for (1 .. 60) { @readable = grep { open my $memory, '<', "/proc/$_/mem" } @pids; last if @readable == @pids; sleep 0.05; }
	isnt("@readable", '', "the gateway of server $n has sessions");
	is(hunt(pieces(\%key), map { "core:$_" } @readable), '', 'and no piece of a key is in a core image of theirs');
	$server->append_conf('postgresql.conf', "smsr.core_files = off\n");
	$server->reload;
}
$_->close for @carrier;
$stack->end($_) for qw(gateway gateway2);
$taker->safe_psql('postgres', 'CHECKPOINT');
nothing_in('the log of the second server', $taker->logfile);
nothing_in('the data directory of the second server', $taker->data_dir);

# ---- every function that has to do with keys was called ----

my %not_called = (
	'scp80_command' => 'takes keys in clear; granted to nobody',
	'scp80_response' => 'the same',
	'scp80_open_command' => 'the same',
	'scp80_open_response' => 'the same',
);
$_->close for $s, $listener;
my $uncalled = <<'SQL';
SELECT string_agg(p.oid::regprocedure::text, E'\n' ORDER BY p.proname)
FROM pg_proc p LEFT JOIN pg_stat_user_functions f ON f.funcid = p.oid
WHERE p.pronamespace = 'smsr'::regnamespace AND f.calls IS NULL
	AND concat_ws(' ', p.proname, p.proargnames::text) ~* 'key|seal|kek|packet|scp80|wrap|secret|component|ceremon|document|claim|tp_ud|receive|transport|master|psk|establish|receipt|handover'
SQL
my %uncalled;
$uncalled{$_}++ for map { split /\n/, $_->safe_psql('postgres', $uncalled) } $node, $taker;
$taker->stop('fast');
is(join("\n", grep { $uncalled{$_} == 2 && (!/^smsr\.(\w+)/ || !$not_called{$1}) } sort keys %uncalled), '', 'no function that has to do with keys was left out');

# ---- the search ----

$stack->sql('CHECKPOINT');
note(sprintf '%d keys, a log of %d MB', scalar keys %key, (-s $node->logfile) >> 20);
nothing_in('the log', $node->logfile);
my $log = slurp_octets($node->logfile);
like($log, qr/DEBUG/, 'the log has debug messages');
like($log, qr/\Q$_\E/, "and $_") for 'rewritten parse tree', 'statement: PREPARE p', 'LOCATION:', $has{auto_explain} ? 'Query Text:' : ();
undef $log;
nothing_in('what functions said', "$dir/answers");
like(slurp_octets("$dir/answers"), qr/Asynchronous notification "smsr_sms" with payload "$mark_hex"/, 'notifications among it');
SKIP:
{
	skip 'no pg_stat_statements', 2 unless $has{pg_stat_statements};
	$stack->sql('CREATE EXTENSION pg_stat_statements');
	nothing_in('pg_stat_statements', write_query('statements', 'SELECT * FROM pg_stat_statements'));
}
command_ok([ 'pg_dump', '-f', "$dir/dump", '-d', $node->connstr('postgres') ], 'pg_dump');
nothing_in('a dump', "$dir/dump");
nothing_in('the data directory', $data);
nothing_in('the write-ahead log', "$data/pg_wal");

# ---- what comes in clear ----

# Key values of an EUM of mode none are in SQL text or in the inbox.  This is how
# far they get; doc/keys.md says so.
my %shown = (parameters => [ \my %literal, 100 ], inbox => [ \my %inbox, 101 ], wrapped => [ \my %never, 102 ]);
know_cards(@$_, 1) for values %shown;
my $clear = session();
$clear->ask("SELECT smsr.import_transport_key('$EUM', 'none')");
like($clear->ask("SELECT smsr.register_eis(@{[xml((documents(100, 1))[0])]})"), qr/^8904/m, 'an EIS in clear, as a literal');
$stack->write_file('clear', join '', map { "$_\n" } (documents(101, 1))[0]);
like($clear->ask("COPY smsr.eis_inbox (document) FROM '$dir/clear'; SELECT smsr.register_inbox()"), qr/^\(1,0\)$/m, 'and one by COPY');
like($clear->ask("SELECT smsr.register_eis(@{[xml((documents(102, 1, 1))[0])]})"), qr/^8904/m, 'and one that is wrapped');
$clear->ask('SELECT smsr.get_eis(eid) FROM smsr.euicc');
$stack->sql('CHECKPOINT');
$stack->sql('SELECT pg_stat_clear_snapshot()');
command_ok([ 'pg_dump', '-f', "$dir/dump", '-d', $node->connstr('postgres') ], 'pg_dump');
write_query('activity', 'SELECT * FROM pg_stat_activity');
write_query('statements', 'SELECT * FROM pg_stat_statements') if $has{pg_stat_statements};
for (
	[ 'log', $node->logfile ],
	[ 'answers', "$dir/answers" ],
	[ 'activity', "$dir/activity" ],
	$has{pg_stat_statements} ? [ 'statistics', "$dir/statements" ] : (),
	[ 'dump', "$dir/dump" ],
	[ 'tables', "$data/base" ],
	[ 'write-ahead log', "$data/pg_wal" ])
{
	my ($where, $place) = @$_;
	my %expected = (log => 'literal', tables => 'inbox', 'write-ahead log' => 'inbox');
	is(join(' ', map { hunt($_->[1], $place) ne '' ? $_->[0] : () } [ literal => \%literal ], [ inbox => \%inbox ], [ wrapped => \%never ]),
		$expected{$where} // '', "keys in clear in: $where");
}
# the inbox is empty: a rewrite leaves nothing but the write-ahead log
$stack->sql('VACUUM FULL smsr.eis_inbox');
$stack->sql('CHECKPOINT');
is(hunt(\%inbox, "$data/base"), '', 'VACUUM FULL takes them from the table');
core_is_clean($clear, 'of the keys that were not in clear');
$clear->close;

# ---- core files ----

SKIP:
{
	open my $pattern, '<', '/proc/sys/kernel/core_pattern' or skip 'no core files here', 6;
	chomp(my $name = <$pattern>);
	skip "core files go to $name", 6 if $name =~ m{[|/]};
	$stack->end('fleet');
	for my $allowed (0, 1)
	{
		my $crash = session();
		$crash->ask("SET smsr.core_files = on") if $allowed;
		$crash->ask("SET smsr.reason = '$mark_hex'; SELECT $seal $from");
		kill 'ABRT', $crash->pid;
		for (1 .. 200) { last if !kill 0, $crash->pid; sleep 0.05; }
		for (1 .. 200) { last if !-e "$data/postmaster.pid"; sleep 0.05; }
		my @core = glob("$data/core*");
		if ($allowed)
		{
			skip 'no core files here', 3 unless @core;
			is(scalar @core, 1, 'a backend that is allowed to leaves a core file');
			nothing_in('it', @core);
		}
		else
		{
			is("@core", '', 'a backend that has used keys leaves no core file when it crashes');
		}
		undef $crash;
		$node->{_pid} = undef;
		$node->start;
	}
}
$stack->stop;
done_testing();
