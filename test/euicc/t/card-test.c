/*
 * card-test.c
 *		What a card answers, does and sends.  Prints TAP.
 */
#include "subject.h"

#include <string.h>

#include "core/script.h"

static void
test_enable(void)
{
	Notification n;
	Scp80Command command;
	int			at;

	begin();
	is((uint64_t) do_enable(0x11), SW_OK, "enable: 9000 in the PoR");
	is(enabled_tar(), 0x10, "enable: not before REFRESH");
	is(sent[0].msisdn, 490000000100000, "PoR comes from the profile that is enabled still");
	ok(strcmp(sent[0].to.digits, smsr.digits) == 0, "PoR goes to whoever sent the command");
	ok(memcmp(sent[0].ud, "\x02\x71\x00", 3) == 0, "PoR has the response header");
	is((uint64_t) do_enable(0x11), SW_CONDITIONS, "enable while it switches: 6985");
	at = sent_count;
	later(0.3);
	is(enabled_tar(), 0x11, "enable: switched after REFRESH");
	is((uint64_t) sent_count, (uint64_t) at + 1, "enable: one notification");
	is_notification(at, 2, 1, 0x11, "enable: notification 02 with the AID that is enabled now");
	is(sent[at].msisdn, 490000000100001, "notification comes from the new profile");
	is(sent[at].owner, 1, "notification comes by the new operator");
	ok(strcmp(sent[at].to.digits, "491700000000") == 0, "notification goes to the SM-SR's address");
	ok(memcmp(sent[at].ud, "\x02\x70\x00", 3) == 0, "notification has the command header");
	notification(at, &n, &command);
	ok(command.header.spi1 == 0x06 && command.header.spi2 == 0 && command.header.cntr == 0 &&
	   command.header.tar[2] == 1 && command.header.kic == 0x22,
	   "notification: SPI 06 00, no counter, TAR 000001, key set 2");
	later(9.8);
	is((uint64_t) sent_count, (uint64_t) at + 1, "notification: not repeated before its time");
	later(0.2);
	is_notification(at + 1, 2, 1, 0x11, "notification: repeated with the same number");
	is((uint64_t) do_confirm(2), SW_REFERENCE_NOT_FOUND, "confirmation of another number: 6A88");
	is((uint64_t) do_confirm(1), SW_OK, "confirmation: 9000");
	at = sent_count;
	later(3600);
	is((uint64_t) sent_count, (uint64_t) at, "notification: not repeated once confirmed");
	is(enabled_tar(), 0x11, "enable: stays");
	is((uint64_t) do_confirm(1), SW_OK, "confirmation once more: 9000");
	is(answer.len, 0, "confirmation once more: no list");
	is(fleet.stats.switches, 1, "one switch counted");
}

