/*
 * types.h
 *		How SQL values of smsr.eid, smsr.iccid and smsr.aid look in C.
 */
#ifndef SMSR_TYPES_H
#define SMSR_TYPES_H

#include "core/aid.h"
#include "core/eid.h"
#include "core/iccid.h"
#include "fmgr.h"

/* smsr.eid and smsr.iccid: EID_LEN and ICCID_LEN octets, by reference */
#define DatumGetEid(d)			((uint8 *) DatumGetPointer(d))
#define PG_GETARG_EID(n)		DatumGetEid(PG_GETARG_DATUM(n))
#define DatumGetIccid(d)		((uint8 *) DatumGetPointer(d))
#define PG_GETARG_ICCID(n)		DatumGetIccid(PG_GETARG_DATUM(n))

/* smsr.aid: a varlena of AID_MIN_LEN to AID_MAX_LEN octets, never toasted */
extern SmsrAid smsr_datum_get_aid(Datum datum);
extern Datum smsr_aid_get_datum(const SmsrAid *aid);

#define PG_GETARG_AID(n)		smsr_datum_get_aid(PG_GETARG_DATUM(n))
#define PG_RETURN_AID(aid)		return smsr_aid_get_datum(aid)

#endif							/* SMSR_TYPES_H */
