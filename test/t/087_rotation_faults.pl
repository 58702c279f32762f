# A fault at each step of a rotation of card keys, of sealing again and of a change
# of the KEK: what is lost on the way, a transaction taken back, a backend killed
# before it commits, a server that crashes after it has, a token that is gone.
# Each time nothing is lost, what the card has opens here, and it goes on.
#
# Nothing depends on time.  The test carries every packet by itself, to cards
# that another server plays: what they have is theirs, whatever becomes of this one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;
use Time::HiRes qw(sleep time);
use Token;

my $token = Token->new;
my $node = PostgreSQL::Test::Cluster->new('rotation');
my $cards = PostgreSQL::Test::Cluster->new('cards');

# ---- servers ----

my $other_kek = "$token->{dir}/kek";
$token->write_file('kek', join '', map { sprintf '%02x', rand 256 } 1 .. 32);
$token->write_file('wrong', join '', map { sprintf '%02x', rand 256 } 1 .. 32);
sub conf { my (%setting) = @_; return join '', map { "smsr.$_ = '$setting{$_}'\n" } sort keys %setting; }

$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nfsync = on\nautovacuum = off\nsmsr.eum_signature = 'unchecked'\n" . conf($token->settings));
$node->start;
$cards->init;
$cards->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\n");
$cards->start;
$_->safe_psql('postgres', 'CREATE EXTENSION smsr') for $node, $cards;

sub sql { return $node->safe_psql('postgres', "SET client_min_messages = error; $_[0]"); }

# ---- eUICCs: all with the same three keys, which is nobody's business but theirs ----

my @KEY = qw(AAB78636E825A093D6323F6BF0C64FB2 F6211271F9E372580A84F416FBADBA6F 6F9B5DF8E1DA1E9E074982E5CE86AA67);
my $CARDS = 200;
sql(<<"SQL");
SELECT smsr.create_storage_key();
SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.1', 'none');
INSERT INTO smsr.party (oid, kind, name) VALUES ('1.3.6.1.4.1.99999.3', 'MNO', 'North Mobile');
INSERT INTO smsr.eis_inbox (document)
	SELECT format('<Eis xmlns="http://namespaces.gsma.org/esim-messaging/3"><EumSignedInfo>'
		'<Eid>%s</Eid><Eum-id>1.3.6.1.4.1.99999.1</Eum-id><ProductionDate>2026-01-15T08:00:00Z</ProductionDate>'
		'<PlatformType>sample</PlatformType><PlatformVersion>1.0.0</PlatformVersion>'
		'<Isd-p-loadfile-aid>A0000005591010FFFFFFFF8900000D00</Isd-p-loadfile-aid>'
		'<Isd-p-module-aid>A0000005591010FFFFFFFF8900000E00</Isd-p-module-aid>'
		'<Ecasd><Aid>A0000005591010FFFFFFFF8900000200</Aid><Tar>000002</Tar><Sin>42</Sin><Sdin>45</Sdin><Role>ECASD</Role>'
		'<Keyset><Version>116</Version><Type>CA</Type><Certificate><Index>1</Index><CaId>2B0601</CaId><Value>7F2100</Value></Certificate></Keyset></Ecasd>'
		'<EuiccCapabilities><CattpSupport>false</CattpSupport><HttpSupport>false</HttpSupport>'
		'<SecurePacketVersion>12.0.0</SecurePacketVersion><RemoteProvisioningVersion>3.1.0</RemoteProvisioningVersion></EuiccCapabilities>'
		'</EumSignedInfo><RemainingMemory>500000</RemainingMemory><AvailableMemoryForProfiles>600000</AvailableMemoryForProfiles>'
		'<Smsr-id>1.3.6.1.4.1.99999.9</Smsr-id><ProfileInfo><Iccid>8949000000%s9</Iccid>'
		'<Isd-p-aid>A0000005591010FFFFFFFF8900001000</Isd-p-aid><Mno-id>1.3.6.1.4.1.99999.3</Mno-id>'
		'<FallbackAttribute>true</FallbackAttribute><SubscriptionAddress><Msisdn>4917%s</Msisdn></SubscriptionAddress>'
		'<State>Enabled</State><AllocatedMemory>50000</AllocatedMemory><pol2/></ProfileInfo>'
		'<Isd-r><Aid>A0000005591010FFFFFFFF8900000100</Aid><Tar>000001</Tar>'
		'<Sin>42</Sin><Sdin>45</Sdin><Role>ISD-R</Role><Keyset><Version>2</Version><Type>SCP80</Type><Cntr>0</Cntr>'
		'<Key kcv="1233DD"><Index>1</Index><KeyComponent type="88" value="$KEY[0]"/></Key>'
		'<Key kcv="9BFD22"><Index>2</Index><KeyComponent type="88" value="$KEY[1]"/></Key>'
		'<Key kcv="F5C09A"><Index>3</Index><KeyComponent type="88" value="$KEY[2]"/></Key>'
		'</Keyset></Isd-r></Eis>', d || lpad((98 - (d || '00')::numeric % 97)::text, 2, '0'), lpad(n::text, 8, '0'), lpad(n::text, 8, '0'))
	FROM generate_series(1, $CARDS) AS n, LATERAL (SELECT '890010120123412340' || lpad(n::text, 12, '0')) AS d (d);
