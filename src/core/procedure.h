/*
 * procedure.h
 *		What becomes of an operation: (operation, event) -> (operation', effects).
 *
 * Pure.  Every procedure of SGP.02 that involves the card is a set of rows in
 * procedure.c.  An effect is data: the database carries it out, in the
 * transaction in which the event was stored.
 */
#ifndef SMSR_PROCEDURE_H
#define SMSR_PROCEDURE_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle.h"

typedef enum ProcedureFunction
{
	PROC_CREATE_ISDP,
	PROC_ENABLE_PROFILE,
	PROC_DISABLE_PROFILE,
	PROC_DELETE_PROFILE,
	PROC_SET_FALLBACK_ATTRIBUTE,
	PROC_MASTER_DELETE,
	PROC_SET_EMERGENCY_ATTRIBUTE,
	PROC_UNSET_EMERGENCY_ATTRIBUTE,
	PROC_UPDATE_CONNECTIVITY,
	PROC_SEND_DATA,				/* an SM-DP's own script, to an ISD-P or to the ISD-R */
	PROC_UPDATE_SMSR_ADDRESSING,
	PROC_AUTHENTICATE_SMSR,		/* the change of SM-SR, see handover.h */
	PROC_CREATE_KEY_SET,
	PROC_FINALISE_HANDOVER,
	PROC_ROTATE_KEYS,
	PROC_MANAGE,				/* questions to the ISD-R, see platform_command.h */
	PROC_UPDATE_PLATFORM,		/* an EUM's package, chunk by chunk */
	PROC_AUDIT_EIS,
	PROC_CONFIRM_NOTIFICATION	/* of a notification that no operation awaited */
} ProcedureFunction;

#define PROCEDURE_FUNCTIONS	19

/* Which card command is at hand. */
typedef enum ProcedureStep
{
	STEP_NONE,
	STEP_CREATE,
	STEP_ENABLE,
	STEP_DISABLE,
	STEP_DELETE,
	STEP_SET_FALLBACK,
	STEP_MASTER_DELETE,
	STEP_SET_EMERGENCY,
	STEP_UNSET_EMERGENCY,
	STEP_RELAY,					/* another party's commands to an ISD-P */
	STEP_ADDRESSING,
	STEP_AUTHENTICATE,			/* EstablishISDRKeySet, first command */
	STEP_ESTABLISH,				/* second */
	STEP_FINALISE,				/* FinaliseISDRhandover */
	STEP_PUT_KEY,
	STEP_KEY_INFO,				/* which key sets the card has, asked under the old one */
	STEP_PROVE,					/* the same under the new one: whatever it says proves it */
	STEP_MANAGE,
	STEP_PACKAGE,				/* the next chunk of an update package */
	STEP_AUDIT,
	STEP_CONFIRM,
	STEP_AUTO_DELETE			/* POL2: delete the profile that was left */
} ProcedureStep;

#define PROCEDURE_STEPS	22

typedef enum ProcedureStage
{
	STAGE_WAITING,				/* behind another operation of this eUICC */
	STAGE_SENDING,				/* until the step's command is answered */
	STAGE_NOTIFICATION,			/* until the card tells what came of it */
	STAGE_FINISHED
} ProcedureStage;

#define PROCEDURE_STAGES	4

typedef enum ProcedureStatus
{
	STATUS_RUNNING,
	STATUS_SUCCESS,
	STATUS_WITHWARNING,
	STATUS_FAILED,
	STATUS_EXPIRED
} ProcedureStatus;

typedef struct Operation
{
	ProcedureFunction function;
	ProcedureStep step;
	ProcedureStage stage;
	ProcedureStep doubt;		/* what an audit is to find out; STEP_NONE if
								 * nothing is in doubt */
	bool		failed;			/* the card said so; only its confirmation is left */
	bool		warned;
} Operation;

typedef enum ProcedureEventKind
{
	EVENT_START,				/* its turn has come */
	EVENT_POR,					/* authentic answer to the step's packet */
	EVENT_POR_UNAUTHENTICATED,	/* an answer that anybody could have sent */
	EVENT_NOTIFICATION,			/* authentic, and not a duplicate */
	EVENT_NOTIFICATION_AGAIN,	/* same type and sequence number as the last */
	EVENT_REFUSED,				/* the SMSC will not take the message, ever */
	EVENT_DEADLINE,				/* the validity period is over */
	EVENT_ASK,					/* somebody wants it to go on, or has waited too long */
	EVENT_PROVEN,				/* something authentic came under the new key set */
	EVENT_LOST					/* the script left in a session that broke, and the card's
								 * next word shows that no answer will come */
} ProcedureEventKind;

#define PROCEDURE_EVENTS	10

