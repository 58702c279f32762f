/*
 * audit.h
 *		Hashes of the audit trail between its files.
 */
#ifndef SMSR_AUDIT_H
#define SMSR_AUDIT_H

#include "core/audit_chain.h"
#include "datatype/timestamp.h"

/* libcrypto's contexts, fetched once; one digest at a time */
extern AuditHasher *audit_hasher(void);

/* The value of a hash as SQL has it, and back; another length is an error. */
extern bytea *audit_hash_bytea(const uint8 *hash);
extern const uint8 *audit_get_hash(Datum datum);

/* Microseconds since 1970 */
extern int64 audit_time(TimestampTz at);

#endif							/* SMSR_AUDIT_H */
