/*
 * tlv.h
 *		BER-TLV (ISO/IEC 8825-1 as TS 102 223 and GlobalPlatform use it) and
 *		GlobalPlatform's DGI coding.
 */
#ifndef SMSR_TLV_H
#define SMSR_TLV_H

#include "bytes.h"
#include "error.h"

typedef struct SmsrTlv
{
	uint32_t	tag;			/* as it stands: 0x4F, 0x9F70, 0x7F21 */
	SmsrBytes	value;
	size_t		offset;			/* of the tag, from the start of the input */
} SmsrTlv;

/* A position in an input; offsets in errors count from data. */
typedef struct TlvReader
{
	const uint8_t *data;
	size_t		len;
	size_t		pos;
} TlvReader;

static inline TlvReader
tlv_reader(SmsrBytes input)
{
	return (TlvReader) {input.data, input.len, 0};
}

static inline bool
tlv_at_end(const TlvReader *r)
{
	return r->pos >= r->len;
}

/*
 * Read the next BER-TLV of definite length (tag of 1 to 3 octets, length of 1
 * to 4).  The lengths need not be minimal: cards send both.  "field" names the
 * object in errors.
 */
extern bool tlv_read(TlvReader *r, const char *field, SmsrTlv *tlv, SmsrError *error);

/*
 * The same where the length must be minimal: what is signed has one coding only.
 */
extern bool tlv_read_minimal(TlvReader *r, const char *field, SmsrTlv *tlv, SmsrError *error);

/*
 * A reader of one part of what r reads, whose errors still count from the
 * beginning of r's input.
 */
extern TlvReader tlv_inside(const TlvReader *r, SmsrBytes part);

/* As tlv_read(), for a DGI: two octets of identifier, one of length or FF + two. */
extern bool dgi_read(TlvReader *r, const char *field, SmsrTlv *dgi, SmsrError *error);

/*
 * The same for a COMPREHENSION-TLV (TS 102 223 clause 7.1.1): a tag of one
 * octet, or 7F and two more.  The comprehension bit stays in the tag.
 */
extern bool comprehension_read(TlvReader *r, const char *field, SmsrTlv *tlv,
							   SmsrError *error);

/* First object with this tag directly inside value; false if there is none. */
extern bool tlv_find(SmsrBytes value, uint32_t tag, SmsrTlv *tlv);

extern size_t ber_length_size(size_t len);
extern void put_ber_length(SmsrWriter *w, size_t len);
extern void put_tag(SmsrWriter *w, uint32_t tag);
extern void put_tlv_header(SmsrWriter *w, uint32_t tag, size_t len);
extern void put_tlv(SmsrWriter *w, uint32_t tag, const void *value, size_t len);
extern void put_dgi_header(SmsrWriter *w, uint16_t dgi, size_t len);

#endif							/* SMSR_TLV_H */
