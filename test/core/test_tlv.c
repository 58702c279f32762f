/*
 * test_tlv.c
 */
#include "tap.h"

#include "core/tlv.h"

static void
test_reading(void)
{
	static const struct
	{
		const char *input;
		uint32_t	tag;
		size_t		len;
		const char *what;
	}			good[] =
	{
		{"4F 00", 0x4F, 0, "empty value"},
		{"4F 02 0102", 0x4F, 2, "one octet of tag and length"},
		{"9F70 01 07", 0x9F70, 1, "tag of two octets"},
		{"7F21 00", 0x7F21, 0, "another one"},
		{"FF21 00", 0xFF21, 0, "FF21, whose second octet ends it"},
		{"DF8101 01 00", 0xDF8101, 1, "tag of three octets"},
		{"4F 81 01 AA", 0x4F, 1, "length in two octets though one would do"},
		{"4F 82 0001 AA", 0x4F, 1, "in three"},
		{"4F 83 000001 AA", 0x4F, 1, "in four"},
	};
	static const struct
	{
		const char *input;
		SmsrErrorCode code;
		const char *what;
	}			bad[] =
	{
		{"", SMSR_TRUNCATED, "nothing"},
		{"4F", SMSR_TRUNCATED, "no length"},
		{"9F", SMSR_TRUNCATED, "half a tag"},
		{"9F81", SMSR_TRUNCATED, "two thirds of a tag"},
		{"9F818101 00", SMSR_UNSUPPORTED, "tag of four octets"},
		{"4F 81", SMSR_TRUNCATED, "half a length"},
		{"4F 82 00", SMSR_TRUNCATED, "two thirds of a length"},
		{"4F 83 0000", SMSR_TRUNCATED, "three quarters of a length"},
		{"4F 84 00000001 AA", SMSR_BAD_LENGTH, "length of five octets"},
		{"4F 80 AA 0000", SMSR_BAD_LENGTH, "indefinite length"},
		{"4F FF AA", SMSR_BAD_LENGTH, "length FF"},
		{"4F 02 AA", SMSR_TRUNCATED, "length that lies"},
		{"4F 83 FFFFFF AA", SMSR_TRUNCATED, "length that lies much"},
	};
	SmsrError	error;
	SmsrTlv		tlv;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		TlvReader	r = tlv_reader(hex(good[i].input));

		succeeds(tlv_read(&r, "object", &tlv, &error), &error, "%s", good[i].what);
		ok(tlv.tag == good[i].tag && tlv.value.len == good[i].len && tlv.offset == 0 &&
		   tlv_at_end(&r), "%s: tag, length and end", good[i].what);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		TlvReader	r = tlv_reader(hex(bad[i].input));

		fails(tlv_read(&r, "object", &tlv, &error), &error, bad[i].code, "object", 0,
			  "%s", bad[i].what);
		ok(r.pos == 0, "%s: the reader stays where it was", bad[i].what);
	}
}

static void
test_offsets(void)
{
	SmsrBytes	input = hex("4F01AA 9F700107 53");
	TlvReader	r = tlv_reader(input);
	SmsrError	error;
	SmsrTlv		tlv;

	ok(tlv_read(&r, "first", &tlv, &error) && tlv.offset == 0, "first object at 0");
	ok(tlv_read(&r, "second", &tlv, &error) && tlv.offset == 3, "second object at 3");
	fails(tlv_read(&r, "third", &tlv, &error), &error, SMSR_TRUNCATED, "third", 7,
		  "the fault is at 7");

	ok(tlv_find(input, 0x9F70, &tlv) && tlv.value.data[0] == 0x07, "tlv_find");
	ok(!tlv_find(input, 0x53, &tlv), "what is broken is not found");
	ok(!tlv_find(input, 0x70, &tlv), "nor is part of a tag");
	ok(!tlv_find(smsr_bytes(NULL, 0), 0x4F, &tlv), "nor anything in nothing");
}

static void
test_other_codings(void)
{
	SmsrError	error;
	SmsrTlv		tlv;
	SmsrWriter	w = writer(0x10010);
	TlvReader	r;

	r = tlv_reader(hex("3A03 01 AA 3A08 FF0002 BBCC"));
	ok(dgi_read(&r, "DGI", &tlv, &error) && tlv.tag == 0x3A03 && tlv.value.len == 1,
	   "DGI with a length of one octet");
	ok(dgi_read(&r, "DGI", &tlv, &error) && tlv.tag == 0x3A08 && tlv.value.len == 2 &&
	   tlv.offset == 4 && tlv_at_end(&r), "DGI with a length of three");
	r = tlv_reader(hex("3A03"));
	fails(dgi_read(&r, "DGI", &tlv, &error), &error, SMSR_TRUNCATED, "DGI", 0,
		  "DGI without a length");
	r = tlv_reader(hex("3A03FF00"));
	fails(dgi_read(&r, "DGI", &tlv, &error), &error, SMSR_TRUNCATED, "DGI", 0,
		  "DGI with half a length");
	r = tlv_reader(hex("3A03 81 AA"));
	fails(dgi_read(&r, "DGI", &tlv, &error), &error, SMSR_TRUNCATED, "DGI", 0,
		  "81 is a length of 129 in a DGI");

	put_dgi_header(&w, 0x3A01, 0xFE);
	put_dgi_header(&w, 0x3A01, 0xFF);
	is_hex(smsr_written(&w), "3A01FE 3A01FF00FF", "DGI lengths that are written");
	put_dgi_header(&w, 0x3A01, 0x10000);
	ok(w.overflow, "no DGI has 65536 octets");

	r = tlv_reader(hex("9F 01 AA 7F0102 00"));
	ok(comprehension_read(&r, "object", &tlv, &error) && tlv.tag == 0x9F &&
	   tlv.value.len == 1, "9F is a whole COMPREHENSION-TLV tag");
	ok(comprehension_read(&r, "object", &tlv, &error) && tlv.tag == 0x7F0102 &&
	   tlv_at_end(&r), "7F begins one of three octets");
	r = tlv_reader(hex("7F01"));
	fails(comprehension_read(&r, "object", &tlv, &error), &error, SMSR_TRUNCATED,
		  "object", 0, "two of three octets");
}

static void
test_writing(void)
{
	static const struct
	{
		size_t		len;
		const char *expected;
	}			lengths[] =
	{
		{0, "00"}, {1, "01"}, {0x7F, "7F"}, {0x80, "8180"}, {0xFF, "81FF"},
		{0x100, "820100"}, {0xFFFF, "82FFFF"}, {0x10000, "83010000"},
		{0xFFFFFF, "83FFFFFF"},
	};
	SmsrWriter	w;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		w = writer(4);
		put_ber_length(&w, lengths[i].len);
		is_hex(smsr_written(&w), lengths[i].expected, "BER length %zu", lengths[i].len);
		ok(ber_length_size(lengths[i].len) == w.len, "and its size");
	}
	w = writer(8);
	put_ber_length(&w, 0x1000000);
	ok(w.overflow, "16 MB have no length of four octets");

	w = writer(16);
	put_tlv(&w, 0x4F, "\1\2", 2);
	put_tlv(&w, 0x9F70, "\7", 1);
	put_tlv(&w, 0xDF8101, NULL, 0);
	is_hex(smsr_written(&w), "4F020102 9F700107 DF810100", "tags of one, two and three");
}

TEST_SUITE(tlv)
{
	test_reading();
	test_offsets();
	test_other_codings();
	test_writing();
}
