# A PKCS #11 token of a test's own (SoftHSM), with an AES key that does not leave
# it; and it can be taken away.

package Token;

use strict;
use warnings;

use File::Copy qw(move);
use IPC::Run ();
use PrivateFiles;

our @ISA = ('PrivateFiles');

# The server gets these from us: make it before the server starts.
sub new
{
	my ($class) = @_;
	my ($module) = grep { -e } '/usr/lib/softhsm/libsofthsm2.so', glob('/usr/lib/*/softhsm/libsofthsm2.so');
	die "SoftHSM is not there: scripts/install-deps.sh test installs it\n" unless defined $module;
	my $self = bless { module => $module, pin => '749120583316',
		dir => PrivateFiles::directory('hsm') }, $class;
	mkdir "$self->{dir}/tokens" or die $!;
	$self->write_file('softhsm2.conf', "directories.tokendir = $self->{dir}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n");
	$self->write_file('pin', "$self->{pin}\n");
	$ENV{SOFTHSM2_CONF} = "$self->{dir}/softhsm2.conf";
	must('softhsm2-util', '--init-token', '--free', '--label', 'smsr', '--so-pin', '87654321', '--pin', $self->{pin});
	must('pkcs11-tool', '--module', $module, '--token-label', 'smsr', '--login', '--pin', $self->{pin},
		'--keygen', '--key-type', 'AES:32', '--label', 'kek', '--id', '4b01', '--sensitive');
	return $self;
}

sub must
{
	my (@command) = @_;
	my $out = '';
	IPC::Run::run \@command, '<', \undef, '>', \$out, '2>&1' or die "@command: $out";
	return $out;
}

# what the server has to know, without the extension's prefix
sub settings
{
	my ($self) = @_;
	return (kek_provider => 'pkcs11', pkcs11_module => $self->{module}, pkcs11_token => 'smsr', pkcs11_key => 'kek',
		pkcs11_pin_file => "$self->{dir}/pin");
}

sub away
{
	my ($self) = @_;
	($self->{slot}) = glob("$self->{dir}/tokens/*");
	move($self->{slot}, "$self->{dir}/away") or die $!;
	return;
}

sub back
{
	my ($self) = @_;
	move("$self->{dir}/away", $self->{slot}) or die $!;
	return;
}

1;
