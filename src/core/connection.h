/*
 * connection.h
 *		Where and how a card is to open a connection: the parameters of OPEN
 *		CHANNEL (TS 102 223 clause 6.4.27), as a session trigger and PUSH carry them.
 *
 * What is left out the card takes from what it has stored.
 */
#ifndef SMSR_CONNECTION_H
#define SMSR_CONNECTION_H

#include "bytes.h"
#include "error.h"

#define ACCESS_NAME_MAX		100 /* octets of text, TS 23.003 clause 9.1 */

/* TS 102 223 clause 8.59 */
typedef enum TransportProtocol
{
	TRANSPORT_UDP_CLIENT = 1,
	TRANSPORT_TCP_CLIENT = 2
} TransportProtocol;

typedef struct Connection
{
	SmsrBytes	bearer;			/* value of the bearer description; empty: left out */
	uint16_t	buffer_size;	/* octets; 0: left out */
	SmsrBytes	access_name;	/* "internet.example"; empty: left out */
	bool		has_login;		/* then login and password both stand */
	SmsrBytes	login;
	SmsrBytes	password;
	bool		has_port;
	TransportProtocol protocol;
	uint16_t	port;
	size_t		address_len;	/* 4, 16, or 0: left out */
	uint8_t		address[16];
} Connection;

/* Whether it says anything at all. */
extern bool connection_says(const Connection *connection);

/* Append the objects, in the order of OPEN CHANNEL. */
extern bool connection_write(const Connection *connection, SmsrWriter *w, SmsrError *error);

/*
 * The card's side.  Objects in any order, none twice; unknown ones are skipped.
 * The access name is written as text into name, which it then borrows.
 */
extern bool connection_read(SmsrBytes objects, char name[ACCESS_NAME_MAX], Connection *connection,
							SmsrError *error);

#endif							/* SMSR_CONNECTION_H */
