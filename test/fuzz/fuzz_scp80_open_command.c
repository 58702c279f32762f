/*
 * fuzz_scp80_open_command.c
 *		Opening whatever comes as a command packet; and what was sealed opens as
 *		it was, and not with an octet changed.
 */
#include "fuzz_packets.h"

static void
open_anything(Scp80Bearer bearer, const Scp80Keys *keys, SmsrBytes packet)
{
	SmsrWriter	scratch = heap_writer(packet.len);
	Scp80Header header;
	Scp80Command command;
	SmsrError	error;

	if (scp80_open_command(packet_context(), bearer, keys, packet, &scratch, &command, &error))
	{
		property(!scratch.overflow && scratch.len <= packet.len);
		property(command.authentic || command.data.len == 0);
		property(command.data.len == 0 ||
				 (command.data.data >= scratch.data &&
				  command.data.data + command.data.len <= scratch.data + scratch.len));
		property(command.header.cntr <= SCP80_MAX_CNTR);
		property(scp80_peek_command(bearer, packet, &header, &error));
		property(header.spi1 == command.header.spi1 && header.kid == command.header.kid &&
				 memcmp(header.tar, command.header.tar, SCP80_TAR_LEN) == 0);
	}
	else
	{
		explained(error, packet.len);
		property(scratch.len == 0);
	}
	free(scratch.data);
}

static void
seal_and_open(Scp80Bearer bearer, const Scp80Keys *keys, const Scp80Header *header,
			  uint8_t change, uint8_t where, SmsrBytes data)
{
	SmsrWriter	sealed = heap_writer(data.len + SCP80_OVERHEAD);
	SmsrWriter	scratch = heap_writer(data.len + SCP80_OVERHEAD);
	Scp80Command command;
	SmsrError	error;

	if (scp80_seal_command(packet_context(), bearer, header, keys, data, &sealed, &error))
	{
		property(scp80_open_command(packet_context(), bearer, keys, smsr_written(&sealed),
									&scratch, &command, &error));
		property(command.authentic && same_bytes(command.data, data));
		property(command.header.spi1 == header->spi1 && command.header.spi2 == header->spi2 &&
				 command.header.kic == header->kic && command.header.kid == header->kid &&
				 command.header.cntr == header->cntr &&
				 memcmp(command.header.tar, header->tar, SCP80_TAR_LEN) == 0);

		if (change != 0 && (header->spi1 & SPI1_CHECK_MASK) == SPI1_CHECK_CC)
		{
			size_t		at = where % sealed.len;

			sealed.data[at] ^= change;
			scratch.len = 0;
			/* SPI1 itself says whether there is a check; a KID may weaken it */
			if (scp80_open_command(packet_context(), bearer, keys, smsr_written(&sealed),
								   &scratch, &command, &error))
				property(!command.authentic ||
						 (command.header.spi1 & SPI1_CHECK_MASK) != SPI1_CHECK_CC ||
						 !same_bytes(command.data, data));
		}
	}
	else
	{
		explained(error, 0);
		property(sealed.len == 0);
	}
	free(scratch.data);
	free(sealed.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SmsrBytes	input = smsr_bytes(data, size);
	uint8_t		options = take_u8(&input);
	Scp80Bearer bearer = (options & 1) != 0 ? SCP80_CAT_TP : SCP80_SMS;
	Scp80Keys	keys = take_keys(&input);

	open_anything(bearer, &keys, input);
	if ((options & 2) != 0)
	{
		Scp80Header header = take_header(&input);
		uint8_t		change = take_u8(&input);
		uint8_t		where = take_u8(&input);

		seal_and_open(bearer, &keys, &header, change, where, input);
	}
	return 0;
}
