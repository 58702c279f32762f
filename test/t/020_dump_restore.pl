# pg_dump and pg_restore into a new database: everything is there, counters and
# sequences included, and life goes on in the copy.

use strict;
use warnings;

use FindBin;
use IPC::Run;
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

# Half of what has ended is in the history of operations.
is($stack->sql('SET smsr.recent_operations = 0; SELECT smsr.move_operations(10)'), '10', 'operations that have ended are moved');

# Roles and what they may; a partition that was made after they were.
$stack->sql(<<'SQL');
SELECT smsr.install_roles();
CREATE ROLE north LOGIN;
SELECT smsr.bind_role('1.3.6.1.4.1.99999.3', 'north');
CREATE ROLE auditor LOGIN;
GRANT smsr_auditor TO auditor;
SELECT smsr.maintain(4);
SQL

# Something is under way, too: queued, and claimed by nobody yet.
$stack->sql("SELECT smsr.disable_profile(eid, iccid) FROM smsr.profile WHERE state = 'Enabled' AND NOT fallback_attribute ORDER BY eid LIMIT 5");

# Lanes, limits and their accounts.
$stack->sql(<<'SQL');
SELECT smsr.set_gateway_limit('smsc', 1000);
SELECT smsr.set_tenant_share('1.3.6.1.4.1.99999.3', 3, 500);
INSERT INTO smsr.lane (tenant, priority, campaign_id, time_zone, windows) VALUES ('1.3.6.1.4.1.99999.3', 3, 1, 'Europe/Berlin', 'Mon-Fri 01:00-05:00');
SQL
is($stack->sql("SELECT count(*) FROM smsr.claim_sms('smsc', 1), smsr.release_sms(ARRAY[sms_id])"), 1, 'one is claimed and handed back');
is($stack->sql("SELECT count(*) FROM smsr.gateway_pace WHERE pace IS NOT NULL"), 1, 'and an account knows of it');

# The audit trail is sealed, and can be checked wherever it is brought.
$stack->sql('SELECT smsr.take_checkpoint()');
my $anchor = $stack->sql('SELECT smsr.export_checkpoint(1)');

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

is($stack->sql('SELECT * FROM smsr.audit_verify()', 'copy'), '', 'the audit trail of the copy is sound, seal and all');
is($stack->sql("SELECT sound FROM smsr.verify_checkpoint('$anchor')", 'copy'), 't', 'and is what the checkpoint says that was taken away');
is($stack->sql(<<'SQL', 'copy'), $stack->sql(<<'SQL'), 'nobody changes it there either');
SELECT string_agg(format('%s %s %s', tgrelid::regclass, tgname, tgenabled), ',' ORDER BY tgrelid::regclass::text COLLATE "C", tgname)
FROM pg_trigger WHERE tgfoid = 'smsr.append_only'::regproc
SQL
SELECT string_agg(format('%s %s %s', tgrelid::regclass, tgname, tgenabled), ',' ORDER BY tgrelid::regclass::text COLLATE "C", tgname)
FROM pg_trigger WHERE tgfoid = 'smsr.append_only'::regproc
SQL

my $rights = <<'SQL';
SELECT string_agg(what, E'\n' ORDER BY what) FROM (
	SELECT format('%s %s %s %s', tablename, policyname, roles, qual) AS what FROM pg_policies WHERE schemaname = 'smsr'
	UNION ALL
	SELECT format('%s %s', p.oid::regprocedure, a.acl) FROM pg_proc p, LATERAL (SELECT array_agg(i::text ORDER BY i::text) AS acl FROM unnest(p.proacl) i) a
	WHERE p.pronamespace = 'smsr'::regnamespace
	UNION ALL
	SELECT format('%s %s %s %s', c.oid::regclass, c.relrowsecurity, c.relforcerowsecurity, a.acl)
	FROM pg_class c, LATERAL (SELECT array_agg(i::text ORDER BY i::text) AS acl FROM unnest(coalesce(c.relacl, acldefault('r', c.relowner))) i) a
	WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
	UNION ALL
	SELECT format('%s.%s %s', t.attrelid::regclass, t.attname, a.acl)
	FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, LATERAL (SELECT array_agg(i::text ORDER BY i::text) AS acl FROM unnest(t.attacl) i) a
	WHERE c.relnamespace = 'smsr'::regnamespace AND t.attacl IS NOT NULL) r
SQL
like($stack->sql($rights), qr/smsr_tenant/, 'there are policies and grants');
# A dump has grants, and leaves the policies of an extension's tables out: closed until they are made.
is($node->safe_psql('copy', 'SELECT count(*) FROM smsr.my_profile', extra_params => [ '-U', 'north' ]), 0, 'a copy without its policies shows nothing');
$stack->sql('SELECT smsr.install_roles()', 'copy');
is($stack->sql($rights, 'copy'), $stack->sql($rights), 'policies, grants and row level security are what they were, each once');
for my $query ('SELECT count(*) FROM smsr.my_profile', 'SELECT count(*) FROM smsr.my_euicc', 'SELECT count(*) FROM smsr.my_operation')
{
	is($node->safe_psql('copy', $query, extra_params => [ '-U', 'north' ]), $node->safe_psql('postgres', $query, extra_params => [ '-U', 'north' ]),
		"a tenant of the copy: $query");
}
cmp_ok($node->safe_psql('copy', 'SELECT count(*) FROM smsr.my_profile', extra_params => [ '-U', 'north' ]), '>', 0, 'and it sees something');
is($node->safe_psql('copy', 'SELECT count(*) FROM smsr.audit_trail', extra_params => [ '-U', 'auditor' ]),
	$stack->sql('SELECT count(*) FROM smsr.audit_trail'), 'an auditor of the copy reads the audit trail');

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
is($stack->sql('SELECT count(*) FROM smsr.take_checkpoint(), smsr.audit_verify()', 'smsr_copy'), '0', 'the chains go on where they were');

