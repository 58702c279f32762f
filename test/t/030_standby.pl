# A standby takes over, first one that has everything, then one that was behind:
# neither sends before the counters have been advanced, no counter is used
# twice, every operation ends.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $stack = SmsrStack->new('primary', cards => 30, allows_streaming => 1);
my $primary = $stack->node;
# the standbys inherit it
$primary->safe_psql('postgres', "ALTER SYSTEM SET smsr.retry_max = '1s'; SELECT pg_reload_conf()");
my $backup = 0;

sub standby_of
{
	my ($name, $of) = @_;
	$of->backup('base' . ++$backup);
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($of, "base$backup", has_streaming => 1);
	$standby->start;
	return $standby;
}

# A campaign, and wait until so many of all operations have ended.
sub campaign
{
	my ($function, $condition, $ended) = @_;
	my $before = $stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NOT NULL');
	my $asked = $stack->sql(<<"SQL");
SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
	FROM smsr.profile WHERE $condition) AS chosen,
	smsr.request('$function', eids, iccids)
SQL
	for (1 .. 400)
	{
		last if $stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NOT NULL') >= $before + $ended;
		sleep 0.02;
	}
	return $asked;
}

sub submitted { my ($n) = $stack->ctl('stats') =~ /^mt_submitted=(\d+)/m; return $n; }

sub highest { return $stack->sql("SELECT max(counter) FROM smsr.keyset WHERE type = 'SCP80'"); }

# The primary is gone; this one goes on, but not at once.
sub take_over
{
	my ($name, $standby) = @_;
	$stack->end('gateway', 'KILL');
	$standby->promote;
	$standby->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()');
	$stack->{node} = $standby;

	my ($status, $out, $err) = $standby->psql('postgres', "SELECT * FROM smsr.claim_sms('smsc', 100)");
	isnt($status, 0, "$name: nothing can be claimed");
	like($err, qr/restored or promoted/, "$name: and it says why");
	like($err, qr/smsr\.advance_counters\(\)/, "$name: and what to do");
	my ($sent, $counter) = (submitted(), highest());
	$stack->start_gateway;
	sleep 1;
	is(submitted(), $sent, "$name: a gateway that connects sends nothing");
	is(highest(), $counter, "$name: and no counter moves");
	is($stack->sql('SELECT smsr.advance_counters()'), 30, "$name: the counters are advanced");
	return;
}

# ---- a synchronous standby ----

my $second = standby_of('second', $primary);
$primary->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()");
$primary->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
	or die 'the standby is not synchronous';

$stack->start_fleet;
$stack->start_gateway;
is(campaign('enable_profile', "state = 'Disabled'", 5), 30, 'a campaign is requested');
is($second->safe_psql('postgres', 'SELECT count(*) FROM smsr.euicc'), 30, 'the standby answers questions');
$stack->sql('SELECT smsr.take_checkpoint()');
my $anchor = $stack->sql('SELECT smsr.export_checkpoint(1)');
$primary->wait_for_catchup('second', 'replay');
is($second->safe_psql('postgres', "SELECT * FROM smsr.audit_verify()"), '', 'the audit trail can be checked there');
is($second->safe_psql('postgres', "SELECT sound FROM smsr.verify_checkpoint('$anchor')"), 't', 'against what was taken away, too');
cmp_ok($second->safe_psql('postgres', 'SELECT count(*) FROM smsr.export_trail()'), '>=', 30, 'and taken away');

my $seen = $stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NOT NULL');
$primary->stop('immediate');
take_over('synchronous', $second);
cmp_ok($stack->sql('SELECT count(*) FROM smsr.operation WHERE status IS NOT NULL'), '>=', $seen, 'no end that was committed is lost');
is($stack->sql('SELECT count(*) FROM smsr.operation'), 30, 'no operation is lost');
ok($stack->wait_until_done(30), 'the gateway finishes on the standby what began on the primary');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation WHERE function = 'enable_profile'"),
	'EXECUTED_SUCCESS', 'and all of it succeeds');
is($stack->differences, '', 'the database and the cards agree');
is($stack->counters_used_twice, '', 'no counter was used twice');

# ---- a standby that does not have the last of it ----

my $third = standby_of('third', $second);
$second->wait_for_catchup('third');
$third->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = ''; SELECT pg_reload_conf()");
$second->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_replication') or die 'the standby still follows';

is(campaign('disable_profile', "state = 'Enabled' AND NOT fallback_attribute", 20), 30, 'another campaign, of which the standby hears nothing');
my $counter = highest();
$second->stop('immediate');
is($third->safe_psql('postgres', "SELECT count(*) FROM smsr.operation WHERE function = 'disable_profile'"), 0, 'it does not even know the calls');
take_over('behind', $third);
cmp_ok($stack->sql("SELECT min(counter) FROM smsr.keyset WHERE type = 'SCP80'"), '>', $counter, 'the counters are ahead of all that was used');
# The cards are not where the EIS has them, and their other numbers are found.
is($stack->sql('SELECT count(smsr.audit_eis(eid)) FROM smsr.euicc'), 30, 'the cards are asked');
ok($stack->wait_until_done(30), 'all operations come to an end');
for (1 .. 50)
{
	last if $stack->ctl('stats') =~ /^changing=0/m && $stack->differences eq '';
	sleep 0.2;
}
is($stack->differences, '', 'the database and the cards agree');
is($stack->counters_used_twice, '', 'no counter was used twice');
is($stack->sql('SELECT count(*) FROM smsr.outbound'), 0, 'no packet is left over');
ok(campaign('enable_profile', "state = 'Disabled'", 30) == 30 && $stack->wait_until_done(20), 'and life goes on');
is($stack->sql("SELECT count(*) FROM smsr.operation WHERE function = 'enable_profile' AND status = 'EXECUTED_SUCCESS'"), 60, 'with success');

$stack->stop;
$_->teardown_node for $primary, $second;
done_testing();
