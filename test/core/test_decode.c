/*
 * test_decode.c
 *		What is read out of each kind, what is not shown, and what becomes of
 *		text for which there is no room.
 */
#include "core/decode.h"
#include "core/json.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

#define EID			"89001012012341234012345678901224"
#define AID_13		"A0000005591010FFFFFFFF8900001300"

/* ---- JSON ---- */

TEST_SUITE(decode_json)
{
	char		text[400];
	bool		sound = true;
	size_t		longest = 0;

	for (size_t room = 0; room < sizeof(text); room++)
	{
		SmsrWriter	w = writer(room);
		Json		json;

		json_begin(&json, &w);
		json_number(&json, "n", 1099511627775);
		json_open_array(&json, "a");
		for (int i = 0; i < 5; i++)
		{
			json_open_object(&json, NULL);
			json_hex(&json, "h", hex("00FF"));
			json_text(&json, "t", smsr_bytes("a\"b\\", 4));
			json_text(&json, "u", smsr_bytes("\x01", 1));
			json_close(&json);
		}
		json_close(&json);
		json_bool(&json, "b", false);
		json_end(&json);
		if (room < JSON_MIN_ROOM)
			sound = sound && w.overflow && w.len == 0;
		else
		{
			/* closed, and cut if and only if something is missing */
			snprintf(text, sizeof(text), "%.*s", (int) w.len, (const char *) w.data);
			sound = sound && !w.overflow && text[0] == '{' && text[w.len - 1] == '}' &&
				(strstr(text, "\"cut\":true}") != NULL) == (strstr(text, "\"b\":false") == NULL);
			if (w.len < longest)
				sound = sound && strstr(text, "cut") == NULL;
			longest = w.len;
		}
	}
	ok(sound, "text that does not fit is cut where a member ends");
	ok(strcmp(text, "{\"n\":1099511627775,\"a\":["
			  "{\"h\":\"00FF\",\"t\":\"a\\\"b\\\\\",\"u\":\"0x01\"},{\"h\":\"00FF\",\"t\":\"a\\\"b\\\\\",\"u\":\"0x01\"},"
			  "{\"h\":\"00FF\",\"t\":\"a\\\"b\\\\\",\"u\":\"0x01\"},{\"h\":\"00FF\",\"t\":\"a\\\"b\\\\\",\"u\":\"0x01\"},"
			  "{\"h\":\"00FF\",\"t\":\"a\\\"b\\\\\",\"u\":\"0x01\"}],\"b\":false}") == 0, "all of it: %s", text);
	{
		SmsrWriter	w = writer(1000);
		Json		json;

		json_begin(&json, &w);
		json_string(&json, "s", "\x01\x7f\xff");
		for (int i = 0; i < 2 * JSON_MAX_DEPTH; i++)
			json_open_array(&json, i == 0 ? "deep" : NULL);
		for (int i = 0; i < 2 * JSON_MAX_DEPTH; i++)
			json_close(&json);
		json_end(&json);
		snprintf(text, sizeof(text), "%.*s", (int) w.len, (const char *) w.data);
		ok(strncmp(text, "{\"s\":\"\\u0001\\u007f\\u00ff\",\"deep\":[[", 34) == 0 &&
		   strstr(text, "]],\"cut\":true}") != NULL, "what is too deep is left out: %s", text);
	}
}

/* ---- kinds ---- */

static const char *
decoded_as(DecodeKind kind, const char *digits)
{
	SmsrWriter	w = writer(8192);
	char	   *text = scratch(8192 + 1);

	decode(hex(digits), kind, &w);
	memcpy(text, w.data, w.len);
	text[w.len] = '\0';
	return text;
}

static void
says(const char *text, const char *part, const char *name)
{
	if (!ok(strstr(text, part) != NULL, "%s", name))
		printf("# %s\n# does not say %s\n", text, part);
}

static void
hides(const char *text, const char *part, const char *name)
{
	if (!ok(strstr(text, part) == NULL, "%s", name))
		printf("# %s\n# says %s\n", text, part);
}

#define decoded(digits)	decoded_as(DECODE_ANY, (digits))

