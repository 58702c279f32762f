/*
 * download.h
 *		A profile comes to an ISD-P: what an SM-SR relays, and whether it was all of
 *		it, once and in order.
 *
 * SCP03t is not simulated, only its framing (SGP.02 clause 4.1.3.3): the profile
 * elements stand in the segments in clear where an SM-DP would cipher them, and
 * no cryptogram and no MAC is checked.  What a MAC chain would find out, a segment
 * that comes twice, is found out by remembering them all.
 */
#ifndef FLEET_DOWNLOAD_H
#define FLEET_DOWNLOAD_H

#include "core/tlv.h"
#include "fleet.h"

/* Blocks of SCP03t, as they stand in a script */
#define BLOCK_INITIALIZE_UPDATE		0x84
#define BLOCK_EXTERNAL_AUTHENTICATE	0x85
#define BLOCK_SEGMENT				0x86
#define BLOCK_REPLACE_KEYS			0x87
#define BLOCK_REPLACED_SEGMENT		0x88

/* Where the secure channel of an ISD-P stands. */
typedef enum ChannelState
{
	CHANNEL_NONE,
	CHANNEL_INITIALIZED,
	CHANNEL_OPEN
} ChannelState;

typedef struct Download
{
	struct Download *next;		/* of the same card */
	uint16_t	tar;
	uint8_t		channel;		/* ChannelState */
	bool		certified;		/* the first half of a key establishment was there */
	bool		failed;			/* the elements can not be told apart any more */
	bool		ended;			/* PE-End was there */
	uint32_t	segments;
	uint32_t	repeated;		/* of these refused: they had been there before */
	uint32_t	elements;		/* profile elements that are whole */
	uint64_t	octets;			/* of all segments */
	void	   *digest;			/* of the same */
	uint64_t   *seen;			/* what stands for each segment */
	size_t		seen_cap;
	/* the element that is being read */
	uint8_t		header[8];
	uint8_t		header_len;
	uint32_t	remaining;
} Download;

/* Whether a tag in a script is one of the blocks. */
extern bool download_knows(uint32_t tag);

/* The answer's TLV to out; false: the script ends here. */
extern bool download_block(Fleet *fleet, Card *card, uint16_t tar, const SmsrTlv *block, SmsrWriter *out);

/* A C-APDU to an ISD-P: its keys are agreed on with an answer that is always the same. */
extern uint16_t download_command(Fleet *fleet, Card *card, uint16_t tar, SmsrBytes apdu, SmsrWriter *out);

/* SHA-256 of all segments so far, one behind the other */
extern void download_digest(const Download *download, uint8_t digest[32]);
/* The secure channel does not outlive the power. */
extern void downloads_power_off(Card *card);
/* An ISD-P is made: nothing is left of another one with its TAR. */
extern void download_forget(Card *card, uint16_t tar);
extern void downloads_free(Card *card);

#endif							/* FLEET_DOWNLOAD_H */
