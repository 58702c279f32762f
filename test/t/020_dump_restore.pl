# pg_dump and pg_restore into a new database: everything is there, counters and
# sequences included, and life goes on in the copy.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep);

my $stack = SmsrStack->new('dump', cards => 20);
my $node = $stack->node;
$stack->start_fleet;
$stack->start_gateway;

$stack->sql(<<'SQL');
SELECT smsr.maintain();
SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
	FROM smsr.profile WHERE state = 'Disabled') AS chosen,
	smsr.request('enable_profile', eids, iccids)
SQL
ok($stack->wait_until_done(30), 'some history is made');
$stack->end('gateway');

# Something is under way, too: queued, and claimed by nobody yet.
$stack->sql("SELECT smsr.disable_profile(eid, iccid) FROM smsr.profile WHERE state = 'Enabled' AND NOT fallback_attribute ORDER BY eid LIMIT 5");

my $dump = "$stack->{dir}/smsr.dump";
command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('copy'), $dump ], 'pg_restore');

my @tables = split /\n/, $stack->sql(<<'SQL');
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
SQL
cmp_ok(scalar(@tables), '>', 15, 'tables are found');
for my $table (@tables)
{
	my $digest = "SELECT count(*), md5(string_agg(t::text, ';' ORDER BY t::text)) FROM $table t";
	is($stack->sql($digest, 'copy'), $stack->sql($digest), "$table is the same");
}

my $sequences = <<'SQL';
SELECT string_agg(format('%s %s %s', s.oid::regclass, pg_sequence_last_value(s.oid), q.last_value), E'\n' ORDER BY 1)
FROM pg_class s JOIN pg_sequences q ON q.schemaname = 'smsr' AND q.sequencename = s.relname
WHERE s.relnamespace = 'smsr'::regnamespace AND s.relkind = 'S'
SQL
is($stack->sql($sequences, 'copy'), $stack->sql($sequences), 'sequences stand where they stood');

is($stack->sql("SELECT string_agg(c.relname || ' ' || c.relispartition, ',' ORDER BY c.relname) FROM pg_class c
		WHERE c.relnamespace = 'smsr'::regnamespace AND c.relname LIKE 'message%' AND c.relkind IN ('r', 'p')", 'copy'),
	$stack->sql("SELECT string_agg(c.relname || ' ' || c.relispartition, ',' ORDER BY c.relname) FROM pg_class c
		WHERE c.relnamespace = 'smsr'::regnamespace AND c.relname LIKE 'message%' AND c.relkind IN ('r', 'p')"),
	'partitions that were made are partitions again');

is($stack->sql('SELECT kek_problem IS NULL FROM smsr.keystore_status()', 'copy'), 't', 'the KEK opens the storage keys of the copy');

# Life goes on in the copy: the original is taken away, the cards stay.
$node->safe_psql('postgres', 'ALTER DATABASE copy RENAME TO smsr_copy');
# Grants to roles are those of the extension's script; ours are renewed.
$stack->sql("SELECT smsr.grant_gateway('test_gateway')", 'smsr_copy');
$stack->start_gateway('smsr_copy');
ok($stack->wait_until_done(30, 'smsr_copy'), 'what was queued is carried out');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation", 'smsr_copy'), 'EXECUTED_SUCCESS', 'and succeeds');
$stack->sql(<<'SQL', 'smsr_copy');
SELECT smsr.enable_profile(eid, iccid) FROM smsr.profile WHERE state = 'Disabled' AND NOT fallback_attribute LIMIT 5
SQL
ok($stack->wait_until_done(30, 'smsr_copy'), 'new calls are carried out');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation", 'smsr_copy'), 'EXECUTED_SUCCESS', 'and succeed');
is($stack->differences('smsr_copy'), '', 'the copy and the cards agree');
is($stack->counters_used_twice, '', 'no counter was used twice');

$stack->stop;
done_testing();
