/*
 * fleet-test.c
 *		What cards have in common: identities, faults, power, the saved state and
 *		the SMSC's store, without sockets.  Prints TAP.
 */
#include "subject.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../smsc.h"
#include "../store.h"
#include "core/script.h"

/* ---------------------------------------------------- the SMSC, without sockets */

static Smscs smscs;

static void
begin_smsc(uint64_t seed, unsigned count)
{
	FleetConfig config = FLEET_DEFAULTS;

	config.seed = seed;
	if (fleet.cards != NULL)
	{
		if (smscs.fleet != NULL)
			smscs_free(&smscs);
		fleet_free(&fleet);
	}
	fleet = (Fleet) {.now = SECOND, .faults = FAULTS_NONE};
	smscs = (Smscs) {.count = count};
	smscs_init(&smscs, &fleet);
	fleet_init(&fleet, &config);
	card = fleet_card(&fleet, 1);
	cntr = 0;
}

static uint32_t
submit_to(unsigned smsc, uint64_t serial, uint32_t tar_now, uint64_t counter, const SmsrWriter *command,
		  const char *validity)
{
	uint8_t		script[256];
	uint8_t		packet[512];
	uint8_t		ud[SMS_MAX_UD];
	SmsrWriter	c = smsr_writer(script, sizeof script);
	SmsrWriter	p = smsr_writer(packet, sizeof packet);
	SmsrWriter	u = smsr_writer(ud, sizeof ud);
	SmsrBytes	one = smsr_written(command);
	Scp80Keys	keys = keys_of(fleet_card(&fleet, serial));
	SmppMessage m = {.source = smsr, .destination = {1, 1, ""}, .esm_class = ESM_UDHI,
		.protocol_id = SMS_PID_DATA_DOWNLOAD, .data_coding = SMS_DCS_CLASS_2,
	.registered_delivery = 1};
	Scp80Header h;
	SmsrError	error;
	char		id[24];

	cntr = counter;
	h = header_of(0x16, 0x39);
	script_write(&one, 1, false, &c, &error);
	scp80_seal_command(fleet.scp80, SCP80_SMS, &h, &keys, smsr_written(&c), &p, &error);
	sms_segment(smsr_written(&p), SMS_IEI_COMMAND, 0, 8, 0, &u, &error);
	snprintf(m.destination.digits, sizeof m.destination.digits, "%" PRIu64,
			 identity_msisdn(serial, (uint16_t) tar_now));
	strcpy(m.validity, validity);
	m.ud = smsr_written(&u);
	return smsc_submit(&smscs.smsc[smsc], &m, id);
}

static int
queue_length(unsigned smsc, uint8_t esm_class)
{
	int			count = 0;

	for (const MoMessage *m = smscs.smsc[smsc].first; m != NULL; m = m->next)
		count += m->esm_class == esm_class;
	return count;
}

static void
test_smsc(void)
{
	SmsrWriter	w = apdu();

	es5_write_get_resources(&w);
	begin_smsc(1, 2);
	is(submit_to(0, 1, 0x10, 1, &w, ""), ESME_ROK, "SMSC takes a message");
	later(0.1);
	is(card->packets, 1, "... and the card gets it");
	is((uint64_t) queue_length(0, ESM_UDHI), 1, "... and its answer waits for a session");
	is((uint64_t) queue_length(0, ESM_RECEIPT), 1, "... and a delivery receipt, as asked");
	is(submit_to(0, 1, 0x77, 1, &w, ""), ESME_RINVDSTADR, "unknown number: ESME_RINVDSTADR");
	submit_to(0, 1, 0x11, 2, &w, "");
	later(0.1);
	is(card->packets, 1, "number of a profile that is not enabled: lost");
	is(fleet.stats.mt_unattached, 1, "... and counted");
	submit_to(1, 1, 0x10, 3, &w, "");
	later(0.1);
	is(card->packets, 1, "by another operator's SMSC: lost");

	fleet_power(&fleet, card, false);
	submit_to(0, 1, 0x10, 4, &w, "000000000100000R");
	submit_to(0, 1, 0x10, 5, &w, "");
	later(120);
	is(card->packets, 1, "card off: the SMSC keeps what is for it");
	is(fleet.stats.mt_expired, 1, "... until its validity is over");
	is((uint64_t) queue_length(0, ESM_RECEIPT), 3, "... and says so then");
	fleet_power(&fleet, card, true);
	later(0.1);
	is(card->packets, 2, "... and delivers the rest");
	is(card_cntr(card), 5, "... the right one");

	submit_to(1, 1, 0x11, 5, &w, "");
	later(0.1);
	is(fleet.stats.mt_unattached, 3, "once more for the profile that is not enabled: lost");
	smscs.queue_detached = true;
	submit_to(1, 1, 0x11, 6, &w, "");
	later(0.1);
	is(card->packets, 2, "--queue-detached: kept");
	switching_begin(&fleet, card, CAUSE_ENABLE, 0x11);
	later(1);
	is(card->packets, 3, "--queue-detached: delivered when that profile is enabled");
	switching_begin(&fleet, card, CAUSE_ENABLE, 0x10);
	later(1);
	smscs.queue_detached = false;
	card->packets = 2;

	fleet.faults.refuse = 1;
	fleet.faults.refuse_with = REFUSE_QUEUE_FULL;
	is(submit_to(0, 1, 0x10, 6, &w, ""), ESME_RMSGQFUL, "fault refuse: queue full");
	fleet.faults = FAULTS_NONE;
	fleet.faults.mt.duplicate = 1;
	submit_to(0, 1, 0x10, 7, &w, "");
	later(0.1);
	is(fleet.stats.counter_low, 1, "fault duplicate: the second is a replay");
	fleet.faults = FAULTS_NONE;
	fleet.faults.mt.bit_error = 1;
	for (uint64_t i = 8; i < 40; i++)
		submit_to(0, 1, 0x10, i, &w, "");
	later(0.1);
	is(card->packets, 3, "fault bit_error: no broken packet is executed");
	fleet.faults = FAULTS_NONE;
	fleet.faults.mt.delay = (FaultRange) {100, 200};
	submit_to(0, 1, 0x10, 50, &w, "");
	later(0.09);
	is(card->packets, 3, "fault delay: not before its minimum");
	later(0.12);
	is(card->packets, 4, "fault delay: not after its maximum");
	is(smpp_validity("300101000000004+", 1893456000 - 3600 - 10), 10, "validity: absolute, with its zone");
	is(smpp_validity("000002030405000R", 0), 2 * 86400 + 3 * 3600 + 4 * 60 + 5, "validity: relative");
	is(smpp_validity("nonsense", 0), 0, "validity: anything else");
}