# An auditor needs no database: what was taken away is checked by itself.
sub verify
{
	my ($expected, $what, @lines) = @_;
	my $file = "$stack->{dir}/trail";
	$stack->write_file('trail', join("\n", @lines, ''));
	my ($stdout, $stderr);
	IPC::Run::run [ "$ENV{SMSR_ROOT}/scripts/verify-audit-trail.pl", $file ], '>', \$stdout, '2>', \$stderr;
	like($stdout . $stderr, $expected, $what);
	return;
}
my @trail = split /\n/, $stack->sql('SELECT smsr.export_trail()', 'smsr_copy');
my @checkpoints = split /\n/, $stack->sql('SELECT smsr.export_checkpoint(id) FROM smsr.audit_checkpoint', 'smsr_copy');
my $records = @trail;
my ($changed) = grep { $trail[$_] =~ /"eid":.*"number":2,/ } 0 .. $#trail;
is(scalar(@checkpoints), 2, 'two checkpoints are exported');
verify(qr/^$records records in \d+ chains, 2 checkpoints: sound$/, 'another program finds the export sound', @trail, @checkpoints);
{
	local $trail[$changed] = $trail[$changed] =~ s/"hash"/"reason":"none","hash"/r;
	verify(qr/^\d{32}: record 2 was changed.*1 faults$/s, 'and a changed record', @trail, @checkpoints);
}
verify(qr/is missing.*checkpoint 1: records at positions.*are not what it covers/s, 'a missing one',
	@trail[ 0 .. $changed - 1, $changed + 1 .. $#trail ], @checkpoints);
verify(qr/checkpoint 1 was changed/, 'a changed checkpoint', @trail, $checkpoints[0] =~ s/"records":(\d)/"records":9$1/r);

# A month's partition with records in it, and what is not ASCII.
$node->safe_psql('postgres', 'CREATE DATABASE latin');
$stack->sql(<<'SQL', 'latin');
CREATE EXTENSION smsr;
SELECT smsr.make_partition('audit_trail', date_trunc('month', now())::date);
SELECT smsr.make_partition('audit_trail', (date_trunc('month', now()) + interval '1 month')::date);
SET smsr.reason = 'Änderung';
SELECT smsr.record_audit(NULL, 'register_party', p_details => '{"name": "Söhne \"& Co\"", "n": [1.50, 1e3]}', p_iccid => '8944000000000000016');
SELECT smsr.record_audit(NULL, 'register_party', p_iccid => '89490000000090000107', p_isdp_aid => 'A0000005591010FFFFFFFF8900001000', p_imei => '1');
SELECT smsr.take_checkpoint();
-- in the chains of two parties: what is done for them by a role that acts for nobody
CREATE ROLE nobody;
CREATE FUNCTION refuse(party text) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT smsr.record_audit(NULL, ''get_eis'', p_requester => party)';
SET ROLE nobody;
SELECT refuse('1.3.6.1.4.1.99999.' || n % 2) FROM generate_series(1, 4) n;
SQL
is($stack->sql("SELECT count(*) FROM smsr.audit_trail WHERE tableoid = 'smsr.audit_trail_default'::regclass", 'latin'), '0', 'all records are in a partition that was made');
command_ok([ 'pg_dump', '-Fc', '-f', "$dump.2", $node->connstr('latin') ], 'pg_dump of it');
$node->safe_psql('postgres', 'CREATE DATABASE latin_copy');
command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('latin_copy'), "$dump.2" ], 'pg_restore of it');
is($stack->sql('SELECT count(*) FROM smsr.audit_trail', 'latin_copy'), '7', 'its records are there');
is($stack->sql('SELECT * FROM smsr.audit_verify()', 'latin_copy'), '', 'and sound');
@trail = split /\n/, $stack->sql('SELECT smsr.export_trail()', 'latin_copy');
verify(qr/^7 records in 3 chains, 1 checkpoints: sound$/, 'as another program says, too', @trail, $stack->sql('SELECT smsr.export_checkpoint(1)', 'latin_copy'));
verify(qr/^party 1\.3\.6\.1\.4\.1\.99999\.[01]: record 1 was changed.*\n.* 4 faults$/s, 'and finds parties that were exchanged',
	map { s/("chain_party":"1\.3\.6\.1\.4\.1\.99999\.)([01])/$1 . (1 - $2)/er } @trail);
my ($status, undef, $refusal) = $node->psql('latin_copy', 'DELETE FROM smsr.audit_trail');
like($refusal, qr/only ever added to/, 'nobody deletes them');
($status, undef, $refusal) = $node->psql('latin_copy', "DO \$\$ BEGIN EXECUTE 'TRUNCATE smsr.audit_trail_' || to_char(now(), 'YYYYMM'); END \$\$");
like($refusal, qr/only ever added to/, 'nor empties the partition');
is($stack->sql('SELECT smsr.record_audit(NULL, NULL, p_operation_type => \'\x0101\'); SELECT max(number) FROM smsr.audit_trail', 'latin_copy') =~ s/\s//gr, '4', 'the chain goes on');

$stack->stop;
done_testing();
