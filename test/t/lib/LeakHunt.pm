# Known keys, a server that writes down all it can, and a search for the keys in
# all that comes of it.

package LeakHunt;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

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

sub session
{
	my ($class, $node, $record, $user) = @_;
	my $self = bless { record => $record, in => '', out => '', n => 0 }, $class;
	local $ENV{PGOPTIONS} = '';
	$self->{psql} = IPC::Run::start [ 'psql', '-XAt', '-v', 'VERBOSITY=verbose', '-v', 'SHOW_CONTEXT=always',
		'-d', $node->connstr('postgres') . ($user ? " user=$user" : '') ], '<', \$self->{in}, '>', \$self->{out}, '2>&1';
	$self->{pid} = $self->ask('SELECT pg_backend_pid()');
	return $self;
}

# What statements, and what fails of them, say; all of it is searched later.
sub ask
{
	my ($self, $sql) = @_;
	my $end = 'end of answer ' . ++$self->{n};
	my $limit = time + 60;
	$self->{out} = '';
	$self->{in} .= "$sql\n;\n\\echo\n\\echo $end\n";
	until ($self->{out} =~ /^\Q$end\E$/m)
	{
		die "no answer to $sql" if time > $limit;
		$self->{psql}->pump;
	}
	print { $self->{record} } $self->{out};
	$self->{out} =~ s/\n*^\Q$end\E\n//m;
	$self->{out} =~ s/\A\n+//;
	return $self->{out};
}

sub pid { return $_[0]->{pid}; }

sub close
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	$self->{psql}->finish;
	return;
}

1;