/* A run with every fault, as a number that depends on all that cards sent. */
static uint64_t
faulty_run(uint64_t seed, int order)
{
	SmsrWriter	w = apdu();
	SmsrAid		aid = isdp(0x11);
	uint64_t	sum = 0;
	char		why[100];

	begin_smsc(seed, 1);
	faults_set(&fleet.faults, "loss=0.2", why, sizeof why);
	faults_set(&fleet.faults, "duplicate=0.2", why, sizeof why);
	faults_set(&fleet.faults, "reorder=0.2", why, sizeof why);
	faults_set(&fleet.faults, "bit_error=0.1", why, sizeof why);
	faults_set(&fleet.faults, "delay=10-900", why, sizeof why);
	faults_set(&fleet.faults, "refuse=0.1", why, sizeof why);
	faults_set(&fleet.faults, "no_por=0.1", why, sizeof why);
	es5_write_enable(&w, &aid);
	for (uint64_t round = 0; round < 5; round++)
	{
		for (uint64_t i = 1; i <= 10; i++)
			sum = sum * 31 + submit_to(0, order ? 11 - i : i, round < 3 ? 0x10 : 0x11, round + 1, &w, "") * (order ? 0 : 1);
		later(30);
	}
	if (order)
		sum = 0;
	for (uint64_t i = 1; i <= 10; i++)
	{
		Card	   *c = fleet_card(&fleet, i);

		sum = sum * 31 + card_cntr(c);
		sum = sum * 31 + c->mo_count;
		sum = sum * 31 + c->sequence;
		sum = sum * 31 + c->log_count;
	}
	return sum + fleet.stats.mo_lost * 7 + fleet.stats.mt_lost * 13;
}

static void
test_reproducible(void)
{
	uint64_t	a = faulty_run(1, 0);
	uint64_t	b = faulty_run(1, 0);
	uint64_t	c = faulty_run(2, 0);
	uint64_t	d;
	uint64_t	lost;

	is(a, b, "the same seed: the same run");
	ok(a != c, "another seed: another run");
	d = faulty_run(1, 1);
	lost = fleet.stats.mt_lost;
	ok(lost > 0 && fleet.stats.mo_lost > 0, "something was lost");
	is(faulty_run(1, 1), d, "the other way round: the same too");
	faulty_run(1, 0);
	is(fleet.stats.mt_lost, lost, "each card's fate does not depend on the others' order");
}

static void
test_faults_text(void)
{
	Faults		f = FAULTS_NONE;
	Text		text = {0};
	char		why[200];

	ok(faults_set(&f, "loss=0.25", why, sizeof why) && f.mt.loss == 0.25 && f.mo.loss == 0.25,
	   "loss sets both directions");
	ok(faults_set(&f, "mo_delay=5-10", why, sizeof why) && f.mo.delay.max == 10 && f.mt.delay.max == 0,
	   "mo_delay sets one");
	ok(!faults_set(&f, "loss=1.5", why, sizeof why), "a probability above 1 is refused");
	ok(!faults_set(&f, "delay=10-5", why, sizeof why), "a range upside down is refused");
	ok(!faults_set(&f, "lose=1", why, sizeof why), "an unknown name is refused");
	ok(!faults_set(&f, "refuse_with=joy", why, sizeof why), "an unknown refusal is refused");
	ok(faults_set(&f, "refuse_with=throttled", why, sizeof why) && f.refuse_with == REFUSE_THROTTLED,
	   "a refusal by name");
	faults_print(&f, &text);
	ok(strstr(text.data, "mt_loss=0.25\n") && strstr(text.data, "mo_delay=5-10\n"), "printed");
	text_free(&text);
}

