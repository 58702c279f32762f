/*
 * audit_chain.c
 *		The audit trail's hashes: what a record's digest is made of, how records
 *		of one chain hang together, and what a checkpoint says of a range of them.
 */
#include "audit_chain.h"

#include <string.h>

#define NUMBER_LEN		4
#define POSITION_LEN	8
#define NAME_MAX_LEN	255

bool
audit_hasher_open(AuditHasher *h)
{
	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->ctx = EVP_MD_CTX_new();
	h->failed = false;
	if (h->md != NULL && h->ctx != NULL)
		return true;
	audit_hasher_close(h);
	return false;
}

void
audit_hasher_close(AuditHasher *h)
{
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	h->ctx = NULL;
	h->md = NULL;
}

static void
begin(AuditHasher *h)
{
	h->failed = EVP_DigestInit_ex2(h->ctx, h->md, NULL) != 1;
	h->pending_len = 0;
}

static void
update(AuditHasher *h, const void *octets, size_t len)
{
	if (!h->failed && len > 0)
		h->failed = EVP_DigestUpdate(h->ctx, octets, len) != 1;
}

static void
flush(AuditHasher *h)
{
	update(h, h->pending, h->pending_len);
	h->pending_len = 0;
}

static void
add(AuditHasher *h, const void *octets, size_t len)
{
	if (len > sizeof(h->pending) - h->pending_len)
		flush(h);
	if (len > sizeof(h->pending))
		update(h, octets, len);
	else if (len > 0)
	{
		memcpy(h->pending + h->pending_len, octets, len);
		h->pending_len += len;
	}
}

void
audit_begin(AuditHasher *h, const char *label)
{
	begin(h);
	add(h, label, strlen(label));
}

void
audit_field(AuditHasher *h, const char *name, SmsrBytes value)
{
	uint8_t		octets[1 + NAME_MAX_LEN + 4];
	SmsrWriter	head = smsr_writer(octets, sizeof(octets));
	size_t		len = strlen(name);

	if (len > NAME_MAX_LEN || value.len > UINT32_MAX)
	{
		h->failed = true;
		return;
	}
	put_u8(&head, (uint8_t) len);
	put_bytes(&head, name, len);
	put_u32(&head, (uint32_t) value.len);
	add(h, head.data, head.len);
	add(h, value.data, value.len);
}

void
audit_field_number(AuditHasher *h, const char *name, int64_t value)
{
	uint8_t		octets[8];
	SmsrWriter	w = smsr_writer(octets, sizeof(octets));

	put_u64(&w, (uint64_t) value);
	audit_field(h, name, smsr_written(&w));
}

bool
audit_end(AuditHasher *h, uint8_t digest[AUDIT_HASH_LEN])
{
	unsigned int len = 0;

	flush(h);
	if (!h->failed)
		h->failed = EVP_DigestFinal_ex(h->ctx, digest, &len) != 1 || len != AUDIT_HASH_LEN;
	return !h->failed;
}

bool
audit_link(AuditHasher *h, const uint8_t *previous, uint32_t number,
		   const uint8_t digest[AUDIT_HASH_LEN], uint8_t hash[AUDIT_HASH_LEN])
{
	uint8_t		octets[AUDIT_HASH_LEN + NUMBER_LEN + AUDIT_HASH_LEN];
	SmsrWriter	w = smsr_writer(octets, sizeof(octets));

	if (number == 1)
	{
		memmove(hash, digest, AUDIT_HASH_LEN);
		return true;
	}
	put_bytes(&w, previous, AUDIT_HASH_LEN);
	put_u32(&w, number);
	put_bytes(&w, digest, AUDIT_HASH_LEN);
	begin(h);
	add(h, w.data, w.len);
	return audit_end(h, hash);
}

void
audit_range_begin(AuditHasher *h)
{
	begin(h);
}

void
audit_range_add(AuditHasher *h, int64_t position, const uint8_t hash[AUDIT_HASH_LEN])
{
	uint8_t		octets[POSITION_LEN + AUDIT_HASH_LEN];
	SmsrWriter	w = smsr_writer(octets, sizeof(octets));

	put_u64(&w, (uint64_t) position);
	put_bytes(&w, hash, AUDIT_HASH_LEN);
	add(h, w.data, w.len);
}
