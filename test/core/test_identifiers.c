/*
 * test_identifiers.c
 *		EID, ICCID and AID.
 */
#include "tap.h"

#include <stdio.h>
#include <string.h>

#include "core/aid.h"
#include "core/eid.h"
#include "core/iccid.h"

TEST_SUITE(eid)
{
	static const char good[] = "89001012012341234012345678901224";
	char		bad[sizeof(good)];
	char		text[EID_DIGITS + 1];
	uint8_t		eid[EID_LEN];
	uint8_t		other[EID_LEN];
	SmsrError	error;
	int			accepted = 0;

	succeeds(eid_parse(good, strlen(good), eid, &error), &error, "a good EID");
	is_hex(smsr_bytes(eid, EID_LEN), good, "packed, most significant digit first");
	eid_format(eid, text);
	ok(strcmp(text, good) == 0, "and written again");
	succeeds(eid_check(eid, &error), &error, "its octets are good too");

	fails(eid_parse(good, 31, other, &error), &error, SMSR_BAD_LENGTH, "EID", 0, "31 digits");
	fails(eid_parse("", 0, other, &error), &error, SMSR_BAD_LENGTH, "EID", 0, "no digits");
	fails(eid_parse("890010120123412340123456789012241", 33, other, &error), &error,
		  SMSR_BAD_LENGTH, "EID", 0, "33 digits");
	memcpy(bad, good, sizeof(good));
	bad[7] = 'A';
	fails(eid_parse(bad, 32, other, &error), &error, SMSR_BAD_VALUE, "EID", 7, "a letter");
	memcpy(bad, good, sizeof(good));
	bad[31] = '\xB4';
	fails(eid_parse(bad, 32, other, &error), &error, SMSR_BAD_VALUE, "EID", 31,
		  "an octet above 7F");
	memcpy(bad, good, sizeof(good));
	bad[0] = '7';
	fails(eid_parse(bad, 32, other, &error), &error, SMSR_BAD_VALUE, "EID", 0,
		  "another industry than 89");

	/* MOD 97-10 finds every single wrong digit and every swap of neighbours */
	for (int i = 2; i < EID_DIGITS; i++)
	{
		for (char digit = '0'; digit <= '9'; digit++)
		{
			memcpy(bad, good, sizeof(good));
			bad[i] = digit;
			if (digit != good[i] && eid_parse(bad, 32, other, &error))
				accepted++;
		}
		if (i + 1 < EID_DIGITS && good[i] != good[i + 1])
		{
			memcpy(bad, good, sizeof(good));
			bad[i] = good[i + 1];
			bad[i + 1] = good[i];
			if (eid_parse(bad, 32, other, &error))
				accepted++;
		}
	}
	ok(accepted == 0, "no wrong digit and no swap is accepted");
	memcpy(bad, good, sizeof(good));
	bad[31] = '5';
	fails(eid_parse(bad, 32, other, &error), &error, SMSR_BAD_VALUE,
		  "check digits of EID", 30, "the check digits are named");

	memcpy(other, eid, EID_LEN);
	other[15] = 0x99;
	eid_set_check_digits(other);
	ok(memcmp(eid, other, EID_LEN) == 0, "check digits are computed");
	for (int serial = 0; serial < 97; serial++)
	{
		other[14] = (uint8_t) (serial / 10 << 4 | serial % 10);
		eid_set_check_digits(other);
		if (!eid_check(other, &error))
			accepted++;
	}
	ok(accepted == 0, "for every remainder, the leading zero included");

	other[3] = 0x1A;
	fails(eid_check(other, &error), &error, SMSR_BAD_VALUE, "EID", 3,
		  "octets that are no digits");
	eid_format(other, text);
	ok(strlen(text) == EID_DIGITS && text[7] == 'A', "they can still be shown");
}

