/*
 * card.h
 *		One eUICC: its profiles, its ISD-R, and what it is in the middle of.
 */
#ifndef FLEET_CARD_H
#define FLEET_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/es5.h"
#include "core/es5_answer.h"
#include "core/notification.h"
#include "core/scp80.h"
#include "core/sms.h"
#include "identity.h"

#define CARD_PROFILES		8
#define CARD_KEY_SETS		4	/* of the ISD-R, for SCP80 and SCP81 */
#define CARD_ASSEMBLIES		2	/* concatenated messages at a time */

/* POL1 as the octet in the ISD-P (facts of SGP.02 section on POL1) */
#define POL1_NO_DISABLE		0x01
#define POL1_NO_DELETE		0x02
#define POL1_DELETE_WHEN_DISABLED	0x04

typedef struct Fleet Fleet;

/* As SMPP has it. */
typedef struct Address
{
	uint8_t		ton;
	uint8_t		npi;
	char		digits[22];
} Address;

typedef struct Profile
{
	uint16_t	tar;			/* 0: the slot is free */
	uint8_t		lcs;			/* ISDP_SELECTABLE .. ISDP_ENABLED */
	uint8_t		pol1;
	uint8_t		owner;			/* operator, from 0 */
	bool		fallback;
	bool		emergency;		/* its attribute; the device never enables it */
	bool		reachable;		/* whether its network takes the card */
	bool		has_iccid;
	uint8_t		iccid[ICCID_LEN];
	uint32_t	memory;
	uint64_t	msisdn;			/* 0: none yet */
	uint64_t	imsi;
} Profile;

/* Where a change of profile stands. */
typedef enum Phase
{
	PHASE_IDLE,
	PHASE_REFRESH,				/* answered 9000; REFRESH and the attach are to come */
	PHASE_ATTACH,				/* looks for a network that does not take it */
	PHASE_CONFIRM				/* notified; waits for the confirmation */
} Phase;

typedef enum Cause
{
	CAUSE_NONE,
	CAUSE_FIRST_ATTACH,
	CAUSE_ENABLE,
	CAUSE_DISABLE,
	CAUSE_FALL_BACK,			/* the card's own decision: network lost */
	CAUSE_ROLL_BACK
} Cause;

/* In the log: to an ISD-P, so nobody's command but the SM-DP's. */
#define KIND_RELAYED		0x80

/* One executed command. */
typedef struct Executed
{
	uint64_t	cntr;
	uint64_t	script;			/* as of Source */
	uint8_t		kvn;			/* of the packet it came in */
	uint8_t		kind;			/* Es5Kind, or KIND_RELAYED */
	uint16_t	tar;			/* of the ISD-P it is about; of PUT KEY, the version; 0 if none */
	uint16_t	sw;
} Executed;

/* The ISD-R's: the factory's, and what key establishments and PUT KEY have added or replaced */
typedef struct KeySet
{
	uint8_t		kvn;			/* 0: the place is free */
	uint8_t		keys[KEYS][KEY_LEN];
	uint64_t	cntr;			/* the highest accepted */
} KeySet;

/* The segments so far of a concatenated message. */
typedef struct Assembly
{
	Address		from;
	uint64_t	since;
	uint16_t	reference;
	uint8_t		total;
	uint8_t		count;
	uint8_t		have[32];		/* bit per segment */
	struct
	{
		uint8_t		len;
		uint8_t		octets[SMS_MAX_UD];
	}			segments[];
} Assembly;

typedef struct MtMessage MtMessage;
typedef struct HttpsAgent HttpsAgent;
typedef struct Download Download;

/* Where the command that is being executed comes from. */
typedef struct Source
{
	uint8_t		kvn;			/* of the set that secured it: of SCP80, or the PSK */
	uint64_t	cntr;			/* of its packet; of a session's script, its number */
	uint64_t	script;			/* of a session: what its server calls it, "?script=N", 0 if nothing */
} Source;

/* Where the next session over HTTPS is to break off, on demand. */
typedef enum BreakPoint
{
	BREAK_NONE,
	BREAK_SENT,					/* at this octet of what the card sends */
	BREAK_RECEIVED,
	BREAK_BEFORE,				/* this script is there and not executed */
	BREAK_AFTER					/* this script is executed and not answered */
} BreakPoint;

