/*
 * fuzz_scp80_open_response.c
 *		Opening whatever comes as a response packet; and what was sealed opens
 *		as it was.
 */
#include "fuzz_packets.h"

static void
open_anything(Scp80Bearer bearer, const Scp80Keys *keys, const Scp80Header *header,
			  SmsrBytes packet)
{
	SmsrWriter	scratch = heap_writer(packet.len);
	Scp80Response response;
	SmsrError	error;
	uint8_t		tar[SCP80_TAR_LEN];

	if (scp80_open_response(packet_context(), bearer, header->spi2, header->kic, header->kid,
							keys, packet, &scratch, &response, &error))
	{
		property(!scratch.overflow && scratch.len <= packet.len);
		property(response.authentic || response.data.len == 0);
		property(response.secured || !response.authentic);
		property(response.data.len == 0 ||
				 (response.data.data >= scratch.data &&
				  response.data.data + response.data.len <= scratch.data + scratch.len));
		property(response.cntr <= SCP80_MAX_CNTR);
		property(scp80_peek_response(bearer, packet, tar, &error) &&
				 memcmp(tar, response.tar, SCP80_TAR_LEN) == 0);
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
			  uint8_t status, uint8_t change, uint8_t where, SmsrBytes data)
{
	SmsrWriter	sealed = heap_writer(data.len + SCP80_OVERHEAD);
	SmsrWriter	scratch = heap_writer(data.len + SCP80_OVERHEAD);
	Scp80Response response;
	SmsrError	error;

	if (scp80_seal_response(packet_context(), bearer, header, keys, status, data, &sealed,
							&error))
	{
		property(scp80_open_response(packet_context(), bearer, header->spi2, header->kic,
									 header->kid, keys, smsr_written(&sealed), &scratch,
									 &response, &error));
		property(response.authentic && response.secured && same_bytes(response.data, data));
		property(response.status == status && response.cntr == header->cntr &&
				 memcmp(response.tar, header->tar, SCP80_TAR_LEN) == 0);

		if (change != 0 &&
			(header->spi2 >> SPI2_CHECK_SHIFT & SPI1_CHECK_MASK) == SPI1_CHECK_CC)
		{
			sealed.data[where % sealed.len] ^= change;
			scratch.len = 0;
			if (scp80_open_response(packet_context(), bearer, header->spi2, header->kic,
									header->kid, keys, smsr_written(&sealed), &scratch,
									&response, &error))
				property(!response.authentic);
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
	Scp80Header header = take_header(&input);

	open_anything(bearer, &keys, &header, input);
	if ((options & 2) != 0)
	{
		uint8_t		status = take_u8(&input);
		uint8_t		change = take_u8(&input);
		uint8_t		where = take_u8(&input);

		seal_and_open(bearer, &keys, &header, status, change, where, input);
	}
	return 0;
}
