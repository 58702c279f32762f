/*
 * test_audit_chain.c
 *		Digests were computed by another program (sha256sum over octets that
 *		were written by hand).
 */
#include "tap.h"

#include <string.h>

#include "core/audit_chain.h"

TEST_SUITE(audit_chain)
{
	AuditHasher h;
	uint8_t		digest[AUDIT_HASH_LEN];
	uint8_t		other[AUDIT_HASH_LEN];
	uint8_t		hash[AUDIT_HASH_LEN];

	ok(audit_hasher_open(&h), "libcrypto has SHA-256");

	/* "smsr audit record 1", 06 "status" 00000002 "ok", 01 "n" 00000008 -2 */
	audit_begin(&h, AUDIT_RECORD_LABEL);
	audit_field(&h, "status", smsr_bytes("ok", 2));
	audit_field_number(&h, "n", -2);
	ok(audit_end(&h, digest), "a record's digest");
	is_hex(smsr_bytes(digest, AUDIT_HASH_LEN), "1894CA8BD9280D5EE357D19CF7E04915308581D7E0C64C99E99C99BC9D890B46",
		   "label, and each field as length, name, length, value");

	/* what separates fields counts: "ab" "c" is not "a" "bc" */
	audit_begin(&h, AUDIT_RECORD_LABEL);
	audit_field(&h, "ab", smsr_bytes("c", 1));
	ok(audit_end(&h, hash), "another");
	audit_begin(&h, AUDIT_RECORD_LABEL);
	audit_field(&h, "a", smsr_bytes("bc", 2));
	ok(audit_end(&h, other) && memcmp(hash, other, AUDIT_HASH_LEN) != 0, "names do not run into values");
	audit_begin(&h, AUDIT_RECORD_LABEL);
	audit_field(&h, "a", smsr_bytes("", 0));
	ok(audit_end(&h, hash), "an empty value");
	audit_begin(&h, AUDIT_RECORD_LABEL);
	ok(audit_end(&h, other) && memcmp(hash, other, AUDIT_HASH_LEN) != 0, "is not a field that is left out");
	audit_begin(&h, AUDIT_CHECKPOINT_LABEL);
	ok(audit_end(&h, hash) && memcmp(hash, other, AUDIT_HASH_LEN) != 0, "a checkpoint is no record");

	ok(audit_link(&h, NULL, 1, digest, hash), "the first record of a chain");
	ok(memcmp(hash, digest, AUDIT_HASH_LEN) == 0, "has its digest for a hash");
	ok(audit_link(&h, hash, 2, digest, hash), "the second");
	is_hex(smsr_bytes(hash, AUDIT_HASH_LEN), "68AB502B4A3C95C60047961443EFFC0158CFCFD04E2F7F280DFFEDC84392EFAA",
		   "hangs on the first, and may be written over it");
	ok(audit_link(&h, digest, 3, digest, other) && memcmp(hash, other, AUDIT_HASH_LEN) != 0,
	   "the number counts");

	audit_range_begin(&h);
	audit_range_add(&h, 1, digest);
	audit_range_add(&h, INT64_C(0x0102030405060708), hash);
	ok(audit_end(&h, other), "a range");
	is_hex(smsr_bytes(other, AUDIT_HASH_LEN), "580EBBDF75CA82376E7C9BB05BD54151F13E011233C8D0BFAFF84DA31069A333",
		   "position and hash of each record");

	audit_begin(&h, AUDIT_RECORD_LABEL);
	{
		char		name[300];

		memset(name, 'x', sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
		audit_field(&h, name, smsr_bytes("", 0));
	}
	audit_field(&h, "status", smsr_bytes("ok", 2));
	ok(!audit_end(&h, other), "a name that does not fit its length is a failure, not a digest");

	audit_hasher_close(&h);
}
