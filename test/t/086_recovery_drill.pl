# The recovery drill of doc/keys.md, step by step: a backup, a KEK in two envelopes,
# a machine that has neither, and what must be seen there.  With one envelope, or a
# wrong one, nothing opens.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use SmsrStack;
use Test::More;

my $CARDS = 5;
my $stack = SmsrStack->new('lost', cards => $CARDS, allows_streaming => 1);
my $node = $stack->node;

# ---- before: the envelopes, a backup, a checkpoint that is taken away ----

my $kek = slurp_file("$stack->{dir}/kek");
my $one = join '', map { chr int rand 256 } 1 .. 32;
my %envelope = (one => $one, two => $kek ^ $one);
my $name = $stack->sql('SELECT kek FROM smsr.keystore_status()');
like($name, qr/^aes:[0-9a-f]{6}$/, 'what is written on both envelopes');
$stack->sql("SELECT count(*) FROM smsr.request('audit_eis', ARRAY(SELECT eid FROM smsr.euicc))");
# it has sent: the counters matter
is($stack->sql("SELECT count(DISTINCT eid) FROM smsr.claim_sms('before', 100)"), $CARDS, 'packets are under way');
$stack->sql('SELECT smsr.take_checkpoint()');
my $anchor = $stack->sql('SELECT smsr.export_checkpoint(1)');
my $sets = $stack->sql('SELECT count(*) FROM smsr.keyset');
$node->backup('newest');
$node->stop('immediate');

# ---- 2. a new cluster, and the KEK put together ----

my $drill = PostgreSQL::Test::Cluster->new('drill');
$drill->init_from_backup($node, 'newest');
my $safe = File::Temp::tempdir('smsr-drill.XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $path = "$safe/kek";
$drill->append_conf('postgresql.conf', "smsr.kek_file = '$path'\nrestore_command = '/bin/false'\nfsync = on\n");
# what is restored to the end of its archive goes on as another timeline
append_to_file($drill->data_dir . '/recovery.signal', '');
$drill->start;
$drill->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'the recovery does not end';

sub put_together
{
	my (@parts) = @_;
	my $octets = "\0" x 32;
	$octets ^= $_ for @parts;
	unlink $path;
	my $mask = umask 0077;
	open my $file, '>:raw', $path or die $!;
	print $file $octets;
	close $file or die $!;
	umask $mask;
	return;
}
sub says { my ($sql) = @_; my ($rc, $out, $err) = $drill->psql('postgres', $sql); return $rc == 0 ? $out : $err; }

my $opens = 'SELECT count(*) FROM smsr.check_key_values()';
like(says('SELECT kek_problem FROM smsr.keystore_status()'), qr/could not open/, 'without the KEK the status says so');
like(says($opens), qr/ERROR:  could not open/, 'and nothing opens');
for my $wrong ([ 'one envelope', $envelope{one} ], [ 'the same one twice', @envelope{ 'one', 'one' } ], [ 'a part of another KEK', $envelope{one}, scalar reverse $envelope{two} ])
{
	my ($what, @parts) = @$wrong;
	put_together(@parts);
	like(says('SELECT kek_problem FROM smsr.keystore_status()'), qr/does not open storage key 1/, "$what: it is another KEK");
	like(says($opens), qr/key encryption key does not open storage key 1.*It is wrapped under \Q$name\E/s, "$what: nothing opens, and what is wanted is named");
}
put_together(@envelope{ 'one', 'two' });

# ---- 3. to 6. ----

is(says('SELECT kek_problem IS NULL, kek, to_rewrap FROM smsr.keystore_status()'), "t|$name|0", '3: the KEK is the one on the envelopes, and opens the storage keys');
is(says($opens), 0, '4: every key set opens and is what it says');
is(says('SELECT count(*) FROM smsr.keyset'), $sets, '4: and all of them are there');
is(says('SELECT count(*) FROM smsr.audit_verify()'), 0, '5: the chains are whole');
is(says("SELECT sound FROM smsr.verify_checkpoint('$anchor')"), 't', '5: and are those of the checkpoint that was kept elsewhere');
like(says("SELECT * FROM smsr.claim_sms('drill', 10)"), qr/restored or promoted.*smsr\.advance_counters\(\)/s, '6: nothing is sent, because counters may be behind');
is(says('SELECT count(*) FROM smsr.keyset k WHERE k.counter > 1'), 0, '6: and none was advanced');

# a step that would find something does: a blob of another card, an altered one
$drill->safe_psql('postgres', <<'SQL');
UPDATE smsr.keyset k SET sealed = o.sealed FROM (SELECT sealed FROM smsr.keyset ORDER BY eid LIMIT 1) o WHERE k.eid = (SELECT max(eid) FROM smsr.keyset);
SQL
like(says('SELECT count(*), min(what) FROM smsr.check_key_values()'), qr/^1\|key set does not open in its place$/, '4: a key set that was moved is found');

# ---- in earnest ----

my $earnest = PostgreSQL::Test::Cluster->new('earnest');
$earnest->init_from_backup($node, 'newest');
$earnest->append_conf('postgresql.conf', "smsr.kek_file = '$path'\nrestore_command = '/bin/false'\n");
append_to_file($earnest->data_dir . '/recovery.signal', '');
$earnest->start;
$earnest->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'the recovery does not end';
is($earnest->safe_psql('postgres', 'SELECT smsr.advance_counters()'), $sets, 'in earnest the counters are advanced');
is($earnest->safe_psql('postgres', "SELECT count(DISTINCT eid) FROM smsr.operation o WHERE o.status IS NULL"), $CARDS, 'what was under way is there');
$earnest->safe_psql('postgres', 'UPDATE smsr.outbound SET due_at = now()');
is($earnest->safe_psql('postgres', "SELECT count(DISTINCT eid) FROM smsr.claim_sms('after', 100)"), $CARDS, 'and is sent');

$_->stop('fast') for $drill, $earnest;
done_testing();
