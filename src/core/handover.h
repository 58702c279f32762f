/*
 * handover.h
 *		A change of SM-SR (SGP.02 clause 3.8), as both servers see it:
 *		(handover, event) -> (handover', effects).
 *
 * Pure.  SR1 has the eUICC and hands it over, SR2 takes it.  What they say to
 * each other is lost, doubled and overtaken on the way; each event is stored
 * together with what it leads to, so that a crash is a message that was lost.
 *
 * The commit point is the receipt verified at SR2: it proves that the card has
 * keys which SR2 alone knows.  Before it a failure leaves the eUICC with SR1;
 * after it SR2 may warn, and never fails.  SR1 can not see that point.  Once it
 * has passed the receipt on, only SR2's answer tells it who has the eUICC, and
 * until then it neither uses nor forgets it.
 */
#ifndef SMSR_HANDOVER_H
#define SMSR_HANDOVER_H

#include <stdbool.h>

#include "procedure.h"

typedef enum HandoverSide
{
	HANDOVER_GIVES,				/* SR1 */
	HANDOVER_TAKES				/* SR2 */
} HandoverSide;

#define HANDOVER_SIDES	2

typedef enum HandoverStage
{
	HANDOVER_NONE,				/* no handover is under way here */

	/* SR1 */
	HANDOVER_OFFERED,			/* HandoverEUICC was asked */
	HANDOVER_AUTHENTICATING,	/* SR2's certificate is on its way to the card */
	HANDOVER_CHALLENGED,		/* the card's challenge was passed on */
	HANDOVER_ESTABLISHING,		/* SR2's key set command is on its way to the card */
	HANDOVER_PASSED_ON,			/* the receipt was passed on: SR2 may have the eUICC */
	HANDOVER_ASKED_AGAIN,		/* SR2 said no, perhaps before it had the receipt, and was
								 * asked once more: this answer counts */
	HANDOVER_UNCERTAIN,			/* passed on, and past its time */

	/* SR2 */
	HANDOVER_PREPARED,			/* an operator has announced it */
	HANDOVER_AWAITING_CHALLENGE,	/* AuthenticateSMSR was asked */
	HANDOVER_AWAITING_RECEIPT,	/* CreateAdditionalKeySet was asked */
	/* committed from here on */
	HANDOVER_FINALISING,		/* FinaliseISDRhandover is on its way to the card */
	HANDOVER_ADDRESSING			/* UpdateSMSRAddressingParameters is */
} HandoverStage;

#define HANDOVER_STAGES	13

typedef enum HandoverEventKind
{
	/* SR1 hears */
	HANDOVER_CHANGE,			/* ES4.SMSRChange */
	HANDOVER_AUTHENTICATE,		/* ES7.AuthenticateSMSR, from the SM-SR it is handed to */
	HANDOVER_CREATE_KEY_SET,	/* ES7.CreateAdditionalKeySet, from there, too */
	HANDOVER_TAKEN,				/* the answer to HandoverEUICC: taken, or a warning */
	HANDOVER_NOT_TAKEN,			/* the same: failed or expired */

	/* SR2 hears */
	HANDOVER_PREPARE,			/* ES4.PrepareSMSRChange */
	HANDOVER_OFFER,				/* ES7.HandoverEUICC, and what is offered verifies */
	HANDOVER_BAD_OFFER,			/* the same, and it does not */
	HANDOVER_CHALLENGE,			/* the answer to AuthenticateSMSR */
	HANDOVER_RECEIPT,			/* the answer to CreateAdditionalKeySet, and it verifies */
	HANDOVER_BAD_RECEIPT,		/* the same, and it does not */
	HANDOVER_DECLINED,			/* either of the two was refused */

	/* either */
	HANDOVER_CARD_DONE,			/* the card has done what is on its way to it */
	HANDOVER_CARD_FAILED,		/* it has not, or nobody knows in time */
	HANDOVER_DEADLINE			/* the validity period is over */
} HandoverEventKind;

#define HANDOVER_EVENTS	15

typedef struct Handover
{
	HandoverSide side;
	HandoverStage stage;
	bool		warned;			/* committed, and something after that went wrong */
} Handover;

typedef struct HandoverEvent
{
	HandoverEventKind kind;
	bool		known;			/* the eUICC is registered here, or was taken from this very
								 * SM-SR and then handed on: HANDOVER_PREPARE, _OFFER, _BAD_OFFER */
	bool		addressed;		/* there is an address to tell the card: HANDOVER_CARD_... */
} HandoverEvent;

/* In the order in which they are to be carried out. */
#define HANDOVER_DROP			0x0001	/* forget what SR2 made for it: ephemeral key,
										 * provisional EIS, questions under way */
#define HANDOVER_TAKE			0x0002	/* commit: eUICC, key set */
#define HANDOVER_GIVE_UP		0x0004	/* the eUICC is not ours any more: its EIS goes */
#define HANDOVER_ASK_TAKE		0x0008	/* HandoverEUICC: the one that is unanswered again, or
										 * else one more */
#define HANDOVER_ASK_AUTHENTICATE	0x0010	/* AuthenticateSMSR */
#define HANDOVER_ASK_KEY_SET	0x0020	/* key pair, signature, CreateAdditionalKeySet */
#define HANDOVER_TO_CARD		0x0040	/* the command that the new stage says */
#define HANDOVER_ANSWER			0x0080	/* what was just asked is answered: done, by the card
										 * or here, unless there is a refusal */
#define HANDOVER_ANSWER_OFFER	0x0100	/* HandoverEUICC is answered, with the status */
#define HANDOVER_TELL			0x0200	/* the operators: HandleSMSRChange */
#define HANDOVER_FINISH			0x0400	/* the operation of whoever began it ends, with the status */

#define HANDOVER_EFFECTS	11

typedef struct HandoverResult
{
	Handover	handover;
	unsigned	effects;
	bool		expected;		/* false: nothing awaits this event here, nothing happens */
	ProcedureStatus status;		/* STATUS_FAILED without FINISH or ANSWER_OFFER: the question
								 * is refused, and all stays as it was */
	const char *subject;		/* NULL: the peer's or the card's, if they gave any */
	const char *reason;
	const char *because;		/* for people, static */
} HandoverResult;

extern HandoverResult handover(const Handover *from, const HandoverEvent *event);

/* Whether the eUICC is SR1's to use: no handover, or none that may have been taken. */
extern bool handover_committed(HandoverStage stage);	/* SR2 has it */
extern bool handover_locked(HandoverStage stage);	/* SR1 refuses everything else */

/* Names as they stand in SQL; NULL or false for what is none. */
extern const char *handover_side_name(HandoverSide side);
extern bool handover_side_parse(const char *name, HandoverSide *side);
extern const char *handover_stage_name(HandoverStage stage);	/* NULL for HANDOVER_NONE */
extern bool handover_stage_parse(const char *name, HandoverStage *stage);
extern const char *handover_event_name(HandoverEventKind kind);
extern bool handover_event_parse(const char *name, HandoverEventKind *kind);
extern const char *handover_effect_name(int bit);

#endif							/* SMSR_HANDOVER_H */
