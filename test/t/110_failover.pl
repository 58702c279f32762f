# A standby answers questions, and takes over while the gateway, which knows both,
# goes on by itself, and so does a router; then another one takes over as planned.
# Nothing is sent before the counters have been advanced, nothing is lost or done twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $root = $ENV{SMSR_ROOT} // '.';
my $cards = 30;
my $stack = SmsrStack->new('one', cards => $cards, allows_streaming => 1, fleet => ['--refresh', '2']);
my ($one, $two, $three) = ($stack->node, map { PostgreSQL::Test::Cluster->new($_) } 'two', 'three');
$one->safe_psql('postgres', "ALTER SYSTEM SET smsr.retry_max = '1s'; SELECT pg_reload_conf(); SELECT smsr.install_roles(); GRANT smsr_auditor TO test_gateway");

my $backup = 0;
sub follow
{
	my ($standby, $of) = @_;
	$of->backup('base' . ++$backup);
	$standby->init_from_backup($of, "base$backup", has_streaming => 1);
	$standby->start;
	$of->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()");
	$of->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'") or die 'the standby is not synchronous';
	return;
}

sub hosts
{
	my @nodes = ($one, $two, $three);
	return 'host=' . join(',', map { $_->host } @nodes) . ' port=' . join(',', map { $_->port } @nodes)
		. ' dbname=postgres connect_timeout=5 target_session_attrs=read-write';
}