static void
test_roll_back(void)
{
	int			at;

	begin();
	do_enable(0x11);
	later(0.3 + 4 * 10 + 5);
	is(fleet.stats.notifications, 5, "not confirmed: five notifications");
	is(enabled_tar(), 0x11, "not confirmed: still there before the last one's time is over");
	later(5);
	is((uint64_t) do_confirm(1), SW_CONDITIONS, "confirmation on the way back: 6985");
	later(0.3);
	is(enabled_tar(), 0x10, "not confirmed: rolled back");
	is_notification(sent_count - 1, 3, 2, 0x10, "roll-back: notification 03, the old AID, the next number");
	is(sent[sent_count - 1].msisdn, 490000000100000, "roll-back: from the old profile");
	is((uint64_t) do_confirm(1), SW_REFERENCE_NOT_FOUND, "confirmation of the change that is void: 6A88");
	is((uint64_t) do_confirm(2), SW_OK, "roll-back confirmed");
	is(card->phase, PHASE_IDLE, "roll-back: over");

	begin();
	card_profile(card, 0x11)->reachable = false;
	do_enable(0x11);
	at = sent_count;
	later(4);
	is(enabled_tar(), 0x11, "no network: looks for one");
	is((uint64_t) sent_count, (uint64_t) at, "no network: silent");
	later(2);
	is(enabled_tar(), 0x10, "no network: rolled back");
	is_notification(at, 3, 1, 0x10, "no network: notification 03");
	later(3600);
	is(fleet.stats.unconfirmed, 1, "roll-back not confirmed: given up after its tries");
	is(card->phase, PHASE_IDLE, "roll-back not confirmed: the card rests");
	is(enabled_tar(), 0x10, "roll-back not confirmed: no further change");

	/* A third profile; the way back has no network either. */
	begin_with((FleetConfig) {.seed = 1, .cards = 1, .first = 1, .operators = 2, .profiles = 3,
							  .notification_spi1 = 2, .max_segments = 5, .refresh = 200000,
							  .attach = 5000000, .repeat = 10000000, .tries = 2, .first_attach = -1});
	do_enable(0x11);
	later(0.3);
	do_confirm(1);
	card_profile(card, 0x11)->reachable = card_profile(card, 0x12)->reachable = false;
	do_enable(0x12);
	later(20);
	is(enabled_tar(), 0x10, "no network at all: the profile with the attribute");
	is_notification(sent_count - 1, 5, 2, 0x10, "... with notification 05 (CC only)");
}

static void
test_disable(void)
{
	int			at;

	begin();
	is((uint64_t) do_disable(0x10), SW_CONDITIONS, "disable the fall-back profile: 6985");
	is((uint64_t) do_disable(0x11), SW_CONDITIONS, "disable one that is not enabled: 6985");
	is((uint64_t) do_disable(0x12), SW_REFERENCE_NOT_FOUND, "disable an unknown one: 6A88");
	do_enable(0x11);
	later(1);
	do_confirm(1);
	later(8);
	is((uint64_t) do_disable(0x11), SW_OK, "disable");
	at = sent_count;
	later(2);
	is((uint64_t) sent_count, (uint64_t) at + 1, "disable: no timer of the change before it repeats");
	is(enabled_tar(), 0x10, "disable: the fall-back profile is enabled");
	is_notification(sent_count - 1, 5, 2, 0x10, "disable: notification 05");
	later(60);
	is(enabled_tar(), 0x11, "disable, not confirmed: rolled back");
	is_notification(sent_count - 1, 3, 3, 0x11, "disable, not confirmed: notification 03");
}

static void
test_fall_back(void)
{
	begin();
	ok(!switching_fall_back(&fleet, card), "nothing to fall back to from the fall-back profile");
	do_enable(0x11);
	ok(!switching_fall_back(&fleet, card), "no fall-back in the middle of a change");
	later(1);
	do_confirm(1);
	card_profile(card, 0x11)->pol1 = POL1_NO_DISABLE | POL1_DELETE_WHEN_DISABLED;
	is((uint64_t) do_disable(0x11), SW_POL1, "disable against POL1: 69E1");
	is((uint64_t) do_enable(0x10), SW_POL1, "enable another against POL1 of the enabled one: 69E1");
	ok(switching_fall_back(&fleet, card), "network lost");
	later(1);
	is(enabled_tar(), 0x10, "fall-back ignores POL1");
	is_notification(sent_count - 1, 5, 2, 0x10, "fall-back: notification 05");
	is((uint64_t) do_confirm(2), SW_OK, "fall-back confirmed");
	ok(card_profile(card, 0x11) != NULL, "fall-back deletes nothing");
	do_create(0x12, 1000);
	card_personalize(&fleet, card, card_profile(card, 0x12), 0, 1);
	is((uint64_t) do_enable(0x12), SW_POL1, "after that only the way back is free: 69E1");
	is((uint64_t) do_enable(0x11), SW_OK, "... and it is");
	later(1);
	is((uint64_t) do_confirm(3), SW_OK, "back, confirmed");
	is(card->pinned, 0, "back: free again");
	begin();
	switching_first_attach(&fleet, card);
	is_notification(0, 1, 1, 0x10, "first attach: notification 01");
	is((uint64_t) do_confirm(1), SW_OK, "first attach confirmed");
}