static void
test_power(void)
{
	unsigned	off = 0;
	FleetConfig config = FLEET_DEFAULTS;
	double		sum = 0;

	config.cards = 1000;
	begin_with(config);
	fleet.faults.off = 0.3;
	fleet.faults.off_time = 10;
	fleet_apply_faults(&fleet);
	for (int i = 0; i < 100; i++)
	{
		later(1);
		off = 0;
		for (uint32_t j = 0; j < 1000; j++)
			off += !fleet.cards[j].on;
		if (i >= 20)
			sum += off;
	}
	ok(sum / 80 > 200 && sum / 80 < 400, "fault off: about that many cards are off (%.0f)", sum / 80);
	fleet.faults.off = 0;
	fleet_apply_faults(&fleet);
	later(60);
	off = 0;
	for (uint32_t j = 0; j < 1000; j++)
		off += !fleet.cards[j].on;
	is(off, 0, "fault off taken back: all come back");
	begin_with(config);
	fleet.faults.fallback_per_hour = 3600;
	for (uint32_t j = 0; j < 1000; j++)
	{
		fleet.cards[j].profiles[0].lcs = ISDP_DISABLED;
		fleet.cards[j].profiles[1].lcs = ISDP_ENABLED;
	}
	fleet_apply_faults(&fleet);
	later(0.5);
	ok(fleet.stats.fallbacks > 200 && fleet.stats.fallbacks < 800,
	   "fault fallback_per_hour: about that many fall back (%" PRIu64 ")", fleet.stats.fallbacks);
}

static void
test_store(void)
{
	char		path[] = "/tmp/smsr-fleet-test-XXXXXX";
	int			fd = mkstemp(path);
	Text		why = {0};
	Executed	log;
	FILE	   *file;
	char		line[512];

	close(fd);
	begin();
	do_create(0x12, 1234);
	do_enable(0x11);
	later(1);
	log = card->log[1];
	ok(store_save(&fleet, path, &why), "state saved");
	begin();
	is(card_cntr(card), 0, "a new fleet knows nothing of that");
	ok(store_restore(&fleet, path, &why), "state restored");
	cntr = 2;
	ok(card_cntr(card) == 2 && enabled_tar() == 0x11 && card_profile(card, 0x12)->memory == 1234 &&
	   card->sequence == 1 && card->log_count == 2 && memcmp(&card->log[1].cntr, &log.cntr, 8) == 0,
	   "... counter, profiles, sequence, log");
	is(card->phase, PHASE_CONFIRM, "... and what it was in the middle of");
	later(20);
	is_notification(sent_count - 1, 2, 1, 0x11, "... which goes on");
	is((uint64_t) do_confirm(1), SW_OK, "... and ends");
	file = fopen(path, "r+");
	while (fgets(line, sizeof line, file) != NULL && strncmp(line, "card 2 ", 7) != 0)
		;
	fseek(file, -5, SEEK_CUR);
	fputs("xx", file);
	fclose(file);
	card_cntr(card) = 99;
	ok(!store_restore(&fleet, path, &why), "a damaged file is refused");
	is(card_cntr(card), 99, "... and changes nothing");
	text_free(&why);
	unlink(path);
}

static void
test_identity(void)
{
	uint8_t		eid[EID_LEN];
	uint8_t		iccid[ICCID_LEN];
	uint8_t		a[KEYS][KEY_LEN],
				b[KEYS][KEY_LEN];
	uint64_t	serial;
	SmsrError	error;
	bool		good = true;

	for (uint64_t i = 1; i < 2000; i++)
	{
		identity_eid(7, i * 3, eid);
		identity_iccid(7, i * 3, 0x11, iccid);
		good = good && eid_check(eid, &error) && identity_serial(7, eid, &serial) && serial == i * 3 &&
			iccid_check(iccid, &error) && iccid_luhn_ok(iccid);
	}
	ok(good, "EIDs and ICCIDs have right check digits, and EIDs lead back to the card");
	ok(!identity_serial(8, eid, &serial), "the EID of another seed does not");
	identity_keys(1, 1, a);
	identity_keys(1, 2, b);
	ok(memcmp(a[0], b[0], KEY_LEN) != 0 && memcmp(a[0], a[1], KEY_LEN) != 0, "keys differ");
	ok(sizeof(Card) < 2048, "a card takes %zu octets", sizeof(Card));
}

int
main(void)
{
	test_identity();
	test_faults_text();
	test_power();
	test_store();
	test_smsc();
	test_reproducible();
	smscs_free(&smscs);
	return finish();
}