sub ended { return $stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NOT NULL'); }

sub submitted { my ($n) = $stack->ctl('stats') =~ /^mt_submitted=(\d+)/m; return $n; }

# A campaign, and until many cards are in the middle of it.
sub campaign
{
	my ($function, $condition) = @_;
	my $asked = $stack->sql("SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids FROM smsr.profile WHERE $condition) AS c,
		smsr.request('$function', eids, iccids)");
	$stack->node->poll_query_until('postgres', "SELECT count(*) >= 10 FROM smsr.operation WHERE stage = 'notification'") or die 'nothing goes on';
	return $asked;
}

# ---- a primary, a standby, a gateway and a router that know both ----

follow($two, $one);
$stack->start_fleet;
$stack->spawn_gateway('gateway', hosts());
my $gateway = $stack->{pid}{gateway};

my $router = PostgreSQL::Test::Cluster->new('before');
$router->init;
$router->start;
$stack->write_file('router.sql', $stack->sql("SELECT smsr.router_sql(ARRAY['@{[hosts()]}'], partitions => 16)"));
$router->safe_psql('postgres', "\\i $stack->{dir}/router.sql");
$router->safe_psql('postgres', 'CREATE USER MAPPING FOR postgres SERVER smsr');

$stack->sql('SELECT smsr.audit_eis(eid) FROM smsr.euicc ORDER BY eid LIMIT 1');
ok($stack->wait_until_done(20), 'a call comes to its end');

# ---- reads scale ----

$one->wait_for_catchup('two', 'replay');
my ($eid, $id) = split /\|/, $two->safe_psql('postgres', 'SELECT eid, id FROM smsr.operation ORDER BY id LIMIT 1');
my %look = (
	'its story' => "SELECT count(*) > 0 FROM smsr.timeline('$eid')",
	'why an operation stands where it does' => "SELECT count(*) > 0 FROM smsr.why($id)",
	'what an eUICC was like' => "SELECT ((smsr.euicc_at('$eid', now())).card).eid = '$eid' AND (SELECT count(*) FROM smsr.profiles_at('$eid', now())) = 2",
	'a query for a router' => "SELECT smsr.fleet_query('SELECT count(*) AS n FROM smsr.euicc') ->> 'n' = '$cards'",
	'how far campaigns are' => 'SELECT count(*) = 0 FROM smsr.campaign_progress',
	'drift' => 'SELECT count(*) >= 0 FROM smsr.drift',
	'where keys come from' => "SELECT count(*) > 0 FROM smsr.key_evidence('$eid')",
	'the audit trail, to be taken away' => "SELECT count(*) > 0 FROM smsr.export_trail('$eid')",
	'whether it is sound' => 'SELECT count(*) = 0 FROM smsr.audit_verify()',
	'whether the keystore opens' => 'SELECT kek_problem IS NULL FROM smsr.keystore_status()',
	'a packet' => "SELECT smsr.decode('\\x0271') IS NOT NULL");
is($two->safe_psql('postgres', $look{$_}), 't', "the standby shows $_") for sort keys %look;
like(($two->psql('postgres', "SELECT smsr.audit_eis('$eid')"))[2], qr/read-only transaction|recovery/, 'it takes no calls');
like(($two->psql('postgres', "SELECT * FROM smsr.claim_sms('smsc', 1)"))[2], qr/read-only transaction|recovery/, 'and sends nothing');

# ---- the primary is gone ----

sub take_over
{
	my ($name, $to) = @_;
	$to->promote;
	$to->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()');
	$stack->{node} = $to;
	my $counter = $stack->sql("SELECT max(counter) FROM smsr.keyset WHERE type = 'SCP80'");
	$to->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'test_gateway'")
		or die 'the gateway does not come';
	ok(kill(0, $gateway), "$name: the gateway finds the new primary by itself");
	my $sent = submitted();
	sleep 1;
	is(submitted(), $sent, "$name: it sends nothing yet");
	is($stack->sql("SELECT max(counter) FROM smsr.keyset WHERE type = 'SCP80'"), $counter, "$name: and no counter moves");
	ok($router->poll_query_until('postgres', "SELECT smsr.audit_eis('$eid', call_id => '$name') > 0"), "$name: so does the router, and calls are taken");
	is($stack->sql('SELECT smsr.advance_counters()'), $cards, "$name: the counters are advanced");
	return;
}

is(campaign('enable_profile', "state = 'Disabled'"), $cards, 'a campaign is requested');
my $seen = ended();
cmp_ok($stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NULL'), '>', 0, 'the primary dies in the middle');
$one->stop('immediate');
take_over('failure', $two);
cmp_ok(ended(), '>=', $seen, 'no end that was committed is lost');
is($stack->sql("SELECT count(*) FROM smsr.operation WHERE function = 'enable_profile'"), $cards, 'no operation is lost');
ok($stack->wait_until_done(40), 'the gateway finishes on the new primary what began on the old one');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation WHERE function = 'enable_profile'"), 'EXECUTED_SUCCESS', 'and all of it succeeds');
is($stack->differences, '', 'the database and the cards agree');
is($stack->counters_used_twice, '', 'no counter was used twice');

# ---- and once more, as planned ----

follow($three, $two);
is(campaign('disable_profile', "state = 'Enabled' AND NOT fallback_attribute"), $cards, 'another campaign');
$two->stop('fast');
take_over('switch', $three);
ok($stack->wait_until_done(40), 'all operations come to an end');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation WHERE function = 'disable_profile'"), 'EXECUTED_SUCCESS', 'with success');
is($stack->sql('SELECT count(*) FROM smsr.operation'), 2 * $cards + 3, 'none is lost, none was made twice');
is($stack->sql('SELECT count(*) FROM (SELECT operation_id FROM smsr.audit_trail WHERE operation_id IS NOT NULL AND status IS NOT NULL GROUP BY 1 HAVING count(*) > 1) t'), 0, 'none ended twice');
is($stack->differences, '', 'the database and the cards agree');
is($stack->counters_used_twice, '', 'no counter was used twice');
is($stack->sql('SELECT * FROM smsr.audit_verify()'), '', 'the audit trail is sound');
is($stack->sql('SELECT count(*) FROM smsr.outbound'), 0, 'no packet is left over');

$router->stop('fast');
$stack->stop;
$_->teardown_node for $one, $two;
done_testing();
