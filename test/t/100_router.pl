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
my $cards = 60;
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
my @answer = map { ($router->psql('postgres', "SELECT smsr.audit_eis('$_', call_id => 'alive')"))[0] == 0 ? 1 : 0 } $fleet->eids;
is(scalar(grep { $_ } @answer), $cards - $share[$dead], 'all others can');
isnt(($router->psql('postgres', 'SELECT count(*) FROM smsr.euicc'))[0], 0, 'a query over all shards says that one is missing, and does not count without it');
($fleet->shards)[$dead]->start;
is($router->safe_psql('postgres', "SELECT count(smsr.audit_eis(e::smsr.eid, call_id => 'alive')) FROM unnest('{@{[join ',', $fleet->eids]}}'::text[]) e"), $cards,
	'it comes back, and the calls are repeated');
is($router->safe_psql('postgres', "SELECT count(*), count(DISTINCT eid) FROM smsr.operation WHERE call_id = 'alive'"), "$cards|$cards", 'none was made twice');
is($fleet->misplaced, '', 'each eUICC is on its one shard');

$fleet->stop;
done_testing();
