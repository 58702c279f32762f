/*
 * es5_parts.h
 *		What commands of ES5 and the answers to them have in common.
 */
#ifndef SMSR_ES5_PARTS_H
#define SMSR_ES5_PARTS_H

#include "aid.h"
#include "bytes.h"
#include "error.h"
#include "tlv.h"

/* a command names what it wants by the tags that the answer has */
#define TAG_AID					0x4F
#define TAG_LCS					0x9F70
#define TAG_FALLBACK			0x53
#define TAG_ALLOCATED			0x8F
#define TAG_REMAINING			0x91
#define TAG_RESOURCES			0xFF21
#define TAG_KEY_INFO			0xE0

extern void es5_put_aid(SmsrWriter *w, const SmsrAid *aid);
extern size_t es5_aid_len(const SmsrAid *aid);

/*
 * A reader of one part of an input whose errors still count from the input's
 * beginning.
 */
extern TlvReader es5_inside(SmsrBytes input, SmsrBytes part);

/* An object of the reader, which must have this tag. */
extern bool es5_read_tag(TlvReader *r, uint32_t tag, const char *field, SmsrTlv *tlv,
						 const char *expected, SmsrError *error);
extern bool es5_read_aid(SmsrTlv tlv, SmsrAid *aid, SmsrError *error);

/* An unsigned number of 1 to 4 octets. */
extern bool es5_read_number(SmsrTlv tlv, const char *field, uint32_t *number, SmsrError *error);
extern bool es5_at_end(const TlvReader *r, const char *field, SmsrError *error);

#endif							/* SMSR_ES5_PARTS_H */
