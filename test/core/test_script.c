/*
 * test_script.c
 */
#include "tap.h"

#include <string.h>

#include "core/script.h"

static void
test_writing(void)
{
	/* SGP.02's Enable in both forms, and a status of TS 102 226's examples */
	const SmsrBytes enable = hex("80E28800153A03124F10A0000005591010FFFFFFFF8900001000");
	const SmsrBytes two[] = {hex("80F24002024F0000"), hex("80CAFF2100")};
	const SmsrBytes three = hex("80CAFF");
	const SmsrBytes large = noise(300);
	SmsrWriter	w = writer(1000);
	SmsrError	error;

	succeeds(script_write(&enable, 1, false, &w, &error), &error, "of one command");
	is_hex(smsr_written(&w),
		   "AA1C221A 80E28800153A03124F10A0000005591010FFFFFFFF8900001000", "definite");
	w.len = 0;
	succeeds(script_write(&enable, 1, true, &w, &error), &error, "of one command");
	is_hex(smsr_written(&w),
		   "AE80221A 80E28800153A03124F10A0000005591010FFFFFFFF8900001000 0000", "indefinite");
	w.len = 0;
	script_write(two, 2, false, &w, &error);
	is_hex(smsr_written(&w), "AA11 220880F24002024F0000 220580CAFF2100", "of two");
	w.len = 0;
	script_write(&large, 1, false, &w, &error);
	ok(w.len == 4 + 4 + 300 && w.data[0] == 0xAA && w.data[1] == 0x82, "of a large one");
	w.len = 0;
	succeeds(script_write(NULL, 0, false, &w, &error), &error, "of none");
	is_hex(smsr_written(&w), "AA00", "is empty");
	w.len = 0;
	fails(script_write(&three, 1, false, &w, &error), &error, SMSR_BAD_LENGTH, "C-APDU", 0,
		  "an APDU without P2");
	w = writer(30);
	w.len = 3;
	fails(script_write(&enable, 1, false, &w, &error), &error, SMSR_TOO_LONG, "script", 0,
		  "a small buffer");
	ok(w.len == 3, "gets nothing");

	w = writer(100);
	succeeds(script_write_compact(two, 2, &w, &error), &error, "compact");
	is_hex(smsr_written(&w), "80F24002024F0000 80CAFF2100", "one after the other");
	fails(script_write_compact(&three, 1, &w, &error), &error, SMSR_BAD_LENGTH, "C-APDU", 0,
		  "compact without P3");
}

/* of somebody else's commands: structure, and nothing more */
static void
test_relaying(void)
{
	static const struct
	{
		const char *commands;
		SmsrErrorCode code;
		size_t		offset;
	}			wrong[] = {
		{"", SMSR_TRUNCATED, 0},
		{"22", SMSR_TRUNCATED, 0},
		{"2204 84E28800 22", SMSR_TRUNCATED, 6},
		{"2204 84E28800 2205 84E28800", SMSR_TRUNCATED, 6},
		{"2204 84E28800 86", SMSR_TRUNCATED, 6},
		{"2280 84E28800 0000", SMSR_BAD_LENGTH, 0},
		{"2281", SMSR_TRUNCATED, 0},
		{"8482 01", SMSR_TRUNCATED, 0},
		{"1F", SMSR_TRUNCATED, 0},
		{"1FFFFFFF 00", SMSR_UNSUPPORTED, 0},
	};
	const SmsrBytes segment = noise(300);
	SmsrWriter	data = writer(1000);
	SmsrWriter	w = writer(1000);
	SmsrError	error;

	succeeds(script_write_relayed(hex("2215 84E2880010000102030405060708090A0B0C0D0E0F"), &w, &error), &error, "one C-APDU");
	is_hex(smsr_written(&w), "AA17 2215 84E2880010000102030405060708090A0B0C0D0E0F", "unchanged");
	w.len = 0;
	/* SCP03t, empty ones too; and a length that is longer than it must be stays so */
	succeeds(script_write_relayed(hex("840A 01020304050607080910 8500 8681021122 8801FF"), &w, &error), &error, "several");
	is_hex(smsr_written(&w), "AA16 840A 01020304050607080910 8500 8681021122 8801FF", "unchanged");
	put_tlv(&data, 0x86, segment.data, segment.len);
	w.len = 0;
	succeeds(script_write_relayed(smsr_written(&data), &w, &error), &error, "a long one");
	ok(w.len == 4 + 4 + 300 && w.data[1] == 0x82 && memcmp(w.data + 4, data.data, data.len) == 0, "unchanged");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		w.len = 0;
		fails(script_write_relayed(hex(wrong[i].commands), &w, &error), &error, wrong[i].code, "command TLV", wrong[i].offset,
			  wrong[i].commands);
		ok(w.len == 0, "writes nothing");
	}
	w = writer(300);
	w.len = 3;
	fails(script_write_relayed(smsr_written(&data), &w, &error), &error, SMSR_TOO_LONG, "script", 0, "a small buffer");
	ok(w.len == 3, "gets nothing");
}

