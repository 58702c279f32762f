#!/usr/bin/perl
# Whole procedures over SMPP: a small SM-SR enables profiles of all cards.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Fleet;
use Test::More;

sub rehearse
{
	my ($fleet, @options) = @_;
	my @ports = map { ('--port', $_) } @{ $fleet->{ports} };
	my $line = qx(build/smsr-rehearsal @ports @options);
	return ($?, $line);
}

# Two operators, each with its SMSC: a wrong route would lose messages.
my $fleet = Fleet->new('--cards', 50, '--smsc', '0', '--smsc', '0', '--refresh', '0.01');
my ($status, $line) = rehearse($fleet, '--cards', 50, '--rounds', 2);
is $status, 0, 'two SMSCs: there and back again';
like $line, qr/^enabled=100 failed=0 refused=0 unfinished=0 /, '... all of them';
is $fleet->poll_stat('mo_delivered', 300), 300, '... three messages from the card each time';
is $fleet->stat('counter_low'), 0, '... no counter twice';
is scalar(() = $fleet->ctl('dump') =~ /00001000\t\d+\tEnabled\tt\t/g), 50, '... ends where it began';
my @commands = split /^/, $fleet->ctl('commands');
is scalar(grep { /^\d{32}\t4\t4\t4\t0\t0$/ } @commands), 50, 'commands: four packets each, none twice';
is $fleet->ctl('commands 1'),
	"1\tenable\t000011\t9000\t2\n2\tconfirm\t000000\t9000\t2\n3\tenable\t000010\t9000\t2\n4\tconfirm\t000000\t9000\t2\n",
	'commands of one card';
undef $fleet;

# Delay and reordering lose nothing.
$fleet = Fleet->new('--cards', 50, '--refresh', '1', '--delay', '5-50', '--mo-reorder', '0.3');
($status, $line) = rehearse($fleet, '--cards', 50);
is $status, 0, 'delayed and reordered: all enabled';
undef $fleet;

# Lost confirmations roll back.
$fleet = Fleet->new('--cards', 1, '--refresh', '0', '--repeat', '0.1', '--tries', '3');
$fleet->ctl('faults mo_loss=1');
my $socket = $fleet->bound(0);
$fleet->ctl('attach 1');
is $fleet->poll_stat('unconfirmed', 1), 1, 'nobody hears it: given up';
is $fleet->stat('notifications'), 3, '... after its tries';
undef $fleet;

# Capacity, with the program that users run.
{
	local $Fleet::program = 'build/smsr-fleet';
	$fleet = Fleet->new('--cards', 5000, '--refresh', '0');
	($status, $line) = rehearse($fleet, '--cards', 5000);
	is $status, 0, '5000 cards';
	my ($rate) = $line =~ /per_second=(\d+)/;
	cmp_ok $rate, '>', 1000, "more than 1000 enables a second ($rate)";
}
done_testing;