TEST_SUITE(decode_packets)
{
	const char *t = decoded("027000 00281516391212000001 2c48775299883c5c0d71ce47ca5c34ad"
							"79587985811e2eb8d9884bde8471a147");

	says(t, "{\"kind\":\"tp_ud\",\"length\":45,\"security_header\":\"70\",\"packet\":{\"kind\":\"command_packet\"", "a short message");
	says(t, "\"check\":\"CC\",\"ciphered\":true,\"counter\":\"higher\",\"por\":\"always\",\"por_check\":\"CC\","
		 "\"por_ciphered\":true,\"por_by\":\"SMS-SUBMIT\"", "SPI in words");
	says(t, "\"kic\":{\"value\":\"12\",\"kvn\":1,\"algorithm\":\"AES-CBC\"},\"kid\":{\"value\":\"12\",\"kvn\":1,\"algorithm\":\"AES-CMAC\"}", "keys by name");
	says(t, "\"tar\":{\"value\":\"000001\",\"name\":\"ISD-R\"}", "the TAR by name");
	says(t, "\"ciphered_length\":32}", "what is ciphered stays so");
	hides(t, "cntr", "a ciphered counter is not guessed");

	t = decoded("00150d00000000b00000000000010200a0a40000023f00");
	says(t, "\"cntr\":258,\"pcntr\":0,\"data_length\":7,\"data\":{\"kind\":\"c_apdu\"", "a packet in the clear is read to its end");
	t = decoded("001b0d01010011000013000000000002aa07220580caff21000000000000"); /* CPL says one octet less */
	says(t, "{\"kind\":\"octets\",\"length\":30}", "CPL must fit");
	says(decoded_as(DECODE_COMMAND_PACKET, "001b0d01010011000013000000000002aa07220580caff21000000000000"),
		 "\"fault\":{\"what\":\"bad length\",\"field\":\"CPL\",\"offset\":0", "unless it is said to be one: CPL is at fault");
	t = decoded("00180f01010011000013000000000002 22EC ab04800101");
	says(t, "\"octets\"", "and not by one octet");
	t = decoded("00160f01010015000013000000000000 22EC ab0480010123");
	says(t, "\"check\":\"RC\"", "RC");
	says(t, "\"algorithm\":\"CRC-32\"", "KID is read with the check");
	says(t, "\"fault\":{\"what\":\"bad length\",\"field\":\"CHL\",\"offset\":2", "CHL must be that of the check");

	t = decoded("000b0ab0001000000000000006");
	says(t, "\"reading\":\"clear\",\"cntr\":0,\"pcntr\":0,\"status\":{\"value\":\"06\",\"name\":\"unidentified security error\"}",
		 "an unsecured answer");
	t = decoded("02710000241200000111d1d1741f1f8f6924ee0fb69285e84a94595724ef9caf65d262a8de22954dd4");
	says(t, "\"reading\":\"apparently ciphered\",\"ciphered_length\":32", "a ciphered answer");
	t = decoded("011e151639121200000100000000000000000000000000000000000000000000");
	says(t, "\"bearer\":\"cat_tp\"", "the dialect of CAT_TP");

	t = decoded("0700030302017000 012C15163912120000130000000000");
	says(t, "\"concatenation\":{\"reference\":3,\"reference_bits\":8,\"total\":2,\"sequence\":1}", "the first of two");
	says(t, "\"complete\":false,\"length\":15,\"packet_length\":302", "its header");
	says(t, "\"name\":\"ISD-P\"", "an ISD-P's TAR");
	t = decoded("0500030302020102030405");
	says(t, "\"packet\":{\"kind\":\"continuation\",\"length\":5}", "the second of two");
	says(decoded(""), "{\"kind\":\"octets\",\"length\":0}", "nothing");
}