static void
test_writing_indefinite(void)
{
	SmsrWriter	w = writer(1000);
	SmsrWriter	data = writer(1000);
	SmsrBytes	segment = noise(300);
	SmsrError	error;

	succeeds(script_write_indefinite(hex("AA 0A 2208 80F24002024F0000"), &w, &error), &error, "one C-APDU");
	is_hex(smsr_written(&w), "AE80 2208 80F24002024F0000 0000", "its end in the place of its length");
	w.len = 0;
	succeeds(script_write_indefinite(hex("AE80 2208 80F24002024F0000 0000"), &w, &error), &error, "one that has this form");
	is_hex(smsr_written(&w), "AE80 2208 80F24002024F0000 0000", "stays so");
	put_tlv_header(&data, SCRIPT_COMMAND, 304);
	put_tlv(&data, 0x86, segment.data, segment.len);
	w.len = 0;
	succeeds(script_write_indefinite(smsr_written(&data), &w, &error), &error, "a long one");
	ok(w.len == 2 + 304 + 2 && memcmp(w.data + 2, data.data + 4, 304) == 0, "its objects as they are");
	w.len = 0;
	fails(script_write_indefinite(hex("AA 04 2200 0000"), &w, &error), &error, SMSR_BAD_VALUE, "object of script", 4, "what looks like the end");
	fails(script_write_indefinite(hex("AB 03 800100"), &w, &error), &error, SMSR_BAD_VALUE, "script template", 0, "a response");
	fails(script_write_indefinite(hex("AA 05 2208 80F2"), &w, &error), &error, SMSR_TRUNCATED, "script template", 0, "half a script");
	fails(script_write_indefinite(hex("AA 04 2208 80F2"), &w, &error), &error, SMSR_TRUNCATED, "object of script", 2, "half a command");
	fails(script_write_indefinite(hex(""), &w, &error), &error, SMSR_TRUNCATED, "script template", 0, "nothing");
	ok(w.len == 0, "writes nothing");
	w = writer(300);
	fails(script_write_indefinite(smsr_written(&data), &w, &error), &error, SMSR_TOO_LONG, "script", 0, "a small buffer");
	ok(w.len == 0, "gets nothing");
}

static void
test_writing_response(void)
{
	const SmsrBytes answers[] = {hex("9000"), hex("AABB9000")};
	const SmsrBytes one = hex("90");
	SmsrBytes  *many = scratch(sizeof(SmsrBytes) * 200);
	SmsrWriter	w = writer(1000);
	ScriptResponse response;
	SmsrError	error;

	succeeds(script_write_response(answers, 1, false, &w, &error), &error, "one answer");
	is_hex(smsr_written(&w), "AB07 800101 23029000", "definite");
	w.len = 0;
	script_write_response(answers, 2, true, &w, &error);
	is_hex(smsr_written(&w), "AF80 23029000 2304AABB9000 0000", "indefinite");
	w.len = 0;
	fails(script_write_response(&one, 1, false, &w, &error), &error, SMSR_BAD_LENGTH,
		  "R-APDU", 0, "half a status word");

	for (int i = 0; i < 200; i++)
		many[i] = answers[0];
	script_write_response(many, 200, false, &w, &error);
	is_hex(smsr_bytes(w.data, 8), "AB820324 800200C8", "a number that has its first bit set");
	ok(script_read_response(copy_of(smsr_written(&w)), &response, &error) &&
	   response.executed == 200 && response.r_apdus == 200, "is read as 200");
}

