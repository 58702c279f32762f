/*
 * control.c
 *		The commands of the control socket.
 */
#include "control.h"

#include "download.h"
#include "establish.h"
#include "https_agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/sealing.h"
#include "store.h"

#define MAX_WORDS	16

const char *const CONTROL_HELP =
"  stats                     counters, NAME=VALUE\n"
"  dump [CARD]               true state, tab-separated: EID, ISD-P AID, ICCID,\n"
"                            state, fall-back, MSISDN, counter\n"
"  card CARD                 all about one card\n"
"  keys [CARD]               key sets: EID, version, counter, check values, KIc, KID, DEK;\n"
"                            of one for TLS \"PSK\" and the key\n"
"  commands [CARD]           what was executed: a line a card (EID, packets,\n"
"                            commands, highest counter, counters used twice,\n"
"                            changes repeated), or a line a command\n"
"  fallback CARD             the enabled profile's network is lost\n"
"  attach CARD               send the first-attach notification\n"
"  off CARD / on CARD        switch the device off, or on again\n"
"  reach CARD TAR on|off     whether this profile gets a network\n"
"  pol1 CARD TAR BITS        1 no disable, 2 no delete, 4 delete when disabled\n"
"  personalize CARD TAR [operator=N] [msisdn=DIGITS]\n"
"                            finish a profile download: ISD-P becomes DISABLED\n"
"  counter CARD N            set the stored counter of the key set\n"
"  sms CARD HEX              a short message reaches the card, past the SMSC; what\n"
"                            it sends at once is printed: MSISDN, user data\n"
"  call CARD                 open a session over HTTPS, as if triggered\n"
"  break CARD WHERE          its next connection breaks off: sent=N, received=N (octets of\n"
"                            TLS), before=N, after=N (the execution of the Nth script)\n"
"  sessions                  over HTTPS: EID, what goes on, key version, connections, POSTs,\n"
"                            scripts, failures, octets sent, received, suite, URI\n"
"  downloads [CARD]          profiles that have come: EID, ISD-P AID, state, elements,\n"
"                            segments, repeated, octets, SHA-256 of all segments\n"
"  faults [NAME=VALUE ...]   set faults; without arguments show them\n"
"  disconnect                close all SMPP sessions\n"
"  outage SECONDS            close them, and accept none for a time\n"
"  save FILE / restore FILE  card state\n"
"  help, quit\n"
"CARD is an EID or the card's number; TAR six hexadecimal digits.\n";

static const char *const kinds[] = {
	"unknown", "create", "enable", "disable", "delete", "get_status",
	"get_resources", "master_delete", "set_fallback", "update_addressing", "confirm",
	"set_emergency", "unset_emergency",
	"key_info", "put_key"
};
static const char *const phases[] = {"idle", "refresh", "attach", "confirm"};
static const char *const causes[] = {
	"none", "first_attach", "enable", "disable", "fall_back", "roll_back"
};

