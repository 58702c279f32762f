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
	uint8_t		octets[1024];

	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t) i;
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

	/* values about as long as what is gathered, and longer: octets 0 to 255 over and over, then "x" */
	audit_begin(&h, AUDIT_RECORD_LABEL);
	audit_field(&h, "a", smsr_bytes(octets, 487));
	audit_field(&h, "b", smsr_bytes("x", 1));
	ok(audit_end(&h, other), "of a length that fills what is gathered");
	is_hex(smsr_bytes(other, AUDIT_HASH_LEN), "E49DE894AC331E462B550EAE2F6FD2E5E10DC4F9E46FCB60704391CD4A30CE5F", "no octet is lost");
	audit_begin(&h, AUDIT_RECORD_LABEL);
	audit_field(&h, "a", smsr_bytes(octets, 488));
	audit_field(&h, "b", smsr_bytes("x", 1));
	ok(audit_end(&h, other), "one more");
	is_hex(smsr_bytes(other, AUDIT_HASH_LEN), "7E1DF35573FC1F232273101578877A96B93878330440C754BDAA447DB8AB8166", "nor doubled");
	audit_begin(&h, AUDIT_RECORD_LABEL);
	audit_field(&h, "a", smsr_bytes(octets, 1024));
	audit_field(&h, "b", smsr_bytes(octets, 512));
	audit_field(&h, "c", smsr_bytes(octets, 513));
	audit_field(&h, "d", smsr_bytes("x", 1));
	ok(audit_end(&h, other), "as long as that and longer");
	is_hex(smsr_bytes(other, AUDIT_HASH_LEN), "5AA5706A4588BD71522EEF44EC085AAE6C6723BC979C21A4CE52EC074E2557A4", "all in their order");

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
