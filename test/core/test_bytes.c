/*
 * test_bytes.c
 */
#include "tap.h"

#include <string.h>

TEST_SUITE(bytes)
{
	SmsrWriter	w = writer(5);
	SmsrWriter	nothing = smsr_writer(NULL, 0);
	SmsrBytes	octets = hex("0123456789");

	put_u40(&w, get_u40(octets.data));
	is_hex(smsr_written(&w), "0123456789", "40 bits in and out");
	ok(!w.overflow, "a full buffer is no overflow");
	put_bytes(&w, NULL, 0);
	ok(!w.overflow, "nothing fits a full buffer");
	put_u8(&w, 1);
	ok(w.overflow && w.len == 5, "one octet too many sets overflow and leaves len");

	w = writer(5);
	put_u32(&w, 1);
	put_u16(&w, 2);
	ok(w.overflow && w.len == 4, "what does not fit is not written in part");
	put_u8(&w, 3);
	ok(w.overflow && w.len == 4, "nothing is written after an overflow");

	w = writer(5);
	put_bytes(&w, octets.data, SIZE_MAX);
	ok(w.overflow && w.len == 0, "a length near SIZE_MAX does not wrap around");
	w = writer(5);
	put_u8(&w, 0);
	put_zero(&w, SIZE_MAX);
	ok(w.overflow && w.len == 1, "neither does one of zeroes");

	put_u8(&nothing, 1);
	ok(nothing.overflow && nothing.len == 0, "a writer without a buffer only overflows");

	ok(get_u16(octets.data) == 0x0123, "get_u16");
	ok(get_u24(octets.data) == 0x012345, "get_u24");
	ok(get_u32(octets.data) == 0x01234567, "get_u32");
	ok(get_u40(octets.data) == UINT64_C(0x0123456789), "get_u40");
	octets = hex("FFFFFFFFFF");
	ok(get_u32(octets.data) == 0xFFFFFFFF, "get_u32 of ones");
	ok(get_u40(octets.data) == UINT64_C(0xFFFFFFFFFF), "get_u40 of ones");

	w = writer(7);
	put_u24(&w, 0xABCDEF);
	put_u16(&w, 0x1234);
	put_zero(&w, 2);
	is_hex(smsr_written(&w), "ABCDEF12340000", "24 and 16 bits and zeroes");
}

TEST_SUITE(error)
{
	SmsrError	error;

	ok(!smsr_fail(&error, SMSR_BAD_VALUE, "TAR", 7, "three octets"),
	   "smsr_fail returns false");
	ok(error.code == SMSR_BAD_VALUE && error.offset == 7 &&
	   strcmp(error.field, "TAR") == 0 && strcmp(error.expected, "three octets") == 0,
	   "and fills the error");
	ok(!smsr_fail(NULL, SMSR_BAD_VALUE, "TAR", 7, ""), "whoever wants none gets none");
	for (int code = SMSR_OK; code <= SMSR_CRYPTO + 1; code++)
		ok(smsr_error_name((SmsrErrorCode) code)[0] != '\0', "code %d has a name", code);
}
