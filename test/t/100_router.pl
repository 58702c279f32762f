# A router and four shards, a cluster each: a fleet is registered and called through
# the router, by tenants who are nobody else there, one of the shards is killed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrShards;
use Test::More;
use Time::HiRes qw(sleep time);

my $NORTH = '1.3.6.1.4.1.99999.3';
my $SOUTH = '1.3.6.1.4.1.99999.4';
my $cards = 40;
my $fleet = SmsrShards->new(shards => 4, cards => $cards);
my $router = $fleet->router;

sub on { my ($role, $sql) = @_; return $router->psql('postgres', $sql, extra_params => ['-U', $role]); }
sub everywhere { my ($sql) = @_; return join ' ', map { $_->safe_psql('postgres', $sql) } $fleet->shards; }

# ---- a fleet comes in ----

is($router->safe_psql('postgres', 'SELECT * FROM smsr_router.faults()'), '', 'nobody is anybody else on the shards');
is($router->safe_psql('postgres', "SELECT smsr.register_party('$NORTH', 'MNO', 'North Mobile', 'north')"), 't', 'a party is registered everywhere by one call');
is(everywhere("SELECT count(*) FROM smsr.party WHERE oid = '$NORTH'"), '1 1 1 1', 'it is');
like(($router->psql('postgres', "SELECT smsr.register_party('$NORTH', 'MNO', 'North Mobile', 'north')"))[2], qr/already registered/, 'a second time it is an error');
($fleet->shards)[2]->safe_psql('postgres', "SELECT smsr.register_party('$SOUTH', 'MNO', 'South Mobile', 'south')");
is($router->safe_psql('postgres', "SELECT smsr.register_party('$SOUTH', 'MNO', 'South Mobile', 'south')"), 't', 'what one shard has already the others are told');
is(everywhere("SELECT count(*) FROM smsr.party WHERE oid = '$SOUTH'"), '1 1 1 1', 'and all have it');

