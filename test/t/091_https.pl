# Sessions over HTTPS and a server that dies in the middle of a request, at each
# moment: what a card did is counted once, and what was given to it and not
# answered is either given again, because it never arrived, or asked after.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SmsrStack;
use Test::More;
use Time::HiRes qw(sleep time);

my $stack = SmsrStack->new('https', cards => 1, more_eis => ['--https']);
my $node = $stack->node;
my ($eid) = split /\n/, $stack->sql('SELECT eid FROM smsr.euicc');

# Whoever writes what the table says waits at the end of his statement.
$stack->sql(<<'SQL');
CREATE SCHEMA hold;
CREATE TABLE hold.at (what text);
CREATE FUNCTION hold.here() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		IF EXISTS (SELECT FROM hold.at WHERE what = TG_ARGV[0]) THEN
			PERFORM pg_sleep(60);
		END IF;
		RETURN NULL;
	END $$;
CREATE TRIGGER hold_given AFTER UPDATE ON smsr.outbound FOR EACH ROW
	WHEN (new.session IS DISTINCT FROM old.session AND new.session IS NOT NULL) EXECUTE FUNCTION hold.here('given');
CREATE TRIGGER hold_answered AFTER INSERT ON smsr.message_default FOR EACH ROW
	WHEN (new.outcome = 'answer') EXECUTE FUNCTION hold.here('answered');
CREATE TRIGGER hold_closed AFTER UPDATE ON smsr.https_session FOR EACH ROW
	WHEN (new.state = 'closed' AND old.state = 'open') EXECUTE FUNCTION hold.here('closed');
SQL

my $identity = $stack->sql('SELECT identity FROM smsr.psk');

# A request of the card, in a session: status, where to go on, and what is to be done.
sub post
{
	my ($session, $uri, %with) = @_;
	my $headers = join ', ', map { "\"$_\": \"$with{headers}{$_}\"" } sort keys %{ $with{headers} // {} };
	$headers = ", $headers" if $headers ne '';
	my $body = defined $with{body} ? "'\\x$with{body}'" : 'NULL';
	return "SELECT concat_ws('|', r.status, r.headers ->> 'X-Admin-Next-URI', smsr.describe(r.body))
		FROM smsr.https_request('$identity', 'POST', '$uri', '{\"x-admin-protocol\": \"globalplatform-remote-admin/1.0\"$headers}', $body, 'g', '$session') r";
}
my %ok = (headers => { 'x-admin-script-status' => 'ok' });
my $done = 'AF80230290000000';

# The statement is held at that moment, the server dies there and comes back.
sub dies_at
{
	my ($what, $sql) = @_;
	$stack->sql("INSERT INTO hold.at VALUES ('$what')");
	my $said = '';
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql ], '>', \$said, '2>', \$said);
	my $held = 0;
	for (1 .. 600)
	{
		$held = $stack->sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
		last if $held;
		sleep 0.05;
	}
	is($held, 1, "$what: held in the middle");
	$node->stop('immediate');
	eval { $session->finish };
	$node->start;
	$stack->sql('DELETE FROM hold.at');
	return;
}
sub operation { return $stack->sql('SELECT concat_ws(\'|\', function, coalesce(status, stage), step) FROM smsr.operation ORDER BY id DESC LIMIT 1'); }
sub ask { return $stack->sql("SELECT smsr.set_fallback_attribute('$eid', iccid) FROM smsr.profile WHERE NOT fallback_attribute ORDER BY iccid LIMIT 1"); }
# what may never be
sub nothing_twice
{
	my ($when) = @_;
	is($stack->sql('SELECT count(*) FROM (SELECT operation_id FROM smsr.message WHERE direction = \'in\' AND outcome = \'answer\' GROUP BY 1 HAVING count(*) > 1) d'), 0,
		"$when: no answer counts twice");
	is($stack->sql('SELECT count(*) FROM smsr.operation o WHERE (SELECT count(*) FROM smsr.audit_trail a WHERE a.operation_id = o.id AND a.status IS NOT NULL) <> (o.status IS NOT NULL)::int'), 0,
		"$when: each operation ended once");
	return;
}

# given, and never told to have been: it is as if nobody had asked
ask();
dies_at('given', post('a', '/a'));
is($stack->sql('SELECT bearer, attempts, session IS NULL FROM smsr.outbound'), 'sms|0|t', 'nothing was given');
is($stack->sql('SELECT count(*) FROM smsr.https_session'), 0, 'nor is there a session');
my $answer = $stack->sql(post('b', '/a'));
like($answer, qr{^200\|/a\?script=\d+\|SetFallBackAttribute}, 'another connection: it is given');
my ($uri) = $answer =~ /\|(.*)\|/;

# answered, and not told that it was: the card says it again
dies_at('answered', post('b', $uri, %ok, body => $done));
is(operation(), 'set_fallback_attribute|sending|set_fallback', 'the answer has not come');
is($stack->sql('SELECT state, script_id IS NOT NULL FROM smsr.https_session'), 'open|t', 'the session knows what was given in it');
is($stack->sql(post('c', $uri, headers => { 'x-admin-script-status' => 'ok', 'x-admin-resume' => 'true' }, body => $done)), '204', 'the card resumes in another connection');
is(operation(), 'set_fallback_attribute|EXECUTED_SUCCESS|set_fallback', 'the answer has come');
is($stack->sql(post('d', $uri, headers => { 'x-admin-script-status' => 'ok', 'x-admin-resume' => 'true' }, body => $done)), '204', 'and once more');
nothing_twice('answered');

# given, committed, and the card has never had it: it repeats its request
ask();
$answer = $stack->sql(post('e', '/a'));
$node->stop('immediate');
$node->start;
is($stack->sql(post('f', '/a', headers => { 'x-admin-resume' => 'true' })), $answer, 'the same script is the answer to the same request');
($uri) = $answer =~ /\|(.*)\|/;
is($stack->sql(post('f', $uri, %ok, body => $done)), '204', 'and is answered');
nothing_twice('given again');

# the end of a session dies with the server: the clock ends it
ask();
$answer = $stack->sql(post('g', '/a'));
dies_at('closed', "SELECT smsr.https_closed('$identity', 'g', 'g', 'reset')");
is($stack->sql('SELECT state FROM smsr.https_session'), 'open', 'the session is open');
$stack->sql('UPDATE smsr.https_session SET last_at = now() - interval \'1 hour\'; SELECT smsr.tick()');
is($stack->sql('SELECT state FROM smsr.https_session'), 'closed', 'until the clock ends it');
# the card has lost its memory of it and begins anew: its command may be given twice, this one
$answer = $stack->sql(post('h', '/a'));
like($answer, qr{^200\|/a\?script=\d+\|}, 'a card that begins anew is asked');
for (1 .. 5)
{
	($uri) = $answer =~ /\|(.*)\|/ or last;
	$answer = $stack->sql(post('h', $uri, %ok, body => 'AF80230290000000'));
}
nothing_twice('lost');
is($stack->sql("SELECT string_agg(DISTINCT outcome, ', ' ORDER BY outcome) FROM smsr.message WHERE direction = 'in'"), 'answer, answer repeated, session', 'all that came is kept');

done_testing();
