/*
 * notification.h
 *		The default notification of an eUICC (SGP.02 clause 4.1.1.11), the E1
 *		template that travels as a command packet from card to SM-SR.
 */
#ifndef SMSR_NOTIFICATION_H
#define SMSR_NOTIFICATION_H

#include "aid.h"
#include "bytes.h"
#include "eid.h"
#include "error.h"

typedef enum NotificationType
{
	NOTIFICATION_FIRST_ATTACH = 1,
	NOTIFICATION_CHANGE_SUCCEEDED = 2,
	NOTIFICATION_CHANGE_FAILED = 3, /* and rolled back */
	NOTIFICATION_VOID = 4,
	NOTIFICATION_FALL_BACK = 5
	/* others are accepted, confirmed, and lead to an audit */
} NotificationType;

typedef struct Notification
{
	uint8_t		eid[EID_LEN];
	uint8_t		type;
	uint16_t	sequence;
	SmsrAid		enabled;		/* the ISD-P that is enabled now */
	bool		has_imei;
	bool		has_meid;
	uint8_t		imei[8];
	uint8_t		meid[8];
} Notification;

/* EID, type, sequence and AID are required; unknown objects are skipped. */
extern bool notification_read(SmsrBytes data, Notification *n, SmsrError *error);
extern void notification_write(SmsrWriter *w, const Notification *n);

#endif							/* SMSR_NOTIFICATION_H */