static void
test_pol1_deletion(void)
{
	TlvReader	r;
	SmsrAid		aid = {0};
	SmsrAid		expected = isdp(0x11);
	SmsrError	error;

	begin();
	do_enable(0x11);
	later(1);
	do_confirm(1);
	is(answer.len, 2, "no deletion: an empty list from an odd card");
	card_profile(card, 0x11)->pol1 = POL1_DELETE_WHEN_DISABLED;
	do_enable(0x10);
	later(1);
	ok(card_profile(card, 0x11) != NULL, "POL1: not deleted before the confirmation");
	is((uint64_t) do_confirm(2), SW_OK, "POL1: confirmed");
	ok(es5_deleted_reader(answer, &r, &error) && es5_next_deleted(&r, &aid, &error) &&
	   aid_compare(&aid, &expected) == 0 && !es5_next_deleted(&r, &aid, &error),
	   "POL1: the deleted one is listed");
	ok(card_profile(card, 0x11) == NULL, "POL1: deleted");
	is(card_free_memory(card), CARD_MEMORY - PROFILE_MEMORY, "POL1: its memory is free");
	begin();
	do_enable(0x11);
	later(1);
	do_confirm(1);
	card_profile(card, 0x11)->pol1 = POL1_DELETE_WHEN_DISABLED;
	do_enable(0x10);
	later(60);
	is(enabled_tar(), 0x11, "POL1: rolled back, so not deleted");
	begin();
	card_profile(card, 0x10)->pol1 = POL1_DELETE_WHEN_DISABLED;
	do_enable(0x11);
	later(1);
	do_confirm(1);
	ok(card_profile(card, 0x10) != NULL, "POL1: the fall-back profile is never deleted");
}

