/*
 * scp80.h
 *		Secured packets of TS 102 225, in the dialects of TS 31.115 (SMS-PP) and
 *		of CAT_TP: command packets, response packets (PoR), and their opening.
 *
 * A packet for SMS begins at CPL or RPL: the UDH belongs to sms.h.
 */
#ifndef SMSR_SCP80_H
#define SMSR_SCP80_H

#include "bytes.h"
#include "error.h"

#define SCP80_MAX_CNTR		UINT64_C(0xFFFFFFFFFF)
#define SCP80_TAR_LEN		3

/* Largest secured data that is built; CPL of the SMS dialect is two octets. */
#define SCP80_MAX_DATA		65000
/* Room a packet needs beyond its data: header, check field and padding. */
#define SCP80_OVERHEAD		64

/* SPI1, TS 102 225 clause 5.1.1 */
#define SPI1_CHECK_MASK		0x03
#define SPI1_CHECK_NONE		0x00
#define SPI1_CHECK_RC		0x01
#define SPI1_CHECK_CC		0x02
#define SPI1_CHECK_DS		0x03
#define SPI1_CIPHER			0x04
#define SPI1_CNTR_MASK		0x18
#define SPI1_CNTR_NONE		0x00
#define SPI1_CNTR_UNCHECKED	0x08
#define SPI1_CNTR_HIGHER	0x10
#define SPI1_CNTR_NEXT		0x18

/* SPI2 */
#define SPI2_POR_MASK		0x03
#define SPI2_POR_NONE		0x00
#define SPI2_POR_ALWAYS		0x01
#define SPI2_POR_ON_ERROR	0x02
#define SPI2_CHECK_SHIFT	2	/* b4b3, same coding as SPI1 b2b1 */
#define SPI2_CIPHER			0x10
#define SPI2_SUBMIT			0x20

/* Response status codes, TS 102 225 clause 5.2 table 5 and TS 31.115 */
typedef enum Scp80Status
{
	SCP80_POR_OK = 0x00,
	SCP80_RC_CC_DS_FAILED = 0x01,
	SCP80_CNTR_LOW = 0x02,
	SCP80_CNTR_HIGH = 0x03,
	SCP80_CNTR_BLOCKED = 0x04,
	SCP80_CIPHERING_ERROR = 0x05,
	SCP80_UNIDENTIFIED_ERROR = 0x06,
	SCP80_INSUFFICIENT_MEMORY = 0x07,
	SCP80_MORE_TIME = 0x08,
	SCP80_TAR_UNKNOWN = 0x09,
	SCP80_INSUFFICIENT_SECURITY = 0x0A,
	SCP80_RESPONSE_BY_SUBMIT = 0x0B,
	SCP80_RESPONSE_BY_USSD = 0x0C
} Scp80Status;

typedef enum Scp80Bearer
{
	SCP80_SMS,
	SCP80_CAT_TP
} Scp80Bearer;

typedef struct Scp80Header
{
	uint8_t		spi1;
	uint8_t		spi2;
	uint8_t		kic;
	uint8_t		kid;
	uint8_t		tar[SCP80_TAR_LEN];
	uint64_t	cntr;			/* 0 .. SCP80_MAX_CNTR */
} Scp80Header;

/* Key values; len 0 where the header asks for no such key. */
typedef struct Scp80Keys
{
	SmsrBytes	kic;
	SmsrBytes	kid;
} Scp80Keys;

typedef struct Scp80Command
{
	Scp80Header header;
	uint8_t		pcntr;
	bool		authentic;		/* the RC or CC is right; true if none was asked */
	SmsrBytes	data;			/* in the scratch buffer; empty unless authentic */
} Scp80Command;

typedef struct Scp80Response
{
	uint8_t		tar[SCP80_TAR_LEN];
	uint64_t	cntr;
	uint8_t		pcntr;
	uint8_t		status;
	bool		secured;		/* came with the protection that SPI2 asked for */
	bool		authentic;		/* the RC or CC is right; false if SPI2 asked for one
								 * and the card sent none */
	SmsrBytes	data;			/* in the scratch buffer */
} Scp80Response;

/*
 * Contexts of libcrypto, fetched once and keyed anew for each packet.  One per
 * process or thread; scp80_new() is the only function here that allocates.
 */
typedef struct Scp80 Scp80;

extern Scp80 *scp80_new(void);
extern void scp80_free(Scp80 *scp80);

/* Leave no key in the contexts: for the end of a batch of packets. */
extern void scp80_forget(Scp80 *scp80);

/*
 * Build a command packet.  out needs data.len + SCP80_OVERHEAD octets.  Errors
 * name the field of the header, of the keys or of the data; their offset is 0
 * where the field is no octet of an input.
 */
extern bool scp80_seal_command(Scp80 *scp80, Scp80Bearer bearer,
							   const Scp80Header *header, const Scp80Keys *keys,
							   SmsrBytes data, SmsrWriter *out, SmsrError *error);

/* Build a response packet; only spi2, kic, kid, tar and cntr of header count. */
extern bool scp80_seal_response(Scp80 *scp80, Scp80Bearer bearer,
								const Scp80Header *header, const Scp80Keys *keys,
								uint8_t status, SmsrBytes data,
								SmsrWriter *out, SmsrError *error);

/*
 * The clear part of a command packet: which keys it needs.  Nothing in it is
 * authentic.  cntr is 0.
 */
extern bool scp80_peek_command(Scp80Bearer bearer, SmsrBytes packet,
							   Scp80Header *header, SmsrError *error);

/* The clear part of a response packet: its TAR. */
extern bool scp80_peek_response(Scp80Bearer bearer, SmsrBytes packet,
								uint8_t tar[SCP80_TAR_LEN], SmsrError *error);

/*
 * Open a packet into scratch (cap >= packet.len).  False is for a packet that
 * can not be parsed; a wrong check field is no error: authentic is false and
 * data empty.  A check fails in constant time.
 *
 * scp80_open_response() also reads the unsecured error answers that cards send
 * although SPI2 asked for protection (RHL 0A and no block alignment): secured
 * and authentic are false, status and cntr are what the card claims.
 */
extern bool scp80_open_command(Scp80 *scp80, Scp80Bearer bearer,
							   const Scp80Keys *keys, SmsrBytes packet,
							   SmsrWriter *scratch, Scp80Command *command,
							   SmsrError *error);
extern bool scp80_open_response(Scp80 *scp80, Scp80Bearer bearer,
								uint8_t spi2, uint8_t kic, uint8_t kid,
								const Scp80Keys *keys, SmsrBytes packet,
								SmsrWriter *scratch, Scp80Response *response,
								SmsrError *error);

#endif							/* SMSR_SCP80_H */
