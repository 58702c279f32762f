/*
 * sms.h
 *		Short messages around a packet: user data headers, segmentation and
 *		reassembly (3GPP TS 23.040 clause 9.2.3.24, TS 31.115 clause 4).
 */
#ifndef SMSR_SMS_H
#define SMSR_SMS_H

#include "bytes.h"
#include "error.h"

#define SMS_MAX_UD			140 /* octets of TP-UD, the UDH included */
#define SMS_MAX_SEGMENTS	255
#define SMS_IEI_CONCAT_8	0x00
#define SMS_IEI_CONCAT_16	0x08
#define SMS_IEI_COMMAND		0x70	/* (U)SIM toolkit security header: command packet */
#define SMS_IEI_RESPONSE	0x71	/* response packet */

/* TP-PID and TP-DCS of (U)SIM data download, 8 bit, class 2 */
#define SMS_PID_DATA_DOWNLOAD	0x7F
#define SMS_DCS_CLASS_2			0xF6

/* How many short messages a packet takes; 0 if more than SMS_MAX_SEGMENTS. */
extern size_t sms_segment_count(size_t packet_len, int reference_bits);

/*
 * Write the TP-UD of segment number index (0-based) of packet.  cpi is 0x70 or
 * 0x71; reference_bits 8 or 16.  The concatenation header stands first, as
 * cards send it; a packet that fits one message has none.
 */
extern bool sms_segment(SmsrBytes packet, uint8_t cpi, uint16_t reference,
						int reference_bits, size_t index,
						SmsrWriter *out, SmsrError *error);

typedef struct SmsHeader
{
	uint8_t		cpi;			/* 0x70, 0x71, or 0 if the header names neither */
	bool		concatenated;
	uint16_t	reference;
	uint8_t		reference_bits; /* 8 or 16; 0 if not concatenated */
	uint8_t		total;			/* 1 if not concatenated */
	uint8_t		sequence;		/* 1-based */
	SmsrBytes	payload;		/* what follows the header */
} SmsHeader;

/* Read one TP-UD: information elements in any order, unknown ones skipped. */
extern bool sms_read(SmsrBytes tp_ud, SmsHeader *header, SmsrError *error);

/*
 * Put a packet together from the TP-UDs of all its segments, in any order,
 * identical duplicates allowed.  *cpi is the security header's IEI.  An error's
 * offset counts from the start of the segment that it is about.
 */
extern bool sms_reassemble(const SmsrBytes *segments, size_t count,
						   uint8_t *cpi, SmsrWriter *out, SmsrError *error);

#endif							/* SMSR_SMS_H */