$fleet->register;
is($router->safe_psql('postgres', 'SELECT count(*) FROM smsr.euicc'), $cards, 'the fleet is registered through the router');
my @share = split / /, everywhere('SELECT count(*) FROM smsr.euicc');
is(scalar(grep { $_ > 0 } @share), 4, "every shard has a share (@share)");
is($fleet->misplaced, '', 'each eUICC where its hash says');
my ($status, $out, $err) = $router->psql('postgres', "SELECT smsr.register_eis(xmlparse(document '@{[$fleet->document(0)]}'))");
like($err, qr/already registered/, 'what a shard refuses is refused, in its words');
like(($router->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT smsr.register_eis(xmlparse(document '@{[$fleet->document(0)]}'))"))[2],
	qr/23505/, 'under its SQLSTATE');
like(($router->psql('postgres', "SELECT smsr.register_eis(xmlparse(document replace('@{[$fleet->document(0)]}', '<EumSignedInfo>', '<EumSignedInfo><Eid>89049032001000000100000090000151</Eid>')))"))[2],
	qr/several EIDs/, 'a document that names two EIDs goes nowhere');

# ---- calls of all kinds ----

my ($eid, $iccid) = split /\|/, $router->safe_psql('postgres',
	"SELECT eid, iccid FROM smsr.profile WHERE state = 'Disabled' AND mno_id = '$SOUTH' ORDER BY eid LIMIT 1");
my $id = $router->safe_psql('postgres', "SELECT smsr.enable_profile('$eid', '$iccid', call_id => 'one')");
is($router->safe_psql('postgres', "SELECT smsr.enable_profile('$eid', '$iccid', call_id => 'one')"), $id, 'the same call_id is the same operation');
is($id & 1023, $fleet->shard_of($eid), 'its id tells the shard that gave it');
is($router->safe_psql('postgres', "SELECT stage FROM smsr.operation_of('$eid')"), 'sending', 'it is seen by its EID');
is($router->safe_psql('postgres', "SELECT count(*) FROM smsr.timeline('$eid')"), 2, 'so is its story');
like($router->safe_psql('postgres', "SELECT smsr.get_eis('$eid')"), qr/\Q$eid\E/, 'and its EIS');
is($router->safe_psql('postgres', "SELECT count(*) > 0 FROM smsr.why($id)"), 't', 'an operation is found by its id alone');
is($router->safe_psql('postgres', "SET smsr.reason = 'T-17'; SELECT smsr.audit_eis('$eid', call_id => 'two')") > 0, 1, 'a call with a reason');
is($router->safe_psql('postgres', "SELECT reason FROM smsr.operation_of('$eid') WHERE call_id = 'two'"), 'T-17', 'which goes along');
is($router->safe_psql('postgres', "SELECT smsr.update_subscription_address('$eid', '$iccid', NULL, '901700000000001', call_id => 'imsi') > 0"), 't', 'a call without card traffic');
is($router->safe_psql('postgres', "SELECT imsi FROM smsr.profile_of('$eid') WHERE iccid = '$iccid'"), '901700000000001', 'is done at once');
like(($router->psql('postgres', "SELECT smsr.enable_profile('$eid', '123')"))[2], qr/invalid input syntax for type smsr.iccid/, 'values are checked by the router itself');
like(($router->psql('postgres', "SELECT smsr.enable_profile('$eid', '$iccid', validity => '-1 s')"))[2],
	qr/REMOTE ERROR: validity must be.*Remote detail: It is -00:00:01/s, 'an error of a shard arrives with its detail');

# ---- many at once ----

is($router->safe_psql('postgres', <<'SQL'), "$cards|$cards|t|t", 'a bulk call is split, and answers in its order');
SELECT count(*), count(DISTINCT r.operation_id), bool_and(r.eid = c.eids[r.n]), bool_and(r.operation_id & 1023 = (smsr.eid_hash(r.eid) & 255) % 4)
FROM (SELECT array_agg(eid ORDER BY iccid) AS eids, array_agg(iccid ORDER BY iccid) AS iccids, array_agg('bulk' || iccid::text ORDER BY iccid) AS call_ids
	FROM smsr.profile WHERE state = 'Disabled') AS c,
	smsr.request('enable_profile', eids, iccids, call_ids => call_ids) WITH ORDINALITY r (eid, operation_id, n)
SQL
is($router->safe_psql('postgres', <<'SQL'), "$cards|0", 'the same again is the same operations');
SELECT count(*), count(*) FILTER (WHERE o.id IS NULL)
FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids, array_agg('bulk' || iccid::text) AS call_ids
	FROM smsr.profile WHERE state = 'Disabled') AS c,
	smsr.request('enable_profile', eids, iccids, call_ids => call_ids) r LEFT JOIN smsr.operation o ON o.id = r.operation_id AND o.call_id LIKE 'bulk%'
SQL
is($router->safe_psql('postgres', "SELECT count(*) FROM (SELECT array_agg(eid || '') AS e FROM smsr.euicc) c, smsr.request('audit_eis', e::smsr.eid[])"), $cards, 'arrays may be left out');
like(($router->psql('postgres', "SELECT * FROM smsr.request('nonsense', ARRAY['$eid']::smsr.eid[])"))[2], qr/unknown function "nonsense"/, 'a bulk call is refused as a whole');
like(($router->psql('postgres', "SELECT * FROM smsr.request('audit_eis', NULL)"))[2], qr/eids must not be null/, 'without eUICCs');

# ---- what a router cannot take back ----

$router->safe_psql('postgres', "BEGIN; SELECT smsr.audit_eis('$eid', call_id => 'rolled back'); ROLLBACK");
$id = $router->safe_psql('postgres', "SELECT id FROM smsr.operation_of('$eid') WHERE call_id = 'rolled back'");
like($id, qr/^\d+$/, 'a rollback on the router takes no call back');
is($router->safe_psql('postgres', "SELECT smsr.audit_eis('$eid', call_id => 'rolled back')"), $id, 'called again under its call_id it is the same one');