static void
test_create_delete(void)
{
	static const uint8_t get_data[] = {0x80, 0xCA, 0xFF, 0x22, 0x00};
	static const uint8_t unknown[] = {0x80, 0x10, 0x00, 0x00, 0x00};
	static const uint8_t truncated[] = {0x80, 0xE2, 0x88, 0x00, 0x15, 0x3A, 0x03};
	static const uint8_t wrong_dgi[] = {0x80, 0xE2, 0x88, 0x00, 0x05, 0x3A, 0x63, 0x02, 0x4F, 0x00};
	SmsrWriter	w;
	SmsrAid		aid;
	SmsrError	error;
	TlvReader	r;
	Es5Isdp		found;
	Es5Resources resources;
	int			count = 0;
	int			sw;

	begin();
	is((uint64_t) do_create(0x10, 1000), SW_CONDITIONS, "create with an AID in use: 6985");
	is((uint64_t) do_create(0x12, CARD_MEMORY), SW_NO_MEMORY, "create: not enough memory: 6A84");
	is((uint64_t) do_create(0x12, 40000), SW_OK, "create");
	ok(answer.len == 1 && answer.data[0] == 0, "create: answers 00");
	is(card_profile(card, 0x12)->lcs, ISDP_SELECTABLE, "create: SELECTABLE");
	is((uint64_t) do_enable(0x12), SW_CONDITIONS, "enable one that is not personalized: 6985");
	is((uint64_t) do_fallback(0x12), SW_CONDITIONS, "fall-back attribute for such a one: 6985");
	w = apdu();
	aid = isdp(0x13);
	es5_write_create_isdp(&w, &AID_ISD_P_MODULE, &AID_ISD_P_MODULE, &aid, 1);
	is((uint64_t) run(&w), SW_REFERENCE_NOT_FOUND, "create from another load file: 6A88");
	w = apdu();
	es5_write_create_isdp(&w, &AID_ISD_P_LOADFILE, &AID_ISD_P_MODULE, &AID_ISD_R, 1);
	is((uint64_t) run(&w), SW_WRONG_DATA, "create with the ISD-R's AID: 6A80");

	w = apdu();
	es5_write_get_status(&w, NULL);
	is((uint64_t) run(&w), SW_OK, "GET STATUS");
	r = tlv_reader(answer);
	while (es5_next_isdp(&r, &found, &error))
	{
		static const uint8_t lcs[] = {ISDP_ENABLED, ISDP_DISABLED, ISDP_SELECTABLE};

		ok(found.lcs == lcs[count] && found.fallback == (count == 0) &&
		   found.allocated == (count == 2 ? 40000u : 50000u), "GET STATUS: ISD-P %d", count);
		count++;
	}
	is((uint64_t) count, 3, "GET STATUS: three");
	w = apdu();
	aid = isdp(0x14);
	es5_write_get_status(&w, &aid);
	is((uint64_t) run(&w), SW_REFERENCE_NOT_FOUND, "GET STATUS of an unknown one: 6A88");
	w = apdu();
	es5_write_get_resources(&w);
	is((uint64_t) run(&w), SW_OK, "GET DATA FF21");
	ok(es5_read_resources(answer, &resources, &error) && resources.applications == 3 &&
	   resources.free_nvm == CARD_MEMORY - 140000, "GET DATA FF21: what is free");

	is((uint64_t) do_delete(0x10), SW_CONDITIONS, "delete the enabled one: 6985");
	is((uint64_t) do_delete(0x12), SW_OK, "delete one in state Created");
	is((uint64_t) do_delete(0x12), SW_NOT_FOUND, "delete it again: 6A82");
	is((uint64_t) do_fallback(0x11), SW_OK, "set fall-back attribute");
	ok(card_fallback(card)->tar == 0x11 && !card_profile(card, 0x10)->fallback, "... it has moved");
	is((uint64_t) do_delete(0x11), SW_CONDITIONS, "delete the fall-back profile: 6985");
	is((uint64_t) do_fallback(0x44), SW_REFERENCE_NOT_FOUND, "fall-back for an unknown one: 6A88");
	do_fallback(0x10);
	is((uint64_t) do_emergency(0x10), SW_CONDITIONS, "emergency attribute for the enabled fall-back profile: 6985");
	is((uint64_t) do_emergency(0x44), SW_REFERENCE_NOT_FOUND, "emergency attribute for an unknown one: 6A88");
	is((uint64_t) do_emergency(0x11), SW_OK, "set emergency attribute");
	ok(card_profile(card, 0x11)->emergency, "... it has it");
	is((uint64_t) do_fallback(0x11), SW_CONDITIONS, "fall-back attribute for the emergency profile: 6985");
	is((uint64_t) do_no_emergency(0x10), SW_CONDITIONS, "unset the emergency attribute of one without: 6985");
	is((uint64_t) do_no_emergency(0x44), SW_REFERENCE_NOT_FOUND, "... of an unknown one: 6A88");
	ok(card_profile(card, 0x11)->emergency, "... and it stays where it is");
	is((uint64_t) do_no_emergency(0x11), SW_OK, "unset the emergency attribute");
	ok(!card_profile(card, 0x11)->emergency, "... it is gone");
	is((uint64_t) do_no_emergency(0x11), SW_CONDITIONS, "... once: 6985");
	card_profile(card, 0x11)->pol1 = POL1_NO_DELETE;
	is((uint64_t) do_delete(0x11), SW_POL1, "delete against POL1: 69E1");
	w = apdu();
	aid = isdp(0x11);
	es5_write_delete(&w, &aid);
	/* DELETE with a token behind the AID: MasterDelete (4.1.1.6) */
	apdu_room[4] = 0x12 + 2 + 4 + 2 + 4;
	w.len--;
	put_bytes(&w, "\xB6\x04\x42\x02\x01\x02\x9E\x04\x01\x02\x03\x04\x00", 13);
	is((uint64_t) run(&w), SW_OK, "master delete: POL1 does not count");
	ok(card_profile(card, 0x11) == NULL, "master delete: gone");
	for (uint32_t tar = 0x20; tar < 0x20 + CARD_PROFILES - 1; tar++)
		do_create(tar, 10);
	is((uint64_t) do_create(0x30, 10), SW_NO_MEMORY, "create: no room for one more: 6A84");

	is((uint64_t) do_octets(get_data, sizeof get_data), 0x6A86, "another GET DATA: 6A86");
	is((uint64_t) do_octets(unknown, sizeof unknown), 0x6D00, "another INS: 6D00");
	is((uint64_t) do_octets(truncated, sizeof truncated), 0x6700, "Lc beyond the end: 6700");
	sw = do_octets(wrong_dgi, sizeof wrong_dgi);
	ok(sw == SW_WRONG_DATA || sw == 0x6A86, "an unknown DGI is refused");

	w = apdu();
	es5_write_addressing_sms(&w, smsr_bytes("\x0C\x91\x94\x17\x22\x33\x44\x55", 8));
	is((uint64_t) run(&w), SW_OK, "UpdateSMSRAddressingParameters");
	is(card->smsr_address, 497122334455, "... is kept");
}