static void
say_error(Text *out, const char *what, const char *why)
{
	text_printf(out, "error: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
}

static void
put_aid(Text *out, uint16_t tar)
{
	char		text[2 * AID_MAX_LEN + 1] = "\\N";
	SmsrAid		aid;
	SmsrError	error;

	if (aid_isdp(tar, &aid, &error))
		aid_format(&aid, text);
	text_put(out, text);
}

/* NULL as COPY writes it, so that a test can load these lines. */
static void
dump_card(const Card *card, Text *out)
{
	char		eid[EID_DIGITS + 1];
	char		iccid[ICCID_DIGITS + 1];

	eid_format(card->eid, eid);
	for (int i = 0; i < CARD_PROFILES; i++)
	{
		const Profile *p = &card->profiles[i];

		if (p->tar == 0)
			continue;
		text_printf(out, "%s\t", eid);
		put_aid(out, p->tar);
		strcpy(iccid, "\\N");
		if (p->has_iccid)
			iccid_format(p->iccid, iccid);
		text_printf(out, "\t%s\t%s\t%c\t", iccid, profile_state(p), p->fallback ? 't' : 'f');
		if (p->msisdn != 0)
			text_printf(out, "%" PRIu64, p->msisdn);
		else
			text_put(out, "\\N");
		text_printf(out, "\t%" PRIu64 "\n", card_cntr(card));
	}
}

static void
describe_card(const Card *card, Text *out)
{
	char		eid[EID_DIGITS + 1];
	size_t		waiting = 0;

	eid_format(card->eid, eid);
	for (const MtMessage *mt = card->waiting; mt != NULL; mt = mt->next)
		waiting++;
	text_printf(out, "eid=%s\nnumber=%" PRIu64 "\non=%s\ncounter=%" PRIu64 "\nphase=%s\ncause=%s\n"
				"from=%06X\nto=%06X\nsequence=%u\ntries=%u\npinned=%06X\nsmsr_address=%" PRIu64
				"\nfree_memory=%" PRIu32 "\nwaiting=%zu\n",
				eid, card->serial, card->on ? "yes" : "no", card_cntr(card), phases[card->phase],
				causes[card->cause], card->from, card->to, card->sequence, card->tries,
				card->pinned, card->smsr_address, card_free_memory(card), waiting);
	for (int i = 0; i < CARD_PROFILES; i++)
	{
		const Profile *p = &card->profiles[i];

		if (p->tar != 0)
			text_printf(out, "profile=%06X lcs=%02X pol1=%u operator=%u fallback=%s emergency=%s reachable=%s"
						" memory=%" PRIu32 " msisdn=%" PRIu64 " imsi=%" PRIu64 "\n",
						p->tar, p->lcs, p->pol1, p->owner, p->fallback ? "yes" : "no",
						p->emergency ? "yes" : "no", p->reachable ? "yes" : "no", p->memory, p->msisdn, p->imsi);
	}
}

/* The only place where anybody can see a card's keys: for tests that look for them elsewhere. */
static void
dump_keys(const Card *card, Text *out)
{
	char		eid[EID_DIGITS + 1];

	eid_format(card->eid, eid);
	for (int i = 0; i < CARD_KEY_SETS; i++)
	{
		if (card->sets[i].kvn == 0)
			continue;
		if (is_psk_version(card->sets[i].kvn))
		{
			text_printf(out, "%s\t%u\t0\tPSK\t", eid, card->sets[i].kvn);
			text_hex(out, card->sets[i].keys[0], KEY_LEN);
			text_put(out, "\n");
			continue;
		}
		text_printf(out, "%s\t%u\t%" PRIu64 "\t", eid, card->sets[i].kvn, card->sets[i].cntr);
		for (int j = 0; j < KEYS; j++)
		{
			uint8_t		kcv[3];
			SmsrError	error;

			if (key_check_value(KEY_TYPE_AES, smsr_bytes(card->sets[i].keys[j], KEY_LEN), kcv, &error))
				text_hex(out, kcv, sizeof kcv);
		}
		for (int j = 0; j < KEYS; j++)
		{
			text_put(out, "\t");
			text_hex(out, card->sets[i].keys[j], KEY_LEN);
		}
		text_put(out, "\n");
	}
}

/*
 * Counters used twice: a later entry of a packet's commands under a counter
 * that is not higher than that of an earlier packet.
 */
static void
summarize_commands(const Card *card, Text *out)
{
	char		eid[EID_DIGITS + 1];
	uint64_t	highest[16] = {0};	/* of each key set; a session's scripts stand under 0 */
	uint64_t	above = 0;
	unsigned	twice = 0;

	for (size_t i = 0; i < card->log_count; i++)
	{
		const Executed *e = &card->log[i];
		uint64_t   *last = &highest[is_psk_version(e->kvn) ? 0 : e->kvn & 15];
		bool		same_packet = i > 0 && e->cntr == e[-1].cntr && e->kvn == e[-1].kvn;

		if (!same_packet && e->cntr <= *last)
			twice++;
		if (e->cntr > *last)
			*last = e->cntr;
		if (e->cntr > above && !is_psk_version(e->kvn))
			above = e->cntr;
		/* other keys count from the beginning */
		if (e->kind == ES5_PUT_KEY && e->sw == SW_OK)
			highest[e->tar & 15] = 0;
	}
	eid_format(card->eid, eid);
	text_printf(out, "%s\t%" PRIu32 "\t%zu\t%" PRIu64 "\t%u\t%" PRIu32 "\n", eid, card->packets,
				card->log_count, above, twice, card->again);
}

static void
list_commands(const Card *card, Text *out)
{
	for (size_t i = 0; i < card->log_count; i++)
	{
		const Executed *e = &card->log[i];

		text_printf(out, "%" PRIu64 "\t%s\t%06X\t%04X\t%u", e->cntr,
					e->kind == KIND_RELAYED ? "relayed" :
					e->kind == KIND_AUTHENTICATE ? "authenticate" :
					e->kind == KIND_ESTABLISH ? "establish" :
					e->kind == KIND_FINALISE ? "finalise" :
					e->kind < sizeof kinds / sizeof kinds[0] ? kinds[e->kind] : "unknown",
					e->tar, e->sw, e->kvn);
		if (e->script != 0)
			text_printf(out, "\t%" PRIu64, e->script);
		text_put(out, "\n");
	}
}

static void
dump_downloads(const Card *card, Text *out)
{
	char		eid[EID_DIGITS + 1];

	eid_format(card->eid, eid);
	for (const Download *d = card->downloads; d != NULL; d = d->next)
	{
		uint8_t		digest[32];

		text_printf(out, "%s\t", eid);
		put_aid(out, d->tar);
		text_printf(out, "\t%s\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu64 "\t",
					d->ended ? "ended" : d->failed ? "unreadable" : d->channel == CHANNEL_OPEN ? "open" : "closed",
					d->elements, d->segments, d->repeated, d->octets);
		download_digest(d, digest);
		text_hex(out, digest, sizeof digest);
		text_put(out, "\n");
	}
}

static void
print_stats(Control *control, Text *out)
{
	Smscs	   *smscs = control->smscs;
	Fleet	   *fleet = smscs->fleet;
	uint64_t	queued = 0;
	unsigned	sessions = 0,
				off = 0,
				changing = 0,
				waiting = 0;

#define X(name, text) text_printf(out, #name "=%" PRIu64 "\n", fleet->stats.name);
	FLEET_STATS(X)
#undef X
	for (unsigned i = 0; i < smscs->count; i++)
	{
		queued += smscs->smsc[i].queued;
		for (Session *s = smscs->smsc[i].sessions; s != NULL; s = s->next)
		{
			sessions += s->transmits || s->receives;
			queued += s->in_flight;
		}
	}
	for (uint32_t i = 0; i < fleet->config.cards; i++)
	{
		off += !fleet->cards[i].on;
		changing += fleet->cards[i].phase != PHASE_IDLE;
		waiting += fleet->cards[i].waiting != NULL;
	}
	text_printf(out, "https_sessions=%u\n", https_sessions(fleet));
	text_printf(out, "cards=%" PRIu32 "\nsessions=%u\noff=%u\nchanging=%u\ncards_with_waiting=%u\n"
				"in_transit=%" PRIu64 "\nqueued=%" PRIu64 "\n", fleet->config.cards, sessions, off,
				changing, waiting, smscs->in_transit, queued);
}

static bool
read_number(const char *text, int base, uint64_t max, uint64_t *value)
{
	char	   *end;

	*value = strtoull(text, &end, base);
	return text[0] >= '0' && end != text && *end == '\0' && *value <= max;
}

static bool
break_off(Card *card, const char *where)
{
	static const char *const points[] = {NULL, "sent=", "received=", "before=", "after="};
	uint64_t	at;

	for (int i = BREAK_SENT; i <= BREAK_AFTER; i++)
	{
		if (strncmp(where, points[i], strlen(points[i])) == 0 &&
			read_number(where + strlen(points[i]), 10, UINT32_MAX, &at))
		{
			card->break_point = (uint8_t) i;
			card->break_at = (uint32_t) at;
			return true;
		}
	}
	return false;
}

static void
personalize(Fleet *fleet, Card *card, Profile *profile, char **words, int count, Text *out)
{
	unsigned	owner = identity_operator(profile->tar, fleet->config.operators);
	uint64_t	msisdn = identity_msisdn(card->serial, profile->tar);
	uint64_t	value;

	for (int i = 0; i < count; i++)
	{
		if (strncmp(words[i], "operator=", 9) == 0 &&
			read_number(words[i] + 9, 10, fleet->config.operators - 1, &value))
			owner = (unsigned) value;
		else if (strncmp(words[i], "msisdn=", 7) == 0 &&
				 read_number(words[i] + 7, 10, UINT64_C(999999999999999), &value) && value != 0)
			msisdn = value;
		else
		{
			say_error(out, words[i], "operator=N or msisdn=DIGITS expected");
			return;
		}
	}
	if (profile->lcs == ISDP_ENABLED || profile->lcs == ISDP_DISABLED)
	{
		say_error(out, "this ISD-P has its profile", "");
		return;
	}
	card_personalize(fleet, card, profile, owner, msisdn);
	text_printf(out, "%" PRIu64 "\nok\n", msisdn);
}

/* ---- a message by hand, for tests that say themselves what is lost ---- */

static void
print_mo(void *carrier, Card *card, const Profile *from, const Address *to, const uint8_t *tp_ud, size_t len)
{
	Text	   *out = carrier;

	(void) card;
	(void) to;
	text_printf(out, "%" PRIu64 "\t", from->msisdn);
	text_hex(out, tp_ud, len);
	text_put(out, "\n");
}

static void
nobody_waits(void *carrier, Card *card)
{
	(void) carrier;
	(void) card;
}

static bool
receive_by_hand(Fleet *fleet, Card *card, const char *hex, Text *out)
{
	SendMo		send_mo = fleet->send_mo;
	void		(*is_back) (void *carrier, Card *card) = fleet->is_back;
	void	   *carrier = fleet->carrier;
	Address		from = {1, 1, ""};
	uint8_t		ud[SMS_MAX_UD];
	size_t		len = strlen(hex) / 2;
	unsigned	value;

	if (len == 0 || len > sizeof ud || strlen(hex) % 2 != 0 || hex[strspn(hex, "0123456789abcdefABCDEF")] != '\0')
		return false;
	for (size_t i = 0; i < len; i++)
	{
		sscanf(hex + 2 * i, "%2x", &value);
		ud[i] = (uint8_t) value;
	}
	snprintf(from.digits, sizeof from.digits, "%" PRIu64, card->smsr_address);
	fleet->send_mo = print_mo;
	fleet->is_back = nobody_waits;
	fleet->carrier = out;
	card_receive(fleet, card, &from, smsr_bytes(ud, len));
	fleet->send_mo = send_mo;
	fleet->is_back = is_back;
	fleet->carrier = carrier;
	return true;
}

/* Commands about one profile of a card: words[0] names it, words[2] is the TAR. */
static void
profile_command(Fleet *fleet, Card *card, char **words, int count, Text *out)
{
	Profile    *profile = NULL;
	uint64_t	value;

	if (count > 2 && read_number(words[2], 16, 0xFFFF, &value))
		profile = card_profile(card, (uint16_t) value);
	if (profile == NULL)
		say_error(out, "no such ISD-P on this card", count > 2 ? words[2] : "");
	else if (strcmp(words[0], "personalize") == 0)
		personalize(fleet, card, profile, words + 3, count - 3, out);
	else if (strcmp(words[0], "pol1") == 0 && count == 4 && read_number(words[3], 10, 7, &value))
	{
		profile->pol1 = (uint8_t) value;
		text_put(out, "ok\n");
	}
	else if (strcmp(words[0], "reach") == 0 && count == 4 &&
			 (strcmp(words[3], "on") == 0 || strcmp(words[3], "off") == 0))
	{
		profile->reachable = strcmp(words[3], "on") == 0;
		switching_network(fleet, card);
		text_put(out, "ok\n");
	}
	else
		say_error(out, words[0], "see help");
}

static void
card_command(Control *control, char **words, int count, Text *out)
{
	Fleet	   *fleet = control->smscs->fleet;
	Card	   *card = count > 1 ? fleet_find(fleet, words[1]) : NULL;
	uint64_t	value;

	if (card == NULL)
	{
		say_error(out, "no such card", count > 1 ? words[1] : "");
		return;
	}
	if (strcmp(words[0], "dump") == 0)
		dump_card(card, out);
	else if (strcmp(words[0], "keys") == 0)
		dump_keys(card, out);
	else if (strcmp(words[0], "card") == 0)
		describe_card(card, out);
	else if (strcmp(words[0], "commands") == 0)
		list_commands(card, out);
	else if (strcmp(words[0], "off") == 0 || strcmp(words[0], "on") == 0)
		fleet_power(fleet, card, strcmp(words[0], "on") == 0);
	else if (strcmp(words[0], "attach") == 0)
		switching_first_attach(fleet, card);
	else if (strcmp(words[0], "fallback") == 0)
	{
		if (!switching_fall_back(fleet, card))
		{
			say_error(out, "off, on its fall-back profile, or in the middle of a change", "");
			return;
		}
	}
	else if (strcmp(words[0], "counter") == 0)
	{
		if (count != 3 || !read_number(words[2], 10, SCP80_MAX_CNTR, &value))
		{
			say_error(out, "counter", "a number below 2^40 expected");
			return;
		}
		card_cntr(card) = value;
	}
	else if (strcmp(words[0], "downloads") == 0)
		dump_downloads(card, out);
	else if (strcmp(words[0], "call") == 0)
	{
		if (!https_call(fleet, card, smsr_bytes(NULL, 0)))
		{
			say_error(out, "off, in a session, or without a key or a server", "");
			return;
		}
	}
	else if (strcmp(words[0], "break") == 0)
	{
		if (count != 3 || !break_off(card, words[2]))
		{
			say_error(out, "break", "sent=N, received=N, before=N or after=N expected");
			return;
		}
	}
	else if (strcmp(words[0], "sms") == 0)
	{
		if (count != 3 || !receive_by_hand(fleet, card, words[2], out))
		{
			say_error(out, "sms", "user data in hexadecimal expected");
			return;
		}
	}
	else
	{
		profile_command(fleet, card, words, count, out);
		return;
	}
	text_put(out, "ok\n");
}

static void
set_faults(Control *control, char **words, int count, Text *out)
{
	Fleet	   *fleet = control->smscs->fleet;
	Faults		faults = fleet->faults;
	char		why[200];

	for (int i = 0; i < count; i++)
	{
		if (!faults_set(&faults, words[i], why, sizeof why))
		{
			say_error(out, why, "");
			return;
		}
	}
	if (count > 0)
	{
		fleet->faults = faults;
		fleet_apply_faults(fleet);
		smscs_apply_faults(control->smscs);
	}
	else
		faults_print(&faults, out);
	text_put(out, "ok\n");
}

static void
disconnect(Control *control, uint64_t seconds, Text *out)
{
	Smscs	   *smscs = control->smscs;

	smscs->outage_until = smscs->fleet->now + seconds * 1000000;
	for (unsigned i = 0; i < smscs->count; i++)
		smsc_disconnect(&smscs->smsc[i]);
	text_put(out, "ok\n");
}

static void
fleet_command(Control *control, char **words, int count, Text *out)
{
	Fleet	   *fleet = control->smscs->fleet;
	Text		why = {0};
	uint64_t	seconds;

	if (strcmp(words[0], "stats") == 0 && count == 1)
		print_stats(control, out);
	else if (strcmp(words[0], "dump") == 0)
	{
		for (uint32_t i = 0; i < fleet->config.cards; i++)
			dump_card(&fleet->cards[i], out);
	}
	else if (strcmp(words[0], "keys") == 0)
	{
		for (uint32_t i = 0; i < fleet->config.cards; i++)
			dump_keys(&fleet->cards[i], out);
	}
	else if (strcmp(words[0], "commands") == 0)
	{
		for (uint32_t i = 0; i < fleet->config.cards; i++)
			summarize_commands(&fleet->cards[i], out);
	}
	else if (strcmp(words[0], "downloads") == 0)
	{
		for (uint32_t i = 0; i < fleet->config.cards; i++)
			dump_downloads(&fleet->cards[i], out);
	}
	else if (strcmp(words[0], "sessions") == 0 && count == 1)
	{
		for (uint32_t i = 0; i < fleet->config.cards; i++)
			https_describe(&fleet->cards[i], out);
	}
	else if (strcmp(words[0], "help") == 0)
		text_put(out, CONTROL_HELP);
	else if (strcmp(words[0], "quit") == 0)
		control->quit = true;
	else if (strcmp(words[0], "faults") == 0)
	{
		set_faults(control, words + 1, count - 1, out);
		return;
	}
	else if (strcmp(words[0], "disconnect") == 0 && count == 1)
	{
		disconnect(control, 0, out);
		return;
	}
	else if (strcmp(words[0], "outage") == 0 && count == 2 &&
			 read_number(words[1], 10, 86400, &seconds))
	{
		disconnect(control, seconds, out);
		return;
	}
	else if ((strcmp(words[0], "save") == 0 || strcmp(words[0], "restore") == 0) && count == 2)
	{
		bool		done = words[0][0] == 's' ? store_save(fleet, words[1], &why) :
			store_restore(fleet, words[1], &why);

		if (!done)
			say_error(out, why.data, "");
		else
			text_put(out, "ok\n");
		text_free(&why);
		return;
	}
	else
	{
		say_error(out, words[0], "no such command, or not so: see help");
		return;
	}
	text_put(out, "ok\n");
}

void
control_command(Control *control, const char *command, Text *out)
{
	static const char *const about_cards[] = {
		"card", "fallback", "attach", "off", "on", "reach", "pol1", "personalize", "counter", "sms",
		"call", "break", NULL
	};
	char		line[4096];
	char	   *words[MAX_WORDS + 1];
	char	   *rest = line;
	int			count = 0;

	snprintf(line, sizeof line, "%s", command);
	while (count < MAX_WORDS && (words[count] = strtok_r(rest, " \t\r\n", &rest)) != NULL)
		count++;
	if (count == 0)
	{
		text_put(out, "error: empty line\n");
		return;
	}
	if ((strcmp(words[0], "dump") == 0 || strcmp(words[0], "commands") == 0 || strcmp(words[0], "keys") == 0 ||
		 strcmp(words[0], "downloads") == 0) && count > 1)
	{
		card_command(control, words, count, out);
		return;
	}
	for (int i = 0; about_cards[i] != NULL; i++)
	{
		if (strcmp(words[0], about_cards[i]) == 0)
		{
			card_command(control, words, count, out);
			return;
		}
	}
	fleet_command(control, words, count, out);
}
