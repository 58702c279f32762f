# A restore to an earlier point in time: the database has forgotten what was
# sent since.  It refuses to send until the counters are advanced; then no
# counter comes twice, and the cards tell what the database does not know.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $cards = 12;
my $stack = SmsrStack->new('original', cards => $cards, allows_streaming => 1);
my $original = $stack->node;
$original->enable_archiving;
$original->append_conf('postgresql.conf', "smsr.retry_max = '1s'");
$original->restart;
$stack->start_fleet;
$stack->start_gateway;

sub campaign
{
	my ($function, $condition) = @_;
	return $stack->sql(<<"SQL");
SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids
	FROM smsr.profile WHERE $condition) AS chosen,
	smsr.request('$function', eids, iccids)
SQL
}

sub counters
{
	return { map { split /\|/ } split /\n/, $stack->sql("SELECT eid, counter FROM smsr.keyset WHERE type = 'SCP80'") };
}

# ---- a backup, some work, lunch, more work ----

$original->backup('base');
is(campaign('enable_profile', "state = 'Disabled'"), $cards, 'before the point: a campaign');
ok($stack->wait_until_done(20), 'which ends');
# One operation that is running at that point, its packet already made.
$stack->end('gateway');
my $running = $stack->sql(<<'SQL');
SELECT smsr.set_fallback_attribute(eid, iccid) FROM smsr.profile WHERE state = 'Enabled' ORDER BY eid LIMIT 1
SQL
is($stack->sql("SELECT count(*) FROM smsr.claim_sms('smsc', 10, '1 s')"), 1, 'a packet is made, and not sent yet');
my $octets = $stack->sql("SELECT packet FROM smsr.outbound WHERE operation_id = $running");
my $at_lunch = counters();
$stack->sql("SELECT pg_create_restore_point('lunch')");
$stack->start_gateway;
ok($stack->wait_until_done(20), 'after the point: it ends');
is(campaign('disable_profile', "state = 'Enabled' AND NOT fallback_attribute"), $cards - 1, 'and another campaign');
ok($stack->wait_until_done(20), 'which ends');
my ($creating) = $stack->sql('SELECT eid FROM smsr.euicc ORDER BY eid DESC LIMIT 1');
$stack->sql("SELECT smsr.create_isdp('$creating', '89490700000000000017', '1.3.6.1.4.1.99999.3', 20000)");
$stack->sql("SELECT smsr.audit_eis(eid) FROM smsr.euicc");
ok($stack->wait_until_done(20), 'and an ISD-P is made, and all cards are audited');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation"), 'EXECUTED_SUCCESS', 'all with success');
$stack->end('gateway');
my $sent = counters();
cmp_ok((sort { $a <=> $b } map { $sent->{$_} - $at_lunch->{$_} } keys %$sent)[0], '>', 0, 'counters were used for every card since');

my $segment = $stack->sql('SELECT pg_walfile_name(pg_switch_wal())');
$original->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver") or die 'not archived';
$original->stop('immediate');

# ---- back to lunch ----

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($original, 'base', has_restoring => 1, standby => 0);
$restored->append_conf('postgresql.conf', <<'CONF');
recovery_target_name = 'lunch'
recovery_target_action = promote
archive_mode = off
CONF
$restored->start;
$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'it does not come up';
$stack->{node} = $restored;
is_deeply(counters(), $at_lunch, 'the counters are those of the point in time');
is($stack->sql("SELECT status IS NULL FROM smsr.operation WHERE id = $running"), 't', 'what ran then runs again');

my ($status, $out, $err) = $restored->psql('postgres', "SELECT * FROM smsr.claim_sms('smsc', 10)");
isnt($status, 0, 'nothing can be claimed');
like($err, qr/restored or promoted.*smsr\.advance_counters\(\)/s, 'and it says why, and what to do');
$stack->start_gateway;
my $heard = $stack->sql("SELECT count(*) FROM smsr.message WHERE direction = 'in'");
$stack->ctl('attach', 1);
for (1 .. 50)
{
	last if $stack->sql("SELECT count(*) FROM smsr.message WHERE direction = 'in'") > $heard;
	sleep 0.1;
}
cmp_ok($stack->sql("SELECT count(*) FROM smsr.message WHERE direction = 'in'"), '>', $heard, 'what cards say is taken all the same');
is_deeply(counters(), $at_lunch, 'but no counter is used');

is($stack->sql('SELECT smsr.advance_counters()'), $cards, 'the counters are advanced');
my $advanced = counters();
is(join(' ', grep { $advanced->{$_} <= $sent->{$_} } keys %$sent), '', 'beyond all that was ever sent');
$stack->sql('SELECT smsr.audit_eis(eid) FROM smsr.euicc');
ok($stack->wait_until_done(25), 'what ran ends, and all cards can be audited');

is($stack->sql("SELECT count(*) FROM smsr.message m WHERE direction = 'out' AND octets = '$octets'"), 1,
	'the packet that was there went again as it was');
my $first = { map { split /\|/ } split /\n/, $stack->sql(<<"SQL") };
SELECT eid, min(cntr) FROM smsr.message WHERE direction = 'out' AND octets <> '$octets'
	AND at > (SELECT recorded_at FROM smsr.incarnation) GROUP BY 1
SQL
is(scalar(keys %$first), $cards, 'every card was sent something');
is(join(' ', grep { $first->{$_} <= $sent->{$_} } keys %$first), '', 'and the first counter is higher than any before the restore');
is($stack->counters_used_twice, '', 'no card executed a counter twice');
is($stack->sql("SELECT count(*) FROM smsr.outbound"), 0, 'no packet is left over');

# Nobody but the SM-DP can say which profile was put there in the lost time.
is($stack->differences, "$creating|A0000005591010FFFFFFFF8900001200|Disabled|Disabled",
	'the EIS is the truth of the cards, but for the number of an ISD-P that it has forgotten');
is($stack->sql("SELECT count(*) FROM smsr.drift WHERE what = 'an ISD-P that nobody has claimed' AND eid = '$creating'"), 1,
	'which smsr.drift shows');
cmp_ok($stack->sql('SELECT count(DISTINCT eid) FROM smsr.discrepancy'), '>=', $cards - 1, 'what the audits corrected is on record');
is(campaign('enable_profile', "state = 'Disabled' AND iccid IS NOT NULL"), $cards, 'and life goes on');
ok($stack->wait_until_done(20), 'to its end');
is($stack->sql("SELECT string_agg(DISTINCT status, ',') FROM smsr.operation WHERE function = 'enable_profile'"), 'EXECUTED_SUCCESS', 'with success');

$stack->stop;
$original->teardown_node;
done_testing();