static void
test_auto_personalize(void)
{
	FleetConfig config = FLEET_DEFAULTS;
	Profile    *p;

	config.auto_personalize = true;
	begin_with(config);
	do_create(0x12, 1000);
	is(card_profile(card, 0x12)->lcs, ISDP_DISABLED, "auto-personalize: DISABLED at once");
	is(card_profile(card, 0x12)->msisdn, 490000000100002, "auto-personalize: MSISDN by rule");
	ok(fleet_by_msisdn(&fleet, 490000000100002, &p) == card, "auto-personalize: can be reached there");
	is((uint64_t) do_enable(0x12), SW_OK, "auto-personalize: can be enabled");
	later(1);
	is_notification(sent_count - 1, 2, 1, 0x12, "auto-personalize: and announces itself");
}

static void
test_security(void)
{
	Scp80Header h;
	uint8_t		script[64];
	uint8_t		room[64];
	SmsrWriter	c = smsr_writer(script, sizeof script);
	SmsrWriter	w = smsr_writer(room, sizeof room);
	SmsrBytes	one;
	SmsrError	error;
	FleetConfig config = FLEET_DEFAULTS;

	es5_write_get_resources(&w);
	one = smsr_written(&w);
	script_write(&one, 1, false, &c, &error);

	begin();
	cntr = 5;
	h = header_of(0x16, 0x39);
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(0, 0x39) && por.authentic && por.secured && por.status == 0 && por.cntr == 5,
	   "a good packet: PoR 00, ciphered and with CC");
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(1, 0x39) && por.authentic && por.status == SCP80_CNTR_LOW && por.cntr == 5,
	   "the same again: PoR 02, secured");
	is(fleet.stats.commands, 1, "the same again: not executed");
	h.cntr = 4;
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(2, 0x39) && por.status == SCP80_CNTR_LOW, "a lower counter: PoR 02");
	h.cntr = 9;
	send_packet(&h, smsr_written(&c), 30);
	is((uint64_t) sent_count, 3, "one bit wrong: silence");
	is(card_cntr(card), 5, "one bit wrong: the counter stays");
	h.spi1 = 0x1E;
	h.cntr = 7;
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(3, 0x39) && por.status == SCP80_CNTR_HIGH, "counter mode \"next\": PoR 03");
	h.cntr = 6;
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(4, 0x39) && por.status == 0 && card_cntr(card) == 6, "counter mode \"next\": accepted");
	cntr = 7;
	h = header_of(0x16, 0x39);
	h.tar[1] = 1;
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(5, 0x39) && !por.secured && por.status == SCP80_TAR_UNKNOWN, "unknown TAR: PoR 09");
	h = header_of(0x12, 0x39);
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(6, 0x39) && por.status == SCP80_INSUFFICIENT_SECURITY, "no ciphering: PoR 0A");
	h = header_of(0x06, 0x39);
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(7, 0x39) && por.status == SCP80_INSUFFICIENT_SECURITY, "no counter: PoR 0A");
	h = header_of(0x16, 0x39);
	h.kic = h.kid = 0x32;
	send_packet(&h, smsr_written(&c), -1);
	is((uint64_t) sent_count, 8, "unknown key version: silence");
	is(card_cntr(card), 6, "none of these moved the counter");

	h = header_of(0x16, 0x00);
	send_packet(&h, smsr_written(&c), -1);
	is((uint64_t) sent_count, 8, "no PoR asked, none sent");
	is(card_cntr(card), 7, "... but executed");
	cntr = 8;
	h = header_of(0x16, 0x3A);
	send_packet(&h, smsr_written(&c), -1);
	is((uint64_t) sent_count, 8, "PoR on error: none for a success");
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(8, 0x3A) && por.status == SCP80_CNTR_LOW, "PoR on error: one for a replay");
	cntr = 9;
	h = header_of(0x16, 0x21);
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(9, 0x21) && por.status == 0 && por.data.len > 0, "PoR without protection, as asked");
	cntr = 10;
	h = header_of(0x16, 0x19);
	send_packet(&h, smsr_written(&c), -1);
	is((uint64_t) sent_count, 10, "PoR by delivery report: the SMSC keeps it");
	card_cntr(card) = SCP80_MAX_CNTR;
	h = header_of(0x16, 0x39);
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(10, 0x39) && por.status == SCP80_CNTR_BLOCKED, "counter at its end: PoR 04");

	config.unsecured_errors = true;
	begin_with(config);
	cntr = 5;
	h = header_of(0x16, 0x39);
	send_packet(&h, smsr_written(&c), 30);
	ok(open_por(0, 0x39) && !por.secured && !por.authentic && por.cntr == 0 &&
	   por.status == SCP80_RC_CC_DS_FAILED, "--unsecured-errors: PoR 01 in clear");
	fleet.faults.no_por = 1;
	send_packet(&h, smsr_written(&c), -1);
	ok(sent_count == 1 && card_cntr(card) == 5, "fault no_por: executed, not answered");
}

