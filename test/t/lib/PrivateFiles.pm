# Files of a test's own in a directory of its own, which nobody else may read.

package PrivateFiles;

use strict;
use warnings;

use File::Temp ();

sub new
{
	my ($class, $name) = @_;
	return bless { dir => directory($name) }, $class;
}

sub directory
{
	my ($name) = @_;
	return File::Temp::tempdir("smsr-$name.XXXXXX", TMPDIR => 1, CLEANUP => 1);
}

sub write_file
{
	my ($self, $name, $content) = @_;
	my $mask = umask 0077;
	open my $file, '>:raw', "$self->{dir}/$name" or die "$self->{dir}/$name: $!";
	print $file $content;
	close $file or die "$name: $!";
	umask $mask;
	return;
}

1;
