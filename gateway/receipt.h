/*
 * receipt.h
 *	  SMSC delivery receipts.
 */
#ifndef RECEIPT_H
#define RECEIPT_H

#include "smpp.h"

#define RECEIPT_STATE 16

/* false: it calls itself a receipt but names no message */
extern bool receipt_parse(const SmppMessage *message, char id[SMPP_ID], char state[RECEIPT_STATE]);

#endif							/* RECEIPT_H */
