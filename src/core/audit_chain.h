/*
 * audit_chain.h
 *		The audit trail's hashes: what a record's digest is made of, how records
 *		of one chain hang together, and what a checkpoint says of a range of them.
 *
 * Everything is SHA-256 (FIPS 180-4) over octets that doc/audit.md lists, so
 * that an auditor can compute it all with tools of his own.
 */
#ifndef SMSR_AUDIT_CHAIN_H
#define SMSR_AUDIT_CHAIN_H

#include "bytes.h"

#include <openssl/evp.h>

#define AUDIT_HASH_LEN		32

/* What the encodings begin with, so that neither can be taken for the other. */
#define AUDIT_RECORD_LABEL		"smsr audit record 1"
#define AUDIT_CHECKPOINT_LABEL	"smsr audit checkpoint 1"

/* What libcrypto is given at once: a call of it takes as long as a short field. */
#define AUDIT_PENDING_MAX	512

/* A digest in the making; calls after a failure of libcrypto's do nothing. */
typedef struct AuditHasher
{
	EVP_MD	   *md;
	EVP_MD_CTX *ctx;
	bool		failed;
	size_t		pending_len;
	uint8_t		pending[AUDIT_PENDING_MAX];
} AuditHasher;

/* The only allocation; false if libcrypto lacks it. */
extern bool audit_hasher_open(AuditHasher *h);
extern void audit_hasher_close(AuditHasher *h);

/*
 * Label, then each field that there is: length of the name (1), name, length
 * of the value (4), value.  A field that is NULL is left out.
 */
extern void audit_begin(AuditHasher *h, const char *label);
extern void audit_field(AuditHasher *h, const char *name, SmsrBytes value);
/* Eight octets, two's complement, most significant first */
extern void audit_field_number(AuditHasher *h, const char *name, int64_t value);
/* False if anything failed since audit_begin(). */
extern bool audit_end(AuditHasher *h, uint8_t digest[AUDIT_HASH_LEN]);

/*
 * The hash of record number of a chain.  That of the first is its digest; any
 * other's is SHA-256 over the hash before it, the number (4) and its digest.
 * previous may be hash.
 */
extern bool audit_link(AuditHasher *h, const uint8_t *previous, uint32_t number,
					   const uint8_t digest[AUDIT_HASH_LEN], uint8_t hash[AUDIT_HASH_LEN]);

/* Over all records of a range, in order: position (8) and hash of each. */
extern void audit_range_begin(AuditHasher *h);
extern void audit_range_add(AuditHasher *h, int64_t position, const uint8_t hash[AUDIT_HASH_LEN]);

#endif							/* SMSR_AUDIT_CHAIN_H */
