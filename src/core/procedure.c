/*
 * procedure.c
 *		The procedures of SGP.02 clause 3 as rows: the first row that fits an
 *		operation and an event says what becomes of it.
 *
 * Subject and reason codes are those of facts with confidence "medium"; they
 * stand in this table and nowhere else.
 */
#include "procedure.h"

#include "procedure_conditions.h"
#include "scp80.h"

#define F(f)	(1u << (f))
#define ANY_FUNCTION	((1u << PROCEDURE_FUNCTIONS) - 1)
#define S(s)	(1u << (s))
#define ANY_STEP	((1u << PROCEDURE_STEPS) - 1)
/* steps that change the card and must not be done twice */
#define CHANGES (S(STEP_CREATE) | S(STEP_ENABLE) | S(STEP_DISABLE) | S(STEP_DELETE) | \
				 S(STEP_SET_FALLBACK) | S(STEP_MASTER_DELETE) | S(STEP_AUTO_DELETE))
/* steps that leave the card the same whether done once or twice, and that no audit shows */
#define SETTINGS (S(STEP_SET_EMERGENCY) | S(STEP_UNSET_EMERGENCY) | S(STEP_ADDRESSING) | \
				  S(STEP_AUTHENTICATE) | S(STEP_FINALISE) | S(STEP_MANAGE))
/*
 * Commands that were secured elsewhere: nobody here knows what they do when they
 * are done twice, and no audit shows them.  So never under a second counter.
 */
/* and a key set is established by its answer alone: the card would refuse it twice */
#define RELAYED (S(STEP_RELAY) | S(STEP_ESTABLISH) | S(STEP_PACKAGE))
#define COMMANDS (CHANGES | SETTINGS | RELAYED)
#define SWITCHES (S(STEP_ENABLE) | S(STEP_DISABLE))
#define G(g)	(1u << (g))
#define RUNNING (G(STAGE_SENDING) | G(STAGE_NOTIFICATION))

#define SAME	(-1)			/* step or stage stays */

/* row flags */
#define SET_FAILED	0x01
#define SET_WARNED	0x02
#define SET_DOUBT	0x04		/* the step that is left is what is in doubt */
#define END_DOUBT	0x08		/* back to the step that was in doubt */
#define DOUBT_KEYS	0x10		/* PUT KEY is what is in doubt */

typedef struct Row
{
	unsigned	functions;
	unsigned	steps;
	unsigned	stages;
	ProcedureEventKind event;
	Condition	when;
	int			step;
	int			stage;
	unsigned	flags;
	unsigned	effects;
	ProcedureStatus status;
	const char *subject;
	const char *reason;
	const char *because;
} Row;

/* ---- rows ---- */

#define DROP	EFFECT_DROP_PACKET
#define END		EFFECT_FINISH
#define CARD_SAID	(ANY_FUNCTION & ~F(PROC_CONFIRM_NOTIFICATION))
#define ROTATE	F(PROC_ROTATE_KEYS)
#define SENDS	F(PROC_SEND_DATA)
#define MANAGES	F(PROC_MANAGE)
#define UPDATES	F(PROC_UPDATE_PLATFORM)

#define GO(function, step) \
	{F(function), ANY_STEP, G(STAGE_WAITING), EVENT_START, when_always, step, STAGE_SENDING, \
	 0, EFFECT_SEND, STATUS_RUNNING, NULL, NULL, NULL}

