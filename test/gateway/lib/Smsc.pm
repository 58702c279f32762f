# An SMSC on top of Net::SMPP, driven by the test that owns it: it answers while
# the test waits for something, and keeps what it has seen.
package Smsc;

use strict;
use warnings;

use IO::Select;
use IO::Socket;
use Net::SMPP;
use Time::HiRes qw(time);

use constant {
	GENERIC_NACK => 0x80000000,
	RESPONSE     => 0x80000000,
	SUBMIT_SM    => 0x00000004,
	DELIVER_SM   => 0x00000005,
	UNBIND       => 0x00000006,
	BIND         => 0x00000009,
	ENQUIRE_LINK => 0x00000015,
	DATA_SM      => 0x00000103,
};

sub new
{
	my ($class, %option) = @_;
	my $self = bless {
		port      => $option{port} // 0,
		buffer    => $option{buffer},
		submits   => [],    # decoded submit_sm, in order, with the time they came
		binds     => [],
		answers   => {},    # sequence of our deliver_sm => its answer
		nacks     => [],
		enquiries => 0,
		unbinds   => 0,
		closed    => 0,
		next_id   => 1,
		clients   => [],
		# what becomes of a bind or submit: a status, undef for no answer
		on_bind   => sub { 0 },
		on_submit => sub { 0 },
		mute      => 0,     # answers nothing at all
	}, $class;
	$self->listen;
	return $self;
}

sub listen
{
	my ($self) = @_;
	$self->{listener} = Net::SMPP->new_listen('127.0.0.1', port => $self->{port}, async => 1)
		or die "cannot listen: $!";
	$self->{port} = $self->{listener}->sockport;
	$self->{listener}->sockopt(SO_RCVBUF, $self->{buffer}) if $self->{buffer};
	$self->{select} = IO::Select->new($self->{listener});
	return;
}

# nobody answers the door, and who was inside is thrown out
sub away
{
	my ($self) = @_;
	$self->drop;
	close $self->{listener};
	$self->{select} = IO::Select->new;
	return;
}

sub drop
{
	my ($self) = @_;
	for my $client (@{ $self->{clients} })
	{
		$self->{select}->remove($client);
		close $client;
	}
	$self->{clients} = [];
	return;
}

sub client { return $_[0]{clients}[-1] }

sub forget
{
	my ($self, $client) = @_;
	$self->{select}->remove($client);
	$self->{clients} = [ grep { $_ != $client } @{ $self->{clients} } ];
	$self->{closed}++;
	close $client;
	return;
}

# one round: whatever is there, at most $wait seconds; how many had something
sub round
{
	my ($self, $wait) = @_;
	my $count = 0;
	for my $ready ($self->{select}->can_read($wait))
	{
		$count++;
		if ($ready == $self->{listener})
		{
			my $client = $ready->accept or next;
			$client->autoflush(1);
			push @{ $self->{clients} }, $client;
			$self->{select}->add($client);
			next;
		}
		local $SIG{__WARN__} = sub { };
		my $pdu = $ready->read_pdu;
		if (!$pdu)
		{
			$self->forget($ready);
			next;
		}
		$self->handle($ready, $pdu);
	}
	return $count;
}

sub handle
{
	my ($self, $client, $pdu) = @_;
	my $command = $pdu->{cmd};

	$pdu->{at}     = time;
	$pdu->{client} = $client;
	if ($command == SUBMIT_SM)
	{
		push @{ $self->{submits} }, $pdu;
		return if $self->{mute};
		my $status = $self->{on_submit}->($pdu);
		$self->answer_submit($pdu, $status) if defined $status;
	}
	elsif ($command & RESPONSE && ($command & ~RESPONSE) != 0)
	{
		$pdu->{answers} = $command & ~RESPONSE;
		$self->{answers}{ $pdu->{seq} } = $pdu;
	}
	elsif ($command == BIND)
	{
		push @{ $self->{binds} }, $pdu;
		return if $self->{mute};
		my $status = $self->{on_bind}->($pdu);
		$client->bind_transceiver_resp(system_id => 'TESTSMSC', seq => $pdu->{seq}, status => $status)
			if defined $status;
	}
	elsif ($command == ENQUIRE_LINK)
	{
		$self->{enquiries}++;
		$client->enquire_link_resp(seq => $pdu->{seq}) unless $self->{mute};
	}
	elsif ($command == UNBIND)
	{
		$self->{unbinds}++;
		$client->unbind_resp(seq => $pdu->{seq});
	}
	elsif ($command == GENERIC_NACK)
	{
		push @{ $self->{nacks} }, $pdu;
	}
	return;
}

sub answer_submit
{
	my ($self, $pdu, $status) = @_;
	my $id = sprintf 'id%06d', $self->{next_id}++;
	$pdu->{answered} = $id;
	$pdu->{client}->submit_sm_resp(message_id => $id, seq => $pdu->{seq}, status => $status // 0);
	return $id;
}

# sequence number of a deliver_sm; its answer will be in {answers}
sub deliver
{
	my ($self, %field) = @_;
	my $client = delete $field{client} // $self->client;
	return $client->deliver_sm(
		source_addr_ton  => 1,
		source_addr_npi  => 1,
		source_addr      => '34600000001',
		destination_addr => '999',
		esm_class        => 0x40,
		protocol_id      => 0x7F,
		data_coding      => 0xF6,
		async            => 1,
		%field);
}

sub raw
{
	my ($self, $octets) = @_;
	return $self->client->syswrite($octets);
}

1;
