/*
 * test_es5.c
 */
#include "tap.h"

#include <string.h>

#include "core/es5.h"
#include "core/es5_answer.h"

#define ISDP	"A0000005591010FFFFFFFF8900001000"
#define LV_ELF	"10A0000005591010FFFFFFFF8900000D00"
#define LV_EM	"10A0000005591010FFFFFFFF8900000E00"

static SmsrAid isdp;

/* What was written is this, and is read as the kind; no beginning of it is. */
static Es5Command
check(SmsrWriter *w, const char *digits, Es5Kind kind, const char *what)
{
	Es5Command	command;
	Es5Command	shorter;
	SmsrError	error;
	SmsrBytes	apdu = copy_of(smsr_written(w));
	/* Le may be absent; without data the header alone is a command */
	size_t		enough = kind == ES5_GET_RESOURCES || kind == ES5_GET_KEY_INFO ? 4 : 5u + apdu.data[4];
	int			accepted = 0;

	is_hex(apdu, digits, "%s", what);
	succeeds(es5_read_command(apdu, &command, &error), &error, "%s: is read", what);
	ok(command.kind == kind, "%s: as what it is", what);
	for (size_t len = 0; len < enough; len++)
	{
		if (es5_read_command(copy_of(smsr_bytes(apdu.data, len)), &shorter, &error))
			accepted++;
	}
	ok(accepted == 0, "%s: no beginning of it is accepted", what);
	w->len = 0;
	return command;
}

static void
test_commands(void)
{
	SmsrWriter	w = writer(300);
	Es5Command	c;

	es5_write_enable(&w, &isdp);
	c = check(&w, "80E28800153A03124F10" ISDP, ES5_ENABLE_PROFILE, "enable");
	ok(aid_compare(&c.aid, &isdp) == 0, "enable: the AID");
	ok(c.data.len == 0x15, "enable: the data field");
	es5_write_disable(&w, &isdp);
	c = check(&w, "80E28800153A04124F10" ISDP, ES5_DISABLE_PROFILE, "disable");
	ok(aid_compare(&c.aid, &isdp) == 0, "disable: the AID");
	es5_write_set_fallback(&w, &isdp);
	c = check(&w, "80E28800153A05124F10" ISDP, ES5_SET_FALLBACK_ATTRIBUTE, "fall-back");
	ok(aid_compare(&c.aid, &isdp) == 0, "fall-back: the AID");
	es5_write_delete(&w, &isdp);
	c = check(&w, "80E40040124F10" ISDP "00", ES5_DELETE_PROFILE, "delete");
	ok(aid_compare(&c.aid, &isdp) == 0, "delete: the AID");

	/* the values of these DGIs are guesses: what is tested is that both sides guess the same */
	es5_write_set_emergency(&w, &isdp);
	c = check(&w, "80E28800153A09124F10" ISDP, ES5_SET_EMERGENCY_ATTRIBUTE, "emergency");
	ok(aid_compare(&c.aid, &isdp) == 0, "emergency: the AID");
	es5_write_unset_emergency(&w, &isdp);
	c = check(&w, "80E28800153A0A124F10" ISDP, ES5_UNSET_EMERGENCY_ATTRIBUTE, "no emergency");
	ok(aid_compare(&c.aid, &isdp) == 0, "no emergency: the AID");

	es5_write_confirm(&w, 0x0001);
	c = check(&w, "80E28900073A08044E02000100", ES5_CONFIRM_NOTIFICATION, "confirm");
	ok(c.sequence == 1, "confirm: the number");
	es5_write_confirm(&w, 0xFFFE);
	c = check(&w, "80E28900073A08044E02FFFE00", ES5_CONFIRM_NOTIFICATION, "confirm another");
	ok(c.sequence == 0xFFFE, "confirm another: the number");

	es5_write_create_isdp(&w, &AID_ISD_P_LOADFILE, &AID_ISD_P_MODULE, &isdp, 0);
	c = check(&w, "80E60C003F" LV_ELF LV_EM "10" ISDP "0380C00006C904810203700000",
			  ES5_CREATE_ISDP, "create");
	ok(aid_compare(&c.aid, &isdp) == 0 && aid_compare(&c.loadfile, &AID_ISD_P_LOADFILE) == 0 &&
	   aid_compare(&c.module, &AID_ISD_P_MODULE) == 0 && c.memory == 0, "create: AIDs");
	es5_write_create_isdp(&w, &AID_ISD_P_LOADFILE, &AID_ISD_P_MODULE, &isdp, 0x7FFF);
	c = check(&w, "80E60C0045" LV_ELF LV_EM "10" ISDP "0380C0000CC90481020370EF0483027FFF0000",
			  ES5_CREATE_ISDP, "create with memory");
	ok(c.memory == 0x7FFF, "create with memory: 32767 take two octets");
	es5_write_create_isdp(&w, &AID_ISD_P_LOADFILE, &AID_ISD_P_MODULE, &isdp, 0x8000);
	c = check(&w, "80E60C0047" LV_ELF LV_EM "10" ISDP
			  "0380C0000EC90481020370EF068304000080000000",
			  ES5_CREATE_ISDP, "create with more");
	ok(c.memory == 0x8000, "create with more: 32768 take four");

	es5_write_get_status(&w, NULL);
	c = check(&w, "80F240020A4F005C064F9F70538F9100", ES5_GET_STATUS, "status of all");
	ok(c.aid.len == 0, "status of all: no AID");
	es5_write_get_status(&w, &isdp);
	c = check(&w, "80F240021A4F10" ISDP "5C064F9F70538F9100", ES5_GET_STATUS, "status of one");
	ok(aid_compare(&c.aid, &isdp) == 0, "status of one: the AID");
	es5_write_get_resources(&w);
	check(&w, "80CAFF2100", ES5_GET_RESOURCES, "resources");
	es5_write_get_key_info(&w);
	check(&w, "80CA00E000", ES5_GET_KEY_INFO, "key information");
	es5_write_addressing_sms(&w, hex("0B919471000000F0"));
	check(&w, "80E288000F3A070CA30A81080B919471000000F0", ES5_UPDATE_ADDRESSING, "addressing");
	es5_write_addressing_sms(&w, noise(125));
	ok(!w.overflow && w.data[4] == w.len - 5, "the longest address");
	w.len = 0;
	es5_write_addressing_sms(&w, noise(126));
	ok(w.overflow, "a longer one");
}

