/*
 * test_sms.c
 */
#include "tap.h"

#include <string.h>

#include "core/sms.h"

/* All short messages of a packet; their number is the result. */
static size_t
split(SmsrBytes packet, uint8_t cpi, uint16_t reference, int bits, SmsrBytes *segments)
{
	size_t		count = sms_segment_count(packet.len, bits);

	for (size_t i = 0; i < count; i++)
	{
		SmsrWriter	w = writer(SMS_MAX_UD);
		SmsrError	error;

		if (!sms_segment(packet, cpi, reference, bits, i, &w, &error))
			return 0;
		segments[i] = copy_of(smsr_written(&w));
	}
	return count;
}

static void
test_counts(void)
{
	/* TS 31.115 clause 4: 137 in one, then 132 or 131 and 134 or 133 */
	static const struct
	{
		size_t		len;
		int			bits;
		size_t		count;
	}			all[] =
	{
		{0, 8, 1}, {137, 8, 1}, {138, 8, 2}, {266, 8, 2}, {267, 8, 3}, {400, 8, 3},
		{401, 8, 4}, {132 + 254 * 134, 8, 255}, {132 + 254 * 134 + 1, 8, 0},
		{137, 16, 1}, {138, 16, 2}, {264, 16, 2}, {265, 16, 3},
		{131 + 254 * 133, 16, 255}, {131 + 254 * 133 + 1, 16, 0},
		{SIZE_MAX, 8, 0}, {SIZE_MAX, 16, 0}, {1, 7, 0}, {1, 0, 0},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		ok(sms_segment_count(all[i].len, all[i].bits) == all[i].count,
		   "%zu octets with %d bits are %zu short messages", all[i].len, all[i].bits,
		   all[i].count);
}

static void
test_segments(void)
{
	SmsrBytes	packet = noise(300);
	SmsrBytes	segments[SMS_MAX_SEGMENTS];
	SmsrWriter	w = writer(SMS_MAX_UD);
	SmsrError	error;

	succeeds(sms_segment(hex("AABB"), SMS_IEI_COMMAND, 1, 8, 0, &w, &error), &error, "a short one");
	is_hex(smsr_written(&w), "027000 AABB", "has no concatenation header");

	ok(split(packet, SMS_IEI_RESPONSE, 0xAB, 8, segments) == 3, "300 octets are three");
	is_hex(smsr_bytes(segments[0].data, 8), "070003AB03017100", "first, 8 bits");
	is_hex(smsr_bytes(segments[1].data, 6), "050003AB0302", "second");
	ok(segments[0].len == 140 && segments[1].len == 140 && segments[2].len == 6 + 34,
	   "full, full and the rest");
	ok(split(packet, SMS_IEI_COMMAND, 0xABCD, 16, segments) == 3, "three again");
	is_hex(smsr_bytes(segments[0].data, 9), "080804ABCD03017000", "first, 16 bits");
	is_hex(smsr_bytes(segments[2].data, 7), "060804ABCD0303", "last");
	ok(segments[0].len == 140 && segments[2].len == 7 + 36, "full and the rest");

	fails(sms_segment(packet, 0x72, 1, 8, 0, &w, &error), &error, SMSR_BAD_VALUE, "CPI", 0,
		  "another security header");
	fails(sms_segment(packet, 0x70, 256, 8, 0, &w, &error), &error, SMSR_BAD_VALUE,
		  "reference", 0, "a reference of nine bits");
	fails(sms_segment(packet, 0x70, 1, 9, 0, &w, &error), &error, SMSR_BAD_VALUE,
		  "reference bits", 0, "nine bits");
	fails(sms_segment(packet, 0x70, 1, 8, 3, &w, &error), &error, SMSR_BAD_VALUE,
		  "segment", 0, "a fourth of three");
	fails(sms_segment(noise(40000), 0x70, 1, 8, 0, &w, &error), &error, SMSR_TOO_LONG,
		  "packet", 0, "more than 255");
	w = writer(139);
	fails(sms_segment(packet, 0x70, 1, 8, 0, &w, &error), &error, SMSR_TOO_LONG,
		  "TP-UD", 0, "a small buffer");
	ok(w.len == 0, "gets nothing");
}

static void
test_reading(void)
{
	static const struct
	{
		const char *tp_ud;
		SmsrErrorCode code;
		const char *field;
		size_t		offset;
		const char *what;
	}			bad[] =
	{
		{"", SMSR_TRUNCATED, "UDHL", 0, "nothing"},
		{"01", SMSR_BAD_LENGTH, "UDHL", 0, "a header that is not there"},
		{"FF 7000", SMSR_BAD_LENGTH, "UDHL", 0, "a header longer than the message"},
		{"01 70 00", SMSR_TRUNCATED, "IEI", 1, "an element cut by the header's end"},
		{"02 7001 AA", SMSR_BAD_LENGTH, "IEIDL", 2, "an element longer than the header"},
		{"03 700100 AA", SMSR_BAD_LENGTH, "security header", 1, "a security header with a value"},
		{"04 7000 7100", SMSR_BAD_VALUE, "security header", 3, "command and response"},
		{"04 0002 0101", SMSR_BAD_LENGTH, "concatenation", 1, "half a concatenation"},
		{"06 0004 00010101", SMSR_BAD_LENGTH, "concatenation", 1, "8 bits in the size of 16"},
		{"05 0803 010101", SMSR_BAD_LENGTH, "concatenation", 1, "16 bits in the size of 8"},
		{"05 0003 010000", SMSR_BAD_VALUE, "concatenation", 1, "none of none"},
		{"05 0003 010200", SMSR_BAD_VALUE, "concatenation", 1, "number zero"},
		{"05 0003 010203", SMSR_BAD_VALUE, "concatenation", 1, "the third of two"},
		{"0A 0003010101 0003010101", SMSR_BAD_VALUE, "concatenation", 6, "two of them"},
		{"0B 0003010101 080400010101", SMSR_BAD_VALUE, "concatenation", 6, "one of each kind"},
	};
	SmsHeader	header;
	SmsrError	error;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fails(sms_read(hex(bad[i].tp_ud), &header, &error), &error, bad[i].code,
			  bad[i].field, bad[i].offset, "%s", bad[i].what);

	succeeds(sms_read(hex("00 AA"), &header, &error), &error, "an empty header");
	ok(header.cpi == 0 && !header.concatenated && header.total == 1 &&
	   header.sequence == 1 && header.payload.len == 1, "is no security header");
	succeeds(sms_read(hex("027100"), &header, &error), &error, "no payload");
	ok(header.cpi == SMS_IEI_RESPONSE && header.payload.len == 0, "is read");

	/* the order that some servers send, and an element nobody asked for */
	succeeds(sms_read(hex("0B 7000 2402AABB 0003130201 CC"), &header, &error), &error,
			 "elements in another order");
	ok(header.cpi == SMS_IEI_COMMAND && header.concatenated && header.reference == 0x13 &&
	   header.reference_bits == 8 && header.total == 2 && header.sequence == 1,
	   "are read the same");
	is_hex(header.payload, "CC", "and skipped where unknown");
	succeeds(sms_read(hex("06 0804ABCD0503 DD"), &header, &error), &error, "16 bits");
	ok(header.reference == 0xABCD && header.reference_bits == 16 && header.total == 5 &&
	   header.sequence == 3 && header.cpi == 0, "of reference");
}

static bool
together(const SmsrBytes *segments, size_t count, SmsrBytes packet, uint8_t cpi)
{
	SmsrWriter	w = writer(packet.len);
	SmsrError	error;
	uint8_t		got = 1;

	return sms_reassemble(segments, count, &got, &w, &error) && got == cpi &&
		w.len == packet.len && memcmp(w.data, packet.data, packet.len) == 0;
}

static void
swap(SmsrBytes *a, SmsrBytes *b)
{
	SmsrBytes	c = *a;

	*a = *b;
	*b = c;
}

/* Heap's algorithm; the number of orders in which it did not come together. */
static int
permute(SmsrBytes *segments, size_t n, size_t count, SmsrBytes packet, int *tried)
{
	int			failed = 0;

	if (n <= 1)
	{
		(*tried)++;
		return !together(segments, count, packet, SMS_IEI_COMMAND);
	}
	for (size_t i = 0; i < n; i++)
	{
		failed += permute(segments, n - 1, count, packet, tried);
		if (i < n - 1)
			swap(&segments[n % 2 == 0 ? i : 0], &segments[n - 1]);
	}
	return failed;
}

static void
test_reassembly(void)
{
	SmsrBytes	segments[SMS_MAX_SEGMENTS];
	SmsrBytes	more[2 * SMS_MAX_SEGMENTS];
	SmsrBytes	packet = noise(132 + 3 * 134 + 1);
	SmsrBytes	other = noise(132 + 3 * 134 + 1);
	SmsrBytes	parts[3];
	size_t		count = split(packet, SMS_IEI_COMMAND, 9, 8, segments);
	int			tried = 0;
	uint8_t		cpi;
	SmsrWriter	w = writer(70000);
	SmsrError	error;

	ok(count == 5 && permute(segments, 5, 5, packet, &tried) == 0 && tried == 120,
	   "five segments in every order");
	count = split(packet, SMS_IEI_COMMAND, 9, 8, segments);

	for (size_t i = 0; i < count; i++)
	{
		more[2 * i] = segments[i];
		more[2 * i + 1] = copy_of(segments[i]);
	}
	ok(together(more, 2 * count, packet, SMS_IEI_COMMAND), "every one twice");

	for (size_t i = 0; i < count; i++)
	{
		memcpy(more, segments, sizeof(segments[0]) * count);
		more[i] = more[count - 1];
		if (i < count - 1)
			fails(sms_reassemble(more, count - 1, &cpi, &w, &error), &error, SMSR_TRUNCATED,
				  "segments", 0, "all but number %zu", i + 1);
	}
	fails(sms_reassemble(segments, 0, &cpi, &w, &error), &error, SMSR_TRUNCATED,
		  "segments", 0, "none at all");

	split(other, SMS_IEI_COMMAND, 9, 8, more);
	parts[0] = segments[0];
	parts[1] = more[0];
	fails(sms_reassemble(parts, 2, &cpi, &w, &error), &error, SMSR_BAD_VALUE, "segment", 8,
		  "two different ones with the same number");
	parts[1] = copy_of(segments[0]);
	parts[1].len--;
	fails(sms_reassemble(parts, 2, &cpi, &w, &error), &error, SMSR_BAD_VALUE, "segment", 8,
		  "one that is the other's beginning");
	split(packet, SMS_IEI_COMMAND, 10, 8, more);
	parts[1] = more[1];
	fails(sms_reassemble(parts, 2, &cpi, &w, &error), &error, SMSR_BAD_VALUE,
		  "concatenation", 0, "two references");
	split(packet, SMS_IEI_COMMAND, 9, 16, more);
	parts[1] = more[1];
	fails(sms_reassemble(parts, 2, &cpi, &w, &error), &error, SMSR_BAD_VALUE,
		  "concatenation", 0, "two sizes of the same reference");
	parts[1] = hex("05 0003 09 06 02 AA");
	fails(sms_reassemble(parts, 2, &cpi, &w, &error), &error, SMSR_BAD_VALUE,
		  "concatenation", 0, "two totals");
	parts[1] = hex("027000 AA");
	fails(sms_reassemble(parts, 2, &cpi, &w, &error), &error, SMSR_BAD_VALUE,
		  "concatenation", 0, "one that stands alone among them");
	parts[1] = hex("07 0003 09 05 02 7100 AA");
	fails(sms_reassemble(parts, 2, &cpi, &w, &error), &error, SMSR_BAD_VALUE,
		  "security header", 0, "command and response mixed");
	parts[1] = hex("05 0003 09 05");
	fails(sms_reassemble(parts, 2, &cpi, &w, &error), &error, SMSR_BAD_LENGTH,
		  "UDHL", 0, "a broken one");
	ok(w.len == 0, "a fault writes nothing");

	/* some cards name the security header in a segment that is not the first */
	parts[0] = hex("05 0003 09 02 01 AA");
	parts[1] = hex("07 7100 0003 09 02 02 BB");
	ok(together(parts, 2, hex("AABB"), SMS_IEI_RESPONSE), "security header in the second");

	packet = noise(137);
	ok(split(packet, SMS_IEI_COMMAND, 0, 8, segments) == 1 &&
	   together(segments, 1, packet, SMS_IEI_COMMAND), "one alone");
	packet = noise(132 + 254 * 134);
	ok(split(packet, SMS_IEI_RESPONSE, 255, 8, segments) == 255 &&
	   together(segments, 255, packet, SMS_IEI_RESPONSE), "255 of them");
	w = writer(packet.len - 1);
	fails(sms_reassemble(segments, 255, &cpi, &w, &error), &error, SMSR_TOO_LONG,
		  "packet", 0, "into too small a buffer");
	ok(w.len == 0, "which gets nothing");
}

TEST_SUITE(sms)
{
	test_counts();
	test_segments();
	test_reading();
	test_reassembly();
}