# ---- over all shards ----

is($router->safe_psql('postgres', "SELECT count(*) FROM smsr.operation") + 0, eval { my $n = 0; $n += $_ for split / /, everywhere('SELECT count(*) FROM smsr.operation'); $n },
	'a view has the rows of all shards');
is($router->safe_psql('postgres', "SELECT sum((q ->> 'n')::int) FROM smsr.fleet_query('SELECT state, count(*) AS n FROM smsr.profile GROUP BY 1') q"), 2 * $cards,
	'what is counted is counted on the shards');
is($router->safe_psql('postgres', 'SELECT * FROM smsr.audit_verify()'), '', 'the audit trails of all shards are sound');

# ---- who calls ----

is((on('north', 'SELECT smsr.requester()'))[1], $NORTH, 'a tenant is itself on the shards');
is((on('north', 'SELECT count(*), bool_and(mno_id = smsr.requester()) FROM smsr.my_profile'))[1], "$cards|t", 'and sees what is its own');
like((on('north', 'SELECT count(*) FROM smsr.operation'))[2], qr/permission denied for view operation/, 'but not all operations');
like((on('north', "SELECT * FROM smsr.fleet_query('SELECT 1')"))[2], qr/permission denied for function fleet_query/, 'nor may it ask the fleet');
like((on('north', 'SELECT * FROM smsr_router.exception'))[2], qr/permission denied for table exception/, 'nor see where eUICCs of others are');
like((on('north', "CREATE FUNCTION pg_temp.x() RETURNS int LANGUAGE plproxy AS 'CLUSTER ''smsr''; RUN ON ALL; SELECT 1;'"))[2],
	qr/permission denied for language plproxy/, 'it makes no function of PL/Proxy');
is((on('north', "SELECT smsr.update_policy_rules('$eid', '$iccid', '{}', call_id => 'north') > 0; SELECT status FROM smsr.my_operation_of('$eid') WHERE call_id = 'north'"))[1],
	"t\nFAILED", 'the profile of another is refused');
is((on('south', "SELECT smsr.disable_profile('$eid', '$iccid', call_id => 'south') > 0; SELECT status IS NULL FROM smsr.my_operation_of('$eid') WHERE call_id = 'south'"))[1],
	"t\nt", 'its own is not');
like((on('unmapped', "SELECT smsr.enable_profile('$eid', '$iccid')"))[2], qr/user mapping not found for "unmapped"/, 'a role that nobody lets in comes to no shard');
like((on('stranger', "SELECT smsr.enable_profile('$eid', '$iccid')"))[2], qr/permission denied for schema smsr/, 'a stranger calls nothing');
$router->safe_psql('postgres', 'GRANT smsr_administrator TO south');
like((on('south', "SELECT smsr.register_party('1.2.3', 'MNO', 'x')"))[2], qr/REMOTE ERROR: permission denied/, 'what the router grants too much the shards refuse');
$router->safe_psql('postgres', "REVOKE smsr_administrator FROM south; ALTER USER MAPPING FOR north SERVER smsr OPTIONS (SET user 'postgres')");
is($router->safe_psql('postgres', 'SELECT * FROM smsr_router.faults()'), 'role "north" comes to the shards as "postgres"', 'and a mapping that makes somebody else of somebody is found');
$router->safe_psql('postgres', "ALTER USER MAPPING FOR north SERVER smsr OPTIONS (SET user 'north')");

# ---- a shard dies ----