static void
test_walk(void)
{
	SmsrBytes	script = hex("AE80 830101 220580CAFF2100 0000");
	ScriptReader reader;
	SmsrTlv		tlv;
	SmsrError	error;

	succeeds(script_open(script, &reader, &error), &error, "an indefinite script");
	ok(reader.template == SCRIPT_COMMAND_INDEFINITE && reader.indefinite, "is one");
	ok(script_next(&reader, &tlv, &error) && tlv.tag == SCRIPT_CHAINING && tlv.offset == 2,
	   "chaining");
	ok(script_next(&reader, &tlv, &error) && tlv.tag == SCRIPT_C_APDU && tlv.offset == 5 &&
	   tlv.value.len == 5, "a command");
	ok(!script_next(&reader, &tlv, &error) && error.code == SMSR_OK, "the end");
	ok(!script_next(&reader, &tlv, &error) && error.code == SMSR_OK, "stays the end");

	ok(script_open(hex("AA00"), &reader, &error) &&
	   !script_next(&reader, &tlv, &error) && error.code == SMSR_OK, "an empty script");
	ok(script_open(hex("AB8107 80010123029000"), &reader, &error) &&
	   script_next(&reader, &tlv, &error) && tlv.tag == SCRIPT_EXECUTED && tlv.offset == 3,
	   "a length in two octets");

	ok(script_open(hex("AE80 2205AA"), &reader, &error), "a broken object");
	fails(script_next(&reader, &tlv, &error), &error, SMSR_TRUNCATED, "object of script", 2,
		  "is found");
	ok(script_open(hex("AE80 22 01AA"), &reader, &error) &&
	   script_next(&reader, &tlv, &error), "an indefinite script without end");
	fails(script_next(&reader, &tlv, &error), &error, SMSR_TRUNCATED, "script template", 5,
		  "is found");
	ok(script_open(hex("AE80 0000 22"), &reader, &error), "something after the end");
	fails(script_next(&reader, &tlv, &error), &error, SMSR_BAD_LENGTH, "script template", 4,
		  "is found");
}

static void
test_lies(void)
{
	static const struct
	{
		const char *script;
		SmsrErrorCode code;
		const char *field;
		size_t		offset;
		const char *what;
	}			bad[] =
	{
		{"", SMSR_TRUNCATED, "script template", 0, "nothing"},
		{"AB", SMSR_TRUNCATED, "script template", 0, "a tag alone"},
		{"AC00", SMSR_BAD_VALUE, "script template", 0, "another tag"},
		{"AA00", SMSR_BAD_VALUE, "script template", 0, "a command script"},
		{"AE800000", SMSR_BAD_VALUE, "script template", 0, "an indefinite command script"},
		{"AF07 800101 23029000", SMSR_BAD_LENGTH, "script template", 1, "AF with a length"},
		{"AB80 800101 23029000 0000", SMSR_BAD_LENGTH, "script template", 0, "AB without"},
		{"AB08 800101 23029000", SMSR_TRUNCATED, "script template", 0, "a length too long"},
		{"AB06 800101 23029000", SMSR_BAD_LENGTH, "script template", 1, "one too short"},
		{"AB07 800101 23039000", SMSR_TRUNCATED, "object of script", 5, "an answer too long"},
		{"AB06 800101 230190", SMSR_BAD_LENGTH, "R-APDU", 5, "half a status word"},
		{"AB05 800101 2300", SMSR_BAD_LENGTH, "R-APDU", 5, "no status word"},
		{"AB02 8000", SMSR_BAD_LENGTH, "number of executed commands", 2, "an empty number"},
		{"AB07 80050000000001", SMSR_BAD_LENGTH, "number of executed commands", 2, "a long one"},
		{"AB06 8004FFFFFFFF", SMSR_BAD_VALUE, "number of executed commands", 2, "a large one"},
		{"AB05 800101 9000", SMSR_BAD_LENGTH, "script error", 5, "an error that says nothing"},
		{"AB04 800101 23", SMSR_TRUNCATED, "object of script", 5, "a tag at the end"},
		{"AF80 23029000", SMSR_TRUNCATED, "script template", 6, "no end"},
		{"AF80 23029000 00", SMSR_TRUNCATED, "object of script", 6, "half an end"},
	};
	ScriptResponse response;
	SmsrError	error;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fails(script_read_response(hex(bad[i].script), &response, &error), &error,
			  bad[i].code, bad[i].field, bad[i].offset, "%s", bad[i].what);
	ok(!script_read_response(hex("AC00"), &response, NULL) &&
	   !script_read_response(hex("AF80"), &response, NULL), "errors need not be asked for");
}