TEST_SUITE(decode_scripts)
{
	const char *t = decoded("AA38 221A 80E28800153A03124F10" AID_13
							"2205 80CAFF2100 220D 80E28900073A08044E02000700 830103 820101");

	says(t, "\"kind\":\"command_script\",\"length\":58,\"template\":\"AA\"", "a command script");
	says(t, "\"function\":\"EnableProfile\",\"aid\":\"" AID_13 "\"", "EnableProfile");
	says(t, "\"object\":\"FF21\",\"object_name\":\"card resources\"", "GET DATA");
	says(t, "\"function\":\"HandleNotificationConfirmation\",\"sequence\":7", "a confirmation");
	t = decoded("AA36 221A 80E28800153A0A124F10" AID_13 "2215 84E28800103A03124F10A0000005591010FFFFFFFF 8601FF");
	says(t, "\"function\":\"UnsetEmergencyProfileAttribute\",\"aid\":\"" AID_13 "\"", "UnsetEmergencyProfileAttribute");
	says(t, "\"name\":\"STORE DATA\",\"data_length\":16,\"secured\":true}", "what is under secure messaging is not looked into");
	says(t, "{\"tag\":\"86\",\"kind\":\"profile_segment\",\"length\":1}", "SCP03t");
	t = decoded("AA38 221A 80E28800153A03124F10" AID_13
				"2205 80CAFF2100 220D 80E28900073A08044E02000700 830103 820101");
	says(t, "{\"tag\":\"83\",\"kind\":\"chaining\",\"value\":\"03\",\"meaning\":\"last\"}", "chaining");
	says(t, "{\"tag\":\"82\",\"kind\":\"error_action\",\"meaning\":\"a record of EF-RMA\"}", "error action");

	t = decoded("AE80 810182 2201 80 0000");
	says(t, "\"kind\":\"immediate_action\",\"value\":\"82\",\"meaning\":\"early response\"", "immediate action");
	says(t, "\"fault\":{\"what\":\"truncated\",\"field\":\"C-APDU\",\"offset\":8", "a C-APDU's fault counts from the beginning of all");

	says(decoded("AB4B 800102 230269E1"), "{\"kind\":\"script\",\"length\":9,\"fault\":{", "a response script with a wrong length");
	t = decoded("AB47 800102 2327 E323 4F10" AID_13 "9F70013F 530101 8F0400010000 91020200 9000"
				"2316 8012 4F10" AID_13 "9000 830102");
	says(t, "\"kind\":\"executed\",\"count\":2", "executed");
	says(t, "\"isdps\":[{\"aid\":\"" AID_13 "\",\"lcs\":\"3F\",\"state\":\"enabled\",\"fallback\":true,"
		 "\"allocated_memory\":65536,\"remaining_memory\":512}]", "GET STATUS");
	says(t, "\"deleted\":[\"" AID_13 "\"]", "what POL1 deleted");
	says(t, "\"kind\":\"chaining\",\"value\":\"02\",\"meaning\":\"not supported\"", "chaining refused");
	says(decoded("AF80 230269E1 0000"), "\"sw\":\"69E1\",\"success\":false,\"meaning\":\"POL1 forbids it\"", "a status word");
	says(decoded("AF80 230569E1"), "\"fault\":{\"what\":\"truncated\",\"field\":\"object of script\",\"offset\":2", "a script cut off");
	says(decoded("ab06800100900102"), "\"kind\":\"bad_format\",\"value\":\"02\",\"meaning\":\"wrong length\"", "bad format");
	says(decoded("FF210C 810102 82020100 83030002009000"), "\"applications\":2,\"free_nvm\":256,\"free_ram\":512", "card resources");
	says(decoded("6985"), "{\"kind\":\"r_apdu\",\"length\":2,\"sw\":\"6985\"", "SW alone");

	says(decoded_as(DECODE_COMPACT_RESPONSE, "02612f"), "\"executed\":2,\"sw\":\"612F\",\"success\":true", "a compact response, if asked");
	says(decoded("02612f"), "\"octets\"", "and only then");
	says(decoded_as(DECODE_SCRIPT, "02612f"), "\"field\":\"script template\",\"offset\":0", "no script");
	t = decoded("AA20 2305 7172737475 22 17 00D6000010 000102030405060708090A0B0C0D0E0F 9000");
	hides(t, "0102", "data of an unknown meaning is not shown");
	hides(t, "7172", "nor objects that do not belong there");
}

TEST_SUITE(decode_put_key)
{
	const char *t = decoded("80D8018146 02 88111000112233445566778899AABBCCDDEEFF03504A77"
							"88111000112233445566778899AABBCCDDEEFF03504A78 88111000112233445566778899AABBCCDDEEFF03504A79 00");

	says(t, "\"replaces_kvn\":1,\"kvn\":2,\"keys\":[{\"kid\":1,\"type\":\"88\",\"type_name\":\"AES\",\"block_length\":17,\"kcv\":\"504A77\"}",
		 "PUT KEY: numbers, types, check values");
	says(t, "\"kid\":3,", "three of them");
	hides(t, "2233", "no keys");
	/* one length wrong: the second key's octets would pass for types */
	t = decoded("80D8018119 02 88101000112233445566778899AABBCCDDEEFF03504A77 8800");
	says(t, "\"fault\":{\"what\":\"bad length\",\"field\":\"key check value\",\"offset\":24", "PUT KEY: a wrong length");
	hides(t, "\"keys\"", "then none of it is shown");
	hides(t, "EEFF", "nor its octets");
	t = decoded("80D8000113 02 8806 001122334455 08 66778899AABBCCDD 00");
	says(t, "\"field\":\"key check value\",\"offset\":14", "PUT KEY: a check value longer than one");
	hides(t, "7788", "may be a key");
	/* the first key is sound, the second is not */
	t = decoded("80D8008112 02 880400112233 03504A77 8803445566 01AA77");
	says(t, "\"fault\":{\"what\":\"bad length\"", "PUT KEY: the second key is wrong");
	hides(t, "504A77", "then the first is not shown either");
	t = decoded("80E20800 14 8F0110 00112233445566778899AABBCCDDEEFF 77");
	says(t, "\"dgis\":[{\"dgi\":\"8F01\",\"length\":16}]", "STORE DATA: DGI and length");
	hides(t, "1122", "not its octets");
	t = decoded("80E20801 12 00112233445566778899AABBCCDDEEFF 7777");
	hides(t, "dgis", "a later block may begin with anything");
}