/* what is under secure messaging is nobody's command but the receiver's */
static void
test_secured(void)
{
	static const uint8_t secured[] = {0x84, 0x88, 0x8C, 0x87, 0xE0, 0xEF, 0xE4};
	static const uint8_t clear[] = {0x80, 0x83, 0xC0, 0xCF};
	SmsrWriter	w = writer(300);
	Es5Command	c;
	SmsrError	error;

	es5_write_enable(&w, &isdp);
	for (size_t i = 0; i < sizeof(secured); i++)
	{
		w.data[0] = secured[i];
		ok(apdu_is_secured(secured[i]) && es5_read_command(smsr_written(&w), &c, &error) && c.kind == ES5_UNKNOWN,
		   "class %02X: secured, so not read", secured[i]);
	}
	for (size_t i = 0; i < sizeof(clear); i++)
	{
		w.data[0] = clear[i];
		ok(!apdu_is_secured(clear[i]) && es5_read_command(smsr_written(&w), &c, &error) && c.kind == ES5_ENABLE_PROFILE,
		   "class %02X: on whatever logical channel", clear[i]);
	}
	ok(!apdu_is_secured(0x0C) && !apdu_is_secured(0x64), "of other classes it is not said");
	/* ciphered data may look like anything, and be malformed as that */
	w.data[0] = 0x84;
	w.data[7] = 0xFF;
	succeeds(es5_read_command(smsr_written(&w), &c, &error), &error, "what is not read has no faults");
}

