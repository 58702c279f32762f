/*
 * crc.c
 *		Redundancy checks of TS 102 225 clause 5.1.3.
 *
 * Both are reflected, begin with all ones and end inverted.  Tables of sixteen
 * are a compromise: packets are short, and a cold table of 1 kB costs more.
 */
#include "crc.h"

static const uint16_t crc16_table[16] = {
	0x0000, 0x1081, 0x2102, 0x3183, 0x4204, 0x5285, 0x6306, 0x7387,
	0x8408, 0x9489, 0xA50A, 0xB58B, 0xC60C, 0xD68D, 0xE70E, 0xF78F
};

static const uint32_t crc32_table[16] = {
	0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC,
	0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
	0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
	0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C
};

uint16_t
crc16(const SmsrBytes *pieces, size_t count)
{
	uint16_t	crc = 0xFFFF;

	for (size_t i = 0; i < count; i++)
	{
		for (size_t j = 0; j < pieces[i].len; j++)
		{
			crc ^= pieces[i].data[j];
			crc = (uint16_t) (crc >> 4 ^ crc16_table[crc & 0x0F]);
			crc = (uint16_t) (crc >> 4 ^ crc16_table[crc & 0x0F]);
		}
	}
	return (uint16_t) ~crc;
}

uint32_t
crc32_ieee(const SmsrBytes *pieces, size_t count)
{
	uint32_t	crc = 0xFFFFFFFF;

	for (size_t i = 0; i < count; i++)
	{
		for (size_t j = 0; j < pieces[i].len; j++)
		{
			crc ^= pieces[i].data[j];
			crc = crc >> 4 ^ crc32_table[crc & 0x0F];
			crc = crc >> 4 ^ crc32_table[crc & 0x0F];
		}
	}
	return ~crc;
}
