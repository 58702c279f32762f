/*
 * smpp.h
 *	  SMPP 3.4 protocol data units to and from bytes.
 *
 * The only file that knows libsmpp34 is smpp.c.
 */
#ifndef SMPP_H
#define SMPP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMPP_HEADER 16			/* octets of a PDU's header */
#define SMPP_LONGEST 70000		/* a 64 kB message_payload and its fields */
#define SMPP_PACKED 1024		/* enough for any PDU that we send */
#define SMPP_ID 65				/* a message id with its terminator */
#define SMPP_ADDRESS 21			/* an address with its terminator */
#define SMPP_SEQUENCE_LAST 0x7FFFFFFF

#define SMPP_UD_LONGEST 140		/* TP-UD of one short message */

/* command ids */
#define SMPP_GENERIC_NACK 0x80000000u
#define SMPP_SUBMIT_SM 0x00000004u
#define SMPP_DELIVER_SM 0x00000005u
#define SMPP_UNBIND 0x00000006u
#define SMPP_BIND_TRANSCEIVER 0x00000009u
#define SMPP_OUTBIND 0x0000000Bu
#define SMPP_ENQUIRE_LINK 0x00000015u
#define SMPP_ALERT_NOTIFICATION 0x00000102u
#define SMPP_DATA_SM 0x00000103u
#define SMPP_RESPONSE 0x80000000u

/* esm_class */
#define SMPP_UDHI 0x40
#define SMPP_TYPE_MASK 0x3C
#define SMPP_TYPE_RECEIPT 0x04
#define SMPP_TYPE_INTERMEDIATE 0x20

typedef struct SmppHeader
{
	uint32_t	length;
	uint32_t	command;
	uint32_t	status;
	uint32_t	sequence;
} SmppHeader;

typedef enum SmppFrame
{
	SMPP_FRAME_PARTIAL,
	SMPP_FRAME_WHOLE,
	SMPP_FRAME_BAD				/* the length is absurd: framing is lost */
} SmppFrame;

typedef struct SmppBindRequest
{
	const char *system_id;
	const char *password;
	const char *system_type;
	uint8_t		addr_ton;
	uint8_t		addr_npi;
	const char *address_range;
} SmppBindRequest;

typedef struct SmppSubmit
{
	const char *service_type;
	uint8_t		source_ton;
	uint8_t		source_npi;
	const char *source;
	uint8_t		dest_ton;
	uint8_t		dest_npi;
	const char *destination;
	uint8_t		protocol_id;
	uint8_t		data_coding;
	uint8_t		registered_delivery;
	int64_t		validity;		/* seconds, 0: what the SMSC likes */
	const uint8_t *ud;
	size_t		ud_length;
} SmppSubmit;

/* deliver_sm or data_sm; pointers are into the PDU */
typedef struct SmppMessage
{
	uint8_t		source_ton;
	char		source[SMPP_ADDRESS];
	char		destination[65];
	uint8_t		esm_class;
	uint8_t		data_coding;
	const uint8_t *ud;
	size_t		ud_length;
	char		receipted_id[SMPP_ID];	/* empty: none */
	int			message_state;	/* -1: none */
} SmppMessage;

extern SmppFrame smpp_frame(const uint8_t *data, size_t available, SmppHeader *header);

/* These write to a buffer of SMPP_PACKED octets and return the PDU's length, 0: refused. */
extern size_t smpp_pack_bind(uint8_t *out, uint32_t sequence, const SmppBindRequest *request);
extern size_t smpp_pack_submit(uint8_t *out, uint32_t sequence, const SmppSubmit *submit);
extern size_t smpp_pack_plain(uint8_t *out, uint32_t command, uint32_t status, uint32_t sequence);
extern size_t smpp_pack_message_answer(uint8_t *out, uint32_t command, uint32_t status, uint32_t sequence);

extern bool smpp_unpack_message(const uint8_t *pdu, const SmppHeader *header, SmppMessage *message);
extern bool smpp_unpack_submit_answer(const uint8_t *pdu, const SmppHeader *header, char id[SMPP_ID]);
extern bool smpp_unpack_bind_answer(const uint8_t *pdu, const SmppHeader *header, char system_id[16]);

/* why the last pack or unpack refused */
extern const char *smpp_complaint(void);

extern const char *smpp_command_name(uint32_t command);
extern bool smpp_ton_known(int ton);
extern bool smpp_npi_known(int npi);

/* relative time format of SMPP 3.4, 7.1.1 */
extern void smpp_relative_time(char out[17], int64_t seconds);

#endif							/* SMPP_H */