static void
test_master_delete(void)
{
	SmsrWriter	w = writer(300);
	Es5Command	c;
	SmsrError	error;
	Es5DeleteToken token = {
		hex("2B0601"), hex("0102"), hex("A0000005"), hex("07"),
		hex("000102030405060708090A0B0C0D0E0F")
	};

	es5_write_master_delete(&w, &isdp, &token);
	c = check(&w, "80E40040394F10" ISDP "B61342032B0601450201025F2004A0000005930107"
			  "9E10000102030405060708090A0B0C0D0E0F00", ES5_MASTER_DELETE, "master delete");
	ok(aid_compare(&c.aid, &isdp) == 0, "master delete: the AID");

	/* 18 + 3 + 136 + 98 octets: B6 has a length of two octets, and Lc is full */
	token.provider = noise(120);
	token.token = noise(96);
	es5_write_master_delete(&w, &isdp, &token);
	ok(!w.overflow && w.data[4] == 255 && w.len == 5 + 255 + 1 && w.data[5 + 18] == 0xB6 && w.data[5 + 19] == 0x81,
	   "master delete: the longest");
	ok(es5_read_command(smsr_written(&w), &c, &error) && c.kind == ES5_MASTER_DELETE, "master delete: is read");
	w.len = 0;
	token.token = noise(97);
	es5_write_master_delete(&w, &isdp, &token);
	ok(w.overflow && w.len == 0, "master delete: one octet more fits no command");
}

static void
test_reading(void)
{
	static const struct
	{
		const char *apdu;
		SmsrErrorCode code;
		const char *field;
		size_t		offset;
		const char *what;
	}			bad[] =
	{
		{"", SMSR_TRUNCATED, "C-APDU", 0, "nothing"},
		{"80E288", SMSR_TRUNCATED, "C-APDU", 3, "three octets"},
		{"80E28800", SMSR_TRUNCATED, "DGI", 4, "no data"},
		{"80E28800 00 3A03124F10" ISDP, SMSR_BAD_LENGTH, "Lc", 4, "an extended length"},
		{"80E28800 16 3A03124F10" ISDP, SMSR_TRUNCATED, "Lc", 4, "Lc one too high"},
		{"80E28800 13 3A03124F10" ISDP, SMSR_BAD_LENGTH, "Lc", 4, "Lc two too low"},
		{"80E28800 15 3A03134F10" ISDP, SMSR_TRUNCATED, "DGI", 5, "DGI one too long"},
		{"80E28800 15 3A03114F10" ISDP, SMSR_BAD_LENGTH, "DGI", 25, "DGI one too short"},
		{"80E28800 15 3A03124F11" ISDP, SMSR_TRUNCATED, "AID", 8, "AID one too long"},
		{"80E28800 15 3A03124E10" ISDP, SMSR_BAD_VALUE, "AID", 8, "another tag than 4F"},
		{"80E28800 09 3A03064F04A0000005", SMSR_BAD_LENGTH, "AID", 8, "a short AID"},
		{"80E28800 17 3A03144F10" ISDP "5300", SMSR_BAD_LENGTH, "AID", 26, "more than an AID"},
		{"80E28900 06 3A08034E010100", SMSR_BAD_LENGTH, "sequence number", 8, "one octet of it"},
		{"80E28900 07 3A08044F02000100", SMSR_BAD_VALUE, "sequence number", 8, "another tag"},
		{"80E28900 03 3A080000", SMSR_TRUNCATED, "sequence number", 8, "an empty DGI"},
		{"80E40040 00", SMSR_TRUNCATED, "AID", 5, "delete of nothing"},
		{"80E40040 04 4F02A000 00", SMSR_BAD_LENGTH, "AID", 5, "delete of a short AID"},
		{"80E40040 14 4F10" ISDP "B605 00", SMSR_TRUNCATED, "object of DELETE", 23,
		"delete with a broken object"},
		{"80F24002 02 5C00 00", SMSR_BAD_VALUE, "AID", 5, "status without 4F"},
		{"80F24002 04 4F005C05 00", SMSR_TRUNCATED, "object of GET STATUS", 7,
		"status with a broken list"},
		{"80E60C00 12 " LV_ELF "1000", SMSR_TRUNCATED, "module AID", 22, "create, cut"},
		{"80E60C00 05 04A0000005", SMSR_BAD_LENGTH, "AID", 5, "create, a short AID"},
		{"80E60C00 3E" LV_ELF LV_EM "10" ISDP "0380C00006C9048102037000", SMSR_TRUNCATED,
		"install token", 67, "create without a token"},
		{"80E60C00 40" LV_ELF LV_EM "10" ISDP "0380C00006C904810203700000", SMSR_BAD_LENGTH,
		"install token", 68, "create with too much"},
		{"80E60C00 3F" LV_ELF LV_EM "10" ISDP "0380C00006C905EF03830100", SMSR_TRUNCATED,
		"install parameters", 61, "create with broken parameters"},
	};
	static const struct
	{
		const char *apdu;
		const char *what;
	}			unknown[] =
	{
		{"00A4040007A0000001510000", "SELECT"},
		{"00E28800153A03124F10" ISDP, "STORE DATA of another class"},
		{"80E20900", "a block that is not the last"},
		{"80E2880107", "block number one"},
		{"80E28900 03 3A0100", "key establishment"},
		{"80E40000 05 F203020103 00", "the end of a handover"},
		{"80F28002 02 4F00 00", "status of the issuer's domain"},
		{"80CABF30", "other data"},
		{"80E60200", "install for load"},
		{"80FF0000FF", "nonsense that is not ours"},
	};
	Es5Command	c;
	SmsrError	error;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fails(es5_read_command(hex(bad[i].apdu), &c, &error), &error, bad[i].code,
			  bad[i].field, bad[i].offset, "%s", bad[i].what);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
	{
		succeeds(es5_read_command(hex(unknown[i].apdu), &c, &error), &error, "%s",
				 unknown[i].what);
		ok(c.kind == ES5_UNKNOWN, "is none of ES5");
	}

	ok(es5_read_command(hex("81E28800153A03124F10" ISDP), &c, &error) &&
	   c.kind == ES5_ENABLE_PROFILE, "on another channel");
	ok(es5_read_command(hex("80E40040 34 4F10" ISDP "B60A 420101 450101 5F200101"
							"9E10 000102030405060708090A0B0C0D0E0F 00"), &c, &error) == false,
	   "master delete whose B6 lies");
	ok(es5_read_command(hex("80E40040 30 4F10" ISDP "B60A 420101 450101 5F200101"
							"9E10 000102030405060708090A0B0C0D0E0F 00"), &c, &error) &&
	   c.kind == ES5_MASTER_DELETE && aid_compare(&c.aid, &isdp) == 0, "master delete");

	ok(sw_is_success(0x9000) && sw_is_success(0x6110) && sw_is_success(0x9F10),
	   "9000, 61xx and 9Fxx are successes");
	ok(!sw_is_success(0x6985) && !sw_is_success(0x9001) && !sw_is_success(0x6200) &&
	   !sw_is_success(0), "others are none");
}