TEST_SUITE(iccid)
{
	uint8_t		iccid[ICCID_LEN];
	char		text[ICCID_DIGITS + 1];
	SmsrError	error;

	succeeds(iccid_parse("89490200001234567891", 20, iccid, &error), &error, "20 digits");
	is_hex(smsr_bytes(iccid, ICCID_LEN), "89490200001234567891", "in the digits' order");
	iccid_format(iccid, text);
	ok(strcmp(text, "89490200001234567891") == 0, "and written again");

	succeeds(iccid_parse("8949020000123456789", 19, iccid, &error), &error, "19 digits");
	is_hex(smsr_bytes(iccid, ICCID_LEN), "8949020000123456789F", "get a filler");
	iccid_format(iccid, text);
	ok(strcmp(text, "8949020000123456789") == 0, "that is not written");
	succeeds(iccid_parse("8949020000123456789f", 20, iccid, &error), &error,
			 "the filler may be there");
	is_hex(smsr_bytes(iccid, ICCID_LEN), "8949020000123456789F", "in either case");
	succeeds(iccid_check(iccid, &error), &error, "octets with a filler are good");

	fails(iccid_parse("894902000012345678", 18, iccid, &error), &error, SMSR_BAD_LENGTH,
		  "ICCID", 0, "18 digits");
	fails(iccid_parse("894902000012345678911", 21, iccid, &error), &error, SMSR_BAD_LENGTH,
		  "ICCID", 0, "21 digits");
	fails(iccid_parse("894902000012345678F1", 20, iccid, &error), &error, SMSR_BAD_VALUE,
		  "ICCID", 18, "a filler before the end");
	fails(iccid_parse("894902000012345678F", 19, iccid, &error), &error, SMSR_BAD_VALUE,
		  "ICCID", 18, "a filler after 18 digits");
	fails(iccid_parse("8949020000123456789E", 20, iccid, &error), &error, SMSR_BAD_VALUE,
		  "ICCID", 19, "no other letter is a filler");
	fails(iccid_check(hex("89490200F0123456789F").data, &error), &error, SMSR_BAD_VALUE,
		  "ICCID", 4, "a filler among the octets");
	fails(iccid_check(hex("894902000012345678FF").data, &error), &error, SMSR_BAD_VALUE,
		  "ICCID", 9, "18 digits as octets");

	/* ITU-T E.118: the Luhn digit of 7992739871 is 3 */
	iccid_parse("00000000079927398713", 20, iccid, &error);
	ok(iccid_luhn_ok(iccid), "a right Luhn digit, 20 digits");
	iccid_parse("00000000079927398714", 20, iccid, &error);
	ok(!iccid_luhn_ok(iccid), "a wrong one");
	iccid_parse("0000000079927398713", 19, iccid, &error);
	ok(iccid_luhn_ok(iccid), "a right one, 19 digits");
}

TEST_SUITE(aid)
{
	SmsrAid		aid;
	SmsrAid		other;
	char		text[2 * AID_MAX_LEN + 1];
	uint8_t		tar[3];
	SmsrError	error;

	aid_format(&AID_ISD_R, text);
	ok(strcmp(text, "A0000005591010FFFFFFFF8900000100") == 0, "ISD-R");
	aid_format(&AID_ECASD, text);
	ok(strcmp(text, "A0000005591010FFFFFFFF8900000200") == 0, "ECASD");
	aid_format(&AID_ISD_P_LOADFILE, text);
	ok(strcmp(text, "A0000005591010FFFFFFFF8900000D00") == 0, "load file of ISD-P");
	aid_format(&AID_ISD_P_MODULE, text);
	ok(strcmp(text, "A0000005591010FFFFFFFF8900000E00") == 0, "module of ISD-P");

	succeeds(aid_parse("a0000005591010ffffffff8900001000", 32, &aid, &error), &error,
			 "an AID in lower case");
	succeeds(aid_isdp(0x10, &other, &error), &error, "the first ISD-P");
	ok(aid_compare(&aid, &other) == 0, "is the same");
	ok(aid_tar(&aid, tar) && memcmp(tar, "\0\0\x10", 3) == 0, "its TAR");
	succeeds(aid_isdp(0xFFFF, &other, &error), &error, "the last ISD-P");
	ok(aid_tar(&other, tar) && memcmp(tar, "\0\xFF\xFF", 3) == 0, "its TAR");
	ok(aid_compare(&aid, &other) < 0 && aid_compare(&other, &aid) > 0, "in order");
	fails(aid_isdp(0x0F, &other, &error), &error, SMSR_BAD_VALUE, "TAR", 0,
		  "the alias of ISD-P is none");
	fails(aid_isdp(0x10000, &other, &error), &error, SMSR_BAD_VALUE, "TAR", 0,
		  "nor is 010000");

	succeeds(aid_parse("A000000151", 10, &aid, &error), &error, "five octets");
	ok(!aid_tar(&aid, tar), "have no TAR");
	succeeds(aid_parse("A00000015100", 12, &other, &error), &error, "six octets");
	ok(aid_compare(&aid, &other) == -1 && aid_compare(&other, &aid) == 1,
	   "the shorter of two comes first");
	aid_format(&other, text);
	ok(strcmp(text, "A00000015100") == 0, "six octets are twelve digits");

	fails(aid_parse("A0000001", 8, &aid, &error), &error, SMSR_BAD_LENGTH, "AID", 0,
		  "four octets");
	fails(aid_parse("A000000151000", 13, &aid, &error), &error, SMSR_BAD_LENGTH, "AID", 0,
		  "half an octet");
	fails(aid_parse("A0000005591010FFFFFFFF890000100000", 34, &aid, &error), &error,
		  SMSR_BAD_LENGTH, "AID", 0, "17 octets");
	fails(aid_parse("A00000015G", 10, &aid, &error), &error, SMSR_BAD_VALUE, "AID", 9,
		  "no digit");
	fails(aid_from_bytes(hex("A0000001"), &aid, &error), &error, SMSR_BAD_LENGTH, "AID", 0,
		  "four octets, not digits");
	fails(aid_from_bytes(noise(17), &aid, &error), &error, SMSR_BAD_LENGTH, "AID", 0,
		  "17 octets, not digits");
}
