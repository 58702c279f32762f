/*
 * test_notification.c
 */
#include "tap.h"

#include <string.h>

#include "core/notification.h"

#define EID		"4C10 89001012012341234012345678901224 "
#define TYPE	"4D0102 "
#define SEQ		"4E020001 "
#define AID		"10 A0000005591010FFFFFFFF8900001000 "

TEST_SUITE(notification)
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
		{"", SMSR_TRUNCATED, "notification", 0, "nothing"},
		{"E2 00", SMSR_BAD_VALUE, "notification", 0, "another template"},
		{"E1 00", SMSR_TRUNCATED, "notification", 2, "an empty one"},
		{"E1 2C " EID TYPE SEQ "2F" AID, SMSR_TRUNCATED, "notification", 0, "a long length"},
		{"E1 2A " EID TYPE SEQ "2F" AID, SMSR_BAD_LENGTH, "notification", 44, "a short length"},
		{"E1 19 " TYPE SEQ "2F" AID, SMSR_TRUNCATED, "notification", 27, "no EID"},
		{"E1 28 " EID SEQ "2F" AID, SMSR_TRUNCATED, "notification", 42, "no type"},
		{"E1 27 " EID TYPE "2F" AID, SMSR_TRUNCATED, "notification", 41, "no sequence number"},
		{"E1 19 " EID TYPE SEQ, SMSR_TRUNCATED, "notification", 27, "no AID"},
		{"E1 03 4C0189", SMSR_BAD_LENGTH, "EID", 2, "an EID of one octet"},
		{"E1 04 4D020102", SMSR_BAD_LENGTH, "notification type", 2, "a type of two"},
		{"E1 03 4E0101", SMSR_BAD_LENGTH, "sequence number", 2, "a number of one"},
		{"E1 06 2F04A0000005", SMSR_BAD_LENGTH, "AID", 2, "an AID of four"},
		{"E1 06 " TYPE TYPE, SMSR_BAD_VALUE, "notification", 5, "two types"},
		{"E1 03 4D0501", SMSR_TRUNCATED, "object of notification", 2, "an object cut off"},
	};
	SmsrBytes	vector = hex("E12B " EID TYPE SEQ "2F" AID);
	SmsrWriter	w = writer(200);
	Notification n;
	Notification again;
	SmsrError	error;
	int			accepted = 0;

	succeeds(notification_read(vector, &n, &error), &error, "of a change");
	ok(n.type == NOTIFICATION_CHANGE_SUCCEEDED && n.sequence == 1, "type and number");
	is_hex(smsr_bytes(n.eid, EID_LEN), "89001012012341234012345678901224", "EID");
	is_hex(smsr_bytes(n.enabled.octets, n.enabled.len), "A0000005591010FFFFFFFF8900001000",
		   "AID");
	ok(!n.has_imei && !n.has_meid, "no terminal");
	notification_write(&w, &n);
	is_hex(smsr_written(&w), "E12B " EID TYPE SEQ "2F" AID, "and written again");

	for (size_t len = 0; len < vector.len; len++)
	{
		if (notification_read(copy_of(smsr_bytes(vector.data, len)), &n, &error))
			accepted++;
	}
	ok(accepted == 0, "no beginning of it is accepted");

	succeeds(notification_read(hex("E12B " EID TYPE SEQ "AF" AID), &n, &error), &error,
			 "AID with the comprehension bit");
	succeeds(notification_read(hex("E12B " EID TYPE SEQ "4F" AID), &n, &error), &error,
			 "AID in BER");
	succeeds(notification_read(hex("E12B 2F" AID SEQ TYPE EID), &n, &error), &error,
			 "another order");
	succeeds(notification_read(hex("E130 " EID "9F03112233" TYPE SEQ "2F" AID), &n, &error),
			 &error, "an object nobody knows, whose tag would be longer in BER");
	ok(n.sequence == 1 && n.type == 2, "is skipped");
	succeeds(notification_read(hex("E12B " EID "4D01C7" SEQ "2F" AID), &n, &error), &error,
			 "a type nobody knows");
	ok(n.type == 0xC7, "is kept");

	w.len = 0;
	succeeds(notification_read(hex("E13F " EID TYPE SEQ "2F" AID "94083304152637485960"
								   "6D080102030405060708"), &n, &error), &error,
			 "with a terminal");
	ok(n.has_imei && n.has_meid, "that has IMEI and MEID");
	notification_write(&w, &n);
	ok(notification_read(copy_of(smsr_written(&w)), &again, &error) &&
	   memcmp(&n, &again, sizeof(n)) == 0, "and written again");
	succeeds(notification_read(hex("E12F " EID TYPE SEQ "2F" AID "94020102"), &n, &error),
			 &error, "a strange IMEI does not lose the notification");
	ok(!n.has_imei, "but is left out");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fails(notification_read(hex(bad[i].data), &n, &error), &error, bad[i].code,
			  bad[i].field, bad[i].offset, "%s", bad[i].what);
}
