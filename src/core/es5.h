/*
 * es5.h
 *		The commands of ES5, SM-SR to ISD-R (SGP.02 clause 4.1.1), as C-APDUs.
 *
 * Writers append one whole C-APDU, Le included where the command has one.
 */
#ifndef SMSR_ES5_H
#define SMSR_ES5_H

#include "aid.h"
#include "bytes.h"
#include "error.h"
#include "tlv.h"

typedef enum Es5Kind
{
	ES5_UNKNOWN = 0,
	ES5_CREATE_ISDP,			/* 4.1.1.1 */
	ES5_ENABLE_PROFILE,			/* 4.1.1.2 */
	ES5_DISABLE_PROFILE,		/* 4.1.1.3 */
	ES5_DELETE_PROFILE,			/* 4.1.1.4 */
	ES5_GET_STATUS,				/* 4.1.1.5 (a) */
	ES5_GET_RESOURCES,			/* 4.1.1.5 (b): GET DATA FF21 */
	ES5_MASTER_DELETE,			/* 4.1.1.6 */
	ES5_SET_FALLBACK_ATTRIBUTE, /* 4.1.1.7 */
	ES5_UPDATE_ADDRESSING,		/* 4.1.1.10 */
	ES5_CONFIRM_NOTIFICATION,	/* 4.1.1.12 */
	ES5_SET_EMERGENCY_ATTRIBUTE,
	ES5_UNSET_EMERGENCY_ATTRIBUTE,
	ES5_GET_KEY_INFO,			/* GlobalPlatform GET DATA 00E0 */
	ES5_PUT_KEY					/* GlobalPlatform 11.8 */
} Es5Kind;

/* DGIs of STORE DATA to ISD-R and ISD-P */
#define ES5_DGI_ENABLE			0x3A03
#define ES5_DGI_DISABLE			0x3A04
#define ES5_DGI_FALLBACK		0x3A05
#define ES5_DGI_ADDRESSING		0x3A07
#define ES5_DGI_CONFIRM			0x3A08
/*
 * Of the emergency attribute, SGP.02 v4's text not at hand: to set it likely the
 * next DGI (low confidence); to take it away the one after that, which is a
 * guess and no more, to be confirmed before it is sent to a card in the field.
 */
#define ES5_DGI_EMERGENCY		0x3A09
#define ES5_DGI_NO_EMERGENCY	0x3A0A

/* Status words, SGP.02 as facts about fielded cards have them */
#define SW_OK					0x9000
#define SW_MORE_DATA			0x6310	/* of GET STATUS: it has not told all */
#define SW_MEMORY_FAILURE		0x6581
#define SW_CONDITIONS			0x6985	/* state or fall-back attribute forbids */
#define SW_POL1					0x69E1
#define SW_WRONG_DATA			0x6A80
#define SW_NOT_FOUND			0x6A82
#define SW_NO_MEMORY			0x6A84
#define SW_REFERENCE_NOT_FOUND	0x6A88
#define SW_ALGORITHM			0x9484	/* of PUT KEY: not supported */
#define SW_CHECK_VALUE			0x9485	/* of PUT KEY: a key's is wrong */

/* 9000, 61xx and 9Fxx: done, perhaps with data to fetch */
extern bool sw_is_success(uint16_t sw);

/* memory in octets; 0 leaves the parameter out */
extern void es5_write_create_isdp(SmsrWriter *w, const SmsrAid *loadfile, const SmsrAid *module,
								  const SmsrAid *isdp, uint32_t memory);
extern void es5_write_enable(SmsrWriter *w, const SmsrAid *isdp);
extern void es5_write_disable(SmsrWriter *w, const SmsrAid *isdp);
extern void es5_write_delete(SmsrWriter *w, const SmsrAid *isdp);
extern void es5_write_set_fallback(SmsrWriter *w, const SmsrAid *isdp);
extern void es5_write_set_emergency(SmsrWriter *w, const SmsrAid *isdp);
extern void es5_write_unset_emergency(SmsrWriter *w, const SmsrAid *isdp);
extern void es5_write_confirm(SmsrWriter *w, uint16_t sequence);
/* isdp NULL asks for all of them */
extern void es5_write_get_status(SmsrWriter *w, const SmsrAid *isdp);
extern void es5_write_get_resources(SmsrWriter *w);
extern void es5_write_get_key_info(SmsrWriter *w);
/* address: as address_write() codes it */
extern void es5_write_addressing_sms(SmsrWriter *w, SmsrBytes address);

/*
 * What the ISD-P holds a delete token against: the values that were stored in it
 * when it was personalised, the token's number, and the token.
 */
typedef struct Es5DeleteToken
{
	SmsrBytes	provider;		/* tag 42 */
	SmsrBytes	image;			/* tag 45 */
	SmsrBytes	application_provider;	/* tag 5F20 */
	SmsrBytes	id;				/* tag 93 */
	SmsrBytes	token;			/* tag 9E */
} Es5DeleteToken;

/* overflow if all of it is too long for one command */
extern void es5_write_master_delete(SmsrWriter *w, const SmsrAid *isdp, const Es5DeleteToken *token);

/* Keys of one version, by their numbers */
typedef struct Es5KeyRange
{
	uint8_t		kvn;
	uint8_t		first;			/* key identifier */
	uint8_t		last;
} Es5KeyRange;

/*
 * What the ranges of FinaliseISDRhandover (4.1.1.9) say.  Two of three sources
 * read them as what stays; the octets are the same either way.
 */
typedef enum Es5RangeMeaning
{
	ES5_RANGES_KEEP,			/* all other keys of the ISD-R are deleted */
	ES5_RANGES_DELETE
} Es5RangeMeaning;

/*
 * overflow if there is no range, or too many for one command: without any it
 * would be all keys or none.
 */
extern void es5_write_finalise_handover(SmsrWriter *w, const Es5KeyRange *ranges, size_t count);

/* One C-APDU taken apart: what the card has to do.  Serves the other side and decoding. */
typedef struct Es5Command
{
	Es5Kind		kind;
	SmsrAid		aid;			/* len 0 if the command names none */
	SmsrAid		loadfile;		/* ES5_CREATE_ISDP */
	SmsrAid		module;
	uint32_t	memory;			/* ES5_CREATE_ISDP; 0 if not given */
	uint16_t	sequence;		/* ES5_CONFIRM_NOTIFICATION */
	SmsrBytes	data;			/* the command's data field */
} Es5Command;

/*
 * Whether a command of GlobalPlatform's class is under secure messaging (Card
 * Specification clause 11.1.4), as all in an SCP03 session are.
 */
extern bool apdu_is_secured(uint8_t cla);

/*
 * An APDU that is no ES5 command is ES5_UNKNOWN, no error; a malformed one is.
 * One under secure messaging is none: what its data are only its receiver knows.
 */
extern bool es5_read_command(SmsrBytes apdu, Es5Command *command, SmsrError *error);

#endif							/* SMSR_ES5_H */
