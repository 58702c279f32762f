# A fault at every step of a change of SM-SR.  Nothing here depends on time: no
# gateway runs, the test carries every message itself, between the SM-SRs and to
# the cards, and stops each eUICC at the very step that is to be hit.
#
# For every stage of either side, and every event that core lets happen there,
# there are three eUICCs:
#   broken  the event's transaction is broken off in the middle by an error, then
#           rolled back, then ended with its backend, then with its server, each
#           time right before its commit; then it commits, and the server crashes
#   twice   the event comes twice, and so does all that follows it
#   lost    it does not come at all, and what follows only if it is repeated
# Then everything runs to its end, and whoever was not handed over is tried again.

use strict;
use warnings;

use lib 'test/t/lib';

use IO::Socket::UNIX;
use SmsrPair;
use SmsrSession;
use Test::More;
use Time::HiRes qw(time);

srand(9);

my @SIDE = ('gives', 'takes');		# of server 0 and 1

# ---- what is hit: side, stage, event; how to get there; what the event is ----
#
# at: the stage in which each server stops; '-' is none.  before: what else has to
# happen first.  The event is an SQL statement of its side's server.

my $TICK = 'SELECT smsr.tick()';

sub change { my ($c) = @_; return "SELECT smsr.smsr_change('$c->{eid}'::smsr.eid, '$c->{pair}{ids}[1]', '1 hour')"; }
sub prepare { my ($c) = @_; return "SELECT smsr.prepare_smsr_change('$c->{eid}'::smsr.eid, '$c->{pair}{ids}[0]', '1 hour')"; }
sub hear { my ($c, $n, $message) = @_; return "SELECT smsr.receive_peer_message('$c->{pair}{ids}[1 - $n]', \$j\$$message\$j\$)"; }