static void
test_scripts(void)
{
	static const uint8_t trigger[] = {0x81, 0x00};
	static const uint8_t chained[] = {0xAA, 0x03, 0x83, 0x01, 0x01};
	static const uint8_t cut[] = {0xAA, 0x05, 0x22, 0x09, 0x80, 0xCA, 0xFF};
	uint8_t		script[1024];
	uint8_t		room[256];
	SmsrWriter	c = smsr_writer(script, sizeof script);
	SmsrWriter	w = smsr_writer(room, sizeof room);
	SmsrBytes	three[3];
	SmsrAid		aid = isdp(0x44);
	Scp80Header h;
	ScriptResponse response;
	SmsrError	error;
	FleetConfig config = FLEET_DEFAULTS;

	begin();
	es5_write_get_resources(&w);
	three[0] = smsr_written(&w);
	three[1] = smsr_bytes(w.data + w.len, 0);
	es5_write_enable(&w, &aid);
	three[1].len = (size_t) (w.data + w.len - three[1].data);
	three[2] = three[0];
	script_write(three, 3, false, &c, &error);
	cntr = 1;
	h = header_of(0x16, 0x39);
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(0, 0x39) && script_read_response(por.data, &response, &error) &&
	   response.executed == 2 && response.sw == SW_REFERENCE_NOT_FOUND,
	   "a script ends with its first error, which counts");
	is(card->log_count, 2, "the log has the two");
	ok(card->log[1].kind == ES5_ENABLE_PROFILE && card->log[1].tar == 0x44 &&
	   card->log[1].sw == SW_REFERENCE_NOT_FOUND && card->log[1].cntr == 1, "... and what they were");
	cntr = 2;
	h = header_of(0x16, 0x39);
	send_packet(&h, smsr_bytes(trigger, sizeof trigger), -1);
	ok(open_por(1, 0x39) && por.status == 0 && por.data.len == 0, "a trigger of a session: PoR 00, no data");
	cntr = 3;
	h = header_of(0x16, 0x39);
	send_packet(&h, smsr_bytes(chained, sizeof chained), -1);
	ok(open_por(2, 0x39) && script_read_response(por.data, &response, &error) &&
	   response.chaining_error == 2, "script chaining: not supported");
	cntr = 4;
	h = header_of(0x16, 0x39);
	send_packet(&h, smsr_bytes(cut, sizeof cut), -1);
	ok(open_por(3, 0x39) && script_read_response(por.data, &response, &error) &&
	   response.bad_format != 0 && response.executed == 0, "a script cut short: bad format");

	/* For an ISD-P: done, whatever it is, and not by the ISD-R. */
	begin();
	c.len = w.len = 0;
	aid = isdp(0x11);
	es5_write_enable(&w, &aid);
	three[0] = three[1] = smsr_written(&w);
	script_write(three, 2, false, &c, &error);
	cntr = 1;
	h = header_of(0x16, 0x39);
	h.tar[2] = 0x11;
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(0, 0x39) && script_read_response(por.data, &response, &error) &&
	   response.executed == 2 && response.sw == SW_OK && por.tar[2] == 0x11, "relayed to an ISD-P: 9000 each, from its TAR");
	later(1);
	is(enabled_tar(), 0x10, "... the ISD-R does nothing");
	ok(card->log_count == 2 && card->log[1].kind == KIND_RELAYED && card->log[1].tar == 0x11, "... the log has the two");
	h.cntr = 2;
	h.tar[2] = 0x12;
	send_packet(&h, smsr_written(&c), -1);
	ok(open_por(1, 0x39) && !por.secured && por.status == SCP80_TAR_UNKNOWN, "relayed to an ISD-P that is not there: PoR 09");
	is(card_cntr(card), 1, "... and nothing is done");
	c.len = w.len = 0;

	/* Eight profiles take more than one short message each way. */
	config.profiles = CARD_PROFILES;
	begin_with(config);
	c.len = w.len = 0;
	es5_write_get_status(&w, NULL);
	is((uint64_t) run(&w), SW_OK, "a long answer");
	ok(answer_segments > 1, "... takes several short messages");
	ok(sent[0].ud[1] == 0 && sent[0].ud[6] == 0x71 && sent[1].ud[0] == 5,
	   "... with 71 in the first alone");
	c.len = w.len = 0;
	for (int i = 0; i < 3; i++)
	{
		size_t		at = w.len;

		aid = isdp(0x30 + (uint32_t) i);
		es5_write_create_isdp(&w, &AID_ISD_P_LOADFILE, &AID_ISD_P_MODULE, &aid, 10);
		three[i] = smsr_bytes(w.data + at, w.len - at);
	}
	begin();
	script_write(three, 3, false, &c, &error);
	cntr = 1;
	h = header_of(0x16, 0x39);
	send_packet(&h, smsr_written(&c), -1);
	ok(card_profile(card, 0x32) != NULL, "a long command, segments backwards and one twice");
	is(card->packets, 1, "... executed once");
	fleet.config.max_segments = 1;
	h.cntr = 2;
	send_packet(&h, smsr_written(&c), -1);
	is(card->packets, 1, "more segments than the card holds: ignored");
	for (int i = 0; i < 140; i++)
	{
		uint8_t		noise[140];
		Rng			rng = rng_for(1, RNG_MT, (uint64_t) i, 0);

		for (int j = 0; j < 140; j++)
			noise[j] = (uint8_t) rng_next(&rng);
		noise[0] = (uint8_t) (i % 8);
		card_receive(&fleet, card, &smsr, smsr_bytes(noise, (size_t) i + 1));
	}
	is(card->packets, 1, "noise: ignored");
}

