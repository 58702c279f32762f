/*
 * es5_answer.h
 *		What an ISD-R answers to the commands of ES5.
 */
#ifndef SMSR_ES5_ANSWER_H
#define SMSR_ES5_ANSWER_H

#include "aid.h"
#include "bytes.h"
#include "error.h"
#include "tlv.h"

/* ISD-P life cycle of GET STATUS, tag 9F70 (SGP.02 table on ISD-P states) */
#define ISDP_SELECTABLE		0x07
#define ISDP_PERSONALIZED	0x0F
#define ISDP_DISABLED		0x1F
#define ISDP_ENABLED		0x3F

typedef struct Es5Isdp
{
	SmsrAid		aid;
	uint8_t		lcs;
	bool		fallback;
	bool		has_allocated;
	bool		has_remaining;
	uint32_t	allocated;		/* octets, tag 8F */
	uint32_t	remaining;		/* octets, tag 91 */
} Es5Isdp;

/*
 * Walk the E3 templates of a GET STATUS answer.  Returns false at the end with
 * error->code SMSR_OK, or with a fault.
 */
extern bool es5_next_isdp(TlvReader *r, Es5Isdp *isdp, SmsrError *error);
extern void es5_write_isdp(SmsrWriter *w, const Es5Isdp *isdp);

typedef struct Es5Resources
{
	uint32_t	applications;
	uint32_t	free_nvm;		/* octets */
	uint32_t	free_ram;		/* octets */
} Es5Resources;

extern bool es5_read_resources(SmsrBytes data, Es5Resources *resources, SmsrError *error);
extern void es5_write_resources(SmsrWriter *w, const Es5Resources *resources);

/*
 * What the security domain says of its keys (GlobalPlatform Card Specification,
 * key information template 00E0), one key at a time.  Ends like es5_next_isdp().
 */
typedef struct Es5KeyInfo
{
	uint8_t		id;
	uint8_t		kvn;
	uint8_t		type;			/* of the first component */
	uint8_t		length;			/* of it, in octets; 0 where the card says more than 255 */
} Es5KeyInfo;

extern bool es5_key_info_reader(SmsrBytes data, TlvReader *r, SmsrError *error);
extern bool es5_next_key_info(TlvReader *r, Es5KeyInfo *key, SmsrError *error);
extern void es5_write_key_info(SmsrWriter *w, const Es5KeyInfo *keys, size_t count);

/*
 * AIDs that the card deleted because of POL1, from the answer to a notification
 * confirmation; nothing or an empty tag 80 if none.  Ends like es5_next_isdp().
 */
extern bool es5_deleted_reader(SmsrBytes data, TlvReader *r, SmsrError *error);
extern bool es5_next_deleted(TlvReader *r, SmsrAid *aid, SmsrError *error);

#endif							/* SMSR_ES5_ANSWER_H */
