# Known keys, a server that writes down all it can, and a search for the keys in
# all that comes of it.

package LeakHunt;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

our @EXPORT_OK = qw(unseal pieces random_key openssl check_value kwp_wrap kwp_unwrap cmac hunt slurp_octets);

my $root = $ENV{SMSR_ROOT} // '.';

# ---- keys ----

sub slurp_octets
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$file>;
}

sub random_key { my ($len) = @_; return openssl('', 'rand', $len); }

sub openssl
{
	my ($in, @arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run [ 'openssl', @arguments ], '<', \$in, '>', \$out, '2>', \$err or die "openssl @arguments: $err";
	return $out;
}

# three octets, AES over 01
sub check_value
{
	my ($key) = @_;
	return substr(openssl("\x01" x 16, 'enc', sprintf('-aes-%d-ecb', 8 * length $key), '-nopad', '-K', unpack('H*', $key)), 0, 3);
}

# RFC 5649
sub kwp_wrap { my ($kek, $key) = @_; return openssl($key, 'enc', '-id-aes256-wrap-pad', '-K', unpack('H*', $kek), '-iv', 'A65959A6'); }
sub kwp_unwrap { my ($kek, $wrapped) = @_; return openssl($wrapped, 'enc', '-d', '-id-aes256-wrap-pad', '-K', unpack('H*', $kek), '-iv', 'A65959A6'); }

sub cmac
{
	my ($key, $data) = @_;
	return openssl($data, 'mac', '-cipher', sprintf('AES-%d-CBC', 8 * length $key), '-macopt', 'hexkey:' . unpack('H*', $key), '-binary', 'CMAC');
}

# What is in a sealed blob; GCM is CTR from 2 on, and here nobody asks for its tag.
sub unseal
{
	my ($storage_key, $blob) = @_;
	return openssl(substr($blob, 17, -16), 'enc', '-d', '-aes-256-ctr', '-K', unpack('H*', $storage_key), '-iv', unpack('H*', substr $blob, 5, 12) . '00000002');
}

# ---- the search ----

# Keys in pieces of 8 octets, as algorithms leave them behind.
sub pieces
{
	my ($keys) = @_;
	my %piece;
	for my $name (keys %$keys)
	{
		$piece{"$name/$_"} = substr $keys->{$name}, 8 * $_, 8 for 0 .. length($keys->{$name}) / 8 - 1;
	}
	return \%piece;
}

# What is found of the keys (name => octets) in places, a line each.
sub hunt
{
	my ($keys, @places) = @_;
	my $list = File::Temp->new(TEMPLATE => 'smsr-keys.XXXXXX', TMPDIR => 1);
	print $list map { "$_ " . unpack('H*', $keys->{$_}) . "\n" } sort keys %$keys;
	close $list;
	my ($out, $err) = ('', '');
	IPC::Run::run [ "$root/build/leak-hunt", "$list", @places ], '>', \$out, '2>', \$err;
	my $status = $? >> 8;
	die "leak-hunt @places: $err" if $status > 1 || $err ne '';
	return $out;
}

# ---- a session ----

sub session { my ($class, $node, $record, $user) = @_; return PsqlSession->new($node, record => $record, user => $user); }

1;