/* A script with these octets in it, to the application with this TAR: its answer. */
static SmsrBytes
relay(uint8_t tar, const char *octets, size_t len)
{
	uint8_t		script[256];
	SmsrWriter	w = smsr_writer(script, sizeof script);
	Scp80Header h;
	int			at = sent_count;

	put_tlv(&w, SCRIPT_COMMAND, octets, len);
	cntr++;
	h = header_of(0x16, 0x39);
	h.tar[2] = tar;
	send_packet(&h, smsr_written(&w), -1);
	return open_por(at, 0x39) && por.status == 0 ? por.data : smsr_bytes(NULL, 0);
}

static void
is_answer(SmsrBytes got, const char *octets, size_t len, const char *what)
{
	ok(got.len == len && memcmp(got.data, octets, len) == 0, "%s", what);
}

/* What a download consists of, over SMS: small data may come so. */
static void
test_download(void)
{
	static const char channel[] = "\x84\x0A\x30\x00" "12345678" "\x85\x11\x33" "12345678" "abcdefgh";
	SmsrBytes	got;

	begin();
	do_create(0x12, 1000);
	is_answer(relay(0x12, channel, sizeof channel - 1), "\xAB\x07\x80\x01\x01\x9F\x84\x01\x03", 9, "a secure channel before there are keys: 9F84, and no more");
	is_answer(relay(0x12, "\x22\x07\x80\xE2\x89\x01\x02\x3A\x02", 9), "\xAB\x07\x80\x01\x01\x23\x02\x69\x85", 9, "keys before a certificate: 6985");
	got = relay(0x12, "\x22\x07\x80\xE2\x09\x00\x02\x3A\x01\x22\x07\x80\xE2\x89\x01\x02\x3A\x02", 18);
	ok(got.len == 2 + 3 + 2 * (2 + 2 + 16 + 2) && memcmp(got.data + 2, "\x80\x01\x02\x23\x14\x85\x10", 7) == 0, "a certificate and keys: a challenge and a receipt");
	is(card_profile(card, 0x12)->lcs, ISDP_PERSONALIZED, "... the ISD-P is PERSONALIZED");
	is_answer(relay(0x12, "\x86\x02\xA0\x00", 4), "\xAB\x07\x80\x01\x01\x9F\x86\x01\x02", 9, "a segment without a channel: 9F86");
	is_answer(relay(0x12, "\x84\x01\x30", 3), "\xAB\x07\x80\x01\x01\x9F\x84\x01\x01", 9, "INITIALIZE UPDATE that is too short: 9F84");
	got = relay(0x12, channel, sizeof channel - 1);
	ok(got.len > 4 && memcmp(got.data + got.len - 2, "\x85\x00", 2) == 0, "a channel");
	is_answer(relay(0x12, "\x86\x03\xA0\x01\x07\x86\x05\xAA\x01\x07", 10), "\xAB\x08\x80\x01\x01\x86\x00\x90\x01\x03", 10, "a segment; one that is longer than its script: bad format");
	is_answer(relay(0x12, "\x87\x01\x00\x88\x02\xAA\x00", 7), "\xAB\x07\x80\x01\x02\x87\x00\x88\x00", 9, "other keys, and the end");
	is(card_profile(card, 0x12)->lcs, ISDP_DISABLED, "... the profile is there");
	is(fleet.stats.downloads, 1, "... counted");
	is_answer(relay(0x01, "\x86\x02\xA0\x00", 4), "\xAB\x06\x80\x01\x00\x90\x01\x01", 8, "a segment for the ISD-R: bad format");
	card_profile(card, 0x12)->fallback = false;
	do_delete(0x12);
	do_create(0x12, 1000);
	ok(card->downloads == NULL, "another ISD-P in its place knows nothing of it");
}

int
main(void)
{
	test_enable();
	test_roll_back();
	test_disable();
	test_fall_back();
	test_pol1_deletion();
	test_create_delete();
	test_auto_personalize();
	test_security();
	test_scripts();
	test_download();
	return finish();
}
