/*
 * aid.h
 *		Application identifiers (ISO/IEC 7816-4: 5 to 16 octets) and the ones
 *		that SGP.02 Annex H fixes.
 */
#ifndef SMSR_AID_H
#define SMSR_AID_H

#include "bytes.h"
#include "error.h"

#define AID_MIN_LEN			5
#define AID_MAX_LEN			16
#define ISDP_TAR_FIRST		0x000010
#define ISDP_TAR_LAST		0x00FFFF

typedef struct SmsrAid
{
	uint8_t		len;			/* AID_MIN_LEN .. AID_MAX_LEN */
	uint8_t		octets[AID_MAX_LEN];
} SmsrAid;

extern const SmsrAid AID_ISD_R;
extern const SmsrAid AID_ECASD;
extern const SmsrAid AID_ISD_P_LOADFILE;
extern const SmsrAid AID_ISD_P_MODULE;

/* Hexadecimal digits, either case. */
extern bool aid_parse(const char *text, size_t len, SmsrAid *aid, SmsrError *error);
extern bool aid_from_bytes(SmsrBytes octets, SmsrAid *aid, SmsrError *error);
/* Writes upper-case hexadecimal and a NUL. */
extern void aid_format(const SmsrAid *aid, char text[2 * AID_MAX_LEN + 1]);
extern int	aid_compare(const SmsrAid *a, const SmsrAid *b);

/* TAR of a 16-octet AID: its octets 13 to 15 (TS 101 220 annex D); else false. */
extern bool aid_tar(const SmsrAid *aid, uint8_t tar[3]);
/* The ISD-P AID with this TAR, ISDP_TAR_FIRST .. ISDP_TAR_LAST. */
extern bool aid_isdp(uint32_t tar, SmsrAid *aid, SmsrError *error);

#endif							/* SMSR_AID_H */
