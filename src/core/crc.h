/*
 * crc.h
 *		Redundancy checks of TS 102 225 clause 5.1.3: CRC-16 and CRC-32 (ISO/IEC
 *		13239), over input in pieces.
 */
#ifndef SMSR_CRC_H
#define SMSR_CRC_H

#include "bytes.h"

extern uint16_t crc16(const SmsrBytes *pieces, size_t count);
extern uint32_t crc32_ieee(const SmsrBytes *pieces, size_t count);

#endif							/* SMSR_CRC_H */