static void
test_status(void)
{
	static const struct
	{
		const char *data;
		SmsrErrorCode code;
		const char *field;
		size_t		offset;
		const char *what;
	}			bad[] =
	{
		{"E200", SMSR_BAD_VALUE, "ISD-P", 0, "another template"},
		{"E3", SMSR_TRUNCATED, "ISD-P", 0, "half of one"},
		{"E300", SMSR_TRUNCATED, "ISD-P", 0, "an empty one"},
		{"E304 9F70013F", SMSR_TRUNCATED, "ISD-P", 0, "one without AID"},
		{"E307 4F05A000000559", SMSR_TRUNCATED, "ISD-P", 0, "one without state"},
		{"E306 4F04A0000005", SMSR_BAD_LENGTH, "AID", 2, "a short AID"},
		{"E305 9F7002073F", SMSR_BAD_LENGTH, "life cycle state", 2, "a state of two octets"},
		{"E302 5300", SMSR_BAD_LENGTH, "fall-back attribute", 2, "no attribute"},
		{"E307 8F050000000001", SMSR_BAD_LENGTH, "allocated memory", 2, "too much memory"},
		{"E302 9100", SMSR_BAD_LENGTH, "remaining memory", 2, "no number"},
		{"E302 8F04", SMSR_TRUNCATED, "object of ISD-P", 2, "an object cut off"},
	};
	SmsrWriter	w = writer(200);
	Es5Isdp		all[2] = {
		{.lcs = ISDP_ENABLED,.fallback = true,.has_allocated = true,.allocated = 0x80000000,
		.has_remaining = true,.remaining = 1},
		{.lcs = ISDP_DISABLED},
	};
	Es5Isdp		got;
	SmsrError	error;
	TlvReader	r;

	all[0].aid = isdp;
	aid_isdp(0x11, &all[1].aid, &error);
	es5_write_isdp(&w, &all[0]);
	es5_write_isdp(&w, &all[1]);
	is_hex(smsr_written(&w),
		   "E3 25 4F10" ISDP "9F70013F 530101 8F0480000000 910400000001"
		   "E3 19 4F10 A0000005591010FFFFFFFF8900001100 9F70011F 530100", "two ISD-Ps");

	r = tlv_reader(copy_of(smsr_written(&w)));
	for (int i = 0; i < 2; i++)
	{
		succeeds(es5_next_isdp(&r, &got, &error), &error, "number %d", i);
		ok(aid_compare(&got.aid, &all[i].aid) == 0 && got.lcs == all[i].lcs &&
		   got.fallback == all[i].fallback && got.has_allocated == all[i].has_allocated &&
		   got.has_remaining == all[i].has_remaining && got.allocated == all[i].allocated &&
		   got.remaining == all[i].remaining, "is what was written");
	}
	ok(!es5_next_isdp(&r, &got, &error) && error.code == SMSR_OK, "and the end");

	r = tlv_reader(hex("E30E 4F05A000000559 9F700107 530102"));
	ok(es5_next_isdp(&r, &got, &error) && !got.fallback && got.lcs == ISDP_SELECTABLE,
	   "only b1 is the fall-back attribute");
	r = tlv_reader(hex("E311 4F05A000000559 9F700107 8F021000 C500"));
	ok(es5_next_isdp(&r, &got, &error) && got.allocated == 0x1000, "memory in two octets");
	r = tlv_reader(smsr_bytes(NULL, 0));
	ok(!es5_next_isdp(&r, &got, &error) && error.code == SMSR_OK, "of nothing");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		r = tlv_reader(hex(bad[i].data));
		fails(es5_next_isdp(&r, &got, &error), &error, bad[i].code, bad[i].field,
			  bad[i].offset, "%s", bad[i].what);
	}
	r = tlv_reader(hex("E30B 4F05A000000559 9F700107 E302 5300"));
	ok(es5_next_isdp(&r, &got, &error), "a good one");
	fails(es5_next_isdp(&r, &got, &error), &error, SMSR_BAD_LENGTH, "fall-back attribute", 15,
		  "offsets count from the start of all");
}