SQL
is(sql('SELECT registered, rejected FROM smsr.register_inbox()'), "$CARDS|0", 'eUICCs are registered')
	or BAIL_OUT(sql('SELECT DISTINCT element, reason FROM smsr.eis_reject'));
my %number = map { split /\|/ } split /\n/, sql('SELECT eid, msisdn FROM smsr.profile');
my @fresh = sort keys %number;

# ---- the cards ----

$cards->safe_psql('postgres', <<"SQL");
CREATE SCHEMA card;
CREATE TABLE card.keyset (eid text, kvn int, kic bytea, kid bytea, dek bytea, cntr bigint NOT NULL DEFAULT 0, PRIMARY KEY (eid, kvn));
CREATE TABLE card.done (eid text, kvn int, cntr bigint, what text, n bigint GENERATED ALWAYS AS IDENTITY);
INSERT INTO card.keyset SELECT e, 2, '\\x$KEY[0]', '\\x$KEY[1]', '\\x$KEY[2]' FROM unnest('{@{[join ',', @fresh]}}'::text[]) AS e;
SQL
$cards->safe_psql('postgres', <<'SQL');
-- One block under AES-CBC of IV 0, through what deciphers packets: behind a block
-- that deciphers to a header of zeros, whose ciphertext is the IV of the next.
CREATE FUNCTION card.unwrap(dek bytea, wrapped bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	zeros bytea := smsr.scp80_command('\x0400', '\x12', '\x00', '\x000000', 0, dek, '', decode(repeat('00', 10), 'hex'));
	plain bytea;
BEGIN
	plain := substr((smsr.scp80_open_command(set_byte(zeros, 1, get_byte(zeros, 1) + 16) || wrapped, dek, '')).data, 11);
	FOR i IN 0 .. 15 LOOP
		plain := set_byte(plain, i, get_byte(plain, i) # get_byte(zeros, 10 + i));
	END LOOP;
	RETURN plain;
END $$;
CREATE FUNCTION card.tlv(tag text, value bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT decode(tag || CASE WHEN length(value) < 128 THEN lpad(to_hex(length(value)), 2, '0')
		ELSE '81' || to_hex(length(value)) END, 'hex') || value
$$;
CREATE FUNCTION card.put_key(of text, by int, script bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	d bytea := substr(script, position('\x80D8'::bytea IN script));
	k card.keyset;
	new card.keyset;
	keys bytea[] := '{}';
	said bytea := substr(d, 6, 1);
	at int := 7;
	len int;
BEGIN
	SELECT * INTO k FROM card.keyset x WHERE x.eid = of AND x.kvn = by;
	IF (get_byte(d, 2) <> 0) <> EXISTS (SELECT FROM card.keyset x WHERE x.eid = of AND x.kvn = get_byte(d, 5)) THEN
		RETURN '\x6A80';
	END IF;
	FOR i IN 1 .. 3 LOOP
		len := get_byte(d, at);
		keys := keys || card.unwrap(k.dek, substr(d, at + 2 + len - 16, 16));
		said := said || substr(d, at + 2 + len + 1, 3);
		at := at + len + 6;
	END LOOP;
	INSERT INTO card.keyset VALUES (of, get_byte(d, 5), keys[1], keys[2], keys[3])
		ON CONFLICT (eid, kvn) DO UPDATE SET kic = excluded.kic, kid = excluded.kid, dek = excluded.dek, cntr = 0;
	RETURN said || '\x9000';
END $$;
-- What a card makes of a packet: short messages of its answer, or nothing.
CREATE FUNCTION card.hears(of text, tp_uds bytea[]) RETURNS bytea[] LANGUAGE plpgsql AS $$
DECLARE
	packet bytea := smsr.sms_reassemble(tp_uds);
	key card.keyset;
	c record;
	status int := 0;
	what text := 'low';
	r bytea := '';
BEGIN
	SELECT * INTO key FROM card.keyset k WHERE k.eid = of AND k.kvn = get_byte(packet, 5) >> 4 FOR UPDATE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	c := smsr.scp80_open_command(packet, key.kic, key.kid);
	IF c.authentic IS NOT TRUE THEN
		RETURN NULL;
	ELSIF c.cntr <= key.cntr THEN
		status := 2;
	ELSE
		UPDATE card.keyset k SET cntr = c.cntr WHERE k.eid = of AND k.kvn = key.kvn;
		IF position('\x80D8'::bytea IN c.data) > 0 THEN
			what := 'put_key';
			r := card.put_key(of, key.kvn, c.data);
		ELSIF position('\x80CA00E0'::bytea IN c.data) > 0 THEN
			what := 'key_info';
			r := (SELECT card.tlv('E0', string_agg('\xC004'::bytea || set_byte('\x00', 0, id) || set_byte('\x00', 0, k.kvn) || '\x8810'::bytea, ''::bytea ORDER BY k.kvn, id))
				FROM card.keyset k, generate_series(1, 3) id WHERE k.eid = of) || '\x9000'::bytea;
		ELSE
			what := 'audit';
			r := card.tlv('E3', card.tlv('4F', '\xA0000005591010FFFFFFFF8900001000') || '\x9F70013F530101'::bytea) || '\x9000'::bytea;
		END IF;
		r := card.tlv('AB', '\x800101'::bytea || card.tlv('23', r));
	END IF;
	INSERT INTO card.done (eid, kvn, cntr, what) VALUES (of, key.kvn, c.cntr, what);
	RETURN ARRAY(SELECT s FROM smsr.sms_segments(smsr.scp80_response('\x39', set_byte('\x02', 0, key.kvn << 4 | 2),
		set_byte('\x02', 0, key.kvn << 4 | 2), c.tar, c.cntr, status, key.kic, key.kid, r), 113, 7) s);
END $$;
SQL

# [eid, short messages in hexadecimal, a comma between them] each, and what the cards say to it
sub cards_hear
{
	my (@packets) = @_;
	return if !@packets;
	my $said = $cards->safe_psql('postgres', join '', map {
		"SELECT '$_->[0]', array_to_string(ARRAY(SELECT encode(s, 'hex') FROM unnest(card.hears('$_->[0]', ARRAY["
		. join(',', map { "'\\x$_'" } split /,/, $_->[1]) . "]::bytea[])) s), ',');\n" } @packets);
	return grep { defined $_->[1] && $_->[1] ne '' } map { [split /\|/] } split /\n/, $said;
}

# the call that takes in what they say
sub receive
{
	my (@said) = @_;
	my @sms = map { my $eid = $_->[0]; map { [$number{$eid}, $_] } split /,/, $_->[1] } @said;
	return 'SELECT smsr.receive_sms(ARRAY[' . join(',', map { "'$_->[0]'" } @sms) . ']::text[], ARRAY['
		. join(',', map { "'\\x$_->[1]'" } @sms) . ']::bytea[])';
}

# ---- transactions, and what befalls them ----

sub wait_for_server
{
	my ($pid) = @_;
	for (1 .. 600)
	{
		return if kill(0, $pid) == 0 && system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) == 0;
		sleep 0.02;
	}
	die 'the server does not come back';
}

# all that a rotation changes
sub state
{
	return sql(<<'SQL');
SELECT md5(concat_ws(' ', (SELECT string_agg(o::text, ' ' ORDER BY o.id) FROM smsr.operation o),
	(SELECT string_agg(b::text, ' ' ORDER BY b.id) FROM smsr.outbound b),
	(SELECT string_agg(k::text, ' ' ORDER BY k.eid, k.kvn) FROM smsr.keyset k),
	(SELECT string_agg(s::text, ' ' ORDER BY s.id) FROM smsr.storage_key s),
	(SELECT count(*) FROM smsr.message), (SELECT count(*) FROM smsr.audit_trail)))
SQL
}

# What it says in the end; $fault: how it goes wrong first.
sub tx
{
	my ($what, $fault, $sql) = @_;
	my $before = $fault && $fault ne 'crashed' ? state() : '';
	if (!$fault) { }
	elsif ($fault eq 'aborted')
	{
		sql("BEGIN; $sql; ROLLBACK");
	}
	elsif ($fault eq 'killed')
	{
		my $session = PsqlSession->new($node);
		$session->ask("BEGIN; $sql");
		$session->kill_backend;
		wait_for_server($session->pid);
	}
	elsif ($fault eq 'crashed')
	{
		sql($sql);
		$node->stop('immediate');
		$node->start;
	}
	elsif ($fault eq 'no token')
	{
		$token->away;
		my ($rc, $out, $err) = $node->psql('postgres', $sql);
		$token->back;
		like($err, qr/token "smsr" is not present.*HINT:  Nothing is lost/s, "$what, $fault: it says so");
	}
	is(state(), $before, "$what, $fault: as if it had not been") if $before ne '';
	return sql($sql);
}

# ---- a rotation ----

my $calls = 0;
my @late;		# what comes once more when all is over

# Until all have ended; %fault: by "round.step".  What happened to the first card, in order.
sub carry
{
	my ($what, $eids, %fault) = @_;
	my $these = "'{" . join(',', @$eids) . "}'::smsr.eid[]";
	my @answered;
	for my $round (1 .. 12)
	{
		last if sql("SELECT count(*) FROM smsr.operation WHERE status IS NULL AND eid = ANY ($these)") == 0;
		sql("UPDATE smsr.outbound SET due_at = now() WHERE eid = ANY ($these)");
		my %packet;
		my $claim = "SELECT sms_id, eid, encode(tp_ud, 'hex') FROM smsr.claim_sms('test', 1000, '1 minute')";
		my $claimed = tx("$what: claim $round", $fault{"$round.claim"}, $claim);
		if ($claimed eq '' && ($fault{"$round.claim"} // '') eq 'crashed')
		{
			# the gateway that had them is gone: when its lease is over
			my $octets = sql("SELECT md5(string_agg(packet, '' ORDER BY id)) FROM smsr.outbound WHERE eid = ANY ($these)");
			sql("UPDATE smsr.outbound SET due_at = now() WHERE eid = ANY ($these)");
			$claimed = sql($claim);
			is(sql("SELECT md5(string_agg(packet, '' ORDER BY id)) FROM smsr.outbound WHERE eid = ANY ($these)"), $octets,
				"$what: claim $round: the same octets again");
		}
		for (split /\n/, $claimed)
		{
			my ($id, $eid, $octets) = split /\|/;
			push @{ $packet{$id >> 5}{ids} }, $id;
			push @{ $packet{$id >> 5}{octets} }, $octets;
			$packet{$id >> 5}{eid} = $eid;
		}
		my @ids = map { @{ $_->{ids} } } values %packet;
		tx("$what: submitted $round", $fault{"$round.submitted"},
			"SELECT smsr.sms_submitted('{" . join(',', @ids) . "}', '{" . join(',', @ids) . "}')") if @ids;
		my @packets = map { [$packet{$_}{eid}, join ',', @{ $packet{$_}{octets} }] } sort { $a <=> $b } keys %packet;
		my $loses = $fault{"$round.packet"} // '';
		@packets = grep { $_->[0] ne $eids->[0] } @packets if $loses eq 'lost';
		push @packets, grep { $_->[0] eq $eids->[0] } @packets if $loses eq 'twice';
		push @late, grep { $_->[0] eq $eids->[0] } @packets if $loses eq 'late';
		my @said = cards_hear(@packets);
		$loses = $fault{"$round.answer"} // '';
		@said = grep { $_->[0] ne $eids->[0] } @said if $loses eq 'lost';
		push @said, grep { $_->[0] eq $eids->[0] } @said if $loses eq 'twice';
		push @answered, grep { $_->[0] eq $eids->[0] } @said if $loses eq 'late';
		tx("$what: receive $round", $fault{"$round.receive"}, receive(@said)) if @said;
		kept("$what: round $round", $these);
	}
	sql(receive(@answered)) if @answered;
	return;
}

# Of each eUICC what is active here is on the card, and all that is here opens.
sub kept
{
	my ($what, $these) = @_;
	my $has = $cards->safe_psql('postgres', 'SELECT string_agg(eid || \' \' || kvn, \',\') FROM card.keyset');
	is(sql(<<"SQL"), '', "$what: what is sent under is on the card, and opens");
SELECT e.eid, k.kvn FROM unnest($these) AS e (eid)
	LEFT JOIN smsr.keyset k ON k.eid = e.eid AND k.state = 'active'
WHERE k.kvn IS NULL OR e.eid || ' ' || k.kvn <> ALL ('{$has}')
UNION ALL
SELECT c.eid, c.kvn FROM smsr.check_key_values($these) AS c
SQL
	return;
}

sub next_cards { my ($n) = @_; die 'there are not enough eUICCs' if @fresh < $n; return splice @fresh, 0, $n; }

sub rotate
{
	my ($what, $n, %fault) = @_;
	my @eids = next_cards($n);
	my $these = "'{" . join(',', @eids) . "}'::smsr.eid[]";
	++$calls;
	tx("$what: call", $fault{call}, "SELECT count(*) FROM smsr.request('rotate_keys', $these, validity => '1 day', call_ids => array_fill('$calls'::text, ARRAY[$n]))");
	is(sql("SELECT string_agg(DISTINCT k.state, ' ' ORDER BY k.state) || ' ' || count(*) FROM smsr.keyset k WHERE k.eid = ANY ($these)"),
		'active pending ' . 2 * $n, "$what: both key sets are there before anything is sent");
	carry($what, \@eids, %fault);
	rotated($what, $these, $n);
	tx("$what: grace", $fault{grace}, 'SET smsr.retire_keys_after = 0; SELECT smsr.tick()') if exists $fault{grace};
	return @eids;
}

sub rotated
{
	my ($what, $these, $n) = @_;
	is(sql("SELECT count(*) || ' ' || string_agg(DISTINCT o.status, ' ') FROM smsr.operation o WHERE o.eid = ANY ($these) AND o.function = 'rotate_keys' AND o.status <> 'EXPIRED'"),
		"$n EXECUTED_SUCCESS", "$what: every rotation ends with success, once");
	is(sql("SELECT string_agg(DISTINCT k.kvn || ' ' || k.state, ', ' ORDER BY k.kvn || ' ' || k.state) FROM smsr.keyset k WHERE k.eid = ANY ($these)"),
		'1 active, 2 retiring', "$what: the new one is active, the old one retiring");
	return;
}

my $began = time;
rotate('no fault', 3);
for my $fault ('aborted', 'killed', 'crashed', 'no token')
{
	rotate("call $fault", 3, call => $fault);
	# 1: PUT KEY, 2: the proof
	for my $round (1, 2)
	{
		rotate("$_ $round $fault", 3, "$round.$_" => $fault) for $fault eq 'no token' ? ('claim', 'receive') : ('claim', 'submitted', 'receive');
	}
	rotate("grace $fault", 1, grace => $fault) if $fault ne 'no token';
}
for my $round (1, 2)
{
	rotate("packet $round $_", 3, "$round.packet" => $_) for 'lost', 'twice', 'late';
	rotate("answer $round $_", 3, "$round.answer" => $_) for 'lost', 'twice', 'late';
}
# one upon the other
rotate('all at once', 3, call => 'killed', '1.claim' => 'crashed', '1.answer' => 'lost', '2.receive' => 'killed', '3.claim' => 'no token',
	'3.answer' => 'lost', '4.submitted' => 'crashed', '4.packet' => 'twice');

# what the card does with copies of what it has had, and nobody here believes twice
is($cards->safe_psql('postgres', "SELECT string_agg(DISTINCT d.what, ' ') FROM card.done d WHERE d.what NOT IN ('put_key', 'key_info', 'low')"), '', 'cards were asked nothing else');
my $before = sql('SELECT md5(string_agg(k::text, \' \' ORDER BY k.eid, k.kvn)) FROM smsr.keyset k');
my @echo = cards_hear(@late);
is(scalar @echo, scalar @late, 'packets that come late are answered');
is($cards->safe_psql('postgres', 'SELECT string_agg(what, \' \') FROM (SELECT what FROM card.done ORDER BY n DESC LIMIT ' . scalar(@late) . ') d'),
	join(' ', ('low') x @late), 'by "low"');
sql(receive(@echo));
is(sql('SELECT md5(string_agg(k::text, \' \' ORDER BY k.eid, k.kvn)) FROM smsr.keyset k'), $before, 'which changes nothing here');

# ---- its time is over: both are kept, and the next one finds out ----

for my $fault ('packet', 'answer')
{
	for my $round (1, 2)
	{
		my @eids = next_cards(1);
		my $these = "'{$eids[0]}'::smsr.eid[]";
		my $what = "$fault $round never came";
		sql("SELECT smsr.rotate_keys('$eids[0]', validity => '1 day')");
		# nothing of this round, then its time is over
		for my $n (1 .. $round)
		{
			my @sms = map { [split /\|/] } split /\n/, sql("SELECT sms_id, encode(tp_ud, 'hex') FROM smsr.claim_sms('test', 10)");
			sql("SELECT smsr.sms_submitted('{" . join(',', map { $_->[0] } @sms) . "}', '{" . join(',', map { $_->[0] } @sms) . "}')");
			next if $n == $round && $fault eq 'packet';
			my @said = cards_hear([$eids[0], join ',', map { $_->[1] } @sms]);
			next if $n == $round;
			sql(receive(@said));
		}
		sql("UPDATE smsr.operation SET expires_at = now() WHERE eid = '$eids[0]'; SELECT smsr.tick()");
		is(sql("SELECT status || ' ' || message FROM smsr.operation WHERE eid = '$eids[0]'"),
			'EXPIRED the outcome is unknown: both key sets are kept, another rotation finds out', "$what: nobody knows, and that is said");
		is(sql("SELECT string_agg(kvn || ' ' || state, ', ' ORDER BY kvn) FROM smsr.keyset WHERE eid = '$eids[0]'"), '1 pending, 2 active', "$what: both are kept");
		kept($what, $these);
		$node->stop('immediate');
		$node->start;
		my $keys = sql("SELECT sealed FROM smsr.keyset WHERE eid = '$eids[0]' AND kvn = 1");
		sql("SELECT smsr.rotate_keys('$eids[0]', validity => '1 day')");
		carry($what, \@eids);
		rotated($what, $these, 1);
		is(sql("SELECT sealed FROM smsr.keyset WHERE eid = '$eids[0]' AND kvn = 1"), $keys, "$what: the same keys, not others");
	}
}

# ---- sealing again, and another KEK ----

my $seal = "SELECT count(smsr.seal_command(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, '\\x1621', '\\x000001', 1, '\\xAA022200')) FROM smsr.keyset k";
my $sets = sql('SELECT count(*) FROM smsr.keyset');
sub whole
{
	my ($what) = @_;
	is(sql($seal), $sets, "$what: every key set seals");
	is(sql('SELECT count(*) FROM smsr.check_key_values()'), 0, "$what: and is what it was");
	is(sql("SELECT count(*) FROM smsr.storage_key WHERE state = 'active'"), 1, "$what: one storage key is active");
	return;
}

my $key = 1;
for my $fault ('aborted', 'killed', 'crashed', 'no token')
{
	is(tx('new storage key', $fault, 'SELECT smsr.create_storage_key()'), $key + ($fault eq 'crashed' ? 2 : 1), "a new storage key, $fault");
	$key = sql("SELECT id FROM smsr.storage_key WHERE state = 'active'");
	# crashed: it was there, and the next one seals from now on
	whole("new storage key, $fault");
	my $left = sql("SELECT sum(key_sets) FROM smsr.storage_key_use WHERE state <> 'active'");
	is($left, $sets, "$fault: all is still to be sealed again");
	my $batch = int($sets / 3) + 1;
	for my $n (1 .. 4)
	{
		my $now = tx("batch $n", $fault, "SELECT smsr.reseal_keys($batch)");
		my $under = sql("SELECT sum(key_sets) FROM smsr.storage_key_use WHERE state <> 'active'");
		cmp_ok($under, '<', $left, "batch $n, $fault: it goes on where it stood") if $left > 0;
		is(sql("SELECT count(*) FROM smsr.storage_key_use WHERE state = 'retired' AND key_sets > 0"), 0, "batch $n, $fault: no key is retired that seals something");
		$left = $under;
		whole("batch $n, $fault");
		last if $now == 0 && $left == 0;
	}
	is($left, 0, "$fault: nothing is left under former keys");
	is(sql("SELECT count(*) FROM smsr.storage_key WHERE state = 'retiring'"), 0, "$fault: which are retired");
}

my $marks = 0;
sub configure
{
	my (%setting) = @_;
	$node->append_conf('postgresql.conf', conf(%setting) . 'cluster_test.marker = ' . ++$marks . "\n");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('cluster_test.marker', true) = '$marks'") or die 'the configuration is not taken over';
	return;
}
sub former { my (%setting) = @_; return map { ("former_$_" => $setting{$_}) } keys %setting; }

my %file = (kek_provider => 'file', kek_file => $other_kek);
my %now = $token->settings;
my $keys = sql('SELECT count(*) FROM smsr.storage_key');
my $kek = sub { return sql("SELECT count(DISTINCT kek) || ' ' || bool_and(kek LIKE 'pkcs11:%') FROM smsr.storage_key"); };
for my $fault ('aborted', 'killed', 'crashed', 'no token')
{
	my $to_file = $kek->() eq '1 true';
	my %to = $to_file ? %file : $token->settings;
	configure(%to, former(%now));
	whole("another KEK is configured, $fault");
	is(tx('wrapping again', $fault, 'SELECT smsr.rewrap_storage_keys()'), $keys, "every storage key is wrapped again, $fault");
	is($kek->(), $to_file ? '1 false' : '1 true', "$fault: under the other KEK");
	configure(former_kek_provider => 'none');
	whole("the former KEK is gone, $fault");
	is(sql('SELECT kek_problem IS NULL, to_rewrap FROM smsr.keystore_status()'), 't|0', "$fault: nothing is wrong");
	%now = %to;
}

# a KEK that is another one opens nothing, and says what it should be
configure(kek_provider => 'file', kek_file => "$token->{dir}/wrong");
my $wrapped = state();
for my $call ($seal, 'SELECT smsr.rewrap_storage_keys()', 'SELECT smsr.reseal_keys()', "SELECT smsr.rotate_keys('$fresh[0]')")
{
	my ($rc, $out, $err) = $node->psql('postgres', $call);
	like($err, qr/key encryption key does not open storage key \d+.*It is wrapped under/s, "a wrong KEK: $call") if $call !~ /reseal/ || $err ne '';
}
is(state(), $wrapped, 'a wrong KEK changes nothing');
configure(%now);
whole('the right one again');

# ---- after all of that ----

my $all = "ARRAY(SELECT DISTINCT k.eid FROM smsr.keyset k WHERE k.kvn = 1)";
my @moved = split /\n/, sql("SELECT unnest($all)");
sql("SELECT count(*) FROM smsr.request('audit_eis', $all, validity => '1 day')");
carry('at last', \@moved);
is(sql("SELECT count(*) || ' ' || string_agg(DISTINCT status, ' ') FROM smsr.operation WHERE function = 'audit_eis'"), scalar(@moved) . ' EXECUTED_SUCCESS',
	'every card is reached under its new keys');
is($cards->safe_psql('postgres', "SELECT count(*) FROM (SELECT FROM card.done WHERE what <> 'low' GROUP BY eid, kvn, cntr HAVING count(*) > 1) d"), 0,
	'no counter was used twice');
is(sql('SELECT count(*) FROM smsr.outbound'), 0, 'no packet is left over');
is(sql('SELECT count(*) FROM smsr.audit_verify()'), 0, 'the audit trail is whole');
is(sql("SELECT count(*) FROM smsr.key_evidence() WHERE level = 'key set' AND protected_by IS NULL"), 0, 'of every key set it is known what protects it');
diag(sprintf '%d eUICCs, %.0f s', scalar @moved, time - $began);

$_->stop('fast') for $node, $cards;
done_testing();