static const Row rows[] = {
	/* the turn of a waiting operation */
	{F(PROC_DELETE_PROFILE), ANY_STEP, G(STAGE_WAITING), EVENT_START, when_target_enabled,
		STEP_DISABLE, STAGE_SENDING, 0, EFFECT_SEND, STATUS_RUNNING, NULL, NULL, NULL},
	GO(PROC_CREATE_ISDP, STEP_CREATE),
	GO(PROC_ENABLE_PROFILE, STEP_ENABLE),
	GO(PROC_DISABLE_PROFILE, STEP_DISABLE),
	GO(PROC_DELETE_PROFILE, STEP_DELETE),
	GO(PROC_SET_FALLBACK_ATTRIBUTE, STEP_SET_FALLBACK),
	GO(PROC_MASTER_DELETE, STEP_MASTER_DELETE),
	GO(PROC_SET_EMERGENCY_ATTRIBUTE, STEP_SET_EMERGENCY),
	GO(PROC_UNSET_EMERGENCY_ATTRIBUTE, STEP_UNSET_EMERGENCY),
	GO(PROC_UPDATE_CONNECTIVITY, STEP_RELAY),
	GO(PROC_SEND_DATA, STEP_RELAY),
	GO(PROC_UPDATE_SMSR_ADDRESSING, STEP_ADDRESSING),
	GO(PROC_AUTHENTICATE_SMSR, STEP_AUTHENTICATE),
	GO(PROC_CREATE_KEY_SET, STEP_ESTABLISH),
	GO(PROC_FINALISE_HANDOVER, STEP_FINALISE),
	/* what an earlier rotation left open comes first */
	{ROTATE, ANY_STEP, G(STAGE_WAITING), EVENT_START, when_keys_to_prove,
		STEP_PROVE, STAGE_SENDING, 0, EFFECT_SEND, STATUS_RUNNING, NULL, NULL, NULL},
	{ROTATE, ANY_STEP, G(STAGE_WAITING), EVENT_START, when_keys_to_ask,
		STEP_KEY_INFO, STAGE_SENDING, 0, EFFECT_SEND, STATUS_RUNNING, NULL, NULL, NULL},
	GO(PROC_ROTATE_KEYS, STEP_PUT_KEY),
	GO(PROC_MANAGE, STEP_MANAGE),
	GO(PROC_UPDATE_PLATFORM, STEP_PACKAGE),
	GO(PROC_AUDIT_EIS, STEP_AUDIT),
	GO(PROC_CONFIRM_NOTIFICATION, STEP_CONFIRM),

	/* whoever answers authentically under the new keys has them, whatever it says */
	{ROTATE, S(STEP_PROVE), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_ADOPT_KEYS | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{ROTATE, ANY_STEP, RUNNING, EVENT_PROVEN, when_always,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_ADOPT_KEYS | END, STATUS_SUCCESS, NULL, NULL, NULL},

	/* an answer that is none yet */
	{ANY_FUNCTION, ANY_STEP, G(STAGE_SENDING), EVENT_POR, when_por_unfinished,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the card announced its answer"},

	/* counter too low on the first sending: ours is behind */
	{CARD_SAID, S(STEP_AUDIT) | SETTINGS, G(STAGE_SENDING), EVENT_POR, when_por_low_first,
		SAME, SAME, 0, EFFECT_RESYNC, STATUS_RUNNING, NULL, NULL,
	"the card's counter is ahead of ours"},
	{F(PROC_CONFIRM_NOTIFICATION), S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_por_low_first,
		SAME, SAME, 0, EFFECT_RESYNC, STATUS_RUNNING, NULL, NULL,
	"the card's counter is ahead of ours"},

	/* too low otherwise: the card may have had it and its answer been lost */
	{F(PROC_CONFIRM_NOTIFICATION), S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_por_low_again,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_AUDIT | END, STATUS_SUCCESS, NULL, NULL,
	"confirmed; what the card deleted is unknown"},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_por_low_again,
		STEP_AUDIT, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the audit's answer was lost: asked again"},
	{MANAGES, S(STEP_MANAGE), G(STAGE_SENDING), EVENT_POR, when_por_low_again,
		SAME, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the answer was lost: asked again"},
	{CARD_SAID, SETTINGS, G(STAGE_SENDING), EVENT_POR, when_por_low_again,
		SAME, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the answer was lost: set again"},
	{CARD_SAID, SETTINGS, G(STAGE_SENDING), EVENT_POR, when_por_low,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the card's counter is ahead of ours"},
	/*
	 * An audit that has to move the counter ahead proves nothing here: "low" may
	 * be about a doubled message of its own, and no state on the card shows
	 * whether the commands were executed.  The real answer may still come.
	 */
	{CARD_SAID, RELAYED, G(STAGE_SENDING), EVENT_POR, when_por_low,
		SAME, SAME, 0, 0, STATUS_RUNNING, NULL, NULL,
	"the card has had the commands before, or its counter is ahead of ours: its answer is awaited"},
	{CARD_SAID, CHANGES, G(STAGE_SENDING), EVENT_POR, when_por_low,
		STEP_AUDIT, STAGE_SENDING, SET_DOUBT, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card may have had the command before: outcome unknown, asking"},

	/*
	 * PUT KEY.  The old set stays active until the new one is proven, and the new
	 * one is kept until it is certain that the card does not have it: whatever is
	 * lost on the way, one that both know is there.
	 */
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_put_again_low_first,
		SAME, SAME, 0, EFFECT_RESYNC, STATUS_RUNNING, NULL, NULL,
	"the card's counter is ahead of ours"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_put_again_low,
		SAME, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the answer was lost: put again"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_put_again_later,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the card's counter is ahead of ours"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_por_low,
		STEP_KEY_INFO, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card may have had the keys before: outcome unknown, asking"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_put_error_again,
		STEP_KEY_INFO, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card may have had the keys before: outcome unknown, asking"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_put_error_in_doubt,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the packet; both key sets are kept"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_por_blocked,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_FORGET_KEYS | END, STATUS_FAILED, "8.4", "4.2",
	"the card's counter is blocked: it takes no key set any more under this one"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_por_memory,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_FORGET_KEYS | END, STATUS_FAILED, "8.1", "4.8",
	"the card has no memory for the message"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_por_error,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_FORGET_KEYS | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the packet"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_keys_match,
		STEP_PROVE, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card has the new key set: to be proven"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_keys_differ,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_REVOKE_KEYS | END, STATUS_FAILED, "8.4", "4.2",
	"the card stored other keys than it was sent"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		STEP_PROVE, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card does not say which keys it stored: to be proven"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_put_untold,
		STEP_PROVE, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card's answer does not say what became of the command: to be proven"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_sw_none,
		STEP_KEY_INFO, STAGE_SENDING, DOUBT_KEYS, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card's answer does not say what became of the command"},
	/* a set of this number may be the one in doubt */
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_put_in_doubt,
		STEP_PROVE, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card refused the key set, which it may have: to be proven"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_nothing_to_replace,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_VACATE_KEYS | END, STATUS_FAILED, "8.4", "3.9",
	"the card has no key set of this version to replace"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_sw_memory,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_FORGET_KEYS | END, STATUS_FAILED, "8.1", "4.8",
	"the eUICC has not enough memory"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_keys_refused,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_FORGET_KEYS | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the key set"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_REVOKE_KEYS | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the key set: it may have one of this version that is not known here"},

	/* what key sets does the card have?  It may be asked twice */
	{ROTATE, S(STEP_KEY_INFO), G(STAGE_SENDING), EVENT_POR, when_por_low_first,
		SAME, SAME, 0, EFFECT_RESYNC, STATUS_RUNNING, NULL, NULL,
	"the card's counter is ahead of ours"},
	{ROTATE, S(STEP_KEY_INFO), G(STAGE_SENDING), EVENT_POR, when_por_low_again,
		SAME, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the answer was lost: asked again"},
	/* nothing goes under the old set any more: the new one is all there may be */
	{ROTATE, S(STEP_KEY_INFO), G(STAGE_SENDING), EVENT_POR, when_por_blocked,
		STEP_PROVE, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card's counter is blocked: the new key set is tried"},
	{ROTATE, S(STEP_KEY_INFO), G(STAGE_SENDING), EVENT_POR, when_por_error,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the card refused the question"},
	{ROTATE, S(STEP_KEY_INFO), G(STAGE_SENDING), EVENT_POR, when_keys_there,
		STEP_PROVE, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card has a key set of the new version: to be proven"},
	{ROTATE, S(STEP_KEY_INFO), G(STAGE_SENDING), EVENT_POR, when_keys_not_stored,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_FORGET_KEYS | END, STATUS_FAILED, "8.4", "4.2",
	"the card did not store the key set"},
	/* nor will it have it: this answer's counter is above that of the command */
	{ROTATE, S(STEP_KEY_INFO), G(STAGE_SENDING), EVENT_POR, when_keys_told,
		STEP_PUT_KEY, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card does not have the new key set: put again"},
	{ROTATE, S(STEP_KEY_INFO), G(STAGE_SENDING), EVENT_POR, when_always,
		STEP_PUT_KEY, STAGE_SENDING, DOUBT_KEYS, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card does not tell its key sets: put again"},

	/* a confirmation that the card refuses for its security changes nothing any more */
	{F(PROC_CONFIRM_NOTIFICATION), S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_por_error,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the confirmation"},

	/* security errors: the card has not executed anything */
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_por_error,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the card refused the audit"},
	{CARD_SAID, S(STEP_AUTO_DELETE), G(STAGE_SENDING), EVENT_POR, when_por_error,
		SAME, STAGE_FINISHED, SET_WARNED, DROP | END, STATUS_WITHWARNING, "8.4", "4.2",
	"the automatic delete was refused"},
	{CARD_SAID, COMMANDS, G(STAGE_SENDING), EVENT_POR, when_por_blocked,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card's counter is blocked: a new key set is needed"},
	{CARD_SAID, COMMANDS, G(STAGE_SENDING), EVENT_POR, when_por_memory,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.1", "4.8",
	"the card has no memory for the message"},
	{CARD_SAID, COMMANDS, G(STAGE_SENDING), EVENT_POR, when_por_error,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the packet"},

	/* CreateISDP */
	{F(PROC_CREATE_ISDP), S(STEP_CREATE), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_ADD_TARGET | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{F(PROC_CREATE_ISDP), S(STEP_CREATE), G(STAGE_SENDING), EVENT_POR, when_sw_memory,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.1", "4.8",
	"the eUICC has not enough memory"},

	/* the card does what was asked, and will tell what came of it */
	{CARD_SAID, SWITCHES, G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_NOTIFICATION, 0, DROP, STATUS_RUNNING, NULL, NULL, NULL},

	/* DeleteProfile */
	{F(PROC_DELETE_PROFILE), S(STEP_DELETE), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_REMOVE_TARGET | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{F(PROC_DELETE_PROFILE), S(STEP_DELETE), G(STAGE_SENDING), EVENT_POR, when_sw_gone,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_REMOVE_TARGET | END, STATUS_WITHWARNING, "8.3.1", "3.9",
	"the ISD-P was not on the card any more"},

	/* SetFallBackAttribute */
	{F(PROC_SET_FALLBACK_ATTRIBUTE), S(STEP_SET_FALLBACK), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_MOVE_FALLBACK | END, STATUS_SUCCESS, NULL, NULL, NULL},

	/*
	 * MasterDelete.  "Not found" may be about the ISD-P or about the key that
	 * the token is for (GlobalPlatform), so the card is asked what it has.
	 */
	{F(PROC_MASTER_DELETE), S(STEP_MASTER_DELETE), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_REMOVE_TARGET | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{F(PROC_MASTER_DELETE), S(STEP_MASTER_DELETE), G(STAGE_SENDING), EVENT_POR, when_sw_gone,
		STEP_AUDIT, STAGE_SENDING, SET_DOUBT, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card does not find the ISD-P, or no key for the token: asking"},

	/* SetEmergencyProfileAttribute, and its contrary */
	{F(PROC_SET_EMERGENCY_ATTRIBUTE), S(STEP_SET_EMERGENCY), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_SET_EMERGENCY | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{F(PROC_UNSET_EMERGENCY_ATTRIBUTE), S(STEP_UNSET_EMERGENCY), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_UNSET_EMERGENCY | END, STATUS_SUCCESS, NULL, NULL, NULL},

	/*
	 * SendData: how what the SM-DP secured was answered is for the SM-DP to read,
	 * in words of a language that is not spoken here.  That it was run is enough.
	 */
	{SENDS, S(STEP_RELAY), G(STAGE_SENDING), EVENT_POR, when_executed,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{SENDS, S(STEP_RELAY), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card's answer does not say that it has run the script"},

	/* an update package: one chunk behind the other, and none behind one that was refused */
	{UPDATES, S(STEP_PACKAGE), G(STAGE_SENDING), EVENT_POR, when_chunk_done_and_more,
		STEP_PACKAGE, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL, NULL},
	{UPDATES, S(STEP_PACKAGE), G(STAGE_SENDING), EVENT_POR, when_chunk_done,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{UPDATES, S(STEP_PACKAGE), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused a chunk of the package"},

	/* questions to the ISD-R */
	{MANAGES, S(STEP_MANAGE), G(STAGE_SENDING), EVENT_POR, when_asked_and_told,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{MANAGES, S(STEP_MANAGE), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused a command: its answer says which, if anything"},

	/* what is relayed: the last word decides, the whole answer is for who secured the commands */
	{CARD_SAID, RELAYED, G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_ESTABLISH), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the key set"},
	{CARD_SAID, RELAYED, G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the answer of the ISD-P is no success"},

	/* the change of SM-SR: what the card says of a certificate is about that */
	{CARD_SAID, S(STEP_AUTHENTICATE) | S(STEP_FINALISE), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUTHENTICATE), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.5.3", "6.1",
	"the card refused the certificate of the SM-SR"},
	{CARD_SAID, S(STEP_FINALISE), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card did not delete the other keys"},

	/* UpdateSMSRAddressingParameters: about no ISD-P, so no refusal is about one */
	{F(PROC_UPDATE_SMSR_ADDRESSING), S(STEP_ADDRESSING), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, SETTINGS, G(STAGE_SENDING), EVENT_POR, when_sw_none,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the card's answer does not say what became of the command"},
	{CARD_SAID, S(STEP_ADDRESSING), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the command"},

	/* POL2's automatic delete: the switch itself is done, so no failure any more */
	{CARD_SAID, S(STEP_AUTO_DELETE), G(STAGE_SENDING), EVENT_POR, when_sw_ok,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_REMOVE_LEFT | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUTO_DELETE), G(STAGE_SENDING), EVENT_POR, when_sw_gone,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_REMOVE_LEFT | END, STATUS_SUCCESS, NULL, NULL, NULL},

	/* done, but nobody says how: ask */
	{CARD_SAID, CHANGES, G(STAGE_SENDING), EVENT_POR, when_sw_none,
		STEP_AUDIT, STAGE_SENDING, SET_DOUBT, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card's answer does not say what became of the command"},

	{CARD_SAID, S(STEP_AUTO_DELETE), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, SET_WARNED, DROP | END, STATUS_WITHWARNING, "8.4", "4.2",
	"the automatic delete failed"},

	/* refusals of the card */
	{CARD_SAID, CHANGES | SETTINGS, G(STAGE_SENDING), EVENT_POR, when_sw_pol1,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.2.2", "3.8", "POL1 forbids it"},
	{CARD_SAID, CHANGES | SETTINGS, G(STAGE_SENDING), EVENT_POR, when_sw_gone,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_AUDIT | END, STATUS_FAILED, "8.3.1", "3.9",
	"the card knows no such ISD-P"},
	{CARD_SAID, CHANGES | SETTINGS, G(STAGE_SENDING), EVENT_POR, when_sw_conditions,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_AUDIT | END, STATUS_FAILED, "8.2.1", "1.2",
	"the profile's state on the card does not allow it"},
	{CARD_SAID, CHANGES | SETTINGS, G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the command"},

	/* audits, asked for or in doubt */
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_audit_told_no_doubt,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_FOLLOW_AUDIT | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_nothing_in_doubt,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.4", "4.2",
	"the card refused the audit"},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_created_after_all,
		SAME, STAGE_FINISHED, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | EFFECT_ADD_TARGET | END,
	STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_enabled_after_all,
		SAME, STAGE_NOTIFICATION, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT,
	STATUS_RUNNING, NULL, NULL, "the card did it: its notification is awaited"},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_disabled_after_all,
		SAME, STAGE_NOTIFICATION, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT,
	STATUS_RUNNING, NULL, NULL, "the card did it: its notification is awaited"},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_deleted_after_all,
		SAME, STAGE_FINISHED, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | EFFECT_REMOVE_TARGET | END,
	STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_master_deleted_after_all,
		SAME, STAGE_FINISHED, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | EFFECT_REMOVE_TARGET | END,
	STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_fallback_after_all,
		SAME, STAGE_FINISHED, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | EFFECT_MOVE_FALLBACK | END,
	STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_auto_deleted_after_all,
		SAME, STAGE_FINISHED, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | EFFECT_REMOVE_LEFT | END,
	STATUS_SUCCESS, NULL, NULL, NULL},
	{F(PROC_DELETE_PROFILE), S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_confirmed_and_gone,
		SAME, STAGE_FINISHED, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | EFFECT_REMOVE_TARGET | END,
	STATUS_SUCCESS, NULL, NULL, NULL},
	{F(PROC_DELETE_PROFILE), S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_confirmed_after_all,
		STEP_DELETE, STAGE_SENDING, 0, DROP | EFFECT_FOLLOW_AUDIT | EFFECT_SEND,
	STATUS_RUNNING, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_confirmed_and_auto_delete,
		STEP_AUTO_DELETE, STAGE_SENDING, 0, DROP | EFFECT_FOLLOW_AUDIT | EFFECT_SEND,
	STATUS_RUNNING, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_confirmed_after_all,
		SAME, STAGE_FINISHED, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | END,
	STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_never_reached,
		SAME, STAGE_SENDING, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | EFFECT_SEND,
	STATUS_RUNNING, NULL, NULL, "our counter was behind: the command again"},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_rolled_back_in_doubt,
		SAME, STAGE_FINISHED, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | END,
	STATUS_FAILED, "8.2.1", "4.2", "the card rolled the change back"},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_auto_delete_not_done,
		SAME, STAGE_FINISHED, END_DOUBT | SET_WARNED, DROP | EFFECT_FOLLOW_AUDIT | END,
	STATUS_WITHWARNING, "8.4", "4.2", "the automatic delete failed"},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_audit_told,
		SAME, STAGE_FINISHED, END_DOUBT, DROP | EFFECT_FOLLOW_AUDIT | END,
	STATUS_FAILED, "8.4", "4.2", "the audit shows that the card did not do it"},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_POR, when_always,
		STEP_AUDIT, STAGE_SENDING, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the card refused the audit"},

	/* the card has taken the confirmation */
	{F(PROC_CONFIRM_NOTIFICATION), S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_DROP_DELETED | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_rolled_back,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_DROP_DELETED | END, STATUS_FAILED, "8.2.1", "4.2",
	"the card rolled the change back"},
	{CARD_SAID, S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_confirmation_in_doubt,
		STEP_AUDIT, STAGE_SENDING, SET_DOUBT, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the card did not say that it took the confirmation: asking"},
	{F(PROC_DELETE_PROFILE), S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_target_gone,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_DROP_DELETED | END, STATUS_SUCCESS, NULL, NULL, NULL},
	{F(PROC_DELETE_PROFILE), S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_always,
		STEP_DELETE, STAGE_SENDING, 0, DROP | EFFECT_DROP_DELETED | EFFECT_SEND,
	STATUS_RUNNING, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_auto_delete,
		STEP_AUTO_DELETE, STAGE_SENDING, 0, DROP | EFFECT_DROP_DELETED | EFFECT_SEND,
	STATUS_RUNNING, NULL, NULL, NULL},
	{CARD_SAID, S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_POR, when_always,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_DROP_DELETED | END, STATUS_SUCCESS, NULL, NULL, NULL},

	/* anybody can send an answer in the clear: look again sooner, believe nothing */
	{ANY_FUNCTION, ANY_STEP, G(STAGE_SENDING), EVENT_POR_UNAUTHENTICATED, when_always,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"an unauthenticated answer came"},

	/* notifications that an operation awaits */
	{CARD_SAID, SWITCHES | S(STEP_AUDIT) | S(STEP_CONFIRM), RUNNING, EVENT_NOTIFICATION, when_switched_as_asked,
		STEP_CONFIRM, STAGE_SENDING, 0, DROP | EFFECT_FOLLOW | EFFECT_SEND,
	STATUS_RUNNING, NULL, NULL, NULL},
	{CARD_SAID, SWITCHES, G(STAGE_NOTIFICATION), EVENT_NOTIFICATION, when_switched_otherwise,
		STEP_CONFIRM, STAGE_SENDING, SET_FAILED, DROP | EFFECT_FOLLOW | EFFECT_SEND,
	STATUS_RUNNING, NULL, NULL, "the card is not where it was asked to be"},
	{CARD_SAID, S(STEP_CONFIRM) | S(STEP_AUDIT), G(STAGE_SENDING), EVENT_NOTIFICATION, when_went_back,
		STEP_CONFIRM, STAGE_SENDING, SET_FAILED, DROP | EFFECT_FOLLOW | EFFECT_SEND,
	STATUS_RUNNING, NULL, NULL, "the card did not wait for the confirmation"},
	/* an audit's answer may be older than this: ask anew */
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_NOTIFICATION, when_always,
		STEP_AUDIT, STAGE_SENDING, 0, DROP | EFFECT_SPONTANEOUS | EFFECT_SEND, STATUS_RUNNING, NULL, NULL, NULL},
	{ANY_FUNCTION, ANY_STEP, RUNNING | G(STAGE_WAITING), EVENT_NOTIFICATION, when_always,
		SAME, SAME, 0, EFFECT_SPONTANEOUS, STATUS_RUNNING, NULL, NULL, NULL},

	/* a duplicate says that the confirmation has not arrived */
	{ANY_FUNCTION, S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_NOTIFICATION_AGAIN, when_always,
		SAME, SAME, 0, EFFECT_HASTEN, STATUS_RUNNING, NULL, NULL, NULL},

	/*
	 * The session broke.  TLS delivers nothing late, so a question may be asked
	 * again at once; but what was delivered may have been executed.
	 */
	{ANY_FUNCTION, S(STEP_CONFIRM), G(STAGE_SENDING), EVENT_LOST, when_always,
		SAME, STAGE_SENDING, 0, DROP | EFFECT_SEND | EFFECT_AUDIT, STATUS_RUNNING, NULL, NULL,
	"the session broke: confirmed again, and what the card may have deleted is asked"},
	{CARD_SAID, S(STEP_AUDIT), G(STAGE_SENDING), EVENT_LOST, when_always,
		SAME, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the session broke: asked again"},
	{CARD_SAID, SETTINGS, G(STAGE_SENDING), EVENT_LOST, when_always,
		SAME, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the session broke: sent again"},
	{CARD_SAID, CHANGES, G(STAGE_SENDING), EVENT_LOST, when_always,
		STEP_AUDIT, STAGE_SENDING, SET_DOUBT, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the session broke: outcome unknown, asking"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_LOST, when_keys_replace,
		SAME, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the session broke: put again"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_LOST, when_always,
		STEP_KEY_INFO, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the session broke: the card may have the keys, asking"},
	{ROTATE, S(STEP_KEY_INFO) | S(STEP_PROVE), G(STAGE_SENDING), EVENT_LOST, when_always,
		SAME, STAGE_SENDING, 0, DROP | EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"the session broke: asked again"},
	{CARD_SAID, RELAYED, G(STAGE_SENDING), EVENT_LOST, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "8.1", "5.5",
	"the session broke: whether the card has carried out the commands is unknown"},

	/* the SMSC's no: final only if no copy can be on its way */
	{ANY_FUNCTION, S(STEP_CONFIRM) | S(STEP_AUDIT) | S(STEP_AUTO_DELETE), G(STAGE_SENDING), EVENT_REFUSED, when_always,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the SMSC refused the message"},
	{CARD_SAID, COMMANDS, G(STAGE_SENDING), EVENT_REFUSED, when_never_sent,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_FAILED, "8.1", "5.1",
	"the SMSC refused the message"},
	{CARD_SAID, COMMANDS, G(STAGE_SENDING), EVENT_REFUSED, when_always,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the SMSC refused the message, an earlier copy may arrive"},

	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_REFUSED, when_never_put,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_FORGET_KEYS | END, STATUS_FAILED, "8.1", "5.1",
	"the SMSC refused the message"},
	{ROTATE, S(STEP_PUT_KEY) | S(STEP_KEY_INFO) | S(STEP_PROVE), G(STAGE_SENDING), EVENT_REFUSED, when_always,
		SAME, SAME, 0, EFFECT_RETRY_LATER, STATUS_RUNNING, NULL, NULL,
	"the SMSC refused the message"},

	/* the safe step: the same packet again, or, where none is under way, the question */
	{ANY_FUNCTION, ANY_STEP, G(STAGE_SENDING), EVENT_ASK, when_always,
		SAME, SAME, 0, EFFECT_HASTEN, STATUS_RUNNING, NULL, NULL, "sent again now"},
	{CARD_SAID, SWITCHES, G(STAGE_NOTIFICATION), EVENT_ASK, when_always,
		STEP_AUDIT, STAGE_SENDING, SET_DOUBT, EFFECT_SEND, STATUS_RUNNING, NULL, NULL,
	"no notification came: the card is asked"},

	/* the validity period is over */
	{ANY_FUNCTION, ANY_STEP, G(STAGE_WAITING), EVENT_DEADLINE, when_always,
		SAME, STAGE_FINISHED, 0, END, STATUS_EXPIRED, "1.6", "5.3",
	"its turn did not come in time; nothing was sent"},
	{F(PROC_AUDIT_EIS) | F(PROC_CONFIRM_NOTIFICATION), ANY_STEP, RUNNING, EVENT_DEADLINE, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "1.6", "5.3",
	"the card did not answer in time"},
	{ROTATE, S(STEP_PUT_KEY), G(STAGE_SENDING), EVENT_DEADLINE, when_never_put,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_FORGET_KEYS | END, STATUS_EXPIRED, "1.6", "5.3",
	"not sent in time; nothing was done"},
	{ROTATE, ANY_STEP, RUNNING, EVENT_DEADLINE, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "1.6", "5.3",
	"the outcome is unknown: both key sets are kept, another rotation finds out"},
	{CARD_SAID, S(STEP_AUTO_DELETE), RUNNING, EVENT_DEADLINE, when_always,
		SAME, STAGE_FINISHED, SET_WARNED, DROP | EFFECT_AUDIT | END,
	STATUS_WITHWARNING, "1.6", "5.3", "the automatic delete was not answered in time"},
	/* it may have been disabled for this */
	{F(PROC_DELETE_PROFILE), S(STEP_DELETE), G(STAGE_SENDING), EVENT_DEADLINE, when_never_sent,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "1.6", "5.3",
	"not sent in time; nothing was deleted"},
	{UPDATES, S(STEP_PACKAGE), G(STAGE_SENDING), EVENT_DEADLINE, when_never_sent,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "1.6", "5.3",
	"not sent in time: no chunk is in doubt"},
	{CARD_SAID, COMMANDS, G(STAGE_SENDING), EVENT_DEADLINE, when_never_sent,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "1.6", "5.3",
	"not sent in time; nothing was done"},
	{MANAGES, S(STEP_MANAGE), RUNNING, EVENT_DEADLINE, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "1.6", "5.3",
	"the card did not answer in time"},
	{CARD_SAID, SETTINGS, RUNNING, EVENT_DEADLINE, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "1.6", "5.3",
	"the outcome is unknown, and no audit shows it: to be set again"},
	{UPDATES, S(STEP_PACKAGE), RUNNING, EVENT_DEADLINE, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "1.6", "5.3",
	"whether the card has carried out the last chunk is unknown"},
	{CARD_SAID, RELAYED, RUNNING, EVENT_DEADLINE, when_always,
		SAME, STAGE_FINISHED, 0, DROP | END, STATUS_EXPIRED, "1.6", "5.3",
	"the outcome is unknown, and no audit shows it"},
	{CARD_SAID, ANY_STEP, RUNNING, EVENT_DEADLINE, when_always,
		SAME, STAGE_FINISHED, 0, DROP | EFFECT_AUDIT | END, STATUS_EXPIRED, "1.6", "5.3",
	"the outcome is unknown: the card is asked"},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

ProcedureResult
procedure(const Operation *op, const ProcedureEvent *ev)
{
	ProcedureResult result = {*op, 0, STATUS_RUNNING, NULL, NULL, NULL};

	for (size_t i = 0; i < ROWS; i++)
	{
		const Row  *row = &rows[i];

		if (!(row->functions & F(op->function)) || !(row->steps & S(op->step)) ||
			!(row->stages & G(op->stage)) || row->event != ev->kind ||
			!row->when(op, ev))
			continue;

		if (row->flags & SET_FAILED)
			result.operation.failed = true;
		else if (row->effects & EFFECT_FOLLOW)
			result.operation.failed = false;
		if (row->flags & SET_WARNED)
			result.operation.warned = true;
		if (row->flags & SET_DOUBT)
			result.operation.doubt = op->step;
		else if (row->flags & DOUBT_KEYS)
			result.operation.doubt = STEP_PUT_KEY;
		else if (row->flags & END_DOUBT)
		{
			result.operation.step = op->doubt;
			result.operation.doubt = STEP_NONE;
		}
		else if (row->step != SAME && row->step != STEP_AUDIT)
			result.operation.doubt = STEP_NONE;
		if (row->step != SAME)
			result.operation.step = (ProcedureStep) row->step;
		if (row->stage != SAME)
			result.operation.stage = (ProcedureStage) row->stage;
		result.effects = row->effects;
		/* an answer that is not OK carries no list of what POL1 took */
		if (ev->kind == EVENT_POR && ev->por_status != SCP80_POR_OK)
			result.effects &= ~(unsigned) EFFECT_DROP_DELETED;
		result.status = row->status;
		result.subject = row->subject;
		result.reason = row->reason;
		result.because = row->because;
		return result;
	}
	return result;
}

bool
procedure_exclusive(ProcedureFunction function)
{
	return function != PROC_CONFIRM_NOTIFICATION;
}

bool
procedure_for_isdp(ProcedureStep step)
{
	return step == STEP_RELAY;
}

/*
 * 2^8, 2^16, 2^24, 2^32: four messages find any counter that is not within a
 * few steps of its end, and the 2^40 values last for two hundred such searches.
 */
uint64_t
procedure_resync_distance(int resyncs)
{
	if (resyncs < 0)
		resyncs = 0;
	if (resyncs >= PROCEDURE_MAX_RESYNCS)
		resyncs = PROCEDURE_MAX_RESYNCS - 1;
	return UINT64_C(1) << (8 * (resyncs + 1));
}