typedef struct Card
{
	uint64_t	serial;
	uint8_t		eid[EID_LEN];
	KeySet		sets[CARD_KEY_SETS];
	uint8_t		kvn;			/* of the set of SCP80 that was used last: notifications are under it */
	Source		source;
	bool		authenticated;	/* an SM-SR has shown its certificate ... */
	uint8_t		smsr_key[CURVE_POINT_LEN];	/* ... with this key, */
	uint8_t		challenge[16];	/* and was told this */
	uint32_t	challenges;
	Profile		profiles[CARD_PROFILES];
	uint64_t	smsr_address;
	uint32_t	smsr_updates;
	bool		on;
	uint8_t		phase;			/* Phase */
	uint8_t		cause;			/* Cause */
	uint8_t		type;			/* of the notification that waits */
	uint8_t		tries;
	uint16_t	from;			/* TARs of the change */
	uint16_t	to;
	uint16_t	pinned;			/* left by fall-back although POL1 forbids it */
	uint16_t	sequence;		/* of the last notification; 0 before the first */
	uint16_t	reference;		/* of the last concatenated MO message */
	uint32_t	timer;			/* number of the timer that counts */
	uint32_t	off_timer;
	uint32_t	mt_count;		/* messages so far: they number the draws of faults */
	uint32_t	mo_count;
	uint32_t	packets;		/* executed */
	uint32_t	again;			/* changes repeated: see card_log() */
	Executed   *log;
	size_t		log_count;
	size_t		log_cap;
	Assembly   *assemblies[CARD_ASSEMBLIES];
	MtMessage  *waiting;		/* at the SMSC, for the card to come back */
	Download   *downloads;
	HttpsAgent *agent;			/* a session over HTTPS; NULL: none */
	uint32_t	https_timer;	/* number of the timer that counts */
	uint32_t	https_draws;	/* of faults so far */
	uint32_t	https_scripts;	/* so far: they number what is executed */
	uint8_t		break_point;	/* BreakPoint, of the next session */
	uint32_t	break_at;
} Card;

/* The counter of the set that was used last. */
#define card_cntr(card) (card_last_set(card)->cntr)

/* profile.c */
extern Profile *card_enabled(Card *card);
extern Profile *card_fallback(Card *card);
extern Profile *card_profile(Card *card, uint16_t tar);
extern Profile *card_profile_by_msisdn(Card *card, uint64_t msisdn);
extern uint32_t card_free_memory(const Card *card);
extern const char *profile_state(const Profile *profile);	/* the EIS's word for it */
extern void card_personalize(Fleet *fleet, Card *card, Profile *profile,
							 unsigned owner, uint64_t msisdn);
/* The set that was used last, whatever became of it since: some set. */
extern KeySet *card_last_set(const Card *card);
/* Execute one C-APDU of card->source: response data to out, returns SW. */
extern uint16_t card_execute(Fleet *fleet, Card *card, SmsrBytes apdu, SmsrWriter *out);
/* For the log: something for the ISD-P with this TAR, and how it ended. */
extern void card_relayed(Fleet *fleet, Card *card, uint16_t tar, uint16_t sw);

/* card.c */
extern void card_init(Fleet *fleet, Card *card, uint64_t serial);
extern void card_free(Card *card);
/* A short message of class 2 arrives. */
extern void card_receive(Fleet *fleet, Card *card, const Address *from, SmsrBytes tp_ud);
/* Send a packet from the card to the SM-SR, cut as needed. */
extern void card_send(Fleet *fleet, Card *card, const Address *to, SmsrBytes packet, uint8_t cpi);

/* switching.c */
extern void switching_begin(Fleet *fleet, Card *card, Cause cause, uint16_t to);
extern void switching_resume(Fleet *fleet, Card *card);
extern uint16_t switching_confirm(Fleet *fleet, Card *card, uint16_t sequence, SmsrWriter *out);
extern void switching_first_attach(Fleet *fleet, Card *card);
/* False if there is nothing to fall back to, or not now. */
extern bool switching_fall_back(Fleet *fleet, Card *card);
/* The reachability of a profile has changed. */
extern void switching_network(Fleet *fleet, Card *card);

#endif							/* FLEET_CARD_H */
