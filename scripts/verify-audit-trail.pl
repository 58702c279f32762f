#!/usr/bin/perl
# Verifies an exported audit trail without the database that it came from, by
# what doc/audit.md says and by nothing of smsr's code.
#
#   psql -XAtc "SELECT smsr.export_trail()" > trail
#   scripts/verify-audit-trail.pl trail [checkpoint...]
#
# The files hold lines of smsr.export_trail() and smsr.export_checkpoint(), in
# any order, and those of smsr.export_cut() if old months were dropped: then it
# begins at the checkpoint that covers them.  Checkpoints that were kept elsewhere
# are what makes this worth something.  Says what is wrong, and exits with 1 then.
use strict;
use warnings;

use Digest::SHA qw(sha256);
use JSON::PP;
use Time::Local qw(timegm);

my %record = (
	eid => 'octets', chain_party => 'text', recorded_at => 'time', smsr_id => 'text', operation_date => 'time', operation_type => 'octets',
	function => 'text', operation_id => 'number', requester_id => 'text', requested_by => 'text', reason => 'text',
	approved_by => 'text', status => 'text', subject_code => 'text', reason_code => 'text', isdp_aid => 'octets',
	iccid => 'iccid', imei => 'text', meid => 'text', details => 'text');
my @record = qw(eid chain_party recorded_at smsr_id operation_date operation_type function operation_id requester_id
	requested_by reason approved_by status subject_code reason_code isdp_aid iccid imei meid details);
my %checkpoint = (
	id => 'number', taken_at => 'time', smsr_id => 'text', first_position => 'number', last_position => 'number',
	records => 'number', digest => 'octets', previous => 'octets');
my @checkpoint = qw(id taken_at smsr_id first_position last_position records digest previous);

my %octets = (
	octets => sub { pack 'H*', $_[0] },
	# 19 digits are filled up with F
	iccid => sub { pack 'H*', substr "$_[0]F", 0, 20 },
	text => sub { my $text = $_[0]; utf8::encode($text); $text },
	number => sub { pack 'q>', $_[0] },
	time => sub {
		my @t = $_[0] =~ /^(\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{6})Z$/ or die "no time: $_[0]\n";
		return pack 'q>', timegm($t[5], $t[4], $t[3], $t[2], $t[1] - 1, $t[0]) * 1_000_000 + $t[6];
	});

# SHA-256 over the label and the fields that there are
sub digest
{
	my ($label, $names, $kinds, $row) = @_;
	my $encoded = $label;
	for my $name (grep { defined $row->{$_} } @$names)
	{
		my $value = $octets{ $kinds->{$name} }->($row->{$name});
		$encoded .= pack('C/a*', $name) . pack('N/a*', $value);
	}
	return sha256($encoded);
}

my (@records, @checkpoints, @cuts, @starts);
my $json = JSON::PP->new->utf8;
while (my $line = <>)
{
	my $row = $json->decode($line);
	if (exists $row->{start}) { push @starts, $row; }
	elsif (exists $row->{cut}) { push @cuts, $row; }
	elsif (exists $row->{checkpoint}) { $row->{id} = $row->{checkpoint}; push @checkpoints, $row; }
	else { push @records, $row; }
}

my $faults = 0;
sub fault { print "@_\n"; $faults++; return; }

# ---- each chain ----