# the last question that a server asked about an eUICC; under an id that is new, if so
sub question
{
	my ($c, $n, $function, $anew) = @_;
	my $id = $anew ? 'smsr.next_id()' : 'm.id';
	return sql($n, "SELECT jsonb_build_object('id', $id\::text, 'eid', m.eid::text, 'function', m.function, 'arguments', m.arguments)
		FROM smsr.peer_message m WHERE m.eid = '$c->{eid}' AND m.direction = 'out' AND m.function = '$function' ORDER BY m.id DESC LIMIT 1")
		|| die "$c->{name}: server $n asked no $function";
}

# its last answer
sub answer
{
	my ($c, $n, $function) = @_;
	return sql($n, "SELECT jsonb_build_object('reply_to', m.id::text, 'eid', m.eid::text, 'function', m.function, 'answer', m.answer)
		FROM smsr.peer_message m WHERE m.eid = '$c->{eid}' AND m.direction = 'in' AND m.answer IS NOT NULL AND m.function = '$function'
		ORDER BY m.answered_at DESC LIMIT 1")
		|| die "$c->{name}: server $n answered no $function";
}

sub key_set_question
{
	my ($c) = @_;
	return sprintf '{"id": "%s", "eid": "%s", "function": "create_additional_key_set", "arguments": {"key_version_number": 9,'
		. ' "initial_sequence_counter": 0, "ecc_key_length": "ECC-256", "scenario_parameter": 8, "ephemeral_public_key": "04%s", "signature": "%s"}}',
		sql(1, 'SELECT smsr.next_id()'), $c->{eid}, '00' x 64, '00' x 64;
}

sub time_is_over { my ($c, $n) = @_; sql($n, "UPDATE smsr.handover SET expires_at = now() - interval '1 s' WHERE eid = '$c->{eid}'"); return; }
sub gave_up { my ($c, $n) = @_; time_is_over($c, $n); sql($n, $TICK); return; }
sub offered_anew { my ($c) = @_; card_silent($c, 0); gave_up($c, 0); sql(0, change($c)); return; }
sub tampered { my ($message) = @_; $message =~ s/(SignatureValue[^>]*>\s*.)(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e or die 'no signature'; return $message; }

# The card's answer to what is under way, not received yet.
sub card_answer
{
	my ($c, $n) = @_;
	sql($n, "UPDATE smsr.outbound SET due_at = now() WHERE eid = '$c->{eid}' AND due_at < 'infinity'");
	my @sms = to_cards($n, sub { $_[0] == $c });
	@sms or die "$c->{name}: the card does not answer";
	return receive_sms(@sms);
}

# Of one command to the card: nobody knows in time.
sub card_silent
{
	my ($c, $n) = @_;
	sql($n, "UPDATE smsr.operation o SET expires_at = now() - interval '1 s' FROM smsr.handover h
		WHERE h.eid = '$c->{eid}' AND o.eid = h.eid AND o.id = h.card_operation_id");
	return $TICK;
}

my $deadline0 = sub { time_is_over($_[0], 0); return $TICK };
my $deadline1 = sub { time_is_over($_[0], 1); return $TICK };
my $change = sub { change($_[0]) };
my $prepare = sub { prepare($_[0]) };
my $authenticate_anew = sub { hear($_[0], 0, question($_[0], 1, 'authenticate_smsr', 1)) };
my $key_set_anew = sub { hear($_[0], 0, key_set_question($_[0])) };
my $not_taken = sub { hear($_[0], 0, answer($_[0], 1, 'handover_euicc')) };
my $taken = $not_taken;			# the same message, with another answer in it
my $peer_gave_up = sub { gave_up($_[0], 1) };
my $offer = sub { hear($_[0], 1, question($_[0], 0, 'handover_euicc')) };
my $bad_offer = sub { hear($_[0], 1, tampered(question($_[0], 0, 'handover_euicc'))) };
my $offer_late = sub { hear($_[0], 1, question($_[0], 0, 'handover_euicc', 1)) };

# SR2 said no, to an offer that another one overtook, and has the receipt by now
sub overtaken
{
	my ($c) = @_;
	my $first = question($c, 0, 'handover_euicc');
	offered_anew($c);
	sql(1, hear($c, 1, question($c, 0, 'handover_euicc')));
	sql(1, hear($c, 1, $first));
	# the answer to the one that was overtaken is on its way until the end
	my $no = answer($c, 1, 'handover_euicc');
	sql($_, "UPDATE smsr.peer_message SET due_at = CASE direction WHEN 'out' THEN now() + interval '1 h' END
		WHERE eid = '$c->{eid}' AND function = 'handover_euicc' AND due_at IS NOT NULL") for 0, 1;
	$c->{at} = [ 'passed_on', '-' ];
	reach($c);
	sql(0, hear($c, 0, $no));
	sql(1, hear($c, 1, question($c, 0, 'handover_euicc')));
	return;
}

# several of one stage, with what they have in common
sub cells
{
	my ($n, $stage, $common, @events) = @_;
	return map { my ($event, @rest) = @$_; [ $n, $stage, $event, @$common, @rest ] } @events;
}

my @CELLS = (
	[ 0, '-', 'change', at => [ '-', 'prepared' ], changed => 0, event => $change ],

	cells(0, 'offered', [],
		[ 'change', at => [ 'offered', 'awaiting_challenge' ], event => $change ],
		[ 'authenticate', at => [ 'offered', 'awaiting_challenge' ], event => sub { hear($_[0], 0, question($_[0], 1, 'authenticate_smsr')) } ],
		[ 'create_key_set', at => [ 'offered', 'awaiting_challenge' ], event => $key_set_anew ],
		[ 'not_taken', at => [ 'offered', '-' ], prepared => 0, before => sub { sql(1, $offer->($_[0])) }, event => $not_taken ],
		[ 'deadline', at => [ 'offered', 'awaiting_challenge' ], event => $deadline0 ]),

	cells(0, 'authenticating', [ at => [ 'authenticating', 'awaiting_challenge' ] ],
		[ 'change', event => $change ],
		[ 'authenticate', event => $authenticate_anew ],
		[ 'create_key_set', event => $key_set_anew ],
		[ 'card_done', event => sub { card_answer($_[0], 0) } ],
		[ 'card_failed', event => sub { card_silent($_[0], 0) } ],
		[ 'not_taken', before => $peer_gave_up, event => $not_taken ],
		[ 'deadline', event => $deadline0 ]),

	cells(0, 'challenged', [ at => [ 'challenged', 'awaiting_receipt' ] ],
		[ 'change', event => $change ],
		[ 'authenticate', event => $authenticate_anew ],
		[ 'create_key_set', event => sub { hear($_[0], 0, question($_[0], 1, 'create_additional_key_set')) } ],
		[ 'not_taken', before => $peer_gave_up, event => $not_taken ],
		[ 'deadline', event => $deadline0 ]),

	cells(0, 'establishing', [ at => [ 'establishing', 'awaiting_receipt' ] ],
		[ 'change', event => $change ],
		[ 'authenticate', event => $authenticate_anew ],
		[ 'create_key_set', event => $key_set_anew ],
		[ 'card_done', event => sub { card_answer($_[0], 0) } ],
		[ 'card_failed', event => sub { card_silent($_[0], 0) } ],
		[ 'not_taken', before => $peer_gave_up, event => $not_taken ],
		[ 'deadline', event => $deadline0 ]),

	cells(0, 'passed_on', [ at => [ 'passed_on', 'awaiting_receipt' ] ],
		[ 'change', event => $change ],
		[ 'authenticate', event => $authenticate_anew ],
		[ 'create_key_set', event => $key_set_anew ],
		[ 'taken', at => [ 'passed_on', '-' ], event => $taken ],
		[ 'not_taken', before => $peer_gave_up, event => $not_taken ],
		[ 'deadline', event => $deadline0 ]),

	cells(0, 'asked_again', [ at => [ 'passed_on', 'awaiting_receipt' ], before => sub { gave_up($_[0], 1); sql(0, $not_taken->($_[0])) } ],
		[ 'change', event => $change ],
		[ 'authenticate', event => $authenticate_anew ],
		[ 'create_key_set', event => $key_set_anew ],
		[ 'taken', at => [ 'offered', 'prepared' ], before => \&overtaken, event => $taken ],
		[ 'not_taken', before => sub { gave_up($_[0], 1); sql(0, $not_taken->($_[0])); sql(1, $offer->($_[0])) }, event => $not_taken ],
		[ 'deadline', event => $deadline0 ]),

	cells(0, 'uncertain', [ at => [ 'passed_on', 'awaiting_receipt' ], before => sub { gave_up($_[0], 0) } ],
		[ 'change', event => $change ],
		[ 'authenticate', event => $authenticate_anew ],
		[ 'create_key_set', event => $key_set_anew ],
		[ 'taken', at => [ 'passed_on', '-' ], event => $taken ],
		[ 'not_taken', before => sub { gave_up($_[0], 0); gave_up($_[0], 1) }, event => $not_taken ]),

	[ 1, '-', 'prepare', at => [ '-', '-' ], prepared => 0, changed => 0, event => $prepare ],
	[ 1, '-', 'offer', at => [ 'offered', '-' ], prepared => 0, event => $offer ],
	[ 1, '-', 'bad_offer', at => [ 'offered', '-' ], prepared => 0, event => $bad_offer ],

	cells(1, 'prepared', [ at => [ 'offered', 'prepared' ] ],
		[ 'prepare', event => $prepare ],
		[ 'offer', event => $offer ],
		[ 'bad_offer', event => $bad_offer ],
		[ 'deadline', event => $deadline1 ]),

	cells(1, 'awaiting_challenge', [ at => [ 'authenticating', 'awaiting_challenge' ] ],
		[ 'prepare', event => $prepare ],
		[ 'offer', before => \&offered_anew, event => $offer ],
		[ 'bad_offer', before => \&offered_anew, event => $bad_offer ],
		[ 'challenge', at => [ 'challenged', 'awaiting_challenge' ], event => sub { hear($_[0], 1, answer($_[0], 0, 'authenticate_smsr')) } ],
		[ 'declined', before => sub { gave_up($_[0], 0) }, event => sub { hear($_[0], 1, answer($_[0], 0, 'authenticate_smsr')) } ],
		[ 'deadline', event => $deadline1 ]),

	cells(1, 'awaiting_receipt', [ at => [ 'establishing', 'awaiting_receipt' ] ],
		[ 'prepare', event => $prepare ],
		[ 'offer', before => \&offered_anew, event => $offer ],
		[ 'bad_offer', before => \&offered_anew, event => $bad_offer ],
		[ 'receipt', at => [ 'passed_on', 'awaiting_receipt' ], event => sub { hear($_[0], 1, answer($_[0], 0, 'create_additional_key_set')) } ],
		[ 'bad_receipt', at => [ 'passed_on', 'awaiting_receipt' ],
			event => sub { hear($_[0], 1, answer($_[0], 0, 'create_additional_key_set') =~ s/("receipt": ")(.)/$1 . ($2 eq '0' ? '1' : '0')/er) } ],
		[ 'declined', before => sub { gave_up($_[0], 0) }, event => sub { hear($_[0], 1, answer($_[0], 0, 'create_additional_key_set')) } ],
		[ 'deadline', event => $deadline1 ]),

	(map { cells(1, $_, [ at => [ 'passed_on', $_ ] ],
		[ 'prepare', event => $prepare ],
		[ 'offer', event => $offer_late ],
		[ 'card_done', event => sub { card_answer($_[0], 1) } ],
		[ 'card_failed', event => sub { card_silent($_[0], 1) } ],
		[ 'deadline', event => $deadline1 ]) } 'finalising', 'addressing'));

# What core knows, and does not come to pass here.
my %ELSEWHERE = (
	(map { ("gives $_ taken" => 'SR1 would have to come back from a backup') } 'offered', 'authenticating', 'challenged', 'establishing'),
	(map { ("gives - $_" => 'refused before it is an event: nothing is handed over to who asks') } 'authenticate', 'create_key_set'),
	(map { ("takes $_ bad_offer" => 'of what was taken over no offer is read') } 'finalising', 'addressing'));

my @VARIANTS = ('broken', 'twice', 'lost');

# ---- servers, cards ----

my $pair = SmsrPair->new('faults', cards => @CELLS * @VARIANTS, conf => "max_connections = 200\nsmsr.retry_initial = '1h'\nsmsr.retry_max = '1h'\n");
my ($stack, @node) = ($pair->stack, $pair->nodes);
my %world = (ids => [ $pair->ids ]);
my @session = map { SmsrSession->new($_) } @node;
$stack->start_fleet;
my $fleet = IO::Socket::UNIX->new(Peer => "$stack->{dir}/fleet.sock") or die "fleet: $!";

sub sql { my ($n, $sql) = @_; return $session[$n]->ask($sql); }

my %card;						# by EID
{
	my @eids = split /\n/, sql(0, 'SELECT eid FROM smsr.euicc ORDER BY eid');
	for my $variant (@VARIANTS)
	{
		for my $cell (@CELLS)
		{
			my ($n, $stage, $event, @rest) = @$cell;
			my %c = (prepared => 1, changed => 1, before => undef, @rest, n => $n, cell => "$SIDE[$n] $stage $event", variant => $variant,
				eid => shift @eids, pair => \%world);
			$c{name} = "$c{cell}, $variant";
			$card{ $c{eid} } = \%c;
		}
	}
}
my @cards = map { $card{$_} } sort keys %card;
my @all = (0, 1);

sub of { my ($variant) = @_; return grep { $_->{variant} eq $variant } @cards; }
sub eids { return "'{" . join(',', map { $_->{eid} } @_) . "}'::smsr.eid[]"; }

# ---- what carries ----

my (@letters, @waiting, @sms_log);		# all messages ever; what is for the next round; what cards said
our $moving;							# only these EIDs'; undef: all

sub stages
{
	my ($n) = @_;
	return map { split / / } split /\n/, sql($n, "SELECT eid || ' ' || stage FROM smsr.handover");
}

sub held { my ($c, $n, $stages) = @_; return defined $c->{at} && ($stages->{ $c->{eid} } // '-') eq $c->{at}[$n]; }

sub deliver
{
	my ($to, @messages) = @_;
	my $heard = sql($to, "SELECT smsr.receive_peer_messages('$world{ids}[1 - $to]', ARRAY[" . join(', ', map { "\$j\$$_\$j\$" } @messages) . ']::jsonb[])');
	die "messages that server $to could not process: $heard" if $heard =~ /not processed|not now/;
	return;
}

# One message an eUICC, to a server; what stops there is lost.
sub carry
{
	my ($to) = @_;
	my %stage = stages($to);
	my (%seen, @now, @later, @kept);
	push @{ $waiting[$to] }, split /\n/, sql(1 - $to, "SELECT message FROM smsr.claim_peer_messages('test', 10000, '1 hour')");
	for my $message (@{ $waiting[$to] })
	{
		my ($eid) = $message =~ /"eid": "(\d+)"/;
		my $c = $card{$eid};
		if ($moving && !$moving->{$eid}) { push @kept, $message; next }
		next if held($c, $to, \%stage);
		if ($seen{$eid}++) { push @later, $message; next }
		push @letters, [ $to, $message ];
		push @now, $message, ($c->{double} ? $message : ());
	}
	$waiting[$to] = [ @later, @kept ];
	deliver($to, @now) if @now;
	return @now + @later;
}

# What a server has for the cards that are wanted goes there; returns [number, octets]
# of what they answer.
sub to_cards
{
	my ($n, $wanted) = @_;
	my @answers;
	for (split /\n/, sql($n, "SELECT eid || ' ' || sms_id || ' ' || encode(tp_ud, 'hex') FROM smsr.claim_sms('test', 10000, '1 hour')"))
	{
		my ($eid, $id, $ud) = split / /;
		next if !$wanted->($card{$eid});
		for (1 .. $card{$eid}{double} ? 2 : 1)
		{
			print $fleet "sms $eid $ud\n";
			while (defined(my $line = <$fleet>))
			{
				chomp $line;
				last if $line eq 'ok';
				die "fleet: $line" if $line =~ /^error/;
				push @answers, [ split /\t/, $line ];
			}
		}
	}
	push @sms_log, map { [ $n, @$_ ] } @answers;
	return @answers;
}

sub receive_sms
{
	my (@sms) = @_;
	return 'SELECT smsr.receive_sms(ARRAY[' . join(', ', map { "'$_->[0]'" } @sms) . '], ARRAY[' . join(', ', map { "'\\x$_->[1]'" } @sms) . ']::bytea[])';
}

sub cards_of
{
	my ($n) = @_;
	my %stage = stages($n);
	my @sms = to_cards($n, sub { !held($_[0], $n, \%stage) && (!$moving || $moving->{ $_[0]{eid} }) });
	sql($n, receive_sms(@sms)) if @sms;
	return scalar @sms;
}

# whatever was sent may be sent again
sub time_passes
{
	sql($_, "UPDATE smsr.peer_message SET due_at = now() WHERE due_at > now();
		UPDATE smsr.outbound SET due_at = now() WHERE due_at > now() AND due_at < 'infinity'") for @all;
	return;
}

my $violations = 0;

# At any time: one SM-SR has it, and if both have its EIS one of them does not touch it.
sub look
{
	my ($when) = @_;
	my (%has, %uses);
	for my $n (@all)
	{
		for (split /\n/, sql($n, "SELECT e.eid || ' ' || (h.eid IS NULL)::int FROM smsr.euicc e LEFT JOIN smsr.handover h ON h.eid = e.eid AND h.side = 'gives'"))
		{
			my ($eid, $uses) = split / /;
			$has{$eid}++;
			$uses{$eid} += $uses;
		}
	}
	for my $c (@cards)
	{
		next if $has{ $c->{eid} } && ($uses{ $c->{eid} } // 0) <= 1;
		diag("$when: $c->{name}: " . ($has{ $c->{eid} } ? 'two use it' : 'nobody has it'));
		$violations++;
	}
	return;
}

sub pump
{
	while (carry(1) + carry(0) + cards_of(0) + cards_of(1)) { look('on the way') }
	return;
}

# Until these stand where they are to.
sub reach
{
	my (@who) = @_;
	local $moving = { map { $_->{eid} => 1 } @who };
	for (1 .. 20)
	{
		pump();
		my @stage = map { +{ stages($_) } } @all;
		my @missing = grep { my $c = $_; grep { !held($c, $_, $stage[$_]) } @all } @who;
		return if !@missing;
		time_passes();
		diag(map { "$_->{name} is at " . join(', ', map { $_ // '-' } map { $_->{ $missing[0]{eid} } } @stage) . "\n" } $missing[0]) if $_ > 18;
	}
	die 'not all come to where they are to be hit';
}

# ---- a fault in the middle, and what is to be as if nothing had been ----

sql($_, <<'SQL') for @all;
CREATE TABLE fault (eid smsr.eid PRIMARY KEY);
CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM public.fault f WHERE f.eid = NEW.eid) THEN
			RAISE EXCEPTION 'a fault, on purpose' USING ERRCODE = 'disk_full';
		END IF;
		RETURN NULL;
	END $$;
CREATE TRIGGER fault AFTER INSERT ON smsr.handover_step FOR EACH ROW EXECUTE FUNCTION fault();
CREATE FUNCTION all_about(smsr.eid) RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(t, E'\n' ORDER BY t COLLATE "C")) FROM (
		SELECT 'handover' || x::text AS t FROM smsr.handover x WHERE x.eid = $1
		UNION ALL SELECT 'step' || x::text FROM smsr.handover_step x WHERE x.eid = $1
		UNION ALL SELECT 'past' || x::text FROM smsr.handover_past x WHERE x.eid = $1
		UNION ALL SELECT 'peer' || x::text FROM smsr.peer_message x WHERE x.eid = $1
		UNION ALL SELECT 'operation' || x::text FROM smsr.operation x WHERE x.eid = $1
		UNION ALL SELECT 'outbound' || x::text FROM smsr.outbound x WHERE x.eid = $1
		UNION ALL SELECT 'message' || x::text FROM smsr.message x WHERE x.eid = $1
		UNION ALL SELECT 'euicc' || x::text FROM smsr.euicc x WHERE x.eid = $1
		UNION ALL SELECT 'profile' || x::text FROM smsr.profile x WHERE x.eid = $1
		UNION ALL SELECT 'keyset' || x::text FROM smsr.keyset x WHERE x.eid = $1
		UNION ALL SELECT 'audit' || x::text FROM smsr.audit_trail x WHERE x.eid = $1
		UNION ALL SELECT 'notice' || x::text FROM smsr.notice x WHERE x.eid = $1) a $$;
CREATE FUNCTION all_that_counts(smsr.eid) RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(t, E'\n' ORDER BY t COLLATE "C")) FROM (
		SELECT 'handover' || x::text AS t FROM smsr.handover x WHERE x.eid = $1
		UNION ALL SELECT 'past' || x::text FROM smsr.handover_past x WHERE x.eid = $1
		UNION ALL SELECT 'profile' || x::text FROM smsr.profile x WHERE x.eid = $1
		UNION ALL SELECT 'keyset' || (x.kvn, x.state, x.sealed)::text FROM smsr.keyset x WHERE x.eid = $1) a $$;
SQL

sub snapshot
{
	my ($what, @who) = @_;
	return join "\n", map { sql($_, "SELECT e, $what(e) FROM unnest(" . eids(@who) . ') e') } @all;
}

sub same
{
	my ($before, $after, $what) = @_;
	my @b = split /\n/, $before;
	my @a = split /\n/, $after;
	my %names = map { $card{ (split /\|/, $a[$_])[0] }{name} => 1 } grep { $a[$_] ne $b[$_] } 0 .. $#b;
	ok($before eq $after, $what) or diag(join "\n", sort keys %names);
	return;
}

# Both servers, at once, and up again.
sub crash
{
	my (@open) = @_;
	$_->stop('immediate') for @node;
	$_->close for @open, @session;
	$_->start for @node;
	@session = map { SmsrSession->new($_) } @node;
	return;
}

# Events with their statements, what time brings about once a server.
sub events
{
	my (@who) = @_;
	my (@events, %ticks);
	for my $c (@who)
	{
		if ($c->{sql} eq $TICK) { push @{ $ticks{ $c->{n} } }, $c; next }
		push @events, { n => $c->{n}, sql => $c->{sql}, cards => [$c] };
	}
	push @events, { n => $_, sql => $TICK, cards => $ticks{$_} } for sort keys %ticks;
	return @events;
}

sub arm { $_->{sql} = $_->{event}->($_) for @_; return; }

# ---- every stage is reached ----

my $began = time;
{
	my %core = map { $_ => 1 } split /\n/, sql(0, <<'SQL');
SELECT concat_ws(' ', s.side, coalesce(t.stage, '-'), e.event)
FROM unnest('{gives,takes}'::text[]) s (side),
	unnest('{NULL,offered,authenticating,challenged,establishing,passed_on,asked_again,uncertain,prepared,awaiting_challenge,awaiting_receipt,finalising,addressing}'::text[]) t (stage),
	unnest('{change,authenticate,create_key_set,taken,not_taken,prepare,offer,bad_offer,challenge,receipt,bad_receipt,declined,card_done,card_failed,deadline}'::text[]) e (event),
	smsr.handover(s.side, t.stage, false, e.event, false, true) r
WHERE r.expected AND (t.stage IS NULL OR (s.side = 'gives') = (t.stage IN ('offered', 'authenticating', 'challenged', 'establishing', 'passed_on', 'asked_again', 'uncertain')))
SQL
	my %here = map { $_->{cell} => 1 } @cards;
	is_deeply([ sort keys %core ], [ sort(keys %here, keys %ELSEWHERE) ], 'every stage and event that core knows is here');
}
sql(1, 'SELECT count(*) FROM smsr.prepare_smsr_change(' . eids(grep { $_->{prepared} } @cards) . ", '$world{ids}[0]', '1 hour')");
sql(0, 'SELECT count(*) FROM smsr.smsr_change(' . eids(grep { $_->{changed} } @cards) . ", '$world{ids}[1]', '1 hour')");
reach(@cards);
$_->{before} && $_->{before}->($_) for @cards;
{
	my @stage = map { +{ stages($_) } } @all;
	is(join(', ', grep { defined } map { my $s = $stage[ $_->{n} ]{ $_->{eid} } // '-'; $_->{cell} =~ / \Q$s\E / ? undef : "$_->{name} at $s" } @cards),
		'', 'every eUICC stands where it is to be hit');
}
diag(sprintf '%d stages and events, %d eUICCs, reached after %.1f s', scalar @CELLS, scalar @cards, time - $began);

# ---- broken off, in each way ----

{
	my @who = of('broken');
	arm(@who);
	my @events = events(@who);
	my $before = snapshot('all_about', @who);

	sql($_, 'INSERT INTO fault SELECT unnest(' . eids(@who) . ')') for @all;
	my @deaf = grep { ($session[ $_->{n} ]->try($_->{sql}) // '') !~ /ERROR:  a fault, on purpose/ } grep { $_->{sql} ne $TICK } @events;
	# the clock goes on, and says what it could not do
	for my $event (grep { $_->{sql} eq $TICK } @events)
	{
		sql($event->{n}, $TICK);
		my $noted = sql($event->{n}, "SELECT string_agg(concat_ws(' ', what, fault), ', ') FROM smsr.tick_fault");
		push @deaf, $event if $noted !~ /handover a fault, on purpose/;
	}
	is(join(', ', map { $_->{cards}[0]{name} } @deaf), '', 'an error in the middle of each event');
	sql($_, 'DELETE FROM fault; UPDATE smsr.tick_fault SET next_at = now()') for @all;
	same($before, snapshot('all_about', @who), '... is as if it had not been');

	sql($_->{n}, "BEGIN; $_->{sql}; ROLLBACK") for @events;
	same($before, snapshot('all_about', @who), 'each rolled back right before its commit: nor had that');

	my @open = map { SmsrSession->new($_) } @node;
	$_->ask('BEGIN') for @open;
	$open[ $_->{n} ]->ask($_->{sql}) for @events;
	for my $n (@all)
	{
		my $pid = $open[$n]->ask('SELECT pg_backend_pid()');
		sql($n, "SELECT pg_terminate_backend($pid, 10000)");
	}
	$_->close for @open;
	same($before, snapshot('all_about', @who), 'backends ended right before the commit: nor had that');

	@open = ();
	for my $event (@events)
	{
		push @open, SmsrSession->new($node[ $event->{n} ]);
		$open[-1]->ask("BEGIN; $event->{sql}");
	}
	is(scalar(@open), scalar(@events), 'a transaction of its own for each event is about to commit');
	crash(@open);
	same($before, snapshot('all_about', @who), 'servers crashed right before the commit: nor had that');

	sql($_->{n}, $_->{sql}) for @events;
	crash();
	my %done = map { $_ => 1 } map { split /\n/, sql($_, "SELECT concat_ws(' ', eid, side, coalesce(stage_before, '-'), event) FROM smsr.handover_step") } @all;
	is(join(', ', map { $_->{name} } grep { !$done{"$_->{eid} $_->{cell}"} } @who), '', 'servers crashed right after the commit: each event stays');
	look('after the crashes');
}

# ---- twice ----

{
	my @who = of('twice');
	arm(@who);
	$_->{double} = 1 for @who;
	for my $event (events(@who))
	{
		sql($event->{n}, $event->{sql}) for 1, 2;
	}
	my %done = map { $_ => 1 } map { split /\n/, sql($_, "SELECT concat_ws(' ', eid, side, coalesce(stage_before, '-'), event) FROM smsr.handover_step") } @all;
	is(join(', ', map { $_->{name} } grep { !$done{"$_->{eid} $_->{cell}"} } @who), '', 'each event twice');
	look('after events that came twice');
}

# ---- lost: what a card has done, and nobody heard ----

card_answer($_, $_->{n}) for grep { $_->{cell} =~ /card_done$/ } of('lost');

# ---- to the end ----

# What was lost was for nothing but its event.
sub settle
{
	$_->{at} = undef for @cards;
	my $open = 'SELECT count(*) FROM smsr.handover WHERE stage <> \'prepared\'';
	for my $round (1 .. 12)
	{
		pump();
		return 1 if sql(0, $open) + sql(1, $open) + sql(0, 'SELECT count(*) FROM smsr.operation WHERE status IS NULL') + sql(1, 'SELECT count(*) FROM smsr.operation WHERE status IS NULL') == 0;
		if ($round % 4 == 0)
		{
			sql($_, "UPDATE smsr.handover SET expires_at = now() - interval '1 s' WHERE expires_at < 'infinity';
				UPDATE smsr.operation SET expires_at = now() - interval '1 s' WHERE status IS NULL AND stage <> 'peer'; $TICK") for @all;
		}
		time_passes();
	}
	diag(map { "server $_: " . sql($_, "SELECT string_agg(concat_ws(' ', eid, side, stage), ', ') FROM smsr.handover") . "\n" } @all);
	return 0;
}

ok(settle(), 'all changes end');
my @left = split /\n/, sql(0, 'SELECT eid FROM smsr.euicc ORDER BY eid');
{
	# on the way that a change takes if nothing is refused, a fault costs nothing but time
	my %way = map { $_ => 1 } 'gives - change', 'gives offered authenticate', 'gives challenged create_key_set', 'gives passed_on taken',
		(map { "gives $_ card_done" } 'authenticating', 'establishing'), 'takes prepared offer',
		'takes awaiting_challenge challenge', 'takes awaiting_receipt receipt', (map { "takes $_ card_done" } 'finalising', 'addressing');
	my @stayed = grep { $way{ $_->{cell} } } map { $card{$_} } @left;
	# ... but for a call that nobody heard, and a receipt that no card gives twice
	is(join(', ', sort map { $_->{name} } @stayed), 'gives - change, lost, gives establishing card_done, lost', 'what goes its way goes over');
}
diag(sprintf '%d of %d went, %d stayed, after %.1f s', @cards - @left, scalar @cards, scalar @left, time - $began);
is(sql(0, "SELECT count(*) FROM smsr.handover_past WHERE side = 'gives' AND moved") + 0, @cards - @left, 'as many as the one has given');
is(sql(1, "SELECT count(*) FROM smsr.handover_past WHERE side = 'takes' AND moved") + 0, @cards - @left, '... the other one has taken');
is(sql(1, "SELECT string_agg(DISTINCT status, ', ' ORDER BY status) FROM smsr.handover_past WHERE side = 'takes' AND moved"),
	'EXECUTED_SUCCESS, EXECUTED_WITHWARNING', 'after the commit point there are warnings at most');
{
	# a fault that leaves no trace is no reason to warn: only what the card was not told is
	my %warned = map { $_ => 1 } split /\n/, sql(1, "SELECT eid FROM smsr.handover_past WHERE side = 'takes' AND status = 'EXECUTED_WITHWARNING'");
	is(join(', ', map { $_->{name} } grep { $warned{ $_->{eid} } && $_->{cell} !~ /^takes (finalising|addressing) (card_failed|deadline)/ } @cards),
		'', 'and those only where the card was not told all of it');
}

my @retried = map { $card{$_} } @left;
sql(1, 'SELECT count(*) FROM smsr.prepare_smsr_change(' . eids(@retried) . ", '$world{ids}[0]', '1 hour')");
sql(0, 'SELECT count(*) FROM smsr.smsr_change(' . eids(@retried) . ", '$world{ids}[1]', '1 hour')");
ok(settle(), 'what was not handed over is tried again');
is(sql(0, 'SELECT count(*) FROM smsr.euicc'), 0, 'then it is');
is(sql(1, 'SELECT count(*) FROM smsr.euicc'), scalar @cards, 'all of it');
is($violations, 0, 'at no time had an eUICC two SM-SRs, or none');

# ---- what cards and records say ----

sub audited
{
	my $before = sql(1, 'SELECT coalesce(max(id), 0) FROM smsr.operation');
	sql(1, "SELECT count(*) FROM smsr.request('audit_eis', ARRAY(SELECT eid FROM smsr.euicc))");
	settle();
	return sql(1, "SELECT count(*) FROM smsr.operation WHERE function = 'audit_eis' AND status = 'EXECUTED_SUCCESS' AND id > $before");
}

is(audited(), scalar @cards, 'every card answers its new SM-SR under the keys that they agreed on');
$stack->ctl('save', "$stack->{dir}/cards");
$fleet->close;
$stack->end('fleet');
$stack->start_fleet;
$stack->ctl('restore', "$stack->{dir}/cards");
$fleet = IO::Socket::UNIX->new(Peer => "$stack->{dir}/fleet.sock") or die "fleet: $!";
is(audited(), scalar @cards, '... and so it does after a restart of the fleet');
is(sql($_, 'SELECT count(*) FROM smsr.audit_verify()'), 0, "the audit trail of SM-SR $_ is sound") for @all;
is(sql(0, 'SELECT count(DISTINCT eid) FROM smsr.audit_trail WHERE eid IS NOT NULL'), scalar @cards, 'SR1 keeps the record of what it gave');
is(sql(0, 'SELECT count(DISTINCT eid) FROM smsr.handover_step'), scalar @cards, '... and every step');
is(sql(1, "SELECT count(DISTINCT eid) FROM smsr.audit_trail WHERE smsr_id = '$world{ids}[0]'"), scalar @cards, 'SR2 has that record as well');

# ---- all of it once more, the last first ----

{
	my $before = snapshot('all_that_counts', @cards);
	for my $n (@all)
	{
		deliver($n, map { $_->[1] } grep { $_->[0] == $n } reverse @letters);
		sql($n, receive_sms(map { [ @$_[ 1, 2 ] ] } grep { $_->[0] == $n } reverse @sms_log));
	}
	pump();
	same($before, snapshot('all_that_counts', @cards), 'all messages once more, in reverse: nothing comes of them');
	look('after all messages once more');
	is($violations, 0, 'nor is any eUICC lost');
}
diag(sprintf '%.1f s', time - $began);

$_->close for @session;
$stack->end('fleet');
$_->stop('fast') for @node;
done_testing();