static void
test_other_answers(void)
{
	const Es5Resources resources = {3, 100000, 4000};
	Es5Resources got;
	SmsrWriter	w = writer(100);
	SmsrAid		aid;
	SmsrError	error;
	TlvReader	r;

	es5_write_resources(&w, &resources);
	is_hex(smsr_written(&w), "FF21 12 810400000003 8204000186A0 830400000FA0", "resources");
	ok(es5_read_resources(copy_of(smsr_written(&w)), &got, &error) &&
	   memcmp(&got, &resources, sizeof(got)) == 0, "and read again");
	ok(es5_read_resources(hex("FF210B 810103 82030186A0 83020FA0"), &got, &error) == false,
	   "resources whose length lies");
	ok(es5_read_resources(hex("FF210C 810103 82030186A0 83020FA0"), &got, &error) &&
	   memcmp(&got, &resources, sizeof(got)) == 0, "in fewer octets");
	fails(es5_read_resources(hex("FF2103 810103"), &got, &error), &error, SMSR_TRUNCATED,
		  "card resources", 0, "only one of three");
	fails(es5_read_resources(hex("FF2203 810103"), &got, &error), &error, SMSR_BAD_VALUE,
		  "card resources", 0, "another tag");
	fails(es5_read_resources(hex(""), &got, &error), &error, SMSR_TRUNCATED,
		  "card resources", 0, "nothing");
	fails(es5_read_resources(hex("FF2107 82050000000001"), &got, &error), &error,
		  SMSR_BAD_LENGTH, "free memory", 3, "a number of five octets");

	ok(es5_deleted_reader(smsr_bytes(NULL, 0), &r, &error) &&
	   !es5_next_deleted(&r, &aid, &error) && error.code == SMSR_OK, "nothing is deleted");
	ok(es5_deleted_reader(hex("8000"), &r, &error) &&
	   !es5_next_deleted(&r, &aid, &error) && error.code == SMSR_OK, "nothing in tag 80");
	ok(es5_deleted_reader(hex("8024 4F10" ISDP "4F10" ISDP), &r, &error) &&
	   es5_next_deleted(&r, &aid, &error) && aid_compare(&aid, &isdp) == 0 &&
	   es5_next_deleted(&r, &aid, &error) && aid_compare(&aid, &isdp) == 0 &&
	   !es5_next_deleted(&r, &aid, &error) && error.code == SMSR_OK, "two are");
	fails(es5_deleted_reader(hex("8100"), &r, &error), &error, SMSR_BAD_VALUE,
		  "deleted profiles", 0, "another tag");
	fails(es5_deleted_reader(hex("8000 00"), &r, &error), &error, SMSR_BAD_LENGTH,
		  "deleted profiles", 2, "something behind it");
	ok(es5_deleted_reader(hex("8004 4F02A000"), &r, &error), "a short AID");
	fails(es5_next_deleted(&r, &aid, &error), &error, SMSR_BAD_LENGTH, "AID", 2, "is found");
	ok(es5_deleted_reader(hex("8002 4E00"), &r, &error), "no AID");
	fails(es5_next_deleted(&r, &aid, &error), &error, SMSR_BAD_VALUE, "AID", 2, "is found");
}