sub chain_of { my $r = $_[0]; return $r->{eid} // (defined $r->{chain_party} ? "party $r->{chain_party}" : 'the SM-SR'); }

# records that were dropped before one that is there
my %start;
$start{ chain_of($_) }{ $_->{start} } = { number => $_->{start}, hash => $_->{hash} } for @starts;

my %chain;
push @{ $chain{ chain_of($_) } }, $_ for @records;
for my $of (sort keys %chain)
{
	my $before;
	for my $r (sort { $a->{number} <=> $b->{number} } @{ $chain{$of} })
	{
		my $digest = digest('smsr audit record 1', \@record, \%record, $r);
		my $dropped = $start{$of}{ $r->{number} - 1 };
		$before = $dropped if $dropped && (!$before || $before->{number} < $dropped->{number});
		fault("$of: records up to " . ($r->{number} - 1) . ' are missing') if @cuts && !$before && $r->{number} > 1;
		my $expected = $before ? $before->{number} + 1 : $r->{number};
		if ($r->{number} != $expected)
		{
			fault("$of: record $expected is missing, or another stands twice before $r->{number}");
		}
		elsif ($r->{number} == 1 || $before)
		{
			my $hash = $r->{number} == 1 ? $digest : sha256(pack('H*', $before->{hash}) . pack('N', $r->{number}) . $digest);
			fault("$of: record $r->{number} was changed, or the one before it") if unpack('H*', $hash) ne $r->{hash};
		}
		$before = $r;
	}
}

# ---- checkpoints over all ----

my @ordered = sort { $a->{position} <=> $b->{position} } @records;

sub fold { return unpack 'H*', sha256(join '', map { pack('q>', $_->[0]) . pack('H*', $_->[1]) } @_); }

# ---- what was kept when old months were dropped ----

@cuts = sort { $a->{cut} <=> $b->{cut} } @cuts;
my $cut = $cuts[-1];
if ($cut)
{
	my $what = "cut $cut->{cut}";
	my $hash = unpack 'H*', sha256(join "\n", 'smsr audit cut 1', map { $_ // '' } @$cut{
		qw(cut made_at checkpoint checkpoint_hash last_position dropped kept kept_digest starts starts_digest previous)});
	fault("$what was changed") if $hash ne $cut->{hash};
	my @said = grep { ($_->{function} // '') eq 'drop_audit_trail' && !defined $_->{eid} && index($_->{details}, $hash) >= 0 } @records;
	fault("$what: the trail does not have it") if !@said;
	fault("$what: no checkpoint covers what the trail has of it")
		if @said && !grep { $_->{last_position} >= $said[0]{position} } @checkpoints;
	my @kept = grep { $_->{position} <= $cut->{last_position} } @ordered;
	fault("$what: records at positions up to $cut->{last_position} are not what was kept: " . @kept . " of $cut->{kept} are there")
		if @kept != $cut->{kept} || fold(map { [ $_->{position}, $_->{hash} ] } @kept) ne $cut->{kept_digest};
	my @of = sort { $a->[1] cmp $b->[1] } map {
		[ $_->{start}, unpack 'H*', sha256(join "\n", 'smsr audit start 1', map { $_ // '' } @$_{qw(eid chain_party start position hash)}) ]
	} grep { defined $_->{of} } @starts;
	fault("$what: where chains go on is not what was kept") if @of != $cut->{starts} || fold(@of) ne $cut->{starts_digest};
	fault("$what was made by another checkpoint $cut->{checkpoint}")
		if grep { $_->{id} == $cut->{checkpoint} && $_->{hash} ne $cut->{checkpoint_hash} } @checkpoints;
}

my $before;
for my $c (sort { $a->{id} <=> $b->{id} } @checkpoints)
{
	my $what = "checkpoint $c->{id}";
	my $hash = unpack 'H*', digest('smsr audit checkpoint 1', \@checkpoint, \%checkpoint, $c);
	fault("$what was changed") if $hash ne $c->{hash};
	my @range = grep { $_->{position} >= $c->{first_position} && $_->{position} <= $c->{last_position} } @ordered;
	fault("$what: records at positions $c->{first_position} to $c->{last_position} are not what it covers: "
			. @range . " of $c->{records} are there")
		if (!$cut || $c->{id} > $cut->{checkpoint})
		&& (@range != $c->{records} || fold(map { [ $_->{position}, $_->{hash} ] } @range) ne $c->{digest});
	fault("$what does not hang on the one before it")
		if $before && $before->{id} == $c->{id} - 1 && ($c->{previous} // '') ne $before->{hash};
	$before = $c;
}

printf "%d records in %d chains, %d checkpoints: %s\n", scalar @records, scalar keys %chain, scalar @checkpoints,
	$faults ? "$faults faults" : 'sound';
exit($faults ? 1 : 0);