typedef struct ProcedureEvent
{
	ProcedureEventKind kind;

	/* EVENT_POR */
	uint8_t		por_status;		/* TS 102 225 response status code */
	uint16_t	sw;				/* of the last R-APDU; 0 if there was none */
	int			resyncs;		/* how often this step's counter was moved ahead */

	/* EVENT_NOTIFICATION */
	uint8_t		type;
	bool		names_target;	/* its AID is the operation's profile */

	/* EVENT_POR, EVENT_REFUSED, EVENT_DEADLINE */
	int			attempts;		/* how often the packet was handed to a gateway */

	/* what the database knows, after this event's own news */
	bool		target_enabled; /* per EIS: EVENT_START */
	bool		target_gone;	/* POL1 took it: EVENT_POR of a confirmation */
	bool		auto_delete;	/* POL2 of the profile that was left wants it, it
								 * is still there and not the fall-back one */

	/* what an audit's answer says: EVENT_POR of STEP_AUDIT */
	ProfileState card_state;	/* of the target; PROFILE_ABSENT if not on the card */
	bool		card_fallback;	/* the target has the attribute */
	bool		card_left_gone; /* the profile that was left is not on the card */

	/* about a new key set: EVENT_START, and POR of STEP_PUT_KEY */
	bool		keys_pending;	/* there is one already, whose fate is unknown */
	bool		keys_replace;	/* the card is to put it in the place of another one */
	bool		keys_mute;		/* no set is active: nothing can be sent but a proof */

	/* what the answer says of it: POR of STEP_PUT_KEY, POR of STEP_KEY_INFO */
	bool		keys_match;		/* version and check values are those that were sent */
	bool		keys_differ;	/* or others; neither if it says nothing */
	bool		keys_told;		/* it names the key sets that the card has */
	bool		keys_there;		/* and the new one is among them */

	/* POR of what is relayed and of a package */
	bool		executed;		/* it is an answer to a script that was run: whatever its words */
	bool		more_chunks;	/* behind the one that is answered */
} ProcedureEvent;

/* In the order in which they are to be carried out. */
#define EFFECT_DROP_PACKET		0x0001	/* it is done: its story goes to the record */
#define EFFECT_FOLLOW			0x0002	/* EIS: the profile the notification names is
										 * the enabled one */
#define EFFECT_SPONTANEOUS		0x0004	/* not this operation's: follow, and confirm in
										 * an operation of its own */
#define EFFECT_DROP_DELETED		0x0008	/* EIS: remove what the card deleted for POL1 */
#define EFFECT_FOLLOW_AUDIT		0x0010	/* EIS: states, attributes, memory from the answer */
#define EFFECT_ADD_TARGET		0x0020	/* EIS: the ISD-P exists */
#define EFFECT_REMOVE_TARGET	0x0040
#define EFFECT_REMOVE_LEFT		0x0080
#define EFFECT_MOVE_FALLBACK	0x0100
#define EFFECT_SET_EMERGENCY	0x0200	/* EIS: the attribute is the target's alone */
#define EFFECT_UNSET_EMERGENCY	0x00400 /* EIS: no profile has it */
#define EFFECT_ADOPT_KEYS		0x00800 /* the new set is proven: active, the old one retiring */
#define EFFECT_FORGET_KEYS		0x01000 /* the card does not have it: as before it was made */
#define EFFECT_REVOKE_KEYS		0x02000 /* its number is taken, by keys that are not ours */
#define EFFECT_VACATE_KEYS		0x04000 /* the card has no set at all under its number */
#define EFFECT_RESYNC			0x08000 /* the same command under a counter far ahead */
#define EFFECT_SEND				0x10000 /* queue the command of the new step */
#define EFFECT_HASTEN			0x20000 /* the packet again, now, the same octets */
#define EFFECT_RETRY_LATER		0x40000 /* the packet again after the next interval */
#define EFFECT_AUDIT			0x80000 /* start an audit as an operation of its own */
#define EFFECT_FINISH			0x100000

#define PROCEDURE_EFFECTS	21

/* How far ahead a counter may be moved in search of the card's, see RESYNC. */
#define PROCEDURE_MAX_RESYNCS	4

typedef struct ProcedureResult
{
	Operation	operation;
	unsigned	effects;
	ProcedureStatus status;
	const char *subject;		/* NULL unless status asks for codes */
	const char *reason;
	const char *because;		/* for people, static; NULL if there is nothing to say */
} ProcedureResult;

/*
 * An event that no row awaits changes nothing and has no effect: a late or
 * doubled answer is recorded by the caller, and that is all.
 */
extern ProcedureResult procedure(const Operation *operation, const ProcedureEvent *event);

/* Whether an operation of this function excludes others on its eUICC. */
extern bool procedure_exclusive(ProcedureFunction function);

/*
 * Whether a step's packet is for the ISD-P itself and not for the ISD-R: over
 * SMS it then carries the TAR of the ISD-P.  The keys are the ISD-R's all the
 * same, SCP80 knows no others here.  How SGP.02 clause 2.4.3 addresses an ISD-P
 * over SMS is not established: this is the one place that says so.
 */
extern bool procedure_for_isdp(ProcedureStep step);

/* How far a counter is moved ahead on the n-th resynchronisation (0-based). */
extern uint64_t procedure_resync_distance(int resyncs);

/*
 * Names as they stand in SQL; NULL or false for what is none.
 */
extern const char *procedure_function_name(ProcedureFunction function);
extern bool procedure_function_parse(const char *name, ProcedureFunction *function);
extern const char *procedure_step_name(ProcedureStep step); /* NULL for STEP_NONE */
extern bool procedure_step_parse(const char *name, ProcedureStep *step);
extern const char *procedure_stage_name(ProcedureStage stage);
extern bool procedure_stage_parse(const char *name, ProcedureStage *stage);
extern const char *procedure_event_name(ProcedureEventKind kind);
extern bool procedure_event_parse(const char *name, ProcedureEventKind *kind);
extern const char *procedure_status_name(ProcedureStatus status);	/* NULL while running */
extern const char *procedure_effect_name(int bit);

#endif							/* SMSR_PROCEDURE_H */
