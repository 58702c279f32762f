/*
 * fuzz_packets.h
 *		How the targets of scp80 begin: a context, a header, keys.
 */
#ifndef SMSR_FUZZ_PACKETS_H
#define SMSR_FUZZ_PACKETS_H

#include "fuzz.h"

#include "core/scp80.h"

static inline Scp80 *
packet_context(void)
{
	static Scp80 *scp80;

	if (scp80 == NULL)
		scp80 = scp80_new();
	property(scp80 != NULL);
	return scp80;
}

/* Keys of 0 to 39 octets: right lengths and wrong ones. */
static inline Scp80Keys
take_keys(SmsrBytes *input)
{
	static const uint8_t octets[80] = {
		0x4B, 0x30, 0x13, 0xA1, 0x5E, 0x98, 0x77, 0xC2, 0x01, 0xFE, 0x6D, 0x55,
	};
	uint8_t		kic = take_u8(input) % 40;
	uint8_t		kid = take_u8(input) % 40;

	return (Scp80Keys) {smsr_bytes(octets, kic), smsr_bytes(octets + 40, kid)};
}

static inline Scp80Header
take_header(SmsrBytes *input)
{
	Scp80Header header = {0};

	header.spi1 = take_u8(input);
	header.spi2 = take_u8(input);
	header.kic = take_u8(input);
	header.kid = take_u8(input);
	for (int i = 0; i < SCP80_TAR_LEN; i++)
		header.tar[i] = take_u8(input);
	for (int i = 0; i < 5; i++)
		header.cntr = header.cntr << 8 | take_u8(input);
	return header;
}

#endif							/* SMSR_FUZZ_PACKETS_H */