TEST_SUITE(es5)
{
	SmsrError	error;

	aid_isdp(0x10, &isdp, &error);
	test_commands();
	test_secured();
	test_master_delete();
	test_reading();
	test_status();
	test_other_answers();
}

TEST_SUITE(es5_key_info)
{
	static const Es5KeyInfo keys[] = {{1, 2, 0x88, 16}, {2, 2, 0x88, 16}, {3, 2, 0x88, 16}, {1, 0x40, 0x85, 32}};
	SmsrWriter	w = writer(100);
	SmsrBytes	data;
	TlvReader	r;
	Es5KeyInfo	key;
	SmsrError	error;
	int			n = 0;

	es5_write_key_info(&w, keys, 4);
	data = copy_of(smsr_written(&w));
	is_hex(data, "E018C00401028810C00402028810C00403028810C00401408520", "four keys");
	succeeds(es5_key_info_reader(data, &r, &error), &error, "key information");
	while (es5_next_key_info(&r, &key, &error))
	{
		ok(n < 4 && memcmp(&key, &keys[n], sizeof(key)) == 0, "key %d", n);
		n++;
	}
	ok(n == 4 && error.code == SMSR_OK, "all of them");
	for (size_t len = 0; len < data.len; len++)
		ok(!es5_key_info_reader(copy_of(smsr_bytes(data.data, len)), &r, &error), "not %zu octets of it", len);
	ok(es5_key_info_reader(hex("E000"), &r, &error) && !es5_next_key_info(&r, &key, &error) && error.code == SMSR_OK,
	   "no key at all");
	ok(es5_key_info_reader(hex("E005C003010288"), &r, &error) && !es5_next_key_info(&r, &key, &error) &&
	   error.code == SMSR_TRUNCATED, "a key without its length");
	ok(es5_key_info_reader(hex("E008C0060102FF880100"), &r, &error) && es5_next_key_info(&r, &key, &error) &&
	   key.kvn == 2 && key.type == 0x88 && key.length == 0, "the longer form");
	ok(es5_key_info_reader(hex("E006C0040102FF88"), &r, &error) && !es5_next_key_info(&r, &key, &error) &&
	   error.code == SMSR_TRUNCATED, "the longer form, too short");
}