my $dead = $fleet->shard_of($eid);
($fleet->shards)[$dead]->stop('immediate');
like(($router->psql('postgres', "SELECT smsr.audit_eis('$eid', call_id => 'dead')"))[2], qr/ERROR/, 'its eUICCs cannot be called');
my @answer = split /\n/, ($router->psql('postgres', join('', map { "SELECT smsr.audit_eis('$_', call_id => 'alive') > 0;\n" } $fleet->eids), on_error_stop => 0))[1];
is(scalar(grep { $_ eq 't' } @answer), $cards - $share[$dead], 'all others can');
isnt(($router->psql('postgres', 'SELECT count(*) FROM smsr.euicc'))[0], 0, 'a query over all shards says that one is missing, and does not count without it');
($fleet->shards)[$dead]->start;
is($router->safe_psql('postgres', "SELECT count(smsr.audit_eis(e::smsr.eid, call_id => 'alive')) FROM unnest('{@{[join ',', $fleet->eids]}}'::text[]) e"), $cards,
	'it comes back, and the calls are repeated');
is($router->safe_psql('postgres', "SELECT count(*), count(DISTINCT eid) FROM smsr.operation WHERE call_id = 'alive'"), "$cards|$cards", 'none was made twice');
is($fleet->misplaced, '', 'each eUICC is on its one shard');

# ---- cards, a gateway a shard, and what comes to the wrong one ----

$fleet->start_fleet;
$fleet->start_gateways;
$fleet->start_forwarder;
ok($fleet->wait_until_done(60), 'all calls come to an end');
is($router->safe_psql('postgres', "SELECT string_agg(DISTINCT status, ',') FROM smsr.operation WHERE call_id LIKE 'bulk%' AND eid <> '$eid'"), 'EXECUTED_SUCCESS', 'those of many at once succeed');
is($fleet->differences, '', 'the shards and the cards agree');
ok($router->poll_query_until('postgres', "SELECT sum((q ->> 'n')::int) = 0 FROM smsr.fleet_query('SELECT count(*) AS n FROM smsr.astray') q"), 'no message is left on a wrong shard');
cmp_ok(($fleet->shards)[0]->safe_psql('postgres', "SELECT count(*) FROM smsr.message WHERE outcome = 'for another shard'"), '>', 0, 'notifications that came to the first shard went to the others');

# ---- a campaign over all shards ----

is($router->safe_psql('postgres', "SELECT count(*) FROM smsr.create_campaign('look', 'audit_eis', 'SELECT eid FROM smsr.euicc', '{\"waves\": \"5, rest\"}')"), 4, 'a campaign is made on every shard');
like(($router->psql('postgres', "SELECT * FROM smsr.create_campaign('none', 'audit_eis', 'SELECT eid FROM smsr.euicc WHERE false')"))[2], qr/the cohort is empty/, 'unless there is nobody for it at all');
like(($router->psql('postgres', "SELECT * FROM smsr.create_campaign('twice', 'audit_eis', 'SELECT eid FROM smsr.euicc, generate_series(1, 2)')"))[2], qr/it was there before/, 'or its query is wrong');
is($router->safe_psql('postgres', "SELECT sum(members) FROM smsr.rehearse('look') WHERE verdict = 'all'"), $cards, 'it is rehearsed by its name');
is(($fleet->shards)[1]->safe_psql('postgres', "SELECT smsr.start_campaign(id) FROM smsr.campaign WHERE name = 'look'"), 'running', 'it is begun on one');
is($router->safe_psql('postgres', "SELECT count(*) FROM smsr.start_campaign('look') WHERE outcome = 'running'"), 3, 'and then by its name on the others');
like((on('north', "SELECT * FROM smsr.pause_campaign('look')"))[2], qr/no shard has such a campaign of yours/, 'to a tenant the campaign of another is not there');
ok($router->poll_query_until('postgres', "SELECT state = 'finished' FROM smsr.campaign WHERE name = 'look'"), 'it comes to its end everywhere');
is($router->safe_psql('postgres', "SELECT shards, members, done, percent FROM smsr.campaign WHERE name = 'look'"), "4|$cards|$cards|100.0", 'and its progress is that of all');

isnt(($router->psql('postgres', "SELECT * FROM smsr.rerun_campaign('look', 'again')"))[0], 0, 'nobody is to be tried again');