static void
test_responses(void)
{
	ScriptResponse r;
	SmsrError	error;

	ok(script_read_response(hex("AB07 800101 23026132"), &r, &error) && r.executed == 1 &&
	   r.r_apdus == 1 && r.sw == 0x6132 && r.last.len == 0, "one answer without data");
	ok(script_read_response(hex("AB0E 800102 23029000 2305AABBCC9000"), &r, &error) &&
	   r.executed == 2 && r.r_apdus == 2 && r.sw == 0x9000, "two answers");
	is_hex(r.last, "AABBCC", "the data are the last one's");
	ok(script_read_response(hex("AB06 800100 900102"), &r, &error) && r.executed == 0 &&
	   r.r_apdus == 0 && r.bad_format == 2 && r.sw == 0, "bad format");
	ok(script_read_response(hex("AB06 800101 830102"), &r, &error) && r.chaining_error == 2,
	   "chaining");
	ok(script_read_response(hex("AB06 800101 810101"), &r, &error) && r.immediate_action == 1,
	   "immediate action");
	ok(script_read_response(hex("AF80 23029000 23026985 0000"), &r, &error) &&
	   r.executed == 2 && r.r_apdus == 2 && r.sw == 0x6985,
	   "indefinite, where the answers are counted");
	ok(script_read_response(hex("AF80 800101 23029000 0000"), &r, &error) && r.executed == 1,
	   "indefinite, with a number all the same");
	ok(script_read_response(hex("AB08 80020100 23029000"), &r, &error) && r.executed == 256,
	   "a number of two octets");
	ok(script_read_response(hex("AB08 800101 C50101 C400"), &r, &error) &&
	   r.r_apdus == 0, "unknown objects are skipped");
}

static void
test_compact(void)
{
	int			executed;
	uint16_t	sw;
	SmsrBytes	data;
	SmsrError	error;

	ok(script_read_compact(hex("02 9000 AABB"), &executed, &sw, &data, &error) &&
	   executed == 2 && sw == 0x9000, "compact response");
	is_hex(data, "AABB", "and its data");
	ok(script_read_compact(hex("01 612F"), &executed, &sw, &data, &error) &&
	   executed == 1 && sw == 0x612F && data.len == 0, "without data");
	fails(script_read_compact(hex("0190"), &executed, &sw, &data, &error), &error,
		  SMSR_TRUNCATED, "compact response", 2, "half a status word");
	fails(script_read_compact(hex(""), &executed, &sw, &data, &error), &error,
		  SMSR_TRUNCATED, "compact response", 0, "nothing");
}

TEST_SUITE(script)
{
	test_writing();
	test_relaying();
	test_writing_indefinite();
	test_writing_response();
	test_walk();
	test_lies();
	test_responses();
	test_compact();
}
