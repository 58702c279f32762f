/*
 * eis.h
 *		Reading an EIS: from the octets of a document to rows of the inventory.
 *
 * A document that is wrong is no ereport: one bad EIS must not end a batch.  It
 * is a reject, which names the element and what is the matter with it, and
 * never quotes what stood there: that may be a key.
 */
#ifndef SMSR_EIS_H
#define SMSR_EIS_H

#include <libxml/tree.h>

#include "access/htup.h"
#include "access/tupdesc.h"
#include "core/aid.h"
#include "core/eid.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#define EIS_MAX_LEN			(1024 * 1024)

#define EIS_NAMESPACE_1		"http://namespaces.gsma.org/esim-messaging/1"
#define EIS_NAMESPACE_3		"http://namespaces.gsma.org/esim-messaging/3"

/* Subjects and reasons of SGP.02 clause 5.1.6.6 that a reject can have */
#define SUBJECT_REQUESTER	"1.1"
#define SUBJECT_EID			"8.1.1"
#define SUBJECT_ISD_R		"8.4"
#define SUBJECT_ECASD		"8.5.2"	/* its certificate; the EUM's signature, too */
#define SUBJECT_EIS			"8.6"
#define REASON_INVALID		"2.1"
#define REASON_MISSING		"2.2"
#define REASON_UNSUPPORTED	"3.1"
#define REASON_TOO_LONG		"3.2"
#define REASON_UNKNOWN		"3.9"
#define REASON_NOT_VERIFIED "6.1"
#define REASON_EXPIRED		"6.3"

typedef struct EisReject
{
	char	   *element;		/* path below the root, or NULL: the document */
	char	   *reason;			/* NULL: nothing is wrong */
	const char *subject_code;
	const char *reason_code;
} EisReject;

/* An element, and where in the octets it stands. */
typedef struct EisPart
{
	xmlNodePtr	node;
	size_t		start;
	size_t		end;
} EisPart;

#define EIS_MAX_PARTS	4

typedef struct EisReader
{
	const char *octets;			/* UTF-8 */
	size_t		len;
	xmlDocPtr	document;
	xmlNodePtr	root;
	EisPart		root_tag;		/* the root's start tag, up to its > */
	EisPart		parts[EIS_MAX_PARTS];	/* EumSignedInfo and EumSignature */
	int			part_count;

	char	   *eid_text;		/* as it stands, or NULL */
	uint8		eid[EID_LEN];
	char	   *eum_id;
	bool		handed;			/* by another SM-SR: without key values */
	bool		proven;			/* its signature was verified before */
	EisReject	reject;
} EisReader;

/* eis_xml.c: the document */
extern bool eis_parse(EisReader *r);
extern void eis_free(EisReader *r);
/* Where a part stands in the octets; NULL is a reject */
extern const EisPart *eis_part(EisReader *r, xmlNodePtr node);
extern char *eis_root_namespaces(EisReader *r);

/*
 * Names are compared without regard to case and hyphens, so that Isd-p-aid of
 * esim-messaging/3 finds isdpAid of /1.  Elements of foreign namespaces are
 * never found.
 */
extern bool eis_name_is(const xmlChar *name, const char *wanted);
extern bool eis_is(EisReader *r, xmlNodePtr node, const char *name);
/* NULL if there is none; more than one is a reject */
extern xmlNodePtr eis_find(EisReader *r, xmlNodePtr parent, const char *name);
/* none is a reject, too */
extern xmlNodePtr eis_need(EisReader *r, xmlNodePtr parent, const char *name);
/* The element's text without the white space around it, palloc'd; NULL: reject */
extern char *eis_text(EisReader *r, xmlNodePtr node);
/* An attribute's value where it stands, or NULL */
extern const char *eis_attribute(EisReader *r, xmlNodePtr node, const char *name);

/* Each records the first reject only and returns false. */
extern bool eis_reject(EisReader *r, xmlNodePtr node, const char *subject_code,
					   const char *reason_code, const char *reason,...) pg_attribute_printf(5, 6);
extern bool eis_invalid(EisReader *r, xmlNodePtr node, const char *expected);

static inline bool
eis_ok(const EisReader *r)
{
	return r->reject.reason == NULL;
}

/* eis_value.c: simple types; a NULL node gives false without a reject */
extern bool eis_read_bool(EisReader *r, xmlNodePtr node, bool *value);
extern bool eis_read_number(EisReader *r, xmlNodePtr node, int64 max, int64 *value);
extern bool eis_read_octets(EisReader *r, xmlNodePtr node, size_t min, size_t max, bytea **value);
extern bool eis_read_time(EisReader *r, xmlNodePtr node, TimestampTz *value);
extern bool eis_read_string(EisReader *r, xmlNodePtr node, size_t max, char **value);
extern bool eis_read_oid(EisReader *r, xmlNodePtr node, char **value);
extern bool eis_read_version(EisReader *r, xmlNodePtr node, char **value);
extern bool eis_read_digits(EisReader *r, xmlNodePtr node, size_t min, size_t max, char **value);
extern bool eis_read_aid(EisReader *r, xmlNodePtr node, SmsrAid *value);
extern bool eis_read_iccid(EisReader *r, xmlNodePtr node, uint8 *value);
/* Whether the database's encoding has these characters; else a reject */
extern bool eis_storable(EisReader *r, xmlNodePtr node, const char *text);
/* Hexadecimal digits into at most cap octets; -1 if they are none */
extern int	eis_hex(const char *digits, uint8 *octets, size_t cap);

/* A row to be: columns are named, so that their order is the table's affair. */
typedef struct EisRow
{
	TupleDesc	desc;
	Datum	   *values;
	bool	   *nulls;
} EisRow;

extern EisRow eis_row(TupleDesc desc);
extern void eis_set(EisRow *row, const char *column, Datum value);
extern void eis_set_text(EisRow *row, const char *column, const char *value);
extern Datum eis_row_datum(const EisRow *row);

typedef struct EisKeysets
{
	List	   *keysets;		/* rows of smsr.keyset */
	List	   *listed;			/* rows of smsr.keyset_listed: what has no keys here */
} EisKeysets;

/* eis_keys.c: the key sets of the ISD-R, sealed */
extern void eis_read_keysets(EisReader *r, xmlNodePtr isdr, const SmsrAid *isdr_aid, Datum isdr_aid_datum,
							 TupleDesc desc, TupleDesc listed_desc, EisKeysets *read);

/* The same of an EIS that another SM-SR hands over: which there are, without keys */
extern List *eis_list_keysets(EisReader *r, xmlNodePtr isdr, Datum isdr_aid_datum, TupleDesc desc);

/* eis_write.c: a row of smsr.euicc_signed as a document */
extern char *eis_signed_document(HeapTupleHeader part);

/* eis_blank.c: a copy of a document of which no key value can be read */
extern text *eis_blank(const char *document, size_t len);

#endif							/* SMSR_EIS_H */