# ---- eUICCs move ----

sub resume
{
	for (1 .. 50)
	{
		my ($rc, $n) = $router->psql('postgres', 'SELECT smsr_router.resume()');
		return 1 if $rc == 0 && $n == 0;
		sleep 0.1;
	}
	return 0;
}

sub keysets { return $router->safe_psql('postgres', "SELECT string_agg(q ->> 'k', ' ' ORDER BY q ->> 'k') FROM smsr.fleet_query('SELECT eid || '':'' || kvn || '':'' || counter AS k FROM smsr.keyset') q"); }
sub stories { return $router->safe_psql('postgres', "SELECT sum((q ->> 'm')::int), sum((q ->> 'o')::int) FROM smsr.fleet_query('SELECT (SELECT count(*) FROM smsr.message WHERE eid IS NOT NULL) AS m, (SELECT count(*) FROM smsr.operation) AS o') q"); }

my ($keysets, $stories) = (keysets(), stories());
my @eids = $fleet->eids;
my $to = 3;
my @moving = grep { $fleet->shard_of($_) != $to } @eids;
my $one = shift @moving;
my $from = $fleet->shard_of($one);
# of its audit trail the old months have been dropped: where it goes on goes along
is(($fleet->shards)[$from]->safe_psql('postgres', <<"SQL"), 't', 'old months of an audit trail are dropped on one shard');
SELECT smsr.make_partition('audit_trail', '2020-01-01') \\g /dev/null
DO \$\$
DECLARE
	r smsr.audit_trail;
	before bytea;
	t regclass;
BEGIN
	FOREACH t IN ARRAY '{smsr.audit_trail,smsr.audit_head}'::regclass[] LOOP
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER append_only', t);
	END LOOP;
	UPDATE smsr.audit_trail SET recorded_at = '2020-01-02' WHERE eid = '$one';
	FOR r IN SELECT * FROM smsr.audit_trail WHERE eid = '$one' ORDER BY number LOOP
		before := smsr.audit_link(before, r.number, smsr.audit_digest(r));
		UPDATE smsr.audit_trail SET hash = before WHERE eid = r.eid AND number = r.number;
	END LOOP;
	UPDATE smsr.audit_head SET hash = before WHERE eid = '$one';
	FOREACH t IN ARRAY '{smsr.audit_trail,smsr.audit_head}'::regclass[] LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only', t);
	END LOOP;
END \$\$;
SELECT smsr.take_checkpoint() \\g /dev/null
SELECT smsr.drop_audit_trail('2020-02-01Z') \\g /dev/null
SELECT EXISTS (SELECT FROM smsr.audit_start WHERE eid = '$one') AND NOT EXISTS (SELECT FROM smsr.audit_trail WHERE eid = '$one');
SQL
is($router->safe_psql('postgres', "SELECT * FROM smsr_router.move('{$one}', $to)"), "$one|", 'an eUICC is moved');
is($fleet->shard_of($one), $to, 'the router knows it');
is($fleet->misplaced, '', 'it is there and nowhere else');
is($router->safe_psql('postgres', 'SELECT smsr_router.resume()'), 1, 'what is left is to be confirmed');
is($router->safe_psql('postgres', 'SELECT smsr_router.resume()'), 0, 'and then nothing');
is(keysets(), $keysets, 'key sets and counters went along');
is(stories(), $stories, 'and the story');
is($router->safe_psql('postgres', 'SELECT * FROM smsr.audit_verify()'), '', 'both audit trails are sound');
is(($fleet->shards)[$to]->safe_psql('postgres', "SELECT count(*) FROM smsr.audit_start WHERE eid = '$one' AND cut IS NULL"), 1,
	'where one goes on of which months were dropped is known on both');
is(join(' ', map { ($fleet->shards)[$_]->safe_psql('postgres', "SELECT function FROM smsr.audit_trail WHERE eid = '$one' ORDER BY number DESC LIMIT 1") } $from, $to),
	'move_out move_in', 'the chain ends on the old shard and goes on on the new one');
