/*
 * push.h
 *		PUSH (ETSI TS 102 226 clause 9): the command by which a card opens a
 *		bearer, a CAT_TP link over it, or says who it is.
 */
#ifndef SMSR_PUSH_H
#define SMSR_PUSH_H

#include "bytes.h"
#include "connection.h"
#include "error.h"

/* P2 */
typedef enum PushRequest
{
	PUSH_CHANNEL = 0x01,
	PUSH_CAT_TP_LINK = 0x02,
	PUSH_TCP_CONNECTION = 0x03,
	PUSH_IDENTIFICATION = 0x04
} PushRequest;

typedef struct Push
{
	PushRequest request;
	Connection	connection;		/* of a channel or a TCP connection */
	uint16_t	cat_tp_port;	/* of a CAT_TP link */
	uint16_t	max_sdu;		/* octets; 0: left out */
	SmsrBytes	identification; /* what the card names itself by; empty: its ICCID */
} Push;

/* Append the C-APDU, which a compact or an expanded script carries. */
extern bool push_write(const Push *push, SmsrWriter *w, SmsrError *error);

/* The card's side; name as for connection_read(). */
extern bool push_read(SmsrBytes c_apdu, char name[ACCESS_NAME_MAX], Push *push, SmsrError *error);

#endif							/* SMSR_PUSH_H */
