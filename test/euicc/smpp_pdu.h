/*
 * smpp_pdu.h
 *		PDUs of SMPP 3.4, as far as an SMSC with cards behind it needs them.
 *
 * Not libsmpp34: the gateway uses it, and a rehearsal is worth more when its two
 * sides do not share their mistakes.  It also cuts TLVs at 1024 octets and
 * unpacks into a structure before it looks at the lengths.
 */
#ifndef FLEET_SMPP_PDU_H
#define FLEET_SMPP_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "card.h"
#include "memory.h"

#define SMPP_HEADER			16
#define SMPP_MAX_PDU		70000
#define SMPP_RESPONSE		0x80000000u

#define SMPP_GENERIC_NACK	0x80000000u
#define SMPP_BIND_RECEIVER	0x00000001u
#define SMPP_BIND_TRANSMITTER	0x00000002u
#define SMPP_SUBMIT_SM		0x00000004u
#define SMPP_DELIVER_SM		0x00000005u
#define SMPP_UNBIND			0x00000006u
#define SMPP_BIND_TRANSCEIVER	0x00000009u
#define SMPP_ENQUIRE_LINK	0x00000015u

#define ESME_ROK			0x00
#define ESME_RINVMSGLEN		0x01
#define ESME_RINVCMDLEN		0x02
#define ESME_RINVCMDID		0x03
#define ESME_RINVBNDSTS		0x04
#define ESME_RALYBND		0x05
#define ESME_RSYSERR		0x08
#define ESME_RINVDSTADR		0x0B
#define ESME_RBINDFAIL		0x0D
#define ESME_RINVPASWD		0x0E
#define ESME_RINVSYSID		0x0F
#define ESME_RMSGQFUL		0x14
#define ESME_RTHROTTLED		0x58
#define ESME_RX_T_APPN		0x64
#define ESME_RX_P_APPN		0x65
#define ESME_RX_R_APPN		0x66

#define SMPP_TLV_PAYLOAD	0x0424
#define SMPP_TLV_MESSAGE_ID	0x001E
#define SMPP_TLV_STATE		0x0427

#define SMPP_STATE_DELIVERED	2
#define SMPP_STATE_EXPIRED		3
#define SMPP_STATE_UNDELIVERABLE	5

#define ESM_UDHI			0x40
#define ESM_RECEIPT			0x04

typedef struct SmppPdu
{
	uint32_t	length;
	uint32_t	command;
	uint32_t	status;
	uint32_t	sequence;
	const uint8_t *body;
	size_t		body_len;
} SmppPdu;

/* submit_sm and deliver_sm have the same fields. */
typedef struct SmppMessage
{
	Address		source;
	Address		destination;
	uint8_t		esm_class;
	uint8_t		protocol_id;
	uint8_t		registered_delivery;
	uint8_t		data_coding;
	char		validity[17];
	SmsrBytes	ud;
	char		message_id[66]; /* of a receipt; empty: no TLVs */
	uint8_t		state;
} SmppMessage;

typedef struct SmppBind
{
	char		system_id[17];
	char		password[10];
} SmppBind;

/* 1: there is one; 0: not all of it yet; -1: this can not be SMPP. */
extern int	smpp_frame(const void *input, size_t len, SmppPdu *pdu);
extern bool smpp_read_bind(const SmppPdu *pdu, SmppBind *bind);
extern bool smpp_read_message(const SmppPdu *pdu, SmppMessage *message);

extern void smpp_write(Text *out, uint32_t command, uint32_t status, uint32_t sequence,
					   const void *body, size_t body_len);
extern void smpp_write_message(Text *out, uint32_t command, uint32_t sequence,
							   const SmppMessage *message);
extern void smpp_write_bind(Text *out, uint32_t command, uint32_t sequence, const SmppBind *bind);

/* How long a message is valid from now on, in seconds; 0 if the field is empty or odd. */
extern uint64_t smpp_validity(const char *field, int64_t unix_now);

#endif							/* FLEET_SMPP_PDU_H */