is($router->safe_psql('postgres', "SELECT * FROM smsr_router.move('{$one}', $to)"), "$one|it is there already", 'moved again it stays');
like((($fleet->shards)[$from]->psql('postgres', "SELECT smsr.audit_eis('$one')"))[2], qr/moving between this shard and shard $to/, 'the old shard sends callers away');

# what a call under way, and one that comes in the middle, make of it
my $second = shift @moving;
my $third = shift @moving;
$fleet->end("gateway$_") for 0 .. 3;
$router->safe_psql('postgres', "SELECT smsr.audit_eis('$second')");
is($router->safe_psql('postgres', "SELECT * FROM smsr_router.move('{$second}', $to)"), "$second|an operation is under way", 'one that is in use stays');
my @at = map { "smsr_router.place_of_shard($_)" } 0 .. 3;
my $giver = $fleet->shard_of($third);
$router->safe_psql('postgres', "CREATE TABLE package AS SELECT * FROM smsr_router.move_out($at[$giver], 'by hand', '{$third}', $to)");
$id = $router->safe_psql('postgres', "SELECT smsr.audit_eis('$third', call_id => 'in the middle')");
is($router->safe_psql('postgres', "SELECT stage FROM smsr.operation_of('$third') WHERE id = $id"), 'waiting', 'a call for one that moves waits');
is($router->safe_psql('postgres', "SELECT because FROM smsr_router.move_gone($at[$giver], 'by hand', '{$third}',
	ARRAY(SELECT digest FROM smsr_router.move_in($at[$to], 'by hand', ARRAY(SELECT package FROM package))))"), 'it has changed since it was packed', 'and it does not leave without the call');
is($router->safe_psql('postgres', "SELECT because FROM smsr_router.move_open($at[$to], 'by hand', '{$third}', '{guessed}')"), 'the receipt is not the one that belongs to the package',
	'nor is it opened before it has left');
is($fleet->misplaced, '', 'so far it is where it was');
# what its card says meanwhile is kept
my $msisdn = $router->safe_psql('postgres', "SELECT msisdn FROM smsr.profile_of('$third') WHERE state = 'Enabled'");
like(($fleet->shards)[$giver]->safe_psql('postgres', "SELECT smsr.receive_sms('$msisdn', '\\x027100')"), qr/^held/, 'a message of its card is held');
ok(resume(), 'the move goes on');
is($fleet->shard_of($third), $to, 'and comes to its end');
is($router->safe_psql('postgres', "SELECT stage FROM smsr.operation_of('$third') WHERE id = $id"), 'sending', 'what waited begins');
($fleet->shards)[$giver]->safe_psql('postgres', 'SELECT smsr.tick()');
is(($fleet->shards)[$giver]->safe_psql('postgres', "SELECT shard FROM smsr.astray WHERE originator = '$msisdn'") || 'sent', 'sent', 'the message follows it')
	if $router->poll_query_until('postgres', "SELECT count(*) = 1 FROM smsr.fleet_query('SELECT 1 FROM smsr.message WHERE address = ''$msisdn'' AND detail = ''sent to shard $to''')");
$fleet->start_gateways;

# ---- whatever dies, and whenever ----

for ([1, 0], [2, 1], [3, 0], [3, 1], [4, 0], [5, 1])
{
	my ($steps, $victim) = @$_;
	my $eid = shift @moving;
	my $giver = $fleet->shard_of($eid);
	my $move = "fault $steps $victim";
	my $receipt;
	$router->psql('postgres', "DROP TABLE IF EXISTS package; CREATE TABLE package AS SELECT * FROM smsr_router.move_out($at[$giver], '$move', '{$eid}', $to)") for 1 .. 2;
	next if $router->safe_psql('postgres', 'SELECT package IS NULL FROM package') eq 't';
	$router->safe_psql('postgres', "SELECT * FROM smsr_router.move_in($at[$to], '$move', ARRAY(SELECT package FROM package))") for 1 .. ($steps > 1 ? 2 : 0);
	$receipt = $router->safe_psql('postgres', "SELECT receipt FROM smsr_router.move_gone($at[$giver], '$move', '{$eid}', ARRAY(SELECT sha256(convert_to(package::text, 'UTF8')) FROM package))") for 1 .. ($steps > 2 ? 2 : 0);
	$router->safe_psql('postgres', "SELECT * FROM smsr_router.move_open($at[$to], '$move', '{$eid}', '{$receipt}')") for 1 .. ($steps > 3 ? 2 : 0);
	my $node = ($fleet->shards)[$victim ? $to : $giver];
	$node->stop('immediate');
	$router->psql('postgres', 'SELECT smsr_router.resume()') if $steps == 5;
	$node->start;
	ok(resume(), "after step $steps the " . ($victim ? 'new' : 'old') . ' shard dies: the move comes to an end');
	is($fleet->shard_of($eid), $to, 'and the eUICC is on the new shard');
}
# at any moment: the router's call is cut off
my $cut = 0;
my @rest = @moving[0 .. 7];
for my $ms (3, 6, 10, 15, 22, 30, 45, 70)
{
	my $eid = shift @rest // last;
	my ($rc) = $router->psql('postgres', "SET statement_timeout = $ms; SELECT smsr_router.move('{$eid}', $to)");
	$cut++ if $rc != 0;
	ok(resume(), "cut off after $ms ms: nothing is left half done");
}
cmp_ok($cut, '>', 0, "$cut moves were cut off");
is($fleet->misplaced, '', 'each eUICC is on its one shard');
ok($fleet->wait_until_done(60), 'all calls come to an end');
is($fleet->differences, '', 'the shards and the cards agree');
is($router->safe_psql('postgres', 'SELECT * FROM smsr.audit_verify()'), '', 'all audit trails are sound');

# ---- a shard is emptied ----

my $parts = $router->safe_psql('postgres', 'SELECT array_agg(number) FROM smsr_router.partition WHERE shard = 0');
$router->safe_psql('postgres', "SELECT * FROM smsr_router.move_partitions('$parts', 1, most => 5)");
is($router->safe_psql('postgres', "SELECT smsr_router.assign('$parts', 1)") > 0, 1, 'partitions are assigned while some of their eUICCs are elsewhere');
is($fleet->misplaced, '', 'these are found where they are');
for (1 .. 20)
{
	last if $router->safe_psql('postgres', "SELECT last IS NULL FROM smsr_router.move_partitions('$parts', 1)") eq 't';
	resume();
}
is(($fleet->shards)[0]->safe_psql('postgres', 'SELECT count(*) FROM smsr.euicc'), 0, 'then the shard is empty');
is($fleet->misplaced, '', 'each eUICC is on its one shard');
is($router->safe_psql('postgres', <<'SQL'), $cards - 1, 'they are called where they are now, all but the one that South Mobile has disabled');
SELECT count(*) FROM (SELECT array_agg(eid) AS eids, array_agg(iccid) AS iccids FROM smsr.profile WHERE state = 'Enabled' AND NOT fallback_attribute) AS c, smsr.request('disable_profile', eids, iccids)
SQL
ok($fleet->wait_until_done(60), 'all calls come to an end');
is($router->safe_psql('postgres', "SELECT string_agg(DISTINCT status, ',') FROM smsr.operation WHERE function = 'disable_profile' AND requested_at > now() - interval '1 minute'"), 'EXECUTED_SUCCESS', 'with success');
is($fleet->differences, '', 'the shards and the cards agree');
is($fleet->counters_used_twice, '', 'no counter was used twice');
is($router->safe_psql('postgres', 'SELECT * FROM smsr.audit_verify()'), '', 'all audit trails are sound');

$fleet->stop;
done_testing();