TEST_SUITE(decode_others)
{
	const char *t = decoded("E135 4C10" EID "4D0102 4E020007 2F10" AID_13 "14083A65430921654387");

	says(t, "{\"kind\":\"notification\",\"eid\":\"" EID "\",\"type\":2,\"type_name\":\"profile change succeeded\",\"sequence\":7,"
		 "\"enabled\":\"" AID_13 "\",\"imei\":\"356349012563478\"}", "a notification");
	hides(t, "valid", "whose EID is one");
	t = decoded("E12B 4C10" "89001012012341234012345678901225" "4D0109 4E020007 2F10" AID_13);
	says(t, "\"eid_valid\":false,\"type\":9,\"type_name\":\"unknown\"", "an EID with wrong check digits, an unknown type");
	says(decoded("E103 4D0102"), "\"kind\":\"notification\",\"length\":5,\"fault\":", "half a notification");

	says(decoded("8100"), "\"kind\":\"scp81_trigger\",\"length\":2,\"parameters\":\"stored\"", "a trigger");
	t = decoded("813F 833D 8413 350103 39020500 3C030201BB 3E0521C0A80001 850804deadbeef020040"
				"8607 0003 A503 002130 8913 8A0a61646d696e2e686f7374 8C052F61223B62");
	says(t, "\"connection\":{\"bearer\":\"03\",\"buffer\":1280,\"protocol\":\"TCP client\",\"port\":443,\"address\":\"192.168.0.1\"}", "where it leads");
	says(t, "\"security\":{\"psk_identity\":\"0xDEADBEEF\",\"kvn\":0,\"kid\":64}", "with which key");
	says(t, "\"retry\":{\"count\":3,\"delay\":\"00:12:03\"}", "the delay is swapped BCD");
	says(t, "\"http\":{\"host\":\"admin.host\",\"uri\":\"/a\\\";b\"}", "host and URI, escaped");

	t = decoded("80EC0101 19 350103 47080361706e03636f6d 3C030104D2 0D05F474657374");
	says(t, "\"request\":\"open a BIP channel\"", "PUSH");
	says(t, "\"access_point\":\"apn.com\",\"protocol\":\"UDP client\",\"port\":1234", "its channel");
	hides(t, "test", "without a password");
	says(decoded("80E288000F 3A070C A30A8108 0B91641716325476"), "\"address\":\"+46716123456\"", "the SM-SR's address");
	says(decoded("80E400000AF203010103F20341010200"),
		 "\"keeps\":[{\"kvn\":1,\"first_kid\":1,\"last_kid\":3},{\"kvn\":65,\"first_kid\":1,\"last_kid\":2}]", "a handover");
	says(decoded("0020000108 3132333435363738"), "\"name\":\"VERIFY PIN\",\"data_length\":8}", "a PIN is not shown");
}

TEST_SUITE(decode_room)
{
	SmsrBytes	script;
	SmsrWriter	w = writer(1 << 20);
	SmsrWriter	out = writer(4096);
	DecodeKind	kind;

	put_u16(&w, 0xAF80);
	while (w.len < (1 << 20) - 8)
		put_u32(&w, 0x23029000);
	put_u16(&w, 0);
	script = smsr_written(&w);
	decode(script, DECODE_ANY, &out);
	ok(!out.overflow && out.len <= 4096 && out.len > 3900 &&
	   memcmp(out.data + out.len - 12, ",\"cut\":true}", 12) == 0, "a megabyte in a page");
	ok(decode_kind_parse("tp_ud", &kind) && kind == DECODE_TP_UD &&
	   decode_kind_parse("compact_response", &kind) && kind == DECODE_COMPACT_RESPONSE, "kinds by name");
	ok(!decode_kind_parse("", &kind) && !decode_kind_parse("any", &kind), "and no others");
}
