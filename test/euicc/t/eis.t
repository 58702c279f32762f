#!/usr/bin/perl
# The EIS documents: well-formed, one a line, and their keys those of the cards.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib $FindBin::Bin;
use Fleet;
use Test::More;

my $dir = File::Temp->newdir;
my $eis = "$Fleet::program eis";

sub lines { my ($options) = @_; return split /^/, qx($eis $options); }

# ECDSA has a random number in it: no two signatures are the same, nor what is
# signed over one of them
sub unsigned
{
	return map { s{(<(?:ds:DigestValue|ds:SignatureValue|ds:X509Certificate)>)[^<]*}{$1}gr =~
		s{(<Value>7F21\w+?5F3740)\w*}{$1}r } @_;
}

# AES of one block by the openssl program: not the code that wrote the document
sub aes
{
	my ($key, $mode, $in) = @_;
	open my $file, '>', "$dir/in" or die $!;
	print $file pack 'H*', $in;
	close $file;
	return uc unpack 'H*', qx(openssl enc $mode -K $key -nopad -in $dir/in 2>$dir/err);
}

my @lines = lines('--seed 5 --cards 20');
is scalar @lines, 20, 'a line a card';
is scalar(grep { /^<\?xml version="1.0"\?><Eis xmlns="http:\/\/namespaces.gsma.org\/esim-messaging\/3">.*<\/Eis>\n$/ } @lines),
	20, '... each a document of namespace /3';
my @unsigned = unsigned(@lines);
is_deeply [ unsigned(lines('--seed 5 --cards 20')) ], \@unsigned, 'the same seed, the same documents but for their signatures';
is_deeply [ unsigned(lines('--seed 5 --first 11 --cards 10')) ], [ @unsigned[ 10 .. 19 ] ], '--first begins elsewhere';
is_deeply [ unsigned(lines('--seed 5 --card 3')) ], [ $unsigned[2] ], '--card picks one';
is_deeply [ unsigned(lines('--seed 5 --cards 20 --format copy')) ], \@unsigned, 'COPY needs no escapes here';

SKIP:
{
	skip 'no xmllint', 3 unless qx(xmllint --version 2>&1) =~ /libxml/;
	for my $document ($lines[0],
		scalar qx($eis --seed 5 --card 1 --format single --profiles 8 --pol2 2:DISABLE/Auto-Delete))
	{
		open my $pipe, '|-', 'xmllint --noout - 2>&1' or die $!;
		print $pipe $document;
		ok close $pipe, 'xmllint reads it';
	}
	# The same elements in the same order as the example documents of the project,
	# which have no certificates with their signatures.
	my $names = sub {
		my ($xml) = @_;
		$xml =~ s{<ds:KeyInfo>.*</ds:KeyInfo>}{}s;
		my @names = $xml =~ /<([A-Za-z][\w:-]*)/g;
		return join ' ', @names;
	};
	local $/;
	open my $file, '<', 'test/eis/eis-wrapped.xml' or skip 'no example document', 1;
	my $example = $names->(scalar <$file>);
	my ($ours) = $names->(scalar qx($eis --card 1 --profiles 1 --format single));
	is $ours, $example, 'the elements are those of the example';
}

my ($kcv, $value) = $lines[0] =~ /<Key kcv="(\w{6})"><Index>1<\/Index><KeyComponent type="88" value="(\w{32})"\/>/;
is substr(aes($value, '-aes-128-ecb', '01' x 16), 0, 6), $kcv, 'kcv: AES of sixteen octets 01';
my %seen;
$seen{$_}++ for map { /value="(\w+)"/g } @lines;
is scalar(keys %seen), 60, 'all keys differ';

for my $digits (32, 48, 64)
{
	my $transport = substr '000102030405060708090a0b0c0d0e0f' x 2, 0, $digits;
	open my $file, '>', "$dir/key" or die $!;
	print $file "$transport\n";
	close $file;
	my ($wrapped) = lines("--seed 5 --card 1 --wrap aes-kw --transport-key-file $dir/key");
	my ($wrapped_kcv, $blob) = $wrapped =~ /<Key kcv="(\w{6})"><Index>1<\/Index><KeyComponent type="88" value="(\w{48})"\/>/;
	is $wrapped_kcv, $kcv, "wrapped with $digits digits: the same kcv";
	open $file, '>', "$dir/in" or die $!;
	print $file pack 'H*', $blob;
	close $file;
	my $bits = 4 * $digits;
	my $plain = uc unpack 'H*', qx(openssl enc -d -id-aes$bits-wrap -K $transport -iv A6A6A6A6A6A6A6A6 -in $dir/in 2>$dir/err);
	is $plain, $value, '... and RFC 3394 unwraps it to the key';
}
like((lines('--card 1 --pol2 1:DISABLE/Not-Allowed --pol2 1:DELETE/Not-Allowed'))[0],
	qr{<pol2><Rule><Subject>PROFILE</Subject><Action>DISABLE</Action><Qualification>Not-Allowed</Qualification></Rule><Rule>},
	'POL2 rules');
like((lines('--card 1 --counter 500'))[0], qr{<Cntr>500</Cntr>}, 'the counter');

# What the documents say and what the fleet says of itself
my $fleet = Fleet->new('--seed', 5, '--cards', 20, '--profiles', 3);
my @dump = split /^/, $fleet->ctl('dump');
my @said;
for (lines('--seed 5 --cards 20 --profiles 3'))
{
	my ($eid) = m{<Eid>(\d+)</Eid>};
	while (m{<ProfileInfo><Iccid>(\d+)</Iccid><Isd-p-aid>(\w+)</Isd-p-aid>.*?<FallbackAttribute>(.).*?<Msisdn>(\d+)</Msisdn>.*?<State>(\w+)<}g)
	{
		push @said, "$eid\t$2\t$1\t$5\t$3\t$4\t0\n";
	}
}
is_deeply \@said, \@dump, 'documents and dump agree';
done_testing;
